"""Worlds, made once: tests that lock somebody out take somebody of their own."""

from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from tests.conftest import Postgres
from tests.server.world import World


def opened(url: str, folder: Path) -> Iterator[World]:
    """A world in a database, for as long as it is needed."""
    with World(url, folder) as made:
        yield made.populate()


@pytest.fixture(scope="session")
def sqlite_world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """The world on SQLite."""
    folder = tmp_path_factory.mktemp("world")
    yield from opened(f"sqlite:///{folder}/novamind.db", folder)


@pytest.fixture(scope="session")
def postgresql_world(postgres: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """The world on PostgreSQL, in a database that no other test empties."""
    yield from opened(postgres.own_database(f"world_{uuid4().hex}"), tmp_path_factory.mktemp("world"))


@pytest.fixture(params=["sqlite", "postgresql"])
def world(request: pytest.FixtureRequest) -> World:
    """The world on each of the two."""
    made: World = request.getfixturevalue(f"{request.param}_world")
    return made
