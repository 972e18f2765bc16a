"""A whole regimen simulated: levels of each drug, what all hold together, transmitters, effects, cautions by day."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from novamind.drugs.cautions import cautions, not_checked, without_size
from novamind.drugs.depots import depot
from novamind.drugs.domain import Caution, Severity
from novamind.drugs.kinetics import drug_names
from novamind.drugs.limits import Dosage, PatientFacts, dose_cautions
from novamind.errors import NotFoundError, ValidationError
from novamind.neurochemistry.alarms import LevelAlarm, level_alarms
from novamind.neurochemistry.comedication import Levels, levels_together
from novamind.neurochemistry.domain import Floats, is_number, is_whole
from novamind.neurochemistry.dynamics import Chemistry, Parameters, simulate_chemistry
from novamind.neurochemistry.occupancy import Occupancy, bindings, occupancy
from novamind.neurochemistry.pharmacokinetics import (
    REFERENCE_CREATININE_CLEARANCE,
    Physiology,
    enzyme_activity,
    kinetics,
)
from novamind.neurochemistry.regimen import HOURS_PER_DAY, SMOKING, Intake, RegimenStep, intakes, read_regimen
from novamind.neurochemistry.simulation import (
    CLEARANCE_FACTORS,
    MAXIMUM_WEEKS,
    STEP_HOURS,
    daily_means,
    daily_rows,
    members,
    symptom_frame,
    symptom_note,
    transmitter_frame,
)
from novamind.neurochemistry.symptom_effect import RESPONSE_BELOW_THRESHOLD, depression_effect, symptom_domain
from novamind.summary import Summarised, Summary, counted

if TYPE_CHECKING:
    import altair as alt

_ORDER = tuple(Severity)
_UNKNOWN_PERSON = PatientFacts()
#: Most drugs with kinetics in one regimen.
MOST_DRUGS = 15
#: Longest effect of a stopped drug that is looked for, in days.
_LONGEST_WASHOUT = 200


@dataclass(frozen=True, slots=True)
class Overlap:
    """Days on which two drugs meet, with every reason for care.

    ``after_stopping`` where the first is no longer taken and still acts. Days count from 1.
    """

    a: str
    b: str
    first_day: int
    last_day: int
    after_stopping: bool
    cautions: tuple[Caution, ...]

    @property
    def severity(self) -> Severity:
        """The worst of the cautions."""
        return self.cautions[0].severity

    @property
    def sentence(self) -> str:
        """The days, the drugs and the first reason in words."""
        how = f"{self.b} after {self.a} was stopped" if self.after_stopping else f"{self.a} with {self.b}"
        days = f"Day {self.first_day}" if self.first_day == self.last_day else f"Days {self.first_day}-{self.last_day}"
        return f"{days}, {how}: {self.cautions[0].text}"


@dataclass(frozen=True, slots=True)
class DoseCaution:
    """A step whose dose is above a limit, or could be."""

    step: RegimenStep
    caution: Caution


@dataclass(frozen=True, repr=False)
class RegimenSimulation(Summarised):
    """What a whole regimen does. Frames are by day and Polars; ``low`` and ``high`` are the 90 % band.

    Attributes
    ----------
    steps
        The regimen with generic names, days from its zero.
    levels
        Drug to compound to hourly levels, ``(members, hours)``.
    shares
        Drug to enzyme to the activity that the other drugs leave or make of it, by day.
    overlaps
        Which days two drugs meet that have a caution, the most serious first.
    dose_cautions
        Steps above a dose limit, or that would be if a missing fact were so.
    alarms
        Levels above their reference range.
    notes
        What the simulation leaves out, a sentence each.
    seed, ensemble_size, model_version
        What the figures came from; the same seed gives the same figures.
    """

    steps: tuple[RegimenStep, ...]
    weeks: int
    phenotypes: Mapping[str, str | float]
    ensemble_size: int
    seed: int
    levels: Mapping[str, Levels] = field(repr=False)
    shares: Mapping[str, Mapping[str, Floats]] = field(repr=False)
    together: Occupancy = field(repr=False)
    chemistry: Chemistry = field(repr=False)
    depression: Floats | None = field(repr=False)
    overlaps: tuple[Overlap, ...]
    dose_cautions: tuple[DoseCaution, ...]
    alarms: tuple[LevelAlarm, ...]
    notes: tuple[str, ...]
    model_version: str = "neurochemistry-1"

    @property
    def drugs(self) -> tuple[str, ...]:
        """The drugs of the regimen, the first one first."""
        return tuple(dict.fromkeys(step.drug for step in self.steps))

    @cached_property
    def concentration(self) -> pl.DataFrame:
        """``day, drug, compound, value, low, high, unit``: daily means in plasma."""
        parts = [
            daily_rows(daily_means(level), {"drug": drug, "compound": compound}).with_columns(
                pl.lit(kinetics(drug).concentration_unit).alias("unit")
            )
            for drug, levels in self.levels.items()
            for compound, level in levels.items()
        ]
        return _joined(parts, ("drug", "compound"), ("unit",))

    @cached_property
    def occupancy(self) -> pl.DataFrame:
        """``day, drug, target, value, low, high``: daily means held by ``all``, and by each drug if it were alone.

        Drugs compete: together they hold less than the sum of what each holds alone.
        """
        shares_of_targets = {"all": self.together} | {
            drug: occupancy({drug: levels}, STEP_HOURS) for drug, levels in self.levels.items() if bindings(drug)
        }
        parts = [
            daily_rows(
                daily_means(np.broadcast_to(share, (share.shape[0], share.shape[-1]))), {"drug": drug, "target": target}
            )
            for drug, of in shares_of_targets.items()
            for target, share in of.occupied.items()
        ]
        return _joined(parts, ("drug", "target"))

    @cached_property
    def transmitters(self) -> pl.DataFrame:
        """``day, region, transmitter, level, low, high``: daily means relative to baseline (1), by region."""
        modelled = self.chemistry.levels if any(bindings(drug) for drug in self.levels) else ()
        return transmitter_frame(self.chemistry, modelled)

    @cached_property
    def symptom_effect(self) -> pl.DataFrame:
        """``day, outcome, value, low, high``, as of one drug; of all together. Empty where nothing is given."""
        drugs = [drug for drug in self.levels if symptom_domain(drug) == "psychosis"]
        response = not RESPONSE_BELOW_THRESHOLD.intersection(drugs)
        return symptom_frame(self.depression, self.together, bool(drugs), response)

    @property
    def symptom_note(self) -> str:
        """What the symptom effect is worth, by drug."""
        return " ".join(f"{drug.capitalize()}: {symptom_note(drug)}" for drug in self.levels)

    def plot(self) -> "alt.VConcatChart":
        """Draw doses, levels of each drug and what all hold together below one another, days of cautions shaded."""
        from novamind.neurochemistry.plots import plot_regimen

        return plot_regimen(self)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON: inputs, cautions and daily figures."""
        from novamind.neurochemistry.codec import RegimenCourseBody

        return RegimenCourseBody.of(self).model_dump(mode="json")

    def _summary(self) -> Summary:
        last = self.concentration.filter(pl.col("day") == pl.col("day").max())
        rows: list[tuple[object, ...]] = [
            (f"{row['compound']} ({row['unit']})", row["value"], row["low"], row["high"])
            for row in last.iter_rows(named=True)
        ]
        severe = sum(of.severity in (Severity.CONTRAINDICATED, Severity.MAJOR) for of in self.overlaps)
        text = (
            f"{counted(len(self.steps), 'step')} of {counted(len(self.drugs), 'drug')}, {counted(self.weeks, 'week')};"
            f" {counted(severe, 'severe overlap')}, {counted(len(self.alarms), 'alarm')}"
        )
        return Summary(text, ("on the last day", "value", "low", "high"), rows)


