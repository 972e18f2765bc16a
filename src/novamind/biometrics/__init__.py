"""Which wearable signals go before which symptoms: the room's front door, each part imported when it is first used."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from novamind.biometrics.notebook import correlate
    from novamind.biometrics.results import Correlations
    from novamind.biometrics.service import BiometricCorrelationService

_HOMES = {"BiometricCorrelationService": "service", "Correlations": "results", "correlate": "notebook"}

__all__ = ["BiometricCorrelationService", "Correlations", "correlate"]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f"novamind.biometrics.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'novamind.biometrics' has no attribute {name!r}")
