"""The world of the server's tests, and a small one on SQLite alone for attacks that no database makes different."""

from collections.abc import Iterator

import pytest

from novamind.infrastructure.keys import new_key
from novamind.infrastructure.logs import configure
from novamind.settings import Settings
from tests.server.conftest import postgresql_world, sqlite_world, world
from tests.server.world import World

__all__ = ["postgresql_world", "sqlite_world", "world"]


@pytest.fixture(autouse=True)
def logs_of_the_product(logs_as_they_were: None) -> None:
    """As a server writes them, in every test; otherwise structlog's own, with pictures of what variables hold."""
    del logs_as_they_were
    configure(Settings(log_level="INFO"))


@pytest.fixture(scope="session")
def small_world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("small-world")
    with World(f"sqlite:///{folder}/novamind.db", folder, workers=1, jwt_secret=new_key()) as made:
        yield made.populate()
