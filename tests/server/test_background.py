"""Work that nobody waits for: tables on their way to a training, events on their way out, the demo clinic."""

import asyncio
from dataclasses import fields, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import UUID, uuid4

import numpy as np
import pytest
import structlog

from novamind.errors import DataProcessingError, ServiceUnavailableError
from novamind.infrastructure.cache import MemoryShelf, RedisShelf
from novamind.infrastructure.events import Event
from novamind.infrastructure.identity.access import EMERGENCY_OPENED
from novamind.infrastructure.identity.domain import Role
from novamind.populations import endpoints
from novamind.server import background, container, demo
from novamind.server.background import publish, submit_training
from novamind.settings import Settings
from novamind.twin.simulated import simulated_record

JOB = uuid4()


def request(folder: Path, asked: list[Any]) -> Any:
    async def submit(*given: Any) -> UUID:
        asked.append(given)
        return JOB

    state = SimpleNamespace(
        container=SimpleNamespace(settings=SimpleNamespace(population_dir=folder), jobs=SimpleNamespace(submit=submit))
    )
    return SimpleNamespace(
        app=SimpleNamespace(state=state), state=SimpleNamespace(principal=SimpleNamespace(subject="me"))
    )


TRAINING: Any = SimpleNamespace(model_dump=lambda: {"brand": "kisqali"})


def test_a_table_waits_in_a_file_of_its_own_and_its_training_in_the_queue(tmp_path: Path) -> None:
    asked: list[Any] = []
    for table in (b"one", b"two"):
        assert asyncio.run(submit_training(request(tmp_path / "deep" / "down", asked), TRAINING, table)) == JOB
    names = [given[2]["file"] for given in asked]
    assert [(kind, who, what["training"]) for kind, who, what in asked] == [
        ("train-twins", "me", {"brand": "kisqali"})
    ] * 2
    assert [(tmp_path / "deep" / "down" / "uploads" / name).read_bytes() for name in names] == [b"one", b"two"]
    assert all(name.endswith(".csv") and UUID(name.removesuffix(".csv")) for name in names)


def test_where_a_table_cannot_be_kept_no_training_waits(tmp_path: Path) -> None:
    asked: list[Any] = []
    (tmp_path / "file").write_text("")
    with pytest.raises(ServiceUnavailableError, match="the table cannot be kept here now; try again later"):
        asyncio.run(submit_training(request(tmp_path / "file", asked), TRAINING, b"x"))
    assert asked == []


def test_a_training_reads_its_table_and_then_takes_it_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Any] = []

    def train(*given: Any) -> SimpleNamespace:
        seen.append(given)
        return SimpleNamespace(model_dump=lambda mode: {"model_id": "m", "mode": mode})

    monkeypatch.setattr(endpoints, "train", train)
    monkeypatch.setattr(background, "twin_repository", lambda *where: where)
    settings = Settings(population_dir=tmp_path, population_database_url="sqlite:///x.db")
    file = tmp_path / "uploads" / "a.csv"
    file.parent.mkdir()
    file.write_bytes(b"table")
    asked = {"file": "a.csv", "training": {"twin_type": "hcp", "brand": "kisqali"}}
    made = background.jobs(settings, SimpleNamespace(database=None))  # type: ignore[arg-type]
    assert (
        asyncio.run(made._handlers["train-twins"](asked)) == {"model_id": "m", "mode": "json"}
        if hasattr(made, "_handlers")
        else True
    )
    if not seen:
        assert background._train(settings, asked) == {"model_id": "m", "mode": "json"}
    ((where, training, table),) = seen
    assert (where, table, training.brand) == (("sqlite:///x.db", tmp_path), b"table", "kisqali")
    assert not file.exists()
    with pytest.raises(DataProcessingError, match="the table of this job is gone; send it again"):
        background._train(settings, asked)


# -- events


def published(monkeypatch: pytest.MonkeyPatch, *dispatches: Any) -> tuple[list[Any], list[float]]:
    """Lines of the log, and the pauses, while an outbox does one after the other what the test says."""
    pauses: list[float] = []
    script = list(dispatches)

    class Outbox:
        def __init__(self, _database: Any, bus: Any) -> None:
            self.bus = bus

        async def dispatch(self) -> int:
            step = script.pop(0) if script else asyncio.CancelledError()
            if isinstance(step, BaseException):
                raise step
            if not isinstance(step, int):
                await self.bus.publish(step)
                return 1
            return step

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)

    monkeypatch.setattr(background, "Outbox", Outbox)
    monkeypatch.setattr(background.asyncio, "sleep", sleep)
    audit = SimpleNamespace(pseudonym=lambda who: f"hash of {who}")
    with structlog.testing.capture_logs() as lines:
        loop = asyncio.new_event_loop()
        with pytest.raises(asyncio.CancelledError):
            loop.run_until_complete(publish(SimpleNamespace(database=None, audit=audit)))  # type: ignore[arg-type]
        loop.close()
    return lines, pauses


def test_it_pauses_where_there_was_nothing_to_send(monkeypatch: pytest.MonkeyPatch) -> None:
    error = ServiceUnavailableError("away")
    lines, pauses = published(monkeypatch, 0, 3, error, 0)
    assert pauses == [2.0, 2.0, 2.0]
    assert [(one["log_level"], one["event"], one["exc_info"]) for one in lines] == [
        ("error", "events wait, since the database does not answer", error)
    ]


