"""CDS Hooks 2.0: a request in, cards out. Pure functions; their server checks the caller and keeps the time.

Specification: HL7 CDS Hooks 2.0.1 (cds-hooks.hl7.org/2.0). A request must be self-contained: nothing is
fetched beyond the prefetch, and a card never says more than the prefetch allows. Anything else than a request for the
hook raises a :class:`ValidationError`, which a server answers with 400.
"""

import json
from collections.abc import Mapping
from datetime import date
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from novamind.drugs.catalogue import catalogue
from novamind.drugs.domain import Evidence, Source
from novamind.drugs.names import normalise
from novamind.errors import ValidationError
from novamind.pharmacogenomics import DrugReview, Review
from novamind.pharmacogenomics.drug_review import SPEAKS_AGAINST
from novamind.records import FhirImportError, PatientRecord, read_fhir
from novamind.records.fhir.terminology import OWN
from novamind.settings import Settings
from novamind.twin.analyses import review_of
from novamind.twin.case import Case
from novamind.twin.domain import CLINICAL_JUDGEMENT

HOOKS = ("patient-view", "order-select", "order-sign")
_PREFETCH = {
    "patient": "Patient/{{context.patientId}}",
    "medications": "MedicationRequest?patient={{context.patientId}}&status=active",
    "statements": "MedicationStatement?patient={{context.patientId}}&status=active",
    "conditions": "Condition?patient={{context.patientId}}&clinical-status=active",
    "allergies": "AllergyIntolerance?patient={{context.patientId}}",
    "genomics": "Observation?patient={{context.patientId}}&code=http://loinc.org|84413-4,http://loinc.org|53040-2",
}
_SOURCE = {"label": "Novamind: pharmacogenomic guidelines of CPIC, DPWG and FDA"}
_SUMMARY_LIMIT = 140
_DRAFT = "MedicationRequest"


def discovery() -> dict[str, Any]:
    """Return the answer to ``GET /cds-services``."""
    titles = {
        "patient-view": "Medication cautions of the patient",
        "order-select": "Pharmacogenomic check while choosing",
        "order-sign": "Pharmacogenomic check before signing",
    }
    return {
        "services": [
            {
                "hook": hook,
                "id": f"novamind-{hook}",
                "title": titles[hook],
                "description": "Guideline advice for genotype, co-medication, conditions. Clinical judgement decides.",
                "prefetch": _PREFETCH,
            }
            for hook in HOOKS
        ]
    }


def answer(hook: str, request: Mapping[str, Any], today: date, settings: Settings | None = None) -> dict[str, Any]:
    """Return the cards for one request.

    Parameters
    ----------
    hook
        The hook of the service that was called; the request must be for the same.
    request
        The JSON body.
    today
        Decides what is taken now.
    settings
        Limits of the FHIR reader for what was prefetched.

    Returns
    -------
    dict
        ``{"cards": [...]}``, most serious first. The same patient, orders and tables give the same card ``uuid``.

    Raises
    ------
    ValidationError
        The body is no CDS Hooks 2.0 request for this hook; the message says what is wrong.
    """
    context = _checked(hook, request)
    record = _record(request, str(context["patientId"]), settings)
    case = Case(record, today)
    drafted = {} if hook == "patient-view" else _orders(context, settings)
    if hook == "patient-view":
        orders: dict[str, list[str]] = {drug: [] for drug in case.medications}
    elif hook == "order-select":
        selected = {
            drug: [draft for draft in drafts if draft in context["selections"]] for drug, drafts in drafted.items()
        }
        orders = {drug: drafts for drug, drafts in selected.items() if drafts}
    else:
        orders = drafted
    drugs = [drug for drug in orders if drug in catalogue()]
    review = review_of(case.taking(drug for drug in (*orders, *drafted) if drug in catalogue()))
    cards = []
    for drug in drugs:
        card = _card(drug, review[drug], orders[drug], hook, case, review)
        if card is not None:
            cards.append(card)
    order = ("critical", "warning", "info")
    return {"cards": sorted(cards, key=lambda card: order.index(card["indicator"]))}


