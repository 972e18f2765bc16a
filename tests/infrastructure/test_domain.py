"""Who may do what: the whole table a second time, and the rule about one patient's record at every edge."""

from datetime import UTC, datetime, timedelta
from itertools import product
from uuid import uuid4

import pytest

from novamind.infrastructure.identity.domain import (
    PERMISSIONS,
    Ground,
    Permission,
    Role,
    Ties,
    audience,
    ground,
)
from tests.infrastructure.clinic import principal

NOW = datetime(2026, 3, 29, 0, 30, tzinfo=UTC)
#: By first letters: clinician, patient, service, researcher, analyst, m for admin, u for auditor.
WHO_MAY = {
    "patients:read": "cps",
    "patients:create": "cs",
    "records:write": "cps",
    "results:read": "cps",
    "fhir:read": "cps",
    "fhir:write": "cps",
    "consents:write": "cp",
    "audit:read": "cpu",
    "emergency:open": "c",
    "calculate": "cpsr",
    "users:manage": "m",
    "metrics:read": "smu",
    "populations:use": "a",
}
LETTERS = {
    "clinician": "c",
    "patient": "p",
    "service": "s",
    "researcher": "r",
    "analyst": "a",
    "admin": "m",
    "auditor": "u",
}
ABOUT_A_PATIENT = {
    "patients:read",
    "records:write",
    "results:read",
    "fhir:read",
    "fhir:write",
    "consents:write",
    "audit:read",
}
IN_AN_EMERGENCY = {"patients:read", "results:read", "fhir:read"}


@pytest.mark.parametrize("role", LETTERS)
def test_each_role_may_what_the_table_says(role: str) -> None:
    expected = {permission for permission, who in WHO_MAY.items() if LETTERS[role] in who}
    assert {str(one) for one in PERMISSIONS[Role(role)]} == expected
    assert {str(one) for one in Permission if principal(Role(role)).may(one)} == expected


def test_there_are_no_other_roles_and_permissions() -> None:
    assert {str(role) for role in Role} == set(LETTERS)
    assert {str(one) for one in Permission} == set(WHO_MAY)
    assert set(PERMISSIONS) == set(Role)


@pytest.mark.parametrize("role", Role)
def test_only_an_analysts_token_is_for_the_other_realm(role: Role) -> None:
    assert audience(role) == ("novamind-populations" if role is Role.ANALYST else "novamind")


def test_neither_without_scope_nor_without_second_factor_may_one_anything() -> None:
    narrow = principal(scopes=frozenset({Permission.PATIENTS_READ}))
    assert narrow.may(Permission.PATIENTS_READ)
    assert not narrow.may(Permission.RECORDS_WRITE)
    assert not principal(second_factor=False).may(Permission.PATIENTS_READ)
    assert not principal(Role.PATIENT, scopes=frozenset(Permission)).may(Permission.EMERGENCY_OPEN)


HERE, ELSEWHERE, PATIENT = uuid4(), uuid4(), uuid4()
TIES = {
    "none": Ties(),
    "same clinic": Ties(HERE),
    "treated": Ties(HERE, treats=True),
    "treated elsewhere": Ties(ELSEWHERE, treats=True),
    "emergency": Ties(HERE, emergency_until=NOW + timedelta(microseconds=1)),
    "emergency that just ended": Ties(HERE, emergency_until=NOW),
    "emergency elsewhere": Ties(ELSEWHERE, emergency_until=NOW + timedelta(hours=1)),
    "treated in an emergency": Ties(HERE, treats=True, emergency_until=NOW + timedelta(hours=1)),
}
TREATED = {"treated", "treated in an emergency"}


@pytest.mark.parametrize("tied", TIES)
def test_a_ground_is_found_for_exactly_these(tied: str) -> None:
    for role, permission in product(Role, Permission):
        asking = principal(role, HERE, patient_id=PATIENT if role is Role.PATIENT else None)
        found = ground(asking, permission, PATIENT, TIES[tied], NOW)
        assert found is expected_ground(role, permission, tied), (role, permission)


def expected_ground(role: Role, permission: Permission, tied: str) -> Ground | None:
    """The rule a second time, from the table above."""
    expected = None
    if LETTERS[role] in WHO_MAY[permission] and permission in ABOUT_A_PATIENT and tied != "none":
        here = "elsewhere" not in tied
        if role is Role.PATIENT:
            expected = Ground.SELF
        elif here and role is Role.SERVICE:
            expected = Ground.OPERATIONS
        elif here and role is Role.AUDITOR:
            expected = Ground.SUPERVISION
        elif role is Role.CLINICIAN and tied in TREATED:
            expected = Ground.TREATMENT
        elif role is Role.CLINICIAN and tied == "emergency" and permission in IN_AN_EMERGENCY:
            expected = Ground.EMERGENCY
    return expected


def test_a_patient_has_no_ground_for_anybody_else() -> None:
    asking = principal(Role.PATIENT, HERE, patient_id=PATIENT)
    assert ground(asking, Permission.PATIENTS_READ, uuid4(), Ties(HERE, treats=True), NOW) is None


def test_a_permission_that_a_role_got_by_mistake_is_no_ground(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PERMISSIONS, Role.RESEARCHER, frozenset({Permission.PATIENTS_READ}))
    asking = principal(Role.RESEARCHER, HERE)
    assert asking.may(Permission.PATIENTS_READ)
    assert ground(asking, Permission.PATIENTS_READ, PATIENT, TIES["treated in an emergency"], NOW) is None


def test_grounds_have_the_names_that_the_audit_keeps() -> None:
    assert [str(one) for one in Ground] == ["treatment", "self", "operations", "supervision", "emergency"]


def test_whoever_is_known_by_default_has_proved_enough_and_is_tied_to_nobody() -> None:
    somebody = principal()
    assert somebody.second_factor
    assert somebody.ties == {}
    assert somebody.fhir_types == {}
    assert Ties() == Ties(None, False, None, 0, 0.0)
