"""Answers to FHIR requests that read: searches as Bundles, resources with their version, histories."""

import asyncio
import json
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any, Final
from urllib.parse import parse_qsl, urlencode
from uuid import UUID

from fastapi import Request, Response

from novamind.clinic.fhir_resources import IDENTIFIER, KINDS, record_id_of
from novamind.errors import NotFoundError, ValidationError
from novamind.infrastructure.identity.domain import Principal, Role
from novamind.infrastructure.patient_store import Kind
from novamind.records.fhir.genomics import GENOTYPE, METABOLISM
from novamind.records.instruments.domain import measures
from novamind.records.signals import SIGNALS
from novamind.server.container import Container
from novamind.server.fhir.interactions import BASE, PRACTITIONER, TYPES
from novamind.server.fhir.outcomes import outcome
from novamind.server.fhir.paging import PAGE, PageSeal, Pairs
from novamind.server.fhir.search import Search, parsed
from novamind.server.patients import FhirResponse
from novamind.server.problems import problem

Resource = dict[str, Any]
_UUID: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
#: Categories of Observation that only some kinds of stored records can have; signals go by the clock of the reports.
_CATEGORIES: Final[Mapping[str, frozenset[Kind]]] = {
    "survey": frozenset({Kind.SYMPTOM_REPORT}),
    "laboratory": frozenset({Kind.GENOTYPE}),
    "vital-signs": frozenset({Kind.BIOMETRIC_SAMPLES, Kind.SYMPTOM_REPORT}),
}
_EVERYTHING: Final = frozenset(KINDS["Observation"])
_FORM: Final = "application/x-www-form-urlencoded"
#: Patients whose identity one search opens at most.
_MOST_PATIENTS: Final = 500
GONE: Final = "the resource was withdrawn as entered in error; its history has the earlier versions"


async def search(container: Container, caller: Principal, request: Request, resource_type: str) -> Response:
    """Answer a search with one page of a Bundle."""
    pages = PageSeal(container.foundation.keys.index)
    pairs, offset, is_private = await _asked(request, pages, caller, resource_type)
    is_lenient = "handling=lenient" in request.headers.get("prefer", "")
    wanted = parsed(resource_type, pairs, in_address=not is_private, is_lenient=is_lenient)
    matches, left_out = await matching(container, caller, wanted)
    shown = [] if wanted.counts_only else matches[offset : offset + wanted.count]
    included = await _included(container, caller, wanted, shown)
    base = container.settings.public_url + BASE

    def link(start: int) -> str:
        return f"{base}/{resource_type}?{PAGE}={pages.seal(resource_type, caller.subject, wanted.pairs, start)}"

    own = link(offset) if is_private else _address(base, resource_type, wanted)
    links = [{"relation": "self", "url": own}]
    if not wanted.counts_only and wanted.count > 0 and offset + wanted.count < len(matches):
        links.append({"relation": "next", "url": link(offset + wanted.count)})
    if offset:
        links.append({"relation": "previous", "url": link(max(0, offset - wanted.count))})
    notes = [TYPES[resource_type].note] if TYPES[resource_type].note else []
    notes += left_out
    notes += [f"search parameter {name} is not offered here and was ignored" for name in wanted.ignored]
    entries = [
        *(_entry(base, resource, "match") for resource in shown),
        *(_entry(base, resource, "include") for resource in included),
    ]
    if notes:
        entries.append({"resource": outcome("information", "informational", *notes), "search": {"mode": "outcome"}})
    bundle = {"resourceType": "Bundle", "type": "searchset", "total": len(matches), "link": links}
    return await _json(bundle | ({"entry": entries} if entries else {}))


async def read(container: Container, caller: Principal, request: Request, resource_type: str) -> Response:
    """Answer with one resource as it counts now; 304 where the client has this version already."""
    _refuse_parameters(request)
    if resource_type == PRACTITIONER:
        return FhirResponse(_oneself(caller, request.path_params["resource_id"]))
    resource = await container.fhir.resource(caller, resource_type, request.path_params["resource_id"])
    if resource is None:
        return problem(410, "gone", GONE)
    tag = f'W/"{resource["meta"]["versionId"]}"'
    changed = datetime.fromisoformat(resource["meta"]["lastUpdated"])
    headers = {"ETag": tag, "Last-Modified": format_datetime(changed.astimezone(UTC), usegmt=True)}
    if tag in [each.strip() for each in request.headers.get("if-none-match", "").split(",")]:
        return Response(status_code=304, headers=headers)
    return FhirResponse(resource, headers=headers)


async def everything(container: Container, caller: Principal, request: Request, resource_type: str) -> Response:
    """Answer with the whole record, or the types of resources that are asked for."""
    if set(request.query_params) - {"_type", "_format"}:
        raise ValidationError("a query parameter of this request is unknown; it takes _format and _type")
    types = set(filter(None, request.query_params.get("_type", "").split(",")))
    if types - TYPES.keys():
        raise ValidationError(f"_type takes {', '.join(TYPES)}")
    patient_id = record_id_of(request.path_params["resource_id"])
    resources, notes = await container.fhir.everything(caller, patient_id, types)
    base = container.settings.public_url + BASE
    links = [{"relation": "self", "url": f"{base}/{resource_type}/{patient_id}/$everything"}]
    entries = [_entry(base, resource, "match") for resource in resources]
    bundle = {"resourceType": "Bundle", "type": "searchset", "total": len(entries), "link": links}
    if notes:
        entries.append({"resource": outcome("warning", "incomplete", *notes), "search": {"mode": "outcome"}})
    return await _json(bundle | ({"entry": entries} if entries else {}))


