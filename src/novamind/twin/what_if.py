"""What if this drug at this dose: genotype and co-medication -> exposure -> occupancy -> symptom effect bands.

The chain is the pharmacogenomic review (phenotype after co-medication) put into the neurochemical simulation. The
same regimen in a normal metaboliser with no co-medication, with the same ensemble and seed, is the reference, so that
the ratio between the two is the person's and not chance.
"""

from collections.abc import Mapping
from typing import Any

from novamind.drugs.names import normalise
from novamind.errors import NotFoundError
from novamind.neurochemistry import drug_names, simulate
from novamind.neurochemistry.simulation import BAND, Simulation
from novamind.pharmacogenomics import recommend
from novamind.pharmacogenomics.domain import GeneResult, Phenotype
from novamind.pharmacogenomics.phenoconversion import acting_on
from novamind.twin.case import Case
from novamind.twin.results import WhatIf

#: The enzymes whose activity the simulation knows.
ENZYMES = ("CYP1A2", "CYP2B6", "CYP2C19", "CYP2D6", "CYP3A4")
DEFAULT_WEEKS = 8
DEFAULT_ENSEMBLE = 100
_STRENGTHS = ("strong", "moderate", "weak")


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
    others = tuple(medication for medication in case.medications if medication != name)
    review = recommend(case.genotype, (name,), others, case.conditions, case.allergens)[name]
    activity, notes = _activity(case, others)
    inhibitors = _inhibitors(activity, name, others)
    shared: dict[str, Any] = {"interval_hours": interval_hours, "weeks": weeks, "ensemble": ensemble, "seed": seed}
    course = simulate(name, dose_mg, phenotypes=activity, inhibitors=inhibitors, **shared)
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


def _activity(case: Case, others: tuple[str, ...]) -> tuple[dict[str, str | float], list[str]]:
    """Return the state of each typed enzyme after co-medication, and what is left open."""
    activity: dict[str, str | float] = {}
    notes = []
    review = recommend({g: d for g, d in case.genotype.items() if g in ENZYMES}, (), others)
    for gene in ENZYMES:
        readings = [change for change in review.phenotypes if change.gene == gene]
        states = {_state(change.after) for change in readings}
        if not readings:
            continue
        if len(states) > 1 or None in states:
            notes.append(f"{gene}: the genotype leaves the activity open, so normal activity was simulated.")
            continue
        activity[gene] = states.pop()  # type: ignore[assignment]
    return activity, notes


def _state(reading: GeneResult) -> str | float | None:
    if reading.activity_score is not None and reading.gene == "CYP2D6":
        return float(reading.activity_score)
    if reading.phenotype in (None, Phenotype.INDETERMINATE, Phenotype.POSSIBLE_INTERMEDIATE):
        return None
    return str(reading.phenotype)


def _inhibitors(typed: Mapping[str, object], drug: str, others: tuple[str, ...]) -> dict[str, str | float]:
    """Return the strongest confirmed inhibitor of each enzyme that is not typed; typed ones are converted already."""
    inhibitors: dict[str, str | float] = {}
    for enzyme in ENZYMES:
        acting = [m for m in acting_on(enzyme, others, drug) if m.checked and m.effect == "inhibitor"]
        strengths = [m.strength for m in acting if m.strength in _STRENGTHS]
        if enzyme not in typed and strengths:
            inhibitors[enzyme] = min(strengths, key=_STRENGTHS.index)
    return inhibitors


def _unknown(case: Case, drug: str, others: tuple[str, ...], course: Simulation) -> list[str]:
    lines = [course.symptom_note]
    untyped = [g for g in ("CYP2D6", "CYP2C19") if g not in case.genotype]
    if untyped:
        lines.append(f"No result of {' and '.join(untyped)}: normal activity was simulated.")
    inducing = sorted({m.sentence for e in ENZYMES for m in acting_on(e, others, drug) if m.effect == "inducer"})
    lines += [f"{sentence}: the fall in exposure is not simulated." for sentence in inducing]
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
