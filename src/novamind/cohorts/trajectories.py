"""Simulated symptom diaries that look like real ecological momentary assessment, with the truth kept.

A person's latent severity is a level plus six things that move it: an autoregression (inertia), a slow drift, a
weekly rhythm, episodes, abrupt shifts, and treatment with onset and relapse. What is *reported* is that severity
through an instrument: bounded, in steps, averaged over items and prompts, with floor and ceiling, sticky answers,
elevated first days, and reports that go missing singly, in bursts, by weekday, by schedule or after a change of habit.

Orders of magnitude follow published ecological momentary assessment: inertia of negative affect around 0.1 to 0.4
from day to day (Houben, Van Den Noortgate & Kuppens 2015, Psychol Bull 141:901; Bos, de Jonge & Cox 2019, PLoS ONE
14:e0214083), compliance that falls with the weeks (Wrzus & Neubauer 2023, Assessment 30:825; lower here than in their
75 to 80 %, as clinics are not studies), the initial elevation of self-reports (Shrout et al. 2018, PNAS 115:E15),
antidepressant response over 2 to 6 weeks (Taylor et al. 2006, Arch Gen Psychiatry 63:1217). Persons differ in level
more than within one study, where about half of the variance lies between them (Podsakoff, Spoelma, Chawla & Gabriel
2019, J Appl Psychol 104:727), because each answers an instrument of their own. The ranges are wide on purpose: a model
trained on this cohort must expect anyone.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from novamind.errors import ValidationError

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class CohortSettings:
    """Population from which persons are drawn; see the module's docstring for the sources.

    Probabilities are per person unless they say otherwise; ``_sd`` values are in units of the person's own spread.

    Attributes
    ----------
    spread_median, spread_log_sd
        Log-normal of the within-person standard deviation, as a share of the instrument's range.
    inertia_a, inertia_b
        Beta distribution of the autoregression from day to day.
    noise_a, noise_b, drift_a, drift_b
        Beta distributions of the share of day-to-day noise in the fast variance, and of slow drift in all variance.
    skew_probability, storm_probability
        Persons whose bad days lie further out than their good ones, and whose volatility itself wanders.
    rhythmic_sd
        How much stronger the weekly rhythm of the most rhythmic tenth is: the mean of an exponential. More people live
        by the week here than in real diaries, so that a model sees enough of them.
    weekly_sd, episode_probability, shift_rate, treatment_probability, response_probability, relapse_probability
        Strength or frequency of the things that move the level (``shift_rate`` per 120 days; response and relapse of
        those treated).
    spike_rate, elevation_sd, sticky_probability
        Single extreme days (per day), first-days elevation, and persons who repeat yesterday's answer.
    sparse_probability, sparse_every
        Persons who report on a schedule of every so many days rather than daily.
    compliance_a, compliance_b, burst_probability, habit_probability
        Beta distribution of the reporting rate, persons with gaps in bursts, and with a change of habit.
    tiring_probability, weekend_rest_probability, avoidance_probability
        Persons who report less and less, less at weekends, and less on bad days.
    """

    spread_median: float = 0.13
    spread_log_sd: float = 0.50
    inertia_a: float = 1.3
    inertia_b: float = 2.4
    noise_a: float = 1.5
    noise_b: float = 1.5
    drift_a: float = 1.0
    drift_b: float = 4.0
    skew_probability: float = 0.6
    storm_probability: float = 0.35
    weekly_sd: float = 0.18
    rhythmic_sd: float = 0.6
    episode_probability: float = 0.20
    shift_rate: float = 0.25
    treatment_probability: float = 0.22
    response_probability: float = 0.65
    relapse_probability: float = 0.3
    spike_rate: float = 0.015
    elevation_sd: float = 0.35
    sticky_probability: float = 0.12
    sparse_probability: float = 0.08
    sparse_every: tuple[int, ...] = (2, 3, 7, 7, 14, 28)
    compliance_a: float = 5.0
    compliance_b: float = 1.2
    burst_probability: float = 0.35
    habit_probability: float = 0.15
    tiring_probability: float = 0.3
    weekend_rest_probability: float = 0.15
    avoidance_probability: float = 0.15

    def __post_init__(self) -> None:
        for field, value in vars(self).items():
            numbers = value if isinstance(value, tuple) else (value,)
            shape = field.rpartition("_")[2] in ("a", "b")
            top = 1.0 if field.endswith("_probability") or field == "spike_rate" else np.inf
            if not all(np.isfinite(x) and 0 <= x <= top for x in numbers) or (shape and value <= 0):
                raise ValidationError(f"{field} of a simulated population must be {_allowed(shape, top)}")
        if not self.sparse_every or min(self.sparse_every) < 1:
            raise ValidationError("sparse_every of a simulated population must be whole numbers of 1 or more")


def _allowed(shape: bool, top: float) -> str:
    return "positive" if shape else "between 0 and 1" if top == 1 else "a finite number of 0 or more"


#: A population that differs from the default in every respect that a forecaster could lean on: early stopping,
#: stacking and calibration look at this one, so that nothing rests on the training population being right.
OTHER_POPULATION = CohortSettings(
    spread_median=0.12,
    spread_log_sd=0.57,
    inertia_a=1.6,
    inertia_b=2.2,
    noise_a=1.2,
    noise_b=1.6,
    drift_a=1.2,
    drift_b=4.0,
    weekly_sd=0.14,
    rhythmic_sd=0.2,
    episode_probability=0.13,
    shift_rate=0.17,
    treatment_probability=0.15,
    response_probability=0.55,
    spike_rate=0.01,
    elevation_sd=0.25,
    sticky_probability=0.16,
    compliance_a=3.5,
    compliance_b=1.0,
)

#: Textbook diaries: level + autoregression + noise, always reported. The ablation against which the rest is measured.
PLAIN_AUTOREGRESSION = CohortSettings(
    drift_b=1e6,
    weekly_sd=0.0,
    rhythmic_sd=0.0,
    episode_probability=0.0,
    shift_rate=0.0,
    treatment_probability=0.0,
    spike_rate=0.0,
    elevation_sd=0.0,
    sticky_probability=0.0,
    sparse_probability=0.0,
    compliance_a=1e9,
    burst_probability=0.0,
    habit_probability=0.0,
    tiring_probability=0.0,
    weekend_rest_probability=0.0,
    avoidance_probability=0.0,
    skew_probability=0.0,
    storm_probability=0.0,
)


@dataclass(frozen=True)
class Trajectories:
    """A simulated cohort: what was reported, and the truth behind it.

    Attributes
    ----------
    reports
        ``(persons, days)`` on the unit scale, 0 best and 1 worst; ``NaN`` where nothing was reported.
    step
        ``(persons,)`` distance between possible reports; 0 where the scale is continuous or its steps unknown.
    weekday
        ``(persons,)`` weekday of the first day, Monday 0.
    severity
        ``(persons, days)`` latent severity before the instrument; may leave 0..1, as distress has no ceiling.
    expected
        ``(persons, days)`` severity without the day's own noise: what a perfect observer would expect.
    level, spread, inertia, drift_share, drift_days, noise_share
        ``(persons,)`` the person's parameters.
    treatment_day, shift_day
        ``(persons,)`` day of treatment start, whether it helps or not, and of the last abrupt shift; -1 where there
        was none.
    """

    reports: Floats
    step: Floats
    weekday: NDArray[np.int64]
    severity: Floats
    expected: Floats
    level: Floats
    spread: Floats
    inertia: Floats
    drift_share: Floats
    drift_days: Floats
    noise_share: Floats
    treatment_day: NDArray[np.int64]
    shift_day: NDArray[np.int64]


def simulate(persons: int, days: int = 120, *, seed: int, settings: CohortSettings | None = None) -> Trajectories:
    """Return a simulated cohort; the same seed gives the same cohort.

    Parameters
    ----------
    persons, days
        Size of the cohort; at least 1 person and 7 days.
    seed
        Non-negative.
    settings
        The population; :class:`CohortSettings` by default.

    Raises
    ------
    ValidationError
        If a size or the seed is out of range.
    """
    if persons < 1 or days < 7 or seed < 0:
        raise ValidationError("simulate needs at least 1 person, 7 days and a seed of 0 or more")
    population = settings or CohortSettings()
    rng = np.random.default_rng(seed)
    person = _Person.draw(rng, persons, population)
    moved, treatment_day, shift_day = _level_path(rng, person, days, population)
    fast, predictable = _fluctuation(rng, person, days, population)
    weekday = rng.integers(0, 7, persons)
    weekly = _weekly(rng, weekday, days, population)
    scale = person.spread[:, None]
    expected = person.level[:, None] + scale * (moved + weekly + predictable)
    severity = person.level[:, None] + scale * (moved + weekly + fast)
    answers, step = _answer(rng, severity, person, population)
    answers[~_reported(rng, persons, days, weekday, answers, population)] = np.nan
    return Trajectories(
        reports=answers,
        step=step,
        weekday=weekday,
        severity=severity,
        expected=expected,
        level=person.level,
        spread=person.spread,
        inertia=person.inertia,
        drift_share=person.drift_share,
        drift_days=person.drift_days,
        noise_share=person.noise_share,
        treatment_day=treatment_day,
        shift_day=shift_day,
    )


@dataclass(frozen=True)
class _Person:
    """Parameters that stay with a person, each ``(persons,)``."""

    level: Floats
    spread: Floats
    inertia: Floats
    noise_share: Floats
    drift_share: Floats
    drift_days: Floats
    skew: Floats

    @classmethod
    def draw(cls, rng: np.random.Generator, n: int, p: CohortSettings) -> "_Person":
        # Three kinds of people and items: mostly low with a floor, around the middle, anywhere.
        kind = rng.choice(3, n, p=[0.6, 0.2, 0.2])
        level = np.where(
            kind == 0,
            1.15 * rng.beta(1.1, 4.0, n) - 0.07,
            np.where(kind == 1, rng.beta(6.0, 6.0, n), 1.2 * rng.beta(1.0, 1.0, n) - 0.1),
        )
        spread = p.spread_median * np.exp(p.spread_log_sd * rng.standard_normal(n))
        # Near the ends of a scale people vary less (floor and ceiling are felt before they are reached).
        room = np.clip(np.minimum(level, 1 - level), 0.02, 0.5) / 0.5
        spread = np.clip(spread * room**0.25, 0.01, 0.5)
        return cls(
            level=level.astype(np.float32),
            spread=spread.astype(np.float32),
            inertia=(0.97 * rng.beta(p.inertia_a, p.inertia_b, n)).astype(np.float32),
            noise_share=rng.beta(p.noise_a, p.noise_b, n).astype(np.float32),
            drift_share=rng.beta(p.drift_a, p.drift_b, n).astype(np.float32),
            drift_days=np.exp(rng.uniform(np.log(15), np.log(200), n)).astype(np.float32),
            skew=np.where(rng.random(n) < p.skew_probability, rng.gamma(1.4, 0.5, n), 0.0).astype(np.float32),
        )


def _autoregress(rng: np.random.Generator, coefficient: Floats, shocks: Floats) -> Floats:
    """Return a stationary first-order autoregression of unit variance, row by row, in place of ``shocks``."""
    gain = np.sqrt(1 - coefficient**2).astype(np.float32)
    state: Floats = rng.standard_normal(len(coefficient), dtype=np.float32)
    for day in range(shocks.shape[1]):
        state = coefficient * state + gain * shocks[:, day]
        shocks[:, day] = state
    return shocks


def _skewed(rng: np.random.Generator, skew: Floats, days: int) -> Floats:
    """Return shocks of mean 0 and variance 1 whose bad days are further out than the good ones."""
    normal = rng.standard_normal((len(skew), days), dtype=np.float32)
    # exp(s z) centred and scaled: log-normal shape, the normal as its limit at s -> 0.
    s = np.clip(skew, 1e-3, 0.9)[:, None]
    return ((np.exp(s * normal - s**2 / 2) - 1) / np.sqrt(np.expm1(s**2))).astype(np.float32)


def _fluctuation(rng: np.random.Generator, person: _Person, days: int, p: CohortSettings) -> tuple[Floats, Floats]:
    """Return inertia + drift + noise of variance about 1, and the part of it that is not the day's own noise."""
    n = len(person.level)
    drift = _autoregress(rng, np.exp(-1 / person.drift_days), rng.standard_normal((n, days), dtype=np.float32))
    inert = _autoregress(rng, person.inertia, _skewed(rng, person.skew, days))
    noise = _skewed(rng, person.skew, days)
    # Volatility itself wanders for some people: quiet weeks and stormy ones.
    stormy = np.where(rng.random(n) < p.storm_probability, rng.uniform(0.2, 0.7, n), 0.0).astype(np.float32)
    storm = _autoregress(
        rng,
        np.exp(-1 / rng.uniform(5, 40, n)).astype(np.float32),
        rng.standard_normal((n, days), dtype=np.float32),
    )
    volatility = np.exp(stormy[:, None] * storm - stormy[:, None] ** 2)
    fast_share = 1 - person.drift_share
    predictable = np.sqrt(person.drift_share)[:, None] * drift
    predictable = predictable + np.sqrt(fast_share * (1 - person.noise_share))[:, None] * volatility * inert
    own_noise = np.sqrt(fast_share * person.noise_share)[:, None] * volatility * noise
    spikes = rng.random((n, days), dtype=np.float32) < p.spike_rate
    own_noise[spikes] += rng.normal(1.5, 2.0, int(spikes.sum())).astype(np.float32)
    return predictable + own_noise, predictable


