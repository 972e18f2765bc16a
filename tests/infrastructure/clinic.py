"""One clinic on an SQLite file of its own, with its people and a clock that stands still; without a server."""

import asyncio
import base64
import hashlib
import json
import shutil
import sys
import time
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Self
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa

from novamind.infrastructure.audit import Access
from novamind.infrastructure.bootstrap import Foundation, open_foundation
from novamind.infrastructure.database import Base
from novamind.infrastructure.identity.domain import Principal, Role
from novamind.infrastructure.identity.passwords import Passwords
from novamind.infrastructure.identity.sessions import AuthorizationRequest, Credentials, Tokens
from novamind.infrastructure.identity.wiring import Identity, open_identity
from novamind.infrastructure.patient_store import Identity as Person
from novamind.infrastructure.tables import AuditEntry
from novamind.settings import Settings

CHEAP = Passwords(time_cost=1, memory_kib=8)
PASSWORD = "a long enough password"  # noqa: S105
CALLBACK = "https://clinic.example/callback"
VERIFIER = "v" * 43
SHELL = Access(actor="shell", role="admin", purpose="test", correlation_id="request-1")


def challenge(verifier: str = VERIFIER) -> str:
    """S256 of RFC 7636."""
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()


class Clock:
    """The time in every module of the room: it stands still until it is moved."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.at = datetime(2026, 3, 29, 0, 30, tzinfo=UTC)
        self.monotonic = 1000.0
        clock = self

        class SessionLookup(datetime):
            @classmethod
            def now(cls, tz: object = None) -> datetime:
                assert tz is UTC
                return clock.at

        watch = SimpleNamespace(time=lambda: clock.at.timestamp(), monotonic=lambda: clock.monotonic)
        for name, module in list(sys.modules.items()):
            if name.startswith("novamind.infrastructure"):
                if getattr(module, "datetime", None) is datetime:
                    monkeypatch.setattr(module, "datetime", SessionLookup)
                if getattr(module, "time", None) is time:
                    monkeypatch.setattr(module, "time", watch)

    def move(self, seconds: float = 0, **more: float) -> None:
        """Go on by so much."""
        self.at += timedelta(seconds=seconds, **more)


class Clinic:
    """The parts of a running system, on one event loop; rows and entries can be looked at."""

    def __init__(self, template: Path, folder: Path, **options: Any) -> None:
        folder.mkdir(exist_ok=True)
        shutil.copy(template, folder / "novamind.db")
        self.settings = Settings(
            database_url=f"sqlite:///{folder}/novamind.db",
            key_file=folder / "keys.json",
            audit_witness=folder / "witness.jsonl",
            **options,
        )
        self._runner = asyncio.Runner()
        self._stack = AsyncExitStack()
        self.foundation: Foundation
        self.identity: Identity

    def __enter__(self) -> Self:
        self.foundation = self.run(self._stack.enter_async_context(open_foundation(self.settings)))
        self.identity = open_identity(self.settings, self.foundation, CHEAP)
        return self

    def __exit__(self, *_: object) -> None:
        self.run(self._stack.aclose())
        self._runner.close()

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self._runner.run(work)

    # --- what is stored ---

    def rows(self, table: type[Base], *where: sa.ColumnElement[bool]) -> list[Any]:
        """Rows of a table."""

        async def read() -> list[Any]:
            async with self.foundation.database.snapshot() as session:
                return list(await session.scalars(sa.select(table).where(*where)))

        return list(self.run(read()))

    def execute(self, *statements: sa.Executable) -> None:
        """Change what is stored."""

        async def write() -> None:
            async with self.foundation.database.transaction() as session:
                for statement in statements:
                    await session.execute(statement)

        self.run(write())

    def entries(self) -> list[dict[str, Any]]:
        """The audit, the first entry first."""
        rows = sorted(self.rows(AuditEntry), key=lambda row: row.sequence)
        return [json.loads(row.content) for row in rows]

    def last(self, count: int = 1) -> list[tuple[str, str, str, int]]:
        """Action, kind, outcome and count of the audit's last entries."""
        return [(one["action"], one["what"], one["outcome"], one["count"]) for one in self.entries()[-count:]]

    # --- people ---

    def organisation(self, name: str = "Clinic") -> UUID:
        return UUID(str(self.run(self.foundation.store.add_organisation(name, SHELL))))

    def patient(self, organisation: UUID, **identifiers: str) -> UUID:
        return UUID(str(self.run(self.foundation.store.register(organisation, Person(identifiers, {}), SHELL))))

    def user(
        self, name: str, role: Role = Role.CLINICIAN, organisation: UUID | None = None, patient: UUID | None = None
    ) -> UUID:
        made = self.identity.accounts.add_user(
            name, PASSWORD, role, SHELL, organisation_id=organisation, patient_id=patient
        )
        return UUID(str(self.run(made)))

    def app(self, name: str = "app", *addresses: str) -> UUID:
        """A client for people's logins."""
        made = self.identity.accounts.add_client(name, SHELL, redirect_uris=addresses or (CALLBACK,))
        return UUID(str(self.run(made).client_id))

    def code(self, client: UUID, name: str, password: str = PASSWORD, **more: str) -> str:
        """Log in; the authorisation code."""
        said = Credentials(name, password, more.get("one_time_code", ""), more.get("address", "10.0.0.1"))
        asked = AuthorizationRequest(client, more.get("redirect_uri", CALLBACK), challenge())
        return str(self.run(self.identity.sessions.log_in(asked, said)))

    def exchange(self, client: UUID, code: str, verifier: str = VERIFIER, redirect_uri: str = CALLBACK) -> Tokens:
        tokens: Tokens = self.run(self.identity.sessions.exchange_code(client, code, verifier, redirect_uri))
        return tokens

    def log_in(self, client: UUID, name: str, **more: str) -> Tokens:
        return self.exchange(client, self.code(client, name, **more))

    def whoever(self, bearer: str, *about: UUID) -> Principal:
        """Who presents a token."""
        found: Principal = self.run(self.identity.sessions.authenticate(bearer, *about))
        return found


def principal(role: Role = Role.CLINICIAN, organisation: UUID | None = None, **more: Any) -> Principal:
    """Somebody with all that their role may do."""
    from novamind.infrastructure.identity.domain import PERMISSIONS

    stated = {"subject": uuid4(), "session_id": uuid4(), "patient_id": None, "scopes": PERMISSIONS[role]} | more
    return Principal(role=role, organisation_id=organisation, **stated)
