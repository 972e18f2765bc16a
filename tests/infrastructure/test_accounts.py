"""Accounts, clients and keys: who may be made, changed and shut by whom, and what the audit is told of it."""

from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pyotp
import pytest
import sqlalchemy as sa
from joserfc.jwk import ECKey

from novamind.errors import NotFoundError, ValidationError
from novamind.infrastructure.audit import Access
from novamind.infrastructure.identity.accounts import Account
from novamind.infrastructure.identity.domain import PERMISSIONS, Permission, Principal, Role
from novamind.infrastructure.identity.secrets import digest
from novamind.infrastructure.identity.tables import ApiKey, OAuthClient, Passkey, Session, User
from tests.infrastructure.clinic import CALLBACK, PASSWORD, SHELL, Clinic, Clock, principal

pytestmark = pytest.mark.usefixtures("clock")
PERSON = UUID(int=7)


@pytest.fixture
def here(clinic: Clinic) -> UUID:
    return clinic.organisation()


def refusal(clinic: Clinic, work: Any) -> str:
    with pytest.raises((ValidationError, NotFoundError)) as caught:
        clinic.run(work)
    return f"{type(caught.value).__name__}: {caught.value}"


# --- people ---


@pytest.mark.parametrize(
    ("role", "in_clinic", "with_patient", "complaint"),
    [
        (Role.CLINICIAN, True, False, ""),
        (Role.CLINICIAN, False, False, "a clinician belongs to an organisation"),
        (Role.CLINICIAN, True, True, "names the patient, and no other"),
        (Role.PATIENT, True, True, ""),
        (Role.PATIENT, True, False, "names the patient, and no other"),
        (Role.PATIENT, False, True, "a patient belongs to an organisation"),
        (Role.ANALYST, False, False, ""),
        (Role.ADMIN, False, False, ""),
        (Role.AUDITOR, False, False, ""),
        (Role.RESEARCHER, False, False, ""),
        (Role.RESEARCHER, True, False, ""),
        (Role.SERVICE, True, False, "a service is a client"),
    ],
)
def test_role_organisation_and_patient_fit_together(
    clinic: Clinic, here: UUID, role: Role, in_clinic: bool, with_patient: bool, complaint: str
) -> None:
    made = clinic.identity.accounts.add_user(
        "ada",
        PASSWORD,
        role,
        SHELL,
        organisation_id=here if in_clinic else None,
        patient_id=PERSON if with_patient else None,
    )
    if complaint:
        assert complaint in refusal(clinic, made)
        assert clinic.rows(User) == []
        return
    user_id = clinic.run(made)
    (row,) = clinic.rows(User)
    assert (row.user_id, row.role) == (user_id, role)
    assert row.organisation_id == (here if in_clinic else None)
    assert row.patient_id == (PERSON if with_patient else None)


def test_a_new_account_is_written_and_told(clinic: Clinic, here: UUID, clock: Clock) -> None:
    user_id = clinic.user("Ada Lovelace", organisation=here)
    (row,) = clinic.rows(User)
    assert row.created_at == clock.at
    assert (row.totp_secret, row.totp_confirmed_at, row.totp_step, row.disabled_at) == (None, None, None, None)
    assert row.name_digest == clinic.foundation.index.keyed("users.name", "ada lovelace")
    assert b"Ada" not in row.name
    assert row.password_hash.startswith("$argon2id$")
    told = clinic.entries()[-1]
    assert (told["action"], told["what"], told["outcome"], told["count"]) == ("write", "user", "success", 1)
    assert (told["references"], told["actor"], told["patient"]) == ([str(user_id)], "shell", None)


@pytest.mark.parametrize(
    ("name", "good"), [("", False), (" \t", False), ("a", True), ("a" * 200, True), ("a" * 201, False)]
)
def test_a_user_name_has_1_to_200_characters(clinic: Clinic, here: UUID, name: str, good: bool) -> None:
    made = clinic.identity.accounts.add_user(name, PASSWORD, Role.CLINICIAN, SHELL, organisation_id=here)
    if good:
        clinic.run(made)
    else:
        assert "1 to 200 characters" in refusal(clinic, made)


