"""Pages of a patient's devices: connect, fetch, disconnect; and where the maker sends the browser back to."""

from datetime import date
from typing import Annotated, Any, Final

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response

from novamind.infrastructure.identity.domain import Permission
from novamind.records.wearables.services import CONNECTED, INSTEAD
from novamind.server.container import CALLBACK
from novamind.server.dashboard.patients import may
from novamind.server.dashboard.rendering import page
from novamind.server.dependencies import Caller, ContainerDep
from novamind.server.devices import DeviceId
from novamind.server.patients import PatientId

_MOST_NOTES: Final = 20

routes = APIRouter(include_in_schema=False)

Parameter = Annotated[str, Form(max_length=4000)]


@routes.get("/patients/{patient_id}/devices")
async def devices(request: Request, container: ContainerDep, caller: Caller, patient_id: PatientId) -> Response:
    """Show a patient's devices."""
    return await _shown(request, container, caller, patient_id)


@routes.post("/patients/{patient_id}/devices")
async def connect(
    request: Request,
    container: ContainerDep,
    caller: Caller,
    patient_id: PatientId,
    maker: Annotated[str, Form(max_length=40)],
    name: Annotated[str, Form(max_length=60)] = "",
    patient_agrees: Annotated[bool, Form()] = False,
) -> Response:
    """Show the way to the maker, where the patient agrees: a link, since forms may not lead elsewhere."""
    _, url = await container.devices.begin(caller, patient_id, maker, name, has_agreed=patient_agrees)
    return await _shown(request, container, caller, patient_id, {"url": url, "maker": maker})


@routes.post("/patients/{patient_id}/devices/{device_id}/fetch")
async def fetch(
    request: Request,
    container: ContainerDep,
    caller: Caller,
    patient_id: PatientId,
    device_id: DeviceId,
    first_day: Annotated[date | None, Form()] = None,
) -> Response:
    """Fetch what is new of a device, and show what it brought."""
    fetched = await container.devices.fetch(caller, patient_id, device_id, first_day)
    shown = {"stored": dict(fetched.stored), "left_out": fetched.left_out[:_MOST_NOTES]}
    return await _shown(request, container, caller, patient_id, {"fetched": fetched.device, **shown})


@routes.post("/patients/{patient_id}/devices/{device_id}/disconnect")
async def disconnect(
    request: Request, container: ContainerDep, caller: Caller, patient_id: PatientId, device_id: DeviceId
) -> Response:
    """Forget a device with its tokens."""
    await container.devices.disconnect(caller, patient_id, device_id)
    return await _shown(request, container, caller, patient_id)


@routes.get(CALLBACK)
async def callback(
    request: Request,
    container: ContainerDep,
    caller: Caller,
    state: str = "",
    code: str = "",
    scope: str = "",
    error: str = "",
    error_description: str = "",
) -> Response:
    """Take the answer of a maker, and go on to the patient."""
    del code, scope, error, error_description  # parts of the address, which is read whole
    patient_id, _ = await container.devices.finish(caller, str(request.url), state)
    return RedirectResponse(f"/patients/{patient_id}#devices", 303)


async def _shown(
    request: Request,
    container: ContainerDep,
    caller: Caller,
    patient_id: PatientId,
    more: dict[str, Any] | None = None,
) -> Response:
    registered = container.devices.services
    shown = {
        "patient_id": patient_id,
        "devices": await container.devices.of_patient(caller, patient_id),
        "makers": {key: service.name for key, service in registered.items()},
        "missing": [key.title() for key in CONNECTED if key not in registered],
        "instead": INSTEAD,
        "may_write": may(caller, Permission.RECORDS_WRITE, patient_id),
        "url": None,
        "fetched": None,
    }
    return page(request, "devices.html", shown | (more or {}))
