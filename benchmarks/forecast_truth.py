"""The shipped symptom forecast against simulated truth: how near it comes to an oracle, and what covariates are worth.

    python benchmarks/forecast_truth.py            everything
    python benchmarks/forecast_truth.py oracle

Writes ``results/forecast_truth.json``.

The oracle knows each person's own parameters in the generator (level, spread, inertia, shares and pace of drift and
noise, and how far the instrument strays) and filters the record with them: a Kalman filter, which is exact for what it
is given, persons whose severity is level + autoregression + drift + noise, with gaps and instruments as ever. The
forecaster knows only the reports.
"""

import argparse
import json
from dataclasses import replace
from pathlib import Path
from time import process_time
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.stats import norm

import novamind as nm
from novamind.cohorts import CohortSettings, Trajectories, simulate
from novamind.symptoms import Scale
from novamind.symptoms.domain import LEVELS, MEDIAN
from novamind.symptoms.forecaster.ensemble import crps
from novamind.symptoms.forecaster.explanation import (
    MOST_ROWS,
    RECORD_PARTS,
    combinations,
    explain,
    members,
    shapley_values,
)
from novamind.symptoms.forecaster.model import SymptomModel
from novamind.symptoms.forecaster.origins import Origins
from novamind.symptoms.forecaster.preprocessing import Histories, unit_steps
from novamind.symptoms.interpolation import on_steps
from novamind.symptoms.service import default_service

RESULTS = Path(__file__).resolve().parent / "results" / "forecast_truth.json"
SEED = 20_271
PERSONS, DAYS, HORIZON = 4_000, 140, 14
HISTORY = DAYS - HORIZON
#: What a linear Gaussian filter cannot know exactly, switched off; the rest is the default population.
NOT_LINEAR = dict.fromkeys(
    (
        "weekly_sd",
        "rhythmic_sd",
        "episode_probability",
        "shift_rate",
        "treatment_probability",
        "spike_rate",
        "elevation_sd",
        "sticky_probability",
        "skew_probability",
        "storm_probability",
        "avoidance_probability",
    ),
    0.0,
)
LINEAR = replace(CohortSettings(), **NOT_LINEAR)

Floats = NDArray[np.float64]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("sections", nargs="*", choices=[*SECTIONS, []], help="all of them if none is named")
    chosen = parser.parse_args().sections or list(SECTIONS)
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    for name in chosen:
        results[name] = SECTIONS[name]()
        RESULTS.write_text(json.dumps(results, indent=1) + "\n")
        print(name, json.dumps(results[name], indent=1))


def oracle() -> dict[str, Any]:
    """CRPS beside the oracle's, by how many days of the history were reported."""
    cohort = simulate(PERSONS, DAYS, seed=SEED, settings=LINEAR)
    seen = np.isfinite(cohort.reports[:, :HISTORY])
    kept = np.flatnonzero((seen.sum(1) >= 20) & seen[:, -28:].any(1))
    outcome = cohort.reports[kept, HISTORY:]
    ours, version = _forecast(cohort, kept)
    known = oracle_quantiles(cohort)[kept]
    # The oracle, too, knows steps only where they are told or shown.
    step = unit_steps(cohort.reports[kept, :HISTORY], cohort.step[kept])
    theirs = np.clip(on_steps(known.astype(np.float32), step[:, None, None]), 0, 1)
    loss = {name: crps(q.astype(np.float32), outcome) for name, q in (("ours", ours), ("oracle", theirs))}
    reported = seen[kept].sum(1)
    rows = []
    for group, low, high in (("20 to 59", 20, 60), ("60 and more", 60, 10_000)):
        rows.append({"reported_days": group, **_compared(loss, (reported >= low) & (reported < high))})
    enough = reported >= 60
    for group, chosen in (
        ("60 and more, away from the ends (mean .2 to .8)", np.abs(cohort.level[kept] - 0.5) < 0.3),
        ("60 and more, near an end", np.abs(cohort.level[kept] - 0.5) >= 0.3),
    ):
        rows.append({"reported_days": group, **_compared(loss, enough & chosen)})
    return {"model_version": version, "horizon": HORIZON, "rows": rows}


