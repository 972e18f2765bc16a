"""Work that no caller waits for: training of population twins, and events on their way out."""

import asyncio
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID, uuid4

import structlog
from fastapi import Request

from novamind.errors import DataProcessingError, ServiceUnavailableError
from novamind.infrastructure.events import Event, InProcessBus, Outbox
from novamind.infrastructure.identity.access import EMERGENCY_OPENED
from novamind.infrastructure.jobs import Handler, Jobs
from novamind.infrastructure.logs import message
from novamind.settings import Settings

if TYPE_CHECKING:
    from novamind.infrastructure.bootstrap import Foundation
    from novamind.populations.endpoints import Training
    from novamind.populations.storage.store import TwinRepository

TRAIN: Final = "train-twins"
_opening = Lock()
_PAUSE_SECONDS: Final = 2.0
_PRIVACY_OFFICER: Final = message("tell the privacy officer: a record was opened in an emergency")
_UNSENT: Final = message("events wait, since the database does not answer")

log = structlog.get_logger()


async def submit_training(request: Request, asked: "Training", table: bytes) -> UUID:
    """Keep the table and put its training into the queue."""
    container, caller = request.app.state.container, request.state.principal
    folder = Path(container.settings.population_dir) / "uploads"
    name = f"{uuid4()}.csv"
    try:
        await asyncio.to_thread(_keep, folder / name, table)
    except OSError as error:
        raise ServiceUnavailableError("the table cannot be kept here now; try again later") from error
    job_id: UUID = await container.jobs.submit(TRAIN, caller.subject, {"file": name, "training": asked.model_dump()})
    return job_id


def jobs(settings: Settings, foundation: "Foundation", handlers: Mapping[str, Handler] | None = None) -> Jobs:
    """Return the jobs of this server and what does them; ``handlers`` are those of the wire."""

    async def train(asked: Mapping[str, Any]) -> dict[str, Any]:
        return await asyncio.to_thread(_train, settings, asked)

    return Jobs(foundation.database, {TRAIN: train, **(handlers or {})})


async def publish(foundation: "Foundation") -> None:
    """Send out the events of transactions, for ever; a task of its own."""

    async def emergency(event: Event) -> None:
        log.warning(
            _PRIVACY_OFFICER,
            patient_id_hash=foundation.audit.pseudonym(event.patient_id),
            correlation_id=str(event.event_id),
        )

    bus = InProcessBus()
    bus.subscribe(EMERGENCY_OPENED, emergency)
    outbox = Outbox(foundation.database, bus)
    while True:
        try:
            sent = await outbox.dispatch()
        except ServiceUnavailableError as error:
            log.error(_UNSENT, exc_info=error)
            sent = 0
        if not sent:
            await asyncio.sleep(_PAUSE_SECONDS)


def twin_repository(database_url: str, folder: Path) -> "TwinRepository":
    """Return the store of population twins, which is another database than the patients'."""
    with _opening:  # opening brings the schema up to date, which two threads must not do at once
        return _opened(database_url, folder)


@lru_cache(maxsize=4)
def _opened(database_url: str, folder: Path) -> "TwinRepository":
    from novamind.populations.storage.store import TwinRepository

    return TwinRepository(database_url, folder)


def _train(settings: Settings, asked: Mapping[str, Any]) -> dict[str, Any]:
    from novamind.populations.endpoints import Training, train

    file = Path(settings.population_dir) / "uploads" / str(asked["file"])
    try:
        table = file.read_bytes()
    except OSError as error:
        raise DataProcessingError("the table of this job is gone; send it again") from error
    repository = twin_repository(settings.population_database_url, settings.population_dir)
    trained = train(repository, Training.model_validate(asked["training"]), table)
    file.unlink(missing_ok=True)
    return trained.model_dump(mode="json")


def _keep(file: Path, content: bytes) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)
