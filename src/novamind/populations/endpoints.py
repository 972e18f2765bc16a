"""REST: train twins on a table, draw populations, try campaigns, grade against outcomes.

The server says who may call, and runs training in the background through :class:`Training`.
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal
from uuid import UUID

import numpy as np
from fastapi import APIRouter, Path, Query, Request
from pydantic import BaseModel, ConfigDict, Field

from novamind.errors import DataProcessingError
from novamind.populations.codec import (
    FidelityBody,
    PopulationBody,
    StoredSimulationBody,
    TrainedBody,
    TwinMetricsBody,
    TwinModelBody,
)
from novamind.populations.domain import InterventionConfig
from novamind.populations.results import FidelityReport, SimulationResult

if TYPE_CHECKING:
    import polars as pl

    from novamind.populations.population import TwinPopulation
    from novamind.populations.storage.store import TwinRepository

#: Most twins of one population that is drawn while the caller waits.
MOST_TWINS = 100_000
_LONGEST_HEADER = 65_536
_Name = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9 _.-]{0,59}$")]
_Value = str | int | float | bool
ModelId = Annotated[UUID, Path(description="Identifier of the model.")]
PopulationId = Annotated[UUID, Path(description="Identifier of the population.")]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Training(_Body):
    """What to train."""

    twin_type: Annotated[Literal["hcp", "patient", "territory"], Field(description="Who is twinned.")]
    brand: Annotated[_Name, Field(description="Brand that it is for.")]
    target: Annotated[_Name | None, Field(description="Column of the outcome; null for the usual one of the type.")] = (
        None
    )
    seed: Annotated[int, Field(ge=0, le=2**31, description="Seed of the training.")] = 0


class Submitted(BaseModel):
    """Work that goes on in the background."""

    job_id: Annotated[UUID, Field(description="Identifier of the job.")]


class ValueRange(_Body):
    """Values from ``low`` to ``high``; an end that is missing is open."""

    low: float | None = Field(default=None, allow_inf_nan=False, description="Smallest value; null if it is open.")
    high: float | None = Field(default=None, allow_inf_nan=False, description="Largest value; null if it is open.")


class Draw(_Body):
    """How many twins, and which."""

    n: Annotated[int, Field(ge=1, le=MOST_TWINS, examples=[1000], description="Number of twins.")]
    seed: Annotated[int, Field(ge=0, le=2**31, description="Seed of the draw.")] = 0
    filters: Annotated[
        dict[_Name, _Value | list[_Value] | ValueRange],
        Field(max_length=30, description="Column to a value, values or a range."),
    ] = {}

    def conditions(self) -> dict[str, Any]:
        """As the generator takes them."""
        return {
            name: (wanted.low, wanted.high) if isinstance(wanted, ValueRange) else wanted
            for name, wanted in self.filters.items()
        }


class Campaign(_Body):
    """A campaign to try; without data of a pilot its effect is an assumption and labelled so."""

    intervention_type: Annotated[_Name, Field(examples=["email_campaign"], description="What is done.")]
    channel: Annotated[_Name | None, Field(description="Channel it goes through, for the record.")] = None
    frequency: Annotated[
        float | None, Field(gt=0, le=50, allow_inf_nan=False, description="Contacts a week, for the record.")
    ] = None
    duration_weeks: Annotated[int, Field(ge=1, le=104, description="Length, in weeks.")] = 8
    intensity: Annotated[
        float, Field(gt=0, le=2, allow_inf_nan=False, description="Dose relative to that of the evidence.")
    ] = 1.0
    minimum_effect: Annotated[
        float,
        Field(
            ge=-1e6,
            le=1e6,
            allow_inf_nan=False,
            description="Smallest effect worth deploying for, in the outcome's unit.",
        ),
    ] = 0.05
    accept_assumptions: Annotated[bool, Field(description="Let an assumption alone advise to deploy.")] = False


class Outcomes(_Body):
    """What came of each twin, in the order of the population; null where it is not known."""

    actual: Annotated[
        list[Annotated[float, Field(allow_inf_nan=False)] | None],
        Field(min_length=1, max_length=MOST_TWINS, description="Outcomes, in the unit of the model's outcome."),
    ]


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


def train(repository: "TwinRepository", asked: Training, table: bytes) -> TrainedBody:
    """Train on a CSV table and store the model; the job's result.

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
    return TrainedBody(model_id=repository.save_model(generator), metrics=TwinMetricsBody.of(metrics))


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
    def read_twin_model(model_id: ModelId) -> TwinModelBody:
        """Read how well a model fits."""
        return TwinModelBody.of(model_id, repository().load_model(model_id))

    @routes.post("/models/{model_id}/populations", status_code=201, operation_id="drawPopulation")
    async def draw_population(model_id: ModelId, asked: Draw) -> PopulationBody:
        """Draw a population of twins and keep it."""
        return await asyncio.to_thread(lambda: PopulationBody.of(draw(repository(), model_id, asked)))

    @routes.get("/{population_id}", operation_id="readPopulation")
    def read_population(population_id: PopulationId) -> PopulationBody:
        """Read a population."""
        return PopulationBody.of(repository().load_population(population_id))

    @routes.post("/{population_id}/simulations", status_code=201, operation_id="simulateCampaign")
    async def simulate_campaign(population_id: PopulationId, campaign: Campaign) -> StoredSimulationBody:
        """Try a campaign on a population."""
        simulation_id, result = await asyncio.to_thread(lambda: try_campaign(repository(), population_id, campaign))
        return StoredSimulationBody.of_stored(simulation_id, result)

    @routes.post("/{population_id}/fidelity", operation_id="gradePopulation")
    async def grade_population(population_id: PopulationId, outcomes: Outcomes) -> FidelityBody:
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

    begun, fields = datetime.now(UTC), campaign.model_dump()
    how = {name: fields.pop(name) for name in ("minimum_effect", "accept_assumptions")}
    result = SimulationEngine(repository.load_population(population_id), **how).simulate(InterventionConfig(**fields))
    return repository.save_simulation(result, begun), result


def grade(repository: "TwinRepository", population_id: UUID, outcomes: Outcomes) -> FidelityReport:
    """Grade a population against what really came."""
    from novamind.populations.fidelity.fidelity_tracker import FidelityTracker

    tracker = FidelityTracker(repository)
    tracker.register(repository.load_population(population_id))
    actual = [np.nan if value is None else value for value in outcomes.actual]
    return tracker.calculate_fidelity(population_id, actual)
