"""Logging in and staying logged in: OAuth 2.1 authorisation code with PKCE, client credentials, refresh rotation.

All state is in the database, so that every worker says the same, and an end counts from the next request on. A login
takes name, password and second factor at once. The answer says neither which of them was wrong nor whether the account
exists, and there is no half-way token.
"""

import base64
import hashlib
import hmac
from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final
from uuid import UUID, uuid4

import sqlalchemy as sa
import structlog
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from novamind.errors import AuthenticationError, AuthorizationError, NovamindError
from novamind.infrastructure.audit import Access, AuditLog, Event
from novamind.infrastructure.database import Database
from novamind.infrastructure.identity.accounts import API_KEY_PREFIX, Accounts
from novamind.infrastructure.identity.assertions import client_of, key_ring, read
from novamind.infrastructure.identity.attempts import AttemptCounter
from novamind.infrastructure.identity.domain import PERMISSIONS, Principal, Role, audience
from novamind.infrastructure.identity.identity_tokens import DEFAULT_ALGORITHM, IdentityClaims, IdentityTokens
from novamind.infrastructure.identity.launches import lasts, launched, smart_of
from novamind.infrastructure.identity.passwords import Passwords
from novamind.infrastructure.identity.secrets import digest, new_secret
from novamind.infrastructure.identity.session_lookup import Answer, SessionLookup
from novamind.infrastructure.identity.smart_scopes import FHIR_USER, OPENID, PERSON, granted, narrowed
from novamind.infrastructure.identity.tables import (
    ApiKey,
    AuthorizationCode,
    OAuthClient,
    RefreshToken,
    Session,
    Ticket,
    User,
)
from novamind.infrastructure.identity.tokens import AccessTokens, TokenClaims

if TYPE_CHECKING:
    from novamind.infrastructure.identity.passkeys import Passkeys

TOKEN_ENDPOINT: Final = "/oauth/token"  # noqa: S105 - an address
CODE_SECONDS: Final = 60
#: For how long a person may choose a patient for an app.
CHOICE_SECONDS: Final = 600
TICKET_SECONDS: Final = 30
_LONGEST_SECRET: Final = 512
_WRONG: Final = "the user name, the password or the second factor is wrong"
_CODE: Final = "the authorisation code is not valid; log in again"
_ENDED: Final = "the session has ended; log in again"


class GrantError(NovamindError):
    """A request for tokens that is refused, with the code of RFC 6749 section 5.2."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code


@dataclass(frozen=True, slots=True)
class Lifetimes:
    """Times after which a session ends by itself."""

    idle: timedelta
    absolute: timedelta


@dataclass(frozen=True, slots=True)
class LoginLimits:
    """How often a login may fail before it is refused altogether for the rest of the window."""

    per_account: int
    per_address: int
    window: timedelta


@dataclass(frozen=True, slots=True)
class AuthorizationRequest:
    """What a client asks for on behalf of a person (RFC 6749 4.1.1, RFC 7636 4.3).

    Attributes
    ----------
    scopes
        What the client asks for; all that it may where not given. It gets no more than that.
    launch
        Secret of a launch that began here (SMART App Launch).
    nonce
        Comes back in the identity token.
    """

    client_id: UUID
    redirect_uri: str
    challenge: str
    scopes: frozenset[str] | None = None
    launch: str = ""
    nonce: str = ""


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a person types, the address it comes from, and the browser's answer for a passkey (WebAuthn, as JSON)."""

    name: str
    password: str
    one_time_code: str
    address: str
    passkey: str = ""


@dataclass(frozen=True, slots=True)
class ClientProof:
    """Proof of a machine's identity, its secret or a token that it signed, and the address it comes from."""

    client_id: UUID | None
    secret: str
    assertion: str
    address: str


@dataclass(frozen=True, slots=True)
class Tokens:
    """Tokens of a client.

    Attributes
    ----------
    patient_id
        The patient of the launch.
    id_token
        Who logged in (OpenID Connect), where that was asked for.
    """

    access_token: str
    refresh_token: str | None
    expires_in: int
    scopes: frozenset[str]
    patient_id: UUID | None = None
    id_token: str | None = None


