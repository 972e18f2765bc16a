"""The use cases of FHIR clients: each asks first whether the caller may, then reads what is stored as resources."""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Final, NamedTuple
from uuid import UUID

from novamind.clinic.domain import FhirStored, PatientSummary
from novamind.clinic.fhir_resources import (
    COMPUTED,
    KINDS,
    Resource,
    piece_of_record,
    provenance_of,
    record_id_of,
    resources_of,
)
from novamind.clinic.record_mapping import mapping_of, readable, record_of, report_of
from novamind.clinic.service import Clinic
from novamind.errors import AuthorizationError, NotFoundError, ValidationError
from novamind.infrastructure.audit import Access
from novamind.infrastructure.identity.access import AccessControl
from novamind.infrastructure.identity.domain import Permission, Principal
from novamind.infrastructure.patient_store import Kind, PatientStore, Samples, StoredRecord
from novamind.records import FhirImportError, read_fhir
from novamind.settings import Settings
from novamind.twin.fhir_export import result_resources

_PROVENANCE: Final = "Provenance"
_STORED: Final = frozenset(kind for kinds in KINDS.values() for kind in kinds)
_LEFT_OUT: Final = (
    "{} observations have a clock but no timezone, which FHIR cannot hold: they are left out until the patient has a"
    " timezone"
)
_NO_RESOURCE: Final = "there is no resource of this id"


class ResourceVersion(NamedTuple):
    """A version of a resource, and from when it counted; without resource it was withdrawn then."""

    resource: Resource | None
    version: int
    since: datetime


class PatientResources(NamedTuple):
    """Resources of a patient, and what was left out of them, in words."""

    resources: list[Resource]
    notes: tuple[str, ...] = ()


