"""A calculator served alone: it answers from what comes with the request, and keeps and reads nothing of a patient."""

import asyncio
import json
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from importlib import import_module
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import polars as pl
import pytest
import sqlalchemy as sa
from fastapi import FastAPI

from novamind.biometrics import correlate
from novamind.infrastructure.patient_store import PatientStore
from novamind.pharmacogenomics import genotype, recommend
from novamind.records import Allergy
from novamind.server.app import ROOMS, create_app
from novamind.server.problems import register
from novamind.symptoms import forecast_many
from novamind.twin import PatientTwin
from novamind.twin import service as twin_service
from tests.server.world import BASE, World

API = "/api/v1"
RNG = np.random.default_rng(5)
BEGIN = datetime.fromisoformat("2026-01-05T00:00:00+01:00")
HRV = RNG.normal(50, 8, 24 * 56).round(1)
REPORTS = [
    {
        "symptom": "PHQ-9",
        "timestamp": (BEGIN + timedelta(days=day, hours=9)).isoformat(),
        "value": float(np.clip(round(12 - (HRV[24 * day] - 50) / 3), 0, 27)),
    }
    for day in range(1, 56)
]
STRETCH = {
    "signal": "heart_rate_variability",
    "unit": "ms",
    "timestamps": [(BEGIN + timedelta(hours=hour)).isoformat() for hour in range(len(HRV))],
    "values": HRV.tolist(),
}
RECORD = {
    "reports": REPORTS,
    "genotype": {"CYP2D6": "*4/*4"},
    "medications": [{"medication": "paroxetine", "start": "2025-11-01", "dose_mg": 20}],
    "conditions": [{"name": "long QT"}],
    "allergies": [{"name": "Allergy to citalopram", "medication": "citalopram"}],
    "birth_year": 1980,
    "timezone": "Europe/Berlin",
}
REGIMEN = {"drug": "sertraline", "dose_mg": 50, "weeks": 1, "ensemble": 2}
CALCULATORS = tuple(room for room in ROOMS if room != "populations")


def asked(app: FastAPI, path: str, body: Any, headers: dict[str, str] | None = None) -> httpx.Response:
    async def once() -> httpx.Response:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url=BASE) as client:
            return await client.post(path, json=body, headers=headers)

    return asyncio.run(once())


@pytest.fixture
def calculators(monkeypatch: pytest.MonkeyPatch) -> FastAPI:
    """Every calculator, with nothing behind it, where a database that is opened is an accident."""

    def opened(*_: object, **__: object) -> None:
        raise AssertionError("a calculator opened a database")

    monkeypatch.setattr(sa, "create_engine", opened)
    monkeypatch.setattr("sqlalchemy.ext.asyncio.create_async_engine", opened)
    app = FastAPI()
    register(app)
    for room in CALCULATORS:
        app.include_router(import_module(f"novamind.{room}.endpoints").router())
    return app


def frames() -> tuple[pl.DataFrame, pl.DataFrame]:
    signals = pl.DataFrame({"timestamp": STRETCH["timestamps"], "value": STRETCH["values"]})
    return signals.with_columns(signal=pl.lit(STRETCH["signal"]), unit=pl.lit("ms")), pl.DataFrame(REPORTS)


def test_symptoms_answer_as_the_library_does(calculators: FastAPI) -> None:
    answer = asked(calculators, "/symptoms/forecast", {"reports": REPORTS, "horizon": 5, "threshold": 15}).json()
    expected = forecast_many(pl.DataFrame(REPORTS), horizon=5).to_dict(threshold=15)
    assert answer == json.loads(json.dumps(expected))


def test_biometrics_answer_as_the_library_does(calculators: FastAPI) -> None:
    question = {"reports": REPORTS, "stretches": [STRETCH], "max_lag_hours": 48, "fdr": 0.2, "seed": 3}
    spans = {"illness": [{"start": "2026-01-20", "end": "2026-01-23"}], "medication": [{"start": "2026-02-01"}]}
    answer = asked(calculators, "/biometrics/correlations", question | spans)
    assert answer.status_code == 200, answer.text
    illness = pl.DataFrame({"start": [date(2026, 1, 20)], "end": [date(2026, 1, 23)]})
    medication = pl.DataFrame({"start": [date(2026, 2, 1)], "end": [None]}, {"start": pl.Date, "end": pl.Date})
    expected = correlate(*frames(), 48, 0.2, illness=illness, medication=medication, seed=3).person().to_dict()
    assert answer.json() == json.loads(json.dumps(expected))
    assert [link["signal"] for link in answer.json()["links"]] == ["heart_rate_variability"]
    plain = asked(calculators, "/biometrics/correlations", question).json()
    assert plain["links"] != answer.json()["links"]


def test_pharmacogenomics_answers_as_the_library_does(calculators: FastAPI) -> None:
    question = {"genotype": {"CYP2D6": "*4/*4"}, "comedications": ["paroxetine"], "medication": "venlafaxine"}
    answer = asked(calculators, "/pharmacogenomics/review", question).json()
    expected = recommend(genotype({"CYP2D6": "*4/*4"}), ("venlafaxine",), ("paroxetine",)).to_dict()
    assert answer == json.loads(json.dumps(expected))


