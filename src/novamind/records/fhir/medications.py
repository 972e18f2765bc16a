"""Medications: prescribed, taken, handed over and administered, each as the course that it says.

MedicationRequest and MedicationStatement say what is taken and until when. A MedicationDispense lasts for its
``daysSupply``. A MedicationAdministration is one day; a depot (long-acting injection) lasts until the longest interval
that labels give for its kind. :mod:`novamind.records.fhir.assembly` joins what continues each other.
"""

import re
from datetime import date, datetime, timedelta

import pydantic
from numpy import isfinite

from novamind.records.fhir import models as fhir
from novamind.records.fhir.documents import Located
from novamind.records.fhir.identity import Person
from novamind.records.fhir.intake import EARLIEST, WITHDRAWN, Intake, Supply
from novamind.records.fhir.references import Key, address
from novamind.records.fhir.terminology import meaning_of, medications_of, piece_mg, shown

#: Statuses of what was taken, in force or over.
TAKEN = {
    "MedicationRequest": frozenset({"active", "on-hold", "completed", "stopped", "ended"}),
    "MedicationStatement": frozenset({"active", "on-hold", "completed", "stopped"}),
    "MedicationDispense": frozenset({"completed"}),
    "MedicationAdministration": frozenset({"completed", "in-progress", "on-hold", "stopped"}),
}
_ANY_SERVER = "*"
_LATEST = date(2199, 12, 31)
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
    # Brands whose names say nothing of it, by their US or EU labels.
    "sustenna": 31, "xeplion": 31, "trinza": 92, "trevicta": 92, "hafyera": 183, "byannli": 183,
    "maintena": 31, "asimtufii": 62, "aristada": 56, "relprevv": 28, "zypadhera": 28,
    "consta": 14, "rykindo": 14, "perseris": 31, "okedi": 28, "vivitrol": 31, "sublocade": 31,
}  # fmt: skip
_PER_DAY = {"h": 24.0, "d": 1.0, "wk": 1 / 7}
#: Times a day by the codes of R4's TimingAbbreviation.
TIMES_A_DAY = {
    "AM": 1.0, "PM": 1.0, "BED": 1.0, "QD": 1.0, "QOD": 0.5, "BID": 2.0, "TID": 3.0, "QID": 4.0,
    "Q1H": 24.0, "Q2H": 12.0, "Q3H": 8.0, "Q4H": 6.0, "Q6H": 4.0, "Q8H": 3.0, "WK": 1 / 7,
}  # fmt: skip
_MILLIGRAMS = {"mg": 1.0, "g": 1000.0, "ug": 0.001, "mcg": 0.001, "µg": 0.001, "μg": 0.001}
_LEFT_OPEN = (
    "a dosage that is no one regular amount in mg (steps, a range, as needed, words alone): the daily dose is left open"
)
_DAYS = {"d": 1, "day": 1, "days": 1, "wk": 7, "week": 7, "weeks": 7}
_PIECE = re.compile(r"\{?(tbl|tab|tablet|capsule|cap|pill)s?\}?|1")
_MG_PER_ML = re.compile(r"(?<![\d.])(\d{1,6}(?:\.\d{1,4})?)\s*MG\s*/\s*ML\b", re.IGNORECASE)


Products = dict[Key, list[Located]]


def read_medication(
    use: fhir.MedicationAdministration, person: Person, entry: Located, intake: Intake, products: Products
) -> None:
    """Read a prescription, statement, dispense or administration; ``products`` are the Medications of the file."""
    is_meant = not isinstance(use, fhir.MedicationUse) or not (use.intent in _NOT_MEANT or use.doNotPerform)
    if use.status not in TAKEN[entry.kind] or not is_meant:
        text = f"{entry.kind} that was not taken (draft, plan, cancelled); not read"
        intake.passed_over(entry, WITHDRAWN if use.status == "entered-in-error" else text)
        return
    concept = use.medicationCodeableConcept
    if concept is None and use.medicationReference is not None:
        concept = _product(use.medicationReference, entry, products)
    if concept is None:
        intake.note(person, entry, "error", "required", f"{entry.kind} names no medication; not read")
        return
    texts = [text for text in (concept.text, *(c.display for c in concept.coding)) if text and text.strip()]
    start, end = _bounds(use, " ".join(texts), person, entry, intake)
    if start and end and end < start:
        text = f"{entry.kind} ends before it starts; its end is left out"
        intake.note(person, entry, "warning", "value", text)
        end = None
    doses = (*use.dosageInstruction, *use.dosage) if isinstance(use, fhir.MedicationUse) else ()
    dose = _daily_dose(doses, concept)
    is_event = entry.kind in ("MedicationDispense", "MedicationAdministration")
    stopped = not is_event and use.status != "active" and end is None
    reach = _reach(use.status, start, end, is_open=end is None and not stopped)
    meaning = meaning_of(concept)
    medications, code, remark = medications_of(concept, meaning)
    names = [name for name in medications if meaning.name and name.strip()]
    if meaning.is_absence:
        intake.passed_over(entry, f"{entry.kind} that states that there is none or none is known; no entry")
        return
    if not names:
        intake.note(person, entry, "error", "required", f"{entry.kind} names no medication; not read")
    elif remark:
        intake.note(person, entry, "warning", "code-invalid", remark)
    of_each = dose if len(names) == 1 else None
    if names and of_each is None and any(dose.doseAndRate or dose.text for dose in doses):
        intake.note(None, entry, "information", "incomplete", _LEFT_OPEN)
    intake.drafts[person].supplies.extend(
        Supply(name, start, end, of_each, stopped, code, entry.name, reach, is_event) for name in names
    )


