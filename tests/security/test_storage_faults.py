"""Section 6 of the attack plan: the stores stop, die, fill up and come back, while a real server is asked over HTTP.

Every test waits for states (this answer was given, that row is there) and for nothing else; :data:`WAIT` only ends
a run that would never end.
"""

import asyncio
import contextlib
import gc
import io
import itertools
import os
import random
import resource
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import warnings
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, Self
from uuid import UUID, uuid4

import httpx
import psutil
import pytest
import sqlalchemy as sa
import uvicorn
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from pydantic import SecretStr
from redis import Redis as StrictRedis
from redis import RedisError
from redis.backoff import NoBackoff
from redis.retry import Retry

from novamind.errors import NovamindError, ServiceUnavailableError
from novamind.infrastructure.audit import CHECKPOINT_EVERY, Access
from novamind.infrastructure.bootstrap import Foundation, open_foundation
from novamind.infrastructure.database import Base, Database
from novamind.infrastructure.identity.attempts import AttemptCounter, TooManyAttemptsError
from novamind.infrastructure.identity.domain import Role
from novamind.infrastructure.identity.sessions import ClientProof
from novamind.infrastructure.logs import configure
from novamind.infrastructure.patient_store import Identity, Kind, PatientStore
from novamind.infrastructure.tables import AuditCheckpoint, AuditEntry, Organisation, Record
from novamind.server.app import create_app
from novamind.server.container import open_container
from novamind.settings import Settings
from tests.conftest import Postgres, Redis
from tests.infrastructure.processes import Other, migrate_half
from tests.patience import patient
from tests.server.world import CHEAP
from tests.weak import must_fail

#: Seconds after which what must happen is no longer waited for.
WAIT = patient(36)
OPERATOR = Access(actor="operator", role="operator", purpose="test", correlation_id="1")
CALLERS = 6  # half of them store, half of them read
CLEAN = (200, 201, 503)
_numbers = itertools.count(100)


