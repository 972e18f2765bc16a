# ruff: noqa: DTZ001 - wall-clock times
"""Devices that overlap: no moment is counted twice, and no more is taken away than was double."""

from datetime import datetime, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from novamind.records.wearables.overlaps import (
    COUNTED,
    OTHER_DEVICE,
    REPEATED,
    SAME_DAY,
    SAME_MOMENT,
    SAME_SOURCE,
    _Covered,
    resolve,
)
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


REASONS = {
    REPEATED: "repeats another row",
    COUNTED: "another device already counted this time",
    SAME_SOURCE: "an earlier row of the same source already counted this time",
    OTHER_DEVICE: "a better placed device measured in the same hour",
    SAME_MOMENT: "another value of the same source at the same moment: their mean is kept",
}


@pytest.mark.parametrize(
    ("rows", "kept", "lost"),
    [
        # a repeated row
        ([(0, 10, 5.0, 0), (0, 10, 5.0, 0)], [(1, 0, 5.0, False)], {2: REPEATED}),
        # a worse device inside, around, before and behind a better one
        ([(0, 10, 5.0, 0), (2, 4, 4.0, 1)], [(1, 0, 5.0, False)], {2: COUNTED}),
        ([(2, 4, 4.0, 0), (0, 10, 5.0, 1)], [(2, 0, 3.0, True), (1, 2, 4.0, False)], {}),
        ([(5, 10, 5.0, 0), (0, 10, 10.0, 1)], [(2, 0, 5.0, True), (1, 5, 5.0, False)], {}),
        ([(0, 10, 5.0, 0), (5, 10, 10.0, 1)], [(1, 0, 5.0, False), (2, 10, 5.0, True)], {}),
        ([(0, 10, 5.0, 0), (10, 10, 10.0, 1)], [(1, 0, 5.0, False), (2, 10, 10.0, False)], {}),
        # of one source the earlier row counts
        ([(0, 10, 5.0, 0), (5, 10, 10.0, 0)], [(1, 0, 5.0, False), (2, 10, 5.0, True)], {}),
        ([(0, 10, 5.0, 0), (2, 4, 4.0, 0)], [(1, 0, 5.0, False)], {2: SAME_SOURCE}),
        ([(0, 10, 5.0, 0), (0, 5, 4.0, 0)], [(2, 0, 4.0, False), (1, 5, 2.5, True)], {}),
        ([(0, 10, 5.0, 0), (0, 10, 6.0, 0)], [(1, 0, 5.0, False)], {2: SAME_SOURCE}),
        # moments: free unless a longer row holds them
        ([(5, 0, 3.0, 0)], [(1, 5, 3.0, False)], {}),
        ([(0, 10, 5.0, 0), (5, 0, 3.0, 0)], [(1, 0, 5.0, False)], {2: SAME_SOURCE}),
        ([(0, 10, 5.0, 0), (5, 0, 3.0, 1)], [(1, 0, 5.0, False)], {2: COUNTED}),
        ([(0, 10, 5.0, 0), (10, 0, 3.0, 1)], [(1, 0, 5.0, False), (2, 10, 3.0, False)], {}),
        ([(0, 10, 5.0, 0), (10, 0, 3.0, 0)], [(1, 0, 5.0, False), (2, 10, 3.0, False)], {}),
        ([(5, 0, 3.0, 0), (5, 0, 4.0, 1)], [(1, 5, 3.0, False)], {2: COUNTED}),
        ([(5, 0, 3.0, 1), (5, 0, 4.0, 3), (6, 0, 1.0, 2)], [(1, 5, 3.0, False), (3, 6, 1.0, False)], {2: COUNTED}),
        # three devices share an hour
        ([(0, 20, 20.0, 2), (5, 10, 10.0, 0), (10, 10, 10.0, 1)],
         [(1, 0, 5.0, True), (2, 5, 10.0, False), (3, 15, 5.0, True)], {}),
    ],
)  # fmt: skip
def test_who_counts_which_minutes(
    rows: list[Row], kept: list[tuple[int, int, float, bool]], lost: dict[int, str]
) -> None:
    done = resolve(samples(rows), {})
    assert [
        (row, int((start - DAY).total_seconds() / 60), pytest.approx(value), shortened)
        for row, start, value, shortened in done.samples.select("row", "start", "value", "shortened").rows()
    ] == kept
    assert dict(done.left_out.select("row", "reason").rows()) == lost
    assert set(lost.values()) <= set(REASONS)
    assert "rank" not in done.samples.columns + done.left_out.columns


