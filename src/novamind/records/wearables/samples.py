"""Samples as the formats' readers hand them over, and the rules that every row must keep.

A batch is a Polars frame with the columns of :data:`BATCH`. Its times are on one clock:

- ``offset``: instants in UTC, and the seconds by which the person's wall clock was ahead (``offset``);
- ``utc``: instants in UTC without a wall clock; a timezone must be given;
- ``local``: wall-clock times; with a timezone they become instants by the rules of
  :mod:`novamind.timeline.clock` (a time that autumn repeats is its first pass, one that spring skips moves
  forward), without one they stay what they are.

A row that breaks a rule is left out and counted under its reason, with the place of the first one.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import Any, Literal
from zoneinfo import ZoneInfo

import polars as pl

from novamind.errors import ValidationError
from novamind.records.signals import DAILY_HOURS, SIGNALS, daily_names
from novamind.timeline import local_from_utc, utc_from_local

Clock = Literal["offset", "utc", "local"]

#: What a reader fills in. ``row`` counts from 1 in the file's own order; ``unit`` is as written;
#: ``device`` is one of :data:`DEVICES`; a ``patient_id`` of null means the person whose file it is.
BATCH: dict[str, type[pl.DataType] | pl.DataType] = {
    "row": pl.Int64,
    "patient_id": pl.String,
    "signal": pl.String,
    "start": pl.Datetime("us"),
    "end": pl.Datetime("us"),
    "offset": pl.Int32,
    "value": pl.Float64,
    "unit": pl.String,
    "source": pl.String,
    "device": pl.String,
}

#: Kinds of device in the order in which they are believed.
DEVICES = ("wearable", "phone", "other", "manual")

#: Few wearables measured before: an earlier time comes from a clock that was never set, unless all rows have one.
EARLIEST = datetime(2000, 1, 1)  # noqa: DTZ001 - compared with wall-clock times
#: Days from which clocks that were never set count: of Unix, of GPS and DOS, of FIT, and of 2000 west of Greenwich.
_UNSET = (date(1970, 1, 1), date(1980, 1, 1), date(1989, 12, 31), date(1999, 12, 31))
_UNSET_FOR = timedelta(days=30)
LONGEST = timedelta(hours=26)

_RANGES = pl.DataFrame(
    [(s.name, float(s.low), float(s.high), s.aggregation) for s in SIGNALS.values()],
    schema={"signal": pl.String, "low": pl.Float64, "high": pl.Float64, "aggregation": pl.String},
    orient="row",
)


NO_VALUE = "no value: nothing was measured"


@dataclass(frozen=True, slots=True)
class Batch:
    """Samples of one file on one clock."""

    samples: pl.DataFrame
    clock: Clock
    file: str

    def moved(self, rows: int) -> "Batch":
        """Return the batch of a part of a file, with the rows numbered as in the whole."""
        return replace(self, samples=self.samples.with_columns(pl.col("row") + rows)) if rows else self


@dataclass(slots=True)
class LeftOut:
    """Rows that were not taken, and why."""

    signal: str
    reason: str
    rows: int
    first_file: str
    first_row: int


@dataclass(slots=True)
class Tally:
    """Counts of rows that were read, left out and not understood, and files that were not read.

    Attributes
    ----------
    before
        How many rows of the file came before the part of it that is read.
    old
        How many rows of files whose times all lie before 2000 are read.
    """

    rows_read: int = 0
    files_read: int = 0
    files_named: int = 0
    skipped: dict[str, list[str]] = field(default_factory=dict)
    left_out: dict[tuple[str, str], LeftOut] = field(default_factory=dict)
    unread: dict[str, int] = field(default_factory=dict)
    before: int = 0
    old: int = 0

    def leave_out(self, rows: pl.DataFrame, reason: str, file: str = "") -> None:
        """Count rows (with ``signal`` and ``row``) under a reason."""
        for name, count, first in rows.group_by("signal").agg(pl.len(), pl.col("row").min().alias("first")).iter_rows():
            entry = self.left_out.setdefault((name, reason), LeftOut(name, reason, 0, file, int(first)))
            entry.rows += count

    def no_value(self, signal: str, row: int, file: str, rows: int = 1, reason: str = NO_VALUE) -> None:
        """Count rows of which the maker says that nothing was measured, or another reason to leave them out."""
        self.rows_read += rows
        first = LeftOut(signal, reason, 0, file, self.before + row)
        self.left_out.setdefault((signal, reason), first).rows += rows

    def not_read(self, kind: str, rows: int = 1) -> None:
        """Count records that have no place among the signals."""
        self.unread[kind] = self.unread.get(kind, 0) + rows

    def skip_file(self, path: str, reason: str) -> None:
        """Name a file that is not read, or not to its end."""
        self.files_named += 1
        self.skipped.setdefault(reason, []).append(path)

    def left_out_rows(self) -> list[dict[str, Any]]:
        """Return all that was left out, largest first."""
        return [asdict(entry) for entry in sorted(self.left_out.values(), key=lambda e: (-e.rows, e.signal, e.reason))]


def frame_of(columns: Mapping[str, Sequence[Any] | pl.Series | None]) -> pl.DataFrame:
    """Return columns as a batch's samples; absent columns are null, and ``end`` is ``start`` where null."""
    present = {name: values for name, values in columns.items() if values is not None}
    length = len(next(iter(present.values())))
    frame = pl.DataFrame(
        {
            name: pl.Series(name, present.get(name, [None] * length), dtype=dtype, strict=False)
            for name, dtype in BATCH.items()
        }
    )
    return frame.with_columns(pl.col("end").fill_null(pl.col("start")))


