"""The world on both databases, made once: tests that lock somebody out take somebody of their own."""

from collections.abc import Iterator

import pytest

from tests.server.world import World


@pytest.fixture(scope="session", params=["sqlite", "postgresql"])
def world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("world")
    url = (
        f"sqlite:///{folder}/novamind.db"
        if request.param == "sqlite"
        else str(request.getfixturevalue("postgres").new_database())
    )
    with World(url, folder) as made:
        yield made.populate()