def test_a_name_is_taken_however_it_is_spelt(clinic: Clinic, here: UUID) -> None:
    clinic.user("Zoë", organisation=here)
    for spelling in ("zoë", " ZOË ", "Zoe\u0308"):
        made = clinic.identity.accounts.add_user(spelling, PASSWORD, Role.CLINICIAN, SHELL, organisation_id=here)
        assert "the user name is taken" in refusal(clinic, made)
    clinic.user("Zoe", organisation=here)
    nowhere = clinic.identity.accounts.add_user("Bob", PASSWORD, Role.CLINICIAN, SHELL, organisation_id=uuid4())
    assert "no such organisation" in refusal(clinic, nowhere)
    weak = clinic.identity.accounts.add_user("Cyd", "short", Role.CLINICIAN, SHELL, organisation_id=here)
    assert "12 to 256" in refusal(clinic, weak)


def test_accounts_are_listed_in_the_order_of_their_ids_within_one_clinic_or_all(clinic: Clinic, here: UUID) -> None:
    there = clinic.organisation("Other")
    mine = sorted(clinic.user(f"mine{n}", organisation=here) for n in range(3))
    other = clinic.user("other", organisation=there)
    person = clinic.user("person", Role.PATIENT, here, PERSON)
    nowhere = clinic.user("nowhere", Role.AUDITOR)

    def listed(where: UUID | None, after: UUID | None = None, limit: int = 100) -> list[Account]:
        return list(clinic.run(clinic.identity.accounts.users(where, after, limit, SHELL)))

    ours = sorted([*mine, person])
    assert [one.user_id for one in listed(here)] == ours
    assert clinic.last() == [("read", "user", "success", 4)]
    assert [one.user_id for one in listed(None)] == sorted([*mine, other, person, nowhere])
    assert [one.user_id for one in listed(here, after=ours[0], limit=2)] == ours[1:3]
    assert [one.user_id for one in listed(here, after=ours[-1])] == []
    by_name = {one.name: one for one in listed(None)}
    assert by_name["person"] == Account(person, "person", Role.PATIENT, here, PERSON, False, False)
    assert by_name["other"] == Account(other, "other", Role.CLINICIAN, there, None, False, False)
    clinic.execute(
        sa.update(User).where(User.user_id == other).values(totp_confirmed_at=clinic.rows(User)[0].created_at),
        sa.insert(Passkey).values(
            passkey_id=uuid4(),
            user_id=nowhere,
            credential_digest=bytes(32),
            credential=b"",
            sign_count=0,
            created_at=clinic.rows(User)[0].created_at,
        ),
    )
    clinic.run(clinic.identity.accounts.disable(mine[0], SHELL, None))
    seen = {one.user_id: (one.second_factor, one.disabled) for one in listed(None)}
    assert seen[other] == seen[nowhere] == (True, False)
    assert seen[mine[0]] == (False, True)
    assert seen[mine[1]] == (False, False)


CHANGES = {
    "role_changed": lambda accounts, who, within: accounts.change_role(who, Role.RESEARCHER, SHELL, within),
    "disabled": lambda accounts, who, within: accounts.disable(who, SHELL, within),
    "second_factor_removed": lambda accounts, who, within: accounts.remove_second_factor(who, SHELL, within),
}


@pytest.mark.parametrize("action", CHANGES)
def test_an_administrator_changes_accounts_of_their_clinic_and_sessions_end(
    clinic: Clinic, here: UUID, clock: Clock, action: str
) -> None:
    accounts, there = clinic.identity.accounts, clinic.organisation("Other")
    who, app = clinic.user("ada", organisation=here), clinic.app()
    other = clinic.user("bob", organisation=here)
    clinic.log_in(app, "ada")
    clinic.log_in(app, "bob")
    earlier = clinic.log_in(app, "ada")
    clinic.run(clinic.identity.sessions.end(clinic.whoever(earlier.access_token)))
    clock.move(60)
    assert "there is no user" in refusal(clinic, CHANGES[action](accounts, who, there))
    assert clinic.last() == [(action, "user", "not_found", 1)]
    assert "there is no user" in refusal(clinic, CHANGES[action](accounts, uuid4(), None))
    assert {row.end_reason for row in clinic.rows(Session)} == {None, "logout"}
    clinic.run(CHANGES[action](accounts, who, here))
    assert clinic.last() == [(action, "user", "success", 1)]
    assert clinic.entries()[-1]["references"] == [str(who)]
    ended = {(row.user_id, row.end_reason, row.ended_at) for row in clinic.rows(Session)}
    assert ended == {(who, action, clock.at), (who, "logout", clock.at - timedelta(seconds=60)), (other, None, None)}
    (row,) = clinic.rows(User, User.user_id == who)
    assert row.role == ("researcher" if action == "role_changed" else "clinician")
    assert row.disabled_at == (clock.at if action == "disabled" else None)
    clinic.run(CHANGES[action](accounts, other, None))


