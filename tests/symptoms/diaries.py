"""Simulated diaries as people hand them over: long frames, and what came after."""

from functools import cache

import numpy as np
import polars as pl

from novamind.cohorts import OTHER_POPULATION, simulate
from novamind.symptoms import Forecasts, forecast_many
from novamind.symptoms.forecaster.preprocessing import Histories

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


@cache
def varied(days: int = 130, seed: int = 17) -> Histories:
    """Records as unlike one another as people are: gaps, few reports, ends of the scale, steps, treatment, no dates."""
    rng = np.random.default_rng(seed)
    day = np.arange(days)
    values = np.full((16, days), np.nan)
    values[0] = 0.5 + 0.15 * (day % 7 == 2) + 0.02 * rng.standard_normal(days)  # a weekly rhythm
    values[1] = np.where(rng.random(days) < 0.5, 0.4 + 0.1 * rng.standard_normal(days), np.nan)
    values[2, -1] = 0.3  # a single report, on the last day
    values[3, -40] = 0.7  # a single report, long ago
    values[4] = 0.25
    values[5] = np.maximum(np.round(27 * (0.05 + 0.06 * rng.standard_normal(days))) / 27, 0)
    values[6] = np.minimum(0.95 + 0.1 * rng.standard_normal(days), 1)
    values[7] = 0.2 + 0.5 * day / days + 0.03 * rng.standard_normal(days)
    values[8, ::-7] = 0.6 + 0.08 * rng.standard_normal(len(values[8, ::-7]))  # a weekly questionnaire
    values[9] = np.where(day % 2 == 0, 0.4, 0.6)
    values[10, :-10] = 0.5 + 0.1 * rng.standard_normal(days - 10)
    values[11, :-65] = 0.5 + 0.1 * rng.standard_normal(days - 65)
    values[12, -20:] = np.round(4 * rng.random(20)) / 4
    values[13, -9:] = np.round(10 * rng.random(9)) / 10
    values[14] = 0.5 + 0.3 * np.sin(day / 9) + 0.05 * rng.standard_normal(days)
    values[15] = np.where(rng.random(days) < 0.9, np.round(8 * (0.5 + 0.2 * rng.standard_normal(days))) / 8, np.nan)
    step = np.array([0, 0, 0, 0.25, 0.25, 1 / 27, 0, 0, 0.1, 0.2, 0, 0, 0.25, 0.1, 0, 0.125], np.float32)
    treated = np.full(16, np.nan, np.float32)
    treated[[1, 7, 12, 15]] = 0, 30, 12, 200
    weekday = np.array([0, 1, 2, 3, -1, 5, 6, 0, 1, -1, 3, 4, 5, -1, 0, 6])
    return Histories(np.clip(values, 0, 1).astype(np.float32), step, weekday, treated)
