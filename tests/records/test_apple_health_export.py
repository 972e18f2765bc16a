# ruff: noqa: DTZ001 - wall-clock times
"""Apple Health: what real exports hold, read by stated rules, streamed and safely."""

import zipfile
from datetime import datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from novamind.errors import DataProcessingError, InsufficientDataError, ValidationError
from novamind.records.wearables import WearableRecord, apple_health, apple_xml, read_wearables
from novamind.records.wearables.files import Context
from novamind.records.wearables.samples import Tally
from tests.records.wearable_input import export_file

WATCH = "&lt;&lt;HKDevice: 0x1&gt;, name:Apple Watch, manufacturer:Apple Inc., model:Watch, hardware:Watch6,1&gt;"
PHONE = "&lt;&lt;HKDevice: 0x2&gt;, name:iPhone, manufacturer:Apple Inc., model:iPhone, hardware:iPhone12,1&gt;"
SAMPLE = Path(__file__).parents[3] / "shared/data/wearables/apple_export6s3sample.xml"


def record(
    kind: str,
    start: str,
    end: str | None = None,
    value: object = 1,
    unit: str = "count",
    device: str | None = WATCH,
    source: str = "Kim’s Apple\u00a0Watch",
    stored: str | None = None,
    inside: str = "",
) -> str:
    named = f' device="{device}"' if device else ""
    long = kind if kind.startswith("HK") else f"HKQuantityTypeIdentifier{kind}"
    return (
        f'<Record type="{long}" sourceName="{source}"{named} unit="{unit}" creationDate="{stored or end or start}" '
        f'startDate="{start}" endDate="{end or start}" value="{value}">{inside}</Record>\n'
    )


def export(*records: str, head: str = "", exported: str = "2024-06-01 12:00:00 +0200") -> bytes:
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>\n{head}<HealthData locale="en_GB">\n<ExportDate value="{exported}"/>\n'
        f"{''.join(records)}</HealthData>\n"
    ).encode()


def read(tmp_path: Path, content: bytes, **options: object) -> WearableRecord:
    file = tmp_path / "export.xml"
    file.write_bytes(content)
    return read_wearables(file, **options)  # type: ignore[arg-type]


def test_a_record_becomes_a_row_with_wall_clock_offset_unit_and_product(tmp_path: Path) -> None:
    row = read(
        tmp_path, export(record("HeartRate", "2024-05-01 08:30:00 +0200", value=61, unit="count/min"))
    ).frame.row(0, named=True)
    assert row == {
        "patient_id": "1",
        "timestamp": datetime(2024, 5, 1, 8, 30),
        "signal": "heart_rate",
        "value": 61.0,
        "unit": "bpm",
        "end": datetime(2024, 5, 1, 8, 30),
        "utc_offset_minutes": 120,
        "source": "Apple Watch Watch6,1",
        "device": "wearable",
    }


@pytest.mark.parametrize(
    ("kind", "unit", "value", "signal", "canonical"),
    [
        ("BodyMass", "lb", 154.324, "weight", 70.0),
        ("DistanceWalkingRunning", "mi", 0.5, "distance", 804.672),
        ("BodyTemperature", "degF", 98.6, "body_temperature", 37.0),
        ("ActiveEnergyBurned", "kJ", 41.84, "active_energy", 10.0),
        ("ActiveEnergyBurned", "Cal", 10, "active_energy", 10.0),
        ("OxygenSaturation", "%", 0.97, "oxygen_saturation", 97.0),
        ("BloodGlucose", "mmol&lt;180.15588000005408&gt;/L", 5.0, "blood_glucose", 90.07794),
        ("HeartRate", "count/s", 1.0, "heart_rate", 60.0),
    ],
)
def test_units_are_made_one(tmp_path: Path, kind: str, unit: str, value: float, signal: str, canonical: float) -> None:
    frame = read(tmp_path, export(record(kind, "2024-05-01 08:00:00 +0200", value=value, unit=unit))).frame
    assert frame["signal"].to_list() == [signal]
    assert frame["value"][0] == pytest.approx(canonical, rel=1e-5)


def test_the_watch_goes_before_the_phone_and_no_step_is_counted_twice(tmp_path: Path) -> None:
    phone = record("StepCount", "2024-05-01 08:00:00 +0200", "2024-05-01 08:10:00 +0200", 100, device=PHONE)
    watch = record("StepCount", "2024-05-01 08:05:00 +0200", "2024-05-01 08:20:00 +0200", 150)
    done = read(tmp_path, export(phone, watch))
    assert done.frame.select("value", "device").rows() == [(50.0, "phone"), (150.0, "wearable")]
    assert done.summary.shortened == 1


def test_a_phone_row_inside_a_watch_row_is_left_out_and_said_so(tmp_path: Path) -> None:
    phone = record("StepCount", "2024-05-01 08:06:00 +0200", "2024-05-01 08:10:00 +0200", 40, device=PHONE)
    watch = record("StepCount", "2024-05-01 08:05:00 +0200", "2024-05-01 08:20:00 +0200", 150)
    summary = read(tmp_path, export(phone, watch)).summary
    assert summary.rows_read == 2
    assert summary.rows_kept == 1
    (left,) = summary.left_out
    assert (left["signal"], left["rows"], left["first_row"]) == ("steps", 1, 1)
    assert "another device" in left["reason"]


