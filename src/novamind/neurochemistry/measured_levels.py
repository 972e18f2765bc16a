"""What measured plasma levels say of one person's clearance, and the dose that reaches a range.

The prior is the typical person of this genotype, co-medication, smoking, age and kidney, with the tabled variation
between patients (log-normal). The unknowns are the clearance of the drug and, where the metabolite is measured, that
of the metabolite, so the posterior is computed on a grid, without approximation: each grid point is one patient of
the closed-form kinetics, and its weight the likelihood of the levels with a log-normal residual. Reference: Sheiner
and Beal 1982, J Pharm Sci 71:1344 (Bayesian individualisation).
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import date, datetime
from typing import Any

import numpy as np
import polars as pl

from novamind.drugs.exposure import therapeutic_ranges
from novamind.drugs.kinetics import drug_names
from novamind.errors import InsufficientDataError, NotFoundError, ValidationError
from novamind.neurochemistry.comedication import Levels, levels_together
from novamind.neurochemistry.domain import Floats, is_number
from novamind.neurochemistry.pharmacokinetics import (
    REFERENCE_CREATININE_CLEARANCE,
    DrugKinetics,
    Physiology,
    enzyme_activity,
    kinetics,
    steady_state_average,
)
from novamind.neurochemistry.regimen import HOURS_PER_DAY, Intake, RegimenStep, intakes, read_regimen, regimen_zero
from novamind.neurochemistry.simulation import CLEARANCE_FACTORS
from novamind.summary import Summarised, Summary, counted

#: Standard deviation of the log of a level around this person's mean: assay, time of the sample, doses not taken.
RESIDUAL_LOG_SD = 0.25
#: Points of the grid over the clearance alone, and over clearance and metabolite.
_POINTS, _POINTS_OF_TWO = 161, (61, 31)
_REACH = 5.0
#: Variation of the metabolite's own clearance between people.
_METABOLITE_CV = 0.3
_ENDS = (0.05, 0.95)
_BISECTIONS = 30
#: A level this many standard deviations from what was expected is named: time, dose or name may be wrong.
_SURPRISING = 2.58
#: Days after the last start that a prediction covers.
_LATER_DAYS = 28
_DOSE_STEPS = 241
#: Doses within this of the highest probability are as good; the middle one is advised.
_AS_GOOD = 0.005
_DOSE_RANGE = (0.1, 6.0)
#: mg/L and mmol/L in one of each unit.
_MASS_UNITS = {
    "ng/ml": 1e-3,
    "µg/l": 1e-3,
    "μg/l": 1e-3,
    "ug/l": 1e-3,
    "mg/l": 1.0,
    "µg/ml": 1.0,
    "μg/ml": 1.0,
    "ug/ml": 1.0,
}
_MOLAR_UNITS = {"nmol/l": 1e-6, "µmol/l": 1e-3, "μmol/l": 1e-3, "umol/l": 1e-3, "mmol/l": 1.0, "meq/l": 1.0}


@dataclass(frozen=True, slots=True)
class MeasuredLevel:
    """One measured plasma level.

    Parameters
    ----------
    drug
        Generic or brand name.
    value
        In ``unit``.
    day
        Day of the regimen (from 0) on which the sample was taken; a date where the regimen has dates.
    hours_since_dose
        Since the last dose before it (of a depot: since the injection); just before the next dose it is a trough.
    analyte
        ``"parent"``, ``"metabolite"`` or ``"sum"``; empty for what the drug's reference range is about.
    unit
        Empty for the unit of the drug's range.
    """

    drug: str
    value: float
    day: float | date
    hours_since_dose: float = 24.0
    analyte: str = ""
    unit: str = ""


@dataclass(frozen=True, slots=True)
class Sample:
    """A measured level in the drug's own unit, hours since the regimen's zero."""

    hours: float
    value: float
    analyte: str


@dataclass(frozen=True, slots=True)
class Interval:
    """A figure with its 90 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class DoseAdvice:
    """The dose that is most likely to bring the mean level at steady state into a range.

    ``reaches`` tells whether ``probability`` is at least the wanted one; ``level`` is the level at that dose.
    """

    drug: str
    dose_mg: float
    interval_hours: float
    low: float
    high: float
    unit: str
    probability: float
    wanted: float
    level: Interval

    @property
    def reaches(self) -> bool:
        """Whether the probability is as high as wanted."""
        return self.probability >= self.wanted

    @property
    def sentence(self) -> str:
        """The same in words."""
        reached = "" if self.reaches else f", less than the {self.wanted:.0%} that were asked for"
        return (
            f"{self.dose_mg:.3g} mg of {self.drug} every {self.interval_hours:g} h has the highest probability of a"
            f" level from {self.low:g} to {self.high:g} {self.unit}: {self.probability:.0%}{reached}."
        )


