"""Logging in and staying logged in: every expiry at its moment, every code, token and ticket once and for its own."""

from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pyotp
import pytest
import sqlalchemy as sa
import structlog
from joserfc.jwk import ECKey

from novamind.errors import AuthenticationError, AuthorizationError
from novamind.infrastructure.identity.attempts import TooManyAttemptsError
from novamind.infrastructure.identity.domain import PERMISSIONS, Permission, Role
from novamind.infrastructure.identity.secrets import digest
from novamind.infrastructure.identity.sessions import (
    AuthorizationRequest,
    ClientProof,
    GrantError,
    Tokens,
    correlation_id,
)
from novamind.infrastructure.identity.tables import (
    Attempts,
    AuthorizationCode,
    OAuthClient,
    RefreshToken,
    Session,
    Ticket,
    User,
)
from tests.infrastructure.clinic import CALLBACK, PASSWORD, SHELL, VERIFIER, Clinic, Clock, challenge, principal
from tests.infrastructure.test_assertions import claims, pair, public, signed

pytestmark = pytest.mark.usefixtures("clock")


@pytest.fixture
def here(clinic: Clinic) -> UUID:
    return clinic.organisation()


@pytest.fixture
def app(clinic: Clinic) -> UUID:
    return clinic.app()


@pytest.fixture
def ada(clinic: Clinic, here: UUID) -> UUID:
    return clinic.user("ada", organisation=here)


def grant_error(work: Any, *arguments: Any) -> str:
    with pytest.raises(GrantError) as caught:
        work(*arguments)
    return f"{caught.value.code}: {caught.value}"


def wrong(clinic: Clinic, *arguments: Any, **more: str) -> None:
    with pytest.raises(AuthenticationError, match="the user name, the password or the second factor is wrong"):
        clinic.code(*arguments, **more)


# --- asking for a code ---


@pytest.mark.parametrize(
    ("what", "complaint"),
    [
        ("right", ""),
        ("second address", ""),
        ("client", "the client or its redirect_uri is not registered"),
        ("address", "the client or its redirect_uri is not registered"),
        ("part of an address", "the client or its redirect_uri is not registered"),
        ("disabled", "the client or its redirect_uri is not registered"),
        ("short", "43 characters"),
        ("long", "43 characters"),
    ],
)
def test_only_a_registered_client_address_and_an_s256_challenge_get_a_code(
    clinic: Clinic, ada: UUID, what: str, complaint: str
) -> None:
    client = clinic.app("app", CALLBACK, "https://clinic.example/second")
    if what == "disabled":
        clinic.execute(sa.update(OAuthClient).values(disabled_at=clinic.rows(OAuthClient)[0].created_at))
    address = {"address": f"{CALLBACK}/x", "second address": "https://clinic.example/second"}.get(what, CALLBACK)
    asked = AuthorizationRequest(
        uuid4() if what == "client" else client,
        CALLBACK[:-1] if what == "part of an address" else address,
        "c" * {"short": 42, "long": 44}.get(what, 43),
    )
    if complaint:
        told = grant_error(clinic.run, clinic.identity.sessions.check_request(asked))
        assert told.startswith("invalid_request: ")
        assert complaint in told
    else:
        clinic.run(clinic.identity.sessions.check_request(asked))
    assert ada


def test_a_login_leaves_a_code_of_a_minute_and_an_entry(clinic: Clinic, ada: UUID, app: UUID, clock: Clock) -> None:
    code = clinic.code(app, "ada")
    (row,) = clinic.rows(AuthorizationCode)
    assert (row.digest, row.client_id, row.user_id) == (digest(code), app, ada)
    assert (row.redirect_uri, row.challenge, row.second_factor) == (CALLBACK, challenge(), False)
    assert (row.expires_at, row.used_at) == (clock.at + timedelta(seconds=60), None)
    told = clinic.entries()[-1]
    assert (told["action"], told["what"], told["outcome"]) == ("login", "session", "success")
    assert (told["actor"], told["role"], told["purpose"]) == (str(ada), "clinician", "identity")
    assert told["references"] == []


