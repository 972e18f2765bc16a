"""One database room for two databases: times, transactions, concurrent writers, migrations, clean errors."""

import asyncio
import contextlib
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from uuid import uuid4

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy.exc import DBAPIError, IntegrityError

from novamind.errors import ServiceUnavailableError, ValidationError
from novamind.infrastructure.database import Base, Database, Together, with_driver
from novamind.infrastructure.tables import AuditEntry, Organisation, Patient
from tests.conftest import Postgres
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

        together = Together(work)
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
