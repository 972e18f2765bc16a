"""Where an effect comes from: the specification's priors, what is checked of data, and what transport adds."""

from typing import Any

import numpy as np
import polars as pl
import pytest

from novamind.errors import InsufficientDataError, ValidationError
from novamind.populations import AssumedEffect, EstimatedEffect, TransportedEffect
from novamind.populations.domain import EffectSource, InterventionType
from novamind.populations.interventions import evidence
from novamind.populations.table import Column, Table, read
from tests.golden import check_golden
from tests.populations import by_hand


def trial(n: int = 240, seed: int = 0, confounding: float = 0.0, effect: float = 0.4) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    score, size = rng.normal(size=n), np.exp(1.5 * rng.normal(size=n))
    treated = (rng.random(n) < 1 / (1 + np.exp(-confounding * score))).astype(int)
    word = rng.choice(["a", "b"], n)
    y = score + 0.2 * (word == "a") + effect * treated + rng.normal(size=n)
    gappy = [None if i % 9 == 0 else float(v) for i, v in enumerate(size)]
    return pl.DataFrame({"score": score, "size": gappy, "word": word, "treated": treated, "y": y})


@pytest.fixture(scope="module")
def estimated() -> EstimatedEffect:
    return EstimatedEffect(trial(), randomised=True)


@pytest.mark.parametrize(
    ("campaign", "mean"),
    [
        ("email_campaign", 0.05),
        ("call_frequency_increase", 0.08),
        ("speaker_program_invitation", 0.12),
        ("educational_content_share", 0.06),
        ("peer_to_peer_referral", 0.10),
    ],
)
def test_the_specified_priors_have_a_spread_as_large_as_their_mean(campaign: str, mean: float) -> None:
    assumed = AssumedEffect.of(campaign)
    assert (assumed.mean, assumed.spread_of_mean, assumed.source) == (mean, mean, EffectSource.ASSUMED)
    twins = by_hand.table()
    assert assumed.individual(twins).tolist() == [mean] * 12
    assert assumed.spread(twins).tolist() == [mean] * 12
    assert assumed.standard_error(twins, 9.0) == mean
    assert assumed.failures == ()
    assert assumed.checks == (
        f"Assumption: prior mean {mean:.3f}, prior standard deviation {mean:.3f}; no data stand behind it.",
    )


def test_a_campaign_without_a_prior_is_refused_with_those_that_have_one() -> None:
    with pytest.raises(ValidationError, match=r"no prior is known for 'billboard'.* email_campaign, call_frequency"):
        AssumedEffect.of("billboard")
    assert set(evidence.PRIOR_MEAN_EFFECTS) == set(InterventionType)
    assert (evidence.PRIOR_RELATIVE_SPREAD, evidence.TRANSPORT_RELATIVE_SPREAD) == (1.0, 0.5)
    assert evidence._BLOCK == 25_000


@pytest.mark.parametrize(
    ("change", "asked", "message"),
    [
        ({}, {"treatment": "arm"}, "has no column 'arm'"),
        ({}, {"outcome": "z"}, "has no column 'z'"),
        ({}, {"placebo_outcome": "before"}, "has no column 'before'"),
        ({}, {"covariates": ["shoe"]}, "has no column 'shoe'"),
        ({}, {"covariates": []}, "at least one covariate"),
        ({}, {"covariates": ["score", "score"]}, "must be different columns"),
        ({}, {"covariates": ["score", "y"]}, "must be different columns"),
        ({}, {"placebo_outcome": "y"}, "must be different columns"),
        ({"treated": pl.col("treated") * 2}, {}, "'treated' must hold 0 and 1 only"),
        ({"treated": pl.col("treated").cast(pl.Float64) / 2}, {}, "must hold 0 and 1 only"),
        ({"y": pl.when(pl.col("score") > 2).then(None).otherwise("y")}, {}, r"'y' is missing in \d+ rows"),
        ({"y": "word"}, {}, "must hold numbers or true/false"),
        ({"phq9": pl.lit(1)}, {}, "clinical"),
    ],
)
def test_evidence_that_cannot_be_used_is_refused(change: dict[str, Any], asked: dict[str, Any], message: str) -> None:
    data = trial().with_columns(**{k: pl.col(v) if isinstance(v, str) else v for k, v in change.items()})
    with pytest.raises(ValidationError, match=message):
        EstimatedEffect(data, randomised=True, **asked)