def simulate_regimen(
    regimen: Iterable[RegimenStep | Sequence[Any] | Mapping[str, Any]],
    *,
    weeks: int = 12,
    phenotypes: Mapping[str, str | float] | None = None,
    inhibitors: Mapping[str, str | float] | None = None,
    creatinine_clearance: float = REFERENCE_CREATININE_CLEARANCE,
    clearance_factor: float | Mapping[str, float] = 1.0,
    person: PatientFacts = _UNKNOWN_PERSON,
    conditions: Iterable[str] = (),
    ensemble: int = 0,
    seed: int = 0,
) -> RegimenSimulation:
    """Return what several drugs do over weeks, as they act on each other's clearance and targets.

    Parameters
    ----------
    regimen
        Steps, each ``(drug, dose_mg, interval_hours, start, stop, form)``; see :class:`RegimenStep`.
    weeks
        Length of the course from the regimen's zero, 1 to 104.
    phenotypes, inhibitors, creatinine_clearance, ensemble, seed
        As of one drug. What the drugs of the regimen do to enzymes is not given as ``inhibitors``.
    clearance_factor
        The person's clearance over the typical one, of all drugs or by drug.
    person, conditions
        What dose limits ask.

    Raises
    ------
    NotFoundError
        A drug or depot is not in the tables.
    ValidationError
        A dose, time, phenotype or size out of range.
    """
    steps = read_regimen(regimen)
    if not is_whole(weeks, 1, MAXIMUM_WEEKS):
        raise ValidationError(f"weeks must be a whole number from 1 to {MAXIMUM_WEEKS}")
    days = weeks * 7
    taken = intakes(steps, days)
    simulated = [drug for drug in taken if drug in drug_names()]
    if not simulated:
        raise NotFoundError("no drug of the regimen has kinetics in our tables, so nothing can be simulated")
    if len(simulated) > MOST_DRUGS:
        raise ValidationError(f"a regimen takes up to {MOST_DRUGS} drugs with kinetics; leave out what does not matter")
    for drug in simulated:
        taken[drug].oral.check(kinetics(drug))
    parameters, patients = _members(
        simulated, ensemble, seed, enzyme_activity(phenotypes, inhibitors), creatinine_clearance, clearance_factor
    )
    times = np.arange(0.0, days * HOURS_PER_DAY, STEP_HOURS)
    levels, shares = levels_together(taken, times, patients)
    together = occupancy(levels, STEP_HOURS)
    occupied = {"SERT": np.zeros((1, times.size))} | dict(together.occupied)
    chemistry = simulate_chemistry(occupied, together.activated, parameters, STEP_HOURS)
    depression = None
    if any(symptom_domain(drug) == "depression" for drug in simulated):
        depression = depression_effect(chemistry, parameters, STEP_HOURS)
    if person.creatinine_clearance is None and creatinine_clearance != REFERENCE_CREATININE_CLEARANCE:
        person = replace(person, creatinine_clearance=creatinine_clearance)
    return RegimenSimulation(
        steps,
        weeks,
        dict(phenotypes or {}),
        ensemble,
        seed,
        levels,
        shares,
        together,
        chemistry,
        depression,
        _overlaps(taken),
        tuple(_doses(steps, taken, person, phenotypes or {}, tuple(conditions))),
        tuple(alarm for drug in simulated for alarm in level_alarms(drug, levels[drug])),
        tuple(_notes(steps, taken, days)),
    )


