import math
from typing import Any

import numpy as np
import pytest
from scipy import stats

from novamind.errors import InsufficientDataError, ValidationError
from novamind.neurochemistry.domain import (
    BrainRegion,
    ClinicalSignificance,
    Neurotransmitter,
    NeurotransmitterEffect,
    ReceptorProfile,
    ReceptorSubtype,
    ReceptorType,
    is_number,
    is_whole,
    standardised_effect,
)
from tests.golden import check_golden

DOPAMINE = Neurotransmitter.DOPAMINE
BELOW = math.nextafter


@pytest.mark.parametrize(
    ("value", "low", "high", "answer"),
    [
        (0, 0, 1, True),
        (1, 0, 1, True),
        (1.0000001, 0, 1, False),
        (-0.0000001, 0, 1, False),
        (np.float64(0.5), 0, 1, True),
        (np.int64(1), 0, 1, True),
        (True, 0, 1, False),
        ("1", 0, 1, False),
        (None, 0, 1, False),
        (math.nan, 0, 1, False),
        (math.inf, -math.inf, math.inf, False),
        (-math.inf, -math.inf, math.inf, False),
        (1e300, -math.inf, math.inf, True),
        (-1e300, -math.inf, math.inf, True),
    ],
)
def test_a_number_is_finite_and_within_its_limits(value: object, low: float, high: float, answer: bool) -> None:
    assert is_number(value, low, high) is answer


def test_without_limits_every_finite_number_is_one() -> None:
    assert is_number(-5)
    assert is_number(5e9)


@pytest.mark.parametrize(
    ("value", "answer"),
    [(1, True), (3, True), (0, False), (4, False), (2.0, False), (True, False), (np.int32(2), True), ("2", False)],
)
def test_a_whole_number_is_an_integer_within_its_limits(value: object, answer: bool) -> None:
    assert is_whole(value, 1, 3) is answer


def test_the_vocabulary_is_the_published_one() -> None:
    enums = (BrainRegion, Neurotransmitter, ReceptorType, ReceptorSubtype, ClinicalSignificance)
    check_golden(__file__, "vocabulary", {enum.__name__: {m.name: str(m.value) for m in enum} for enum in enums})


@pytest.mark.parametrize(
    ("limit", "below", "at"),
    [
        (0.01, "none", "minimal"),
        (0.2, "minimal", "mild"),
        (0.5, "mild", "moderate"),
        (0.8, "moderate", "significant"),
        (1.2, "significant", "major"),
        (2.0, "major", "severe"),
        (4.0, "severe", "critical"),
    ],
)
def test_bands_of_significance_begin_at_their_limits(limit: float, below: str, at: str) -> None:
    for sign in (1, -1):
        assert ClinicalSignificance.from_effect_size(sign * limit) == at
        assert ClinicalSignificance.from_effect_size(sign * BELOW(limit, 0)) == below


@pytest.mark.parametrize(
    ("density", "right"), [(0.0, True), (5.0, True), (-1e-9, False), (math.nan, False), (math.inf, False)]
)
def test_a_density_is_finite_and_not_negative(density: float, right: bool) -> None:
    rest = (BrainRegion.AMYGDALA, DOPAMINE, ReceptorType.EXCITATORY, ReceptorSubtype.DOPAMINE_D1)
    if right:
        assert ReceptorProfile(*rest, density, "fmol/mg", "source", "licence").density == density
    else:
        with pytest.raises(ValidationError, match="density"):
            ReceptorProfile(*rest, density, "fmol/mg", "source", "licence")


@pytest.mark.parametrize(
    ("freedom", "correction"), [(1.0, 1.0), (0.5, 1.0), (1.5, 1 - 3 / 5), (2, 1 - 3 / 7), (10, 1 - 3 / 39), (1e9, 1.0)]
)
def test_hedges_correction(freedom: float, correction: float) -> None:
    assert standardised_effect(-3.0, 1.5, freedom) == pytest.approx(-2.0 * correction)


