"""Pages of patients: the list with what changed, and everything about one."""

import asyncio
from datetime import UTC, datetime
from typing import Annotated, Any, Final, TypeVar
from uuid import UUID

from fastapi import APIRouter, Form, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import RedirectResponse, Response
from pydantic import BaseModel, ValidationError
from starlette.datastructures import FormData

from novamind.clinic import PatientSummary, Regimen
from novamind.drugs.kinetics import drug_names, kinetics
from novamind.infrastructure.identity.domain import Permission, Principal, Role, Ties, ground
from novamind.infrastructure.patient_store import Identity
from novamind.server.container import Container
from novamind.server.dashboard.overview import changes_of, overview_of, visits
from novamind.server.dashboard.rendering import page
from novamind.server.dependencies import Caller, ContainerDep
from novamind.server.patients import After, NewPatient, PatientId, Reason
from novamind.twin.domain import Options
from novamind.twin.endpoints import Line, RegimenBody, RegimenSteps, SwitchBody
from novamind.twin.report import regimen_section, what_if_section

_PAGE: Final = 50
_MOST_SEARCHED: Final = 2000
_AUDIT_ENTRIES: Final = 200
#: As far back as links are looked for on these pages; more days find smaller effects.
_LOOKBACK_DAYS: Final = 120
_ALL: Final = Options(biometric_lookback_days=_LOOKBACK_DAYS)
_LIST: Final = Options(biometric_lookback_days=_LOOKBACK_DAYS, include_biometric_correlations=False)

#: The categories of the clinic, in words.
_MEANINGS: Final = {
    "genomics": "genetic results are shown, exported and used for advice",
    "research": "recorded for people who take data out for research",
    "sharing": "recorded for people who hand data to others",
}


Asked = TypeVar("Asked", bound=BaseModel)


class _Registering(NewPatient):
    """Who is registered, as a form says it: with a record number in the place of other identifiers."""

    record_number: Line | None = None

    def identity(self) -> Identity:
        """Return the identity as the store takes it."""
        identifiers = {"mrn": self.record_number} if self.record_number else {}
        details = self.model_dump(exclude={"record_number", "identifiers"})
        return NewPatient(**details, identifiers=identifiers).identity()


class _Emergency(Reason):
    """Whose record is opened, and why."""

    patient_id: UUID


routes = APIRouter(prefix="/patients", include_in_schema=False)


@routes.get("")
async def patient_list(request: Request, container: ContainerDep, caller: Caller, after: After = None) -> Response:
    """Show the patients whom the caller may see, a page at a time."""
    patients = await container.clinic.patients(caller, after, _PAGE)
    following = patients[-1].patient_id if len(patients) == _PAGE else None
    return _listed(request, container, caller, {"patients": patients, "asked": None, "after": following})


@routes.post("")
async def register(container: ContainerDep, caller: Caller, new: Annotated[_Registering, Form()]) -> Response:
    """Register a patient, whom the caller treats from now on."""
    patient_id = await container.clinic.register(caller, new.identity())
    return RedirectResponse(f"/patients/{patient_id}", 303)


@routes.post("/search")
async def search(
    request: Request, container: ContainerDep, caller: Caller, words: Annotated[str, Form(max_length=100)] = ""
) -> Response:
    """Show patients with all these words in name or identifiers; a POST, so that no name stands in an address."""
    wanted = words.casefold().split()
    everybody = await _all(container, caller)
    matches = [patient for patient in everybody if all(word in _searched_text(patient) for word in wanted)]
    return _listed(request, container, caller, {"patients": matches[:_PAGE], "asked": words, "after": None})


@routes.post("/emergency")
async def emergency(container: ContainerDep, caller: Caller, asked: Annotated[_Emergency, Form()]) -> Response:
    """Open the record of a patient whom the caller does not treat; the privacy officer is informed."""
    await container.clinic.open_emergency(caller, asked.patient_id, asked.reason)
    return RedirectResponse(f"/patients/{asked.patient_id}", 303)


@routes.get("/{patient_id}")
async def one_patient(request: Request, container: ContainerDep, caller: Caller, patient_id: PatientId) -> Response:
    """Show who a patient is, and where everything else will stand."""
    patient = await container.clinic.patient(caller, patient_id)
    ties = caller.ties.get(patient_id, Ties())
    shown = {
        "patient": patient,
        "drugs": {drug: kinetics(drug).usual_dose for drug in drug_names()},
        "audit": may(caller, Permission.AUDIT_READ, patient_id),
        "add": may(caller, Permission.RECORDS_WRITE, patient_id),
        "until": None if ties.treats or caller.role is not Role.CLINICIAN else ties.emergency_until,
    }
    return page(request, "patient.html", shown)


@routes.get("/{patient_id}/changes")
async def changes(request: Request, container: ContainerDep, caller: Caller, patient_id: PatientId) -> Response:
    """Show what is new."""
    overview = await container.clinic.overview(caller, patient_id, _LIST)
    reports = await container.clinic.reports(caller, patient_id, 1000)
    shown = await asyncio.to_thread(changes_of, overview, reports, datetime.now(UTC))
    return page(request, "changes.html", {"patient_id": patient_id, "shown": shown})


@routes.get("/{patient_id}/insights")
async def insights(request: Request, container: ContainerDep, caller: Caller, patient_id: PatientId) -> Response:
    """Show what all services answer."""
    overview = await container.clinic.overview(caller, patient_id, _ALL)
    shown = await asyncio.to_thread(overview_of, overview)
    context = {"patient_id": patient_id, "add": may(caller, Permission.RECORDS_WRITE, patient_id)}
    return page(request, "insights.html", context | shown)


