"""The forecaster as one piece: members, stack and calibration, loaded from a folder and run on a batch."""

import hashlib
import json
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from novamind.errors import ModelInferenceError
from novamind.infrastructure.manifest import check_files, digest
from novamind.symptoms.domain import LEVELS
from novamind.symptoms.forecaster.boosting import BoostedQuantiles
from novamind.symptoms.forecaster.conformal import ENDS, KINDS, Calibration, own_scale
from novamind.symptoms.forecaster.ensemble import Stack, combine, crps
from novamind.symptoms.forecaster.experts import GROUPS, Expert
from novamind.symptoms.forecaster.features import Summary
from novamind.symptoms.forecaster.origins import Origins
from novamind.symptoms.forecaster.ports import Forecaster
from novamind.symptoms.forecaster.preprocessing import Array, Histories
from novamind.symptoms.forecaster.transformer import TransformerQuantiles

#: Earlier origins, in days before the present one, from which the record is forecast to see who was right.
BACKTEST_DAYS = (7, 14, 21, 35)
_BACKTEST_HORIZON = 7
_BACKTEST_REPORTS = 10  # reports that must lie before such an origin

#: Series that are forecast at once by one core: large enough to be fast, small enough to need little memory.
_CHUNK = 512

MANIFEST = "manifest.json"
_BOOSTER = "boosting.ubj"
TRANSFORMER_FILE = "transformer.onnx"
_STACK = "stack.json"
#: The network as it is trained further; not needed to forecast.
NETWORK_FILE = "transformer.safetensors"
_FILES = (_BOOSTER, TRANSFORMER_FILE, NETWORK_FILE, _STACK)


@dataclass(frozen=True)
class Backtest:
    """How the members did on each person's own past.

    Attributes
    ----------
    loss
        ``(series, members)`` mean CRPS on the unit scale; 0 where there are no days.
    days
        ``(series,)`` number of past days scored.
    ratio
        ``(series,)`` size of the ensemble's errors beside what it forecast before any calibration.
    """

    loss: Array
    days: Array
    ratio: Array


@dataclass(frozen=True)
class Prediction:
    """The model's forecast of a batch.

    Attributes
    ----------
    quantiles
        The members' calibrated average, ``(series, horizon, 21)`` on the unit scale, not rounded to steps.
    weights
        ``(series, horizon, members)``.
    """

    summary: Summary
    quantiles: Array
    weights: Array
    backtest: Backtest

    @classmethod
    def join(cls, parts: Sequence["Prediction"]) -> "Prediction":
        """Return the predictions of several batches as one."""
        loss, days, ratio = (
            np.concatenate([getattr(p.backtest, name) for p in parts]) for name in ("loss", "days", "ratio")
        )
        return cls(
            Summary.join([p.summary for p in parts]),
            np.concatenate([p.quantiles for p in parts]),
            np.concatenate([p.weights for p in parts]),
            Backtest(loss, days, ratio),
        )


