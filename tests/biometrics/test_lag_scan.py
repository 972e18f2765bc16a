"""The scan finds a lag, moves with it, and conditions as ordinary regression does."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import binom

from novamind.biometrics import lag_scan
from novamind.biometrics.decision import lag_interval
from novamind.biometrics.domain import PersonSeries
from novamind.biometrics.engine import analyse, tail_probability
from novamind.biometrics.features import lag_posterior
from novamind.biometrics.lag_scan import Scan
from novamind.biometrics.ornstein_uhlenbeck import fit_regression
from tests.biometrics.conftest import LAG, person


@pytest.mark.parametrize("shift", [0, -30, 21])
def test_shifting_the_signal_shifts_the_lag(shift: int) -> None:
    (found,) = analyse(person(shift=shift), draws=20).symptoms
    middle, low, high = lag_interval(lag_posterior(found.marginal))
    # A signal moved so far that the symptom leads it is found at a negative lag.
    assert middle[0] == pytest.approx(LAG + shift, abs=2)
    assert low[0] <= LAG + shift <= high[0]
    assert found.evidence[0] > 10 > 1 > found.evidence[1]


def test_no_scale_changes_anything() -> None:
    record = person()
    stretched = replace(record, hourly=record.hourly**2 * 7, reports=record.reports * 3 + 11)
    here, there = (analyse(r, draws=20).symptoms[0] for r in (record, stretched))
    assert np.array_equal(here.evidence, there.evidence)
    assert np.array_equal(here.p_value, there.p_value)


def test_conditioning_is_what_adding_a_covariate_does() -> None:
    rng = np.random.default_rng(5)
    times = np.sort(rng.uniform(0, 600, 120))
    columns = rng.standard_normal((120, 2, 4, 5))
    fitted = fit_regression(times, rng.standard_normal(120), np.ones((120, 1)))
    profile, projected = lag_scan.scan(fitted, columns)
    flat = columns.reshape(120, -1)
    wider = replace(fitted, design=np.column_stack([fitted.design, flat[:, [3, 17]]]))
    expected, _ = lag_scan.scan(wider, columns)
    conditional = lag_scan.given(profile, columns, projected, [3, 17])
    others = np.setdiff1d(np.arange(flat.shape[1]), [3, 17])
    assert np.allclose(conditional.score.ravel()[others], expected.score.ravel()[others])
    assert np.allclose(conditional.information.ravel()[others], expected.information.ravel()[others])


def test_bayes_factor_has_mean_one_without_a_link() -> None:
    """Which is what makes it evidence: chance exceeds k at most once in k."""
    rng = np.random.default_rng(6)
    information = np.full((1, 4, 30), 80.0)
    z = rng.standard_normal((4000, 4, 30))
    factors = np.exp([lag_scan.evidence(Scan(one[None] * np.sqrt(80.0), information))[0] for one in z])
    assert factors.mean() == pytest.approx(1, abs=0.05)
    assert (factors > 10).mean() < 0.1


def test_tail_probability_goes_beyond_the_draws_and_never_rises() -> None:
    draws = np.random.default_rng(7).exponential(size=(400, 3))
    p = np.array([tail_probability(np.full(3, x), draws)[0][0] for x in np.linspace(0, 12, 60)])
    assert (np.diff(p) <= 1e-12).all()
    assert p[-1] == pytest.approx(np.exp(-12), rel=2)


def rare(seed: int, answers: int) -> PersonSeries:
    """Reports of which few differ from the commonest, and which go with no signal."""
    record = person(seed, days=60, effect=0.0)
    reports = np.zeros((len(record.report_hours), 1))
    reports[np.random.default_rng(seed).choice(len(reports), answers, replace=False)] = 1.0
    return replace(record, reports=reports)


def test_rare_answers_beside_a_signal_worn_for_days_are_tempered() -> None:
    """A handful of events that fall into a short coverage go with anything; ordinary records count in full."""

    def tempering(one: PersonSeries, seed: int) -> float:
        return analyse(one, max_lag=72, seed=seed, draws=200).symptoms[0].tempering

    def worn_briefly(one: PersonSeries) -> PersonSeries:
        hourly = np.full(one.hourly.shape, np.nan)
        hourly[480:672] = one.hourly[480:672]
        return replace(one, hourly=hourly)

    usual = [person(seed, days=60, effect=0.0) for seed in range(3)]
    assert max(tempering(worn_briefly(rare(seed, 5)), seed) for seed in range(3)) < 0.7
    assert min(tempering(worn_briefly(one), seed) for seed, one in enumerate(usual)) > 0.7
    assert min(tempering(one, seed) for seed, one in enumerate(usual)) > 0.7


@pytest.mark.parametrize("answers", [4, 12])
def test_rare_answers_keep_the_stated_rate(answers: int) -> None:
    p = np.concatenate(
        [s.p_value for seed in range(40) for s in analyse(rare(seed, answers), max_lag=72, draws=60).symptoms]
    )
    alarms = int((p < 0.05).sum())
    assert alarms <= binom.ppf(0.999, len(p), 0.05), f"{alarms} of {len(p)}"
