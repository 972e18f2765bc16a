"""What the neurochemistry room claims, measured: ``results/neurochemistry.json`` and the tables of its page.

``python benchmarks/neurochemistry.py`` takes a few minutes on one core. The exposure table and the maps for checking
are read from ``../shared/data`` where they are there; without them those parts are left out and the file says so.
"""

import csv
import json
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from scipy.linalg import expm

import measured_levels
import occupancies
from novamind.neurochemistry import EnhancedXGBoostService, Outcome, Schedule, Treatment, interaction, simulate
from novamind.neurochemistry.domain import BrainRegion, Neurotransmitter
from novamind.neurochemistry.dynamics import MONOAMINES, Parameters, ensemble, simulate_chemistry, typical
from novamind.neurochemistry.graph import cascade, generator, projection_weights, steady_state
from novamind.neurochemistry.pharmacokinetics import (
    Physiology,
    drug_names,
    enzyme_activity,
    kinetics,
    steady_state_average,
)
from novamind.neurochemistry.published_checks import run_checks, share_met
from novamind.neurochemistry.reference import LEAVES, transporter_density
from novamind.neurochemistry.simulation import run
from novamind.neurochemistry.training import draw_patients
from novamind.timeline.interrupted_series import InterruptedSeries
from tables import fill, markdown

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"
RESULTS = Path(__file__).parent / "results" / "neurochemistry.json"
PAGE = Path(__file__).resolve().parents[1] / "docs" / "neurochemistry.md"
SEED = 20261121
Floats = NDArray[np.float64]

#: Share of poor metabolisers in groups that join poor and intermediate ones: about 7 % and 11 % of Europeans.
POOR_SHARE = 0.4
#: Where no interval was published, a ratio within the bioequivalence limits of the published one counts.
LIMITS = (0.80, 1.25)
#: Published group to phenotype or activity score.
GROUPS: dict[str, list[tuple[str | float, float]]] = {
    "PM": [("Poor Metabolizer", 1.0)],
    "PM (Null/Null)": [("Poor Metabolizer", 1.0)],
    "PM (mixture)": [("Poor Metabolizer", 1.0)],
    "PM+IM": [("Poor Metabolizer", POOR_SHARE), ("Intermediate Metabolizer", 1 - POOR_SHARE)],
    "IM": [("Intermediate Metabolizer", 1.0)],
    "IM (fixed)": [("Intermediate Metabolizer", 1.0)],
    "IM (*1/Null)": [("Intermediate Metabolizer", 1.0)],
    "IM (Null/*17)": [("Intermediate Metabolizer", 1.0)],
    "IM (2 decreased or decreased+null)": [(0.5, 1.0)],
    "RM (*1/*17)": [("Rapid Metabolizer", 1.0)],
    "UM": [("Ultrarapid Metabolizer", 1.0)],
    "UM (*17/*17)": [("Ultrarapid Metabolizer", 1.0)],
    "1 normal + 1 decreased": [(1.5, 1.0)],
    "1 normal + 1 null": [(1.0, 1.0)],
}


def cpu_seconds(work: Callable[[], Any]) -> float:
    """CPU time of one call: what one core needs, however busy the machine is."""
    started = time.process_time()
    work()
    return time.process_time() - started


def published_checks() -> dict[str, Any]:
    results = run_checks()
    random_sets = draw_patients(np.random.default_rng(SEED), 2000)
    return {
        "passed": sum(result.passed for result in results),
        "of": len(results),
        "passed_by_role": {
            role: f"{sum(r.passed for r in results if r.role == role)} of {sum(r.role == role for r in results)}"
            for role in ("input", "calibration", "structure", "prediction")
        },
        "missed": [result.name for result in results if not result.passed],
        "share_of_unselected_sets": share_met(random_sets),
        "checks": [asdict(result) for result in results],
    }


