"""Wiring: the foundation of a running system, made from the settings in one place."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from novamind.infrastructure.audit import Access, AuditLog
from novamind.infrastructure.database import Database
from novamind.infrastructure.keys import Keys, open_keys
from novamind.infrastructure.patient_store import PatientStore
from novamind.infrastructure.retention import Retention
from novamind.infrastructure.rotation import Progress, Rotation
from novamind.infrastructure.vault import BlindIndex, Vault
from novamind.settings import Settings


@dataclass(frozen=True)
class Foundation:
    """Database, keys, vault, audit and store of one running system."""

    database: Database
    keys: Keys
    vault: Vault
    index: BlindIndex
    audit: AuditLog
    store: PatientStore
    retention: Retention

    def rotation(self, access: Access, progress: Progress = lambda _done: None) -> Rotation:
        """Return the key rotation in somebody's name."""
        return Rotation(self.database, self.keys.encryption, self.vault, self.audit, access, progress)


@asynccontextmanager
async def open_foundation(settings: Settings) -> AsyncIterator[Foundation]:
    """Open the keys and the database, and bring its schema to this version.

    Raises
    ------
    ValidationError
        If the settings lack a key.
    ServiceUnavailableError
        If the database does not answer.
    """
    keys = open_keys(settings)
    database = Database(settings.database_url.get_secret_value(), patience=settings.database_seconds)
    try:
        await database.migrate()
        vault, index = Vault(database, keys.encryption), BlindIndex(keys.index)
        audit = AuditLog(database, keys.audit_signing, index.keyed("pseudonym"), settings.audit_witness)
        store = PatientStore(database, vault, index, audit)
        yield Foundation(
            database, keys, vault, index, audit, store, Retention(database, vault, audit, settings.retention_days)
        )
    finally:
        await database.close()
