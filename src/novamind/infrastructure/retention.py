"""Forgetting: records that have outlived their purpose, and persons who ask for it.

A patient is forgotten by destroying the data keys (cryptographic erase, NIST SP 800-88) and deleting every row; the
audit keeps the pseudonym, the count and the SHA-256 of each wrapped key that was destroyed. A backup from before can be
read until the encryption key of its time is retired too: run ``novamind keys rotate`` and ``keys retire`` afterwards.
"""

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from novamind.errors import NotFoundError
from novamind.infrastructure.audit import Access, AuditLog, Event
from novamind.infrastructure.database import MAINTENANCE_SECONDS, Base, Database
from novamind.infrastructure.patient_store import RESULTS, Kind
from novamind.infrastructure.tables import ExportFile, IdempotencyKey, Patient, PatientKey, Record
from novamind.infrastructure.vault import Vault

IDEMPOTENCY_AGE: Final = timedelta(days=1)
#: How long results of models are kept, unless records are kept for less.
RESULTS_AGE: Final = timedelta(days=400)


@dataclass(frozen=True)
class PurgePlan:
    """What a purge deletes.

    Attributes
    ----------
    patients
        To be forgotten altogether: nothing was stored of them, but results, for as long as records are kept.
    records
        Records, of other patients, that are older than records are kept, and results that are older than these are.
    idempotency_keys
        Noted requests that nobody will repeat any more.
    """

    cutoff: datetime
    patients: tuple[UUID, ...]
    records: int
    idempotency_keys: int


class Retention:
    """Plans and carries out purges.

    Parameters
    ----------
    database, vault, audit
        Those of the running system.
    retention_days
        How long records are kept.
    """

    def __init__(self, database: Database, vault: Vault, audit: AuditLog, retention_days: int) -> None:
        self._database = database
        self._vault = vault
        self._audit = audit
        self._kept = timedelta(days=retention_days)

    async def plan(self, now: datetime | None = None) -> PurgePlan:
        """Return what has outlived its purpose; nothing is changed."""
        now = now or datetime.now(UTC)
        cutoff = now - self._kept
        living = sa.exists().where(
            Record.patient_id == Patient.patient_id, Record.recorded_at >= cutoff, Record.kind.not_in(RESULTS)
        )
        async with self._database.snapshot(MAINTENANCE_SECONDS) as session:
            patients = tuple(
                await session.scalars(sa.select(Patient.patient_id).where(Patient.created_at < cutoff, ~living))
            )
            records = await session.scalar(
                sa.select(sa.func.count())
                .select_from(Record)
                .where(_aged(cutoff, now), Record.patient_id.not_in(patients))
            )
            idempotency_keys = await session.scalar(
                sa.select(sa.func.count())
                .select_from(IdempotencyKey)
                .where(IdempotencyKey.created_at < now - IDEMPOTENCY_AGE)
            )
        return PurgePlan(cutoff, patients, records or 0, idempotency_keys or 0)

    async def carry_out(self, plan: PurgePlan, access: Access) -> None:
        """Delete what a plan names; after an interruption, plan and carry out again."""
        for patient_id in plan.patients:
            await self.forget(patient_id, access)
        now = plan.cutoff + self._kept
        async with self._database.transaction(MAINTENANCE_SECONDS) as session:
            await session.execute(sa.delete(IdempotencyKey).where(IdempotencyKey.created_at < now - IDEMPOTENCY_AGE))
            aged = await session.scalars(sa.delete(Record).where(_aged(plan.cutoff, now)).returning(Record.patient_id))
            counts: dict[UUID, int] = {}
            for patient_id in aged:
                counts[patient_id] = counts.get(patient_id, 0) + 1
            events = [
                Event(access=access, action="purge", what="records", patient_id=patient_id, count=count)
                for patient_id, count in counts.items()
            ]
            if events:
                await self._audit.append_within(session, *events)
        await self._sweep()

    async def forget(self, patient_id: UUID, access: Access) -> None:
        """Destroy a patient's data keys and delete every row about the patient.

        Raises
        ------
        NotFoundError
            If there is no such patient.
        """
        async with self._database.transaction(MAINTENANCE_SECONDS) as session:
            wrapped = (
                await session.scalars(sa.select(PatientKey.wrapped).where(PatientKey.patient_id == patient_id))
            ).all()
            if not wrapped:
                raise NotFoundError("there is no patient of this id")
            deleted = await _delete_rows(session, patient_id)
            await session.execute(sa.delete(ExportFile))  # they hold many patients' resources, and are soon made anew
            destroyed = [hashlib.sha256(key).hexdigest() for key in wrapped]
            await self._audit.append_within(
                session,
                Event(
                    access=access,
                    action="purge",
                    what="patient",
                    patient_id=patient_id,
                    count=deleted,
                    references=destroyed,
                ),
            )
        self._vault.forget(patient_id)
        await self._sweep()

    async def _sweep(self) -> None:
        """Overwrite what deletion has left in the database's files."""
        async with self._database.engine.connect() as connection:
            if self._database.is_sqlite:
                driver = (await connection.get_raw_connection()).driver_connection
                assert driver is not None  # noqa: S101 - it was just connected
                await driver.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            else:
                automatic = await connection.execution_options(isolation_level="AUTOCOMMIT")
                await automatic.exec_driver_sql("VACUUM patient_keys, patient_records")


def _aged(cutoff: datetime, now: datetime) -> sa.ColumnElement[bool]:
    """Return the condition of records that were stored or superseded too long ago, identities excepted."""
    return sa.or_(
        sa.and_(Record.superseded_at.is_not(None), Record.superseded_at < cutoff),
        sa.and_(Record.recorded_at < cutoff, Record.kind != Kind.IDENTITY),
        sa.and_(Record.recorded_at < now - RESULTS_AGE, Record.kind.in_(RESULTS)),
    )


async def _delete_rows(session: AsyncSession, patient_id: UUID) -> int:
    """Delete a patient's rows in every table, with those that point to them, and return their number."""
    going: dict[sa.Table, sa.ColumnElement[bool]] = {}
    for table in Base.metadata.sorted_tables:
        reasons = [table.c.patient_id == patient_id] if "patient_id" in table.c else []
        reasons += [
            key.parent.in_(sa.select(key.column).where(going[key.column.table]))
            for key in table.foreign_keys
            if key.column.table in going
        ]
        if reasons:
            going[table] = sa.or_(*reasons)
    deleted = 0
    for table, condition in reversed(going.items()):  # those first that point to others
        deleted += len((await session.execute(sa.delete(table).where(condition).returning(sa.literal(1)))).all())
    return deleted
