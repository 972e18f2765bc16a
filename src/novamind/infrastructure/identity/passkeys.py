"""Passkeys and security keys as a second factor: W3C WebAuthn Level 2, checked by py_webauthn.

Address and relying party come from the configuration alone, never from the request. A challenge carries its occasion,
its end and a keyed digest of both, so a visit to a login page stores nothing. A challenge is spent once it is answered.
The login page does not know the account yet, so it asks for any passkey of this server (discoverable credentials). The
answer must come from a key of the account whose password was right.
"""

import hashlib
import hmac
import ipaddress
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from urllib.parse import urlsplit
from uuid import UUID, uuid4

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession
from webauthn import (
    generate_authentication_options,
    generate_registration_options,
    verify_authentication_response,
    verify_registration_response,
)
from webauthn.helpers import (
    base64url_to_bytes,
    bytes_to_base64url,
    decode_credential_public_key,
    decoded_public_key_to_cryptography,
    options_to_json_dict,
    parse_authentication_credential_json,
    parse_client_data_json,
)
from webauthn.helpers.exceptions import WebAuthnException
from webauthn.helpers.structs import (
    AuthenticatorSelectionCriteria,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)
from webauthn.registration.verify_registration_response import VerifiedRegistration

from novamind.errors import DataProcessingError, NotFoundError, ValidationError
from novamind.infrastructure.audit import Access, AuditLog, Event
from novamind.infrastructure.database import Database
from novamind.infrastructure.identity.accounts import second_factor_proved
from novamind.infrastructure.identity.attempts import AttemptCounter
from novamind.infrastructure.identity.domain import Principal
from novamind.infrastructure.identity.secrets import AccountSeal
from novamind.infrastructure.identity.tables import Passkey, User

CHALLENGE_SECONDS: Final = 600
MOST_PASSKEYS: Final = 10
_NONCE_BYTES: Final = 16
_TIME_BYTES: Final = 8
_REQUIRED: Final = UserVerificationRequirement.REQUIRED
#: What the library raises about an answer that is malformed in one way or another.
_REFUSALS: Final = (WebAuthnException, ValueError, KeyError, TypeError, IndexError, AttributeError, OverflowError)


@dataclass(frozen=True, slots=True)
class KnownPasskey:
    """A passkey as its owner sees it."""

    passkey_id: UUID
    created_at: datetime
    used_at: datetime | None