def test_reasons_read_as_they_are_shown() -> None:
    assert all(reason == words for reason, words in REASONS.items())


def test_minutes_in_a_state_are_what_is_free_of_them() -> None:
    done = resolve(samples([(0, 60, 60.0, 1), (10, 20, 20.0, 0), (90, 0, 0.0, 0)], "sleep_rem"), {})
    assert done.samples["value"].to_list() == pytest.approx([40.0, 20.0, 1 / 60e6], abs=1e-9)


@pytest.mark.parametrize(
    ("rows", "kept", "lost"),
    [
        ([(0, 0, 60.0, 1), (59, 0, 61.0, 1), (60, 0, 62.0, 1)], [(1, 60.0), (2, 61.0), (3, 62.0)], {}),
        ([(0, 0, 60.0, 1), (59, 0, 61.0, 0), (60, 0, 62.0, 1)], [(2, 61.0), (3, 62.0)], {1: OTHER_DEVICE}),
        ([(0, 0, 60.0, 0), (0, 0, 61.0, 0), (0, 0, 65.0, 0), (5, 0, 9.0, 0)], [(1, 62.0), (4, 9.0)],
         {2: SAME_MOMENT, 3: SAME_MOMENT}),
        ([(0, 0, 60.0, 0), (0, 0, 60.0, 0), (0, 0, 66.0, 0)], [(1, 63.0)], {2: REPEATED, 3: SAME_MOMENT}),
        ([(0, 0, 60.0, 0), (0, 0, 90.0, 1)], [(1, 60.0)], {2: OTHER_DEVICE}),
    ],
)  # fmt: skip
def test_who_measures_in_which_hour(rows: list[Row], kept: list[tuple[int, float]], lost: dict[int, str]) -> None:
    done = resolve(samples(rows, "heart_rate"), {})
    assert done.samples.select("row", "value").rows() == kept
    assert dict(done.left_out.select("row", "reason").rows()) == lost
    assert not done.samples["shortened"].any()


@pytest.mark.parametrize(
    ("sources", "counts", "first"),
    [
        ([("a", 0), ("b", 0)], {"b": 1}, "b"),
        ([("a", 1), ("b", 0)], {"a": 100}, "b"),
        ([("a", 0), ("b", 0)], {}, "a"),
        ([("a", 0), ("b", 0)], {"a": 1, "b": 2}, "b"),
        ([("b", 0), ("a", 0)], {"a": 1, "b": 1}, "a"),
        ([("a", 3), ("b", 2)], {"a": 9}, "b"),
        ([("a", 2), ("b", 1)], {}, "b"),
    ],
)
def test_devices_rank_by_kind_then_rows_then_name(
    sources: list[tuple[str, int]], counts: dict[str, int], first: str
) -> None:
    frame = samples([(0, 10, float(n), device) for n, (_, device) in enumerate(sources)])
    done = resolve(frame.with_columns(pl.Series("source", [name for name, _ in sources])), counts)
    assert done.samples["source"].to_list() == [first]


spans = st.lists(st.tuples(st.integers(0, 40), st.integers(0, 15)), max_size=12)


@given(spans, st.integers(0, 60), st.integers(0, 20))
@settings(max_examples=150, deadline=None)
def test_a_union_of_intervals_as_counted_minute_by_minute(spans: list[tuple[int, int]], low: int, length: int) -> None:
    start = np.array([s for s, _ in spans], np.int64)
    end = np.array([s + n for s, n in spans], np.int64)
    half = len(spans) // 2
    union = _Covered(start[:half], end[:half]).joined(start[half:], end[half:])
    covered = {minute for s, n in spans for minute in range(s, s + n)}
    event("covered" if covered & set(range(low, low + length)) else "free")
    asked = (np.array([low], np.int64), np.array([low + length], np.int64))
    assert union.length(*asked).tolist() == [len(covered & set(range(low, low + length)))]
    free = next(minute for minute in range(low, 200) if minute not in covered)
    assert union.first_free(asked[0]).tolist() == [free]


# -- values of a day
HOUR, WHOLE = 60, 24 * 60


