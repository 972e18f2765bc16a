"""Errors in words: what a program gets as a problem, a person in a browser gets as a page that says what to do."""

import json
from typing import Final
from urllib.parse import urlencode

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.types import Scope

from novamind.server.dashboard.rendering import FRAGMENT, page
from novamind.server.problems import ProblemsAs

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


class ErrorPages(ProblemsAs):
    """ASGI middleware around the guard: turns problems into pages for browsers."""

    def concerns(self, scope: Scope) -> bool:
        """Return whether a browser asks."""
        return "text/html" in Headers(scope=scope).get("accept", "")

    def response(self, scope: Scope, status: int, body: bytes) -> Response:
        """Return the page, or the way to the login."""
        request = Request(scope)
        if status == 401 and request.method == "GET" and FRAGMENT not in request.headers:
            return RedirectResponse(f"/login?{urlencode({'to': request.url.path})}", 303)
        problem = json.loads(body)
        shown = {
            "title": _TITLES.get(status, problem["title"]),
            "detail": problem["detail"],
            "errors": [(error["location"], error["problem"]) for error in problem.get("errors", ())],
            "login": status == 401,
        }
        return page(request, "error.html", shown, status)
