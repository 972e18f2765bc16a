"""FHIR R4 out: a patient's record as a Bundle that any R4 server reads and :func:`read_fhir` gives back whole."""

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any
from urllib.parse import quote

import numpy as np

from novamind.drugs.names import RXNORM
from novamind.errors import ValidationError
from novamind.records.fhir.documents import SOURCE_PREFIX
from novamind.records.fhir.genomics import GENE, GENOTYPE, METABOLISM
from novamind.records.fhir.identity import PATIENT_IDENTIFIER, export_url
from novamind.records.fhir.patients import TIMEZONE_EXTENSION
from novamind.records.fhir.terminology import LOINC, OWN, UCUM, rxnorm_codes
from novamind.records.instruments.domain import code_of
from novamind.records.patient import Coding, MedicationCourse, PatientRecord
from novamind.records.signals import SIGNALS
from novamind.records.tables.frames import LongFrame
from novamind.timeline import parse_timezone

_TERMINOLOGY = "http://terminology.hl7.org/CodeSystem"
_GENDERS = ("male", "female", "other", "unknown")

Resource = dict[str, Any]


def record_bundle(record: PatientRecord) -> Resource:
    """Return a record as a ``collection`` Bundle.

    Codes go out as they came in. What has no code of a common terminology goes out under a code system of our
    own (``urn:novamind:...``), which other readers pass over and our reader knows. Of the person it
    holds the birth year and the gender; names and addresses are never in a record.

    Raises
    ------
    ValidationError
        Times have a clock but neither they nor the record a timezone: FHIR does not allow that.
    """
    entries = [
        {"fullUrl": export_url(record.patient_id, position), "resource": resource}
        for position, resource in enumerate(record_resources(record))
    ]
    return {"resourceType": "Bundle", "type": "collection", "entry": entries}


def record_resources(record: PatientRecord) -> Iterator[Resource]:
    """Yield the resources of a record as :func:`record_bundle` joins them, the Patient first; errors as of that."""
    for resource in (_patient(record), *_resources(record)):
        source = resource.pop("_source", "")
        if source:
            resource["meta"] = {"source": SOURCE_PREFIX + quote(source)}
        yield resource


def writable(record: PatientRecord) -> tuple[PatientRecord, int]:
    """Return a record without the times that FHIR cannot hold, those of a clock without timezone, and their number."""
    kept, left_out = {}, 0
    for name, sources_name in (("symptoms", "symptom_sources"), ("signals", "signal_sources")):
        frame, sources = getattr(record, name), getattr(record, sources_name)
        if record.timezone is not None or frame is None or frame.utc_offset is not None:
            continue
        is_date = frame.timestamps == frame.timestamps.astype("datetime64[D]")
        left_out += int((~is_date).sum())
        kept[name] = replace(
            frame,
            series_index=frame.series_index[is_date],
            timestamps=frame.timestamps[is_date],
            values=frame.values[is_date],
        )
        kept[sources_name] = tuple(source for source, keep in zip(sources, is_date, strict=False) if keep)
    return (replace(record, **kept), left_out) if left_out else (record, 0)


def subject_of(record: PatientRecord) -> dict[str, str]:
    """Return the reference by which resources name the patient."""
    return {"reference": export_url(record.patient_id, 0)}


def coded(coding: Coding | None, text: str) -> dict[str, Any]:
    """Return a ``CodeableConcept``."""
    if coding is None:
        return {"text": text}
    return {
        "coding": [{"system": coding.system, "code": coding.code} if coding.system else {"code": coding.code}],
        "text": text,
    }


def loinc(code: str) -> dict[str, Any]:
    """Return a ``CodeableConcept`` of one LOINC code."""
    return {"coding": [{"system": LOINC, "code": code}]}


def _own(kind: str, name: str) -> dict[str, Any]:
    return {"coding": [{"system": f"{OWN}:{kind}", "code": quote(name, safe="")}], "text": name}


