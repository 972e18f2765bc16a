"""Section 1 of the attack plan: who calls is proved, and nothing else counts as proof."""

import asyncio
import base64
import hashlib
import hmac
import http.server
import json
import re
import threading
import time
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
import pyotp
import pytest
import sqlalchemy as sa
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from joserfc import jws, jwt
from joserfc.jwk import OctKey, OKPKey

from novamind.errors import AuthenticationError
from novamind.infrastructure.identity.accounts import Accounts
from novamind.infrastructure.identity.attempts import AttemptCounter
from novamind.infrastructure.identity.domain import Role
from novamind.infrastructure.identity.passwords import Passwords
from novamind.infrastructure.identity.session_lookup import SessionLookup
from novamind.infrastructure.identity.sessions import LoginLimits, Sessions
from novamind.infrastructure.identity.tables import Session
from novamind.infrastructure.identity.tokens import AccessTokens, TokenClaims
from novamind.infrastructure.tables import Organisation
from novamind.server.builtin_client import BUILTIN_CLIENT
from novamind.server.middleware import GuardMiddleware
from tests.server.world import BASE, CALLBACK, NOT_EXPLODED, World
from tests.weak import careless, must_fail

#: Literally what is open to everybody (development adds the description of the interface).
OPEN = {
    "/health",
    "/ready",
    "/oauth/authorize",
    "/oauth/token",
    "/.well-known/jwks.json",
    "/.well-known/smart-configuration",
    "/cds-services",
    "/openapi.json",
}


def operations(world: World) -> list[tuple[str, str, dict[str, Any]]]:
    described = world.call("GET", "/openapi.json").json()
    return [(method, path, what) for path, methods in described["paths"].items() for method, what in methods.items()]


def filled(path: str) -> str:
    path = path.replace("{category}", "genomics").replace("{hook}", "patient-view")
    return re.sub(r"\{\w+_id\}", lambda _: str(uuid4()), path)


def let_in_without_token(world: World) -> set[str]:
    found = set()
    for method, path, _ in operations(world):
        if world.call(method.upper(), filled(path), json={}).status_code != 401:
            found.add(path)
    return found


def test_a01_without_a_token_only_the_listed_routes_answer(world: World) -> None:
    assert let_in_without_token(world) | {"/openapi.json"} == OPEN


@pytest.mark.weak("the door takes everybody for somebody it knows", "A01")
def test_a01_the_sweep_finds_a_door_that_stands_open(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.add_user("careless", Role.CLINICIAN, world.organisations[0])
    somebody = world.run(world.container.identity.sessions.authenticate(world.log_in("careless")))

    async def anybody(*_: object) -> Any:
        return somebody

    monkeypatch.setattr(GuardMiddleware, "_identify", anybody)
    assert "/api/v1/patients" in let_in_without_token(world)


DISGUISED = pytest.mark.parametrize(
    "path",
    [
        "/health%2f..%2fapi/v1/patients",
        "/health/%2e%2e/api/v1/patients",
        "//api/v1/patients",
        "/API/V1/patients",
        "/HEALTH",
        "/api/v1/patients/",
        "/api/v1/patients.",
        "/health;/api/v1/patients",
        "/health/",
    ],
)


@DISGUISED
def test_a02_a_disguised_path_is_the_plain_one_or_nothing(world: World, path: str) -> None:
    headers = {
        "X-Original-URL": "/api/v1/patients",
        "X-Rewrite-URL": "/api/v1/patients",
        "X-Forwarded-Prefix": "/health",
    }
    assert world.call("GET", path, headers=headers).status_code == 401
    asked = world.call("GET", path, "C11", headers={"X-Original-URL": "/api/v1/patients"})
    assert asked.status_code in (200, 404)
    if asked.status_code == 200:
        assert "items" not in asked.json() or path.strip("/") == "api/v1/patients"


@pytest.mark.weak("everybody is let in, by whatever path", "A02")
@DISGUISED
def test_a02_fails_on_a_careless_server(small_world: World, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    must_fail(test_a02_a_disguised_path_is_the_plain_one_or_nothing, careless(small_world, monkeypatch), path)


# --- tokens ---


def parts(token: str) -> tuple[dict[str, Any], dict[str, Any]]:
    header, payload, _ = token.split(".")
    return tuple(json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))) for part in (header, payload))  # type: ignore[return-value]


