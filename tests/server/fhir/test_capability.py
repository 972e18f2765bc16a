"""The CapabilityStatement: it says what the routes do, no more and no less, and is R4."""

from typing import Any

from fhir.resources.R4B.capabilitystatement import CapabilityStatement

from novamind.server.app import create_app
from novamind.settings import Settings
from tests.server.fhir.conftest import Get
from tests.server.world import World, routes_of

#: FHIR R4, RESTful API: where each interaction is reached, written down apart from the code.
REST = {
    "read": {"GET /fhir/{type}/{{resource_id}}"},
    "vread": {"GET /fhir/{type}/{{resource_id}}/_history/{{version_id}}"},
    "history-instance": {"GET /fhir/{type}/{{resource_id}}/_history"},
    "search-type": {"GET /fhir/{type}", "POST /fhir/{type}/_search"},
    "create": {"POST /fhir/{type}"},
    "update": {"PUT /fhir/{type}/{{resource_id}}"},
    "patch": {"PATCH /fhir/{type}/{{resource_id}}"},
    "delete": {"DELETE /fhir/{type}/{{resource_id}}"},
    "transaction": {"POST /fhir"},
    "batch": {"POST /fhir"},
}
OPERATIONS = {
    "everything": {"GET /fhir/Patient/{resource_id}/$everything"},
    "export": {"GET /fhir/$export"},
    "patient-export": {"GET /fhir/Patient/$export"},
    "group-export": {"GET /fhir/Group/{resource_id}/$export"},
    "import": {"POST /fhir/$import"},
}
#: What is no interaction of FHIR: descriptions of the server, and addresses that an export or an import gives.
OTHERS = {
    "GET /fhir/metadata", "GET /fhir/.well-known/smart-configuration", "GET /fhir/$export-status/{resource_id}",
    "DELETE /fhir/$export-status/{resource_id}", "GET /fhir/$export-file/{resource_id}",
    "GET /fhir/$import-status/{resource_id}", "DELETE /fhir/$import-status/{resource_id}",
    "GET /fhir/$import-file/{resource_id}",
}  # fmt: skip


def described(statement: dict[str, Any]) -> set[str]:
    """Every route of which a statement speaks."""
    rest = statement["rest"][0]
    routes: set[str] = set()
    for interaction in rest.get("interaction", []):
        routes |= REST[interaction["code"]]
    for resource in rest["resource"]:
        for interaction in resource["interaction"]:
            routes |= {route.format(type=resource["type"]) for route in REST[interaction["code"]]}
    for part in (rest, *rest["resource"]):
        for operation in part.get("operation", []):
            routes |= OPERATIONS[operation["name"]]
    return routes


def test_it_says_what_the_routes_do(get: Get) -> None:
    routes = {route for route in routes_of(create_app(Settings())) if route.split()[1].startswith("/fhir")}
    assert described(get("metadata", who=None)) == routes - OTHERS


def test_it_is_r4_and_open_to_everybody(get: Get) -> None:
    statement = get("metadata", who=None)
    CapabilityStatement.model_validate(statement)
    assert statement["fhirVersion"] == "4.0.1"
    assert {one["type"] for one in statement["rest"][0]["resource"]} >= {
        "Patient", "Observation", "QuestionnaireResponse", "MedicationStatement", "MedicationRequest", "Condition",
        "AllergyIntolerance", "RiskAssessment", "DiagnosticReport", "Provenance",
    }  # fmt: skip


def test_every_search_parameter_that_it_names_is_taken(world: World, get: Get, p1: str) -> None:
    values = {"date": "2026-01-01", "token": "x", "reference": f"Patient/{p1}", "string": "x"}
    for resource in get("metadata", who=None)["rest"][0]["resource"]:
        whose = "_id" if resource["type"] == "Patient" else "patient"
        for parameter in resource["searchParam"]:
            form = {whose: p1} | {parameter["name"]: values[parameter["type"]]}
            if parameter["name"] in ("_id", "target"):
                continue
            answer = world.call("POST", f"/fhir/{resource['type']}/_search", "C11", data=form)
            assert answer.status_code == 200, (resource["type"], parameter["name"], answer.text)
