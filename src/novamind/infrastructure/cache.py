"""A sealed cache of costly results, in this process or in Redis.

A key is a keyed digest of the value's name and the patient's revision, so it tells nothing. Each change of the record
or the consent makes every earlier value unreachable. A value is sealed under the patient's data key: once the patient
is forgotten, no copy can be opened.
"""

import time
from typing import Final, Protocol
from uuid import UUID

import structlog
from cachetools import TTLCache

from novamind.errors import NotFoundError
from novamind.infrastructure.logs import message
from novamind.infrastructure.vault import BlindIndex, Place, TamperedError, Vault

_REDIS_AGAIN_SECONDS: Final = 2.0
_REDIS_WAIT_SECONDS: Final = 0.25
_KEY_ID_BYTES: Final = 16
_REDIS_SILENT: Final = message("the shared cache does not answer; this process keeps its own")
_NOT_OPENED: Final = message("a cached value was altered; it is computed again")

log = structlog.get_logger()


class Shelf(Protocol):
    """Keeps bytes under a key for a limited time, and may lose them any time."""

    async def get(self, key: str) -> bytes | None:
        """Return the value under the key, or ``None``."""

    async def put(self, key: str, value: bytes) -> None:
        """Keep a value."""

    async def close(self) -> None:
        """Close the shelf."""


class MemoryShelf:
    """Values in this process; the least recently used go first.

    Parameters
    ----------
    entries
        How many are kept.
    seconds
        For how long.
    """

    def __init__(self, entries: int, seconds: float) -> None:
        self._kept: TTLCache[str, bytes] = TTLCache(entries, seconds)

    async def get(self, key: str) -> bytes | None:
        """Return the value under the key, or ``None``."""
        return self._kept.get(key)

    async def put(self, key: str, value: bytes) -> None:
        """Keep a value."""
        self._kept[key] = value

    async def close(self) -> None:
        """Drop all values."""
        self._kept.clear()


class RedisShelf:
    """Values in Redis, for all processes; this process keeps them while Redis is away, and asks every two seconds.

    Parameters
    ----------
    url
        ``redis://``, ``rediss://`` or ``unix://``.
    seconds
        For how long values are kept.
    meanwhile
        Keeps them while Redis does not answer.
    """

    def __init__(self, url: str, seconds: float, meanwhile: Shelf) -> None:
        # Imported where it is used: most installations have no Redis, and it takes a quarter of a second.
        from redis.asyncio import Redis
        from redis.asyncio.retry import Retry
        from redis.backoff import NoBackoff
        from redis.exceptions import RedisError

        self._silent = (RedisError, OSError, TimeoutError)
        self._redis = Redis.from_url(
            url,
            socket_timeout=_REDIS_WAIT_SECONDS,
            socket_connect_timeout=_REDIS_WAIT_SECONDS,
            retry=Retry(NoBackoff(), 0),
        )
        self._milliseconds = int(seconds * 1000)
        self._meanwhile = meanwhile
        self._silent_until = 0.0

    async def get(self, key: str) -> bytes | None:
        """Return the value under the key, or ``None``."""
        if time.monotonic() >= self._silent_until:
            try:
                value = await self._redis.get(key)
            except self._silent as error:
                self._fell_silent(error)
            else:
                return value if isinstance(value, bytes) else None
        return await self._meanwhile.get(key)

    async def put(self, key: str, value: bytes) -> None:
        """Keep a value."""
        if time.monotonic() >= self._silent_until:
            try:
                await self._redis.set(key, value, px=self._milliseconds)
            except self._silent as error:
                self._fell_silent(error)
            else:
                return
        await self._meanwhile.put(key, value)

    async def close(self) -> None:
        """Close the connections."""
        await self._redis.aclose()
        await self._meanwhile.close()

    def _fell_silent(self, error: Exception) -> None:
        self._silent_until = time.monotonic() + _REDIS_AGAIN_SECONDS
        log.warning(_REDIS_SILENT, exc_info=error)


class SealedCache:
    """Seals what it keeps.

    Parameters
    ----------
    shelf
        Where it is kept.
    vault
        Seals and opens.
    index
        Makes the keys.
    """

    def __init__(self, shelf: Shelf, vault: Vault, index: BlindIndex) -> None:
        self._shelf = shelf
        self._vault = vault
        self._index = index

    async def get(self, patient_id: UUID, revision: int, *what: str) -> bytes | None:
        """Return the value kept for this revision of the patient's record, or ``None``.

        Parameters
        ----------
        what
            All that the value depends on beside the record: the kind of result, the model's version, options.
        """
        key = self._key(patient_id, revision, what)
        kept = await self._shelf.get(key)
        if kept is None:
            return None
        key_id, sealed = UUID(bytes=kept[:_KEY_ID_BYTES].ljust(_KEY_ID_BYTES, b"\0")), kept[_KEY_ID_BYTES:]
        try:
            cipher = await self._vault.cipher(patient_id, key_id=key_id)
            return cipher.open(sealed, key_id, Place("cache", "value", key))
        except NotFoundError:
            return None
        except TamperedError as error:  # or its data key was replaced
            log.warning(_NOT_OPENED, exc_info=error)
            return None

    async def put(self, patient_id: UUID, revision: int, *what: str, value: bytes) -> None:
        """Keep a value for this revision of the patient's record."""
        key = self._key(patient_id, revision, what)
        cipher = await self._vault.cipher(patient_id, messages=1)
        sealed = cipher.seal(value, Place("cache", "value", key))
        await self._shelf.put(key, cipher.key_id.bytes + sealed)

    def _key(self, patient_id: UUID, revision: int, what: tuple[str, ...]) -> str:
        return f"novamind:1:{self._index.keyed('cache', patient_id.hex, str(revision), *what).hex()}"