@dataclass(frozen=True, repr=False)
class LevelUpdate(Summarised):
    """One person's clearance after measured levels.

    Attributes
    ----------
    drug, analyte, unit
        What was measured, and what predictions are about.
    clearance_factor
        This person's clearance over that of the typical person of the same genotype, co-medication and kidney.
    clearance
        Oral clearance in L/h.
    predicted
        For each measured level what the model says before and after it, with the residual.
    notes
        What does not fit, and what was left out.
    """

    drug: str
    analyte: str
    unit: str
    clearance_factor: Interval
    clearance: Interval
    predicted: pl.DataFrame
    steps: tuple[RegimenStep, ...]
    notes: tuple[str, ...]
    residual_log_sd: float
    grid: Physiology = field(repr=False)
    weights: Floats = field(repr=False)
    prior: Floats = field(repr=False)
    others: Mapping[str, Physiology] = field(repr=False)

    def predict(
        self, regimen: Iterable[Any] | None = None, *, days: int | None = None, times_hours: Floats | None = None
    ) -> pl.DataFrame:
        """Return ``time_hours, value, low, high``: the level under a regimen, with the 90 % interval of a new sample.

        Parameters
        ----------
        regimen
            Steps; the regimen of the measurements when left out.
        days
            Length; four weeks after the last start when left out.
        times_hours
            When the level is wanted, hours since zero; every hour when left out.
        """
        steps = self.steps if regimen is None else read_regimen(regimen)
        if days is None:
            days = int(max(step.start_day for step in steps)) + _LATER_DAYS
        times = np.arange(0.0, days * HOURS_PER_DAY) if times_hours is None else np.asarray(times_hours, dtype=float)
        taken = intakes(steps, days)
        if self.drug not in taken:
            raise ValidationError(f"the regimen does not have {self.drug}, whose levels were measured")
        level = _analyte(_grid_levels(self.drug, taken, times, self.grid, self.others), self.drug, self.analyte)
        spans = sample_intervals(level, self.weights, self.residual_log_sd)
        return pl.DataFrame(
            {
                "time_hours": times,
                "value": [span.value for span in spans],
                "low": [span.low for span in spans],
                "high": [span.high for span in spans],
            }
        )

    def dose_for(
        self,
        low: float | None = None,
        high: float | None = None,
        *,
        interval_hours: float | None = None,
        probability: float = 0.5,
    ) -> DoseAdvice:
        """Return the dose that is most likely to bring the mean level into a range at steady state.

        Parameters
        ----------
        low, high
            The range in :attr:`unit`; the reference range where left out.
        interval_hours
            Between doses; as in the regimen where left out.
        probability
            What is wanted; the advice says whether it is reached.

        Raises
        ------
        ValidationError
            No range, or figures out of range.
        """
        usual = therapeutic_ranges().get(self.drug)
        if low is None and high is None and usual is not None and _basis(self.drug) == self.analyte:
            low, high = usual.low, usual.high
        if low is None or high is None or not (is_number(low, 0) and is_number(high, 0) and low < high):
            raise ValidationError("give low and high of the range, low below high, in the unit of the levels")
        if not is_number(probability, 0, 1):
            raise ValidationError("probability must lie between 0 and 1")
        last = [step for step in self.steps if step.drug == self.drug][-1]
        every = last.interval_hours if interval_hours is None else interval_hours
        if not is_number(every, 1, 24 * 14):
            raise ValidationError("interval_hours must lie between 1 hour and 14 days")
        parameters = kinetics(self.drug)
        usual_each = parameters.usual_dose * every / 24.0
        doses = usual_each * np.linspace(*_DOSE_RANGE, _DOSE_STEPS)
        levels = self._steady(doses, every)
        inside = self.weights @ ((levels >= low) & (levels <= high))
        best = int(np.median(np.flatnonzero(inside >= inside.max() - _AS_GOOD)))
        return DoseAdvice(
            self.drug,
            float(f"{doses[best]:.3g}"),
            every,
            low,
            high,
            self.unit,
            float(inside[best]),
            probability,
            weighted_interval(levels[:, best], self.weights, 0.0),
        )

    def _steady(self, doses: Floats, interval_hours: float) -> Floats:
        """Return the mean level at steady state, ``(grid, doses)``, beside the other drugs as they are at the end."""
        days = int(max(step.start_day for step in self.steps)) + _LATER_DAYS
        taken = intakes(self.steps, days)
        shares = levels_together(taken, np.zeros(1), _patients(self.drug, taken, self.grid, self.others))[1][self.drug]
        patients = self.grid.beside({route: share[:, -1] for route, share in shares.items()})
        parameters = kinetics(self.drug)
        levels = [
            _analyte(steady_state_average(parameters, float(dose), interval_hours, patients), self.drug, self.analyte)
            for dose in doses
        ]
        return np.stack(levels, axis=1)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        from novamind.neurochemistry.codec import LevelUpdateBody

        return LevelUpdateBody.of(self).model_dump(mode="json")

    def _summary(self) -> Summary:
        rows: list[tuple[object, ...]] = [
            (f"day {row['time_hours'] / 24:.1f}", row["measured"], row["before"], row["after"])
            for row in self.predicted.iter_rows(named=True)
        ]
        factor = self.clearance_factor
        text = (
            f"{self.drug} ({self.analyte}, {self.unit}), {counted(len(rows), 'level')}: clearance {factor.value:.2f}"
            f" ({factor.low:.2f}-{factor.high:.2f}) times the typical"
        )
        return Summary(text, ("sample", "measured", "expected before", "expected after"), rows)


