"""Signals move a forecast as far as they carry news, and treatments as far as they were seen to."""

import numpy as np
import polars as pl
import pytest

from novamind.errors import ValidationError
from novamind.records.tables.frames import signal_frame
from novamind.symptoms import Forecast, forecast, forecast_many
from novamind.symptoms.forecaster.covariates import TREATMENT_START, covariates_of, signal_shifts
from novamind.symptoms.service import default_service
from tests.golden import check_golden
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


def own(z: np.ndarray, lags: int) -> np.ndarray:
    """Autocorrelation at lags from 1 on."""
    return np.array([z[lag:] @ z[: len(z) - lag] for lag in range(1, lags + 1)]) / (z @ z)


def by_textbook(reports: np.ndarray, signals: np.ndarray, ahead: int) -> np.ndarray:
    """What each signal moves the report ``ahead`` days on, by least squares and posterior odds, one by one."""
    days = len(reports)
    averages = []
    for keep in (0.6, 0.95):
        row = np.full(days, np.nan)
        for day in range(days):
            seen = [d for d in range(day + 1) if np.isfinite(reports[d])]
            if seen:
                row[day] = np.average(reports[seen], weights=[keep ** (day - d) for d in seen])
        averages.append(row)
    course = np.array([np.ones(days), *averages])
    candidates = list(signals)
    for signal in signals:
        means = [signal[max(0, day - 2) : day + 1] for day in range(days)]
        candidates.append(np.array([m[np.isfinite(m)].mean() if np.isfinite(m).any() else np.nan for m in means]))
    then = np.append(reports[ahead:], np.full(ahead, np.nan))
    odds, moved = np.zeros(len(candidates)), np.zeros(len(candidates))
    for i, signal in enumerate(candidates):
        used = np.isfinite(then) & np.isfinite(signal) & np.isfinite(course).all(0)
        if used.sum() < 30 or not np.isfinite(signal[-1]) or np.ptp(signal[used]) == 0:
            continue
        basis = course[:, used].T
        news, *_ = np.linalg.lstsq(basis, signal[used], rcond=None)
        x = signal[used] - basis @ news
        y = then[used] - basis @ np.linalg.lstsq(basis, then[used], rcond=None)[0]
        n, lags = len(x), min(14, len(x) // 4)

        days_worth = np.clip(n / max(1 + 2 * own(x, lags) @ own(y, lags), 1), 8, n) - 3
        slope = x @ y / (x @ x)
        left = 1 - min(slope**2 * (x @ x) / (y @ y), 0.999)
        bayes = (1 + days_worth) ** ((days_worth - 1) / 2) / (1 + days_worth * left) ** (days_worth / 2)
        odds[i] = 0.1 / len(candidates) * bayes
        moved[i] = days_worth / (1 + days_worth) * slope * (signal[-1] - news @ course[:, -1])
    return (odds / (odds.sum() + 0.9) * moved).reshape(2, -1).sum(0)


@pytest.mark.parametrize(("strength", "seed"), [(0.8, 11), (0.4, 12), (0.2, 13), (0.0, 14)])
def test_shifts_are_those_of_the_textbook(strength: float, seed: int) -> None:
    """At the days ahead that are computed, and linear between them."""
    reports, signals, _ = linked(strength, persons=1, seed=seed)
    y, x = reports[0].copy(), signals[0].copy()
    x[1, np.random.default_rng(seed).random(DAYS) < 0.3] = np.nan
    x[:, -1] = 1.5, 0.5, -2.0
    shifts = signal_shifts(y, x, 30)
    expected = {ahead: np.clip(by_textbook(y, x, ahead), -0.25, 0.25) for ahead in (1, 2, 5, 11, 22)}
    for ahead, shift in expected.items():
        np.testing.assert_allclose(shifts[:, ahead - 1], shift, rtol=1e-3, atol=1e-6)
    np.testing.assert_allclose(shifts[:, 2], (2 * expected[2] + expected[5]) / 3, rtol=1e-3, atol=1e-6)
    np.testing.assert_allclose(shifts[:, 25], shifts[:, 21], atol=1e-12)


def test_shifts_are_what_they_were() -> None:
    answer = []
    for seed, strength in enumerate((0.8, 0.5, 0.3)):
        reports, signals, _ = linked(strength, persons=1, seed=20 + seed)
        y, x = reports[0], signals[0].copy()
        x[2, -3:] = np.nan
        x[1, :50] = np.nan
        answer.append(signal_shifts(y, x, 9))
    check_golden(__file__, "shifts", answer)


@pytest.mark.parametrize(("days", "moves"), [(29, False), (30, True)])
def test_thirty_days_are_enough_to_learn_from(days: int, moves: bool) -> None:
    rng = np.random.default_rng(15)
    x = rng.standard_normal(days + 1)
    y = np.append(0.5, 0.5 + 0.1 * x[:-1] + 0.001 * rng.standard_normal(days))
    assert (signal_shifts(y, x[None], 1)[0, 0] != 0) == moves


def test_no_signal_moves_more_than_a_quarter_of_the_scale() -> None:
    rng = np.random.default_rng(16)
    x = rng.standard_normal(80)
    y = np.append(0.5, 0.5 + 0.1 * x[:-1])
    for last, shift in ((50.0, 0.25), (-50.0, -0.25)):
        far = np.append(x[:-1], last)
        assert signal_shifts(y, far[None], 1)[0, 0] == shift


def test_only_the_lookback_is_learned_from() -> None:
    reports, signals, _ = linked(0.8, persons=1, seed=17)
    y, x = np.tile(reports[0], 5), np.tile(signals[0], (1, 5))
    older = np.concatenate([np.full(40, 0.9), y]), np.concatenate([np.zeros((3, 40)), x], axis=1)
    recent = y[-364:], x[:, -364:]
    np.testing.assert_array_equal(signal_shifts(*older, 3), signal_shifts(*recent, 3))


@pytest.mark.parametrize("days", [1, 4, 10, 21, 22, 23, 29])
def test_a_record_shorter_than_the_horizon_learns_nothing_of_it(days: int) -> None:
    """Fewer days than the farthest horizon that is learned (22): no report lies so far ahead of any."""
    rng = np.random.default_rng(18)
    signals = rng.standard_normal((2, days))
    np.testing.assert_array_equal(signal_shifts(np.linspace(0.2, 0.8, days), signals, 30), np.zeros((2, 30)))


def test_a_short_diary_with_signals_has_the_forecast_that_it_has_without() -> None:
    diary = told({"mood": {day: 3.0 + day % 3 for day in range(6)}}).rename({"signal": "symptom"})
    sleep = told({"sleep": {day: 400.0 + 10 * day for day in range(6)}})
    known, plain = (forecast(diary, 30, scale=(0, 10), step=1, covariates=found) for found in (sleep, None))
    assert isinstance(known, Forecast)
    assert isinstance(plain, Forecast)
    assert known.covariates == {"sleep": 0}
    np.testing.assert_array_equal(known.continuous_quantiles, plain.continuous_quantiles)


@pytest.mark.parametrize(("ago", "treated"), [(0, 0), (363, 363), (364, None), (1827, None), (7305, None)])
def test_a_treatment_counts_for_as_long_as_the_network_looks_back(ago: int, treated: int | None) -> None:
    frame = signal_frame(told({TREATMENT_START: {9 - ago: 1.0}}))
    since = covariates_of(frame, None, START + np.arange(10)).treated
    assert np.isnan(since) if treated is None else since == treated


@pytest.mark.parametrize("years", [1, 5, 20])
def test_a_treatment_of_years_ago_moves_nothing(years: int) -> None:
    old = one(covariates=told({TREATMENT_START: {79 - 365 * years: 1.0}}))
    assert old.covariates == {}
    np.testing.assert_array_equal(old.continuous_quantiles, one().continuous_quantiles)


def test_the_latest_of_several_treatments_counts() -> None:
    both = told({TREATMENT_START: {-400: 1.0, 70: 1.0}})
    np.testing.assert_array_equal(
        one(covariates=both).continuous_quantiles,
        one(covariates=told({TREATMENT_START: {70: 1.0}})).continuous_quantiles,
    )


def test_no_signals_no_shifts() -> None:
    assert signal_shifts(np.full(40, 0.5), np.zeros((0, 40)), 5).shape == (0, 5)


def test_days_outside_the_record_and_missing_values_are_left_out() -> None:
    values = {
        "sleep": {-1: 9.0, 0: 1.0, 9: 2.0, 10: 9.0},
        "steps": {3: float("nan"), 4: 5.0},
        TREATMENT_START: {10: 1.0},
    }
    signals = covariates_of(signal_frame(told(values)), None, START + np.arange(10))
    assert signals.names == ("sleep", "steps")
    np.testing.assert_array_equal(signals.signals[0], [1, *[np.nan] * 8, 2])
    np.testing.assert_array_equal(signals.signals[1], [*[np.nan] * 4, 5, *[np.nan] * 5])
    assert np.isnan(signals.treated)
    on_the_last = covariates_of(signal_frame(told({TREATMENT_START: {2: 1.0, 9: 1.0}})), None, START + np.arange(10))
    assert (on_the_last.treated, on_the_last.signals.shape) == (0, (0, 10))
    before = covariates_of(signal_frame(told({TREATMENT_START: {-5: 1.0}})), None, START + np.arange(10))
    assert before.treated == 14


def test_signals_and_history_name_patients_both_or_neither() -> None:
    for frame, patient in ((told({"sleep": {1: 1.0}}), "p"), (told({"sleep": {1: 1.0}}, "p"), None)):
        with pytest.raises(ValidationError, match="both have the column patient_id, or neither"):
            covariates_of(signal_frame(frame), patient, START + np.arange(10))
