"""The nouns of neurochemistry: regions, transmitters, receptors, measured effects. Values and rules only."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from numbers import Integral, Real
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from novamind.errors import InsufficientDataError, ValidationError

Floats = NDArray[np.float64]


def is_number(value: object, low: float = -math.inf, high: float = math.inf) -> bool:
    """Return whether a value is a finite number (a bool is none) from ``low`` to ``high``."""
    if not isinstance(value, Real) or isinstance(value, bool):
        return False
    return math.isfinite(value) and low <= float(value) <= high


def is_whole(value: object, low: int, high: int) -> bool:
    """Return whether a value is a whole number (a bool is none) from ``low`` to ``high``."""
    return isinstance(value, Integral) and not isinstance(value, bool) and low <= int(value) <= high


class BrainRegion(StrEnum):
    """Regions a caller can name; ``reference.REGIONS`` says which are simulated, composite or unmapped."""

    PREFRONTAL_CORTEX = "prefrontal_cortex"
    AMYGDALA = "amygdala"
    HIPPOCAMPUS = "hippocampus"
    NUCLEUS_ACCUMBENS = "nucleus_accumbens"
    LOCUS_COERULEUS = "locus_coeruleus"
    VENTRAL_TEGMENTAL_AREA = "ventral_tegmental_area"
    RAPHE_NUCLEI = "raphe_nuclei"
    STRIATUM = "striatum"
    SUBSTANTIA_NIGRA = "substantia_nigra"
    HYPOTHALAMUS = "hypothalamus"
    THALAMUS = "thalamus"
    INSULA = "insula"
    ANTERIOR_CINGULATE_CORTEX = "anterior_cingulate_cortex"
    ORBITOFRONTAL_CORTEX = "orbitofrontal_cortex"
    PARIETAL_CORTEX = "parietal_cortex"
    TEMPORAL_CORTEX = "temporal_cortex"
    OCCIPITAL_CORTEX = "occipital_cortex"
    BASAL_GANGLIA = "basal_ganglia"
    CEREBELLUM = "cerebellum"
    BRAIN_STEM = "brain_stem"
    VENTRAL_STRIATUM = "ventral_striatum"
    DORSAL_STRIATUM = "dorsal_striatum"
    PITUITARY = "pituitary"


class Neurotransmitter(StrEnum):
    """Transmitters a caller can name; only those with a published map or model are computed."""

    SEROTONIN = "serotonin"
    DOPAMINE = "dopamine"
    NOREPINEPHRINE = "norepinephrine"
    GABA = "gaba"
    GLUTAMATE = "glutamate"
    ACETYLCHOLINE = "acetylcholine"
    ENDORPHINS = "endorphins"
    SUBSTANCE_P = "substance_p"
    OXYTOCIN = "oxytocin"
    HISTAMINE = "histamine"
    GLYCINE = "glycine"
    ADENOSINE = "adenosine"


class ReceptorType(StrEnum):
    """What activation of the receptor does to the cell that carries it."""

    EXCITATORY = "excitatory"
    INHIBITORY = "inhibitory"
    MODULATORY = "modulatory"


class ReceptorSubtype(StrEnum):
    """Receptor subtypes with a density map in ``reference/densities.csv`` or an affinity in ``affinities.csv``."""

    SEROTONIN_5HT1A = "5-HT1A"
    SEROTONIN_5HT1B = "5-HT1B"
    SEROTONIN_5HT2A = "5-HT2A"
    SEROTONIN_5HT2C = "5-HT2C"
    DOPAMINE_D1 = "D1"
    DOPAMINE_D2 = "D2"
    ADRENERGIC_ALPHA1 = "alpha1"
    ADRENERGIC_ALPHA2 = "alpha2"
    ACETYLCHOLINE_MUSCARINIC_M1 = "M1"
    HISTAMINE_H1 = "H1"
    GABA_A = "GABA-A"
    GLUTAMATE_AMPA = "AMPA"
    GLUTAMATE_NMDA = "NMDA"


class ClinicalSignificance(StrEnum):
    """Size bands of a standardised effect, smallest first.

    The limits of :meth:`from_effect_size` are Cohen's (1988) 0.2, 0.5, 0.8 and Sawilowsky's (2009) 0.01, 1.2
    and 2.0; ``CRITICAL`` (4 and more) is ours. They grade the size of a change, not its importance to a patient.
    """

    NONE = "none"
    MINIMAL = "minimal"
    MILD = "mild"
    MODERATE = "moderate"
    SIGNIFICANT = "significant"
    MAJOR = "major"
    SEVERE = "severe"
    CRITICAL = "critical"

    @classmethod
    def from_effect_size(cls, effect_size: float) -> "ClinicalSignificance":
        """Return the band of a standardised mean difference, whatever its sign."""
        limits = (0.01, 0.2, 0.5, 0.8, 1.2, 2.0, 4.0)
        return list(cls)[int(np.searchsorted(limits, abs(effect_size), side="right"))]


@dataclass(frozen=True, slots=True)
class ReceptorProfile:
    """How much of one receptor one region carries.

    Parameters
    ----------
    density
        Non-negative, in ``unit``; densities in different units are not comparable.
    source, licence
        Where the figure was published and what allows it to be passed on.
    """

    brain_region: BrainRegion
    neurotransmitter: Neurotransmitter
    receptor_type: ReceptorType
    receptor_subtype: ReceptorSubtype
    density: float
    unit: str
    source: str
    licence: str

    def __post_init__(self) -> None:
        if not (math.isfinite(self.density) and self.density >= 0):
            raise ValidationError("density must be a finite number of at least 0")


def standardised_effect(difference: float, sd: float, degrees_of_freedom: float) -> float:
    """Return Hedges' g: a mean difference over its standard deviation, corrected for small samples (Hedges 1981)."""
    correction = 1.0 - 3.0 / (4.0 * degrees_of_freedom - 1.0) if degrees_of_freedom > 1 else 1.0
    return difference / sd * correction


