"""REST of a patient's devices: thin, since :mod:`novamind.clinic.devices` decides and does."""

from datetime import date, datetime
from typing import Annotated
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

from fastapi import APIRouter, Path
from pydantic import BaseModel, ConfigDict, Field

from novamind.clinic.devices import Device
from novamind.server.dependencies import Caller, ContainerDep
from novamind.server.patients import PatientId

routes = APIRouter(prefix="/api/v1/patients/{patient_id}/devices", tags=["devices"])

DeviceId = Annotated[UUID, Path(description="The device's identifier.")]


class NewDevice(BaseModel):
    """A device to connect."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"maker": "oura", "name": "ring", "patient_agrees": True}]}
    )
    maker: Annotated[str, Field(max_length=40, description="`oura`, `fitbit` or `withings`.")]
    name: Annotated[str, Field(max_length=60, description="The patient's name for it; the maker's where empty.")] = ""
    patient_agrees: bool = Field(description="Whether the patient agrees that its data come into the record; audited.")


class BegunDevice(BaseModel):
    """Where the patient agrees that the maker gives data."""

    id: UUID = Field(description="The device's identifier.")
    authorize_url: str = Field(description="Open it in the patient's browser, within the hour.")


class Callback(BaseModel):
    """Where the browser came back."""

    model_config = ConfigDict(extra="forbid")
    callback_url: Annotated[str, Field(max_length=4000, description="The whole address, with `code` and `state`.")]


class DeviceBody(BaseModel):
    """A device, how far it is fetched, and what went wrong."""

    id: UUID = Field(description="The device's identifier.")
    maker: str = Field(description="As people call it.")
    name: str = Field(description="The patient's name for it.")
    connected: bool = Field(description="Whether the maker gives data; if not, connect it anew.")
    complete_until: date | None = Field(description="Last day that is fetched whole; null if nothing is.")
    fetched_at: datetime | None = Field(description="When a fetch last went well.")
    error: str | None = Field(description="Name of the error of the last fetch; null if it went well.")
    failure: str | None = Field(description="That error in words, and what to do.")

    @classmethod
    def of(cls, device: Device) -> "DeviceBody":
        """Return the wire form of a device."""
        sync = device.sync
        return cls(
            id=device.device_id,
            maker=device.maker,
            name=sync.device,
            connected=device.is_connected,
            complete_until=sync.complete_until,
            fetched_at=sync.fetched_at,
            error=sync.error,
            failure=sync.failure,
        )


class DeviceList(BaseModel):
    """A patient's devices, and what can be connected."""

    items: list[DeviceBody] = Field(description="Devices, the one that changed last at the end.")
    makers: list[str] = Field(description="Makers with which this clinic is registered.")


class Fetching(BaseModel):
    """From when on data are wanted."""

    model_config = ConfigDict(extra="forbid")
    first_day: Annotated[date | None, Field(description="ISO date, for a device of which nothing was fetched yet.")] = (
        None
    )


class FetchedBody(BaseModel):
    """What a fetch brought."""

    device: DeviceBody = Field(description="The device after it; `error` says if the maker gave nothing.")
    stored: dict[str, int] = Field(description="Kind to how many records it brought.")
    left_out: list[str] = Field(description="What was not stored, with reasons and counts.")


@routes.get("", operation_id="readDevices")
async def read_devices(container: ContainerDep, caller: Caller, patient_id: PatientId) -> DeviceList:
    """Read a patient's devices."""
    devices = await container.devices.of_patient(caller, patient_id)
    return DeviceList(items=[DeviceBody.of(device) for device in devices], makers=list(container.devices.services))


@routes.post("", status_code=201, operation_id="connectDevice")
async def connect_device(container: ContainerDep, caller: Caller, patient_id: PatientId, new: NewDevice) -> BegunDevice:
    """Begin to connect a device; the patient agrees at its maker's."""
    device_id, url = await container.devices.begin(
        caller, patient_id, new.maker, new.name, has_agreed=new.patient_agrees
    )
    return BegunDevice(id=device_id, authorize_url=url)


@routes.post("/callback", operation_id="finishDevice")
async def finish_device(container: ContainerDep, caller: Caller, patient_id: PatientId, back: Callback) -> DeviceBody:
    """Take the address with which the browser came back from the maker."""
    state = parse_qs(urlsplit(back.callback_url).query).get("state", [""])[0]
    _, device = await container.devices.finish(caller, back.callback_url, state, patient_id)
    return DeviceBody.of(device)


@routes.post("/{device_id}/fetch", operation_id="fetchDevice")
async def fetch_device(
    container: ContainerDep, caller: Caller, patient_id: PatientId, device_id: DeviceId, asked: Fetching
) -> FetchedBody:
    """Fetch what is new of a device, and the last days once more, and store it."""
    fetched = await container.devices.fetch(caller, patient_id, device_id, asked.first_day)
    return FetchedBody(
        device=DeviceBody.of(fetched.device), stored=dict(fetched.stored), left_out=list(fetched.left_out)
    )


@routes.delete("/{device_id}", status_code=204, operation_id="disconnectDevice")
async def disconnect_device(
    container: ContainerDep, caller: Caller, patient_id: PatientId, device_id: DeviceId
) -> None:
    """Forget a device with its tokens; what it brought stays in the record."""
    await container.devices.disconnect(caller, patient_id, device_id)
