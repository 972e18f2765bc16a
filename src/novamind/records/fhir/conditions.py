"""Condition and AllergyIntolerance; a statement that there is none is no entry."""

import re

from novamind.records.fhir import models as fhir
from novamind.records.fhir.documents import Located
from novamind.records.fhir.identity import Person
from novamind.records.fhir.intake import Intake
from novamind.records.fhir.terminology import Meaning, meaning_of
from novamind.records.patient import Allergy, Condition

_FAMILY = re.compile(r"(family (medical )?history|family hx|fhx?\b|f/h\b|fh:|familienanamnese)", re.IGNORECASE)

#: One allergy that somebody does not have, by the whole text.
_DENIED = re.compile(
    r"(no|denies)( known| any)?( [\w-]+){1,2} (allergy|allergies|intolerance)"
    r"|(no|denies)( known| any)? (allergy|allergies|intolerance) to .+"
    r"|(not|no longer) allergic to .+"
    r"|keine?( bekannte)? \w*(allergie|unverträglichkeit)(en)?( (gegen|auf) .+)?",
    re.IGNORECASE,
)


def read_condition(condition: fhir.Condition, person: Person, entry: Located, intake: Intake) -> None:
    """Read a diagnosis or problem."""
    draft = intake.drafts[person]
    if _codes(condition.verificationStatus) & {"refuted", "entered-in-error"}:
        intake.passed_over(entry, "Condition that was refuted or withdrawn; not read")
        return
    meaning = entry_meaning(condition.code, person, entry, intake)
    if meaning is None:
        return
    if _FAMILY.match(meaning.name):
        intake.passed_over(entry, "Condition of the family, not of the patient; not read")
        return
    onset, abatement = condition.onsetPeriod or fhir.Period(), condition.abatementPeriod or fhir.Period()
    dates = {
        "onsetDateTime": condition.onsetDateTime, "onsetPeriod": onset.start,
        "abatementDateTime": condition.abatementDateTime, "abatementPeriod": abatement.end,
    }  # fmt: skip
    exact = {name: moment.text for name, moment in dates.items() if moment is not None and moment.is_date}
    for name, moment in dates.items():
        if moment is not None and not moment.is_date:
            intake.no_date(person, entry, name)
    begun = exact.get("onsetDateTime") or exact.get("onsetPeriod")
    ended = exact.get("abatementDateTime") or exact.get("abatementPeriod")
    status = _codes(condition.clinicalStatus)
    active = bool(status & {"active", "recurrence", "relapse"}) if status else ended is None
    code, word = meaning.condition_code, meaning.condition
    draft.conditions.append(Condition(meaning.name, code, word, begun, ended, active, entry.name))


def read_allergy(allergy: fhir.AllergyIntolerance, person: Person, entry: Located, intake: Intake) -> None:
    """Read an allergy or intolerance."""
    draft = intake.drafts[person]
    if _codes(allergy.verificationStatus) & {"refuted", "entered-in-error"}:
        intake.passed_over(entry, "AllergyIntolerance refuted or withdrawn; not read")
        return
    meaning = entry_meaning(allergy.code, person, entry, intake)
    if meaning is None:
        return
    if _DENIED.fullmatch(" ".join(meaning.name.strip(" .").split())):
        intake.passed_over(entry, "AllergyIntolerance that the person does not have, by its text; no entry")
        return
    drugs = [(coding, product.drug) for coding, product in meaning.products if product.drug is not None]
    coding, drug = drugs[0] if drugs else (None, None)
    code, status = coding or next(iter(meaning.codings), None), _codes(allergy.clinicalStatus)
    active = "active" in status if status else True
    draft.allergies.append(Allergy(meaning.name, code, drug, allergy.criticality, active, entry.name))


def entry_meaning(concept: fhir.Concept | None, person: Person, entry: Located, intake: Intake) -> Meaning | None:
    """Return what an entry of a list is; ``None`` with an issue where it names nothing, or says that there is none."""
    meaning = None if concept is None else meaning_of(concept)
    if meaning is None or not meaning.name:
        intake.note(person, entry, "error", "required", f"{entry.kind} without code or text; not read")
        return None
    if meaning.is_absence:
        intake.passed_over(entry, f"{entry.kind} that states that there is none or none is known; no entry")
        return None
    return meaning


def _codes(concept: fhir.Concept | None) -> set[str]:
    return {coding.code for coding in (concept.coding if concept else ()) if coding.code}
