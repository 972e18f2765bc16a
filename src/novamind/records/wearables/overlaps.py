"""Several devices at once: every minute is counted once.

Devices are ranked: by kind (worn on the body, phone, others, typed in by hand), then by how many rows of the
signal they brought, then by name. The rules:

- A repeated row (same source, time and value) is dropped.
- Sums and intervals: the time that a higher-ranked source covers, or an earlier row of the same source, is
  taken off a row, and with it that share of its value, as if the value were spread evenly over the row. A row
  of which nothing is left is dropped. What remains starts at its first free moment.
- Sums of a day (``daily_...``): each local day has one value, the longest of the highest-ranked source. Days are told
  apart by their middle, since they overlap where the clock changes or the person travels.
- Levels: within an hour the highest-ranked source that measured is kept. Several values of one source at one
  moment become their mean. Of the values of a day (``daily_...``), those that hold for the whole day go before those
  of a single sleep, and the highest-ranked source before the others.
- Sleep has one source a night (:mod:`novamind.records.wearables.nights`).
"""

from dataclasses import dataclass
from datetime import timedelta

import numpy as np
import polars as pl
from numpy.typing import NDArray

from novamind.records.signals import DAILY_HOURS, SIGNALS
from novamind.records.wearables.samples import DEVICES

Integers = NDArray[np.int64]
Floats = NDArray[np.float64]

REPEATED = "repeats another row"
COUNTED = "another device already counted this time"
SAME_SOURCE = "an earlier row of the same source already counted this time"
OTHER_DEVICE = "a better placed device measured in the same hour"
SAME_DAY = "another value of the same day goes before"
SAME_MOMENT = "another value of the same source at the same moment: their mean is kept"


@dataclass(frozen=True, slots=True)
class Resolved:
    """One signal without double counting.

    Attributes
    ----------
    samples
        The rows kept, sorted by time.
    left_out
        Rows dropped, with ``reason``.

    Rows of ``samples`` that lost a share of their time are marked ``shortened``.
    """

    samples: pl.DataFrame
    left_out: pl.DataFrame


def resolve(samples: pl.DataFrame, rows_by_source: dict[str, int]) -> Resolved:
    """Keep one row for every moment of one signal of one person.

    Parameters
    ----------
    samples
        One signal; columns ``row, signal, start, end, value, source, device`` and any others.
    rows_by_source
        How many rows of this signal each source brought in the whole record.
    """
    order = sorted(
        samples.select("source", "device").unique().iter_rows(),
        key=lambda pair: (DEVICES.index(pair[1]), -rows_by_source.get(pair[0], 0), pair[0]),
    )
    ranks = pl.DataFrame(
        [(source, device, rank) for rank, (source, device) in enumerate(order)],
        schema={"source": pl.String, "device": pl.String, "rank": pl.Int64},
        orient="row",
    )
    frame = samples.join(ranks, on=["source", "device"], how="left").sort("start", "rank", "end", "value", "row")
    repeated = frame.select(~pl.struct("start", "end", "value", "source").is_first_distinct()).to_series()
    dropped = [frame.filter(repeated).with_columns(reason=pl.lit(REPEATED))]
    frame = frame.filter(~repeated)
    if SIGNALS[frame["signal"][0]].aggregation == "mean":
        kept, more = _levels(frame)
    elif frame["signal"][0].startswith("daily_"):
        kept, more = _days(frame)
    else:
        kept, more = _amounts(frame)
    left_out = pl.concat([*dropped, *more], how="diagonal").drop("rank")
    return Resolved(kept.drop("rank").sort("start"), left_out)


def _levels(frame: pl.DataFrame) -> tuple[pl.DataFrame, list[pl.DataFrame]]:
    if frame["signal"][0].startswith("daily_"):
        # A value of a night belongs to the day of its end; one of a whole day to that of its middle.
        length = pl.col("end") - pl.col("start")
        part = length < timedelta(hours=DAILY_HOURS)
        last = pl.max_horizontal("end", pl.col("start") + pl.duration(microseconds=1)) - pl.duration(microseconds=1)
        ahead = pl.duration(seconds=pl.col("offset").fill_null(0))
        day = (pl.when(part).then(last).otherwise(pl.col("start") + length / 2) + ahead).dt.date()
        rank, period, reason = pl.col("rank") + part * (pl.col("rank").max() + 1), day, SAME_DAY
    else:
        rank, period, reason = pl.col("rank"), pl.col("start").dt.truncate("1h"), OTHER_DEVICE
    best = rank.min().over(period)
    worse = frame.filter(rank > best).with_columns(reason=pl.lit(reason))
    frame = frame.filter(rank == best)
    first = frame.select(pl.col("start").is_first_distinct()).to_series()
    again = frame.filter(~first).with_columns(reason=pl.lit(SAME_MOMENT))
    frame = frame.with_columns(pl.col("value").mean().over("start")) if len(again) else frame
    return frame.filter(first).with_columns(shortened=pl.lit(value=False)), [worse, again]