def test_months_meet_without_counting_twice(tmp_path: Path) -> None:
    watch = record("StepCount", "2024-04-30 23:50:00 +0200", "2024-05-01 00:10:00 +0200", 200)
    phone = record("StepCount", "2024-05-01 00:05:00 +0200", "2024-05-01 00:15:00 +0200", 100, device=PHONE)
    frame = read(tmp_path, export(phone, watch)).frame
    assert frame.select("timestamp", "value").rows() == [
        (datetime(2024, 4, 30, 23, 50), 200.0),
        (datetime(2024, 5, 1, 0, 10), 50.0),
    ]


def test_sleep_stages_count_as_asleep_too(tmp_path: Path) -> None:
    stages = [
        record("HKCategoryTypeIdentifierSleepAnalysis", f"2024-05-01 0{hour}:00:00 +0200",
               f"2024-05-01 0{hour + 1}:00:00 +0200", f"HKCategoryValueSleepAnalysis{stage}")
        for hour, stage in enumerate(("InBed", "AsleepCore", "AsleepDeep", "AsleepREM", "Awake"))
    ]  # fmt: skip
    frame = read(tmp_path, export(*stages)).frame
    minutes = dict(frame.group_by("signal").agg(pl.col("value").sum()).iter_rows())
    assert minutes == {
        "sleep_asleep": 180.0, "sleep_awake": 60.0, "sleep_deep": 60.0, "sleep_in_bed": 60.0, "sleep_light": 60.0,
        "sleep_rem": 60.0,
    }  # fmt: skip


def test_the_hour_that_autumn_repeats_stays_two_hours(tmp_path: Path) -> None:
    first = record("HeartRate", "2023-10-29 02:30:00 +0200", value=60, unit="count/min")
    second = record("HeartRate", "2023-10-29 02:30:00 +0100", value=70, unit="count/min")
    frame = read(tmp_path, export(first, second)).frame
    assert frame.select("value", "utc_offset_minutes").rows() == [(60.0, 120), (70.0, 60)]
    assert frame["timestamp"].n_unique() == 1


def test_a_record_that_names_its_timezone_is_read_by_that_clock(tmp_path: Path) -> None:
    abroad = '<MetadataEntry key="HKTimeZone" value="America/New_York"/>'
    night = record("HKCategoryTypeIdentifierSleepAnalysis", "2024-05-01 06:00:00 +0200", "2024-05-01 14:00:00 +0200",
                   "HKCategoryValueSleepAnalysisAsleepUnspecified", inside=abroad)  # fmt: skip
    row = read(tmp_path, export(night)).frame.row(0, named=True)
    assert row["timestamp"] == datetime(2024, 5, 1, 0, 0)
    assert row["utc_offset_minutes"] == -240


def test_a_timezone_that_is_given_goes_before_the_phones(tmp_path: Path) -> None:
    heart = record("HeartRate", "2024-05-01 08:00:00 +0200", value=60, unit="count/min")
    row = read(tmp_path, export(heart), timezone="Asia/Tokyo").frame.row(0, named=True)
    assert (row["timestamp"], row["utc_offset_minutes"]) == (datetime(2024, 5, 1, 15, 0), 540)


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (record("StepCount", "2024-05-01 08:00:00 +0200", "2024-05-01 08:01:00 +0200", -5), "below the plausible"),
        (record("HeartRate", "2024-05-01 08:00:00 +0200", value=900, unit="count/min"), "above the plausible"),
        (record("HeartRate", "2024-05-01 08:00:00 +0200", value="NaN", unit="count/min"), "not a number"),
        (record("HeartRate", "2024-05-01 08:00:00 +0200", value="", unit="count/min"), "not a number"),
        (record("HeartRate", "2024-05-01 08:00:00 +0200", value=60, unit="furlong"), "unit is not known"),
        (record("HeartRate", "yesterday", value=60, unit="count/min"), "time cannot be read"),
        (record("HeartRate", "1970-01-01 00:00:10 +0000", value=60, unit="count/min"), "clock was not set"),
        (record("StepCount", "2024-05-01 08:00:00 +0200", "2024-05-01 07:00:00 +0200", 5), "ends before it starts"),
        (record("StepCount", "2024-05-01 08:00:00 +0200", "2024-05-09 08:00:00 +0200", 5), "longer than a day"),
        (record("HeartRate", "2024-05-09 08:00:00 +0200", value=60, unit="count/min",
                stored="2024-05-01 08:00:00 +0200"), "the clock ran ahead"),
        (record("HeartRate", "2024-06-09 08:00:00 +0200", value=60, unit="count/min"), "the clock ran ahead"),
        (record("HKCategoryTypeIdentifierSleepAnalysis", "2024-05-01 00:00:00 +0200", value="Dozing"), "stage"),
    ],
)  # fmt: skip
def test_a_row_that_breaks_a_rule_is_left_out_and_counted(tmp_path: Path, bad: str, reason: str) -> None:
    good = record("HeartRate", "2024-05-02 08:00:00 +0200", value=60, unit="count/min")
    done = read(tmp_path, export(bad, good))
    assert done.frame["value"].to_list() == [60.0]
    (left,) = done.summary.left_out
    assert reason in left["reason"]
    assert (left["rows"], left["first_row"]) == (1, 1)
    assert done.summary.rows_read == done.summary.rows_kept + 1


