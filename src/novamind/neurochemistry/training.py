"""How the room's shipped parameter sets were made: one seeded command draws them.

``novamind train neurochemistry`` runs :func:`train`; nothing here is needed to use the room.
"""

import csv
from collections.abc import Callable
from pathlib import Path

import numpy as np

from novamind.errors import ModelInferenceError
from novamind.neurochemistry.dynamics import PRIOR, Parameters
from novamind.neurochemistry.published_checks import fits_calibration

ENSEMBLE_SIZE = 200
_BATCH = 2000
_MAXIMUM_DRAWS = 100_000
Progress = Callable[[str], None]


def draw_ensemble(seed: int, size: int = ENSEMBLE_SIZE, progress: Progress = print) -> dict[str, np.ndarray]:
    """Return draws from ``PRIOR`` that meet every calibration check, as columns of length ``size``.

    Raises
    ------
    ModelInferenceError
        Too few draws pass: the structure cannot meet the checks within the ranges.
    """
    rng = np.random.default_rng(seed)
    kept: dict[str, list[np.ndarray]] = {name: [] for name in PRIOR}
    accepted = drawn = 0
    while accepted < size and drawn < _MAXIMUM_DRAWS:
        columns = {name: rng.uniform(low, high, _BATCH).round(5) for name, (low, high, _) in PRIOR.items()}
        passed = fits_calibration(Parameters.from_columns(columns))
        for name, values in columns.items():
            kept[name].append(values[passed])
        accepted += int(passed.sum())
        drawn += _BATCH
        progress(f"ensemble: {accepted} of {size} sets after {drawn} draws")
    if accepted < size:
        raise ModelInferenceError("too few parameter sets meet the calibration checks; widen the ranges")
    return {name: np.concatenate(parts)[:size] for name, parts in kept.items()}


def write_ensemble(columns: dict[str, np.ndarray], path: Path) -> None:
    """Write the sets as CSV, one a row."""
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(zip(*columns.values(), strict=True))


def draw_patients(rng: np.random.Generator, count: int) -> Parameters:
    """Return parameter sets over the whole of ``PRIOR``, wider than the shipped ensemble."""
    return Parameters.from_columns({name: rng.uniform(low, high, count) for name, (low, high, _) in PRIOR.items()})


def train(package_folder: Path, seed: int = 0, progress: Progress = print) -> dict[str, int]:
    """Make what the room ships, ``reference/ensemble.csv``; return how many sets it holds."""
    columns = draw_ensemble(seed, progress=progress)
    (package_folder / "reference").mkdir(parents=True, exist_ok=True)
    write_ensemble(columns, package_folder / "reference" / "ensemble.csv")
    return {"sets": len(columns["symptom_days"])}
