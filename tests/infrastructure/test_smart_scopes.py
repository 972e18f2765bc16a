"""System scopes as SMART App Launch 2.2 writes them, what they permit here, and what is left of those asked for."""

import pytest

from novamind.infrastructure.identity.domain import Permission
from novamind.infrastructure.identity.smart_scopes import PERSON, granted, is_smart, narrowed, within_launch

READ, WRITE = Permission.FHIR_READ, Permission.FHIR_WRITE


@pytest.mark.parametrize(
    ("scope", "smart"),
    [
        ("system/*.rs", True),
        ("system/Observation.cruds", True),
        ("system/Observation.c", True),
        ("system/Observation.r", True),
        ("system/Observation.u", True),
        ("system/Observation.d", True),
        ("system/Observation.s", True),
        ("system/Observation.us", True),
        ("system/Observation.ds", True),
        ("system/Observation.sr", False),  # out of order
        ("system/Observation.", False),
        ("system/Observation.rr", False),
        ("system/observation.rs", False),
        ("system/O.rs", False),
        ("system/Ob.rs", True),
        ("system/O" + "b" * 63 + ".rs", True),
        ("system/O" + "b" * 64 + ".rs", False),
        ("system/**.rs", False),
        ("system/*.read", True),  # the syntax of version 1
        ("system/*.write", True),
        ("system/Observation.*", True),
        ("system/Observation.reads", False),
        ("user/*.rs", False),  # a machine is no person
        ("patient/*.rs", False),
        ("system/*.rs ", False),
        ("system/*.rs\n", False),
        ("fhir:read", False),
    ],
)
def test_this_is_a_system_scope(scope: str, smart: bool) -> None:
    assert is_smart(scope) is smart


@pytest.mark.parametrize(
    ("scopes", "permissions", "limited"),
    [
        ("", set(), {}),
        ("patients:read nonsense", {Permission.PATIENTS_READ}, {}),
        ("system/Observation.rs", {READ}, {READ: {"Observation"}}),
        ("system/Observation.r", set(), {}),  # reading is reading and searching together
        ("system/Observation.s", set(), {}),
        ("system/Observation.r system/Observation.s", {READ}, {READ: {"Observation"}}),
        ("system/Observation.c", {WRITE}, {WRITE: {"Observation"}}),
        ("system/Observation.ud", set(), {}),  # nothing is updated or deleted here
        (
            "system/Observation.cruds system/Condition.c",
            {READ, WRITE},
            {READ: {"Observation"}, WRITE: {"Observation", "Condition"}},
        ),
        ("system/*.rs system/Observation.c", {READ, WRITE}, {WRITE: {"Observation"}}),
        ("fhir:read system/Observation.rs", {READ}, {}),  # the wider one counts
    ],
)
def test_scopes_permit_this_and_limit_it_to_these_types(
    scopes: str, permissions: set[Permission], limited: dict[Permission, set[str]]
) -> None:
    assert granted(scopes.split()) == (permissions, limited)


@pytest.mark.parametrize(
    ("asked", "registered", "left"),
    [
        ("fhir:read", "fhir:read fhir:write", {"fhir:read"}),
        ("fhir:read", "system/*.rs", set()),
        ("system/Observation.cruds", "fhir:write", {"system/Observation.c"}),
        ("system/Observation.cruds", "fhir:read fhir:write", {"system/Observation.crs"}),
        ("system/Observation.cruds", "fhir:read system/*.c", {"system/Observation.crs"}),
        ("system/Observation.cruds", "system/Observation.ds system/Observation.u", {"system/Observation.uds"}),
        ("system/*.rs system/Patient.crs", "system/*.crs", {"system/*.rs", "system/Patient.crs"}),
        ("system/*.rs system/Patient.r", "system/*.crs", {"system/*.rs"}),
        ("system/*.c", "system/Patient.rs", set()),
        ("system/Patient.rs", "system/Observation.rs", set()),
        ("system/*.r", "system/Patient.rs system/Observation.rs", {"system/Patient.r", "system/Observation.r"}),
        ("patients:read patients:read calculate", "calculate patients:read", {"patients:read", "calculate"}),
    ],
)
def test_of_the_scopes_asked_for_these_are_left(asked: str, registered: str, left: set[str]) -> None:
    assert narrowed(asked.split(), registered.split()) == left


@pytest.mark.parametrize(
    ("asked", "registered", "left"),
    [
        ("patient/*.read", "fhir:read", {"patient/*.rs"}),
        ("user/*.*", "fhir:read fhir:write", {"user/*.crs"}),
        ("user/*.*", "fhir:read", {"user/*.rs"}),
        ("patient/Observation.rs", "user/*.rs", set()),  # another level
        ("patient/Observation.cruds", "patient/*.rs", {"patient/Observation.rs"}),
        ("system/*.rs", "fhir:read", set()),  # a person is no machine
        ("patients:read", "patients:read fhir:read emergency:open", {"patients:read"}),
        ("launch/patient openid fhirUser launches", "fhir:read", {"launch/patient", "openid", "fhirUser"}),
        ("offline_access emergency:open", "fhir:read", {"offline_access"}),
    ],
)
def test_an_app_of_people_gets_of_what_it_asks_what_it_may(asked: str, registered: str, left: set[str]) -> None:
    assert narrowed(asked.split(), registered.split(), PERSON) == left


def test_a_machine_gets_no_context_and_no_scope_of_people() -> None:
    assert narrowed({"launch", "user/*.rs", "patient/*.rs", "openid"}, {"fhir:read"}) == frozenset()


@pytest.mark.parametrize(
    ("scopes", "has_patient", "left"),
    [
        ("patient/*.rs user/*.rs openid", True, {"patient/*.rs", "openid"}),
        ("patient/*.rs user/*.rs openid", False, {"user/*.rs", "openid"}),
        ("user/*.rs launch", True, {"user/*.rs", "launch"}),  # the patient is shown, and others may be read
        ("patients:read", True, {"patients:read"}),
    ],
)
def test_a_launch_speaks_of_one_patient_or_of_all(scopes: str, has_patient: bool, left: set[str]) -> None:
    assert within_launch(scopes.split(), has_patient=has_patient) == left
