"""When the device was not worn.

A wearable that measures heart rate without pause is worn while it has one: 90 minutes or more without any heart rate,
between two heart rates, count as not worn. 90 minutes is the window of Choi et al. (2011, Med Sci Sports Exerc 43:357,
"Validation of accelerometer wear and nonwear time classification algorithm"), which was found for accelerometers; that
a missing heart rate means the same is our assumption. Where a record has no heart rate of a wearable, nothing is
called non-wear: a night without steps looks the same. Time before the first and after the last heart rate is left open.
"""

from datetime import datetime, timedelta

import numpy as np
import polars as pl

WINDOW = timedelta(minutes=90)


class NonWear:
    """Collects the pauses of one person's heart rate, month after month."""

    def __init__(self) -> None:
        self.pauses: list[tuple[datetime, datetime, int | None]] = []
        self._last: datetime | None = None

    def take(self, heart_rate: pl.DataFrame) -> None:
        """Add the next month's heart rates, sorted by start."""
        worn = heart_rate.filter(pl.col("device") == "wearable")
        if not len(worn):
            return
        before = worn["end"].shift(1)
        if self._last is not None:
            before = before.scatter(0, self._last)
        gaps = worn.with_columns(before=before).filter(pl.col("start") - pl.col("before") >= WINDOW)
        self.pauses += gaps.select("before", "start", "offset").rows()
        self._last = worn["end"].max()  # type: ignore[assignment]

    def idle(self, samples: pl.DataFrame) -> pl.Series:
        """Return which rows are zero because the device was not worn."""
        if not self.pauses:
            return pl.Series([False] * len(samples), dtype=pl.Boolean)
        starts, ends = (np.array([pause[i] for pause in self.pauses], "datetime64[us]") for i in (0, 1))
        at = samples["start"].to_numpy().astype("datetime64[us]")
        pause = np.searchsorted(starts, at, side="right") - 1
        inside = (pause >= 0) & (at < ends[np.maximum(pause, 0)])
        return pl.Series(inside) & (samples["value"] == 0) & (samples["device"] == "wearable")

    def frame(self) -> pl.DataFrame:
        """Return pauses as ``start, end`` on the wall clock, with ``utc_offset_minutes``."""
        schema: dict[str, type[pl.DataType] | pl.DataType] = {
            "start": pl.Datetime("us"),
            "end": pl.Datetime("us"),
            "offset": pl.Int32,
        }
        ahead = pl.duration(seconds=pl.col("offset").fill_null(0))
        return pl.DataFrame(self.pauses, schema=schema, orient="row").select(
            pl.col("start") + ahead, pl.col("end") + ahead, (pl.col("offset") // 60).alias("utc_offset_minutes")
        )
