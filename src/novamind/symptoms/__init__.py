"""Symptom forecasts with calibrated intervals: the room's front door, each part imported when it is first used."""

from typing import TYPE_CHECKING

from novamind.lazy import public_names

if TYPE_CHECKING:
    from novamind.symptoms.domain import Scale, SymptomForecast
    from novamind.symptoms.notebook import forecast, forecast_many
    from novamind.symptoms.results import Forecast, Forecasts
    from novamind.symptoms.service import SymptomForecastingService
else:
    __getattr__, __dir__ = public_names(
        __name__,
        {
            "domain": ("Scale", "SymptomForecast"),
            "notebook": ("forecast", "forecast_many"),
            "results": ("Forecast", "Forecasts"),
            "service": ("SymptomForecastingService",),
        },
    )

__all__ = [
    "Forecast",
    "Forecasts",
    "Scale",
    "SymptomForecast",
    "SymptomForecastingService",
    "forecast",
    "forecast_many",
]
