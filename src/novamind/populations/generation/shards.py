"""A population's Parquet file: codes and numbers as they are held, one column each."""

from pathlib import Path
from typing import Any, Final

from numpy.typing import NDArray

from novamind.errors import DataProcessingError
from novamind.populations.population import TwinPopulation
from novamind.populations.table import Arrays

ROWS: Final = 250_000
_FEATURE: Final = "feature:"
_DERIVED: Final = ("baseline_behavior", "expected_outcome", "outcome_low", "outcome_high")


def write(population: TwinPopulation, rows: NDArray[Any], path: Path) -> None:
    """Write these twins.

    Raises
    ------
    DataProcessingError
        If the file cannot be written.
    """
    import polars as pl

    shown = {f"{_FEATURE}{c.name}": population.features.values[c.name][rows] for c in population.features.columns}
    frame = pl.DataFrame({**shown, **{name: getattr(population, name)[rows] for name in _DERIVED}})
    try:
        frame.write_parquet(path, compression="lz4", statistics=False)
    except OSError as error:
        raise DataProcessingError(
            "the population's shards cannot be written; check the folder and its free space"
        ) from error


def read(path: Path) -> tuple[Arrays, dict[str, Any]]:
    """Read features back, and the outcomes by the names of `TwinPopulation`."""
    import polars as pl

    frame = pl.read_parquet(path)
    features = {n.removeprefix(_FEATURE): frame[n].to_numpy() for n in frame.columns if n.startswith(_FEATURE)}
    return features, {name: frame[name].to_numpy() for name in _DERIVED}
