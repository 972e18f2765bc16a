"""A day in a clinic: everything that is stored, told and published on it, and the tables in which it stands."""

import asyncio
import itertools
import re
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import numpy as np
import pyotp
import pytest
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from novamind.infrastructure.database import Base, Database
from novamind.infrastructure.events import Event, InProcessBus, Outbox
from novamind.infrastructure.identity.domain import Role
from novamind.infrastructure.jobs import Job, Jobs
from novamind.infrastructure.keys import KeyFile
from novamind.infrastructure.patient_store import Identity, Kind, Samples
from tests.golden import check_golden
from tests.infrastructure.clinic import CALLBACK, PASSWORD, SHELL, VERIFIER, Clinic, Clock
from tests.security.authenticator import Authenticator


def described(path: str) -> dict[str, str]:
    """What a SQLite file says of its tables, indexes and triggers."""

    async def read() -> dict[str, str]:
        database = Database(f"sqlite:///{path}")
        async with database.snapshot() as session:
            query = sa.text("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL AND name != 'alembic_version'")
            rows = (await session.execute(query)).all()
        await database.close()
        return {row.name: row.sql for row in rows}

    return asyncio.run(read())


def parts(statement: str) -> list[str]:
    """Columns and constraints, in one order whoever wrote them."""
    text = " ".join(statement.replace('"', "").split())
    name, _, inside = text.partition("(")
    return [name.strip(), *sorted(part.strip() for part in re.split(r",(?![^(]*\))", inside.rpartition(")")[0]))]


def migrated_and_described(template: Path) -> None:
    """Check that the migrations make what the classes describe, down to names, lengths and what may be missing."""
    engine = sa.create_engine("sqlite://")
    Base.metadata.create_all(engine)
    with engine.connect() as connection:
        rows = connection.execute(sa.text("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL")).all()
    theirs = {name: sql for name, sql in described(str(template)).items() if "TRIGGER" not in sql}
    assert {name: parts(sql) for name, sql in theirs.items()} == {row.name: parts(row.sql) for row in rows}


def test_the_tables_are_these_on_both_databases(template: Path) -> None:
    as_written(template)


def as_written(template: Path) -> None:
    """Check the tables on both databases against what is written down of them."""
    migrated_and_described(template)
    made = described(str(template))
    triggers = {name: " ".join(sql.split()) for name, sql in made.items() if "TRIGGER" in sql}
    check_golden(__file__, "triggers", triggers)
    for name, dialect in (("sqlite", sqlite.dialect()), ("postgresql", postgresql.dialect())):
        statements = {}
        for table in Base.metadata.sorted_tables:
            create = [sa.schema.CreateTable(table), *map(sa.schema.CreateIndex, sorted(table.indexes, key=str))]
            statements[table.name] = sorted(str(one.compile(dialect=dialect)).strip() for one in create)
        check_golden(__file__, f"tables-{name}", statements)
    columns = {table.name: [f"{one.name} {one.type!r}" for one in table.c] for table in Base.metadata.sorted_tables}
    check_golden(__file__, "columns", columns)


class Labels:
    """Names that change from run to run, as numbers in the order of their coming; ciphertext as its length."""

    def __init__(self) -> None:
        self._seen: dict[str, str] = {}

    def of(self, value: Any) -> Any:
        match value:
            case UUID():
                return self._label(str(value))
            case bytes():
                return f"{len(value)} bytes"
            case datetime():
                return value.astimezone(UTC).isoformat()
            case dict():
                return {key: self.of(one) for key, one in value.items()}
            case list() | tuple():
                return [self.of(one) for one in value]
            case str():
                text = re.sub(r"[0-9a-f]{8}-[0-9a-f-]{27}", lambda found: self._label(found[0]), value)
                text = re.sub(r"local:[0-9a-f]{16}", lambda found: self._label(found[0]), text)
                text = re.sub(r"[0-9a-f]{64}|^[0-9a-f]{16}$|^[\w-]{43}$", lambda found: self._label(found[0]), text)
                return re.sub(r"(\$argon2id[^ ]*?p=1\$).*", r"\1...", text)
            case _:
                return value

    def _label(self, text: str) -> str:
        return self._seen.setdefault(text, f"#{len(self._seen)}")