@pytest.mark.parametrize("role", [Role.PATIENT, Role.SERVICE])
def test_nobody_is_turned_into_a_patient_or_a_service(clinic: Clinic, here: UUID, role: Role) -> None:
    who = clinic.user("ada", organisation=here)
    assert "make a new one" in refusal(clinic, clinic.identity.accounts.change_role(who, role, SHELL, here))
    assert clinic.rows(User)[0].role == "clinician"


def test_a_changed_password_counts_from_then_on(clinic: Clinic, here: UUID) -> None:
    who, app = clinic.user("ada", organisation=here), clinic.app()
    clinic.log_in(app, "ada")
    changed = clinic.identity.accounts.change_password(who, "another long password", SHELL)
    clinic.run(changed)
    assert clinic.last() == [("password_changed", "user", "success", 1)]
    assert [row.end_reason for row in clinic.rows(Session)] == ["password_changed"]
    assert clinic.code(app, "ada", "another long password")
    with pytest.raises(Exception, match="is wrong"):
        clinic.code(app, "ada")
    assert "12 to 256" in refusal(clinic, clinic.identity.accounts.change_password(who, "x", SHELL))


# --- the second factor ---


def someone(clinic: Clinic, here: UUID) -> tuple[Principal, pyotp.TOTP]:
    """A clinician who is logged in and has begun a second factor."""
    clinic.user("ada", organisation=here)
    who = clinic.whoever(clinic.log_in(clinic.app(), "ada").access_token)
    return who, pyotp.TOTP(clinic.run(clinic.identity.accounts.begin_second_factor(who.subject, SHELL)))


def confirmed(clinic: Clinic, who: Principal, code: str) -> bool:
    try:
        clinic.run(clinic.identity.accounts.confirm_second_factor(who, code, SHELL))
    except ValidationError as error:
        return "the one-time code is wrong" not in str(error)
    return True


def test_a_second_factor_counts_once_a_code_of_it_was_confirmed(clinic: Clinic, here: UUID, clock: Clock) -> None:
    who, totp = someone(clinic, here)
    assert len(totp.secret) == 32
    assert clinic.last() == [("second_factor_begun", "user", "success", 1)]
    assert clinic.rows(User)[0].totp_confirmed_at is None
    other = clinic.log_in(clinic.app("other"), "ada")
    assert not confirmed(clinic, who, "000000" if totp.at(clock.at) != "000000" else "111111")
    assert clinic.last() == [("second_factor_added", "user", "denied", 1)]
    assert not clinic.rows(Session, Session.session_id == who.session_id)[0].second_factor
    clock.move(60)
    assert confirmed(clinic, who, totp.at(clock.at))
    assert clinic.last() == [("second_factor_added", "user", "success", 1)]
    assert clinic.entries()[-1]["references"] == [str(who.subject)]
    row = clinic.rows(User)[0]
    assert row.totp_confirmed_at == clock.at
    assert row.totp_step == int(clock.at.timestamp()) // 30
    mine, others = (
        clinic.rows(Session, Session.session_id == who.session_id),
        clinic.rows(Session, Session.session_id != who.session_id),
    )
    assert [(one.second_factor, one.ended_at) for one in mine] == [(True, None)]
    assert [(one.second_factor, one.end_reason, one.ended_at) for one in others] == [
        (False, "second_factor_added", clock.at)
    ]
    assert other.access_token
    clock.move(30)
    assert not confirmed(clinic, who, totp.at(clock.at))  # it is in use already
    begin = clinic.identity.accounts.begin_second_factor(who.subject, SHELL)
    before = len(clinic.entries())
    assert "in use already" in refusal(clinic, begin)
    assert len(clinic.entries()) == before


def test_a_second_factor_that_is_begun_anew_has_another_secret(clinic: Clinic, here: UUID, clock: Clock) -> None:
    who, old = someone(clinic, here)
    new = pyotp.TOTP(clinic.run(clinic.identity.accounts.begin_second_factor(who.subject, SHELL)))
    assert new.secret != old.secret
    assert not confirmed(clinic, who, old.at(clock.at))
    assert confirmed(clinic, who, new.at(clock.at))
    nobody = principal(organisation=here)
    assert not confirmed(clinic, nobody, new.at(clock.at))


