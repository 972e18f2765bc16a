"""An authenticator made of software (W3C WebAuthn Level 2, 6.1 and 6.5): one P-256 key, and every dishonesty."""

import base64
import hashlib
import json
from dataclasses import dataclass, field
from secrets import token_bytes
from typing import Any

import cbor2
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256

PRESENT, VERIFIED, ATTESTED = 0x01, 0x04, 0x40


def text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def raw(encoded: str) -> bytes:
    return base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4))


@dataclass
class Authenticator:
    """Answers as it is told to: ``origin``, ``relying_party`` and ``flags`` are what it says, whoever asks."""

    origin: str
    relying_party: str
    flags: int = PRESENT | VERIFIED
    count: int = 0
    credential_id: bytes = field(default_factory=lambda: token_bytes(32))
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))
    user: bytes = b""
    framed: bool = False

    def create(self, options: dict[str, Any], challenge: str = "") -> dict[str, Any]:
        """Make the credential: what ``navigator.credentials.create`` gives, as JSON."""
        assert {one["alg"] for one in options["pubKeyCredParams"]} >= {-7}
        self.user = raw(options["user"]["id"])
        point = self.key.public_key().public_numbers()
        public = cbor2.dumps({1: 2, 3: -7, -1: 1, -2: point.x.to_bytes(32), -3: point.y.to_bytes(32)})
        attested = bytes(16) + len(self.credential_id).to_bytes(2) + self.credential_id + public
        said = {"fmt": "none", "attStmt": {}, "authData": self._data(self.flags | ATTESTED) + attested}
        return self._answer(
            {
                "clientDataJSON": text(self._client("webauthn.create", challenge or options["challenge"])),
                "attestationObject": text(cbor2.dumps(said)),
            }
        )

    def get(self, options: dict[str, Any], challenge: str = "") -> dict[str, Any]:
        """Prove to have it: what ``navigator.credentials.get`` gives, as JSON."""
        self.count += 1
        client, data = self._client("webauthn.get", challenge or options["challenge"]), self._data(self.flags)
        signature = self.key.sign(data + hashlib.sha256(client).digest(), ec.ECDSA(SHA256()))
        return self._answer(
            {
                "clientDataJSON": text(client),
                "authenticatorData": text(data),
                "signature": text(signature),
                "userHandle": text(self.user),
            }
        )

    def _data(self, flags: int) -> bytes:
        return hashlib.sha256(self.relying_party.encode()).digest() + bytes([flags]) + self.count.to_bytes(4)

    def _client(self, kind: str, challenge: str) -> bytes:
        said = {"type": kind, "challenge": challenge, "origin": self.origin, "crossOrigin": self.framed}
        return json.dumps(said).encode()

    def _answer(self, response: dict[str, str]) -> dict[str, Any]:
        named = text(self.credential_id)
        return {
            "id": named,
            "rawId": named,
            "type": "public-key",
            "response": response,
            "clientExtensionResults": {},
        }