def twin() -> PatientTwin:
    return PatientTwin.from_frames(
        symptoms=pl.DataFrame(REPORTS),
        genotype=RECORD["genotype"],
        medications=[{"medication": "paroxetine", "start": date(2025, 11, 1), "dose_mg": 20}],
        conditions=["long QT"],
        allergies=[Allergy("Allergy to citalopram", medication="citalopram")],
        demographics={"birth_year": 1980},
        timezone="Europe/Berlin",
    )


def test_the_twin_answers_as_the_library_does(calculators: FastAPI) -> None:
    answer = asked(calculators, "/twin/insights", RECORD | {"horizon": 7, "lookback_days": 60})
    assert answer.status_code == 200, answer.text
    expected = json.loads(json.dumps(twin().insights({"forecast_days": 7, "biometric_lookback_days": 60}).to_dict()))
    assert answer.json() == expected
    assert answer.json()["results"]["symptoms"]["value"]["forecasts"][0]["symptom"] == "PHQ-9"
    assert answer.json()["results"]["pharmacogenomics"]["status"] == "available"


def test_the_twin_s_what_if_answers_as_the_library_does(calculators: FastAPI) -> None:
    answer = asked(calculators, "/twin/what-if", RECORD | {"regimen": REGIMEN})
    assert answer.status_code == 200, answer.text
    expected = twin().what_if("sertraline", 50, weeks=1, ensemble=2, interval_hours=24, seed=0).to_dict()
    assert answer.json() == json.loads(json.dumps(expected))
    assert asked(calculators, "/twin/what-if", {"regimen": REGIMEN}).json()["activity"] != answer.json()["activity"]


def test_the_twin_remembers_nothing_of_a_request(calculators: FastAPI, monkeypatch: pytest.MonkeyPatch) -> None:
    def kept(*_: object) -> None:
        raise AssertionError("something of a request was kept")

    monkeypatch.setattr(twin_service.MemoryStore, "put", kept)
    monkeypatch.setattr(twin_service.MemoryHistory, "keep", kept)
    first = asked(calculators, "/twin/insights", {"genotype": {"CYP2D6": "*4/*4"}}).json()
    second = asked(calculators, "/twin/insights", {"genotype": {"CYP2D6": "*4/*4"}}).json()
    assert first == second
    assert first["results"]["pharmacogenomics"]["reused"] is False
    assert first["tracking"] == []


PHQ = REPORTS[0]
MOOD = {"symptom": "mood", "timestamp": PHQ["timestamp"], "value": 3}
WRONG: list[tuple[str, Any]] = [
    ("/symptoms/forecast", {}),
    ("/symptoms/forecast", {"reports": [MOOD]}),
    ("/biometrics/correlations", {"reports": REPORTS}),
    ("/biometrics/correlations", {"reports": [PHQ | {"value": "x"}], "stretches": [STRETCH]}),
    ("/biometrics/correlations", {"reports": REPORTS, "stretches": [STRETCH | {"values": [1.0]}]}),
    ("/biometrics/correlations", {"reports": REPORTS, "stretches": [STRETCH], "max_lag_hours": 169}),
    ("/biometrics/correlations", {"reports": REPORTS, "stretches": [STRETCH], "fdr": 0.5}),
    ("/biometrics/correlations", {"reports": REPORTS, "stretches": [STRETCH], "seed": -1}),
    ("/biometrics/correlations", {"reports": REPORTS, "stretches": [STRETCH], "pain": []}),
    (
        "/biometrics/correlations",
        {"reports": REPORTS, "stretches": [STRETCH], "illness": [{"start": "2026-01-20", "end": "2026-01-19"}]},
    ),
    ("/biometrics/correlations", {"reports": [PHQ], "stretches": [STRETCH | {"unit": "furlong"}]}),
    ("/pharmacogenomics/review", {"genotype": {"CYP2D6": "*nonsense"}}),
    ("/neurochemistry/simulations", {"drug": "sertraline", "dose_mg": 0}),
    ("/twin/insights", {"reports": [MOOD]}),
    ("/twin/insights", {"reports": [PHQ | {"value": 28}]}),
    ("/twin/insights", {"reports": [PHQ | {"timestamp": "2026-01-06T09:00:00"}]}),
    ("/twin/insights", {"stretches": [STRETCH | {"values": [1.0]}]}),
    ("/twin/insights", {"horizon": 31}),
    ("/twin/insights", {"lookback_days": 6}),
    ("/twin/insights", {"timezone": "Mars/Olympus"}),
    ("/twin/insights", {"birth_year": 1899}),
    ("/twin/insights", {"medications": [{"medication": "sertraline", "dose_mg": 0}]}),
    ("/twin/insights", {"name": "Somebody"}),
    ("/twin/what-if", {}),
    ("/twin/what-if", {"regimen": REGIMEN | {"weeks": 27}}),
]


