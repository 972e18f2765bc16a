"""The patient twin: joins symptoms, biometrics, pharmacogenomics and neurochemistry of one person.

::

    import novamind as nm
    twin = nm.PatientTwin.from_fhir("bundle.json")
    twin.insights(), twin.forecast(), twin.what_if("sertraline", dose_mg=50), twin.report("out.html")

Each part is imported when it is first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from novamind.twin.domain import Options, Recommendation
    from novamind.twin.patient import PatientTwin
    from novamind.twin.results import Insights, WhatIf
    from novamind.twin.service import DigitalTwinIntegrationService

_HOMES = {
    "DigitalTwinIntegrationService": "service",
    "Insights": "results",
    "Options": "domain",
    "PatientTwin": "patient",
    "Recommendation": "domain",
    "WhatIf": "results",
}

__all__ = ["DigitalTwinIntegrationService", "Insights", "Options", "PatientTwin", "Recommendation", "WhatIf"]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f"novamind.twin.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'novamind.twin' has no attribute {name!r}")
