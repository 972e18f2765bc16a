"""Irregular observations -> a daily or hourly grid with a mask, in local time.

An observation counts on its own local day and in its own local hour. Cells hold the mean of the reports that
fall into them; a cell without a report is ``NaN`` in ``values`` and 0 in ``counts``. A ``NaN`` among the
observations is a report that was not given: it fills no cell and does not lengthen the grid, which runs from
the first to the last day (hour) that has a value.
"""

from dataclasses import dataclass
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from novamind.errors import ValidationError
from novamind.timeline.clock import Offsets, Times, local_from_utc, offset_periods, utc_from_local

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Days = NDArray[np.datetime64]

#: No record of a person is longer; a wider span means a mistyped year, and would fill the memory with empty
#: days.
LONGEST_SPAN_DAYS = 36_525


@dataclass(frozen=True, slots=True)
class DailyGrid:
    """The calendars of many series, one behind the other.

    Attributes
    ----------
    offsets
        ``(series + 1,)``: the days of series ``i`` are ``offsets[i]:offsets[i + 1]``.
    first_day
        ``(series,)``, ``datetime64[D]``; ``NaT`` for a series without any value, which has no days.
    values
        ``(days,)``: mean of the day's reports, ``NaN`` on days without one.
    counts
        ``(days,)``: number of the day's reports.
    """

    offsets: Integers
    first_day: Days
    values: Floats
    counts: Integers

    def __len__(self) -> int:
        return len(self.first_day)

    @property
    def mask(self) -> NDArray[np.bool_]:
        """True on days with a report, ``(days,)``."""
        return self.counts > 0

    @property
    def days(self) -> Days:
        """The calendar day of each cell, ``(days,)``, ``datetime64[D]``."""
        lengths = np.diff(self.offsets)
        return np.repeat(self.first_day, lengths) + (
            np.arange(len(self.values)) - np.repeat(self.offsets[:-1], lengths)
        )

    def part(self, series: int) -> slice:
        """Return where the days of one series stand in ``values``, ``counts``, ``mask`` and ``days``."""
        return slice(int(self.offsets[series]), int(self.offsets[series + 1]))


@dataclass(frozen=True, slots=True)
class HourlyGrid:
    """One series by local hour.

    Attributes
    ----------
    hours
        ``(cells,)``, ``datetime64[h]``, local wall-clock time at which the cell begins.
    utc_offset
        ``(cells,)``, ``timedelta64[s]``; ``None`` where the timezone is not known.
    values, counts
        ``(cells,)``: mean and number of the hour's reports.
    """

    hours: Times
    utc_offset: Offsets | None
    values: Floats
    counts: Integers

    def __len__(self) -> int:
        return len(self.hours)

    @property
    def mask(self) -> NDArray[np.bool_]:
        """True on hours with a report, ``(cells,)``."""
        return self.counts > 0


def daily_grid(series_index: NDArray[np.integer], day: Times, value: Floats, n_series: int | None = None) -> DailyGrid:
    """Return many series gridded by local day.

    Parameters
    ----------
    series_index
        ``(observations,)``, whole numbers from 0: which series each observation belongs to.
    day
        ``(observations,)``, ``datetime64`` in local time, any unit, in any order.
    value
        ``(observations,)``, ``NaN`` for a report that was not given.
    n_series
        Number of series; the largest index + 1 where not given.

    Raises
    ------
    ValidationError
        For arrays of different lengths, an index out of range, infinite values, ``NaT``, or a series that
        spans more than a hundred years.
    """
    index = np.asarray(series_index)
    values = np.asarray(value, dtype=np.float64)
    days = np.asarray(day).astype("datetime64[D]")
    _check_observations(days, values)
    if index.shape != values.shape or index.dtype.kind not in "iu":
        raise ValidationError("series_index must be whole numbers, one for each value")
    if n_series is None:
        n_series = int(index.max(initial=-1)) + 1
    if index.size and not (index.min() >= 0 and index.max() < n_series):
        raise ValidationError(f"series_index must lie between 0 and {n_series - 1}")

    reported = ~np.isnan(values)
    index, number, values = index[reported], days[reported].astype(np.int64), values[reported]
    first = np.full(n_series, np.iinfo(np.int64).max)
    last = np.full(n_series, np.iinfo(np.int64).min)
    np.minimum.at(first, index, number)
    np.maximum.at(last, index, number)
    empty = first > last
    first[empty], last[empty] = 0, -1
    lengths = last - first + 1
    _check_span(int(lengths.max(initial=0)))
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    means, counts = _cell_means(offsets[index] + number - first[index], values, int(offsets[-1]))
    first_day = first.astype("datetime64[D]")
    first_day[empty] = np.datetime64("NaT")
    return DailyGrid(offsets, first_day, means, counts)


