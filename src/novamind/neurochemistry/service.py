"""What a sustained change of one transmitter does over twelve weeks, by the twin itself, for one patient.

An emulator of boosted trees, which the service is named for, answered here once. Between patients at one dose it
explained nothing (median R2 within a dose -1.4, docs/neurochemistry.md), while the twin needs a tenth of a second.
"""

import math
from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any, TypedDict
from uuid import UUID

import numpy as np

from novamind.errors import InsufficientDataError, ValidationError
from novamind.neurochemistry.amino_acids import AMINO_ACIDS
from novamind.neurochemistry.domain import BrainRegion, Floats, Neurotransmitter, is_number
from novamind.neurochemistry.dynamics import MONOAMINES, Parameters, ensemble, typical
from novamind.neurochemistry.reference import LEAVES, as_region, innervation, region_weights
from novamind.neurochemistry.simulation import region_level
from novamind.neurochemistry.treatment import (
    Outcome,
    Treatment,
    as_modelled,
    check_effect,
    interaction,
)

#: Days that can be asked for and given.
DAY_RANGE = (0.5, 84.0)
TIMEFRAME_DAYS = (1, 7, 14, 28, 42, 84)
#: Standard deviation of a measured level about the patient's true one, for calibration. A modelling choice.
MEASUREMENT_SD = 0.2
_STEP_HOURS = 12.0
#: Parameters that move transmitter levels.
PARAMETER_NAMES = tuple(field.name for field in fields(Parameters) if field.name != "symptom_days")


class Coupled(TypedDict):
    """Level of another transmitter at the end of the timeframe, relative to baseline, with its 90 % band."""

    level: float
    low: float
    high: float


class TreatmentPrediction(TypedDict):
    """What the twin says. Levels are relative to baseline (1); ``low`` and ``high`` are the 90 % band.

    ``sensitivity`` is, by parameter, how far the logarithm of the level on the last day moves when the parameter goes
    from its 5 % to its 95 % quantile over the shipped sets. The others stay at the typical or, after calibration, the
    best-fitting set, whose own logarithm is ``log_response``.
    """

    patient_id: str
    brain_region: str
    neurotransmitter: str
    timeframe_days: list[int]
    predicted_response: list[float]
    low: list[float]
    high: list[float]
    coupled: dict[str, Coupled]
    sensitivity: dict[str, float]
    log_response: float
    calibrated_on: int
    effective_parameter_sets: float
    method: str


class EnhancedXGBoostService:
    """Predictions of the twin, calibrated to one patient where measurements are given."""

    def predict_treatment_response(
        self,
        patient_id: UUID | str,
        brain_region: BrainRegion | str,
        neurotransmitter: Neurotransmitter | str,
        treatment_effect: float,
        baseline_data: Mapping[float, float] | None = None,
    ) -> TreatmentPrediction:
        """Return levels over twelve weeks of a sustained change of release.

        Parameters
        ----------
        treatment_effect
            Relative change of release, -0.9 to 5.
        baseline_data
            What was measured in this patient under this treatment before: day (0.5 to 84) to level relative to
            baseline. The shipped parameter sets are weighted by how well they agree.

        Raises
        ------
        NotFoundError
            A transmitter without a dynamic model, or an unmapped region.
        InsufficientDataError
            The region has no terminals of the transmitter.
        ValidationError
            An effect, a day or a level out of range.
        """
        region, treated = as_region(brain_region), as_modelled(neurotransmitter)
        treatment = Treatment({treated: check_effect(treatment_effect)})
        present = _present(region)
        if treated not in present:
            raise InsufficientDataError(f"no {treated.value} terminals are mapped in {region.value}")
        sets, measured = ensemble(), _measured(baseline_data or {})
        chemistry = treatment.chemistry(DAY_RANGE[1], sets, _STEP_HOURS)
        levels = {name: region_level(chemistry, name, region) for name in present}
        weights = _weights(levels[treated], measured)
        response = [_weighted(_on_day(levels[treated], day), weights) for day in TIMEFRAME_DAYS]
        coupled: dict[str, Coupled] = {}
        for other in present:
            if other is not treated and np.abs(levels[other] - 1.0).max() > 1e-9:
                middle, low, high = _weighted(levels[other][:, -1], weights)
                coupled[other.value] = Coupled(level=middle, low=low, high=high)
        chosen = sets.take(np.array([int(weights.argmax())])) if measured else typical()
        sensitivity, log_response = _sensitivity(treatment, treated, region, chosen)
        return TreatmentPrediction(
            patient_id=str(patient_id),
            brain_region=region.value,
            neurotransmitter=treated.value,
            timeframe_days=list(TIMEFRAME_DAYS),
            predicted_response=[middle for middle, _, _ in response],
            low=[low for _, low, _ in response],
            high=[high for _, _, high in response],
            coupled=coupled,
            sensitivity=sensitivity,
            log_response=log_response,
            calibrated_on=len(measured),
            effective_parameter_sets=float(1.0 / (weights**2).sum()),
            method="novamind neurochemical twin (simulated, not measured, responses)",
        )

    def analyze_treatment_interactions(
        self,
        primary_neurotransmitter: Neurotransmitter | str,
        primary_effect: float,
        secondary_neurotransmitters: Mapping[Neurotransmitter | str, float],
        brain_region: BrainRegion | str = BrainRegion.PREFRONTAL_CORTEX,
    ) -> dict[str, Any]:
        """Return how changes of several transmitters act together, by factorial simulation.

        Each pair is simulated apart and together; the interaction on a transmitter's level after six weeks is
        ``E(AB) - E(A) - E(B) + E(0)``, and a pair's figure is the sum over the transmitters of the region. ``net``
        takes all secondary changes together, so that synergy and antagonism can cancel.
        """
        region, primary = as_region(brain_region), as_modelled(primary_neurotransmitter)
        if not (isinstance(secondary_neurotransmitters, Mapping) and secondary_neurotransmitters):
            raise ValidationError("secondary_neurotransmitters must map at least one transmitter to its effect")
        first = Treatment({primary: primary_effect})
        seconds = {
            as_modelled(name): Treatment({as_modelled(name): effect})
            for name, effect in secondary_neurotransmitters.items()
        }
        if primary in seconds:
            raise ValidationError("a secondary transmitter must differ from the primary one")
        outcomes = [Outcome(name, region) for name in _present(region)]

        def total(second: Treatment) -> dict[str, float]:
            return {outcome.transmitter.value: float(interaction(first, second, outcome)[0]) for outcome in outcomes}

        together = Treatment()
        for second in seconds.values():
            together = together + second
        pairs = {name.value: total(second) for name, second in seconds.items()}
        net = total(together)
        return {
            "primary": primary.value,
            "brain_region": region.value,
            "interactions": {
                name: {
                    "interaction": math.fsum(by.values()),
                    "kind": _kind(math.fsum(by.values())),
                    "by_transmitter": by,
                }
                for name, by in pairs.items()
            },
            "net": {"interaction": math.fsum(net.values()), "kind": _kind(math.fsum(net.values()))},
            "method": "factorial simulation, E(AB) - E(A) - E(B) + E(0), after 42 days, relative to baseline",
        }


