"""One small server for all tests that write over REST; each takes patients of its own."""

from collections.abc import Iterator

import pytest

from tests.every_door import small_clinic
from tests.server.world import World


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A server with one clinician."""
    with small_clinic(tmp_path_factory.mktemp("clinic")) as made:
        yield made
