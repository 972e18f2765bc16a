"""Bulk import: each resource to whom the file gives it, each person whole or not at all, and all of it told."""

import json
from typing import Any
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa

from novamind.infrastructure.patient_store import Kind
from novamind.infrastructure.tables import ExportFile
from tests.patience import patient
from tests.server.fhir.conftest import Get, matches
from tests.server.fhir.test_bulk import exported
from tests.server.fhir.test_bulk import lines as lines_of
from tests.server.fhir.test_writing import allergy, condition, course, score
from tests.server.world import BASE, World

NDJSON = {"Prefer": "respond-async", "Content-Type": "application/fhir+ndjson"}
LENIENT = NDJSON | {"Prefer": "respond-async, handling=lenient"}
SYSTEM = "https://hospital.example/numbers"


def person(own_id: str, number: str, system: str = SYSTEM, **more: Any) -> dict[str, Any]:
    """A Patient with a record number."""
    return {"resourceType": "Patient", "id": own_id, "identifier": [{"system": system, "value": number}]} | more


def registered(world: World, who: str = "C11", **more: Any) -> tuple[str, str]:
    """Id and record number of a new patient."""
    number = f"N-{uuid4().hex[:10]}"
    body = {"name": "Somebody Simulated", "identifiers": {"mrn": number}} | more
    return str(world.call("POST", "/api/v1/patients", who, json=body).json()["ids"][0]), number


def ndjson(*resources: dict[str, Any]) -> str:
    return "".join(json.dumps(resource) + "\n" for resource in resources)


def begun(world: World, text: str | bytes, who: str = "C11", query: str = "", headers: Any = NDJSON) -> Any:
    return world.call("POST", f"/fhir/$import{query}", who, content=text, headers=headers)


def manifest_of(world: World, answer: Any, who: str = "C11") -> dict[str, Any]:
    """What an import says when it is over."""
    assert answer.status_code == 202, answer.text
    at = answer.headers["content-location"].removeprefix(BASE)
    for _ in range(int(patient(200))):
        answer = world.call("GET", at, who)
        if answer.status_code == 200:
            return dict(answer.json()) | {"at": at}
        assert answer.status_code == 202, answer.text
        world.run(world.container.jobs.step())
    raise AssertionError("the import did not end")


def imported(
    world: World, *resources: dict[str, Any], who: str = "C11", query: str = f"?identifierSystem={SYSTEM}", **more: Any
) -> tuple[dict[str, int], dict[str, str]]:
    """Numbers of people, and what became of each resource by its place."""
    manifest = manifest_of(world, begun(world, ndjson(*resources), who, query, **more), who)
    told = {}
    for part in manifest["output"] + manifest["error"]:
        assert part["type"] == "OperationOutcome"
        answer = world.call("GET", part["url"].removeprefix(BASE), who)
        outcomes = [json.loads(line) for line in answer.text.splitlines()]
        assert len(outcomes) == part["count"]
        for outcome in outcomes:
            failed = any(issue["severity"] in ("fatal", "error") for issue in outcome["issue"])
            assert failed is (part in manifest["error"])
            first = outcome["issue"][0]
            told[first.get("expression", [""])[0]] = "; ".join(issue["diagnostics"] for issue in outcome["issue"])
    return manifest["extension"]["people"], told


def stored(world: World, patient_id: str, kind: str = "Observation", who: str = "C11") -> list[dict[str, Any]]:
    return matches(world.call("GET", f"/fhir/{kind}?patient={patient_id}", who).json())


def people(**numbers: int) -> dict[str, int]:
    return {"stored": 0, "unchanged": 0, "refused": 0, "registered": 0} | numbers


