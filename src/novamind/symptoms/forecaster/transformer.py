"""The transformer as a member of the ensemble: ONNX Runtime on daily tokens, one pass for all origins of a record."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from novamind.infrastructure.onnx_file import open_network
from novamind.symptoms.domain import LEVELS
from novamind.symptoms.forecaster.daily_tokens import HORIZONS, tokenise
from novamind.symptoms.forecaster.origins import Origins
from novamind.symptoms.forecaster.preprocessing import Array
from novamind.symptoms.interpolation import interpolate

if TYPE_CHECKING:
    import onnxruntime

NAME = "transformer"
#: Series per run of the network: few enough that what is computed of them stays in a core's cache.
_BATCH = 16
_BEGUN = 1  # the channel that says the record has begun


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
        return cls(open_network(path))

    def quantiles(self, origins: Origins, horizons: Sequence[int]) -> tuple[Array, ...]:
        """See :class:`novamind.symptoms.forecaster.ports.Forecaster`."""
        tokens = tokenise(origins.histories)
        length = tokens.channels.shape[1]
        back = np.array([b for b in origins.back if b < length])
        # Every record is read from its own first day, as in training: what stands before it in the batch, and how
        # long the other records are, must not matter. Attention looks back only, so what follows is not seen.
        lead = tokens.channels[..., _BEGUN].argmax(1)
        place = np.maximum(length - 1 - lead[:, None] - back[None, :], 0)
        z = np.empty((len(lead), len(back), len(HORIZONS), len(LEVELS)), np.float32)
        order = np.argsort(lead, kind="stable")
        for rows in np.split(order, range(_BATCH, len(order), _BATCH)):
            day = np.minimum(lead[rows, None] + np.arange(length - lead[rows].min()), length - 1)
            wanted = np.flatnonzero(np.bincount(place[rows].ravel()))
            predicted = self.session.run(None, {"channels": tokens.channels[rows[:, None], day], "positions": wanted})[
                0
            ]
            z[rows] = predicted[np.arange(len(rows))[:, None], np.searchsorted(wanted, place[rows])]
        out = []
        for k, (rows, horizon) in enumerate(zip(origins.rows, horizons, strict=True)):
            position = length - 1 - back[k]
            daily = interpolate(z[rows, k], HORIZONS, np.arange(1, horizon + 1), 1)
            level, spread = tokens.level[rows, position], tokens.spread[rows, position]
            unit = level[:, None, None] + spread[:, None, None] * daily
            out.append(np.clip(unit, 0, 1).astype(np.float32))
        return tuple(out)
