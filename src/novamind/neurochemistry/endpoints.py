"""REST: simulate a dose or a whole regimen, propose a change of drugs, read measured levels."""

import asyncio
from collections.abc import Callable
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Response
from pydantic import BaseModel, ConfigDict, Field

from novamind.neurochemistry.codec import (
    CourseBody,
    CrossTaperBody,
    LevelAnswerBody,
    RegimenCourseBody,
)
from novamind.neurochemistry.course import simulate_regimen
from novamind.neurochemistry.measured_levels import MeasuredLevel, update
from novamind.neurochemistry.regimen import MOST_STEPS, RegimenStep
from novamind.neurochemistry.simulation import simulate
from novamind.neurochemistry.switching import cross_taper

Drug = Annotated[str, Field(min_length=1, max_length=100, examples=["escitalopram"], description="Generic name.")]
Phenotypes = Annotated[
    dict[Annotated[str, Field(max_length=20)], Annotated[str, Field(max_length=60)]],
    Field(max_length=10, description="Enzyme to phenotype."),
]
Weeks = Annotated[int, Field(ge=1, le=26, description="Length, in weeks.")]
Ensemble = Annotated[int, Field(ge=0, le=200, description="Number of simulated persons beside the typical one.")]
Seed = Annotated[int, Field(ge=0, le=2**31, description="Seed of the draws.")]
Milligrams = Annotated[float, Field(ge=0, le=10_000, allow_inf_nan=False, examples=[20], description="Each dose, mg.")]
Kidney = Annotated[float, Field(ge=5, le=250, allow_inf_nan=False, description="Creatinine clearance, in mL/min.")]
DayOfRegimen = Annotated[float, Field(ge=0, le=728, allow_inf_nan=False, description="Day since the regimen's zero.")]
_MOST_LEVELS = 50


