"""Links between signals and symptoms: power, false alarms, lags, and what a patient costs.

    python benchmarks/lag.py realistic rich seeds chance real learned speed rows many docs

Each section replaces its own part of ``results/lag.json``; ``docs`` fills the tables of docs/biometrics.md.
``realistic``, ``rich`` and ``seeds`` need the simulator, and ``real`` the public data sets, both kept outside this
repository in a folder ``shared`` beside it (``--shared`` for another place); they are skipped where it is not.
"""

import argparse
import importlib.util
import json
import os
import resource
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType
from typing import Any

import numpy as np
import polars as pl

from lag_worlds import WORLDS, world
from novamind.biometrics.detector import SHIPPED
from novamind.biometrics.domain import PersonSeries
from novamind.biometrics.engine import analyse
from novamind.biometrics.rhythm import normal_scores
from novamind.biometrics.service import BiometricCorrelationService, default_service
from tables import fill, markdown

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results" / "lag.json"
PAGE = ROOT / "docs" / "biometrics.md"
SECTIONS = ("realistic", "rich", "seeds", "chance", "real", "learned", "speed", "rows", "many", "docs")
#: The patients of the stored protocol, and others of the same simulator.
SEEDS = (2, 5, 101, 301, 401, 501)
FIGURES = (
    "pairs", "direct", "negative", "auc", "power_at_fpr_0.05", "power", "fpr", "fdr", "accuracy", "lag_mae",
    "lag_median_ae", "lag_ci90_coverage", "lag_ci90_width", "sign_acc", "rate_null", "rate_external", "rate_common",
    "rate_mediated", "power_forward", "power_reverse", "null_p_below_0.05", "neg_p_below_0.05",
)  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sections", nargs="*", default=["chance", "speed", "docs"], choices=SECTIONS)
    parser.add_argument("--shared", type=Path, default=ROOT.parent / "shared")
    parser.add_argument("--seed", type=int, default=2)
    parser.add_argument("--lstm", type=Path, help="folder of 'novamind train biometrics --network lstm'")
    parser.add_argument("--persons", type=int, help="fewer, for a look")
    told = parser.parse_args()
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    for section in told.sections:
        if section in ("realistic", "rich", "seeds"):
            simulator = told.shared / "bench" / "lag" / "bench_lag.py"
            if not simulator.exists():
                print(f"{section}: skipped, there is no {simulator}")
                continue
            bench = load(simulator)
            if section == "seeds":
                results[section] = {str(seed): beside_peer(bench, seed, told.persons or 200) for seed in SEEDS}
            else:
                persons = told.persons or (200 if section == "realistic" else 100)
                results[section] = simulated(bench, section, told.seed, persons)
        elif section == "chance":
            results[section] = {name: chance(name, told.persons or 200) for name in WORLDS}
        elif section == "real":
            folder = told.shared / "data" / "symptoms" / "permissive"
            if not folder.exists():
                print(f"real: skipped, there is no {folder}")
                continue
            results[section] = real(folder)
        elif section == "learned":
            results[section] = learned(results.get(section, {}), told.lstm)
        elif section == "speed":
            results[section] = speed()
        elif section == "rows":
            results[section] = rows()
        elif section == "many":
            results[section] = many(told.persons or 1000)
        else:
            fill(PAGE, tables(results))
            continue
        # Another run may have stored its sections meanwhile.
        stored = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
        results = stored | {section: results[section]}
        RESULTS.write_text(json.dumps(results, indent=1) + "\n")
        print(section, json.dumps(results[section], indent=1))


