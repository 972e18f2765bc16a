"""Simulated wearable signals coupled to symptom reports, with the truth of every pair kept.

A person has some signals by the hour, reports on a few symptoms at their own irregular times, and a random acyclic
graph of lagged effects between them, in either direction. Around it stand the things that make signals and symptoms
look linked when they are not: the clock and how it shifts from day to day and on free days, the week, illness,
medication, slow drift and unmeasured common causes. All ranges are wide on purpose, and so are the families: a method
trained here must expect anyone. Time runs in hours; hour 0 is a local midnight.

Orders of magnitude: diurnal shares and social jetlag as in Roenneberg et al. 2012 (Curr Biol 22:939), effects of at
most a small to moderate correlation as in ecological momentary assessment (Houben et al. 2015, Psychol Bull 141:901),
vital signs in infection as in Radin et al. 2020 (Lancet Digit Health 2:e85), compliance as in Wrzus & Neubauer 2023
(Assessment 30:825).
"""

from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter

from novamind.errors import ValidationError

Floats = NDArray[np.float64]
Kind = Literal["direct", "mediated", "common", "external", "null"]

#: Names a signal may have: direction in infection, range of the share of its variance that the clock explains.
SIGNALS: dict[str, tuple[int, float, float]] = {
    "hrv": (-1, 0.1, 0.5),
    "heart_rate": (1, 0.15, 0.6),
    "steps": (-1, 0.15, 0.6),
    "sleep": (1, 0.3, 0.65),
    "skin_temp": (1, 0.2, 0.6),
    "resp_rate": (1, 0.1, 0.5),
    "skin_conductance": (0, 0.1, 0.5),
    "screen_time": (0, 0.2, 0.5),
}
_BURN = 24 * 20
_MAX_LAG = 168


@dataclass(frozen=True)
class WearableSettings:
    """Population from which persons are drawn; ranges are (low, high), probabilities per person.

    Attributes
    ----------
    days, reports_per_day, symptoms, signals
        Ranges; days log-uniform.
    effect
        Range of a direct effect: correlation of the lagged driver with the latent outcome.
    links
        Ranges of the number of effects from signals to symptoms, and of symptoms on signals.
    linked_probability
        Persons who have any link between a signal and a symptom.
    report_noise
        Range of the share of a report's variance that is noise.
    levels
        Numbers of answers an item may have.
    weekday_probability, medication_probability, common_cause_probability, jitter_probability
        Persons in whom these move signals and symptoms together.
    illness_every_days
        Range of the mean distance of illnesses.
    own_family
        Families of the variables' own dynamics.
    """

    days: tuple[float, float] = (28, 200)
    reports_per_day: tuple[int, int] = (1, 6)
    symptoms: tuple[int, int] = (2, 5)
    signals: tuple[int, int] = (4, 8)
    effect: tuple[float, float] = (0.1, 0.65)
    links: tuple[tuple[int, int], tuple[int, int]] = ((1, 6), (0, 3))
    linked_probability: float = 0.8
    report_noise: tuple[float, float] = (0.15, 0.6)
    levels: tuple[int, ...] = (4, 5, 5, 7, 7, 11, 21, 101)
    weekday_probability: float = 0.6
    medication_probability: float = 0.35
    common_cause_probability: float = 0.25
    jitter_probability: float = 0.6
    illness_every_days: tuple[float, float] = (30, 200)
    own_family: tuple[str, ...] = ("inertia", "inertia", "inertia", "shots", "swinging")


#: A population that differs in every respect a detector could lean on; validation looks at this one.
OTHER_WEARABLES = WearableSettings(
    days=(40, 150),
    reports_per_day=(1, 5),
    effect=(0.15, 0.55),
    links=((1, 4), (0, 2)),
    linked_probability=0.7,
    report_noise=(0.25, 0.5),
    levels=(5, 7, 10, 100),
    weekday_probability=0.7,
    medication_probability=0.25,
    common_cause_probability=0.35,
    jitter_probability=0.5,
    illness_every_days=(40, 120),
    own_family=("inertia", "shots", "swinging"),
)

#: Dense reports on sliders over months, no unmeasured causes: the best data a clinic can hope for.
DENSE_WEARABLES = WearableSettings(
    days=(90, 180), reports_per_day=(4, 8), effect=(0.25, 0.6), report_noise=(0.08, 0.2), levels=(21, 51, 101),
    common_cause_probability=0.0,
)  # fmt: skip


