"""What a forecaster may know about a history, as a table: one row a series, all from days up to the origin."""

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from novamind.symptoms.domain import LEVELS
from novamind.symptoms.forecaster.preprocessing import Array, Histories

#: Days over which "recent" is meant, as in the 28-day mean, the yardstick of this field.
RECENT_DAYS = 28

#: Name of each column of :attr:`Summary.table`, and its meaning for people.
FEATURES: dict[str, str] = {
    "level": "person's level",
    "spread": "person's usual variation",
    "last": "latest report",
    "previous": "report before the latest",
    "mean_3": "mean of the last 3 reports",
    "mean_7_days": "mean of the last 7 days",
    "mean_14_days": "mean of the last 14 days",
    "fast_level": "quickly adapting level",
    "slow_level": "slowly adapting level",
    "all_mean": "mean of the whole record",
    "low_quantile": "recent 10 % quantile",
    "median": "recent median",
    "high_quantile": "recent 90 % quantile",
    "maximum": "highest report of the record",
    "recent_spread": "variation of the last 7 days",
    "all_spread": "variation of the whole record",
    "jumpiness": "change from report to report",
    "slope": "slope over the last 28 days",
    "inertia": "likeness of neighbouring days",
    "floor_share": "share of reports at the best value",
    "ceiling_share": "share of reports at the worst value",
    "mode_share": "share of the commonest answer",
    "repeat_share": "share of repeated answers",
    "reports": "number of reports",
    "recent_reports": "reports in the last 28 days",
    "gap": "days since the latest report",
    "record_days": "days since the first report",
    "step": "step of the scale",
    "weekday_effect": "usual deviation on that weekday",
    "weekday": "weekday",
    "horizon": "days ahead",
}
_PER_DAY = 3  # the last three columns differ from day to day of the forecast
#: So many times must weekdays differ as much as chance has it before any of it is believed.
_EVIDENCE = 2


@dataclass(frozen=True)
class Summary:
    """Statistics of a batch of histories.

    ``level`` and ``spread`` ``(series,)`` are the person's centre and variation on the unit scale: the mean and
    standard deviation of the recent reports, shrunk towards the whole record and, with few reports, towards the
    population. ``recent_quantiles`` ``(series, 21)`` are at :data:`LEVELS`. Every statistic of ``table`` that is a
    value is expressed as its distance from ``level`` in units of ``spread``, so that trees learn one rule for all
    scales.
    """

    histories: Histories
    level: Array
    spread: Array
    recent_quantiles: Array
    reports: Array
    weekday_means: Array
    table: Array

    @classmethod
    def join(cls, parts: Sequence["Summary"]) -> "Summary":
        """Return the summary of all series of several batches."""
        arrays = {
            f.name: np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(cls) if f.name != "histories"
        }
        return cls(Histories.join([p.histories for p in parts]), **arrays)

    def row(self, i: int) -> "Summary":
        """Return the summary of one series."""
        at = slice(i, i + 1)
        return Summary(
            self.histories.rows(at),
            self.level[at],
            self.spread[at],
            self.recent_quantiles[at],
            self.reports[at],
            self.weekday_means[at],
            self.table[at],
        )

    def weekday_effect(self, horizons: NDArray[np.int64]) -> tuple[Array, NDArray[np.int64]]:
        """Return the person's usual deviation on the weekday of each day ahead, and that weekday (-1 unknown)."""
        first = self.histories.weekday[:, None]
        dated = first >= 0
        target = np.where(dated, (first + horizons[None, :] - 1) % 7, 0)
        effect = np.take_along_axis(self.weekday_means, target, axis=1)
        return np.where(dated, effect, 0).astype(np.float32), np.where(dated, target, -1)

    def per_day(self, horizons: NDArray[np.int64]) -> Array:
        """Return feature rows ``(series, len(horizons), features)`` for the given days ahead, 1 the first."""
        day = np.empty((len(self.level), len(horizons), len(FEATURES)), dtype=np.float32)
        day[..., :-_PER_DAY] = self.table[:, None, :]
        day[..., -3], day[..., -2] = self.weekday_effect(horizons)
        day[..., -1] = horizons
        return day


def _mean(filled: Array, seen: Array, weight: Array | None = None) -> tuple[Array, Array]:
    """Return the weighted mean over days and its weight; 0 where nothing was seen."""
    if weight is None:
        total, count = filled.sum(1, dtype=np.float64), seen.sum(1, dtype=np.float64)
    else:
        total, count = (filled * weight).sum(1, dtype=np.float64), (seen * weight).sum(1, dtype=np.float64)
    return np.divide(total, count, out=np.zeros_like(total), where=count > 0), count


