"""A course of treatment: plasma, occupancy, transmitters and symptom effect of one regimen over weeks."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from novamind.errors import NotFoundError, ValidationError
from novamind.neurochemistry.alarms import LevelAlarm, level_alarms
from novamind.neurochemistry.domain import BrainRegion, Floats, Neurotransmitter, is_number, is_whole
from novamind.neurochemistry.dynamics import (
    HOURS_PER_DAY,
    Chemistry,
    Parameters,
    ensemble,
    simulate_chemistry,
    typical,
)
from novamind.neurochemistry.occupancy import Occupancy, bindings, occupancy
from novamind.neurochemistry.pharmacokinetics import (
    REFERENCE_CREATININE_CLEARANCE,
    Physiology,
    Schedule,
    concentrations,
    enzyme_activity,
    kinetics,
)
from novamind.neurochemistry.reference import LEAVES, MAPPED_REGIONS, region_weights
from novamind.neurochemistry.symptom_effect import (
    AVERAGE_DRUG_PLACEBO_DIFFERENCE,
    RESPONSE_BELOW_THRESHOLD,
    d2_outcomes,
    depression_effect,
    symptom_domain,
)
from novamind.summary import Summarised, Summary, counted

if TYPE_CHECKING:
    import altair as alt

#: Longest course, in weeks, and largest ensemble that are simulated in one call.
MAXIMUM_WEEKS = 104
MAXIMUM_ENSEMBLE = 2000
#: What a person's clearance over the typical one may be.
CLEARANCE_FACTORS = (0.02, 50.0)
BAND = (0.05, 0.95)
STEP_HOURS = 1.0


@dataclass(frozen=True, slots=True)
class Course:
    """Everything that a batch of patients goes through; arrays ``(patients, times)``, hourly from the first dose."""

    concentrations: Mapping[str, Mapping[str, Floats]]
    occupancy: Occupancy
    chemistry: Chemistry
    depression: Floats | None


def run(schedules: Mapping[str, Schedule], hours: int, patients: Physiology, parameters: Parameters) -> Course:
    """Return the course of one or several drugs taken together, for a batch of patients.

    Parameters
    ----------
    schedules
        Drug to its schedule.
    hours
        Length of the course.
    parameters
        One set a patient, or one for all.
    """
    times = np.arange(0.0, hours, STEP_HOURS)
    plasma = {
        kinetics(drug).name: concentrations(kinetics(drug), schedule, times, patients)
        for drug, schedule in schedules.items()
    }
    occupancies = occupancy(plasma, STEP_HOURS)
    shape = {"SERT": np.zeros((1, times.size))} | dict(occupancies.occupied)
    chemistry = simulate_chemistry(shape, occupancies.activated, parameters, STEP_HOURS)
    depression = None
    if any(symptom_domain(kinetics(drug).name) == "depression" for drug in schedules):
        depression = depression_effect(chemistry, parameters, STEP_HOURS)
    return Course(plasma, occupancies, chemistry, depression)


def region_level(chemistry: Chemistry, transmitter: Neurotransmitter, region: BrainRegion) -> Floats:
    """Return the level of one transmitter in one region, ``(patients, times)``, relative to baseline.

    Raises
    ------
    NotFoundError
        The region is unmapped, the transmitter is not simulated, or a part of the region has no terminals.
    """
    levels = chemistry.levels.get(transmitter)
    if levels is None:
        raise NotFoundError(f"levels of {transmitter.value} under a drug are not given: no published model")
    weights = region_weights(region)
    parts = [LEAVES[i] for i in np.flatnonzero(weights)]
    if any(part not in levels for part in parts):
        raise NotFoundError(f"no {transmitter.value} terminals are mapped in {region.value}")
    return np.asarray(sum(weights[LEAVES.index(part)] * levels[part] for part in parts), dtype=np.float64)


def bands(values: Floats) -> tuple[Floats, Floats, Floats]:
    """Return median and ``BAND`` over the first axis; without spread the one value and missing limits."""
    if values.shape[0] == 1:
        missing = np.full(values.shape[1:], np.nan)
        return np.asarray(values[0]), missing, missing
    low, middle, high = np.quantile(values, (BAND[0], 0.5, BAND[1]), axis=0)
    return middle, low, high


def daily_means(values: Floats) -> Floats:
    """Return means over days, ``(patients, days)``."""
    per_day = int(HOURS_PER_DAY / STEP_HOURS)
    days = values.shape[1] // per_day
    return np.asarray(values[:, : days * per_day].reshape(values.shape[0], days, per_day).mean(axis=2))


@dataclass(frozen=True, repr=False)
class Simulation(Summarised):
    """One regimen's course. Frames are Polars; ``low`` and ``high`` are the 90 % band, null without ensemble.

    The band joins what is uncertain in the model (parameter sets that fit published checks equally well) and
    how much patients differ in clearance. It leaves out what the model does not know: whether its structure is
    right, and how one person's symptoms answer.

    Attributes
    ----------
    seed, ensemble_size, model_version
        What the figures came from; the same seed gives the same figures.
    """

    drug: str
    schedule: Schedule
    weeks: int
    phenotypes: Mapping[str, str | float]
    ensemble_size: int
    seed: int
    course: Course = field(repr=False)
    model_version: str = "neurochemistry-1"

    @cached_property
    def concentration(self) -> pl.DataFrame:
        """``time_hours, compound, value, low, high, unit``: hourly plasma concentrations."""
        unit = kinetics(self.drug).concentration_unit
        return hourly_frame(self.course.concentrations[self.drug], "compound", lambda _: {"unit": unit}, ("unit",))

    @cached_property
    def occupancy(self) -> pl.DataFrame:
        """``time_hours, target, value, low, high, basis``: hourly shares of each target; empty where none is known."""
        basis = {binding.target: binding.basis for binding in reversed(bindings(self.drug))}
        return hourly_frame(self.course.occupancy.occupied, "target", lambda name: {"basis": basis[name]}, ("basis",))

    @cached_property
    def transmitters(self) -> pl.DataFrame:
        """``day, region, transmitter, level, low, high``: daily means relative to baseline (1), by region.

        Regions without terminals of a transmitter and transmitters without a published model have no rows, nor
        has a drug that binds none of the known targets: what it does to transmitters is not given.
        """
        return transmitter_frame(self.course.chemistry, self.course.chemistry.levels if bindings(self.drug) else ())

    @cached_property
    def symptom_effect(self) -> pl.DataFrame:
        """``day, outcome, value, low, high``; empty where ``symptom_note`` says why nothing is given.

        ``depression`` is the drug-placebo difference as a standardised mean difference of an average patient,
        positive for improvement; the outcomes of D2 drugs are positions in the range of Kapur 2000, from 0 to 1, and
        ``prolactin change`` is relative to baseline (-0.5 is half of it).
        """
        course = self.course
        psychosis = course.depression is None and symptom_domain(self.drug) == "psychosis"
        response = self.drug not in RESPONSE_BELOW_THRESHOLD
        return symptom_frame(course.depression, course.occupancy, psychosis, response)

    @property
    def symptom_note(self) -> str:
        """What the symptom effect is worth, or why it is not given."""
        return symptom_note(self.drug)

    @property
    def alarms(self) -> tuple[LevelAlarm, ...]:
        """Levels above the reference range or the level to act on, by the daily mean."""
        return level_alarms(self.drug, self.course.concentrations[self.drug])

    def plot(self) -> "alt.VConcatChart":
        """Draw concentration, occupancy and transmitters below one another."""
        from novamind.neurochemistry.plots import plot_course

        return plot_course(self)

    def _summary(self) -> Summary:
        last = self.symptom_effect.filter(pl.col("day") == pl.col("day").max())
        rows = [(row["outcome"], row["value"], row["low"], row["high"]) for row in last.iter_rows(named=True)]
        text = f"{self.drug}, {counted(self.weeks, 'week')}, ensemble of {self.ensemble_size}; {self.model_version}"
        return Summary(text, ("on the last day", "value", "low", "high"), rows)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON: inputs, notes and daily figures."""
        from novamind.neurochemistry.codec import CourseBody

        return CourseBody.of(self).model_dump(mode="json")


