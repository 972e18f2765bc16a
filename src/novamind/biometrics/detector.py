"""The amortised detector as it is used: ONNX Runtime on the engine's profiles, checked against its manifest."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from novamind.biometrics.domain import Floats, PairInputs
from novamind.biometrics.features import FEATURES
from novamind.errors import ModelInferenceError
from novamind.infrastructure.manifest import check_files
from novamind.infrastructure.onnx_file import open_network

if TYPE_CHECKING:
    import onnxruntime

MANIFEST = "manifest.json"
NETWORK = "detector.onnx"
SHIPPED = Path(__file__).parent / "weights"


class AmortisedDetector:
    """The exported network with its calibration.

    Parameters
    ----------
    session
        Inputs ``profiles, scalars, same_symptom, same_signal``, output ``log_odds``.
    weights, intercept
        What the network's odds and the engine's evidence count for, fitted by logistic regression on simulated persons
        of another population, which also calibrates the sum (Platt 1999).
    version
        Name and digest of the weights.
    """

    def __init__(
        self, session: onnxruntime.InferenceSession, weights: tuple[float, float], intercept: float, version: str
    ) -> None:
        self._session = session
        self._weights, self._intercept = weights, intercept
        self.version = version

    @classmethod
    def load(cls, folder: Path = SHIPPED) -> AmortisedDetector:
        """Return the detector of a folder, checked against its manifest.

        Raises
        ------
        ModelInferenceError
            If a file is missing, is not the one that the manifest describes, or expects other features.
        """
        try:
            manifest: dict[str, Any] = json.loads((folder / MANIFEST).read_text())
            check_files(folder, manifest["files"])
            network_digest, features = manifest["files"][NETWORK], manifest["features"]
            network, evidence = (float(weight) for weight in manifest["weights"])
            intercept = float(manifest["intercept"])
        except (OSError, KeyError, ValueError) as error:
            raise ModelInferenceError(
                "no complete biometric detector in the model folder; fit one with 'novamind train biometrics' or unset "
                "NOVAMIND_BIOMETRIC_MODEL_PATH to use the shipped one"
            ) from error
        if features != list(FEATURES):
            raise ModelInferenceError("the detector was fitted to other features than this version has: fit it again")
        session = open_network(folder / NETWORK)
        return cls(session, (network, evidence), intercept, f"{manifest['name']}-{network_digest[:8]}")

    def log_odds(self, pairs: PairInputs) -> Floats:
        """Return calibrated log odds of a direct link, ``(pairs,)``."""
        (raw,) = self._session.run(
            ["log_odds"],
            {
                "profiles": pairs.profiles,
                "scalars": pairs.scalars,
                "same_symptom": neighbours(pairs.symptom),
                "same_signal": neighbours(pairs.signal),
            },
        )
        evidence = pairs.scalars[:, FEATURES.index("evidence")].astype(np.float64)
        return np.asarray(self._weights[0] * raw.astype(np.float64) + self._weights[1] * evidence + self._intercept)


def neighbours(index: Any) -> Any:
    """Return equal weights on the other pairs that share the index, 0 elsewhere: ``(pairs, pairs)`` float32."""
    same = (index[:, None] == index[None, :]) & ~np.eye(len(index), dtype=bool)
    return (same / np.maximum(same.sum(1, keepdims=True), 1)).astype(np.float32)
