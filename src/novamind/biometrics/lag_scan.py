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
from scipy.ndimage import gaussian_filter1d
from scipy.stats import rankdata

from novamind.biometrics.domain import Floats
from novamind.biometrics.ornstein_uhlenbeck import Regression, draw
from novamind.biometrics.rhythm import Prepared

#: Standard deviations, in hours, of the kernels through which a signal may act.
KERNELS = (0.0, 2.5, 6.0)
#: Prior standard deviations of the standardised effect.
EFFECTS = (0.12, 0.3)
_LAG_SCALE = 24.0
_FORWARD_SHARE = 0.65
_MIN_INFORMATION = 1e-6
#: Hours beyond which a symptom's own inertia is not followed when its lead over a signal is looked for.
_MEMORY = 144


def smoothed_signals(prepared: Prepared) -> Floats:
    """Return each signal's course through each kernel, ``(signals, kernels, hours)``, with unit variance.

    Gaps are filled as the signal's process expects.
    """
    hours, signals = prepared.signals.shape
    out = np.zeros((signals, len(KERNELS), hours))
    for b in range(signals):
        course = prepared.whitening[b].state(np.nan_to_num(prepared.signals[:, [b]]))[:, 0]
        for k, width in enumerate(KERNELS):
            series = gaussian_filter1d(course, width, mode="constant") if width else course
            spread = series.std()
            out[b, k] = (series - series.mean()) / spread if spread > 1e-6 else 0.0
    return out


def regressors(
    prepared: Prepared, smoothed: Floats, regression: Regression, report_hours: Floats, offset: Floats, max_lag: int
) -> Floats:
    """Return the signals at one symptom's reports, at every lag from 0 to ``max_lag`` hours, both ways.

    Returns
    -------
    ndarray
        ``(reports, signals, kernels + 1, lags)``; the last kernel is the backward one.
    """
    hours, signals = prepared.signals.shape
    reach = np.arange(-_MEMORY, _MEMORY + 1, dtype=float)
    own = regression.inertia.covariance(reach)
    lags = np.arange(max_lag + 1)
    columns = np.zeros((len(report_hours), signals, len(KERNELS) + 1, max_lag + 1))
    pad = max_lag + 2
    for b in range(signals):
        fresh = prepared.whitening[b](np.nan_to_num(prepared.signals[:, [b]]))[:, 0]
        backward = _convolved(fresh, own)
        spread = backward.std()
        backward = backward / spread if spread > 1e-9 else backward * 0
        at = report_hours - offset[b]
        cell = np.floor(at).astype(np.int64)
        share = (at - cell)[:, None, None]
        series = np.pad(np.vstack([smoothed[b], backward[None]]), ((0, 0), (pad, pad)))
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

    @property
    def z(self) -> Floats:
        """Score in standard errors; 0 where there is no information."""
        informative = self.information > _MIN_INFORMATION
        return np.where(informative, self.score / np.sqrt(np.where(informative, self.information, 1.0)), 0.0)


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


def scan(regression: Regression, columns: Floats) -> tuple[Scan, Floats]:
    """Return the profiles, and the projected regressors ``W X`` ``(reports, regressors)`` for conditional scans."""
    flat = columns.reshape(len(columns), -1)
    projected = regression.project(flat) / regression.scale**2
    information = np.einsum("ij,ij->j", flat, projected)
    score = projected.T @ regression.outcome
    shape = columns.shape[1:]
    return Scan(score.reshape(shape), np.maximum(information, 0.0).reshape(shape)), projected


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
        if size < _MIN_INFORMATION:
            continue
        direction /= np.sqrt(size)
        directions.append(direction)
        share = direction @ flat
        score -= share * (score[j] / np.sqrt(size))
        information -= share**2
    return Scan(score.reshape(profiles.score.shape), np.maximum(information, 0.0).reshape(profiles.score.shape))


def chance(
    regression: Regression, columns: Floats, profiles: Scan, times: Floats, draws: int, rng: np.random.Generator
) -> Floats:
    """Return the evidence of each signal when reports come from the fitted process alone, ``(draws, signals)``.

    Each draw is given the person's own answers, by rank: where most answers are the same, a few rare ones decide, and
    chance goes much further with them than with normal values.
    """
    drawn = draw(regression.plausible(draws, rng), times, rng)
    drawn = np.sort(regression.outcome)[rankdata(drawn, "ordinal", axis=0).astype(np.int64) - 1]
    projected = regression.project(drawn)
    # Each draw has its own estimated scale, as the reports have.
    degrees = len(times) - np.linalg.matrix_rank(regression.design)
    scale = np.sqrt(np.einsum("ij,ij->j", drawn, projected) / degrees)
    score = (projected / (scale * regression.scale)).T @ columns.reshape(len(columns), -1)
    squares = score.reshape(draws, *profiles.score.shape) ** 2
    prior = log_prior(len(KERNELS), profiles.score.shape[-1])
    sizes = [(gain, np.exp(weight + prior)) for gain, weight in _sizes(profiles.information)]
    out = np.empty((draws, profiles.score.shape[0]))
    for i in range(draws):
        # As in evidence at a fraction of its cost; nothing beyond e^600 is told apart.
        out[i] = sum((np.exp(np.minimum(squares[i] * gain, 600)) * weight).sum((-2, -1)) for gain, weight in sizes)
    return np.asarray(np.log(out))
