"""Which wearable signals go before which symptoms: the room's front door, each part imported when it is first used."""

from typing import TYPE_CHECKING

from novamind.lazy import public_names

if TYPE_CHECKING:
    from novamind.biometrics.notebook import correlate
    from novamind.biometrics.results import Correlations
    from novamind.biometrics.service import BiometricCorrelationService
else:
    __getattr__, __dir__ = public_names(
        __name__,
        {
            "notebook": ("correlate",),
            "results": ("Correlations",),
            "service": ("BiometricCorrelationService",),
        },
    )

__all__ = [
    "BiometricCorrelationService",
    "Correlations",
    "correlate",
]