@pytest.mark.parametrize(("step", "good"), [(-2, False), (-1, True), (0, True), (1, True), (2, False)])
def test_a_code_is_good_for_its_own_half_minute_and_its_neighbours(
    clinic: Clinic, here: UUID, clock: Clock, step: int, good: bool
) -> None:
    who, totp = someone(clinic, here)
    assert confirmed(clinic, who, totp.at(clock.at + timedelta(seconds=30 * step))) is good
    assert clinic.rows(User)[0].totp_step == (int(clock.at.timestamp()) // 30 + step if good else None)


def test_a_code_is_used_once_and_no_earlier_one_after_it(clinic: Clinic, here: UUID, clock: Clock) -> None:
    who, totp = someone(clinic, here)

    def used(code: str) -> bool:
        async def work() -> bool:
            async with clinic.foundation.database.transaction() as session:
                return await clinic.identity.accounts.use_code(session, await session.get_one(User, who.subject), code)

        right = clinic.run(work())
        assert isinstance(right, bool)
        return right

    now = totp.at(clock.at)
    for wrong in ("", "abcdef", "١٢٣٤٥٦", f" {now}", now[:5], f"{now}0", "²" * 6):
        assert not used(wrong)
    assert used(now)
    assert not used(now)
    assert not used(totp.at(clock.at - timedelta(seconds=30)))
    assert used(totp.at(clock.at + timedelta(seconds=30)))
    clinic.execute(sa.update(User).values(totp_secret=None))
    clock.move(90)
    assert not used(totp.at(clock.at))


def test_an_administrator_takes_codes_and_passkeys_away(clinic: Clinic, here: UUID, clock: Clock) -> None:
    who, totp = someone(clinic, here)
    other = clinic.user("bob", organisation=here)
    confirmed(clinic, who, totp.at(clock.at))
    clinic.execute(
        *(
            sa.insert(Passkey).values(
                passkey_id=uuid4(),
                user_id=owner,
                credential_digest=bytes([n]) * 32,
                credential=b"",
                sign_count=0,
                created_at=clock.at,
            )
            for n, owner in enumerate((who.subject, who.subject, other))
        )
    )
    clinic.run(clinic.identity.accounts.remove_second_factor(who.subject, SHELL, here))
    (row,) = clinic.rows(User, User.user_id == who.subject)
    assert (row.totp_secret, row.totp_confirmed_at, row.totp_step) == (None, None, None)
    assert [one.user_id for one in clinic.rows(Passkey)] == [other]


# --- clients and keys ---


def key_set() -> dict[str, Any]:
    return {"keys": [ECKey.generate_key("P-384", {"kid": "1"}).as_dict(private=False)]}


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({}, "redirect addresses (for people) or a role"),
        ({"role": Role.SERVICE, "redirect_uris": [CALLBACK]}, "redirect addresses (for people) or a role"),
        ({"role": Role.CLINICIAN}, "'service' or 'analyst'"),
        ({"role": Role.SERVICE}, "a service works for an organisation"),
        ({"redirect_uris": [CALLBACK], "key_set": ...}, "keys are for machines"),
        ({"role": Role.ANALYST, "key_set": {}}, "a list of 1 to 10"),
        (
            {"role": Role.ANALYST, "scopes": ["users:manage", "calculate"]},
            "the role 'analyst' does not have: calculate, users:manage",
        ),
        ({"role": Role.ANALYST, "scopes": ["system/*.rs"]}, "does not have: system/*.rs"),
        ({"redirect_uris": [CALLBACK], "scopes": ["system/*.rs"]}, "does not have: system/*.rs"),
        ({"redirect_uris": [CALLBACK], "scopes": ["nonsense"]}, "the role 'None' does not have: nonsense"),
    ],
)
def test_a_client_that_does_not_fit_is_refused(clinic: Clinic, options: dict[str, Any], complaint: str) -> None:
    stated = {name: key_set() if value is ... else value for name, value in options.items()}
    assert complaint in refusal(clinic, clinic.identity.accounts.add_client("app", SHELL, **stated))
    assert clinic.rows(OAuthClient) == []


