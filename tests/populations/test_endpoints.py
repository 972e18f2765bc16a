"""The routes: the contract as it is, limits on both sides, and what goes in and out of each."""

import asyncio
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import httpx
import numpy as np
import polars as pl
import pytest
from fastapi import FastAPI, Request

from novamind.errors import DataProcessingError
from novamind.populations import TwinGenerator, TwinRepository, endpoints
from novamind.populations.endpoints import Campaign, Draw, Outcomes, Training
from tests.populations.conftest import QUICK, accounts

JOB = UUID(int=77)


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TwinRepository]:
    folder = tmp_path_factory.mktemp("store")
    made = TwinRepository(f"sqlite:///{folder}/t.db", folder / "shards")
    yield made
    made.close()


@pytest.fixture(scope="module")
def model_id(quick: TwinGenerator, repository: TwinRepository) -> UUID:
    return repository.save_model(quick)


@pytest.fixture
def submitted() -> list[Any]:
    return []


@pytest.fixture
def app(repository: TwinRepository, submitted: list[Any]) -> FastAPI:
    made = FastAPI()

    async def submit(request: Request, asked: Training, table: bytes) -> UUID:
        submitted.append((request.url.path, asked, table))
        return JOB

    made.include_router(endpoints.router(lambda: repository, submit))
    return made


class Client:
    """Asks the application without a network."""

    def __init__(self, app: FastAPI) -> None:
        self._app = app

    def _ask(self, method: str, url: str, **content: Any) -> httpx.Response:
        async def ask() -> httpx.Response:
            async with httpx.AsyncClient(transport=httpx.ASGITransport(self._app), base_url="http://here") as client:
                return await client.request(method, url, **content)

        return asyncio.run(ask())

    def get(self, url: str) -> httpx.Response:
        return self._ask("GET", url)

    def post(self, url: str, **content: Any) -> httpx.Response:
        return self._ask("POST", url, **content)


@pytest.fixture
def client(app: FastAPI) -> Client:
    return Client(app)


def test_training_goes_into_the_background(client: Client, submitted: list[Any]) -> None:
    answer = client.post("/populations/models?twin_type=hcp&brand=kisqali", content=b"a,b\n1,2\n")
    assert (answer.status_code, answer.json()) == (202, {"job_id": str(JOB)})
    assert submitted == [("/populations/models", Training(twin_type="hcp", brand="kisqali"), b"a,b\n1,2\n")]
    assert (submitted[0][1].seed, submitted[0][1].target) == (0, None)


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("twin_type=hcp&brand=A", 202),
        (f"twin_type=patient&brand={'a' * 60}&target=y_1.x-z", 202),
        (f"twin_type=hcp&brand={'a' * 61}", 422),
        ("twin_type=hcp&brand=1a", 422),
        ("twin_type=hcp&brand=a/b", 422),
        ("twin_type=hcp&brand=", 422),
        ("twin_type=doctor&brand=a", 422),
        ("twin_type=hcp", 422),
        ("twin_type=hcp&brand=a&seed=2147483648", 202),
        ("twin_type=hcp&brand=a&seed=2147483649", 422),
        ("twin_type=hcp&brand=a&seed=-1", 422),
        ("twin_type=hcp&brand=a&more=1", 422),
    ],
)
def test_what_may_be_trained(client: Client, query: str, status: int) -> None:
    assert client.post(f"/populations/models?{query}", content=b"a").status_code == status


def test_a_model_is_read(client: Client, model_id: UUID, quick: TwinGenerator) -> None:
    body = client.get(f"/populations/models/{model_id}").json()
    assert (body["model_id"], body["twin_type"], body["brand"], body["target"]) == (
        str(model_id),
        "hcp",
        "kisqali",
        "prescribing_change",
    )
    assert quick.metrics is not None
    assert quick.trained_at is not None
    assert body["metrics"] == quick.metrics.to_dict()
    assert body["trained_at"].replace("Z", "+00:00") == quick.trained_at.isoformat()