def _members(
    drugs: Sequence[str],
    ensemble: int,
    seed: int,
    activity: Mapping[str, float],
    creatinine_clearance: float,
    clearance_factor: float | Mapping[str, float],
) -> tuple[Parameters, dict[str, Physiology]]:
    """Return parameter sets and by drug the patients; a patient's clearances of two drugs are drawn independently."""
    by_drug = clearance_factor if isinstance(clearance_factor, Mapping) else dict.fromkeys(drugs, clearance_factor)
    low, high = CLEARANCE_FACTORS
    if not all(is_number(factor, low, high) for factor in by_drug.values()):
        raise ValidationError(f"clearance_factor must lie between {low:g} and {high:g}")
    first = kinetics(drugs[0]).clearance_cv if drugs else 0.0
    parameters, own = members(ensemble, seed, first)
    more = np.random.default_rng((seed, 1))
    patients = {}
    for place, drug in enumerate(drugs):
        if place and ensemble:
            sd = math.sqrt(math.log1p(kinetics(drug).clearance_cv ** 2))
            own = np.exp(sd * more.standard_normal(ensemble))
        patients[drug] = Physiology.typical(activity, own * by_drug.get(drug, 1.0), creatinine_clearance)
    return parameters, patients


def _overlaps(taken: Mapping[str, Intake]) -> tuple[Overlap, ...]:
    """Return on which days two drugs meet that have a caution, the most serious first."""
    drugs = [drug for drug, intake in taken.items() if intake.taken.any()]
    overlaps = []
    for a in drugs:
        for b in drugs:
            if a == b:
                continue
            reasons = tuple(c for c in cautions(b, (a,)) if c.cause == a)
            both = np.flatnonzero((taken[a].taken > 0) & (taken[b].taken > 0)) if reasons else np.zeros(0, dtype=int)
            if both.size and drugs.index(a) < drugs.index(b):
                overlaps += [Overlap(a, b, first + 1, last + 1, False, reasons) for first, last in _runs(both)]
            if reasons:
                overlaps += _after_stopping(a, b, taken)
    return tuple(sorted(overlaps, key=lambda of: (_ORDER.index(of.severity), of.first_day, of.a, of.b)))


