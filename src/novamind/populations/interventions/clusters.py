"""How alike outcomes are within clusters, such as the accounts of one territory: what a cluster design needs."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import fdtri

from novamind.errors import InsufficientDataError, ValidationError
from novamind.summary import Summarised, Summary, counted

_MIN_CLUSTERS: Final = 10
_TAIL: Final = 0.025
_FLAT: Final = 1e-12


@dataclass(frozen=True, repr=False)
class Clusters(Summarised):
    """Clusters of real units, and how alike outcomes are within them.

    Parameters
    ----------
    correlation
        Intraclass correlation, 0 to 1; a negative estimate counts as 0.
    low, high
        Its 95 % interval, cut to 0-1.
    count
        Number of clusters.
    mean_size, size_cv
        Units per cluster: mean, and standard deviation over mean.
    """

    correlation: float
    low: float
    high: float
    count: int
    mean_size: float
    size_cv: float

    def _summary(self) -> Summary:
        spread = f"{self.correlation:.3f} ({self.low:.3f} to {self.high:.3f})"
        text = f"{counted(self.count, 'cluster')} of {self.mean_size:.1f} units on average; correlation within {spread}"
        names = ("correlation", "low", "high", "count", "mean_size", "size_cv")
        return Summary(text, ("figure", "value"), ((name, getattr(self, name)) for name in names))


def measure_clusters(outcome: ArrayLike, cluster: ArrayLike, expected: ArrayLike | None = None) -> Clusters:
    """Estimate the intraclass correlation by analysis of variance (Donner and Koval 1980; interval: Searle 1971).

    The interval is exact for clusters of one size and normal outcomes. Measure real units: twins are drawn one by
    one and understate what the units of a cluster share.

    Parameters
    ----------
    outcome, cluster
        Outcome and cluster of each unit, each of shape (units,).
    expected
        Expected outcome of each unit, such as `TwinGenerator.predict` gives for units that it was not trained on, if
        the experiment will be adjusted for it: then only what it leaves over counts.

    Raises
    ------
    ValidationError
        If lengths differ or a value is missing.
    InsufficientDataError
        With fewer than 10 clusters, no cluster of two, or an outcome that does not vary within clusters.
    """
    names = np.asarray(cluster).astype(str)
    try:
        y = np.asarray(outcome, dtype=float)
        foreseen = np.zeros(y.shape) if expected is None else np.asarray(expected, dtype=float)
    except (TypeError, ValueError) as error:
        raise ValidationError("outcomes and expected outcomes must be numbers") from error
    if y.ndim != 1 or not y.shape == names.shape == foreseen.shape:
        raise ValidationError("give one outcome, one cluster and, if any, one expected outcome per unit")
    y = y - foreseen
    if not np.isfinite(y).all() or np.isin(names, ("None", "nan", "NaT", "<NA>")).any():
        raise ValidationError("outcomes, expected outcomes or clusters are missing for some units; drop those units")
    label = np.unique(names, return_inverse=True)[1]
    size = np.bincount(label)
    k, n = len(size), len(y)
    if k < _MIN_CLUSTERS or n == k:
        raise InsufficientDataError(
            f"the intraclass correlation needs at least {_MIN_CLUSTERS} clusters, some of them of two or more units"
        )
    mean = np.bincount(label, weights=y) / size
    within = float(((y - mean[label]) ** 2).sum()) / (n - k)
    if within <= _FLAT * float(y.var()) or within == 0:
        raise InsufficientDataError("the outcome does not vary within clusters; no design can be sized from it")
    ratio = float((size * (mean - y.mean()) ** 2).sum()) / (k - 1) / within
    typical = (n - float((size**2).sum()) / n) / (k - 1)
    correlation, low, high = (
        float(np.clip((f - 1) / (f + typical - 1), 0, 1))
        for f in (ratio, ratio / fdtri(k - 1, n - k, 1 - _TAIL), ratio / fdtri(k - 1, n - k, _TAIL))
    )
    return Clusters(correlation, low, high, k, float(size.mean()), float(size.std() / size.mean()))
