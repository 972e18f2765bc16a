"""Replacing keys while the system runs, in steps that can be interrupted anywhere and taken up again.

The rows themselves are the only state of a rotation: rows under an earlier key are still to do. The old and the new key
open what they sealed until the last row has moved. The database refuses to delete a key in use.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from novamind.errors import ValidationError
from novamind.infrastructure.audit import Access, AuditLog, Event
from novamind.infrastructure.database import MAINTENANCE_SECONDS, Database
from novamind.infrastructure.keys import KeyEncryption
from novamind.infrastructure.patient_store import place
from novamind.infrastructure.tables import PatientKey, Record, WrappingKey
from novamind.infrastructure.vault import Vault, use_wrapping_key, wrapping_context

_BATCH: Final = 100

Progress = Callable[[int], None]


class Rotation:
    """Replaces encryption keys and data keys.

    Parameters
    ----------
    database, encryption, vault, audit
        Those of the running system.
    access
        Operator in whose name the keys are replaced.
    progress
        Called with the number of keys or patients done.
    """

    def __init__(
        self,
        database: Database,
        encryption: KeyEncryption,
        vault: Vault,
        audit: AuditLog,
        access: Access,
        progress: Progress = lambda _done: None,
    ) -> None:
        self._database = database
        self._encryption = encryption
        self._vault = vault
        self._audit = audit
        self._access = access
        self._progress = progress

    async def pending(self) -> int:
        """Return the number of data keys that an earlier encryption key still wraps."""
        current = await self._encryption.current()
        query = sa.select(sa.func.count()).select_from(PatientKey).where(PatientKey.wrapping_key != current)
        async with self._database.snapshot(MAINTENANCE_SECONDS) as session:
            return await session.scalar(query) or 0

    async def rewrap(self) -> int:
        """Wrap every data key with the current encryption key, and return how many were wrapped again.

        Raises
        ------
        DataProcessingError
            If a data key cannot be unwrapped, because its encryption key is not at hand.
        """
        current, done = await self._encryption.current(), 0
        earlier = sa.select(PatientKey).where(PatientKey.wrapping_key != current).limit(_BATCH)
        while True:
            async with self._database.snapshot(MAINTENANCE_SECONDS) as session:
                keys = (await session.scalars(earlier)).all()
            if not keys:
                return done
            again: list[tuple[UUID, str, dict[str, Any]]] = []
            for key in keys:
                context = wrapping_context(key.patient_id, key.key_id)
                data_key = await self._encryption.unwrap(key.wrapping_key, key.wrapped, context)
                name, wrapped = await self._encryption.wrap(data_key, context)
                again.append((key.key_id, key.wrapping_key, {"wrapping_key": name, "wrapped": wrapped}))
            async with self._database.transaction(MAINTENANCE_SECONDS) as session:
                for used in {values["wrapping_key"] for _, _, values in again}:
                    await use_wrapping_key(session, used)
                for key_id, before, values in again:
                    same = (PatientKey.key_id == key_id, PatientKey.wrapping_key == before)
                    await session.execute(sa.update(PatientKey).where(*same).values(values))
                await self._audit.append_within(session, self._event("rewrapped", count=len(again)))
            done += len(again)
            self._progress(done)

    async def retire(self) -> set[str]:
        """Retire the encryption keys that wrap nothing any more; return the names of all that were ever retired.

        What they wrapped in old backups can be read no more once they are destroyed.
        """
        current = await self._encryption.current()
        async with self._database.transaction(MAINTENANCE_SECONDS) as session:
            unused = ~sa.exists().where(PatientKey.wrapping_key == WrappingKey.name)
            candidates = await session.scalars(
                sa.select(WrappingKey.name)
                .where(WrappingKey.name != current, WrappingKey.retired_at.is_(None))
                .with_for_update()
            )
            for name in candidates.all():
                retired = await session.scalar(
                    sa.update(WrappingKey)
                    .where(WrappingKey.name == name, unused)
                    .values(retired_at=datetime.now(UTC))
                    .returning(WrappingKey.name)
                    .execution_options(synchronize_session=False)
                )
                if retired:
                    await self._audit.append_within(session, self._event("retired", references=(name,)))
            return set(await session.scalars(sa.select(WrappingKey.name).where(WrappingKey.retired_at.is_not(None))))

    async def renew_data_keys(self, made_before: datetime) -> int:
        """Renew data keys older than this, seal the records with them, and return the number of patients.

        Raises
        ------
        TamperedError
            If a stored record was altered.
        """
        newest = sa.select(PatientKey.patient_id).group_by(PatientKey.patient_id)
        old = newest.having(
            sa.or_(sa.func.max(PatientKey.created_at) < made_before, sa.func.count() > 1)  # or begun and interrupted
        )
        async with self._database.snapshot(MAINTENANCE_SECONDS) as session:
            patients = (await session.scalars(old)).all()
        for done, patient_id in enumerate(patients, start=1):
            await self._renew(patient_id)
            self._progress(done)
        return len(patients)

    async def _renew(self, patient_id: UUID) -> None:
        async with self._database.snapshot(MAINTENANCE_SECONDS) as session:
            keys = await session.scalar(
                sa.select(sa.func.count()).select_from(PatientKey).where(PatientKey.patient_id == patient_id)
            )
        if keys == 1:
            await self._vault.renew(patient_id)
        self._vault.forget(patient_id)
        for _ in range(10):
            await self._reseal(patient_id)
            if await self._drop_earlier(patient_id):
                return
        raise ValidationError("a patient's records are written faster than they can be sealed again; try again later")

    async def _reseal(self, patient_id: UUID) -> None:
        """Seal again, under the newest key, what an earlier one sealed."""
        while True:
            key_id = (await self._vault.cipher(patient_id)).key_id
            query = sa.select(Record).where(Record.patient_id == patient_id, Record.key_id != key_id).limit(_BATCH)
            async with self._database.snapshot(MAINTENANCE_SECONDS) as session:
                rows = (await session.scalars(query)).all()
            if not rows:
                return
            cipher = await self._vault.cipher(patient_id, messages=len(rows))
            sealed = []
            for row in rows:
                where = place(row.record_id, row.kind, row.version)
                sealed.append(cipher.seal(cipher.open(row.payload, row.key_id, where), where))
            async with self._database.transaction(MAINTENANCE_SECONDS) as session:
                for row, payload in zip(rows, sealed, strict=True):
                    await session.execute(
                        sa.update(Record)
                        .where(
                            Record.record_id == row.record_id,
                            Record.version == row.version,
                            Record.key_id == row.key_id,
                        )
                        .values(key_id=cipher.key_id, payload=payload)
                    )

    async def _drop_earlier(self, patient_id: UUID) -> bool:
        """Destroy the keys before the newest, unless the database says that something is still sealed with them."""
        newest = (await self._vault.cipher(patient_id)).key_id
        try:
            async with self._database.transaction(MAINTENANCE_SECONDS) as session:
                dropped = await session.scalars(
                    sa.delete(PatientKey)
                    .where(PatientKey.patient_id == patient_id, PatientKey.key_id != newest)
                    .returning(PatientKey.key_id)
                )
                references = tuple(str(key_id) for key_id in dropped)
                await self._audit.append_within(session, self._event("destroyed", patient_id, references=references))
        except IntegrityError:  # somebody wrote with an earlier key in the meantime
            return False
        self._vault.forget(patient_id)
        return True

    def _event(
        self, action: str, patient_id: UUID | None = None, *, count: int = 1, references: tuple[str, ...] = ()
    ) -> Event:
        return Event(
            access=self._access,
            action=action,
            what="data_key" if patient_id or action == "rewrapped" else "encryption_key",
            patient_id=patient_id,
            count=count,
            references=references,
        )