def test_a_population_is_drawn_kept_and_graded(
    client: Client, model_id: UUID, repository: TwinRepository, quick: TwinGenerator
) -> None:
    wanted = {"decile": {"low": 2, "high": 4}, "specialty": ["oncology", "rare"]}
    answer = client.post(f"/populations/models/{model_id}/populations", json={"n": 30, "seed": 5, "filters": wanted})
    assert answer.status_code == 201
    body = answer.json()
    expected = quick.generate(30, {"decile": (2, 4), "specialty": ["oncology", "rare"]}, 5)
    assert (body["twins"], body["seed"], body["model_id"]) == (30, 5, str(model_id))
    assert len(body["first"]) == 20
    first, twin = body["first"][3], expected.twin(3)
    assert first["features"] == dict(twin.features)
    for name in ("expected_outcome", "outcome_low", "outcome_high"):
        assert first[name] == pytest.approx(float(getattr(expected, name)[3]), rel=1e-6)
    at = f"/populations/{body['population_id']}"
    assert client.get(at).json() == body
    outcomes = [None, *expected.baseline_behavior[1:].tolist()]
    graded = client.post(f"{at}/fidelity", json={"actual": outcomes})
    assert graded.status_code == 200
    found = graded.json()
    error = (expected.baseline_behavior - expected.expected_outcome)[1:]
    assert (found["sample_size"], found["missing"]) == (29, 1)
    assert found["mae"] == pytest.approx(np.abs(error).mean(), rel=1e-5)
    (kept,) = repository.fidelity_snapshots(population_id=UUID(body["population_id"]))
    assert found == kept.to_dict()
    few = client.post(f"/populations/models/{model_id}/populations", json={"n": 3}).json()
    assert (few["twins"], len(few["first"]), few["seed"]) == (3, 3, 0)


def test_a_campaign_is_tried_and_kept(client: Client, model_id: UUID, repository: TwinRepository) -> None:
    drawn = client.post(f"/populations/models/{model_id}/populations", json={"n": 50}).json()
    at = f"/populations/{drawn['population_id']}/simulations"
    asked = {"intervention_type": "speaker_program_invitation", "channel": "email", "frequency": 2, "intensity": 0.5}
    answer = client.post(at, json=asked | {"duration_weeks": 12, "minimum_effect": -1.0, "accept_assumptions": True})
    assert answer.status_code == 201
    body = answer.json()
    assert (body["source"], body["recommendation"], body["minimum_effect"]) == ("assumed", "deploy", -1.0)
    assert body["average_treatment_effect"] == pytest.approx(0.06)
    assert body["interval"] == pytest.approx([0.06 - 1.96 * 0.06, 0.06 + 1.96 * 0.06], abs=1e-4)
    assert repository.load_simulation(UUID(body["simulation_id"])) == {
        k: v for k, v in body.items() if k != "simulation_id"
    }
    plain = client.post(at, json={"intervention_type": "email_campaign"}).json()
    assert (plain["recommendation"], plain["minimum_effect"]) == ("test_further", 0.05)
    (last, first) = repository.list_simulations(UUID(drawn["population_id"]))
    assert first.intervention_config == {
        "intervention_type": "speaker_program_invitation",
        "channel": "email",
        "frequency": 2.0,
        "duration_weeks": 12,
        "intensity": 0.5,
    }
    assert last.intervention_config["duration_weeks"] == 8
    assert last.intervention_config["intensity"] == 1.0


def valid(kind: Any, content: dict[str, Any]) -> bool:
    try:
        kind.model_validate(content)
    except ValueError:
        return False
    return True


