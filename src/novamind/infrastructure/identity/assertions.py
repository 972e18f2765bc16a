"""Tokens that machines sign for themselves, with keys that were registered here beforehand.

Two profiles: a client proves who it is at the token endpoint (SMART App Launch 2.2 ``private_key_jwt``, RFC 7523), and
an EHR signs its calls of CDS Hooks (CDS Hooks 2.0.1). Algorithms are a literal pair. Keys come from the
registration alone, whatever a header names; nothing is ever fetched (RFC 8725).
"""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from uuid import NAMESPACE_URL, UUID, uuid5

from joserfc import jws, jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, JWKRegistry, RSAKey

from novamind.errors import AuthenticationError, ValidationError
from novamind.infrastructure.database import Database
from novamind.infrastructure.identity.attempts import AttemptCounter
from novamind.infrastructure.identity.domain import Permission, Principal, Role

ALGORITHMS: Final = ("RS384", "ES384")
LONGEST_SECONDS: Final = 300
_LEEWAY: Final = 5  # seconds that two clocks may differ
#: Characters of what a machine or a key has signed.
LONGEST_SIGNED: Final = 8000
_LONGEST_ID: Final = 255
_MOST_KEYS: Final = 10
_FEWEST_BITS: Final = 2048
_REFUSED: Final = "the signed token is not valid"

Keys = Mapping[str, RSAKey | ECKey]


@dataclass(frozen=True, slots=True)
class Assertion:
    """Claims of a machine's signed token. They are checked, except that the token id may have been used."""

    issuer: str
    subject: str | None
    token_id: str
    ends: int

    @property
    def until(self) -> datetime:
        """Return when the token is too old to be accepted again."""
        return datetime.fromtimestamp(self.ends + _LEEWAY, UTC)


