"""Records without a timezone: what FHIR can hold goes out, the rest is named, and nobody's export fails for it."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import numpy as np
import polars as pl
import pytest

from novamind.clinic.fhir_service import _all
from novamind.infrastructure.patient_store import Kind, Samples, StoredRecord
from novamind.records import PatientRecord, signal_frame, symptom_frame
from novamind.records.fhir.export import record_bundle, writable
from tests.server.fhir.conftest import Get, matches
from tests.server.fhir.test_bulk import exported
from tests.server.fhir.test_bulk import lines as lines_of
from tests.server.world import BASE, World

AWARE, NAIVE, DATE = "2026-03-01T08:00:00+05:30", "2026-03-02T09:00:00", "2026-03-03T00:00:00"
LEFT_OUT = "observations have a clock but no timezone, which FHIR cannot hold"


def reports(*times: str) -> list[dict[str, Any]]:
    return [{"symptom": "PHQ-9", "timestamp": time, "value": 5 + n} for n, time in enumerate(times)]


def kept(world: World, zone: str | None, *times: str, who: str = "C11") -> tuple[str, list[str]]:
    """A patient with reports as tables bring them, and the ids of the reports."""
    body = {"name": "Somebody", "identifiers": {"mrn": uuid4().hex}} | ({"timezone": zone} if zone else {})
    patient_id = world.call("POST", "/api/v1/patients", who, json=body).json()["ids"][0]
    store, access = world.container.foundation.store, world.container.operator("test")
    ids = world.run(store.append(UUID(patient_id), Kind.SYMPTOM_REPORT, reports(*times), access))
    return patient_id, list(map(str, ids))


def test_what_has_a_clock_of_nobody_is_left_out_and_named(world: World, get: Get) -> None:
    p, (aware, naive, date) = kept(world, None, AWARE, NAIVE, DATE)
    bundle = get(f"Observation?patient={p}")
    assert {r["id"]: r["effectiveDateTime"] for r in matches(bundle)} == {aware: AWARE, date: "2026-03-03"}
    assert bundle["total"] == 2
    (outcome,) = matches(bundle, "outcome")
    assert f"1 {LEFT_OUT}" in outcome["issue"][0]["diagnostics"]
    whole = get(f"Patient/{p}/$everything")
    assert f"1 {LEFT_OUT}" in matches(whole, "outcome")[0]["issue"][0]["diagnostics"]
    assert whole["total"] == len(matches(whole)) == 3
    assert get(f"Observation/{aware}")["effectiveDateTime"] == AWARE
    assert LEFT_OUT in get(f"Observation/{naive}", 400)["issue"][0]["diagnostics"]


def test_with_a_timezone_nothing_is_left_out(world: World, get: Get) -> None:
    p, _ = kept(world, "Europe/Berlin", AWARE, NAIVE, DATE)
    bundle = get(f"Observation?patient={p}")
    assert (bundle["total"], matches(bundle, "outcome")) == (3, [])


def test_dates_alone_and_offsets_alone_go_out_whole(world: World, get: Get) -> None:
    for times in ((DATE, "2026-03-04T00:00:00"), (AWARE, "2026-03-02T09:00:00+00:00")):
        p, _ = kept(world, None, *times)
        bundle = get(f"Observation?patient={p}")
        assert (bundle["total"], matches(bundle, "outcome")) == (2, [])


def test_one_patient_without_a_clock_does_not_end_the_export_of_all(world: World, clinician: str) -> None:
    p, ids = kept(world, None, NAIVE, AWARE, who=clinician)
    other = world.add_patient("Other", clinician)
    manifest = exported(world, clinician, "$export?_type=Patient,Observation")
    resources = lines_of(world, clinician, manifest)
    assert {p, other} == {r["id"] for r in resources if r["resourceType"] == "Patient"}
    assert ids[1] in {r["id"] for r in resources}
    assert ids[0] not in {r["id"] for r in resources}
    (part,) = manifest["error"]
    assert part["type"] == "OperationOutcome"
    told = [json.loads(line) for line in world.call("GET", part["url"].removeprefix(BASE), clinician).text.splitlines()]
    (issue,) = next(o["issue"] for o in told if f"Patient/{p}" in o["issue"][0]["expression"])
    assert issue["severity"] == "warning"
    assert f"1 {LEFT_OUT}" in issue["diagnostics"]


def stored(kind: Kind, *contents: Any) -> list[StoredRecord]:
    return [StoredRecord(uuid4(), 1, kind, content, datetime(2026, 4, 1, tzinfo=UTC)) for content in contents]


@pytest.mark.parametrize("signal", ["heart_rate", "steps_per_day"])
def test_samples_go_by_the_clock_of_the_reports_or_are_left_out_with_them(signal: str) -> None:
    moments = np.array([(datetime(2026, 3, d, 6, tzinfo=UTC).timestamp()) * 1000 for d in (1, 2)], np.int64)
    unit, values = ("/min", [60.0, 70.0]) if signal == "heart_rate" else ("steps/d", [4000.0, 5000.0])
    identity = stored(Kind.IDENTITY, {"identifiers": {}, "details": {}})
    samples = stored(Kind.BIOMETRIC_SAMPLES, Samples(signal, unit, moments, np.array(values)))
    found = {}
    for name, times in (("aware", [AWARE]), ("naive", [NAIVE]), ("both", [AWARE, NAIVE]), ("none", [])):
        parts = {Kind.IDENTITY: identity, Kind.BIOMETRIC_SAMPLES: samples}
        parts |= {Kind.SYMPTOM_REPORT: stored(Kind.SYMPTOM_REPORT, *reports(*times))}
        resources, notes = _all(uuid4(), parts, {})
        seen = [r["effectiveDateTime"] for r in resources[1:] if r["category"][0]["coding"][0]["code"] == "vital-signs"]
        found[name] = (seen, notes[0].partition(" ")[0] if notes else "0")
    local = ["2026-03-01T11:30:00+05:30", "2026-03-02T11:30:00+05:30"]
    utc = ["2026-03-01T06:00:00+00:00", "2026-03-02T06:00:00+00:00"]
    assert found == {"aware": (local, "0"), "naive": ([], "3"), "both": (local, "1"), "none": (utc, "0")}


def test_a_record_without_its_clocks_can_be_written() -> None:
    when = datetime(2026, 3, 1)  # noqa: DTZ001
    times = [when, when + timedelta(hours=9), when + timedelta(days=1)]
    rows = {"patient_id": ["a"] * 3, "timestamp": times, "value": [1.0, 2.0, 3.0]}
    symptoms = symptom_frame(pl.DataFrame(rows | {"symptom": ["PHQ-9"] * 3}), today=datetime(2026, 4, 1).date())  # noqa: DTZ001
    signals = signal_frame(
        pl.DataFrame(rows | {"signal": ["heart_rate"] * 3, "unit": ["/min"] * 3, "value": [60.0, 61.0, 62.0]}),
        today=datetime(2026, 4, 1).date(),  # noqa: DTZ001
    )
    record = PatientRecord("a", symptoms=symptoms, signals=signals, symptom_sources=("x", "y", "z"))
    part, left_out = writable(record)
    assert left_out == 2
    assert part.symptom_sources == ("x", "z")
    observations = [entry["resource"] for entry in record_bundle(part)["entry"][1:]]
    assert [(o["effectiveDateTime"], o["valueQuantity"]["value"]) for o in observations] == [
        ("2026-03-01", 1), ("2026-03-02", 3), ("2026-03-01", 60), ("2026-03-02", 62),
    ]  # fmt: skip
    zoned = PatientRecord("a", symptoms=symptoms, timezone="Europe/Berlin")
    assert writable(zoned) == (zoned, 0)
