"""Is the emulator good enough where it is used: within a dose, between patients?

``python benchmarks/emulator.py`` takes a minute on one core and writes ``results/emulator.json``. One cell is one region,
treated and observed transmitter, change of release and day; within it only the patients differ (the shipped parameter
sets). Over all cells together the emulator looks near perfect, because the size of the change explains most.
"""

import json
import time
from pathlib import Path

import numpy as np

from novamind.neurochemistry.domain import BrainRegion
from novamind.neurochemistry.dynamics import MONOAMINES, ensemble
from novamind.neurochemistry.simulation import region_level
from novamind.neurochemistry.surrogate import features, has_terminals, predict
from novamind.neurochemistry.treatment import Treatment

RESULTS = Path(__file__).parent / "results" / "emulator.json"
REGIONS = ("prefrontal_cortex", "hippocampus", "striatum", "amygdala", "raphe_nuclei")
EFFECTS = (-0.5, -0.2, 0.2, 0.5, 1.0, 3.0)
DAYS = (1, 7, 28, 84)


def main() -> None:
    sets = ensemble()
    within, truth_all, predicted_all = [], [], []
    started = time.process_time()
    simulated = 0
    for treated in MONOAMINES:
        for effect in EFFECTS:
            chemistry = Treatment({treated: effect}).chemistry(DAYS[-1], sets)
            simulated += sets.count
            for observed in MONOAMINES:
                for region in map(BrainRegion, REGIONS):
                    if not has_terminals(region, observed):
                        continue
                    level = np.log(region_level(chemistry, observed, region))
                    for day in DAYS:
                        truth = level[:, day * 2]
                        predicted = predict(features(sets, region, treated, observed, effect, day))
                        truth_all.append(truth)
                        predicted_all.append(predicted)
                        spread = ((truth - truth.mean()) ** 2).sum()
                        if np.sqrt(spread / truth.size) > 1e-3:  # nothing to explain where all patients agree
                            within.append(1 - ((truth - predicted) ** 2).sum() / spread)
    truth, predicted = np.concatenate(truth_all), np.concatenate(predicted_all)
    result = {
        "cells": len(within),
        "r2_over_all": float(1 - ((truth - predicted) ** 2).sum() / ((truth - truth.mean()) ** 2).sum()),
        "median_within_cell_r2": float(np.median(within)),
        "share_of_cells_below_0_8": float((np.array(within) < 0.8).mean()),
        "lowest_within_cell_r2": float(np.min(within)),
        "twin_patients_per_cpu_second": simulated / (time.process_time() - started),
    }
    RESULTS.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
