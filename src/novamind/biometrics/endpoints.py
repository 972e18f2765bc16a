"""REST: which signals go before which symptoms, in a record that comes with the request."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import date
from typing import Annotated, Self

import polars as pl
from fastapi import APIRouter, Response
from pydantic import BaseModel, ConfigDict, Field, model_validator

from novamind.biometrics.codec import PersonLinksBody
from novamind.biometrics.service import MAX_LAG_HOURS, BiometricCorrelationService, default_service
from novamind.errors import ValidationError
from novamind.records.codec import Moment, Stretch, SymptomName

#: Most reports, stretches of signals and spans of a cause in one request.
MOST_REPORTS = 10_000
MOST_STRETCHES = 50
MOST_SPANS = 200


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class SymptomValue(_Body):
    """One report of one symptom; its scale does not matter here."""

    symptom: SymptomName
    timestamp: Annotated[Moment, Field(description="With offset.", examples=["2026-03-01T08:30:00+01:00"])]
    value: Annotated[float, Field(allow_inf_nan=False, examples=[14], description="On any scale.")]


class DaySpan(_Body):
    """Days on which a known cause held; it goes on where ``end`` is missing."""

    start: date = Field(description="First day.")
    end: date | None = Field(default=None, description="Last day; null if it goes on.")

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.end is not None and self.end < self.start:
            raise ValueError("ends before it starts")
        return self


class SignalsAndReports(_Body):
    """Signals, reports and what is known of their common causes; nothing of it is kept."""

    reports: Annotated[
        list[SymptomValue], Field(min_length=1, max_length=MOST_REPORTS, description="Reports of symptoms.")
    ]
    stretches: Annotated[
        list[Stretch], Field(min_length=1, max_length=MOST_STRETCHES, description="Stretches of signals.")
    ]
    calendar: Annotated[list[DaySpan], Field(max_length=MOST_SPANS, description="Days that differ.")] = []
    medication: Annotated[list[DaySpan], Field(max_length=MOST_SPANS, description="Courses of medication.")] = []
    illness: Annotated[list[DaySpan], Field(max_length=MOST_SPANS, description="Days of illness.")] = []
    max_lag_hours: Annotated[int, Field(ge=1, le=MAX_LAG_HOURS, description="Longest lag, both ways.")] = MAX_LAG_HOURS
    fdr: Annotated[float, Field(gt=0, lt=0.5, description="Share of false ones allowed among the links.")] = 0.1
    timezone: Annotated[
        str | None, Field(max_length=60, description="IANA name of the clock that the person lives by.")
    ] = None
    seed: Annotated[int, Field(ge=0, le=2**31, description="Seed of the draws.")] = 0


def router(service: Callable[[], BiometricCorrelationService] = default_service) -> APIRouter:
    """Return the routes of this room alone; ``service`` is called when it is first needed."""
    routes = APIRouter(prefix="/biometrics", tags=["biometrics"])

    @routes.post("/correlations", operation_id="correlateSignals", response_model=PersonLinksBody)
    async def correlate_signals(question: SignalsAndReports) -> Response:
        """Find links between signals and reports that come with the request."""

        def run() -> str:
            correlations = service().correlate(
                stretch_frame(question.stretches),
                _report_frame(question.reports),
                question.max_lag_hours,
                question.fdr,
                calendar=_span_frame(question.calendar),
                medication=_span_frame(question.medication),
                illness=_span_frame(question.illness),
                timezone=question.timezone,
                seed=question.seed,
            )
            return PersonLinksBody.of(correlations.person()).model_dump_json()

        return Response(await asyncio.to_thread(run), media_type="application/json")

    return routes


def stretch_frame(stretches: Sequence[Stretch]) -> pl.DataFrame:
    """Return stretches of signals as one long frame.

    Raises
    ------
    ValidationError
        A stretch has not as many values as timestamps.
    """
    for number, stretch in enumerate(stretches, 1):
        if len(stretch.timestamps) != len(stretch.values):
            raise ValidationError(f"stretch {number}: give as many values as timestamps")
    return pl.DataFrame(
        {
            "signal": [stretch.signal for stretch in stretches for _ in stretch.values],
            "unit": [stretch.unit for stretch in stretches for _ in stretch.values],
            "timestamp": [moment.isoformat() for stretch in stretches for moment in stretch.timestamps],
            "value": [value for stretch in stretches for value in stretch.values],
        }
    )


def _report_frame(reports: Sequence[SymptomValue]) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "symptom": [report.symptom for report in reports],
            "timestamp": [report.timestamp.isoformat() for report in reports],
            "value": [report.value for report in reports],
        }
    )


def _span_frame(spans: Sequence[DaySpan]) -> pl.DataFrame | None:
    if not spans:
        return None
    days = {"start": [span.start for span in spans], "end": [span.end for span in spans]}
    return pl.DataFrame(days, {"start": pl.Date, "end": pl.Date})
