"""REST: forecast a diary that comes with the request, and the form in which every forecast is given."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import date, datetime
from typing import Annotated, Any, Literal, Self

import polars as pl
from fastapi import APIRouter
from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field

from novamind.errors import ValidationError
from novamind.symptoms.domain import Scale, SymptomForecast
from novamind.symptoms.instruments import recognise, series_name
from novamind.symptoms.results import Forecasts
from novamind.symptoms.service import SymptomForecastingService, default_service

#: Most reports in one request.
MOST_REPORTS = 10_000


def _sane_year(moment: datetime) -> datetime:
    if not 1900 <= moment.year <= 2200:
        raise ValueError("lies outside 1900 to 2200")
    return moment


Moment = Annotated[AwareDatetime, AfterValidator(_sane_year)]
SymptomName = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9 _.:/-]{0,59}$", examples=["PHQ-9"])]


class ScaleBody(BaseModel):
    """An instrument's range; needed only for symptoms that are no known instrument."""

    model_config = ConfigDict(extra="forbid")
    low: Annotated[float, Field(ge=-1e6, le=1e6, allow_inf_nan=False, examples=[0])]
    high: Annotated[float, Field(ge=-1e6, le=1e6, allow_inf_nan=False, examples=[27])]
    step: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    worse: Literal["high", "low"] = "high"

    def scale(self) -> Scale:
        """The domain's scale, which checks itself."""
        return Scale(self.low, self.high, self.step, self.worse)

    @classmethod
    def of(cls, scale: Scale) -> Self:
        """From the domain's scale."""
        return cls(low=scale.low, high=scale.high, step=scale.step, worse=scale.worse)


class Report(BaseModel):
    """One report of one symptom."""

    model_config = ConfigDict(extra="forbid")
    symptom: SymptomName
    timestamp: Annotated[
        Moment, Field(description="With offset; the local day counts.", examples=["2026-03-01T08:30:00+01:00"])
    ]
    value: Annotated[float, Field(allow_inf_nan=False, examples=[14])]
    scale: ScaleBody | None = None

    def own_scale(self) -> Scale | None:
        """The scale that came with it."""
        return None if self.scale is None else self.scale.scale()


class TrendBody(BaseModel):
    """Change per week, with its 95 % interval."""

    per_week: float
    low: float
    high: float
    probability_worsening: float
    direction: str
    days: int


class RiskBody(BaseModel):
    """Probability per day of reaching a threshold."""

    threshold: float
    probability: list[float]
    alert_probability: float
    periods: list[tuple[date, date, float]]


class MemberBody(BaseModel):
    """One model of the ensemble and its errors, in percent of the scale."""

    name: str
    weight: float
    own_error: float | None
    validation_error: float


class ForecastBody(BaseModel):
    """The forecast of one symptom; quantiles are monotone and inside the scale."""

    symptom: str
    scale: ScaleBody
    history_until: date
    days: list[date]
    quantile_levels: list[float]
    quantiles: list[list[float]]
    median: list[float]
    trend: TrendBody
    risk: RiskBody | None
    reliability: str
    reliability_reasons: list[str]
    members: list[MemberBody]
    importance: dict[str, float]
    measured_coverage: dict[str, float]
    insights: list[str]
    model_version: str
    seed: int

    @classmethod
    def of(cls, forecast: SymptomForecast, threshold: float | None = None) -> Self:
        """From the domain's forecast."""
        scale, trend = forecast.scale, forecast.trend
        on_scale = threshold is not None and scale.low <= threshold <= scale.high
        risk = forecast.risk(threshold) if threshold is not None and on_scale else None
        return cls(
            symptom=forecast.symptom,
            scale=ScaleBody.of(scale),
            history_until=_date(forecast.history_days[-1]),
            days=[_date(day) for day in forecast.days],
            quantile_levels=forecast.quantile_levels.tolist(),
            quantiles=forecast.quantiles.tolist(),
            median=forecast.median.tolist(),
            trend=TrendBody(
                per_week=trend.per_week,
                low=trend.low,
                high=trend.high,
                probability_worsening=trend.probability_worsening,
                direction=trend.direction,
                days=trend.days,
            ),
            risk=None
            if risk is None
            else RiskBody(
                threshold=risk.threshold,
                probability=risk.probability.tolist(),
                alert_probability=risk.alert_probability,
                periods=[(_date(p.start), _date(p.end), p.peak_probability) for p in risk.periods],
            ),
            reliability=forecast.reliability.level,
            reliability_reasons=list(forecast.reliability.reasons),
            members=[
                MemberBody(name=m.name, weight=m.weight, own_error=m.own_error, validation_error=m.validation_error)
                for m in forecast.members
            ],
            importance=dict(forecast.importance),
            measured_coverage={f"{level:g}": share for level, share in forecast.coverage.items()},
            insights=list(forecast.insights),
            model_version=forecast.model_version,
            seed=forecast.seed,
        )


