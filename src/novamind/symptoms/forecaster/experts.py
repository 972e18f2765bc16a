"""Simple experts: strong, transparent forecasters that need almost nothing from training.

Each says where tomorrow's report will lie from one idea: people return to their own mean; people stay near where they
are, less so with every day; people have weekdays. What they take from the simulated cohort is only how far to trust
the idea at each horizon (a damping coefficient) and the shape of the errors (quantiles of standardised residuals).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from novamind.symptoms.domain import LEVELS
from novamind.symptoms.forecaster.features import FEATURES, Summary
from novamind.symptoms.forecaster.origins import Origins
from novamind.symptoms.forecaster.preprocessing import Array
from novamind.symptoms.interpolation import interpolate, places

#: Upper ends of the groups of horizons (days) and of record lengths (reports) that share what was learned.
HORIZON_GROUPS = np.array([1, 3, 7, 14, 30])
REPORT_GROUPS = np.array([10, 20, 35, 60])
#: How many of each there are; records longer than the last end are a group of their own.
GROUPS = (len(HORIZON_GROUPS), len(REPORT_GROUPS) + 1)
#: The middle of each group, where its values hold; between the middles they glide, so that no forecast jumps.
_HORIZON_MIDDLES = np.array([1, 2.5, 5.5, 11, 22.5])
_REPORT_MIDDLES = np.array([7, 15, 27, 46, 90])

_COLUMN = {name: i for i, name in enumerate(FEATURES)}


def horizon_group(horizon: int) -> NDArray[np.int64]:
    """Return the group index of each day 1..horizon, ``(horizon,)``."""
    return np.searchsorted(HORIZON_GROUPS, np.arange(1, horizon + 1))


def report_group(reports: Array) -> NDArray[np.int64]:
    """Return the group index by number of reports, ``(series,)``, 0 to ``len(REPORT_GROUPS)``."""
    return np.searchsorted(REPORT_GROUPS, reports)


def by_group(table: Array, horizon: int, reports: Array) -> Array:
    """Return a table ``(horizon groups, report groups, k)`` looked up per series and day, ``(series, horizon, k)``.

    Parameters
    ----------
    reports
        ``(series,)`` number of reports of each history.
    """
    daily = interpolate(table, _HORIZON_MIDDLES, np.arange(1, horizon + 1), 0).swapaxes(0, 1)
    below, share = places(_REPORT_MIDDLES, reports)
    near, far = daily[below], daily[np.minimum(below + 1, len(daily) - 1)]
    out: Array = near + (far - near) * share[:, None, None].astype(np.float32)
    return out


@dataclass(frozen=True)
class Expert:
    """One idea of where the next reports lie.

    Attributes
    ----------
    name
        What people read.
    signals
        Columns of the summary, in units of the person's spread, whose deviation from the person's level is carried
        forward.
    damping
        ``(horizon groups, report groups, signals)`` share of each deviation that is still expected.
    shape
        ``(horizon groups, report groups, 21)`` quantiles of ``(report - centre) / spread``.
    empirical_reports
        Number of reports at which the person's own recent quantiles weigh as much as ``shape``; ``inf`` to use
        ``shape`` alone.
    """

    name: str
    signals: tuple[str, ...]
    damping: Array
    shape: Array
    empirical_reports: float

    def quantiles(self, origins: Origins, horizons: Sequence[int]) -> tuple[Array, ...]:
        """See :class:`novamind.symptoms.forecaster.ports.Forecaster`."""
        return tuple(self._from(s, h) for s, h in zip(origins.summaries, horizons, strict=True))

    def _from(self, summary: Summary, horizon: int) -> Array:
        shape = by_group(self.shape, horizon, summary.reports)
        out = summary.level[:, None, None] + summary.spread[:, None, None] * shape
        if np.isfinite(self.empirical_reports):
            recent = np.minimum(summary.table[:, _COLUMN["reports"]], 28)
            trust = (recent / (recent + self.empirical_reports))[:, None, None]
            out = trust * summary.recent_quantiles[:, None, :] + (1 - trust) * out
        if self.signals:
            damping = by_group(self.damping, horizon, summary.reports)
            deviation = _deviations(self.signals, summary, horizon)
            out = out + (summary.spread[:, None] * (damping * deviation).sum(-1))[..., None]
        clipped: Array = np.clip(out, 0, 1)
        return clipped


def _deviations(signals: tuple[str, ...], summary: Summary, horizon: int) -> Array:
    """``(series, horizon, signals)`` in units of the person's spread; a stale signal counts less."""
    fresh = 0.9 ** summary.table[:, _COLUMN["gap"]]
    weekday_effect = summary.weekday_effect(np.arange(1, horizon + 1))[0]
    constant = [
        weekday_effect
        if s == "weekday_effect"
        else np.repeat((summary.table[:, _COLUMN[s]] * fresh)[:, None], horizon, 1)
        for s in signals
    ]
    return np.stack(constant, axis=-1)


def fit_expert(
    name: str,
    signals: tuple[str, ...],
    empirical_reports: float,
    summary: Summary,
    future: Array,
) -> Expert:
    """Learn damping by least squares and the error's shape by quantiles, group by group.

    Parameters
    ----------
    summary, future
        Histories of a cohort, and what came after: ``(series, horizon)`` with ``NaN`` where nothing was reported. The
        horizon must reach the last group.
    """
    horizon = future.shape[1]
    days, persons = horizon_group(horizon), report_group(summary.reports)
    target = (future - summary.level[:, None]) / summary.spread[:, None]
    signal = _deviations(signals, summary, horizon) if signals else np.zeros((*future.shape, 0))
    damping = np.zeros((*GROUPS, len(signals)), dtype=np.float32)
    shape = np.zeros((*GROUPS, len(LEVELS)), dtype=np.float32)
    for d in range(GROUPS[0]):
        for p in range(GROUPS[1]):
            block = np.ix_(persons == p, days == d)
            y = target[block].ravel()
            x = signal[block].reshape(len(y), len(signals))
            reported = np.isfinite(y)
            y, x = y[reported], x[reported]
            if signals:
                ridge = x.T @ x + 10 * np.eye(len(signals))
                damping[d, p] = np.linalg.solve(ridge, x.T @ y)
            shape[d, p] = np.quantile(y - x @ damping[d, p], LEVELS)
    return Expert(name, signals, damping, shape, empirical_reports)


#: The three experts: name, signals, and reliance on the person's own quantiles.
EXPERTS: tuple[tuple[str, tuple[str, ...], float], ...] = (
    ("own mean", (), 8.0),
    ("damped level", ("fast_level", "slow_level", "all_mean"), float("inf")),
    ("last week", ("weekday_effect", "mean_7_days"), float("inf")),
)
