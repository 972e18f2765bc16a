"""REST of files: any file that people hold of a patient, understood first, then stored as a whole."""

import asyncio
import hashlib
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, Field

from novamind.errors import ValidationError
from novamind.records import FileImport, import_file
from novamind.server.dependencies import Caller, ContainerDep
from novamind.server.patients import ConfirmIdentity, PatientId
from novamind.settings import Settings
from novamind.twin.genes import call_genes

#: Endings of the names of files that are read; the content decides what a file is.
KINDS: Final = (
    ".csv", ".tsv", ".txt", ".xlsx", ".parquet", ".pq", ".json", ".ndjson", ".jsonl", ".xml", ".zip", ".gz", ".fit",
    ".db", ".vcf",
)  # fmt: skip
_LONGEST_NAME: Final = 200
_MOST_NOTES: Final = 100
_OCTETS: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
    }
}

routes = APIRouter(prefix="/api/v1/patients/{patient_id}/files", tags=["patients"])


class FileSeries(BaseModel):
    """One series of a file."""

    name: str = Field(description="As it is stored.")
    kind: str = Field(description="`symptom` or `signal`.")
    unit: str | None = Field(description="Unit of a signal.")
    rows: int = Field(description="Number of values.")
    first_day: str = Field(description="ISO date.")
    last_day: str = Field(description="ISO date.")


class UnderstoodFile(BaseModel):
    """What a file was understood to hold, and what of it was stored."""

    kind: str = Field(description="In words.")
    rows: int = Field(description="Rows, samples or resources that were looked at.")
    zone: str = Field(description="The clock that days are counted by.")
    series: list[FileSeries] = Field(description="Series of reports and signals.")
    genes: dict[str, str] = Field(description="Gene to result, where its call is certain.")
    guesses: list[str] = Field(description="What was not declared, and how it was understood.")
    left_out: list[str] = Field(description="What was not taken, with reasons and counts.")
    stored: dict[str, int] | None = Field(description="Kind to how many records were stored; null in a dry run.")


@routes.post("", status_code=201, operation_id="importFile", openapi_extra=_OCTETS)
async def import_file_(
    container: ContainerDep,
    caller: Caller,
    patient_id: PatientId,
    request: Request,
    name: Annotated[str, Query(max_length=_LONGEST_NAME, description="The file's name, with its ending.")],
    dry_run: Annotated[bool, Query(description="Say what was understood and store nothing.")] = False,
    sample: Annotated[str | None, Query(max_length=200, description="Whose genotype, in a VCF of several.")] = None,
    absent_is_reference: Annotated[
        bool, Query(description="A VCF lists every variant of a whole genome: other positions are normal.")
    ] = False,
    dates: Annotated[
        Literal["iso", "de", "uk", "us", "epoch", "epoch-ms", "excel"] | None, Query(description="Form of dates.")
    ] = None,
    decimal: Annotated[Literal["point", "comma"] | None, Query(description="Decimal mark of a table.")] = None,
    instrument: Annotated[str | None, Query(max_length=60, description="Questionnaire of a table.")] = None,
    missing: Annotated[list[str], Query(max_length=20, description="Codes for a missing value.")] = [],  # noqa: B006
    person: Annotated[str | None, Query(max_length=200, description="Whose rows, where a file has several.")] = None,
    confirm_identity: ConfirmIdentity = False,
) -> UnderstoodFile:
    """Import a table, a wearable's export, FHIR, or a genotype (VCF, array, table; also zipped) of this one patient.

    The same file sent twice is stored once. If a file says that it is another person's, 409 says in what they differ.
    """
    await container.clinic.permit_import(caller, patient_id)
    zone = (await container.clinic.patient(caller, patient_id)).details.get("timezone")
    options = {
        "sample": sample,
        "absent_is_reference": absent_is_reference or None,
        "dates": dates,
        "decimal": decimal,
        "instrument": instrument,
        "missing": tuple(missing) or None,
        "patient_id": person,
    }
    declared = {option: value for option, value in options.items() if value is not None}
    content, file = await request.body(), Path(name).name
    understood = await asyncio.to_thread(understand, content, file, zone, container.settings, declared)
    claims = understood.claims.get(understood.record.patient_id)
    if claims is not None:
        await container.clinic.check_identity(caller, patient_id, claims, confirmed=confirm_identity)
    stored = None
    if not dry_run:
        way = repr(sorted(declared.items())).encode() if declared else b""
        digest = hashlib.sha256(patient_id.bytes + way + content).hexdigest()
        counts = await container.clinic.import_record(
            caller, patient_id, understood.record, digest, name=file, anew=True, export=understood.export
        )
        stored = {kind: count for kind, count in counts.items() if count}
    return UnderstoodFile(
        kind=understood.kind,
        rows=understood.rows,
        zone=understood.zone,
        series=[_series(asdict(series)) for series in understood.series],
        genes=dict(understood.record.genotype),
        guesses=list(understood.guesses),
        left_out=left_out(understood, _MOST_NOTES),
        stored=stored,
    )


def _series(fields: Mapping[str, Any]) -> FileSeries:
    days = {name: fields[name].isoformat() for name in ("first_day", "last_day")}
    return FileSeries.model_validate({**fields, **days})


def understand(
    content: bytes, name: str, zone: str | None, settings: Settings, declared: Mapping[str, Any]
) -> FileImport:
    """Return what a file holds of one person.

    Raises
    ------
    FhirImportError
        It is FHIR that cannot be read.
    ValidationError
        It is anything else that cannot be read, or holds several persons; the message says what to do.
    """
    if not name.lower().endswith(KINDS):
        raise ValidationError(f"this kind of file is not read; send one of {', '.join(KINDS)}")
    understood = import_file(name, timezone=zone, content=content, call_genes=call_genes, settings=settings, **declared)
    if len(understood.records) > 1:
        raise ValidationError("the file holds rows of several persons; send one person's, or say whose are read")
    return understood


def left_out(understood: FileImport, most: int) -> list[str]:
    """Return what was not taken as sentences, the first of them."""
    lines = [
        f"{entry.count:,} left out of {entry.what}: {entry.reason}"
        + (f" (first: row {entry.first_row})" if entry.first_row else "")
        for entry in understood.left_out
    ]
    return lines if len(lines) <= most else [*lines[:most], f"{len(lines) - most} more reasons"]