def numerics() -> dict[str, float]:
    """Check 18 and the second line of the acceptance list."""
    start = np.where(np.array(LEAVES) == "raphe_nuclei", -0.8, 0.0)
    exponential = balance = negative = steady = 0.0
    answers = []
    for transmitter in Neurotransmitter:
        if transmitter in (Neurotransmitter.GLYCINE, Neurotransmitter.ADENOSINE):
            continue
        matrix = generator(transmitter)
        spread = cascade(matrix, start, np.arange(25.0))
        power = np.linalg.matrix_power(expm(matrix), 24) @ start
        exponential = max(exponential, float(np.abs(spread[24] - power).max()))
        rate = -matrix.sum(axis=0)
        balance = max(balance, float(np.abs(spread.sum(axis=1) + 0.8 * np.exp(-rate[0] * np.arange(25.0))).max()))
        negative = max(negative, float(spread.max()))
        drive = np.abs(start)
        joined = np.zeros((len(LEAVES) + 1, len(LEAVES) + 1))
        joined[:-1, :-1], joined[:-1, -1] = matrix, drive
        late = expm(500 * joined)[:-1, -1]
        steady = max(steady, float(np.abs(steady_state(matrix, drive) - late).max()))
        answers.append(spread[5])
    pairs = [np.abs(one - other).max() for i, one in enumerate(answers) for other in answers[i + 1 :]]
    cuts = {(leaf, "cerebellum") for leaf in LEAVES}
    cut = cascade(generator(Neurotransmitter.SEROTONIN, cuts), start, np.arange(25.0))
    drift = simulate_chemistry({"SERT": np.zeros((1, 2016))}, {}, ensemble(), 1.0)
    return {
        "cascade_against_matrix_exponential": exponential,
        "mass_balance_error": balance,
        "largest_wrong_sign": negative,
        "steady_state_error": steady,
        "after_cutting_every_edge_in": float(np.abs(cut[:, LEAVES.index("cerebellum")]).max()),
        "smallest_difference_between_transmitters": float(min(pairs)),
        "drug_free_drift": max(
            float(np.abs(level - 1).max()) for levels in drift.levels.values() for level in levels.values()
        ),
    }


def autoregression(rng: np.random.Generator, count: int, rho: float, white: float = 0.0) -> Floats:
    shocks = rng.standard_normal((count, 40)) * np.sqrt(1 - rho**2)
    series = np.empty_like(shocks)
    series[:, 0] = rng.standard_normal(count)
    for day in range(1, 40):
        series[:, day] = rho * series[:, day - 1] + shocks[:, day]
    return np.asarray(np.sqrt(1 - white) * series + np.sqrt(white) * rng.standard_normal(series.shape))


def interrupted_series() -> dict[str, Any]:
    rng = np.random.default_rng(SEED)
    plan = InterruptedSeries(np.arange(40.0), 20.0)
    alarms = []
    for rho in (0.0, 0.2, 0.4, 0.6, 0.8, 0.9):
        for white in (0.0, 0.15, 0.3, 0.5):
            series = autoregression(rng, 2000, rho, white)
            welch = stats.ttest_ind(series[:, 20:], series[:, :20], axis=1, equal_var=False).pvalue
            alarms.append(
                {
                    "autocorrelation": rho,
                    "share_of_white_noise": white,
                    "false_positives": float((plan.fit(series).p_value < 0.05).mean()),
                    "false_positives_welch": float((welch < 0.05).mean()),
                }
            )
    power = {}
    for rho in (0.0, 0.5, 0.8):
        series = autoregression(rng, 2000, rho)
        series[:, 20:] += 2.0
        power[str(rho)] = float((plan.fit(series).p_value < 0.05).mean())
    return {
        "series": 2000,
        "points": "20 + 20",
        "nominal": 0.05,
        "worst_false_positives": max(row["false_positives"] for row in alarms),
        "false_positives": alarms,
        "power_for_a_step_of_2_sd": power,
    }


def service() -> dict[str, float]:
    """How long one answer of the service takes, which the emulator was there for."""
    asked = EnhancedXGBoostService()

    def answer() -> None:
        asked.predict_treatment_response("p", "hippocampus", "serotonin", 0.5)

    answer()
    sets = _many(400)
    return {
        "seconds_per_answer": float(np.median([cpu_seconds(answer) for _ in range(5)])),
        "twin_runs_per_cpu_second": 400 / cpu_seconds(lambda: Treatment({MONOAMINES[0]: 0.5}).chemistry(84, sets)),
    }


