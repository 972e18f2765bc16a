"""Oura, field by field: what each collection holds, and when."""

import json
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl
import pytest

from novamind.errors import ValidationError
from novamind.records.wearables import files as files_module
from novamind.records.wearables import oura, oura_v1
from novamind.records.wearables.files import Context
from novamind.records.wearables.samples import NO_VALUE, Batch, Tally
from tests.records.wearable_input import export_file

START = "2024-05-01T00:10:00+05:30"
AT = datetime(2024, 4, 30, 18, 40)  # noqa: DTZ001 - in UTC


def rows(document: Any) -> tuple[list[tuple[Any, ...]], dict[str, int]]:
    tally = Tally()
    found = [
        (number, signal, start, (end - start).total_seconds() if start else None, value, unit)
        for batch in oura.json_batches("f", document, tally)
        for number, signal, start, end, value, unit in batch.samples.select(
            "row", "signal", "start", "end", "value", "unit"
        ).rows()
    ]
    return found, tally.unread


def of(signal: str, document: Any) -> list[tuple[Any, ...]]:
    return [row[2:] for row in rows(document)[0] if row[1] == signal]


def night(**more: Any) -> dict[str, Any]:
    return {"bedtime_start": START, "bedtime_end": "2024-05-01T08:10:00+05:30", "type": "long_sleep"} | more


def minutes(count: float) -> datetime:
    return AT + timedelta(minutes=count)


def test_the_night_as_a_whole() -> None:
    fields = {
        "total_sleep_duration": 27_000,
        "light_sleep_duration": 14_000,
        "deep_sleep_duration": 6_000,
        "rem_sleep_duration": 7_000,
        "awake_time": 1_800,
        "latency": 600,
        "efficiency": 93,
        "average_breath": 14.5,
        "average_heart_rate": 54.5,
        "average_hrv": 61,
        "lowest_heart_rate": 48,
    }
    found, unread = rows([night(**fields)])
    assert unread == {}
    assert found == [
        (1, "sleep_in_bed", AT, 28_800.0, 0.0, "min"),
        (1, "sleep_duration", AT, 28_800.0, 27_000.0, "s"),
        (1, "sleep_light_duration", AT, 28_800.0, 14_000.0, "s"),
        (1, "sleep_deep_duration", AT, 28_800.0, 6_000.0, "s"),
        (1, "sleep_rem_duration", AT, 28_800.0, 7_000.0, "s"),
        (1, "sleep_awake_duration", AT, 28_800.0, 1_800.0, "s"),
        (1, "sleep_latency", AT, 28_800.0, 600.0, "s"),
        (1, "sleep_efficiency", AT, 28_800.0, 93.0, "%"),
        (1, "daily_respiratory_rate", AT, 28_800.0, 14.5, "breaths/min"),
        (1, "daily_heart_rate", AT, 28_800.0, 54.5, "bpm"),
        (1, "daily_hrv_rmssd", AT, 28_800.0, 61.0, "ms"),
        (1, "resting_heart_rate", AT, 28_800.0, 48.0, "bpm"),
    ]
    assert [row[1] for row in rows([night()])[0]] == ["sleep_in_bed"]
    zero = rows([night(latency=0)])[0]
    assert zero[1][4] == 0.0


def test_null_says_that_nothing_was_measured() -> None:
    tally = Tally()
    beats = {"timestamp": START, "interval": 300, "items": [None, 52, None]}
    document = [night(average_hrv=None, heart_rate=beats)]
    (batch,) = oura.json_batches("f", document, tally)
    assert batch.samples["signal"].to_list() == ["sleep_in_bed", "heart_rate"]
    assert {(entry["signal"], entry["rows"], entry["reason"]) for entry in tally.left_out_rows()} == {
        ("daily_hrv_rmssd", 1, NO_VALUE), ("heart_rate", 2, NO_VALUE),
    }  # fmt: skip
    assert tally.rows_read == 3


@pytest.mark.parametrize("kind", ["deleted", "rest"])
def test_what_is_no_sleep(kind: str) -> None:
    assert rows([night(type=kind)]) == ([], {"Oura sleep that was deleted, or a rest": 1})
    assert len(rows([night(type=None)])[0]) == 1


def test_stages_of_five_minutes_run_together() -> None:
    found, _ = rows([night(sleep_phase_5_min="4421133x2")])
    assert [(signal, start, length) for _, signal, start, length, _, _ in found[1:]] == [
        ("sleep_awake", minutes(0), 600.0),
        ("sleep_asleep", minutes(10), 300.0), ("sleep_light", minutes(10), 300.0),
        ("sleep_asleep", minutes(15), 600.0), ("sleep_deep", minutes(15), 600.0),
        ("sleep_asleep", minutes(25), 600.0), ("sleep_rem", minutes(25), 600.0),
        ("sleep_asleep", minutes(40), 300.0), ("sleep_light", minutes(40), 300.0),
    ]  # fmt: skip


