"""REST of one clinic's patients: thin, since :mod:`novamind.clinic` decides and does."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import UTC, date, datetime
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from fastapi import APIRouter, Header, Path, Query, Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field, JsonValue

from novamind.biometrics.codec import PersonLinksBody
from novamind.clinic import PatientSummary, Piece, Regimen, SignalSamples, SymptomReport
from novamind.clinic.record_mapping import course_of, mapping_of, piece_of, readable, results_of
from novamind.errors import ValidationError
from novamind.infrastructure.identity.domain import Principal
from novamind.infrastructure.patient_store import Identity, Kind, Samples, StoredRecord
from novamind.pharmacogenomics.codec import ReviewBody
from novamind.pharmacogenomics.endpoints import Gene, Word
from novamind.records import MedicationCourse
from novamind.records.codec import Stretch, SymptomName
from novamind.server.container import Container
from novamind.server.dependencies import Caller, ContainerDep
from novamind.server.problems import FHIR_JSON
from novamind.symptoms.codec import ForecastsBody, ScaleBody
from novamind.symptoms.endpoints import NewScale, Report
from novamind.timeline import parse_timezone
from novamind.twin.codec import InsightsBody, RegimenWhatIfBody, WhatIfBody
from novamind.twin.domain import Options
from novamind.twin.endpoints import AllergyBody, ConditionBody, Course, Line, RegimenBody, RegimenSteps, SwitchBody

routes = APIRouter(prefix="/api/v1/patients", tags=["patients"])

PatientId = Annotated[UUID, Path(description="The patient's random identifier.")]
Once = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        pattern=r"^[A-Za-z0-9_-]{8,128}$",
        description="Repeat a request with the same key and it is carried out once.",
    ),
]
RecordId = Annotated[UUID, Path(description="The stored record's identifier.")]
IfMatch = Annotated[
    str | None,
    Header(
        alias="If-Match",
        pattern=r'^(W/)?"[0-9]{1,9}"$',
        description='The version as it was read, such as "1"; 412 if there is another by now.',
    ),
]
Lookback = Annotated[int, Query(ge=7, le=3650, description="How many days of signals count.")]
WithInsights = Annotated[bool, Query(description="Add the services' results.")]
Horizon = Annotated[int, Query(ge=1, le=30, description="Days ahead.")]
Limit = Annotated[int, Query(ge=1, le=100, description="Most entries of a page.")]
Newest = Annotated[int, Query(ge=1, le=5000, description="Most reports.")]
NewestEntries = Annotated[int, Query(ge=1, le=1000, description="Most entries.")]
ConfirmIdentity = Annotated[
    bool, Query(description="The data were checked and are this patient's, although something differs; audited.")
]
After = Annotated[UUID | None, Query(description="The last id of the page before.")]
#: Its form stands in :mod:`novamind.server.cds`.
_RESOURCE: dict[str, JsonValue] = {"$ref": "#/components/schemas/FhirResource"}
_BUNDLE: dict[int | str, dict[str, Any]] = {
    200: {"description": "The record.", "content": {FHIR_JSON: {"schema": _RESOURCE}}}
}
_EXAMPLE: dict[str, JsonValue] = {
    "name": "Simulated Person",
    "birth_date": "1980-05-17",
    "gender": "female",
    "timezone": "Europe/Berlin",
    "identifiers": {"mrn": "SIM-0001"},
}


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class NewPatient(_Body):
    """A person to register; everything here is sealed."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [_EXAMPLE]})
    name: Line = Field(description="Name of the person.")
    birth_date: Annotated[date | None, Field(description="ISO date.")] = None
    gender: Literal["male", "female", "other", "unknown"] | None = Field(
        default=None, description="Administrative gender, as in FHIR."
    )
    timezone: Annotated[str | None, Field(max_length=60, description="IANA name.")] = None
    identifiers: Annotated[
        dict[Annotated[str, Field(pattern=r"^[a-z][a-z_]{0,19}$")], Line],
        Field(max_length=10, description="By which the patient can be found."),
    ] = {}

    def identity(self) -> Identity:
        """Return the identity as the store takes it."""
        if self.timezone is not None:
            parse_timezone(self.timezone)
        details = self.model_dump(mode="json", exclude={"identifiers"}, exclude_none=True)
        return Identity(self.identifiers, details)


