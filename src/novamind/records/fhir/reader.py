"""FHIR R4 in: a Bundle, one resource, NDJSON or a folder of them becomes patient records.

The order of reading: :mod:`documents` finds the resources, :mod:`versions` the version of each that counts,
:mod:`identity` whose each is. Then each kind is read in the file of its name, and :mod:`assembly` puts each person's
record together. The rules that cross these files:

- **Version.** A resource that shows marks of another version of FHIR (:mod:`versions`) is refused with the reason, but
  for Patient and QuestionnaireResponse: what we read of those is the same in STU3 and R4.
- **Times.** An observation needs a full date. Where some times of a record have a clock and a timezone and others
  are dates, a date counts as the midnight of the record's timezone or, without one, of the offset nearest in time.
- **Contradictions.** Two different values of one series at one time are both left out. Where all items of a form
  were answered, its total is theirs; a reported total that differs is left out and listed.
- **Nothing is dropped in silence.** What is not read is in the outcome with its place and reason.

Times are wall-clock times of the person's timezone, or as written where there is none, with their offset to UTC.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from novamind.errors import NotFoundError, ValidationError
from novamind.records.fhir import models as fhir
from novamind.records.fhir.assembly import record_of
from novamind.records.fhir.conditions import read_allergy, read_condition
from novamind.records.fhir.documents import Resource, load
from novamind.records.fhir.forms import ItemMapping, questionnaires
from novamind.records.fhir.identity import People, Person, Problem
from novamind.records.fhir.intake import Drafts, Intake
from novamind.records.fhir.medications import products_of, read_medication
from novamind.records.fhir.models import parsed
from novamind.records.fhir.observations import read_observation
from novamind.records.fhir.outcome import FhirImportError, Issue, OperationOutcome
from novamind.records.fhir.patients import Claims, claims_of, read_patient
from novamind.records.fhir.procedures import read_consent, read_procedure
from novamind.records.fhir.responses import read_response
from novamind.records.fhir.versions import MEDICATIONS, current
from novamind.records.patient import PatientRecord
from novamind.settings import Settings
from novamind.summary import Summarised, Summary, counted
from novamind.timeline import parse_timezone


class Placed(NamedTuple):
    """A resource of a file: where it stands, its type, and whose it is; ``None`` where it is nobody's or not read."""

    place: str
    kind: str
    patient_id: str | None


@dataclass(frozen=True, eq=False, repr=False)
class FhirImport(Summarised):
    """Result of an import.

    Attributes
    ----------
    records
        One a patient.
    outcome
        What was not read, where and why; for the sender.
    types
        Types of all resources.
    people
        ``patient_id`` to whom the file speaks of.
    resources
        Every resource that no other contains, in the order of the file.
    issues
        Those of the outcome, one a place.
    removals
        Places of requests that delete or patch a resource.
    """

    records: tuple[PatientRecord, ...]
    outcome: OperationOutcome
    types: frozenset[str]
    people: Mapping[str, Person] = field(default_factory=dict)
    resources: tuple[Placed, ...] = ()
    issues: tuple[Issue, ...] = ()
    removals: tuple[str, ...] = ()

    @property
    def claims(self) -> dict[str, Claims]:
        """Return ``patient_id`` to what the Patient resource says of who that is; nothing where there is none."""
        return {name: self.claims_of(name) for name in self.people}

    def claims_of(self, patient_id: str) -> Claims:
        """Return what the Patient resource says of one person."""
        return claims_of(self.people[patient_id])

    @property
    def record(self) -> PatientRecord:
        """Return the one record.

        Raises
        ------
        ValidationError
            The file holds several patients.
        """
        if len(self.records) != 1:
            raise ValidationError(f"the file holds {len(self.records)} patients: choose one with .of(patient_id)")
        return self.records[0]

    def _summary(self) -> Summary:
        text, header, rows = self.outcome._summary()
        kinds = counted(len(self.types), "type", "types")
        return Summary(f"{counted(len(self.records), 'patient')} from {kinds} of resource; {text}", header, rows)

    def of(self, patient_id: str) -> PatientRecord:
        """Return one patient's record."""
        for record in self.records:
            if record.patient_id == patient_id:
                return record
        raise NotFoundError(f"no such patient in the file, which holds {len(self.records)}")