def test_each_resource_is_stored_for_the_person_to_whom_the_file_gives_it(world: World) -> None:
    (first, one), (second, two) = registered(world), registered(world)
    file = (
        score("b", value=3), person("a", one), score("a", value=21), course("b"), person("b", two), condition("a"),
        allergy("b"),
    )  # fmt: skip
    counts, told = imported(world, *file)
    assert counts == people(stored=2)
    assert told == {
        "line 1: Observation": f"stored for Patient/{second}",
        "line 2: Patient": f"is Patient/{first}",
        "line 3: Observation": f"stored for Patient/{first}",
        "line 4: MedicationStatement": f"stored for Patient/{second}",
        "line 5: Patient": f"is Patient/{second}",
        "line 6: Condition": f"stored for Patient/{first}",
        "line 7: AllergyIntolerance": f"stored for Patient/{second}",
    }
    assert [r["valueQuantity"]["value"] for r in stored(world, first)] == [21]
    assert [r["valueQuantity"]["value"] for r in stored(world, second)] == [3]
    assert len(stored(world, first, "Condition")) == len(stored(world, second, "MedicationStatement")) == 1
    assert stored(world, second, "Condition") == stored(world, first, "MedicationStatement") == []
    counts, told = imported(world, *reversed(file))
    assert counts == people(unchanged=2)
    assert told["line 5: Observation"] == f"stored before for Patient/{first}"
    assert len(stored(world, first)) == len(stored(world, second)) == 1


def test_what_was_taken_back_is_stored_again(world: World) -> None:
    patient_id, number = registered(world)
    file = (person("a", number), score("a"))
    imported(world, *file)
    (listed,) = world.call("GET", f"/api/v1/patients/{patient_id}/imports", "C11").json()["items"]
    world.call("DELETE", f"/api/v1/patients/{patient_id}/imports/{listed['id']}", "C11")
    assert stored(world, patient_id) == []
    assert imported(world, *file)[0] == people(stored=1)
    assert len(stored(world, patient_id)) == 1


def test_who_is_not_registered_is_refused_or_registered_where_that_is_asked_for(world: World) -> None:
    number = f"N-{uuid4().hex[:8]}"
    stranger = person("x", number, name=[{"given": ["New"], "family": "Person"}], birthDate="1970-02-03", gender="male")
    patient_id, known = registered(world)
    file = (stranger, score("x"), person("a", known), score("a"))
    counts, told = imported(world, *file)
    assert counts == people(stored=1, refused=1)
    assert told["line 2: Observation"].startswith("not stored: nobody whom the caller may write to")
    assert len(stored(world, patient_id)) == 1
    counts, told = imported(world, *file, query=f"?identifierSystem={SYSTEM}&create=true")
    assert counts == people(stored=1, unchanged=1, registered=1)
    new = told["line 1: Patient"].removeprefix("registered as Patient/")
    shown = world.call("GET", f"/fhir/Patient/{new}", "C11").json()
    assert (shown["name"], shown["birthDate"], shown["gender"]) == ([{"text": "New Person"}], "1970-02-03", "male")
    assert shown["identifier"] == [{"system": "urn:novamind:identifier:mrn", "value": number}]
    assert len(stored(world, new)) == 1
    assert imported(world, *file, query=f"?identifierSystem={SYSTEM}&create=true")[0] == people(unchanged=2)


@pytest.mark.parametrize(
    ("identifier", "reason"),
    [
        ([], "no record number by which another import would find them"),
        ([{"system": "https://elsewhere.example", "value": "7"}], "no record number"),
        ([{"system": SYSTEM, "value": f"{SYSTEM}{n}"} for n in (1, 2)], "has several record numbers"),
        ([{"system": SYSTEM, "value": "7" * 201}], "longer than 200 characters"),
    ],
    ids=["none", "elsewhere", "several", "long"],
)
def test_nobody_is_registered_whom_another_import_would_not_find(world: World, identifier: Any, reason: str) -> None:
    before = world.call("GET", "/fhir/Patient?_summary=count", "C11").json()["total"]
    stranger = {"resourceType": "Patient", "id": "x", "identifier": identifier}
    counts, told = imported(world, stranger, score("x"), query=f"?identifierSystem={SYSTEM}&create=true")
    assert counts == people(refused=1)
    assert reason in told["line 2: Observation"]
    assert world.call("GET", "/fhir/Patient?_summary=count", "C11").json()["total"] == before


def test_a_number_of_another_system_is_nobody_of_ours(world: World) -> None:
    patient_id, number = registered(world)
    file = (person("a", number, "https://elsewhere.example/numbers"), score("a"))
    assert imported(world, *file)[0] == people(refused=1)
    assert imported(world, *file, query="")[0] == people(refused=1)
    assert stored(world, patient_id) == []
    assert imported(world, person("a", number, "urn:novamind:identifier:mrn"), score("a"), query="")[0]["stored"] == 1