async def history(container: Container, caller: Principal, request: Request, resource_type: str) -> Response:
    """Answer with the versions of a resource that are kept, the newest first."""
    _refuse_parameters(request)
    resource_id = request.path_params["resource_id"]
    versions = await container.fhir.history(caller, resource_type, resource_id)
    at = f"{resource_type}/{resource_id}"
    base = container.settings.public_url + BASE
    entries = []
    for version in versions:
        is_first = version.version == 1
        method = "DELETE" if version.resource is None else "POST" if is_first else "PUT"
        url = resource_type if is_first else at
        status = "204" if version.resource is None else "201" if is_first else "200"
        answer = {"status": status, "etag": f'W/"{version.version}"', "lastModified": version.since.isoformat()}
        entry: dict[str, Any] = {"fullUrl": f"{base}/{at}"}
        if version.resource is not None:
            entry["resource"] = version.resource
        entries.append(entry | {"request": {"method": method, "url": url}, "response": answer})
    links = [{"relation": "self", "url": f"{base}/{at}/_history"}]
    return await _json(
        {"resourceType": "Bundle", "type": "history", "total": len(entries), "link": links, "entry": entries}
    )


async def read_version(container: Container, caller: Principal, request: Request, resource_type: str) -> Response:
    """Answer with one version of a resource."""
    _refuse_parameters(request)
    for version in await container.fhir.history(caller, resource_type, request.path_params["resource_id"]):
        if str(version.version) == request.path_params["version_id"]:
            if version.resource is None:
                return problem(410, "gone", GONE)
            return FhirResponse(version.resource, headers={"ETag": f'W/"{version.version}"'})
    raise NotFoundError("there is no such version, or it was purged")


async def patients_of(container: Container, caller: Principal, wanted: Search) -> list[UUID] | None:
    """Return the patients among whom is searched; ``None`` where the resources' own ids say whose they are.

    Raises
    ------
    ValidationError
        If the search names no patient, or opens the identity of too many.
    """
    if wanted.resource_type == "Patient":
        return await _searched_patients(container, caller, wanted)
    named = [
        dict.fromkeys(patient_id_of(container, value) for value in criterion.values)
        for criterion in wanted.criteria
        if criterion.name in ("patient", "subject")
    ]
    if named:
        return [patient_id for patient_id in named[0] if all(patient_id in others for others in named)]
    if context := caller.launch_patient_id or caller.patient_id:
        return [context]
    if wanted.values("_id"):
        return None
    if targets := wanted.values("target"):
        return [await container.fhir.patient_of(*_split(target)) for target in targets]
    raise ValidationError("name the patient whose record is searched: patient=…, or the resource: _id=…")


async def _searched_patients(container: Container, caller: Principal, wanted: Search) -> list[UUID]:
    if ids := wanted.values("_id"):
        return [UUID(value) for value in ids if re.fullmatch(_UUID, value)]
    patient_ids: dict[UUID, None] = {}
    if identifiers := wanted.values("identifier"):
        for identifier in identifiers:
            system, bar, value = identifier.rpartition("|")
            kind = system.removeprefix(IDENTIFIER)
            kinds = [kind] if bar and system.startswith(IDENTIFIER) else [] if system else ["mrn"]
            for name in kinds:
                patient_ids |= dict.fromkeys(await container.fhir.identified(caller, name, value))
        return list(patient_ids)
    everybody = await container.fhir.patients(caller)
    if len(everybody) > _MOST_PATIENTS:
        raise ValidationError(f"more than {_MOST_PATIENTS} patients would be opened; search by identifier or _id")
    return everybody


async def matching(
    container: Container, caller: Principal, wanted: Search, patient_ids: Sequence[UUID] | None = None
) -> tuple[list[Resource], list[str]]:
    """Return all matches of a search, and what was left out, in words.

    Parameters
    ----------
    patient_ids
        Among whose resources is searched; those whom the search names where not given.
    """
    if patient_ids is None:
        patient_ids = await patients_of(container, caller, wanted)
    resources: list[Resource] = []
    notes: dict[str, None] = {}
    if patient_ids is None:
        for resource_id in wanted.values("_id"):
            try:
                resource = await container.fhir.resource(caller, wanted.resource_type, resource_id)
            except NotFoundError:
                continue
            resources += [] if resource is None else [resource]
    else:
        for patient_id in patient_ids:
            own, left_out = await container.fhir.resources(
                caller, patient_id, [wanted.resource_type], _kinds(wanted), _signals(wanted)
            )
            resources += own
            notes |= dict.fromkeys(left_out)
    return await asyncio.to_thread(wanted.selected, resources), list(notes)


