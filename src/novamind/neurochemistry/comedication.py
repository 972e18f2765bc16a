"""Several drugs at once: what each leaves of the enzymes that clear the others, day by day.

At its usual dose a modulator leaves the share of an enzyme that the review counts with (``drugs/clearance.py``).
Between no drug and that dose, and beyond, a competitive inhibitor acts by its level, ``1 / (1 + x c)``, where ``c`` is
the level of drug and active metabolite over that at the usual dose and ``1 / (1 + x)`` the tabled share. One that
destroys the enzyme removes it at ``x c`` times the rate of its turnover, and an inducer raises its synthesis by
``1 + (fold - 1) 2 c / (1 + c)``; both act and end with the enzyme's half-life (``drugs/facts/enzyme_turnover.csv``),
``dE/dt = k (s - (1 + x c) E)``. Of a modulator without kinetics ``c`` is 1 while it is taken; a competitive one then
fades within its tabled washout, taken as five half-lives.

Of several inhibitors of one enzyme the strongest counts on each day, likewise of inducers; the two multiply. Drugs that
act on each other are solved by going round until no share changes any more (waveform relaxation).
"""

import math
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from novamind.drugs.binding import enzyme_half_lives
from novamind.drugs.clearance import share_under
from novamind.drugs.enzymes import Modulator, modulators
from novamind.drugs.kinetics import DrugKinetics, drug_names, kinetics
from novamind.neurochemistry.domain import Floats
from novamind.neurochemistry.pharmacokinetics import DayByDay, Physiology, concentrations, steady_state_average
from novamind.neurochemistry.regimen import HOURS_PER_DAY, Intake

Levels = dict[str, Floats]
_TOLERANCE = 1e-6
_MOST_ROUNDS = 15
#: A complete inhibition is counted as this share, so that a level can be put to it.
_LEAST_SHARE = 0.005
_HALF_LIVES_OF_WASHOUT = 5.0
_UNKNOWN_TURNOVER_DAYS = 3.0


def levels_together(
    taken: Mapping[str, Intake], times_hours: Floats, patients: Mapping[str, Physiology]
) -> tuple[dict[str, Levels], dict[str, Mapping[str, Floats]]]:
    """Return the levels of each drug with kinetics, and by drug what the others leave of its routes.

    Parameters
    ----------
    taken
        Drug to its intake, all over the same days.
    times_hours
        Increasing times at which levels are wanted, hours since zero.
    patients
        Drug to the patients as they clear it.

    Returns
    -------
    tuple
        Drug to compound to ``(patients, times)``, and drug to route to ``(patients or 1, days)``.
    """
    simulated = [drug for drug in taken if drug in drug_names()]
    days = next(iter(taken.values())).taken.size
    hours = np.arange(0.0, days * HOURS_PER_DAY)
    acting = {drug: [m for m in modulators(drug) if m.classed] for drug in taken}
    exposure: dict[str, Floats] = {}
    shares: dict[str, Mapping[str, Floats]] = {}
    for _ in range(_MOST_ROUNDS):
        settled = True
        for drug in simulated:
            parameters = kinetics(drug)
            others = [m for name, of in acting.items() if name != drug for m in of]
            new = shares_left({*parameters.fraction_by, *parameters.metabolite_fraction_by}, others, taken, exposure)
            if drug in shares and _same(new, shares[drug]):
                continue
            settled, shares[drug] = False, new
            if acting[drug]:
                hourly = _levels(parameters, taken[drug], hours, patients[drug], new)
                exposure[drug] = relative_exposure(parameters, hourly)
        if settled:
            break
    return {
        drug: _levels(kinetics(drug), taken[drug], times_hours, patients[drug], shares[drug]) for drug in simulated
    }, shares


def relative_exposure(drug: DrugKinetics, hourly: Mapping[str, Floats]) -> Floats:
    """Return the daily mean of drug and active metabolite over that of the usual dose, ``(patients, days)``."""
    usual = sum(level[0] for level in steady_state_average(drug, drug.usual_dose).values())
    total = np.sum(list(hourly.values()), axis=0)
    return np.asarray(total.reshape(total.shape[0], -1, HOURS_PER_DAY).mean(axis=2) / usual)


