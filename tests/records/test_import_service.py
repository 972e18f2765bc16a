"""A maker's service in the place of a file: the person agrees in a browser, whole days come, no token is kept."""

import json
import socket
import threading
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit
from urllib.request import urlopen

import pytest
from typer.testing import CliRunner

from novamind.cli import app
from novamind.errors import AuthenticationError, NotFoundError, NovamindError, ServiceUnavailableError, ValidationError
from novamind.records import read_patient_directory
from novamind.records.wearables import browser_agreement
from novamind.records.wearables.browser_agreement import CALLBACK, fetched_documents
from novamind.records.wearables.services import CONNECTED, INSTEAD, maker_of_name, maker_services
from tests.patience import patient
from tests.records.maker_server import MakerServer, maker_server

TOKENS = {"access_token": "access-1", "refresh_token": "refresh-1", "expires_in": 3_600}


@pytest.fixture
def maker(monkeypatch: pytest.MonkeyPatch) -> Iterator[MakerServer]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        monkeypatch.setattr(browser_agreement, "PORT", free.getsockname()[1])
    with maker_server() as running:
        running.token = lambda _form: (200, TOKENS)
        running.documents = lambda path, query: (200, {"data": days(query) if "daily_activity" in path else []})
        yield running


@pytest.fixture
def listed(maker: MakerServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    file = tmp_path / "services.json"
    file.write_text(json.dumps({"oura": {"client_id": "id", "client_secret": "secret", "url": maker.url}}))
    monkeypatch.setenv("NOVAMIND_DEVICE_SERVICES", str(file))
    return file


def days(query: dict[str, str]) -> list[dict[str, Any]]:
    first, last = (date.fromisoformat(query[f"{end}_date"]) for end in ("start", "end"))
    span = [first + timedelta(days=n) for n in range((last - first).days + 1)]
    return [
        {
            "id": str(day),
            "day": str(day),
            "steps": 5_000 + day.day,
            "equivalent_walking_distance": 1,
            "timestamp": f"{day}T04:00:00+00:00",
        }
        for day in span
    ]


def agree(url: str, **query: str) -> threading.Thread:
    """Come back from the maker as a browser would."""
    state = parse_qs(urlsplit(url).query)["state"][0]
    back = {"code": "code-1", "state": state} | query
    at = f"http://127.0.0.1:{browser_agreement.PORT}/callback?" + "&".join(f"{k}={v}" for k, v in back.items())

    def visit() -> None:
        for address in (at.replace("/callback", "/favicon.ico"), at):
            try:
                urlopen(address, timeout=patient(5)).close()  # noqa: S310 - on loopback
            except OSError:
                continue

    thread = threading.Thread(target=visit)
    thread.start()
    return thread


def test_the_browser_comes_back_with_a_code(maker: MakerServer, listed: Path) -> None:
    service = maker_services(listed, CALLBACK)["oura"]
    documents = fetched_documents(service, date(2026, 3, 1), date(2026, 3, 3), agree, seconds=patient(10))
    assert [one["steps"] for one in documents["daily_activity"]] == [5_001, 5_002, 5_003]
    ((form, _),) = maker.forms
    assert (form["code"], form["redirect_uri"]) == ("code-1", CALLBACK)


def test_nobody_agrees(maker: MakerServer, listed: Path) -> None:
    service = maker_services(listed, CALLBACK)["oura"]
    span = (date(2026, 3, 1), date(2026, 3, 3))
    with pytest.raises(ServiceUnavailableError, match="nobody agreed at Oura in time"):
        fetched_documents(service, *span, lambda _url: None, seconds=0.05)
    with pytest.raises(AuthenticationError, match="belongs to another request"):
        fetched_documents(service, *span, lambda url: agree(url, state="other"), seconds=patient(10))
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("127.0.0.1", browser_agreement.PORT))
        taken.listen()
        with pytest.raises(ServiceUnavailableError, match="is in use"):
            fetched_documents(service, *span, agree)
    assert maker.asked == []


