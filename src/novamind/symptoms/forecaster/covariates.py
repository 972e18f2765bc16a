"""What else is known of a person: starts of treatment, and signals such as sleep or steps.

The network reads a recorded start of treatment. It was trained on simulated persons: the start is recorded for half of
them, and many are not helped. What a signal is worth differs from person to person, so it is learned from the
person's own record alone, and only as far as that record is evidence for it: beside the record's own level and recent
course, each signal's latest value and three-day mean may or may not carry news of the report ``h`` days later. These
hypotheses are averaged by their posterior probabilities under Zellner's g-prior with unit information (Liang et al.
2008, J Am Stat Assoc 103:410; Bayesian model averaging: Hoeting et al. 1999, Stat Sci 14:382), with the number of days
reduced for autocorrelation (Pyper & Peterman 1998, Can J Fish Aquat Sci 55:2127). A signal without news moves nothing.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from novamind.errors import ValidationError
from novamind.records.tables.frames import LongFrame
from novamind.symptoms.forecaster.preprocessing import LOOKBACK_DAYS, Array
from novamind.symptoms.interpolation import interpolate

#: The signal whose rows are starts of treatment; what stands in ``value`` does not matter.
TREATMENT_START = "treatment_start"
#: Probability before the record is seen that any of the signals carries news at a given horizon.
_PRIOR = 0.1
_MIN_DAYS = 30
_HORIZONS = np.array([1, 2, 5, 11, 22])
_LAGS = 14  # autocorrelation that is counted
_LARGEST_SHIFT = 0.25  # of the scale
#: How far a known start of treatment moves the forecast, of what the network says. The network expects what treatments
#: do in its population (two in three help); half of that keeps most of the gain where treatment works, and costs little
#: where it does not (benchmarks/forecast_truth.py).
BELIEF_IN_TREATMENT = 0.5

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Covariates:
    """Daily values of one person's signals beside the days of one series.

    Attributes
    ----------
    names
        One per signal.
    signals
        ``(signals, days)``, ``NaN`` where there was nothing; the last column is the last day of the series.
    treated
        Days from the latest start of treatment to that day; ``NaN`` where none is known within the days that are
        looked back on.
    """

    names: tuple[str, ...]
    signals: Floats
    treated: float


def covariates_of(frame: LongFrame, patient_id: str | None, days: NDArray[np.datetime64]) -> Covariates:
    """Return one patient's covariates up to the last of ``days``; later rows are not looked at.

    Raises
    ------
    ValidationError
        If the frame names patients and the series does not, or the other way round.
    """
    if (patient_id is None) != any(key.patient_id is None for key in frame.series):
        raise ValidationError("covariates and history must both have the column patient_id, or neither")
    names, rows, treated = [], [], np.nan
    for i, key in enumerate(frame.series):
        if key.patient_id != patient_id:
            continue
        part = frame.part(i)
        day = (frame.timestamps[part].astype("datetime64[D]") - days[0]).astype(np.int64)
        if key.name == TREATMENT_START:
            started = day[day < len(days)]
            since = float(len(days) - 1 - started.max()) if len(started) else np.nan
            treated = since if since < LOOKBACK_DAYS else np.nan  # before all that the network sees: no news
            continue
        value = frame.values[part]
        usable = (day >= 0) & (day < len(days)) & np.isfinite(value)
        count = np.bincount(day[usable], minlength=len(days))
        total = np.bincount(day[usable], value[usable], minlength=len(days))
        names.append(key.name)
        rows.append(np.where(count > 0, total / np.maximum(count, 1), np.nan))
    return Covariates(tuple(names), np.array(rows).reshape(len(names), len(days)), treated)


def signal_shifts(reports: Floats, signals: Floats, horizon: int) -> Floats:
    """Return the shift of each day's forecast by each signal, ``(signals, horizon)``, in units of ``reports``.

    Parameters
    ----------
    reports
        ``(days,)`` on the unit scale, ``NaN`` where there was no report.
    signals
        ``(signals, days)``.
    """
    reports, signals = reports[-LOOKBACK_DAYS:], signals[:, -LOOKBACK_DAYS:]
    shifts = np.zeros((len(signals), len(_HORIZONS)))
    if len(signals):
        course = _course(reports)
        candidates = np.concatenate([signals, _three_day_means(signals)])
        for column, ahead in enumerate(_HORIZONS):
            moved = _averaged(course, candidates, reports, int(ahead))
            shifts[:, column] = moved.reshape(2, -1).sum(0)
    daily = interpolate(shifts, _HORIZONS, np.arange(1, horizon + 1), 1)
    return np.clip(daily, -_LARGEST_SHIFT, _LARGEST_SHIFT)


def informed(plain: Array, treated: Array, signal_shift: Floats) -> Array:
    """Return quantiles that know of treatments and signals.

    Parameters
    ----------
    plain, treated
        ``(..., horizon, 21)`` on the unit scale, of the record without and with the start of treatment.
    signal_shift
        ``(..., horizon)``: how far all signals together move every quantile.
    """
    # Somewhere between a treatment that helps as often as in the population of the network and one that does not.
    moved = plain + BELIEF_IN_TREATMENT * (treated - plain) + signal_shift[..., None]
    return np.clip(moved, 0, 1).astype(np.float32)


def _course(reports: Floats) -> Floats:
    """Return the record's own level on each day: 1, a quick and a slow exponential average, ``(3, days)``."""
    reported = np.isfinite(reports)
    filled = np.where(reported, reports, 0.0)
    averages = []
    for keep in (0.6, 0.95):
        total = weight = 0.0
        row = np.empty(len(reports))
        for day in range(len(reports)):
            total, weight = keep * total + filled[day], keep * weight + reported[day]
            row[day] = total / weight if weight > 0 else np.nan
        averages.append(row)
    return np.array([np.ones(len(reports)), *averages])


