import json
from datetime import UTC, datetime

import numpy as np
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from typer.testing import CliRunner

import novamind.cli as cli
from novamind.errors import DataProcessingError, InsufficientDataError, NotFoundError, ValidationError
from novamind.populations import (
    ExperimentDesigner,
    FidelityTracker,
    InterventionConfig,
    SimulationEngine,
    TwinRepository,
    plots,
)
from novamind.populations.store import metadata, synchronous
from novamind.populations.table import read
from tests.populations.conftest import pilot


@pytest.fixture
def repository(tmp_path):
    made = TwinRepository(f"sqlite:///{tmp_path}/twins.db", tmp_path / "shards")
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


def test_an_altered_shard_and_an_unknown_id_are_refused(population, repository, tmp_path):
    unsaved = population
    object.__setattr__(unsaved, "model_id", None)
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


def test_sample_size_agrees_with_the_textbook(population):
    designer = ExperimentDesigner(population)
    object.__setattr__(designer, "outcome_sd", 1.0)
    design = designer.design(0.5, adjust=False)
    assert design.sample_size == 126  # 2 * 63: two-sample z test, d = 0.5, 80 % power, 5 %.
    assert designer.power(0.5, 126, adjust=False) == pytest.approx(0.80, abs=0.005)
    assert designer.minimum_detectable_effect(126, adjust=False) == pytest.approx(0.5, abs=0.005)
    clustered = designer.design(0.5, adjust=False, cluster_size=11, intraclass_correlation=0.1)
    assert clustered.design_effect == pytest.approx(2.0)
    assert clustered.sample_size >= 2 * 126
    assert "two-sided" in design.registration


def test_prediction_adjustment_and_stratified_allocation_help(population):
    designer = ExperimentDesigner(population)
    assert designer.residual_sd < designer.outcome_sd
    arm = designer.allocate(1_000, strata=["specialty"], seed=1)
    assert abs(arm.sum() - 500) <= 10
    expected = population.expected_outcome[:1_000]
    assert abs(expected[arm == 1].mean() - expected[arm == 0].mean()) < 0.05 * expected.std()
    with pytest.raises(ValidationError, match="power"):
        designer.design(0.5, power=1.5)
    flat = population.take(np.zeros(1, dtype=int))
    with pytest.raises(InsufficientDataError):
        ExperimentDesigner(flat)


def test_the_shell_trains_generates_simulates_and_grades(table, tmp_path):
    data, model = tmp_path / "accounts.csv", tmp_path / "m.model"
    table.write_csv(data)
    pilot(600, lambda f: np.full(len(f), 0.2), 1).write_csv(tmp_path / "pilot.csv")

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


def test_every_chart_is_drawn(table, population):
    names = tuple(c.name for c in population.features.columns)
    real = read(table).only(names)
    for chart in (
        plots.marginals(real, population.features, ["decile", "specialty"]),
        plots.associations(real, population.features),
    ):
        assert chart.to_dict()
    tracker = FidelityTracker()
    tracker.register(population)
    tracker.calculate_fidelity(population.population_id, population.baseline_behavior)
    assert plots.fidelity(tracker.snapshots(population.population_id)).to_dict()
    with pytest.raises(ValidationError):
        plots.fidelity(())
