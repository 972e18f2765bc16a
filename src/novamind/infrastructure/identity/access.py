"""The one place that decides who may do what. It writes every refusal into the audit."""

import time
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final, NoReturn
from uuid import UUID, uuid4

import sqlalchemy as sa
import structlog

from novamind.errors import AuthorizationError, NotFoundError, NovamindError, ValidationError
from novamind.infrastructure.audit import Access, AuditLog, Event
from novamind.infrastructure.database import Database
from novamind.infrastructure.events import record_event
from novamind.infrastructure.identity.attempts import AttemptCounter
from novamind.infrastructure.identity.domain import Permission, Principal, Role, Ties, ground
from novamind.infrastructure.identity.secrets import AccountSeal
from novamind.infrastructure.identity.session_lookup import SessionLookup, goes_on
from novamind.infrastructure.identity.sessions import access_of
from novamind.infrastructure.identity.tables import EmergencyAccess
from novamind.infrastructure.logs import message
from novamind.infrastructure.tables import Patient, Relationship

EMERGENCIES_A_DAY: Final = 3
EMERGENCY_OPENED: Final = "emergency.opened"
_SHORTEST_REASON: Final = 10
_FRESH_SECONDS: Final = 1.0  # what was read with the session counts for so long; a body may arrive slowly
_NO_PATIENT: Final = "there is no patient of this id"
_EMERGENCY = message("a record was opened in an emergency")

log = structlog.get_logger()


