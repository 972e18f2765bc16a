"""Sealing a person's data: AES-256-GCM under a data key of their own, bound to its place.

Each patient has data keys that only :class:`~novamind.infrastructure.keys.KeyEncryption` can unwrap. What is sealed
for one place (table, column, row, version, patient) opens in no other. Nonces are 96 random bits; NIST SP 800-38D
(8.3) allows 2^32 of them a key, so messages are reserved in the database before they are sealed, and the patient gets
a new data key when the number is used up. When the last data key is deleted nothing of the patient can be read.
"""

import hashlib
import hmac
import json
import os
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from uuid import UUID, uuid4

import sqlalchemy as sa
from cachetools import TTLCache
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from novamind.errors import DataProcessingError, NotFoundError, ServiceUnavailableError, ValidationError
from novamind.infrastructure.database import Database, insert_missing
from novamind.infrastructure.keys import NONCE_BYTES, KeyEncryption
from novamind.infrastructure.tables import PatientKey, WrappingKey
from novamind.settings import KEY_BYTES

MESSAGES_PER_KEY: Final = 2**32
_RESERVED_AT_ONCE: Final = 4096
_FORMAT: Final = b"\x01"  # first byte of everything sealed, so that the form may change one day
_REMEMBERED_SECONDS: Final = 300
_REMEMBERED_PATIENTS: Final = 10_000


class TamperedError(DataProcessingError):
    """Sealed data does not open: it was altered or moved to another place."""


@dataclass(frozen=True)
class Place:
    """Place to which sealed data is bound."""

    table: str
    column: str
    row: str
    version: int = 0


class PatientCipher:
    """Seals and opens what belongs to one patient."""

    def __init__(self, patient_id: UUID, keys: Sequence[tuple[UUID, bytes]]) -> None:
        self.patient_id = patient_id
        self.key_id = keys[-1][0]
        self.messages_left = 0
        self._keys = {key_id: AESGCM(key) for key_id, key in keys}

    def knows(self, key_id: UUID) -> bool:
        """Return whether this key existed when the patient's keys were read."""
        return key_id in self._keys

    def seal(self, plain: bytes, place: Place) -> bytes:
        """Return data sealed with the newest key; ask :meth:`Vault.cipher` for as many messages before."""
        if self.messages_left < 1:
            raise RuntimeError("more messages are sealed than were reserved")
        self.messages_left -= 1
        nonce = os.urandom(NONCE_BYTES)
        return _FORMAT + nonce + self._keys[self.key_id].encrypt(nonce, plain, self._bound(self.key_id, place))

    def open(self, sealed: bytes, key_id: UUID, place: Place) -> bytes:
        """Return the data that :meth:`seal` sealed for this place.

        Raises
        ------
        TamperedError
            If it was altered, or sealed for another place, patient or key.
        """
        nonce = sealed[1 : 1 + NONCE_BYTES]
        try:
            if sealed[:1] != _FORMAT or len(nonce) != NONCE_BYTES:
                raise InvalidTag
            return self._keys[key_id].decrypt(nonce, sealed[1 + NONCE_BYTES :], self._bound(key_id, place))
        except (KeyError, InvalidTag) as error:
            raise TamperedError(
                f"a stored value of {place.table} was altered or moved; restore it from a backup and see the audit"
            ) from error

    def _bound(self, key_id: UUID, place: Place) -> bytes:
        """Return the associated data. It is unambiguous, because JSON quotes what it lists."""
        parts = (place.table, place.column, place.row, place.version, self.patient_id.hex, key_id.hex)
        return json.dumps(("novamind", *parts)).encode()


