"""Live forecasts over a WebSocket: a viewer of a patient sees what a new report changes.

A socket is opened with a ticket that its owner got over REST a moment before; the ticket is the first message, since
addresses end up in logs. From then on the server looks every two seconds whether the session still lives, whether the
caller may still see the patient, and whether the record has a new revision. It asks the database and does not wait for
the outbox's events, because each of those reaches one worker and a socket may hang on any of them.

At most one forecast is on its way to a socket: a slow reader gets fewer of them, a socket that is not read is closed.
"""

import asyncio
import json
import time
from collections import Counter
from contextlib import suppress
from typing import Annotated, Final, cast
from uuid import UUID

import pydantic
import structlog
from fastapi import APIRouter, WebSocket, WebSocketDisconnect
from prometheus_client import CollectorRegistry, Gauge
from pydantic import BaseModel, ConfigDict, Field

from novamind.errors import (
    AuthenticationError,
    AuthorizationError,
    NotFoundError,
    NovamindError,
    ServiceUnavailableError,
)
from novamind.infrastructure.identity.domain import Principal
from novamind.infrastructure.identity.sessions import TICKET_SECONDS
from novamind.infrastructure.logs import message
from novamind.server.container import Container
from novamind.server.dependencies import Caller, ContainerDep

#: The largest frame that the server reads at all.
FRAME_BYTES: Final = 64 * 1024
TICK_SECONDS: Final = 2.0
FIRST_MESSAGE_SECONDS: Final = 5.0
IDLE_SECONDS: Final = 600.0
SEND_SECONDS: Final = 10.0
MOST_SOCKETS: Final = 200
MOST_SOCKETS_EACH: Final = 5
MESSAGE_BYTES: Final = 1024
MESSAGES: Final = 20
_WINDOW_SECONDS: Final = 10.0
_LARGEST_PUSH: Final = 1_000_000
_HORIZON: Final = 14

#: Why a socket is closed (RFC 6455, section 7.4; from 4000 on our own).
LEFT, IDLE, TOO_FAST, TOO_LARGE, TRY_LATER, WHO_ARE_YOU, NOT_YOURS = 1000, 1001, 1008, 1009, 1013, 4401, 4403

_ENDED = message("a live connection ended")

log = structlog.get_logger()


class Watched(BaseModel):
    """Whom one wants to watch."""

    model_config = ConfigDict(extra="forbid")
    patient_id: UUID = Field(description="Identifier of the patient.")


class NewTicket(BaseModel):
    """A ticket: the first message on the socket, as ``{"ticket": …}``, within seconds and once."""

    ticket: str = Field(description="Ticket.")
    expires_in: int = Field(description="How long it is good, in seconds.")


class _FirstMessage(BaseModel):
    model_config = ConfigDict(extra="forbid")
    ticket: Annotated[str, Field(max_length=200)]


class _Ended(Exception):  # noqa: N818 - it is no error
    def __init__(self, code: int) -> None:
        self.code = code


def routes(metrics: CollectorRegistry) -> APIRouter:
    """Return the routes of the ticket and the socket.

    Parameters
    ----------
    metrics
        Where open sockets are counted.
    """
    router = APIRouter(prefix="/api/v1/live", tags=["live"])
    open_of: Counter[UUID | None] = Counter()
    gauge = Gauge("novamind_live_sockets", "Open live connections of this process.", registry=metrics)
    gauge.set_function(lambda: open_of[None])

    @router.post("/tickets", status_code=201, operation_id="newTicket")
    async def new_ticket(container: ContainerDep, caller: Caller, watched: Watched) -> NewTicket:
        """Get a ticket for one WebSocket at ``/api/v1/live`` about one patient."""
        await container.clinic.revision(caller, watched.patient_id)
        ticket = await container.identity.sessions.new_ticket(caller, watched.patient_id)
        return NewTicket(ticket=ticket, expires_in=TICKET_SECONDS)

    @router.websocket("")
    async def live(socket: WebSocket) -> None:
        """Push a forecast now, and again whenever the patient's record changes it."""
        container, began, code = cast("Container", socket.app.state.container), time.perf_counter(), LEFT
        subject: UUID | None = None
        await socket.accept()
        open_of[None] += 1
        try:
            if open_of[None] > MOST_SOCKETS:
                raise _Ended(TRY_LATER)
            principal, patient_id = await _ticket(container, socket)
            if open_of[principal.subject] >= MOST_SOCKETS_EACH:
                raise _Ended(TRY_LATER)
            subject = principal.subject
            open_of[subject] += 1
            await _watch(container, socket, principal, patient_id)
        except _Ended as ended:
            code = ended.code
            await _close(socket, code)
        finally:
            open_of.subtract([None] if subject is None else [None, subject])
            if subject is not None and not open_of[subject]:
                del open_of[subject]
            log.info(_ENDED, duration_ms=round((time.perf_counter() - began) * 1000, 1), status=code)

    return router


