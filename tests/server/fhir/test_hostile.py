"""Requests that nobody means well: each is refused with an OperationOutcome that says what to do; nothing breaks."""

import json
from typing import Any

import pytest

from tests.server.fhir.conftest import Get
from tests.server.fhir.test_writing import JSON, score
from tests.server.world import World

DEEP = b'{"resourceType":"Observation","a":' + b"[" * 5000 + b"]" * 5000 + b"}"

#: What is asked for (``{p}`` is a patient), and status and words of the answer.
ASKED = [
    ("Observation?patient={p}&_count=-1", 400, "_count is a whole number"),
    ("Observation?patient={p}&_count=1&_count=2", 400, "given twice"),
    ("Observation?patient={p}&_sort=" + ",".join(["date"] * 500), 400, "each once"),
    ("Observation?patient={p}&_sort=date&_sort=-date", 400, "given twice"),
    ("Observation?patient={p}&patient=../etc", 404, "no patient of this id"),
    ("Observation?patient={p}&date=2020-02-31", 400, "none of the calendar"),
    ("Observation?patient={p}&date=0000", 400, "none of the calendar"),
    ("Observation?patient={p}&date=2020-01-01T00:00:00%2B99:99", 400, "none of the calendar"),
    ("Observation?patient={p}&date=ge2020&date=ge99999", 400, "a date is written as"),
    ("Observation?patient={p}&code=,", 400, "has no value"),
    ("Observation?patient={p}&code:not=1", 400, "modifier is not offered"),
    ("Observation?patient={p}&_include=*", 400, "_include of Observation takes"),
    ("Observation?_has:Patient:x=1", 400, "not offered"),
    ("Observation?_page=AAAA", 400, "search again"),
    ("Observation?code=44261-6", 400, "name the patient"),
    ("Observation?patient={p}&_format=xml", 406, "_format=json"),
    ("Patient/{p}?_format=application/fhir%2Bxml", 406, "_format=json"),
    ("Patient/{p}/$everything?_format=ttl", 406, "_format=json"),
    ("metadata?_format=xml", 406, "_format=json"),
    ("Observation/{p}.99999999999999999999", 404, "no resource of this id"),
    ("Observation/" + "x" * 5000, 404, "no resource of this id"),
    ("Patient/{p}/_history/99999999999999999999", 404, "no such version"),
    ("Encounter?patient={p}", 404, "/fhir/metadata says what is"),
    ("$import", 405, "/fhir/metadata says what is"),
]
BODIES: list[tuple[str, Any, Any, int, str]] = [
    ("xml", b"<Observation/>", {"Content-Type": "application/fhir+xml"}, 415, "taken as JSON alone"),
    ("deep", DEEP, JSON, 400, "nested deeper"),
    ("deep-as-text", DEEP, {"Content-Type": "text/plain"}, 415, "taken as JSON alone"),
    ("no-type", b"{}", {}, 415, "taken as JSON alone"),
    ("broken", b"{", JSON, 400, "not JSON"),
    ("empty", b"", JSON, 422, "no JSON"),
    ("list", b"[]", JSON, 422, "no Observation"),
    ("null", b"null", JSON, 422, "no Observation"),
    ("twice", b'{"resourceType":"Observation","resourceType":"Patient"}', JSON, 400, "twice"),
    ("nan", b'{"resourceType":"Observation","v":NaN}', JSON, 400, "NaN"),
    ("bytes", b"\xff\xfe{}", JSON, 400, "UTF-8"),
    ("subject", b'{"resourceType":"Observation","subject":[]}', JSON, 422, "names no patient"),
    ("packed", b"{}", JSON | {"Content-Encoding": "gzip"}, 415, "compressed"),
    (
        "types",
        {"effectiveDateTime": 5, "code": [], "valueQuantity": "x", "status": {}},
        JSON,
        422,
        "nothing in the input",
    ),
    ("condition", {}, JSON | {"If-None-Exist": "x"}, 422, "holds no search"),
]
BUNDLES: list[tuple[str, Any, int]] = [
    ("entry", {"type": "transaction", "entry": [1]}, 422),
    ("type", {"type": ["batch"], "entry": []}, 422),
    ("none", {"type": "transaction"}, 422),
    ("many", {"type": "batch", "entry": [{"request": {"method": "GET", "url": "Patient/1"}}] * 101}, 422),
    ("kind", {"entry": [{"request": {"method": "POST"}, "resource": {"resourceType": ["Patient"]}}]}, 422),
    ("url", {"entry": [{"fullUrl": {}, "request": {"method": "POST"}, "resource": {"resourceType": "Patient"}}]}, 422),
    (
        "reference",
        {
            "entry": [
                {
                    "request": {"method": "POST"},
                    "resource": {"resourceType": "Condition", "subject": {"reference": {"a": 1}}},
                }
            ]
        },
        422,
    ),
]


