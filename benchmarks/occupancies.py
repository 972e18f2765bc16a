"""Occupancies of PET and SPECT studies against the twin: ``results/occupancies.json``.

``python benchmarks/occupancies.py`` reads ``../shared/data/drugs/occupancy.csv`` and takes seconds. A row is met where
the twin lies within the published interval or 10 points of it, at both ends of a range of doses. Doses a day are judged
by the mean over the last day of eight weeks, single doses by the peak, levels at the level. ``input`` says whether the
half-maximal level or dose of the drug at that target is a fact of our tables (mostly of the same study): the row is a
fit then and no prediction.
"""

import csv
import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from novamind.drugs.binding import TARGETS, in_vivo, occupancy_at_dose
from novamind.errors import NovamindError
from novamind.neurochemistry.occupancy import in_vivo_factor, in_vivo_factors, occupancy, occupancy_at
from novamind.neurochemistry.pharmacokinetics import Schedule, concentrations, kinetics
from tables import markdown

GIVEN = Path(__file__).resolve().parents[2] / "shared" / "data" / "drugs" / "occupancy.csv"
RESULTS = Path(__file__).parent / "results" / "occupancies.json"
WEEKS = 8
POINTS = 0.10
_TARGETS = {"muscarinic": "M1", "mu": "mu", "GABA-A": "GABA-A", "D2/D3": "D2", "5-HT2": "5-HT2A"}
_NUMBER = r"\d+(?:\.\d+)?"


def span(text: str) -> tuple[float, float] | None:
    """Return the first number or range of a text; ``<5`` is 0 to 5."""
    if match := re.search(rf"<\s*({_NUMBER})", text):
        return 0.0, float(match[1])
    match = re.search(rf"({_NUMBER})(?:\s*-\s*({_NUMBER}))?", text)
    return (float(match[1]), float(match[2] or match[1])) if match else None


def published(text: str) -> tuple[float, float] | None:
    """Return the published shares; ``half of Occmax 91`` is half of it, no significant change at most 0."""
    if "no significant" in text:
        return 0.0, 0.0
    shares = span(text)
    if shares is None:
        return None
    half = 0.5 if text.startswith("half of") else 1.0
    return half * shares[0] / 100.0, half * shares[1] / 100.0


def predicted(drug: str, target: str, dose: str) -> list[float]:
    """Return the twin's share at both ends of the dose."""
    measured = in_vivo(drug).get(target)
    if "Omax" in dose and measured:
        return [measured.maximum]
    if "ng/mL" in dose or "ug/L" in dose:
        low, high = span(dose.replace(">", "")) or (0.0, 0.0)
        return [occupancy_at(target, drug, low), occupancy_at(target, drug, high)]
    mean = re.search(rf"mean ({_NUMBER})", dose)
    amounts = (float(mean[1]),) * 2 if mean else span(dose)
    once = "single" in dose or "oral" in dose
    if drug == "selegiline":  # no kinetics: what its levels are is not known well enough
        return [occupancy_at_dose(drug, target, amount) if measured else 0.0 for amount in amounts or ()]
    parameters = kinetics(drug)
    if amounts is None:
        amounts = (parameters.usual_dose * (3.0 if "high" in dose else 1.0),) * 2
    return [_simulated(drug, target, amount, once) for amount in dict.fromkeys(amounts)]


def _simulated(drug: str, target: str, amount: float, once: bool) -> float:
    if amount == 0.0:
        return 0.0
    parameters, measured = kinetics(drug), in_vivo(drug).get(target)
    times = np.arange(0.0, 48.0 if once else WEEKS * 7 * 24.0, 0.5 if once else 1.0)
    if once:
        schedule = Schedule(np.zeros(1), np.array([amount]))
    else:
        parts = measured.doses_a_day if measured else 1
        schedule = Schedule.regular(amount / parts, 24.0 / parts, WEEKS * 7 * 24.0)
    step = float(times[1] - times[0])
    held = occupancy({parameters.name: concentrations(parameters, schedule, times)}, step).occupied
    if target not in held:
        return 0.0
    return float(held[target][0].max() if once else held[target][0, -24:].mean())


