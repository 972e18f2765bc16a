"""Advice and intervals: closed forms, and both sides of what the specification asks to deploy."""

from typing import Any

import numpy as np
import pytest
from scipy import stats

from novamind.errors import InsufficientDataError, ModelInferenceError, ValidationError
from novamind.populations import AssumedEffect, InterventionConfig, SimulationEngine
from novamind.populations.domain import EffectSource, TwinType
from novamind.populations.interventions.simulation_engine import (
    CONFIDENCE,
    GROUPS,
    MINIMUM_EFFECT,
    Tally,
    _by_group,
    _robust,
    _sums,
)
from novamind.populations.table import Table
from tests.populations import by_hand

EMAIL = InterventionConfig("email_campaign")


class Evidence:
    """Evidence whose effect is a tenth of the decile, and whose error depends on the twins asked for."""

    source = EffectSource.ESTIMATED
    checks = ("looked at",)

    def __init__(self, failures: tuple[str, ...] = ()) -> None:
        self.failures = failures
        self.asked: list[tuple[int, float]] = []

    def individual(self, twins: Table) -> np.ndarray:
        return twins.values["decile"] / 10

    def spread(self, twins: Table) -> np.ndarray:
        return np.full(len(twins), 0.02)

    def standard_error(self, twins: Table, average: float) -> float:
        self.asked.append((len(twins), average))
        return 0.1


