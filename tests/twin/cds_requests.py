"""Requests of CDS Hooks as an EHR sends them: whole, unless a test leaves something out."""

from typing import Any

from novamind.twin.cds import PREFETCH, answer, read_request
from tests.twin.people import TODAY

LOINC = "http://loinc.org"
RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
PATIENT = {"resourceType": "Patient", "id": "p1", "gender": "female", "birthDate": "1981-03-04"}
Resource = dict[str, Any]


def order(text: str, name: str = "draft-1", **more: Any) -> Resource:
    return {
        "resourceType": "MedicationRequest",
        "id": name,
        "status": "draft",
        "intent": "order",
        "medicationCodeableConcept": {"text": text},
        "subject": {"reference": "Patient/p1"},
    } | more


def taken(text: str, name: str = "taken", **more: Any) -> Resource:
    return order(text, name, status="active", **more)


def statement(text: str, **more: Any) -> Resource:
    return {
        "resourceType": "MedicationStatement",
        "id": "statement",
        "status": "active",
        "subject": {"reference": "Patient/p1"},
        "medicationCodeableConcept": {"text": text},
    } | more


def dose(milligrams: float, times: float = 1, unit: str = "mg", **more: Any) -> list[Resource]:
    """A dosage: an amount, so many times a day."""
    quantity = {"value": milligrams, "unit": unit}
    return [
        {
            "timing": {"repeat": {"frequency": times, "period": 1, "periodUnit": "d"}},
            "doseAndRate": [{"doseQuantity": quantity}],
        }
        | more
    ]


def gene(name: str, result: str) -> Resource:
    return {
        "resourceType": "Observation",
        "status": "final",
        "code": {"coding": [{"system": LOINC, "code": "84413-4"}]},
        "subject": {"reference": "Patient/p1"},
        "valueCodeableConcept": {"text": result},
        "component": [{"code": {"coding": [{"code": "48018-6"}]}, "valueCodeableConcept": {"text": name}}],
    }


def measured(code: str, value: float, unit: str, day: str = "2025-05-20", **more: Any) -> Resource:
    return {
        "resourceType": "Observation",
        "status": "final",
        "code": {"coding": [{"system": LOINC, "code": code}]},
        "subject": {"reference": "Patient/p1"},
        "effectiveDateTime": day,
        "valueQuantity": {"value": value, "code": unit},
    } | more


def allergy(text: str, **more: Any) -> Resource:
    return {
        "resourceType": "AllergyIntolerance",
        "patient": {"reference": "Patient/p1"},
        "code": {"text": text},
    } | more


def condition(text: str) -> Resource:
    return {
        "resourceType": "Condition",
        "subject": {"reference": "Patient/p1"},
        "code": {"text": text},
        "clinicalStatus": {"coding": [{"code": "active"}]},
    }


def bundle(*resources: Resource, **more: Any) -> Resource:
    return {"resourceType": "Bundle", "type": "searchset", "entry": [{"resource": r} for r in resources]} | more


def request(hook: str, *orders: Resource, patient: Resource | None = None, **prefetch: Any) -> Resource:
    """A request with everything that the service asks for; what is not named is an empty Bundle."""
    context: Resource = {"userId": "Practitioner/1", "patientId": "p1"}
    if hook != "patient-view":
        context["draftOrders"] = bundle(*orders)
    if hook == "order-select":
        context["selections"] = [f"MedicationRequest/{one['id']}" for one in orders]
    named = {key: bundle(*prefetch.get(key, ())) for key in {*PREFETCH, *prefetch} - {"patient"}}
    return {
        "hook": hook,
        "hookInstance": "d1577c69-dfbe-44ad-ba6d-3e05e953b2ea",
        "context": context,
        "prefetch": {"patient": patient or PATIENT, **named},
    }


def ask(body: Resource, hook: str | None = None) -> list[Resource]:
    """The cards for a request."""
    cards: list[Resource] = answer(read_request(hook or body["hook"], body), TODAY)["cards"]
    return cards


def of(cards: list[Resource], start: str) -> list[Resource]:
    """The cards whose summary begins so: a drug, "Not checked" or "For information"."""
    return [card for card in cards if card["summary"].startswith(f"{start}:")]


def sign(*orders: Resource, **more: Any) -> list[Resource]:
    """The cards for orders before they are signed."""
    return ask(request("order-sign", *orders, **more))
