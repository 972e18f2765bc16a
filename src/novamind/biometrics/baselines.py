"""What is usual for this person at this hour, estimated from the past alone.

A signal on hourly cells is compared with a baseline fitted before its day began:

    expected = level, at the end of a robust trend line + hour of the day + weekend

Hours and days are separated by median polish (Tukey 1977, "Exploratory Data Analysis", ch. 11), the trend is the
Theil-Sen line through the days (Sen 1968, JASA 63:1379), the weekend counts once four weekends are known, and the
scale is the median absolute deviation of the hour and its two neighbours. Half of the past may be disturbed before
any of these breaks. A baseline is fitted anew every few days on the days before; nothing later is looked at. (For
links, :mod:`novamind.biometrics.rhythm` takes rhythms out of a whole record; an alarm may know the past only.)
"""

from dataclasses import dataclass

import numpy as np

from novamind.biometrics.domain import Floats, Integers, Mask
from novamind.errors import ValidationError

_MAD_TO_SD = 1.4826
_POLISH_ROUNDS = 4
_WEEKENDS_NEEDED = 4
#: A scale is at least this share of the signal's overall scale: an hour that never varied says nothing.
_LEAST_SCALE = 0.2


@dataclass(frozen=True, slots=True)
class Baseline:
    """What was usual at each hourly cell.

    Attributes
    ----------
    expected, scale
        ``(hours,)``, in the signal's unit; ``NaN`` before enough days are known.
    deviation
        ``(hours,)``: (value - expected) / scale; ``NaN`` where there is no value or no baseline.
    slope_per_day
        ``(hours,)``: the trend in force, in the signal's unit.
    days_known
        ``(hours,)``: days with values that the baseline in force rests on.
    """

    expected: Floats
    scale: Floats
    deviation: Floats
    slope_per_day: Floats
    days_known: Integers


def personal_baseline(
    values: Floats,
    first_hour: int = 0,
    *,
    window_days: int = 56,
    least_days: int = 14,
    refit_days: int = 3,
) -> Baseline:
    """Return what was usual at each hour before it, and how far the hour deviates from it.

    Parameters
    ----------
    values
        ``(hours,)`` of local time, one signal, ``NaN`` where nothing was measured.
    first_hour
        Hours from a Monday's midnight to the first cell, so that hour of the day and weekend are known.
    window_days
        How many days back a baseline looks.
    least_days
        Days with values before there is a baseline.
    refit_days
        Days from one fit to the next.

    Raises
    ------
    ValidationError
        Values are not one-dimensional or infinite, or a number of days is not positive.
    """
    signal = np.asarray(values, dtype=np.float64)
    if signal.ndim != 1 or np.isinf(signal).any():
        raise ValidationError("a signal must be one row of finite hourly values, NaN where nothing was measured")
    if min(window_days, least_days, refit_days) < 1:
        raise ValidationError("window_days, least_days and refit_days must be at least 1")
    lead = first_hour % 24
    table = _by_day(signal, first_hour)
    n_days = len(table)
    weekend = (first_hour // 24 + np.arange(n_days)) % 7 >= 5

    expected, scale = np.full_like(table, np.nan), np.full_like(table, np.nan)
    slope, days_known = np.full(n_days, np.nan), np.zeros(n_days, np.int64)
    for day in range(least_days, n_days, refit_days):
        past = slice(max(0, day - window_days), day)
        some = ~np.isnan(table[past]).all(axis=1)
        coming = slice(day, min(day + refit_days, n_days))
        days_known[coming] = some.sum()
        if some.sum() >= least_days:
            fit = _fit(table[past], weekend[past])
            ahead = np.arange(coming.start, coming.stop) - (past.stop - 1)
            days = fit.level + fit.slope * ahead + fit.weekend * weekend[coming]
            expected[coming] = days[:, None] + fit.hours
            scale[coming] = fit.scale
            slope[coming] = fit.slope
    cells = slice(lead, lead + len(signal))
    expected, scale = expected.ravel()[cells], scale.ravel()[cells]
    deviation = np.divide(signal - expected, scale, out=np.full(len(signal), np.nan), where=scale > 0)
    return Baseline(expected, scale, deviation, np.repeat(slope, 24)[cells], np.repeat(days_known, 24)[cells])


@dataclass(frozen=True, slots=True)
class _Fit:
    level: float
    slope: float
    weekend: float
    hours: Floats
    scale: Floats


def _fit(table: Floats, weekend: Mask) -> _Fit:
    """Fit the baseline to ``(days, 24)``; ``level`` is that of the last day."""
    hours, days = _polished(table)
    some = ~np.isnan(days)
    effect = 0.0
    if min(np.sum(some & weekend), np.sum(some & ~weekend)) >= 2 * _WEEKENDS_NEEDED:
        effect = float(np.median(days[some & weekend]) - np.median(days[some & ~weekend]))
    at = np.flatnonzero(some)
    plain = days[some] - effect * weekend[some]
    slope = _theil_sen(at.astype(np.float64), plain)
    level = float(np.median(plain - slope * (at - (len(table) - 1))))
    line = level + slope * (np.arange(len(table)) - (len(table) - 1)) + effect * weekend
    residual = np.abs(table - line[:, None] - hours)
    around = np.concatenate([np.roll(residual, 1, axis=1), residual, np.roll(residual, -1, axis=1)])
    overall = _MAD_TO_SD * float(np.nanmedian(residual)) or float(np.nanstd(table))
    scale = np.maximum(np.nan_to_num(_MAD_TO_SD * nan_median(around.T)), _LEAST_SCALE * overall)
    return _Fit(level, slope, effect, hours, scale)


def _polished(table: Floats) -> tuple[Floats, Floats]:
    """Return hours ``(24,)`` and days ``(days,)`` of a median polish of ``(days, 24)``; an empty day is ``NaN``."""
    hours, days = np.zeros(24), np.zeros(len(table))
    for _ in range(_POLISH_ROUNDS):
        days = nan_median(table - hours)
        hours = np.nan_to_num(nan_median((table - days[:, None]).T))
    return hours, days


def daily_levels(values: Floats, first_hour: int = 0) -> Floats:
    """Return the level of each day, ``(days,)``, whatever hours of it were measured; ``NaN`` for a day without values.

    Parameters as in :func:`personal_baseline`.
    """
    hours, days = _polished(_by_day(values, first_hour))
    return days + float(np.median(hours))


def _by_day(values: Floats, first_hour: int) -> Floats:
    lead = first_hour % 24
    table = np.full((-(-(lead + len(values)) // 24), 24), np.nan)
    table.ravel()[lead : lead + len(values)] = values
    return table


def _theil_sen(at: Floats, values: Floats) -> float:
    first, second = np.triu_indices(len(at), k=max(1, len(at) // 4))
    if not len(first):
        return 0.0
    return float(np.median((values[second] - values[first]) / (at[second] - at[first])))


def nan_median(rows: Floats) -> Floats:
    """Return the median along the last axis without ``NaN``; ``NaN`` for a row that holds nothing else."""
    ordered = np.sort(rows, axis=-1)  # NaN stands last
    count = (~np.isnan(rows)).sum(axis=-1)
    low, high = (np.maximum(count - 1, 0) // 2)[..., None], (count // 2)[..., None]
    middle = np.take_along_axis(ordered, low, -1) + np.take_along_axis(
        ordered, np.minimum(high, rows.shape[-1] - 1), -1
    )
    return np.where(count > 0, middle[..., 0] / 2, np.nan)