def _weekly(rng: np.random.Generator, weekday: NDArray[np.int64], days: int, p: CohortSettings) -> Floats:
    """Return each person's weekly rhythm: a weekend contrast, any pattern, or for few what moves them most."""
    n = len(weekday)
    pattern = rng.standard_normal((n, 7)) * 0.5
    pattern[:, 5:] += rng.normal(0, 1.5, (n, 1))
    drawn = rng.exponential(1.0, n)
    # What lies beyond the ninth tenth of an exponential is an exponential again.
    strength = p.weekly_sd * drawn + p.rhythmic_sd * np.maximum(drawn - np.log(10), 0)
    pattern = (pattern - pattern.mean(1, keepdims=True)) * strength[:, None]
    column = (weekday[:, None] + np.arange(days)) % 7
    return np.take_along_axis(pattern, column, axis=1).astype(np.float32)


def _level_path(
    rng: np.random.Generator, person: _Person, days: int, p: CohortSettings
) -> tuple[Floats, NDArray[np.int64], NDArray[np.int64]]:
    """Return what moves the level, in units of the person's spread: shifts, episodes, treatment and relapse.

    Most of these are as large as the person's usual variation suggests; a quarter are drawn on the instrument's own
    scale, because somebody who has been still for a month can fall ill all the same.
    """
    n = len(person.level)
    still = rng.random((4, n)) < 0.25
    day = np.arange(days)[None, :]
    path = np.zeros((n, days), dtype=np.float32)
    shift_day = np.full(n, -1)
    for drawn in range(2):
        happens = rng.random(n) < p.shift_rate * days / 240
        when = rng.integers(1, days, n)
        size = np.where(still[drawn], rng.normal(0, 0.2, n) / person.spread, rng.normal(0, 1.3, n))
        path += np.where(happens[:, None] & (day >= when[:, None]), size[:, None], 0).astype(np.float32)
        shift_day = np.where(happens, np.maximum(shift_day, when), shift_day)

    # Episodes alternate with wellness; both last geometrically long, onset and remission take some days.
    episodic = rng.random(n) < p.episode_probability
    enter, leave = 1 / rng.uniform(20, 120, n), 1 / rng.uniform(5, 45, n)
    height = np.where(still[2], rng.normal(0.25, 0.15, n) / person.spread, rng.normal(1.6, 0.8, n))
    follow = 1 / rng.uniform(1, 8, n)
    inside = rng.random(n) < enter / (enter + leave)
    felt = np.where(inside, height, 0.0)
    draws = rng.random((n, days), dtype=np.float32)
    for t in range(days):
        inside = np.where(inside, draws[:, t] >= leave, draws[:, t] < enter)
        felt = felt + follow * (inside * height - felt)
        path[:, t] += np.where(episodic, felt, 0).astype(np.float32)

    # Treatment: an exponential approach to a lower level, for some lost again in a relapse.
    treated = rng.random(n) < p.treatment_probability
    start = rng.integers(0, days, n)
    relief = rng.uniform(0, 0.9, n) * np.maximum(person.level, 0)
    gain = np.where(still[3], relief / person.spread, np.clip(rng.normal(1.4, 1.0, n), -0.3, None))
    gain *= rng.random(n) < p.response_probability
    tau = rng.uniform(7, 28, n)
    since = np.maximum(day - start[:, None], 0)
    effect = gain[:, None] * (1 - np.exp(-since / tau[:, None]))
    relapses = rng.random(n) < p.relapse_probability
    relapse = start + rng.integers(21, 120, n)
    back = np.maximum(day - relapse[:, None], 0)
    effect *= np.where(relapses[:, None], np.exp(-back / rng.uniform(4, 20, n)[:, None]), 1)
    path -= np.where(treated[:, None], effect, 0).astype(np.float32)
    return path, np.where(treated, start, -1), shift_day