def encoded(value: Any) -> str:
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def forged(world: World) -> dict[str, str]:
    """Tokens that must all be refused, by what is wrong with them."""
    good = world.tokens["C11"]
    header, claims = parts(good)
    found: dict[str, str] = {}
    for algorithm in ("none", "None", "nOnE"):
        found[f"A03 {algorithm}"] = f"{encoded(header | {'alg': algorithm})}.{encoded(claims)}."
    found["A03 no signature"] = good.rsplit(".", 1)[0] + "."
    public = world.container.identity.tokens.public_keys()["keys"][0]
    key = OKPKey.import_key(public)
    secrets = {
        "PEM": key.as_pem(private=False),
        "DER": key.as_der(private=False),
        "JWK": json.dumps(public).encode(),
        "base64": public["x"].encode(),
        "raw": base64.urlsafe_b64decode(public["x"] + "="),
    }
    for form, secret in secrets.items():
        signed = f"{encoded({'alg': 'HS256', 'typ': 'at+jwt', 'kid': header['kid']})}.{encoded(claims)}"
        found[f"A04 {form}"] = f"{signed}.{encoded(hmac.new(secret, signed.encode(), hashlib.sha256).digest())}"
    mine = OKPKey.import_key(Ed25519PrivateKey.generate())
    own = {"alg": "Ed25519", "typ": "at+jwt"}
    for name, value in {
        "jwk": mine.as_dict(private=False),
        "jku": "http://127.0.0.1:9/keys",
        "x5u": "http://127.0.0.1:9/chain",
        "x5c": ["AAAA"],
    }.items():
        for kid in ({}, {"kid": header["kid"]}):
            found[f"A05 {name} {bool(kid)}"] = signed_by(mine, own | kid | {name: value}, claims)
    for kid in ("../../dev/null", "' OR 1=1 --", "k" * 100_000, "", None, 1, ["a"]):
        found[f"A06 {str(kid)[:20]}"] = signed_by(mine, own | {"kid": kid}, claims)
    now = int(time.time())
    tokens = world.container.identity.tokens
    for name, wrong in {
        "expired": {"exp": now - 6, "iat": now - 100, "nbf": now - 100},
        "future": {"nbf": now + 60},
        "exp huge": {"exp": 1e300},
        "exp far": {"exp": now + 10**9},
        "exp text": {"exp": str(now + 100)},
        "exp true": {"exp": True},
        "aud": {"aud": "other"},
        "aud list": {"aud": [claims["aud"], "other"]},
        "population aud": {"aud": "novamind-populations"},
        "iss": {"iss": "https://other.example"},
        "sub": {"sub": str(uuid4())},
        "sid": {"sid": str(uuid4())},
        "sid text": {"sid": "x"},
    }.items():
        found[f"A07 {name}"] = jwt.encode(header, claims | wrong, tokens._signing, algorithms=["Ed25519"])
    for name in ("exp", "iat", "nbf", "iss", "aud", "sub", "sid"):
        less = {key: value for key, value in claims.items() if key != name}
        found[f"A07 no {name}"] = jwt.encode(header, less, tokens._signing, algorithms=["Ed25519"])
    found["A07 type"] = jwt.encode(header | {"typ": "JWT"}, claims, tokens._signing, algorithms=["Ed25519"])
    found["A07 refresh as access"] = world.refresh_tokens["C11"]
    other = AccessTokens((b"o" * 16 + bytes(range(16)),), BASE, 300)
    subject = TokenClaims(uuid4(), world.users["C11"], "novamind")
    found["A07 other deployment"] = other.issue(subject)
    return found


def signed_by(key: OKPKey, header: dict[str, Any], claims: dict[str, Any]) -> str:
    signing = f"{encoded(header)}.{encoded(claims)}"
    private = serialization.load_pem_private_key(key.as_pem(private=True), None)
    assert isinstance(private, Ed25519PrivateKey)
    return f"{signing}.{encoded(private.sign(signing.encode()))}"


