"""The vectorised grids equal naive loops; days on which clocks change have the hours that passed."""

from contextlib import nullcontext
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from novamind.errors import ValidationError
from novamind.timeline import daily_grid, hourly_grid, local_from_utc

observations = st.lists(
    st.tuples(
        st.integers(0, 4),
        st.datetimes(datetime(1969, 12, 1), datetime(1970, 2, 1)),  # noqa: DTZ001  both sides of the epoch
        st.one_of(st.integers(0, 27).map(float), st.just(float("nan"))),
    ),
    max_size=60,
)


def columns(rows: list[tuple[int, datetime, float]]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    index, moments, values = zip(*rows, strict=True) if rows else ((), (), ())
    return np.array(index, np.int64), np.array(moments, "datetime64[us]"), np.array(values, np.float64)


@given(observations, st.randoms())
def test_daily_grid_equals_a_loop(rows: list[tuple[int, datetime, float]], random) -> None:
    grid = daily_grid(*columns(rows), n_series=5)
    assert len(grid) == 5
    for series in range(5):
        reports: dict[object, list[float]] = {}
        for index, moment, value in rows:
            if index == series and value == value:
                reports.setdefault(moment.date(), []).append(value)
        part = grid.part(series)
        if not reports:
            assert part.start == part.stop
            assert np.isnat(grid.first_day[series])
            continue
        span = (max(reports) - min(reports)).days + 1
        calendar = [min(reports) + timedelta(days=day) for day in range(span)]
        assert grid.first_day[series] == np.datetime64(min(reports))
        assert grid.days[part].tolist() == calendar
        assert grid.counts[part].tolist() == [len(reports.get(day, ())) for day in calendar]
        np.testing.assert_array_equal(grid.mask[part], [day in reports for day in calendar])
        expected = [np.mean(reports[day]) if day in reports else np.nan for day in calendar]
        np.testing.assert_allclose(grid.values[part], expected, rtol=1e-14)

    random.shuffle(rows)
    shuffled = daily_grid(*columns(rows), n_series=5)
    np.testing.assert_array_equal(shuffled.offsets, grid.offsets)
    np.testing.assert_array_equal(shuffled.values, grid.values)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30))
def test_daily_mean_stays_within_the_reports(values: list[float]) -> None:
    day = np.full(len(values), np.datetime64("2024-01-01"))
    mean = daily_grid(np.zeros(len(values), int), day, np.array(values)).values[0]
    assert min(values) <= mean <= max(values)


