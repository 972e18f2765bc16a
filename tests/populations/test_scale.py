"""Populations in shards: the same twins and the same answer for any number of workers."""

from functools import partial

import numpy as np
import polars as pl
import pytest

from novamind.errors import DataProcessingError, InsufficientDataError, ServiceUnavailableError, ValidationError
from novamind.populations import EstimatedEffect, InterventionConfig, SimulationEngine, scale
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
    for module in ("generator", "scale"):
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


@pytest.mark.parametrize("engine", ["processes", pytest.param("ray", marks=pytest.mark.timeout(600))])
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
