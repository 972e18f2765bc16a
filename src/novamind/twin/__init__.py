"""The patient twin: joins symptoms, biometrics, pharmacogenomics and neurochemistry of one person.

::

    import novamind as nm
    twin = nm.PatientTwin.from_fhir("bundle.json")
    twin.insights(), twin.forecast(), twin.what_if("sertraline", dose_mg=50), twin.report("out.html")

Each part is imported when it is first used.
"""

from typing import TYPE_CHECKING

from novamind.lazy import public_names

if TYPE_CHECKING:
    from novamind.twin.domain import Options, Recommendation
    from novamind.twin.patient import PatientTwin
    from novamind.twin.results import Insights, RegimenWhatIf, WhatIf
    from novamind.twin.service import DigitalTwinIntegrationService
else:
    __getattr__, __dir__ = public_names(
        __name__,
        {
            "domain": ("Options", "Recommendation"),
            "patient": ("PatientTwin",),
            "results": ("Insights", "RegimenWhatIf", "WhatIf"),
            "service": ("DigitalTwinIntegrationService",),
        },
    )

__all__ = [
    "DigitalTwinIntegrationService",
    "Insights",
    "Options",
    "PatientTwin",
    "Recommendation",
    "RegimenWhatIf",
    "WhatIf",
]
