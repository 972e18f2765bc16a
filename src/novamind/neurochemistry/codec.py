"""The one JSON of a simulated course, through every door."""

from collections.abc import Mapping, Sequence
from typing import Protocol, Self

import polars as pl
from pydantic import BaseModel, ConfigDict, Field

from novamind.drugs.codec import CautionBody
from novamind.drugs.domain import Caution
from novamind.neurochemistry.alarms import LevelAlarm
from novamind.neurochemistry.domain import Neurotransmitter
from novamind.neurochemistry.dynamics import HOURS_PER_DAY, MONOAMINES
from novamind.neurochemistry.regimen import RegimenStep


class _Course(Protocol):
    """What the courses of one drug and of a whole regimen share."""

    @property
    def weeks(self) -> int:
        """Length of the course."""

    @property
    def phenotypes(self) -> Mapping[str, str | float]:
        """Enzyme to phenotype or activity score."""

    @property
    def ensemble_size(self) -> int:
        """Members that the band is drawn from."""

    @property
    def seed(self) -> int:
        """Of the draws."""

    @property
    def model_version(self) -> str:
        """What the figures came from."""

    @property
    def transmitters(self) -> pl.DataFrame:
        """Daily levels by region."""

    @property
    def symptom_effect(self) -> pl.DataFrame:
        """Daily effects by outcome."""

    @property
    def symptom_note(self) -> str:
        """What the symptom effect is worth."""

    @property
    def alarms(self) -> Sequence[LevelAlarm]:
        """Levels above their reference range."""


class SimulatedCourse(_Course, Protocol):
    """One regimen's course, as :class:`novamind.neurochemistry.simulation.Simulation` holds it."""

    @property
    def drug(self) -> str:
        """Generic name."""

    @property
    def concentration(self) -> pl.DataFrame:
        """Hourly plasma concentrations."""

    @property
    def occupancy(self) -> pl.DataFrame:
        """Hourly shares of each target."""


class Meeting(Protocol):
    """Days on which two drugs meet that have a caution."""

    @property
    def a(self) -> str:
        """The first drug."""

    @property
    def b(self) -> str:
        """The other drug."""

    @property
    def first_day(self) -> int:
        """From 1."""

    @property
    def last_day(self) -> int:
        """From 1."""

    @property
    def after_stopping(self) -> bool:
        """Whether the first is no longer taken."""

    @property
    def cautions(self) -> Sequence[Caution]:
        """The reasons."""


class StepCaution(Protocol):
    """A step and what a dose limit says of it."""

    @property
    def step(self) -> RegimenStep:
        """The step."""

    @property
    def caution(self) -> Caution:
        """What the limit says."""


class RegimenCourse(_Course, Protocol):
    """A whole regimen's course, as :class:`novamind.neurochemistry.course.RegimenSimulation` holds it."""

    @property
    def steps(self) -> Sequence[RegimenStep]:
        """The regimen, in days."""

    @property
    def concentration(self) -> pl.DataFrame:
        """Daily means in plasma by drug and compound."""

    @property
    def occupancy(self) -> pl.DataFrame:
        """Daily shares of each target, of all together and of each drug alone."""

    @property
    def overlaps(self) -> Sequence[Meeting]:
        """Days on which two drugs meet that have a caution."""

    @property
    def dose_cautions(self) -> Sequence[StepCaution]:
        """What dose limits say of steps."""

    @property
    def notes(self) -> Sequence[str]:
        """What the simulation leaves out."""


class Estimate(Protocol):
    """A figure with its 90 % interval."""

    @property
    def value(self) -> float:
        """Median."""

    @property
    def low(self) -> float:
        """Lower end."""

    @property
    def high(self) -> float:
        """Upper end."""


class UpdatedClearance(Protocol):
    """One person's clearance after measured levels."""

    @property
    def drug(self) -> str:
        """Generic name."""

    @property
    def analyte(self) -> str:
        """Parent, metabolite or sum."""

    @property
    def unit(self) -> str:
        """Of the levels."""

    @property
    def clearance_factor(self) -> Estimate:
        """Over that of the typical person."""

    @property
    def clearance(self) -> Estimate:
        """In L/h."""

    @property
    def predicted(self) -> pl.DataFrame:
        """Measured levels with what was expected."""

    @property
    def notes(self) -> Sequence[str]:
        """What does not fit."""


class _Body(BaseModel):
    model_config = ConfigDict(frozen=True)


class ConcentrationBody(_Body):
    """Plasma concentration of one compound at one time."""

    time_hours: float = Field(description="Since the first dose, in hours.")
    compound: str = Field(description="Drug or metabolite.")
    value: float = Field(description="Median, in `unit`.")
    low: float | None = Field(description="Lower end of the 90 % band, in `unit`; null without an ensemble.")
    high: float | None = Field(description="Upper end of the 90 % band, in `unit`; null without an ensemble.")
    unit: str = Field(description="Unit of the concentration.")