def test_what_a_correlation_repeats_is_read_once(tmp_path: Path) -> None:
    pressure = record("BloodPressureSystolic", "2024-05-01 08:00:00 +0200", value=120, unit="mmHg")
    correlation = f'<Correlation type="HKCorrelationTypeIdentifierBloodPressure">{pressure}</Correlation>'
    summary = read(tmp_path, export(correlation, pressure)).summary
    assert (summary.rows_read, summary.rows_kept) == (1, 1)


def test_what_was_typed_in_by_hand_ranks_last(tmp_path: Path) -> None:
    by_hand = '<MetadataEntry key="HKWasUserEntered" value="1"/>'
    typed = record("BodyMass", "2024-05-01 08:10:00 +0200", value=80, unit="kg", device=None, inside=by_hand)
    scale = record("BodyMass", "2024-05-01 08:00:00 +0200", value=70, unit="kg", device=None, source="Withings")
    frame = read(tmp_path, export(typed, scale)).frame
    assert frame.select("value", "device").rows() == [(70.0, "other")]


def test_no_owners_name_is_kept(tmp_path: Path) -> None:
    steps = record("StepCount", "2024-05-01 08:00:00 +0200", value=5, device=None, source="Kim Doe's iPhone")
    frame = read(tmp_path, export(steps)).frame
    assert frame.select("source", "device").rows() == [("iPhone", "phone")]


def test_records_without_a_place_are_counted(tmp_path: Path) -> None:
    heart = record("HeartRate", "2024-05-01 08:00:00 +0200", value=60, unit="count/min")
    other = record("DietaryCaffeine", "2024-05-01 08:00:00 +0200", value=60, unit="mg")
    summary = read(tmp_path, export(heart, other, '<Workout duration="3"/>')).summary
    assert summary.unread == {"HKQuantityTypeIdentifierDietaryCaffeine": 1, "Workout": 1}


def test_pauses_without_heart_rate_are_not_worn_and_their_zeros_are_no_rest(tmp_path: Path) -> None:
    hearts = [
        record("HeartRate", f"2024-05-01 {hour:02d}:{minute:02d}:00 +0200", value=60, unit="count/min")
        for hour in (8, 9, 14)
        for minute in (0, 20, 40)
    ]
    lying = record("StepCount", "2024-05-01 12:00:00 +0200", "2024-05-01 12:10:00 +0200", 0)
    sitting = record("StepCount", "2024-05-01 08:10:00 +0200", "2024-05-01 08:15:00 +0200", 0)
    done = read(tmp_path, export(*hearts, lying, sitting))
    assert done.non_wear.select("start", "end").rows() == [(datetime(2024, 5, 1, 9, 40), datetime(2024, 5, 1, 14, 0))]
    assert done.frame.filter(pl.col("signal") == "steps")["timestamp"].to_list() == [datetime(2024, 5, 1, 8, 10)]
    assert "not worn" in done.summary.left_out[0]["reason"]


def test_an_archive_is_read_whatever_language_its_phone_speaks(tmp_path: Path) -> None:
    file = tmp_path / "Export.zip"
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(
            "apple_health_export/Exportieren.xml",
            export(record("HeartRate", "2024-05-01 08:00:00 +0200", value=60, unit="count/min")),
        )
        archive.writestr("apple_health_export/export_cda.xml", b"<ClinicalDocument/>" * 1000)
    assert read_wearables(file).summary.rows_kept == 1


def test_a_broken_document_type_and_control_characters_do_no_harm(tmp_path: Path) -> None:
    head = "<!DOCTYPE HealthData [\n<!ELEMENT Workout (WorkoutEvent)\n<!ATTLIST oops\n]>\n"
    heart = record("HeartRate", "2024-05-01 08:00:00 +0200", value=60, unit="count/min", source="App\x0bX", device=None)
    assert read(tmp_path, export(heart, head=head)).frame["source"].to_list() == ["App X"]


@pytest.mark.parametrize(
    "entity", ['<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">', '<!ENTITY a SYSTEM "file:///etc/passwd">', '<!entity a "b">']
)
def test_entities_are_refused(tmp_path: Path, entity: str) -> None:
    with pytest.raises(ValidationError, match="declares entities"):
        read(tmp_path, export(record("HeartRate", "2024-05-01 08:00:00 +0200"), head=f"<!DOCTYPE x [{entity}]>"))


HEART = record("HeartRate", "2024-05-01 08:00:00 +0200", value=60, unit="count/min")
LATER = record("HeartRate", "2024-05-01 09:00:00 +0200", value=61, unit="count/min")


@pytest.mark.parametrize("chunk", [1 << 20, 100, 37, 3])
@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (HEART.replace(" unit=", ' Health Mate App Version="2.6" unit='), "invalid token"),
        ("&bomb;\n", "undefined entity"),
        ("<Record type='a' type='b'/>\n", "duplicate attribute"),
        ("<Record type=x/>\n", "invalid token"),
        ("a < b\n", "invalid token"), ("<\n", "invalid token"),
        ('<Record Version of App="1">\n<MetadataEntry key="a" value="b"/>\n</Record>\n', "invalid token"),
        ('<Correlation type="x">\n<Record App V="1"/>\n' + HEART + "</Correlation>\n", "invalid token"),
    ],
)  # fmt: skip
def test_a_line_that_is_no_xml_is_named_and_the_others_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bad: str, reason: str, chunk: int
) -> None:
    monkeypatch.setattr(apple_xml, "CHUNK_BYTES", max(chunk, 80))  # the root stands in the first piece
    done = read(tmp_path, export(HEART, bad, LATER))
    assert done.frame["value"].to_list() == [60.0, 61.0]
    line = 6 if "<Correlation" in bad else 5
    (sentence,) = done.summary.files_left_out
    assert sentence.startswith(f"line {line} is not well-formed XML (")
    assert reason in sentence
    assert sentence.endswith("and left out")


