# ruff: noqa: DTZ001 - wall-clock times
"""Apple Health: what real exports hold, read by stated rules, streamed and safely."""

import zipfile
from datetime import datetime
from pathlib import Path

import polars as pl
import pytest

from novamind.errors import DataProcessingError, InsufficientDataError, ValidationError
from novamind.records.wearables import WearableRecord, read_wearables

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


def test_an_undeclared_entity_in_the_body_is_not_well_formed(tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match="line 4 is not well-formed"):
        read(tmp_path, export("&bomb;"))


def test_a_file_that_is_cut_off_names_its_line(tmp_path: Path) -> None:
    heart = record("HeartRate", "2024-05-01 08:00:00 +0200", value=60, unit="count/min")
    with pytest.raises(ValidationError, match="line 4 is not well-formed"):
        read(tmp_path, export(heart)[:-40])


def test_an_archive_that_unpacks_to_far_too_much_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "export.zip"
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("apple_health_export/export.xml", b"<HealthData>" + b" " * 4_000_000)
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
    assert (summary.format, summary.rows_read, summary.rows_kept) == ("Apple Health", 15, 15)
    assert [(one.signal, one.rows, one.unit) for one in summary.coverage] == [
        ("distance", 5, "m"),
        ("steps", 10, "count"),
    ]
    assert summary.unread == {"ActivitySummary": 2, "Workout": 1}
