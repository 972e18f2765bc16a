"""A live socket, with a container and a client that a test holds: its limits, its ends, what it sends and when."""

import asyncio
import json
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest
from fastapi import FastAPI, WebSocketDisconnect
from prometheus_client import CollectorRegistry

from novamind.errors import (
    AuthenticationError,
    AuthorizationError,
    InsufficientDataError,
    NotFoundError,
    ServiceUnavailableError,
)
from novamind.infrastructure.identity.domain import Permission, Principal, Role
from novamind.server import live
from tests.patience import patient

WHO = Principal(uuid4(), uuid4(), Role.CLINICIAN, None, None, frozenset(Permission))
PATIENT = uuid4()
FORECAST = b'{"a":1}'


TICK = live.TICK_SECONDS  # as it is before a test makes it shorter


def test_the_limits_of_a_socket() -> None:
    assert (live.FRAME_BYTES, TICK, live.FIRST_MESSAGE_SECONDS) == (65536, 2.0, 5.0)
    assert (live.IDLE_SECONDS, live.SEND_SECONDS, live._WINDOW_SECONDS) == (600.0, 10.0, 10.0)
    assert (live.MOST_SOCKETS, live.MOST_SOCKETS_EACH, live.MESSAGE_BYTES, live.MESSAGES) == (200, 5, 1024, 20)
    assert (live._LARGEST_PUSH, live._HORIZON) == (1_000_000, 14)
    codes = (live.LEFT, live.IDLE, live.TOO_FAST, live.TOO_LARGE, live.TRY_LATER, live.WHO_ARE_YOU, live.NOT_YOURS)
    assert codes == (1000, 1001, 1008, 1009, 1013, 4401, 4403)


class Container:
    """Who may look, the revision, the forecast: each as a test sets it."""

    def __init__(self) -> None:
        self.revisions: list[Any] = [1]
        self.found: list[Any] = [FORECAST]
        self.session: Any = WHO
        self.ticket: Any = (WHO, PATIENT)
        self.asked: list[Any] = []
        self.clinic, self.forecasts, self.identity = self, self, SimpleNamespace(sessions=self)

    async def authenticate_session(self, session_id: Any, patient_id: Any) -> Principal:
        assert (session_id, patient_id) == (WHO.session_id, PATIENT)
        return self._given(self.session)

    async def use_ticket(self, ticket: str) -> Any:
        self.asked.append(ticket)
        return self._given(self.ticket)

    async def revision(self, principal: Any, patient_id: Any) -> tuple[str, int]:
        assert (principal, patient_id) == (WHO, PATIENT)
        return "access", self._given(self.revisions.pop(0) if len(self.revisions) > 1 else self.revisions[0])

    async def json(self, *asked: Any) -> bytes:
        assert asked == (WHO, PATIENT, 14, None)
        return bytes(self._given(self.found.pop(0) if len(self.found) > 1 else self.found[0]))

    @staticmethod
    def _given(value: Any) -> Any:
        if isinstance(value, Exception):
            raise value
        return value


class Client:
    """A socket at its other end."""

    def __init__(self, *says: Any) -> None:
        self.says: asyncio.Queue[Any] = asyncio.Queue()
        for one in says:
            self.says.put_nowait(one)
        self.got: list[str] = []
        self.closed: int | None = None
        self.most = 99
        self.stuck = False

    async def accept(self) -> None:
        pass

    async def receive(self) -> Any:
        return await self.says.get()

    async def send_text(self, text: str) -> None:
        if self.stuck:
            await asyncio.sleep(3600)
        self.got.append(text)
        if len(self.got) >= self.most:
            self.says.put_nowait({"type": "websocket.disconnect"})

    async def close(self, code: int) -> None:
        self.closed = code


LEAVE = {"type": "websocket.disconnect"}


def text(what: str) -> dict[str, Any]:
    return {"type": "websocket.receive", "text": what}


TICKET = text('{"ticket": "t"}')


def served(container: Container, client: Client, app: Any = None) -> Client:
    """The route itself, from the first message to the end."""
    router = app or live.routes(CollectorRegistry())
    (route,) = [one for one in router.routes if one.path == "/api/v1/live"]
    client.app = FastAPI()  # type: ignore[attr-defined]
    client.app.state.container = container  # type: ignore[attr-defined]

    async def run() -> None:
        async with asyncio.timeout(patient(10)):
            await route.endpoint(client)

    asyncio.run(run())
    return client


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "TICK_SECONDS", 0.001)