class PatientDetails(BaseModel):
    """What is known of a person beside the record; null where it is not."""

    name: Annotated[str | None, Field(description="Name of the person.")] = None
    birth_date: Annotated[date | None, Field(description="ISO date.")] = None
    gender: Annotated[str | None, Field(description="Administrative gender, as in FHIR.")] = None
    timezone: Annotated[str | None, Field(description="IANA name.")] = None


class PatientBody(BaseModel):
    """Who a patient is."""

    patient_id: Annotated[UUID, Field(description="The patient's random identifier.")]
    identifiers: Annotated[dict[str, str], Field(description="System to number, by which the patient can be found.")]
    details: Annotated[PatientDetails, Field(description="What is known of the person.")]

    @classmethod
    def of(cls, summary: PatientSummary) -> "PatientBody":
        """Return the wire form of the clinic's summary."""
        return cls(
            patient_id=summary.patient_id,
            identifiers=dict(summary.identifiers),
            details=PatientDetails.model_validate(summary.details),
        )


class PatientPage(BaseModel):
    """A page of patients; ``next`` is ``after`` of the next page."""

    items: list[PatientBody] = Field(description="Patients, in the order of their identifiers.")
    next: UUID | None = Field(description="Give it as `after` for the next page; null on the last.")


class Created(BaseModel):
    """Ids of what was stored."""

    ids: list[UUID] = Field(description="One for each piece, in the order of the request.")


class NewReports(_Body):
    """Symptom reports to store, all or none."""

    reports: Annotated[list[Report], Field(min_length=1, max_length=1000, description="Reports.")]


class StoredReport(BaseModel):
    """A symptom report as it was stored."""

    id: UUID = Field(description="Identifier of the record.")
    version: int = Field(description="Give it as `If-Match` with a correction.")
    recorded_at: datetime = Field(description="When it was stored.")
    symptom: str = Field(description="Name of the series.")
    timestamp: datetime = Field(description="When it was reported, with offset.")
    value: float = Field(description="On the instrument's scale.")

    @classmethod
    def of(cls, stored: StoredRecord) -> Self:
        """Return the wire form of a stored report."""
        place = {"id": stored.record_id, "version": stored.version, "recorded_at": stored.recorded_at}
        return cls.model_validate({**mapping_of(stored), **place})


def stored_reports(stored: Sequence[StoredRecord]) -> list[StoredReport]:
    """Return those of the store's records that can be read."""
    return readable(stored, StoredReport.of)[0]


class NewSamples(_Body):
    """Signals to store, all or none."""

    stretches: Annotated[list[Stretch], Field(min_length=1, max_length=50, description="Stretches of signals.")]


class GenotypeBody(_Body):
    """Gene to result, as laboratories report it."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"genes": {"CYP2D6": "*1/*4", "CYP2C19": "*1/*2"}}]}
    )
    genes: Annotated[dict[Gene, Word], Field(max_length=200, description="Gene to result.")]


class Genotype(BaseModel):
    """Gene to result, as it is stored."""

    genes: dict[str, str] = Field(description="Gene to result; the last of each counts.")


class _Listed(BaseModel):
    """What is stored of a patient, the first stored first."""

    not_read: Annotated[
        list[UUID],
        Field(description="What was stored under other rules and cannot be read: correct it, or withdraw it."),
    ]


class StoredCourse(BaseModel):
    """A course as it was stored."""

    id: UUID = Field(description="Identifier of the record.")
    version: int = Field(description="Give it as `If-Match` with a correction.")
    medication: str = Field(description="Name of the drug.")
    start: date | None = Field(description="First day; null if it is not known.")
    end: date | None = Field(description="Last day; null if it goes on or is not known.")
    dose_mg: float | None = Field(description="Daily dose, in mg; null if it is not known.")
    stopped: bool = Field(description="Whether it is over, also where the last day is not known.")

    @classmethod
    def of(cls, stored: StoredRecord) -> Self:
        """Return the wire form of a stored course."""
        course = course_of(stored)
        return cls(
            id=stored.record_id,
            version=stored.version,
            medication=course.medication,
            start=course.start,
            end=course.end,
            dose_mg=course.dose_mg,
            stopped=course.stopped,
        )


class Courses(_Listed):
    """All courses of a patient, the first stored first."""

    items: list[StoredCourse] = Field(description="Courses.")


class Reports(_Listed):
    """Reports of a patient, the first stored first."""

    items: list[StoredReport] = Field(description="Reports.")


class StoredStretch(BaseModel):
    """A stored stretch of one signal, without its values."""

    id: UUID = Field(description="Identifier of the record.")
    version: int = Field(description="Give it as `If-Match` with a correction.")
    recorded_at: datetime = Field(description="When it was stored.")
    signal: str = Field(description="Name of the signal.")
    unit: str = Field(description="Unit of the values.")
    count: int = Field(description="Number of values.")
    first: datetime = Field(description="When it begins.")
    last: datetime = Field(description="When it ends.")

    @classmethod
    def of(cls, stored: StoredRecord) -> Self:
        """Return the wire form of stored samples."""
        samples = stored.content
        if not isinstance(samples, Samples):
            raise ValidationError("a stored stretch of a signal holds no samples")
        return cls(
            id=stored.record_id,
            version=stored.version,
            recorded_at=stored.recorded_at,
            signal=samples.signal,
            unit=samples.unit,
            count=len(samples.values),
            first=datetime.fromtimestamp(samples.timestamps.min() / 1000, UTC),
            last=datetime.fromtimestamp(samples.timestamps.max() / 1000, UTC),
        )


class Stretches(_Listed):
    """Stored stretches of signals, the first stored first."""

    items: list[StoredStretch] = Field(description="Stretches.")


class SeriesScale(_Body):
    """The scale of one series that is no known instrument."""

    symptom: SymptomName
    scale: NewScale = Field(description="Scale of all its reports.")


class StoredScale(BaseModel):
    """The scale of one series, and where it is stored: with a report of the series where that brought it."""

    id: UUID = Field(description="Identifier of the record.")
    version: int = Field(description="Give it as `If-Match` with a correction.")
    symptom: str = Field(description="Name of the series.")
    scale: ScaleBody = Field(description="Scale of all its reports.")


class Scales(BaseModel):
    """Scales of a patient's own series."""

    items: list[StoredScale] = Field(description="One a series.")


