"""Symptom forecasts with calibrated intervals: the room's front door."""

from novamind.symptoms.domain import Interval, Member, Reliability, Risk, RiskPeriod, Scale, SymptomForecast, Trend
from novamind.symptoms.notebook import forecast, forecast_many
from novamind.symptoms.results import Forecast, Forecasts
from novamind.symptoms.service import SymptomForecastingService

__all__ = [
    "Forecast",
    "Forecasts",
    "Interval",
    "Member",
    "Reliability",
    "Risk",
    "RiskPeriod",
    "Scale",
    "SymptomForecast",
    "SymptomForecastingService",
    "Trend",
    "forecast",
    "forecast_many",
]
