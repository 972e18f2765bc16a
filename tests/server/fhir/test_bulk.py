"""Bulk export: every patient whom the caller may read, sealed at rest, for its owner alone, until it expires."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa

from novamind.infrastructure import exports
from novamind.infrastructure.tables import ExportFile
from novamind.records import read_fhir
from tests.patience import patient
from tests.server.fhir.conftest import Get, matches
from tests.server.world import BASE, World

ASYNC = {"Prefer": "respond-async"}


def exported(world: World, who: str, path: str = "$export") -> dict[str, Any]:
    """The manifest of an export, once it is done."""
    begun = world.call("GET", f"/fhir/{path}", who, headers=ASYNC)
    assert begun.status_code == 202, begun.text
    at = begun.headers["content-location"].removeprefix(BASE)
    for _ in range(int(patient(200))):
        answer = world.call("GET", at, who)
        if answer.status_code == 200:
            return dict(answer.json()) | {"at": at}
        assert answer.status_code == 202, answer.text
        world.run(world.container.jobs.step())
    raise AssertionError("the export did not end")


def lines(world: World, who: str, manifest: dict[str, Any]) -> list[dict[str, Any]]:
    """Every resource of an export."""
    found = []
    for part in manifest["output"]:
        answer = world.call("GET", part["url"].removeprefix(BASE), who)
        assert (answer.status_code, answer.headers["content-type"]) == (200, "application/fhir+ndjson")
        resources = [json.loads(line) for line in answer.text.splitlines()]
        assert len(resources) == part["count"]
        assert {resource["resourceType"] for resource in resources} == {part["type"]}
        found += resources
    return found


def stored(world: World) -> list[bytes]:
    async def read() -> list[bytes]:
        async with world.container.foundation.database.snapshot() as session:
            return list(await session.scalars(sa.select(ExportFile.payload)))

    return list(world.run(read()))


def test_an_export_holds_whom_the_caller_may_read_and_imports_elsewhere(world: World) -> None:
    resources = lines(world, "C12", exported(world, "C12"))
    assert {r["id"] for r in resources if r["resourceType"] == "Patient"} == {world.patients["P3"]}
    whole = world.call("GET", f"/fhir/Patient/{world.patients['P3']}/$everything", "C12").json()
    assert sorted(r["id"] for r in resources) == sorted(r["id"] for r in matches(whole))
    record = read_fhir("\n".join(map(json.dumps, resources)).encode()).record
    assert record.symptoms is not None
    assert len(record.symptoms) == 28
    of_all = lines(world, "service1", exported(world, "service1", "Patient/$export?_type=Patient"))
    assert {world.patients[name] for name in ("P1", "P2", "P3")} <= {r["id"] for r in of_all}
    assert world.patients["P4"] not in {r["id"] for r in of_all}
    group = exported(world, "service2", f"Group/{world.organisations[1]}/$export?_type=Patient,MedicationStatement")
    assert {part["type"] for part in group["output"]} == {"Patient", "MedicationStatement"}


def test_files_are_sealed_for_their_owner_until_they_are_deleted(world: World, get: Get) -> None:
    manifest = exported(world, "C12", "$export?_type=Patient")
    path = manifest["output"][0]["url"].removeprefix(f"{BASE}/fhir/")
    name = get(f"Patient/{world.patients['P3']}", who="C12")["name"][0]["text"]
    assert all(name.encode() not in payload and b"resourceType" not in payload for payload in stored(world))
    for who in ("C11", "service1"):
        get(path, 404, who=who)
        get(manifest["at"].removeprefix("/fhir/"), 404, who=who)
    get(path, 401, who=None)
    assert world.call("DELETE", manifest["at"], "C11").status_code == 404
    assert world.call("DELETE", manifest["at"], "C12").status_code == 202
    get(path, 404, who="C12")
    get(manifest["at"].removeprefix("/fhir/"), 404, who="C12")


def test_files_expire(world: World, get: Get, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exports, "KEPT", timedelta(seconds=-1))
    manifest = None
    begun = world.call("GET", "/fhir/$export?_type=Patient", "C12", headers=ASYNC)
    at = begun.headers["content-location"].removeprefix(f"{BASE}/fhir/")
    for _ in range(int(patient(200))):
        manifest = world.call("GET", f"/fhir/{at}", "C12")
        if manifest.status_code != 202:
            break
        world.run(world.container.jobs.step())
    assert manifest is not None
    assert manifest.status_code == 404
    assert get(at, 404, who="C12")["issue"][0]["code"] == "not-found"


def test_only_what_has_changed_since(world: World) -> None:
    later = (datetime.now(UTC) + timedelta(days=1)).strftime("%Y-%m-%d")
    assert exported(world, "C12", f"$export?_since={later}")["output"] == []
    assert exported(world, "C12", "$export?_since=2020")["output"]


@pytest.mark.parametrize(
    ("path", "prefer", "status"),
    [
        ("$export", "", 400),
        ("$export?_type=Encounter", "respond-async", 400),
        ("$export?_typeFilter=x", "respond-async", 400),
        ("$export?_outputFormat=text/csv", "respond-async", 400),
        ("$export?_since=yesterday", "respond-async", 400),
        ("Group/8f1f0f0e-0000-4000-8000-000000000000/$export", "respond-async", 404),
    ],
)
def test_what_is_not_offered_is_refused(get: Get, path: str, prefer: str, status: int) -> None:
    get(path, status, headers={"Prefer": prefer})


def test_who_may_read_nobody_exports_nobody(get: Get) -> None:
    for who in ("admin", "researcher", "auditor"):
        get("$export", 403, who=who, headers=ASYNC)
    get(f"$export-status/{uuid4()}", 404)
    get(f"$export-file/{uuid4()}", 404)
    get("$export-status/x", 404)
    get("$export-file/x", 404)


def test_every_patient_of_an_export_is_in_the_audit(world: World) -> None:
    before = len(world.audited("read"))
    exported(world, "C12", "$export?_type=MedicationStatement")
    pseudonym = world.container.foundation.audit.pseudonym
    told = {entry["what"] for entry in world.audited("read")[before:]
            if entry["patient"] == pseudonym(UUID(world.patients["P3"]))}  # fmt: skip
    assert told == {"identity", "medication"}
