"""REST: what all services say of a record that comes with the request."""

import asyncio
from collections.abc import Callable
from datetime import date
from functools import lru_cache
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Response
from pydantic import BaseModel, ConfigDict, Field

from novamind.biometrics.endpoints import MOST_STRETCHES, stretch_frame
from novamind.pharmacogenomics.endpoints import Gene, Word
from novamind.records import Allergy, Condition, MedicationCourse
from novamind.records.codec import Stretch
from novamind.symptoms.endpoints import MOST_REPORTS, Report, report_frame, scales_of
from novamind.symptoms.instruments import recognise
from novamind.twin.case import Case, condition_word, read_case, today_in
from novamind.twin.codec import InsightsBody, WhatIfBody
from novamind.twin.domain import Options
from novamind.twin.service import DigitalTwinIntegrationService

_PARTIAL_DATE = r"^\d{4}(-\d{2}(-\d{2})?)?$"
#: Most genes, courses, conditions or allergies in one request.
MOST_PIECES = 200
Line = Annotated[str, Field(min_length=1, max_length=200)]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Course(_Body):
    """A medication taken from one day to another."""

    medication: Annotated[Line, Field(examples=["sertraline"])]
    start: date | None = None
    end: date | None = None
    dose_mg: Annotated[float | None, Field(gt=0, le=100_000, allow_inf_nan=False)] = None
    stopped: bool = False


class ConditionBody(_Body):
    """A diagnosis or problem."""

    name: Annotated[Line, Field(examples=["Depression"])]
    active: bool = True
    onset: Annotated[str | None, Field(pattern=_PARTIAL_DATE)] = None
    abatement: Annotated[str | None, Field(pattern=_PARTIAL_DATE)] = None

    def condition(self) -> Condition:
        """Return the condition as the record has it."""
        return Condition(self.name, word=condition_word(self.name), **self.model_dump(exclude={"name"}))


class AllergyBody(_Body):
    """An allergy or intolerance."""

    name: Annotated[Line, Field(examples=["Allergy to citalopram"])]
    medication: Annotated[Line | None, Field(examples=["citalopram"], description="The drug, if it is one.")] = None
    criticality: Literal["low", "high", "unable-to-assess"] | None = None
    active: bool = True

    def allergy(self) -> Allergy:
        """Return the allergy as the record has it."""
        return Allergy(**self.model_dump())


class RegimenBody(_Body):
    """One drug at one dose."""

    drug: Annotated[str, Field(min_length=1, max_length=100, examples=["sertraline"])]
    dose_mg: Annotated[float, Field(gt=0, le=10_000, allow_inf_nan=False, examples=[50])]
    interval_hours: Annotated[float, Field(ge=1, le=168, allow_inf_nan=False)] = 24
    weeks: Annotated[int, Field(ge=1, le=26)] = 8
    ensemble: Annotated[int, Field(ge=2, le=200)] = 50
    seed: Annotated[int, Field(ge=0, le=2**31)] = 0


class RecordBody(_Body):
    """A person's record that comes with the request; nothing of it is kept."""

    reports: Annotated[list[Report], Field(max_length=MOST_REPORTS)] = []
    stretches: Annotated[list[Stretch], Field(max_length=MOST_STRETCHES)] = []
    genotype: Annotated[dict[Gene, Word], Field(max_length=MOST_PIECES)] = {}
    medications: Annotated[list[Course], Field(max_length=MOST_PIECES)] = []
    conditions: Annotated[list[ConditionBody], Field(max_length=MOST_PIECES)] = []
    allergies: Annotated[list[AllergyBody], Field(max_length=MOST_PIECES)] = []
    birth_year: Annotated[int | None, Field(ge=1900, le=2200)] = None
    timezone: Annotated[str | None, Field(max_length=60, description="IANA name.")] = None

    def case(self) -> Case:
        """Return the case on the present day by the person's clock."""
        data: dict[str, Any] = {
            "genotype": self.genotype,
            "medications": [MedicationCourse(**course.model_dump()) for course in self.medications],
            "conditions": [condition.condition() for condition in self.conditions],
            "allergies": [allergy.allergy() for allergy in self.allergies],
            "demographics": {} if self.birth_year is None else {"birth_year": self.birth_year},
            "timezone": self.timezone,
        }
        if self.reports:
            own = {name: scale for name, scale in scales_of(self.reports).items() if recognise(name) is None}
            data |= {"symptoms": report_frame(self.reports), "scales": own}
        if self.stretches:
            data["biometrics"] = stretch_frame(self.stretches)
        return read_case("patient", data, today_in(self.timezone))


class InsightsQuestion(RecordBody):
    """What is known of a person, and how far to look."""

    horizon: Annotated[int, Field(ge=1, le=30, description="Days ahead.")] = 14
    lookback_days: Annotated[int, Field(ge=7, le=3650, description="How much of the signals counts.")] = 30


class WhatIfQuestion(RecordBody):
    """What is known of a person, and the drug at the dose in question."""

    regimen: RegimenBody


class _KeepsNothing:
    """A store of results that keeps nothing of a request."""

    def get(self, key: str) -> None:
        """Return ``None``."""

    def put(self, key: str, value: Any) -> None:
        """Keep nothing."""


@lru_cache(maxsize=1)
def _service() -> DigitalTwinIntegrationService:
    return DigitalTwinIntegrationService(store=_KeepsNothing())


def router(service: Callable[[], DigitalTwinIntegrationService] = _service) -> APIRouter:
    """Return the routes of this room alone; ``service`` is called when a route first needs it."""
    routes = APIRouter(prefix="/twin", tags=["twin"])

    @routes.post("/insights", operation_id="insightsOfRecord", response_model=InsightsBody)
    async def insights_of_record(question: InsightsQuestion) -> Response:
        """Say what all services say together of a record that comes with the request."""
        case = await asyncio.to_thread(question.case)
        options = Options(forecast_days=question.horizon, biometric_lookback_days=question.lookback_days)
        insights = await service().insights(case, options, earlier=())
        body = await asyncio.to_thread(lambda: InsightsBody.of(insights).model_dump_json())
        return Response(body, media_type="application/json")

    @routes.post("/what-if", operation_id="whatIfOfRecord", response_model=WhatIfBody)
    async def what_if_of_record(question: WhatIfQuestion) -> Response:
        """Simulate a drug at a dose in a person whose record comes with the request."""
        case = await asyncio.to_thread(question.case)
        treatment = await service().what_if(case, **question.regimen.model_dump())
        body = await asyncio.to_thread(lambda: WhatIfBody.of(treatment).model_dump_json())
        return Response(body, media_type="application/json")

    return routes
