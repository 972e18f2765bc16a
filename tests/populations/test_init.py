"""The room's door."""

import pytest

from novamind import populations


def test_every_name_at_the_door_is_there() -> None:
    assert sorted(populations.__all__) == populations.__all__
    assert set(populations.__all__) == {
        *("AssumedEffect", "Brand", "DifferentialPrivacy", "EffectSource", "EstimatedEffect", "ExperimentDesigner"),
        *("FidelityTracker", "InterventionConfig", "InterventionType", "PopulationFilter", "SimulationEngine"),
        *("SimulationRecommendation", "TransportedEffect", "TrialPlan", "TwinGenerator", "TwinPopulation"),
        *("TwinRepository", "TwinType", "adjustment_set", "measure_clusters"),
    }
    for name in populations.__all__:
        assert getattr(populations, name).__name__ == name
    with pytest.raises(AttributeError, match=r"'novamind.populations' has no attribute 'nothing'"):
        _ = populations.nothing
