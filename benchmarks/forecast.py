"""Symptom forecasts: accuracy on real diaries, speed, calibration by subgroup, and the tables that the docs show.

    python benchmarks/forecast.py                                   everything, then the tables in docs/
    python benchmarks/forecast.py accuracy docs --peers naive,mean_28
    python benchmarks/forecast.py docs                              the tables alone, from the stored results

Every section replaces its own part of ``results/forecast.json``. ``accuracy`` needs the shared data and protocol, which
are no part of this repository (``--shared``); without them it is skipped.
"""

import argparse
import importlib.metadata
import importlib.util
import json
import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest.mock import patch

import numpy as np
from numpy.typing import NDArray

from forecast_tables import OURS, TABLES
from tables import fill

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parent
RESULTS = HERE / "results" / "forecast.json"
TRUTH = HERE / "results" / "forecast_truth.json"  # of forecast_truth.py
PAGES = (REPOSITORY / "docs" / "forecasting.md", REPOSITORY / "docs" / "cards" / "symptoms.md")

PEERS = ("naive", "mean_28", "theta", "autoets", "autoarima")
RIVALS = ("mean_28", "ens3_r")
_TYPE = ["group", "dataset", "series"]
_MEASURES = ["crps_pct", "mase", "cov80", "cov95", "w80"]
SEED = 20_263  # of no cohort that training draws

Result = dict[str, Any]
Floats = NDArray[np.float64]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("sections", nargs="*", help=f"any of {', '.join(SECTIONS)}, docs; all of them if none is named")
    parser.add_argument("--peers", default=",".join(PEERS), help="methods of the protocol to run beside ours")
    parser.add_argument(
        "--shared", type=Path, default=REPOSITORY.parent / "shared", help="folder with data/ and bench/"
    )
    arguments = parser.parse_args()
    chosen = arguments.sections or [*SECTIONS, "docs"]
    unknown = set(chosen) - {*SECTIONS, "docs"}
    if unknown:
        parser.error(f"no such section: {', '.join(sorted(unknown))}")
    for name in (section for section in SECTIONS if section in chosen):
        say(f"{name} ...")
        result = SECTIONS[name](arguments)
        if result is not None:
            stored = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
            RESULTS.parent.mkdir(exist_ok=True)
            RESULTS.write_text(json.dumps({**stored, name: result}, indent=1) + "\n")
    if "docs" in chosen:
        stored = [json.loads(path.read_text()) for path in (RESULTS, TRUTH) if path.exists()]
        write_docs({name: part for results in stored for name, part in results.items()})


def write_docs(results: Result) -> None:
    tables = {
        name: table for section in TABLES if section in results for name, table in TABLES[section](results[section])
    }
    for page in PAGES:
        missing = fill(page, tables)
        if missing:
            say(f"{page.name}: no results for {', '.join(missing)}; run those sections")


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


# ---------------------------------------------------------------------------------------------------- accuracy