def test_whatever_is_wrong_is_told_alike(clinic: Clinic, ada: UUID, app: UUID, clock: Clock) -> None:
    for name, password in (("ada", "wrong"), ("bob", PASSWORD), ("bob", "nobody has this password")):
        wrong(clinic, app, name, password)
        told = clinic.entries()[-1]
        assert (told["action"], told["outcome"], told["actor"], told["role"]) == (
            "login",
            "denied",
            "anonymous",
            "none",
        )
    clinic.execute(sa.update(User).where(User.user_id == ada).values(disabled_at=clock.at))
    wrong(clinic, app, "ada")
    assert clinic.rows(AuthorizationCode) == []


def test_ten_logins_of_a_name_until_one_succeeds(clinic: Clinic, ada: UUID, app: UUID, clock: Clock) -> None:
    for _ in range(9):
        wrong(clinic, app, "ada", "wrong")
    assert clinic.code(app, " ADA ")  # the tenth is right, and counting begins anew
    for _ in range(10):
        wrong(clinic, app, "ada", "wrong")
    with pytest.raises(TooManyAttemptsError):
        clinic.code(app, "ada")
    clock.move(900)
    assert clinic.code(app, "ada")
    assert ada


def test_thirty_failures_of_an_address_and_nobody_logs_in_from_there(
    clinic: Clinic, ada: UUID, app: UUID, clock: Clock
) -> None:
    for n in range(30):
        wrong(clinic, app, f"name {n}")
    with pytest.raises(TooManyAttemptsError):
        clinic.code(app, "ada")
    assert clinic.code(app, "ada", address="10.0.0.2")
    clock.move(899)
    with pytest.raises(TooManyAttemptsError):
        clinic.code(app, "ada")
    clock.move(1)
    assert clinic.code(app, "ada")
    assert len([1 for row in clinic.rows(Attempts) if row.count == 30]) == 1
    assert ada


def test_a_right_login_is_no_failure_of_its_address(clinic: Clinic, ada: UUID, app: UUID) -> None:
    for _ in range(35):
        clinic.code(app, "ada")
    assert clinic.rows(Attempts) == []
    assert ada


def test_whoever_has_a_second_factor_proves_it(clinic: Clinic, ada: UUID, app: UUID, clock: Clock) -> None:
    accounts = clinic.identity.accounts
    who = clinic.whoever(clinic.log_in(app, "ada").access_token)
    totp = pyotp.TOTP(clinic.run(accounts.begin_second_factor(ada, SHELL)))
    assert clinic.code(app, "ada")  # begun is not confirmed
    clinic.run(accounts.confirm_second_factor(who, totp.at(clock.at), SHELL))
    wrong(clinic, app, "ada")
    wrong(clinic, app, "ada", one_time_code=totp.at(clock.at))  # used a moment ago
    clock.move(30)
    wrong(clinic, app, "ada", "wrong password", one_time_code=totp.at(clock.at))
    tokens = clinic.log_in(app, "ada", one_time_code=totp.at(clock.at))
    (row,) = clinic.rows(Session, Session.session_id == clinic.whoever(tokens.access_token).session_id)
    assert row.second_factor


@pytest.mark.parametrize("needed", [True, False])
def test_where_a_second_factor_is_needed_nothing_goes_without(
    clinic: Clinic, ada: UUID, app: UUID, needed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clinic.identity.sessions, "_second_factor_needed", needed)
    tokens = clinic.log_in(app, "ada")
    assert clinic.whoever(tokens.access_token).second_factor is not needed
    clinic.execute(sa.update(Session).values(second_factor=True))
    assert clinic.whoever(tokens.access_token).second_factor
    assert ada


# --- codes ---

CODE = "invalid_grant: the authorisation code is not valid; log in again"


