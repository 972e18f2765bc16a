"""Arrays in few numbers, for golden answers: any other value, order or gap makes another summary."""

from typing import Any

import numpy as np


def summary(values: Any) -> list[float]:
    """How many are finite; their mean, root mean square, and mean weighted by place."""
    flat = np.asarray(values, dtype=np.float64).ravel()
    place = np.cos(1.0 + np.arange(len(flat)))
    finite = np.isfinite(flat)
    count = int(finite.sum())
    if not count:
        return [len(flat), 0, 0.0, 0.0, 0.0]
    known, at = flat[finite], place[finite]
    sums = known.sum(), (known**2).sum(), (known * at).sum()
    return [len(flat), count, sums[0] / count, float(np.sqrt(sums[1] / count)), sums[2] / count]