def _days(frame: pl.DataFrame) -> tuple[pl.DataFrame, list[pl.DataFrame]]:
    length = pl.col("end") - pl.col("start")
    ahead = pl.duration(seconds=pl.col("offset").fill_null(0))
    frame = frame.with_columns(day=(pl.col("start") + length / 2 + ahead).dt.date(), length=length)
    frame = frame.sort("day", "rank", "length", "start", descending=[False, False, True, False], maintain_order=True)
    first = frame.select(pl.col("day").is_first_distinct()).to_series()
    frame = frame.drop("day", "length")
    again = frame.filter(~first).with_columns(reason=pl.lit(SAME_DAY))
    return frame.filter(first).with_columns(shortened=pl.lit(value=False)), [again]


def _amounts(frame: pl.DataFrame) -> tuple[pl.DataFrame, list[pl.DataFrame]]:
    start, end = (frame[name].to_physical().to_numpy() for name in ("start", "end"))
    value, rank = frame["value"].to_numpy(), frame["rank"].to_numpy()
    free = np.zeros(len(frame), np.int64)
    begins = start.copy()
    own = np.zeros(len(frame), bool)
    taken = _Covered(np.zeros(0, np.int64), np.zeros(0, np.int64))
    for level in range(int(rank.max()) + 1):
        rows = np.flatnonzero(rank == level)
        earliest = np.maximum(start[rows], _latest_end_before(end[rows]))
        own[rows] = (earliest >= end[rows]) & (end[rows] > start[rows]) | (earliest > start[rows]) & (
            end[rows] == start[rows]
        )
        earliest = np.minimum(earliest, end[rows])
        free[rows] = end[rows] - earliest - taken.length(earliest, end[rows])
        begins[rows] = taken.first_free(earliest)
        # A row without length is a moment: free unless a longer row holds it.
        moment = end[rows] == start[rows]
        free[rows[moment & ~own[rows] & (begins[rows] == start[rows])]] = 1
        taken = taken.joined(start[rows], end[rows])
    length = end - start
    share = np.divide(free, length, out=np.ones(len(frame)), where=length > 0)
    keep = free > 0
    minutes = SIGNALS[frame["signal"][0]].aggregation == "interval"
    frame = frame.with_columns(
        pl.Series("value", free / 60e6 if minutes else value * share),
        pl.Series("start", begins).cast(pl.Datetime("us")),
        pl.Series("shortened", share < 1),
    )
    lost = frame.filter(~keep).with_columns(
        pl.Series("reason", np.where(own[~keep], SAME_SOURCE, COUNTED).tolist(), dtype=pl.String)
    )
    kept = frame.filter(keep)
    # Two moments of different sources may coincide: the higher-ranked stands first.
    first = kept.select(pl.col("start").is_first_distinct()).to_series()
    again = kept.filter(~first).with_columns(reason=pl.lit(COUNTED))
    return kept.filter(first), [lost, again]


def _latest_end_before(end: Integers) -> Integers:
    """Return, for rows in order of start, the latest end among the rows before."""
    latest = np.full(len(end), np.iinfo(np.int64).min)
    latest[1:] = np.maximum.accumulate(end)[:-1]
    return latest


class _Covered:
    """A union of intervals, for questions about many intervals at once."""

    def __init__(self, start: Integers, end: Integers) -> None:
        order = np.argsort(start, kind="stable")
        start, end = start[order], end[order]
        opens = start > _latest_end_before(end)
        self.start = start[opens]
        self.end = (
            np.maximum.accumulate(end)[np.append(np.flatnonzero(opens)[1:] - 1, len(end) - 1)] if len(end) else end
        )
        self._before = np.concatenate([[0], np.cumsum(self.end - self.start)])

    def joined(self, start: Integers, end: Integers) -> "_Covered":
        return _Covered(np.concatenate([self.start, start]), np.concatenate([self.end, end]))

    def length(self, low: Integers, high: Integers) -> Integers:
        """Return how much of each interval is covered."""
        return self._up_to(high) - self._up_to(low)

    def first_free(self, moment: Integers) -> Integers:
        """Return, for each moment, the first moment from it on that is not covered."""
        if not len(self.start):
            return moment.copy()
        last = np.searchsorted(self.start, moment, side="right") - 1
        inside = (last >= 0) & (self.end[last] > moment)
        return np.where(inside, self.end[last], moment)

    def _up_to(self, moment: Integers) -> Integers:
        if not len(self.start):
            return np.zeros(len(moment), np.int64)
        last = np.searchsorted(self.start, moment, side="right") - 1
        inside = np.minimum(moment - self.start[last], self.end[last] - self.start[last])
        return np.where(last >= 0, self._before[last] + inside, 0)
