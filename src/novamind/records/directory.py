"""One patient as a directory.

The layout::

    patient/
        patient.json       {"patient_id": "p-17", "timezone": "Europe/Berlin",
                           "demographics": {"birth_year": 1984}}
        symptoms.csv       timestamp,value,symptom            (or symptoms.parquet)
        signals.csv        timestamp,value,signal,unit        (or signals.parquet)
        medications.csv    medication,start,end,dose_mg

Only ``patient.json`` with its ``patient_id`` must be there. ``timezone`` is the clock the person lives by:
times that carry a timezone are brought to it, times without one are read as its local time. ``demographics``
maps names to text, numbers, booleans or null. The tables follow the rules of :mod:`novamind.records.frames`;
a ``patient_id`` column in them must agree with ``patient.json``. A medication's ``start`` and ``end`` are
local days; without ``end`` it is still taken; ``dose_mg`` is the daily dose and may be empty. Other files in
the directory are left alone.
"""

import json
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import date
from math import isfinite
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from novamind.errors import DataProcessingError, NotFoundError, ValidationError
from novamind.records.frames import LongFrame, signal_frame, symptom_frame
from novamind.records.tables import read_bytes, read_table, require_columns
from novamind.settings import Settings
from novamind.timeline import parse_timezone

Demographics = Mapping[str, str | int | float | bool | None]

_FIELDS = ("patient_id", "timezone", "demographics")


@dataclass(frozen=True, slots=True)
class MedicationCourse:
    """A medication taken from one local day to another.

    Parameters
    ----------
    medication
        Its name.
    start, end
        First and last day; ``end=None`` while it is still taken.
    dose_mg
        Daily dose in milligrams; ``None`` where not stated.
    """

    medication: str
    start: date
    end: date | None = None
    dose_mg: float | None = None

    def __post_init__(self) -> None:
        if not self.medication.strip():
            raise ValidationError("column 'medication': is empty")
        if self.end is not None and self.end < self.start:
            raise ValidationError("column 'end': lies before 'start'")
        if self.dose_mg is not None and not (isfinite(self.dose_mg) and self.dose_mg > 0):
            raise ValidationError("column 'dose_mg': must be a number above 0, or empty")


@dataclass(frozen=True, slots=True, eq=False)
class PatientRecord:
    """What is known of one person.

    ``symptoms`` and ``signals`` are ``None`` where there are none; otherwise their series carry
    ``patient_id``.
    """

    patient_id: str
    timezone: str | None = None
    demographics: Demographics = field(default_factory=dict)
    symptoms: LongFrame | None = None
    signals: LongFrame | None = None
    medications: tuple[MedicationCourse, ...] = ()

    def __post_init__(self) -> None:
        if not isinstance(self.patient_id, str) or not self.patient_id.strip():
            raise ValidationError("'patient_id' must be a non-empty text")
        if self.timezone is not None:
            parse_timezone(self.timezone)
        if not isinstance(self.demographics, Mapping) or not all(
            isinstance(name, str) and _plain(value) for name, value in self.demographics.items()
        ):
            raise ValidationError("'demographics' must map names to texts, finite numbers, true, false or null")
        for name, frame in (("symptoms", self.symptoms), ("signals", self.signals)):
            if frame is not None and {key.patient_id for key in frame.series} - {self.patient_id}:
                raise ValidationError(f"{name}: 'patient_id' differs from the record's: give one person's rows only")


def read_patient_directory(
    path: str | Path, *, today: date | None = None, settings: Settings | None = None
) -> PatientRecord:
    """Read the directory described in this module.

    Parameters
    ----------
    today
        The last local day that an observation may have; the present day where not given.
    settings
        Where the limit on each file's size comes from; the environment where not given.

    Raises
    ------
    NotFoundError
        The directory or its ``patient.json`` does not exist.
    ValidationError
        A file breaks a rule; the message starts with the file's name.
    """
    folder = Path(path)
    settings = settings or Settings()
    if not folder.is_dir():
        raise NotFoundError(f"{folder.name} is not a directory: give the folder that holds patient.json")
    file = folder / "patient.json"
    about = _parse_about(read_bytes(file, settings.max_file_bytes))
    with _named(file):
        record = PatientRecord(**about)
    frames: dict[str, LongFrame | None] = {}
    for name, check in (("symptoms", symptom_frame), ("signals", signal_frame)):
        found = _one_of(folder, name)
        if found is not None:
            table = read_table(found, settings)
            if "patient_id" not in table.columns:
                table = table.with_columns(patient_id=pl.lit(record.patient_id))
            with _named(found):
                frames[name] = check(table, today=today, timezone=record.timezone)
    courses: tuple[MedicationCourse, ...] = ()
    file = folder / "medications.csv"
    if file.exists():
        table = read_table(file, settings)
        with _named(file):
            courses = _courses(table)
    return replace(record, symptoms=frames.get("symptoms"), signals=frames.get("signals"), medications=courses)


