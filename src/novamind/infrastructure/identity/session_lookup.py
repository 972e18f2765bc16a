"""Sessions, and what ties their owners to patients: read for all callers of one moment with two queries.

Nothing is kept: the end of a session or of a treatment counts from the next request on.
"""

import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from novamind.infrastructure.database import Batcher, Database, UtcDateTime
from novamind.infrastructure.identity.domain import Ties
from novamind.infrastructure.identity.tables import EmergencyAccess, OAuthClient, Session, User
from novamind.infrastructure.tables import Patient, Relationship

#: A session that goes on, or none; and what ties its account or client to each patient who was asked about.
Answer = tuple[sa.Row[Any] | None, dict[UUID, Ties]]


@dataclass(frozen=True, slots=True)
class _Question:
    """A question about a session (by id or cookie digest) or a known account, and its ties to these patients."""

    session: UUID | bytes | None
    subject: UUID | None
    patient_ids: Collection[UUID]


class SessionLookup:
    """Reads sessions, and ties to patients, as they are at this moment.

    Parameters
    ----------
    idle
        Silence after which a session ends.
    """

    def __init__(self, database: Database, idle: timedelta) -> None:
        self._database = database
        self._idle = idle
        self._batcher = Batcher(self._read)

    async def of_session(self, session: UUID | bytes, patient_ids: Collection[UUID]) -> Answer:
        """Return the session of this id or cookie digest, and its ties to these patients."""
        return await self._batcher.do(_Question(session, None, patient_ids))

    async def of_subject(self, subject: UUID, patient_ids: Collection[UUID]) -> dict[UUID, Ties]:
        """Return the ties of an account or client to these patients."""
        return (await self._batcher.do(_Question(None, subject, patient_ids)))[1]

    async def living(self, session: AsyncSession, session_id: UUID) -> tuple[Session, User | None, OAuthClient] | None:
        """Return a session that has not ended, with account and client, within the caller's transaction."""
        query = _living(Session, User, OAuthClient).where(Session.session_id == session_id)
        row = (await session.execute(query, self._now())).one_or_none()
        return None if row is None else (row[0], row[1], row[2])

    def _now(self) -> dict[str, datetime]:
        now = datetime.now(UTC)
        return {"now": now, "idle_since": now - self._idle}

    async def _read(self, questions: Sequence[_Question]) -> list[Answer]:
        ids = {question.session for question in questions if isinstance(question.session, UUID)}
        digests = {question.session for question in questions if isinstance(question.session, bytes)}
        patients = {patient_id for question in questions for patient_id in question.patient_ids}
        sessions: dict[UUID | bytes | None, sa.Row[Any]] = {}
        tied: Sequence[Any]
        now, read_at = self._now(), time.monotonic()
        async with self._database.snapshot() as session:
            if ids:
                rows = await session.execute(_BY_ID, now | {"which": list(ids)})
                sessions |= {row.session_id: row for row in rows}
            if digests:
                rows = await session.execute(_BY_COOKIE, now | {"which": list(digests)})
                sessions |= {row.cookie_digest: row for row in rows}
            subjects = [question.subject or _subject(sessions.get(question.session)) for question in questions]
            asking = {"subjects": [who for who in set(subjects) if who], "patients": list(patients)}
            tied = (await session.execute(_TIED, now | asking)).all() if patients else ()
        by_patient = {row.patient_id: row for row in tied}
        treats = {(row.clinician_id, row.patient_id) for row in tied}
        until = {(row.user_id, row.patient_id): row.expires_at for row in tied}  # in order: the longest stays

        def ties(who: UUID | None, patient_id: UUID) -> Ties:
            row, key = by_patient.get(patient_id), (who, patient_id)
            if row is None or who is None:
                return Ties(read_at=read_at)
            return Ties(row.organisation_id, key in treats, until.get(key), row.revision, read_at)

        return [
            (sessions.get(question.session), {patient_id: ties(who, patient_id) for patient_id in question.patient_ids})
            for question, who in zip(questions, subjects, strict=True)
        ]


def goes_on(now: datetime | sa.BindParameter[datetime]) -> tuple[sa.ColumnElement[bool], ...]:
    """Return the conditions under which a treatment goes on now."""
    return Relationship.begins_at <= now, sa.or_(Relationship.ends_at.is_(None), Relationship.ends_at > now)


def _subject(session: sa.Row[Any] | None) -> UUID | None:
    """Return the owner of a session: a person's account, or the client itself."""
    return None if session is None else session.user_id or session.client_id


def _living(*columns: Any) -> "sa.Select[*tuple[Any, ...]]":
    """Return the query of sessions that have not ended, with their clients and, for people, their accounts."""
    return (
        sa.select(*columns)
        .select_from(Session)
        .join(OAuthClient, OAuthClient.client_id == Session.client_id)
        .outerjoin(User, User.user_id == Session.user_id)
        .where(
            Session.ended_at.is_(None),
            Session.expires_at > _NOW,
            Session.last_seen_at > sa.bindparam("idle_since"),
            User.disabled_at.is_(None),
            OAuthClient.disabled_at.is_(None),
        )
    )


# These are asked at each request: made once, since it takes longer to make them than to answer them.
_NOW: Final[sa.BindParameter[datetime]] = sa.bindparam("now", type_=UtcDateTime)
_SUBJECTS: Final[sa.BindParameter[Any]] = sa.bindparam("subjects", expanding=True)
_OF_A_SESSION: Final = (
    Session.session_id,
    Session.cookie_digest,
    Session.scopes,
    Session.second_factor,
    Session.last_seen_at,
    Session.user_id,
    Session.launch_patient_id,
    User.role,
    User.organisation_id,
    User.patient_id,
    OAuthClient.client_id,
    OAuthClient.role.label("client_role"),
    OAuthClient.organisation_id.label("client_organisation_id"),
)
_BY_ID: Final = _living(*_OF_A_SESSION).where(Session.session_id.in_(sa.bindparam("which", expanding=True)))
_BY_COOKIE: Final = _living(*_OF_A_SESSION).where(Session.cookie_digest.in_(sa.bindparam("which", expanding=True)))
#: Each patient there is, with the treatments by these subjects and the emergencies that they opened.
_TIED: Final = (
    sa.select(
        Patient.patient_id,
        Patient.organisation_id,
        Patient.revision,
        Relationship.clinician_id,
        EmergencyAccess.user_id,
        EmergencyAccess.expires_at,
    )
    .outerjoin(
        Relationship,
        sa.and_(
            Relationship.patient_id == Patient.patient_id, Relationship.clinician_id.in_(_SUBJECTS), *goes_on(_NOW)
        ),
    )
    .outerjoin(
        EmergencyAccess,
        sa.and_(
            EmergencyAccess.patient_id == Patient.patient_id,
            EmergencyAccess.user_id.in_(_SUBJECTS),
            EmergencyAccess.expires_at > _NOW,
        ),
    )
    .where(Patient.patient_id.in_(sa.bindparam("patients", expanding=True)))
    .order_by(EmergencyAccess.expires_at)
)