class FhirClinic:
    """What FHIR clients can do.

    Parameters
    ----------
    access, store
        Those of the running system.
    clinic
        The use cases that every door shares.
    """

    def __init__(self, access: AccessControl, store: PatientStore, clinic: Clinic) -> None:
        self._access = access
        self._store = store
        self._clinic = clinic

    async def resources(
        self,
        principal: Principal,
        patient_id: UUID,
        types: Collection[str],
        kinds: Collection[Kind] | None = None,
        signals: Collection[str] | None = None,
    ) -> PatientResources:
        """Return a patient's resources of some types, in the order of the export, the Patient first.

        Reports and samples with a clock but no timezone are left out, since FHIR cannot hold them; a note says so.

        Parameters
        ----------
        kinds
            The kinds of stored records that can hold what is looked for; all that the types need where not given.
        signals
            The signals that are looked for; all where not given.

        Raises
        ------
        AuthorizationError
            If the caller may not read this type of resource.
        NotFoundError
            If the caller may not read this patient's, or there is no such patient.
        """
        access = await self._permitted(principal, patient_id, types)
        with_provenance = _PROVENANCE in types
        wanted = KINDS.keys() if with_provenance else types
        needed = {kind for name in wanted for kind in KINDS.get(name, ())}
        stored = await self._read(patient_id, needed if kinds is None else needed & set(kinds), access)
        if signals is not None:
            stored[Kind.BIOMETRIC_SAMPLES] = [
                record
                for record in stored.get(Kind.BIOMETRIC_SAMPLES, [])
                if isinstance(record.content, Samples) and record.content.signal in signals
            ]
        corrections = await self._store.corrections(patient_id)
        resources, notes = await asyncio.to_thread(_all, patient_id, stored, corrections)
        if with_provenance:
            resources += [provenance_of(resource) for resource in resources]
        if set(types) & set(COMPUTED):
            resources += await self._computed(principal, patient_id)
        return PatientResources([resource for resource in resources if resource["resourceType"] in types], notes)

    async def everything(self, principal: Principal, patient_id: UUID, types: Collection[str] = ()) -> PatientResources:
        """Return what is stored of a patient, or of it the types that are asked for.

        A token that is limited to some types of resources is given those alone.
        """
        limited = principal.fhir_types.get(Permission.FHIR_READ)
        wanted = set(types) or KINDS.keys() & (KINDS.keys() if limited is None else limited)
        return await self.resources(principal, patient_id, wanted)

    async def resource(self, principal: Principal, resource_type: str, resource_id: str) -> Resource | None:
        """Return one resource as it counts now; ``None`` where it was withdrawn.

        Raises
        ------
        NotFoundError
            If there is no such resource, or the caller may not read it.
        """
        patient_id, kind = await self._owner(resource_type, resource_id)
        kinds = None if kind is None else self._together(kind)
        for resource in (await self.resources(principal, patient_id, [resource_type], kinds)).resources:
            if resource["id"] == resource_id:
                return resource
        if kind is None or kind not in KINDS.get(resource_type, ()):
            raise NotFoundError(_NO_RESOURCE)
        if any(version.resource is not None for version in await self.history(principal, resource_type, resource_id)):
            return None
        raise NotFoundError(_NO_RESOURCE)

    async def history(self, principal: Principal, resource_type: str, resource_id: str) -> list[ResourceVersion]:
        """Return the versions of a resource that are kept, the newest first.

        Raises
        ------
        NotFoundError
            If there is no such resource, or the caller may not read it.
        ValidationError
            If FHIR cannot hold it, since nobody has said on which clock its time is.
        """
        patient_id, kind = await self._owner(resource_type, resource_id)
        access = await self._permitted(principal, patient_id, [resource_type])
        identities = await self._store.read(patient_id, Kind.IDENTITY, access, newest=1)
        if resource_type == "Patient":
            kind = Kind.IDENTITY
        elif kind is None or kind not in KINDS.get(resource_type, ()):
            raise NotFoundError(_NO_RESOURCE)
        if kind is Kind.GENOTYPE and not (await self._store.consents(patient_id)).get("genomics", True):
            raise NotFoundError(_NO_RESOURCE)
        record_id = identities[0].record_id if kind is Kind.IDENTITY else record_id_of(resource_id)
        versions = []
        notes: set[str] = set()
        kept = await self._store.versions(patient_id, record_id, access)
        for version in kept:
            stored = {Kind.IDENTITY: identities, kind: [version.record]}
            since = {version.record.record_id: version.since}
            resources, left_out = await asyncio.to_thread(_all, patient_id, stored, since)
            notes.update(left_out)
            same = (r for r in resources if r["id"] == resource_id and r["resourceType"] == resource_type)
            versions.append(ResourceVersion(next(same, None), version.record.version, version.since))
        if all(version.resource is None for version in versions):
            raise ValidationError(notes.pop()) if notes else NotFoundError(_NO_RESOURCE)
        last = kept[-1]
        if last.until is not None:
            versions.append(ResourceVersion(None, last.record.version + 1, last.until))
        return versions[::-1]

    async def create(
        self,
        principal: Principal,
        patient_id: UUID,
        content: bytes,
        *,
        settings: Settings | None = None,
        is_strict: bool = True,
    ) -> tuple[FhirStored, list[Resource]]:
        """Store what FHIR resources say of a patient, and return the resources that came of it.

        Parameters
        ----------
        is_strict
            Whether nothing is stored unless everything was understood.

        Raises
        ------
        FhirImportError
            If nothing was understood, or under ``is_strict`` not everything.
        IdentityError
            If they are of another person.
        """
        stored = await self._clinic.import_fhir(principal, patient_id, content, settings=settings, is_strict=is_strict)
        if stored.import_id is None:
            raise FhirImportError(stored.outcome)
        access = await self._access.permit_patient(principal, Permission.FHIR_WRITE, patient_id)
        imported = await self._store.read_one(patient_id, stored.import_id, access)
        brought = {UUID(record_id) for record_id in mapping_of(imported)["records"]}
        pieces = await self._read(patient_id, _STORED, access)
        resources, _ = await asyncio.to_thread(_all, patient_id, pieces, {})
        return stored, [resource for resource in resources[1:] if record_id_of(resource["id"]) in brought]

    async def update(
        self,
        principal: Principal,
        resource_type: str,
        resource_id: str,
        content: bytes,
        version: int | None,
        settings: Settings | None = None,
    ) -> None:
        """Put a corrected resource in the place of a stored one; the earlier version is kept.

        Raises
        ------
        FhirImportError
            If not everything in it was understood.
        OutdatedError
            If the stored resource has another version than the client read.
        ValidationError
            If it is not one piece of this kind of this patient.
        """
        patient_id, record_id = await self._whole(principal, resource_type, resource_id)
        access = await self._access.permit_patient(principal, Permission.RECORDS_WRITE, patient_id)
        identity = mapping_of((await self._store.read(patient_id, Kind.IDENTITY, access, newest=1))[-1])
        zone = identity["details"].get("timezone")
        imported = await asyncio.to_thread(read_fhir, content, timezone=zone, settings=settings)
        if imported.outcome.issues:
            raise FhirImportError(imported.outcome)
        if [record.patient_id for record in imported.records] != [str(patient_id)]:
            raise ValidationError("the resource is of another patient than the stored one; its subject cannot change")
        piece = await asyncio.to_thread(piece_of_record, imported.record, zone)
        await self._clinic.correct(principal, patient_id, record_id, piece, version)

    async def delete(self, principal: Principal, resource_type: str, resource_id: str, version: int | None) -> None:
        """Withdraw a resource as entered in error; errors as of :meth:`update`."""
        patient_id, record_id = await self._whole(principal, resource_type, resource_id)
        await self._clinic.withdraw(principal, patient_id, record_id, version)

    async def _whole(self, principal: Principal, resource_type: str, resource_id: str) -> tuple[UUID, UUID]:
        """Return patient and record of a resource that is a whole record, which alone can be changed."""
        patient_id, kind = await self._owner(resource_type, resource_id)
        allowed = principal.fhir_types.get(Permission.FHIR_WRITE)
        if allowed is not None and resource_type not in allowed:
            await self._access.refuse(principal, Permission.FHIR_WRITE, patient_id)
        if await self.resource(principal, resource_type, resource_id) is None:
            raise NotFoundError("there is no such resource, or it was withdrawn already")
        if kind in (Kind.BIOMETRIC_SAMPLES, Kind.GENOTYPE):
            raise ValidationError("samples and genes are stored together; correct the stretch or results as a whole")
        return patient_id, record_id_of(resource_id)

    async def identified(self, principal: Principal, kind: str, value: str) -> list[UUID]:
        """Return the patients of the caller's organisation with exactly this identifier whom the caller may read."""
        access = await self._access.permit(principal, Permission.FHIR_READ)
        if principal.organisation_id is None:
            return []
        patient_ids = await self._store.find(principal.organisation_id, kind, value, access)
        decided = await self._access.permit_patients(principal, Permission.FHIR_READ, patient_ids)
        return [patient_id for patient_id, answer in decided.items() if isinstance(answer, Access)]

    async def patient_of(self, resource_type: str, resource_id: str) -> UUID:
        """Return whose a resource is; whether the caller may read it is asked when it is read.

        Raises
        ------
        NotFoundError
            If there is no such resource.
        """
        return (await self._owner(resource_type, resource_id))[0]

    async def provenance(self, principal: Principal, resources: Sequence[Resource]) -> list[Resource]:
        """Return where resources come from; they were read by the same caller a moment ago.

        Raises
        ------
        AuthorizationError
            If the caller may not read Provenance.
        """
        patient_ids = {await self.patient_of(r["resourceType"], r["id"]) for r in resources[:1]}
        for patient_id in patient_ids:
            await self._permitted(principal, patient_id, [_PROVENANCE])
        return [provenance_of(resource) for resource in resources]

    async def patients(self, principal: Principal) -> list[UUID]:
        """Return the patients whom the caller may read, in the order of their ids."""
        return list(await self._access.patients(principal, None, 1_000_000, Permission.FHIR_READ))

    async def permit_export(self, principal: Principal, types: Collection[str]) -> None:
        """Refuse an export before it is begun.

        Raises
        ------
        AuthorizationError
            If the caller may read no patient's, or not these types of resources.
        """
        await self._access.permit(principal, Permission.FHIR_READ)
        limited = principal.fhir_types.get(Permission.FHIR_READ)
        if limited is not None and not limited >= set(types):
            raise AuthorizationError("this token's scopes do not allow these types of resources")

    async def _permitted(self, principal: Principal, patient_id: UUID, types: Collection[str]) -> Access:
        access = await self._access.permit_patient(principal, Permission.FHIR_READ, patient_id)
        allowed = principal.fhir_types.get(Permission.FHIR_READ)
        if allowed is not None and not allowed >= set(types):
            await self._access.refuse(principal, Permission.FHIR_READ, patient_id)
        return access

    async def _owner(self, resource_type: str, resource_id: str) -> tuple[UUID, Kind | None]:
        """Return whose a resource is, and the kind of record from which it comes."""
        record_id = record_id_of(resource_id)
        if resource_type == "Patient" or resource_type in COMPUTED:
            return record_id, None
        owner = await self._store.owner(record_id)
        if owner is None and resource_type == _PROVENANCE:
            return record_id, None  # of the Patient
        if owner is None:
            raise NotFoundError(_NO_RESOURCE)
        return owner

    @staticmethod
    def _together(kind: Kind) -> tuple[Kind, ...]:
        """Return the kinds that are read so that a resource is as it is among all: signals go by the reports' clock."""
        return (kind, Kind.SYMPTOM_REPORT) if kind is Kind.BIOMETRIC_SAMPLES else (kind,)

    async def _read(self, patient_id: UUID, kinds: Collection[Kind], access: Access) -> dict[Kind, list[StoredRecord]]:
        """Return what is stored of these kinds and who the patient is."""
        closed = Kind.GENOTYPE in kinds and not (await self._store.consents(patient_id)).get("genomics", True)
        opened = sorted(({Kind.IDENTITY} | set(kinds)) - ({Kind.GENOTYPE} if closed else set()))
        answers = await asyncio.gather(*(self._store.read(patient_id, kind, access) for kind in opened))
        return dict(zip(opened, answers, strict=True))

    async def _computed(self, principal: Principal, patient_id: UUID) -> list[Resource]:
        """Return what the services say of the patient today; their ids hold the day."""
        case = await self._clinic.case(principal, patient_id, Permission.FHIR_READ)
        insights = (await self._clinic.overview_of(principal, case, needed=Permission.FHIR_READ)).insights
        day = insights.made_on.isoformat()
        meta = {"versionId": "1", "lastUpdated": f"{day}T00:00:00+00:00"}
        return [
            {"resourceType": entry["resource"]["resourceType"], "id": f"{patient_id}.{day}.{number}", "meta": meta}
            | entry["resource"]
            | {"subject": {"reference": f"Patient/{patient_id}"}}
            for number, entry in enumerate(result_resources(insights, case.record))
            if entry["resource"]["resourceType"] in COMPUTED
        ]


