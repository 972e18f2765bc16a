"""Stored pieces as FHIR R4 resources that keep their identity: the export, with an id and a version for each resource.

A resource has the id of the record from which it comes. Of a stretch of a signal each sample is a resource, and of
results that were stored together each gene; their ids add the place or the gene to the record's.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timezone
from typing import Any, Final, NamedTuple
from uuid import UUID

import numpy as np

from novamind.clinic.domain import PatientSummary, Piece, SymptomReport
from novamind.clinic.record_mapping import LISTS, course_of, piece_of, readable, report_of, results_of
from novamind.errors import NotFoundError, ValidationError
from novamind.infrastructure.patient_store import Kind, Samples, StoredRecord
from novamind.records import LongFrame, PatientRecord
from novamind.records.fhir.export import record_resources, writable
from novamind.records.fhir.identity import PATIENT_IDENTIFIER
from novamind.records.fhir.terminology import OWN
from novamind.records.signals import EARLIER_NAMES
from novamind.timeline import parse_timezone

Resource = dict[str, Any]
#: Kinds of stored records of which each type of resource is made.
KINDS: Final[Mapping[str, tuple[Kind, ...]]] = {
    "Patient": (),
    "Observation": (Kind.SYMPTOM_REPORT, Kind.BIOMETRIC_SAMPLES, Kind.GENOTYPE),
    "MedicationStatement": (Kind.MEDICATION,),
    "Condition": (Kind.CONDITION,),
    "AllergyIntolerance": (Kind.CONDITION,),
    "Procedure": (Kind.CONDITION,),
    "Consent": (Kind.CONDITION,),
}
#: Types that are computed when they are asked for.
COMPUTED: Final = ("RiskAssessment", "DiagnosticReport")
#: What the systems of stored identifiers begin with; the kind of identifier follows.
IDENTIFIER: Final = f"{OWN}:identifier:"
#: Elements by which resources name the patient.
_SUBJECTS: Final = ("subject", "patient")
_UUID_LENGTH: Final = 36
_TELECOM: Final = ("email", "phone")
_TERMINOLOGY: Final = "http://terminology.hl7.org/CodeSystem"
_PROBLEM: Final = [{"coding": [{"system": f"{_TERMINOLOGY}/condition-category", "code": "problem-list-item"}]}]


class Place(NamedTuple):
    """Where a resource is stored: the record, and the part of it."""

    stored: StoredRecord
    part: str = ""

    @property
    def resource_id(self) -> str:
        """Return the id of the resource."""
        return f"{self.stored.record_id}.{self.part}" if self.part else str(self.stored.record_id)


def record_id_of(resource_id: str) -> UUID:
    """Return the id of the record (of a Patient: of the patient) from which the resource of this id comes.

    Raises
    ------
    NotFoundError
        If no resource has such an id.
    """
    try:
        return UUID(resource_id[:_UUID_LENGTH])
    except ValueError as error:
        raise NotFoundError("there is no resource of this id") from error


def resources_of(
    summary: PatientSummary,
    record: PatientRecord,
    stored: Mapping[Kind, Sequence[StoredRecord]],
    corrections: Mapping[UUID, datetime],
) -> tuple[list[Resource], int]:
    """Return the resources of a record in the order of the export, the Patient first, and how many times were left out.

    Left out are those that FHIR cannot hold (:func:`writable`).

    Parameters
    ----------
    stored
        What the record was made of.
    corrections
        When records were last corrected.
    """
    record, left_out = writable(record)
    patient, *exported = record_resources(record)
    identity = stored[Kind.IDENTITY][-1]
    subject = {"reference": f"Patient/{record.patient_id}"}
    resources = [_named_person(patient, summary, identity, corrections.get(identity.record_id))]
    versions: dict[UUID, dict[str, str]] = {}
    for resource, place in zip(exported, _places(record, stored), strict=True):
        of = place.stored
        if of.record_id not in versions:
            versions[of.record_id] = _version_of(of, corrections.get(of.record_id))
        resources.append(named(resource, place.resource_id, versions[of.record_id], subject))
    return resources, left_out


def named(resource: Resource, resource_id: str, version: Mapping[str, str], subject: Mapping[str, str]) -> Resource:
    """Return an exported resource with id, version and a reference to the Patient of this server."""
    result = {"resourceType": resource["resourceType"], "id": resource_id} | resource
    if result["resourceType"] == "Condition":
        result["category"] = _PROBLEM
    for key in _SUBJECTS:
        if key in result:
            result[key] = subject
    result["meta"] = {**version, **resource.get("meta", {})}
    return result


def _version_of(stored: StoredRecord, corrected_at: datetime | None) -> dict[str, str]:
    return {"versionId": str(stored.version), "lastUpdated": (corrected_at or stored.recorded_at).isoformat()}


def _named_person(
    exported: Resource, summary: PatientSummary, stored: StoredRecord, corrected_at: datetime | None
) -> Resource:
    """Return the Patient with name, birth date and identifiers, which a record does not have."""
    details, patient_id, resource = summary.details, str(summary.patient_id), dict(exported)
    numbers = [
        {"system": IDENTIFIER + kind, "value": value}
        for kind, value in summary.identifiers.items()
        if kind not in _TELECOM
    ]
    resource["identifier"] = numbers or [{"system": PATIENT_IDENTIFIER, "value": patient_id}]
    if details.get("name"):
        resource["name"] = [{"text": details["name"]}]
    if details.get("birth_date"):
        resource["birthDate"] = details["birth_date"]
    resource.setdefault("gender", "unknown")
    telecom = [{"system": kind, "value": summary.identifiers[kind]} for kind in _TELECOM if kind in summary.identifiers]
    if telecom:
        resource["telecom"] = telecom
    return named(resource, patient_id, _version_of(stored, corrected_at), {})


def provenance_of(resource: Resource) -> Resource:
    """Return where a resource comes from: when it was stored, and the resource elsewhere of which it was read."""
    meta = resource["meta"]
    source = [{"role": "source", "what": {"identifier": {"value": meta["source"]}}}] if "source" in meta else []
    return {
        "resourceType": "Provenance",
        "id": f"{resource['id']}.p",
        "meta": {"versionId": meta["versionId"], "lastUpdated": meta["lastUpdated"]},
        "target": [{"reference": f"{resource['resourceType']}/{resource['id']}"}],
        "recorded": meta["lastUpdated"],
        "agent": [
            {
                "type": {"coding": [{"system": f"{_TERMINOLOGY}/provenance-participant-type", "code": "assembler"}]},
                "who": {"display": "Novamind"},
            }
        ],
        **({"entity": source} if source else {}),
    }


def piece_of_record(record: PatientRecord, zone: str | None) -> Piece:
    """Return the one piece that a record holds.

    Parameters
    ----------
    zone
        The patient's, for a report whose time has no offset.

    Raises
    ------
    ValidationError
        If it holds none or several.
    """
    pieces: list[Piece] = [*record.medications, *record.conditions, *record.allergies]
    frame = record.symptoms
    for row in range(0 if frame is None else len(frame)):
        assert frame is not None  # noqa: S101 - it has rows
        when = frame.timestamps[row].item()
        offset = None if frame.utc_offset is None else timezone(frame.utc_offset[row].item())
        clock = offset or parse_timezone(zone or "UTC")
        name = frame.series[frame.series_index[row]].name
        pieces.append(SymptomReport(name, when.replace(tzinfo=clock), float(frame.values[row])))
    if len(pieces) != 1 or record.signals is not None or record.genotype:
        raise ValidationError("the resource is no single report, course, condition or allergy; send one")
    return pieces[0]


def _places(record: PatientRecord, stored: Mapping[Kind, Sequence[StoredRecord]]) -> Iterator[Place]:
    """Yield where each resource is stored, in the order in which a record is exported."""
    yield from _rows(record.symptoms, "us", _reports(stored.get(Kind.SYMPTOM_REPORT, ())))
    yield from _rows(record.signals, "ms", _samples(stored.get(Kind.BIOMETRIC_SAMPLES, ())))
    genes = {gene: place for results, place in _read(stored.get(Kind.GENOTYPE, ()), results_of) for gene in results}
    for gene in record.genotype:
        yield Place(genes[gene], re.sub(r"[^A-Za-z0-9-]", "-", gene)[:24])
    yield from (Place(place) for _, place in _read(stored.get(Kind.MEDICATION, ()), course_of))
    pieces = _read(stored.get(Kind.CONDITION, ()), piece_of)
    for name in LISTS:
        yield from (Place(place) for (of, _), place in pieces if of == name)


def _read(stored: Iterable[StoredRecord], read: Any) -> list[tuple[Any, StoredRecord]]:
    return readable(stored, lambda record: (read(record), record))[0]


def _rows(frame: LongFrame | None, unit: str, places: Mapping[tuple[str, int], Place]) -> Iterator[Place]:
    """Yield the place of each row of a frame, by the name of its series and its instant."""
    if frame is None:
        return
    instants = frame.timestamps if frame.utc_offset is None else frame.timestamps - frame.utc_offset
    moments = instants.astype(f"datetime64[{unit}]").astype(np.int64).tolist()
    for row, moment in enumerate(moments):
        yield places[frame.series[frame.series_index[row]].name, moment]


def _reports(stored: Iterable[StoredRecord]) -> dict[tuple[str, int], Place]:
    """Return series and instant to the stored report, of two at one instant the last; else wall clocks count."""
    reports = _read(stored, report_of)
    is_local = any(when.tzinfo is None for (_, when, _), _ in reports)
    places = {}
    for (name, when, _), record in reports:
        moment = np.datetime64(when.replace(tzinfo=None), "us").astype(np.int64)
        offset = when.utcoffset()
        if offset is not None and not is_local:
            moment -= np.timedelta64(offset, "us").astype(np.int64)
        places[name, int(moment)] = Place(record)
    return places


def _samples(stored: Iterable[StoredRecord]) -> dict[tuple[str, int], Place]:
    """Return signal and instant to the sample's place in its stretch; of two at one instant the last stored."""
    return {
        (EARLIER_NAMES.get(record.content.signal, record.content.signal), moment): Place(record, str(position))
        for record in stored
        if isinstance(record.content, Samples)
        for position, moment in enumerate(record.content.timestamps.tolist())
    }