def test_a_person_who_differs_from_the_registered_patient_is_refused(world: World) -> None:
    patient_id, number = registered(world, gender="female", birth_date="1980-05-17")
    counts, told = imported(world, person("a", number, birthDate="1991-01-01", gender="male"), score("a"))
    assert counts == people(refused=1)
    assert "differ from this patient in birth year and sex" in told["line 2: Observation"]
    assert stored(world, patient_id) == []


def test_two_people_of_the_file_are_not_one_patient(world: World) -> None:
    patient_id, number = registered(world)
    counts, told = imported(world, person("a", number), person("b", number), score("a"), score("b", value=2))
    assert counts == people(refused=2)
    assert "two people of the file" in told["line 3: Observation"]
    assert stored(world, patient_id) == []


def test_a_person_with_the_numbers_of_two_patients_is_neither(world: World) -> None:
    (_, one), (_, two) = registered(world), registered(world)
    both = person("a", one)
    both["identifier"].append({"system": SYSTEM, "value": two})
    counts, told = imported(world, both, score("a"))
    assert counts == people(refused=1)
    assert "several registered patients" in told["line 2: Observation"]


def test_a_person_of_whom_not_all_is_understood_is_left_out_whole_or_in_part_where_asked(world: World) -> None:
    (first, one), (second, two) = registered(world), registered(world)
    strange = score("a", "2026-04-03") | {"valueQuantity": {"value": 99, "unit": "{score}"}}
    file = (
        person("a", one),
        score("a"),
        strange,
        person("b", two),
        score("b"),
        {"resourceType": "Encounter", "id": "e"},
    )
    counts, told = imported(world, *file)
    assert counts == people(stored=1, refused=1)
    assert "not everything of this person was understood" in told["line 2: Observation"]
    assert told["line 6: Encounter"] == "Encounter resources are not read"
    assert (stored(world, first), len(stored(world, second))) == ([], 1)
    counts, told = imported(world, *file, headers=LENIENT)
    assert counts == people(stored=1, unchanged=1)
    assert told["line 2: Observation"] == f"stored for Patient/{first}"
    assert told["line 3: Observation"].startswith(f"belongs to Patient/{first}, and was stored but for what follows; ")
    assert [r["valueQuantity"]["value"] for r in stored(world, first)] == [11]


def test_lines_that_are_no_resource_and_resources_of_nobody_are_told(world: World) -> None:
    patient_id, number = registered(world)
    text = ndjson(person("a", number), score("a")) + "{broken\n" + ndjson(score("nobody-here") | {"subject": {}})
    manifest = manifest_of(world, begun(world, text, query=f"?identifierSystem={SYSTEM}"))
    assert manifest["extension"]["people"] == people(stored=1)
    (part,) = manifest["error"]
    told = world.call("GET", part["url"].removeprefix(BASE), "C11").text
    assert "a line of the NDJSON file is not valid JSON" in told
    assert "line 3" in told
    assert "line 4: Observation" in told
    assert len(stored(world, patient_id)) == 1


def test_a_deletion_of_what_is_stored_is_told_and_not_carried_out(world: World) -> None:
    patient_id, number = registered(world)
    imported(world, person("a", number), score("a"))
    (observation,) = stored(world, patient_id)
    entries = [
        {"fullUrl": "urn:uuid:1", "resource": person("a", number)},
        {"request": {"method": "DELETE", "url": f"Observation/{observation['id']}"}},
    ]
    counts, told = imported(world, {"resourceType": "Bundle", "type": "transaction", "entry": entries}, {})
    assert counts == people(unchanged=1)
    assert "changes nothing that is stored" in told["line 1: Bundle.entry[1]"]
    assert stored(world, patient_id) == [observation]


def test_times_are_on_the_clock_of_the_registered_patient(world: World) -> None:
    (berlin, one), (auckland, two) = registered(world, timezone="Europe/Berlin"), registered(world)
    utc: dict[str, Any] = {"effectiveDateTime": "2026-04-02T22:30:00Z"}
    assert imported(world, person("a", one), score("a", **utc))[0]["stored"] == 1
    assert stored(world, berlin)[0]["effectiveDateTime"] == "2026-04-03T00:30:00+02:00"
    counts, told = imported(world, person("b", two), score("b", **utc))
    assert counts == people(refused=1)
    assert "give the timezone" in told["line 2: Observation"]
    assert stored(world, auckland) == []


