"""Neurochemistry: what a dose does over weeks, from plasma to occupancy to transmitters to symptoms.

::

    import novamind as nm
    course = nm.neurochemistry.simulate("escitalopram", dose_mg=10, phenotypes={"CYP2C19": "Poor Metabolizer"})
    course.occupancy, course.transmitters, course.plot()

Each part is imported when it is first used.
"""

from typing import TYPE_CHECKING

from novamind.lazy import public_names

if TYPE_CHECKING:
    from novamind.neurochemistry.domain import (
        BrainRegion,
        ClinicalSignificance,
        Neurotransmitter,
        NeurotransmitterEffect,
        ReceptorProfile,
        ReceptorSubtype,
        ReceptorType,
    )
    from novamind.neurochemistry.pharmacokinetics import Schedule, drug_names
    from novamind.neurochemistry.service import EnhancedXGBoostService
    from novamind.neurochemistry.simulation import Simulation, simulate
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
            "simulation": ("Simulation", "simulate"),
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
    "EnhancedXGBoostService",
    "Neurotransmitter",
    "NeurotransmitterEffect",
    "NeurotransmitterMapping",
    "Outcome",
    "ReceptorProfile",
    "ReceptorSubtype",
    "ReceptorType",
    "Schedule",
    "Simulation",
    "TemporalNeurotransmitterMapping",
    "Treatment",
    "drug_names",
    "extend_neurotransmitter_mapping",
    "interaction",
    "simulate",
]
