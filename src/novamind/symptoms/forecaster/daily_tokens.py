"""A history as the transformer reads it: one token a day, missing days as tokens of their own, never imputed.

Every number in a token rests on that day and the days before it, so one pass over a record gives the forecast from its
last day and, from the same pass, what would have been forecast from any earlier day.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from novamind.symptoms.forecaster.features import RECENT_DAYS
from novamind.symptoms.forecaster.preprocessing import Array, Histories

#: Tokens the transformer sees; what lies further back reaches it through the running statistics.
CONTEXT_DAYS = 96
CHANNELS = 20
#: Days ahead that the network's head predicts; days between are interpolated.
HORIZONS = np.array([*range(1, 15), 17, 21, 25, 30])


@dataclass(frozen=True)
class Tokens:
    """Tokens of a batch.

    Attributes
    ----------
    channels
        ``(series, days, CHANNELS)``.
    level, spread
        ``(series, days)`` the person's running centre and variation on the unit scale as known on each day: the
        instance normalisation of the network, in which its outputs are read as well.
    """

    channels: Array
    level: Array
    spread: Array


def tokenise(histories: Histories, context: int = CONTEXT_DAYS) -> Tokens:
    """Return the tokens of the last ``context`` days of each history.

    The running level and spread are the mean and standard deviation of the last 28 days, shrunk towards the whole
    record and, with few reports, towards what is usual at that place of the scale.
    """
    values = histories.values
    n, days = values.shape
    mask = np.isfinite(values)
    filled = np.where(mask, values, 0).astype(np.float64)
    count, total, square = (_running(x) for x in (mask.astype(np.float64), filled, filled**2))
    count_28, total_28, square_28 = (_last(x, RECENT_DAYS) for x in (count, total, square))
    count_7, total_7 = (_last(x, 7) for x in (count, total))

    mean = np.divide(total[:, 1:], count[:, 1:], out=np.full((n, days), 0.4), where=count[:, 1:] > 0)
    variance = np.maximum(np.divide(square[:, 1:], np.maximum(count[:, 1:], 1)) - mean**2 * (count[:, 1:] > 0), 0)
    level = (total_28 + 3 * mean) / (count_28 + 3)
    squares_28 = np.maximum(square_28 - 2 * level * total_28 + count_28 * level**2, 0)
    prior = 0.012 + 0.06 * np.clip(level * (1 - level), 0, 1)
    spread = np.sqrt((squares_28 + 3 * variance + 2 * prior) / (count_28 + 5))

    day = np.arange(days)[None, :]
    latest = np.maximum.accumulate(np.where(mask, day, -1), axis=1)
    first = np.where(mask.any(1), mask.argmax(1), days)[:, None]
    begun = day >= first
    gap = np.where(latest >= 0, day - latest, 0)
    weekday = (histories.weekday[:, None] - (days - day)) % 7  # of the day itself
    dated = (histories.weekday >= 0)[:, None]
    angle = 2 * np.pi * weekday / 7
    since = histories.treated[:, None] - (days - 1 - day)
    treated = since >= 0  # never where no start is known
    floor = _running(mask & (filled <= 1e-6))[:, 1:]
    step = np.broadcast_to(histories.step[:, None], (n, days))
    mean_7 = np.divide(total_7, count_7, out=level.copy(), where=count_7 > 0)
    channels = np.stack(
        [
            mask,
            begun,
            np.where(mask, (filled - level) / spread, 0),
            np.where(mask, filled, 0),
            level,
            4 * spread,
            (mean_7 - level) / spread,
            np.clip((mean - level) / spread, -6, 6),
            np.sqrt(variance) / spread,
            np.minimum(count_28, 28) / 14 - 1,
            np.log1p(count[:, 1:]) / 2 - 1,
            np.log1p(np.where(begun, day - first, 0)) / 3,
            np.log1p(gap) / 2,
            floor / np.maximum(count[:, 1:], 1),
            5 * step,
            step > 0,
            dated * np.sin(angle),
            dated * np.cos(angle),
            treated,
            np.log1p(np.where(treated, since, 0)) / 3,
        ],
        axis=-1,
    )
    start = max(0, days - context)
    return Tokens(
        channels[:, start:].astype(np.float32),
        level[:, start:].astype(np.float32),
        spread[:, start:].astype(np.float32),
    )


def _running(x: NDArray[Any]) -> NDArray[np.float64]:
    """Return the cumulative sum over days with a leading zero, ``(series, days + 1)``."""
    out = np.zeros((x.shape[0], x.shape[1] + 1))
    np.cumsum(x, axis=1, out=out[:, 1:])
    return out


def _last(running: NDArray[np.float64], days: int) -> NDArray[np.float64]:
    """Sum over the last ``days`` days up to each day, from a running sum."""
    out = running[:, 1:].copy()
    out[:, days:] -= running[:, 1:-days]
    return out