def valid_rows(batch: Batch, zone: ZoneInfo | None, latest: datetime, tally: Tally) -> pl.DataFrame:
    """Return the rows that keep the rules, in canonical units, with ``offset`` where the wall clock is known.

    Parameters
    ----------
    zone
        The clock the person lives by; ``None`` where the file knows it or it stays unknown.
    latest
        No sample is later (wall clock).
    """
    tally.rows_read += len(batch.samples)
    frame = batch.samples.with_columns(pl.col("unit").str.strip_chars())
    frame = _kept(frame, pl.col("signal").is_in(list(SIGNALS)), "signal is not in the table of signals", batch, tally)
    frame = frame.join(_conversions(frame), on=["signal", "unit"], how="left", maintain_order="left")
    frame = frame.with_columns(pl.col("value") * pl.col("factor") + pl.col("shift"))
    frame = _kept(
        frame, pl.col("start").is_not_null() & pl.col("end").is_not_null(), "time cannot be read", batch, tally
    )
    frame = _on_clock(frame, batch, zone)
    local = pl.col("start") + pl.duration(seconds=pl.col("offset").fill_null(0))
    length = pl.col("end") - pl.col("start")
    names = daily_names()
    frame = frame.with_columns(
        pl.when(length >= timedelta(hours=DAILY_HOURS))
        .then(pl.col("signal").replace(names))
        .otherwise(pl.col("signal"))
    ).join(_RANGES, on="signal", how="left", maintain_order="left")
    frame = frame.with_columns(
        pl.when(pl.col("aggregation") == "interval")
        .then(length.dt.total_microseconds() / 60e6)
        .otherwise(pl.col("value"))
        .alias("value")
    )
    earliest = EARLIEST if not _is_old(frame.select(local)) else datetime(_UNSET[0].year, 1, 1)  # noqa: DTZ001
    for keep, reason in (
        (pl.col("factor").is_not_null() | (pl.col("aggregation") == "interval"), "unit is not known"),
        (pl.col("value").is_finite().fill_null(value=False), "value is not a number"),
        (local >= earliest, "time lies before 2000: the device's clock was not set"),
        (local <= latest, "time lies in the future"),
        (length >= timedelta(0), "ends before it starts"),
        (length <= LONGEST, "lasts longer than a day"),
        (pl.col("value") >= pl.col("low"), "value lies below the plausible range"),
        (pl.col("value") <= pl.col("high"), "value lies above the plausible range"),
    ):
        frame = _kept(frame, keep, reason, batch, tally)
    tally.old += len(frame) if earliest < EARLIEST else 0
    return frame.select(*BATCH).drop("unit")


def _is_old(local: pl.DataFrame) -> bool:
    """Return whether all times lie before 2000, and none is of a clock that was never set."""
    times = local.to_series().drop_nulls()
    first, last = times.min(), times.max()
    if not isinstance(first, datetime) or not isinstance(last, datetime) or last >= EARLIEST:
        return False
    return first.date() > _UNSET[0] + _UNSET_FOR and not any(day <= first.date() <= day + _UNSET_FOR for day in _UNSET)


def _conversions(frame: pl.DataFrame) -> pl.DataFrame:
    """Return factor and shift of each signal and unit in a frame; null where the unit does not fit the signal."""
    pairs = frame.select("signal", "unit").unique().rows()
    ways = [None if unit is None else SIGNALS[signal].conversion(unit) for signal, unit in pairs]
    return pl.DataFrame(
        [(*pair, *(way or (None, None))) for pair, way in zip(pairs, ways, strict=True)],
        schema={"signal": pl.String, "unit": pl.String, "factor": pl.Float64, "shift": pl.Float64},
        orient="row",
    )


def _kept(frame: pl.DataFrame, keep: pl.Expr, reason: str, batch: Batch, tally: Tally) -> pl.DataFrame:
    mask = frame.select(keep.fill_null(value=False).alias("keep")).to_series()
    if mask.all():
        return frame
    tally.leave_out(frame.filter(~mask), reason, batch.file)
    return frame.filter(mask)


def _on_clock(frame: pl.DataFrame, batch: Batch, zone: ZoneInfo | None) -> pl.DataFrame:
    if not len(frame):
        return frame
    if batch.clock == "utc" and zone is None:
        raise ValidationError(
            f"{batch.file}: keeps its times in UTC and does not say where the person lives: give the timezone, "
            "e.g. Europe/Berlin"
        )
    if zone is None:
        return frame
    starts, ends = (frame[name].to_numpy().astype("datetime64[us]") for name in ("start", "end"))
    if batch.clock == "local":
        starts, ends = utc_from_local(starts, zone), utc_from_local(ends, zone)
    _, offset = local_from_utc(starts, zone)
    return frame.with_columns(
        pl.Series("start", starts), pl.Series("end", ends), pl.Series("offset", offset.astype("int64"), dtype=pl.Int32)
    )
