"""Passkeys: what a browser is asked, how long a challenge is good, and which keys are kept and let go."""

import json
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa

from novamind.errors import NotFoundError, ValidationError
from novamind.infrastructure.identity import passkeys as module
from novamind.infrastructure.identity.domain import Principal
from novamind.infrastructure.identity.passkeys import KnownPasskey, Passkeys
from novamind.infrastructure.identity.tables import Attempts, Passkey, Session, User
from tests.infrastructure.clinic import SHELL, Clinic, Clock, principal
from tests.security.authenticator import Authenticator, raw, text

ORIGIN, HOST = "https://clinic.example", "clinic.example"
OCCASION = "c" * 43


@pytest.fixture
def keys(clinic: Clinic, clock: Clock) -> Passkeys:
    """As they are under a name."""
    del clock
    made = clinic.identity.passkeys
    made._origin, made._relying_party, made.offered = ORIGIN, HOST, True
    return made


@pytest.fixture
def ada(clinic: Clinic, keys: Passkeys) -> Principal:
    """A clinician who has just logged in."""
    del keys
    clinic.user("ada", organisation=clinic.organisation())
    return clinic.whoever(clinic.log_in(clinic.app(), "ada").access_token)


def added(clinic: Clinic, who: Principal, key: Authenticator | None = None) -> UUID:
    key = key or Authenticator(ORIGIN, HOST)
    options = clinic.run(clinic.identity.passkeys.options_to_add(who))
    return UUID(str(clinic.run(clinic.identity.passkeys.add(who, key.create(options), SHELL))))


def proves(clinic: Clinic, who: UUID, said: Any, occasion: str = OCCASION) -> bool:
    async def work() -> bool:
        async with clinic.foundation.database.transaction() as session:
            return await clinic.identity.passkeys.proves(
                session, who, said if isinstance(said, str) else json.dumps(said), occasion
            )

    proved = clinic.run(work())
    assert isinstance(proved, bool)
    return proved


@pytest.mark.parametrize(
    ("address", "offered"),
    [
        ("https://clinic.example", True),
        ("http://localhost:8000", True),
        ("http://127.0.0.1:8000", False),
        ("http://[::1]:8000", False),
    ],
)
def test_passkeys_are_offered_under_a_name_and_not_under_an_address(
    clinic: Clinic, address: str, offered: bool
) -> None:
    made = Passkeys(clinic.foundation.database, clinic.foundation.audit, None, None, bytes(32), address)  # type: ignore[arg-type]
    assert made.offered is offered
    if not offered:
        for work in (made.options_to_add(principal()), made.add(principal(), {}, SHELL)):
            with pytest.raises(ValidationError, match="passkeys need a host name: set NOVAMIND_PUBLIC_URL"):
                clinic.run(work)


def test_what_a_browser_is_asked_to_make(clinic: Clinic, ada: Principal) -> None:
    key = Authenticator(ORIGIN, HOST)
    added(clinic, ada, key)
    asked = clinic.run(clinic.identity.passkeys.options_to_add(ada))
    assert len(raw(asked.pop("challenge"))) == 16 + 8 + 32
    algorithms = {one["alg"] for one in asked.pop("pubKeyCredParams")}
    assert algorithms >= {-7, -8, -257}
    assert asked == {
        "rp": {"name": "Novamind", "id": HOST},
        "user": {"id": text(ada.subject.bytes), "name": "ada", "displayName": "ada"},
        "timeout": 600_000,
        "excludeCredentials": [{"type": "public-key", "id": text(key.credential_id)}],
        "authenticatorSelection": {
            "residentKey": "required",
            "requireResidentKey": True,
            "userVerification": "required",
        },
        "attestation": "none",
    }
    with pytest.raises(ValidationError, match="a machine has no passkeys"):
        clinic.run(clinic.identity.passkeys.options_to_add(principal()))