@pytest.mark.parametrize("cookie", [False, True])
@pytest.mark.parametrize(("seconds", "good"), [(59.999, True), (60, False), (61, False)])
def test_a_code_is_good_for_less_than_a_minute(
    clinic: Clinic, ada: UUID, app: UUID, clock: Clock, seconds: float, good: bool, cookie: bool
) -> None:
    code = clinic.code(app, "ada")
    clock.move(seconds)
    sessions = clinic.identity.sessions
    exchange = sessions.exchange_code_for_cookie if cookie else sessions.exchange_code
    work = exchange(app, code, VERIFIER, CALLBACK)
    if good:
        clinic.run(work)
        assert clinic.rows(AuthorizationCode)[0].used_at == clock.at
    else:
        assert grant_error(clinic.run, work) == CODE
        assert clinic.rows(Session) == []
    assert ada


@pytest.mark.parametrize("what", ["client", "address", "verifier", "code", "user disabled", "client disabled"])
def test_a_code_is_for_its_client_address_and_verifier_alone(
    clinic: Clinic, ada: UUID, app: UUID, clock: Clock, what: str
) -> None:
    other = clinic.app("other", CALLBACK, f"{CALLBACK}2")
    code = clinic.code(app, "ada")
    if what == "user disabled":
        clinic.execute(sa.update(User).values(disabled_at=clock.at))
    if what == "client disabled":
        clinic.execute(sa.update(OAuthClient).where(OAuthClient.client_id == app).values(disabled_at=clock.at))
    told = grant_error(
        clinic.exchange,
        other if what == "client" else app,
        code + "x" if what == "code" else code,
        "w" * 43 if what == "verifier" else VERIFIER,
        f"{CALLBACK}2" if what == "address" else CALLBACK,
    )
    assert told == CODE
    assert clinic.rows(Session) == []
    assert clinic.rows(RefreshToken) == []
    if what in ("client", "address", "verifier", "code"):
        assert clinic.exchange(app, code).access_token  # it is not spent by a wrong try
    assert ada


def test_what_a_code_gives(clinic: Clinic, ada: UUID, app: UUID, here: UUID, clock: Clock) -> None:
    clock.move(10)
    tokens = clinic.log_in(app, "ada")
    (row,) = clinic.rows(Session)
    assert (row.client_id, row.user_id, row.second_factor, row.cookie_digest) == (app, ada, False, None)
    assert (row.created_at, row.last_seen_at, row.expires_at) == (clock.at, clock.at, clock.at + timedelta(hours=12))
    assert (row.ended_at, row.end_reason) == (None, None)
    assert row.scopes == sorted(Permission)
    assert (tokens.expires_in, tokens.scopes) == (300, PERMISSIONS[Role.CLINICIAN])
    (kept,) = clinic.rows(RefreshToken)
    assert kept.digest == digest(str(tokens.refresh_token))
    assert (kept.session_id, kept.created_at, kept.used_at) == (row.session_id, clock.at, None)
    who = clinic.whoever(tokens.access_token)
    assert (who.subject, who.session_id, who.role) == (ada, row.session_id, Role.CLINICIAN)
    assert (who.organisation_id, who.patient_id, who.second_factor) == (here, None, True)
    assert who.scopes == frozenset(Permission)


def test_a_client_of_few_scopes_gives_as_few(clinic: Clinic, ada: UUID) -> None:
    made = clinic.identity.accounts.add_client(
        "few", SHELL, redirect_uris=[CALLBACK], scopes=["calculate", "users:manage"]
    )
    tokens = clinic.log_in(clinic.run(made).client_id, "ada")
    assert tokens.scopes == {Permission.CALCULATE}  # of a clinician's
    assert clinic.whoever(tokens.access_token).scopes == {Permission.CALCULATE, Permission.USERS_MANAGE}
    assert ada


