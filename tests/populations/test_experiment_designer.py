"""Experiments: sizes against textbooks, stated power against simulated trials, clusters against known correlations."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy import stats

from novamind.errors import InsufficientDataError, ValidationError
from novamind.populations import ExperimentDesigner, TrialPlan, measure_clusters


def test_sample_size_agrees_with_the_textbook(population):
    unadjusted = ExperimentDesigner(population, TrialPlan(adjust=False))
    effect = 0.5 * unadjusted.outcome_sd
    design = unadjusted.design(effect)
    assert design.sample_size == 126  # 2 * 63: two-sample z test, d = 0.5, 80 % power, 5 %.
    assert unadjusted.power(effect, 126) == pytest.approx(0.80, abs=0.005)
    assert unadjusted.minimum_detectable_effect(126) == pytest.approx(effect, rel=0.01)
    assert "two-sided" in design.registration


def test_the_stated_power_is_reached(population):
    design = ExperimentDesigner(population, TrialPlan(adjust=False, treated_share=0.3)).design(0.02)
    y, rng = population.baseline_behavior, np.random.default_rng(0)
    found = 0
    for _ in range(2_000):
        treated, control = rng.choice(y, design.treated) + 0.02, rng.choice(y, design.control)
        error = np.sqrt(treated.var(ddof=1) / len(treated) + control.var(ddof=1) / len(control))
        found += abs(treated.mean() - control.mean()) > 1.96 * error
    assert found / 2_000 == pytest.approx(0.8, abs=0.03)


def test_prediction_adjustment_and_stratified_allocation_help(population):
    designer = ExperimentDesigner(population)
    assert designer.residual_sd < designer.outcome_sd
    arm = designer.allocate(1_000, strata=["specialty"], seed=1)
    assert abs(arm.sum() - 500) <= 10
    assert np.array_equal(arm, designer.allocate(1_000, strata=["specialty"], seed=1))
    expected = population.expected_outcome[:1_000]
    assert abs(expected[arm == 1].mean() - expected[arm == 0].mean()) < 0.05 * expected.std()


def clustered(sizes, correlation, rng):
    """Outcomes of variance 1 with this intraclass correlation, and the cluster of each."""
    label = np.repeat(np.arange(len(sizes)), sizes)
    shared = rng.normal(size=len(sizes))[label]
    own = rng.normal(size=len(label))
    return np.sqrt(correlation) * shared + np.sqrt(1 - correlation) * own, label


def test_the_intraclass_correlation_of_a_worked_table():
    # Ten clusters of two: mean squares 2 * var(means) and sum(differences^2) / 2 / 10, by hand.
    pairs = np.array([[k, k + 1.0 + k % 2] for k in range(10)])
    found = measure_clusters(pairs.ravel(), np.repeat(np.arange(10), 2))
    between = 2 * pairs.mean(axis=1).var(ddof=1)
    within = (np.diff(pairs)[:, 0] ** 2).sum() / 2 / 10
    assert found.correlation == pytest.approx((between - within) / (between + within))
    ratio, limit = between / within, stats.f.ppf([0.975, 0.025], 9, 10)
    assert (found.low, found.high) == pytest.approx(tuple((ratio / limit - 1) / (ratio / limit + 1)))
    assert (found.count, found.mean_size, found.size_cv) == (10, 2.0, 0.0)


@pytest.mark.parametrize("correlation", [0.0, 0.05, 0.3])
def test_the_intraclass_correlation_is_found_and_its_interval_covers(correlation):
    rng = np.random.default_rng(5)
    found = [measure_clusters(*clustered(rng.integers(10, 30, 40), correlation, rng)) for _ in range(400)]
    assert np.mean([f.correlation for f in found]) == pytest.approx(correlation, abs=0.012)
    covered = np.mean([f.low <= correlation <= f.high for f in found])
    assert 0.92 <= covered <= 0.98


def test_what_is_expected_of_a_cluster_does_not_count():
    rng = np.random.default_rng(6)
    y, label = clustered(np.full(60, 20), 0.02, rng)
    known = rng.normal(size=60)[label]
    frame = pl.DataFrame({"y": y + known, "territory": [f"T{c}" for c in label]})
    assert measure_clusters(frame["y"], frame["territory"]).correlation > 0.3
    left = measure_clusters(frame["y"], frame["territory"], expected=known)
    assert left == measure_clusters(pd.Series(y + known - known), pd.Series(label), None)
    assert left.correlation < 0.1


def test_clusters_that_cannot_be_measured_are_refused():
    y, label = clustered(np.full(12, 5), 0.1, np.random.default_rng(7))
    with pytest.raises(ValidationError, match="one cluster"):
        measure_clusters(y, label[1:])
    with pytest.raises(ValidationError, match="one expected outcome"):
        measure_clusters(y, label, expected=y[1:])
    with pytest.raises(ValidationError, match="numbers"):
        measure_clusters(["high"] * len(y), label)
    with pytest.raises(ValidationError, match="missing"):
        measure_clusters(y, [None, *label[1:]])
    with pytest.raises(ValidationError, match="missing"):
        measure_clusters(np.r_[np.nan, y[1:]], label)
    with pytest.raises(InsufficientDataError, match="at least 10 clusters"):
        measure_clusters(y, label // 2)
    with pytest.raises(InsufficientDataError, match="at least 10 clusters"):
        measure_clusters(y, np.arange(len(y)))
    with pytest.raises(InsufficientDataError, match="does not vary"):
        measure_clusters(label * 1.0, label)


def test_a_cluster_design_follows_the_closed_forms(population):
    plan = TrialPlan(adjust=False, cluster_size=11, intraclass_correlation=0.1)
    assert plan.design_effect == pytest.approx(2.0)
    uneven = TrialPlan(cluster_size=10, intraclass_correlation=0.1, cluster_size_cv=0.5)
    assert uneven.design_effect == pytest.approx(1 + (1.25 * 10 - 1) * 0.1)
    designer = ExperimentDesigner(population, plan)
    effect = 0.25 * designer.outcome_sd
    design = designer.design(effect)
    k = sum(design.clusters_per_arm)
    assert design.sample_size == 11 * k
    # Power of a t test of k cluster means whose variance is sd^2 * design effect / m.
    errors = effect / (designer.outcome_sd * np.sqrt(plan.design_effect / 11) * np.sqrt(4 / k))
    limit = stats.t.ppf(0.975, k - 2)
    power = stats.nct.sf(limit, k - 2, errors) + stats.nct.cdf(-limit, k - 2, errors)
    assert designer.power(effect, design.sample_size) == pytest.approx(power)
    assert 0.80 <= power < 0.83
    assert designer.power(-effect, design.sample_size) == pytest.approx(power)
    assert designer.power(designer.minimum_detectable_effect(440), 440) == pytest.approx(0.8)
    assert f"{k - 2} degrees of freedom" in design.registration
    # As many large clusters as wanted: the t test becomes the z test times the design effect.
    z = ExperimentDesigner(population, TrialPlan(adjust=False)).design(effect / 20).sample_size
    assert designer.design(effect / 20).sample_size == pytest.approx(2 * z, rel=0.002)


@pytest.mark.parametrize("share", [0.5, 0.3])
def test_the_stated_power_is_reached_by_uneven_clusters(population, share):
    rng = np.random.default_rng(8)
    pool = measure_clusters(*clustered(rng.poisson(11, 20_000) + 1, 0.08, rng))
    plan = TrialPlan(adjust=False, treated_share=share).with_clusters(pool)
    designer = ExperimentDesigner(population, plan)
    effect = 0.45
    design = designer.design(effect * designer.outcome_sd)
    found, trials = 0, 3_000
    for _ in range(trials):
        means, weights = [], []
        for arm, k in zip((effect, 0.0), design.clusters_per_arm, strict=True):
            sizes = rng.poisson(11, k) + 1
            y, label = clustered(sizes, 0.08, rng)
            means.append(np.bincount(label, weights=y + arm) / sizes)
            weights.append(sizes / sizes.sum())
        average = [w @ m for w, m in zip(weights, means, strict=True)]
        # Cluster-robust error of the difference of two means, with the usual correction for few clusters.
        error = np.sqrt(
            sum(len(m) / (len(m) - 1) * (w**2 @ (m - a) ** 2) for w, m, a in zip(weights, means, average, strict=True))
        )
        found += abs(average[0] - average[1]) / error > stats.t.ppf(0.975, sum(design.clusters_per_arm) - 2)
    assert found / trials == pytest.approx(designer.power(effect * designer.outcome_sd, design.sample_size), abs=0.03)
    assert found / trials >= 0.77
    cautious = TrialPlan().with_clusters(pool, cautious=True)
    assert cautious.intraclass_correlation == pool.high > plan.intraclass_correlation


def test_whole_clusters_are_assigned(population):
    designer = ExperimentDesigner(population)
    arm = designer.allocate(2_000, cluster="state", strata=["region"], seed=3)
    state, region = (population.features.values[c][:2_000] for c in ("state", "region"))
    chosen = {s: set(arm[state == s]) for s in np.unique(state)}
    assert all(len(arms) == 1 for arms in chosen.values())
    for r in np.unique(region):
        assert sum(chosen[s].pop() for s in np.unique(state[region == r])) == 2  # of four states a region
    assert not np.array_equal(arm, designer.allocate(2_000, cluster="state", strata=["region"], seed=4))


@pytest.mark.parametrize(
    "wrong",
    [
        {"alpha": 0.6},
        {"power": 1.5},
        {"power": float("nan")},
        {"treated_share": 1.0},
        {"cluster_size": 0},
        {"intraclass_correlation": -0.1},
        {"cluster_size_cv": -1.0},
    ],
)
def test_a_senseless_plan_is_refused(wrong):
    with pytest.raises(ValidationError, match=next(iter(wrong))):
        TrialPlan(**wrong)


def test_a_senseless_design_is_refused(population):
    designer = ExperimentDesigner(population)
    for effect in (0.0, float("nan")):
        with pytest.raises(ValidationError, match="minimum_effect"):
            designer.design(effect)
    with pytest.raises(ValidationError, match="no column 'shoe_size'"):
        designer.design(0.1, strata=["shoe_size"])
    with pytest.raises(ValidationError, match="too many values"):
        designer.allocate(1_000, strata=["payments"])
    with pytest.raises(ValidationError, match="at least 4"):
        designer.power(0.1, 2)
    with pytest.raises(ValidationError, match="at least 40"):
        ExperimentDesigner(population, TrialPlan(cluster_size=10)).power(0.1, 30)
    with pytest.raises(ValidationError, match="cluster by"):
        designer.allocate(1_000, cluster="territory")
    with pytest.raises(ValidationError, match="2 clusters"):
        designer.allocate(1_000, cluster="region")
    with pytest.raises(ValidationError, match="divides clusters"):
        designer.allocate(1_000, cluster="state", strata=["specialty"])
    with pytest.raises(InsufficientDataError, match="does not vary"):
        ExperimentDesigner(population.take(np.zeros(1, dtype=int)))
