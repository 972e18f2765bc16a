import hashlib
import json
from importlib import resources

import numpy as np
import pytest

from novamind.errors import InsufficientDataError, ModelInferenceError, NotFoundError, ValidationError
from novamind.neurochemistry import BrainRegion, EnhancedXGBoostService, Neurotransmitter, surrogate, training
from novamind.neurochemistry.dynamics import MONOAMINES, PRIOR, ensemble
from novamind.neurochemistry.published_checks import fits_calibration
from novamind.neurochemistry.simulation import region_level
from novamind.neurochemistry.surrogate import contributions, features, manifest, predict
from novamind.neurochemistry.training import (
    draw_ensemble,
    draw_patients,
    r_squared,
    simulate_examples,
    train_surrogate,
    write_ensemble,
)
from novamind.neurochemistry.treatment import Treatment

SERVICE = EnhancedXGBoostService()
SEROTONIN = Neurotransmitter.SEROTONIN


def test_it_agrees_with_the_twin_on_patients_it_has_not_seen():
    rng = np.random.default_rng(987)
    inputs, levels = simulate_examples(draw_patients(rng, 60), rng)
    assert r_squared(levels, predict(inputs)) > 0.95
    assert manifest()["metrics"]["r2_held_out_patients"] > 0.95


def test_it_agrees_with_the_twin_on_the_shipped_sets():
    sets = ensemble().take(np.arange(10))
    for effect in (-0.5, 0.3, 2.0):
        chemistry = Treatment({SEROTONIN: effect}).chemistry(42, sets)
        twin = region_level(chemistry, SEROTONIN, BrainRegion.HIPPOCAMPUS)[:, -1]
        ours = np.exp(predict(features(sets, BrainRegion.HIPPOCAMPUS, SEROTONIN, SEROTONIN, effect, 42.0)))
        np.testing.assert_allclose(ours, twin, rtol=0.1)


def test_contributions_add_up():
    sets = ensemble().take(np.arange(10))
    inputs = features(sets, BrainRegion.AMYGDALA, SEROTONIN, Neurotransmitter.NOREPINEPHRINE, 1.0, 14.0)
    np.testing.assert_allclose(contributions(inputs).sum(axis=1), predict(inputs), atol=1e-4)
    answer = SERVICE.predict_treatment_response("p1", "amygdala", "serotonin", 1.0)
    assert sum(answer["contributions"].values()) + answer["bias"] == pytest.approx(answer["log_response"], abs=1e-4)


def test_a_prediction_is_labelled_and_plain():
    answer = SERVICE.predict_treatment_response("p1", BrainRegion.PREFRONTAL_CORTEX, SEROTONIN, 0.5)
    json.dumps(answer, allow_nan=False)
    assert "not measured" in answer["emulator_of"]
    assert all(
        low < middle < high
        for low, middle, high in zip(answer["low"], answer["predicted_response"], answer["high"], strict=True)
    )
    assert set(answer["coupled"]) == {"norepinephrine", "dopamine"}


def test_measurements_of_the_patient_move_the_prediction_towards_them():
    before = SERVICE.predict_treatment_response("p1", "hippocampus", "serotonin", 2.0)
    higher = before["high"][2] + 0.3
    after = SERVICE.predict_treatment_response("p1", "hippocampus", "serotonin", 2.0, {14: higher})
    assert after["predicted_response"][3] > before["predicted_response"][3]
    assert after["effective_parameter_sets"] < before["effective_parameter_sets"]
    assert after["calibrated_on"] == 1


def test_bad_questions_are_refused():
    with pytest.raises(NotFoundError):
        SERVICE.predict_treatment_response("p1", "hippocampus", "gaba", 0.5)
    with pytest.raises(NotFoundError):
        SERVICE.predict_treatment_response("p1", "pituitary", "serotonin", 0.5)
    with pytest.raises(InsufficientDataError):
        SERVICE.predict_treatment_response("p1", "cerebellum", "serotonin", 0.5)
    for effect, data in ((-2.0, None), (0.5, {0.0: 1.0}), (0.5, {7: -1.0}), (0.5, {700: 1.0})):
        with pytest.raises(ValidationError):
            SERVICE.predict_treatment_response("p1", "hippocampus", "serotonin", effect, data)