@routes.get("/{patient_id}/tracking")
async def tracking(request: Request, container: ContainerDep, caller: Caller, patient_id: PatientId) -> Response:
    """Show whether forecasts held."""
    overview = await container.clinic.overview(caller, patient_id, _LIST)
    replayed = await container.clinic.twin.replayed(overview.case)
    checks = (*overview.insights.tracking, *replayed)
    return page(request, "tracking.html", {"patient_id": patient_id, "checks": checks})


@routes.get("/{patient_id}/consents")
async def consents(request: Request, container: ContainerDep, caller: Caller, patient_id: PatientId) -> Response:
    """Show what the patient agreed to, with forms that change it."""
    decisions = await container.clinic.consents(caller, patient_id)
    shown = {
        "categories": _MEANINGS,
        "decisions": decisions,
        "may_decide": may(caller, Permission.CONSENTS_WRITE, patient_id),
    }
    return page(request, "consents.html", {"patient_id": patient_id, **shown})


@routes.post("/{patient_id}/consents")
async def decide(
    request: Request,
    container: ContainerDep,
    caller: Caller,
    patient_id: PatientId,
    category: Annotated[str, Form(max_length=40)],
    granted: Annotated[bool, Form()],
) -> Response:
    """Store a decision of the patient."""
    await container.clinic.decide(caller, patient_id, category, granted)
    return await consents(request, container, caller, patient_id)


@routes.get("/{patient_id}/audit")
async def audit(request: Request, container: ContainerDep, caller: Caller, patient_id: PatientId) -> Response:
    """Show who looked at or changed the record."""
    entries = await container.clinic.audit_trail(caller, patient_id, _AUDIT_ENTRIES)
    shown = {"patient_id": patient_id, "visits": visits(entries, str(caller.subject)), "entries": len(entries)}
    return page(request, "audit.html", shown)


@routes.post("/{patient_id}/what-if")
async def what_if(
    request: Request,
    container: ContainerDep,
    caller: Caller,
    patient_id: PatientId,
    asked: Annotated[RegimenBody, Form()],
) -> Response:
    """Show a drug at a dose in this patient."""
    treatment = await container.clinic.what_if(caller, patient_id, Regimen(**asked.model_dump()))
    shown = await asyncio.to_thread(what_if_section, treatment)
    return page(request, "what_if.html", {"patient_id": patient_id, "asked": shown})


@routes.post("/{patient_id}/regimen")
async def regimen(request: Request, container: ContainerDep, caller: Caller, patient_id: PatientId) -> Response:
    """Show steps beside what is taken: the form's rows, those without a drug left out, an empty dose the usual one."""
    asked = _steps(await request.form())
    answer = await container.clinic.what_if_regimen(caller, patient_id, **asked.options())
    return page(
        request, "regimen.html", {"patient_id": patient_id, "asked": await asyncio.to_thread(regimen_section, answer)}
    )


@routes.post("/{patient_id}/switch")
async def switch(
    request: Request,
    container: ContainerDep,
    caller: Caller,
    patient_id: PatientId,
    old: Annotated[str, Form(max_length=100)],
    new: Annotated[str, Form(max_length=100)],
    new_dose_mg: Annotated[str, Form(max_length=20)] = "",
) -> Response:
    """Show a proposed change of drugs."""
    asked = _body(SwitchBody, {"old": old, "new": new, "new_dose_mg": new_dose_mg or None})
    answer = await container.clinic.what_if_switch(caller, patient_id, **asked.model_dump())
    return page(
        request, "regimen.html", {"patient_id": patient_id, "asked": await asyncio.to_thread(regimen_section, answer)}
    )


def _steps(form: FormData) -> RegimenSteps:
    """Return the steps of a form with one row for each."""
    rows = zip(*(form.getlist(name) for name in ("drug", "dose_mg", "interval_hours", "start", "stop")), strict=False)
    steps = []
    for drug, dose, interval, start, stop in rows:
        if drug:
            usual = kinetics(str(drug)).usual_dose if str(drug) in drug_names() else None
            hours = interval or 24
            each = dose or (None if usual is None else usual * float(str(hours)) / 24)
            steps.append(
                {"drug": drug, "dose_mg": each, "interval_hours": hours, "start": start or 0, "stop": stop or None}
            )
    return _body(RegimenSteps, {"steps": steps, "weeks": form.get("weeks") or 8})


def _body(model: type[Asked], values: dict[str, Any]) -> Asked:
    """Return what a form says, or a refusal that names the field."""
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise RequestValidationError(error.errors(include_url=False, include_context=False)) from error


def may(caller: Principal, permission: Permission, patient_id: UUID) -> bool:
    """Return whether a page offers it; the use case checks again."""
    return ground(caller, permission, patient_id, caller.ties.get(patient_id, Ties()), datetime.now(UTC)) is not None


def _listed(request: Request, container: Container, caller: Principal, shown: dict[str, Any]) -> Response:
    minutes = container.settings.emergency_seconds // 60 if caller.may(Permission.EMERGENCY_OPEN) else None
    offered = {"emergency": minutes, "may_register": caller.may(Permission.PATIENTS_CREATE)}
    return page(request, "patients.html", shown | offered)


async def _all(container: Container, caller: Principal) -> list[PatientSummary]:
    patients: list[PatientSummary] = []
    after: UUID | None = None
    while len(patients) < _MOST_SEARCHED:
        some = await container.clinic.patients(caller, after, _PAGE)
        patients += some
        if len(some) < _PAGE:
            break
        after = some[-1].patient_id
    return patients


def _searched_text(patient: PatientSummary) -> str:
    """Return name and identifiers as a search compares them."""
    return " ".join([str(patient.details.get("name", "")), *patient.identifiers.values()]).casefold()