def test_what_a_browser_is_asked_to_prove(keys: Passkeys) -> None:
    asked = keys.options_to_prove(OCCASION)
    assert len(raw(asked.pop("challenge"))) == 56
    assert asked == {"rpId": HOST, "timeout": 600_000, "allowCredentials": [], "userVerification": "required"}


def test_a_key_is_kept_sealed_and_the_session_has_its_second_factor(
    clinic: Clinic, ada: Principal, clock: Clock
) -> None:
    other = clinic.log_in(clinic.app("other"), "ada")
    key = Authenticator(ORIGIN, HOST, count=5)
    clock.move(30)
    passkey_id = added(clinic, ada, key)
    (row,) = clinic.rows(Passkey)
    assert (row.passkey_id, row.user_id, row.sign_count) == (passkey_id, ada.subject, 5)
    assert (row.created_at, row.used_at) == (clock.at, None)
    assert row.credential_digest == module._digest(key.credential_id)
    assert key.credential_id not in row.credential
    kept = json.loads(
        clinic.identity.passkeys._seal.open(row.credential, f"passkeys.credential.{ada.subject.hex}", row.passkey_id)
    )
    assert raw(kept["id"]) == key.credential_id
    assert clinic.last() == [("second_factor_added", "passkey", "success", 1)]
    assert clinic.entries()[-1]["references"] == [str(passkey_id)]
    states = {row.session_id == ada.session_id: (row.second_factor, row.end_reason) for row in clinic.rows(Session)}
    assert states == {True: (True, None), False: (False, "second_factor_added")}
    assert other.access_token
    listed = clinic.run(clinic.identity.passkeys.list(ada.subject))
    assert listed == [KnownPasskey(passkey_id, clock.at, None)]


@pytest.mark.parametrize(("seconds", "good"), [(600, True), (601, False)])
def test_a_challenge_is_good_for_ten_minutes(
    clinic: Clinic, ada: Principal, clock: Clock, seconds: int, good: bool
) -> None:
    keys, key = clinic.identity.passkeys, Authenticator(ORIGIN, HOST)
    answer = key.create(clinic.run(keys.options_to_add(ada)))
    clock.move(seconds)
    clinic.execute(sa.update(Session).values(last_seen_at=clock.at))
    if good:
        clinic.run(keys.add(ada, answer, SHELL))
        assert {row.ends_at for row in clinic.rows(Attempts)} == {clock.at + timedelta(seconds=600)}
    else:
        with pytest.raises(ValidationError, match="reload the page"):
            clinic.run(keys.add(ada, answer, SHELL))
        assert clinic.last() == [("second_factor_added", "passkey", "denied", 0)]
        added(clinic, ada, key)
    question = keys.options_to_prove(OCCASION)
    clock.move(seconds)
    assert proves(clinic, ada.subject, key.get(question)) is good


def test_a_challenge_is_spent_and_bound_to_its_occasion(clinic: Clinic, ada: Principal, clock: Clock) -> None:
    keys, key = clinic.identity.passkeys, Authenticator(ORIGIN, HOST)
    added(clinic, ada, key)
    question = keys.options_to_prove(OCCASION)
    assert not proves(clinic, ada.subject, key.get(question), "another occasion")
    clock.move(10)
    assert proves(clinic, ada.subject, key.get(question))
    (row,) = clinic.rows(Passkey)
    assert (row.sign_count, row.used_at) == (key.count, clock.at)
    assert not proves(clinic, ada.subject, key.get(question))
    adding = clinic.run(keys.options_to_add(ada))
    assert not proves(clinic, ada.subject, key.get(adding))
    with pytest.raises(ValidationError, match="reload"):
        clinic.run(
            keys.add(ada, Authenticator(ORIGIN, HOST).create(adding, keys.options_to_prove("x")["challenge"]), SHELL)
        )
    from dataclasses import replace

    elsewhere = replace(ada, session_id=uuid4())
    with pytest.raises(ValidationError, match="reload"):
        clinic.run(keys.add(elsewhere, Authenticator(ORIGIN, HOST).create(adding), SHELL))


