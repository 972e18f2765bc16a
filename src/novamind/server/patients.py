"""REST of one clinic's patients: thin, since :mod:`novamind.clinic` decides and does."""

import asyncio
from collections.abc import Sequence
from datetime import date, datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self
from uuid import UUID

from fastapi import APIRouter, Header, Path, Query, Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field, JsonValue

from novamind.clinic import PatientSummary, Regimen, SignalSamples, SymptomReport
from novamind.errors import ValidationError
from novamind.infrastructure.patient_store import Identity, StoredRecord
from novamind.pharmacogenomics.endpoints import Gene, ReviewBody, Word
from novamind.records import MedicationCourse, read_fhir
from novamind.server.caller import AtHome, Caller
from novamind.server.problems import FHIR_JSON
from novamind.symptoms.endpoints import ForecastsBody, Moment, Report
from novamind.timeline import parse_timezone
from novamind.twin.domain import Options
from novamind.twin.plain import insights_to_dict

if TYPE_CHECKING:
    from novamind.biometrics.results import Correlations

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
Line = Annotated[str, Field(min_length=1, max_length=200)]
Horizon = Annotated[int, Query(ge=1, le=30, description="Days ahead.")]
Limit = Annotated[int, Query(ge=1, le=100)]
After = Annotated[UUID | None, Query(description="The last id of the page before.")]
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
    name: Line
    birth_date: Annotated[date | None, Field(description="ISO date.")] = None
    gender: Literal["male", "female", "other", "unknown"] | None = None
    timezone: Annotated[str | None, Field(max_length=60, description="IANA name.")] = None
    identifiers: Annotated[
        dict[Annotated[str, Field(pattern=r"^[a-z][a-z_]{0,19}$")], Line],
        Field(max_length=10, description="By which the patient can be found."),
    ] = {}

    def identity(self) -> Identity:
        """As the store takes it."""
        if self.timezone is not None:
            parse_timezone(self.timezone)
        details = self.model_dump(mode="json", exclude={"identifiers"}, exclude_none=True)
        return Identity(self.identifiers, details)


class PatientBody(BaseModel):
    """Who a patient is."""

    patient_id: UUID
    identifiers: dict[str, str]
    details: dict[str, Any]

    @classmethod
    def of(cls, summary: PatientSummary) -> "PatientBody":
        """From the clinic's summary."""
        return cls(patient_id=summary.patient_id, identifiers=dict(summary.identifiers), details=dict(summary.details))


class PatientPage(BaseModel):
    """A page of patients; ``next`` is ``after`` of the next page."""

    items: list[PatientBody]
    next: UUID | None


class Created(BaseModel):
    """Ids of what was stored."""

    ids: list[UUID]


class NewReports(_Body):
    """Symptom reports to store, all or none."""

    reports: Annotated[list[Report], Field(min_length=1, max_length=1000)]


class StoredReport(BaseModel):
    """A symptom report as it was stored."""

    id: UUID
    recorded_at: datetime
    symptom: str
    timestamp: datetime
    value: float


def stored_reports(stored: Sequence[StoredRecord]) -> list[StoredReport]:
    """From the store's records."""
    return [
        StoredReport.model_validate({"id": one.record_id, "recorded_at": one.recorded_at, **dict(one.content)})
        for one in stored
        if isinstance(one.content, dict)
    ]


class Stretch(_Body):
    """A stretch of one signal."""

    signal: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,59}$", examples=["sleep_duration"])]
    unit: Annotated[str, Field(min_length=1, max_length=20, examples=["h"])]
    timestamps: Annotated[list[Moment], Field(min_length=1, max_length=20_000)]
    values: Annotated[list[Annotated[float, Field(allow_inf_nan=False)]], Field(min_length=1, max_length=20_000)]


class NewSamples(_Body):
    """Signals to store, all or none."""

    stretches: Annotated[list[Stretch], Field(min_length=1, max_length=50)]


