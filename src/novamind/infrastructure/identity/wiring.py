"""Wiring: the parts of identity, made from the settings and what the rest of the system stands on."""

from dataclasses import dataclass
from datetime import timedelta

from novamind.errors import ValidationError
from novamind.infrastructure.bootstrap import Foundation
from novamind.infrastructure.identity.access import AccessControl
from novamind.infrastructure.identity.accounts import Accounts
from novamind.infrastructure.identity.assertions import HookClients
from novamind.infrastructure.identity.attempts import AttemptCounter
from novamind.infrastructure.identity.identity_tokens import IdentityTokens
from novamind.infrastructure.identity.launches import Launches
from novamind.infrastructure.identity.passkeys import Passkeys
from novamind.infrastructure.identity.passwords import Passwords
from novamind.infrastructure.identity.secrets import AccountSeal, derived_key
from novamind.infrastructure.identity.session_lookup import SessionLookup
from novamind.infrastructure.identity.sessions import TOKEN_ENDPOINT, Lifetimes, LoginLimits, Sessions
from novamind.infrastructure.identity.tokens import AccessTokens
from novamind.settings import Settings


@dataclass(frozen=True)
class Identity:
    """Accounts, sessions, tokens and access control of one running system."""

    accounts: Accounts
    passkeys: Passkeys
    sessions: Sessions
    tokens: AccessTokens
    identity_tokens: IdentityTokens
    access: AccessControl
    attempts: AttemptCounter
    hook_clients: HookClients
    launches: Launches


def open_identity(settings: Settings, foundation: Foundation, passwords: Passwords | None = None) -> Identity:
    """Return the parts of identity, joined.

    Raises
    ------
    ValidationError
        In production without a secret for the tokens.
    """
    database, audit, index = foundation.database, foundation.audit, foundation.index
    passwords = passwords or Passwords()
    seal = AccountSeal(derived_key(foundation.keys.index, "accounts"))
    accounts = Accounts(database, index, audit, seal, passwords)
    secrets = _token_secrets(settings, foundation)
    tokens = AccessTokens(secrets, settings.public_url, settings.access_token_seconds)
    identity_tokens = IdentityTokens(database, secrets, settings.public_url, settings.access_token_seconds)
    attempts = AttemptCounter(database, index)
    challenges = derived_key(foundation.keys.index, "passkey challenges")
    passkeys = Passkeys(database, audit, seal, attempts, challenges, settings.public_url)
    lifetimes = Lifetimes(timedelta(seconds=settings.session_idle_seconds), timedelta(seconds=settings.session_seconds))
    session_lookup = SessionLookup(database, lifetimes.idle)
    sessions = Sessions(
        database,
        session_lookup,
        audit,
        accounts,
        passkeys,
        passwords,
        tokens,
        identity_tokens,
        attempts,
        lifetimes,
        LoginLimits(
            settings.login_attempts,
            settings.login_failures_per_address,
            timedelta(seconds=settings.login_window_seconds),
        ),
        token_endpoint=settings.public_url + TOKEN_ENDPOINT,
        second_factor_needed=settings.second_factor_needed,
    )
    access = AccessControl(
        database, session_lookup, audit, seal, attempts, timedelta(seconds=settings.emergency_seconds)
    )
    return Identity(
        accounts,
        passkeys,
        sessions,
        tokens,
        identity_tokens,
        access,
        attempts,
        HookClients(settings.cds_clients, database, attempts),
        Launches(database, second_factor_needed=settings.second_factor_needed),
    )


def _token_secrets(settings: Settings, foundation: Foundation) -> tuple[bytes, ...]:
    if not settings.has("jwt_secret"):
        if settings.environment == "production":
            raise ValidationError("NOVAMIND_JWT_SECRET must be set in production")
        return (derived_key(foundation.keys.index, "development tokens"),)
    previous = (settings.key("previous_jwt_secret"),) if settings.has("previous_jwt_secret") else ()
    return (settings.key("jwt_secret"), *previous)
