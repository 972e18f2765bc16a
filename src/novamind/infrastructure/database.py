"""The database of patients: one asynchronous engine for SQLite and PostgreSQL, transactions, migrations.

A transaction is the unit of work: everything inside is kept, or nothing is. After the block, the changes survive the
death of the process and of the machine::

    database = Database(settings.database_url.get_secret_value())
    await database.migrate()
    async with database.transaction() as session:
        session.add(report)

Tables of every room derive from :class:`Base`. The one history of migrations in ``migrations`` makes them.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Generic, TypeVar

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase

from novamind.errors import ServiceUnavailableError, ValidationError

Item = TypeVar("Item")
Answer = TypeVar("Answer")
Key = TypeVar("Key")

#: Names of constraints, so that a migration can name what it changes.
NAMING: Final = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s",
    "pk": "pk_%(table_name)s",
}
#: Seconds to wait for a lock or a free connection before the caller gets an error.
WAIT_SECONDS: Final = 5
#: Seconds for a unit of work that a caller waits for; to give a silent connection up takes two more.
PATIENCE_SECONDS: Final = 3.0
#: Seconds for a unit that nobody waits for: migrating, verifying, purging, replacing keys.
MAINTENANCE_SECONDS: Final = 3600.0
#: Classes of SQLSTATE that say "not now": connection, rollback by conflict, resources, intervention, system.
_NOT_NOW: Final = ("08", "40", "53", "57", "58")
_READ_ONLY: Final = "25006"
_MIGRATION_LOCK: Final = 0x6E6F76616D696E64  # the advisory lock of whoever migrates: "novamind"
_LATER_VERSION: Final = (
    "a later version of novamind wrote this database; start that version, or restore a backup from before it"
)
_NO_ANSWER: Final = "the database does not answer; try again in a moment, or check NOVAMIND_DATABASE_URL"


class UtcDateTime(sa.types.TypeDecorator[datetime]):
    """A timezone-aware instant, stored and given back in UTC; SQLite forgets the zone, so it is put back.

    Raises
    ------
    ValidationError
        If a time without a zone is to be stored: nobody could say which instant it is.
    """

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:
        """Return the time in UTC, for the database."""
        del dialect
        if value is not None and value.tzinfo is None:
            raise ValidationError("a stored time needs a timezone")
        return None if value is None else value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:
        """Return the stored time as UTC."""
        del dialect
        return None if value is None else value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Base(DeclarativeBase):
    """Parent of every table of the patients' database; ``datetime`` is :class:`UtcDateTime`."""

    metadata = sa.MetaData(naming_convention=NAMING)
    type_annotation_map = {datetime: UtcDateTime}  # noqa: RUF012 - SQLAlchemy reads a plain class attribute


def with_driver(url: str, *, sqlite: str, postgresql: str) -> str:
    """Return a database URL with its driver, whichever driver it names.

    Raises
    ------
    ValidationError
        If the URL is of neither database; its text is not repeated, because it may hold a password.
    """
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise ValidationError("a database URL must read sqlite:///file or postgresql://host/name") from error
    driver = {"sqlite": sqlite, "postgresql": postgresql}.get(parsed.get_backend_name())
    if driver is None:
        raise ValidationError("a database URL must begin with sqlite:// or postgresql://")
    return parsed.set(drivername=driver).render_as_string(hide_password=False)


def upgrade(connection: sa.Connection, migrations: Path, revision: str = "head") -> None:
    """Run a folder's Alembic migrations on a connection, inside its transaction: all of them or none.

    Raises
    ------
    ValidationError
        If a later version has written the schema; there is no way back from it but a backup.
    """
    from alembic import command
    from alembic.config import Config
    from alembic.util import CommandError

    config = Config()
    config.set_main_option("script_location", str(migrations))
    config.attributes["connection"] = connection
    try:
        command.upgrade(config, revision)
    except CommandError as error:  # a revision that is in none of our files
        raise ValidationError(_LATER_VERSION) from error