@dataclass(frozen=True)
class SymptomModel:
    """Members, stack and calibration.

    Attributes
    ----------
    version
        Identifies the weights: name and the first characters of their digest.
    validation_error
        CRPS of each member and of the ``ensemble`` on the validation cohort, in percent of the scale.
    coverage
        Measured coverage on the validation cohort by nominal level.
    """

    members: tuple[Forecaster, ...]
    stack: Stack
    calibration: Calibration
    version: str
    validation_error: dict[str, float]
    coverage: dict[float, float]

    def predict(self, histories: Histories, horizon: int) -> Prediction:
        """Forecast a batch; every series needs at least one report within the lookback.

        The same pass forecasts each record from earlier origins, and scores what came there: nothing of the present
        origin is used for that. Large batches run in chunks, one core each.
        """
        if len(histories) <= _CHUNK:
            return self._predict(histories, horizon)
        chunks = (histories.rows(slice(i, i + _CHUNK)) for i in range(0, len(histories), _CHUNK))
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            return Prediction.join(list(pool.map(lambda chunk: self._predict(chunk, horizon), chunks)))

    def _predict(self, histories: Histories, horizon: int) -> Prediction:
        origins = Origins.present(histories).and_earlier(BACKTEST_DAYS, _BACKTEST_REPORTS, _BACKTEST_HORIZON)
        horizons = [horizon] + [_BACKTEST_HORIZON] * (len(origins.back) - 1)
        quantiles = [np.stack(members) for members in zip(*self.member_quantiles(origins, horizons), strict=True)]
        backtest = self._backtest(origins, quantiles[1:])
        summary = origins.summaries[0]
        weights = self.stack.member_weights(
            summary.reports, horizon, backtest.loss / summary.spread[:, None], backtest.days
        )
        calibrated = self.calibration.apply(combine(quantiles[0], weights), summary, backtest.ratio, backtest.days)
        return Prediction(summary, calibrated, weights, backtest)

    def member_quantiles(self, origins: Origins, horizons: Sequence[int]) -> list[tuple[Array, ...]]:
        """Return every member's quantiles from every origin."""
        return [member.quantiles(origins, horizons) for member in self.members]

    def _backtest(self, origins: Origins, quantiles: Sequence[Array]) -> Backtest:
        values = origins.histories.values
        series = len(values)
        loss = np.zeros((series, len(self.members)), np.float32)
        days = np.zeros(series, np.float32)
        ratio = np.ones(series, np.float32)
        earlier = zip(origins.back[1:], origins.rows[1:], origins.summaries[1:], quantiles, strict=True)
        for back, rows, summary, members in earlier:
            outcome = values[rows, -back:][:, :_BACKTEST_HORIZON]
            none = np.zeros(len(rows), np.float32)
            weights = self.stack.member_weights(
                summary.reports, _BACKTEST_HORIZON, np.zeros((len(rows), len(self.members)), np.float32), none
            )
            ratio_here, days_here = own_scale(combine(members, weights), outcome)
            total = days[rows] + days_here
            share = days_here / total
            loss[rows] += share[:, None] * (np.nanmean(crps(members, outcome[None]), axis=2).T - loss[rows])
            ratio[rows] += share * (ratio_here - ratio[rows])
            days[rows] = total
        return Backtest(loss, days, ratio)

    def save(self, folder: Path, manifest: dict[str, Any]) -> None:
        """Write the parts and a manifest that names each file's digest; the network's file is there already."""
        folder.mkdir(parents=True, exist_ok=True)
        parts: dict[str, Any] = {"experts": []}
        for member in self.members:
            if isinstance(member, BoostedQuantiles):
                member.booster.save_model(folder / _BOOSTER)
            elif isinstance(member, Expert):
                parts["experts"].append(
                    {
                        "name": member.name,
                        "signals": member.signals,
                        "damping": _rounded(member.damping),
                        "shape": _rounded(member.shape),
                        "own_reports": member.empirical_reports if np.isfinite(member.empirical_reports) else None,
                    }
                )
        parts["weights"] = _rounded(self.stack.weights)
        parts["learning_rate"] = self.stack.learning_rate
        parts["width"] = _rounded(self.calibration.width)
        parts["levels"] = _rounded(self.calibration.levels)
        parts["own_days"] = self.calibration.own_days
        (folder / _STACK).write_text(json.dumps(parts))
        manifest = {
            **manifest,
            "files": {name: digest(folder / name) for name in _FILES},
            "validation_error": self.validation_error,
            "coverage": {str(k): v for k, v in self.coverage.items()},
        }
        (folder / MANIFEST).write_text(json.dumps(manifest, indent=1) + "\n")

    @classmethod
    def load(cls, folder: Path) -> "SymptomModel":
        """Read a model and check every file against its manifest.

        Raises
        ------
        ModelInferenceError
            If a file is missing, or is not the one that the manifest describes.
        """
        try:
            manifest = json.loads((folder / MANIFEST).read_bytes())
            check_files(folder, manifest["files"])
            if not set(_FILES) <= set(manifest["files"]):
                raise ValueError("the manifest does not describe every file")
            parts = json.loads((folder / _STACK).read_bytes())
            return cls._of_parts(folder, manifest, parts)
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise ModelInferenceError(
                "no complete symptom model in the model folder; fit one with 'novamind train symptoms' or unset "
                "NOVAMIND_SYMPTOM_MODEL_PATH to use the shipped one"
            ) from error

    @classmethod
    def _of_parts(cls, folder: Path, manifest: dict[str, Any], parts: dict[str, Any]) -> "SymptomModel":
        def array(value: Any, *shape: int) -> Array:
            return np.array(value, np.float32).reshape(shape)  # ValueError where it is another shape

        experts = [
            Expert(
                e["name"],
                tuple(e["signals"]),
                array(e["damping"], *GROUPS, len(e["signals"])),
                array(e["shape"], *GROUPS, len(LEVELS)),
                float("inf") if e["own_reports"] is None else e["own_reports"],
            )
            for e in parts["experts"]
        ]
        members: tuple[Forecaster, ...] = (
            *experts,
            BoostedQuantiles.load(folder / _BOOSTER),
            TransformerQuantiles.load(folder / TRANSFORMER_FILE),
        )
        whole = hashlib.sha256("".join(sorted(manifest["files"].values())).encode()).hexdigest()
        return cls(
            members=members,
            stack=Stack(array(parts["weights"], *GROUPS, len(members)), float(parts["learning_rate"])),
            calibration=Calibration(
                array(parts["width"], KINDS),
                array(parts["levels"], KINDS, len(ENDS)),
                float(parts["own_days"]),
            ),
            version=f"{manifest['name']}-{whole[:8]}",
            validation_error=manifest["validation_error"],
            coverage={float(k): v for k, v in manifest["coverage"].items()},
        )

    def without(self, members: Sequence[str]) -> "SymptomModel":
        """Return the same model with some members' weights set to zero, for ablations."""
        keep = np.array([m.name not in members for m in self.members], np.float32)
        weights = np.maximum(self.stack.weights, 1e-4) * keep
        return replace(self, stack=replace(self.stack, weights=weights / weights.sum(-1, keepdims=True)))


def _rounded(array: Array) -> Any:
    return np.round(array.astype(np.float64), 5).tolist()
