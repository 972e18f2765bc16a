"""Gradient-boosted quantiles: one XGBoost model for all horizons and levels (the horizon is a feature).

The target is the distance of a future report from the person's level in units of the person's spread; each row weighs
as much as that spread, so that the loss is the pinball loss on the instrument's own scale (Koenker & Bassett 1978,
Econometrica 46:33; XGBoost's ``reg:quantileerror``, Chen & Guestrin 2016, KDD).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from novamind.symptoms.domain import LEVELS
from novamind.symptoms.forecaster.features import FEATURES, Summary
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
        said = np.sort(self.booster.inplace_predict(np.concatenate(rows)), axis=-1)
        out = []
        for s, k, horizon in zip(origins.summaries, knots, horizons, strict=True):
            z, said = np.split(said, [len(s.level) * len(k)])
            z = interpolate(z.reshape(len(s.level), len(k), len(LEVELS)), k, np.arange(1, horizon + 1), 1)
            unit = s.level[:, None, None] + s.spread[:, None, None] * z
            out.append(np.clip(unit, 0, 1).astype(np.float32))
        return tuple(out)

    def contributions(self, summary: Summary, horizon: int) -> NDArray[np.float64]:
        """SHAP values of the median at ``horizon`` days, ``(series, features + 1)`` on the unit scale.

        The last column is the population's expectation. Exact tree SHAP (Lundberg et al. 2020, Nat Mach Intell 2:56).
        """
        import xgboost

        rows = summary.per_day(np.array([horizon]))[:, 0]
        values: Any = self._median.predict(xgboost.DMatrix(rows, nthread=1), pred_contribs=True)
        scaled: NDArray[np.float64] = values.astype(np.float64) * summary.spread[:, None]
        return scaled

    @cached_property
    def _median(self) -> xgboost.Booster:
        """The same trees with only the median in their leaves: of vectors in leaves XGBoost gives no SHAP values."""
        import xgboost

        model = json.loads(self.booster.save_raw("json"))
        learner, middle = model["learner"], len(LEVELS) // 2
        for tree in learner["gradient_booster"]["model"]["trees"]:
            leaves, vector, values = np.array(tree["left_children"]) == -1, len(LEVELS), np.array(tree["leaf_weights"])
            # A leaf's right child is the place of its vector; a single value stands where other nodes have their split.
            place = np.where(leaves, np.array(tree["right_children"]) * vector + middle, 0)
            value = np.where(leaves, values[place], tree["split_conditions"])
            tree["split_conditions"] = value.tolist()
            # The expectation of a node, for SHAP's base value, is computed by XGBoost from leaves and cover.
            tree["base_weights"] = value.tolist()
            tree["right_children"] = np.where(leaves, -1, tree["right_children"]).tolist()
            tree["leaf_weights"] = []
            tree["tree_param"]["size_leaf_vector"] = "1"
        base = json.loads(learner["learner_model_param"]["base_score"])[middle]
        learner["learner_model_param"] |= {"base_score": f"[{base}]", "num_target": "1"}
        learner["objective"] = {"name": "reg:squarederror", "reg_loss_param": {"scale_pos_weight": "1"}}
        median = xgboost.Booster({"nthread": 1})
        median.load_model(bytearray(json.dumps(model).encode()))
        return median


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
