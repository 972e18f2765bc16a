"""Data keys: how a seal is laid out, how messages are reserved, and when a key gives way to the next one."""

import json
import os
from typing import Any
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa
from cachetools import TTLCache
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from novamind.errors import NotFoundError, ServiceUnavailableError, ValidationError
from novamind.infrastructure import vault as module
from novamind.infrastructure.tables import PatientKey, Record, WrappingKey
from novamind.infrastructure.vault import BlindIndex, PatientCipher, Place, TamperedError, Vault, wrapping_context
from tests.infrastructure.clinic import Clinic, Clock

PLACE = Place("patient_records", "payload:note", "ab", 3)


@pytest.fixture
def mine(clinic: Clinic) -> UUID:
    return clinic.patient(clinic.organisation())


def test_a_seal_is_a_version_a_nonce_and_aes_gcm_bound_to_its_place() -> None:
    patient, key_id, key = UUID(int=1), UUID(int=2), os.urandom(32)
    cipher = PatientCipher(patient, [(uuid4(), os.urandom(32)), (key_id, key)])
    assert cipher.key_id == key_id
    cipher.messages_left = 2
    sealed = cipher.seal(b"PHQ-9", PLACE)
    assert sealed[:1] == b"\x01"
    assert len(sealed) == 1 + 12 + 5 + 16
    bound = json.dumps(["novamind", "patient_records", "payload:note", "ab", 3, patient.hex, key_id.hex]).encode()
    assert AESGCM(key).decrypt(sealed[1:13], sealed[13:], bound) == b"PHQ-9"
    assert cipher.messages_left == 1
    cipher.seal(b"x", PLACE)
    with pytest.raises(RuntimeError, match="more messages are sealed than were reserved"):
        cipher.seal(b"x", PLACE)
    for altered in (b"\x02" + sealed[1:], sealed[:12], sealed[:13], b""):
        with pytest.raises(TamperedError, match="a stored value of patient_records was altered or moved"):
            cipher.open(altered, key_id, PLACE)
    assert Place("t", "c", "r").version == 0
    assert (
        wrapping_context(patient, key_id) == json.dumps(["novamind", "patient_keys", patient.hex, key_id.hex]).encode()
    )


def test_a_key_seals_so_many_messages_and_reserves_them_4096_at_a_time(clinic: Clinic, mine: UUID) -> None:
    assert module.MESSAGES_PER_KEY == 4_294_967_296  # NIST SP 800-38D, 8.3
    vault = clinic.foundation.vault
    clinic.run(vault.cipher(mine))
    assert [row.reserved for row in clinic.rows(PatientKey)] == [1]  # the identity's
    cipher = clinic.run(vault.cipher(mine, messages=1))
    assert (cipher.messages_left, [row.reserved for row in clinic.rows(PatientKey)]) == (4096, [4097])
    cipher.messages_left = 5
    assert clinic.run(vault.cipher(mine, messages=5)).messages_left == 5
    assert clinic.run(vault.cipher(mine, messages=6)).messages_left == 4101
    assert clinic.run(vault.cipher(mine, messages=5000)).messages_left == 4101 + 5000
    assert [row.reserved for row in clinic.rows(PatientKey)] == [4097 + 4096 + 5000]
    assert (vault._ciphers.maxsize, vault._ciphers.ttl) == (10_000, 300)


def test_a_key_gives_way_when_its_messages_are_used_up_and_not_before(clinic: Clinic, mine: UUID) -> None:
    vault = Vault(clinic.foundation.database, clinic.foundation.keys.encryption, messages_per_key=21)
    first = clinic.run(vault.cipher(mine, messages=20))  # 1 + 20
    assert clinic.rows(PatientKey)[0].reserved == 1  # a block is 21 at once, which do not fit
    assert {row.generation: row.reserved for row in clinic.rows(PatientKey)} == {1: 1, 2: 21}
    assert first.messages_left == 21
    first.messages_left = 0
    second = clinic.run(vault.cipher(mine, messages=1))
    assert second.key_id != first.key_id
    assert {row.generation: row.reserved for row in clinic.rows(PatientKey)} == {1: 1, 2: 21, 3: 21}
    with pytest.raises(ValidationError, match="more is to be stored at once than one data key may seal"):
        clinic.run(vault.cipher(mine, messages=22))


def test_a_key_may_be_filled_to_the_last_message(clinic: Clinic, mine: UUID) -> None:
    vault = Vault(clinic.foundation.database, clinic.foundation.keys.encryption, messages_per_key=4097)
    cipher = clinic.run(vault.cipher(mine, messages=1))
    assert [row.reserved for row in clinic.rows(PatientKey)] == [4097]
    cipher.messages_left = 0
    assert clinic.run(vault.cipher(mine, messages=1)).key_id != cipher.key_id


