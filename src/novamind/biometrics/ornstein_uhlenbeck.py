"""Two Ornstein-Uhlenbeck processes and noise: how one person's series depends on itself, at irregular times.

The sum of a fast and a slow process is the least that fits moods and vital signs, which have inertia over hours and
over days. Its precision is banded, so every solve costs O(observations) (Rue & Held 2005, Gaussian Markov Random
Fields, chapter 2; Kelly et al. 2014, ApJ 788:33 for the irregular case).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.linalg import lapack
from scipy.optimize import minimize, nnls
from scipy.stats import rankdata

from novamind.biometrics.domain import Floats

#: Least distance of two observations in hours: at one instant the process would have no precision.
_LEAST_GAP = 0.02
_LEAST_NOISE = 0.02
_SLOWEST = 700.0
#: Weakly informative prior of the fit: log time constants (hours) and log ratios of variance to the noise.
_PRIOR_MEAN = np.array([np.log(6.0), np.log(80.0), 0.0, 0.0])
_PRIOR_SD = np.array([0.8, 0.8, 1.2, 1.2])
#: Step of the second differences that say how sure the fit is.
_STEP = 0.5


@dataclass(frozen=True)
class Inertia:
    """Parameters of the process.

    Attributes
    ----------
    time_constants
        ``(2,)`` hours, fast and slow.
    variances
        ``(2,)`` of the two processes.
    noise
        Variance of what is new at each observation.
    """

    time_constants: Floats
    variances: Floats
    noise: float

    def covariance(self, gap: Floats) -> Floats:
        """Return the autocovariance of the process without noise at distances in hours."""
        gap = np.abs(gap)
        fast, slow = (v * np.exp(-gap / t) for v, t in zip(self.variances, self.time_constants, strict=True))
        return np.asarray(fast + slow)


class Whitening:
    """The inverse covariance of one series, ready to be applied to many columns.

    Parameters
    ----------
    times
        ``(n,)`` hours, rising.
    inertia
        The process.
    observed
        ``(n,)``; rows of an even grid where nothing was measured carry no information.
    """

    def __init__(self, times: Floats, inertia: Inertia, observed: Floats | None = None) -> None:
        n = len(times)
        gaps = np.maximum(np.diff(times), _LEAST_GAP)
        weight = np.full(n, 1 / inertia.noise) if observed is None else observed / inertia.noise
        band = np.zeros((3, 2 * n))
        log_prior = 0.0
        for c in range(2):
            v = inertia.variances[c]
            phi = np.exp(-gaps / inertia.time_constants[c])
            fresh = -np.expm1(-2 * gaps / inertia.time_constants[c])
            band[0, c::2] = 1 / v
            band[0, c + 2 :: 2] += (1 / fresh - 1) / v
            band[0, c:-2:2] += phi**2 / fresh / v
            band[2, c:-2:2] = -phi / fresh / v
            log_prior -= n * np.log(v) + np.log(fresh).sum()
        band[0] += np.repeat(weight, 2)
        band[1, 0::2] = weight
        self._factor, failed = lapack.dpbtrf(band, lower=1)
        if failed:
            raise np.linalg.LinAlgError("the precision is not positive definite")
        self._weight = weight
        self.log_determinant = 2 * np.log(self._factor[0]).sum() - log_prior - np.log(weight[weight > 0]).sum()

    def state(self, columns: Floats) -> Floats:
        """Return the posterior mean of the process (both parts together) at every time, ``(n, k)``, given columns."""
        load = np.repeat(self._weight[:, None] * columns, 2, axis=0)
        solved, _ = lapack.dpbtrs(self._factor, load, lower=1)
        return np.asarray(solved[0::2] + solved[1::2])

    def __call__(self, columns: Floats) -> Floats:
        """Return the inverse covariance times ``columns`` ``(n, k)``; 0 in rows that were not observed."""
        return np.asarray(self._weight[:, None] * (columns - self.state(columns)))


def draw(processes: Sequence[Inertia], times: Floats, rng: np.random.Generator) -> Floats:
    """Return one series of each process with its noise at rising times, ``(n, processes)``."""
    noise = np.array([process.noise for process in processes])
    drawn = np.sqrt(noise) * rng.standard_normal((len(times), len(processes)))
    gaps = np.diff(times)[:, None]
    for c in range(2):
        state = rng.standard_normal(drawn.shape)
        keep = np.exp(-gaps / np.array([process.time_constants[c] for process in processes]))
        fresh = np.sqrt(1 - keep**2)
        for i in range(len(keep)):
            state[i + 1] = keep[i] * state[i] + fresh[i] * state[i + 1]
        drawn += np.sqrt([process.variances[c] for process in processes]) * state
    return np.asarray(drawn)


@dataclass(frozen=True)
class Regression:
    """A series given its covariates: generalised least squares with the fitted process.

    ``scale`` squared times the process's covariance is the covariance of ``outcome`` around its covariates. ``centre``
    and ``spread`` are the normal approximation of what the process's parameters may be.
    """

    whitening: Whitening
    inertia: Inertia
    design: Floats
    scale: float
    outcome: Floats
    centre: Floats
    spread: Floats

    def simulated(self, times: Floats, number: int, rng: np.random.Generator) -> Floats:
        """Return reports drawn from the fitted process alone, projected and divided by their scale, ``(n, number)``.

        Each draw is given the person's own answers, by rank: where most answers are the same, a few rare ones decide,
        and chance goes much further with them than with normal values. Each has its own estimated scale, as the reports
        have.
        """
        drawn = draw(self.plausible(number, rng), times, rng)
        drawn = np.sort(self.outcome)[rankdata(drawn, "ordinal", axis=0).astype(np.int64) - 1]
        projected = self.project(drawn)
        degrees = len(times) - np.linalg.matrix_rank(self.design)
        return np.asarray(projected / (np.sqrt(np.einsum("ij,ij->j", drawn, projected) / degrees) * self.scale))

    def plausible(self, number: int, rng: np.random.Generator) -> list[Inertia]:
        """Return processes that the series could come from, drawn from the posterior of their parameters."""
        steps = rng.standard_normal((number, len(self.centre))) @ self.spread.T
        return [_inertia(self.centre + step) for step in steps]

    @cached_property
    def _whitened_design(self) -> Floats:
        return self.whitening(self.design)

    @cached_property
    def _gram_inverse(self) -> Floats:
        return np.asarray(np.linalg.pinv(self.design.T @ self._whitened_design, hermitian=True))

    def project(self, columns: Floats) -> Floats:
        """Return ``W columns`` ``(n, k)``, with ``W`` the whitening after the covariates are taken out."""
        whitened = self.whitening(columns)
        return np.asarray(whitened - self._whitened_design @ (self._gram_inverse @ (self._whitened_design.T @ columns)))


def fit_regression(times: Floats, outcome: Floats, design: Floats) -> Regression:
    """Return the fit of a series on its covariates by restricted maximum likelihood (Patterson & Thompson 1971).

    Time constants and shares of variance have a weak prior.

    Parameters
    ----------
    times, outcome
        ``(n,)``; hours, rising, and values of about unit variance.
    design
        ``(n, p)`` covariates.
    """
    n, rank = len(times), int(np.linalg.matrix_rank(design))

    def parts(theta: Floats) -> tuple[Whitening, float, float]:
        whitening = Whitening(times, _inertia(theta))
        whitened = whitening(np.column_stack([design, outcome]))
        gram = design.T @ whitened[:, :-1]
        values, vectors = np.linalg.eigh(gram)
        kept = values > values[-1] * 1e-10
        turned = vectors[:, kept].T @ (whitened[:, :-1].T @ outcome)
        square = float(outcome @ whitened[:, -1] - (turned**2 / values[kept]).sum())
        log_gram = float(np.log(values[kept]).sum())
        return whitening, max(square, 1e-9) / (n - rank), log_gram

    def loss(theta: Floats) -> float:
        try:
            whitening, scale, log_gram = parts(theta)
        except np.linalg.LinAlgError:
            return 1e10
        penalty = (((theta - _PRIOR_MEAN) / _PRIOR_SD) ** 2).sum()
        return float((n - rank) * np.log(scale) + whitening.log_determinant + log_gram + penalty)

    options = {"maxfev": 90, "xatol": 0.05, "fatol": 0.05, "initial_simplex": _simplex()}
    theta = minimize(loss, _PRIOR_MEAN, method="Nelder-Mead", options=options).x
    whitening, scale, _ = parts(theta)
    spread = _root_of_inverse(_curvature(loss, theta) / 2)
    return Regression(whitening, _inertia(theta), design, float(np.sqrt(scale)), outcome, theta, spread)


def _curvature(loss: Callable[[Floats], float], theta: Floats) -> Floats:
    """Return the second differences of a loss, over steps at which it has risen by what counts."""
    k = len(theta)
    step = _STEP * np.eye(k)
    here = loss(theta)
    ahead = np.array([loss(theta + d) for d in step])
    back = np.array([loss(theta - d) for d in step])
    out = np.diag(ahead + back - 2 * here)
    for i in range(k):
        for j in range(i):
            out[i, j] = out[j, i] = loss(theta + step[i] + step[j]) - ahead[i] - ahead[j] + here
    return out / _STEP**2


def _root_of_inverse(matrix: Floats) -> Floats:
    """Return ``R`` with ``R R' = inverse``; no direction is less certain than the widest prior."""
    values, vectors = np.linalg.eigh(matrix)
    return np.asarray(vectors / np.sqrt(np.maximum(values, 1 / _PRIOR_SD.max() ** 2)))


