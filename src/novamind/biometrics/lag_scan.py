"""The scan: how well each signal, earlier or later by some hours, goes with each symptom.

Forwards (the signal leads) the regressor is the signal's smoothed course, seen through a small bank of kernels.
Backwards (the symptom leads) the score test of the cross-covariance says what to correlate: the signal whitened by its
own process, seen through the symptom's own autocovariance. Both are regressors at the times of the reports, so one
generalised least squares serves all; its z-values are exact given the covariance of the reports and the signal.
Evidence is a Bayes factor averaged over lags, widths and directions; how large it gets by chance is found by drawing
reports from the fitted process and scanning them alike.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from novamind.biometrics.domain import Floats
from novamind.biometrics.rhythm import KERNELS, Prepared

#: Prior standard deviations of the standardised effect.
EFFECTS = (0.12, 0.3)
_LAG_SCALE = 24.0
_FORWARD_SHARE = 0.65
MIN_INFORMATION = 1e-6
#: Log Bayes factor from which a signal stays in the model while the others are looked at.
_LEAST_EVIDENCE = 2.0
#: Share of the draws from which the tail of the chance distribution is taken.
_TAIL = 0.15
#: Distances in hours over which a symptom's own inertia is followed when its lead over a signal is looked for.
MEMORY = np.arange(-144, 145, dtype=float)


def regressors(prepared: Prepared, memory: Floats, report_hours: Floats, offset: Floats, max_lag: int) -> Floats:
    """Return the signals at one symptom's reports, at every lag from 0 to ``max_lag`` hours, both ways.

    Parameters
    ----------
    memory
        The symptom's autocovariance at the distances of :data:`MEMORY`.

    Returns
    -------
    ndarray
        ``(reports, signals, kernels + 1, lags)``; the last kernel is the backward one.
    """
    hours, signals = prepared.signals.shape
    lags = np.arange(max_lag + 1)
    columns = np.zeros((len(report_hours), signals, len(KERNELS) + 1, max_lag + 1))
    pad = max_lag + 2
    for b in range(signals):
        backward = _convolved(prepared.processes[b].whitened, memory)
        spread = backward.std()
        backward = backward / spread if spread > 1e-9 else backward * 0
        at = report_hours - offset[b]
        cell = np.floor(at).astype(np.int64)
        share = (at - cell)[:, None, None]
        series = np.pad(np.vstack([prepared.courses[b], backward[None]]), ((0, 0), (pad, pad)))
        sign = np.where(np.arange(len(KERNELS) + 1) == len(KERNELS), 1, -1)
        index = pad + cell[:, None, None] + sign[None, :, None] * lags[None, None, :]
        index = np.clip(index, 0, hours + 2 * pad - 2)
        row = np.arange(len(series))[None, :, None]
        columns[:, b] = series[row, index] * (1 - share) + series[row, index + 1] * share
    return columns


def _convolved(series: Floats, kernel: Floats) -> Floats:
    size = 1 << (len(series) + len(kernel)).bit_length()
    full = np.fft.irfft(np.fft.rfft(series, size) * np.fft.rfft(kernel, size), size)
    half = len(kernel) // 2
    return np.asarray(full[half : half + len(series)])


def log_prior(kernels: int, lags: int) -> Floats:
    """Return the log prior of kernel and lag, ``(kernels + 1, lags)``: near lags are likelier, as published."""
    weight = np.zeros((kernels + 1, lags))
    near = 1 / (np.arange(lags) + _LAG_SCALE)
    weight[:kernels] = _FORWARD_SHARE * near / near.sum() / kernels
    weight[kernels] = (1 - _FORWARD_SHARE) * near / near.sum()
    return np.asarray(np.log(weight))


@dataclass(frozen=True)
class Scan:
    """Profiles of one symptom against every signal.

    Attributes
    ----------
    score, information
        ``(signals, kernels + 1, lags)``: inner product of each regressor with the whitened reports, and its variance
        under no link, so that ``score / information`` is the standardised effect.
    """

    score: Floats
    information: Floats


def _sizes(information: Floats) -> Iterator[tuple[Floats, Floats]]:
    """Yield for each prior size of effects what a squared score counts under it, and its log weight."""
    for size in EFFECTS:
        ratio = size**2 * information
        yield 0.5 * size**2 / (1 + ratio), -0.5 * np.log1p(ratio) - np.log(len(EFFECTS))


def log_bayes_factor(profiles: Scan) -> Floats:
    """Return the log Bayes factor of an effect at each regressor, averaged over the prior sizes of effects."""
    parts = [profiles.score**2 * gain + weight for gain, weight in _sizes(profiles.information)]
    return np.asarray(np.logaddexp.reduce(parts, axis=0))


def evidence(profiles: Scan) -> Floats:
    """Return the log Bayes factor of each pair, averaged over kernels and lags, ``(signals,)``."""
    kernels, lags = profiles.score.shape[-2:]
    each = log_bayes_factor(profiles) + log_prior(kernels - 1, lags)
    top = each.max((-2, -1), keepdims=True)
    return np.asarray(np.log(np.exp(each - top).sum((-2, -1))) + top[..., 0, 0])


def scan(columns: Floats, projected: Floats, outcome: Floats) -> Scan:
    """Return the profiles from the regressors, themselves and projected ``(reports, regressors)``, and the reports."""
    information = np.einsum("ij,ij->j", columns.reshape(len(columns), -1), projected)
    score = projected.T @ outcome
    shape = columns.shape[1:]
    return Scan(score.reshape(shape), np.maximum(information, 0.0).reshape(shape))


def conditioned(profiles: Scan, columns: Floats, projected: Floats, chosen: list[int]) -> Scan:
    """Return the same profiles with the regressors at positions ``chosen`` in the model (Gram-Schmidt)."""
    flat = columns.reshape(len(columns), -1)
    score, information = profiles.score.ravel().copy(), profiles.information.ravel().copy()
    directions: list[Floats] = []
    for j in chosen:
        direction = projected[:, j].copy()
        for earlier in directions:
            direction -= earlier * float(flat[:, j] @ earlier)
        size = float(flat[:, j] @ direction)
        if size < MIN_INFORMATION:
            continue
        direction /= np.sqrt(size)
        directions.append(direction)
        share = direction @ flat
        score -= share * (score[j] / np.sqrt(size))
        information -= share**2
    return Scan(score.reshape(profiles.score.shape), np.maximum(information, 0.0).reshape(profiles.score.shape))


def chance(columns: Floats, profiles: Scan, simulated: Floats) -> Floats:
    """Return the evidence of each signal when reports come from the fitted process alone, ``(draws, signals)``.

    ``simulated`` are such reports, projected and divided by their scale, ``(reports, draws)``.
    """
    draws = simulated.shape[1]
    score = simulated.T @ columns.reshape(len(columns), -1)
    squares = score.reshape(draws, *profiles.score.shape) ** 2
    prior = log_prior(len(KERNELS), profiles.score.shape[-1])
    sizes = [(gain, np.exp(weight + prior)) for gain, weight in _sizes(profiles.information)]
    out = np.empty((draws, profiles.score.shape[0]))
    for i in range(draws):
        # As in evidence at a fraction of its cost; nothing beyond e^600 is told apart.
        out[i] = sum((np.exp(np.minimum(squares[i] * gain, 600)) * weight).sum((-2, -1)) for gain, weight in sizes)
    return np.asarray(np.log(out))


def tail_probability(observed: Floats, by_chance: Floats) -> tuple[Floats, float]:
    """Return p-values of evidence against draws from chance, ``(signals,)``, and the mean excess of their tail.

    Beyond the draws the tail is exponential.

    Parameters
    ----------
    observed
        ``(signals,)``.
    by_chance
        ``(draws, signals)``. The tail's decay is pooled over the signals; where it begins is each signal's own.
    """
    draws = len(by_chance)
    edge = np.quantile(by_chance, 1 - _TAIL, axis=0)
    excess = np.maximum(by_chance - edge, 0)
    decay = max(float(excess.sum() / (excess > 0).sum()), 1e-3)
    rank = (1 + (by_chance >= observed).sum(0)) / (draws + 1)
    beyond = _TAIL * np.exp(-np.maximum(observed - edge, 0) / decay)
    return np.where(observed > edge, beyond, rank), decay


def select_signals(marginal: Scan, columns: Floats, projected: Floats) -> tuple[list[int], dict[int, int]]:
    """Return the signals of a forward selection, strongest first, and each one's strongest regressor by position."""
    selected: list[int] = []
    place: dict[int, int] = {}
    profile = marginal
    size = int(np.prod(marginal.score.shape[1:]))
    prior = log_prior(len(KERNELS), marginal.score.shape[-1])
    while len(selected) < marginal.score.shape[0]:
        left = evidence(profile)
        left[selected] = -np.inf
        b = int(left.argmax())
        if left[b] < _LEAST_EVIDENCE:
            break
        each = log_bayes_factor(Scan(profile.score[b], profile.information[b])) + prior
        selected.append(b)
        place[b] = b * size + int(each.argmax())
        profile = conditioned(marginal, columns, projected, [place[h] for h in selected])
    return selected, place
