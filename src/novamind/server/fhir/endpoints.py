"""Routes of the FHIR server, registered from the one table; each translates and decides nothing."""

import re
from collections.abc import Awaitable, Callable
from typing import Any, Final

from fastapi import APIRouter, Request, Response

from novamind.errors import AuthenticationError
from novamind.infrastructure.identity.domain import Principal
from novamind.server.dependencies import ContainerDep
from novamind.server.fhir import answers, bulk, bulk_imports, bundles, writing
from novamind.server.fhir.capability import capability_statement
from novamind.server.fhir.interactions import BASE, OPERATIONS, PATHS, TYPES
from novamind.server.fhir.search import JSON_FORMATS
from novamind.server.patients import FhirResponse
from novamind.server.problems import FHIR_JSON, problem

#: Where FHIR clients learn what the server offers; open to everybody.
METADATA: Final = f"{BASE}/metadata"
PUBLIC: Final = frozenset({METADATA})

_TAKE_RESOURCES: Final = (writing.create, writing.update, bundles.carry_out)
_VERSION: Final = re.compile(r"fhirversion\s*=\s*\"?([\w.]+)")
_OPERATIONS: Final[dict[str, bundles.Answer]] = {
    "everything": answers.everything,
    "export": bulk.begin,
    "patient-export": bulk.begin,
    "group-export": bulk.begin,
    "import": bulk_imports.begin,
}
#: How a job stands, its end and its files: addresses that an export or an import gives.
_JOBS: Final = (
    ("GET", "/$export-status/{resource_id}", bulk.status),
    ("DELETE", "/$export-status/{resource_id}", bulk.delete),
    ("GET", "/$export-file/{resource_id}", bulk.file),
    ("GET", "/$import-status/{resource_id}", bulk_imports.status),
    ("DELETE", "/$import-status/{resource_id}", bulk_imports.delete),
    ("GET", "/$import-file/{resource_id}", bulk.file),
)


def routes() -> APIRouter:
    """Return the routes of every interaction in the table; they describe themselves at ``/fhir/metadata``."""
    router = APIRouter(prefix=BASE, include_in_schema=False)
    router.add_api_route("/metadata", _metadata, methods=["GET"])
    router.add_api_route("", _handler(bundles.carry_out, ""), methods=["POST"], name="transaction")
    for operation in OPERATIONS:  # before reading, for which an operation would be an id
        for method, path in operation.routes:
            handler = _handler(_OPERATIONS[operation.name], path.split("/")[1])
            router.add_api_route(path, handler, methods=[method], name=operation.name)
    for method, path, answer in _JOBS:
        router.add_api_route(path, _handler(answer, ""), methods=[method], name="job")
    for resource_type, served in TYPES.items():
        for interaction in served.interactions:
            for method, path in PATHS[interaction]:
                handler = _handler(bundles.ANSWERS[interaction], resource_type)
                router.add_api_route(path.format(type=resource_type), handler, methods=[method], name=interaction)
    return router


async def _metadata(request: Request, container: ContainerDep) -> Response:
    if (refusal := _refused(request)) is not None:
        return refusal
    return FhirResponse(capability_statement(container.settings.public_url))


def _handler(answer: bundles.Answer, resource_type: str) -> Callable[..., Awaitable[Response]]:
    async def handle(request: Request, container: ContainerDep) -> Response:
        if (refusal := _refused(request)) is not None:
            return refusal
        if answer in _TAKE_RESOURCES and _kind(request.headers.get("content-type", "")) not in JSON_FORMATS:
            return problem(415, "format", f"resources are taken as JSON alone: send 'Content-Type: {FHIR_JSON}'")
        return await answer(container, caller_of(request), request, resource_type)

    return handle


def caller_of(request: Request) -> Principal:
    """Return who calls, as the guard found out.

    Raises
    ------
    AuthenticationError
        If nobody was identified.
    """
    principal: Any = getattr(request.state, "principal", None)
    if not isinstance(principal, Principal):
        raise AuthenticationError("send an access token or an API key")
    return principal


def _refused(request: Request) -> Response | None:
    """Return the refusal of another format or version than is served; ``_format`` goes before ``Accept``."""
    wanted = [each.replace(" ", "+") for each in request.query_params.getlist("_format")]  # a plus in an address
    accepted = request.headers.get("accept", "*/*").lower()
    is_json = any(kind in accepted for kind in ("json", "*/*", "application/*"))
    if any(_kind(each) not in JSON_FORMATS for each in wanted) or not (wanted or is_json):
        return problem(406, "format", f"resources are served as JSON alone: send 'Accept: {FHIR_JSON}' or _format=json")
    if any(not version.startswith("4.0") for version in _VERSION.findall(accepted)):
        return problem(406, "version", "resources are served as FHIR R4 alone: send fhirVersion=4.0 or none")
    return None


def _kind(text: str) -> str:
    return text.partition(";")[0].strip().lower()