class StoredGenotype(BaseModel):
    """Results of genes as they were stored together."""

    id: UUID = Field(description="Identifier of the record.")
    version: int = Field(description="Give it as `If-Match` with a correction.")
    genes: dict[str, str] = Field(description="Gene to result.")

    @classmethod
    def of(cls, stored: StoredRecord) -> Self:
        """Return the wire form of stored results."""
        return cls(id=stored.record_id, version=stored.version, genes=results_of(stored))


class GenotypeResults(_Listed):
    """Stored results of genes, the first stored first; of one gene the last counts."""

    items: list[StoredGenotype] = Field(description="Results.")


class StoredCondition(BaseModel):
    """A condition as it was stored."""

    id: UUID = Field(description="Identifier of the record.")
    version: int = Field(description="Give it as `If-Match` with a correction.")
    name: str = Field(description="In words.")
    active: bool = Field(default=True, description="Whether the person has it now.")
    onset: str | None = Field(default=None, description="Year, month or day it began.")
    abatement: str | None = Field(default=None, description="Year, month or day it ended.")


class StoredAllergy(BaseModel):
    """An allergy as it was stored."""

    id: UUID = Field(description="Identifier of the record.")
    version: int = Field(description="Give it as `If-Match` with a correction.")
    name: str = Field(description="In words.")
    medication: str | None = Field(default=None, description="The drug, if it is one.")
    criticality: str | None = Field(default=None, description="How dangerous another reaction would be.")
    active: bool = Field(default=True, description="Whether it holds now.")


class ProblemList(_Listed):
    """Conditions and allergies, the first stored first."""

    conditions: list[StoredCondition] = Field(description="Conditions.")
    allergies: list[StoredAllergy] = Field(description="Allergies.")

    @classmethod
    def of(cls, stored: Sequence[StoredRecord]) -> Self:
        """Return the wire form of stored conditions and allergies."""
        pieces, unread = readable(stored, _problem)
        return cls(
            conditions=[piece for piece in pieces if isinstance(piece, StoredCondition)],
            allergies=[piece for piece in pieces if isinstance(piece, StoredAllergy)],
            not_read=[record.record_id for record in unread],
        )


def _problem(stored: StoredRecord) -> StoredCondition | StoredAllergy | None:
    """Return a stored condition or allergy; nothing for other pieces."""
    name, piece = piece_of(stored)
    values = {"id": stored.record_id, "version": stored.version, **asdict(piece)}
    if name == "conditions":
        return StoredCondition.model_validate(values)
    return StoredAllergy.model_validate(values) if name == "allergies" else None


class Version(BaseModel):
    """The version of a record after a correction; give it as ``If-Match`` with the next."""

    version: int = Field(description="Version of the record.")