class Database:
    """Connections, transactions and schema of one database.

    On SQLite a commit is synced to disk (write-ahead log, ``synchronous=FULL``), writers wait for each other,
    readers wait for nobody, and deleted content is overwritten. On PostgreSQL the server's own
    ``synchronous_commit`` does the same.

    Parameters
    ----------
    url
        ``sqlite:///file`` or ``postgresql://user@host/name``; a driver named in it is replaced by the asynchronous one.
    pool_size
        Connections kept open; as many again are opened for a burst.
    patience
        Seconds for a unit of work that a caller waits for, before PostgreSQL is taken to be silent.

    Raises
    ------
    ValidationError
        If the URL is of neither database.
    ServiceUnavailableError
        If the driver is not installed.
    """

    def __init__(self, url: str, *, pool_size: int = 8, patience: float = PATIENCE_SECONDS) -> None:
        self.patience = patience
        url = with_driver(url, sqlite="sqlite+aiosqlite", postgresql="postgresql+asyncpg")
        self.is_sqlite = url.startswith("sqlite")
        connect: dict[str, Any] = (
            {"isolation_level": None, "timeout": WAIT_SECONDS}  # None: transactions begin where we say, not the driver
            if self.is_sqlite
            else {"timeout": WAIT_SECONDS, "command_timeout": 60, "server_settings": {"application_name": "novamind"}}
        )
        pool: dict[str, Any] = (
            {}  # in memory: one connection for all, else each would see a database of its own
            if make_url(url).database in (None, "", ":memory:") and self.is_sqlite
            else {"pool_size": pool_size, "max_overflow": pool_size, "pool_timeout": WAIT_SECONDS}
        )
        try:
            self.engine = create_async_engine(url, connect_args=connect, **pool)
        except ModuleNotFoundError as error:
            raise ServiceUnavailableError(
                "PostgreSQL needs the extra 'postgres': pip install 'novamind[postgres]'"
            ) from error
        if self.is_sqlite:
            sa.event.listen(self.engine.sync_engine, "connect", _prepare_sqlite)
            sa.event.listen(self.engine.sync_engine, "begin", _begin_sqlite)
        self._sessions = async_sessionmaker(self.engine, expire_on_commit=False)

    @asynccontextmanager
    async def transaction(self, patience: float | None = None) -> AsyncIterator[AsyncSession]:
        """Begin a unit of work that writes; committed at the end of the block, rolled back if it raises.

        Parameters
        ----------
        patience
            Seconds after which PostgreSQL is taken to be silent, the database's own where not given; of SQLite only
            the lock is waited for.

        Raises
        ------
        ServiceUnavailableError
            If the database does not answer, is locked or stops answering; nothing was kept then, or, if it stopped
            during the commit, it cannot be known: repeat with the same idempotency key.
        """
        async with self._begin(patience, read_only=False) as session:
            yield session

    @asynccontextmanager
    async def snapshot(self, patience: float | None = None) -> AsyncIterator[AsyncSession]:
        """Begin a unit of work that only reads, all of it from one moment; it never waits for a writer.

        Raises
        ------
        ServiceUnavailableError
            If the database does not answer.
        """
        async with self._begin(patience, read_only=True) as session:
            yield session

    @asynccontextmanager
    async def _begin(self, patience: float | None, *, read_only: bool) -> AsyncIterator[AsyncSession]:
        options: dict[str, Any] = {}
        if read_only:
            options = (
                {"deferred": True}
                if self.is_sqlite
                else {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
            )
        async with self._sessions() as session:
            try:
                async with asyncio.timeout(None if self.is_sqlite else self.patience if patience is None else patience):
                    try:
                        await session.connection(execution_options=options)
                    except (OSError, DBAPIError, PoolTimeoutError) as error:
                        raise ServiceUnavailableError(_NO_ANSWER) from error
                    yield session
                    if read_only:
                        session.expunge_all()  # what was read stays readable
                        await session.rollback()
                    else:
                        await session.commit()
            except (TimeoutError, ConnectionError) as error:
                raise ServiceUnavailableError(_NO_ANSWER) from error
            except DBAPIError as error:
                if _is_unavailable(error) or (_state(error) == _READ_ONLY and not read_only):
                    raise ServiceUnavailableError(_NO_ANSWER) from error
                raise

    async def migrate(self) -> None:
        """Bring the schema to this version; of several processes that call it at once one does it.

        Raises
        ------
        ServiceUnavailableError
            If the database does not answer.
        ValidationError
            If a later version has written the schema.
        """
        async with self.transaction(MAINTENANCE_SECONDS) as session:
            if not self.is_sqlite:
                await session.execute(sa.select(sa.func.pg_advisory_xact_lock(_MIGRATION_LOCK)))
            connection = await session.connection()
            await connection.run_sync(upgrade, Path(__file__).with_name("migrations"))

    async def close(self) -> None:
        """Close all connections."""
        await self.engine.dispose()


class Batcher(Generic[Item, Answer]):
    """Work of callers that come at the same time, done in one transaction with one commit and one sync to disk.

    Parameters
    ----------
    work
        Does the items, and returns for each an answer or the error that its caller gets.
    most
        Largest number of items at once.
    """

    def __init__(
        self, work: Callable[[Sequence[Item]], Awaitable[Sequence[Answer | Exception]]], most: int = 64
    ) -> None:
        self._work = work
        self._most = most
        self._waiting: list[tuple[Item, asyncio.Future[Answer]]] = []
        self._worker: asyncio.Task[None] | None = None

    async def do(self, item: Item) -> Answer:
        """Add a piece of work and return its answer. A caller who gives up does not stop the others' work."""
        done: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, done))
        if self._worker is None or self._worker.done():
            self._worker = asyncio.create_task(self._work_off())
        return await done

    async def _work_off(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting[: self._most], self._waiting[self._most :]
            answers: Sequence[Answer | Exception]
            try:
                answers = await self._work([item for item, _ in batch])
            except Exception as error:  # noqa: BLE001 - every caller gets it
                if isinstance(error, ServiceUnavailableError):  # whoever waits would only wait for the same
                    batch, self._waiting = batch + self._waiting, []
                answers = [error] * len(batch)
            for (_, done), answer in zip(batch, answers, strict=True):
                if done.done():
                    continue  # its caller has given up
                if isinstance(answer, Exception):
                    done.set_exception(answer)
                else:
                    done.set_result(answer)


async def insert_missing(session: AsyncSession, table: type[Base], **values: Any) -> bool:
    """Insert a row unless one with its key exists, also beside another process; return whether it was inserted."""
    key = sa.inspect(table).primary_key[0]
    return bool(await insert_all_missing(session, table, key, [values]))


async def insert_all_missing(
    session: AsyncSession, table: type[Base], key: sa.ColumnElement[Key], rows: Sequence[dict[str, Any]]
) -> set[Key]:
    """Insert the rows whose key is missing and return their keys. Order the rows alike everywhere."""
    insert = sqlite.insert if session.get_bind().dialect.name == "sqlite" else postgresql.insert
    return set(await session.scalars(insert(table).values(rows).on_conflict_do_nothing().returning(key)))


def _is_unavailable(error: DBAPIError) -> bool:
    """Return whether the database is at fault, and not the statement."""
    away = error.connection_invalidated or isinstance(error, OperationalError | InterfaceError)
    return away or _state(error).startswith(_NOT_NOW)


def _state(error: DBAPIError) -> str:
    """Return PostgreSQL's code of what happened."""
    return getattr(error.orig, "sqlstate", None) or ""


def _prepare_sqlite(connection: Any, _record: object) -> None:
    cursor = connection.cursor()
    for setting in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "secure_delete=ON"):
        cursor.execute(f"PRAGMA {setting}")
    cursor.close()


def _begin_sqlite(connection: sa.Connection) -> None:
    """Take the write lock at once: a reader that turns writer half-way could not wait for it."""
    deferred = connection.get_execution_options().get("deferred", False)
    connection.exec_driver_sql("BEGIN" if deferred else "BEGIN IMMEDIATE")
