"""Bulk import as a job: a file of several people, each stored whole or not at all, with what became of each resource.

A person is a registered patient by the id that we gave, or by the record number: under our own system of identifiers,
or under the one that the caller names as that of their record numbers. Who is not registered is refused, or registered
where the caller asks for it.
"""

import asyncio
import hashlib
import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final
from uuid import UUID

from novamind.clinic.bulk_export import principal_read
from novamind.clinic.fhir_resources import IDENTIFIER
from novamind.clinic.record_mapping import LISTS, contents_of, mapping_of
from novamind.clinic.service import Clinic
from novamind.errors import AuthorizationError, NotFoundError, NovamindError, ServiceUnavailableError, ValidationError
from novamind.infrastructure.audit import Access
from novamind.infrastructure.exports import Exports
from novamind.infrastructure.identity.access import AccessControl
from novamind.infrastructure.identity.domain import Permission, Principal
from novamind.infrastructure.patient_store import RECORD_NUMBER, Identity, Kind, PatientStore, Samples
from novamind.records import FhirImport, FhirImportError, PatientRecord, read_fhir
from novamind.records.fhir.identity import PATIENT_IDENTIFIER
from novamind.records.fhir.outcome import Issue, OperationOutcome
from novamind.records.fhir.patients import Claims
from novamind.records.fhir.reader import Placed
from novamind.settings import Settings

#: Kind of the job.
IMPORT: Final = "fhir-import"
#: Kinds of files: what was sent, what was stored, and what was not.
UPLOAD, STORED, REFUSED = "upload", "stored", "refused"
_LINES: Final = 5000  # of a file
_LONGEST: Final = 200
_DATE: Final = re.compile(r"\d{4}-\d{2}-\d{2}")
_GENDERS: Final = ("male", "female", "other", "unknown")
_FAILURES: Final = ("fatal", "error")

_GONE: Final = "the file was kept for an hour and is gone; send it again"
_NOBODY: Final = (
    "nobody whom the caller may write to has this id or record number; name the system of your record numbers with"
    " identifierSystem, or register the person with create=true"
)
_NO_NUMBER: Final = (
    "the person has no record number by which another import would find them; name the system of your record numbers"
    " with identifierSystem, or register the person first"
)
_NUMBERS: Final = "the person has several record numbers, or one longer than 200 characters; register the person first"
_NOT_REACHED: Final = "the import ended before this person; send the file again"
_REMOVAL: Final = (
    "a deletion or patch counts within the file alone, and changes nothing that is stored: send it by itself"
)
_SEVERAL: Final = "the person's ids and record numbers are of several registered patients; check whose they are"
_TWICE: Final = "two people of the file are this registered patient; check whose their resources are"
_NOT_ALL: Final = (
    "not everything of this person was understood, so that nothing was stored; send it with 'Prefer: handling=lenient'"
    " to store the rest"
)


@dataclass(frozen=True, slots=True)
class ImportRequest:
    """What a caller asks for.

    Attributes
    ----------
    creates
        Whether people who are not registered are registered.
    system
        The caller's system of record numbers; our own alone where it is empty.
    is_lenient
        Whether a person of whom something was not understood is stored without it.
    """

    creates: bool = False
    system: str = ""
    is_lenient: bool = False


@dataclass(frozen=True, slots=True)
class PersonOutcome:
    """What became of a person: ``stored``, ``unchanged`` or ``refused``, the patient, and why not."""

    result: str
    patient_id: UUID | None = None
    is_new: bool = False
    reason: str = ""


