"""The parts of FHIR R4 that we read, as Pydantic models: our elements only, everything else is passed over.

Narrative (``text.div``) is no element here, so it is never read, kept or shown. The elements follow HL7 FHIR
R4 (4.0.1); names that FHIR spells in camel case stay as they are.
"""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Text = Annotated[str, Field(strict=True, max_length=4096)]
#: Strict: neither a text nor a boolean is a number.
Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]


class Element(BaseModel):
    """Common settings: unknown elements are passed over."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class Code(Element):
    """``Coding``."""

    system: Text | None = None
    code: Text | None = None
    display: Text | None = None
    extension: tuple["Extension", ...] = ()


class Extension(Element):
    """``Extension`` with the value types we know."""

    url: Text = ""
    valueDecimal: Number | None = None
    valueCode: Text | None = None


class Concept(Element):
    """``CodeableConcept``."""

    coding: tuple[Code, ...] = ()
    text: Text | None = None

    @property
    def shown(self) -> str:
        """Return the text, else the first display."""
        return next((t.strip() for t in (self.text, *(c.display for c in self.coding)) if t and t.strip()), "")


class Identifier(Element):
    """``Identifier``."""

    system: Text | None = None
    value: Text | None = None


class Reference(Element):
    """``Reference``."""

    reference: Text | None = None
    type: Text | None = None
    identifier: Identifier | None = None
    display: Text | None = None


class Quantity(Element):
    """``Quantity``."""

    value: Number | None = None
    unit: Text | None = None
    system: Text | None = None
    code: Text | None = None
    comparator: Text | None = None


class Period(Element):
    """``Period``."""

    start: Text | None = None
    end: Text | None = None


class Component(Element):
    """``Observation.component`` and the value of the Observation itself."""

    code: Concept
    valueQuantity: Quantity | None = None
    valueInteger: Number | None = None
    valueDecimal: Number | None = None
    valueCodeableConcept: Concept | None = None
    valueString: Text | None = None
    valueBoolean: bool | None = None
    dataAbsentReason: Concept | None = None


class Observation(Component):
    """``Observation``."""

    id: Text | None = None
    status: Text = ""
    subject: Reference | None = None
    effectiveDateTime: Text | None = None
    effectiveInstant: Text | None = None
    effectivePeriod: Period | None = None
    focus: tuple[Reference, ...] = ()
    component: tuple[Component, ...] = ()


class Patient(Element):
    """``Patient``: no name, no contact, no address."""

    id: Text | None = None
    identifier: tuple[Identifier, ...] = ()
    gender: Text | None = None
    birthDate: Text | None = None
    deceasedBoolean: bool | None = None
    deceasedDateTime: Text | None = None
    extension: tuple[Extension, ...] = ()


class Answer(Element):
    """``QuestionnaireResponse.item.answer``; nested items are walked without a model."""

    valueCoding: Code | None = None
    valueInteger: Number | None = None
    valueDecimal: Number | None = None
    valueQuantity: Quantity | None = None
    valueBoolean: bool | None = None
    valueString: Text | None = None
    extension: tuple[Extension, ...] = ()


class QuestionnaireResponse(Element):
    """``QuestionnaireResponse`` without its items."""

    id: Text | None = None
    status: Text = ""
    subject: Reference | None = None
    authored: Text | None = None


class Repeat(Element):
    """``Timing.repeat``."""

    frequency: Number | None = None
    period: Number | None = None
    periodUnit: Text | None = None
    boundsPeriod: Period | None = None


class Timing(Element):
    """``Timing``."""

    repeat: Repeat | None = None


class DoseAndRate(Element):
    """``Dosage.doseAndRate``."""

    doseQuantity: Quantity | None = None


class Dosage(Element):
    """``Dosage``."""

    timing: Timing | None = None
    asNeededBoolean: bool | None = None
    doseAndRate: tuple[DoseAndRate, ...] = ()


class DispenseRequest(Element):
    """``MedicationRequest.dispenseRequest``."""

    validityPeriod: Period | None = None


class Medication(Element):
    """``Medication``, contained or in the same Bundle."""

    code: Concept | None = None


class MedicationAdministration(Element):
    """``MedicationAdministration``, and what the other resources of medications share with it."""

    id: Text | None = None
    status: Text = ""
    subject: Reference | None = None
    medicationCodeableConcept: Concept | None = None
    medicationReference: Reference | None = None
    effectiveDateTime: Text | None = None
    effectivePeriod: Period | None = None


class MedicationUse(MedicationAdministration):
    """``MedicationRequest``, ``MedicationStatement`` and ``MedicationDispense``."""

    intent: Text = "order"
    authoredOn: Text | None = None
    dosageInstruction: tuple[Dosage, ...] = ()
    dosage: tuple[Dosage, ...] = ()
    dispenseRequest: DispenseRequest | None = None
    doNotPerform: bool = False
    whenPrepared: Text | None = None
    whenHandedOver: Text | None = None
    daysSupply: Quantity | None = None


class Condition(Element):
    """``Condition``."""

    id: Text | None = None
    subject: Reference | None = None
    code: Concept | None = None
    clinicalStatus: Concept | None = None
    verificationStatus: Concept | None = None
    onsetDateTime: Text | None = None
    onsetPeriod: Period | None = None
    abatementDateTime: Text | None = None
    abatementPeriod: Period | None = None


class AllergyIntolerance(Element):
    """``AllergyIntolerance``."""

    id: Text | None = None
    patient: Reference | None = None
    code: Concept | None = None
    clinicalStatus: Concept | None = None
    verificationStatus: Concept | None = None
    criticality: Text | None = None


class Procedure(Element):
    """``Procedure``."""

    id: Text | None = None
    status: Text = ""
    subject: Reference | None = None
    code: Concept | None = None
    performedDateTime: Text | None = None
    performedPeriod: Period | None = None


class Provision(Element):
    """``Consent.provision``."""

    type: Text | None = None


class Consent(Element):
    """``Consent``."""

    id: Text | None = None
    status: Text = ""
    patient: Reference | None = None
    scope: Concept | None = None
    dateTime: Text | None = None
    provision: Provision | None = None