def _answer(rng: np.random.Generator, severity: Floats, person: _Person, p: CohortSettings) -> tuple[Floats, Floats]:
    """Return severity as an instrument reports it: averaged items in steps, elevated first days, sticky answers."""
    n, days = severity.shape
    elevation: Floats = (rng.normal(0.25, 1.0, (n,)) * p.elevation_sd).astype(np.float32) * person.spread
    fade = rng.uniform(1.5, 6, (n,))
    seen = severity + (elevation[:, None] * np.exp(-np.arange(days) / fade[:, None])).astype(np.float32)

    categories = rng.choice([1, 2, 3, 4, 5, 6, 10, 20, 100], n, p=[0.01, 0.03, 0.2, 0.2, 0.06, 0.15, 0.1, 0.05, 0.2])
    items = rng.choice([1, 2, 3, 4, 5, 6, 9], n, p=[0.42, 0.1, 0.14, 0.12, 0.06, 0.06, 0.1])
    order = np.argsort(items, kind="stable")
    total = np.zeros_like(seen)
    disagreement = (rng.uniform(0.0, 1.2, n) * person.spread).astype(np.float32)
    for item in range(int(items.max())):
        rows = order[np.searchsorted(items[order], item, side="right") :]  # persons with more than `item` items
        # The first item carries no offset of its own: a single item *is* the symptom.
        offset = rng.normal(0, 0.12 if item else 0.0, (len(rows), 1)).astype(np.float32)
        private = rng.standard_normal((len(rows), days), dtype=np.float32) * disagreement[rows, None]
        private *= (items[rows] > 1)[:, None]
        steps = categories[rows, None].astype(np.float32)
        total[rows] += np.round(np.clip(seen[rows] + offset + private, 0, 1) * steps) / steps
    answers = total / items[:, None]
    answers = _sticky(rng, answers, p)

    step = (1.0 / (items * categories)).astype(np.float32)
    # Of composites and fine scales the user often does not say the step, or the day's reports were averaged.
    unknown = (categories > 10) | ((items > 1) & (rng.random(n) < 0.6))
    return answers, np.where(unknown, 0, step).astype(np.float32)