class GenotypeBody(_Body):
    """Gene to result, as laboratories report it."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"genes": {"CYP2D6": "*1/*4", "CYP2C19": "*1/*2"}}]}
    )
    genes: Annotated[dict[Gene, Word], Field(max_length=200)]


class Course(_Body):
    """A medication taken from one day to another."""

    medication: Annotated[Line, Field(examples=["sertraline"])]
    start: date | None = None
    end: date | None = None
    dose_mg: Annotated[float | None, Field(gt=0, le=100_000, allow_inf_nan=False)] = None
    stopped: bool = False


class StoredCourse(Course):
    """A course as it was stored."""

    id: UUID


class Courses(BaseModel):
    """All courses of a patient."""

    items: list[StoredCourse]


class Reports(BaseModel):
    """Reports of a patient, the first stored first."""

    items: list[StoredReport]


class Reason(_Body):
    """Why a record must be opened now."""

    reason: Annotated[str, Field(min_length=1, max_length=1000, examples=["unconscious in the emergency room"])]


class Opened(BaseModel):
    """Until when a record is open."""

    until: datetime


class Decision(_Body):
    """A patient's decision about one category of data."""

    granted: bool


class Consents(BaseModel):
    """The patient's decisions; what was never decided is not in it."""

    decisions: dict[str, bool]


class AskedDrug(_Body):
    """Which drug is asked about; all psychiatric ones where none is named."""

    medication: Annotated[Word | None, Field(examples=["venlafaxine"])] = None


class RegimenBody(_Body):
    """One drug at one dose."""

    drug: Annotated[str, Field(min_length=1, max_length=100, examples=["sertraline"])]
    dose_mg: Annotated[float, Field(gt=0, le=10_000, allow_inf_nan=False, examples=[50])]
    interval_hours: Annotated[float, Field(ge=1, le=168, allow_inf_nan=False)] = 24
    weeks: Annotated[int, Field(ge=1, le=26)] = 8
    ensemble: Annotated[int, Field(ge=2, le=200)] = 50
    seed: Annotated[int, Field(ge=0, le=2**31)] = 0


class WhatIfBody(BaseModel):
    """What a drug at a dose would do; figures with their 90 % band, and what cannot be said."""

    model_config = ConfigDict(extra="allow")
    drug: str
    dose_mg: float
    weeks: int
    exposure_ratio: float
    verdict: str
    unknown: list[str]
    model_version: str
    seed: int
    ensemble: int


class InsightsBody(BaseModel):
    """What all services say together, with the evidence of each recommendation."""

    patient_id: str
    made_on: date
    complete: bool
    missing: dict[str, str]
    options: dict[str, Any]
    model_versions: dict[str, str]
    recommendations: list[dict[str, Any]]
    results: dict[str, dict[str, Any]]
    tracking: list[dict[str, Any]]
    notes: list[str]
    disclaimer: str


class CorrelationsBody(BaseModel):
    """Links between signals and symptoms."""

    model_version: str
    links: list[dict[str, Any]]

    @classmethod
    def of(cls, found: "Correlations") -> Self:
        """From the room's result on one person."""
        return cls(model_version=found.model_version, links=found.person().to_dict()["links"])


class Imported(BaseModel):
    """How much of each kind was stored, and FHIR's OperationOutcome."""

    stored: dict[str, int]
    outcome: dict[str, Any]


class FhirResponse(JSONResponse):
    """A FHIR resource."""

    media_type = FHIR_JSON


class AuditTrail(BaseModel):
    """Who looked at or changed the record, the newest first; the patient appears under a pseudonym."""

    entries: list[dict[str, Any]]


@routes.get("", operation_id="listPatients")
async def list_patients(house: AtHome, caller: Caller, after: After = None, limit: Limit = 50) -> PatientPage:
    """List the patients whom you may see."""
    found = await house.clinic.patients(caller, after, limit)
    items = [PatientBody.of(summary) for summary in found]
    return PatientPage(items=items, next=found[-1].patient_id if len(found) == limit else None)


@routes.post("", status_code=201, operation_id="registerPatient")
async def register_patient(house: AtHome, caller: Caller, patient: NewPatient) -> Created:
    """Register a patient; whoever registers treats."""
    return Created(ids=[await house.clinic.register(caller, patient.identity())])


@routes.get("/{patient_id}", operation_id="readPatient")
async def read_patient(house: AtHome, caller: Caller, patient_id: PatientId) -> PatientBody:
    """Read who a patient is."""
    return PatientBody.of(await house.clinic.patient(caller, patient_id))


