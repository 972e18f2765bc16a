"""The record of one person: what is taken on a day, the last day, and what is refused."""

from datetime import date
from typing import Any

import polars as pl
import pytest

from novamind.errors import ValidationError
from novamind.records import Coding, MedicationCourse, PatientRecord, signal_frame, symptom_frame
from novamind.records.tables.frames import LongFrame

START, END = date(2024, 1, 3), date(2024, 2, 3)


@pytest.mark.parametrize(
    ("course", "days"),
    [
        (
            MedicationCourse("x", START, END),
            {"2024-01-02": False, "2024-01-03": True, "2024-02-03": True, "2024-02-04": False},
        ),
        (MedicationCourse("x", START), {"2024-01-02": False, "2024-01-03": True, "2999-01-01": True}),
        (MedicationCourse("x", None, END), {"1900-01-01": True, "2024-02-03": True, "2024-02-04": False}),
        (MedicationCourse("x", None), {"1900-01-01": True}),
        (MedicationCourse("x", START, stopped=True), {"2024-01-03": False, "2999-01-01": False}),
        (MedicationCourse("x", None, stopped=True), {"1900-01-01": False}),
        (MedicationCourse("x", START, START), {"2024-01-03": True, "2024-01-04": False}),
    ],
)
def test_the_first_and_last_day_count(course: MedicationCourse, days: dict[str, bool]) -> None:
    assert {day: course.taken_on(date.fromisoformat(day)) for day in days} == days


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"medication": ""}, "column 'medication': is empty"),
        ({"medication": "  "}, "column 'medication': is empty"),
        ({"end": date(2024, 1, 2)}, "column 'end': lies before 'start'"),
        ({"dose_mg": 0.0}, "column 'dose_mg': must be a number above 0, or empty"),
        ({"dose_mg": -1.0}, "column 'dose_mg': must be a number above 0, or empty"),
        ({"dose_mg": float("nan")}, "column 'dose_mg': must be a number above 0, or empty"),
        ({"dose_mg": float("inf")}, "column 'dose_mg': must be a number above 0, or empty"),
    ],
)
def test_what_is_no_course(change: dict[str, Any], message: str) -> None:
    good = {"medication": "x", "start": START, "end": END, "dose_mg": 0.001}
    MedicationCourse(**good)  # type: ignore[arg-type]
    with pytest.raises(ValidationError, match=message):
        MedicationCourse(**good | change)


def test_each_medication_is_taken_once_by_the_course_that_began_last() -> None:
    first = MedicationCourse("Sertraline", START, dose_mg=50)
    second = MedicationCourse("sertraline", date(2024, 1, 10), dose_mg=100)
    unknown = MedicationCourse("SERTRALINE", None, dose_mg=25)
    other = MedicationCourse("lithium", START, END)
    record = PatientRecord("p", medications=(second, first, unknown, other))
    taken = {day: [c.dose_mg for c in record.medications_on(date(2024, 1, day)) if c != other] for day in (1, 3, 9, 10)}
    assert taken == {1: [25], 3: [50], 9: [50], 10: [100]}
    assert [c.medication for c in record.medications_on(date(2024, 1, 10))] == ["sertraline", "lithium"]
    assert [c.medication for c in record.medications_on(date(2024, 2, 4))] == ["sertraline"]


def frame(kind: str, *days: str, who: str = "p") -> LongFrame:
    columns = {"timestamp": list(days), "value": [1.0] * len(days), "patient_id": [who] * len(days)}
    if kind == "symptom":
        return symptom_frame(pl.DataFrame(columns))
    return signal_frame(pl.DataFrame({**columns, "signal": ["s"] * len(days)}))


def test_the_last_day_is_that_of_the_last_observation() -> None:
    early, late = frame("symptom", "2024-01-01", "2024-01-09T23:59"), frame("signal", "2024-01-10T00:00", "2024-01-02")
    assert PatientRecord("p", symptoms=early).last_day == date(2024, 1, 9)
    assert PatientRecord("p", symptoms=early, signals=late).last_day == date(2024, 1, 10)
    assert PatientRecord("p", symptoms=frame("symptom", "2024-01-11"), signals=late).last_day == date(2024, 1, 11)
    assert PatientRecord("p").last_day is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"patient_id": ""}, "'patient_id' must be a non-empty text"),
        ({"patient_id": " "}, "'patient_id' must be a non-empty text"),
        ({"patient_id": 7}, "'patient_id' must be a non-empty text"),
        ({"timezone": "Mars"}, "the timezone is unknown"),
        ({"demographics": []}, "'demographics' must map names"),
        ({"demographics": {7: "x"}}, "'demographics' must map names"),
        ({"demographics": {"x": []}}, "'demographics' must map names"),
        ({"demographics": {"x": float("nan")}}, "'demographics' must map names"),
        ({"demographics": {"ok": 1, "x": float("inf")}}, "'demographics' must map names"),
        ({"genotype": []}, "'genotype' must map genes"),
        ({"genotype": {"CYP2D6": ""}}, "'genotype' must map genes"),
        ({"genotype": {" ": "*1"}}, "'genotype' must map genes"),
        ({"genotype": {"A": "*1", "CYP2D6": 7}}, "'genotype' must map genes"),
        ({"symptoms": frame("symptom", "2024-01-01", who="q")}, "symptoms: 'patient_id' differs"),
        ({"signals": frame("signal", "2024-01-01", who="q")}, "signals: 'patient_id' differs"),
        (
            {"symptoms": frame("symptom", "2024-01-01"), "symptom_sources": ("a", "b")},
            "symptoms: give one source a row",
        ),
        ({"signals": frame("signal", "2024-01-01"), "signal_sources": ("a", "b")}, "signals: give one source a row"),
        ({"symptom_sources": ("a",)}, "symptoms: give one source a row, or none"),
    ],
)
def test_what_is_no_record(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        PatientRecord(**{"patient_id": "p"} | change)


def test_what_a_record_may_hold() -> None:
    held = {"a": "x", "b": 1, "c": 1.5, "d": True, "e": None}
    record = PatientRecord("p", "Asia/Kolkata", held, frame("symptom", "2024-01-01"), symptom_sources=("a",),
                           genotype={"CYP2D6": "*1/*4"})  # fmt: skip
    assert (record.demographics, record.symptom_sources) == (held, ("a",))
    assert str(Coding("urn:x", "1")) == "urn:x|1"
    plain = MedicationCourse("x", START)
    assert (plain.end, plain.dose_mg, plain.stopped, plain.code, plain.source) == (None, None, False, None, "")
