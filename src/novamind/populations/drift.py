"""Have a model's errors changed? A sequential test that may be looked at every week.

Each new outcome is ranked among all earlier ones: while nothing changes the ranks are independent and
uniform whatever the errors' distribution (conformal p-values; Vovk, Gammerman and Shafer 2005, chapter 8).
Bets on the ranks (larger errors, and errors shifted to one side) multiply into a capital that is a
non-negative martingale, so it exceeds 1 / alpha with probability at most alpha, ever (Ville 1939). Starts
of the bets are spread over the year, most of the capital on the first week, so that late changes are found
too (a mixture over change points in the manner of Shiryaev and Roberts, kept a martingale).
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from novamind.errors import InsufficientDataError, ValidationError

WEEKS: Final = 52
MIN_REFERENCE: Final = 50
_SCALES: Final = (1.2, 1.4, 2.0)
_SHIFTS: Final = (-0.6, -0.25, 0.25, 0.6)
_SCALE_SHARE: Final = 0.85
_FIRST_WEEK: Final = 0.7


class SequentialDriftTest:
    """Watch the errors of one model for a year.

    Parameters
    ----------
    reference
        Signed errors (actual less predicted) from when the model was known to be sound, at least 50.
    alpha
        Chance of a false alarm within the year.
    seed
        Ties are broken at random.

    Attributes
    ----------
    capital
        Evidence against "nothing has changed"; the alarm rings at ``1 / alpha``.
    alarm_week
        Number of the first week that rang, from 1, or ``None``.

    Raises
    ------
    InsufficientDataError
        With fewer than 50 reference errors.
    """

    def __init__(self, reference: NDArray[np.float64], *, alpha: float = 0.05, seed: int = 0) -> None:
        errors = np.asarray(reference, dtype=float)
        if not 0 < alpha < 1:
            raise ValidationError("alpha must be between 0 and 1.")
        if errors.size < MIN_REFERENCE:
            raise InsufficientDataError(
                f"The drift test needs at least {MIN_REFERENCE} reference errors; it has {errors.size}."
            )
        if not np.isfinite(errors).all():
            raise ValidationError("Reference errors must be numbers.")
        self.alpha = alpha
        self.week = 0
        self.capital = 1.0
        self.alarm_week: int | None = None
        self._rng = np.random.default_rng(seed)
        self._size, self._signed = np.sort(np.abs(errors)), np.sort(errors)
        self._bets = np.zeros(len(_SCALES) + len(_SHIFTS))

    def update(self, errors: NDArray[np.float64]) -> bool:
        """Add one week's signed errors; say whether the alarm has rung."""
        new = np.asarray(errors, dtype=float)
        if not np.isfinite(new).all():
            raise ValidationError("Errors must be numbers; leave missing outcomes out.")
        self.week += 1
        start = _FIRST_WEEK if self.week == 1 else (1 - _FIRST_WEEK) / (WEEKS - 1) * (self.week <= WEEKS)
        prior = np.r_[
            np.full(len(_SCALES), _SCALE_SHARE / len(_SCALES)),
            np.full(len(_SHIFTS), (1 - _SCALE_SHARE) / len(_SHIFTS)),
        ]
        self._bets = self._bets + start * prior
        if new.size:
            size_rank, self._size = self._rank(self._size, np.abs(new))
            signed_rank, self._signed = self._rank(self._signed, new)
            half_normal = ndtri((1 + size_rank) / 2)
            normal = ndtri(signed_rank)
            scales, shifts = np.array(_SCALES)[:, None], np.array(_SHIFTS)[:, None]
            gains = np.r_[
                np.sum(half_normal**2 / 2 * (1 - scales**-2) - np.log(scales), axis=1),
                np.sum(shifts * normal - shifts**2 / 2, axis=1),
            ]
            self._bets = self._bets * np.exp(np.minimum(gains, 300.0))
        left = max(WEEKS - self.week, 0) * (1 - _FIRST_WEEK) / (WEEKS - 1)
        self.capital = float(min(self._bets.sum(), 1e300) + left)
        if self.alarm_week is None and self.capital >= 1 / self.alpha:
            self.alarm_week = self.week
        return self.alarm_week is not None

    def _rank(
        self, known: NDArray[np.float64], new: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Randomised rank of each new value among all before it, in (0, 1), and the enlarged list."""
        n, m = len(known), len(new)
        # Within the week: how many of the earlier new values lie below, or tie with, each.
        below = np.tril(new[None, :] < new[:, None], -1).sum(axis=1)
        tied = np.tril(new[None, :] == new[:, None], -1).sum(axis=1)
        low = np.searchsorted(known, new, "left")
        ties = np.searchsorted(known, new, "right") - low
        rank = (low + below + self._rng.random(m) * (ties + tied + 1)) / (n + np.arange(m) + 1)
        return np.clip(rank, 1e-12, 1 - 1e-12), np.insert(known, low, new)