def test_what_was_measured_in_the_night_keeps_its_own_interval() -> None:
    beats = {"timestamp": START, "interval": 300, "items": [None, 52, 0, 50.5]}
    assert of("heart_rate", [night(heart_rate=beats)]) == [
        (minutes(5), 0.0, 52.0, "bpm"), (minutes(10), 0.0, 0.0, "bpm"), (minutes(15), 0.0, 50.5, "bpm"),
    ]  # fmt: skip
    assert of("hrv_rmssd", [night(hrv={"timestamp": START, "interval": 60, "items": [40, 41]})]) == [
        (minutes(0), 0.0, 40.0, "ms"), (minutes(1), 0.0, 41.0, "ms"),
    ]  # fmt: skip
    assert of("hrv_rmssd", [night(hrv={"timestamp": START, "items": [40, 41]})])[1][0] == minutes(0)
    assert of("hrv_rmssd", [night(hrv={"timestamp": 7, "interval": 60, "items": [40]})])[0][0] is None
    assert of("hrv_rmssd", [night(hrv={"timestamp": START, "items": None})]) == of("hrv_rmssd", [night(hrv=[40])]) == []


DAY = {"day": "2024-05-01"}
MIDNIGHT = datetime(2024, 5, 1)  # noqa: DTZ001


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ({"bpm": 61, "source": "awake", "timestamp": START}, [("heart_rate", AT, 0.0, 61.0, "bpm")]),
        (
            {"equivalent_walking_distance": 6000, "steps": 8000, "active_calories": 300, "total_calories": 2100, **DAY},
            [
                ("daily_steps", MIDNIGHT, 86_400.0, 8000.0, "count"),
                ("daily_distance", MIDNIGHT, 86_400.0, 6000.0, "m"),
                ("daily_active_energy", MIDNIGHT, 86_400.0, 300.0, "kcal"),
                ("daily_total_energy", MIDNIGHT, 86_400.0, 2100.0, "kcal"),
            ],
        ),
        ({"equivalent_walking_distance": 5, "timestamp": START, **DAY}, [("daily_distance", AT, 86_400.0, 5.0, "m")]),
        ({"equivalent_walking_distance": None, **DAY}, []),
        (
            {"temperature_deviation": -0.2, "score": 80, **DAY},
            [
                ("readiness_score", MIDNIGHT, 0.0, 80.0, "score"),
                ("skin_temperature_deviation", MIDNIGHT, 0.0, -0.2, "°C"),
            ],
        ),
        (
            {"temperature_deviation": None, "score": 80, "timestamp": START, **DAY},
            [("readiness_score", AT, 0.0, 80.0, "score")],
        ),
        ({"spo2_percentage": {"average": 96.5}, **DAY}, [("daily_oxygen_saturation", MIDNIGHT, 0.0, 96.5, "%")]),
        ({"spo2_percentage": {"average": 0}, **DAY}, []),
        ({"spo2_percentage": None, **DAY}, []),
        ({"vo2_max": 41, **DAY}, [("vo2_max", MIDNIGHT, 0.0, 41.0, "mL/kg/min")]),
        ({"vo2_max": 41, "timestamp": START, **DAY}, [("vo2_max", AT, 0.0, 41.0, "mL/kg/min")]),
        ({"vo2_max": None, **DAY}, []),
    ],
)
def test_each_collection(document: dict[str, Any], expected: list[tuple[Any, ...]]) -> None:
    found, unread = rows({"x": {"data": [document]}})
    assert ([row[1:] for row in found], unread) == (expected, {})


@pytest.mark.parametrize(
    ("document", "known"),
    [
        ({"data": [night()]}, True),
        ({"sleep": {"data": [night()]}}, True),
        ([night()], True),
        ({"sleep": [night()]}, True),
        ({"other": [7], "heartrate": [{"bpm": 60, "source": "rest", "timestamp": START}]}, True),
        ({"data": [], "next_token": None}, True),  # an account without such data
        ({"sleep": [], "heartrate": [], "daily_activity": []}, True),
        ({"data": []}, False),
        ({"sleep": []}, False),
        ({"daily_activity": [], "mood": []}, False),
        ([], False),
        ({}, False),
        ({"data": [7]}, False),
        ({"a": 7}, False),
        (7, False),
        ({"data": [{"mood": 3}]}, False),
        ({"data": [{"mood": 3}, night()]}, False),
        ({"data": [night(summary_date="2021-05-01")]}, False),  # of the API v1
        ({"samples": [{"bpm": 60, "timestamp": START}]}, False),  # anybody's heart rates
    ],
)
def test_which_documents_are_ouras(document: Any, known: bool) -> None:
    assert oura.document_recognised(document) is known