@pytest.mark.parametrize(
    ("rows", "kept"),
    [
        # a value that holds for the whole day goes before one of a sleep that ended on that day
        ([(0, WHOLE, 14.4, 0), (9 * HOUR, 0, 14.3, 0)], [1]),
        ([(0, WHOLE, 14.4, 0), (-16, 10 * HOUR, 14.3, 0)], [1]),
        ([(0, WHOLE, 14.4, 1), (9 * HOUR, 0, 14.3, 0)], [1]),
        # a sleep that ended the day before is of that day
        ([(0, WHOLE, 14.4, 0), (-600, 540, 14.3, 0)], [1, 2]),
        # of two whole days the best placed device; of one device the mean
        ([(0, WHOLE, 14.4, 1), (0, WHOLE, 15.0, 0)], [2]),
        ([(0, WHOLE, 14.4, 0), (WHOLE, WHOLE, 15.0, 0)], [1, 2]),
        # without a whole day, sleeps and naps of the best placed device
        ([(9 * HOUR, 0, 14.3, 0), (18 * HOUR, 0, 21.0, 0), (10 * HOUR, 0, 15.0, 1)], [1, 2]),
    ],
)
def test_one_value_a_day(rows: list[Row], kept: list[int]) -> None:
    frame = samples(rows, "daily_respiratory_rate").with_columns(offset=pl.lit(0, dtype=pl.Int32))
    done = resolve(frame, {})
    assert sorted(done.samples["row"].to_list()) == kept
    assert set(done.left_out["reason"].to_list()) <= {SAME_DAY}


@pytest.mark.parametrize("hours", [0, -7, 7, 14, None])
def test_the_day_is_that_of_the_wearers_clock(hours: int | None) -> None:
    """A night that ended at 0:30, and one that ended at 23:30 the day before, beside the value of the day."""
    midnight = -60 * (hours or 0)
    frame = samples(
        [(midnight, WHOLE, 14.4, 0), (midnight - 400, 430, 14.3, 0), (midnight - 400, 370, 14.2, 0)],
        "daily_respiratory_rate",
    )
    offset = None if hours is None else hours * 3600
    done = resolve(frame.with_columns(offset=pl.lit(offset, dtype=pl.Int32)), {})
    assert sorted(done.samples["row"].to_list()) == [1, 3]


@pytest.mark.parametrize(
    ("rows", "offsets", "kept"),
    [
        # the clock goes forward: the second day begins an hour before the first is over, in UTC
        (
            [(-60, WHOLE, 5_000, 0), (WHOLE - 120, WHOLE, 6_000, 0), (2 * WHOLE - 120, WHOLE, 7_000, 0)],
            [1, 2, 2],
            [1, 2, 3],
        ),
        # and back: an hour is nobody's
        ([(-120, WHOLE, 5_000, 0), (WHOLE - 60, WHOLE, 6_000, 0)], [2, 1], [1, 2]),
        # the person flies from New York to Berlin, and to Auckland
        (
            [(300, WHOLE, 5_000, 0), (WHOLE - 120, WHOLE, 6_000, 0), (2 * WHOLE - 720, WHOLE, 7_000, 0)],
            [-5, 2, 12],
            [1, 2, 3],
        ),
        # the same on New York's clock alone
        ([(300, WHOLE, 5_000, 0), (WHOLE - 120, WHOLE, 6_000, 0)], [-5, -5], [1, 2]),
        # a ring's days begin at four, the watch's at midnight: the better placed has the day, and no rest is left over
        ([(0, WHOLE, 5_000, 0), (240, WHOLE, 4_900, 1), (WHOLE + 240, WHOLE, 6_000, 1)], [0, 0, 0], [1, 3]),
        # a day twice from one source: the longer goes before
        ([(0, 20 * HOUR, 4_000, 0), (0, WHOLE, 5_000, 0)], [0, 0], [2]),
    ],
    ids=["forward", "back", "travel", "travel, one clock", "two makers", "twice"],
)
def test_a_sum_of_a_day_is_never_cut(rows: list[Row], offsets: list[int], kept: list[int]) -> None:
    frame = samples(rows, "daily_steps").with_columns(
        offset=pl.Series([3600 * hours for hours in offsets], dtype=pl.Int32)
    )
    done = resolve(frame, {})
    assert done.samples["row"].to_list() == kept
    assert done.samples["value"].to_list() == [rows[number - 1][2] for number in kept]
    assert not done.samples["shortened"].any()
    assert set(done.left_out["reason"].to_list()) <= {SAME_DAY}


@pytest.mark.parametrize(("offsets", "starts"), [([1, 2], [-60, WHOLE - 120]), ([2, 1], [-120, WHOLE - 60])])
def test_levels_of_whole_days_stay_apart_where_the_clock_changes(offsets: list[int], starts: list[int]) -> None:
    frame = samples([(start, WHOLE, 60.0 + start, 0) for start in starts], "daily_heart_rate")
    offset = pl.Series([3600 * hours for hours in offsets], dtype=pl.Int32)
    done = resolve(frame.with_columns(offset=offset), {})
    assert done.samples["row"].to_list() == [1, 2]