def key_ring(key_set: Mapping[str, Any]) -> dict[str, RSAKey | ECKey]:
    """Return the keys of a registered key set (RFC 7517), by their ids.

    Raises
    ------
    ValidationError
        If it holds anything but public RSA keys of 2048 bits or P-384 keys, each with an id of its own.
    """
    entries = key_set.get("keys")
    if not isinstance(entries, list) or not 1 <= len(entries) <= _MOST_KEYS:
        raise ValidationError(f"a key set has 'keys', a list of 1 to {_MOST_KEYS}")
    ring: dict[str, RSAKey | ECKey] = {}
    for entry in entries:
        try:
            key = JWKRegistry.import_key(entry)
            strong = (isinstance(key, RSAKey) and key.public_key.key_size >= _FEWEST_BITS) or (
                isinstance(key, ECKey) and key.curve_name == "P-384"
            )
        except (JoseError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise ValidationError("a key of the key set cannot be read") from error
        if not isinstance(key, RSAKey | ECKey) or not strong or key.is_private:
            raise ValidationError("a key set holds public keys: RSA of 2048 bits or more (RS384), or P-384 (ES384)")
        name = entry.get("kid")
        if not isinstance(name, str) or not name or name in ring:
            raise ValidationError("each key of a key set has a 'kid' of its own")
        ring[name] = key
    return ring


def claimed_issuer(token: str) -> str | None:
    """Return the issuer that a token names, before anything is checked; ``None`` where it names none."""
    try:
        claims = json.loads(jws.extract_compact(token[:LONGEST_SIGNED].encode()).payload)
        issuer = claims["iss"]
    except (JoseError, ValueError, KeyError, TypeError):
        return None
    return issuer if isinstance(issuer, str) else None


def read(token: str, keys: Keys, audience: str, key_address: str | None = None) -> Assertion:
    """Check a token against registered keys and return its claims.

    Parameters
    ----------
    audience
        Audience that the token must name: the address that was called.
    key_address
        The only ``jku`` that its header may name.

    Raises
    ------
    AuthenticationError
        If anything is wrong with it; nothing says what.
    """
    try:
        if len(token) > LONGEST_SIGNED:
            raise AuthenticationError(_REFUSED)
        decoded = jwt.decode(
            token, lambda signed: _key(signed.headers(), keys, key_address), algorithms=list(ALGORITHMS)
        )
        return _claims(decoded.claims, audience)
    except (JoseError, ValueError, KeyError, TypeError) as error:
        raise AuthenticationError(_REFUSED) from error


def _key(header: Mapping[str, Any], keys: Keys, key_address: str | None) -> RSAKey | ECKey:
    strange = header.keys() - {"alg", "kid", "typ", "jku"}
    if strange or header.get("typ", "JWT") != "JWT" or header.get("jku", key_address) != key_address:
        raise AuthenticationError(_REFUSED)
    return keys[header["kid"]]


def _claims(claims: Mapping[str, Any], audience: str) -> Assertion:
    now = time.time()
    times = {name: claims[name] for name in ("iat", "nbf", "exp") if name in claims}
    if any(type(moment) is not int for moment in times.values()):
        raise AuthenticationError(_REFUSED)
    begun = all(times.get(name, 0) <= now + _LEEWAY for name in ("iat", "nbf"))
    ends, token_id, issuer = times["exp"], claims["jti"], claims["iss"]
    right = begun and now - _LEEWAY < ends <= now + LONGEST_SECONDS + _LEEWAY
    if not right or claims["aud"] not in (audience, [audience]):
        raise AuthenticationError(_REFUSED)
    if not isinstance(token_id, str) or not 1 <= len(token_id) <= _LONGEST_ID or not isinstance(issuer, str):
        raise AuthenticationError(_REFUSED)
    return Assertion(issuer, claims.get("sub"), token_id, ends)


@dataclass(frozen=True, slots=True)
class _Issuer:
    keys: Keys
    key_address: str | None


class HookClients:
    """EHRs that may call CDS Hooks with tokens of their own: those on a list that the operator keeps.

    Parameters
    ----------
    path
        A JSON file: issuer to ``{"jwks": {"keys": [...]}, "jku": "https://..."}``; ``jku`` is what the issuer's tokens
        may name, and is never visited. Without a file there are none.

    Raises
    ------
    ValidationError
        If the file cannot be read as that.
    """

    def __init__(self, path: Path | None, database: Database, attempts: AttemptCounter) -> None:
        self._issuers = {} if path is None else _listed(path)
        self._database = database
        self._attempts = attempts

    def knows(self, token: str) -> bool:
        """Return whether a token names one of these issuers."""
        return bool(self._issuers) and claimed_issuer(token) in self._issuers

    async def authenticate(self, token: str, audience: str) -> Principal:
        """Return who presents the token: a service that may have things computed and sees no record.

        Raises
        ------
        AuthenticationError
            If it is not valid, not for this service, or was here before.
        """
        issuer = self._issuers[str(claimed_issuer(token))]
        assertion = read(token, issuer.keys, audience, issuer.key_address)
        async with self._database.transaction() as session:
            first = await self._attempts.once(
                session, "hook", f"{assertion.issuer} {assertion.token_id}", assertion.until
            )
        if not first:
            raise AuthenticationError(_REFUSED)
        subject = uuid5(NAMESPACE_URL, assertion.issuer)
        return Principal(subject, subject, Role.SERVICE, None, None, frozenset({Permission.CALCULATE}))


def client_of(token: str) -> UUID:
    """Return the client that a token names as its issuer, before anything is checked.

    Raises
    ------
    AuthenticationError
        If it names none.
    """
    try:
        return UUID(claimed_issuer(token) or "")
    except ValueError as error:
        raise AuthenticationError(_REFUSED) from error


def _listed(path: Path) -> dict[str, _Issuer]:
    try:
        issuers = json.loads(path.read_bytes())
        return {
            name: _Issuer(key_ring(entry["jwks"]), None if entry.get("jku") is None else str(entry["jku"]))
            for name, entry in issuers.items()
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        text = "NOVAMIND_CDS_CLIENTS must name a JSON file: issuer to {'jwks': {'keys': [...]}, 'jku': optional}"
        raise ValidationError(text) from error
