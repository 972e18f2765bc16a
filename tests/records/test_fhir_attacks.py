"""Input made to hurt is refused with an OperationOutcome, quickly and whole."""

import json
from typing import Any

import pytest

from novamind.records import FhirImportError, read_fhir
from novamind.settings import Settings
from tests.records.fhir_input import bundle, observation, patient


def nested(depth: int, key: str) -> bytes:
    return (f'{{"resourceType":"Observation","{key}":' + '{"a":[' * depth + "]}" * depth + "}").encode()


CYCLE = [
    {
        "resourceType": "Medication",
        "id": "a",
        "code": None,
        "ingredient": [{"itemReference": {"reference": "Medication/b"}}],
    },
    {"resourceType": "Medication", "id": "b", "ingredient": [{"itemReference": {"reference": "Medication/a"}}]},
]


@pytest.mark.parametrize(
    ("source", "code"),
    [
        (
            json.dumps(
                {"resourceType": "Bundle", "entry": [{"resource": {"resourceType": "Basic"}}] * 100_000}
            ).encode(),
            "too-costly",
        ),
        (nested(250, "contained"), "too-costly"),
        (nested(100_000, "x"), "too-costly"),
        (b"[" * 200_000, "too-costly"),
        (b'{"resourceType":"Patient","id":NaN}', "structure"),
        (b'{"resourceType":"Patient","multipleBirthInteger":' + b"9" * 5000 + b"}", "structure"),
        ("{}".encode("utf-16"), "structure"),
        (
            b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><Patient>&x;</Patient>',
            "structure",
        ),
        (b"", "structure"),
        (b"null", "not-found"),
        (b'{"resourceType":7}', "not-found"),
        (b'{"resourceType":"Bundle","entry":{"resource":{}}}', "not-found"),
        (b'{"resourceType":"Bundle","entry":[null,7,{"resource":null},{"resource":{"resourceType":[]}}]}', "not-found"),
    ],
)
def test_refused_whole(source: bytes, code: str) -> None:
    with pytest.raises(FhirImportError) as refusal:
        read_fhir(source)
    assert refusal.value.outcome.issues[0].code == code
    assert len(str(refusal.value)) < 500


def test_the_limits_are_configured() -> None:
    small = Settings(max_fhir_bytes=100, max_fhir_resources=1)
    with pytest.raises(FhirImportError, match="100 bytes"):
        read_fhir(json.dumps(bundle(patient())).encode(), settings=small)
    with pytest.raises(FhirImportError, match="more than 1 resources"):
        read_fhir(bundle(patient(), patient()), settings=small)


def test_cycles_and_loops_end() -> None:
    taken = {
        "resourceType": "MedicationStatement",
        "status": "active",
        "subject": {"reference": "Patient/p-1"},
        "medicationReference": {"reference": "Medication/a"},
    }
    itself = observation("44261-6", 3, id="o", hasMember=[{"reference": "Observation/o"}])
    found = read_fhir(bundle(patient(), *CYCLE, taken, itself))
    assert found.record.symptoms is not None
    assert found.record.medications == ()


@pytest.mark.parametrize("wrong", [None, 7, "text", [], [7], {"a": 1}, True, "\ud800", 1e308])
@pytest.mark.parametrize(
    "element",
    [
        "code",
        "subject",
        "status",
        "effectiveDateTime",
        "valueQuantity",
        "component",
        "meta",
        "id",
        "contained",
        "derivedFrom",
    ],
)
def test_any_element_of_any_form_gives_an_outcome_not_an_accident(element: str, wrong: Any) -> None:
    found = read_fhir(bundle(patient(), observation("44261-6", 3) | {element: wrong}))
    assert found.outcome.issues or any(record.symptoms is not None for record in found.records)
    json.dumps(found.outcome.to_fhir()).encode()


@pytest.mark.parametrize("wrong", [None, 7, "text", [7], {"item": {"item": 3}}, [{"item": [{"answer": [None]}]}]])
@pytest.mark.parametrize(
    "kind",
    [
        "Patient",
        "QuestionnaireResponse",
        "MedicationRequest",
        "MedicationStatement",
        "Condition",
        "AllergyIntolerance",
        "Procedure",
        "Consent",
    ],
)
def test_any_resource_of_any_form_gives_an_outcome(kind: str, wrong: Any) -> None:
    elements = (
        "id identifier item questionnaire subject patient code status clinicalStatus verificationStatus scope"
        " extension medicationCodeableConcept medicationReference requester birthDate"
    )
    for element in elements.split():
        found = read_fhir(bundle(patient("other"), {"resourceType": kind, element: wrong}))
        read = [r for r in found.records if r.patient_id != "other" or r.consents or r.medications or r.conditions]
        assert found.outcome.issues or read