class Protocol:
    """The shared protocol, the stored baselines and the real diaries' origins."""

    def __init__(self, shared: Path) -> None:
        self.folder = shared / "bench" / "forecast"
        self.rules, self.compare = _load(self.folder / "protocol.py"), _load(self.folder / "compare.py")
        # A held-back collection may have either part.
        self.series = self.rules.build(["permissive", "nc"], None, str(shared / "data" / "symptoms"))
        self.cases: list[tuple[Any, Any]] = self.rules.origins(self.series)

    @classmethod
    def of(cls, arguments: argparse.Namespace) -> "Protocol | None":
        """The protocol in the shared folder, if there is one."""
        shared: Path = arguments.shared
        if (shared / "bench" / "forecast").exists() and (shared / "data" / "symptoms").exists():
            return cls(shared)
        say("  skipped: the protocol and its data are not in the shared folder; name that with --shared")
        return None

    def zero_shot(self, forecast: Callable[..., Any]) -> tuple[Floats, str]:
        """Forecast every origin in one batch, each on its own scale: ``(cases, 14, 21)``, and the model's version."""
        import pandas as pd

        from novamind.symptoms import Scale

        levels = tuple(self.rules.Q)
        quantiles = np.full((len(self.cases), 14, len(levels)), np.nan)
        version = ""
        # Whether dates mean anything is said for a whole call, so there is one for each kind.
        for dated in sorted({bool(history.attrs["real_dates"]) for history, _ in self.cases}):
            frames, scales = [], {}
            for i, (history, _) in enumerate(self.cases):
                about = history.attrs
                if about["real_dates"] != dated:
                    continue
                symptom = f"{about['dataset']} {about['series']}"
                worse = "low" if about["polarity"] == -1 else "high"
                scales[symptom] = Scale(about["scale_min"], about["scale_max"], about["step"] or None, worse)  # type: ignore[arg-type]
                # Days without a report stay in: the last of them says how far the record runs.
                columns = {"timestamp": history.timestamp.to_numpy(), "value": history.value.to_numpy()}
                frames.append(pd.DataFrame({**columns, "patient_id": i, "symptom": symptom}))
            forecasts = forecast(pd.concat(frames), 14, quantile_levels=levels, scale=scales, dated=dated)
            if forecasts.skipped:
                sys.exit(f"{len(forecasts.skipped)} origins of the protocol were not forecast")
            quantiles[[int(str(s.key.patient_id)) for s in forecasts.series]] = quantile_columns(forecasts)
            version = forecasts.model_version
        return quantiles, version

    def losses(self, name: str, quantiles: Floats) -> Any:
        """One row an origin and group of days, as the protocol scores it."""
        import pandas as pd

        rows: list[Result] = []
        for (history, target), forecast in zip(self.cases, quantiles, strict=True):
            rows += self.rules.score(history, target, forecast[: len(target)])
        return pd.DataFrame(rows).assign(method=name)

    def scored(self, name: str, forecast: Callable[..., Any]) -> Any:
        """The losses of a forecaster under a name."""
        return self.losses(name, self.zero_shot(forecast)[0])

    def misses(self, quantiles: Floats) -> list[Result]:
        """Share of reported days that lie outside the 80 % interval, on the worse and on the better side."""
        import pandas as pd

        low, high = self.rules.Q.index(0.1), self.rules.Q.index(0.9)
        rows = []
        for (history, target), forecast in zip(self.cases, quantiles, strict=True):
            about, known = history.attrs, np.isfinite(target)
            y, q = target[known], forecast[: len(target)][known]
            sides = [y > q[:, high] + 1e-9, y < q[:, low] - 1e-9]
            if about["polarity"] == -1:
                sides.reverse()
            named = {"dataset": about["dataset"], "series": about["series"]}
            rows.append(pd.DataFrame({**named, "worse": sides[0], "better": sides[1]}))
        shares = pd.concat(rows).groupby(["dataset", "series"])[["worse", "better"]].mean().round(4)
        return list(shares.reset_index().to_dict("records"))

    def peer(self, name: str) -> Any:
        """The losses of one of the protocol's own methods, run now."""
        method = self.rules.METHODS[name]()
        if hasattr(method, "fit"):
            method.fit(self.rules.training(self.series))
        quantiles = np.full((len(self.cases), 14, len(self.rules.Q)), np.nan)
        started = time.perf_counter()
        for i, (history, target) in enumerate(self.cases):
            quantiles[i, : len(target)] = method.forecast(history, len(target), self.rules.Q)
            if i % 100 == 99:
                say(f"  {name}: {i + 1} of {len(self.cases)}, {time.perf_counter() - started:.0f} s")
        return self.losses(name, quantiles)

    def means(self, losses: Any) -> Any:
        """Means over the types of series, one row a group and method."""
        return self.rules.summarise(losses).groupby(["group", "method"])[_MEASURES].mean().round(4).reset_index()


def accuracy(arguments: argparse.Namespace) -> Result | None:
    """All origins of the protocol, beside peers of the same run and stored baselines."""
    import pandas as pd

    import novamind as nm

    protocol = Protocol.of(arguments)
    if protocol is None:
        return None
    peers = [name for name in arguments.peers.split(",") if name]
    unknown = set(peers) - set(protocol.rules.METHODS)
    if unknown:
        sys.exit(f"no such peers in the protocol: {', '.join(sorted(unknown))}")
    quantiles, version = protocol.zero_shot(nm.symptoms.forecast_many)
    ours = protocol.losses(OURS, quantiles)
    here = pd.concat([ours, *(protocol.peer(name) for name in peers)], ignore_index=True)
    stored = pd.read_parquet(protocol.folder / "losses.parquet")
    # Baselines that were not run now, on the origins that were.
    origin = ["dataset", "series", "person_id", "origin", "group"]
    others = stored[~stored.method.isin(peers)].merge(ours[origin])
    every = pd.concat([here, others], ignore_index=True)
    table = protocol.rules.summarise(every)[[*_TYPE, "method", "origins", "persons", "points", *_MEASURES]].round(4)
    paired = {
        rival: {
            metric: protocol.compare.cmp(pd.concat([ours, stored], ignore_index=True), OURS, rival, metric)
            for metric in ("crps", "mae")
        }
        for rival in RIVALS
    }
    return {
        "model_version": version,
        "origins": len(protocol.cases),
        "persons": int(ours[["dataset", "person_id"]].drop_duplicates().shape[0]),
        "run_here": [OURS, *peers],
        "means": protocol.means(every).to_dict("records"),
        "by_type": table.to_dict("records"),
        "misses": protocol.misses(quantiles),
        "paired": paired,
    }


