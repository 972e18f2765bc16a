"""One database room for two databases: times, transactions, concurrent writers, migrations, clean errors."""

import asyncio
import contextlib
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy.dialects import sqlite
from sqlalchemy.exc import DBAPIError, IntegrityError, InterfaceError, OperationalError

from novamind.errors import ServiceUnavailableError, ValidationError
from novamind.infrastructure import database as module
from novamind.infrastructure.database import (
    Base,
    Batcher,
    Database,
    insert_all_missing,
    insert_missing,
    with_driver,
)
from novamind.infrastructure.tables import AuditEntry, Organisation, Patient
from tests.conftest import Postgres
from tests.infrastructure.clinic import Clinic
from tests.weak import must_fail

NOW = datetime(2026, 3, 29, 2, 30, tzinfo=UTC)


def organisation(name: str = "Clinic") -> Organisation:
    return Organisation(organisation_id=uuid4(), name=name, created_at=NOW)


async def names(database: Database) -> list[str]:
    async with database.snapshot() as session:
        return list(await session.scalars(sa.select(Organisation.name).order_by(Organisation.name)))


def test_the_migrations_make_the_tables_that_the_code_describes(database_url: str) -> None:
    async def run() -> None:
        database = Database(database_url)
        await asyncio.gather(database.migrate(), database.migrate())  # two workers start at once
        async with database.transaction() as session:
            connection = await session.connection()
            different = await connection.run_sync(
                lambda c: compare_metadata(MigrationContext.configure(c), Base.metadata)
            )
        assert different == []
        await database.close()

    asyncio.run(run())


def test_an_instant_comes_back_in_utc_and_one_without_zone_is_refused(database_url: str) -> None:
    async def run() -> None:
        database = Database(database_url)
        await database.migrate()
        there = NOW.astimezone(timezone(timedelta(hours=5, minutes=45)))
        async with database.transaction() as session:
            session.add(Organisation(organisation_id=uuid4(), name="a", created_at=there))
        async with database.snapshot() as session:
            back = await session.scalar(sa.select(Organisation.created_at))
        assert back == NOW
        assert back.tzinfo is UTC
        with pytest.raises(Exception, match="timezone"):
            async with database.transaction() as session:
                session.add(Organisation(organisation_id=uuid4(), name="b", created_at=NOW.replace(tzinfo=None)))
        assert await names(database) == ["a"]
        await database.close()

    asyncio.run(run())


def test_all_of_a_transaction_is_kept_or_nothing(database_url: str) -> None:
    async def run() -> None:
        database = Database(database_url)
        await database.migrate()
        with pytest.raises(IntegrityError):
            async with database.transaction() as session:
                session.add(organisation())
                await session.flush()
                session.add(
                    Patient(patient_id=uuid4(), organisation_id=uuid4(), revision=0, created_at=NOW)
                )  # of no clinic
        with pytest.raises(KeyError):
            async with database.transaction() as session:
                session.add(organisation())
                await session.flush()
                raise KeyError
        assert await names(database) == []
        await database.close()

    asyncio.run(run())


def test_many_writers_at_once_lose_nothing(database_url: str) -> None:
    async def run() -> None:
        database, other = Database(database_url), Database(database_url, pool_size=2)
        await database.migrate()

        async def write(i: int) -> None:
            async with (database, other)[i % 2].transaction() as session:
                count = await session.scalar(sa.select(sa.func.count()).select_from(Organisation))
                session.add(organisation(f"{i:02d} after {count}"))

        await asyncio.gather(*(write(i) for i in range(40)))
        assert len(await names(database)) == 40
        await database.close()
        await other.close()

    asyncio.run(run())


def test_a_snapshot_sees_one_moment_and_writes_nothing(database_url: str) -> None:
    async def run() -> None:
        database = Database(database_url)
        await database.migrate()
        count = sa.select(sa.func.count()).select_from(Organisation)
        async with database.snapshot() as reading:
            assert await reading.scalar(count) == 0
            async with database.transaction() as session:
                session.add(organisation())
            assert await reading.scalar(count) == 0
        assert len(await names(database)) == 1
        with contextlib.suppress(DBAPIError):  # PostgreSQL refuses; SQLite forgets
            async with database.snapshot() as reading:
                reading.add(organisation())
                await reading.flush()
        assert len(await names(database)) == 1
        await database.close()

    asyncio.run(run())


STATEMENTS = ("UPDATE audit_entries SET content = 'y'", "DELETE FROM audit_entries")


