"""Observation: scores and items of questionnaires, vital signs and signals, genotype and metaboliser status."""

from datetime import date, datetime
from typing import NamedTuple

import numpy as np

from novamind.records.fhir import models as fhir
from novamind.records.fhir.answers import read_value
from novamind.records.fhir.documents import Located
from novamind.records.fhir.genomics import GENOMIC_CODES, gene_result
from novamind.records.fhir.identity import Person
from novamind.records.fhir.intake import WITHDRAWN, Intake, Row
from novamind.records.fhir.terminology import LOINC, OWN, SNOMED
from novamind.records.fhir.times import moment, of_period
from novamind.records.instruments.domain import Measure, measures
from novamind.records.signals import SIGNAL_OF_LOINC, SIGNALS, Signal

_FINAL = ("final", "amended", "corrected", "preliminary")


def read_observation(person: Person, entry: Located, intake: Intake) -> None:
    """Read an Observation: its own value and those of its components."""
    observation = intake.parsed(fhir.Observation, entry)
    if observation is None:
        return
    if observation.status == "entered-in-error":
        intake.passed_over(entry, WITHDRAWN)
        return
    gene = gene_result(entry.resource)
    if gene is not None:
        reported = intake.drafts[person].genes.setdefault(gene.gene, {"genotype": set(), "phenotype": set()})
        for kind, result in (("genotype", gene.genotype), ("phenotype", gene.phenotype)):
            if result:
                reported[kind].add((result, entry.name))
        return
    if observation.status not in _FINAL:
        intake.passed_over(entry, "Observation without a final status; not read")
        return
    parts = [("", observation), *((f".component[{i}]", part) for i, part in enumerate(observation.component))]
    panels = {match.instrument.name for coding in observation.code.coding for match in measures(coding.code or "")}
    values = [
        (place, part, value)
        for place, part in parts
        if not (part is observation and observation.component and not _has_value(part))
        and (value := _value_of(part, panels, f"{entry.place}{place}", person, entry, intake)) is not None
    ]
    if not values:
        return
    when = _when(observation, person, entry, intake)
    draft = intake.drafts[person]
    for place, _, value in values:
        if when is not None:
            row = Row(value.name, when, value.number, entry.name, f"{entry.place}{place}", value.unit)
            (draft.signals if value.is_signal else draft.symptoms).append(row)


class _Value(NamedTuple):
    name: str
    number: float
    unit: str | None
    is_signal: bool


def _when(observation: fhir.Observation, person: Person, entry: Located, intake: Intake) -> datetime | date | None:
    text, period = observation.effectiveDateTime or observation.effectiveInstant, observation.effectivePeriod
    if text or period is None or not (period.start or period.end):
        return intake.when(text, person, entry, "effective")
    start, end = moment(period.start), moment(period.end)
    for bound, read in ((period.end, end), (period.start, start)):
        if bound is not None and read is None:
            return intake.when(bound, person, entry, "effective")
    when = of_period(start, end, intake.drafts[person].zone)
    if when is None:
        text = f"{entry.kind} with a period that ends before it starts; not read"
        intake.note(person, entry, "error", "value", text, f"{entry.place}.effective")
        return None
    return intake.possible(when, person, entry, "effective")


def _value_of(
    part: fhir.Component, panels: set[str], place: str, person: Person, entry: Located, intake: Intake
) -> _Value | None:
    """Return what one code and value say; ``None`` with an issue where they say nothing that we use.

    Items that instruments share are those of the instrument whose panel the Observation is.
    """
    meaning = _meaning(part.code, panels)
    if meaning is None:
        shown = next((f"{c.system}|{c.code}" for c in part.code.coding if c.code), "text only")
        text = f"no use for Observation {shown[:120]}; not read"
        if GENOMIC_CODES & {c.code for c in part.code.coding}:
            text = "a genomics result that does not give one gene's genotype or phenotype is not read"
        intake.note(None, entry, "information", "not-supported", text, f"{place}.code")
        return None
    measure, signal = meaning.measure, meaning.signal
    value, unit = _number(part)
    problem = ""
    if part.dataAbsentReason is not None and not _has_value(part):
        value, unit = np.nan, signal.unit if signal else unit
    elif measure is not None:
        reading = read_value(part, measure)
        value, problem = reading.score, f"{meaning.name} {reading.reason}; not read" if reading.reason else ""
        if reading.remark:
            intake.note(None, entry, "information", "informational", reading.remark, place)
    elif value is None:
        problem = f"{meaning.name} without an exact number; not read"
    elif signal is not None:
        converted = _in_signal_unit(signal, value, part.valueQuantity)
        if converted is not None:
            value, unit = converted, signal.unit
        elif not meaning.is_own:
            problem = f"{meaning.name} in a unit that is not read ({signal.fitting_units} are)"
    if value is None or problem:
        intake.note(person, entry, "error", "value", problem, place)
        return None
    return _Value(meaning.name, value, unit if meaning.is_signal else None, meaning.is_signal)


class _Meaning(NamedTuple):
    name: str
    is_signal: bool
    signal: Signal | None = None
    measure: Measure | None = None
    #: By our own name: a signal that a record keeps in a unit of its own comes back in it.
    is_own: bool = False


def _meaning(code: fhir.Concept, panels: set[str]) -> _Meaning | None:
    for coding in code.coding:
        if coding.system == f"{OWN}:symptom":
            return _Meaning(code.shown, is_signal=False)
        if coding.system == f"{OWN}:signal":
            return _Meaning(code.shown, is_signal=True, signal=SIGNALS.get(code.shown), is_own=True)
    for coding in code.coding:
        if coding.system not in (LOINC, SNOMED) or coding.code is None:
            continue
        if matches := measures(coding.code):
            measure = next((match for match in matches if match.instrument.name in panels), matches[0])
            return _Meaning(measure.name, is_signal=False, measure=measure)
        if coding.system == LOINC and (signal := SIGNAL_OF_LOINC.get(coding.code)):
            return _Meaning(signal.name, is_signal=True, signal=signal)
    return None


def _has_value(part: fhir.Component) -> bool:
    values = (part.valueQuantity, part.valueInteger, part.valueDecimal, part.valueCodeableConcept, part.valueBoolean)
    return any(value is not None for value in values)


def _number(part: fhir.Component) -> tuple[float | None, str | None]:
    """Return the number and its unit."""
    quantity = part.valueQuantity
    if quantity is not None:
        return (None if quantity.comparator else quantity.value), quantity.code or quantity.unit
    return (part.valueDecimal if part.valueInteger is None else part.valueInteger), None


def _in_signal_unit(signal: Signal, value: float, quantity: fhir.Quantity | None) -> float | None:
    """Return a value in the signal's own unit; ``None`` where neither its code nor its text is a unit that fits."""
    if quantity is None:
        return None
    for unit, coded in ((quantity.code, True), (quantity.unit, False)):
        way = signal.conversion(unit, coded=coded) if unit else None
        if way is not None:
            return value * way.factor + way.shift
    return None