def test_a_clinical_column_that_is_not_used_is_no_hindrance() -> None:
    data = trial().with_columns(phq9=pl.lit(1))
    found = EstimatedEffect(data, covariates=["score", "word"], randomised=True)
    assert [c.name for c in found.columns] == ["score", "word"]


def test_true_and_false_are_a_treatment() -> None:
    words = trial().with_columns(treated=pl.col("treated").cast(pl.Boolean))
    one, other = (EstimatedEffect(data, randomised=True, covariates=["score"]) for data in (words, trial()))
    assert one.model.average_effect == other.model.average_effect
    gaps = words.with_columns(treated=pl.when(pl.col("score") > 1).then(None).otherwise("treated"))
    with pytest.raises(ValidationError, match="without missing values"):
        EstimatedEffect(gaps, randomised=True)


def test_covariates_are_numbers_with_gaps_flagged_logarithms_and_levels(estimated: EstimatedEffect) -> None:
    data = trial()
    sizes = data["size"].drop_nulls().to_numpy()
    fill = float(np.median(sizes))
    twins = Table(
        (Column("word", "category", ("b", "z", "a")), Column("score", "number"), Column("size", "number")),
        {
            "word": np.array([0, 1, 2]),
            "score": np.array([1.0, by_hand.NAN, 2.0]),
            "size": np.array([by_hand.NAN, 3.0, -1.0]),
        },
        "polars",
    )
    middle = float(np.median(data["score"]))
    np.testing.assert_allclose(
        estimated._matrix(twins),
        [
            [1, 0, fill, 1, np.log1p(fill), 0, 1],
            [middle, 1, 3, 0, np.log(4), 0, 0],  # a level that the evidence never saw is none of its own
            [2, 0, -1, 0, 0, 1, 0],
        ],
    )
    assert [c.name for c in estimated.columns] == ["score", "size", "word"]
    with pytest.raises(ValidationError, match=r"twins lack the column\(s\) score, word that the evidence uses"):
        estimated._matrix(twins.only(("size",)))


@pytest.mark.parametrize(
    ("values", "middle", "skewed"),
    [
        ([1.0, 2.0, 4.0, by_hand.NAN], 2.0, False),
        ([0.0] * 20 + [9.0], 0.0, True),
        ([-1.0] + [0.0] * 20 + [9.0], 0.0, False),
        ([3.0, 3.0], 3.0, False),
        ([0.0] * 5 + [1.0], 0.0, False),  # third moment 1.79
        ([0.0] * 6 + [1.0], 0.0, True),  # 2.04
    ],
)
def test_a_number_is_skewed_where_its_third_moment_is_above_two(
    values: list[float], middle: float, skewed: bool
) -> None:
    assert evidence._median(np.array(values)) == (middle, skewed)


def diagnosed(made: EstimatedEffect, propensity: np.ndarray, randomised: bool = False) -> tuple[list[str], list[str]]:
    made.model.propensity, made.randomised = propensity, randomised
    data = read(trial(60, 1))
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 2))
    return made._diagnose(X, (np.arange(60) % 2), data.values["y"], None, 0)


