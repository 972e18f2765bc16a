"""The specification's names, limits and defaults, each at its edge."""

from typing import Any

import numpy as np
import pytest

from novamind.errors import ValidationError
from novamind.populations.domain import (
    DEFAULT_TARGET,
    Brand,
    EffectSource,
    InterventionConfig,
    InterventionType,
    PopulationFilter,
    SimulationRecommendation,
    TwinType,
    checked_seed,
)
from novamind.populations.interventions.simulation_engine import SimulationEngine
from novamind.populations.results import TwinModelMetrics
from tests.populations import by_hand


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        (TwinType, "hcp patient territory"),
        (Brand, "remibrutinib fabhalta kisqali"),
        (
            InterventionType,
            "email_campaign call_frequency_increase speaker_program_invitation educational_content_share "
            "peer_to_peer_referral",
        ),
        (SimulationRecommendation, "deploy test_further do_not_deploy"),
        (EffectSource, "estimated transported assumed"),
    ],
)
def test_the_specified_names_are_known_by_their_values(kind: Any, values: str) -> None:
    assert [member.value for member in kind] == values.split()
    assert [member.name.lower() for member in kind] == values.split()


def test_every_twin_type_has_its_specified_target() -> None:
    assert dict(DEFAULT_TARGET) == {
        "hcp": "prescribing_change",
        "patient": "journey_progression_days",
        "territory": "market_share_change",
    }


@pytest.mark.parametrize("seed", [0, 1, 2**40, np.int64(3)])
def test_a_whole_number_from_zero_on_is_a_seed(seed: Any) -> None:
    assert checked_seed(seed) == int(seed)
    assert type(checked_seed(seed)) is int


@pytest.mark.parametrize("seed", [-1, np.int64(-1), True, False, 1.0, None, "1"])
def test_anything_else_is_no_seed(seed: Any) -> None:
    with pytest.raises(ValidationError, match="at least 0"):
        checked_seed(seed)


@pytest.mark.parametrize(
    "options",
    [
        {"duration_weeks": 1},
        {"duration_weeks": 104},
        {"intensity": 1e-9},
        {"intensity": 2},
        {"frequency": 1e-9},
        {"frequency": 50},
        {"frequency": None},
    ],
)
def test_a_campaign_at_its_limits_is_taken(options: dict[str, Any]) -> None:
    assert vars(InterventionConfig("email_campaign", **options)).items() >= options.items()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"duration_weeks": 0}, "duration_weeks must be between 1 and 104"),
        ({"duration_weeks": 105}, "duration_weeks must be between 1 and 104"),
        ({"intensity": 0}, "intensity must be above 0 and at most 2"),
        ({"intensity": 2.0001}, "intensity must be above 0 and at most 2"),
        ({"intensity": float("inf")}, "intensity must be above 0 and at most 2"),
        ({"frequency": 0}, "frequency must be above 0 and at most 50"),
        ({"frequency": 50.001}, "frequency must be above 0 and at most 50"),
        ({"frequency": float("nan")}, "frequency must be above 0 and at most 50"),
        ({"intervention_type": " "}, "name the intervention_type"),
        ({"intervention_type": "psychotherapy"}, "medical"),
    ],
)
def test_a_campaign_beyond_its_limits_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        InterventionConfig(**{"intervention_type": "email_campaign"} | options)


def test_a_campaign_lasts_eight_weeks_at_the_intensity_of_its_evidence() -> None:
    plain = InterventionConfig("email_campaign")
    assert (plain.channel, plain.frequency, plain.duration_weeks, plain.intensity) == (None, None, 8, 1.0)


@pytest.mark.parametrize(
    ("wanted", "conditions"),
    [
        (PopulationFilter(), {}),
        (PopulationFilter(specialty="oncology"), {"specialty": "oncology"}),
        (PopulationFilter(tier=0), {"priority_tier": 0}),
        (PopulationFilter(tier=[1, 2], region="north"), {"priority_tier": [1, 2], "region": "north"}),
        (PopulationFilter(min_decile=0), {"decile": (0, None)}),
        (PopulationFilter(min_decile=7, where={"score": (0.5, None)}), {"decile": (7, None), "score": (0.5, None)}),
        (PopulationFilter(min_decile=7, where={"decile": (1, 2)}), {"decile": (1, 2)}),
    ],
)
def test_a_filter_speaks_of_the_columns_of_the_specification(
    wanted: PopulationFilter, conditions: dict[str, Any]
) -> None:
    assert wanted.conditions() == conditions


def test_a_result_is_shown_whole_but_for_the_individual_effects() -> None:
    result = SimulationEngine(by_hand.population()).simulate(InterventionConfig(InterventionType.EMAIL_CAMPAIGN))
    shown = result.to_dict()
    assert list(shown) == [
        *("intervention_type", "source", "average_treatment_effect", "standard_error", "interval", "minimum_effect"),
        *("confidence", "probability_above_minimum", "recommendation", "reason", "checks", "twins", "heterogeneity"),
        "model_version",
    ]
    for name in ("average_treatment_effect", "standard_error", "minimum_effect", "confidence", "reason", "twins"):
        assert shown[name] == getattr(result, name)
    assert (shown["intervention_type"], shown["source"]) == ("email_campaign", "assumed")
    assert shown["probability_above_minimum"] == result.probability_above_minimum
    assert shown["recommendation"] == "test_further"
    assert (shown["interval"], shown["checks"]) == (list(result.interval), list(result.checks))
    assert shown["model_version"] == str(by_hand.MODEL_ID)
    first = shown["heterogeneity"]["specialty"][0]
    assert first["group"] == "specialty"
    assert (first["level"], first["twins"]) == ("hematology", 4)


def test_a_model_without_privacy_promises_nothing() -> None:
    plain = by_hand.metrics()
    assert (plain.epsilon, plain.delta) == (None, None)
    assert TwinModelMetrics.__dataclass_fields__["warnings"].default == ()
