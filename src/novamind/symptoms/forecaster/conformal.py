"""Conformal calibration: intervals that cover what they state, for new persons and for shifting ones.

All quantiles are moved from or to the median by one factor, the one with the least CRPS on a calibration cohort that
nothing else was fitted on. Then the ends of the stated intervals are read at other levels of the forecast distribution:
the innermost ones that still have the stated share of the cohort's outcomes on their inner side (distributional
conformal prediction: Chernozhukov, Wuthrich & Zhu 2021, PNAS 118:e2107794118). The other quantiles stay where they are,
or at those ends. On a scale in steps a quantile is an answer, and an interval that holds its ends covers more than is
stated, the more the fewer answers a person's reports spread over; it is narrowed as far as that costs little accuracy.

Before that, a person's own past errors widen or narrow all of that person's intervals (in the spirit of adaptive
conformal inference: Gibbs & Candes 2021, NeurIPS 34), shrunk towards 1 by how few they are.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from novamind.symptoms.domain import LEVELS
from novamind.symptoms.forecaster.ensemble import crps
from novamind.symptoms.forecaster.features import Summary
from novamind.symptoms.forecaster.preprocessing import Array
from novamind.symptoms.interpolation import interpolate, on_ends, on_steps, places

_MEDIAN = len(LEVELS) // 2
#: Upper ends of the groups of :func:`coarseness` that are calibrated each on its own, the first of them without steps.
COARSENESS_GROUPS = np.array([0.0, 0.4, 0.9, 1.8])
#: How many of them there are; what is coarser than the last end is a group of its own.
KINDS = len(COARSENESS_GROUPS) + 1
#: The middle of each group, where its values hold; between the middles they glide, so that no forecast jumps.
_COARSENESS_MIDDLES = np.array([0, 0.25, 0.6, 1.2, 2.5])
#: The levels that end the intervals whose coverage is stated, of 95 and of 80 %.
ENDS = np.flatnonzero(np.isin(LEVELS.round(3), (0.025, 0.1, 0.9, 0.975)))
#: By how much narrowing may raise the pinball loss of an interval's end.
_DEAREST = 0.2
_WIDTHS = [percent / 100 for percent in range(50, 205, 5)]
#: Fewer outcomes than this calibrate nothing.
_ENOUGH = 200


def own_scale(quantiles: Array, outcome: Array) -> tuple[Array, Array]:
    """Return the mean ratio of a person's own errors to the forecast ones, and the number of days.

    Parameters
    ----------
    quantiles, outcome
        ``(series, days, 21)`` and ``(series, days)`` of past forecasts and what came.
    """
    median = quantiles[..., _MEDIAN]
    expected = np.abs(quantiles - median[..., None]).mean(-1)
    reported = np.isfinite(outcome)
    days = reported.sum(1)
    error = np.where(reported, np.abs(outcome - median), 0).sum(1)
    total = np.where(reported, expected, 0).sum(1)
    ratio = np.divide(error, total, out=np.ones_like(error), where=total > 1e-6)
    return ratio.astype(np.float32), days.astype(np.float32)


@dataclass(frozen=True)
class Calibration:
    """What is done to the members' average.

    Attributes
    ----------
    width
        ``(KINDS,)`` factor on the distances from the median, by :func:`coarseness`.
    levels
        ``(KINDS, 4)``: where the ends of the stated intervals are read, by the same.
    own_days
        Number of the person's own past days at which their errors weigh as much as the cohort's.
    """

    width: Array
    levels: Array
    own_days: float

    @classmethod
    def of_own_errors(cls, own_days: float = np.inf) -> "Calibration":
        """Return a calibration without a cohort: only the person's own errors count, and by default nothing."""
        return cls(np.ones(KINDS, np.float32), np.tile(LEVELS[ENDS].astype(np.float32), (KINDS, 1)), own_days)

    def apply(self, quantiles: Array, summary: Summary, ratio: Array, days: Array) -> Array:
        """Return calibrated quantiles ``(series, horizon, 21)``; ``ratio`` and ``days`` come from :func:`own_scale`."""
        trust = days / (days + self.own_days)
        personal = np.clip(trust * ratio + (1 - trust), 0.5, 2.0)
        coarse = coarseness(summary)
        width = interpolate(self.width, _COARSENESS_MIDDLES, coarse, 0)
        levels = interpolate(self.levels, _COARSENESS_MIDDLES, coarse, 0)
        return _with_ends(_wider(quantiles, (width * personal)[:, None, None]), levels[:, None])


