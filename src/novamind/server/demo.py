"""A demo clinic with simulated patients, so that there is something to see after the first start."""

from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Final
from uuid import uuid4

import numpy as np
import sqlalchemy as sa

from novamind.infrastructure.identity.domain import Permission, Principal, Role
from novamind.infrastructure.identity.secrets import new_secret
from novamind.infrastructure.identity.tables import User
from novamind.infrastructure.patient_store import Identity
from novamind.records import PatientRecord
from novamind.server.container import Container
from novamind.twin.simulated import simulated_record

CLINICIAN: Final = "demo"
ADMINISTRATOR: Final = "demo-admin"
ANALYST: Final = "demo-analyst"
_SEEDS: Final = (7, 11, 23)


@dataclass(frozen=True)
class Login:
    """A name and a password that were drawn for this demo."""

    name: str
    password: str


async def seed(container: Container) -> tuple[Login, ...]:
    """Make the demo clinic unless there are accounts; return the logins, which are stored nowhere in clear."""
    async with container.foundation.database.snapshot() as session:
        if await session.scalar(sa.select(sa.func.count()).select_from(User)):
            return ()
    access = container.operator("demo")
    organisation_id = await container.foundation.store.add_organisation("Demo clinic (simulated)", access)
    accounts = container.identity.accounts
    logins = tuple(Login(name, new_secret()[:20]) for name in (CLINICIAN, ADMINISTRATOR, ANALYST))
    roles = (Role.CLINICIAN, Role.ADMIN, Role.ANALYST)
    user_ids = [
        await accounts.add_user(login.name, login.password, role, access, organisation_id=organisation_id)
        for login, role in zip(logins, roles, strict=True)
    ]
    clinician = Principal(
        user_ids[0], uuid4(), Role.CLINICIAN, organisation_id, None, frozenset(Permission), second_factor=True
    )
    for number in _SEEDS:
        record = _ending(simulated_record(number), datetime.now(UTC).date() - timedelta(days=1))
        details = {"name": f"Simulated Person {number}", "birth_date": f"{record.demographics['birth_year']}-01-01"}
        patient_id = await container.clinic.register(clinician, Identity({"mrn": f"SIM-{number:04d}"}, details))
        await container.clinic.import_record(clinician, patient_id, record)
    return logins


def _ending(record: PatientRecord, day: date) -> PatientRecord:
    """Return the record moved in time so that it ends on a day: a demo of today is no look at last year."""
    assert record.last_day is not None  # noqa: S101 - simulated persons report
    later = day - record.last_day
    moved = {
        name: replace(frame, timestamps=frame.timestamps + np.timedelta64(later))
        for name, frame in (("symptoms", record.symptoms), ("signals", record.signals))
        if frame is not None
    }
    courses = tuple(replace(course, start=course.start and course.start + later) for course in record.medications)
    return replace(record, medications=courses, **moved)  # type: ignore[arg-type]
