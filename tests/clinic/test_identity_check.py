"""Data of another person are refused before anything is stored; a person who may can confirm, and the audit knows."""

import json
from typing import Any
from uuid import UUID, uuid4

import pytest

from novamind.clinic import PatientSummary
from novamind.clinic.identity_check import compared
from novamind.infrastructure.identity.domain import Role
from novamind.records import read_fhir
from novamind.records.fhir.patients import Claims
from novamind.records.fhir.references import Identifier
from tests.records.fhir_input import bundle, observation, patient
from tests.server.world import World

P = UUID(int=7)
WHO = PatientSummary(
    P,
    {"mrn": "AB 123", "email": "x@example.org"},
    {"name": "Anna-Maria Müller", "birth_date": "1984-03-05", "gender": "female"},
)
Json = dict[str, Any]


def claims(**more: Any) -> Claims:
    return Claims(**more)


@pytest.mark.parametrize(
    ("more", "differences"),
    [
        ({}, ()),
        ({"identifiers": frozenset({Identifier("urn:mrn", "ab123"), Identifier("urn:ssn", "9")})}, ()),
        ({"identifiers": frozenset({Identifier("urn:mrn", "ab124")})}, ("identifier",)),
        ({"identifiers": frozenset({Identifier("", "x@example.org")})}, ("identifier",)),
        ({"record_id": str(P)}, ()),
        ({"record_id": str(UUID(int=8))}, ("identifier",)),
        ({"record_id": "p-17"}, ()),
        ({"record_id": str(P), "identifiers": frozenset({Identifier("urn:mrn", "ab124")})}, ()),
        ({"birth_date": "1984-03-05"}, ()),
        ({"birth_date": "1984"}, ()),
        ({"birth_date": "1984-03"}, ()),
        ({"birth_date": "1984-04"}, ("birth date",)),
        ({"birth_date": "1984-03-06"}, ("birth date",)),
        ({"birth_date": "1985"}, ("birth year",)),
        ({"birth_date": "1985-03-05"}, ("birth year",)),
        ({"birth_date": "198"}, ()),
        ({"gender": "female"}, ()),
        ({"gender": "unknown"}, ()),
        ({"gender": "male"}, ("sex",)),
        ({"gender": "other"}, ("sex",)),
        ({"names": ("Anna Maria Müller",)}, ()),
        ({"names": ("MUELLER, Anna",)}, ()),
        ({"names": ("Anna Maria Luise Müller",)}, ()),
        ({"names": ("Anna123 Müller456",)}, ()),
        ({"names": ("Bob Marley", "Anna Müller")}, ()),
        ({"names": ("Bob Müller",)}, ("name",)),
        ({"names": ("Anna Schmidt",)}, ("name",)),
        ({"names": ("A. Müller",)}, ("name",)),
        ({"names": ("123", "")}, ()),
        (
            {
                "identifiers": frozenset({Identifier("", "1")}),
                "birth_date": "1950",
                "gender": "male",
                "names": ("Bob Marley",),
            },
            ("identifier", "birth year", "sex", "name"),
        ),
    ],
)
def test_what_differs(more: Json, differences: tuple[str, ...]) -> None:
    comparison = compared(WHO, claims(**more))
    assert comparison.differences == differences
    nothing = ({}, {"record_id": "p-17"}, {"birth_date": "198"}, {"gender": "unknown"}, {"names": ("123", "")})
    assert comparison.is_decided == (more not in nothing)
    assert compared(PatientSummary(P, {}, {}), claims(**more)).differences == (
        ("identifier",) if more.get("record_id") == str(UUID(int=8)) else ()
    )


def test_the_claims_of_a_patient_resource() -> None:
    names = [{"given": ["Anna", 7, "Maria"], "family": "Müller"}, {"text": "Anni"}, 7, {"given": "x"}, {}]
    numbers = [{"system": "urn:mrn", "value": "1"}, {"value": " 2 "}]
    result = read_fhir(bundle(patient() | {"name": names, "identifier": numbers}))
    known = frozenset({Identifier("urn:mrn", "1"), Identifier("", "2")})
    assert result.claims["p-1"] == Claims(known, ("Anna Maria Müller", "Anni"), "1990-05-17", "female")
    assert "Anna" not in repr(result) + repr(result.claims["p-1"])
    nobody = read_fhir(bundle(observation("44261-6", 3)))
    assert nobody.claims["p-1"] == Claims(record_id="p-1")


# -- over the wire


def registered(world: World, **more: Any) -> str:
    person = {"name": "Alice Example", "birth_date": "1980-05-17", "gender": "female"} | more
    answer = world.call("POST", "/api/v1/patients", "C11", json=person | {"identifiers": {"mrn": uuid4().hex}})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["ids"][0])


