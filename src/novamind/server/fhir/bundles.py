"""Bundles that are carried out: a transaction is one import of one patient, a batch is its entries one by one."""

import json
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final
from urllib.parse import parse_qsl, unquote
from uuid import UUID

from fastapi import Request, Response

from novamind.errors import NovamindError, ValidationError
from novamind.infrastructure.identity.domain import Principal
from novamind.records import FhirImportError
from novamind.server.container import Container
from novamind.server.fhir import answers, writing
from novamind.server.fhir.answers import patient_id_of
from novamind.server.fhir.interactions import TYPES, Interaction
from novamind.server.fhir.outcomes import outcome_of
from novamind.server.patients import FhirResponse
from novamind.server.problems import of_error

_MOST_ENTRIES: Final = 100  # of a batch, which counts as one request
_URL: Final = re.compile(r"/?([A-Za-z]+)(?:/([A-Za-z0-9.-]{1,64})(?:/_history(?:/(\d{1,9}))?)?)?(?:\?(.*))?")
Resource = dict[str, Any]
Answer = Callable[[Container, Principal, Request, str], Awaitable[Response]]


async def carry_out(container: Container, caller: Principal, request: Request, _resource_type: str) -> Response:
    """Carry out a transaction or a batch."""
    bundle = writing.resource_in(await request.body(), "Bundle")
    entries = bundle.get("entry", [])
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise ValidationError("entry of a Bundle is a list of objects")
    match bundle.get("type"):
        case "transaction":
            return await _transaction(container, caller, request, bundle, entries)
        case "batch":
            return await _batch(container, caller, request, entries)
        case _:
            raise ValidationError("a Bundle that is carried out has the type transaction or batch")


async def _transaction(
    container: Container, caller: Principal, request: Request, bundle: Resource, entries: list[Resource]
) -> Response:
    """Store what the entries say of one patient, or nothing if not everything was understood."""
    for number, entry in enumerate(entries, 1):
        _check(number, entry)
    patient_id = await _patient(container, caller, entries)
    stored, resources = await container.fhir.create(
        caller,
        patient_id,
        json.dumps(bundle).encode(),
        settings=container.settings,
        is_strict=not writing.is_lenient(request),
    )
    answered = [
        {"response": {"status": "200" if entry["resource"]["resourceType"] == "Patient" else "201"}}
        for entry in entries
    ]
    if answered:
        answered[0]["response"]["outcome"] = stored.outcome.to_fhir()  # type: ignore[assignment]
    locations = [{"relation": "related", "url": f"{r['resourceType']}/{r['id']}"} for r in resources]
    return FhirResponse(
        {"resourceType": "Bundle", "type": "transaction-response", "link": locations, "entry": answered}
    )


def _check(number: int, entry: Resource) -> None:
    """Refuse an entry that a transaction cannot carry out."""
    asked, resource = entry.get("request"), entry.get("resource")
    if not isinstance(asked, dict) or not isinstance(resource, dict) or "resourceType" not in resource:
        raise ValidationError(f"entry {number} of the transaction lacks its request or its resource")
    if not isinstance(resource["resourceType"], str) or not isinstance(entry.get("fullUrl", ""), str):
        raise ValidationError(f"entry {number} of the transaction has a resourceType or fullUrl that is no text")
    is_patient = resource["resourceType"] == "Patient"
    if asked.get("method") != "POST" and not (is_patient and asked.get("method") == "PUT"):
        raise ValidationError(
            f"entry {number} of the transaction is no POST; send corrections and withdrawals one by one or in a batch"
        )
    if "ifNoneExist" in asked and not is_patient:
        raise ValidationError(f"entry {number} of the transaction is conditional; send it by itself with If-None-Exist")


async def _patient(container: Container, caller: Principal, entries: list[Resource]) -> UUID:
    """Return the one registered patient of whom a transaction speaks."""
    own = {entry.get("fullUrl"): entry for entry in entries if entry["resource"]["resourceType"] == "Patient"}
    patient_ids: set[UUID] = set()
    for entry in own.values():
        patient_ids.add(await _registered(container, caller, entry))
    for entry in entries:
        resource = entry["resource"]
        subject = resource.get("subject") or resource.get("patient")
        if not isinstance(subject, dict) or str(subject.get("reference")) in own:
            continue
        if resource["resourceType"] in TYPES:
            patient_ids.add(await writing.subject_of(container, caller, resource))
    if len(patient_ids) != 1:
        raise ValidationError(
            f"the transaction speaks of {len(patient_ids)} registered patients; send one patient's, with subject"
            " Patient/<id> or with the Patient and an identifier"
        )
    return patient_ids.pop()


