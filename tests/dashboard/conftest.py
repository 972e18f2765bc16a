"""Two ways to look: over HTTP as a browser would, and with Chromium at a server of its own where there is one."""

import asyncio
import shutil
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn

from novamind.server.app import create_app
from novamind.server.demo import seed
from novamind.settings import Settings
from tests.patience import patient
from tests.server.world import BASE, CHEAP, World, give_time

HTML = {"Accept": "text/html,application/xhtml+xml"}


class Person:
    """Somebody with a browser that keeps cookies and runs no script."""

    def __init__(self, world: World, name: str | None = None) -> None:
        self.world = world
        transport = httpx.ASGITransport(world.apps[0], raise_app_exceptions=False)
        self.client = httpx.AsyncClient(transport=transport, base_url=BASE, headers=HTML, timeout=patient(5))
        self.landed = self.log_in(name) if name else None

    def log_in(self, name: str, to: str = "") -> httpx.Response:
        begun = self.get("/login" + (f"?to={to}" if to else ""))
        asked = dict(httpx.URL(begun.headers["location"]).params)
        assert self.get(begun.headers["location"]).status_code == 200
        form = {name: asked[name] for name in ("client_id", "redirect_uri", "code_challenge")}
        form |= {"username": name, "password": self.world.passwords[name]}
        led = self.post("/oauth/authorize", data=form)
        assert led.status_code == 303, led.text
        return self.get(led.headers["location"])

    def get(self, path: str, **options: Any) -> httpx.Response:
        return self.world.run(self.client.get(path, **options))

    def post(self, path: str, origin: str | None = BASE, **options: Any) -> httpx.Response:
        headers = {} if origin is None else {"Origin": origin}
        return self.world.run(self.client.post(path, headers=headers, **options))

    def close(self) -> None:
        self.world.run(self.client.aclose())


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("dashboard")
    with World(f"sqlite:///{folder}/novamind.db", folder, workers=1) as made:
        yield made.populate()


@pytest.fixture
def person(world: World) -> Iterator[Any]:
    """Opens browsers, and closes them at the end."""
    opened: list[Person] = []

    def open_one(name: str | None = None) -> Person:
        opened.append(Person(world, name))
        return opened[-1]

    yield open_one
    for one in opened:
        one.close()


@dataclass
class Live:
    """A server on loopback with the demo clinic."""

    address: str
    passwords: dict[str, str]
    app: Any
    loop: asyncio.AbstractEventLoop

    def run(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(patient(30))


@pytest.fixture(scope="session")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    folder: Path = tmp_path_factory.mktemp("live")
    held = socket.create_server(("127.0.0.1", 0))
    address = f"http://localhost:{held.getsockname()[1]}"  # passkeys need a name
    settings = Settings(
        database_url=f"sqlite:///{folder}/novamind.db",  # type: ignore[arg-type]
        key_file=folder / "keys.json",
        population_database_url=f"sqlite:///{folder}/populations.db",
        population_dir=folder / "populations",
        public_url=address,
    )
    app = create_app(settings, passwords=CHEAP)
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False, ws="none"))
    ready = threading.Event()
    loops: list[asyncio.AbstractEventLoop] = []
    logins: list[Any] = []

    async def serve() -> None:
        loops.append(asyncio.get_running_loop())
        serving = asyncio.create_task(server.serve(sockets=[held]))
        while not server.started:
            await asyncio.sleep(0.05)
        give_time(app.state.container)
        logins.extend(await seed(app.state.container))
        ready.set()
        await serving

    thread = threading.Thread(target=lambda: asyncio.run(serve()), daemon=True)
    thread.start()
    assert ready.wait(patient(60))
    yield Live(address, {login.name: login.password for login in logins}, app, loops[0])
    server.should_exit = True
    thread.join(patient(20))
    held.close()


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    """A headless Chromium; ours comes from the system, never from a download of the test tool.

    It ends with its module: while Playwright runs, no other event loop can run in this thread.
    """
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if found is None:
        pytest.skip("there is no Chromium on this machine (Debian: apt-get install chromium)")
    api = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
    quiet = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
    with api.sync_playwright() as play:
        browser = play.chromium.launch(
            executable_path=found, args=[*quiet, "--disable-component-update", "--disable-sync"]
        )
        yield browser
        browser.close()