class BulkImport:
    """Stores files of several people.

    Parameters
    ----------
    access, store
        Those of the running system.
    clinic
        The use cases that every door shares.
    exports
        Keeps the file until the job reads it, and what became of it.
    """

    def __init__(
        self, access: AccessControl, store: PatientStore, clinic: Clinic, exports: Exports, settings: Settings
    ) -> None:
        self._access = access
        self._store = store
        self._clinic = clinic
        self._exports = exports
        self._settings = settings

    async def permit(self, principal: Principal, request: ImportRequest) -> None:
        """Refuse whoever may not import, or not register, before the file is looked at."""
        await self._access.permit(principal, Permission.FHIR_WRITE)
        if request.creates:
            await self._access.permit(principal, Permission.PATIENTS_CREATE)

    async def run(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        """Carry an import out: a job. It can be repeated: what is stored already stays as it is."""
        principal, import_id = principal_read(asked["principal"]), UUID(asked["import_id"])
        request, counts = ImportRequest(**asked["options"]), Counter[str]()
        await self._exports.begin(import_id)
        try:
            content = await self._exports.open(UUID(asked["file_id"]), principal.subject)
        except NotFoundError as error:
            raise ValidationError(_GONE) from error
        outcomes: dict[str, PersonOutcome] = {}
        imported: FhirImport | None = None
        refusal: OperationOutcome | None = None
        try:
            imported = await asyncio.to_thread(read_fhir, content, settings=self._settings)
            matches = await self._matches(principal, imported, request)
            zones = await self._zones(principal, imported, matches)
            if zones:
                imported = await asyncio.to_thread(read_fhir, content, timezone=zones, settings=self._settings)
            places = _issues_by_place(imported)
            for record in imported.records:
                name = record.patient_id
                outcomes[name] = await self._person(principal, imported, name, matches[name], places, request)
                counts[outcomes[name].result] += 1
                counts["registered"] += outcomes[name].is_new
                await asyncio.sleep(0)
        except FhirImportError as error:
            refusal = error.outcome
        finally:
            await asyncio.shield(self._keep(import_id, principal.subject, imported, outcomes, refusal))
        await self._exports.delete(UUID(asked["upload_id"]), principal.subject)
        return {"people": {name: counts[name] for name in ("stored", "unchanged", "refused", "registered")}}

    async def _matches(
        self, principal: Principal, imported: FhirImport, request: ImportRequest
    ) -> dict[str, UUID | ValidationError | None]:
        """Return the registered patient of each person, ``None`` where there is none, or why it is not known."""
        matches: dict[str, UUID | ValidationError | None] = {}
        for name, claims in imported.claims.items():
            try:
                matches[name] = await self._registered(principal, name, claims, request)
            except ValidationError as error:
                matches[name] = error
        times = Counter(match for match in matches.values() if isinstance(match, UUID))
        twice = {patient_id for patient_id, count in times.items() if count > 1}
        return {name: ValidationError(_TWICE) if match in twice else match for name, match in matches.items()}

    async def _registered(self, principal: Principal, name: str, claims: Claims, request: ImportRequest) -> UUID | None:
        """Return the patient who is meant and to whose record the caller may add; ``None`` if there is none.

        Raises
        ------
        ValidationError
            If there are several.
        """
        written = [name, *(mark.value for mark in claims.identifiers if mark.system == PATIENT_IDENTIFIER)]
        candidates = dict.fromkeys(patient_id for text in written if (patient_id := _uuid(text)) is not None)
        access = await self._access.permit(principal, Permission.FHIR_WRITE)
        for number in _record_numbers(claims, request):
            if principal.organisation_id is not None:
                holders = await self._store.find(principal.organisation_id, RECORD_NUMBER, number, access)
                candidates |= dict.fromkeys(holders)
        decided = await self._access.permit_patients(principal, Permission.FHIR_WRITE, list(candidates))
        patient_ids = [patient_id for patient_id, answer in decided.items() if isinstance(answer, Access)]
        if len(patient_ids) > 1:
            raise ValidationError(_SEVERAL)
        return patient_ids[0] if patient_ids else None

    async def _zones(
        self, principal: Principal, imported: FhirImport, matches: Mapping[str, UUID | ValidationError | None]
    ) -> dict[str, str]:
        """Return the timezones that we know of people to whom the file gives none."""
        zones = {}
        for record in imported.records:
            match = matches[record.patient_id]
            if record.timezone is None and isinstance(match, UUID):
                access = await self._access.permit_patient(principal, Permission.FHIR_WRITE, match)
                identity = (await self._store.read(match, Kind.IDENTITY, access, newest=1))[-1]
                if zone := mapping_of(identity)["details"].get("timezone"):
                    zones[record.patient_id] = str(zone)
        return zones

    async def _person(
        self,
        principal: Principal,
        imported: FhirImport,
        name: str,
        match: UUID | ValidationError | None,
        places: Mapping[str, list[Issue]],
        request: ImportRequest,
    ) -> PersonOutcome:
        """Store what the file says of one person, or say why not."""
        own = [each for each in imported.resources if each.patient_id == name]
        is_new = False
        try:
            if isinstance(match, ValidationError):
                raise match
            severe = any(issue.severity != "information" for each in own for issue in places[each.place])
            if not request.is_lenient and (severe or imported.of(name).not_understood):
                raise ValidationError(_NOT_ALL)
            if match is None:
                match, is_new = await self._register(principal, imported, name, request), True
            earlier = await self._imports(principal, match)
            types = {each.kind for each in own}
            record = _in_order(imported.of(name))
            key = f"fhir-import:{match}:{_digest(record)}"
            import_id = await self._clinic.import_person(principal, match, record, imported.claims_of(name), types, key)
        except ServiceUnavailableError:
            raise  # the job is repeated; nothing of this person was stored
        except NovamindError as error:
            return PersonOutcome("refused", None, is_new, str(error))
        is_known = import_id in earlier or (import_id is None and not is_new)
        return PersonOutcome("unchanged" if is_known else "stored", match, is_new)

    async def _register(self, principal: Principal, imported: FhirImport, name: str, request: ImportRequest) -> UUID:
        """Register a person whom nobody has registered yet, with what their Patient resource says."""
        claims, record = imported.claims_of(name), imported.of(name)
        if not request.creates:
            raise NotFoundError(_NOBODY)
        allowed = principal.fhir_types.get(Permission.FHIR_WRITE)
        types = {each.kind for each in imported.resources if each.patient_id == name}
        if allowed is not None and not allowed >= types | {"Patient"}:
            raise AuthorizationError("this token's scopes do not allow these types of resources")
        numbers = _record_numbers(claims, request)
        if len(numbers) != 1 or len(numbers[0]) > _LONGEST:
            raise ValidationError(_NO_NUMBER if not numbers else _NUMBERS)
        details = {
            "name": claims.names[0][:_LONGEST] if claims.names else None,
            "birth_date": claims.birth_date if _DATE.fullmatch(claims.birth_date) else None,
            "gender": claims.gender if claims.gender in _GENDERS else None,
            "timezone": record.timezone,
        }
        filled = {key: value for key, value in details.items() if value is not None}
        return await self._clinic.register(principal, Identity({RECORD_NUMBER: numbers[0]}, filled))

    async def _imports(self, principal: Principal, patient_id: UUID) -> set[UUID]:
        """Return the imports of a patient that count."""
        access = await self._access.permit_patient(principal, Permission.FHIR_WRITE, patient_id)
        return {record.record_id for record in await self._store.read(patient_id, Kind.IMPORT, access)}

    async def _keep(
        self,
        import_id: UUID,
        owner: UUID,
        imported: FhirImport | None,
        outcomes: Mapping[str, PersonOutcome],
        refusal: OperationOutcome | None,
    ) -> None:
        """Keep what became of each resource, as an OperationOutcome a line."""
        lines: dict[str, list[str]] = defaultdict(list)
        if refusal is not None:
            lines[REFUSED].append(json.dumps(refusal.to_fhir()))
        elif imported is not None:
            for issues in _issues_by_resource(imported, outcomes):
                has_failed = any(issue.severity in _FAILURES for issue in issues)
                outcome = OperationOutcome(tuple(issues)).to_fhir()
                lines[REFUSED if has_failed else STORED].append(json.dumps(outcome))
        for kind, written in lines.items():
            for start in range(0, len(written), _LINES):
                await self._exports.keep(import_id, owner, kind, written[start : start + _LINES])


def _issues_by_resource(imported: FhirImport, outcomes: Mapping[str, PersonOutcome]) -> Iterator[list[Issue]]:
    """Yield the issues of each resource, first what became of it, and in the end those of the file as a whole."""
    places = _issues_by_place(imported)
    for placed in imported.resources:
        issues = places[placed.place]
        if placed.patient_id is not None:
            outcome = outcomes.get(placed.patient_id, PersonOutcome("refused", reason=_NOT_REACHED))
            issues = [_issue(placed, outcome, has_more=bool(issues)), *issues]
        yield issues or [Issue("information", "informational", "read; it belongs to nobody", (placed.place,))]
    if of_the_file := places[""]:
        yield of_the_file
    for place in imported.removals:
        yield [Issue("warning", "not-supported", _REMOVAL, (place,))]


def _issue(placed: Placed, outcome: PersonOutcome, *, has_more: bool) -> Issue:
    """Return what became of a resource."""
    if outcome.result == "refused":
        return Issue("error", "processing", f"not stored: {outcome.reason}", (placed.place,))
    address = f"Patient/{outcome.patient_id}"
    if placed.kind == "Patient":
        text = f"registered as {address}" if outcome.is_new else f"is {address}"
    elif outcome.result == "unchanged":
        text = f"stored before for {address}"
    else:
        text = f"belongs to {address}, and was stored but for what follows" if has_more else f"stored for {address}"
    return Issue("information", "informational", text, (placed.place,))


def _issues_by_place(imported: FhirImport) -> dict[str, list[Issue]]:
    """Return the issues at and within each resource, by its place; those of the file as a whole by the empty text."""
    places = {each.place for each in imported.resources}
    by_place: dict[str, list[Issue]] = defaultdict(list)
    for issue in imported.issues:
        place = issue.expression[0] if issue.expression else ""
        while place and place not in places:
            place = place.rpartition(".")[0]
        by_place[place].append(issue)
    return by_place


def _record_numbers(claims: Claims, request: ImportRequest) -> list[str]:
    """Return a person's record numbers of this clinic, each once."""
    systems = {f"{IDENTIFIER}{RECORD_NUMBER}", request.system} - {""}
    return sorted({mark.value for mark in claims.identifiers if mark.system in systems})


def _in_order(record: PatientRecord) -> PatientRecord:
    """Return a record that is the same whatever the order of the file: lists sorted, lines of the file forgotten."""
    lists: dict[str, Any] = {}
    for name in (*LISTS, "medications"):
        items = [replace(item, source=_without_lines(item.source)) for item in getattr(record, name)]
        lists[name] = tuple(sorted(items, key=repr))
    sources = {gene: _without_lines(source) for gene, source in record.genotype_sources.items()}
    return replace(record, genotype_sources=sources, **lists)


def _without_lines(source: str) -> str:
    return "" if source.startswith("line ") else source


def _digest(record: PatientRecord) -> str:
    """Return what tells two contents of a record apart, so that the same content is stored once."""
    contents = {str(kind): [_plain(part) for part in parts] for kind, parts in contents_of(record).items()}
    return hashlib.sha256(json.dumps(contents, sort_keys=True, default=str).encode()).hexdigest()


def _plain(content: Any) -> Any:
    if not isinstance(content, Samples):
        return content
    return [content.signal, content.unit, content.timestamps.tolist(), content.values.tolist()]


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