def write_patient_directory(record: PatientRecord, path: str | Path) -> None:
    """Write the directory described in this module, tables as CSV.

    :func:`read_patient_directory` gives the record back. The directory appears complete or not at all,
    readable by its owner only.

    Raises
    ------
    ValidationError
        ``path`` exists already and is not an empty directory.
    DataProcessingError
        The system does not let us write there.
    """
    folder = Path(path)
    if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
        raise ValidationError(f"{folder.name} exists already: give the name of a new directory")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
        try:
            _write_files(record, draft)
            draft.replace(folder)
        finally:
            shutil.rmtree(draft, ignore_errors=True)
    except OSError as error:
        raise DataProcessingError(f"{folder.name} cannot be written: {error.strerror}") from error


def _plain(value: object) -> bool:
    return value is None or isinstance(value, str | int) or (isinstance(value, float) and isfinite(value))


@contextmanager
def _named(file: Path) -> Iterator[None]:
    """Start the message of an error with the file's name."""
    try:
        yield
    except ValidationError as error:
        raise type(error)(f"{file.name}: {error}") from error


def _parse_about(data: bytes) -> dict[str, Any]:
    try:
        about = json.loads(data.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise ValidationError("patient.json is not UTF-8 text: save it as UTF-8") from error
    except json.JSONDecodeError as error:
        raise ValidationError(f"patient.json is not JSON: look at line {error.lineno}, column {error.colno}") from error
    except RecursionError as error:
        raise ValidationError("patient.json is nested too deeply: it must hold one flat object") from error
    if not isinstance(about, dict):
        raise ValidationError('patient.json must hold one object, e.g. {"patient_id": "p-17"}')
    unknown = [name for name in about if name not in _FIELDS]
    if unknown or "patient_id" not in about:
        raise ValidationError(
            "patient.json must hold 'patient_id' and may hold 'timezone' and 'demographics', nothing else"
        )
    return about


def _one_of(folder: Path, name: str) -> Path | None:
    files = [file for file in (folder / f"{name}.csv", folder / f"{name}.parquet") if file.exists()]
    if len(files) > 1:
        raise ValidationError(f"{name}.csv and {name}.parquet both exist: keep one")
    return files[0] if files else None


def _courses(table: pl.DataFrame) -> tuple[MedicationCourse, ...]:
    require_columns(table.columns, ("medication", "start"))
    courses = []
    for row, cells in enumerate(table.iter_rows(named=True), 1):
        try:
            courses.append(
                MedicationCourse(
                    cells["medication"] or "",
                    _day(cells["start"], "start"),
                    _day(cells["end"], "end") if cells.get("end") else None,
                    _dose(cells["dose_mg"]) if cells.get("dose_mg") else None,
                )
            )
        except ValidationError as error:
            raise ValidationError(f"row {row}, {error}") from error
    return tuple(courses)


def _day(text: str | None, column: str) -> date:
    try:
        return date.fromisoformat((text or "").strip())
    except ValueError as error:
        raise ValidationError(f"column '{column}': is not a day such as 2024-01-31") from error


def _dose(text: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise ValidationError("column 'dose_mg': is not a number") from error


def _write_files(record: PatientRecord, folder: Path) -> None:
    about = {
        "patient_id": record.patient_id,
        "timezone": record.timezone,
        "demographics": dict(record.demographics),
    }
    (folder / "patient.json").write_text(json.dumps(about, ensure_ascii=False, indent=2) + "\n", "utf-8")
    if record.symptoms is not None:
        _table(record.symptoms, "symptom").write_csv(folder / "symptoms.csv")
    if record.signals is not None:
        _table(record.signals, "signal").write_csv(folder / "signals.csv")
    if record.medications:
        columns = ("medication", "start", "end", "dose_mg")
        rows: Sequence[tuple[Any, ...]] = [tuple(getattr(c, name) for name in columns) for c in record.medications]
        pl.DataFrame(rows, schema=columns, orient="row").write_csv(folder / "medications.csv")


def _table(frame: LongFrame, name_column: str) -> pl.DataFrame:
    columns: dict[str, Any] = {
        "timestamp": _iso_texts(frame),
        "value": pl.Series(frame.values).fill_nan(None),
        name_column: [frame.series[series].name for series in frame.series_index],
    }
    if name_column == "signal":
        columns["unit"] = pl.Series([frame.units[series] for series in frame.series_index], dtype=pl.String)
    return pl.DataFrame(columns)


def _iso_texts(frame: LongFrame) -> list[str]:
    texts = [str(text) for text in np.datetime_as_string(frame.timestamps, unit="us")]
    if frame.utc_offset is None:
        return texts
    minutes = frame.utc_offset.astype("timedelta64[m]").astype(np.int64)
    return [
        f"{text}{'-' if offset < 0 else '+'}{abs(offset) // 60:02d}:{abs(offset) % 60:02d}"
        for text, offset in zip(texts, minutes, strict=True)
    ]
