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

from novamind.symptoms.domain import LEVELS
from novamind.symptoms.experts import HORIZON_GROUPS, REPORT_GROUPS, horizon_group, report_group
from novamind.symptoms.preprocessing import Array

_MEDIAN = len(LEVELS) // 2
#: Steps at least this large, as a share of the range, are coarse: eight or fewer possible answers.
COARSE_STEP = 0.12


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
        ``(horizon groups, report groups, 21)``.
    own_days
        Number of the person's own past days at which their errors weigh as much as the cohort's.
    """

    factors: Array
    own_days: float

    def apply(self, quantiles: Array, reports: Array, ratio: Array, days: Array) -> Array:
        """Calibrated quantiles ``(series, horizon, 21)``; ``ratio`` and ``days`` from :func:`own_scale`."""
        trust = days / (days + self.own_days)
        personal = np.clip(trust * ratio + (1 - trust), 0.5, 2.0)[:, None, None]
        factor = self.factors[horizon_group(quantiles.shape[1])[None, :], report_group(reports)[:, None]]
        median = quantiles[..., _MEDIAN, None]
        out: Array = np.sort(np.clip(median + factor * personal * (quantiles - median), 0, 1), axis=-1)
        return out


def fit_factors(quantiles: Array, outcome: Array, reports: Array) -> Array:
    """Conformal factors from a calibration cohort.

    Parameters
    ----------
    quantiles, outcome, reports
        ``(series, horizon, 21)``, ``(series, horizon)`` and ``(series,)``, of series whose steps are finer than
        :data:`COARSE_STEP`: on coarser ones rounding to the steps already covers more than is stated.
    """
    days, persons = horizon_group(outcome.shape[1]), report_group(reports)
    factors = np.ones((len(HORIZON_GROUPS), len(REPORT_GROUPS) + 1, len(LEVELS)), np.float32)
    for d in range(factors.shape[0]):
        for p in range(factors.shape[1]):
            block = np.ix_(persons == p, days == d)
            known = np.isfinite(outcome[block])
            q, y = quantiles[block][known], outcome[block][known]
            for i, level in enumerate(LEVELS):
                side = q[:, i] - q[:, _MEDIAN]
                usable = np.abs(side) > 0.004
                # Near the median the distances are too small to divide by; its neighbours stay as they are.
                if abs(level - 0.5) < 0.2 or usable.sum() < 200:
                    continue
                # Below the median the distances run the other way.
                distance = (y - q[:, _MEDIAN])[usable] / side[usable]
                factors[d, p, i] = np.clip(np.quantile(distance, max(level, 1 - level)), 0.5, 2.0)
    return factors