class OccupancyBody(_Body):
    """Share of one target that is occupied at one time."""

    time_hours: float = Field(description="Since the first dose, in hours.")
    target: str = Field(description="Receptor or transporter.")
    value: float = Field(description="Median share, 0 to 1.")
    low: float | None = Field(description="Lower end of the 90 % band, 0 to 1; null without an ensemble.")
    high: float | None = Field(description="Upper end of the 90 % band, 0 to 1; null without an ensemble.")
    basis: str = Field(description="What the binding was measured by.")


class TransmitterBody(_Body):
    """Level of one transmitter in one region on one day."""

    day: int = Field(description="Day of treatment, from 1.")
    region: str = Field(description="Brain region.")
    transmitter: str = Field(description="Neurotransmitter.")
    level: float = Field(description="Median of the daily mean, relative to baseline (1).")
    low: float | None = Field(description="Lower end of the 90 % band, as `level`; null without an ensemble.")
    high: float | None = Field(description="Upper end of the 90 % band, as `level`; null without an ensemble.")


class SymptomEffectBody(_Body):
    """Effect on one outcome on one day, of an average patient."""

    day: int = Field(description="Day of treatment, from 1.")
    outcome: str = Field(description="What is meant.")
    value: float = Field(
        description="Depression: difference from placebo in SD, positive for improvement; prolactin change: relative "
        "to baseline; others: from 0 to 1."
    )
    low: float | None = Field(description="Lower end of the 90 % band, as `value`; null without an ensemble.")
    high: float | None = Field(description="Upper end of the 90 % band, as `value`; null without an ensemble.")


class LevelAlarmBody(_Body):
    """A level that is too high for a while."""

    model_config = ConfigDict(frozen=True, from_attributes=True)
    drug: str = Field(description="Generic name.")
    analyte: str = Field(description="Whose level it is: of the drug, or with its metabolite.")
    bound: str = Field(description="What is exceeded.")
    limit: float = Field(description="The bound, in `unit`.")
    highest: float = Field(description="Highest daily mean, in `unit`.")
    unit: str = Field(description="Unit of both.")
    first_day: int = Field(description="First day above it, from 1.")
    last_day: int = Field(description="Last day above it.")
    source: str = Field(description="Where the bound is from.")
    sentence: str = Field(description="The same in words.")


class CourseBody(_Body):
    """What one regimen does over weeks, by the day; `low` and `high` are the 90 % band of the ensemble."""

    drug: str = Field(description="Generic name.")
    weeks: int = Field(description="Length of the course, in weeks.")
    phenotypes: dict[str, str | float] = Field(
        description="Enzyme to CPIC's term or the activity score (2 = two normal alleles)."
    )
    ensemble: int = Field(description="Members that the band is drawn from; 0 for one typical run.")
    seed: int = Field(description="Seed of the draws.")
    model_version: str = Field(description="Which parameters.")
    concentration: list[ConcentrationBody] = Field(description="Plasma concentrations, once a day.")
    occupancy: list[OccupancyBody] = Field(description="Occupied targets, once a day; empty where none is known.")
    transmitters: list[TransmitterBody] = Field(description="Daily means by region; empty where no target is known.")
    symptom_effect: list[SymptomEffectBody] = Field(description="By day; empty where `symptom_note` says why.")
    symptom_note: str = Field(description="What the symptom effect is worth, or why it is not given.")
    transmitters_not_given: list[str] = Field(description="Transmitters that no model moves under this drug.")
    alarms: list[LevelAlarmBody] = Field(description="Levels above their reference range, by the daily mean.")

    @classmethod
    def of(cls, simulation: SimulatedCourse) -> Self:
        """Return the wire form of the room's simulation."""
        modelled = {*MONOAMINES, *simulation.transmitters["transmitter"].unique()}
        daily = pl.col("time_hours") % int(HOURS_PER_DAY) == 0
        return cls.model_validate(
            {
                "drug": simulation.drug,
                "weeks": simulation.weeks,
                "phenotypes": simulation.phenotypes,
                "ensemble": simulation.ensemble_size,
                "seed": simulation.seed,
                "model_version": simulation.model_version,
                "concentration": simulation.concentration.filter(daily).to_dicts(),
                "occupancy": simulation.occupancy.filter(daily).to_dicts(),
                "transmitters": simulation.transmitters.to_dicts(),
                "symptom_effect": simulation.symptom_effect.to_dicts(),
                "symptom_note": simulation.symptom_note,
                "transmitters_not_given": [name.value for name in Neurotransmitter if name.value not in modelled],
                "alarms": simulation.alarms,
            }
        )


