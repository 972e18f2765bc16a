"""Gradient-boosted quantiles: one XGBoost model for all horizons and levels (the horizon is a feature).

The target is the distance of a future report from the person's level in units of the person's spread; each row weighs
as much as that spread, so that the loss is the pinball loss on the instrument's own scale (Koenker & Bassett 1978,
Econometrica 46:33; XGBoost's ``reg:quantileerror``, Chen & Guestrin 2016, KDD).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from novamind.symptoms.domain import LEVELS
from novamind.symptoms.forecaster.features import FEATURES
from novamind.symptoms.forecaster.origins import Origins
from novamind.symptoms.forecaster.preprocessing import Array
from novamind.symptoms.interpolation import interpolate

if TYPE_CHECKING:
    import xgboost

NAME = "boosted trees"
#: Days ahead that are predicted; the days between are interpolated, as neighbouring days differ little.
KNOTS = np.array([1, 2, 3, 5, 7, 10, 14, 21, 30])


class BoostedQuantiles:
    """The fitted booster as a member of the ensemble."""

    name = NAME

    def __init__(self, booster: xgboost.Booster) -> None:
        self.booster = booster

    @classmethod
    def load(cls, path: Path) -> BoostedQuantiles:
        """Read a model in XGBoost's UBJ format (no pickle)."""
        import xgboost

        # One thread: single calls are short, and threads that wait for each other make them ten times longer.
        booster = xgboost.Booster({"nthread": 1})
        booster.load_model(path)
        return cls(booster)

    def quantiles(self, origins: Origins, horizons: Sequence[int]) -> tuple[Array, ...]:
        """See :class:`novamind.symptoms.forecaster.ports.Forecaster`."""
        knots = [KNOTS[: np.searchsorted(KNOTS, horizon) + 1] for horizon in horizons]
        rows = [s.per_day(k).reshape(-1, len(FEATURES)) for s, k in zip(origins.summaries, knots, strict=True)]
        # One call for all origins: for a single series a call costs more than its trees.
        predicted = np.sort(self.booster.inplace_predict(np.concatenate(rows)), axis=-1)
        out = []
        for s, k, horizon in zip(origins.summaries, knots, horizons, strict=True):
            z, predicted = np.split(predicted, [len(s.level) * len(k)])
            z = interpolate(z.reshape(len(s.level), len(k), len(LEVELS)), k, np.arange(1, horizon + 1), 1)
            unit = s.level[:, None, None] + s.spread[:, None, None] * z
            out.append(np.clip(unit, 0, 1).astype(np.float32))
        return tuple(out)


def fit_booster(
    features: Array,
    target: Array,
    weight: Array,
    *,
    parameters: dict[str, float | int],
    rounds: int,
    seed: int,
) -> xgboost.Booster:
    """Train trees whose leaves hold all 21 quantiles: one walk down a tree answers for all.

    Parameters
    ----------
    features, target, weight
        ``(rows, features)``, ``(rows,)`` and ``(rows,)``; the target in units of the person's spread.
    parameters
        ``eta, max_depth, min_child_weight, subsample, colsample_bytree, reg_lambda``.
    """
    import xgboost

    data = xgboost.QuantileDMatrix(features, target, weight=weight, max_bin=64)
    return xgboost.train(
        {
            "objective": "reg:quantileerror",
            "quantile_alpha": LEVELS,
            "tree_method": "hist",
            "multi_strategy": "multi_output_tree",
            "max_bin": 64,
            "seed": seed,
            **parameters,
        },
        data,
        rounds,
    )