def members(arguments: argparse.Namespace) -> Result | None:
    """What each part of the forecaster is worth: each member alone, and the whole without each part."""
    import pandas as pd

    from novamind.symptoms.forecaster.conformal import Calibration
    from novamind.symptoms.forecaster.ensemble import Stack
    from novamind.symptoms.service import SymptomForecastingService, default_service

    protocol = Protocol.of(arguments)
    if protocol is None:
        return None
    shipped = default_service().model
    stack = shipped.stack
    variants = {}
    for i, member in enumerate(shipped.members):
        alone = np.zeros_like(stack.weights)
        alone[..., i] = 1
        variants[f"{member.name} alone"] = replace(shipped, stack=Stack(alone, 0.0))
    # Where one member has all the weight, the others share it equally without it.
    floored = replace(shipped, stack=replace(stack, weights=np.maximum(stack.weights, 1e-4)))
    for member in shipped.members:
        variants[f"without {member.name}"] = floored.without([member.name])
    variants["weights not moved by the person's record"] = replace(shipped, stack=replace(stack, learning_rate=0.0))
    variants["without conformal calibration"] = replace(shipped, calibration=Calibration.of_own_errors())
    losses = []
    for name, model in {OURS: shipped, **variants}.items():
        say(f"  {name}")
        losses.append(protocol.scored(name, SymptomForecastingService(model).forecast))
    only_told = "steps not read from the record"
    with patch("novamind.symptoms.service.unit_steps", lambda _values, scale_steps: scale_steps):
        losses.append(protocol.scored(only_told, SymptomForecastingService(shipped).forecast))
    every = pd.concat(losses, ignore_index=True)
    return {
        "model_version": shipped.version,
        "means": protocol.means(every).to_dict("records"),
        "paired": {name: protocol.compare.cmp(every, name, OURS) for name in (*variants, only_told)},
    }


def simulator(arguments: argparse.Namespace) -> Result | None:
    """What the simulator's richness is worth: all of it raised again on level + autoregression + noise (20 minutes)."""
    import pandas as pd

    from forecast_truth import NOT_LINEAR
    from novamind.cohorts import PLAIN_AUTOREGRESSION, CohortSettings, Trajectories, simulate
    from novamind.symptoms import training
    from novamind.symptoms.forecaster import network
    from novamind.symptoms.service import SymptomForecastingService, default_service

    protocol = Protocol.of(arguments)
    if protocol is None:
        return None
    # No drift either; instruments and gaps stay.
    without = NOT_LINEAR | {"drift_b": PLAIN_AUTOREGRESSION.drift_b}

    def plain(persons: int, days: int, *, seed: int, settings: CohortSettings | None = None) -> Trajectories:
        return simulate(persons, days, seed=seed, settings=replace(settings or CohortSettings(), **without))

    with (
        tempfile.TemporaryDirectory() as folder,
        patch.object(training, "simulate", plain),
        patch.object(network, "simulate", plain),
    ):
        raised = training.train(training.PRESETS["compact"], seed=0, out=Path(folder), progress=say)
    shipped = default_service()
    losses = [
        protocol.scored(name, service.forecast)
        for name, service in ((OURS, shipped), ("plain", SymptomForecastingService(raised)))
    ]
    every = pd.concat(losses, ignore_index=True)
    return {
        "model_version": shipped.model.version,
        "means": protocol.means(every).to_dict("records"),
        "paired": protocol.compare.cmp(every, "plain", OURS),
    }


