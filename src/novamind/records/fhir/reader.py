"""FHIR R4 in: a Bundle, one resource, NDJSON or a folder of them becomes patient records.

It reads Patient, Observation (PHQ-9 and GAD-7, vital signs and wearables, genomics), QuestionnaireResponse (PHQ-9,
GAD-7), MedicationRequest, MedicationStatement, Condition, AllergyIntolerance, Procedure and Consent. The rules:

- **Version.** A resource that shows marks of another version (:func:`_dialect`) is refused with the reason, but for
  Patient and QuestionnaireResponse: what we read of those is the same in STU3 and R4.
- **Times.** An observation needs a full date. Where some times of a record have a clock and a timezone and others
  are dates, a date counts as the midnight of the record's timezone or, without one, of the offset nearest in time.
- **Contradictions.** Two different values of one series at one time are both left out. Where all items of a form
  were answered, their sum is its total; a reported total that differs is left out and listed.
- **Nothing is dropped in silence.** What is not read is in the outcome with its place and reason.

Times are wall-clock times as written, with their offset to UTC.
"""

import re
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any, Literal, TypeVar
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl
import pydantic

from novamind.errors import NotFoundError, ValidationError
from novamind.records.fhir import models as fhir
from novamind.records.fhir.documents import Located, Resource, load
from novamind.records.fhir.genomics import GENE, GENOTYPE, METABOLISM, gene_result
from novamind.records.fhir.outcome import FhirImportError, Issue, OperationOutcome, Severity
from novamind.records.fhir.questionnaire import Forms, Remark, Unscored, questionnaires, scores
from novamind.records.fhir.terminology import (
    ANSWERS,
    ITEMS,
    LOINC,
    OWN,
    QUESTIONNAIRES,
    SIGNAL_OF,
    TOTALS,
    ScoredQuestionnaire,
    SignalCode,
    condition_of,
    condition_words,
    ingredients,
    medication_names,
    medication_of,
    strength_mg,
)
from novamind.records.patient import (
    Allergy,
    Coding,
    Condition,
    Consent,
    MedicationCourse,
    NotUnderstood,
    PatientRecord,
    Procedure,
)
from novamind.records.tables.frames import LongFrame, signal_frame, symptom_frame
from novamind.settings import Settings
from novamind.summary import Summarised, Summary, counted
from novamind.timeline import parse_timezone

PATIENT_IDENTIFIER = f"{OWN}:patient"
TIMEZONE_EXTENSION = "http://hl7.org/fhir/StructureDefinition/timezone"
#: Whose record it is where neither a Patient nor a subject says so.
UNNAMED = "unnamed"
_EARLIEST = date(1900, 1, 1)
_SHOWN_PLACES = 3
_FINAL = ("final", "amended", "corrected", "preliminary")
_WITHDRAWN = "withdrawn (entered in error)"
_DATE = re.compile(r"\d{4}(-\d{2}(-\d{2}(T\d{2}:\d{2}:\d{2}(\.\d{1,9})?(Z|[+-]\d{2}:\d{2}))?)?)?")
_VERB = {
    "MedicationRequest": "active on-hold completed stopped ended",
    "MedicationStatement": "active on-hold completed stopped",
}
_PER_DAY = {"h": 24.0, "d": 1.0, "wk": 1 / 7}
_Model = TypeVar("_Model", bound=fhir.Element)


