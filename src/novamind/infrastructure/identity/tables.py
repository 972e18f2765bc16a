"""Accounts, clients, sessions: secrets only as digests or sealed, names only as keyed digests or sealed."""

from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from novamind.infrastructure.database import Base


class User(Base):
    """A person's account; ``totp_step`` is the last time step whose one-time code was used."""

    __tablename__ = "users"
    user_id: Mapped[UUID] = mapped_column(primary_key=True)
    organisation_id: Mapped[UUID | None] = mapped_column(sa.ForeignKey("organisations.organisation_id"), index=True)
    patient_id: Mapped[UUID | None] = mapped_column(index=True)
    role: Mapped[str] = mapped_column(sa.String(20))
    name_digest: Mapped[bytes] = mapped_column(sa.LargeBinary(32), unique=True)
    name: Mapped[bytes] = mapped_column(sa.LargeBinary)
    password_hash: Mapped[str] = mapped_column(sa.String(200))
    totp_secret: Mapped[bytes | None] = mapped_column(sa.LargeBinary)
    totp_confirmed_at: Mapped[datetime | None]
    totp_step: Mapped[int | None] = mapped_column(sa.BigInteger)
    created_at: Mapped[datetime]
    disabled_at: Mapped[datetime | None]


class Passkey(Base):
    """A person's key as a second factor; its id and public key are sealed, bound to account and row."""

    __tablename__ = "passkeys"
    passkey_id: Mapped[UUID] = mapped_column(primary_key=True)
    user_id: Mapped[UUID] = mapped_column(sa.ForeignKey("users.user_id"), index=True)
    credential_digest: Mapped[bytes] = mapped_column(sa.LargeBinary(32), unique=True)
    credential: Mapped[bytes] = mapped_column(sa.LargeBinary)
    sign_count: Mapped[int] = mapped_column(sa.BigInteger)
    created_at: Mapped[datetime]
    used_at: Mapped[datetime | None]


class OAuthClient(Base):
    """A program that asks for tokens: for people (redirect addresses) or for itself (a role and a secret)."""

    __tablename__ = "oauth_clients"
    client_id: Mapped[UUID] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(80), unique=True)
    organisation_id: Mapped[UUID | None] = mapped_column(sa.ForeignKey("organisations.organisation_id"))
    role: Mapped[str | None] = mapped_column(sa.String(20))
    scopes: Mapped[list[Any]] = mapped_column(sa.JSON)
    redirect_uris: Mapped[list[Any]] = mapped_column(sa.JSON)
    secret_digest: Mapped[bytes | None] = mapped_column(sa.LargeBinary(32))
    key_set: Mapped[dict[str, Any] | None] = mapped_column(sa.JSON)
    created_at: Mapped[datetime]
    disabled_at: Mapped[datetime | None]
    id_token_algorithm: Mapped[str | None] = mapped_column(sa.String(10))


class ApiKey(Base):
    """A long-lived secret with which an outside caller acts as a client."""

    __tablename__ = "api_keys"
    digest: Mapped[bytes] = mapped_column(sa.LargeBinary(32), primary_key=True)
    key_id: Mapped[UUID] = mapped_column(unique=True)
    client_id: Mapped[UUID] = mapped_column(sa.ForeignKey("oauth_clients.client_id"))
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]


class Session(Base):
    """From a login to its end; every access token names its session and dies with it."""

    __tablename__ = "sessions"
    session_id: Mapped[UUID] = mapped_column(primary_key=True)
    client_id: Mapped[UUID] = mapped_column(sa.ForeignKey("oauth_clients.client_id"))
    user_id: Mapped[UUID | None] = mapped_column(sa.ForeignKey("users.user_id"), index=True)
    scopes: Mapped[list[Any]] = mapped_column(sa.JSON)
    second_factor: Mapped[bool]
    cookie_digest: Mapped[bytes | None] = mapped_column(sa.LargeBinary(32), unique=True)
    created_at: Mapped[datetime]
    last_seen_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    end_reason: Mapped[str | None] = mapped_column(sa.String(32))
    launch_patient_id: Mapped[UUID | None]


class RefreshToken(Base):
    """One refresh token of a session; used once."""

    __tablename__ = "refresh_tokens"
    digest: Mapped[bytes] = mapped_column(sa.LargeBinary(32), primary_key=True)
    session_id: Mapped[UUID] = mapped_column(sa.ForeignKey("sessions.session_id"), index=True)
    created_at: Mapped[datetime]
    used_at: Mapped[datetime | None]


class AuthorizationCode(Base):
    """A login on its way back to the client; used once, with the verifier of its challenge (RFC 7636).

    While it lacks the patient whom the person has yet to choose, it cannot be used.
    """

    __tablename__ = "authorization_codes"
    digest: Mapped[bytes] = mapped_column(sa.LargeBinary(32), primary_key=True)
    client_id: Mapped[UUID] = mapped_column(sa.ForeignKey("oauth_clients.client_id"))
    user_id: Mapped[UUID] = mapped_column(sa.ForeignKey("users.user_id"))
    session_id: Mapped[UUID]
    redirect_uri: Mapped[str] = mapped_column(sa.String(500))
    challenge: Mapped[str] = mapped_column(sa.String(43))
    second_factor: Mapped[bool]
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]
    scopes: Mapped[list[Any] | None] = mapped_column(sa.JSON)
    nonce: Mapped[str | None] = mapped_column(sa.String(200))
    launch_patient_id: Mapped[UUID | None]
    lacks_patient: Mapped[bool | None]


class Launch(Base):
    """A person is about to open an app with a patient (SMART App Launch); good for minutes, for this person."""

    __tablename__ = "launches"
    digest: Mapped[bytes] = mapped_column(sa.LargeBinary(32), primary_key=True)
    user_id: Mapped[UUID] = mapped_column(sa.ForeignKey("users.user_id"))
    patient_id: Mapped[UUID]
    expires_at: Mapped[datetime]


class SigningKey(Base):
    """A key pair that signs identity tokens, sealed under the secret of the access tokens that it is drawn for."""

    __tablename__ = "signing_keys"
    key_id: Mapped[UUID] = mapped_column(primary_key=True)
    algorithm: Mapped[str] = mapped_column(sa.String(10))
    sealed: Mapped[bytes] = mapped_column(sa.LargeBinary)
    created_at: Mapped[datetime]


class Attempts(Base):
    """Number of attempts, under a keyed digest of who tried and what."""

    __tablename__ = "attempts"
    digest: Mapped[bytes] = mapped_column(sa.LargeBinary(32), primary_key=True)
    count: Mapped[int]
    ends_at: Mapped[datetime] = mapped_column(index=True)


class EmergencyAccess(Base):
    """A clinician opened the record of a patient whom they do not treat, for a sealed reason and a short time."""

    __tablename__ = "emergency_accesses"
    emergency_id: Mapped[UUID] = mapped_column(primary_key=True)
    user_id: Mapped[UUID] = mapped_column(sa.ForeignKey("users.user_id"))
    patient_id: Mapped[UUID] = mapped_column(sa.ForeignKey("patients.patient_id"))
    reason: Mapped[bytes] = mapped_column(sa.LargeBinary)
    opened_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    __table_args__ = (sa.Index(None, "user_id", "patient_id"),)


class Ticket(Base):
    """Admits one WebSocket once, within seconds of being asked for."""

    __tablename__ = "tickets"
    digest: Mapped[bytes] = mapped_column(sa.LargeBinary(32), primary_key=True)
    session_id: Mapped[UUID] = mapped_column(sa.ForeignKey("sessions.session_id"))
    patient_id: Mapped[UUID]
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]