def shares_left(
    routes: Iterable[str],
    acting: Sequence[Modulator],
    taken: Mapping[str, Intake],
    exposure: Mapping[str, Floats],
) -> dict[str, Floats]:
    """Return what modulators leave or make of routes, ``(patients or 1, days)``; routes that none changes are left out.

    Parameters
    ----------
    routes
        Enzymes that clear the drug looked at.
    acting
        Modulators of the other drugs.
    taken
        Drug to its intake.
    exposure
        Drug to its daily level over that at the usual dose, for those with kinetics.
    """
    left: dict[str, Floats] = {}
    for route in routes:
        of_route = [m for m in acting if m.enzyme == route]
        for effect, strongest in (("inhibitor", np.minimum), ("inducer", np.maximum)):
            courses = [_course(m, taken[m.drug], exposure.get(m.drug)) for m in of_route if m.effect == effect]
            if courses:
                combined = courses[0]
                for course in courses[1:]:
                    combined = strongest(combined, course)
                left[route] = left.get(route, 1.0) * combined
    return {route: share for route, share in left.items() if (share != 1.0).any()}


def _levels(
    drug: DrugKinetics, intake: Intake, times: Floats, patients: Physiology, shares: Mapping[str, Floats]
) -> Levels:
    if not shares and not intake.released_mg.any():
        return concentrations(drug, intake.oral, times, patients)
    return concentrations(drug, intake.oral, times, patients, DayByDay(intake.released_mg, shares))


def _same(new: Mapping[str, Floats], old: Mapping[str, Floats]) -> bool:
    return new.keys() == old.keys() and all(
        new[route].shape == old[route].shape and np.abs(new[route] - old[route]).max() < _TOLERANCE for route in new
    )


def _course(m: Modulator, intake: Intake, exposure: Floats | None) -> Floats:
    """Return the activity beside one modulator by day, relative to that without it."""
    if exposure is None:
        if m.drug in drug_names():
            return np.ones((1, intake.taken.size))  # its level is not solved yet
        exposure = _presence(m, intake)
    point = share_under(m)[0]
    if m.effect == "inhibitor":
        pull = (1.0 / max(point, _LEAST_SHARE) - 1.0) * exposure
        if m.mechanism != "mechanism-based":
            return np.asarray(1.0 / (1.0 + pull))
        return _turned_over(m.enzyme, np.ones_like(pull), pull)
    synthesis = 1.0 + (point - 1.0) * 2.0 * exposure / (1.0 + exposure)
    return _turned_over(m.enzyme, synthesis, np.zeros_like(synthesis))


def _presence(m: Modulator, intake: Intake) -> Floats:
    """Return 1 on days when a drug without kinetics is taken, and what is left of it afterwards."""
    present = intake.taken.copy()
    if m.mechanism == "competitive" and m.washout_days > 0:
        kept = 0.5 ** (_HALF_LIVES_OF_WASHOUT / m.washout_days)
        for day in range(1, present.size):
            present[day] = max(present[day], present[day - 1] * kept)
    return present[None, :]


def _turned_over(enzyme: str, synthesis: Floats, pull: Floats) -> Floats:
    """Return the mean of an enzyme over each day, of ``dE/dt = k (synthesis - (1 + pull) E)`` from 1 on."""
    turnover = math.log(2.0) / enzyme_half_lives().get(enzyme, _UNKNOWN_TURNOVER_DAYS)
    settled, rate = synthesis / (1.0 + pull), turnover * (1.0 + pull)
    kept = np.exp(-rate)
    mean = np.empty_like(settled)
    level = np.ones(settled.shape[0])
    for day in range(settled.shape[1]):
        away = level - settled[:, day]
        mean[:, day] = settled[:, day] + away * (1.0 - kept[:, day]) / rate[:, day]
        level = settled[:, day] + away * kept[:, day]
    return mean
