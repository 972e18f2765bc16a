"""Anomalies: the stated false-alarm rate holds, every hour counts, shifts are found on the right side and time."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.signal import lfilter

from novamind.biometrics.anomalies import (
    QUARTER_DAYS,
    change_points,
    conformal_scores,
    detect_anomalies,
    innovations,
    null_scores,
    shiryaev_roberts,
)
from novamind.biometrics.baselines import personal_baseline
from novamind.errors import ValidationError

Floats = NDArray[np.float64]
DAYS = 150
HOUR = np.arange(DAYS * 24)


def wave(rng: np.random.Generator, constant: float, hours: int = DAYS * 24) -> Floats:
    keep = np.exp(-1 / constant)
    push = rng.standard_normal(hours + 500) * np.sqrt(1 - keep**2)
    return lfilter([1.0], [1.0, -keep], push)[500:]


def wearable(rng: np.random.Generator, kind: str = "plain") -> Floats:
    """Slow and fast waves, a clock, uneven spread, gaps; ``steps`` are skewed with many zeros."""
    signal = np.sqrt(0.3) * wave(rng, 120) + np.sqrt(0.7) * wave(rng, 4)
    signal = np.cos(2 * np.pi * (HOUR % 24 - 15) / 24) + signal * (1 + 0.5 * np.cos(2 * np.pi * HOUR / 24))
    if kind == "steps":
        signal = np.maximum(0, np.exp(0.8 * signal) - 1)
    signal[rng.random(len(signal)) < 0.15] = np.nan
    for start in rng.integers(len(signal), size=8):
        signal[start : start + int(rng.exponential(15))] = np.nan
    return signal


@pytest.mark.parametrize("kind", ["plain", "steps"])
def test_the_stated_rate_holds_on_autocorrelated_gappy_records(kind: str) -> None:
    rng = np.random.default_rng(0)
    deviations = np.stack([personal_baseline(wearable(rng, kind)).deviation for _ in range(48)])
    scores = null_scores(deviations)
    alarms = sum(len(shiryaev_roberts(row, QUARTER_DAYS * 24)) for row in scores)
    quarters = 48 * (DAYS - 24) / QUARTER_DAYS
    # 66 quarters at a true rate of 1 give more than 84 alarms with a probability below 2 %.
    assert alarms <= quarters + 2.2 * np.sqrt(quarters)


def test_independent_scores_alarm_at_most_at_the_stated_rate() -> None:
    scores = np.random.default_rng(1).standard_normal(300_000)
    threshold = 500.0
    alarms = len(shiryaev_roberts(scores, threshold))
    assert 0.3 * len(scores) / threshold < alarms <= len(scores) / threshold


def test_hours_without_values_count_towards_the_time_but_bring_no_alarm() -> None:
    scores = np.random.default_rng(2).standard_normal(300_000)
    scores[np.random.default_rng(3).random(len(scores)) < 0.7] = np.nan
    alarms = shiryaev_roberts(scores, 500.0)
    assert len(alarms) <= len(scores) / 500.0
    assert all(not np.isnan(scores[alarm]) for _, alarm, _, _ in alarms)


def test_a_shift_is_told_with_its_side_and_begin() -> None:
    hits = []
    for seed in range(24):
        rng = np.random.default_rng(seed)
        signal = wearable(rng)
        side = 1 if seed % 2 else -1
        start = 110 * 24
        signal[start : start + 7 * 24] += side * 3.0
        (found,) = detect_anomalies(personal_baseline(signal).deviation[None])
        near = [one for one in found if 0 <= one.alarm_hour - start <= 7 * 24]
        if near:
            hits.append(near[0].direction == side and abs(near[0].start_hour - start) <= 48 and near[0].evidence >= 1)
    assert len(hits) >= 12  # power is measured in benchmarks/early_warning.py; this keeps it from falling
    assert np.mean(hits) >= 0.85


def test_one_hour_alone_can_alarm() -> None:
    scores = np.zeros(3000)
    scores[2500] = 6.0
    assert [alarm for _, alarm, _, _ in shiryaev_roberts(scores, QUARTER_DAYS * 24)] == [2500]


def test_more_signals_share_the_rate() -> None:
    rng = np.random.default_rng(4)
    deviation = personal_baseline(wearable(rng)).deviation
    deviation[110 * 24 : 112 * 24] += 2.0
    alone = detect_anomalies(deviation[None], false_alarms_per_quarter=20)
    shared = detect_anomalies(np.repeat(deviation[None], 20, axis=0), false_alarms_per_quarter=20)
    assert len(shared[0]) <= len(alone[0])


def test_same_seed_same_result() -> None:
    deviation = personal_baseline(wearable(np.random.default_rng(5), "steps")).deviation[None]
    one, other = (detect_anomalies(deviation, false_alarms_per_quarter=10, seed=3) for _ in range(2))
    assert one == other


@given(st.integers(30 * 24, 140 * 24))
@settings(max_examples=8, deadline=None)
def test_scores_look_at_the_past_alone(now: int) -> None:
    deviation = np.random.default_rng(6).standard_normal(DAYS * 24)
    changed = deviation.copy()
    changed[now:] = 50.0
    begin = now - now % 72  # the long-run SD is told anew every three days
    one, other = null_scores(deviation[None]), null_scores(changed[None])
    np.testing.assert_array_equal(one[0, :begin], other[0, :begin])


def test_ranks_of_independent_values_are_normal_scores_whatever_their_distribution() -> None:
    for draw in (np.random.default_rng(7).exponential, np.random.default_rng(8).standard_cauchy):
        scores = conformal_scores(draw(size=DAYS * 24))
        known = scores[~np.isnan(scores)]
        assert known.mean() == pytest.approx(0, abs=0.05)
        assert known.std() == pytest.approx(1, abs=0.05)


def test_ties_are_broken_evenly() -> None:
    scores = conformal_scores(np.zeros(DAYS * 24))
    known = scores[~np.isnan(scores)]
    assert known.std() == pytest.approx(1, abs=0.05)


def test_whitening_leaves_little_dependence() -> None:
    rng = np.random.default_rng(9)
    signal = np.sqrt(0.3) * wave(rng, 150) + np.sqrt(0.7) * wave(rng, 4)
    signal[rng.random(len(signal)) < 0.2] = np.nan
    left = innovations(signal[None])[0]
    pairs = left[1:] * left[:-1]
    assert abs(np.nanmean(pairs)) < 0.08
    assert np.nanstd(left) == pytest.approx(1.0, abs=0.1)
    np.testing.assert_array_equal(np.isnan(left), np.isnan(signal))


@pytest.mark.parametrize("deviations", [np.full((2, 2000), np.nan), np.zeros((0, 500)), np.zeros((1, 0))])
def test_nothing_known_is_no_anomaly(deviations: Floats) -> None:
    assert all(found == () for found in detect_anomalies(deviations))


def test_rates_and_shapes_are_checked() -> None:
    with pytest.raises(ValidationError, match="shape"):
        detect_anomalies(np.zeros(10))
    with pytest.raises(ValidationError, match="false_alarms"):
        detect_anomalies(np.zeros((1, 10)), false_alarms_per_quarter=0)


class TestChangePoints:
    def test_a_lasting_step_is_found_inside_its_interval(self) -> None:
        covered = 0
        for seed in range(30):
            days = np.random.default_rng(seed).standard_normal(120)
            days[60:] += 3
            (point,) = change_points(days)
            assert abs(point.day - 60) <= 5
            assert point.after - point.before == pytest.approx(3, abs=1)
            covered += point.day_low <= 60 <= point.day_high
        assert covered >= 25

    def test_slow_waves_are_no_steps(self) -> None:
        found = 0
        for seed in range(60):
            push = np.random.default_rng(seed).standard_normal(220)
            found += len(change_points(lfilter([1.0], [1.0, -0.5], push)[100:]))
        assert found <= 9

    @given(st.lists(st.one_of(st.just(float("nan")), st.floats(-1e3, 1e3)), max_size=80))
    @settings(max_examples=60, deadline=None)
    def test_whatever_comes_points_lie_on_days_with_values(self, days: list[float]) -> None:
        signal = np.array(days, dtype=np.float64)
        points = change_points(signal)
        for point in points:
            assert point.day_low <= point.day <= point.day_high
            assert not np.isnan(signal[[point.day_low, point.day, point.day_high]]).any()
            assert np.isfinite([point.before, point.after]).all()
        assert [point.day for point in points] == sorted({point.day for point in points})

    def test_two_steps_agree_with_trying_every_pair(self) -> None:
        rng = np.random.default_rng(11)
        days = rng.standard_normal(50)
        days[15:32] += 4

        def cost(cuts: tuple[int, ...]) -> float:
            return sum(((part := days[a:b]) - part.mean()) @ (part - part.mean()) for a, b in pairwise([0, *cuts, 50]))

        best = min(((a, b) for a in range(7, 44) for b in range(a + 7, 44)), key=cost)
        assert tuple(point.day for point in change_points(days)) == best