class RegimenStepBody(_Body):
    """One drug at one dose for a while."""

    model_config = ConfigDict(frozen=True, from_attributes=True)
    drug: str = Field(description="Generic name.")
    dose_mg: float | None = Field(description="Each dose, in mg; null for what is only there.")
    interval_hours: float = Field(description="From dose to dose, in hours.")
    start: float = Field(description="Day since the regimen's zero.")
    stop: float | None = Field(description="First day without it; null for the end of the course.")
    form: str = Field(description="Empty by mouth, `depot` or `depot 3-month`.")
    missed: list[int] = Field(description="Doses that are not taken, from 0.")


class DrugConcentrationBody(_Body):
    """Daily mean of one compound in plasma."""

    day: int = Field(description="Day of the course, from 1.")
    drug: str = Field(description="Generic name.")
    compound: str = Field(description="Drug or metabolite.")
    value: float = Field(description="Median, in `unit`.")
    low: float | None = Field(description="Lower end of the 90 % band, in `unit`; null without an ensemble.")
    high: float | None = Field(description="Upper end of the 90 % band, in `unit`; null without an ensemble.")
    unit: str = Field(description="Unit of the concentration.")


class DrugOccupancyBody(_Body):
    """Daily mean share of one target."""

    day: int = Field(description="Day of the course, from 1.")
    drug: str = Field(description="`all` together in competition, or what one drug would hold alone.")
    target: str = Field(description="Receptor, transporter or enzyme.")
    value: float = Field(description="Median share, 0 to 1.")
    low: float | None = Field(description="Lower end of the 90 % band, 0 to 1; null without an ensemble.")
    high: float | None = Field(description="Upper end of the 90 % band, 0 to 1; null without an ensemble.")


class OverlapBody(_Body):
    """Days on which two drugs meet, with every reason for care."""

    model_config = ConfigDict(frozen=True, from_attributes=True)
    a: str = Field(description="One drug.")
    b: str = Field(description="The other drug.")
    first_day: int = Field(description="First day, from 1.")
    last_day: int = Field(description="Last day.")
    after_stopping: bool = Field(description="Whether `a` is no longer taken and still acts.")
    cautions: list[CautionBody] = Field(description="The most serious first.")


class DoseCautionBody(_Body):
    """A step whose dose is above a limit, or could be."""

    model_config = ConfigDict(frozen=True, from_attributes=True)
    step: RegimenStepBody = Field(description="The step.")
    caution: CautionBody = Field(description="What the limit says.")


class RegimenCourseBody(_Body):
    """What a whole regimen does, by the day; `low` and `high` are the 90 % band of the ensemble."""

    steps: list[RegimenStepBody] = Field(description="The regimen in days since its zero, the earliest first.")
    weeks: int = Field(description="Length of the course, in weeks.")
    phenotypes: dict[str, str | float] = Field(
        description="Enzyme to CPIC's term or the activity score (2 = two normal alleles)."
    )
    ensemble: int = Field(description="Members that the band is drawn from; 0 for one typical run.")
    seed: int = Field(description="Seed of the draws.")
    model_version: str = Field(description="Which parameters.")
    concentration: list[DrugConcentrationBody] = Field(description="Daily means in plasma.")
    occupancy: list[DrugOccupancyBody] = Field(description="Daily shares of each target; empty where none is known.")
    transmitters: list[TransmitterBody] = Field(description="Daily means by region; empty where no target is known.")
    symptom_effect: list[SymptomEffectBody] = Field(description="By day, of all drugs together.")
    symptom_note: str = Field(description="What the symptom effect is worth, by drug.")
    overlaps: list[OverlapBody] = Field(description="Cautions by day, the most serious first.")
    dose_cautions: list[DoseCautionBody] = Field(description="Steps above a dose limit, or that could be.")
    alarms: list[LevelAlarmBody] = Field(description="Levels above their reference range, by the daily mean.")
    notes: list[str] = Field(description="What the simulation leaves out, a sentence each.")

    @classmethod
    def of(cls, simulation: RegimenCourse) -> Self:
        """Return the wire form of a simulated regimen."""
        return cls.model_validate(
            {
                "steps": simulation.steps,
                "weeks": simulation.weeks,
                "phenotypes": simulation.phenotypes,
                "ensemble": simulation.ensemble_size,
                "seed": simulation.seed,
                "model_version": simulation.model_version,
                "concentration": simulation.concentration.to_dicts(),
                "occupancy": simulation.occupancy.to_dicts(),
                "transmitters": simulation.transmitters.to_dicts(),
                "symptom_effect": simulation.symptom_effect.to_dicts(),
                "symptom_note": simulation.symptom_note,
                "overlaps": simulation.overlaps,
                "dose_cautions": simulation.dose_cautions,
                "alarms": simulation.alarms,
                "notes": simulation.notes,
            }
        )


