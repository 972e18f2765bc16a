"""Oura's API against a server on loopback that answers as real ones do: well, badly, slowly and by half."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from datetime import date
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import stamina

from novamind.errors import (
    AuthenticationError,
    AuthorizationError,
    DataProcessingError,
    ServiceUnavailableError,
    ValidationError,
)
from novamind.records.wearables import read_wearables
from novamind.records.wearables.connectors import OuraConnector

TOKEN = "not-a-real-token"  # noqa: S105
Answer = tuple[int, dict[str, str], bytes]
START, END = date(2024, 5, 1), date(2024, 5, 2)


class Recorded:
    """Plays back answers, one a request, and remembers what was asked; what is not scripted is an empty page."""

    def __init__(self) -> None:
        self.script: dict[str, list[Answer | float]] = {}
        self.asked: list[tuple[str, dict[str, list[str]], float]] = []
        self.tokens: set[str | None] = set()

    def answer(self, target: str, token: str | None) -> Answer:
        path = urlsplit(target)
        collection = path.path.rsplit("/", 1)[-1]
        self.asked.append((collection, parse_qs(path.query), time.monotonic()))
        self.tokens.add(token)
        waiting = self.script.get(collection) or [page([])]
        step = waiting.pop(0)
        if isinstance(step, float):
            time.sleep(step)
            return page([])
        return step

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
    connectors: list[OuraConnector] = []

    def connector(**options: Any) -> OuraConnector:
        quick = {"first_wait_seconds": 0.01, "longest_wait_seconds": 2.0, "timeout_seconds": 2.0, **options}
        connectors.append(OuraConnector(TOKEN, base_url=f"http://127.0.0.1:{http.server_port}", **quick))
        return connectors[-1]

    yield recorded, connector
    for one in connectors:
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
        0.5,
    ],
    ids=["500", "502", "503", "429", "cut off", "shorter than promised", "too slow"],
)  # fmt: skip
def test_what_can_pass_is_tried_again(server: Any, trouble: Any) -> None:
    recorded, connector = server
    recorded.script["sleep"] = [trouble, trouble, page([{"bedtime_start": "2024-05-01T00:00:00Z"}])]
    documents = connector(timeout_seconds=0.2).documents(START, END)
    assert len(documents["sleep"]) == 1
    assert len(recorded.times("sleep")) == 3


@pytest.mark.parametrize("as_date", [False, True])
def test_the_servers_own_wait_is_kept(server: Any, as_date: bool) -> None:
    recorded, connector = server
    wait = formatdate(time.time() + 2, usegmt=True) if as_date else "1"
    recorded.script["sleep"] = [failing(429, Retry_After=wait), page([])]
    connector().documents(START, END)
    first, second = recorded.times("sleep")
    assert second - first >= (0.9 if not as_date else 0.5)


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