class StoredImport(BaseModel):
    """A file or bundle that was stored as a whole."""

    id: UUID = Field(description="Identifier of the import.")
    name: str = Field(description="Name of the file, or kind of bundle.")
    recorded_at: datetime = Field(description="When it was stored.")
    counts: dict[str, int] = Field(description="Kind to how many records it brought.")


class Imports(BaseModel):
    """Imports that can be taken back, the first stored first."""

    items: list[StoredImport] = Field(description="Imports.")


class TakenBack(BaseModel):
    """How many records no longer count."""

    records: int = Field(description="Number of records.")


class Reason(_Body):
    """Why a record must be opened now."""

    reason: Annotated[
        str,
        Field(min_length=1, max_length=1000, examples=["unconscious in the emergency room"], description="In words."),
    ]


class Opened(BaseModel):
    """Until when a record is open."""

    until: datetime = Field(description="When it closes again.")


class Decision(_Body):
    """A patient's decision about one category of data."""

    granted: bool = Field(description="Whether the data may be used.")


class Consents(BaseModel):
    """The patient's decisions; what was never decided is not in it."""

    decisions: dict[str, bool] = Field(description="Category of data to whether it may be used.")


class AskedDrug(_Body):
    """Which drug is asked about; all psychiatric ones where none is named."""

    medication: Annotated[Word | None, Field(examples=["venlafaxine"], description="Drug in question.")] = None


class OutcomeIssue(BaseModel):
    """Something that was not understood, as FHIR R4 has it."""

    severity: Literal["fatal", "error", "warning", "information"] = Field(description="How bad it is.")
    code: Annotated[str, Field(description="Of FHIR's value set issue-type.")]
    diagnostics: Annotated[str, Field(description="What was not understood, and what became of it.")]
    expression: Annotated[list[str] | None, Field(description="Places in the bundle, as FHIRPath.")] = None


class OutcomeBody(BaseModel):
    """FHIR's OperationOutcome."""

    resourceType: Literal["OperationOutcome"] = Field(description="Kind of resource.")  # noqa: N815 - FHIR's spelling
    issue: list[OutcomeIssue] = Field(description="One for each thing that was not understood.")


class Imported(BaseModel):
    """How much of each kind was stored, and FHIR's OperationOutcome."""

    stored: Annotated[dict[str, int], Field(description="Kind to how many records.")]
    outcome: Annotated[OutcomeBody, Field(description="What was not understood.")]


class FhirResponse(JSONResponse):
    """A FHIR resource."""

    media_type = FHIR_JSON


class AuditEntryBody(BaseModel):
    """Somebody looked at or changed a record."""

    sequence: Annotated[int, Field(description="Place in the audit.")]
    at: Annotated[datetime, Field(description="When.")]
    actor: Annotated[str, Field(description="Account or client.")]
    role: Annotated[str, Field(description="Role of the account.")]
    purpose: Annotated[str, Field(description="Why, as far as it is known.")]
    correlation_id: Annotated[str, Field(description="Of the request.")]
    origin: Annotated[str | None, Field(description="Where it came from, as a pseudonym.")] = None
    action: Annotated[str, Field(description="What was done.")]
    what: Annotated[str, Field(description="Kind of data.")]
    patient: Annotated[str | None, Field(description="Pseudonym of the patient.")]
    outcome: Annotated[str, Field(description="How it went.")]
    count: Annotated[int, Field(description="Number of records.")]
    references: Annotated[list[str], Field(description="Identifiers of records.")]


class AuditTrail(BaseModel):
    """Who looked at or changed the record, the newest first; the patient appears under a pseudonym."""

    entries: list[AuditEntryBody] = Field(description="The newest first.")


@routes.get("", operation_id="listPatients")
async def list_patients(container: ContainerDep, caller: Caller, after: After = None, limit: Limit = 50) -> PatientPage:
    """List the patients whom you may see."""
    summaries = await container.clinic.patients(caller, after, limit)
    items = [PatientBody.of(summary) for summary in summaries]
    return PatientPage(items=items, next=summaries[-1].patient_id if len(summaries) == limit else None)


@routes.post("", status_code=201, operation_id="registerPatient")
async def register_patient(container: ContainerDep, caller: Caller, patient: NewPatient) -> Created:
    """Register a patient, whom you treat from now on."""
    return Created(ids=[await container.clinic.register(caller, patient.identity())])