def hourly_frame(
    series: Mapping[str, Floats], label: str, extra: Callable[[str], Mapping[str, str]], columns: Sequence[str]
) -> pl.DataFrame:
    """Return ``time_hours, label, value, low, high`` and further text columns; ``series`` are hourly by name."""
    parts = []
    for name, values in series.items():
        middle, low, high = bands(values)
        hours = np.arange(middle.size) * STEP_HOURS
        parts.append(
            pl.DataFrame({"time_hours": hours, "value": middle, "low": low, "high": high}).with_columns(
                pl.lit(name).alias(label), *(pl.lit(value).alias(key) for key, value in extra(name).items())
            )
        )
    order = ["time_hours", label, "value", "low", "high", *columns]
    if not parts:
        text = (label, *columns)
        return pl.DataFrame(schema={name: pl.String if name in text else pl.Float64 for name in order})
    return _null(pl.concat(parts)).select(order)


def daily_rows(daily: Floats, labels: Mapping[str, str]) -> pl.DataFrame:
    """Return ``day``, the labels, ``value, low, high`` of daily values, ``(patients, days)``."""
    middle, low, high = bands(daily)
    frame = pl.DataFrame({"day": np.arange(middle.size) + 1, "value": middle, "low": low, "high": high})
    return frame.select("day", *(pl.lit(value).alias(name) for name, value in labels.items()), "value", "low", "high")


