import asyncio
import json
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from pydantic import ValidationError as Refusal

from novamind.neurochemistry.codec import CourseBody
from novamind.neurochemistry.endpoints import Regimen, router, run
from novamind.neurochemistry.simulation import simulate
from tests.golden import check_golden


def test_a_regimen_has_these_defaults() -> None:
    assert Regimen(drug="sertraline", dose_mg=50).model_dump() == {
        "drug": "sertraline",
        "dose_mg": 50.0,
        "interval_hours": 24.0,
        "weeks": 8,
        "phenotypes": {},
        "ensemble": 50,
        "seed": 0,
    }


@pytest.mark.parametrize(
    ("field", "right", "wrong"),
    [
        ("drug", ["x", "x" * 100], ["", "x" * 101]),
        ("dose_mg", [1e-6, 10_000], [0, -1, 10_000.1, float("nan"), float("inf")]),
        ("interval_hours", [1, 168], [0.99, 168.01, float("nan"), float("inf")]),
        ("weeks", [1, 26], [0, 27, 1.5]),
        ("ensemble", [0, 200], [-1, 201]),
        ("seed", [0, 2**31], [-1, 2**31 + 1]),
        (
            "phenotypes",
            [{"x" * 20: "y" * 60}, {str(number): "y" for number in range(10)}],
            [{"x" * 21: "y"}, {"x": "y" * 61}, {str(number): "y" for number in range(11)}],
        ),
        ("colour", [], ["red"]),
    ],
)
def test_limits_of_a_regimen(field: str, right: list[Any], wrong: list[Any]) -> None:
    plain = {"drug": "sertraline", "dose_mg": 50}
    for value in right:
        assert getattr(Regimen(**plain | {field: value}), field) == value
    for value in wrong:
        with pytest.raises(Refusal, match=field):
            Regimen(**plain | {field: value})


def test_a_regimen_is_answered_by_the_rooms_simulation() -> None:
    regimen = Regimen(drug="citalopram", dose_mg=20, weeks=1, ensemble=2, seed=3, phenotypes={"CYP2C19": "poor"})
    direct = simulate("citalopram", 20, weeks=1, ensemble=2, seed=3, phenotypes={"CYP2C19": "poor"})
    assert json.loads(run(regimen)) == CourseBody.of(direct).model_dump() == direct.to_dict()
    application = FastAPI()
    application.include_router(router())

    async def ask() -> tuple[httpx.Response, httpx.Response]:
        transport = httpx.ASGITransport(app=application)
        async with httpx.AsyncClient(transport=transport, base_url="http://clinic") as client:
            answer = await client.post("/neurochemistry/simulations", json=regimen.model_dump())
            return answer, await client.get("/openapi.json")

    answer, description = asyncio.run(ask())
    assert answer.status_code == 200
    assert answer.json() == direct.to_dict()
    described = description.json()
    check_golden(__file__, "described", {name: described[name] for name in ("paths", "components")})