@routes.get("/{patient_id}", operation_id="readPatient")
async def read_patient(container: ContainerDep, caller: Caller, patient_id: PatientId) -> PatientBody:
    """Read who a patient is."""
    return PatientBody.of(await container.clinic.patient(caller, patient_id))


@routes.post("/{patient_id}/reports", status_code=201, operation_id="addReports")
async def add_reports(
    container: ContainerDep, caller: Caller, patient_id: PatientId, new: NewReports, idempotency_key: Once = None
) -> Created:
    """Store symptom reports, all or none."""
    reports = [_report(report) for report in new.reports]
    return Created(ids=await container.clinic.add_reports(caller, patient_id, reports, idempotency_key))


@routes.get("/{patient_id}/reports", operation_id="readReports")
async def read_reports(container: ContainerDep, caller: Caller, patient_id: PatientId, newest: Newest = 500) -> Reports:
    """Read the newest symptom reports."""
    stored = await container.clinic.reports(caller, patient_id, newest)
    return Reports(**_listed(stored, StoredReport.of))


@routes.post("/{patient_id}/biometrics", status_code=201, operation_id="addBiometrics")
async def add_biometrics(
    container: ContainerDep, caller: Caller, patient_id: PatientId, new: NewSamples, idempotency_key: Once = None
) -> Created:
    """Store stretches of signals, all or none."""
    stretches = [SignalSamples(s.signal, s.unit, s.timestamps, s.values) for s in new.stretches]
    return Created(ids=await container.clinic.add_samples(caller, patient_id, stretches, idempotency_key))


@routes.put("/{patient_id}/reports/{record_id}", operation_id="correctReport")
async def correct_report(
    container: ContainerDep,
    caller: Caller,
    patient_id: PatientId,
    record_id: RecordId,
    report: Report,
    if_match: IfMatch = None,
) -> Version:
    """Correct a symptom report; the earlier version is kept."""
    return await _corrected(container, caller, patient_id, record_id, _report(report), if_match)


@routes.get("/{patient_id}/biometrics", operation_id="readBiometrics")
async def read_biometrics(container: ContainerDep, caller: Caller, patient_id: PatientId) -> Stretches:
    """Read which stretches of signals are stored."""
    stored = await container.clinic.pieces(caller, patient_id, Kind.BIOMETRIC_SAMPLES)
    return Stretches(**_listed(stored, StoredStretch.of))


@routes.put("/{patient_id}/biometrics/{record_id}", operation_id="correctBiometrics")
async def correct_biometrics(
    container: ContainerDep,
    caller: Caller,
    patient_id: PatientId,
    record_id: RecordId,
    new: Stretch,
    if_match: IfMatch = None,
) -> Version:
    """Put another stretch of a signal in the place of a stored one; the earlier version is kept."""
    piece = SignalSamples(new.signal, new.unit, new.timestamps, new.values)
    return await _corrected(container, caller, patient_id, record_id, piece, if_match)


@routes.get("/{patient_id}/scales", operation_id="readScales")
async def read_scales(container: ContainerDep, caller: Caller, patient_id: PatientId) -> Scales:
    """Read the scales of series that are no known instrument."""
    scales = await container.clinic.scales(caller, patient_id)
    return Scales(
        items=[
            StoredScale(id=place.record_id, version=place.version, symptom=name, scale=ScaleBody.of(scale))
            for name, (place, scale) in scales.items()
        ]
    )


@routes.put("/{patient_id}/scales", status_code=204, operation_id="changeScale")
async def change_scale(container: ContainerDep, caller: Caller, patient_id: PatientId, new: SeriesScale) -> None:
    """Give a whole series another scale; the audit records it, and reports off the new scale are no longer used."""
    await container.clinic.change_scale(caller, patient_id, new.symptom, new.scale.scale())


@routes.post("/{patient_id}/genotype", status_code=201, operation_id="addGenotype")
async def add_genotype(
    container: ContainerDep, caller: Caller, patient_id: PatientId, new: GenotypeBody, idempotency_key: Once = None
) -> Created:
    """Store laboratory results of genes; a later result of a gene replaces an earlier one."""
    return Created(ids=await container.clinic.add(caller, patient_id, _genes(new), idempotency_key))


@routes.get("/{patient_id}/genotype/results", operation_id="readGenotypeResults")
async def read_genotype_results(container: ContainerDep, caller: Caller, patient_id: PatientId) -> GenotypeResults:
    """Read each stored result of the laboratory; none where the patient withdrew consent to genomics."""
    stored = await container.clinic.pieces(caller, patient_id, Kind.GENOTYPE)
    return GenotypeResults(**_listed(stored, StoredGenotype.of))


