"""A13 of the attack plan: passkeys, on both databases, with an authenticator that can be told to lie."""

import html
import json
import re
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

from novamind.infrastructure.identity import passkeys
from novamind.infrastructure.identity.domain import Role
from novamind.infrastructure.identity.tables import Passkey
from novamind.server.builtin_client import BUILTIN_CLIENT
from tests.security.authenticator import PRESENT, VERIFIED, Authenticator, raw, text
from tests.server.world import CALLBACK, World, challenge

ORIGIN, HOST = "http://clinic.example:8000", "clinic.example"
ACCESS = {"client_id": str(BUILTIN_CLIENT), "redirect_uri": CALLBACK, "code_challenge": challenge("v" * 43)}


@pytest.fixture(autouse=True)
def with_a_name(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The world is reached by an address; give the part that knows passkeys the name that a clinic has."""
    if "world" not in request.fixturenames:
        return
    for app in request.getfixturevalue("world").apps:
        keys = app.state.container.identity.passkeys
        for name, value in {"_origin": ORIGIN, "_relying_party": HOST, "offered": True}.items():
            monkeypatch.setattr(keys, name, value)


def somebody(world: World) -> str:
    name = f"passkey-{uuid4().hex}"
    world.add_user(name, Role.CLINICIAN, world.organisations[0])
    world.log_in(name)
    return name


def options(world: World, name: str) -> dict[str, Any]:
    answer = world.call("GET", "/api/v1/me/passkeys/options", name)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def add(world: World, name: str, credential: Any) -> httpx.Response:
    return world.call("POST", "/api/v1/me/passkeys", name, json={"credential": credential})


def asked(world: World) -> dict[str, Any]:
    """What the login page asks of a browser."""
    page = world.call("GET", "/oauth/authorize", params=ACCESS).text
    found = re.search(r'data-passkey="get" data-options="([^"]+)"', page)
    assert found, page
    return dict(json.loads(html.unescape(found[1])))


def log_in(world: World, name: str, said: Any, **more: str) -> int:
    return world.authorize(name, world.passwords[name], passkey=json.dumps(said), **more).status_code


def owner(world: World) -> tuple[str, Authenticator]:
    name, key = somebody(world), Authenticator(ORIGIN, HOST)
    added = add(world, name, key.create(options(world, name)))
    assert added.status_code == 201, added.text
    return name, key


def test_a13_a_genuine_key_is_added_proves_its_owner_and_is_asked_for_from_then_on(world: World) -> None:
    name, key = owner(world)
    other_worker = world.call("GET", "/api/v1/me/passkeys", name, worker=1).json()
    assert [one["used_at"] for one in other_worker] == [None]
    assert world.authorize(name, world.passwords[name]).status_code == 401  # the password alone is not enough now
    said = key.get(asked(world))
    assert world.authorize(name, "not the password", passkey=json.dumps(said)).status_code == 401
    assert log_in(world, name, key.get(asked(world))) == 303
    assert world.log_in(name, passkey=json.dumps(key.get(asked(world))))
    assert world.call("GET", "/api/v1/me", name).json()["second_factor"] is True
    assert world.call("GET", "/api/v1/me/passkeys", name).json()[0]["used_at"]
    shell = world.container.operator("test")
    listed = world.run(world.container.identity.accounts.users(world.organisations[0], None, 10_000, shell))
    assert [one.second_factor for one in listed if one.user_id == world.users[name]] == [True]
    (added,) = [one for one in world.audited("second_factor_added") if one["actor"] == str(world.users[name])]
    assert (added["outcome"], added["what"]) == ("success", "passkey")


def other_origin(key: Authenticator, question: dict[str, Any]) -> Any:
    key.origin = "http://clinic.example.evil.example"
    return key.get(question)


def other_relying_party(key: Authenticator, question: dict[str, Any]) -> Any:
    key.relying_party = "evil.example"
    return key.get(question)


def other_challenge(key: Authenticator, question: dict[str, Any]) -> Any:
    return key.get(question, challenge=text(bytes(56)))


def counter_set_back(key: Authenticator, question: dict[str, Any]) -> Any:
    key.count = 1  # it said 2 when its owner was here last
    return key.get(question)


def within_a_frame(key: Authenticator, question: dict[str, Any]) -> Any:
    key.framed = True
    return key.get(question)


def owner_not_verified(key: Authenticator, question: dict[str, Any]) -> Any:
    key.flags = PRESENT
    return key.get(question)


def owner_not_present(key: Authenticator, question: dict[str, Any]) -> Any:
    key.flags = VERIFIED
    return key.get(question)


def other_key(key: Authenticator, question: dict[str, Any]) -> Any:
    return Authenticator(ORIGIN, HOST, count=50, credential_id=key.credential_id, user=key.user).get(question)


def other_person(key: Authenticator, question: dict[str, Any]) -> Any:
    key.user = uuid4().bytes
    return key.get(question)


LIES = (
    other_origin,
    other_relying_party,
    other_challenge,
    within_a_frame,
    counter_set_back,
    owner_not_verified,
    owner_not_present,
    other_key,
    other_person,
)


def test_a13_whatever_is_wrong_with_an_answer_it_is_refused_and_audited(world: World) -> None:
    name, key = owner(world)
    for _ in range(2):
        assert log_in(world, name, key.get(asked(world))) == 303
    for lie in LIES:
        before = len(world.audited("login", "denied"))
        liar = Authenticator(ORIGIN, HOST, count=key.count, credential_id=key.credential_id, key=key.key, user=key.user)
        if lie is counter_set_back:
            assert log_in(world, name, key.get(asked(world))) == 303
        assert log_in(world, name, lie(liar, asked(world))) == 401, lie.__name__
        assert len(world.audited("login", "denied")) == before + 1, lie.__name__
        key.count = max(key.count, liar.count) + 1
        assert log_in(world, name, key.get(asked(world))) == 303  # the true one still opens, and forgets the attempts


def test_a13_an_answer_is_good_once_for_its_own_request_and_account(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, key = owner(world)
    said = key.get(asked(world))
    elsewhere = {"code_challenge": challenge("w" * 43)}
    assert log_in(world, name, said, **elsewhere) == 401  # taken from one login page to another
    assert log_in(world, name, said) == 303
    assert log_in(world, name, said) == 401  # by the counter
    question = asked(world)
    key.count = 2**31
    assert log_in(world, name, key.get(question)) == 303
    assert log_in(world, name, key.get(question)) == 401  # a fresh answer to a spent challenge
    stranger, _ = owner(world)
    assert log_in(world, stranger, key.get(asked(world))) == 401
    registered = key.create(options(world, name))  # an answer to a registration is no login
    assert log_in(world, name, registered) == 401
    with monkeypatch.context() as patched:
        patched.setattr(passkeys, "CHALLENGE_SECONDS", -1)
        late = asked(world)
    assert log_in(world, name, key.get(late)) == 401
    assert log_in(world, name, key.get(asked(world))) == 303


@pytest.mark.weak("every answer of a passkey is believed", "A13")
def test_a13_the_lies_would_pass_where_nothing_is_checked(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    name, key = owner(world)

    async def believed(*_: object) -> bool:
        return True

    monkeypatch.setattr(passkeys.Passkeys, "proves", believed)
    assert {log_in(world, name, lie(key, asked(world))) for lie in LIES} == {303}


@pytest.mark.parametrize("wrong", ["origin", "relying party", "challenge", "not verified", "other session", "spent"])
def test_a13_a_key_is_not_added_from_elsewhere(world: World, wrong: str) -> None:
    name, key = somebody(world), Authenticator(ORIGIN, HOST)
    question, said_for = options(world, name), ""
    if wrong == "origin":
        key.origin = "https://clinic.example:8000"
    elif wrong == "relying party":
        key.relying_party = "example"
    elif wrong == "challenge":
        said_for = text(bytes(56))
    elif wrong == "not verified":
        key.flags = PRESENT
    elif wrong == "other session":
        world.log_in(name)
    elif wrong == "spent":
        assert add(world, name, Authenticator(ORIGIN, HOST).create(question)).status_code == 201
    refused = add(world, name, key.create(question, said_for))
    assert refused.status_code == 422
    assert key.origin not in refused.text
    denied = [one for one in world.audited("second_factor_added", "denied") if one["actor"] == str(world.users[name])]
    assert [one["what"] for one in denied] == ["passkey"]


def test_a13_a_known_credential_is_nobody_elses(world: World) -> None:
    _, key = owner(world)
    thief = somebody(world)
    assert add(world, thief, key.create(options(world, thief))).status_code == 422


def test_the_last_factor_only_an_administrator_takes_away(world: World) -> None:
    name, key = owner(world)
    second = Authenticator(ORIGIN, HOST)
    assert [one["id"] for one in options(world, name)["excludeCredentials"]] == [text(key.credential_id)]
    first_id = world.call("GET", "/api/v1/me/passkeys", name).json()[0]["passkey_id"]
    at = f"/api/v1/me/passkeys/{first_id}"
    assert world.call("DELETE", at, name).status_code == 422
    assert world.call("DELETE", at, "C11").status_code == 404
    assert add(world, name, second.create(options(world, name))).status_code == 201
    assert world.call("DELETE", at, name).status_code == 204
    assert log_in(world, name, key.get(asked(world))) == 401
    assert log_in(world, name, second.get(asked(world))) == 303
    user = f"/api/v1/users/{world.users[name]}/second-factor"
    assert world.call("DELETE", user, "admin").status_code == 204
    assert world.call("GET", "/api/v1/me", name).status_code == 401
    assert log_in(world, name, second.get(asked(world))) == 401
    world.log_in(name)
    removed = [one for one in world.audited("second_factor_removed") if first_id in one["references"]]
    assert len(removed) == 1


def test_a_first_factor_ends_sessions_that_had_none(world: World) -> None:
    name = somebody(world)
    before = world.tokens[name]
    world.log_in(name)
    added = add(world, name, Authenticator(ORIGIN, HOST).create(options(world, name)))
    assert added.status_code == 201
    assert world.call("GET", "/api/v1/me", name).status_code == 200
    assert world.call("GET", "/api/v1/me", before).status_code == 401


def test_a_key_in_the_database_opens_for_its_account_alone(world: World) -> None:
    """Who can write rows gives a key of their own to somebody else: it does not open."""
    name, _ = owner(world)
    thief, stolen = owner(world)
    database = world.container.foundation.database

    async def moved() -> None:
        async with database.transaction() as session:
            mine = await session.scalar(sa.select(Passkey).where(Passkey.user_id == world.users[thief]))
            assert mine is not None
            assert text(stolen.credential_id).encode() not in mine.credential
            mine.user_id = world.users[name]

    world.run(moved())
    stolen.user = world.users[name].bytes
    assert log_in(world, name, stolen.get(asked(world))) == 401
    assert world.audited("login")[-1]["outcome"] == "denied"


def test_a_machine_has_no_second_factor(world: World) -> None:
    body = {"name": f"analyst {uuid4().hex}", "role": "analyst"}
    made = world.call("POST", "/api/v1/clients", "admin", json=body).json()
    given = {"client_id": made["id"], "client_secret": made["secret"]}
    for token in ("service1", world.token(grant_type="client_credentials", **given).json()["access_token"]):
        for method, path, sent in (
            ("GET", "options", None),
            ("POST", "", {"credential": {}}),
            ("DELETE", str(uuid4()), None),
        ):
            at = f"/api/v1/me/passkeys/{path}".rstrip("/")
            assert world.call(method, at, token, json=sent).status_code in (404, 422), at
        confirm = {"code": "123456"}
        assert world.call("POST", "/api/v1/me/second-factor/confirm", token, json=confirm).status_code == 422


def test_an_account_goes_with_its_patient(world: World) -> None:
    """With everything that points to it: sessions, their tokens, its passkeys."""
    patient = world.add_patient(f"gone-{uuid4().hex}", "C11")
    name, key = f"gone-self-{uuid4().hex}", Authenticator(ORIGIN, HOST)
    world.add_user(name, Role.PATIENT, world.organisations[0], UUID(patient))
    world.log_in(name)
    assert add(world, name, key.create(options(world, name))).status_code == 201
    world.run(world.container.foundation.retention.forget(UUID(patient), world.container.operator("test")))
    assert world.call("GET", "/api/v1/me", name).status_code == 401
    assert log_in(world, name, key.get(asked(world))) == 401
    assert world.run(world.container.identity.passkeys.list(world.users[name])) == []


junk = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20) | st.binary(max_size=90).map(text),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


bounded = settings(max_examples=60, deadline=None, derandomize=True, database=None)


def made_for(keys: passkeys.Passkeys) -> dict[str, Any]:
    question = {"challenge": text(keys._challenge("add")), "user": {"id": text(bytes(16))}}
    return Authenticator(ORIGIN, HOST).create(question | {"pubKeyCredParams": [{"alg": -7}]})


def alone() -> passkeys.Passkeys:
    """Without a database, for what does not come so far."""
    return passkeys.Passkeys(*[None] * 4, bytes(32), ORIGIN)  # type: ignore[arg-type]


@bounded
@given(place=st.sampled_from(["id", "rawId", "type", "response", "clientDataJSON", "attestationObject"]), what=junk)
def test_what_is_no_answer_at_all_is_refused_and_breaks_nothing(place: str, what: Any) -> None:
    keys = alone()
    answer = made_for(keys)
    assert keys._made(answer, "add") is not None
    (answer["response"] if place in answer["response"] else answer)[place] = what
    assert keys._made(answer, "add") is None


@bounded
@given(position=st.integers(0, 400), value=st.integers(1, 255))
def test_a_flipped_byte_in_a_new_key_breaks_nothing(position: int, value: int) -> None:
    """Nobody has signed it yet: a byte of the credential's name may be another, and its key be useless."""
    keys = alone()
    answer = made_for(keys)
    content = bytearray(raw(answer["response"]["attestationObject"]))
    content[position % len(content)] ^= value
    answer["response"]["attestationObject"] = text(bytes(content))
    made = keys._made(answer, "add")
    assert made is None or made.user_verified