def _many(count: int) -> Parameters:
    return ensemble().take(np.resize(np.arange(200), count))


def interactions() -> dict[str, float]:
    sets = ensemble()
    early = Outcome(MONOAMINES[0], BrainRegion("hippocampus"), days=0.5)
    ssri = Treatment(occupied={"SERT": 0.8})
    signal = Outcome(Neurotransmitter.DOPAMINE, BrainRegion("dorsal_striatum"), days=0.5, receptor="D2")
    agonist = Treatment(occupied={"D2": 0.6}, intrinsic_activity={"D2": 1.0})
    pairs = {
        "SSRI and H1 antagonist": (ssri, Treatment(occupied={"H1": 0.9}), early),
        "SSRI and D2 antagonist": (ssri, Treatment(occupied={"D2": 0.8}), early),
        "D2 agonist and D2 antagonist": (agonist, Treatment(occupied={"D2": 0.8}), signal),
        "SSRI and 5-HT1A antagonist": (ssri, Treatment(occupied={"5-HT1A": 0.9}), early),
    }
    result = {}
    for name, (first, second, outcome) in pairs.items():
        values = interaction(first, second, outcome, sets)
        result |= {f"{name}, lowest": float(values.min()), f"{name}, highest": float(values.max())}
    return result


def speed() -> dict[str, float]:
    rng = np.random.default_rng(SEED)
    patients = Physiology.typical(clearance_factor=np.exp(0.4 * rng.standard_normal(128)))
    schedule = {"escitalopram": Schedule.regular(10, 24, 2016)}
    run(schedule, 2016, patients, typical())
    same = [cpu_seconds(lambda: run(schedule, 2016, patients, typical())) for _ in range(5)]
    own = [cpu_seconds(lambda: run(schedule, 2016, patients, _many(128))) for _ in range(5)]
    single = []
    for index in range(60):
        drug = drug_names()[index % len(drug_names())]
        dose = kinetics(drug).usual_dose
        started = time.perf_counter()
        simulate(drug, dose_mg=dose, weeks=12)
        single.append(1000 * (time.perf_counter() - started))
    return {
        "patients_per_cpu_second_one_parameter_set": 128 / float(np.median(same)),
        "patients_per_cpu_second_own_parameter_sets": 128 / float(np.median(own)),
        "simulate_ms_median_wall": float(np.median(single)),
        "simulate_ms_p95_wall": float(np.quantile(single, 0.95)),
    }


def _published_interval(ratio: str, low: str, high: str) -> tuple[float, float, str]:
    if low and high:
        return float(low), float(high), "published interval"
    if "-" in ratio:
        first, last = ratio.split("-")
        return float(first), float(last), "published range"
    return float(ratio) * LIMITS[0], float(ratio) * LIMITS[1], "0.80 to 1.25 of the published ratio"


def _exposure(drug: str, enzyme: str, groups: list[tuple[str | float, float]], moiety: bool) -> float:
    parameters = kinetics(drug)

    def level(phenotype: str | float) -> float:
        patients = Physiology.typical(enzyme_activity({enzyme: phenotype}))
        average = steady_state_average(parameters, parameters.usual_dose, patients=patients)
        return float(sum(average[name][0] for name in (average if moiety else [drug])))

    return sum(share * level(phenotype) for phenotype, share in groups) / level("Normal Metabolizer")