def _sorted_quantiles(values: Array) -> Array:
    """Return each row's quantiles at :data:`LEVELS` (linear), ``NaN`` ignored; rows need one finite value."""
    ordered = np.sort(values, axis=1)  # NaN last
    count = np.isfinite(ordered).sum(1)
    position = np.maximum(count - 1, 0)[:, None] * LEVELS[None, :]
    below = np.floor(position).astype(np.int64)
    above = np.minimum(below + 1, np.maximum(count - 1, 0)[:, None])
    share = (position - below).astype(np.float32)
    low, high = np.take_along_axis(ordered, below, 1), np.take_along_axis(ordered, above, 1)
    out: Array = np.nan_to_num(low + (high - low) * share).astype(np.float32)
    return out


def _weekday_means(values: Array, spread: Array) -> Array:
    """A person's usual deviation on each of the seven days after the last one, ``(series, 7)``, in units of the spread.

    Means of the last eight weeks, shrunk by what the record says of them: hardly where the weekday explains nearly
    everything, to nothing where weekdays differ little more than chance has it (empirical Bayes with components of
    variance: Efron & Morris 1973, J Am Stat Assoc 68:117).
    """
    recent = np.full((len(values), 8 * 7), np.nan, np.float32)
    days = min(values.shape[1], 8 * 7)
    recent[:, 8 * 7 - days :] = values[:, -days:]
    seen = np.isfinite(recent).reshape(len(values), 8, 7)
    weeks = np.where(seen, recent.reshape(seen.shape), 0)
    mean, count = _mean(weeks, seen)
    reports, others = count.sum(1), np.maximum((count > 0).sum(1) - 1, 1)
    deviation = mean - ((count * mean).sum(1) / np.maximum(reports, 1))[:, None]
    squares = (np.where(seen, weeks - mean[:, None], 0) ** 2).sum((1, 2))
    # Few weeks say little of the variation within a weekday; the person's spread counts as four more reports.
    within = (squares + 4 * spread**2) / (np.maximum(reports - others - 1, 0) + 4)
    between = (count * deviation**2).sum(1) / others
    reports_each = np.maximum(reports - (count**2).sum(1) / np.maximum(reports, 1), 1) / others
    rhythm = count * (np.maximum(between - _EVIDENCE * within, 0) / reports_each)[:, None]
    out: Array = (rhythm / (rhythm + within[:, None]) * deviation / spread[:, None]).astype(np.float32)
    return out


