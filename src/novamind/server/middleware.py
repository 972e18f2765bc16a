"""The guard: what every request passes before any route sees it, and what every answer carries.

Requests without a token reach public routes only, which stand in a literal list. A route that somebody adds tomorrow is
shut until its caller is known. Bodies are read here, bounded in size and time, and JSON is checked for its traps.
"""

import asyncio
import re
import time
from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, cast
from urllib.parse import parse_qsl, urlsplit
from uuid import UUID, uuid4

import structlog
from prometheus_client import CollectorRegistry, Histogram
from starlette.datastructures import Headers
from starlette.requests import cookie_parser
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from novamind.errors import AuthenticationError, NovamindError, ValidationError
from novamind.infrastructure.audit import ORIGIN
from novamind.infrastructure.identity.attempts import TooManyAttemptsError
from novamind.infrastructure.identity.domain import Principal
from novamind.infrastructure.logs import message
from novamind.server import strict_json
from novamind.server.cross_origin import CrossOrigin
from novamind.server.problems import of_error, problem, unexpected
from novamind.settings import Settings

if TYPE_CHECKING:
    from novamind.server.container import Container

#: Services of CDS Hooks, which callers may sign for themselves.
HOOKS: Final = "/cds-services"
#: Where the FHIR server begins.
FHIR: Final = "/fhir"
#: Where a token says what it is, and where it ends.
INTROSPECTION: Final = "/oauth/introspect"
REVOCATION: Final = "/oauth/revoke"
#: Where a person says with which patient an app opens; the code of their login says who they are.
CHOICE: Final = "/oauth/patient"
#: Where OpenID Connect looks for what this server is.
OPENID: Final = "/.well-known/openid-configuration"
#: What describes the server, for pages of any origin too.
_DESCRIBED: Final = (
    OPENID, "/.well-known/jwks.json", "/.well-known/smart-configuration", f"{FHIR}/.well-known/smart-configuration",
    f"{FHIR}/metadata", HOOKS,
)  # fmt: skip
#: Open to everybody. Nothing else is.
PUBLIC: Final = frozenset(
    {
        "/health",
        "/ready",
        "/oauth/authorize",
        "/oauth/token",
        "/.well-known/jwks.json",
        "/.well-known/smart-configuration",
        f"{FHIR}/.well-known/smart-configuration",
        OPENID,
        REVOCATION,
        CHOICE,
        HOOKS,
    }
)
#: Open in development only.
DOCUMENTATION: Final = "/openapi.json"

CONTENT_SECURITY_POLICY: Final = (
    "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'"
)
_HEADERS: Final = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Cache-Control": "no-store",
}
#: Where the routes of rooms begin.
API: Final = "/api/v1"
_SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_BODY_SECONDS: Final = 30
_REQUESTS_A_MINUTE: Final = 1200
_PATIENT: Final = re.compile(r"/patients/([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})(?=/|$)")
_CORRELATION: Final = re.compile(r"[0-9a-fA-F-]{8,64}")
_ANSWERED = message("answered")

log = structlog.get_logger()


