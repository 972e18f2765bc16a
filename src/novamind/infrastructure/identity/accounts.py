"""Accounts of people, clients and API keys, which administrators make, change and disable."""

import unicodedata
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID, uuid4

import pyotp
import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from novamind.errors import NotFoundError, ValidationError
from novamind.infrastructure.audit import Access, AuditLog, Event
from novamind.infrastructure.database import Database
from novamind.infrastructure.identity.assertions import key_ring
from novamind.infrastructure.identity.domain import PERMISSIONS, Permission, Principal, Role
from novamind.infrastructure.identity.passwords import Passwords
from novamind.infrastructure.identity.secrets import AccountSeal, digest, new_secret
from novamind.infrastructure.identity.smart_scopes import CONTEXT, MACHINE, PERSON, is_smart
from novamind.infrastructure.identity.tables import ApiKey, OAuthClient, Passkey, Session, User
from novamind.infrastructure.vault import BlindIndex

API_KEY_PREFIX: Final = "nmk_"
_LONGEST_NAME: Final = 200
_WITHOUT_ORGANISATION: Final = frozenset({Role.ANALYST, Role.ADMIN, Role.AUDITOR, Role.RESEARCHER})


@dataclass(frozen=True, slots=True)
class Account:
    """A person's account as administrators see it."""

    user_id: UUID
    name: str
    role: Role
    organisation_id: UUID | None
    patient_id: UUID | None
    second_factor: bool
    disabled: bool


@dataclass(frozen=True, slots=True)
class NewClient:
    """A client that was just made; its secret is shown this once."""

    client_id: UUID
    secret: str | None


