"""Procedure and Consent: kept with the record as they were reported."""

from typing import Literal

from novamind.records.fhir import models as fhir
from novamind.records.fhir.conditions import named
from novamind.records.fhir.documents import Located
from novamind.records.fhir.identity import Person
from novamind.records.fhir.intake import WITHDRAWN, Intake
from novamind.records.patient import Consent, Procedure


def read_procedure(person: Person, entry: Located, intake: Intake) -> None:
    """Read what was done."""
    procedure = intake.parsed(fhir.Procedure, entry)
    if procedure is None:
        return
    draft = intake.drafts[person]
    if procedure.status not in ("completed", "in-progress", "on-hold", "stopped", "unknown"):
        intake.passed_over(entry, "Procedure that was not done or is withdrawn; not read")
        return
    name_and_codes = named(procedure.code, person, entry, intake)
    if name_and_codes is None:
        return
    name, codings = name_and_codes
    period = procedure.performedPeriod
    done = procedure.performedDateTime or (period.start if period else None)
    performed = intake.date_as_given(done, person, entry, "performed")
    draft.procedures.append(Procedure(name, codings[0] if codings else None, performed, entry.name))
    intake.passed_over(entry, "Procedure: kept with the record, used by no service")


def read_consent(person: Person, entry: Located, intake: Intake) -> None:
    """Read what the person agreed to or refused."""
    consent = intake.parsed(fhir.Consent, entry)
    if consent is None:
        return
    draft = intake.drafts[person]
    if consent.status == "entered-in-error":
        intake.passed_over(entry, WITHDRAWN)
        return
    provision = consent.provision.type if consent.provision else None
    decision: Literal["permit", "deny"] | None = provision if provision in ("permit", "deny") else None  # type: ignore[assignment]
    scope = next((c.code for c in consent.scope.coding if c.code), consent.scope.shown) if consent.scope else ""
    dated = intake.date_as_given(consent.dateTime, person, entry, "dateTime")
    draft.consents.append(Consent(scope, consent.status, decision, dated, entry.name))
