"""The stack: how much each member counts, by horizon, by length of record, and by what it did for this person.

Quantiles are averaged, not densities (Vincent averaging: Lichtendahl, Grushka-Cockayne & Winkler 2013, Manag Sci
59:1594). The weights minimise the pinball loss on a validation cohort whose outcomes lie after the origins, by
exponentiated gradient on the simplex (Kivinen & Warmuth 1997, Inf Comput 132:1). For a person with a record they are
then updated by each member's loss on that person's own past (aggregation by exponential weights: Vovk 1990;
Cesa-Bianchi & Lugosi 2006), so that the record decides whom to trust.
"""

from dataclasses import dataclass

import numpy as np

from novamind.symptoms.domain import LEVELS
from novamind.symptoms.forecaster.experts import GROUPS, by_group, horizon_group, report_group
from novamind.symptoms.forecaster.preprocessing import Array
from novamind.symptoms.interpolation import on_ends

#: Outcomes per group that the weights are fitted on, and the step of the exponentiated gradient.
_ROWS = 6000
_RATE = 200
_EVEN_SHARE = 0.05
_PINBALL_LEVELS = LEVELS[1:-1].astype(np.float32)


def crps(quantiles: Array, outcome: Array) -> Array:
    """Return the continuous ranked probability score: twice the mean pinball loss over 0.05 .. 0.95.

    Parameters
    ----------
    quantiles
        ``(..., 21)`` at :data:`LEVELS`.
    outcome
        ``(...)``; ``NaN`` gives ``NaN``.

    Notes
    -----
    Gneiting & Raftery 2007, J Am Stat Assoc 102:359; the average over levels as in Laio & Tamea 2007.
    """
    error = outcome[..., None] - quantiles[..., 1:-1]
    score: Array = 2 * np.maximum(_PINBALL_LEVELS * error, (_PINBALL_LEVELS - 1) * error).mean(-1)
    return score


@dataclass(frozen=True)
class Stack:
    """Weights of the members.

    Attributes
    ----------
    weights
        ``(horizon groups, report groups, members)``, each row on the simplex.
    learning_rate
        How fast a person's own record moves the weights: the exponent per day scored, per unit of loss relative to
        the person's spread.
    """

    weights: Array
    learning_rate: float

    def member_weights(self, reports: Array, horizon: int, own_loss: Array, own_days: Array) -> Array:
        """Return the weights of each member per series and day, ``(series, horizon, members)``.

        Parameters
        ----------
        reports
            ``(series,)`` number of reports of each history.
        own_loss
            ``(series, members)`` mean loss on the person's own past in units of the person's spread.
        own_days
            ``(series,)`` how many past days that mean rests on; 0 keeps the prior weights.
        """
        prior = by_group(self.weights, horizon, reports)
        evidence = self.learning_rate * own_days[:, None] * (own_loss - own_loss.min(1, keepdims=True))
        posterior = prior * np.exp(-np.where(own_days[:, None] > 0, evidence, 0))[:, None, :]
        out: Array = posterior / posterior.sum(-1, keepdims=True)
        return out


def combine(quantiles: Array, weights: Array) -> Array:
    """Average members' quantiles: ``(members, series, horizon, 21)`` with ``(series, horizon, members)``."""
    average: Array = np.einsum("mshl,shm->shl", quantiles, weights, optimize=True)
    return on_ends(average)


def fit_weights(quantiles: Array, outcome: Array, reports: Array, steps: int = 600) -> Array:
    """Return the weights per horizon group and report group that minimise the pinball loss.

    Parameters
    ----------
    quantiles
        ``(members, series, horizon, 21)`` of a cohort that no member was trained on.
    outcome
        ``(series, horizon)``, ``NaN`` where nothing was reported; the horizon reaches the last group.
    reports
        ``(series,)``.
    """
    members = len(quantiles)
    days, persons = horizon_group(outcome.shape[1]), report_group(reports)
    weights = np.full((*GROUPS, members), 1 / members, np.float32)
    for d in range(weights.shape[0]):
        for p in range(weights.shape[1]):
            block = np.ix_(persons == p, days == d)
            rows = np.flatnonzero(np.isfinite(outcome[block]))
            if not len(rows):
                continue
            rows = rows[:: max(1, len(rows) // _ROWS)]
            y = outcome[block].ravel()[rows]
            # (rows, levels, members)
            q = np.stack([m[block].reshape(-1, len(LEVELS))[rows, 1:-1] for m in quantiles], axis=-1)
            w = weights[d, p].astype(np.float64)
            average = np.zeros_like(w)
            for step in range(steps):
                error = y[:, None] - q @ w
                slope = np.where(error > 0, _PINBALL_LEVELS, _PINBALL_LEVELS - 1)
                gradient = -2 * np.einsum("rl,rlm->m", slope, q) / slope.size
                w = w * np.exp(-_RATE / np.sqrt(step + 1) * (gradient - gradient.min()))
                w /= w.sum()
                average += w * (step >= steps // 2)
            weights[d, p] = average / average.sum()
    return weights


def share_evenly(weights: Array) -> Array:
    """Give every member a part of a twentieth of the weight.

    The weights were fitted on simulated people. On people unlike them the simple experts lose less, and an even average
    is hard to beat (Smith & Wallis 2009, Oxf Bull Econ Stat 71:331).
    """
    out: Array = (1 - _EVEN_SHARE) * weights + _EVEN_SHARE / weights.shape[-1]
    return out