def _compared(loss: dict[str, NDArray[np.float32]], rows: NDArray[np.bool_]) -> dict[str, float]:
    each = {name: np.nanmean(values[rows], axis=1) for name, values in loss.items()}
    usable = np.isfinite(each["ours"])
    ours, best = each["ours"][usable], each["oracle"][usable]
    draws = np.random.default_rng(SEED).integers(0, len(ours), (2_000, len(ours)))
    ratios = ours[draws].mean(1) / best[draws].mean(1)
    low, high = np.quantile(ratios, [0.025, 0.975])
    return {
        "persons": len(ours),
        "crps_pct": round(100 * float(ours.mean()), 3),
        "oracle_crps_pct": round(100 * float(best.mean()), 3),
        "ratio": round(float(ours.mean() / best.mean()), 4),
        "ratio_low": round(float(low), 4),
        "ratio_high": round(float(high), 4),
    }


def oracle_quantiles(cohort: Trajectories) -> Floats:
    """Predictive quantiles ``(persons, HORIZON, 21)`` of a Kalman filter that knows each person's parameters."""
    persons = len(cohort.level)
    fast = 1 - cohort.drift_share
    size = np.stack([np.sqrt(cohort.drift_share), np.sqrt(fast * (1 - cohort.noise_share))], 1).astype(np.float64)
    size *= cohort.spread[:, None]
    keep = np.stack([np.exp(-1 / cohort.drift_days), cohort.inertia], 1).astype(np.float64)
    # What the instrument adds: rounding and items that disagree, as large as it really was for this person.
    strays = cohort.reports - np.clip(cohort.severity, 0, 1)
    instrument = np.nanvar(np.where(np.isfinite(strays), strays, np.nan), axis=1)
    noise = cohort.spread.astype(np.float64) ** 2 * fast * cohort.noise_share + np.nan_to_num(instrument) + 1e-8
    mean, covariance = np.zeros((persons, 2)), np.tile(np.eye(2), (persons, 1, 1))
    for day in range(HISTORY):
        mean, covariance = _a_day_on(mean, covariance, keep)
        report = cohort.reports[:, day].astype(np.float64)
        known = np.isfinite(report)
        error = np.where(known, report - cohort.level - (size * mean).sum(1), 0)
        towards = np.einsum("pij,pj->pi", covariance, size)
        variance = np.einsum("pi,pi->p", towards, size) + noise
        gain = np.where(known[:, None], towards / variance[:, None], 0)
        mean = mean + gain * error[:, None]
        covariance = covariance - gain[:, :, None] * towards[:, None, :]
    quantiles = np.empty((persons, HORIZON, len(LEVELS)))
    for day in range(HORIZON):
        mean, covariance = _a_day_on(mean, covariance, keep)
        centre = cohort.level + (size * mean).sum(1)
        deviation = np.sqrt(np.einsum("pi,pij,pj->p", size, covariance, size) + noise)
        quantiles[:, day] = centre[:, None] + deviation[:, None] * norm.ppf(LEVELS)
    return np.clip(quantiles, 0, 1)


def _a_day_on(mean: Floats, covariance: Floats, keep: Floats) -> tuple[Floats, Floats]:
    covariance = covariance * keep[:, :, None] * keep[:, None, :]
    covariance[:, [0, 1], [0, 1]] += 1 - keep**2
    return keep * mean, covariance


