"""Plasma to target: the share of transporters and receptors that a drug and its metabolite hold.

Where a human in-vivo EC50 has been published it sets the scale (``in_vivo``); other targets of the same drug
follow from it by the ratio of their affinities (``affinity_ratio``). Drugs without any in-vivo value are placed
by unbound plasma concentration over Ki (``free_plasma``), which assumes free passage into the brain and is the
weakest of the three. Compounds compete for a target: their concentrations over EC50 add up.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Literal

from novamind.errors import NotFoundError
from novamind.neurochemistry.domain import Floats
from novamind.neurochemistry.pharmacokinetics import DrugKinetics, kinetics, steady_state_average
from novamind.neurochemistry.reference import table

TRANSPORTERS = ("SERT", "NET", "DAT")
RECEPTORS = ("5-HT1A", "5-HT2A", "5-HT2C", "D2", "H1", "M1", "alpha1")
TARGETS = TRANSPORTERS + RECEPTORS

Basis = Literal["in_vivo", "affinity_ratio", "free_plasma"]


@dataclass(frozen=True, slots=True)
class Binding:
    """How one compound holds one target.

    ``ec50`` is the plasma concentration, in the drug's unit, at half of ``maximum``. ``intrinsic_activity`` is 0 for
    an antagonist or blocker and 1 for a full agonist. ``verified`` tells whether every source was re-read.
    """

    compound: str
    target: str
    ec50: float
    maximum: float
    intrinsic_activity: float
    basis: Basis
    verified: bool


@dataclass(frozen=True, slots=True)
class _Affinity:
    value: float
    intrinsic_activity: float
    read: bool


@cache
def _affinities() -> Mapping[tuple[str, str], _Affinity]:
    """Return measured affinities in nM; ``>`` rows mean no relevant affinity and are left out."""
    return {
        (row["compound"], row["target"]): _Affinity(
            float(row["affinity"]), float(row["intrinsic_activity"]), row["status"] == "read"
        )
        for row in table("affinities")
        if row["relation"] == "="
    }


@cache
def _anchors(drug: str) -> Mapping[tuple[str, str], tuple[float, bool]]:
    return {
        (row["target"], row["quantity"]): (float(row["value"]), row["status"] == "read")
        for row in table("occupancy")
        if row["drug"] == drug
    }


def _reference_ec50(drug: DrugKinetics, target: str) -> tuple[float, bool]:
    """Return the plasma EC50 of the parent at a target with a published in-vivo value.

    A published EC50 in mg/day becomes the parent concentration at which parent and metabolite, each over its own
    EC50, together reach 1 on that dose at steady state.
    """
    anchors = _anchors(drug.name)
    if (target, "ec50_plasma") in anchors:
        return anchors[target, "ec50_plasma"]
    dose, read = anchors[target, "ec50_dose"]
    level = {name: float(value[0]) for name, value in steady_state_average(drug, dose).items()}
    ec50 = level[drug.name]
    affinities = _affinities()
    if drug.metabolite and (drug.metabolite, target) in affinities:
        potency = affinities[drug.name, target].value / affinities[drug.metabolite, target].value
        ec50 += potency * level[drug.metabolite]
    return ec50, read


@cache
def bindings(drug: str) -> tuple[Binding, ...]:
    """Return every target that the drug or its active metabolite binds with a known affinity.

    Empty for drugs that act elsewhere (lithium, lamotrigine, valproate): their occupancy is not given.
    """
    parent = kinetics(drug)
    affinities, anchors = _affinities(), _anchors(parent.name)
    anchored = {target for target, quantity in anchors if quantity.startswith("ec50")}
    # The first tabled in-vivo value of a drug is that of its main target; ratios to other targets start there.
    main = next((target for target, quantity in anchors if quantity.startswith("ec50")), None)
    result = []
    for compound in (parent.name, parent.metabolite):
        for target in TARGETS:
            if compound is None or (compound, target) not in affinities:
                continue
            affinity = affinities[compound, target]
            maximum, read = anchors.get((target, "maximum"), (1.0, True))
            basis: Basis
            if target in anchored:
                ec50, checked = _reference_ec50(parent, target)
                if compound == parent.name:
                    basis, verified = "in_vivo", checked and read
                else:
                    ratio = affinities[parent.name, target]
                    ec50 *= affinity.value / ratio.value
                    basis, verified = "affinity_ratio", checked and affinity.read and ratio.read
            elif main is not None:
                ec50, checked = _reference_ec50(parent, main)
                ratio = affinities[parent.name, main]
                ec50 *= affinity.value / ratio.value
                basis, verified = "affinity_ratio", checked and affinity.read and ratio.read
            else:
                unbound, mass = parent.unbound_fraction, parent.molar_mass
                if compound != parent.name:
                    unbound, mass = parent.metabolite_unbound_fraction, parent.metabolite_molar_mass or mass
                if unbound is None:
                    continue
                ec50 = affinity.value * mass / 1e6 * parent.per_litre / unbound
                basis, verified = "free_plasma", False
            result.append(Binding(compound, target, ec50, maximum, affinity.intrinsic_activity, basis, verified))
    return tuple(result)


@dataclass(frozen=True, slots=True)
class Occupancy:
    """Occupied share and agonist share of each target, arrays of one shape.

    ``activated`` is the share of the target's full activation that the bound drugs themselves give (occupied share
    times intrinsic activity).
    """

    occupied: Mapping[str, Floats]
    activated: Mapping[str, Floats]


def occupancy(concentrations: Mapping[str, Mapping[str, Floats]]) -> Occupancy:
    """Return the occupancy by one or several drugs at once.

    Parameters
    ----------
    concentrations
        Drug to compound to array, as :func:`~novamind.neurochemistry.pharmacokinetics.concentrations` gives.
    """
    pressure: dict[str, Floats] = {}
    ceiling: dict[str, Floats] = {}
    agonism: dict[str, Floats] = {}
    for drug, levels in concentrations.items():
        for binding in bindings(drug):
            share = levels[binding.compound] / binding.ec50
            pressure[binding.target] = pressure.get(binding.target, 0.0) + share
            ceiling[binding.target] = ceiling.get(binding.target, 0.0) + share * binding.maximum
            agonism[binding.target] = (
                agonism.get(binding.target, 0.0) + share * binding.maximum * binding.intrinsic_activity
            )
    return Occupancy(
        {target: ceiling[target] / (1.0 + pressure[target]) for target in pressure},
        {target: agonism[target] / (1.0 + pressure[target]) for target in pressure},
    )


def occupancy_at(target: str, drug: str, concentration: float) -> float:
    """Return the occupancy of one target at one parent concentration, without metabolite (for checks and charts)."""
    for binding in bindings(drug):
        if binding.target == target and binding.compound == kinetics(drug).name:
            return binding.maximum * concentration / (binding.ec50 + concentration)
    raise NotFoundError(f"no affinity of {drug} for {target} is tabled")
