"""A small clinic for FHIR clients, and what a FHIR answer says."""

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest

from novamind.infrastructure.identity.domain import Role
from tests.server.world import World

Get = Callable[..., Any]


@pytest.fixture
def world(sqlite_world: World) -> World:
    """The world on SQLite."""
    return sqlite_world


@pytest.fixture
def get(world: World) -> Get:
    """Ask the FHIR server, and expect this status."""

    def ask(path: str, status: int = 200, who: str | None = "C11", method: str = "GET", **options: Any) -> Any:
        answer = world.call(method, f"/fhir/{path}".rstrip("/"), who, **options)
        assert answer.status_code == status, (path, answer.status_code, answer.text[:500])
        if answer.content:
            assert answer.headers["content-type"] == "application/fhir+json"
        return answer.json() if answer.content else None

    return ask


@pytest.fixture
def p1(world: World) -> str:
    """A patient of C11, whom nobody else treats."""
    return world.patients["P1"]


@pytest.fixture
def clinician(world: World) -> str:
    """A clinician of the first clinic who treats nobody yet."""
    name = f"clinician {uuid4().hex[:8]}"
    world.add_user(name, Role.CLINICIAN, world.organisations[0])
    world.log_in(name)
    return name


def matches(bundle: dict[str, Any], mode: str = "match") -> list[dict[str, Any]]:
    """The resources of a searchset that play this part."""
    return [entry["resource"] for entry in bundle.get("entry", []) if entry["search"]["mode"] == mode]