def products_of(entries: list[Located]) -> Products:
    """Return the Medication resources of a file, by every name that a reference may use."""
    products: Products = {}
    for entry in entries:
        if entry.kind == "Medication" and entry.parent is None:
            relative = entry.names.relative
            anywhere = None if relative is None else relative._replace(server=_ANY_SERVER)
            for key in {entry.names.key, relative, anywhere}:
                if key is not None:
                    products.setdefault(key, []).append(entry)
    return products


def _product(reference: fhir.Reference, entry: Located, products: Products) -> fhir.Concept | None:
    """Return what a reference names: the product, else the words beside the reference."""
    text = reference.reference or ""
    resource = entry.contained.get(text[1:]) if text.startswith("#") else None
    if resource is None and text and not text.startswith("#"):
        keys: list[Key] = [text]
        if (written := address(text)) is not None:
            keys = [written._replace(server=written.server or entry.names.server), written._replace(server="")]
            keys += [] if written.server else [written._replace(server=_ANY_SERVER)]
        matches = next((match for key in keys if (match := products.get(key))), [])
        resource = matches[0].resource if len(matches) == 1 else None
    if resource is None:
        return fhir.Concept(text=reference.display) if reference.display else None
    try:
        product = fhir.Medication.model_validate(resource)
    except pydantic.ValidationError:
        return None
    is_named = product.code is not None and bool(meaning_of(product.code).products)
    return product.code if is_named else _of_ingredients(product.ingredient) or product.code


def _of_ingredients(parts: tuple[fhir.Ingredient, ...]) -> fhir.Concept | None:
    """Return the concept of the active ingredients of a product, several in one text as RxNorm writes them."""
    concepts = [(_substance(part), part.strength) for part in parts if part.isActive is not False]
    if not concepts or not all(concept for concept, _ in concepts):
        return None
    texts = [f"{shown(concept)}{_strength(ratio)}" for concept, ratio in concepts if concept]
    coding = concepts[0][0].coding if len(concepts) == 1 and concepts[0][0] else ()
    return fhir.Concept(text=" / ".join(texts) if all(texts) else None, coding=coding)


def _substance(part: fhir.Ingredient) -> fhir.Concept | None:
    if part.itemCodeableConcept is not None:
        return part.itemCodeableConcept
    words = part.itemReference.display if part.itemReference else None
    return fhir.Concept(text=words) if words else None


def _strength(ratio: fhir.Ratio | None) -> str:
    """Return the strength of one piece as RxNorm writes it; empty where the ratio says none in mg."""
    amount, piece = (ratio.numerator, ratio.denominator) if ratio else (None, None)
    if amount is None or amount.value is None or (amount.code or amount.unit or "").casefold() != "mg":
        return ""
    unit = (piece.code or piece.unit or "").casefold() if piece else ""
    is_one = piece is None or (piece.value in (None, 1) and (not unit or _PIECE.fullmatch(unit) is not None))
    return f" {amount.value:g} MG" if is_one else ""


def _reach(status: str, start: date | None, end: date | None, *, is_open: bool) -> date | None:
    """Return the last day on which another start of the same dose continues a course."""
    if is_open:
        return date.max
    if end is not None:
        return end + timedelta(days=GRACE_DAYS)
    is_used_up = status in ("completed", "ended") and start is not None
    return start + timedelta(days=SUPPLY_DAYS + GRACE_DAYS) if is_used_up and start is not None else None


