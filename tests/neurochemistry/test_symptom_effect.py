import math

import numpy as np
import pytest

from novamind.neurochemistry import symptom_effect
from novamind.neurochemistry.domain import Neurotransmitter
from novamind.neurochemistry.dynamics import Chemistry, ensemble, simulate_chemistry
from novamind.neurochemistry.symptom_effect import (
    d2_outcomes,
    depression_effect,
    limbic_serotonin,
    six_week_reference,
)

LIMBIC = ("prefrontal_cortex", "orbitofrontal_cortex", "anterior_cingulate_cortex", "insula", "hippocampus")
SETS = ensemble().take(np.array([1, 44, 150]))


def test_published_sizes_and_thresholds() -> None:
    assert symptom_effect.AVERAGE_DRUG_PLACEBO_DIFFERENCE == 0.30  # Cipriani 2018
    assert symptom_effect.AVERAGE_OCCUPANCY == 0.80  # Meyer 2004
    assert symptom_effect.RESPONSE_THRESHOLD == {"antagonist": 0.65, "partial agonist": 0.90}
    assert symptom_effect.BLOCKADE_THRESHOLDS == {"raised prolactin": 0.72, "extrapyramidal effects": 0.78}
    assert (*LIMBIC, "amygdala", "nucleus_accumbens") == symptom_effect.LIMBIC_FOREBRAIN


def test_limbic_serotonin_is_the_mean_logarithm_of_seven_regions() -> None:
    levels = {
        leaf: np.array([[1.0, math.exp(number)]])
        for number, leaf in enumerate((*LIMBIC, "amygdala", "nucleus_accumbens"))
    }
    chemistry = Chemistry({}, {}, {Neurotransmitter.SEROTONIN: levels | {"caudate": np.array([[9.0, 9.0]])}})
    np.testing.assert_allclose(limbic_serotonin(chemistry), [[0.0, 3.0]])


def test_the_average_antidepressant_is_one_at_week_six_for_every_set() -> None:
    for step, days in ((12.0, 42), (6.0, 42)):
        times = int(days * 24 / step) + 1
        chemistry = simulate_chemistry({"SERT": np.full((1, times), 0.8)}, {}, SETS, step)
        effect = depression_effect(chemistry, SETS, step)
        np.testing.assert_allclose(effect[:, -1], 1.0, rtol=1e-9 if step == 12 else 0.02)
        assert (effect[:, 0] == 0.0).all()
    assert six_week_reference(SETS).shape == (3, 1)
    assert (six_week_reference(SETS) > 0).all()


def test_less_serotonin_than_at_rest_is_an_effect_below_placebo() -> None:
    chemistry = simulate_chemistry({}, {}, SETS, 12.0, {Neurotransmitter.SEROTONIN: np.full((1, 20), 0.5)})
    assert (depression_effect(chemistry, SETS, 12.0)[:, -1] < 0).all()


@pytest.mark.parametrize(
    ("occupied", "activated", "response", "prolactin", "extrapyramidal"),
    [
        (0.65, 0.0, 0.5, 1 / (1 + math.exp(3.5)), 1 / (1 + math.exp(6.5))),
        (0.72, 0.0, 1 / (1 + math.exp(-3.5)), 0.5, 1 / (1 + math.exp(3))),
        (0.78, 0.0, 1 / (1 + math.exp(-6.5)), 1 / (1 + math.exp(-3)), 0.5),
        (0.90, 0.18, 0.5, 0.5, 1 / (1 + math.exp(3))),  # a partial agonist blocks what it does not activate
        (0.95, 0.23, 1 / (1 + math.exp(-2.5)), 0.5, 1 / (1 + math.exp(3))),
    ],
)
def test_outcomes_stand_on_a_logistic_about_their_threshold(
    occupied: float, activated: float, response: float, prolactin: float, extrapyramidal: float
) -> None:
    ours = d2_outcomes(np.array([occupied]), np.array([activated]))
    assert list(ours) == ["response", "raised prolactin", "extrapyramidal effects"]
    assert [float(value[0]) for value in ours.values()] == pytest.approx([response, prolactin, extrapyramidal])


def test_any_activation_makes_a_partial_agonist() -> None:
    ours = d2_outcomes(np.array([0.8, 0.8]), np.array([0.0, 1e-9]))["response"]
    assert ours[0] > 0.99
    assert ours[1] < 0.01