@routes.put("/{patient_id}/genotype/{record_id}", operation_id="correctGenotype")
async def correct_genotype(
    container: ContainerDep,
    caller: Caller,
    patient_id: PatientId,
    record_id: RecordId,
    new: GenotypeBody,
    if_match: IfMatch = None,
) -> Version:
    """Correct a result of the laboratory; the earlier version is kept."""
    return await _corrected(container, caller, patient_id, record_id, _genes(new), if_match)


@routes.get("/{patient_id}/genotype", operation_id="readGenotype")
async def read_genotype(container: ContainerDep, caller: Caller, patient_id: PatientId) -> Genotype:
    """Read the results of genes; none where the patient withdrew consent to genomics."""
    return Genotype(genes=await container.clinic.genotype(caller, patient_id))


@routes.post("/{patient_id}/medications", status_code=201, operation_id="addMedication")
async def add_medication(
    container: ContainerDep, caller: Caller, patient_id: PatientId, course: Course, idempotency_key: Once = None
) -> Created:
    """Store a course of a medication."""
    piece = MedicationCourse(**course.model_dump())
    return Created(ids=await container.clinic.add(caller, patient_id, piece, idempotency_key))


@routes.get("/{patient_id}/medications", operation_id="readMedications")
async def read_medications(container: ContainerDep, caller: Caller, patient_id: PatientId) -> Courses:
    """Read the courses of medication."""
    stored = await container.clinic.pieces(caller, patient_id, Kind.MEDICATION)
    return Courses(**_listed(stored, StoredCourse.of))


@routes.put("/{patient_id}/medications/{record_id}", operation_id="correctMedication")
async def correct_medication(
    container: ContainerDep,
    caller: Caller,
    patient_id: PatientId,
    record_id: RecordId,
    course: Course,
    if_match: IfMatch = None,
) -> Version:
    """Correct a course of a medication; the earlier version is kept."""
    piece = MedicationCourse(**course.model_dump())
    return await _corrected(container, caller, patient_id, record_id, piece, if_match)


@routes.get("/{patient_id}/problems", operation_id="readProblems")
async def read_problems(container: ContainerDep, caller: Caller, patient_id: PatientId) -> ProblemList:
    """Read conditions and allergies."""
    return ProblemList.of(await container.clinic.pieces(caller, patient_id, Kind.CONDITION))


@routes.post("/{patient_id}/conditions", status_code=201, operation_id="addCondition")
async def add_condition(
    container: ContainerDep,
    caller: Caller,
    patient_id: PatientId,
    condition: ConditionBody,
    idempotency_key: Once = None,
) -> Created:
    """Store a condition."""
    return Created(ids=await container.clinic.add(caller, patient_id, condition.condition(), idempotency_key))


@routes.put("/{patient_id}/conditions/{record_id}", operation_id="correctCondition")
async def correct_condition(
    container: ContainerDep,
    caller: Caller,
    patient_id: PatientId,
    record_id: RecordId,
    condition: ConditionBody,
    if_match: IfMatch = None,
) -> Version:
    """Correct a condition; the earlier version is kept."""
    return await _corrected(container, caller, patient_id, record_id, condition.condition(), if_match)


@routes.post("/{patient_id}/allergies", status_code=201, operation_id="addAllergy")
async def add_allergy(
    container: ContainerDep, caller: Caller, patient_id: PatientId, allergy: AllergyBody, idempotency_key: Once = None
) -> Created:
    """Store an allergy or intolerance."""
    return Created(ids=await container.clinic.add(caller, patient_id, allergy.allergy(), idempotency_key))


@routes.put("/{patient_id}/allergies/{record_id}", operation_id="correctAllergy")
async def correct_allergy(
    container: ContainerDep,
    caller: Caller,
    patient_id: PatientId,
    record_id: RecordId,
    allergy: AllergyBody,
    if_match: IfMatch = None,
) -> Version:
    """Correct an allergy; the earlier version is kept."""
    return await _corrected(container, caller, patient_id, record_id, allergy.allergy(), if_match)


@routes.delete("/{patient_id}/records/{record_id}", status_code=204, operation_id="withdrawRecord")
async def withdraw_record(
    container: ContainerDep, caller: Caller, patient_id: PatientId, record_id: RecordId, if_match: IfMatch = None
) -> None:
    """Withdraw a stored report, stretch, course, result, condition or allergy as entered in error."""
    await container.clinic.withdraw(caller, patient_id, record_id, _version(if_match))


