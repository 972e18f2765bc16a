"""Errors as RFC 9457 problems: what is wrong and what to do, never a value that was sent, never where it broke."""

import http
import re
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, Final

import pydantic
import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from novamind.errors import (
    AuthenticationError,
    AuthorizationError,
    DataProcessingError,
    IdentityError,
    InsufficientDataError,
    ModelInferenceError,
    NotFoundError,
    NovamindError,
    OutdatedError,
    ServiceUnavailableError,
    ValidationError,
)
from novamind.infrastructure.identity.attempts import TooManyAttemptsError
from novamind.infrastructure.logs import message
from novamind.infrastructure.vault import TamperedError
from novamind.records import FhirImportError

MEDIA_TYPE: Final = "application/problem+json"
FHIR_JSON: Final = "application/fhir+json"
_OF_THE_BODY: Final = (b"content-type", b"content-length")
_RETRY_SECONDS: Final = "5"
_FAILED = message("a request failed")
_NAME: Final = re.compile(r"[a-z][a-z_]{0,39}")
_MOST_LISTED: Final = 20

#: Status and kind of each error, the most special first.
_KINDS: Final[tuple[tuple[type[NovamindError], int, str], ...]] = (
    (AuthenticationError, 401, "not-authenticated"),
    (AuthorizationError, 403, "not-allowed"),
    (NotFoundError, 404, "not-found"),
    (OutdatedError, 412, "outdated"),
    (IdentityError, 409, "another-person"),
    (InsufficientDataError, 422, "insufficient-data"),
    (ValidationError, 422, "invalid"),
    (TooManyAttemptsError, 429, "too-many-attempts"),
    (TamperedError, 503, "stored-value-altered"),
    (DataProcessingError, 422, "unreadable"),
    (ModelInferenceError, 503, "model-unavailable"),
    (ServiceUnavailableError, 503, "unavailable"),
)

log = structlog.get_logger()


class Wrong(pydantic.BaseModel):
    """One thing that is wrong, and where."""

    location: str = pydantic.Field(description="Part of the request, from the outside to the inside.")
    problem: str = pydantic.Field(description="Rule that it breaks.")


class Problem(pydantic.BaseModel):
    """An error (RFC 9457)."""

    type: str = pydantic.Field(description="Kind of problem, as a URN that does not change.")
    title: str = pydantic.Field(description="Status in words.")
    status: int = pydantic.Field(description="Status of the answer.")
    detail: str = pydantic.Field(description="What is wrong, and what to do.")
    errors: list[Wrong] = pydantic.Field(default=[], description="What is wrong, part by part, where that is known.")