@pytest.mark.parametrize(("outside", "fails"), [(10, False), (11, True)])
def test_more_than_a_tenth_without_overlap_is_a_failure(outside: int, fails: bool) -> None:
    made = EstimatedEffect(trial(100), randomised=True, covariates=["score"])
    chances = np.r_[np.full(outside // 2, 0.0499), np.full(outside - outside // 2, 0.9501), np.full(50, 0.05)]
    notes, failures = diagnosed(made, np.r_[chances, np.full(100 - len(chances), 0.95)])
    text = f"Overlap: {outside}.0% of rows have a chance of treatment outside 0.05-0.95"
    assert (failures if fails else notes)[0] == text + (" (limit 10 %)." if fails else ".")
    assert not any("Overlap" in note for note in (notes if fails else failures))
    assert notes[-2].startswith("No placebo outcome was given")
    assert notes[-1].startswith("Sensitivity: ")
    assert diagnosed(made, np.full(100, 0.001), randomised=True)[0][0].startswith("Placebo treatment (shuffled)")
    assert len(diagnosed(made, np.full(100, 0.001), randomised=True)[0]) == 1


class Stub:
    """An effect model with a given z."""

    z = 0.0
    seen: tuple[Any, ...] = ()

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def fit(self, X: np.ndarray, treated: np.ndarray, y: np.ndarray, *, randomised: bool) -> "Stub":
        Stub.seen = (self.seed, X, treated, y, randomised)
        self.average_effect, self.standard_error = 2 * Stub.z, 2.0
        return self


@pytest.mark.parametrize(("z", "fails"), [(3.3, False), (-3.3, False), (3.31, True), (-3.31, True)])
def test_a_shuffled_treatment_may_have_no_effect(z: float, fails: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    made = EstimatedEffect(trial(100), randomised=True, covariates=["score"])
    monkeypatch.setattr(evidence, "EffectModel", Stub)
    monkeypatch.setattr(Stub, "z", z)
    treated = np.arange(60) % 2
    notes, failures = made._diagnose(np.ones((60, 1)), treated, np.arange(60.0), None, 5)
    sentence = f"Placebo treatment (shuffled): effect at {z:+.1f} standard errors."
    assert (notes, failures) == (([], [sentence]) if fails else ([sentence], []))
    seed, _, shuffled, y, randomised = Stub.seen
    assert (seed, randomised) == (5, True)
    assert y.tolist() == list(range(60))
    assert shuffled.tolist() == np.random.default_rng(22).permutation(treated).tolist()


@pytest.mark.parametrize(("z", "fails"), [(2.58, False), (-2.58, False), (2.59, True), (-2.59, True)])
@pytest.mark.parametrize("randomised", [True, False])
def test_an_outcome_of_before_may_show_no_effect(
    z: float, fails: bool, randomised: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = EstimatedEffect(trial(100), randomised=True, covariates=["score"])
    made.randomised = randomised
    monkeypatch.setattr(evidence, "EffectModel", Stub)
    monkeypatch.setattr(Stub, "z", z)
    before = np.r_[np.nan, np.arange(59.0)]
    notes, failures = made._diagnose(np.ones((60, 1)), np.arange(60) % 2, np.arange(60.0), before, 5)
    sentence = f"Placebo outcome (before treatment): effect at {z:+.1f} standard errors."
    assert (failures if fails else notes).count(sentence) == 1
    assert not any("No placebo outcome" in note for note in notes)
    _, X, treated, y, how = Stub.seen
    assert (len(X), len(treated), how) == (59, 59, randomised)
    assert y.tolist() == list(range(59))
    with pytest.raises(ValidationError, match="placebo outcome is the same in every row"):
        made._diagnose(np.ones((60, 1)), np.arange(60) % 2, np.arange(60.0), np.ones(60), 5)


@pytest.mark.parametrize(("t", "n"), [(2.0, 100), (-5.0, 400), (0.5, 1_000), (30.0, 50)])
def test_the_robustness_value(t: float, n: int) -> None:
    class Model:
        average_effect, standard_error, propensity = 0.1 * t, 0.1, np.zeros(n)

    made = object.__new__(EstimatedEffect)
    made.model = Model()  # type: ignore[assignment]
    value = made.robustness_value()
    # Cinelli and Hazlett: a confounder that explains this share of both sides has bias RV^2 / (1 - RV) = f^2.
    assert value**2 / (1 - value) == pytest.approx(t**2 / n)
    assert 0 < value < 1


def test_twins_beyond_the_range_of_the_evidence_are_counted(estimated: EstimatedEffect) -> None:
    data = read(trial())
    assert estimated.outside_support(data) == 0.0
    moved = data.take(np.arange(4))
    score = data.values["score"]
    moved.values["score"] = np.array(
        [score.max() + 1.5e-9, score.min() - 1.5e-9, score.min() - 0.7e-9, score.max() + 0.7e-9]
    )
    assert estimated.outside_support(moved) == 0.5


def test_effects_and_errors_are_those_of_the_model_on_the_covariates(
    estimated: EstimatedEffect, monkeypatch: pytest.MonkeyPatch
) -> None:
    twins = read(trial(70, 3))
    X = estimated._matrix(twins)
    whole = estimated.individual(twins)
    np.testing.assert_allclose(whole, estimated.model.effect(X))
    np.testing.assert_allclose(estimated.spread(twins), estimated.model.spread(X))
    assert estimated.standard_error(twins, 1.0) == pytest.approx(estimated.model.standard_error_at(X))
    monkeypatch.setattr(evidence, "_BLOCK", 30)
    np.testing.assert_allclose(estimated.individual(twins), whole, rtol=1e-5)
    monkeypatch.setattr(evidence, "SAMPLE", 7)
    some = twins.take(np.array([0, 11, 23, 34, 46, 57, 69]))
    assert estimated.standard_error(twins, 1.0) == pytest.approx(estimated.standard_error(some, 1.0))


def test_at_most_five_thousand_twins_stand_for_all() -> None:
    assert evidence.SAMPLE == 5_000
    for rows, taken in ((5_000, 5_000), (5_001, 5_000), (20_000, 5_000)):
        table = Table((Column("a", "number"),), {"a": np.arange(float(rows))}, "polars")
        found = evidence._sample(table).values["a"]
        assert len(found) == taken
        assert (found[0], found[-1]) == (0, rows - 1)


def test_another_population_adds_half_of_the_effect(estimated: EstimatedEffect) -> None:
    twins = read(trial(40, 3))
    there = TransportedEffect(estimated)
    assert (there.relative_spread, there.source, there.failures) == (0.5, EffectSource.TRANSPORTED, estimated.failures)
    own = estimated.individual(twins)
    np.testing.assert_allclose(there.individual(twins), own)
    np.testing.assert_allclose(there.spread(twins), np.sqrt(estimated.spread(twins) ** 2 + (0.5 * own) ** 2))
    for average in (0.3, -0.3):
        expected = np.sqrt(estimated.standard_error(twins, 0.3) ** 2 + 0.15**2)
        assert there.standard_error(twins, average) == pytest.approx(expected)
    assert TransportedEffect(estimated, 0.2).checks == (
        "Transported: a between-population standard deviation of 20% of the effect is added.",
        *estimated.checks,
    )
    for spread in (0.0, -0.1, float("nan")):
        with pytest.raises(ValidationError, match="relative_spread must be above 0"):
            TransportedEffect(estimated, spread)


@pytest.mark.parametrize(("outside", "fits"), [(20, True), (21, False)])
def test_twins_of_whom_more_than_half_lie_outside_are_refused(
    estimated: EstimatedEffect, outside: int, fits: bool
) -> None:
    twins = read(trial(40, 3))
    twins.values["score"] = np.where(np.arange(40) < outside, 1e3, 0.0)
    twins.values["size"] = np.ones(40)
    if fits:
        assert len(TransportedEffect(estimated).individual(twins)) == 40
    else:
        with pytest.raises(InsufficientDataError, match="more than half of the twins"):
            TransportedEffect(estimated).individual(twins)


def test_evidence_as_it_is() -> None:
    data = trial(200, 6, confounding=0.6).with_columns(before=pl.col("score") * 0.5 + pl.col("y") * 0.01)
    shown = []
    for options in ({"randomised": True}, {"randomised": False, "placebo_outcome": "before", "seed": 3}):
        found = EstimatedEffect(data, **options)
        shown.append(
            {
                "checks": found.checks,
                "failures": found.failures,
                "average": found.model.average_effect,
                "error": found.model.standard_error,
                "robustness": found.robustness_value(),
                "support": found._support,
            }
        )
    check_golden(__file__, "evidence", shown, relative=1e-3, absolute=1e-4)