def good(**changes: Any) -> dict[str, Any]:
    return {
        "neurotransmitter": "dopamine",
        "effect_size": 0.7,
        "confidence_interval": (0.5, 1.0),
        "p_value": 0.03,
        "sample_size": 30,
        "clinical_significance": ClinicalSignificance.MODERATE,
    } | changes


@pytest.mark.parametrize(
    "wrong",
    [
        {"neurotransmitter": "ether"},
        {"effect_size": math.inf},
        {"effect_size": math.nan},
        {"confidence_interval": (-math.inf, 1.0)},
        {"confidence_interval": (0.5, math.inf)},
        {"confidence_interval": (0.5, math.nan)},
        {"confidence_interval": (0.5, 0.4999)},
        {"p_value": -0.001},
        {"p_value": 1.001},
        {"p_value": math.nan},
        {"sample_size": 0},
        {"sample_size": -3},
    ],
)
def test_an_impossible_effect_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        NeurotransmitterEffect(**good(**wrong))


@pytest.mark.parametrize(
    "right", [{"p_value": 0}, {"p_value": 1}, {"sample_size": 1}, {"confidence_interval": (0.5, 0.5)}]
)
def test_the_limits_themselves_are_possible(right: dict[str, Any]) -> None:
    effect = NeurotransmitterEffect(**good(**right))
    name, value = next(iter(right.items()))
    assert getattr(effect, name) == value


def test_an_effect_holds_plain_values_whatever_it_was_given() -> None:
    effect = NeurotransmitterEffect(
        **good(
            effect_size=np.float32(0.5),
            confidence_interval=[np.float64(0), 1],
            p_value=np.float64(0),
            sample_size=np.int64(4),
        )
    )
    assert effect.neurotransmitter is DOPAMINE
    assert (type(effect.effect_size), type(effect.p_value), type(effect.sample_size)) == (float, float, int)
    assert effect.confidence_interval == (0.0, 1.0)
    assert all(type(bound) is float for bound in effect.confidence_interval)


def test_a_comparison_of_unequal_samples_is_the_textbooks() -> None:
    after, before = [3.1, 2.2, 4.0, 2.9, 3.3, 5.0, 2.4], [1.0, 2.5, 1.9]
    effect = NeurotransmitterEffect.create(DOPAMINE, after, before)
    n, m = len(after), len(before)
    pooled = math.sqrt((stats.tvar(after) * (n - 1) + stats.tvar(before) * (m - 1)) / (n + m - 2))
    g = (np.mean(after) - np.mean(before)) / pooled * (1 - 3 / (4 * (n + m - 2) - 1))
    error = math.sqrt((n + m) / (n * m) + g**2 / (2 * (n + m - 2)))
    half = stats.t.ppf(0.975, n + m - 2) * error
    assert effect.effect_size == pytest.approx(g, rel=1e-12)
    assert effect.confidence_interval == pytest.approx((g - half, g + half), rel=1e-12)
    assert effect.p_value == pytest.approx(stats.ttest_ind(after, before, equal_var=False).pvalue, rel=1e-10)
    assert effect.sample_size == 10
    assert effect.clinical_significance is ClinicalSignificance.from_effect_size(g)


def test_a_given_significance_is_kept() -> None:
    effect = NeurotransmitterEffect.create(DOPAMINE, [1.0, 2.0], [1.0, 3.0], ClinicalSignificance.CRITICAL)
    assert effect.clinical_significance is ClinicalSignificance.CRITICAL


def test_the_interval_holds_the_true_effect_in_95_of_100_trials() -> None:
    rng = np.random.default_rng(5)
    hits = 0
    for _ in range(400):
        effect = NeurotransmitterEffect.create(DOPAMINE, rng.normal(0.8, 1, 12), rng.normal(0, 1, 9))
        hits += effect.confidence_interval[0] <= 0.8 <= effect.confidence_interval[1]
    # 400 draws of a 95 % interval: 362 or fewer in one of a thousand cases; 90 % would give 360
    assert 366 <= hits <= 396


