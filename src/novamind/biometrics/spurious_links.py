"""Links that only look like links, and what they come from; plain correlations for those who ask.

The plain recipe correlates a signal with a symptom at many lags and takes the best. Where that finds something and the
engine does not confirm it, taking one confounder at a time out of both sides shows which of them made it.
"""

import numpy as np
from scipy.stats import norm, rankdata

from novamind.biometrics.domain import Floats, PersonSeries
from novamind.biometrics.engine import PersonProfile, SymptomProfile

_STEP = 6
_LEVEL = 0.05
#: Share of an apparent correlation that must go when something is taken out for that to explain it.
_EXPLAINS = 0.3
_MIN_PAIRS = 10


def plain_correlations(person: PersonSeries, symptom: int, signal: int, lag: float) -> tuple[float, float]:
    """Return Pearson's and Spearman's correlation of reports with the signal's mean 3 hours around ``lag`` before."""
    x, y = _aligned(_windowed(person.hourly[:, signal]), person.report_hours, lag), person.reports[:, symptom]
    both = np.isfinite(x) & np.isfinite(y)
    if both.sum() < _MIN_PAIRS or np.ptp(x[both]) == 0 or np.ptp(y[both]) == 0:
        return 0.0, 0.0
    return _r(x[both], y[both]), _r(rankdata(x[both]), rankdata(y[both]))


def explanation(analysis: PersonProfile, symptom: SymptomProfile, place: int) -> str | None:
    """Return what an apparent link of the signal at ``place`` comes from, or ``None`` where there is none."""
    person = analysis.person
    signal = int(analysis.signals[place])
    y = person.reports[:, symptom.symptom]
    lags = np.arange(-analysis.max_lag, analysis.max_lag + 1, _STEP)
    smooth = _windowed(person.hourly[:, signal])
    correlation, count = np.zeros(len(lags)), np.zeros(len(lags))
    for i, lag in enumerate(lags):
        x = _aligned(smooth, person.report_hours, float(lag))
        both = np.isfinite(x) & np.isfinite(y)
        if both.sum() >= _MIN_PAIRS and np.ptp(x[both]) > 0 and np.ptp(y[both]) > 0:
            correlation[i], count[i] = _r(x[both], y[both]), both.sum()
    z = np.abs(np.arctanh(np.clip(correlation, -0.999, 0.999))) * np.sqrt(np.maximum(count - 3, 0))
    best = int(z.argmax())
    if 2 * norm.sf(z[best]) * len(lags) > _LEVEL:
        return None
    if symptom.selected and place not in symptom.selected[:1]:
        rival = int(symptom.shared[place].argmax())
        if symptom.shared[place, rival] > 1.0:
            return person.signals[int(analysis.signals[rival])]
    x = _aligned(smooth, person.report_hours, float(lags[best]))
    left = {
        name: abs(_partial(x, y, columns, person.report_hours, float(lags[best])))
        for name, columns in analysis.groups.items()
    }
    name = min(left, key=lambda key: left[key])
    return name if left[name] < (1 - _EXPLAINS) * abs(correlation[best]) else "inertia"


def _windowed(values: Floats, width: int = 6) -> Floats:
    """Return the running mean over what was measured within the window, ``(hours,)``."""
    seen = np.isfinite(values)
    kernel = np.ones(width + 1)
    total = np.convolve(np.where(seen, values, 0.0), kernel, "same")[: len(values)]
    count = np.convolve(seen.astype(float), kernel, "same")[: len(values)]
    return np.where(count > 0.5, total / np.maximum(count, 1), np.nan)


def _aligned(series: Floats, report_hours: Floats, lag: float) -> Floats:
    cell = np.round(report_hours - lag).astype(np.int64)
    inside = (cell >= 0) & (cell < len(series))
    return np.where(inside, series[np.clip(cell, 0, len(series) - 1)], np.nan)


def _partial(x: Floats, y: Floats, columns: Floats, report_hours: Floats, lag: float) -> float:
    """Return the correlation after the columns, each at its own side's time, are taken out of both."""
    here = np.column_stack([np.ones(len(y)), *(_aligned(c, report_hours, 0.0) for c in columns.T)])
    there = np.column_stack([np.ones(len(y)), *(_aligned(c, report_hours, lag) for c in columns.T)])
    both = np.isfinite(x) & np.isfinite(y) & np.isfinite(here).all(1) & np.isfinite(there).all(1)
    if both.sum() < here.shape[1] + _MIN_PAIRS:
        return np.inf
    rest_y = y[both] - here[both] @ np.linalg.lstsq(here[both], y[both], rcond=None)[0]
    rest_x = x[both] - there[both] @ np.linalg.lstsq(there[both], x[both], rcond=None)[0]
    return _r(rest_x, rest_y) if rest_x.std() > 0 and rest_y.std() > 0 else 0.0


def _r(x: Floats, y: Floats) -> float:
    x, y = x - x.mean(), y - y.mean()
    return float(x @ y / np.sqrt((x @ x) * (y @ y)))