def update(
    levels: Iterable[MeasuredLevel | Sequence[Any] | Mapping[str, Any]],
    regimen: Iterable[Any],
    *,
    phenotypes: Mapping[str, str | float] | None = None,
    inhibitors: Mapping[str, str | float] | None = None,
    creatinine_clearance: float = REFERENCE_CREATININE_CLEARANCE,
    clearance_factor: float = 1.0,
    clearance_cv: float | None = None,
    residual_log_sd: float = RESIDUAL_LOG_SD,
) -> LevelUpdate:
    """Return what measured levels of one drug say of a person's clearance.

    Parameters
    ----------
    levels
        :class:`MeasuredLevel`, tuples in its order, or mappings with its names; all of one drug and one analyte.
    regimen
        What was taken until then, as of :func:`novamind.neurochemistry.simulate`: co-medication and smoking count.
    phenotypes, inhibitors, creatinine_clearance
        What moves the prior.
    clearance_factor
        The prior's median over the typical clearance, as age and liver leave it.
    clearance_cv
        Variation between people, in place of the tabled one.
    residual_log_sd
        Standard deviation of the log of a level around the person's own mean.

    Raises
    ------
    InsufficientDataError
        No level.
    NotFoundError
        The drug has no kinetics in the tables.
    ValidationError
        A level, time, analyte or unit that cannot be, or levels of several drugs.
    """
    regimen = list(regimen)
    steps, zero = read_regimen(regimen), regimen_zero(regimen)
    measured = [_measured(entry) for entry in levels]
    if not measured:
        raise InsufficientDataError("give at least one measured level")
    named = {read_regimen([(level.drug, 0.0)])[0].drug for level in measured}
    if len(named) > 1:
        raise ValidationError("levels of several drugs are updated one drug at a time")
    drug = named.pop()
    if drug not in drug_names():
        raise NotFoundError(f"no kinetics for this drug; choose one of {', '.join(drug_names())}")
    if not any(step.drug == drug and step.dose_mg for step in steps):
        raise ValidationError(f"the regimen has no dose of {drug}, whose level was measured")
    if not is_number(residual_log_sd, 0.01, 2):
        raise ValidationError("residual_log_sd must lie between 0.01 and 2")
    parameters = kinetics(drug)
    days = math.ceil(max(_level_day(level, zero) for level in measured)) + 2
    taken = intakes([step for step in steps if step.start_day < days], days)
    samples = sorted((_sample(level, parameters, taken[drug], zero) for level in measured), key=lambda s: s.hours)
    analytes = {sample.analyte for sample in samples}
    activity = enzyme_activity(phenotypes, inhibitors)
    cv = parameters.clearance_cv if clearance_cv is None else clearance_cv
    low, high = CLEARANCE_FACTORS
    if not is_number(cv, 0.01, 3) or not is_number(clearance_factor, low, high):
        raise ValidationError(f"clearance_cv lies between 0.01 and 3, clearance_factor between {low:g} and {high:g}")
    grid, prior = _grid(analytes, cv, activity, creatinine_clearance, clearance_factor)
    others = {name: Physiology.typical(activity, None, creatinine_clearance) for name in taken if name != drug}
    times = np.array(sorted({sample.hours for sample in samples}))
    all_levels = _grid_levels(drug, taken, times, grid, others)
    logs = np.stack(
        [
            np.log(np.maximum(_analyte(all_levels, drug, s.analyte)[:, np.searchsorted(times, s.hours)], 1e-12))
            for s in samples
        ],
        axis=1,
    )
    errors = (np.log([sample.value for sample in samples]) - logs) / residual_log_sd
    weights = _normalised(np.log(prior) - 0.5 * (errors**2).sum(axis=1))
    analyte = _basis(drug) if _basis(drug) in analytes else samples[-1].analyte
    factor = weighted_interval(grid.clearance_factor, weights, 0.0)
    typical = _typical_clearance(parameters, activity, creatinine_clearance)
    return LevelUpdate(
        drug,
        analyte,
        parameters.concentration_unit,
        Interval(*(part / clearance_factor for part in (factor.value, factor.low, factor.high))),
        Interval(*(typical * part for part in (factor.value, factor.low, factor.high))),
        _predicted(samples, logs, prior, weights, residual_log_sd),
        steps,
        tuple(_notes(samples, logs, prior, residual_log_sd)),
        residual_log_sd,
        grid,
        weights,
        prior,
        others,
    )


