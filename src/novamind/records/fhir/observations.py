"""Observation: scores and items of questionnaires, vital signs and signals, genotype and metaboliser status."""

from datetime import date, datetime
from typing import NamedTuple

import numpy as np

from novamind.drugs.conditions import SNOMED
from novamind.records.fhir import models as fhir
from novamind.records.fhir.answers import read_value
from novamind.records.fhir.documents import Located
from novamind.records.fhir.genomics import GENOMIC_CODES, GENOTYPE, METABOLISM, gene_result
from novamind.records.fhir.identity import Person
from novamind.records.fhir.intake import EARLIEST, WITHDRAWN, Draft, Intake, Row
from novamind.records.fhir.terminology import LOINC_SYSTEMS, OWN, shown
from novamind.records.fhir.times import of_period
from novamind.records.instruments.domain import Measure, measures
from novamind.records.signals import SIGNAL_OF_LOINC, SIGNALS, Signal

_FINAL = ("final", "amended", "corrected", "preliminary")
_GENE_RESULTS = {GENOTYPE, METABOLISM}


def read_observation(observation: fhir.Observation, person: Person, entry: Located, intake: Intake) -> None:
    """Read an Observation: its own value and those of its components."""
    if observation.status == "entered-in-error":
        intake.passed_over(entry, WITHDRAWN)
        return
    codes = {coding.code for part in (observation, *observation.component) for coding in part.code.coding}
    gene = gene_result(entry.resource) if codes & _GENE_RESULTS else None
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
    when = _when(observation, intake.drafts[person], intake.today)
    is_panel = bool(observation.component or observation.hasMember)
    values = [
        (place, part, value)
        for place, part in parts
        if not (part is observation and is_panel and not _has_value(part))
        and (value := _value_of(part, observation.code, f"{entry.place}{place}", person, entry, intake)) is not None
    ]
    if not values:
        return
    if isinstance(when, str):
        intake.note(person, entry, "error", "value", when, f"{entry.place}.effective")
        return
    if when is None or isinstance(when, fhir.Moment):
        intake.untimed(when, person, entry, "effective")
        return
    draft = intake.drafts[person]
    for place, _, value in values:
        row = Row(value.name, when, value.number, entry.name, f"{entry.place}{place}", value.unit)
        (draft.signals if value.is_signal else draft.symptoms).append(row)


class _Value(NamedTuple):
    name: str
    number: float
    unit: str | None
    is_signal: bool


def _when(observation: fhir.Observation, draft: Draft, today: date) -> datetime | date | fhir.Moment | str | None:
    """Return when it was; the moment that is none, or the reason in words, where it cannot be known."""
    moment, period = observation.effectiveDateTime or observation.effectiveInstant, observation.effectivePeriod
    bounds = [moment]
    if moment is None and period is not None:
        bounds = [bound for bound in (period.end, period.start) if bound is not None] or [None]
    for bound in bounds:
        if bound is None or bound.when is None or bound.day is None or not EARLIEST <= bound.day <= today:
            return bound
    if moment is not None:
        return moment.when
    start, end = (bound.when if bound else None for bound in (period.start, period.end)) if period else (None, None)
    when = of_period(start, end, draft.zone)
    return "Observation with a period that ends before it starts; not read" if when is None else when


def _value_of(
    part: fhir.Component, panel: fhir.Concept, place: str, person: Person, entry: Located, intake: Intake
) -> _Value | None:
    """Return what one code and value say; ``None`` with an issue where they say nothing that we use.

    Items that instruments share are those of the instrument whose panel the Observation is.
    """
    value, unit = _number(part)
    meaning = _meaning(part.code, panel)
    if meaning is None:
        code = next((f"{c.system}|{c.code}" for c in part.code.coding if c.code), "text only")
        text = f"no use for Observation {code[:120]}; not read"
        if GENOMIC_CODES & {c.code for c in part.code.coding}:
            text = "a genomics result that does not give one gene's genotype or phenotype is not read"
        intake.note(None, entry, "information", "not-supported", text, f"{place}.code")
        return None
    measure, signal = meaning.measure, meaning.signal
    if meaning.is_contrary:
        text = "Observation whose codes name different things; not read"
        intake.note(person, entry, "error", "conflict", text, f"{place}.code")
        return None
    problem = ""
    if part.dataAbsentReason is not None and not _has_value(part):
        value, unit = np.nan, signal.unit if signal else unit
    elif measure is not None and (measure.number is not None or value is None):
        reading = read_value(part, measure)
        value, problem = reading.score, f"{meaning.name} {reading.reason}; not read" if reading.reason else ""
        if reading.remark:
            intake.note(None, entry, "information", "informational", reading.remark, place)
    elif measure is not None and value is not None and not measure.allows(value):
        problem = f"{meaning.name} is off its scale, {measure.scale}; not read"
    elif value is None:
        problem = f"{meaning.name} without an exact number; not read"
    elif signal is not None:
        # Either the code or the text beside it may be a unit that fits.
        units = ((part.valueQuantity.code, True), (part.valueQuantity.unit, False)) if part.valueQuantity else ()
        ways = (signal.conversion(text, coded=coded) for text, coded in units if text)
        way = next((way for way in ways if way is not None), None)
        if way is not None:
            value, unit = value * way.factor + way.shift, signal.unit
            if not signal.low <= value <= signal.high:
                plausible = f"the plausible {signal.low:g} to {signal.high:g} {signal.unit}"
                problem = f"{meaning.name} lies outside {plausible}; not read"
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
    is_contrary: bool = False


def _meaning(code: fhir.Concept, panel: fhir.Concept) -> _Meaning | None:
    for coding in code.coding:
        if coding.system == f"{OWN}:symptom":
            return _Meaning(shown(code), is_signal=False)
        if coding.system == f"{OWN}:signal":
            return _Meaning(shown(code), is_signal=True, signal=SIGNALS.get(shown(code)), is_own=True)
    for coding in code.coding:
        is_loinc = coding.system in LOINC_SYSTEMS
        if not (is_loinc or coding.system == SNOMED) or coding.code is None:
            continue
        if matches := measures(coding.code):
            around = panel.coding if len(matches) > 1 else ()
            panels = {match.instrument.name for other in around for match in measures(other.code or "")}
            measure = next((match for match in matches if match.instrument.name in panels), matches[0])
            others = code.coding if len(code.coding) > 1 else ()
            names = [names for c in others if (names := _names_of(c.code))]
            is_contrary = bool(names) and not set.intersection(*names)
            return _Meaning(measure.name, is_signal=False, measure=measure, is_contrary=is_contrary)
        if is_loinc and (signal := SIGNAL_OF_LOINC.get(coding.code)):
            return _Meaning(signal.name, is_signal=True, signal=signal)
    return None


def _names_of(code: str | None) -> set[str]:
    """Return the series that a code may stand for."""
    signal = SIGNAL_OF_LOINC.get(code or "")
    return {match.name for match in measures(code or "")} or ({signal.name} if signal else set())


def _has_value(part: fhir.Component) -> bool:
    values = (part.valueQuantity, part.valueInteger, part.valueDecimal, part.valueCodeableConcept, part.valueBoolean)
    return any(value is not None for value in values)


def _number(part: fhir.Component) -> tuple[float | None, str | None]:
    """Return the number and its unit."""
    quantity = part.valueQuantity
    if quantity is not None:
        return (None if quantity.comparator else quantity.value), quantity.code or quantity.unit
    return (part.valueDecimal if part.valueInteger is None else part.valueInteger), None
