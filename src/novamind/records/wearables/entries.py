"""Samples out of the entries of JSON documents: days, nights, points."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from novamind.records.wearables.rows import Rows
from novamind.records.wearables.samples import Batch, Tally

_DAMAGED = (AttributeError, KeyError, OverflowError, TypeError, ValueError)
_LONGEST_NAME = 60


@dataclass(slots=True)
class Entries:
    """Collects the samples of a file's entries, and counts what they lack.

    Attributes
    ----------
    number
        Number of the entry that is being read, from 1.
    """

    source: str
    file: str
    tally: Tally
    device: str = "wearable"
    number: int = 0
    rows: Rows = field(init=False)

    def __post_init__(self) -> None:
        self.rows = Rows(self.source, self.device)

    def read(self, entries: Any, reader: Callable[[Any], None]) -> None:
        """Give each entry of a list to a reader; one that is damaged is counted and does not stop the others."""
        for entry in entries if isinstance(entries, list) else ():
            self.number += 1
            try:
                reader(entry)
            except _DAMAGED:
                self.not_read("entry that cannot be read")

    def add(self, signal: str, start: Any, value: Any, unit: str, *, end: Any = None, seconds: float = 0) -> None:
        """Add a sample; without a value nothing was measured, which is counted."""
        if value is None:
            self.tally.no_value(signal, self.number, self.file)
        else:
            self.rows.add(self.number, signal, start, value, unit, end=end, seconds=seconds)

    def not_read(self, kind: str, count: int = 1) -> None:
        """Count what holds no signal, after its maker."""
        self.tally.not_read(f"{self.source} {kind[:_LONGEST_NAME]}", count)

    def batches(self, *, written_in_utc: bool = False) -> Iterator[Batch]:
        """Return the samples, as :meth:`novamind.records.wearables.rows.Rows.batches` does."""
        yield from self.rows.batches(self.file, written_in_utc=written_in_utc)