def accepted(world: World, tokens: dict[str, str]) -> list[str]:
    return [what for what, token in tokens.items() if world.call("GET", "/api/v1/me", token).status_code != 401]


def test_a03_to_a07_a_forged_token_is_refused(world: World) -> None:
    assert world.call("GET", "/api/v1/me", world.tokens["C11"]).status_code == 200
    assert accepted(world, forged(world)) == []
    for what, token in forged(world).items():
        if what.startswith("A06"):
            begun = time.process_time()
            world.call("GET", "/api/v1/me", token)
            assert time.process_time() - begun < NOT_EXPLODED, what


@pytest.mark.weak("claims are read and no signature is looked at", "A03", "A04", "A05", "A06", "A07", "A08")
def test_a03_to_a08_the_forgeries_do_get_past_a_weak_check(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A check that reads claims without the signature, as careless servers do."""

    def weak(_self: AccessTokens, token: str) -> TokenClaims:
        try:
            return TokenClaims(UUID(parts(token)[1]["sid"]), world.users["C11"], "novamind")
        except (ValueError, KeyError) as error:
            raise AuthenticationError("no") from error

    monkeypatch.setattr(AccessTokens, "read", weak)
    through = {what[:3] for what in accepted(world, forged(world))}
    assert through >= {"A03", "A04", "A05", "A06", "A07"}
    must_fail(test_a08_no_flipped_bit_goes_unnoticed, world)


def test_a05_a_header_never_makes_the_server_fetch_a_key(world: World) -> None:
    asked: list[str] = []

    class Listener(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_error(404)

    with http.server.HTTPServer(("127.0.0.1", 0), Listener) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        mine = OKPKey.import_key(Ed25519PrivateKey.generate())
        address = f"http://127.0.0.1:{server.server_port}/keys"
        for name in ("jku", "x5u"):
            header = {"alg": "Ed25519", "typ": "at+jwt", name: address}
            token = signed_by(mine, header, parts(world.tokens["C11"])[1])
            assert world.call("GET", "/api/v1/me", token).status_code == 401
        assert asked == []
        httpx.get(address, trust_env=False)  # it would have been noticed
        server.shutdown()
    assert asked == ["/keys"]


def test_a08_no_flipped_bit_goes_unnoticed(world: World) -> None:
    segments = world.tokens["C11"].split(".")
    flipped = {}
    for place, segment in enumerate(segments):
        raw = bytearray(base64.urlsafe_b64decode(segment + "=" * (-len(segment) % 4)))
        for position in range(0, len(raw), max(1, len(raw) // 66)):
            changed = bytearray(raw)
            changed[position] ^= 1 << (position % 8)
            flipped[f"{place}.{position}"] = ".".join(
                encoded(bytes(changed)) if i == place else one for i, one in enumerate(segments)
            )
    assert len(flipped) >= 190
    assert accepted(world, flipped) == []


def test_the_key_set_has_no_private_part(world: World) -> None:
    keys = world.call("GET", "/.well-known/jwks.json").json()["keys"]
    assert keys
    assert all("d" not in key and key["kid"] for key in keys)
    assert jws.extract_compact(world.tokens["C11"].encode()).headers()["kid"] in {key["kid"] for key in keys}
    with pytest.raises(Exception, match=r".*"):
        jwt.decode(world.tokens["C11"], OctKey.generate_key(256), algorithms=["Ed25519"])


# --- logging in ---


def test_a10_after_ten_wrong_passwords_the_right_one_is_refused_too(world: World) -> None:
    name = f"locked-{uuid4().hex}"
    world.add_user(name, Role.CLINICIAN, world.organisations[0])
    answers = [world.authorize(name, "wrong", worker=i % 2, state=str(i)).status_code for i in range(20)]
    assert answers == [401] * 10 + [429] * 10
    refused = world.authorize(name, world.passwords[name])
    assert refused.status_code == 429
    assert int(refused.headers["retry-after"]) > 0
    assert world.authorize("C12", world.passwords["C12"]).status_code == 303  # nobody else is locked out


def test_a10_an_address_that_tries_one_password_on_many_names_is_refused(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits = world.container.identity.sessions._limits
    monkeypatch.setattr(world.container.identity.sessions, "_limits", LoginLimits(limits.per_account, 5, limits.window))
    monkeypatch.setattr(
        world.container.identity.attempts,
        "_digest",
        lambda what, who: world.container.foundation.index.keyed("spray", what, who),
    )
    forwarded = [{"X-Forwarded-For": f"10.0.0.{i}", "Forwarded": f"for=10.0.0.{i}"} for i in range(9)]
    statuses = []
    for i, headers in enumerate(forwarded):
        form = {"client_id": str(BUILTIN_CLIENT)}
        form |= {
            "redirect_uri": CALLBACK,
            "code_challenge": "c" * 43,
            "username": f"nobody{i}",
            "password": "Summer2026!",
        }
        statuses.append(world.call("POST", "/oauth/authorize", data=form, headers=headers).status_code)
    assert statuses == [401] * 5 + [429] * 4


@pytest.mark.weak("attempts are not counted", "A10")
def test_a10_fails_where_attempts_are_not_counted(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    async def none(*_: object) -> int:
        return 0

    for name in ("count", "check"):
        monkeypatch.setattr(AttemptCounter, name, none)
    must_fail(test_a10_after_ten_wrong_passwords_the_right_one_is_refused_too, world)
    must_fail(test_a10_an_address_that_tries_one_password_on_many_names_is_refused, world, monkeypatch)


def test_a11_known_and_unknown_names_answer_alike(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the same words and after the same work: how long that takes, a busy machine does not tell."""
    name, hashes, verify = f"known-{uuid4().hex}", list[str](), Passwords._verify
    world.add_user(name, Role.CLINICIAN, world.organisations[0])

    def counted(self: Passwords, password: str, password_hash: str) -> bool:
        hashes.append(password_hash.rpartition("$")[0].rpartition("$")[0])  # its parameters, without salt and digest
        return verify(self, password, password_hash)

    monkeypatch.setattr(Passwords, "_verify", counted)
    told = []
    for who in (name, f"un{name}", name, f"un{name}"):
        hashes.clear()
        answer = world.authorize(who, "wrong password here")
        told.append((answer.status_code, answer.text, *hashes))
    assert told == [told[0]] * 4
    assert told[0][0] == 401
    assert len(told[0]) == 3


@pytest.mark.weak("a name that nobody has is refused in other words, or without a hash", "A11")
@pytest.mark.parametrize("told", [True, False])
def test_a11_fails_where_a_name_that_nobody_has_is_told(
    world: World, told: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    matches = Passwords.matches

    async def hasty(self: Passwords, password: str, password_hash: str | None) -> bool:
        if told and password_hash is None:
            raise AuthenticationError("there is no such user")
        return password_hash is not None and await matches(self, password, password_hash)

    monkeypatch.setattr(Passwords, "matches", hasty)
    must_fail(test_a11_known_and_unknown_names_answer_alike, world, monkeypatch)


def test_a12_a_one_time_code_works_once_on_one_worker(world: World) -> None:
    name = f"mfa-{uuid4().hex}"
    world.add_user(name, Role.CLINICIAN, world.organisations[0])
    world.log_in(name)
    secret = world.call("POST", "/api/v1/me/second-factor", name).json()["secret"]
    totp, now = pyotp.TOTP(secret), int(time.time())
    assert world.call("POST", "/api/v1/me/second-factor/confirm", name, json={"code": "000000"}).status_code == 422
    confirmed = world.call("POST", "/api/v1/me/second-factor/confirm", name, json={"code": totp.at(now - 30)})
    assert confirmed.status_code == 204
    password = world.passwords[name]
    assert world.authorize(name, password).status_code == 401  # without a code
    for wrong in (totp.at(now - 90), totp.at(now + 90), "12345", "abcdef", "١٢٣٤٥٦", ""):
        assert world.authorize(name, password, one_time_code=wrong).status_code == 401
    code = totp.at(int(time.time()))
    answers = [world.authorize(name, password, one_time_code=code, worker=i % 2).status_code for i in range(3)]
    assert answers.count(303) == 1
    assert answers[0] == 303
    assert (
        world.call("POST", "/api/v1/me/second-factor", name).status_code == 422
    )  # only an administrator takes it away


def test_a12_many_uses_of_one_code_at_once_let_one_in(world: World) -> None:
    name = f"mfa-{uuid4().hex}"
    world.add_user(name, Role.CLINICIAN, world.organisations[0])
    world.log_in(name)
    secret = world.call("POST", "/api/v1/me/second-factor", name).json()["secret"]
    totp = pyotp.TOTP(secret)
    now = int(time.time())
    assert (
        world.call("POST", "/api/v1/me/second-factor/confirm", name, json={"code": totp.at(now - 30)}).status_code
        == 204
    )

    form = {
        "client_id": str(BUILTIN_CLIENT),
        "redirect_uri": CALLBACK,
        "code_challenge": "c" * 43,
        "username": name,
        "password": world.passwords[name],
        "one_time_code": totp.at(int(time.time())),
    }

    async def all_at_once() -> list[int]:
        calls = (world.acall("POST", "/oauth/authorize", worker=i % 2, data=form) for i in range(8))
        return [answer.status_code for answer in await asyncio.gather(*calls)]

    assert world.run(all_at_once()).count(303) == 1


@pytest.mark.weak("a one-time code is compared and not used up", "A12")
def test_a12_fails_where_codes_are_not_used_up(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    async def compare(self: Accounts, _session: object, user: Any, code: str) -> bool:
        totp = pyotp.TOTP(self._seal.open(user.totp_secret, "users.totp_secret", user.user_id))
        return code.isascii() and totp.verify(code, valid_window=1)

    monkeypatch.setattr(Accounts, "use_code", compare)
    must_fail(test_a12_a_one_time_code_works_once_on_one_worker, world)
    must_fail(test_a12_many_uses_of_one_code_at_once_let_one_in, world)


def test_a12_without_the_second_factor_that_is_demanded_a_session_can_only_set_one_up(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    for app in world.apps:
        monkeypatch.setattr(app.state.container.identity.sessions, "_second_factor_needed", True)
    patient = world.patients["P1"]
    assert world.call("GET", f"/api/v1/patients/{patient}", "C11").status_code == 403
    assert world.call("GET", "/api/v1/patients", "C11").status_code == 403
    me = world.call("GET", "/api/v1/me", "C11").json()
    assert me["permissions"] == []
    assert me["second_factor"] is False


# --- sessions ---


def test_codes_work_once_with_their_verifier_client_and_address(world: World) -> None:
    assert world.redeem(world.code("C12"), "w" * 43).json()["error"] == "invalid_grant"
    code = world.code("C12")
    tokens = world.redeem(code).json()
    assert world.call("GET", "/api/v1/me", tokens["access_token"]).status_code == 200
    assert world.redeem(code).status_code == 400
    # RFC 6749 4.1.2: what the code gave before is revoked too.
    assert world.call("GET", "/api/v1/me", tokens["access_token"], worker=1).status_code == 401
    elsewhere = world.authorize("C12", world.passwords["C12"], redirect_uri="https://evil.example/callback")
    assert elsewhere.status_code == 400
    assert "location" not in elsewhere.headers


def test_a14_a_refresh_token_that_is_used_twice_ends_the_session_everywhere(world: World) -> None:
    world.log_in("C21")
    first = world.refresh_tokens["C21"]
    second = world.refresh(first).json()
    assert world.call("GET", "/api/v1/me", second["access_token"], worker=1).status_code == 200
    assert world.refresh(first, worker=1).status_code == 400
    for worker in (0, 1):
        assert world.call("GET", "/api/v1/me", second["access_token"], worker=worker).status_code == 401
    assert world.refresh(second["refresh_token"]).status_code == 400
    assert world.audited("refresh_reuse")
    world.log_in("C21")


def test_a14_twenty_uses_at_once_give_one_success(world: World) -> None:
    world.log_in("C21")
    form = {
        "grant_type": "refresh_token",
        "client_id": str(BUILTIN_CLIENT),
        "refresh_token": world.refresh_tokens["C21"],
    }

    async def all_at_once() -> list[int]:
        calls = (world.acall("POST", "/oauth/token", worker=i % 2, data=form) for i in range(20))
        return [answer.status_code for answer in await asyncio.gather(*calls)]

    assert sorted(world.run(all_at_once())) == [200] + [400] * 19
    world.log_in("C21")


@pytest.mark.weak("a refresh token that is used again is refused, and that is all", "A14")
def test_a14_fails_where_a_second_use_ends_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    async def nothing(*_: object) -> None:
        return

    with monkeypatch.context() as patched:
        patched.setattr(Sessions, "_end", nothing)
        must_fail(test_a14_a_refresh_token_that_is_used_twice_ends_the_session_everywhere, world)
    world.log_in("C21")


def ends(how: str, world: World, name: str) -> None:
    user = world.users[name]
    if how == "logout":
        assert world.call("POST", "/oauth/logout", name).status_code == 204
    elif how == "password":
        answer = world.call("PUT", "/api/v1/me/password", name, json={"password": "another long password"})
        assert answer.status_code == 204
    elif how == "role":
        assert world.call("PUT", f"/api/v1/users/{user}/role", "admin", json={"role": "researcher"}).status_code == 204
    else:
        assert world.call("DELETE", f"/api/v1/users/{user}", "admin").status_code == 204


@pytest.mark.parametrize("how", ["logout", "password", "role", "disable"])
def test_a15_what_ends_a_session_ends_it_on_every_worker(world: World, how: str) -> None:
    name = f"ending-{how}-{uuid4().hex}"
    world.add_user(name, Role.CLINICIAN, world.organisations[0])
    world.log_in(name)
    assert [world.call("GET", "/api/v1/me", name, worker=i).status_code for i in (0, 1)] == [200, 200]
    ends(how, world, name)
    assert [world.call("GET", "/api/v1/me", name, worker=i).status_code for i in (0, 1)] == [401, 401]
    assert world.refresh(world.refresh_tokens[name]).status_code == 400
    if how == "disable":
        assert world.authorize(name, world.passwords[name]).status_code == 401


def aged(world: World, session_of: str, **ages: Any) -> None:
    """Let a session look older than it is."""

    async def work() -> None:
        async with world.container.foundation.database.transaction() as session:
            await session.execute(sa.update(Session).where(Session.user_id == world.users[session_of]).values(**ages))

    world.run(work())


def test_a16_silence_and_age_end_a_session(world: World) -> None:
    now = datetime.now(UTC)
    world.log_in("C21")
    aged(world, "C21", last_seen_at=now - timedelta(seconds=world.settings.session_idle_seconds + 1))
    assert world.call("GET", "/api/v1/me", "C21").status_code == 401
    assert world.refresh(world.refresh_tokens["C21"]).status_code == 400
    world.log_in("C21")
    aged(world, "C21", expires_at=now - timedelta(seconds=1))
    assert world.call("GET", "/api/v1/me", "C21").status_code == 401
    assert world.refresh(world.refresh_tokens["C21"]).status_code == 400
    world.log_in("C21")


@pytest.mark.weak("a session is looked up once and remembered; its age is not asked", "A15", "A16")
def test_a15_a16_fail_where_sessions_are_remembered(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    known: dict[Any, Any] = {}
    look_up = SessionLookup.of_session

    async def remembered(self: SessionLookup, session: Any, patient_ids: Any) -> Any:
        if session not in known:
            known[session] = await look_up(self, session, patient_ids)
        return known[session]

    with monkeypatch.context() as patched:
        patched.setattr(SessionLookup, "of_session", remembered)
        for how in ("logout", "password", "role", "disable"):
            must_fail(test_a15_what_ends_a_session_ends_it_on_every_worker, world, how)
    long_ago = datetime(2020, 1, 1, tzinfo=UTC)
    with monkeypatch.context() as patched:
        patched.setattr(SessionLookup, "_now", lambda _: {"now": long_ago, "idle_since": long_ago})
        must_fail(test_a16_silence_and_age_end_a_session, world)
    world.log_in("C21")


def test_scopes_narrow_what_a_machine_may(world: World) -> None:
    made = world.call(
        "POST", "/api/v1/clients", "admin", json={"name": "reader", "role": "service", "scopes": ["patients:read"]}
    ).json()
    form = {"grant_type": "client_credentials", "client_id": made["id"], "client_secret": made["secret"]}
    assert world.token(**form | {"client_secret": "wrong"}).status_code == 401
    assert world.token(**form, scope="records:write").json()["error"] == "invalid_scope"
    token = world.token(**form).json()["access_token"]
    patient = world.patients["P1"]
    assert world.call("GET", f"/api/v1/patients/{patient}", token).status_code == 200
    write = world.call("POST", f"/api/v1/patients/{patient}/medications", token, json={"medication": "lithium"})
    assert write.status_code == 403


def test_an_api_key_works_until_it_is_revoked(world: World) -> None:
    client = world.call("POST", "/api/v1/clients", "admin", json={"name": "gateway", "role": "service"}).json()["id"]
    made = world.call("POST", f"/api/v1/clients/{client}/keys", "admin", json={}).json()
    assert made["key"].startswith("nmk_")
    assert world.call("GET", f"/api/v1/patients/{world.patients['P1']}", made["key"]).status_code == 200
    assert world.call("GET", f"/api/v1/patients/{world.patients['P4']}", made["key"]).status_code == 404
    assert world.call("DELETE", f"/api/v1/keys/{made['id']}", "admin").status_code == 204
    assert world.call("GET", "/api/v1/me", made["key"], worker=1).status_code == 401
    assert world.call("GET", "/api/v1/me", "nmk_" + "x" * 10_000).status_code == 401


@pytest.mark.weak("a secret is written into a table as it is", "D01")
def test_secrets_are_nowhere_in_the_database(world: World) -> None:
    """Of passwords, tokens and one-time secrets only digests and sealed texts are stored (part of D01)."""
    secret = world.call("POST", "/api/v1/me/second-factor", "P1-self").json()["secret"]
    wanted = [*world.passwords.values(), *world.tokens.values(), *world.refresh_tokens.values(), secret]

    async def everything(*only: str) -> str:
        texts: list[str] = []
        async with world.container.foundation.database.snapshot() as session:
            connection = await session.connection()
            names = await connection.run_sync(lambda c: sa.inspect(c).get_table_names())
            for name in only or names:
                rows = await session.execute(sa.text(f'SELECT * FROM "{name}"'))  # noqa: S608
                for row in rows:
                    texts += [value.decode("latin-1") if isinstance(value, bytes) else str(value) for value in row]
        return "\n".join(texts)

    found = world.run(everything())
    assert [one for one in wanted if one in found] == []
    written = world.run(world.container.foundation.store.add_organisation(secret, world.container.operator("test")))
    assert secret in world.run(everything("organisations"))  # the search does search

    async def forget() -> None:
        async with world.container.foundation.database.transaction() as session:
            await session.execute(sa.delete(Organisation).where(Organisation.organisation_id == written))

    world.run(forget())


def test_a_browsers_cookie_works_from_its_own_pages_only(world: World) -> None:
    sessions: Any = world.container.identity.sessions
    cookie = world.run(sessions.exchange_code_for_cookie(BUILTIN_CLIENT, world.code("C11"), "v" * 43, CALLBACK))
    header = {"Cookie": f"novamind={cookie}"}
    assert world.call("GET", "/api/v1/me", headers=header).status_code == 200
    decide = f"/api/v1/patients/{world.patients['P2']}/consents/sharing"
    for origin, expected in ((None, 401), ("https://evil.example", 403), ("null", 403), (BASE, 204)):
        headers = header | ({"Origin": origin} if origin else {})
        answer = world.call("PUT", decide, headers=headers, json={"granted": True})
        assert answer.status_code == expected, origin
