"""REST: simulate what a dose does over weeks."""

import asyncio
from typing import Annotated

from fastapi import APIRouter, Response
from pydantic import BaseModel, ConfigDict, Field

from novamind.neurochemistry.codec import CourseBody
from novamind.neurochemistry.simulation import simulate

Drug = Annotated[str, Field(min_length=1, max_length=100, examples=["escitalopram"], description="Generic name.")]


class Regimen(BaseModel):
    """One drug at one dose."""

    model_config = ConfigDict(extra="forbid")
    drug: Drug
    dose_mg: Annotated[
        float, Field(gt=0, le=10_000, allow_inf_nan=False, examples=[10], description="Single dose, in mg.")
    ]
    interval_hours: Annotated[
        float, Field(ge=1, le=168, allow_inf_nan=False, description="From dose to dose, in hours.")
    ] = 24
    weeks: Annotated[int, Field(ge=1, le=26, description="Length, in weeks.")] = 8
    phenotypes: Annotated[
        dict[Annotated[str, Field(max_length=20)], Annotated[str, Field(max_length=60)]],
        Field(max_length=10, description="Enzyme to phenotype."),
    ] = {}
    ensemble: Annotated[int, Field(ge=0, le=200, description="Number of simulated persons beside the typical one.")] = (
        50
    )
    seed: Annotated[int, Field(ge=0, le=2**31, description="Seed of the draws.")] = 0


def run(regimen: Regimen) -> str:
    """Return the simulation of a regimen, as the JSON of a :class:`CourseBody`."""
    return CourseBody.of(simulate(**regimen.model_dump())).model_dump_json()


def router() -> APIRouter:
    """Return the routes of this room alone."""
    routes = APIRouter(prefix="/neurochemistry", tags=["neurochemistry"])

    @routes.post("/simulations", operation_id="simulateRegimen", response_model=CourseBody)
    async def simulate_regimen(regimen: Regimen) -> Response:
        """Simulate a regimen in a typical person of these phenotypes."""
        return Response(await asyncio.to_thread(run, regimen), media_type="application/json")

    return routes
