"""Everything that a running server stands on, joined in one object."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final
from uuid import uuid4

from prometheus_client import CollectorRegistry

from novamind.infrastructure.audit import Access
from novamind.settings import Settings

if TYPE_CHECKING:
    from novamind.clinic import Clinic
    from novamind.clinic.bulk_import import BulkImport
    from novamind.clinic.devices import Devices
    from novamind.clinic.fhir_service import FhirClinic
    from novamind.infrastructure.bootstrap import Foundation
    from novamind.infrastructure.cache import Shelf
    from novamind.infrastructure.card_feedback import CardFeedbackStore
    from novamind.infrastructure.exports import Exports
    from novamind.infrastructure.identity.passwords import Passwords
    from novamind.infrastructure.identity.wiring import Identity
    from novamind.infrastructure.jobs import Jobs
    from novamind.server.forecast_cache import ForecastCache


#: Where makers of devices send the browser back to.
CALLBACK: Final = "/devices/callback"


@dataclass(frozen=True)
class Container:
    """What routes ask for."""

    settings: Settings
    foundation: "Foundation"
    identity: "Identity"
    clinic: "Clinic"
    fhir: "FhirClinic"
    bulk_import: "BulkImport"
    forecasts: "ForecastCache"
    jobs: "Jobs"
    exports: "Exports"
    card_feedback: "CardFeedbackStore"
    devices: "Devices"
    metrics: CollectorRegistry

    def operator(self, purpose: str) -> Access:
        """Return the access of the shell, open to everybody who may read the keys."""
        return Access(actor="shell", role="operator", purpose=purpose, correlation_id=uuid4().hex)


@asynccontextmanager
async def open_container(
    settings: Settings, metrics: CollectorRegistry | None = None, passwords: "Passwords | None" = None
) -> AsyncIterator[Container]:
    """Open keys, database and services.

    Raises
    ------
    ValidationError
        If a key is missing or was not drawn at random.
    ServiceUnavailableError
        If the database does not answer.
    """
    from novamind.clinic import Clinic, bulk_export
    from novamind.clinic.bulk_import import IMPORT, BulkImport
    from novamind.clinic.devices import Devices
    from novamind.clinic.fhir_service import FhirClinic
    from novamind.infrastructure.bootstrap import open_foundation
    from novamind.infrastructure.cache import SealedCache
    from novamind.infrastructure.card_feedback import CardFeedbackStore
    from novamind.infrastructure.device_connections import DeviceConnections
    from novamind.infrastructure.exports import Exports
    from novamind.infrastructure.identity.wiring import open_identity
    from novamind.records.wearables.services import maker_services
    from novamind.server import background
    from novamind.server.builtin_client import register_builtin_client
    from novamind.server.forecast_cache import ForecastCache
    from novamind.twin import DigitalTwinIntegrationService
    from novamind.twin.domain import SYMPTOMS

    async with open_foundation(settings) as foundation, AsyncExitStack() as stack:
        identity = open_identity(settings, foundation, passwords)
        await register_builtin_client(foundation.database, settings.public_url)
        shelf = _shelf(settings)
        stack.push_async_callback(shelf.close)
        twin = DigitalTwinIntegrationService()
        clinic = Clinic(identity.access, foundation.store, foundation.audit, twin)
        fhir = FhirClinic(identity.access, foundation.store, clinic)
        exports = Exports(foundation.database, foundation.keys.index)
        export = partial(bulk_export.export, fhir=fhir, exports=exports)
        bulk_import = BulkImport(identity.access, foundation.store, clinic, exports, settings)
        services = maker_services(settings.device_services, f"{settings.public_url}{CALLBACK}")
        connections = DeviceConnections(foundation.database, foundation.audit, foundation.keys.index)
        devices = Devices(identity.access, foundation.audit, connections, clinic, services, settings)
        cache = SealedCache(shelf, foundation.vault, foundation.index)
        yield Container(
            settings,
            foundation,
            identity,
            clinic,
            fhir,
            bulk_import,
            ForecastCache(clinic, cache, twin.model_version(SYMPTOMS)),
            background.jobs(settings, foundation, {bulk_export.EXPORT: export, IMPORT: bulk_import.run}),
            exports,
            CardFeedbackStore(foundation.database, foundation.audit, foundation.keys.index),
            devices,
            metrics or CollectorRegistry(),
        )


def _shelf(settings: Settings) -> "Shelf":
    """Return where cached results lie: in Redis for all processes, or in this one."""
    from novamind.infrastructure.cache import MemoryShelf, RedisShelf

    own = MemoryShelf(settings.cache_entries, settings.cache_ttl)
    if settings.redis_url is None:
        return own
    return RedisShelf(settings.redis_url.get_secret_value(), settings.cache_ttl, own)
