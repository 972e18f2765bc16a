"""Neurochemistry: what a dose does over weeks, from plasma to occupancy to transmitters to symptoms.

::

    import novamind as nm
    course = nm.neurochemistry.simulate("escitalopram", dose_mg=10, phenotypes={"CYP2C19": "Poor Metabolizer"})
    course.occupancy, course.transmitters, course.plot()

Each part is imported when it is first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

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
    from novamind.neurochemistry.pharmacokinetics import (
        Schedule,
        drug_names,
    )
    from novamind.neurochemistry.simulation import (
        Simulation,
        simulate,
    )
    from novamind.neurochemistry.surrogate import (
        EnhancedXGBoostService,
    )
    from novamind.neurochemistry.temporal_mapping import (
        NeurotransmitterMapping,
        TemporalNeurotransmitterMapping,
        extend_neurotransmitter_mapping,
    )
    from novamind.neurochemistry.treatment import (
        Outcome,
        Treatment,
        interaction,
    )

_HOMES = {
    "BrainRegion": "domain",
    "ClinicalSignificance": "domain",
    "EnhancedXGBoostService": "surrogate",
    "Neurotransmitter": "domain",
    "NeurotransmitterEffect": "domain",
    "NeurotransmitterMapping": "temporal_mapping",
    "Outcome": "treatment",
    "ReceptorProfile": "domain",
    "ReceptorSubtype": "domain",
    "ReceptorType": "domain",
    "Schedule": "pharmacokinetics",
    "Simulation": "simulation",
    "TemporalNeurotransmitterMapping": "temporal_mapping",
    "Treatment": "treatment",
    "drug_names": "pharmacokinetics",
    "extend_neurotransmitter_mapping": "temporal_mapping",
    "interaction": "treatment",
    "simulate": "simulation",
}

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


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f"novamind.neurochemistry.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'novamind.neurochemistry' has no attribute {name!r}")
