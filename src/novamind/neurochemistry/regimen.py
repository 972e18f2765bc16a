"""A whole regimen: who is taken from when to when, at which dose, in which form.

Time is counted in days from the regimen's zero: day 0 is the first 24 hours. With dates, zero is the earliest start.
``stop`` is the first day on which the drug is no longer taken. A step without a stop lasts until the next step of its
drug and form begins, a day or more later; a dose of 0 so ends it. Steps that overlap otherwise are taken together.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import date, datetime
from typing import Any

import numpy as np

from novamind.drugs.catalogue import catalogue
from novamind.drugs.depots import depot
from novamind.drugs.kinetics import drug_names
from novamind.drugs.names import drugs_of, nearest
from novamind.errors import NotFoundError, ValidationError
from novamind.neurochemistry.domain import Floats, is_number, is_whole
from novamind.neurochemistry.pharmacokinetics import Schedule

HOURS_PER_DAY = 24
#: What can be taken without a dose; its effect on enzymes counts while it lasts.
SMOKING = "tobacco smoking"
MOST_STEPS = 100
_LONGEST_INTERVAL = {"": 24.0 * 14, "depot": 24.0 * 190}
#: Forms whose release the kinetics by mouth stand for.
_ORAL = ("", "oral", "immediate", "extended")
_FORMS = (*_ORAL, "depot", "depot 3-month")


@dataclass(frozen=True, slots=True)
class RegimenStep:
    """One drug at one dose for a while.

    Parameters
    ----------
    drug
        Generic or brand name; ``"tobacco smoking"`` for a smoker.
    dose_mg
        Each dose. ``None`` for what is only there (smoking, or a drug without kinetics).
    interval_hours
        From dose to dose.
    start, stop
        Days since the regimen's zero, or dates; ``stop`` is the first day without it, ``None`` for the end.
    form
        Empty or ``"oral"``, ``"depot"``, or ``"depot 3-month"`` (paliperidone).
    missed
        Doses of this step that are not taken, counted from 0.
    """

    drug: str
    dose_mg: float | None = None
    interval_hours: float = 24.0
    start: float | date = 0.0
    stop: float | date | None = None
    form: str = ""
    missed: tuple[int, ...] = ()

    @property
    def is_depot(self) -> bool:
        """Whether it is injected as a depot."""
        return self.form.startswith("depot")

    @property
    def start_day(self) -> float:
        """Start in days since zero, of a step that was read."""
        return _number(self.start, None)

    @property
    def stop_day(self) -> float:
        """Stop in days since zero, infinite where it lasts to the end."""
        return math.inf if self.stop is None else _number(self.stop, None)

    @property
    def words(self) -> str:
        """For example ``risperidone 2 mg every 12 h``."""
        if self.dose_mg is None:
            return self.drug
        rhythm = f"{self.interval_hours / 24:g} days" if self.interval_hours > 72 else f"{self.interval_hours:g} h"
        return f"{self.drug} {self.dose_mg:g} mg every {rhythm}{' as a depot' if self.is_depot else ''}"


@dataclass(frozen=True, slots=True)
class Intake:
    """One drug over a course of days.

    ``oral`` are the doses that are swallowed, ``released_mg`` what depots release by day as mg by mouth, ``taken`` the
    share of each day that lies between start and stop of a step with a dose.
    """

    drug: str
    oral: Schedule
    released_mg: Floats
    taken: Floats

    @property
    def first_day(self) -> int:
        """The first day on which it is taken."""
        return int(np.flatnonzero(self.taken)[0])

    @property
    def stop_day(self) -> int | None:
        """The first day after the last one on which it is taken; ``None`` where it lasts to the end."""
        last = int(np.flatnonzero(self.taken)[-1])
        return None if last + 1 == self.taken.size else last + 1


def read_regimen(regimen: Iterable[RegimenStep | Sequence[Any] | Mapping[str, Any]]) -> tuple[RegimenStep, ...]:
    """Return the steps with generic names and times in days, the earliest first.

    Parameters
    ----------
    regimen
        :class:`RegimenStep`, tuples in its order, or mappings with its names.

    Raises
    ------
    ValidationError
        No step, a figure out of range, or dates mixed with days.
    NotFoundError
        A name that is not in the tables, or a depot whose release is not.
    """
    if isinstance(regimen, str | Mapping | RegimenStep):
        raise ValidationError("a regimen is a list of steps: (drug, dose_mg, interval_hours, start, stop, form)")
    steps = [_step(entry) for entry in regimen]
    if not 1 <= len(steps) <= MOST_STEPS:
        raise ValidationError(f"a regimen takes 1 to {MOST_STEPS} steps")
    times = [time for step in steps for time in (step.start, step.stop) if time is not None]
    dated = [time for time in times if isinstance(time, date)]
    if dated and any(not isinstance(time, date) and time != 0 for time in times):
        raise ValidationError("a regimen takes dates or days, not both")
    zero = regimen_zero(steps)
    if dated and zero is None:
        raise ValidationError("a regimen with dates needs the date of a start")
    return _joined(sorted((_checked(step, zero) for step in steps), key=lambda step: step.start_day))


def regimen_zero(regimen: Iterable[RegimenStep | Sequence[Any] | Mapping[str, Any]]) -> date | None:
    """Return the earliest date on which a step starts; ``None`` of a regimen in days."""
    starts = [_step(entry).start for entry in regimen]
    return min((_day(start) for start in starts if isinstance(start, date)), default=None)


def intakes(steps: Iterable[RegimenStep], days: int) -> dict[str, Intake]:
    """Return drug to what is taken of it over a course of ``days``, in the order of the first start.

    Raises
    ------
    ValidationError
        A step begins after the course has ended.
    """
    by_drug: dict[str, list[RegimenStep]] = {}
    for step in steps:
        if step.start_day >= days:
            raise ValidationError(f"a step starts after the course of {days} days; give more weeks")
        by_drug.setdefault(step.drug, []).append(step)
    return {drug: _intake(drug, of, days) for drug, of in by_drug.items()}


def _joined(steps: Sequence[RegimenStep]) -> tuple[RegimenStep, ...]:
    """Return the steps, those without a stop until the next of their drug and form, a day or more later, begins."""
    joined = []
    for step in steps:
        later = [s.start_day for s in steps if (s.drug, s.form) == (step.drug, step.form)]
        following = min((start for start in later if start >= step.start_day + 1), default=None)
        joined.append(replace(step, stop=following) if step.stop is None else step)
    return tuple(joined)


def _step(entry: RegimenStep | Sequence[Any] | Mapping[str, Any]) -> RegimenStep:
    if isinstance(entry, RegimenStep):
        return entry
    names = [field.name for field in fields(RegimenStep)]
    if isinstance(entry, Mapping):
        unknown = set(entry) - set(names)
        if unknown or "drug" not in entry:
            raise ValidationError(f"a step takes {', '.join(names)}; drug is required")
        values = {name: value for name, value in entry.items() if value is not None or name in ("dose_mg", "stop")}
        return RegimenStep(**values)
    if isinstance(entry, str) or not isinstance(entry, Sequence) or not 1 <= len(entry) <= len(names):
        raise ValidationError(f"a step takes {', '.join(names)}, in this order")
    return RegimenStep(*entry)


def _checked(step: RegimenStep, zero: date | None) -> RegimenStep:
    drug = _drug(step.drug)
    start = _number(step.start, zero)
    stop = None if step.stop is None else _number(step.stop, zero)
    if not is_number(start, 0, 104 * 7) or (stop is not None and not (is_number(stop) and stop > start)):
        raise ValidationError("a step starts on day 0 to 728 and stops after its start")
    form = step.form.strip().lower() if isinstance(step.form, str) else ""
    if form not in _FORMS:
        raise ValidationError(f"the form is one of {', '.join(name for name in _FORMS if name)}, or left out")
    form = "" if form in _ORAL else form
    longest = _LONGEST_INTERVAL["depot" if form else ""]
    if not is_number(step.interval_hours, 1, longest):
        raise ValidationError(f"interval_hours must lie between 1 hour and {longest / 24:g} days")
    if not isinstance(step.missed, Sequence) or not all(is_whole(dose, 0, 10_000) for dose in step.missed):
        raise ValidationError("missed doses are whole numbers, counted from 0")
    if step.dose_mg is None:
        if drug in drug_names():
            raise ValidationError(f"dose_mg is missing for {drug}")
    elif not is_number(step.dose_mg, 0):
        raise ValidationError("dose_mg must be a number of at least 0")
    if form:
        depot(drug, form).base_mg(float(step.dose_mg or 0.0))
    amount = None if step.dose_mg is None else float(step.dose_mg)
    return RegimenStep(drug, amount, float(step.interval_hours), start, stop, form, tuple(step.missed))


def _drug(name: object) -> str:
    """Return the generic name of one drug of the catalogue; smoking counts as one."""
    text = name.strip() if isinstance(name, str) else ""
    if text.lower() in ("smoking", "tobacco", SMOKING):
        return SMOKING
    drugs = drugs_of(text)
    if len(drugs) > 1:
        raise ValidationError("a step takes one drug; give a combination as one step for each of its drugs")
    if drugs:
        return drugs[0]
    if text.lower() in catalogue():
        return text.lower()
    near = ", ".join(nearest(text)) if text else ""
    raise NotFoundError(f"the drug is not in our tables; names that are near: {near or 'none'}")


def _day(value: date) -> date:
    return value.date() if isinstance(value, datetime) else value


def _number(time: float | date | None, zero: date | None) -> float:
    if isinstance(time, date):
        return float((_day(time) - (zero or _day(time))).days)
    if time is None or not is_number(time):
        raise ValidationError("start and stop are days from 0, or dates")
    return float(time)


def _intake(drug: str, steps: Sequence[RegimenStep], days: int) -> Intake:
    hours = float(days * HOURS_PER_DAY)
    amounts: dict[float, float] = {0.0: 0.0}
    released, taken = np.zeros(days), np.zeros(days)
    edges = np.arange(days + 1.0)
    for step in steps:
        start, stop = step.start_day, step.stop_day
        until = min(stop * HOURS_PER_DAY, hours)
        times = start * HOURS_PER_DAY + np.arange(math.ceil((until - start * HOURS_PER_DAY) / step.interval_hours)) * (
            step.interval_hours
        )
        doses = np.full(times.size, step.dose_mg or 0.0)
        if step.missed and max(step.missed) >= times.size:
            raise ValidationError(f"missed doses must be numbered from 0 to {times.size - 1}")
        doses[list(step.missed)] = 0.0
        if step.dose_mg is None or doses.any():
            inside = np.clip(np.minimum(edges[1:], stop) - np.maximum(edges[:-1], start), 0.0, 1.0)
            taken = np.maximum(taken, inside)
        if step.is_depot:
            of = depot(drug, step.form)
            for time, dose in zip(times / HOURS_PER_DAY, doses, strict=True):
                released += of.base_mg(dose) * of.oral_equivalent * np.diff(of.released(edges - time))
            continue
        for time, dose in zip(times.tolist(), doses.tolist(), strict=True):
            amounts[time] = amounts.get(time, 0.0) + dose
    ordered = sorted(amounts)
    schedule = Schedule(np.array(ordered), np.array([amounts[time] for time in ordered]))
    return Intake(drug, schedule, released, taken)