def test_a_code_that_comes_twice_ends_what_it_began(clinic: Clinic, ada: UUID, app: UUID, clock: Clock) -> None:
    code = clinic.code(app, "ada")
    tokens = clinic.exchange(app, code)
    other = clinic.log_in(app, "ada")
    clock.move(5)
    assert grant_error(clinic.exchange, app, code) == CODE
    told = clinic.entries()[-1]
    assert (told["action"], told["outcome"], told["actor"]) == ("code_reuse", "success", str(ada))
    first, second = sorted(clinic.rows(Session), key=lambda row: row.ended_at is None)
    assert (first.end_reason, first.ended_at) == ("code_reuse", clock.at)
    assert told["references"] == [str(first.session_id)]
    assert second.ended_at is None
    with pytest.raises(AuthenticationError, match="the session has ended; log in again"):
        clinic.whoever(tokens.access_token)
    assert clinic.whoever(other.access_token)
    clock.move(3600)
    assert grant_error(clinic.exchange, app, code) == CODE
    assert clinic.rows(Session, Session.session_id == first.session_id)[0].ended_at < clock.at  # as it was


# --- refresh tokens ---

REFRESH = "invalid_grant: the refresh token is not valid; log in again"


def refresh(clinic: Clinic, client: UUID, token: Any) -> Tokens:
    tokens: Tokens = clinic.run(clinic.identity.sessions.refresh(client, str(token)))
    return tokens


def test_a_refresh_token_is_good_once(clinic: Clinic, ada: UUID, app: UUID, clock: Clock) -> None:
    first = clinic.log_in(app, "ada")
    clock.move(100)
    second = refresh(clinic, app, first.refresh_token)
    assert clinic.rows(Session)[0].last_seen_at == clock.at
    used = {row.digest: row.used_at for row in clinic.rows(RefreshToken)}
    assert used == {digest(str(first.refresh_token)): clock.at, digest(str(second.refresh_token)): None}
    assert clinic.whoever(second.access_token).subject == ada
    assert (second.expires_in, second.scopes) == (300, PERMISSIONS[Role.CLINICIAN])
    assert grant_error(refresh, clinic, app, first.refresh_token) == REFRESH
    assert (clinic.entries()[-1]["action"], clinic.rows(Session)[0].end_reason) == ("refresh_reuse", "refresh_reuse")
    assert grant_error(refresh, clinic, app, second.refresh_token) == REFRESH
    before = len(clinic.entries())
    assert grant_error(refresh, clinic, app, "unknown") == REFRESH
    assert len(clinic.entries()) == before


def test_a_refresh_token_is_for_its_client_alone(clinic: Clinic, ada: UUID, app: UUID) -> None:
    other, tokens = clinic.app("other"), clinic.log_in(app, "ada")
    assert grant_error(refresh, clinic, other, tokens.refresh_token) == REFRESH
    assert len(clinic.rows(RefreshToken)) == 1
    assert ada


@pytest.mark.parametrize(
    ("what", "seconds", "good"),
    [
        ("silence", 1799, True),
        ("silence", 1800, False),
        ("age", 12 * 3600 - 1, True),
        ("age", 12 * 3600, False),
        ("logout", 1, False),
        ("user disabled", 1, False),
        ("client disabled", 1, False),
    ],
)
def test_a_session_ends_by_silence_age_and_whoever_ends_it(
    clinic: Clinic, ada: UUID, app: UUID, clock: Clock, what: str, seconds: int, good: bool
) -> None:
    tokens = clinic.log_in(app, "ada")
    who = clinic.whoever(tokens.access_token)
    clock.move(seconds)
    if what == "age":
        clinic.execute(sa.update(Session).values(last_seen_at=clock.at))
    if what == "logout":
        clinic.run(clinic.identity.sessions.end(who))
        assert clinic.last() == [("logout", "session", "success", 1)]
        assert clinic.entries()[-1]["references"] == [str(who.session_id)]
    if "disabled" in what:
        table = User if what == "user disabled" else OAuthClient
        clinic.execute(sa.update(table).values(disabled_at=clock.at))
    sessions = clinic.identity.sessions
    if good:
        assert clinic.run(sessions.authenticate_session(who.session_id)) == who
        assert refresh(clinic, app, tokens.refresh_token)
    else:
        with pytest.raises(AuthenticationError, match="the session has ended; log in again"):
            clinic.run(sessions.authenticate_session(who.session_id))
        assert grant_error(refresh, clinic, app, tokens.refresh_token) == REFRESH
    assert ada