@pytest.mark.parametrize("statement", STATEMENTS)
def test_the_database_itself_refuses_to_change_the_audit(database_url: str, statement: str) -> None:
    """E12 of the attack plan."""

    async def run(database: Database) -> None:
        await database.migrate()
        async with database.transaction() as session:
            session.add(AuditEntry(sequence=1, content="x", subject=None, digest=bytes(32)))
        with pytest.raises(DBAPIError, match="append-only"):
            async with database.transaction() as session:
                await session.execute(sa.text(statement))
        async with database.snapshot() as session:
            assert await session.scalar(sa.select(AuditEntry.content)) == "x"

    async def closed() -> None:
        database = Database(database_url)
        try:
            await run(database)
        finally:
            await database.close()

    asyncio.run(closed())


@pytest.mark.weak("the triggers are dropped", "E12")
def test_the_database_is_seen_to_change_the_audit_without_its_triggers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    migrate = Database.migrate

    async def without_triggers(self: Database) -> None:
        await migrate(self)
        async with self.transaction() as session:
            for action in ("update", "delete"):
                await session.execute(sa.text(f"DROP TRIGGER audit_entries_{action}"))

    monkeypatch.setattr(Database, "migrate", without_triggers)
    for number, statement in enumerate(STATEMENTS):
        url = f"sqlite:///{tmp_path}/{number}.db"
        must_fail(test_the_database_itself_refuses_to_change_the_audit, url, statement)


def test_a_database_that_stops_is_a_clean_error_and_one_that_returns_is_used_again(postgres: Postgres) -> None:
    async def run() -> None:
        database = Database(postgres.new_database())
        await database.migrate()
        postgres.stop()
        try:
            for _ in range(3):
                with pytest.raises(ServiceUnavailableError, match="does not answer") as caught:
                    await names(database)
                assert "postgres" not in str(caught.value)
        finally:
            postgres.start()
        async with database.transaction() as session:
            session.add(organisation())
        assert await names(database) == ["Clinic"]
        await database.close()

    asyncio.run(run())


def test_a_locked_file_is_a_clean_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def run() -> None:
        monkeypatch.setattr("novamind.infrastructure.database.WAIT_SECONDS", 0.1)
        database = Database(f"sqlite:///{tmp_path}/novamind.db")
        await database.migrate()
        async with database.transaction():
            with pytest.raises(ServiceUnavailableError, match="does not answer"):
                async with database.transaction():
                    pass
        await database.close()

    asyncio.run(run())


def test_work_that_waits_for_a_silent_database_is_given_up_with_it() -> None:
    async def run() -> None:
        asked: list[list[int]] = []
        away = asyncio.Event()

        async def work(items: Sequence[int]) -> list[int]:
            asked.append(list(items))
            if away.is_set():
                return [2 * item for item in items]
            await away.wait()
            raise ServiceUnavailableError("the database does not answer")

        together = Batcher(work)
        first = [asyncio.ensure_future(together.do(i)) for i in (1, 2)]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        given_up, late = asyncio.ensure_future(together.do(3)), asyncio.ensure_future(together.do(4))
        await asyncio.sleep(0)
        given_up.cancel()
        away.set()
        failed = await asyncio.gather(*first, late, given_up, return_exceptions=True)
        assert [type(one).__name__ for one in failed] == ["ServiceUnavailableError"] * 3 + ["CancelledError"]
        assert await asyncio.gather(*(together.do(i) for i in (5, 6))) == [10, 12]
        assert asked == [[1, 2], [5, 6]]

    asyncio.run(run())


@pytest.mark.parametrize("url", ["mysql://user:CANARY@host/name", "CANARY", ""])
def test_another_database_is_refused_without_repeating_its_url(url: str) -> None:
    with pytest.raises(ValidationError, match="sqlite") as caught:
        Database(url)
    assert "CANARY" not in str(caught.value)
    assert with_driver("postgresql+asyncpg://u:p@h/d", sqlite="sqlite", postgresql="postgresql+pg8000") == (
        "postgresql+pg8000://u:p@h/d"
    )


# --- what a connection is opened with, and what an error of the database is called ---


