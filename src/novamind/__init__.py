"""Novamind: digital twins for psychiatry.

The front door for notebooks and scripts; each room is imported when it is first used::

    import novamind as nm
    forecast = nm.symptoms.forecast(history, horizon=14, scale=(0, 27), step=1)
"""

import importlib
from types import ModuleType

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
)


def __getattr__(name: str) -> ModuleType:
    if name in _ROOMS:
        return importlib.import_module(f"novamind.{name}")
    raise AttributeError(f"module 'novamind' has no attribute {name!r}; its rooms are {', '.join(_ROOMS)}")


def __dir__() -> list[str]:
    return [*globals(), *_ROOMS]
