"""The score is proper, the stack finds whom to trust, and a person's own record moves it only with evidence."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm

from novamind.symptoms.domain import LEVELS
from novamind.symptoms.forecaster.ensemble import Stack, combine, crps, fit_weights, share_evenly
from novamind.symptoms.forecaster.experts import GROUPS, horizon_group, report_group
from tests.golden import check_golden

HORIZON = 30


def normal_quantiles(centre: np.ndarray, deviation: np.ndarray) -> np.ndarray:
    """``(series, HORIZON, 21)``, the same on every day."""
    quantiles = centre[:, None] + deviation[:, None] * norm.ppf(LEVELS)
    return np.repeat(quantiles[:, None], HORIZON, axis=1).astype(np.float32)


class Cohort:
    """Persons with a known normal distribution of what they report."""

    def __init__(self, persons: int, seed: int = 0) -> None:
        rng = np.random.default_rng(seed)
        self.centre, self.deviation = rng.uniform(0.4, 0.6, persons), rng.uniform(0.04, 0.12, persons)
        draws = rng.standard_normal((persons, HORIZON))
        self.outcome = (self.centre[:, None] + self.deviation[:, None] * draws).astype(np.float32)
        self.outcome[rng.random(self.outcome.shape) < 0.2] = np.nan
        self.reports = rng.integers(4, 100, persons).astype(np.float32)
        self.elsewhere = self.centre + 0.15 * rng.standard_normal(persons)

    def says(self, shift: float = 0.0, scale: float = 1.0) -> np.ndarray:
        """Quantiles of a member that errs by ``shift`` and ``scale``."""
        return normal_quantiles(self.centre + shift, scale * self.deviation)


@given(st.floats(0, 1), st.floats(0, 1))
def test_crps_of_a_certain_forecast_is_the_absolute_error(forecast: float, outcome: float) -> None:
    assert crps(np.full(21, forecast), np.array(outcome)) == pytest.approx(abs(forecast - outcome), abs=1e-6)


@settings(max_examples=30)
@given(st.lists(st.floats(-1, 2), min_size=21, max_size=21), st.floats(-1, 2))
def test_crps_is_twice_the_mean_pinball_loss(values: list[float], outcome: float) -> None:
    quantiles = sorted(values)
    losses = []
    for level, quantile in zip(LEVELS, quantiles, strict=True):
        if 0.05 <= level <= 0.95:
            losses.append((level if outcome >= quantile else 1 - level) * abs(outcome - quantile))
    assert len(losses) == 19
    assert crps(np.array(quantiles), np.array(outcome)) == pytest.approx(2 * np.mean(losses), abs=1e-6)


@pytest.mark.parametrize("z", [0.0, 0.3, 1.0, 2.0, 3.0])
def test_crps_of_a_normal_forecast_is_near_its_closed_form(z: float) -> None:
    # Gneiting & Raftery 2007, equation 21; 19 levels stand for the integral.
    exact = z * (2 * norm.cdf(z) - 1) + 2 * norm.pdf(z) - 1 / np.sqrt(np.pi)
    assert crps(norm.ppf(LEVELS), np.array(z)) == pytest.approx(exact, rel=0.07)


def test_crps_rewards_the_truth() -> None:
    rng = np.random.default_rng(1)
    outcome = rng.standard_normal(40_000)

    def mean_score(shift: float, scale: float) -> float:
        return float(crps(shift + scale * norm.ppf(LEVELS)[None, :], outcome).mean())

    honest = mean_score(0, 1)
    assert all(honest < mean_score(shift, scale) for shift, scale in [(0.2, 1), (-0.2, 1), (0, 0.7), (0, 1.4)])


def test_crps_of_nothing_is_nothing() -> None:
    assert np.isnan(crps(np.zeros(21), np.array(np.nan)))


def test_combining_is_the_weighted_mean_of_quantiles() -> None:
    rng = np.random.default_rng(2)
    members = np.sort(rng.uniform(0.01, 0.99, (3, 4, 5, 21)), axis=-1)
    weights = rng.dirichlet(np.ones(3), (4, 5))
    got = combine(members, weights)
    for series in range(4):
        for day in range(5):
            expected = sum(weights[series, day, k] * members[k, series, day] for k in range(3))
            np.testing.assert_allclose(got[series, day], expected)
    assert (np.diff(got, axis=-1) >= 0).all()


def test_an_average_next_to_an_end_of_the_scale_is_that_end() -> None:
    """One member that is not quite there does not lift the forecast off the answer that nearly everybody gives."""
    members = np.zeros((2, 1, 1, 21))
    members[1] = 0.04
    even, trusted = (combine(members, np.array([[[1 - share, share]]])) for share in (0.5, 0.1))
    np.testing.assert_allclose(even, 0.02)
    assert (trusted == 0).all()
    assert (combine(1 - members, np.array([[[0.9, 0.1]]])) == 1).all()


def test_weights_go_to_the_member_that_knows() -> None:
    cohort = Cohort(400)
    guesses = normal_quantiles(cohort.elsewhere, cohort.deviation)
    weights = fit_weights(np.stack([guesses, cohort.says()]), cohort.outcome, cohort.reports, steps=150)
    assert weights.shape == (*GROUPS, 2)
    np.testing.assert_allclose(weights.sum(-1), 1, atol=1e-5)
    assert weights[..., 1].min() > 0.8
    assert weights[..., 1].mean() > 0.95


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"shift": 0.05}, {"shift": -0.10}),  # opposite biases cancel at two to one
        ({"scale": 0.5}, {"scale": 2.0}),  # 2/3 of half and 1/3 of double is the truth
    ],
)
def test_weights_find_the_best_mixture(first: dict[str, float], second: dict[str, float]) -> None:
    cohort = Cohort(1200)
    members = np.stack([cohort.says(**first), cohort.says(**second)])
    weights = fit_weights(members, cohort.outcome, cohort.reports, steps=150)
    first_share = weights[..., 0]
    assert first_share.mean() == pytest.approx(2 / 3, abs=0.03)
    assert np.abs(first_share - 2 / 3).max() < 0.15


def test_weights_are_learned_group_by_group() -> None:
    cohort = Cohort(500)
    guesses, knows = normal_quantiles(cohort.elsewhere, cohort.deviation), cohort.says()
    late = np.arange(HORIZON) >= 7
    first = np.where(late[None, :, None], guesses, knows)
    second = np.where(late[None, :, None], knows, guesses)
    weights = fit_weights(np.stack([first, second]), cohort.outcome, cohort.reports, steps=150)
    trusted = weights[horizon_group(HORIZON)].argmax(-1)
    assert (trusted == late[:, None]).all()


def test_groups_hold_their_upper_ends() -> None:
    assert horizon_group(30).tolist() == [0, 1, 1, *[2] * 4, *[3] * 7, *[4] * 16]
    assert report_group(np.array([4, 10, 11, 20, 35, 36, 60, 61])).tolist() == [0, 0, 1, 1, 2, 3, 3, 4]


class TestOnlineWeights:
    """What a person's own record does to the weights."""

    prior = np.tile(np.array([0.7, 0.3], np.float32), (*GROUPS, 1))

    def weights(self, loss: tuple[float, float], days: float, rate: float = 1.0) -> np.ndarray:
        """Of one person with 30 reports, ``(14, 2)``."""
        stack = Stack(self.prior, rate)
        return stack.member_weights(np.array([30.0]), 14, np.array([loss]), np.array([days]))[0]

    def test_without_evidence_the_cohort_decides(self) -> None:
        np.testing.assert_allclose(self.weights((5.0, 1.0), days=0), self.prior[0, :1].repeat(14, 0))
        np.testing.assert_allclose(self.weights((5.0, 1.0), days=20, rate=0.0), self.prior[0, :1].repeat(14, 0))

    def test_equal_members_keep_their_weights(self) -> None:
        np.testing.assert_allclose(self.weights((0.4, 0.4), days=25), self.prior[0, :1].repeat(14, 0), atol=1e-6)

    def test_the_member_that_was_right_for_this_person_gains(self) -> None:
        gain = [self.weights((0.6, 0.5), days)[0, 1] for days in (0, 5, 10, 20, 40)]
        assert np.all(np.diff(gain) > 0)
        assert gain[-1] > 0.9

    def test_the_more_it_was_right_the_more_it_gains(self) -> None:
        gain = [self.weights((0.5 + better, 0.5), 10)[0, 1] for better in (0.0, 0.05, 0.2, 0.5)]
        assert np.all(np.diff(gain) > 0)

    def test_the_odds_change_by_the_exponential_of_the_evidence(self) -> None:
        first, second = self.weights((0.3, 0.8), days=6, rate=0.5)[3]
        assert first / second == pytest.approx(0.7 / 0.3 * np.exp(0.5 * 6 * 0.5), rel=1e-5)

    def test_weights_stay_on_the_simplex_however_bad_a_member(self) -> None:
        weights = self.weights((1e4, 0.5), days=28)
        np.testing.assert_allclose(weights.sum(-1), 1)
        assert (weights >= 0).all()