def exposure() -> dict[str, Any] | str:
    path = SHARED / "pgx" / "exposure_by_phenotype.csv"
    if not path.exists():
        return "left out: the exposure table is not there"
    rows, left_out = [], []
    for row in csv.DictReader(path.open(encoding="utf-8")):
        name = row["drug"].split(" (")[0]
        groups, enzyme = GROUPS.get(row["group"]), row["gene_or_factor"]
        known = name in drug_names() and groups and enzyme in kinetics(name).fraction_by
        if not (known and groups):
            left_out.append(f"{row['drug']}, {enzyme} {row['group']}")
            continue
        low, high, kind = _published_interval(row["ratio"], row["ci_low"], row["ci_high"])
        if row["ratio"] == "1.38" and name == "sertraline":
            low, high, kind = 130.8 / 103.6, 156.2 / 103.6, "published interval"
        if row["ratio"] == "2.68" and name == "sertraline":
            low, high, kind = 224.1 / 103.6, 343.5 / 103.6, "published interval"
        model = _exposure(name, enzyme, groups, "active moiety" in row["drug"])
        rows.append(
            {
                "drug": row["drug"],
                "enzyme": enzyme,
                "group": row["group"],
                "published": row["ratio"],
                "low": low,
                "high": high,
                "interval": kind,
                "model": model,
                "inside": low <= model <= high,
            }
        )
    published = [row for row in rows if row["interval"] == "published interval"]
    return {
        "covered": len(rows),
        "inside": sum(row["inside"] for row in rows),
        "share_inside": sum(row["inside"] for row in rows) / len(rows),
        "with_published_interval": len(published),
        "inside_published_interval": sum(row["inside"] for row in published),
        "rows": rows,
        "left_out": left_out,
    }


def maps() -> dict[str, Any] | str:
    """Shipped grades and projections against PET densities and tractography that may only be checked against."""
    densities = SHARED / "neuro" / "region_receptor_density_raw.csv"
    tracts = SHARED / "neuro" / "structural_connectivity_enigma_14nodes.csv"
    if not (densities.exists() and tracts.exists()):
        return "left out: the maps for checking are not there"
    measured = {row["region"].lower(): row for row in csv.DictReader(densities.open(encoding="utf-8"))}
    result: dict[str, Any] = {}
    for transporter, column in (("SERT", "SERT"), ("NET", "NET"), ("DAT", "DAT_fepe2i")):
        shipped = dict(zip(LEAVES, transporter_density(transporter), strict=True))
        common = [leaf for leaf in LEAVES if measured.get(leaf, {}).get(column)]
        rank = stats.spearmanr([shipped[leaf] for leaf in common], [float(measured[leaf][column]) for leaf in common])
        result[f"{transporter}_rank_correlation_with_pet"] = float(rank.statistic)
        result[f"{transporter}_regions"] = len(common)
    rows = list(csv.reader(tracts.open(encoding="utf-8")))
    names = [name.lower() for name in rows[0][1:]]
    weights = projection_weights(Neurotransmitter.GLUTAMATE) + projection_weights(Neurotransmitter.GABA)
    ours, theirs = [], []
    for i, first in enumerate(names):
        for j in range(i):
            a, b = LEAVES.index(first), LEAVES.index(names[j])
            ours.append(max(weights[a, b], weights[b, a]))
            theirs.append(float(rows[i + 1][j + 1]))
    result["projections_rank_correlation_with_tractography"] = float(stats.spearmanr(ours, theirs).statistic)
    return result


def check_table(checks: dict[str, Any]) -> str:
    lines = ["| # | finding | published | twin | role | met | unselected sets |", "|---|---|---|---|---|---|---|"]
    unselected = {int(number): share for number, share in checks["share_of_unselected_sets"].items()}
    for check in checks["checks"]:
        value = "; ".join(f"{name} {number:.3g}" for name, number in check["model"].items()) or "not given"
        chance = f"{unselected[check['number']]:.0%}" if check["number"] in unselected else ""
        share = "" if check["ensemble_share"] is None else f" ({check['ensemble_share']:.0%} of sets)"
        lines.append(
            f"| {check['number']} | {check['name']} | {check['published']} ({check['source']}) | {value} "
            f"| {check['role']} | {'yes' if check['passed'] else '**no**'}{share} | {chance} |"
        )
    roles = "; ".join(f"{role} {count}" for role, count in checks["passed_by_role"].items())
    return "\n".join([*lines, "", f"{checks['passed']} of {checks['of']} met: {roles}."])


