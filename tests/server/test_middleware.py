"""The door, alone: an application that tells what reached it, and a container whose keys a test holds."""

import asyncio
import json
import re
import threading
from collections.abc import Iterable
from types import SimpleNamespace
from typing import Any
from uuid import UUID, uuid4

import pytest
import structlog
from prometheus_client import CollectorRegistry
from starlette.responses import PlainTextResponse

from novamind.errors import AuthenticationError, ModelInferenceError, ValidationError
from novamind.infrastructure.audit import ORIGIN
from novamind.infrastructure.identity.attempts import TooManyAttemptsError
from novamind.infrastructure.identity.domain import Permission, Principal, Role
from novamind.server import middleware
from novamind.server.middleware import GuardMiddleware, _Budget, cookie_name
from novamind.settings import Settings

HOST, OWN = "127.0.0.1:8000", "http://127.0.0.1:8000"
LIMIT, FILE_LIMIT = 100, 200
SOMEBODY = Principal(uuid4(), uuid4(), Role.CLINICIAN, None, None, frozenset(Permission))
PATIENT = "11111111-2222-4333-8444-555555555555"


class Keys:
    """Who gets in: the bearer and the cookie ``good``, every token of a hook; and who was asked about whom."""

    def __init__(self) -> None:
        self.asked: list[Any] = []

    async def authenticate(self, credential: str, *about: UUID) -> Principal:
        self.asked.append(("bearer", credential, *map(str, about)))
        return self._right(credential)

    async def authenticate_cookie(self, credential: str, *about: UUID) -> Principal:
        self.asked.append(("cookie", credential, *map(str, about)))
        return self._right(credential)

    def _right(self, credential: str) -> Principal:
        if credential != "good":
            raise AuthenticationError("this is not valid")
        return SOMEBODY


class HookKeys(Keys):
    def knows(self, credential: str) -> bool:
        return credential.startswith("hook")

    async def authenticate(self, credential: str, *about: Any) -> Principal:
        self.asked.append(("hook", credential, *about))
        return SOMEBODY


class Answer:
    """What came back from one request, and what of it reached the application."""

    def __init__(self, sent: list[Any], seen: list[Any]) -> None:
        self.sent, self.seen = sent, seen

    @property
    def status(self) -> int:
        return int(self.sent[0]["status"])

    @property
    def headers(self) -> dict[str, str]:
        return {name.decode(): value.decode() for name, value in self.sent[0]["headers"]}

    @property
    def problem(self) -> tuple[str, str]:
        told = json.loads(self.sent[1]["body"])
        return told["type"].removeprefix("urn:novamind:problem:"), told["detail"]

    @property
    def let_in(self) -> bool:
        return bool(self.seen)


