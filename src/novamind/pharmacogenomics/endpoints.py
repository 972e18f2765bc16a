"""REST: what a genotype and co-medication mean for each drug, for a list that comes with the request."""

import asyncio
from typing import Annotated

from fastapi import APIRouter, Response
from pydantic import BaseModel, ConfigDict, Field

from novamind.pharmacogenomics.codec import ReviewBody
from novamind.pharmacogenomics.service import PharmacogenomicsService

Word = Annotated[str, Field(min_length=1, max_length=100)]
Gene = Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9-]{1,19}$")]


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
