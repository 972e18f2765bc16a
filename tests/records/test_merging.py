"""A second file of one person joins the first: what agrees counts once, what contradicts is refused."""

from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from typer.testing import CliRunner

from novamind.cli import app
from novamind.errors import ValidationError
from novamind.records import (
    MedicationCourse,
    PatientRecord,
    import_file,
    read_patient_directory,
    signal_frame,
)
from novamind.records.merging import merged


def table(*lines: str, **declared: Any) -> PatientRecord:
    content = "\n".join(("date,PHQ-9", *lines)).encode()
    return import_file("t.csv", content=content, today=date(2026, 1, 1), **declared).record


def rows(record: PatientRecord) -> list[tuple[str, float]]:
    assert record.symptoms is not None
    return [(str(t)[:16], v) for t, v in zip(record.symptoms.timestamps, record.symptoms.values.tolist(), strict=True)]


def test_rows_of_both_are_kept_once() -> None:
    first, second = table("2025-01-13,7", "2025-01-15,9"), table("2025-01-14,8", "2025-01-15,9", patient_id="other")
    both = merged(first, second)
    assert rows(both) == [("2025-01-13T00:00", 7), ("2025-01-14T00:00", 8), ("2025-01-15T00:00", 9)]
    assert both.patient_id == "1"
    assert rows(merged(second, first)) == rows(both)
    assert rows(merged(replace(first, symptoms=None), second)) == rows(second)


def test_values_that_differ_at_one_time_are_refused() -> None:
    with pytest.raises(ValidationError, match=r"1 value\(s\) of the file differ"):
        merged(table("2025-01-13,7"), table("2025-01-13,8"))


def test_clocks_are_joined_where_the_zone_is_known() -> None:
    aware, naive = table("2025-01-13T07:00:00Z,7"), table("2025-01-13 09:00,8")
    with pytest.raises(ValidationError, match="--timezone"):
        merged(aware, naive)
    both = merged(table("2025-01-13T07:00:00Z,7", timezone="Europe/Berlin"), naive)
    assert rows(both) == [("2025-01-13T08:00", 7), ("2025-01-13T09:00", 8)]
    frame = pl.DataFrame({"timestamp": ["2025-01-13T08:00:00+01:00"], "signal": ["weight"], "value": [70.0]})
    signals = signal_frame(frame.with_columns(patient_id=pl.lit("1"), unit=pl.lit("kg")))
    beside = merged(naive, PatientRecord("1", "Europe/Berlin", signals=signals))
    assert beside.symptoms is not None
    assert beside.symptoms.utc_offset is not None  # so that both can be compared
    assert rows(beside) == [("2025-01-13T09:00", 8)]
    with pytest.raises(ValidationError, match="another time zone"):
        merged(replace(naive, timezone="Europe/Paris"), table("2025-01-14,7", timezone="Europe/Berlin"))


def test_genes_and_units_may_not_contradict() -> None:
    record = PatientRecord("1", genotype={"CYP2D6": "*1/*4"})
    assert merged(record, PatientRecord("1", genotype={"CYP2C19": "*1/*1"})).genotype == {
        "CYP2D6": "*1/*4", "CYP2C19": "*1/*1",
    }  # fmt: skip
    with pytest.raises(ValidationError, match="another result of CYP2D6"):
        merged(record, PatientRecord("1", genotype={"CYP2D6": "*1/*1"}))

    def weight(unit: str) -> PatientRecord:
        frame = pl.DataFrame({"timestamp": ["2025-01-13"], "signal": ["weight"], "value": [70.0], "unit": [unit]})
        return PatientRecord("1", signals=signal_frame(frame.with_columns(patient_id=pl.lit("1"))))

    with pytest.raises(ValidationError, match="another unit"):
        merged(weight("kg"), weight("lb"))


def test_courses_that_differ_in_their_source_alone_are_one() -> None:
    course = MedicationCourse("sertraline", date(2025, 1, 1), source="MedicationRequest/1")
    first = PatientRecord("1", medications=(replace(course, source=""),))
    both = merged(first, PatientRecord("1", medications=(course, replace(course, start=date(2025, 2, 1)))))
    assert [entry.start for entry in both.medications] == [date(2025, 1, 1), date(2025, 2, 1)]


def test_a_second_import_adds_to_the_directory(tmp_path: Path) -> None:
    def run(content: bytes, *arguments: str) -> Any:
        return CliRunner().invoke(app, ["import", "-", "--into", str(tmp_path / "p"), *arguments], input=content)

    run(b"date,PHQ-9\n2025-01-13,7\n", "--timezone", "Europe/Berlin")
    (tmp_path / "p" / "notes.txt").write_text("mine")
    again = run(b"date,PHQ-9,weight (kg)\n2025-01-14,8,70\n")
    assert again.exit_code == 0, again.exception
    assert "Europe/Berlin" in again.stdout  # the clock of the record
    record = read_patient_directory(tmp_path / "p")
    assert record.symptoms is not None
    assert record.signals is not None
    assert (record.symptoms.values.tolist(), record.signals.units) == ([7, 8], ("kg",))
    assert (tmp_path / "p" / "notes.txt").read_text() == "mine"
    refused = run(b"date,PHQ-9\n2025-01-14,9\n", "--timezone", "Europe/Berlin")
    assert "differ from those of the record" in str(refused.exception)
    assert read_patient_directory(tmp_path / "p").symptoms.values.tolist() == [7, 8]  # type: ignore[union-attr]
    assert sorted(file.name for file in (tmp_path).iterdir()) == ["p"]
