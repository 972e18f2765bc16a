"""Measured levels: coverage on simulated truth, and clozapine levels of people: ``results/measured_levels.json``.

``python benchmarks/measured_levels.py`` takes a minute. Simulated truth: people drawn from the tables' variation, one
level on day 28, the next two days later; ``covered`` is the share of next levels inside the 90 % interval. Clozapine:
``../shared/data/pgx/clozapine_tdm`` holds no ids; rows of one sex and body mass index count as one person, equal levels
at one dose as one level. One person at a time is left out: mean and variation of clearance and the variation within
people come from all others, then one level of the person predicts each other one. ``tables alone`` uses our prior.
"""

import csv
import json
import math
from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np

from novamind.neurochemistry.measured_levels import RESIDUAL_LOG_SD, update
from novamind.neurochemistry.pharmacokinetics import Physiology, Schedule, concentrations, kinetics
from tables import markdown

GIVEN = Path(__file__).resolve().parents[2] / "shared" / "data" / "pgx" / "clozapine_tdm"
RESULTS = Path(__file__).parent / "results" / "measured_levels.json"
DRUGS = {
    "clozapine": (300.0, "parent"),
    "lithium": (900.0, "parent"),
    "nortriptyline": (75.0, "parent"),
    "amitriptyline": (75.0, "parent"),
    "aripiprazole": (15.0, "sum"),
    "risperidone": (4.0, "sum"),
}
SEEDS, PEOPLE, DAY = (1, 2, 3), 60, 28
METABOLITE_LOG_SD = math.sqrt(math.log1p(0.3**2))
_DAYS = 40


def simulated(drug: str, seed: int) -> dict[str, float]:
    """Return coverage and errors (log) of the next level of simulated people, after one level."""
    dose, analyte = DRUGS[drug]
    rng, parameters = np.random.default_rng((seed, *drug.encode())), kinetics(drug)
    factors = np.exp(math.sqrt(math.log1p(parameters.clearance_cv**2)) * rng.standard_normal(PEOPLE))
    others = np.exp(METABOLITE_LOG_SD * rng.standard_normal(PEOPLE))
    typical = Physiology.typical(None, factors)
    people = Physiology(typical.activity, factors, typical.creatinine_clearance, others)
    times = np.array([DAY * 24.0 + 23.999, (DAY + 2) * 24.0 + 23.999])
    levels = concentrations(parameters, Schedule.regular(dose, 24, 24.0 * _DAYS), times, people)
    true = levels[drug] if analyte == "parent" else sum(levels.values())
    measured = true * np.exp(RESIDUAL_LOG_SD * rng.standard_normal(true.shape))
    covered, before, after = [], [], []
    for first, second in measured:
        result = update([(drug, first, DAY, 24, analyte)], [(drug, dose)])
        span = result.predict(times_hours=times[1:], days=_DAYS).row(0, named=True)
        covered.append(span["low"] <= second <= span["high"])
        before.append(math.log(second / result.predicted["before"][0]))
        after.append(math.log(second / span["value"]))
    return {"covered": float(np.mean(covered)), "population": _rms(before), "one_level": _rms(after)}


def _rms(errors: list[float]) -> float:
    return float(np.sqrt(np.mean(np.square(errors))))


def people() -> list[list[dict[str, float]]]:
    """Return the clozapine levels by person."""
    rows: dict[tuple[float, ...], dict[str, float]] = {}
    for name in ("train", "test"):
        with (GIVEN / f"{name}.csv").open(encoding="utf-8") as stream:
            for row in csv.DictReader(stream):
                of = {key.lower(): float(value) for key, value in row.items()}
                rows.setdefault((of["male"], of["bmi"], of["clozapine"], of["norclozapine"], of["dose"]), of)
    persons: dict[tuple[float, float], list[dict[str, float]]] = {}
    for of in rows.values():
        persons.setdefault((of["male"], of["bmi"]), []).append(of)
    return list(persons.values())


