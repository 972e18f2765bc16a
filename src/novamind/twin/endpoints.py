"""REST: what all services say of a record that comes with the request."""

import asyncio
from collections.abc import Callable
from datetime import date
from functools import lru_cache
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Response
from pydantic import BaseModel, ConfigDict, Field

from novamind.biometrics.endpoints import MOST_STRETCHES, stretch_frame
from novamind.drugs.conditions import condition_word
from novamind.neurochemistry.endpoints import Step
from novamind.neurochemistry.regimen import MOST_STEPS
from novamind.pharmacogenomics.endpoints import Gene, Word
from novamind.records import Allergy, Condition, MedicationCourse
from novamind.records.codec import Stretch
from novamind.symptoms.endpoints import MOST_REPORTS, Report, report_frame, scales_of
from novamind.symptoms.instruments import recognise
from novamind.twin.case import Case, read_case, today_in
from novamind.twin.codec import InsightsBody, RegimenWhatIfBody, WhatIfBody
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

    medication: Annotated[Line, Field(examples=["sertraline"], description="Name of the drug.")]
    start: date | None = Field(default=None, description="First day; null if it is not known.")
    end: date | None = Field(default=None, description="Last day; null if it goes on or is not known.")
    dose_mg: Annotated[
        float | None, Field(gt=0, le=100_000, allow_inf_nan=False, description="Daily dose, in mg; null if not known.")
    ] = None
    stopped: bool = Field(default=False, description="Whether it is over, also where the last day is not known.")


class ConditionBody(_Body):
    """A diagnosis or problem."""

    name: Annotated[Line, Field(examples=["Depression"], description="In words.")]
    active: bool = Field(default=True, description="Whether the person has it now.")
    onset: Annotated[str | None, Field(pattern=_PARTIAL_DATE, description="Year, month or day it began.")] = None
    abatement: Annotated[str | None, Field(pattern=_PARTIAL_DATE, description="Year, month or day it ended.")] = None

    def condition(self) -> Condition:
        """Return the condition as the record has it."""
        return Condition(self.name, word=condition_word(self.name), **self.model_dump(exclude={"name"}))


class AllergyBody(_Body):
    """An allergy or intolerance."""

    name: Annotated[Line, Field(examples=["Allergy to citalopram"], description="In words.")]
    medication: Annotated[Line | None, Field(examples=["citalopram"], description="The drug, if it is one.")] = None
    criticality: Literal["low", "high", "unable-to-assess"] | None = Field(
        default=None, description="How dangerous another reaction would be; null if it is not known."
    )
    active: bool = Field(default=True, description="Whether it holds now.")

    def allergy(self) -> Allergy:
        """Return the allergy as the record has it."""
        return Allergy(**self.model_dump())


class RegimenBody(_Body):
    """One drug at one dose."""

    drug: Annotated[str, Field(min_length=1, max_length=100, examples=["sertraline"], description="Generic name.")]
    dose_mg: Annotated[
        float, Field(gt=0, le=10_000, allow_inf_nan=False, examples=[50], description="Single dose, in mg.")
    ]
    interval_hours: Annotated[
        float, Field(ge=1, le=168, allow_inf_nan=False, description="From dose to dose, in hours.")
    ] = 24
    weeks: Annotated[int, Field(ge=1, le=26, description="Length, in weeks.")] = 8
    ensemble: Annotated[int, Field(ge=2, le=200, description="Number of simulated persons.")] = 50
    seed: Annotated[int, Field(ge=0, le=2**31, description="Seed of the draws.")] = 0


class RegimenSteps(_Body):
    """Steps in days from today, beside what is taken."""

    steps: Annotated[
        list[Step],
        Field(max_length=MOST_STEPS, description="In days from today; a dose of 0 stops a drug. Empty: as recorded."),
    ] = []
    weeks: Annotated[int, Field(ge=1, le=26, description="After today, in weeks.")] = 8
    ensemble: Annotated[int, Field(ge=2, le=200, description="Number of simulated persons.")] = 30
    seed: Annotated[int, Field(ge=0, le=2**31, description="Seed of the draws.")] = 0

    def options(self) -> dict[str, Any]:
        """Return what the twin takes."""
        return {"steps": [step.step() for step in self.steps]} | self.model_dump(exclude={"steps"})


class SwitchBody(_Body):
    """A change from a drug that is taken to another, from today on."""

    old: Annotated[str, Field(min_length=1, max_length=100, examples=["sertraline"], description="Drug now taken.")]
    new: Annotated[str, Field(min_length=1, max_length=100, examples=["mirtazapine"], description="Drug to change to.")]
    new_dose_mg: Annotated[
        float | None, Field(gt=0, le=10_000, allow_inf_nan=False, description="Daily dose in mg; null: the usual one.")
    ] = None


class RecordBody(_Body):
    """A person's record that comes with the request; nothing of it is kept."""

    reports: Annotated[list[Report], Field(max_length=MOST_REPORTS, description="Reports of symptoms.")] = []
    stretches: Annotated[list[Stretch], Field(max_length=MOST_STRETCHES, description="Stretches of signals.")] = []
    genotype: Annotated[dict[Gene, Word], Field(max_length=MOST_PIECES, description="Gene to result.")] = {}
    medications: Annotated[list[Course], Field(max_length=MOST_PIECES, description="Courses of medication.")] = []
    conditions: Annotated[list[ConditionBody], Field(max_length=MOST_PIECES, description="Diagnoses.")] = []
    allergies: Annotated[list[AllergyBody], Field(max_length=MOST_PIECES, description="Allergies.")] = []
    birth_year: Annotated[int | None, Field(ge=1900, le=2200, description="Year of birth.")] = None
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

    regimen: RegimenBody = Field(description="Drug and dose.")


class RegimenQuestion(RecordBody):
    """What is known of a person, and the steps in question."""

    regimen: RegimenSteps = Field(description="Steps beside what is taken.")


class SwitchQuestion(RecordBody):
    """What is known of a person, and the change in question."""

    switch: SwitchBody = Field(description="From which drug to which.")


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

    @routes.post("/regimen", operation_id="regimenOfRecord", response_model=RegimenWhatIfBody)
    async def regimen_of_record(question: RegimenQuestion) -> Response:
        """Simulate what a person takes, with other steps, over time."""
        case = await asyncio.to_thread(question.case)
        asked = await service().what_if_regimen(case, **question.regimen.options())
        body = await asyncio.to_thread(lambda: RegimenWhatIfBody.of(asked).model_dump_json())
        return Response(body, media_type="application/json")

    @routes.post("/switch", operation_id="switchOfRecord", response_model=RegimenWhatIfBody)
    async def switch_of_record(question: SwitchQuestion) -> Response:
        """Propose a change of drugs in a person whose record comes with the request, to judge."""
        case = await asyncio.to_thread(question.case)
        asked = await service().what_if_switch(case, **question.switch.model_dump())
        body = await asyncio.to_thread(lambda: RegimenWhatIfBody.of(asked).model_dump_json())
        return Response(body, media_type="application/json")

    return routes
