"""Bulk import: NDJSON of several people as a job, with what became of each resource.

FHIR has no finished standard for it; this follows the bulk export (FHIR Bulk Data Access 2.0) in status, cancellation
and files. The files are sent themselves: this server visits no address that somebody names.
"""

from datetime import UTC, datetime
from typing import Final
from uuid import UUID, uuid4

from fastapi import Request, Response
from fastapi.responses import JSONResponse

from novamind.clinic.bulk_export import principal_written
from novamind.clinic.bulk_import import IMPORT, REFUSED, STORED, UPLOAD, ImportRequest
from novamind.clinic.fhir_resources import record_id_of
from novamind.errors import NotFoundError, ValidationError
from novamind.infrastructure.exports import ExportPart
from novamind.infrastructure.identity.domain import Principal
from novamind.infrastructure.jobs import JobStatus, State
from novamind.server.container import Container
from novamind.server.fhir.bulk import NDJSON, RETRY_SECONDS
from novamind.server.fhir.interactions import BASE
from novamind.server.fhir.writing import is_lenient
from novamind.server.problems import problem

_FORMATS: Final = (NDJSON, "application/ndjson", "application/x-ndjson")
_PARAMETERS: Final = ("create", "identifierSystem")
_LONGEST_SYSTEM: Final = 500


async def begin(container: Container, caller: Principal, request: Request, _resource_type: str) -> Response:
    """Begin an import of the people in an NDJSON file; the caller must be allowed to write to each of them."""
    if "respond-async" not in request.headers.get("prefer", ""):
        raise ValidationError("an import is a job: send 'Prefer: respond-async'")
    options = _options(request)
    await container.bulk_import.permit(caller, options)
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in _FORMATS:
        detail = f"send the resources themselves as {NDJSON}, one a line: this server fetches no files of a manifest"
        return problem(415, "format", detail)
    try:
        content = (await request.body()).decode()
    except UnicodeDecodeError as error:
        raise ValidationError("the file is not UTF-8 text; FHIR JSON must be") from error
    if not content.strip():
        raise ValidationError("the body is empty; send the resources, one a line")
    upload_id = uuid4()
    job_id = await container.jobs.submit(
        IMPORT,
        caller.subject,
        {
            "upload_id": str(upload_id),
            "file_id": str(await container.exports.keep(upload_id, caller.subject, UPLOAD, [content])),
            "import_id": str(uuid4()),
            "options": {
                "creates": options.creates,
                "system": options.system,
                "is_lenient": options.is_lenient,
            },
            "begun": datetime.now(UTC).isoformat(),
            "principal": principal_written(caller),
        },
    )
    at = f"{container.settings.public_url}{BASE}/$import-status/{job_id}"
    return Response(status_code=202, headers={"Content-Location": at})


async def status(container: Container, caller: Principal, request: Request, _resource_type: str) -> Response:
    """Answer with how an import stands: 202 while it runs, then what became of the people and of each resource."""
    job = await _job(container, caller, request)
    if job.state in (State.WAITING, State.RUNNING):
        return Response(status_code=202, headers={"X-Progress": job.state, "Retry-After": RETRY_SECONDS})
    if job.state is State.FAILED:
        return problem(500, "import", f"the import failed: {job.problem}")
    parts = await container.exports.parts(UUID(job.asked["import_id"]), caller.subject)
    if not parts and job.state is State.DONE:
        raise NotFoundError("the files of this import were deleted or have expired; each record lists its imports")
    manifest = {
        "transactionTime": job.asked["begun"],
        "request": f"{container.settings.public_url}{BASE}/$import",
        "requiresAccessToken": True,
        "output": [_described(container, part) for part in parts if part.resource_type == STORED],
        "error": [_described(container, part) for part in parts if part.resource_type == REFUSED],
        "extension": {"state": job.state, **(job.result or {})},
    }
    return JSONResponse(manifest)


async def delete(container: Container, caller: Principal, request: Request, _resource_type: str) -> Response:
    """Cancel an import, or delete the files of one that is over; what it has stored stays, person by person."""
    job = await _job(container, caller, request)
    if not await container.jobs.cancel(job.job_id, caller.subject):
        await container.exports.delete(UUID(job.asked["import_id"]), caller.subject)
    await container.exports.delete(UUID(job.asked["upload_id"]), caller.subject)
    return Response(status_code=202)


def _options(request: Request) -> ImportRequest:
    asked = request.query_params
    if set(asked) - set(_PARAMETERS) or len(asked.multi_items()) > len(set(asked)):
        raise ValidationError(f"a parameter is unknown or stands twice; this import takes {' and '.join(_PARAMETERS)}")
    if asked.get("create", "false") not in ("true", "false"):
        raise ValidationError("create is true or false")
    system = asked.get("identifierSystem", "")
    if len(system) > _LONGEST_SYSTEM or ("identifierSystem" in asked and not system.strip()):
        raise ValidationError("identifierSystem is the address of a system of identifiers")
    return ImportRequest(asked.get("create") == "true", system, is_lenient(request))


async def _job(container: Container, caller: Principal, request: Request) -> JobStatus:
    job = await container.jobs.status(record_id_of(request.path_params["resource_id"]), caller.subject)
    if job.kind != IMPORT:
        raise NotFoundError("there is no import of this id")
    return job


def _described(container: Container, part: ExportPart) -> dict[str, object]:
    url = f"{container.settings.public_url}{BASE}/$import-file/{part.file_id}"
    return {"type": "OperationOutcome", "url": url, "count": part.count}