@pytest.mark.parametrize(("seconds", "noted"), [(180, False), (181, True)])
@pytest.mark.parametrize("cookie", [False, True])
def test_that_somebody_was_here_is_noted_after_a_tenth_of_the_silence_that_ends_it(
    clinic: Clinic, ada: UUID, app: UUID, clock: Clock, seconds: int, noted: bool, cookie: bool
) -> None:
    sessions, begun = clinic.identity.sessions, clock.at
    if cookie:
        secret = clinic.run(sessions.exchange_code_for_cookie(app, clinic.code(app, "ada"), VERIFIER, CALLBACK))
        ask = sessions.authenticate_cookie(secret)
    else:
        ask = sessions.authenticate(clinic.log_in(app, "ada").access_token)
    clinic.log_in(app, "ada")  # another, which is silent
    clock.move(seconds)
    who = clinic.run(ask)
    seen = {row.session_id: row.last_seen_at for row in clinic.rows(Session)}
    assert seen.pop(who.session_id) == (clock.at if noted else begun)
    assert list(seen.values()) == [begun]
    assert ada


def test_a_cookie_stands_for_its_session(clinic: Clinic, ada: UUID, app: UUID) -> None:
    sessions = clinic.identity.sessions
    code = clinic.code(app, "ada")
    cookie = clinic.run(sessions.exchange_code_for_cookie(app, code, VERIFIER, CALLBACK))
    (row,) = clinic.rows(Session)
    assert row.cookie_digest == digest(cookie)
    assert clinic.rows(RefreshToken) == []
    assert clinic.run(sessions.authenticate_cookie(cookie)).session_id == row.session_id
    for other in ("", f"{cookie}x", cookie[:-1]):
        with pytest.raises(AuthenticationError, match="has ended"):
            clinic.run(sessions.authenticate_cookie(other))
    assert ada


def test_a_token_and_its_session_agree_on_who_and_which_realm(clinic: Clinic, ada: UUID, app: UUID) -> None:
    from novamind.infrastructure.identity.tokens import TokenClaims

    session_id = clinic.whoever(clinic.log_in(app, "ada").access_token).session_id
    issue = clinic.identity.tokens.issue
    assert clinic.whoever(issue(TokenClaims(session_id, ada, "novamind"))).subject == ada
    for claims_ in (TokenClaims(session_id, uuid4(), "novamind"), TokenClaims(session_id, ada, "novamind-populations")):
        with pytest.raises(AuthenticationError, match="has ended"):
            clinic.whoever(issue(claims_))


def test_what_ties_somebody_to_a_patient_comes_with_the_session(
    clinic: Clinic, ada: UUID, app: UUID, here: UUID
) -> None:
    patient = clinic.patient(here)
    clinic.run(clinic.foundation.store.relate(ada, patient, SHELL))
    tokens = clinic.log_in(app, "ada")
    who = clinic.whoever(tokens.access_token, patient)
    assert who.ties[patient].treats
    assert who.ties[patient].organisation_id == here
    assert clinic.whoever(tokens.access_token).ties == {}
    again = clinic.run(clinic.identity.sessions.authenticate_session(who.session_id, patient))
    assert again.ties[patient].treats


def test_a_patient_is_known_by_their_record(clinic: Clinic, app: UUID, here: UUID) -> None:
    patient = clinic.patient(here)
    clinic.user("pat", Role.PATIENT, here, patient)
    who = clinic.whoever(clinic.log_in(app, "pat").access_token)
    assert (who.role, who.patient_id, who.organisation_id) == (Role.PATIENT, patient, here)


# --- machines ---


