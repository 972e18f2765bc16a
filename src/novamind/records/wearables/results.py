"""What an export holds, as people use it: the long frame, pauses in wearing, and the summary of what was read."""

from dataclasses import asdict, dataclass, field
from typing import Any

import polars as pl

from novamind.records.wearables.coverage import SignalCoverage
from novamind.summary import Summarised, Summary, clipped, counted


@dataclass(frozen=True, slots=True, repr=False)
class WearableSummary(Summarised):
    """Counts of an export: what was read, kept and left out.

    ``rows_read`` counts samples as they stand in the export (a stage of sleep is two: asleep, and the stage), and is
    ``rows_kept`` plus the rows of ``left_out``. ``shortened`` rows lost the part of their time that another row already
    counted. ``unread`` counts records that are no signal of ours. ``files_left_out`` names the files that were not
    read, or not to their end, by reason. ``before_2000`` counts rows of files whose times all lie before 2000.
    """

    format: str
    rows_read: int
    rows_kept: int
    coverage: tuple[SignalCoverage, ...]
    left_out: tuple[dict[str, Any], ...]
    shortened: int
    unread: dict[str, int]
    non_wear_hours: float
    files_read: int = 0
    files_left_out: dict[str, tuple[str, ...]] = field(default_factory=dict)
    before_2000: int = 0

    def to_dict(self) -> dict[str, Any]:
        """Return the summary in plain values, for JSON."""
        return asdict(self)

    def _summary(self) -> Summary:
        rows = ((c.signal, c.unit, c.rows, c.first_day, c.last_day, c.days_with_values) for c in self.coverage)
        text = f"{clipped(self.format)}: {counted(self.rows_kept, 'row')} of {self.rows_read:,} kept"
        return Summary(text, ("signal", "unit", "rows", "first day", "last day", "days with values"), rows)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class WearableRecord(Summarised):
    """One long frame (``COLUMNS``, sorted by person, signal and time), pauses in wearing, and the summary."""

    frame: pl.DataFrame
    non_wear: pl.DataFrame
    summary: WearableSummary

    def _summary(self) -> Summary:
        return self.summary._summary()