def read_fhir(
    source: str | Path | bytes | Resource,
    *,
    timezone: str | Mapping[str, str] | None = None,
    items: ItemMapping | None = None,
    today: date | None = None,
    settings: Settings | None = None,
) -> FhirImport:
    """Read FHIR R4 and return a record for each patient, with an OperationOutcome.

    Parameters
    ----------
    source
        A ``.json``, ``.ndjson`` or ``.jsonl`` file, a folder of them, their bytes, or JSON that is already parsed.
    timezone
        Of patients whose Patient resource gives none; their times are brought to its clock. One for all, or
        ``patient_id`` to timezone.
    items
        What the items of forms without codes are: canonical address of the form -> ``linkId`` -> series, such as
        ``{"http://clinic.example/Questionnaire/mood": {"q1": "PHQ-9 item 1"}}``.
    today
        The last local day that an observation may have; the present day where not given.
    settings
        Where the limits come from (``max_fhir_bytes``, ``max_fhir_resources``).

    Raises
    ------
    FhirImportError
        Nothing in it can be read, or it breaks a limit; ``.outcome`` is the OperationOutcome.
    NotFoundError, DataProcessingError
        The file does not exist or the system does not let us read it.
    """
    sole = parse_timezone(timezone) if isinstance(timezone, str) else None
    each = {name: parse_timezone(zone) for name, zone in timezone.items()} if isinstance(timezone, Mapping) else {}
    loaded = load(source, settings or Settings())
    entries, deleted, disputed, superseded = current(loaded)
    people = People(entries, deleted, disputed)
    kinds = {entry.kind for entry in entries}
    forms = questionnaires(entries, items) if items or "QuestionnaireResponse" in kinds else None
    products = products_of(entries) if "Medication" in kinds else {}
    intake = Intake(
        [*loaded.issues, *superseded, *people.issues],
        Drafts(lambda person: each.get(person.name, sole)),
        today or datetime.now(UTC).date() + timedelta(days=1),
    )
    # Patients first: times are read on the person's own clock.
    pairs = sorted(zip(entries, people.subjects, strict=True), key=lambda pair: pair[0].kind != "Patient")
    for entry, person in pairs:
        model = parsed(_MODELS[entry.kind], entry.resource) if entry.kind in _MODELS else None
        if model is None:
            intake.note(None, entry, "information", "not-supported", _unread(entry.kind))
        elif isinstance(person, Problem):
            intake.note(None, entry, *person)
        elif isinstance(model, list):
            intake.malformed(model, entry)
        elif isinstance(model, fhir.QuestionnaireResponse) and forms is not None:
            read_response(model, person, entry, intake, forms)
        elif isinstance(model, fhir.MedicationAdministration):
            read_medication(model, person, entry, intake, products)
        else:
            _READERS[entry.kind](model, person, entry, intake)
    drafts = sorted(intake.drafts, key=lambda person: person.name)
    records = tuple(record_of(person, intake) for person in drafts)
    outcome = OperationOutcome.of(intake.issues)
    if not records:
        nothing = Issue("fatal", "not-found", "nothing in the input can be read into a patient's record")
        raise FhirImportError(OperationOutcome((nothing, *outcome.issues)))
    types = frozenset(entry.kind for entry in loaded.resources)
    owners = {entry.place: person.name for entry, person in pairs if isinstance(person, Person)}
    placed = (Placed(e.place, e.kind, owners.get(e.place)) for e in loaded.resources if e.parent is None)
    people_read = {person.name: person for person in drafts}
    removals = tuple(removal.place for removal in loaded.removals)
    return FhirImport(records, outcome, types, people_read, tuple(placed), tuple(intake.issues), removals)


_READERS: dict[str, Callable[..., None]] = {
    "Patient": read_patient,
    "Observation": read_observation,
    "Condition": read_condition,
    "AllergyIntolerance": read_allergy,
    "Procedure": read_procedure,
    "Consent": read_consent,
}
_MODELS: dict[str, type[fhir.Element]] = {
    "Patient": fhir.Patient,
    "Observation": fhir.Observation,
    "QuestionnaireResponse": fhir.QuestionnaireResponse,
    **dict.fromkeys(MEDICATIONS, fhir.MedicationUse),
    "MedicationAdministration": fhir.MedicationAdministration,
    "Condition": fhir.Condition,
    "AllergyIntolerance": fhir.AllergyIntolerance,
    "Procedure": fhir.Procedure,
    "Consent": fhir.Consent,
}
_AIDS = {
    "Questionnaire": "Questionnaire: a form without answers, used to read responses",
    "Medication": "Medication: used to read what refers to it",
    "ValueSet": "ValueSet: used to read the options of forms",
    "CodeSystem": "CodeSystem: used to read the options of forms",
}


def _unread(kind: str) -> str:
    shown = kind if kind.isalpha() and len(kind) < 50 else "of unknown type"
    return _AIDS.get(kind, f"{shown} resources are not read")
