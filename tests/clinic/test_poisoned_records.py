"""What is in the database and breaks today's rules is left out and named; everything else of the patient still counts.

Such rows come from earlier versions, from clocks that were wrong, and from files. None of them can be written today.
"""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import numpy as np
import pytest

from novamind.infrastructure.patient_store import Kind, Samples
from tests.clinic.wire import COMPUTED, Patient, answered, asked, shown
from tests.every_door import diary, same
from tests.server.world import World

AHEAD = datetime.now(UTC) + timedelta(days=400)
_MS = 3_600_000
_NOON = int(datetime(2026, 3, 1, 12, tzinfo=UTC).timestamp() * 1000)


def report(**change: Any) -> tuple[Kind, Any]:
    good = {"symptom": "PHQ-9", "timestamp": "2026-03-01T08:00:00+01:00", "value": 9}
    return Kind.SYMPTOM_REPORT, {name: value for name, value in (good | change).items() if value is not None}


def stretch(signal: str, unit: str, *values: float, at: int = _NOON) -> tuple[Kind, Any]:
    times = at + _MS * np.arange(len(values), dtype=np.int64)
    return Kind.BIOMETRIC_SAMPLES, Samples(signal, unit, times, np.array(values, np.float64))


def course(**change: Any) -> tuple[Kind, Any]:
    good = {"medication": "lithium", "start": "2026-01-01", "stopped": False}
    return Kind.MEDICATION, {name: value for name, value in (good | change).items() if value is not None}


def listed(**content: Any) -> tuple[Kind, Any]:
    return Kind.CONDITION, content


#: Name of what is stored to the row, the list in which it cannot be shown (or none), and what the notes say.
UNREAD = "stored, but it cannot be read; correct it"
POISON: dict[str, tuple[tuple[Kind, Any], str | None, str]] = {
    "a report of next year": (report(timestamp=AHEAD.isoformat()), None, UNREAD),
    "a report off the scale": (report(value=99), None, UNREAD),
    "a report below the scale": (report(symptom="phq_9", value=-1), None, UNREAD),
    "a report of the year 3": (report(timestamp="0003-03-01T08:00:00+00:00"), None, UNREAD),
    "a report without a value": (report(value=None), "reports", UNREAD),
    "a report in words": (report(value="much"), "reports", UNREAD),
    "a report on no day": (report(timestamp="yesterday"), "reports", UNREAD),
    "a report of nothing": (report(symptom=" "), None, UNREAD),
    "a report of a number": (report(symptom=9), "reports", UNREAD),
    "a heart rate in hours": (stretch("heart_rate", "h", 70, 71), None, UNREAD),
    "a temperature in an unknown unit": (stretch("body_temperature", "Réaumur", 30), None, UNREAD),
    "steps without a unit": (stretch("steps", "", 30), None, UNREAD),
    "marks after points": (stretch("ward_score", "marks", 3), None, UNREAD),
    "a heart rate of a watch on the table": (
        stretch("heart_rate", "bpm", -1, 0, 255),
        None,
        "3 value(s) of heart_rate",
    ),
    "a heart rate of next year": (
        stretch("heart_rate", "bpm", 70, 71, at=int(AHEAD.timestamp() * 1000)),
        None,
        "2 value(s) of heart_rate lie in the future",
    ),
    "a course of nothing": (course(medication=" "), "medications", UNREAD),
    "a course without a drug": (course(medication=None), "medications", UNREAD),
    "a course that ends before it begins": (course(end="2025-01-01"), "medications", UNREAD),
    "a course of less than nothing": (course(dose_mg=-5), "medications", UNREAD),
    "a course from no day": (course(start="spring"), "medications", UNREAD),
    "a course with a field of another version": (course(route="oral"), "medications", UNREAD),
    "a condition in no list": (listed(name="gout"), "problems", UNREAD),
    "a condition in an unknown list": (listed(list="worries", name="gout"), "problems", UNREAD),
    "a condition without a name": (listed(list="conditions", active=True), "problems", UNREAD),
    "an allergy with a field of another version": (listed(list="allergies", name="nuts", since=3), "problems", UNREAD),
    "a gene that is a number": ((Kind.GENOTYPE, {"genes": {"CYP2D6": 4}}), "genotype/results", UNREAD),
    "a result without genes": ((Kind.GENOTYPE, {"sources": {}}), "genotype/results", UNREAD),
}
#: What has no place in the record; a row of these that cannot be read is as if there were none.
SILENT: dict[str, tuple[Kind, Any]] = {
    "a scale that falls": (Kind.SCALE, {"symptom": "mood", "scale": {"low": 10, "high": 0}}),
    "a scale of nothing": (Kind.SCALE, {"scale": {"low": 0, "high": 10}}),
    "an import without records": (Kind.IMPORT, {"name": "x"}),
}


def append(world: World, patient: Patient, kind: Kind, content: Any) -> str:
    container = world.container
    work = container.foundation.store.append(UUID(patient.id), kind, [content], container.operator("test"))
    return str(world.run(work)[0])


