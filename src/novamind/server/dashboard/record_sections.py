"""Sections of a stored record: what people see of each piece of it, and the form in which it is written."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, tzinfo
from typing import Any, Final
from uuid import UUID

from novamind.clinic import Import, SymptomReport
from novamind.clinic.record_mapping import course_of, mapping_of, piece_of, readable, report_of, results_of
from novamind.errors import ValidationError
from novamind.infrastructure.patient_store import Kind, Samples, StoredRecord
from novamind.records import Allergy, Condition
from novamind.server.dashboard.record_forms import ALLERGY, CONDITION, COURSE, REPORT, Form


@dataclass(frozen=True)
class Described:
    """A piece in words.

    Attributes
    ----------
    when
        Its own days; empty where it has none.
    latest
        Puts pieces in order; the moment of storing does where there is none.
    """

    headline: str
    when: str = ""
    details: str = ""
    latest: datetime | None = None


@dataclass(frozen=True)
class Entry:
    """A stored piece as a list shows it.

    Attributes
    ----------
    origin, recorded
        What brought it, and when.
    latest
        Puts entries in order.
    is_read
        Whether it can be read.
    """

    record_id: UUID
    version: int
    words: Described
    origin: str
    recorded: str
    latest: datetime
    is_read: bool


@dataclass(frozen=True)
class Section:
    """Stored pieces of one kind.

    Attributes
    ----------
    path
        Its part of an address.
    title, noun
        What many and what one of them are called.
    read
        Returns a stored piece as its form takes it; an error where it cannot be read.
    describe
        Returns it in words, with times by the patient's clock, or their own where that is not known.
    form
        Where pieces are added and corrected; ``None`` where they can only be withdrawn.
    owns
        Whether a stored record of the kind belongs here.
    """

    path: str
    title: str
    noun: str
    kind: Kind
    read: Callable[[StoredRecord], Any]
    describe: Callable[[StoredRecord, tzinfo | None], Described]
    form: Form | None = None
    owns: Callable[[StoredRecord], bool] = lambda _stored: True

    @property
    def article(self) -> str:
        """That of the noun."""
        return "an" if self.noun[0] in "aeiou" else "a"

    def entries(
        self, stored: Sequence[StoredRecord], clock: tzinfo | None, imports: Sequence[Import] = ()
    ) -> list[Entry]:
        """Return the section's pieces: what cannot be read, then the newest first."""
        origins = {
            record_id: f"from {imported.name or 'an unnamed bundle'}"
            for imported in imports
            for record_id in imported.records
        }
        entries = [self._entry(record, clock, origins) for record in stored if self.owns(record)]
        return sorted(entries, key=lambda entry: (entry.is_read, -entry.latest.timestamp()))

    def _entry(self, stored: StoredRecord, clock: tzinfo | None, origins: Mapping[UUID, str]) -> Entry:
        words, unread = readable([stored], lambda record: self.describe(record, clock))
        described = _UNREAD if unread else words[0]
        return Entry(
            stored.record_id,
            stored.version,
            described,
            origins.get(stored.record_id, "entered singly"),
            _moment(stored.recorded_at, clock),
            described.latest or stored.recorded_at,
            not unread,
        )


def _moment(moment: datetime, clock: tzinfo | None) -> str:
    """Return a moment by a clock; without a clock by its own, with the name of its zone."""
    local = moment.astimezone(clock) if clock is not None and moment.tzinfo is not None else moment
    zone = f" {local.tzname()}" if clock is None and local.tzinfo is not None else ""
    return f"{_day(local)}, {local:%H:%M}{zone}"


def _day(day: date) -> str:
    return f"{day.day} {day:%b %Y}"


def _days(first: date | str | None, last: date | str | None) -> str:
    ends = (("from", first), ("until", last))
    return " ".join(f"{word} {_day(end) if isinstance(end, date) else end}" for word, end in ends if end)


def _report(stored: StoredRecord) -> SymptomReport:
    content = mapping_of(stored)
    return SymptomReport(content["symptom"], datetime.fromisoformat(content["timestamp"]), float(content["value"]))


def _report_words(stored: StoredRecord, clock: tzinfo | None) -> Described:
    report = _report(stored)
    when = report.timestamp
    is_used = bool(readable([stored], report_of)[0])
    return Described(
        f"{report.series}: {report.value:g}",
        _moment(when, clock),
        "" if is_used else "Not used in any answer: off its scale, or out of time.",
        when if when.tzinfo is not None else when.replace(tzinfo=UTC),
    )


