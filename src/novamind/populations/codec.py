"""The one JSON of each result of this room, through every door. Results are read by the names of the fields."""

import math
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, Final, Self
from uuid import UUID

from pydantic import AliasPath, BaseModel, BeforeValidator, ConfigDict, Field

from novamind.populations.domain import EffectSource, SimulationRecommendation, TwinType

if TYPE_CHECKING:
    from novamind.populations.population import TwinPopulation

#: How many twins of a population are shown.
_SHOWN: Final = 20


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value


#: A number that some data do not give; null then.
Figure = Annotated[float | None, BeforeValidator(_finite)]


class _Body(BaseModel):
    model_config = ConfigDict(frozen=True, from_attributes=True, protected_namespaces=())


class TwinMetricsBody(_Body):
    """How well a twin model fits; figures are of rows it had not seen unless named ``train_``."""

    model_type: str = Field(description="Kind of model that cross-validation preferred.")
    training_samples: int = Field(description="Number of rows it was trained on.")
    train_r2: Figure = Field(description="Share of the outcome's variance explained, at most 1; of the training rows.")
    train_mae: Figure = Field(description="Mean absolute error, in the outcome's unit; of the training rows.")
    train_rmse: Figure = Field(description="Root mean squared error, in the outcome's unit; of the training rows.")
    cv_r2_mean: Figure = Field(description="Share of the outcome's variance explained, at most 1; mean of the folds.")
    cv_r2_std: Figure = Field(description="Standard deviation of the same between the folds.")
    cv_mae: Figure = Field(description="Mean absolute error, in the outcome's unit.")
    cv_rmse: Figure = Field(description="Root mean squared error, in the outcome's unit.")
    twin_fidelity: Figure = Field(description="Correlation of predictions with the outcome, -1 to 1.")
    coverage_95: Figure = Field(description="Share of outcomes inside their 95 % intervals, 0 to 1.")
    worst_group_coverage: Figure = Field(description="The same in the worst level of `group` with at least 50 rows.")
    group: str | None = Field(description="Column whose levels have intervals of their own; null if none has.")
    feature_importance: dict[str, Figure] = Field(description="Column to its share of the importance; they sum to 1.")
    rules: list[str] = Field(description="Hard rules that every twin keeps.")
    warnings: list[str] = Field(description="Sentences that a user must read.")
    epsilon: float | None = Field(description="Differential privacy of the training; null without.")
    delta: float | None = Field(description="Chance that the promise of `epsilon` fails, 0 to 1; null without.")

    @classmethod
    def of(cls, metrics: object) -> Self:
        """From the generator's figures."""
        return cls.model_validate(metrics)


class TwinModelBody(_Body):
    """A trained twin model."""

    model_id: UUID = Field(description="Identifier of the model.")
    twin_type: TwinType = Field(description="Who is twinned.")
    brand: str = Field(description="Brand that it is for.")
    target: str | None = Field(description="Column of the outcome.")
    trained_at: datetime | None = Field(description="When it was trained.")
    metrics: TwinMetricsBody | None = Field(description="How well it fits; null before training.")

    @classmethod
    def of(cls, model_id: UUID, model: object) -> Self:
        """From a generator and the id under which it is kept."""
        names = cls.model_fields.keys() - {"model_id"}
        return cls.model_validate({"model_id": model_id} | {name: getattr(model, name) for name in names})


class TrainedBody(_Body):
    """What a training job gives."""

    model_id: UUID = Field(description="Identifier of the model.")
    metrics: TwinMetricsBody = Field(description="How well it fits.")


class TwinBody(_Body):
    """One twin, which is no real person or account."""

    features: dict[str, str | bool | int | float | None] = Field(description="Column to value; null if it is missing.")
    expected_outcome: float = Field(description="Mean outcome without any campaign, in the outcome's unit.")
    outcome_low: float = Field(description="Lower end of the outcome's 95 % interval.")
    outcome_high: float = Field(description="Upper end of the outcome's 95 % interval.")


