"""Identity tokens: what stands in one, that anybody can check it, and that its key is sealed, drawn once, replaced."""

import asyncio
import base64
import json
import os
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

from novamind.errors import DataProcessingError, ValidationError
from novamind.infrastructure.identity.domain import Role
from novamind.infrastructure.identity.identity_tokens import IdentityClaims, IdentityTokens
from novamind.infrastructure.identity.tables import SigningKey
from novamind.infrastructure.identity.wiring import open_identity
from tests.infrastructure.clinic import CHEAP, SHELL, Clinic, Clock

SECRET, NEXT = os.urandom(32), os.urandom(32)
ISSUER = "https://clinic.example"
CLIENT, USER = UUID(int=1), UUID(int=2)


def made(clinic: Clinic, *secrets: bytes) -> IdentityTokens:
    return IdentityTokens(clinic.foundation.database, secrets or (SECRET,), ISSUER, 300)


def plain(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def number(text: str) -> int:
    return int.from_bytes(plain(text))


def checked(token: str, keys: list[dict[str, Any]]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Header and claims of a token, checked with the published key and nothing of ours (RFC 7515, RFC 7518)."""
    head, claims, signature = token.split(".")
    header = json.loads(plain(head))
    (key,) = (key for key in keys if key["kid"] == header["kid"])
    assert (key["alg"], key["use"]) == (header["alg"], "sig")
    signed, mark = f"{head}.{claims}".encode(), plain(signature)
    if header["alg"] == "RS256":
        of_rsa = rsa.RSAPublicNumbers(number(key["e"]), number(key["n"])).public_key()
        assert of_rsa.key_size >= 2048
        of_rsa.verify(mark, signed, padding.PKCS1v15(), SHA256())
    else:
        assert (header["alg"], key["crv"], len(mark)) == ("ES256", "P-256", 64)
        of_curve = ec.EllipticCurvePublicNumbers(number(key["x"]), number(key["y"]), ec.SECP256R1()).public_key()
        both = encode_dss_signature(int.from_bytes(mark[:32]), int.from_bytes(mark[32:]))
        of_curve.verify(both, signed, ec.ECDSA(SHA256()))
    return header, json.loads(plain(claims))


@pytest.mark.parametrize("algorithm", ["RS256", "ES256"])
def test_a_token_says_this_and_nothing_else(clinic: Clinic, clock: Clock, algorithm: str) -> None:
    tokens, now = made(clinic), int(clock.at.timestamp())
    keys = clinic.run(tokens.public_keys())
    bare = clinic.run(tokens.issue(IdentityClaims(CLIENT, USER, algorithm=algorithm)))
    header, claims = checked(bare, keys)
    assert header["alg"] == algorithm
    assert header.keys() <= {"alg", "kid", "typ"}
    always = {"iss": ISSUER, "aud": str(CLIENT), "sub": str(USER), "iat": now, "exp": now + 300}
    assert claims == always
    full = IdentityClaims(CLIENT, USER, "Practitioner/7", "n-1", algorithm)
    _, claims = checked(clinic.run(tokens.issue(full)), keys)
    assert claims == always | {"fhirUser": f"{ISSUER}/fhir/Practitioner/7", "nonce": "n-1"}
    head, _, mark = bare.split(".")
    other = base64.urlsafe_b64encode(json.dumps(always | {"sub": str(CLIENT)}).encode()).decode().rstrip("=")
    with pytest.raises(InvalidSignature):
        checked(f"{head}.{other}.{mark}", keys)


def test_keys_are_drawn_once_also_by_several_at_once(clinic: Clinic) -> None:
    first, second = made(clinic), made(clinic)

    async def both() -> list[str]:
        asked = [each.issue(IdentityClaims(CLIENT, USER, algorithm="ES256")) for each in (first, second, first)]
        return list(await asyncio.gather(*asked))

    tokens = clinic.run(both())
    keys = clinic.run(second.public_keys())
    assert [key["alg"] for key in keys] == ["RS256", "ES256"]
    assert clinic.run(first.public_keys()) == keys
    assert len({checked(token, keys)[0]["kid"] for token in tokens}) == 1
    assert sorted(row.algorithm for row in clinic.rows(SigningKey)) == ["ES256", "RS256"]


def test_nothing_private_is_published_or_stored_in_the_open(clinic: Clinic) -> None:
    keys = clinic.run(made(clinic).public_keys())
    assert all(not {"d", "p", "q", "dp", "dq", "qi"} & key.keys() for key in keys)
    for row in clinic.rows(SigningKey):
        assert b'"kty"' not in row.sealed
        assert b'"d"' not in row.sealed
        assert row.key_id.bytes not in SECRET


def test_a_new_secret_brings_new_keys_and_the_earlier_ones_still_check(clinic: Clinic) -> None:
    before = made(clinic)
    token = clinic.run(before.issue(IdentityClaims(CLIENT, USER)))
    old = clinic.run(before.public_keys())
    rotated = made(clinic, NEXT, SECRET)
    keys = clinic.run(rotated.public_keys())
    assert len({key["kid"] for key in keys}) == 4
    assert keys[2:] == old
    checked(token, keys)
    fresh = clinic.run(rotated.issue(IdentityClaims(CLIENT, USER)))
    assert checked(fresh, keys)[0]["kid"] == keys[0]["kid"]
    retired = clinic.run(made(clinic, NEXT).public_keys())
    assert retired == keys[:2]
    unused = clinic.run(made(clinic, NEXT, os.urandom(32)).public_keys())
    assert unused == keys[:2]  # the secret before signed nothing


def test_an_altered_key_signs_nothing(clinic: Clinic) -> None:
    clinic.run(made(clinic).public_keys())
    clinic.execute(sa.update(SigningKey).values(sealed=b"x" * 40))
    with pytest.raises(DataProcessingError, match="altered"):
        clinic.run(made(clinic).issue(IdentityClaims(CLIENT, USER)))


def test_the_key_of_one_place_does_not_open_at_another(clinic: Clinic) -> None:
    clinic.run(made(clinic).public_keys())
    one, other = clinic.rows(SigningKey)
    clinic.execute(sa.update(SigningKey).where(SigningKey.key_id == one.key_id).values(sealed=other.sealed))
    with pytest.raises(DataProcessingError):
        clinic.run(made(clinic).public_keys())


def test_the_secret_of_the_access_tokens_seals_them(clinic: Clinic) -> None:
    opened = open_identity(clinic.settings, clinic.foundation, CHEAP)
    assert clinic.run(opened.identity_tokens.public_keys()) == clinic.run(clinic.identity.identity_tokens.public_keys())


def test_a_machine_has_no_identity_tokens(clinic: Clinic) -> None:
    organisation = clinic.organisation()
    asked: dict[str, Any] = {"role": Role.SERVICE, "organisation_id": organisation, "id_token_algorithm": "ES256"}
    adding = clinic.identity.accounts.add_client("ward", SHELL, **asked)
    with pytest.raises(ValidationError, match="for clients of people"):
        clinic.run(adding)
