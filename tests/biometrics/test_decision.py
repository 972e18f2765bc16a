"""One decision a pair: rates, intervals and effects."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit

from novamind.biometrics.decision import effects, lag_interval, q_values
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