def fitted(arguments: argparse.Namespace) -> Result | None:
    """The product's own command on the protocol's training half, then the same origins of the other half."""
    import pandas as pd

    from novamind.symptoms.forecaster.model import SymptomModel
    from novamind.symptoms.service import SymptomForecastingService, default_service

    protocol = Protocol.of(arguments)
    if protocol is None:
        return None
    frames, scales, undated = [], {}, set()
    for history in protocol.rules.training(protocol.series):
        about = history.attrs
        symptom = f"{about['dataset']} {about['series']}"
        if not about["real_dates"]:
            undated.add(symptom)
        scales[symptom] = {
            "low": about["scale_min"],
            "high": about["scale_max"],
            "step": about["step"] or None,
            "worse": "low" if about["polarity"] == -1 else "high",
        }
        columns = {"timestamp": history.timestamp.to_numpy(), "value": history.value.to_numpy()}
        frames.append(pd.DataFrame({**columns, "patient_id": str(about["person_id"]), "symptom": symptom}))
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        pd.concat(frames).to_parquet(folder / "diaries.parquet")
        (folder / "scales.json").write_text(json.dumps(scales))
        command = [str(Path(sys.executable).with_name("novamind")), "train", "symptoms"]
        command += ["--data", str(folder / "diaries.parquet"), "--scales", str(folder / "scales.json")]
        command += ["--out", str(folder / "model")]
        command += [part for symptom in sorted(undated) for part in ("--undated", symptom)]
        subprocess.run(command, check=True)
        seconds = time.perf_counter() - started
        own = SymptomModel.load(folder / "model")
        quantiles, version = protocol.zero_shot(SymptomForecastingService(own).forecast)
    ours = protocol.losses("fitted", quantiles)
    shipped = protocol.scored(OURS, default_service().forecast)
    stored = pd.read_parquet(protocol.folder / "losses.parquet")
    every = pd.concat([ours, shipped, stored], ignore_index=True)
    table = protocol.rules.summarise(ours)[[*_TYPE, "method", "origins", "persons", "points", *_MEASURES]].round(4)
    return {
        "model_version": version,
        "series_fitted_on": len(frames),
        "minutes": round(seconds / 60, 1),
        "means": protocol.means(every).to_dict("records"),
        "by_type": table.to_dict("records"),
        "paired": {rival: protocol.compare.cmp(every, "fitted", rival) for rival in (OURS, *RIVALS)},
    }


def quantile_columns(forecasts: Any) -> Floats:
    """``(series, horizon, levels)`` out of the frame that users get."""
    names = [f"q{level:g}" for level in forecasts.quantile_levels]
    columns = forecasts.frame[names].to_numpy()
    return np.asarray(columns, dtype=np.float64).reshape(len(forecasts), -1, len(names))