def _sticky(rng: np.random.Generator, answers: Floats, p: CohortSettings) -> Floats:
    """Return answers of which some repeat yesterday's, as some people do."""
    n, days = answers.shape
    habit = np.where(rng.random(n) < p.sticky_probability, rng.beta(1.5, 2.0, n), 0.0)
    repeats = rng.random((n, days), dtype=np.float32) < habit[:, None]
    for t in range(1, days):
        answers[:, t] = np.where(repeats[:, t], answers[:, t - 1], answers[:, t])
    return answers


def _reported(
    rng: np.random.Generator,
    n: int,
    days: int,
    weekday: NDArray[np.int64],
    answers: Floats,
    p: CohortSettings,
) -> NDArray[np.bool_]:
    """Return which days were reported at all."""
    day = np.arange(days)[None, :]
    rate = rng.beta(p.compliance_a, p.compliance_b, n)[:, None] * np.ones((1, days))
    habit = rng.random(n) < p.habit_probability
    when = rng.integers(7, max(days, 8), n)
    rate = np.where(habit[:, None] & (day >= when[:, None]), rate * rng.uniform(0.2, 1.0, n)[:, None], rate)
    tires = np.where(rng.random(n) < p.tiring_probability, rng.uniform(0, 0.5, n), 0.0)
    rate = rate * (1 - tires[:, None] * day / days)
    rests = np.where(rng.random(n) < p.weekend_rest_probability, rng.uniform(0.2, 0.9, n), 0.0)
    weekend = (weekday[:, None] + day) % 7 >= 5
    rate = rate * np.where(weekend, 1 - rests[:, None], 1)
    # For some, bad days are the ones that go unreported.
    avoids = np.where(rng.random(n) < p.avoidance_probability, rng.uniform(0, 0.8, n), 0.0)
    rate = rate * (1 - avoids[:, None] * answers)
    reported = rng.random((n, days), dtype=np.float32) < rate

    bursts = rng.random(n) < p.burst_probability
    stop, resume = 1 / rng.uniform(10, 80, n), 1 / rng.uniform(1.5, 12, n)
    away = np.zeros(n, dtype=bool)
    draws = rng.random((n, days), dtype=np.float32)
    for t in range(days):
        away = np.where(away, draws[:, t] >= resume, draws[:, t] < stop)
        reported[:, t] &= ~(away & bursts)

    sparse = rng.random(n) < p.sparse_probability
    every = rng.choice(p.sparse_every, n)
    # Each appointment is kept a day early, on its day, or a day late.
    since = day + rng.integers(0, 28, n)[:, None]
    late = rng.integers(-1, 2, (n, days + 29)) * (every > 3)[:, None]
    appointment = (since + 1) // every[:, None]
    due = since - np.take_along_axis(late, appointment, axis=1) == appointment * every[:, None]
    return np.where(sparse[:, None], due & (rng.random((n, days)) < 0.9), reported)
