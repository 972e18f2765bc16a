"""Section 6 of the attack plan, with E08 on the started server: what breaks around it, and how it ends."""

import asyncio
import io
import json
import logging
import os
import resource
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest
import sqlalchemy as sa
import websockets

from novamind.errors import ModelInferenceError, NovamindError
from novamind.infrastructure import events
from novamind.infrastructure.events import InProcessBus, Outbox
from novamind.infrastructure.identity import tokens
from novamind.infrastructure.identity.tokens import AccessTokens, TokenClaims
from novamind.infrastructure.logs import configure
from novamind.infrastructure.tables import AuditEntry, OutboxEvent, Record
from novamind.settings import Settings
from novamind.symptoms.forecaster.model import SymptomModel
from novamind.symptoms.service import default_service
from novamind.twin import DigitalTwinIntegrationService
from novamind.twin.analyses import MEDICATIONS, SYMPTOMS, default_analyses
from novamind.twin.breaker import CircuitBreaker
from novamind.twin.execution import Bulkhead, Guard
from tests.patience import patient
from tests.security.test_authentication import parts
from tests.server.world import BASE, World
from tests.weak import careless, must_fail

# --- F04: models ---

CANARY = "CANARY-in-a-model"
honest = SymptomModel.predict
#: Pressed by tests at their end, so that no thread sleeps on.
released = threading.Event()


def fails(error: Exception) -> Callable[..., Any]:
    def predict(*_: Any) -> Any:
        raise error

    return predict


def sleeps(*_: Any) -> Any:
    released.wait(60)
    raise ModelInferenceError("too late")


def without_a_number(*arguments: Any) -> Any:
    made = honest(*arguments)
    spoiled = made.quantiles.copy()
    spoiled[0, 0, 0] = float("nan")
    return replace(made, quantiles=spoiled)


WRONG: dict[str, Callable[..., Any]] = {
    "raises": fails(RuntimeError(CANARY)),
    "no memory": fails(MemoryError(CANARY)),
    "damaged": fails(ModelInferenceError("the model is damaged")),
    "NaN": without_a_number,
    "sleeps": sleeps,
}
#: What fails in no way that could be seen; and one that fails behind a breaker that never opens.
UNSEEN: dict[str, Callable[..., Any]] = {"made up": honest, "raises for ever": WRONG["raises"]}


def joined(guard: Guard) -> DigitalTwinIntegrationService:
    """The service whose model fails and one that has nothing to do with it."""
    two = [one for one in default_analyses() if one.name in (SYMPTOMS, MEDICATIONS)]
    return DigitalTwinIntegrationService(two, {SYMPTOMS: guard})


@pytest.fixture
def guarded(small_world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[float], None]]:
    """Fresh guards of short patience, nothing computed before; the callable sets the breaker's clock."""
    now = [0.0]

    def guard() -> Guard:
        return Guard(CircuitBreaker(3, 30, lambda: now[0]), Bulkhead(), limit_seconds=patient(5), attempts=1)

    monkeypatch.setattr(small_world.container.clinic, "twin", joined(guard()))
    default_service()._predictions.clear()
    released.clear()

    def at(seconds: float) -> None:
        now[0] = seconds

    yield at
    released.set()
    default_service()._predictions.clear()