def test_an_export_is_imported_where_it_came_from_without_a_change(world: World, clinician: str) -> None:
    p = world.add_patient("Back", clinician)
    resources = lines_of(world, clinician, exported(world, clinician, "$export?_type=Patient,Observation,Condition"))
    before = stored(world, p, who=clinician)
    counts, told = imported(world, *resources, who=clinician, query="", headers=LENIENT)
    assert counts == people(stored=1), told
    assert f"is Patient/{p}" in told.values()
    again = stored(world, p, who=clinician)
    assert [(r.get("effectiveDateTime"), r.get("valueQuantity")) for r in again] == [
        (r.get("effectiveDateTime"), r.get("valueQuantity")) for r in before
    ]
    assert imported(world, *resources, who=clinician, query="", headers=LENIENT)[0] == people(unchanged=1)


def test_who_may_not_write_to_a_person_stores_nothing_and_learns_nothing(world: World) -> None:
    patient_id, number = registered(world)
    for who in ("C12", "C21", "service2"):
        counts, told = imported(world, person("a", number), score("a"), who=who)
        assert counts == people(refused=1)
        assert told["line 2: Observation"].startswith("not stored: nobody whom the caller may write to")
        by_id = imported(world, person(patient_id, "x"), score(patient_id), who=who)
        assert by_id[0] == people(refused=1)
    assert stored(world, patient_id) == []
    for who in ("admin", "researcher", "auditor", "analyst"):
        assert begun(world, ndjson(score("a")), who).status_code == 403
    assert begun(world, ndjson(score("a")), "P1-self", "?create=true").status_code == 403
    assert imported(world, person("a", number), score("a"), who="service1")[0] == people(stored=1)
    assert world.call("POST", "/fhir/$import", content="x", headers=NDJSON).status_code == 401


def test_it_is_in_the_audit_person_by_person(world: World) -> None:
    (first, one), (second, two) = registered(world), registered(world)
    before = len(world.audited("write"))
    imported(world, person("a", one), score("a"), person("b", two), course("b"))
    pseudonym = world.container.foundation.audit.pseudonym
    written = world.audited("write")[before:]
    assert [(entry["patient"], entry["what"]) for entry in written] == [
        (pseudonym(UUID(first)), "symptom_report"),
        (pseudonym(UUID(first)), "import"),
        (pseudonym(UUID(second)), "medication"),
        (pseudonym(UUID(second)), "import"),
    ]
    assert {entry["actor"] for entry in written} == {str(world.users["C11"])}


def files(world: World) -> list[ExportFile]:
    async def read() -> list[ExportFile]:
        async with world.container.foundation.database.snapshot() as session:
            return list(await session.scalars(sa.select(ExportFile)))

    return list(world.run(read()))


def test_the_file_is_sealed_for_its_owner_and_gone_when_it_is_stored(world: World, get: Get) -> None:
    _, number = registered(world)
    answer = begun(world, ndjson(person("a", number), score("a")), query=f"?identifierSystem={SYSTEM}")
    for row in files(world):
        assert b"resourceType" not in row.payload
        assert number.encode() not in row.payload
    manifest = manifest_of(world, answer)
    assert [row for row in files(world) if row.resource_type == "upload"] == []
    path = manifest["output"][0]["url"].removeprefix(f"{BASE}/fhir/")
    for who in ("C12", "service1"):
        get(path, 404, who=who)
        get(manifest["at"].removeprefix("/fhir/"), 404, who=who)
        assert world.call("DELETE", manifest["at"], who).status_code == 404
    assert world.call("DELETE", manifest["at"], "C11").status_code == 202
    get(path, 404)
    get(manifest["at"].removeprefix("/fhir/"), 404)


