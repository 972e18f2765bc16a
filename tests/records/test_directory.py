"""One patient's directory comes back as it was written, and says what is wrong with it."""

import json
from datetime import date
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from novamind.errors import DataProcessingError, NotFoundError, ValidationError
from novamind.records import (
    Allergy,
    Coding,
    Condition,
    Consent,
    LongFrame,
    MedicationCourse,
    PatientRecord,
    Procedure,
    read_patient_directory,
    signal_frame,
    symptom_frame,
    write_patient_directory,
)
from novamind.settings import Settings

TODAY = date(2025, 1, 5)
COURSES = (
    MedicationCourse("sertraline", date(2024, 1, 3), date(2024, 6, 1), 50.0),
    MedicationCourse("lithium", date(2024, 2, 1)),
)


def same(one: LongFrame | None, other: LongFrame | None) -> None:
    if one is None or other is None:
        assert one is other
        return
    assert (one.series, one.units) == (other.series, other.units)
    np.testing.assert_array_equal(one.series_index, other.series_index)
    np.testing.assert_array_equal(one.timestamps, other.timestamps)
    np.testing.assert_array_equal(one.values, other.values)
    assert (one.utc_offset is None) == (other.utc_offset is None)
    if one.utc_offset is not None:
        np.testing.assert_array_equal(one.utc_offset, other.utc_offset)


def record_of(
    seconds: list[int], values: list[float], zone: str | None, aware: bool, demographics: dict, courses: tuple
) -> PatientRecord:
    moments = (np.datetime64("2024-01-01", "us") + np.array(seconds, "timedelta64[s]")).astype(str)
    columns = {
        "timestamp": [f"{moment}Z" if aware else moment for moment in moments],
        "value": values,
        "patient_id": ['p, "17"'] * len(values),
    }
    return PatientRecord(
        patient_id='p, "17"',
        timezone=zone,
        demographics=demographics,
        symptoms=symptom_frame(
            pl.DataFrame({**columns, "symptom": ["PHQ-9"] * len(values)}), today=TODAY, timezone=zone
        ),
        signals=signal_frame(
            pl.DataFrame({**columns, "signal": ["sleep"] * len(values), "unit": ["h"] * len(values)}),
            today=TODAY,
            timezone=zone,
        ),
        medications=courses,
    )


@given(
    rows=st.dictionaries(
        st.integers(0, 366 * 86_400), st.one_of(st.floats(-1e9, 1e9), st.just(float("nan"))), min_size=1, max_size=20
    ),
    zone=st.sampled_from([None, "Europe/Berlin", "America/New_York"]),
    aware=st.booleans(),
    demographics=st.dictionaries(
        st.text(max_size=5), st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=5))
    ),
    courses=st.sampled_from([(), COURSES]),
)
@settings(max_examples=40, deadline=None)
def test_round_trip(tmp_path_factory: pytest.TempPathFactory, rows: dict, zone, aware, demographics, courses) -> None:
    record = record_of(list(rows), list(rows.values()), zone, aware, demographics, courses)
    folder = tmp_path_factory.mktemp("records") / "patient"
    write_patient_directory(record, folder)
    again = read_patient_directory(folder, today=TODAY)
    assert (again.patient_id, again.timezone, again.demographics, again.medications) == (
        record.patient_id,
        zone,
        demographics,
        courses,
    )
    same(again.symptoms, record.symptoms)
    same(again.signals, record.signals)


def test_least_record(tmp_path: Path) -> None:
    write_patient_directory(PatientRecord("p-17"), tmp_path / "a" / "b")
    again = read_patient_directory(tmp_path / "a" / "b")
    assert again.symptoms is again.signals is again.timezone is None
    assert again.medications == ()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "patient.json").write_text('{"patient_id": "p-17", "timezone": "Europe/Berlin"}', "utf-8")
    (tmp_path / "symptoms.csv").write_text("timestamp,value\n2024-03-01T23:30Z,7\n", "utf-8")
    return tmp_path


def test_times_are_brought_to_the_persons_clock(folder: Path) -> None:
    symptoms = read_patient_directory(folder).symptoms
    assert symptoms is not None
    assert symptoms.timestamps.astype("datetime64[D]").tolist() == [date(2024, 3, 2)]
    assert symptoms.series == (("p-17", "symptom"),)