@dataclass(frozen=True, eq=False, repr=False)
class FhirImport(Summarised):
    """Result of an import: one record a patient, the outcome for the sender, and the types of all resources."""

    records: tuple[PatientRecord, ...]
    outcome: OperationOutcome
    types: frozenset[str]

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
    source: str | Path | bytes | Resource, *, today: date | None = None, settings: Settings | None = None
) -> FhirImport:
    """Read FHIR R4 and return a record for each patient, with an OperationOutcome.

    Parameters
    ----------
    source
        A ``.json`` or ``.ndjson`` file, a folder of them, their bytes, or JSON that is already parsed.
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
    located, issues = load(source, settings)
    return _Reader(located, issues, today or datetime.now(UTC).date() + timedelta(days=1)).read()


@dataclass(slots=True)
class _Row:
    name: str
    when: datetime | date
    value: float
    source: str
    place: str
    unit: str | None = None


@dataclass(slots=True)
class _Gathered:
    """What has been read of one patient so far."""

    timezone: str | None = None
    demographics: dict[str, str | int | float | bool | None] = field(default_factory=dict)
    symptoms: list[_Row] = field(default_factory=list)
    signals: list[_Row] = field(default_factory=list)
    genes: dict[str, dict[str, set[tuple[str, str]]]] = field(default_factory=dict)
    medications: list[MedicationCourse] = field(default_factory=list)
    conditions: list[Condition] = field(default_factory=list)
    allergies: list[Allergy] = field(default_factory=list)
    procedures: list[Procedure] = field(default_factory=list)
    consents: list[Consent] = field(default_factory=list)
    notes: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))


class _Reader:
    """One import: looks at each resource once, then puts each patient's record together."""

    def __init__(self, located: list[Located], issues: list[Issue], today: date) -> None:
        self.located, self.issues, self.today = located, issues, today
        self.patients: dict[str, _Gathered] = {}
        self.questionnaires: Forms = questionnaires(located)
        self.by_url = {entry.full_url: entry for entry in located if entry.full_url}
        self.by_name = {entry.name: entry for entry in located}
        self.handlers: dict[str, Callable[[Located], None]] = {
            "Patient": self._patient,
            "Observation": self._observation,
            "QuestionnaireResponse": self._response,
            "MedicationRequest": self._medication,
            "MedicationStatement": self._medication,
            "Condition": self._condition,
            "AllergyIntolerance": self._allergy,
            "Procedure": self._procedure,
            "Consent": self._consent,
        }

    def read(self) -> FhirImport:
        for entry in self.located:
            handler = self.handlers.get(entry.kind)
            if handler is None:
                kind = entry.kind if entry.kind.isalpha() and len(entry.kind) < 50 else "of unknown type"
                text = _AIDS.get(entry.kind, f"{kind} resources are not read")
                self._note(None, entry, "information", "not-supported", text)
                continue
            other = _dialect(entry.resource)
            if other and entry.kind not in ("Patient", "QuestionnaireResponse"):
                self._note(
                    None, entry, "error", "not-supported", f"{entry.kind} of FHIR {other}: only R4 is read, convert it"
                )
                continue
            handler(entry)
        records = tuple(self._record(name, gathered) for name, gathered in sorted(self.patients.items()))
        outcome = OperationOutcome.of(self.issues)
        if not records:
            nothing = Issue("fatal", "not-found", "nothing in the input can be read into a patient's record")
            raise FhirImportError(OperationOutcome((nothing, *outcome.issues)))
        return FhirImport(records, outcome, frozenset(entry.kind for entry in self.located))

    # -- the patient of a resource, and issues

    def _note(
        self, patient: str | None, entry: Located, severity: Severity, code: str, text: str, place: str = ""
    ) -> None:
        self.issues.append(Issue(severity, code, text, (place or entry.place,)))
        if patient is not None and severity != "information":
            self._of(patient).notes[text].append(entry.name)

    def _of(self, patient: str) -> _Gathered:
        return self.patients.setdefault(patient, _Gathered())

    def _parsed(self, model: type[_Model], entry: Located) -> _Model | None:
        try:
            return model.model_validate(entry.resource)
        except pydantic.ValidationError as error:
            for wrong in error.errors()[:_SHOWN_PLACES]:
                path = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in wrong["loc"])
                code = "required" if wrong["type"] == "missing" else "value"
                what = "is missing" if code == "required" else "has a form that FHIR R4 does not allow"
                element = re.sub(r"\[\d+\]", "", path).lstrip(".")
                self._note(
                    None, entry, "error", code, f"{entry.kind}: {element} {what}; not read", f"{entry.place}{path}"
                )
            return None

    def _subject(self, reference: fhir.Reference | None, entry: Located) -> str | None:
        text = reference.reference if reference else None
        if text is None and entry.parent is not None:
            outer = entry.parent.get("subject")
            text = outer.get("reference") if isinstance(outer, dict) else None
        if isinstance(text, str) and text:
            target = self.by_url.get(text) or self.by_name.get(text.partition("/_history")[0])
            if target is not None and target.kind == "Patient":
                return _patient_id(target.resource)
            if text.startswith(("urn:", "#")):
                self._note(None, entry, "error", "not-found", "the subject refers to nothing in the file; not read")
                return None
            return text.rstrip("/").rpartition("/")[2] or None
        patients = [other for other in self.located if other.kind == "Patient"]
        if len(patients) > 1:
            self._note(None, entry, "error", "required", "names no subject in a file of several patients; not read")
            return None
        return _patient_id(patients[0].resource) if patients else UNNAMED

    def _when(self, text: str | None, patient: str, entry: Located, element: str) -> datetime | date | None:
        place = f"{entry.place}.{element}"
        moment = _moment(text)
        if moment is None:
            what = "has no time" if text is None else "has a time that is no full FHIR date"
            self._note(
                patient,
                entry,
                "error",
                "required" if text is None else "value",
                f"{entry.kind} {what}; not read",
                place,
            )
            return None
        day = moment.date() if isinstance(moment, datetime) else moment
        if not _EARLIEST <= day <= self.today:
            self._note(
                patient, entry, "error", "value", f"{entry.kind} lies before 1900 or in the future; not read", place
            )
            return None
        return moment

    def _partial(self, text: str | None, patient: str, entry: Located, element: str) -> str | None:
        if text is None or (_DATE.fullmatch(text) and _possible(text)):
            return text
        self._note(
            patient,
            entry,
            "warning",
            "value",
            f"{entry.kind}.{element} is no FHIR date; left out",
            f"{entry.place}.{element}",
        )
        return None

    # -- the resources

    def _patient(self, entry: Located) -> None:
        patient = self._parsed(fhir.Patient, entry)
        if patient is None:
            return
        name = _patient_id(entry.resource)
        gathered = self._of(name)
        if patient.gender:
            gathered.demographics["gender"] = patient.gender
        born = self._partial(patient.birthDate, name, entry, "birthDate")
        if born:
            gathered.demographics["birth_year"] = int(born[:4])
        if patient.deceasedBoolean or patient.deceasedDateTime:
            gathered.demographics["deceased"] = True
        zone = next((e.valueCode for e in patient.extension if e.url == TIMEZONE_EXTENSION), None)
        if zone:
            try:
                parse_timezone(zone)
                gathered.timezone = zone
            except ValidationError:
                self._note(name, entry, "warning", "value", "the Patient's timezone is not known; left out")

    def _observation(self, entry: Located) -> None:
        observation = self._parsed(fhir.Observation, entry)
        if observation is None:
            return
        if observation.status not in (*_FINAL, "registered"):
            text = _WITHDRAWN if observation.status == "entered-in-error" else "Observation without a final status"
            self._note(None, entry, "information", "informational", f"{text}; not read")
            return
        patient = self._subject(observation.subject, entry)
        if patient is None:
            return
        gene = gene_result(entry.resource)
        if gene is not None:
            reported = self._of(patient).genes.setdefault(gene.gene, {"genotype": set(), "phenotype": set()})
            for kind, result in (("genotype", gene.genotype), ("phenotype", gene.phenotype)):
                if result:
                    reported[kind].add((result, entry.name))
            return
        if observation.status not in _FINAL:
            self._note(None, entry, "information", "informational", "Observation without a final status; not read")
            return
        period = observation.effectivePeriod
        when = (
            observation.effectiveDateTime
            or observation.effectiveInstant
            or (period.end or period.start if period else None)
        )
        self._of(patient)
        parts = [("", observation), *((f".component[{i}]", c) for i, c in enumerate(observation.component))]
        for place, part in parts:
            if part is observation and observation.component and not _has_value(part):
                continue
            self._measured(part, place, when, patient, entry)

    def _measured(self, part: fhir.Component, place: str, when: str | None, patient: str, entry: Located) -> None:
        meaning = _meaning(part.code)
        if meaning is None:
            shown = next((f"{c.system}|{c.code}" for c in part.code.coding if c.code), "text only")
            if _GENOMIC & {c.code for c in part.code.coding}:
                text = "a genomics result that does not give one gene's genotype or phenotype is not read"
            else:
                text = f"no use for Observation {shown[:120]}; not read"
            self._note(None, entry, "information", "not-supported", text, f"{entry.place}{place}.code")
            return
        kind, name, signal, form, position = meaning
        value, unit = _value(part, form is not None and position is not None)
        here = f"{entry.place}{place}"
        absent = value is None and part.dataAbsentReason is not None and not _has_value(part)
        if absent:
            value, unit = np.nan, signal.unit if signal else unit
        if value is None:
            self._note(patient, entry, "error", "value", f"{name} without an exact number; not read", here)
            return
        if form is not None and not absent:
            highest = form.highest if position is None else 3
            if not (float(value).is_integer() and 0 <= value <= highest):
                self._note(patient, entry, "error", "value", f"{name} is off its scale, 0 to {highest}; not read", here)
                return
        if signal is not None:
            factor = {signal.unit: 1.0, **dict(signal.factors)}.get(unit or "")
            if factor is None:
                self._note(
                    patient, entry, "error", "value", f"{name} in a unit that is not read ({signal.unit} is)", here
                )
                return
            value, unit = value * factor, signal.unit
        moment = self._when(when, patient, entry, "effective")
        if moment is None:
            return
        gathered = self._of(patient)
        if kind == "symptom":
            gathered.symptoms.append(_Row(name, moment, value, entry.name, here))
        else:
            gathered.signals.append(_Row(name, moment, value, entry.name, here, unit))

    def _response(self, entry: Located) -> None:
        response = self._parsed(fhir.QuestionnaireResponse, entry)
        if response is None:
            return
        patient = self._subject(response.subject, entry)
        if patient is None:
            return
        gathered = self._of(patient)
        if response.status not in ("completed", "amended"):
            text = (
                _WITHDRAWN if response.status == "entered-in-error" else "QuestionnaireResponse that is not completed"
            )
            self._note(None, entry, "information", "informational", f"{text}; not read")
            return
        answers = list(scores(entry, self.questionnaires))
        if not answers:
            text = "QuestionnaireResponse of a form that is not read (PHQ-9 and GAD-7 are)"
            self._note(patient, entry, "warning", "not-supported", text)
            return
        moment = self._when(response.authored, patient, entry, "authored")
        for answer in answers:
            if isinstance(answer, Unscored):
                self._note(patient, entry, "error", "value", f"{answer.reason}; not read", answer.place)
            elif isinstance(answer, Remark):
                self._note(None, entry, "information", "informational", f"{answer.text}; not read", answer.place)
            elif moment is not None:
                if answer.remark:
                    self._note(None, entry, "information", "informational", answer.remark, answer.place)
                gathered.symptoms.append(_Row(answer.measure.name, moment, answer.score, entry.name, answer.place))

    def _medication(self, entry: Located) -> None:
        use = self._parsed(fhir.MedicationUse, entry)
        if use is None:
            return
        patient = self._subject(use.subject, entry)
        if patient is None:
            return
        gathered = self._of(patient)
        if (
            use.status not in _VERB[entry.kind].split()
            or use.intent in ("proposal", "plan", "option")
            or use.doNotPerform
        ):
            text = (
                _WITHDRAWN
                if use.status == "entered-in-error"
                else f"{entry.kind} that was not taken (draft, plan, cancelled)"
            )
            self._note(None, entry, "information", "informational", f"{text}; not read")
            return
        concept = use.medicationCodeableConcept or self._referred(use.medicationReference, entry)
        if concept is None or not (concept.shown or concept.coding):
            self._note(patient, entry, "error", "required", f"{entry.kind} names no medication; not read")
            return
        doses = (*use.dosageInstruction, *use.dosage)
        bounds = next(
            (
                d.timing.repeat.boundsPeriod
                for d in doses
                if d.timing and d.timing.repeat and d.timing.repeat.boundsPeriod
            ),
            None,
        )
        period = use.effectivePeriod or bounds or fhir.Period()
        start = self._day(period.start or use.effectiveDateTime or use.authoredOn, patient, entry)
        end = self._day(period.end, patient, entry)
        if start and end and end < start:
            self._note(patient, entry, "warning", "value", f"{entry.kind} ends before it starts; its end is left out")
            end = None
        names, code, remark = _medications(concept)
        if remark:
            self._note(patient, entry, "warning", "code-invalid", remark)
        dose = _daily_dose(doses, concept.shown) if len(names) == 1 else None
        stopped = use.status != "active" and end is None
        gathered.medications.extend(
            MedicationCourse(name, start, end, dose, stopped, code, entry.name) for name in names
        )

    def _referred(self, reference: fhir.Reference | None, entry: Located) -> fhir.Concept | None:
        text = (reference.reference if reference else None) or ""
        resource = entry.contained.get(text[1:]) if text.startswith("#") else None
        if resource is None and (other := self.by_url.get(text) or self.by_name.get(text)):
            resource = other.resource
        if resource is not None:
            try:
                return fhir.Medication.model_validate(resource).code
            except pydantic.ValidationError:
                return None
        return fhir.Concept(text=reference.display) if reference and reference.display else None

    def _day(self, text: str | None, patient: str, entry: Located) -> date | None:
        moment = _moment(text)
        if moment is None and text is not None:
            self._note(
                patient, entry, "warning", "value", f"{entry.kind} with a date that is not a full day; left open"
            )
        return moment.date() if isinstance(moment, datetime) else moment

    def _condition(self, entry: Located) -> None:
        condition = self._parsed(fhir.Condition, entry)
        patient = self._subject(condition.subject, entry) if condition else None
        if condition is None or patient is None:
            return
        gathered = self._of(patient)
        if _codes(condition.verificationStatus) & {"refuted", "entered-in-error"}:
            self._note(None, entry, "information", "informational", "Condition that was refuted or withdrawn; not read")
            return
        named = _named(condition.code)
        if named is None:
            self._note(patient, entry, "error", "required", "Condition without code or text; not read")
            return
        name, codings = named
        words = [(c, condition_of(c.system, c.code)) for c in codings]
        code, word = next(((c, w) for c, w in words if w), (codings[0] if codings else None, None))
        if word is None and name.casefold() in condition_words():
            word = name.casefold()
        ended = self._partial(condition.abatementDateTime, patient, entry, "abatementDateTime")
        status = _codes(condition.clinicalStatus)
        active = bool(status & {"active", "recurrence", "relapse"}) if status else ended is None
        onset = self._partial(condition.onsetDateTime, patient, entry, "onsetDateTime")
        gathered.conditions.append(Condition(name, code, word, onset, ended, active, entry.name))

    def _allergy(self, entry: Located) -> None:
        allergy = self._parsed(fhir.AllergyIntolerance, entry)
        patient = self._subject(allergy.patient, entry) if allergy else None
        if allergy is None or patient is None:
            return
        gathered = self._of(patient)
        if _codes(allergy.verificationStatus) & {"refuted", "entered-in-error"}:
            self._note(None, entry, "information", "informational", "AllergyIntolerance refuted or withdrawn; not read")
            return
        named = _named(allergy.code)
        if named is None:
            self._note(patient, entry, "error", "required", "AllergyIntolerance without code or text; not read")
            return
        name, codings = named
        by_code = next(((c, m) for c in codings if (m := medication_of(c.system, c.code))), None)
        text = ingredients(name)[0]
        code, medication = by_code or (codings[0] if codings else None, text if text in medication_names() else None)
        status = _codes(allergy.clinicalStatus)
        active = "active" in status if status else True
        gathered.allergies.append(Allergy(name, code, medication, allergy.criticality, active, entry.name))

    def _procedure(self, entry: Located) -> None:
        procedure = self._parsed(fhir.Procedure, entry)
        patient = self._subject(procedure.subject, entry) if procedure else None
        if procedure is None or patient is None:
            return
        gathered = self._of(patient)
        if procedure.status not in ("completed", "in-progress", "on-hold", "stopped", "unknown"):
            self._note(
                None, entry, "information", "informational", "Procedure that was not done or is withdrawn; not read"
            )
            return
        named = _named(procedure.code)
        if named is None:
            self._note(patient, entry, "error", "required", "Procedure without code or text; not read")
            return
        period = procedure.performedPeriod
        done = procedure.performedDateTime or (period.start if period else None)
        name, codings = named
        performed = self._partial(done, patient, entry, "performed")
        gathered.procedures.append(Procedure(name, codings[0] if codings else None, performed, entry.name))
        self._note(None, entry, "information", "informational", "Procedure: kept with the record, used by no service")

    def _consent(self, entry: Located) -> None:
        consent = self._parsed(fhir.Consent, entry)
        patient = self._subject(consent.patient, entry) if consent else None
        if consent is None or patient is None:
            return
        if consent.status == "entered-in-error":
            self._note(None, entry, "information", "informational", f"{_WITHDRAWN}; not read")
            return
        provision = consent.provision.type if consent.provision else None
        decision: Literal["permit", "deny"] | None = provision if provision in ("permit", "deny") else None  # type: ignore[assignment]
        scope = next((c.code for c in consent.scope.coding if c.code), consent.scope.shown) if consent.scope else ""
        dated = self._partial(consent.dateTime, patient, entry, "dateTime")
        self._of(patient).consents.append(Consent(scope, consent.status, decision, dated, entry.name))

    # -- putting a record together

    def _record(self, patient: str, gathered: _Gathered) -> PatientRecord:
        symptoms, symptom_sources = self._frame(
            patient, self._with_totals(patient, gathered), gathered.timezone, symptom_frame
        )
        signals, signal_sources = self._frame(patient, gathered.signals, gathered.timezone, signal_frame)
        genotype, genotype_sources = self._genes(patient, gathered)
        notes = tuple(
            NotUnderstood(
                ", ".join(names[:_SHOWN_PLACES])
                + (f" and {len(names) - _SHOWN_PLACES} more" if len(names) > _SHOWN_PLACES else ""),
                text,
            )
            for text, names in gathered.notes.items()
        )
        return PatientRecord(
            patient_id=patient,
            timezone=gathered.timezone,
            demographics=gathered.demographics,
            symptoms=symptoms,
            signals=signals,
            medications=tuple(dict.fromkeys(gathered.medications)),
            genotype=genotype,
            conditions=tuple(gathered.conditions),
            allergies=tuple(gathered.allergies),
            procedures=tuple(gathered.procedures),
            consents=tuple(gathered.consents),
            symptom_sources=symptom_sources,
            signal_sources=signal_sources,
            genotype_sources=genotype_sources,
            not_understood=notes,
        )

    def _warn(self, patient: str, code: str, text: str, rows: Iterable[_Row]) -> None:
        for row in rows:
            self.issues.append(Issue("warning", code, text, (row.place,)))
            self._of(patient).notes[text].append(row.source)

    def _agreed(self, patient: str, rows: list[_Row]) -> list[_Row]:
        """Return one row for each series and time; none where values contradict each other."""
        by_time: dict[tuple[str, datetime | date], list[_Row]] = defaultdict(list)
        for row in rows:
            by_time[row.name, _instant(row.when)].append(row)
        kept = []
        for (name, _), same in by_time.items():
            if len({row.value for row in same if not np.isnan(row.value)}) > 1:
                self._warn(patient, "conflict", f"{name} has different values at one time: none of them is used", same)
            else:
                kept.append(next((row for row in same if not np.isnan(row.value)), same[0]))
        return kept

    def _with_totals(self, patient: str, gathered: _Gathered) -> list[_Row]:
        """Return the symptom rows. Where all items of a form are there, its total is their sum."""
        totals = {form.name for form in QUESTIONNAIRES}
        items = self._agreed(patient, [row for row in gathered.symptoms if row.name not in totals])
        reported = [row for row in gathered.symptoms if row.name in totals]
        for form in QUESTIONNAIRES:
            answered: dict[datetime | date, list[_Row]] = defaultdict(list)
            names = {form.item_name(i) for i in range(len(form.items))}
            for row in items:
                if row.name in names:
                    answered[_instant(row.when)].append(row)
            sums = {
                when: _Row(form.name, rows[0].when, sum(row.value for row in rows), rows[0].source, rows[0].place)
                for when, rows in answered.items()
                if len(rows) == len(form.items) and not any(np.isnan(row.value) for row in rows)
            }
            wrong = [
                row
                for row in reported
                if row.name == form.name
                and (own := sums.get(_instant(row.when))) is not None
                and own.value != row.value
            ]
            if wrong:
                text = f"the reported total of {form.name} differs from the sum of its items: the sum is used"
                self._warn(patient, "conflict", text, wrong)
            reported = [row for row in reported if row.name != form.name or _instant(row.when) not in sums]
            reported.extend(sums.values())
        return items + self._agreed(patient, reported)

    def _frame(
        self, patient: str, rows: list[_Row], zone: str | None, check: Callable[..., LongFrame]
    ) -> tuple[LongFrame | None, tuple[str, ...]]:
        name = "symptom" if check is symptom_frame else "signal"
        agreed = _on_one_clock(self._agreed(patient, rows), zone)
        if not agreed:
            return None, ()
        columns: dict[str, Any] = {
            "timestamp": [row.when.isoformat() for row in agreed],
            "value": [row.value for row in agreed],
            name: [row.name for row in agreed],
            "patient_id": [patient] * len(agreed),
        }
        if name == "signal":
            columns["unit"] = [row.unit for row in agreed]
        frame = check(pl.DataFrame(columns), today=self.today, timezone=zone)
        source = {(row.name, _utc(row.when)): row.source for row in agreed}
        utc = frame.timestamps if frame.utc_offset is None else frame.timestamps - frame.utc_offset
        return frame, tuple(
            source[frame.series[i].name, moment.astype("datetime64[us]").item()]
            for i, moment in zip(frame.series_index, utc, strict=True)
        )

    def _genes(self, patient: str, gathered: _Gathered) -> tuple[dict[str, str], dict[str, str]]:
        results, sources = {}, {}
        for gene, reported in gathered.genes.items():
            candidates = reported["genotype"] or reported["phenotype"]
            texts = {text for text, _ in candidates}
            if len(texts) > 1:
                text = f"{gene} has different results: none of them is used"
                self.issues.append(Issue("warning", "conflict", text))
                self._of(patient).notes[text].extend(sorted(source for _, source in candidates))
                continue
            results[gene], sources[gene] = min(candidates)
        return dict(sorted(results.items())), dict(sorted(sources.items()))


