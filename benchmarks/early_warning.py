"""How well alarms keep their stated rate, and how far warnings come before the symptom.

Everything is simulated here, apart from the package's own simulators: six hourly signals of a person (Gaussian,
heavy-tailed, skewed with zeros like steps, rounded), each with a fast and a slow Ornstein-Uhlenbeck part, a clock, a
weekend, a spread that changes over the day, and gaps of hours and days.

    python benchmarks/early_warning.py --persons 200

Writes ``results/early_warning.json``:

- ``null``: alarms a person and quarter while nothing happens, all six signals watched, at the default rate of one.
- ``shift``: one signal moves by some SD for a week (or for good) in the middle; how often it is told within that
  week, and how late.
- ``change_points``: a lasting shift of daily levels; how often it is found, how well its interval covers, and how
  often a change is found where there is none.
- ``warnings``: a symptom that follows a signal (known lag and effect, estimated with error); how long before, how
  often the symptom really moves, against the same windows at random hours; and the same for a link that is not there.
"""

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter

from novamind.biometrics.anomalies import QUARTER_DAYS, change_points, detect_anomalies
from novamind.biometrics.baselines import personal_baseline
from novamind.biometrics.domain import Link
from novamind.biometrics.early_warning import early_warnings
from tables import fill, markdown

RESULTS = Path(__file__).resolve().parent / "results" / "early_warning.json"
PAGE = RESULTS.parents[2] / "docs" / "wearables.md"
DAYS, SIGNALS = 180, 6
BURN_IN_DAYS = 24
Floats = NDArray[np.float64]


def wave(rng: np.random.Generator, hours: int, constant: float, heavy: bool = False) -> Floats:
    """A stationary Ornstein-Uhlenbeck process of variance 1."""
    keep = np.exp(-1 / constant)
    burn = int(5 * constant)
    push = rng.standard_t(5, hours + burn) / np.sqrt(5 / 3) if heavy else rng.standard_normal(hours + burn)
    return lfilter([np.sqrt(1 - keep**2)], [1.0, -keep], push)[burn:]


def latent(rng: np.random.Generator, hours: int, heavy: bool) -> Floats:
    slow = rng.uniform(0.05, 0.4)
    return np.sqrt(slow) * wave(rng, hours, rng.uniform(60, 240)) + np.sqrt(1 - slow) * wave(
        rng, hours, rng.uniform(1, 8), heavy
    )


