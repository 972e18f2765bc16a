"""The outcome of a twin without any intervention: its mean, and an interval that covers.

Random forest (100 trees, depth 15, leaf 10: which implies a split minimum of 20) or gradient boosting (100
rounds, rate 0.1, leaf 10, depth 8, or 4 for small tables), whichever cross-validation prefers; both on XGBoost
so that they are stored as UBJ, not as pickles. Intervals are split-conformal on cross-validated residuals,
normalised by a second model of their size (Lei et al. 2018, "Distribution-free predictive inference for
regression") and calibrated per level of the category in which residuals differ most (Mondrian conformal: Vovk et
al. 2005, chapter 4).
"""

import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from novamind.errors import ModelInferenceError
from novamind.populations.table import Arrays, Column, Table

FOLDS: Final = 5
ALPHA: Final = 0.05
MIN_GROUP: Final = 50
THREADS: Final = min(4, os.cpu_count() or 1)
_COMMON: Final = {"objective": "reg:squarederror", "tree_method": "hist", "max_bin": 64, "nthread": 1}
FOREST: Final[Mapping[str, Any]] = {
    **_COMMON,
    "num_parallel_tree": 100,
    "subsample": 0.632,
    "colsample_bynode": 0.8,
    "max_depth": 15,
    "min_child_weight": 10,
    "eta": 1.0,
    "lambda": 0.0,
}
BOOSTING: Final[Mapping[str, Any]] = {
    **_COMMON,
    "eta": 0.1,
    "max_depth": 8,
    "min_child_weight": 10,
    "subsample": 0.8,
    "colsample_bynode": 0.5,
    "lambda": 1.0,
}
_SPREAD: Final[Mapping[str, Any]] = {
    **_COMMON,
    "eta": 0.1,
    "max_depth": 3,
    "min_child_weight": 50,
    "subsample": 0.8,
    "lambda": 5.0,
}


Encoders = Mapping[str, NDArray[np.float64]]
"""Category -> the number that stands for each level."""


def _encode(table: Table, y: NDArray[np.float64]) -> Encoders:
    """Order each category's levels by their mean outcome, shrunk to the overall mean by ten rows."""
    encoders = {}
    for column in table.columns:
        if column.kind == "category":
            codes, size = table.values[column.name], len(column.levels)
            total = np.bincount(codes, weights=y, minlength=size) + 10 * y.mean()
            encoders[column.name] = total / (np.bincount(codes, minlength=size) + 10)
    return encoders


def _matrix(
    columns: tuple[Column, ...], values: Arrays, encoders: Encoders, label: NDArray[np.float64] | None = None
) -> Any:
    import xgboost

    X = np.empty((len(values[columns[0].name]), len(columns)), dtype=np.float32)
    for j, column in enumerate(columns):
        X[:, j] = values[column.name] if column.kind == "number" else encoders[column.name][values[column.name]]
    return xgboost.DMatrix(X, label=label, nthread=1)


_PLANS: Final[Mapping[str, tuple[Mapping[str, Any], int]]] = {
    "random_forest": (FOREST, 1),
    "gradient_boosting": (BOOSTING, 100),
    "shallow_boosting": ({**BOOSTING, "max_depth": 4}, 100),
}
_SPREAD_ROUNDS: Final = 60


def _train(parameters: Mapping[str, Any], data: Any, rounds: int, seed: int) -> Any:
    import xgboost

    return xgboost.train({**parameters, "seed": seed}, data, num_boost_round=rounds)


@dataclass(frozen=True)
class CrossValidation:
    """Out-of-fold predictions of one kind of model, shape (rows,), and R2 per fold."""

    mean: NDArray[np.float64]
    r2: NDArray[np.float64]