class AccessControl:
    """Decides who may do what, and audits each refusal.

    Parameters
    ----------
    emergency_lifetime
        For how long an emergency opens a record.
    """

    def __init__(
        self,
        database: Database,
        session_lookup: SessionLookup,
        audit: AuditLog,
        seal: AccountSeal,
        attempts: AttemptCounter,
        emergency_lifetime: timedelta,
    ) -> None:
        self._database = database
        self._session_lookup = session_lookup
        self._audit = audit
        self._seal = seal
        self._attempts = attempts
        self._emergency_lifetime = emergency_lifetime

    async def permit(self, principal: Principal, permission: Permission) -> Access:
        """Permit what concerns no single patient.

        Raises
        ------
        AuthorizationError
            If the role, the token or a missing second factor does not allow it.
        """
        if not principal.may(permission):
            await self._refused(principal, permission, None)
            raise AuthorizationError(_reason(principal))
        return access_of(principal, permission.replace(":", "."))

    async def permit_patient(self, principal: Principal, permission: Permission, patient_id: UUID) -> Access:
        """Permit what concerns one patient.

        Raises
        ------
        AuthorizationError
            If the principal may do this to no record at all.
        NotFoundError
            If they may not do it to this one, or there is none. The error does not say which.
        """
        return (await self.permit_revision(principal, permission, patient_id))[0]

    async def permit_revision(
        self, principal: Principal, permission: Permission, patient_id: UUID
    ) -> tuple[Access, int]:
        """Permit what concerns one patient; return the access, and the record's revision at that moment."""
        ties = await self._ties(principal, [patient_id])
        (answer,) = (await self._decided(principal, permission, ties)).values()
        if isinstance(answer, NovamindError):
            raise answer
        return answer, ties[patient_id].revision

    async def permit_patients(
        self, principal: Principal, permission: Permission, patient_ids: Collection[UUID]
    ) -> dict[UUID, Access | NovamindError]:
        """Return, for each of several patients, what :meth:`permit_patient` would return or raise."""
        return await self._decided(principal, permission, await self._ties(principal, patient_ids))

    async def _decided(
        self, principal: Principal, permission: Permission, ties: Mapping[UUID, Ties]
    ) -> dict[UUID, Access | NovamindError]:
        now = datetime.now(UTC)
        grounds = {
            patient_id: ground(principal, permission, patient_id, theirs, now) for patient_id, theirs in ties.items()
        }
        if refused := [patient_id for patient_id, why in grounds.items() if why is None]:
            await self._refused(principal, permission, *refused)
        error = NotFoundError(_NO_PATIENT) if principal.may(permission) else AuthorizationError(_reason(principal))
        return {patient_id: error if why is None else access_of(principal, why) for patient_id, why in grounds.items()}

    async def admit(self, principal: Principal, permission: Permission, action: str) -> None:
        """Permit what concerns no patient and audit it before it is done: the use of population twins.

        Raises
        ------
        AuthorizationError
            If the role, the token or a missing second factor does not allow it.
        """
        access = await self.permit(principal, permission)
        await self._audit.append(Event(access=access, action=action, what="population", outcome="admitted"))

    async def refuse(self, principal: Principal, permission: Permission, patient_id: UUID) -> NoReturn:
        """Refuse what the permission alone would allow, such as a type of resource outside the token's scopes.

        Raises
        ------
        AuthorizationError
            Always, after the refusal is in the audit.
        """
        await self._refused(principal, permission, patient_id)
        raise AuthorizationError(_reason(principal))

    async def patients(
        self,
        principal: Principal,
        after: UUID | None,
        limit: int,
        permission: Permission = Permission.PATIENTS_READ,
    ) -> Sequence[UUID]:
        """Return the patients whose records the principal may read, in the order of their ids."""
        await self.permit(principal, permission)
        query = sa.select(Patient.patient_id).order_by(Patient.patient_id).limit(limit)
        if principal.role is Role.PATIENT:
            query = query.where(Patient.patient_id == principal.patient_id)
        else:
            query = query.where(Patient.organisation_id == principal.organisation_id)
        if principal.role is Role.CLINICIAN:
            treated = sa.select(Relationship.patient_id).where(
                Relationship.clinician_id == principal.subject, *goes_on(datetime.now(UTC))
            )
            query = query.where(Patient.patient_id.in_(treated))
        if principal.launch_patient_id is not None:
            query = query.where(Patient.patient_id == principal.launch_patient_id)
        if after is not None:
            query = query.where(Patient.patient_id > after)
        async with self._database.snapshot() as session:
            return (await session.scalars(query)).all()

    async def patient_within(self, principal: Principal, patient_id: UUID) -> None:
        """Permit an administrator to name a patient of their organisation.

        Raises
        ------
        NotFoundError
            If it is another's, or there is none.
        """
        ties = (await self._ties(principal, [patient_id]))[patient_id]
        if ties.organisation_id is None or principal.organisation_id not in (None, ties.organisation_id):
            await self._refused(principal, Permission.USERS_MANAGE, patient_id)
            raise NotFoundError(_NO_PATIENT)

    async def open_emergency(self, principal: Principal, patient_id: UUID, reason: str) -> datetime:
        """Open the record of a patient whom the caller does not treat, and return until when it is open.

        The reason is sealed. Audit and outbox get their entries in the same transaction, and the log gets a warning.

        Raises
        ------
        AuthorizationError
            If the role does not allow it.
        NotFoundError
            If there is no such patient in the organisation.
        ValidationError
            If there is no reason.
        TooManyAttemptsError
            At the fourth time in a day.
        """
        await self.permit(principal, Permission.EMERGENCY_OPEN)
        ties = (await self._ties(principal, [patient_id]))[patient_id]
        if ties.organisation_id is None or ties.organisation_id != principal.organisation_id:
            await self._refused(principal, Permission.EMERGENCY_OPEN, patient_id)
            raise NotFoundError(_NO_PATIENT)
        if len(reason.strip()) < _SHORTEST_REASON:
            raise ValidationError(f"give the reason in at least {_SHORTEST_REASON} characters")
        await self._attempts.take("emergency", str(principal.subject), EMERGENCIES_A_DAY, timedelta(days=1))
        emergency_id, now = uuid4(), datetime.now(UTC)
        until = now + self._emergency_lifetime
        access = access_of(principal, "emergency")
        async with self._database.transaction() as session:
            await session.execute(
                sa.insert(EmergencyAccess).values(
                    emergency_id=emergency_id,
                    user_id=principal.subject,
                    patient_id=patient_id,
                    reason=self._seal.seal(reason, "emergency_accesses.reason", emergency_id),
                    opened_at=now,
                    expires_at=until,
                )
            )
            await record_event(session, EMERGENCY_OPENED, patient_id, [emergency_id])
            await self._audit.append_within(
                session,
                Event(
                    access=access,
                    action=EMERGENCY_OPENED,
                    what="patient",
                    patient_id=patient_id,
                    references=[str(emergency_id)],
                ),
            )
        log.warning(_EMERGENCY, patient_id_hash=self._audit.pseudonym(patient_id))
        return until

    async def _ties(self, principal: Principal, patient_ids: Collection[UUID]) -> Mapping[UUID, Ties]:
        """Return what ties the principal to each patient, as read with the session a moment ago, or read now."""
        oldest = time.monotonic() - _FRESH_SECONDS
        at_hand = {patient_id: principal.ties[patient_id] for patient_id in patient_ids if patient_id in principal.ties}
        if len(at_hand) == len(set(patient_ids)) and all(ties.read_at > oldest for ties in at_hand.values()):
            return at_hand
        return await self._session_lookup.of_subject(principal.subject, patient_ids)

    async def _refused(self, principal: Principal, permission: Permission, *patient_ids: UUID | None) -> None:
        access = access_of(principal, "none")
        await self._audit.append(
            *(
                Event(
                    access=access,
                    action=permission.replace(":", "."),
                    what="patient" if patient_id else "route",
                    patient_id=patient_id,
                    outcome="denied",
                    count=0,
                )
                for patient_id in patient_ids
            )
        )


def _reason(principal: Principal) -> str:
    if not principal.second_factor:
        return "set up a second factor first: POST /api/v1/me/second-factor"
    return "your role, or this token's scopes, do not allow this"
