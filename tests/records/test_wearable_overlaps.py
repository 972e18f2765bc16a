# ruff: noqa: DTZ001 - wall-clock times
"""Devices that overlap: no moment is counted twice, and no more is taken away than was double."""

from datetime import datetime, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from novamind.records.wearables.overlaps import resolve
from novamind.records.wearables.samples import DEVICES

DAY = datetime(2024, 5, 1)
Row = tuple[int, int, float, int]  # start minute, length in minutes, value, device


def samples(rows: list[Row], signal: str = "steps") -> pl.DataFrame:
    return pl.DataFrame(
        [
            (number, signal, DAY + timedelta(minutes=start), DAY + timedelta(minutes=start + length), value,
             f"source {device}", DEVICES[device])
            for number, (start, length, value, device) in enumerate(rows, start=1)
        ],
        schema={"row": pl.Int64, "signal": pl.String, "start": pl.Datetime("us"), "end": pl.Datetime("us"),
                "value": pl.Float64, "source": pl.String, "device": pl.String},
        orient="row",
    )  # fmt: skip


rows_of_steps = st.lists(
    st.tuples(st.integers(0, 60), st.integers(0, 30), st.integers(0, 100).map(float), st.integers(0, 3)),
    min_size=1,
    max_size=25,
)


def by_minute(rows: list[Row]) -> np.ndarray:
    """The rule, read minute by minute: each minute belongs to one row, the best placed that covers it."""
    taken = np.zeros(100)
    owner = np.full(100, -1)
    order = sorted(range(len(rows)), key=lambda i: (rows[i][3], rows[i][0], rows[i][0] + rows[i][1], rows[i][2]))
    for i in order:
        start, length, value, _ = rows[i]
        for minute in range(start, start + length):
            if owner[minute] < 0:
                owner[minute] = i
                taken[i] += value / length
    return taken


@given(rows_of_steps)
@settings(max_examples=150, deadline=None)
def test_sums_agree_with_counting_minute_by_minute(rows: list[Row]) -> None:
    rows = list({(s, n, d): (s, n, v, d) for s, n, v, d in rows if n > 0}.values())
    if not rows:
        return
    kept = resolve(samples(rows), {}).samples
    expected = by_minute(rows)
    got = dict(kept.select("row", "value").iter_rows())
    for index, value in enumerate(expected):
        assert got.get(index + 1, 0.0) == pytest.approx(value, abs=1e-9)


@given(rows_of_steps)
@settings(max_examples=100, deadline=None)
def test_kept_rows_never_share_a_start_and_every_row_is_accounted_for(rows: list[Row]) -> None:
    done = resolve(samples(rows), {})
    assert done.samples["start"].is_unique().all()
    assert done.samples["start"].is_sorted()
    assert sorted([*done.samples["row"], *done.left_out["row"]]) == list(range(1, len(rows) + 1))
    assert (done.samples["start"] <= done.samples["end"]).all()


@given(rows_of_steps)
@settings(max_examples=60, deadline=None)
def test_the_order_of_rows_does_not_matter(rows: list[Row]) -> None:
    frame = samples(rows)
    one = resolve(frame, {}).samples.select("start", "end", "value", "source")
    other = resolve(frame.reverse(), {}).samples.select("start", "end", "value", "source")
    assert one.equals(other)


def test_asleep_minutes_of_two_devices_are_their_union() -> None:
    night = samples([(0, 60, 0.0, 2), (30, 60, 0.0, 0), (80, 20, 0.0, 1)], "sleep_asleep")
    assert resolve(night, {}).samples["value"].sum() == pytest.approx(100)


def test_within_an_hour_the_better_placed_device_speaks() -> None:
    heart = samples([(0, 0, 60.0, 0), (10, 0, 90.0, 1), (65, 0, 95.0, 1)], "heart_rate")
    done = resolve(heart, {})
    assert done.samples["value"].to_list() == [60.0, 95.0]
    assert done.left_out["reason"].to_list() == ["a better placed device measured in the same hour"]


def test_of_two_watches_the_one_with_more_rows_goes_first() -> None:
    rows = samples([(0, 10, 100.0, 0), (0, 10, 80.0, 0)]).with_columns(pl.Series("source", ["old", "new"]))
    assert resolve(rows, {"old": 5, "new": 50}).samples["value"].to_list() == [80.0]


def test_two_values_at_one_moment_become_their_mean() -> None:
    done = resolve(samples([(0, 0, 60.0, 0), (0, 0, 70.0, 0)], "heart_rate"), {})
    assert done.samples["value"].to_list() == [65.0]
    assert len(done.left_out) == 1
