"""A person's agreement without a server: the browser comes back to this program, and tokens are kept nowhere."""

import threading
from collections.abc import Callable
from contextlib import closing
from datetime import date
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any, Final
from urllib.parse import urlsplit

from novamind.errors import ServiceUnavailableError
from novamind.records.wearables.oauth import Tokens
from novamind.records.wearables.services import MakerService

#: Where makers send the browser back to; register it with each of them.
PORT: Final = 8975
CALLBACK: Final = f"http://127.0.0.1:{PORT}/callback"
_WAIT_SECONDS: Final = 600.0
_DONE: Final = b"<!doctype html><title>Novamind</title><p>You can close this page and go back to the shell.</p>"


def fetched_documents(
    service: MakerService,
    first_day: date,
    last_day: date,
    show: Callable[[str], None],
    *,
    seconds: float = _WAIT_SECONDS,
) -> dict[str, Any]:
    """Return what a maker's service has of some days, after the person agreed in a browser.

    Parameters
    ----------
    show
        Given the address to open.
    seconds
        How long the person may take.

    Raises
    ------
    AuthenticationError, AuthorizationError, ServiceUnavailableError, DataProcessingError
        The person did not agree or took too long, or the maker gave nothing.
    """
    tokens = _agreed(service, show, seconds)
    with closing(service.connector(tokens.access_token)) as connector:
        return connector.documents(first_day, last_day)


def _agreed(service: MakerService, show: Callable[[str], None], seconds: float) -> Tokens:
    came_back: list[str] = []
    arrived = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            is_callback = urlsplit(self.path).path == urlsplit(CALLBACK).path
            self.send_response(HTTPStatus.OK if is_callback else HTTPStatus.NOT_FOUND)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Referrer-Policy", "no-referrer")
            self.end_headers()
            if is_callback:
                self.wfile.write(_DONE)
                came_back.append(self.path)
                arrived.set()

        def log_message(self, *_: object) -> None:
            """Say nothing: the address holds a code."""

    try:
        server = HTTPServer(("127.0.0.1", PORT), Handler)
    except OSError as error:
        raise ServiceUnavailableError(
            f"port {PORT} of this machine is in use: close the program that uses it"
        ) from error
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        with closing(service.oauth()) as oauth:
            authorization = oauth.begin()
            show(authorization.url)
            if not arrived.wait(seconds):
                raise ServiceUnavailableError(f"nobody agreed at {service.name} in time: begin again")
            return oauth.finish(authorization, came_back[0])
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
