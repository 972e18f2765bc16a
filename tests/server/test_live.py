"""A socket shows what a new report changes, whichever worker stored it."""

import asyncio
from datetime import date, timedelta
from typing import Any

import pytest

from novamind.server import live
from tests.patience import patient
from tests.server.world import Socket, World


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "TICK_SECONDS", 0.05)


async def ticket(world: World, who: str = "C12", patient: str = "P3") -> str:
    got = await world.acall("POST", "/api/v1/live/tickets", who, json={"patient_id": world.patients[patient]})
    assert got.status_code == 201, got.text
    return str(got.json()["ticket"])


async def report(world: World, day: str, value: int, who: str = "C12", patient: str = "P3", worker: int = 0) -> None:
    reports = [{"symptom": "PHQ-9", "timestamp": f"{day}T08:00:00+02:00", "value": value}]
    at = f"/api/v1/patients/{world.patients[patient]}/reports"
    assert (await world.acall("POST", at, who, worker, json={"reports": reports})).status_code == 201


def test_a_new_report_brings_the_forecast_that_rest_gives(world: World) -> None:
    async def work() -> list[Any]:
        socket = Socket(world, worker=1)
        socket.say({"ticket": await ticket(world)})
        told = [await socket.hear()]
        last = date.fromisoformat(told[0]["forecasts"][0]["history_until"])
        for days, value in ((1, 12), (2, 13)):
            await report(world, (last + timedelta(days)).isoformat(), value)
            told.append(await socket.hear())
            at = f"/api/v1/patients/{world.patients['P3']}/forecast"
            told.append({"type": "forecast", **(await world.acall("GET", at, "C12")).json()})
        socket.leave()
        await socket.served
        return told

    first, second, rest_second, third, rest_third = world.run(work())
    assert first["type"] == "forecast"
    assert second == rest_second
    assert third == rest_third
    until = [date.fromisoformat(one["forecasts"][0]["history_until"]) for one in (first, second, third)]
    assert until == [until[0] + timedelta(days) for days in (0, 1, 2)]


def test_what_changes_no_forecast_is_not_told(world: World) -> None:
    async def work() -> Any:
        socket = Socket(world)
        socket.say({"ticket": await ticket(world, "C21", "P4")})
        await socket.hear()
        at = f"/api/v1/patients/{world.patients['P4']}/medications"
        await world.acall("POST", at, "C21", json={"medication": "lithium"})
        with pytest.raises(TimeoutError):
            await socket.hear(0.5)
        socket.leave()
        await socket.served

    world.run(work())


def test_a_record_without_a_forecast_says_why(world: World) -> None:
    async def work() -> Any:
        made = await world.acall("POST", "/api/v1/patients", "C12", json={"name": "Somebody"})
        world.patients["new"] = made.json()["ids"][0]
        socket = Socket(world)
        socket.say({"ticket": await ticket(world, "C12", "new")})
        told = await socket.hear()
        socket.leave()
        await socket.served
        return told

    told = world.run(work())
    del world.patients["new"]
    assert told["type"] == "problem"
    assert "no symptom reports" in told["detail"]


def test_open_sockets_are_counted_and_nothing_else_of_them(world: World) -> None:
    async def work() -> list[str]:
        socket = Socket(world)
        socket.say({"ticket": await ticket(world)})
        await socket.hear()
        counts = [await gauge(world)]
        socket.leave()
        await socket.served
        return [*counts, await gauge(world)]

    assert world.run(work()) == ["novamind_live_sockets 1.0", "novamind_live_sockets 0.0"]


async def gauge(world: World) -> str:
    lines = (await world.acall("GET", "/metrics", "admin")).text.splitlines()
    return next(line for line in lines if line.startswith("novamind_live_sockets"))


def test_the_database_may_go_away_and_come_back(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    from novamind.errors import ServiceUnavailableError

    clinic = type(world.container.clinic)
    asked, right = [], clinic.revision

    async def away(*_: Any) -> int:
        asked.append(1)
        raise ServiceUnavailableError("the database does not answer")

    async def work() -> str:
        socket = Socket(world)
        socket.say({"ticket": await ticket(world)})
        await socket.hear()
        monkeypatch.setattr(clinic, "revision", away)
        async with asyncio.timeout(patient(10)):
            while len(asked) < 3:
                await asyncio.sleep(0.05)
        monkeypatch.setattr(clinic, "revision", right)
        await report(world, "2026-04-03", 5)
        told = await socket.hear()
        socket.leave()
        await socket.served
        return str(told["forecasts"][0]["history_until"])

    assert world.run(work()) == "2026-04-03"
