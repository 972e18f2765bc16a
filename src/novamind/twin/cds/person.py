"""What dose limits ask of a person, out of the resources of a request: age, sex, weight, kidney, liver, pregnancy.

Values are the latest of the last year. Where a clearance or eGFR is not reported it is computed: creatinine clearance
by Cockcroft and Gault (Nephron 1976;16:31), eGFR by CKD-EPI 2021 (Inker, N Engl J Med 2021;385:1737).
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from novamind.drugs.limits import PatientFacts
from novamind.records.fhir.models import read_moment
from novamind.records.fhir.terminology import LOINC
from novamind.records.units import conversion
from novamind.twin.cds.request import Resource
from novamind.twin.cds.services import LABORATORY

_FINAL = ("final", "amended", "corrected", "preliminary")
_RECENT = timedelta(days=365)
_CREATININE_G_PER_MOL = 113.12
_UNITS = {"weight": "kg", "creatinine": "mg/dL", "crcl": "mL/min", "egfr": "mL/min"}
#: What a person can have; anything else is a slip of the unit or of the finger.
_RANGES = {"weight": (1.0, 400.0), "creatinine": (0.1, 30.0), "crcl": (0.0, 300.0), "egfr": (0.0, 250.0)}
_PREGNANT, _NOT_PREGNANT = ("LA15173-0", "77386006"), ("LA26683-5", "60001007")
_ADULT = 18
_CHILD_PUGH = re.compile(r"child[- ]?pugh\D*?(?<![a-z])([abc])(?![a-z])")


@dataclass(frozen=True, slots=True)
class Person:
    """The facts, and a sentence for each value that was sent and not used."""

    facts: PatientFacts
    remarks: tuple[str, ...]


def read_person(resources: Sequence[Resource], conditions: Iterable[str], today: date, *, listed: bool) -> Person:
    """Return what the resources say of a person.

    Parameters
    ----------
    resources
        Patient, observations and conditions of one person.
    conditions
        Active conditions in the words of the interaction rules.
    listed
        Whether the conditions were sent, so that a disease that is not among them is none.
    """
    patient: Resource = next((r for r in resources if r.get("resourceType") == "Patient"), {})
    age, sex = _age(patient.get("birthDate"), today), patient.get("gender")
    sex = sex if sex in ("female", "male") else None
    values, remarks = _values(resources, today)
    creatinine, weight = values.get("creatinine"), values.get("weight")
    clearance, egfr = values.get("crcl"), values.get("egfr")
    is_adult = age is not None and age >= _ADULT
    if creatinine and is_adult and sex and age is not None:
        if clearance is None and weight:
            clearance = cockcroft_gault(creatinine, age, weight, sex)
        if egfr is None:
            egfr = ckd_epi(creatinine, age, sex)
    words = set(conditions)
    healthy_liver = "none" if listed and "liver disease" not in words else None
    return Person(
        PatientFacts(
            age=age,
            sex=sex,
            weight_kg=weight,
            creatinine_clearance=clearance,
            egfr=egfr,
            child_pugh=_child_pugh(resources) or healthy_liver,
            pregnant=True if "pregnancy" in words else _pregnant(resources),
            breastfeeding=True if "breastfeeding" in words else None,
        ),
        remarks,
    )


def cockcroft_gault(creatinine: float, age: float, weight: float, sex: str) -> float:
    """Return creatinine clearance in mL/min from mg/dL, years and kg."""
    return (140 - min(age, 139)) * weight / (72 * creatinine) * (0.85 if sex == "female" else 1.0)


def ckd_epi(creatinine: float, age: float, sex: str) -> float:
    """Return eGFR in mL/min/1.73 m² from mg/dL and years, without race."""
    kappa, alpha, factor = (0.7, -0.241, 1.012) if sex == "female" else (0.9, -0.302, 1.0)
    share = creatinine / kappa
    return float(142 * min(share, 1.0) ** alpha * max(share, 1.0) ** -1.2 * 0.9938**age * factor)


def _age(born: Any, today: date) -> float | None:
    """Return years; of a date that is a year or a month alone the most that it allows, which limits of age ask for."""
    try:
        first = date.fromisoformat(f"{born[:10]}{'-01-01'[len(born[:10]) - 4 :] if len(born) < 10 else ''}")
    except (TypeError, ValueError):
        return None
    years = today.year - first.year - ((today.month, today.day) < (first.month, first.day))
    return float(years) if 0 <= years <= 130 else None


def _values(resources: Iterable[Resource], today: date) -> tuple[dict[str, float], tuple[str, ...]]:
    latest: dict[str, tuple[date, float]] = {}
    unread: dict[str, int] = {}
    for name, observation in _laboratory(resources):
        if name not in _UNITS:
            continue
        day, value = _day(observation), _value(observation, name)
        if day is None or value is None or not today - _RECENT <= day <= today + timedelta(days=1):
            unread[name] = unread.get(name, 0) + 1
        elif name not in latest or day >= latest[name][0]:
            latest[name] = (day, value)
    return {name: value for name, (_, value) in latest.items()}, tuple(
        f"{count} of {name} not used: without a date of the last year, or no number in a unit that can be."
        for name, count in unread.items()
        if name not in latest
    )


def _laboratory(resources: Iterable[Resource]) -> Iterator[tuple[str, Resource]]:
    for resource in resources:
        if resource.get("resourceType") == "Observation" and resource.get("status") in _FINAL:
            for coding in _codings(resource.get("code")):
                if coding.get("system") == LOINC and coding.get("code") in LABORATORY:
                    yield LABORATORY[str(coding["code"])], resource
                    break


def _day(observation: Resource) -> date | None:
    period = observation.get("effectivePeriod")
    start = period.get("start") if isinstance(period, Mapping) else None
    for moment in (observation.get("effectiveDateTime"), observation.get("effectiveInstant"), start):
        if isinstance(moment, str) and len(moment) < 100:
            return read_moment(moment).day
    return None


def _value(observation: Resource, name: str) -> float | None:
    quantity = observation.get("valueQuantity")
    if not isinstance(quantity, Mapping) or quantity.get("comparator") is not None:
        return None
    value, unit = quantity.get("value"), quantity.get("code") or quantity.get("unit")
    if isinstance(value, bool) or not isinstance(value, int | float) or not isinstance(unit, str):
        return None
    # eGFR is per 1.73 m² of body surface, in UCUM as mL/min/{1.73_m2}: the surface is a remark of the unit.
    plain = unit.partition("/{")[0].removesuffix("/1.73m2").removesuffix("/1.73 m2").removesuffix("/1.73m²").strip()
    molar_mass = _CREATININE_G_PER_MOL if name == "creatinine" else None
    into = conversion(plain, _UNITS[name], molar_mass)
    if into is None:
        return None
    number = value * into.factor + into.shift
    low, high = _RANGES[name]
    return number if low <= number <= high else None


def _child_pugh(resources: Sequence[Resource]) -> str | None:
    """Return the class that a condition names, or an observation whose code is in words; the worst of several."""
    texts: list[str] = []
    for resource in resources:
        if resource.get("resourceType") == "Condition":
            texts += _texts(resource.get("code"))
        elif resource.get("resourceType") == "Observation" and resource.get("status") in _FINAL:
            values = [*_texts(resource.get("valueCodeableConcept")), *_texts({"text": resource.get("valueString")})]
            texts += [f"{code} {value}" for code in _texts(resource.get("code")) for value in values]
    return max((match[1] for text in texts if (match := _CHILD_PUGH.search(text))), default="").upper() or None


def _pregnant(resources: Sequence[Resource]) -> bool | None:
    codes = {
        coding.get("code")
        for name, observation in _laboratory(resources)
        if name == "pregnancy"
        for coding in _codings(observation.get("valueCodeableConcept"))
    }
    return True if codes & set(_PREGNANT) else False if codes & set(_NOT_PREGNANT) else None


def _codings(concept: Any) -> list[Mapping[str, Any]]:
    codings = concept.get("coding") if isinstance(concept, Mapping) else None
    return [c for c in codings if isinstance(c, Mapping)] if isinstance(codings, list) else []


def _texts(concept: Any) -> list[str]:
    texts = [concept.get("text")] if isinstance(concept, Mapping) else []
    texts += [coding.get("display") for coding in _codings(concept)]
    return [text.casefold().strip(" ).") for text in texts if isinstance(text, str) and text.strip()]