def judge(row: dict[str, str]) -> dict[str, Any]:
    """Return a row beside the twin; ``met`` is missing where the row is no human occupancy."""
    drug = re.split(r" ER| ODT| \(", row["drug"])[0].lower()
    first = row["target"].split()[0]
    target = _TARGETS.get(first, first)
    judged: dict[str, Any] = {key: row[key] for key in ("drug", "dose", "target", "occupancy_percent")}
    shares = published(row["occupancy_percent"])
    if "not human" in row["population"] or shares is None:
        return judged | {"note": "no share of people"}
    judged["input"] = target in in_vivo(drug)
    try:
        ours = predicted(drug, target, row["dose"])
    except NovamindError as refusal:
        return judged | {"met": False, "note": str(refusal)[:60]}
    low, high = shares[0] - POINTS, shares[1] + POINTS
    return judged | {"twin": [round(value, 3) for value in ours], "met": all(low <= value <= high for value in ours)}


def measure(path: Path = GIVEN) -> dict[str, Any]:
    """Return every row judged, and how many are met, among fits and predictions."""
    with path.open(encoding="utf-8") as stream:
        rows = [judge(row) for row in csv.DictReader(stream)]
    counted = [row for row in rows if "met" in row]
    kinds = Counter((row["input"], row["met"]) for row in counted)
    return {
        "rows": len(rows),
        "judged": len(counted),
        "met": sum(row["met"] for row in counted),
        "share_met": sum(row["met"] for row in counted) / len(counted),
        "fits_met": f"{kinds[True, True]} of {kinds[True, True] + kinds[True, False]}",
        "predictions_met": f"{kinds[False, True]} of {kinds[False, True] + kinds[False, False]}",
        "placing": placing(),
        "missed": [row for row in counted if not row["met"]],
        "all": rows,
    }


def placing() -> dict[str, Any]:
    """Return how far drugs would be misplaced without their own figure: fold error of the half-maximal level."""
    plain, corrected = [], []
    for target in TARGETS:
        for drug, factor in in_vivo_factors(target).items():
            if len(in_vivo_factors(target)) > 3:
                plain.append(abs(np.log(factor)))
                corrected.append(abs(np.log(factor / in_vivo_factor(target, without=drug))))
    return {
        "drugs_and_targets": len(plain),
        "median_fold_error_of_unbound_plasma_over_ki": float(np.exp(np.median(plain))),
        "median_fold_error_with_the_factor_of_the_others": float(np.exp(np.median(corrected))),
    }


def table(results: dict[str, Any]) -> str:
    """Return the page's table: what is met, and every row that is missed."""
    rows = [
        ("rows of people, met", f"{results['met']} of {results['judged']}"),
        ("fits (a figure of that drug and target is in our tables), met", results["fits_met"]),
        ("predictions (no such figure), met", results["predictions_met"]),
    ]
    fold = results["placing"]
    rows.append(
        (
            f"half-maximal level by unbound plasma over Ki, {fold['drugs_and_targets']} drugs and targets left out one "
            "at a time, median error",
            f"{fold['median_fold_error_of_unbound_plasma_over_ki']:.1f}-fold",
        )
    )
    rows.append(
        (
            "the same with the median factor of the other drugs measured at the target",
            f"{fold['median_fold_error_with_the_factor_of_the_others']:.1f}-fold",
        )
    )
    for row in results["missed"]:
        ours = " to ".join(f"{100 * share:.0f}" for share in row.get("twin", ())) or "not in our tables"
        name = f"missed: {row['drug']} {row['dose']}, {row['target']}, {row['occupancy_percent']} %"
        rows.append((name, ours if "twin" not in row else f"{ours} %"))
    return markdown(["what", "figure"], rows)


if __name__ == "__main__":
    results = measure()
    RESULTS.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    print({key: value for key, value in results.items() if key != "all"})
