import numpy as np
import pytest

from novamind.errors import InsufficientDataError, ValidationError
from novamind.populations import (
    AssumedEffect,
    EffectSource,
    EstimatedEffect,
    InterventionConfig,
    SimulationEngine,
    SimulationRecommendation,
    TransportedEffect,
)
from novamind.populations.interventions.effects import EffectModel, averaged_posterior
from tests.populations.conftest import accounts, pilot

EMAIL = InterventionConfig("email_campaign")


def varied(frame):
    return 0.02 + 0.1 * frame["digital_engagement_score"].to_numpy() * (frame["specialty"] == "oncology").to_numpy()


def test_individual_effects_follow_the_truth(population):
    evidence = EstimatedEffect(pilot(8_000, varied, 1), randomised=True)
    result = SimulationEngine(population, evidence).simulate(EMAIL)
    truth = varied(population.frame)
    assert np.corrcoef(result.individual_effects, truth)[0, 1] > 0.95
    assert result.average_treatment_effect == pytest.approx(truth.mean(), abs=0.005)
    assert result.source is EffectSource.ESTIMATED


def test_more_twins_do_not_narrow_the_interval(generator):
    evidence = EstimatedEffect(pilot(2_000, varied, 2), randomised=True)
    few, many = (SimulationEngine(generator.generate(n, seed=1), evidence).simulate(EMAIL) for n in (2_000, 40_000))
    assert many.standard_error > 0.97 * few.standard_error


def test_intervals_cover_the_average_effect():
    covered = 0
    for seed in range(30):
        rng = np.random.default_rng(seed)
        X = rng.normal(size=(1_700, 3))
        t = rng.integers(0, 2, 1_700)
        y = X[:, 0] + t * (0.3 + 0.2 * X[:, 1]) + rng.normal(size=1_700)
        model = EffectModel().fit(X, t, y, randomised=True)
        covered += abs(model.average_effect - 0.3) < 1.96 * model.standard_error
    assert covered >= 25  # Binomial(30, 0.95): fewer has a chance below 1 %.


def test_posteriors_are_averaged_as_a_mixture():
    # One weight, sum of squares 4, sum of products 6: posterior N(6 b / (a + 4 b), 1 / (a + 4 b)) at precisions a, b.
    priors = [(0.25, np.array([1.0]), 1.0), (0.75, np.array([8.0]), 2.0)]
    mean, variance = averaged_posterior(np.array([[4.0]]), np.array([6.0]), priors)
    own, spread = np.array([6 / 5, 12 / 16]), np.array([1 / 5, 1 / 16])
    assert mean[0] == pytest.approx(own @ [0.25, 0.75])
    assert variance[0, 0] == pytest.approx((spread + own**2) @ [0.25, 0.75] - mean[0] ** 2)


@pytest.mark.parametrize(("of_one", "largest_error"), [(0.0, 0.06), (0.5, 0.1)])
def test_the_evidence_tells_an_effect_of_one_covariate_from_none(of_one, largest_error):
    errors, covered = [], []
    for seed in range(10):
        rng = np.random.default_rng(seed)
        X = rng.normal(size=(3_000, 12))
        t = rng.integers(0, 2, 3_000)
        y = X[:, 0] + of_one * X[:, 3] * t + rng.normal(size=3_000)
        model = EffectModel().fit(X, t, y, randomised=True)
        fresh = rng.normal(size=(1_000, 12))
        error = np.abs(model.effect(fresh) - of_one * fresh[:, 3])
        errors.append(np.sqrt(np.mean(error**2)))
        # The rows of one fit share its error: only many fits tell the coverage.
        covered.append(np.mean(error < 1.96 * model.spread(fresh)))
    assert np.mean(errors) < largest_error
    assert np.mean(covered) > 0.92


