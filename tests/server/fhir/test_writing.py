"""Writing over FHIR: what is created can be read, a condition or a version is kept to, a transaction is whole."""

import json
from typing import Any
from uuid import UUID, uuid4

import pytest

from novamind.errors import NotFoundError, ValidationError
from novamind.infrastructure.identity.domain import Role
from novamind.infrastructure.patient_store import Kind
from tests.server.fhir.conftest import Get, matches
from tests.server.world import BASE, FHIR_JSON, World

LOINC = "http://loinc.org"
JSON = {"Content-Type": FHIR_JSON}


def score(patient_id: str, day: str = "2026-04-02", value: float = 11, **more: Any) -> dict[str, Any]:
    """A PHQ-9 total."""
    return {
        "resourceType": "Observation",
        "status": "final",
        "code": {"coding": [{"system": LOINC, "code": "44261-6"}]},
        "subject": {"reference": f"Patient/{patient_id}"},
        "effectiveDateTime": f"{day}T09:30:00+02:00",
        "valueQuantity": {"value": value, "unit": "{score}", "system": "http://unitsofmeasure.org", "code": "{score}"},
    } | more


def course(patient_id: str, drug: str = "sertraline", mg: float = 50) -> dict[str, Any]:
    """A course of a drug."""
    dose = {"value": mg, "unit": "mg", "system": "http://unitsofmeasure.org", "code": "mg"}
    return {
        "resourceType": "MedicationStatement",
        "status": "active",
        "medicationCodeableConcept": {"text": drug},
        "subject": {"reference": f"Patient/{patient_id}"},
        "effectivePeriod": {"start": "2026-02-01"},
        "dosage": [
            {
                "timing": {"repeat": {"frequency": 1, "period": 1, "periodUnit": "d"}},
                "doseAndRate": [{"doseQuantity": dose}],
            }
        ],
    }


def condition(patient_id: str) -> dict[str, Any]:
    """A condition."""
    coding = {"system": "http://snomed.info/sct", "code": "370143000"}
    return {
        "resourceType": "Condition",
        "code": {"coding": [coding], "text": "Major depressive disorder"},
        "subject": {"reference": f"Patient/{patient_id}"},
    }


def allergy(patient_id: str) -> dict[str, Any]:
    """An allergy."""
    return {
        "resourceType": "AllergyIntolerance",
        "code": {"text": "Penicillin"},
        "patient": {"reference": f"Patient/{patient_id}"},
    }


def test_what_is_created_can_be_read(world: World, get: Get) -> None:
    p = world.add_patient("Created", "C11")
    for made in (score(p), course(p), condition(p), allergy(p)):
        kind = made["resourceType"]
        answer = world.call("POST", f"/fhir/{kind}", "C11", json=made, headers=JSON)
        assert answer.status_code == 201, answer.text
        place = answer.headers["location"].removeprefix(f"{BASE}/fhir/")
        assert get(place) == answer.json() == get(place.partition("/_history")[0])
        assert answer.headers["etag"] == 'W/"1"'
        assert answer.json()["id"] in [r["id"] for r in matches(get(f"{kind}?patient={p}"))]
    (sertraline,) = [r for r in matches(get(f"MedicationStatement?patient={p}")) if "sertraline" in json.dumps(r)]
    assert sertraline["dosage"][0]["doseAndRate"][0]["doseQuantity"]["value"] == 50


