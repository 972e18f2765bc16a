import numpy as np
import pytest
from scipy import stats

from novamind.errors import InsufficientDataError, ValidationError
from novamind.timeline.interrupted_series import MINIMUM_PER_PHASE, InterruptedSeries

DAYS = np.arange(40.0)


@pytest.fixture(scope="module")
def plan():
    return InterruptedSeries(DAYS, 20.0)


def noise(rng, count, rho, white=0.0):
    shocks = rng.standard_normal((count, DAYS.size)) * np.sqrt(1 - rho**2)
    series = np.empty_like(shocks)
    series[:, 0] = rng.standard_normal(count)
    for day in range(1, DAYS.size):
        series[:, day] = rho * series[:, day - 1] + shocks[:, day]
    return np.sqrt(1 - white) * series + np.sqrt(white) * rng.standard_normal(series.shape)


@pytest.mark.parametrize(("rho", "white"), [(0.0, 0.0), (0.5, 0.0), (0.9, 0.0), (0.9, 0.3)])
def test_false_alarms_stay_near_their_nominal_rate(plan, rho, white):
    # 400 series: the benchmark runs 2,000. Three standard errors above the allowed 0.08.
    result = plan.fit(noise(np.random.default_rng(5), 400, rho, white))
    assert (result.p_value < 0.05).mean() <= 0.08 + 3 * np.sqrt(0.08 * 0.92 / 400)


def test_a_welch_test_raises_false_alarms_on_the_same_series():
    series = noise(np.random.default_rng(5), 400, 0.9)
    p_value = stats.ttest_ind(series[:, 20:], series[:, :20], axis=1, equal_var=False).pvalue
    assert (p_value < 0.05).mean() > 0.4


def test_a_step_is_found_and_measured(plan):
    series = noise(np.random.default_rng(6), 400, 0.8)
    series[:, 20:] += 2.0
    result = plan.fit(series)
    assert (result.p_value < 0.05).mean() > 0.85
    assert result.change.mean() == pytest.approx(2.0, abs=0.1)
    covered = (result.low <= 2.0) & (result.high >= 2.0)
    assert covered.mean() > 0.9
    assert result.effect_size.mean() == pytest.approx(2.0, abs=0.5)


def test_interval_and_p_value_agree(plan):
    result = plan.fit(noise(np.random.default_rng(7), 200, 0.5) + 0.8 * (DAYS >= 20))
    excludes_zero = (result.low > 0) | (result.high < 0)
    np.testing.assert_array_equal(excludes_zero, result.p_value < 0.05)


def test_shift_scale_and_sign_of_the_values_do_what_they_must(plan):
    series = noise(np.random.default_rng(8), 5, 0.6)
    one, moved, turned = plan.fit(series), plan.fit(100 + 3 * series), plan.fit(-series)
    np.testing.assert_allclose(moved.change, 3 * one.change, rtol=1e-6)
    np.testing.assert_allclose(moved.p_value, one.p_value, rtol=1e-6)
    np.testing.assert_allclose(turned.effect_size, -one.effect_size, rtol=1e-6)
    np.testing.assert_allclose(moved.effect_size, one.effect_size, rtol=1e-6)


def test_a_trend_that_was_there_anyway_is_no_change():
    rng = np.random.default_rng(9)
    series = 0.1 * DAYS + noise(rng, 100, 0.0)
    with_trend = InterruptedSeries(DAYS, 20.0, trend=True).fit(series)
    without = InterruptedSeries(DAYS, 20.0).fit(series)
    assert (with_trend.p_value < 0.05).mean() < 0.12
    assert (without.change > with_trend.change).mean() > 0.9


def test_a_gradual_onset_is_measured_at_its_full_size():
    rng = np.random.default_rng(10)
    onset = 3.0 * (1 - np.exp(-np.maximum(DAYS - 20, 0) / 7.0))
    result = InterruptedSeries(DAYS, 20.0, onset=7.0).fit(onset + noise(rng, 200, 0.3))
    assert result.change.mean() == pytest.approx(3.0, abs=0.3)


def test_irregular_times_are_taken_as_they_are():
    rng = np.random.default_rng(11)
    kept = np.sort(rng.choice(40, 30, replace=False))
    series = noise(rng, 200, 0.7)[:, kept]
    result = InterruptedSeries(DAYS[kept], 20.0).fit(series)
    assert (result.p_value < 0.05).mean() < 0.12


def test_too_little_and_bad_data_are_refused(plan):
    few = np.arange(float(MINIMUM_PER_PHASE + 6))
    with pytest.raises(InsufficientDataError, match="at least 7"):
        InterruptedSeries(few, float(MINIMUM_PER_PHASE))
    InterruptedSeries(np.arange(14.0), 7.0)
    for times in ([1.0, 0.0, *range(2, 40)], [0.0, 0.0, *range(1, 39)], [np.nan, *range(1, 40)]):
        with pytest.raises(ValidationError, match="increase"):
            InterruptedSeries(np.array(times, dtype=float), 20.0)
    with pytest.raises(ValidationError, match="onset"):
        InterruptedSeries(DAYS, 20.0, onset=-1.0)
    with pytest.raises(ValidationError, match="one per time"):
        plan.fit(np.ones(39))
    with pytest.raises(ValidationError, match="finite"):
        plan.fit(np.where(DAYS == 3, np.nan, DAYS))
    with pytest.raises(InsufficientDataError, match="variation"):
        plan.fit(np.full(40, 0.3))
    with pytest.raises(InsufficientDataError, match="variation"):
        plan.fit(np.where(DAYS >= 20, 2.0, 1.0))
