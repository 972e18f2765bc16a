"""Access tokens: what stands in one, and both sides of every limit that it is checked against."""

import json
import os
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from joserfc import jws, jwt

from novamind.errors import AuthenticationError
from novamind.infrastructure.identity.tokens import AccessTokens, TokenClaims
from tests.infrastructure.clinic import Clock

SECRET, BEFORE = os.urandom(32), os.urandom(32)
ISSUER = "https://clinic.example"
SESSION, SUBJECT = UUID(int=1), UUID(int=2)
CLAIMS = TokenClaims(SESSION, SUBJECT, "novamind")
Change = Callable[[dict[str, Any], int], dict[str, Any]]


@pytest.fixture
def tokens(clock: Clock) -> AccessTokens:
    del clock
    return AccessTokens((SECRET,), ISSUER, 300)


def stated(token: str) -> tuple[dict[str, Any], dict[str, Any]]:
    read = jws.extract_compact(token.encode())
    return dict(read.headers()), dict(json.loads(read.payload))


def signed(tokens: AccessTokens, header: dict[str, Any], claims: dict[str, Any]) -> str:
    registry = jws.JWSRegistry(algorithms=["Ed25519"], strict_check_header=False)
    return jws.serialize_compact(header, json.dumps(claims), tokens._signing, registry=registry)


def test_a_token_says_this_and_nothing_else(tokens: AccessTokens, clock: Clock) -> None:
    now = int(clock.at.timestamp())
    header, claims = stated(tokens.issue(CLAIMS))
    assert header == {"alg": "Ed25519", "typ": "at+jwt", "kid": tokens.public_keys()["keys"][0]["kid"]}
    assert len(claims.pop("jti")) == 32
    assert claims == {
        "iss": ISSUER,
        "aud": "novamind",
        "sub": str(SUBJECT),
        "sid": str(SESSION),
        "iat": now,
        "nbf": now,
        "exp": now + 300,
    }
    assert tokens.read(tokens.issue(CLAIMS)) == CLAIMS
    assert stated(tokens.issue(CLAIMS))[1]["jti"] != stated(tokens.issue(CLAIMS))[1]["jti"]
    population = TokenClaims(SESSION, SUBJECT, "novamind-populations")
    assert tokens.read(tokens.issue(population)) == population


@pytest.mark.parametrize(("seconds", "good"), [(-6, False), (-5, True), (0, True), (304, True), (305, False)])
def test_a_token_is_good_from_5_seconds_before_to_5_after_its_time(
    tokens: AccessTokens, clock: Clock, seconds: int, good: bool
) -> None:
    token = tokens.issue(CLAIMS)
    for _ in range(2):  # when it comes for the first time, and again
        clock.move(seconds)
        if good:
            assert tokens.read(token) == CLAIMS
        else:
            with pytest.raises(AuthenticationError, match="get a new one"):
                tokens.read(token)
        clock.move(-seconds)
        tokens.read(token)


