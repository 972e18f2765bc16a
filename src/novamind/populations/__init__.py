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
from novamind.populations.evidence import AssumedEffect, EstimatedEffect, TransportedEffect
from novamind.populations.experiment_designer import ExperimentDesigner
from novamind.populations.fidelity_tracker import FidelityTracker
from novamind.populations.generator import TwinGenerator
from novamind.populations.population import TwinPopulation
from novamind.populations.simulation_engine import SimulationEngine
from novamind.populations.store import TwinRepository

__all__ = [
    "AssumedEffect",
    "Brand",
    "EffectSource",
    "EstimatedEffect",
    "ExperimentDesigner",
    "FidelityTracker",
    "InterventionConfig",
    "InterventionType",
    "PopulationFilter",
    "SimulationEngine",
    "SimulationRecommendation",
    "TransportedEffect",
    "TwinGenerator",
    "TwinPopulation",
    "TwinRepository",
    "TwinType",
]
