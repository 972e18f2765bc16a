"""Linear interpolation and rounding along arrays, as every stage of a forecast needs them."""

from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

Numbers = TypeVar("Numbers", NDArray[np.float32], NDArray[np.float64])

#: Half a point of a visual analogue scale of 100, the finest on which people answer: what is nearer to an end of the
#: scale than this is the end.
_NEAR = 0.005


def interpolate(values: Numbers, knots: NDArray[Any], at: NDArray[Any], axis: int) -> Numbers:
    """Return values at ``knots`` (rising) along ``axis``, read at other places; constant beyond the ends.

    Parameters
    ----------
    values
        Any shape; ``values.shape[axis]`` is the number of knots.
    at
        ``(places,)``, which becomes the length of that axis.
    """
    below, share = places(knots, at)
    if not share.any():
        return np.take(values, below, axis)
    shape = [1] * values.ndim
    shape[axis] = -1
    near = np.take(values, below, axis)
    out: Numbers = np.take(values, np.minimum(below + 1, values.shape[axis] - 1), axis)
    out -= near
    out *= share.reshape(shape).astype(values.dtype)
    out += near
    return out


def places(knots: NDArray[Any], at: NDArray[Any]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return the index of the knot at or below each place, and the share of the way to the next one."""
    place = np.interp(at, knots, np.arange(len(knots)))
    below = place.astype(np.int64)
    return below, place - below


def on_steps(values: Numbers, step: ArrayLike) -> Numbers:
    """Return values rounded to multiples of ``step``, which broadcasts; a step of 0 leaves them."""
    width = np.asarray(step, values.dtype)
    out: Numbers = np.where(width > 0, np.round(values / np.where(width > 0, width, 1)) * width, values)
    return out


def on_ends(values: Numbers) -> Numbers:
    """Return values on the unit scale, those next to an end of it moved there.

    Many answers lie exactly on an end. An average of quantiles of which one is not quite there would miss them all.
    """
    out: Numbers = np.where(values < _NEAR, 0, np.where(values > 1 - _NEAR, 1, values)).astype(values.dtype)
    return out