@pytest.mark.parametrize(
    ("after", "before"),
    [([1e-12] * 2, [0.0] * 2), ([2e6, 2e6 + 1e-7], [2e6, 2e6]), ([1e-3, 1e-3 + 1.6e-12], [1e-3, 1e-3])],
)
def test_what_rounding_alone_could_do_is_no_change(after: list[float], before: list[float]) -> None:
    effect = NeurotransmitterEffect.create(DOPAMINE, after, before)
    assert (effect.effect_size, effect.confidence_interval, effect.p_value) == (0.0, (0.0, 0.0), 1.0)


def test_a_spread_beyond_rounding_is_one() -> None:
    assert NeurotransmitterEffect.create(DOPAMINE, [1e-3, 1e-3 + 9e-12], [1e-3, 1e-3]).effect_size > 0
    assert NeurotransmitterEffect.create(DOPAMINE, [2e6, 2e6 + 1e-4], [2e6, 2e6]).effect_size > 0


@pytest.mark.parametrize(
    ("after", "before"), [([2e-12] * 2, [0.0] * 2), ([5.0] * 3, [4.0] * 3), ([4.0] * 3, [5.0] * 3)]
)
def test_two_constants_that_differ_have_no_standard(after: list[float], before: list[float]) -> None:
    with pytest.raises(InsufficientDataError, match="constant"):
        NeurotransmitterEffect.create(DOPAMINE, after, before)


@pytest.mark.parametrize(("after", "before"), [([1.0], [1.0, 2.0, 3.0]), ([1.0, 2.0, 3.0], [1.0]), ([], [])])
def test_fewer_than_two_measurements_are_too_few(after: list[float], before: list[float]) -> None:
    with pytest.raises(InsufficientDataError, match="at least two"):
        NeurotransmitterEffect.create(DOPAMINE, after, before)
    assert NeurotransmitterEffect.create(DOPAMINE, [1.0, 2.0], [1.0, 3.0]).sample_size == 4


@pytest.mark.parametrize("wrong", [math.nan, math.inf, True, "1", None])
def test_a_measurement_that_is_no_number_is_refused_in_either_sample(wrong: Any) -> None:
    for after, before in (([1.0, wrong], [1.0, 2.0]), ([1.0, 2.0], [wrong, 1.0])):
        with pytest.raises(ValidationError, match="finite numbers only"):
            NeurotransmitterEffect.create(DOPAMINE, after, before)


@pytest.mark.parametrize(("p", "answer"), [(0.05, False), (0.0499999, True), (0.0, True), (1.0, False)])
def test_significant_is_below_five_percent(p: float, answer: bool) -> None:
    assert NeurotransmitterEffect(**good(p_value=p)).is_statistically_significant is answer


@pytest.mark.parametrize(
    ("limit", "below", "at"), [(0.2, "negligible", "small"), (0.5, "small", "medium"), (0.8, "medium", "large")]
)
def test_magnitudes_begin_at_cohens_limits(limit: float, below: str, at: str) -> None:
    for sign in (1, -1):
        assert NeurotransmitterEffect(**good(effect_size=sign * limit)).effect_magnitude == at
        assert NeurotransmitterEffect(**good(effect_size=sign * BELOW(limit, 0))).effect_magnitude == below


@pytest.mark.parametrize(
    ("size", "direction"), [(0.0, "no change"), (-0.0, "no change"), (1e-9, "increase"), (-1e-9, "decrease")]
)
def test_direction_is_the_sign(size: float, direction: str) -> None:
    assert NeurotransmitterEffect(**good(effect_size=size)).direction == direction


def test_precision_is_one_over_the_width() -> None:
    assert NeurotransmitterEffect(**good(confidence_interval=(0.5, 0.75))).precision == 4.0
    assert NeurotransmitterEffect(**good(confidence_interval=(0.5, 0.5))).precision == math.inf


def test_a_picture_gets_every_figure() -> None:
    assert NeurotransmitterEffect(**good(effect_size=-0.6)).to_visualization_data() == {
        "neurotransmitter": "dopamine",
        "effect_size": -0.6,
        "confidence_interval": [0.5, 1.0],
        "p_value": 0.03,
        "sample_size": 30,
        "is_significant": True,
        "effect_magnitude": "medium",
        "direction": "decrease",
        "clinical_significance": "moderate",
    }
