"""What is weak on purpose: every attack is seen to succeed somewhere, so that no test of one passes whatever happens.

A test with the mark ``weak(flaw, *ids)`` runs the tests of these attacks where something has that flaw, and they fail
there (:func:`must_fail`). Mostly it is the product without the one guard that the attack is about; where there is no
single guard it is :class:`Careless`, a server that has none.
"""

import asyncio
import gzip
import json
import os
import re
import socket
import sys
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest
import uvicorn
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send


def must_fail(test: Callable[..., object], *arguments: Any) -> None:
    """Run a test of an attack that succeeds here: the test must fail, or find that the server is gone."""
    failed = False
    try:
        test(*arguments)
    except* (AssertionError, pytest.fail.Exception, httpx.TransportError, ConnectionError):
        failed = True
    assert failed, "it passes where it must not"


#: What the application answers itself: what the interface is, figures, who logs in.
_LEFT_ALONE = ("/openapi.json", "/metrics", "/oauth/authorize")


class Careless:
    """Lets everybody in and answers 200 to everything.

    Opens what is compressed, goes to addresses that it is told, opens the files that are named, repeats and prints what
    it hears, keeps nothing and says it has, and dies of every trouble.

    Parameters
    ----------
    app
        Answers what is no part of any attack.
    """

    def __init__(self, app: ASGIApp | None = None) -> None:
        self._app = app
        self._names: dict[str, str] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer."""
        if scope["type"] == "websocket":
            await send({"type": "websocket.accept"})
            await send({"type": "websocket.send", "text": '{"type": "forecast"}'})
            while (await receive())["type"] != "websocket.disconnect":
                pass
            return
        request = Request(scope, receive)
        if self._app is not None and request.url.path in _LEFT_ALONE:
            await self._app(scope, receive, send)
            return
        body = await request.body()
        if request.headers.get("content-encoding") == "gzip":
            body = gzip.decompress(body)
        said: Any = None
        with suppress(ValueError, RecursionError):
            said = json.loads(body)
        answer, status = self._answer(request, said if isinstance(said, dict) else {})
        print(request.url, request.headers, body[:10_000], file=sys.stderr)
        self._lead_out(request, body)
        headers = {"Access-Control-Allow-Origin": request.headers.get("origin", "*"), "Server": "careless/1.0"}
        await JSONResponse(answer | {"said": repr(body[:10_000])}, status, headers)(scope, receive, send)

    def _answer(self, request: Request, said: dict[str, Any]) -> tuple[dict[str, Any], int]:
        path, now = request.url.path, datetime.now(UTC)
        if path.endswith("/symptoms/forecast"):
            days = [f"{now + timedelta(days=i):%Y-%m-%d}" for i in (1, 2, 3)]
            return {"forecasts": [{"history_until": f"{now:%Y-%m-%d}", "days": days}]}, 200
        if request.method == "GET":
            return {"items": [], "details": {"name": self._names.get(path.rpartition("/")[2])}}, 200
        made = str(uuid4())
        self._names[made] = str(said.get("name"))
        print(self._names[made], file=sys.stderr)
        return {"ids": [made], "ticket": "x"}, 201

    def _lead_out(self, request: Request, body: bytes) -> None:
        with suppress(OSError, ValueError):
            open(request.url.path.rpartition("/static/")[2], "rb").close()
        for name in re.findall(rb'filename="([^"]+)"', body):
            with suppress(OSError, ValueError):
                open(name, "rb").close()
        with suppress(OSError):
            socket.getaddrinfo("127.0.0.1", 9)  # to whom it tells its figures
        for port in set(re.findall(rb"http://127\.0\.0\.1:(\d+)", body)):
            with suppress(OSError):
                socket.create_connection(("127.0.0.1", int(port))).close()


def careless(world: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The world, with a careless server in the place of its workers."""
    client = httpx.AsyncClient(
        transport=httpx.ASGITransport(Careless(world.apps[0])), base_url=world.clients[0].base_url
    )
    monkeypatch.setattr(world, "clients", [client] * 2)
    return world


async def _serve(port: int) -> None:
    asyncio.get_running_loop().set_exception_handler(lambda *_: os._exit(1))
    config = uvicorn.Config(Careless(), port=port, lifespan="off", log_config=None)
    server = uvicorn.Server(config)
    server.handle_exit = lambda *_: os._exit(0)  # type: ignore[method-assign]
    await server.serve()


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1])))