def machine(clinic: Clinic, here: UUID, **more: Any) -> tuple[UUID, str]:
    stated = {"role": Role.SERVICE, "organisation_id": here} | more
    made = clinic.run(clinic.identity.accounts.add_client(f"machine {uuid4().hex}", SHELL, **stated))
    return made.client_id, str(made.secret)


def proved(clinic: Clinic, scopes: Any = None, **more: Any) -> Tokens:
    stated = {"client_id": None, "secret": "", "assertion": "", "address": "10.0.0.9"} | more
    tokens: Tokens = clinic.run(clinic.identity.sessions.client_credentials(ClientProof(**stated), scopes))
    return tokens


CLIENT = "invalid_client: the client, its secret or its signed token is wrong"


def test_a_machine_with_its_secret_gets_a_token_and_no_more(clinic: Clinic, here: UUID, clock: Clock) -> None:
    client, secret = machine(clinic, here)
    tokens = proved(clinic, client_id=client, secret=secret)
    assert (tokens.refresh_token, tokens.expires_in) == (None, 300)
    assert tokens.scopes == PERMISSIONS[Role.SERVICE]
    (row,) = clinic.rows(Session)
    assert (row.client_id, row.user_id, row.second_factor) == (client, None, True)
    assert row.expires_at == clock.at + timedelta(seconds=300)
    assert row.scopes == sorted(PERMISSIONS[Role.SERVICE])
    told = clinic.entries()[-1]
    assert [told[name] for name in ("action", "outcome", "actor", "role", "what")] == [
        "client_login",
        "success",
        str(client),
        "service",
        "session",
    ]
    who = clinic.whoever(tokens.access_token)
    assert (who.subject, who.session_id, who.role, who.organisation_id) == (client, row.session_id, Role.SERVICE, here)
    assert (who.patient_id, who.second_factor) == (None, True)
    clock.move(299)
    assert clinic.whoever(tokens.access_token)
    clock.move(1)
    with pytest.raises(AuthenticationError):
        clinic.whoever(tokens.access_token)


def test_a_machine_gets_what_it_asks_for_of_what_it_has(clinic: Clinic, here: UUID) -> None:
    client, secret = machine(clinic, here, scopes=["patients:read", "system/Observation.rs"])
    tokens = proved(clinic, ["patients:read", "records:write"], client_id=client, secret=secret)
    assert tokens.scopes == {"patients:read"}
    who = clinic.whoever(proved(clinic, client_id=client, secret=secret).access_token)
    assert who.scopes == {Permission.PATIENTS_READ, Permission.FHIR_READ}
    assert who.fhir_types == {Permission.FHIR_READ: {"Observation"}}
    before = len(clinic.rows(Session))
    told = grant_error(lambda: proved(clinic, ["records:write"], client_id=client, secret=secret))
    assert told == "invalid_scope: the client has none of these scopes"
    assert len(clinic.rows(Session)) == before


@pytest.mark.parametrize("what", ["secret", "no secret", "client", "no client", "app", "disabled", "rubbish", "also"])
def test_a_machine_that_proves_nothing_is_refused(clinic: Clinic, here: UUID, clock: Clock, what: str) -> None:
    client, secret = machine(clinic, here)
    stated: dict[str, Any] = {"client_id": client, "secret": secret}
    if what == "disabled":
        clinic.execute(sa.update(OAuthClient).values(disabled_at=clock.at))
    stated |= {
        "secret": {"secret": f"{secret}x"},
        "no secret": {"secret": ""},
        "client": {"client_id": uuid4()},
        "no client": {"client_id": None},
        "app": {"client_id": clinic.app("people's"), "secret": ""},
        "rubbish": {"assertion": "a.b.c"},
        "also": {"assertion": signed(claims(clock, iss=str(client), sub=str(client)))},
    }.get(what, {})
    assert grant_error(lambda: proved(clinic, **stated)) == CLIENT
    told = clinic.entries()[-1]
    assert (told["action"], told["outcome"], told["actor"], told["role"]) == (
        "client_login",
        "denied",
        "anonymous",
        "none",
    )
    assert clinic.rows(Session) == []
    assert sorted(row.count for row in clinic.rows(Attempts)) == [1, 1]  # of the client, and of the address