@pytest.mark.parametrize(
    ("url", "driver", "options"),
    [
        ("sqlite:///x.db", "sqlite+aiosqlite", {"isolation_level": None, "timeout": 5}),
        (
            "postgresql://u:secret@h/d?ssl=verify-full",
            "postgresql+asyncpg",
            {"timeout": 5, "command_timeout": 60, "server_settings": {"application_name": "novamind"}},
        ),
        ("postgresql+psycopg://u:secret@h/d", "postgresql+asyncpg", None),
    ],
)
def test_an_engine_is_made_with_this(
    url: str, driver: str, options: dict[str, Any] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[tuple[str, dict[str, Any]]] = []
    create = module.create_async_engine

    def noted(url: str, **given: Any) -> Any:
        made.append((url, given))
        return create(url, **given)

    monkeypatch.setattr(module, "create_async_engine", noted)
    database = Database(url, pool_size=3)
    assert database.is_sqlite is url.startswith("sqlite")
    ((given_url, given),) = made
    assert given_url.startswith(f"{driver}://")
    assert ("secret" in given_url) is ("secret" in url)
    connect = given.pop("connect_args")
    assert options in (None, connect)
    assert given == {"pool_size": 3, "max_overflow": 3, "pool_timeout": 5}
    made.clear()
    Database(url)
    assert made[0][1]["pool_size"] == 8


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:"])
def test_a_database_in_memory_is_one_for_all(url: str) -> None:
    async def run() -> None:
        database = Database(url)
        await database.migrate()
        async with database.transaction() as session:
            session.add(organisation())
        assert await names(database) == ["Clinic"]
        await database.close()

    asyncio.run(run())


def test_a_missing_driver_is_told_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*_: object, **__: object) -> None:
        raise ModuleNotFoundError("asyncpg")

    monkeypatch.setattr(module, "create_async_engine", missing)
    with pytest.raises(ServiceUnavailableError, match="PostgreSQL needs the extra 'postgres'"):
        Database("postgresql://h/d")


def test_sqlite_syncs_overwrites_and_checks_keys(clinic: Clinic) -> None:
    """https://www.sqlite.org/pragma.html: synchronous 2 is FULL."""

    async def pragmas() -> list[Any]:
        async with clinic.foundation.database.snapshot() as session:
            wanted = ("journal_mode", "synchronous", "foreign_keys", "secure_delete")
            return [await session.scalar(sa.text(f"PRAGMA {name}")) for name in wanted]

    assert clinic.run(pragmas()) == ["wal", 2, 1, 1]


def test_writers_take_the_lock_at_once_and_readers_do_not(clinic: Clinic) -> None:
    said: list[str] = []
    database = clinic.foundation.database
    sa.event.listen(
        database.engine.sync_engine,
        "before_cursor_execute",
        lambda _c, _cursor, statement, *_: said.append(statement),
    )

    async def work() -> None:
        async with database.transaction():
            pass
        async with database.snapshot():
            pass

    clinic.run(work())
    assert said == ["BEGIN IMMEDIATE", "BEGIN"]


def test_what_was_read_stays_readable_and_nothing_of_it_is_written(clinic: Clinic) -> None:
    clinic.organisation()
    (row,) = clinic.rows(Organisation)
    row.name = "changed"
    assert clinic.rows(Organisation)[0].name == "Clinic"

    async def change() -> None:
        async with clinic.foundation.database.snapshot() as session:
            (await session.scalars(sa.select(Organisation))).one().name = "changed"

    clinic.run(change())
    assert clinic.rows(Organisation)[0].name == "Clinic"


class SorryError(Exception):
    """What PostgreSQL says."""

    def __init__(self, state: str | None) -> None:
        super().__init__("sorry")
        self.sqlstate = state


@pytest.mark.parametrize(
    ("state", "kind", "away", "not_now"),
    [
        # Appendix A of PostgreSQL's documentation, by class
        ("08006", DBAPIError, False, True),  # connection failure
        ("40001", DBAPIError, False, True),  # serialization failure
        ("53300", DBAPIError, False, True),  # too many connections
        ("57P01", DBAPIError, False, True),  # admin shutdown
        ("58030", DBAPIError, False, True),  # I/O error
        ("23505", DBAPIError, False, False),  # unique violation
        ("42P01", DBAPIError, False, False),  # undefined table
        (None, DBAPIError, False, False),
        (None, DBAPIError, True, True),
        (None, OperationalError, False, True),
        (None, InterfaceError, False, True),
        ("25006", DBAPIError, False, "writing"),  # read-only transaction: a standby, to whoever writes
    ],
)
def test_that_it_cannot_now_is_told_apart_from_a_wrong_statement(
    clinic: Clinic, state: str | None, kind: type[DBAPIError], away: bool, not_now: bool | str
) -> None:
    error = kind("SELECT", None, SorryError(state), connection_invalidated=away)
    assert module._is_unavailable(error) is (not_now is True)

    async def raised(unit: Any) -> str:
        try:
            async with unit():
                raise error
        except (DBAPIError, ServiceUnavailableError) as caught:
            return type(caught).__name__

    database = clinic.foundation.database
    expected = {True: ("ServiceUnavailableError",) * 2, False: (kind.__name__,) * 2}.get(
        not_now, ("ServiceUnavailableError", kind.__name__)
    )
    assert (clinic.run(raised(database.transaction)), clinic.run(raised(database.snapshot))) == expected