def _simplex() -> Floats:
    return np.vstack([_PRIOR_MEAN, _PRIOR_MEAN + np.diag([0.7, 0.7, -1.0, -1.0])])


def _inertia(theta: Floats) -> Inertia:
    fast = np.exp(np.clip(theta[0], np.log(0.5), np.log(36)))
    slow = np.exp(np.clip(theta[1], np.log(20), np.log(_SLOWEST)))
    share = np.exp(np.clip(np.array([theta[2], theta[3], 0.0]), -5, 5))
    share = share / share.sum()
    noise = max(float(share[2]), _LEAST_NOISE)
    return Inertia(np.array([fast, max(slow, 1.5 * fast)]), share[:2], noise)


_FAST = np.array([0.7, 1.5, 3.0, 6.0, 12.0])
_SLOW = np.array([24.0, 60.0, 150.0, 400.0])
#: Relative distance of misses up to which fits are equally good.
_TIED = 1e-9


@dataclass(frozen=True)
class HourlyProcess:
    """The process fitted to an hourly series with gaps, and the series seen through it.

    Attributes
    ----------
    course
        ``(hours,)`` posterior mean of the process; gaps are filled as it expects.
    whitened
        ``(hours,)`` the series times its inverse covariance; 0 where nothing was measured.
    """

    inertia: Inertia
    whitening: Whitening
    course: Floats
    whitened: Floats


