"""Did something change in one person's series when something was started? An interrupted time series.

Measurements of one person resemble their neighbours, so a test that takes them as independent finds changes
that are not there. Here the deviation from the regression is a first-order autoregressive process plus white
noise (a "nugget": measurement error), the regression is generalised least squares, and the two unknowns of the
noise (the autocorrelation at the typical spacing and the nugget's share) are integrated out on a grid instead
of being estimated: with 20 points a phase an estimate is far too small too often. Under the flat priors on the
coefficients and on log variance each grid point gives a Student t, and the answer is their mixture.

Method: restricted likelihood (Harville 1974 Biometrika 61:383) as integrated likelihood of the noise (Berger, De
Oliveira & Sanso 2001 J Am Stat Assoc 96:1361), segmented regression (Wagner 2002 J Clin Pharm Ther 27:299).
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solve_triangular
from scipy.special import gammaln, stdtr, stdtrit

from novamind.errors import InsufficientDataError, ValidationError

Floats = NDArray[np.float64]

#: Fewest measurements before and after; below it the autocorrelation cannot be distinguished from a change.
MINIMUM_PER_PHASE = 7
#: Values beyond it would overflow when squared.
_LARGEST = 1e100
_AUTOCORRELATION = np.concatenate([np.arange(0.0, 0.95, 0.05), [0.95, 0.97, 0.985, 0.994, 0.998]])
#: Mostly small shares: strong autocorrelation under a little white noise looks like weak autocorrelation, and is
#: where false positives are worst. Chosen among a few grids by simulated false-positive rates.
_NUGGET = np.array([0.0, 0.02, 0.05, 0.1, 0.2, 0.4])


@dataclass(frozen=True, slots=True)
class Interruption:
    """The change at the interruption, one entry a series.

    Attributes
    ----------
    change
        In the unit of the values: the step, or the full effect that a gradual onset approaches.
    low, high
        95 % interval of ``change``.
    p_value
        Two-sided posterior tail probability of no change.
    effect_size
        ``change`` over the standard deviation of the series about its regression, Hedges-corrected.
    effect_low, effect_high
        ``low`` and ``high`` on the scale of ``effect_size``.
    autocorrelation
        Posterior mean at the typical spacing.
    """

    change: Floats
    low: Floats
    high: Floats
    p_value: Floats
    effect_size: Floats
    effect_low: Floats
    effect_high: Floats
    autocorrelation: Floats


@dataclass(frozen=True)
class InterruptedSeries:
    """When measurements were taken and when something started; :meth:`fit` then takes the values.

    Parameters
    ----------
    times
        Increasing, in any one unit, shape ``(n,)``; gaps of any length.
    start
        First moment at which the intervention was there: times below it are the baseline.
    trend
        Whether a straight line runs through both phases.
    onset
        Time constant of a gradual onset in the unit of ``times``; 0 for a step.

    Raises
    ------
    InsufficientDataError
        Fewer than ``MINIMUM_PER_PHASE`` measurements in a phase.
    ValidationError
        Times that do not increase, or an onset below 0.
    """

    times: Floats
    start: float
    trend: bool = False
    onset: float = 0.0

    def __post_init__(self) -> None:
        times = np.asarray(self.times, dtype=np.float64)
        object.__setattr__(self, "times", times)
        if times.ndim != 1 or not np.isfinite(times).all() or (np.diff(times) <= 0).any():
            raise ValidationError("times must be finite and increase; sort them and merge repeated ones")
        if not (isinstance(self.onset, int | float) and 0 <= self.onset < np.inf):
            raise ValidationError("onset must be a time constant of at least 0")
        before = int((times < self.start).sum())
        if min(before, times.size - before) < MINIMUM_PER_PHASE:
            raise InsufficientDataError(
                f"needs at least {MINIMUM_PER_PHASE} measurements before and after the interruption"
            )

    @cached_property
    def design(self) -> Floats:
        """Regressors, shape ``(n, 2 or 3)``: intercept, change, trend."""
        elapsed = self.times - self.start
        after = (elapsed >= 0).astype(np.float64)
        if self.onset > 0:
            after *= 1.0 - np.exp(-np.maximum(elapsed, 0.0) / self.onset)
        columns = [np.ones_like(after), after]
        if self.trend:
            columns.append((self.times - self.times.mean()) / (self.times[-1] - self.times[0]))
        return np.column_stack(columns)

    @cached_property
    def _noises(self) -> list["_Noise"]:
        spacing = float(np.median(np.diff(self.times)))
        gaps = np.abs(self.times[:, None] - self.times[None, :]) / spacing
        return [
            _Noise.prepare(float(rho), float(nugget), gaps, self.design)
            for rho in _AUTOCORRELATION
            for nugget in (_NUGGET if rho > 0 else _NUGGET[:1])
        ]

    def fit(self, values: Floats) -> Interruption:
        """Return the estimated change.

        Parameters
        ----------
        values
            Shape ``(n,)``, or ``(series, n)`` for many series with the same times.

        Raises
        ------
        ValidationError
            A value is not finite, or there is not one per time.
        InsufficientDataError
            A series is exactly described by the regression, so that it has no noise to compare a change with.
        """
        table = np.atleast_2d(np.asarray(values, dtype=np.float64))
        if table.shape[1] != self.times.size or not (np.abs(table) < _LARGEST).all():
            raise ValidationError("values must be finite numbers, one per time")
        scale = np.maximum(table.std(axis=1), 1e-300)
        table = table - table.mean(axis=1, keepdims=True)
        ordinary = table - table @ np.linalg.pinv(self.design).T @ self.design.T
        if (ordinary.std(axis=1) <= 1e-9 * np.maximum(scale, np.abs(values).max())).any():
            raise InsufficientDataError("the series has no variation left to compare a change with")
        freedom = self.times.size - self.design.shape[1]
        fits = [noise.fit(table, freedom) for noise in self._noises]
        change, error, log_weight = (np.stack(part) for part in zip(*fits, strict=True))
        weight = np.exp(log_weight - log_weight.max(axis=0))
        weight /= weight.sum(axis=0)
        mean = (weight * change).sum(axis=0)
        below = (weight * stdtr(freedom, -change / error)).sum(axis=0)
        low, high = (_quantile(level, weight, change, error, freedom) for level in (0.025, 0.975))
        within = (ordinary**2).sum(axis=1)
        expected = np.array([noise.within for noise in self._noises])
        spread = np.sqrt(within / (weight * expected[:, None]).sum(axis=0))
        correction = 1.0 - 3.0 / (4.0 * freedom - 1.0)
        rho = np.array([noise.autocorrelation for noise in self._noises])
        return Interruption(
            change=mean,
            low=low,
            high=high,
            p_value=np.minimum(1.0, 2.0 * np.minimum(below, 1.0 - below)),
            effect_size=mean / spread * correction,
            effect_low=low / spread * correction,
            effect_high=high / spread * correction,
            autocorrelation=(weight * rho[:, None]).sum(axis=0),
        )


@dataclass(frozen=True, slots=True)
class _Noise:
    """One point of the grid, with everything that does not depend on the values."""

    autocorrelation: float
    whitener: Floats
    whitened_design: Floats
    projection: Floats
    change_factor: float
    within: float
    log_determinants: float
    log_prior: float

    @classmethod
    def prepare(cls, rho: float, nugget: float, gaps: Floats, design: Floats) -> "_Noise":
        correlation = np.where(gaps > 0, (1.0 - nugget) * rho**gaps, 1.0)
        factor = np.linalg.cholesky(correlation)
        whitener = solve_triangular(factor, np.eye(len(factor)), lower=True)
        whitened = whitener @ design
        normal = np.linalg.inv(whitened.T @ whitened)
        return cls(
            autocorrelation=rho,
            whitener=whitener,
            whitened_design=whitened,
            projection=normal @ whitened.T,
            change_factor=float(np.sqrt(normal[1, 1])),
            within=float(np.trace(correlation) - np.trace(np.linalg.pinv(design) @ correlation @ design)),
            log_determinants=float(np.log(np.diag(factor)).sum() - 0.5 * np.linalg.slogdet(normal)[1]),
            log_prior=_log_prior(rho),
        )

    def fit(self, table: Floats, freedom: int) -> tuple[Floats, Floats, Floats]:
        """Return change, its standard error and log weight, one entry a series."""
        whitened = table @ self.whitener.T
        coefficients = whitened @ self.projection.T
        residual = whitened - coefficients @ self.whitened_design.T
        variance = (residual**2).sum(axis=1) / freedom
        log_weight = self.log_prior - self.log_determinants - 0.5 * freedom * np.log(variance)
        return coefficients[:, 1], np.sqrt(variance) * self.change_factor, log_weight


def _log_prior(rho: float) -> float:
    """Return the log mass of each grid point under a prior flat in Fisher's z (``atanh``) of the autocorrelation.

    Flat in z weighs strong autocorrelation more than Jeffreys' ``(1 - rho^2)^-1/2``, whose false positives exceed
    the nominal level when strong autocorrelation hides under white noise.
    """
    index = int(np.searchsorted(_AUTOCORRELATION, rho))
    inner = 0.5 * (_AUTOCORRELATION[1:] + _AUTOCORRELATION[:-1])
    edges = np.arctanh(np.concatenate([[0.0], inner, [0.9995]]))
    return float(np.log((edges[index + 1] - edges[index]) / (len(_NUGGET) if rho > 0 else 1)))


def _quantile(level: float, weight: Floats, change: Floats, error: Floats, freedom: int) -> Floats:
    """Return a quantile of a mixture of Student t: Newton steps inside the bracket of the components' own quantiles."""
    own = change + error * stdtrit(freedom, level)
    low, high = own.min(axis=0), own.max(axis=0)
    middle = (weight * own).sum(axis=0)
    # Constant of the Student density.
    constant = np.exp(gammaln((freedom + 1) / 2) - gammaln(freedom / 2)) / np.sqrt(freedom * np.pi)
    for _ in range(40):
        scaled = (middle - change) / error
        excess = (weight * stdtr(freedom, scaled)).sum(axis=0) - level
        low, high = np.where(excess < 0, middle, low), np.where(excess < 0, high, middle)
        density = (weight * constant * (1 + scaled**2 / freedom) ** (-(freedom + 1) / 2) / error).sum(axis=0)
        step = middle - excess / density
        following = np.where((step <= low) | (step >= high), 0.5 * (low + high), step)
        if (np.abs(following - middle) <= 1e-9 * (high - low + np.abs(middle))).all():
            break
        middle = following
    return np.asarray(following)