@pytest.mark.parametrize(
    ("kind", "content", "fits"),
    [
        (Draw, {"n": 1}, True),
        (Draw, {"n": 100_000}, True),
        (Draw, {"n": 0}, False),
        (Draw, {"n": 100_001}, False),
        (Draw, {"n": 1, "seed": 2**31}, True),
        (Draw, {"n": 1, "seed": 2**31 + 1}, False),
        (Draw, {"n": 1, "seed": -1}, False),
        (Draw, {"n": 1, "filters": {f"c{i}": 1 for i in range(30)}}, True),
        (Draw, {"n": 1, "filters": {f"c{i}": 1 for i in range(31)}}, False),
        (Draw, {"n": 1, "filters": {"a": {"middle": 1}}}, False),
        (Draw, {"n": 1, "filters": {"a": {"low": "x"}}}, False),
        (Draw, {"n": 1, "other": 1}, False),
        *((Campaign, {"intervention_type": "a", "duration_weeks": w}, 1 <= w <= 104) for w in (0, 1, 104, 105)),
        *((Campaign, {"intervention_type": "a", "intensity": i}, 0 < i <= 2) for i in (0, 0.001, 2, 2.001)),
        *((Campaign, {"intervention_type": "a", "frequency": f}, 0 < f <= 50) for f in (0, 0.001, 50, 50.001)),
        *(
            (Campaign, {"intervention_type": "a", "minimum_effect": m}, abs(m) <= 1e6)
            for m in (-1.1e6, -1e6, 1e6, 1.1e6)
        ),
        (Campaign, {"intervention_type": "a", "intensity": float("nan")}, False),
        (Campaign, {"intervention_type": "a", "frequency": float("inf")}, False),
        (Campaign, {"intervention_type": "a", "minimum_effect": float("nan")}, False),
        (Campaign, {}, False),
        (Outcomes, {"actual": [None]}, True),
        (Outcomes, {"actual": []}, False),
        (Outcomes, {"actual": [1.0] * 100_000}, True),
        (Outcomes, {"actual": [1.0] * 100_001}, False),
        (Outcomes, {"actual": [float("inf")]}, False),
    ],
)
def test_bodies_at_their_limits(kind: Any, content: dict[str, Any], fits: bool) -> None:
    assert valid(kind, content) is fits


def test_filters_are_handed_on_as_the_generator_takes_them() -> None:
    asked = Draw(n=1, filters={"a": {"low": 1}, "b": {"high": 2.5}, "c": ["x"], "d": True, "e": {"low": 0, "high": 3}})
    assert asked.conditions() == {"a": (1, None), "b": (None, 2.5), "c": ["x"], "d": True, "e": (0, 3)}


def test_a_table_is_read() -> None:
    assert endpoints.read_csv(b"a,b\n1,x\n2.5,y\n").to_dict(as_series=False) == {"a": [1.0, 2.5], "b": ["x", "y"]}
    # The kind of a column is told from all of its rows.
    late = b"a\n" + b"1\n" * 500 + b"x\n"
    assert endpoints.read_csv(late)["a"].dtype == pl.String
    for bad in (b"", b"a,b\n1,2,3,4\n"):
        with pytest.raises(DataProcessingError, match=r"cannot be read; send CSV with a header line$"):
            endpoints.read_csv(bad)


@pytest.mark.parametrize(("length", "fits"), [(65_536, True), (65_537, False)])
def test_the_header_line_has_an_end(length: int, fits: bool) -> None:
    table = b"a" * length + b"\nx\n" + b"y" * 100_000 + b"\n"
    if fits:
        assert endpoints.read_csv(table).shape == (2, 1)
    else:
        with pytest.raises(DataProcessingError, match=r"header line of at most 65,536 bytes"):
            endpoints.read_csv(table)


def test_training_keeps_the_model_and_its_figures(repository: TwinRepository) -> None:
    table = accounts(1_000, 8).select(*QUICK)
    # The warnings are part of the figures and of nothing else: this suite takes one for a failure.
    asked = Training(twin_type="hcp", brand="remibrutinib", seed=4)
    found = endpoints.train(repository, asked, table.write_csv().encode())
    loaded = repository.load_model(found.model_id)
    assert (loaded.brand, loaded.seed, loaded.target) == ("remibrutinib", 4, "prescribing_change")
    assert loaded.metrics is not None
    assert found.metrics.model_dump(mode="json") == loaded.metrics.to_dict()
    other = table.rename({"prescribing_change": "y"})
    named = endpoints.train(repository, Training(twin_type="hcp", brand="b", target="y"), other.write_csv().encode())
    assert repository.load_model(named.model_id).target == "y"
