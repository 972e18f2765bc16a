"""Random secrets, their digests, and sealing what an account needs to keep."""

import hashlib
import os
import secrets
from typing import Final
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from novamind.errors import DataProcessingError

_NONCE_BYTES: Final = 12


def new_secret() -> str:
    """Return 256 random bits that can stand in a URL."""
    return secrets.token_urlsafe(32)


def digest(secret: str) -> bytes:
    """Return what is stored of a random secret; the 256 bits cannot be guessed from their SHA-256."""
    return hashlib.sha256(secret.encode()).digest()


def derived_key(key: bytes, purpose: str) -> bytes:
    """Return a separate key for each purpose (HKDF, RFC 5869)."""
    return HKDF(SHA256(), 32, salt=None, info=f"novamind {purpose}".encode()).derive(key)


class Seal:
    """Seals bytes with AES-256-GCM under one key, each bound to its place."""

    def __init__(self, key: bytes) -> None:
        self._cipher = AESGCM(key)

    def seal(self, plain: bytes, place: str) -> bytes:
        """Return bytes sealed for one place."""
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, plain, place.encode())

    def open(self, sealed: bytes, place: str, message: str) -> bytes:
        """Return the bytes that were sealed for this place.

        Raises
        ------
        DataProcessingError
            With the message, if they were altered, moved, or sealed with another key.
        """
        try:
            return self._cipher.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], place.encode())
        except (InvalidTag, ValueError) as error:  # the second: too short for a nonce
            raise DataProcessingError(message) from error


class AccountSeal:
    """Seals names, TOTP secrets and reasons, each bound to its column and row."""

    def __init__(self, key: bytes) -> None:
        self._seal = Seal(key)

    def seal(self, text: str, column: str, row: UUID) -> bytes:
        """Return a text sealed for one place."""
        return self._seal.seal(text.encode(), f"{column}:{row.hex}")

    def open(self, sealed: bytes, column: str, row: UUID) -> str:
        """Return the text that was sealed for this place.

        Raises
        ------
        DataProcessingError
            If it was altered, moved, or sealed with another key.
        """
        message = "a stored value of an account was altered; restore it from a backup"
        return self._seal.open(sealed, f"{column}:{row.hex}", message).decode()