@pytest.mark.parametrize("chunk", [1 << 20, 80, 81, 83, 97, 110])
def test_an_export_without_line_ends_goes_on_at_the_next_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chunk: int
) -> None:
    monkeypatch.setattr(apple_xml, "CHUNK_BYTES", chunk)
    content = export(HEART, '<Record App Version="1" value="3"/>', LATER).replace(b"\n", b"")
    done = read(tmp_path, content)
    assert done.frame["value"].to_list() == [60.0, 61.0]
    (sentence,) = done.summary.files_left_out
    assert sentence == "line 1 is not well-formed XML (not well-formed (invalid token)) and left out"


def test_bytes_that_are_no_text_are_one_bad_line(tmp_path: Path) -> None:
    done = read(tmp_path, export(HEART, "<Record a='\x00'/>\n", LATER).replace(b"'\x00'", b"'\xff\xfe'"))
    assert len(done.frame) == 2
    assert next(iter(done.summary.files_left_out)).startswith("line 5 is not well-formed XML (")


def test_many_bad_lines_are_counted_and_too_many_refused(tmp_path: Path) -> None:
    bad = '<Record App Version="1"/>\n'
    (sentence,) = read(tmp_path, export(*[bad] * 1_000, LATER)).summary.files_left_out
    assert sentence.startswith("line 4 and 999 more lines are not well-formed XML")
    with pytest.raises(ValidationError, match=r"export\.xml: more than 1,000 lines are not well-formed XML: export it"):
        read(tmp_path, export(*[bad] * 1_001, LATER))


@pytest.mark.parametrize("cut", [15, 40, 100])
def test_a_file_that_is_cut_off_is_read_to_where_it_ends(tmp_path: Path, cut: int) -> None:
    done = read(tmp_path, export(HEART, LATER)[:-cut])
    assert done.frame["value"].to_list() == ([60.0, 61.0] if cut < 20 else [60.0])
    (sentence,) = done.summary.files_left_out
    assert sentence == "it is cut off at line 5: what stands before is read, export it again"


def test_text_behind_the_end_of_the_export_is_named(tmp_path: Path) -> None:
    done = read(tmp_path, export(HEART) + b"<HealthData>\n" + LATER.encode())
    assert done.frame["value"].to_list() == [60.0]
    assert "junk after document element" in next(iter(done.summary.files_left_out))


def test_depth_and_length_of_elements_have_limits(tmp_path: Path) -> None:
    deep = "<a>" * 62
    assert len(read(tmp_path, export(f"{deep}{'</a>' * 62}\n", HEART)).frame) == 1
    with pytest.raises(ValidationError, match=r"export\.xml: is nested too deeply to be an export"):
        read(tmp_path, export("<a>" * 200_000))
    long = f'<Record type="{{}}"/>\n{HEART}'
    assert len(read(tmp_path, export(long.format("x" * (4 << 20)))).frame) == 1
    with pytest.raises(ValidationError, match=r"export\.xml: line 4 holds a longer element than any export has"):
        read(tmp_path, export(long.format("x" * (12 << 20))))


def test_a_phone_on_the_twelve_hour_clock(tmp_path: Path) -> None:
    stamps = (
        "2024-09-21 12:05:30\u202fam +1000",
        "2024-09-21 7:57:00\u202fam +1000",
        "2024-09-21 11:05:30\u202fpm +1000",
    )
    records = [record("HeartRate", stamp, value=60 + n, unit="count/min") for n, stamp in enumerate(stamps)]
    frame = read(tmp_path, export(*records, exported="2024-09-30 10:00:00\u202fam +1000")).frame
    assert frame.select("timestamp", "utc_offset_minutes").rows() == [
        (datetime(2024, 9, 21, 0, 5, 30), 600),
        (datetime(2024, 9, 21, 7, 57), 600),
        (datetime(2024, 9, 21, 23, 5, 30), 600),
    ]
    late = record("HeartRate", "2024-09-30 10:00:01\u202fam +1000", value=60, unit="count/min")
    with pytest.raises(InsufficientDataError, match="the clock ran ahead"):
        read(tmp_path, export(late, exported="2024-09-30 10:00:00\u202fam +1000"))


def test_state_of_mind_is_the_persons_own_word(tmp_path: Path) -> None:
    def state(kind: str, valence: float) -> str:
        at = "2024-05-01 08:00:00 +0200"
        return f'<StateOfMind sourceName="Health" startDate="{at}" kind="{kind}" valence="{valence}"/>'

    other = record("HKStateOfMindTypeIdentifier", "2024-05-01 09:00:00 +0200", value=0.4)
    scores = '<PHQ9Assessment startDate="2024-05-01 08:00:00 +0200" score="14"/><GAD7Assessment score="3"/>'
    done = read(
        tmp_path, export(state("dailyMood", -0.6), state("momentaryEmotion", 1), state("x", 0), other, scores, "<Me/>")
    )
    assert done.frame.select("signal", "value", "device").rows() == [
        ("daily_mood_valence", -0.6, "manual"), ("mood_valence", 1.0, "manual"), ("mood_valence", 0.4, "manual"),
    ]  # fmt: skip
    assert done.summary.unread == {"GAD7Assessment": 1, "Me": 1, "PHQ9Assessment": 1, "StateOfMind x": 1}


