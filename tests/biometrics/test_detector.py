"""The shipped detector is the one its manifest describes, and knows no order of pairs."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from novamind.biometrics.detector import MANIFEST, NETWORK, SHIPPED, AmortisedDetector, neighbours
from novamind.biometrics.domain import PairInputs, PersonSeries
from novamind.biometrics.engine import analyse
from novamind.biometrics.features import CHANNELS, FEATURES, REACH, pair_inputs
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


class Session:
    """A network that gives fixed odds and remembers what it was given."""

    def __init__(self) -> None:
        self.inputs: dict[str, np.ndarray] = {}

    def run(self, outputs: list[str], inputs: dict[str, np.ndarray]) -> list[np.ndarray]:
        assert outputs == ["log_odds"]
        self.inputs = inputs
        return [np.array([1.0, -2.0, 0.5, 3.0], np.float32)]


def test_odds_are_the_networks_and_the_evidences_each_with_its_weight(pairs: PairInputs) -> None:
    session = Session()
    odds = AmortisedDetector(session, (2.0, 0.5), -3.0, "v").log_odds(pairs)
    evidence = pairs.scalars[:, FEATURES.index("evidence")]
    assert odds == pytest.approx(2 * np.array([1, -2, 0.5, 3]) + 0.5 * evidence - 3)
    assert list(session.inputs) == ["profiles", "scalars", "same_symptom", "same_signal"]
    assert session.inputs["profiles"] is pairs.profiles
    assert session.inputs["scalars"] is pairs.scalars
    assert np.array_equal(session.inputs["same_symptom"], neighbours(pairs.symptom))
    assert np.array_equal(session.inputs["same_signal"], neighbours(pairs.signal))


def test_neighbours_are_the_other_pairs_of_the_same_alike() -> None:
    found = neighbours(np.array([4, 7, 4, 4, 9]))
    half = [0.0, 0.5]
    assert found.tolist() == [
        [0, 0, *[half[1]] * 2, 0], [0] * 5, [0.5, 0, 0, 0.5, 0], [0.5, 0, 0.5, 0, 0], [0] * 5,
    ]  # fmt: skip
    assert found.dtype == np.float32


def test_the_manifest_gives_weights_and_a_version(tmp_path: Path) -> None:
    shutil.copytree(SHIPPED, tmp_path / "model")
    manifest = json.loads((tmp_path / "model" / MANIFEST).read_text())
    manifest |= {"weights": [2.0, 0.25], "intercept": -1.5, "name": "mine"}
    (tmp_path / "model" / MANIFEST).write_text(json.dumps(manifest))
    loaded = AmortisedDetector.load(tmp_path / "model")
    assert (loaded._weights, loaded._intercept) == ((2.0, 0.25), -1.5)
    assert loaded.version == f"mine-{manifest['files'][NETWORK][:8]}"
    assert AmortisedDetector.load().version.startswith("biometrics-detector-")


@pytest.mark.parametrize("entry", ["files", "features", "weights", "intercept"])
def test_a_manifest_without_an_entry_is_refused(entry: str, tmp_path: Path) -> None:
    shutil.copytree(SHIPPED, tmp_path / "model")
    manifest = json.loads((tmp_path / "model" / MANIFEST).read_text())
    del manifest[entry]
    (tmp_path / "model" / MANIFEST).write_text(json.dumps(manifest))
    with pytest.raises(ModelInferenceError, match="no complete biometric detector in the model folder"):
        AmortisedDetector.load(tmp_path / "model")
