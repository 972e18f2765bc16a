"""The one JSON of a simulated course, through every door."""

from collections.abc import Mapping
from typing import Protocol, Self

import polars as pl
from pydantic import BaseModel, ConfigDict, Field

from novamind.neurochemistry.domain import Neurotransmitter
from novamind.neurochemistry.dynamics import HOURS_PER_DAY, MONOAMINES


class SimulatedCourse(Protocol):
    """One regimen's course, as :class:`novamind.neurochemistry.simulation.Simulation` holds it."""

    @property
    def drug(self) -> str:
        """Generic name."""

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
    def concentration(self) -> pl.DataFrame:
        """Hourly plasma concentrations."""

    @property
    def occupancy(self) -> pl.DataFrame:
        """Hourly shares of each target."""

    @property
    def transmitters(self) -> pl.DataFrame:
        """Daily levels by region."""

    @property
    def symptom_effect(self) -> pl.DataFrame:
        """Daily effects by outcome."""

    @property
    def symptom_note(self) -> str:
        """What the symptom effect is worth."""


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
            }
        )
