"""The tables of the patients' database. All that concerns a person is ciphertext or a keyed digest.

Random identifiers, kinds, counts, the time of storage, and who may see whom are in the open. A report's own date, a
score, a drug, a name are inside ``payload``, which :mod:`novamind.infrastructure.vault` seals.
"""

from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from novamind.infrastructure.database import Base

#: SQLite counts rows by itself only in a column that is called INTEGER.
_counter = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


class Organisation(Base):
    """A clinic; every patient belongs to one."""

    __tablename__ = "organisations"
    organisation_id: Mapped[UUID] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(200))
    created_at: Mapped[datetime]


class Patient(Base):
    """A person as a random identifier; the identity is a sealed record like any other.

    ``revision`` grows with every change of the record or of the consent, so that what was computed from an earlier
    one is known to be old.
    """

    __tablename__ = "patients"
    patient_id: Mapped[UUID] = mapped_column(primary_key=True)
    organisation_id: Mapped[UUID] = mapped_column(sa.ForeignKey("organisations.organisation_id"), index=True)
    revision: Mapped[int] = mapped_column(sa.BigInteger)
    created_at: Mapped[datetime]


class PatientIdentifier(Base):
    """Blind index: a keyed digest finds a patient by an identifier that is not stored."""

    __tablename__ = "patient_identifiers"
    organisation_id: Mapped[UUID] = mapped_column(sa.ForeignKey("organisations.organisation_id"), primary_key=True)
    kind: Mapped[str] = mapped_column(sa.String(20), primary_key=True)
    digest: Mapped[bytes] = mapped_column(sa.LargeBinary(32), primary_key=True)
    patient_id: Mapped[UUID] = mapped_column(sa.ForeignKey("patients.patient_id"), primary_key=True, index=True)


class WrappingKey(Base):
    """A key-encryption key by its name: since when it is used, and when it was retired for ever."""

    __tablename__ = "wrapping_keys"
    name: Mapped[str] = mapped_column(sa.String(64), primary_key=True)
    created_at: Mapped[datetime]
    retired_at: Mapped[datetime | None]


class PatientKey(Base):
    """A patient's data key, wrapped by a key-encryption key; deleting the row destroys what it sealed."""

    __tablename__ = "patient_keys"
    key_id: Mapped[UUID] = mapped_column(primary_key=True)
    patient_id: Mapped[UUID] = mapped_column(sa.ForeignKey("patients.patient_id"))
    generation: Mapped[int]
    wrapping_key: Mapped[str] = mapped_column(sa.ForeignKey("wrapping_keys.name"), index=True)
    wrapped: Mapped[bytes] = mapped_column(sa.LargeBinary)
    reserved: Mapped[int] = mapped_column(sa.BigInteger)
    created_at: Mapped[datetime]
    __table_args__ = (sa.UniqueConstraint("patient_id", "generation"),)


class Record(Base):
    """One version of one sealed piece of a patient's record; versions are added, never changed."""

    __tablename__ = "patient_records"
    record_id: Mapped[UUID] = mapped_column(primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True)
    patient_id: Mapped[UUID] = mapped_column(sa.ForeignKey("patients.patient_id"))
    kind: Mapped[str] = mapped_column(sa.String(32))
    key_id: Mapped[UUID] = mapped_column(sa.ForeignKey("patient_keys.key_id"), index=True)
    payload: Mapped[bytes] = mapped_column(sa.LargeBinary)
    recorded_at: Mapped[datetime]
    superseded_at: Mapped[datetime | None]
    __table_args__ = (sa.Index(None, "patient_id", "kind", "recorded_at"),)


class Relationship(Base):
    """A clinician treats a patient, from when to when."""

    __tablename__ = "relationships"
    relationship_id: Mapped[UUID] = mapped_column(primary_key=True)
    clinician_id: Mapped[UUID]
    patient_id: Mapped[UUID] = mapped_column(sa.ForeignKey("patients.patient_id"), index=True)
    begins_at: Mapped[datetime]
    ends_at: Mapped[datetime | None]
    __table_args__ = (sa.Index(None, "clinician_id", "patient_id"),)