def test_the_constants_of_the_specification() -> None:
    assert (MINIMUM_EFFECT, CONFIDENCE) == (0.05, 0.90)
    plain = SimulationEngine(by_hand.population())
    assert (plain.minimum_effect, plain.confidence, plain.accept_assumptions) == (0.05, 0.9, False)
    assert plain.evidence is None
    assert dict(GROUPS) == {
        TwinType.HCP: ("specialty", "priority_tier", "region", "adoption_stage"),
        TwinType.PATIENT: ("journey_stage", "insurance_type", "age_group", "geographic_region"),
        TwinType.TERRITORY: ("region", "urban_rural_mix"),
    }


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"minimum_effect": float("nan")}, "minimum_effect must be a number"),
        ({"confidence": 0.5}, "above 0.5 and below 1"),
        ({"confidence": 1.0}, "above 0.5 and below 1"),
    ],
)
def test_limits_that_mean_nothing_are_refused(options: dict[str, float], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        SimulationEngine(by_hand.population(), **options)
    assert SimulationEngine(by_hand.population(), confidence=0.501).confidence == 0.501


@pytest.mark.parametrize(
    ("above", "advice", "reason"),
    [
        (0.9, "deploy", "90% sure that the effect exceeds 0.050"),
        (0.8999, "test_further", "90% sure that the effect exceeds 0.050, which is neither 90% nor 10%"),
        (0.1001, "test_further", "10% sure that the effect exceeds 0.050, which is neither 90% nor 10%"),
        (0.0999, "do_not_deploy", "90% sure that the effect stays below 0.050"),
    ],
)
def test_the_advice_changes_at_ninety_percent(above: float, advice: str, reason: str) -> None:
    engine = SimulationEngine(by_hand.population(), Evidence())
    found, why = engine._advise(engine.evidence, 0.06, 0.1, above)
    assert found == advice
    assert why.startswith(reason)
    assert "average effect +0.060 (95 % interval -0.136 to +0.256), estimated" in why
    assert "harm" not in why


def test_the_lower_limit_is_one_less_the_confidence() -> None:
    engine = SimulationEngine(by_hand.population(), Evidence(), confidence=0.75)
    assert engine._advise(engine.evidence, 0.0, 0.1, 0.25)[0] == "do_not_deploy"
    assert engine._advise(engine.evidence, 0.0, 0.1, 0.251)[0] == "test_further"
    assert engine._advise(engine.evidence, 0.0, 0.1, 0.75)[0] == "deploy"


@pytest.mark.parametrize(("effect", "harm"), [(-0.2, True), (-0.19, False)])
def test_harm_is_named_where_the_whole_interval_lies_below_nothing(effect: float, harm: bool) -> None:
    engine = SimulationEngine(by_hand.population(), Evidence())
    assert engine._advise(engine.evidence, effect, 0.1, 0.01)[1].endswith(" The campaign does harm.") is harm
    assert "harm" not in engine._advise(engine.evidence, 0.0, 0.0, 0.01)[1], "an end at nothing is no harm"


def test_failed_checks_and_assumptions_never_deploy() -> None:
    failed = SimulationEngine(by_hand.population(), Evidence(("Overlap: bad.", "Placebo: bad."))).simulate(EMAIL)
    assert failed.recommendation == "test_further"
    assert failed.reason.startswith("No claim: Overlap: bad. Placebo: bad. The figure cannot be trusted: average")
    sure = AssumedEffect(0.5, 0.01)
    engine = SimulationEngine(by_hand.population(), sure)
    assert engine._advise(sure, 0.5, 0.01, 1.0) == (
        "test_further",
        "This is an assumption, not evidence: average effect +0.500 (95 % interval +0.480 to +0.520), assumed. Run a "
        "pilot, or set accept_assumptions to act on it.",
    )
    assert engine._advise(sure, 0.5, 0.01, 0.5)[1].startswith("This is an assumption, not evidence: 50% sure")
    accepting = SimulationEngine(by_hand.population(), sure, accept_assumptions=True)
    assert accepting.simulate(EMAIL).recommendation == "deploy"


@pytest.mark.parametrize("intensity", [1.0, 0.5, 2.0])
def test_the_interval_is_that_of_a_normal_and_scales_with_intensity(intensity: float) -> None:
    evidence = Evidence()
    engine = SimulationEngine(by_hand.population(), evidence, minimum_effect=0.55)
    result = engine.simulate(InterventionConfig("email_campaign", intensity=intensity))
    mean, error = 0.625 * intensity, 0.1 * intensity  # deciles 1 to 10, 10 and 10: 75 / 12 / 10
    assert result.average_treatment_effect == pytest.approx(mean)
    assert result.standard_error == pytest.approx(error)
    # 2.5 % lie beyond each end.
    assert result.interval == pytest.approx((stats.norm.ppf(0.025, mean, error), stats.norm.ppf(0.975, mean, error)))
    assert result.probability_above_minimum == pytest.approx(stats.norm.sf(0.55, mean, error))
    np.testing.assert_allclose(result.individual_effects, by_hand.table().values["decile"] / 10 * intensity)
    assert evidence.asked[0] == (12, pytest.approx(0.625))  # at the intensity that the evidence is about
    assert (result.minimum_effect, result.confidence, result.twins) == (0.55, 0.9, 12)
    assert (result.source, result.checks) == ("estimated", ("looked at",))
    assert (result.population_id, result.model_version) == (by_hand.POPULATION_ID, str(by_hand.MODEL_ID))
    first = result.heterogeneity["region"][0]
    north = np.array([1, 4, 7, 10]) / 10 * intensity
    assert (first.group, first.level, first.twins) == ("region", "north", 4)
    assert first.effect == pytest.approx(north.mean())
    assert (first.low, first.high) == pytest.approx(stats.norm.ppf([0.025, 0.975], north.mean(), error))
    assert set(result.heterogeneity) == {"specialty", "region"}


def test_one_twin_has_an_interval_of_its_own() -> None:
    engine = SimulationEngine(by_hand.population(), Evidence())
    for intensity in (1.0, 2.0):
        found = engine.estimate_treatment_effect(
            by_hand.population().twin(4), InterventionConfig("email_campaign", intensity=intensity)
        )
        assert found == pytest.approx(
            (0.5 * intensity, *stats.norm.ppf([0.025, 0.975], 0.5 * intensity, 0.02 * intensity))
        )


def test_filters_choose_the_twins() -> None:
    result = SimulationEngine(by_hand.population(), Evidence()).simulate(EMAIL, {"region": "west"})
    assert result.twins == 4
    assert result.average_treatment_effect == pytest.approx((3 + 6 + 9 + 10) / 40)
    assert len(result.individual_effects) == 4
    with pytest.raises(InsufficientDataError):
        SimulationEngine(by_hand.population(), Evidence()).simulate(EMAIL, {"decile": (11, 12)})


def test_any_column_of_few_values_can_be_grouped_by() -> None:
    engine = SimulationEngine(by_hand.population(), Evidence())
    result = engine.simulate(InterventionConfig("email_campaign", intensity=0.5))
    groups = engine.calculate_heterogeneity(result, ["visits", "covered"])
    assert [(g.level, g.twins) for g in groups["covered"]] == [("False", 6), ("True", 6)]
    assert [(g.level, g.twins) for g in groups["visits"]][:4] == [("0", 1), ("1", 1), ("2", 2), ("3", 1)]
    assert groups["visits"][2].effect == pytest.approx((5 + 6) / 2 / 10 * 0.5)
    assert groups["visits"][0].high - groups["visits"][0].low == pytest.approx(2 * 1.959964 * 0.05)
    with pytest.raises(ValidationError, match="no column 'shoe' to group by"):
        engine.calculate_heterogeneity(result, ["shoe"])
    filtered = engine.simulate(EMAIL, {"region": "west"})
    other = SimulationEngine(by_hand.population(population_id=by_hand.MODEL_ID), Evidence()).simulate(EMAIL)
    for strange in (filtered, other):
        with pytest.raises(ValidationError, match="from this population, unfiltered"):
            engine.calculate_heterogeneity(strange, ["covered"])


@pytest.mark.parametrize(("values", "fits"), [(90, True), (91, False)])
def test_ninety_groups_are_the_most(values: int, fits: bool) -> None:
    population = by_hand.population(120)
    population.features.values["score"] = np.arange(120.0) % values
    engine = SimulationEngine(population, Evidence())
    result = engine.simulate(EMAIL)
    if fits:
        assert len(engine.calculate_heterogeneity(result, ["score"])["score"]) == 90
    else:
        with pytest.raises(ValidationError, match="'score' has too many values to group by"):
            engine.calculate_heterogeneity(result, ["score"])


def test_sums_of_two_parts_are_those_of_the_whole() -> None:
    table, effects = by_hand.table(), np.arange(12.0)
    names = ("specialty", "visits")
    whole = _sums(table, effects, names)
    assert whole["visits", 2.0] == (2, 9.0)
    assert whole["visits", 4.0] == (2, 21.0)
    assert whole["specialty", 2.0] == (2, 11.0)
    assert not any(name == "decile" for name, _ in whole)
    first, rest = np.arange(5), np.arange(5, 12)
    parts = [
        Tally(len(r), effects[r].sum(), _sums(table.take(r), effects[r], names), (f"{len(r)}",)) for r in (first, rest)
    ]
    both = parts[0] + parts[1]
    assert dict(both.groups) == dict(whole)
    assert (both.twins, both.total, both.notes) == (12, 66.0, ("5", "7"))
    assert Tally() + both == both


def test_a_group_that_a_sample_lacks_is_left_out_and_a_large_one_is_thinned() -> None:
    evidence = Evidence()
    table = by_hand.population(24_000).features
    sums: dict[Any, Any] = {("region", 0.0): (9_999, 9.0), ("region", 7.0): (1, 1.0)}
    assert _by_group(evidence, table.take(table.values["region"] == 1), sums, 1.0) == {}
    found = _by_group(evidence, table, sums, 0.5)["region"]
    assert [(g.level, g.twins) for g in found] == [("north", 9_999)]
    # 8,000 rows, every eighth of them: a thousand; the effect at the intensity of the evidence.
    assert evidence.asked == [(1_000, pytest.approx(9 / 9_999 / 0.5))]
    _by_group(evidence, table.take(np.arange(5_700)), sums, 1.0)
    assert evidence.asked[-1][0] == 1_900


def test_effects_that_are_no_numbers_stand_at_the_median_of_the_others() -> None:
    values, notes = _robust(np.array([1.0, np.nan, 3.0, np.inf, 10.0]))
    assert values.tolist() == [1.0, 3.0, 3.0, 3.0, 10.0]
    assert notes == ("2 individual effects could not be computed and stand at the median of the others.",)
    plain = np.array([1.0, 2.0])
    assert _robust(plain) == (plain, ())
    with pytest.raises(ModelInferenceError, match="no individual effect"):
        _robust(np.array([np.nan]))

    class Odd(Evidence):
        def individual(self, twins: Table) -> np.ndarray:
            return np.where(np.arange(len(twins)) == 0, np.nan, 0.25)

    result = SimulationEngine(by_hand.population(), Odd()).simulate(EMAIL)
    assert result.average_treatment_effect == 0.25
    assert result.checks[1].startswith("1 individual effects")
