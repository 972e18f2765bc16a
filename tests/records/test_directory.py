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


def medications(folder: Path, text: str) -> tuple[MedicationCourse, ...]:
    (folder / "medications.csv").write_text(text, "utf-8")
    return read_patient_directory(folder, today=TODAY).medications


def test_medications_with_all_and_with_the_fewest_columns(folder: Path) -> None:
    full = (
        "medication,start,end,dose_mg,stopped,code\n"
        "lithium,2024-01-01,2024-02-01,600.5,false,urn:x|a|1\nx,unknown,,,true,\ny, 2024-01-01 ,,,,\n"
    )
    assert medications(folder, full) == (
        MedicationCourse("lithium", date(2024, 1, 1), date(2024, 2, 1), 600.5, False, Coding("urn:x|a", "1")),
        MedicationCourse("x", None, stopped=True),
        MedicationCourse("y", date(2024, 1, 1)),
    )
    assert medications(folder, "start,medication\n2024-01-01,lithium\n") == (
        MedicationCourse("lithium", date(2024, 1, 1)),
    )


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("x,2024-01-01,,,yes,", "medications.csv: column 'stopped': must be true, false or empty"),
        ("x,2024-01-01,soon,,,", "row 1, column 'end': is not a day such as 2024-01-31"),
        ("x,2024-01-01,,,,36437", "row 1, column 'code': must be system\\|code"),
        ("x,2024-01-01,,,,|36437", "row 1, column 'code': must be system\\|code"),
        ("x,2024-01-01,,,,urn:x|", "row 1, column 'code': must be system\\|code"),
        ("x,2024-01-01,,0,,", "row 1, column 'dose_mg': must be a number above 0"),
    ],
)
def test_a_flaw_in_a_course_is_named(folder: Path, row: str, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        medications(folder, f"medication,start,end,dose_mg,stopped,code\n{row}\n")


def full_record() -> PatientRecord:
    times = ["2024-03-01T00:00:00.5-03:30", "2024-03-02T00:00+05:45", "2024-03-02T12:00+05:45"]
    columns = {"timestamp": times, "value": [1.0, None, 0.1], "patient_id": ["p"] * 3}
    return PatientRecord(
        "p",
        timezone=None,
        demographics={"birth_year": 1984, "note": "ä"},
        symptoms=symptom_frame(pl.DataFrame({**columns, "symptom": ["=mood", "b", "b"]})),
        signals=signal_frame(pl.DataFrame({**columns, "signal": ["hrv", "x", "x"], "unit": ["ms", None, None]})),
        medications=(
            MedicationCourse("lithium", None, stopped=True, code=Coding("urn:x", "1"), source="left behind"),
            MedicationCourse("+x", date(2024, 1, 2), date(2024, 1, 3), 12.5),
        ),
        genotype={"CYP2D6": "*1/*4"},
        conditions=(Condition("LQTS", Coding("urn:x", "1"), "long qt", "2016", active=False, source="left behind"),),
        allergies=(Allergy("aspirin"),),
    )


def test_what_a_directory_holds(tmp_path: Path) -> None:
    write_patient_directory(full_record(), tmp_path / "p")
    files = {file.name: file.read_text("utf-8") for file in sorted((tmp_path / "p").iterdir())}
    assert list(files) == ["medications.csv", "patient.json", "signals.csv", "symptoms.csv"]
    assert json.loads(files["patient.json"]) == {
        "patient_id": "p",
        "timezone": None,
        "demographics": {"birth_year": 1984, "note": "ä"},
        "genotype": {"CYP2D6": "*1/*4"},
        "conditions": [
            {
                "name": "LQTS",
                "code": {"system": "urn:x", "code": "1"},
                "word": "long qt",
                "onset": "2016",
                "active": False,
            }
        ],
        "allergies": [{"name": "aspirin", "active": True}],
    }
    assert "ä" in files["patient.json"]
    assert files["patient.json"].endswith("\n}\n")
    assert files["symptoms.csv"].splitlines() == [
        "timestamp,value,symptom", "2024-03-01T00:00:00.500000-03:30,1.0,'=mood", "2024-03-02T00:00:00.000000+05:45,,b",
        "2024-03-02T12:00:00.000000+05:45,0.1,b",
    ]  # fmt: skip
    assert files["signals.csv"].splitlines()[:2] == [
        "timestamp,value,signal,unit",
        "2024-03-01T00:00:00.500000-03:30,1.0,hrv,ms",
    ]
    assert files["medications.csv"].splitlines() == [
        "medication,start,end,dose_mg,stopped,code",
        "lithium,unknown,,,true,urn:x|1",
        "'+x,2024-01-02,2024-01-03,12.5,,",
    ]


def test_half_hours_and_formulas_come_back(tmp_path: Path) -> None:
    record = full_record()
    write_patient_directory(record, tmp_path / "p")
    again = read_patient_directory(tmp_path / "p", today=TODAY)
    same(again.symptoms, record.symptoms)
    same(again.signals, record.signals)
    assert [c.medication for c in again.medications] == ["lithium", "+x"]
    assert (again.conditions[0].active, again.conditions[0].code, again.genotype) == (
        False, Coding("urn:x", "1"), {"CYP2D6": "*1/*4"},
    )  # fmt: skip


def test_an_empty_folder_may_be_written_to_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    write_patient_directory(PatientRecord("p"), tmp_path / "empty")
    assert [file.name for file in (tmp_path / "empty").iterdir()] == ["patient.json"]
    assert json.loads((tmp_path / "empty" / "patient.json").read_text()) == {
        "patient_id": "p", "timezone": None, "demographics": {},
    }  # fmt: skip
    (tmp_path / "file").touch()
    with pytest.raises(ValidationError, match="file exists already: give the name of a new directory"):
        write_patient_directory(PatientRecord("p"), tmp_path / "file")
    assert sorted(file.name for file in tmp_path.iterdir()) == ["empty", "file"]


@pytest.mark.parametrize("name", ["conditions", "allergies", "procedures", "consents"])
@pytest.mark.parametrize(
    "item", ['{"name": "x"}', '["x"]', '[{"title": "x"}]', '[{"name": "x", "code": {"a": 1}}]', "[7]"]
)
def test_every_list_is_checked(tmp_path: Path, name: str, item: str) -> None:
    (tmp_path / "patient.json").write_text(f'{{"patient_id": "p", "{name}": {item}}}')
    kind = {"conditions": "Condition", "allergies": "Allergy", "procedures": "Procedure", "consents": "Consent"}[name]
    with pytest.raises(
        ValidationError, match=f"patient.json: '{name}' must be a list of objects with the fields of {kind}"
    ):
        read_patient_directory(tmp_path)


def test_parquet_is_read_as_it_stands_and_csv_without_its_guard(folder: Path) -> None:
    (folder / "symptoms.csv").write_text("timestamp,value,symptom\n2024-03-01,7,'=mood\n", "utf-8")
    (folder / "signals.parquet").unlink(missing_ok=True)
    pl.DataFrame({"timestamp": ["2024-03-01"], "value": [7], "signal": ["'=x"]}).write_parquet(
        folder / "signals.parquet"
    )
    record = read_patient_directory(folder, today=TODAY)
    assert record.symptoms is not None
    assert record.signals is not None
    assert (record.symptoms.series[0].name, record.signals.series[0].name) == ("=mood", "'=x")


def test_the_last_day_may_be_given(folder: Path) -> None:
    with pytest.raises(ValidationError, match="lies in the future"):
        read_patient_directory(folder, today=date(2024, 3, 1))
    assert read_patient_directory(str(folder), today=date(2024, 3, 2)).symptoms is not None


def test_patient_json_is_written_for_people(tmp_path: Path) -> None:
    write_patient_directory(PatientRecord("p", genotype={"CYP2D6": "*1/*4"}), tmp_path / "a" / "b" / "c")
    assert (tmp_path / "a" / "b" / "c" / "patient.json").read_text("utf-8") == (
        '{\n  "patient_id": "p",\n  "timezone": null,\n  "demographics": {},\n'
        '  "genotype": {\n    "CYP2D6": "*1/*4"\n  }\n}\n'
    )
