"""Open mHealth: what a value says of others, and how long it holds."""

import json
from typing import Any

import pytest

from novamind.records.wearables import open_mhealth, read_wearables
from tests.records.maker_input import Reading, read, utc

MOMENT = {"date_time": "2024-03-01T07:25:00-08:00"}


def interval(hours: float) -> dict[str, Any]:
    end = {"value": hours, "unit": "h"}
    return {"time_interval": {"duration": end, "start_date_time": "2024-03-01T00:00:00+00:00"}}


def reading(*bodies: dict[str, Any]) -> Reading:
    return read(open_mhealth, "points.json", list(bodies))


def test_an_interval_may_be_given_by_its_end() -> None:
    frame = {"time_interval": {"duration": {"value": 10, "unit": "min"}, "end_date_time": "2024-03-01T08:00:00-02:00"}}
    found = reading({"heart_rate": {"value": 65, "unit": "beats/min"}, "effective_time_frame": frame})
    assert found.rows("start", "end", "value", "offset") == [
        (utc(2024, 3, 1, 9, 50), utc(2024, 3, 1, 10), 65.0, -7_200)
    ]


@pytest.mark.parametrize(
    ("statistic", "read_as_level"),
    [(None, True), ("average", True), ("mean", True), ("median", True), ("maximum", False), ("minimum", False),
     ("standard deviation", False), ("95th percentile", False)],
)  # fmt: skip
def test_a_greatest_value_is_no_level(statistic: str | None, read_as_level: bool) -> None:
    body = {"heart_rate": {"value": 65, "unit": "beats/min"}, "effective_time_frame": MOMENT}
    found = reading(body if statistic is None else body | {"descriptive_statistic": statistic})
    assert len(found.samples) == read_as_level
    assert found.tally.unread == ({} if read_as_level else {f"Open mHealth {statistic} of several values": 1})


@pytest.mark.parametrize(("statistic", "read_as_sum"), [("sum", True), ("count", True), ("average", False)])
def test_an_average_of_counts_is_no_count(statistic: str, read_as_sum: bool) -> None:
    found = reading({"step_count": {"value": 600, "unit": "steps"}, "descriptive_statistic": statistic,
                     "effective_time_frame": interval(1)})  # fmt: skip
    assert len(found.samples) == read_as_sum


def test_an_average_of_four_months_is_no_night(tmp_path: Any) -> None:
    frame = {"time_interval": {"start_date_time": "2024-01-01T00:00:00Z", "end_date_time": "2024-05-01T00:00:00Z"}}
    night = {"time_interval": {"start_date_time": "2024-05-01T00:00:00Z", "end_date_time": "2024-05-01T08:00:00Z"}}
    bodies = [
        {"total_sleep_time": {"value": hours, "unit": "h"}, "effective_time_frame": when, "descriptive_statistic": kind}
        for hours, when, kind in ((7.2, frame, "average"), (7.5, night, None))
    ]
    file = tmp_path / "points.json"
    file.write_text(json.dumps(bodies))
    record = read_wearables(file, timezone="UTC")
    assert record.frame.select("timestamp", "signal", "value").rows() == [(utc(2024, 5, 1), "sleep_duration", 450.0)]
    assert [(e["rows"], e["reason"]) for e in record.summary.left_out] == [(1, "lasts longer than a day")]


@pytest.mark.parametrize(
    ("body", "signals"),
    [
        ({"blood_pressure": 1, "systolic_blood_pressure": {"value": 120, "unit": "mmHg"},
          "diastolic_blood_pressure": {"value": 80, "unit": "mmHg"}},
         {"blood_pressure_systolic": 120, "blood_pressure_diastolic": 80}),
        ({"body_fat_percentage": {"value": 20, "unit": "%"}}, {"body_fat": 20}),
        ({"ambient_light": {"value": 90, "unit": "lux"}}, {"illuminance": 90}),
        ({"latency_to_sleep_onset": {"value": 9, "unit": "min"}, "total_sleep_time": {"value": 7, "unit": "h"},
          "light_sleep_duration": {"value": 4, "unit": "h"}, "deep_sleep_duration": {"value": 1, "unit": "h"},
          "rem_sleep_duration": {"value": 2, "unit": "h"}},
         {"sleep_in_bed": 0, "sleep_latency": 9, "sleep_duration": 7, "sleep_light_duration": 4,
          "sleep_deep_duration": 1, "sleep_rem_duration": 2}),
    ],
)  # fmt: skip
def test_measures(body: dict[str, Any], signals: dict[str, float]) -> None:
    assert reading(body | {"effective_time_frame": interval(8)}).values() == signals


def test_what_holds_nothing_is_counted() -> None:
    found = reading(
        {"heart_rate": {"unit": "beats/min"}, "effective_time_frame": MOMENT},
        {"mood": {"value": 3}, "effective_time_frame": MOMENT},
        {"heart_rate": {"value": 3}},
        7,  # type: ignore[arg-type]
    )
    assert (found.rows("value"), found.left_out()) == ([], {"heart_rate": 1})
    assert found.tally.unread == {
        "Open mHealth measure of another kind": 1, "Open mHealth point without time frame": 2,
    }  # fmt: skip