def worn(rng: np.random.Generator, moving: Floats, kind: int) -> Floats:
    """A signal as the device shows it, with clock, weekend and gaps."""
    hour = np.arange(len(moving))
    signal = rng.uniform(0.5, 1.5) * np.cos(2 * np.pi * (hour % 24 - rng.uniform(0, 24)) / 24)
    signal += rng.uniform(0, 0.5) * (hour // 24 % 7 >= 5)
    signal += (1 + 0.5 * np.cos(2 * np.pi * (hour % 24 - 14) / 24)) * moving
    if kind == 2:
        signal = np.maximum(0, np.exp(0.8 * signal) - 1)
    if kind == 3:
        signal = np.round(3 * signal) / 3
    signal = signal * rng.uniform(1, 20) + 60
    off = rng.random(len(moving)) < rng.uniform(0, 0.3)
    for count, length in ((DAYS / 10, 10), (1, 72)):
        for start in rng.integers(len(moving), size=rng.poisson(count)):
            off[start : start + int(rng.exponential(length)) + 1] = True
    return np.where(off, np.nan, signal)


def deviations(signals: list[Floats]) -> Floats:
    return np.stack([personal_baseline(signal).deviation for signal in signals])


def null(persons: int) -> dict[str, object]:
    alarms, by_kind = [], np.zeros(4)
    started = time.process_time()
    for index in range(persons):
        rng = np.random.default_rng([1, index])
        kinds = rng.integers(4, size=SIGNALS)
        signals = [worn(rng, latent(rng, DAYS * 24, kind == 1), kind) for kind in kinds]
        found = detect_anomalies(deviations(signals), seed=index)
        alarms.append(sum(map(len, found)))
        for kind, its in zip(kinds, found, strict=True):
            by_kind[kind] += len(its) / persons
    quarters = (DAYS - BURN_IN_DAYS) / QUARTER_DAYS
    rate = np.array(alarms) / quarters
    error = rate.std() / np.sqrt(persons)
    return {
        "persons": persons,
        "person_quarters": persons * quarters,
        "stated_per_quarter": 1.0,
        "alarms_per_quarter": rate.mean(),
        "low": rate.mean() - 1.96 * error,
        "high": rate.mean() + 1.96 * error,
        "persons_without_alarm": float(np.mean(rate == 0)),
        "share_by_kind": (by_kind / by_kind.sum()).tolist(),
        "cpu_seconds_a_person": (time.process_time() - started) / persons,
    }


def shifts(persons: int) -> list[dict[str, float]]:
    rows = []
    for size in (0.5, 1.0, 1.5, 2.0, 3.0):
        delays, told = [], 0
        for index in range(persons):
            rng = np.random.default_rng([2, index])
            kind = int(rng.integers(4))
            moving = latent(rng, DAYS * 24, kind == 1)
            start = 24 * 110 + int(rng.integers(24))
            moving[start : start + 7 * 24] += size * rng.choice([-1, 1])
            others = [worn(rng, latent(rng, DAYS * 24, False), 0)]
            found = detect_anomalies(
                np.repeat(deviations([worn(rng, moving, kind), *others]), [1, 5], axis=0), seed=index
            )
            late = [one.alarm_hour - start for one in found[0] if 0 <= one.alarm_hour - start <= 7 * 24]
            told += bool(late)
            delays += late[:1]
        rows.append(
            {
                "shift_sd": size,
                "found_within_a_week": told / persons,
                "median_delay_hours": float(np.median(delays)) if delays else None,
            }
        )
    return rows


def steps_of_level(persons: int) -> list[dict[str, float]]:
    rows = []
    for size in (0.0, 1.0, 2.0, 3.0):
        found_near, covered, more = 0, 0, 0
        for index in range(persons):
            rng = np.random.default_rng([3, index])
            keep = rng.uniform(0.0, 0.6)
            days = wave(rng, DAYS, -1 / np.log(max(keep, 1e-3)))
            at = int(rng.integers(40, DAYS - 40))
            days[at:] += size
            days[rng.random(DAYS) < 0.15] = np.nan
            points = change_points(days)
            near = [point for point in points if abs(point.day - at) <= 14]
            found_near += bool(near)
            covered += bool(near) and near[0].day_low <= at <= near[0].day_high
            more += len(points) - len(near[:1])
        rows.append(
            {
                "shift_sd": size,
                "found_within_14_days": found_near / persons,
                "interval_covers": covered / found_near if size and found_near else None,
                "other_changes_a_record": more / persons if size else (more + found_near) / persons,
            }
        )
    return rows


def warnings(persons: int, real: bool) -> list[dict[str, float]]:
    rows = []
    for effect in (0.2, 0.35, 0.5):
        hits, base, leads, count, quarters = [], [], [], 0, 0.0
        for index in range(persons):
            rng = np.random.default_rng([4, index])
            hours = DAYS * 24
            kind = int(rng.integers(4))
            moving = latent(rng, hours, kind == 1)
            lag = int(rng.integers(12, 73))
            width = int(rng.integers(1, 13))
            driver = np.convolve(moving, np.ones(width) / width)[:hours]
            driver = np.concatenate([np.zeros(lag), driver[:-lag]]) / driver.std()
            other = latent(rng, hours, False)
            symptom = (effect * driver if real else 0) + np.sqrt(1 - effect**2 * real) * other
            asked = np.sort(rng.choice(hours, size=DAYS * 3, replace=False))
            asked = asked[(asked % 24 >= 8) & (rng.random(len(asked)) < 0.8)]
            answer = np.round(3 * (symptom[asked] + 0.4 * rng.standard_normal(len(asked))))
            answer = (answer - answer.mean()) / answer.std()
            error = 2 + abs(rng.normal(0, 2))
            guess = lag + width / 2 + rng.normal(0, error / 1.645)
            sign = effect * rng.normal(1, 0.15)
            ends = sorted((0.6 * sign, 1.4 * sign))
            link = Link(
                patient_id=None, signal="signal", symptom="symptom", detected=True, score=3.0, p_value=0.001,
                q_value=0.01, lag_hours=guess, lag_low=guess - error, lag_high=guess + error,
                sign=1 if sign > 0 else -1, effect=sign, effect_low=ends[0], effect_high=ends[1], explained_by=None,
                n_effective=150, pearson=sign, spearman=sign,
            )  # fmt: skip
            deviation = personal_baseline(worn(rng, moving, kind)).deviation
            quarters += (DAYS - 42) / QUARTER_DAYS
            for warning in early_warnings({"signal": deviation}, [link]):
                count += 1
                ends = warning.hour + warning.horizon_low - 6, warning.hour + warning.horizon_high + 6
                inside = answer[(asked >= ends[0]) & (asked <= ends[1])]
                if len(inside):
                    hits.append(float(warning.direction * inside.mean() >= 0.5))
                    leads.append(warning.horizon_hours)
                for moment in rng.integers(42 * 24, hours, size=5):
                    inside = answer[(asked >= moment) & (asked <= moment + ends[1] - ends[0])]
                    if len(inside):
                        base.append(float(warning.direction * inside.mean() >= 0.5))
        rows.append(
            {
                "effect_sd": effect,
                "warnings_per_quarter": count / quarters,
                "precision": float(np.mean(hits)),
                "base_rate": float(np.mean(base)),
                "false_warnings_per_quarter": count / quarters * (1 - float(np.mean(hits))),
                "median_lead_hours": float(np.median(leads)),
            }
        )
    return rows


def tables(results: dict[str, Any]) -> dict[str, str]:
    null, told = results["null"], results["warnings"]
    of_stated = null["alarms_per_quarter"] / null["stated_per_quarter"]
    return {
        "false-alarms": markdown(
            ("", "alarms a person and quarter"),
            [
                ("stated", f"at most {null['stated_per_quarter']:.0f}"),
                (f"measured on {null['persons']} persons", f"{null['alarms_per_quarter']:.2f}"),
                ("95 % interval", f"{null['low']:.2f} to {null['high']:.2f}"),
                (
                    "signals like steps alone, against a quarter of the stated rate",
                    f"{4 * null['share_by_kind'][2] * of_stated:.2f} times",
                ),
                ("persons without any in five months", f"{100 * null['persons_without_alarm']:.0f} %"),
            ],
        ),
        "shifts": markdown(
            ("a week's shift", "told within the week", "median delay"),
            [
                (
                    f"{one['shift_sd']:g} SD",
                    f"{100 * one['found_within_a_week']:.0f} %",
                    "-" if one["median_delay_hours"] is None else f"{one['median_delay_hours']:.0f} h",
                )
                for one in results["shift"]
            ],
        ),
        "change-points": markdown(
            ("lasting shift", "found within 14 days", "90 % interval covers", "other changes a record"),
            [
                (
                    f"{one['shift_sd']:g} SD",
                    f"{100 * one['found_within_14_days']:.0f} %" if one["shift_sd"] else "-",
                    "-" if one["interval_covers"] is None else f"{100 * one['interval_covers']:.0f} %",
                    f"{one['other_changes_a_record']:.2f}",
                )
                for one in results["change_points"]
            ],
        ),
        "warnings": markdown(
            ("effect", "warnings a quarter", "followed", "any window", "not followed, a quarter", "median lead"),
            [
                (
                    f"{one['effect_sd']:g} SD{'' if there else ', link not there'}",
                    f"{one['warnings_per_quarter']:.1f}",
                    f"{100 * one['precision']:.0f} %",
                    f"{100 * one['base_rate']:.0f} %",
                    f"{one['false_warnings_per_quarter']:.1f}",
                    f"{one['median_lead_hours']:.0f} h",
                )
                for there, rows in ((True, told["real"]), (False, told["not_there"][:1]))
                for one in rows
            ],
        ),
    }


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--persons", type=int, default=200)
    persons = options.parse_args().persons
    results = {
        "warnings": {"real": warnings(persons, real=True), "not_there": warnings(persons, real=False)},
        "change_points": steps_of_level(5 * persons),
        "null": null(persons),
        "shift": shifts(persons // 2),
    }
    RESULTS.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    fill(PAGE, tables(results))
    print(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
