"""A foundation as the product has it, on each database."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import TypeVar

import pytest

from novamind.infrastructure.audit import Access
from novamind.infrastructure.bootstrap import Foundation, open_foundation
from novamind.infrastructure.database import Database
from novamind.settings import Settings
from tests.infrastructure.clinic import Clinic, Clock

T = TypeVar("T")
CLINICIAN = Access(actor="clinician-1", role="clinician", purpose="treatment", correlation_id="request-1")
Run = Callable[[Callable[[Foundation], Awaitable[T]]], T]


@pytest.fixture
def settings(database_url: str, tmp_path: Path) -> Settings:
    return Settings(
        database_url=database_url, key_file=tmp_path / "keys.json", audit_witness=tmp_path / "witness.jsonl"
    )


@pytest.fixture
def run(settings: Settings) -> Iterator[Run[T]]:
    """Open the foundation, do something with it, and close it."""

    def opened(work: Callable[[Foundation], Awaitable[T]]) -> T:
        async def main() -> T:
            async with open_foundation(settings) as foundation:
                return await work(foundation)

        return asyncio.run(main())

    return opened


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An SQLite file with this version's empty tables, to be copied."""
    path = tmp_path_factory.mktemp("template") / "novamind.db"

    async def make() -> None:
        database = Database(f"sqlite:///{path}")
        await database.migrate()
        await database.close()  # the last connection writes the log into the file

    asyncio.run(make())
    return path


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """A time that stands still until the test moves it."""
    return Clock(monkeypatch)


@pytest.fixture
def clinic(template: Path, tmp_path: Path) -> Iterator[Clinic]:
    """A system of its own on SQLite."""
    with Clinic(template, tmp_path / "clinic") as opened:
        yield opened