def summarise(histories: Histories) -> Summary:
    """Compute every statistic for a batch of histories, each with at least one report."""
    values = histories.values
    days = values.shape[1]
    mask = np.isfinite(values)
    seen = mask.astype(np.float32)
    filled = np.where(mask, values, 0).astype(np.float32)
    age = np.arange(days - 1, -1, -1, dtype=np.float32)  # 0 on the origin day
    from_last = np.cumsum(seen[:, ::-1], axis=1)[:, ::-1]  # 1 at the latest report, 2 at the one before ...

    reports = seen.sum(1)
    all_mean, _ = _mean(filled, seen)
    # Recent: the last 28 days, and never fewer than the last 8 reports, for people who report seldom.
    recent = mask & ((age < RECENT_DAYS)[None, :] | (from_last <= 8))
    recent_mean, recent_count = _mean(np.where(recent, filled, 0), recent.astype(np.float32))
    all_var, _ = _mean(np.where(mask, (filled - all_mean[:, None]) ** 2, 0), seen)
    recent_var, _ = _mean(np.where(recent, (filled - recent_mean[:, None]) ** 2, 0), recent.astype(np.float32))
    level = (recent_mean * recent_count + all_mean * 3) / (recent_count + 3)
    # With few reports the variation of people near the middle of a scale is larger than at its ends.
    prior_var = 0.012 + 0.06 * level * (1 - level)
    variance = (recent_var * recent_count + all_var * 3 + prior_var * 2) / (recent_count + 5)
    spread: Array = np.sqrt(variance).astype(np.float32)

    def standard(x: Array) -> Array:
        out: Array = ((x - level) / spread).astype(np.float32)
        return out

    def last_reports(k: int) -> Array:
        chosen = mask & (from_last <= k)
        return _mean(np.where(chosen, filled, 0), chosen.astype(np.float32))[0]

    def last_days(k: int) -> Array:
        mean, count = _mean(filled[:, -k:], seen[:, -k:])
        out: Array = np.where(count > 0, mean, level).astype(np.float32)
        return out

    fast, fast_weight = _mean(filled, seen, (0.7 ** age.astype(np.float64)).astype(np.float32))
    slow, _ = _mean(filled, seen, (0.93 ** age.astype(np.float64)).astype(np.float32))
    fast = (fast * fast_weight + level * 0.3) / (fast_weight + 0.3)
    latest, first = _mean(filled * (from_last == 1), seen * (from_last == 1))[0], last_reports(2)
    previous = np.where(reports > 1, 2 * first - latest, latest)
    recent_values = np.where(recent, values, np.nan)[:, -min(days, 364) :]
    quantiles = _sorted_quantiles(recent_values)
    low, middle, high = quantiles[:, np.isin(LEVELS, (0.1, 0.5, 0.9))].T

    week = seen[:, -7:]
    week_mean, _ = _mean(filled[:, -7:], week)
    week_var, _ = _mean(week * (filled[:, -7:] - week_mean[:, None]) ** 2, week)
    both = seen[:, 1:] * seen[:, :-1]
    change, pairs = _mean(both * np.abs(np.diff(filled, axis=1)), both)
    repeats, _ = _mean(both * (np.abs(np.diff(filled, axis=1)) < 1e-6), both)
    centred = np.where(mask, filled - all_mean[:, None], 0)
    product = (centred[:, 1:] * centred[:, :-1]).sum(1, dtype=np.float64)
    inertia = product / ((all_var + 0.003) * (pairs + 5))

    recent_age = np.where(recent & (age < RECENT_DAYS)[None, :], age[None, :], np.nan)
    usable = np.isfinite(recent_age)
    count = np.maximum(usable.sum(1), 1)
    age_mean = np.where(usable, recent_age, 0).sum(1, dtype=np.float64) / count
    deviation = np.where(usable, recent_age - age_mean[:, None], 0)
    slope = -(deviation * centred).sum(1, dtype=np.float64) / ((deviation**2).sum(1, dtype=np.float64) + 200) * 7

    close = mask & (np.abs(filled - middle[:, None]) < 1e-6)
    weekday_means = _weekday_means(values, spread)
    # Column = calendar weekday.
    shift = (np.arange(7)[None, :] - np.maximum(histories.weekday, 0)[:, None]) % 7
    weekday_means = np.take_along_axis(weekday_means, shift, axis=1)

    gap = np.where(mask, age[None, :], np.inf).min(1)
    record = np.where(mask, age[None, :], -1).max(1) + 1
    maximum = np.where(mask, filled, -1).max(1)
    columns_of = {
        "level": level,
        "spread": spread,
        "last": standard(latest),
        "previous": standard(previous),
        "mean_3": standard(last_reports(3)),
        "mean_7_days": standard(last_days(7)),
        "mean_14_days": standard(last_days(14)),
        "fast_level": standard(fast),
        "slow_level": standard(slow),
        "all_mean": standard(all_mean),
        "low_quantile": standard(low),
        "median": standard(middle),
        "high_quantile": standard(high),
        "maximum": standard(maximum),
        "recent_spread": np.sqrt(week_var) / spread,
        "all_spread": np.sqrt(all_var) / spread,
        "jumpiness": change / spread,
        "slope": slope / spread,
        "inertia": inertia,
        "floor_share": (mask & (filled <= 1e-6)).sum(1) / reports,
        "ceiling_share": (mask & (filled >= 1 - 1e-6)).sum(1) / reports,
        "mode_share": close.sum(1) / reports,
        "repeat_share": repeats,
        "reports": np.minimum(reports, 120),
        "recent_reports": seen[:, -RECENT_DAYS:].sum(1),
        "gap": np.minimum(gap, 60),
        "record_days": np.minimum(record, 200),
        "step": histories.step,
    }
    table = np.column_stack([columns_of[name] for name in list(FEATURES)[:-_PER_DAY]]).round(5).astype(np.float32)
    return Summary(
        histories=histories,
        level=level.astype(np.float32),
        spread=spread,
        recent_quantiles=quantiles.astype(np.float32),
        reports=reports,
        weekday_means=weekday_means,
        table=table,
    )
