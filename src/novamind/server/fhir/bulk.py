"""Bulk export (FHIR Bulk Data Access 2.0): a job writes sealed NDJSON files, which their owner can read for an hour."""

from datetime import UTC, datetime
from typing import Final
from urllib.parse import quote
from uuid import UUID, uuid4

from fastapi import Request, Response
from fastapi.responses import JSONResponse

from novamind.clinic.bulk_export import EXPORT, LEFT_OUT, principal_written
from novamind.clinic.fhir_resources import KINDS, record_id_of
from novamind.errors import NotFoundError, ValidationError
from novamind.infrastructure.exports import ExportPart
from novamind.infrastructure.identity.domain import Permission, Principal
from novamind.infrastructure.jobs import State
from novamind.server.container import Container
from novamind.server.fhir.interactions import BASE
from novamind.server.fhir.search import interval
from novamind.server.problems import problem

NDJSON: Final = "application/fhir+ndjson"
_FORMATS: Final = (NDJSON, "application/ndjson", "ndjson")
_PARAMETERS: Final = ("_outputFormat", "_since", "_type")
RETRY_SECONDS: Final = "2"


async def begin(container: Container, caller: Principal, request: Request, resource_type: str) -> Response:
    """Begin an export of every patient whom the caller may read."""
    asked = request.query_params
    if "respond-async" not in request.headers.get("prefer", ""):
        raise ValidationError("an export is a job: send 'Prefer: respond-async'")
    if set(asked) - set(_PARAMETERS):
        raise ValidationError(f"a parameter of this export is unknown; it takes {', '.join(_PARAMETERS)}")
    if asked.get("_outputFormat", NDJSON) not in _FORMATS:
        raise ValidationError(f"exports are written as {NDJSON}")
    since = interval(asked["_since"], UTC)[0].isoformat() if "_since" in asked else None
    limited = caller.fhir_types.get(Permission.FHIR_READ)
    types = set(filter(None, asked.get("_type", "").split(","))) or (KINDS.keys() & (limited or KINDS.keys()))
    if types - KINDS.keys():
        raise ValidationError(f"_type takes {', '.join(KINDS)}")
    if resource_type == "Group" and request.path_params["resource_id"] != str(caller.organisation_id):
        raise NotFoundError("there is no such group; the patients of your organisation are the group of its id")
    await container.fhir.permit_export(caller, types)
    job_id = await container.jobs.submit(
        EXPORT,
        caller.subject,
        {
            "export_id": str(uuid4()),
            "types": sorted(types),
            "since": since,
            "begun": datetime.now(UTC).isoformat(),
            "request": str(request.url.path),
            "principal": principal_written(caller),
        },
    )
    at = f"{container.settings.public_url}{BASE}/$export-status/{job_id}"
    return Response(status_code=202, headers={"Content-Location": at})


async def status(container: Container, caller: Principal, request: Request, _resource_type: str) -> Response:
    """Answer with how an export stands: 202 while it runs, then the list of its files."""
    job = await container.jobs.status(record_id_of(request.path_params["resource_id"]), caller.subject)
    if job.kind != EXPORT:
        raise NotFoundError("there is no export of this id")
    if job.state in (State.WAITING, State.RUNNING):
        return Response(status_code=202, headers={"X-Progress": job.state, "Retry-After": RETRY_SECONDS})
    if job.state is State.CANCELLED:
        raise NotFoundError("this export was cancelled")
    if job.result is None:
        return problem(500, "export", f"the export failed: {job.problem}")
    parts = await container.exports.parts(UUID(job.result["export_id"]), caller.subject)
    base = f"{container.settings.public_url}{BASE}"
    if not parts and job.result["count"]:
        raise NotFoundError("the files of this export were deleted or have expired; export again")
    manifest = {
        "transactionTime": job.result["begun"],
        "request": base.removesuffix(BASE) + quote(job.result["request"], safe="/$"),
        "requiresAccessToken": True,
        "output": [_described(base, part) for part in parts if part.resource_type != LEFT_OUT],
        "error": [_described(base, part) for part in parts if part.resource_type == LEFT_OUT],
    }
    headers = {"Expires": parts[0].expires_at.strftime("%a, %d %b %Y %H:%M:%S GMT")} if parts else {}
    return JSONResponse(manifest, headers=headers)


def _described(base: str, part: ExportPart) -> dict[str, object]:
    return {"type": part.resource_type, "url": f"{base}/$export-file/{part.file_id}", "count": part.count}


async def delete(container: Container, caller: Principal, request: Request, _resource_type: str) -> Response:
    """Cancel an export, or delete the files of one that is over."""
    job = await container.jobs.status(record_id_of(request.path_params["resource_id"]), caller.subject)
    if job.kind != EXPORT or job.state is State.CANCELLED:
        raise NotFoundError("there is no export of this id")
    await container.jobs.cancel(job.job_id, caller.subject)
    await container.exports.delete(UUID(job.asked["export_id"]), caller.subject)
    return Response(status_code=202)


async def file(container: Container, caller: Principal, request: Request, _resource_type: str) -> Response:
    """Answer with one file of an export."""
    content = await container.exports.open(record_id_of(request.path_params["resource_id"]), caller.subject)
    return Response(content, media_type=NDJSON)
