"""Worlds in which no signal goes with any symptom, but both sides have much in common.

Drawn without any part of the package's own simulator. Two symptoms and five signals a person.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter

from novamind.biometrics.domain import PersonSeries

Floats = NDArray[np.float64]
SIGNALS = ("hrv", "heart_rate", "steps", "skin_temp", "resp_rate")
DIRECTION = np.array([-1, 1, -1, 1, 1])
WORLDS = ("noise", "inertia", "weekday", "illness", "illness logged", "medication", "random walks", "clock")


def world(name: str, index: int, days: int | None = None) -> PersonSeries:
    """One person of a world; 60 to 180 days where not given."""
    rng = np.random.default_rng([20_264, WORLDS.index(name), index])
    days = int(rng.integers(60, 181)) if days is None else days
    hours, n = 24 * days, len(SIGNALS) + 2
    hour = np.arange(hours)
    if name == "noise":
        level = rng.standard_normal((hours, n))
    elif name == "random walks":
        level = np.cumsum(rng.standard_normal((hours, n)), axis=0)
        level = level / level.std(0) + 0.3 * rng.standard_normal((hours, n))
    else:
        level = np.column_stack([_inertia(rng, hours, rng.uniform(2, 40)) for _ in range(n)])
    confounders: dict[str, Floats] = {}
    loading = rng.uniform(0.5, 1.2, n) * rng.choice([-1, 1], n)
    if name == "weekday":
        level += loading * ((hour // 24) % 7 >= 5)[:, None]
    elif name.startswith("illness"):
        ill = np.zeros(hours)
        for start in rng.uniform(0, hours, max(days // 50, 1)):
            since = hour - start
            ill = np.maximum(ill, np.clip(since / 12, 0, 1) * np.clip((rng.uniform(60, 150) - since) / 24, 0, 1))
        level += np.abs(loading) * np.append(DIRECTION, [1, 1]) * 1.3 * ill[:, None]
        if name == "illness logged":
            confounders["illness"] = (ill > 0.3).astype(float)
    elif name == "medication":
        confounders["medication"] = np.clip((hour - rng.uniform(0.2, 0.8) * hours) / 168, 0, 1)
        level += loading * confounders["medication"][:, None]
    elif name == "clock":
        late = np.interp(hour, np.arange(days + 1) * 24, rng.normal(0, 1.0, days + 1))
        level += loading * np.cos(2 * np.pi * (hour[:, None] - late[:, None] - rng.uniform(0, 24, n)) / 24)
    hourly = level[:, : len(SIGNALS)].copy()
    hourly[rng.random(hourly.shape) < 0.08] = np.nan
    for _ in range(days // 10):
        gap = int(rng.integers(0, hours))
        hourly[gap : gap + int(rng.integers(3, 40))] = np.nan
    at = np.sort((24 * np.arange(days)[:, None] + rng.uniform(8, 22, (days, 3))).ravel())
    at = at[rng.random(len(at)) < 0.75]
    said = level[at.astype(int), len(SIGNALS) :] + 0.7 * rng.standard_normal((len(at), 2))
    spread = said.std(0)
    return PersonSeries(
        signals=SIGNALS,
        symptoms=("mood", "fatigue"),
        start=np.datetime64("2024-01-01T00", "h"),
        hourly=hourly,
        offset=np.zeros(len(SIGNALS)),
        report_hours=at,
        reports=np.clip(np.round(3 + 1.5 * (said - said.mean(0)) / spread), 0, 6),
        measured=np.isfinite(hourly),
        confounders=confounders,
    )


def _inertia(rng: np.random.Generator, n: int, tau: float) -> Floats:
    phi = np.exp(-1 / tau)
    fresh = rng.standard_normal(n)
    fresh[0] /= np.sqrt(1 - phi**2)
    return np.asarray(lfilter([np.sqrt(1 - phi**2)], [1, -phi], fresh))
