"""Have a model's errors changed? A sequential test that may be looked at every week.

Each new error is ranked among all earlier ones: while nothing changes, the ranks are independent and uniform
whatever the errors' distribution (conformal p-values; Vovk, Gammerman and Shafer 2005, chapter 8), so their
normal scores are independent standard normal, and what the test does in a quiet year can be simulated exactly
without knowing anything about the model. The statistic is a Shiryaev-Roberts mixture: likelihood ratios of
larger and of shifted scores, summed over the weeks in which a change may have begun (Shiryaev 1963; Roberts
1966). The limit that it must pass each week is a quantile of 20,000 simulated quiet paths with the same weekly
counts, such that false alarms use up ``alpha`` in the year (error spending: Lan and DeMets 1983), faster in the
first weeks because a wrong model should not run for long. This is tighter than the bound 1 / alpha that holds
for any martingale (Ville 1939).
"""

from functools import lru_cache
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from novamind.errors import InsufficientDataError, ValidationError

WEEKS: Final = 52
MIN_REFERENCE: Final = 50
ALPHA: Final = 0.03
"""Below the 5 % a year that is promised, so that the promise also holds for a count over some hundred years."""
_SHIFTS: Final = np.array([0.0, 0.0, 0.0, -0.3, 0.3])
_SCALES: Final = np.array([1.15, 1.3, 2.0, 1.0, 1.0])
_WEIGHTS: Final = np.array([0.3, 0.3, 0.3, 0.05, 0.05])
_LATER_WEEK: Final = 0.01
"""Prior weight of a change that begins in a given later week, beside 1 for the first week after the baseline."""
_PATHS: Final = 20_000
_LARGEST: Final = 80.0

Floats = NDArray[np.float64]


class _Quiet(NamedTuple):
    """Simulated quiet paths after some weeks: this week's limit, and what the next week starts from."""

    limit: float
    ratios: NDArray[np.float32]
    rung: NDArray[np.bool_]


def _spent(week: int) -> float:
    """Return the share of alpha that false alarms may have used up by a week; one alpha for every further year."""
    return float(np.log1p(week) / np.log1p(WEEKS)) if week <= WEEKS else week / WEEKS


def _step(ratios: NDArray[np.floating], week: int, n: int, total: Floats, squares: Floats) -> Floats:
    """Likelihood ratios, shape (..., alternatives), after a week of ``n`` scores with this sum and sum of squares."""
    gain = -n * np.log(_SCALES) + 0.5 * (
        squares[..., None] - (squares[..., None] - 2 * total[..., None] * _SHIFTS + n * _SHIFTS**2) / _SCALES**2
    )
    begin = _WEIGHTS * (1.0 if week == 1 else _LATER_WEEK)
    return np.asarray(np.minimum((ratios + begin) * np.exp(np.minimum(gain, _LARGEST)), np.exp(_LARGEST)))


@lru_cache(maxsize=64)
def _quiet(alpha: float, counts: tuple[int, ...]) -> _Quiet:
    if not counts:
        return _Quiet(np.inf, np.zeros((_PATHS, len(_SCALES)), dtype=np.float32), np.zeros(_PATHS, dtype=bool))
    _, ratios, rung = _quiet(alpha, counts[:-1])
    week, n = len(counts), counts[-1]
    if n == 0:
        return _Quiet(np.inf, ratios, rung)
    rng = np.random.default_rng([week, n])
    total = rng.normal(size=_PATHS) * np.sqrt(n)
    squares = total**2 / n + (rng.chisquare(n - 1, _PATHS) if n > 1 else 0.0)
    now = _step(ratios, week, n, total, squares).astype(np.float32)
    evidence = np.where(rung, -np.inf, now.sum(axis=1))
    may_ring = int(alpha * _spent(week) * _PATHS) - int(rung.sum())
    limit = float(np.partition(evidence, -may_ring)[-may_ring]) if may_ring > 0 else np.inf
    return _Quiet(limit, now, rung | (evidence >= limit))


class SequentialDriftTest:
    """Watch the errors of one model, week by week.

    Parameters
    ----------
    reference
        Signed errors (actual less predicted) from when the model was known to be sound, at least 50.
    alpha
        Chance of a false alarm in a year.
    seed
        Ties are broken at random.

    Attributes
    ----------
    evidence
        Evidence that something has changed, as a multiple of this week's limit: the alarm rings at 1.
    alarm_week
        Number of the first week that rang, from 1, or ``None``.

    Raises
    ------
    InsufficientDataError
        With fewer than 50 reference errors.
    """

    def __init__(self, reference: Floats, *, alpha: float = ALPHA, seed: int = 0) -> None:
        errors = np.asarray(reference, dtype=float)
        if not 0.001 <= alpha <= 0.5:
            raise ValidationError("alpha must be between 0.001 and 0.5")
        if errors.size < MIN_REFERENCE:
            raise InsufficientDataError(
                f"the drift test needs at least {MIN_REFERENCE} reference errors; it has {errors.size}"
            )
        if not np.isfinite(errors).all():
            raise ValidationError("reference errors must be numbers")
        self.alpha = float(alpha)
        self.evidence = 0.0
        self.alarm_week: int | None = None
        self._rng = np.random.default_rng(seed)
        self._past_errors = np.sort(errors)
        self._ratios: Floats = np.zeros(len(_SCALES))
        self._counts: tuple[int, ...] = ()

    @property
    def week(self) -> int:
        """Weeks seen."""
        return len(self._counts)

    def update(self, errors: Floats) -> bool:
        """Add one week's signed errors; say whether the alarm has rung."""
        new = np.asarray(errors, dtype=float)
        if not np.isfinite(new).all():
            raise ValidationError("errors must be numbers; leave missing outcomes out")
        self._counts = (*self._counts, new.size)
        if new.size:
            score = ndtri(self._rank(new))
            self._ratios = _step(self._ratios, self.week, new.size, score.sum(), (score**2).sum())
            limit = _quiet(self.alpha, self._counts).limit
            self.evidence = float(self._ratios.sum() / limit)
            if self.alarm_week is None and self.evidence >= 1:
                self.alarm_week = self.week
        return self.alarm_week is not None

    def _rank(self, new: Floats) -> Floats:
        """Return each new error's randomised rank among all before it, in (0, 1), and keep the new errors."""
        past, m = self._past_errors, len(new)
        # Within the week: how many of the earlier new values lie below, or tie with, each.
        below = np.tril(new[None, :] < new[:, None], -1).sum(axis=1)
        tied = np.tril(new[None, :] == new[:, None], -1).sum(axis=1)
        low = np.searchsorted(past, new, "left")
        ties = np.searchsorted(past, new, "right") - low
        rank = (low + below + self._rng.random(m) * (ties + tied + 1)) / (len(past) + np.arange(m) + 1)
        self._past_errors = np.sort(np.concatenate([past, new]))
        return np.asarray(np.clip(rank, 1e-12, 1 - 1e-12))
