"""C14 of the attack plan, and its parts about sockets elsewhere: who watches is known, allowed and bounded."""

import asyncio
import json
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
import uvicorn
import websockets

from novamind.infrastructure.identity.domain import Role
from novamind.infrastructure.identity.tables import Ticket
from novamind.server import live
from novamind.server.middleware import GuardMiddleware
from tests.patience import patient
from tests.security.test_authorisation import EVERYBODY, LIST
from tests.server.test_live import quick, ticket
from tests.server.world import BASE, Socket, World

__all__ = ["quick"]


def first_word(world: World, said: Any, **options: Any) -> dict[str, Any]:
    """What a socket hears after its first message."""

    async def work() -> dict[str, Any]:
        socket = Socket(world, **options)
        socket.say(said)
        told = await socket.hear()
        socket.leave()
        await socket.served
        return told

    return dict(world.run(work()))


def test_a01_a_socket_without_a_ticket_hears_nothing(world: World) -> None:
    for said in ("", "{}", "null", "[" * 1000, {"ticket": ""}, {"ticket": 7}, {"ticket": "x" * 43}, {"token": "x"}):
        assert first_word(world, said) == {"closed": 4401}, said
    for token in (world.tokens["C11"], world.refresh_tokens["C11"]):
        assert first_word(world, {"ticket": token[:200]}) == {"closed": 4401}


def test_c14_a_ticket_is_good_once_and_for_seconds(world: World) -> None:
    async def work() -> list[Any]:
        one = await ticket(world)
        told = []
        for worker in (0, 1):
            socket = Socket(world, worker)
            socket.say({"ticket": one})
            told.append(await socket.hear())
            socket.leave()
            await socket.served
        late = await ticket(world)
        async with world.container.foundation.database.transaction() as session:
            await session.execute(sa.update(Ticket).values(expires_at=datetime.now(UTC) - timedelta(seconds=1)))
        socket = Socket(world)
        socket.say({"ticket": late})
        told.append(await socket.hear())
        await ticket(world)
        async with world.container.foundation.database.snapshot() as session:
            told.append(await session.scalar(sa.select(sa.func.count()).select_from(Ticket)))
        return told

    first, second, late, kept = world.run(work())
    assert first["type"] == "forecast"
    assert second == late == {"closed": 4401}
    assert kept == 1


def test_c14_of_twenty_that_use_one_ticket_at_once_one_gets_in(world: World) -> None:
    async def work() -> list[Any]:
        one = await ticket(world)
        sockets = [Socket(world, i % 2) for i in range(20)]
        for socket in sockets:
            socket.say({"ticket": one})
        told = [await socket.hear() for socket in sockets]
        for socket in sockets:
            socket.leave()
            await socket.served
        return told

    told = world.run(work())
    assert sum(one.get("type") == "forecast" for one in told) == 1
    assert sum(one == {"closed": 4401} for one in told) == 19


def tickets_given(world: World) -> set[tuple[str, str]]:
    given = set()
    for who in EVERYBODY:
        for name, patient_id in world.patients.items():
            answer = world.call("POST", "/api/v1/live/tickets", who, json={"patient_id": patient_id})
            assert answer.status_code in (201, 403, 404)
            if answer.status_code == 201:
                given.add((who, name))
    return given


def test_b01_tickets_are_given_for_ones_own_patients(world: World) -> None:
    assert tickets_given(world) == {(who, patient) for who, theirs in LIST.items() for patient in theirs}


@pytest.mark.parametrize(
    "origin",
    [
        None,
        "null",
        "https://evil.example",
        f"{BASE}.evil.example",
        f"{BASE}/",
        "http://127.0.0.1:80001",
        "http://localhost",
    ],
)
def test_c14_other_origins_do_not_get_as_far_as_a_ticket(world: World, origin: str | None) -> None:
    async def work() -> Any:
        one = await ticket(world)
        socket = Socket(world, origin=origin)
        socket.say({"ticket": one})
        told = await socket.hear()
        still = Socket(world)
        still.say({"ticket": one})
        good = await still.hear()
        still.leave()
        await still.served
        return told, good

    told, good = world.run(work())
    assert told == {"closed": 1008}
    assert good["type"] == "forecast"


def test_c14_other_hosts_and_secrets_in_the_address_are_refused(world: World) -> None:
    assert first_word(world, "{}", host="evil.example") == {"closed": 1008}
    for query in (b"token=" + world.tokens["C11"].encode(), b"ticket=x", b"x"):
        assert first_word(world, "{}", query=query) == {"closed": 1008}


