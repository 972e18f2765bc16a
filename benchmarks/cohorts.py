"""Simulated cohorts: how fast they are drawn on one core, and how they compare with published diaries.

    python benchmarks/cohorts.py

Writes ``results/cohorts.json``. Speed is counted in processor time, so that other work on the machine does not count;
its floor in the same run is drawing one normal number a person and day.
"""

import json
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from novamind.cohorts import OTHER_POPULATION, PLAIN_AUTOREGRESSION, CohortSettings, simulate

RESULTS = Path(__file__).resolve().parent / "results" / "cohorts.json"
POPULATIONS = {
    "default": CohortSettings(),
    "other": OTHER_POPULATION,
    "plain autoregression": PLAIN_AUTOREGRESSION,
}
PERSONS, DAYS, SEED, REPEATS = 20_000, 120, 20_264, 3
LONG_ENOUGH = 40  # reported days of the persons whose statistics are told
PAIRS = 20  # neighbouring days that tell how alike they are


def main() -> None:
    results = {
        "persons": PERSONS,
        "days": DAYS,
        "speed": {name: speed(settings) for name, settings in POPULATIONS.items()},
        "diaries": {name: diaries(settings) for name, settings in POPULATIONS.items()},
    }
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(results, indent=1) + "\n")
    print(json.dumps(results, indent=1))


def speed(settings: CohortSettings) -> dict[str, float]:
    """Trajectories a minute of one core, and the cost beside the floor."""
    rng = np.random.default_rng(SEED)
    floor = processor_seconds(lambda: rng.standard_normal((PERSONS, DAYS), dtype=np.float32))
    ours = processor_seconds(lambda: simulate(PERSONS, DAYS, seed=SEED, settings=settings))
    return {"trajectories_per_minute": round(60 * PERSONS / ours), "times_the_floor": round(ours / floor, 1)}


def processor_seconds(work: Callable[[], object]) -> float:
    """Least of some repeats."""
    taken = []
    for _ in range(REPEATS):
        before = time.process_time()
        work()
        taken.append(time.process_time() - before)
    return min(taken)


def diaries(settings: CohortSettings) -> dict[str, float]:
    """What the literature reports of diaries: compliance and its fall, inertia, variance between persons, ends."""
    reports = simulate(PERSONS, DAYS, seed=SEED, settings=settings).reports
    given = np.isfinite(reports)
    kept = reports[given.sum(1) >= LONG_ENOUGH]
    mean = np.nanmean(kept, axis=1, keepdims=True)
    variance = np.nanmean((kept - mean) ** 2, axis=1)
    neighbours = (kept - mean)[:, 1:] * (kept - mean)[:, :-1]
    moving = variance > 0
    known = moving & (np.isfinite(neighbours).sum(1) >= PAIRS)
    alike = np.nanmean(neighbours[known], axis=1) / variance[known]
    return {
        "reported_share": share(given),
        "reported_share_first_month": share(given[:, :30]),
        "reported_share_last_month": share(given[:, -30:]),
        "inertia_lower_quartile": rounded(np.quantile(alike, 0.25)),
        "inertia_median": rounded(np.median(alike)),
        "inertia_upper_quartile": rounded(np.quantile(alike, 0.75)),
        "within_person_sd_median": rounded(np.median(np.sqrt(variance))),
        "variance_between_persons": rounded(mean.var() / (mean.var() + variance.mean())),
        "at_best_value": share(reports[given] == 0),
        "at_worst_value": share(reports[given] == 1),
        "never_changing": share(~moving),
    }


def share(true: NDArray[np.bool_]) -> float:
    return rounded(true.mean())


def rounded(value: float | np.floating) -> float:
    return round(float(value), 3)


if __name__ == "__main__":
    main()
