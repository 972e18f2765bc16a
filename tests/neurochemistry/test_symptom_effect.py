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
    ("occupied", "response", "prolactin", "extrapyramidal"),
    [
        (0.65, 0.5, 1 / (1 + math.exp(3.5)), 1 / (1 + math.exp(6.5))),
        (0.72, 1 / (1 + math.exp(-3.5)), 0.5, 1 / (1 + math.exp(3))),
        (0.78, 1 / (1 + math.exp(-6.5)), 1 / (1 + math.exp(-3)), 0.5),
    ],
)
def test_outcomes_stand_on_a_logistic_about_their_threshold(
    occupied: float, response: float, prolactin: float, extrapyramidal: float
) -> None:
    ours = d2_outcomes(np.array([occupied]), np.array([0.0]))
    assert list(ours) == ["response", "raised prolactin", "extrapyramidal effects", "prolactin change"]
    places = [float(value[0]) for value in ours.values()][:3]
    assert places == pytest.approx([response, prolactin, extrapyramidal])


def test_a_partial_agonist_blocks_what_it_does_not_activate() -> None:
    ours = d2_outcomes(np.array([0.90, 0.95]), np.array([0.18, 0.23]))
    assert list(ours["response"]) == pytest.approx([0.5, 1 / (1 + math.exp(-2.5))])
    assert list(ours["extrapyramidal effects"]) == pytest.approx([1 / (1 + math.exp(3))] * 2)


def test_nothing_held_is_no_effect_at_all() -> None:
    assert all(value[0] == 0.0 for value in d2_outcomes(np.zeros(1), np.zeros(1)).values())


def test_prolactin_falls_on_aripiprazole_and_rises_on_antagonists() -> None:
    """With the reserve of the pituitary aripiprazole does 0.9 of what a full agonist does (Burris 2002)."""
    amplified = 0.25 * 27 / (1 + 0.25 * 26)
    assert amplified == pytest.approx(0.9)
    whole = d2_outcomes(np.array([1.0]), np.array([0.25]))
    # resting dopamine holds back 0.7 of the release: 0.1 of it is left where 0.3 was
    assert whole["prolactin change"][0] == pytest.approx(0.1 / 0.3 - 1.0)
    assert whole["raised prolactin"][0] == 0.0
    antagonist = d2_outcomes(np.array([0.0, 0.5, 0.8, 1.0]), np.zeros(4))["prolactin change"]
    assert (np.diff(antagonist) > 0).all()
    assert antagonist[-1] == pytest.approx(1 / 0.3 - 1.0)
    assert symptom_effect.PITUITARY_AMPLIFICATION == 26.0
    assert symptom_effect.RESTING_INHIBITION == 0.7


@pytest.mark.parametrize(
    ("domain", "drugs"),
    [
        ("depression", "citalopram sertraline venlafaxine duloxetine clomipramine amitriptyline imipramine phenelzine"),
        ("depression", "moclobemide fluvoxamine vortioxetine escitalopram fluoxetine paroxetine"),
        ("psychosis", "aripiprazole risperidone olanzapine haloperidol clozapine quetiapine ziprasidone paliperidone"),
        (None, "lithium bupropion atomoxetine nortriptyline desipramine mirtazapine diazepam methylphenidate caffeine"),
    ],
)
def test_symptoms_follow_from_what_an_antidepressant_or_antipsychotic_holds(domain: str | None, drugs: str) -> None:
    assert {drug: symptom_effect.symptom_domain(drug) for drug in drugs.split()} == dict.fromkeys(drugs.split(), domain)


def test_any_activation_makes_a_partial_agonist() -> None:
    ours = d2_outcomes(np.array([0.8, 0.8]), np.array([0.0, 1e-9]))["response"]
    assert ours[0] > 0.99
    assert ours[1] < 0.01
