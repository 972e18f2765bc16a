"""REST: train twins on a table, draw populations, try campaigns, grade against outcomes.

The server says who may call, and runs training in the background through :class:`Training`.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self
from uuid import UUID

import numpy as np
from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, Field

from novamind.errors import DataProcessingError
from novamind.populations.domain import FidelityReport, InterventionConfig, SimulationResult

if TYPE_CHECKING:
    import polars as pl

    from novamind.populations.population import TwinPopulation
    from novamind.populations.storage.store import TwinRepository

#: Most twins of one population that is drawn while the caller waits.
MOST_TWINS = 100_000
_LONGEST_HEADER = 65_536
_Name = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9 _.-]{0,59}$")]
_Value = str | int | float | bool


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Training(_Body):
    """What to train."""

    twin_type: Literal["hcp", "patient", "territory"]
    brand: _Name
    target: _Name | None = None
    seed: Annotated[int, Field(ge=0, le=2**31)] = 0


class Submitted(BaseModel):
    """Work that goes on in the background."""

    job_id: UUID


class ModelBody(BaseModel):
    """How well a twin model fits; figures are of rows it had not seen unless named ``train_``."""

    model_id: UUID
    twin_type: str
    brand: str
    target: str
    trained_at: datetime
    metrics: dict[str, Any]


class Draw(_Body):
    """How many twins, and which."""

    n: Annotated[int, Field(ge=1, le=MOST_TWINS, examples=[1000])]
    seed: Annotated[int, Field(ge=0, le=2**31)] = 0
    filters: Annotated[
        dict[_Name, _Value | list[_Value] | dict[Literal["low", "high"], float]],
        Field(max_length=30, description="Column to value, values, or {low, high}."),
    ] = {}

    def conditions(self) -> dict[str, Any]:
        """As the generator takes them."""
        return {
            name: (wanted.get("low"), wanted.get("high")) if isinstance(wanted, dict) else wanted
            for name, wanted in self.filters.items()
        }


class PopulationBody(BaseModel):
    """A population that was drawn; ``first`` are its first twins."""

    population_id: UUID
    model_id: UUID | None
    twins: int
    seed: int
    created_at: datetime
    first: list[dict[str, Any]]


class Campaign(_Body):
    """A campaign to try; without data of a pilot its effect is an assumption and labelled so."""

    intervention_type: Annotated[_Name, Field(examples=["email_campaign"])]
    channel: _Name | None = None
    frequency: Annotated[float | None, Field(gt=0, le=50, allow_inf_nan=False)] = None
    duration_weeks: Annotated[int, Field(ge=1, le=104)] = 8
    intensity: Annotated[float, Field(gt=0, le=2, allow_inf_nan=False)] = 1.0
    minimum_effect: Annotated[float, Field(ge=-1e6, le=1e6, allow_inf_nan=False)] = 0.05
    accept_assumptions: bool = False


class SimulationBody(BaseModel):
    """What a campaign would do, what that rests on, and the advice."""

    model_config = ConfigDict(extra="allow")
    simulation_id: UUID
    source: str
    average_treatment_effect: float
    interval: tuple[float, float]
    recommendation: str
    reason: str
    checks: list[str]

    @classmethod
    def of(cls, simulation_id: UUID, result: SimulationResult) -> Self:
        """From the engine's result."""
        return cls.model_validate({"simulation_id": simulation_id, **result.to_dict()})


class Outcomes(_Body):
    """What came of each twin, in the order of the population; null where it is not known."""

    actual: Annotated[
        list[Annotated[float, Field(allow_inf_nan=False)] | None], Field(min_length=1, max_length=MOST_TWINS)
    ]


class FidelityBody(BaseModel):
    """How right the twins were."""

    mae: float
    rmse: float
    correlation: float | None
    coverage_95: float
    sample_size: int
    missing: int
    outliers: int
    grade: str
    warnings: list[str]

    @classmethod
    def of(cls, report: FidelityReport) -> Self:
        """From the tracker's report."""
        stated = asdict(report)
        stated["correlation"] = report.correlation if np.isfinite(report.correlation) else None
        return cls.model_validate({name: stated[name] for name in cls.model_fields})


def read_csv(table: bytes) -> "pl.DataFrame":
    """Read a CSV table that somebody sent.

    Raises
    ------
    DataProcessingError
        If it cannot be read, or its header is so long that the columns alone would fill the memory.
    """
    import polars as pl

    unreadable = "the table cannot be read; send CSV with a header line"
    if len(table.partition(b"\n")[0]) > _LONGEST_HEADER:
        raise DataProcessingError(f"{unreadable} of at most {_LONGEST_HEADER:,} bytes")
    try:
        return pl.read_csv(table, infer_schema_length=None)
    except pl.exceptions.PolarsError as error:
        raise DataProcessingError(unreadable) from error


