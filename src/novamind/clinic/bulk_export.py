"""Bulk export as a job: every patient whom the caller may read, as sealed files of resources, one a line."""

import asyncio
import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from novamind.clinic.fhir_service import FhirClinic
from novamind.errors import NotFoundError
from novamind.infrastructure.exports import Exports
from novamind.infrastructure.identity.domain import Permission, Principal, Role
from novamind.records.fhir.outcome import Issue, OperationOutcome

#: Kind of the job.
EXPORT: Final = "fhir-export"
#: Type of the file that says what was left out.
LEFT_OUT: Final = "OperationOutcome"
_LINES: Final = 5000  # of a file


async def export(asked: Mapping[str, Any], fhir: FhirClinic, exports: Exports) -> dict[str, Any]:
    """Carry an export out: a job. Who may no longer be read when it runs is not in it."""
    principal, export_id = principal_read(asked["principal"]), UUID(asked["export_id"])
    since = None if asked["since"] is None else datetime.fromisoformat(asked["since"])
    lines: dict[str, list[str]] = {}
    total = 0
    await exports.begin(export_id)
    for patient_id in await fhir.patients(principal):
        try:
            resources, notes = await fhir.resources(principal, patient_id, asked["types"])
        except NotFoundError:
            continue  # the treatment has ended since the list was made
        for resource in resources:
            if since is None or datetime.fromisoformat(resource["meta"]["lastUpdated"]) >= since:
                lines.setdefault(resource["resourceType"], []).append(json.dumps(resource, ensure_ascii=False))
                total += 1
        if notes:
            lines.setdefault(LEFT_OUT, []).append(json.dumps(_outcome(patient_id, notes)))
        for kind, written in lines.items():
            while len(written) >= _LINES:
                await exports.keep(export_id, principal.subject, kind, written[:_LINES])
                del written[:_LINES]
        await asyncio.sleep(0)
    for kind, written in lines.items():
        if written:
            await exports.keep(export_id, principal.subject, kind, written)
    return {"export_id": str(export_id), "count": total, "begun": asked["begun"], "request": asked["request"]}


def _outcome(patient_id: UUID, notes: Sequence[str]) -> Mapping[str, Any]:
    """Return what was left out of a patient's resources."""
    issues = (Issue("warning", "incomplete", note, (f"Patient/{patient_id}",)) for note in notes)
    return OperationOutcome(tuple(issues)).to_fhir()


def principal_written(principal: Principal) -> dict[str, Any]:
    """Return a principal as a job keeps it: identifiers and scopes; ties to patients are read anew."""
    return {
        "subject": str(principal.subject),
        "session_id": str(principal.session_id),
        "role": principal.role,
        "organisation_id": None if principal.organisation_id is None else str(principal.organisation_id),
        "patient_id": None if principal.patient_id is None else str(principal.patient_id),
        "scopes": sorted(principal.scopes),
        "second_factor": principal.second_factor,
        "fhir_types": {permission: sorted(types) for permission, types in principal.fhir_types.items()},
        "launch_patient_id": None if principal.launch_patient_id is None else str(principal.launch_patient_id),
    }


def principal_read(written: Mapping[str, Any]) -> Principal:
    """Return the principal of a job."""

    def identifier(name: str) -> UUID | None:
        return None if written[name] is None else UUID(written[name])

    return Principal(
        UUID(written["subject"]),
        UUID(written["session_id"]),
        Role(written["role"]),
        identifier("organisation_id"),
        identifier("patient_id"),
        frozenset(map(Permission, written["scopes"])),
        written["second_factor"],
        fhir_types={Permission(name): frozenset(types) for name, types in written["fhir_types"].items()},
        launch_patient_id=identifier("launch_patient_id"),
    )
