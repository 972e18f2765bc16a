"""Population twins: synthetic accounts, patient journeys and territories, for commercial use.

Behind the wall: this room imports no clinical room and none imports it.
"""

import importlib
from typing import TYPE_CHECKING, Any

from novamind.populations import ports

if TYPE_CHECKING:
    from novamind.populations.adjustment import adjustment_set
    from novamind.populations.clusters import measure_clusters
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
    from novamind.populations.experiment_designer import ExperimentDesigner, TrialPlan
    from novamind.populations.fidelity_tracker import FidelityTracker
    from novamind.populations.generator import TwinGenerator
    from novamind.populations.population import TwinPopulation
    from novamind.populations.private_marginals import DifferentialPrivacy
    from novamind.populations.simulation_engine import SimulationEngine
    from novamind.populations.store import TwinRepository

_HOMES = {
    "AssumedEffect": "evidence",
    "Brand": "domain",
    "DifferentialPrivacy": "private_marginals",
    "EffectSource": "domain",
    "EstimatedEffect": "evidence",
    "ExperimentDesigner": "experiment_designer",
    "FidelityTracker": "fidelity_tracker",
    "InterventionConfig": "domain",
    "InterventionType": "domain",
    "PopulationFilter": "domain",
    "SimulationEngine": "simulation_engine",
    "SimulationRecommendation": "domain",
    "TransportedEffect": "evidence",
    "TrialPlan": "experiment_designer",
    "TwinGenerator": "generator",
    "TwinPopulation": "population",
    "TwinRepository": "store",
    "TwinType": "domain",
    "adjustment_set": "adjustment",
    "measure_clusters": "clusters",
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