def _checked(hook: str, request: Mapping[str, Any]) -> Mapping[str, Any]:
    if hook not in HOOKS:
        raise ValidationError(f"no service for this hook; there are {', '.join(HOOKS)}")
    if not isinstance(request, Mapping):
        raise ValidationError("a CDS Hooks request is a JSON object")
    if request.get("hook") != hook:
        raise ValidationError(f"'hook' must be {hook}, the hook of this service")
    if not _text(request.get("hookInstance")):
        raise ValidationError("'hookInstance' is required: a UUID of this call")
    context = request.get("context")
    if not isinstance(context, Mapping):
        raise ValidationError("'context' is required and must be an object")
    # Drafts of the specification had the user beside the context; we only need to know that there is one.
    if not any(map(_text, (context.get("userId"), request.get("userId"), request.get("user")))):
        raise ValidationError("'context.userId' is required by CDS Hooks 2.0")
    if not _text(context.get("patientId")):
        raise ValidationError("'context.patientId' is required by CDS Hooks 2.0")
    if hook != "patient-view":
        drafts = context.get("draftOrders")
        if not isinstance(drafts, Mapping) or drafts.get("resourceType") != "Bundle":
            raise ValidationError("'context.draftOrders' is required and must be a Bundle")
    if hook == "order-select":
        chosen = context.get("selections")
        if not isinstance(chosen, list) or not all(_text(reference) for reference in chosen):
            raise ValidationError("'context.selections' is required and must be a list of references")
    if not isinstance(request.get("prefetch", {}), Mapping):
        raise ValidationError("'prefetch' must be an object")
    return context


def _text(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip()) and len(value) < 1024


def _record(request: Mapping[str, Any], patient_id: str, settings: Settings | None) -> PatientRecord:
    """Return the record in the prefetch of this patient; resources of other patients are ignored."""
    own = patient_id.rpartition("/")[2]
    items = [item for item in request.get("prefetch", {}).values() if isinstance(item, Mapping)]
    # The same drafts wrapped each resource with the response that brought it.
    contents = [item["resource"] if isinstance(item.get("resource"), Mapping) else item for item in items]
    server = str(request.get("fhirServer") or "").rstrip("/")
    resources = [_at_home(item, server) for item in contents if isinstance(item.get("resourceType"), str)]
    if not resources:
        return PatientRecord(own)
    try:
        documents = read_fhir(
            {"resourceType": "Bundle", "entry": [{"resource": item} for item in resources]}, settings=settings
        )
    except FhirImportError as refusal:
        if any(issue.code == "too-costly" for issue in refusal.outcome.issues):
            raise ValidationError(f"the prefetch cannot be read: {refusal}") from refusal
        return PatientRecord(own)
    return next((record for record in documents.records if record.patient_id == own), PatientRecord(own))


def _at_home(resource: Mapping[str, Any], server: str) -> dict[str, Any]:
    """Return a resource, or the Bundle of some, whose patient is named relative to the server that asks."""
    entries = resource.get("entry")
    if isinstance(entries, list):
        inner = [
            {**entry, "resource": _at_home(entry["resource"], server)}
            if isinstance(entry, Mapping) and isinstance(entry.get("resource"), Mapping)
            else entry
            for entry in entries
        ]
        return {**resource, "entry": inner}
    home = dict(resource)
    for name in ("subject", "patient"):
        reference = home.get(name)
        text = reference.get("reference") if isinstance(reference, Mapping) else None
        if server and isinstance(text, str) and text.startswith(f"{server}/Patient/"):
            home[name] = {**reference, "reference": text.removeprefix(f"{server}/")}  # type: ignore[dict-item]
    return home


def _orders(context: Mapping[str, Any], settings: Settings | None) -> dict[str, list[str]]:
    """Return drug to the references of its draft orders; a draft without an id counts under an empty one."""
    entries = context["draftOrders"].get("entry")
    drafts = [
        entry["resource"]
        for entry in (entries if isinstance(entries, list) else ())
        if isinstance(entry, Mapping) and isinstance(entry.get("resource"), Mapping)
    ]
    orders: dict[str, list[str]] = {}
    for draft in drafts:
        if draft.get("resourceType") != _DRAFT:
            continue
        name = f"{_DRAFT}/{draft['id']}" if _text(draft.get("id")) else ""
        try:
            # A draft is read as the order that it would become, for the patient of the request.
            order = {**draft, "status": "active", "intent": "order", "subject": None}
            record = read_fhir(order, settings=settings).records[0]
        except FhirImportError:
            continue
        for course in record.medications:
            drug = normalise(course.medication)
            if drug is not None:
                orders.setdefault(drug, []).append(name)
    return orders


