"""Connections, with a clock and a transport that a test holds."""

import asyncio
import ssl
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from novamind.server import connections
from novamind.server.connections import PoliteWebSocket, PunctualHttp, options


def test_what_the_server_is_told() -> None:
    plain = {
        "log_config": None,
        "access_log": False,
        "server_header": False,
        "proxy_headers": False,
        "forwarded_allow_ips": "",
        "http": PunctualHttp,
        "ws": PoliteWebSocket,
        "ws_max_size": 65536,
        "ws_per_message_deflate": False,
        "limit_concurrency": 1000,
        "backlog": 128,
        "timeout_graceful_shutdown": 20,
        "ssl_certfile": None,
        "ssl_keyfile": None,
        "ssl_context_factory": None,
    }
    assert options() == plain
    certificate, key = Path("c.pem"), Path("k.pem")
    over_tls = options(certificate, key)
    factory = over_tls["ssl_context_factory"]
    assert over_tls == plain | {"ssl_certfile": certificate, "ssl_keyfile": key, "ssl_context_factory": factory}
    context = factory(None, lambda: ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))
    assert context.minimum_version == ssl.TLSVersion.TLSv1_2
    names = {one["name"] for one in context.get_ciphers()}
    assert {name for name in names if not name.startswith("TLS_")} == {
        "ECDHE-ECDSA-AES256-GCM-SHA384", "ECDHE-RSA-AES256-GCM-SHA384", "ECDHE-ECDSA-AES128-GCM-SHA256",
        "ECDHE-RSA-AES128-GCM-SHA256", "ECDHE-ECDSA-CHACHA20-POLY1305", "ECDHE-RSA-CHACHA20-POLY1305",
    }  # fmt: skip


class Loop:
    """A loop whose calls a test makes itself."""

    def __init__(self) -> None:
        self.later: list[Any] = []

    def call_later(self, seconds: float, work: Callable[[], None]) -> Any:
        handle = SimpleNamespace(seconds=seconds, work=work, cancelled=False)
        handle.cancel = lambda: setattr(handle, "cancelled", True)
        self.later.append(handle)
        return handle

    @property
    def waiting(self) -> list[float]:
        return [one.seconds for one in self.later if not one.cancelled]


class Wire:
    def __init__(self, protocol: Any) -> None:
        self.written, self.closing, self.protocol = b"", False, protocol

    def get_protocol(self) -> Any:
        return self.protocol

    def is_closing(self) -> bool:
        return self.closing

    def write(self, data: bytes) -> None:
        self.written += data

    def close(self) -> None:
        self.closing = True


@pytest.fixture
def http(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A connection whose requests a test begins and ends; what it did of uvicorn's is in ``did``."""
    did: list[str] = []
    for name in ("connection_made", "data_received", "on_response_complete", "connection_lost"):
        monkeypatch.setattr(H11Protocol, name, lambda *_, name=name: did.append(name))
    one: Any = PunctualHttp.__new__(PunctualHttp)
    one.did, one.loop, one.cycle, one.transport = did, Loop(), None, Wire(one)
    one.conn = SimpleNamespace(trailing_data=(b"", False))
    return one


def test_a_head_has_ten_seconds_from_the_first_byte_of_the_connection_on(http: Any) -> None:
    http.connection_made(http.transport)
    assert http.did == ["connection_made"]
    assert http.loop.waiting == [10.0]
    http.data_received(b"GET /hea")
    http.data_received(b"lth")
    assert http.loop.waiting == [10.0], "a byte now and then begins no new time"
    http.loop.later[0].work()
    assert http.transport.closing
    assert http.transport.written == b"HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"


def test_while_an_answer_is_on_its_way_nobody_waits_for_a_head(http: Any) -> None:
    http.connection_made(http.transport)
    http.cycle = SimpleNamespace(response_complete=False)
    http.data_received(b"GET / HTTP/1.1")
    assert http.loop.waiting == []
    http.data_received(b"more")
    assert http.loop.waiting == []
    http.cycle.response_complete = True
    http.data_received(b"GET")
    assert http.loop.waiting == [10.0]


def test_a_connection_that_became_a_socket_or_is_closing_is_not_waited_for(http: Any) -> None:
    http.connection_made(http.transport)
    http.transport.protocol = object()
    http.data_received(b"x")
    assert http.loop.waiting == []
    http.transport.protocol = http
    http.transport.closing = True
    http.data_received(b"x")
    assert http.loop.waiting == []


def test_when_it_is_lost_nothing_waits_any_more(http: Any) -> None:
    http.connection_made(http.transport)
    http.connection_lost(None)
    assert (http.loop.waiting, http.did[-1]) == ([], "connection_lost")
    http.connection_lost(None)


def test_a_late_head_of_a_connection_that_closes_by_itself_is_answered_nothing(http: Any) -> None:
    http.connection_made(http.transport)
    http.transport.closing = True
    http.loop.later[0].work()
    assert http.transport.written == b""


def test_of_a_heap_of_requests_each_waits_a_little(http: Any) -> None:
    http.on_response_complete()
    assert http.did == ["on_response_complete"]
    http.conn.trailing_data = (b"GET", False)
    http.on_response_complete()
    assert http.did == ["on_response_complete"]
    assert http.loop.waiting == [0.002]
    http.loop.later[0].work()
    assert http.did == ["on_response_complete"] * 2
    assert http.loop.waiting == [0.002, 10.0], "and the next head has its time"
    http.transport.closing = True
    http.on_response_complete()
    assert http.did == ["on_response_complete"] * 3


@pytest.mark.parametrize(
    ("shaken", "closed", "polite"), [(True, False, True), (False, False, False), (True, True, False)]
)
def test_an_open_socket_is_told_that_the_server_goes_away(
    shaken: bool, closed: bool, polite: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    did: list[Any] = []
    monkeypatch.setattr(WebSocketsSansIOProtocol, "shutdown", lambda _: did.append("as uvicorn does"))
    one: Any = PoliteWebSocket.__new__(PoliteWebSocket)
    one.handshake_complete, one.close_sent, one.queue = shaken, closed, asyncio.Queue()
    one.transport = Wire(one)
    one.stop_keepalive = lambda: did.append("no more pings")
    one.conn = SimpleNamespace(send_close=did.append, data_to_send=lambda: [b"good", b"bye"])
    one.shutdown()
    if polite:
        assert did == ["no more pings", 1001]
        assert one.queue.get_nowait() == {"type": "websocket.disconnect", "code": 1001}
        assert (one.transport.written, one.transport.closing) == (b"goodbye", True)
    else:
        assert did == ["as uvicorn does"]
        assert one.queue.empty()


def test_the_times_and_the_number_of_connections() -> None:
    assert (connections.HEAD_SECONDS, connections.MOST_CONNECTIONS, connections.HEAP_SECONDS) == (10.0, 1000, 0.002)
