"""Roles, permissions and the one rule that decides on access to a patient's record.

What is not listed is denied. Two realms exclude each other: those who work with population twins cannot reach a
patient's record, and the other way round.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final
from uuid import UUID


class Role(StrEnum):
    """Role of an account or a machine; each has one."""

    CLINICIAN = "clinician"
    PATIENT = "patient"
    RESEARCHER = "researcher"
    ANALYST = "analyst"
    ADMIN = "admin"
    AUDITOR = "auditor"
    SERVICE = "service"


class Permission(StrEnum):
    """What can be permitted; these are also the scopes of OAuth clients."""

    PATIENTS_READ = "patients:read"
    PATIENTS_CREATE = "patients:create"
    RECORDS_WRITE = "records:write"
    RESULTS_READ = "results:read"
    FHIR_READ = "fhir:read"
    FHIR_WRITE = "fhir:write"
    CONSENTS_WRITE = "consents:write"
    AUDIT_READ = "audit:read"
    EMERGENCY_OPEN = "emergency:open"
    CALCULATE = "calculate"
    USERS_MANAGE = "users:manage"
    METRICS_READ = "metrics:read"
    POPULATIONS_USE = "populations:use"


_P = Permission
PERMISSIONS: Final[dict[Role, frozenset[Permission]]] = {
    Role.CLINICIAN: frozenset(
        {
            _P.PATIENTS_READ,
            _P.PATIENTS_CREATE,
            _P.RECORDS_WRITE,
            _P.RESULTS_READ,
            _P.FHIR_READ,
            _P.FHIR_WRITE,
            _P.CONSENTS_WRITE,
            _P.AUDIT_READ,
            _P.EMERGENCY_OPEN,
            _P.CALCULATE,
        }
    ),
    Role.PATIENT: frozenset(
        {
            _P.PATIENTS_READ,
            _P.RECORDS_WRITE,
            _P.RESULTS_READ,
            _P.FHIR_READ,
            _P.FHIR_WRITE,
            _P.CONSENTS_WRITE,
            _P.AUDIT_READ,
            _P.CALCULATE,
        }
    ),
    Role.SERVICE: frozenset(
        {
            _P.PATIENTS_READ,
            _P.PATIENTS_CREATE,
            _P.RECORDS_WRITE,
            _P.RESULTS_READ,
            _P.FHIR_READ,
            _P.FHIR_WRITE,
            _P.CALCULATE,
            _P.METRICS_READ,
        }
    ),
    Role.RESEARCHER: frozenset({_P.CALCULATE}),
    Role.ANALYST: frozenset({_P.POPULATIONS_USE}),
    Role.ADMIN: frozenset({_P.USERS_MANAGE, _P.METRICS_READ}),
    Role.AUDITOR: frozenset({_P.AUDIT_READ, _P.METRICS_READ}),
}

#: What may be done to one patient's record; everything else is not about a patient.
_ABOUT_A_PATIENT: Final = frozenset(
    {
        _P.PATIENTS_READ,
        _P.RECORDS_WRITE,
        _P.RESULTS_READ,
        _P.FHIR_READ,
        _P.FHIR_WRITE,
        _P.CONSENTS_WRITE,
        _P.AUDIT_READ,
    }
)
#: What an emergency opens: looking, not changing.
_IN_AN_EMERGENCY: Final = frozenset({_P.PATIENTS_READ, _P.RESULTS_READ, _P.FHIR_READ})

CLINICAL_AUDIENCE: Final = "novamind"
POPULATION_AUDIENCE: Final = "novamind-populations"


def audience(role: Role) -> str:
    """Return the realm for which a token of this role is valid."""
    return POPULATION_AUDIENCE if role is Role.ANALYST else CLINICAL_AUDIENCE


@dataclass(frozen=True, slots=True)
class Ties:
    """What ties a principal to a patient at this moment.

    Attributes
    ----------
    organisation_id
        The patient's; ``None`` if there is no such patient.
    treats
        Whether the principal treats the patient now.
    emergency_until
        Until when the principal has opened the record in an emergency.
    revision
        How often the patient's record or consent was changed.
    read_at
        When this was so, by the monotonic clock.
    """

    organisation_id: UUID | None = None
    treats: bool = False
    emergency_until: datetime | None = None
    revision: int = 0
    read_at: float = 0.0


@dataclass(frozen=True, slots=True)
class Principal:
    """A person or machine whose identity was proved.

    Attributes
    ----------
    subject
        Account of a person or client of a machine.
    session_id
        What ends when they log out.
    organisation_id
        Where they work; ``None`` for analysts.
    patient_id
        Whose record is their own, for patients.
    scopes
        What this token may be used for, within what the role may do.
    second_factor
        Whether they proved a second factor, or need none.
    ties
        What tied them to the patient they ask about when the session was read.
    fhir_types
        Types of FHIR resources to which this token limits a permission; to all where there is no entry.
    launch_patient_id
        The one patient to whom an app's launch limits this token.
    """

    subject: UUID
    session_id: UUID
    role: Role
    organisation_id: UUID | None
    patient_id: UUID | None
    scopes: frozenset[Permission]
    second_factor: bool = True
    ties: Mapping[UUID, Ties] = field(default_factory=dict, compare=False, repr=False)
    fhir_types: Mapping[Permission, frozenset[str]] = field(default_factory=dict, compare=False)
    launch_patient_id: UUID | None = None

    def may(self, permission: Permission) -> bool:
        """Return whether role and token allow it at all."""
        return self.second_factor and permission in PERMISSIONS[self.role] and permission in self.scopes


class Ground(StrEnum):
    """Why access is given; it is the purpose that the audit names."""

    TREATMENT = "treatment"
    SELF = "self"
    OPERATIONS = "operations"
    SUPERVISION = "supervision"
    EMERGENCY = "emergency"


def ground(principal: Principal, permission: Permission, patient_id: UUID, ties: Ties, now: datetime) -> Ground | None:
    """Return why the principal may do this to this patient's record; ``None`` if they may not."""
    if not principal.may(permission) or permission not in _ABOUT_A_PATIENT or ties.organisation_id is None:
        return None
    if principal.launch_patient_id not in (None, patient_id):
        return None
    if principal.role is Role.PATIENT:
        return Ground.SELF if principal.patient_id == patient_id else None
    if ties.organisation_id != principal.organisation_id:
        return None
    if principal.role is Role.SERVICE:
        return Ground.OPERATIONS
    if principal.role is Role.AUDITOR:
        return Ground.SUPERVISION
    if principal.role is Role.CLINICIAN:
        if ties.treats:
            return Ground.TREATMENT
        if permission in _IN_AN_EMERGENCY and ties.emergency_until is not None and now < ties.emergency_until:
            return Ground.EMERGENCY
    return None