class Passkeys:
    """Adds, checks and removes passkeys.

    Parameters
    ----------
    key
        Key of the challenges; the same in every process.
    public_url
        Where browsers reach the server: its origin, and by its host name the relying party.
    """

    def __init__(
        self,
        database: Database,
        audit: AuditLog,
        seal: AccountSeal,
        attempts: AttemptCounter,
        key: bytes,
        public_url: str,
    ) -> None:
        self._database = database
        self._audit = audit
        self._seal = seal
        self._attempts = attempts
        self._key = key
        self._origin = public_url
        self._relying_party = str(urlsplit(public_url).hostname)
        self.offered = not _is_address(self._relying_party)

    async def options_to_add(self, principal: Principal) -> dict[str, Any]:
        """Return the options of a browser's ``navigator.credentials.create``, as JSON.

        Raises
        ------
        ValidationError
            If the server is reached by an address without a name, for which browsers make no passkeys, or by a machine.
        """
        self._require_name()
        async with self._database.snapshot() as session:
            user = await session.get(User, principal.subject)
            rows = await self._of(session, principal.subject)
        if user is None:
            raise ValidationError("a machine has no passkeys")
        name = self._seal.open(user.name, "users.name", user.user_id)
        options = generate_registration_options(
            rp_id=self._relying_party,
            rp_name="Novamind",
            user_id=principal.subject.bytes,
            user_name=name,
            challenge=self._challenge(_adding(principal)),
            timeout=CHALLENGE_SECONDS * 1000,
            authenticator_selection=AuthenticatorSelectionCriteria(
                resident_key=ResidentKeyRequirement.REQUIRED, user_verification=_REQUIRED
            ),
            exclude_credentials=[PublicKeyCredentialDescriptor(self._opened(row)[0]) for row in rows],
        )
        return options_to_json_dict(options)

    def options_to_prove(self, occasion: str) -> dict[str, Any]:
        """Return the options of ``navigator.credentials.get``, as JSON; the answer is good for this occasion."""
        options = generate_authentication_options(
            rp_id=self._relying_party,
            challenge=self._challenge(f"prove {occasion}"),
            timeout=CHALLENGE_SECONDS * 1000,
            user_verification=_REQUIRED,
        )
        return options_to_json_dict(options)

    async def add(self, principal: Principal, answer: dict[str, Any], access: Access) -> UUID:
        """Store a new passkey and return its id. This session has its second factor from now on.

        Raises
        ------
        ValidationError
            If the answer is not to a challenge of ours for this account, from our own page, of a key that verified
            its owner; or the account has as many keys as it may.
        """
        self._require_name()
        made = self._made(answer, _adding(principal))
        passkey_id = uuid4()
        kept = False
        if made is not None:
            try:
                kept = await self._keep(principal, made, passkey_id, answer, access)
            except IntegrityError:  # the credential is known, here or at another account
                kept = False
        if not kept:
            event = Event(access=access, action="second_factor_added", what="passkey", outcome="denied", count=0)
            await self._audit.append(event)
            raise ValidationError("this passkey cannot be added; reload the page and try again")
        return passkey_id

    async def proves(self, session: AsyncSession, user_id: UUID, answer: str, occasion: str) -> bool:
        """Use a challenge up, and return whether a key of this account answered it for this occasion."""
        try:
            credential = parse_authentication_credential_json(answer)
            challenge = self._expected(credential.response.client_data_json, f"prove {occasion}")
            row = await session.scalar(
                sa.select(Passkey).where(
                    Passkey.credential_digest == _digest(credential.raw_id), Passkey.user_id == user_id
                )
            )
            if row is None or credential.response.user_handle not in (None, user_id.bytes):
                return False
            verified = verify_authentication_response(
                credential=credential,
                expected_challenge=challenge,
                expected_rp_id=self._relying_party,
                expected_origin=self._origin,
                credential_public_key=self._opened(row)[1],
                credential_current_sign_count=row.sign_count,
                require_user_verification=True,
            )
        except (*_REFUSALS, DataProcessingError):  # the last: a stored key that somebody altered or moved
            return False
        moved = await session.scalar(
            sa.update(Passkey)
            .where(Passkey.passkey_id == row.passkey_id, Passkey.sign_count == row.sign_count)
            .values(sign_count=verified.new_sign_count, used_at=datetime.now(UTC))
            .returning(Passkey.passkey_id)
            .execution_options(synchronize_session=False)
        )
        return moved is not None and await self._spent(session, challenge)

    async def list(self, user_id: UUID) -> Sequence[KnownPasskey]:
        """Return the passkeys of an account, the oldest first."""
        async with self._database.snapshot() as session:
            return [
                KnownPasskey(row.passkey_id, row.created_at, row.used_at) for row in await self._of(session, user_id)
            ]

    async def any(self, session: AsyncSession, user_id: UUID) -> bool:
        """Return whether an account has a passkey."""
        return await session.scalar(sa.select(sa.exists().where(Passkey.user_id == user_id))) or False

    async def remove(self, principal: Principal, passkey_id: UUID, access: Access) -> None:
        """Remove a passkey of one's own, unless it is the only second factor.

        Raises
        ------
        NotFoundError
            If there is none of this id.
        ValidationError
            If nothing else would be left: only an administrator takes the last one away.
        """
        async with self._database.transaction() as session:
            user = await session.get(User, principal.subject, with_for_update=True)
            rows = await self._of(session, principal.subject)
            if user is None or passkey_id not in {row.passkey_id for row in rows}:
                raise NotFoundError("there is no passkey of this id")
            if len(rows) == 1 and user.totp_confirmed_at is None:
                raise ValidationError("this is your only second factor; add another first, or ask an administrator")
            await session.execute(sa.delete(Passkey).where(Passkey.passkey_id == passkey_id))
            event = Event(access=access, action="second_factor_removed", what="passkey", references=[str(passkey_id)])
            await self._audit.append_within(session, event)

    async def _keep(
        self, principal: Principal, made: VerifiedRegistration, passkey_id: UUID, answer: dict[str, Any], access: Access
    ) -> bool:
        challenge = parse_client_data_json(base64url_to_bytes(answer["response"]["clientDataJSON"])).challenge
        credential = {"id": bytes_to_base64url(made.credential_id), "key": made.credential_public_key.hex()}
        async with self._database.transaction() as session:
            await session.get_one(User, principal.subject, with_for_update=True)
            if len(await self._of(session, principal.subject)) >= MOST_PASSKEYS:
                return False
            if not await self._spent(session, challenge):
                return False
            await session.execute(
                sa.insert(Passkey).values(
                    passkey_id=passkey_id,
                    user_id=principal.subject,
                    credential_digest=_digest(made.credential_id),
                    credential=self._seal.seal(json.dumps(credential), _column(principal.subject), passkey_id),
                    sign_count=made.sign_count,
                    created_at=datetime.now(UTC),
                )
            )
            await second_factor_proved(session, principal)
            event = Event(access=access, action="second_factor_added", what="passkey", references=[str(passkey_id)])
            await self._audit.append_within(session, event)
        return True

    def _made(self, answer: dict[str, Any], occasion: str) -> VerifiedRegistration | None:
        """Return the registration that a browser made, if it is in order and its public key can be read."""
        try:
            made = verify_registration_response(
                credential=answer,
                expected_challenge=self._expected(base64url_to_bytes(answer["response"]["clientDataJSON"]), occasion),
                expected_rp_id=self._relying_party,
                expected_origin=self._origin,
                require_user_verification=True,
            )
            decoded_public_key_to_cryptography(decode_credential_public_key(made.credential_public_key))
        except _REFUSALS:
            return None
        return made

    def _challenge(self, occasion: str) -> bytes:
        ends = int(datetime.now(UTC).timestamp()) + CHALLENGE_SECONDS
        content = os.urandom(_NONCE_BYTES) + ends.to_bytes(_TIME_BYTES)
        return content + self._sign(content, occasion)

    def _expected(self, client_data: bytes, occasion: str) -> bytes:
        """Return the challenge that was answered, if it is one of ours for this occasion.

        Raises
        ------
        ValueError
            If it is not, or its time is over.
        """
        parsed = parse_client_data_json(client_data)
        challenge = parsed.challenge
        content, signature = challenge[: _NONCE_BYTES + _TIME_BYTES], challenge[_NONCE_BYTES + _TIME_BYTES :]
        ends = int.from_bytes(content[_NONCE_BYTES:])
        ours = hmac.compare_digest(signature, self._sign(content, occasion)) and not parsed.cross_origin
        if not ours or ends < datetime.now(UTC).timestamp():
            raise ValueError("no challenge of ours")
        return challenge

    def _sign(self, content: bytes, occasion: str) -> bytes:
        return hmac.digest(self._key, content + occasion.encode(), "sha256")

    async def _spent(self, session: AsyncSession, challenge: bytes) -> bool:
        return await self._attempts.once(
            session, "passkey", challenge.hex(), datetime.now(UTC) + timedelta(seconds=CHALLENGE_SECONDS)
        )

    async def _of(self, session: AsyncSession, user_id: UUID) -> Sequence[Passkey]:
        query = sa.select(Passkey).where(Passkey.user_id == user_id).order_by(Passkey.created_at, Passkey.passkey_id)
        return (await session.scalars(query)).all()

    def _opened(self, row: Passkey) -> tuple[bytes, bytes]:
        """Return credential id and public key."""
        credential = json.loads(self._seal.open(row.credential, _column(row.user_id), row.passkey_id))
        return base64url_to_bytes(credential["id"]), bytes.fromhex(credential["key"])

    def _require_name(self) -> None:
        if not self.offered:
            raise ValidationError(
                "passkeys need a host name: set NOVAMIND_PUBLIC_URL to one, such as http://localhost:8000"
            )


def _adding(principal: Principal) -> str:
    return f"add {principal.session_id}"


def _column(user_id: UUID) -> str:
    """Return the place of a sealed key, by account, so that a key moved to another account does not open."""
    return f"passkeys.credential.{user_id.hex}"


def _digest(credential_id: bytes) -> bytes:
    return hashlib.sha256(credential_id).digest()


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