def _three_day_means(signals: Floats) -> Floats:
    padded = np.pad(signals, ((0, 0), (2, 0)), constant_values=np.nan)
    window = np.lib.stride_tricks.sliding_window_view(padded, 3, axis=1)
    count = np.isfinite(window).sum(-1)
    return np.where(count > 0, np.nansum(window, -1) / np.maximum(count, 1), np.nan)


def _averaged(course: Floats, candidates: Floats, reports: Floats, ahead: int) -> Floats:
    """Return the posterior mean of each candidate's contribution to the report ``ahead`` days after the last one."""
    then = np.concatenate([reports[ahead:], np.full(min(ahead, len(reports)), np.nan)])
    log_odds = np.full(len(candidates), -np.inf)
    contribution = np.zeros(len(candidates))
    for i, signal in enumerate(candidates):
        complete = np.isfinite(then) & np.isfinite(signal) & np.isfinite(course).all(0)
        if complete.sum() < _MIN_DAYS or not np.isfinite(signal[-1]) or np.ptp(signal[complete]) == 0:
            continue
        basis = course[:, complete]
        ridge = basis @ basis.T + 1e-6 * np.eye(len(basis))
        news = np.linalg.solve(ridge, basis @ signal[complete])
        x = signal[complete] - news @ basis
        y = then[complete] - np.linalg.solve(ridge, basis @ then[complete]) @ basis
        xx, yy = float(x @ x), float(y @ y)
        if xx <= 1e-9 * float(signal[complete] @ signal[complete]) or yy <= 1e-12:
            continue
        slope = float(x @ y) / xx
        explained = min(slope**2 * xx / yy, 0.999)
        n = _effective(x, y) - len(basis)
        # Unit-information g-prior: g = n. Bayes factor against "no news".
        log_odds[i] = 0.5 * ((n - 1) * np.log1p(n) - n * np.log1p(n * (1 - explained)))
        contribution[i] = n / (1 + n) * slope * (signal[-1] - news @ course[:, -1])
    log_odds += np.log(_PRIOR / len(candidates))
    largest = max(np.log(1 - _PRIOR), log_odds.max())
    weight = np.exp(log_odds - largest)
    out: Floats = weight / (weight.sum() + np.exp(np.log(1 - _PRIOR) - largest)) * contribution
    return out


def _effective(x: Floats, y: Floats) -> float:
    """Return the number of days, reduced where both are autocorrelated."""
    n = len(x)
    lags = min(_LAGS, n // 4)
    own, other = (np.correlate(z, z, "full")[n - 1 : n + lags] for z in (x, y))
    inflation = 1 + 2 * float(own[1:] @ other[1:]) / (own[0] * other[0])
    return float(np.clip(n / max(inflation, 1.0), 8, n))
