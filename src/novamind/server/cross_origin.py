"""Apps in a browser on an origin of their own (CORS, as SMART App Launch 2.2 asks).

Descriptions of the server can be read from any origin. FHIR, CDS Hooks and tokens can be read from the origins of
registered clients alone, with a token that the app shows and never with a cookie.
"""

import time
from collections.abc import Awaitable, Callable, Collection
from typing import Final

from starlette.datastructures import Headers
from starlette.responses import Response

from novamind.server.problems import problem

Origins = Callable[[], Awaitable[Collection[str]]]

_METHODS: Final = ("GET", "POST", "PUT", "PATCH", "DELETE")
_ASKED: Final = (
    "accept", "authorization", "content-type", "if-match", "if-none-exist", "if-none-match", "prefer",
    "x-correlation-id",
)  # fmt: skip
_SHOWN: Final = (
    "Content-Location", "ETag", "Expires", "Last-Modified", "Location", "Retry-After", "WWW-Authenticate",
    "X-Progress", "X-Request-Id",
)  # fmt: skip
_PREFLIGHT: Final = {
    "Access-Control-Allow-Methods": ", ".join(_METHODS),
    "Access-Control-Allow-Headers": ", ".join(_ASKED),
    "Access-Control-Max-Age": "600",
}
#: Seconds for which the origins of clients are remembered, so that a preflight costs no query.
_REMEMBERED: Final = 10.0


class CrossOrigin:
    """Decides which answers a page of another origin may read.

    Parameters
    ----------
    described
        Paths that describe the server.
    tokens
        Paths at which apps get, look at and end tokens.
    bases
        Where the FHIR server and CDS Hooks begin.
    """

    def __init__(self, described: Collection[str], tokens: Collection[str], bases: Collection[str]) -> None:
        self._described = frozenset(described)
        self._tokens = frozenset(tokens)
        self._bases = tuple(bases)
        self._origins: frozenset[str] = frozenset()
        self._known_until = 0.0

    async def admits(self, path: str, origin: str, registered: Origins) -> bool:
        """Return whether a registered app of this origin may send requests to a path."""
        if not self._is_of_apps(path):
            return False
        if time.monotonic() > self._known_until:
            self._origins = frozenset(await registered())
            self._known_until = time.monotonic() + _REMEMBERED
        return origin in self._origins

    def headers(self, path: str, origin: str, *, is_app: bool) -> list[tuple[bytes, bytes]]:
        """Return the headers by which a browser lets the page read an answer; none where it may not."""
        allowed = origin if is_app else "*" if path in self._described else None
        if allowed is None:
            return []
        shown = ", ".join(_SHOWN)
        named = {"access-control-allow-origin": allowed, "access-control-expose-headers": shown, "vary": "Origin"}
        return [(name.encode(), value.encode("latin-1")) for name, value in named.items()]

    def preflight(self, method: str, path: str, headers: Headers, *, is_app: bool) -> Response | None:
        """Return the answer to a browser that asks before it sends; ``None`` for any other request."""
        if method != "OPTIONS" or "access-control-request-method" not in headers:
            return None
        if is_app or path in self._described:
            return Response(status_code=204, headers=_PREFLIGHT)
        if not self._is_of_apps(path):
            return None
        return problem(403, "origin", "this origin is of no registered app; register its redirect address as a client")

    def _is_of_apps(self, path: str) -> bool:
        return path in self._tokens or any(path == base or path.startswith(f"{base}/") for base in self._bases)