@dataclass(frozen=True)
class Pair:
    """The truth of one signal and one symptom.

    ``lag_hours`` is the centroid of the impulse response, + where the signal leads; ``effect`` the signed correlation
    of the lagged driver with the latent outcome; both are 0 unless ``kind`` is ``direct``.
    """

    signal: int
    symptom: int
    kind: Kind
    lag_hours: float = 0.0
    effect: float = 0.0


@dataclass(frozen=True)
class WearablePatient:
    """One simulated person.

    Attributes
    ----------
    hourly
        ``(hours, signals)``, ``NaN`` where nothing was measured.
    report_hours, reports
        ``(reports,)`` rising, and ``(reports, symptoms)`` with ``NaN`` where an item was skipped.
    weekday
        Weekday of hour 0, Monday 0.
    medication, illness
        ``(hours,)``; all 0 without a change, ``None`` where no log was kept.
    pairs
        Truth of every pair.
    """

    signals: tuple[str, ...]
    symptoms: tuple[str, ...]
    hourly: Floats
    report_hours: Floats
    reports: Floats
    weekday: int
    medication: Floats
    illness: Floats | None
    pairs: tuple[Pair, ...] = field(repr=False)


@dataclass(frozen=True)
class _Edge:
    source: int
    target: int
    lag: float
    response: Floats
    effect: float


def simulate_wearables(
    persons: int, seed: int = 0, settings: WearableSettings | None = None, first: int = 0
) -> list[WearablePatient]:
    """Return simulated persons; person ``i`` is the same whatever their number.

    Raises
    ------
    ValidationError
        For fewer than one person.
    """
    if persons < 1:
        raise ValidationError("persons must be 1 or more")
    chosen = settings or WearableSettings()
    return [_person(np.random.default_rng([seed, first + i]), chosen) for i in range(persons)]


def without_links(settings: WearableSettings) -> WearableSettings:
    """Return the same population with nothing but confounders between signals and symptoms."""
    return replace(settings, linked_probability=0.0, common_cause_probability=0.0)


def _person(rng: np.random.Generator, settings: WearableSettings) -> WearablePatient:
    days = round(float(np.exp(rng.uniform(*np.log(settings.days)))))
    n_signals = int(rng.integers(settings.signals[0], settings.signals[1] + 1))
    n_symptoms = int(rng.integers(settings.symptoms[0], settings.symptoms[1] + 1))
    names = tuple(rng.permutation(list(SIGNALS))[:n_signals].tolist())
    hours, n = 24 * days, n_signals + n_symptoms
    time = np.arange(-_BURN, hours, dtype=float)
    weekday = int(rng.integers(7))
    edges, reach = _graph(rng, settings, n_signals, n)

    own = np.column_stack([_own(rng, len(time), v < n_signals, settings.own_family) for v in range(n)])
    hidden = np.zeros(n)
    if rng.random() < settings.common_cause_probability:
        hidden = (rng.random(n) < 0.4) * rng.uniform(0.2, 0.6, n) * rng.choice([-1, 1], n)
        shared = _inertia(rng, len(time), [rng.uniform(4, 60)])
        own = own * np.sqrt(1 - hidden**2) + _delayed(shared, int(rng.integers(0, 4)))[:, None] * hidden
    state = _propagated(own, edges, reach)
    moved, loads, medication, illness = _confounders(rng, settings, time, weekday, names, n)
    daily, phase_load = _rhythms(rng, settings, time, weekday, names, n)
    level = (state + moved + daily)[_BURN:]

    hourly = _measured(rng, level[:, :n_signals], names)
    at, reports = _reported(rng, settings, level[:, n_signals:], days, hours)
    pairs = _truth(edges, reach, hidden, {**loads, "phase": phase_load}, n_signals, n_symptoms)
    return WearablePatient(
        signals=names,
        symptoms=tuple(f"symptom_{s + 1}" for s in range(n_symptoms)),
        hourly=hourly,
        report_hours=at,
        reports=reports,
        weekday=weekday,
        medication=medication[_BURN:],
        illness=(illness[_BURN:] > 0.3).astype(float) if rng.random() < 0.5 else None,
        pairs=pairs,
    )


def _inertia(rng: np.random.Generator, n: int, taus: list[float]) -> Floats:
    out = np.zeros(n)
    share = rng.dirichlet(np.ones(len(taus)))
    for tau, part in zip(taus, share, strict=True):
        phi = np.exp(-1 / tau)
        fresh = rng.standard_normal(n) if rng.random() < 0.7 else rng.standard_t(5, n) / np.sqrt(5 / 3)
        fresh[0] /= np.sqrt(1 - phi**2)
        out += np.sqrt(part) * lfilter([np.sqrt(1 - phi**2)], [1, -phi], fresh)
    return out


