"""The shipped detector is the one its manifest describes, and knows no order of pairs."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from novamind.biometrics.detector import MANIFEST, NETWORK, SHIPPED, AmortisedDetector
from novamind.biometrics.domain import PersonSeries
from novamind.biometrics.engine import analyse
from novamind.biometrics.features import CHANNELS, FEATURES, REACH, PairInputs, pair_inputs
from novamind.errors import ModelInferenceError


@pytest.fixture(scope="module")
def pairs(record: PersonSeries) -> PairInputs:
    two = replace(
        record,
        symptoms=("anxiety", "mood"),
        reports=np.column_stack([record.reports, np.roll(record.reports, 40, axis=0)]),
    )
    return pair_inputs(analyse(two, max_lag=96, draws=30))


def test_inputs_have_the_stated_shapes(pairs: PairInputs) -> None:
    assert pairs.profiles.shape == (4, CHANNELS, 2 * REACH + 1)
    assert pairs.scalars.shape == (4, len(FEATURES))
    assert np.isfinite(pairs.profiles).all()
    assert np.isfinite(pairs.scalars).all()
    assert not pairs.profiles[:, :, : REACH - 96].any()


def test_the_order_of_pairs_does_not_matter(pairs: PairInputs) -> None:
    detector = AmortisedDetector.load()
    odds = detector.log_odds(pairs)
    turned = np.array([2, 0, 3, 1])
    again = detector.log_odds(
        PairInputs(pairs.profiles[turned], pairs.scalars[turned], pairs.signal[turned], pairs.symptom[turned])
    )
    assert np.allclose(again, odds[turned], atol=1e-4)
    assert odds.argmax() == 0
    assert np.array_equal(odds, detector.log_odds(pairs))


def test_a_file_that_is_not_the_described_one_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(SHIPPED, folder)
    (folder / NETWORK).write_bytes((folder / NETWORK).read_bytes() + b"x")
    with pytest.raises(ModelInferenceError, match="not the file"):
        AmortisedDetector.load(folder)


def test_other_features_and_no_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelInferenceError, match="no complete"):
        AmortisedDetector.load(tmp_path)
    folder = tmp_path / "model"
    shutil.copytree(SHIPPED, folder)
    manifest = json.loads((folder / MANIFEST).read_text())
    manifest["features"].append("shoe size")
    (folder / MANIFEST).write_text(json.dumps(manifest))
    with pytest.raises(ModelInferenceError, match="other features"):
        AmortisedDetector.load(folder)
