"""PATCH: RFC 6902 on what can be corrected, for the version that was read, and a 405 says what to do instead."""

import json
from typing import Any

import pytest

from novamind.errors import ValidationError
from novamind.server.fhir import patching
from novamind.server.fhir.patching import patched
from tests.server.fhir.conftest import Get, matches
from tests.server.fhir.test_writing import JSON, allergy, condition, course, score
from tests.server.world import World

PATCH = {"Content-Type": "application/json-patch+json"}


def change(path: str, value: Any, op: str = "replace") -> list[dict[str, Any]]:
    return [{"op": op, "path": path, "value": value}]


def test_parts_of_every_piece_are_corrected(world: World, get: Get) -> None:
    p = world.add_patient("Patched", "C11")
    changes = (
        (score(p), "replace", "/valueQuantity/value", 17),
        (course(p), "add", "/effectivePeriod/end", "2026-03-01"),
        (condition(p), "add", "/onsetDateTime", "2024"),
        (allergy(p), "add", "/criticality", "high"),
    )
    for made, op, path, value in changes:
        kind = made["resourceType"]
        stored = get(kind, 201, method="POST", json=made, headers=JSON)
        at = f"{kind}/{stored['id']}"
        answer = get(at, method="PATCH", json=change(path, value, op), headers=PATCH | {"If-Match": 'W/"1"'})
        first, *rest = path.strip("/").split("/")
        assert (answer[first][rest[0]] if rest else answer[first]) == value
        assert answer == get(at)
        assert answer["meta"]["versionId"] == "2"
        changed = {first: 0, "meta": 0, "status": 0}  # a course that has ended is completed
        assert answer | changed == stored | changed
        assert get(f"{at}/_history/1") == stored


def test_a_patch_is_for_the_version_that_was_read_and_all_or_nothing(world: World, get: Get) -> None:
    p = world.add_patient("Patched", "C11")
    at = f"Observation/{get('Observation', 201, method='POST', json=score(p), headers=JSON)['id']}"
    value = "/valueQuantity/value"
    get(at, method="PATCH", json=change(value, 12), headers=PATCH)
    get(at, 412, method="PATCH", json=change(value, 13), headers=PATCH | {"If-Match": 'W/"1"'})
    half = change(value, 13) + change("/nowhere/at/all", 1)
    assert "operation 2" in get(at, 422, method="PATCH", json=half, headers=PATCH)["issue"][0]["diagnostics"]
    tested = change(value, 11, "test") + change(value, 13)
    assert "test of operation 1" in get(at, 422, method="PATCH", json=tested, headers=PATCH)["issue"][0]["diagnostics"]
    for wrong in (change("/id", "other"), change("/resourceType", "Condition"), change(value, 99), change("", [])):
        get(at, 422, method="PATCH", json=wrong, headers=PATCH)
    other = change("/subject/reference", f"Patient/{world.patients['P2']}")
    get(at, 422, method="PATCH", json=other, headers=PATCH)
    assert (get(at)["valueQuantity"]["value"], get(at)["meta"]["versionId"]) == (12, "2")
    get(at, 404, who="C12", method="PATCH", json=change(value, 13), headers=PATCH)
    get(at, 415, method="PATCH", json=get(at), headers=JSON)
    get(at, 204, method="DELETE")
    get(at, 410, method="PATCH", json=change(value, 13), headers=PATCH)


def test_samples_are_corrected_with_their_stretch(get: Get, p1: str) -> None:
    (sample,) = matches(get(f"Observation?patient={p1}&category=vital-signs&_count=1"))
    get(f"Observation/{sample['id']}", 422, method="PATCH", json=change("/valueQuantity/value", 6), headers=PATCH)


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b"{", "no JSON"),
        (b"{}", "a list of 1 to 100"),
        (b"[]", "a list of 1 to 100"),
        (json.dumps(change("/a", 1) * 101).encode(), "a list of 1 to 100"),
        (b"[1]", "operation 1"),
        (b'[{"op": "explode", "path": "/a"}]', "operation 1"),
        (b'[{"op": "add", "path": "a", "value": 1}]', "operation 1"),
        (b'[{"op": "add", "path": "/l/9", "value": 1}]', "operation 1"),
        (b'[{"op": "add", "path": "/l/-1", "value": 1}]', "operation 1"),
        (b'[{"op": "remove", "path": ""}]', "operation 1"),
        (b'[{"op": "move", "from": "/l", "path": "/l/0"}]', "operation 1"),
        (b'[{"op": "copy", "from": "/none", "path": "/a"}]', "operation 1"),
        (b'[{"op": "add", "path": "/a/b/c", "value": 1}]', "operation 1"),
    ],
)
def test_what_is_no_patch_is_refused(body: bytes, text: str) -> None:
    with pytest.raises(ValidationError, match=text):
        patched({"a": 1, "l": [1]}, body)


def test_a_patch_that_doubles_the_resource_again_and_again_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    doubling = [{"op": "copy", "from": "/l", "path": "/l/-"}] * 100
    with pytest.raises(ValidationError, match=r"operation \d+ makes the resource larger than 262144 bytes"):
        patched({"l": ["x" * 100]}, json.dumps(doubling).encode())
    whole = json.dumps({"a": 1, "b": "x" * 10}).encode()
    monkeypatch.setattr(patching, "_LARGEST", len(whole))
    assert patched({"a": 1}, json.dumps(change("/b", "x" * 10, "add")).encode()) == whole
    with pytest.raises(ValidationError, match="larger"):
        patched({"a": 1}, json.dumps(change("/b", "x" * 11, "add")).encode())


@pytest.mark.parametrize(
    ("method", "path", "text"),
    [
        ("PUT", "Observation", "conditional update is not offered: search for the resource, then send PUT to"),
        ("PATCH", "Condition", "conditional patch is not offered: search for the resource, then send PATCH to"),
        ("DELETE", "Observation?code=1", "conditional delete is not offered"),
        ("PUT", "Patient/1", "not offered here for Patient; /fhir/metadata"),
        ("PATCH", "RiskAssessment/1", "not offered here for RiskAssessment"),
        ("DELETE", "metadata", "not offered here; /fhir/metadata"),
    ],
)
def test_what_is_not_offered_says_what_to_do(get: Get, method: str, path: str, text: str) -> None:
    outcome = get(path, 405, method=method, headers=PATCH)
    assert outcome["issue"][0]["code"] == "not-supported"
    assert text in outcome["issue"][0]["diagnostics"]


def test_the_capability_statement_says_so(get: Get) -> None:
    statement = get("metadata", who=None)
    assert statement["patchFormat"] == ["application/json-patch+json"]
    for resource in statement["rest"][0]["resource"]:
        codes = {interaction["code"] for interaction in resource["interaction"]}
        assert ("patch" in codes) is ("update" in codes)
        assert resource["conditionalCreate"] is ("create" in codes)
        assert (resource["conditionalUpdate"], resource["conditionalDelete"]) == (False, "not-supported")
