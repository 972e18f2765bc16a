"""How much of a record each signal fills: days, hours, sources."""

from dataclasses import dataclass
from typing import Any

import polars as pl

from novamind.records.signals import SIGNALS


@dataclass(frozen=True, slots=True)
class SignalCoverage:
    """How much of a record one signal fills.

    Attributes
    ----------
    first_day, last_day
        ISO dates, local.
    days, days_with_values
        Days from the first to the last, and those of them with a value.
    hours_with_values
        Hours in which a row starts.
    hours_share
        The same as a share of the hours from the first to the last day.
    """

    patient_id: str
    signal: str
    unit: str
    rows: int
    first_day: str
    last_day: str
    days: int
    days_with_values: int
    hours_with_values: int
    hours_share: float
    sources: tuple[str, ...]


class CoverageCount:
    """Counts one signal's coverage; a local day lies in one month, so months add up."""

    def __init__(self, patient: str, signal: str) -> None:
        self.rows = 0
        self._patient, self._signal = patient, signal
        self._days = self._hours = 0
        self._first: Any = None
        self._last: Any = None
        self._sources: set[str] = set()

    def take(self, frame: pl.DataFrame) -> None:
        """Add the rows of a month."""
        days = frame["timestamp"].dt.date()
        self.rows += len(frame)
        self._days += days.n_unique()
        offset = pl.col("utc_offset_minutes").fill_null(0)
        self._hours += frame.select(
            (pl.col("timestamp") - pl.duration(minutes=offset)).dt.truncate("1h").n_unique()
        ).item()
        self._first = days.min() if self._first is None else min(self._first, days.min())
        self._last = days.max() if self._last is None else max(self._last, days.max())
        self._sources |= set(frame["source"].unique())

    def finished(self) -> SignalCoverage:
        """Return the counts."""
        days = (self._last - self._first).days + 1
        return SignalCoverage(
            self._patient,
            self._signal,
            SIGNALS[self._signal].unit,
            self.rows,
            self._first.isoformat(),
            self._last.isoformat(),
            days,
            self._days,
            self._hours,
            round(min(self._hours / (24 * days), 1.0), 4),
            tuple(sorted(self._sources)),
        )
