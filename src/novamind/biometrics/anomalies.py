"""Departures from the own baseline, by a sequential test that looks at every hour and states its false-alarm rate.

Deviations from the personal baseline are

1. ranked among the past ones of the same part of the day (Mondrian conformal prediction, Vovk, Gammerman and Shafer
   2005, "Algorithmic Learning in a Random World", ch. 4), ties broken at random, and written as normal scores: steps,
   heart rate and sleep become alike;
2. whitened: a Kalman filter foretells each from the person's own past, gaps and all, as a fast and a slow
   Ornstein-Uhlenbeck process and noise (Durbin and Koopman 2012, "Time Series Analysis by State Space Methods", ch.
   4). Of 36 such models the one that foretold the past best is used, chosen anew every week. What the same hour
   brought on the days before is taken off;
3. ranked again as in 1, so that under no change the scores are standard normal whatever whitening left of their
   distribution, and divided by the long-run SD that the past shows, so that what it left of dependence counts against
   an alarm;
4. bet on: a score ``s`` pays ``exp(d s - d^2 / 2)`` for each of several shifts ``d``, up and down; under no change the
   mean payment is 1.

The payments accumulate as in Shiryaev and Roberts: ``M <- e (M + w)``, ``w`` the hours since the last value, and the
mean over the shifts is compared with a threshold. Under no change ``M`` minus the hours passed is a martingale, so
the mean time to a false alarm is at least the threshold in hours (Shin, Ramdas and Rinaldo 2023, "E-detectors", arXiv
2203.03532): a threshold of 91 days means at most one false alarm a quarter on average. Gaps and irregular wear do not
matter to this. With several signals of one person each gets an equal share of the rate.

What the guarantee rests on: that scores are standard normal given the past, i.e. that whitening leaves no dependence
and that the baseline holds. Both are only nearly so, therefore the rate is measured on simulated persons
(docs/wearables.md).
"""

from dataclasses import dataclass

import numpy as np
from scipy.signal import lfilter
from scipy.special import ndtri

from novamind.biometrics.domain import Floats
from novamind.errors import ValidationError

QUARTER_DAYS = 91.0
#: Time constants of the fast and the slow part in hours, share of the slow part, share of noise.
_MODELS = ((1.0, 2.5, 6.0, 15.0), (48.0, 150.0, 500.0), (0.1, 0.3, 0.6), (0.0, 0.15, 0.4))
_SHIFTS = (0.25, 0.5, 1.0, 2.0)
_REFIT_HOURS = 7 * 24
_HOURS_KEPT_DAYS = 30.0
_PRIOR_DAYS = 12.0
_BLOCK_HOURS = 72
_PRIOR_BLOCKS = 5.0
_PRIOR_RATIO = 2.0
_WINDOW_HOURS = 56 * 24
_PARTS_OF_DAY = 4
_LEAST_RANKED = 30
_JOINED_HOURS = 72
_FIRST_LOOK = 4096  # rows looked through for the next alarm; doubled while there is none


@dataclass(frozen=True, slots=True)
class Anomaly:
    """A departure from the baseline.

    Attributes
    ----------
    start_hour
        Cell at which the departure most likely began.
    alarm_hour
        Cell at which the test crossed its threshold.
    direction
        +1 above the baseline, -1 below.
    mean_deviation
        Mean deviation from start to alarm, in the baseline's SD.
    evidence
        The statistic over its threshold, at least 1.
    """

    start_hour: int
    alarm_hour: int
    direction: int
    mean_deviation: float
    evidence: float


