"""Conformal calibration: intervals that cover what they state, for new persons and for shifting ones.

On a fine scale each quantile's distance from the median is multiplied by a factor found on a calibration cohort that
nothing else was fitted on: the factor at level ``t`` is the ``t``-quantile of the outcomes' distances measured in that
quantile's own distance (normalised split conformal prediction: Lei et al. 2018, J Am Stat Assoc 113:1094; Romano,
Patterson & Candes 2019, NeurIPS 32), per horizon group and length of record.

On a coarse scale a quantile is an answer, and an interval that holds its ends covers more than is stated. There the
ends of the stated intervals are read at other levels of the forecast distribution, the innermost ones whose rounded
quantiles still have the stated share of outcomes on their inner side (distributional conformal prediction:
Chernozhukov, Wuthrich & Zhu 2021, PNAS 118:e2107794118). The other quantiles stay where they are, or at those ends.

Before that, a person's own past errors widen or narrow all of that person's intervals (in the spirit of adaptive
conformal inference: Gibbs & Candes 2021, NeurIPS 34), shrunk towards 1 by how few they are.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from novamind.symptoms.domain import LEVELS
from novamind.symptoms.experts import GROUPS, by_group, horizon_group, report_group
from novamind.symptoms.features import Summary
from novamind.symptoms.interpolation import interpolate, on_steps, places
from novamind.symptoms.preprocessing import Array

_MEDIAN = len(LEVELS) // 2
#: Steps at least this large, as a share of the range, are coarse: eight or fewer possible answers.
COARSE_STEP = 0.12
#: The levels that end the intervals whose coverage is stated, of 95 and of 80 %.
ENDS = np.flatnonzero(np.isin(LEVELS.round(3), (0.025, 0.1, 0.9, 0.975)))
#: Fewer outcomes in a group than this calibrate nothing.
_ENOUGH = 200


def own_scale(quantiles: Array, outcome: Array) -> tuple[Array, Array]:
    """How large a person's own errors were beside what was forecast: mean ratio and number of days.

    Parameters
    ----------
    quantiles, outcome
        ``(series, days, 21)`` and ``(series, days)`` of past forecasts and what came.
    """
    median = quantiles[..., _MEDIAN]
    expected = np.abs(quantiles - median[..., None]).mean(-1)
    known = np.isfinite(outcome)
    days = known.sum(1)
    error = np.where(known, np.abs(outcome - median), 0).sum(1)
    total = np.where(known, expected, 0).sum(1)
    ratio = np.divide(error, total, out=np.ones_like(error), where=total > 1e-6)
    return ratio.astype(np.float32), days.astype(np.float32)


@dataclass(frozen=True)
class Calibration:
    """What is done to the members' average.

    Attributes
    ----------
    factors
        ``(horizon groups, report groups, 21)`` on the distances from the median, for fine scales.
    levels
        ``(horizon groups, report groups, 4)`` where the ends of the stated intervals are read, for coarse scales.
    own_days
        Number of the person's own past days at which their errors weigh as much as the cohort's.
    """

    factors: Array
    levels: Array
    own_days: float

    @classmethod
    def of_own_errors(cls, own_days: float = np.inf) -> "Calibration":
        """No cohort's: only the person's own errors count, and by default nothing."""
        return cls(np.ones((*GROUPS, len(LEVELS)), np.float32), _stated(), own_days)

    def apply(self, quantiles: Array, summary: Summary, ratio: Array, days: Array) -> Array:
        """Calibrated quantiles ``(series, horizon, 21)``; ``ratio`` and ``days`` from :func:`own_scale`."""
        trust = days / (days + self.own_days)
        personal = np.clip(trust * ratio + (1 - trust), 0.5, 2.0)[:, None, None]
        coarse = is_coarse(summary.histories.step)
        horizon = quantiles.shape[1]
        factor = np.where(coarse[:, None, None], 1, by_group(self.factors, horizon, summary.reports))
        median = quantiles[..., _MEDIAN, None]
        moved = np.clip(median + factor * personal * (quantiles - median), 0, 1)
        # A quantile at an end of the scale stays there: many answers lie exactly on it.
        out: Array = np.sort(np.where((quantiles <= 1e-4) | (quantiles >= 1 - 1e-4), quantiles, moved), axis=-1)
        if coarse.any():
            out[coarse] = _with_ends(out[coarse], by_group(self.levels, horizon, summary.reports[coarse]))
        return out


def _stated() -> Array:
    return np.broadcast_to(LEVELS[ENDS].astype(np.float32), (*GROUPS, len(ENDS))).copy()


def _with_ends(quantiles: Array, levels: Array) -> Array:
    """The ends of the stated intervals read at ``levels`` ``(series, horizon, 4)``, all else between them."""
    below, share = places(LEVELS, levels)
    low = np.take_along_axis(quantiles, below, -1)
    high = np.take_along_axis(quantiles, np.minimum(below + 1, len(LEVELS) - 1), -1)
    ends = low + share.astype(np.float32) * (high - low)
    out = quantiles.copy()
    for i, (first, last) in enumerate(pairwise(ENDS)):
        between = slice(first, last + 1)
        out[..., between] = np.clip(quantiles[..., between], ends[..., i, None], ends[..., i + 1, None])
    out[..., ENDS] = ends
    return out


def is_coarse(step: Array) -> NDArray[np.bool_]:
    """Where a scale has few possible answers."""
    out: NDArray[np.bool_] = step >= COARSE_STEP
    return out


def fit(quantiles: Array, outcome: Array, summary: Summary, own_days: float) -> Calibration:
    """Calibrate on a cohort.

    Parameters
    ----------
    quantiles, outcome
        ``(series, horizon, 21)``, scaled by each person's own errors (``own_days``), and ``(series, horizon)``.
    """
    days, persons = horizon_group(outcome.shape[1]), report_group(summary.reports)
    coarse = is_coarse(summary.histories.step)
    steps = np.broadcast_to(summary.histories.step[:, None], outcome.shape)
    out = Calibration.of_own_errors(own_days)
    for d, p in np.ndindex(*GROUPS):
        for kind in (False, True):
            block = np.ix_((persons == p) & (coarse == kind), days == d)
            known = np.isfinite(outcome[block])
            q, y, step = quantiles[block][known], outcome[block][known], steps[block][known]
            if kind:
                low95, low80, high80, high95 = (_innermost(q, y, step, int(i)) for i in ENDS)
                # The wider interval holds the narrower one.
                out.levels[d, p] = min(low95, low80), low80, high80, max(high80, high95)
            else:
                out.factors[d, p] = [_factor(q, y, i) for i in range(len(LEVELS))]
    return out


def _factor(quantiles: Array, outcome: Array, i: int) -> float:
    level = LEVELS[i]
    median = quantiles[:, _MEDIAN]
    side = quantiles[:, i] - median
    usable = np.abs(side) > 0.004
    # Near the median the distances are too small to divide by; its neighbours stay as they are.
    if abs(level - 0.5) < 0.2 or usable.sum() < _ENOUGH:
        return 1.0
    # Below the median the distances run the other way.
    distance = (outcome - median)[usable] / side[usable]
    return float(np.clip(np.quantile(distance, max(level, 1 - level)), 0.5, 2.0))


def _innermost(quantiles: Array, outcome: Array, step: Array, i: int) -> float:
    level = float(LEVELS[i])
    outwards = -1 if level < 0.5 else 1
    # Where the end is the median's own answer already, there is nothing to narrow.
    usable = on_steps(quantiles[:, i], step) != on_steps(quantiles[:, _MEDIAN], step)
    if usable.sum() < _ENOUGH:
        return level
    q, y, width = quantiles[usable], outcome[usable], step[usable]
    found = outermost = float(LEVELS[0] if level < 0.5 else LEVELS[-1])
    for at in np.arange(outermost, 0.5, -0.005 * outwards):
        end = on_steps(interpolate(q, LEVELS, np.array([at]), axis=1)[:, 0], width)
        if ((y - end) * outwards <= 1e-6).mean() < max(level, 1 - level):
            break
        found = float(at)
    return found