class GuardMiddleware:
    """ASGI middleware around the whole application.

    Parameters
    ----------
    app
        The application.
    settings
        Hosts, origins and limits.
    file_routes
        Largest body of the routes that take files, by path pattern.
    public
        Paths that are open to everybody.
    registry
        Where durations are counted.
    """

    def __init__(
        self,
        app: ASGIApp,
        settings: Settings,
        file_routes: Mapping[re.Pattern[str], int],
        public: frozenset[str],
        registry: CollectorRegistry,
    ) -> None:
        self._app = app
        self._file_routes = file_routes
        self._largest = settings.max_body_bytes
        own = urlsplit(settings.public_url)
        self._at = settings.public_url
        self._hosts = {*settings.allowed_hosts, str(own.hostname)}
        self._origins = {*settings.allowed_origins, settings.public_url}
        self._public = public
        self._cross_origin = CrossOrigin(_DESCRIBED, ("/oauth/token", INTROSPECTION, REVOCATION), (FHIR, HOOKS))
        headers = _HEADERS | (
            {"Strict-Transport-Security": "max-age=31536000; includeSubDomains"} if own.scheme == "https" else {}
        )
        self._headers = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
        self.cookie = cookie_name(settings)
        self._budget = _Budget(_REQUESTS_A_MINUTE)
        self._durations = Histogram(
            "novamind_request_seconds",
            "Time to answer, by route and status.",
            ("method", "route", "status"),
            registry=registry,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request in, or answer it itself."""
        if scope["type"] == "http":
            await self._request(scope, receive, send)
        elif scope["type"] == "websocket":
            await self._socket(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _request(self, scope: Scope, receive: Receive, send: Send) -> None:
        started, headers = time.perf_counter(), Headers(scope=scope)
        request_id = str(uuid4())
        correlation_id = headers.get("x-correlation-id", "")
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(
            request_id=request_id,
            correlation_id=correlation_id if _CORRELATION.fullmatch(correlation_id) else request_id,
        )
        _note_origin(scope)
        status = 0
        shared: list[tuple[bytes, bytes]] = []

        async def answer(sent: Message) -> None:
            nonlocal status
            if sent["type"] == "http.response.start":
                status = sent["status"]
                own = {name for name, _ in sent["headers"]}
                added = [header for header in (*self._headers, *shared) if header[0] not in own]
                sent["headers"] = [*sent["headers"], *added, (b"x-request-id", request_id.encode())]
            await send(sent)

        try:
            is_app = await self._is_app(scope, headers)
            if "origin" in headers:
                shared += self._cross_origin.headers(scope["path"], headers["origin"], is_app=is_app)
            refusal, receive = await self._admit(scope, headers, receive, is_app=is_app)
            await (refusal or self._app)(scope, receive, answer)
        except NovamindError as error:
            await of_error(error)(scope, receive, answer)
        except Exception as error:
            if status:
                raise
            await unexpected(error)(scope, receive, answer)
        finally:
            took = time.perf_counter() - started
            route = _template(scope)
            method = scope["method"] if scope["method"] in (*_SAFE, "POST", "PUT", "PATCH", "DELETE") else "other"
            self._durations.labels(method, route, status).observe(took)
            log.info(_ANSWERED, duration_ms=round(took * 1000, 1), status=status, method=method, route=route)

    async def _is_app(self, scope: Scope, headers: Headers) -> bool:
        """Return whether a page of a registered app, of an origin other than ours, sends the request."""
        origin = headers.get("origin")
        if origin in (None, *self._origins) or not self._is_own_host(headers):
            return False
        container = cast("Container", scope["app"].state.container)
        return await self._cross_origin.admits(scope["path"], str(origin), container.identity.launches.origins)

    async def _admit(
        self, scope: Scope, headers: Headers, receive: Receive, *, is_app: bool
    ) -> tuple[Response | None, Receive]:
        if not self._is_own_host(headers):
            return problem(400, "host", "this host name is not served here"), receive
        preflight = self._cross_origin.preflight(scope["method"], scope["path"], headers, is_app=is_app)
        if preflight is not None:
            return preflight, receive
        if headers.get("origin") not in (None, *self._origins) and scope["method"] not in _SAFE and not is_app:
            return problem(403, "origin", "requests from this origin are not accepted"), receive
        if "content-encoding" in headers and headers["content-encoding"].strip().lower() != "identity":
            return problem(415, "encoding", "send the body as it is: compressed ones are not accepted"), receive
        if "transfer-encoding" in headers and "content-length" in headers:  # RFC 9112, 6.1: two readers would disagree
            close = {"Connection": "close"}
            return problem(400, "length", "send either Content-Length or Transfer-Encoding", close), receive
        names = [name for name, _ in parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)]
        # In FHIR both limits of a span are given under one name.
        if len(set(names)) < len(names) and not scope["path"].startswith(f"{FHIR}/"):
            return problem(400, "query", "a parameter is given twice"), receive
        if scope["path"] not in self._public:
            principal = await self._identify(scope, headers, is_app=is_app)
            self._budget.spend(principal)
            scope.setdefault("state", {})["principal"] = principal
        if scope["method"] in _SAFE:
            return None, receive
        return await self._body(scope, headers, receive)

    async def _identify(self, scope: Scope, headers: Headers, *, is_app: bool) -> Principal:
        container = cast("Container", scope["app"].state.container)
        about = map(UUID, _PATIENT.findall(scope["path"]))
        scheme, _, credential = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and credential:
            if scope["path"].startswith(f"{HOOKS}/") and container.identity.hook_clients.knows(credential):
                return await container.identity.hook_clients.authenticate(credential, self._at + scope["path"])
            return await container.identity.sessions.authenticate(credential, *about)
        cookie = cookie_parser(headers.get("cookie", "")).get(self.cookie)
        is_ours = headers.get("origin") in self._origins or (scope["method"] in _SAFE and not is_app)
        if cookie and is_ours:
            return await container.identity.sessions.authenticate_cookie(cookie, *about)
        raise AuthenticationError("send an access token or an API key as 'Authorization: Bearer …'")

    async def _body(self, scope: Scope, headers: Headers, receive: Receive) -> tuple[Response | None, Receive]:
        """Read the body, bounded, and hand it on in one piece."""
        largest = next(
            (size for form, size in self._file_routes.items() if form.fullmatch(scope["path"])), self._largest
        )
        too_large = problem(413, "too-large", f"the body must not be larger than {largest} bytes")
        length = headers.get("content-length", "0")
        if not length.isdigit():
            return problem(400, "length", "Content-Length must be a number"), receive
        if int(length[:20]) > largest:
            return too_large, receive
        body = bytearray()
        try:
            async with asyncio.timeout(_BODY_SECONDS):
                more = True
                while more:
                    part = await receive()
                    if part["type"] == "http.disconnect":
                        return problem(400, "incomplete", "the body did not arrive"), receive
                    body += part.get("body", b"")
                    more = part.get("more_body", False)
                    if len(body) > largest:
                        return too_large, receive
        except TimeoutError:
            return problem(408, "too-slow", "the body took too long to arrive"), receive
        if body and re.fullmatch(r"application/([\w.-]+\+)?json\b.*", headers.get("content-type", "").lower()):
            try:
                await asyncio.to_thread(strict_json.check, bytes(body)) if len(body) > 65536 else strict_json.check(
                    bytes(body)
                )
            except ValidationError as error:
                return problem(400, "json", str(error)), receive
        return None, _replay(bytes(body), receive)

    async def _socket(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let in WebSockets of our own pages only; the route identifies the caller by a ticket.

        An address with a query is refused: it may hold a secret.
        """
        headers, request_id = Headers(scope=scope), str(uuid4())
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=request_id, correlation_id=request_id)
        _note_origin(scope)
        at_home = self._is_own_host(headers) and headers.get("origin") in self._origins
        if not at_home or scope["query_string"]:
            await receive()
            await send({"type": "websocket.close", "code": 1008})
            return
        await self._app(scope, receive, send)

    def _is_own_host(self, headers: Headers) -> bool:
        host = headers.get("host", "")
        return re.sub(r":\d{1,5}$", "", host) in self._hosts