def test_a_twentieth_of_the_weight_is_shared_evenly() -> None:
    shared = share_evenly(np.array([[[1.0, 0.0, 0.0, 0.0]]], np.float32))
    np.testing.assert_allclose(shared, [[[0.9625, 0.0125, 0.0125, 0.0125]]], atol=1e-6)


def test_a_group_without_outcomes_gets_usable_weights() -> None:
    rng = np.random.default_rng(0)
    members = np.sort(rng.random((3, 50, 30, 21)), axis=-1).astype(np.float32)
    outcome = rng.random((50, 30)).astype(np.float32)
    outcome[:, 14:] = np.nan
    weights = fit_weights(members, outcome, np.full(50, 15.0), steps=20)
    np.testing.assert_allclose(weights.sum(-1), 1, atol=1e-5)


def test_weights_found_are_what_they_were() -> None:
    """Also where rows are thinned out: more outcomes than a group is weighed on."""
    small = Cohort(150, seed=4)
    members = np.stack([small.says(0.03), small.says(-0.05, 1.3), small.says(0.0, 0.6)])
    answer = {"few": fit_weights(members, small.outcome, small.reports, steps=60)}
    large = Cohort(2600, seed=5)
    reports = np.full(2600, 30.0)
    members = np.stack([large.says(0.05), large.says(-0.1)])
    answer["many"] = fit_weights(members, large.outcome, reports, steps=4)[:, 2]
    check_golden(__file__, "weights", answer, relative=1e-3, absolute=1e-5)