async def _registered(container: Container, caller: Principal, entry: Resource) -> UUID:
    """Return the registered patient who is the Patient of an entry: by its address, or by an identifier."""
    asked = entry["request"]
    if asked["method"] == "PUT" and "?" not in str(asked.get("url")):
        return patient_id_of(container, str(asked.get("url")))
    condition = str(asked.get("ifNoneExist") or str(asked.get("url")).partition("?")[2])
    if condition:
        return await writing.identified(container, caller, "Patient", parse_qsl(condition))
    identifiers = entry["resource"].get("identifier")
    for identifier in identifiers if isinstance(identifiers, list) else ():
        if isinstance(identifier, dict) and identifier.get("value"):
            token = f"{identifier.get('system', '')}|{identifier['value']}"
            return await writing.identified(container, caller, "Patient", [("identifier", token)])
    raise ValidationError("the Patient of the transaction has no identifier; name a registered patient")


async def _batch(container: Container, caller: Principal, request: Request, entries: list[Resource]) -> Response:
    """Carry out the entries one by one; what one of them lacks is no matter for the others."""
    if len(entries) > _MOST_ENTRIES:
        raise ValidationError(f"a batch takes {_MOST_ENTRIES} entries; send several")
    answered = [await _carried_out(container, caller, request, entry) for entry in entries]
    return FhirResponse({"resourceType": "Bundle", "type": "batch-response", "entry": answered})


async def _carried_out(container: Container, caller: Principal, request: Request, entry: Resource) -> Resource:
    """Return the answer to one entry of a batch."""
    try:
        answer = await _dispatched(container, caller, request, entry)
    except FhirImportError as error:
        return {"response": {"status": "422", "outcome": error.outcome.to_fhir()}}
    except NovamindError as error:
        answer = of_error(error)
    body = json.loads(bytes(answer.body)) if answer.body else None
    response: Resource = {"status": str(answer.status_code)}
    for name, header in (("etag", "etag"), ("location", "location")):
        if header in answer.headers:
            response[name] = answer.headers[header]
    if body is None:
        return {"response": response}
    if answer.status_code >= 400:
        return {"response": response | {"outcome": outcome_of(body)}}
    return {"resource": body, "response": response}


async def _dispatched(container: Container, caller: Principal, request: Request, entry: Resource) -> Response:
    """Answer an entry as the request that it describes."""
    asked = entry.get("request")
    match = _URL.fullmatch(str(asked.get("url", ""))) if isinstance(asked, dict) else None
    if match is None or not isinstance(asked, dict) or match[1] not in TYPES:
        raise ValidationError("the request of an entry names no address of this server, such as Observation?patient=…")
    resource_type, resource_id, version, query = match.groups()
    path = unquote(str(asked["url"]).partition("?")[0])
    interaction = _interaction(str(asked.get("method")), resource_id, version, "_history" in path)
    if interaction not in TYPES[resource_type].interactions:
        raise ValidationError(f"this interaction is not offered for {resource_type}; see /fhir/metadata")
    headers = {
        "if-match": asked.get("ifMatch"),
        "if-none-match": asked.get("ifNoneMatch"),
        "if-none-exist": asked.get("ifNoneExist"),
        "prefer": request.headers.get("prefer"),
    }
    body = json.dumps(entry.get("resource", {})).encode()
    scope = {
        **request.scope,
        "method": asked["method"],
        "query_string": (query or "").encode(),
        "path_params": {"resource_id": resource_id, "version_id": version},
        "headers": [(name.encode(), str(value).encode()) for name, value in headers.items() if value is not None],
    }

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    return await ANSWERS[interaction](container, caller, Request(scope, receive), resource_type)


def _interaction(method: str, resource_id: str | None, version: str | None, is_history: bool) -> Interaction:
    match (method, resource_id is not None):
        case ("GET", False):
            return "search-type"
        case ("GET", True):
            return "vread" if version else "history-instance" if is_history else "read"
        case ("POST", False):
            return "create"
        case ("PUT", True):
            return "update"
        case ("DELETE", True):
            return "delete"
        case _:
            raise ValidationError(
                "the request of an entry is a GET, POST, PUT or DELETE of FHIR; send a PATCH by itself"
            )


#: What answers each interaction.
ANSWERS: Final[Mapping[Interaction, Answer]] = {
    "search-type": answers.search,
    "read": answers.read,
    "vread": answers.read_version,
    "history-instance": answers.history,
    "create": writing.create,
    "update": writing.update,
    "patch": writing.patch,
    "delete": writing.delete,
}
