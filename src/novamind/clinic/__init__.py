"""What people and programs of a clinic can do: each use case asks whether the caller may, then store and twin.

It knows no wire: doors translate requests into these calls and domain objects into their own form.
"""

from typing import TYPE_CHECKING

from novamind.lazy import public_names

if TYPE_CHECKING:
    from novamind.clinic.domain import (
        CONSENTS,
        Answers,
        FhirStored,
        Import,
        Overview,
        PatientSummary,
        Piece,
        Regimen,
        SignalSamples,
        SymptomReport,
    )
    from novamind.clinic.service import Clinic
else:
    __getattr__, __dir__ = public_names(
        __name__,
        {
            "domain": (
                "Answers",
                "CONSENTS",
                "FhirStored",
                "Import",
                "Overview",
                "PatientSummary",
                "Piece",
                "Regimen",
                "SignalSamples",
                "SymptomReport",
            ),
            "service": ("Clinic",),
        },
    )

__all__ = [
    "CONSENTS",
    "Answers",
    "Clinic",
    "FhirStored",
    "Import",
    "Overview",
    "PatientSummary",
    "Piece",
    "Regimen",
    "SignalSamples",
    "SymptomReport",
]
