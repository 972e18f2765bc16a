"""A fast emulator of the twin: gradient-boosted trees trained on simulated patients, with exact contributions.

It answers one question, what a sustained change of one monoamine's release does to the level of each monoamine
in a region on a given day, for any parameter set. It knows nothing that the twin does not know: it is faster,
and its SHAP contributions (Lundberg 2020 Nat Mach Intell 2:56) say which input moved the answer. Trained by
``novamind train neurochemistry``; the manifest beside the weights holds seed, hash and held-out agreement.
"""

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import fields
from functools import cache
from importlib import resources
from typing import Any, TypedDict
from uuid import UUID

import numpy as np

from novamind.errors import InsufficientDataError, ModelInferenceError, ValidationError
from novamind.neurochemistry.domain import BrainRegion, Floats, Neurotransmitter, is_number
from novamind.neurochemistry.dynamics import MONOAMINES, Parameters, ensemble, typical
from novamind.neurochemistry.reference import LEAVES, as_region, innervation, region_weights, transporter_density
from novamind.neurochemistry.treatment import Outcome, Treatment, as_monoamine, check_effect, interaction

#: Parameters that move transmitter levels, in the order of the model's inputs.
PARAMETER_NAMES = tuple(field.name for field in fields(Parameters) if field.name != "symptom_days")
FEATURE_NAMES = (
    *PARAMETER_NAMES,
    "log_release",
    "log_day",
    "sert_density",
    "net_density",
    "dat_density",
    "nigral_share",
    *(f"treated_{name.value}" for name in MONOAMINES),
    *(f"observed_{name.value}" for name in MONOAMINES),
)
#: Days on which the emulator was trained.
DAY_RANGE = (0.5, 84.0)
TIMEFRAME_DAYS = (1, 7, 14, 28, 42, 84)
#: Standard deviation of a measured level about the patient's true one, for calibration. A modelling choice.
MEASUREMENT_SD = 0.2
WEIGHTS_FILE = "surrogate.ubj"
MANIFEST_FILE = "surrogate.json"


def has_terminals(region: BrainRegion, transmitter: Neurotransmitter) -> bool:
    """Return whether every part of the region is supplied with the transmitter."""
    return all(LEAVES[i] in innervation(transmitter) for i in np.flatnonzero(region_weights(region)))


def features(
    parameters: Parameters,
    region: BrainRegion,
    treated: Neurotransmitter,
    observed: Neurotransmitter,
    effect: Floats | float,
    day: Floats | float,
) -> Floats:
    """Return inputs of the model, shape ``(sets, len(FEATURE_NAMES))``; ``effect`` and ``day`` broadcast over sets."""
    count = parameters.count
    weights = region_weights(region)
    supply = innervation(Neurotransmitter.DOPAMINE)
    nigral = np.array([supply.get(leaf, ("", 0.0))[0] == "substantia_nigra" for leaf in LEAVES])
    constant = [
        *(float(weights @ transporter_density(name)) for name in ("SERT", "NET", "DAT")),
        float(weights @ nigral),
        *(float(name is treated) for name in MONOAMINES),
        *(float(name is observed) for name in MONOAMINES),
    ]
    columns = [getattr(parameters, name)[:, 0] for name in PARAMETER_NAMES]
    columns += [np.broadcast_to(np.log1p(effect), count), np.broadcast_to(np.log1p(day), count)]
    return np.column_stack([*columns, *(np.full(count, value) for value in constant)])


@cache
def _model() -> tuple[Any, Mapping[str, Any]]:
    """Return booster and manifest, after the weights' hash has been checked."""
    import xgboost

    folder = resources.files(__package__).joinpath("weights")
    manifest = json.loads(folder.joinpath(MANIFEST_FILE).read_text(encoding="utf-8"))
    weights = folder.joinpath(WEIGHTS_FILE).read_bytes()
    if hashlib.sha256(weights).hexdigest() != manifest["sha256"]:
        raise ModelInferenceError("the surrogate's weights do not match their manifest; reinstall the package")
    booster = xgboost.Booster({"nthread": 1})
    booster.load_model(bytearray(weights))
    return booster, manifest


def manifest() -> Mapping[str, Any]:
    """Return seed, hash and held-out agreement of the shipped weights."""
    return _model()[1]


def predict(inputs: Floats) -> Floats:
    """Return the log of the level relative to baseline, one a row of :func:`features`."""
    return np.asarray(_model()[0].inplace_predict(inputs), dtype=np.float64)


def contributions(inputs: Floats) -> Floats:
    """Return SHAP values and, last, the bias: ``(rows, len(FEATURE_NAMES) + 1)``. Rows sum to :func:`predict`."""
    import xgboost

    matrix = xgboost.DMatrix(inputs)
    return np.asarray(_model()[0].predict(matrix, pred_contribs=True), dtype=np.float64)


class Coupled(TypedDict):
    """Level of another transmitter at the end of the timeframe, relative to baseline, with its 90 % band."""

    level: float
    low: float
    high: float


