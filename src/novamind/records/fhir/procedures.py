"""Procedure and Consent: kept with the record as they were reported."""

from typing import Literal

from novamind.records.fhir import models as fhir
from novamind.records.fhir.conditions import entry_meaning
from novamind.records.fhir.documents import Located
from novamind.records.fhir.identity import Person
from novamind.records.fhir.intake import WITHDRAWN, Intake
from novamind.records.patient import Consent, Procedure


def read_procedure(procedure: fhir.Procedure, person: Person, entry: Located, intake: Intake) -> None:
    """Read what was done."""
    draft = intake.drafts[person]
    if procedure.status not in ("completed", "in-progress", "on-hold", "stopped", "unknown"):
        intake.passed_over(entry, "Procedure that was not done or is withdrawn; not read")
        return
    meaning = entry_meaning(procedure.code, person, entry, intake)
    if meaning is None:
        return
    period = procedure.performedPeriod
    done = procedure.performedDateTime or (period.start if period else None)
    if done is not None and not done.is_date:
        intake.no_date(person, entry, "performed")
    performed = done.text if done is not None and done.is_date else None
    code = meaning.codings[0] if meaning.codings else None
    draft.procedures.append(Procedure(meaning.name, code, performed, entry.name))
    intake.passed_over(entry, "Procedure: kept with the record, used by no service")


def read_consent(consent: fhir.Consent, person: Person, entry: Located, intake: Intake) -> None:
    """Read what the person agreed to or refused."""
    draft = intake.drafts[person]
    if consent.status == "entered-in-error":
        intake.passed_over(entry, WITHDRAWN)
        return
    provision = consent.provision.type if consent.provision else None
    decision: Literal["permit", "deny"] | None = provision if provision in ("permit", "deny") else None  # type: ignore[assignment]
    scope = ""
    if consent.scope is not None:
        texts = (consent.scope.text, *(coding.display for coding in consent.scope.coding))
        scope = next((c.code for c in consent.scope.coding if c.code), next((t.strip() for t in texts if t), ""))
    dated = consent.dateTime
    if dated is not None and not dated.is_date:
        intake.no_date(person, entry, "dateTime")
    text = dated.text if dated is not None and dated.is_date else None
    draft.consents.append(Consent(scope, consent.status, decision, text, entry.name))