@pytest.mark.parametrize(
    ("element", "signal"),
    [
        ('<StateOfMind {} valence="0.5"/>', "mood_valence"),
        ('<StateOfMind {} kind="1" valence="0.5"/>', "mood_valence"),
        ('<StateOfMind {} kind="Momentary Emotion" valence="0.5"/>', "mood_valence"),
        ('<StateOfMind {} kind="2" valence="0.5"/>', "daily_mood_valence"),
        ('<StateOfMind {} kind="Daily Mood" valence="0.5"/>', "daily_mood_valence"),
        ('<Record type="HKDataTypeIdentifierStateOfMindType" {} value="0.5"/>', "mood_valence"),
        ('<Record type="HKDataTypeStateOfMind" {} value="0.5"/>', "mood_valence"),
    ],
)  # fmt: skip
def test_each_form_of_a_state_of_mind(tmp_path: Path, element: str, signal: str) -> None:
    done = read(tmp_path, export(element.format('startDate="2024-05-01 08:00:00 +0200"')))
    assert done.frame.select("signal", "value", "device").rows() == [(signal, 0.5, "manual")]


def test_what_a_correlation_says_of_itself_is_of_no_other_record(tmp_path: Path) -> None:
    mood = '<StateOfMind startDate="2024-05-01 08:00:00 +0200" valence="0.5"/>'
    run = '<Workout duration="30" startDate="2024-05-01 08:00:00 +0200" endDate="2024-05-01 08:30:00 +0200"/>'
    typed_in = '<Correlation><MetadataEntry key="HKWasUserEntered" value="1"/></Correlation>'
    devices = read(tmp_path, export(mood, run, typed_in)).frame
    assert devices.filter(pl.col("signal") == "workout")["device"].to_list() == ["other"]


def test_a_workout_has_its_minutes(tmp_path: Path) -> None:
    run = (
        '<Workout workoutActivityType="HKWorkoutActivityTypeRunning" duration="30" durationUnit="min" sourceName="W" '
        'startDate="2024-05-01 08:00:00 +0200" endDate="2024-05-01 08:31:00 +0200">'
        '<WorkoutStatistics type="x" sum="3"/></Workout>'
    )
    later = run.replace('"30" durationUnit="min"', '"0.5" durationUnit="hr"').replace("08:", "10:")
    done = read(tmp_path, export(run, later))
    assert done.frame.select("signal", "value").rows() == [("workout", 30.0), ("workout", 30.0)]


def test_a_percentage_is_a_fraction_or_itself(tmp_path: Path) -> None:
    written = [record("OxygenSaturation", f"2024-05-01 0{n}:00:00 +0200", value=value, unit="%")
               for n, value in enumerate((0.97, 97, 1))]  # fmt: skip
    assert read(tmp_path, export(*written)).frame["value"].to_list() == [97.0, 97.0, 100.0]


def test_a_watch_of_any_maker_goes_before_the_phone(tmp_path: Path) -> None:
    def device(name: str, maker: str) -> str:
        return f"&lt;&lt;HKDevice: 0x2&gt;, name:{name}, manufacturer:{maker}, model:x, hardware:, software:17.26&gt;"

    span = ("2024-05-01 08:00:00 +0200", "2024-05-01 09:00:00 +0200")
    phone = record("StepCount", *span, value=400, device=PHONE)
    for name, maker, source in (
        ("Forerunner 255", "Garmin", "Connect"), ("fēnix 7", "", "x"), ("Grit X", "Polar Electro Oy", "Polar Flow"),
        ("", "", "Connect"), ("Oura", "Oura", "Oura"), ("Steel HR", "Withings", "x"),
        ("Mi Band", "Xiaomi", "Mi Fitness"),
    ):  # fmt: skip
        watch = record("StepCount", *span, value=5200, device=device(name, maker) if name else None, source=source)
        assert read(tmp_path, export(phone, watch)).frame["value"].to_list() == [5200.0]
    app = record("StepCount", *span, value=5200, device=PHONE, source="Fitbit")
    assert read(tmp_path, export(app)).frame["device"].to_list() == ["phone"]


def test_a_night_has_one_source(tmp_path: Path) -> None:
    def sleep(stage: str, start: str, end: str, device: str) -> str:
        return record("HKCategoryTypeIdentifierSleepAnalysis", f"{start} +1000", f"{end} +1000",
                      f"HKCategoryValueSleepAnalysis{stage}", device=device)  # fmt: skip

    night = [
        sleep("InBed", "2024-09-21 23:00:00", "2024-09-22 07:00:00", PHONE),
        sleep("AsleepUnspecified", "2024-09-21 23:10:00", "2024-09-22 06:50:00", PHONE),
        sleep("AsleepCore", "2024-09-21 23:20:00", "2024-09-22 03:00:00", WATCH),
        sleep("Awake", "2024-09-22 03:00:00", "2024-09-22 03:30:00", WATCH),
        sleep("AsleepDeep", "2024-09-22 03:30:00", "2024-09-22 06:40:00", WATCH),
    ]
    done = read(tmp_path, export(*night, exported="2024-09-30 12:00:00 +1000"))
    minutes = dict(done.frame.group_by("signal").agg(pl.col("value").sum()).iter_rows())
    assert minutes == {"sleep_asleep": 410.0, "sleep_light": 220.0, "sleep_deep": 190.0, "sleep_awake": 30.0,
                       "sleep_in_bed": 480.0}  # fmt: skip
    (left,) = done.summary.left_out
    assert (left["signal"], left["reason"]) == ("sleep_asleep", "another source tells this night")


