"""Errors of FHIR routes as OperationOutcome: every problem on its way to a FHIR client becomes one, the guard's too."""

import json
from collections.abc import Mapping
from typing import Any, Final

from fastapi.responses import JSONResponse
from starlette.responses import Response
from starlette.types import Scope

from novamind.server.fhir.interactions import BASE, TYPES
from novamind.server.problems import FHIR_JSON, ProblemsAs

#: HTTP status to code of FHIR's value set issue-type.
_CODES: Final[Mapping[int, str]] = {
    400: "invalid",
    401: "login",
    403: "forbidden",
    404: "not-found",
    405: "not-supported",
    406: "not-supported",
    409: "conflict",
    410: "deleted",
    412: "conflict",
    413: "too-long",
    415: "not-supported",
    422: "processing",
    429: "throttled",
    503: "transient",
}
_CONDITIONAL: Final = {"PUT": "update", "PATCH": "patch", "DELETE": "delete"}
_NOTHING: Final = "urn:novamind:problem:http"  # the framework found no route
_SEARCH_METHODS: Final = ("GET", "HEAD")


class FhirOutcomes(ProblemsAs):
    """ASGI middleware around the guard: turns problems of FHIR routes into OperationOutcomes."""

    def concerns(self, scope: Scope) -> bool:
        """Return whether it is a FHIR route."""
        return bool(scope["path"] == BASE or scope["path"].startswith(f"{BASE}/"))

    def response(self, scope: Scope, status: int, body: bytes) -> Response:
        """Return a problem as an OperationOutcome; FHIR answers a search that is wrong with 400."""
        is_search = scope["method"] in _SEARCH_METHODS or scope["path"].endswith("/_search")
        status = 400 if status == 422 and is_search else status
        refusal = json.loads(body) | {"status": status}
        if status == 405:
            refusal["detail"] = _instead(scope["method"], scope["path"])
        elif status == 404 and refusal["type"] == _NOTHING:
            refusal["detail"] = f"this address or type of resource is not served; {BASE}/metadata says what is"
        return JSONResponse(outcome_of(refusal), status, media_type=FHIR_JSON)


def _instead(method: str, path: str) -> str:
    """Return what to do where a method is not offered."""
    resource_type, *rest = path.removeprefix(BASE).strip("/").split("/")
    if resource_type in TYPES and not rest and method in _CONDITIONAL:
        return (
            f"conditional {_CONDITIONAL[method]} is not offered: search for the resource, then send {method} to"
            f" {BASE}/{resource_type}/<id> with If-Match"
        )
    of = f" for {resource_type}" if resource_type in TYPES else ""
    return f"this method is not offered here{of}; {BASE}/metadata says what is"


def outcome(severity: str, code: str, *diagnostics: str) -> dict[str, Any]:
    """Return an OperationOutcome with an issue for each text."""
    issues = [{"severity": severity, "code": code, "diagnostics": text} for text in diagnostics]
    return {"resourceType": "OperationOutcome", "issue": issues}


def outcome_of(problem: Mapping[str, Any]) -> dict[str, Any]:
    """Return the OperationOutcome that a problem is."""
    details = [f"{error['location']}: {error['problem']}" for error in problem.get("errors", ())]
    return outcome("error", _CODES.get(problem["status"], "exception"), problem["detail"], *details)
