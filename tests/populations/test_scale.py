"""Populations in shards: the same twins and the same answer for any number of workers."""

from functools import partial
from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest

from novamind.errors import DataProcessingError, InsufficientDataError, ServiceUnavailableError, ValidationError
from novamind.populations import EstimatedEffect, InterventionConfig, SimulationEngine, scale
from novamind.populations.interventions.evidence import AssumedEffect
from novamind.populations.interventions.simulation_engine import Tally
from tests.patience import patient
from tests.populations.conftest import pilot

EMAIL = InterventionConfig("email_campaign")
N = 2_300


@pytest.fixture(scope="module")
def engine_of():
    data = pilot(2_000, lambda f: 0.05 * f["digital_engagement_score"].to_numpy(), 1)
    return partial(SimulationEngine, evidence=EstimatedEffect(data, randomised=True))


@pytest.fixture
def sharded(generator, tmp_path, monkeypatch):
    """Three shards of small blocks."""
    for module in ("generation.generator", "scale"):
        monkeypatch.setattr(f"novamind.populations.{module}.BLOCK", 500)
    monkeypatch.setattr("novamind.populations.scale._BLOCKS", 2)
    return scale.generate(generator, N, tmp_path / "shards", seed=5)


def test_shards_hold_the_twins_that_one_memory_would(generator, sharded):
    whole = generator.generate(N, seed=5)
    assert sharded.rows == (1_000, 1_000, 300)
    assert pl.concat([sharded.shard(i).frame for i in range(3)]).equals(whole.frame)
    last = sharded.shard(2)
    assert last.twin(0).expected_outcome == whole.expected_outcome[2_000]
    assert last.index(last.twin_id(7)) == 7


def test_a_simulation_over_shards_is_that_of_the_whole(generator, sharded, engine_of):
    whole = engine_of(generator.generate(N, seed=5)).simulate(EMAIL, {"decile": (1, 5)})
    found = scale.simulate(sharded, engine_of, EMAIL, {"decile": (1, 5)})
    assert found.twins == whole.twins
    assert found.average_treatment_effect == pytest.approx(whole.average_treatment_effect, rel=1e-12)
    assert found.standard_error == pytest.approx(whole.standard_error, rel=0.02)
    assert found.recommendation is whole.recommendation
    groups, expected = ({g.level: g.effect for g in r.heterogeneity["specialty"]} for r in (found, whole))
    assert groups == pytest.approx(expected)
    files = sorted(sharded.folder.glob("effects-*.parquet"))
    kept = np.concatenate([pl.read_parquet(f)["effect"].to_numpy() for f in files])
    np.testing.assert_allclose(kept, whole.individual_effects, rtol=1e-5)


@pytest.mark.parametrize("engine", ["processes", pytest.param("ray", marks=pytest.mark.timeout(patient(300)))])
def test_two_workers_give_bit_by_bit_what_one_gives(generator, engine_of, tmp_path, engine, monkeypatch):
    if engine == "ray":
        pytest.importorskip("ray", reason="Ray is not installed (extra 'scale').")
    monkeypatch.setattr("novamind.populations.scale._BLOCKS", 1)
    one = scale.generate(generator, scale.BLOCK + 1_000, tmp_path / "one", seed=2)
    two = scale.generate(generator, scale.BLOCK + 1_000, tmp_path / "two", seed=2, workers=2, engine=engine)
    assert one.files == two.files
    assert [(one.folder / f).read_bytes() for f in one.files] == [(two.folder / f).read_bytes() for f in two.files]
    if engine == "ray":
        alone, together = (
            scale.simulate(one, engine_of, EMAIL),
            scale.simulate(two, engine_of, EMAIL, workers=2, engine="ray"),
        )
        assert alone.to_dict() == together.to_dict()


