"""Devices of a patient whose makers' services give data: connected with the patient's agreement, fetched, disconnected.

A fetch asks for what is new and for the last days once more; what it brings takes the place of what earlier fetches of
the same device brought for those days. It can be taken back like any import.
"""

import asyncio
import json
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo

from novamind.clinic.service import Clinic
from novamind.errors import (
    AuthenticationError,
    AuthorizationError,
    DataProcessingError,
    InsufficientDataError,
    NotFoundError,
    NovamindError,
    ServiceUnavailableError,
    ValidationError,
)
from novamind.infrastructure.audit import AuditLog, Event
from novamind.infrastructure.device_connections import KIND, Act, DeviceConnections, StoredConnection
from novamind.infrastructure.identity.access import AccessControl
from novamind.infrastructure.identity.domain import Permission, Principal
from novamind.records.intake import import_file
from novamind.records.results import FileImport
from novamind.records.wearables.oauth import Authorization, RenewingTokens, Tokens
from novamind.records.wearables.services import MakerService, maker_of_name
from novamind.records.wearables.sync import SyncState, synchronise
from novamind.settings import Settings
from novamind.timeline import parse_timezone
from novamind.twin.breaker import CircuitBreaker, State

#: What is asked for where nobody says from when on.
FIRST_DAYS: Final = timedelta(days=90)
#: Errors that are the maker's, and not of one person's agreement.
_FAULTS_OF_MAKER: Final = (ServiceUnavailableError.__name__, DataProcessingError.__name__)
_LONGEST: Final = timedelta(days=3650)
_LONGEST_NAME: Final = 60
#: Somebody waits for the answer.
_RETRIES: Final[Mapping[str, Any]] = {"attempts": 3, "longest_wait_seconds": 10.0}


@dataclass(frozen=True, slots=True)
class Device:
    """A device as people see it; its tokens are not shown to anybody.

    Attributes
    ----------
    maker
        As people call it.
    is_connected
        Whether the maker gives data: ``False`` until the patient has agreed, and once the maker refuses.
    sync
        How far it is fetched, and why the last fetch failed.
    """

    device_id: UUID
    maker: str
    is_connected: bool
    sync: SyncState


@dataclass(frozen=True, slots=True)
class Fetched:
    """What a fetch brought: the device after it, how many pieces of each kind were stored, and what was left out."""

    device: Device
    stored: Mapping[str, int]
    left_out: tuple[str, ...] = ()


