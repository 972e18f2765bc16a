"""One decision a pair: rates, intervals and effects."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit
from scipy.stats import false_discovery_control, norm

from novamind.biometrics.decision import effects, lag_interval, q_values, strongest
from novamind.biometrics.lag_scan import Scan


@given(st.lists(st.floats(-8, 8), min_size=1, max_size=40))
def test_q_is_the_mean_chance_of_being_false_among_the_surer(odds: list[float]) -> None:
    scores = np.array(odds)
    q = q_values(scores)
    for k in range(len(scores)):
        surer = scores > scores[k]
        assert q[k] >= expit(-scores[surer]).mean() - 1e-12 if surer.any() else q[k] == pytest.approx(expit(-scores[k]))
    assert q.max() == pytest.approx(expit(-scores).mean())


def test_true_odds_keep_the_rate() -> None:
    rng = np.random.default_rng(0)
    false = found = 0
    for _ in range(400):
        odds = rng.normal(-2, 2.5, 24)
        linked = rng.random(24) < expit(odds)
        detected = q_values(odds) <= 0.1
        false, found = false + int((detected & ~linked).sum()), found + int(detected.sum())
    assert false / found == pytest.approx(0.1, abs=0.04)


def test_interval_holds_nine_tenths() -> None:
    posterior = np.zeros((1, 21))
    posterior[0, 5:15] = 0.1
    middle, low, high = lag_interval(posterior)
    assert (low[0], high[0]) == (-5, 4)
    assert middle[0] in (-1, 0)


def test_effect_of_a_sharp_profile_is_least_squares_shrunk_a_little() -> None:
    information, truth = 400.0, 0.4
    score = np.zeros((1, 4, 30))
    score[0, 0, 7] = truth * information
    mean, low, high, told = effects(Scan(score, np.full((1, 4, 30), information)))
    assert mean[0] == pytest.approx(truth, abs=0.02)
    assert high[0] - low[0] == pytest.approx(2 * 1.645 / np.sqrt(information), rel=0.1)
    assert told[0] == pytest.approx(information)


def test_q_agrees_with_a_sum_by_hand() -> None:
    odds = np.log([0.9 / 0.1, 0.2 / 0.8, 0.99 / 0.01, 0.6 / 0.4])
    assert q_values(odds) == pytest.approx(
        [(0.01 + 0.1) / 2, (0.01 + 0.1 + 0.4 + 0.8) / 4, 0.01, (0.01 + 0.1 + 0.4) / 3]
    )
    assert q_values(np.zeros(3)) == pytest.approx([0.5, 0.5, 0.5])


def test_q_and_benjamini_hochberg_find_alike_where_both_know_the_truth() -> None:
    """Normal z-values, a fifth of them linked: the Bayesian rate and scipy's step-up keep the same 10 %."""
    rng = np.random.default_rng(1)
    linked = rng.random(20_000) < 0.2
    z = rng.standard_normal(20_000) + 3 * linked
    odds = np.log(0.2 / 0.8) + 3 * z - 4.5
    ours = q_values(odds) <= 0.1
    theirs = false_discovery_control(norm.sf(z)) <= 0.1 / 0.8  # BH keeps the rate times the share of nulls
    assert ours.mean() == pytest.approx(theirs.mean(), rel=0.05)
    assert (ours & ~linked).sum() / ours.sum() == pytest.approx(0.1, abs=0.015)


def test_the_interval_of_the_lag_leaves_a_twentieth_on_either_side() -> None:
    lags = np.arange(-168, 169)
    for centre, spread in ((-40.0, 6.0), (9.0, 12.0), (90.0, 3.0)):
        posterior = norm.pdf(lags, centre, spread)
        middle, low, high = lag_interval((posterior / posterior.sum())[None])
        assert middle[0] == pytest.approx(centre, abs=0.51)
        assert low[0] == pytest.approx(centre - 1.645 * spread, abs=0.6)
        assert high[0] == pytest.approx(centre + 1.645 * spread, abs=0.6)


