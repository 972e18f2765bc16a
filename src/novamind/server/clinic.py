"""The use cases of a clinic: each asks first whether the caller may, then the store, then the services.

A patient's record is put together here from what the store holds, so that every service sees the same person.
"""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final, TypeVar
from uuid import UUID

import numpy as np
import polars as pl

from novamind.errors import (
    InsufficientDataError,
    NotFoundError,
    NovamindError,
    ServiceUnavailableError,
    ValidationError,
)
from novamind.infrastructure.audit import Access, AuditLog, Event
from novamind.infrastructure.cache import SealedCache
from novamind.infrastructure.identity.access import AccessControl
from novamind.infrastructure.identity.domain import Permission, Principal, Role
from novamind.infrastructure.identity.sessions import access_of
from novamind.infrastructure.patient_store import Identity, Kind, PatientStore, Samples, StoredRecord
from novamind.pharmacogenomics import PharmacogenomicsService, Review
from novamind.pharmacogenomics import genotype as read_genes
from novamind.records import (
    Allergy,
    Coding,
    Condition,
    Consent,
    FhirImport,
    LongFrame,
    MedicationCourse,
    NotUnderstood,
    PatientRecord,
    Procedure,
    signal_frame,
    symptom_frame,
)
from novamind.symptoms.domain import Scale
from novamind.symptoms.endpoints import ForecastsBody, Report, forecast_frame
from novamind.symptoms.service import SymptomForecastingService
from novamind.twin.analyses import BIOMETRICS
from novamind.twin.breaker import CircuitBreaker
from novamind.twin.case import Case
from novamind.twin.domain import ForecastCheck, Insights, Options, ServiceResult, Status
from novamind.twin.execution import Bulkhead, Guard
from novamind.twin.patient import PatientTwin
from novamind.twin.service import DigitalTwinIntegrationService
from novamind.twin.what_if import WhatIf, what_if

#: Categories of data about which a patient decides.
CONSENTS: Final = ("genomics", "research", "sharing")
_LISTS: Final = {"conditions": Condition, "allergies": Allergy, "procedures": Procedure, "consents": Consent}
_GENOMICS_WITHDRAWN: Final = NotUnderstood("genotype", "not used: the patient withdrew consent to genomics")
T = TypeVar("T")
#: To each patient what was asked for, or why there is none.
Answers = dict[UUID, T | NovamindError]
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class PatientSummary:
    """A patient as a list shows them."""

    patient_id: UUID
    identifiers: Mapping[str, str]
    details: Mapping[str, Any]


@dataclass(frozen=True)
class SignalSamples:
    """A stretch of one signal as it was measured."""

    signal: str
    unit: str
    timestamps: Sequence[datetime]
    values: Sequence[float]


@dataclass(frozen=True)
class Reading:
    """A record on one day, and what the services say of it."""

    case: Case
    insights: Insights


@dataclass(frozen=True)
class Regimen:
    """One drug at one dose, and how it is simulated."""

    drug: str
    dose_mg: float
    interval_hours: float
    weeks: int
    ensemble: int
    seed: int


