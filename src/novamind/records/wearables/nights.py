"""One source a night: what two devices write about one sleep is never added up.

Rows of sleep that touch or overlap, whoever wrote them, are one night; a pause of more than half an hour begins the
next. A night is told by the best of its sources: worn on the body before phone before others before typed in by hand,
then one that tells stages apart, then by name. A source that saw less than half of the night's length gives way. Time
in bed and the maker's score are those of the night's source; where it has none, of the best source that has.
"""

from datetime import timedelta

import numpy as np
import polars as pl

from novamind.records.wearables.samples import DEVICES

OTHER_SOURCE = "another source tells this night"
PAUSE = timedelta(minutes=30)
_STAGES = ("sleep_light", "sleep_deep", "sleep_rem")
#: What another source may tell of a night where the night's own source does not.
_APART = ("sleep_in_bed", "sleep_score")
_ASLEEP = "asleep"


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
            *((pl.col("signal") == name).any().alias(name) for name in _APART),
            (~pl.col("signal").is_in(_APART)).any().alias(_ASLEEP),
        )
        brief = pl.col("length") * 2 < pl.col("length").max().over("night")
        order = (brief, pl.col("rank"), ~pl.col("stages"), pl.col("source"))
        starts = sources.group_by("night").agg(pl.col("first").min()).sort("night")
        self._starts = starts["first"].to_numpy().astype("datetime64[us]")
        best = sources.filter(_ASLEEP).sort("night", *order).unique("night", keep="first", maintain_order=True)
        nights = starts.join(best.select("night", pl.col("source").alias(_ASLEEP)), on="night", how="left")
        for name in _APART:
            own = pl.col("source") != pl.col(_ASLEEP + "_source")
            named = sources.join(
                nights.select("night", pl.col(_ASLEEP).alias(_ASLEEP + "_source")), on="night", how="left"
            )
            best = named.filter(name).sort("night", own.fill_null(value=False), *order)
            best = best.unique("night", keep="first").select("night", pl.col("source").alias(name))
            nights = nights.join(best, on="night", how="left")
        self._sources = nights.sort("night")

    def chosen(self, samples: pl.DataFrame) -> pl.Series:
        """Return which rows of a sleep signal come from their night's source."""
        night = np.searchsorted(self._starts, samples["start"].to_numpy().astype("datetime64[us]"), side="right") - 1
        signal = samples["signal"][0]
        column = self._sources[signal if signal in _APART else _ASLEEP]
        return samples["source"] == column.gather(pl.Series(night, dtype=pl.UInt32))