_AIDS = {
    "Questionnaire": "Questionnaire: a form without answers, used to read responses",
    "Medication": "Medication: used to read what refers to it",
}
_GENOMIC = {GENE, GENOTYPE, METABOLISM, "53041-0", "69548-6", "84414-2", "therapeutic-implication"}
_Meaning = tuple[str, str, SignalCode | None, ScoredQuestionnaire | None, int | None]


def _patient_id(resource: Resource) -> str:
    identifiers = resource.get("identifier")
    own = next(
        (
            i["value"]
            for i in (identifiers if isinstance(identifiers, list) else ())
            if isinstance(i, dict) and i.get("system") == PATIENT_IDENTIFIER and isinstance(i.get("value"), str)
        ),
        None,
    )
    return str(own or resource.get("id") or UNNAMED).strip() or UNNAMED


def _dialect(resource: Resource) -> str | None:
    """Return the other version of FHIR whose elements a resource shows; ``None`` for R4."""
    kind = resource["resourceType"]
    if kind == "QuestionnaireResponse":
        return "STU3" if isinstance(resource.get("questionnaire"), dict) else None
    if kind == "Observation":
        old = isinstance(resource.get("category"), dict) or "context" in resource or "related" in resource
    elif kind in ("MedicationRequest", "MedicationStatement"):
        if isinstance(resource.get("medication"), dict):
            return "R5"
        old = (
            ("context" in resource and kind == "MedicationRequest")
            or "taken" in resource
            or (
                "requester" in resource
                and "agent" in (resource["requester"] if isinstance(resource["requester"], dict) else {})
            )
        )
    elif kind in ("Condition", "AllergyIntolerance"):
        old = isinstance(resource.get("clinicalStatus"), str)
    elif kind == "Procedure":
        old = "context" in resource or "notDone" in resource
    else:
        old = "animal" in resource
    return "STU3" if old else None


