import hashlib
import json
from importlib import resources

import numpy as np
import pytest
from scipy.stats import norm

from novamind.errors import InsufficientDataError, ModelInferenceError, NotFoundError, ValidationError
from novamind.neurochemistry import BrainRegion, EnhancedXGBoostService, Neurotransmitter, surrogate, training
from novamind.neurochemistry.dynamics import MONOAMINES, PRIOR, ensemble, typical
from novamind.neurochemistry.published_checks import fits_calibration
from novamind.neurochemistry.simulation import region_level
from novamind.neurochemistry.surrogate import FEATURE_NAMES, contributions, features, has_terminals, manifest, predict
from novamind.neurochemistry.training import (
    draw_ensemble,
    draw_patients,
    r_squared,
    simulate_examples,
    train_surrogate,
    write_ensemble,
)
from novamind.neurochemistry.treatment import Outcome, Treatment, interaction
from tests.golden import check_golden

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


# -- rules -------------------------------------------------------------------------------------------------------------

DOPAMINE, NORADRENALINE = Neurotransmitter.DOPAMINE, Neurotransmitter.NOREPINEPHRINE


def test_inputs_say_what_their_names_say() -> None:
    sets = ensemble().take(np.array([4, 9]))
    ours = features(sets, BrainRegion.STRIATUM, DOPAMINE, SEROTONIN, np.array([0.5, -0.2]), np.array([3.0, 40.0]))
    named = dict(zip(FEATURE_NAMES, ours.T, strict=True))
    assert list(PRIOR)[:-1] == list(FEATURE_NAMES[:14])
    for name in list(PRIOR)[:-1]:
        np.testing.assert_array_equal(named[name], getattr(sets, name)[:, 0])
    np.testing.assert_allclose(named["log_release"], np.log([1.5, 0.8]))
    np.testing.assert_allclose(named["log_day"], np.log([4.0, 41.0]))
    # caudate, putamen, accumbens by volume: SERT 2, 4, 4; NET 0, 0, 1; DAT 8 each; two of the three from the nigra
    sert, net, nigral = (3.6 * 2 + 5.0 * 4 + 0.55 * 4) / 9.15, 0.55 / 9.15, 8.6 / 9.15
    expected = {"sert_density": sert, "net_density": net, "dat_density": 8.0, "nigral_share": nigral}
    for name, value in expected.items():
        np.testing.assert_allclose(named[name], [value, value])
    for name in MONOAMINES:
        assert list(named[f"treated_{name.value}"]) == [float(name is DOPAMINE)] * 2
        assert list(named[f"observed_{name.value}"]) == [float(name is SEROTONIN)] * 2


@pytest.mark.parametrize(
    ("region", "names"),
    [
        (BrainRegion.STRIATUM, {SEROTONIN, DOPAMINE}),
        (BrainRegion.CEREBELLUM, {NORADRENALINE}),
        (BrainRegion.OCCIPITAL_CORTEX, {SEROTONIN, NORADRENALINE}),
        (BrainRegion.HIPPOCAMPUS, set(MONOAMINES)),
    ],
)
def test_terminals_are_asked_for_in_every_part(region: BrainRegion, names: set[Neurotransmitter]) -> None:
    assert {name for name in Neurotransmitter if has_terminals(region, name)} == names


def test_weighted_quantiles_by_hand() -> None:
    # middles of the steps of weight: 0.05, 0.35, 0.80 of the weight at 1, 2, 5
    values, weights = np.array([5.0, 1.0, 2.0]), np.array([0.4, 0.1, 0.5])
    middle, low, high = surrogate._weighted(values, weights)
    assert (low, middle, high) == pytest.approx((1.0, 2 + 3 * (0.15 / 0.45), 5.0))
    many = np.arange(1000.0)
    middle, low, high = surrogate._weighted(many[::-1], np.full(1000, 1e-3))
    assert (low, middle, high) == pytest.approx((49.5, 499.5, 949.5))
    assert all(type(value) is float for value in (middle, low, high))


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (0.0, "additive"),
        (9.99e-7, "additive"),
        (-9.99e-7, "additive"),
        (1e-6, "synergistic"),
        (-1e-6, "antagonistic"),
        (3.0, "synergistic"),
        (-3.0, "antagonistic"),
    ],
)
def test_the_kind_of_an_interaction_is_its_sign(value: float, kind: str) -> None:
    assert surrogate._kind(value) == kind


def test_weights_are_normal_densities_of_the_misfit() -> None:
    sets = ensemble().take(np.arange(30))
    measured = {7.0: 2.0, 28: 2.6}
    weights = SERVICE._weights(sets, BrainRegion.HIPPOCAMPUS, SEROTONIN, 1.0, measured)
    density = np.ones(30)
    for day, level in measured.items():
        expected = np.exp(predict(features(sets, BrainRegion.HIPPOCAMPUS, SEROTONIN, SEROTONIN, 1.0, day)))
        density *= norm.pdf(level, expected, 0.2)
    np.testing.assert_allclose(weights, density / density.sum(), rtol=1e-6)
    np.testing.assert_allclose(SERVICE._weights(sets, BrainRegion.HIPPOCAMPUS, SEROTONIN, 1.0, {}), 1 / 30)


