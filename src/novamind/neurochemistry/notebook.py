"""What a notebook calls: one drug or a whole regimen through one function."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, overload

from novamind.drugs.limits import PatientFacts
from novamind.errors import ValidationError
from novamind.neurochemistry import simulation
from novamind.neurochemistry.course import RegimenSimulation, simulate_regimen
from novamind.neurochemistry.pharmacokinetics import REFERENCE_CREATININE_CLEARANCE, Schedule
from novamind.neurochemistry.regimen import RegimenStep

States = Mapping[str, str | float]
Regimen = Iterable[RegimenStep | Sequence[Any] | Mapping[str, Any]]


@overload
def simulate(
    drug: str,
    dose_mg: float | None = None,
    interval_hours: float = 24.0,
    weeks: int = 12,
    phenotypes: States | None = None,
    inhibitors: States | None = None,
    schedule: Schedule | None = None,
    creatinine_clearance: float = REFERENCE_CREATININE_CLEARANCE,
    clearance_factor: float = 1.0,
    ensemble: int = 0,
    seed: int = 0,
) -> simulation.Simulation: ...


@overload
def simulate(
    drug: Regimen,
    *,
    weeks: int = 12,
    phenotypes: States | None = None,
    inhibitors: States | None = None,
    creatinine_clearance: float = REFERENCE_CREATININE_CLEARANCE,
    clearance_factor: float | Mapping[str, float] = 1.0,
    person: PatientFacts | None = None,
    conditions: Iterable[str] = (),
    ensemble: int = 0,
    seed: int = 0,
) -> RegimenSimulation: ...


def simulate(
    drug: str | Regimen,
    dose_mg: float | None = None,
    interval_hours: float = 24.0,
    weeks: int = 12,
    phenotypes: States | None = None,
    inhibitors: States | None = None,
    schedule: Schedule | None = None,
    creatinine_clearance: float = REFERENCE_CREATININE_CLEARANCE,
    clearance_factor: float | Mapping[str, float] = 1.0,
    ensemble: int = 0,
    seed: int = 0,
    person: PatientFacts | None = None,
    conditions: Iterable[str] = (),
) -> simulation.Simulation | RegimenSimulation:
    """Return what a drug, or a whole regimen, does over weeks.

    Parameters
    ----------
    drug
        Name of one drug, or the steps of a regimen, each ``(drug, dose_mg, interval_hours, start, stop, form)``; see
        :class:`novamind.neurochemistry.RegimenStep`.
    dose_mg, interval_hours, schedule
        Of one drug; the steps of a regimen have their own.
    person, conditions
        What the dose limits of a regimen ask.
    weeks, phenotypes, inhibitors, creatinine_clearance, clearance_factor, ensemble, seed
        As of :func:`novamind.neurochemistry.simulation.simulate`; a regimen takes ``clearance_factor`` by drug too.

    Raises
    ------
    NotFoundError
        A drug is not in the tables.
    ValidationError
        A figure out of range, or figures of one drug beside a regimen.
    """
    if isinstance(drug, str) or not isinstance(drug, Iterable):
        if isinstance(clearance_factor, Mapping) or person is not None or tuple(conditions):
            raise ValidationError("'person', 'conditions' and clearance factors by drug belong to a regimen of steps")
        return simulation.simulate(
            drug,
            dose_mg,
            interval_hours,
            weeks,
            phenotypes,
            inhibitors,
            schedule,
            creatinine_clearance,
            clearance_factor,
            ensemble,
            seed,
        )
    if dose_mg is not None or schedule is not None or interval_hours != 24.0:
        raise ValidationError("the steps of a regimen have doses and intervals of their own; leave them out beside it")
    return simulate_regimen(
        drug,
        weeks=weeks,
        phenotypes=phenotypes,
        inhibitors=inhibitors,
        creatinine_clearance=creatinine_clearance,
        clearance_factor=clearance_factor,
        person=person or PatientFacts(),
        conditions=conditions,
        ensemble=ensemble,
        seed=seed,
    )
