"""REST: simulate what a dose does over weeks."""

import asyncio
from typing import Annotated, Any, Self

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from novamind.neurochemistry.simulation import Simulation, simulate

Drug = Annotated[str, Field(min_length=1, max_length=100, examples=["escitalopram"])]


class Regimen(BaseModel):
    """One drug at one dose."""

    model_config = ConfigDict(extra="forbid")
    drug: Drug
    dose_mg: Annotated[float, Field(gt=0, le=10_000, allow_inf_nan=False, examples=[10])]
    interval_hours: Annotated[float, Field(ge=1, le=168, allow_inf_nan=False)] = 24
    weeks: Annotated[int, Field(ge=1, le=26)] = 8
    phenotypes: Annotated[
        dict[Annotated[str, Field(max_length=20)], Annotated[str, Field(max_length=60)]], Field(max_length=10)
    ] = {}
    ensemble: Annotated[int, Field(ge=0, le=200)] = 50
    seed: Annotated[int, Field(ge=0, le=2**31)] = 0


class Course(BaseModel):
    """A simulated course; ``low`` and ``high`` are the 90 % band of the ensemble."""

    drug: str
    weeks: int
    phenotypes: dict[str, str | float]
    ensemble: int
    seed: int
    model_version: str
    concentration: list[dict[str, Any]]
    occupancy: list[dict[str, Any]]
    transmitters: list[dict[str, Any]]
    symptom_effect: list[dict[str, Any]]
    symptom_note: str
    transmitters_not_given: list[str]

    @classmethod
    def of(cls, simulation: Simulation) -> Self:
        """From the room's simulation."""
        return cls.model_validate(simulation.to_dict())


def run(regimen: Regimen) -> Course:
    """Simulate a regimen."""
    return Course.of(simulate(**regimen.model_dump()))


def router() -> APIRouter:
    """The routes of this room alone."""
    routes = APIRouter(prefix="/neurochemistry", tags=["neurochemistry"])

    @routes.post("/simulations", operation_id="simulateRegimen")
    async def simulate_regimen(regimen: Regimen) -> Course:
        """Simulate a regimen in a typical person of these phenotypes."""
        return await asyncio.to_thread(run, regimen)

    return routes
