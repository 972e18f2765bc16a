import dataclasses
import json

import numpy as np
import pytest
from scipy.stats import norm

from novamind.errors import InsufficientDataError, NotFoundError, ValidationError
from novamind.neurochemistry import BrainRegion, EnhancedXGBoostService, Neurotransmitter, service
from novamind.neurochemistry.amino_acids import AMINO_ACIDS
from novamind.neurochemistry.dynamics import MONOAMINES, PRIOR, ensemble, typical
from novamind.neurochemistry.simulation import region_level
from novamind.neurochemistry.treatment import Outcome, Treatment, interaction
from tests.golden import check_golden

SERVICE = EnhancedXGBoostService()
SEROTONIN = Neurotransmitter.SEROTONIN


def test_a_prediction_is_labelled_and_plain():
    answer = SERVICE.predict_treatment_response("p1", BrainRegion.PREFRONTAL_CORTEX, SEROTONIN, 0.5)
    json.dumps(answer, allow_nan=False)
    assert "not measured" in answer["method"]
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
        SERVICE.predict_treatment_response("p1", "hippocampus", "acetylcholine", 0.5)
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


# -- rules -------------------------------------------------------------------------------------------------------------

DOPAMINE, NORADRENALINE = Neurotransmitter.DOPAMINE, Neurotransmitter.NOREPINEPHRINE


def test_weighted_quantiles_by_hand() -> None:
    # middles of the steps of weight: 0.05, 0.35, 0.80 of the weight at 1, 2, 5
    values, weights = np.array([5.0, 1.0, 2.0]), np.array([0.4, 0.1, 0.5])
    middle, low, high = service._weighted(values, weights)
    assert (low, middle, high) == pytest.approx((1.0, 2 + 3 * (0.15 / 0.45), 5.0))
    many = np.arange(1000.0)
    middle, low, high = service._weighted(many[::-1], np.full(1000, 1e-3))
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
    assert service._kind(value) == kind


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


def test_predictions_as_they_are_today() -> None:
    answers = [
        SERVICE.predict_treatment_response("p1", "prefrontal_cortex", "serotonin", 0.8),
        SERVICE.predict_treatment_response("p1", "striatum", "dopamine", -0.5, {7: 0.7, 28.5: 0.8}),
        SERVICE.predict_treatment_response("p2", "cerebellum", "norepinephrine", 3.0),
        SERVICE.predict_treatment_response("p2", "thalamus", "gaba", 0.5),
    ]
    check_golden(__file__, "predictions", answers)


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
    assert set(pair["by_transmitter"]) == {"serotonin", "norepinephrine", "dopamine", "glutamate", "gaba"}
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


def test_the_days_of_a_prediction() -> None:
    assert service.DAY_RANGE == (0.5, 84.0)
    assert service.TIMEFRAME_DAYS == (1, 7, 14, 28, 42, 84)
    assert service.MEASUREMENT_SD == 0.2


def twin(effect: float, treated: Neurotransmitter, region: BrainRegion, observed: Neurotransmitter) -> np.ndarray:
    return region_level(Treatment({treated: effect}).chemistry(84, ensemble()), observed, region)


def test_it_answers_what_the_twin_simulates() -> None:
    answer = SERVICE.predict_treatment_response(7, "hippocampus", "dopamine", 1.0)
    levels = twin(1.0, DOPAMINE, BrainRegion.HIPPOCAMPUS, DOPAMINE)
    assert answer["patient_id"] == "7"
    assert answer["effective_parameter_sets"] == pytest.approx(200)
    assert answer["calibrated_on"] == 0
    for place, day in enumerate((1, 7, 14, 28, 42, 84)):
        assert answer["predicted_response"][place] == pytest.approx(np.median(levels[:, 2 * day]), rel=1e-3)
        assert answer["low"][place] == pytest.approx(np.quantile(levels[:, 2 * day], 0.05), rel=5e-3)
    own = region_level(Treatment({DOPAMINE: 1.0}).chemistry(84), DOPAMINE, BrainRegion.HIPPOCAMPUS)[0, -1]
    assert answer["log_response"] == pytest.approx(np.log(own))


def test_a_level_between_two_times_is_linear() -> None:
    levels = np.array([[1.0, 2.0, 4.0]])
    assert service._on_day(levels, 0.0)[0] == 1.0
    assert service._on_day(levels, 0.75)[0] == pytest.approx(3.0)
    assert service._on_day(levels, 1.0)[0] == 4.0


def test_weights_are_normal_densities_of_the_misfit() -> None:
    levels = twin(1.0, SEROTONIN, BrainRegion.HIPPOCAMPUS, SEROTONIN)
    measured = {7.0: 2.0, 28: 2.6}
    weights = service._weights(levels, measured)
    density = norm.pdf(2.0, levels[:, 14], 0.2) * norm.pdf(2.6, levels[:, 56], 0.2)
    np.testing.assert_allclose(weights, density / density.sum(), rtol=1e-6)
    np.testing.assert_allclose(service._weights(levels, {}), 1 / 200)


def test_with_measurements_the_best_set_is_explained() -> None:
    answer = SERVICE.predict_treatment_response("p1", "amygdala", "serotonin", 1.0, {14: 5.0})
    levels = twin(1.0, SEROTONIN, BrainRegion.AMYGDALA, SEROTONIN)
    best = int(np.abs(levels[:, 28] - 5.0).argmin())
    assert answer["log_response"] == pytest.approx(np.log(levels[best, -1]))


def test_sensitivity_is_the_move_of_one_parameter_over_its_spread() -> None:
    answer = SERVICE.predict_treatment_response("p1", "amygdala", "serotonin", 2.0)
    assert set(answer["sensitivity"]) == set(service.PARAMETER_NAMES)
    assert len(service.PARAMETER_NAMES) == len(PRIOR) - 1 + 4
    values = np.quantile(ensemble().terminal_inhibition, (0.05, 0.95))
    ends = []
    for value in values:
        moved = dataclasses.replace(typical(), terminal_inhibition=np.full((1, 1), value))
        chemistry = Treatment({SEROTONIN: 2.0}).chemistry(84, moved)
        ends.append(np.log(region_level(chemistry, SEROTONIN, BrainRegion.AMYGDALA)[0, -1]))
    assert answer["sensitivity"]["terminal_inhibition"] == pytest.approx(ends[1] - ends[0])
    assert answer["sensitivity"]["gaba_restraint"] == 0.0
    other = SERVICE.predict_treatment_response("p1", "amygdala", "gaba", 0.5)["sensitivity"]
    assert {name for name, value in other.items() if value} == {"gaba_restraint", "glutamate_drive"}


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
    assert set(service._present(region)) == names | set(AMINO_ACIDS)


def test_gaba_and_glutamate_restrain_and_drive_one_another() -> None:
    more_gaba = SERVICE.predict_treatment_response("p1", "amygdala", "gaba", 0.5)
    assert 1.0 < more_gaba["predicted_response"][0] < 1.5  # glutamate falls, and drives it less
    assert more_gaba["coupled"]["glutamate"]["high"] < 1.0
    more_glutamate = SERVICE.predict_treatment_response("p1", "amygdala", "glutamate", 0.5)
    assert more_glutamate["coupled"]["gaba"]["low"] > 1.0
    assert set(more_gaba["coupled"]) == {"glutamate"}


def test_no_change_of_release_changes_nothing() -> None:
    answer = SERVICE.predict_treatment_response("p1", "hippocampus", "serotonin", 0.0)
    assert answer["predicted_response"] == pytest.approx([1.0] * 6, abs=1e-12)
    assert answer["coupled"] == {}