def measured_table(results: dict[str, Any]) -> str:
    numbers, series, answers = results["numerics"], results["interrupted_series"], results["service"]
    rates, meet = results["speed"], results["interactions"]
    rows = [
        (
            "cascade against the matrix exponential, largest error",
            f"{numbers['cascade_against_matrix_exponential']:.0e}",
        ),
        ("mass balance, largest error", f"{numbers['mass_balance_error']:.0e}"),
        ("analytic steady state, largest error", f"{numbers['steady_state_error']:.0e}"),
        ("after cutting every connection into a region", f"{numbers['after_cutting_every_edge_in']:g}"),
        ("drift without drugs", f"{numbers['drug_free_drift']:.0e}"),
        (
            "interrupted series, worst false-positive rate at nominal 0.05 (24 noises, 2,000 series each)",
            f"{series['worst_false_positives']:.3f}",
        ),
        (
            "the same series under a Welch test, worst",
            f"{max(row['false_positives_welch'] for row in series['false_positives']):.2f}",
        ),
        ("power for a 2-SD step, autocorrelation 0.8", f"{series['power_for_a_step_of_2_sd']['0.8']:.3f}"),
        (
            "answer of the service (200 parameter sets and 37 for sensitivity), CPU",
            f"{answers['seconds_per_answer']:.2f} s",
        ),
        ("twelve-week runs of the twin a second (half-day steps)", f"{answers['twin_runs_per_cpu_second']:,.0f}"),
        ("interaction of SSRI and H1 antagonist, largest", f"{abs(meet['SSRI and H1 antagonist, highest']):.0e}"),
        (
            "interaction of D2 agonist and D2 antagonist, over the ensemble",
            f"{meet['D2 agonist and D2 antagonist, lowest']:.2f} to "
            f"{meet['D2 agonist and D2 antagonist, highest']:.2f}",
        ),
        (
            "interaction of SSRI and 5-HT1A antagonist, over the ensemble",
            f"{meet['SSRI and 5-HT1A antagonist, lowest']:.2f} to {meet['SSRI and 5-HT1A antagonist, highest']:.2f}",
        ),
        (
            "patients per second (12 weeks, hourly, batch of 128), each with own parameters",
            f"{rates['patients_per_cpu_second_own_parameter_sets']:.0f}",
        ),
        ("one `simulate` call, 95th percentile (wall, warm, no ensemble)", f"{rates['simulate_ms_p95_wall']:.0f} ms"),
    ]
    exposures, atlas = results["exposure_by_phenotype"], results["maps"]
    if isinstance(exposures, dict):
        rows += [
            (
                "steady-state ratios by phenotype inside the published interval, range or 0.80-1.25 of the ratio",
                f"{exposures['inside']} of {exposures['covered']}",
            ),
            (
                "of these with a published interval",
                f"{exposures['inside_published_interval']} of {exposures['with_published_interval']}",
            ),
        ]
    if isinstance(atlas, dict):
        rows += [
            (name.replace("_", " "), f"{value:.2f}") for name, value in atlas.items() if "rank_correlation" in name
        ]
    return markdown(["what", "figure"], rows)


def tables(results: dict[str, Any]) -> dict[str, str]:
    """Tables of the page, by the names under which it marks their places."""
    held = json.loads(occupancies.RESULTS.read_text(encoding="utf-8"))
    return {
        "checks": check_table(results["published_checks"]),
        "measured": measured_table(results),
        "occupancies": occupancies.table(held),
        "measured_levels": measured_levels.table(json.loads(measured_levels.RESULTS.read_text(encoding="utf-8"))),
    }


PARTS: dict[str, Callable[[], Any]] = {
    "published_checks": published_checks,
    "numerics": numerics,
    "interrupted_series": interrupted_series,
    "service": service,
    "interactions": interactions,
    "speed": speed,
    "exposure_by_phenotype": exposure,
    "maps": maps,
}


def main() -> None:
    """Measure the parts named on the command line, or all; ``docs`` fills the tables alone."""
    wanted = sys.argv[1:] or list(PARTS)
    results = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}
    for name in wanted:
        if name != "docs":
            results[name] = PARTS[name]()
            print(name, "done", flush=True)
    results = {"seed": SEED} | {name: results[name] for name in PARTS if name in results}
    RESULTS.write_text(json.dumps(results, indent=2, default=float) + "\n", encoding="utf-8")
    fill(PAGE, tables(results))


if __name__ == "__main__":
    main()
