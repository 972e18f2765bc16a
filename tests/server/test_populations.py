"""Population twins over REST: an analyst trains, draws, tries and grades; nobody else gets near."""

import asyncio
import re
import time
from typing import Any
from uuid import uuid4

import numpy as np
import polars as pl
import pytest

from tests.patience import patient
from tests.server.world import World


def table(rows: int = 1000) -> bytes:
    rng = np.random.default_rng(3)
    decile = rng.integers(1, 11, rows)
    region = rng.choice(["north", "south"], rows)
    change = 0.3 * decile + (region == "north") + rng.standard_normal(rows)
    return pl.DataFrame({"decile": decile, "region": region, "prescribing_change": change}).write_csv().encode()


def finished(world: World, job_id: str, who: str = "analyst") -> dict[str, Any]:
    deadline = time.monotonic() + patient(60)
    while time.monotonic() < deadline:
        job = world.call("GET", f"/api/v1/populations/jobs/{job_id}", who, worker=1).json()
        if job["state"] in ("done", "failed"):
            return job
        world.run(asyncio.sleep(0.2))
    raise AssertionError("the job does not end")


def test_an_analyst_trains_draws_tries_and_grades(world: World) -> None:
    at = "/api/v1/populations"
    sent = world.call(
        "POST",
        f"{at}/models?twin_type=hcp&brand=kisqali",
        "analyst",
        content=table(),
        headers={"Content-Type": "text/csv"},
    )
    assert sent.status_code == 202, sent.text
    job = finished(world, sent.json()["job_id"])
    assert job["state"] == "done", job
    model_id = job["result"]["model_id"]
    assert world.call("GET", f"{at}/models/{model_id}", "analyst").json()["metrics"]["training_samples"] == 1000
    drawn = world.call(
        "POST",
        f"{at}/models/{model_id}/populations",
        "analyst",
        json={"n": 200, "filters": {"decile": {"low": 1, "high": 3}, "region": "north"}},
    )
    assert drawn.status_code == 201, drawn.text
    population = drawn.json()
    assert {twin["features"]["region"] for twin in population["first"]} == {"north"}
    assert all(1 <= twin["features"]["decile"] <= 3 for twin in population["first"])
    here = f"{at}/{population['population_id']}"
    assert world.call("GET", here, "analyst", worker=1).json()["twins"] == 200
    tried = world.call("POST", f"{here}/simulations", "analyst", json={"intervention_type": "email_campaign"}).json()
    assert tried["source"] == "assumed"
    assert tried["recommendation"] != "deploy"
    assert 'route="/api/v1/populations/models/{model_id}"' in world.call("GET", "/metrics", "admin").text
    actual: list[float | None] = [1.0 + i % 5 for i in range(199)] + [None]
    graded = world.call("POST", f"{here}/fidelity", "analyst", json={"actual": actual}).json()
    assert (graded["sample_size"], graded["missing"]) == (199, 1)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"decile,prescribing_change\n1,2\n", "1,000 rows"),
        (b"\xff\xfe\x00", "cannot be read|printable text"),
        (b"", "read"),
    ],
)
def test_a_table_that_cannot_be_used_is_a_failed_job_with_its_reason(world: World, content: bytes, says: str) -> None:
    sent = world.call(
        "POST",
        "/api/v1/populations/models?twin_type=hcp&brand=kisqali",
        "analyst",
        content=content,
        headers={"Content-Type": "text/csv"},
    )
    job = finished(world, sent.json()["job_id"])
    assert job["state"] == "failed"
    assert re.search(says, job["problem"])


def test_a_job_is_its_owners_alone(world: World) -> None:
    assert world.call("GET", f"/api/v1/populations/jobs/{uuid4()}", "analyst").status_code == 404
    assert world.call("GET", f"/api/v1/populations/jobs/{uuid4()}", "C11").status_code == 403