def transmitter_frame(chemistry: Chemistry, transmitters: Iterable[Neurotransmitter]) -> pl.DataFrame:
    """Return ``day, region, transmitter, level, low, high`` of the transmitters, where they have terminals."""
    columns = ("day", pl.Int64), ("region", pl.String), ("transmitter", pl.String)
    parts = [pl.DataFrame(schema=dict(columns) | dict.fromkeys(("value", "low", "high"), pl.Float64))]
    for transmitter in transmitters:
        for region in MAPPED_REGIONS:
            try:
                daily = daily_means(region_level(chemistry, transmitter, region))
            except NotFoundError:
                continue
            parts.append(daily_rows(daily, {"region": region.value, "transmitter": transmitter.value}))
    return _null(pl.concat(parts)).rename({"value": "level"})


def symptom_frame(depression: Floats | None, occupancies: Occupancy, psychosis: bool, response: bool) -> pl.DataFrame:
    """Return ``day, outcome, value, low, high`` of what is linked to symptoms; empty where nothing is."""
    parts = []
    if depression is not None:
        parts.append(daily_rows(daily_means(depression) * AVERAGE_DRUG_PLACEBO_DIFFERENCE, {"outcome": "depression"}))
    if psychosis:
        outcomes = d2_outcomes(daily_means(occupancies.occupied["D2"]), daily_means(occupancies.activated["D2"]))
        parts.extend(
            daily_rows(curve, {"outcome": name}) for name, curve in outcomes.items() if name != "response" or response
        )
    schema = {"day": pl.Int64, "outcome": pl.String} | dict.fromkeys(("value", "low", "high"), pl.Float64)
    return _null(pl.concat(parts)) if parts else pl.DataFrame(schema=schema)


def symptom_note(drug: str) -> str:
    """Return what the symptom effect of a drug is worth, or why it is not given."""
    domain = symptom_domain(drug)
    if domain == "depression":
        return "An average over trial patients, calibrated to published onset and size; not a forecast for one person."
    if domain == "psychosis":
        note = "Occupancy thresholds of group studies; at a given occupancy single patients differ widely."
        if drug in RESPONSE_BELOW_THRESHOLD:
            return f"{note} Response is not given: this drug works below the threshold of the others."
        return note
    return "Not given: no published link from this drug's targets to symptoms that a simulation could carry."