class Container:
    """A door in front of an application that reads its body and answers 204."""

    def __init__(self, **settings: Any) -> None:
        self.sessions, self.hooks, self.seen = Keys(), HookKeys(), []
        self.registry = CollectorRegistry()
        self.fault: Exception | None = None
        self.after_start = False
        self.own_headers: dict[str, str] = {}
        launches = SimpleNamespace(origins=None)  # none of these paths is one of apps
        identity = SimpleNamespace(sessions=self.sessions, hook_clients=self.hooks, launches=launches)
        audit = SimpleNamespace(origin=lambda address: f"origin of {address}")
        container = SimpleNamespace(identity=identity, foundation=SimpleNamespace(audit=audit))
        self.app = SimpleNamespace(state=SimpleNamespace(container=container))
        known = {"max_body_bytes": LIMIT, "public_url": OWN, "allowed_hosts": ("other.example",)}
        self.door = GuardMiddleware(
            self._serve,
            Settings(**known | settings),
            {re.compile("/files/[^/]+"): FILE_LIMIT},
            frozenset({"/open"}),
            self.registry,
        )

    async def _serve(self, scope: Any, receive: Any, send: Any) -> None:
        body = await receive() if scope["type"] == "http" else None
        self.seen.append(
            {
                "body": body,
                "principal": scope.get("state", {}).get("principal"),
                "origin": ORIGIN.get(),
                "context": structlog.contextvars.get_contextvars(),
                "receive": receive,
            }
        )
        scope["route"] = SimpleNamespace(path="/thing/{id}")
        if self.after_start:
            await send({"type": "http.response.start", "status": 200, "headers": []})
        if self.fault:
            raise self.fault
        if scope["type"] == "http":
            await PlainTextResponse("", 204, headers=self.own_headers)(scope, receive, send)

    async def ask(
        self,
        method: str = "GET",
        path: str = "/thing",
        *parts: bytes | None,
        query: bytes = b"",
        kind: str = "http",
        client: Any = ("10.1.2.3", 50),
        **headers: str | None,
    ) -> Answer:
        """One request; a part of the body that is None is a connection that ends, and after the last it waits."""
        named = {"host": HOST, "authorization": "Bearer good"}
        named |= {name.replace("_", "-"): value for name, value in headers.items()}
        scope = {
            "type": kind,
            "method": method,
            "path": path,
            "query_string": query,
            "headers": [(name.encode(), value.encode()) for name, value in named.items() if value is not None],
            "client": client,
            "app": self.app,
        }
        messages = list(self._messages(parts))
        sent: list[Any] = []
        seen = len(self.seen)

        async def receive() -> Any:
            if not messages:
                await asyncio.sleep(3600)
            return messages.pop(0)

        async def send(message: Any) -> None:
            sent.append(message)

        await self.door(scope, receive, send)
        return Answer(sent, self.seen[seen:])

    def _messages(self, parts: tuple[bytes | None, ...]) -> Iterable[Any]:
        for i, part in enumerate(parts):
            if part is None:
                yield {"type": "http.disconnect"}
            else:
                yield {"type": "http.request", "body": part, "more_body": i + 1 < len(parts)}
        if not parts:
            yield {"type": "http.request"}

    def __call__(self, *asked: Any, **headers: Any) -> Answer:
        return asyncio.run(self.ask(*asked, **headers))


@pytest.fixture
def container() -> Container:
    return Container()


# -- hosts, origins, encodings, lengths, parameters


@pytest.mark.parametrize(
    ("host", "known"),
    [
        ("127.0.0.1", True), ("127.0.0.1:1", True), ("127.0.0.1:65535", True), ("127.0.0.1:654321", False),
        ("other.example", True), ("other.example:443", True), ("evil.example", False), ("", False), (None, False),
        ("127.0.0.1:", False), ("127.0.0.1:8000:8000", False), ("127.0.0.1.evil.example", False),
    ],
)  # fmt: skip
def test_hosts_under_which_it_is_served(container: Container, host: str | None, known: bool) -> None:
    answer = container(host=host)
    assert answer.let_in is known
    if not known:
        assert (answer.status, *answer.problem) == (400, "host", "this host name is not served here")


def test_the_public_urls_host_is_known_too() -> None:
    assert Container(public_url="https://clinic.example")(host="clinic.example").let_in


@pytest.mark.parametrize(
    ("method", "origin", "right"),
    [
        ("POST", None, True), ("POST", OWN, True), ("POST", "https://friend.example", True),
        ("POST", "https://evil.example", False), ("POST", "null", False), ("DELETE", "https://evil.example", False),
        ("GET", "https://evil.example", True), ("HEAD", "https://evil.example", True),
        ("OPTIONS", "https://evil.example", True), ("PUT", "http://127.0.0.1", False),
    ],
)  # fmt: skip
def test_what_changes_something_comes_from_known_origins(method: str, origin: str | None, right: bool) -> None:
    answer = Container(allowed_origins=("https://friend.example",))(method, origin=origin)
    assert answer.let_in is right
    if not right:
        assert (answer.status, *answer.problem) == (403, "origin", "requests from this origin are not accepted")


