"""From one person's irregular reports of one symptom to the arrays that every model reads.

Series are never pooled: each row is one symptom of one person, scaled by its own instrument. Nothing after the origin
is ever in a row, so no model can see the future.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

#: Longest history that is looked at, in days; older reports are not used.
LOOKBACK_DAYS = 364
#: Finest scale whose steps a record can show, how many different answers it takes, and how far off a step, as a share
#: of it, an answer may be written: averages are often rounded to two places.
_MOST_STEPS, _FEWEST_ANSWERS, _OFF_STEP = 50, 3, 0.02

Array = NDArray[np.float32]


@dataclass(frozen=True)
class Histories:
    """A batch of histories, all ending on their origin day.

    Attributes
    ----------
    values
        ``(series, days)`` daily mean reports on the unit scale (0 best, 1 worst), right-aligned: the last column is
        the origin day. ``NaN`` where there was no report or the record had not begun.
    step
        ``(series,)`` distance between possible values on the unit scale, 0 where continuous.
    weekday
        ``(series,)`` weekday of the first forecast day, Monday 0; -1 where dates mean nothing.
    treated
        ``(series,)`` days from the start of the latest known treatment to the origin day; ``NaN`` where none is known.
    """

    values: Array
    step: Array
    weekday: NDArray[np.int64]
    treated: Array

    @classmethod
    def untreated(cls, values: Array, step: Array, weekday: NDArray[np.int64]) -> "Histories":
        """Return histories without a recorded treatment."""
        return cls(values, step, weekday, np.full(len(values), np.nan, np.float32))

    @classmethod
    def join(cls, parts: Sequence["Histories"]) -> "Histories":
        """Return all series of several batches, right-aligned; at most the lookback."""
        width = min(max(p.values.shape[1] for p in parts), LOOKBACK_DAYS)
        values = np.full((sum(map(len, parts)), width), np.nan, np.float32)
        start = 0
        for part in parts:
            block = part.values[:, -width:]
            values[start : start + len(block), width - block.shape[1] :] = block
            start += len(block)
        step, weekday, treated = (
            np.concatenate([getattr(p, name) for p in parts]) for name in ("step", "weekday", "treated")
        )
        return cls(values, step, weekday, treated)

    def __len__(self) -> int:
        return len(self.values)

    def before(self, days: int) -> "Histories":
        """Return the same histories as they stood ``days`` earlier."""
        if days == 0:
            return self
        weekday = np.where(self.weekday >= 0, (self.weekday - days) % 7, -1)
        treated = np.where(self.treated >= days, self.treated - np.float32(days), np.nan).astype(np.float32)
        return replace(self, values=self.values[:, :-days], weekday=weekday, treated=treated)

    def rows(self, index: NDArray[np.int64] | NDArray[np.bool_] | slice) -> "Histories":
        """Return a subset of the series."""
        return Histories(self.values[index], self.step[index], self.weekday[index], self.treated[index])


@dataclass(frozen=True)
class Diary:
    """One series to learn from: daily values on the unit scale from its first day, step, and that day's weekday."""

    values: Array
    step: float
    weekday: int


def stack_right(series: list[Array]) -> Array:
    """Right-align ragged daily series in one array, ``NaN`` before a record begins; at most the lookback."""
    width = min(max(len(s) for s in series), LOOKBACK_DAYS)
    out = np.full((len(series), width), np.nan, dtype=np.float32)
    for row, values in zip(out, series, strict=True):
        kept = values[-width:]
        row[width - len(kept) :] = kept
    return out


def unit_steps(values: Array, scale_steps: Array) -> Array:
    """Return the step of each series: the scale's own, or else the one that the answers so far lie on.

    The mean of three items from 1 to 5 moves by thirds, though nobody says so. A record shows its steps if it holds
    enough different answers and all of them are multiples of one step; the largest such step is taken.

    Parameters
    ----------
    values
        ``(series, days)`` on the unit scale.
    scale_steps
        ``(series,)`` on the unit scale, 0 where the scale has none.

    Returns
    -------
    ndarray (series,)
        On the unit scale; 0 where neither scale nor answers show one.
    """
    steps = scale_steps.copy()
    ordered = np.sort(values, axis=1)
    answers = 1 + (np.diff(ordered, axis=1) > 1 / (4 * _MOST_STEPS)).sum(1)
    open_rows = np.flatnonzero((scale_steps == 0) & (answers >= _FEWEST_ANSWERS))
    for count in range(_FEWEST_ANSWERS - 1, _MOST_STEPS + 1):
        at = values[open_rows] * count
        off = np.nanmax(np.abs(at - np.round(at)), axis=1, initial=0)
        steps[open_rows[off <= _OFF_STEP]] = 1 / count
        open_rows = open_rows[off > _OFF_STEP]
    return steps


def windows(
    reports: Array, weekday: NDArray[np.int64], step: Array, origin: int, horizon: int
) -> tuple[Histories, Array]:
    """Cut a cohort at one origin: the histories before it, and what really came in the ``horizon`` days after.

    Parameters
    ----------
    reports
        ``(series, days)``; ``weekday`` is that of the first column.
    origin
        Number of columns that are history, at least 1.

    Returns
    -------
    Histories, ndarray (series, horizon)
        Days beyond the end of ``reports`` are ``NaN``.
    """
    future = np.full((len(reports), horizon), np.nan, dtype=np.float32)
    outcome = reports[:, origin : origin + horizon]
    future[:, : outcome.shape[1]] = outcome
    values = reports[:, max(0, origin - LOOKBACK_DAYS) : origin]
    return Histories.untreated(values, unit_steps(values, step), (weekday + origin) % 7), future


def days_since_treatment(treatment_day: NDArray[np.int64], origin: int, rng: np.random.Generator) -> Array:
    """Return the days from the start of treatment to the last of ``origin`` days; ``NaN`` for a random half."""
    recorded = (treatment_day >= 0) & (treatment_day < origin) & (rng.random(len(treatment_day)) < 0.5)
    return np.where(recorded, origin - 1 - treatment_day, np.nan).astype(np.float32)
