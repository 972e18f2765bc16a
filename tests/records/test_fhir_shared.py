"""Files of kinds on which readers go wrong, and examples of HL7: the values that are right."""

import csv
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from novamind.records import FhirImport, FhirImportError, PatientRecord, read_fhir

SHARED = Path(__file__).parents[3] / "shared"
CASES, EXPORTS = SHARED / "cases" / "fhir", SHARED / "data" / "exports"
pytestmark = pytest.mark.skipif(not CASES.is_dir(), reason="the shared cases are not here")


def series(record: PatientRecord, name: str) -> list[tuple[str, float]]:
    """Local days and values of one series."""
    for frame in (record.symptoms, record.signals):
        names = [] if frame is None else [key.name for key in frame.series]
        if frame is not None and name in names:
            rows = frame.part(names.index(name))
            days = [str(when)[:10] for when in frame.timestamps[rows]]
            return list(zip(days, frame.values[rows].tolist(), strict=True))
    return []


def people(result: FhirImport, name: str) -> list[list[tuple[str, float]]]:
    return sorted(series(record, name) for record in result.records)


@pytest.mark.parametrize(
    ("file", "name", "values"),
    [
        ("g01_noid", "PHQ-9", [[("2024-05-01", 20)], [("2024-05-02", 2)]]),
        ("g03_conditional", "PHQ-9", [[("2024-05-01", 12)]]),
        ("g04_group", "heart_rate", [[]]),
        ("g04_group", "PHQ-9", [[("2024-05-01", 5)]]),
        ("g05_logical", "PHQ-9", [[]]),
        ("g06_withdrawn", "PHQ-9", [[]]),
        ("g06b_corrected", "PHQ-9", [[("2024-05-01", 15)]]),
        ("g09_focus", "heart_rate", [[]]),
        ("g11_containedpatient", "PHQ-9", [[("2024-05-01", 11)], [("2024-05-03", 19)]]),
        ("f04_contained", "PHQ-9", [[("2024-05-01", 9)]]),
        ("f04_contained", "GAD-7", [[("2024-05-02", 21)]]),
        ("e1_sleep", "steps", [[("2024-05-01", 8000)]]),
        ("e1_sleep", "sleep_duration", [[("2024-05-02", 420)]]),
        ("g12_units", "body_temperature", [[("2024-05-01", pytest.approx(37.0))]]),
        ("g12_units", "weight", [[("2024-05-01", pytest.approx(165 * 0.45359237))]]),
        ("g12_units", "height", [[("2024-05-01", pytest.approx(165.1))]]),
        ("g12_units", "heart_rate", [[("2024-05-01", 72), ("2024-05-02", 73)]]),
        ("g12_units", "blood_pressure_systolic", [[("2024-05-01", 120)]]),
        ("g12_units", "sleep_duration", [[("2024-05-01", 420)]]),
        ("g12_units", "steps", [[("2024-05-01", 4000)]]),
        ("g12_units", "oxygen_saturation", [[("2024-05-01", 97)]]),
        ("g12b_unit", "heart_rate", [[("2024-05-01", 72)]]),
        ("e3_openemr", "GAD-7", [[("2022-11-18", 9)]]),
        ("e4_panel", "PHQ-9", [[("2024-05-01", 9)]]),
        ("e6_trailing", "PHQ-9", [[]]),
        ("array", "PHQ-9", [[("2024-05-01", 12)]]),
        ("g15b_primitive", "PHQ-9", [[("2024-05-01", 12)]]),
        ("g14_values", "PHQ-9", [[("2024-06-01", 12), ("2024-06-05", 16)]]),
    ],
)
def test_values_are_of_whom_and_when_the_file_says(file: str, name: str, values: Any) -> None:
    assert people(read_fhir(CASES / f"{file}.json"), name) == values


def test_a_folder_with_every_ending_and_a_sub_folder() -> None:
    assert people(read_fhir(CASES / "ndjson_folder"), "PHQ-9") == [
        [("2024-05-01", 12), ("2024-06-01", 13), ("2024-07-01", 14)]
    ]


def test_utc_is_said_or_brought_to_the_persons_day() -> None:
    result = read_fhir(CASES / "e2_utc.json")
    assert any("days of UTC" in issue.diagnostics for issue in result.outcome.issues)
    local = read_fhir(CASES / "e2_utc.json", timezone="America/Los_Angeles")
    assert people(local, "PHQ-9") == [[("2024-05-01", 12)]]


def test_refills_are_one_course_and_absence_is_no_entry() -> None:
    (course,) = read_fhir(CASES / "m06_refills.json").record.medications
    assert (course.medication, course.start, course.end, course.dose_mg, course.stopped) == (
        "sertraline", date(2024, 1, 1), None, 50, False,
    )  # fmt: skip
    for file in ("v07_MedStatement", "c01_conditions"):
        record = read_fhir(CASES / f"{file}.json").record
        assert (record.medications, record.allergies) == ((), ())
    valid = read_fhir(CASES / "m05_validity.json").record.medications[0]
    assert (valid.start, valid.end) == (date(2020, 1, 1), date(2020, 2, 1))
    given = read_fhir(CASES / "v06_R4.json").record.medications
    assert [course.medication.partition(" ")[0] for course in given] == ["paliperidone", "sertraline"]


@pytest.mark.parametrize("file", sorted(CASES.glob("*.json")), ids=lambda path: path.stem)
def test_every_file_is_read_or_refused_with_reasons(file: Path) -> None:
    result = read_fhir(file)
    empty = all(
        r.symptoms is None and r.signals is None and not r.medications and not r.conditions for r in result.records
    )
    assert not empty or result.outcome.issues


#: Names of the shared table in the words of the vocabulary.
OURS = {"systolic_blood_pressure": "blood_pressure_systolic"}


def expected() -> list[dict[str, str]]:
    path = EXPORTS / "expected.csv"
    if not path.exists():
        return []
    with path.open(encoding="utf-8", newline="") as handle:
        return [row for row in csv.DictReader(handle) if row["file"].startswith("fhir_us_core")]


@pytest.mark.parametrize("row", expected(), ids=lambda row: row["file"].rpartition("/")[2])
def test_values_of_the_us_core_examples(row: dict[str, str]) -> None:
    record = read_fhir(EXPORTS / row["file"]).record
    if row["unit"] == "mg/day":
        (course,) = record.medications
        assert (course.medication, str(course.start), course.dose_mg) == (
            row["signal"], row["timestamp"], float(row["value"]),
        )  # fmt: skip
        return
    name = OURS.get(row["signal"], row["signal"])
    assert (row["timestamp"][:10], float(row["value"])) in series(record, name)


@pytest.mark.skipif(not EXPORTS.is_dir(), reason="the shared exports are not here")
def test_the_folder_of_us_core_examples_is_one_person() -> None:
    result = read_fhir(EXPORTS / "fhir_us_core")
    assert [record.patient_id for record in result.records] == ["example"]
    assert series(result.record, "heart_rate") == [("1999-07-02", 44)]
    assert any("on the file's one server" in issue.diagnostics for issue in result.outcome.issues)
    with pytest.raises(FhirImportError, match="form without answers"):
        read_fhir(EXPORTS / "fhir_lforms" / "phq9.json")
