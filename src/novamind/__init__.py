"""Novamind: digital twins for psychiatry.

The front door for notebooks and scripts; each room is imported when it is first used::

    import novamind as nm
    forecast = nm.symptoms.forecast(history, horizon=14, scale=(0, 27), step=1)
    twin = nm.PatientTwin.simulated(seed=7)
"""

from typing import TYPE_CHECKING

from novamind.lazy import public_names

if TYPE_CHECKING:
    from novamind import (
        biometrics,
        cohorts,
        drugs,
        neurochemistry,
        pharmacogenomics,
        populations,
        records,
        symptoms,
        timeline,
        twin,
    )
    from novamind.twin import PatientTwin
else:
    __getattr__, __dir__ = public_names(
        __name__,
        {"twin": ("PatientTwin",)},
        modules=(
            "biometrics",
            "cohorts",
            "drugs",
            "neurochemistry",
            "pharmacogenomics",
            "populations",
            "records",
            "symptoms",
            "timeline",
            "twin",
        ),
    )

__version__ = "0.1.0"

__all__ = [
    "PatientTwin",
    "biometrics",
    "cohorts",
    "drugs",
    "neurochemistry",
    "pharmacogenomics",
    "populations",
    "records",
    "symptoms",
    "timeline",
    "twin",
]