def test_what_cannot_be_done_is_explained(generator, sharded, engine_of, tmp_path, monkeypatch):
    with pytest.raises(ValidationError, match="at least 1"):
        scale.generate(generator, 0, tmp_path)
    with pytest.raises(ValidationError, match="workers"):
        scale.generate(generator, 10, tmp_path, workers=0)
    with pytest.raises(ValidationError, match="'processes' or 'ray'"):
        scale.generate(generator, 10, tmp_path, engine="threads")
    with pytest.raises(InsufficientDataError, match="relax"):
        scale.simulate(sharded, engine_of, EMAIL, {"digital_engagement_score": (0.99999, None)})
    monkeypatch.setitem(__import__("sys").modules, "ray", None)
    with pytest.raises(ServiceUnavailableError, match="scale"):
        scale.generate(generator, 10, tmp_path, engine="ray")
    gone = scale.generate(generator, 10, tmp_path)
    with pytest.raises(ValidationError, match="another"):
        scale.generate(generator, 10, tmp_path)
    (tmp_path / gone.files[0]).unlink()
    with pytest.raises(DataProcessingError, match="absent"):
        gone.shard(0)


def test_blocks_are_put_into_shards_of_a_quarter_million() -> None:
    assert scale._BLOCKS == 5
    assert scale._MODEL == "twins.model"


def test_what_lies_in_the_folder(quick, tmp_path, monkeypatch):
    for module in ("generation.generator", "scale"):
        monkeypatch.setattr(f"novamind.populations.{module}.BLOCK", 50)
    monkeypatch.setattr("novamind.populations.scale._BLOCKS", 2)
    made = scale.generate(quick, 230, tmp_path / "a" / "b", {"decile": (1, 5)}, seed=4)
    whole = quick.generate(230, {"decile": (1, 5)}, seed=4)
    assert len(made) == 230
    assert made.files == ("twins-00000.parquet", "twins-00001.parquet", "twins-00002.parquet")
    assert made.rows == (100, 100, 30)
    assert sorted(p.name for p in made.folder.iterdir()) == [*made.files, "twins.model"]
    assert (len(made.head), made.head.seed, made.head.filters) == (0, 4, {"decile": (1, 5)})
    for number in range(3):
        part = made.shard(number)
        rows = slice(100 * number, 100 * number + made.rows[number])
        assert part.first_index == 100 * number
        assert part.twin_id(2).int == made.head.population_id.int >> 40 << 40 | 100 * number + 2
        for name in ("baseline_behavior", "expected_outcome", "outcome_low", "outcome_high"):
            np.testing.assert_array_equal(getattr(part, name), getattr(whole, name)[rows])
        np.testing.assert_array_equal(part.features.values["payments"], whole.features.values["payments"][rows])
    assert scale.generate(quick, np.int64(3), tmp_path / "c").rows == (3,)
    for n in (0, True, 2.0):
        with pytest.raises(ValidationError, match="whole number of at least 1"):
            scale.generate(quick, n, tmp_path / "d")
    with pytest.raises(ValidationError, match="seed"):
        scale.generate(quick, 5, tmp_path / "d", seed=-1)


def test_effects_lie_beside_the_shards_with_their_rows(quick, tmp_path, monkeypatch):
    for module in ("generation.generator", "scale"):
        monkeypatch.setattr(f"novamind.populations.{module}.BLOCK", 50)
    monkeypatch.setattr("novamind.populations.scale._BLOCKS", 1)
    made = scale.generate(quick, 120, tmp_path, seed=4)
    engine_of = partial(SimulationEngine, evidence=AssumedEffect(0.2, 0.1))
    wanted = {"digital_engagement_score": (0.9, None)}
    found = scale.simulate(made, engine_of, EMAIL, wanted)
    whole = quick.generate(120, seed=4)
    rows = np.flatnonzero(whole.features.values["digital_engagement_score"] >= 0.9)
    kept = pl.concat([pl.read_parquet(p) for p in sorted(tmp_path.glob("effects-*.parquet"))])
    assert kept["row"].to_list() == rows.tolist()
    assert kept["effect"].to_list() == [0.2] * len(rows)
    assert found.twins == len(rows)
    assert len(found.individual_effects) == 0
    # A shard without any such twin leaves no effects of an earlier simulation behind.
    best = float(whole.features.values["digital_engagement_score"][:50].max())
    scale.simulate(made, engine_of, EMAIL, {"digital_engagement_score": (best, None)})
    lone = {"payments": [float(np.nanmax(whole.features.values["payments"]))]}
    scale.simulate(made, engine_of, EMAIL, lone)
    where = np.flatnonzero(whole.features.values["payments"] == lone["payments"][0]) // 50
    assert [p.name for p in sorted(tmp_path.glob("effects-*"))] == [
        f"effects-{w:05d}.parquet" for w in np.unique(where)
    ]


