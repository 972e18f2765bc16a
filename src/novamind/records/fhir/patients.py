"""Patient: sex, birth year, timezone and whether deceased; nothing else of the person gets into a record."""

from dataclasses import dataclass

from novamind.errors import ValidationError
from novamind.records.fhir import models as fhir
from novamind.records.fhir.documents import Located, Resource
from novamind.records.fhir.identity import Person, export_url
from novamind.records.fhir.intake import Intake
from novamind.records.fhir.references import Identifier
from novamind.timeline import parse_timezone

TIMEZONE_EXTENSION = "http://hl7.org/fhir/StructureDefinition/timezone"


def read_patient(patient: fhir.Patient, person: Person, entry: Located, intake: Intake) -> None:
    """Read what a record keeps of a Patient."""
    draft = intake.drafts[person]
    if patient.gender:
        draft.demographics["gender"] = patient.gender
    born = patient.birthDate
    if born is not None and born.is_date:
        draft.demographics["birth_year"] = int(born.text[:4])
    elif born is not None:
        intake.no_date(person, entry, "birthDate")
    if patient.deceasedBoolean or patient.deceasedDateTime:
        draft.demographics["deceased"] = True
    name = next((e.valueCode for e in patient.extension if e.url == TIMEZONE_EXTENSION), None)
    if name:
        try:
            draft.zone = parse_timezone(name)
            draft.timezone = name
        except ValidationError:
            text = "the Patient's timezone is not known; left out"
            intake.note(person, entry, "warning", "value", text)
    if patient.link:
        text = "a Patient whose link says that another Patient is the same person; the two are not joined"
        intake.note(None, entry, "information", "informational", text)


@dataclass(frozen=True, slots=True, repr=False)
class Claims:
    """What a Patient resource says of who somebody is: for comparing, never for keeping or showing.

    ``record_id`` is the ``patient_id`` of a record that we exported, or the id by which references alone name somebody.
    """

    identifiers: frozenset[Identifier] = frozenset()
    names: tuple[str, ...] = ()
    birth_date: str = ""
    gender: str = ""
    record_id: str = ""


def claims_of(person: Person) -> Claims:
    """Return the claims of a person's Patient resource; elements of another form claim nothing."""
    if person.entry is None:
        return Claims(record_id=person.name)
    resource = person.entry.resource
    names = resource.get("name")
    texts = [_full_name(name) for name in (names if isinstance(names, list) else ()) if isinstance(name, dict)]
    born, gender = resource.get("birthDate"), resource.get("gender")
    return Claims(
        person.entry.names.identifiers,
        tuple(text for text in texts if text),
        born if isinstance(born, str) else "",
        gender if isinstance(gender, str) else "",
        person.name if person.entry.full_url == export_url(person.name, 0) else "",
    )


def _full_name(name: Resource) -> str:
    forenames = name.get("given")
    parts = [*(forenames if isinstance(forenames, list) else ()), name.get("family")]
    words = " ".join(part for part in parts if isinstance(part, str))
    text = name.get("text")
    return words or (text if isinstance(text, str) else "")