def weighted_interval(values: Floats, weights: Floats, residual_log_sd: float) -> Interval:
    """Return the median of weighted values with the 90 % interval, of a new sample where there is a residual."""
    if residual_log_sd:
        return sample_intervals(values[:, None], weights, residual_log_sd)[0]
    order = np.argsort(values)
    cumulative = np.cumsum(weights[order]) - 0.5 * weights[order]
    return Interval(*(float(of) for of in np.interp((0.5, *_ENDS), cumulative, values[order])))


def sample_intervals(levels: Floats, weights: Floats, residual_log_sd: float) -> list[Interval]:
    """Return median and 90 % interval of a new sample at each time; levels ``(grid, times)``.

    The distribution is a mixture of log-normal ones, one for each grid point; its quantiles are found by bisection.
    """
    from scipy.special import ndtr  # scipy takes long to import

    counts = weights > weights.max() * 1e-6
    logs, share = np.log(np.maximum(levels[counts], 1e-12)), weights[counts] / weights[counts].sum()
    quantiles = []
    for probability in (0.5, *_ENDS):
        low, high = logs.min(axis=0) - 4.0 * residual_log_sd, logs.max(axis=0) + 4.0 * residual_log_sd
        for _ in range(_BISECTIONS):
            middle = 0.5 * (low + high)
            below = share @ ndtr((middle - logs) / residual_log_sd) < probability
            low, high = np.where(below, middle, low), np.where(below, high, middle)
        quantiles.append(np.exp(0.5 * (low + high)))
    return [Interval(*(float(part[place]) for part in quantiles)) for place in range(levels.shape[1])]


