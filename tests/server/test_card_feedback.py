"""Feedback on cards: sealed, bound to its place, told to the audit, kept for a year."""

import json
import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import sqlalchemy as sa
from typer.testing import CliRunner

from novamind.cli import app
from novamind.errors import DataProcessingError
from novamind.infrastructure import commands
from novamind.infrastructure.audit import Access
from novamind.infrastructure.card_feedback import KEPT, CardFeedbackStore
from novamind.infrastructure.tables import CardFeedback
from tests.server.world import World

ACCESS = Access(actor="ehr", role="service", purpose="calculate", correlation_id="c")
OUTCOME = {"card": str(uuid4()), "outcome": "overridden", "overrideReason": {"userComment": "her sister had it"}}


@pytest.fixture
def store(sqlite_world: World) -> CardFeedbackStore:
    foundation = sqlite_world.container.foundation
    return CardFeedbackStore(foundation.database, foundation.audit, foundation.keys.index)


def change(world: World, **values: object) -> None:
    async def work() -> None:
        async with world.container.foundation.database.transaction() as session:
            await session.execute(sa.update(CardFeedback).values(**values))

    world.run(work())


def empty(world: World) -> None:
    async def work() -> None:
        async with world.container.foundation.database.transaction() as session:
            await session.execute(sa.delete(CardFeedback))

    world.run(work())


def test_what_is_kept_comes_back_in_order_and_nothing_of_it_is_in_the_open(
    sqlite_world: World, store: CardFeedbackStore
) -> None:
    empty(sqlite_world)
    second = OUTCOME | {"outcome": "accepted"}
    sqlite_world.run(store.keep(uuid4(), ACCESS, [OUTCOME]))
    sqlite_world.run(store.keep(uuid4(), ACCESS, [second]))
    assert sqlite_world.run(store.read(ACCESS)) == [OUTCOME, second]
    url = str(sqlite_world.container.settings.database_url.get_secret_value())
    with sqlite3.connect(Path(url.partition("///")[2])) as database:
        rows = database.execute("SELECT * FROM card_feedback").fetchall()
    assert len(rows) == 2
    for word in (b"sister", b"overridden", OUTCOME["card"].encode()):  # type: ignore[attr-defined]
        assert not any(word in bytes(row[2]) for row in rows)


def test_the_shell_prints_a_line_for_each(
    sqlite_world: World, store: CardFeedbackStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    empty(sqlite_world)
    sqlite_world.run(store.keep(uuid4(), ACCESS, [OUTCOME, OUTCOME]))

    def with_foundation(work: Any) -> Any:
        return sqlite_world.run(work(sqlite_world.container.foundation))

    monkeypatch.setattr(commands, "_with_foundation", with_foundation)
    printed = CliRunner().invoke(app, ["feedback"])
    assert [json.loads(line) for line in printed.output.splitlines()] == [OUTCOME, OUTCOME]


def test_an_owner_cannot_be_exchanged_nor_a_text_altered(sqlite_world: World, store: CardFeedbackStore) -> None:
    for values in ({"owner": uuid4()}, {"payload": b"x" * 64}):
        empty(sqlite_world)
        sqlite_world.run(store.keep(uuid4(), ACCESS, [OUTCOME]))
        change(sqlite_world, **values)
        with pytest.raises(DataProcessingError, match="altered"):
            sqlite_world.run(store.read(ACCESS))
    empty(sqlite_world)


@pytest.mark.parametrize(("older", "left"), [(timedelta(minutes=1), 1), (-timedelta(minutes=1), 2)])
def test_what_is_older_than_a_year_goes_when_more_comes(
    sqlite_world: World, store: CardFeedbackStore, older: timedelta, left: int
) -> None:
    empty(sqlite_world)
    sqlite_world.run(store.keep(uuid4(), ACCESS, [OUTCOME]))
    change(sqlite_world, received_at=datetime.now(UTC) - KEPT - older)
    sqlite_world.run(store.keep(uuid4(), ACCESS, [OUTCOME]))
    assert len(sqlite_world.run(store.read(ACCESS))) == left


def test_a_client_sends_feedback_and_a_form_that_is_none_is_refused(
    sqlite_world: World, store: CardFeedbackStore
) -> None:
    empty(sqlite_world)
    at, timed = "/cds-services/novamind-order-sign/feedback", {"outcomeTimestamp": "2026-03-29T08:00:00Z"}
    reason = {"reason": {"code": "benefit-outweighs", "system": "urn:novamind:override"}, "userComment": "she is well"}
    sent = {"card": str(uuid4()), "outcome": "overridden", "overrideReason": reason, **timed}
    answer = sqlite_world.call("POST", at, "service1", json={"feedback": [sent]})
    assert (answer.status_code, answer.json()) == (200, {"kept": 1})
    assert sqlite_world.run(store.read(ACCESS)) == [{"hook": "order-sign", **sent}]
    for wrong in ({}, {"feedback": []}, {"feedback": [sent | {"outcome": "liked"}]}, {"feedback": [sent] * 101}, []):
        assert sqlite_world.call("POST", at, "service1", json=wrong).status_code == 422
    assert sqlite_world.call("POST", at, json={"feedback": [sent]}).status_code == 401
    assert sqlite_world.call("POST", at.replace("sign", "x"), "service1", json={"feedback": [sent]}).status_code == 422
    assert len(sqlite_world.run(store.read(ACCESS))) == 1
