"""The one table of the FHIR server: types of resources, what can be done with each, and by what each is searched.

Routes are registered from it and the CapabilityStatement is made of it. Search parameters, their types and the elements
that they look at are those of FHIR R4 (4.0.1).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from novamind.server.middleware import FHIR

Interaction = Literal["read", "vread", "history-instance", "search-type", "create", "update", "patch", "delete"]

BASE: Final = FHIR
#: Method and path of each interaction under the base.
PATHS: Final[Mapping[Interaction, tuple[tuple[str, str], ...]]] = {
    "search-type": (("GET", "/{type}"), ("POST", "/{type}/_search")),
    "create": (("POST", "/{type}"),),
    "read": (("GET", "/{type}/{{resource_id}}"),),
    "update": (("PUT", "/{type}/{{resource_id}}"),),
    "patch": (("PATCH", "/{type}/{{resource_id}}"),),
    "delete": (("DELETE", "/{type}/{{resource_id}}"),),
    "history-instance": (("GET", "/{type}/{{resource_id}}/_history"),),
    "vread": (("GET", "/{type}/{{resource_id}}/_history/{{version_id}}"),),
}


@dataclass(frozen=True, slots=True)
class SearchParameter:
    """By what a type is searched.

    Attributes
    ----------
    elements
        Elements of the resource that are looked at.
    is_private
        Whether its value tells something of a person, so that it is taken from the body of a request alone.
    """

    kind: Literal["token", "date", "reference", "string"]
    elements: tuple[str, ...]
    is_private: bool = False


@dataclass(frozen=True, slots=True)
class ResourceType:
    """A type of resource that is served.

    Attributes
    ----------
    includes
        References that a search can follow with ``_include``.
    note
        What a search says beside its result, where the type is stored as another.
    """

    interactions: tuple[Interaction, ...]
    parameters: Mapping[str, SearchParameter]
    includes: tuple[str, ...] = ()
    note: str = ""


@dataclass(frozen=True, slots=True)
class Operation:
    """An operation beyond the interactions; without type it is one of the whole system."""

    name: str
    definition: str
    resource_type: str
    routes: tuple[tuple[str, str], ...]


def _token(*elements: str) -> SearchParameter:
    return SearchParameter("token", elements)


def _date(*elements: str) -> SearchParameter:
    return SearchParameter("date", elements)


_SUBJECT: Final = {
    "patient": SearchParameter("reference", ("subject",)),
    "subject": SearchParameter("reference", ("subject",)),
}
_PATIENT: Final = {"patient": SearchParameter("reference", ("patient",))}
_STORED: Final[tuple[Interaction, ...]] = ("read", "vread", "history-instance", "search-type")
_WRITTEN: Final[tuple[Interaction, ...]] = (*_STORED, "create", "update", "patch", "delete")

#: The caller's own account, so that ``fhirUser`` of an identity token leads somewhere.
PRACTITIONER: Final = "Practitioner"
TYPES: Final[Mapping[str, ResourceType]] = {
    "Patient": ResourceType(
        _STORED,
        {
            "identifier": SearchParameter("token", ("identifier",), is_private=True),
            "name": SearchParameter("string", ("name",), is_private=True),
            "birthdate": SearchParameter("date", ("birthDate",), is_private=True),
            "gender": _token("gender"),
        },
    ),
    "Observation": ResourceType(
        _WRITTEN,
        _SUBJECT
        | {"code": _token("code"), "category": _token("category"), "status": _token("status")}
        | {"date": _date("effectiveDateTime", "effectivePeriod")},
        ("patient", "subject"),
    ),
    "QuestionnaireResponse": ResourceType(
        ("search-type", "create"),
        _SUBJECT | {"authored": _date("authored"), "status": _token("status")},
        note="answers to questionnaires are kept as items and totals: search Observation, category survey",
    ),
    "MedicationStatement": ResourceType(
        _WRITTEN,
        _SUBJECT
        | {"code": _token("medicationCodeableConcept"), "status": _token("status")}
        | {"effective": _date("effectivePeriod")},
        ("patient", "subject"),
    ),
    "MedicationRequest": ResourceType(
        ("search-type", "create"),
        _SUBJECT
        | {"code": _token("medicationCodeableConcept"), "status": _token("status"), "intent": _token("intent")}
        | {"authoredon": _date("authoredOn")},
        note="medications are kept as courses: search MedicationStatement",
    ),
    "Condition": ResourceType(
        _WRITTEN,
        _SUBJECT
        | {"code": _token("code"), "category": _token("category"), "clinical-status": _token("clinicalStatus")}
        | {"onset-date": _date("onsetDateTime"), "abatement-date": _date("abatementDateTime")},
        ("patient", "subject"),
    ),
    "AllergyIntolerance": ResourceType(
        _WRITTEN,
        _PATIENT
        | {"code": _token("code"), "clinical-status": _token("clinicalStatus"), "criticality": _token("criticality")},
        ("patient",),
    ),
    "Procedure": ResourceType(
        (*_STORED, "create"),
        _SUBJECT | {"code": _token("code"), "status": _token("status"), "date": _date("performedDateTime")},
        ("patient", "subject"),
    ),
    "Consent": ResourceType(
        (*_STORED, "create"),
        _PATIENT | {"status": _token("status"), "scope": _token("scope"), "date": _date("dateTime")},
        ("patient",),
    ),
    "RiskAssessment": ResourceType(
        ("read", "search-type"), _SUBJECT | {"date": _date("occurrenceDateTime")}, ("patient", "subject")
    ),
    "DiagnosticReport": ResourceType(
        ("read", "search-type"),
        _SUBJECT
        | {"code": _token("code"), "category": _token("category"), "status": _token("status")}
        | {"date": _date("effectiveDateTime")},
        ("patient", "subject"),
    ),
    "Provenance": ResourceType(
        ("read", "search-type"),
        {
            "patient": SearchParameter("reference", ("target",)),
            "target": SearchParameter("reference", ("target",)),
            "recorded": _date("recorded"),
        },
    ),
    PRACTITIONER: ResourceType(("read",), {}),
}
#: What can be done with the base address itself.
SYSTEM: Final[tuple[Literal["transaction", "batch"], ...]] = ("transaction", "batch")
_BULK: Final = "http://hl7.org/fhir/uv/bulkdata/OperationDefinition"
OPERATIONS: Final = (
    Operation(
        "everything",
        "http://hl7.org/fhir/OperationDefinition/Patient-everything",
        "Patient",
        (("GET", "/Patient/{resource_id}/$everything"),),
    ),
    Operation("export", f"{_BULK}/export", "", (("GET", "/$export"),)),
    Operation("patient-export", f"{_BULK}/patient-export", "", (("GET", "/Patient/$export"),)),
    Operation("group-export", f"{_BULK}/group-export", "", (("GET", "/Group/{resource_id}/$export"),)),
    Operation("import", "urn:novamind:operation:import", "", (("POST", "/$import"),)),
)
#: Parameters that every search takes, beside those of its type.
COMMON: Final[Mapping[str, SearchParameter]] = {
    "_id": _token("id"),
    "_lastUpdated": _date("meta.lastUpdated"),
}
#: Parameters that shape the answer; the total is always exact, also for the client that asks by ``_totalMethod``.
RESULT: Final = ("_count", "_sort", "_summary", "_include", "_revinclude", "_format", "_total", "_totalMethod")
REVINCLUDE: Final = "Provenance:target"
