"""Experiments: sizes against textbooks, stated power against simulated trials, clusters against known correlations."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy import stats

from novamind.errors import InsufficientDataError, ValidationError
from novamind.populations import ExperimentDesigner, TrialPlan, measure_clusters
from novamind.populations.interventions.clusters import Clusters
from tests.populations import by_hand


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


def designer(n: int = 240, **options: float) -> ExperimentDesigner:
    return ExperimentDesigner(by_hand.population(n), TrialPlan(**options))


def test_the_usual_plan() -> None:
    plan = TrialPlan()
    assert (plan.alpha, plan.power, plan.treated_share, plan.adjust) == (0.05, 0.8, 0.5, True)
    assert (plan.cluster_size, plan.intraclass_correlation, plan.cluster_size_cv) == (1, 0.0, 0.0)
    assert plan.design_effect == 1
    # Two-sided 5 % and 80 %: 1.959964 + 0.841621; and 1 % with 90 %.
    assert plan.reach == pytest.approx(2.8015852, abs=1e-6)
    assert TrialPlan(alpha=0.01, power=0.9).reach == pytest.approx(2.5758293 + 1.2815516, abs=1e-6)


@pytest.mark.parametrize(
    ("name", "at_the_edge", "beyond"),
    [
        ("alpha", 0.4999, 0.5),
        ("alpha", 1e-9, 0.0),
        ("power", 0.0501, 0.05),
        ("power", 0.9999, 1.0),
        ("treated_share", 1e-6, 0.0),
        ("treated_share", 0.9999, 1.0),
        ("cluster_size", 1, 0.999),
        ("cluster_size", 1e9, float("inf")),
        ("intraclass_correlation", 0.0, -1e-9),
        ("intraclass_correlation", 1.0, 1.0001),
        ("cluster_size_cv", 0.0, -1e-9),
        ("cluster_size_cv", 1e3, float("inf")),
    ],
)
def test_a_plan_at_its_limits_and_beyond(name: str, at_the_edge: float, beyond: float) -> None:
    assert getattr(TrialPlan(**{name: at_the_edge}), name) == at_the_edge
    with pytest.raises(ValidationError, match=name):
        TrialPlan(**{name: beyond})


def test_a_plan_takes_over_measured_clusters() -> None:
    clusters = Clusters(0.1, 0.02, 0.3, 40, 12.5, 0.4)
    plain, cautious = (TrialPlan(power=0.9).with_clusters(clusters, cautious=c) for c in (False, True))
    assert (plain.cluster_size, plain.cluster_size_cv, plain.intraclass_correlation) == (12.5, 0.4, 0.1)
    assert cautious.intraclass_correlation == 0.3
    assert plain.power == cautious.power == 0.9
    assert TrialPlan().with_clusters(clusters).intraclass_correlation == 0.1


def test_what_is_left_after_adjusting_for_the_expectation() -> None:
    population = by_hand.population(240)
    y, expected = population.baseline_behavior, population.expected_outcome
    sd = np.sqrt(((y - y.mean()) ** 2).sum() / 239)
    r = stats.pearsonr(y, expected).statistic
    adjusted, plain = designer(), designer(adjust=False)
    assert adjusted.outcome_sd == plain.outcome_sd == plain.residual_sd == pytest.approx(sd)
    assert adjusted.residual_sd == pytest.approx(sd * np.sqrt(1 - r**2))
    flat = by_hand.population(240, expected_outcome=np.ones(240))
    assert ExperimentDesigner(flat).residual_sd == pytest.approx(sd)
    assert ExperimentDesigner(population).plan == TrialPlan()
    with pytest.raises(InsufficientDataError, match="does not vary"):
        ExperimentDesigner(by_hand.population(12, baseline_behavior=np.ones(12)))


@pytest.mark.parametrize(
    ("alpha", "power", "share", "effect"),
    [(0.05, 0.8, 0.5, 0.02), (0.01, 0.9, 0.3, -0.015), (0.2, 0.6, 0.75, 0.03), (0.05, 0.8, 0.5, 0.3)],
)
def test_size_power_and_detectable_effect_of_a_z_test(alpha: float, power: float, share: float, effect: float) -> None:
    made = designer(alpha=alpha, power=power, treated_share=share, adjust=False)
    z = stats.norm.isf(alpha / 2) + stats.norm.ppf(power)
    total = z**2 * made.outcome_sd**2 / effect**2 * (1 / share + 1 / (1 - share))
    found = made.design(effect)
    assert (found.treated, found.control) == (int(np.ceil(total * share)), int(np.ceil(total * (1 - share))))
    assert found.sample_size == found.treated + found.control
    assert (found.minimum_effect, found.plan, found.clusters_per_arm, found.strata) == (effect, made.plan, None, ())
    assert (found.outcome_sd, found.residual_sd) == (made.outcome_sd, made.residual_sd)
    n = 77
    error = made.outcome_sd * np.sqrt(1 / (n * share) + 1 / (n * (1 - share)))
    limit = stats.norm.isf(alpha / 2)
    # Also the chance to be found with the wrong sign counts.
    both = stats.norm.sf(limit - abs(effect) / error) + stats.norm.cdf(-limit - abs(effect) / error)
    assert made.power(effect, n) == pytest.approx(both, rel=1e-12)
    assert made.power(0, n) == pytest.approx(alpha)
    detected = made.minimum_detectable_effect(n)
    assert made.power(detected, n) == pytest.approx(power)
    assert detected == pytest.approx(z * error, rel=0.01)


def test_few_clusters_need_students_t() -> None:
    made = designer(adjust=False, cluster_size=5, intraclass_correlation=0.2, treated_share=0.4)
    effect, per_cluster = 0.5 * made.outcome_sd, made.outcome_sd**2 * (1 + 4 * 0.2) / 5

    def power(k: float) -> float:
        shift = effect / np.sqrt(per_cluster / k * (1 / 0.4 + 1 / 0.6))
        limit = stats.t.isf(0.025, k - 2)
        return float(stats.nct.sf(limit, k - 2, shift) + stats.nct.cdf(-limit, k - 2, shift))

    assert made.power(effect, 5 * 9) == pytest.approx(power(9))
    least = next(k for k in range(4, 500) if power(k) >= 0.8)
    found = made.design(effect)
    assert found.clusters_per_arm == (int(np.ceil(0.4 * least)), int(np.ceil(0.6 * least)))
    treated, control = found.clusters_per_arm
    assert (found.treated, found.control) == (5 * treated, 5 * control)
    # However large the effect, four clusters are needed, two in each arm, at least.
    large = designer(adjust=False, cluster_size=5, treated_share=0.1).design(9.0)
    assert large.clusters_per_arm == (2, 4)
    assert designer(cluster_size=2.5, treated_share=0.9).design(9.0).clusters_per_arm == (4, 2)
    assert designer(cluster_size=2.5, treated_share=0.9).design(9.0).treated == 10
    assert made.minimum_detectable_effect(20) > made.minimum_detectable_effect(25)


def test_four_units_or_clusters_are_the_least() -> None:
    assert designer().power(0.01, 4) > 0.05
    with pytest.raises(ValidationError, match=r"sample_size must be at least 4$"):
        designer().power(0.01, 3.999)
    clusters = designer(cluster_size=2.5)
    assert clusters.power(0.01, 10) > 0.05
    with pytest.raises(ValidationError, match=r"sample_size must be at least 10$"):
        clusters.power(0.01, 9.999)
    with pytest.raises(ValidationError, match="sample_size"):
        designer().minimum_detectable_effect(float("inf"))
    for effect in (0.0, float("inf")):
        with pytest.raises(ValidationError, match="other than 0"):
            designer().design(effect)


def test_the_text_of_a_registration() -> None:
    assert designer().design(0.02, strata=["region", "covered"]).registration == (
        "Question: does the intervention change prescribing_change of kisqali by at least 0.02?\n"
        "Units: hcp; 42 treated, 42 control, assigned at random within strata of region, covered.\n"
        "Primary analysis: difference in means of prescribing_change, adjusted for the twin's expected outcome, fixed "
        "before the start; two-sided test at 0.05, power 0.8.\n"
        "Stopping: at the planned size only. Missing outcomes: reported per arm, analysed as seen and by bounds.\n"
        "Subgroups named here are the only confirmatory ones; the twin's simulation is no evidence of the effect."
    )
    lines = designer(adjust=False, cluster_size=5, intraclass_correlation=0.2).design(0.05).registration.split("\n")
    assert "within blocks of the twins' expected outcome." in lines[1]
    assert "adjusted" not in lines[2]
    assert lines[3].startswith("Clusters, assigned whole: ")
    assert "of 5 units on average; intraclass correlation 0.2; cluster-robust" in lines[3]


@pytest.mark.parametrize(("share", "treated", "block"), [(0.5, 60, 2), (0.25, 30, 4), (0.9, 108, 10)])
def test_neighbours_by_expected_outcome_are_treated_in_the_plans_proportion(
    share: float, treated: int, block: int
) -> None:
    population = by_hand.population(120, expected_outcome=np.random.default_rng(1).permutation(120.0 * np.arange(120)))
    arms = [ExperimentDesigner(population, TrialPlan(treated_share=share)).allocate(120, seed=s) for s in range(30)]
    ordered = np.array([arm[np.argsort(population.expected_outcome)] for arm in arms])
    assert all(abs(arm.sum() - treated) <= 1 for arm in arms)
    assert {*np.unique(ordered)} == {0, 1}
    # Every block of neighbours has its share, in an order that chance gives.
    per_block = ordered.reshape(30, -1, block).sum(axis=2)
    assert (np.abs(per_block - share * block) <= 1).all()
    assert np.abs(ordered.mean(axis=0) - share).max() < 0.4
    first = ExperimentDesigner(population, TrialPlan(treated_share=share)).allocate(120)
    assert np.array_equal(first, arms[0])
    assert not np.array_equal(arms[0], arms[1])


def test_each_stratum_is_divided_in_halves() -> None:
    population = by_hand.population(240)
    arm = ExperimentDesigner(population).allocate(240, strata=["region", "covered"], seed=5)
    region, covered = (population.features.values[name] for name in ("region", "covered"))
    for r in range(3):
        for c in range(2):
            here = arm[(region == r) & (covered == c)]
            assert abs(2 * here.sum() - len(here)) <= 2


def test_clusters_that_are_neighbours_by_their_mean_are_assigned_whole() -> None:
    population = by_hand.population(240)
    made = ExperimentDesigner(population)
    # Deciles have expected outcomes in their order, but for the one that three rows share.
    for seed in range(6):
        arm = made.allocate(240, cluster="decile", seed=seed)
        decile = population.features.values["decile"]
        of = {d: {*arm[decile == d]} for d in range(1, 11)}
        assert all(len(arms) == 1 for arms in of.values())
        flat = [of[d].pop() for d in range(1, 11)]
        assert [sum(flat[i : i + 2]) for i in range(0, 10, 2)] == [1] * 5
    with pytest.raises(ValidationError, match="column 'covered' has 2 clusters; at least 4 are needed"):
        made.allocate(240, cluster="covered")
    with pytest.raises(ValidationError, match="column 'region' has 3 clusters"):
        made.allocate(240, cluster="region")
    assert len(made.allocate(6, cluster="decile")) == 6
    with pytest.raises(ValidationError, match="a stratum divides clusters of 'decile'"):
        made.allocate(240, cluster="decile", strata=["covered"])
    with pytest.raises(ValidationError, match="no column 'shoe' to cluster by"):
        made.allocate(240, cluster="shoe")


@pytest.mark.parametrize(("twins", "fits"), [(1, False), (2, True), (12, True), (13, False)])
def test_at_most_all_twins_are_allocated(twins: int, fits: bool) -> None:
    if fits:
        assert len(designer(12).allocate(twins)) == twins
    else:
        with pytest.raises(ValidationError, match="between 2 and 12"):
            designer(12).allocate(twins)


@pytest.mark.parametrize(("values", "fits"), [(200, True), (201, False)])
def test_two_hundred_strata_are_the_most(values: int, fits: bool) -> None:
    population = by_hand.population(240)
    population.features.values["score"] = np.arange(240.0) % values
    if fits:
        assert ExperimentDesigner(population).design(0.02, strata=["score"]).strata == ("score",)
    else:
        with pytest.raises(ValidationError, match="'score' has too many values to stratify by"):
            ExperimentDesigner(population).design(0.02, strata=["score"])
    with pytest.raises(ValidationError, match="no column 'shoe' to stratify by"):
        designer().design(0.02, strata=["shoe"])