def _bounds(
    use: fhir.MedicationAdministration, words: str, person: Person, entry: Located, intake: Intake
) -> tuple[date | None, date | None]:
    """Return the first and the last day, where they are known."""
    if not isinstance(use, fhir.MedicationUse):
        period = use.effectivePeriod or fhir.Period()
        first = _day(period.start or use.effectiveDateTime, person, entry, intake)
        last = _day(period.end, person, entry, intake) or first
        lasts = max((days for kind, days in DEPOT_DAYS.items() if kind in words.casefold()), default=1)
        return first, None if last is None else last + timedelta(days=lasts - 1)
    if entry.kind == "MedicationDispense":
        first = _day(use.whenHandedOver or use.whenPrepared, person, entry, intake)
        supply = _days(use.daysSupply)
        if first is None or supply is None:
            text = "MedicationDispense that does not say from when and for how many days; its end is left open"
            intake.note(person, entry, "warning", "incomplete", text)
            return first, None
        return first, first + timedelta(days=supply - 1)
    taken = use.effectivePeriod
    start, end = (taken.start, taken.end) if taken else _span(use)
    first = _day(start or use.effectiveDateTime or use.authoredOn, person, entry, intake)
    return first, _day(end, person, entry, intake)


def _span(use: fhir.MedicationUse) -> tuple[fhir.Moment | None, fhir.Moment | None]:
    """Return the start of the first step of a dosage and the end of the last, else those of the prescription."""
    steps = (*use.dosageInstruction, *use.dosage)
    bounds = [s.timing.repeat.boundsPeriod for s in steps if s.timing and s.timing.repeat]
    periods = [period for period in bounds if period is not None]
    if not periods:
        validity = use.dispenseRequest.validityPeriod if use.dispenseRequest else None
        periods, steps = ([validity] if validity else []), steps[:1]
    starts, ends = [p.start for p in periods if p.start], [p.end for p in periods if p.end]
    is_over = len(ends) == max(len(steps), 1)
    return min(starts, key=_on, default=None), max(ends, key=_on, default=None) if is_over else None


def _on(moment: fhir.Moment) -> date:
    return moment.day or date.max


def _day(moment: fhir.Moment | None, person: Person, entry: Located, intake: Intake) -> date | None:
    """Return the local day; ``None``, with an issue on any other text, where there is no full date that can be."""
    if moment is None:
        return None
    # Some systems write 9999-12-31 where there is no end.
    if moment.day is None or not EARLIEST <= moment.day <= _LATEST:
        intake.note(person, entry, "warning", "value", f"{entry.kind} with a date that is not a full day; left open")
        return None
    zone = intake.drafts[person].zone
    return moment.when.astimezone(zone).date() if isinstance(moment.when, datetime) and zone else moment.day


def _days(quantity: fhir.Quantity | None) -> int | None:
    unit = (quantity.code or quantity.unit or "d").casefold() if quantity else ""
    if quantity is None or quantity.value is None or unit not in _DAYS:
        return None
    days = quantity.value * _DAYS[unit]
    return int(days) if 1 <= days <= 3660 else None


def _daily_dose(doses: tuple[fhir.Dosage, ...], concept: fhir.Concept) -> float | None:
    """Return mg a day of one regular dosage: an amount in mg, or pieces or mL whose strength the product names."""
    if len(doses) != 1 or len(doses[0].doseAndRate) != 1:
        return None
    quantity, often = doses[0].doseAndRate[0].doseQuantity, _times_a_day(doses[0].timing)
    as_needed = doses[0].asNeededBoolean or doses[0].asNeededCodeableConcept
    if as_needed or often is None or quantity is None or quantity.value is None or quantity.value <= 0:
        return None
    each = _milligrams(quantity.value, (quantity.code or quantity.unit or "").casefold(), concept)
    daily = 0.0 if each is None else each * often
    return daily if isfinite(daily) and daily > 0 else None


def _times_a_day(timing: fhir.Timing | None) -> float | None:
    """Return how often a day on average; ``None`` where it varies or is not told."""
    repeat = timing.repeat if timing and timing.repeat else fhir.Repeat()
    if not repeat.frequency:
        coded = timing.code.coding if timing and timing.code and not repeat.dayOfWeek else ()
        return next((TIMES_A_DAY[coding.code] for coding in coded if coding.code in TIMES_A_DAY), None)
    if repeat.period is None or repeat.period <= 0 or repeat.periodUnit not in _PER_DAY:
        return None
    often = repeat.frequency * _PER_DAY[repeat.periodUnit] / repeat.period
    days, varies = len(set(repeat.dayOfWeek)), repeat.frequencyMax is not None or repeat.periodMax is not None
    if days and (repeat.periodUnit, repeat.period) == ("d", 1):
        often *= days / 7
    elif days and (repeat.periodUnit, repeat.frequency) != ("wk", days):
        varies = True
    return None if varies else often


def _milligrams(value: float, unit: str, concept: fhir.Concept) -> float | None:
    if unit in _MILLIGRAMS:
        return value * _MILLIGRAMS[unit]
    if not unit or _PIECE.fullmatch(unit):
        strength = piece_mg(concept)
    elif unit == "ml":
        text = shown(concept)
        strengths = _MG_PER_ML.findall(text)
        strength = float(strengths[0]) if len(strengths) == 1 and " / " not in text else None
    else:
        return None
    return None if strength is None else value * strength