def _moment(text: str | None) -> datetime | date | None:
    """Return a full date, or a time with its timezone; ``None`` for anything else."""
    if text is None or not _DATE.fullmatch(text) or len(text) < 10 or not _possible(text):
        return None
    if "T" not in text:
        return date.fromisoformat(text)
    whole, fraction, zone = re.fullmatch(r"(.{19})(?:\.(\d+))?(.+)", text).groups()  # type: ignore[union-attr]
    return datetime.fromisoformat(f"{whole}.{(fraction or '0')[:6]:0<6}{zone}")


def _possible(text: str) -> bool:
    """Return whether a date in FHIR's form names a day of the calendar and a time of the clock."""
    try:
        date.fromisoformat(f"{text[:10]}{'-01-01'[len(text[:10]) - 4 :] if len(text) < 10 else ''}")
        if "T" in text:
            datetime.fromisoformat(re.sub(r"\.\d+", "", text))
    except ValueError:
        return False
    return True


def _instant(when: datetime | date) -> datetime | date:
    return when.astimezone(UTC) if isinstance(when, datetime) else when


def _utc(when: datetime | date) -> datetime:
    """Return the time as the frame counts it: UTC without timezone, or the midnight of a date."""
    if isinstance(when, datetime):
        return when.astimezone(UTC).replace(tzinfo=None) if when.tzinfo else when
    return datetime(when.year, when.month, when.day)  # noqa: DTZ001