@pytest.mark.parametrize(
    ("encoding", "right"), [(None, True), ("identity", True), (" Identity ", True), ("gzip", False), ("", False)]
)
def test_bodies_come_as_they_are(container: Container, encoding: str | None, right: bool) -> None:
    answer = container("POST", content_encoding=encoding)
    assert answer.let_in is right
    if not right:
        assert (answer.status, answer.problem[0]) == (415, "encoding")
        assert answer.problem[1] == "send the body as it is: compressed ones are not accepted"


def test_a_length_said_in_two_ways_ends_the_connection(container: Container) -> None:
    answer = container("POST", transfer_encoding="chunked", content_length="3")
    assert (answer.status, *answer.problem) == (400, "length", "send either Content-Length or Transfer-Encoding")
    assert answer.headers["connection"] == "close"
    assert container("POST", transfer_encoding="chunked").let_in
    assert container("POST", "/thing", b"abc", content_length="3").let_in


@pytest.mark.parametrize(
    ("query", "right"),
    [(b"a=1&b=1", True), (b"a=1&a=2", False), (b"a=&a=", False), (b"a&a", False), (b"%61=1&a=2", False), (b"", True)],
)
def test_a_parameter_is_given_once(container: Container, query: bytes, right: bool) -> None:
    answer = container(query=query)
    assert answer.let_in is right
    if not right:
        assert (answer.status, *answer.problem) == (400, "query", "a parameter is given twice")


# -- who it is


@pytest.mark.parametrize(
    ("headers", "asked"),
    [
        ({}, ("bearer", "good")),
        ({"authorization": "bearer good"}, ("bearer", "good")),
        ({"authorization": "Bearer bad"}, ("bearer", "bad")),
        ({"authorization": "Basic good"}, None),
        ({"authorization": "Bearer"}, None),
        ({"authorization": "Bearer "}, None),
        ({"authorization": None}, None),
        ({"authorization": None, "cookie": "novamind=good"}, ("cookie", "good")),
        ({"authorization": None, "cookie": "other=good"}, None),
        ({"cookie": "novamind=bad"}, ("bearer", "good")),
    ],
)
def test_the_proof_that_is_looked_at(container: Container, headers: dict[str, Any], asked: Any) -> None:
    answer = container(**headers)
    assert container.sessions.asked == ([] if asked is None else [asked])
    assert answer.let_in is (asked is not None and asked[1] == "good")
    if asked is None:
        says = "send an access token or an API key as 'Authorization: Bearer …'"
        assert (answer.status, *answer.problem) == (401, "not-authenticated", says)
        assert answer.headers["www-authenticate"] == "Bearer"
    if answer.let_in:
        assert answer.seen[0]["principal"] == SOMEBODY


@pytest.mark.parametrize(
    ("method", "origin", "right"),
    [("GET", None, True), ("HEAD", None, True), ("POST", OWN, True), ("POST", None, False), ("DELETE", None, False)],
)
def test_a_cookie_changes_something_only_from_our_own_pages(
    container: Container, method: str, origin: str | None, right: bool
) -> None:
    assert container(method, authorization=None, cookie="novamind=good", origin=origin).let_in is right


@pytest.mark.parametrize(
    ("path", "about"),
    [
        (f"/api/v1/patients/{PATIENT}", [PATIENT]),
        (f"/api/v1/patients/{PATIENT}/reports", [PATIENT]),
        (f"/users/x/patients/{PATIENT}/patients/{PATIENT[:-1]}6", [PATIENT, PATIENT[:-1] + "6"]),
        (f"/patients/{PATIENT}0", []),
        (f"/patients/{PATIENT.replace('1', 'A')}", []),
        (f"/{PATIENT}", []),
    ],
)
def test_ties_are_read_to_the_patients_in_the_path(container: Container, path: str, about: list[str]) -> None:
    container(path=path)
    container(path=path, authorization=None, cookie="novamind=good")
    assert container.sessions.asked == [("bearer", "good", *about), ("cookie", "good", *about)]