def _null(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.with_columns(pl.col("low", "high").fill_nan(None))


def simulate(
    drug: str,
    dose_mg: float | None = None,
    interval_hours: float = 24.0,
    weeks: int = 12,
    phenotypes: Mapping[str, str | float] | None = None,
    inhibitors: Mapping[str, str | float] | None = None,
    schedule: Schedule | None = None,
    creatinine_clearance: float = REFERENCE_CREATININE_CLEARANCE,
    clearance_factor: float = 1.0,
    ensemble: int = 0,
    seed: int = 0,
) -> Simulation:
    """Return what a regimen does over weeks.

    Parameters
    ----------
    drug
        One of ``drug_names()``.
    dose_mg, interval_hours
        The same oral dose throughout; give ``schedule`` instead for titration or missed doses.
    weeks
        Length of the course, 1 to 104.
    phenotypes
        Enzyme to CPIC term (``{"CYP2C19": "Poor Metabolizer"}``) or activity score (2 = two normal alleles).
    inhibitors
        Enzyme to ``"strong"``, ``"moderate"``, ``"weak"`` or the share of activity left.
    creatinine_clearance
        mL/min; matters for what the kidney clears.
    clearance_factor
        The person's clearance by all routes over the typical one, as age and liver leave it.
    ensemble
        0 for one typical run, else how many members (parameter set and patient) the band is drawn from.
    seed
        Of the ensemble.

    Raises
    ------
    NotFoundError
        The drug is not in the tables.
    ValidationError
        A dose, interval, length, phenotype or size out of range.
    """
    parameters = kinetics(drug)
    if not is_whole(weeks, 1, MAXIMUM_WEEKS):
        raise ValidationError(f"weeks must be a whole number from 1 to {MAXIMUM_WEEKS}")
    hours = weeks * 7 * int(HOURS_PER_DAY)
    if (dose_mg is None) == (schedule is None):
        raise ValidationError("give either dose_mg or schedule")
    if schedule is None:
        schedule = Schedule.regular(dose_mg or 0.0, interval_hours, hours)
    if schedule.amounts_mg.ndim != 1:
        raise ValidationError("simulate takes the schedule of one patient: one amount per dose time")
    if not is_number(clearance_factor, *CLEARANCE_FACTORS):
        low, high = CLEARANCE_FACTORS
        raise ValidationError(f"clearance_factor must lie between {low:g} and {high:g}")
    activity = enzyme_activity(phenotypes, inhibitors)
    sets, clearance = members(ensemble, seed, parameters.clearance_cv)
    patients = Physiology.typical(activity, clearance * clearance_factor, creatinine_clearance)
    course = run({parameters.name: schedule}, hours, patients, sets)
    return Simulation(parameters.name, schedule, weeks, dict(phenotypes or {}), ensemble, seed, course)


def members(size: int, seed: int, clearance_cv: float) -> tuple[Parameters, Floats]:
    """Return parameter sets and clearance factors (log-normal) of the ensemble; the typical ones for size 0.

    Raises
    ------
    ValidationError
        A size of 1 or beyond ``MAXIMUM_ENSEMBLE``, or a seed that is no whole number.
    """
    if not is_whole(size, 0, MAXIMUM_ENSEMBLE) or size == 1:
        raise ValidationError(f"ensemble must be 0 or a whole number from 2 to {MAXIMUM_ENSEMBLE}")
    if not is_whole(seed, 0, 2**63):
        raise ValidationError("seed must be a whole number of at least 0")
    if size == 0:
        return typical(), np.ones(1)
    rng = np.random.default_rng(seed)
    shipped = ensemble()
    rows = rng.permutation(np.resize(np.arange(shipped.count), max(size, shipped.count)))[:size]
    sd = math.sqrt(math.log1p(clearance_cv**2))
    return shipped.take(rows), np.exp(sd * rng.standard_normal(size))
