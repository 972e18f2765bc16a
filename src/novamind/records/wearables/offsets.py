"""Where a person's wall clock stood, as other rows of the same export say it.

Makers write some series in UTC, or by the day alone, and others with the offset of the place. The nearest offset that
the export knows, within a day and a half, is taken for the first; what is farther from any stays without a place.
"""

from collections.abc import Iterator, Sequence

import polars as pl

from novamind.records.wearables.json_files import moments
from novamind.records.wearables.samples import Batch

_FARTHEST = "36h"


class Offsets:
    """Moments whose offset from UTC is known.

    Parameters
    ----------
    texts
        ISO 8601 texts; those without an offset say nothing.
    """

    def __init__(self, texts: Sequence[str | None]) -> None:
        times = moments(texts).drop_nulls()
        self._places = times.rename({"offset": "place"}).unique("instant").sort("instant")

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
