"""Try an intervention on a population of twins."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from novamind.errors import ModelInferenceError, ValidationError
from novamind.populations.domain import (
    DigitalTwin,
    EffectSource,
    GroupEffect,
    InterventionConfig,
    PopulationFilter,
    SimulationRecommendation,
    TwinType,
)
from novamind.populations.interventions.evidence import AssumedEffect, Evidence
from novamind.populations.population import TwinPopulation
from novamind.populations.results import SimulationResult
from novamind.populations.table import DISCRETE_LEVELS, Table

MINIMUM_EFFECT: Final = 0.05
CONFIDENCE: Final = 0.90
GROUPS: Final[Mapping[TwinType, tuple[str, ...]]] = {
    TwinType.HCP: ("specialty", "priority_tier", "region", "adoption_stage"),
    TwinType.PATIENT: ("journey_stage", "insurance_type", "age_group", "geographic_region"),
    TwinType.TERRITORY: ("region", "urban_rural_mix"),
}
_Z95: Final = 1.959963984540054
_GROUP_SAMPLE: Final = 1_000


GroupSums = Mapping[tuple[str, float], tuple[int, float]]
"""Number of twins and sum of effects per column and value."""


@dataclass(frozen=True)
class Tally:
    """What a simulation needs of the effects of many twins: their number, sum, sums by group, and remarks."""

    twins: int = 0
    total: float = 0.0
    groups: GroupSums = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def __add__(self, other: "Tally") -> "Tally":
        groups = dict(self.groups)
        for key, (count, total) in other.groups.items():
            before = groups.get(key, (0, 0.0))
            groups[key] = (before[0] + count, before[1] + total)
        return Tally(self.twins + other.twins, self.total + other.total, groups, (*self.notes, *other.notes))


class SimulationEngine:
    """Simulate campaigns on one population.

    Parameters
    ----------
    population
        Twins from `TwinGenerator.generate`.
    evidence
        An `EstimatedEffect`, a `TransportedEffect` or an `AssumedEffect`; without one the specification's
        prior
        for the campaign is used and labelled as an assumption.
    minimum_effect, confidence
        Deploy when the posterior probability of an average effect above ``minimum_effect`` reaches
        ``confidence``.
    accept_assumptions
        Allow "deploy" to rest on an assumption alone.
    """

    def __init__(
        self,
        population: TwinPopulation,
        evidence: Evidence | None = None,
        *,
        minimum_effect: float = MINIMUM_EFFECT,
        confidence: float = CONFIDENCE,
        accept_assumptions: bool = False,
    ) -> None:
        if not np.isfinite(minimum_effect):
            raise ValidationError("minimum_effect must be a number")
        if not 0.5 < confidence < 1:
            raise ValidationError("confidence must be above 0.5 and below 1")
        self.population, self.evidence = population, evidence
        self.minimum_effect, self.confidence, self.accept_assumptions = (
            minimum_effect,
            confidence,
            accept_assumptions,
        )

    def simulate(
        self, intervention: InterventionConfig, filters: PopulationFilter | Mapping[str, Any] | None = None
    ) -> SimulationResult:
        """Return the effect of a campaign, what it rests on, and what to do.

        Raises
        ------
        ValidationError
            If a filter names what does not exist, or no evidence and no prior is known for the campaign.
        InsufficientDataError
            If no twin matches the filters.
        """
        twins = (
            self.population.features
            if filters is None
            else self.population.features.take(self.population.select(filters))
        )
        tally, individual = self.tally(twins, intervention)
        return replace(self.conclude(tally, twins, intervention), individual_effects=individual)

    def tally(self, twins: Table, intervention: InterventionConfig) -> tuple["Tally", NDArray[np.float64]]:
        """Sum the effects over these twins, altogether and by group; also the effect per twin."""
        individual, notes = _robust(self._evidence(intervention).individual(twins) * intervention.intensity)
        groups = _sums(twins, individual, GROUPS[self.population.twin_type])
        return Tally(len(twins), float(individual.sum()), groups, notes), individual

    def conclude(self, tally: "Tally", twins: Table, intervention: InterventionConfig) -> SimulationResult:
        """Say what the sums mean; ``twins`` (all of them or a sample) tell how far they are from the evidence."""
        evidence = self._evidence(intervention)
        effect = tally.total / tally.twins
        error = evidence.standard_error(twins, effect / intervention.intensity) * intervention.intensity
        above = float(1 - ndtr((self.minimum_effect - effect) / error))
        recommendation, reason = self._advise(evidence, effect, error, above)
        return SimulationResult(
            intervention=intervention,
            source=evidence.source,
            average_treatment_effect=effect,
            standard_error=error,
            interval=(effect - _Z95 * error, effect + _Z95 * error),
            individual_effects=np.zeros(0),
            heterogeneity=_by_group(evidence, twins, tally.groups, intervention.intensity),
            minimum_effect=self.minimum_effect,
            confidence=self.confidence,
            probability_above_minimum=above,
            recommendation=recommendation,
            reason=reason,
            checks=(*evidence.checks, *tally.notes),
            twins=tally.twins,
            population_id=self.population.population_id,
            model_version=str(self.population.model_id or "unsaved"),
        )

    def estimate_treatment_effect(
        self, twin: DigitalTwin, intervention: InterventionConfig
    ) -> tuple[float, float, float]:
        """Return the effect for one twin with its 95 % interval: (effect, low, high)."""
        row = self.population.features.take(np.array([self.population.index(twin.twin_id)]))
        evidence = self._evidence(intervention)
        e = float(evidence.individual(row)[0]) * intervention.intensity
        s = float(evidence.spread(row)[0]) * intervention.intensity
        return e, e - _Z95 * s, e + _Z95 * s

    def calculate_heterogeneity(
        self, results: SimulationResult, groups: Sequence[str]
    ) -> dict[str, tuple[GroupEffect, ...]]:
        """Return the group effects of an unfiltered simulation for any columns of few levels.

        Raises
        ------
        ValidationError
            If a column is unknown or has too many levels, or the result is of another population or filtered.
        """
        twins = self.population.features
        if results.population_id != self.population.population_id or results.twins != len(twins):
            raise ValidationError("the result must come from this population, unfiltered")
        columns = {c.name for c in twins.columns}
        for name in groups:
            if name not in columns:
                raise ValidationError(f"there is no column {name!r} to group by")
            if len(np.unique(twins.values[name])) > DISCRETE_LEVELS * 3:
                raise ValidationError(f"column {name!r} has too many values to group by")
        evidence = self._evidence(results.intervention)
        sums = _sums(twins, results.individual_effects, groups)
        return _by_group(evidence, twins, sums, results.intervention.intensity)

    def _evidence(self, intervention: InterventionConfig) -> Evidence:
        return self.evidence or AssumedEffect.of(str(intervention.intervention_type))

    def _advise(
        self, evidence: Evidence, effect: float, error: float, above: float
    ) -> tuple[SimulationRecommendation, str]:
        low, high = effect - _Z95 * error, effect + _Z95 * error
        figures = f"average effect {effect:+.3f} (95 % interval {low:+.3f} to {high:+.3f}), {evidence.source}"
        if evidence.failures:
            return (
                SimulationRecommendation.TEST_FURTHER,
                f"No claim: {' '.join(evidence.failures)} The figure cannot be trusted: {figures}.",
            )
        if above >= self.confidence:
            if evidence.source is EffectSource.ASSUMED and not self.accept_assumptions:
                return (
                    SimulationRecommendation.TEST_FURTHER,
                    f"This is an assumption, not evidence: {figures}. Run a pilot, "
                    "or set accept_assumptions to act on it.",
                )
            return (
                SimulationRecommendation.DEPLOY,
                f"{above:.0%} sure that the effect exceeds {self.minimum_effect:.3f}: {figures}.",
            )
        if above <= 1 - self.confidence:
            harm = " The campaign does harm." if high < 0 else ""
            return (
                SimulationRecommendation.DO_NOT_DEPLOY,
                f"{1 - above:.0%} sure that the effect stays below {self.minimum_effect:.3f}: {figures}.{harm}",
            )
        kind = "This is an assumption, not evidence: " if evidence.source is EffectSource.ASSUMED else ""
        return (
            SimulationRecommendation.TEST_FURTHER,
            f"{kind}{above:.0%} sure that the effect exceeds {self.minimum_effect:.3f}, "
            f"which is neither {self.confidence:.0%} nor "
            f"{1 - self.confidence:.0%}: {figures}.",
        )


def _sums(twins: Table, individual: NDArray[np.float64], names: Sequence[str]) -> GroupSums:
    sums: dict[tuple[str, float], tuple[int, float]] = {}
    for column in twins.columns:
        if column.name in names:
            values = twins.values[column.name]
            levels, place = np.unique(values[~np.isnan(values)], return_inverse=True)
            own = individual[~np.isnan(values)]
            count, total = np.bincount(place), np.bincount(place, own)
            sums |= {
                (column.name, float(level)): (int(n), float(s))
                for level, n, s in zip(levels, count, total, strict=True)
            }
    return sums


def _by_group(
    evidence: Evidence, twins: Table, sums: GroupSums, intensity: float
) -> dict[str, tuple[GroupEffect, ...]]:
    effects: dict[str, tuple[GroupEffect, ...]] = {}
    for (name, value), (count, total) in sorted(sums.items()):
        column = twins[name]
        rows = np.flatnonzero(twins.values[name] == value)
        if not rows.size:  # A sample of a large population may lack a rare level.
            continue
        effect = total / count
        some = rows[:: max(len(rows) // _GROUP_SAMPLE, 1)]
        reach = _Z95 * evidence.standard_error(twins.take(some), effect / intensity) * intensity
        level = str(column.levels[int(value)]) if column.kind == "category" else f"{value:g}"
        row = GroupEffect(name, level, count, effect, effect - reach, effect + reach)
        effects[name] = (*effects.get(name, ()), row)
    return effects


def _robust(effects: NDArray[np.float64]) -> tuple[NDArray[np.float64], tuple[str, ...]]:
    """Put individual effects that are not numbers at the median of the others and say so."""
    bad = ~np.isfinite(effects)
    if not bad.any():
        return effects, ()
    if bad.all():
        raise ModelInferenceError("no individual effect could be computed; check the evidence's covariates")
    note = f"{int(bad.sum())} individual effects could not be computed and stand at the median of the others."
    return np.where(bad, np.median(effects[~bad]), effects), (note,)
