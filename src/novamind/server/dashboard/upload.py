"""Files in: a symptom table, a wearable's export or a FHIR bundle, recognised by their content."""

import asyncio
import hashlib
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Final
from uuid import UUID

import numpy as np
import polars as pl
from fastapi import APIRouter, File, Request, UploadFile
from fastapi.responses import Response

from novamind.errors import ValidationError
from novamind.records import (
    FhirImportError,
    LongFrame,
    PatientRecord,
    read_fhir,
    read_table,
    read_wearables,
    signal_frame,
    symptom_frame,
)
from novamind.server.dashboard.rendering import page
from novamind.server.dependencies import Caller, ContainerDep
from novamind.server.patients import PatientId
from novamind.settings import Settings
from novamind.symptoms.instruments import recognise

_TABLES: Final = (".csv", ".tsv", ".txt", ".parquet", ".pq")
_SUFFIXES: Final = (*_TABLES, ".json", ".xml", ".zip", ".fit")
_MOST_NOTES: Final = 20
_LONGEST_NAME: Final = 200
_IN_MEMORY: Final = "/dev/shm"  # noqa: S108 - a folder of its own is made in it

routes = APIRouter(prefix="/patients/{patient_id}/upload", include_in_schema=False)


@routes.get("")
async def form(request: Request, container: ContainerDep, caller: Caller, patient_id: PatientId) -> Response:
    """Show where files are dropped."""
    patient = await container.clinic.patient(caller, patient_id)
    return page(request, "upload.html", {"patient": patient, "largest": container.settings.max_fhir_bytes // 2**20})


@routes.post("")
async def upload(
    request: Request,
    container: ContainerDep,
    caller: Caller,
    patient_id: PatientId,
    file: Annotated[UploadFile, File()],
) -> Response:
    """Read a file and store it, each kind of data whole; the same file sent twice is stored once.

    A file that was taken back is stored again when it comes again.
    """
    patient = await container.clinic.patient(caller, patient_id)
    content = await file.read()
    name = Path(file.filename or "").name
    suffix = Path(name).suffix.lower()
    zone = patient.details.get("timezone")
    try:
        record, notes = await asyncio.to_thread(read, content, suffix, patient_id, zone, container.settings)
    except FhirImportError as error:
        reasons = [issue.diagnostics for issue in error.outcome.issues]
        return page(request, "uploaded.html", {"patient": patient, "stored": None, "notes": reasons[:_MOST_NOTES]}, 422)
    once = hashlib.sha256(patient_id.bytes + content).hexdigest()
    stored = await container.clinic.import_record(
        caller, patient_id, record, once, name=name[-_LONGEST_NAME:], anew=True
    )
    shown = {kind.replace("_", " "): count for kind, count in stored.items() if count}
    return page(request, "uploaded.html", {"patient": patient, "stored": shown, "notes": notes[:_MOST_NOTES]}, 201)


def read(
    content: bytes, suffix: str, patient_id: UUID, zone: str | None, settings: Settings
) -> tuple[PatientRecord, list[str]]:
    """Return the record that a file holds, and notes on what of it was not understood.

    Raises
    ------
    FhirImportError
        If it is FHIR that cannot be read.
    ValidationError
        If it is anything else that cannot be read; the message says what is wrong.
    """
    if suffix not in _SUFFIXES:
        raise ValidationError(f"this kind of file is not read; send one of {', '.join(_SUFFIXES)}")
    if suffix == ".json" and b'"resourceType"' in content:
        bundle = read_fhir(content, settings=settings)
        return bundle.record, [issue.diagnostics for issue in bundle.outcome.issues]
    # The readers take paths; where the system has a folder in memory, nothing of the file gets onto a disk.
    with tempfile.TemporaryDirectory(dir=_IN_MEMORY if Path(_IN_MEMORY).is_dir() else None) as folder:
        path = Path(folder) / f"file{suffix}"
        path.write_bytes(content)
        if suffix in _TABLES:
            table = read_table(path, settings)
            if "signal" not in table.columns:
                frame, notes = _on_scale(symptom_frame(_own(table, patient_id), timezone=zone))
                return PatientRecord(str(patient_id), zone, symptoms=frame), notes
        export = read_wearables(path, patient_id=str(patient_id), timezone=zone, settings=settings)
    frame = signal_frame(_own(export.frame, patient_id), timezone=zone)
    return PatientRecord(str(patient_id), zone, signals=frame), _left_out(export.summary)


def _own(table: pl.DataFrame, patient_id: UUID) -> pl.DataFrame:
    """Return the rows as this patient's: exports name people in their own ways."""
    if "patient_id" in table.columns and table["patient_id"].n_unique() > 1:
        raise ValidationError("the file holds rows of several persons; send one person's")
    return table.with_columns(patient_id=pl.lit(str(patient_id)))


def _on_scale(frame: LongFrame) -> tuple[LongFrame, list[str]]:
    """Return the frame without values off the scale of their instrument, and a note on how many there were."""
    notes, values = [], frame.values.copy()
    for i, key in enumerate(frame.series):
        instrument, rows = recognise(key.name), frame.part(i)
        if instrument is None:
            continue
        low, high = instrument.scale.low, instrument.scale.high
        off = (values[rows] < low) | (values[rows] > high)
        if off.any():
            notes.append(f"{off.sum()} rows left out: off the scale of {instrument.name}, {low:g} to {high:g}")
        values[rows] = np.where(off, np.nan, values[rows])
    return replace(frame, values=values), notes


def _left_out(summary: Any) -> list[str]:
    lines = [f"{part.get('rows', '')} rows left out: {part.get('reason', '')}" for part in summary.left_out]
    return [*lines, *(f"{count} of kind {name} are not read" for name, count in summary.unread.items())]
