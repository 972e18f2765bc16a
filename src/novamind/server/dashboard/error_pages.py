"""Errors in words: what a program gets as a problem, a person in a browser gets as a page that says what to do."""

import json
from typing import Any, Final
from urllib.parse import urlencode

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import RedirectResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from novamind.server.dashboard.rendering import FRAGMENT, page
from novamind.server.problems import MEDIA_TYPE

_OF_THE_BODY: Final = (b"content-type", b"content-length")
_TITLES: Final = {
    401: "Please log in",
    403: "This is not open to you",
    404: "There is nothing here",
    405: "This cannot be done here",
    413: "This file is too large",
    422: "This cannot be used as it is",
    429: "Too many requests",
    500: "Something went wrong here",
    503: "This does not answer now",
}


class ErrorPages:
    """ASGI middleware around the guard: turns problems into pages for browsers."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass everything on but problems on their way to a browser."""
        if scope["type"] != "http" or "text/html" not in Headers(scope=scope).get("accept", ""):
            await self._app(scope, receive, send)
            return
        start: Message | None = None
        body = bytearray()

        async def answer(sent: Message) -> None:
            nonlocal start
            if sent["type"] == "http.response.start":
                if Headers(raw=sent["headers"]).get("content-type") == MEDIA_TYPE:
                    start = sent
                    return
            elif start is not None:
                body.extend(sent.get("body", b""))
                if not sent.get("more_body", False):
                    await _in_words(scope, start, bytes(body))(scope, receive, send)
                return
            await send(sent)

        await self._app(scope, receive, answer)


def _in_words(scope: Scope, start: Message, body: bytes) -> ASGIApp:
    request, status = Request(scope), int(start["status"])
    if status == 401 and request.method == "GET" and FRAGMENT not in request.headers:
        response: Any = RedirectResponse(f"/login?{urlencode({'to': request.url.path})}", 303)
    else:
        problem = json.loads(body)
        response = page(
            request,
            "error.html",
            {
                "title": _TITLES.get(status, problem["title"]),
                "detail": problem["detail"],
                "errors": [(error["location"], error["problem"]) for error in problem.get("errors", ())],
                "login": status == 401,
            },
            status,
        )
    kept = MutableHeaders(raw=[pair for pair in start["headers"] if pair[0] not in _OF_THE_BODY])
    for name, value in kept.items():
        response.headers.setdefault(name, value)
    return response  # type: ignore[no-any-return]
