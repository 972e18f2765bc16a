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
from novamind.neurochemistry.domain import Floats
from novamind.neurochemistry.dynamics import MONOAMINES, PRIOR, Parameters, simulate_chemistry
from novamind.neurochemistry.published_checks import fits_calibration
from novamind.neurochemistry.reference import MAPPED_REGIONS
from novamind.neurochemistry.simulation import region_level
from novamind.neurochemistry.surrogate import (
    DAY_RANGE,
    FEATURE_NAMES,
    MANIFEST_FILE,
    WEIGHTS_FILE,
    features,
    has_terminals,
)
from novamind.neurochemistry.treatment import EFFECT_RANGE

ENSEMBLE_SIZE = 200
_BATCH = 2000
_MAXIMUM_DRAWS = 100_000
_STEP_HOURS = 12.0
TRAINING_PATIENTS = 3000
HELD_OUT_PATIENTS = 600
#: Share of the patients that give an example for each region and pair of transmitters.
_SHARE_OF_PATIENTS = 0.25
_ROUNDS = 500
_TREES = {
    "objective": "reg:squarederror",
    "tree_method": "hist",
    "max_depth": 6,
    "learning_rate": 0.12,
    "subsample": 0.8,
    "min_child_weight": 5,
}
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


def simulate_examples(patients: Parameters, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Return simulated examples: every patient and monoamine, at random regions, transmitters and days.

    Returns
    -------
    tuple
        Inputs ``(rows, features)`` and log levels ``(rows,)``.
    """
    times = int(DAY_RANGE[1] * 24 / _STEP_HOURS) + 1
    inputs, targets = [], []
    for treated in MONOAMINES:
        span = np.log1p(EFFECT_RANGE)
        effects = np.expm1(rng.uniform(span[0], span[1], patients.count))
        release = {treated: np.broadcast_to(1.0 + effects[:, None], (patients.count, times))}
        chemistry = simulate_chemistry({}, {}, patients, _STEP_HOURS, release)
        for observed in MONOAMINES:
            for region in MAPPED_REGIONS:
                if not has_terminals(region, observed):
                    continue
                rows = rng.choice(patients.count, max(1, int(_SHARE_OF_PATIENTS * patients.count)), replace=False)
                steps = np.round(np.exp(rng.uniform(0.0, np.log(times - 1), rows.size))).astype(np.intp)
                level = region_level(chemistry, observed, region)[rows, steps]
                day = steps * _STEP_HOURS / 24
                inputs.append(features(patients.take(rows), region, treated, observed, effects[rows], day))
                targets.append(np.log(level))
    return np.concatenate(inputs), np.concatenate(targets)


def r_squared(truth: Floats, prediction: Floats) -> float:
    """Return the share of variance explained."""
    return float(1.0 - ((truth - prediction) ** 2).sum() / ((truth - truth.mean()) ** 2).sum())


def train_surrogate(folder: Path, seed: int, progress: Progress = print) -> dict[str, float]:
    """Train, judge on held-out patients, write weights and manifest; return the metrics."""
    import xgboost

    rng = np.random.default_rng(seed)
    inputs, targets = simulate_examples(draw_patients(rng, TRAINING_PATIENTS), rng)
    progress(f"surrogate: {len(targets)} simulated examples of {TRAINING_PATIENTS} patients")
    data = xgboost.DMatrix(inputs, targets)
    booster = xgboost.train(_TREES | {"seed": seed, "nthread": 2}, data, num_boost_round=_ROUNDS)
    held_inputs, held_targets = simulate_examples(draw_patients(rng, HELD_OUT_PATIENTS), rng)
    predicted = booster.predict(xgboost.DMatrix(held_inputs))
    metrics = {
        "r2_held_out_patients": r_squared(held_targets, predicted),
        "median_absolute_relative_error": float(np.median(np.abs(np.expm1(predicted - held_targets)))),
        "p95_absolute_relative_error": float(np.quantile(np.abs(np.expm1(predicted - held_targets)), 0.95)),
    }
    folder.mkdir(parents=True, exist_ok=True)
    weights = bytes(booster.save_raw("ubj"))
    (folder / WEIGHTS_FILE).write_bytes(weights)
    manifest = {
        "model": "surrogate of the neurochemical twin",
        "seed": seed,
        "training_patients": TRAINING_PATIENTS,
        "held_out_patients": HELD_OUT_PATIENTS,
        "features": list(FEATURE_NAMES),
        "trees": _TREES | {"rounds": _ROUNDS},
        "metrics": metrics,
        "sha256": hashlib.sha256(weights).hexdigest(),
    }
    (folder / MANIFEST_FILE).write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")
    progress(f"surrogate: R2 {metrics['r2_held_out_patients']:.4f} on held-out patients")
    return metrics


def train(package_folder: Path, seed: int = 0, progress: Progress = print) -> dict[str, float]:
    """Make everything the room ships: ``reference/ensemble.csv`` and ``weights/``."""
    write_ensemble(draw_ensemble(seed, progress=progress), package_folder / "reference" / "ensemble.csv")
    return train_surrogate(package_folder / "weights", seed, progress)
