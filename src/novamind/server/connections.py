"""Connections as the started server has them: a request's head arrives in time, TLS is of today, sockets part politely.

uvicorn limits how long a connection may be silent after a request and not how slowly the next request's head may
come; without that limit a few hundred connections that send a byte now and then hold the server's places for ever.
"""

import asyncio
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from uvicorn import Config
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from novamind.server.live import FRAME_BYTES

#: For the head of a request, from the connection's or the head's first byte on.
HEAD_SECONDS: Final = 10.0
#: Connections of one process; to further ones it answers 503 until there are fewer.
MOST_CONNECTIONS: Final = 1000
#: Between the answers to requests that came in one heap: so a client that sends heaps has a share and not the process.
HEAP_SECONDS: Final = 0.002
_GOING_AWAY: Final = 1001  # RFC 6455, section 7.4.1
_LATE: Final = b"HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"


class PunctualHttp(H11Protocol):
    """HTTP/1.1 with a limit on how long the head of a request may take, where heaps of requests let others go first."""

    _limit: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Wait for the first request."""
        super().connection_made(transport)
        self._wait()

    def data_received(self, data: bytes) -> None:
        """Wait on as long as the head is not there."""
        super().data_received(data)
        self._watch()

    def on_response_complete(self) -> None:
        """Go on with the next request, or a little later if that is there already."""
        if self.conn.trailing_data[0] and not self.transport.is_closing():
            self.loop.call_later(HEAP_SECONDS, self._go_on)
        else:
            super().on_response_complete()

    def _go_on(self) -> None:
        super().on_response_complete()
        self._watch()

    def _watch(self) -> None:
        answering = self.cycle is not None and not self.cycle.response_complete
        if answering or self.transport.get_protocol() is not self:  # the connection is a WebSocket's now
            self._stop_waiting()
        elif self._limit is None and not self.transport.is_closing():
            self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop waiting."""
        self._stop_waiting()
        super().connection_lost(exc)

    def _wait(self) -> None:
        self._limit = self.loop.call_later(HEAD_SECONDS, self._end)

    def _stop_waiting(self) -> None:
        if self._limit is not None:
            self._limit.cancel()
            self._limit = None

    def _end(self) -> None:
        if not self.transport.is_closing():
            self.transport.write(_LATE)
            self.transport.close()


class PoliteWebSocket(WebSocketsSansIOProtocol):
    """A WebSocket that closes with "going away"; uvicorn would promise that the server comes back (1012)."""

    def shutdown(self) -> None:
        """Say goodbye."""
        if not self.handshake_complete or self.close_sent:
            super().shutdown()
            return
        self.stop_keepalive()
        self.queue.put_nowait({"type": "websocket.disconnect", "code": _GOING_AWAY})
        self.conn.send_close(_GOING_AWAY)
        self.transport.write(b"".join(self.conn.data_to_send()))
        self.transport.close()


def options(certificate: Path | None = None, private_key: Path | None = None) -> dict[str, Any]:
    """Return the settings of uvicorn, the same wherever the server runs."""
    return {
        "log_config": None,
        "access_log": False,
        "server_header": False,
        "proxy_headers": False,
        "forwarded_allow_ips": "",
        "http": PunctualHttp,
        "ws": PoliteWebSocket,
        "ws_max_size": FRAME_BYTES,
        "ws_per_message_deflate": False,
        "limit_concurrency": MOST_CONNECTIONS,
        "backlog": 128,  # as often asyncio tries, and logs, when there are no file descriptors left
        "timeout_graceful_shutdown": 20,
        "ssl_certfile": certificate,
        "ssl_keyfile": private_key,
        "ssl_context_factory": _tls if certificate else None,
    }


def _tls(_config: Config, default: Callable[[], ssl.SSLContext]) -> ssl.SSLContext:
    """Return TLS 1.3, or 1.2 with forward secrecy and authenticated encryption (RFC 9325)."""
    context = default()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("ECDHE+AESGCM:ECDHE+CHACHA20")
    return context