def _patient(record: PatientRecord) -> Resource:
    about = record.demographics
    resource: Resource = {"resourceType": "Patient"}
    if re.fullmatch(r"[A-Za-z0-9.-]{1,64}", record.patient_id):
        resource["id"] = record.patient_id
    else:
        resource["identifier"] = [{"system": PATIENT_IDENTIFIER, "value": record.patient_id}]
    if about.get("gender") in _GENDERS:
        resource["gender"] = about["gender"]
    if isinstance(about.get("birth_year"), int):
        resource["birthDate"] = f"{about['birth_year']:04d}"
    if about.get("deceased"):
        resource["deceasedBoolean"] = True
    if record.timezone:
        resource["extension"] = [{"url": TIMEZONE_EXTENSION, "valueCode": record.timezone}]
    return resource


def _resources(record: PatientRecord) -> Iterator[Resource]:
    subject = subject_of(record)
    if record.symptoms is not None:
        yield from _observations(record.symptoms, record.symptom_sources, "symptom", record.timezone, subject)
    if record.signals is not None:
        yield from _observations(record.signals, record.signal_sources, "signal", record.timezone, subject)
    for gene, result in record.genotype.items():
        yield _gene(gene, result, subject) | {"_source": record.genotype_sources.get(gene, "")}
    for course in record.medications:
        yield _medication(course, subject)
    for condition in record.conditions:
        yield {
            "resourceType": "Condition",
            "clinicalStatus": _status("condition-clinical", "active" if condition.active else "inactive"),
            "code": coded(condition.code, condition.name),
            "subject": subject,
            **_present("onsetDateTime", condition.onset),
            **_present("abatementDateTime", condition.abatement),
            "_source": condition.source,
        }
    for allergy in record.allergies:
        yield {
            "resourceType": "AllergyIntolerance",
            "clinicalStatus": _status("allergyintolerance-clinical", "active" if allergy.active else "inactive"),
            "code": coded(allergy.code or _ingredient(allergy.medication), allergy.name),
            "patient": subject,
            **_present("criticality", allergy.criticality),
            "_source": allergy.source,
        }
    for procedure in record.procedures:
        yield {
            "resourceType": "Procedure",
            "status": "completed",
            "code": coded(procedure.code, procedure.name),
            "subject": subject,
            **_present("performedDateTime", procedure.performed),
            "_source": procedure.source,
        }
    for consent in record.consents:
        yield {
            "resourceType": "Consent",
            "status": consent.status,
            "scope": {"coding": [{"system": f"{_TERMINOLOGY}/consentscope", "code": consent.scope}]},
            "category": [{"coding": [{"system": LOINC, "code": "59284-0"}]}],
            "policyRule": {"text": "as recorded at the source"},
            "patient": subject,
            **_present("dateTime", consent.dated),
            **({"provision": {"type": consent.decision}} if consent.decision else {}),
            "_source": consent.source,
        }


def _ingredient(medication: str | None) -> Coding | None:
    """Return the code by which a reader recognises a drug that the text beside it may not name."""
    code = rxnorm_codes().get(medication or "")
    return None if code is None else Coding(RXNORM, code)


def _present(name: str, value: str | None) -> dict[str, str]:
    return {} if value is None else {name: value}


def _status(system: str, code: str) -> dict[str, Any]:
    return {"coding": [{"system": f"{_TERMINOLOGY}/{system}", "code": code}]}


def _observations(
    frame: LongFrame, sources: tuple[str, ...], kind: str, zone: str | None, subject: Mapping[str, str]
) -> Iterator[Resource]:
    series = [_of_series(key.name, unit, kind, subject) for key, unit in zip(frame.series, frame.units, strict=True)]
    rows = zip(frame.series_index.tolist(), _times(frame, zone), frame.values.tolist(), strict=True)
    for row, (index, when, value) in enumerate(rows):
        observation, unit = series[index]
        measured = (
            {"dataAbsentReason": _status("data-absent-reason", "unknown")}
            if math.isnan(value)
            else {"valueQuantity": {"value": int(value) if value.is_integer() else value, **unit}}
        )
        yield {**observation, "effectiveDateTime": when, **measured, "_source": sources[row] if sources else ""}