def _all(
    patient_id: UUID, stored: Mapping[Kind, Sequence[StoredRecord]], corrections: Mapping[UUID, datetime]
) -> PatientResources:
    """Return the Patient and every resource that stored records hold.

    Without the patient's timezone, reports with an offset and those without are exported apart: among the others each
    would lose its own.
    """
    identity = stored[Kind.IDENTITY][-1]
    content = mapping_of(identity)
    summary = PatientSummary(patient_id, content["identifiers"], content["details"])
    parts: list[Mapping[Kind, Sequence[StoredRecord]]] = [stored]
    if summary.details.get("timezone") is None:
        reports = stored.get(Kind.SYMPTOM_REPORT, ())
        naive = [report for report, is_naive in readable(reports, _clock_of)[0] if is_naive]
        if 0 < len(naive) < len(reports):
            others = {report.record_id for report in reports} - {report.record_id for report in naive}
            aware = [report for report in reports if report.record_id in others]
            apart = {Kind.IDENTITY: stored[Kind.IDENTITY], Kind.SYMPTOM_REPORT: naive}
            parts = [{**stored, Kind.SYMPTOM_REPORT: aware}, apart]
    resources: list[Resource] = []
    left_out = 0
    for part in parts:
        record = record_of(
            summary,
            part.get(Kind.SYMPTOM_REPORT, []),
            part.get(Kind.BIOMETRIC_SAMPLES, []),
            part.get(Kind.MEDICATION, []),
            part.get(Kind.CONDITION, []),
            (part.get(Kind.GENOTYPE, []), False),
        )
        exported, count = resources_of(summary, record, part, corrections)
        resources += exported[1:] if resources else exported
        left_out += count
    notes = (_LEFT_OUT.format(left_out),) if left_out else ()
    return PatientResources(resources, notes)


def _clock_of(report: StoredRecord) -> tuple[StoredRecord, bool]:
    return report, report_of(report)[1].tzinfo is None
