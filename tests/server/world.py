"""A small world to attack: two clinics, their people, patients with one object of every kind, one or more workers."""

import asyncio
import base64
import hashlib
import json
import secrets
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

import httpx
from fastapi import FastAPI

from novamind.infrastructure.identity.domain import Role
from novamind.infrastructure.identity.passwords import Passwords
from novamind.server.app import create_app
from novamind.server.builtin_client import BUILTIN_CLIENT
from novamind.server.container import Container
from novamind.settings import Settings
from tests.patience import patient

CHEAP = Passwords(time_cost=1, memory_kib=64)
BASE = "http://127.0.0.1:8000"
#: Seconds of CPU that tell a refused bomb from one that went off; how fast a refusal is, no test says.
NOT_EXPLODED = 10.0
CALLBACK = f"{BASE}/callback"
FHIR_JSON = "application/fhir+json"

PEOPLE = {
    "C11": (Role.CLINICIAN, 0),
    "C12": (Role.CLINICIAN, 0),
    "C21": (Role.CLINICIAN, 1),
    "admin": (Role.ADMIN, 0),
    "auditor": (Role.AUDITOR, 0),
    "researcher": (Role.RESEARCHER, 0),
    "analyst": (Role.ANALYST, None),
}
#: Patient to the clinician who registers, and so treats, them.
PATIENTS = {"P1": "C11", "P2": "C11", "P3": "C12", "P4": "C21"}


def canary(*parts: str) -> str:
    """A text that cannot occur by chance."""
    return f"CANARY-{'-'.join(parts)}-{secrets.token_hex(8)}"