class Proxy:
    """Stands between the server and PostgreSQL, on a socket of its own: delays, resets, forgets.

    Attributes
    ----------
    delay
        Least and most seconds that each piece of the traffic takes.
    resets
        Share of the pieces at which the connection is reset instead.
    rate
        Bytes a second that each connection carries in one direction; no limit where 0.
    """

    def __init__(self, folder: Path, upstream: str) -> None:
        self.delay: tuple[float, float] = (0.0, 0.0)
        self.resets = 0.0
        self.rate = 0
        self._path, self._upstream = str(folder / ".s.PGSQL.5432"), upstream
        self._chance = random.Random(0)
        self._open: set[asyncio.StreamWriter] = set()
        self._joined: set[asyncio.Task[None]] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self._server = self._run(asyncio.start_unix_server(self._join, self._path))
        return self

    def __exit__(self, *_: object) -> None:
        self._server.close()
        self.reset()
        self._run(self._gone())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _gone(self) -> None:
        await asyncio.gather(*self._joined)

    def _run(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(WAIT)

    def reset(self) -> None:
        """Reset every connection."""

        async def abort() -> None:
            for writer in list(self._open):
                writer.transport.abort()

        self._run(abort())

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        joined = asyncio.current_task()
        assert joined is not None
        self._joined.add(joined)
        joined.add_done_callback(self._joined.discard)
        try:
            onward, back = await asyncio.open_unix_connection(self._upstream)
        except OSError:
            writer.transport.abort()
            return
        ends = {writer, back}
        self._open |= ends
        await asyncio.gather(self._pump(reader, back), self._pump(onward, writer))
        self._open -= ends

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while piece := await source.read(65536):
                if self._chance.random() < self.resets:
                    break
                await asyncio.sleep(self._chance.uniform(*self.delay))
                if self.rate:
                    await asyncio.sleep(len(piece) / self.rate)
                sink.write(piece)
                await sink.drain()
        sink.transport.abort()


class Server:
    """The server on a port and a thread of its own, on PostgreSQL behind a proxy and Redis; a clinic."""

    def __init__(self, folder: Path, postgres: Postgres, proxy: Proxy, redis: Redis) -> None:
        self.postgres, self.proxy, self.redis = postgres, proxy, redis
        listening = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        self.settings = Settings(
            database_url=f"postgresql://novamind:@/postgres?host={folder}",
            redis_url=redis.url,
            key_file=folder / "keys.json",
            audit_witness=folder / "witness",
            public_url=self.url,
            access_token_seconds=3600,
            population_database_url=f"sqlite:///{folder}/populations.db",
            population_dir=folder / "populations",
        )
        asyncio.run(self._prepare())
        app = create_app(self.settings, passwords=CHEAP)
        self._server = uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False))
        self._thread = threading.Thread(target=self._server.run, args=([listening],))
        self._thread.start()
        asyncio.run(until(lambda: self._server.started))  # two migrations at once in one process are not for Alembic

    async def _prepare(self) -> None:
        async with open_container(self.settings) as container:
            store, access = container.foundation.store, container.operator("test")
            organisation = await store.add_organisation("Clinic", access)
            self.read, self.written = [await store.register(organisation, Identity({}, {}), access) for _ in range(2)]
            history = [one for day in range(14) for one in reports(day)]
            await store.append(self.read, Kind.SYMPTOM_REPORT, history, access)
            self.callers = []
            for number in range(CALLERS):  # each may send so many requests a minute
                client = await container.identity.accounts.add_client(
                    f"gateway {number}", access, role=Role.SERVICE, organisation_id=organisation
                )
                self.client_id = client.client_id
                tokens = await container.identity.sessions.client_credentials(
                    ClientProof(client.client_id, str(client.secret), "", "127.0.0.1"), None
                )
                self.callers.append({"Authorization": f"Bearer {tokens.access_token}"})

    def stop(self) -> None:
        self._server.should_exit = True
        self._thread.join()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def reports(number: int) -> list[dict[str, Any]]:
    """What one request stores: two reports of a time that is its own."""
    when = (datetime(1970, 1, 1, 8, tzinfo=UTC) + timedelta(days=number)).isoformat()
    return [{"symptom": symptom, "timestamp": when, "value": 8 + number % 7} for symptom in ("PHQ-9", "GAD-7")]


