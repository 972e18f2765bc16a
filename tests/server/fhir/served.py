"""The server as people start it: ``novamind serve`` in a process and a folder of its own, with its demo clinic."""

import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Self
from urllib.parse import parse_qs, urlsplit

import httpx

from novamind.server.builtin_client import BUILTIN_CLIENT
from tests.patience import patient
from tests.server.world import challenge

VERIFIER = "w" * 43
_LOGINS = ("demo", "demo-admin", "demo-analyst")


class Served:
    """A running server: its address, and the logins that it printed when it started."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.address = ""
        self.passwords: dict[str, str] = {}

    def __enter__(self) -> Self:
        for last in (False, False, True):  # a port that was free may be somebody else's by now
            with socket.create_server(("127.0.0.1", 0)) as free:
                port = free.getsockname()[1]
            self.address = f"http://localhost:{port}"  # passkeys need a name
            if self._starts(port):
                return self
            self._end()
            assert not last, self._log.read_text()
        return self

    def __exit__(self, *_: object) -> None:
        self._end()

    def _starts(self, port: int) -> bool:
        """Start it and return whether it takes requests; false where its port was taken."""
        others = {name: value for name, value in os.environ.items() if not name.startswith("NOVAMIND_")}
        environment = others | {"NOVAMIND_PUBLIC_URL": self.address, "PYTHONUNBUFFERED": "1"}
        self._log = self._folder / f"server-{port}.log"
        place = self._folder / str(port)
        place.mkdir()
        command = [str(Path(sys.executable).with_name("novamind")), "serve", "--port", str(port)]
        with self._log.open("w") as log:
            self._process = subprocess.Popen(command, cwd=place, env=environment, stdout=log, stderr=log)
        ends = time.monotonic() + patient(60)
        with httpx.Client(base_url=self.address, timeout=patient(20)) as client:
            while time.monotonic() < ends:
                if self._process.poll() is not None:
                    assert "in use" in self._log.read_text(), self._log.read_text()
                    return False
                with suppress(httpx.TransportError):
                    if client.get("/ready").status_code == 200:
                        lines = [line.split() for line in self._log.read_text().splitlines()]
                        self.passwords = {line[0]: line[1] for line in lines if line and line[0] in _LOGINS}
                        assert len(self.passwords) == len(_LOGINS)
                        return True
                time.sleep(0.1)
        raise TimeoutError(self._log.read_text())

    def _end(self) -> None:
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(patient(10))
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()

    def token(self, name: str = "demo") -> str:
        """An access token of a person, without a scope that would narrow it."""
        back = f"{self.address}/callback"
        form = {"client_id": str(BUILTIN_CLIENT), "redirect_uri": back, "code_challenge": challenge(VERIFIER)}
        login = {"username": name, "password": self.passwords[name]}
        with httpx.Client(base_url=self.address, timeout=patient(20)) as client:
            led = client.post("/oauth/authorize", data=form | login).headers["location"]
            redeeming = {"grant_type": "authorization_code", "code_verifier": VERIFIER}
            redeeming |= {"code": parse_qs(urlsplit(led).query)["code"][0]}
            return str(client.post("/oauth/token", data=form | redeeming).json()["access_token"])
