"""A maker's service on loopback: it agrees, gives and renews tokens, and answers what was recorded."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

Answer = tuple[int, Any]


class MakerServer:
    """What was asked, and what is answered.

    ``token`` answers requests for tokens (the form, and the header with the secret); ``documents`` any other request.
    """

    def __init__(self) -> None:
        self.url = ""
        self.valid = {"access-1"}
        self.forms: list[tuple[dict[str, str], str | None]] = []
        self.asked: list[tuple[str, dict[str, str]]] = []
        tokens = {"access_token": "access-2", "refresh_token": "refresh-2", "expires_in": 3_600}
        self.token: Callable[[dict[str, str]], Answer] = lambda _form: (200, tokens)
        self.documents: Callable[[str, dict[str, str]], Answer] = lambda _path, _query: (200, {})

    def answer(self, target: str, form: dict[str, str], authorization: str | None) -> Answer:
        path, query = urlsplit(target), {k: v[0] for k, v in parse_qs(urlsplit(target).query).items()}
        if path.path == "/token":
            self.forms.append((form, authorization))
            return self.token(form)
        if authorization not in {f"Bearer {token}" for token in self.valid}:
            return 401, {}
        self.asked.append((path.path, query | form))
        return self.documents(path.path, query | form)


@contextmanager
def maker_server() -> Iterator[MakerServer]:
    server = MakerServer()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked = urlsplit(self.path)
            if asked.path == "/authorize":  # the person agrees
                query = {name: values[0] for name, values in parse_qs(asked.query).items()}
                self.send_response(302)
                back = urlencode({"code": "code-1", "state": query["state"]})
                self.send_header("Location", f"{query['redirect_uri']}?{back}")
                self.end_headers()
                return
            self.reply({})

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
            self.reply({name: values[0] for name, values in parse_qs(body).items()})

        def reply(self, form: dict[str, str]) -> None:
            status, answer = server.answer(self.path, form, self.headers.get("Authorization"))
            content = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    http.daemon_threads = True
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    server.url = f"http://127.0.0.1:{http.server_port}"
    try:
        yield server
    finally:
        http.shutdown()
        thread.join()
        http.server_close()
