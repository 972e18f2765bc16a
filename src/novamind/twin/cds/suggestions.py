"""Ways to follow a card: take the draft back, or replace it by another drug, coded and with its starting dose."""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from novamind.drugs.domain import Severity
from novamind.drugs.limits import Dosage, dose_cautions, limits
from novamind.drugs.names import ATC, RXNORM, codes
from novamind.pharmacogenomics import Review
from novamind.records.fhir.terminology import UCUM
from novamind.twin.cds.cards import stable
from novamind.twin.cds.class_allergies import class_cautions
from novamind.twin.cds.orders import ORDER

_MOST_LOOKED_AT, _MOST_OFFERED = 50, 3


def suggestions(
    drug: str, references: Sequence[str], review: Review, patient_id: str, allergens: Sequence[str]
) -> list[dict[str, Any]]:
    """Return offers to remove the drafts of a drug or to replace them by a drug that nothing speaks against."""
    if not references:
        return []
    remove = [
        {"type": "delete", "description": f"Remove the order of {drug}", "resourceId": reference}
        for reference in references
    ]
    offers: list[dict[str, Any]] = [{"label": f"Remove the order of {drug}", "actions": remove}]
    others = [other.review.drug for other in review.alternatives(drug, _MOST_LOOKED_AT)]
    for name in [name for name in others if not any(class_cautions(name, allergens))][:_MOST_OFFERED]:
        start = starting_dose(name, review)
        dose = "the dose is left to you" if start is None else f"{start.mg:g} mg once a day to begin with"
        create = {
            "type": "create",
            "description": f"Draft {name}; {dose}",
            "resource": _draft(name, start, patient_id),
        }
        offers.append({"label": f"Replace by {name}", "actions": [*remove, create]})
    return [{"uuid": stable(patient_id, drug, offer), **offer} for offer in offers]


def starting_dose(drug: str, review: Review) -> Dosage | None:
    """Return the labelled starting dose, where the label has one of a day and no limit of this person is below it."""
    starts = [limit.start_mg for limit in limits(drug) if not limit.when and limit.start_mg and not limit.form]
    if not starts:
        return None
    dosage = Dosage(min(starts))
    phenotypes = {p.gene: {str(p.after.phenotype).split()[0].lower()} for p in review.phenotypes}
    cautions = dose_cautions(drug, dosage, review.person, phenotypes, review.comedications, review.conditions)
    return None if any(c.severity in (Severity.MAJOR, Severity.CONTRAINDICATED) for c in cautions) else dosage


def _draft(drug: str, start: Dosage | None, patient_id: str) -> dict[str, Any]:
    codings = [
        {"system": system, "code": code, "display": drug}
        for system in (RXNORM, ATC)
        if (code := _code_of(system).get(drug)) is not None
    ]
    concept: Mapping[str, Any] = {"coding": codings, "text": drug} if codings else {"text": drug}
    draft: dict[str, Any] = {
        "resourceType": ORDER,
        "status": "draft",
        "intent": "proposal",
        "medicationCodeableConcept": concept,
        "subject": {"reference": f"Patient/{patient_id}"},
    }
    if start is not None:
        quantity = {"value": start.mg, "unit": "mg", "system": UCUM, "code": "mg"}
        draft["dosageInstruction"] = [
            {
                "text": f"{start.mg:g} mg once a day",
                "timing": {"repeat": {"frequency": 1, "period": 1, "periodUnit": "d"}},
                "doseAndRate": [{"doseQuantity": quantity}],
            }
        ]
    return draft


@cache
def _code_of(system: str) -> dict[str, str]:
    """Return generic name to its code."""
    return {drug: code for code, drug in reversed(codes(system).items())}
