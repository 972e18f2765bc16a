"""REST of administration and of oneself, with a container that a test holds."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest
from pydantic import SecretStr

from novamind.errors import NotFoundError, ValidationError
from novamind.infrastructure.identity.accounts import Account
from novamind.infrastructure.identity.domain import Permission, Role
from novamind.server import administration
from tests.server.parts import ADMIN, CLINIC, NOBODYS, P, Q, did

MANAGE = ("permit", ADMIN, Permission.USERS_MANAGE)


@pytest.mark.parametrize(("limit", "next_id"), [(1, P), (2, None)])
def test_accounts_are_listed_within_ones_organisation(limit: int, next_id: UUID | None) -> None:
    account = Account(P, "n", Role.CLINICIAN, CLINIC, None, second_factor=True, disabled=False)
    page, calls = did(administration.list_users, ADMIN, Q, limit, users=[account])
    assert calls == [MANAGE, ("users", CLINIC, Q, limit, "access")]
    assert page.next == next_id
    assert page.items[0].model_dump() == {
        "user_id": P, "name": "n", "role": Role.CLINICIAN, "organisation_id": CLINIC, "patient_id": None,
        "second_factor": True, "disabled": False,
    }  # fmt: skip


def new_user(**more: Any) -> administration.NewUser:
    return administration.NewUser(name="n", password=SecretStr("secret"), role="clinician", **more)


@pytest.mark.parametrize(
    ("who", "stated", "organisation"),
    [(ADMIN, None, CLINIC), (ADMIN, CLINIC, CLINIC), (NOBODYS, Q, Q), (NOBODYS, None, None)],
)
def test_an_account_is_made_in_the_makers_organisation(who: Any, stated: Any, organisation: Any) -> None:
    made, calls = did(administration.add_user, who, new_user(organisation_id=stated), add_user=Q)
    named = {"organisation_id": organisation, "patient_id": None}
    assert (made.id, calls[1:]) == (Q, [("add_user", "n", "secret", Role.CLINICIAN, "access", named)])


def test_another_organisation_is_none_and_a_patient_is_of_ones_own() -> None:
    with pytest.raises(NotFoundError, match="there is no such organisation"):
        did(administration.add_user, ADMIN, new_user(organisation_id=Q))
    _, calls = did(administration.add_user, ADMIN, new_user(patient_id=P), add_user=Q)
    assert calls[1] == ("patient_within", ADMIN, P)
    with pytest.raises(NotFoundError):
        did(administration.add_user, ADMIN, new_user(patient_id=P), patient_within=NotFoundError("x"))


@pytest.mark.parametrize(
    ("work", "given", "calls"),
    [
        (
            administration.change_role, (Q, administration.NewRole(role="auditor")),
            [("change_role", Q, Role.AUDITOR, "access", CLINIC)],
        ),
        (administration.disable_user, (Q,), [("disable", Q, "access", CLINIC)]),
        (administration.remove_second_factor, (Q,), [("remove_second_factor", Q, "access", CLINIC)]),
        (
            administration.begin_treatment, (Q, P),
            [("patient_within", ADMIN, P), ("require_clinician", Q, CLINIC), ("relate", Q, P, "access")],
        ),
        (administration.end_treatment, (Q, P), [("patient_within", ADMIN, P), ("unrelate", Q, P, "access")]),
        (administration.revoke_key, (Q,), [("revoke_api_key", Q, "access", CLINIC)]),
    ],
)  # fmt: skip
def test_what_administrators_do_is_permitted_first_and_within_their_organisation(
    work: Any, given: Any, calls: Any
) -> None:
    assert did(work, ADMIN, *given)[1] == [MANAGE, *calls]


def test_clients_and_keys_are_shown_once() -> None:
    client = administration.NewClientBody(
        name="ward", role="service", scopes=["calculate"], redirect_uris=["https://a.example"], jwks={"keys": []}
    )
    made, calls = did(administration.add_client, ADMIN, client, add_client=SimpleNamespace(client_id=Q, secret="s"))  # noqa: S106
    assert (made.id, made.secret) == (Q, "s")
    named = {
        "role": Role.SERVICE, "organisation_id": CLINIC, "scopes": ["calculate"], "redirect_uris": ["https://a.example"],
        "key_set": {"keys": []}, "id_token_algorithm": None,
    }  # fmt: skip
    assert calls[1] == ("add_client", "ward", "access", named)
    bare = administration.NewClientBody(name="ward")
    _, calls = did(administration.add_client, ADMIN, bare, add_client=SimpleNamespace(client_id=Q, secret=None))
    assert calls[1][3]["role"] is None
    key, calls = did(administration.add_key, ADMIN, Q, administration.NewKey(days=3), add_api_key=(P, "k"))
    assert (key.id, key.key) == (P, "k")
    assert calls[1] == ("add_api_key", Q, timedelta(days=3), "access", CLINIC)


def test_oneself_and_what_one_may() -> None:
    me = asyncio.run(administration.who_am_i(replace(ADMIN, patient_id=P)))
    assert (me.subject, me.role, me.organisation_id, me.patient_id) == (ADMIN.subject, Role.ADMIN, CLINIC, P)
    assert me.permissions == sorted(one for one in Permission if ADMIN.may(one))
    assert me.second_factor


def test_people_change_their_own_secrets_and_attempts_are_counted() -> None:
    _, calls = did(administration.change_password, ADMIN, administration.NewPassword(password=SecretStr("new")))
    ((name, subject, password, access),) = calls
    assert (name, subject, password, access.purpose) == ("change_password", ADMIN.subject, "new", "identity")
    begun, calls = did(administration.begin_second_factor, ADMIN, begin_second_factor="SECRET")
    assert (begun.secret, begun.uri) == ("SECRET", "otpauth://totp/Novamind?secret=SECRET&issuer=Novamind")
    assert (calls[0][1], calls[0][2].purpose) == (ADMIN.subject, "identity")
    taken = ("take", "second-factor", str(ADMIN.subject), 10, timedelta(minutes=15))
    _, calls = did(administration.confirm_second_factor, ADMIN, administration.Code(code="123456"))
    assert (calls[0], calls[1][:3], calls[1][3].purpose) == (
        taken,
        ("confirm_second_factor", ADMIN, "123456"),
        "identity",
    )
    made, calls = did(administration.add_passkey, ADMIN, administration.NewPasskey(credential={"a": 1}), add=Q)
    assert (made.id, calls[0], calls[1][:3], calls[1][3].purpose) == (Q, taken, ("add", ADMIN, {"a": 1}), "identity")
    _, calls = did(administration.remove_passkey, ADMIN, Q)
    assert (calls[0][:3], calls[0][3].purpose) == (("remove", ADMIN, Q), "identity")
    options, calls = did(administration.passkey_options, ADMIN, options_to_add={"a": 1})
    assert (options, calls) == ({"a": 1}, [("options_to_add", ADMIN)])
    at = datetime(2026, 1, 1, tzinfo=UTC)
    key = SimpleNamespace(passkey_id=Q, created_at=at, used_at=None)
    (found,), calls = did(administration.list_passkeys, ADMIN, list=[key])
    assert (found.passkey_id, found.created_at, found.used_at, calls) == (Q, at, None, [("list", ADMIN.subject)])


@pytest.mark.parametrize(
    ("work", "given"),
    [
        (administration.change_password, (administration.NewPassword(password=SecretStr("new")),)),
        (administration.begin_second_factor, ()),
        (administration.confirm_second_factor, (administration.Code(code="123456"),)),
        (administration.list_passkeys, ()),
        (administration.passkey_options, ()),
        (administration.add_passkey, (administration.NewPasskey(credential={}),)),
        (administration.remove_passkey, (Q,)),
    ],
)
def test_a_machine_has_no_such_secrets(work: Any, given: Any) -> None:
    with pytest.raises(ValidationError, match="a machine has neither password nor second factor"):
        did(work, replace(ADMIN, role=Role.SERVICE), *given)
