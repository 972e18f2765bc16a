"""The parts of FHIR R4 that we read, as Pydantic models: our elements only, everything else is passed over.

Narrative (``text.div``) is no element here, so it is never read, kept or shown. The elements follow HL7 FHIR
R4 (4.0.1); names that FHIR spells in camel case stay as they are.
"""

import re
from datetime import date, datetime
from typing import Annotated, Any, NamedTuple, TypeVar

import pydantic
from pydantic import BaseModel, ConfigDict, Field, PlainValidator

Text = Annotated[str, Field(strict=True, max_length=4096)]
#: Strict: neither a text nor a boolean is a number.
Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]
_EARLIEST = date(1900, 1, 1)
_DATE = re.compile(r"\d{4}(-\d{2}(-\d{2}(T\d{2}:\d{2}:\d{2}(\.\d{1,9})?(Z|[+-]\d{2}:\d{2}))?)?)?")
_TIME = re.compile(r"(.{19})(?:\.(\d+))?(.+)")
_LONGEST = 4096


class Moment(NamedTuple):
    """A ``date``, ``dateTime`` or ``instant`` as it was written.

    Attributes
    ----------
    when
        The full date, or the time with its timezone; ``None`` for anything else.
    day
        The day of ``when`` on its own clock.
    is_date
        Whether it is a FHIR date, as exact as it may be, that the calendar and the clock have.
    """

    text: str
    when: datetime | date | None
    day: date | None
    is_date: bool


def read_moment(value: Any) -> Moment:
    """Return what a date or time says; any text has an answer.

    Raises
    ------
    ValueError
        It is no text, or a longer one than any date.
    """
    if not isinstance(value, str) or len(value) > _LONGEST:
        raise ValueError("must be a text")
    nothing = Moment(value, None, None, is_date=False)
    if not _DATE.fullmatch(value):
        return nothing
    try:
        day = date.fromisoformat(f"{value[:10]}{'-01-01'[len(value[:10]) - 4 :] if len(value) < 10 else ''}")
        if len(value) < 10:
            return nothing._replace(is_date=True)
        match = _TIME.fullmatch(value)
        if match is None:
            return Moment(value, day, day, is_date=True)
        whole, fraction, zone = match.groups()
        return Moment(value, datetime.fromisoformat(f"{whole}.{(fraction or '0')[:6]:0<6}{zone}"), day, is_date=True)
    except ValueError:
        return nothing


When = Annotated[Moment, PlainValidator(read_moment)]


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

    start: When | None = None
    end: When | None = None


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
    effectiveDateTime: When | None = None
    effectiveInstant: When | None = None
    effectivePeriod: Period | None = None
    focus: tuple[Reference, ...] = ()
    hasMember: tuple[Reference, ...] = ()
    component: tuple[Component, ...] = ()


class Patient(Element):
    """``Patient``: no name, no contact, no address."""

    id: Text | None = None
    identifier: tuple[Identifier, ...] = ()
    gender: Text | None = None
    birthDate: When | None = None
    deceasedBoolean: bool | None = None
    deceasedDateTime: When | None = None
    link: tuple[Element, ...] = ()
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
    authored: When | None = None


class Repeat(Element):
    """``Timing.repeat``."""

    frequency: Number | None = None
    frequencyMax: Number | None = None
    period: Number | None = None
    periodMax: Number | None = None
    periodUnit: Text | None = None
    dayOfWeek: tuple[Text, ...] = ()
    boundsPeriod: Period | None = None


class Timing(Element):
    """``Timing``."""

    repeat: Repeat | None = None
    code: Concept | None = None


class DoseAndRate(Element):
    """``Dosage.doseAndRate``."""

    doseQuantity: Quantity | None = None


class Dosage(Element):
    """``Dosage``."""

    text: Text | None = None
    timing: Timing | None = None
    asNeededBoolean: bool | None = None
    asNeededCodeableConcept: Concept | None = None
    doseAndRate: tuple[DoseAndRate, ...] = ()


class DispenseRequest(Element):
    """``MedicationRequest.dispenseRequest``."""

    validityPeriod: Period | None = None


class Ratio(Element):
    """``Ratio``."""

    numerator: Quantity | None = None
    denominator: Quantity | None = None


class Ingredient(Element):
    """``Medication.ingredient``."""

    itemCodeableConcept: Concept | None = None
    itemReference: Reference | None = None
    isActive: bool | None = None
    strength: Ratio | None = None


class Medication(Element):
    """``Medication``, contained or in the same Bundle."""

    code: Concept | None = None
    ingredient: tuple[Ingredient, ...] = ()


class MedicationAdministration(Element):
    """``MedicationAdministration``, and what the other resources of medications share with it."""

    id: Text | None = None
    status: Text = ""
    subject: Reference | None = None
    medicationCodeableConcept: Concept | None = None
    medicationReference: Reference | None = None
    effectiveDateTime: When | None = None
    effectivePeriod: Period | None = None


class MedicationUse(MedicationAdministration):
    """``MedicationRequest``, ``MedicationStatement`` and ``MedicationDispense``."""

    intent: Text = "order"
    authoredOn: When | None = None
    dosageInstruction: tuple[Dosage, ...] = ()
    dosage: tuple[Dosage, ...] = ()
    dispenseRequest: DispenseRequest | None = None
    doNotPerform: bool = False
    whenPrepared: When | None = None
    whenHandedOver: When | None = None
    daysSupply: Quantity | None = None


class Condition(Element):
    """``Condition``."""

    id: Text | None = None
    subject: Reference | None = None
    code: Concept | None = None
    clinicalStatus: Concept | None = None
    verificationStatus: Concept | None = None
    onsetDateTime: When | None = None
    onsetPeriod: Period | None = None
    abatementDateTime: When | None = None
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
    performedDateTime: When | None = None
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
    dateTime: When | None = None
    provision: Provision | None = None


class Fault(NamedTuple):
    """Where a resource has another form than R4 allows: the element, its path, and whether it is missing."""

    element: str
    path: str
    is_missing: bool


_Model = TypeVar("_Model", bound=Element)


def parsed(model: type[_Model], resource: Any) -> _Model | list[Fault]:
    """Return a resource as its model; where it has another form, the faults."""
    try:
        return model.model_validate(resource)
    except pydantic.ValidationError as error:
        faults = []
        for wrong in error.errors():
            path = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in wrong["loc"])
            element = re.sub(r"\[\d+\]", "", path).lstrip(".")
            faults.append(Fault(element, path, wrong["type"] == "missing"))
        return faults
