"""The patients' records at rest: every piece sealed, every reading and every change in the audit.

The store knows no roles: its callers have decided on access. It takes an
:class:`~novamind.infrastructure.audit.Access` all the same, since every read and every write gets an audit entry. A
change is committed together with its entry; a record is handed out when its entry is on disk.

The store is shared by all rooms, because one purge, one rotation and one audit must reach all of a person's record.
"""

import hashlib
import json
import zlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from operator import attrgetter
from typing import Any, Final
from uuid import UUID, uuid4

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from novamind.errors import NotFoundError, NovamindError, OutdatedError, ServiceUnavailableError, ValidationError
from novamind.infrastructure.audit import Access, AuditLog, Event
from novamind.infrastructure.database import Batcher, Database, UtcDateTime, insert_all_missing
from novamind.infrastructure.events import outbox_row, record_event
from novamind.infrastructure.tables import (
    Consent,
    IdempotencyKey,
    Organisation,
    OutboxEvent,
    Patient,
    PatientIdentifier,
    Record,
    Relationship,
)
from novamind.infrastructure.vault import BlindIndex, PatientCipher, Place, TamperedError, Vault

_ROWS_A_SECOND: Final = 500  # that the slowest database is expected to store
_NAMED_IN_AUDIT: Final = 20  # records of one change; of more the audit has the count only
#: The identifier that is unique within an organisation.
RECORD_NUMBER: Final = "mrn"
_NO_PATIENT: Final = "there is no patient of this id"


class Kind(StrEnum):
    """What a record is about."""

    IDENTITY = "identity"
    SYMPTOM_REPORT = "symptom_report"
    SCALE = "scale"
    BIOMETRIC_SAMPLES = "biometric_samples"
    GENOTYPE = "genotype"
    MEDICATION = "medication"
    CONDITION = "condition"
    NOTE = "note"
    IMPORT = "import"
    FORECAST = "forecast"
    INSIGHT = "insight"


#: Results of a model; they name its version. To store one changes nothing of the record that it was computed from.
RESULTS: Final = frozenset({Kind.FORECAST, Kind.INSIGHT})


@dataclass(frozen=True, eq=False)
class Samples:
    """A stretch of one signal, stored as columns.

    Attributes
    ----------
    timestamps
        Milliseconds since 1970 in UTC, ``(n,)``.
    values
        In ``unit``, ``(n,)``.
    export
        The kind of export that brought it, where a later export of this kind replaces what it covers.
    since
        Milliseconds since 1970 from which on the export is whole, where that is before its first value.
    """

    signal: str
    unit: str
    timestamps: NDArray[np.int64]
    values: NDArray[np.float64]
    export: str = ""
    since: int | None = None

    def __post_init__(self) -> None:
        if self.timestamps.ndim != 1 or self.timestamps.shape != self.values.shape:
            raise ValidationError("timestamps and values of samples must be two columns of one length")
        if not np.isfinite(self.values).all():
            raise ValidationError("samples must be finite numbers; leave out what was not measured")


Content = Mapping[str, Any] | Samples


@dataclass(frozen=True)
class StoredRecord:
    """A record as it was stored.

    Attributes
    ----------
    recorded_at
        When it was first stored. A correction leaves it, so that of two records the later one stays the later one;
        when it was corrected is in the audit, and in when the version before was superseded.
    """

    record_id: UUID
    version: int
    kind: Kind
    content: Content
    recorded_at: datetime


@dataclass(frozen=True)
class RecordVersion:
    """A version of a record, also one that no longer counts.

    Attributes
    ----------
    since
        From when this version counted.
    until
        When another took its place or it was withdrawn; ``None`` while it counts.
    """

    record: StoredRecord
    since: datetime
    until: datetime | None


@dataclass(frozen=True)
class Identity:
    """Identity of a patient.

    Attributes
    ----------
    identifiers
        Texts by which the patient can be found, such as ``{"mrn": "...", "email": "..."}``.
    details
        Everything else: names, birth date, address.
    """

    identifiers: Mapping[str, str]
    details: Mapping[str, Any]


