"""Plasma to target: the share of transporters, receptors, sites and enzymes that a drug and its metabolite hold.

Where a half-maximal level or dose has been measured in vivo it sets the scale (``in_vivo``); other targets of the same
drug follow from it by the ratio of their affinities (``affinity_ratio``), from a target of the same family where one
was measured, else from the drug's main target. Drugs without any in-vivo value are placed by unbound plasma
concentration over Ki, times the median factor by which drugs measured at that target differ from it where there are at
least three (``free_plasma``, the weakest). Compounds compete for a target: their concentrations over EC50 add up.

An irreversible inhibitor destroys its enzyme, which comes back by turnover: ``dE/dt = k (1 - E) - k (C / EC50) E``.
Half of it is gone at a sustained ``C = EC50``, and it returns with the enzyme's half-life once the drug is gone.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Literal

import numpy as np

from novamind.drugs.binding import TARGETS, InVivo, affinities, enzyme_half_lives, in_vivo, tabled_name
from novamind.drugs.domain import Evidence
from novamind.drugs.kinetics import metabolite_share
from novamind.errors import NotFoundError
from novamind.neurochemistry.domain import Floats
from novamind.neurochemistry.pharmacokinetics import (
    DrugKinetics,
    Schedule,
    concentrations,
    drug_names,
    kinetics,
    steady_state_average,
)

#: After this time every drug of the tables has its steady state.
_STEADY_HOURS = 24.0 * 120
_FEWEST_MEASURED = 3
Basis = Literal["in_vivo", "affinity_ratio", "free_plasma"]


@dataclass(frozen=True, slots=True)
class Binding:
    """How one compound holds one target.

    ``ec50`` is the plasma concentration, in the drug's unit, at half of ``maximum``. ``intrinsic_activity`` is 0 for
    an antagonist or blocker and 1 for a full agonist. ``verified`` tells whether every source was read.
    ``turnover_days`` is the enzyme's half-life where the compound destroys it, missing where it lets go again.
    """

    compound: str
    target: str
    ec50: float
    maximum: float
    intrinsic_activity: float
    basis: Basis
    verified: bool
    turnover_days: float | None = None


def _pressure(drug: DrugKinetics, target: str, level: Mapping[str, Floats]) -> Floats:
    """Return the level of the parent, and of its metabolite in terms of the parent's affinity for the target."""
    own, other = (affinities(name or "").get(target) for name in (drug.name, drug.metabolite))
    total = level[drug.name]
    if drug.metabolite and own and other and own.nanomolar and other.nanomolar:
        total = total + own.nanomolar / other.nanomolar * level[drug.metabolite]
    return total


def _steady_shares(drug: DrugKinetics) -> dict[str, float]:
    """Return the level of each compound relative to the parent at steady state."""
    return {drug.name: 1.0} | ({drug.metabolite: metabolite_share(drug)} if drug.metabolite else {})


@cache
def _half_maximal_level(name: str, target: str) -> float:
    """Return the plasma EC50 of the parent at a target that was measured in vivo.

    From a dose a day it is the level at which parent and metabolite together hold half of the maximum on average over a
    day at steady state, from one dose what they reach at the peak. An enzyme that is destroyed feels the average level.
    """
    drug, measured = kinetics(name), in_vivo(name)[target]
    printed = measured.ec50 * drug.per_litre / 1000.0
    if measured.per == "ng/mL":
        return printed
    if measured.per == "ng/mL with metabolite":
        both = {name: np.array([printed * share]) for name, share in _steady_shares(drug).items()}
        return float(_pressure(drug, target, both)[0])
    if measured.per == "mg single":
        once = Schedule(np.zeros(1), np.array([measured.ec50]))
        return float(_pressure(drug, target, concentrations(drug, once, np.arange(0.25, 48.0, 0.25))).max())
    if target in affinities(name) and affinities(name)[target].irreversible:
        return float(_pressure(drug, target, steady_state_average(drug, measured.ec50))[0])
    each, interval = measured.ec50 / measured.doses_a_day, 24.0 / measured.doses_a_day
    daily = Schedule.regular(each, interval, _STEADY_HOURS)
    last_day = np.arange(_STEADY_HOURS - 24.0, _STEADY_HOURS, 0.5)
    level = _pressure(drug, target, concentrations(drug, daily, last_day))[0]
    low, high = max(float(level.min()) / 2.0, float(level.max()) * 1e-12), float(level.max()) * 2.0
    for _ in range(60):
        middle = math.sqrt(low * high)
        low, high = (middle, high) if (level / (level + middle)).mean() > 0.5 else (low, middle)
    return middle


