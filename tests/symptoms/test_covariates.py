"""Signals move a forecast as far as they carry news, and treatments as far as they were seen to."""

import numpy as np
import polars as pl
import pytest

from novamind.errors import ValidationError
from novamind.records.frames import signal_frame
from novamind.symptoms import Forecast, forecast, forecast_many
from novamind.symptoms.covariates import TREATMENT_START, covariates_of, signal_shifts
from novamind.symptoms.service import default_service
from tests.symptoms.diaries import START, cohort, long_frame, names

DAYS = 90


def told(values: dict[str, dict[int, float]], patient: str | None = None) -> pl.DataFrame:
    """Signals by day."""
    rows = [(name, (START + day).item(), value) for name, days in values.items() for day, value in days.items()]
    frame = pl.DataFrame(rows, schema=["signal", "timestamp", "value"], orient="row")
    return frame if patient is None else frame.with_columns(patient_id=pl.lit(patient))


def linked(strength: float, persons: int, seed: int, signals: int = 3) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Reports of which the first signal leads the next day's by ``strength``: reports, signals, what comes."""
    rng = np.random.default_rng(seed)
    x = np.zeros((persons, signals, DAYS + 1))
    y = np.zeros((persons, DAYS + 1))
    for day in range(1, DAYS + 1):
        x[..., day] = 0.4 * x[..., day - 1] + 0.9 * rng.standard_normal((persons, signals))
        y[:, day] = 0.4 * y[:, day - 1] + strength * x[:, 0, day - 1] + rng.standard_normal(persons)
    reports = 0.45 + 0.08 * y
    seen = np.where(rng.random(reports.shape) < 0.2, np.nan, reports)
    seen[:, -2] = reports[:, -2]
    return seen[:, :-1], x[..., :-1], reports[:, -1]


def error_with_and_without(strength: float, seed: int) -> tuple[float, float]:
    """Mean absolute error of a first-order forecast, alone and moved by the signals."""
    reports, signals, comes = linked(strength, persons=250, seed=seed)
    level = np.nanmean(reports, axis=1)
    alone = level + 0.4 * (reports[:, -1] - level)
    moved = np.array([signal_shifts(y, x, 1)[:, 0].sum() for y, x in zip(reports, signals, strict=True)])
    return float(np.abs(comes - alone).mean()), float(np.abs(comes - alone - moved).mean())


def test_signals_that_lead_improve_the_forecast() -> None:
    without, moved = error_with_and_without(0.8, seed=0)
    assert moved < 0.9 * without


def test_signals_without_news_never_hurt() -> None:
    without, moved = error_with_and_without(0.0, seed=1)
    assert moved < 1.005 * without


def test_the_shift_is_that_of_the_leading_signal() -> None:
    reports, signals, _ = linked(0.8, persons=20, seed=2)
    for y, x in zip(reports, signals, strict=True):
        shifts = signal_shifts(y, x, 14)
        assert shifts.shape == (3, 14)
        # The slope on the unit scale is 0.08 * 0.8, of what the signal is beyond what reports already tell.
        if abs(x[0, -1]) > 0.8:
            assert np.sign(shifts[0, 0]) == np.sign(x[0, -1])
            assert abs(shifts[0, 0]) > 5 * np.abs(shifts[1:, 0]).max()


@pytest.mark.parametrize("units", [1e-6, 1.0, 1e6])
def test_units_do_not_matter(units: float) -> None:
    reports, signals, _ = linked(0.5, persons=1, seed=3)
    plain, scaled = (signal_shifts(reports[0], s, 7) for s in (signals[0], 40 * units + units * signals[0]))
    np.testing.assert_allclose(plain, scaled, atol=1e-5)


@pytest.mark.parametrize(
    "signals",
    [np.full((1, DAYS), 3.0), np.full((1, DAYS), np.nan), np.where(np.arange(DAYS) < 5, 1.0, np.nan)[None]],
)
def test_signals_that_say_nothing_move_nothing(signals: np.ndarray) -> None:
    reports, _, _ = linked(0.5, persons=1, seed=4)
    np.testing.assert_array_equal(signal_shifts(reports[0], signals, 7), 0)


def test_days_are_averaged_and_later_ones_not_looked_at() -> None:
    hours = {"sleep": [81, 90, 500], TREATMENT_START: [48, 150, 720]}
    frame = pl.DataFrame(
        [(name, (START + np.timedelta64(hour, "h")).item(), float(hour)) for name in hours for hour in hours[name]],
        schema=["signal", "timestamp", "value"],
        orient="row",
    )
    known = covariates_of(signal_frame(frame), None, START + np.arange(10))
    assert known.names == ("sleep",)
    np.testing.assert_array_equal(known.signals[0], [np.nan] * 3 + [85.5] + [np.nan] * 6)
    assert known.treated == 3


def one(**options: object) -> Forecast:
    person = int(np.argmax(np.isfinite(cohort()).sum(1)))
    found = forecast(long_frame(cohort()[person : person + 1]).drop("patient_id"), scale=(0, 16), step=1, **options)
    assert isinstance(found, Forecast)
    return found


def test_a_known_start_of_treatment_is_read_by_the_network() -> None:
    known = one(covariates=told({TREATMENT_START: {72: 1.0}}))
    moved = (known.continuous_quantiles - one().continuous_quantiles)[6, 10]
    assert known.covariates == {TREATMENT_START: pytest.approx(moved, abs=1e-4)}


@pytest.mark.parametrize("ago", [3, 10])
def test_treatments_are_expected_to_help_on_average(ago: int) -> None:
    """In the simulated population they help two in three, and harm few."""
    starts = pl.concat([told({TREATMENT_START: {79 - ago: 1.0}}, name) for name in names(40)])
    forecasts = forecast_many(long_frame(cohort()[:40]), scale=(0, 16), step=1, covariates=starts)
    assert -1 < np.mean([forecast.covariates[TREATMENT_START] for forecast in forecasts]) < -0.1


def test_without_covariates_nothing_is_said_of_them() -> None:
    assert one().covariates == {}
    np.testing.assert_array_equal(
        one(covariates=told({"sleep": {79: 1.0}})).continuous_quantiles, one().continuous_quantiles
    )


def test_covariates_are_their_own_patient_s() -> None:
    history = long_frame(cohort()[:2])
    mine = told({TREATMENT_START: {70: 1.0}}, "p00000")
    with_mine = forecast_many(history, scale=(0, 16), covariates=mine)
    plain = forecast_many(history, scale=(0, 16))
    assert list(with_mine[0].covariates) == [TREATMENT_START]
    assert with_mine[1].covariates == {}
    np.testing.assert_array_equal(with_mine.continuous_quantiles[1], plain.continuous_quantiles[1])
    with pytest.raises(ValidationError, match="patient_id"):
        forecast_many(history, scale=(0, 16), covariates=mine.drop("patient_id"))


@pytest.mark.parametrize("column", ["signal", "timestamp", "value"])
def test_covariates_need_their_columns(column: str) -> None:
    with pytest.raises(ValidationError, match=column):
        default_service().forecast(
            long_frame(cohort()[:1]), scale=(0, 16), covariates=told({"sleep": {1: 1.0}}, "p00000").drop(column)
        )