def challenge(verifier: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()


def routes_of(app: Any, prefix: str = "") -> list[str]:
    """Methods and path of every route, within included routers too, in the order in which they are tried."""
    found: list[str] = []
    for route in app.routes:
        inner = getattr(route, "original_router", None)
        if inner is not None:
            found += routes_of(inner, prefix + route.include_context.prefix)
        else:
            found.append(f"{' '.join(sorted(getattr(route, 'methods', None) or ('WS',)))} {prefix}{route.path}")
    return found


def give_time(container: Container) -> None:
    """Let the services' own limits of 15 s be as patient as the tests are."""
    twin = container.clinic.twin
    twin.guards = {name: replace(one, limit_seconds=patient(15)) for name, one in twin.guards.items()}


class World:
    """Workers on one database, and whoever calls them; everything runs on one event loop."""

    def __init__(self, database_url: str, folder: Path, workers: int = 2, **options: Any) -> None:
        self.settings = Settings(
            database_url=database_url,
            key_file=folder / "keys.json",
            audit_witness=folder / "witness",
            population_database_url=f"sqlite:///{folder}/populations.db",
            population_dir=folder / "populations",
            login_failures_per_address=10_000,
            database_seconds=patient(3),
            access_token_seconds=3600,  # a world is there for many files of tests, on a machine that may be slow
            **options,
        )
        self._runner = asyncio.Runner()
        self._stack = AsyncExitStack()
        self.apps: list[FastAPI] = [create_app(self.settings, passwords=CHEAP) for _ in range(workers)]
        self.clients: list[httpx.AsyncClient] = []
        self.passwords: dict[str, str] = {}
        self.users: dict[str, UUID] = {}
        self.tokens: dict[str, str] = {}
        self.refresh_tokens: dict[str, str] = {}
        self.patients: dict[str, str] = {}
        self.organisations: list[UUID] = []
        self.canaries: list[str] = []

    def __enter__(self) -> Self:
        self.run(self._open())
        return self

    def __exit__(self, *_: object) -> None:
        self.run(self._stack.aclose())
        self._runner.close()

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self._runner.run(work)

    @property
    def container(self) -> Container:
        return self.apps[0].state.container

    async def _open(self) -> None:
        for app in self.apps:
            await self._stack.enter_async_context(app.router.lifespan_context(app))
            give_time(app.state.container)
            # A server answers 500 where the test's transport would raise.
            transport = httpx.ASGITransport(app, raise_app_exceptions=False)
            client = httpx.AsyncClient(transport=transport, base_url=BASE, timeout=patient(5))
            self.clients.append(await self._stack.enter_async_context(client))

    # --- people -----------------------------------------------------------------------------------------------------

    def populate(self) -> Self:
        """Make everybody, log them in, and give every patient one object of every kind."""
        access = self.container.operator("test")
        for number in (1, 2):
            self.organisations.append(
                self.run(self.container.foundation.store.add_organisation(f"Clinic {number}", access))
            )
        for name, (role, place) in PEOPLE.items():
            self.add_user(name, role, None if place is None else self.organisations[place])
            self.log_in(name)
        for name, clinician in PATIENTS.items():
            self.patients[name] = self.add_patient(name, clinician)
        p1 = UUID(self.patients["P1"])
        self.add_user("P1-self", Role.PATIENT, self.organisations[0], p1)
        self.log_in("P1-self")
        for number in (1, 2):
            self._add_service(f"service{number}", self.organisations[number - 1])
        return self

    def add_user(self, name: str, role: Role, organisation: UUID | None, patient: UUID | None = None) -> UUID:
        password = canary(name, "password")
        work = self.container.identity.accounts.add_user(
            name, password, role, self.container.operator("test"), organisation_id=organisation, patient_id=patient
        )
        self.passwords[name], self.users[name] = password, self.run(work)
        self.canaries.append(password)
        return self.users[name]

    def add_patient(self, name: str, clinician: str) -> str:
        said = {field: canary(name, field) for field in ("name", "mrn", "email", "drug")}
        self.canaries += said.values()
        body = {
            "name": said["name"],
            "birth_date": "1980-05-17",
            "timezone": "Europe/Berlin",
            "identifiers": {"mrn": said["mrn"], "email": said["email"]},
        }
        made = self.call("POST", "/api/v1/patients", clinician, json=body)
        assert made.status_code == 201, made.text
        patient_id: str = made.json()["ids"][0]
        at = f"/api/v1/patients/{patient_id}"
        reports = [
            {"symptom": "PHQ-9", "timestamp": f"2026-03-{day:02d}T08:00:00+01:00", "value": 8 + day % 7}
            for day in range(1, 29)
        ]
        times = [f"2026-03-{day:02d}T07:00:00+01:00" for day in range(1, 29)]
        stretch = {
            "signal": "sleep_duration",
            "unit": "h",
            "timestamps": times,
            "values": [7 + i % 3 for i in range(28)],
        }
        for path, what in (
            ("reports", {"reports": reports}),
            ("biometrics", {"stretches": [stretch]}),
            ("genotype", {"genes": {"CYP2D6": "*4/*4"}}),
            ("medications", {"medication": said["drug"], "start": "2026-01-01", "dose_mg": 10}),
        ):
            added = self.call("POST", f"{at}/{path}", clinician, json=what)
            assert added.status_code == 201, added.text
        return patient_id

    def _add_service(self, name: str, organisation: UUID) -> None:
        accounts = self.container.identity.accounts
        made = self.run(
            accounts.add_client(name, self.container.operator("test"), role=Role.SERVICE, organisation_id=organisation)
        )
        answer = self.token(
            grant_type="client_credentials", client_id=str(made.client_id), client_secret=str(made.secret)
        )
        self.tokens[name] = answer.json()["access_token"]
        self.users[name] = made.client_id

    # --- calls ------------------------------------------------------------------------------------------------------

    def call(self, method: str, path: str, who: str | None = None, worker: int = 0, **options: Any) -> httpx.Response:
        return self.run(self.acall(method, path, who, worker, **options))

    async def acall(
        self, method: str, path: str, who: str | None = None, worker: int = 0, **options: Any
    ) -> httpx.Response:
        headers = dict(options.pop("headers", {}))
        if who is not None:
            headers.setdefault("Authorization", f"Bearer {self.tokens.get(who, who)}")
        return await self.clients[worker].request(method, path, headers=headers, **options)

    def authorize(
        self, name: str, password: str, verifier: str = "v" * 43, worker: int = 0, **more: str
    ) -> httpx.Response:
        form = {
            "client_id": str(BUILTIN_CLIENT),
            "redirect_uri": CALLBACK,
            "code_challenge": challenge(verifier),
            "username": name,
            "password": password,
        } | more
        return self.call("POST", "/oauth/authorize", worker=worker, data=form)

    def code(self, name: str, verifier: str = "v" * 43, **more: str) -> str:
        answer = self.authorize(name, self.passwords[name], verifier, **more)
        assert answer.status_code == 303, answer.text
        return parse_qs(urlsplit(answer.headers["location"]).query)["code"][0]

    def token(self, worker: int = 0, **form: str) -> httpx.Response:
        return self.call("POST", "/oauth/token", worker=worker, data=form)

    def redeem(self, code: str, verifier: str = "v" * 43) -> httpx.Response:
        return self.token(
            grant_type="authorization_code",
            client_id=str(BUILTIN_CLIENT),
            code=code,
            code_verifier=verifier,
            redirect_uri=CALLBACK,
        )

    def refresh(self, refresh_token: str, worker: int = 0) -> httpx.Response:
        return self.token(
            worker, grant_type="refresh_token", client_id=str(BUILTIN_CLIENT), refresh_token=refresh_token
        )

    def log_in(self, name: str, **more: str) -> str:
        tokens = self.redeem(self.code(name, **more)).json()
        self.tokens[name], self.refresh_tokens[name] = tokens["access_token"], tokens["refresh_token"]
        return self.tokens[name]

    def audited(self, action: str | None = None, outcome: str | None = None) -> list[dict[str, Any]]:
        """Entries of the audit, the first first."""
        import sqlalchemy as sa

        from novamind.infrastructure.tables import AuditEntry

        async def read() -> list[str]:
            async with self.container.foundation.database.snapshot() as session:
                return list(await session.scalars(sa.select(AuditEntry.content).order_by(AuditEntry.sequence)))

        entries = [json.loads(content) for content in self.run(read())]
        return [one for one in entries if action in (None, one["action"]) and outcome in (None, one["outcome"])]


class Socket:
    """A WebSocket to one worker, driven as its server would; use it within ``world.run``."""

    def __init__(
        self,
        world: World,
        worker: int = 0,
        origin: str | None = BASE,
        query: bytes = b"",
        host: str = "127.0.0.1:8000",
        most_unread: int = 0,
    ) -> None:
        headers = [(b"host", host.encode())] + ([(b"origin", origin.encode())] if origin is not None else [])
        scope = {
            "type": "websocket",
            "asgi": {"version": "3.0"},
            "scheme": "ws",
            "path": "/api/v1/live",
            "raw_path": b"/api/v1/live",
            "query_string": query,
            "root_path": "",
            "headers": headers,
            "client": ("127.0.0.1", 50_000),
            "server": ("127.0.0.1", 8000),
            "subprotocols": [],
            "state": {},
        }
        self._given: asyncio.Queue[Any] = asyncio.Queue()
        self._sent: asyncio.Queue[Any] = asyncio.Queue(most_unread)
        self._given.put_nowait({"type": "websocket.connect"})
        self.served = asyncio.ensure_future(world.apps[worker](scope, self._given.get, self._sent.put))

    def say(self, what: Any) -> None:
        text = what if isinstance(what, str) else json.dumps(what)
        self._given.put_nowait({"type": "websocket.receive", "text": text})

    def leave(self) -> None:
        self._given.put_nowait({"type": "websocket.disconnect", "code": 1000})

    async def hear(self, seconds: float = patient(20)) -> dict[str, Any]:
        """The next message: what the server says, or ``{"closed": code}``."""
        while True:
            sent = await asyncio.wait_for(self._sent.get(), seconds)
            if sent["type"] == "websocket.send":
                return dict(json.loads(sent["text"]))
            if sent["type"] == "websocket.close":
                await self.served
                return {"closed": sent["code"]}
