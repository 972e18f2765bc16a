"""The map of receptors and projections, and what follows from it over time."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Self
from uuid import UUID

import numpy as np

from novamind.errors import NotFoundError, ValidationError
from novamind.neurochemistry.amino_acids import AMINO_ACIDS
from novamind.neurochemistry.domain import (
    BrainRegion,
    ClinicalSignificance,
    Floats,
    Neurotransmitter,
    NeurotransmitterEffect,
    ReceptorProfile,
    is_number,
    is_whole,
)
from novamind.neurochemistry.dynamics import typical
from novamind.neurochemistry.graph import cascade, generator, steady_state
from novamind.neurochemistry.pharmacokinetics import Physiology, Schedule
from novamind.neurochemistry.reference import (
    LEAVES,
    MAPPED_REGIONS,
    as_region,
    as_transmitter,
    receptor_profiles,
    region_weights,
    table,
)
from novamind.neurochemistry.simulation import MAXIMUM_WEEKS, bands, members, region_level, run
from novamind.neurochemistry.treatment import MODELLED, Treatment, check_effect
from novamind.timeline.clock import parse_instant
from novamind.timeline.interrupted_series import InterruptedSeries
from novamind.timeline.sequence import TemporalSequence

MAXIMUM_CASCADE_STEPS = 10_000


def _production() -> dict[Neurotransmitter, tuple[BrainRegion, ...]]:
    sources: dict[Neurotransmitter, set[str]] = {}
    for row in table("nuclei"):
        sources.setdefault(Neurotransmitter(row["transmitter"]), set()).add(row["nucleus"])
    for row in table("projections"):
        sources.setdefault(Neurotransmitter(row["transmitter"]), set()).add(row["source_region"])
    return {
        transmitter: tuple(region for region in BrainRegion if region.value in leaves)
        for transmitter, leaves in sources.items()
    }


@dataclass(frozen=True)
class NeurotransmitterMapping:
    """Which regions carry which receptors and which send which transmitters; the published tables by default."""

    patient_id: UUID | str | None = None
    receptor_profiles: tuple[ReceptorProfile, ...] = field(default_factory=receptor_profiles)
    production_map: Mapping[Neurotransmitter, tuple[BrainRegion, ...]] = field(default_factory=_production)

    def add_receptor_profile(self, profile: ReceptorProfile) -> Self:
        """Return the mapping with one more profile."""
        return replace(self, receptor_profiles=(*self.receptor_profiles, profile))

    def profiles(
        self, brain_region: BrainRegion | str, neurotransmitter: Neurotransmitter | str
    ) -> tuple[ReceptorProfile, ...]:
        """Return the receptors of one transmitter in one region.

        Raises
        ------
        NotFoundError
            No density is mapped there; none is assumed.
        """
        region, transmitter = as_region(brain_region), as_transmitter(neurotransmitter)
        receptors = tuple(
            profile
            for profile in self.receptor_profiles
            if profile.brain_region is region and profile.neurotransmitter is transmitter
        )
        if not receptors:
            raise NotFoundError(f"no receptor density of {transmitter.value} is mapped in {region.value}")
        return receptors


@dataclass(frozen=True)
class TemporalNeurotransmitterMapping(NeurotransmitterMapping):
    """The map with time: cascades, courses of treatment, and changes in measured series.

    Parameters
    ----------
    schedules
        Drugs taken, for :meth:`generate_temporal_sequence`; their times count from its first timestamp.
    cut
        Connections taken out, as pairs of simulated regions (source, target).
    """

    schedules: Mapping[str, Schedule] = field(default_factory=dict)
    cut: frozenset[tuple[str, str]] = frozenset()

    def without_connection(self, source: BrainRegion | str, target: BrainRegion | str) -> Self:
        """Return the mapping with everything that runs from ``source`` to ``target`` cut."""
        pairs = {
            (LEAVES[i], LEAVES[j])
            for i in np.flatnonzero(region_weights(as_region(source)))
            for j in np.flatnonzero(region_weights(as_region(target)))
        }
        return replace(self, cut=self.cut | pairs)

    def generate_temporal_sequence(
        self,
        brain_region: BrainRegion | str,
        neurotransmitter: Neurotransmitter | str,
        timestamps: Sequence[datetime | str],
    ) -> TemporalSequence:
        """Return levels relative to baseline (1) at the given moments, under ``schedules`` taken from the first moment.

        Without drugs the level is 1 throughout: nothing published says how it would wander.

        Raises
        ------
        NotFoundError
            The region is unmapped, or under drugs the transmitter has no model or no terminals there.
        ValidationError
            Moments that do not increase or lie further apart than the longest course.
        """
        region, transmitter = as_region(brain_region), as_transmitter(neurotransmitter)
        region_weights(region)
        hours = _elapsed_hours(timestamps)
        if self.schedules:
            course = run(self.schedules, math.ceil(hours[-1]) + 2, Physiology.typical(), typical())
            level = region_level(course.chemistry, transmitter, region)[0]
            values = np.interp(hours, np.arange(level.size, dtype=np.float64), level)
        else:
            values = np.ones(hours.size)
        return self._sequence({transmitter.value: values}, timestamps, region)

    def predict_cascade_effect(
        self,
        starting_region: BrainRegion | str,
        neurotransmitter: Neurotransmitter | str,
        initial_level: float,
        time_steps: int,
        step_hours: float = 1.0,
    ) -> dict[BrainRegion, Floats]:
        """Return the spread of a deviation from baseline through the projection graph.

        Parameters
        ----------
        initial_level
            Deviation at step 0 in the starting region; negative for a fall.
        time_steps
            Number of values a region, the first at time 0.

        Returns
        -------
        dict
            Region to deviations, shape ``(time_steps,)``; exactly 0 where no path leads. Unmapped regions are absent.

        Raises
        ------
        NotFoundError
            The starting region is unmapped or the transmitter has no projections in the tables.
        ValidationError
            A level, number or length of steps out of range.
        """
        region, transmitter = as_region(starting_region), as_transmitter(neurotransmitter)
        if not is_number(initial_level, -1e6, 1e6):
            raise ValidationError("initial_level must be a finite number between -1e6 and 1e6")
        if not is_whole(time_steps, 1, MAXIMUM_CASCADE_STEPS):
            raise ValidationError(f"time_steps must be a whole number from 1 to {MAXIMUM_CASCADE_STEPS}")
        if not (is_number(step_hours, 0, 24 * 7) and step_hours > 0):
            raise ValidationError("step_hours must be above 0 and at most one week")
        initial = np.asarray((region_weights(region) > 0) * float(initial_level), dtype=np.float64)
        times = np.asarray(np.arange(time_steps) * step_hours, dtype=np.float64)
        spread = cascade(generator(transmitter, self.cut), initial, times)
        return {name: spread @ region_weights(name) for name in MAPPED_REGIONS}

    def analyze_temporal_response(
        self,
        patient_id: UUID | str,
        brain_region: BrainRegion | str,
        neurotransmitter: Neurotransmitter | str,
        time_series_data: Sequence[tuple[datetime | str, float]],
        baseline_period: tuple[datetime | str, datetime | str],
        trend: bool = False,
        onset_days: float = 0.0,
    ) -> NeurotransmitterEffect:
        """Return the test of whether one person's series changed after the baseline period.

        Interrupted time series with autocorrelated noise: see :mod:`novamind.timeline.interrupted_series`.

        Parameters
        ----------
        time_series_data
            (moment, value) in order of time; values before the baseline period are left out.
        baseline_period
            First and last moment of the baseline; what comes later is under the intervention.
        trend
            Whether a straight line runs through both phases (a drift that was there anyway).
        onset_days
            Time constant of a gradual onset; 0 for a step.

        Raises
        ------
        InsufficientDataError
            Fewer than 7 values in a phase, or a series without variation.
        ValidationError
            Unsorted or repeated moments, values that are not finite, or a patient other than the mapping's.
        """
        if self.patient_id is not None and str(self.patient_id) != str(patient_id):
            raise ValidationError("this mapping belongs to another patient; use that patient's own")
        region_weights(as_region(brain_region))
        period = [parse_instant(moment, "baseline_period") for moment in baseline_period]
        if len(period) != 2 or period[1] <= period[0]:
            raise ValidationError("baseline_period must be (first, last) with last after first")
        start, end = period
        if not all(len(point) == 2 and is_number(point[1]) for point in time_series_data):
            raise ValidationError("time_series_data must hold pairs of a moment and a finite number")
        moments = [parse_instant(moment, f"point {row}") for row, (moment, _) in enumerate(time_series_data, 1)]
        days = np.array([(moment - end).total_seconds() / 86400.0 for moment in moments])
        values = np.array([value for _, value in time_series_data], dtype=np.float64)
        kept = days >= (start - end).total_seconds() / 86400.0
        series = InterruptedSeries(days[kept], float(np.nextafter(0.0, 1.0)), trend, onset_days)
        change = series.fit(values[kept])
        effect = float(change.effect_size[0])
        return NeurotransmitterEffect(
            as_transmitter(neurotransmitter),
            effect,
            (float(change.effect_low[0]), float(change.effect_high[0])),
            float(change.p_value[0]),
            int(kept.sum()),
            ClinicalSignificance.from_effect_size(effect),
        )

    def simulate_treatment_response(
        self,
        brain_region: BrainRegion | str,
        target_neurotransmitter: Neurotransmitter | str,
        treatment_effect: float,
        timestamps: Sequence[datetime | str],
        ensemble: int = 0,
        seed: int = 0,
    ) -> dict[Neurotransmitter, TemporalSequence]:
        """Return the response of the target and coupled transmitters to a sustained change of the target's release.

        Monoamines run through the full model (feedback, adaptation, coupling). Glutamate and GABA move one another, and
        approach their levels by the projection graph. Other transmitters approach the effect by the graph alone and
        have no coupled transmitters.

        Parameters
        ----------
        treatment_effect
            Relative change of release from the first timestamp on, -0.9 to 5.
        ensemble, seed
            How many parameter sets the 5 % and 95 % columns are drawn from; 0 for none.

        Returns
        -------
        dict
            Transmitter to its level relative to baseline at every timestamp.

        Raises
        ------
        NotFoundError
            The transmitter is not present in the region, or is not modelled at all.
        ValidationError
            An effect out of range or timestamps that do not increase.
        """
        region, target = as_region(brain_region), as_transmitter(target_neurotransmitter)
        effect = check_effect(treatment_effect)
        hours = _elapsed_hours(timestamps)
        if target not in MODELLED:
            level = 1.0 + effect * self._graph_approach(target, region, hours)
            return {target: self._sequence({target.value: level}, timestamps, region)}
        parameters, _ = members(ensemble, seed, 0.0)
        chemistry = Treatment({target: effect}).chemistry((hours[-1] + 2) / 24, parameters, step_hours=1.0)
        region_level(chemistry, target, region)
        approach = self._graph_approach(target, region, hours) if target in AMINO_ACIDS else 1.0
        result = {}
        for transmitter in MODELLED:
            try:
                levels = region_level(chemistry, transmitter, region)
            except NotFoundError:
                continue
            if transmitter is not target and np.abs(levels - 1.0).max() < 1e-9:
                continue
            grid = np.arange(levels.shape[1], dtype=np.float64)
            at_times = 1.0 + approach * (np.array([np.interp(hours, grid, row) for row in levels]) - 1.0)
            middle, low, high = bands(at_times)
            columns = {transmitter.value: middle}
            if ensemble:
                columns |= {f"{transmitter.value}_low": low, f"{transmitter.value}_high": high}
            result[transmitter] = self._sequence(columns, timestamps, region)
        return result

    def _graph_approach(self, target: Neurotransmitter, region: BrainRegion, hours: Floats) -> Floats:
        """Return by time the share of its final value that a constant drive in the region has reached."""
        matrix = generator(target, self.cut)
        weights = region_weights(region)
        final = steady_state(matrix, (weights > 0).astype(np.float64))
        remaining = cascade(matrix, final, hours) @ weights
        return 1.0 - remaining / (final @ weights)

    def _sequence(
        self, columns: Mapping[str, Floats], timestamps: Sequence[datetime | str], region: BrainRegion
    ) -> TemporalSequence:
        return TemporalSequence.create(
            feature_names=list(columns),
            timestamps=timestamps,
            values=np.column_stack(list(columns.values())),
            patient_id=self.patient_id,
            metadata={"brain_region": region.value, "unit": "relative to drug-free baseline"},
        )


def extend_neurotransmitter_mapping(base_mapping: NeurotransmitterMapping) -> TemporalNeurotransmitterMapping:
    """Return a mapping with the methods that involve time; its profiles and sources are kept."""
    return TemporalNeurotransmitterMapping(
        base_mapping.patient_id, base_mapping.receptor_profiles, base_mapping.production_map
    )


def _elapsed_hours(timestamps: Sequence[datetime | str]) -> Floats:
    """Return hours since the first moment, strictly increasing."""
    moments = [parse_instant(moment, f"timestamp {row}") for row, moment in enumerate(timestamps, 1)]
    if not moments:
        raise ValidationError("timestamps must hold at least one moment")
    hours = np.array([(moment - moments[0]).total_seconds() / 3600.0 for moment in moments])
    if (np.diff(hours) <= 0).any():
        raise ValidationError("timestamps must increase; sort them and merge repeated ones")
    if hours[-1] > MAXIMUM_WEEKS * 7 * 24:
        raise ValidationError(f"timestamps must not span more than {MAXIMUM_WEEKS} weeks")
    return hours
