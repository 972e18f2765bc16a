"""Personal baselines: hour, weekend and trend found again, from the past alone, whatever half of it did."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from novamind.biometrics.baselines import nan_median, personal_baseline
from novamind.errors import ValidationError

DAYS = 90
HOUR = np.arange(DAYS * 24)
CLOCK = 10 * np.cos(2 * np.pi * (HOUR % 24 - 15) / 24)


def noisy(seed: int = 0, spread: float = 1.0) -> NDArray[np.float64]:
    return 60 + CLOCK + spread * np.random.default_rng(seed).standard_normal(len(HOUR))


def test_the_hour_of_the_day_is_expected_and_the_scale_is_the_noise() -> None:
    baseline = personal_baseline(noisy(spread=2.0))
    late = HOUR >= 60 * 24
    assert np.abs(baseline.expected[late] - (60 + CLOCK[late])).mean() < 0.6
    assert np.median(baseline.scale[late]) == pytest.approx(2.0, rel=0.12)
    assert baseline.deviation[late].std() == pytest.approx(1.0, abs=0.15)


def test_a_trend_is_followed_and_told() -> None:
    baseline = personal_baseline(noisy() + 0.2 * HOUR / 24)
    assert baseline.slope_per_day[-1] == pytest.approx(0.2, abs=0.03)
    assert abs(np.nanmean(baseline.deviation[HOUR >= 70 * 24])) < 0.3


def test_weekends_count_once_four_are_known() -> None:
    weekend = HOUR // 24 % 7 >= 5
    baseline = personal_baseline(noisy() + 3.0 * weekend)
    early = (HOUR >= 19 * 24) & (HOUR < 21 * 24)
    late = weekend & (HOUR >= 60 * 24)
    assert np.nanmean(baseline.deviation[early]) > 1.0
    assert abs(np.nanmean(baseline.deviation[late])) < 0.5


def test_weekends_follow_the_first_hour() -> None:
    weekend = (HOUR // 24 + 3) % 7 >= 5  # the record begins on a Thursday
    baseline = personal_baseline(noisy() + 3.0 * weekend, first_hour=3 * 24)
    assert abs(np.nanmean(baseline.deviation[weekend & (HOUR >= 60 * 24)])) < 0.5


def test_a_record_that_begins_at_noon_keeps_its_hours() -> None:
    whole = noisy()
    from_noon = personal_baseline(whole[12:], first_hour=12)
    assert np.nanmax(np.abs(from_noon.expected[-24:] - personal_baseline(whole).expected[-24:])) < 1.0


@given(st.integers(0, 5), st.integers(20 * 24, 80 * 24))
@settings(max_examples=25, deadline=None)
def test_nothing_later_is_looked_at(seed: int, now: int) -> None:
    signal = noisy(seed)
    changed = signal.copy()
    changed[now:] = np.random.default_rng(seed + 1).uniform(-1e6, 1e6, len(changed) - now)
    before, after = personal_baseline(signal), personal_baseline(changed)
    upto = now - now % 24 + 24
    np.testing.assert_array_equal(before.expected[:upto], after.expected[:upto])
    np.testing.assert_array_equal(before.deviation[:now], after.deviation[:now])


def test_a_third_of_wild_values_moves_little() -> None:
    signal = noisy()
    wild = np.random.default_rng(1).random(len(signal)) < 0.3
    baseline = personal_baseline(np.where(wild, 1e5, signal))
    late = HOUR >= 60 * 24
    assert np.abs(baseline.expected[late] - (60 + CLOCK[late])).mean() < 2.0


@given(st.integers(0, 3), st.floats(0.0, 1.0))
@settings(max_examples=25, deadline=None)
def test_gaps_leave_gaps_and_nothing_else(seed: int, share: float) -> None:
    signal = noisy(seed)
    signal[np.random.default_rng(seed).random(len(signal)) < share] = np.nan
    baseline = personal_baseline(signal)
    assert not np.isinf(baseline.deviation).any()
    known = ~np.isnan(baseline.deviation)
    assert not np.isnan(signal[known]).any()
    assert (baseline.scale[known] > 0).all()


def test_a_constant_signal_and_three_samples_have_no_deviation() -> None:
    assert np.isnan(personal_baseline(np.full(60 * 24, 5.0)).deviation).all()
    few = np.full(60 * 24, np.nan)
    few[[5, 500, 900]] = 1.0
    assert np.isnan(personal_baseline(few).deviation).all()
    assert personal_baseline(np.zeros(0)).deviation.shape == (0,)


@pytest.mark.parametrize("bad", [np.zeros((2, 2)), np.array([1.0, np.inf])])
def test_what_is_no_signal_is_refused(bad: NDArray[np.float64]) -> None:
    with pytest.raises(ValidationError):
        personal_baseline(bad)


@given(
    st.lists(
        st.lists(st.one_of(st.just(float("nan")), st.floats(-1e6, 1e6)), min_size=4, max_size=4), min_size=1, max_size=6
    )
)
@settings(deadline=None)
def test_medians_agree_with_numpy(rows: list[list[float]]) -> None:
    table = np.array(rows)
    for row, found in zip(table, nan_median(table), strict=True):
        given_values = row[~np.isnan(row)]
        expected = np.median(given_values) if len(given_values) else np.nan
        np.testing.assert_allclose(found, expected)