@pytest.mark.parametrize(
    ("options", "scopes", "has_secret"),
    [
        ({"redirect_uris": [CALLBACK, "x:y"]}, sorted(Permission), False),
        ({"redirect_uris": [CALLBACK], "scopes": [Permission.CALCULATE]}, ["calculate"], False),
        ({"role": Role.ANALYST}, ["populations:use"], True),
        ({"role": Role.SERVICE, "organisation_id": ...}, sorted(PERMISSIONS[Role.SERVICE]), True),
        ({"role": Role.SERVICE, "organisation_id": ..., "key_set": ...}, sorted(PERMISSIONS[Role.SERVICE]), False),
        (
            {"role": Role.SERVICE, "organisation_id": ..., "scopes": ["system/*.rs", "calculate", "calculate"]},
            ["calculate", "system/*.rs"],
            True,
        ),
    ],
)
def test_a_client_is_made_with_all_its_role_has_or_the_scopes_that_are_named(
    clinic: Clinic, here: UUID, clock: Clock, options: dict[str, Any], scopes: list[str], has_secret: bool
) -> None:
    fill = {"organisation_id": here, "key_set": key_set()}
    stated = {name: fill[name] if value is ... else value for name, value in options.items()}
    made = clinic.run(clinic.identity.accounts.add_client("app", SHELL, **stated))
    (row,) = clinic.rows(OAuthClient)
    assert row.client_id == made.client_id
    assert (row.name, row.role, row.scopes, row.created_at) == ("app", stated.get("role"), scopes, clock.at)
    assert row.organisation_id == stated.get("organisation_id")
    assert row.redirect_uris == stated.get("redirect_uris", [])
    assert row.key_set == stated.get("key_set")
    assert (made.secret is not None) is has_secret
    assert row.secret_digest == (digest(made.secret) if has_secret else None)
    assert clinic.last() == [("write", "client", "success", 1)]
    assert clinic.entries()[-1]["references"] == [str(made.client_id)]
    again = clinic.identity.accounts.add_client("app", SHELL, redirect_uris=[CALLBACK])
    assert "a client of this name exists" in refusal(clinic, again)


def test_an_api_key_is_made_for_a_machine_of_the_clinic_and_revoked_there(
    clinic: Clinic, here: UUID, clock: Clock
) -> None:
    accounts, there = clinic.identity.accounts, clinic.organisation("Other")
    machine = clinic.run(accounts.add_client("m", SHELL, role=Role.SERVICE, organisation_id=here)).client_id
    app, day = clinic.app(), timedelta(days=1)
    for client, within in ((uuid4(), None), (app, None), (machine, there)):
        refused = refusal(clinic, accounts.add_api_key(client, day, SHELL, within))
        assert "NotFoundError: machine client not found" in refused
        assert clinic.last() == [("write", "api_key", "not_found", 1)]
    assert clinic.rows(ApiKey) == []
    key_id, secret = clinic.run(accounts.add_api_key(machine, day, SHELL, here))
    assert clinic.last() == [("write", "api_key", "success", 1)]
    assert clinic.entries()[-1]["references"] == [str(key_id)]
    assert secret.startswith("nmk_")
    assert len(secret) == 47
    (row,) = clinic.rows(ApiKey)
    assert (row.key_id, row.client_id, row.digest) == (key_id, machine, digest(secret))
    assert (row.created_at, row.expires_at, row.revoked_at) == (clock.at, clock.at + day, None)
    clinic.run(accounts.add_api_key(machine, day, SHELL, None))
    clock.move(60)
    for which, within in ((uuid4(), None), (key_id, there)):
        assert "there is no API key" in refusal(clinic, accounts.revoke_api_key(which, SHELL, within))
        assert clinic.last() == [("revoked", "api_key", "not_found", 1)]
    clinic.run(accounts.revoke_api_key(key_id, SHELL, here))
    assert clinic.last() == [("revoked", "api_key", "success", 1)]
    assert {row.key_id == key_id: row.revoked_at for row in clinic.rows(ApiKey)} == {True: clock.at, False: None}
    clinic.run(accounts.revoke_api_key(key_id, SHELL, None))


def test_only_a_clinician_of_the_clinic_is_one(clinic: Clinic, here: UUID) -> None:
    accounts, there = clinic.identity.accounts, clinic.organisation("Other")
    ada, auditor = clinic.user("ada", organisation=here), clinic.user("eve", Role.AUDITOR, here)
    clinic.run(accounts.require_clinician(ada, here))
    clinic.run(accounts.require_clinician(ada, None))
    for who, within in ((ada, there), (auditor, here), (uuid4(), None)):
        assert "there is no clinician" in refusal(clinic, accounts.require_clinician(who, within))


def test_whoever_does_it_is_named_in_the_audit(clinic: Clinic, here: UUID) -> None:
    by = Access(actor="admin-9", role="admin", purpose="users.manage", correlation_id="request-9", origin="there")
    clinic.run(clinic.identity.accounts.users(here, None, 1, by))
    told = clinic.entries()[-1]
    assert [told[part] for part in ("actor", "role", "purpose", "correlation_id", "origin")] == [
        "admin-9",
        "admin",
        "users.manage",
        "request-9",
        "there",
    ]