class Skipped(BaseModel):
    """A symptom that cannot be forecast yet, and why."""

    symptom: str
    reason: str


class ForecastsBody(BaseModel):
    """All forecasts of one record."""

    forecasts: list[ForecastBody]
    skipped: list[Skipped]

    @classmethod
    def of(cls, made: Forecasts, threshold: float | None = None) -> Self:
        """From the room's forecasts; the risk of ``threshold`` is given for the symptoms on whose scale it lies."""
        return cls(
            forecasts=[ForecastBody.of(forecast, threshold) for forecast in made],
            skipped=[Skipped(symptom=key.name, reason=reason) for key, reason in made.skipped.items()],
        )


class Diary(BaseModel):
    """A diary to forecast; nothing of it is kept."""

    model_config = ConfigDict(extra="forbid")
    reports: Annotated[list[Report], Field(min_length=1, max_length=MOST_REPORTS)]
    horizon: Annotated[int, Field(ge=1, le=30)] = 14
    threshold: Annotated[float, Field(allow_inf_nan=False)] | None = None


def router(service: Callable[[], SymptomForecastingService] = default_service) -> APIRouter:
    """The routes of this room alone; ``service`` is asked for when it is first needed."""
    routes = APIRouter(prefix="/symptoms", tags=["symptoms"])

    @routes.post("/forecast", operation_id="forecastDiary")
    async def forecast_diary(diary: Diary) -> ForecastsBody:
        """Forecast a diary that comes with the request; nothing of it is kept."""
        frame = pl.DataFrame(
            {
                "symptom": [series_name(report.symptom) for report in diary.reports],
                "timestamp": [report.timestamp.isoformat() for report in diary.reports],
                "value": [report.value for report in diary.reports],
            }
        )
        scales = _scales(diary.reports)

        def run() -> ForecastsBody:
            return ForecastsBody.of(service().forecast(frame, diary.horizon, scale=scales), diary.threshold)

        return await asyncio.to_thread(run)

    return routes


def _scales(reports: Sequence[Report]) -> dict[str, Scale]:
    """The one scale of each series.

    Raises
    ------
    ValidationError
        A scale is not known, contradicts the instrument's or an earlier report's, or cannot give a value.
    """
    scales: dict[str, Scale] = {}
    for number, report in enumerate(reports, 1):
        name, own = series_name(report.symptom), report.own_scale()
        known = recognise(report.symptom)
        scale = known.scale if known else scales.get(name, own)
        if scale is None:
            raise ValidationError(f"report {number}: the symptom is no known instrument: give its scale")
        if own is not None and own != scale:
            raise ValidationError(
                f"report {number}: "
                + ("a known instrument's scale is published" if known else "the series has another scale")
                + ": leave it out"
            )
        if not scale.low <= report.value <= scale.high:
            raise ValidationError(
                f"report {number}: the value is off its scale, which runs from {scale.low:g} to {scale.high:g}"
            )
        scales[name] = scale
    return scales


def _date(day: Any) -> date:
    return date.fromisoformat(str(day.astype("datetime64[D]")))
