"""Answers to FHIR requests that write: creating through the import with its identity check, correcting, withdrawing."""

import asyncio
import json
import re
from typing import Any
from urllib.parse import parse_qsl
from uuid import UUID

from fastapi import Request, Response

from novamind.errors import NotFoundError, OutdatedError, ValidationError
from novamind.infrastructure.identity.domain import Principal
from novamind.server.container import Container
from novamind.server.fhir.answers import GONE, matching, patient_id_of
from novamind.server.fhir.interactions import BASE, TYPES
from novamind.server.fhir.paging import Pairs
from novamind.server.fhir.patching import JSON_PATCH, patched
from novamind.server.fhir.search import parsed
from novamind.server.patients import FhirResponse
from novamind.server.problems import problem

_SUBJECTS = ("subject", "patient")
_TAG = re.compile(r'(?:W/)?"(\d{1,9})"')


async def create(container: Container, caller: Principal, request: Request, resource_type: str) -> Response:
    """Store a resource; with ``If-None-Exist`` only where no other matches."""
    resource = resource_in(await request.body(), resource_type)
    patient_id = await subject_of(container, caller, resource)
    condition = request.headers.get("if-none-exist")
    if condition is not None:
        pairs = _condition(condition, patient_id)
        others, _ = await matching(container, caller, parsed(resource_type, pairs, in_address=False), [patient_id])
        if len(others) > 1:
            return problem(412, "several", "several resources match If-None-Exist; narrow the condition")
        if others:
            return FhirResponse(others[0], 200, _headers(container, others[0]))
    stored, resources = await container.fhir.create(
        caller,
        patient_id,
        json.dumps(_alone(container, resource, patient_id)).encode(),
        settings=container.settings,
        is_strict=not is_lenient(request),
    )
    headers = _headers(container, resources[0]) if resources else {}
    if "return=minimal" in request.headers.get("prefer", ""):
        return Response(status_code=201, headers=headers)
    is_whole = len(resources) == 1 and resources[0]["resourceType"] == resource_type
    return FhirResponse(resources[0] if is_whole else stored.outcome.to_fhir(), 201, headers)


async def update(container: Container, caller: Principal, request: Request, resource_type: str) -> Response:
    """Correct a resource; with ``If-Match`` only the version that the client read."""
    resource_id, body = request.path_params["resource_id"], await request.body()
    return await _corrected(container, caller, resource_type, resource_id, body, _version(request))