def test_confounding_is_adjusted_for():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(4_000, 3))
    t = (rng.random(4_000) < 1 / (1 + np.exp(-X[:, 0]))).astype(int)
    y = 2 * X[:, 0] + 0.5 * t + rng.normal(size=4_000)
    model = EffectModel().fit(X, t, y)
    assert y[t == 1].mean() - y[t == 0].mean() > 1.5
    assert model.average_effect == pytest.approx(0.5, abs=0.12)


@pytest.mark.parametrize(("effect", "advice"), [(0.0, "do_not_deploy"), (-0.03, "do_not_deploy"), (0.09, "deploy")])
def test_the_advice_follows_the_effect(population, effect, advice):
    evidence = EstimatedEffect(pilot(2_000, lambda f: np.full(len(f), effect), 5), randomised=True)
    result = SimulationEngine(population, evidence).simulate(EMAIL)
    assert result.recommendation == advice
    assert ("does harm" in result.reason) == (effect < 0)


def test_an_assumption_never_deploys_without_the_flag(population):
    sure = AssumedEffect(0.5, 0.01)
    without = SimulationEngine(population, sure).simulate(EMAIL)
    assert without.recommendation is SimulationRecommendation.TEST_FURTHER
    assert "assumption" in without.reason
    accepted = SimulationEngine(population, sure, accept_assumptions=True).simulate(EMAIL)
    assert accepted.recommendation is SimulationRecommendation.DEPLOY
    default = SimulationEngine(population).simulate(EMAIL)
    assert default.source is EffectSource.ASSUMED
    assert default.interval[0] < 0 < default.interval[1]


def test_without_overlap_no_claim_is_made(population):
    frame = accounts(2_000, 3).drop("payments")
    t = (frame["digital_engagement_score"].to_numpy() > 0.5).astype(int)
    data = frame.rename({"prescribing_change": "y"}).with_columns(treated=t)
    result = SimulationEngine(population, EstimatedEffect(data, randomised=False)).simulate(EMAIL)
    assert result.recommendation is SimulationRecommendation.TEST_FURTHER
    assert result.reason.startswith("No claim: Overlap")


def test_transport_widens_the_interval(population):
    own = EstimatedEffect(pilot(2_000, varied, 6), randomised=True)
    here, there = (SimulationEngine(population, e).simulate(EMAIL) for e in (own, TransportedEffect(own)))
    assert there.standard_error > 2 * here.standard_error
    assert there.source is EffectSource.TRANSPORTED


def test_groups_filters_intensity_and_single_twins(population):
    engine = SimulationEngine(population, EstimatedEffect(pilot(3_000, varied, 8), randomised=True))
    result = engine.simulate(EMAIL)
    by_specialty = {g.level: g.effect for g in result.heterogeneity["specialty"]}
    assert by_specialty["oncology"] > by_specialty["dermatology"] + 0.03
    assert "state" in engine.calculate_heterogeneity(result, ["state"])
    half = engine.simulate(InterventionConfig("email_campaign", intensity=0.5), {"specialty": "oncology"})
    assert half.average_treatment_effect == pytest.approx(by_specialty["oncology"] / 2, abs=1e-9)
    effect, low, high = engine.estimate_treatment_effect(population.twin(0), EMAIL)
    assert low < effect < high


def test_bad_input_is_refused(population):
    with pytest.raises(ValidationError, match="no prior is known"):
        SimulationEngine(population).simulate(InterventionConfig("billboard"))
    with pytest.raises(ValidationError, match="duration_weeks"):
        InterventionConfig("email_campaign", duration_weeks=0)
    with pytest.raises(ValidationError, match="intensity"):
        InterventionConfig("email_campaign", intensity=float("nan"))
    with pytest.raises(ValidationError, match="0 and 1"):
        EstimatedEffect(accounts(1_000).rename({"prescribing_change": "y", "decile": "treated"}), randomised=True)
    with pytest.raises(InsufficientDataError, match="30 treated"):
        EffectModel().fit(np.ones((50, 1)), np.r_[np.ones(5, int), np.zeros(45, int)], np.arange(50.0))
