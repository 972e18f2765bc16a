"""Population twins: synthetic accounts, patient journeys and territories, for commercial use.

Behind the wall: this room imports no clinical room and none imports it.
"""

from typing import TYPE_CHECKING

from novamind.lazy import public_names
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
else:
    __getattr__, __dir__ = public_names(
        __name__,
        {
            "domain": (
                "Brand",
                "EffectSource",
                "InterventionConfig",
                "InterventionType",
                "PopulationFilter",
                "SimulationRecommendation",
                "TwinType",
            ),
            "fidelity.fidelity_tracker": ("FidelityTracker",),
            "generation.generator": ("TwinGenerator",),
            "generation.private_marginals": ("DifferentialPrivacy",),
            "interventions.adjustment": ("adjustment_set",),
            "interventions.clusters": ("measure_clusters",),
            "interventions.evidence": ("AssumedEffect", "EstimatedEffect", "TransportedEffect"),
            "interventions.experiment_designer": ("ExperimentDesigner", "TrialPlan"),
            "interventions.simulation_engine": ("SimulationEngine",),
            "population": ("TwinPopulation",),
            "storage.store": ("TwinRepository",),
        },
    )

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


def _repository_of_the_settings() -> "TwinRepository":
    from novamind.populations.storage.store import TwinRepository

    return TwinRepository()


ports.open_default_repository = _repository_of_the_settings