def _on_one_clock(rows: list[_Row], zone: str | None) -> list[_Row]:
    """Return rows that all have a timezone or none; dates beside times become midnights."""
    timed = sorted((row for row in rows if isinstance(row.when, datetime)), key=lambda row: row.when)
    if not timed or len(timed) == len(rows):
        return rows
    days = [row.when.date() for row in timed]  # type: ignore[union-attr]

    def offset(day: date) -> timezone | ZoneInfo:
        if zone is not None:
            return parse_timezone(zone)
        at = bisect_left(days, day)
        near = min({max(at - 1, 0), min(at, len(days) - 1)}, key=lambda i: (abs(days[i] - day), i))
        return timezone(timed[near].when.utcoffset() or timedelta())  # type: ignore[union-attr]

    moved = [
        row
        if isinstance(row.when, datetime)
        else _Row(
            row.name,
            datetime(row.when.year, row.when.month, row.when.day, tzinfo=offset(row.when)),
            row.value,
            row.source,
            row.place,
            row.unit,
        )
        for row in rows
    ]
    return list({(row.name, _instant(row.when)): row for row in reversed(moved)}.values())


def _has_value(part: fhir.Component) -> bool:
    return any(
        value is not None
        for value in (part.valueQuantity, part.valueInteger, part.valueDecimal, part.valueCodeableConcept)
    )


