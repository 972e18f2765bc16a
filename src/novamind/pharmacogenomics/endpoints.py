"""REST: what a genotype and co-medication mean for each drug, for a list that comes with the request."""

import asyncio
from typing import Annotated, Any, Self

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from novamind.pharmacogenomics.review import Review
from novamind.pharmacogenomics.service import PharmacogenomicsService

Word = Annotated[str, Field(min_length=1, max_length=100)]
Gene = Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9-]{1,19}$")]


class Question(BaseModel):
    """A genotype as laboratories report it, what is taken, and which drug is asked about."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"genotype": {"CYP2D6": "*1/*4"}, "comedications": ["paroxetine"]}]},
    )
    genotype: Annotated[dict[Gene, Word], Field(max_length=200)] = {}
    comedications: Annotated[list[Word], Field(max_length=50)] = []
    conditions: Annotated[list[Word], Field(max_length=50)] = []
    allergies: Annotated[list[Word], Field(max_length=50)] = []
    medication: Word | None = None


class ReviewBody(BaseModel):
    """The review; each drug names its guidelines, its evidence and what is not known."""

    genotype: dict[str, Any]
    phenotypes: list[Any]
    comedications: list[str]
    conditions: list[str]
    allergies: list[str]
    notes: list[str]
    ranking: list[str]
    comparison: dict[str, str]
    drugs: dict[str, dict[str, Any]]
    disclaimer: str

    @classmethod
    def of(cls, review: Review) -> Self:
        """From the room's review."""
        return cls.model_validate(review.to_dict())


def router(service: PharmacogenomicsService | None = None) -> APIRouter:
    """The routes of this room alone."""
    asked = service or PharmacogenomicsService()
    routes = APIRouter(prefix="/pharmacogenomics", tags=["pharmacogenomics"])

    @routes.post("/review", operation_id="reviewMedications")
    async def review_medications(question: Question) -> ReviewBody:
        """Review one drug, or all psychiatric drugs; nothing of the request is kept."""
        data = question.model_dump(exclude={"medication"})
        review = await asked.predict_medication_response(data, question.medication)
        return await asyncio.to_thread(ReviewBody.of, review)

    return routes
