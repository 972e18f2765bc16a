"""What people and programs of a clinic can do: each use case asks whether the caller may, then store and twin.

It knows no wire: doors translate requests into these calls and domain objects into their own form.
"""

from novamind.clinic.domain import (
    CONSENTS,
    Answers,
    Import,
    Overview,
    PatientSummary,
    Piece,
    Regimen,
    SignalSamples,
    SymptomReport,
)
from novamind.clinic.service import Clinic

__all__ = [
    "CONSENTS",
    "Answers",
    "Clinic",
    "Import",
    "Overview",
    "PatientSummary",
    "Piece",
    "Regimen",
    "SignalSamples",
    "SymptomReport",
]