def test_ten_failures_of_a_client_or_thirty_of_an_address_are_enough(clinic: Clinic, here: UUID, clock: Clock) -> None:
    (client, secret), (other, others) = machine(clinic, here), machine(clinic, here)
    for _ in range(10):
        grant_error(lambda: proved(clinic, client_id=client, secret="x"))  # noqa: S106
    with pytest.raises(TooManyAttemptsError):
        proved(clinic, client_id=client, secret=secret)
    assert proved(clinic, client_id=other, secret=others)
    for _ in range(20):
        grant_error(lambda: proved(clinic, client_id=uuid4(), secret="x"))  # noqa: S106
    with pytest.raises(TooManyAttemptsError):
        proved(clinic, client_id=other, secret=others)
    assert proved(clinic, client_id=other, secret=others, address="10.0.0.10")
    clock.move(900)
    assert proved(clinic, client_id=client, secret=secret)


def test_a_machine_that_signs_is_known_by_its_keys(clinic: Clinic, here: UUID, clock: Clock) -> None:
    client, _ = machine(clinic, here, key_set={"keys": [public(pair())]})
    endpoint = f"{clinic.settings.public_url}/oauth/token"

    def said(**more: Any) -> str:
        return signed(claims(clock, iss=str(client), sub=str(client), aud=endpoint, jti=uuid4().hex) | more)

    token = said()
    assert clinic.whoever(proved(clinic, assertion=token).access_token).subject == client
    assert grant_error(lambda: proved(clinic, assertion=token)) == CLIENT
    assert proved(clinic, assertion=said(), client_id=client)
    for wrong_ in (
        {"assertion": said(sub=str(uuid4()))},
        {"assertion": said(aud="https://other.example")},
        {"assertion": said(), "client_id": uuid4()},
        {"client_id": client},
    ):
        assert grant_error(lambda wrong_=wrong_: proved(clinic, **wrong_)) == CLIENT
    stranger = ECKey.generate_key("P-384", {"kid": "1"})
    from joserfc import jwt

    foreign = jwt.encode(
        {"alg": "ES384", "kid": "1"},
        claims(clock, iss=str(client), sub=str(client), aud=endpoint),
        stranger,
        algorithms=["ES384"],
    )
    assert grant_error(lambda: proved(clinic, assertion=foreign)) == CLIENT
    clinic.execute(sa.update(OAuthClient).values(disabled_at=clock.at))
    assert grant_error(lambda: proved(clinic, assertion=said())) == CLIENT


@pytest.mark.parametrize(("seconds", "good"), [(3599, True), (3600, False)])
def test_an_api_key_is_good_until_its_end(clinic: Clinic, here: UUID, clock: Clock, seconds: int, good: bool) -> None:
    client, _ = machine(clinic, here, scopes=["calculate", "system/Condition.c"])
    add = clinic.identity.accounts.add_api_key(client, timedelta(hours=1), SHELL, None)
    key_id, key = clinic.run(add)
    clock.move(seconds)
    if not good:
        with pytest.raises(AuthenticationError, match="the API key is not valid"):
            clinic.whoever(key)
        return
    who = clinic.whoever(key)
    assert (who.subject, who.session_id, who.role) == (client, key_id, Role.SERVICE)
    assert (who.organisation_id, who.patient_id) == (here, None)
    assert who.scopes == {Permission.CALCULATE, Permission.FHIR_WRITE}
    assert who.fhir_types == {Permission.FHIR_WRITE: {"Condition"}}
    clinic.run(clinic.identity.accounts.revoke_api_key(key_id, SHELL, None))
    with pytest.raises(AuthenticationError, match="the API key is not valid"):
        clinic.whoever(key)