def hourly_grid(
    timestamps: Times, values: Floats, utc_offset: Offsets | None = None, timezone: ZoneInfo | None = None
) -> HourlyGrid:
    """Return one series gridded by local hour.

    Parameters
    ----------
    timestamps
        ``(observations,)``, ``datetime64`` in local wall-clock time, in any order.
    values
        ``(observations,)``, ``NaN`` for a report that was not given.
    utc_offset
        ``(observations,)``, ``timedelta64``: local time minus UTC, where known.
    timezone
        Where the clock hangs. With it, the cells are the hours that really passed: the spring day on which
        clocks change has 23 (the skipped hour has no cell), the autumn day 25 (the repeated hour has two,
        distinguished by ``utc_offset``; an observation without offset falls into the first). Without it, every
        day has the 24 hours on the dial: in autumn both passes of the repeated hour share one cell, in spring
        the skipped one is empty.
    """
    local = np.asarray(timestamps).astype("datetime64[us]")
    observed = np.asarray(values, dtype=np.float64)
    _check_observations(local, observed)
    reported = ~np.isnan(observed)
    local, observed = local[reported], observed[reported]
    if not observed.size:
        none = np.zeros(0, "timedelta64[s]") if timezone else None
        return HourlyGrid(np.zeros(0, "datetime64[h]"), none, observed, np.zeros(0, np.int64))
    _check_span(int((local.max() - local.min()) / np.timedelta64(1, "D")) + 1)

    if timezone is None:
        number = local.astype("datetime64[h]").astype(np.int64)
        start = number.min()
        hours = np.arange(start, number.max() + 1).astype("datetime64[h]")
        return HourlyGrid(hours, None, *_cell_means(number - start, observed, len(hours)))

    if utc_offset is None:
        utc = utc_from_local(local, timezone)
    else:
        utc = (local - utc_offset[reported]).astype("datetime64[us]")
    hours, offsets, begins = _elapsed_hours(utc, timezone)
    cell = np.searchsorted(begins, utc, side="right") - 1
    return HourlyGrid(hours, offsets, *_cell_means(cell, observed, len(hours)))


def _elapsed_hours(utc: Times, timezone: ZoneInfo) -> tuple[Times, Offsets, Times]:
    """Return label, offset and first instant of every local hour between the first and the last instant."""
    ends, _ = local_from_utc(np.array([utc.min(), utc.max()]), timezone)
    starts, offsets = offset_periods(utc.min(), utc.max(), timezone)
    hours, hour_offsets = [], []
    for period, offset in enumerate(offsets):
        low = ends[0] if period == 0 else starts[period] + offset
        # The last second before the change belongs to the period's last hour.
        high = ends[1] if period == len(starts) - 1 else starts[period + 1] - np.timedelta64(1, "s") + offset
        labels = np.arange(low.astype("datetime64[h]"), high.astype("datetime64[h]") + 1)
        hours.append(labels)
        hour_offsets.append(np.full(len(labels), offset))
    label, shift = np.concatenate(hours), np.concatenate(hour_offsets)
    begins = label.astype("datetime64[s]") - shift
    # Where clocks move by half an hour, the hour in progress is divided at the change.
    return (
        label,
        shift,
        np.maximum(begins, starts[np.repeat(np.arange(len(starts)), [len(h) for h in hours])]),
    )


def _cell_means(cell: Integers, values: Floats, n_cells: int) -> tuple[Floats, Integers]:
    counts = np.bincount(cell, minlength=n_cells)
    means = np.full(n_cells, np.nan)
    sums = np.bincount(cell, weights=values, minlength=n_cells)
    np.divide(sums, counts, out=means, where=counts > 0)
    # Rounding in a sum must not carry a mean past the largest report, off the instrument's scale.
    if values.size:
        np.clip(means, values.min(), values.max(), out=means)
    return means, counts


def _check_observations(times: Times, values: Floats) -> None:
    if times.shape != values.shape or values.ndim != 1:
        raise ValidationError("times and values must be one-dimensional and have the same length")
    if np.isnat(times).any():
        raise ValidationError("every observation needs a time: drop those without one")
    if np.isinf(values).any():
        raise ValidationError("values must be finite, or NaN where no report was given")


def _check_span(days: int) -> None:
    if days > LONGEST_SPAN_DAYS:
        raise ValidationError("a series spans more than a hundred years: look for a mistyped year")
