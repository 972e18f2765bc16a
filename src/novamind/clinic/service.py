"""The use cases of a clinic: each asks first whether the caller may, then the store, then the twin.

`record_mapping` builds a patient's record from what the store holds. Everything that is said of the patient comes
from the twin, so that every door shows the same person.
"""

import asyncio
import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeVar
from uuid import UUID

from novamind.clinic.domain import (
    CONSENTS,
    Answers,
    FhirStored,
    Import,
    Overview,
    PatientSummary,
    Piece,
    Regimen,
    SignalSamples,
    SymptomReport,
    checked_scale,
)
from novamind.clinic.identity_check import compared
from novamind.clinic.record_mapping import (
    FIRST,
    contents_of,
    genes_of,
    in_series_unit,
    mapping_of,
    piece_content,
    readable,
    record_of,
    report_content,
    samples_of,
    scales_of,
    snapshot_content,
    snapshot_of,
    stored_scales_of,
    units_of,
    with_origin,
)
from novamind.errors import IdentityError, NotFoundError, NovamindError, OutdatedError, ValidationError
from novamind.infrastructure.audit import Access, AuditLog, Event
from novamind.infrastructure.identity.access import AccessControl
from novamind.infrastructure.identity.domain import Permission, Principal, Role
from novamind.infrastructure.identity.sessions import access_of, correlation_id
from novamind.infrastructure.patient_store import Identity, Kind, PatientStore, Samples, StoredRecord
from novamind.neurochemistry.regimen import RegimenStep
from novamind.pharmacogenomics import Review
from novamind.pharmacogenomics import genotype as read_genes
from novamind.records import OperationOutcome, PatientRecord, read_fhir
from novamind.records.fhir.outcome import FhirImportError, Issue
from novamind.records.fhir.patients import Claims
from novamind.records.signals import SIGNALS
from novamind.settings import Settings
from novamind.symptoms.domain import Scale
from novamind.symptoms.instruments import recognise, series_name
from novamind.twin.case import Case, today_in
from novamind.twin.domain import Options, Snapshot
from novamind.twin.fhir_export import to_fhir
from novamind.twin.results import Insights, RegimenWhatIf, WhatIf
from novamind.twin.service import DigitalTwinIntegrationService
from novamind.twin.tracking import KEPT, forecast_snapshot, snapshot

if TYPE_CHECKING:
    from novamind.biometrics.results import Correlations
    from novamind.symptoms.results import Forecasts

#: What can be withdrawn piece by piece; an import is taken back as a whole.
PIECES: Final = frozenset(
    {Kind.SYMPTOM_REPORT, Kind.SCALE, Kind.BIOMETRIC_SAMPLES, Kind.GENOTYPE, Kind.MEDICATION, Kind.CONDITION}
)
T = TypeVar("T")
_UNDECIDED: Final = Issue(
    "warning", "incomplete", "nothing in the file says whose it is: identifier, birth date, sex and name are not given"
)


