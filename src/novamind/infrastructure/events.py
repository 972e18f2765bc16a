"""Events: written in the transaction that they report, published afterwards, at least once.

An event names a patient and records and says nothing about them; its handlers read the store. Handlers get each event
at least once, as a rule in the order of storage, and recognise repetitions by ``event_id``. While no handler answers,
events wait: tries are further and further apart, the last one 85 minutes after the first.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Protocol
from uuid import UUID, uuid4

import sqlalchemy as sa
import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from novamind.infrastructure.database import Database
from novamind.infrastructure.logs import message
from novamind.infrastructure.tables import OutboxEvent

ATTEMPTS: Final = 5
_CLAIM: Final = timedelta(seconds=60)
_LONGER: Final = 4  # times the pause before, after each try
_HANDLING_SECONDS: Final = 10.0
_NOT_HANDLED: Final = message("an event could not be handled")
_LAID_ASIDE: Final = message("an event could not be handled for the last time; it stays in the outbox")

log = structlog.get_logger()


@dataclass(frozen=True)
class Event:
    """Something that happened to a patient's record."""

    event_id: UUID
    kind: str
    patient_id: UUID | None
    record_ids: tuple[UUID, ...]
    created_at: datetime


Handler = Callable[[Event], Awaitable[None]]


class EventBus(Protocol):
    """Carries events to their handlers."""

    async def publish(self, event: Event) -> None:
        """Publish; return when the event cannot be lost any more."""


class InProcessBus:
    """Calls the handlers of this process, one after another."""

    def __init__(self) -> None:
        self._handlers: list[tuple[str, Handler]] = []

    def subscribe(self, kind: str, handler: Handler) -> None:
        """Call the handler for each event of a kind."""
        self._handlers.append((kind, handler))

    async def publish(self, event: Event) -> None:
        """Call the handlers; an error of one of them is the caller's."""
        for kind, handler in self._handlers:
            if kind == event.kind:
                await handler(event)


def outbox_row(kind: str, patient_id: UUID | None, record_ids: Sequence[UUID]) -> dict[str, Any]:
    """Return an event as a row of the outbox, for callers who write many at once."""
    return {
        "event_id": uuid4(),
        "kind": kind,
        "patient_id": patient_id,
        "record_ids": [str(record_id) for record_id in record_ids],
        "created_at": datetime.now(UTC),
        "attempts": 0,
    }


async def record_event(session: AsyncSession, kind: str, patient_id: UUID | None, record_ids: Sequence[UUID]) -> None:
    """Write an event into the outbox, within the transaction that it is about."""
    await session.execute(sa.insert(OutboxEvent).values(outbox_row(kind, patient_id, record_ids)))


class Outbox:
    """Publishes the events of committed transactions; any number of processes may do so at the same time."""

    def __init__(self, database: Database, bus: EventBus) -> None:
        self._database = database
        self._bus = bus

    async def dispatch(self, limit: int = 100) -> int:
        """Publish waiting events, the oldest first, and return their number.

        An event whose handler fails or does not come to an end is tried again later, :data:`ATTEMPTS` times in all;
        then it stays in the outbox until somebody looks, which the log says, and holds up nobody.
        """
        published = []
        for row in await self._claim(limit):
            event = Event(row.event_id, row.kind, row.patient_id, tuple(map(UUID, row.record_ids)), row.created_at)
            try:
                async with asyncio.timeout(_HANDLING_SECONDS):
                    await self._bus.publish(event)
            except Exception as error:
                notice = _LAID_ASIDE if row.attempts >= ATTEMPTS else _NOT_HANDLED
                log.error(notice, correlation_id=str(row.event_id), exc_info=error)
                continue
            published.append(row.position)
        if published:  # in one transaction, since every commit keeps callers waiting
            async with self._database.transaction() as session:
                await session.execute(sa.delete(OutboxEvent).where(OutboxEvent.position.in_(published)))
        return len(published)

    async def failed(self) -> int:
        """Return the number of events that are not tried any more."""
        query = sa.select(sa.func.count()).select_from(OutboxEvent).where(OutboxEvent.attempts >= ATTEMPTS)
        async with self._database.snapshot() as session:
            return await session.scalar(query) or 0

    async def _claim(self, limit: int) -> Sequence[OutboxEvent]:
        """Claim events that nobody else has in hand; if this process dies, they are free again in a while."""
        now = datetime.now(UTC)
        free = (
            sa.select(OutboxEvent)
            .where(
                OutboxEvent.attempts < ATTEMPTS,
                sa.or_(OutboxEvent.claimed_until.is_(None), OutboxEvent.claimed_until < now),
            )
            .order_by(OutboxEvent.position)
            .limit(limit)
            .with_for_update(skip_locked=True)
        )
        async with self._database.transaction() as session:
            rows = (await session.scalars(free)).all()
            for row in rows:
                row.claimed_until = now + _CLAIM * _LONGER**row.attempts
                row.attempts += 1
        return rows