def _own(rng: np.random.Generator, n: int, signal: bool, families: tuple[str, ...]) -> Floats:
    """Return what a variable does by itself, with unit variance."""
    family = str(rng.choice(list(families)))
    fast = np.exp(rng.uniform(*np.log((0.6, 12) if signal else (2, 20))))
    slow = np.exp(rng.uniform(*np.log((24, 350))))
    if family == "shots":  # sudden events that wear off
        hits = (rng.random(n) < rng.uniform(0.02, 0.2)) * rng.standard_normal(n)
        x = lfilter([1], [1, -np.exp(-1 / rng.uniform(2, 16))], hits) + 0.4 * _inertia(rng, n, [slow]) * hits.std()
    elif family == "swinging":  # a damped oscillation of some hours to days
        period, damping = np.exp(rng.uniform(*np.log((10, 150)))), rng.uniform(0.5, 2.0)
        r = np.exp(-1 / (damping * period))
        x = lfilter([1], [1, -2 * r * np.cos(2 * np.pi / period), r**2], rng.standard_normal(n))
        x = x / x.std() + 0.6 * _inertia(rng, n, [fast])
    else:
        x = _inertia(rng, n, [fast, slow]) if rng.random() < 0.85 else _inertia(rng, n, [fast])
    return np.asarray((x - x.mean()) / x.std())


def _response(rng: np.random.Generator, lag: float) -> tuple[float, Floats]:
    """Return true centroid and weights from hour 0 of an impulse response whose centroid is close to ``lag``."""
    kind = rng.choice(["bump", "window", "decay", "point"])
    u = np.arange(0, _MAX_LAG + 60, dtype=float)
    if kind == "bump":
        w = np.exp(-0.5 * ((u - lag) / rng.uniform(0.7, 7)) ** 2)
    elif kind == "window":
        w = (np.abs(u - lag) <= rng.uniform(1, 9)).astype(float)
    elif kind == "decay":
        decay = rng.uniform(1, 10)
        w = np.where(u >= max(round(lag - decay), 0), np.exp(-(u - max(round(lag - decay), 0)) / decay), 0)
    else:
        w = (u == round(lag)).astype(float)
    w /= w.sum()
    return float((u * w).sum()), w


def _graph(
    rng: np.random.Generator, settings: WearableSettings, n_signals: int, n: int
) -> tuple[list[_Edge], NDArray[np.bool_]]:
    reach = np.eye(n, dtype=bool)
    joined = np.zeros((n, n), bool)
    load = np.zeros(n)
    edges: list[_Edge] = []

    def add(source: int, target: int, lag: float, effect: float) -> None:
        if source == target or joined[source, target] or reach[target, source] or load[target] + effect**2 > 0.7:
            return
        joined[source, target] = joined[target, source] = True
        load[target] += effect**2
        centroid, response = _response(rng, lag)
        edges.append(_Edge(source, target, centroid, response, float(effect * rng.choice([-1, 1]))))
        reach[:] |= reach[:, [source]] & reach[[target], :]

    def some_lag(longest: float) -> float:
        return (
            float(min(rng.exponential(longest / 3), longest)) if rng.random() < 0.6 else float(rng.uniform(0, longest))
        )

    if rng.random() < settings.linked_probability:
        for _ in range(int(rng.integers(settings.links[0][0], settings.links[0][1] + 1))):
            add(
                int(rng.integers(n_signals)),
                int(rng.integers(n_signals, n)),
                some_lag(_MAX_LAG),
                rng.uniform(*settings.effect),
            )
        for _ in range(int(rng.integers(settings.links[1][0], settings.links[1][1] + 1))):
            add(
                int(rng.integers(n_signals, n)),
                int(rng.integers(n_signals)),
                max(some_lag(60), 1.0),
                rng.uniform(*settings.effect),
            )
    for _ in range(int(rng.integers(0, 4))):
        add(int(rng.integers(n_signals)), int(rng.integers(n_signals)), some_lag(12), rng.uniform(0.15, 0.55))
    for _ in range(int(rng.integers(0, 3))):
        add(int(rng.integers(n_signals, n)), int(rng.integers(n_signals, n)), some_lag(36), rng.uniform(0.15, 0.55))
    return edges, reach


def _delayed(x: Floats, hours: int) -> Floats:
    return np.concatenate([np.zeros(hours), x[: len(x) - hours]])


