"""What a person takes as a regimen, and what other steps would do: the record's medication list over time.

The regimen begins some weeks before today, so that what is taken is at its steady state. Steps in question count in
days from today. A step of a drug that is taken already takes the place of the recorded dose from its start on; a dose
of 0 stops it. Genotype, kidney, age and liver are those of the record; what the drugs do to each other is simulated.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

from novamind.drugs.catalogue import catalogue
from novamind.drugs.kinetics import REFERENCE_CREATININE_CLEARANCE, kinetics
from novamind.drugs.names import drugs_of, find
from novamind.drugs.organs import organ_effect
from novamind.errors import ValidationError
from novamind.neurochemistry import RegimenStep, drug_names
from novamind.neurochemistry.course import simulate_regimen
from novamind.neurochemistry.regimen import SMOKING, read_regimen
from novamind.neurochemistry.simulation import MAXIMUM_WEEKS
from novamind.neurochemistry.switching import proposed_steps
from novamind.records import MedicationCourse
from novamind.twin.case import Case
from novamind.twin.results import RegimenWhatIf
from novamind.twin.what_if import DEFAULT_WEEKS, genotype_activity

#: Weeks of the record that are simulated before today.
HISTORY_WEEKS = 8
DEFAULT_REGIMEN_ENSEMBLE = 30


def recorded_regimen(case: Case) -> tuple[tuple[RegimenStep, ...], tuple[str, ...]]:
    """Return what the record says was taken from eight weeks ago on, in days since then, and what it leaves open."""
    zero = case.today - timedelta(weeks=HISTORY_WEEKS)
    steps: list[RegimenStep] = []
    notes: list[str] = []
    for course in case.record.medications:
        begun = max((course.start - zero).days, 0) if course.start is not None else 0
        ended = None if course.end is None else (course.end - zero).days + 1
        if (course.stopped and course.end is None) or (ended is not None and ended <= begun):
            continue
        if begun > HISTORY_WEEKS * 7:
            continue  # planned, not taken yet
        for drug in drugs_of(course.medication):
            step, note = _recorded(course, drug, begun, ended)
            steps += [step] if step is not None else []
            notes += [note] if note else []
        if not drugs_of(course.medication):
            notes.append("A medication of the record is not in our tables and was left out.")
    if case.person.smoker:
        steps.append(RegimenStep(SMOKING))
    return tuple(steps), tuple(dict.fromkeys(notes))


def what_if_regimen(
    case: Case,
    steps: Iterable[RegimenStep | Sequence[Any] | Mapping[str, Any]] = (),
    *,
    weeks: int = DEFAULT_WEEKS,
    ensemble: int = DEFAULT_REGIMEN_ENSEMBLE,
    seed: int = 0,
    sentence: str = "",
) -> RegimenWhatIf:
    """Simulate what this person takes, with other steps from today on.

    Parameters
    ----------
    steps
        In days from today; as of :func:`novamind.neurochemistry.simulate`.
    weeks
        After today.
    ensemble, seed
        As of :func:`novamind.neurochemistry.simulate`.
    sentence
        What the steps are, for pages.

    Raises
    ------
    NotFoundError
        A drug is not in the tables, or nothing can be simulated.
    ValidationError
        A figure out of range, or neither a recorded dose nor a step.
    """
    asked = read_regimen(steps) if (steps := list(steps)) else ()
    if not isinstance(weeks, int) or not 1 <= weeks <= MAXIMUM_WEEKS - HISTORY_WEEKS:
        raise ValidationError(f"weeks must be a whole number from 1 to {MAXIMUM_WEEKS - HISTORY_WEEKS}")
    recorded, notes = recorded_regimen(case)
    today = HISTORY_WEEKS * 7
    begins = {step.drug: min(s.start_day for s in asked if s.drug == step.drug) for step in asked}
    kept = []
    for step in recorded:
        until = today + begins[step.drug] if step.drug in begins else step.stop_day
        if step.start_day < until:
            stop = min(step.stop_day, until)
            kept.append(replace(step, stop=None if stop == float("inf") else stop))
    later = [
        replace(step, start=step.start_day + today, stop=None if step.stop is None else step.stop_day + today)
        for step in asked
        if step.dose_mg != 0.0
    ]
    if not kept and not later:
        raise ValidationError("the record has no medication with a dose; give a step")
    activity, open_genes = genotype_activity(case)
    person, taken = case.person, {step.drug for step in (*kept, *later)}
    kidney = person.number("crcl")
    simulation = simulate_regimen(
        [*kept, *later],
        weeks=weeks + HISTORY_WEEKS,
        phenotypes=activity,
        creatinine_clearance=REFERENCE_CREATININE_CLEARANCE if kidney is None else min(max(kidney, 5.0), 250.0),
        clearance_factor={drug: _organs(case, drug) for drug in taken if drug in drug_names()},
        person=person,
        conditions=case.conditions,
        ensemble=ensemble,
        seed=seed,
    )
    return RegimenWhatIf(simulation, today, sentence, (*notes, *open_genes, *simulation.notes))


def what_if_switch(
    case: Case, old: str, new: str, new_dose_mg: float | None = None, *, ensemble: int = DEFAULT_REGIMEN_ENSEMBLE
) -> RegimenWhatIf:
    """Propose a change from a drug that this person takes to another, from today on, and simulate it.

    Parameters
    ----------
    old, new
        Names of drugs; the recorded dose of the old one counts, the usual one where there is none.
    new_dose_mg
        Daily dose; the usual one where it is left out.
    ensemble
        As of :func:`novamind.neurochemistry.simulate`.

    Raises
    ------
    NotFoundError
        A drug is not in the tables.
    ValidationError
        A drug that is not taken, twice the same drug, two without a rule, or a figure out of range.
    """
    drugs = drugs_of(old)
    recorded = case.doses.get(drugs[0]) if drugs else None
    if drugs and drugs[0] not in case.medications:
        raise ValidationError(
            f"the record does not say that {drugs[0]} is taken; choose a drug that is, or record it first"
        )
    rule, sentence, before, steps = proposed_steps(old, new, recorded.daily_mg if recorded else None, new_dose_mg)
    shifted = [
        replace(
            step, start=max(step.start_day - before, 0.0), stop=None if step.stop is None else step.stop_day - before
        )
        for step in steps
        if step.stop_day > before
    ]
    if not any(step.drug == steps[0].drug for step in shifted):  # a direct change or a wait: stopped today
        shifted.append(RegimenStep(steps[0].drug, 0.0))
    last = max(step.stop_day for step in shifted if step.drug == steps[0].drug)
    if last != float("inf"):
        shifted.append(RegimenStep(steps[0].drug, 0.0, start=last))
    weeks = int(max(step.start_day for step in shifted) + rule.wait_days + 28) // 7 + 1
    return what_if_regimen(case, shifted, weeks=weeks, ensemble=ensemble, sentence=sentence)


def _recorded(course: MedicationCourse, drug: str, begun: float, ended: float | None) -> tuple[RegimenStep | None, str]:
    """Return a recorded course as a step, and what has to be said of it."""
    if drug not in drug_names():
        return (RegimenStep(drug, None, 24.0, begun, ended) if drug in catalogue() else None), ""
    product = find(course.medication)
    if product is not None and product.release == "depot":
        return None, f"{drug.capitalize()} as a depot was left out: give its injections as steps."
    if course.dose_mg is None or len(drugs_of(course.medication)) > 1:
        usual = kinetics(drug).usual_dose
        return (
            RegimenStep(drug, usual, 24.0, begun, ended),
            f"The dose of {drug} is not recorded: its usual {usual:g} mg a day was simulated.",
        )
    return RegimenStep(drug, course.dose_mg, 24.0, begun, ended), ""


def _organs(case: Case, drug: str) -> float:
    """Return this person's clearance over the typical one, as age, liver and a kidney without a share leave it."""
    person = case.person
    return 1.0 / organ_effect(drug, person.age, person.number("crcl"), person.child_pugh).ratio