def test_interactions_are_factorial_and_can_cancel():
    both = SERVICE.analyze_treatment_interactions("norepinephrine", 0.5, {"serotonin": 0.5, "dopamine": 0.2})
    assert both["interactions"]["serotonin"]["kind"] == "antagonistic"
    assert both["interactions"]["dopamine"]["interaction"] == pytest.approx(0.0, abs=1e-6)
    opposite = SERVICE.analyze_treatment_interactions("norepinephrine", 0.5, {"serotonin": -0.5})
    assert opposite["interactions"]["serotonin"]["kind"] == "synergistic"
    for secondary in ({}, {"norepinephrine": 0.3}):
        with pytest.raises(ValidationError):
            SERVICE.analyze_treatment_interactions("norepinephrine", 0.5, secondary)


def test_the_shipped_weights_match_their_manifest_and_altered_ones_are_refused(monkeypatch):
    folder = resources.files("novamind.neurochemistry").joinpath("weights")
    weights = folder.joinpath(surrogate.WEIGHTS_FILE).read_bytes()
    assert hashlib.sha256(weights).hexdigest() == manifest()["sha256"]
    surrogate._model.cache_clear()
    with monkeypatch.context() as patch:
        patch.setattr(surrogate.hashlib, "sha256", lambda _: hashlib.md5(b"altered", usedforsecurity=False))
        with pytest.raises(ModelInferenceError, match="manifest"):
            surrogate._model()
    surrogate._model.cache_clear()


def test_training_is_seeded_and_writes_a_manifest(tmp_path, monkeypatch):
    monkeypatch.setattr("novamind.neurochemistry.training.TRAINING_PATIENTS", 8)
    monkeypatch.setattr("novamind.neurochemistry.training.HELD_OUT_PATIENTS", 4)
    monkeypatch.setattr("novamind.neurochemistry.training._ROUNDS", 4)
    hashes = []
    for name in ("one", "two"):
        train_surrogate(tmp_path / name, seed=1, progress=lambda _: None)
        hashes.append(json.loads((tmp_path / name / surrogate.MANIFEST_FILE).read_text())["sha256"])
    assert hashes[0] == hashes[1]


def test_every_monoamine_and_region_pair_has_features_of_one_width():
    widths = {
        features(ensemble(), BrainRegion.STRIATUM, t, o, 0.1, 1.0).shape[1] for t in MONOAMINES for o in MONOAMINES
    }
    assert widths == {len(surrogate.FEATURE_NAMES)}


def test_the_ensemble_is_drawn_again_as_shipped(tmp_path, monkeypatch):
    # the first five sets that pass lie among the first 500 of a batch; the others need no judgement here
    def first_500(sets):
        return np.append(fits_calibration(sets.take(np.arange(500))), np.zeros(sets.count - 500, dtype=bool))

    monkeypatch.setattr(training, "fits_calibration", first_500)
    shipped = {name: getattr(ensemble(), name)[:5, 0] for name in PRIOR}
    drawn = draw_ensemble(seed=0, size=5, progress=lambda _: None)
    for name, values in shipped.items():
        np.testing.assert_array_equal(drawn[name], values)
    write_ensemble(drawn, tmp_path / "ensemble.csv")
    assert len((tmp_path / "ensemble.csv").read_text().splitlines()) == 6


def test_checks_that_nothing_meets_are_an_error(monkeypatch):
    monkeypatch.setattr(training, "fits_calibration", lambda sets: np.zeros(sets.count, dtype=bool))
    with pytest.raises(ModelInferenceError, match="too few"):
        draw_ensemble(seed=0, size=1, progress=lambda _: None)