def test_reads_parquet(folder: Path) -> None:
    (folder / "symptoms.csv").unlink()
    pl.DataFrame({"timestamp": [date(2024, 3, 1)], "value": [7], "patient_id": ["p-17"]}).write_parquet(
        folder / "symptoms.parquet"
    )
    assert read_patient_directory(folder).symptoms is not None


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("patient.json", '{"patient_id": "p-17",}', "patient.json is not JSON: look at line 1"),
        ("patient.json", '["p-17"]', "one object"),
        ("patient.json", "[" * 100_000, "nested"),
        ("patient.json", "{}", "must hold 'patient_id'"),
        ("patient.json", '{"patient_id": "p-17", "time_zone": "UTC"}', "'timezone'"),
        ("patient.json", '{"patient_id": 17}', "patient.json: 'patient_id' must be"),
        ("patient.json", '{"patient_id": "p-17", "timezone": "Mars"}', "patient.json: the timezone"),
        ("patient.json", '{"patient_id": "p-17", "demographics": {"a": [1]}}', "patient.json: 'demographics'"),
        ("patient.json", '{"patient_id": "p-17", "demographics": {"a": NaN}}', "patient.json: 'demographics'"),
        ("symptoms.csv", "timestamp,value\n2024-03-01,x\n", "symptoms.csv: row 1, column 'value'"),
        ("symptoms.csv", "timestamp,value\n", "symptoms.csv: the table has no rows"),
        ("symptoms.csv", "timestamp,value,patient_id\n2024-03-01,1,p-18\n", "symptoms: 'patient_id' differs"),
        ("signals.csv", "timestamp,value\n2024-03-01,1\n", "signals.csv: the column 'signal' is missing"),
        ("medications.csv", "drug,start\nx,2024-03-01\n", "medications.csv: the column 'medication' is missing"),
        ("medications.csv", "medication,start\nx,soon\n", "medications.csv: row 1, column 'start'"),
        ("medications.csv", "medication,start\n,2024-03-01\n", "medications.csv: row 1, column 'medication'"),
        ("medications.csv", "medication,start\nx,2024-03-01\ny,\n", "medications.csv: row 2, column 'start'"),
        ("medications.csv", "medication,start,end\nx,2024-03-01,2024-02-01\n", "row 1, column 'end': lies before"),
        ("medications.csv", "medication,start,dose_mg\nx,2024-03-01,a lot\n", "row 1, column 'dose_mg'"),
        ("medications.csv", "medication,start,dose_mg\nx,2024-03-01,-5\n", "row 1, column 'dose_mg'"),
        ("medications.csv", "medication,start,dose_mg\nx,2024-03-01,nan\n", "row 1, column 'dose_mg'"),
    ],
)
def test_names_the_malformed_file(folder: Path, file: str, content: str, message: str) -> None:
    (folder / file).write_text(content, "utf-8")
    with pytest.raises(ValidationError, match=message):
        read_patient_directory(folder)


def test_refuses_two_tables_missing_files_and_size(folder: Path) -> None:
    with pytest.raises(ValidationError, match="larger than the limit"):
        read_patient_directory(folder, settings=Settings(max_file_bytes=10))
    (folder / "symptoms.parquet").touch()
    with pytest.raises(ValidationError, match="both exist"):
        read_patient_directory(folder)
    (folder / "patient.json").write_bytes(b"\xff")
    with pytest.raises(ValidationError, match="UTF-8"):
        read_patient_directory(folder)
    (folder / "patient.json").unlink()
    with pytest.raises(NotFoundError, match=r"patient\.json"):
        read_patient_directory(folder)
    with pytest.raises(NotFoundError, match="not a directory"):
        read_patient_directory(folder / "none")


def test_writes_all_or_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    record = read_patient_directory(folder)
    with pytest.raises(ValidationError, match="exists already"):
        write_patient_directory(record, folder)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pl.DataFrame, "write_csv", full)
    before = sorted(folder.iterdir())
    with pytest.raises(DataProcessingError, match="No space left"):
        write_patient_directory(record, folder / "copy")
    assert sorted(folder.iterdir()) == before


def test_only_the_owner_can_read_what_was_written(tmp_path: Path) -> None:
    write_patient_directory(PatientRecord("p-17"), tmp_path / "patient")
    assert (tmp_path / "patient").stat().st_mode & 0o077 == 0
    assert json.loads((tmp_path / "patient" / "patient.json").read_text("utf-8"))["patient_id"] == "p-17"


def test_record_refuses_rows_of_another_person() -> None:
    frame = symptom_frame(pl.DataFrame({"timestamp": ["2024-03-01"], "value": [1], "patient_id": ["p-18"]}))
    with pytest.raises(ValidationError, match="symptoms: 'patient_id' differs"):
        PatientRecord("p-17", symptoms=frame)


def test_the_clinical_lists_come_back(tmp_path: Path) -> None:
    record = PatientRecord(
        "p",
        genotype={"CYP2D6": "*1/*4"},
        conditions=(
            Condition("Long QT syndrome", Coding("http://hl7.org/fhir/sid/icd-10", "I45.81"), "long qt", "2016"),
        ),
        allergies=(Allergy("aspirin", medication="aspirin", criticality="low"),),
        procedures=(Procedure("ECG", performed="2020-01-02"),),
        consents=(Consent("research", "active", "deny"),),
        medications=(MedicationCourse("lithium", None, stopped=True, code=Coding("urn:x", "1")), *COURSES),
    )
    write_patient_directory(record, tmp_path / "p")
    back = read_patient_directory(tmp_path / "p", today=TODAY)
    for name in ("genotype", "conditions", "allergies", "procedures", "consents", "medications"):
        assert getattr(back, name) == getattr(record, name), name


@pytest.mark.parametrize("conditions", ['{"name": "x"}', '["x"]', '[{"title": "x"}]', '[{"name": "x", "code": "y"}]'])
def test_a_malformed_list_is_named(tmp_path: Path, conditions: str) -> None:
    (tmp_path / "patient.json").write_text(f'{{"patient_id": "p", "conditions": {conditions}}}')
    with pytest.raises(ValidationError, match="'conditions' must be a list"):
        read_patient_directory(tmp_path)