@pytest.fixture(autouse=True)
def logs_as_the_product_writes_them(logs_as_they_were: None) -> None:
    """Not as structlog does by itself: to draw an error with all its variables takes longer than to answer."""
    del logs_as_they_were  # which is done first
    configure(Settings(log_level="ERROR"), io.StringIO())


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with tempfile.TemporaryDirectory(prefix="nm-faults-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        folder.chmod(0o755)
        for part in ("data", "redis"):
            (folder / part).mkdir()
        with contextlib.ExitStack() as stack:
            postgres = Postgres(folder / "data")
            stack.callback(postgres.stop)
            redis = Redis(folder / "redis")
            stack.callback(redis.stop)
            upstream = postgres.new_database().rpartition("host=")[2] + "/.s.PGSQL.5432"
            postgres.server.psql("CREATE ROLE novamind LOGIN; ALTER SCHEMA public OWNER TO novamind;")
            proxy = stack.enter_context(Proxy(folder, upstream))
            server = Server(folder, postgres, proxy, redis)
            stack.callback(server.stop)
            yield server
    collect_what_was_cut()


@pytest.fixture(autouse=True)
def connections_that_were_cut() -> Iterator[None]:
    """What a fault cut is collected here, where it is no surprise, and not in the test that comes next."""
    yield
    collect_what_was_cut()


def collect_what_was_cut() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


class Load:
    """Callers that store and read without pause, and note what they are answered.

    Attributes
    ----------
    url
        Whom they ask.
    answers
        Of each caller: status and headers of what came since :meth:`forget`; 0 where the connection broke.
    acknowledged
        Ids that were given out for what was stored.
    """

    def __init__(self, server: Server, url: str) -> None:
        self._server, self.url = server, url
        self.answers: list[list[tuple[int, httpx.Headers]]] = [[] for _ in range(CALLERS)]
        self.acknowledged: set[str] = set()

    def forget(self) -> None:
        for answers in self.answers:
            answers.clear()

    def statuses(self) -> set[int]:
        return {status for answers in self.answers for status, _ in answers}

    async def each(self, *statuses: int) -> None:
        """Wait until each caller got one of these; no server may tell anybody of anything but a fault meanwhile."""
        with contextlib.suppress(TimeoutError):
            await until(lambda: self._have(statuses) or not self.statuses() <= {0, *CLEAN})
        told = [Counter(one for one, _ in answers) for answers in self.answers]
        assert self._have(statuses), told
        assert self.statuses() <= {0, *CLEAN}, told

    def _have(self, statuses: tuple[int, ...]) -> bool:
        return all(any(one in statuses for one, _ in answers) for answers in self.answers)

    async def call(self, number: int) -> None:
        headers, asked = self._server.callers[number], next(_numbers)
        async with httpx.AsyncClient(headers=headers, timeout=WAIT) as client:
            while True:
                try:
                    if number % 2:
                        answer = await client.get(f"{self.url}/api/v1/patients/{self._server.read}/forecast")
                    else:
                        answer = await client.post(
                            f"{self.url}/api/v1/patients/{self._server.written}/reports",
                            headers={"Idempotency-Key": f"request-{asked}"},
                            json={"reports": reports(asked)},
                        )
                except httpx.TransportError:
                    self.answers[number].append((0, httpx.Headers()))
                else:
                    self.answers[number].append((answer.status_code, answer.headers))
                    if answer.status_code == 201:
                        self.acknowledged |= set(answer.json()["ids"])
                        asked = next(_numbers)
                await asyncio.sleep(0.05)  # else the limit of requests a minute would be all that is tested


async def until(state: Callable[[], bool]) -> None:
    async with asyncio.timeout(WAIT):
        while not state():
            await asyncio.sleep(0.02)


@contextlib.asynccontextmanager
async def under_load(server: Server, url: str | None = None) -> AsyncIterator[Load]:
    """Ask all the while; in the end everything that was acknowledged must be there, once, and nothing by halves."""
    load = Load(server, url or server.url)
    async with asyncio.TaskGroup() as group:
        callers = [group.create_task(load.call(number)) for number in range(CALLERS)]
        await load.each(200, 201)
        yield load
        load.forget()
        await load.each(200, 201)  # by itself
        for caller in callers:
            caller.cancel()
    await kept(server, load.acknowledged)


async def kept(server: Server, acknowledged: set[str]) -> None:
    """Check that all of this is stored, each request once and whole."""
    async with open_foundation(server.settings) as here:
        stored = await here.store.read(server.written, Kind.SYMPTOM_REPORT, OPERATOR)
        assert (await here.audit.verify()).intact
    assert acknowledged <= {str(one.record_id) for one in stored}
    pairs = Counter(one.content["timestamp"] for one in stored)  # type: ignore[index]
    assert set(pairs.values()) == {2}


async def asked(server: Server, path: str) -> httpx.Response:
    async with httpx.AsyncClient(base_url=server.url, timeout=WAIT) as client:
        return await client.get(path)


# --- what happens to PostgreSQL ---


def processes(server: Server) -> list[psutil.Process]:
    main = psutil.Process(server.postgres.server.get_pid())
    return [main, *main.children(recursive=True)]


@contextlib.asynccontextmanager
async def stopped(server: Server) -> AsyncIterator[None]:
    frozen = processes(server)
    for process in frozen:
        process.suspend()
    try:
        yield
    finally:
        for process in frozen:
            process.resume()


@contextlib.asynccontextmanager
async def killed(server: Server) -> AsyncIterator[None]:
    dying = processes(server)
    for process in dying:
        process.kill()
    await asyncio.to_thread(psutil.wait_procs, dying, WAIT)
    try:
        yield
    finally:
        await asyncio.to_thread(server.postgres.start)


@contextlib.asynccontextmanager
async def full(server: Server) -> AsyncIterator[None]:
    """No connection is left for the server."""
    server.postgres.server.psql("ALTER ROLE novamind CONNECTION LIMIT 0;")
    server.proxy.reset()
    try:
        yield
    finally:
        server.postgres.server.psql("ALTER ROLE novamind CONNECTION LIMIT -1;")


@pytest.mark.parametrize("fault", [stopped, killed, full])
def test_f02_without_its_database_the_server_says_so_and_comes_back(
    server: Server, fault: Callable[[Server], contextlib.AbstractAsyncContextManager[None]]
) -> None:
    """F02: 503 with Retry-After, not ready but alive, and everything as before when the database is back."""

    async def run() -> None:
        async with under_load(server) as load, fault(server):
            load.forget()
            await load.each(503)
            ready = await asked(server, "/ready")
            assert (ready.status_code, ready.headers["content-type"]) == (503, "application/problem+json")
            assert (await asked(server, "/health")).status_code == 200
            assert load.statuses() <= {*CLEAN}
            for answers in load.answers:
                assert all(int(headers["retry-after"]) > 0 for status, headers in answers if status == 503)
        assert (await asked(server, "/ready")).status_code == 200

    asyncio.run(run())


def test_f02_a_database_that_takes_no_writing_lets_nobody_read_unseen(server: Server) -> None:
    """F02, E08: read-only; what cannot be audited is not read."""

    async def run() -> None:
        async with under_load(server) as load:
            for value in ("on", "off"):
                server.postgres.server.psql(
                    f"ALTER SYSTEM SET default_transaction_read_only = {value}; SELECT pg_reload_conf();"
                )
                load.forget()
                await load.each(*((503,) if value == "on" else (200, 201)))
                assert load.statuses() <= {*CLEAN}

    asyncio.run(run())


def test_f08_a_slow_and_broken_line_to_the_database_jams_nothing(server: Server) -> None:
    """F08: 200 ms give or take 100 for each piece and 5 % of them resets; or 10 kB a second; then all is well again."""

    async def run() -> None:
        async with under_load(server) as load:
            server.proxy.delay, server.proxy.resets = (0.1, 0.3), 0.05
            load.forget()
            await load.each(200, 201, 503)
            server.proxy.delay, server.proxy.resets, server.proxy.rate = (0.0, 0.0), 0.0, 10_000
            load.forget()
            await load.each(200, 201, 503)
            server.proxy.rate = 0
            assert load.statuses() <= {*CLEAN}

    asyncio.run(run())


@contextlib.asynccontextmanager
async def broken(server: Server) -> AsyncIterator[None]:
    """Every connection is reset as soon as anything goes over it."""
    server.proxy.resets = 1.0
    try:
        yield
    finally:
        server.proxy.resets = 0.0


@pytest.mark.weak("errors of the database are handed on as they are", "F02", "F08")
@pytest.mark.parametrize("fault", [full, broken])
def test_f02_f08_fail_where_errors_of_the_database_are_handed_on(
    server: Server,
    fault: Callable[[Server], contextlib.AbstractAsyncContextManager[None]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    @contextlib.asynccontextmanager
    async def as_they_are(self: Database, *_: Any, **__: Any) -> AsyncIterator[Any]:
        async with self._sessions.begin() as session:
            yield session

    with monkeypatch.context() as patched:
        patched.setattr(Database, "_begin", as_they_are)
        must_fail(test_f02_without_its_database_the_server_says_so_and_comes_back, server, fault)

    async def recovered() -> None:
        async with under_load(server):
            pass

    asyncio.run(recovered())


# --- what happens to Redis ---


async def guesses(server: Server, client_id: UUID, count: int) -> list[int]:
    """What is answered to wrong secrets of a client."""
    wrong = {"grant_type": "client_credentials", "client_id": str(client_id), "client_secret": "x" * 43}
    async with httpx.AsyncClient(base_url=server.url, timeout=WAIT) as client:
        return [(await client.post("/oauth/token", data=wrong)).status_code for _ in range(count)]


def limited(guessed: list[int]) -> None:
    """Check that of twelve guesses the last two were not even looked at."""
    assert guessed == [401] * 10 + [429] * 2


def test_f01_without_redis_everybody_is_answered_and_nobody_may_guess_secrets(server: Server) -> None:
    """F01: stopped, dead, and answering nonsense; attempts are counted in the database and stay limited."""

    async def nonsense(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.closing(writer), contextlib.suppress(OSError):
            while await reader.read(4096):
                writer.write(b"$4\r\nlies\r\n")

    async def run() -> None:
        somebody, guessed = uuid4(), []
        async with under_load(server) as load:
            load.forget()
            server.redis.process.send_signal(signal.SIGSTOP)
            await load.each(200, 201)
            guessed += await guesses(server, somebody, 4)
            server.redis.process.send_signal(signal.SIGCONT)
            server.redis.stop()
            await load.each(200, 201)
            guessed += await guesses(server, somebody, 4)
            path = Path(server.redis.folder) / "redis.sock"
            path.unlink(missing_ok=True)
            liar = await asyncio.start_unix_server(nonsense, path)
            load.forget()
            await load.each(200, 201)
            guessed += await guesses(server, somebody, 4)
            liar.close()
            path.unlink(missing_ok=True)
            server.redis.start()
            assert load.statuses() <= {200, 201}
        limited(guessed)

    asyncio.run(run())


@pytest.mark.weak("attempts are counted in Redis, and not at all without it", "F01")
def test_f01_fails_where_attempts_are_counted_in_redis_alone(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    shared = StrictRedis.from_url(server.redis.url, retry=Retry(NoBackoff(), 0))

    async def take(_self: AttemptCounter, what: str, who: str, *_: Any) -> None:
        with contextlib.suppress(RedisError):
            if shared.incr(f"{what} {who}") > 10:
                raise TooManyAttemptsError(60)

    monkeypatch.setattr(AttemptCounter, "check", take)
    limited(asyncio.run(guesses(server, uuid4(), 12)))
    server.redis.stop()
    try:
        must_fail(limited, asyncio.run(guesses(server, uuid4(), 12)))
    finally:
        server.redis.start()
        shared.close()


# --- what happens to the server ---


def test_f05_what_a_killed_server_has_acknowledged_is_there_once(server: Server) -> None:
    """F05: ``novamind serve`` is killed with -9 while reports are stored; what failed is sent again to another."""
    environment = {
        f"NOVAMIND_{name}".upper(): str(getattr(value, "get_secret_value", lambda value=value: value)())
        for name, value in server.settings.model_dump(exclude_defaults=True).items()
    }
    port = free_port()
    words = [str(Path(sys.executable).with_name("novamind")), "serve", "--no-demo", "--port", str(port)]

    async def run() -> None:
        quiet = subprocess.DEVNULL
        with subprocess.Popen(words, env=os.environ | environment, stdout=quiet, stderr=quiet) as process:
            try:
                async with under_load(server, f"http://127.0.0.1:{port}") as load:
                    process.kill()
                    load.forget()
                    await load.each(0)
                    load.url = server.url
            finally:
                process.kill()

    asyncio.run(run())


append = PatientStore.append


async def promised(*_: Any, **__: Any) -> list[UUID]:
    """Acknowledged before it is stored, and then the process dies."""
    return [uuid4(), uuid4()]


async def by_halves(self: PatientStore, patient_id: UUID, kind: Kind, contents: Any, access: Access, **key: Any) -> Any:
    """One by one, and the process dies after the first."""
    return await append(self, patient_id, kind, contents[:1], access, **key)


async def again(self: PatientStore, *arguments: Any, **_: Any) -> Any:
    """Whatever key it comes with."""
    return await append(self, *arguments)


@pytest.mark.weak("reports are acknowledged before they are stored, stored one by one, stored again", "F02", "F05")
@pytest.mark.parametrize("weak", [promised, by_halves, again])
def test_f05_fails_where_storing_is_not_one_deed_done_once(
    server: Server, weak: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def sent_twice() -> set[str]:
        at = f"{server.url}/api/v1/patients/{server.written}/reports"
        headers, body = server.callers[0] | {"Idempotency-Key": f"{uuid4()}"}, {"reports": reports(next(_numbers))}
        answers = [httpx.post(at, headers=headers, json=body, timeout=WAIT) for _ in range(2)]
        assert {answer.status_code for answer in answers} == {201}
        return {one for answer in answers for one in answer.json()["ids"]}

    async def forget(ids: set[str]) -> None:
        async with open_foundation(server.settings) as here, here.database.transaction() as session:
            await session.execute(sa.delete(Record).where(Record.record_id.in_(map(UUID, ids))))

    asyncio.run(kept(server, sent_twice()))
    monkeypatch.setattr(PatientStore, "append", weak)
    ids = sent_twice()
    must_fail(asyncio.run, kept(server, ids))
    asyncio.run(forget(ids))


# --- schema, disk and backup ---


@pytest.fixture
def on_each(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/novamind.db"
    server: Server = request.getfixturevalue("server")
    return server.postgres.own_database(f"other_{uuid4().hex}")


both = pytest.mark.parametrize("on_each", ["sqlite", "postgresql"], indirect=True)


def migrated_by_two_after_a_kill(url: str, *, piecemeal: bool) -> None:
    """Check that a migration that was killed half-way leaves nothing, and that of two at once one does it."""
    half = Other(migrate_half, url, piecemeal)
    assert half.says() == "half"
    assert list(half.kill()) == []

    async def run(database: Database, other: Database) -> None:
        async with database.transaction() as session:
            tables = await (await session.connection()).run_sync(lambda c: sa.inspect(c).get_table_names())
        assert tables == []
        await asyncio.gather(database.migrate(), other.migrate())
        async with database.transaction() as session:
            connection = await session.connection()
            assert (
                await connection.run_sync(lambda c: compare_metadata(MigrationContext.configure(c), Base.metadata))
                == []
            )

    async def closed() -> None:
        database, other = Database(url), Database(url)
        try:
            await run(database, other)
        finally:
            await database.close()
            await other.close()

    asyncio.run(closed())


@both
def test_f10_a_migration_that_was_killed_half_way_is_done_by_the_next_two(on_each: str) -> None:
    migrated_by_two_after_a_kill(on_each, piecemeal=False)


@pytest.mark.weak("a migration commits each of its statements", "F10")
@both
def test_f10_fails_where_a_migration_is_not_one_transaction(on_each: str) -> None:
    must_fail(partial(migrated_by_two_after_a_kill, on_each, piecemeal=True))


def test_f02_a_full_disk_keeps_nothing_by_halves(tmp_path: Path) -> None:
    """F02: SQLite may not grow; what was there is there, what could not be stored is not, and then it goes on."""

    async def run() -> None:
        async with open_foundation(sqlite_settings(tmp_path)) as here:
            organisation = await here.store.add_organisation("Clinic", OPERATOR)
            patient = await here.store.register(organisation, Identity({}, {}), OPERATOR)
            first = await here.store.append(patient, Kind.NOTE, [{"n": 1}], OPERATOR)
            largest = max(file.stat().st_size for file in tmp_path.glob("novamind.db*"))
            limits = resource.getrlimit(resource.RLIMIT_FSIZE)
            resource.setrlimit(resource.RLIMIT_FSIZE, (largest, limits[1]))
            try:
                for _ in range(3):
                    with pytest.raises(ServiceUnavailableError, match="does not answer"):
                        await here.store.append(patient, Kind.NOTE, [{"n": "x" * 1000}] * 100, OPERATOR)
            finally:
                resource.setrlimit(resource.RLIMIT_FSIZE, limits)
            second = await here.store.append(patient, Kind.NOTE, [{"n": 2}], OPERATOR)
            stored = await here.store.read(patient, Kind.NOTE, OPERATOR)
            assert [one.record_id for one in stored] == first + second
            assert (await here.audit.verify()).intact

    asyncio.run(run())


def sqlite_settings(folder: Path) -> Settings:
    return Settings(
        database_url=f"sqlite:///{folder}/novamind.db",
        key_file=folder / "keys.json",
        audit_witness=folder / "witness",
    )


async def rows(here: Foundation, table: type[Base]) -> set[str]:
    async with here.database.snapshot() as session:
        return set(map(repr, (await session.execute(sa.select(table.__table__))).all()))


def backed_up(url: str, folder: Path) -> str:
    """A copy of a database that is in use, restored on another machine; the URL there."""
    if url.startswith("sqlite"):
        there = folder / "restored.db"
        with (
            contextlib.closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as source,
            contextlib.closing(sqlite3.connect(there)) as target,
        ):
            source.backup(target)
        return f"sqlite:///{there}"
    server = (Path(url.rpartition("host=")[2]) / "postmaster.pid").read_text().split()[0]
    programs, dump = Path(psutil.Process(int(server)).exe()).parent, str(folder / "dump.sql")
    restored = url.replace("/other", "/there")
    name = restored.partition("?")[0].rpartition("/")[2]
    for words in (
        ["pg_dump", "--file", dump, url],
        ["createdb", "--maintenance-db", url, name],
        ["psql", "--quiet", "--output", os.devnull, "--file", dump, restored],
    ):
        subprocess.run([programs / words[0], *words[1:]], check=True)
    return restored


@pytest.mark.weak("a backup lacks a row", "F11")
@both
def test_f11_a_backup_opens_on_an_empty_machine_that_has_the_keys(on_each: str, tmp_path: Path) -> None:
    """F11: taken while notes are stored; rows are equal and open, chain and old witness hold, a later one tells."""
    here_files, there_files, without = tmp_path / "here", tmp_path / "there", tmp_path / "without"
    for folder in (here_files, there_files, without):
        folder.mkdir()

    def settings(folder: Path, url: str) -> Settings:
        return sqlite_settings(folder).model_copy(update={"database_url": SecretStr(url)})

    async def run() -> None:
        async with open_foundation(settings(here_files, on_each)) as here:
            organisation = await here.store.add_organisation("Clinic", OPERATOR)
            patient = await here.store.register(organisation, Identity({}, {"name": "Ada"}), OPERATOR)

            async def store(count: int) -> list[UUID]:
                return [(await here.store.append(patient, Kind.NOTE, [{"n": 0}], OPERATOR))[0] for _ in range(count)]

            early = await store(CHECKPOINT_EVERY)
            going_on = asyncio.ensure_future(store(CHECKPOINT_EVERY))
            for name in ("keys.json", "witness"):  # before the database, so that it is not ahead of it
                shutil.copy(here_files / name, there_files / name)
            restored = await asyncio.to_thread(backed_up, on_each, there_files)
            late = await going_on

            async def whole(there: Foundation) -> None:
                for table in (Organisation, Record, AuditEntry, AuditCheckpoint):
                    assert set() < await rows(there, table) <= await rows(here, table)
                found = await there.audit.verify()
                assert found.intact
                assert found.checkpoints >= 2  # the database's and the witness's
                notes = [one.record_id for one in await there.store.read(patient, Kind.NOTE, OPERATOR)]
                assert notes[: len(early)] == early
                assert set(notes) <= {*early, *late}

            async with open_foundation(settings(there_files, restored)) as there:
                await whole(there)
                async with there.database.transaction() as session:  # a backup that has lost a row
                    await session.execute(sa.delete(Record).where(Record.record_id == early[0]))
                with pytest.raises(AssertionError):
                    await whole(there)
            shutil.copy(here_files / "witness", there_files / "witness")
            async with open_foundation(settings(there_files, restored)) as there:
                assert "cut off" in (await there.audit.verify()).reason
        async with open_foundation(settings(without, restored)) as there:
            with pytest.raises(NovamindError):
                await there.store.read(patient, Kind.NOTE, OPERATOR)

    asyncio.run(run())
