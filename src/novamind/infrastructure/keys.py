"""Keys: from a file while developing, from the environment, or from a key management service.

Three keys are needed. The *encryption key* wraps each patient's data key and nothing else (envelope encryption, NIST
SP 800-57 part 1: a key has one use); it may live in a service that never hands it out. The *index key* makes blind
indexes and pseudonyms. The *audit signing key* (Ed25519, RFC 8032) signs the audit's checkpoints.
"""

import asyncio
import base64
import contextlib
import hashlib
import http
import json
import os
import urllib.error
import urllib.request
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from novamind.errors import DataProcessingError, ServiceUnavailableError, ValidationError
from novamind.infrastructure.database import WAIT_SECONDS
from novamind.settings import KEY_BYTES, Settings, random_key

NONCE_BYTES: Final = 12
_NOT_THIS_KEY: Final = "a data key cannot be unwrapped: it was altered, or the encryption key is another one"


class KeyEncryption(Protocol):
    """Wraps data keys. A data key that was wrapped under one context cannot be unwrapped under another."""

    async def current(self) -> str:
        """Return the name of the encryption key that wraps from now on."""

    async def wrap(self, data_key: bytes, context: bytes) -> tuple[str, bytes]:
        """Return the current key's name, and the data key wrapped with it."""

    async def unwrap(self, name: str, wrapped: bytes, context: bytes) -> bytes:
        """Return a data key, unwrapped with the key of that name."""


@dataclass(frozen=True, repr=False)
class Keys:
    """The three keys of a running system."""

    encryption: KeyEncryption
    index: bytes
    audit_signing: Ed25519PrivateKey


def open_keys(settings: Settings) -> Keys:
    """Return the provider that the settings name.

    Raises
    ------
    ValidationError
        If a key is missing or was not drawn at random.
    DataProcessingError
        If the key file is damaged, or others than its owner can read it.
    """
    if settings.key_provider == "file":
        file = KeyFile(settings.key_file)
        return Keys(file, file.key("index"), Ed25519PrivateKey.from_private_bytes(file.key("audit_signing")))
    encryption: KeyEncryption
    if settings.key_provider == "transit":
        if not settings.transit_url or not settings.transit_token:
            raise ValidationError("NOVAMIND_TRANSIT_URL and NOVAMIND_TRANSIT_TOKEN must be set")
        encryption = TransitKeys(settings.transit_url, settings.transit_token.get_secret_value(), settings.transit_key)
    else:
        name = "NOVAMIND_PREVIOUS_ENCRYPTION_KEYS"
        previous = settings.previous_encryption_keys.get_secret_value() if settings.previous_encryption_keys else ""
        encryption = LocalKeys(
            settings.key("encryption_key"), *(random_key(key, name) for key in previous.split(",") if key.strip())
        )
    signing = Ed25519PrivateKey.from_private_bytes(settings.key("audit_signing_key"))
    return Keys(encryption, settings.key("index_key"), signing)


def new_key() -> str:
    """Return a new key of 32 random bytes, in base64."""
    return base64.b64encode(os.urandom(KEY_BYTES)).decode()


class LocalKeys:
    """Encryption keys in this process's memory: AES-256-GCM (NIST SP 800-38D) with random nonces.

    Parameters
    ----------
    current
        Wraps from now on.
    previous
        Still unwrap.
    """

    def __init__(self, current: bytes, *previous: bytes) -> None:
        self._current = _name(current)
        self._keys: Mapping[str, AESGCM] = {_name(key): AESGCM(key) for key in (current, *previous)}

    async def current(self) -> str:
        """Return the name of the encryption key that wraps from now on."""
        return self._current

    async def wrap(self, data_key: bytes, context: bytes) -> tuple[str, bytes]:
        """Return the current key's name, and the data key wrapped with it."""
        nonce = os.urandom(NONCE_BYTES)
        return self._current, nonce + self._keys[self._current].encrypt(nonce, data_key, context)

    async def unwrap(self, name: str, wrapped: bytes, context: bytes) -> bytes:
        """Return a data key, unwrapped with the key of that name.

        Raises
        ------
        DataProcessingError
            If this process does not have that key, or the wrapped key was altered.
        """
        try:
            return self._keys[name].decrypt(wrapped[:NONCE_BYTES], wrapped[NONCE_BYTES:], context)
        except (KeyError, ValueError, InvalidTag) as error:  # the second: too short for a nonce
            raise DataProcessingError(_NOT_THIS_KEY) from error


