"""Medications: prescribed, taken, handed over and administered, each as the course that it says.

MedicationRequest and MedicationStatement say what is taken and until when. A MedicationDispense lasts for its
``daysSupply``. A MedicationAdministration is one day; a depot (long-acting injection) lasts until the longest interval
that labels give for its kind. :mod:`novamind.records.fhir.courses` joins what continues each other.
"""

import re
from datetime import date, datetime, timedelta

import pydantic
from numpy import isfinite

from novamind.records.fhir import models as fhir
from novamind.records.fhir.conditions import states_absence
from novamind.records.fhir.documents import Located
from novamind.records.fhir.identity import Person
from novamind.records.fhir.intake import WITHDRAWN, Intake, Supply
from novamind.records.fhir.references import Key, address, key_of, relative_key, server_of
from novamind.records.fhir.terminology import OWN, ingredients, medication_names, medication_of, strength_mg
from novamind.records.fhir.times import day_of, moment
from novamind.records.patient import Coding, MedicationCourse

#: Statuses of what was taken, in force or over.
TAKEN = {
    "MedicationRequest": frozenset({"active", "on-hold", "completed", "stopped", "ended"}),
    "MedicationStatement": frozenset({"active", "on-hold", "completed", "stopped"}),
    "MedicationDispense": frozenset({"completed"}),
    "MedicationAdministration": frozenset({"completed", "in-progress", "on-hold", "stopped"}),
}
_NOT_MEANT = ("proposal", "plan", "option")
#: A refill may come this much later than the supply before it ends; longest customary supply. Our assumptions.
GRACE_DAYS = 14
SUPPLY_DAYS = 90
#: Longest labelled interval of depots, in days, by what their names have in common: US labels of haloperidol and
#: fluphenazine decanoate (4 and 6 weeks), paliperidone palmitate (1 month), olanzapine pamoate (4 weeks), aripiprazole
#: lauroxil (8 weeks), risperidone microspheres (2 weeks); other long-acting injections a month.
DEPOT_DAYS = {
    "decanoate": 42, "enanthate": 42, "palmitate": 31, "pamoate": 28, "lauroxil": 56, "microspheres": 14,
    "long-acting": 31, "long acting": 31, "depot": 31, "extended release suspension": 31,
    "extended-release suspension": 31,
}  # fmt: skip
_PER_DAY = {"h": 24.0, "d": 1.0, "wk": 1 / 7}
_DAYS = {"d": 1, "day": 1, "days": 1, "wk": 7, "week": 7, "weeks": 7}
_PIECE = re.compile(r"\{?(tbl|tab|tablet|capsule|cap|pill)s?\}?|1")
_MG_PER_ML = re.compile(r"(?<![\d.])(\d{1,6}(?:\.\d{1,4})?)\s*MG\s*/\s*ML\b", re.IGNORECASE)


class Products:
    """The Medication resources of a file, by every name that a reference may use."""

    def __init__(self, entries: list[Located]) -> None:
        self._by_key: dict[Key, list[Located]] = {}
        for entry in entries:
            if entry.kind == "Medication" and entry.parent is None:
                relative = relative_key(entry)
                anywhere = None if relative is None else relative._replace(server="*")
                for key in {key_of(entry), relative, anywhere}:
                    if key is not None:
                        self._by_key.setdefault(key, []).append(entry)

    def concept(self, reference: fhir.Reference | None, entry: Located) -> fhir.Concept | None:
        """Return what a reference names: the product, else the words beside the reference."""
        text = (reference.reference if reference else None) or ""
        resource = entry.contained.get(text[1:]) if text.startswith("#") else None
        written = address(text)
        if resource is None and text and not text.startswith("#"):
            keys: list[Key] = [text]
            if written is not None:
                server = written.server or server_of(entry)
                keys = [written._replace(server=server), written._replace(server="")]
                keys += [] if written.server else [written._replace(server="*")]
            products = next((match for key in keys if (match := self._by_key.get(key))), [])
            resource = products[0].resource if len(products) == 1 else None
        if resource is not None:
            try:
                return fhir.Medication.model_validate(resource).code
            except pydantic.ValidationError:
                return None
        return fhir.Concept(text=reference.display) if reference and reference.display else None


def read_medication(person: Person, entry: Located, intake: Intake, products: Products) -> None:
    """Read a prescription, statement, dispense or administration."""
    is_given = entry.kind == "MedicationAdministration"
    model: type[fhir.MedicationAdministration] = fhir.MedicationAdministration if is_given else fhir.MedicationUse
    use = intake.parsed(model, entry)
    if use is None:
        return
    draft = intake.drafts[person]
    is_meant = not isinstance(use, fhir.MedicationUse) or not (use.intent in _NOT_MEANT or use.doNotPerform)
    if use.status not in TAKEN[entry.kind] or not is_meant:
        text = f"{entry.kind} that was not taken (draft, plan, cancelled); not read"
        intake.passed_over(entry, WITHDRAWN if use.status == "entered-in-error" else text)
        return
    concept = use.medicationCodeableConcept or products.concept(use.medicationReference, entry)
    if concept is None or not (concept.shown or concept.coding):
        intake.note(person, entry, "error", "required", f"{entry.kind} names no medication; not read")
        return
    if states_absence(concept):
        intake.passed_over(entry, f"{entry.kind} that states that there is none or none is known; no entry")
        return
    names, code, remark = _names(concept)
    if remark:
        intake.note(person, entry, "warning", "code-invalid", remark)
    start, end = _bounds(use, concept, person, entry, intake)
    if start and end and end < start:
        text = f"{entry.kind} ends before it starts; its end is left out"
        intake.note(person, entry, "warning", "value", text)
        end = None
    doses = (*use.dosageInstruction, *use.dosage) if isinstance(use, fhir.MedicationUse) else ()
    dose = _daily_dose(doses, concept.shown) if len(names) == 1 else None
    is_event = is_given or entry.kind == "MedicationDispense"
    stopped = not is_event and use.status != "active" and end is None
    reach = _reach(use.status, start, end, is_open=end is None and not stopped)
    draft.supplies.extend(
        Supply(MedicationCourse(name, start, end, dose, stopped, code, entry.name), reach, is_event) for name in names
    )


