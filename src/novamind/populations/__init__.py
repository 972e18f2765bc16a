"""Population twins: synthetic populations of accounts, patients' journeys and territories, for commercial use.

Behind the wall: this room imports no clinical room and none imports it.
"""

from novamind.populations.domain import (
    Brand,
    EffectSource,
    InterventionConfig,
    InterventionType,
    PopulationFilter,
    SimulationRecommendation,
    TwinType,
)
from novamind.populations.generator import TwinGenerator
from novamind.populations.population import TwinPopulation

__all__ = [
    "Brand",
    "EffectSource",
    "InterventionConfig",
    "InterventionType",
    "PopulationFilter",
    "SimulationRecommendation",
    "TwinGenerator",
    "TwinPopulation",
    "TwinType",
]