class Clinic:
    """What people and programs of a clinic can do.

    Parameters
    ----------
    access
        Decides who may.
    store, audit, cache
        Those of the running system.
    symptoms, pharmacogenomics, twin
        The services.
    """

    def __init__(
        self,
        access: AccessControl,
        store: PatientStore,
        audit: AuditLog,
        cache: SealedCache,
        symptoms: SymptomForecastingService,
        pharmacogenomics: PharmacogenomicsService,
        twin: DigitalTwinIntegrationService,
    ) -> None:
        self._access = access
        self._store = store
        self._audit = audit
        self._cache = cache
        self._symptoms = symptoms
        self._pharmacogenomics = pharmacogenomics
        self._twin = twin
        self._forecasting = Guard(CircuitBreaker(), Bulkhead())

    async def register(self, principal: Principal, identity: Identity) -> UUID:
        """Register a patient of one's organisation; a clinician treats whom they registered."""
        access = await self._access.permit(principal, Permission.PATIENTS_CREATE)
        if principal.organisation_id is None:
            raise ValidationError("patients are registered by somebody who belongs to an organisation")
        patient_id = await self._store.register(principal.organisation_id, identity, access)
        if principal.role is Role.CLINICIAN:
            await self._store.relate(principal.subject, patient_id, access)
        return patient_id

    async def patients(self, principal: Principal, after: UUID | None, limit: int) -> list[PatientSummary]:
        """Patients whom the caller may see, in the order of their ids."""
        ids = await self._access.patients(principal, after, limit)
        found = await self._summaries(dict.fromkeys(ids, access_of(principal, "list")))
        return [_right(found[patient_id]) for patient_id in ids]

    async def patient(self, principal: Principal, patient_id: UUID) -> PatientSummary:
        """Who a patient is."""
        return _right((await self.summaries(principal, [patient_id]))[patient_id])

    async def summaries(self, principal: Principal, patient_ids: Collection[UUID]) -> Answers[PatientSummary]:
        """Who several patients are."""
        accesses, refused = await self._permitted(principal, Permission.PATIENTS_READ, patient_ids)
        return refused | await self._summaries(accesses)

    async def add_reports(
        self, principal: Principal, patient_id: UUID, reports: Sequence[Report], idempotency_key: str | None
    ) -> list[UUID]:
        """Store symptom reports, all or none."""
        access = await self._access.permit_patient(principal, Permission.RECORDS_WRITE, patient_id)
        tomorrow = datetime.now(UTC) + timedelta(days=1)
        for report in reports:
            report.check()
            if report.timestamp > tomorrow:
                raise ValidationError("a report lies in the future")
        contents = [report.model_dump(mode="json", exclude_none=True) for report in reports]
        return await self._store.append(
            patient_id, Kind.SYMPTOM_REPORT, contents, access, idempotency_key=idempotency_key
        )

    async def reports(self, principal: Principal, patient_id: UUID, newest: int) -> list[StoredRecord]:
        """The newest symptom reports, the first stored first."""
        return _right((await self.histories(principal, [patient_id], newest))[patient_id])

    async def histories(
        self, principal: Principal, patient_ids: Collection[UUID], newest: int | None = None
    ) -> Answers[list[StoredRecord]]:
        """Several patients' symptom reports, all or the newest, the first stored first."""
        accesses, refused = await self._permitted(principal, Permission.RESULTS_READ, patient_ids)
        return refused | await self._store.read_each(accesses, Kind.SYMPTOM_REPORT, newest=newest)

    async def add_samples(
        self,
        principal: Principal,
        patient_id: UUID,
        stretches: Sequence[SignalSamples],
        idempotency_key: str | None,
    ) -> list[UUID]:
        """Store stretches of signals, all or none."""
        access = await self._access.permit_patient(principal, Permission.RECORDS_WRITE, patient_id)
        samples = [_samples(stretch) for stretch in stretches]
        return await self._store.append(
            patient_id, Kind.BIOMETRIC_SAMPLES, samples, access, idempotency_key=idempotency_key
        )

    async def add_genotype(self, principal: Principal, patient_id: UUID, genes: Mapping[str, str]) -> list[UUID]:
        """Store laboratory results of genes."""
        access = await self._access.permit_patient(principal, Permission.RECORDS_WRITE, patient_id)
        await self._genomics_allowed(patient_id)
        read_genes(genes)
        return await self._store.append(patient_id, Kind.GENOTYPE, [{"genes": dict(genes)}], access)

    async def genotype(self, principal: Principal, patient_id: UUID) -> dict[str, str]:
        """Gene to result; nothing where the patient withdrew consent to genomics."""
        access = await self._access.permit_patient(principal, Permission.RESULTS_READ, patient_id)
        return _right((await self._genotypes({patient_id: access}))[patient_id])[0]

    async def add_medication(self, principal: Principal, patient_id: UUID, course: MedicationCourse) -> list[UUID]:
        """Store a course of a medication."""
        access = await self._access.permit_patient(principal, Permission.RECORDS_WRITE, patient_id)
        return await self._store.append(patient_id, Kind.MEDICATION, [_plain(course)], access)

    async def medications(self, principal: Principal, patient_id: UUID) -> list[tuple[UUID, MedicationCourse]]:
        """Courses of medication, the first stored first."""
        access = await self._access.permit_patient(principal, Permission.RESULTS_READ, patient_id)
        stored = await self._store.read(patient_id, Kind.MEDICATION, access)
        return [(one.record_id, _course(_mapping(one))) for one in stored]

    async def forecast(self, principal: Principal, patient_id: UUID, horizon: int, threshold: float | None) -> bytes:
        """Forecast each symptom: the JSON of a :class:`ForecastsBody`, out of the cache if nothing has changed."""
        access, revision = await self._access.permit_revision(principal, Permission.RESULTS_READ, patient_id)
        what = ("forecast", self._symptoms.model.version, str(horizon), str(threshold))
        kept = await self._cache.get(patient_id, revision, *what)
        if kept is not None:
            await self._audit.append(Event(access=access, action="read", what=Kind.FORECAST, patient_id=patient_id))
            return kept
        stored = await self._store.read(patient_id, Kind.SYMPTOM_REPORT, access)
        made = (await self.forecast_of(stored, horizon, threshold)).model_dump_json().encode()
        await self._cache.put(patient_id, revision, *what, value=made)
        return made

    async def forecast_of(self, stored: Sequence[StoredRecord], horizon: int, threshold: float | None) -> ForecastsBody:
        """Forecast each symptom of a history that was read.

        Raises
        ------
        ServiceUnavailableError
            If the model fails, gives no number or takes too long; after some such ends it is left alone for a while.
        """
        if not stored:
            raise InsufficientDataError("nothing to forecast: there are no symptom reports yet")
        reports = [_mapping(one) for one in stored]
        given = {one["symptom"]: Scale(**one["scale"]) for one in reports if "scale" in one}

        async def work() -> ForecastsBody | NovamindError:
            try:
                return forecast_frame(self._symptoms, _reports_frame(reports), given, horizon, threshold)
            except (ValidationError, InsufficientDataError) as error:
                return error  # of the record, not of the model

        ended = await self._forecasting.call(work)
        if ended.status is not Status.AVAILABLE:
            raise ServiceUnavailableError(f"there is no forecast now: {ended.reason}")
        forecasts: ForecastsBody | NovamindError = ended.value
        return _right(forecasts)

    async def medication_advice(self, principal: Principal, patient_id: UUID, medication: str | None) -> Review:
        """What the patient's genotype and other medication mean for one drug, or for all psychiatric ones."""
        return await self.advice_of(await self.record(principal, patient_id), medication)

    async def advice_of(self, record: PatientRecord, medication: str | None) -> Review:
        """The same of a record that was read."""
        taken = [course.medication for course in record.medications_on(datetime.now(UTC).date())]
        words = [condition.word for condition in record.conditions if condition.active and condition.word]
        data = {"genotype": dict(record.genotype), "comedications": taken, "conditions": words}
        return await self._pharmacogenomics.predict_medication_response(data, medication)

    async def audit_trail(self, principal: Principal, patient_id: UUID, newest: int) -> list[dict[str, Any]]:
        """Who looked at or changed a patient's record, the newest first."""
        access = await self._access.permit_patient(principal, Permission.AUDIT_READ, patient_id)
        return await self._told(access, "audit", patient_id, await self._audit.entries(patient_id, newest))

    async def consents(self, principal: Principal, patient_id: UUID) -> dict[str, bool]:
        """The patient's decisions; what was never decided is not in it."""
        access = await self._access.permit_patient(principal, Permission.PATIENTS_READ, patient_id)
        return await self._told(access, "consent", patient_id, await self._store.consents(patient_id))

    async def decide(self, principal: Principal, patient_id: UUID, category: str, granted: bool) -> None:
        """Store a decision of the patient; it counts from the next request on."""
        access = await self._access.permit_patient(principal, Permission.CONSENTS_WRITE, patient_id)
        if category not in CONSENTS:
            raise NotFoundError(f"there is no such category; these are {', '.join(CONSENTS)}")
        await self._store.decide(patient_id, category, granted, access)

    async def open_emergency(self, principal: Principal, patient_id: UUID, reason: str) -> datetime:
        """Open a record in an emergency; until when."""
        return await self._access.open_emergency(principal, patient_id, reason)

    async def record(
        self, principal: Principal, patient_id: UUID, needed: Permission = Permission.RESULTS_READ
    ) -> PatientRecord:
        """All that is known of a patient, as the services take it."""
        return _right((await self.records(principal, [patient_id], needed))[patient_id])

    async def records(
        self, principal: Principal, patient_ids: Collection[UUID], needed: Permission = Permission.RESULTS_READ
    ) -> Answers[PatientRecord]:
        """The same of several patients, with as many queries as of one."""
        accesses, answers = await self._permitted(principal, needed, patient_ids)
        parts: tuple[Answers[Any], ...] = await asyncio.gather(
            self._summaries(accesses),
            self._store.read_each(accesses, Kind.SYMPTOM_REPORT),
            self._store.read_each(accesses, Kind.BIOMETRIC_SAMPLES),
            self._store.read_each(accesses, Kind.MEDICATION),
            self._store.read_each(accesses, Kind.CONDITION),
            self._genotypes(accesses),
        )
        found: Answers[PatientRecord] = dict(answers)
        for patient_id in accesses:
            try:
                found[patient_id] = await asyncio.to_thread(_record, *(_right(part[patient_id]) for part in parts))
            except NovamindError as error:
                found[patient_id] = error
        return found

    async def insights(self, principal: Principal, patient_id: UUID, options: Options) -> Insights:
        """What all services say together; what is missing says why."""
        return await self.insights_of(await self.record(principal, patient_id), options)

    async def insights_of(self, record: PatientRecord, options: Options | None = None) -> Insights:
        """What all services say of a record that was read."""
        return await self._twin.generate_comprehensive_patient_insights(record.patient_id, record, options)

    async def correlations(self, principal: Principal, patient_id: UUID, lookback_days: int) -> ServiceResult:
        """Links between signals and symptoms."""
        return await self.correlations_of(await self.record(principal, patient_id), lookback_days)

    async def correlations_of(self, record: PatientRecord, lookback_days: int) -> ServiceResult:
        """The same of a record that was read.

        Raises
        ------
        InsufficientDataError
            If the record holds too little.
        ServiceUnavailableError
            If the analysis is not installed, or did not come back in time.
        """
        options = Options(
            include_symptom_forecast=False, include_medication_predictions=False, biometric_lookback_days=lookback_days
        )
        found = (await self.insights_of(record, options)).results[BIOMETRICS]
        if found.status is Status.AVAILABLE:
            return found
        error = InsufficientDataError if found.status is Status.NO_DATA else ServiceUnavailableError
        raise error(found.reason)

    async def reading(self, principal: Principal, patient_id: UUID, options: Options) -> Reading:
        """The record with what all services say of it."""
        record = await self.record(principal, patient_id)
        case = Case(record, datetime.now(UTC).date())
        return Reading(case, await self._twin.generate_comprehensive_patient_insights(record.patient_id, case, options))

    async def replayed_of(self, record: PatientRecord) -> tuple[ForecastCheck, ...]:
        """Whether a forecast from two weeks before the end of a record that was read would have held."""
        twin = PatientTwin(record)
        return await asyncio.to_thread(twin.replayed) if twin.case.instruments else ()

    async def what_if(self, principal: Principal, patient_id: UUID, regimen: Regimen) -> WhatIf:
        """What a drug at a dose would do in this patient."""
        record = await self.record(principal, patient_id)
        return await asyncio.to_thread(
            what_if,
            Case(record, datetime.now(UTC).date()),
            regimen.drug,
            regimen.dose_mg,
            interval_hours=regimen.interval_hours,
            weeks=regimen.weeks,
            ensemble=regimen.ensemble,
            seed=regimen.seed,
        )

    async def revision(self, principal: Principal, patient_id: UUID) -> int:
        """A number that grows with each change of the record, for who may see what is computed from it."""
        return (await self._access.permit_revision(principal, Permission.RESULTS_READ, patient_id))[1]

    async def fhir_bundle(self, principal: Principal, patient_id: UUID, *, with_insights: bool) -> dict[str, Any]:
        """The record as a FHIR R4 Bundle, with what the services say of it if that is wanted.

        A token that is limited to some types of resources is given those alone.
        """
        record = await self.record(principal, patient_id, Permission.FHIR_READ)
        insights = await self.insights_of(record) if with_insights else None
        bundle = await asyncio.to_thread(PatientTwin(record).to_fhir, insights)
        types = principal.fhir_types.get(Permission.FHIR_READ)
        if types is None:
            return bundle
        return bundle | {"entry": [one for one in bundle["entry"] if one["resource"]["resourceType"] in types]}

    async def import_fhir(
        self, principal: Principal, patient_id: UUID, found: FhirImport, idempotency_key: str | None
    ) -> dict[str, int]:
        """Store what was read from FHIR resources.

        Raises
        ------
        AuthorizationError
            If the token does not let resources of one of their types be created.
        """
        allowed = principal.fhir_types.get(Permission.FHIR_WRITE)
        if allowed is not None and not allowed >= found.types:
            await self._access.refuse(principal, Permission.FHIR_WRITE, patient_id)
        return await self.import_record(principal, patient_id, found.record, idempotency_key, Permission.FHIR_WRITE)

    async def import_record(
        self,
        principal: Principal,
        patient_id: UUID,
        record: PatientRecord,
        idempotency_key: str | None = None,
        needed: Permission = Permission.RECORDS_WRITE,
    ) -> dict[str, int]:
        """Store everything that a read record holds; how much of each kind.

        Each kind is stored whole or not at all; a repetition with the same key completes what was interrupted.
        """
        access = await self._access.permit_patient(principal, needed, patient_id)
        if record.genotype:
            await self._genomics_allowed(patient_id)
        listed = [{"list": name, **_plain(one)} for name in _LISTS for one in getattr(record, name)]
        genes = [{"genes": dict(record.genotype), "sources": dict(record.genotype_sources)}] if record.genotype else []
        parts: dict[Kind, list[Any]] = {
            Kind.SYMPTOM_REPORT: _reports_of(record),
            Kind.BIOMETRIC_SAMPLES: _samples_of(record),
            Kind.MEDICATION: [_plain(course) for course in record.medications],
            Kind.GENOTYPE: genes,
            Kind.CONDITION: listed,
        }
        for kind, contents in parts.items():
            once = idempotency_key and f"{idempotency_key}:{kind}"
            await self._store.append(patient_id, kind, contents, access, idempotency_key=once)
        return {str(kind): len(contents) for kind, contents in parts.items()}

    async def _permitted(
        self, principal: Principal, permission: Permission, patient_ids: Collection[UUID]
    ) -> tuple[dict[UUID, Access], dict[UUID, Any]]:
        """Those whom the caller may see, and the errors of the others."""
        decided = await self._access.permit_patients(principal, permission, patient_ids)
        accesses = {one: access for one, access in decided.items() if isinstance(access, Access)}
        return accesses, {one: error for one, error in decided.items() if one not in accesses}

    async def _told(self, access: Access, what: str, patient_id: UUID, found: T) -> T:
        """What was read, handed out when the audit knows."""
        await self._audit.append(Event(access=access, action="read", what=what, patient_id=patient_id))
        return found

    async def _summaries(self, accesses: Mapping[UUID, Access]) -> Answers[PatientSummary]:
        stored = await self._store.read_each(accesses, Kind.IDENTITY, newest=1)
        return {one: _summary(one, answer) for one, answer in stored.items()}

    async def _genotypes(self, accesses: Mapping[UUID, Access]) -> Answers[tuple[dict[str, str], bool]]:
        """Results by gene, the newest of each, and whether they are closed by the patient's decision."""
        decisions = await self._store.consents_each(accesses)
        opened = {one: access for one, access in accesses.items() if decisions[one].get("genomics", True)}
        stored = await self._store.read_each(opened, Kind.GENOTYPE)
        return {one: _genes(stored[one]) if one in opened else ({}, True) for one in accesses}

    async def _genomics_allowed(self, patient_id: UUID) -> None:
        if not (await self._store.consents(patient_id)).get("genomics", True):
            raise ValidationError("the patient withdrew consent to genomics; no genotype can be stored")


