"""Personal baselines: hour, weekend and trend found again, from the past alone, whatever half of it did."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from novamind.biometrics import baselines
from novamind.biometrics.baselines import daily_levels, nan_median, personal_baseline
from novamind.errors import ValidationError
from tests.cohorts.summary import summary
from tests.golden import check_golden

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


# -- exact where the signal is exactly what a baseline expects ---------------------------------------------------------

DAY_OF = HOUR // 24
SHAPE = np.array([0, 0, 0, 0, 1, 2, 4, 7, 9, 9, 8, 7, 7, 6, 6, 5, 5, 6, 7, 5, 3, 2, 1, 0], dtype=float)


@pytest.mark.parametrize(("first_hour", "slope", "weekend"), [(0, 0.3, 0.0), (30, -0.2, 0.0), (5 * 24 + 13, 0.0, 4.0)])
def test_a_signal_of_level_trend_hours_and_weekend_is_expected_exactly(
    first_hour: int, slope: float, weekend: float
) -> None:
    clock = HOUR + first_hour % 24
    day = clock // 24
    free = (first_hour // 24 + day) % 7 >= 5
    signal = 50 + slope * day + SHAPE[clock % 24] + weekend * free + 0.01 * (-1.0) ** (HOUR + day)
    baseline = personal_baseline(signal, first_hour)
    late = day >= 60
    # Where there is a trend, weekends seem to differ by what it does in three days.
    assert baseline.expected[late] == pytest.approx(signal[late], abs=0.02 + 4 * abs(slope))
    assert baseline.slope_per_day[late] == pytest.approx(np.full(late.sum(), slope), abs=2e-3)


def test_a_baseline_begins_after_two_weeks_and_knows_8_at_most() -> None:
    baseline = personal_baseline(noisy())
    first = int(np.flatnonzero(~np.isnan(baseline.expected))[0])
    assert first == 14 * 24
    known = baseline.days_known[::24]
    assert known[:14].tolist() == [0] * 14
    assert known[14:20].tolist() == [14, 14, 14, 17, 17, 17]
    assert known.max() == 56
    assert known[-1] == 56
    assert (np.isnan(baseline.slope_per_day) == np.isnan(baseline.expected)).all()


def test_days_without_a_value_are_not_known() -> None:
    signal = noisy()
    signal[5 * 24 : 9 * 24] = np.nan
    baseline = personal_baseline(signal)
    assert baseline.days_known[14 * 24] == 10
    assert np.isnan(baseline.expected[14 * 24])
    assert baseline.days_known[20 * 24] == 16
    assert not np.isnan(baseline.expected[20 * 24])
    assert np.isnan(baseline.expected[19 * 24])  # 13 days were known when it was fitted, on the 17th


def test_each_number_of_days_is_1_at_least() -> None:
    for name in ("window_days", "least_days", "refit_days"):
        with pytest.raises(ValidationError, match="must be at least 1"):
            personal_baseline(noisy(), **{name: 0})
    one = personal_baseline(noisy(), window_days=1, least_days=1, refit_days=1)
    assert np.isfinite(one.expected[24:]).all()


@pytest.mark.parametrize("seed", [0, 1])
def test_baselines_are_those_they_were(seed: int) -> None:
    rng = np.random.default_rng(seed)
    signal = noisy(seed) + 0.1 * DAY_OF + 2.0 * ((DAY_OF + 3) % 7 >= 5) + np.exp(rng.standard_normal(len(HOUR)))
    signal[rng.random(len(HOUR)) < 0.25] = np.nan
    signal[30 * 24 : 34 * 24] = np.nan
    signal[HOUR % 24 == 4] = np.nan
    found = personal_baseline(signal, 3 * 24 + 7) if seed else personal_baseline(
        signal, 3 * 24, window_days=30, least_days=10, refit_days=5
    )  # fmt: skip
    parts = {name: summary(getattr(found, name)) for name in ("expected", "scale", "deviation", "slope_per_day")}
    check_golden(__file__, f"baseline {seed}", {**parts, "known": found.days_known[::24]})
    check_golden(__file__, f"daily levels {seed}", daily_levels(signal, 7))


def test_a_weekend_counts_from_four_of_eight_days() -> None:
    table = np.tile(SHAPE, (28, 1)) + 0.01 * np.arange(24) % 0.02
    weekend = np.arange(28) % 7 >= 5
    table[weekend] += 3
    assert baselines._fit(table, weekend).weekend == pytest.approx(3)
    fewer = table.copy()
    fewer[5] = np.nan  # seven days of weekends are known
    assert baselines._fit(fewer, weekend).weekend == 0
    few_weekdays = table.copy()
    few_weekdays[np.flatnonzero(~weekend)[8:]] = np.nan
    assert baselines._fit(few_weekdays, weekend).weekend == pytest.approx(3)
    few_weekdays[np.flatnonzero(~weekend)[7]] = np.nan
    assert baselines._fit(few_weekdays, weekend).weekend == 0


def test_the_level_is_that_of_the_last_day() -> None:
    fit = baselines._fit(np.arange(20.0)[:, None] + SHAPE, np.zeros(20, bool))
    assert (fit.slope, fit.weekend) == (pytest.approx(1), 0)
    assert fit.level + fit.hours == pytest.approx(19 + SHAPE)


def test_the_scale_is_the_spread_of_an_hour_and_its_neighbours_and_a_fifth_of_all_at_least() -> None:
    rng = np.random.default_rng(2)
    spread = np.where(np.arange(24) < 12, 0.0, 4.0)
    spread[20] = 20.0
    table = SHAPE + spread * rng.standard_normal((400, 24))
    scale = baselines._fit(table, np.zeros(400, bool)).scale
    normal = 1.4826 * np.median(np.abs(table - np.median(table, axis=0)))
    assert scale[3] == pytest.approx(0.2 * normal, rel=0.1)
    assert scale[15] == pytest.approx(4, rel=0.1)
    assert scale[19] == pytest.approx(scale[21], rel=0.1)
    assert 4 < scale[19] == pytest.approx(scale[20], rel=0.1)
    # Hours 23 and 0 are neighbours: a third of what hour 0 is told by varies.
    assert scale[0] == pytest.approx(0.2 * normal, rel=0.15)
    assert scale[23] == pytest.approx(2.5, rel=0.3)


def test_levels_of_days_do_not_depend_on_the_hours_measured() -> None:
    whole = 50 + np.arange(10.0).repeat(24) + np.tile(SHAPE, 10)
    partly = whole.copy()
    partly[3 * 24 : 3 * 24 + 20] = np.nan
    partly[5 * 24 : 6 * 24] = np.nan
    expected = 50 + np.arange(10.0) + np.median(SHAPE)
    assert daily_levels(whole) == pytest.approx(expected)
    found = daily_levels(partly)
    assert np.isnan(found).tolist() == [day == 5 for day in range(10)]
    assert found[3] == pytest.approx(expected[3])
    assert len(daily_levels(whole, 1)) == 11
    assert daily_levels(whole[5:], 5) == pytest.approx(expected)


def test_a_slope_is_the_median_of_those_at_least_a_quarter_apart() -> None:
    rng = np.random.default_rng(3)
    at, values = np.array([0.0, 1, 2, 4, 5, 7, 8, 11]), rng.standard_normal(8)
    slopes = [(values[j] - values[i]) / (at[j] - at[i]) for i in range(8) for j in range(i + 2, 8)]
    assert baselines._theil_sen(at, values) == pytest.approx(np.median(slopes))
    assert baselines._theil_sen(np.array([0.0, 2.0, 4.0]), np.array([0.0, 1.0, 6.0])) == pytest.approx(
        np.median([0.5, 2.5, 1.5])
    )
    assert baselines._theil_sen(np.array([3.0]), np.array([9.0])) == 0
