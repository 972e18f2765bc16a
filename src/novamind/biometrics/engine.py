"""Analyse one person: prepare, fit, scan, condition, and compare with chance."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from novamind.biometrics import lag_scan
from novamind.biometrics.domain import Floats, Integers, PersonSeries, Reliability
from novamind.biometrics.lag_scan import Scan
from novamind.biometrics.ornstein_uhlenbeck import Regression, fit_regression
from novamind.biometrics.rhythm import Prepared, hourly_groups, normal_scores, prepare

#: Reports with an answer, and different answers, below which a symptom is not analysed.
MIN_REPORTS, MIN_ANSWERS = 15, 2
#: Reports other than the commonest answer below which no link of a symptom is confirmed: a few rare answers may come
#: together with anything (ten events a covariate: Peduzzi et al. 1996, J Clin Epidemiol 49:1373).
MIN_OTHER_ANSWERS = 10
#: Hours with a value of their own, and different values, below which a signal is not analysed.
MIN_HOURS, MIN_VALUES = 24, 5
DRAWS = 200
#: Mean excess of evidence in the tail of chance up to which reports count in full. A Bayes factor's must be below 1
#: (Markov's inequality); ordinary simulated records of 30 to 180 days have 0.15 to 0.45.
_FULL_EXCESS = 0.5


@dataclass(frozen=True)
class SymptomProfile:
    """The engine's results for one symptom.

    Attributes
    ----------
    symptom
        Its index in the person's series.
    marginal, conditional
        Profiles of every signal alone, and of every signal given the other signals that speak for themselves.
    evidence, conditional_evidence
        ``(signals,)`` log Bayes factors.
    p_value
        ``(signals,)``: how often chance alone gives such evidence.
    tempering
        Power to which the likelihood is raised, 1 where chance goes no further than it does with normal reports. Rare
        answers beside a signal worn for some days only make it smaller: they count as the few events that they are.
    selected
        Signals that stay in the model while the others are looked at, strongest first.
    shared
        ``(signals, signals)``: by how much the column's signal in the model lowers the row's evidence.
    reports, other_answers
        Number of answers, and of those that are not the commonest.
    """

    symptom: int
    regression: Regression
    marginal: Scan
    conditional: Scan
    evidence: Floats
    conditional_evidence: Floats
    p_value: Floats
    tempering: float
    selected: tuple[int, ...]
    shared: Floats
    reports: int
    other_answers: int


@dataclass(frozen=True)
class PersonProfile:
    """The engine's answer for one person.

    ``groups`` are the columns of each confounder by the hour, under the name that people read; ``skipped`` says why a
    signal or symptom was left out; ``unconfirmable`` why no link of a symptom may be confirmed though it was scanned.
    """

    person: PersonSeries
    prepared: Prepared
    groups: Mapping[str, Floats]
    signals: Integers
    symptoms: tuple[SymptomProfile, ...]
    skipped: dict[str, str]
    unconfirmable: dict[str, str]
    max_lag: int
    reliability: Reliability


def usable_signals(person: PersonSeries) -> tuple[Integers, dict[str, str]]:
    """Return the signals that can be analysed, and why the others cannot."""
    skipped, kept = {}, []
    for b, name in enumerate(person.signals):
        values = person.hourly[person.measured[:, b] & np.isfinite(person.hourly[:, b]), b]
        if len(values) < MIN_HOURS:
            skipped[name] = f"fewer than {MIN_HOURS} hours with a value of their own"
        elif len(np.unique(values[: 10 * MIN_HOURS])) < MIN_VALUES and len(np.unique(values)) < MIN_VALUES:
            skipped[name] = f"fewer than {MIN_VALUES} different values"
        else:
            kept.append(b)
    return np.array(kept, np.int64), skipped


def analyse(person: PersonSeries, max_lag: int = 168, seed: int = 0, draws: int = DRAWS) -> PersonProfile:
    """Return the scan of every usable signal against every usable symptom of one person.

    Parameters
    ----------
    max_lag
        Hours, both ways.
    seed
        Of the draws that show how far chance goes.
    draws
        Number of them for each symptom, 1 or more.
    """
    signals, skipped = usable_signals(person)
    prepared = prepare(person, signals)
    groups = hourly_groups(person, prepared)
    rng = np.random.default_rng(seed)
    profiles = []
    for s, name in enumerate(person.symptoms):
        scores = normal_scores(person.reports[:, s])
        answered = np.isfinite(scores)
        if answered.sum() < max(MIN_REPORTS, prepared.design.shape[1] + 5):
            skipped[name] = "too few reports to separate it from time of day, week and confounders"
        elif len(np.unique(person.reports[answered, s])) < MIN_ANSWERS:
            skipped[name] = "every answer is the same"
        elif len(signals):
            profiles.append(_symptom(person, prepared, signals, s, scores, max_lag, draws, rng))
    rare = {
        person.symptoms[profile.symptom]: f"fewer than {MIN_OTHER_ANSWERS} answers differ from the commonest one"
        for profile in profiles
        if profile.other_answers < MIN_OTHER_ANSWERS
    }
    span = float(np.ptp(person.report_hours)) / 24 if len(person.report_hours) else 0.0
    coverage = np.isfinite(person.hourly[:, signals]).mean(0)
    reliable = reliability(span, len(person.report_hours), coverage)
    return PersonProfile(person, prepared, groups, signals, tuple(profiles), skipped, rare, max_lag, reliable)


def reliability(days: float, reports: int, coverage: Floats) -> Reliability:
    """Return how far links of a record of this size can be relied on.

    The bounds are those at which the measured power changes; see docs/biometrics.md.

    Parameters
    ----------
    coverage
        ``(signals,)`` share of the hours with a value.
    """
    seen = float(np.median(coverage)) if len(coverage) else 0.0
    reasons = [f"{days:.0f} days", f"{reports} reports", f"signals measured {100 * seen:.0f} % of the time"]
    if days < 28 or reports < 40 or seen < 0.4:
        return Reliability("low", (*reasons, "too little to find any but large effects"))
    if days < 90 or reports < 200 or seen < 0.7:
        return Reliability("medium", (*reasons, "small effects stay unseen"))
    return Reliability("high", tuple(reasons))


def _symptom(
    person: PersonSeries,
    prepared: Prepared,
    signals: Integers,
    symptom: int,
    scores: Floats,
    max_lag: int,
    draws: int,
    rng: np.random.Generator,
) -> SymptomProfile:
    answered = np.isfinite(scores)
    times = person.report_hours[answered]
    regression = fit_regression(times, scores[answered], prepared.design[answered])
    simulated = regression.simulated(times, draws, rng)
    memory = regression.inertia.covariance(lag_scan.MEMORY)
    columns = lag_scan.regressors(prepared, memory, times, person.offset[signals], max_lag)
    projected = regression.project(columns.reshape(len(columns), -1)) / regression.scale**2
    marginal = lag_scan.scan(columns, projected, regression.outcome)
    by_chance = lag_scan.chance(columns, marginal, simulated)
    p_value, excess = lag_scan.tail_probability(lag_scan.evidence(marginal), by_chance)
    tempering = min(1.0, _FULL_EXCESS / excess)
    marginal, projected = Scan(tempering * marginal.score, tempering * marginal.information), tempering * projected
    evidence = lag_scan.evidence(marginal)
    selected, place = lag_scan.select_signals(marginal, columns, projected)
    conditional_score, conditional_information = marginal.score.copy(), marginal.information.copy()
    shared = np.zeros((len(signals), len(signals)))
    for b in range(len(signals)):
        others = [place[h] for h in selected if h != b]
        if not others:
            continue
        beside_others = lag_scan.conditioned(marginal, columns, projected, others)
        conditional_score[b], conditional_information[b] = beside_others.score[b], beside_others.information[b]
        for h in selected:
            if h != b:
                alone = lag_scan.conditioned(marginal, columns, projected, [place[h]])
                shared[b, h] = evidence[b] - lag_scan.evidence(alone)[b]
    conditional = Scan(conditional_score, conditional_information)
    return SymptomProfile(
        symptom=symptom,
        regression=regression,
        marginal=marginal,
        conditional=conditional,
        evidence=evidence,
        conditional_evidence=lag_scan.evidence(conditional),
        p_value=p_value,
        tempering=tempering,
        selected=tuple(selected),
        shared=shared,
        reports=int(answered.sum()),
        other_answers=int(answered.sum() - np.unique(scores[answered], return_counts=True)[1].max()),
    )