class PatientStore:
    """Patients, their records, consent and who treats them.

    Parameters
    ----------
    database
        Where it all is.
    vault
        Seals and opens.
    index
        Finds patients by identifiers.
    audit
        Gets an entry of every read and every change.
    """

    def __init__(self, database: Database, vault: Vault, index: BlindIndex, audit: AuditLog) -> None:
        self._database = database
        self._vault = vault
        self._index = index
        self._audit = audit
        self._batcher = Batcher(self._add)

    async def add_organisation(self, name: str, access: Access) -> UUID:
        """Store a clinic and return its id."""
        organisation_id = uuid4()
        async with self._database.transaction() as session:
            await session.execute(
                sa.insert(Organisation).values(organisation_id=organisation_id, name=name, created_at=datetime.now(UTC))
            )
            await self._audit.append_within(
                session,
                Event(access=access, action="write", what="organisation", references=[str(organisation_id)]),
            )
        return organisation_id

    async def register(self, organisation_id: UUID, identity: Identity, access: Access) -> UUID:
        """Store a new patient and return the id.

        Raises
        ------
        ValidationError
            If there is no such organisation, or it has a patient with this medical record number.
        """
        patient_id, now = uuid4(), datetime.now(UTC)
        number = identity.identifiers.get(RECORD_NUMBER)
        try:
            async with self._database.transaction() as session:
                # Locked, so that of two who register one number at once the second sees the first.
                await session.execute(
                    sa.select(Organisation.organisation_id)
                    .where(Organisation.organisation_id == organisation_id)
                    .with_for_update()
                )
                if number is not None and await self._identified(session, organisation_id, RECORD_NUMBER, number):
                    raise ValidationError("a patient with this medical record number is registered already")
                await session.execute(
                    sa.insert(Patient).values(
                        patient_id=patient_id, organisation_id=organisation_id, revision=0, created_at=now
                    )
                )
                cipher = await self._vault.add_key(session, patient_id, messages=1)
                contents = [_pack({"identifiers": dict(identity.identifiers), "details": dict(identity.details)})]
                await session.execute(sa.insert(Record), _sealed_rows(cipher, Kind.IDENTITY, contents, now))
                for kind, value in identity.identifiers.items():
                    digest = self._index.digest(kind, organisation_id, value)
                    await session.execute(
                        sa.insert(PatientIdentifier).values(
                            organisation_id=organisation_id, kind=kind, digest=digest, patient_id=patient_id
                        )
                    )
                await self._audit_change(session, access, "write", Kind.IDENTITY, patient_id)
        except IntegrityError as error:
            raise ValidationError("there is no organisation of this id") from error
        return patient_id

    async def find(self, organisation_id: UUID, kind: str, value: str, access: Access) -> list[UUID]:
        """Return the patients of an organisation who have this identifier. Case and spaces are ignored."""
        async with self._database.snapshot() as session:
            patient_ids = await self._identified(session, organisation_id, kind, value)
        await self._audit.append(
            *(Event(access=access, action="find", what="patient", patient_id=patient_id) for patient_id in patient_ids)
            if patient_ids
            else (Event(access=access, action="find", what="patient", outcome="not_found", count=0),)
        )
        return patient_ids

    async def _identified(self, session: AsyncSession, organisation_id: UUID, kind: str, value: str) -> list[UUID]:
        query = sa.select(PatientIdentifier.patient_id).where(
            PatientIdentifier.organisation_id == organisation_id,
            PatientIdentifier.kind == kind,
            PatientIdentifier.digest == self._index.digest(kind, organisation_id, value),
        )
        return list(await session.scalars(query))

    async def append(
        self,
        patient_id: UUID,
        kind: Kind,
        contents: Sequence[Content],
        access: Access,
        *,
        idempotency_key: str | None = None,
    ) -> list[UUID]:
        """Store new records, all or none, and return their ids when they are on disk.

        Parameters
        ----------
        idempotency_key
            A repetition with the same key, by the same actor, stores nothing and gives the same ids.

        Raises
        ------
        NotFoundError
            If there is no such patient.
        ValidationError
            If the key was used for something else, or a model's result does not name its version.
        """
        packed = [_checked(kind, content) for content in contents]
        if not packed:
            return []
        once = self._once(idempotency_key, patient_id, kind, packed, access) if idempotency_key else None
        try:
            return await self._batcher.do(await self._addition(patient_id, kind, packed, access, once))
        except IntegrityError:  # somebody's data key, perhaps this one's, was replaced since it was read
            self._vault.forget(patient_id)
        try:
            (answer,) = await self._add([await self._addition(patient_id, kind, packed, access, once)])
        except IntegrityError as error:
            raise ServiceUnavailableError("the patient's data key is being replaced; try again") from error
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def append_all(
        self,
        patient_id: UUID,
        parts: Mapping[Kind, Sequence[Content]],
        access: Access,
        *,
        idempotency_key: str | None = None,
    ) -> list[UUID]:
        """Store new records of several kinds in one transaction, and return their ids in the order of the parts.

        Parameters
        ----------
        idempotency_key
            As of :meth:`append`; each kind counts by itself.

        Raises
        ------
        NotFoundError
            If there is no such patient.
        ValidationError
            As of :meth:`append`; nothing of any kind is stored then.
        """
        packed = {kind: [_checked(kind, content) for content in contents] for kind, contents in parts.items()}
        once = {
            kind: self._once(f"{idempotency_key}:{kind}", patient_id, kind, contents, access)
            for kind, contents in packed.items()
            if idempotency_key
        }
        for _ in range(2):
            additions = [
                await self._addition(patient_id, kind, contents, access, once.get(kind))
                for kind, contents in packed.items()
                if contents
            ]
            try:
                answers = await self._add(additions, together=True) if additions else []
            except IntegrityError:  # somebody's data key was replaced since it was read
                self._vault.forget(patient_id)
            else:
                return [record_id for answer in answers if isinstance(answer, list) for record_id in answer]
        raise ServiceUnavailableError("the patient's data key is being replaced; try again")

    async def _addition(
        self, patient_id: UUID, kind: Kind, packed: Sequence[bytes], access: Access, once: tuple[bytes, bytes] | None
    ) -> "_Addition":
        cipher = await self._vault.cipher(patient_id, messages=len(packed))
        return _Addition(patient_id, kind, _sealed_rows(cipher, kind, packed, datetime.now(UTC)), access, once)

    async def _add(self, additions: Sequence["_Addition"], *, together: bool = False) -> list[list[UUID] | Exception]:
        """Store what several callers bring in one transaction, and return each caller's ids or error.

        Rows are locked in one order everywhere (patients, noted requests, audit), so that nobody waits in a circle.

        Parameters
        ----------
        together
            Whether the additions are one caller's: an error of one is raised, and nothing is stored.
        """
        rows = sum(len(addition.rows) for addition in additions)
        async with self._database.transaction(self._database.patience + rows / _ROWS_A_SECOND) as session:
            wanted = Patient.patient_id.in_({addition.patient_id for addition in additions})
            query = sa.select(Patient.patient_id).where(wanted).order_by(Patient.patient_id).with_for_update()
            patients = set(await session.scalars(query))
            answers: list[list[UUID] | Exception] = [NotFoundError(_NO_PATIENT)] * len(additions)
            places = [i for i, addition in enumerate(additions) if addition.patient_id in patients]
            earlier = await self._earlier(session, [additions[i] for i in places])
            for i, answer in zip(places, earlier, strict=True):
                answers[i] = additions[i].record_ids if answer is None else answer
            if together and (errors := [answer for answer in answers if isinstance(answer, Exception)]):
                raise errors[0]
            new = [additions[i] for i, answer in zip(places, earlier, strict=True) if answer is None]
            if new:
                touched = Patient.patient_id.in_(
                    {addition.patient_id for addition in new if addition.kind not in RESULTS}
                )
                await session.execute(
                    sa.update(Patient)
                    .where(touched)
                    .values(revision=Patient.revision + 1)
                    .execution_options(synchronize_session=False)
                )
                await session.execute(sa.insert(Record), [row for addition in new for row in addition.rows])
                events = [
                    outbox_row(f"{addition.kind}.added", addition.patient_id, addition.record_ids) for addition in new
                ]
                await session.execute(sa.insert(OutboxEvent), events)
                entries = (
                    _event(addition.access, "write", addition.kind, addition.patient_id, addition.record_ids)
                    for addition in new
                )
                await self._audit.append_within(session, *entries)
        return answers

    async def amend(self, patient_id: UUID, record: StoredRecord, content: Content | None, access: Access) -> None:
        """Put a new version, or none, in a record's place; the earlier one is kept until it is purged.

        Raises
        ------
        OutdatedError
            If somebody else has amended the record since it was read.
        """
        cipher = await self._vault.cipher(patient_id, messages=1)
        now = datetime.now(UTC)
        contents = [] if content is None else [_checked(record.kind, content)]
        rows = _sealed_rows(cipher, record.kind, contents, record.recorded_at, record.record_id, record.version + 1)
        async with self._database.transaction() as session:
            superseded = await session.scalar(
                sa.update(Record)
                .where(
                    Record.record_id == record.record_id,
                    Record.patient_id == patient_id,
                    Record.version == record.version,
                    Record.superseded_at.is_(None),
                )
                .values(superseded_at=now)
                .returning(Record.version)
            )
            if superseded is None:
                raise OutdatedError("the record was changed by somebody else; read it again")
            if rows:
                await session.execute(sa.insert(Record), rows)
            await self._touch(session, patient_id)
            done = "amended" if rows else "withdrawn"
            await session.execute(
                sa.insert(OutboxEvent).values(outbox_row(f"{record.kind}.{done}", patient_id, [record.record_id]))
            )
            await self._audit_change(session, access, done, record.kind, patient_id, [record.record_id])

    async def withdraw(
        self, patient_id: UUID, record_ids: Collection[UUID], access: Access, kinds: Collection[Kind] | None = None
    ) -> list[UUID]:
        """Withdraw records together and return the ids of those that still counted, in order.

        Parameters
        ----------
        kinds
            Kinds that the records must have; a patient's identity can never be withdrawn.

        Raises
        ------
        NotFoundError
            If none of them is a record of this patient that still counts.
        """
        async with self._database.transaction() as session:
            gone = await session.execute(
                sa.update(Record)
                .where(
                    Record.record_id.in_(record_ids),
                    Record.patient_id == patient_id,
                    Record.kind.in_(frozenset(Kind if kinds is None else kinds) - {Kind.IDENTITY}),
                    Record.superseded_at.is_(None),
                )
                .values(superseded_at=datetime.now(UTC))
                .returning(Record.record_id, Record.kind)
            )
            by_kind: dict[str, list[UUID]] = {}
            for record_id, kind in gone:
                by_kind.setdefault(kind, []).append(record_id)
            if not by_kind:
                raise NotFoundError("there is no such record, or it was withdrawn already")
            await self._touch(session, patient_id)
            for kind, ids in sorted(by_kind.items()):
                await session.execute(sa.insert(OutboxEvent).values(outbox_row(f"{kind}.withdrawn", patient_id, ids)))
                await self._audit_change(session, access, "withdrawn", kind, patient_id, ids)
        return sorted(record_id for ids in by_kind.values() for record_id in ids)

    async def read_one(self, patient_id: UUID, record_id: UUID, access: Access) -> StoredRecord:
        """Return one record as it counts now, once the audit has the entry.

        Raises
        ------
        NotFoundError
            If there is no such record of this patient, or it was withdrawn.
        """
        query = sa.select(Record.kind).where(
            Record.record_id == record_id, Record.patient_id == patient_id, Record.superseded_at.is_(None)
        )
        async with self._database.snapshot() as session:
            kind = await session.scalar(query)
        for record in [] if kind is None else await self.read(patient_id, Kind(kind), access):
            if record.record_id == record_id:
                return record
        raise NotFoundError("there is no such record, or it was withdrawn already")

    async def read(
        self, patient_id: UUID, kind: Kind, access: Access, *, newest: int | None = None
    ) -> list[StoredRecord]:
        """Return a patient's records of one kind, the first stored first, once the audit has the entry.

        Parameters
        ----------
        newest
            Number of records, the newest; all where not given.

        Raises
        ------
        NotFoundError
            If there is no such patient.
        TamperedError
            If a stored record was altered; the audit gets an entry of that as well.
        ServiceUnavailableError
            If the audit cannot be written: nothing is handed out then.
        """
        (answer,) = (await self.read_each({patient_id: access}, kind, newest=newest)).values()
        if isinstance(answer, NovamindError):
            raise answer
        return answer

    async def read_each(
        self, accesses: Mapping[UUID, Access], kind: Kind, *, newest: int | None = None
    ) -> dict[UUID, list[StoredRecord] | NovamindError]:
        """Return what :meth:`read` returns or raises for each of several patients, with as many queries as for one."""
        if not accesses:
            return {}
        answers = await self._opened(list(accesses), kind, newest)
        await self._audit.append(
            *(_reading(accesses[patient_id], kind, patient_id, answer) for patient_id, answer in answers.items())
        )
        return answers

    async def owner(self, record_id: UUID) -> tuple[UUID, Kind] | None:
        """Return whose a record is and its kind, also where it was withdrawn; ``None`` if there is none."""
        query = sa.select(Record.patient_id, Record.kind).where(Record.record_id == record_id).limit(1)
        async with self._database.snapshot() as session:
            row = (await session.execute(query)).one_or_none()
        return None if row is None else (row.patient_id, Kind(row.kind))

    async def corrections(self, patient_id: UUID) -> dict[UUID, datetime]:
        """Return when each corrected record of a patient was last corrected."""
        query = (
            sa.select(Record.record_id, sa.func.max(Record.superseded_at, type_=UtcDateTime))
            .where(Record.patient_id == patient_id, Record.superseded_at.is_not(None))
            .group_by(Record.record_id)
        )
        async with self._database.snapshot() as session:
            rows = await session.execute(query)
        return {record_id: when for record_id, when in rows if when is not None}

    async def versions(self, patient_id: UUID, record_id: UUID, access: Access) -> list[RecordVersion]:
        """Return the versions of one record that are kept, the first first, once the audit has the entry.

        Raises
        ------
        NotFoundError
            If there is no such record of this patient.
        TamperedError
            If a stored version was altered.
        """
        query = (
            sa.select(Record)
            .where(Record.record_id == record_id, Record.patient_id == patient_id)
            .order_by(Record.version)
        )
        async with self._database.snapshot() as session:
            rows = list(await session.scalars(query))
        if not rows:
            raise NotFoundError("there is no such record")
        kind, since, versions = Kind(rows[0].kind), rows[0].recorded_at, []
        for row in rows:
            cipher = await self._vault.cipher(patient_id, key_id=row.key_id)
            plain = cipher.open(row.payload, row.key_id, place(row.record_id, kind, row.version))
            stored = StoredRecord(row.record_id, row.version, kind, _unpack(plain), row.recorded_at)
            versions.append(RecordVersion(stored, since, row.superseded_at))
            since = row.superseded_at or since
        await self._audit.append(
            Event(
                access=access,
                action="read",
                what=kind,
                patient_id=patient_id,
                count=len(versions),
                references=[str(record_id)],
            )
        )
        return versions

    async def revision(self, patient_id: UUID) -> int:
        """Return a number that grows with each change of a patient's record or consent; part of every cache key.

        Raises
        ------
        NotFoundError
            If there is no such patient.
        """
        async with self._database.snapshot() as session:
            revision = await session.scalar(sa.select(Patient.revision).where(Patient.patient_id == patient_id))
        if revision is None:
            raise NotFoundError(_NO_PATIENT)
        return revision

    async def decide(self, patient_id: UUID, category: str, granted: bool, access: Access) -> None:
        """Store a patient's decision about one category of data; it counts from now on."""
        async with self._database.transaction() as session:
            await self._touch(session, patient_id)
            await session.execute(
                sa.insert(Consent).values(
                    consent_id=uuid4(),
                    patient_id=patient_id,
                    category=category,
                    granted=granted,
                    decided_at=datetime.now(UTC),
                )
            )
            await record_event(session, "consent.decided", patient_id, [])
            await self._audit_change(session, access, "granted" if granted else "withdrawn", "consent", patient_id)

    async def consents(self, patient_id: UUID) -> dict[str, bool]:
        """Return the last decision in each category that has one."""
        return (await self.consents_each([patient_id]))[patient_id]

    async def consents_each(self, patient_ids: Collection[UUID]) -> dict[UUID, dict[str, bool]]:
        """Return several patients' decisions, with one query."""
        query = sa.select(Consent.patient_id, Consent.category, Consent.granted)
        decisions: dict[UUID, dict[str, bool]] = {patient_id: {} for patient_id in patient_ids}
        async with self._database.snapshot() as session:
            rows = await session.execute(query.where(Consent.patient_id.in_(patient_ids)).order_by(Consent.decided_at))
            for patient_id, category, granted in rows:
                decisions[patient_id][category] = granted
        return decisions

    async def relate(self, clinician_id: UUID, patient_id: UUID, access: Access) -> UUID:
        """Begin a clinician's treatment of a patient and return its id."""
        relationship_id = uuid4()
        async with self._database.transaction() as session:
            await self._touch(session, patient_id)
            await session.execute(
                sa.insert(Relationship).values(
                    relationship_id=relationship_id,
                    clinician_id=clinician_id,
                    patient_id=patient_id,
                    begins_at=datetime.now(UTC),
                )
            )
            await self._audit_change(session, access, "began", "relationship", patient_id, [relationship_id])
        return relationship_id

    async def unrelate(self, clinician_id: UUID, patient_id: UUID, access: Access) -> None:
        """End a clinician's treatment of a patient, from now on."""
        async with self._database.transaction() as session:
            await self._touch(session, patient_id)
            await session.execute(
                sa.update(Relationship)
                .where(
                    Relationship.clinician_id == clinician_id,
                    Relationship.patient_id == patient_id,
                    Relationship.ends_at.is_(None),
                )
                .values(ends_at=datetime.now(UTC))
            )
            await self._audit_change(session, access, "ended", "relationship", patient_id)

    async def treated_by(self, clinician_id: UUID) -> list[UUID]:
        """Return the patients whom a clinician treats now."""
        query = sa.select(Relationship.patient_id).where(
            Relationship.clinician_id == clinician_id, Relationship.ends_at.is_(None)
        )
        async with self._database.snapshot() as session:
            return list(await session.scalars(query.distinct().order_by(Relationship.patient_id)))

    async def _opened(
        self, patient_ids: Sequence[UUID], kind: Kind, newest: int | None
    ) -> dict[UUID, list[StoredRecord] | NovamindError]:
        columns = (Record.patient_id, Record.record_id, Record.version, Record.key_id, Record.payload)
        each = [
            sa.select(*columns, Record.recorded_at)
            .where(Record.patient_id == patient_id, Record.kind == kind, Record.superseded_at.is_(None))
            .order_by(Record.recorded_at.desc(), Record.record_id)
            .limit(newest)
            .subquery()
            for patient_id in patient_ids
        ]
        query = sa.union_all(*map(sa.select, each))
        answers: dict[UUID, list[StoredRecord] | NovamindError] = {}
        for _ in range(2):
            async with self._database.snapshot() as session:
                rows = (await session.execute(query)).all()
            await self._vault.remember(patient_ids)
            ciphers = {}
            for patient_id in patient_ids:
                try:
                    ciphers[patient_id] = await self._vault.cipher(patient_id)
                except NotFoundError as error:
                    answers[patient_id] = error
            rows = [row for row in rows if row.patient_id in ciphers]
            for patient_id, key_id in {(row.patient_id, row.key_id) for row in rows}:
                ciphers[patient_id] = await self._vault.cipher(patient_id, key_id=key_id)
            if all(ciphers[row.patient_id].knows(row.key_id) for row in rows):
                break  # else a data key was replaced between the two readings
        in_order = sorted(sorted(rows, key=attrgetter("record_id"), reverse=True), key=attrgetter("recorded_at"))
        theirs: dict[UUID, list[Any]] = {patient_id: [] for patient_id in ciphers}
        for row in in_order:
            theirs[row.patient_id].append(row)
        for patient_id, cipher in ciphers.items():
            try:
                answers[patient_id] = [_open(cipher, kind, row) for row in theirs[patient_id]]
            except TamperedError as error:
                answers[patient_id] = error
        return answers

    async def _touch(self, session: AsyncSession, patient_id: UUID) -> None:
        revision = await session.scalar(
            sa.update(Patient)
            .where(Patient.patient_id == patient_id)
            .values(revision=Patient.revision + 1)
            .returning(Patient.revision)
        )
        if revision is None:
            raise NotFoundError(_NO_PATIENT)

    async def _audit_change(
        self,
        session: AsyncSession,
        access: Access,
        action: str,
        what: str,
        patient_id: UUID,
        record_ids: Sequence[UUID] = (),
    ) -> None:
        await self._audit.append_within(session, _event(access, action, what, patient_id, record_ids))

    def _once(
        self, idempotency_key: str, patient_id: UUID, kind: Kind, packed: Sequence[bytes], access: Access
    ) -> tuple[bytes, bytes]:
        """Return keyed digests of caller and key, and of the request; neither can be guessed from the database."""
        request = hashlib.sha256(b"".join(hashlib.sha256(content).digest() for content in packed)).hexdigest()
        return (
            self._index.keyed("idempotency", access.actor, idempotency_key),
            self._index.keyed("request", patient_id.hex, kind, request),
        )

    async def _earlier(
        self, session: AsyncSession, additions: Sequence["_Addition"]
    ) -> list[list[UUID] | ValidationError | None]:
        """Return the answers to the same requests before; ``None`` for a new one, which is noted now."""
        now = datetime.now(UTC)
        rows: dict[bytes, dict[str, Any]] = {}
        for addition in additions:
            if addition.once and addition.once[0] not in rows:
                digest, request = addition.once
                answer = [str(record_id) for record_id in addition.record_ids]
                rows[digest] = {"digest": digest, "request_digest": request, "answer": answer, "created_at": now}
        in_order = [rows[digest] for digest in sorted(rows)]
        noted: set[bytes] = set()
        if rows:
            noted = await insert_all_missing(session, IdempotencyKey, IdempotencyKey.__table__.c.digest, in_order)
        new = []
        for addition in additions:
            new.append(not addition.once or addition.once[0] in noted)
            # The second of two alike in one transaction is no longer new.
            noted -= {addition.once[0]} if addition.once else set()
        repeated = [
            addition.once[0] for addition, is_new in zip(additions, new, strict=True) if addition.once and not is_new
        ]
        requests: dict[bytes, IdempotencyKey] = {}
        if repeated:
            query = sa.select(IdempotencyKey).where(IdempotencyKey.digest.in_(repeated))
            requests = {row.digest: row for row in await session.scalars(query)}
        return [
            None if is_new else _answered(requests, addition) for addition, is_new in zip(additions, new, strict=True)
        ]


