"""Novamind: digital twins for psychiatry.

The front door for notebooks and scripts; each room is imported when it is first used::

    import novamind as nm
    forecast = nm.symptoms.forecast(history, horizon=14, scale=(0, 27), step=1)
    twin = nm.PatientTwin.simulated(seed=7)
"""

import importlib
from typing import Any

__version__ = "0.1.0"

_ROOMS = (
    "biometrics",
    "cohorts",
    "neurochemistry",
    "pharmacogenomics",
    "populations",
    "records",
    "symptoms",
    "timeline",
    "twin",
)


def __getattr__(name: str) -> Any:
    if name == "PatientTwin":
        return importlib.import_module("novamind.twin").PatientTwin
    if name in _ROOMS:
        return importlib.import_module(f"novamind.{name}")
    raise AttributeError(f"module 'novamind' has no attribute {name!r}; its rooms are {', '.join(_ROOMS)}")


def __dir__() -> list[str]:
    return [*globals(), *_ROOMS, "PatientTwin"]