def _right(answer: T | NovamindError) -> T:
    """The answer, if it is no error."""
    if isinstance(answer, NovamindError):
        raise answer
    return answer


def _summary(patient_id: UUID, stored: list[StoredRecord] | NovamindError) -> PatientSummary | NovamindError:
    if isinstance(stored, NovamindError):
        return stored
    stated = _mapping(stored[-1])
    return PatientSummary(patient_id, stated["identifiers"], stated["details"])


def _genes(stored: list[StoredRecord] | NovamindError) -> tuple[dict[str, str], bool] | NovamindError:
    if isinstance(stored, NovamindError):
        return stored
    return {gene: text for one in stored for gene, text in _mapping(one)["genes"].items()}, False


def _mapping(stored: StoredRecord) -> Mapping[str, Any]:
    if isinstance(stored.content, Samples):
        raise ValidationError("a record that should be a mapping holds samples")
    return stored.content


def _samples(stretch: SignalSamples) -> Samples:
    if len(stretch.timestamps) != len(stretch.values):
        raise ValidationError("a stretch of a signal needs as many timestamps as values")
    milliseconds = [(when - _EPOCH) // timedelta(milliseconds=1) for when in stretch.timestamps]
    return Samples(stretch.signal, stretch.unit, np.array(milliseconds, np.int64), np.array(stretch.values, np.float64))


def _plain(value: Any) -> dict[str, Any]:
    """A record's dataclass as JSON can hold it."""
    return {
        name: part.isoformat() if isinstance(part, date) else part
        for name, part in asdict(value).items()
        if part not in (None, "")
    }


def _course(stated: Mapping[str, Any]) -> MedicationCourse:
    read: dict[str, Any] = dict(stated)
    for name in ("start", "end"):
        read[name] = date.fromisoformat(read[name]) if read.get(name) else None
    return MedicationCourse(**_coded(read))


def _coded(stated: Mapping[str, Any]) -> dict[str, Any]:
    read = dict(stated)
    if read.get("code"):
        read["code"] = Coding(**read["code"])
    return read


def _record(
    summary: PatientSummary,
    reports: Sequence[StoredRecord],
    samples: Sequence[StoredRecord],
    medications: Sequence[StoredRecord],
    listed: Sequence[StoredRecord],
    genotype: tuple[Mapping[str, str], bool],
) -> PatientRecord:
    genes, withdrawn = genotype
    details = dict(summary.details)
    zone = details.pop("timezone", None)
    if born := details.pop("birth_date", None):
        details["birth_year"] = int(born[:4])
    details.pop("name", None)
    lists: dict[str, list[Any]] = {name: [] for name in _LISTS}
    for one in listed:
        stated = dict(_mapping(one))
        name = stated.pop("list")
        lists[name].append(_LISTS[name](**_coded(stated)))
    patient_id = str(summary.patient_id)
    return PatientRecord(
        patient_id,
        timezone=zone,
        demographics=details,
        symptoms=_symptoms(patient_id, reports),
        signals=_signals(patient_id, samples, zone),
        medications=tuple(_course(_mapping(one)) for one in medications),
        genotype=dict(genes),
        conditions=tuple(lists["conditions"]),
        allergies=tuple(lists["allergies"]),
        procedures=tuple(lists["procedures"]),
        consents=tuple(lists["consents"]),
        not_understood=(_GENOMICS_WITHDRAWN,) if withdrawn else (),
    )


def _reports_frame(reports: Sequence[Mapping[str, Any]]) -> pl.DataFrame:
    """Reports as a frame; of two at one time the one that was stored last counts.

    Offsets are kept where every report has one; else all count as local wall-clock times.
    """
    times = [datetime.fromisoformat(one["timestamp"]) for one in reports]
    if any(when.tzinfo is None for when in times):
        times = [when.replace(tzinfo=None) for when in times]
    latest = {(one["symptom"], when): float(one["value"]) for one, when in zip(reports, times, strict=True)}
    return pl.DataFrame(
        {
            "symptom": [symptom for symptom, _ in latest],
            "timestamp": [when.isoformat() for _, when in latest],
            "value": list(latest.values()),
        }
    )


def _symptoms(patient_id: str, stored: Sequence[StoredRecord]) -> LongFrame | None:
    if not stored:
        return None
    frame = _reports_frame([_mapping(one) for one in stored])
    return symptom_frame(frame.with_columns(patient_id=pl.lit(patient_id)))


def _signals(patient_id: str, stored: Sequence[StoredRecord], zone: str | None) -> LongFrame | None:
    """Samples as a frame in the patient's local time."""
    parts = [one.content for one in stored if isinstance(one.content, Samples)]
    if not parts:
        return None
    frame = pl.concat(
        pl.DataFrame({"timestamp": part.timestamps, "value": part.values}).with_columns(
            pl.from_epoch("timestamp", "ms").dt.cast_time_unit("us"),
            signal=pl.lit(part.signal),
            unit=pl.lit(part.unit),
            patient_id=pl.lit(patient_id),
        )
        for part in parts
    ).unique(("signal", "timestamp"), keep="last", maintain_order=True)
    return signal_frame(frame.with_columns(pl.col("timestamp").dt.replace_time_zone("UTC")), timezone=zone or "UTC")


def _reports_of(record: PatientRecord) -> list[dict[str, Any]]:
    frame = record.symptoms
    if frame is None:
        return []
    offset = frame.utc_offset
    rows = []
    for i in range(len(frame)):
        if not np.isfinite(frame.values[i]):
            continue
        suffix = "" if offset is None else _offset(int(offset[i].astype(int)))
        when = str(frame.timestamps[i].astype("datetime64[s]")) + suffix
        name = frame.series[frame.series_index[i]].name
        rows.append({"symptom": name, "timestamp": when, "value": float(frame.values[i])})
    return rows


def _offset(seconds: int) -> str:
    sign, minutes = "-" if seconds < 0 else "+", abs(seconds) // 60
    return f"{sign}{minutes // 60:02d}:{minutes % 60:02d}"


def _samples_of(record: PatientRecord) -> list[Samples]:
    frame = record.signals
    if frame is None:
        return []
    instants = frame.timestamps if frame.utc_offset is None else frame.timestamps - frame.utc_offset
    stretches = []
    for i, key in enumerate(frame.series):
        rows = frame.part(i)
        kept = np.isfinite(frame.values[rows])
        stretches.append(
            Samples(
                key.name,
                frame.units[i] or "",
                instants[rows][kept].astype("datetime64[ms]").astype(np.int64),
                frame.values[rows][kept],
            )
        )
    return [stretch for stretch in stretches if len(stretch.values)]