@pytest.mark.weak("the door asks no socket whence it comes", "C14")
def test_c14_the_test_finds_a_door_that_asks_no_origin(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    async def anybody(self: GuardMiddleware, *scope: Any) -> None:
        await self._app(*scope)

    monkeypatch.setattr(GuardMiddleware, "_socket", anybody)
    told = first_word(world, {"ticket": world.run(ticket(world))}, origin="https://evil.example")
    assert told["type"] == "forecast"


def ended(world: World, name: str, how: str) -> float:
    """Seconds from the end of somebody's right to the end of their socket."""

    async def work() -> tuple[Any, float]:
        socket = Socket(world, worker=1)
        socket.say({"ticket": await ticket(world, name, "P3")})
        assert (await socket.hear())["type"] == "forecast"
        user, patient = world.users[name], world.patients["P3"]
        calls = {
            "treatment": ("DELETE", f"/api/v1/users/{user}/patients/{patient}", "admin", {}),
            "logout": ("POST", "/oauth/logout", name, {}),
            "password": ("PUT", "/api/v1/me/password", name, {"json": {"password": "another long password"}}),
            "role": ("PUT", f"/api/v1/users/{user}/role", "admin", {"json": {"role": "researcher"}}),
            "disabled": ("DELETE", f"/api/v1/users/{user}", "admin", {}),
        }
        method, path, who, options = calls[how]
        assert (await world.acall(method, path, who, **options)).status_code == 204
        began = time.monotonic()
        return await socket.hear(), time.monotonic() - began

    told, seconds = world.run(work())
    assert told == {"closed": 4403 if how == "treatment" else 4401}
    return float(seconds)


@pytest.mark.parametrize("how", ["treatment", "logout", "password", "role", "disabled"])
def test_a15_b05_a_socket_ends_with_the_right_to_it(world: World, how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if how == "treatment":
        monkeypatch.setattr(live, "TICK_SECONDS", 2.0)  # as it is served
    name = f"watching-{how}"
    world.add_user(name, Role.CLINICIAN, world.organisations[0])
    world.log_in(name)
    treats = f"/api/v1/users/{world.users[name]}/patients/{world.patients['P3']}"
    assert world.call("PUT", treats, "admin").status_code == 204
    assert ended(world, name, how) < patient(5)


def test_c14_a_socket_that_says_too_much_is_closed(world: World) -> None:
    async def flood(*said: str) -> Any:
        socket = Socket(world)
        socket.say({"ticket": await ticket(world)})
        await socket.hear()
        for one in said:
            socket.say(one)
        return await socket.hear()

    assert world.run(flood(*["alive"] * (live.MESSAGES + 1))) == {"closed": 1008}
    assert world.run(flood("x" * (live.MESSAGE_BYTES + 1))) == {"closed": 1009}
    assert first_word(world, "x" * 100_000) == {"closed": 1009}


def test_c14_a_socket_that_says_nothing_is_closed(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "FIRST_MESSAGE_SECONDS", 0.1)

    async def silent() -> list[Any]:
        sockets = [Socket(world, i % 2) for i in range(100)]
        return [await socket.hear() for socket in sockets]

    assert world.run(silent()) == [{"closed": 1001}] * 100
    monkeypatch.setattr(live, "FIRST_MESSAGE_SECONDS", patient(5))
    monkeypatch.setattr(live, "IDLE_SECONDS", 1.0)

    async def falls_asleep() -> Any:
        socket = Socket(world)
        socket.say({"ticket": await ticket(world)})
        await socket.hear()
        return await socket.hear()

    assert world.run(falls_asleep()) == {"closed": 1001}


def test_c14_nobody_opens_too_many(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    async def work(count: int) -> list[Any]:
        sockets = []
        for _ in range(count):
            socket = Socket(world)
            socket.say({"ticket": await ticket(world)})
            sockets.append((socket, await socket.hear()))
        for socket, _ in sockets:
            socket.leave()
            await socket.served
        return [told.get("type", told.get("closed")) for _, told in sockets]

    most = live.MOST_SOCKETS_EACH
    assert world.run(work(most + 2)) == ["forecast"] * most + [1013] * 2
    assert world.run(work(1)) == ["forecast"]
    monkeypatch.setattr(live, "MOST_SOCKETS", 2)
    assert world.run(work(3)) == ["forecast"] * 2 + [1013]


def test_c14_a_slow_reader_is_closed_and_nothing_piles_up(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "SEND_SECONDS", 0.2)

    async def work() -> tuple[int, bool]:
        socket = Socket(world, most_unread=1)  # the acceptance lies there, unread, and nothing more fits
        socket.say({"ticket": await ticket(world)})
        await asyncio.wait_for(socket.served, patient(20))
        return socket._sent.qsize(), socket.served.done()

    assert world.run(work()) == (1, True)


def test_c14_an_api_key_gets_no_ticket(world: World) -> None:
    client = world.call("POST", "/api/v1/clients", "admin", json={"name": "watcher", "role": "service"}).json()["id"]
    key = world.call("POST", f"/api/v1/clients/{client}/keys", "admin", json={}).json()["key"]
    body = {"patient_id": world.patients["P1"]}
    assert world.call("POST", "/api/v1/live/tickets", key, json=body).status_code == 403


def test_c14_over_a_real_connection_large_frames_and_compression_are_refused(world: World) -> None:
    config = uvicorn.Config(
        world.apps[0],
        port=0,
        lifespan="off",
        log_config=None,
        ws_max_size=live.FRAME_BYTES,
        ws_per_message_deflate=False,
    )

    async def work() -> tuple[Any, str, int | None, int]:
        server = uvicorn.Server(config)
        serving = asyncio.ensure_future(server._serve())
        async with asyncio.timeout(patient(20)):
            while not server.started:
                await asyncio.sleep(0.02)
        port = server.servers[0].sockets[0].getsockname()[1]
        at = f"ws://127.0.0.1:{port}/api/v1/live"
        async with websockets.connect(at, origin=websockets.Origin(BASE)) as socket:
            extensions = socket.protocol.extensions
            await socket.send('{"ticket": "%s"}' % await ticket(world))
            told = await socket.recv()
            with pytest.raises(websockets.ConnectionClosedError):
                await socket.send("x" * 10_000_000)
                await socket.recv()
        try:
            await websockets.connect(at, origin=websockets.Origin("https://evil.example"))
            refused = 101
        except websockets.InvalidStatus as error:
            refused = error.response.status_code
        server.should_exit = True
        await serving
        return extensions, told, socket.close_code, refused

    extensions, told, code, refused = world.run(work())
    assert not extensions
    assert json.loads(told)["type"] == "forecast"
    assert code == 1009
    assert refused == 403
