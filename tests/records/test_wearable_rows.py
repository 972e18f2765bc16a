# ruff: noqa: DTZ001 - wall-clock times
"""Rows out of JSON: texts become moments and numbers, or are left for the count of what cannot be read."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from novamind.errors import ValidationError
from novamind.records.wearables import long_table, open_mhealth
from novamind.records.wearables.files import Context
from novamind.records.wearables.json_files import moments, number, parsed
from novamind.records.wearables.rows import Rows
from novamind.records.wearables.samples import Batch, Tally
from tests.records.wearable_input import export_file


@pytest.mark.parametrize(
    ("text", "instant", "offset"),
    [
        ("2024-05-01T08:30:00Z", datetime(2024, 5, 1, 8, 30), 0),
        ("2024-05-01T08:30:00z", datetime(2024, 5, 1, 8, 30), 0),
        ("2024-05-01T00:00:00+05:30", datetime(2024, 4, 30, 18, 30), 19_800),
        ("2024-05-01T00:00:00+0545", datetime(2024, 4, 30, 18, 15), 20_700),
        ("2024-05-01T23:45:00-03:30", datetime(2024, 5, 2, 3, 15), -12_600),
        ("2024-05-01 08:30:15.250+02:00", datetime(2024, 5, 1, 6, 30, 15, 250_000), 7_200),
        ("2024-05-01T08:30:15.123456789", datetime(2024, 5, 1, 8, 30, 15, 123_456), None),
        (" 2024-05-01T08:30 ", datetime(2024, 5, 1, 8, 30), None),
        ("2024-05-01", datetime(2024, 5, 1), None),
        ("2024-05-01T08:30Z", datetime(2024, 5, 1, 8, 30), 0),
        ("2024-05-01 8:30:00 AM +0200", datetime(2024, 5, 1, 6, 30), 7_200),
        ("2024-05-01 12:30\u202fam", datetime(2024, 5, 1, 0, 30), None),
        ("2024-05-01 12:30 p.m.", datetime(2024, 5, 1, 12, 30), None),
        ("2024-05-01 1:30 PM -05", datetime(2024, 5, 1, 18, 30), -18_000),
        ("2024-05-01 08:30:00 UTC", datetime(2024, 5, 1, 8, 30), 0),
        ("2024-05-01T08:30:15,5+02:00[Europe/Berlin]", datetime(2024, 5, 1, 6, 30, 15, 500_000), 7_200),
        ("2024-05-01 13:30 PM", None, None),
        ("2024-05-01 08:30 later", None, None),
        ("2024-05-01 soon", None, None),
        ("2024-02-30", None, None),
        ("2024-05-01T25:00:00", None, None),
        ("soon", None, None),
        ("", None, None),
        (None, None, None),
    ],
)
def test_moments(text: str | None, instant: datetime | None, offset: int | None) -> None:
    assert moments([text]).rows() == [(instant, offset)]
    assert moments([text]).columns == ["instant", "offset"]


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (3, 3.0),
        ("3.5", 3.5),
        (" 7 ", 7.0),
        (True, None),
        (None, None),
        ("x", None),
        ([], None),
        ({}, None),
        (10**400, None),
    ],
)
def test_numbers(value: Any, found: float | None) -> None:
    assert number(value) == found


def test_documents() -> None:
    assert parsed(b'\xef\xbb\xbf{"a": [1, NaN, Infinity]}', "f") == {"a": [1, None, None]}
    assert parsed(b'{"a": 1}\n\n{"b": NaN}\n', "f") == [{"a": 1}, {"b": None}]
    for content, message in (
        (b"\xff", "f: is not UTF-8 text: export it again"),
        (b"[" * 100_000, "f: is nested too deeply to be an export"),
        (b'{"a": 1}\n{"b":\n', "f: line 2 is not JSON: the file is cut off or damaged"),
        (b'{"a":\n1', "f: line 2 is not JSON: the file is cut off or damaged"),
        (b'{"a": 1} x', "f: line 1 is not JSON: the file is cut off or damaged"),
    ):
        with pytest.raises(ValidationError, match=message):
            parsed(content, "f")


def test_rows_with_and_without_an_offset_go_apart() -> None:
    rows = Rows("Ring")
    assert list(rows.batches("f")) == []
    rows.add(1, "steps", "2024-05-01T08:00:00+05:30", "12", "count", seconds=90.5)
    rows.add(2, "steps", "2024-05-01T08:00:00", 3, "count", end="2024-05-01T09:00:00")
    rows.add(3, "steps", 7, 3, "count")
    rows.add(4, "steps", "2024-05-01T08:00:00Z", True, "count", end=7)
    assert len(rows) == 4
    offset, utc, local = rows.batches("f")
    assert (offset.clock, utc.clock, local.clock, offset.file) == ("offset", "utc", "local", "f")
    assert [b.clock for b in rows.batches("f", written_in_utc=True)] == ["offset", "utc", "utc"]
    columns = ("row", "signal", "start", "end", "offset", "value", "unit", "source", "device")
    at = datetime(2024, 5, 1, 2, 30)
    assert offset.samples.select(columns).rows() == [
        (1, "steps", at, at + timedelta(seconds=90.5), 19_800, 12.0, "count", "Ring", "wearable"),
    ]
    assert utc.samples.select(columns).rows() == [
        (4, "steps", datetime(2024, 5, 1, 8), datetime(2024, 5, 1, 8), None, None, "count", "Ring", "wearable"),
    ]
    assert local.samples.select(columns).rows() == [
        (2, "steps", datetime(2024, 5, 1, 8), datetime(2024, 5, 1, 9), None, 3.0, "count", "Ring", "wearable"),
        (3, "steps", None, None, None, 3.0, "count", "Ring", "wearable"),
    ]
    one = Rows("Ring", "manual")
    one.add(1, "steps", "2024-05-01T08:00:00Z", 1, "count")
    assert [b.clock for b in one.batches("f")] == ["utc"]
    assert next(iter(one.batches("f"))).samples["device"].to_list() == ["manual"]


# -- long tables
def long(text: str) -> Batch:
    (batch,) = long_table.batches(export_file("t.csv", text), Context(Tally()))
    return batch


def test_a_long_table_with_everything_and_with_the_least() -> None:
    full = long(
        "timestamp,end,signal,value,unit,patient_id,source\n"
        "2024-05-01T00:00+05:30,2024-05-01T01:00+05:30, steps ,12,Count,a,watch\n"
        "2024-05-01T00:00+05:30,2024-05-01T00:30Z,weight,,,b,\n",
    )
    assert (full.clock, full.file) == ("offset", "t.csv")
    at = datetime(2024, 4, 30, 18, 30)
    assert [tuple(row.values()) for row in full.samples.fill_nan(None).to_dicts()] == [
        (1, "a", "steps", at, at + timedelta(hours=1), 19_800, 12.0, "Count", "watch", "wearable"),
        (2, "b", "weight", at, datetime(2024, 5, 1, 0, 30), 19_800, None, None, "table", "wearable"),
    ]
    least = long("timestamp,signal,value\n2024-05-01T08:00,steps,12\n2024-05-01,hrv_sdnn,3\n2024-05-01,x,3\n")
    assert least.clock == "local"
    assert least.samples.select("row", "patient_id", "start", "end", "offset", "unit", "source").rows() == [
        (1, None, datetime(2024, 5, 1, 8), datetime(2024, 5, 1, 8), None, "count", "table"),
        (2, None, datetime(2024, 5, 1), datetime(2024, 5, 1), None, "ms", "table"),
        (3, None, datetime(2024, 5, 1), datetime(2024, 5, 1), None, "x", "table"),
    ]
    for header in ("timestamp,signal", "signal,value", "timestamp,value"):
        with pytest.raises(ValidationError, match="is missing"):
            long(f"{header}\n1,2\n")
    with pytest.raises(ValidationError, match="row 1, column 'end': is not an ISO 8601"):
        long("timestamp,end,signal,value\n2024-05-01,x,steps,1\n")
    with pytest.raises(ValidationError, match="row 1, column 'timestamp': is not an ISO 8601"):
        long("timestamp,signal,value\nx,steps,1\n")
    with pytest.raises(ValidationError, match="row 1, column 'value': is not a number"):
        long("timestamp,signal,value\n2024-05-01,steps,x\n")


# -- Open mHealth
MOMENT = {"date_time": "2024-05-01T08:00:00Z"}
HOUR = {"time_interval": {"start_date_time": "2024-05-01T08:00:00Z", "end_date_time": "2024-05-01T09:00:00Z"}}
#: Keys of the schemas at openmhealth.org and IEEE 1752.1, and the signal that each is.
KEYS = {
    "heart_rate": "heart_rate", "respiratory_rate": "respiratory_rate", "rr_interval": "rr_interval",
    "oxygen_saturation": "oxygen_saturation", "body_temperature": "body_temperature",
    "skin_temperature": "skin_temperature", "step_count": "steps", "distance": "distance",
    "kcal_burned": "active_energy", "calories_burned": "active_energy", "total_sleep_time": "sleep_duration",
    "sleep_duration": "sleep_duration", "latency_to_sleep_onset": "sleep_latency",
    "sleep_maintenance_efficiency_percentage": "sleep_efficiency",
    "systolic_blood_pressure": "blood_pressure_systolic", "diastolic_blood_pressure": "blood_pressure_diastolic",
    "body_weight": "weight", "blood_glucose": "blood_glucose",
}  # fmt: skip


def points(*documents: Any) -> tuple[list[tuple[Any, ...]], dict[str, int]]:
    tally = Tally()
    found = [
        row
        for batch in open_mhealth.json_batches("f", list(documents), tally)
        for row in batch.samples.select("row", "signal", "start", "end", "value", "unit", "source", "device").rows()
    ]
    return found, tally.unread


@pytest.mark.parametrize("key", KEYS)
def test_every_measure_of_open_mhealth(key: str) -> None:
    start, end = datetime(2024, 5, 1, 8), datetime(2024, 5, 1, 9)
    found, unread = points({key: {"value": 3, "unit": "u"}, "effective_time_frame": HOUR})
    expected = [(1, KEYS[key], start, end, 3.0, "u", "Open mHealth", "other")]
    if key == "latency_to_sleep_onset":
        expected.insert(0, (1, "sleep_in_bed", start, end, 0.0, "min", "Open mHealth", "other"))
    assert (found, unread) == (expected, {})


def test_a_bare_number_is_a_count_and_a_whole_sleep_is_time_in_bed() -> None:
    assert points({"step_count": 12, "effective_time_frame": MOMENT})[0][0][4:6] == (12.0, "count")
    assert points({"step_count": {"value": 12}, "effective_time_frame": MOMENT})[0][0][4:6] == (12.0, "")
    found, unread = points({"wake_after_sleep_onset": {"value": 3, "unit": "min"}, "effective_time_frame": HOUR})
    assert ([row[1] for row in found], unread) == (["sleep_in_bed"], {})


@pytest.mark.parametrize(
    ("header", "source", "device"),
    [
        (None, "Open mHealth", "other"),
        ({"modality": "sensed"}, "Open mHealth", "wearable"),
        ({"modality": "self-reported"}, "Open mHealth", "manual"),
        ({"modality": "x"}, "Open mHealth", "other"),
        (
            {"acquisition_provenance": {"source_name": "App", "modality": "sensed"}, "modality": "self-reported"},
            "App",
            "wearable",
        ),
        ({"acquisition_provenance": {"source_name": "App"}, "modality": "self-reported"}, "App", "manual"),
        ({"acquisition_provenance": 7}, "Open mHealth", "other"),
        (7, "Open mHealth", "other"),
    ],
)
def test_who_measured(header: Any, source: str, device: str) -> None:
    body = {"heart_rate": {"value": 60, "unit": "bpm"}, "effective_time_frame": MOMENT}
    assert points({"header": header, "body": body})[0][0][6:] == (source, device)


@pytest.mark.parametrize(
    ("interval", "start", "end"),
    [
        ({"start_date_time": "2024-05-01T08:00:00Z", "end_date_time": "2024-05-01T09:00:00Z"}, 8, 9),
        *(
            ({"start_date_time": "2024-05-01T08:00:00Z", "duration": {"value": v, "unit": u}}, 8, 9)
            for v, u in ((3600, "s"), (3600, "sec"), (60, "min"), (1, "h"), (3_600_000, "ms"))
        ),
        ({"start_date_time": "2024-04-30T08:00:00Z", "duration": {"value": 1, "unit": "d"}}, -16, 8),
        ({"end_date_time": "2024-05-01T09:00:00Z", "duration": {"value": "60", "unit": "min"}}, 8, 9),
        (
            {
                "start_date_time": "2024-05-01T08:00:00Z",
                "end_date_time": "2024-05-01T09:00:00Z",
                "duration": {"value": 7, "unit": "h"},
            },
            8,
            9,
        ),
        ({"start_date_time": "2024-05-01T08:00:00Z"}, 8, 8),
        ({"start_date_time": "2024-05-01T08:00:00Z", "duration": {"value": 1, "unit": "wk"}}, 8, 8),
        ({"start_date_time": "2024-05-01T08:00:00Z", "duration": 7}, 8, 8),
        ({"end_date_time": "2024-05-01T09:00:00Z"}, None, 9),
        ({"end_date_time": "x", "duration": {"value": 1, "unit": "h"}}, None, None),
    ],
)
def test_an_interval_by_two_of_start_end_and_duration(
    interval: dict[str, Any], start: int | None, end: int | None
) -> None:
    ((_, _, begin, stop, *_),), _ = points({"step_count": 5, "effective_time_frame": {"time_interval": interval}})
    midnight = datetime(2024, 5, 1)
    expected = tuple(None if hour is None else midnight + timedelta(hours=hour) for hour in (start, end))
    assert (begin, stop) == expected


def test_points_that_are_none() -> None:
    other = {"mood": 3, "effective_time_frame": MOMENT}
    found, unread = points(other, {"heart_rate": 3}, {"heart_rate": 3, "effective_time_frame": 7}, 7)
    assert (found, unread) == (
        [],
        {"Open mHealth measure of another kind": 1, "Open mHealth point without time frame": 3},
    )


@pytest.mark.parametrize(
    ("document", "known"),
    [
        ({"effective_time_frame": {}}, True),
        ([{"body": {"effective_time_frame": {}}}], True),
        ([], False),
        ({}, False),
        ([7], False),
        ({"body": 7, "effective_time_frame": {}}, False),
        ("effective_time_frame", False),
    ],
)
def test_which_documents_are_open_mhealth(document: Any, known: bool) -> None:
    assert open_mhealth.document_recognised(document) is known