@pytest.mark.parametrize(
    ("marks", "collection"),
    [
        (("bedtime_start", "bedtime_end"), "sleep"), (("bpm", "source", "timestamp"), "heartrate"),
        (("equivalent_walking_distance", "day"), "daily_activity"),
        (("temperature_deviation", "day"), "daily_readiness"),
        (("spo2_percentage", "day"), "daily_spo2"), (("vo2_max", "day"), "vO2_max"),
        (("start_datetime", "end_datetime", "motion_count"), "session"), (("tags", "timestamp", "day"), "tag"),
        (("activity", "intensity", "start_datetime"), "workout"),
        (("skin_temp", "timestamp"), "temperature"), (("mood",), None), (("bpm", "timestamp"), None),
    ],
)  # fmt: skip
def test_which_collection_a_document_belongs_to(marks: tuple[str, ...], collection: str | None) -> None:
    assert oura.collection_of(dict.fromkeys(marks)) == collection
    assert oura.collection_of(list(marks)) is None


@pytest.mark.parametrize(
    ("contributors", "signal"),
    [({"deep_sleep": 80}, "sleep_score"), ({"previous_night": 80}, "readiness_score"), ({"other": 80}, None)],
)
def test_a_score_is_that_of_what_it_is_made_of(contributors: dict[str, int], signal: str | None) -> None:
    found, unread = rows([{"score": 70, "contributors": contributors, **DAY}])
    assert [row[1] for row in found] == ([] if signal is None else [signal])
    assert sum(unread.values()) == (signal is None)


def test_a_session_has_its_heart_rates() -> None:
    series = {"timestamp": START, "interval": 5, "items": [60, None, 62]}
    found, _ = rows([{"start_datetime": START, "end_datetime": START, "motion_count": None, "type": "rest",
                      "heart_rate": series, "heart_rate_variability": None}])  # fmt: skip
    assert found == [
        (1, "heart_rate", AT, 0.0, 60.0, "bpm"), (1, "heart_rate", AT + timedelta(seconds=10), 0.0, 62.0, "bpm"),
    ]  # fmt: skip
    assert rows([{"tags": ["x"], "timestamp": START, **DAY}]) == ([], {"Oura tag": 1})


def test_documents_are_numbered_through_all_collections_and_others_are_counted() -> None:
    document = {
        "heartrate": [{"bpm": 60, "source": "awake", "timestamp": START}, {"mood": 3}],
        "b": {"data": [{"bpm": 61, "source": "awake", "timestamp": START}]},
    }
    found, unread = rows(document)
    assert ([row[0] for row in found], unread) == ([1, 3], {"Oura document of another kind": 1})
    (batch,) = oura.json_batches("f", document, Tally())
    assert (batch.file, batch.samples["source"].unique().to_list()) == ("f", ["Oura"])


BEAT = {"bpm": 58, "source": "sleep", "timestamp": "2025-07-01T04:30:00+00:00"}
NIGHT = {"bedtime_start": "2025-06-30T23:00:00-05:00", "bedtime_end": "2025-07-01T07:00:00-05:00", "type": "long_sleep"}


def read_batches(path: str, document: Any, *others: tuple[str, Any], zone: str | None = None) -> list[Batch]:
    file, *more = (export_file(name, json.dumps(content)) for name, content in ((path, document), *others))
    context = Context(Tally(), (file, *more), None if zone is None else ZoneInfo(zone))
    return list(oura.batches(file, context))


@pytest.mark.parametrize("written", ["2025-07-01T00:00:00+00:00", "2025-07-01T00:00:00Z", "2025-07-01T00:00:00", None])
def test_a_day_written_at_zero_has_the_place_of_its_night(written: str | None) -> None:
    day = {"day": "2025-07-01", "score": 80, "temperature_deviation": -0.2, "timestamp": written}
    (batch,) = read_batches("daily_readiness.json", {"data": [day]}, ("sleep.json", {"data": [NIGHT]}))
    assert batch.samples["offset"].to_list() == [-18_000, -18_000]
    assert batch.samples["start"].unique().to_list() == [datetime(2025, 7, 1, 5)]  # noqa: DTZ001
    (alone,) = read_batches("daily_readiness.json", {"data": [day]}, ("heartrate.json", {"data": [BEAT]}))
    assert (alone.clock, alone.samples["start"].unique().to_list()) == ("local", [datetime(2025, 7, 1)])  # noqa: DTZ001


