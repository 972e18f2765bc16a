"""The store: every field that is kept, on SQLite alone and without a trained model."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import UUID, uuid4

import numpy as np
import pytest
import sqlalchemy as sa

from novamind.errors import DataProcessingError, NotFoundError, ServiceUnavailableError, ValidationError
from novamind.populations import InterventionConfig, SimulationEngine, TwinRepository
from novamind.populations.fidelity.fidelity_tracker import FidelityRecord
from novamind.populations.generation import shards
from novamind.populations.storage import store
from tests.populations import by_hand

DAY = by_hand.DAY


def generator(**changes: Any) -> Any:
    """What the store asks of a trained generator."""
    usual = {
        "twin_type": "hcp",
        "brand": "kisqali",
        "target": "prescribing_change",
        "seed": 4,
        "declared_rules": ("a <= b",),
        "metrics": by_hand.metrics(),
        "trained_at": DAY,
        "to_bytes": lambda: b"content",
    }
    return SimpleNamespace(**usual | changes)


@pytest.fixture
def repository(tmp_path: Path) -> Iterator[TwinRepository]:
    made = TwinRepository(f"sqlite:///{tmp_path}/t.db", tmp_path / "shards")
    yield made
    made.close()


def rows(repository: TwinRepository, table: sa.Table) -> list[dict[str, Any]]:
    with repository._engine.connect() as connection:
        return [dict(row._mapping) for row in connection.execute(sa.select(table))]


def saved(repository: TwinRepository, **changes: Any) -> Any:
    """A stored population of a model that nothing is known of."""
    population = by_hand.population(**{"model_id": None} | changes)
    repository.save_population(population)
    return population


def test_a_model_is_kept_with_its_figures(repository: TwinRepository) -> None:
    model_id = repository.save_model(generator(), mlflow_run_id="run 7")
    (row,) = rows(repository, store.models)
    content = row.pop("content")
    assert content == b"content"
    assert row.pop("metrics") == {**vars(by_hand.metrics()), "rules": ["a <= b"], "warnings": ["Careful: R² is <low>."]}
    assert row == {
        "model_id": model_id,
        "twin_type": "hcp",
        "brand": "kisqali",
        "model_type": "shallow_boosting",
        "training_samples": 1234,
        "target_variable": "prescribing_change",
        "features": ["score", "decile", "specialty"],
        "hyperparameters": {"seed": 4, "declared_rules": ["a <= b"]},
        "mlflow_run_id": "run 7",
        "sha256": "ed7002b439e9ac845f22357d822bac1444730fbdb6016d3ec9432297b9ec9f73",
        "trained_at": DAY,
        "deprecated_at": None,
    }
    for untrained in ({"metrics": None}, {"trained_at": None}):
        with pytest.raises(ValidationError, match="train the generator before it is stored"):
            repository.save_model(generator(**untrained))


def test_a_model_replaces_those_of_its_type_brand_and_target_alone(repository: TwinRepository) -> None:
    old = repository.save_model(generator())
    others = [
        repository.save_model(generator(**change))
        for change in ({"twin_type": "patient"}, {"brand": "fabhalta"}, {"target": "y"})
    ]
    before = datetime.now(UTC)
    new = repository.save_model(generator(trained_at=DAY + timedelta(days=1)))
    ended = {row["model_id"]: row["deprecated_at"] for row in rows(repository, store.models)}
    assert {model for model, when in ended.items() if when is not None} == {old}
    assert before <= ended[old] <= datetime.now(UTC)
    again = repository.save_model(generator(trained_at=DAY + timedelta(days=2)))
    assert {row["model_id"]: row["deprecated_at"] for row in rows(repository, store.models)}[old] == ended[old]
    # Of two targets the newest counts.
    assert repository.current_model("hcp", "kisqali") == again != new
    assert repository.current_model("hcp", "fabhalta") == others[1]
    newest = repository.save_model(generator(target="y", trained_at=DAY + timedelta(days=9)))
    assert repository.current_model("hcp", "kisqali") == newest
    for twin_type, brand in (("territory", "kisqali"), ("hcp", "remibrutinib"), ("patient", "fabhalta")):
        with pytest.raises(NotFoundError, match="no current twin model of this id"):
            repository.current_model(twin_type, brand)


def test_an_altered_model_is_refused(repository: TwinRepository, monkeypatch: pytest.MonkeyPatch) -> None:
    model_id = repository.save_model(generator())
    monkeypatch.setattr(store.TwinGenerator, "from_bytes", lambda content, model: (content, model))
    assert repository.load_model(model_id) == (b"content", model_id)
    with repository._engine.begin() as connection:
        connection.execute(store.models.update().values(content=b"Content"))
    with pytest.raises(DataProcessingError, match="altered; restore it or train again"):
        repository.load_model(model_id)
    with pytest.raises(NotFoundError, match="no twin model of this id"):
        repository.load_model(uuid4())


def test_twins_are_kept_by_themselves(repository: TwinRepository) -> None:
    population = by_hand.population(model_id=None)
    model_id = repository.save_model(generator())
    mine = [replace(population.twin(i), model_id=model_id) for i in (4, 2)]
    assert repository.save_twin(mine[0]) == mine[0].twin_id
    repository.save_twin(mine[1], "patient")
    other = population.twin(7)
    repository.save_twin(other)
    assert repository.load_twin(mine[0].twin_id) == mine[0]
    assert repository.query_twins() == (*mine, other)
    assert repository.query_twins(limit=2) == tuple(mine)
    assert repository.query_twins(model_id=model_id) == tuple(mine)
    assert repository.query_twins(twin_type="patient") == (mine[1],)
    assert repository.query_twins(model_id=model_id, twin_type="hcp") == (mine[0],)
    changed = replace(mine[0], baseline_behavior=9.0)
    repository.save_twin(changed)
    assert repository.load_twin(mine[0].twin_id) == changed
    assert len(repository.query_twins()) == 3
    (first, *_) = rows(repository, store.twins)
    assert first["metadata"] == {}
    assert abs(datetime.now(UTC) - first["created_at"]) < timedelta(minutes=5)
    with pytest.raises(NotFoundError, match="no twin of this id"):
        repository.load_twin(uuid4())
    with pytest.raises(ValidationError, match="save the model or population that this belongs to first"):
        repository.save_twin(replace(mine[0], model_id=uuid4()))
    for i in range(120):
        repository.save_twin(replace(other, twin_id=UUID(int=i)))
    assert len(repository.query_twins()) == 100


def test_a_population_comes_back_whole(repository: TwinRepository, tmp_path: Path) -> None:
    limits = {"decile": (1, None), "specialty": np.array(["a"]), "n": np.int64(3), "region": {"north"}}
    population = by_hand.population(model_id=repository.save_model(generator()), filters=limits)
    assert repository.save_population(population, description="of March") == population.population_id
    loaded = repository.load_population(population.population_id)
    assert loaded.filters == {"decile": [1, None], "specialty": ["a"], "n": 3, "region": ["north"]}
    for name in ("population_id", "model_id", "twin_type", "brand", "target", "seed", "created_at", "name"):
        assert getattr(loaded, name) == getattr(population, name), name
    assert loaded.features.columns == population.features.columns
    assert loaded.features.backend == "polars"
    for name, values in population.features.values.items():
        np.testing.assert_array_equal(loaded.features.values[name], values)
    for name in ("baseline_behavior", "expected_outcome", "outcome_low", "outcome_high"):
        np.testing.assert_array_equal(getattr(loaded, name), getattr(population, name))
    (row,) = rows(repository, store.populations)
    assert (row["description"], row["twin_count"], row["expires_at"]) == ("of March", 12, None)
    (member,) = rows(repository, store.members)
    assert (member["shard"], member["rows"]) == (0, 12)
    assert member["file"] == f"{population.population_id}-00000.parquet"
    assert len(member["sha256"]) == 64
    repository.save_population(replace(population, name="again"), expires_at=DAY)
    (row,) = rows(repository, store.populations)
    assert (row["name"], row["description"], row["expires_at"]) == ("again", "", DAY)
    with pytest.raises(NotFoundError, match="no population of this id"):
        repository.load_population(uuid4())
    with pytest.raises(ValidationError, match="save the model or population"):
        repository.save_population(replace(population, population_id=uuid4(), model_id=uuid4()))
    assert (tmp_path / "shards").is_dir()


def test_large_populations_are_kept_in_shards(
    repository: TwinRepository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert store.SHARD_ROWS == shards.ROWS == 250_000
    monkeypatch.setattr(store, "SHARD_ROWS", 5)
    population = saved(repository)
    kept = rows(repository, store.members)
    assert [(m["shard"], m["rows"], m["file"][-13:]) for m in kept] == [
        (0, 5, "00000.parquet"),
        (1, 5, "00001.parquet"),
        (2, 2, "00002.parquet"),
    ]
    loaded = repository.load_population(population.population_id)
    np.testing.assert_array_equal(loaded.features.values["decile"], population.features.values["decile"])
    np.testing.assert_array_equal(loaded.baseline_behavior, population.baseline_behavior)
    shard = tmp_path / "shards" / kept[1]["file"]
    shard.write_bytes(shard.read_bytes()[:-1])
    with pytest.raises(DataProcessingError, match="shard 1 of the population is absent or was altered"):
        repository.load_population(population.population_id)
    shard.unlink()
    with pytest.raises(DataProcessingError, match="shard 1"):
        repository.load_population(population.population_id)


def test_a_simulation_is_kept_with_what_was_asked(repository: TwinRepository) -> None:
    population = saved(repository)
    asked = InterventionConfig("email_campaign", channel="email", frequency=2.0, duration_weeks=6, intensity=0.5)
    result = SimulationEngine(population).simulate(asked)
    simulation_id = repository.save_simulation(result, DAY, {"decile": (1, 3), "n": np.array([2])})
    (row,) = rows(repository, store.simulations)
    assert abs(datetime.now(UTC) - row.pop("completed_at")) < timedelta(minutes=5)
    results = row.pop("results")
    assert row == {
        "simulation_id": simulation_id,
        "population_id": population.population_id,
        "intervention_config": vars(asked),
        "filters": {"decile": [1, 3], "n": [2]},
        "status": "completed",
        "recommendation": "test_further",
        "recommendation_reason": result.reason,
        "started_at": DAY,
        "error_message": None,
    }
    assert results["average_treatment_effect"] == result.average_treatment_effect
    assert repository.load_simulation(simulation_id) == results
    plain = repository.save_simulation(result, DAY)
    assert [r["filters"] for r in rows(repository, store.simulations) if r["simulation_id"] == plain] == [{}]
    with pytest.raises(NotFoundError, match="no simulation of this id"):
        repository.load_simulation(uuid4())


def test_lists_show_the_newest_first(repository: TwinRepository) -> None:
    models = [
        repository.save_model(generator(brand=f"b{i}", trained_at=DAY + timedelta(days=i % 3, hours=i)))
        for i in range(4)
    ]
    order = [models[i] for i in (2, 1, 3, 0)]
    listed = repository.list_models()
    assert [m.model_id for m in listed] == order
    assert listed[0]._fields == (
        *("model_id", "twin_type", "brand", "target_variable", "metrics", "trained_at", "deprecated_at"),
    )
    assert [m.model_id for m in repository.list_models(newest=2)] == order[:2]
    for i in range(4):
        saved(
            repository,
            population_id=UUID(int=i + 1),
            model_id=models[i % 2],
            created_at=DAY + timedelta(days=i),
        )
    populations = repository.list_populations(models[0])
    assert [p.population_id.int for p in populations] == [3, 1]
    assert populations[0]._fields == ("population_id", "twin_count", "created_at")
    assert [p.population_id.int for p in repository.list_populations(models[0], newest=1)] == [3]
    result = SimulationEngine(by_hand.population()).simulate(InterventionConfig("email_campaign"))
    ids = [repository.save_simulation(replace(result, population_id=UUID(int=1 + i % 2)), DAY) for i in range(4)]
    simulations = repository.list_simulations(UUID(int=1))
    assert [s.simulation_id for s in simulations] == [ids[2], ids[0]]
    assert simulations[0]._fields == ("simulation_id", "intervention_config", "results", "completed_at")
    assert [s.simulation_id for s in repository.list_simulations(UUID(int=1), newest=1)] == [ids[2]]


def test_fifty_are_listed_unless_more_are_asked_for(repository: TwinRepository) -> None:
    population = saved(repository)
    model = repository.save_model(generator())
    result = SimulationEngine(population).simulate(InterventionConfig("email_campaign"))
    with repository._engine.begin() as connection:
        one = rows(repository, store.models)[0]
        connection.execute(store.models.insert(), [{**one, "model_id": uuid4()} for _ in range(55)])
        one = rows(repository, store.populations)[0]
        connection.execute(
            store.populations.insert(), [{**one, "population_id": uuid4(), "model_id": model} for _ in range(55)]
        )
    for _ in range(51):
        repository.save_simulation(result, DAY)
    assert len(repository.list_models()) == 50
    assert len(repository.list_populations(model)) == 50
    assert len(repository.list_simulations(population.population_id)) == 50


def test_what_has_expired_is_purged_at_the_moment_itself(repository: TwinRepository, tmp_path: Path) -> None:
    ids = [UUID(int=i + 1) for i in range(4)]
    for population_id, expires in zip(
        ids, (DAY, DAY + timedelta(seconds=1), None, DAY - timedelta(days=1)), strict=True
    ):
        population = by_hand.population(model_id=None, population_id=population_id)
        repository.save_population(population, expires_at=expires)
        repository.save_simulation(SimulationEngine(population).simulate(InterventionConfig("email_campaign")), DAY)
    files = {row["population_id"]: row["file"] for row in rows(repository, store.members)}
    (tmp_path / "shards" / files[ids[3]]).unlink()
    assert repository.purge(DAY) == 2
    for table in (store.members, store.simulations, store.populations):
        assert {row["population_id"] for row in rows(repository, table)} == {ids[1], ids[2]}
    assert {path.name for path in (tmp_path / "shards").iterdir()} == {files[ids[1]], files[ids[2]]}
    assert repository.purge() == 1
    assert {row["population_id"] for row in rows(repository, store.populations)} == {ids[2]}


def test_outcomes_of_a_twin_are_kept_in_order(repository: TwinRepository) -> None:
    twin, other = uuid4(), uuid4()
    later, first = (FidelityRecord(twin, 1.0 + d, 3.0, 2.0 - d, DAY + timedelta(days=d)) for d in (1, 0))
    strange = FidelityRecord(other, 0.0, 1.0, 1.0, DAY)
    repository.save_fidelity([later, first, strange])
    assert repository.fidelity_history(twin) == (first, later)
    assert repository.fidelity_history(uuid4()) == ()
    assert {row["metric_type"] for row in rows(repository, store.fidelity)} == {"outcome"}


def test_grades_are_kept_whole_and_in_order(repository: TwinRepository) -> None:
    a, b = UUID(int=1), UUID(int=2)
    later = by_hand.graded(population_id=a, model_id=b, measured_at=DAY + timedelta(days=1), warnings=("x", "y"))
    first = by_hand.graded(population_id=a, model_id=a, mae=0.7)
    other = by_hand.graded(population_id=b, model_id=b, measured_at=DAY + timedelta(days=2))
    for report in (later, first, other):
        repository.save_snapshot(report)
    assert repository.fidelity_snapshots() == (first, later, other)
    assert repository.fidelity_snapshots(population_id=a) == (first, later)
    assert repository.fidelity_snapshots(model_id=b) == (later, other)
    assert repository.fidelity_snapshots(model_id=b, population_id=a) == (later,)
    row = next(r for r in rows(repository, store.snapshots) if r["mae"] == 0.7)
    assert (row["rmse"], row["correlation"], row["coverage_95pct"], row["sample_size"]) == (0.2, 0.85, 0.95, 100)
    assert row["snapshot_date"] == DAY
    assert set(row["report"]) == {
        *("mae", "rmse", "correlation", "coverage_95", "sample_size", "missing", "outliers", "calibration_slope"),
        *("bias", "grade", "warnings"),
    }
    repository.save_snapshot(by_hand.graded(measured_at=None))
    assert abs(datetime.now(UTC) - rows(repository, store.snapshots)[-1]["snapshot_date"]) < timedelta(minutes=5)


@pytest.mark.parametrize(
    ("url", "blocking"),
    [
        ("sqlite:///a.db", "sqlite:///a.db"),
        ("sqlite+aiosqlite:///a.db", "sqlite:///a.db"),
        ("postgresql://u:p@h:99/d", "postgresql+pg8000://u:p@h:99/d"),
        ("postgresql+asyncpg://u:p@h/d", "postgresql+pg8000://u:p@h/d"),
        ("postgresql://u@/d?host=/run", "postgresql+pg8000://u@/d?unix_sock=%2Frun%2F.s.PGSQL.5432"),
        ("postgresql://u@:77/d?host=/run", "postgresql+pg8000://u@:77/d?unix_sock=%2Frun%2F.s.PGSQL.77"),
        ("postgresql://u@/d?host=server", "postgresql+pg8000://u@/d?host=server"),
        ("sqlite:///a.db?host=/run", "sqlite:///a.db?host=%2Frun"),
    ],
)
def test_a_url_is_given_its_blocking_driver(url: str, blocking: str) -> None:
    assert store.synchronous(url) == blocking


def test_a_database_that_does_not_answer_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ServiceUnavailableError, match="does not answer; check its URL"):
        TwinRepository(f"sqlite:///{tmp_path}/no/folder/t.db", tmp_path)
    made = TwinRepository(f"sqlite:///{tmp_path}/t.db", tmp_path)
    with made._engine.begin() as connection:
        connection.execute(sa.text("DROP TABLE digital_twins"))
    with pytest.raises(ServiceUnavailableError, match="does not answer"):
        made.query_twins()
    made.close()

    def absent(*_: object) -> None:
        raise ModuleNotFoundError

    monkeypatch.setattr(store.sa, "create_engine", absent)
    with pytest.raises(ServiceUnavailableError, match="extra 'postgres'"):
        TwinRepository("postgresql://h/d", tmp_path)


def test_the_settings_say_where(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOVAMIND_POPULATION_DATABASE_URL", f"sqlite:///{tmp_path}/s.db")
    monkeypatch.setenv("NOVAMIND_POPULATION_DIR", str(tmp_path / "here"))
    made = TwinRepository()
    saved(made)
    made.close()
    assert (tmp_path / "s.db").exists()
    assert len(list((tmp_path / "here").iterdir())) == 1


@pytest.mark.parametrize(
    ("error", "breaks"),
    [
        (sa.exc.IntegrityError("x", {}, Exception()), True),
        (sa.exc.ProgrammingError("x", {}, Exception({"C": "23503"})), True),
        (sa.exc.ProgrammingError("x", {}, Exception({"C": "42P01"})), False),
        (sa.exc.ProgrammingError("x", {}, Exception({})), False),
        (sa.exc.ProgrammingError("x", {}, Exception("23")), False),
        (sa.exc.ProgrammingError("x", {}, Exception()), False),
        (sa.exc.ArgumentError("23"), False),
    ],
)
def test_a_broken_reference_is_told_from_other_trouble(error: sa.exc.SQLAlchemyError, breaks: bool) -> None:
    assert store._breaks_reference(error) is breaks
