"""Errors of FHIR routes as OperationOutcome: every problem on its way to a FHIR client becomes one, the guard's too."""

import json
from collections.abc import Mapping
from typing import Any, Final

from fastapi.responses import JSONResponse
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from novamind.server.fhir.interactions import BASE
from novamind.server.problems import FHIR_JSON, MEDIA_TYPE

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
_OF_THE_BODY: Final = (b"content-type", b"content-length")
_SEARCH_METHODS: Final = ("GET", "HEAD")


class FhirOutcomes:
    """ASGI middleware around the guard: turns problems of FHIR routes into OperationOutcomes."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass everything on but problems of FHIR routes."""
        if scope["type"] != "http" or (not scope["path"].startswith(f"{BASE}/") and scope["path"] != BASE):
            await self._app(scope, receive, send)
            return
        start: Message | None = None
        body = bytearray()

        async def answer(sent: Message) -> None:
            nonlocal start
            if sent["type"] == "http.response.start":
                if Headers(raw=sent["headers"]).get("content-type") == MEDIA_TYPE:
                    start = sent
                    return
            elif start is not None:
                body.extend(sent.get("body", b""))
                if not sent.get("more_body", False):
                    await _as_outcome(scope, start, bytes(body))(scope, receive, send)
                return
            await send(sent)

        await self._app(scope, receive, answer)


def outcome(severity: str, code: str, *diagnostics: str) -> dict[str, Any]:
    """Return an OperationOutcome with an issue for each text."""
    issues = [{"severity": severity, "code": code, "diagnostics": text} for text in diagnostics]
    return {"resourceType": "OperationOutcome", "issue": issues}


def outcome_of(problem: Mapping[str, Any]) -> dict[str, Any]:
    """Return the OperationOutcome that a problem is."""
    details = [f"{error['location']}: {error['problem']}" for error in problem.get("errors", ())]
    return outcome("error", _CODES.get(problem["status"], "exception"), problem["detail"], *details)


def _as_outcome(scope: Scope, start: Message, body: bytes) -> JSONResponse:
    """Return a problem as an OperationOutcome; FHIR answers a search that is wrong with 400."""
    status = int(start["status"])
    is_search = scope["method"] in _SEARCH_METHODS or scope["path"].endswith("/_search")
    status = 400 if status == 422 and is_search else status
    response = JSONResponse(outcome_of(json.loads(body) | {"status": status}), status, media_type=FHIR_JSON)
    kept = MutableHeaders(raw=[pair for pair in start["headers"] if pair[0] not in _OF_THE_BODY])
    for name, value in kept.items():
        response.headers.setdefault(name, value)
    return response
