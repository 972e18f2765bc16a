"""Simulated diaries as people hand them over: long frames, and what came after."""

from functools import cache

import numpy as np
import polars as pl

from novamind.cohorts import OTHER_POPULATION, simulate
from novamind.symptoms import Forecasts, forecast_many

START = np.datetime64("2024-01-01")  # a Monday


def names(count: int) -> list[str]:
    """Ids that sort in the order of the rows."""
    return [f"p{i:05d}" for i in range(count)]


def long_frame(reports: np.ndarray, *, start: np.datetime64 = START, ids: list[str] | None = None) -> pl.DataFrame:
    """``(persons, days)`` with ``NaN`` where nothing was reported -> ``patient_id, timestamp, value``."""
    person, day = np.nonzero(np.isfinite(reports))
    known = np.array(ids or names(len(reports)))
    return pl.DataFrame(
        {
            "patient_id": known[person],
            "timestamp": (start + day).astype("datetime64[us]"),
            "value": reports[person, day].astype(float),
        }
    )


@cache
def cohort(persons: int = 60, reported_days: int = 12) -> np.ndarray:
    """80 days of whole numbers from 0 to 16; so many reported days at least, the last day among them."""
    drawn = simulate(6 * persons, 80, seed=41, settings=OTHER_POPULATION).reports.astype(float)
    usable = (np.isfinite(drawn).sum(1) >= reported_days) & np.isfinite(drawn[:, -1])
    return np.round(drawn[usable][:persons] * 16)


def ahead(reports: np.ndarray, horizon: int = 14) -> Forecasts:
    """Forecast the days after the last column, for a cohort like :func:`cohort`."""
    last = START + reports.shape[1] - 1
    # A row without a value says that the record runs on to that day.
    to_the_end = pl.DataFrame({"patient_id": names(len(reports))}).with_columns(
        timestamp=pl.lit(last).cast(pl.Datetime("us")), value=pl.lit(None, pl.Float64)
    )
    rows = long_frame(reports)
    return forecast_many(pl.concat([rows, to_the_end]), horizon, scale=(0, 16), step=1)


@cache
def usual() -> Forecasts:
    """The forecast of :func:`cohort`."""
    return ahead(cohort())
