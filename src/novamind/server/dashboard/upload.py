"""Files in, in two steps: what a file was understood to hold is shown, and stored once that is confirmed.

Nothing of a file is kept between the steps: the second sends it again, with the digest of what was shown.
"""

import asyncio
import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any, Final, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, File, Form, Request, UploadFile
from fastapi.responses import Response

from novamind.errors import IdentityError, ValidationError
from novamind.records import FhirImportError
from novamind.server.dashboard.rendering import page
from novamind.server.dependencies import Caller, ContainerDep
from novamind.server.files import KINDS, left_out, understand
from novamind.server.patients import PatientId

_MOST_NOTES: Final = 20
_LONGEST_NAME: Final = 200
_UNDECIDED: Final = "nothing in the file says whose it is: check that it is this patient's"

routes = APIRouter(prefix="/patients/{patient_id}/upload", include_in_schema=False)


@dataclass(frozen=True, slots=True)
class Declared:
    """What is declared about a table or a genotype; empty where it is left to be understood."""

    dates: Annotated[str, Form(max_length=20)] = ""
    decimal: Annotated[str, Form(max_length=20)] = ""
    instrument: Annotated[str, Form(max_length=60)] = ""
    columns: Annotated[str, Form(max_length=2000)] = ""
    missing: Annotated[str, Form(max_length=200)] = ""
    sheet: Annotated[str, Form(max_length=100)] = ""
    encoding: Annotated[str, Form(max_length=40)] = ""
    person: Annotated[str, Form(max_length=200)] = ""
    sample: Annotated[str, Form(max_length=200)] = ""
    absent: Annotated[Literal["", "reference"], Form()] = ""

    def options(self) -> dict[str, Any]:
        """Return what was filled in, as :func:`novamind.records.import_file` takes it."""
        filled = {name: text.strip() for name, text in asdict(self).items() if text.strip()}
        others = {"columns", "missing", "person", "absent"}
        options: dict[str, Any] = {name: filled[name] for name in filled.keys() - others}
        if "columns" in filled:
            pairs = [line.partition("=") for line in filled["columns"].splitlines() if line.strip()]
            if not all(name and mark and column for name, mark, column in pairs):
                raise ValidationError("columns must be written as timestamp=Datum, one a line")
            options["mapping"] = {name.strip(): column.strip() for name, _, column in pairs}
        if "missing" in filled:
            options["missing"] = tuple(filled["missing"].replace(",", " ").split())
        options |= {"absent_is_reference": True} if "absent" in filled else {}
        return options | ({"patient_id": filled["person"]} if "person" in filled else {})


@routes.get("")
async def form(request: Request, container: ContainerDep, caller: Caller, patient_id: PatientId) -> Response:
    """Show where files are dropped."""
    patient = await container.clinic.patient(caller, patient_id)
    largest = container.settings.max_fhir_bytes // 2**20
    return page(request, "upload.html", {"patient": patient, "largest": largest, "kinds": ",".join(KINDS)})


@routes.post("")
async def upload(
    request: Request,
    container: ContainerDep,
    caller: Caller,
    patient_id: PatientId,
    file: Annotated[UploadFile, File()],
    declared: Annotated[Declared, Depends()],
    shown: Annotated[str, Form(max_length=64)] = "",
    confirm_identity: Annotated[bool, Form()] = False,
) -> Response:
    """Show what a file was understood to hold, or store it where that was shown; each kind of data whole.

    A file of another person is stored only where the identity is confirmed.

    The same file sent twice is stored once. A file that was taken back is stored again when it comes again.
    """
    patient = await container.clinic.patient(caller, patient_id)
    await container.clinic.permit_import(caller, patient_id)
    content = await file.read()
    name = Path(file.filename or "").name[-_LONGEST_NAME:]
    zone = patient.details.get("timezone")
    try:
        understood = await asyncio.to_thread(understand, content, name, zone, container.settings, declared.options())
    except FhirImportError as error:
        reasons = [issue.diagnostics for issue in error.outcome.issues]
        return page(request, "uploaded.html", {"patient": patient, "stored": None, "notes": reasons[:_MOST_NOTES]}, 422)
    digest = _digest(patient_id, content, declared)
    notes = left_out(understood, _MOST_NOTES)
    was_shown, claims = shown == digest, understood.claims.get(understood.record.patient_id)
    differs = ""
    if claims is not None:
        try:
            confirmed = was_shown and confirm_identity
            if not await container.clinic.check_identity(caller, patient_id, claims, confirmed=confirmed):
                notes.append(_UNDECIDED)
        except IdentityError as error:
            differs = str(error)
    if differs or not was_shown:
        context = {"patient": patient, "understood": understood, "notes": notes, "digest": digest, "name": name}
        context |= {"another": bool(shown) and not was_shown, "differs": differs, "declared": asdict(declared)}
        return page(request, "upload_preview.html", context, 409 if was_shown else 200)
    stored = await container.clinic.import_record(
        caller, patient_id, understood.record, digest, name=name, anew=True, export=understood.export
    )
    counts = {kind.replace("_", " "): count for kind, count in stored.items() if count}
    return page(request, "uploaded.html", {"patient": patient, "stored": counts, "notes": notes}, 201)


def _digest(patient_id: UUID, content: bytes, declared: Declared) -> str:
    """Return what a file and the way it is read are known by."""
    way = json.dumps({name: text for name, text in asdict(declared).items() if text})
    return hashlib.sha256(patient_id.bytes + (way.encode() if way != "{}" else b"") + content).hexdigest()
