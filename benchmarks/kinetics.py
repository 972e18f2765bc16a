"""Simulated half-life, time of peak, steady state and metabolites against what has been published, as JSON.

``python benchmarks/kinetics.py`` prints the share of published figures that the simulation meets and names the misses.
A figure is met where the simulated value lies in the published range; a single published value stands for 20 % either
way. Time to steady state is that to 95 % of the final daily mean, of an hourly course.
"""

import argparse
import csv
import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from novamind.drugs.clearance import comedicated, exposure_ratio, routes, shares
from novamind.drugs.kinetics import drug_names, kinetics
from novamind.neurochemistry.pharmacokinetics import (
    Physiology,
    Schedule,
    concentrations,
    enzyme_activity,
    steady_state_average,
)

REFERENCE = Path(__file__).parents[1] / "tests" / "drugs" / "facts" / "published_kinetics.csv"
TOLERANCE = 0.2
PARAMETERS = ("half-life", "tmax", "metabolite half-life", "metabolite ratio", "time to steady state")


@dataclass(frozen=True, slots=True)
class Comparison:
    """One published figure beside the simulated one."""

    drug: str
    parameter: str
    low: float
    high: float
    simulated: float

    @property
    def met(self) -> bool:
        """Whether the simulated value lies in the published range."""
        low, high = (self.low, self.high) if self.high > self.low else (self.low * 0.8, self.high * 1.2)
        return low * (1 - 1e-3) <= self.simulated <= high * (1 + 1e-3)


def simulated(name: str, parameter: str, phenotypes: Mapping[str, str | float] | None = None) -> float:
    """Return what the simulation gives for one parameter of a drug.

    Parameters
    ----------
    name
        Generic name.
    parameter
        One of ``PARAMETERS``.
    phenotypes
        Enzyme to phenotype, where the figure is one of them.
    """
    drug = kinetics(name)
    patient = Physiology.typical(enzyme_activity(phenotypes))
    if parameter == "metabolite ratio":
        levels = steady_state_average(drug, drug.usual_dose, patients=patient)
        return float(levels[drug.metabolite or ""][0] / levels[name][0])
    terminal = math.log(2) * drug.volume / drug.clearance
    if parameter == "time to steady state":
        days = math.ceil(terminal / 24 * 10) + 2
        times = np.arange(0.0, days * 24.0, 1.0)
        course = concentrations(drug, Schedule.regular(drug.usual_dose, 24.0, days * 24.0), times, patient)[name][0]
        daily = course.reshape(-1, 24).mean(axis=1)
        return float(np.argmax(daily >= 0.95 * daily[-1]) + 1)
    compound = drug.metabolite if parameter.startswith("metabolite") else name
    slow = math.log(2) * drug.metabolite_volume / drug.metabolite_clearance if compound != name else 0.0
    horizon = 6 * terminal if parameter == "tmax" else 12 * max(terminal * 3, slow, 1.0)
    times = np.linspace(0.0, horizon, 40001)
    level = concentrations(drug, Schedule(np.array([0.0]), np.array([drug.usual_dose])), times, patient)[
        compound or name
    ][0]
    if parameter == "tmax":
        return float(times[level.argmax()])
    late = slice(int(0.55 * times.size), int(0.75 * times.size)) if compound == name else slice(-9000, -4000)
    if compound == name:  # a parent's own slope, before round-off
        late = slice(*np.searchsorted(times, [4 * terminal, 7 * terminal]))
    slope = np.polyfit(times[late], np.log(np.maximum(level[late], 1e-300)), 1)[0]
    return float(math.log(2) / -slope)


def compare(rows: Iterable[Mapping[str, str]]) -> list[Comparison]:
    """Return the comparison of each row with ``drug``, ``parameter``, ``low`` and ``high`` that can be simulated."""
    return [
        Comparison(r["drug"], r["parameter"], float(r["low"]), float(r["high"]), simulated(r["drug"], r["parameter"]))
        for r in rows
        if r["drug"] in drug_names() and r["parameter"] in PARAMETERS
    ]


def reference() -> list[dict[str, str]]:
    """Return our own table of published figures."""
    with REFERENCE.open(encoding="utf-8") as handle:
        return list(csv.DictReader(handle))


def area_errors(rows: Iterable[Mapping[str, str]]) -> list[tuple[str, str, float, float]]:
    """Return precipitant, object, published and predicted ratio of each interaction whose object has tabled routes."""
    found = []
    for row in rows:
        drug, other = row["object"], row["precipitant"]
        if routes(drug):
            effects = comedicated(shares(drug), (other,), drug)
            predicted = exposure_ratio(shares(drug), {route: of.share for route, of in effects.items()})
            found.append((other, drug, float(row["auc_ratio"]), predicted))
    return found


def main() -> None:
    """Print the report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--interactions", type=Path, help="table of measured AUC ratios (object, precipitant, auc_ratio)"
    )
    parser.add_argument("--out", type=Path, help="JSON file to write; printed without")
    arguments = parser.parse_args()
    compared = compare(reference())
    report: dict[str, object] = {
        "drugs_with_kinetics": len(drug_names()),
        "published_figures": len(compared),
        "met": sum(c.met for c in compared) / len(compared),
        "by_parameter": {
            name: sum(c.met for c in compared if c.parameter == name)
            / max(sum(c.parameter == name for c in compared), 1)
            for name in PARAMETERS
        },
        "misses": [asdict(c) for c in compared if not c.met],
    }
    if arguments.interactions:
        with arguments.interactions.open(encoding="utf-8") as handle:
            pairs = area_errors(csv.DictReader(handle))
        errors = sorted(abs(math.log(predicted / measured)) for _, _, measured, predicted in pairs)
        report["interactions"] = {
            "rows": len(errors),
            "median_log_error": errors[len(errors) // 2],
            "log_error_90_percent": errors[int(0.9 * len(errors))],
        }
    text = json.dumps(report, indent=1)
    if arguments.out:
        arguments.out.write_text(text + "\n", encoding="utf-8")
    else:
        print(text)


if __name__ == "__main__":
    main()