def test_an_archive_that_unpacks_to_far_too_much_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "export.zip"
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("apple_health_export/export.xml", b"<HealthData>" + b" " * 20_000_000)
    with pytest.raises(ValidationError, match="far more"):
        read_wearables(file)


def test_a_damaged_archive_says_so(tmp_path: Path) -> None:
    file = tmp_path / "export.zip"
    file.write_bytes(b"PK\x03\x04 but not really")
    with pytest.raises(DataProcessingError, match="cannot be read"):
        read_wearables(file)


def test_nothing_to_use_is_said_with_the_reasons(tmp_path: Path) -> None:
    with pytest.raises(InsufficientDataError, match="above the plausible range"):
        read(tmp_path, export(record("HeartRate", "2024-05-01 08:00:00 +0200", value=900, unit="count/min")))


@pytest.mark.skipif(not SAMPLE.exists(), reason="the real sample files are not in this checkout")
def test_a_real_export_of_2016() -> None:
    summary = read_wearables(SAMPLE).summary
    assert (summary.format, summary.rows_read, summary.rows_kept) == ("Apple Health", 16, 16)
    assert [(one.signal, one.rows, one.unit) for one in summary.coverage] == [
        ("distance", 5, "m"),
        ("steps", 10, "count"),
        ("workout", 1, "min"),
    ]
    assert summary.unread == {"ActivitySummary": 2, "Me": 1}


#: Apple's identifiers (HealthKit documentation) and the signal that each is.
QUANTITIES = {
    "HeartRate": ("heart_rate", "count/min"),
    "RestingHeartRate": ("resting_heart_rate", "count/min"),
    "WalkingHeartRateAverage": ("walking_heart_rate", "count/min"),
    "HeartRateVariabilitySDNN": ("hrv_sdnn", "ms"),
    "HeartRateVariabilityRMSSD": ("hrv_rmssd", "ms"),
    "RespiratoryRate": ("respiratory_rate", "count/min"),
    "OxygenSaturation": ("oxygen_saturation", "%"),
    "AppleSleepingWristTemperature": ("skin_temperature", "degC"),
    "BodyTemperature": ("body_temperature", "degC"),
    "BasalBodyTemperature": ("body_temperature", "degC"),
    "ElectrodermalActivity": ("electrodermal_activity", "mcS"),
    "VO2Max": ("vo2_max", "mL/min·kg"),
    "StepCount": ("steps", "count"),
    "DistanceWalkingRunning": ("distance", "km"),
    "ActiveEnergyBurned": ("active_energy", "Cal"),
    "BasalEnergyBurned": ("basal_energy", "kcal"),
    "FlightsClimbed": ("floors", "count"),
    "AppleExerciseTime": ("exercise", "min"),
    "TimeInDaylight": ("daylight", "min"),
    "EnvironmentalAudioExposure": ("sound_level", "dBASPL"),
    "BodyMass": ("weight", "lb"),
    "BodyFatPercentage": ("body_fat", "%"),
    "BloodPressureSystolic": ("blood_pressure_systolic", "mmHg"),
    "BloodPressureDiastolic": ("blood_pressure_diastolic", "mmHg"),
    "BloodGlucose": ("blood_glucose", "mg/dL"),
}
STAGES = {
    "InBed": ["sleep_in_bed"], "Asleep": ["sleep_asleep"], "AsleepUnspecified": ["sleep_asleep"],
    "AsleepCore": ["sleep_asleep", "sleep_light"], "AsleepDeep": ["sleep_asleep", "sleep_deep"],
    "AsleepREM": ["sleep_asleep", "sleep_rem"], "Awake": ["sleep_awake"],
}  # fmt: skip
AT = "2024-05-01 00:10:00 +0530"
INSTANT = datetime(2024, 4, 30, 18, 40)


def parts(*records: str, **options: str) -> tuple[pl.DataFrame, Tally]:
    """What the reader hands over, before any rule on values."""
    tally = Tally()
    batches = list(apple_health.batches(export_file("export.xml", export(*records, **options)), Context(tally)))
    assert [batch.clock for batch in batches] == ["offset"]
    return batches[0].samples, tally


@pytest.mark.parametrize("kind", QUANTITIES)
def test_every_quantity_is_its_signal(kind: str) -> None:
    signal, unit = QUANTITIES[kind]
    frame, tally = parts(record(kind, AT, "2024-05-01 00:20:00 +0530", value=0.5, unit=unit))
    columns = ("row", "signal", "start", "end", "offset", "value", "unit", "source", "device")
    assert frame.select(columns).rows() == [
        (1, signal, INSTANT, INSTANT + timedelta(minutes=10), 19_800, 0.5, "fraction" if unit == "%" else unit,
         "Apple Watch Watch6,1", "wearable"),
    ]  # fmt: skip
    assert tally.unread == {}