def _meaning(code: fhir.Concept) -> _Meaning | None:
    for coding in code.coding:
        if coding.system == f"{OWN}:symptom":
            return "symptom", code.shown, None, None, None
        if coding.system == f"{OWN}:signal":
            return "signal", code.shown, None, None, None
    for coding in code.coding:
        if coding.system != LOINC or coding.code is None:
            continue
        if form := TOTALS.get(coding.code):
            return "symptom", form.name, None, form, None
        if item := ITEMS.get(coding.code):
            return "symptom", item[0].item_name(item[1]), None, *item
        if signal := SIGNAL_OF.get(coding.code):
            return "signal", signal.name, signal, None, None
    return None


def _value(part: fhir.Component, is_item: bool) -> tuple[float | None, str | None]:
    """Return the number and its unit; an answer code counts for an item only."""
    quantity = part.valueQuantity
    if quantity is not None:
        return (None if quantity.comparator else quantity.value), quantity.code or quantity.unit
    if part.valueInteger is not None or part.valueDecimal is not None:
        return (part.valueInteger if part.valueInteger is not None else part.valueDecimal), None
    if is_item and part.valueCodeableConcept is not None:
        answers = [ANSWERS[c.code] for c in part.valueCodeableConcept.coding if c.code in ANSWERS]
        return (float(answers[0]) if answers else None), None
    return None, None