@pytest.fixture
def numbered(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ids in the order in which they are made."""
    numbers = itertools.count(1)
    for name, module in list(sys.modules.items()):
        if name.startswith("novamind.infrastructure") and getattr(module, "uuid4", None) is uuid4:
            monkeypatch.setattr(module, "uuid4", lambda: UUID(int=next(numbers)))


@pytest.mark.usefixtures("numbered")
def test_a_day_in_a_clinic(clinic: Clinic, clock: Clock, template: Path) -> None:
    heard: list[Event] = []
    store, identity, run = clinic.foundation.store, clinic.identity, clinic.run
    accounts, sessions = identity.accounts, identity.sessions
    here = clinic.organisation("Nordhaus")
    ada = clinic.user("Ada", organisation=here)
    patients = []
    for n in range(2):
        clock.move(60)
        patients.append(run(store.register(here, Identity({"mrn": f"{n}", "email": f"{n}@x.org"}, {"n": n}), SHELL)))
        run(store.relate(ada, patients[-1], SHELL))
    one, two = patients
    app = clinic.app()
    tokens = clinic.log_in(app, "Ada")
    who = clinic.whoever(tokens.access_token, one)
    clock.move(60)
    run(sessions.refresh(app, str(tokens.refresh_token)))
    run(sessions.exchange_code_for_cookie(app, clinic.code(app, "Ada"), VERIFIER, CALLBACK))
    totp = pyotp.TOTP(run(accounts.begin_second_factor(ada, SHELL)))
    run(accounts.confirm_second_factor(who, totp.at(clock.at), SHELL))
    keys = identity.passkeys
    keys._origin, keys._relying_party, keys.offered = "https://x.org", "x.org", True
    key = Authenticator("https://x.org", "x.org", credential_id=b"k" * 32)
    run(keys.add(who, key.create(run(keys.options_to_add(who))), SHELL))
    run(sessions.use_ticket(run(sessions.new_ticket(who, one))))
    run(identity.access.open_emergency(who, two, "found unconscious"))
    made = run(accounts.add_client("gateway", SHELL, role=Role.SERVICE, organisation_id=here, scopes=["fhir:read"]))
    run(accounts.add_api_key(made.client_id, timedelta(days=1), SHELL, here))
    clock.move(60)
    access = run(identity.access.permit_patient(who, "records:write", one))  # type: ignore[arg-type]
    run(store.append(one, Kind.NOTE, [{"n": 1}, {"n": 2}], access, idempotency_key="k"))
    run(store.append(one, Kind.NOTE, [{"n": 1}, {"n": 2}], access, idempotency_key="k"))
    hours = np.arange(5, dtype=np.int64) * 3_600_000
    run(store.append(one, Kind.BIOMETRIC_SAMPLES, [Samples("heart_rate", "1/min", hours, hours / 1e6)], access))
    first = run(store.read(one, Kind.NOTE, access))[0]
    clock.move(60)
    run(store.amend(one, first, {"n": 3}, access))
    run(store.decide(two, "genomics", False, access))
    run(store.unrelate(ada, two, access))
    run(store.find(here, "mrn", "0", access))
    run(store.find(here, "mrn", "7", access))
    bus = InProcessBus()

    async def hear(event: Event) -> None:
        heard.append(event)

    bus.subscribe("note.added", hear)
    run(Outbox(clinic.foundation.database, bus).dispatch(3))
    jobs = Jobs(clinic.foundation.database, {"train": lambda asked: asyncio.sleep(0, dict(asked))})
    run(jobs.submit("train", ada, {"seed": 7}))
    run(jobs.step())
    encryption, rotation = clinic.foundation.keys.encryption, clinic.foundation.rotation(SHELL)
    assert isinstance(encryption, KeyFile)
    encryption.add()
    run(rotation.rewrap())
    run(rotation.renew_data_keys(clock.at))
    run(rotation.retire())
    run(clinic.foundation.audit.checkpoint())
    labels, everything = Labels(), {}
    for table in Base.metadata.sorted_tables:
        numbers = [column for column in table.primary_key if isinstance(column.type, sa.Uuid | sa.Integer)]
        order = numbers or [table.c[name] for name in ("created_at", "ends_at", "expires_at") if name in table.c]
        rows = run(_rows(clinic, table, order))
        everything[table.name] = rows
    stable = [
        "organisations",
        "users",
        "patients",
        "audit_entries",
    ]  # first those whose order is fixed: they give names
    told = {name: labels.of(everything[name]) for name in dict.fromkeys((*stable, *everything))}
    told = {name: sorted(rows, key=str) if name not in stable else rows for name, rows in told.items()}
    check_golden(__file__, "a-day", told)
    assert [(event.kind, event.patient_id, len(event.record_ids)) for event in heard] == [("note.added", one, 2)]
    run(clinic.foundation.retention.forget(one, SHELL))
    left = {table.name: len(run(_rows(clinic, table, []))) for table in Base.metadata.sorted_tables}
    check_golden(__file__, "a-day-forgotten", left)
    assert clinic.rows(Job)
    assert PASSWORD not in str(told)
    as_written(template)


async def _rows(clinic: Clinic, table: sa.Table, order: list[Any]) -> list[dict[str, Any]]:
    async with clinic.foundation.database.snapshot() as session:
        found = await session.execute(sa.select(table).order_by(*order))
        return [dict(row._mapping) for row in found]


@pytest.mark.parametrize("statement", ["CREATE TABLE t (a INTEGER NOT NULL, b VARCHAR(3))"])
def test_a_description_is_the_same_in_another_order(statement: str) -> None:
    assert parts(statement) == parts("CREATE TABLE t (\n b VARCHAR(3),\n a INTEGER NOT NULL)")
    assert parts(statement) != parts(statement.replace("3", "4"))
    assert parts(statement) != parts(statement.replace(" NOT NULL", ""))
