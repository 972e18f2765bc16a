"""Rows out of JSON documents, and the batches they make."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from novamind.records.wearables.json_files import moments, number
from novamind.records.wearables.samples import Batch, Clock, frame_of


@dataclass(slots=True)
class Rows:
    """Collects samples whose times are ISO 8601 texts.

    ``source`` and ``device`` hold for all rows of a file.
    """

    source: str
    device: str = "wearable"
    _rows: list[tuple[int, str, str | None, str | None, float | None, str, float]] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self._rows)

    def add(
        self, row: int, signal: str, start: Any, value: Any, unit: str, *, end: Any = None, seconds: float = 0
    ) -> None:
        """Add one sample.

        Parameters
        ----------
        row
            Its number in the file.
        start, end
            ISO 8601 texts; an end that is not given lies ``seconds`` after the start.
        """
        begin = start if isinstance(start, str) else None
        stop = begin if end is None else end if isinstance(end, str) else None
        self._rows.append((row, signal, begin, stop, number(value), unit, seconds))

    def batches(self, file: str, *, written_in_utc: bool = False) -> Iterator[Batch]:
        """Return the samples so far: rows with an offset, rows in UTC, and rows on the wall clock.

        ``Z`` says that a time is UTC, not where the person was. Times without any offset are on the wall clock,
        or in UTC where ``written_in_utc`` says so.
        """
        if not self._rows:
            return
        row, signal, start, end, value, unit, seconds = zip(*self._rows, strict=True)
        begins, ends = moments(list(start)), moments(list(end))
        stop = ends["instant"] + pl.Series([int(s * 1e6) for s in seconds], dtype=pl.Duration("us"))
        frame = frame_of(
            {
                "row": row,
                "signal": signal,
                "start": begins["instant"],
                "end": stop.fill_null(begins["instant"]),
                "offset": begins["offset"],
                "value": value,
                "unit": unit,
                "source": [self.source] * len(row),
                "device": [self.device] * len(row),
            }
        )
        zulu = pl.Series(start, dtype=pl.String).str.contains(r"[Zz]\s*$").fill_null(value=False)
        place = frame["offset"].is_not_null() & ~zulu
        clocks: tuple[tuple[pl.Series, Clock], ...] = (
            (place, "offset"),
            (zulu, "utc"),
            (~place & ~zulu, "utc" if written_in_utc else "local"),
        )
        for rows, clock in clocks:
            if rows.any():
                yield Batch(
                    frame.filter(rows).with_columns(offset=None) if clock == "utc" else frame.filter(rows), clock, file
                )