def _codes(concept: fhir.Concept | None) -> set[str]:
    return {coding.code for coding in (concept.coding if concept else ()) if coding.code}


def _named(concept: fhir.Concept | None) -> tuple[str, list[Coding]] | None:
    """Return text and codes of a concept; ``None`` where it has neither."""
    if concept is None:
        return None
    codings = [Coding(c.system or "", c.code) for c in concept.coding if c.code]
    name = concept.shown or (codings[0].code if codings else "")
    return (name, codings) if name else None


def _medications(concept: fhir.Concept) -> tuple[tuple[str, ...], Coding | None, str]:
    """Return our names, the reported code, and a remark for the sender."""
    own = next((c for c in concept.coding if c.system == f"{OWN}:medication"), None)
    codings = [Coding(c.system or "", c.code) for c in concept.coding if c.code and c is not own]
    code = codings[0] if codings else None
    if own is not None:
        return (own.display or concept.shown,), code, ""
    named = [(c, name) for c in codings if (name := medication_of(c.system, c.code))]
    text = ingredients(concept.shown) if concept.shown else ()
    strangers = [name for name in text if name in medication_names()]
    if named:
        code, name = named[0]
        if strangers and name not in strangers:
            return tuple(strangers), code, "a medication's code and its text name different drugs: the text is used"
        return (name,), code, ""
    if not text:
        return (str(code),), code, "a medication's code is in no table and it has no text: kept under its code"
    if not strangers:
        return text, code, "a medication is not in our tables: kept under the name in its text"
    return text, code, ""


def _daily_dose(doses: tuple[fhir.Dosage, ...], text: str) -> float | None:
    """Return mg a day of one regular dosage: an amount in mg, or a number of units whose strength is in the text."""
    if len(doses) != 1 or doses[0].asNeededBoolean or len(doses[0].doseAndRate) != 1:
        return None
    repeat = doses[0].timing.repeat if doses[0].timing else None
    quantity = doses[0].doseAndRate[0].doseQuantity
    if repeat is None or quantity is None or quantity.value is None or quantity.value <= 0:
        return None
    if not repeat.frequency or repeat.period is None or repeat.period <= 0 or repeat.periodUnit not in _PER_DAY:
        return None
    unit = (quantity.code or quantity.unit or "").casefold()
    if unit in ("mg", "g"):
        each = quantity.value * (1000.0 if unit == "g" else 1.0)
    elif not unit or re.fullmatch(r"\{?(tbl|tablet|capsule|cap|pill)s?\}?|1", unit):
        strength = strength_mg(text)
        if strength is None:
            return None
        each = quantity.value * strength
    else:
        return None
    daily = each * repeat.frequency * _PER_DAY[repeat.periodUnit] / repeat.period
    return daily if np.isfinite(daily) and daily > 0 else None
