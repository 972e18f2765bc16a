"""Input made to hurt is refused with an OperationOutcome, quickly and whole."""

import json
import sys
from collections.abc import Iterator
from contextlib import suppress
from random import Random
from typing import Any

import pytest

from novamind.records import FhirImportError, read_fhir
from novamind.settings import Settings
from tests.records.fhir_input import bundle, medication, observation, patient


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
        (b'{"resourceType":"Patient","id":"a","id":"b"}', "structure"),
        (b'{"resourceType":"Bundle","entry":[{"resource":{"resourceType":"Patient","id":"a","id":"b"}}]}', "structure"),
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


def entries(*resources: dict[str, Any], **more: Any) -> list[dict[str, Any]]:
    return [{"resource": resource} | more for resource in resources]


def calls(document: dict[str, Any]) -> int:
    """How many functions are called to read it."""
    count = 0

    def note(_frame: object, event: str, _argument: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    content = json.dumps(document).encode()
    sys.setprofile(note)
    try:
        read_fhir(content)
    finally:
        sys.setprofile(None)
    return count


SHARED = [{"system": "urn:s", "value": "1"}]
GROWING = {
    "values": lambda n: entries(*(observation("44261-6", i % 28, f"2023-{1 + i % 12:02d}-01") for i in range(n))),
    "values without a subject": lambda n: entries(
        patient(), *(observation("44261-6", 1, subject=None) for _ in range(n))
    ),
    "versions": lambda n: entries(*(observation("44261-6", 1, id="o", meta={"versionId": str(i)}) for i in range(n))),
    "people": lambda n: entries(*(patient(f"p{i}") for i in range(n)), *(of(f"Patient/p{i}") for i in range(n))),
    "people without a name": lambda n: entries(
        *({"resourceType": "Patient", "birthDate": str(1900 + i)} for i in range(n))
    ),
    "servers": lambda n: [
        *(entry for i in range(n) for entry in entries(patient("1"), fullUrl=f"https://a{i}.example/Patient/1")),
        *entries(*(of("Patient/1") for _ in range(n))),
    ],
    "people of one identifier": lambda n: entries(
        *(patient(f"p{i}", identifier=SHARED) for i in range(n)),
        *(of("#p", contained=[patient("p", identifier=SHARED)]) for _ in range(n)),
    ),
    "containers": lambda n: entries(*(of("#p", contained=[patient("p")]) for _ in range(n))),
    "deletions": lambda n: [
        *({"request": {"method": "DELETE", "url": "Observation/o"}} for _ in range(n)),
        *entries(*(of("Patient/p-1", id="o", meta={"versionId": str(i)}) for i in range(n))),
        *entries(patient()),
    ],
    "courses": lambda n: entries(*(medication("Sertraline 50 MG", status="stopped", id=f"m{i}") for i in range(n))),
    "dispenses": lambda n: entries(
        *(medication("Sertraline 50 MG", status="stopped", authoredOn="2020-01-01", id=f"m{i}") for i in range(n)),
        *(
            medication("Sertraline 50 MG", resourceType="MedicationDispense", status="completed", id=f"d{i}")
            for i in range(n)
        ),
    ),
}


def of(reference: str, **more: Any) -> dict[str, Any]:
    return observation("44261-6", 1, subject={"reference": reference}, **more)


@pytest.mark.parametrize("what", GROWING)
def test_twice_as_much_takes_twice_as_long(what: str) -> None:
    made = {n: calls({"resourceType": "Bundle", "entry": GROWING[what](n)}) for n in (40, 80, 160)}
    assert made[160] - made[80] < 2.3 * (made[80] - made[40])


ODD: list[Any] = [
    None, 7, -1, 1e308, "", "#", "Patient/", "2024-02-30", "9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00+14:00",
    True, [], {}, [None], {"a": 1}, "https://a//Patient/1", ["x"], {"reference": "#"}, {"reference": {}}, "\ud800",
    "a" * 5000, 2**70,
]  # fmt: skip


def paths(node: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    children = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for name, child in children:
        yield from paths(child, (*path, name))


@pytest.mark.parametrize("seed", range(20))
def test_whatever_is_changed_gives_an_outcome_never_an_accident(seed: int) -> None:
    random = Random(seed)
    who = {"reference": "Patient/p-1"}
    period = {"start": "2024-05-01T00:00:00Z", "end": "2024-05-02T00:00:00Z"}
    whole = bundle(
        patient(identifier=SHARED, contained=[]),
        observation("8867-4", 60, None, id="o", effectivePeriod=period, focus=[who], meta={"versionId": "1"}),
        medication("Sertraline", dispenseRequest={"validityPeriod": period}, dosageInstruction=[{"timing": {}}]),
        medication(medicationReference={"reference": "#m"}, contained=[{"resourceType": "Medication", "id": "m"}]),
        {"resourceType": "MedicationDispense", "status": "completed", "subject": who, "daysSupply": {"value": 3},
         "medicationCodeableConcept": {"text": "x"}, "whenHandedOver": "2024-01-01"},
        {"resourceType": "Condition", "subject": {"reference": "Patient?identifier=urn:s|1"}, "onsetPeriod": period,
         "code": {"text": "x", "coding": [{"code": "1"}]}},
        {"resourceType": "Consent", "status": "active", "patient": who, "scope": {"coding": [{"display": " "}]}},
    )  # fmt: skip
    whole["entry"].append({"request": {"method": "DELETE", "url": "Observation/x"}, "response": {"etag": 'W/"2"'}})
    whole["entry"][1]["fullUrl"] = "https://a.example/Observation/o"
    places = [path for path in paths(whole) if path]
    for _ in range(15):
        changed = json.loads(json.dumps(whole))
        *above, last = random.choice(places)
        node = changed
        for name in above:
            node = node[name]
        node[last] = random.choice([*ODD, [node[last]] * 2])
        with suppress(FhirImportError):
            result = read_fhir(changed, timezone=random.choice([None, "Pacific/Kiritimati"]))
            json.dumps(result.outcome.to_fhir()).encode()
            assert len(result.claims) == len(result.records)