_MEANINGS: Final = {
    400: "The request cannot be read.",
    401: "The request does not say who is calling, or its token is not valid.",
    403: "The caller may not do this.",
    404: "It does not exist, or the caller may not know of it.",
    408: "The request did not arrive in time.",
    412: "It was changed in between: read it again.",
    413: "The request is too large.",
    415: "The kind of content is not accepted.",
    422: "The request does not have the form described here, or cannot be carried out.",
    429: "There were too many attempts: wait as long as `Retry-After` says.",
    503: "Something that is needed does not answer: try again.",
}
#: For OpenAPI: the answers that any route may give, and what each operation says of them.
PROBLEM_RESPONSES: Final = {
    f"Problem{status}": {
        "description": meaning,
        "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }
    for status, meaning in _MEANINGS.items()
}
RESPONSES: Final[dict[int | str, dict[str, Any]]] = {
    status: {"$ref": f"#/components/responses/Problem{status}", "description": meaning}
    for status, meaning in _MEANINGS.items()
}


def problem(
    status: int, kind: str, detail: str, headers: Mapping[str, str] | None = None, errors: Sequence[Wrong] = ()
) -> JSONResponse:
    """Return a problem as an answer."""
    body = Problem(
        type=f"urn:novamind:problem:{kind}",
        title=http.HTTPStatus(status).phrase,
        status=status,
        detail=detail,
        errors=list(errors),
    )
    added = dict(headers or {})
    if status == 401:
        added["WWW-Authenticate"] = "Bearer"
    if status == 503:
        added["Retry-After"] = _RETRY_SECONDS
    return JSONResponse(body.model_dump(exclude_defaults=True), status, added, MEDIA_TYPE)


def kind_of(error: Exception) -> tuple[int, str, str]:
    """Return status, kind and text of an error; what the operators should see goes to the log."""
    if _exhausted(error):
        log.error(_FAILED, exc_info=error)
        return 503, "unavailable", "this process has no memory left for this request; try again, or send less at once"
    if not isinstance(error, NovamindError):
        log.error(_FAILED, exc_info=error)
        return 500, "internal", "something went wrong here; the operators can find it by the X-Request-Id"
    status, kind = next(((status, kind) for of, status, kind in _KINDS if isinstance(error, of)), (422, "invalid"))
    if status == 503:
        log.error(_FAILED, exc_info=error)
    return status, kind, str(error)


def _exhausted(error: Exception) -> bool:
    """Return whether the process has no memory left; for a thread's stack CPython gives this text alone."""
    return isinstance(error, MemoryError) or (
        isinstance(error, RuntimeError) and str(error) == "can't start new thread"
    )


def of_error(error: NovamindError) -> JSONResponse:
    """Return the problem that one of our errors is."""
    headers = {"Retry-After": str(error.seconds)} if isinstance(error, TooManyAttemptsError) else None
    return problem(*kind_of(error), headers)


def unexpected(error: Exception) -> JSONResponse:
    """Return the problem of an unexpected error: the log has the place, the answer has nothing."""
    return problem(*kind_of(error))


def register(app: FastAPI) -> None:
    """Let every error of the application become a problem."""

    @app.exception_handler(NovamindError)
    async def ours(_request: Request, error: NovamindError) -> JSONResponse:
        return of_error(error)

    @app.exception_handler(FhirImportError)
    async def of_fhir(_request: Request, error: FhirImportError) -> JSONResponse:
        return JSONResponse(error.outcome.to_fhir(), 422, media_type=FHIR_JSON)

    @app.exception_handler(RequestValidationError)
    async def invalid(_request: Request, error: RequestValidationError) -> JSONResponse:
        listed = [Wrong(location=_place(each["loc"]), problem=_text(each)) for each in error.errors()[:_MOST_LISTED]]
        return problem(422, "invalid", "the request does not have the form that /openapi.json describes", errors=listed)

    @app.exception_handler(HTTPException)
    async def of_the_framework(_request: Request, error: HTTPException) -> JSONResponse:
        detail = {404: "there is nothing here", 405: "this method is not offered here"}.get(
            error.status_code, "the request cannot be read"
        )
        return problem(error.status_code, "http", detail, error.headers)


def _place(parts: Sequence[Any]) -> str:
    """Return where it is wrong; only numbers and names that a programmer gave, since a key may be anything."""
    ours = parts[:1] == ("header",)  # no header is looked at that we have not named
    named = (str(part) if ours or isinstance(part, int) or _NAME.fullmatch(str(part)) else "…" for part in parts)
    return ".".join(named)


def _text(error: Mapping[str, Any]) -> str:
    """Return what is wrong; the text of our own checks, or pydantic's, which names the rule and not the value."""
    if error["type"] in ("uuid_parsing", "json_invalid") or error["type"].endswith(("_parsing", "_from_date_parsing")):
        return f"is not a valid {error['type'].split('_')[0]}"
    return str(error["msg"])


class ProblemsAs(ABC):
    """ASGI middleware around the guard: gives problems the form that a kind of client reads, and passes the rest on."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    @abstractmethod
    def concerns(self, scope: Scope) -> bool:
        """Return whether a request is of such a client."""

    @abstractmethod
    def response(self, scope: Scope, status: int, body: bytes) -> Response:
        """Return the answer in the place of a problem; its other headers are kept."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass everything on but problems on their way to such a client."""
        if scope["type"] != "http" or not self.concerns(scope):
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
                    response = self.response(scope, int(start["status"]), bytes(body))
                    kept = MutableHeaders(raw=[pair for pair in start["headers"] if pair[0] not in _OF_THE_BODY])
                    for name, value in kept.items():
                        response.headers.setdefault(name, value)
                    await response(scope, receive, send)
                return
            await send(sent)

        await self._app(scope, receive, answer)