def test_each_shard_gives_its_share_of_the_sample(quick, tmp_path, monkeypatch):
    monkeypatch.setattr("novamind.populations.scale.SAMPLE", 10)
    made = scale.generate(quick, 40, tmp_path, seed=4)
    engine_of = partial(SimulationEngine, evidence=AssumedEffect(0.2, 0.1))
    tally, some = scale._simulate_shard(made, engine_of, EMAIL, None, 0, 4)
    assert tally.twins == 40
    np.testing.assert_array_equal(some["decile"], made.shard(0).features.values["decile"][[0, 13, 26, 39]])
    few = scale._simulate_shard(made, engine_of, EMAIL, None, 0, 99)[1]
    assert len(few["decile"]) == 40
    asked = []

    class Noting(SimulationEngine):
        def conclude(self, tally, twins, intervention):
            asked.append(len(twins))
            return super().conclude(tally, twins, intervention)

    three = scale.ShardedPopulation(made.head, made.folder, made.files * 3, made.rows * 3)
    scale.simulate(three, partial(Noting, evidence=AssumedEffect(0.2, 0.1)), EMAIL)
    assert asked == [12]  # a third of ten each, rounded up
    nothing = scale._simulate_shard(made, engine_of, EMAIL, {"digital_engagement_score": (2, 3)}, 0, 4)
    assert nothing == (Tally(), {})


def test_another_model_in_the_same_place_is_read_anew(quick, tmp_path):
    first = scale._model(str(quick.save(tmp_path / "m")), 1)
    assert scale._model(str(tmp_path / "m"), 1) is first
    assert scale._model(str(tmp_path / "m"), 2) is not first


def test_jobs_are_done_in_their_order():
    assert list(scale._each(pow, [(2, 3), (3, 2)], 1, "processes")) == [8, 9]
    for workers in (0, True, 1.5):
        with pytest.raises(ValidationError, match="workers must be a whole number of at least 1"):
            list(scale._each(pow, [(2, 3)], workers, "processes"))


class Cluster:
    """Ray as far as it is asked: tasks are done where they are called."""

    class exceptions:  # noqa: N801
        class RayTaskError(Exception):
            def as_instanceof_cause(self):
                return DataProcessingError("as it was")

    def __init__(self, runs=False, fails=False):
        self.runs, self.fails, self.notes = runs, fails, []

    def is_initialized(self):
        return self.runs

    def init(self, **options):
        self.notes.append(("init", options))

    def shutdown(self):
        self.notes.append("shutdown")

    def remote(self, **options):
        self.notes.append(("remote", options))
        return lambda task: SimpleNamespace(remote=lambda *job: (task, job))

    def get(self, reference):
        if self.fails:
            raise self.exceptions.RayTaskError
        task, job = reference
        return task(*job)


@pytest.mark.parametrize("runs", [False, True])
def test_jobs_are_done_on_a_cluster_that_is_started_where_there_is_none(monkeypatch, runs):
    cluster = Cluster(runs)
    monkeypatch.setitem(__import__("sys").modules, "ray", cluster)
    assert list(scale._each(pow, [(2, 3), (3, 2)], 4, "ray")) == [8, 9]
    started = ("init", {"num_cpus": 4, "include_dashboard": False, "log_to_driver": False})
    a_task = ("remote", {"num_cpus": 1})
    assert cluster.notes == ([a_task] if runs else [started, a_task, "shutdown"])


def test_an_error_on_the_cluster_is_that_of_the_task(monkeypatch):
    cluster = Cluster(fails=True)
    monkeypatch.setitem(__import__("sys").modules, "ray", cluster)
    with pytest.raises(DataProcessingError, match="as it was"):
        list(scale._each(pow, [(2, 3)], 1, "ray"))
    assert cluster.notes[-1] == "shutdown"