def _reach(status: str, start: date | None, end: date | None, *, is_open: bool) -> date | None:
    """Return the last day on which another start of the same dose continues a course."""
    if is_open:
        return date.max
    if end is not None:
        return end + timedelta(days=GRACE_DAYS)
    is_used_up = status in ("completed", "ended") and start is not None
    return start + timedelta(days=SUPPLY_DAYS + GRACE_DAYS) if is_used_up and start is not None else None


def _bounds(
    use: fhir.MedicationAdministration, concept: fhir.Concept, person: Person, entry: Located, intake: Intake
) -> tuple[date | None, date | None]:
    """Return the first and the last day, where they are known."""
    if not isinstance(use, fhir.MedicationUse):
        period = use.effectivePeriod or fhir.Period()
        first = _day(period.start or use.effectiveDateTime, person, entry, intake)
        last = _day(period.end, person, entry, intake) or first
        text = " ".join([concept.shown, *(coding.display or "" for coding in concept.coding)]).casefold()
        lasts = max((days for words, days in DEPOT_DAYS.items() if words in text), default=1)
        return first, None if last is None else last + timedelta(days=lasts - 1)
    if entry.kind == "MedicationDispense":
        first = _day(use.whenHandedOver or use.whenPrepared, person, entry, intake)
        days = _days(use.daysSupply)
        if first is None or days is None:
            text = "MedicationDispense that does not say from when and for how many days; its end is left open"
            intake.note(person, entry, "warning", "incomplete", text)
            return first, None
        return first, first + timedelta(days=days - 1)
    timings = (dose.timing.repeat for dose in (*use.dosageInstruction, *use.dosage) if dose.timing)
    bounds = next((repeat.boundsPeriod for repeat in timings if repeat and repeat.boundsPeriod), None)
    validity = use.dispenseRequest.validityPeriod if use.dispenseRequest else None
    period = use.effectivePeriod or bounds or validity or fhir.Period()
    first = _day(period.start or use.effectiveDateTime or use.authoredOn, person, entry, intake)
    return first, _day(period.end, person, entry, intake)


def _day(text: str | None, person: Person, entry: Located, intake: Intake) -> date | None:
    when: datetime | date | None = moment(text)
    if when is None:
        if text is not None:
            issue = f"{entry.kind} with a date that is not a full day; left open"
            intake.note(person, entry, "warning", "value", issue)
        return None
    return day_of(when, intake.drafts[person].zone)


def _days(quantity: fhir.Quantity | None) -> int | None:
    unit = (quantity.code or quantity.unit or "d").casefold() if quantity else ""
    if quantity is None or quantity.value is None or unit not in _DAYS:
        return None
    days = quantity.value * _DAYS[unit]
    return int(days) if 1 <= days <= 3660 else None


def _names(concept: fhir.Concept) -> tuple[tuple[str, ...], Coding | None, str]:
    """Return our names, the reported code, and a remark for the sender."""
    own = next((c for c in concept.coding if c.system == f"{OWN}:medication"), None)
    codings = [Coding(c.system or "", c.code) for c in concept.coding if c.code and c is not own]
    code = codings[0] if codings else None
    if own is not None:
        return (own.display or concept.shown,), code, ""
    coded = [(c, name) for c in codings if (name := medication_of(c.system, c.code))]
    text = ingredients(concept.shown) if concept.shown else ()
    strangers = [name for name in text if name in medication_names()]
    if coded:
        code, name = coded[0]
        if strangers and name not in strangers:
            return tuple(strangers), code, "a medication's code and its text name different drugs: the text is used"
        return (name,), code, ""
    if not text:
        return (str(code),), code, "a medication's code is in no table and it has no text: kept under its code"
    if not strangers:
        return text, code, "a medication is not in our tables: kept under the name in its text"
    return text, code, ""


def _daily_dose(doses: tuple[fhir.Dosage, ...], text: str) -> float | None:
    """Return mg a day of one regular dosage: an amount in mg, or units or mL whose strength is in the text."""
    if len(doses) != 1 or doses[0].asNeededBoolean or len(doses[0].doseAndRate) != 1:
        return None
    repeat = doses[0].timing.repeat if doses[0].timing else None
    quantity = doses[0].doseAndRate[0].doseQuantity
    if repeat is None or quantity is None or quantity.value is None or quantity.value <= 0:
        return None
    if not repeat.frequency or repeat.period is None or repeat.period <= 0 or repeat.periodUnit not in _PER_DAY:
        return None
    each = _milligrams(quantity.value, (quantity.code or quantity.unit or "").casefold(), text)
    if each is None:
        return None
    daily = each * repeat.frequency * _PER_DAY[repeat.periodUnit] / repeat.period
    return daily if isfinite(daily) and daily > 0 else None


def _milligrams(value: float, unit: str, text: str) -> float | None:
    if unit in ("mg", "g"):
        return value * (1000.0 if unit == "g" else 1.0)
    if not unit or _PIECE.fullmatch(unit):
        strength = strength_mg(text)
    elif unit == "ml":
        strengths = _MG_PER_ML.findall(text)
        strength = float(strengths[0]) if len(strengths) == 1 and " / " not in text else None
    else:
        return None
    return None if strength is None else value * strength