def test_a_forecast_is_sent_when_it_is_another_one() -> None:
    container, client = Container(), Client(TICKET)
    container.revisions = [1, 1, 2, 3, 3]
    container.found = [b'{"a":1}', b'{"a":1}', b'{"a":2}']
    client.most = 2
    served(container, client)
    assert [json.loads(one) for one in client.got] == [{"type": "forecast", "a": 1}, {"type": "forecast", "a": 2}]
    assert (client.closed, container.asked) == (1000, ["t"])


@pytest.mark.parametrize(
    "said",
    ["", "no json", '{"ticket": 3}', "{}", '{"ticket": "t", "more": 1}', json.dumps({"ticket": "x" * 201})],
)
def test_the_first_message_is_a_ticket_and_nothing_else(said: str) -> None:
    container = Container()
    assert served(container, Client(text(said))).closed == 4401
    assert container.asked == []


def test_a_ticket_of_two_hundred_characters_is_looked_at() -> None:
    container = Container()
    served(container, Client(text(json.dumps({"ticket": "x" * 200})), LEAVE))
    assert container.asked == ["x" * 200]


def test_a_ticket_may_come_as_bytes() -> None:
    container = Container()
    served(container, Client({"type": "websocket.receive", "bytes": b'{"ticket": "t"}'}, LEAVE))
    assert container.asked == ["t"]


@pytest.mark.parametrize(
    ("part", "error", "code"),
    [
        ("ticket", AuthenticationError("x"), 4401),
        ("ticket", ServiceUnavailableError("x"), 1013),
        ("session", AuthenticationError("x"), 4401),
        ("session", AuthorizationError("x"), 4403),
        ("session", NotFoundError("x"), 4403),
        ("found", AuthorizationError("x"), 4403),
        ("found", NotFoundError("x"), 4403),
    ],
)
def test_why_a_socket_is_closed(part: str, error: Exception, code: int) -> None:
    container = Container()
    setattr(container, part, [error] if part == "found" else error)
    client = served(container, Client(TICKET))
    assert (client.closed, client.got) == (code, [])


def test_while_the_database_is_away_nothing_is_sent_and_then_what_is_new() -> None:
    container, client = Container(), Client(TICKET)
    container.revisions = [ServiceUnavailableError("x"), ServiceUnavailableError("x"), 1]
    container.found = [ServiceUnavailableError("x"), FORECAST]
    client.most = 1
    served(container, client)
    assert client.got == ['{"type":"forecast","a":1}']


def test_what_cannot_be_forecast_is_said_in_its_place() -> None:
    container, client = Container(), Client(TICKET)
    container.found, client.most = [InsufficientDataError("too few reports")], 1
    served(container, client)
    assert [json.loads(one) for one in client.got] == [{"type": "problem", "detail": "too few reports"}]


@pytest.mark.parametrize(("length", "sent"), [(1_000_000, True), (1_000_001, False)])
def test_a_forecast_of_a_million_characters_is_sent_and_one_more_is_not(length: int, sent: bool) -> None:
    container, client = Container(), Client(TICKET)
    frame = len('{"type":"forecast",') + len('"a":""}')
    container.found, client.most = [b'{"a":"' + b"x" * (length - frame) + b'"}'], 1
    served(container, client)
    (told,) = [json.loads(one) for one in client.got]
    assert told["type"] == ("forecast" if sent else "problem")
    if not sent:
        assert told["detail"] == "the forecast is too large to be sent here; read it over REST"


@pytest.mark.parametrize(("length", "code"), [(1024, 1000), (1025, 1009)])
def test_a_message_of_a_kilobyte_is_read_and_one_byte_more_ends_it(length: int, code: int) -> None:
    assert served(Container(), Client(TICKET, text("x" * length), LEAVE)).closed == code


@pytest.mark.parametrize(("count", "code"), [(20, 1000), (21, 1008)])
def test_twenty_messages_in_ten_seconds_are_enough(count: int, code: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "time", SimpleNamespace(monotonic=lambda: 5.0, perf_counter=lambda: 5.0))
    assert served(Container(), Client(TICKET, *[text("alive")] * count, LEAVE)).closed == code


@pytest.mark.parametrize(("pause", "code"), [(10.0, 1008), (10.1, 1000)])
def test_after_ten_seconds_messages_are_counted_anew(pause: float, code: int, monkeypatch: pytest.MonkeyPatch) -> None:
    times = iter([0.0] * 16 + [pause] * 99)
    monkeypatch.setattr(live, "time", SimpleNamespace(monotonic=lambda: next(times), perf_counter=lambda: 5.0))
    assert served(Container(), Client(TICKET, *[text("alive")] * 30, LEAVE)).closed == code