@pytest.mark.parametrize("stage", STAGES)
def test_every_stage_of_sleep(stage: str) -> None:
    kind, value = "HKCategoryTypeIdentifierSleepAnalysis", f"HKCategoryValueSleepAnalysis{stage}"
    frame, _ = parts(record(kind, AT, "2024-05-01 00:20:00 +0530", value))
    assert frame.select("row", "signal", "start", "end", "offset", "value", "unit", "source", "device").rows() == [
        (1, signal, INSTANT, INSTANT + timedelta(minutes=10), 19_800, None, "min", "Apple Watch Watch6,1", "wearable")
        for signal in STAGES[stage]
    ]


@pytest.mark.parametrize(
    ("text", "instant", "offset"),
    [
        ("2024-05-01 00:10:00 +0530", datetime(2024, 4, 30, 18, 40), 19_800),
        ("2024-05-01 00:10:00 +0545", datetime(2024, 4, 30, 18, 25), 20_700),
        ("2024-05-01 21:10:00 -0330", datetime(2024, 5, 2, 0, 40), -12_600),
        ("2024-05-01 08:00:00 +0000", datetime(2024, 5, 1, 8), 0),
        ("2024-05-01 08:00:00", None, None),
        ("x", None, None),
    ],
)
def test_the_phones_date(text: str, instant: datetime | None, offset: int | None) -> None:
    frame, _ = parts(record("HeartRate", text, value=60, unit="count/min"))
    assert frame.select("start", "offset").rows() == [(instant, offset)]


def device(name: str, hardware: str = "") -> str:
    made = f", hardware:{hardware}" if hardware else ""
    return f"&lt;&lt;HKDevice: 0x1&gt;, name:{name}, manufacturer:X{made}&gt;"


@pytest.mark.parametrize(
    ("given", "source", "kind"),
    [
        ({"device": WATCH}, "Apple Watch Watch6,1", "wearable"),
        ({"device": PHONE}, "iPhone iPhone12,1", "phone"),
        ({"device": device("Scale")}, "Scale", "other"),
        ({"device": device("Scale", "A,1")}, "Scale A,1", "other"),
        ({"device": None, "source": "Anna's Apple Watch"}, "Apple Watch", "wearable"),
        ({"device": None, "source": "Apple Watch von Anna"}, "Apple Watch", "wearable"),
        ({"device": None, "source": "iPhone de Anna"}, "iPhone", "phone"),
        ({"device": None, "source": "iPad di Anna"}, "iPad", "phone"),
        ({"device": None, "source": "iPhone van Anna"}, "iPhone", "phone"),
        ({"device": None, "source": "Kim’s O’Neill’s Phone"}, "Phone", "phone"),
        *(
            ({"device": None, "source": f"My {name}"}, f"My {name}", "wearable")
            for name in ("Fitbit", "GARMIN", "Polar", "Whoop", "Oura", "ring", "band", "strap")
        ),
        ({"device": None, "source": "Diary"}, "Diary", "other"),
        (
            {"device": WATCH, "inside": '<MetadataEntry key="HKWasUserEntered" value="1"/>'},
            "Apple Watch Watch6,1",
            "manual",
        ),
        (
            {"device": WATCH, "inside": '<MetadataEntry key="HKWasUserEntered" value="0"/>'},
            "Apple Watch Watch6,1",
            "wearable",
        ),
        ({"device": WATCH, "inside": '<MetadataEntry key="Other" value="1"/>'}, "Apple Watch Watch6,1", "wearable"),
    ],
)
def test_where_a_sample_comes_from(given: dict[str, str | None], source: str, kind: str) -> None:
    frame, _ = parts(record("StepCount", AT, **given))  # type: ignore[arg-type]
    assert frame.select("source", "device").rows() == [(source, kind)]


def test_a_source_without_a_name_is_unknown() -> None:
    nameless = record("StepCount", AT, device=None).replace(' sourceName="Kim’s Apple\u00a0Watch"', "")
    frame, _ = parts(nameless)
    assert frame.select("source", "device").rows() == [("unknown", "other")]