class KeyFile:
    """Keys in a file that only its owner may read; for development, refused in production.

    The file is made with new keys if it is absent, and read each time, so that a running server follows a rotation.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileExistsError):
            _write(path, {"encryption": [new_key()], "index": new_key(), "audit_signing": new_key()}, os.O_EXCL)

    def key(self, name: str) -> bytes:
        """Return one of the keys that do not rotate."""
        return random_key(self._read()[name], f"{name} in the key file")

    def local(self) -> LocalKeys:
        """Return the encryption keys, the current one first.

        Raises
        ------
        DataProcessingError
            If the file is damaged, or others than its owner can read it.
        """
        return LocalKeys(*(random_key(key, "encryption in the key file") for key in self._read()["encryption"]))

    async def current(self) -> str:
        """Return the name of the encryption key that wraps from now on."""
        return await self.local().current()

    async def wrap(self, data_key: bytes, context: bytes) -> tuple[str, bytes]:
        """Return the current key's name, and the data key wrapped with it."""
        return await self.local().wrap(data_key, context)

    async def unwrap(self, name: str, wrapped: bytes, context: bytes) -> bytes:
        """Return a data key, unwrapped with the key of that name."""
        return await self.local().unwrap(name, wrapped, context)

    def add(self) -> None:
        """Put a new encryption key in front; the earlier ones still unwrap."""
        kept = self._read()
        self._replace(kept | {"encryption": [new_key(), *kept["encryption"]]})

    def drop(self, names: Collection[str]) -> None:
        """Destroy the encryption keys of these names."""
        kept = self._read()
        staying = [key for key in kept["encryption"] if _name(base64.b64decode(key)) not in names]
        self._replace(kept | {"encryption": staying})

    def _read(self) -> dict[str, Any]:
        try:
            if self._path.stat().st_mode & 0o077:
                raise DataProcessingError("the key file can be read by others; run chmod 600 on it")
            read = json.loads(self._path.read_text(encoding="ascii"))
        except (OSError, ValueError) as error:
            raise DataProcessingError("the key file cannot be read; restore it from its backup") from error
        if not isinstance(read, dict) or {"encryption", "index", "audit_signing"} - read.keys():
            raise DataProcessingError("the key file is incomplete; restore it from its backup")
        return read

    def _replace(self, keys: Mapping[str, Any]) -> None:
        beside = self._path.with_suffix(".new")
        _write(beside, keys, os.O_TRUNC)
        beside.replace(self._path)


def _write(path: Path, keys: Mapping[str, Any], flag: int) -> None:
    """Write a file that its owner alone can read, down to the disk."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | flag, 0o600), "w") as file:
        json.dump(keys, file, indent=1)
        file.flush()
        os.fsync(file.fileno())


class TransitKeys:
    """Encryption keys that never leave a key management service with the Transit interface (OpenBao, Vault).

    The service names the version of the key inside the wrapped text, and rotates by itself; the name kept here is
    that of the version that wrapped.

    Parameters
    ----------
    url
        Address of the service.
    token
        Its access token.
    key
        Name of the key there; made with ``derived=false`` and type ``aes256-gcm96``.
    """

    def __init__(self, url: str, token: str, key: str) -> None:
        self._url, self._token, self._key = url.rstrip("/"), token, key

    async def current(self) -> str:
        """Return the name of the newest version of the key."""
        answer = await self._call("GET", f"keys/{self._key}")
        return f"transit:{self._key}:v{answer['latest_version']}"

    async def wrap(self, data_key: bytes, context: bytes) -> tuple[str, bytes]:
        """Return the newest version's name, and the data key wrapped with it."""
        answer = await self._call(
            "POST", f"encrypt/{self._key}", {"plaintext": _text(data_key), "associated_data": _text(context)}
        )
        wrapped = str(answer["ciphertext"])  # vault:v3:...
        return f"transit:{self._key}:{wrapped.split(':')[1]}", wrapped.encode()

    async def unwrap(self, name: str, wrapped: bytes, context: bytes) -> bytes:
        """Return a data key, unwrapped with the version that wrapped it.

        Raises
        ------
        DataProcessingError
            If the service says that this was not wrapped by it, or for another context.
        """
        del name
        answer = await self._call(
            "POST", f"decrypt/{self._key}", {"ciphertext": wrapped.decode(), "associated_data": _text(context)}
        )
        return base64.b64decode(answer["plaintext"])

    async def _call(self, method: str, path: str, body: Mapping[str, str] | None = None) -> dict[str, Any]:
        request = urllib.request.Request(  # noqa: S310 - the scheme is checked by Settings
            f"{self._url}/v1/transit/{path}",
            data=json.dumps(body).encode() if body else None,
            headers={"X-Vault-Token": self._token, "Content-Type": "application/json"},
            method=method,
        )

        def send() -> dict[str, Any]:
            with urllib.request.urlopen(request, timeout=WAIT_SECONDS) as answer:  # noqa: S310
                return dict(json.load(answer)["data"])

        try:
            return await asyncio.to_thread(send)
        except urllib.error.HTTPError as error:
            error.close()
            if error.code == http.HTTPStatus.BAD_REQUEST:
                raise DataProcessingError(_NOT_THIS_KEY) from error
            raise ServiceUnavailableError("the key management service refuses; check its token and key") from error
        except (OSError, ValueError, KeyError) as error:
            raise ServiceUnavailableError("the key management service does not answer; try again") from error


def _name(key: bytes) -> str:
    """Return a key's name, which tells nothing about the key."""
    return f"local:{hashlib.sha256(b'novamind encryption key' + key).hexdigest()[:16]}"


def _text(raw: bytes) -> str:
    return base64.b64encode(raw).decode()
