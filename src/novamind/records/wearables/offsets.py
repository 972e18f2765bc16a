"""Where a person's wall clock stood, as other rows of the same export say it.

Makers write some series in UTC, or by the day alone, and others with the offset of the place. The nearest offset that
the export knows, within a day and a half, is taken for the first; what is farther from any stays without a place.
"""

import re
from collections.abc import Callable, Iterable, Iterator

import polars as pl
from polars.exceptions import PolarsError

from novamind.errors import NovamindError
from novamind.records.wearables.files import DAMAGED, Context, ExportFile
from novamind.records.wearables.json_files import moments
from novamind.records.wearables.samples import Batch

_FARTHEST = "36h"
_PLACED_TIME = re.compile(r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?[+-]\d{2}:?\d{2}")
_DAMAGED = (NovamindError, ArithmeticError, AttributeError, LookupError, PolarsError, TypeError, ValueError, *DAMAGED)


class Offsets:
    """Moments whose offset from UTC is known.

    Parameters
    ----------
    times
        ``instant`` and ``offset``; those without an offset say nothing.
    """

    def __init__(self, times: pl.DataFrame) -> None:
        times = times.select("instant", place="offset").drop_nulls()
        self._places = times.unique("instant").sort("instant")

    def placed(self, batch: Batch) -> Iterator[Batch]:
        """Return a batch with the offsets that are near, and the rest on its own clock."""
        samples = batch.samples.with_row_index("order").sort("start")
        near = samples.join_asof(
            self._places, left_on="start", right_on="instant", strategy="nearest", tolerance=_FARTHEST
        ).sort("order")
        place = near["place"]
        ahead = pl.duration(seconds=pl.col("place") if batch.clock == "local" else pl.lit(0))
        near = near.with_columns(pl.col("start") - ahead, pl.col("end") - ahead, offset="place")
        columns = batch.samples.columns
        if place.is_not_null().any():
            yield Batch(near.filter(place.is_not_null()).select(columns), "offset", batch.file)
        if place.is_null().any():
            yield Batch(batch.samples.filter(place.is_null()), batch.clock, batch.file)


def placed(
    batches: Iterable[Batch],
    file: ExportFile,
    context: Context,
    maker: str,
    times_of: Callable[[ExportFile], pl.DataFrame],
) -> Iterator[Batch]:
    """Return batches of a file, those without an offset by the times of its export; a timezone that is given does more.

    Parameters
    ----------
    times_of
        Returns ``instant`` and ``offset`` of a file, where its rows have them.
    """
    for batch in batches:
        if context.zone is not None or batch.clock == "offset":
            yield batch
        else:
            yield from _offsets(file, context, maker, times_of).placed(batch)


def _offsets(file: ExportFile, context: Context, maker: str, times_of: Callable[[ExportFile], pl.DataFrame]) -> Offsets:
    """Return where the clock stood, by all files of the export; they are read once."""
    if maker not in context.memory:
        times = [moments([])]
        for other in {other.path: other for other in (*context.files, file)}.values():
            try:
                times.append(times_of(other).select("instant", "offset"))
            except _DAMAGED:
                continue  # it is named when its own turn comes
            finally:
                if other is not file:
                    other.close()
        context.memory[maker] = Offsets(pl.concat(times))
    offsets: Offsets = context.memory[maker]
    return offsets


def times_in(text: str) -> pl.DataFrame:
    """Return all times with an offset that stand in a text."""
    return moments(sorted(set(_PLACED_TIME.findall(text))))