def access_of(principal: Principal, purpose: str) -> Access:
    """Return who asks, for the audit."""
    return Access(actor=str(principal.subject), role=principal.role, purpose=purpose, correlation_id=correlation_id())


def correlation_id() -> str:
    """Return our id of this request, which joins its log lines and audit entries. No caller can choose it."""
    context = structlog.contextvars.get_contextvars()
    return str(context.get("request_id") or context.get("correlation_id", "none"))


class Sessions:
    """Opens, checks, prolongs and ends sessions.

    Parameters
    ----------
    token_endpoint
        Audience of the tokens with which machines prove their identity.
    second_factor_needed
        Without one a session may do nothing but set it up.
    """

    def __init__(
        self,
        database: Database,
        session_lookup: SessionLookup,
        audit: AuditLog,
        accounts: Accounts,
        passkeys: "Passkeys",
        passwords: Passwords,
        tokens: AccessTokens,
        identity_tokens: IdentityTokens,
        attempts: AttemptCounter,
        lifetimes: Lifetimes,
        limits: LoginLimits,
        *,
        token_endpoint: str,
        second_factor_needed: bool,
    ) -> None:
        self._database = database
        self._session_lookup = session_lookup
        self._audit = audit
        self._accounts = accounts
        self._passkeys = passkeys
        self._passwords = passwords
        self._tokens = tokens
        self._identity_tokens = identity_tokens
        self._attempts = attempts
        self._lifetimes = lifetimes
        self._limits = limits
        self._token_endpoint = token_endpoint
        self._second_factor_needed = second_factor_needed

    async def check_request(self, request: AuthorizationRequest) -> None:
        """Refuse a client or a redirect address that is not registered, before anything is sent there.

        Raises
        ------
        GrantError
            If it is not, or there is no proper S256 challenge.
        """
        async with self._database.snapshot() as session:
            client = await session.get(OAuthClient, request.client_id)
        if client is None or client.disabled_at is not None or request.redirect_uri not in client.redirect_uris:
            raise GrantError("invalid_request", "the client or its redirect_uri is not registered")
        if len(request.challenge) != 43:
            raise GrantError("invalid_request", "code_challenge must be the S256 challenge, 43 characters")
        if request.scopes is not None and not narrowed(request.scopes, client.scopes, PERSON):
            raise GrantError("invalid_scope", "the client has none of these scopes")

    async def log_in(self, request: AuthorizationRequest, credentials: Credentials) -> str:
        """Check a person's credentials and return an authorisation code for the client.

        Raises
        ------
        AuthenticationError
            If name, password or second factor is wrong; nothing says which.
        TooManyAttemptsError
            If it failed too often for this name or from this address.
        """
        await self.check_request(request)
        who = self._accounts.name_digest(credentials.name).hex()
        await self._attempts.check("login-address", credentials.address, self._limits.per_address)
        await self._attempts.take("login", who, self._limits.per_account, self._limits.window)
        async with self._database.snapshot() as session:
            user = await session.scalar(sa.select(User).where(User.name_digest == bytes.fromhex(who)))
        right = await self._passwords.matches(credentials.password, user.password_hash if user else None)
        code = new_secret()
        async with self._database.transaction() as session:
            second_factor = False
            client = await session.get_one(OAuthClient, request.client_id)
            if user is not None and right and user.disabled_at is None:
                right, second_factor = await self._second_factor(session, user, request, credentials)
            if user is None or not right or user.disabled_at is not None:
                await self._audit_change(session, "anonymous", "none", "login", "denied")
                user = None
            else:
                context = await launched(session, request.scopes, request.launch, user, client)
                seconds = CHOICE_SECONDS if context.lacks_patient else CODE_SECONDS
                await session.execute(
                    sa.insert(AuthorizationCode).values(
                        digest=digest(code),
                        client_id=request.client_id,
                        user_id=user.user_id,
                        session_id=uuid4(),
                        redirect_uri=request.redirect_uri,
                        challenge=request.challenge,
                        second_factor=second_factor,
                        expires_at=datetime.now(UTC) + timedelta(seconds=seconds),
                        scopes=None if context.scopes is None else sorted(context.scopes),
                        nonce=request.nonce[:200] or None,
                        launch_patient_id=context.patient_id,
                        lacks_patient=context.lacks_patient,
                    )
                )
                await self._audit_change(session, str(user.user_id), user.role, "login", "success")
        if user is None:
            await self._attempts.count("login-address", credentials.address, self._limits.window)
            raise AuthenticationError(_WRONG)
        await self._attempts.forget("login", who)
        return code

    async def _second_factor(
        self, session: AsyncSession, user: User, request: AuthorizationRequest, credentials: Credentials
    ) -> tuple[bool, bool]:
        """Return whether the second factor is right or not needed, and whether there was one."""
        if credentials.passkey:
            return await self._passkeys.proves(session, user.user_id, credentials.passkey, request.challenge), True
        if user.totp_confirmed_at is not None:
            return await self._accounts.use_code(session, user, credentials.one_time_code), True
        return not await self._passkeys.any(session, user.user_id), False

    async def exchange_code(self, client_id: UUID, code: str, verifier: str, redirect_uri: str) -> Tokens:
        """Return tokens for an authorisation code, once; a second use ends the session that the first began.

        Raises
        ------
        GrantError
            If code, verifier or redirect address do not fit.
        """
        async with self._database.transaction() as session:
            opened = await self._redeem(session, client_id, code, verifier, redirect_uri)
            pair = None if opened is None else await self._pair(session, *opened)
        if pair is None:
            raise GrantError("invalid_grant", _CODE)
        return await self._identified(*pair)

    async def exchange_code_for_cookie(self, client_id: UUID, code: str, verifier: str, redirect_uri: str) -> str:
        """Return a browser's cookie for an authorisation code, once. No script needs to see the secret.

        Raises
        ------
        GrantError
            If code, verifier or redirect address do not fit.
        """
        cookie = new_secret()
        async with self._database.transaction() as session:
            opened = await self._redeem(session, client_id, code, verifier, redirect_uri, digest(cookie))
        if opened is None:
            raise GrantError("invalid_grant", _CODE)
        return cookie

    async def _redeem(
        self,
        session: AsyncSession,
        client_id: UUID,
        code: str,
        verifier: str,
        redirect_uri: str,
        cookie_digest: bytes | None = None,
    ) -> tuple[Session, User, str] | None:
        """Open and return the session of a code, with account and nonce; ``None`` if the code is not valid."""
        now = datetime.now(UTC)
        row = await session.get(AuthorizationCode, digest(code[:_LONGEST_SECRET]), with_for_update=True)
        if row is not None and row.used_at is not None:
            await self._end(session, row.session_id, "code_reuse")
            return None
        if (
            row is None
            or row.expires_at <= now
            or row.lacks_patient
            or row.client_id != client_id
            or row.redirect_uri != redirect_uri
            or not hmac.compare_digest(row.challenge, _challenge(verifier))
        ):
            return None
        row.used_at = now
        user = await session.get_one(User, row.user_id)
        client = await session.get_one(OAuthClient, client_id)
        if user.disabled_at is not None or client.disabled_at is not None:
            return None
        opened = self._session(row.session_id, client, user.user_id, row.second_factor, now)
        opened.cookie_digest = cookie_digest
        if row.scopes is not None:
            opened.scopes = row.scopes
        opened.launch_patient_id = row.launch_patient_id
        session.add(opened)
        await session.flush()
        return opened, user, row.nonce or ""

    async def refresh(self, client_id: UUID, refresh_token: str) -> Tokens:
        """Return new tokens for a refresh token, once; a second use ends the session and all its tokens.

        Raises
        ------
        GrantError
            If the token is unknown, used or its session has ended.
        """
        async with self._database.transaction() as session:
            pair = await self._new_tokens(session, client_id, digest(refresh_token[:_LONGEST_SECRET]))
        if pair is None:
            raise GrantError("invalid_grant", "the refresh token is not valid; log in again")
        return await self._identified(*pair)

    async def _new_tokens(
        self, session: AsyncSession, client_id: UUID, key: bytes
    ) -> tuple[Tokens, IdentityClaims | None] | None:
        """Use a refresh token up and return new tokens; ``None`` if it is not valid."""
        now = datetime.now(UTC)
        session_id = await session.scalar(
            sa.update(RefreshToken)
            .where(RefreshToken.digest == key, RefreshToken.used_at.is_(None))
            .values(used_at=now)
            .returning(RefreshToken.session_id)
        )
        if session_id is None:
            used = await session.get(RefreshToken, key)
            if used is not None:
                await self._end(session, used.session_id, "refresh_reuse")
            return None
        living = await self._session_lookup.living(session, session_id)
        if living is None or living[0].client_id != client_id or living[1] is None:
            return None
        living[0].last_seen_at = now
        return await self._pair(session, living[0], living[1])

    async def client_credentials(self, proof: ClientProof, scopes: Collection[str] | None) -> Tokens:
        """Return a machine's access token, for those of the requested scopes that it may have.

        Raises
        ------
        GrantError
            If client, secret or signed token is wrong, or none of the scopes is the client's.
        TooManyAttemptsError
            If it failed too often for this client.
        """
        try:
            client_id = client_of(proof.assertion) if proof.assertion else proof.client_id
        except AuthenticationError:
            client_id = None
        await self._attempts.check("client", f"{client_id}", self._limits.per_account)
        await self._attempts.check("login-address", proof.address, self._limits.per_address)
        now = datetime.now(UTC)
        async with self._database.transaction() as session:
            client = None if client_id is None else await session.get(OAuthClient, client_id)
            right = proof.client_id in (None, client_id) and await self._is_proved(session, client, proof)
            if client is None or client.role is None or not right:
                await self._audit_change(session, "anonymous", "none", "client_login", "denied")
            else:
                role = Role(client.role)
                wanted = frozenset(client.scopes) if scopes is None else narrowed(scopes, client.scopes)
                if not wanted:
                    raise GrantError("invalid_scope", "the client has none of these scopes")
                row = self._session(uuid4(), client, None, True, now)
                row.scopes = sorted(wanted)
                session.add(row)
                await self._audit_change(session, str(client.client_id), role, "client_login", "success")
                claims = TokenClaims(row.session_id, client.client_id, audience(role))
                return Tokens(self._tokens.issue(claims), None, self._tokens.lifetime, wanted)
        await self._attempts.count("client", f"{client_id}", self._limits.window)
        await self._attempts.count("login-address", proof.address, self._limits.window)
        raise GrantError("invalid_client", "the client, its secret or its signed token is wrong")

    async def _is_proved(self, session: AsyncSession, client: OAuthClient | None, proof: ClientProof) -> bool:
        """Return whether a machine proved its identity: by its secret, or else by its registered keys."""
        if client is not None and client.key_set is not None:
            return await self._has_signed(session, client, proof.assertion)
        registered = client is not None and client.secret_digest is not None and client.disabled_at is None
        expected = client.secret_digest if client and client.secret_digest else bytes(32)
        return (
            hmac.compare_digest(expected, digest(proof.secret[:_LONGEST_SECRET])) and registered and not proof.assertion
        )

    async def _has_signed(self, session: AsyncSession, client: OAuthClient, assertion: str) -> bool:
        try:
            claims = read(assertion, key_ring(client.key_set or {}), self._token_endpoint)
        except AuthenticationError:
            return False
        if client.disabled_at is not None or claims.subject != claims.issuer or claims.issuer != str(client.client_id):
            return False
        return await self._attempts.once(session, "assertion", f"{claims.issuer} {claims.token_id}", claims.until)

    async def authenticate(self, bearer: str, *about: UUID) -> Principal:
        """Return who presents an access token or an API key.

        Parameters
        ----------
        about
            Patients whose ties to them are read along with the session.

        Raises
        ------
        AuthenticationError
            If it is not valid, or the session, the account or the client has ended.
        """
        if bearer.startswith(API_KEY_PREFIX):
            return await self._authenticate_key(bearer)
        claims = self._tokens.read(bearer)
        answer = await self._session_lookup.of_session(claims.session_id, about)
        principal = self._principal(answer)
        if principal.subject != claims.subject or audience(principal.role) != claims.audience:
            raise AuthenticationError(_ENDED)
        await self._note_use(answer)
        return principal

    async def authenticate_cookie(self, cookie: str, *about: UUID) -> Principal:
        """Return who presents a browser's cookie.

        Raises
        ------
        AuthenticationError
            If it is not valid or its session has ended.
        """
        answer = await self._session_lookup.of_session(digest(cookie[:_LONGEST_SECRET]), about)
        principal = self._principal(answer)
        await self._note_use(answer)
        return principal

    async def authenticate_session(self, session_id: UUID, *about: UUID) -> Principal:
        """Return who owns a session that goes on, such as a WebSocket's.

        Raises
        ------
        AuthenticationError
            If it has ended.
        """
        return self._principal(await self._session_lookup.of_session(session_id, about))

    async def end(self, principal: Principal) -> None:
        """Log out: the session and all its tokens end."""
        async with self._database.transaction() as session:
            await self._end(session, principal.session_id, "logout")

    async def new_ticket(self, principal: Principal, patient_id: UUID) -> str:
        """Return a ticket for one WebSocket about one patient, valid once and for seconds; delete expired ones.

        Raises
        ------
        AuthorizationError
            If the principal has no session that could end, but an API key.
        """
        ticket, now = new_secret(), datetime.now(UTC)
        try:
            async with self._database.transaction() as session:
                await session.execute(sa.delete(Ticket).where(Ticket.expires_at <= now))
                await session.execute(
                    sa.insert(Ticket).values(
                        digest=digest(ticket),
                        session_id=principal.session_id,
                        patient_id=patient_id,
                        expires_at=now + timedelta(seconds=TICKET_SECONDS),
                    )
                )
        except IntegrityError as error:
            raise AuthorizationError("tickets are for sessions, not for API keys: get an access token") from error
        return ticket

    async def use_ticket(self, ticket: str) -> tuple[Principal, UUID]:
        """Return who comes with a ticket, and about which patient.

        Raises
        ------
        AuthenticationError
            If it is not valid, was used, or its session has ended.
        """
        now = datetime.now(UTC)
        async with self._database.transaction() as session:
            used = (
                await session.execute(
                    sa.update(Ticket)
                    .where(
                        Ticket.digest == digest(ticket[:_LONGEST_SECRET]),
                        Ticket.used_at.is_(None),
                        Ticket.expires_at > now,
                    )
                    .values(used_at=now)
                    .returning(Ticket.session_id, Ticket.patient_id)
                )
            ).one_or_none()
        if used is None:
            raise AuthenticationError("the ticket is not valid; get a new one")
        return await self.authenticate_session(used.session_id), used.patient_id

    async def _authenticate_key(self, key: str) -> Principal:
        now = datetime.now(UTC)
        query = (
            sa.select(ApiKey.key_id, OAuthClient)
            .join(OAuthClient, OAuthClient.client_id == ApiKey.client_id)
            .where(
                ApiKey.digest == digest(key[:_LONGEST_SECRET]),
                ApiKey.revoked_at.is_(None),
                ApiKey.expires_at > now,
                OAuthClient.disabled_at.is_(None),
                OAuthClient.role.is_not(None),
            )
        )
        async with self._database.snapshot() as session:
            row = (await session.execute(query)).one_or_none()
        if row is None:
            raise AuthenticationError("the API key is not valid")
        key_id, client = row
        scopes, fhir_types = granted(client.scopes)
        role = Role(str(client.role))
        return Principal(client.client_id, key_id, role, client.organisation_id, None, scopes, fhir_types=fhir_types)

    def _principal(self, answer: Answer) -> Principal:
        row, ties = answer
        if row is None:
            raise AuthenticationError(_ENDED)
        of_a_person = row.user_id is not None
        scopes, fhir_types = granted(row.scopes)
        return Principal(
            row.user_id if of_a_person else row.client_id,
            row.session_id,
            Role(row.role if of_a_person else row.client_role),
            row.organisation_id if of_a_person else row.client_organisation_id,
            row.patient_id,
            scopes,
            not of_a_person or row.second_factor or not self._second_factor_needed,
            ties,
            fhir_types,
            None if any(scope.startswith("user/") for scope in row.scopes) else row.launch_patient_id,
        )

    async def _note_use(self, answer: Answer) -> None:
        """Note now and then that a session is in use. At each request, every reader would be a writer."""
        row, now = answer[0], datetime.now(UTC)
        if row is not None and now - row.last_seen_at > self._lifetimes.idle / 10:
            async with self._database.transaction() as session:
                await session.execute(
                    sa.update(Session).where(Session.session_id == row.session_id).values(last_seen_at=now)
                )

    def _session(
        self, session_id: UUID, client: OAuthClient, user_id: UUID | None, second_factor: bool, now: datetime
    ) -> Session:
        lifetime = self._lifetimes.absolute if user_id else timedelta(seconds=self._tokens.lifetime)
        return Session(
            session_id=session_id,
            client_id=client.client_id,
            user_id=user_id,
            scopes=client.scopes,
            second_factor=second_factor,
            created_at=now,
            last_seen_at=now,
            expires_at=now + lifetime,
        )

    async def _pair(
        self, session: AsyncSession, opened: Session, user: User, nonce: str = ""
    ) -> tuple[Tokens, IdentityClaims | None]:
        """Return new tokens, and what an identity token says beside them where the client asks for one."""
        role, refresh = Role(user.role), new_secret() if lasts(opened.scopes) else None
        if refresh is not None:
            await session.execute(
                sa.insert(RefreshToken).values(
                    digest=digest(refresh), session_id=opened.session_id, created_at=datetime.now(UTC)
                )
            )
        access = self._tokens.issue(TokenClaims(opened.session_id, user.user_id, audience(role)))
        scopes = frozenset(map(str, PERMISSIONS[role])) & frozenset(opened.scopes) | smart_of(opened.scopes)
        tokens = Tokens(access, refresh, self._tokens.lifetime, scopes, opened.launch_patient_id)
        if OPENID not in scopes:
            return tokens, None
        person = f"Practitioner/{user.user_id}" if user.patient_id is None else f"Patient/{user.patient_id}"
        client = await session.get_one(OAuthClient, opened.client_id)
        algorithm = client.id_token_algorithm or DEFAULT_ALGORITHM
        fhir_user = person if FHIR_USER in scopes else ""
        return tokens, IdentityClaims(opened.client_id, user.user_id, fhir_user, nonce, algorithm)

    async def _identified(self, tokens: Tokens, claims: IdentityClaims | None) -> Tokens:
        """Return tokens with the identity token, signed once the others are stored: its key may have to be drawn."""
        return tokens if claims is None else replace(tokens, id_token=await self._identity_tokens.issue(claims))

    async def _end(self, session: AsyncSession, session_id: UUID, reason: str) -> None:
        await session.execute(
            sa.update(Session)
            .where(Session.session_id == session_id, Session.ended_at.is_(None))
            .values(ended_at=datetime.now(UTC), end_reason=reason)
        )
        row = await session.get(Session, session_id)
        actor = "anonymous" if row is None else str(row.user_id or row.client_id)
        await self._audit_change(session, actor, "none", reason, "success", str(session_id))

    async def _audit_change(
        self, session: AsyncSession, actor: str, role: str, action: str, outcome: str, *references: str
    ) -> None:
        access = Access(actor=actor, role=role, purpose="identity", correlation_id=correlation_id())
        await self._audit.append_within(
            session, Event(access=access, action=action, what="session", outcome=outcome, references=references)
        )


def _challenge(verifier: str) -> str:
    """Return the S256 challenge of a verifier (RFC 7636, section 4.2)."""
    hashed = hashlib.sha256(verifier.encode()).digest()
    return base64.urlsafe_b64encode(hashed).rstrip(b"=").decode()
