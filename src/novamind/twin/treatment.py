"""One drug at one dose in one patient, simulated: levels, occupancy and effects with their bands."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl

from novamind.neurochemistry.alarms import LevelAlarm
from novamind.neurochemistry.course import RegimenSimulation
from novamind.neurochemistry.simulation import Simulation, bands
from novamind.pharmacogenomics.drug_review import DrugReview


@dataclass(frozen=True)
class Span:
    """A figure with its 90 % band; ``None`` ends where there is no ensemble."""

    value: float
    low: float | None
    high: float | None


@dataclass(frozen=True)
class SimulatedTreatment:
    """One drug at one dose in this patient.

    Attributes
    ----------
    review
        The pharmacogenomic review of the drug, with cautions. Its exposure rests on measured levels, the simulation on
        fractions of clearance, so the two need not agree.
    course, reference
        The simulation for this patient, and in a normal metaboliser without co-medication.
    unknown
        What this cannot say, one sentence each.
    """

    drug: str
    dose_mg: float
    weeks: int
    activity: Mapping[str, str | float]
    inhibitors: Mapping[str, str | float]
    review: DrugReview
    course: Simulation
    reference: Simulation
    unknown: tuple[str, ...]
    interval_hours: float = 24.0

    @property
    def exposure_ratio(self) -> float:
        """Return this patient's level over a normal metaboliser's at the same dose; above 1 it is higher."""
        return self.level.value / _last_week(self.reference).value

    @property
    def level(self) -> Span:
        """Return the mean plasma level of the last week, in :attr:`unit`."""
        return _last_week(self.course)

    @property
    def level_in_range(self) -> Span | None:
        """Return the level that the reference range is about: the parent, or its sum with the active metabolite.

        None where there is no range, or the range is of something that the simulation does not give.
        """
        usual = self.review.therapeutic_range
        levels = self.course.course.concentrations[self.drug]
        if usual is None or usual.unit != self.unit or (usual.basis == "parent") != (usual.analyte == self.drug):
            return None
        if usual.basis == "parent":
            return self.level
        if usual.basis != "sum" or len(levels) == 1:
            return None
        week = slice((self.course.weeks - 1) * 7 * 24, None)
        value, low, high = (float(of.mean()) for of in bands(np.sum([of[:, week] for of in levels.values()], axis=0)))
        return Span(value, None if np.isnan(low) else low, None if np.isnan(high) else high)

    @property
    def unit(self) -> str:
        """Return the unit of the level."""
        return str(self.course.concentration["unit"][0])

    @property
    def alarms(self) -> tuple[LevelAlarm, ...]:
        """Return levels above the reference range or the level to act on, by the daily mean."""
        return self.course.alarms

    @property
    def symptom_effects(self) -> dict[str, Span]:
        """Return outcome to its value on the last day; empty where none can be given."""
        last = self.course.symptom_effect.filter(pl.col("day") == pl.col("day").max())
        return {row["outcome"]: Span(row["value"], row["low"], row["high"]) for row in last.iter_rows(named=True)}

    @property
    def occupancy(self) -> dict[str, Span]:
        """Return target to its mean occupancy over the last day, 0 to 1, where it is at least 1 %."""
        final = self.course.occupancy.filter(pl.col("time_hours") >= (self.weeks * 7 - 1) * 24)
        shares = final.group_by("target", maintain_order=True).agg(pl.col("value", "low", "high").mean())
        return {
            row["target"]: Span(row["value"], row["low"], row["high"])
            for row in shares.sort("value", descending=True).iter_rows(named=True)
            if row["value"] >= 0.01
        }


@dataclass(frozen=True)
class SimulatedRegimen:
    """What this patient takes, with other steps from today on.

    Attributes
    ----------
    simulation
        Levels, occupancies, effects and cautions by day; the first days are the record's.
    today
        Days of the record before today: day ``today`` + 1 of the simulation is today.
    sentence
        What was asked, in words; empty for steps of one's own.
    notes
        What was left out or assumed, a sentence each.
    """

    simulation: RegimenSimulation
    today: int
    sentence: str
    notes: tuple[str, ...]


def _last_week(course: Simulation) -> Span:
    parent = course.concentration.filter(pl.col("compound") == course.concentration["compound"][0])
    last = parent.filter(pl.col("time_hours") >= (course.weeks - 1) * 7 * 24)
    value, low, high = last.select(pl.col("value", "low", "high").mean()).row(0)
    return Span(value, low, high)