@routes.post("/{patient_id}/reports", status_code=201, operation_id="addReports")
async def add_reports(
    house: AtHome, caller: Caller, patient_id: PatientId, new: NewReports, idempotency_key: Once = None
) -> Created:
    """Store symptom reports, all or none."""
    reports = [SymptomReport(one.symptom, one.timestamp, one.value, one.own_scale()) for one in new.reports]
    return Created(ids=await house.clinic.add_reports(caller, patient_id, reports, idempotency_key))


@routes.get("/{patient_id}/reports", operation_id="readReports")
async def read_reports(
    house: AtHome, caller: Caller, patient_id: PatientId, newest: Annotated[int, Query(ge=1, le=5000)] = 500
) -> Reports:
    """Read the newest symptom reports."""
    stored = await house.clinic.reports(caller, patient_id, newest)
    return Reports(items=stored_reports(stored))


@routes.post("/{patient_id}/biometrics", status_code=201, operation_id="addBiometrics")
async def add_biometrics(
    house: AtHome, caller: Caller, patient_id: PatientId, new: NewSamples, idempotency_key: Once = None
) -> Created:
    """Store stretches of signals, all or none."""
    stretches = [SignalSamples(s.signal, s.unit, s.timestamps, s.values) for s in new.stretches]
    return Created(ids=await house.clinic.add_samples(caller, patient_id, stretches, idempotency_key))


@routes.post("/{patient_id}/genotype", status_code=201, operation_id="addGenotype")
async def add_genotype(house: AtHome, caller: Caller, patient_id: PatientId, new: GenotypeBody) -> Created:
    """Store laboratory results of genes; a later result of a gene replaces an earlier one."""
    if not new.genes:
        raise ValidationError("give at least one gene")
    return Created(ids=await house.clinic.add_genotype(caller, patient_id, new.genes))


@routes.get("/{patient_id}/genotype", operation_id="readGenotype")
async def read_genotype(house: AtHome, caller: Caller, patient_id: PatientId) -> GenotypeBody:
    """Read the results of genes; none where the patient withdrew consent to genomics."""
    return GenotypeBody(genes=await house.clinic.genotype(caller, patient_id))


@routes.post("/{patient_id}/medications", status_code=201, operation_id="addMedication")
async def add_medication(house: AtHome, caller: Caller, patient_id: PatientId, course: Course) -> Created:
    """Store a course of a medication."""
    return Created(ids=await house.clinic.add_medication(caller, patient_id, MedicationCourse(**course.model_dump())))


@routes.get("/{patient_id}/medications", operation_id="readMedications")
async def read_medications(house: AtHome, caller: Caller, patient_id: PatientId) -> Courses:
    """Read the courses of medication."""
    stored = await house.clinic.medications(caller, patient_id)
    return Courses(
        items=[
            StoredCourse(
                id=record_id,
                medication=course.medication,
                start=course.start,
                end=course.end,
                dose_mg=course.dose_mg,
                stopped=course.stopped,
            )
            for record_id, course in stored
        ]
    )


@routes.get("/{patient_id}/forecast", operation_id="forecastPatient", response_model=ForecastsBody)
async def forecast_patient(
    house: AtHome,
    caller: Caller,
    patient_id: PatientId,
    horizon: Horizon = 14,
    threshold: Annotated[float | None, Query(allow_inf_nan=False, description="A score whose risk is wanted.")] = None,
) -> Response:
    """Forecast each symptom, with calibrated intervals."""
    forecast = await house.forecasts.json(caller, patient_id, horizon, threshold)
    return Response(forecast, media_type="application/json")


@routes.post("/{patient_id}/medication-advice", operation_id="adviseMedication")
async def advise_medication(house: AtHome, caller: Caller, patient_id: PatientId, asked: AskedDrug) -> ReviewBody:
    """Review one drug, or all psychiatric drugs, for this genotype and co-medication.

    It changes nothing; it is a POST so that no drug of a patient stands in an address.
    """
    review = await house.clinic.medication_advice(caller, patient_id, asked.medication)
    return await asyncio.to_thread(ReviewBody.of, review)


