"""Bulk export (FHIR Bulk Data Access 2.0): a job writes sealed NDJSON files, which their owner can read for an hour."""

import asyncio
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import quote
from uuid import UUID, uuid4

from fastapi import Request, Response
from fastapi.responses import JSONResponse

from novamind.clinic.fhir_resources import KINDS, record_id_of
from novamind.clinic.fhir_service import FhirClinic
from novamind.errors import NotFoundError, ValidationError
from novamind.infrastructure.exports import Exports
from novamind.infrastructure.identity.domain import Permission, Principal, Role
from novamind.infrastructure.jobs import State
from novamind.server.container import Container
from novamind.server.fhir.interactions import BASE
from novamind.server.fhir.search import interval
from novamind.server.problems import problem

EXPORT: Final = "fhir-export"
NDJSON: Final = "application/fhir+ndjson"
_FORMATS: Final = (NDJSON, "application/ndjson", "ndjson")
_PARAMETERS: Final = ("_outputFormat", "_since", "_type")
_LINES: Final = 5000  # of a file
_RETRY_SECONDS: Final = "2"


async def begin(container: Container, caller: Principal, request: Request, resource_type: str) -> Response:
    """Begin an export of every patient whom the caller may read."""
    asked = request.query_params
    if "respond-async" not in request.headers.get("prefer", ""):
        raise ValidationError("an export is a job: send 'Prefer: respond-async'")
    if set(asked) - set(_PARAMETERS):
        raise ValidationError(f"a parameter of this export is unknown; it takes {', '.join(_PARAMETERS)}")
    if asked.get("_outputFormat", NDJSON) not in _FORMATS:
        raise ValidationError(f"exports are written as {NDJSON}")
    if "_since" in asked:
        interval(asked["_since"], UTC)
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
            "since": asked.get("_since"),
            "begun": datetime.now(UTC).isoformat(),
            "request": str(request.url.path),
            "principal": _written(caller),
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
        return Response(status_code=202, headers={"X-Progress": job.state, "Retry-After": _RETRY_SECONDS})
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
        "output": [
            {"type": part.resource_type, "url": f"{base}/$export-file/{part.file_id}", "count": part.count}
            for part in parts
        ],
        "error": [],
    }
    headers = {"Expires": parts[0].expires_at.strftime("%a, %d %b %Y %H:%M:%S GMT")} if parts else {}
    return JSONResponse(manifest, headers=headers)


async def delete(container: Container, caller: Principal, request: Request, _resource_type: str) -> Response:
    """Delete the files of an export that is done."""
    job = await container.jobs.status(record_id_of(request.path_params["resource_id"]), caller.subject)
    if job.kind != EXPORT or job.result is None:
        raise NotFoundError("there is no export of this id that is done")
    await container.exports.delete(UUID(job.result["export_id"]), caller.subject)
    return Response(status_code=202)


async def file(container: Container, caller: Principal, request: Request, _resource_type: str) -> Response:
    """Answer with one file of an export."""
    content = await container.exports.open(record_id_of(request.path_params["resource_id"]), caller.subject)
    return Response(content, media_type=NDJSON)


async def export(asked: Mapping[str, Any], fhir: FhirClinic, exports: Exports) -> dict[str, Any]:
    """Carry an export out: a job. Who may no longer be read when it runs is not in it."""
    principal, export_id = _read(asked["principal"]), UUID(asked["export_id"])
    since = None if asked["since"] is None else interval(asked["since"], UTC)[0]
    lines: dict[str, list[str]] = {}
    total = 0
    await exports.begin(export_id)
    for patient_id in await fhir.patients(principal):
        try:
            resources = await fhir.resources(principal, patient_id, asked["types"])
        except NotFoundError:
            continue  # the treatment has ended since the list was made
        for resource in resources:
            if since is None or datetime.fromisoformat(resource["meta"]["lastUpdated"]) >= since:
                lines.setdefault(resource["resourceType"], []).append(json.dumps(resource, ensure_ascii=False))
                total += 1
        for kind, written in lines.items():
            while len(written) >= _LINES:
                await exports.keep(export_id, principal.subject, kind, written[:_LINES])
                del written[:_LINES]
        await asyncio.sleep(0)
    for kind, written in lines.items():
        if written:
            await exports.keep(export_id, principal.subject, kind, written)
    return {"export_id": str(export_id), "count": total, "begun": asked["begun"], "request": asked["request"]}


def _written(principal: Principal) -> dict[str, Any]:
    """Return a principal as a job keeps it: identifiers and scopes; ties to patients are read anew."""
    return {
        "subject": str(principal.subject),
        "session_id": str(principal.session_id),
        "role": principal.role,
        "organisation_id": None if principal.organisation_id is None else str(principal.organisation_id),
        "patient_id": None if principal.patient_id is None else str(principal.patient_id),
        "scopes": sorted(principal.scopes),
        "second_factor": principal.second_factor,
        "fhir_types": {permission: sorted(types) for permission, types in principal.fhir_types.items()},
        "launch_patient_id": None if principal.launch_patient_id is None else str(principal.launch_patient_id),
    }


def _read(written: Mapping[str, Any]) -> Principal:
    """Return the principal of a job."""

    def identifier(name: str) -> UUID | None:
        return None if written[name] is None else UUID(written[name])

    return Principal(
        UUID(written["subject"]),
        UUID(written["session_id"]),
        Role(written["role"]),
        identifier("organisation_id"),
        identifier("patient_id"),
        frozenset(map(Permission, written["scopes"])),
        written["second_factor"],
        fhir_types={Permission(name): frozenset(types) for name, types in written["fhir_types"].items()},
        launch_patient_id=identifier("launch_patient_id"),
    )