def cookie_name(settings: Settings) -> str:
    """Return the name of the browser's cookie; over TLS no other host and no other path can set it."""
    return "__Host-novamind" if settings.public_url.startswith("https://") else "novamind"


class _Budget:
    """How many requests one principal may send a minute to this process."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._minute = 0
        self._spent: Counter[Any] = Counter()

    def spend(self, principal: Principal) -> None:
        minute = int(time.monotonic() // 60)
        if minute != self._minute:
            self._minute, self._spent = minute, Counter()
        self._spent[principal.subject] += 1
        if self._spent[principal.subject] > self._limit:
            raise TooManyAttemptsError(60)


def _note_origin(scope: Scope) -> None:
    """Give the audit the origin of the request."""
    audit = cast("Container", scope["app"].state.container).foundation.audit
    ORIGIN.set(audit.origin(scope["client"][0]) if scope.get("client") else "unknown")


def _template(scope: Scope) -> str:
    """Return the route's pattern, without identifiers; a room's own routes do not know where they are served."""
    path = str(getattr(scope.get("route"), "path", "none"))
    bare = scope["path"].startswith(API) and path.startswith("/") and not path.startswith(API)
    return API + path if bare else path


def _replay(body: bytes, receive: Receive) -> Receive:
    is_replayed = False

    async def once() -> Message:
        nonlocal is_replayed
        if is_replayed:
            return await receive()
        is_replayed = True
        return {"type": "http.request", "body": body, "more_body": False}

    return once