@pytest.mark.parametrize("error", [TimeoutError, ConnectionResetError])
def test_silence_within_a_unit_is_the_databases(clinic: Clinic, error: type[Exception]) -> None:
    async def work() -> None:
        async with clinic.foundation.database.transaction():
            raise error

    with pytest.raises(ServiceUnavailableError, match="the database does not answer; try again in a moment"):
        clinic.run(work())


def test_a_unit_on_postgresql_ends_after_its_patience(postgres: Postgres) -> None:
    async def run() -> None:
        database = Database(postgres.new_database())
        with pytest.raises(ServiceUnavailableError, match="does not answer"):
            async with database.transaction(0.2) as session:
                await session.execute(sa.text("SELECT pg_sleep(600)"))
        async with database.snapshot() as session:
            isolation = await session.scalar(sa.text("SHOW transaction_isolation"))
            read_only = await session.scalar(sa.text("SHOW transaction_read_only"))
        assert (isolation, read_only) == ("repeatable read", "on")
        await database.close()

    asyncio.run(run())


def test_patience_is_three_seconds_for_callers_and_an_hour_for_maintenance() -> None:
    assert (module.PATIENCE_SECONDS, module.MAINTENANCE_SECONDS, module.WAIT_SECONDS) == (3.0, 3600.0, 5)


def test_64_are_done_at_once_each_with_their_own_answer() -> None:
    async def run() -> None:
        batches: list[int] = []

        async def work(items: Sequence[int]) -> list[int | Exception]:
            batches.append(len(items))
            await asyncio.sleep(0)
            return [KeyError(item) if item % 50 == 7 else item * 2 for item in items]

        together = Batcher(work)
        answers = await asyncio.gather(*(together.do(i) for i in range(130)), return_exceptions=True)
        assert batches == [64, 64, 2]
        assert [i for i, answer in enumerate(answers) if isinstance(answer, KeyError)] == [7, 57, 107]
        assert [answer for answer in answers if not isinstance(answer, KeyError)] == [
            2 * i for i in range(130) if i % 50 != 7
        ]

        async def fails(items: Sequence[int]) -> list[int]:
            batches.append(len(items))
            raise ValueError("statement")

        failing = Batcher(fails, most=2)
        batches.clear()
        answers = await asyncio.gather(*(failing.do(i) for i in range(3)), return_exceptions=True)
        assert [type(answer) for answer in answers] == [ValueError] * 3
        assert batches == [2, 1]  # another's statement may be right

    asyncio.run(run())


def test_rows_whose_key_is_there_are_left_alone(clinic: Clinic) -> None:
    first, second = uuid4(), uuid4()

    def row(number: Any, name: str) -> dict[str, Any]:
        return {"organisation_id": number, "name": name, "created_at": NOW}

    async def work() -> list[Any]:
        key = Organisation.__table__.c.organisation_id
        async with clinic.foundation.database.transaction() as session:
            return [
                await insert_missing(session, Organisation, **row(first, "a")),
                await insert_missing(session, Organisation, **row(first, "b")),
                await insert_all_missing(session, Organisation, key, [row(first, "c"), row(second, "d")]),
            ]

    assert clinic.run(work()) == [True, False, {second}]
    assert sorted(one.name for one in clinic.rows(Organisation)) == ["a", "d"]


def test_an_instant_of_another_zone_is_stored_in_utc_whatever_the_database_keeps() -> None:
    kind, dialect = module.UtcDateTime(), sqlite.dialect()
    there = NOW.astimezone(timezone(timedelta(hours=-3)))
    stored = kind.process_bind_param(there, dialect)
    assert stored == NOW
    assert stored is not None
    assert stored.utcoffset() == timedelta(0)
    for given in (NOW.replace(tzinfo=None), there):
        back = kind.process_result_value(given, dialect)
        assert back is not None
        assert (back, back.utcoffset()) == (NOW, timedelta(0))
    assert kind.process_bind_param(None, dialect) is kind.process_result_value(None, dialect) is None
    with pytest.raises(ValidationError, match="a stored time needs a timezone"):
        kind.process_bind_param(NOW.replace(tzinfo=None), dialect)


def test_a_url_keeps_all_but_its_driver() -> None:
    drivers = {"sqlite": "sqlite+a", "postgresql": "postgresql+b"}
    assert with_driver("sqlite:////var/x.db?timeout=3", **drivers) == "sqlite+a:////var/x.db?timeout=3"
    assert with_driver("postgresql://u:p@h:5/d?ssl=x", **drivers) == "postgresql+b://u:p@h:5/d?ssl=x"
    with pytest.raises(ValidationError, match="must begin with sqlite:// or postgresql://"):
        with_driver("mysql://h/d", **drivers)
    with pytest.raises(ValidationError, match="must read sqlite:///file or postgresql://host/name"):
        with_driver("nonsense", **drivers)
