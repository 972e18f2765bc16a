"""What a maker's reader makes of one file, for tests."""

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl

from novamind.records.wearables.files import Context
from novamind.records.wearables.formats import Maker, maker_of
from novamind.records.wearables.samples import BATCH, Tally
from tests.records.wearable_input import export_file


@dataclass(frozen=True)
class Reading:
    """Samples of a file, the clocks of its batches, and what was counted."""

    samples: pl.DataFrame
    clocks: set[str]
    tally: Tally

    def rows(self, *columns: str, **where: Any) -> list[tuple[Any, ...]]:
        return self.samples.filter(**where).select(columns).rows() if where else self.samples.select(columns).rows()

    def values(self, **where: Any) -> dict[str, float]:
        """Return signal to value, where each signal has one row."""
        rows = self.rows("signal", "value", **where)
        assert len(dict(rows)) == len(rows)
        return dict(rows)

    def left_out(self) -> dict[str, int]:
        assert len({entry["reason"] for entry in self.tally.left_out_rows()}) <= 1
        return {entry["signal"]: entry["rows"] for entry in self.tally.left_out_rows()}


def read(maker: Maker, path: str, content: Any, *, zone: str | None = None) -> Reading:
    """Return what a maker reads; the file must be recognised by this maker alone."""
    text = content if isinstance(content, str | bytes) else json.dumps(content)
    file, tally = export_file(path, text), Tally()
    assert maker_of(file) is maker
    found = list(maker.batches(file, Context(tally, (file,), None if zone is None else ZoneInfo(zone))))
    frames = [batch.samples for batch in found]
    return Reading(pl.concat(frames) if frames else pl.DataFrame(schema=BATCH), {batch.clock for batch in found}, tally)


def utc(*parts: int, **offset: float) -> datetime:
    """Return a time without a zone, as batches hold them."""
    return datetime(*parts) + timedelta(**offset)  # type: ignore[arg-type]  # noqa: DTZ001