def _normalised(logs: Floats) -> Floats:
    weights = np.exp(logs - logs.max())
    return np.asarray(weights / weights.sum())


def _grid(
    analytes: set[str],
    cv: float,
    activity: Mapping[str, float],
    creatinine_clearance: float,
    clearance_factor: float,
) -> tuple[Physiology, Floats]:
    """Return the grid as patients, and the prior weight of each point."""
    sd, sd_metabolite = (math.sqrt(math.log1p(of**2)) for of in (cv, _METABOLITE_CV))
    one_unknown = analytes == {"parent"}
    points, more = (_POINTS, 1) if one_unknown else _POINTS_OF_TWO
    own = np.linspace(-_REACH, _REACH, points)
    other = np.zeros(1) if one_unknown else np.linspace(-_REACH, _REACH, more)
    first, second = (part.ravel() for part in np.meshgrid(own, other, indexing="ij"))
    patients = Physiology.typical(activity, clearance_factor * np.exp(sd * first), creatinine_clearance)
    patients = replace(patients, metabolite_clearance_factor=np.exp(sd_metabolite * second))
    return patients, _normalised(-0.5 * (first**2 + second**2))


def _patients(
    drug: str, taken: Mapping[str, Intake], grid: Physiology, others: Mapping[str, Physiology]
) -> dict[str, Physiology]:
    """Return by drug the patients: the grid, and for each of its points the typical person of the other drugs."""
    typical = Physiology.typical()
    count = grid.clearance_factor.size
    return {
        name: grid if name == drug else others.get(name, typical).repeated(count)
        for name in taken
        if name in drug_names()
    }


def _grid_levels(
    drug: str, taken: Mapping[str, Intake], times: Floats, grid: Physiology, others: Mapping[str, Physiology]
) -> Levels:
    return levels_together(taken, times, _patients(drug, taken, grid, others))[0][drug]


def _basis(drug: str) -> str:
    """Return what a level of the drug is about where nobody says: its range, else the parent."""
    usual = therapeutic_ranges().get(drug)
    return usual.basis if usual is not None and (usual.basis == "parent" or kinetics(drug).metabolite) else "parent"


def _analyte(levels: Mapping[str, Floats], drug: str, analyte: str) -> Floats:
    if analyte == "sum":
        return np.asarray(sum(levels.values()))
    return levels[drug] if analyte == "parent" else levels[str(kinetics(drug).metabolite)]


def _measured(entry: MeasuredLevel | Sequence[Any] | Mapping[str, Any]) -> MeasuredLevel:
    if isinstance(entry, MeasuredLevel):
        return entry
    names = [of.name for of in fields(MeasuredLevel)]
    if isinstance(entry, Mapping):
        if set(entry) - set(names) or not {"drug", "value", "day"} <= set(entry):
            raise ValidationError(f"a level takes {', '.join(names)}; drug, value and day are required")
        return MeasuredLevel(**entry)
    if isinstance(entry, str) or not isinstance(entry, Sequence) or not 3 <= len(entry) <= len(names):
        raise ValidationError(f"a level takes {', '.join(names)}, in this order")
    return MeasuredLevel(*entry)


def _level_day(level: MeasuredLevel, zero: date | None) -> float:
    day = level.day
    if isinstance(day, date):
        if zero is None:
            raise ValidationError("the day of a level is a date where the starts of the regimen are dates")
        day = float(((day.date() if isinstance(day, datetime) else day) - zero).days)
    elif zero is not None:
        raise ValidationError("the day of a level is a date where the starts of the regimen are dates")
    if not is_number(day, 0, 104 * 7):
        raise ValidationError("the day of a level lies between day 0 and 728 of the regimen")
    return float(day)