@dataclass(frozen=True, slots=True)
class NeurotransmitterEffect:
    """A standardised change of one transmitter, with its uncertainty.

    Parameters
    ----------
    effect_size
        Standardised mean difference (Hedges' g), positive for an increase.
    confidence_interval
        95 % interval of ``effect_size``.
    p_value
        Two-sided, against no change.
    sample_size
        Number of measurements used.
    """

    neurotransmitter: Neurotransmitter
    effect_size: float
    confidence_interval: tuple[float, float]
    p_value: float
    sample_size: int
    clinical_significance: ClinicalSignificance

    def __post_init__(self) -> None:
        try:
            object.__setattr__(self, "neurotransmitter", Neurotransmitter(self.neurotransmitter))
        except ValueError:
            raise ValidationError(f"unknown neurotransmitter; choose one of {', '.join(Neurotransmitter)}") from None
        low, high = (float(bound) for bound in self.confidence_interval)
        object.__setattr__(self, "effect_size", float(self.effect_size))
        object.__setattr__(self, "confidence_interval", (low, high))
        object.__setattr__(self, "p_value", float(self.p_value))
        object.__setattr__(self, "sample_size", int(self.sample_size))
        if not all(map(math.isfinite, (self.effect_size, low, high))):
            raise ValidationError("effect_size and confidence_interval must be finite numbers")
        if low > high:
            raise ValidationError("confidence_interval must be (low, high) with low <= high")
        if not 0.0 <= self.p_value <= 1.0:
            raise ValidationError("p_value must lie between 0 and 1")
        if self.sample_size < 1:
            raise ValidationError("sample_size must be at least 1")

    @classmethod
    def create(
        cls,
        neurotransmitter: Neurotransmitter,
        raw_data: Sequence[float],
        baseline_data: Sequence[float],
        clinical_significance: ClinicalSignificance | None = None,
    ) -> Self:
        """Return the effect between two samples of *independent* measurements (Welch's test, Hedges' g).

        Measurements of one person over time are not independent: use
        :meth:`TemporalNeurotransmitterMapping.analyze_temporal_response` for those.

        Two constant samples that agree give an effect of 0 with p = 1. If they differ, or only chance could
        make them constant, there is no spread to standardise by.

        Raises
        ------
        InsufficientDataError
            Fewer than two measurements in a sample, or two different samples without any spread.
        ValidationError
            A measurement is not a finite number.
        """
        if min(len(raw_data), len(baseline_data)) < 2:
            raise InsufficientDataError("raw_data and baseline_data need at least two measurements each")
        if not all(map(is_number, (*raw_data, *baseline_data))):
            raise ValidationError("raw_data and baseline_data must hold finite numbers only")
        after, before = (np.asarray(sample, dtype=np.float64) for sample in (raw_data, baseline_data))
        difference = float(after.mean() - before.mean())
        total = after.size + before.size
        pooled = math.sqrt(
            (after.var(ddof=1) * (after.size - 1) + before.var(ddof=1) * (before.size - 1)) / (total - 2)
        )
        resolution = 1e-12 * max(1.0, float(np.abs(np.concatenate([after, before])).max()))
        if pooled <= resolution:
            if abs(difference) > resolution:
                raise InsufficientDataError(
                    "both samples are constant but differ: without any spread a standardised effect is undefined"
                )
            effect, interval, p_value = 0.0, (0.0, 0.0), 1.0
        else:
            from scipy import stats  # half a second to import

            effect = standardised_effect(difference, pooled, total - 2)
            spread = math.sqrt(total / (after.size * before.size) + effect**2 / (2 * (total - 2)))
            margin = float(stats.t.ppf(0.975, total - 2)) * spread
            interval = (effect - margin, effect + margin)
            groups = ((sample.mean(), sample.std(ddof=1), sample.size) for sample in (after, before))
            p_value = float(stats.ttest_ind_from_stats(*next(groups), *next(groups), equal_var=False).pvalue)
        return cls(
            neurotransmitter,
            effect,
            interval,
            p_value,
            total,
            clinical_significance or ClinicalSignificance.from_effect_size(effect),
        )

    @property
    def is_statistically_significant(self) -> bool:
        """Whether p is below 0.05."""
        return self.p_value < 0.05

    @property
    def precision(self) -> float:
        """One over the width of the interval; infinite where the interval is a point."""
        width = self.confidence_interval[1] - self.confidence_interval[0]
        return 1.0 / width if width > 0 else math.inf

    @property
    def effect_magnitude(self) -> str:
        """``negligible``, ``small``, ``medium`` or ``large`` (Cohen 1988)."""
        bands = ("negligible", "small", "medium", "large")
        return bands[int(np.searchsorted((0.2, 0.5, 0.8), abs(self.effect_size), side="right"))]

    @property
    def direction(self) -> str:
        """``increase``, ``decrease`` or ``no change``."""
        if self.effect_size == 0:
            return "no change"
        return "increase" if self.effect_size > 0 else "decrease"

    def to_visualization_data(self) -> dict[str, Any]:
        """Return plain values for a chart or a JSON document."""
        return {
            "neurotransmitter": self.neurotransmitter.value,
            "effect_size": self.effect_size,
            "confidence_interval": list(self.confidence_interval),
            "p_value": self.p_value,
            "sample_size": self.sample_size,
            "is_significant": self.is_statistically_significant,
            "effect_magnitude": self.effect_magnitude,
            "direction": self.direction,
            "clinical_significance": self.clinical_significance.value,
        }
