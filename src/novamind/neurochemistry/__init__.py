"""Neurochemistry: what a dose does over weeks, from plasma to occupancy to transmitters to symptoms.

::

    import novamind as nm
    course = nm.neurochemistry.simulate("escitalopram", dose_mg=10, phenotypes={"CYP2C19": "Poor Metabolizer"})
    course.occupancy, course.transmitters, course.plot()
"""

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
from novamind.neurochemistry.simulation import Simulation, simulate

__all__ = [
    "BrainRegion",
    "ClinicalSignificance",
    "Neurotransmitter",
    "NeurotransmitterEffect",
    "ReceptorProfile",
    "ReceptorSubtype",
    "ReceptorType",
    "Schedule",
    "Simulation",
    "drug_names",
    "simulate",
]