@dataclass(frozen=True, eq=False)
class _Addition:
    """Sealed records on their way into the store, with the keyed digests that identify a repeated request."""

    patient_id: UUID
    kind: Kind
    rows: list[dict[str, Any]]
    access: Access
    once: tuple[bytes, bytes] | None

    @property
    def record_ids(self) -> list[UUID]:
        return [row["record_id"] for row in self.rows]


def _answered(requests: Mapping[bytes, IdempotencyKey], addition: _Addition) -> list[UUID] | ValidationError:
    digest, request = addition.once or (b"", b"")
    if requests[digest].request_digest != request:
        return ValidationError("this idempotency key was used for another request; take a new one")
    return [UUID(record_id) for record_id in requests[digest].answer]


def _event(access: Access, action: str, what: str, patient_id: UUID, record_ids: Sequence[UUID]) -> Event:
    return Event(
        access=access,
        action=action,
        what=what,
        patient_id=patient_id,
        count=max(1, len(record_ids)),
        references=[str(record_id) for record_id in record_ids[:_NAMED_IN_AUDIT]],
    )


def _reading(access: Access, kind: Kind, patient_id: UUID, answer: list[StoredRecord] | NovamindError) -> Event:
    """Return the audit entry of one patient's reading."""
    read = Event(access=access, action="read", what=kind, patient_id=patient_id)
    if isinstance(answer, NovamindError):
        return replace(read, outcome="tampered" if isinstance(answer, TamperedError) else "not_found", count=0)
    return replace(read, count=len(answer))