class Vault:
    """The patients' data keys: made, read, replaced.

    Parameters
    ----------
    database
        Where wrapped data keys are kept.
    encryption
        What wraps them.
    messages_per_key
        Number of sealed messages after which a patient gets a new data key.
    """

    def __init__(
        self, database: Database, encryption: KeyEncryption, *, messages_per_key: int = MESSAGES_PER_KEY
    ) -> None:
        self._database = database
        self._encryption = encryption
        self._limit = messages_per_key
        self._block = min(_RESERVED_AT_ONCE, messages_per_key)
        self._ciphers: TTLCache[UUID, PatientCipher] = TTLCache(_REMEMBERED_PATIENTS, _REMEMBERED_SECONDS)

    async def cipher(self, patient_id: UUID, *, messages: int = 0, key_id: UUID | None = None) -> PatientCipher:
        """Return a patient's unwrapped data keys; call it before the transaction that stores what is sealed.

        Seal before the next ``await``: the messages are reserved for the process, not for the caller.

        Parameters
        ----------
        messages
            How many messages the caller is going to seal.
        key_id
            A key that the caller needs; the patient's keys are read again if it came after they were read.

        Raises
        ------
        NotFoundError
            If the patient has no data key: there is none of this id, or it was purged.
        ServiceUnavailableError
            If the database or the key service does not answer.
        """
        cipher = self._ciphers.get(patient_id)
        if cipher is None or (key_id is not None and not cipher.knows(key_id)):
            await self._read(patient_id)
            if patient_id not in self._ciphers:
                raise NotFoundError("there is no patient of this id")
            cipher = self._ciphers[patient_id]
        if cipher.messages_left < messages:
            cipher = await self._reserve(cipher, messages)
        return cipher

    async def remember(self, patient_ids: Iterable[UUID]) -> None:
        """Unwrap the data keys of patients whose keys are not in memory, with one query for all of them."""
        if unknown := [patient_id for patient_id in patient_ids if patient_id not in self._ciphers]:
            await self._read(*unknown)

    def forget(self, patient_id: UUID) -> None:
        """Drop a patient's keys from memory."""
        self._ciphers.pop(patient_id, None)

    async def add_key(self, session: AsyncSession, patient_id: UUID, *, messages: int = 0) -> PatientCipher:
        """Make a patient's first data key, or the next one, within the caller's transaction; return the cipher.

        The cipher seals so many messages under the new key; use it in that transaction only.
        """
        data_key, key_id = AESGCM.generate_key(8 * KEY_BYTES), uuid4()
        name, wrapped = await self._encryption.wrap(data_key, wrapping_context(patient_id, key_id))
        await use_wrapping_key(session, name)
        newest = await session.scalar(
            sa.select(sa.func.max(PatientKey.generation)).where(PatientKey.patient_id == patient_id)
        )
        await session.execute(
            sa.insert(PatientKey).values(
                key_id=key_id,
                patient_id=patient_id,
                generation=(newest or 0) + 1,
                wrapping_key=name,
                wrapped=wrapped,
                reserved=messages,
                created_at=datetime.now(UTC),
            )
        )
        cipher = PatientCipher(patient_id, [(key_id, data_key)])
        cipher.messages_left = messages
        return cipher

    async def renew(self, patient_id: UUID) -> None:
        """Give the patient a new data key; the earlier ones still open what they sealed."""
        try:
            async with self._database.transaction() as session:
                await self.add_key(session, patient_id)
        except IntegrityError as error:  # another process did it at the same moment, or the patient was purged
            self.forget(patient_id)
            raise ServiceUnavailableError("the patient's data key is being replaced; try again") from error
        self.forget(patient_id)

    async def _read(self, *patient_ids: UUID) -> None:
        async with self._database.snapshot() as session:
            rows = await session.execute(
                sa.select(PatientKey.patient_id, PatientKey.key_id, PatientKey.wrapping_key, PatientKey.wrapped)
                .where(PatientKey.patient_id.in_(patient_ids))
                .order_by(PatientKey.generation)
            )
        keys: dict[UUID, list[tuple[UUID, bytes]]] = {}
        for patient_id, key_id, name, wrapped in rows.all():
            data_key = await self._encryption.unwrap(name, wrapped, wrapping_context(patient_id, key_id))
            keys.setdefault(patient_id, []).append((key_id, data_key))
        for patient_id in patient_ids:
            self.forget(patient_id)
            if patient_id in keys:
                self._ciphers[patient_id] = PatientCipher(patient_id, keys[patient_id])

    async def _reserve(self, cipher: PatientCipher, messages: int) -> PatientCipher:
        block = max(self._block, messages)
        if block > self._limit:
            raise ValidationError("more is to be stored at once than one data key may seal; send it in parts")
        while True:
            async with self._database.transaction() as session:
                reserved = await session.scalar(
                    sa.update(PatientKey)
                    .where(PatientKey.key_id == cipher.key_id, PatientKey.reserved + block <= self._limit)
                    .values(reserved=PatientKey.reserved + block)
                    .returning(PatientKey.reserved)
                )
            if reserved is not None:
                cipher.messages_left += block
                return cipher
            self.forget(cipher.patient_id)  # used up, or replaced by another process
            newest = await self.cipher(cipher.patient_id)
            if newest.key_id == cipher.key_id:
                await self.renew(cipher.patient_id)
                newest = await self.cipher(cipher.patient_id)
            cipher = newest


def wrapping_context(patient_id: UUID, key_id: UUID) -> bytes:
    """Return what a wrapped data key is bound to."""
    return json.dumps(("novamind", "patient_keys", patient_id.hex, key_id.hex)).encode()


async def use_wrapping_key(session: AsyncSession, name: str) -> None:
    """Note that an encryption key is in use, within the transaction that uses it.

    Raises
    ------
    ServiceUnavailableError
        If it was retired: what it wraps could not be read tomorrow.
    """
    await insert_missing(session, WrappingKey, name=name, created_at=datetime.now(UTC))
    query = sa.select(WrappingKey.retired_at).where(WrappingKey.name == name).with_for_update(read=True)
    if await session.scalar(query) is not None:
        raise ServiceUnavailableError("the encryption key of this process was retired; start it with the current one")


class BlindIndex:
    """Looks up a person by an identifier that is stored nowhere: a keyed digest for each column and organisation.

    HMAC-SHA-256 (RFC 2104); without the key, which is not in the database, a guess cannot be tested. The same
    identifier has unrelated digests in two columns or two organisations.
    """

    def __init__(self, key: bytes) -> None:
        self._key = key

    def digest(self, column: str, organisation_id: UUID, value: str) -> bytes:
        """Return 32 bytes; case, spaces and Unicode variants of a letter are ignored."""
        normal = " ".join(unicodedata.normalize("NFKC", value).casefold().split())
        return self.keyed("identifier", column, organisation_id.hex, unicodedata.normalize("NFKC", normal))

    def keyed(self, *parts: str) -> bytes:
        """Return the keyed digest of a list of texts."""
        return hmac.new(self._key, json.dumps(parts).encode(), hashlib.sha256).digest()
