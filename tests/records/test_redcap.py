"""Records of a REDCap project, against a server on loopback that answers as REDCap does: well, badly, or not at all."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

import pytest
from typer.testing import CliRunner

from novamind.cli import app
from novamind.errors import (
    AuthorizationError,
    DataProcessingError,
    NotFoundError,
    ServiceUnavailableError,
    ValidationError,
)
from novamind.records.redcap import fetch_records
from novamind.settings import Settings

TOKEN = "0123456789ABCDEF"  # noqa: S105
RECORDS = b"record_id,redcap_event_name,phq9_date,phq9_total,phq9_complete\r\n7,week_0,2025-01-13,12,2\r\n"
Answer = tuple[int, dict[str, str], bytes]


class Project:
    """One answer to every request, and what was asked."""

    def __init__(self) -> None:
        self.answer: Answer = (200, {"Content-Type": "text/csv"}, RECORDS)
        self.asked: list[dict[str, list[str]]] = []
        self.url = ""


@pytest.fixture
def project() -> Iterator[Project]:
    known = Project()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            known.asked.append(parse_qs(body.decode()))
            status, headers, content = known.answer
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: Any) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    known.url = f"http://127.0.0.1:{server.server_port}/api/"
    yield known
    server.shutdown()
    server.server_close()


def settings(**more: Any) -> Settings:
    return Settings(redcap_token=TOKEN, **more)


def test_records_are_asked_for_raw_and_flat(project: Project) -> None:
    assert fetch_records(project.url, settings=settings()) == RECORDS
    (asked,) = project.asked
    assert asked["token"] == [TOKEN]
    assert {name: asked[name] for name in ("content", "format", "type", "rawOrLabel")} == {
        "content": ["record"], "format": ["csv"], "type": ["flat"], "rawOrLabel": ["raw"],
    }  # fmt: skip
    fetch_records(project.url, report="31", settings=settings())
    assert (project.asked[-1]["content"], project.asked[-1]["report_id"]) == (["report"], ["31"])


@pytest.mark.parametrize(
    ("answer", "error", "message"),
    [
        ((403, {}, b'{"error": "You do not have permissions"}'), AuthorizationError, "NOVAMIND_REDCAP_TOKEN"),
        ((400, {}, b'{"error": "bad report"}'), AuthorizationError, "--report"),
        ((404, {}, b""), NotFoundError, "/api/"),
        ((302, {"Location": "http://127.0.0.1:9/"}, b""), ValidationError, "another address"),
        ((503, {}, b""), ServiceUnavailableError, "later"),
        ((200, {}, b"<html>login</html>"), DataProcessingError, "no table"),
        ((200, {}, b"\n"), DataProcessingError, "no table"),
        ((200, {"Content-Length": "1000"}, b"record_id\n1"), ServiceUnavailableError, "does not answer"),
    ],
)
def test_what_is_wrong_is_said_without_the_token(
    project: Project, answer: Answer, error: type[Exception], message: str
) -> None:
    project.answer = answer
    with pytest.raises(error, match=message) as caught:
        fetch_records(project.url, settings=settings())
    assert TOKEN not in str(caught.value)
    assert len(project.asked) == 1  # a redirect is not followed


def test_an_answer_beyond_the_limit_is_not_taken(project: Project) -> None:
    with pytest.raises(ValidationError, match="larger than the limit"):
        fetch_records(project.url, settings=settings(max_file_bytes=len(RECORDS) - 1))
    assert fetch_records(project.url, settings=settings(max_file_bytes=len(RECORDS))) == RECORDS


@pytest.mark.parametrize(
    "url",
    ["http://redcap.example.org/api/", "ftp://127.0.0.1/", "redcap.example.org", "https://a:b@redcap.example.org/"],
)
def test_the_token_goes_over_tls_or_stays_here(url: str) -> None:
    with pytest.raises(ValidationError, match="--url must be"):
        fetch_records(url, settings=settings())
    with pytest.raises(ValidationError, match="NOVAMIND_REDCAP_TOKEN"):
        fetch_records("https://redcap.example.org/api/", settings=Settings())


def test_a_project_is_imported_by_one_command(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOVAMIND_REDCAP_TOKEN", TOKEN)
    shown = CliRunner().invoke(app, ["import", "redcap", "--url", project.url, "--json"])
    assert '"kind": "REDCap export"' in shown.stdout
    for arguments in (["redcap", "--report", "3"], ["diary.csv", "--url", project.url]):
        wrong = CliRunner().invoke(app, ["import", *arguments])
        assert "novamind import redcap --url" in str(wrong.exception)