def _reference(measured: Mapping[str, InVivo], target: str) -> InVivo | None:
    """Return what other targets' ratios start from: the same target, one of its family, or the drug's main target."""
    family = (row for name, row in measured.items() if name[:-1] == target[:-1])
    return measured.get(target) or next(family, None) or next(iter(measured.values()), None)


def _free_plasma_level(drug: DrugKinetics, compound: str, nanomolar: float) -> float | None:
    """Return the total plasma level at which the unbound part is ``nanomolar``; none where binding is not tabled.

    A metabolite without a figure of its own is taken to be bound as the parent is.
    """
    unbound, mass = drug.unbound_fraction, drug.molar_mass
    if compound != drug.name:
        unbound, mass = drug.metabolite_unbound_fraction or unbound, drug.metabolite_molar_mass or mass
    return nanomolar * mass / 1e6 * drug.per_litre / unbound if unbound else None


@cache
def in_vivo_factors(target: str) -> Mapping[str, float]:
    """Return by drug measured at the target its half-maximal level in vivo over that of unbound plasma at Ki."""
    factors = {}
    for drug in map(kinetics, drug_names()):
        affinity = affinities(drug.name).get(target)
        if target in in_vivo(drug.name) and affinity and affinity.nanomolar:
            level = _free_plasma_level(drug, drug.name, affinity.nanomolar)
            if level:
                factors[drug.name] = _half_maximal_level(drug.name, target) / level
    return factors


def in_vivo_factor(target: str, without: str = "") -> float:
    """Return the median factor of the drugs measured at the target but for one; 1 with fewer than three."""
    factors = [factor for drug, factor in in_vivo_factors(target).items() if drug != without]
    return float(np.median(factors)) if len(factors) >= _FEWEST_MEASURED else 1.0


@cache
def bindings(drug: str) -> tuple[Binding, ...]:
    """Return every target that the drug or its active metabolite holds, as far as the tables can place it.

    Empty for drugs that act elsewhere (lithium, lamotrigine, valproate): their occupancy is not given.
    """
    parent = kinetics(drug)
    measured, own = in_vivo(parent.name), affinities(parent.name)
    result: list[Binding] = []
    for compound in filter(None, (parent.name, parent.metabolite)):
        drug_of_its_own = tabled_name(compound)
        if compound != parent.name and not measured and drug_of_its_own in drug_names():
            result.extend(
                replace(binding, compound=compound)
                for binding in bindings(drug_of_its_own)
                if binding.compound == drug_of_its_own
            )
            continue
        bound = affinities(compound)
        for target in TARGETS:
            affinity, reference = bound.get(target), _reference(measured, target)
            direct = compound == parent.name and target in measured
            if affinity is None and not direct:
                continue
            start = own.get(reference.target) if reference else None
            basis: Basis
            if reference and direct:
                ec50, basis, verified = _half_maximal_level(parent.name, target), "in_vivo", reference.verified
            elif affinity is None or affinity.nanomolar is None:
                continue
            elif reference and start and start.nanomolar:
                ec50 = _half_maximal_level(parent.name, reference.target) * affinity.nanomolar / start.nanomolar
                basis = "affinity_ratio"
                evidence = (affinity.source.evidence, start.source.evidence)
                verified = reference.verified and Evidence.UNVERIFIED not in evidence
            else:
                level = _free_plasma_level(parent, compound, affinity.nanomolar)
                if level is None:
                    continue
                ec50, basis, verified = level * in_vivo_factor(target), "free_plasma", False
            maximum = measured[target].maximum if target in measured else 1.0
            activity = affinity.intrinsic_activity if affinity else 0.0
            turnover = enzyme_half_lives()[target] if affinity and affinity.irreversible else None
            result.append(Binding(compound, target, ec50, maximum, activity, basis, verified, turnover))
    return tuple(result)