@pytest.mark.parametrize("how", ["disabled", "without a role", "unknown"])
def test_an_api_key_goes_with_its_client(clinic: Clinic, here: UUID, clock: Clock, how: str) -> None:
    client, _ = machine(clinic, here)
    _, key = clinic.run(clinic.identity.accounts.add_api_key(client, timedelta(hours=1), SHELL, None))
    assert clinic.whoever(key)
    changed = {"disabled": {"disabled_at": clock.at}, "without a role": {"role": None}}.get(how)
    if changed:
        clinic.execute(sa.update(OAuthClient).values(changed))
    with pytest.raises(AuthenticationError, match="the API key is not valid"):
        clinic.whoever(key if changed else f"{key}x")


# --- tickets ---


@pytest.mark.parametrize(("seconds", "good"), [(29.999, True), (30, False)])
def test_a_ticket_is_good_once_for_less_than_half_a_minute(
    clinic: Clinic, ada: UUID, app: UUID, clock: Clock, seconds: float, good: bool
) -> None:
    sessions, patient = clinic.identity.sessions, uuid4()
    who = clinic.whoever(clinic.log_in(app, "ada").access_token)
    ticket = clinic.run(sessions.new_ticket(who, patient))
    (row,) = clinic.rows(Ticket)
    assert (row.digest, row.session_id, row.patient_id) == (digest(ticket), who.session_id, patient)
    assert (row.expires_at, row.used_at) == (clock.at + timedelta(seconds=30), None)
    clock.move(seconds)
    if good:
        assert clinic.run(sessions.use_ticket(ticket)) == (who, patient)
        assert clinic.rows(Ticket)[0].used_at == clock.at
    for other in (ticket, "x"):
        with pytest.raises(AuthenticationError, match="the ticket is not valid"):
            clinic.run(sessions.use_ticket(other))
    clinic.run(sessions.new_ticket(who, patient))
    assert len(clinic.rows(Ticket)) == 1 + good  # what has expired is swept out
    assert ada


def test_a_ticket_goes_with_its_session_and_is_not_for_api_keys(clinic: Clinic, ada: UUID, app: UUID) -> None:
    sessions = clinic.identity.sessions
    who = clinic.whoever(clinic.log_in(app, "ada").access_token)
    ticket = clinic.run(sessions.new_ticket(who, uuid4()))
    clinic.run(sessions.end(who))
    with pytest.raises(AuthenticationError, match="has ended"):
        clinic.run(sessions.use_ticket(ticket))
    with pytest.raises(AuthorizationError, match="not for API keys"):
        clinic.run(sessions.new_ticket(principal(), uuid4()))
    assert ada


@pytest.mark.parametrize("how", ["code", "refresh", "ticket", "cookie", "key", "secret"])
def test_of_a_secret_512_characters_are_looked_at(
    clinic: Clinic, here: UUID, app: UUID, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from novamind.infrastructure.identity import sessions as module

    lengths: list[int] = []

    def noted(secret: str) -> bytes:
        lengths.append(len(secret))
        return digest(secret)

    monkeypatch.setattr(module, "digest", noted)
    sessions, long = clinic.identity.sessions, "x" * 600
    attempt = {
        "code": lambda: sessions.exchange_code(app, long, VERIFIER, CALLBACK),
        "refresh": lambda: sessions.refresh(app, long),
        "ticket": lambda: sessions.use_ticket(long),
        "cookie": lambda: sessions.authenticate_cookie(long),
        "key": lambda: sessions.authenticate(f"nmk_{long}"),
        "secret": lambda: sessions.client_credentials(ClientProof(app, long, "", "10.0.0.1"), None),
    }[how]
    with pytest.raises((GrantError, AuthenticationError)):
        clinic.run(attempt())
    assert lengths == [512]
    assert here


def test_an_entry_is_joined_to_its_request() -> None:
    structlog.contextvars.clear_contextvars()
    assert correlation_id() == "none"
    structlog.contextvars.bind_contextvars(correlation_id="theirs")
    assert correlation_id() == "theirs"
    structlog.contextvars.bind_contextvars(request_id="ours")
    assert correlation_id() == "ours"
