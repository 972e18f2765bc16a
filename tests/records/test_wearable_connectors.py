"""Oura's API against a server on loopback that answers as real ones do: well, badly, slowly and by half."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from datetime import date
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
import stamina

from novamind.errors import (
    AuthenticationError,
    AuthorizationError,
    DataProcessingError,
    ServiceUnavailableError,
    ValidationError,
)
from novamind.records.wearables import connectors, read_wearables, service_client
from novamind.records.wearables.connectors import OuraConnector
from tests.patience import patient

TOKEN = "not-a-real-token"  # noqa: S105
Answer = tuple[int, dict[str, str], bytes]
START, END = date(2024, 5, 1), date(2024, 5, 2)


class Recorded:
    """Plays back answers, one a request, and remembers what was asked; what is not scripted is an empty page."""

    def __init__(self) -> None:
        self.script: dict[str, list[Answer]] = {}
        self.asked: list[tuple[str, dict[str, list[str]], float]] = []
        self.tokens: set[str | None] = set()

    def answer(self, target: str, token: str | None) -> Answer:
        path = urlsplit(target)
        collection = path.path.rsplit("/", 1)[-1]
        self.asked.append((collection, parse_qs(path.query), time.monotonic()))
        self.tokens.add(token)
        waiting = self.script.get(collection) or [page([])]
        return waiting.pop(0)

    def times(self, collection: str) -> list[float]:
        return [at for name, _, at in self.asked if name == collection]


def page(documents: list[dict[str, Any]], following: str | None = None) -> Answer:
    return 200, {}, json.dumps({"data": documents, "next_token": following}).encode()


def failing(status: int, **headers: str) -> Answer:
    return status, {name.replace("_", "-"): value for name, value in headers.items()}, b"{}"


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    before = stamina.instrumentation.get_on_retry_hooks()
    stamina.instrumentation.set_on_retry_hooks([])
    yield
    stamina.instrumentation.set_on_retry_hooks(before)


@pytest.fixture
def server() -> Iterator[tuple[Recorded, Callable[..., OuraConnector]]]:
    recorded = Recorded()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, given, body = recorded.answer(self.path, self.headers.get("Authorization"))
            headers = dict(given)
            self.send_response(status)
            length = int(headers.pop("Promised-Length", len(body)))
            for name, value in {**headers, "Content-Length": str(length)}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    http.daemon_threads = True
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    opened: list[OuraConnector] = []

    def connector(**options: Any) -> OuraConnector:
        quick = {"first_wait_seconds": 0.01, "longest_wait_seconds": 3.0, "timeout_seconds": patient(2.0), **options}
        opened.append(OuraConnector(TOKEN, base_url=f"http://127.0.0.1:{http.server_port}", **quick))
        return opened[-1]

    yield recorded, connector
    for one in opened:
        one.close()
    http.shutdown()
    thread.join()
    http.server_close()


def beat(minute: int) -> dict[str, Any]:
    return {"bpm": 60 + minute, "source": "awake", "timestamp": f"2024-05-01T08:{minute:02d}:00+00:00"}


def test_pages_are_followed_and_the_answer_reads_as_an_export(server: Any, tmp_path: Path) -> None:
    recorded, connector = server
    recorded.script["heartrate"] = [page([beat(0), beat(1)], "p2"), page([beat(2)], "p3"), page([beat(3)])]
    recorded.script["daily_activity"] = [
        page([{"day": "2024-05-01", "steps": 5000, "equivalent_walking_distance": 4000}])
    ]
    seen: list[tuple[str, int]] = []
    documents = connector().documents(START, END, progress=lambda name, count: seen.append((name, count)))
    assert [entry["bpm"] for entry in documents["heartrate"]] == [60, 61, 62, 63]
    tokens = [query.get("next_token") for name, query, _ in recorded.asked if name == "heartrate"]
    assert tokens == [None, ["p2"], ["p3"]]
    assert recorded.tokens == {f"Bearer {TOKEN}"}
    assert ("heartrate", 4) in seen
    file = tmp_path / "oura.json"
    file.write_text(json.dumps(documents))
    frame = read_wearables(file, timezone="Europe/Berlin").frame
    assert frame.group_by("signal").len().sort("signal").rows() == [
        ("daily_distance", 1),
        ("daily_steps", 1),
        ("heart_rate", 4),
    ]


def test_long_spans_are_asked_for_in_months(server: Any) -> None:
    recorded, connector = server
    connector().documents(date(2024, 1, 1), date(2024, 3, 1))
    spans = [(query["start_date"][0], query["end_date"][0]) for name, query, _ in recorded.asked if name == "sleep"]
    assert spans == [("2024-01-01", "2024-01-30"), ("2024-01-31", "2024-02-29"), ("2024-03-01", "2024-03-01")]


@pytest.mark.parametrize(
    "trouble",
    [
        failing(500), failing(502), failing(503), failing(429),
        (200, {}, b'{"data": [{"bpm": 6'),
        (200, {"Promised-Length": "500"}, b'{"data": [], "next_token": null}'),
    ],
    ids=["500", "502", "503", "429", "cut off", "shorter than promised"],
)  # fmt: skip
def test_what_can_pass_is_tried_again(server: Any, trouble: Any) -> None:
    recorded, connector = server
    recorded.script["sleep"] = [trouble, trouble, page([{"bedtime_start": "2024-05-01T00:00:00Z"}])]
    documents = connector().documents(START, END)
    assert len(documents["sleep"]) == 1
    assert len(recorded.times("sleep")) == 3


@pytest.mark.parametrize(
    ("trouble", "message"),
    [
        (httpx.ReadTimeout("slow"), "did not answer in time"),
        (httpx.ConnectTimeout("slow"), "did not answer in time"),
        (httpx.ConnectError("closed"), "cannot be reached or broke the connection"),
        (httpx.RemoteProtocolError("half"), "cannot be reached or broke the connection"),
    ],
)
def test_who_is_slow_or_away_is_asked_again(trouble: Exception, message: str) -> None:
    asked: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.path)
        if len(asked) < 3:
            raise trouble
        return httpx.Response(200, content=page([])[2])

    with OuraConnector(TOKEN, attempts=3, first_wait_seconds=0.01) as connector:
        service = connector._service
        service._client = httpx.Client(base_url="http://oura", transport=httpx.MockTransport(answer))
        assert connector.documents(START, END)["sleep"] == []
        assert asked[:4] == ["/v2/usercollection/sleep"] * 3 + ["/v2/usercollection/heartrate"]
        asked.clear()
        service._attempts = 2
        with pytest.raises(ServiceUnavailableError, match=f"the wearable's service {message}: try again later"):
            connector.documents(START, END)


def test_the_servers_own_wait_is_kept(server: Any) -> None:
    recorded, connector = server
    recorded.script["sleep"] = [failing(429, Retry_After="1"), page([])]
    connector().documents(START, END)
    first, second = recorded.times("sleep")
    assert second - first >= 0.9


def test_a_wait_that_is_too_long_is_told_instead(server: Any) -> None:
    recorded, connector = server
    recorded.script["sleep"] = [failing(429, Retry_After="3600")]
    with pytest.raises(ServiceUnavailableError, match="wait 3600 s"):
        connector().documents(START, END)
    assert len(recorded.times("sleep")) == 1


def test_the_tries_end(server: Any) -> None:
    recorded, connector = server
    recorded.script["sleep"] = [failing(500)] * 10
    with pytest.raises(ServiceUnavailableError, match="answers 500"):
        connector(attempts=3).documents(START, END)
    assert len(recorded.times("sleep")) == 3


@pytest.mark.parametrize(
    ("status", "error"),
    [(401, AuthenticationError), (403, AuthorizationError), (400, DataProcessingError), (302, DataProcessingError)],
)
def test_what_cannot_pass_is_told_at_once_and_without_the_token(
    server: Any, status: int, error: type[Exception]
) -> None:
    recorded, connector = server
    recorded.script["sleep"] = [failing(status, Location="http://127.0.0.1:9/")]
    with pytest.raises(error) as told:
        connector().documents(START, END)
    assert len(recorded.times("sleep")) == 1
    assert TOKEN not in str(told.value)


@pytest.mark.parametrize("body", [b"[]", b'{"data": 3}', b'{"data": [1]}', b"null"])
def test_an_answer_of_another_form_is_told(server: Any, body: bytes) -> None:
    recorded, connector = server
    recorded.script["sleep"] = [(200, {}, body)]
    with pytest.raises(DataProcessingError, match="interface has changed"):
        connector().documents(START, END)


def test_pages_in_a_circle_end(server: Any) -> None:
    recorded, connector = server
    recorded.script["sleep"] = [page([], "again")] * 5
    with pytest.raises(DataProcessingError, match="without end"):
        connector().documents(START, END)


def test_nobody_there_is_told_after_the_tries() -> None:
    with (
        OuraConnector(TOKEN, base_url="http://127.0.0.1:9", attempts=2, first_wait_seconds=0.01) as connector,
        pytest.raises(ServiceUnavailableError, match="cannot be reached"),
    ):
        connector.documents(START, END)


@pytest.mark.parametrize("token", ["", "a\nb", "tökén"])
def test_a_token_that_cannot_be_one_is_refused(token: str) -> None:
    with pytest.raises(ValidationError, match="access token"):
        OuraConnector(token)


def test_days_in_the_wrong_order_are_refused() -> None:
    with OuraConnector(TOKEN) as connector, pytest.raises(ValidationError, match="end lies before start"):
        connector.documents(END, START)


def test_collections_are_asked_for_by_day_or_by_time(server: Any) -> None:
    recorded, connector = server
    connector().documents(START, END)
    days = {"start_date": ["2024-05-01"], "end_date": ["2024-05-02"]}
    times = {"start_datetime": ["2024-05-01T00:00:00+00:00"], "end_datetime": ["2024-05-03T00:00:00+00:00"]}
    assert [(name, query) for name, query, _ in recorded.asked] == [
        ("sleep", days),
        ("heartrate", times),
        ("daily_activity", days),
        ("daily_readiness", days),
        ("daily_spo2", days),
        ("vO2_max", days),
    ]


def test_one_day_is_a_span(server: Any) -> None:
    recorded, connector = server
    found = connector().documents(START, START)
    assert found == {
        name: [] for name in ("sleep", "heartrate", "daily_activity", "daily_readiness", "daily_spo2", "vO2_max")
    }
    assert recorded.asked[0][1] == {"start_date": ["2024-05-01"], "end_date": ["2024-05-01"]}


def test_the_next_page_is_asked_for_with_the_same_span(server: Any) -> None:
    recorded, connector = server
    recorded.script["sleep"] = [page([], "p2"), page([])]
    connector().documents(START, END)
    assert recorded.asked[1][1] == recorded.asked[0][1] | {"next_token": ["p2"]}


def test_a_token_for_the_next_page_is_text(server: Any) -> None:
    recorded, connector = server
    recorded.script["sleep"] = [(200, {}, b'{"data": [], "next_token": 7}')]
    with pytest.raises(DataProcessingError, match="repeats its pages without end: try a shorter span"):
        connector().documents(START, END)


def test_pages_and_answers_have_limits(server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    recorded, connector = server
    limits = (connectors._MOST_PAGES, service_client._LARGEST_ANSWER, connectors._DAYS_A_REQUEST)
    assert limits == (10_000, 67_108_864, 30)
    monkeypatch.setattr(connectors, "_MOST_PAGES", 2)
    recorded.script["sleep"] = [page([], "a"), page([])]
    connector().documents(START, END)
    recorded.script["sleep"] = [page([], "a"), page([], "b"), page([])]
    with pytest.raises(DataProcessingError, match="without end"):
        connector().documents(START, END)
    body = page([])[2]
    monkeypatch.setattr(service_client, "_LARGEST_ANSWER", len(body))
    assert connector().documents(START, START)["sleep"] == []
    monkeypatch.setattr(service_client, "_LARGEST_ANSWER", len(body) - 1)
    with pytest.raises(DataProcessingError, match="larger than any real one"):
        connector().documents(START, START)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None), ("0", 0.0), ("2.5", 2.5), ("-3", 0.0), ("inf", None), ("nan", None), ("soon", None),
        ("Wed, 01 May 2024 00:00:10 GMT", 10.0), ("Wed, 01 May 2024 00:00:10 -0000", 10.0),
        ("Wed, 01 May 2024 02:00:10 +0200", 10.0), ("Tue, 30 Apr 2024 00:00:10 GMT", 0.0),
    ],
)  # fmt: skip
def test_how_long_a_server_asks_to_wait(
    monkeypatch: pytest.MonkeyPatch, header: str | None, seconds: float | None
) -> None:
    monkeypatch.setattr(service_client.time, "time", lambda: 1_714_521_600.0)  # 1 May 2024, 00:00 UTC
    assert service_client.retry_after(header) == seconds


@pytest.mark.parametrize(
    ("status", "error", "message"),
    [
        (401, AuthenticationError, "refuses the access token: renew it"),
        (403, AuthorizationError, "lacks a permission, or the person's membership has ended"),
        (404, DataProcessingError, "does not take the request \\(it answers 404\\)"),
        (499, DataProcessingError, "it answers 499"),
        (429, service_client.TryAgainError, "allows no more requests for now"),
        (500, service_client.TryAgainError, "answers 500"),
        (599, service_client.TryAgainError, "answers 599"),
        (201, DataProcessingError, "it answers 201"),
    ],
)
def test_what_each_status_means(status: int, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message) as caught:
        service_client.check_status(httpx.Response(status, headers={"Retry-After": "7"}))
    if isinstance(caught.value, service_client.TryAgainError):
        assert caught.value.wait_seconds == 7.0
    service_client.check_status(httpx.Response(200))


@pytest.mark.parametrize(("wait", "kept"), [("0.3", True), ("0.31", False)])
def test_the_longest_wait_is_waited_and_no_longer(server: Any, wait: str, kept: bool) -> None:
    recorded, connector = server
    recorded.script["sleep"] = [failing(503, Retry_After=wait), page([])]
    asked = connector(longest_wait_seconds=0.3)
    if kept:
        assert asked.documents(START, END)["sleep"] == []
    else:
        with pytest.raises(
            ServiceUnavailableError, match="the wearable's service answers 503; it asks to wait 0 s: try again"
        ):
            asked.documents(START, END)


def test_defaults_of_the_connector(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: dict[str, Any] = {}
    monkeypatch.setattr(service_client.stamina, "retry_context", lambda **options: seen.update(options) or iter(()))
    with OuraConnector(TOKEN) as connector, pytest.raises(AssertionError, match="ends with an answer or an error"):
        connector.documents(START, END)
    del seen["on"]
    assert seen == {"attempts": 6, "timeout": None, "wait_initial": 0.5, "wait_max": 120.0, "wait_jitter": 0.5}
    assert connector._service._client.timeout == httpx.Timeout(30.0)
    assert not connector._service._client.follow_redirects
    assert connector._service._client.base_url == "https://api.ouraring.com"
    assert connector._service._client.is_closed
    with pytest.raises(ValidationError, match="attempts must be at least 1"):
        OuraConnector(TOKEN, attempts=0)
    OuraConnector(TOKEN, attempts=1).close()
