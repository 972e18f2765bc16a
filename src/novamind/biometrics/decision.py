"""One decision a pair: false discoveries, lag, sign and effect out of profile and odds."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import expit, ndtri

from novamind.biometrics import lag_scan
from novamind.biometrics.domain import INTERVAL, Floats, LagProfile, Link, PairInputs, PersonSeries, Reliability
from novamind.biometrics.engine import PersonProfile, SymptomProfile, analyse
from novamind.biometrics.features import lag_posterior, pair_inputs, signed, z_values
from novamind.biometrics.lag_scan import Scan
from novamind.biometrics.rhythm import KERNELS
from novamind.biometrics.spurious_links import explanation, plain_correlations

_HALF_WIDTH = float(ndtri(0.5 + INTERVAL / 2))
#: Chance alone must not give such evidence more often than this, whatever the detector says.
_CHANCE_LEVEL = 0.05
#: Below this a p-value would say more of the exponential tail than of the draws.
_LEAST_P = 1e-6


@dataclass(frozen=True)
class Candidates:
    """One person's pairs before the decision, as a worker sends them back: small enough for many thousands.

    Attributes
    ----------
    series
        What all of it rests on.
    inputs
        What the detector sees of the pairs; ``None`` where no symptom could be analysed.
    figures, explained
        Of each pair: fields of a :class:`~novamind.biometrics.domain.Link`, and what an apparent link comes from.
    profiles
        By signal and symptom.
    skipped, unconfirmable, reliability
        As in :class:`~novamind.biometrics.engine.PersonProfile`.
    """

    patient_id: str | None
    series: PersonSeries
    inputs: PairInputs | None
    figures: list[dict[str, Any]]
    explained: list[str | None]
    profiles: dict[tuple[str, str], LagProfile]
    skipped: dict[str, str]
    unconfirmable: dict[str, str]
    reliability: Reliability
    seed: int


def analysed_pairs(patient_id: str | None, person: PersonSeries, max_lag: int, seed: int) -> Candidates:
    """Analyse one person and return their pairs; see :func:`~novamind.biometrics.engine.analyse`."""
    analysis = analyse(person, max_lag, seed)
    inputs = pair_inputs(analysis) if analysis.symptoms else None
    return candidates(patient_id, analysis, inputs, seed)


def candidates(patient_id: str | None, analysis: PersonProfile, inputs: PairInputs | None, seed: int) -> Candidates:
    """Return the pairs of an analysis that was made with ``seed``; ``inputs`` is what the detector sees of them."""
    person = analysis.person
    figures: list[dict[str, Any]] = []
    explained: list[str | None] = []
    profiles: dict[tuple[str, str], LagProfile] = {}
    for symptom in analysis.symptoms:
        name = person.symptoms[symptom.symptom]
        posterior = _from_samples(analysis, symptom, lag_posterior(symptom.conditional))
        z = strongest(symptom.conditional)
        figures += _figures(analysis, symptom, posterior)
        for i, b in enumerate(analysis.signals):
            explained.append(explanation(analysis, symptom, i))
            profiles[person.signals[b], name] = LagProfile(z[i].astype(np.float32), posterior[i].astype(np.float32))
    return Candidates(
        patient_id,
        person,
        inputs,
        figures,
        explained,
        profiles,
        analysis.skipped,
        analysis.unconfirmable,
        analysis.reliability,
        seed,
    )


def _from_samples(analysis: PersonProfile, symptom: SymptomProfile, posterior: Floats) -> Floats:
    """Return the posterior of the lags from the samples themselves, where a value holds until the next one.

    A value of a night or a day is the same at many lags of the scan. What acted lies anywhere in the time that the
    value stands for, which is taken to be one usual distance between samples around its own time.
    """
    person, out = analysis.person, posterior.copy()
    longest = posterior.shape[-1] // 2
    lags = np.arange(-longest, longest + 1)
    times = person.report_hours[np.isfinite(person.reports[:, symptom.symptom])]
    cells = np.floor(times[:, None] - lags).astype(np.int64)
    for i, b in enumerate(analysis.signals):
        own = person.measured[:, b]
        with_value = np.isfinite(person.hourly[:, b])
        if not (with_value & ~own).any():
            continue
        sample = np.maximum.accumulate(np.where(own, np.arange(len(own)), -1))
        inside = (cells >= 0) & (cells < len(own))
        inside[inside] = with_value[cells[inside]]
        distance = np.where(inside, times[:, None] - sample[np.where(inside, cells, 0)], lags)
        weight = posterior[i] * inside / np.maximum(inside.sum(0), 1) + posterior[i] * ~inside.any(0) / len(times)
        usual = float(np.median(np.diff(np.flatnonzero(own))))
        out[i] = _spread(distance, weight, usual, longest)
    return out


def _spread(distance: Floats, weight: Floats, width: float, longest: int) -> Floats:
    """Return weights by whole signed hours, each spread evenly over ``width`` hours around its distance."""
    place = np.clip(np.round(distance).astype(np.int64), -longest, longest) + longest
    mass = np.bincount(place.ravel(), weight.ravel(), 2 * longest + 1)
    reach = int(width // 2)
    wide = np.convolve(np.pad(mass, reach), np.ones(2 * reach + 1), "same")[reach : reach + len(mass)]
    return np.asarray(wide / wide.sum())


def _figures(analysis: PersonProfile, symptom: SymptomProfile, posterior: Floats) -> Iterator[dict[str, Any]]:
    """Yield what is known of each pair of one symptom before the decision."""
    person = analysis.person
    middle, low, high = lag_interval(posterior)
    effect, effect_low, effect_high, information = effects(symptom.conditional)
    for i, b in enumerate(analysis.signals):
        pearson, spearman = plain_correlations(person, symptom.symptom, int(b), float(middle[i]))
        yield {
            "signal": person.signals[b],
            "symptom": person.symptoms[symptom.symptom],
            "p_value": max(float(symptom.p_value[i]), _LEAST_P),
            "lag_hours": float(middle[i]),
            "lag_low": float(low[i]),
            "lag_high": float(high[i]),
            "sign": 1 if effect[i] >= 0 else -1,
            "effect": float(effect[i]),
            "effect_low": float(effect_low[i]),
            "effect_high": float(effect_high[i]),
            "n_effective": float(min(information[i] * symptom.regression.scale**2, symptom.reports)),
            "pearson": pearson,
            "spearman": spearman,
        }


def decided_links(pairs: Candidates, log_odds: Floats, fdr: float, min_effect: float) -> Iterator[Link]:
    """Yield each pair's link with the decision, from its log odds ``(pairs,)``.

    A link is detected at a q-value of at most ``fdr``, where chance alone is unlikely, the interval of the effect does
    not hold 0 and the effect is at least ``min_effect``.
    """
    q = q_values(log_odds)
    for k, figures in enumerate(pairs.figures):
        detected = bool(
            figures["symptom"] not in pairs.unconfirmable
            and q[k] <= fdr
            and figures["p_value"] <= _CHANCE_LEVEL
            and figures["effect_low"] * figures["effect_high"] > 0
            and abs(figures["effect"]) >= min_effect
        )
        yield Link(
            patient_id=pairs.patient_id,
            detected=detected,
            score=float(log_odds[k]),
            q_value=float(q[k]),
            explained_by=None if detected else pairs.explained[k],
            **figures,
        )


def q_values(log_odds: Floats) -> Floats:
    """Return each pair's q-value, ``(pairs,)``: the mean probability of no link among this pair and all surer ones.

    Bayesian false discovery rate:
    Efron et al. 2001 (J Am Stat Assoc 96:1151), Storey 2003 (Ann Stat 31:2013). Unlike step-up procedures on
    p-values, this keeps its rate over many persons of whom each has few pairs, and needs no independence of pairs.
    """
    order = np.argsort(-log_odds, kind="stable")
    none = expit(-log_odds[order])
    q = np.empty(len(log_odds))
    q[order] = np.cumsum(none) / np.arange(1, len(none) + 1)
    return q


def lag_interval(posterior: Floats) -> tuple[Floats, Floats, Floats]:
    """Return median and ends of the central 90 % of the signed lag, each ``(signals,)``, in hours."""
    longest = posterior.shape[-1] // 2
    below = np.cumsum(posterior, axis=-1)
    levels = (0.5, (1 - INTERVAL) / 2, 1 - (1 - INTERVAL) / 2)
    middle, low, high = ((below < level).sum(-1).clip(0, 2 * longest) - longest for level in levels)
    return middle.astype(float), low.astype(float), high.astype(float)


def effects(profile: Scan) -> tuple[Floats, Floats, Floats, Floats]:
    """Return mean and 90 % interval of the standardised effect, and its information, each ``(signals,)``.

    Averaged over what lag and kernel may be; the interval holds the spread between them too.
    """
    each = lag_scan.log_bayes_factor(profile) + lag_scan.log_prior(len(KERNELS), profile.score.shape[-1])
    weight = np.exp(each - each.max((-2, -1), keepdims=True))
    weight /= weight.sum((-2, -1), keepdims=True)
    prior = 1 / max(lag_scan.EFFECTS) ** 2
    mean = profile.score / (profile.information + prior)
    variance = 1 / (profile.information + prior)
    # Which way an effect goes is decided by the heavier side, so that unsure lags do not cancel each other.
    average = (weight * mean).sum((-2, -1))
    spread = np.sqrt((weight * (variance + mean**2)).sum((-2, -1)) - average**2)
    information = (weight * profile.information).sum((-2, -1))
    return average, average - _HALF_WIDTH * spread, average + _HALF_WIDTH * spread, information


def strongest(profile: Scan) -> Floats:
    """Return the kernels' z-value furthest from 0 at each signed lag, ``(signals, 2 * lags - 1)``."""
    z = signed(profile, z_values(profile))
    return np.asarray(np.take_along_axis(z, np.abs(z).argmax(-2, keepdims=True), axis=-2)[..., 0, :])