def test_whoever_says_nothing_or_does_not_read_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "FIRST_MESSAGE_SECONDS", 0.01)
    assert served(Container(), Client()).closed == 1001
    monkeypatch.setattr(live, "FIRST_MESSAGE_SECONDS", patient(5))
    monkeypatch.setattr(live, "IDLE_SECONDS", 0.01)
    assert served(Container(), Client(TICKET)).closed == 1001
    monkeypatch.setattr(live, "IDLE_SECONDS", patient(60))
    monkeypatch.setattr(live, "SEND_SECONDS", 0.01)
    stuck = Client(TICKET)
    stuck.stuck = True
    assert served(Container(), stuck).closed == 1013


@pytest.mark.parametrize("error", [WebSocketDisconnect(), RuntimeError("gone")])
def test_a_client_that_is_gone_when_it_is_written_to_has_left(error: Exception) -> None:
    client = Client(TICKET)

    async def gone(_: Any) -> None:
        raise error

    client.send_text = client.close = gone  # type: ignore[method-assign, assignment]
    assert served(Container(), client).got == []


@pytest.mark.parametrize(("open_now", "code"), [(199, 1000), (200, 1013)])
def test_so_many_sockets_are_open_at_once(open_now: int, code: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "MOST_SOCKETS", 200 - open_now)
    assert served(Container(), Client(TICKET, LEAVE)).closed == code


@pytest.mark.parametrize(("most", "code"), [(1, 1000), (0, 1013)])
def test_one_caller_has_so_many_of_them(most: int, code: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "MOST_SOCKETS_EACH", most)
    assert served(Container(), Client(TICKET, LEAVE)).closed == code


def test_open_sockets_are_counted_and_each_is_taken_off_when_it_ends() -> None:
    registry = CollectorRegistry()
    router = live.routes(registry)
    counts: list[Any] = []

    class Counting(Container):
        async def json(self, *asked: Any) -> bytes:
            counts.append(registry.get_sample_value("novamind_live_sockets"))
            return await super().json(*asked)

    for _ in range(7):
        assert served(Counting(), Client(TICKET, LEAVE), router).closed == 1000
    assert set(counts) == {1.0}
    assert registry.get_sample_value("novamind_live_sockets") == 0
    assert served(Container(), Client(text("{}")), router).closed == 4401
    assert registry.get_sample_value("novamind_live_sockets") == 0


def test_a_ticket_is_for_who_may_see_the_record_now() -> None:
    made: list[Any] = []

    async def new_ticket(*asked: Any) -> str:
        made.append(asked)
        return "t"

    container = Container()
    container.new_ticket = new_ticket  # type: ignore[attr-defined]
    (route,) = [one for one in live.routes(CollectorRegistry()).routes if one.path == "/api/v1/live/tickets"]
    given = asyncio.run(route.endpoint(container, WHO, live.Watched(patient_id=PATIENT)))
    assert (given.ticket, given.expires_in, made) == ("t", live.TICKET_SECONDS, [(WHO, PATIENT)])
    container.revisions = [NotFoundError("x")]
    with pytest.raises(NotFoundError):
        asyncio.run(route.endpoint(container, WHO, live.Watched(patient_id=PATIENT)))
    assert len(made) == 1


def test_a_second_socket_of_one_caller_is_one_too_many_until_the_first_has_ended(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(live, "MOST_SOCKETS_EACH", 1)
    router = live.routes(CollectorRegistry())
    (route,) = [one for one in router.routes if getattr(one, "path", "") == "/api/v1/live"]
    endpoint: Any = route.endpoint  # type: ignore[attr-defined]

    async def run() -> list[int | None]:
        clients = [Client(TICKET) for _ in range(3)]
        for one in clients:
            one.app = FastAPI()  # type: ignore[attr-defined]
            one.app.state.container = Container()  # type: ignore[attr-defined]
        async with asyncio.timeout(patient(10)):
            first = asyncio.ensure_future(endpoint(clients[0]))
            while not clients[0].got:
                await asyncio.sleep(0.001)
            await endpoint(clients[1])
            clients[0].says.put_nowait(LEAVE)
            await first
            clients[2].says.put_nowait(LEAVE)
            await endpoint(clients[2])
        return [one.closed for one in clients]

    assert asyncio.run(run()) == [1000, 1013, 1000]