@pytest.mark.parametrize(("path", "body"), WRONG, ids=[f"{path} {i}" for i, (path, _) in enumerate(WRONG)])
def test_what_breaks_a_rule_is_refused_with_a_problem(calculators: FastAPI, path: str, body: Any) -> None:
    answer = asked(calculators, path, body)
    assert answer.status_code == 422, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert "Mars" not in answer.text
    assert "Somebody" not in answer.text


def test_a_drug_without_kinetics_is_not_found(calculators: FastAPI) -> None:
    answer = asked(calculators, "/twin/what-if", {"regimen": REGIMEN | {"drug": "water"}})
    assert answer.status_code == 404
    assert "water" not in answer.text


# -- behind the guard --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Accounts of everybody, on one worker."""
    folder = tmp_path_factory.mktemp("alone")
    with World(f"sqlite:///{folder}/novamind.db", folder, workers=1) as world:
        yield world.populate()


def alone(world: World, room: str) -> FastAPI:
    """A room alone, on the accounts of a world."""
    app = create_app(world.settings, (room,))
    app.state.container = world.container
    return app


BODIES = {
    "symptoms": ("symptoms/forecast", {"reports": REPORTS}),
    "biometrics": ("biometrics/correlations", {"reports": REPORTS, "stretches": [STRETCH]}),
    "pharmacogenomics": ("pharmacogenomics/review", {"medication": "sertraline"}),
    "neurochemistry": ("neurochemistry/simulations", REGIMEN),
    "twin": ("twin/what-if", {"regimen": REGIMEN}),
}


@pytest.mark.parametrize("room", CALCULATORS)
def test_a_room_alone_answers_who_may_calculate_and_touches_no_record(
    people: World, room: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def touched(*_: object, **__: object) -> None:
        raise AssertionError("a record was touched")

    for name, value in vars(PatientStore).items():
        if callable(value) and not name.startswith("__"):
            monkeypatch.setattr(PatientStore, name, touched)
    app = alone(people, room)
    path, body = BODIES[room]

    def status(who: str | None) -> int:
        headers = {} if who is None else {"Authorization": f"Bearer {people.tokens[who]}"}
        return asyncio_in(people, app, f"{API}/{path}", body, headers)

    assert (status("researcher"), status("analyst"), status(None)) == (200, 403, 401)
    described = set(app.openapi()["paths"])
    calculators = {found for found in described if found.startswith(API)} - {f"{API}/me"}
    assert {found.split("/")[3] for found in calculators} <= {room, "me"}


def asyncio_in(world: World, app: FastAPI, path: str, body: Any, headers: dict[str, str]) -> int:
    async def once() -> int:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url=BASE) as client:
            return (await client.post(path, json=body, headers=headers)).status_code

    return int(world.run(once()))


def test_populations_alone_have_their_routes_and_their_own_database(people: World) -> None:
    app = alone(people, "populations")
    described = {path for path in app.openapi()["paths"] if path.startswith(f"{API}/populations")}
    assert {
        f"{API}/populations/models",
        f"{API}/populations/jobs/{{job_id}}",
        f"{API}/populations/{{population_id}}",
    } <= described
    table = pl.DataFrame({"decile": [1], "change": [0.5]}).write_csv()

    async def statuses() -> list[int]:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url=BASE) as client:
            found = []
            for who in ("analyst", "C11"):
                headers = {"Authorization": f"Bearer {people.tokens[who]}", "Content-Type": "text/csv"}
                sent = await client.post(
                    f"{API}/populations/models?twin_type=hcp&brand=kisqali", content=table, headers=headers
                )
                unknown = await client.get(f"{API}/populations/{people.users['analyst']}", headers=headers)
                found += [sent.status_code, unknown.status_code]
        return found

    database = Path(people.settings.population_database_url.removeprefix("sqlite:///"))
    assert people.run(statuses()) == [202, 404, 403, 403]
    assert database.exists()


def test_symptoms_alone_start_with_their_own_routes_only(people: World, tmp_path: Path) -> None:
    settings = people.settings.model_copy(
        update={
            "population_database_url": f"sqlite:///{tmp_path}/populations.db",
            "database_url": people.settings.database_url,
        }
    )
    app = create_app(settings, ("symptoms",))

    async def statuses() -> dict[str, int]:
        async with app.router.lifespan_context(app):
            transport = httpx.ASGITransport(app)
            async with httpx.AsyncClient(transport=transport, base_url=BASE) as client:
                paths = ("/health", "/ready", "/metrics", "/api/v1/symptoms/forecast", "/api/v1/twin/insights")
                return {path: (await client.get(path)).status_code for path in paths}

    described = set(app.openapi()["paths"])
    assert not [path for path in described if any(word in path for word in ("patients", "graphql", "live", "twin"))]
    assert people.run(statuses()) == {
        "/health": 200, "/ready": 200, "/metrics": 401, "/api/v1/symptoms/forecast": 401, "/api/v1/twin/insights": 401,
    }  # fmt: skip
    assert not (tmp_path / "populations.db").exists()