def _wider(quantiles: Array, factor: Array | float) -> Array:
    """Return quantiles moved from the median; those at an end of the scale, where many answers lie, stay there."""
    median = quantiles[..., _MEDIAN, None]
    moved = on_ends(np.clip(median + factor * (quantiles - median), 0, 1))
    out: Array = np.where((quantiles == 0) | (quantiles == 1), quantiles, moved)
    return out


def _with_ends(quantiles: Array, levels: Array) -> Array:
    """Return the quantiles with the interval ends read at ``levels`` ``(series, 1, 4)``, all else between them."""
    below, share = places(LEVELS, levels)
    low = np.take_along_axis(quantiles, below, -1)
    high = np.take_along_axis(quantiles, np.minimum(below + 1, len(LEVELS) - 1), -1)
    ends = on_ends(low + share.astype(np.float32) * (high - low))
    out = quantiles.copy()
    for i, (first, last) in enumerate(pairwise(ENDS)):
        between = slice(first, last + 1)
        out[..., between] = np.clip(quantiles[..., between], ends[..., i, None], ends[..., i + 1, None])
    out[..., ENDS] = ends
    return out


def coarseness(summary: Summary) -> Array:
    """Return the step of each scale in units of the person's spread, ``(series,)``; 0 without steps."""
    out: Array = summary.histories.step / summary.spread
    return out


def fit(quantiles: Array, outcome: Array, summary: Summary, own_days: float) -> Calibration:
    """Calibrate on a cohort.

    Parameters
    ----------
    quantiles, outcome
        ``(series, horizon, 21)``, scaled by each person's own errors (``own_days``), and ``(series, horizon)``.
    """
    kinds = np.searchsorted(COARSENESS_GROUPS, coarseness(summary))[:, None]
    steps = np.broadcast_to(summary.histories.step[:, None], outcome.shape)
    out = Calibration.of_own_errors(own_days)
    for kind in range(KINDS):
        reported = np.isfinite(outcome) & (kinds == kind)
        if reported.sum() < _ENOUGH:
            continue
        forecast, y = quantiles[reported], outcome[reported]
        width = min(_WIDTHS, key=lambda tried: float(crps(_wider(forecast, tried), y).mean()))
        out.width[kind] = width
        q = _wider(forecast, width)
        low95, low80, high80, high95 = (_innermost(q, y, steps[reported], int(i)) for i in ENDS)
        # The wider interval holds the narrower one.
        out.levels[kind] = min(low95, low80), low80, high80, max(high80, high95)
    return out


def _innermost(quantiles: Array, outcome: Array, step: Array, i: int) -> float:
    level = float(LEVELS[i])
    outwards = -1 if level < 0.5 else 1
    # Where the end is the median's own answer already, there is nothing to narrow.
    usable = on_steps(quantiles[:, i], step) != on_steps(quantiles[:, _MEDIAN], step)
    if usable.sum() < _ENOUGH:
        return level
    quantiles, outcome, step = quantiles[usable], outcome[usable], step[usable]

    def end(at: float) -> Array:
        return on_steps(interpolate(quantiles, LEVELS, np.array([at]), axis=1)[:, 0], step)

    def loss(end: Array) -> float:
        return float(np.maximum(level * (outcome - end), (level - 1) * (outcome - end)).mean())

    innermost = outermost = float(LEVELS[0] if level < 0.5 else LEVELS[-1])
    limit = (1 + _DEAREST) * loss(end(level))
    for at in np.arange(outermost, 0.5, -0.005 * outwards):
        there = end(at)
        inside = ((outcome - there) * outwards <= 1e-6).mean() >= max(level, 1 - level)
        if not inside or ((at - level) * outwards < 0 and loss(there) > limit):
            break
        innermost = float(at)
    return innermost
