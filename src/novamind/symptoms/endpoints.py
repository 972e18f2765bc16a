"""REST: forecast a diary that comes with the request."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Annotated

import polars as pl
from fastapi import APIRouter, Response
from pydantic import BaseModel, ConfigDict, Field

from novamind.errors import ValidationError
from novamind.records.codec import Moment, SymptomName
from novamind.symptoms.codec import ForecastsBody, ScaleBody
from novamind.symptoms.domain import Scale
from novamind.symptoms.instruments import recognise, series_name
from novamind.symptoms.service import SymptomForecastingService, default_service

#: Most reports in one request.
MOST_REPORTS = 10_000


class NewScale(ScaleBody):
    """An instrument's range; needed only for symptoms that are no known instrument."""

    model_config = ConfigDict(extra="forbid")
    low: float = Field(ge=-1e6, le=1e6, allow_inf_nan=False, examples=[0], description="Smallest value.")
    high: float = Field(ge=-1e6, le=1e6, allow_inf_nan=False, examples=[27], description="Largest value.")
    step: float | None = Field(
        default=None, gt=0, allow_inf_nan=False, description="Distance between neighbouring values; null if continuous."
    )

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
    value: Annotated[float, Field(allow_inf_nan=False, examples=[14], description="On the instrument's scale.")]
    scale: NewScale | None = Field(default=None, description="Needed once for a series that is no known instrument.")

    def own_scale(self) -> Scale | None:
        """The scale that came with it."""
        return None if self.scale is None else self.scale.scale()


class Diary(BaseModel):
    """A diary to forecast; nothing of it is kept."""

    model_config = ConfigDict(extra="forbid")
    reports: Annotated[
        list[Report], Field(min_length=1, max_length=MOST_REPORTS, description="Reports of one or more symptoms.")
    ]
    horizon: Annotated[int, Field(ge=1, le=30, description="Days ahead.")] = 14
    threshold: Annotated[float, Field(allow_inf_nan=False)] | None = Field(
        default=None, description="A score whose risk is wanted."
    )
    explain: Annotated[bool, Field(description="Also which parts of the record moved the forecast.")] = False


def router(service: Callable[[], SymptomForecastingService] = default_service) -> APIRouter:
    """The routes of this room alone; ``service`` is asked for when it is first needed."""
    routes = APIRouter(prefix="/symptoms", tags=["symptoms"])

    @routes.post("/forecast", operation_id="forecastDiary", response_model=ForecastsBody)
    async def forecast_diary(diary: Diary) -> Response:
        """Forecast a diary that comes with the request; nothing of it is kept."""
        frame, scales = report_frame(diary.reports), scales_of(diary.reports)

        def run() -> str:
            forecasts = service().forecast(frame, diary.horizon, scale=scales)
            return ForecastsBody.of(forecasts, diary.threshold, explain=diary.explain).model_dump_json()

        return Response(await asyncio.to_thread(run), media_type="application/json")

    return routes


def report_frame(reports: Sequence[Report]) -> pl.DataFrame:
    """Return reports as a long frame, each series under its one name."""
    return pl.DataFrame(
        {
            "symptom": [series_name(report.symptom) for report in reports],
            "timestamp": [report.timestamp.isoformat() for report in reports],
            "value": [report.value for report in reports],
        }
    )


def scales_of(reports: Sequence[Report]) -> dict[str, Scale]:
    """Return the one scale of each series.

    Raises
    ------
    ValidationError
        A scale is not known, contradicts the instrument's or an earlier report's, or cannot give a value.
    """
    scales: dict[str, Scale] = {}
    for number, report in enumerate(reports, 1):
        name, own = series_name(report.symptom), report.own_scale()
        instrument = recognise(report.symptom)
        scale = instrument.scale if instrument else scales.get(name, own)
        if scale is None:
            raise ValidationError(f"report {number}: the symptom is no known instrument: give its scale")
        if own is not None and own != scale:
            raise ValidationError(
                f"report {number}: "
                + ("a known instrument's scale is published" if instrument else "the series has another scale")
                + ": leave it out"
            )
        if not scale.low <= report.value <= scale.high:
            raise ValidationError(
                f"report {number}: the value is off its scale, which runs from {scale.low:g} to {scale.high:g}"
            )
        scales[name] = scale
    return scales