@given(observations)
def test_hourly_grid_without_timezone_equals_a_loop(rows: list[tuple[int, datetime, float]]) -> None:
    _, moments, values = columns(rows)
    grid = hourly_grid(moments, values)
    reports: dict[datetime, list[float]] = {}
    for _, moment, value in rows:
        if value == value:
            reports.setdefault(moment.replace(minute=0, second=0, microsecond=0), []).append(value)
    assert grid.utc_offset is None
    assert len(grid) == ((max(reports) - min(reports)) // timedelta(hours=1) + 1 if reports else 0)
    for hour, mean, count, given_ in zip(grid.hours.tolist(), grid.values, grid.counts, grid.mask, strict=True):
        assert count == len(reports.get(hour, ()))
        assert given_ == (hour in reports)
        if given_:
            assert mean == pytest.approx(np.mean(reports[hour]))


CHANGES = [
    ("Europe/Berlin", "2024-03-31", 23),
    ("Europe/Berlin", "2024-10-27", 25),
    ("America/New_York", "2024-03-10", 23),
    ("America/New_York", "2024-11-03", 25),
    ("Europe/Berlin", "2024-06-01", 24),
    ("Australia/Lord_Howe", "2024-04-07", 25),  # half an hour is repeated: a cell of its own
]


@pytest.mark.parametrize(("name", "day", "hours"), CHANGES)
def test_day_of_the_change_has_the_hours_that_passed(name: str, day: str, hours: int) -> None:
    ends = np.array([f"{day}T00:05", f"{day}T23:55"], "datetime64[us]")
    grid = hourly_grid(ends, np.array([1.0, 2.0]), timezone=ZoneInfo(name))
    assert len(grid) == hours
    assert len(set(zip(grid.hours.tolist(), grid.utc_offset.tolist(), strict=True))) == hours
    assert (grid.values[0], grid.values[-1], grid.counts.sum()) == (1, 2, 2)
    dial = hourly_grid(ends, np.array([1.0, 2.0]))
    assert len(dial) == 24


@given(
    st.sampled_from(CHANGES), st.lists(st.tuples(st.integers(0, 72 * 60), st.floats(0, 27)), min_size=1, max_size=40)
)
def test_each_observation_falls_into_its_own_local_hour(
    change: tuple[str, str, int], reports: list[tuple[int, float]]
) -> None:
    name, day, _ = change
    zone = ZoneInfo(name)
    minutes, values = (np.array(column) for column in zip(*reports, strict=True))
    utc = np.datetime64(day, "us") - np.timedelta64(1, "D") + minutes.astype("timedelta64[m]")
    local, offset = local_from_utc(utc, zone)
    grid = hourly_grid(local, values, offset, zone)
    expected: dict[object, list[float]] = {}
    for hour, shift, value in zip(local.astype("datetime64[h]").tolist(), offset.tolist(), values, strict=True):
        expected.setdefault((hour, shift), []).append(value)
    cells = list(zip(grid.hours.tolist(), grid.utc_offset.tolist(), strict=True))
    assert set(expected) <= set(cells)
    assert grid.mask[0]
    assert grid.mask[-1]
    begins = grid.hours.astype("datetime64[s]") - grid.utc_offset
    assert (np.diff(begins) >= np.timedelta64(30, "m")).all()
    assert (np.diff(begins) <= np.timedelta64(1, "h")).all()
    for cell, mean, count in zip(cells, grid.values, grid.counts, strict=True):
        assert count == len(expected.get(cell, ()))
        if count:
            assert mean == pytest.approx(np.mean(expected[cell]))


def test_repeated_hour_is_told_apart_by_its_offset() -> None:
    local = np.array(["2024-10-27T02:30"] * 2, "datetime64[us]")
    values = np.array([1.0, 2.0])
    offset = np.array([7200, 3600], "timedelta64[s]")
    zone = ZoneInfo("Europe/Berlin")
    assert hourly_grid(local, values, offset, zone).values.tolist() == [1, 2]
    assert hourly_grid(local, values, timezone=zone).values.tolist() == [1.5]  # without offset: the first pass
    assert hourly_grid(local, values, offset).values.tolist() == [1.5]  # hours on the dial


def test_skipped_hour_moves_forward() -> None:
    grid = hourly_grid(
        np.array(["2024-03-31T02:30"], "datetime64[us]"), np.array([1.0]), timezone=ZoneInfo("Europe/Berlin")
    )
    assert grid.hours.astype(str).tolist() == ["2024-03-31T03"]


def test_nothing_observed_gives_an_empty_grid() -> None:
    none = np.array([np.nan])
    day = np.array(["2024-01-01"], "datetime64[us]")
    assert len(hourly_grid(day, none)) == len(hourly_grid(day, none, timezone=ZoneInfo("UTC"))) == 0
    assert len(daily_grid(np.zeros(0, int), day[:0], none[:0])) == 0
    assert daily_grid(np.zeros(1, int), day, none).values.size == 0


@pytest.mark.parametrize(
    ("index", "days", "values", "message"),
    [
        ([0, 0], ["2024-01-01"], [1.0], "whole numbers, one for each"),
        ([0.5], ["2024-01-01"], [1.0], "whole numbers"),
        ([2], ["2024-01-01"], [1.0], "between 0 and 1"),
        ([-1], ["2024-01-01"], [1.0], "between 0 and 1"),
        ([0], ["2024-01-01"], [1.0, 2.0], "same length"),
        ([0], ["NaT"], [1.0], "needs a time"),
        ([0], ["2024-01-01"], [np.inf], "finite"),
        ([0, 0], ["1024-01-01", "2024-01-01"], [1.0, 1.0], "hundred years"),
    ],
)
def test_refuses(index: list[float], days: list[str], values: list[float], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        daily_grid(np.array(index), np.array(days, "datetime64[D]"), np.array(values), n_series=2)


def test_hourly_grid_refuses_a_mistyped_year() -> None:
    with pytest.raises(ValidationError, match="hundred years"):
        hourly_grid(np.array(["1024-01-01", "2024-01-01"], "datetime64[s]"), np.ones(2))


def test_midnight_and_half_hours_fall_into_the_cell_that_begins_there() -> None:
    times = np.array(
        ["2024-05-01T23:59:59.999999", "2024-05-02T00:00", "2024-05-02T00:30", "2024-05-02T00:59", "2024-05-02T01:00"],
        "datetime64[us]",
    )
    values = np.array([1.0, 2.0, 4.0, 6.0, 8.0])
    days = daily_grid(np.zeros(5, int), times, values)
    assert days.days.astype(str).tolist() == ["2024-05-01", "2024-05-02"]
    assert (days.values.tolist(), days.counts.tolist()) == ([1, 5], [1, 4])
    for zone in (None, ZoneInfo("Europe/Berlin")):
        hours = hourly_grid(times, values, timezone=zone)
        assert hours.hours.astype(str).tolist() == ["2024-05-01T23", "2024-05-02T00", "2024-05-02T01"]
        assert (hours.values.tolist(), hours.counts.tolist()) == ([1, 4, 8], [1, 3, 1])


def test_a_zone_of_half_hours_keeps_its_own_hours() -> None:
    """Kathmandu, 5:45 before UTC: the local hour counts, not UTC's."""
    times = np.array(["2024-05-02T00:10", "2024-05-02T00:50", "2024-05-02T01:20"], "datetime64[us]")
    grid = hourly_grid(times, np.array([1.0, 3.0, 5.0]), timezone=ZoneInfo("Asia/Kathmandu"))
    assert grid.hours.astype(str).tolist() == ["2024-05-02T00", "2024-05-02T01"]
    assert grid.values.tolist() == [2, 5]
    assert set(grid.utc_offset.astype(int).tolist()) == {20_700}


def test_an_hour_that_a_change_divides_is_two_cells() -> None:
    """Lord Howe, 7 April 2024: at 02:00 the clock goes back to 01:30, so half past one comes twice."""
    zone = ZoneInfo("Australia/Lord_Howe")
    utc = np.array(["2024-04-06T14:35", "2024-04-06T14:55", "2024-04-06T15:05", "2024-04-06T15:35"], "datetime64[us]")
    local, offset = local_from_utc(utc, zone)
    assert local.astype("datetime64[m]").astype(str).tolist() == [
        "2024-04-07T01:35", "2024-04-07T01:55", "2024-04-07T01:35", "2024-04-07T02:05",
    ]  # fmt: skip
    grid = hourly_grid(local, np.array([1.0, 3.0, 5.0, 7.0]), offset, zone)
    cells = zip(grid.hours.astype(str).tolist(), (grid.utc_offset.astype(int) / 3600).tolist(), strict=True)
    assert list(cells) == [("2024-04-07T01", 11.0), ("2024-04-07T01", 10.5), ("2024-04-07T02", 10.5)]
    assert (grid.values.tolist(), grid.counts.tolist()) == ([2, 5, 7], [2, 1, 1])


def test_series_without_values_have_no_days() -> None:
    grid = daily_grid(np.array([2, 2, 0]), np.array(["2024-05-03", "2024-05-01", "2024-05-09"], "datetime64[D]"),
                      np.array([1.0, 2.0, np.nan]))  # fmt: skip
    assert grid.offsets.tolist() == [0, 0, 0, 3]
    assert np.isnat(grid.first_day[:2]).all()
    assert grid.first_day[2] == np.datetime64("2024-05-01")
    assert grid.mask.tolist() == [True, False, True]
    np.testing.assert_array_equal(grid.values, [2, np.nan, 1])
    assert (grid.part(1), grid.part(2)) == (slice(0, 0), slice(0, 3))
    empty = daily_grid(np.zeros(0, int), np.zeros(0, "datetime64[D]"), np.zeros(0))
    assert (len(empty), empty.offsets.tolist()) == (0, [0])
    assert len(daily_grid(np.zeros(0, int), np.zeros(0, "datetime64[D]"), np.zeros(0), 3)) == 3


@pytest.mark.parametrize(("days", "refused"), [(36_525, False), (36_526, True)])
def test_a_hundred_years_are_the_longest_record(days: int, refused: bool) -> None:
    first = np.datetime64("1920-01-01")
    ends = np.array([first, first + days - 1])

    def tried() -> tuple[int, int]:
        hours = hourly_grid(ends.astype("datetime64[us]"), np.ones(2))
        return len(daily_grid(np.zeros(2, int), ends, np.ones(2)).values), len(hours)

    if refused:
        with pytest.raises(ValidationError, match="more than a hundred years"):
            daily_grid(np.zeros(2, int), ends, np.ones(2))
        with pytest.raises(ValidationError, match="more than a hundred years"):
            hourly_grid(ends.astype("datetime64[us]"), np.ones(2))
    else:
        assert tried() == (days, 24 * (days - 1) + 1)


@pytest.mark.parametrize(("index", "limit"), [([-1], 2), ([2], 2), ([0.0], 2), ([[0]], 2)])
def test_an_index_outside_the_series_is_refused(index: list[object], limit: int) -> None:
    with pytest.raises(ValidationError, match="series_index must"):
        daily_grid(np.array(index), np.array(["2024-05-01"], "datetime64[D]"), np.ones(1), limit)
    whole = daily_grid(np.array([1], np.uint8), np.array(["2024-05-01"], "datetime64[D]"), np.ones(1), limit)
    assert whole.counts.tolist() == [1]


def test_observations_are_one_dimensional() -> None:
    table = np.zeros((2, 2))
    with pytest.raises(ValidationError, match="one-dimensional"):
        hourly_grid(table.astype("datetime64[s]"), table)


def test_an_hourly_grid_of_nothing_knows_offsets_where_it_knows_the_zone() -> None:
    times, none = np.array(["2024-05-01"], "datetime64[s]"), np.array([np.nan])
    with_zone, without = hourly_grid(times, none, timezone=ZoneInfo("UTC")), hourly_grid(times, none)
    assert (len(with_zone), len(without), without.utc_offset) == (0, 0, None)
    assert with_zone.utc_offset is not None
    assert with_zone.utc_offset.size == with_zone.counts.size == with_zone.mask.size == 0


@pytest.mark.parametrize(("index", "series", "fits"), [([0, 1], 2, True), ([0, 2], 2, False), ([1, 1], 1, False)])
def test_a_series_beyond_the_last_is_refused(index: list[int], series: int, fits: bool) -> None:
    days = np.array(["2025-01-01", "2025-01-02"], "datetime64[D]")
    with nullcontext() if fits else pytest.raises(ValidationError, match=f"between 0 and {series - 1}"):
        daily_grid(np.array(index), days, np.array([1.0, 2.0]), series)
