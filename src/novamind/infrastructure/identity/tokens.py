"""Access tokens: short-lived JWTs (RFC 7519, profile RFC 9068) signed with Ed25519, checked as RFC 8725 asks.

The algorithm is ours, not the token's; keys come from our own set alone; a header with anything but ``alg``, ``kid``
and ``typ`` is refused, and so is every claim of another type than we write.
"""

import hashlib
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID, uuid4

from cachetools import LRUCache
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet, OKPKey

from novamind.errors import AuthenticationError
from novamind.infrastructure.identity.domain import CLINICAL_AUDIENCE, POPULATION_AUDIENCE

ALGORITHM: Final = "Ed25519"
_TYPE: Final = "at+jwt"
_LONGEST: Final = 2048
_REMEMBERED: Final = 4096
_LEEWAY: Final = 5  # seconds that two clocks may differ
_REFUSED: Final = "the access token is not valid; get a new one"


@dataclass(frozen=True, slots=True)
class TokenClaims:
    """What an access token says; everything else is looked up, so that it cannot be out of date."""

    session_id: UUID
    subject: UUID
    audience: str
    expires: int = field(default=0, compare=False)


class AccessTokens:
    """Issues and checks access tokens.

    Parameters
    ----------
    secrets
        32 random bytes each; the first signs, all of them check.
    issuer
        Address of this deployment; tokens of others are refused.
    lifetime
        Seconds.
    """

    def __init__(self, secrets: tuple[bytes, ...], issuer: str, lifetime: int) -> None:
        keys = []
        for secret in secrets:
            key = OKPKey.import_key(Ed25519PrivateKey.from_private_bytes(secret), {"use": "sig", "alg": ALGORITHM})
            keys.append(OKPKey.import_key({**key.as_dict(private=True), "kid": key.thumbprint()}))
        self._keys = {str(key.kid): key for key in keys}
        self._signing = keys[0]
        self._issuer = issuer
        self._genuine: LRUCache[bytes, Mapping[str, Any]] = LRUCache(_REMEMBERED)
        self.lifetime = lifetime

    def issue(self, claims: TokenClaims) -> str:
        """Return a signed token."""
        now = int(time.time())
        payload = {
            "iss": self._issuer,
            "aud": claims.audience,
            "sub": str(claims.subject),
            "sid": str(claims.session_id),
            "iat": now,
            "nbf": now,
            "exp": now + self.lifetime,
            "jti": uuid4().hex,
        }
        header = {"alg": ALGORITHM, "typ": _TYPE, "kid": str(self._signing.kid)}
        return jwt.encode(header, payload, self._signing, algorithms=[ALGORITHM])

    def read(self, token: str) -> TokenClaims:
        """Check a token and return its claims: the signature is checked once, the times each time.

        Raises
        ------
        AuthenticationError
            If anything about it is not as :meth:`issue` makes it, or it is not valid now.
        """
        if len(token) > _LONGEST:
            raise AuthenticationError(_REFUSED)
        try:
            digest = hashlib.sha256(token.encode()).digest()
            if digest not in self._genuine:
                decoded = jwt.decode(token, lambda obj: self._key(obj.headers()), algorithms=[ALGORITHM])
                self._genuine[digest] = decoded.claims
            return self._claims(self._genuine[digest])
        except (JoseError, ValueError, KeyError, TypeError) as error:
            raise AuthenticationError(_REFUSED) from error

    def public_keys(self) -> dict[str, Any]:
        """Return the key set with which others can check our tokens (RFC 7517)."""
        return dict(KeySet(list(self._keys.values())).as_dict(private=False))

    def _key(self, header: Mapping[str, Any]) -> OKPKey:
        if header.keys() != {"alg", "typ", "kid"} or header["typ"] != _TYPE:
            raise AuthenticationError(_REFUSED)
        return self._keys[header["kid"]]

    def _claims(self, payload: Mapping[str, Any]) -> TokenClaims:
        now = time.time()
        issued, begins, ends = (payload[name] for name in ("iat", "nbf", "exp"))
        if any(type(moment) is not int for moment in (issued, begins, ends)):
            raise AuthenticationError(_REFUSED)
        valid = begins - _LEEWAY <= now < ends + _LEEWAY and ends - issued <= self.lifetime
        if (
            not valid
            or payload["iss"] != self._issuer
            or payload["aud"] not in (CLINICAL_AUDIENCE, POPULATION_AUDIENCE)
        ):
            raise AuthenticationError(_REFUSED)
        return TokenClaims(UUID(payload["sid"]), UUID(payload["sub"]), payload["aud"], ends)