def test_nine_of_ten_true_lags_lie_in_their_interval() -> None:
    """Lags drawn from their own posteriors: an interval of 68 or 95 % would fail."""
    rng = np.random.default_rng(2)
    posterior = rng.dirichlet(np.full(337, 0.3), 4000)
    truth = (posterior.cumsum(1) < rng.random((4000, 1))).sum(1) - 168
    _, low, high = lag_interval(posterior)
    assert ((low <= truth) & (truth <= high)).mean() == pytest.approx(0.905, abs=0.015)
    assert (truth < low).mean() == pytest.approx((truth > high).mean(), abs=0.015)


def test_all_the_weight_at_an_end_stays_within_the_lags() -> None:
    posterior = np.zeros((2, 21))
    posterior[0, 0] = posterior[1, -1] = 1.0
    middle, low, high = lag_interval(posterior)
    assert middle.tolist() == low.tolist() == high.tolist() == [-10, 10]


def one_regressor(score: Any, information: Any) -> Scan:
    """All the evidence on one of four kernels at one lag."""
    shape = (len(score), 4, 1)
    scores, known = np.zeros(shape), np.full(shape, 1e-12)
    scores[:, 0, 0], known[:, 0, 0] = score, information
    return Scan(scores, known)


def test_nine_of_ten_true_effects_lie_in_their_interval() -> None:
    """Effects as the prior says (SD 0.3) and a strong record: an interval of 68 or 95 % would fail."""
    rng = np.random.default_rng(3)
    truth = rng.normal(0, 0.3, 6000)
    truth = truth[np.abs(truth) > 0.25]
    information = 400.0
    score = information * truth + np.sqrt(information) * rng.standard_normal(len(truth))
    mean, low, high, _ = effects(one_regressor(score, information))
    assert ((low <= truth) & (truth <= high)).mean() == pytest.approx(0.9, abs=0.02)
    assert np.sign(mean).tolist() == np.sign(truth).tolist()


def test_an_effect_is_shrunk_by_the_prior_and_its_interval_is_normal() -> None:
    (mean,), (low,), (high,), (told,) = effects(one_regressor([200.0], 300.0))
    precision = 300 + 1 / 0.3**2
    assert mean == pytest.approx(200 / precision, rel=1e-6)
    assert high - mean == pytest.approx(1.6448536 / np.sqrt(precision), rel=1e-4)
    assert mean - low == pytest.approx(high - mean)
    assert told == pytest.approx(300, rel=1e-6)


def test_effects_of_unsure_lags_hold_the_spread_between_them() -> None:
    """Two lags alike: the mean of both, with an interval that covers the two."""
    score, information = np.zeros((1, 4, 2)), np.full((1, 4, 2), 1e-12)
    information[0, 3, :] = 500.0
    score[0, 3, :] = 200.0, 198.0
    (mean,), (low,), (high,), _ = effects(Scan(score, information))
    each = score[0, 3] / (500 + 1 / 0.09)
    near = 1 / (np.arange(2) + 24.0)
    gains = [0.5 * s**2 / (1 + s**2 * 500) for s in (0.12, 0.3)]
    weights = [near[i] * sum(np.exp(score[0, 3, i] ** 2 * g) * np.sqrt(1 / (1 + s**2 * 500))
                             for g, s in zip(gains, (0.12, 0.3), strict=True)) for i in range(2)]  # fmt: skip
    share = np.array(weights) / sum(weights)
    assert mean == pytest.approx(share @ each, rel=1e-6)
    variance = 1 / (500 + 1 / 0.09) + share @ each**2 - mean**2
    assert high - low == pytest.approx(2 * 1.6448536 * np.sqrt(variance), rel=1e-6)


def test_the_strongest_z_keeps_its_sign_and_its_place() -> None:
    score = np.zeros((1, 4, 3))
    score[0, 0] = 1.0, -5.0, 0.5
    score[0, 2] = -3.0, 4.0, 0.0
    score[0, 3] = 2.0, 0.0, -7.0  # backwards: lags 0, -1, -2
    z = strongest(Scan(score, np.full((1, 4, 3), 4.0)))
    assert z[0].tolist() == [-3.5, 0, -1.5, -2.5, 0.25]