def train(repository: "TwinRepository", asked: Training, table: bytes) -> dict[str, Any]:
    """Train on a CSV table and store the model; its id and figures, for the job's result.

    Raises
    ------
    DataProcessingError
        If the table cannot be read.
    """
    import warnings

    from novamind.populations.generation.generator import TwinGenerator

    frame = read_csv(table)
    generator = TwinGenerator(asked.twin_type, asked.brand, seed=asked.seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # they are part of the metrics
        metrics = generator.train(frame, asked.target)
    return {"model_id": str(repository.save_model(generator)), "metrics": _plain(asdict(metrics))}


def router(
    repository: "Callable[[], TwinRepository]", submit: Callable[[Request, Training, bytes], Awaitable[UUID]]
) -> APIRouter:
    """The routes of this room; ``submit`` puts a training into the background."""
    routes = APIRouter(prefix="/populations", tags=["populations"])

    @routes.post(
        "/models",
        status_code=202,
        operation_id="trainTwins",
        openapi_extra={"requestBody": {"required": True, "content": {"text/csv": {"schema": {"type": "string"}}}}},
    )
    async def train_twins(asked: Annotated[Training, Query()], request: Request) -> Submitted:
        """Train twins on a CSV table of at least 1,000 rows, in the background."""
        return Submitted(job_id=await submit(request, asked, await request.body()))

    @routes.get("/models/{model_id}", operation_id="readTwinModel")
    def read_twin_model(model_id: UUID) -> ModelBody:
        """Read how well a model fits."""
        generator = repository().load_model(model_id)
        return ModelBody(
            model_id=model_id,
            twin_type=str(generator.twin_type),
            brand=generator.brand,
            target=str(generator.target),
            trained_at=generator.trained_at or datetime.now(UTC),
            metrics={} if generator.metrics is None else _plain(asdict(generator.metrics)),
        )

    @routes.post("/models/{model_id}/populations", status_code=201, operation_id="drawPopulation")
    async def draw_population(model_id: UUID, asked: Draw) -> PopulationBody:
        """Draw a population of twins and keep it."""
        return await asyncio.to_thread(lambda: describe(draw(repository(), model_id, asked)))

    @routes.get("/{population_id}", operation_id="readPopulation")
    def read_population(population_id: UUID) -> PopulationBody:
        """Read a population."""
        return describe(repository().load_population(population_id))

    @routes.post("/{population_id}/simulations", status_code=201, operation_id="simulateCampaign")
    async def simulate_campaign(population_id: UUID, campaign: Campaign) -> SimulationBody:
        """Try a campaign on a population."""
        return SimulationBody.of(*await asyncio.to_thread(lambda: try_campaign(repository(), population_id, campaign)))

    @routes.post("/{population_id}/fidelity", operation_id="gradePopulation")
    async def grade_population(population_id: UUID, outcomes: Outcomes) -> FidelityBody:
        """Grade a population against what really came."""
        return FidelityBody.of(await asyncio.to_thread(lambda: grade(repository(), population_id, outcomes)))

    return routes


def draw(repository: "TwinRepository", model_id: UUID, asked: Draw) -> "TwinPopulation":
    """Draw a population of twins and keep it."""
    population = repository.load_model(model_id).generate(asked.n, asked.conditions() or None, asked.seed)
    repository.save_population(population)
    return population


def try_campaign(
    repository: "TwinRepository", population_id: UUID, campaign: Campaign
) -> tuple[UUID, SimulationResult]:
    """Try a campaign on a population and keep the result under an id."""
    from novamind.populations.interventions.simulation_engine import SimulationEngine

    begun, stated = datetime.now(UTC), campaign.model_dump()
    how = {name: stated.pop(name) for name in ("minimum_effect", "accept_assumptions")}
    result = SimulationEngine(repository.load_population(population_id), **how).simulate(InterventionConfig(**stated))
    return repository.save_simulation(result, begun), result


def grade(repository: "TwinRepository", population_id: UUID, outcomes: Outcomes) -> FidelityReport:
    """Grade a population against what really came."""
    from novamind.populations.fidelity.fidelity_tracker import FidelityTracker

    tracker = FidelityTracker(repository)
    tracker.register(repository.load_population(population_id))
    known = [np.nan if value is None else value for value in outcomes.actual]
    return tracker.calculate_fidelity(population_id, known)


def describe(population: "TwinPopulation") -> PopulationBody:
    """A population with its first twins."""
    shown = population.take(np.arange(min(20, len(population))))
    twins = shown.features.to_polars().to_dicts()
    sure = {name: getattr(shown, name) for name in ("expected_outcome", "outcome_low", "outcome_high")}
    return PopulationBody(
        population_id=population.population_id,
        model_id=population.model_id,
        twins=len(population),
        seed=population.seed,
        created_at=population.created_at,
        first=[_plain(twin) | {name: float(of[i]) for name, of in sure.items()} for i, twin in enumerate(twins)],
    )


def _plain(value: Any) -> Any:
    """JSON types; what is not a finite number is null."""
    if isinstance(value, Mapping):
        return {str(name): _plain(part) for name, part in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(part) for part in value]
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not np.isfinite(value) else value