def load(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("bench_lag", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def simulated(bench: ModuleType, tier: str, seed: int, persons: int) -> dict[str, Any]:
    """The stored protocol's own score of our own decisions, with its bootstrap intervals."""
    service = default_service()
    patients, predictions = [], {}
    before = time.process_time()
    for index in range(persons):
        patient = bench.make_patient(seed, index, tier=tier)
        patients.append(patient)
        predictions[patient["id"]] = predicted(service, bench, bench.public(patient))
    seconds = (time.process_time() - before) / persons
    figures = bench.score(predictions, patients, boot=200)
    kept = {name: rounded(figures.get(name)) for name in FIGURES}
    kept["ci95"] = {name: [rounded(end) for end in ends] for name, ends in figures["ci95"].items()}
    return {
        "seed": seed,
        "persons": persons,
        "model_version": service.detector.version,
        "cpu_seconds": rounded(seconds),
    } | kept


def predicted(service: BiometricCorrelationService, bench: ModuleType, patient: dict[str, Any]) -> list[dict[str, Any]]:
    """Our links in the protocol's form; a pair that could not be analysed is not detected and has the lowest score."""
    confounders = {"medication": patient["med"]} if patient["med"].any() else {}
    if patient["illness"] is not None:
        confounders["illness"] = patient["illness"]
    person = PersonSeries(
        signals=tuple(bench.BIO),
        symptoms=tuple(bench.SYM),
        start=np.datetime64("2024-01-01T00", "h"),
        hourly=patient["bio"],
        offset=np.zeros(len(bench.BIO)),
        report_hours=patient["sym_t"],
        reports=patient["sym"],
        measured=np.isfinite(patient["bio"]),
        confounders=confounders,
    )
    links = {(link.signal, link.symptom): link for link in service.decide(person).links}
    out = []
    for b, signal in enumerate(bench.BIO):
        for s, symptom in enumerate(bench.SYM):
            link = links.get((signal, symptom))
            if link is None:
                out.append({"b": b, "s": s, "detected": False, "score": -9.0, "p": 1.0, "lag": 0.0, "sign": 1})
                continue
            out.append(
                {
                    "b": b, "s": s, "detected": link.detected, "score": link.score, "p": link.p_value,
                    "lag": link.lag_hours, "sign": link.sign, "lo": link.lag_low, "hi": link.lag_high,
                }
            )  # fmt: skip
    return out


def beside_peer(bench: ModuleType, seed: int, persons: int) -> dict[str, Any]:
    """Our ranking of realistic pairs and a plain one on the same patients: how hard a seed is, and what we add."""
    service = default_service()
    patients = [bench.make_patient(seed, index) for index in range(persons)]
    out = {}
    for name, method in (("novamind", partial(predicted, service)), ("correlations", correlated)):
        said = {patient["id"]: method(bench, bench.public(patient)) for patient in patients}
        figures = bench.score(said, patients, boot=200)
        out |= {f"{name} {key}": rounded(figures[key]) for key in ("auc", "power_at_fpr_0.05")}
        out[f"{name} auc ci95"] = [rounded(end) for end in figures["ci95"]["auc"]]
    return out


def correlated(bench: ModuleType, patient: dict[str, Any]) -> list[dict[str, Any]]:
    """The plain method: rank correlations of six-hour means without clock, week, trend and logs, effective n.

    By first-order autocorrelations (Bretherton et al. 1999, J Climate 12:1990); the score is the largest z over lags.
    """
    hour, cell = np.arange(patient["T"]), np.floor(patient["sym_t"]).astype(int)
    turn = 2 * np.pi * hour[:, None] / 24 * np.arange(1, 4)
    known = [np.ones(len(hour)), patient["weekend"], hour / len(hour), patient["med"]]
    if patient["illness"] is not None:
        known.append(patient["illness"])
    design = np.column_stack([*known, np.cos(turn), np.sin(turn)])
    signals = six_hours(without(patient["bio"], design))
    reports = without(patient["sym"], design[cell])
    z = np.zeros((len(bench.BIO), len(bench.SYM), 2 * 168 + 1))
    for k, lag in enumerate(range(-168, 169)):
        inside = (cell - lag >= 0) & (cell - lag < len(hour))
        x, y = signals[cell[inside] - lag], reports[inside]
        for b in range(x.shape[1]):
            for s in range(y.shape[1]):
                both = np.isfinite(x[:, b]) & np.isfinite(y[:, s])
                if both.sum() > 15:
                    z[b, s, k] = effective_z(x[both, b], y[both, s])
    best = np.abs(z).argmax(-1)
    return [
        {
            "b": b, "s": s, "detected": False, "score": abs(z[b, s, best[b, s]]), "lag": float(best[b, s] - 168),
            "sign": 1 if z[b, s, best[b, s]] >= 0 else -1,
        }
        for b in range(len(bench.BIO)) for s in range(len(bench.SYM))
    ]  # fmt: skip


def without(values: Any, design: Any) -> Any:
    """Least-squares residuals of each column's normal scores, ``NaN`` where it has no value."""
    out = np.full(values.shape, np.nan)
    for column in range(values.shape[1]):
        scores = normal_scores(values[:, column])
        seen = np.isfinite(scores)
        weights = np.linalg.lstsq(design[seen], scores[seen], rcond=None)[0]
        out[seen, column] = scores[seen] - design[seen] @ weights
    return out


def six_hours(values: Any) -> Any:
    """Means of the six hours around each hour, of those that were measured."""
    seen = np.isfinite(values)
    window = np.ones(7)
    total = np.column_stack([np.convolve(column, window, "same") for column in np.nan_to_num(values).T])
    count = np.column_stack([np.convolve(column, window, "same") for column in seen.T.astype(float)])
    return np.where(count >= 2, total / np.maximum(count, 1), np.nan)


def effective_z(x: Any, y: Any) -> float:
    x, y = x - x.mean(), y - y.mean()
    own_x, own_y = x @ x, y @ y
    if min(own_x, own_y) < 1e-12:
        return 0.0
    inertia = (x[1:] @ x[:-1] / own_x) * (y[1:] @ y[:-1] / own_y)
    effective = len(x) * min((1 - inertia) / (1 + inertia), 1.0)
    return float(np.arctanh(x @ y / np.sqrt(own_x * own_y)) * np.sqrt(max(effective - 3, 0.0)))


def chance(name: str, persons: int) -> dict[str, float]:
    """Share of unlinked pairs with p below 0.05 and 0.01, and of those and persons with a detected link."""
    service = default_service()
    p, detected, alarmed = [], 0, 0
    for index in range(persons):
        links = service.decide(world(name, index), seed=index).links
        p += [link.p_value for link in links]
        found = sum(link.detected for link in links)
        detected, alarmed = detected + found, alarmed + (found > 0)
    values = np.array(p)
    return {
        "pairs": len(values),
        "p_below_0.05": rounded((values < 0.05).mean()),
        "p_below_0.01": rounded((values < 0.01).mean()),
        "detected": rounded(detected / len(values)),
        "persons_alarmed": rounded(alarmed / persons),
    }


#: Data sets whose timestamps are calendar time, and their signals beside their symptoms.
REAL = ("jang2024", "pmdata", "lifesnaps", "digibp")
_MOST_SIGNALS, _MOST_SYMPTOMS = 6, 4


def real(folder: Path) -> dict[str, Any]:
    """Links found in real records, and how many once each person's reports are paired with another's signals."""
    symptoms = pl.read_parquet(folder / "symptoms.parquet")
    biometrics = pl.read_parquet(folder / "biometrics.parquet")
    out = {}
    for name in REAL:
        reports = symptoms.filter(pl.col("dataset") == name).rename({"person_id": "patient_id", "item": "symptom"})
        signals = biometrics.filter(pl.col("dataset") == name).rename({"person_id": "patient_id"})
        if signals.is_empty() or reports.is_empty():
            continue
        reports = common(reports, "symptom", _MOST_SYMPTOMS)
        signals = common(signals, "signal", _MOST_SIGNALS)
        out[name] = {"as they are": links(signals, reports), "permuted": links(permuted(signals, reports), reports)}
    return out


def common(frame: pl.DataFrame, column: str, most: int) -> pl.DataFrame:
    """The series that most persons have, without repeats at one time."""
    kept = (
        frame.group_by(column)
        .agg(pl.col("patient_id").n_unique().alias("persons"), pl.len())
        .sort(["persons", "len", column], descending=[True, True, False])
        .head(most)
    )
    return frame.filter(pl.col(column).is_in(kept[column].to_list())).group_by(
        "patient_id", column, "timestamp", maintain_order=True
    ).agg(pl.col("value").mean())  # fmt: skip


def permuted(signals: pl.DataFrame, reports: pl.DataFrame) -> pl.DataFrame:
    """Everybody's signals under the next person's name, moved so that both begin together."""
    begins = reports.group_by("patient_id").agg(pl.col("timestamp").min().alias("begin"))
    people = sorted(set(begins["patient_id"]) & set(signals["patient_id"]))
    begin = dict(begins.iter_rows())
    parts = []
    for mine, theirs in zip(people, people[1:] + people[:1], strict=True):
        shift = begin[mine] - begin[theirs]
        parts.append(
            signals.filter(pl.col("patient_id") == theirs).with_columns(
                pl.col("timestamp") + shift, patient_id=pl.lit(mine)
            )
        )
    return pl.concat(parts)


def links(signals: pl.DataFrame, reports: pl.DataFrame) -> dict[str, Any]:
    found = default_service().correlate(signals, reports)
    table = found.links
    hits = table.filter(pl.col("detected"))
    return {
        "persons": len(found.persons),
        "pairs": len(table),
        "detected": len(hits),
        "median_abs_effect": rounded(hits["effect"].abs().median()),
        "median_abs_pearson": rounded(hits["pearson"].abs().median()),
        "median_abs_pearson_of_all": rounded(table["pearson"].abs().median()),
        "p_below_0.05": rounded((table["p_value"] < 0.05).mean()),
        "found": [
            f"{row['signal']} / {row['symptom']}: {row['lag_hours']:+.0f} h, "
            f"effect {row['effect']:+.2f}, r {row['pearson']:+.2f}"
            for row in hits.sort("score", descending=True).head(8).iter_rows(named=True)
        ],
    }


def learned(before: dict[str, Any], lstm: Path | None) -> dict[str, Any]:
    """What training measured on persons of the other population; the LSTM's stays where no new one is given."""
    series = {name: figures for name, figures in before.items() if "LSTM" in name}
    if lstm is not None:
        told = json.loads((lstm / "lstm.json").read_text())
        size = f"{told['preset']['persons']} persons, {told['preset']['epochs']} epochs"
        series = {f"bidirectional LSTM on the series, {size}": told["validation"]["lstm"]}
    manifest = json.loads((SHIPPED / "manifest.json").read_text())["validation"]
    return {
        "the engine's evidence alone": manifest["evidence"],
        "the network on its profiles": manifest["network"],
        "both, as shipped": manifest["both"],
    } | series


def noise(seed: int) -> PersonSeries:
    """A patient with 6 hourly signals and 4 symptoms, 5 reports in 2 days; values do not matter for what it costs."""
    rng = np.random.default_rng(seed)
    hours, n = 24 * 120, 300
    return PersonSeries(
        signals=("hrv", "heart_rate", "steps", "sleep", "skin_temp", "resp_rate"),
        symptoms=tuple(f"symptom_{s}" for s in range(4)),
        start=np.datetime64("2024-01-01T00", "h"),
        hourly=rng.standard_normal((hours, 6)),
        offset=np.zeros(6),
        report_hours=np.sort(rng.uniform(0, hours - 1, n)),
        reports=np.round(3 + rng.standard_normal((n, 4))),
        measured=np.ones((hours, 6), bool),
    )


def speed() -> dict[str, float]:
    """CPU seconds a patient, beside an iid Pearson scan of the same."""
    person = noise(0)
    hours, n = person.hours, len(person.report_hours)
    service = default_service()
    service.decide(person)
    taken = []
    for _ in range(5):
        before = time.process_time()
        service.decide(person)
        taken.append(time.process_time() - before)
    before = time.process_time()
    cell = np.floor(person.report_hours).astype(int)
    for lag in range(-168, 169):
        inside = (cell - lag >= 0) & (cell - lag < hours)
        np.corrcoef(person.hourly[cell[inside] - lag].T, person.reports[inside].T)
    pearson = time.process_time() - before
    profile = analyse(person)
    return {
        "reports": n,
        "cpu_seconds": rounded(min(taken)),
        "times_a_plain_pearson_scan": rounded(min(taken) / pearson),
        "pairs": len(profile.signals) * len(profile.symptoms),
    }


def rows() -> dict[str, float]:
    """Ten million samples of one person: heart rate by the second."""
    n = 10_000_000
    start = np.datetime64("2024-01-01T00:00:00", "us")
    rng = np.random.default_rng(0)
    signals = pl.DataFrame(
        {
            "timestamp": start + (np.arange(n) * 1_000_000).astype("timedelta64[us]"),
            "value": 60 + rng.standard_normal(n),
        }
    ).with_columns(signal=pl.lit("heart_rate"))
    at = start + (np.arange(300) * 9 * 3_600_000_000).astype("timedelta64[us]")
    reports = pl.DataFrame({"timestamp": at, "value": rng.integers(0, 5, 300).astype(float)})
    before, clock = time.process_time(), time.perf_counter()
    found = default_service().correlate(signals, reports)
    return {
        "rows": n,
        "cpu_seconds": rounded(time.process_time() - before),
        "seconds": rounded(time.perf_counter() - clock),
        "peak_gib": rounded(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20),
        "pairs": len(found.links),
    }


def many(persons: int) -> dict[str, float]:
    """The command on patients of 120 days and two processes: its time, and its memory whenever it tells how far it is.

    Memory is that of the calling process, which holds both tables, and of the larger of its workers.
    """
    rng = np.random.default_rng(0)
    start = np.datetime64("2024-01-01T00", "us")
    one = noise(0)
    at = start + (one.report_hours * 3_600_000_000).astype("timedelta64[us]")
    hourly = start + (np.arange(one.hours) * 3_600_000_000).astype("timedelta64[us]")
    with TemporaryDirectory() as folder:
        files = [Path(folder) / name for name in ("signals.parquet", "reports.parquet", "out.json")]
        pl.concat(
            pl.DataFrame({"patient_id": f"p{p:04}", "timestamp": hourly, "value": 60 + rng.standard_normal(one.hours)})
            .with_columns(signal=pl.lit(name)) for p in range(persons) for name in one.signals
        ).write_parquet(files[0])  # fmt: skip
        pl.concat(
            pl.DataFrame({
                "patient_id": f"p{p:04}", "timestamp": at, "value": np.round(3 + rng.standard_normal(len(at)))
            }).with_columns(symptom=pl.lit(name)) for p in range(persons) for name in one.symptoms
        ).write_parquet(files[1])  # fmt: skip
        command = [str(Path(sys.executable).with_name("novamind")), "correlate", *map(str, files[:2])]
        # Seventeen million rows are more than a file may hold unless it is asked for.
        allowed = os.environ | {"NOVAMIND_MAX_FILE_BYTES": str(2**30)}
        own, workers, clock = [], [], time.perf_counter()
        with (
            files[2].open("w") as answer,
            subprocess.Popen(
                [*command, "--workers", "2", "--json"], env=allowed, stdout=answer, stderr=subprocess.PIPE, text=True
            ) as running,
        ):
            assert running.stderr is not None
            for line in running.stderr:
                if not line.endswith(("analysed\n", "told\n")):
                    print(line, end="", flush=True)
                if line.endswith("analysed\n"):
                    print(f"{time.perf_counter() - clock:.0f} s: {line}", end="", flush=True)
                    own.append(resident(running.pid))
                    children = Path(f"/proc/{running.pid}/task/{running.pid}/children").read_text().split()
                    workers.append(max(resident(int(child)) for child in children))
                    analysed = time.perf_counter() - clock
        seconds = time.perf_counter() - clock
        found = json.loads(files[2].read_text())["persons"]
    return {
        "persons": len(found),
        "seconds_until_all_are_analysed": rounded(analysed),
        "seconds_until_all_is_told": rounded(seconds),
        "mib_at_the_first_tenth": rounded(own[0]),
        "mib_when_all_are_analysed": rounded(own[-1]),
        "mib_of_the_larger_worker_at_the_first_tenth": rounded(workers[0]),
        "mib_of_the_larger_worker_when_all_are_analysed": rounded(workers[-1]),
        "detected": sum(link["detected"] for person in found for link in person["links"]),
    }


def resident(process: int) -> float:
    """MiB that a process holds in memory."""
    return int(Path(f"/proc/{process}/statm").read_text().split()[1]) * resource.getpagesize() / 2**20


def rounded(value: Any) -> Any:
    return value if value is None or isinstance(value, int) else round(float(value), 3)


def tables(results: dict[str, Any]) -> dict[str, str]:
    """The tables of docs/biometrics.md."""
    out = {}
    tiers = [name for name in ("realistic", "rich") if name in results]
    if tiers:
        named = {
            "auc": "AUC", "power_at_fpr_0.05": "power at 5 % false positives", "power": "power of the default decision",
            "fpr": "its false positive rate", "fdr": "its false discovery rate", "accuracy": "its accuracy",
            "lag_mae": "mean error of the lag, h", "lag_median_ae": "median error of the lag, h",
            "lag_ci90_coverage": "coverage of the 90 % lag interval", "sign_acc": "sign right",
            "null_p_below_0.05": "unlinked pairs with p < 0.05", "cpu_seconds": "CPU seconds a patient",
        }  # fmt: skip
        out["accuracy"] = markdown(
            ["", *tiers], [[text, *(cell(results[tier][key]) for tier in tiers)] for key, text in named.items()]
        )
    if "seeds" in results:
        keys = [f"{name} {key}" for name in ("novamind", "correlations") for key in ("auc", "power_at_fpr_0.05")]
        out["seeds"] = markdown(
            ["seed", "AUC", "power at 5 % false positives", "AUC of correlations", "their power"],
            [[seed, *(cell(figures[key]) for key in keys)] for seed, figures in results["seeds"].items()],
        )
    if "chance" in results:
        out["chance"] = markdown(
            ["what both sides share", "pairs", "p < 0.05", "p < 0.01", "detected", "persons alarmed"],
            [[name, *(cell(value) for value in figures.values())] for name, figures in results["chance"].items()],
        )
    if "real" in results:
        keys = ("persons", "pairs", "detected", "median_abs_effect", "p_below_0.05")
        out["real"] = markdown(
            ["data set", "persons", "pairs", "detected", "median size of effect", "p < 0.05"],
            [
                [f"{name}, {how}", *(cell(figures[key]) for key in keys)]
                for name, both in results["real"].items()
                for how, figures in both.items()
            ],
        )
    if "learned" in results:
        out["learned"] = markdown(
            ["", "pairs", "AUC", "power at 5 % false positives", "power at 10 % false discoveries"],
            [[name, *(cell(value) for value in figures.values())] for name, figures in results["learned"].items()],
        )
    for section in ("speed", "rows", "many"):
        if section in results:
            out[section] = markdown(
                ["", "figure"], [[key.replace("_", " "), cell(value)] for key, value in results[section].items()]
            )
    return out


def cell(value: Any) -> str:
    return "-" if value is None else f"{value:,}" if isinstance(value, int) else f"{value:.3f}"


if __name__ == "__main__":
    main()
