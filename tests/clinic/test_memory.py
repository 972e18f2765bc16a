"""What was said of a patient is remembered in the database: once, by all workers, over a restart, by nobody's hand."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa

from novamind.clinic import service
from novamind.infrastructure.identity.domain import Role
from novamind.infrastructure.patient_store import Kind
from novamind.infrastructure.tables import Patient, Record
from tests.clinic.wire import LISTS
from tests.server.world import World

FIRST_DAY, LATER = date(2026, 3, 28), date(2026, 4, 1)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[date]:
    """The present day, which stands still until a test changes it."""
    today = [FIRST_DAY]
    monkeypatch.setattr(service, "today_in", lambda _zone: today[0])
    return today


@contextmanager
def clinic(url: str, folder: Path, before: World | None = None) -> Iterator[World]:
    """Two workers with one clinician and one patient, who reports from 1 to 28 March; or those of before, again."""
    with World(url, folder) as world:
        if before is None:
            add = world.container.foundation.store.add_organisation("Clinic", world.container.operator("test"))
            world.organisations.append(world.run(add))
            world.add_user("C11", Role.CLINICIAN, world.organisations[0])
            world.log_in("C11")
            world.patients["P"] = world.add_patient("P", "C11")
        else:
            world.tokens, world.patients = before.tokens, before.patients
        yield world


def asked(world: World, method: str, path: str, worker: int = 0, **options: Any) -> Any:
    answer = world.call(method, f"/api/v1/patients/{world.patients['P']}/{path}", "C11", worker, **options)
    assert answer.status_code < 300, answer.text
    return answer.json() if answer.content else None


def tracking(world: World, worker: int = 0) -> list[dict[str, Any]]:
    return list(asked(world, "GET", "insights", worker)["tracking"])


def report(day: date, value: float) -> dict[str, Any]:
    return {"symptom": "PHQ-9", "timestamp": f"{day.isoformat()}T08:00:00+02:00", "value": value}


def rows(world: World) -> list[Record]:
    async def read() -> list[Record]:
        async with world.container.foundation.database.snapshot() as session:
            return list(await session.scalars(sa.select(Record).where(Record.kind == Kind.INSIGHT)))

    return list(world.run(read()))


def revision(world: World) -> int:
    async def read() -> Any:
        async with world.container.foundation.database.snapshot() as session:
            return await session.scalar(sa.select(Patient.revision))

    return int(world.run(read()))


async def at_once(world: World) -> list[Any]:
    path = f"/api/v1/patients/{world.patients['P']}/insights"
    return list(await asyncio.gather(*(world.acall("GET", path, "C11", worker) for worker in (0, 1, 0, 1))))


def test_whether_forecasts_held_is_the_same_by_every_worker_and_after_a_restart(
    database_url: str, tmp_path: Path, clock: list[date]
) -> None:
    with clinic(database_url, tmp_path) as world:
        before = revision(world)
        answers = world.run(at_once(world))
        assert [one.json()["tracking"] for one in answers] == [[]] * 4
        assert len(rows(world)) == 1, "the same insights are remembered once, whoever gave them"
        assert revision(world) == before, "the record is not changed by it"

        clock[0] = LATER
        later = [report(FIRST_DAY + timedelta(days=n), value) for n, value in ((1, 10), (2, 27), (4, 11))]
        *_, wrong, last = asked(world, "POST", "reports", 1, json={"reports": later})["ids"]
        (check,) = found = tracking(world)
        assert (check["symptom"], check["made_on"], check["days"]) == ("PHQ-9", "2026-03-28", 14)
        assert (check["reports"], check["replayed"]) == (3, False)
        assert tracking(world, 1) == found
        query = "query ($id: UUID!) { patient(id: $id) { insights { tracking { madeOn reports meanError } } } }"
        body = {"query": query, "variables": {"id": world.patients["P"]}}
        over_graphql = world.call("POST", "/graphql", "C11", 1, json=body).json()["data"]["patient"]["insights"]
        assert over_graphql["tracking"] == [
            {"madeOn": "2026-03-28", "reports": 3, "meanError": pytest.approx(check["mean_error"])}
        ]
        page = world.call("GET", f"/patients/{world.patients['P']}/tracking", "C11", 1, headers={"Accept": "text/html"})
        assert "PHQ-9, made on 28 Mar 2026, 14 days" in page.text

        asked(world, "PUT", f"reports/{wrong}", json=report(FIRST_DAY + timedelta(days=2), 12))
        (corrected,) = tracking(world, 1)
        assert corrected["mean_error"] < check["mean_error"] - 3, "reports count as they are now"
        asked(world, "DELETE", f"records/{last}")
        (fewer,) = remembered = tracking(world)
        assert fewer["reports"] == 2
    with clinic(database_url, tmp_path, world) as again:
        assert [tracking(again, worker) for worker in (0, 1)] == [remembered] * 2


@pytest.mark.usefixtures("clock")
def test_nobody_reads_writes_or_withdraws_memory_by_hand_and_the_audit_tells_of_it(tmp_path: Path) -> None:
    with clinic(f"sqlite:///{tmp_path}/novamind.db", tmp_path) as world:
        told = len(world.audited())
        tracking(world)
        entries = Counter((one["actor"], one["role"], one["action"], one["what"]) for one in world.audited()[told:])
        clinician = str(world.users["C11"])
        assert entries["twin", "system", "write", "insight"] == 1
        assert entries[clinician, "clinician", "read", "insight"] == 1
        assert [what for who, _, action, what in entries if action == "write"] == ["insight"]
        told = len(world.audited())
        tracking(world)
        assert {one["action"] for one in world.audited()[told:]} == {"read"}, "what is remembered is not stored again"

        (row,) = rows(world)
        assert b"PHQ-9" not in row.payload
        for path in LISTS:
            assert str(row.record_id) not in str(asked(world, "GET", path)), path
        at = f"/api/v1/patients/{world.patients['P']}"
        for path in ("records", "imports"):
            for headers in ({}, {"If-Match": '"1"'}):
                assert world.call("DELETE", f"{at}/{path}/{row.record_id}", "C11", headers=headers).status_code == 404
        put = world.call("PUT", f"{at}/reports/{row.record_id}", "C11", json=report(FIRST_DAY, 3))
        assert put.status_code == 422, put.text
        bundle = asked(world, "GET", "fhir?with_insights=true")
        assert str(row.record_id) not in str(bundle)
        assert [one.superseded_at for one in rows(world)] == [None]

        world.run(world.container.foundation.retention.forget(UUID(world.patients["P"]), world.container.operator("x")))
        assert rows(world) == []


def test_a_later_day_is_remembered_beside_an_earlier_one_but_its_forecast_counts_once(
    tmp_path: Path, clock: list[date]
) -> None:
    with clinic(f"sqlite:///{tmp_path}/novamind.db", tmp_path) as world:
        tracking(world)
        clock[0] = FIRST_DAY + timedelta(days=1)
        tracking(world)
        assert len(rows(world)) == 2
        asked(world, "POST", "reports", json={"reports": [report(FIRST_DAY + timedelta(days=1), 10)]})
        assert [one["made_on"] for one in tracking(world)] == ["2026-03-28"]


def test_a_forecast_that_was_read_by_itself_is_looked_back_at_too_and_changes_nothing_else(
    tmp_path: Path, clock: list[date]
) -> None:
    with clinic(f"sqlite:///{tmp_path}/novamind.db", tmp_path) as world:
        before = revision(world)
        first = asked(world, "GET", "forecast?horizon=7")
        assert asked(world, "GET", "forecast?horizon=7", 1) == first
        query = "query ($id: UUID!) { patient(id: $id) { forecasts(horizon: 7) { forecasts { symptom } } } }"
        body = {"query": query, "variables": {"id": world.patients["P"]}}
        assert "errors" not in world.call("POST", "/graphql", "C11", json=body).json()
        assert len(rows(world)) == 1, "the same forecast is remembered once, whoever asked for it"
        assert revision(world) == before

        clock[0] = LATER
        asked(world, "POST", "reports", json={"reports": [report(FIRST_DAY + timedelta(days=n), 10) for n in (1, 9)]})
        insights = asked(world, "GET", "insights")
        (check,) = insights["tracking"]
        assert (check["made_on"], check["days"], check["reports"]) == ("2026-03-28", 7, 1)
        assert insights.get("changes") is None, "what was advised is compared with earlier insights only"
