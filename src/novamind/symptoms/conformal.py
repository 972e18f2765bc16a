"""Conformal calibration: intervals that cover what they state, for new persons and for shifting ones.

Each quantile's distance from the median is multiplied by a factor found on a calibration cohort that nothing else was
fitted on: the factor at level ``t`` is the ``t``-quantile of the outcomes' distances measured in that quantile's own
distance (normalised split conformal prediction: Lei et al. 2018, J Am Stat Assoc 113:1094; Romano, Patterson &
Candes 2019, NeurIPS 32), per horizon group and length of record. A person's own past errors then widen or narrow all
of that person's intervals (in the spirit of adaptive conformal inference: Gibbs & Candes 2021, NeurIPS 34), shrunk
towards 1 by how few they are.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from novamind.symptoms.domain import LEVELS
from novamind.symptoms.experts import HORIZON_GROUPS, REPORT_GROUPS, by_group, horizon_group, report_group
from novamind.symptoms.features import Summary
from novamind.symptoms.interpolation import on_steps
from novamind.symptoms.preprocessing import Array

_MEDIAN = len(LEVELS) // 2
#: Steps at least this large, as a share of the range, are coarse: eight or fewer possible answers.
COARSE_STEP = 0.12
_COARSE_FACTORS = np.arange(0.3, 2.01, 0.05)


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
    """Factors on the distances from the median.

    Attributes
    ----------
    factors
        ``(2, horizon groups, report groups, 21)``; the first for fine scales, the second for coarse ones.
    own_days
        Number of the person's own past days at which their errors weigh as much as the cohort's.
    """

    factors: Array
    own_days: float

    def apply(self, quantiles: Array, summary: Summary, ratio: Array, days: Array) -> Array:
        """Calibrated quantiles ``(series, horizon, 21)``; ``ratio`` and ``days`` from :func:`own_scale`."""
        trust = days / (days + self.own_days)
        personal = np.clip(trust * ratio + (1 - trust), 0.5, 2.0)[:, None, None]
        fine, coarse = (by_group(kind, quantiles.shape[1], summary.reports) for kind in self.factors)
        factor = np.where(is_coarse(summary.histories.step)[:, None, None] == 1, coarse, fine)
        median = quantiles[..., _MEDIAN, None]
        moved = np.clip(median + factor * personal * (quantiles - median), 0, 1)
        # A quantile at an end of the scale stays there: many answers lie exactly on it.
        out: Array = np.sort(np.where((quantiles <= 1e-4) | (quantiles >= 1 - 1e-4), quantiles, moved), axis=-1)
        return out


def is_coarse(step: Array) -> NDArray[np.int64]:
    """1 where a scale has few possible answers, else 0."""
    return (step >= COARSE_STEP).astype(np.int64)


def fit_factors(quantiles: Array, outcome: Array, summary: Summary) -> Array:
    """Conformal factors from a calibration cohort.

    Parameters
    ----------
    quantiles, outcome
        ``(series, horizon, 21)`` and ``(series, horizon)``.

    Notes
    -----
    On a coarse scale a quantile is an answer, and an interval of answers that holds its ends covers more than is
    stated; there the factor is the least one whose rounded quantiles still have the stated share of outcomes on their
    inner side.
    """
    days, persons = horizon_group(outcome.shape[1]), report_group(summary.reports)
    coarse = is_coarse(summary.histories.step)
    steps = np.broadcast_to(summary.histories.step[:, None], outcome.shape)
    factors = np.ones((2, len(HORIZON_GROUPS), len(REPORT_GROUPS) + 1, len(LEVELS)), np.float32)
    for kind, d, p in np.ndindex(*factors.shape[:3]):
        block = np.ix_((persons == p) & (coarse == kind), days == d)
        known = np.isfinite(outcome[block])
        q, y, step = quantiles[block][known], outcome[block][known], steps[block][known]
        for i, level in enumerate(LEVELS):
            side = q[:, i] - q[:, _MEDIAN]
            usable = np.abs(side) > 0.004
            # Near the median the distances are too small to divide by; its neighbours stay as they are.
            if abs(level - 0.5) < 0.2 or usable.sum() < 200:
                continue
            share = max(level, 1 - level)
            if kind == 0:
                # Below the median the distances run the other way.
                distance = (y - q[:, _MEDIAN])[usable] / side[usable]
                factors[kind, d, p, i] = np.clip(np.quantile(distance, share), 0.5, 2.0)
            else:
                factors[kind, d, p, i] = _least_factor(q[:, _MEDIAN], side, y, step, share)
    return factors


def _least_factor(median: Array, side: Array, outcome: Array, step: Array, share: float) -> float:
    outwards = np.sign(side.mean())
    for factor in _COARSE_FACTORS:
        beyond = (outcome - on_steps(median + np.float32(factor) * side, step)) * outwards
        if (beyond <= 1e-6).mean() >= share:
            break
    return float(factor)
