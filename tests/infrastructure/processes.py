"""Work of other processes, which tests let run beside their own or kill: forked from one that has imported it all."""

import asyncio
import multiprocessing
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess
from typing import Any
from uuid import UUID, uuid4

import sqlalchemy as sa

from novamind.infrastructure.audit import Access, Event
from novamind.infrastructure.bootstrap import open_foundation
from novamind.infrastructure.database import Database
from novamind.infrastructure.keys import KeyFile
from novamind.infrastructure.patient_store import Kind
from novamind.settings import Settings
from tests.patience import patient

SHELL = Access(actor="shell", role="admin", purpose="test", correlation_id="1")
_forks = multiprocessing.get_context("forkserver")
_forks.set_forkserver_preload([__name__])


class Other:
    """A process that does something.

    Parameters
    ----------
    work
        One of this module's functions: is given where it can say something, and the arguments.
    """

    def __init__(self, work: Callable[..., None], *arguments: Any) -> None:
        self._hears, says = _forks.Pipe(duplex=False)
        self.process: ForkServerProcess = _forks.Process(target=work, args=(says, *arguments))
        self.process.start()
        says.close()

    def says(self) -> Any:
        """The next thing that it says."""
        assert self._hears.poll(patient(60)), "the other process says nothing"
        return self._hears.recv()

    def kill(self) -> Iterator[Any]:
        """Kill it; what it has said before."""
        self.process.kill()
        self.process.join()
        with self._hears:
            try:
                while True:
                    yield self._hears.recv()
            except EOFError:
                return


def ingest(says: Connection, settings: Settings, patient_id: UUID, first: int) -> None:
    """Store pairs of reports, four at a time; say which, once each is stored."""

    async def main() -> None:
        async with open_foundation(settings) as here:

            async def one(n: int) -> None:
                while True:
                    pair = [{"n": n}, {"n": n}]
                    ids = await here.store.append(patient_id, Kind.SYMPTOM_REPORT, pair, SHELL, idempotency_key=str(n))
                    says.send((n, ids))
                    n += 4

            await asyncio.gather(*(one(first + worker) for worker in range(4)))

    asyncio.run(main())


def rotate(says: Connection, settings: Settings) -> None:
    """Replace keys without end."""

    async def main() -> None:
        async with open_foundation(settings) as here:
            keys, rotation = here.keys.encryption, here.rotation(SHELL)
            assert isinstance(keys, KeyFile)
            says.send("ready")
            while True:
                keys.add()
                await rotation.rewrap()
                await rotation.renew_data_keys(datetime.now(UTC) + timedelta(days=1))

    asyncio.run(main())


def migrate_half(says: Connection, url: str, piecemeal: bool) -> None:
    """Migrate, one transaction or many, as far as a table in the middle; then wait to be killed."""
    database = Database(url)

    @sa.event.listens_for(database.engine.sync_engine, "after_cursor_execute")
    def after(connection: sa.Connection, _cursor: object, statement: str, *_: object) -> None:
        if "CREATE TABLE users" in statement:
            if piecemeal:
                connection.connection.commit()
            says.send("half")
            time.sleep(600)

    asyncio.run(database.migrate())


def write_audit(_says: Connection, settings: Settings, count: int) -> None:
    """Append to the audit, ten at a time."""
    event = Event(access=SHELL, action="read", what="note", patient_id=uuid4())

    async def main() -> None:
        async with open_foundation(settings) as here:
            for _ in range(0, count, 10):
                await asyncio.gather(*(here.audit.append(event) for _ in range(10)))

    asyncio.run(main())