def test_a_condition_creates_once(world: World, get: Get, p1: str) -> None:
    once = JSON | {"If-None-Exist": "code=http://loinc.org|44261-6&date=2026-04-20"}
    made = score(p1, "2026-04-20")
    answers = [world.call("POST", "/fhir/Observation", "C11", json=made, headers=once) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [201, 200]
    assert answers[0].json() == answers[1].json()
    assert get(f"Observation?patient={p1}&date=2026-04-20")["total"] == 1
    several = JSON | {"If-None-Exist": "code=44261-6"}
    get("Observation", 412, method="POST", json=made, headers=several)


def test_a_correction_keeps_to_the_version_that_was_read(world: World, get: Get) -> None:
    p = world.add_patient("Corrected", "C11")
    made = world.call("POST", "/fhir/Observation", "C11", json=score(p), headers=JSON).json()
    path = f"Observation/{made['id']}"
    corrected = made | {"valueQuantity": made["valueQuantity"] | {"value": 12}}
    answer = world.call("PUT", f"/fhir/{path}", "C11", json=corrected, headers=JSON | {"If-Match": 'W/"1"'})
    assert (answer.status_code, answer.headers["etag"]) == (200, 'W/"2"')
    assert answer.json() == get(path)
    assert get(path)["valueQuantity"]["value"] == 12
    get(path, 412, method="PUT", json=corrected, headers=JSON | {"If-Match": 'W/"1"'})
    get(path, 412, method="DELETE", headers={"If-Match": 'W/"1"'})
    for wrong in ({"id": "other"}, {"subject": {"reference": f"Patient/{world.patients['P2']}"}}):
        get(path, 422, method="PUT", json=corrected | wrong, headers=JSON)
    assert get(path)["meta"]["versionId"] == "2"
    get(path, 204, method="DELETE", headers={"If-Match": 'W/"2"'})
    get(path, 410)
    assert get(f"{path}/_history/1")["valueQuantity"]["value"] == 11


def test_a_token_of_one_type_changes_that_type_alone(world: World, get: Get) -> None:
    p = world.add_patient("Types", "C11")
    kinds = [("Observation", score(p)), ("Condition", condition(p))]
    made = {kind: get(kind, 201, method="POST", json=body, headers=JSON) for kind, body in kinds}
    client = world.run(
        world.container.identity.accounts.add_client(
            f"one type {uuid4().hex[:8]}", world.container.operator("test"), role=Role.SERVICE,
            organisation_id=world.organisations[0], scopes=["system/Observation.crs", "system/Condition.rs",
                                                            "records:write"],
        )
    )  # fmt: skip
    token = world.token(
        grant_type="client_credentials", client_id=str(client.client_id), client_secret=str(client.secret)
    ).json()["access_token"]
    own, other = (f"{kind}/{made[kind]['id']}" for kind in ("Observation", "Condition"))
    get(other, 403, who=token, method="DELETE")
    get(other, 403, who=token, method="PUT", json=made["Condition"], headers=JSON)
    assert get(other)["id"] == made["Condition"]["id"]
    get(own, 204, who=token, method="DELETE")


def test_every_piece_is_corrected(world: World, get: Get) -> None:
    p = world.add_patient("Pieces", "C11")
    changes = (
        (course(p), {"effectivePeriod": {"start": "2026-02-01", "end": "2026-03-01"}}),
        (condition(p), {"onsetDateTime": "2024"}),
        (allergy(p), {"criticality": "high"}),
    )
    for made, change in changes:
        kind = made["resourceType"]
        stored = world.call("POST", f"/fhir/{kind}", "C11", json=made, headers=JSON).json()
        corrected = get(f"{kind}/{stored['id']}", method="PUT", json=stored | change, headers=JSON)
        assert {name: corrected[name] for name in change} == change
        assert corrected["meta"]["versionId"] == "2"


def test_a_sample_is_corrected_with_its_stretch_alone(get: Get, p1: str) -> None:
    (sample,) = matches(get(f"Observation?patient={p1}&category=vital-signs&_count=1"))
    get(f"Observation/{sample['id']}", 422, method="PUT", json=sample, headers=JSON)
    get(f"Observation/{sample['id']}", 422, method="DELETE")


def test_what_is_not_understood_is_not_created(get: Get, p1: str) -> None:
    total = get(f"Observation?patient={p1}&_count=0")["total"]
    strange = score(p1, code={"coding": [{"system": LOINC, "code": "8251-1"}]})
    assert get("Observation", 422, method="POST", json=strange, headers=JSON)["resourceType"] == "OperationOutcome"
    half = score(p1, modifierExtension=[{"url": "http://example.org/negated", "valueBoolean": True}])
    get("Observation", 422, method="POST", json=half, headers=JSON)
    get("Observation", 422, method="POST", json=course(p1), headers=JSON)
    get("Observation", 422, method="POST", json=score(p1) | {"subject": {"display": "somebody"}}, headers=JSON)
    get("Observation", 404, method="POST", json=score("8f1f0f0e-0000-4000-8000-000000000000"), headers=JSON)
    get("Observation", 404, method="POST", json=score(p1), headers=JSON, who="C12")
    assert get(f"Observation?patient={p1}&_count=0")["total"] == total


def transaction(*resources: dict[str, Any], kind: str = "transaction") -> dict[str, Any]:
    entries = [
        {"fullUrl": f"urn:uuid:00000000-0000-4000-8000-{i:012d}", "resource": resource}
        | {"request": {"method": "POST", "url": resource["resourceType"]}}
        for i, resource in enumerate(resources)
    ]
    return {"resourceType": "Bundle", "type": kind, "entry": entries}


def test_a_transaction_is_stored_whole_or_not_at_all(world: World, get: Get) -> None:
    p = world.add_patient("Whole", "C11")
    good = (score(p), score(p, "2026-04-09", 9), course(p), condition(p))
    strange = score(p, "2026-04-10", code={"coding": [{"system": LOINC, "code": "8251-1"}]})
    before = get(f"Patient/{p}/$everything")["total"]
    get("", 422, method="POST", json=transaction(*good, strange), headers=JSON)
    assert get(f"Patient/{p}/$everything")["total"] == before
    bundle = get("", method="POST", json=transaction(*good), headers=JSON)
    assert bundle["type"] == "transaction-response"
    assert [entry["response"]["status"] for entry in bundle["entry"]] == ["201"] * 4
    assert get(f"Patient/{p}/$everything")["total"] == before + 4
    assert sorted(link["url"].partition("/")[0] for link in bundle["link"]) == sorted(
        resource["resourceType"] for resource in good
    )
    lenient = get(
        "",
        method="POST",
        json=transaction(strange, score(p, "2026-04-11")),
        headers=JSON | {"Prefer": "handling=lenient"},
    )
    assert "outcome" in lenient["entry"][0]["response"]
    assert get(f"Patient/{p}/$everything")["total"] == before + 5


def test_kinds_of_one_import_are_stored_together_or_not_at_all(world: World) -> None:
    store, access = world.container.foundation.store, world.container.operator("test")
    p = UUID(world.add_patient("Together", "C11"))
    parts = {Kind.NOTE: [{"n": 1}, {"n": 2}], Kind.CONDITION: [{"list": "conditions", "name": "gout"}]}
    ids = world.run(store.append_all(p, parts, access, idempotency_key="once"))
    assert world.run(store.append_all(p, parts, access, idempotency_key="once")) == ids
    other = {
        Kind.NOTE: [{"n": 3}],
        Kind.MEDICATION: [{"medication": "x"}],
        Kind.CONDITION: [{"list": "x", "name": "y"}],
    }
    with pytest.raises(ValidationError, match="used for another request"):
        world.run(store.append_all(p, other, access, idempotency_key="once"))
    assert [record.record_id for record in world.run(store.read(p, Kind.NOTE, access))] == ids[:2]
    assert len(world.run(store.read(p, Kind.MEDICATION, access))) == 1  # that of the patient as added
    with pytest.raises(NotFoundError):
        world.run(store.append_all(UUID(int=1), parts, access))
    assert world.run(store.append_all(p, {Kind.NOTE: []}, access)) == []


def test_a_transaction_finds_its_patient_by_identifier_and_refuses_another_person(
    world: World, get: Get, p1: str
) -> None:
    known = get(f"Patient/{p1}")
    person = {"resourceType": "Patient", "identifier": known["identifier"], "birthDate": "1980-05-17"}
    at = "urn:uuid:00000000-0000-4000-8000-000000000000"
    bundle = transaction(person, score("x", "2026-05-01") | {"subject": {"reference": at}})
    assert get("", method="POST", json=bundle, headers=JSON)["entry"][0]["response"]["status"] == "200"
    assert get(f"Observation?patient={p1}&date=2026-05-01")["total"] == 1
    bundle["entry"][0]["resource"] = person | {"birthDate": "1951-01-01"}
    get("", 409, method="POST", json=bundle, headers=JSON)
    bundle["entry"][0]["resource"] = person | {
        "identifier": [{"system": "urn:novamind:identifier:mrn", "value": "none"}]
    }
    get("", 404, method="POST", json=bundle, headers=JSON)
    for wrong in (["x"], [{"value": ""}], "x", None):
        bundle["entry"][0]["resource"] = person | {"identifier": wrong}
        get("", 422, method="POST", json=bundle, headers=JSON)
    two = transaction(score(p1), score(world.patients["P2"]))
    get("", 422, method="POST", json=two, headers=JSON)


def test_the_entries_of_a_batch_are_carried_out_one_by_one(world: World, get: Get, p1: str) -> None:
    (report,) = matches(get(f"Observation?patient={p1}&category=survey&_count=1"))
    asked = [
        ("GET", f"Observation?patient={p1}&category=survey&_count=1", None),
        ("GET", f"Observation/{report['id']}", None),
        ("GET", f"Observation/{report['id']}/_history/1", None),
        ("GET", f"Patient/{world.patients['P3']}", None),  # who is not C11's
        ("GET", "Observation?patient=1&wrong=2", None),
        ("POST", "Observation", score(p1, "2026-06-01")),
        ("POST", "Observation", course(p1)),
        ("PATCH", f"Observation/{report['id']}", None),
        ("GET", "../api/v1/me", None),
    ]
    entries = [
        {"request": {"method": method, "url": url}} | ({} if resource is None else {"resource": resource})
        for method, url, resource in asked
    ]
    bundle = get("", method="POST", json={"resourceType": "Bundle", "type": "batch", "entry": entries}, headers=JSON)
    statuses = [entry["response"]["status"] for entry in bundle["entry"]]
    assert statuses == ["200", "200", "200", "404", "422", "201", "422", "422", "422"]
    assert bundle["entry"][1]["resource"] == report
    assert all("outcome" in entry["response"] for entry in bundle["entry"] if entry["response"]["status"] > "300")


@pytest.mark.parametrize(
    "wrong",
    [{"type": "document"}, {"type": "batch", "entry": {}}, {"type": "transaction", "entry": [{}]}],
    ids=["document", "object", "empty"],
)
def test_other_bundles_are_refused(get: Get, wrong: dict[str, Any]) -> None:
    get("", 422, method="POST", json={"resourceType": "Bundle"} | wrong, headers=JSON)