def _propagated(own: Floats, edges: list[_Edge], reach: NDArray[np.bool_]) -> Floats:
    state = np.zeros_like(own)
    for v in np.argsort(reach.sum(0), kind="stable"):
        incoming = [e for e in edges if e.target == v]
        state[:, v] = own[:, v] * np.sqrt(1 - sum(e.effect**2 for e in incoming))
        for e in incoming:
            driven = np.convolve(state[:, e.source], e.response)[: len(own)]
            state[:, v] += e.effect * driven / driven[_BURN:].std()
    return state


def _confounders(
    rng: np.random.Generator, settings: WearableSettings, time: Floats, weekday: int, names: tuple[str, ...], n: int
) -> tuple[Floats, dict[str, Floats], Floats, Floats]:
    """Return what week, illness, medication and drift add, who is moved by which, and the courses of the last two."""
    length = int(time[-1]) + 1
    day = np.floor_divide(time, 24).astype(int)
    moved = np.zeros((len(time), n))
    loads = {kind: np.zeros(n) for kind in ("week", "illness", "medication")}
    if rng.random() < settings.weekday_probability:
        week = (np.arange(7) >= 5).astype(float) if rng.random() < 0.6 else rng.standard_normal(7) / 2
        loads["week"] = (rng.random(n) < 0.5) * rng.uniform(0.2, 0.9, n) * rng.choice([-1, 1], n)
        moved += week[(day + weekday) % 7][:, None] * loads["week"]
    illness = np.zeros(len(time))
    for _ in range(min(rng.poisson(length / 24 / rng.uniform(*settings.illness_every_days)), 5)):
        begin, rise, fall = rng.uniform(0, length), rng.uniform(6, 36), rng.uniform(18, 80)
        since = np.maximum(time - begin, 0)
        course = (1 - np.exp(-since / rise)) * np.exp(-np.maximum(since - 2 * rise, 0) / fall) * (time > begin)
        illness = np.maximum(illness, course * rng.uniform(0.6, 1.3))
    if illness.any():
        direction = np.array([*(SIGNALS[name][0] for name in names), *np.ones(n - len(names))])
        loads["illness"] = direction * rng.uniform(0.2, 1.6, n) * (rng.random(n) < 0.85)
        moved += illness[:, None] * loads["illness"]
    medication = np.zeros(len(time))
    if rng.random() < settings.medication_probability:
        begin, onset = rng.uniform(0.15, 0.85) * length, np.exp(rng.uniform(*np.log((12, 300))))
        medication = np.clip((time - begin) / onset, 0, 1)
        loads["medication"] = (rng.random(n) < 0.6) * rng.uniform(0.2, 1.1, n) * rng.choice([-1, 1], n)
        moved += medication[:, None] * loads["medication"]
    for v in range(n):
        moved[:, v] += rng.uniform(0, 0.4) * _inertia(rng, len(time), [rng.uniform(300, 1500)])
    return moved, loads, medication, illness


