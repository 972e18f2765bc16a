"""The training commands run, are seeded, and leave what can be loaded."""

import warnings
from pathlib import Path

import numpy as np
import pytest
from scipy.special import expit

from novamind.biometrics.detector import AmortisedDetector
from novamind.biometrics.training import PRESETS, calibrate, measured, train

pytest.importorskip("torch")


def test_calibration_makes_odds_true() -> None:
    rng = np.random.default_rng(0)
    truth = rng.normal(-2, 2, 20_000)
    label = (rng.random(20_000) < expit(truth)).astype(np.float32)
    label[:50] = np.nan
    other = rng.standard_normal(20_000)
    weights, intercept = calibrate(np.column_stack([2 * truth + 3, -other]), label)
    assert weights == pytest.approx([0.5, 0], abs=0.06)
    assert intercept == pytest.approx(-1.5, abs=0.15)


def test_perfect_odds_measure_one() -> None:
    label = np.array([1, 1, 0, 0, 0, np.nan], np.float32)
    figures = measured(np.array([3.0, 2, 1, 0, -1, 9]), label)
    assert figures["auc"] == figures["power_at_fdr_0.1"] == 1


@pytest.mark.parametrize("network", ["detector", "lstm"])
def test_smoke(network: str, tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter's own
        figures = train(PRESETS["smoke"], network, seed=0, out=tmp_path, workers=1, progress=lambda _: None)
    assert figures
    if network == "detector":
        assert AmortisedDetector.load(tmp_path).version.startswith("biometrics-detector-")
