import math

import numpy as np
import pytest
from hypothesis import event, given
from hypothesis import strategies as st
from scipy import stats

from novamind.errors import InsufficientDataError, ValidationError
from novamind.neurochemistry import BrainRegion, ClinicalSignificance, Neurotransmitter, NeurotransmitterEffect

BEFORE, AFTER = [0.5, 0.4, 0.6, 0.5, 0.4], [0.8, 0.7, 0.9, 0.8, 0.7]
DOPAMINE = Neurotransmitter.DOPAMINE


def test_the_enums_hold_what_was_asked_for():
    assert len(BrainRegion) == 23
    assert len(Neurotransmitter) == 12
    names = ["NONE", "MINIMAL", "MILD", "MODERATE", "SIGNIFICANT", "MAJOR", "SEVERE", "CRITICAL"]
    assert [level.name for level in ClinicalSignificance] == names


def test_an_effect_of_two_samples_matches_the_textbook():
    effect = NeurotransmitterEffect.create(DOPAMINE, AFTER, BEFORE)
    pooled = math.sqrt((stats.tvar(AFTER) + stats.tvar(BEFORE)) / 2)
    assert effect.effect_size == pytest.approx(0.3 / pooled * (1 - 3 / (4 * 8 - 1)))
    assert effect.p_value == pytest.approx(stats.ttest_ind(AFTER, BEFORE, equal_var=False).pvalue)
    assert effect.sample_size == 10
    assert effect.is_statistically_significant is True
    assert (effect.direction, effect.effect_magnitude) == ("increase", "large")
    low, high = effect.confidence_interval
    assert low < effect.effect_size < high
    assert effect.precision == pytest.approx(1 / (high - low))


@given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=20), st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=20))
def test_swapping_the_samples_turns_the_sign(before, after):
    try:
        one = NeurotransmitterEffect.create(DOPAMINE, after, before)
    except InsufficientDataError:
        event("two constants that differ")
        assert max(np.ptp(before), np.ptp(after)) <= 1e-9 * max(1.0, *map(abs, before), *map(abs, after))
        return
    event("no change" if one.effect_size == 0 else "a change")
    other = NeurotransmitterEffect.create(DOPAMINE, before, after)
    assert one.effect_size == pytest.approx(-other.effect_size)
    assert one.p_value == pytest.approx(other.p_value)
    assert type(one.effect_size) is type(one.p_value) is float
    assert type(one.is_statistically_significant) is bool


def test_constant_samples_have_a_stated_outcome():
    same = NeurotransmitterEffect.create(DOPAMINE, [0.5] * 4, [0.5] * 4)
    assert (same.effect_size, same.p_value, same.confidence_interval) == (0.0, 1.0, (0.0, 0.0))
    assert same.clinical_significance is ClinicalSignificance.NONE
    assert same.precision == math.inf
    assert same.direction == "no change"
    with pytest.raises(InsufficientDataError, match="constant"):
        NeurotransmitterEffect.create(DOPAMINE, [0.7] * 4, [0.5] * 4)


def test_bad_effects_are_refused():
    good = {
        "neurotransmitter": DOPAMINE,
        "effect_size": 0.7,
        "confidence_interval": (0.5, 1.0),
        "p_value": 0.03,
        "sample_size": 30,
        "clinical_significance": ClinicalSignificance.MODERATE,
    }
    NeurotransmitterEffect(**good)
    for wrong in (
        {"p_value": 1.5},
        {"confidence_interval": (1.0, 0.5)},
        {"effect_size": float("nan")},
        {"sample_size": 0},
    ):
        with pytest.raises(ValidationError):
            NeurotransmitterEffect(**(good | wrong))
    with pytest.raises(InsufficientDataError):
        NeurotransmitterEffect.create(DOPAMINE, [1.0], BEFORE)
    with pytest.raises(ValidationError):
        NeurotransmitterEffect.create(DOPAMINE, [1.0, float("inf")], BEFORE)


def test_bands_of_significance_follow_the_size_alone():
    bands = [ClinicalSignificance.from_effect_size(x).value for x in (0, 0.1, -0.3, 0.6, 1.0, -1.5, 3.0, 9.0)]
    assert bands == [level.value for level in ClinicalSignificance]


def test_a_picture_gets_plain_values():
    data = NeurotransmitterEffect.create(DOPAMINE, AFTER, BEFORE).to_visualization_data()
    assert data["neurotransmitter"] == "dopamine"
    assert data["is_significant"] is True
    assert data["direction"] == "increase"