BOB = patient("bob", gender="male", birthDate="1951-01-01", identifier=[{"system": "urn:mrn", "value": "9"}])
OF_BOB = bundle(BOB | {"name": [{"given": ["Bob"], "family": "Marley"}]}, observation("44261-6", 21, "2024-03-01"))
OF_BOB["entry"][1]["resource"]["subject"] = {"reference": "Patient/bob"}


def send(world: World, patient_id: str, document: Json, who: str = "C11", query: str = "") -> Any:
    return world.call("POST", f"/api/v1/patients/{patient_id}/fhir{query}", who, json=document)


def test_a_bundle_of_another_person_is_refused_and_nothing_is_stored(world: World) -> None:
    alice = registered(world)
    answer = send(world, alice, OF_BOB)
    assert answer.status_code == 409
    assert answer.json()["type"] == "urn:novamind:problem:another-person"
    assert answer.json()["detail"] == (
        "the data differ from this patient in identifier, birth year, sex and name; nothing was stored: check whose"
        " they are, and confirm the identity if they are this patient's"
    )
    assert not any(value in answer.text for value in ("Alice", "Bob", "1951", "1980", "male"))
    for part in ("reports", "medications", "imports"):
        assert world.call("GET", f"/api/v1/patients/{alice}/{part}", "C11").json()["items"] == []
    (entry,) = world.audited("identity.compared", "refused")[-1:]
    assert set(entry["references"]) == {"identifier", "birth-year", "sex", "name"}
    assert "Bob" not in json.dumps(entry)


def test_a_person_who_registers_patients_confirms_a_match_and_the_audit_knows(world: World) -> None:
    alice = registered(world)
    before = len(world.audited("identity.compared", "confirmed"))
    answer = send(world, alice, OF_BOB, query="?confirm_identity=true")
    assert (answer.status_code, answer.json()["stored"]["symptom_report"]) == (201, 1)
    assert len(world.audited("identity.compared", "confirmed")) == before + 1


def test_a_bundle_of_the_patient_needs_no_word(world: World) -> None:
    alice = registered(world)
    hers = patient("x", birthDate="1980-05") | {"name": [{"family": "Example", "given": ["Alice", "B."]}]}
    value = observation("44261-6", 12, "2024-03-01", subject={"reference": "Patient/x"})
    before = len(world.audited("identity.compared"))
    answer = send(world, alice, bundle(hers, value))
    assert answer.status_code == 201
    assert answer.json()["outcome"]["issue"][0]["diagnostics"] == "Everything was read."
    assert len(world.audited("identity.compared")) == before


def test_a_bundle_that_does_not_say_whose_it_is_says_so(world: World) -> None:
    answer = send(world, registered(world), observation("44261-6", 12, "2024-03-01"))
    assert answer.status_code == 201
    (issue,) = answer.json()["outcome"]["issue"]
    assert issue["severity"] == "warning"
    assert issue["diagnostics"].startswith("nothing in the file says whose it is")


def test_our_own_export_of_another_patient_is_refused(world: World) -> None:
    alice, anne = registered(world), registered(world)
    assert send(world, alice, observation("44261-6", 12, "2024-03-01")).status_code == 201
    export = world.call("GET", f"/api/v1/patients/{alice}/fhir", "C11").json()
    assert send(world, alice, export).status_code == 201
    refused = send(world, anne, export)
    assert refused.status_code == 409
    assert "in identifier;" in refused.json()["detail"]


def test_a_reference_to_another_patient_of_ours_is_refused(world: World) -> None:
    alice, anne = registered(world), registered(world)
    value = observation("44261-6", 12, "2024-03-01", subject={"reference": f"Patient/{anne}"})
    assert send(world, alice, value).status_code == 409
    answer = send(world, anne, value)
    assert answer.status_code == 201
    assert answer.json()["outcome"]["issue"][0]["diagnostics"] == "Everything was read."


def test_several_people_in_one_bundle_are_refused(world: World) -> None:
    answer = send(world, registered(world), bundle(patient("a"), patient("b")))
    assert (answer.status_code, answer.json()["detail"]) == (422, "the bundle holds 2 people; send one patient's")


def test_the_stored_timezone_decides_on_days(world: World) -> None:
    alice = registered(world, timezone="America/Los_Angeles")
    evening = observation("44261-6", 12, "2024-05-02T03:30:00Z")
    assert send(world, alice, evening).status_code == 201
    (report,) = world.call("GET", f"/api/v1/patients/{alice}/reports", "C11").json()["items"]
    assert report["timestamp"].startswith("2024-05-01T20:30:00")


def test_whether_the_caller_may_is_asked_before_anything_is_read(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    alice = registered(world)

    def read(*_: Any, **__: Any) -> Any:
        raise AssertionError("it was read")

    monkeypatch.setattr("novamind.clinic.service.read_fhir", read)
    assert send(world, str(uuid4()), OF_BOB).status_code == 404
    world.add_user("M", Role.AUDITOR, world.organisations[0])
    world.log_in("M")
    assert send(world, alice, OF_BOB, who="M").status_code == 403