class EstimateBody(_Body):
    """A figure with its 90 % interval."""

    model_config = ConfigDict(frozen=True, from_attributes=True)
    value: float = Field(description="Median.")
    low: float = Field(description="Lower end.")
    high: float = Field(description="Upper end.")


class SampleBody(_Body):
    """A measured level with what the model expected before and after it."""

    time_hours: float = Field(description="Since the regimen's zero, in hours.")
    analyte: str = Field(description="`parent`, `metabolite` or `sum`.")
    measured: float = Field(description="As measured, in `unit`.")
    before: float = Field(description="Expected without the levels.")
    before_low: float = Field(description="Lower end of its 90 % interval.")
    before_high: float = Field(description="Upper end of its 90 % interval.")
    after: float = Field(description="Expected with them.")
    after_low: float = Field(description="Lower end of its 90 % interval.")
    after_high: float = Field(description="Upper end of its 90 % interval.")


class LevelUpdateBody(_Body):
    """What measured levels say of one person's clearance."""

    model_config = ConfigDict(frozen=True, from_attributes=True)
    drug: str = Field(description="Generic name.")
    analyte: str = Field(description="`parent`, `metabolite` or `sum`.")
    unit: str = Field(description="Unit of the levels.")
    clearance_factor: EstimateBody = Field(description="Clearance over that of the typical person.")
    clearance: EstimateBody = Field(description="Oral clearance, L/h.")
    predicted: list[SampleBody] = Field(description="Measured levels with what was expected.")
    notes: list[str] = Field(description="What does not fit, a sentence each.")

    @classmethod
    def of(cls, update: UpdatedClearance) -> Self:
        """Return the wire form of an update."""
        return cls.model_validate(
            {
                "drug": update.drug,
                "analyte": update.analyte,
                "unit": update.unit,
                "clearance_factor": update.clearance_factor,
                "clearance": update.clearance,
                "predicted": update.predicted.to_dicts(),
                "notes": update.notes,
            }
        )


class DoseAdviceBody(_Body):
    """The dose that is most likely to bring the mean level at steady state into a range."""

    model_config = ConfigDict(frozen=True, from_attributes=True)
    dose_mg: float = Field(description="Each dose, in mg.")
    interval_hours: float = Field(description="From dose to dose, in hours.")
    low: float = Field(description="Lower end of the range, in `unit`.")
    high: float = Field(description="Upper end of the range, in `unit`.")
    unit: str = Field(description="Unit of the levels.")
    probability: float = Field(description="That the mean level is in the range, 0 to 1.")
    wanted: float = Field(description="The probability that was asked for, 0 to 1.")
    reaches: bool = Field(description="Whether it is as high as wanted.")
    level: EstimateBody = Field(description="Mean level at that dose, in `unit`.")
    sentence: str = Field(description="The same in words.")


class LevelAnswerBody(LevelUpdateBody):
    """What measured levels say of one person's clearance, with a dose."""

    advice: DoseAdviceBody = Field(description="The dose for the range.")

    @classmethod
    def with_dose(cls, update: UpdatedClearance, advice: object) -> Self:
        """Return the wire form of an update with a :class:`~novamind.neurochemistry.measured_levels.DoseAdvice`."""
        return cls.model_validate(LevelUpdateBody.of(update).model_dump() | {"advice": advice})


class Proposal(Protocol):
    """A proposed change from one drug to another."""

    @property
    def old(self) -> str:
        """Generic name."""

    @property
    def new(self) -> str:
        """Generic name."""

    @property
    def strategy(self) -> str:
        """How."""

    @property
    def sentence(self) -> str:
        """The same in words."""

    @property
    def simulation(self) -> RegimenCourse:
        """What it does."""


class CrossTaperBody(_Body):
    """A proposed change from one drug to another, with what it does."""

    old: str = Field(description="Generic name.")
    new: str = Field(description="Generic name.")
    strategy: str = Field(description="`direct`, `wait`, `cross-taper` or `plateau`.")
    sentence: str = Field(description="The strategy in words, with its reason and source.")
    course: RegimenCourseBody = Field(description="The schedule with levels, occupancies and cautions by day.")

    @classmethod
    def of(cls, proposal: Proposal) -> Self:
        """Return the wire form of a proposal."""
        return cls(
            old=proposal.old,
            new=proposal.new,
            strategy=proposal.strategy,
            sentence=proposal.sentence,
            course=RegimenCourseBody.of(proposal.simulation),
        )