def _sample(level: MeasuredLevel, drug: DrugKinetics, intake: Intake, zero: date | None) -> Sample:
    analyte = level.analyte or _basis(drug.name)
    if analyte not in ("parent", "metabolite", "sum"):
        raise ValidationError("the analyte is 'parent', 'metabolite' or 'sum'")
    if analyte != "parent" and drug.metabolite is None:
        raise ValidationError(f"no active metabolite of {drug.name} is in our tables; the analyte is 'parent'")
    if not is_number(level.value) or level.value <= 0:
        raise ValidationError("a measured level must be a number above 0; leave out what was below detection")
    if not is_number(level.hours_since_dose, 0, 24 * 190):
        raise ValidationError("hours_since_dose must lie between 0 and 190 days")
    end = (_level_day(level, zero) + 1) * HOURS_PER_DAY
    doses = intake.oral.times_hours[intake.oral.amounts_mg > 0]
    before = doses[doses + level.hours_since_dose <= end]
    if before.size:
        hours = float(before[-1]) + level.hours_since_dose
    elif intake.released_mg.any():
        hours = end - HOURS_PER_DAY / 2
    else:
        raise ValidationError("no dose was taken as many hours before the sample; check day and hours_since_dose")
    return Sample(hours, _converted(level, drug, analyte), analyte)


def _converted(level: MeasuredLevel, drug: DrugKinetics, analyte: str) -> float:
    """Return the level in the drug's own unit."""
    unit = (level.unit or drug.concentration_unit).strip().lower().replace(" ", "")
    if unit in _MASS_UNITS:
        if drug.concentration_unit == "mmol/L":
            raise ValidationError(f"a level of {drug.name} is in {drug.concentration_unit}")
        return level.value * _MASS_UNITS[unit] * drug.per_litre
    if unit in _MOLAR_UNITS:
        if drug.concentration_unit == "mmol/L":
            return level.value * _MOLAR_UNITS[unit]
        mass = drug.molar_mass if analyte == "parent" else drug.metabolite_molar_mass
        if analyte == "sum" or mass is None:
            raise ValidationError("give the sum, or a metabolite without a molar mass in our tables, in ng/mL or mg/L")
        return level.value * _MOLAR_UNITS[unit] * mass * drug.per_litre
    units = ", ".join([*_MASS_UNITS, *_MOLAR_UNITS])
    raise ValidationError(f"the unit of a level is not known; choose one of {units}")


def _typical_clearance(drug: DrugKinetics, activity: Mapping[str, float], creatinine_clearance: float) -> float:
    typical = Physiology.typical(activity, None, creatinine_clearance)
    return drug.clearance * float(typical.relative_clearance(drug)[0])


def _predicted(
    samples: Sequence[Sample], logs: Floats, prior: Floats, weights: Floats, residual_log_sd: float
) -> pl.DataFrame:
    rows = []
    for place, sample in enumerate(samples):
        before, after = (weighted_interval(np.exp(logs[:, place]), of, residual_log_sd) for of in (prior, weights))
        rows.append(
            {
                "time_hours": sample.hours,
                "analyte": sample.analyte,
                "measured": sample.value,
                "before": before.value,
                "before_low": before.low,
                "before_high": before.high,
                "after": after.value,
                "after_low": after.low,
                "after_high": after.high,
            }
        )
    return pl.DataFrame(rows)


def _notes(samples: Sequence[Sample], logs: Floats, prior: Floats, residual_log_sd: float) -> Iterable[str]:
    for place, sample in enumerate(samples):
        mean = float(prior @ logs[:, place])
        spread = math.sqrt(float(prior @ (logs[:, place] - mean) ** 2) + residual_log_sd**2)
        away = (math.log(sample.value) - mean) / spread
        if abs(away) > _SURPRISING:
            side = "above" if away > 0 else "below"
            yield (
                f"The level on day {sample.hours / HOURS_PER_DAY:.1f} is far {side} what was expected: check the time"
                " of the last dose, whether doses were taken, the analyte and the unit."
            )
