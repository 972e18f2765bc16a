"""Anomalies: the stated false-alarm rate holds, every hour counts, shifts are found on the right side and time."""

from itertools import combinations, pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.linalg import solve_triangular
from scipy.signal import lfilter
from scipy.special import ndtr

from novamind.biometrics import anomalies as module
from novamind.biometrics.anomalies import (
    QUARTER_DAYS,
    Anomaly,
    calmed,
    change_points,
    conformal_scores,
    detect_anomalies,
    innovations,
    null_scores,
    shiryaev_roberts,
    without_usual_hours,
)
from novamind.biometrics.baselines import personal_baseline
from novamind.errors import ValidationError
from tests.cohorts.summary import summary
from tests.golden import check_golden

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


# -- each step against a second, slow way ------------------------------------------------------------------------------


def martingale(scores: Floats, threshold: float) -> list[tuple[int, int, int, float]]:
    """Shiryaev and Roberts row by row: ``M <- e (M + w)``, and what each entry has become."""
    shifts = [0.25, 0.5, 1.0, 2.0, -0.25, -0.5, -1.0, -2.0]
    rows = np.flatnonzero(~np.isnan(scores))
    alarms, entries, last = [], [], rows[0] - 1
    for row in rows:
        pay = np.exp([d * scores[row] - d * d / 2 for d in shifts])
        entries.append([int(row), np.full(8, float(row - last))])
        last = row
        for entry in entries:
            entry[1] = entry[1] * pay
        total = sum(value for _, value in entries)
        if total.mean() >= threshold:
            best = int(total.argmax())
            start = max(entries, key=lambda entry: entry[1][best])[0]
            side = 1 if total[:4].sum() > total[4:].sum() else -1
            alarms.append((start, int(row), side, total.mean() / threshold))
            entries = []
    return alarms


@pytest.mark.parametrize("seed", range(6))
def test_the_statistic_is_what_it_is_row_by_row(seed: int) -> None:
    rng = np.random.default_rng(seed)
    scores = rng.standard_normal(700)
    scores[200:230] += 1.2
    scores[420:425] -= 3.0
    scores[rng.random(700) < (0.0 if seed % 2 else 0.4)] = np.nan
    ours, slow = shiryaev_roberts(scores, 60.0), martingale(scores, 60.0)
    assert len(slow) >= 2
    assert [one[:3] for one in ours] == [one[:3] for one in slow]
    assert [one[3] for one in ours] == pytest.approx([one[3] for one in slow])


def test_an_alarm_far_into_the_record_is_found_where_it_is() -> None:
    """Further than one look, and after alarms before it."""
    rng = np.random.default_rng(10)
    scores = rng.standard_normal(20_000) * 0.5
    for begin in (100, 9000, 19_900):
        scores[begin : begin + 4] += 3.0
    found = shiryaev_roberts(scores, 2000.0)
    assert [side for *_, side, _ in found] == [1, 1, 1]
    for (start, alarm, _, evidence), begin in zip(found, (100, 9000, 19_900), strict=True):
        assert abs(start - begin) <= 4
        assert begin < alarm <= begin + 4
        assert evidence >= 1
    assert shiryaev_roberts(np.full(100, np.nan), 10.0) == []
    assert shiryaev_roberts(scores[200:9000], 1e9) == []
    (last,) = shiryaev_roberts(np.array([0.0, 0.0, 500.0]), 10.0)
    assert np.isfinite(last[3])


def dense_innovations(scores: Floats) -> Floats:
    """The same by Cholesky: the inverse root of each model's covariance gives what the past does not foretell."""
    at = np.flatnonzero(~np.isnan(scores))
    gap = np.abs(at[:, None] - at[None, :])
    errors, likelihoods = [], []
    for fast in (1.0, 2.5, 6.0, 15.0):
        for slow in (48.0, 150.0, 500.0):
            for slow_share in (0.1, 0.3, 0.6):
                for noise in (0.0, 0.15, 0.4):
                    wide = slow_share * (1 - noise)
                    covariance = (1 - wide - noise) * np.exp(-gap / fast) + wide * np.exp(-gap / slow)
                    root = np.linalg.cholesky(covariance + noise * np.eye(len(at)))
                    error = solve_triangular(root, scores[at], lower=True)
                    errors.append(error)
                    likelihoods.append(np.cumsum(-np.log(np.diag(root)) - error**2 / 2))
    out = np.full(len(scores), np.nan)
    for i, hour in enumerate(at):
        before = int(np.searchsorted(at, hour - hour % 168))
        best = 0 if not before else int(np.argmax([each[before - 1] for each in likelihoods]))
        out[hour] = errors[best][i]
    return out


