"""Tokens that machines sign for themselves: each limit from both sides, with a clock that stands still."""

import base64
import json
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid4, uuid5

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, OctKey, RSAKey

from novamind.errors import AuthenticationError, ValidationError
from novamind.infrastructure.identity.assertions import (
    Assertion,
    HookClients,
    claimed_issuer,
    client_of,
    key_ring,
    read,
)
from novamind.infrastructure.identity.domain import Permission, Role
from novamind.infrastructure.identity.tables import Attempts
from tests.infrastructure.clinic import Clinic, Clock

AUDIENCE = "https://clinic.example/oauth/token"
EHR = "https://ehr.example"
KEYS_AT = "https://ehr.example/keys"


@lru_cache
def pair(kind: str = "P-384") -> ECKey | RSAKey:
    return ECKey.generate_key(kind, {"kid": "1"}) if kind[0] == "P" else RSAKey.generate_key(int(kind), {"kid": "1"})


def public(key: Any, **more: Any) -> dict[str, Any]:
    return {**key.as_dict(private=False), **more}


def claims(clock: Clock, **more: Any) -> dict[str, Any]:
    now = int(clock.at.timestamp())
    known = {"iss": EHR, "sub": EHR, "aud": AUDIENCE, "iat": now, "exp": now + 100, "jti": "once"} | more
    return {name: value for name, value in known.items() if value is not ...}


def signed(stated: dict[str, Any], **header: Any) -> str:
    """With a P-384 key."""
    whole = {name: value for name, value in ({"alg": "ES384", "kid": "1"} | header).items() if value is not ...}
    return jwt.encode(whole, stated, pair(), algorithms=["ES384"])


def checked(token: str, key_address: str | None = None) -> Assertion:
    return read(token, key_ring({"keys": [public(pair())]}), AUDIENCE, key_address)


def accepted(token: str, key_address: str | None = None) -> bool:
    try:
        checked(token, key_address)
    except AuthenticationError as error:
        return str(error) != "the signed token is not valid"
    return True


def test_what_was_signed_is_read(clock: Clock) -> None:
    ends = int(clock.at.timestamp()) + 100
    assert checked(signed(claims(clock))) == Assertion(EHR, EHR, "once", ends)
    assert checked(signed(claims(clock, sub=...))).subject is None
    assert checked(signed(claims(clock))).until == datetime.fromtimestamp(ends + 5, UTC)


@pytest.mark.parametrize(
    ("name", "seconds", "good"),
    [
        ("iat", 5, True),
        ("iat", 6, False),
        ("iat", -10_000, True),
        ("nbf", 5, True),
        ("nbf", 6, False),
        ("nbf", -10_000, True),
        ("exp", -4, True),
        ("exp", -5, False),
        ("exp", 305, True),
        ("exp", 306, False),
    ],
)
def test_times_may_be_5_seconds_off_and_an_end_5_minutes_away(
    clock: Clock, name: str, seconds: int, good: bool
) -> None:
    assert accepted(signed(claims(clock, **{name: int(clock.at.timestamp()) + seconds}))) is good


@pytest.mark.parametrize(
    ("change", "good"),
    [
        ({"iat": ...}, True),
        ({"exp": ...}, False),
        ({"jti": ...}, False),
        ({"iss": ...}, False),
        ({"aud": ...}, False),
        ({"aud": [AUDIENCE]}, True),
        ({"aud": [AUDIENCE, AUDIENCE]}, False),
        ({"aud": []}, False),
        ({"jti": ""}, False),
        ({"jti": "x"}, True),
        ({"jti": "x" * 255}, True),
        ({"jti": "x" * 256}, False),
        ({"jti": 7}, False),
        ({"iss": 7}, False),
        ({"iat": True}, False),
        ({"nbf": 1.5}, False),
        ({"exp": "soon"}, False),
    ],
)
def test_claims_have_their_forms(clock: Clock, change: dict[str, Any], good: bool) -> None:
    assert accepted(signed(claims(clock, **change))) is good


@pytest.mark.parametrize(
    ("header", "address", "good"),
    [
        ({}, None, True),
        ({}, KEYS_AT, True),
        ({"typ": "JWT"}, None, True),
        ({"typ": "at+jwt"}, None, False),
        ({"kid": ...}, None, False),
        ({"kid": "2"}, None, False),
        ({"jku": KEYS_AT}, KEYS_AT, True),
        ({"jku": KEYS_AT + "/"}, KEYS_AT, False),
        ({"jku": KEYS_AT}, None, False),
        ({"cty": "x"}, None, False),
        ({"x5u": KEYS_AT}, KEYS_AT, False),
    ],
)
def test_a_header_names_a_known_key_and_nothing_else(
    clock: Clock, header: dict[str, Any], address: str | None, good: bool
) -> None:
    assert accepted(signed(claims(clock), **header), address) is good


def test_a_signed_token_has_8000_characters_at_most(clock: Clock) -> None:
    fits = max(n for n in range(5680, 5760) if len(signed(claims(clock, more="x" * n))) <= 8000)
    at_most = signed(claims(clock, more="x" * fits))
    assert len(at_most) == 8000
    assert accepted(at_most)
    assert not accepted(signed(claims(clock, more="x" * (fits + 1))))
    assert claimed_issuer(at_most) == EHR


def test_rsa_of_2048_bits_and_p_384_are_keys(clock: Clock) -> None:
    ring = key_ring({"keys": [public(pair()), public(pair("2048"), kid="2")]})
    assert list(ring) == ["1", "2"]
    by_rsa = jwt.encode({"alg": "RS384", "kid": "2"}, claims(clock), pair("2048"), algorithms=["RS384"])
    assert read(by_rsa, ring, AUDIENCE).issuer == EHR
    for algorithm in ("RS256", "PS384"):
        other = jwt.encode({"alg": algorithm, "kid": "2"}, claims(clock), pair("2048"), algorithms=[algorithm])
        with pytest.raises(AuthenticationError):
            read(other, ring, AUDIENCE)