@pytest.mark.parametrize("change", ["origin", "relying_party", "flags", "framed", "count", "user"])
def test_a_dishonest_answer_proves_nothing(clinic: Clinic, ada: Principal, change: str) -> None:
    keys, key = clinic.identity.passkeys, Authenticator(ORIGIN, HOST, count=3)
    added(clinic, ada, key)
    wrong = {
        "origin": "https://evil.example",
        "relying_party": "evil.example",
        "flags": 1,
        "framed": True,
        "count": 1,
        "user": uuid4().bytes,
    }[change]
    before = getattr(key, change)
    setattr(key, change, wrong)
    assert not proves(clinic, ada.subject, key.get(keys.options_to_prove(OCCASION)))
    setattr(key, change, before if change != "count" else 9)
    assert proves(clinic, ada.subject, key.get(keys.options_to_prove(OCCASION)))


@pytest.mark.parametrize("change", ["origin", "relying_party", "flags", "framed"])
def test_a_dishonest_answer_is_not_kept(clinic: Clinic, ada: Principal, change: str) -> None:
    wrong = {"origin": "https://evil.example", "relying_party": "evil.example", "flags": 1, "framed": True}[change]
    key = Authenticator(ORIGIN, HOST)
    setattr(key, change, wrong)
    with pytest.raises(ValidationError, match="reload"):
        added(clinic, ada, key)
    assert clinic.rows(Passkey) == []
    assert not clinic.rows(Session)[0].second_factor


@pytest.mark.parametrize("said", ["", "{}", "[]", "null", '{"id": 1}', '{"id": "a", "rawId": "a", "response": {}}'])
def test_what_is_no_answer_proves_nothing(clinic: Clinic, ada: Principal, said: str) -> None:
    assert not proves(clinic, ada.subject, said)
    with pytest.raises(ValidationError, match="reload"):
        clinic.run(clinic.identity.passkeys.add(ada, {"response": {"clientDataJSON": said}}, SHELL))


def test_a_key_proves_its_own_account_while_it_is_as_it_was_stored(clinic: Clinic, ada: Principal) -> None:
    keys, key = clinic.identity.passkeys, Authenticator(ORIGIN, HOST)
    added(clinic, ada, key)
    bob = clinic.user("bob", organisation=ada.organisation_id)
    assert not proves(clinic, bob, key.get(keys.options_to_prove(OCCASION)))
    key.user = b""  # a key that does not say whose it is
    said = key.get(keys.options_to_prove(OCCASION))
    del said["response"]["userHandle"]
    assert proves(clinic, ada.subject, said)
    stranger = Authenticator(ORIGIN, HOST)
    stranger.user = ada.subject.bytes
    assert not proves(clinic, ada.subject, stranger.get(keys.options_to_prove(OCCASION)))
    key.user = bob.bytes
    clinic.execute(sa.update(Passkey).values(user_id=bob))  # somebody moves it
    assert not proves(clinic, bob, key.get(keys.options_to_prove(OCCASION)))


def test_two_answers_at_once_are_one(clinic: Clinic, ada: Principal) -> None:
    keys, key = clinic.identity.passkeys, Authenticator(ORIGIN, HOST)
    added(clinic, ada, key)
    first, second = (key.get(keys.options_to_prove(OCCASION)) for _ in range(2))

    async def moved(session: Any, *arguments: Any) -> Any:
        row = await scalar(session, *arguments)
        if isinstance(row, Passkey):  # meanwhile another worker has seen the next answer
            await session.execute(sa.update(Passkey).values(sign_count=77).execution_options(synchronize_session=False))
        return row

    from sqlalchemy.ext.asyncio import AsyncSession

    scalar = AsyncSession.scalar
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(AsyncSession, "scalar", moved)
        assert not proves(clinic, ada.subject, first)
    assert clinic.rows(Passkey)[0].used_at is None
    assert not proves(clinic, ada.subject, second)  # its count is below 77


