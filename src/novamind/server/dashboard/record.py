"""Pages of what is stored of a patient: looking, adding, correcting, withdrawing, taking an upload back."""

import hashlib
import json
from dataclasses import dataclass, field, replace
from datetime import tzinfo
from typing import Annotated, Any, Final, Literal
from uuid import UUID, uuid4

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import RedirectResponse, Response

from novamind.clinic import PatientSummary, SymptomReport
from novamind.clinic.record_mapping import readable
from novamind.errors import NotFoundError, OutdatedError, ValidationError
from novamind.infrastructure.identity.domain import Permission, Principal
from novamind.infrastructure.patient_store import Kind, StoredRecord
from novamind.server.container import Container
from novamind.server.dashboard.patients import may
from novamind.server.dashboard.record_forms import EMPTY, Form, Reasons, Texts, clock_of
from novamind.server.dashboard.record_sections import SECTIONS, Section
from novamind.server.dashboard.rendering import page
from novamind.server.dependencies import Caller, ContainerDep
from novamind.server.patients import PatientId, RecordId
from novamind.timeline import parse_timezone

_PAGE: Final = 50
_DONE: Final = {
    "added": "Stored.",
    "corrected": "Corrected. The earlier version is kept and no longer counts.",
    "withdrawn": "Withdrawn as entered in error. It no longer counts.",
    "taken-back": "Taken back. What the upload brought no longer counts.",
}

routes = APIRouter(prefix="/patients/{patient_id}/record", include_in_schema=False)


async def _section(kind: str) -> Section:
    try:
        return SECTIONS[kind]
    except KeyError:
        raise NotFoundError("there is no such part of a record") from None


async def _form(section: Annotated[Section, Depends(_section)]) -> Form:
    if section.form is None:
        raise NotFoundError("there is no form for this part of a record; what is wrong in it can be withdrawn")
    return section.form


async def _may_write(container: ContainerDep, caller: Caller, patient_id: PatientId) -> None:
    """Refuse callers who may not write before a form is shown or read; the use case checks again."""
    await container.identity.access.permit_patient(caller, Permission.RECORDS_WRITE, patient_id)


async def _texts(request: Request) -> Texts:
    return {name: text.strip() for name, text in (await request.form()).items() if isinstance(text, str)}


SectionDep = Annotated[Section, Depends(_section)]
FormDep = Annotated[Form, Depends(_form)]
TextsDep = Annotated[Texts, Depends(_texts)]
_WRITING: Final = [Depends(_may_write)]


@dataclass(frozen=True)
class _Draft:
    """A form as the caller sees it.

    Attributes
    ----------
    clock
        That of its times.
    stored
        What is to be corrected, ``None`` where something is added.
    current
        What somebody else has stored since, as the form would show it.
    is_withdrawn
        Whether somebody else has withdrawn it since.
    """

    patient: PatientSummary
    section: Section
    texts: Texts
    clock: tzinfo
    stored: StoredRecord | None = None
    reasons: Reasons = field(default_factory=dict)
    current: Texts | None = None
    is_withdrawn: bool = False


@routes.get("")
async def record_summary(request: Request, container: ContainerDep, caller: Caller, patient_id: PatientId) -> Response:
    """Show how much of each kind is stored."""
    patient = await container.clinic.patient(caller, patient_id)
    kinds = dict.fromkeys(section.kind for section in SECTIONS.values())
    stored = {kind: await container.clinic.pieces(caller, patient_id, kind) for kind in kinds}
    zone = _zone(patient)
    parts = [(section, section.entries(stored[section.kind], zone)) for section in SECTIONS.values()]
    newest = {section.path: next((entry for entry in entries if entry.is_read), None) for section, entries in parts}
    may_write = may(caller, Permission.RECORDS_WRITE, patient_id)
    return page(request, "record.html", {"patient": patient, "parts": parts, "newest": newest, "may_write": may_write})


