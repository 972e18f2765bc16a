"""Gradient-boosted quantiles: one XGBoost model for all horizons and levels (the horizon is a feature).

The target is the distance of a future report from the person's level in units of the person's spread; each row weighs
as much as that spread, so that the loss is the pinball loss on the instrument's own scale (Koenker & Bassett 1978,
Econometrica 46:33; XGBoost's ``reg:quantileerror``, Chen & Guestrin 2016, KDD).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from novamind.symptoms.domain import LEVELS
from novamind.symptoms.features import Summary
from novamind.symptoms.interpolation import interpolate
from novamind.symptoms.origins import Origins
from novamind.symptoms.preprocessing import Array

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
        """See :class:`novamind.symptoms.ports.Forecaster`."""
        return tuple(self._from(s, h) for s, h in zip(origins.summaries, horizons, strict=True))

    def _from(self, summary: Summary, horizon: int) -> Array:
        knots = KNOTS[: np.searchsorted(KNOTS, horizon) + 1]
        rows = summary.per_day(knots)
        z = self.booster.inplace_predict(rows.reshape(-1, rows.shape[-1])).reshape(len(rows), len(knots), len(LEVELS))
        z = interpolate(np.sort(z, axis=-1), knots, np.arange(1, horizon + 1), 1)
        out: Array = np.clip(summary.level[:, None, None] + summary.spread[:, None, None] * z, 0, 1).astype(np.float32)
        return out

    def contributions(self, summary: Summary, horizon: int) -> NDArray[np.float64]:
        """SHAP values of the median at ``horizon`` days, ``(series, features + 1)`` on the unit scale.

        The last column is the population's expectation. Exact tree SHAP (Lundberg et al. 2020, Nat Mach Intell 2:56).
        """
        import xgboost

        rows = summary.per_day(np.array([horizon]))[:, 0]
        values: Any = self.booster.predict(xgboost.DMatrix(rows, nthread=1), pred_contribs=True)
        middle = len(LEVELS) // 2
        scaled: NDArray[np.float64] = values[:, middle].astype(np.float64) * summary.spread[:, None]
        return scaled


def fit_booster(
    features: Array,
    target: Array,
    weight: Array,
    *,
    parameters: dict[str, float | int],
    rounds: int,
    seed: int,
) -> xgboost.Booster:
    """Train all 21 quantiles.

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
            "max_bin": 64,
            "seed": seed,
            **parameters,
        },
        data,
        rounds,
    )