@pytest.mark.parametrize(
    ("path", "token", "hook"),
    [
        ("/cds-services/x", "hook-1", True), ("/cds-services/x", "good", False),
        ("/cds-services", "hook-1", False), ("/other/x", "hook-1", False),
    ],
)  # fmt: skip
def test_an_ehrs_own_token_opens_the_hooks_alone(container: Container, path: str, token: str, hook: bool) -> None:
    container(path=path, authorization=f"Bearer {token}")
    assert container.hooks.asked == ([("hook", token, f"{OWN}{path}")] if hook else [])
    assert bool(container.sessions.asked) is not hook


def test_public_paths_are_open_to_everybody_and_no_other(container: Container) -> None:
    assert container(path="/open", authorization=None).let_in
    assert container(path="/open", authorization="Bearer bad").let_in
    for path in ("/open/", "/opens", "/OPEN", "/"):
        assert container(path=path, authorization=None).status == 401
    assert container.seen[0]["principal"] is None


def test_the_list_of_public_paths_and_where_rooms_begin() -> None:
    assert {
        "/health", "/ready", "/oauth/authorize", "/oauth/token", "/.well-known/jwks.json",
        "/.well-known/smart-configuration", "/cds-services", "/fhir/.well-known/smart-configuration", "/oauth/patient",
        "/oauth/revoke", "/.well-known/openid-configuration",
    } == middleware.PUBLIC  # fmt: skip
    assert (middleware.DOCUMENTATION, middleware.API, middleware.HOOKS) == ("/openapi.json", "/api/v1", "/cds-services")


def test_over_tls_the_cookie_is_of_this_host_alone() -> None:
    assert cookie_name(Settings(public_url="https://clinic.example")) == "__Host-novamind"
    assert cookie_name(Settings(public_url="http://127.0.0.1:1")) == "novamind"
    container = Container(public_url="https://clinic.example")
    assert container(host="clinic.example", authorization=None, cookie="__Host-novamind=good").let_in
    assert not container(host="clinic.example", authorization=None, cookie="novamind=good").let_in


# -- requests a minute


class Clock:
    now = 600.0

    def monotonic(self) -> float:
        return self.now