def _samples(stored: StoredRecord) -> Samples:
    if not isinstance(stored.content, Samples):
        raise ValidationError("a stored stretch of a signal holds no samples")
    return stored.content


def _signal_words(stored: StoredRecord, clock: tzinfo | None) -> Described:
    samples = _samples(stored)
    ends = (samples.timestamps.min(), samples.timestamps.max())
    first, last = (datetime.fromtimestamp(int(end) / 1000, UTC) for end in ends)
    count = len(samples.values)
    headline = (
        f"{samples.signal.replace('_', ' ')}: {count} value{'s' * (count != 1)} {samples.unit and f'in {samples.unit}'}"
    )
    return Described(headline.strip(), f"{_moment(first, clock)} to {_moment(last, clock)}", latest=last)


def _course_words(stored: StoredRecord, _clock: tzinfo | None) -> Described:
    course = course_of(stored)
    dose = f" {course.dose_mg:g} mg a day" if course.dose_mg else ""
    when = _days(course.start, course.end) or "first day not recorded"
    return Described(course.medication + dose, when, "No longer taken." if course.stopped else "")


def _genotype_words(stored: StoredRecord, _clock: tzinfo | None) -> Described:
    return Described(", ".join(f"{gene} {result}" for gene, result in results_of(stored).items()))


def _problem(stored: StoredRecord) -> Condition | Allergy:
    piece: Condition | Allergy = piece_of(stored)[1]
    return piece


def _condition_words(stored: StoredRecord, _clock: tzinfo | None) -> Described:
    condition = _problem(stored)
    assert isinstance(condition, Condition)  # noqa: S101 - of such alone is the section
    when = _days(condition.onset, condition.abatement)
    return Described(condition.name, when, "" if condition.active else "No longer active.")


def _allergy_words(stored: StoredRecord, _clock: tzinfo | None) -> Described:
    allergy = _problem(stored)
    assert isinstance(allergy, Allergy)  # noqa: S101 - of such alone is the section
    drug = allergy.medication and f"Drug: {allergy.medication}."
    criticality = allergy.criticality and f"Criticality: {allergy.criticality.replace('-', ' ')}."
    details = filter(None, (drug, criticality, "" if allergy.active else "No longer active."))
    return Described(allergy.name, details=" ".join(details))


def _import_words(stored: StoredRecord, _clock: tzinfo | None) -> Described:
    content = mapping_of(stored)
    counts = {str(kind).replace("_", " "): count for kind, count in content["counts"].items() if count}
    brought = ", ".join(f"{count} {kind}" for kind, count in counts.items())
    return Described(content["name"] or "A bundle without a name", details=f"Brought {brought}.")


def _list(stored: StoredRecord) -> str:
    """Return the list of the record in which a piece is; that of conditions where it cannot be read."""
    names, _ = readable([stored], lambda record: piece_of(record)[0])
    return names[0] if names else "conditions"


_UNREAD: Final = Described("Cannot be read", details="It was stored under other rules and is used in no answer.")
#: In the order in which they are shown, by path.
SECTIONS: Final = {
    section.path: section
    for section in (
        Section("reports", "Symptom reports", "report", Kind.SYMPTOM_REPORT, _report, _report_words, REPORT),
        Section("signals", "Signal samples", "stretch of a signal", Kind.BIOMETRIC_SAMPLES, _samples, _signal_words),
        Section("medication", "Medication courses", "course", Kind.MEDICATION, course_of, _course_words, COURSE),
        Section("genotype", "Genotype results", "result", Kind.GENOTYPE, results_of, _genotype_words),
        Section(
            "conditions",
            "Conditions",
            "condition",
            Kind.CONDITION,
            _problem,
            _condition_words,
            CONDITION,
            lambda stored: _list(stored) == "conditions",
        ),
        Section(
            "allergies",
            "Allergies",
            "allergy",
            Kind.CONDITION,
            _problem,
            _allergy_words,
            ALLERGY,
            lambda stored: _list(stored) == "allergies",
        ),
        Section("imports", "Uploads", "upload", Kind.IMPORT, mapping_of, _import_words),
    )
}