def test_heart_rates_take_their_place_from_the_documents_of_that_day() -> None:
    (batch,) = read_batches("heartrate.json", {"data": [BEAT]}, ("sleep.json", {"data": [NIGHT]}))
    assert (batch.clock, batch.samples["offset"].to_list()) == ("offset", [-18_000])
    assert batch.samples["start"].to_list() == [datetime(2025, 7, 1, 4, 30)]  # noqa: DTZ001


@pytest.mark.parametrize(
    "others",
    [
        (),
        (("sleep.json", {"data": [NIGHT | {"bedtime_start": "2025-05-01T23:00:00-05:00", "bedtime_end": None}]}),),
        (("other.json", {"data": [{"timestamp": "2025-07-01T00:00:00-05:00"}]}), ("broken.json", "x")),
    ],
)
def test_heart_rates_without_a_document_near_them_stay_in_utc(others: tuple[tuple[str, Any], ...]) -> None:
    (batch,) = read_batches("heartrate.json", {"data": [BEAT]}, *others)
    assert (batch.clock, batch.samples["offset"].to_list()) == ("utc", [None])


def test_a_timezone_that_is_given_goes_before_the_documents() -> None:
    (batch,) = read_batches("heartrate.json", {"data": [BEAT]}, ("sleep.json", {"data": [NIGHT]}), zone="Asia/Tokyo")
    assert batch.clock == "utc"


def test_a_day_takes_the_place_of_the_night_beside_it() -> None:
    document = {"daily_spo2": [{"day": "2025-06-30", "spo2_percentage": {"average": 96}}], "sleep": [NIGHT]}
    frames = [batch.samples for batch in read_batches("all.json", document)]
    (oxygen,) = [frame.filter(pl.col("signal") == "daily_oxygen_saturation") for frame in frames if len(frame) == 1][
        -1:
    ]
    assert oxygen.select("start", "offset").rows() == [(datetime(2025, 6, 30, 5), -18_000)]  # noqa: DTZ001


CELL = json.dumps({"interval": 300, "items": [None, 55], "timestamp": NIGHT["bedtime_start"]}).replace('"', '""')
TABLE = f"""id;average_hrv;bedtime_end;bedtime_start;heart_rate;total_sleep_duration;type
a;60;2025-07-01T07:00:00-05:00;2025-06-30T23:00:00-05:00;"{CELL}";25200;long_sleep
b;;2025-07-02T07:00:00-05:00;2025-07-01T23:00:00-05:00;;25200;deleted
"""


def test_the_hubs_tables_hold_the_same_documents() -> None:
    file = export_file("App Data/sleepmodel.csv", TABLE)
    tally = Tally()
    assert oura.recognised(file)
    (batch,) = oura.batches(file, Context(tally, (file,)))
    assert batch.samples.select("signal", "value").rows() == [
        ("sleep_in_bed", 0.0), ("sleep_duration", 25_200.0), ("daily_hrv_rmssd", 60.0), ("heart_rate", 55.0),
    ]  # fmt: skip
    assert tally.unread == {"Oura sleep that was deleted, or a rest": 1}
    assert not oura.recognised(export_file("sleepmodel.csv", "a,b\n1,2\n"))
    assert not oura.recognised(export_file("sleep.csv", TABLE))
    with pytest.raises(ValidationError, match=r"^dailystress\.csv: holds no signal that is read here$"):
        list(oura.batches(export_file("dailystress.csv", "id;day\n1;2025-07-01\n"), Context(Tally())))


V1_NIGHT: dict[str, Any] = {
    "summary_date": "2021-05-01", "bedtime_start": "2021-05-01T23:10:00-05:00",
    "bedtime_end": "2021-05-02T06:40:00-05:00", "total": 24_000, "light": 12_000, "deep": 6_000, "rem": 6_000,
    "awake": 1_500, "onset_latency": 600, "efficiency": 89, "score": 77, "hypnogram_5min": "443", "hr_lowest": 48,
    "hr_average": 55.5, "hr_5min": [0, 53], "rmssd": 52, "rmssd_5min": [0, 62], "breath_average": 13.0,
    "temperature_delta": -0.1,
}  # fmt: skip
V1_ACCOUNT: dict[str, Any] = {
    "sleep": [V1_NIGHT],
    "activity": [{"summary_date": "2021-05-01", "day_start": "2021-05-01T04:00:00-05:00", "steps": 9_000,
                  "cal_active": 500, "cal_total": 2_500, "daily_movement": 7_700}],
    "readiness": [{"summary_date": "2021-05-01", "score": 80}],
    "bedtime": [{"date": "2021-05-01"}],
}  # fmt: skip