@routes.get("/{patient_id}/insights", operation_id="readInsights")
async def read_insights(
    house: AtHome,
    caller: Caller,
    patient_id: PatientId,
    horizon: Horizon = 14,
    lookback_days: Annotated[int, Query(ge=7, le=3650)] = 30,
) -> InsightsBody:
    """Read what all services say together; a service that has nothing to say gives its reason."""
    options = Options(forecast_days=horizon, biometric_lookback_days=lookback_days)
    insights = await house.clinic.insights(caller, patient_id, options)
    return InsightsBody.model_validate(await asyncio.to_thread(insights_to_dict, insights))


@routes.get("/{patient_id}/correlations", operation_id="readCorrelations")
async def read_correlations(
    house: AtHome,
    caller: Caller,
    patient_id: PatientId,
    lookback_days: Annotated[int, Query(ge=7, le=3650)] = 30,
) -> CorrelationsBody:
    """Read which signals lead or follow which symptoms, after correction for how many were looked at."""
    found = await house.clinic.correlations(caller, patient_id, lookback_days)
    return CorrelationsBody.of(found)


@routes.post("/{patient_id}/what-if", operation_id="askWhatIf")
async def ask_what_if(house: AtHome, caller: Caller, patient_id: PatientId, regimen: RegimenBody) -> WhatIfBody:
    """Simulate a drug at a dose in this patient, beside a normal metaboliser on the same dose."""
    asked = await house.clinic.what_if(caller, patient_id, Regimen(**regimen.model_dump()))
    return WhatIfBody.model_validate(await asyncio.to_thread(asked.to_dict))


@routes.post(
    "/{patient_id}/fhir",
    status_code=201,
    operation_id="importFhir",
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {media: {"schema": {"type": "object"}} for media in (FHIR_JSON, "application/json")},
        }
    },
)
async def import_fhir(
    house: AtHome, caller: Caller, patient_id: PatientId, request: Request, idempotency_key: Once = None
) -> Imported:
    """Import a FHIR R4 Bundle or resource of this one patient; what was not understood is in the outcome."""
    body = await request.body()
    found = await asyncio.to_thread(read_fhir, body, settings=house.settings)
    stored = await house.clinic.import_fhir(caller, patient_id, found, idempotency_key)
    return Imported(stored=stored, outcome=found.outcome.to_fhir())


@routes.get("/{patient_id}/fhir", operation_id="exportFhir", response_class=FhirResponse)
async def export_fhir(
    house: AtHome, caller: Caller, patient_id: PatientId, with_insights: bool = False
) -> FhirResponse:
    """Export the record as a FHIR R4 Bundle, with the services' results if that is wanted."""
    return FhirResponse(await house.clinic.fhir_bundle(caller, patient_id, with_insights=with_insights))


@routes.get("/{patient_id}/audit", operation_id="readAudit")
async def read_audit(
    house: AtHome, caller: Caller, patient_id: PatientId, newest: Annotated[int, Query(ge=1, le=1000)] = 100
) -> AuditTrail:
    """Read who looked at or changed the record."""
    return AuditTrail(entries=await house.clinic.audit_trail(caller, patient_id, newest))


@routes.get("/{patient_id}/consents", operation_id="readConsents")
async def read_consents(house: AtHome, caller: Caller, patient_id: PatientId) -> Consents:
    """Read the patient's decisions."""
    return Consents(decisions=await house.clinic.consents(caller, patient_id))


@routes.put("/{patient_id}/consents/{category}", status_code=204, operation_id="decideConsent")
async def decide_consent(
    house: AtHome,
    caller: Caller,
    patient_id: PatientId,
    category: Literal["genomics", "research", "sharing"],
    decision: Decision,
) -> None:
    """Store a decision of the patient; it counts from the next request on."""
    await house.clinic.decide(caller, patient_id, category, decision.granted)


@routes.post("/{patient_id}/emergency", status_code=201, operation_id="openEmergency")
async def open_emergency(house: AtHome, caller: Caller, patient_id: PatientId, why: Reason) -> Opened:
    """Open the record of a patient whom you do not treat, in an emergency; the privacy officer is told."""
    return Opened(until=await house.clinic.open_emergency(caller, patient_id, why.reason))