def _of_series(name: str, unit: str | None, kind: str, subject: Mapping[str, str]) -> tuple[Resource, dict[str, str]]:
    """Return what the observations of a series have in common, and the unit of their quantities."""
    signal = SIGNALS.get(name) if kind == "signal" else None
    ucum = signal.ucum_of(unit) if signal is not None and unit else ""
    code = code_of(name) if kind == "symptom" else ""
    if signal is not None and signal.loinc and ucum:
        code = signal.loinc[0]
    category = "survey" if kind == "symptom" else "vital-signs"
    quantity: dict[str, str] = {}
    if kind == "symptom":
        quantity = {"unit": "{score}", "system": UCUM, "code": "{score}"}
    elif unit:
        quantity = {"unit": unit, **({"system": UCUM, "code": ucum} if ucum else {})}
    return {
        "resourceType": "Observation",
        "status": "final",
        "category": [{"coding": [{"system": f"{_TERMINOLOGY}/observation-category", "code": category}]}],
        "code": loinc(code) | {"text": name} if code else _own(kind, name),
        "subject": subject,
    }, quantity


def _times(frame: LongFrame, zone: str | None) -> list[str]:
    moments = frame.timestamps.astype("datetime64[us]").tolist()
    if frame.utc_offset is not None:
        seconds = frame.utc_offset.astype("timedelta64[s]").astype(np.int64).tolist()
        zones = {offset: timezone(timedelta(seconds=offset)) for offset in set(seconds)}
        return [m.replace(tzinfo=zones[offset]).isoformat() for m, offset in zip(moments, seconds, strict=True)]
    if all(m == datetime(m.year, m.month, m.day) for m in moments):  # noqa: DTZ001
        return [m.date().isoformat() for m in moments]
    if zone is None:
        raise ValidationError("times with a clock need a timezone in FHIR: give the record its 'timezone'")
    clock = parse_timezone(zone)
    return [m.replace(tzinfo=clock).isoformat() for m in moments]


def _gene(gene: str, result: str, subject: Mapping[str, str]) -> Resource:
    is_phenotype = "metaboli" in result.casefold()
    return {
        "resourceType": "Observation",
        "status": "final",
        "category": [{"coding": [{"system": f"{_TERMINOLOGY}/observation-category", "code": "laboratory"}]}],
        "code": loinc(METABOLISM if is_phenotype else GENOTYPE),
        "subject": subject,
        "valueCodeableConcept": {"text": result},
        "component": [{"code": loinc(GENE), "valueCodeableConcept": {"text": gene}}],
    }


def _medication(course: MedicationCourse, subject: Mapping[str, str]) -> Resource:
    concept = _own("medication", course.medication)
    concept["coding"][0]["display"] = course.medication
    if course.code is not None:
        concept["coding"] += coded(course.code, "")["coding"]
    period = {name: day.isoformat() for name, day in (("start", course.start), ("end", course.end)) if day}
    dose = {
        "timing": {"repeat": {"frequency": 1, "period": 1, "periodUnit": "d"}},
        "doseAndRate": [{"doseQuantity": {"value": course.dose_mg, "unit": "mg", "system": UCUM, "code": "mg"}}],
    }
    return {
        "resourceType": "MedicationStatement",
        "status": "stopped" if course.stopped else "completed" if course.end else "active",
        "medicationCodeableConcept": concept,
        "subject": subject,
        **({"effectivePeriod": period} if period else {}),
        **({"dosage": [dose]} if course.dose_mg else {}),
        "_source": course.source,
    }
