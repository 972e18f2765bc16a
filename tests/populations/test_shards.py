"""Shards: codes and numbers as they are held."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from novamind.errors import DataProcessingError
from novamind.populations.generation import shards
from tests.populations import by_hand


def test_the_rows_that_were_written_come_back(tmp_path: Path) -> None:
    assert shards.ROWS == 250_000
    population, rows = by_hand.population(), np.array([3, 0, 2])
    shards.write(population, rows, tmp_path / "s.parquet")
    features, outcomes = shards.read(tmp_path / "s.parquet")
    assert list(features) == [c.name for c in population.features.columns]
    for name, values in population.features.values.items():
        np.testing.assert_array_equal(features[name], values[rows])
        assert features[name].dtype == values.dtype
    assert list(outcomes) == ["baseline_behavior", "expected_outcome", "outcome_low", "outcome_high"]
    for name, values in outcomes.items():
        np.testing.assert_array_equal(values, getattr(population, name)[rows])
    held = pl.read_parquet(tmp_path / "s.parquet").columns
    assert held[0] == "feature:specialty"


def test_a_folder_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(DataProcessingError, match="shards cannot be written; check the folder"):
        shards.write(by_hand.population(), np.arange(2), tmp_path / "no" / "s.parquet")