class TestAccountExport:
    """The form of the API v1."""

    def samples(self, document: dict[str, Any]) -> tuple[pl.DataFrame, Tally]:
        file, tally = export_file("oura.json", json.dumps(document)), Tally()
        assert oura_v1.recognised(file)
        assert not oura.recognised(file)
        found = list(oura_v1.batches(file, Context(tally, (file,))))
        assert {batch.clock for batch in found} == {"offset"}
        return pl.concat(batch.samples for batch in found), tally

    def test_each_field(self) -> None:
        frame, tally = self.samples(V1_ACCOUNT)
        at = datetime(2021, 5, 2, 4, 10)  # noqa: DTZ001 - in UTC
        whole_night = {
            "sleep_in_bed": 0, "sleep_duration": 24_000, "sleep_light_duration": 12_000, "sleep_deep_duration": 6_000,
            "sleep_rem_duration": 6_000, "sleep_awake_duration": 1_500, "sleep_latency": 600, "sleep_efficiency": 89,
            "sleep_score": 77, "daily_respiratory_rate": 13, "daily_heart_rate": 55.5, "resting_heart_rate": 48,
            "daily_hrv_rmssd": 52, "skin_temperature_deviation": -0.1,
        }  # fmt: skip
        assert {
            (signal, value)
            for signal, value, start, end in frame.select("signal", "value", "start", "end").rows()
            if (start, end) == (at, at + timedelta(minutes=450))
        } == set(whole_night.items())
        later = {(row[0], row[1]): row[2:] for row in frame.select("signal", "start", "end", "value").rows()}
        assert later["heart_rate", at + timedelta(minutes=5)] == (at + timedelta(minutes=5), 53.0)
        assert later["hrv_rmssd", at + timedelta(minutes=5)] == (at + timedelta(minutes=5), 62.0)
        assert later["sleep_rem", at + timedelta(minutes=10)] == (at + timedelta(minutes=15), 0.0)
        day = datetime(2021, 5, 1, 9)  # noqa: DTZ001 - in UTC
        assert later["daily_steps", day] == (day + timedelta(days=1), 9_000.0)
        assert later["daily_distance", day][1] == 7_700.0
        assert later["daily_active_energy", day][1] == 500.0
        assert later["daily_total_energy", day][1] == 2_500.0
        # Known on the next morning, on the clock of the night beside it.
        assert ("readiness_score", datetime(2021, 5, 2, 5)) in later  # noqa: DTZ001
        assert tally.unread == {"Oura document of another kind": 1}
        assert {(entry["signal"], entry["rows"]) for entry in tally.left_out_rows()} == {
            ("heart_rate", 1), ("hrv_rmssd", 1),
        }  # fmt: skip

    @pytest.mark.parametrize("field", ["hr_lowest", "hr_average", "rmssd", "breath_average", "score"])
    def test_zero_where_nothing_was_measured(self, field: str) -> None:
        frame, tally = self.samples({"sleep": [V1_NIGHT | {field: 0}]})
        whole, _ = self.samples({"sleep": [V1_NIGHT]})
        assert len(whole) - len(frame) == 1
        assert sum(entry["rows"] for entry in tally.left_out_rows()) == 3

    @pytest.mark.parametrize(
        "document",
        [{"sleep": []}, {"sleep": [{"bedtime_start": START}]}, [{"summary_date": "2021-05-01"}], {"a": 1}, 7],
    )
    def test_what_is_no_account_export(self, document: Any) -> None:
        assert not oura_v1.document_recognised(document)


def test_the_places_of_an_export_are_read_once_however_many_files_ask(monkeypatch: pytest.MonkeyPatch) -> None:
    files = tuple(export_file(f"{n}/heartrate.json", json.dumps({"data": [BEAT]})) for n in range(20))
    files += (export_file("sleep.json", json.dumps({"data": [NIGHT]})),)
    parsed = []
    monkeypatch.setattr(files_module, "parsed", lambda data, path: parsed.append(path) or json.loads(data))
    memory: dict[str, Any] = {}
    for file in files:
        (batch,) = {batch.clock for batch in oura.batches(file, Context(Tally(), files, memory=memory))}
        assert batch == "offset"
        file.close()
    assert len(parsed) <= 2 * len(files) + 1