@routes.get("/{kind}")
async def record_entries(
    request: Request,
    container: ContainerDep,
    caller: Caller,
    patient_id: PatientId,
    section: SectionDep,
    number: Annotated[int, Query(alias="page", ge=1, le=100_000)] = 1,
    done: Literal["added", "corrected", "withdrawn", "taken-back"] | None = None,
) -> Response:
    """Show what is stored of a kind, a page at a time, and what was done last."""
    patient = await container.clinic.patient(caller, patient_id)
    stored = await container.clinic.pieces(caller, patient_id, section.kind)
    imports = () if section.kind is Kind.IMPORT else await container.clinic.imports(caller, patient_id)
    entries = section.entries(stored, _zone(patient), imports)
    shown = {
        "patient": patient,
        "section": section,
        "sections": SECTIONS.values(),
        "entries": entries[_PAGE * (number - 1) : _PAGE * number],
        "count": len(entries),
        "number": number,
        "pages": max(1, -(-len(entries) // _PAGE)),
        "may_write": may(caller, Permission.RECORDS_WRITE, patient_id),
        "done": done and _DONE[done],
    }
    return page(request, "record_entries.html", shown)


@routes.get("/{kind}/new", dependencies=_WRITING)
async def new_entry(
    request: Request,
    container: ContainerDep,
    caller: Caller,
    patient_id: PatientId,
    section: SectionDep,
    _form: FormDep,
) -> Response:
    """Show an empty form."""
    patient = await container.clinic.patient(caller, patient_id)
    return _form_page(request, _Draft(patient, section, EMPTY, clock_of(_zone(patient))))


@routes.post("/{kind}/new", dependencies=_WRITING)
async def add_entry(
    request: Request,
    container: ContainerDep,
    caller: Caller,
    patient_id: PatientId,
    section: SectionDep,
    form: FormDep,
    texts: TextsDep,
) -> Response:
    """Store what a form says; the same form sent twice is stored once."""
    patient = await container.clinic.patient(caller, patient_id)
    draft = _Draft(patient, section, texts, clock_of(_zone(patient)))
    once = hashlib.sha256(json.dumps(texts, sort_keys=True).encode()).hexdigest()
    try:
        piece = form.piece(texts, draft.clock, None)
        if isinstance(piece, SymptomReport):
            await container.clinic.add_reports(caller, patient_id, [piece], once)
        else:
            await container.clinic.add(caller, patient_id, piece, once)
    except ValidationError as error:
        return _form_page(request, replace(draft, reasons=form.reasons(error)), 422)
    return _to_entries(patient_id, section, "added")


@routes.get("/{kind}/{record_id}/correct", dependencies=_WRITING)
async def correction(
    request: Request,
    container: ContainerDep,
    caller: Caller,
    patient_id: PatientId,
    section: SectionDep,
    form: FormDep,
    record_id: RecordId,
) -> Response:
    """Show a form with what is stored, or an empty form where that cannot be read."""
    patient = await container.clinic.patient(caller, patient_id)
    stored = await _required(container, caller, patient_id, section, record_id)
    piece = _piece(section, stored)
    clock = clock_of(_zone(patient), piece)
    texts = EMPTY if piece is None else form.texts(piece, clock)
    return _form_page(request, _Draft(patient, section, texts, clock, stored))


@routes.post("/{kind}/{record_id}/correct", dependencies=_WRITING)
async def correct(
    request: Request,
    container: ContainerDep,
    caller: Caller,
    patient_id: PatientId,
    section: SectionDep,
    form: FormDep,
    record_id: RecordId,
    texts: TextsDep,
) -> Response:
    """Replace what is stored by what a form holds, unless somebody else has changed it since."""
    patient = await container.clinic.patient(caller, patient_id)
    version = _version(texts)
    stored = await _stored(container, caller, patient_id, section, record_id)
    piece = _piece(section, stored)
    draft = _Draft(patient, section, texts, clock_of(_zone(patient), piece), stored)
    if stored is not None and stored.version == version:
        try:
            new = form.piece(texts, draft.clock, piece)
            await container.clinic.correct(caller, patient_id, record_id, new, version)
        except (OutdatedError, NotFoundError):
            stored = await _stored(container, caller, patient_id, section, record_id)
            piece = _piece(section, stored)
        except ValidationError as error:
            return _form_page(request, replace(draft, reasons=form.reasons(error)), 422)
        else:
            return _to_entries(patient_id, section, "corrected")
    if stored is None:
        return _form_page(request, replace(draft, stored=None, is_withdrawn=True), 404)
    current = {} if piece is None else form.texts(piece, draft.clock)
    return _form_page(request, replace(draft, stored=stored, current=current), 412)


@routes.get("/{kind}/{record_id}/withdraw", dependencies=_WRITING)
async def withdrawal(
    request: Request,
    container: ContainerDep,
    caller: Caller,
    patient_id: PatientId,
    section: SectionDep,
    record_id: RecordId,
) -> Response:
    """Ask for a confirmation."""
    return await _question(request, container, caller, patient_id, section, record_id)


@routes.post("/{kind}/{record_id}/withdraw", dependencies=_WRITING)
async def withdraw(
    request: Request,
    container: ContainerDep,
    caller: Caller,
    patient_id: PatientId,
    section: SectionDep,
    record_id: RecordId,
    texts: TextsDep,
) -> Response:
    """Take a piece back as entered in error, or everything that an upload brought."""
    if section.kind is Kind.IMPORT:
        await container.clinic.take_back(caller, patient_id, record_id)
        return _to_entries(patient_id, section, "taken-back")
    try:
        await container.clinic.withdraw(caller, patient_id, record_id, _version(texts))
    except OutdatedError:
        return await _question(request, container, caller, patient_id, section, record_id, is_outdated=True)
    return _to_entries(patient_id, section, "withdrawn")


async def _stored(
    container: Container, caller: Principal, patient_id: UUID, section: Section, record_id: UUID
) -> StoredRecord | None:
    """Return a record of a section as it counts now."""
    stored = await container.clinic.pieces(caller, patient_id, section.kind)
    return next((record for record in stored if record.record_id == record_id and section.owns(record)), None)


async def _required(
    container: Container, caller: Principal, patient_id: UUID, section: Section, record_id: UUID
) -> StoredRecord:
    stored = await _stored(container, caller, patient_id, section, record_id)
    if stored is None:
        raise NotFoundError("there is no such record, or it was withdrawn already")
    return stored


def _piece(section: Section, stored: StoredRecord | None) -> Any:
    """Return what a record holds, ``None`` where it cannot be read."""
    pieces, _ = readable([] if stored is None else [stored], section.read)
    return pieces[0] if pieces else None


def _version(texts: Texts) -> int:
    """Return the version that the caller saw, which the form has sent back."""
    version = texts.get("version", "")
    if not version.isdecimal() or len(version) > 9:
        raise ValidationError("the form does not say which version was seen; open it again")
    return int(version)


def _zone(patient: PatientSummary) -> tzinfo | None:
    """Return the patient's clock, where it is known."""
    try:
        return parse_timezone(patient.details["timezone"])
    except (KeyError, ValidationError):
        return None


def _form_page(request: Request, draft: _Draft, status: int = 200) -> Response:
    return page(request, "record_form.html", {"draft": draft, "once": uuid4().hex}, status)


async def _question(
    request: Request,
    container: Container,
    caller: Principal,
    patient_id: UUID,
    section: Section,
    record_id: UUID,
    *,
    is_outdated: bool = False,
) -> Response:
    """Show a piece as it counts now, and ask whether to withdraw it."""
    patient = await container.clinic.patient(caller, patient_id)
    stored = await _required(container, caller, patient_id, section, record_id)
    (entry,) = section.entries([stored], _zone(patient))
    shown = {"patient": patient, "section": section, "entry": entry, "is_outdated": is_outdated}
    return page(request, "record_withdraw.html", shown, 412 if is_outdated else 200)


def _to_entries(patient_id: UUID, section: Section, done: str) -> Response:
    return RedirectResponse(f"/patients/{patient_id}/record/{section.path}?done={done}", 303)