def _present(region: BrainRegion) -> list[Neurotransmitter]:
    """Return the modelled transmitters that every part of the region is supplied with."""
    leaves = [LEAVES[i] for i in np.flatnonzero(region_weights(region))]
    supplied = [name for name in MONOAMINES if all(leaf in innervation(name) for leaf in leaves)]
    return [*supplied, *AMINO_ACIDS]


def _on_day(levels: Floats, day: float) -> Floats:
    """Return the levels on a day, linear between the two nearest times; the last axis is time."""
    place = day * 24.0 / _STEP_HOURS
    before = min(int(place), levels.shape[-1] - 2)
    return np.asarray(levels[..., before] + (place - before) * (levels[..., before + 1] - levels[..., before]))


def _measured(data: Mapping[float, float]) -> dict[float, float]:
    for day, level in data.items():
        if not (is_number(day, *DAY_RANGE) and is_number(level) and level > 0):
            raise ValidationError("baseline_data maps days from 0.5 to 84 to positive levels relative to baseline")
    return dict(data)


def _weights(levels: Floats, measured: Mapping[float, float]) -> Floats:
    """Return the weight of each set: the normal density of its misfit, normalised."""
    misfit = np.zeros(levels.shape[0])
    for day, level in measured.items():
        misfit += ((level - _on_day(levels, day)) / MEASUREMENT_SD) ** 2
    weights = np.exp(-0.5 * (misfit - misfit.min()))
    return np.asarray(weights / weights.sum())


def _sensitivity(
    treatment: Treatment, treated: Neurotransmitter, region: BrainRegion, chosen: Parameters
) -> tuple[dict[str, float], float]:
    """Return by parameter how far it moves the log level on the last day, and the log level of the chosen set."""
    sets, moved = ensemble(), chosen.take(np.zeros(2 * len(PARAMETER_NAMES) + 1, dtype=np.intp))
    for index, name in enumerate(PARAMETER_NAMES):
        values = getattr(moved, name).copy()
        values[2 * index : 2 * index + 2, 0] = np.quantile(getattr(sets, name), (0.05, 0.95))
        moved = replace(moved, **{name: values})
    chemistry = treatment.chemistry(DAY_RANGE[1], moved, _STEP_HOURS)
    last = np.log(np.broadcast_to(region_level(chemistry, treated, region), (moved.count, 169))[:, -1])
    spans = last[1:-1:2] - last[:-1:2]
    return dict(zip(PARAMETER_NAMES, spans.tolist(), strict=True)), float(last[-1])


def _weighted(values: Floats, weights: Floats) -> tuple[float, float, float]:
    """Return the weighted median and 5 % and 95 % quantiles."""
    order = np.argsort(values)
    cumulative = np.cumsum(weights[order]) - 0.5 * weights[order]
    low, middle, high = np.interp((0.05, 0.5, 0.95), cumulative, values[order])
    return float(middle), float(low), float(high)


def _kind(value: float) -> str:
    """Return the name of an interaction's sign; below 1e-6 the two add up."""
    if abs(value) < 1e-6:
        return "additive"
    return "synergistic" if value > 0 else "antagonistic"