@dataclass(frozen=True, slots=True)
class Occupancy:
    """Occupied share and agonist share of each target, arrays of one shape.

    ``activated`` is the share of the target's full activation that the bound drugs themselves give (occupied share
    times intrinsic activity).
    """

    occupied: Mapping[str, Floats]
    activated: Mapping[str, Floats]


def occupancy(concentrations: Mapping[str, Mapping[str, Floats]], step_hours: float | None = None) -> Occupancy:
    """Return the occupancy by one or several drugs at once.

    Parameters
    ----------
    concentrations
        Drug to compound to array, as :func:`~novamind.neurochemistry.pharmacokinetics.concentrations` gives.
    step_hours
        Distance of the times on the last axis, from the first dose on, for enzymes that a drug destroys; without it
        concentrations are taken as sustained.
    """
    pressure: dict[str, Floats] = {}
    ceiling: dict[str, Floats] = {}
    agonism: dict[str, Floats] = {}
    destruction: dict[str, Floats] = {}
    half_life: dict[str, float] = {}
    for drug, levels in concentrations.items():
        for binding in bindings(drug):
            target = binding.target
            share = levels[binding.compound] / binding.ec50
            if binding.turnover_days is not None:
                destruction[target] = destruction.get(target, 0.0) + share
                half_life[target] = binding.turnover_days
                share = share * 0.0
            pressure[target] = pressure.get(target, 0.0) + share
            ceiling[target] = ceiling.get(target, 0.0) + share * binding.maximum
            agonism[target] = agonism.get(target, 0.0) + share * binding.maximum * binding.intrinsic_activity
    left = {
        target: _enzyme_left(attack / (1.0 + pressure[target]), half_life[target], step_hours)
        for target, attack in destruction.items()
    }
    return Occupancy(
        {
            target: 1.0 - left.get(target, 1.0) * (1.0 - ceiling[target] / (1.0 + pressure[target]))
            for target in pressure
        },
        {target: left.get(target, 1.0) * agonism[target] / (1.0 + pressure[target]) for target in pressure},
    )


def _enzyme_left(attack: Floats, half_life_days: float, step_hours: float | None) -> Floats:
    """Return the share of an enzyme that is left while it is destroyed at ``attack`` times the rate of its turnover.

    The attack is taken as constant between two times (the mean of both); within it the solution is exact.
    """
    if step_hours is None:
        return 1.0 / (1.0 + attack)
    turnover = math.log(2.0) / (half_life_days * 24.0)
    between = 0.5 * (attack[..., 1:] + attack[..., :-1])
    settled = 1.0 / (1.0 + between)
    kept = np.exp(-turnover * (1.0 + between) * step_hours)
    left = np.ones_like(attack)
    for step in range(between.shape[-1]):
        left[..., step + 1] = settled[..., step] + (left[..., step] - settled[..., step]) * kept[..., step]
    return left


def occupancy_at(target: str, drug: str, concentration: float) -> float:
    """Return the occupancy of one target at one parent concentration (for checks and charts).

    The metabolite is there at its steady share where the half-maximal level was measured so, else absent.
    """
    for binding in bindings(drug):
        if binding.target == target and binding.compound == kinetics(drug).name:
            measured = in_vivo(binding.compound).get(target)
            together = measured is not None and measured.per == "ng/mL with metabolite"
            shares = _steady_shares(kinetics(drug)) if together else {binding.compound: 1.0}
            level = {name: np.array([concentration * share]) for name, share in shares.items()}
            absent = {name: np.zeros(1) for name in _steady_shares(kinetics(drug))}
            return float(occupancy({kinetics(drug).name: absent | level}).occupied[target][0])
    raise NotFoundError(f"no affinity of {drug} for {target} is tabled")
