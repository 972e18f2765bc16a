"""What the FHIR server says of itself: a CapabilityStatement (R4), made of the table that registers the routes."""

from importlib.metadata import version
from typing import Any, Final

from novamind.server.fhir.interactions import BASE, COMMON, OPERATIONS, REVINCLUDE, SYSTEM, TYPES
from novamind.server.fhir.patching import JSON_PATCH
from novamind.server.problems import FHIR_JSON

_SMART: Final = "http://fhir-registry.smarthealthit.org/StructureDefinition/oauth-uris"
_SECURITY: Final = "http://terminology.hl7.org/CodeSystem/restful-security-service"
#: The day on which the interface was last changed.
_DATE: Final = "2026-11-30"


def capability_statement(public_url: str) -> dict[str, Any]:
    """Return the CapabilityStatement of a server at this address."""
    return {
        "resourceType": "CapabilityStatement",
        "status": "active",
        "date": _DATE,
        "kind": "instance",
        "software": {"name": "Novamind", "version": version("novamind")},
        "implementation": {"description": "Digital twins for psychiatry", "url": public_url + BASE},
        "fhirVersion": "4.0.1",
        "format": [FHIR_JSON, "json"],
        "patchFormat": [JSON_PATCH],
        "rest": [
            {
                "mode": "server",
                "security": _security(public_url),
                "resource": [_resource(name) for name in TYPES],
                **({"interaction": [{"code": code} for code in SYSTEM]} if SYSTEM else {}),
                **_operations(""),
            }
        ],
    }


def _security(public_url: str) -> dict[str, Any]:
    addresses = {name: f"{public_url}/oauth/{name}" for name in ("authorize", "token")}
    return {
        "service": [{"coding": [{"system": _SECURITY, "code": "SMART-on-FHIR"}]}],
        "extension": [
            {"url": _SMART, "extension": [{"url": name, "valueUri": address} for name, address in addresses.items()]}
        ],
    }


def _resource(name: str) -> dict[str, Any]:
    served = TYPES[name]
    interactions = served.interactions
    parameters = {**COMMON, **served.parameters} if "search-type" in interactions else {}
    return {
        "type": name,
        "interaction": [{"code": code} for code in interactions],
        "versioning": "versioned" if "vread" in interactions else "no-version",
        "readHistory": "vread" in interactions,
        "updateCreate": False,
        "conditionalCreate": "create" in interactions,
        "conditionalUpdate": False,
        "conditionalDelete": "not-supported",
        **({"conditionalRead": "not-match"} if "read" in interactions else {}),
        **({"searchInclude": [f"{name}:{element}" for element in served.includes]} if served.includes else {}),
        **({"searchRevInclude": [REVINCLUDE]} if parameters and name != "Provenance" else {}),
        "searchParam": [
            {"name": key, "type": parameter.kind}
            | ({"documentation": "in the body of _search alone"} if parameter.is_private else {})
            for key, parameter in parameters.items()
        ],
        **_operations(name),
    }


def _operations(resource_type: str) -> dict[str, Any]:
    offered = [
        {"name": operation.name, "definition": operation.definition}
        for operation in OPERATIONS
        if operation.resource_type == resource_type
    ]
    return {"operation": offered} if offered else {}