def innovations(scores: Floats) -> Floats:
    """Return what a person's own past does not predict of each hour, in predicted SD.

    Parameters
    ----------
    scores
        ``(signals, hours)``, about standard normal, ``NaN`` where there is no value.

    Returns
    -------
    ``(signals, hours)``; ``NaN`` where there is no value.
    """
    observed = ~np.isnan(scores)
    filled = np.where(observed, scores, 0.0)
    fast_hours, slow_hours, slow_share, noise_share = (grid.ravel() for grid in np.meshgrid(*_MODELS, indexing="ij"))
    keep_fast, keep_slow = np.exp(-1 / fast_hours), np.exp(-1 / slow_hours)
    var_slow, noise = slow_share * (1 - noise_share), noise_share
    var_fast = 1 - var_slow - noise
    add_fast, add_slow = var_fast * (1 - keep_fast**2), var_slow * (1 - keep_slow**2)
    shape = (len(scores), len(fast_hours))
    fast, slow = np.zeros(shape), np.zeros(shape)
    p_fast, p_slow, p_both = np.tile(var_fast, (shape[0], 1)), np.tile(var_slow, (shape[0], 1)), np.zeros(shape)
    likelihood, chosen = np.zeros(shape), np.zeros(len(scores), np.int64)
    signals = np.arange(len(scores))
    left = np.full(scores.shape, np.nan)
    for hour in range(scores.shape[1]):
        if hour % _REFIT_HOURS == 0:
            chosen = likelihood.argmax(axis=1)
        fast, slow = keep_fast * fast, keep_slow * slow
        p_fast, p_slow = keep_fast**2 * p_fast + add_fast, keep_slow**2 * p_slow + add_slow
        p_both = keep_fast * keep_slow * p_both
        seen = observed[:, hour]
        if not seen.any():
            continue
        to_fast, to_slow = p_fast + p_both, p_slow + p_both
        variance = to_fast + to_slow + noise
        error = filled[:, hour, None] - fast - slow
        weight = seen[:, None] / variance
        likelihood -= seen[:, None] * (np.log(variance) + error**2 / variance) / 2
        left[seen, hour] = (error / np.sqrt(variance))[signals, chosen][seen]
        fast, slow = fast + to_fast * weight * error, slow + to_slow * weight * error
        p_fast, p_slow, p_both = (
            p_fast - to_fast**2 * weight,
            p_slow - to_slow**2 * weight,
            p_both - to_fast * to_slow * weight,
        )
    return left