def covariates() -> dict[str, Any]:
    """What a known start of treatment, and a signal that leads by a day or does not, are worth."""
    treated = replace(CohortSettings(), treatment_probability=1.0, compliance_a=50.0)
    rows = []
    for name, share in (("helps two in three", 0.65), ("helps nobody", 0.0), ("helps everyone", 1.0)):
        cohort = simulate(PERSONS, DAYS, seed=SEED + 1, settings=replace(treated, response_probability=share))
        since = HISTORY - 1 - cohort.treatment_day
        seen = np.isfinite(cohort.reports[:, :HISTORY])
        kept = np.flatnonzero((since >= 0) & (since < 42) & (seen.sum(1) >= 20) & seen[:, -14:].any(1))
        starts = pl.DataFrame(
            {
                "patient_id": [f"{i:05d}" for i in kept],
                "timestamp": _monday(cohort)[kept] + cohort.treatment_day[kept],
                "signal": "treatment_start",
                "value": 1.0,
            }
        )
        rows.append({"covariate": f"treatment started in the last 6 weeks, {name}", **_worth(cohort, kept, starts)})
    for strength in (0.0, 0.3, 0.6):
        cohort = simulate(1_000, DAYS, seed=SEED + 2, settings=replace(CohortSettings(), compliance_a=50.0))
        seen = np.isfinite(cohort.reports[:, :HISTORY])
        kept = np.flatnonzero((seen.sum(1) >= 60) & seen[:, -1])[:400]
        rng = np.random.default_rng(SEED)
        # The day's own noise is what nothing in the record foretells; three more signals carry nothing.
        surprise = (cohort.severity - cohort.expected) / np.maximum(cohort.spread[:, None], 1e-3)
        ahead = np.roll(surprise, -1, axis=1)
        noise = rng.standard_normal((3, *ahead.shape))
        leading = strength * ahead + np.sqrt(1 - strength**2) * rng.standard_normal(ahead.shape)
        frames = []
        for name, values in (("sleep", leading), *((f"other_{i}", v) for i, v in enumerate(noise))):
            person, day = np.indices((len(kept), HISTORY))
            frames.append(
                pl.DataFrame(
                    {
                        "patient_id": np.array([f"{i:05d}" for i in kept])[person.ravel()],
                        "timestamp": (_monday(cohort)[kept][:, None] + day).ravel(),
                        "signal": name,
                        "value": values[kept, :HISTORY].ravel().astype(np.float64),
                    }
                )
            )
        told = pl.concat(frames)
        label = f"four signals, one leading the day's own noise by a day with r = {strength:g}"
        rows.append({"covariate": f"{label}: day 1", **_worth(cohort, kept, told, slice(0, 1))})
        rows.append({"covariate": f"{label}: days 1 to 14", **_worth(cohort, kept, told)})
    return {"rows": rows}


def _worth(
    cohort: Trajectories, kept: NDArray[np.int64], told: pl.DataFrame, days: slice = slice(None)
) -> dict[str, float]:
    outcome = cohort.reports[kept, HISTORY:][:, days]
    without, version = _forecast(cohort, kept)
    informed, _ = _forecast(cohort, kept, told)
    loss = [np.nanmean(crps(q[:, days].astype(np.float32), outcome), axis=1) for q in (without, informed)]
    usable = np.isfinite(loss[0])
    plain, better = loss[0][usable], loss[1][usable]
    draws = np.random.default_rng(SEED).integers(0, len(plain), (2_000, len(plain)))
    low, high = np.quantile(better[draws].mean(1) / plain[draws].mean(1), [0.025, 0.975])
    return {
        "model_version": version,
        "persons": len(plain),
        "crps_pct_without": round(100 * float(plain.mean()), 3),
        "ratio": round(float(better.mean() / plain.mean()), 4),
        "ratio_low": round(float(low), 4),
        "ratio_high": round(float(high), 4),
    }


def _monday(cohort: Trajectories) -> NDArray[np.datetime64]:
    return np.datetime64("2024-01-01") + cohort.weekday


def _forecast(
    cohort: Trajectories, kept: NDArray[np.int64], covariates: pl.DataFrame | None = None
) -> tuple[Floats, str]:
    """Ours through the front door, in the order of ``kept``: ``(persons, HORIZON, 21)``."""
    history = cohort.reports[kept, :HISTORY]
    last = np.arange(HISTORY) == HISTORY - 1
    person, day = np.nonzero(np.isfinite(history) | last)
    names = np.array([f"step {step:.4f}" for step in cohort.step[kept]])
    steps = dict(zip(names, cohort.step[kept].tolist(), strict=True))
    forecasts = nm.symptoms.forecast_many(
        pl.DataFrame(
            {
                "patient_id": np.array([f"{i:05d}" for i in kept])[person],
                "symptom": names[person],
                "timestamp": _monday(cohort)[kept][person] + day,
                "value": history[person, day].astype(np.float64),
            }
        ),
        HORIZON,
        scale={name: Scale(0, 1, step or None) for name, step in steps.items()},
        covariates=covariates,
    )
    columns = [f"q{level:g}" for level in forecasts.quantile_levels]
    return forecasts.frame[columns].to_numpy().reshape(len(kept), HORIZON, -1), forecasts.model_version