@routes.get("/{patient_id}/imports", operation_id="readImports")
async def read_imports(container: ContainerDep, caller: Caller, patient_id: PatientId) -> Imports:
    """Read which files and bundles were stored as a whole."""
    imports = await container.clinic.imports(caller, patient_id)
    return Imports(
        items=[
            StoredImport(
                id=imported.import_id,
                name=imported.name,
                recorded_at=imported.recorded_at,
                counts=dict(imported.counts),
            )
            for imported in imports
        ]
    )


@routes.delete("/{patient_id}/imports/{record_id}", operation_id="takeImportBack")
async def take_import_back(
    container: ContainerDep, caller: Caller, patient_id: PatientId, record_id: RecordId
) -> TakenBack:
    """Withdraw everything that an import brought and that still counts."""
    return TakenBack(records=await container.clinic.take_back(caller, patient_id, record_id))


@routes.get("/{patient_id}/forecast", operation_id="forecastPatient", response_model=ForecastsBody)
async def forecast_patient(
    container: ContainerDep,
    caller: Caller,
    patient_id: PatientId,
    horizon: Horizon = 14,
    threshold: Annotated[float | None, Query(allow_inf_nan=False, description="A score whose risk is wanted.")] = None,
    explain: Annotated[bool, Query(description="Also which parts of the record moved the forecast.")] = False,
) -> Response:
    """Forecast each symptom, with calibrated intervals."""
    forecast = await container.forecasts.json(caller, patient_id, horizon, threshold, explain=explain)
    return Response(forecast, media_type="application/json")


@routes.post("/{patient_id}/medication-advice", operation_id="adviseMedication", response_model=ReviewBody)
async def advise_medication(
    container: ContainerDep, caller: Caller, patient_id: PatientId, asked: AskedDrug
) -> Response:
    """Review one drug, or all psychiatric drugs, for this genotype and co-medication.

    It changes nothing; it is a POST so that no drug of a patient stands in an address.
    """
    review = await container.clinic.medication_advice(caller, patient_id, asked.medication)
    return await _json(lambda: ReviewBody.of(review))


@routes.get("/{patient_id}/insights", operation_id="readInsights", response_model=InsightsBody)
async def read_insights(
    container: ContainerDep,
    caller: Caller,
    patient_id: PatientId,
    horizon: Horizon = 14,
    lookback_days: Lookback = 30,
) -> Response:
    """Read what all services say together; a service that has nothing to say gives its reason."""
    options = Options(forecast_days=horizon, biometric_lookback_days=lookback_days)
    insights = await container.clinic.insights(caller, patient_id, options)
    return await _json(lambda: InsightsBody.of(insights))


@routes.get("/{patient_id}/correlations", operation_id="readCorrelations", response_model=PersonLinksBody)
async def read_correlations(
    container: ContainerDep,
    caller: Caller,
    patient_id: PatientId,
    lookback_days: Lookback = 30,
) -> Response:
    """Read which signals lead or follow which symptoms, after correction for how many were looked at."""
    correlations = await container.clinic.correlations(caller, patient_id, lookback_days)
    return await _json(lambda: PersonLinksBody.of(correlations.person()))


@routes.post("/{patient_id}/what-if", operation_id="askWhatIf", response_model=WhatIfBody)
async def ask_what_if(container: ContainerDep, caller: Caller, patient_id: PatientId, regimen: RegimenBody) -> Response:
    """Simulate a drug at a dose in this patient, beside a normal metaboliser on the same dose."""
    treatment = await container.clinic.what_if(caller, patient_id, Regimen(**regimen.model_dump()))
    return await _json(lambda: WhatIfBody.of(treatment))


@routes.post("/{patient_id}/regimen", operation_id="askRegimen", response_model=RegimenWhatIfBody)
async def ask_regimen(container: ContainerDep, caller: Caller, patient_id: PatientId, asked: RegimenSteps) -> Response:
    """Simulate what this patient takes, with other steps from today on: levels, occupancies, cautions by day."""
    regimen = await container.clinic.what_if_regimen(caller, patient_id, **asked.options())
    return await _json(lambda: RegimenWhatIfBody.of(regimen))