class PopulationBody(_Body):
    """A population that was drawn."""

    population_id: UUID = Field(description="Identifier of the population.")
    model_id: UUID | None = Field(description="Model that drew it; null if the model was not stored.")
    twins: int = Field(description="Number of twins.")
    seed: int = Field(description="Seed of the draw.")
    created_at: datetime = Field(description="When it was drawn.")
    first: list[TwinBody] = Field(description=f"Its first twins, {_SHOWN} at most.")

    @classmethod
    def of(cls, population: "TwinPopulation") -> Self:
        """From the room's population."""
        return cls(
            population_id=population.population_id,
            model_id=population.model_id,
            twins=len(population),
            seed=population.seed,
            created_at=population.created_at,
            first=[
                TwinBody(
                    features=dict(population.twin(row).features),
                    expected_outcome=population.expected_outcome[row],
                    outcome_low=population.outcome_low[row],
                    outcome_high=population.outcome_high[row],
                )
                for row in range(min(_SHOWN, len(population)))
            ],
        )


class GroupEffectBody(_Body):
    """Mean effect in one level of one column."""

    group: str = Field(description="Column.")
    level: str = Field(description="Level of the column.")
    twins: int = Field(description="Number of twins in it.")
    effect: float = Field(description="Mean effect, in the outcome's unit.")
    low: float = Field(description="Lower end of its 95 % interval.")
    high: float = Field(description="Upper end of its 95 % interval.")


class SimulationBody(_Body):
    """What a campaign would do, what that rests on, and the advice; without the effects of single twins."""

    intervention_type: str = Field(
        validation_alias=AliasPath("intervention", "intervention_type"), description="Campaign."
    )
    source: EffectSource = Field(description="Where the effect comes from: data, data from elsewhere, an assumption.")
    average_treatment_effect: float = Field(description="Mean effect, in the outcome's unit.")
    standard_error: float = Field(description="Its standard error; more twins do not narrow it.")
    interval: list[float] = Field(min_length=2, max_length=2, description="Ends of its 95 % interval.")
    minimum_effect: float = Field(description="Smallest effect worth deploying for, in the outcome's unit.")
    confidence: float = Field(description="Probability that the advice to deploy needs, 0 to 1.")
    probability_above_minimum: float = Field(description="Probability that the effect exceeds the smallest, 0 to 1.")
    recommendation: SimulationRecommendation = Field(description="Advice.")
    reason: str = Field(description="Why, in words.")
    checks: list[str] = Field(description="What was checked about the evidence, a sentence each.")
    twins: int = Field(description="Number of twins that it was tried on.")
    heterogeneity: dict[str, list[GroupEffectBody]] = Field(description="Column to the mean effects of its levels.")
    model_version: str = Field(description="Model that drew the twins.")

    @classmethod
    def of(cls, result: object) -> Self:
        """From the engine's result."""
        return cls.model_validate(result)


class StoredSimulationBody(SimulationBody):
    """A simulation and where it is stored."""

    simulation_id: UUID = Field(description="Identifier of the simulation.")

    @classmethod
    def of_stored(cls, simulation_id: UUID, result: object) -> Self:
        """From the engine's result and the id under which it is stored."""
        return cls.model_construct(simulation_id=simulation_id, **dict(SimulationBody.of(result)))


class FidelityBody(_Body):
    """How right twins were, over the pairs whose outcome is known."""

    mae: float = Field(description="Mean absolute error, in the outcome's unit.")
    rmse: float = Field(description="Root mean squared error, in the outcome's unit.")
    correlation: Figure = Field(description="Of predicted with actual outcomes, -1 to 1; null where nothing varies.")
    coverage_95: float = Field(description="Share of outcomes inside their 95 % intervals, 0 to 1.")
    sample_size: int = Field(description="Number of known outcomes.")
    missing: int = Field(description="Number of twins whose outcome is not known.")
    outliers: int = Field(description="Number of errors beyond three robust standard deviations.")
    calibration_slope: float = Field(description="Slope of actual on predicted outcomes; 1 if calibrated.")
    bias: float = Field(description="Mean of actual less predicted outcomes, in the outcome's unit.")
    grade: str = Field(description="In a word.")
    warnings: list[str] = Field(description="What to look at, a sentence each.")

    @classmethod
    def of(cls, report: object) -> Self:
        """From the tracker's report."""
        return cls.model_validate(report)
