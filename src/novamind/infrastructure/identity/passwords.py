"""Passwords: argon2id with the parameters that OWASP recommends, never more than a few at a time."""

import asyncio
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from novamind.errors import ValidationError

#: NIST SP 800-63B: at least 8 for a password that is one of two factors; 15 where it is the only one.
SHORTEST: Final = 12
LONGEST: Final = 256
_AT_ONCE: Final = 4


class Passwords:
    """Hashes and checks passwords off the event loop.

    Parameters
    ----------
    time_cost, memory_kib
        OWASP's t=2, m=19 MiB, p=1 by default; tests take less.
    """

    def __init__(self, time_cost: int = 2, memory_kib: int = 19 * 1024) -> None:
        self._hasher = PasswordHasher(time_cost=time_cost, memory_cost=memory_kib, parallelism=1)
        self._places = asyncio.Semaphore(_AT_ONCE)
        self._nobody = self._hasher.hash("nobody has this password")

    async def hash(self, password: str) -> str:
        """Return the hash of a new password.

        Raises
        ------
        ValidationError
            If it is too short, too long, or one character over and over.
        """
        if not SHORTEST <= len(password) <= LONGEST or len(set(password)) < SHORTEST // 3:
            raise ValidationError(f"a password needs {SHORTEST} to {LONGEST} characters that are not all alike")
        async with self._places:
            return await asyncio.to_thread(self._hasher.hash, password)

    async def matches(self, password: str, password_hash: str | None) -> bool:
        """Return whether a password is right. It takes as long for an account that does not exist."""
        async with self._places:
            right = await asyncio.to_thread(self._verify, password[:LONGEST], password_hash or self._nobody)
        return right and password_hash is not None

    def _verify(self, password: str, password_hash: str) -> bool:
        try:
            return self._hasher.verify(password_hash, password)
        except (VerificationError, InvalidHashError):
            return False