class Accounts:
    """Makes, changes and disables accounts.

    Parameters
    ----------
    database, index, audit
        Those of the running system.
    seal
        Seals names and TOTP secrets.
    passwords
        Hashes passwords.
    """

    def __init__(
        self, database: Database, index: BlindIndex, audit: AuditLog, seal: AccountSeal, passwords: Passwords
    ) -> None:
        self._database = database
        self._index = index
        self._audit = audit
        self._seal = seal
        self._passwords = passwords

    async def add_user(
        self,
        name: str,
        password: str,
        role: Role,
        access: Access,
        *,
        organisation_id: UUID | None = None,
        patient_id: UUID | None = None,
    ) -> UUID:
        """Make an account and return its id.

        Raises
        ------
        ValidationError
            If the name is taken, the password too weak, or role, organisation and patient do not fit together.
        """
        if not name.strip() or len(name) > _LONGEST_NAME:
            raise ValidationError(f"a user name needs 1 to {_LONGEST_NAME} characters")
        if role is Role.SERVICE:
            raise ValidationError("a service is a client, not a user: add a client with the role 'service'")
        if organisation_id is None and role not in _WITHOUT_ORGANISATION:
            raise ValidationError(f"a {role} belongs to an organisation; name it")
        if (role is Role.PATIENT) != (patient_id is not None):
            raise ValidationError("a patient's account names the patient, and no other account does")
        user_id = uuid4()
        password_hash = await self._passwords.hash(password)
        try:
            async with self._database.transaction() as session:
                await session.execute(
                    sa.insert(User).values(
                        user_id=user_id,
                        organisation_id=organisation_id,
                        patient_id=patient_id,
                        role=role,
                        name_digest=self.name_digest(name),
                        name=self._seal.seal(name, "users.name", user_id),
                        password_hash=password_hash,
                        created_at=datetime.now(UTC),
                    )
                )
                await self._audit_change(session, access, "write", "user", user_id)
        except IntegrityError as error:
            raise ValidationError("the user name is taken, or there is no such organisation") from error
        return user_id

    async def users(
        self, organisation_id: UUID | None, after: UUID | None, limit: int, access: Access
    ) -> list[Account]:
        """Return the accounts of one organisation, or of all, in the order of their ids."""
        has_passkey = sa.exists().where(Passkey.user_id == User.user_id)
        query = sa.select(User, has_passkey).order_by(User.user_id).limit(limit)
        if organisation_id is not None:
            query = query.where(User.organisation_id == organisation_id)
        if after is not None:
            query = query.where(User.user_id > after)
        async with self._database.snapshot() as session:
            rows = (await session.execute(query)).all()
        await self._audit.append(Event(access=access, action="read", what="user", count=len(rows)))
        return [self._account(user, passkey) for user, passkey in rows]

    async def change_role(self, user_id: UUID, role: Role, access: Access, within: UUID | None) -> None:
        """Change the role and end all sessions of the account."""
        if role in (Role.PATIENT, Role.SERVICE):
            raise ValidationError("an account cannot be turned into a patient's or a service's; make a new one")
        await self._change(user_id, {"role": role}, access, "role_changed", within)

    async def change_password(self, user_id: UUID, password: str, access: Access) -> None:
        """Change the password and end all sessions of the account."""
        await self._change(user_id, {"password_hash": await self._passwords.hash(password)}, access, "password_changed")

    async def disable(self, user_id: UUID, access: Access, within: UUID | None) -> None:
        """Disable an account and end all its sessions."""
        await self._change(user_id, {"disabled_at": datetime.now(UTC)}, access, "disabled", within)

    async def begin_second_factor(self, user_id: UUID, access: Access) -> str:
        """Return a TOTP secret (RFC 6238) for an authenticator app; it counts once a code of it is confirmed.

        Raises
        ------
        ValidationError
            If a second factor is in use already: only an administrator may take it away.
        """
        secret = pyotp.random_base32()
        async with self._database.transaction() as session:
            changed = await session.scalar(
                sa.update(User)
                .where(User.user_id == user_id, User.totp_confirmed_at.is_(None))
                .values(totp_secret=self._seal.seal(secret, "users.totp_secret", user_id), totp_step=None)
                .returning(User.user_id)
            )
            if changed is not None:
                await self._audit_change(session, access, "second_factor_begun", "user", user_id)
        if changed is None:
            raise ValidationError("a second factor is in use already; ask an administrator to take it away first")
        return secret

    async def confirm_second_factor(self, principal: Principal, code: str, access: Access) -> None:
        """Begin to use the second factor after one right code; this session has it from now on.

        Raises
        ------
        ValidationError
            If the code is wrong or none was begun.
        """
        async with self._database.transaction() as session:
            user = await session.get(User, principal.subject)
            right = user is not None and user.totp_confirmed_at is None and await self.use_code(session, user, code)
            if user is not None and right:
                user.totp_confirmed_at = datetime.now(UTC)
                await second_factor_proved(session, principal)
            outcome = "success" if right else "denied"
            await self._audit_change(session, access, "second_factor_added", "user", principal.subject, outcome)
        if not right:
            raise ValidationError("the one-time code is wrong; begin anew if your app lost the secret")

    async def remove_second_factor(self, user_id: UUID, access: Access, within: UUID | None) -> None:
        """Remove one-time codes and passkeys, so that the person can set up others."""
        nothing = {"totp_secret": None, "totp_confirmed_at": None, "totp_step": None}
        passkeys = sa.delete(Passkey).where(Passkey.user_id == user_id)
        await self._change(user_id, nothing, access, "second_factor_removed", within, passkeys)

    async def use_code(self, session: AsyncSession, user: User, code: str) -> bool:
        """Use a one-time code up in every worker, and return whether it was right and unused."""
        if user.totp_secret is None or not (code.isascii() and code.isdigit()):
            return False
        totp = pyotp.TOTP(self._seal.open(user.totp_secret, "users.totp_secret", user.user_id))
        now = int(datetime.now(UTC).timestamp()) // totp.interval
        step = next((s for s in (now, now - 1, now + 1) if pyotp.utils.strings_equal(totp.generate_otp(s), code)), None)
        if step is None:
            return False
        used = await session.scalar(
            sa.update(User)
            .where(User.user_id == user.user_id, sa.or_(User.totp_step.is_(None), User.totp_step < step))
            .values(totp_step=step)
            .returning(User.user_id)
        )
        return used is not None

    async def add_client(
        self,
        name: str,
        access: Access,
        *,
        role: Role | None = None,
        organisation_id: UUID | None = None,
        scopes: Collection[str] | None = None,
        redirect_uris: Sequence[str] = (),
        key_set: Mapping[str, Any] | None = None,
        id_token_algorithm: str | None = None,
    ) -> NewClient:
        """Make a client: with redirect addresses for people's logins, or with a role for a machine.

        A machine that registers public keys proves itself by signing (``private_key_jwt``) and gets no secret.

        Raises
        ------
        ValidationError
            If it is neither or both, the name is taken, the role does not allow a scope, or a key is no public key.
        """
        if (role is None) == (not redirect_uris):
            raise ValidationError("a client has redirect addresses (for people) or a role (for a machine)")
        if role not in (None, Role.SERVICE, Role.ANALYST):
            raise ValidationError("a machine has the role 'service' or 'analyst'")
        if role is Role.SERVICE and organisation_id is None:
            raise ValidationError("a service works for an organisation; name it")
        if key_set is not None:
            key_ring(key_set)
            if role is None:
                raise ValidationError("keys are for machines: give the client a role")
        if id_token_algorithm is not None and role is not None:
            raise ValidationError("identity tokens are for clients of people: leave their algorithm out")
        allowed = frozenset(Permission) if role is None else PERMISSIONS[role]
        wanted = frozenset(map(str, allowed)) if scopes is None else frozenset(map(str, scopes))
        levels = PERSON if role is None else (MACHINE,) if role is Role.SERVICE else ()
        strange = {scope for scope in wanted - allowed if not is_smart(scope, levels)}
        strange -= CONTEXT if role is None else frozenset()
        if strange:
            raise ValidationError(f"the role '{role}' does not have: {', '.join(sorted(strange))}")
        client_id, secret = uuid4(), None if role is None or key_set is not None else new_secret()
        try:
            async with self._database.transaction() as session:
                await session.execute(
                    sa.insert(OAuthClient).values(
                        client_id=client_id,
                        name=name,
                        organisation_id=organisation_id,
                        role=role,
                        scopes=sorted(wanted),
                        redirect_uris=list(redirect_uris),
                        secret_digest=None if secret is None else digest(secret),
                        key_set=key_set,
                        id_token_algorithm=id_token_algorithm,
                        created_at=datetime.now(UTC),
                    )
                )
                await self._audit_change(session, access, "write", "client", client_id)
        except IntegrityError as error:
            raise ValidationError("a client of this name exists, or there is no such organisation") from error
        return NewClient(client_id, secret)

    async def add_api_key(
        self, client_id: UUID, lifetime: timedelta, access: Access, within: UUID | None
    ) -> tuple[UUID, str]:
        """Make an API key of a machine's client; return its id and the key, which is shown this once.

        Raises
        ------
        NotFoundError
            If there is no such client of a machine.
        """
        key_id, secret, now = uuid4(), API_KEY_PREFIX + new_secret(), datetime.now(UTC)
        async with self._database.transaction() as session:
            client = await session.get(OAuthClient, client_id)
            is_machine = client is not None and client.role is not None and within in (None, client.organisation_id)
            if is_machine:
                await session.execute(
                    sa.insert(ApiKey).values(
                        digest=digest(secret),
                        key_id=key_id,
                        client_id=client_id,
                        created_at=now,
                        expires_at=now + lifetime,
                    )
                )
            await self._audit_change(
                session, access, "write", "api_key", key_id, "success" if is_machine else "not_found"
            )
        if not is_machine:
            raise NotFoundError("machine client not found")
        return key_id, secret

    async def revoke_api_key(self, key_id: UUID, access: Access, within: UUID | None) -> None:
        """End an API key."""
        clients = sa.select(OAuthClient.client_id)
        if within is not None:
            clients = clients.where(OAuthClient.organisation_id == within)
        async with self._database.transaction() as session:
            ended = await session.scalar(
                sa.update(ApiKey)
                .where(ApiKey.key_id == key_id, ApiKey.client_id.in_(clients))
                .values(revoked_at=datetime.now(UTC))
                .returning(ApiKey.key_id)
            )
            outcome = "success" if ended is not None else "not_found"
            await self._audit_change(session, access, "revoked", "api_key", key_id, outcome)
        if ended is None:
            raise NotFoundError("there is no API key of this id")

    async def require_clinician(self, user_id: UUID, within: UUID | None) -> None:
        """Refuse an id that belongs to no clinician's account of this organisation.

        Raises
        ------
        NotFoundError
            If it is none.
        """
        query = sa.select(User.organisation_id).where(User.user_id == user_id, User.role == Role.CLINICIAN)
        async with self._database.snapshot() as session:
            row = (await session.execute(query)).one_or_none()
        if row is None or within not in (None, row.organisation_id):
            raise NotFoundError("there is no clinician of this id")

    def name_digest(self, name: str) -> bytes:
        """Return the digest by which an account is looked up.

        Case, spaces and Unicode variants of a letter are ignored.
        """
        return self._index.keyed("users.name", unicodedata.normalize("NFKC", name.strip().casefold()))

    async def _change(
        self,
        user_id: UUID,
        values: Mapping[str, object],
        access: Access,
        action: str,
        within: UUID | None = None,
        *also: sa.Delete,
    ) -> None:
        now = datetime.now(UTC)
        query = sa.update(User).where(User.user_id == user_id)
        if within is not None:
            query = query.where(User.organisation_id == within)
        async with self._database.transaction() as session:
            exists = await session.scalar(query.values(**values).returning(User.user_id)) is not None
            if exists:
                for change in also:
                    await session.execute(change)
                await session.execute(
                    sa.update(Session)
                    .where(Session.user_id == user_id, Session.ended_at.is_(None))
                    .values(ended_at=now, end_reason=action)
                )
            await self._audit_change(session, access, action, "user", user_id, "success" if exists else "not_found")
        if not exists:
            raise NotFoundError("there is no user of this id")

    async def _audit_change(
        self, session: AsyncSession, access: Access, action: str, what: str, reference: UUID, outcome: str = "success"
    ) -> None:
        event = Event(access=access, action=action, what=what, outcome=outcome, references=[str(reference)])
        await self._audit.append_within(session, event)

    def _account(self, row: User, passkey: bool) -> Account:
        return Account(
            row.user_id,
            self._seal.open(row.name, "users.name", row.user_id),
            Role(row.role),
            row.organisation_id,
            row.patient_id,
            row.totp_confirmed_at is not None or passkey,
            row.disabled_at is not None,
        )


async def second_factor_proved(session: AsyncSession, principal: Principal) -> None:
    """Give this session its second factor; the account's sessions without one end."""
    await session.execute(
        sa.update(Session).where(Session.session_id == principal.session_id).values(second_factor=True)
    )
    await session.execute(
        sa.update(Session)
        .where(Session.user_id == principal.subject, Session.second_factor.is_(False), Session.ended_at.is_(None))
        .values(ended_at=datetime.now(UTC), end_reason="second_factor_added")
    )