def _after_stopping(a: str, b: str, taken: Mapping[str, Intake]) -> list[Overlap]:
    """Return the days on which ``b`` is taken while the stopped ``a`` still acts, each break of ``a`` by itself."""
    own, other = taken[a].taken > 0, taken[b].taken > 0
    overlaps = []
    for _, last in _runs(np.flatnonzero(own)):
        days, first_reasons = [], None
        for day in range(last + 1, min(own.size, last + _LONGEST_WASHOUT)):
            if own[day]:
                break
            if not other[day]:
                continue
            reasons = cautions(b, (), stopped={a: day - last})
            if not reasons:
                break
            days.append(day)
            first_reasons = first_reasons or reasons
        if days and first_reasons:
            overlaps.append(Overlap(a, b, days[0] + 1, days[-1] + 1, True, first_reasons))
    return overlaps


def _runs(days: np.ndarray[Any, np.dtype[np.int64]]) -> list[tuple[int, int]]:
    """Return first and last of each run of consecutive days."""
    breaks = np.flatnonzero(np.diff(days) > 1)
    return list(zip(days[np.r_[0, breaks + 1]].tolist(), days[np.r_[breaks, -1]].tolist(), strict=True))


def _doses(
    steps: Sequence[RegimenStep],
    taken: Mapping[str, Intake],
    person: PatientFacts,
    phenotypes: Mapping[str, str | float],
    conditions: Sequence[str],
) -> Iterable[DoseCaution]:
    """Yield what the dose limits say of each step, beside the drugs that are taken on its days."""
    words = {
        gene: (state.lower().removeprefix("likely ").removesuffix("metabolizer").strip(),)
        for gene, state in phenotypes.items()
        if isinstance(state, str)
    }
    for step in steps:
        if not step.dose_mg:
            continue
        days = slice(math.floor(step.start_day), None if step.stop is None else math.ceil(step.stop_day))
        beside = [drug for drug, intake in taken.items() if drug != step.drug and intake.taken[days].any()]
        same = [
            other
            for other in steps
            if other.drug == step.drug and other.form == step.form and other.dose_mg and _meet(step, other)
        ]
        if step.is_depot:
            dosage = Dosage(depot(step.drug, step.form).labelled_mg(step.dose_mg), step.interval_hours, "depot")
        elif len(same) > 1:
            dosage = Dosage(sum(of.dose_mg * 24 / of.interval_hours for of in same if of.dose_mg), 24.0)
        else:
            dosage = Dosage(step.dose_mg, step.interval_hours)
        for caution in dose_cautions(step.drug, dosage, person, words, beside, conditions):
            yield DoseCaution(step, caution)


def _meet(a: RegimenStep, b: RegimenStep) -> bool:
    return a.start_day < b.stop_day and b.start_day < a.stop_day


def _notes(steps: Sequence[RegimenStep], taken: Mapping[str, Intake], days: int) -> Iterable[str]:
    for drug in taken:
        if drug != SMOKING and drug not in drug_names():
            yield f"{drug.capitalize()} has no kinetics in our tables: it counts for enzymes and cautions only."
    for drug in taken:
        if drug in drug_names() and taken[drug].taken.any():
            parameters = kinetics(drug)
            counted_routes = {*parameters.fraction_by, *parameters.metabolite_fraction_by}
            unsized = without_size(drug, [other for other in taken if taken[other].taken.any()], (), counted_routes)
            if unsized:
                yield f"What {' and '.join(unsized)} can do to the level of {drug} is not simulated: no size is tabled."
    yield from not_checked(drug for drug in taken if drug != SMOKING)
    for step in steps:
        if not step.is_depot or not step.dose_mg:
            continue
        of = depot(step.drug, step.form)
        if step.dose_mg in of.salt_strengths:
            yield (
                f"{step.dose_mg:g} mg counts as {of.product} of the US label, {of.base_mg(step.dose_mg):.3g} mg of"
                f" {step.drug}."
            )
        first = not any(s.is_depot and s.drug == step.drug and s.start_day < step.start_day for s in steps)
        until = min(step.start_day + of.oral_overlap_days, days)
        by_mouth = [s for s in steps if s.drug == step.drug and not s.is_depot and s.dose_mg]
        overlapping = any(s.start_day <= step.start_day + 1 and s.stop_day >= until for s in by_mouth)
        if of.oral_overlap_days and first and not overlapping:
            yield (
                f"{of.product.capitalize()}: {step.drug} is still taken by mouth for {of.oral_overlap_days} days"
                " after the first injection; the regimen does not do so."
            )


def _joined(parts: Sequence[pl.DataFrame], labels: Sequence[str], more: Sequence[str] = ()) -> pl.DataFrame:
    if parts:
        return pl.concat(parts).with_columns(pl.col("low", "high").fill_nan(None))
    text = dict.fromkeys(labels, pl.String)
    figures = dict.fromkeys(("value", "low", "high"), pl.Float64)
    return pl.DataFrame(schema={"day": pl.Int64} | text | figures | dict.fromkeys(more, pl.String))
