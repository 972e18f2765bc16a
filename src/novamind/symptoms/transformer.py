"""The transformer as a member of the ensemble: ONNX Runtime on daily tokens, one pass for all origins of a record."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from novamind.symptoms.origins import Origins
from novamind.symptoms.preprocessing import Array
from novamind.symptoms.tokens import HORIZONS, tokenise

if TYPE_CHECKING:
    import onnxruntime

NAME = "transformer"
#: Series per run of the network: large enough to fill the cores, small enough to stay in their caches.
_BATCH = 64


class TransformerQuantiles:
    """The exported network.

    Its inputs are ``channels`` ``(series, days, CHANNELS)`` and ``positions`` ``(origins,)``; its output are quantiles
    ``(series, origins, len(HORIZONS), 21)`` in units of the person's running spread around the running level.
    """

    name = NAME

    def __init__(self, session: onnxruntime.InferenceSession) -> None:
        self.session = session

    @classmethod
    def load(cls, path: Path) -> TransformerQuantiles:
        """Read an ONNX file."""
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        return cls(onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"]))

    def quantiles(self, origins: Origins, horizons: Sequence[int]) -> tuple[Array, ...]:
        """See :class:`novamind.symptoms.ports.Forecaster`."""
        tokens = tokenise(origins.histories)
        length = tokens.channels.shape[1]
        inside = [back for back in origins.back if back < length]
        positions = np.array([length - 1 - back for back in inside], np.int64)
        z = np.concatenate(
            [
                self.session.run(None, {"channels": tokens.channels[i : i + _BATCH], "positions": positions})[0]
                for i in range(0, len(tokens.channels), _BATCH)
            ]
        )
        out = []
        for k, (rows, horizon) in enumerate(zip(origins.rows, horizons, strict=True)):
            position = positions[k]
            level, spread = tokens.level[rows, position], tokens.spread[rows, position]
            unit = level[:, None, None] + spread[:, None, None] * _daily(z[rows, k], horizon)
            out.append(np.clip(unit, 0, 1).astype(np.float32))
        return tuple(out)


def _daily(knots: Array, horizon: int) -> Array:
    """Interpolate the head's horizons to every day: ``(series, len(HORIZONS), 21)`` to ``(series, horizon, 21)``."""
    place = np.interp(np.arange(1, horizon + 1), HORIZONS, np.arange(len(HORIZONS)))
    below = np.floor(place).astype(int)
    above = np.minimum(below + 1, len(HORIZONS) - 1)
    share = (place - below).astype(np.float32)[None, :, None]
    out: Array = knots[:, below] * (1 - share) + knots[:, above] * share
    return out