def _open(cipher: PatientCipher, kind: Kind, row: sa.Row[Any]) -> StoredRecord:
    plain = cipher.open(row.payload, row.key_id, place(row.record_id, kind, row.version))
    return StoredRecord(row.record_id, row.version, kind, _unpack(plain), row.recorded_at)


def place(record_id: UUID, kind: str, version: int) -> Place:
    """Return where a record's payload belongs."""
    return Place(Record.__tablename__, f"payload:{kind}", record_id.hex, version)


def _sealed_rows(
    cipher: PatientCipher,
    kind: Kind,
    packed: Sequence[bytes],
    now: datetime,
    record_id: UUID | None = None,
    version: int = 1,
) -> list[dict[str, Any]]:
    # Of records that are stored together the first has the highest id, so that they are read in the order they came in.
    ids = sorted((uuid4() for _ in packed), reverse=True) if record_id is None else [record_id]
    rows = []
    for this, content in zip(ids, packed, strict=False):
        rows.append(
            {
                "record_id": this,
                "version": version,
                "patient_id": cipher.patient_id,
                "kind": kind,
                "key_id": cipher.key_id,
                "payload": cipher.seal(content, place(this, kind, version)),
                "recorded_at": now,
            }
        )
    return rows


def _checked(kind: Kind, content: Content) -> bytes:
    if isinstance(content, Samples) != (kind is Kind.BIOMETRIC_SAMPLES):
        raise ValidationError("biometric samples, and nothing else, are stored as Samples")
    if kind in RESULTS and not (isinstance(content, Mapping) and content.get("model_version")):
        raise ValidationError("a model's result is stored with its model_version")
    return _pack(content)