def without_usual_hours(innovation: Floats) -> Floats:
    """Return each value less what its hour of the day brought on the days before, ``(signals, hours)``.

    The baseline's hours are known only so well, and their errors come back every day: the mean of the same hour's past
    values is taken off, drawn to 0 as if the baseline's hours rested on twelve more days.
    """
    signals, hours = innovation.shape
    days = -(-hours // 24)
    table = np.full((signals, days * 24), np.nan)
    table[:, :hours] = innovation
    table = table.reshape(signals, days, 24)
    observed = ~np.isnan(table)
    keep = np.exp(-1 / _HOURS_KEPT_DAYS)
    total, count = (
        lfilter([0.0, 1.0], [1.0, -keep], part, axis=1) for part in (np.where(observed, table, 0.0), observed * 1.0)
    )
    less: Floats = (table - total / (count + _PRIOR_DAYS)).reshape(signals, days * 24)[:, :hours]
    return less


def conformal_scores(innovation: Floats, first_hour: int = 0, seed: int = 0) -> Floats:
    """Return the normal score of each innovation's rank among past ones of its part of the day, ``(hours,)``.

    Parameters
    ----------
    first_hour
        Hours from a midnight to the first cell.
    seed
        Of the draws that break ties.
    """
    rng = np.random.default_rng(seed)
    hour = first_hour + np.arange(len(innovation))
    part_of_day = hour % 24 * _PARTS_OF_DAY // 24
    block = hour // (24 // _PARTS_OF_DAY)
    scores = np.full(len(innovation), np.nan)
    cells = np.flatnonzero(~np.isnan(innovation))
    for part in range(_PARTS_OF_DAY):
        rows = cells[part_of_day[cells] == part]
        for number in np.unique(block[rows]):
            low, high = np.searchsorted(block[rows], [number, number + 1])
            now = rows[low:high]
            past = rows[np.searchsorted(rows, now[0] - _WINDOW_HOURS) : low]
            if len(past) < _LEAST_RANKED:
                continue
            ordered = np.sort(innovation[past])
            below, upto = (np.searchsorted(ordered, innovation[now], side=side) for side in ("left", "right"))
            rank = below + rng.random(len(now)) * (upto - below + 1)
            scores[now] = ndtri(np.clip(rank / (len(past) + 1), 1e-9, 1 - 1e-9))
    return scores


def calmed(scores: Floats) -> Floats:
    """Return scores divided by the long-run SD that the past shows, ``(hours,)``.

    What whitening leaves of dependence lets sums grow faster than those of independent scores. The variance of the sums
    over past blocks of three days, per score, says how much faster (Csorgo and Horvath 1997, "Limit Theorems in
    Change-Point Analysis", sec. 4.1); it is at least 1 and begins with a cautious prior.
    """
    rows = np.arange(0, len(scores), _BLOCK_HOURS)
    observed = ~np.isnan(scores)
    counts = np.add.reduceat(observed.astype(np.float64), rows)
    squares = np.add.reduceat(np.where(observed, scores, 0.0), rows) ** 2
    keep = np.exp(-_BLOCK_HOURS / _WINDOW_HOURS)
    total, weight = (lfilter([0.0, 1.0], [1.0, -keep], part) for part in (squares, counts))
    prior = _PRIOR_BLOCKS * _BLOCK_HOURS
    ratio = (total + prior * _PRIOR_RATIO) / (weight + prior)
    return np.asarray(scores / np.sqrt(np.maximum(np.repeat(ratio, _BLOCK_HOURS)[: len(scores)], 1.0)))


def detect_anomalies(
    deviations: Floats, first_hour: int = 0, *, false_alarms_per_quarter: float = 1.0, seed: int = 0
) -> tuple[tuple[Anomaly, ...], ...]:
    """Return the departures of one person's signals from their baselines.

    Parameters
    ----------
    deviations
        ``(signals, hours)`` of :func:`novamind.biometrics.baselines.personal_baseline`.
    first_hour
        Hours from a midnight to the first cell.
    false_alarms_per_quarter
        Largest mean number of false alarms in 91 days, of all signals together.
    seed
        Of the draws that break ties.

    Returns
    -------
    The anomalies of each signal, in order of time. Alarms of one direction within 72 hours are one anomaly.
    """
    if deviations.ndim != 2:
        raise ValidationError("deviations must have the shape (signals, hours)")
    if not 0 < false_alarms_per_quarter <= QUARTER_DAYS:
        raise ValidationError("false_alarms_per_quarter must lie above 0 and be at most one a day")
    threshold = QUARTER_DAYS * 24 / false_alarms_per_quarter * len(deviations)
    return tuple(
        _joined([_anomaly(deviation, *alarm) for alarm in shiryaev_roberts(scores, threshold)])
        for deviation, scores in zip(deviations, null_scores(deviations, first_hour, seed), strict=True)
    )


def null_scores(deviations: Floats, first_hour: int = 0, seed: int = 0) -> Floats:
    """Return independent standard normal scores as long as nothing changes: steps 1 to 3 of the module's docstring.

    Returns
    -------
    ``(signals, hours)``; ``NaN`` where there is no value or too little past.
    """
    seeds = np.random.default_rng(seed).integers(2**31, size=(len(deviations), 2))
    ranked = np.array(
        [conformal_scores(row, first_hour, int(s)) for row, (s, _) in zip(deviations, seeds, strict=True)]
    )
    whitened = without_usual_hours(innovations(ranked.reshape(deviations.shape)))
    scores = [calmed(conformal_scores(row, first_hour, int(s))) for row, (_, s) in zip(whitened, seeds, strict=True)]
    return np.array(scores).reshape(deviations.shape)


def shiryaev_roberts(scores: Floats, threshold: float) -> list[tuple[int, int, int, float]]:
    """Return the alarms of the test over normal scores ``(hours,)``; after each alarm it starts anew.

    Returns
    -------
    ``(start, alarm, direction, evidence)`` of each alarm, as in :class:`Anomaly`.
    """
    rows = np.flatnonzero(~np.isnan(scores))
    if not len(rows):
        return []
    shifts = np.array([sign * shift for sign in (1.0, -1.0) for shift in _SHIFTS])
    log_pay = scores[rows, None] * shifts - shifts**2 / 2
    log_wait = np.log(np.diff(rows, prepend=rows[0] - 1).astype(np.float64))
    alarms, begin, ahead = [], 0, _FIRST_LOOK
    while begin < len(rows):
        look = slice(begin, begin + ahead)
        total = np.cumsum(log_pay[look], axis=0)
        # M after row t is the sum over s <= t of w_s * product of the payments from s to t.
        entry = log_wait[look, None] - (total - log_pay[look])
        path = total + np.logaddexp.accumulate(entry, axis=0)
        mean = np.logaddexp.reduce(path, axis=1) - np.log(len(shifts))
        crossed = np.flatnonzero(mean >= np.log(threshold))
        if not len(crossed):
            if begin + ahead >= len(rows):
                break
            ahead *= 2
            continue
        alarm = int(crossed[0])
        best = int(np.argmax(path[alarm]))
        start = int(np.argmax(entry[: alarm + 1, best]))
        direction = 1 if np.logaddexp.reduce(path[alarm, : len(_SHIFTS)]) > np.logaddexp.reduce(
            path[alarm, len(_SHIFTS) :]
        ) else -1  # fmt: skip
        evidence = float(np.exp(min(mean[alarm] - np.log(threshold), 700.0)))
        alarms.append((int(rows[begin + start]), int(rows[begin + alarm]), direction, evidence))
        begin, ahead = begin + alarm + 1, _FIRST_LOOK
    return alarms


def _anomaly(deviation: Floats, start: int, alarm: int, direction: int, evidence: float) -> Anomaly:
    span = deviation[start : alarm + 1]
    return Anomaly(start, alarm, direction, float(np.mean(span[~np.isnan(span)])), evidence)


def _joined(alarms: list[Anomaly]) -> tuple[Anomaly, ...]:
    joined: list[Anomaly] = []
    last = -_JOINED_HOURS - 1
    for alarm in alarms:
        if joined and alarm.direction == joined[-1].direction and alarm.alarm_hour - last <= _JOINED_HOURS:
            last = alarm.alarm_hour
            continue
        joined.append(alarm)
        last = alarm.alarm_hour
    return tuple(joined)


@dataclass(frozen=True, slots=True)
class ChangePoint:
    """A lasting change of a signal's level.

    Attributes
    ----------
    day, day_low, day_high
        First day of the new level, and its 90 % interval.
    before, after
        Mean level on both sides, in the signal's unit.
    """

    day: int
    day_low: int
    day_high: int
    before: float
    after: float


def change_points(days: Floats, *, least_days: int = 7) -> tuple[ChangePoint, ...]:
    """Return the days on which the level of a whole record of daily levels changed, looking back.

    Optimal partitioning (Jackson et al. 2005, IEEE Signal Process Lett 12:105; the exact search that PELT prunes) for
    changes of the mean, with the penalty ``3 log n`` for each, the leading term of the modified BIC (Zhang and Siegmund
    2007, Biometrics 63:22). Costs are sums of squares over the *long-run* variance, so that slow waves are not cut up
    into steps. The interval holds 90 % of the likelihood of the change's place, both levels and all other changes kept.

    Parameters
    ----------
    days
        ``(days,)``, ``NaN`` where nothing was measured.
    least_days
        Days with values that a level must last.
    """
    at = np.flatnonzero(~np.isnan(days))
    values = np.asarray(days, dtype=np.float64)[at]
    variance = _long_run_variance(values)
    if len(values) < 2 * least_days or variance <= 0:
        return ()
    sums = np.concatenate([[0.0], np.cumsum(values)])

    ends = _optimal_partition(values / np.sqrt(variance), 3 * np.log(len(values)), least_days)
    changes = []
    edges = [0, *ends, len(values)]
    for left, middle, right in zip(edges, edges[1:], edges[2:], strict=False):
        places = np.arange(left + 1, right)
        before, after = (sums[middle] - sums[left]) / (middle - left), (sums[right] - sums[middle]) / (right - middle)
        first, second = (
            np.concatenate([[0.0], np.cumsum((values[left:right] - level) ** 2)]) for level in (before, after)
        )
        cost = (first[places - left] + second[-1] - second[places - left]) / variance
        likelihood = np.cumsum(np.exp(-(cost - cost.min()) / 2))
        low, high = np.searchsorted(likelihood / likelihood[-1], [0.05, 0.95])
        changes.append(
            ChangePoint(
                int(at[middle]),
                int(min(at[places[low]], at[middle])),
                int(max(at[places[min(high, len(places) - 1)]], at[middle])),
                float(before),
                float(after),
            )
        )
    return tuple(changes)


def _long_run_variance(values: Floats) -> float:
    """Return the variance of a mean times its length, robust to shifts: an AR(1) by medians of squared differences.

    Differences ``k`` days apart have the variance ``2 v (1 - p^k)``. Those of 2 days against 1 give ``1 + p``,
    those of 3 against 1 give ``1 + p + p^2``; the larger ``p`` counts: too small a one cuts waves into steps.
    """
    if len(values) < 8:
        return 0.0
    variance_1, variance_2, variance_3 = (
        float(np.median(np.abs(values[days:] - values[:-days]))) ** 2 * 1.4826**2 / 2 for days in (1, 2, 3)
    )
    if variance_1 <= 0:
        return float(np.var(values))
    from_three = (np.sqrt(1 + 4 * max(variance_3 / variance_1 - 1, 0.0)) - 1) / 2
    p = float(np.clip(max(variance_2 / variance_1 - 1, from_three), 0.0, 0.9))
    return variance_1 / (1 - p) * (1 + p) / (1 - p)


def _optimal_partition(values: Floats, penalty: float, least: int) -> list[int]:
    """Return the starts of all segments but the first; each costs its sum of squares and the penalty."""
    n = len(values)
    sums, squares = (np.concatenate([[0.0], np.cumsum(power)]) for power in (values, values**2))
    best = np.full(n + 1, np.inf)
    best[0] = -penalty
    previous = np.zeros(n + 1, np.int64)
    for end in range(least, n + 1):
        start = np.arange(end - least + 1)
        cost = squares[end] - squares[start] - (sums[end] - sums[start]) ** 2 / (end - start)
        total = best[start] + cost + penalty
        previous[end] = int(np.argmin(total))
        best[end] = total[previous[end]]
    starts, end = [], n
    while previous[end] > 0:
        end = int(previous[end])
        starts.append(end)
    return starts[::-1]