def test_whitening_agrees_with_dense_gaussians_of_all_36_models() -> None:
    rng = np.random.default_rng(11)
    signals = np.stack([wave(rng, 6.0, 380), 0.6 * wave(rng, 150, 380) + 0.8 * wave(rng, 1.0, 380)])
    signals[rng.random(signals.shape) < 0.75] = np.nan
    signals[:, 210:240] = np.nan
    found = innovations(signals)
    for ours, row in zip(found, signals, strict=True):
        np.testing.assert_allclose(ours, dense_innovations(row), rtol=1e-6, atol=1e-8)


def test_the_usual_of_an_hour_is_the_mean_of_its_past_fading_with_30_days_and_drawn_to_0() -> None:
    rng = np.random.default_rng(12)
    rows = rng.standard_normal((2, 50 * 24 + 7)) + 0.5
    rows[rng.random(rows.shape) < 0.2] = np.nan
    ours = without_usual_hours(rows)
    assert ours.shape == rows.shape
    for row, less in zip(rows, ours, strict=True):
        for hour in (0, 23, 24, 25, 600, 601, 1206):
            past = np.arange(hour % 24, hour, 24)
            known = past[~np.isnan(row[past])]
            weight = np.exp(-((hour - known) / 24 - 1) / 30)
            usual = (weight * row[known]).sum() / (weight.sum() + 12)
            np.testing.assert_allclose(less[hour], row[hour] - usual)


def slow_ranks(innovation: Floats, first_hour: int) -> tuple[Floats, Floats, Floats]:
    """Smallest and largest share below which each value may stand among the past of its part of the day."""
    hours = first_hour + np.arange(len(innovation))
    part, block = hours % 24 // 6, hours // 6
    low, high, size = (np.full(len(innovation), np.nan) for _ in range(3))
    for t in np.flatnonzero(~np.isnan(innovation)):
        same = (part == part[t]) & (block < block[t]) & ~np.isnan(innovation)
        first = np.flatnonzero((block == block[t]) & ~np.isnan(innovation))[0]
        past = innovation[same & (np.arange(len(innovation)) >= first - 56 * 24)]
        size[t] = len(past)
        low[t], high[t] = (past < innovation[t]).sum(), (past <= innovation[t]).sum() + 1
    return low, high, size


@pytest.mark.parametrize("first_hour", [0, 5, 40])
def test_scores_are_ranks_among_the_past_56_days_of_the_same_part_of_the_day(first_hour: int) -> None:
    rng = np.random.default_rng(13)
    values = np.round(2 * rng.standard_normal(75 * 24))  # with ties
    values[rng.random(len(values)) < 0.3] = np.nan
    scores = conformal_scores(values, first_hour, seed=4)
    low, high, size = slow_ranks(values, first_hour)
    known = ~np.isnan(scores)
    np.testing.assert_array_equal(known, ~np.isnan(values) & (size >= 30))
    place = ndtr(scores[known]) * (size[known] + 1)
    assert (place >= low[known] - 1e-6).all()
    assert (place <= high[known] + 1e-6).all()
    within = (place - low[known]) / (high - low)[known]
    assert within.mean() == pytest.approx(0.5, abs=0.03)  # ties and the rest are drawn evenly
    assert within.std() == pytest.approx(12**-0.5, abs=0.02)


def test_thirty_past_values_are_enough_to_rank_among() -> None:
    values = np.full(40 * 24, np.nan)
    values[::24] = np.arange(40.0)
    assert np.flatnonzero(~np.isnan(conformal_scores(values)))[0] == 30 * 24


