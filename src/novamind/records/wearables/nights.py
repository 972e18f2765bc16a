"""One source a night: what two devices write about one sleep is never added up.

Rows of sleep that touch or overlap, whoever wrote them, are one night; a pause of more than half an hour begins the
next. A night is told by the best of its sources: worn on the body before phone before others before typed in by hand,
then one that tells stages apart, then by name. A source that saw less than half of the night's length gives way. Time
in bed is that of the night's source; where it has none, of the best source that has.
"""

from datetime import timedelta

import numpy as np
import polars as pl

from novamind.records.wearables.samples import DEVICES

OTHER_SOURCE = "another source tells this night"
PAUSE = timedelta(minutes=30)
_STAGES = ("sleep_light", "sleep_deep", "sleep_rem")
_IN_BED = "sleep_in_bed"


def is_sleep(signal: str) -> bool:
    """Return whether a signal tells of a single sleep."""
    return signal.startswith("sleep_")


class Nights:
    """The nights of one person, and the source of each.

    Parameters
    ----------
    rows
        All rows of sleep: ``signal, start, end, source, device``.
    """

    def __init__(self, rows: pl.DataFrame) -> None:
        rows = rows.sort("start", "end").with_columns(
            night=(pl.col("start") > pl.col("end").cum_max().shift(1) + PAUSE).fill_null(value=False).cum_sum(),
            rank=pl.col("device").replace_strict({name: rank for rank, name in enumerate(DEVICES)}),
        )
        sources = rows.group_by("night", "source").agg(
            pl.col("rank").min(),
            pl.col("start").min().alias("first"),
            (pl.col("end").max() - pl.col("start").min()).alias("length"),
            pl.col("signal").is_in(_STAGES).any().alias("stages"),
            (pl.col("signal") == _IN_BED).any().alias("in_bed"),
            (pl.col("signal") != _IN_BED).any().alias("asleep"),
        )
        brief = pl.col("length") * 2 < pl.col("length").max().over("night")
        order = (brief, pl.col("rank"), ~pl.col("stages"), pl.col("source"))
        asleep = sources.filter("asleep").sort("night", *order).unique("night", keep="first", maintain_order=True)
        in_bed = (
            sources.filter("in_bed")
            .join(asleep.select("night", pl.col("source").alias("chosen")), on="night", how="left")
            .sort("night", (pl.col("source") != pl.col("chosen")).fill_null(value=False), *order)
            .unique("night", keep="first", maintain_order=True)
        )
        starts = sources.group_by("night").agg(pl.col("first").min()).sort("night")
        self._starts = starts["first"].to_numpy().astype("datetime64[us]")
        self._sources = (
            starts.select("night")
            .join(
                asleep.select("night", pl.col("source").alias("asleep")), on="night", how="left", maintain_order="left"
            )
            .join(
                in_bed.select("night", pl.col("source").alias("in_bed")), on="night", how="left", maintain_order="left"
            )
        )

    def chosen(self, samples: pl.DataFrame) -> pl.Series:
        """Return which rows of a sleep signal come from their night's source."""
        night = np.searchsorted(self._starts, samples["start"].to_numpy().astype("datetime64[us]"), side="right") - 1
        column = self._sources["in_bed" if samples["signal"][0] == _IN_BED else "asleep"]
        return samples["source"] == column.gather(pl.Series(night, dtype=pl.UInt32))