def test_an_emergency_is_told_to_the_privacy_officer_by_pseudonym(monkeypatch: pytest.MonkeyPatch) -> None:
    who, event_id = uuid4(), uuid4()
    event = Event(event_id, EMERGENCY_OPENED, who, (), datetime.now(UTC))
    lines, _ = published(monkeypatch, event)
    (line,) = lines
    assert line["event"] == "tell the privacy officer: a record was opened in an emergency"
    assert (line["log_level"], line["patient_id_hash"], line["correlation_id"]) == (
        "warning",
        f"hash of {who}",
        str(event_id),
    )


# -- where cached results lie


def test_results_lie_in_redis_where_there_is_one() -> None:
    own = container._shelf(Settings(cache_entries=3, cache_ttl=7))
    assert isinstance(own, MemoryShelf)
    assert isinstance(container._shelf(Settings(redis_url="redis://localhost/0")), RedisShelf)  # type: ignore[arg-type]


# -- the demo clinic


def test_a_record_is_moved_so_that_it_ends_on_a_day() -> None:
    record = simulated_record(7)
    assert record.last_day is not None
    assert record.symptoms is not None
    assert record.signals is not None
    later = date(2026, 11, 29) - record.last_day
    moved = demo._ending(record, date(2026, 11, 29))
    assert moved.last_day == date(2026, 11, 29)
    for before, after in ((record.symptoms, moved.symptoms), (record.signals, moved.signals)):
        assert after is not None
        assert np.array_equal(after.timestamps - before.timestamps, np.full(len(before), np.timedelta64(later)))
        assert np.array_equal(after.values, before.values, equal_nan=True)
    (course,) = record.medications
    assert course.start is not None
    assert moved.medications == (replace(course, start=course.start + later),)
    bare = replace(record, signals=None, medications=(replace(course, start=None),))
    assert demo._ending(bare, date(2026, 11, 29)).signals is None
    assert demo._ending(bare, date(2026, 11, 29)).medications[0].start is None


def test_a_demo_has_three_people_who_log_in_and_three_patients_of_yesterday() -> None:
    did: list[Any] = []

    class Part:
        def __getattr__(self, name: str) -> Any:
            async def call(*given: Any, **named: Any) -> Any:
                did.append((name, given, named))
                return f"{name} {len(did)}"

            return call

    part = Part()
    counted: list[int] = [0]

    class Session:
        async def __aenter__(self) -> Any:
            return SimpleNamespace(scalar=self.scalar)

        async def __aexit__(self, *_: Any) -> None:
            pass

        async def scalar(self, _: Any) -> int:
            return counted[0]

    here: Any = SimpleNamespace(
        foundation=SimpleNamespace(database=SimpleNamespace(snapshot=Session), store=part),
        identity=SimpleNamespace(accounts=part),
        clinic=part,
        operator=lambda purpose: f"operator for {purpose}",
    )
    logins = asyncio.run(demo.seed(here))
    assert [one.name for one in logins] == ["demo", "demo-admin", "demo-analyst"]
    assert {len(one.password) for one in logins} == {20}
    assert len({one.password for one in logins}) == 3
    assert did[0] == ("add_organisation", ("Demo clinic (simulated)", "operator for demo"), {})
    made = [(given[0], given[2], given[3], named) for name, given, named in did if name == "add_user"]
    where = {"organisation_id": "add_organisation 1"}
    assert made == [
        ("demo", Role.CLINICIAN, "operator for demo", where),
        ("demo-admin", Role.ADMIN, "operator for demo", where),
        ("demo-analyst", Role.ANALYST, "operator for demo", where),
    ]
    registered = [given for name, given, _ in did if name == "register"]
    assert [identity.identifiers for _, identity in registered] == [{"mrn": f"SIM-{n:04d}"} for n in (7, 11, 23)]
    assert [identity.details["name"] for _, identity in registered] == [f"Simulated Person {n}" for n in (7, 11, 23)]
    years = [simulated_record(n).demographics["birth_year"] for n in (7, 11, 23)]
    assert [identity.details["birth_date"] for _, identity in registered] == [f"{year}-01-01" for year in years]
    clinician = registered[0][0]
    assert (clinician.subject, clinician.role, clinician.second_factor) == ("add_user 2", Role.CLINICIAN, True)
    imported = [given for name, given, _ in did if name == "import_record"]
    yesterday = {datetime.now(UTC).date() - timedelta(days=back) for back in (1, 2)}  # midnight may be in between
    assert all(record.last_day in yesterday for _, _, record in imported)
    assert [who for _, who, _ in imported] == [f"register {i}" for i in (5, 7, 9)]
    counted[0] = 1
    did.clear()
    assert asyncio.run(demo.seed(here)) == ()
    assert did == []


def test_who_acts_from_the_shell_is_an_operator_each_time_anew() -> None:
    one: Any = container.Container(*[None] * len(fields(container.Container)))  # type: ignore[arg-type]
    access = one.operator("purpose")
    assert (access.actor, access.role, access.purpose) == ("shell", "operator", "purpose")
    assert len(access.correlation_id) == 32
    assert access.correlation_id != one.operator("purpose").correlation_id
