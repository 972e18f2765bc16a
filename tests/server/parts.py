"""A container that a test holds: every call is noted, and answered by what the test gave it."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any
from uuid import UUID, uuid4

from novamind.infrastructure.identity.domain import Permission, Principal, Role

P, Q, CLINIC = UUID(int=1), UUID(int=2), UUID(int=3)
ADMIN = Principal(UUID(int=9), uuid4(), Role.ADMIN, CLINIC, None, frozenset(Permission))
NOBODYS = replace(ADMIN, organisation_id=None)


class Part:
    def __init__(self, calls: list[Any], answers: dict[str, Any]) -> None:
        self._calls, self._answers = calls, answers

    def __getattr__(self, name: str) -> Callable[..., Any]:
        async def call(*given: Any, **named: Any) -> Any:
            self._calls.append((name, *given, *([named] if named else [])))
            answer = self._answers.get(name)
            if isinstance(answer, Exception):
                raise answer
            return answer

        return call


def did(work: Callable[..., Any], *given: Any, **answers: Any) -> tuple[Any, list[Any]]:
    """The answer of a route and what it asked of the container."""
    calls: list[Any] = []
    part = Part(calls, {"permit": "access"} | answers)
    identity = SimpleNamespace(access=part, accounts=part, attempts=part, passkeys=part)
    container = SimpleNamespace(
        clinic=part,
        forecasts=part,
        identity=identity,
        jobs=part,
        foundation=SimpleNamespace(store=part),
        settings="settings",
    )
    return asyncio.run(work(container, *given)), calls
