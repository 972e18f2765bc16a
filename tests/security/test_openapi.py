"""C01 of the attack plan: requests drawn from the description of the interface, right and wrong; none makes it fall."""

from contextlib import suppress
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.config import SchemathesisConfig

from novamind.clinic import Clinic
from tests.server.world import BASE, World

#: Ends the caller's own session or account, or trains for a minute.
NOT_ASKED = {
    "logOut",
    "changePassword",
    "changeRole",
    "disableUser",
    "removeSecondFactor",
    "beginSecondFactor",
    "logIn",
}
EXAMPLES = 6


def caller(operation: Any) -> str:
    tags = operation.definition.raw.get("tags", [""])
    return {"administration": "admin", "populations": "analyst"}.get(tags[0], "C11")


@pytest.mark.parametrize("mode", list(GenerationMode))
def test_c01_no_request_that_fits_or_does_not_makes_it_fall(
    sqlite_world: World, postgresql_world: World, mode: GenerationMode
) -> None:
    """To draw a request takes longer than to answer it: each is sent to the server on either database."""
    worlds = (sqlite_world, postgresql_world)
    described = sqlite_world.call("GET", "/openapi.json").json()
    schema = schemathesis.openapi.from_dict(described, config=SchemathesisConfig())
    operations = [result.ok() for result in schema.get_all_operations()]
    wrong: set[str] = set()
    asked = {
        operation.label
        for operation in operations
        if operation.definition.raw["operationId"] not in NOT_ASKED and drawn(worlds, operation, mode, wrong)
    }
    assert wrong == set()
    assert len(asked) > 20


@pytest.mark.weak("a patient that there is not is an accident", "C01")
def test_c01_finds_what_falls(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    async def accident(*_: object) -> None:
        raise KeyError

    monkeypatch.setattr(Clinic, "patient", accident)
    described = world.call("GET", "/openapi.json").json()
    schema = schemathesis.openapi.from_dict(described, config=SchemathesisConfig())
    operation = schema["/api/v1/patients/{patient_id}"]["GET"]
    wrong: set[str] = set()
    assert drawn((world,), operation, GenerationMode.POSITIVE, wrong)
    fell, undocumented = sorted(wrong)
    assert fell.endswith(": 500")
    assert undocumented.endswith("500 is not documented")


def drawn(worlds: tuple[World, ...], operation: Any, mode: GenerationMode, wrong: set[str]) -> int:
    """Ask one operation some times; how often, and into ``wrong`` what it should not have answered."""
    documented, answered = operation.definition.raw["responses"], 0

    def run(case: Any) -> None:
        nonlocal answered
        for world in worlds:
            answer = sent(world, operation, case, real=mode is GenerationMode.POSITIVE)
            if answer is None:
                continue
            answered += 1
            if answer.status_code >= 500 and answer.status_code != 503:
                wrong.add(f"{operation.label}: {answer.status_code}")
            if str(answer.status_code) not in documented:
                wrong.add(f"{operation.label}: {answer.status_code} is not documented")

    bounded = settings(
        max_examples=EXAMPLES,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    with suppress(Unsatisfiable):  # nothing wrong can be said to an operation that asks nothing
        bounded(given(case=operation.as_strategy(generation_mode=mode))(run))()
    return answered


def sent(world: World, operation: Any, case: Any, *, real: bool) -> Any:
    """The answer; ``None`` if the client itself will not send it."""
    if real and "patient_id" in (case.path_parameters or {}):
        case.path_parameters["patient_id"] = world.patients["P2"]
    request = case.as_transport_kwargs(base_url=BASE)
    headers = {name: value for name, value in (request.get("headers") or {}).items() if name.lower() != "authorization"}
    body = {name: request[name] for name in ("json", "data", "files") if request.get(name) is not None}
    if isinstance(body.get("data"), bytes | str):
        body["content"] = body.pop("data")
    options = {"headers": headers, "params": request.get("params"), **body}
    try:
        return world.call(request["method"], request["url"], caller(operation), **options)
    except (ValueError, TypeError, httpx.InvalidURL):
        return None
