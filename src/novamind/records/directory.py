"""One patient as a directory.

The layout::

    patient/
        patient.json       {"patient_id": "p-17", "timezone": "Europe/Berlin",
                           "demographics": {"birth_year": 1984},
                           "genotype": {"CYP2D6": "*1/*4"},
                           "conditions": [{"name": "long qt", "word": "long qt"}]}
        symptoms.csv       timestamp,value,symptom            (or symptoms.parquet)
        signals.csv        timestamp,value,signal,unit        (or signals.parquet)
        medications.csv    medication,start,end,dose_mg,stopped,code

Only ``patient.json`` with its ``patient_id`` must be there. ``timezone`` is the clock the person lives by:
times that carry a timezone are brought to it, times without one are read as its local time. ``demographics``
maps names to text, numbers, booleans or null. The tables follow the rules of :mod:`novamind.records.tables.frames`;
a ``patient_id`` column in them must agree with ``patient.json``. A medication's ``start`` and ``end`` are
local days; without ``end`` it is still taken, unless ``stopped`` is ``true``; ``dose_mg`` is the daily dose;
``code`` is ``system|code``. ``start`` is a day or the word ``unknown``; the rest may be empty. ``conditions``,
``allergies``, ``procedures`` and ``consents`` in ``patient.json`` are lists of objects with the fields of
:mod:`novamind.records.patient`. Other files in the directory are left alone. Where a datum was read from is not
written: after reading, the directory is its source.
"""

import json
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from novamind.errors import DataProcessingError, NotFoundError, ValidationError
from novamind.infrastructure.spreadsheet import without_apostrophes, without_formulas
from novamind.records.patient import Allergy, Coding, Condition, Consent, MedicationCourse, PatientRecord, Procedure
from novamind.records.tables.files import read_bytes, read_table
from novamind.records.tables.frames import LongFrame, require_columns, signal_frame, symptom_frame
from novamind.settings import Settings

_LISTS = {"conditions": Condition, "allergies": Allergy, "procedures": Procedure, "consents": Consent}
_FIELDS = ("patient_id", "timezone", "demographics", "genotype", *_LISTS)
_UNKNOWN = "unknown"
_COLUMNS = ("medication", "start", "end", "dose_mg", "stopped", "code")


def read_patient_directory(
    path: str | Path, *, today: date | None = None, settings: Settings | None = None
) -> PatientRecord:
    """Return the record in the directory described in this module.

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
        record = PatientRecord(**about | {name: _objects(about.get(name, []), name) for name in _LISTS})
    frames: dict[str, LongFrame | None] = {}
    for name, check in (("symptoms", symptom_frame), ("signals", signal_frame)):
        source = _one_of(folder, name)
        if source is not None:
            table = _read(source, settings)
            if "patient_id" not in table.columns:
                table = table.with_columns(patient_id=pl.lit(record.patient_id))
            with _named(source):
                frames[name] = check(table, today=today, timezone=record.timezone)
    courses: tuple[MedicationCourse, ...] = ()
    file = folder / "medications.csv"
    if file.exists():
        table = _read(file, settings)
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


def replace_patient_directory(record: PatientRecord, path: str | Path) -> None:
    """Write a record over the directory that holds it; files that are none of a record's are left alone.

    Raises
    ------
    DataProcessingError
        The system does not let us write there.
    """
    folder = Path(path)
    try:
        with tempfile.TemporaryDirectory(prefix=f".{folder.name}-", dir=folder.parent) as draft:
            _write_files(record, Path(draft))
            for file in sorted(Path(draft).iterdir(), key=lambda file: file.name == "patient.json"):
                file.replace(folder / file.name)
                if file.name in ("symptoms.csv", "signals.csv"):  # a directory has one of either kind
                    (folder / file.name).with_suffix(".parquet").unlink(missing_ok=True)
    except OSError as error:
        raise DataProcessingError(f"{folder.name} cannot be written: {error.strerror}") from error


def _read(file: Path, settings: Settings) -> pl.DataFrame:
    table = read_table(file, settings)
    return without_apostrophes(table) if file.suffix == ".csv" else table


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
            f"patient.json must hold 'patient_id' and may hold {', '.join(map(repr, _FIELDS[1:]))}, nothing else"
        )
    return about


def _one_of(folder: Path, name: str) -> Path | None:
    files = [file for file in (folder / f"{name}.csv", folder / f"{name}.parquet") if file.exists()]
    if len(files) > 1:
        raise ValidationError(f"{name}.csv and {name}.parquet both exist: keep one")
    return files[0] if files else None


def _courses(table: pl.DataFrame) -> tuple[MedicationCourse, ...]:
    require_columns(table.columns, ("medication", "start"))
    if "stopped" in table.columns and not set(table["stopped"].fill_null("")) <= {"", "true", "false"}:
        raise ValidationError("column 'stopped': must be true, false or empty")
    courses = []
    for row, cells in enumerate(table.iter_rows(named=True), 1):
        try:
            courses.append(
                MedicationCourse(
                    cells["medication"] or "",
                    None if cells["start"] == _UNKNOWN else _day(cells["start"], "start"),
                    _day(cells["end"], "end") if cells.get("end") else None,
                    _dose(cells["dose_mg"]) if cells.get("dose_mg") else None,
                    cells.get("stopped") == "true",
                    _coding(cells["code"]) if cells.get("code") else None,
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


def _coding(text: str) -> Coding:
    system, bar, code = text.rpartition("|")
    if not (bar and system and code):
        raise ValidationError("column 'code': must be system|code")
    return Coding(system, code)


def _objects(items: Any, name: str) -> tuple[Any, ...]:
    """Return a list of patient.json as objects of our classes."""
    problem = ValidationError(f"'{name}' must be a list of objects with the fields of {_LISTS[name].__name__}")
    if not isinstance(items, list):
        raise problem
    made = []
    for item in items:
        try:
            code = Coding(**item["code"]) if item.get("code") else None
            made.append(_LISTS[name](**item | ({"code": code} if "code" in item else {})))
        except (TypeError, AttributeError) as error:
            raise problem from error
    return tuple(made)


def _plain_object(item: Any) -> dict[str, Any]:
    return {name: value for name, value in asdict(item).items() if name != "source" and value is not None}


def _write_files(record: PatientRecord, folder: Path) -> None:
    about = {
        "patient_id": record.patient_id,
        "timezone": record.timezone,
        "demographics": dict(record.demographics),
        "genotype": dict(record.genotype),
        **{name: [_plain_object(item) for item in getattr(record, name)] for name in _LISTS},
    }
    about = {name: value for name, value in about.items() if value or name not in ("genotype", *_LISTS)}
    (folder / "patient.json").write_text(json.dumps(about, ensure_ascii=False, indent=2) + "\n", "utf-8")
    if record.symptoms is not None:
        without_formulas(_table(record.symptoms, "symptom")).write_csv(folder / "symptoms.csv")
    if record.signals is not None:
        without_formulas(_table(record.signals, "signal")).write_csv(folder / "signals.csv")
    if record.medications:
        rows: Sequence[tuple[Any, ...]] = [
            (
                c.medication,
                str(c.start or _UNKNOWN),
                c.end and str(c.end),
                c.dose_mg,
                "true" if c.stopped else None,
                c.code and str(c.code),
            )
            for c in record.medications
        ]
        table = pl.DataFrame(rows, schema=_COLUMNS, orient="row", infer_schema_length=None)
        without_formulas(table).write_csv(folder / "medications.csv")


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
