"""Samples out of the entries of JSON documents: days, nights, points."""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from novamind.records.wearables.rows import Rows
from novamind.records.wearables.samples import Batch, Tally

_DAMAGED = (AttributeError, KeyError, OverflowError, TypeError, ValueError)
_LONGEST_NAME, _MOST_NAMES = 60, 100
_IDENTITY = re.compile(r"(?i:(^|_)(id|pk|key)$|uuid|version)|[a-z](Id|ID|PK|Key)$")


class _Watched(dict[str, Any]):
    """An entry that notes which of its values are asked for."""

    def __init__(self, entry: dict[str, Any], asked: set[str]) -> None:
        super().__init__(entry)
        self._asked = asked

    def __getitem__(self, name: str) -> Any:
        self._asked.add(name)
        return super().__getitem__(name)

    def get(self, name: str, default: Any = None) -> Any:
        self._asked.add(name)
        return super().get(name, default)


def _measures(name: str, value: Any) -> bool:
    """Return whether a value may be a measure, and does not only identify its entry."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return (number or (isinstance(value, list | dict) and bool(value))) and not _IDENTITY.search(name)


@dataclass(slots=True)
class Entries:
    """Collects the samples of a file's entries, and counts what they lack.

    Attributes
    ----------
    number
        Number of the entry that is being read, from 1.
    unread
        How much was not read so far.
    """

    source: str
    file: str
    tally: Tally
    device: str = "wearable"
    number: int = 0
    unread: int = field(default=0, init=False)
    rows: Rows = field(init=False)

    def __post_init__(self) -> None:
        self.rows = Rows(self.source, self.device)

    def read(self, entries: Any, reader: Callable[[Any], None], passed: Iterable[str] = ()) -> None:
        """Give each entry of a list to a reader; one that is damaged is counted and does not stop the others.

        Measures that the reader never asks for are counted by their names, but for those ``passed``, which describe the
        entry or repeat another.
        """
        asked = set(passed)
        passed_over: dict[str, int] = {}
        for entry in entries if isinstance(entries, list) else ():
            self.number += 1
            before = self.unread
            try:
                reader(_Watched(entry, asked) if isinstance(entry, dict) else entry)
            except _DAMAGED:
                self.not_read("entry that cannot be read")
            if isinstance(entry, dict) and self.unread == before:
                for name in entry.keys() - asked:
                    if _measures(name, entry[name]):
                        by_name = name in passed_over or len(passed_over) < _MOST_NAMES
                        kind = name if by_name else "measures of more names"
                        passed_over[kind] = passed_over.get(kind, 0) + 1
        for name, count in passed_over.items():
            if name not in asked:
                self.not_read(name, count)

    def add(self, signal: str, start: Any, value: Any, unit: str, *, end: Any = None, seconds: float = 0) -> None:
        """Add a sample; without a value nothing was measured, which is counted."""
        if value is None:
            self.tally.no_value(signal, self.number, self.file)
        else:
            self.rows.add(self.number, signal, start, value, unit, end=end, seconds=seconds)

    def not_read(self, kind: str, count: int = 1) -> None:
        """Count what holds no signal, after its maker."""
        self.unread += count
        self.tally.not_read(f"{self.source} {kind[:_LONGEST_NAME]}", count)

    def batches(self, *, written_in_utc: bool = False) -> Iterator[Batch]:
        """Return the samples, as :meth:`novamind.records.wearables.rows.Rows.batches` does."""
        yield from self.rows.batches(self.file, written_in_utc=written_in_utc)