class Clinic:
    """What people and programs of a clinic can do.

    Parameters
    ----------
    access
        Decides who may.
    store, audit
        Those of the running system.
    twin
        Source of everything that is said of a patient.
    """

    def __init__(
        self, access: AccessControl, store: PatientStore, audit: AuditLog, twin: DigitalTwinIntegrationService
    ) -> None:
        self._access = access
        self._store = store
        self._audit = audit
        self.twin = twin

    async def register(self, principal: Principal, identity: Identity) -> UUID:
        """Register a patient of the caller's organisation and return the id; a clinician treats whom they register."""
        access = await self._access.permit(principal, Permission.PATIENTS_CREATE)
        if principal.organisation_id is None:
            raise ValidationError("only members of an organisation can register patients")
        patient_id = await self._store.register(principal.organisation_id, identity, access)
        if principal.role is Role.CLINICIAN:
            await self._store.relate(principal.subject, patient_id, access)
        return patient_id

    async def patients(self, principal: Principal, after: UUID | None, limit: int) -> list[PatientSummary]:
        """Return the patients whom the caller may see, in the order of their ids."""
        ids = await self._access.patients(principal, after, limit)
        summaries = await self._summaries(dict.fromkeys(ids, access_of(principal, "list")))
        return [_unwrap(summaries[patient_id]) for patient_id in ids]

    async def patient(self, principal: Principal, patient_id: UUID) -> PatientSummary:
        """Return a patient's identifiers and details."""
        return _unwrap((await self.summaries(principal, [patient_id]))[patient_id])

    async def summaries(self, principal: Principal, patient_ids: Collection[UUID]) -> Answers[PatientSummary]:
        """Return several patients' identifiers and details."""
        accesses, refused = await self._permitted(principal, Permission.PATIENTS_READ, patient_ids)
        return refused | await self._summaries(accesses)

    async def add_reports(
        self, principal: Principal, patient_id: UUID, reports: Sequence[SymptomReport], idempotency_key: str | None
    ) -> list[UUID]:
        """Store symptom reports, all or none. The first report of a clinic's own series brings its scale."""
        access = await self._access.permit_patient(principal, Permission.RECORDS_WRITE, patient_id)
        begun = await self._new_scales(patient_id, reports, access)
        await self._store_scales(patient_id, begun, access)
        return await self._store.append(
            patient_id,
            Kind.SYMPTOM_REPORT,
            [report_content(report) for report in reports],
            access,
            idempotency_key=idempotency_key,
        )

    async def scales(self, principal: Principal, patient_id: UUID) -> dict[str, tuple[StoredRecord, Scale]]:
        """Return series to scale and the record that holds it, for the patient's series of no known instrument."""
        access = await self._access.permit_patient(principal, Permission.RESULTS_READ, patient_id)
        return await self._own_scales(patient_id, access)

    async def change_scale(self, principal: Principal, patient_id: UUID, symptom: str, scale: Scale) -> None:
        """Change the scale of a whole series of the clinic's own. The earlier one is kept, the change audited."""
        access = await self._access.permit_patient(principal, Permission.RECORDS_WRITE, patient_id)
        if recognise(symptom) is not None:
            raise ValidationError("the scale of a known instrument is published and can't be changed")
        name = series_name(symptom)
        reports = await self._store.read(patient_id, Kind.SYMPTOM_REPORT, access)
        if name not in readable(reports, lambda record: series_name(mapping_of(record)["symptom"]))[0]:
            raise NotFoundError("there is no report of such a series; its first report gives its scale")
        await self._store_scales(patient_id, {name: scale}, access)

    async def _own_scales(self, patient_id: UUID, access: Access) -> dict[str, tuple[StoredRecord, Scale]]:
        stored, reports = await asyncio.gather(
            self._store.read(patient_id, Kind.SCALE, access), self._store.read(patient_id, Kind.SYMPTOM_REPORT, access)
        )
        return stored_scales_of(stored, reports)

    async def _new_scales(
        self,
        patient_id: UUID,
        reports: Sequence[SymptomReport],
        access: Access,
        replaced: StoredRecord | None = None,
    ) -> dict[str, Scale]:
        """Check reports and return the scales of the series that begin with them.

        Parameters
        ----------
        replaced
            The stored report in whose place they are put; the scale that it bore stays that of its series.
        """
        own: dict[str, Scale] = {}
        begun: dict[str, Scale] = {}
        if any(recognise(report.symptom) is None for report in reports):
            for name, (place, scale) in (await self._own_scales(patient_id, access)).items():
                of = begun if replaced is not None and place.record_id == replaced.record_id else own
                of[name] = scale
        tomorrow = datetime.now(UTC) + timedelta(days=1)
        for number, report in enumerate(reports, 1):
            try:
                scale = checked_scale(report, own | begun)
                if report.timestamp > tomorrow:
                    raise ValidationError("a report lies in the future")
                if report.timestamp.year < FIRST.year:
                    raise ValidationError(f"a report lies before {FIRST.year}")
            except ValidationError as error:
                raise ValidationError(f"report {number} of {len(reports)}: {error}") from error
            if recognise(report.symptom) is None and report.series not in own:
                begun[report.series] = scale
        return begun

    async def _store_scales(self, patient_id: UUID, scales: Mapping[str, Scale], access: Access) -> None:
        """Store the scale of each series, in the place of an earlier one if there is one."""
        if not scales:
            return
        stored = await self._store.read(patient_id, Kind.SCALE, access)
        earlier = {str(mapping_of(record).get("symptom")): record for record in stored}
        contents = {name: {"symptom": name, "scale": asdict(scale)} for name, scale in scales.items()}
        for name in contents.keys() & earlier.keys():
            await self._store.amend(patient_id, earlier[name], contents[name], access)
        new = [content for name, content in contents.items() if name not in earlier]
        await self._store.append(patient_id, Kind.SCALE, new, access)

    async def reports(self, principal: Principal, patient_id: UUID, newest: int) -> list[StoredRecord]:
        """Return the newest symptom reports, the first stored first."""
        return _unwrap((await self.histories(principal, [patient_id], newest))[patient_id])

    async def histories(
        self, principal: Principal, patient_ids: Collection[UUID], newest: int | None = None
    ) -> Answers[list[StoredRecord]]:
        """Return several patients' symptom reports, all or the newest, the first stored first."""
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
        units = await self._units(patient_id, stretches, access)
        samples = [_samples_at_the_door(stretch, units) for stretch in stretches]
        return await self._store.append(
            patient_id, Kind.BIOMETRIC_SAMPLES, samples, access, idempotency_key=idempotency_key
        )

    async def genotype(self, principal: Principal, patient_id: UUID) -> dict[str, str]:
        """Return gene to result; empty where the patient withdrew consent to genomics."""
        access = await self._access.permit_patient(principal, Permission.RESULTS_READ, patient_id)
        stored, _ = _unwrap((await self._genotypes({patient_id: access}))[patient_id])
        return genes_of(stored, [])

    async def add(
        self, principal: Principal, patient_id: UUID, piece: Piece, idempotency_key: str | None = None
    ) -> list[UUID]:
        """Store one piece of a record: a course of a medication, a condition, an allergy, results of genes."""
        access = await self._access.permit_patient(principal, Permission.RECORDS_WRITE, patient_id)
        kind, content = await self._checked(patient_id, piece, access)
        return await self._store.append(patient_id, kind, [content], access, idempotency_key=idempotency_key)

    async def correct(
        self, principal: Principal, patient_id: UUID, record_id: UUID, piece: Piece, version: int | None = None
    ) -> int:
        """Replace a stored piece and return the new version's number; the earlier version is kept.

        Parameters
        ----------
        version
            That of the stored piece as it was read; not looked at where not given.

        Raises
        ------
        NotFoundError
            If there is no such record, or it was withdrawn.
        OutdatedError
            If the record has another version by now.
        """
        access = await self._access.permit_patient(principal, Permission.RECORDS_WRITE, patient_id)
        stored = await self._store.read_one(patient_id, record_id, access)
        kind, content = await self._checked(patient_id, piece, access, stored)
        if stored.kind is not kind or _list_of(stored.content) not in (None, _list_of(content)):
            raise ValidationError("the stored record is of another kind than what is to take its place")
        if version is not None and version != stored.version:
            raise OutdatedError("the record was changed by somebody else; read it again")
        if isinstance(piece, SymptomReport):
            await self._store_scales(patient_id, await self._new_scales(patient_id, [piece], access, stored), access)
        await self._store.amend(patient_id, stored, with_origin(content, stored.content), access)
        return stored.version + 1

    async def withdraw(
        self, principal: Principal, patient_id: UUID, record_id: UUID, version: int | None = None
    ) -> None:
        """Withdraw a stored piece as entered in error; errors as of :meth:`correct`."""
        access = await self._access.permit_patient(principal, Permission.RECORDS_WRITE, patient_id)
        if version is None:
            await self._store.withdraw(patient_id, [record_id], access, PIECES)
            return
        stored = await self._store.read_one(patient_id, record_id, access)
        if stored.kind not in PIECES:
            raise NotFoundError("there is no such record, or it was withdrawn already")
        if version != stored.version:
            raise OutdatedError("the record was changed by somebody else; read it again")
        await self._store.amend(patient_id, stored, None, access)

    async def _checked(
        self, patient_id: UUID, piece: Piece, access: Access, replaced: StoredRecord | None = None
    ) -> tuple[Kind, Any]:
        """Return a piece as it is stored, if the rules allow it beside what else is stored."""
        if isinstance(piece, Mapping):
            await self._genomics_allowed(patient_id)
            read_genes(piece)
        if isinstance(piece, SignalSamples):
            units = await self._units(patient_id, [piece], access, replaced)
            return Kind.BIOMETRIC_SAMPLES, _samples_at_the_door(piece, units)
        return piece_content(piece)

    async def _units(
        self,
        patient_id: UUID,
        stretches: Sequence[SignalSamples],
        access: Access,
        replaced: StoredRecord | None = None,
    ) -> dict[str, str]:
        """Return signal to the unit of its series, for signals whose units cannot be converted into each other."""
        strangers = {stretch.signal for stretch in stretches} - SIGNALS.keys()
        if not strangers:
            return {}
        stored = await self._store.read(patient_id, Kind.BIOMETRIC_SAMPLES, access)
        others = [record for record in stored if replaced is None or record.record_id != replaced.record_id]
        return {signal: unit for signal, unit in units_of(others).items() if signal in strangers}

    async def pieces(self, principal: Principal, patient_id: UUID, kind: Kind) -> list[StoredRecord]:
        """Return the stored pieces of one kind as they count now, the first stored first."""
        access = await self._access.permit_patient(principal, Permission.RESULTS_READ, patient_id)
        if kind is Kind.GENOTYPE and not (await self._store.consents(patient_id)).get("genomics", True):
            return []
        return await self._store.read(patient_id, kind, access)

    async def imports(self, principal: Principal, patient_id: UUID) -> list[Import]:
        """Return the files and bundles that were stored as a whole, the first stored first."""
        access = await self._access.permit_patient(principal, Permission.RESULTS_READ, patient_id)
        return readable(await self._store.read(patient_id, Kind.IMPORT, access), _import)[0]

    async def take_back(self, principal: Principal, patient_id: UUID, import_id: UUID) -> int:
        """Withdraw everything of an import that still counts, and return the number of records."""
        access = await self._access.permit_patient(principal, Permission.RECORDS_WRITE, patient_id)
        stored = await self._store.read_one(patient_id, import_id, access)
        if stored.kind is not Kind.IMPORT:
            raise NotFoundError("there is no such import, or it was taken back already")
        imports, _unreadable = readable([stored], _import)
        if not imports:
            raise ValidationError("this import cannot be read; withdraw what it brought piece by piece")
        return len(await self._store.withdraw(patient_id, [*imports[0].records, import_id], access)) - 1

    async def forecast(self, principal: Principal, patient_id: UUID, horizon: int = 14) -> "Forecasts":
        """Forecast each symptom."""
        return await self.forecast_of(await self.case(principal, patient_id), horizon)

    async def forecast_of(self, case: Case, horizon: int = 14) -> "Forecasts":
        """Forecast each symptom of a case; whether it held is looked up later, so it is stored."""
        forecasts = await self.twin.forecast(case, horizon)
        await self._remember(await asyncio.to_thread(forecast_snapshot, case, forecasts))
        return forecasts

    async def medication_advice(self, principal: Principal, patient_id: UUID, medication: str | None) -> Review:
        """Return the review of one drug, or of all, for this patient."""
        return await self.twin.advice(await self.case(principal, patient_id), medication)

    async def audit_trail(self, principal: Principal, patient_id: UUID, newest: int) -> list[dict[str, Any]]:
        """Return who looked at or changed a patient's record, the newest first."""
        access = await self._access.permit_patient(principal, Permission.AUDIT_READ, patient_id)
        return await self._audited(access, "audit", patient_id, await self._audit.entries(patient_id, newest))

    async def consents(self, principal: Principal, patient_id: UUID) -> dict[str, bool]:
        """Return the patient's decisions; a category without a decision is not in it."""
        access = await self._access.permit_patient(principal, Permission.PATIENTS_READ, patient_id)
        return await self._audited(access, "consent", patient_id, await self._store.consents(patient_id))

    async def decide(self, principal: Principal, patient_id: UUID, category: str, granted: bool) -> None:
        """Store a decision of the patient; it counts from the next request on."""
        access = await self._access.permit_patient(principal, Permission.CONSENTS_WRITE, patient_id)
        if category not in CONSENTS:
            raise NotFoundError(f"there is no such category; these are {', '.join(CONSENTS)}")
        await self._store.decide(patient_id, category, granted, access)

    async def open_emergency(self, principal: Principal, patient_id: UUID, reason: str) -> datetime:
        """Open a record in an emergency, and return until when it is open."""
        return await self._access.open_emergency(principal, patient_id, reason)

    async def case(self, principal: Principal, patient_id: UUID, needed: Permission = Permission.RESULTS_READ) -> Case:
        """Return the patient's record of today as the twin takes it."""
        return _unwrap((await self.cases(principal, [patient_id], needed))[patient_id])

    async def cases(
        self, principal: Principal, patient_ids: Collection[UUID], needed: Permission = Permission.RESULTS_READ
    ) -> Answers[Case]:
        """Return several patients' cases, with as many queries as for one."""
        accesses, answers = await self._permitted(principal, needed, patient_ids)
        parts: Sequence[Answers[Any]] = await asyncio.gather(
            self._summaries(accesses),
            self._store.read_each(accesses, Kind.SYMPTOM_REPORT),
            self._store.read_each(accesses, Kind.BIOMETRIC_SAMPLES),
            self._store.read_each(accesses, Kind.MEDICATION),
            self._store.read_each(accesses, Kind.CONDITION),
            self._genotypes(accesses),
            self._store.read_each(accesses, Kind.SCALE),
        )
        cases: Answers[Case] = dict(answers)
        for patient_id in accesses:
            try:
                cases[patient_id] = await asyncio.to_thread(_case, *(_unwrap(part[patient_id]) for part in parts))
            except NovamindError as error:
                cases[patient_id] = error
        return cases

    async def insights(self, principal: Principal, patient_id: UUID, options: Options) -> Insights:
        """Return what all services say together; ``.missing`` says why a result is absent."""
        return (await self.overview(principal, patient_id, options)).insights

    async def correlations(self, principal: Principal, patient_id: UUID, lookback_days: int) -> "Correlations":
        """Return links between signals and symptoms."""
        return await self.twin.correlate(await self.case(principal, patient_id), lookback_days)

    async def overview(self, principal: Principal, patient_id: UUID, options: Options) -> Overview:
        """Return the record with what all services say of it."""
        return await self.overview_of(principal, await self.case(principal, patient_id), options)

    async def overview_of(
        self,
        principal: Principal,
        case: Case,
        options: Options | None = None,
        needed: Permission = Permission.RESULTS_READ,
    ) -> Overview:
        """Return what all services say of a case and what they said before; the new insights are stored."""
        patient_id = UUID(case.record.patient_id)
        access = await self._access.permit_patient(principal, needed, patient_id)
        stored = await self._store.read(patient_id, Kind.INSIGHT, access, newest=KEPT)
        earlier, _ = await asyncio.to_thread(readable, stored, partial(snapshot_of, case.record.patient_id))
        insights = await self.twin.insights(case, options, earlier)
        taken = snapshot(insights)
        if taken is not None and taken not in earlier:
            await self._remember(taken)
        return Overview(case, insights, earlier)

    async def _remember(self, taken: Snapshot) -> None:
        """Store insights, once where several workers gave the same. This is no act of the caller, who may only read."""
        patient_id, content = UUID(taken.patient_id), snapshot_content(taken)
        digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
        await self._store.append(
            patient_id,
            Kind.INSIGHT,
            [content],
            Access(actor="twin", role="system", purpose="memory", correlation_id=correlation_id()),
            idempotency_key=f"{patient_id}:{digest}",
        )

    async def what_if(self, principal: Principal, patient_id: UUID, regimen: Regimen) -> WhatIf:
        """Simulate a drug at a dose in this patient."""
        return await self.twin.what_if(await self.case(principal, patient_id), **asdict(regimen))

    async def what_if_regimen(
        self,
        principal: Principal,
        patient_id: UUID,
        steps: Sequence[RegimenStep],
        *,
        weeks: int,
        ensemble: int,
        seed: int,
    ) -> RegimenWhatIf:
        """Simulate what this patient takes, with other steps from today on."""
        case = await self.case(principal, patient_id)
        return await self.twin.what_if_regimen(case, steps, weeks=weeks, ensemble=ensemble, seed=seed)

    async def what_if_switch(
        self, principal: Principal, patient_id: UUID, old: str, new: str, new_dose_mg: float | None
    ) -> RegimenWhatIf:
        """Propose a change from a drug that this patient takes to another, to judge."""
        return await self.twin.what_if_switch(await self.case(principal, patient_id), old, new, new_dose_mg)

    async def revision(self, principal: Principal, patient_id: UUID) -> tuple[Access, int]:
        """Return the right to see results of a record, and the record's revision, which grows with each change."""
        return await self._access.permit_revision(principal, Permission.RESULTS_READ, patient_id)

    async def note_forecast_read(self, access: Access, patient_id: UUID) -> None:
        """Record in the audit that a kept forecast is handed out again."""
        await self._audit.append(Event(access=access, action="read", what=Kind.FORECAST, patient_id=patient_id))

    async def fhir_bundle(self, principal: Principal, patient_id: UUID, *, with_insights: bool) -> dict[str, Any]:
        """Return the record as a FHIR R4 Bundle, on request with what the services say of it.

        A token that is limited to some types of resources is given those alone.
        """
        case = await self.case(principal, patient_id, Permission.FHIR_READ)
        insights = None
        if with_insights:
            insights = (await self.overview_of(principal, case, needed=Permission.FHIR_READ)).insights
        bundle = await asyncio.to_thread(to_fhir, case.record, insights)
        types = principal.fhir_types.get(Permission.FHIR_READ)
        if types is None:
            return bundle
        return bundle | {"entry": [entry for entry in bundle["entry"] if entry["resource"]["resourceType"] in types]}

    async def import_fhir(
        self,
        principal: Principal,
        patient_id: UUID,
        content: bytes,
        idempotency_key: str | None = None,
        *,
        settings: Settings | None = None,
        confirm_identity: bool = False,
        is_strict: bool = False,
    ) -> FhirStored:
        """Store what FHIR resources say of one patient; whether the caller may is asked before they are read.

        Parameters
        ----------
        confirm_identity
            Whether the caller has checked that the resources are this patient's, although something differs.
        is_strict
            Whether nothing is stored unless everything was understood.

        Raises
        ------
        FhirImportError
            If nothing can be imported, or under ``is_strict`` not everything; the outcome says why.
        AuthorizationError
            If the token does not let resources of one of their types be created.
        IdentityError
            If they are of another person; nothing was stored.
        """
        access = await self._access.permit_patient(principal, Permission.FHIR_WRITE, patient_id)
        patient = await self._identity(patient_id, access)
        zone = patient.details.get("timezone")
        imported = await asyncio.to_thread(read_fhir, content, timezone=zone, settings=settings)
        allowed = principal.fhir_types.get(Permission.FHIR_WRITE)
        if allowed is not None and not allowed >= imported.types:
            await self._access.refuse(principal, Permission.FHIR_WRITE, patient_id)
        if len(imported.records) > 1:
            raise ValidationError(f"the bundle holds {len(imported.records)} people; send one patient's")
        record = imported.record
        claims = imported.claims[record.patient_id]
        is_decided = await self._compare(principal, access, patient, claims, confirmed=confirm_identity)
        if is_strict and imported.outcome.issues:
            raise FhirImportError(imported.outcome)
        counts, import_id = await self._import_record(
            principal, patient_id, record, idempotency_key, Permission.FHIR_WRITE
        )
        outcome = imported.outcome if is_decided else OperationOutcome.of((*imported.outcome.issues, _UNDECIDED))
        return FhirStored(counts, outcome, import_id)

    async def import_person(
        self,
        principal: Principal,
        patient_id: UUID,
        record: PatientRecord,
        claims: Claims,
        types: Collection[str],
        idempotency_key: str,
    ) -> UUID | None:
        """Store what a FHIR file says of one of its people, whole or not at all; errors as of :meth:`import_fhir`.

        Returns the import's id, ``None`` where there was nothing to store.

        Parameters
        ----------
        claims
            What the file says of who that is.
        types
            Types of the person's resources.
        """
        access = await self._access.permit_patient(principal, Permission.FHIR_WRITE, patient_id)
        allowed = principal.fhir_types.get(Permission.FHIR_WRITE)
        if allowed is not None and not allowed >= set(types):
            await self._access.refuse(principal, Permission.FHIR_WRITE, patient_id)
        patient = await self._identity(patient_id, access)
        await self._compare(principal, access, patient, claims, confirmed=False)
        needed = Permission.FHIR_WRITE
        return (await self._import_record(principal, patient_id, record, idempotency_key, needed, anew=True))[1]

    async def check_identity(
        self, principal: Principal, patient_id: UUID, claims: Claims, *, confirmed: bool = False
    ) -> bool:
        """Return whether anything shows that data are this patient's.

        A match that the caller confirms although something differs, and a refusal, are in the audit.

        Raises
        ------
        IdentityError
            If they are of another person; the message names what differs, and no value.
        AuthorizationError
            If the caller confirms a match and may not: only people who register patients may.
        """
        access = await self._access.permit_patient(principal, Permission.RECORDS_WRITE, patient_id)
        patient = await self._identity(patient_id, access)
        return await self._compare(principal, access, patient, claims, confirmed=confirmed)

    async def _identity(self, patient_id: UUID, access: Access) -> PatientSummary:
        return _unwrap((await self._summaries({patient_id: access}))[patient_id])

    async def _compare(
        self, principal: Principal, access: Access, patient: PatientSummary, claims: Claims, *, confirmed: bool
    ) -> bool:
        patient_id, comparison = patient.patient_id, compared(patient, claims)
        if not comparison.differences:
            return comparison.is_decided
        if confirmed:
            await self._access.permit(principal, Permission.PATIENTS_CREATE)
            if principal.role is Role.SERVICE:
                await self._access.refuse(principal, Permission.PATIENTS_CREATE, patient_id)
        references = tuple(what.replace(" ", "-") for what in comparison.differences)
        outcome = "confirmed" if confirmed else "refused"
        await self._audit.append(
            Event(
                access=access,
                action="identity.compared",
                what=Kind.IDENTITY,
                patient_id=patient_id,
                outcome=outcome,
                references=references,
            )
        )
        if confirmed:
            return True
        *others, last = comparison.differences
        differing = f"{', '.join(others)} and {last}" if others else last
        raise IdentityError(
            f"the data differ from this patient in {differing}; nothing was stored: check whose they are, and confirm"
            " the identity if they are this patient's"
        )

    async def permit_import(self, principal: Principal, patient_id: UUID) -> None:
        """Refuse whoever may not add to the record, before a file is read."""
        await self._access.permit_patient(principal, Permission.RECORDS_WRITE, patient_id)

    async def import_record(
        self,
        principal: Principal,
        patient_id: UUID,
        record: PatientRecord,
        idempotency_key: str | None = None,
        needed: Permission = Permission.RECORDS_WRITE,
        name: str = "",
        *,
        anew: bool = False,
        export: str = "",
        since: int | None = None,
    ) -> dict[str, int]:
        """Store everything that a record holds, and return the number of pieces of each kind.

        It is stored whole or not at all; a repetition with the same key stores nothing. The whole can be taken back
        (:meth:`take_back`).

        Parameters
        ----------
        name
            What people call it, such as the name of its file.
        anew
            Whether what was taken back is stored again, although its key is known.
        export
            The kind of wearable export, where a later one of this kind replaces what it covers.
        since
            From when on that export is whole, in milliseconds since 1970.
        """
        return (
            await self._import_record(
                principal, patient_id, record, idempotency_key, needed, name, anew=anew, export=export, since=since
            )
        )[0]

    async def _import_record(
        self,
        principal: Principal,
        patient_id: UUID,
        record: PatientRecord,
        idempotency_key: str | None,
        needed: Permission,
        name: str = "",
        *,
        anew: bool = False,
        export: str = "",
        since: int | None = None,
    ) -> tuple[dict[str, int], UUID | None]:
        """Store everything that a record holds; return counts, and the import's id where there was anything."""
        access = await self._access.permit_patient(principal, needed, patient_id)
        if record.genotype:
            await self._genomics_allowed(patient_id)
        await self._end_scales(patient_id, record, access)
        parts = contents_of(record, export, since)
        imported = await self._store_import(patient_id, parts, access, idempotency_key, name)
        taken_back = 0
        while anew and imported is not None and not await self._counts(patient_id, imported, access):
            taken_back += 1
            imported = await self._store_import(patient_id, parts, access, f"{idempotency_key}:{taken_back}", name)
        return {str(kind): len(contents) for kind, contents in parts.items()}, imported

    async def _end_scales(self, patient_id: UUID, record: PatientRecord, access: Access) -> None:
        """Withdraw scales whose series had lost all its reports: a file that brings the series begins it anew."""
        series = () if record.symptoms is None else {series_name(key.name) for key in record.symptoms.series}
        own = {name for name in series if recognise(name) is None}
        scales = await self._store.read(patient_id, Kind.SCALE, access) if own else []
        if not scales:
            return
        reports = await self._store.read(patient_id, Kind.SYMPTOM_REPORT, access)
        ended = own - set(readable(reports, lambda stored: series_name(mapping_of(stored)["symptom"]))[0])
        if old := [scale.record_id for scale in scales if mapping_of(scale).get("symptom") in ended]:
            await self._store.withdraw(patient_id, old, access, PIECES)

    async def _counts(self, patient_id: UUID, import_id: UUID, access: Access) -> bool:
        """Return whether an import still counts, that is, was not taken back."""
        return import_id in {record.record_id for record in await self._store.read(patient_id, Kind.IMPORT, access)}

    async def _store_import(
        self, patient_id: UUID, parts: Mapping[Kind, list[Any]], access: Access, key: str | None, name: str
    ) -> UUID | None:
        """Store every part and the import that joins them; return its id, ``None`` where there was nothing."""
        brought = await self._store.append_all(patient_id, parts, access, idempotency_key=key)
        if not brought:
            return None
        counts = {str(kind): len(contents) for kind, contents in parts.items()}
        noted = {"name": name, "records": [str(record_id) for record_id in brought], "counts": counts}
        once = key and f"{key}:{Kind.IMPORT}"
        return (await self._store.append(patient_id, Kind.IMPORT, [noted], access, idempotency_key=once))[0]

    async def _permitted(
        self, principal: Principal, permission: Permission, patient_ids: Collection[UUID]
    ) -> tuple[dict[UUID, Access], dict[UUID, Any]]:
        """Return the accesses to those whom the caller may see, and the errors of the others."""
        decided = await self._access.permit_patients(principal, permission, patient_ids)
        accesses = {patient_id: access for patient_id, access in decided.items() if isinstance(access, Access)}
        return accesses, {patient_id: error for patient_id, error in decided.items() if patient_id not in accesses}

    async def _audited(self, access: Access, what: str, patient_id: UUID, value: T) -> T:
        """Return what was read, once the audit has the entry."""
        await self._audit.append(Event(access=access, action="read", what=what, patient_id=patient_id))
        return value

    async def _summaries(self, accesses: Mapping[UUID, Access]) -> Answers[PatientSummary]:
        stored = await self._store.read_each(accesses, Kind.IDENTITY, newest=1)
        return {patient_id: _summary(patient_id, answer) for patient_id, answer in stored.items()}

    async def _genotypes(self, accesses: Mapping[UUID, Access]) -> Answers[tuple[list[StoredRecord], bool]]:
        """Return stored results of genes, and whether the patient's decision closes them."""
        decisions = await self._store.consents_each(accesses)
        opened = {
            patient_id: access for patient_id, access in accesses.items() if decisions[patient_id].get("genomics", True)
        }
        stored = await self._store.read_each(opened, Kind.GENOTYPE)
        genotypes: Answers[tuple[list[StoredRecord], bool]] = dict.fromkeys(accesses, ([], True))
        for patient_id, answer in stored.items():
            genotypes[patient_id] = answer if isinstance(answer, NovamindError) else (answer, False)
        return genotypes

    async def _genomics_allowed(self, patient_id: UUID) -> None:
        if not (await self._store.consents(patient_id)).get("genomics", True):
            raise ValidationError("the patient withdrew consent to genomics; no genotype can be stored")


