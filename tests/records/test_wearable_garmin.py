# ruff: noqa: DTZ001 - wall-clock times
"""Garmin FIT: counters become what they gained, times get the file's wall clock."""

from datetime import datetime
from pathlib import Path

import polars as pl
import pytest

from novamind.errors import ValidationError
from novamind.records.wearables import read_wearables
from novamind.records.wearables.garmin import _Reading
from novamind.records.wearables.samples import Tally

REAL = Path(__file__).parents[3] / "shared/data/wearables"
MIDNIGHT = datetime(2024, 5, 1, 22)  # UTC


def reading(*messages: tuple[str, dict[str, object]]) -> tuple[pl.DataFrame, str, Tally]:
    tally = Tally()
    taken = _Reading(tally)
    taken.take("monitoring_info", {"timestamp": MIDNIGHT, "local_timestamp": datetime(2024, 5, 2)})
    for name, fields in messages:
        taken.take(name, fields)
    frame, clock = taken.samples("x.fit")
    return frame, clock, tally


def at(hour: int, minute: int = 0) -> datetime:
    return datetime(2024, 5, 2, hour, minute)


def test_counters_become_gains_and_start_again_after_a_reset() -> None:
    frame, clock, _ = reading(
        ("monitoring", {"timestamp": at(6), "activity_type": "sedentary"}),
        ("monitoring", {"timestamp": at(6, 10), "activity_type": "walking", "steps": 400}),
        ("monitoring", {"timestamp": at(6, 20), "activity_type": "running", "steps": 900}),
        ("monitoring", {"timestamp": at(6, 30), "activity_type": "walking", "steps": 450}),
        ("monitoring", {"timestamp": at(22, 40), "activity_type": "walking", "steps": 30}),
    )
    assert clock == "offset"
    assert frame["offset"].to_list() == [7200] * 4
    assert frame["value"].to_list() == [400.0, 900.0, 50.0, 30.0]
    assert frame["start"].to_list() == [at(6), at(6, 10), at(6, 20), at(6, 30)]


def test_short_times_follow_the_last_whole_one() -> None:
    whole = int((at(6) - datetime(1989, 12, 31)).total_seconds())
    frame, _, _ = reading(
        ("monitoring", {"timestamp": at(6), "heart_rate": 60}),
        ("monitoring", {"timestamp_16": (whole + 90) % 65536, "heart_rate": 61}),
    )
    assert frame["start"].to_list() == [at(6), datetime(2024, 5, 2, 6, 1, 30)]


def test_rows_of_a_clock_that_was_set_back_are_left_out() -> None:
    frame, _, tally = reading(
        ("monitoring", {"timestamp": at(12), "heart_rate": 60}),
        ("monitoring", {"timestamp": at(8), "heart_rate": 61}),
        ("monitoring", {"timestamp": at(9), "heart_rate": 62}),
    )
    assert frame["value"].to_list() == [61.0, 62.0]
    assert [entry["reason"] for entry in tally.left_out_rows()] == ["later than what follows: the clock was set back"]


def test_sleep_levels_last_until_the_next() -> None:
    frame, _, _ = reading(
        ("sleep_level", {"timestamp": at(0), "sleep_level": "light"}),
        ("sleep_level", {"timestamp": at(1), "sleep_level": "deep"}),
        ("sleep_level", {"timestamp": at(2), "sleep_level": "awake"}),
    )
    assert frame.select("signal", "start", "end").rows() == [
        ("sleep_asleep", at(0), at(1)), ("sleep_light", at(0), at(1)),
        ("sleep_asleep", at(1), at(2)), ("sleep_deep", at(1), at(2)),
    ]  # fmt: skip


def test_stress_codes_below_zero_are_no_score() -> None:
    frame, _, _ = reading(
        ("stress_level", {"stress_level_time": at(6), "stress_level_value": -1}),
        ("stress_level", {"stress_level_time": at(6, 3), "stress_level_value": 30}),
    )
    assert frame.select("start", "value").rows() == [(at(6, 3), 30.0)]


@pytest.mark.parametrize("content", [b"", b"not a fit file at all", bytes(200)])
def test_what_is_no_fit_file_is_refused(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "x.fit"
    file.write_bytes(content)
    with pytest.raises(ValidationError, match="not a whole FIT file"):
        read_wearables(file)


@pytest.mark.skipif(not REAL.exists(), reason="the real sample files are not in this checkout")
def test_a_real_day_of_a_vivofit(tmp_path: Path) -> None:
    content = (REAL / "garmin_MonitoringFile.fit").read_bytes()
    record = read_wearables(REAL / "garmin_MonitoringFile.fit")
    steps = record.frame.filter(pl.col("signal") == "steps")
    assert record.frame["utc_offset_minutes"].unique().to_list() == [-360]
    assert record.frame["timestamp"].dt.date().unique().to_list() == [datetime(2014, 12, 27).date()]
    assert steps["value"].min() > 0
    assert steps["source"].unique().to_list() == ["Garmin vivo_fit"]
    cut = tmp_path / "cut.fit"
    cut.write_bytes(content[: len(content) // 2])
    with pytest.raises(ValidationError, match="not a whole FIT file"):
        read_wearables(cut)