def clozapine() -> dict[str, Any]:
    """Return errors (log) of predicting another level of a person left out: population, one level, tables alone."""
    drug, factors = kinetics("clozapine"), np.exp(np.linspace(-3, 3, 301))
    curve = np.log(_level(factors))[::-1]

    def implied(row: dict[str, float]) -> float:
        """Log of the clearance factor at which the level is the measured one."""
        return float(np.interp(math.log(row["clozapine"] / row["dose"]), curve, np.log(factors)[::-1]))

    everyone = people()
    several = [person for person in everyone if len(person) > 1]
    errors: dict[str, list[float]] = {"population": [], "one_level": [], "tables_alone": [], "tables_one_level": []}
    covered = []
    for person in several:
        rest = [other for other in everyone if other is not person]
        means = [np.mean([implied(row) for row in other]) for other in rest]
        apart = [(implied(row) - np.mean([implied(r) for r in other]), math.log(row["clozapine"] / row["dose"])
                  - np.mean([math.log(r["clozapine"] / r["dose"]) for r in other]), len(other))
                 for other in rest if len(other) > 1 for row in other]  # fmt: skip
        freedom = sum(len(other) - 1 for other in rest if len(other) > 1)
        residual = math.sqrt(sum(a[1] ** 2 for a in apart) / freedom)
        within = sum(a[0] ** 2 for a in apart) / freedom
        between = max(float(np.var(means, ddof=1)) - within * float(np.mean([1 / len(other) for other in rest])), 0.01)
        prior = {
            "clearance_factor": math.exp(float(np.mean(means))),
            "clearance_cv": math.sqrt(math.expm1(between)),
            "residual_log_sd": residual,
        }
        parts: dict[str, list[float]] = {name: [] for name in errors}
        for first, second in permutations(person, 2):
            truth = math.log(second["clozapine"])
            for names, options in ((("population", "one_level"), prior), (("tables_alone", "tables_one_level"), {})):
                taken, then = ([("clozapine", row["dose"])] for row in (first, second))
                result = update([("clozapine", first["clozapine"], DAY, 12)], taken, **options)
                span = result.predict(then, days=_DAYS, times_hours=np.array([DAY * 24.0 + 12])).row(0, named=True)
                parts[names[0]].append(truth - math.log(result.predicted["before"][0] / first["dose"] * second["dose"]))
                parts[names[1]].append(truth - math.log(span["value"]))
                if options:
                    covered.append((span["low"] <= second["clozapine"] <= span["high"], 1 / len(person)))
        for name, values in parts.items():
            errors[name].append(float(np.mean(np.square(values))))
    rmse = {name: math.sqrt(float(np.mean(values))) for name, values in errors.items()}
    hits, weights = zip(*covered, strict=True)
    return {
        "levels": sum(map(len, everyone)),
        "people": len(everyone),
        "people_with_several": len(several),
        "unit": drug.concentration_unit,
        "rmse_log": rmse,
        "fall": 1 - rmse["one_level"] / rmse["population"],
        "covered_90": float(np.average(hits, weights=weights)),
    }


def _level(factors: np.ndarray[Any, np.dtype[np.float64]]) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return the level per mg, 12 h after a dose of day 28."""
    drug = kinetics("clozapine")
    schedule = Schedule.regular(100, 24, 24.0 * _DAYS)
    times = np.array([DAY * 24.0 + 12])
    return concentrations(drug, schedule, times, Physiology.typical(None, factors))["clozapine"][:, 0] / 100


def measure() -> dict[str, Any]:
    """Return both, the clozapine levels where they are present."""
    truth = {drug: [simulated(drug, seed) for seed in SEEDS] for drug in DRUGS}
    return {
        "seeds": list(SEEDS),
        "people_a_seed": PEOPLE,
        "simulated": truth,
        "covered": float(np.mean([run["covered"] for runs in truth.values() for run in runs])),
        "clozapine": clozapine() if GIVEN.exists() else None,
    }


def table(results: dict[str, Any]) -> str:
    """Return the page's table."""
    rows = []
    for drug, runs in results["simulated"].items():
        covered, before, after = (np.mean([run[key] for run in runs]) for key in ("covered", "population", "one_level"))
        name = f"{drug}, {len(runs)} seeds of {results['people_a_seed']} simulated people"
        rows.append((name, f"{100 * covered:.0f} %", f"{before:.2f}", f"{after:.2f}"))
    rows.append(("all of these", f"{100 * results['covered']:.0f} %", "", ""))
    people = results["clozapine"]
    if people is not None:
        rmse, who = people["rmse_log"], f"{people['people_with_several']} people with several levels, one left out"
        figures = (f"{rmse['population']:.2f}", f"{rmse['one_level']:.2f} ({-100 * people['fall']:.0f} %)")
        rows.append((f"clozapine, {who}", f"{100 * people['covered_90']:.0f} %", *figures))
        alone = (f"{rmse['tables_alone']:.2f}", f"{rmse['tables_one_level']:.2f}")
        rows.append(("the same people, prior of our tables alone", "", *alone))
    return markdown(["whose next level", "inside the 90 % interval", "RMSE(log), population", "after one level"], rows)


if __name__ == "__main__":
    results = measure()
    RESULTS.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    print(results["covered"], results["clozapine"])