def test_a_principal_has_so_many_requests_a_minute_and_the_next_minute_again(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    monkeypatch.setattr(middleware.time, "monotonic", clock.monotonic)
    other = Principal(uuid4(), uuid4(), Role.SERVICE, None, None, frozenset())
    budget = _Budget(3)
    for _ in range(3):
        budget.spend(SOMEBODY)
    for clock.now in (600.0, 659.9):
        with pytest.raises(TooManyAttemptsError) as caught:
            budget.spend(SOMEBODY)
        assert caught.value.seconds == 60
    budget.spend(other)
    clock.now = 660.0
    for _ in range(3):
        budget.spend(SOMEBODY)
    with pytest.raises(TooManyAttemptsError):
        budget.spend(SOMEBODY)


def test_the_door_keeps_to_twelve_hundred_and_says_when_to_come_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(middleware.time, "monotonic", Clock().monotonic)
    container = Container()
    container.door._budget._spent[SOMEBODY.subject] = 1199
    container.door._budget._minute = 10
    assert container().let_in
    answer = container()
    assert (answer.status, answer.problem[0], answer.headers["retry-after"]) == (429, "too-many-attempts", "60")
    assert container(path="/open").let_in, "what is public costs nobody anything"


# -- bodies


@pytest.mark.parametrize(("path", "most"), [("/thing", LIMIT), ("/files/a", FILE_LIMIT), ("/files/a/b", LIMIT)])
def test_a_body_of_the_limit_is_read_and_one_byte_more_is_not(container: Container, path: str, most: int) -> None:
    whole = container("POST", path, b"x" * most)
    assert whole.seen[0]["body"] == {"type": "http.request", "body": b"x" * most, "more_body": False}
    in_parts = container("POST", path, b"x" * (most - 1), b"x")
    assert in_parts.seen[0]["body"]["body"] == b"x" * most
    said = (413, "too-large", f"the body must not be larger than {most} bytes")
    for answer in (
        container("POST", path, b"x" * (most + 1)),
        container("POST", path, b"x" * most, b"x", b"never read"),
        container("POST", path, b"x", content_length=str(most + 1)),
    ):
        assert (answer.status, *answer.problem) == said
        assert not answer.let_in
    assert container("POST", path, b"x", content_length=str(most)).let_in


@pytest.mark.parametrize(
    ("length", "status"), [("x", 400), ("-1", 400), ("1.0", 400), ("", 400), ("9" * 40, 413), ("0", 204)]
)
def test_a_length_is_a_number(container: Container, length: str, status: int) -> None:
    answer = container("POST", "/thing", b"", content_length=length)
    assert answer.status == status
    if status == 400:
        assert answer.problem == ("length", "Content-Length must be a number")


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
def test_of_a_request_that_only_reads_the_body_is_left_alone(container: Container, method: str) -> None:
    assert container(method, "/thing", b"x" * 500).let_in


def test_a_body_that_breaks_off_is_said_to_be_incomplete(container: Container) -> None:
    answer = container("POST", "/thing", b"x", None)
    assert (answer.status, *answer.problem) == (400, "incomplete", "the body did not arrive")


def test_a_body_that_does_not_come_is_not_waited_for(container: Container, monkeypatch: pytest.MonkeyPatch) -> None:
    assert middleware._BODY_SECONDS == 30
    monkeypatch.setattr(middleware, "_BODY_SECONDS", 0.01)

    async def crawl() -> Answer:
        messages = [{"type": "http.request", "body": b"x", "more_body": True}]
        sent: list[Any] = []

        async def receive() -> Any:
            return messages.pop() if messages else await asyncio.sleep(3600)

        async def send(message: Any) -> None:
            sent.append(message)

        headers = [(b"host", HOST.encode()), (b"authorization", b"Bearer good")]
        scope = {"type": "http", "method": "POST", "path": "/thing", "query_string": b"", "headers": headers}
        await container.door(scope | {"app": container.app, "client": None}, receive, send)
        return Answer(sent, container.seen)

    answer = asyncio.run(crawl())
    assert (answer.status, *answer.problem) == (408, "too-slow", "the body took too long to arrive")
    assert not answer.let_in


@pytest.mark.parametrize(
    ("content_type", "checked"),
    [
        ("application/json", True), ("application/json; charset=utf-8", True), ("APPLICATION/JSON", True),
        ("application/fhir+json", True), ("application/vnd.api-2+json", True), ("application/jsonx", False),
        ("text/json", False), ("application/x-www-form-urlencoded", False), (None, False),
    ],
)  # fmt: skip
def test_json_is_checked_for_its_traps(container: Container, content_type: str | None, checked: bool) -> None:
    answer = container("POST", "/thing", b'{"a":1,"a":2}', content_type=content_type)
    assert answer.let_in is not checked
    if checked:
        assert (answer.status, *answer.problem) == (400, "json", "JSON must not name a key twice")
    assert container("POST", "/thing", b'{"a":1}', content_type=content_type).let_in
    assert container("POST", "/thing", b"", content_type=content_type).let_in, "nothing is no wrong JSON"


@pytest.mark.parametrize(("size", "aside"), [(65536, False), (65537, True)])
def test_long_json_is_checked_beside_the_loop(size: int, aside: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    threads: list[Any] = []
    monkeypatch.setattr(
        middleware.strict_json, "check", lambda body: threads.append((threading.current_thread(), len(body)))
    )
    container = Container(max_body_bytes=100_000)
    assert container("POST", "/thing", b"x" * size, content_type="application/json").let_in
    ((thread, length),) = threads
    assert length == size
    assert (thread is not threading.main_thread()) is aside


def test_what_was_read_is_handed_on_once_and_then_what_the_client_does(container: Container) -> None:
    async def read_twice() -> tuple[Any, Any]:
        messages = [{"type": "http.request", "body": b"x", "more_body": False}, {"type": "http.disconnect"}]
        got: list[Any] = []

        async def serve(_scope: Any, receive: Any, _send: Any) -> None:
            got.extend([await receive(), await receive()])

        async def receive() -> Any:
            return messages.pop(0)

        container.door._app = serve
        headers = [(b"host", HOST.encode()), (b"authorization", b"Bearer good")]
        scope = {"type": "http", "method": "POST", "path": "/thing", "query_string": b"", "headers": headers}
        await container.door(scope | {"app": container.app, "client": None}, receive, receive)
        return got[0], got[1]

    first, second = asyncio.run(read_twice())
    assert first == {"type": "http.request", "body": b"x", "more_body": False}
    assert second == {"type": "http.disconnect"}


# -- what every answer carries, and what is told of it


SECURE = {
    "content-security-policy": "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none';"
    " object-src 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
    "cache-control": "no-store",
}


def test_every_answer_and_every_refusal_carries_the_same_headers(container: Container) -> None:
    for answer in (container(), container(host="evil.example"), container(authorization=None)):
        assert SECURE.items() <= answer.headers.items()
        assert "strict-transport-security" not in answer.headers
        UUID(answer.headers["x-request-id"])


def test_over_tls_browsers_are_told_to_stay_there() -> None:
    answer = Container(public_url="https://clinic.example")(host="clinic.example")
    assert answer.headers["strict-transport-security"] == "max-age=31536000; includeSubDomains"


def test_a_header_of_the_routes_own_goes_before_the_doors(container: Container) -> None:
    container.own_headers = {"Referrer-Policy": "same-origin"}
    answer = container()
    assert [value for name, value in answer.sent[0]["headers"] if name == b"referrer-policy"] == [b"same-origin"]
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("abcdef12", True), ("A-f0" * 16, True), ("abcdef1", False), ("a" * 65, False), ("abcdefgh", False),
        ("abcdef12\n", False), ("", False), (None, False),
    ],
)  # fmt: skip
def test_a_correlation_id_is_kept_if_it_has_the_form_of_one(
    container: Container, given: str | None, kept: bool
) -> None:
    answer = container(x_correlation_id=given)
    context = answer.seen[0]["context"]
    assert context["request_id"] == answer.headers["x-request-id"]
    assert context["correlation_id"] == (given if kept else context["request_id"])
    assert set(context) == {"request_id", "correlation_id"}


