"""Connections of patients' devices: agreements, tokens and sync states, sealed with AES-256-GCM, bound to their place.

Tokens do not belong to a patient's record: versions of a record are kept, and a token that is forgotten must be gone. A
change and its entry in the audit are one transaction.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID, uuid4

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from novamind.errors import NotFoundError, ServiceUnavailableError
from novamind.infrastructure.audit import Access, AuditLog, Event
from novamind.infrastructure.database import Database
from novamind.infrastructure.identity.secrets import Seal, derived_key
from novamind.infrastructure.tables import DeviceConnection

#: What the audit calls a connection.
KIND: Final = "device"
#: How long a fetch may take before another may begin.
_CLAIM: Final = timedelta(minutes=15)
#: How long a person may take at the maker's pages.
PENDING: Final = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class StoredConnection:
    """A connection as it was stored; ``content`` is JSON and holds secrets."""

    connection_id: UUID
    patient_id: UUID
    content: Mapping[str, Any]
    changed_at: datetime

    def __repr__(self) -> str:
        return f"StoredConnection({self.connection_id})"


@dataclass(frozen=True, slots=True)
class Act:
    """Who changes a connection, and what the audit calls it."""

    access: Access
    action: str
    outcome: str = "success"


class DeviceConnections:
    """Keeps connections.

    Parameters
    ----------
    key
        The system's key of which that of the connections is derived.
    """

    def __init__(self, database: Database, audit: AuditLog, key: bytes) -> None:
        self._database = database
        self._audit = audit
        self._seal = Seal(derived_key(key, "device connections"))

    async def add(
        self, patient_id: UUID, content: Mapping[str, Any], state: str, act: Act, replaced: Iterable[UUID] = ()
    ) -> UUID:
        """Store a connection that waits for the person's agreement, and forget those that waited too long."""
        connection_id, now = uuid4(), datetime.now(UTC)
        waiting = DeviceConnection.state_digest.is_not(None)
        async with self._database.transaction() as session:
            await session.execute(
                sa.delete(DeviceConnection).where(waiting, DeviceConnection.changed_at < now - PENDING)
            )
            await session.execute(_whose(patient_id, *replaced))
            await session.execute(
                sa.insert(DeviceConnection).values(
                    connection_id=connection_id,
                    patient_id=patient_id,
                    state_digest=_digest(state),
                    payload=self._sealed(connection_id, patient_id, content),
                    claimed_until=None,
                    changed_at=now,
                )
            )
            await self._note(session, act, patient_id, connection_id)
        return connection_id

    async def of_patient(self, patient_id: UUID) -> list[StoredConnection]:
        """Return a patient's connections, the one that changed last at the end."""
        query = sa.select(DeviceConnection).where(DeviceConnection.patient_id == patient_id)
        async with self._database.snapshot() as session:
            rows = (await session.scalars(query.order_by(DeviceConnection.changed_at))).all()
        return [self._opened(row) for row in rows]

    async def read(self, patient_id: UUID, connection_id: UUID) -> StoredConnection:
        """Return a patient's connection.

        Raises
        ------
        NotFoundError
            If the patient has none of this id.
        """
        async with self._database.snapshot() as session:
            row = await session.get(DeviceConnection, connection_id)
        if row is None or row.patient_id != patient_id:
            raise NotFoundError("there is no such device, or it was disconnected")
        return self._opened(row)

    async def waiting(self, state: str) -> StoredConnection:
        """Return the connection that waits for the answer to a request.

        Raises
        ------
        NotFoundError
            If none does, or it has waited too long.
        """
        query = sa.select(DeviceConnection).where(DeviceConnection.state_digest == _digest(state))
        async with self._database.snapshot() as session:
            row = (await session.scalars(query)).one_or_none()
        if row is None or row.changed_at < datetime.now(UTC) - PENDING:
            raise NotFoundError("no device waits for this answer of its maker: connect it anew")
        return self._opened(row)

    async def replace(
        self, connection: StoredConnection, content: Mapping[str, Any], act: Act | None = None, *, done: bool = False
    ) -> None:
        """Store new content; nothing of the earlier is kept. ``done`` ends a claim.

        A change without an act is of tokens alone, which the maker renewed.

        Raises
        ------
        NotFoundError
            If it was disconnected meanwhile.
        """
        connection_id = connection.connection_id
        values = {
            "payload": self._sealed(connection_id, connection.patient_id, content),
            "state_digest": None,
            "changed_at": datetime.now(UTC),
        } | ({"claimed_until": None} if done else {})
        query = sa.update(DeviceConnection).where(DeviceConnection.connection_id == connection_id).values(values)
        async with self._database.transaction() as session:
            changed = (await session.execute(query.returning(DeviceConnection.connection_id))).all()
            if not changed:
                raise NotFoundError("there is no such device, or it was disconnected")
            if act is not None:
                await self._note(session, act, connection.patient_id, connection_id)

    async def claim(self, connection: StoredConnection) -> None:
        """Keep others from fetching the same device, since a token that is renewed twice is worth nothing.

        Raises
        ------
        ServiceUnavailableError
            If somebody else fetches it now.
        """
        now, free = datetime.now(UTC), DeviceConnection.claimed_until
        query = (
            sa.update(DeviceConnection)
            .where(DeviceConnection.connection_id == connection.connection_id, sa.or_(free.is_(None), free < now))
            .values(claimed_until=now + _CLAIM)
            .returning(DeviceConnection.connection_id)
        )
        async with self._database.transaction() as session:
            claimed = (await session.execute(query)).all()
        if not claimed:
            raise ServiceUnavailableError("the device is being fetched: look again in a few minutes")

    async def forget(self, patient_id: UUID, connection_id: UUID, act: Act) -> None:
        """Delete a connection with its tokens."""
        async with self._database.transaction() as session:
            await session.execute(_whose(patient_id, connection_id))
            await self._note(session, act, patient_id, connection_id)

    async def _note(self, session: AsyncSession, act: Act, patient_id: UUID, connection_id: UUID) -> None:
        event = Event(
            access=act.access,
            action=act.action,
            what=KIND,
            patient_id=patient_id,
            outcome=act.outcome,
            references=[str(connection_id)],
        )
        await self._audit.append_within(session, event)

    def _sealed(self, connection_id: UUID, patient_id: UUID, content: Mapping[str, Any]) -> bytes:
        return self._seal.seal(json.dumps(content, allow_nan=False).encode(), _place(connection_id, patient_id))

    def _opened(self, row: DeviceConnection) -> StoredConnection:
        message = "the connection of a device was altered: disconnect it, connect it anew"
        plain = self._seal.open(row.payload, _place(row.connection_id, row.patient_id), message)
        return StoredConnection(row.connection_id, row.patient_id, json.loads(plain), row.changed_at)


def _whose(patient_id: UUID, *connection_ids: UUID) -> sa.Delete:
    return sa.delete(DeviceConnection).where(
        DeviceConnection.patient_id == patient_id, DeviceConnection.connection_id.in_(connection_ids)
    )


def _digest(state: str) -> bytes:
    return hashlib.sha256(state.encode()).digest()


def _place(connection_id: UUID, patient_id: UUID) -> str:
    return f"{DeviceConnection.__tablename__}:{connection_id.hex}:{patient_id.hex}"