async def patch(container: Container, caller: Principal, request: Request, resource_type: str) -> Response:
    """Correct parts of a resource by a JSON Patch; nobody else's correction in between is lost."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != JSON_PATCH:
        return problem(415, "format", f"send the changes as {JSON_PATCH} (RFC 6902), or the whole resource with PUT")
    resource_id = request.path_params["resource_id"]
    stored = await container.fhir.resource(caller, resource_type, resource_id)
    if stored is None:
        return problem(410, "gone", GONE)
    version, present = _version(request), int(stored["meta"]["versionId"])
    if version not in (None, present):
        raise OutdatedError("the resource was changed by somebody else; read it again")
    body = await asyncio.to_thread(patched, stored, await request.body())
    return await _corrected(container, caller, resource_type, resource_id, body, present)


async def _corrected(
    container: Container, caller: Principal, resource_type: str, resource_id: str, body: bytes, version: int | None
) -> Response:
    """Put a corrected resource in the place of the stored one, and answer with it."""
    resource = resource_in(body, resource_type)
    if resource.get("id") != resource_id:
        raise ValidationError("the id in the resource is not that of the address; send the resource as it was read")
    patient_id = await subject_of(container, caller, resource)
    content = json.dumps(_alone(container, resource, patient_id)).encode()
    await container.fhir.update(caller, resource_type, resource_id, content, version, container.settings)
    corrected = await container.fhir.resource(caller, resource_type, resource_id)
    if corrected is None:
        raise NotFoundError("the resource was withdrawn a moment ago")
    return FhirResponse(corrected, headers=_headers(container, corrected))


async def delete(container: Container, caller: Principal, request: Request, resource_type: str) -> Response:
    """Withdraw a resource as entered in error; its versions are kept."""
    await container.fhir.delete(caller, resource_type, request.path_params["resource_id"], _version(request))
    return Response(status_code=204)


def resource_in(body: bytes, resource_type: str) -> dict[str, Any]:
    """Return the resource that a body holds.

    Raises
    ------
    ValidationError
        If it is no JSON object of this type.
    """
    try:
        resource = json.loads(body)
    except ValueError as error:
        raise ValidationError("the body is no JSON; send one resource") from error
    if not isinstance(resource, dict) or resource.get("resourceType") != resource_type:
        raise ValidationError(f"the body is no {resource_type}; send one resource of the type in the address")
    return resource


async def subject_of(container: Container, caller: Principal, resource: dict[str, Any]) -> UUID:
    """Return the patient whom a resource names: by id, or by an identifier (a conditional reference).

    Raises
    ------
    ValidationError
        If it names none, or an identifier that several have.
    NotFoundError
        If there is no such patient, or the caller may not know.
    """
    names = [resource[key] for key in _SUBJECTS if isinstance(resource.get(key), dict)]
    reference = names[0].get("reference") if names else None
    if not isinstance(reference, str):
        raise ValidationError("the resource names no patient; give its subject as Patient/<id> of this server")
    kind, is_conditional, query = reference.partition("?")
    if not is_conditional:
        return patient_id_of(container, reference)
    return await identified(container, caller, kind, parse_qsl(query))


async def identified(container: Container, caller: Principal, kind: str, pairs: list[tuple[str, str]]) -> UUID:
    """Return the one patient of a conditional reference."""
    if kind != "Patient":
        raise ValidationError("a conditional reference to a patient is written as Patient?identifier=system|value")
    patients, _ = await matching(container, caller, parsed("Patient", pairs, in_address=False))
    if not patients:
        raise NotFoundError("there is no patient with this identifier")
    if len(patients) > 1:
        raise ValidationError("several patients match; name one by Patient/<id>")
    return UUID(patients[0]["id"])


def is_lenient(request: Request) -> bool:
    """Return whether the client lets what is not understood be left out, and named."""
    return "handling=lenient" in request.headers.get("prefer", "")


def _alone(container: Container, resource: dict[str, Any], patient_id: UUID) -> dict[str, Any]:
    """Return a resource whose subject is named by id, as the import reads it."""
    at = f"{container.settings.public_url}{BASE}/{resource['resourceType']}/{resource.get('id', 'new')}"
    subject = {key: {"reference": f"Patient/{patient_id}"} for key in _SUBJECTS if key in resource}
    entry = {"fullUrl": at, "resource": resource | subject}
    return {"resourceType": "Bundle", "type": "collection", "entry": [entry]}


def _condition(text: str, patient_id: UUID) -> Pairs:
    pairs = parse_qsl(text.partition("?")[2] if "?" in text else text)
    if not pairs:
        raise ValidationError("If-None-Exist holds no search; write it as code=…&date=…")
    return (*((name, value) for name, value in pairs if name not in _SUBJECTS), ("patient", str(patient_id)))


def _headers(container: Container, resource: dict[str, Any]) -> dict[str, str]:
    version = resource["meta"]["versionId"]
    kind, resource_id = resource["resourceType"], resource["id"]
    at = f"{container.settings.public_url}{BASE}/{kind}/{resource_id}"
    is_versioned = "vread" in TYPES[kind].interactions
    return {"ETag": f'W/"{version}"', "Location": f"{at}/_history/{version}" if is_versioned else at}


def _version(request: Request) -> int | None:
    """Return the version that a client read; ``None`` where it does not say."""
    text = request.headers.get("if-match")
    if text is None:
        return None
    match = _TAG.fullmatch(text.strip())
    if match is None:
        raise ValidationError('If-Match holds no version; send it as W/"1"')
    return int(match[1])