def explanation() -> dict[str, Any]:
    """How well parts of a record, as weighted by several designs, foretell what the forecast is without them."""
    model = default_service().model
    trees = [member.name for member in model.members].index("boosted trees")
    cohort = simulate(400, DAYS, seed=SEED + 3)
    errors: dict[str, list[Floats]] = {"whole": [], "members": [], "trees": []}
    seconds, weights, left_out = {"whole": 0.0, "members": 0.0}, [], []
    for i, reports in enumerate(cohort.reports):
        values = reports[None, : (14, 28, 56, HISTORY)[i % 4]]
        if np.isfinite(values).sum() < 10:
            continue
        record = Histories.untreated(values, unit_steps(values, cohort.step[i : i + 1]), cohort.weekday[i : i + 1])
        forecast = model.predict(record, 7)
        started = process_time()
        explained = explain(model, forecast.summary, forecast.quantiles[0], np.zeros(7))
        seconds["whole"] += process_time() - started
        every = combinations(forecast.summary)
        records = Histories.untreated(every, np.repeat(record.step, len(every)), np.repeat(record.weekday, len(every)))
        real = model.predict(records, 7).quantiles[:, 6, MEDIAN].astype(np.float64)
        by_member = _week_ahead(model, records)
        # Only these records are forecast by the design that asks each member once without each part.
        count = len(RECORD_PARTS)
        asked = np.append(len(every) - 1 - 2 ** np.arange(count), [len(every) - 1, 0])
        started = process_time()
        _week_ahead(model, records.rows(asked))
        seconds["members"] += process_time() - started
        weight = forecast.weights[0, 6].astype(np.float64)
        whole, without, none = by_member[-1], by_member[asked[:count]], by_member[0]
        first = whole - without  # (parts, members)
        size = np.abs(first).sum(0)
        rest = (whole - none - first.sum(0)) * np.divide(np.abs(first), size, out=np.zeros_like(first), where=size > 0)
        shares = {
            "whole": np.array([shift[6, MEDIAN] for shift in explained.shifts.values()]),
            "members": (first + rest) @ weight,
            "trees": shapley_values(by_member[:, trees]),
        }
        change = real[-1] - real[::-1]  # the same parts left out as are in the combination
        for name, share in shares.items():
            errors[name].append(np.abs(members(count) @ share - change)[1:-1])
        weights.append(weight[trees])
        left_out.append(np.abs(change)[1:-1])
    size = len(weights)
    rows = {"whole": MOST_ROWS // 2, "members": len(RECORD_PARTS) + 2, "trees": 2 ** len(RECORD_PARTS)}
    return {
        "model_version": model.version,
        "persons": size,
        "change_pct": round(100 * float(np.mean(left_out)), 3),
        "weight_of_trees": round(float(np.mean(weights)), 4),
        "rows": [
            {
                "design": name,
                "error_pct": round(100 * float(np.mean(each)), 3),
                "model_rows": rows[name],
                "cpu_ms": None if name not in seconds else round(1000 * seconds[name] / size, 1),
            }
            for name, each in errors.items()
        ],
    }


def _week_ahead(model: SymptomModel, records: Histories) -> Floats:
    """Every member's median a week ahead, ``(records, members)``."""
    quantiles = model.member_quantiles(Origins.present(records), [7])
    return np.stack([each[0][:, 6, MEDIAN] for each in quantiles], 1).astype(np.float64)


SECTIONS = {"oracle": oracle, "covariates": covariates, "explanation": explanation}

if __name__ == "__main__":
    main()