def test_a_key_that_another_process_made_is_taken_before_a_new_one_is(clinic: Clinic, mine: UUID) -> None:
    encryption, database = clinic.foundation.keys.encryption, clinic.foundation.database
    one, other = (Vault(database, encryption, messages_per_key=4096) for _ in range(2))
    stale = clinic.run(one.cipher(mine))
    fresh = clinic.run(other.cipher(mine, messages=1))
    assert fresh.key_id != stale.key_id
    clinic.execute(sa.update(PatientKey).where(PatientKey.key_id == fresh.key_id).values(reserved=0))
    assert clinic.run(one.cipher(mine, messages=1)).key_id == fresh.key_id
    assert len(clinic.rows(PatientKey)) == 2


def test_keys_are_read_once_and_again_when_a_newer_one_is_asked_for(
    clinic: Clinic, mine: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    vault, read = clinic.foundation.vault, []
    original = vault._read

    async def counted(*patients: UUID) -> None:
        read.append(len(patients))
        await original(*patients)

    monkeypatch.setattr(vault, "_read", counted)
    vault.forget(mine)
    cipher = clinic.run(vault.cipher(mine))
    assert clinic.run(vault.cipher(mine)) is cipher
    assert clinic.run(vault.cipher(mine, key_id=cipher.key_id)) is cipher
    assert read == [1]
    clinic.run(vault.cipher(mine, key_id=uuid4()))
    assert read == [1, 1]
    others = [clinic.patient(clinic.organisation("Other")) for _ in range(2)]
    read.clear()
    clinic.run(vault.remember([mine, *others]))
    clinic.run(vault.remember([mine, *others]))
    assert read == [2]
    for nobody in (uuid4(), uuid4()):
        clinic.run(vault.remember([nobody]))
        with pytest.raises(NotFoundError, match="there is no patient of this id"):
            clinic.run(vault.cipher(nobody))
    for table in (Record, PatientKey):
        clinic.execute(sa.delete(table).where(table.patient_id == others[0]))
    assert clinic.run(vault.cipher(others[0]))  # still in memory
    vault.forget(others[0])
    with pytest.raises(NotFoundError):
        clinic.run(vault.cipher(others[0]))


def test_keys_leave_the_memory_after_five_minutes(clinic: Clinic, mine: UUID, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr(module, "TTLCache", lambda size, seconds: TTLCache(size, seconds, timer=lambda: now))
    vault = Vault(clinic.foundation.database, clinic.foundation.keys.encryption)
    cipher = clinic.run(vault.cipher(mine))
    now = 299.9
    assert clinic.run(vault.cipher(mine)) is cipher
    now = 300.0
    assert clinic.run(vault.cipher(mine)) is not cipher


def test_a_key_is_stored_wrapped_under_a_name_that_is_noted_once(clinic: Clinic, mine: UUID, clock: Clock) -> None:
    clock.move(60)
    vault, encryption = clinic.foundation.vault, clinic.foundation.keys.encryption
    clinic.run(vault.renew(mine))
    rows = sorted(clinic.rows(PatientKey), key=lambda row: row.generation)
    assert [row.generation for row in rows] == [1, 2]
    assert (rows[1].reserved, rows[1].created_at, rows[1].patient_id) == (0, clock.at, mine)
    assert [row.name for row in clinic.rows(WrappingKey)] == [clinic.run(encryption.current())]
    unwrapped = encryption.unwrap(rows[1].wrapping_key, rows[1].wrapped, wrapping_context(mine, rows[1].key_id))
    assert len(clinic.run(unwrapped)) == 32
    cipher = clinic.run(vault.cipher(mine))
    assert cipher.key_id == rows[1].key_id
    assert cipher.knows(rows[0].key_id)
    assert not cipher.knows(uuid4())
    with pytest.raises(ServiceUnavailableError, match="the patient's data key is being replaced; try again"):
        clinic.run(vault.renew(uuid4()))
    clinic.execute(sa.update(WrappingKey).values(retired_at=clock.at))
    with pytest.raises(ServiceUnavailableError, match="the encryption key of this process was retired"):
        clinic.run(vault.renew(mine))
    assert len(clinic.rows(PatientKey)) == 2


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("Ab 12", "  aB   12 ", True),
        ("Straße", "STRASSE", True),
        ("Zoë", "Zoe\u0308", True),
        ("\u2460", "1", True),  # a circled digit, by compatibility
        ("Ab12", "Ab 12", False),
        ("Zoe", "Zoë", False),
    ],
)
def test_an_identifier_is_found_however_it_is_spelt(one: str, other: str, same: bool) -> None:
    index, clinic = BlindIndex(bytes(32)), UUID(int=1)
    assert (index.digest("mrn", clinic, one) == index.digest("mrn", clinic, other)) is same


def test_a_blind_index_is_hmac_over_the_list_of_what_it_is_for() -> None:
    import hmac

    key, clinic = bytes(range(32)), UUID(int=1)
    said: Any = ["identifier", "mrn", clinic.hex, "ab 12"]
    assert BlindIndex(key).digest("mrn", clinic, "AB 12") == hmac.digest(key, json.dumps(said).encode(), "sha256")
    assert BlindIndex(key).keyed("a", "bc") != BlindIndex(key).keyed("ab", "c")
