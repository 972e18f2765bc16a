"""Jobs and callers, with a container that a test holds."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from starlette.requests import Request

from novamind.infrastructure.identity.domain import Permission
from novamind.server import dependencies, jobs
from tests.populations import by_hand
from tests.server.parts import ADMIN, Part, Q, did
from tests.server.world import World


def test_a_job_is_read_by_who_may_use_populations() -> None:
    result = {"model_id": str(Q), "metrics": by_hand.metrics().to_dict()}
    status = SimpleNamespace(job_id=Q, state="done", result=result, problem=None)
    found, calls = did(jobs.read_job, ADMIN, Q, status=status)
    assert calls == [("permit", ADMIN, Permission.POPULATIONS_USE), ("status", Q, ADMIN.subject)]
    assert (found.job_id, str(found.state), found.problem) == (Q, "done", None)
    assert found.model_dump(mode="json")["result"] == result
    waiting = SimpleNamespace(job_id=Q, state="waiting", result=None, problem=None)
    assert did(jobs.read_job, ADMIN, Q, status=waiting)[0].result is None


@pytest.mark.parametrize("state", [{}, {"principal": None}, {"principal": "somebody"}])
def test_whom_the_door_did_not_let_in_is_nobody(state: Any) -> None:
    from novamind.errors import AuthenticationError

    def request(known: Any) -> Request:
        return Request({"type": "http", "state": known, "headers": [], "query_string": b""})

    with pytest.raises(AuthenticationError, match="send an access token or an API key"):
        asyncio.run(dependencies._principal(request(state), None))
    assert asyncio.run(dependencies._principal(request({"principal": ADMIN}), None)) is ADMIN


@pytest.mark.parametrize(("operation", "told"), [("trainTwins", "trainTwins"), (None, "train"), ("", "train")])
def test_who_uses_populations_is_admitted_to_a_route_by_its_name(operation: Any, told: str) -> None:
    calls: list[Any] = []
    container: Any = SimpleNamespace(identity=SimpleNamespace(access=Part(calls, {})))
    route = SimpleNamespace(name="train", operation_id=operation)
    request = Request({"type": "http", "route": route, "headers": []})
    asyncio.run(dependencies.may_use_populations(request, container, ADMIN))
    assert calls == [("admit", ADMIN, Permission.POPULATIONS_USE, told)]


def test_routes_get_the_house_of_their_application() -> None:
    app = SimpleNamespace(state=SimpleNamespace(container="container"))
    assert asyncio.run(dependencies._container(Request({"type": "http", "app": app, "headers": []}))) == "container"


@pytest.mark.parametrize(
    ("method", "path", "offered"),
    [
        ("GET", "/api/v1/patients/{patient}/forecast?horizn=3", "it takes explain, horizon, threshold"),
        ("GET", "/api/v1/patients/{patient}/forecast?horizon=3&Threshold=10", "it takes explain, horizon, threshold"),
        ("GET", "/api/v1/patients?mrn=2", "it takes after, limit"),
        ("GET", "/api/v1/me", None),
        ("GET", "/api/v1/me?x", "it takes none"),
        ("GET", "/api/v1/me?x=1", "it takes none"),
        ("POST", "/graphql?query=x", "it takes none"),
        ("GET", "/patients?page=2", "it takes after"),
    ],
)
def test_a_query_parameter_that_nobody_reads_is_refused(
    sqlite_world: World, method: str, path: str, offered: str | None
) -> None:
    at = path.format(patient=sqlite_world.patients["P1"])
    answer = sqlite_world.call(method, at, "C11", **({"json": {"query": "{ __typename }"}} if method == "POST" else {}))
    assert answer.status_code == (200 if offered is None else 422), answer.text
    if offered is not None:
        assert f"a query parameter of this request is unknown; {offered}" in answer.text
        assert "mrn" not in answer.text, "what was sent is not repeated"
