"""Condition and AllergyIntolerance, and the statements that there is none."""

import re

from novamind.records.fhir import models as fhir
from novamind.records.fhir.documents import Located
from novamind.records.fhir.identity import Person
from novamind.records.fhir.intake import Intake
from novamind.records.fhir.terminology import (
    SNOMED,
    condition_of,
    condition_words,
    ingredients,
    medication_names,
    medication_of,
)
from novamind.records.patient import Allergy, Coding, Condition

#: HL7 International Patient Summary: each of its codes says that nothing is known, or that there is none.
_ABSENT_OR_UNKNOWN = "http://hl7.org/fhir/uv/ips/CodeSystem/absent-unknown-uv-ips"
#: SNOMED CT: no known allergy, of drugs, of food, of the environment, of latex; (situation); no current problems;
#: no known medications.
NOTHING_KNOWN = frozenset({
    "716186003", "409137002", "429625007", "428607008", "716184000", "160244002", "160245001", "787481004",
})  # fmt: skip
_NOTHING = re.compile(
    r"(no|nil|none|denies|keine?|ohne)( any)?"
    r"( (known|current|currently known|regular|active|significant|reported|bekannten?|aktuellen?|derzeitigen?"
    r"|past|drug|drugs|medication|medicine|food|latex|environmental|health|medical))*"
    r"( (known|reported|allerg\w*|medications?|medicines?|medikamente?|medikation|drugs?|drug therapy|problems?"
    r"|conditions?|history|diagnos[ei]s|diagnosen|beschwerden|erkrankungen|unverträglichkeiten?|arzneimittelallergien?))?"
    r"|nka|nkda|nkfa|not (currently )?(on|taking) any (medications?|medicines?|drugs?)|n/?a",
)


def states_absence(concept: fhir.Concept) -> bool:
    """Return whether a concept says that there is nothing: by code, or by its whole text."""
    for coding in concept.coding:
        if coding.system == _ABSENT_OR_UNKNOWN or (coding.system == SNOMED and coding.code in NOTHING_KNOWN):
            return True
    return _NOTHING.fullmatch(" ".join(concept.shown.casefold().strip(" .").split())) is not None


def named(
    concept: fhir.Concept | None, person: Person, entry: Located, intake: Intake
) -> tuple[str, list[Coding]] | None:
    """Return text and codes of a concept; ``None`` with an issue where it has neither."""
    codings = [Coding(c.system or "", c.code) for c in (concept.coding if concept else ()) if c.code]
    name = (concept.shown if concept else "") or (codings[0].code if codings else "")
    if name:
        return name, codings
    intake.note(person, entry, "error", "required", f"{entry.kind} without code or text; not read")
    return None


def read_condition(person: Person, entry: Located, intake: Intake) -> None:
    """Read a diagnosis or problem."""
    condition = intake.parsed(fhir.Condition, entry)
    if condition is None:
        return
    draft = intake.drafts[person]
    if _codes(condition.verificationStatus) & {"refuted", "entered-in-error"}:
        intake.passed_over(entry, "Condition that was refuted or withdrawn; not read")
        return
    name_and_codes = named(condition.code, person, entry, intake)
    if name_and_codes is None or _is_absence(condition.code, entry, intake):
        return
    name, codings = name_and_codes
    words = [(c, condition_of(c.system, c.code)) for c in codings]
    code, word = next(((c, w) for c, w in words if w), (codings[0] if codings else None, None))
    if word is None and name.casefold() in condition_words():
        word = name.casefold()
    onset, abatement = condition.onsetPeriod or fhir.Period(), condition.abatementPeriod or fhir.Period()
    begun = intake.date_as_given(condition.onsetDateTime, person, entry, "onsetDateTime")
    begun = begun or intake.date_as_given(onset.start, person, entry, "onsetPeriod")
    ended = intake.date_as_given(condition.abatementDateTime, person, entry, "abatementDateTime")
    ended = ended or intake.date_as_given(abatement.end, person, entry, "abatementPeriod")
    status = _codes(condition.clinicalStatus)
    active = bool(status & {"active", "recurrence", "relapse"}) if status else ended is None
    draft.conditions.append(Condition(name, code, word, begun, ended, active, entry.name))


def read_allergy(person: Person, entry: Located, intake: Intake) -> None:
    """Read an allergy or intolerance."""
    allergy = intake.parsed(fhir.AllergyIntolerance, entry)
    if allergy is None:
        return
    draft = intake.drafts[person]
    if _codes(allergy.verificationStatus) & {"refuted", "entered-in-error"}:
        intake.passed_over(entry, "AllergyIntolerance refuted or withdrawn; not read")
        return
    name_and_codes = named(allergy.code, person, entry, intake)
    if name_and_codes is None or _is_absence(allergy.code, entry, intake):
        return
    name, codings = name_and_codes
    by_code = next(((c, m) for c in codings if (m := medication_of(c.system, c.code))), None)
    text = ingredients(name)[0]
    code, medication = by_code or (codings[0] if codings else None, text if text in medication_names() else None)
    status = _codes(allergy.clinicalStatus)
    active = "active" in status if status else True
    draft.allergies.append(Allergy(name, code, medication, allergy.criticality, active, entry.name))


def _is_absence(concept: fhir.Concept | None, entry: Located, intake: Intake) -> bool:
    if concept is None or not states_absence(concept):
        return False
    intake.passed_over(entry, f"{entry.kind} that states that there is none or none is known; no entry")
    return True


def _codes(concept: fhir.Concept | None) -> set[str]:
    return {coding.code for coding in (concept.coding if concept else ()) if coding.code}
