"""Pages of population twins, for analysts alone: train, draw, try campaigns, compare them, grade."""

import asyncio
from collections.abc import Callable
from typing import Annotated, Any, Final, TypeVar
from uuid import UUID

import polars as pl
import pydantic
from fastapi import APIRouter, Depends, File, Form, Request, UploadFile
from fastapi.responses import RedirectResponse, Response
from markupsafe import Markup

from novamind.errors import ValidationError
from novamind.populations import InterventionType, TwinType
from novamind.populations.codec import PopulationBody
from novamind.populations.endpoints import (
    MOST_TWINS,
    Campaign,
    Draw,
    Outcomes,
    Training,
    draw,
    grade,
    read_csv,
    try_campaign,
)
from novamind.populations.storage.store import TwinRepository
from novamind.server.background import submit_training, twin_repository
from novamind.server.container import Container
from novamind.server.dashboard.rendering import page
from novamind.server.dependencies import Caller, ContainerDep, may_use_populations

_SHOWN_TWINS: Final = 8
_T = TypeVar("_T")
_Body = TypeVar("_Body", bound=pydantic.BaseModel)


routes = APIRouter(prefix="/populations", include_in_schema=False, dependencies=[Depends(may_use_populations)])


@routes.get("")
async def overview(request: Request, container: ContainerDep) -> Response:
    """Show the models, and a form to train one."""
    models = await _with(container, lambda kept: kept.list_models())
    return page(request, "populations.html", {"models": models, "twin_types": list(TwinType)})


@routes.post("/models")
async def train(
    request: Request,
    twin_type: Annotated[str, Form()],
    brand: Annotated[str, Form()],
    table: Annotated[UploadFile, File()],
    target: Annotated[str, Form()] = "",
) -> Response:
    """Train in the background."""
    asked = _checked(Training, twin_type=twin_type, brand=brand, target=target or None)
    job_id = await submit_training(request, asked, await table.read())
    return RedirectResponse(f"/populations/jobs/{job_id}", 303)


@routes.get("/jobs/{job_id}")
async def job(request: Request, container: ContainerDep, caller: Caller, job_id: UUID) -> Response:
    """Show how a training stands."""
    return page(request, "job.html", {"job": await container.jobs.status(job_id, caller.subject)})


@routes.get("/models/{model_id}")
async def model(request: Request, container: ContainerDep, model_id: UUID) -> Response:
    """Show how well a model fits, and what was drawn from it."""

    def work(kept: TwinRepository) -> dict[str, Any]:
        return {"model": kept.load_model(model_id), "populations": kept.list_populations(model_id)}

    shown = await _with(container, work)
    return page(request, "model.html", {"model_id": model_id, "most": MOST_TWINS, **shown})


@routes.post("/models/{model_id}/populations")
async def draw_population(
    container: ContainerDep, model_id: UUID, n: Annotated[int, Form()], seed: Annotated[int, Form()] = 0
) -> Response:
    """Draw a population and go to its page."""
    asked = _checked(Draw, n=n, seed=seed)
    population = await _with(container, lambda kept: draw(kept, model_id, asked))
    return RedirectResponse(f"/populations/{population.population_id}", 303)


@routes.get("/{population_id}")
async def one_population(request: Request, container: ContainerDep, population_id: UUID) -> Response:
    """Show a population with its grades and the campaigns that were tried on it."""

    def work(kept: TwinRepository) -> dict[str, Any]:
        population = kept.load_population(population_id)
        return {
            "population": PopulationBody.of(population),
            "target": population.target.name,
            "tried": kept.list_simulations(population_id),
            "grades": kept.fidelity_snapshots(population_id=population_id),
        }

    shown = await _with(container, work)
    context = {"campaigns": list(InterventionType), "shown_twins": _SHOWN_TWINS}
    return page(request, "population.html", context | shown)


@routes.post("/{population_id}/simulations")
async def simulate(
    request: Request, container: ContainerDep, population_id: UUID, campaign: Annotated[Campaign, Form()]
) -> Response:
    """Try a campaign, and show it beside the earlier ones."""
    from novamind.populations.presentation.plots import effects

    def work(kept: TwinRepository) -> dict[str, Any]:
        _, result = try_campaign(kept, population_id, campaign)
        return {
            "result": result,
            "picture": _drawn(effects(result)),
            "tried": kept.list_simulations(population_id),
        }

    return page(request, "simulation.html", {"population_id": population_id, **await _with(container, work)})


@routes.post("/{population_id}/fidelity")
async def grade_population(
    request: Request, container: ContainerDep, population_id: UUID, outcomes: Annotated[UploadFile, File()]
) -> Response:
    """Grade a population against a table of actual outcomes."""
    actual = _checked(Outcomes, actual=_outcomes(await outcomes.read()))

    from novamind.populations.presentation.plots import fidelity

    def work(kept: TwinRepository) -> dict[str, Any]:
        report = grade(kept, population_id, actual)
        grades = kept.fidelity_snapshots(population_id=population_id)
        return {"report": report, "grades": grades, "picture": _drawn(fidelity(grades)) if len(grades) > 1 else None}

    return page(request, "fidelity.html", {"population_id": population_id, **await _with(container, work)})


async def _with(container: Container, work: Callable[[TwinRepository], _T]) -> _T:
    """Run blocking work with the store of the twins."""
    settings = container.settings
    return await asyncio.to_thread(
        lambda: work(twin_repository(settings.population_database_url, settings.population_dir))
    )


def _checked(form: type[_Body], **values: Any) -> _Body:
    """Return the form of values that came beside a file, if they keep the rules of the API.

    Raises
    ------
    ValidationError
        If it breaks one; the message names the fields.
    """
    try:
        return form(**values)
    except pydantic.ValidationError as error:
        fields = sorted({str(fault["loc"][0]) for fault in error.errors()})
        raise ValidationError(f"not as it should be: {', '.join(fields)}") from error


def _outcomes(content: bytes) -> list[float | None]:
    table = read_csv(content)
    try:
        return table["actual"].cast(pl.Float64).to_list()
    except pl.exceptions.PolarsError as error:
        raise ValidationError("send CSV with a column 'actual', one row for each twin in their order") from error


def _drawn(chart: Any) -> Markup:
    from novamind.symptoms.presentation.plots import to_svg  # Altair takes long to import

    return Markup(to_svg(chart))  # noqa: S704 - drawn here