class Devices:
    """What people of a clinic do with devices.

    Parameters
    ----------
    services
        Makers with which the clinic is registered, by name.
    """

    def __init__(
        self,
        access: AccessControl,
        audit: AuditLog,
        connections: DeviceConnections,
        clinic: Clinic,
        services: Mapping[str, MakerService],
        settings: Settings,
    ) -> None:
        self._access, self._audit, self._connections = access, audit, connections
        self._clinic, self._settings = clinic, settings
        self.services = services
        self._breakers = {key: CircuitBreaker() for key in services}

    async def of_patient(self, principal: Principal, patient_id: UUID) -> list[Device]:
        """Return a patient's devices."""
        access = await self._access.permit_patient(principal, Permission.RESULTS_READ, patient_id)
        devices = [self._device(connection) for connection in await self._connections.of_patient(patient_id)]
        await self._audit.append(
            Event(access=access, action="read", what=KIND, patient_id=patient_id, count=len(devices))
        )
        return devices

    async def begin(
        self, principal: Principal, patient_id: UUID, maker: str, name: str, *, has_agreed: bool
    ) -> tuple[UUID, str]:
        """Return a new device, and the address of the maker where the patient agrees.

        Parameters
        ----------
        name
            The patient's name for it; a maker may have several. One of this name that the maker refuses is connected
            anew, as far as it was fetched.
        has_agreed
            Whether the patient agrees that its data come into the record; the audit says who stated it.

        Raises
        ------
        NotFoundError, ValidationError
            The maker cannot be connected, or the patient has not agreed.
        """
        access = await self._access.permit_patient(principal, Permission.RECORDS_WRITE, patient_id)
        service = maker_of_name(self.services, maker)
        name = name.strip() or service.name
        if not has_agreed:
            raise ValidationError("the patient has to agree before a device is connected: ask, then confirm it")
        if len(name) > _LONGEST_NAME or not name.isprintable():
            raise ValidationError(f"the name of a device is one line of at most {_LONGEST_NAME} characters")
        earlier = [self._device(connection) for connection in await self._connections.of_patient(patient_id)]
        same = [device for device in earlier if (device.sync.service, device.sync.device) == (service.key, name)]
        if any(device.is_connected for device in same):
            raise ValidationError(
                "the patient has a device of this maker and name: disconnect it, or give another name"
            )
        with closing(service.oauth()) as oauth:
            authorization = oauth.begin()
        sync = same[-1].sync if same else SyncState(service.key, name)
        content = {
            "sync": sync.to_dict(),
            "begun_by": str(principal.subject),
            "state": authorization.state,
            "verifier": authorization.verifier,
        }
        device_id = await self._connections.add(
            patient_id, content, authorization.state, Act(access, "device.begun"), [device.device_id for device in same]
        )
        return device_id, authorization.url

    async def finish(
        self, principal: Principal, callback_url: str, state: str, patient_id: UUID | None = None
    ) -> tuple[UUID, Device]:
        """Take the answer with which the browser came back from the maker; return the patient and the device.

        Parameters
        ----------
        patient_id
            Whose device it must be, where that is known.

        Raises
        ------
        NotFoundError
            No device waits for it.
        AuthorizationError
            Another account began it.
        ValidationError
            The patient did not agree at the maker's, or the maker refuses the code; the device is forgotten.
        """
        connection = await self._connections.waiting(state)
        if patient_id not in (None, connection.patient_id):
            raise NotFoundError("no device of this patient waits for this answer of its maker: connect it anew")
        patient_id, device_id = connection.patient_id, connection.connection_id
        access = await self._access.permit_patient(principal, Permission.RECORDS_WRITE, patient_id)
        if connection.content["begun_by"] != str(principal.subject):
            raise AuthorizationError("another account began to connect this device: connect it anew")
        service = maker_of_name(self.services, connection.content["sync"]["service"])
        authorization = Authorization("", connection.content["state"], connection.content["verifier"])
        try:
            with closing(service.oauth()) as oauth:
                tokens = await asyncio.to_thread(oauth.finish, authorization, callback_url)
        except AuthenticationError as error:
            await self._connections.forget(patient_id, device_id, Act(access, "device.connected", "refused"))
            raise ValidationError(str(error)) from error
        content = {"sync": connection.content["sync"], "tokens": _written(tokens)}
        await self._connections.replace(connection, content, Act(access, "device.connected"))
        return patient_id, self._device(replace(connection, content=content))

    async def fetch(
        self, principal: Principal, patient_id: UUID, device_id: UUID, first_day: date | None = None
    ) -> Fetched:
        """Fetch what is new of a device and store it.

        A maker that fails is no error: the device says why, and keeps how far it was fetched.

        Parameters
        ----------
        first_day
            From when on data are wanted where nothing was fetched yet.

        Raises
        ------
        ServiceUnavailableError
            The device is being fetched by somebody else, or its maker has failed several times and is left alone.
        ValidationError
            The patient has not agreed at the maker's yet, or has no time zone.
        """
        access = await self._access.permit_patient(principal, Permission.RECORDS_WRITE, patient_id)
        connection = await self._connections.read(patient_id, device_id)
        if "tokens" not in connection.content:
            raise ValidationError(
                "the device is not connected: connect it anew, and let the patient agree at the maker's"
            )
        zone = (await self._clinic.patient(principal, patient_id)).details.get("timezone")
        if zone is None:
            raise ValidationError("the patient has no time zone, which days are counted by: give it first")
        sync = SyncState.from_dict(connection.content["sync"])
        service, breaker = maker_of_name(self.services, sync.service), self._breakers[sync.service]
        now = datetime.now(parse_timezone(zone))
        first_day = first_day or now.date() - FIRST_DAYS
        if not now.date() - _LONGEST <= first_day <= now.date():
            raise ValidationError("the first day lies in the last ten years, and not after today")
        if not breaker.allow():
            raise ServiceUnavailableError(f"{service.name} has failed several times: try again in a minute")
        try:
            await self._connections.claim(connection)
        except ServiceUnavailableError:
            if breaker.state is State.HALF_OPEN:
                breaker.failed()
            raise
        begins, content = sync.span(first_day, now.date())[0], dict(connection.content)
        try:
            loop = asyncio.get_running_loop()
            sync, imported = await asyncio.to_thread(self._fetched, service, connection, content, first_day, now, loop)
            if sync.error in _FAULTS_OF_MAKER:
                breaker.failed()
            else:
                breaker.succeeded()
            stored: Mapping[str, int] = {}
            if imported is not None:
                stored = await self._clinic.import_record(
                    principal,
                    patient_id,
                    imported.record,
                    name=f"{service.name}: {sync.device}",
                    export=f"{service.key} service: {sync.device}",
                    since=_milliseconds(begins, parse_timezone(zone)),
                )
        except BaseException:
            await self._connections.replace(connection, content, done=True)
            raise
        content["sync"] = sync.to_dict()
        if sync.error == AuthenticationError.__name__:
            del content["tokens"]  # the maker takes them no more
        connection = replace(connection, content=content)
        act = Act(access, "device.fetched", "success" if sync.failure is None else "failed")
        await self._connections.replace(connection, content, act, done=True)
        left_out = () if imported is None else tuple(f"{e.count:,} {e.what}: {e.reason}" for e in imported.left_out)
        return Fetched(self._device(connection), {kind: count for kind, count in stored.items() if count}, left_out)

    def _fetched(
        self,
        service: MakerService,
        connection: StoredConnection,
        content: dict[str, Any],
        first_day: date,
        now: datetime,
        loop: asyncio.AbstractEventLoop,
    ) -> tuple[SyncState, FileImport | None]:
        """Return the new state, and what was understood; in a thread. Tokens that are renewed change the content."""

        def store(tokens: Tokens) -> None:
            content["tokens"] = _written(tokens)
            asyncio.run_coroutine_threadsafe(self._connections.replace(connection, content), loop).result()

        before = SyncState.from_dict(content["sync"])
        with closing(service.oauth()) as oauth:
            connector = service.connector(RenewingTokens(oauth, _read(content["tokens"]), store), **_RETRIES)
            with closing(connector):
                documents, sync = synchronise(connector, before, first_day=first_day, now=now)
        if documents is None:
            return sync, None
        try:
            imported = import_file(
                f"{service.key}.json",
                timezone=str(now.tzinfo),
                content=json.dumps(documents).encode(),
                settings=self._settings,
            )
        except InsufficientDataError:
            return sync, None
        except NovamindError as error:
            return before.failed(error), None
        return sync, imported

    async def disconnect(self, principal: Principal, patient_id: UUID, device_id: UUID) -> None:
        """Forget a device with its tokens; what it brought stays in the record."""
        access = await self._access.permit_patient(principal, Permission.RECORDS_WRITE, patient_id)
        connection = await self._connections.read(patient_id, device_id)
        await self._connections.forget(patient_id, connection.connection_id, Act(access, "device.disconnected"))

    def _device(self, connection: StoredConnection) -> Device:
        sync = SyncState.from_dict(connection.content["sync"])
        service = self.services.get(sync.service)
        name = sync.service.title() if service is None else service.name
        return Device(connection.connection_id, name, "tokens" in connection.content, sync)


def _milliseconds(day: date, zone: ZoneInfo) -> int:
    return int(datetime.combine(day, time(), zone).astimezone(UTC).timestamp() * 1_000)


def _written(tokens: Tokens) -> dict[str, str | None]:
    ends = None if tokens.expires_at is None else tokens.expires_at.isoformat()
    return {"access": tokens.access_token, "refresh": tokens.refresh_token, "ends": ends}


def _read(tokens: Mapping[str, str | None]) -> Tokens:
    access, ends = tokens["access"], tokens["ends"]
    if access is None:
        raise AuthorizationError("the device has no token: connect it anew")
    return Tokens(access, tokens["refresh"], None if ends is None else datetime.fromisoformat(ends))