@pytest.mark.parametrize(
    ("data", "right"),
    [
        ({0.5: 1.0}, True),
        ({84: 1e-9}, True),
        ({0.49: 1.0}, False),
        ({84.01: 1.0}, False),
        ({7: 0.0}, False),
        ({7: -1.0}, False),
        ({7: "1"}, False),
        ({7: float("nan")}, False),
        ({"7": 1.0}, False),
    ],
)
def test_limits_of_measurements(data: dict, right: bool) -> None:
    if right:
        assert SERVICE.predict_treatment_response("p1", "hippocampus", "serotonin", 0.5, data)["calibrated_on"] == 1
    else:
        with pytest.raises(ValidationError, match="baseline_data"):
            SERVICE.predict_treatment_response("p1", "hippocampus", "serotonin", 0.5, data)


def test_without_measurements_every_set_counts_alike_and_the_typical_one_is_explained() -> None:
    answer = SERVICE.predict_treatment_response(7, "hippocampus", "dopamine", 1.0)
    assert answer["patient_id"] == "7"
    assert answer["effective_parameter_sets"] == pytest.approx(200)
    assert answer["calibrated_on"] == 0
    row = features(typical(), BrainRegion.HIPPOCAMPUS, DOPAMINE, DOPAMINE, 1.0, 84)
    assert answer["log_response"] == pytest.approx(float(predict(row)[0]), rel=1e-6)
    every = np.exp(predict(features(ensemble(), BrainRegion.HIPPOCAMPUS, DOPAMINE, DOPAMINE, 1.0, 14)))
    assert answer["predicted_response"][2] == pytest.approx(np.median(every), rel=1e-6)
    assert answer["held_out_r2"] == manifest()["metrics"]["r2_held_out_patients"]


def test_with_measurements_the_best_set_is_explained() -> None:
    sets = ensemble()
    answer = SERVICE.predict_treatment_response("p1", "amygdala", "serotonin", 1.0, {14: 5.0})
    expected = np.exp(predict(features(sets, BrainRegion.AMYGDALA, SEROTONIN, SEROTONIN, 1.0, 14)))
    best = sets.take(np.array([int(np.abs(expected - 5.0).argmin())]))
    row = features(best, BrainRegion.AMYGDALA, SEROTONIN, SEROTONIN, 1.0, 84)
    assert answer["log_response"] == pytest.approx(float(predict(row)[0]), rel=1e-6)


def test_predictions_as_they_are_today() -> None:
    answers = [
        SERVICE.predict_treatment_response("p1", "prefrontal_cortex", "serotonin", 0.8),
        SERVICE.predict_treatment_response("p1", "striatum", "dopamine", -0.5, {7: 0.7, 28.5: 0.8}),
        SERVICE.predict_treatment_response("p2", "cerebellum", "norepinephrine", 3.0),
    ]
    check_golden(__file__, "predictions", answers, relative=1e-4, absolute=1e-5)


def test_interactions_as_they_are_today() -> None:
    answers = [
        SERVICE.analyze_treatment_interactions("norepinephrine", 0.5, {"serotonin": 0.5, "dopamine": 0.2}),
        SERVICE.analyze_treatment_interactions("serotonin", 1.0, {"dopamine": -0.4, "norepinephrine": 2.0}, "amygdala"),
        SERVICE.analyze_treatment_interactions("dopamine", 0.3, {"serotonin": -0.5}, "striatum"),
    ]
    check_golden(__file__, "interactions", answers)


def test_an_interaction_is_summed_over_the_transmitters_of_the_region() -> None:
    answer = SERVICE.analyze_treatment_interactions("norepinephrine", 0.5, {"serotonin": 0.5})
    pair = answer["interactions"]["serotonin"]
    assert set(pair["by_transmitter"]) == {"serotonin", "norepinephrine", "dopamine"}
    assert pair["interaction"] == pytest.approx(sum(pair["by_transmitter"].values()))
    for name, value in pair["by_transmitter"].items():
        own = interaction(
            Treatment({NORADRENALINE: 0.5}), Treatment({SEROTONIN: 0.5}), Outcome(name, "prefrontal_cortex", 42.0)
        )
        assert value == pytest.approx(float(own[0]))
    assert answer["net"]["interaction"] == pytest.approx(pair["interaction"])


def test_synergy_and_antagonism_cancel_in_the_net() -> None:
    """A rise of serotonin takes from a rise of noradrenaline, a fall gives; both at once undo one another."""
    up, down = 0.25, -0.2  # 1.25 x 0.8 = 1
    first = SERVICE.analyze_treatment_interactions("norepinephrine", 0.5, {"serotonin": up})["net"]
    second = SERVICE.analyze_treatment_interactions("norepinephrine", 0.5, {"serotonin": down})["net"]
    assert first["kind"] == "antagonistic"
    assert second["kind"] == "synergistic"
    both = Treatment({SEROTONIN: up}) + Treatment({SEROTONIN: down})
    outcome = Outcome(NORADRENALINE, "prefrontal_cortex")
    assert interaction(Treatment({NORADRENALINE: 0.5}), both, outcome)[0] == pytest.approx(0.0, abs=1e-9)


@pytest.mark.parametrize(
    "secondary", [{}, [("serotonin", 0.5)], None, {"dopamine": 0.3}, {Neurotransmitter.DOPAMINE: 1}]
)
def test_secondary_changes_are_other_transmitters(secondary: object) -> None:
    with pytest.raises(ValidationError, match="secondary"):
        SERVICE.analyze_treatment_interactions("dopamine", 0.5, secondary)


def test_the_days_of_a_prediction_lie_within_the_training() -> None:
    assert surrogate.DAY_RANGE == (0.5, 84.0)
    assert surrogate.TIMEFRAME_DAYS == (1, 7, 14, 28, 42, 84)
    assert surrogate.MEASUREMENT_SD == 0.2