def populated(world: World) -> Patient:
    """Somebody of whom something of everything is known."""
    patient = Patient(world, "Europe/Berlin")
    reports = [
        {"symptom": name, "timestamp": when.isoformat(), "value": value}
        for name, when, value in diary([9, 12, 8, 14, 11, 10, 13, 12, 9, 15])
    ]
    mood = {"symptom": "mood", "timestamp": reports[0]["timestamp"], "value": 4, "scale": {"low": 0, "high": 10}}
    heart = {"signal": "heart_rate", "unit": "bpm", "timestamps": [one["timestamp"] for one in reports]}
    points = {"signal": "ward_score", "unit": "points", "timestamps": [reports[0]["timestamp"]], "values": [3]}
    for route, body in (
        ("reports", {"reports": [*reports, mood]}),
        ("biometrics", {"stretches": [heart | {"values": [60 + n for n in range(10)]}, points]}),
        ("medications", {"medication": "paroxetine", "start": "2026-02-01"}),
        ("conditions", {"name": "long QT"}),
        ("allergies", {"name": "citalopram"}),
        ("genotype", {"genes": {"CYP2D6": "*4/*4"}}),
    ):
        answer = patient.ask("POST", route, json=body)
        assert answer.status_code == 201, answer.text
    return patient


@pytest.fixture(scope="module")
def patient(world: World) -> Patient:
    """Somebody who is as before after each test."""
    return populated(world)


@pytest.fixture(scope="module")
def right(patient: Patient) -> dict[str, Any]:
    """What is said of them."""
    return answers(patient)


def answers(patient: Patient) -> dict[str, Any]:
    """What is computed, without what names a row or a moment."""
    found = {}
    for name in ("forecast", "insights", "advice"):
        method, path, body = COMPUTED[name]
        answer = patient.ask(method, path, **({} if body is None else {"json": body}))
        assert answer.status_code == 200, (name, answer.text)
        found[name] = answer.json()
    found["insights"].pop("notes")
    return found


@pytest.mark.parametrize("name", POISON)
def test_a_row_that_breaks_todays_rules_is_named_and_nothing_else_is_lost(
    world: World, patient: Patient, right: dict[str, Any], name: str
) -> None:
    (kind, content), place, reason = POISON[name]
    case = patient.case()
    record_id = append(world, patient, kind, content)
    same(right, answers(patient))
    poisoned = patient.case()
    (note,) = [one for one in poisoned.pop("notes") if one not in case["notes"]]
    assert note.endswith(f"({kind} {record_id}).")
    assert reason in note
    same({part: value for part, value in case.items() if part != "notes"}, poisoned)
    for route in ("reports", "biometrics", "medications", "problems", "genotype/results"):
        assert patient.get(route)["not_read"] == ([record_id] if route == place else [])
    asked(patient)
    for part in ("/changes", "/insights"):
        assert (record_id in shown(patient, part)) is (part == "/insights")
    for question in ("links", "record with results"):
        answered(patient, question)
    assert patient.ask("DELETE", f"records/{record_id}").status_code == 204
    same(case, patient.case())


@pytest.mark.parametrize("name", SILENT)
def test_a_scale_or_an_import_that_cannot_be_read_is_none(world: World, patient: Patient, name: str) -> None:
    lists, case = patient.lists(), patient.case()
    append(world, patient, *SILENT[name])
    same(lists, patient.lists())
    same(case, patient.case())


CORRECTED = {
    "a report without a value": ("reports", {"symptom": "PHQ-9", "timestamp": "2026-11-01T08:00:00Z", "value": 9}),
    "a report off the scale": ("reports", {"symptom": "PHQ-9", "timestamp": "2026-11-02T08:00:00Z", "value": 9}),
    "a course of nothing": ("medications", {"medication": "lithium"}),
    "a condition in no list": ("conditions", {"name": "gout"}),
    "a condition without a name": ("conditions", {"name": "gout"}),
    "a gene that is a number": ("genotype", {"genes": {"CYP2D6": "*4/*4"}}),
}


@pytest.mark.parametrize("name", CORRECTED)
def test_a_row_that_cannot_be_read_can_be_corrected(world: World, patient: Patient, name: str) -> None:
    notes = patient.case()["notes"]
    record_id = append(world, patient, *POISON[name][0])
    assert patient.case()["notes"] != notes
    route, body = CORRECTED[name]
    answer = patient.ask("PUT", f"{route}/{record_id}", json=body, headers={"If-Match": '"1"'})
    assert (answer.status_code, answer.json()) == (200, {"version": 2})
    assert record_id not in str(patient.case()["notes"])
    stale = patient.ask("DELETE", f"records/{record_id}", headers={"If-Match": '"1"'})
    assert stale.status_code == 412
    assert patient.ask("DELETE", f"records/{record_id}", headers={"If-Match": '"2"'}).status_code == 204


def test_a_scale_of_old_came_with_each_report_and_stays_when_one_is_corrected(world: World) -> None:
    patient = Patient(world, None)
    scale = {"low": 0, "high": 10, "step": 1, "worse": "low"}
    old = {"symptom": "mood", "timestamp": "2026-11-01T08:00:00+00:00", "value": 3, "scale": scale}
    record_id = append(world, patient, Kind.SYMPTOM_REPORT, old)
    append(
        world,
        patient,
        Kind.SYMPTOM_REPORT,
        old | {"timestamp": "2026-11-02T08:00:00+00:00", "scale": {"low": 0, "high": 5}},
    )
    assert [(one["symptom"], one["scale"]) for one in patient.get("scales")["items"]] == [("mood", scale)]
    corrected = {"symptom": "mood", "timestamp": old["timestamp"], "value": 4}
    assert patient.ask("PUT", f"reports/{record_id}", json=corrected).status_code == 200
    assert [(one["symptom"], one["scale"]) for one in patient.get("scales")["items"]] == [("mood", scale)]