class _Question(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Regimen(_Question):
    """One drug at one dose."""

    drug: Drug
    dose_mg: Annotated[
        float, Field(gt=0, le=10_000, allow_inf_nan=False, examples=[10], description="Single dose, in mg.")
    ]
    interval_hours: Annotated[
        float, Field(ge=1, le=168, allow_inf_nan=False, description="From dose to dose, in hours.")
    ] = 24
    weeks: Weeks = 8
    phenotypes: Phenotypes = {}
    ensemble: Ensemble = 50
    seed: Seed = 0


class Step(_Question):
    """One drug at one dose for a while."""

    drug: Drug
    dose_mg: Milligrams | None = Field(default=None, description="Each dose, in mg; null for what is only there.")
    interval_hours: Annotated[
        float, Field(ge=1, le=4560, allow_inf_nan=False, description="From dose to dose, in hours.")
    ] = 24
    start: DayOfRegimen = 0
    stop: Annotated[
        float | None, Field(gt=0, le=1000, allow_inf_nan=False, description="First day without it; null for the end.")
    ] = None
    form: Literal["", "oral", "depot", "depot 3-month"] = Field(default="", description="By mouth when empty.")
    missed: Annotated[
        list[Annotated[int, Field(ge=0, le=10_000)]], Field(max_length=500, description="Doses not taken, from 0.")
    ] = []

    def step(self) -> RegimenStep:
        """Return the step as the room takes it."""
        return RegimenStep(**self.model_dump(exclude={"missed"}), missed=tuple(self.missed))


Steps = Annotated[list[Step], Field(min_length=1, max_length=MOST_STEPS, description="What is taken, and when.")]


class WholeRegimen(_Question):
    """Several drugs over time."""

    steps: Steps
    weeks: Weeks = 12
    phenotypes: Phenotypes = {}
    creatinine_clearance: Kidney = 100
    ensemble: Ensemble = 50
    seed: Seed = 0


class Switch(_Question):
    """A change from one drug to another."""

    old: Drug
    new: Drug
    old_dose_mg: Milligrams | None = Field(default=None, description="Daily dose, in mg; the usual one when null.")
    new_dose_mg: Milligrams | None = Field(default=None, description="Daily dose, in mg; the usual one when null.")
    phenotypes: Phenotypes = {}
    ensemble: Ensemble = 0
    seed: Seed = 0


class Level(_Question):
    """One measured plasma level."""

    drug: Drug
    value: Annotated[float, Field(gt=0, allow_inf_nan=False, examples=[350], description="In `unit`.")]
    day: DayOfRegimen
    hours_since_dose: Annotated[
        float, Field(ge=0, le=4560, allow_inf_nan=False, description="Since the last dose before the sample.")
    ] = 24
    analyte: Literal["", "parent", "metabolite", "sum"] = Field(
        default="", description="What was measured; what the reference range is about when empty."
    )
    unit: Annotated[str, Field(max_length=20, description="The unit of the reference range when empty.")] = ""


class LevelQuestion(_Question):
    """Measured levels and what was taken."""

    levels: Annotated[list[Level], Field(min_length=1, max_length=_MOST_LEVELS, description="Of one drug.")]
    steps: Steps
    phenotypes: Phenotypes = {}
    creatinine_clearance: Kidney = 100
    low: float | None = Field(default=None, ge=0, description="Range to reach; the reference range when null.")
    high: float | None = Field(default=None, ge=0, description="Upper end of the range.")
    probability: float = Field(default=0.5, ge=0, le=1, description="Of the range being reached, that is wanted.")


def run(regimen: Regimen) -> str:
    """Return the simulation of one drug, as the JSON of a :class:`CourseBody`."""
    return CourseBody.of(simulate(**regimen.model_dump())).model_dump_json()


def run_regimen(regimen: WholeRegimen) -> str:
    """Return the simulation of a whole regimen, as the JSON of a :class:`RegimenCourseBody`."""
    steps = [step.step() for step in regimen.steps]
    return RegimenCourseBody.of(simulate_regimen(steps, **regimen.model_dump(exclude={"steps"}))).model_dump_json()


def run_switch(switch: Switch) -> str:
    """Return a proposed change of drugs, as the JSON of a :class:`CrossTaperBody`."""
    return CrossTaperBody.of(cross_taper(**switch.model_dump())).model_dump_json()


def run_levels(question: LevelQuestion) -> str:
    """Return what levels say, with a dose, as the JSON of a :class:`LevelAnswerBody`."""
    result = update(
        [MeasuredLevel(**level.model_dump()) for level in question.levels],
        [step.step() for step in question.steps],
        phenotypes=question.phenotypes,
        creatinine_clearance=question.creatinine_clearance,
    )
    advice = result.dose_for(question.low, question.high, probability=question.probability)
    return LevelAnswerBody.with_dose(result, advice).model_dump_json()


def router() -> APIRouter:
    """Return the routes of this room alone."""
    routes = APIRouter(prefix="/neurochemistry", tags=["neurochemistry"])

    async def answer(run: Callable[[Any], str], question: _Question) -> Response:
        return Response(await asyncio.to_thread(run, question), media_type="application/json")

    @routes.post("/simulations", operation_id="simulateRegimen", response_model=CourseBody)
    async def simulate_one(regimen: Regimen) -> Response:
        """Simulate a regimen in a typical person of these phenotypes."""
        return await answer(run, regimen)

    @routes.post("/regimens", operation_id="simulateWholeRegimen", response_model=RegimenCourseBody)
    async def simulate_whole(regimen: WholeRegimen) -> Response:
        """Simulate several drugs that act on each other, with titration, taper, depots and missed doses."""
        return await answer(run_regimen, regimen)

    @routes.post("/switches", operation_id="proposeSwitch", response_model=CrossTaperBody)
    async def propose_switch(switch: Switch) -> Response:
        """Propose a schedule from one drug to another, to judge."""
        return await answer(run_switch, switch)

    @routes.post("/levels", operation_id="readLevels", response_model=LevelAnswerBody)
    async def read_levels(question: LevelQuestion) -> Response:
        """Say what measured levels mean for this person's clearance, and the dose that reaches a range."""
        return await answer(run_levels, question)

    return routes