def test_only_what_was_typed_in_or_measured_abroad_is_marked() -> None:
    by_hand = '<MetadataEntry key="HKWasUserEntered" value="1"/>'
    abroad = '<MetadataEntry key="HKTimeZone" value="Asia/Kathmandu"/>'
    odd = '<MetadataEntry key="HKTimeZone" value="Nowhere/Else"/>'
    frame, _ = parts(
        record("StepCount", AT, inside=abroad),
        record("DietaryCaffeine", AT, inside=by_hand),
        record("StepCount", AT),
        record("StepCount", AT, inside=by_hand),
        record("StepCount", AT, inside=odd),
        record("StepCount", "x", inside=abroad),
    )
    assert frame.select("row", "start", "offset", "device").rows() == [
        (1, INSTANT, 20_700, "wearable"), (3, INSTANT, 19_800, "wearable"), (4, INSTANT, 19_800, "manual"),
        (5, INSTANT, 19_800, "wearable"), (6, None, None, "wearable"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("start", "stored", "used"),
    [
        ("2024-05-02 08:00:00 +0200", "2024-05-01 08:00:00 +0200", True),
        ("2024-05-02 08:00:01 +0200", "2024-05-01 08:00:00 +0200", False),
        ("2024-06-01 12:00:00 +0200", "2024-06-01 12:00:00 +0200", True),
        ("2024-06-01 12:00:01 +0200", "2024-06-01 12:00:01 +0200", False),
        ("2024-06-01 10:00:00 +0000", "x", True),
        ("2024-06-01 10:00:01 +0000", "x", False),
    ],
)
def test_a_clock_may_run_ahead_of_its_storing_by_a_day_but_not_of_the_export(
    start: str, stored: str, used: bool
) -> None:
    frame, tally = parts(record("StepCount", start, stored=stored), record("HeartRate", AT))
    assert len(frame) == 1 + used
    assert tally.rows_read == (not used)
    left = [] if used else [("steps", "starts after it was stored or exported: the clock ran ahead", 1, "", 1)]
    assert [tuple(entry.values()) for entry in tally.left_out_rows()] == left


def test_without_a_date_of_export_only_the_storing_counts() -> None:
    frame, _ = parts(record("StepCount", "2030-06-01 12:00:01 +0200"), exported="")
    assert len(frame) == 1


def test_a_sleep_that_ran_ahead_or_is_of_no_known_stage_is_counted_as_sleep() -> None:
    kind = "HKCategoryTypeIdentifierSleepAnalysis"
    ahead = record(kind, "2024-07-01 00:00:00 +0200", value="HKCategoryValueSleepAnalysisInBed")
    frame, tally = parts(
        ahead, record(kind, AT, value="Dozing"), record(kind, AT, value="HKCategoryValueSleepAnalysisInBed")
    )
    assert (len(frame), tally.rows_read) == (1, 2)
    assert [(e["signal"], e["reason"], e["rows"], e["first_row"]) for e in tally.left_out_rows()] == [
        ("sleep", "sleep stage is not known", 1, 2),
        ("sleep", "starts after it was stored or exported: the clock ran ahead", 1, 1),
    ]


@pytest.mark.parametrize("name", ["Workout", "ActivitySummary", "ClinicalRecord", "Audiogram", "MedicationDoseEvent"])
def test_what_else_an_export_holds_is_counted(name: str) -> None:
    nested = f"<Correlation><Correlation>{record('StepCount', AT)}</Correlation>{record('StepCount', AT)}</Correlation>"
    frame, tally = parts(f"<{name}/><{name}><x/></{name}>", nested, record("StepCount", AT), "<Record/>")
    assert (frame["row"].to_list(), tally.unread) == ([1], {name: 2, "Record": 1})


def test_an_export_is_read_in_pieces_and_tells_how_far(monkeypatch: pytest.MonkeyPatch) -> None:
    assert (apple_xml.CHUNK_BYTES, apple_health._BATCH_ROWS) == (1_048_576, 100_000)
    monkeypatch.setattr(apple_xml, "CHUNK_BYTES", 60)
    monkeypatch.setattr(apple_health, "_BATCH_ROWS", 3)
    content = export(*(record("StepCount", f"2024-05-01 08:{n:02d}:00 +0200", value=n) for n in range(10)))
    seen: list[tuple[int, int]] = []
    context = Context(Tally(), advance=lambda done, total: seen.append((done, total)))
    batches = list(apple_health.batches(export_file("export.xml", content), context))
    sizes = [len(batch.samples) for batch in batches]
    assert sizes == [3, 3, 3, 1]
    assert [row for batch in batches for row in batch.samples["row"]] == list(range(1, 11))
    assert seen == [(min(60 * n, len(content)), len(content)) for n in range(1, -(-len(content) // 60) + 1)]
    assert seen[-1] == (len(content), len(content))
    assert {batch.file for batch in batches} == {"export.xml"}


@pytest.mark.parametrize(
    ("name", "content", "recognised"),
    [
        ("export.xml", export(), True), ("apple_health_export/Exportación.XML", export(), True),
        ("export_cda.xml", b"<ClinicalDocument/>", False), ("export.txt", export(), False),
        ("export.xml", b"<html/>", False), ("export.xml", b"", False),
    ],
)  # fmt: skip
def test_which_file_is_the_export(name: str, content: bytes, recognised: bool) -> None:
    assert apple_health.recognised(export_file(name, content)) is recognised


def test_a_damaged_member_says_so(tmp_path: Path) -> None:
    file = tmp_path / "export.zip"
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("apple_health_export/export.xml", export(record("StepCount", AT, value=5)))
    content = bytearray(file.read_bytes())
    content[content.index(b"StepCount")] ^= 1
    file.write_bytes(content)
    with pytest.raises(
        InsufficientDataError, match=r"export\.zip: holds no .* \(cannot be read: it is damaged or locked: unpack"
    ):
        read_wearables(file)


@pytest.mark.parametrize("code", [*range(1, 9), 11, 12, *range(14, 32)])
def test_control_characters_become_spaces(code: int) -> None:
    frame, _ = parts(record("StepCount", AT, device=None, source=f"A{chr(code)}B"))
    assert frame["source"].to_list() == ["A B"]


def test_line_ends_count_and_letters_stay() -> None:
    whole, _ = parts(record("StepCount", AT, device=None, source="!#0@~\x7f\x80ÿ"))
    assert whole["source"].to_list() == ["!#0@~\x7f\x80ÿ"]
    frame, _ = parts(
        record("StepCount", AT, device=None, source="Ä\tß"), record("StepCount", AT, device=None, source="x\r\ny")
    )
    assert frame["source"].to_list() == ["Ä ß", "x y"]
    with pytest.raises(ValidationError, match=r"is not Apple Health's export\.xml: it holds no HealthData"):
        list(apple_health.batches(export_file("export.xml", b"<x/>"), Context(Tally())))
