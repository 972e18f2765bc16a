"""What a reader must understand or leave alone: the version of FHIR, modifiers, and a container that was withdrawn.

A ``modifierExtension`` or ``implicitRules`` may turn the meaning of a resource round (R4, "Extensibility", "Resource");
no such extension is known here. The marks of other versions are elements that R4 does not have or has in another form.
"""

from collections.abc import Mapping
from typing import Any

from novamind.records.fhir.documents import Located, Resource
from novamind.records.fhir.identity import Problem

#: What we read of these is the same in STU3 and R4.
_SAME_IN_STU3 = ("Patient", "QuestionnaireResponse")
_MEDICATIONS = ("MedicationRequest", "MedicationStatement", "MedicationAdministration", "MedicationDispense")


def obstacle(entry: Located) -> Problem | None:
    """Return why a resource of a kind that we read must not be read; ``None`` where it may be."""
    version = None if entry.kind in _SAME_IN_STU3 else other_version(entry.resource)
    if version is not None:
        return Problem("error", "not-supported", f"{entry.kind} of FHIR {version}: only R4 is read, convert it")
    # Who somebody is does not depend on what contains the Patient.
    container = None if entry.kind == "Patient" else entry.parent
    if container is not None and container.get("status") == "entered-in-error":
        return Problem("information", "informational", "contained in what was entered in error; not read")
    if _is_modified(entry.resource) or (container is not None and _is_modified(container)):
        text = f"{entry.kind} with a modifierExtension or implicitRules that may change its meaning; not read"
        return Problem("error", "extension", text)
    return None


def other_version(resource: Resource) -> str | None:
    """Return the other version of FHIR whose elements a resource shows; ``None`` for R4."""
    kind = resource["resourceType"]
    if kind == "Observation":
        old = isinstance(resource.get("category"), dict) or "context" in resource or "related" in resource
    elif kind in _MEDICATIONS:
        if isinstance(resource.get("medication"), dict):
            return "R5"
        requester = resource.get("requester")
        old = (
            ("context" in resource and kind == "MedicationRequest")
            or any(name in resource for name in ("taken", "notGiven", "notDone", "wasNotGiven", "wasNotTaken"))
            or (isinstance(requester, dict) and "agent" in requester)
        )
    elif kind in ("Condition", "AllergyIntolerance"):
        old = isinstance(resource.get("clinicalStatus"), str)
    elif kind == "Procedure":
        old = "context" in resource or "notDone" in resource
    else:
        old = "animal" in resource
    return "STU3" if old else None


def _is_modified(resource: Resource) -> bool:
    """Return whether a modifier that is not known stands anywhere in a resource, what it contains left out."""
    if resource.get("implicitRules"):
        return True
    pending: list[Any] = [value for name, value in resource.items() if name not in ("contained", "modifierExtension")]
    while pending:
        value = pending.pop()
        if isinstance(value, Mapping):
            if value.get("modifierExtension"):
                return True
            pending.extend(value.values())
        elif isinstance(value, list):
            pending.extend(value)
    return bool(resource.get("modifierExtension"))
