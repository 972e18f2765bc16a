"""Neurochemistry: what a dose does over weeks, from plasma to occupancy to transmitters to symptoms.

::

    import novamind as nm
    course = nm.neurochemistry.simulate("escitalopram", dose_mg=10, phenotypes={"CYP2C19": "Poor Metabolizer"})
    course.occupancy, course.transmitters, course.plot()
    nm.neurochemistry.simulate([("risperidone", 4, 24, 0), ("paroxetine", 20, 24, 28)], weeks=8).plot()
    nm.neurochemistry.cross_taper("sertraline", "mirtazapine").plot()
    nm.neurochemistry.update([("clozapine", 350, 28)], [("clozapine", 300)]).dose_for(350, 600)

Each part is imported when it is first used.
"""

from typing import TYPE_CHECKING

from novamind.lazy import public_names

if TYPE_CHECKING:
    from novamind.neurochemistry.course import RegimenSimulation
    from novamind.neurochemistry.domain import (
        BrainRegion,
        ClinicalSignificance,
        Neurotransmitter,
        NeurotransmitterEffect,
        ReceptorProfile,
        ReceptorSubtype,
        ReceptorType,
    )
    from novamind.neurochemistry.measured_levels import LevelUpdate, MeasuredLevel, update
    from novamind.neurochemistry.notebook import simulate
    from novamind.neurochemistry.pharmacokinetics import Schedule, drug_names
    from novamind.neurochemistry.regimen import RegimenStep
    from novamind.neurochemistry.service import EnhancedXGBoostService
    from novamind.neurochemistry.simulation import Simulation
    from novamind.neurochemistry.switching import CrossTaper, cross_taper
    from novamind.neurochemistry.temporal_mapping import (
        NeurotransmitterMapping,
        TemporalNeurotransmitterMapping,
        extend_neurotransmitter_mapping,
    )
    from novamind.neurochemistry.treatment import Outcome, Treatment, interaction
else:
    __getattr__, __dir__ = public_names(
        __name__,
        {
            "domain": (
                "BrainRegion",
                "ClinicalSignificance",
                "Neurotransmitter",
                "NeurotransmitterEffect",
                "ReceptorProfile",
                "ReceptorSubtype",
                "ReceptorType",
            ),
            "pharmacokinetics": ("Schedule", "drug_names"),
            "simulation": ("Simulation",),
            "course": ("RegimenSimulation",),
            "measured_levels": ("LevelUpdate", "MeasuredLevel", "update"),
            "notebook": ("simulate",),
            "regimen": ("RegimenStep",),
            "switching": ("CrossTaper", "cross_taper"),
            "service": ("EnhancedXGBoostService",),
            "temporal_mapping": (
                "NeurotransmitterMapping",
                "TemporalNeurotransmitterMapping",
                "extend_neurotransmitter_mapping",
            ),
            "treatment": ("Outcome", "Treatment", "interaction"),
        },
    )

__all__ = [
    "BrainRegion",
    "ClinicalSignificance",
    "CrossTaper",
    "EnhancedXGBoostService",
    "LevelUpdate",
    "MeasuredLevel",
    "Neurotransmitter",
    "NeurotransmitterEffect",
    "NeurotransmitterMapping",
    "Outcome",
    "ReceptorProfile",
    "ReceptorSubtype",
    "ReceptorType",
    "RegimenSimulation",
    "RegimenStep",
    "Schedule",
    "Simulation",
    "TemporalNeurotransmitterMapping",
    "Treatment",
    "cross_taper",
    "drug_names",
    "extend_neurotransmitter_mapping",
    "interaction",
    "simulate",
    "update",
]