def test_six_hundred_steps_are_taken_where_none_are_named() -> None:
    cohort = Cohort(4, seed=6)
    members = np.stack([cohort.says(0.05), cohort.says(-0.1)])
    usual, named, fewer = (
        fit_weights(members, cohort.outcome, cohort.reports, **steps) for steps in ({}, {"steps": 600}, {"steps": 500})
    )
    np.testing.assert_array_equal(usual, named)
    assert (usual != fewer).any()


def test_one_step_is_the_exponentiated_gradient_of_the_pinball_loss() -> None:
    """Two members and one outcome a group, by hand: rate 200 on twice the mean pinball loss over 0.05 to 0.95."""
    cohort = Cohort(1, seed=7)
    cohort.outcome[:] = np.nan
    cohort.outcome[0, 4] = 0.5
    members = np.full((2, 1, HORIZON, 21), 0.4, np.float32)
    members[1] = 0.45
    weights = fit_weights(members, cohort.outcome, np.array([15.0]), steps=1)
    levels = np.arange(0.05, 0.96, 0.05)
    gradient = -2 * levels.mean() * np.array([0.4, 0.45])
    expected = np.exp(-200 * (gradient - gradient.min()))
    np.testing.assert_allclose(weights[2, 1], expected / expected.sum(), rtol=1e-4)
    np.testing.assert_array_equal(np.delete(weights.reshape(25, 2), 2 * 5 + 1, 0), 0.5)