def test_the_audit_is_told_whence_it_comes(container: Container) -> None:
    assert container().seen[0]["origin"] == "origin of 10.1.2.3"
    assert container(client=None).seen[0]["origin"] == "unknown"


@pytest.mark.parametrize(
    ("fault", "status", "kind"),
    [
        (ValidationError("wrong"), 422, "invalid"),
        (TooManyAttemptsError(7), 429, "too-many-attempts"),
        (ModelInferenceError("damaged"), 503, "model-unavailable"),
        (KeyError("secret"), 500, "internal"),
        (MemoryError(), 503, "unavailable"),
    ],
)
def test_what_goes_wrong_within_becomes_a_problem(
    container: Container, fault: Exception, status: int, kind: str
) -> None:
    container.fault = fault
    answer = container()
    assert (answer.status, answer.problem[0]) == (status, kind)
    assert "secret" not in answer.problem[1]
    assert SECURE.items() <= answer.headers.items()


def test_what_goes_wrong_after_an_answer_has_begun_is_raised(container: Container) -> None:
    container.after_start, container.fault = True, KeyError("late")
    with pytest.raises(KeyError):
        container()


@pytest.mark.parametrize(
    ("method", "path", "labels"),
    [
        ("GET", "/thing", ("GET", "/thing/{id}", "204")),
        ("PATCH", "/thing", ("PATCH", "/thing/{id}", "204")),
        ("OPTIONS", "/thing", ("OPTIONS", "/thing/{id}", "204")),
        ("BREW", "/thing", ("other", "/thing/{id}", "204")),
        ("GET", "/api/v1/thing", ("GET", "/api/v1/thing/{id}", "204")),
    ],
)
def test_how_long_it_took_is_counted_by_route_and_status(
    container: Container, method: str, path: str, labels: Any
) -> None:
    container(method, path)
    method, route, status = labels
    known = {"method": method, "route": route, "status": status}
    assert container.registry.get_sample_value("novamind_request_seconds_count", known) == 1
    took = container.registry.get_sample_value("novamind_request_seconds_sum", known)
    assert took is not None
    assert 0 <= took < 60
    container(method, path, host="evil.example")
    none = {"method": method, "route": "none", "status": "400"}
    assert container.registry.get_sample_value("novamind_request_seconds_count", none) == 1