def test_another_seed_breaks_ties_another_way() -> None:
    values = np.zeros(60 * 24)
    one, again, other = (conformal_scores(values, seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, again)
    assert not np.array_equal(one, other, equal_nan=True)
    np.testing.assert_array_equal(conformal_scores(values), conformal_scores(values, 0, 0))


def test_values_beyond_all_the_past_have_a_finite_score() -> None:
    values = np.append(np.random.default_rng(14).standard_normal(40 * 24), [1e9, -1e9])
    scores = conformal_scores(values)
    assert np.isfinite(scores[-2:]).all()
    assert scores[-2] > 2 > -2 > scores[-1]


def test_scores_are_divided_by_the_spread_of_past_sums_of_three_days() -> None:
    rng = np.random.default_rng(15)
    scores = wave(rng, 4.0, 60 * 24 + 30)
    scores[rng.random(len(scores)) < 0.3] = np.nan
    ours = calmed(scores)
    for t in (0, 71, 72, 500, 900, 1469):
        blocks = [scores[b : b + 72] for b in range(0, t - t % 72, 72)]
        keep = [np.exp(-72 * age / 1344) for age in range(len(blocks) - 1, -1, -1)]
        squares = sum(k * np.nansum(block) ** 2 for k, block in zip(keep, blocks, strict=True))
        counts = sum(k * (~np.isnan(block)).sum() for k, block in zip(keep, blocks, strict=True))
        ratio = (squares + 5 * 72 * 2.0) / (counts + 5 * 72)
        np.testing.assert_allclose(ours[t], scores[t] / np.sqrt(max(ratio, 1.0)))
    quiet = np.tile([0.5, -0.5], 4000)
    assert calmed(quiet)[-1] == -0.5  # sums that hardly move make nothing surer


def test_the_threshold_is_the_hours_of_a_quarter_over_the_rate_and_shared(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[float] = []
    monkeypatch.setattr(module, "shiryaev_roberts", lambda _, threshold: asked.append(threshold) or [])
    detect_anomalies(np.zeros((1, 24)))
    detect_anomalies(np.zeros((3, 24)), false_alarms_per_quarter=2.0)
    detect_anomalies(np.zeros((1, 24)), false_alarms_per_quarter=91.0)
    assert asked == [2184.0] + [3 * 1092.0] * 3 + [24.0]
    for rate in (91.5, -1.0, 0.0):
        with pytest.raises(ValidationError, match="must lie above 0 and be at most one a day"):
            detect_anomalies(np.zeros((1, 24)), false_alarms_per_quarter=rate)


def test_anomalies_of_a_record_are_those_they_were() -> None:
    rng = np.random.default_rng(16)
    rows = rng.standard_normal((3, 90 * 24))
    rows[0, 1500:1530] += 3
    rows[1, 1700:1900] -= 1.5
    rows[2, 1200:1210] = 6.0
    rows[rng.random(rows.shape) < 0.1] = np.nan
    found = detect_anomalies(rows, 37, false_alarms_per_quarter=20.0, seed=5)
    assert [bool(each) for each in found] == [True] * 3
    check_golden(__file__, "anomalies", found)
    scores = null_scores(rows, 37, 5)
    check_golden(__file__, "null scores", [summary(row) for row in scores])
    np.testing.assert_array_equal(null_scores(rows), null_scores(rows, 0, 0))


def alarm(hour: int, direction: int = 1) -> Anomaly:
    return Anomaly(hour - 3, hour, direction, 1.0, 2.0)


@pytest.mark.parametrize(
    ("alarms", "kept"),
    [
        ([alarm(5), alarm(77)], [5]),
        ([alarm(5), alarm(78)], [5, 78]),
        ([alarm(5), alarm(60, -1)], [5, 60]),
        ([alarm(5), alarm(70), alarm(140)], [5]),  # each within 72 hours of the one before
        ([alarm(5), alarm(70), alarm(143)], [5, 143]),
        ([alarm(5), alarm(60, -1), alarm(70)], [5, 60, 70]),
        ([alarm(5), alarm(60, -1), alarm(132, -1)], [5, 60]),
        ([], []),
    ],
)
def test_alarms_of_one_direction_within_72_hours_are_one(alarms: list[Anomaly], kept: list[int]) -> None:
    assert [one.alarm_hour for one in module._joined(alarms)] == kept


def test_the_mean_deviation_is_that_from_start_to_alarm() -> None:
    deviation = np.array([9.0, 1.0, np.nan, 3.0, 9.0])
    assert module._anomaly(deviation, 1, 3, -1, 4.0) == Anomaly(1, 3, -1, 2.0, 4.0)


class TestLevels:
    def test_the_interval_of_a_change_holds_nine_of_ten(self) -> None:
        """Steps of 1.5 SD: an interval of 68 % would fail."""
        within, wide = [], []
        for seed in range(300):
            days = np.random.default_rng(seed).standard_normal(90)
            days[45:] += 1.5
            for point in change_points(days):
                if abs(point.day - 45) <= 10:
                    within.append(point.day_low <= 45 <= point.day_high)
                    wide.append(point.day_high - point.day_low)
        assert len(within) > 150
        assert 0.9 <= np.mean(within) <= 0.98  # whole days: a little more than was asked for
        assert 2 < np.mean(wide) < 8

    def test_the_interval_leaves_a_twentieth_of_the_likelihood_on_either_side(self) -> None:
        rng = np.random.default_rng(17)
        days = rng.standard_normal(60)
        days[30:] += 1.8
        days[[4, 33]] = np.nan
        (point,) = change_points(days)
        at = np.flatnonzero(~np.isnan(days))
        known = days[at]
        variance = module._long_run_variance(known)
        cut = int(np.searchsorted(at, point.day))
        assert (point.before, point.after) == pytest.approx((known[:cut].mean(), known[cut:].mean()))
        costs = np.array([
            ((known[:k] - point.before) ** 2).sum() + ((known[k:] - point.after) ** 2).sum()
            for k in range(1, len(known))
        ])  # fmt: skip
        share = np.exp(-(costs - costs.min()) / 2 / variance).cumsum()
        share /= share[-1]
        low, high = 1 + int(np.argmax(share >= 0.05)), 1 + int(np.argmax(share >= 0.95))
        assert (point.day_low, point.day_high) == (min(at[low], at[cut]), max(at[high], at[cut]))

    @pytest.mark.parametrize("persistence", [0.0, 0.3])
    def test_the_long_run_variance_of_an_autoregression(self, persistence: float) -> None:
        """``v (1 + p) / (1 - p)``, about; shifts of the level do not count."""
        found = []
        for seed in range(20):
            push = np.random.default_rng(seed).standard_normal(700)
            values = lfilter([np.sqrt(1 - persistence**2)], [1.0, -persistence], push)[100:]
            values[300:] += 20
            found.append(module._long_run_variance(values))
        # The larger of two estimates of p counts, so that it is rather too large than too small.
        expected = (1 + persistence) / (1 - persistence)
        assert expected * 0.9 < np.median(found) < expected * 1.6

    def test_the_long_run_variance_by_its_formula(self) -> None:
        values = np.cumsum(np.array([0, 1, -2, 1.5, 0.5, -1, 2, 0.25, -0.5, 1, -1.75, 0.5]))

        def spread(days: int) -> float:
            return float(np.median(np.abs(values[days:] - values[:-days]))) ** 2 * 1.4826**2 / 2

        one, two, three = spread(1), spread(2), spread(3)
        p = min(max(two / one - 1, (np.sqrt(1 + 4 * max(three / one - 1, 0)) - 1) / 2, 0), 0.9)
        assert module._long_run_variance(values) == pytest.approx(one / (1 - p) * (1 + p) / (1 - p))
        assert module._long_run_variance(values[:7]) == 0
        assert module._long_run_variance(values[:8]) > 0
        assert module._long_run_variance(np.array([0.0] * 9 + [1.0])) == pytest.approx(0.09)
        assert module._long_run_variance(np.arange(20.0)) == pytest.approx(1.4826**2 / 2 / 0.1 * 19)
        jagged = np.tile([0.0, 1.0], 8)
        assert module._long_run_variance(jagged) == pytest.approx(1.4826**2 / 2)

    def test_a_level_lasts_a_week_and_two_make_a_change(self) -> None:
        noise = np.array([0.1, -0.1, 0.2, -0.2, 0.0, 0.1, -0.1])
        days = np.concatenate([noise, 9 + noise])
        (point,) = change_points(days)
        assert (point.day, point.before, point.after) == (7, pytest.approx(0), pytest.approx(9))
        assert change_points(days[1:]) == ()
        assert len(change_points(days[1:], least_days=6)) == 1
        (only,) = change_points(np.concatenate([noise, 9 + noise[:6], noise]))
        assert only.day == 7  # six days are no level
        assert change_points(np.full(40, 3.0)) == ()

    def test_the_penalty_is_three_times_the_logarithm_of_the_days(self, monkeypatch: pytest.MonkeyPatch) -> None:
        asked: list[float] = []
        monkeypatch.setattr(module, "_optimal_partition", lambda _, penalty, __: asked.append(penalty) or [])
        change_points(np.append(np.random.default_rng(18).standard_normal(50), np.nan))
        assert asked == [3 * np.log(50)]

    def test_the_cheapest_partition_is_found(self) -> None:
        """Against every way to cut, with its number of cuts left free."""
        rng = np.random.default_rng(19)
        for _ in range(20):
            values = np.repeat(rng.normal(0, 2, 4), 4) + rng.standard_normal(16)
            penalty = float(rng.uniform(0.5, 8))

            def cost(cuts: tuple[int, ...]) -> float:
                edges = [0, *cuts, 16]
                parts = [values[a:b] for a, b in pairwise(edges)]  # noqa: B023
                return sum(((p - p.mean()) ** 2).sum() for p in parts) + penalty * len(cuts)  # noqa: B023

            ways = [c for k in range(6) for c in combinations(range(3, 14), k)
                    if all(b - a >= 3 for a, b in pairwise([0, *c, 16]))]  # fmt: skip
            assert tuple(module._optimal_partition(values, penalty, 3)) == min(ways, key=cost)

    def test_changes_of_a_record_are_those_they_were(self) -> None:
        rng = np.random.default_rng(20)
        days = np.repeat([50.0, 56, 51, 60], 30) + rng.standard_normal(120)
        days[rng.random(120) < 0.2] = np.nan
        points = change_points(days)
        assert len(points) == 3
        check_golden(__file__, "change points", points)