CHANGES: dict[str, tuple[dict[str, Any], bool]] = {
    "as it is": ({}, True),
    "as long as it may live": ({"iat": 0, "nbf": 0, "exp": 300}, True),
    "a second longer": ({"iat": 0, "nbf": 0, "exp": 301}, False),
    "issued later than it begins": ({"iat": 100, "nbf": 0, "exp": 400}, True),
    "begins in 5 seconds": ({"nbf": 5}, True),
    "begins in 6 seconds": ({"nbf": 6}, False),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_tokens_times_are_checked_against_each_other(tokens: AccessTokens, clock: Clock, name: str) -> None:
    times, good = CHANGES[name]
    header, claims = stated(tokens.issue(CLAIMS))
    token = signed(tokens, header, claims | {key: int(clock.at.timestamp()) + value for key, value in times.items()})
    if good:
        assert tokens.read(token) == CLAIMS
    else:
        with pytest.raises(AuthenticationError):
            tokens.read(token)


@pytest.mark.parametrize("claim", ["iat", "nbf", "exp"])
@pytest.mark.parametrize("kind", [float, str, bool, None])
def test_a_time_that_is_no_whole_number_is_refused(tokens: AccessTokens, claim: str, kind: Any) -> None:
    header, claims = stated(tokens.issue(CLAIMS))
    with pytest.raises(AuthenticationError):
        tokens.read(signed(tokens, header, claims | {claim: kind and kind(claims[claim])}))


@pytest.mark.parametrize(
    ("header", "claims"),
    [
        ({"typ": "JWT"}, {}),
        ({"cty": "x"}, {}),
        ({"kid": "another"}, {}),
        ({}, {"iss": f"{ISSUER}/"}),
        ({}, {"aud": "somebody"}),
        ({}, {"aud": ["novamind"]}),
        ({}, {"sub": "nobody"}),
        ({}, {"sid": None}),
    ],
)
def test_a_signed_token_that_is_not_as_ours_are_is_refused(
    tokens: AccessTokens, header: dict[str, Any], claims: dict[str, Any]
) -> None:
    ours, said = stated(tokens.issue(CLAIMS))
    assert tokens.read(signed(tokens, ours, said)) == CLAIMS
    with pytest.raises(AuthenticationError):
        tokens.read(signed(tokens, ours | header, said | claims))


@pytest.mark.parametrize("less", ["alg", "typ", "kid"])
def test_a_header_has_all_three_parts(tokens: AccessTokens, less: str) -> None:
    header, _ = stated(tokens.issue(CLAIMS))
    with pytest.raises(AuthenticationError):
        tokens._key({name: value for name, value in header.items() if name != less})


def test_a_token_has_2048_characters_at_most(tokens: AccessTokens) -> None:
    header, claims = stated(tokens.issue(CLAIMS))

    def padded(padding: int) -> str:
        return signed(tokens, header, claims | {"jti": "x" * padding})

    fits = max(n for n in range(1500) if len(padded(n)) <= 2048)
    assert len(padded(fits)) == 2048
    assert tokens.read(padded(fits)) == CLAIMS
    with pytest.raises(AuthenticationError):
        tokens.read(padded(fits + 1))
    with pytest.raises(AuthenticationError):
        tokens.read("x" * 2049)


def test_what_the_key_before_has_signed_is_still_good_and_the_new_one_signs(clock: Clock) -> None:
    old, both = AccessTokens((BEFORE,), ISSUER, 300), AccessTokens((SECRET, BEFORE), ISSUER, 300)
    new = AccessTokens((SECRET,), ISSUER, 300)
    assert both.read(old.issue(CLAIMS)) == CLAIMS
    assert new.read(both.issue(CLAIMS)) == CLAIMS
    with pytest.raises(AuthenticationError):
        new.read(old.issue(CLAIMS))
    published = both.public_keys()["keys"]
    assert [key["kid"] for key in published] == [one.public_keys()["keys"][0]["kid"] for one in (new, old)]
    for key in published:
        assert {name: key[name] for name in ("kty", "crv", "use", "alg")} == {
            "kty": "OKP",
            "crv": "Ed25519",
            "use": "sig",
            "alg": "Ed25519",
        }
        assert set(key) == {"kty", "crv", "use", "alg", "x", "kid"}
    del clock


def test_a_signature_is_checked_once_and_so_many_are_remembered(
    tokens: AccessTokens, monkeypatch: pytest.MonkeyPatch
) -> None:
    checked: list[str] = []
    decode = jwt.decode

    def counted(token: str, *arguments: Any, **options: Any) -> Any:
        checked.append(token)
        return decode(token, *arguments, **options)

    monkeypatch.setattr(jwt, "decode", counted)
    first, second = tokens.issue(CLAIMS), tokens.issue(CLAIMS)
    for token in (first, second, first, second):
        tokens.read(token)
    assert checked == [first, second]
    assert tokens._genuine.maxsize == 4096