def test_each_answer_is_one_line_of_the_log_without_the_path(container: Container) -> None:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(0))
    with structlog.testing.capture_logs() as lines:
        container("POST", f"/patients/{PATIENT}")
    (line,) = [one for one in lines if "duration_ms" in one]
    duration = line.pop("duration_ms")
    assert line == {"event": "answered", "log_level": "info", "status": 204, "method": "POST", "route": "/thing/{id}"}
    assert 0 <= duration < 60_000
    assert duration == round(duration, 1)


def test_the_line_of_the_log_has_milliseconds(container: Container, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([100.0, 112.34567])
    monkeypatch.setattr(middleware.time, "perf_counter", lambda: next(clock))
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(0))
    with structlog.testing.capture_logs() as lines:
        container("POST", f"/patients/{PATIENT}")
    assert [one["duration_ms"] for one in lines if "duration_ms" in one] == [12345.7]


def test_a_route_that_does_not_know_where_it_is_served_gets_the_rooms_prefix() -> None:
    def template(path: str, route: str | None) -> str:
        return middleware._template({"path": path} | ({} if route is None else {"route": SimpleNamespace(path=route)}))

    assert template("/api/v1/symptoms", "/symptoms") == "/api/v1/symptoms"
    assert template("/api/v1/symptoms", "/api/v1/symptoms") == "/api/v1/symptoms"
    assert template("/patients", "/patients") == "/patients"
    assert template("/api/v1/nothing", None) == "none"


# -- sockets


@pytest.mark.parametrize(
    ("headers", "query", "right"),
    [
        ({"origin": OWN}, b"", True),
        ({"origin": "https://friend.example"}, b"", True),
        ({"origin": "https://evil.example"}, b"", False),
        ({}, b"", False),
        ({"origin": OWN}, b"ticket=secret", False),
        ({"origin": OWN, "host": "evil.example"}, b"", False),
    ],
)
def test_a_socket_comes_from_our_own_pages_and_has_no_query(headers: dict[str, str], query: bytes, right: bool) -> None:
    container = Container(allowed_origins=("https://friend.example",))
    answer = container("GET", "/live", kind="websocket", query=query, authorization=None, **headers)
    assert answer.let_in is right
    assert answer.sent == ([] if right else [{"type": "websocket.close", "code": 1008}])
    if right:
        context = answer.seen[0]["context"]
        assert context["request_id"] == context["correlation_id"]
        assert answer.seen[0]["origin"] == "origin of 10.1.2.3"


def test_what_is_neither_goes_straight_to_the_application(container: Container) -> None:
    assert container(kind="lifespan", host="evil.example").let_in