@pytest.mark.usefixtures("listed")
def test_the_shell_fetches_whole_days_and_then_only_new_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spans: list[tuple[date, date]] = []

    def fetched(_service: object, first: date, last: date, show: Any) -> Any:
        show("http://agree.example")
        spans.append((first, last))
        query = {"start_date": str(first), "end_date": str(last)}
        return {key: [] for key in ("sleep", "heartrate", "daily_readiness")} | {"daily_activity": days(query)}

    monkeypatch.setattr(browser_agreement, "fetched_documents", fetched)
    yesterday = datetime.now(UTC).date() - timedelta(days=1)
    into = tmp_path / "patient.dir"

    def shell(*words: str) -> Any:
        return CliRunner().invoke(app, ["import", "oura", "--into", str(into), *words])

    first = yesterday - timedelta(days=4)
    done = shell("--since", str(first), "--timezone", "UTC")
    assert (done.exit_code, spans) == (0, [(first, yesterday)]), done.exception
    assert "http://agree.example" in done.stderr
    record = read_patient_directory(into)
    assert record.signals is not None
    steps = record.signals.part([key.name for key in record.signals.series].index("daily_steps"))
    assert record.signals.values[steps].tolist() == [5_000 + (first + timedelta(days=n)).day for n in range(5)]
    again = shell()
    assert "no whole day to fetch" in str(again.exception)
    assert "--since must be a day" in str(shell("--since", "soon").exception)
    assert len(spans) == 1


@pytest.mark.usefixtures("listed")
def test_what_is_no_service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*words: str) -> str:
        done = CliRunner().invoke(app, ["import", *words])
        assert isinstance(done.exception, NovamindError), done.output
        return str(done.exception)

    assert "garmin.com/account/datamanagement" in refused("garmin")
    assert "list its client_id in the file of NOVAMIND_DEVICE_SERVICES" in refused("fitbit")
    assert "give --timezone Europe/Berlin" in refused("oura")
    file = tmp_path / "diary.csv"
    file.write_text("timestamp,PHQ-9\n2025-01-01,3\n")
    assert "--since belongs to a maker's service" in refused(str(file), "--since", "2025-01-01")
    monkeypatch.chdir(tmp_path)
    Path("garmin").write_text("timestamp,PHQ-9\n2025-01-01,3\n")
    assert CliRunner().invoke(app, ["import", "garmin"]).exit_code == 0


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("{", "is no JSON"),
        ("[]", "lists makers, of oura, fitbit, withings, and nothing else"),
        ('{"acme": {}}', "lists makers"),
        ('{"oura": {}}', "oura has no client_id"),
        ('{"oura": {"client_id": 7}}', "which are texts"),
        ('{"oura": {"client_id": "a", "key": "b"}}', "which are texts"),
        ('{"oura": {"client_id": "a", "url": "https://example.org"}}', "a stand-in on this machine alone"),
    ],
)
def test_a_file_of_registrations_of_another_form(content: str, words: str, tmp_path: Path) -> None:
    file = tmp_path / "services.json"
    file.write_text(content)
    with pytest.raises(ValidationError, match=words):
        maker_services(file, CALLBACK)


def test_registrations(tmp_path: Path) -> None:
    assert maker_services(None, CALLBACK) == {}
    with pytest.raises(NovamindError, match="cannot be read"):
        maker_services(tmp_path / "absent.json", CALLBACK)
    file = tmp_path / "services.json"
    file.write_text(json.dumps({key: {"client_id": key, "client_secret": "hidden"} for key in CONNECTED}))
    services = maker_services(file, CALLBACK)
    assert [service.name for service in services.values()] == ["Oura", "Fitbit", "Withings"]
    assert "hidden" not in repr(services)
    assert maker_of_name(services, " Oura ").key == "oura"
    with pytest.raises(NotFoundError, match="these can: oura, fitbit, withings"):
        maker_of_name(services, "acme")
    for key, advice in INSTEAD.items():
        with pytest.raises(ValidationError, match="and import that"):
            maker_of_name(services, key)
        assert key.title() in advice
