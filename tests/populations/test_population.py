"""A population: who each twin is, and rows and columns as they were drawn."""

from dataclasses import replace
from uuid import UUID

import numpy as np
import pandas as pd
import polars as pl
import pytest

from novamind.errors import NotFoundError
from novamind.populations import PopulationFilter
from novamind.populations.table import Column
from tests.populations import by_hand


def test_a_twin_has_the_populations_id_with_its_row_in_the_last_forty_bits() -> None:
    population = by_hand.population()
    assert population.twin_id(0) == UUID("12345678-1234-4678-9234-560000000000")
    assert population.twin_id(11) == UUID("12345678-1234-4678-9234-56000000000b")
    shard = replace(population, first_index=2**39 + 5)
    assert shard.twin_id(1) == UUID("12345678-1234-4678-9234-568000000006")
    assert [shard.index(shard.twin_id(i)) for i in (0, 11)] == [0, 11]
    assert [population.index(population.twin_id(i)) for i in range(12)] == list(range(12))


@pytest.mark.parametrize(
    "other",
    [
        UUID("12345678-1234-4678-9234-56000000000c"),  # one row too far
        UUID("12345678-1234-4678-9234-570000000000"),  # the lowest bit of another population
        UUID("92345678-1234-4678-9234-560000000000"),
    ],
)
def test_a_stranger_is_not_of_the_population(other: UUID) -> None:
    with pytest.raises(NotFoundError, match="does not belong"):
        by_hand.population().index(other)
    with pytest.raises(NotFoundError, match="does not belong"):
        replace(by_hand.population(), first_index=5).index(by_hand.population().twin_id(4))


def test_one_twin_has_plain_values_and_gaps_as_none() -> None:
    population = by_hand.population()
    twin = population.twin(2)
    assert dict(twin.features) == {
        "specialty": "oncology",
        "region": "west",
        "covered": True,
        "decile": 3,
        "visits": 0,
        "score": None,
    }
    assert type(twin.features["decile"]) is int
    assert type(twin.features["covered"]) is bool
    assert population.twin(3).features["specialty"] is None
    assert population.twin(1).features["visits"] is None
    assert (twin.twin_id, twin.model_id) == (population.twin_id(2), by_hand.MODEL_ID)
    assert twin.baseline_behavior == population.baseline_behavior[2]
    assert twin.expected_outcome == population.expected_outcome[2]
    assert population.twin(0).features["specialty"] == "hematology"
    for row in (-1, 12):
        with pytest.raises(NotFoundError, match="has 12 twins, numbered from 0"):
            population.twin(row)


@pytest.mark.parametrize("backend", ["polars", "pandas"])
def test_the_frame_holds_features_and_the_drawn_outcome(backend: str) -> None:
    population = by_hand.population()
    frame = replace(population, features=replace(population.features, backend=backend)).frame
    assert isinstance(frame, pd.DataFrame if backend == "pandas" else pl.DataFrame)
    assert list(frame.columns) == [c.name for c in population.features.columns] + ["prescribing_change"]
    np.testing.assert_array_equal(frame["prescribing_change"], population.baseline_behavior)
    whole = replace(population, target=Column("y", "number", decimals=0), baseline_behavior=np.arange(12.0)).frame
    assert whole["y"].dtype == pl.Int64


def test_rows_are_selected_and_taken_together() -> None:
    population = by_hand.population()
    mask = population.select(PopulationFilter(specialty="oncology", min_decile=8))
    assert np.flatnonzero(mask).tolist() == [7, 10, 11]
    assert population.select(None).all()
    some = population.take(np.flatnonzero(mask))
    assert len(some) == 3
    assert some.features.values["decile"].tolist() == [8, 10, 10]
    for name in ("baseline_behavior", "expected_outcome", "outcome_low", "outcome_high"):
        np.testing.assert_array_equal(getattr(some, name), getattr(population, name)[[7, 10, 11]])
    assert some.twin_id(0) == population.twin_id(0)