class TreatmentPrediction(TypedDict):
    """What the emulator says. Levels are relative to baseline (1); ``low`` and ``high`` are the 90 % band.

    ``contributions`` (with ``bias``) add up to ``log_response``, the emulator's logarithmic level of the typical or,
    after calibration, the best-fitting parameter set on the last day.
    """

    patient_id: str
    brain_region: str
    neurotransmitter: str
    timeframe_days: list[int]
    predicted_response: list[float]
    low: list[float]
    high: list[float]
    coupled: dict[str, Coupled]
    contributions: dict[str, float]
    bias: float
    log_response: float
    calibrated_on: int
    effective_parameter_sets: float
    emulator_of: str
    held_out_r2: float


class EnhancedXGBoostService:
    """Predictions of the emulator, calibrated to one patient where measurements are given."""

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
        region, treated = as_region(brain_region), as_monoamine(neurotransmitter)
        effect = check_effect(treatment_effect)
        if not has_terminals(region, treated):
            raise InsufficientDataError(f"no {treated.value} terminals are mapped in {region.value}")
        sets = ensemble()
        weights = self._weights(sets, region, treated, effect, baseline_data or {})
        response = [
            _weighted(np.exp(predict(features(sets, region, treated, treated, effect, day))), weights)
            for day in TIMEFRAME_DAYS
        ]
        coupled: dict[str, Coupled] = {}
        for other in MONOAMINES:
            if other is not treated and has_terminals(region, other):
                inputs = features(sets, region, treated, other, effect, TIMEFRAME_DAYS[-1])
                middle, low, high = _weighted(np.exp(predict(inputs)), weights)
                coupled[other.value] = Coupled(level=middle, low=low, high=high)
        chosen = sets.take(np.array([int(weights.argmax())])) if baseline_data else typical()
        row = features(chosen, region, treated, treated, effect, TIMEFRAME_DAYS[-1])
        shares = contributions(row)[0]
        return TreatmentPrediction(
            patient_id=str(patient_id),
            brain_region=region.value,
            neurotransmitter=treated.value,
            timeframe_days=list(TIMEFRAME_DAYS),
            predicted_response=[middle for middle, _, _ in response],
            low=[low for _, low, _ in response],
            high=[high for _, _, high in response],
            coupled=coupled,
            contributions=dict(zip(FEATURE_NAMES, shares[:-1].tolist(), strict=True)),
            bias=float(shares[-1]),
            log_response=float(predict(row)[0]),
            calibrated_on=len(baseline_data or {}),
            effective_parameter_sets=float(1.0 / (weights**2).sum()),
            emulator_of="novamind neurochemical twin (simulated, not measured, responses)",
            held_out_r2=float(manifest()["metrics"]["r2_held_out_patients"]),
        )

    def analyze_treatment_interactions(
        self,
        primary_neurotransmitter: Neurotransmitter | str,
        primary_effect: float,
        secondary_neurotransmitters: Mapping[Neurotransmitter | str, float],
        brain_region: BrainRegion | str = BrainRegion.PREFRONTAL_CORTEX,
    ) -> dict[str, Any]:
        """Return how changes of several transmitters act together, by factorial simulation of the twin itself.

        Each pair is simulated apart and together; the interaction on a transmitter's level after six weeks is
        ``E(AB) - E(A) - E(B) + E(0)``, and a pair's figure is the sum over the transmitters of the region. ``net``
        takes all secondary changes together, so that synergy and antagonism can cancel.
        """
        region, primary = as_region(brain_region), as_monoamine(primary_neurotransmitter)
        if not (isinstance(secondary_neurotransmitters, Mapping) and secondary_neurotransmitters):
            raise ValidationError("secondary_neurotransmitters must map at least one transmitter to its effect")
        first = Treatment({primary: primary_effect})
        seconds = {
            as_monoamine(name): Treatment({as_monoamine(name): effect})
            for name, effect in secondary_neurotransmitters.items()
        }
        if primary in seconds:
            raise ValidationError("a secondary transmitter must differ from the primary one")
        outcomes = [Outcome(name, region) for name in MONOAMINES if has_terminals(region, name)]

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

    @staticmethod
    def _weights(
        sets: Parameters,
        region: BrainRegion,
        treated: Neurotransmitter,
        effect: float,
        measured: Mapping[float, float],
    ) -> Floats:
        misfit = np.zeros(sets.count)
        for day, level in measured.items():
            if not (is_number(day, *DAY_RANGE) and is_number(level) and level > 0):
                raise ValidationError("baseline_data maps days from 0.5 to 84 to positive levels relative to baseline")
            expected = np.exp(predict(features(sets, region, treated, treated, effect, day)))
            misfit += ((level - expected) / MEASUREMENT_SD) ** 2
        weights = np.exp(-0.5 * (misfit - misfit.min()))
        return np.asarray(weights / weights.sum())


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
