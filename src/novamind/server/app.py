"""The application: routes joined to the container, behind the guard."""

import asyncio
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Final

from fastapi import APIRouter, Depends, FastAPI, Response
from fastapi.responses import PlainTextResponse
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

from novamind.errors import ValidationError
from novamind.infrastructure.identity.domain import Permission
from novamind.infrastructure.logs import configure
from novamind.infrastructure.tasks import end
from novamind.server.container import open_container
from novamind.server.dashboard import error_pages, static_files
from novamind.server.dependencies import Caller, ContainerDep, may_use_populations
from novamind.server.fhir.outcomes import FhirOutcomes
from novamind.server.middleware import API, DOCUMENTATION, PUBLIC, GuardMiddleware
from novamind.server.problems import PROBLEM_RESPONSES, RESPONSES, Problem, register
from novamind.settings import Settings

if TYPE_CHECKING:
    from novamind.infrastructure.identity.passwords import Passwords

#: What ``novamind serve --only`` knows.
ROOMS: Final = ("symptoms", "biometrics", "pharmacogenomics", "neurochemistry", "twin", "populations")

_TABLE: Final = re.compile(r"/api/v1/populations/models")
_FHIR: Final = re.compile(r"/api/v1/patients/[^/]+/fhir")
_FILES: Final = re.compile(r"/api/v1/patients/[^/]+/files")
_FHIR_SERVER: Final = re.compile(r"/fhir(?:/(?:[A-Z]\w+|\$import))?")


def create_app(
    settings: Settings | None = None, only: Sequence[str] = (), passwords: "Passwords | None" = None
) -> FastAPI:
    """Build the application.

    Parameters
    ----------
    settings
        The environment's where not given.
    only
        Serve these rooms alone (:data:`ROOMS`): nothing of a patient is stored or read then, and what the rest needs is
        not imported.
    passwords
        How passwords are hashed; tests take cheaper parameters.

    Raises
    ------
    ValidationError
        If there is no room of that name.
    """
    settings, only = settings or Settings(), checked_rooms(only)
    configure(settings)
    metrics = CollectorRegistry()

    from novamind.server import background, oauth

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with open_container(settings, metrics, passwords) as container:
            app.state.container = container
            async with asyncio.TaskGroup() as group:
                tasks = [
                    group.create_task(work)
                    for work in (container.jobs.work(), background.publish(container.foundation))
                ]
                yield
                await end(tasks)

    app = FastAPI(
        title="Novamind",
        version=version("novamind"),
        summary="Digital twins for psychiatry",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        responses=RESPONSES,
    )
    if not only:
        from novamind.server import patients

        app.include_router(patients.routes)  # first, since routes are tried in order and these are asked most
    app.include_router(_operations())
    app.include_router(oauth.routes)
    app.include_router(static_files.routes)
    for room in only or ROOMS:
        _include(app, room, settings)
    public = PUBLIC | static_files.PATHS
    file_routes = {_FHIR: settings.max_fhir_bytes, _TABLE: settings.max_table_bytes}
    if not only:
        from novamind.server import administration, cds, devices, files, live, smart
        from novamind.server.dashboard import routes as dashboard
        from novamind.server.fhir import endpoints as fhir
        from novamind.server.graphql import endpoint as graphql

        app.include_router(administration.routes)
        app.include_router(devices.routes)
        app.include_router(files.routes)
        app.include_router(cds.routes)
        app.include_router(smart.routes)  # before FHIR, of which its configuration is a part
        app.include_router(fhir.routes())
        app.include_router(live.routes(metrics))
        app.include_router(graphql.routes(introspection=settings.environment != "production"))
        for pages in dashboard.PAGES:
            app.include_router(pages)
        public |= dashboard.PUBLIC | fhir.PUBLIC
        file_routes |= {_FHIR_SERVER: settings.max_fhir_bytes, _FILES: settings.max_fhir_bytes}
        file_routes |= {dashboard.UPLOAD: settings.max_fhir_bytes, dashboard.TABLE: settings.max_table_bytes}
    register(app)
    _document(app)
    app.add_middleware(
        GuardMiddleware,
        settings=settings,
        file_routes=file_routes,
        public=public if settings.environment == "production" else public | {DOCUMENTATION},
        registry=metrics,
    )
    app.add_middleware(FhirOutcomes)
    app.add_middleware(error_pages.ErrorPages)
    return app


def from_environment() -> FastAPI:
    """Build it in a worker process: settings and, in ``NOVAMIND_SERVE_ONLY``, rooms come from the environment."""
    settings = Settings()
    return create_app(settings, settings.serve_only)


def checked_rooms(only: Sequence[str]) -> tuple[str, ...]:
    """Return the rooms to serve, each once.

    Raises
    ------
    ValidationError
        If there is no room of that name.
    """
    if set(only) - set(ROOMS):
        raise ValidationError(f"there is no such room to serve alone; choose from {', '.join(ROOMS)}")
    return tuple(dict.fromkeys(only))


def _include(app: FastAPI, room: str, settings: Settings) -> None:
    """Add the routes of a room; population twins come with the jobs that train them."""
    if room == "populations":
        from novamind.populations import endpoints as populations
        from novamind.server import background, jobs

        app.include_router(jobs.routes)
        app.include_router(
            populations.router(
                lambda: background.twin_repository(settings.population_database_url, settings.population_dir),
                background.submit_training,
            ),
            prefix=API,
            dependencies=[Depends(may_use_populations)],
        )
        return
    calculator = import_module(f"novamind.{room}.endpoints")
    app.include_router(calculator.router(), prefix=API, dependencies=[Depends(_may_calculate)])


async def _may_calculate(container: ContainerDep, caller: Caller) -> None:
    await container.identity.access.permit(caller, Permission.CALCULATE)


def _operations() -> APIRouter:
    routes = APIRouter(tags=["operations"])

    @routes.get("/health", operation_id="health")
    async def health() -> dict[str, str]:
        """Whether the process lives."""
        return {"status": "alive"}

    @routes.get("/ready", operation_id="ready")
    async def ready(container: ContainerDep) -> dict[str, str]:
        """Whether the database answers, so that requests can be sent here."""
        import sqlalchemy as sa

        async with container.foundation.database.snapshot() as session:
            await session.execute(sa.text("SELECT 1"))
        return {"status": "ready"}

    @routes.get("/metrics", operation_id="metrics", response_class=PlainTextResponse)
    async def metrics(container: ContainerDep, caller: Caller) -> Response:
        """Figures for Prometheus, of this process."""
        await container.identity.access.permit(caller, Permission.METRICS_READ)
        return Response(generate_latest(container.metrics), media_type=CONTENT_TYPE_LATEST)

    return routes


def _document(app: FastAPI) -> None:
    """Complete what FastAPI knows of itself by the form of our errors."""
    describe = app.openapi

    def openapi() -> dict[str, Any]:
        is_complete = app.openapi_schema is not None
        described = describe()
        if not is_complete:
            problem = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
            described["components"]["schemas"] |= problem.pop("$defs") | {"Problem": problem}
            described["components"]["responses"] = PROBLEM_RESPONSES
        return described

    app.openapi = openapi  # type: ignore[method-assign]