@pytest.mark.parametrize(("path", "status", "text"), ASKED, ids=range(len(ASKED)))
def test_a_strange_address_is_refused(get: Get, p1: str, path: str, status: int, text: str) -> None:
    outcome = get(path.format(p=p1), status)
    assert outcome["resourceType"] == "OperationOutcome"
    assert text in outcome["issue"][0]["diagnostics"]


@pytest.mark.parametrize(("body", "headers", "status", "text"), [b[1:] for b in BODIES], ids=[b[0] for b in BODIES])
def test_a_strange_body_is_refused(get: Get, p1: str, body: Any, headers: Any, status: int, text: str) -> None:
    content = body if isinstance(body, bytes) else json.dumps(score(p1) | body).encode()
    outcome = get("Observation", status, method="POST", content=content, headers=headers)
    assert outcome["resourceType"] == "OperationOutcome"
    assert text in outcome["issue"][0]["diagnostics"]


@pytest.mark.parametrize(("bundle", "status"), [b[1:] for b in BUNDLES], ids=[b[0] for b in BUNDLES])
def test_a_strange_bundle_is_refused(get: Get, bundle: Any, status: int) -> None:
    whole = {"resourceType": "Bundle", "type": "transaction"} | bundle
    assert get("", status, method="POST", json=whole, headers=JSON)["resourceType"] == "OperationOutcome"


def test_strange_entries_of_a_batch_are_answered_one_by_one(get: Get, p1: str) -> None:
    entries = [
        {"request": {"method": "GET", "url": f"Observation?patient={p1}&_count=x"}},
        {"request": {"method": "POST", "url": "Observation"}, "resource": [1]},
        {"request": {"method": "PUT", "url": "Observation/1", "ifMatch": {"a": 1}}, "resource": {}},
        {"request": {"method": ["GET"], "url": {}}},
        {"request": [1]},
        {},
    ]
    bundle = get("", method="POST", json={"resourceType": "Bundle", "type": "batch", "entry": entries}, headers=JSON)
    assert [entry["response"]["status"] for entry in bundle["entry"]] == ["422"] * 6
    assert all(entry["response"]["outcome"]["resourceType"] == "OperationOutcome" for entry in bundle["entry"])


@pytest.mark.parametrize(
    ("accept", "query", "status"),
    [
        ("text/html", "", 406),
        ("application/fhir+xml", "", 406),
        ("application/fhir+xml", "?_format=json", 200),
        ("text/html", "?_format=application/fhir+json", 200),
        ("application/fhir+json; fhirVersion=4.0", "", 200),
        ("application/fhir+json; fhirVersion=4.0.1", "", 200),
        ("application/fhir+json; fhirVersion=5.0", "", 406),
        ('application/fhir+json; fhirVersion="3.0"', "", 406),
        ("text/html,*/*;q=0.8", "", 200),
    ],
)
def test_the_format_is_json_of_r4_and_nothing_else(
    world: World, get: Get, p1: str, accept: str, query: str, status: int
) -> None:
    for path in (f"Patient/{p1}", "metadata"):
        resource = get(f"{path}{query}", status, headers={"Accept": accept})
        assert (resource["resourceType"] == "OperationOutcome") is (status == 406)
    assert (
        world.call("GET", f"/fhir/Patient/{p1}", headers={"Accept": accept}).json()["resourceType"]
        == "OperationOutcome"
    )


def test_a_count_beyond_all_bounds_is_the_most_there_is(get: Get, p1: str) -> None:
    assert get(f"Observation?patient={p1}&_count=99999999999999")["total"] > 0