class Consent(Base):
    """A patient's decision about one category of data; the last one counts."""

    __tablename__ = "consents"
    consent_id: Mapped[UUID] = mapped_column(primary_key=True)
    patient_id: Mapped[UUID] = mapped_column(sa.ForeignKey("patients.patient_id"), index=True)
    category: Mapped[str] = mapped_column(sa.String(32))
    granted: Mapped[bool]
    decided_at: Mapped[datetime]


class IdempotencyKey(Base):
    """A request that was carried out, with its answer; keyed digests stand for caller, key and content."""

    __tablename__ = "idempotency_keys"
    digest: Mapped[bytes] = mapped_column(sa.LargeBinary(32), primary_key=True)
    request_digest: Mapped[bytes] = mapped_column(sa.LargeBinary(32))
    answer: Mapped[list[Any]] = mapped_column(sa.JSON)
    created_at: Mapped[datetime] = mapped_column(index=True)


class OutboxEvent(Base):
    """An event that was committed together with the change that it reports, and waits to be published."""

    __tablename__ = "outbox_events"
    position: Mapped[int] = mapped_column(_counter, primary_key=True, autoincrement=True)
    event_id: Mapped[UUID] = mapped_column(unique=True)
    kind: Mapped[str] = mapped_column(sa.String(64))
    patient_id: Mapped[UUID | None]
    record_ids: Mapped[list[Any]] = mapped_column(sa.JSON)
    created_at: Mapped[datetime]
    attempts: Mapped[int]
    claimed_until: Mapped[datetime | None]


class ExportFile(Base):
    """A part of a bulk export, sealed and kept for a short time; resources of one type, a line each."""

    __tablename__ = "export_files"
    file_id: Mapped[UUID] = mapped_column(primary_key=True)
    export_id: Mapped[UUID] = mapped_column(index=True)
    owner: Mapped[UUID]
    resource_type: Mapped[str] = mapped_column(sa.String(64))
    count: Mapped[int]
    payload: Mapped[bytes] = mapped_column(sa.LargeBinary)
    expires_at: Mapped[datetime] = mapped_column(index=True)


class DeviceConnection(Base):
    """A device of a patient whose maker's service gives data; the agreement and its tokens are inside ``payload``.

    ``state_digest`` finds it while the person's browser is at the maker, ``claimed_until`` until when it is fetched.
    """

    __tablename__ = "device_connections"
    connection_id: Mapped[UUID] = mapped_column(primary_key=True)
    patient_id: Mapped[UUID] = mapped_column(sa.ForeignKey("patients.patient_id"), index=True)
    state_digest: Mapped[bytes | None] = mapped_column(sa.LargeBinary(32), unique=True)
    payload: Mapped[bytes] = mapped_column(sa.LargeBinary)
    claimed_until: Mapped[datetime | None]
    changed_at: Mapped[datetime]


class CardFeedback(Base):
    """What became of a card of CDS Hooks; outcome, reason and comment are inside ``payload``."""

    __tablename__ = "card_feedback"
    feedback_id: Mapped[UUID] = mapped_column(primary_key=True)
    owner: Mapped[UUID]
    payload: Mapped[bytes] = mapped_column(sa.LargeBinary)
    received_at: Mapped[datetime] = mapped_column(index=True)


class AuditEntry(Base):
    """One link of the audit's chain; the database itself refuses to change or delete it."""

    __tablename__ = "audit_entries"
    sequence: Mapped[int] = mapped_column(sa.BigInteger, primary_key=True, autoincrement=False)
    content: Mapped[str] = mapped_column(sa.Text)
    subject: Mapped[str | None] = mapped_column(sa.String(64), index=True)
    digest: Mapped[bytes] = mapped_column(sa.LargeBinary(32))


class AuditCheckpoint(Base):
    """A signed statement of how long the audit's chain is and how it ends."""

    __tablename__ = "audit_checkpoints"
    sequence: Mapped[int] = mapped_column(sa.BigInteger, primary_key=True, autoincrement=False)
    digest: Mapped[bytes] = mapped_column(sa.LargeBinary(32))
    signed_at: Mapped[datetime]
    signer: Mapped[str] = mapped_column(sa.String(64))
    signature: Mapped[bytes] = mapped_column(sa.LargeBinary(64))
