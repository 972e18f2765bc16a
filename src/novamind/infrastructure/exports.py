"""Files of bulk exports and imports: sealed with AES-256-GCM, bound to their place, their owner's until they expire."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID, uuid4

import sqlalchemy as sa

from novamind.errors import NotFoundError
from novamind.infrastructure.database import Database
from novamind.infrastructure.identity.secrets import Seal, derived_key
from novamind.infrastructure.tables import ExportFile

KEPT: Final = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class ExportPart:
    """What is known of a file without opening it."""

    file_id: UUID
    resource_type: str
    count: int
    expires_at: datetime


class Exports:
    """Keeps the files of bulk exports.

    Parameters
    ----------
    key
        The system's key of which that of the files is derived.
    """

    def __init__(self, database: Database, key: bytes) -> None:
        self._database = database
        self._seal = Seal(derived_key(key, "exports"))

    async def begin(self, export_id: UUID) -> None:
        """Delete what an interrupted attempt left, and every file that has expired."""
        stale = sa.or_(ExportFile.export_id == export_id, ExportFile.expires_at <= datetime.now(UTC))
        async with self._database.transaction() as session:
            await session.execute(sa.delete(ExportFile).where(stale))

    async def keep(self, export_id: UUID, owner: UUID, resource_type: str, lines: Sequence[str]) -> UUID:
        """Seal a file of resources, a line each, and return its id."""
        file_id = uuid4()
        plain = "".join(f"{line}\n" for line in lines).encode()
        async with self._database.transaction() as session:
            await session.execute(
                sa.insert(ExportFile).values(
                    file_id=file_id,
                    export_id=export_id,
                    owner=owner,
                    resource_type=resource_type,
                    count=len(lines),
                    payload=self._seal.seal(plain, _place(file_id, owner)),
                    expires_at=datetime.now(UTC) + KEPT,
                )
            )
        return file_id

    async def parts(self, export_id: UUID, owner: UUID) -> list[ExportPart]:
        """Return the files of one's own export that have not expired, in the order of their types."""
        columns = (ExportFile.file_id, ExportFile.resource_type, ExportFile.count, ExportFile.expires_at)
        query = sa.select(*columns).where(
            ExportFile.export_id == export_id, ExportFile.owner == owner, ExportFile.expires_at > datetime.now(UTC)
        )
        async with self._database.snapshot() as session:
            rows = (await session.execute(query.order_by(ExportFile.resource_type, ExportFile.file_id))).all()
        return [ExportPart(*row) for row in rows]

    async def open(self, file_id: UUID, owner: UUID) -> bytes:
        """Return a file of one's own export.

        Raises
        ------
        NotFoundError
            If there is none, it has expired, or it is somebody else's.
        DataProcessingError
            If it was altered.
        """
        async with self._database.snapshot() as session:
            row = await session.get(ExportFile, file_id)
        if row is None or row.owner != owner or row.expires_at <= datetime.now(UTC):
            raise NotFoundError("there is no such file, or it has expired; export again")
        return self._seal.open(row.payload, _place(file_id, owner), "a file of an export was altered; export again")

    async def delete(self, export_id: UUID, owner: UUID) -> None:
        """Delete the files of one's own export."""
        async with self._database.transaction() as session:
            await session.execute(
                sa.delete(ExportFile).where(ExportFile.export_id == export_id, ExportFile.owner == owner)
            )


def _place(file_id: UUID, owner: UUID) -> str:
    return f"{ExportFile.__tablename__}:{file_id.hex}:{owner.hex}"