def _card(
    drug: str, drug_review: DrugReview, orders: list[str], hook: str, case: Case, review: Review
) -> dict[str, Any] | None:
    severe = drug_review.severe
    if drug_review.concern < 2:
        return None
    indicator = "critical" if drug_review.concern >= 4 else "warning" if drug_review.concern == 3 else "info"
    advice = [a for a in drug_review.guidelines if a.action not in ("NO_RECOMMENDATION", "STANDARD_DOSE")]
    first = severe[0].text if severe else advice[0].text if advice else ""
    lines = [
        *(f"- {a.source}: {a.text} {_cited(a.reference)}" for a in advice),
        *(f"- **{c.severity}**, {c.cause}: {c.text} {_cited(c.source)}" for c in drug_review.interactions),
        *(f"- {p.gene}: {p.after.label}" for p in drug_review.phenotypes),
        "",
        CLINICAL_JUDGEMENT,
    ]
    card: dict[str, Any] = {
        "summary": _short(f"{drug}: {drug_review.verdict}. {first}".strip()),
        "detail": "\n".join(dict.fromkeys(lines)),
        "indicator": indicator,
        "source": _SOURCE
        | {"topic": {"system": f"{OWN}:topic", "code": "pharmacogenomics", "display": "Pharmacogenomics"}},
    }
    suggestions = _suggestions(drug, orders, drug_review, case, review) if hook != "patient-view" else []
    if suggestions:
        card |= {"suggestions": suggestions, "selectionBehavior": "at-most-one"}
        card["overrideReasons"] = [
            {"system": f"{OWN}:override", "code": code, "display": words}
            for code, words in (
                ("known-and-tolerated", "The patient takes it already and tolerates it"),
                ("levels-monitored", "Levels or effects are being monitored"),
                ("benefit-outweighs", "The benefit outweighs the risk"),
            )
        ]
    links = list(dict.fromkeys((a.reference.title, a.url) for a in advice if a.url.startswith("https://")))
    if links:
        card["links"] = [{"label": title, "url": url, "type": "absolute"} for title, url in links]
    return {"uuid": _stable(case.record.patient_id, hook, card), **card}


def _suggestions(
    drug: str, orders: list[str], drug_review: DrugReview, case: Case, review: Review
) -> list[dict[str, Any]]:
    """Return offers to remove the order or to replace it, where the review advises another drug."""
    named = [order for order in orders if order]
    if not named or drug_review.concern < SPEAKS_AGAINST:
        return []
    remove = [{"type": "delete", "description": f"Remove the order of {drug}", "resourceId": order} for order in named]
    offers: list[dict[str, Any]] = [{"label": f"Remove the order of {drug}", "actions": remove}]
    for other in review.alternatives(drug):
        resource = {
            "resourceType": _DRAFT,
            "status": "draft",
            "intent": "proposal",
            "medicationCodeableConcept": {"text": other.review.drug},
            "subject": {"reference": f"Patient/{case.record.patient_id}"},
        }
        create = {
            "type": "create",
            "description": f"Draft {other.review.drug}; the dose is left to you",
            "resource": resource,
        }
        offers.append({"label": f"Replace by {other.review.drug}", "actions": [*remove, create]})
    return [{"uuid": _stable(case.record.patient_id, drug, offer), **offer} for offer in offers]


def _cited(source: Source) -> str:
    doubt = "; not confirmed at the source" if source.evidence is Evidence.UNVERIFIED else ""
    return f"({source}{doubt})"


def _short(text: str) -> str:
    """Return at most 139 characters of a text, cut at a word."""
    if len(text) < _SUMMARY_LIMIT:
        return text
    return f"{text[: _SUMMARY_LIMIT - 2].rsplit(' ', 1)[0]}…"


def _stable(*content: Any) -> str:
    """Return a UUID that depends on the content alone, so that the same advice is recognised when it comes again."""
    return str(uuid5(NAMESPACE_URL, f"{OWN}:card:{json.dumps(content, sort_keys=True, ensure_ascii=False)}"))