@routes.post("/{patient_id}/switch", operation_id="askSwitch", response_model=RegimenWhatIfBody)
async def ask_switch(container: ContainerDep, caller: Caller, patient_id: PatientId, asked: SwitchBody) -> Response:
    """Propose a schedule from a drug that this patient takes to another, to judge."""
    regimen = await container.clinic.what_if_switch(caller, patient_id, **asked.model_dump())
    return await _json(lambda: RegimenWhatIfBody.of(regimen))


@routes.post(
    "/{patient_id}/fhir",
    status_code=201,
    operation_id="importFhir",
    response_model_exclude_none=True,
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {media: {"schema": _RESOURCE} for media in (FHIR_JSON, "application/json")},
        }
    },
)
async def import_fhir(
    container: ContainerDep,
    caller: Caller,
    patient_id: PatientId,
    request: Request,
    idempotency_key: Once = None,
    confirm_identity: ConfirmIdentity = False,
) -> Imported:
    """Import a FHIR R4 Bundle or resource of this one patient; what was not understood is in the outcome.

    If identifier, birth date, sex or name are another's, 409 says which, and nothing is stored.
    """
    stored = await container.clinic.import_fhir(
        caller,
        patient_id,
        await request.body(),
        idempotency_key,
        settings=container.settings,
        confirm_identity=confirm_identity,
    )
    return Imported(stored=dict(stored.counts), outcome=OutcomeBody.model_validate(stored.outcome.to_fhir()))


@routes.get("/{patient_id}/fhir", operation_id="exportFhir", response_class=FhirResponse, responses=_BUNDLE)
async def export_fhir(
    container: ContainerDep, caller: Caller, patient_id: PatientId, with_insights: WithInsights = False
) -> FhirResponse:
    """Export the record as a FHIR R4 Bundle, with the services' results if that is wanted."""
    return FhirResponse(await container.clinic.fhir_bundle(caller, patient_id, with_insights=with_insights))


@routes.get("/{patient_id}/audit", operation_id="readAudit")
async def read_audit(
    container: ContainerDep, caller: Caller, patient_id: PatientId, newest: NewestEntries = 100
) -> AuditTrail:
    """Read who looked at or changed the record."""
    return AuditTrail.model_validate({"entries": await container.clinic.audit_trail(caller, patient_id, newest)})


@routes.get("/{patient_id}/consents", operation_id="readConsents")
async def read_consents(container: ContainerDep, caller: Caller, patient_id: PatientId) -> Consents:
    """Read the patient's decisions."""
    return Consents(decisions=await container.clinic.consents(caller, patient_id))


@routes.put("/{patient_id}/consents/{category}", status_code=204, operation_id="decideConsent")
async def decide_consent(
    container: ContainerDep,
    caller: Caller,
    patient_id: PatientId,
    category: Annotated[Literal["genomics", "research", "sharing"], Path(description="Category of data.")],
    decision: Decision,
) -> None:
    """Store a decision of the patient; it counts from the next request on."""
    await container.clinic.decide(caller, patient_id, category, decision.granted)


@routes.post("/{patient_id}/emergency", status_code=201, operation_id="openEmergency")
async def open_emergency(container: ContainerDep, caller: Caller, patient_id: PatientId, why: Reason) -> Opened:
    """Open the record of a patient whom you do not treat, in an emergency; the privacy officer is informed."""
    return Opened(until=await container.clinic.open_emergency(caller, patient_id, why.reason))


async def _json(form: Callable[[], BaseModel]) -> Response:
    """Return an answer whose form is made beside the event loop and written once."""
    return Response(await asyncio.to_thread(lambda: form().model_dump_json()), media_type="application/json")


async def _corrected(
    container: Container, caller: Principal, patient_id: UUID, record_id: UUID, piece: Piece, if_match: str | None
) -> Version:
    return Version(version=await container.clinic.correct(caller, patient_id, record_id, piece, _version(if_match)))


def _listed(stored: Sequence[StoredRecord], read: Callable[[StoredRecord], Any]) -> dict[str, Any]:
    """Return the stored pieces that a list shows, and those that cannot be read."""
    items, unread = readable(stored, read)
    return {"items": items, "not_read": [record.record_id for record in unread]}


def _version(if_match: str | None) -> int | None:
    return None if if_match is None else int(if_match.removeprefix("W/").strip('"'))


def _report(body: Report) -> SymptomReport:
    return SymptomReport(body.symptom, body.timestamp, body.value, body.own_scale())


def _genes(body: GenotypeBody) -> dict[str, str]:
    if not body.genes:
        raise ValidationError("give at least one gene")
    return body.genes
