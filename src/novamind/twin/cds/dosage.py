"""The dose of an order: ``Dosage`` of FHIR R4, structured or in words, as a dosage of each of its drugs.

Whatever is not read without doubt is no dose, and :attr:`Dose.remark` says so. Ranges, "as needed" and a range of
frequencies count with the most that they allow, because a limit is about that.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any

import pydantic

from novamind.drugs.domain import Product, Strength
from novamind.drugs.limits import Dosage
from novamind.records.fhir import models as fhir
from novamind.twin.cds.directions import Directions, hours_of_code, read_directions

#: Units of one piece: of UCUM, of HL7's dose forms, and as people write them.
_PIECE = re.compile(
    r"\{?(tbl|tabs?|tablets?|caps?|capsules?|pills?|patch(es)?|each|ea|unit dose|tabletten?|kapseln?|stück|stk"
    r"|orcap|ertab|drgtab|fctab|pieces?)\}?|1|"
)
_MASS = {"mg": 1.0, "g": 1000.0, "ug": 0.001, "µg": 0.001, "mcg": 0.001, "milligram": 1.0, "milligrams": 1.0}
_HOURS = {"s": 1 / 3600, "min": 1 / 60, "h": 1.0, "d": 24.0, "wk": 168.0, "mo": 730.5, "a": 8766.0}


class _Ratio(fhir.Element):
    numerator: fhir.Quantity | None = None
    denominator: fhir.Quantity | None = None


class _Range(fhir.Element):
    low: fhir.Quantity | None = None
    high: fhir.Quantity | None = None


class _Rate(fhir.Element):
    doseQuantity: fhir.Quantity | None = None  # noqa: N815 - FHIR spells its elements in camel case
    doseRange: _Range | None = None  # noqa: N815
    rateQuantity: fhir.Quantity | None = None  # noqa: N815


class _Repeat(fhir.Element):
    count: fhir.Number | None = None
    frequency: fhir.Number | None = None
    frequencyMax: fhir.Number | None = None  # noqa: N815
    period: fhir.Number | None = None
    periodUnit: fhir.Text | None = None  # noqa: N815
    dayOfWeek: tuple[fhir.Text, ...] = ()  # noqa: N815
    timeOfDay: tuple[fhir.Text, ...] = ()  # noqa: N815
    when: tuple[fhir.Text, ...] = ()


class _Timing(fhir.Element):
    repeat: _Repeat | None = None
    code: fhir.Concept | None = None


class _Instruction(fhir.Element):
    sequence: fhir.Number | None = None
    text: fhir.Text | None = None
    patientInstruction: fhir.Text | None = None  # noqa: N815
    timing: _Timing | None = None
    doseAndRate: tuple[_Rate, ...] = ()  # noqa: N815
    maxDosePerPeriod: _Ratio | tuple[_Ratio, ...] | None = None  # noqa: N815


_INSTRUCTIONS = pydantic.TypeAdapter(tuple[_Instruction, ...])


@dataclass(frozen=True, slots=True)
class Dose:
    """What an order says of its dose: the dosage of each drug, and what of it was not read."""

    of: Mapping[str, Dosage]
    remark: str = ""


@dataclass(frozen=True, slots=True)
class _Line:
    """One instruction: an amount with its unit, the hours between doses, and which of several it is."""

    amount: float
    unit: str
    hours: float
    sequence: float | None


def read_dose(instructions: Any, product: Product) -> Dose:
    """Return the dose of each drug of a product.

    Parameters
    ----------
    instructions
        ``MedicationRequest.dosageInstruction``, or ``dosage`` of a statement.
    product
        Drugs, strengths and form; several drugs have a dose only where each has a strength.
    """
    if instructions in (None, []):
        return Dose({})
    try:
        lines = [_line(instruction) for instruction in _INSTRUCTIONS.validate_python(instructions)]
    except pydantic.ValidationError:
        return Dose({}, "its dosage is not in the form of FHIR R4")
    readable = [line for line in lines if line is not None]
    if len(readable) < len(lines):
        return Dose({}, "its dosage does not say without doubt how much and how often")
    doses = {}
    for drug in product.drugs:
        each = [(line, _milligrams(line, product, drug)) for line in readable]
        if any(amount is None for _, amount in each):
            return Dose({}, "its dose is in pieces, volumes or units whose strength in mg the order does not say")
        dosage = _joined([(line, amount or 0.0) for line, amount in each], form_of(product))
        if dosage is None:
            return Dose({}, "its dose is no number that can be")
        doses[drug] = dosage
    return Dose(doses)


def form_of(product: Product) -> str:
    """Return the form of a product in the words of dose limits; empty for one that is swallowed."""
    if product.release in ("extended", "depot"):
        return product.release
    if product.form == "patch" or product.route == "transdermal":
        return "transdermal"
    return product.route if product.route in ("sublingual", "intramuscular") else ""


def _joined(each: Sequence[tuple[_Line, float]], form: str) -> Dosage | None:
    """Return one dosage: lines of one sequence add up, of those one after another the largest counts.

    A single line keeps its own rhythm, which depots need.
    """
    if len(each) == 1:
        (line, amount), *_ = each
        return _dosage(amount, line.hours, form)
    a_day: dict[float | None, float] = {}
    for line, amount in each:
        a_day[line.sequence] = a_day.get(line.sequence, 0.0) + amount * 24 / line.hours
    return _dosage(max(a_day.values(), default=0.0), 24.0, form)


def _dosage(amount: float, hours: float, form: str) -> Dosage | None:
    is_dose = all(isfinite(x) and x > 0 for x in (amount, hours, amount * 24 / hours))
    return Dosage(amount, hours, form) if is_dose else None


def _line(instruction: _Instruction) -> _Line | None:
    """Return what one instruction says; ``None`` where it does not say how much and how often."""
    words = read_directions(instruction.text or instruction.patientInstruction or "") or Directions(None, "", None)
    hours = (_hours_between(instruction.timing) if instruction.timing else None) or words.hours
    amount, unit = words.amount, words.unit
    if instruction.doseAndRate:
        if len(instruction.doseAndRate) > 1:
            return None
        amount, unit = _amount(instruction.doseAndRate[0])
        if unit.endswith(("/h", "/hr")):  # an amount an hour, the whole day
            amount, unit, hours = amount and amount * 24, unit.rpartition("/")[0], 24.0
    most = _most_a_day(instruction.maxDosePerPeriod)
    if most is not None and hours is None:
        (amount, unit), hours = most, 24.0
    elif most is not None and amount is not None and hours and most[1] == unit:
        amount = min(amount * 24 / hours, most[0]) * hours / 24
    if amount is None or not hours or not (amount > 0 and hours > 0):
        return None
    return _Line(amount, unit, hours, instruction.sequence)


def _amount(rate: _Rate) -> tuple[float | None, str]:
    """Return amount and unit, of a range the larger end; a rate keeps its unit an hour."""
    ends = rate.doseRange or _Range()
    quantity = rate.doseQuantity or ends.high or ends.low or rate.rateQuantity
    return (None, "") if quantity is None else (quantity.value, _unit(quantity))


def _unit(quantity: fhir.Quantity) -> str:
    return (quantity.code or quantity.unit or "").strip().casefold()


def _most_a_day(most: _Ratio | tuple[_Ratio, ...] | None) -> tuple[float, str] | None:
    """Return the amount and unit that ``maxDosePerPeriod`` allows in a day (R4 has one, R5 a list)."""
    ratio = most if isinstance(most, _Ratio) else most[0] if most and len(most) == 1 else None
    if ratio is None or ratio.numerator is None or ratio.denominator is None:
        return None
    hours = _HOURS.get(_unit(ratio.denominator))
    amount, count = ratio.numerator.value, ratio.denominator.value
    if hours is None or not amount or not count:
        return None
    return amount * 24 / (count * hours), _unit(ratio.numerator)


def _milligrams(line: _Line, product: Product, drug: str) -> float | None:
    """Return mg of one drug at a time; ``None`` where its strength is missing or the unit is no amount of it."""
    if line.unit in _MASS:
        return line.amount * _MASS[line.unit] if len(product.drugs) == 1 else None
    strength = dict(zip(product.drugs, product.strengths, strict=False)).get(drug)
    if strength is None:
        return None
    each = Strength(strength.amount / strength.per, strength.unit).mg
    if line.unit in ("ml", "milliliter") and strength.per_unit == "ml":
        return each and each * line.amount
    if _PIECE.fullmatch(line.unit) and strength.per_unit == "h":  # a patch: what it gives in a day
        return each and each * 24 * line.amount * line.hours / 24
    if _PIECE.fullmatch(line.unit) and not strength.per_unit:
        return each and each * line.amount
    return None


def _hours_between(timing: _Timing) -> float | None:
    """Return the hours between two doses, the fewest that the timing allows; ``None`` where it does not say."""
    repeat = timing.repeat or _Repeat()
    times = repeat.frequencyMax or repeat.frequency or len(repeat.when) or len(repeat.timeOfDay)
    days_a_week = len(set(repeat.dayOfWeek)) or 7
    if repeat.period and repeat.periodUnit in _HOURS:
        hours = repeat.period * _HOURS[repeat.periodUnit] / (times or 1)
        return hours * 7 / days_a_week if hours <= 24 else hours
    if repeat.period is None and not (repeat.frequencyMax or repeat.frequency) and (times or repeat.dayOfWeek):
        return 24 / (times or 1) * 7 / days_a_week
    code = timing.code or fhir.Concept()
    rhythms = {every for c in code.coding if (every := hours_of_code(c.code or "")) is not None}
    if not rhythms and code.text:
        words = read_directions(code.text)
        written = hours_of_code(code.text) or (words.hours if words is not None else None)
        rhythms = {written} if written else set()
    if not rhythms and repeat.count == 1:
        return 24.0
    return rhythms.pop() if len(rhythms) == 1 else None