def test_an_account_has_ten_keys_at_most_and_none_twice(clinic: Clinic, ada: Principal, clock: Clock) -> None:
    made = [Authenticator(ORIGIN, HOST) for _ in range(10)]
    ids = []
    for key in made:
        clock.move(1)
        ids.append(added(clinic, ada, key))
    with pytest.raises(ValidationError, match="reload"):
        added(clinic, ada)
    assert [one.passkey_id for one in clinic.run(clinic.identity.passkeys.list(ada.subject))] == ids
    clinic.run(clinic.identity.passkeys.remove(ada, ids[0], SHELL))
    with pytest.raises(ValidationError, match="reload"):
        added(clinic, ada, made[1])
    assert clinic.last() == [("second_factor_added", "passkey", "denied", 0)]
    added(clinic, ada, made[0])
    assert len(clinic.rows(Passkey)) == 10


def test_one_challenge_adds_one_key(clinic: Clinic, ada: Principal) -> None:
    keys = clinic.identity.passkeys
    options = clinic.run(keys.options_to_add(ada))
    clinic.run(keys.add(ada, Authenticator(ORIGIN, HOST).create(options), SHELL))
    with pytest.raises(ValidationError, match="reload"):
        clinic.run(keys.add(ada, Authenticator(ORIGIN, HOST).create(options), SHELL))
    assert len(clinic.rows(Passkey)) == 1


def test_a_key_of_ones_own_is_forgotten_unless_it_is_the_last(clinic: Clinic, ada: Principal, clock: Clock) -> None:
    keys = clinic.identity.passkeys
    first, second = added(clinic, ada), added(clinic, ada)
    for who, which in ((ada, uuid4()), (principal(), first)):
        with pytest.raises(NotFoundError, match="there is no passkey of this id"):
            clinic.run(keys.remove(who, which, SHELL))
    clinic.run(keys.remove(ada, first, SHELL))
    assert clinic.last() == [("second_factor_removed", "passkey", "success", 1)]
    assert clinic.entries()[-1]["references"] == [str(first)]
    with pytest.raises(ValidationError, match="your only second factor"):
        clinic.run(keys.remove(ada, second, SHELL))
    assert [row.passkey_id for row in clinic.rows(Passkey)] == [second]
    clinic.execute(sa.update(User).values(totp_confirmed_at=clock.at))
    clinic.run(keys.remove(ada, second, SHELL))
    assert clinic.rows(Passkey) == []


def test_whoever_has_a_key_is_asked_for_it(clinic: Clinic, ada: Principal) -> None:
    from novamind.errors import AuthenticationError
    from novamind.infrastructure.identity.sessions import AuthorizationRequest, Credentials
    from tests.infrastructure.clinic import CALLBACK, PASSWORD, challenge

    key, app = Authenticator(ORIGIN, HOST), clinic.app("third")
    assert clinic.code(app, "ada")
    added(clinic, ada, key)
    with pytest.raises(AuthenticationError):
        clinic.code(app, "ada")
    asked = AuthorizationRequest(app, CALLBACK, challenge())

    def log_in(answer: Any, password: str = PASSWORD) -> str:
        said = Credentials("ada", password, "", "10.0.0.1", json.dumps(answer))
        return str(clinic.run(clinic.identity.sessions.log_in(asked, said)))

    for answer in ({}, key.get(clinic.identity.passkeys.options_to_prove("x" * 43))):
        with pytest.raises(AuthenticationError):
            log_in(answer)
    code = log_in(key.get(clinic.identity.passkeys.options_to_prove(asked.challenge)))
    who = clinic.whoever(clinic.exchange(app, code).access_token)
    assert [row.second_factor for row in clinic.rows(Session, Session.session_id == who.session_id)] == [True]