@pytest.mark.parametrize("how", WRONG)
def test_f04_a_model_that_fails_is_missing_and_nothing_is_made_up(
    small_world: World, guarded: Callable[[float], None], how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    world, at = small_world, f"/api/v1/patients/{small_world.patients['P3']}"
    ways, clinic = WRONG | UNSEEN, world.container.clinic

    def limited(seconds: float) -> None:
        monkeypatch.setattr(clinic, "twin", joined(replace(clinic.twin.guards[SYMPTOMS], limit_seconds=seconds)))

    if how == "sleeps":
        limited(0.2)
    asked: list[int] = []

    def counted(*arguments: Any) -> Any:
        asked.append(1)
        return ways[how](*arguments)

    monkeypatch.setattr(SymptomModel, "predict", counted)
    query = f"?horizon={20 + list(ways).index(how)}"  # which nobody asked for before
    for _ in range(3):
        answer = world.call("GET", f"{at}/forecast{query}", "C12")
        assert answer.status_code == 503
        assert answer.headers["retry-after"]
        assert CANARY not in answer.text
        assert "quantiles" not in answer.text
    if how == "sleeps":  # a call that was given up may reach the model later
        end = time.monotonic() + patient(10)
        while len(asked) < 3 and time.monotonic() < end:
            time.sleep(0.01)
    before = len(asked)
    assert world.call("GET", f"{at}/forecast{query}", "C12").status_code == 503
    assert len(asked) == before  # the circuit is open
    insights = world.call("GET", f"{at}/insights", "C12").json()
    assert insights["complete"] is False
    assert insights["missing"][SYMPTOMS]
    assert insights["results"][MEDICATIONS]["status"] == "available"
    assert CANARY not in json.dumps(insights, allow_nan=False)
    monkeypatch.setattr(SymptomModel, "predict", honest)
    assert world.call("GET", f"{at}/forecast{query}", "C12").status_code == 503  # still left alone
    guarded(31)
    limited(patient(5))
    assert world.call("GET", f"{at}/forecast{query}", "C12").status_code == 200  # the probe went through
    assert world.call("GET", f"{at}/insights", "C12").json()["results"][SYMPTOMS]["status"] == "available"


@pytest.mark.weak("a number is made up where the model fails; the circuit never opens", "F04")
def test_f04_fails_where_numbers_are_made_up_or_the_circuit_never_opens(
    small_world: World, guarded: Callable[[float], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    test = test_f04_a_model_that_fails_is_missing_and_nothing_is_made_up
    must_fail(test, small_world, guarded, "made up", monkeypatch)
    clinic = small_world.container.clinic
    endless = replace(clinic.twin.guards[SYMPTOMS], breaker=CircuitBreaker(10**9))
    monkeypatch.setattr(clinic, "twin", joined(endless))
    must_fail(test, small_world, guarded, "raises for ever", monkeypatch)


def test_f04_a_model_that_is_not_there_is_an_error_and_no_other_model(tmp_path: Path) -> None:
    with pytest.raises(NovamindError):
        SymptomModel.load(tmp_path / "nowhere")


# --- F03: events ---


def test_f03_while_events_cannot_be_carried_reports_are_taken_and_the_log_names_nobody(
    small_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world, database, written = small_world, small_world.container.foundation.database, io.StringIO()
    configure(Settings(log_level="INFO"), written)

    async def waiting() -> list[OutboxEvent]:
        async with database.snapshot() as session:
            return list(await session.scalars(sa.select(OutboxEvent)))

    async def gone(*_: Any) -> None:
        raise ConnectionError(CANARY)

    def dispatched() -> int:
        return world.run(Outbox(database, InProcessBus()).dispatch())

    with monkeypatch.context() as patched:
        patched.setattr(InProcessBus, "publish", gone)
        answer = world.call("POST", reports_at(world), "C11", json=report(200))
        assert answer.status_code == 201
        dispatched()
        kept = [one for one in world.run(waiting()) if one.record_ids == answer.json()["ids"]]
        assert [one.attempts for one in kept] == [1]
    said = written.getvalue()
    assert "an event could not be handled" in said
    assert [one for one in (CANARY, *answer.json()["ids"], world.patients["P2"], *world.canaries) if one in said] == []

    async def later() -> None:
        async with database.transaction() as session:
            await session.execute(sa.update(OutboxEvent).values(claimed_until=None))

    world.run(later())
    dispatched()
    assert [one for one in world.run(waiting()) if one.record_ids == answer.json()["ids"]] == []


@pytest.mark.weak("events are forgotten when they are taken in hand; errors are logged as they are", "F03")
def test_f03_fails_where_events_are_forgotten_or_errors_logged(
    small_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    test = test_f03_while_events_cannot_be_carried_reports_are_taken_and_the_log_names_nobody
    claim = Outbox._claim

    async def at_most_once(self: Outbox, limit: int) -> Any:
        rows = await claim(self, limit)
        async with self._database.transaction() as session:
            gone = sa.delete(OutboxEvent).where(OutboxEvent.position.in_([row.position for row in rows]))
            await session.execute(gone)
        return rows

    class Talkative:
        def error(self, said: str, exc_info: Exception, **_: Any) -> None:
            (handler,) = logging.getLogger().handlers
            handler._out.write(f"{said}: {exc_info!r}\n")  # type: ignore[attr-defined]

    with monkeypatch.context() as patched:
        patched.setattr(Outbox, "_claim", at_most_once)
        must_fail(test, small_world, patched)
    monkeypatch.setattr(events, "log", Talkative())
    must_fail(test, small_world, monkeypatch)


# --- F07: clocks ---


@pytest.mark.parametrize(("skew", "status"), [(0, 200), (-4, 200), (4, 200), (-300, 401), (3610, 401), (86_400, 401)])
def test_f07_a_token_is_good_within_its_leeway_whoever_has_the_wrong_clock(
    small_world: World, skew: int, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = small_world.log_in("C12")
    real = tokens.time.time
    monkeypatch.setattr(tokens.time, "time", lambda: real() + skew)
    assert small_world.call("GET", "/api/v1/me", token).status_code == status


@pytest.mark.parametrize("last", [date(2024, 2, 28), date(2026, 3, 28), date(2025, 10, 25)])
def test_f07_a_forecast_begins_after_the_last_report_whatever_day_it_is_here(small_world: World, last: date) -> None:
    """Leap day, and the hours that summer time takes and gives back."""
    days = [last - timedelta(days=i) for i in range(20, -1, -1)]
    reports = [
        {"symptom": "PHQ-9", "timestamp": f"{day}T23:30:00+01:00", "value": 5 + i % 4} for i, day in enumerate(days)
    ]
    answer = small_world.call("POST", "/api/v1/symptoms/forecast", "C11", json={"reports": reports, "horizon": 3})
    (made,) = answer.json()["forecasts"]
    assert made["history_until"] == last.isoformat()
    assert made["days"] == [(last + timedelta(days=i)).isoformat() for i in (1, 2, 3)]


@pytest.mark.weak("tokens have no end; forecasts begin tomorrow", "F07")
def test_f07_fails_where_nobody_looks_at_the_clock_or_only_at_ones_own(
    small_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def timeless(_self: AccessTokens, token: str) -> TokenClaims:
        claims = parts(token)[1]
        return TokenClaims(UUID(claims["sid"]), UUID(claims["sub"]), claims["aud"])

    with monkeypatch.context() as patched:
        patched.setattr(AccessTokens, "read", timeless)
        must_fail(
            test_f07_a_token_is_good_within_its_leeway_whoever_has_the_wrong_clock, small_world, 86_400, 401, patched
        )
    test = test_f07_a_forecast_begins_after_the_last_report_whatever_day_it_is_here
    must_fail(test, careless(small_world, monkeypatch), date(2024, 2, 28))


# --- the server as 'novamind serve' starts it ---


class Started:
    """The server in a process of its own, on the world's database: tokens of the world are good there too."""

    def __init__(self, world: World) -> None:
        secret = {"database_url", "jwt_secret"}
        own = {name: getattr(world.settings, name).get_secret_value() for name in secret}
        own |= {"key_file": str(world.settings.key_file), "audit_witness": str(world.settings.audit_witness)}
        own |= {"population_dir": str(world.settings.population_dir), "public_url": BASE, "log_level": "ERROR"}
        own["population_database_url"] = world.settings.population_database_url
        own["access_token_seconds"] = str(world.settings.access_token_seconds)
        environment = os.environ | {f"NOVAMIND_{name.upper()}": value for name, value in own.items()}
        for last in (False, False, True):  # a port that was free may be somebody else's by now
            with socket.create_server(("127.0.0.1", 0)) as free:
                self.port = free.getsockname()[1]
            self.log = world.settings.key_file.with_name(f"server-{self.port}.log")
            with self.log.open("w") as log:
                self.process = subprocess.Popen(self.command(), env=environment, stdout=subprocess.DEVNULL, stderr=log)
            self.at = f"http://127.0.0.1:{self.port}"
            try:
                self.wait()
            except AssertionError:
                if last or "in use" not in self.log.read_text():
                    raise
            else:
                return

    def command(self) -> list[str]:
        return [str(Path(sys.executable).with_name("novamind")), "serve", "--no-demo", "--port", str(self.port)]

    def wait(self) -> None:
        """Until it takes requests."""
        with httpx.Client(base_url=self.at, timeout=patient(20), verify=False) as client:  # noqa: S501 - it is no TLS
            ends = time.monotonic() + patient(60)
            while time.monotonic() < ends:
                with suppress(httpx.TransportError):
                    if client.get("/ready").status_code == 200:
                        return
                assert self.process.poll() is None, self.log.read_text()
                time.sleep(0.1)
        raise TimeoutError(self.log.read_text())

    def numbers(self) -> list[int]:
        """Of its open files and connections."""
        with suppress(OSError):
            return [int(one.name) for one in Path(f"/proc/{self.process.pid}/fd").iterdir()]
        return []  # it is no more

    def limit(self, what: int, most: int) -> tuple[int, int]:
        before = resource.prlimit(self.process.pid, what)
        resource.prlimit(self.process.pid, what, (most, before[1]))
        return before

    def call(self, world: World, method: str, path: str, **options: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {world.tokens['C11']}"}
        return httpx.request(method, f"{self.at}{path}", headers=headers, timeout=patient(30), **options)


def running(kind: type[Started], world: World) -> Iterator[Started]:
    """A server of that kind, for as long as it is needed."""
    world.log_in("C11")
    one = kind(world)
    yield one
    one.process.kill()
    one.process.wait()


@pytest.fixture(scope="module")
def started(small_world: World) -> Iterator[Started]:
    yield from running(Started, small_world)


@pytest.fixture
def started_to_end(small_world: World) -> Iterator[Started]:
    yield from running(Started, small_world)


def report(number: int) -> dict[str, Any]:
    """Each of its own time, and none in the future."""
    when = f"{date(2025, 1, 1) + timedelta(days=number % 300)}T08:{number // 300:02d}:00+01:00"
    return {"reports": [{"symptom": "GAD-7", "timestamp": when, "value": 5}]}


def reports_at(world: World) -> str:
    return f"/api/v1/patients/{world.patients['P2']}/reports"


def test_e08_on_a_full_disk_it_answers_503_and_goes_on_when_there_is_room(started: Started, small_world: World) -> None:
    """The limit on a file's size does to every write what a full disk does."""
    where, entries = reports_at(small_world), len(small_world.audited())
    before = started.limit(resource.RLIMIT_FSIZE, 0)
    try:
        patient = f"/api/v1/patients/{small_world.patients['P2']}"
        tried = [started.call(small_world, "GET", f"{patient}{part}") for part in ("", "/medications", "/forecast")]
        tried.append(started.call(small_world, "POST", where, json=report(1)))
        tried.append(started.call(small_world, "GET", "/api/v1/patients"))
    finally:
        started.limit(resource.RLIMIT_FSIZE, before[0])
    assert {answer.status_code for answer in tried} == {503}
    assert all(answer.headers["retry-after"] for answer in tried)
    assert len(small_world.audited()) == entries
    assert started.call(small_world, "GET", patient).status_code == 200
    assert small_world.run(small_world.container.foundation.audit.verify()).intact


def test_f09_without_file_descriptors_it_lives_on_and_serves_when_some_are_free(
    started: Started, small_world: World
) -> None:
    most = max(started.numbers()) + 20
    before = started.limit(resource.RLIMIT_NOFILE, most)
    with ExitStack() as held:
        for _ in range(most + 10):
            held.enter_context(socket.create_connection(("127.0.0.1", started.port)))
        while started.process.poll() is None and max(started.numbers(), default=0) < most - 1:
            time.sleep(0.02)  # until it has taken as many as it may: the lowest free number comes first
        assert started.process.poll() is None
    started.wait()
    started.limit(resource.RLIMIT_NOFILE, before[0])
    assert started.call(small_world, "GET", "/api/v1/me").status_code == 200


def test_f09_without_memory_it_refuses_what_is_large_and_serves_what_is_small(
    started: Started, small_world: World
) -> None:
    """The limit is on address space, as ``ulimit -v`` and a container set it; large ones come four at a time."""
    at = f"/api/v1/patients/{small_world.patients['P2']}"
    assert started.call(small_world, "GET", at).status_code == 200
    empty = {"resourceType": "Observation", "note": "y" * 1000}
    bundle = {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": empty}] * 25_000}
    large = json.dumps(bundle).encode()

    def send(_number: int) -> httpx.Response:
        return started.call(small_world, "POST", f"{at}/fhir", content=large)

    def small() -> httpx.Response:
        one = bundle | {"entry": [{"resource": empty}]}
        return started.call(small_world, "POST", f"{at}/fhir", content=json.dumps(one).encode())

    with ThreadPoolExecutor(4) as pool:  # the server's own threads are there before its memory is counted
        assert {answer.status_code for answer in pool.map(lambda _: small(), range(4))} == {422}
    pages = int(Path(f"/proc/{started.process.pid}/statm").read_text().split()[0])
    before = started.limit(resource.RLIMIT_AS, pages * resource.getpagesize() + 10 * 2**20)
    try:
        with ThreadPoolExecutor(4) as pool:
            tried = list(pool.map(send, range(4)))
        end = time.monotonic() + patient(2)  # the memory of the large ones is given back when their threads have ended
        while started.call(small_world, "GET", at).status_code != 200:
            assert time.monotonic() < end
        assert started.call(small_world, "POST", reports_at(small_world), json=report(7)).status_code == 201
    finally:
        started.limit(resource.RLIMIT_AS, before[0])
    assert {answer.status_code for answer in tried} == {503}
    assert all(answer.headers["retry-after"] for answer in tried)
    assert started.process.poll() is None
    assert send(0).status_code == 422  # read whole again, and nothing of it is a patient's
    assert started.call(small_world, "GET", at).status_code == 200


async def stored(world: World) -> tuple[set[str], set[str]]:
    """Ids of the patient's reports, and those of which the audit says that they were stored."""
    patient_id = UUID(world.patients["P2"])
    reports = sa.select(Record.record_id).where(Record.patient_id == patient_id, Record.kind == "symptom_report")
    pseudonym = world.container.foundation.audit.pseudonym(patient_id)
    async with world.container.foundation.database.snapshot() as session:
        kept = {str(one) for one in await session.scalars(reports)}
        entries = map(
            json.loads, await session.scalars(sa.select(AuditEntry.content).where(AuditEntry.subject == pseudonym))
        )
        told = [one for one in entries if one["action"] == "write" and one["what"] == "symptom_report"]
    assert all(entry["count"] == len(entry["references"]) for entry in told if entry["count"] == 1)
    return kept, {one for entry in told if entry["count"] == 1 for one in entry["references"]}


async def ingest(started: Started, world: World, enough: asyncio.Event) -> tuple[set[str], int]:
    """Send reports, four at a time, until the server is gone; ids of what it acknowledged, and how often it refused."""
    acknowledged: set[str] = set()
    refused = 0
    headers = {"Authorization": f"Bearer {world.tokens['C11']}"}

    async def one(client: httpx.AsyncClient, number: int) -> None:
        nonlocal refused
        with suppress(httpx.TransportError):
            while not refused:
                answer = await client.post(reports_at(world), json=report(number), headers=headers)
                refused += answer.status_code != 201
                acknowledged.update(answer.json().get("ids", []))
                number += 4
                if len(acknowledged) >= 30 or refused:
                    enough.set()

    async with httpx.AsyncClient(base_url=started.at, timeout=patient(60)) as client:
        await asyncio.gather(*(one(client, i) for i in range(4)))
    return acknowledged, refused


def test_f06_on_sigterm_it_answers_what_it_took_and_takes_leave_of_sockets(
    started_to_end: Started, small_world: World
) -> None:
    async def terminate() -> tuple[set[str], int, int | None]:
        body = {"patient_id": small_world.patients["P2"]}
        ticket = (await small_world.acall("POST", "/api/v1/live/tickets", "C11", json=body)).json()["ticket"]
        at = f"ws://127.0.0.1:{started_to_end.port}/api/v1/live"
        async with websockets.connect(at, origin=websockets.Origin(BASE)) as live:
            await live.send(json.dumps({"ticket": ticket}))
            assert json.loads(await live.recv())["type"] in ("forecast", "problem")
            enough = asyncio.Event()
            sending = asyncio.ensure_future(ingest(started_to_end, small_world, enough))
            await enough.wait()
            started_to_end.process.send_signal(signal.SIGTERM)
            acknowledged, refused = await sending
            with pytest.raises(websockets.ConnectionClosed):
                while True:
                    await live.recv()
            return acknowledged, refused, live.close_code

    acknowledged, refused, code = small_world.run(terminate())
    assert started_to_end.process.wait(60) in (0, -signal.SIGTERM)  # uvicorn hands the signal on when all is closed
    kept, told = small_world.run(stored(small_world))
    assert acknowledged <= kept
    assert acknowledged <= told
    assert refused == 0
    assert code == 1001


class Careless(Started):
    """A server that keeps nothing and dies of everything."""

    def command(self) -> list[str]:
        return [sys.executable, "-m", "tests.weak", str(self.port)]


@pytest.fixture
def without_care(small_world: World) -> Iterator[Started]:
    yield from running(Careless, small_world)


@pytest.mark.weak("stores nothing, dies of every trouble and at SIGTERM at once", "E08", "F06", "F09")
@pytest.mark.parametrize(
    "test",
    [
        test_e08_on_a_full_disk_it_answers_503_and_goes_on_when_there_is_room,
        test_f09_without_file_descriptors_it_lives_on_and_serves_when_some_are_free,
        test_f09_without_memory_it_refuses_what_is_large_and_serves_what_is_small,
        test_f06_on_sigterm_it_answers_what_it_took_and_takes_leave_of_sockets,
    ],
)
def test_e08_f06_f09_fail_on_a_careless_server(
    without_care: Started, small_world: World, test: Callable[..., None]
) -> None:
    must_fail(test, without_care, small_world)