def _pack(content: Content) -> bytes:
    """Return the bytes to be sealed: a length, JSON, and for samples the two columns compressed."""
    columns = b""
    fields: Mapping[str, Any] = {}
    if isinstance(content, Samples):
        fields = {"signal": content.signal, "unit": content.unit, "count": len(content.values)}
        fields |= {"export": content.export} if content.export else {}
        fields |= {"since": content.since} if content.since is not None else {}
        steps = np.diff(content.timestamps.astype("<i8"), prepend=np.int64(0))
        columns = zlib.compress(steps.astype("<i8").tobytes() + content.values.astype("<f8").tobytes())
    else:
        fields = content
    try:
        text = json.dumps(fields, allow_nan=False, sort_keys=True).encode()
    except (TypeError, ValueError) as error:
        raise ValidationError("a record's content must be JSON: texts, finite numbers, lists, mappings") from error
    return len(text).to_bytes(4, "big") + text + columns


def _unpack(plain: bytes) -> Content:
    end = 4 + int.from_bytes(plain[:4], "big")
    fields: dict[str, Any] = json.loads(plain[4:end])
    if len(plain) == end:
        return fields
    columns, count = zlib.decompress(plain[end:]), fields["count"]
    steps = np.frombuffer(columns, "<i8", count)
    values = np.frombuffer(columns, "<f8", count, 8 * count)
    times = np.cumsum(steps)
    return Samples(fields["signal"], fields["unit"], times, values, fields.get("export", ""), fields.get("since"))
