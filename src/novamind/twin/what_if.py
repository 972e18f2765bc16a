"""What if this drug at this dose: genotype and co-medication -> exposure -> occupancy -> symptom effect bands.

The chain is the pharmacogenomic review (phenotype after co-medication) put into the neurochemical simulation. The
same regimen in a normal metaboliser with no co-medication, with the same ensemble and seed, is the reference, so that
the ratio between the two is the person's and not chance.
"""

from collections.abc import Mapping
from typing import Any

from novamind.drugs.clearance import comedicated, phenotype_activities
from novamind.drugs.kinetics import REFERENCE_CREATININE_CLEARANCE, kinetics
from novamind.drugs.limits import Dosage, PatientFacts
from novamind.drugs.names import normalise
from novamind.drugs.organs import organ_effect
from novamind.errors import NotFoundError
from novamind.neurochemistry import drug_names, simulate
from novamind.neurochemistry.simulation import BAND, Simulation
from novamind.pharmacogenomics import recommend
from novamind.pharmacogenomics.domain import GeneResult
from novamind.twin.case import Case
from novamind.twin.results import WhatIf

DEFAULT_WEEKS = 8
DEFAULT_ENSEMBLE = 100


def what_if(
    case: Case,
    drug: str,
    dose_mg: float,
    *,
    interval_hours: float = 24.0,
    weeks: int = DEFAULT_WEEKS,
    ensemble: int = DEFAULT_ENSEMBLE,
    seed: int = 0,
) -> WhatIf:
    """Simulate what a drug would do in this patient.

    Parameters
    ----------
    drug
        Generic or brand name.
    dose_mg, interval_hours
        Each dose, and the time between doses.
    weeks, ensemble, seed
        As in :func:`novamind.neurochemistry.simulate`.

    Raises
    ------
    NotFoundError
        No kinetics of the drug are in the tables, so nothing can be simulated.
    ValidationError
        A figure is out of range.
    """
    name = normalise(drug)
    if name is None or name not in drug_names():
        raise NotFoundError(f"no kinetics for this drug; choose one of {', '.join(drug_names())}")
    person = case.person
    others = tuple(medication for medication in case.medications if medication != name)
    if person.smoker:
        others += ("tobacco smoking",)
    review = recommend(
        case.genotype,
        (name,),
        others,
        case.conditions,
        case.allergens,
        stopped=case.stopped,
        doses={name: Dosage(dose_mg, interval_hours)},
        person=person,
    )[name]
    activity, notes = _activity(case, others)
    inhibitors = _beside(activity, name, others)
    shared: dict[str, Any] = {"interval_hours": interval_hours, "weeks": weeks, "ensemble": ensemble, "seed": seed}
    organs = _organs(name, person)
    course = simulate(name, dose_mg, phenotypes=activity, inhibitors=inhibitors, **organs, **shared)
    reference = simulate(name, dose_mg, **shared)
    return WhatIf(
        name,
        dose_mg,
        weeks,
        activity,
        inhibitors,
        review,
        course,
        reference,
        (*notes, *_unknown(case, name, others, course)),
        interval_hours,
    )


def _organs(drug: str, person: PatientFacts) -> dict[str, Any]:
    """Return what age, kidney and liver change in the simulation, as far as they are recorded."""
    effect = organ_effect(drug, person.age, person.number("crcl"), person.child_pugh)
    changed: dict[str, Any] = {}
    if effect.renal_activity != 1.0:
        changed["creatinine_clearance"] = effect.renal_activity * REFERENCE_CREATININE_CLEARANCE
    if effect.ratio != 1.0:
        changed["clearance_factor"] = 1.0 / effect.ratio
    return changed


def _activity(case: Case, others: tuple[str, ...]) -> tuple[dict[str, str | float], list[str]]:
    """Return the state of each typed enzyme after co-medication, and what is left open."""
    activity: dict[str, str | float] = {}
    notes = []
    genotype = {g: d for g, d in case.genotype.items() if phenotype_activities(g)}
    changes = recommend(genotype, (), others).phenotypes
    for gene in genotype:
        states = {_state(change.after) for change in changes if change.gene == gene}
        if len(states) > 1 or None in states:
            notes.append(f"{gene}: the genotype leaves the activity open, so normal activity was simulated.")
        elif states:
            activity[gene] = states.pop()  # type: ignore[assignment]
    return activity, notes


def genotype_activity(case: Case) -> tuple[dict[str, str | float], list[str]]:
    """Return the state of each typed enzyme by the genotype alone, and what is left open."""
    return _activity(case, ())


def _state(reading: GeneResult) -> str | float | None:
    """Return the phenotype where it says what the activity is, else the activity as a score (2 is normal)."""
    if reading.activity is None:
        return None
    tabled = phenotype_activities(reading.gene).get(str(reading.phenotype).lower())
    return str(reading.phenotype) if tabled == reading.activity and reading.gene != "CYP2D6" else 2 * reading.activity


def _beside(typed: Mapping[str, object], drug: str, others: tuple[str, ...]) -> dict[str, str | float]:
    """Return what the others leave or make of each enzyme that is not typed; typed ones are converted already."""
    effects = comedicated(kinetics(drug).fraction_by, others, drug)
    return {route: of.share for route, of in effects.items() if route not in typed}


def _unknown(case: Case, drug: str, others: tuple[str, ...], course: Simulation) -> list[str]:
    lines = [course.symptom_note]
    untyped = [g for g in ("CYP2D6", "CYP2C19") if g not in case.genotype]
    if untyped:
        lines.append(f"No result of {' and '.join(untyped)}: normal activity was simulated.")
    if others:
        lines.append("The simulation covers this drug alone; effects of the others on transmitters are not added.")
    current = case.medications.get(drug)
    if current is not None:
        lines.append("The drug is taken already; the simulation begins without any of it in the body.")
    lines.append(
        f"The bands ({100 * BAND[0]:.0f} to {100 * BAND[1]:.0f} %) cover uncertain parameters and clearance, not how"
        " this person's symptoms respond."
    )
    return lines