@pytest.mark.filterwarnings("ignore::joserfc.errors.SecurityWarning")
@pytest.mark.parametrize(
    ("make", "complaint"),
    [
        (lambda: public(pair("2040")), "RSA of 2048 bits"),
        (lambda: public(pair("P-256")), "P-384"),
        (lambda: pair().as_dict(private=True), "public keys"),
        (lambda: OctKey.generate_key(256, {"kid": "1"}).as_dict(), "public keys"),
        (lambda: public(pair(), kid=""), "'kid' of its own"),
        (lambda: public(pair(), kid=7), "cannot be read"),
        (lambda: {name: part for name, part in public(pair()).items() if name != "kid"}, "'kid' of its own"),
        (lambda: 7, "cannot be read"),
        (lambda: {"kty": "EC", "kid": "1"}, "cannot be read"),
        (lambda: public(pair(), x="AAAA"), "cannot be read"),
    ],
)
def test_any_other_key_is_refused_with_the_reason(make: Any, complaint: str) -> None:
    with pytest.raises(ValidationError, match=complaint):
        key_ring({"keys": [make()]})


@pytest.mark.parametrize(("count", "good"), [(0, False), (1, True), (10, True), (11, False)])
def test_a_key_set_has_1_to_10_keys_of_different_names(count: int, good: bool) -> None:
    stated = {"keys": [public(pair(), kid=str(n)) for n in range(count)]}
    if good:
        assert len(key_ring(stated)) == count
    else:
        with pytest.raises(ValidationError, match="a list of 1 to 10"):
            key_ring(stated)
    with pytest.raises(ValidationError, match="of its own"):
        key_ring({"keys": [public(pair())] * 2})
    for wrong in ({}, {"keys": {}}, {"keys": "ab"}):
        with pytest.raises(ValidationError, match="a list"):
            key_ring(wrong)


def unsigned(payload: bytes) -> str:
    parts = (b'{"alg": "ES384"}', payload, b"x")
    return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts)


def test_whom_a_token_says_it_is_from_is_read_before_anything_is_checked() -> None:
    client = uuid4()
    token = unsigned(json.dumps({"iss": str(client)}).encode())
    assert claimed_issuer(token) == str(client)
    assert client_of(token) == client
    for wrong in ("", "a.b", "a.b.c", unsigned(b"[]"), unsigned(b"{}"), unsigned(b'{"iss": 7}'), unsigned(b"\xff")):
        assert claimed_issuer(wrong) is None
        with pytest.raises(AuthenticationError, match="the signed token is not valid"):
            client_of(wrong)
    with pytest.raises(AuthenticationError):
        client_of(unsigned(b'{"iss": "nobody"}'))


@pytest.fixture
def listed(tmp_path: Path) -> Path:
    path = tmp_path / "clients.json"
    other = ECKey.generate_key("P-384", {"kid": "1"})
    path.write_text(
        json.dumps(
            {
                EHR: {"jwks": {"keys": [public(pair())]}, "jku": KEYS_AT},
                "https://other.example": {"jwks": {"keys": [public(other)]}, "jku": None},
            }
        )
    )
    return path


def test_an_ehr_on_the_list_is_a_service_that_calculates_once_a_token(
    clinic: Clinic, clock: Clock, listed: Path
) -> None:
    clients = HookClients(listed, clinic.foundation.database, clinic.identity.attempts)
    token = signed(claims(clock), jku=KEYS_AT)
    assert clients.knows(token)
    assert not clients.knows(signed(claims(clock, iss="https://third.example")))
    assert not clients.knows("nonsense")
    who = clinic.run(clients.authenticate(token, AUDIENCE))
    assert who.subject == who.session_id == uuid5(NAMESPACE_URL, EHR)
    assert (who.role, who.organisation_id, who.patient_id) == (Role.SERVICE, None, None)
    assert who.scopes == {Permission.CALCULATE}
    with pytest.raises(AuthenticationError):
        clinic.run(clients.authenticate(token, AUDIENCE))
    clinic.run(clients.authenticate(signed(claims(clock, jti="twice")), AUDIENCE))
    for wrong in (
        signed(claims(clock, jti="3"), jku="https://evil.example"),
        signed(claims(clock, jti="4", aud="https://elsewhere.example")),
        signed(claims(clock, jti="5", iss="https://other.example")),
    ):
        with pytest.raises(AuthenticationError):
            clinic.run(clients.authenticate(wrong, AUDIENCE))
    (row,) = [r for r in clinic.rows(Attempts) if r.digest == clinic.identity.attempts._digest("hook", f"{EHR} once")]
    assert row.ends_at.timestamp() == clock.at.timestamp() + 105  # so long it could come again


def test_without_a_list_nobody_is_known(clinic: Clinic, clock: Clock) -> None:
    clients = HookClients(None, clinic.foundation.database, clinic.identity.attempts)
    assert not clients.knows(signed(claims(clock)))
    assert not clients.knows("nonsense")


@pytest.mark.parametrize("text", [None, "", "[]", '{"a": {}}', '{"a": {"jwks": 1}}', '{"a": []}', "\xff"])
def test_a_list_that_cannot_be_read_stops_the_start(clinic: Clinic, tmp_path: Path, text: str | None) -> None:
    path = tmp_path / "list.json"
    if text is not None:
        path.write_text(text, encoding="latin-1")
    with pytest.raises(ValidationError, match="NOVAMIND_CDS_CLIENTS"):
        HookClients(path, clinic.foundation.database, clinic.identity.attempts)
