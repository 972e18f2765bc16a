"""Population twins: synthetic accounts, patient journeys and territories, for commercial use.

Behind the wall: this room imports no clinical room and none imports it.
"""

import importlib
from typing import TYPE_CHECKING, Any

from novamind.populations import ports

if TYPE_CHECKING:
    from novamind.populations.domain import (
        Brand,
        EffectSource,
        InterventionConfig,
        InterventionType,
        PopulationFilter,
        SimulationRecommendation,
        TwinType,
    )
    from novamind.populations.fidelity.fidelity_tracker import FidelityTracker
    from novamind.populations.generation.generator import TwinGenerator
    from novamind.populations.generation.private_marginals import DifferentialPrivacy
    from novamind.populations.interventions.adjustment import adjustment_set
    from novamind.populations.interventions.clusters import measure_clusters
    from novamind.populations.interventions.evidence import AssumedEffect, EstimatedEffect, TransportedEffect
    from novamind.populations.interventions.experiment_designer import ExperimentDesigner, TrialPlan
    from novamind.populations.interventions.simulation_engine import SimulationEngine
    from novamind.populations.population import TwinPopulation
    from novamind.populations.storage.store import TwinRepository

_HOMES = {
    "AssumedEffect": "interventions.evidence",
    "Brand": "domain",
    "DifferentialPrivacy": "generation.private_marginals",
    "EffectSource": "domain",
    "EstimatedEffect": "interventions.evidence",
    "ExperimentDesigner": "interventions.experiment_designer",
    "FidelityTracker": "fidelity.fidelity_tracker",
    "InterventionConfig": "domain",
    "InterventionType": "domain",
    "PopulationFilter": "domain",
    "SimulationEngine": "interventions.simulation_engine",
    "SimulationRecommendation": "domain",
    "TransportedEffect": "interventions.evidence",
    "TrialPlan": "interventions.experiment_designer",
    "TwinGenerator": "generation.generator",
    "TwinPopulation": "population",
    "TwinRepository": "storage.store",
    "TwinType": "domain",
    "adjustment_set": "interventions.adjustment",
    "measure_clusters": "interventions.clusters",
}

__all__ = [
    "AssumedEffect",
    "Brand",
    "DifferentialPrivacy",
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
    "TrialPlan",
    "TwinGenerator",
    "TwinPopulation",
    "TwinRepository",
    "TwinType",
    "adjustment_set",
    "measure_clusters",
]


def __getattr__(name: str) -> Any:
    # The shell imports this room for its commands alone; SQLAlchemy and the rest wait until they are used.
    if name in _HOMES:
        return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def _repository_of_the_settings() -> "TwinRepository":
    repository: TwinRepository = __getattr__("TwinRepository")()
    return repository


ports.open_default_repository = _repository_of_the_settings
