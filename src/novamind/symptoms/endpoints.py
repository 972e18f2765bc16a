"""REST: forecast a diary that comes with the request, and the form in which every forecast is given."""

import asyncio
from collections.abc import Callable, Mapping
from datetime import date, datetime
from typing import Annotated, Any, Literal, Self

import polars as pl
from fastapi import APIRouter
from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field

from novamind.errors import InsufficientDataError, ValidationError
from novamind.symptoms.domain import Scale, SymptomForecast
from novamind.symptoms.instruments import recognise
from novamind.symptoms.service import SymptomForecastingService

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


class Report(BaseModel):
    """One report of one symptom."""

    model_config = ConfigDict(extra="forbid")
    symptom: SymptomName
    timestamp: Annotated[
        Moment, Field(description="With offset; the local day counts.", examples=["2026-03-01T08:30:00+01:00"])
    ]
    value: Annotated[float, Field(allow_inf_nan=False, examples=[14])]
    scale: ScaleBody | None = None

    def check(self) -> None:
        """Refuse a value that the symptom's scale cannot give.

        Raises
        ------
        ValidationError
            If the scale is not known or the value is off it.
        """
        scale = self.known_scale()
        if not scale.low <= self.value <= scale.high:
            raise ValidationError(f"a value is off its scale, which runs from {scale.low:g} to {scale.high:g}")

    def known_scale(self) -> Scale:
        """The given scale, or that of the instrument of this name."""
        known = recognise(self.symptom)
        if self.scale is not None:
            return self.scale.scale()
        if known is None:
            raise ValidationError("a symptom is no known instrument: give its scale with each report")
        return known.scale


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
            scale=ScaleBody(low=scale.low, high=scale.high, step=scale.step, worse=scale.worse),
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


class Diary(BaseModel):
    """A diary to forecast; nothing of it is kept."""

    model_config = ConfigDict(extra="forbid")
    reports: Annotated[list[Report], Field(min_length=1, max_length=MOST_REPORTS)]
    horizon: Annotated[int, Field(ge=1, le=30)] = 14
    threshold: Annotated[float, Field(allow_inf_nan=False)] | None = None


def forecast_frame(
    service: SymptomForecastingService,
    frame: pl.DataFrame,
    given: Mapping[str, Scale],
    horizon: int,
    threshold: float | None = None,
) -> ForecastsBody:
    """Forecast each symptom of one person's frame; symptoms whose scale nobody knows are skipped.

    Parameters
    ----------
    given
        Symptom to scale, for those that are no known instrument.
    threshold
        A score whose risk is wanted, of the symptoms on whose scale it lies.

    Raises
    ------
    InsufficientDataError
        If there is nothing to forecast.
    """
    known = {name: instrument.scale for name in frame["symptom"].unique() if (instrument := recognise(name))}
    scales = known | dict(given)
    strange = sorted(set(frame["symptom"]) - scales.keys())
    frame = frame.filter(pl.col("symptom").is_in(list(scales)))
    if frame.is_empty():
        raise InsufficientDataError("nothing to forecast: there is no report of a symptom whose scale is known")
    made = service.forecast(frame, horizon, scale={name: scales[name] for name in frame["symptom"].unique()})
    return ForecastsBody(
        forecasts=[ForecastBody.of(forecast, threshold) for forecast in made],
        skipped=[Skipped(symptom=key.name, reason=reason) for key, reason in made.skipped.items()]
        + [Skipped(symptom=name, reason="its scale is not known") for name in strange],
    )


def router(service: Callable[[], SymptomForecastingService]) -> APIRouter:
    """The routes of this room alone; ``service`` is asked for when it is first needed."""
    routes = APIRouter(prefix="/symptoms", tags=["symptoms"])

    @routes.post("/forecast", operation_id="forecastDiary")
    async def forecast_diary(diary: Diary) -> ForecastsBody:
        """Forecast a diary that comes with the request; nothing of it is kept."""
        for report in diary.reports:
            report.check()
        frame = pl.DataFrame(
            {
                "symptom": [report.symptom for report in diary.reports],
                "timestamp": [report.timestamp.isoformat() for report in diary.reports],
                "value": [report.value for report in diary.reports],
            }
        )
        given = {report.symptom: report.scale.scale() for report in diary.reports if report.scale is not None}
        return await asyncio.to_thread(forecast_frame, service(), frame, given, diary.horizon, diary.threshold)

    return routes


def _date(day: Any) -> date:
    return date.fromisoformat(str(day.astype("datetime64[D]")))
