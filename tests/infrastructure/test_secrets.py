"""Secrets are random, keys have one purpose, and what is sealed opens in its own column and row alone."""

import hashlib
import hmac
from uuid import UUID, uuid4

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from novamind.errors import DataProcessingError
from novamind.infrastructure.identity.secrets import AccountSeal, Seal, derived_key, digest, new_secret

KEY = bytes(range(32))
ROW = UUID("00112233-4455-6677-8899-aabbccddeeff")


def test_a_secret_has_256_bits_and_no_two_are_alike() -> None:
    made = {new_secret() for _ in range(100)}
    assert len(made) == 100
    assert {len(one) for one in made} == {43}  # 32 bytes in base64url without padding
    assert all(one.replace("-", "").replace("_", "").isalnum() for one in made)


def test_a_secret_is_kept_as_its_sha_256() -> None:
    """FIPS 180-4, the example of one block."""
    assert digest("abc").hex() == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_a_derived_key_is_hkdf_of_rfc_5869() -> None:
    """Extract with a salt of zeros, expand by one block (sections 2.2 and 2.3)."""
    extracted = hmac.digest(bytes(32), KEY, "sha256")
    expanded = hmac.digest(extracted, b"novamind accounts\x01", "sha256")
    assert derived_key(KEY, "accounts") == expanded
    assert derived_key(KEY, "passkey challenges") != expanded


def test_a_sealed_text_is_a_nonce_and_aes_gcm_bound_to_column_and_row() -> None:
    sealed = AccountSeal(KEY).seal("Zoë", "users.name", ROW)
    assert len(sealed) == 12 + len("Zoë".encode()) + 16
    bound = b"users.name:00112233445566778899aabbccddeeff"
    assert AESGCM(KEY).decrypt(sealed[:12], sealed[12:], bound).decode() == "Zoë"
    assert AccountSeal(KEY).open(sealed, "users.name", ROW) == "Zoë"
    assert sealed[:12] != AccountSeal(KEY).seal("Zoë", "users.name", ROW)[:12]


@pytest.mark.parametrize("what", ["column", "row", "key", "altered", "short", "no nonce"])
def test_what_was_moved_or_altered_does_not_open(what: str) -> None:
    sealed = AccountSeal(KEY).seal("x", "users.name", ROW)
    altered = {"altered": sealed[:-1] + bytes([sealed[-1] ^ 1]), "short": sealed[:-1], "no nonce": sealed[:7]}
    seal = AccountSeal(hashlib.sha256(KEY).digest() if what == "key" else KEY)
    with pytest.raises(DataProcessingError, match="backup"):
        seal.open(
            altered.get(what, sealed),
            "users.totp" if what == "column" else "users.name",
            uuid4() if what == "row" else ROW,
        )


def test_sealed_bytes_open_in_their_place_alone_and_too_few_are_refused() -> None:
    seal = Seal(KEY)
    sealed = seal.seal(b"\x00content", "table:row")
    assert seal.open(sealed, "table:row", "altered") == b"\x00content"
    for wrong, place in ((sealed, "table:other"), (sealed[:-1], "table:row"), (sealed[:11], "table:row"), (b"", "")):
        with pytest.raises(DataProcessingError, match=r"^it was altered$"):
            seal.open(wrong, place, "it was altered")