class OutcomeModel:
    """Mean and interval of the outcome given the features.

    Parameters
    ----------
    columns
        Feature columns, in order.
    kind
        ``random_forest``, ``gradient_boosting`` or ``shallow_boosting``.
    mean_model, spread_model
        XGBoost boosters.
    group
        Category whose levels have their own calibration, or ``None``.
    quantiles
        Normalised residual at 95 %, one per level of ``group`` (one altogether without a group).
    """

    def __init__(
        self,
        columns: tuple[Column, ...],
        kind: str,
        mean_model: Any,
        spread_model: Any,
        floor: float,
        group: str | None,
        quantiles: NDArray[np.float64],
        encoders: Encoders,
    ) -> None:
        self.columns, self.kind = columns, kind
        self.mean_model, self.spread_model, self.floor = mean_model, spread_model, floor
        self.group, self.quantiles, self.encoders = group, quantiles, encoders

    def predict(self, values: Arrays) -> NDArray[np.float64]:
        """Return the mean outcome per row."""
        return np.asarray(self.mean_model.predict(_matrix(self.columns, values, self.encoders)), dtype=float)

    def reach(self, values: Arrays) -> NDArray[np.float64]:
        """Return half the width of the 95 % interval of the outcome per row."""
        data = _matrix(self.columns, values, self.encoders)
        spread = np.maximum(np.asarray(self.spread_model.predict(data), dtype=float), self.floor)
        return np.asarray(spread * (self.quantiles[0] if self.group is None else self.quantiles[values[self.group]]))

    @property
    def importance(self) -> dict[str, float]:
        """Share of the explained variation per feature (gain), descending."""
        gain = self.mean_model.get_score(importance_type="total_gain")
        total = sum(gain.values()) or 1.0
        shares = {c.name: float(gain.get(f"f{i}", 0.0) / total) for i, c in enumerate(self.columns)}
        return dict(sorted(shares.items(), key=lambda item: -item[1]))

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Hand out what is stored: UBJ bytes and the calibration."""
        return {
            "mean_model": np.frombuffer(bytes(self.mean_model.save_raw("ubj")), dtype=np.uint8),
            "spread_model": np.frombuffer(bytes(self.spread_model.save_raw("ubj")), dtype=np.uint8),
            "quantiles": self.quantiles,
            **{f"encoder/{name}": codes for name, codes in self.encoders.items()},
        }

    @classmethod
    def from_arrays(
        cls,
        columns: tuple[Column, ...],
        kind: str,
        floor: float,
        group: str | None,
        arrays: Mapping[str, NDArray[Any]],
    ) -> "OutcomeModel":
        """Rebuild from ``arrays()``."""
        import xgboost

        try:
            models = []
            for name in ("mean_model", "spread_model"):
                booster = xgboost.Booster({"nthread": 1})
                booster.load_model(bytearray(arrays[name].tobytes()))
                models.append(booster)
        except xgboost.core.XGBoostError as error:
            raise ModelInferenceError("the stored outcome model cannot be read; train it again") from error
        encoders = {name.removeprefix("encoder/"): v for name, v in arrays.items() if name.startswith("encoder/")}
        return cls(columns, kind, models[0], models[1], floor, group, arrays["quantiles"], encoders)


def cross_validate(table: Table, y: NDArray[np.float64], kind: str, seed: int) -> CrossValidation:
    """Predict every row by a model that did not see it."""
    fold = np.random.default_rng(seed).permutation(len(y)) % FOLDS
    mean = _cross_predict(table, y, fold, *_PLANS[kind], seed)
    error = [np.sum((y[fold == k] - mean[fold == k]) ** 2) for k in range(FOLDS)]
    spread = [np.sum((y[fold == k] - y[fold == k].mean()) ** 2) for k in range(FOLDS)]
    return CrossValidation(mean, 1 - np.array(error) / np.array(spread))


def _cross_predict(
    table: Table,
    y: NDArray[np.float64],
    fold: NDArray[np.int64],
    parameters: Mapping[str, Any],
    rounds: int,
    seed: int,
) -> NDArray[np.float64]:
    """Predict each fold by a model of the others, folds side by side."""

    def predict_fold(k: int) -> Any:
        inner, holdout = table.take(fold != k), table.take(fold == k)
        encoders = _encode(inner, y[fold != k])
        model = _train(parameters, _matrix(table.columns, inner.values, encoders, y[fold != k]), rounds, seed)
        return model.predict(_matrix(table.columns, holdout.values, encoders))

    out = np.empty(len(y))
    with ThreadPoolExecutor(THREADS) as pool:
        for k, predicted in enumerate(pool.map(predict_fold, range(FOLDS))):
            out[fold == k] = predicted
    return out


def fit(
    table: Table, y: NDArray[np.float64], kind: str, validated: CrossValidation, seed: int
) -> tuple[OutcomeModel, NDArray[np.bool_]]:
    """Fit the mean, the spread and the calibration; also say which rows the cross-fitted interval covered."""
    residual = np.abs(y - validated.mean)
    floor = float(max(np.quantile(residual, 0.5) * 0.05, np.finfo(float).tiny))
    fold = np.random.default_rng(seed + 1).permutation(len(y)) % FOLDS
    spread = _cross_predict(table, residual, fold, _SPREAD, _SPREAD_ROUNDS, seed)
    score = residual / np.maximum(spread, floor)
    encoders = _encode(table, y)
    spread_model = _train(_SPREAD, _matrix(table.columns, table.values, encoders, residual), _SPREAD_ROUNDS, seed)
    mean_model = _train(_PLANS[kind][0], _matrix(table.columns, table.values, encoders, y), _PLANS[kind][1], seed)
    group = _group(table, score)
    codes = np.zeros(len(y), dtype=np.int64) if group is None else table.values[group].astype(np.int64)
    levels = 1 if group is None else len(table[group].levels)
    covered = np.empty(len(y), dtype=bool)
    for k in range(FOLDS):
        out = fold == k
        covered[out] = score[out] <= _calibrate(score[~out], codes[~out], levels)[codes[out]]
    model = OutcomeModel(
        table.columns,
        kind,
        mean_model,
        spread_model,
        floor,
        group,
        _calibrate(score, codes, levels),
        encoders,
    )
    return model, covered


def _quantile(score: NDArray[np.float64]) -> float:
    k = int(np.ceil((len(score) + 1) * (1 - ALPHA)))
    return float(np.sort(score)[min(k, len(score)) - 1])


def _calibrate(score: NDArray[np.float64], codes: NDArray[np.int64], levels: int) -> NDArray[np.float64]:
    """Find the conformal quantile per level; a small level takes the larger of its maximum and the pooled."""
    pooled = _quantile(score)
    out = np.full(levels, pooled)
    for level in range(levels):
        here = score[codes == level]
        if here.size >= 1 / ALPHA * 2:
            out[level] = _quantile(here)
        elif here.size:
            out[level] = max(pooled, float(here.max()))
    return out


def _group(table: Table, score: NDArray[np.float64]) -> str | None:
    """Find the category in which the chance of a miss differs most between levels (chi-square)."""
    missed = score > _quantile(score)
    best, strength = None, 0.0
    for column in table.columns:
        if column.kind != "category" or not len(column.levels) >= 2:
            continue
        codes = table.values[column.name]
        size = np.bincount(codes, minlength=len(column.levels))
        kept = size >= MIN_GROUP
        if kept.sum() < 2:
            continue
        expected = size[kept] * missed.mean()
        chi2 = float(
            np.sum(
                (np.bincount(codes, weights=missed, minlength=len(size))[kept] - expected) ** 2
                / np.maximum(expected, 1e-9)
            )
        )
        if chi2 > strength:
            best, strength = column.name, chi2
    return best