def _load(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


# ------------------------------------------------------------------------------------------------------- speed

_IN_ITS_OWN_PROCESS = """
import sys, time
started = time.perf_counter()
{work}
seconds = time.perf_counter() - started
# Not getrusage, whose maximum includes that of the process from which this one was started.
status = open("/proc/self/status").read().split()
print(seconds, status[status.index("VmHWM:") + 1])
"""
_OUR_WORK = """
import polars as pl
import novamind as nm
nm.symptoms.forecast_many(pl.read_parquet(sys.argv[1]), scale=(0, 1)).frame
"""
_AUTOETS_WORK = """
import numpy as np
import polars as pl
from statsforecast.models import AutoETS
AutoETS(season_length=7).forecast(y=pl.read_parquet(sys.argv[1])["value"].to_numpy(), h=14, level=[80, 95])
"""


def speed(_arguments: argparse.Namespace) -> Result:
    """Batches, single calls and cold start, beside AutoETS and the seasonal naive on the same series."""
    import polars as pl
    from statsforecast.models import AutoETS, SeasonalNaive

    import novamind as nm

    cohort = nm.cohorts.simulate(12_000, days=60, seed=SEED)
    # As many as are asked for, of those whose record can be forecast.
    reports = cohort.reports[np.isfinite(cohort.reports).sum(1) >= 14][:10_000]

    def frame(persons: slice) -> Any:
        person, day = np.nonzero(np.isfinite(reports[persons]))
        days = np.datetime64("2024-01-01") + day
        values = reports[persons][person, day].astype(np.float64)
        return pl.DataFrame({"patient_id": person, "timestamp": days, "value": values})

    def timed(work: Callable[[], object]) -> tuple[float, float]:
        wall, cpu = time.perf_counter(), time.process_time()
        work()
        return time.perf_counter() - wall, time.process_time() - cpu

    def batch(persons: slice) -> tuple[float, float]:
        rows = frame(persons)
        return timed(lambda: nm.symptoms.forecast_many(rows, 14, scale=(0, 1)).frame)

    def one(person: int) -> tuple[float, float]:
        rows = frame(slice(person, person + 1))
        return timed(lambda: nm.symptoms.forecast(rows, 14, scale=(0, 1)).frame)

    # No call repeats another one's records, as the service remembers what it said of those.
    one(0)
    say("  1,000 series")
    thousand = np.median([batch(slice(1_000 * i, 1_000 * (i + 1))) for i in range(5)], axis=0)
    say("  10,000 series")
    ten_thousand = batch(slice(0, 10_000))
    say("  single calls")
    single = np.array([one(person) for person in range(1, 101)])

    def per_series(method: Any, persons: int) -> float:
        """Seconds of CPU; gaps are filled beforehand, as these methods need it."""
        filled = [_interpolated(row) for row in reports[:persons]]
        method.forecast(y=filled[0], h=14, level=[80, 95])  # compiles
        return timed(lambda: [method.forecast(y=y, h=14, level=[80, 95]) for y in filled])[1] / persons

    say("  AutoETS and seasonal naive")
    autoets = per_series(AutoETS(season_length=7), 60)
    seasonal_naive = per_series(SeasonalNaive(season_length=7), 1_000)
    ours = thousand[1] / 1_000
    trained = _nhits([_interpolated(row) for row in reports[:1_000]])

    say("  cold start and memory")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "diaries.parquet"
        frame(slice(0, 1)).write_parquet(path)
        cold, cold_memory = _own_process(_OUR_WORK, path)
        cold_autoets, _ = _own_process(_AUTOETS_WORK, path)
        frame(slice(0, 10_000)).write_parquet(path)
        _, memory = _own_process(_OUR_WORK, path)

    def rounded(value: float) -> float:
        return float(f"{value:.3g}")

    return {
        "model_version": nm.symptoms.forecast_many(frame(slice(0, 1)), scale=(0, 1)).model_version,
        "cores": os.cpu_count(),
        "threads": os.environ.get("OMP_NUM_THREADS"),
        "load_average": rounded(os.getloadavg()[0]),
        "statsforecast": importlib.metadata.version("statsforecast"),
        "seconds_1000_series": rounded(thousand[0]),
        "cpu_seconds_1000_series": rounded(thousand[1]),
        "series_per_second_of_10000": rounded(10_000 / ten_thousand[0]),
        "series_per_cpu_second_of_10000": rounded(10_000 / ten_thousand[1]),
        "single_call_ms": {f"p{q}": rounded(1e3 * np.percentile(single[:, 0], q)) for q in (50, 95)},
        "single_call_cpu_ms": {f"p{q}": rounded(1e3 * np.percentile(single[:, 1], q)) for q in (50, 95)},
        "cold_start_seconds": rounded(cold),
        "cold_start_seconds_autoets": rounded(cold_autoets),
        "rss_mb_one_series": round(cold_memory),
        "rss_mb_10000_series": round(memory),
        "cpu_ms_per_series": {
            OURS: rounded(1e3 * ours),
            "autoets": rounded(1e3 * autoets),
            "seasonal_naive": rounded(1e3 * seasonal_naive),
            **{name: rounded(1e3 * seconds / 1_000) for name, seconds in trained.items()},
        },
        "autoets_over_ours": rounded(autoets / ours),
        "ours_over_seasonal_naive": rounded(ours / seasonal_naive),
    }


def _nhits(filled: list[Floats]) -> dict[str, float]:
    """CPU seconds in which neuralforecast's NHITS learns the series and forecasts them, if it is installed.

    It has to see a clinic's series before it can forecast them, so both are told.
    """
    if importlib.util.find_spec("neuralforecast") is None:
        say("  NHITS skipped: pip install neuralforecast torch==2.13.0")
        return {}
    import logging

    import pandas as pd
    from neuralforecast import NeuralForecast
    from neuralforecast.losses.pytorch import MQLoss
    from neuralforecast.models import NHITS

    say("  NHITS")
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    days = pd.date_range("2024-01-01", periods=len(filled[0]))
    frame = pd.concat([pd.DataFrame({"unique_id": i, "ds": days, "y": y}) for i, y in enumerate(filled)])
    quiet = {"logger": False, "enable_progress_bar": False, "enable_checkpointing": False, "accelerator": "cpu"}
    loss = MQLoss(level=[80, 95])
    model = NHITS(h=14, input_size=28, loss=loss, scaler_type="robust", max_steps=500, random_seed=SEED, **quiet)
    forecaster = NeuralForecast(models=[model], freq="D")
    started = time.process_time()
    forecaster.fit(frame)
    fitted = time.process_time()
    forecaster.predict()
    return {"nhits_training": fitted - started, "nhits": time.process_time() - fitted}


def _interpolated(row: NDArray[np.float32]) -> Floats:
    known = np.flatnonzero(np.isfinite(row))
    return np.interp(np.arange(len(row)), known, row[known]).astype(np.float64)


def _own_process(work: str, argument: Path) -> tuple[float, float]:
    """Seconds from the first import to the result, and the largest memory in MB, of work in a fresh process (Linux)."""
    program = _IN_ITS_OWN_PROCESS.format(work=work)
    done = subprocess.run([sys.executable, "-c", program, str(argument)], capture_output=True, text=True, check=True)
    seconds, memory = (float(x) for x in done.stdout.split())
    return seconds, memory / 1024


def formats(_arguments: argparse.Namespace) -> Result:
    """The network in single precision, half precision and 8 bits: size, CPU time, and what the answers lose."""
    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic
    from onnxruntime.transformers.float16 import convert_float_to_float16

    from novamind.symptoms.forecaster.model import TRANSFORMER_FILE
    from novamind.symptoms.service import SHIPPED, default_service

    rows, whole = [], None
    with tempfile.TemporaryDirectory() as name:
        single, half, bits = (Path(name) / f"{kind}.onnx" for kind in ("fp32", "fp16", "int8"))
        model = onnx.load(SHIPPED / TRANSFORMER_FILE)
        # Shapes that the exporter left in the file contradict those after quantisation.
        del model.graph.value_info[:]
        onnx.save(model, single)
        onnx.save(convert_float_to_float16(model, keep_io_types=True), half)
        # By name: it takes the attention of ONNX for an older operator of the same name.
        quantize_dynamic(single, bits, op_types_to_quantize=["MatMul"], weight_type=QuantType.QInt8, per_channel=True)
        for path in (single, half, bits):
            try:
                # A runtime that cannot run a format may take its process along.
                with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as process:
                    seconds, error, quantiles = process.submit(_of_format, path).result()
            except BrokenProcessPool:
                rows.append({"format": path.stem, "refused": "ONNX Runtime fails on it"})
                continue
            whole = quantiles if whole is None else whole
            rows.append(
                {
                    "format": path.stem,
                    "megabytes": round(path.stat().st_size / 1e6, 2),
                    "cpu_ms_per_series": round(1e3 * seconds / len(quantiles), 3),
                    "crps_pct": round(error, 3),
                    "largest_difference_pct": round(100 * float(np.abs(quantiles - whole).max()), 2),
                    "mean_difference_pct": round(100 * float(np.abs(quantiles - whole).mean()), 3),
                }
            )
    return {"model_version": default_service().model.version, "shipped": "fp32", "rows": rows}


def _of_format(path: Path) -> tuple[float, float, Floats]:
    """Seconds of CPU, CRPS in % of the scale, and the quantiles of 4,000 simulated persons."""
    from novamind.cohorts import OTHER_POPULATION
    from novamind.symptoms.forecaster.ensemble import crps
    from novamind.symptoms.forecaster.origins import Origins
    from novamind.symptoms.forecaster.transformer import TransformerQuantiles
    from novamind.symptoms.training import simulated_windows

    windows = simulated_windows(4_000, SEED, OTHER_POPULATION)
    origins = Origins.present(windows.histories)
    member = TransformerQuantiles.load(path)
    member.quantiles(origins, [14])
    started = time.process_time()
    (quantiles,) = member.quantiles(origins, [14])
    seconds = time.process_time() - started
    return seconds, 100 * float(np.nanmean(crps(quantiles, windows.future[:, :14]))), quantiles


# ------------------------------------------------------------------------------------------------- calibration


def calibration(_arguments: argparse.Namespace) -> Result:
    """Coverage and CRPS by subgroup on simulated persons with known truth, through the front door."""
    import polars as pl

    import novamind as nm
    from novamind.cohorts import OTHER_POPULATION
    from novamind.symptoms import Scale
    from novamind.symptoms.domain import LEVELS
    from novamind.symptoms.forecaster.conformal import COARSENESS_GROUPS, coarseness
    from novamind.symptoms.forecaster.ensemble import crps
    from novamind.symptoms.forecaster.reliability import reliability

    persons, horizon = 12_000, 30
    cohort = nm.cohorts.simulate(persons, days=230, seed=SEED, settings=OTHER_POPULATION)
    origin = np.random.default_rng(SEED).choice([14, 21, 28, 42, 60, 90, 150, 200], persons)
    day = np.arange(230)
    before = day[None, :] < origin[:, None]
    history = np.where(before, cohort.reports, np.nan)
    outcome = np.stack([row[o : o + horizon] for row, o in zip(cohort.reports, origin, strict=True)])

    # A row on the origin day even without a report: the record runs on to it.
    person, column = np.nonzero(before & (np.isfinite(history) | (day[None, :] == origin[:, None] - 1)))
    monday = np.datetime64("2024-01-01")
    symptoms = np.array([f"step {step:.4f}" for step in cohort.step])
    forecasts = nm.symptoms.forecast_many(
        pl.DataFrame(
            {
                "patient_id": person,
                "symptom": symptoms[person],
                "timestamp": monday + cohort.weekday[person] + column,
                "value": history[person, column].astype(np.float64),
            }
        ),
        horizon,
        scale={name: Scale(0, 1, float(step) or None) for name, step in zip(symptoms, cohort.step, strict=True)},
    )
    kept = np.array([int(str(s.key.patient_id)) for s in forecasts.series])
    quantiles, outcome, history = quantile_columns(forecasts), outcome[kept].astype(np.float64), history[kept]
    known = np.isfinite(outcome)
    loss = crps(quantiles.astype(np.float32), outcome.astype(np.float32))
    level_at = {level: int(np.argmin(np.abs(LEVELS - level))) for level in (0.025, 0.1, 0.9, 0.975)}

    def inside(low: float, high: float) -> NDArray[np.bool_]:
        at_least = outcome >= quantiles[..., level_at[low]] - 1e-6
        at_most = outcome <= quantiles[..., level_at[high]] + 1e-6
        return np.asarray(at_least & at_most)

    inside80, inside95 = inside(0.1, 0.9), inside(0.025, 0.975)
    width80 = quantiles[..., level_at[0.9]] - quantiles[..., level_at[0.1]]
    rows: list[Result] = []

    def add(by: str, group: str, members: NDArray[np.bool_], days: slice = slice(0, 14)) -> None:
        cells = np.zeros_like(known)
        cells[members, days] = known[members, days]
        if cells.any():
            rows.append(
                {
                    "by": by,
                    "group": group,
                    "persons": int(cells.any(1).sum()),
                    "outcomes": int(cells.sum()),
                    "crps_pct": round(100 * float(loss[cells].mean()), 3),
                    "cov80": round(float(inside80[cells].mean()), 4),
                    "cov95": round(float(inside95[cells].mean()), 4),
                    "w80": round(float(width80[cells].mean()), 4),
                }
            )

    everyone = np.ones(len(kept), bool)
    add("everyone", "days 1–14", everyone)
    reports = np.isfinite(history).sum(1)
    since_shift = origin[kept] - cohort.shift_day[kept]
    since_treatment = np.where(cohort.treatment_day[kept] < 0, -999, origin[kept] - cohort.treatment_day[kept])
    shifted = cohort.shift_day[kept] >= 0
    inf = np.inf
    for by, values, bands in (
        (
            "reports in the history",
            reports,
            {"4–10": (4, 11), "11–20": (11, 21), "21–35": (21, 36), "36–60": (36, 61), "over 60": (61, inf)},
        ),
        (
            "days without a report",
            1 - reports / origin[kept],
            {"under 10 %": (0, 0.1), "10–30 %": (0.1, 0.3), "30–60 %": (0.3, 0.6), "60 % and more": (0.6, inf)},
        ),
        (
            "mean of the history",
            np.nanmean(history, axis=1),
            {"under 10 %": (0, 0.1), "10–35 %": (0.1, 0.35), "35–65 %": (0.35, 0.65), "65 % and more": (0.65, inf)},
        ),
        (
            "SD of the history",
            np.nanstd(history, axis=1),
            {
                "constant": (0, 0.005),
                "under 5 %": (0.005, 0.05),
                "5–10 %": (0.05, 0.1),
                "10–20 %": (0.1, 0.2),
                "20 % and more": (0.2, inf),
            },
        ),
    ):
        for group, (low, high) in bands.items():
            add(by, group, (values >= low) & (values < high))
    past = forecasts.prediction.backtest
    grade = np.array(
        [
            reliability(s.values, float(past.ratio[i]), int(past.days[i]), s.reports_per_day).level
            for i, s in enumerate(forecasts.series)
        ]
    )
    for level in ("high", "medium", "low"):
        add("reliability", level, grade == level)
    # Where every report is the same the grade is medium, as the variation is not known, and the error small.
    add("reliability", "medium, reports differ", (grade == "medium") & (np.nanstd(history, axis=1) > 0))
    coarse = coarseness(forecasts.prediction.summary)  # of steps told, or shown by the record
    for group, (low, high) in {
        "continuous, or neither told nor shown": (-inf, 0),
        **{f"{low:g}–{high:g} of the person's spread": (low, high) for low, high in pairwise(COARSENESS_GROUPS)},
        f"over {COARSENESS_GROUPS[-1]:g}": (COARSENESS_GROUPS[-1], inf),
    }.items():
        add("steps", group, (coarse > low) & (coarse <= high))
    add("abrupt shift", "none in the record or ahead", ~shifted)
    add("abrupt shift", "in the last 14 days", shifted & (since_shift > 0) & (since_shift <= 14))
    add("abrupt shift", "in the 14 days to come", shifted & (since_shift <= 0) & (since_shift > -14))
    add("treatment", "started in the last 14 days", (since_treatment > 0) & (since_treatment <= 14))
    for first, last in ((1, 1), (2, 3), (4, 7), (8, 14), (15, 21), (22, 30)):
        add("days ahead", f"{first}–{last}" if last > first else str(first), everyone, slice(first - 1, last))
    return {
        "model_version": forecasts.model_version,
        "persons": len(kept),
        "rows": rows,
        "sudden_change": sudden_change(),
        "weekly_rhythm": weekly_rhythm(),
    }


def _week_ahead(values: Floats, top: float) -> Floats:
    """Mean quantiles .1, .5 and .9 of the coming week, ``(7, 3)``, of persons on a scale of 0 to ``top``.

    ``values`` are ``(persons, days)``; the first day is a Monday.
    """
    import polars as pl

    import novamind as nm

    person, day = np.indices(values.shape)
    days = np.datetime64("2024-01-01") + day
    forecasts = nm.symptoms.forecast_many(
        pl.DataFrame({"patient_id": person.ravel(), "timestamp": days.ravel(), "value": values.ravel()}),
        horizon=7,
        quantile_levels=(0.1, 0.5, 0.9),
        scale=(0, top),
    )
    mean: Floats = quantile_columns(forecasts).mean(0)
    return mean


def sudden_change() -> list[Result]:
    """How soon a change far beyond anything in the record is followed: a month around 4 %, then days around 50 %."""
    persons, before, rng = 100, 30, np.random.default_rng(SEED)
    rows = []
    for since in (2, 4, 7, 10, 14, 21):
        quiet, after = rng.normal(0.04, 0.02, (persons, before)), rng.normal(0.5, 0.06, (persons, since))
        values = np.clip(np.hstack([quiet, after]), 0, 1)
        low, median, high = (100 * _week_ahead(values, top=1)[0]).round(1).tolist()
        mean_28 = round(100 * float(np.median(values[:, -28:], axis=1).mean()), 1)
        rows.append({"days_since": since, "low": low, "median": median, "high": high, "mean_28": mean_28})
    return rows


def weekly_rhythm() -> list[Result]:
    """How much of a weekend's difference is carried on: days around 40 %, Saturdays and Sundays worse by so much."""
    persons, rng = 100, np.random.default_rng(SEED)
    rows = []
    for weeks, weekend in ((4, 30), (10, 30), (4, 15), (10, 15), (20, 15), (10, 0)):
        day = np.arange(7 * weeks)
        level = 40 + weekend * (day % 7 >= 5)
        values = np.clip(level + rng.normal(0, 10, (persons, len(day))), 0, 100)
        median = _week_ahead(values, top=100)[:, 1]
        carried = round(float(median[5:].mean() - median[:5].mean()), 1) + 0.0  # no negative zero
        rows.append({"weeks": weeks, "weekend": weekend, "carried": carried})
    return rows


SECTIONS: dict[str, Callable[[argparse.Namespace], Result | None]] = {
    "accuracy": accuracy,
    "members": members,
    "simulator": simulator,
    "fitted": fitted,
    "speed": speed,
    "formats": formats,
    "calibration": calibration,
}

if __name__ == "__main__":
    main()
