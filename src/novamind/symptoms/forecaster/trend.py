"""The recent change per week, with an uncertainty that neighbouring days being alike does not shrink."""

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import special

from novamind.symptoms.domain import Floats, Scale, Trend

#: Days the trend looks back; fewer reports than this minimum give no direction.
TREND_DAYS = 42
_MIN_REPORTS = 5
_INERTIA = np.linspace(0.0, 0.9, 10)


def trend(history: Floats, scale: Scale) -> Trend:
    """Return the slope over the last six weeks by generalised least squares with autocorrelated errors.

    Parameters
    ----------
    history
        ``(days,)`` daily values in the instrument's units, ``NaN`` where there was no report.

    Notes
    -----
    Errors are first-order autoregressive in continuous time, so gaps are no trouble; the autoregression is integrated
    out over a grid by restricted likelihood (Harville 1977, J Am Stat Assoc 72:320), which leaves a mixture of t
    distributions for the slope. ``stable`` means that the slope is known to be within a fiftieth of the range a week.
    """
    recent = history[-TREND_DAYS:]
    day = np.flatnonzero(np.isfinite(recent)).astype(float)
    y = recent[np.isfinite(recent)]
    days = len(recent)
    if len(y) < _MIN_REPORTS:
        half = scale.range
        return Trend(0.0, -half, half, 0.5, "uncertain", days)
    # Answers are known to half a step at best: a constant record has a slope of 0, but not with certainty.
    resolution = ((scale.step or 0.02 * scale.range) ** 2) / 12
    X = np.column_stack([np.ones_like(day), (day - day.mean()) / 7])
    apart = np.abs(day[:, None] - day[None, :])
    freedom = len(y) - 2
    # One generalised least squares for each inertia, side by side along the first axis.
    lower = np.linalg.cholesky(_INERTIA[:, None, None] ** apart)
    A, b = np.split(np.linalg.solve(lower, np.column_stack([X, y])), [2], axis=-1)
    information = A.mT @ A
    beta = np.linalg.solve(information, A.mT @ b)
    variance = (((b - A @ beta) ** 2).sum((1, 2)) + resolution * len(y)) / freedom
    slopes, errors = beta[:, 1, 0], np.sqrt(variance * np.linalg.inv(information)[:, 1, 1])
    log_weight = (
        -np.log(np.diagonal(lower, axis1=1, axis2=2)).sum(1)
        - 0.5 * np.linalg.slogdet(information)[1]
        - 0.5 * freedom * np.log(variance)
    )
    weight = np.exp(log_weight - log_weight.max())
    weight /= weight.sum()
    mean = float(weight @ slopes)
    grid = mean + np.linspace(-1, 1, 401) * 8 * float(errors.max())
    below = _mixture_below(grid, slopes, errors, weight, freedom)
    low, high = (float(np.interp(level, below, grid)) for level in (0.025, 0.975))
    above_zero = 1 - float(_mixture_below(np.zeros(1), slopes, errors, weight, freedom)[0])
    worsening = above_zero if scale.worse == "high" else 1 - above_zero
    small = scale.range / 50
    direction: Literal["worsening", "improving", "stable", "uncertain"]
    if low > -small and high < small:
        direction = "stable"
    elif worsening > 0.9:
        direction = "worsening"
    elif worsening < 0.1:
        direction = "improving"
    else:
        direction = "uncertain"
    return Trend(mean, low, high, worsening, direction, days)


def _mixture_below(x: Floats, slopes: Floats, errors: Floats, weight: Floats, freedom: int) -> NDArray[np.float64]:
    z = (x[:, None] - slopes[None, :]) / errors[None, :]
    below: NDArray[np.float64] = special.stdtr(freedom, z) @ weight
    return below
