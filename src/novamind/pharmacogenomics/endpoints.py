"""REST: what a genotype and co-medication mean for each drug, for a list that comes with the request."""

import asyncio
from typing import Annotated, Literal

from fastapi import APIRouter, Response
from pydantic import BaseModel, ConfigDict, Field

from novamind.pharmacogenomics.codec import ReviewBody
from novamind.pharmacogenomics.service import PharmacogenomicsService

Word = Annotated[str, Field(min_length=1, max_length=100)]
Gene = Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9-]{1,19}$")]


class DosageBody(BaseModel):
    """A dose as it is taken."""

    model_config = ConfigDict(extra="forbid")
    mg: float = Field(gt=0, le=100_000, description="Each time.")
    every_hours: float = Field(default=24, gt=0, le=10_000, description="Hours from one to the next.")
    form: str = Field(
        default="",
        max_length=30,
        description="`immediate`, `extended`, `depot`, `transdermal`, `sublingual` or `intramuscular`; empty for oral.",
    )


class PersonBody(BaseModel):
    """What dose limits ask of a person; what is missing is named in the answer."""

    model_config = ConfigDict(extra="forbid")
    age: float | None = Field(default=None, ge=0, le=130, description="Years.")
    sex: Literal["female", "male"] | None = Field(default=None, description="For limits that differ.")
    weight_kg: float | None = Field(default=None, gt=0, le=700, description="In kg.")
    creatinine_clearance: float | None = Field(default=None, ge=0, le=1000, description="In mL/min.")
    egfr: float | None = Field(default=None, ge=0, le=1000, description="In mL/min/1.73 m².")
    child_pugh: Literal["A", "B", "C", "none"] | None = Field(default=None, description="Class of liver disease.")
    smoker: bool | None = Field(default=None, description="Smokes tobacco.")
    pregnant: bool | None = Field(default=None, description="Is pregnant.")
    breastfeeding: bool | None = Field(default=None, description="Breastfeeds.")


class Question(BaseModel):
    """A genotype as laboratories report it, what is taken, and which drug is asked about."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"genotype": {"CYP2D6": "*1/*4"}, "comedications": ["paroxetine"]}]},
    )
    genotype: Annotated[dict[Gene, Word], Field(max_length=200, description="Gene to result.")] = {}
    comedications: Annotated[list[Word], Field(max_length=50, description="Drugs that are taken.")] = []
    conditions: Annotated[list[Word], Field(max_length=50, description="Diagnoses, in words.")] = []
    allergies: Annotated[list[Word], Field(max_length=50, description="Drugs to which there is an allergy.")] = []
    doses: Annotated[dict[Word, DosageBody], Field(max_length=50, description="Drug to how it is taken.")] = {}
    stopped: Annotated[
        dict[Word, Annotated[int, Field(ge=0)] | None],
        Field(max_length=50, description="Drug no longer taken, to days since the last dose; null where not known."),
    ] = {}
    person: PersonBody = PersonBody()
    medication: Word | None = Field(default=None, description="Drug in question; all psychiatric ones if missing.")


def router(service: PharmacogenomicsService | None = None) -> APIRouter:
    """Return the routes of this room alone."""
    asked = service or PharmacogenomicsService()
    routes = APIRouter(prefix="/pharmacogenomics", tags=["pharmacogenomics"])

    @routes.post("/review", operation_id="reviewMedications", response_model=ReviewBody)
    async def review_medications(question: Question) -> Response:
        """Review one drug, or all psychiatric drugs; nothing of the request is kept."""
        data = question.model_dump(exclude={"medication"})
        review = await asked.predict_medication_response(data, question.medication)
        body = await asyncio.to_thread(lambda: ReviewBody.of(review).model_dump_json())
        return Response(body, media_type="application/json")

    return routes