def _unwrap(answer: T | NovamindError) -> T:
    """Return the answer, or raise it where it is an error."""
    if isinstance(answer, NovamindError):
        raise answer
    return answer


def _summary(patient_id: UUID, stored: list[StoredRecord] | NovamindError) -> PatientSummary | NovamindError:
    if isinstance(stored, NovamindError):
        return stored
    identity = mapping_of(stored[-1])
    return PatientSummary(patient_id, identity["identifiers"], identity["details"])


def _case(
    summary: PatientSummary,
    reports: Sequence[StoredRecord],
    samples: Sequence[StoredRecord],
    medications: Sequence[StoredRecord],
    listed: Sequence[StoredRecord],
    genotype: tuple[Sequence[StoredRecord], bool],
    scales: Sequence[StoredRecord],
) -> Case:
    record = record_of(summary, reports, samples, medications, listed, genotype)
    return Case(record, today_in(record.timezone), own_scales=scales_of(scales, reports))


def _samples_at_the_door(stretch: SignalSamples, units: dict[str, str]) -> Samples:
    """Return a stretch as it is stored: in a unit of the signal, not in the future, without marks of "not worn".

    Parameters
    ----------
    units
        Those of the series so far that take no other; the stretch's own is added.
    """
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    late = [number for number, when in enumerate(stretch.timestamps, 1) if when > tomorrow]
    if late:
        raise ValidationError(f"sample {late[0]} of {stretch.signal} lies in the future ({len(late)} in all)")
    early = [number for number, when in enumerate(stretch.timestamps, 1) if when < FIRST]
    if early:
        raise ValidationError(f"sample {early[0]} of {stretch.signal} lies before {FIRST.year} ({len(early)} in all)")
    samples, dropped = in_series_unit(samples_of(stretch), units.get(stretch.signal))
    if not len(samples.values):
        raise ValidationError(f"{stretch.signal} has no value that a living person's device can show ({dropped} given)")
    if stretch.signal not in SIGNALS:
        units.setdefault(stretch.signal, stretch.unit)
    return samples


def _list_of(content: Any) -> str | None:
    """Return the list of a record to which a condition, an allergy or their kin belongs."""
    return content.get("list") if isinstance(content, Mapping) else None


def _import(stored: StoredRecord) -> Import:
    content = mapping_of(stored)
    return Import(
        stored.record_id,
        content["name"],
        stored.recorded_at,
        tuple(UUID(record_id) for record_id in content["records"]),
        dict(content["counts"]),
    )
