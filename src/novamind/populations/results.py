"""What people hold: how well a model fits, what a campaign would do, how right the twins were."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from novamind.populations.domain import EffectSource, GroupEffect, InterventionConfig, SimulationRecommendation
from novamind.summary import Summarised, Summary, clipped, counted


@dataclass(frozen=True, repr=False)
class TwinModelMetrics(Summarised):
    """How well a twin model fits; every figure from rows the model had not seen, unless named ``train_``.

    Parameters
    ----------
    model_type
        ``random_forest``, ``gradient_boosting`` (depth 8) or ``shallow_boosting`` (depth 4), whichever
        cross-validation preferred.
    twin_fidelity
        Correlation of cross-validated predictions with the outcome; the forest alone is tried where its own
        reaches 0.75.
    coverage_95, worst_group_coverage, group
        Cross-validated coverage of the 95 % intervals, overall and in the worst level of ``group``
        with at least 50 rows.
    warnings
        Sentences a user must read.
    epsilon, delta
        Differential privacy of the training; ``None`` without. Every figure is then one of the private table.
    """

    model_type: str
    training_samples: int
    train_r2: float
    train_mae: float
    train_rmse: float
    cv_r2_mean: float
    cv_r2_std: float
    cv_mae: float
    cv_rmse: float
    twin_fidelity: float
    coverage_95: float
    worst_group_coverage: float
    group: str | None
    feature_importance: Mapping[str, float]
    rules: tuple[str, ...]
    warnings: tuple[str, ...] = ()
    epsilon: float | None = None
    delta: float | None = None

    def _summary(self) -> Summary:
        text = (
            f"{self.model_type} on {counted(self.training_samples, 'row')}; cross-validated R² {self.cv_r2_mean:.2f}, "
            f"coverage of 95 % intervals {self.coverage_95:.2f}; {counted(len(self.warnings), 'warning')}"
        )
        rows = sorted(self.feature_importance.items(), key=lambda item: -item[1])
        return Summary(text, ("feature", "importance"), rows)

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON of a :class:`novamind.populations.codec.TwinMetricsBody`."""
        from novamind.populations.codec import TwinMetricsBody

        return TwinMetricsBody.of(self).model_dump(mode="json")


@dataclass(frozen=True, repr=False)
class SimulationResult(Summarised):
    """What an intervention would do in a population, and how sure the evidence lets us be.

    Parameters
    ----------
    average_treatment_effect, standard_error, interval
        Mean effect, its standard error and 95 % interval. They come from the evidence, so more twins do
        not narrow them.
    source
        Estimated, transported or assumed.
    individual_effects
        Effect per twin, shape (twins,).
    heterogeneity
        Group effects per grouping column.
    probability_above_minimum
        Posterior probability that the mean effect exceeds ``minimum_effect``.
    recommendation, reason
        Advice, and why, in words.
    checks
        What was checked about the evidence (overlap, placebo, numbers), as sentences.
    """

    intervention: InterventionConfig
    source: EffectSource
    average_treatment_effect: float
    standard_error: float
    interval: tuple[float, float]
    individual_effects: NDArray[np.float64]
    heterogeneity: Mapping[str, tuple[GroupEffect, ...]]
    minimum_effect: float
    confidence: float
    probability_above_minimum: float
    recommendation: SimulationRecommendation
    reason: str
    checks: tuple[str, ...]
    twins: int
    population_id: UUID | None
    model_version: str

    def _summary(self) -> Summary:
        low, high = self.interval
        text = (
            f"{clipped(self.intervention.intervention_type)} on {counted(self.twins, 'twin')}: {self.recommendation}; "
            f"effect {self.average_treatment_effect:.3g} ({low:.3g} to {high:.3g}), {self.source}"
        )
        groups = (group for of in self.heterogeneity.values() for group in of)
        rows = ((group.group, group.level, group.twins, group.effect, group.low, group.high) for group in groups)
        return Summary(text, ("group", "level", "twins", "effect", "95 % from", "to"), rows)

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON of a :class:`novamind.populations.codec.SimulationBody`."""
        from novamind.populations.codec import SimulationBody

        return SimulationBody.of(self).model_dump(mode="json")


@dataclass(frozen=True, repr=False)
class FidelityReport(Summarised):
    """How right twins were, over the pairs whose outcome is known."""

    mae: float
    rmse: float
    correlation: float
    coverage_95: float
    sample_size: int
    missing: int
    outliers: int
    calibration_slope: float
    bias: float
    grade: str
    warnings: tuple[str, ...]
    model_id: UUID | None = None
    population_id: UUID | None = None
    measured_at: datetime | None = None

    def _summary(self) -> Summary:
        text = (
            f"grade {self.grade} over {counted(self.sample_size, 'outcome')}; {counted(len(self.warnings), 'warning')}"
        )
        names = ("mae", "rmse", "correlation", "coverage_95", "bias", "calibration_slope", "missing", "outliers")
        return Summary(text, ("figure", "value"), ((name, getattr(self, name)) for name in names))

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON of a :class:`novamind.populations.codec.FidelityBody`."""
        from novamind.populations.codec import FidelityBody

        return FidelityBody.of(self).model_dump(mode="json")