def _rhythms(
    rng: np.random.Generator, settings: WearableSettings, time: Floats, weekday: int, names: tuple[str, ...], n: int
) -> tuple[Floats, Floats]:
    """Return the clock's part of every variable, shifted together from day to day and on free days."""
    noons = np.arange(int(time[0]) // 24 - 1, int(time[-1]) // 24 + 2)
    late = np.zeros(len(noons))
    size = 0.0
    if rng.random() < settings.jitter_probability:
        size = rng.uniform(0.3, 2.0)
        late = size * lfilter([1], [1, -rng.uniform(0, 0.6)], rng.standard_normal(len(noons)))
        late += rng.uniform(0, 1.5) * ((noons + weekday) % 7 >= 5)
    shift = np.interp(time, noons * 24 + 12, late)
    daily, load = np.zeros((len(time), n)), np.zeros(n)
    for v in range(n):
        low, high = SIGNALS[names[v]][1:] if v < len(names) else (0.01, 0.15)
        share = rng.uniform(low, high)
        angle = 2 * np.pi * (time - rng.uniform(0, 24) - shift) / 24
        shape = np.exp(rng.uniform(0.3, 2.0) * np.cos(angle)) + rng.uniform(0, 0.4) * np.cos(
            2 * angle + rng.uniform(0, 6)
        )
        amplitude = np.sqrt(share / (1 - share))
        daily[:, v] = amplitude * (shape - shape.mean()) / shape.std()
        load[v] = amplitude * size / 4
    return daily, load


def _measured(rng: np.random.Generator, level: Floats, names: tuple[str, ...]) -> Floats:
    hours, n = level.shape
    z = level + rng.standard_normal(level.shape) * rng.uniform(0.1, 0.6, n)
    wild = rng.random(level.shape) < rng.uniform(0, 0.01)
    z = np.where(wild, z + 3 * rng.standard_t(2, level.shape), z)
    out = np.empty_like(z)
    for b, name in enumerate(names):
        if name in ("steps", "screen_time"):
            out[:, b] = np.floor(np.maximum(np.exp(5 + rng.uniform(0.8, 1.6) * np.minimum(z[:, b], 4)) - 40, 0))
        elif name == "sleep":
            out[:, b] = np.round(60 / (1 + np.exp(-(2 * z[:, b] - rng.uniform(0.5, 1.5)))))
        elif name in ("hrv", "skin_conductance"):
            out[:, b] = np.exp(3.5 + 0.3 * np.minimum(z[:, b], 8))
        else:
            out[:, b] = 60 + rng.uniform(2, 10) * z[:, b]
    lost = rng.random(level.shape) < rng.uniform(0, 0.12, n)
    t = 0.0
    mean_gap = np.exp(rng.uniform(*np.log((4, 60)))) * 24
    while (t := t + rng.exponential(mean_gap)) < hours:
        lost[int(t) : int(t + np.exp(rng.normal(2.2, 1.0))) + 1] = True
    if rng.random() < 0.3:  # measured at night only
        which = int(rng.integers(n))
        lost[:, which] |= np.arange(hours) % 24 >= 8
    out[lost] = np.nan
    return out


def _reported(
    rng: np.random.Generator, settings: WearableSettings, level: Floats, days: int, hours: int
) -> tuple[Floats, Floats]:
    per_day = int(rng.integers(settings.reports_per_day[0], settings.reports_per_day[1] + 1))
    wake, bed = rng.uniform(6, 10), rng.uniform(20, 23.5)
    if rng.random() < 0.5:
        clock = np.linspace(wake, bed, per_day + 2)[1:-1] + rng.normal(0, 0.5, (days, per_day))
    else:
        clock = np.sort(rng.uniform(wake, bed, (days, per_day)), axis=1)
    at = np.sort((24 * np.arange(days)[:, None] + clock).ravel())
    at = at[(at >= 0) & (at < hours - 1)]
    cell = at.astype(int)
    share = (at - cell)[:, None]
    felt = level[cell] * (1 - share) + level[cell + 1] * share
    distress = (felt.mean(1) - felt.mean()) / felt.mean(1).std()
    chance = 1 / (1 + np.exp(-(rng.uniform(0.4, 3.2) - rng.choice([0, 0, 0.5, 1.0]) * distress)))
    kept = rng.random(len(at)) < chance
    for _ in range(rng.poisson(days / 60)):
        begin = rng.uniform(0, hours)
        kept &= ~((at >= begin) & (at < begin + rng.uniform(24, 160)))
    if kept.sum() < 20:
        kept[:] = True
    noise = rng.uniform(*settings.report_noise, felt.shape[1])
    answers = felt + rng.standard_normal(felt.shape) * np.sqrt(noise / (1 - noise))
    levels = int(rng.choice(settings.levels))
    reports = np.empty_like(answers)
    for s in range(answers.shape[1]):
        spread = answers[:, s].std()
        cuts = answers[:, s].mean() + spread * (
            rng.uniform(-0.5, 1.7) + np.linspace(-1, 1, levels - 1) * rng.uniform(1.4, 3)
        )
        reports[:, s] = np.searchsorted(cuts, answers[:, s])
    reports[rng.random(reports.shape) < 0.03] = np.nan
    return at[kept], reports[kept]


def _truth(
    edges: list[_Edge],
    reach: NDArray[np.bool_],
    hidden: Floats,
    loads: dict[str, Floats],
    n_signals: int,
    n_symptoms: int,
) -> tuple[Pair, ...]:
    pairs = []
    touched = reach.T.astype(float) @ np.abs(hidden) > 0  # by the unmeasured cause, itself or through others
    for b in range(n_signals):
        for s in range(n_symptoms):
            v = n_signals + s
            edge = next((e for e in edges if {e.source, e.target} == {b, v}), None)
            if edge is not None:
                lag = edge.lag if edge.source == b else -edge.lag
                pairs.append(Pair(b, s, "direct", lag, edge.effect))
                continue
            kind: Kind = "null"
            if reach[b, v] or reach[v, b]:
                kind = "mediated"
            elif (reach[:, b] & reach[:, v]).any() or (touched[b] and touched[v]):
                kind = "common"
            elif any(abs(load[b]) > 0.15 and abs(load[v]) > 0.15 for load in loads.values()):
                kind = "external"
            pairs.append(Pair(b, s, kind))
    return tuple(pairs)
