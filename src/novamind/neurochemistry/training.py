"""How the room's shipped figures were made: one seeded command draws the ensemble and trains the surrogate.

``novamind train neurochemistry`` runs :func:`train`; nothing here is needed to use the room.
"""

import csv
import hashlib
import json
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
    """Rejection sampling: draws from ``PRIOR`` that meet every calibration check, as columns of length ``size``.

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
