"""Identity tokens (OpenID Connect Core) say who logged in; signed with RS256, or ES256 where a client asks for it.

The keys are drawn when the first token needs them and kept sealed, under a key of the secret that signs access tokens.
A new secret so brings new keys, and the earlier ones check for as long as the earlier secret is configured.
"""

import asyncio
import json
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from joserfc import jwt
from joserfc.jwk import ECKey, KeyParameters, KeySet, RSAKey

from novamind.infrastructure.database import Database, insert_missing
from novamind.infrastructure.identity.secrets import AccountSeal, derived_key
from novamind.infrastructure.identity.tables import SigningKey

ALGORITHMS: Final = ("RS256", "ES256")
#: What a client gets that registered none (OpenID Connect Core, 3.1.3.7).
DEFAULT_ALGORITHM: Final = ALGORITHMS[0]
_RSA_BITS: Final = 2048
_CURVE: Final = "P-256"
_COLUMN: Final = "signing_keys.sealed"


@dataclass(frozen=True, slots=True)
class IdentityClaims:
    """What an identity token says.

    Attributes
    ----------
    fhir_user
        Type and id of the person's resource, where the client asks for it (SMART App Launch).
    algorithm
        The one that the client registered; RS256 where it has none.
    """

    client_id: UUID
    user_id: UUID
    fhir_user: str = ""
    nonce: str = ""
    algorithm: str = DEFAULT_ALGORITHM


class IdentityTokens:
    """Issues identity tokens.

    Parameters
    ----------
    secrets
        Those of the access tokens: the first seals the keys that sign, the others those that still check.
    issuer
        Address of this deployment.
    lifetime
        Seconds.
    """

    def __init__(self, database: Database, secrets: tuple[bytes, ...], issuer: str, lifetime: int) -> None:
        self._database = database
        self._secrets = secrets
        self._issuer = issuer
        self._lifetime = lifetime
        self._keys: dict[UUID, RSAKey | ECKey] = {}
        self._drawing = asyncio.Lock()

    async def issue(self, claims: IdentityClaims) -> str:
        """Return a signed token."""
        now = int(time.time())
        payload: dict[str, Any] = {
            "iss": self._issuer,
            "aud": str(claims.client_id),
            "sub": str(claims.user_id),
            "iat": now,
            "exp": now + self._lifetime,
        }
        if claims.fhir_user:
            payload["fhirUser"] = f"{self._issuer}/fhir/{claims.fhir_user}"
        if claims.nonce:
            payload["nonce"] = claims.nonce
        key = await self._signing(claims.algorithm)
        return jwt.encode({"alg": claims.algorithm, "kid": str(key.kid)}, payload, key, algorithms=[*ALGORITHMS])

    async def public_keys(self) -> list[dict[str, Any]]:
        """Return the keys with which clients check our tokens (RFC 7517), those that sign first."""
        signing = [await self._signing(algorithm) for algorithm in ALGORITHMS]
        places = [_place(secret, algorithm) for secret in self._secrets[1:] for algorithm in ALGORITHMS]
        earlier = [key for secret, place in places if (key := await self._stored(secret, place)) is not None]
        return [dict(key) for key in KeySet([*signing, *earlier]).as_dict(private=False)["keys"]]

    async def _signing(self, algorithm: str) -> RSAKey | ECKey:
        secret, place = _place(self._secrets[0], algorithm)
        async with self._drawing:
            key = await self._stored(secret, place)
            if key is None:
                await self._draw(secret, place, algorithm)
                key = await self._stored(secret, place)  # that of another process, where it was faster
        assert key is not None  # noqa: S101 - it was stored a moment ago
        return key

    async def _stored(self, secret: bytes, place: UUID) -> RSAKey | ECKey | None:
        """Return a key that is kept.

        Raises
        ------
        DataProcessingError
            If it was altered.
        """
        if place not in self._keys:
            async with self._database.snapshot() as session:
                row = await session.get(SigningKey, place)
            if row is None:
                return None
            parts = json.loads(_seal(secret).open(row.sealed, _COLUMN, place))
            self._keys[place] = (RSAKey if parts["kty"] == "RSA" else ECKey).import_key(parts)
        return self._keys[place]

    async def _draw(self, secret: bytes, place: UUID, algorithm: str) -> None:
        parts: KeyParameters = {"use": "sig", "alg": algorithm}
        key: RSAKey | ECKey
        if algorithm == "RS256":
            key = await asyncio.to_thread(RSAKey.generate_key, _RSA_BITS, parts, auto_kid=True)
        else:
            key = ECKey.generate_key(_CURVE, parts, auto_kid=True)
        sealed = _seal(secret).seal(json.dumps(key.as_dict(private=True)), _COLUMN, place)
        async with self._database.transaction() as session:
            await insert_missing(
                session, SigningKey, key_id=place, algorithm=algorithm, sealed=sealed, created_at=datetime.now(UTC)
            )


def _place(secret: bytes, algorithm: str) -> tuple[bytes, UUID]:
    """Return a secret and where the key lies that it seals; the place tells nothing of the secret."""
    return secret, UUID(bytes=derived_key(secret, f"place of the {algorithm} key")[:16])


def _seal(secret: bytes) -> AccountSeal:
    return AccountSeal(derived_key(secret, "identity tokens"))