def test_an_import_that_is_cancelled_says_what_it_had_done(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    (first, one), (second, two) = registered(world), registered(world)
    cancelled: list[str] = []
    for app in world.apps:
        clinic = app.state.container.clinic
        store = clinic.import_person

        async def once(*given: Any, store: Any = store) -> Any:
            if cancelled:
                raise AssertionError("it went on after it was cancelled")
            answer = await store(*given)
            cancelled.append(str(given[1]))
            for each in world.apps:
                await each.state.container.jobs.cancel(UUID(job), world.users["C11"])
            return answer

        monkeypatch.setattr(clinic, "import_person", once)
    answer = begun(
        world, ndjson(person("a", one), score("a"), person("b", two), score("b")), query=f"?identifierSystem={SYSTEM}"
    )
    job = answer.headers["content-location"].rpartition("/")[2]
    manifest = manifest_of(world, answer)
    assert manifest["extension"] == {"state": "cancelled"}
    assert cancelled == [first]
    assert len(stored(world, first)) == 1
    assert stored(world, second) == []


def test_an_import_that_waits_is_cancelled(world: World) -> None:
    patient_id, number = registered(world)

    async def at_once() -> Any:
        given: dict[str, Any] = {"content": ndjson(person("a", number), score("a")), "headers": NDJSON}
        answer = await world.acall("POST", f"/fhir/$import?identifierSystem={SYSTEM}", "C11", **given)
        at = answer.headers["content-location"].removeprefix(BASE)
        gone = await world.acall("DELETE", at, "C11")
        return answer, gone

    answer, gone = world.run(at_once())
    assert gone.status_code == 202
    manifest = manifest_of(world, answer)
    assert manifest["extension"]["state"] in ("cancelled", "done")  # a worker may have been faster
    assert len(stored(world, patient_id)) == (manifest["extension"]["state"] == "done")


def test_nothing_of_a_person_is_kept_when_storing_fails(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    patient_id, number = registered(world)
    for app in world.apps:
        monkeypatch.setattr(app.state.container.foundation.store, "append_all", _broken)
    answer = begun(world, ndjson(person("a", number), score("a")), query=f"?identifierSystem={SYSTEM}")
    at = answer.headers["content-location"].removeprefix(BASE)
    for _ in range(int(patient(200))):
        state = world.call("GET", at, "C11")
        if state.status_code != 202:
            break
        world.run(world.container.jobs.step())
    assert state.status_code == 500
    assert state.json()["issue"][0]["diagnostics"].startswith("the import failed: something went wrong here")
    monkeypatch.undo()
    assert stored(world, patient_id) == []
    kinds = {record.kind for record in world.run(_records(world, patient_id))}
    assert kinds == {Kind.IDENTITY}


async def _broken(*_given: Any, **_more: Any) -> Any:
    raise RuntimeError("CANARY")


async def _records(world: World, patient_id: str) -> Any:
    from novamind.infrastructure.tables import Record

    async with world.container.foundation.database.snapshot() as session:
        return list(await session.scalars(sa.select(Record).where(Record.patient_id == UUID(patient_id))))


@pytest.mark.parametrize(
    ("content", "query", "headers", "status", "text"),
    [
        ("{}", "", {"Content-Type": "application/fhir+ndjson"}, 422, "respond-async"),
        ('{"input": []}', "", NDJSON | {"Content-Type": "application/json"}, 415, "fetches no files of a manifest"),
        ("<a/>", "", NDJSON | {"Content-Type": "application/fhir+xml"}, 415, "one a line"),
        (" \n", "", NDJSON, 422, "the body is empty"),
        (b"\xff\xfe", "", NDJSON, 422, "not UTF-8"),
        ("{}", "?create=maybe", NDJSON, 422, "create is true or false"),
        ("{}", "?create=true&create=false", NDJSON, 422, "stands twice"),
        ("{}", "?inputSource=x", NDJSON, 422, "create and identifierSystem"),
        ("{}", "?identifierSystem=", NDJSON, 422, "identifierSystem"),
    ],
    ids=["no-prefer", "manifest", "xml", "empty", "no-utf8", "create", "twice", "unknown", "system"],
)
def test_what_is_not_offered_is_refused(
    world: World, content: Any, query: str, headers: Any, status: int, text: str
) -> None:
    answer = begun(world, content, query=query, headers=headers)
    assert (answer.status_code, answer.json()["resourceType"]) == (status, "OperationOutcome")
    assert text in answer.json()["issue"][0]["diagnostics"]


def test_a_file_in_which_nothing_can_be_read_says_so(world: World) -> None:
    for text in ("{}\n{}\n", "no json", ndjson({"resourceType": "Encounter"})):
        manifest = manifest_of(world, begun(world, text))
        assert manifest["output"] == []
        told = world.call("GET", manifest["error"][0]["url"].removeprefix(BASE), "C11").text
        assert '"fatal"' in told