def fit_grid(values: Floats) -> HourlyProcess:
    """Return the process of an hourly series, ``(hours,)`` with mean 0; ``NaN`` where nothing was measured."""
    inertia = inertia_of_grid(values)
    whitening = Whitening(np.arange(len(values), dtype=float), inertia, np.isfinite(values).astype(float))
    filled = np.nan_to_num(values)[:, None]
    return HourlyProcess(inertia, whitening, whitening.state(filled)[:, 0], whitening(filled)[:, 0])


def inertia_of_grid(values: Floats) -> Inertia:
    """Return the process fitted to the autocovariance of an hourly series with gaps.

    Parameters
    ----------
    values
        ``(hours,)`` with mean 0; ``NaN`` where nothing was measured.
    """
    seen = np.isfinite(values)
    filled = np.where(seen, values, 0.0)
    longest = min(240, len(values) // 3)
    size = 1 << (len(values) + longest).bit_length()
    product = np.fft.irfft(np.abs(np.fft.rfft(filled, size)) ** 2)[: longest + 1]
    pairs = np.fft.irfft(np.abs(np.fft.rfft(seen.astype(float), size)) ** 2)[: longest + 1]
    lags = np.unique(np.round(np.geomspace(1, longest, 40)).astype(int))
    lags = np.concatenate([[0], lags])
    lags = lags[pairs[lags] > 0.5]
    covariance = product[lags] / pairs[lags]
    weight = np.sqrt(pairs[lags] / (1 + lags))
    best: tuple[float, Inertia] | None = None
    for fast in _FAST:
        for slow in _SLOW:
            terms = np.column_stack([np.exp(-lags / fast), np.exp(-lags / slow), lags == 0])
            amount, miss = nnls(terms * weight[:, None], covariance * weight)
            amount = np.maximum(amount, np.array([1e-3, 1e-3, _LEAST_NOISE]) * max(covariance[0], 1e-9))
            # Where one part is not needed, many constants fit it equally well: the first counts, not the last bit.
            if best is None or miss < best[0] * (1 - _TIED):
                best = (miss, Inertia(np.array([fast, slow]), amount[:2], float(amount[2])))
    assert best is not None  # noqa: S101 - the grid of time constants is not empty
    return best[1]