async def _ticket(container: Container, socket: WebSocket) -> tuple[Principal, UUID]:
    try:
        first = _FirstMessage.model_validate_json(await _next_message(socket, FIRST_MESSAGE_SECONDS))
        return await container.identity.sessions.use_ticket(first.ticket)
    except (pydantic.ValidationError, AuthenticationError) as error:
        raise _Ended(WHO_ARE_YOU) from error
    except ServiceUnavailableError as error:
        raise _Ended(TRY_LATER) from error


async def _watch(container: Container, socket: WebSocket, principal: Principal, patient_id: UUID) -> None:
    """Push until the client leaves or may not see any more; what the database does is not cut off in the middle."""
    listening, left = asyncio.ensure_future(_listen(socket)), asyncio.Event()
    listening.add_done_callback(lambda _: left.set())
    try:
        await _push(container, socket, principal, patient_id, left)
        await listening
    finally:
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)


async def _listen(socket: WebSocket) -> None:
    """Take every message of a client as a sign of life; its content is not read."""
    began, heard = time.monotonic(), 0
    while True:
        await _next_message(socket, IDLE_SECONDS)
        if time.monotonic() - began > _WINDOW_SECONDS:
            began, heard = time.monotonic(), 0
        heard += 1
        if heard > MESSAGES:
            raise _Ended(TOO_FAST)


async def _next_message(socket: WebSocket, seconds: float) -> str | bytes:
    try:
        async with asyncio.timeout(seconds):
            received = await socket.receive()
    except TimeoutError as error:
        raise _Ended(IDLE) from error
    if received["type"] == "websocket.disconnect":
        raise _Ended(LEFT)
    content: str | bytes = received.get("text") or received.get("bytes") or ""
    if len(content) > MESSAGE_BYTES:
        raise _Ended(TOO_LARGE)
    return content


async def _push(
    container: Container, socket: WebSocket, principal: Principal, patient_id: UUID, left: asyncio.Event
) -> None:
    """Send a forecast whenever there is another one, for as long as the caller may see it."""
    seen, sent = -1, ""
    while not left.is_set():
        try:
            principal = await container.identity.sessions.authenticate_session(principal.session_id, patient_id)
            _, revision = await container.clinic.revision(principal, patient_id)
            if revision != seen:
                text = await _forecast(container, principal, patient_id)
                if text != sent:
                    await _send(socket, text)
                seen, sent = revision, text
        except AuthenticationError as error:
            raise _Ended(WHO_ARE_YOU) from error
        except (AuthorizationError, NotFoundError) as error:
            raise _Ended(NOT_YOURS) from error
        except ServiceUnavailableError:
            pass  # nothing was read, so nothing is sent; the next look may succeed
        with suppress(TimeoutError):
            await asyncio.wait_for(left.wait(), TICK_SECONDS)


async def _forecast(container: Container, principal: Principal, patient_id: UUID) -> str:
    try:
        forecast = await container.forecasts.json(principal, patient_id, _HORIZON, None)
    except (AuthorizationError, NotFoundError, ServiceUnavailableError):
        raise
    except NovamindError as error:
        return _problem(str(error))
    text = '{"type":"forecast",' + forecast.decode()[1:]
    if len(text) > _LARGEST_PUSH:
        return _problem("the forecast is too large to be sent here; read it over REST")
    return text


def _problem(detail: str) -> str:
    return json.dumps({"type": "problem", "detail": detail})


async def _send(socket: WebSocket, text: str) -> None:
    try:
        async with asyncio.timeout(SEND_SECONDS):
            await socket.send_text(text)
    except TimeoutError as error:
        raise _Ended(TRY_LATER) from error
    except (WebSocketDisconnect, RuntimeError) as error:
        raise _Ended(LEFT) from error


async def _close(socket: WebSocket, code: int) -> None:
    with suppress(TimeoutError, WebSocketDisconnect, RuntimeError):  # it is gone, or does not read even this
        async with asyncio.timeout(SEND_SECONDS):
            await socket.close(code)
