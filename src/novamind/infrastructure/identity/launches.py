"""Launches of apps (SMART App Launch 2.2): what an app gets of what it asks, and for which patient."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final
from urllib.parse import urlsplit
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from novamind.errors import AuthenticationError, NotFoundError
from novamind.infrastructure.database import Database
from novamind.infrastructure.identity.domain import PERMISSIONS, Permission, Principal, Role
from novamind.infrastructure.identity.secrets import digest, new_secret
from novamind.infrastructure.identity.session_lookup import goes_on
from novamind.infrastructure.identity.smart_scopes import (
    CONTEXT,
    LASTING,
    LAUNCH,
    LAUNCH_PATIENT,
    PERSON,
    is_smart,
    narrowed,
    within_launch,
)
from novamind.infrastructure.identity.tables import AuthorizationCode, Launch, OAuthClient, RefreshToken, Session, User
from novamind.infrastructure.tables import Patient, Relationship

LAUNCH_SECONDS: Final = 300
#: Ports that browsers leave out of an origin.
_PORTS: Final = {"http": 80, "https": 443}
CODE_SECONDS: Final = 60
_LONGEST_SECRET: Final = 512
_NO_LAUNCH: Final = "the launch is not valid for this account; open the app anew"
_NO_CHOICE: Final = "the login took too long; open the app anew"


@dataclass(frozen=True, slots=True)
class LaunchContext:
    """What an app gets: scopes (all of the client's where it asked for none), and the patient or the want of one."""

    scopes: frozenset[str] | None
    patient_id: UUID | None = None
    lacks_patient: bool = False


async def launched(
    session: AsyncSession, asked: frozenset[str] | None, launch: str, user: User, client: OAuthClient
) -> LaunchContext:
    """Return what a client gets of the scopes that it asks for on behalf of a person, and in a launch.

    Raises
    ------
    AuthenticationError
        If the launch is not this person's.
    """
    if asked is None:
        return LaunchContext(None)
    allowed = PERMISSIONS[Role(user.role)]
    reads_fhir = Permission.FHIR_READ in allowed
    registered = [scope for scope in client.scopes if scope in allowed or (reads_fhir and is_smart(scope, PERSON))]
    scopes = narrowed(asked, registered, PERSON)
    needs_patient = any(scope.startswith("patient/") for scope in scopes) or LAUNCH_PATIENT in scopes
    if user.patient_id is not None:
        patient_id = user.patient_id if needs_patient else None
        return LaunchContext(within_launch(scopes, has_patient=needs_patient), patient_id)
    if launch and LAUNCH in scopes:
        patient_id = await _patient_of_launch(session, launch, user)
        return LaunchContext(within_launch(scopes, has_patient=True), patient_id)
    asks_choice = needs_patient and user.role == Role.CLINICIAN
    return LaunchContext(within_launch(scopes, has_patient=asks_choice), None, asks_choice)


async def _patient_of_launch(session: AsyncSession, launch: str, user: User) -> UUID:
    """Return the patient of a launch and use it up."""
    patient_id: UUID | None = await session.scalar(
        sa.delete(Launch)
        .where(
            Launch.digest == digest(launch[:_LONGEST_SECRET]),
            Launch.user_id == user.user_id,
            Launch.expires_at > datetime.now(UTC),
        )
        .returning(Launch.patient_id)
    )
    if patient_id is None:
        raise AuthenticationError(_NO_LAUNCH)
    return patient_id


def origin_of(address: str) -> str | None:
    """Return the origin of a web address as browsers write it; ``None`` where it is no web address."""
    try:
        parts = urlsplit(address)
        port = parts.port
    except ValueError:
        return None
    if parts.scheme not in _PORTS or not parts.hostname:
        return None
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"{parts.scheme}://{host}" + ("" if port in (None, _PORTS[parts.scheme]) else f":{port}")


def lasts(scopes: Iterable[str]) -> bool:
    """Return whether a session has a refresh token: by its scopes, or where it has none of SMART's."""
    scopes = set(scopes)
    return bool(scopes & LASTING) or not (scopes & CONTEXT or smart_of(scopes))


def smart_of(scopes: Iterable[str]) -> frozenset[str]:
    """Return SMART's own among scopes."""
    return frozenset(scope for scope in scopes if scope in CONTEXT or is_smart(scope, PERSON))


class Launches:
    """Begins launches from within, and keeps what a person chooses for an app.

    Parameters
    ----------
    second_factor_needed
        Without one nobody sees patients to choose from.
    """

    def __init__(self, database: Database, *, second_factor_needed: bool) -> None:
        self._database = database
        self._second_factor_needed = second_factor_needed

    async def begin(self, principal: Principal, patient_id: UUID) -> str:
        """Return the secret with which an app opens with this patient; the caller has asked whether they may."""
        launch, now = new_secret(), datetime.now(UTC)
        async with self._database.transaction() as session:
            await session.execute(sa.delete(Launch).where(Launch.expires_at <= now))
            await session.execute(
                sa.insert(Launch).values(
                    digest=digest(launch),
                    user_id=principal.subject,
                    patient_id=patient_id,
                    expires_at=now + timedelta(seconds=LAUNCH_SECONDS),
                )
            )
        return launch

    async def chooser(self, code: str) -> Principal | None:
        """Return the person who has a patient to choose for an app; ``None`` where there is nothing to choose.

        Raises
        ------
        AuthenticationError
            If the login is over.
        """
        async with self._database.snapshot() as session:
            row = await session.get(AuthorizationCode, digest(code[:_LONGEST_SECRET]))
            if row is None or row.used_at is not None or row.expires_at <= datetime.now(UTC):
                raise AuthenticationError(_NO_CHOICE)
            user = await session.get_one(User, row.user_id)
        if not row.lacks_patient:
            return None
        return Principal(
            user.user_id,
            row.session_id,
            Role(user.role),
            user.organisation_id,
            None,
            frozenset({Permission.PATIENTS_READ}),
            row.second_factor or not self._second_factor_needed,
        )

    async def choose(self, code: str, patient_id: UUID) -> str:
        """Keep the chosen patient and return the address to which the code goes.

        Raises
        ------
        AuthenticationError
            If the login is over.
        NotFoundError
            If the person does not treat this patient.
        """
        now = datetime.now(UTC)
        async with self._database.transaction() as session:
            row = await session.get(AuthorizationCode, digest(code[:_LONGEST_SECRET]), with_for_update=True)
            if row is None or row.used_at is not None or row.expires_at <= now or not row.lacks_patient:
                raise AuthenticationError(_NO_CHOICE)
            treated = await session.scalar(_treated(row.user_id).where(Patient.patient_id == patient_id))
            if treated is None:
                raise NotFoundError("there is no patient of this id")
            row.launch_patient_id, row.lacks_patient = patient_id, False
            row.expires_at = now + timedelta(seconds=CODE_SECONDS)
            return row.redirect_uri

    async def origins(self) -> frozenset[str]:
        """Return the web origins (RFC 6454) of the apps that are registered, by their redirect addresses."""
        query = sa.select(OAuthClient.redirect_uris).where(OAuthClient.disabled_at.is_(None))
        async with self._database.snapshot() as session:
            addresses = [address for some in await session.scalars(query) for address in some]
        return frozenset(filter(None, map(origin_of, addresses)))

    async def session_of(self, principal: Principal) -> Session | None:
        """Return the session of a principal; ``None`` for an API key, which has none."""
        async with self._database.snapshot() as session:
            return await session.get(Session, principal.session_id)

    async def session_to_refresh(self, refresh_token: str) -> UUID | None:
        """Return the session that a refresh token can go on with; ``None`` where it is not valid."""
        query = sa.select(RefreshToken.session_id).where(
            RefreshToken.digest == digest(refresh_token[:_LONGEST_SECRET]), RefreshToken.used_at.is_(None)
        )
        async with self._database.snapshot() as session:
            return await session.scalar(query)


def _treated(user_id: UUID) -> "sa.Select[UUID]":
    """Return the query of the patients whom a clinician of their organisation treats now."""
    return (
        sa.select(Patient.patient_id)
        .join(Relationship, Relationship.patient_id == Patient.patient_id)
        .join(User, User.organisation_id == Patient.organisation_id)
        .where(User.user_id == user_id, Relationship.clinician_id == user_id, *goes_on(datetime.now(UTC)))
        .distinct()
    )
