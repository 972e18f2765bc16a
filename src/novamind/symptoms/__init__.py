"""Symptom forecasts with calibrated intervals: the room's front door, each part imported when it is first used."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from novamind.symptoms.domain import Scale, SymptomForecast
    from novamind.symptoms.notebook import forecast, forecast_many
    from novamind.symptoms.results import Forecast, Forecasts
    from novamind.symptoms.service import SymptomForecastingService

_HOMES = {
    "Forecast": "results",
    "Forecasts": "results",
    "Scale": "domain",
    "SymptomForecast": "domain",
    "SymptomForecastingService": "service",
    "forecast": "notebook",
    "forecast_many": "notebook",
}

__all__ = [
    "Forecast",
    "Forecasts",
    "Scale",
    "SymptomForecast",
    "SymptomForecastingService",
    "forecast",
    "forecast_many",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f"novamind.symptoms.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'novamind.symptoms' has no attribute {name!r}")
