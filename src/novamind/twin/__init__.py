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
    from novamind.twin.domain import Insights, Options, Recommendation
    from novamind.twin.patient import PatientTwin
    from novamind.twin.service import DigitalTwinIntegrationService
    from novamind.twin.what_if import WhatIf

_HOMES = {
    "DigitalTwinIntegrationService": "service",
    "Insights": "domain",
    "Options": "domain",
    "PatientTwin": "patient",
    "Recommendation": "domain",
    "WhatIf": "what_if",
}

__all__ = ["DigitalTwinIntegrationService", "Insights", "Options", "PatientTwin", "Recommendation", "WhatIf"]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f"novamind.twin.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'novamind.twin' has no attribute {name!r}")