def _kinds(wanted: Search) -> set[Kind] | None:
    """Return the kinds of stored records that can hold what is looked for; all where the search does not say."""
    if wanted.resource_type != "Observation":
        return None
    by_category = [_CATEGORIES.get(_code(value), _EVERYTHING) for value in wanted.values("category")]
    by_code = [_kinds_of_code(_code(value)) for value in wanted.values("code")]
    kinds = set(_EVERYTHING)
    for alternatives in filter(None, (by_category, by_code)):
        kinds &= set().union(*alternatives)
    return kinds


def _kinds_of_code(code: str) -> frozenset[Kind]:
    """Return the kinds of stored records whose observations can have a code."""
    if measures(code):
        return _CATEGORIES["survey"]
    if _signals_of(code):
        return _CATEGORIES["vital-signs"]
    return _CATEGORIES["laboratory"] if code in (GENOTYPE, METABOLISM) else _EVERYTHING


def _signals(wanted: Search) -> set[str] | None:
    """Return the signals that can match a search for codes; all where a code is none of a signal."""
    codes = [_code(value) for value in wanted.values("code")]
    signals = {code: _signals_of(code) for code in codes}
    return set().union(*signals.values()) if codes and all(signals.values()) else None


def _signals_of(code: str) -> set[str]:
    return {signal.name for signal in SIGNALS.values() if code in signal.loinc}


def _code(value: str) -> str:
    return value.rpartition("|")[2]


async def _included(
    container: Container, caller: Principal, wanted: Search, shown: Sequence[Resource]
) -> list[Resource]:
    """Return the resources that a search has included: Patients, and where resources come from."""
    included: list[Resource] = []
    if wanted.includes_patient:
        references = [(resource.get("subject") or resource["patient"])["reference"] for resource in shown]
        for reference in dict.fromkeys(references):
            patient_id = UUID(reference.partition("/")[2])
            included += (await container.fhir.resources(caller, patient_id, ["Patient"])).resources
    if wanted.includes_provenance:
        included += await container.fhir.provenance(caller, shown)
    return included


async def _asked(request: Request, pages: PageSeal, caller: Principal, resource_type: str) -> tuple[Pairs, int, bool]:
    """Return the parameters of a search, the matches before the page, and whether they came outside the address."""
    pairs = list(request.query_params.multi_items())
    if [name for name, _ in pairs] == [PAGE]:
        return (*pages.open(resource_type, caller.subject, pairs[0][1]), True)
    if request.method == "GET":
        return tuple(pairs), 0, False
    if pairs:
        raise ValidationError("send all parameters in the body, none in the address")
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != _FORM:
        raise ValidationError(f"send the search as {_FORM}")
    try:
        text = (await request.body()).decode()
        return tuple(parse_qsl(text, keep_blank_values=True, strict_parsing=bool(text))), 0, True
    except ValueError as error:
        raise ValidationError("the body is no form; send name=value pairs joined by &") from error


def patient_id_of(container: Container, reference: str) -> UUID:
    """Return the patient's id that a reference holds.

    Raises
    ------
    NotFoundError
        If it is no reference to a patient of this server.
    """
    base = f"{container.settings.public_url}{BASE}/"
    try:
        return UUID(reference.removeprefix(base).removeprefix("Patient/"))
    except ValueError as error:
        raise NotFoundError("there is no patient of this id") from error


def _split(reference: str) -> tuple[str, str]:
    resource_type, slash, resource_id = reference.partition("/")
    if not slash or resource_type not in TYPES:
        raise ValidationError("a target is written as Observation/<id>")
    return resource_type, resource_id


def _oneself(caller: Principal, resource_id: str) -> Resource:
    """Return the caller as the Practitioner whom ``fhirUser`` of an identity token names; nobody else is served."""
    if caller.role in (Role.PATIENT, Role.SERVICE) or resource_id != str(caller.subject):
        raise NotFoundError("only your own account is served as a Practitioner")
    identifier = {"system": f"{IDENTIFIER}account", "value": resource_id}
    return {"resourceType": PRACTITIONER, "id": resource_id, "active": True, "identifier": [identifier]}


def _refuse_parameters(request: Request) -> None:
    if set(request.query_params) - {"_format"}:
        raise ValidationError("a query parameter of this request is unknown; it takes _format")


def _address(base: str, resource_type: str, wanted: Search) -> str:
    pairs = [pair for pair in wanted.pairs if pair[0] not in wanted.ignored]
    return f"{base}/{resource_type}" + (f"?{urlencode(pairs)}" if pairs else "")


def _entry(base: str, resource: Resource, mode: str) -> dict[str, Any]:
    url = f"{base}/{resource['resourceType']}/{resource['id']}"
    return {"fullUrl": url, "resource": resource, "search": {"mode": mode}}


async def _json(bundle: dict[str, Any]) -> Response:
    """Return a Bundle that is written beside the event loop, since it may be long."""
    text = await asyncio.to_thread(json.dumps, bundle, ensure_ascii=False, separators=(",", ":"))
    return Response(text.encode(), media_type=FhirResponse.media_type)
