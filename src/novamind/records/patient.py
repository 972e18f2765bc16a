"""One person's record, frozen, whatever file it came from.

Each part names where it was read (``source``, for FHIR the resource's type and id). What was not understood stands
beside it with the reason, so that nobody mistakes the record for the whole file.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from math import isfinite
from typing import Literal

from novamind.errors import ValidationError
from novamind.records.tables.frames import LongFrame
from novamind.summary import Summarised, Summary, counted
from novamind.timeline import parse_timezone

Demographics = Mapping[str, str | int | float | bool | None]


@dataclass(frozen=True, slots=True)
class Coding:
    """A code of a terminology, as ``system`` (a URI) and ``code``."""

    system: str
    code: str

    def __str__(self) -> str:
        return f"{self.system}|{self.code}"


@dataclass(frozen=True, slots=True)
class MedicationCourse:
    """A medication taken from one local day to another.

    Parameters
    ----------
    medication
        Its name.
    start, end
        First and last day; ``None`` where not known. Without ``end`` it is still taken, unless ``stopped``.
    dose_mg
        Daily dose in mg; ``None`` where not recorded.
    stopped
        No longer taken, though the last day is not known.
    code
        The code it was given with.
    source
        Where it was read.
    """

    medication: str
    start: date | None
    end: date | None = None
    dose_mg: float | None = None
    stopped: bool = False
    code: Coding | None = None
    source: str = ""

    def __post_init__(self) -> None:
        if not self.medication.strip():
            raise ValidationError("column 'medication': is empty")
        if self.end is not None and self.start is not None and self.end < self.start:
            raise ValidationError("column 'end': lies before 'start'")
        if self.dose_mg is not None and not (isfinite(self.dose_mg) and self.dose_mg > 0):
            raise ValidationError("column 'dose_mg': must be a number above 0, or empty")

    def taken_on(self, day: date) -> bool:
        """Return whether the record says that it is taken on a day; an unknown start counts as before."""
        begun = self.start is None or self.start <= day
        return begun and not self.stopped and (self.end is None or day <= self.end)


@dataclass(frozen=True, slots=True)
class Condition:
    """A diagnosis or problem. ``onset`` and ``abatement`` are ISO dates as exact as they were given.

    ``word`` is the name by which interaction rules know it, ``None`` where they do not.
    """

    name: str
    code: Coding | None = None
    word: str | None = None
    onset: str | None = None
    abatement: str | None = None
    active: bool = True
    source: str = ""


@dataclass(frozen=True, slots=True)
class Allergy:
    """An allergy or intolerance. ``medication`` is our name of the drug, or ``None``."""

    name: str
    code: Coding | None = None
    medication: str | None = None
    criticality: str | None = None
    active: bool = True
    source: str = ""


@dataclass(frozen=True, slots=True)
class Procedure:
    """Something that was done; kept with the record, used by no service."""

    name: str
    code: Coding | None = None
    performed: str | None = None
    source: str = ""


@dataclass(frozen=True, slots=True)
class Consent:
    """What the person agreed to (``permit``) or refused (``deny``); ``None`` where the rule has no such word."""

    scope: str
    status: str
    decision: Literal["permit", "deny"] | None = None
    dated: str | None = None
    source: str = ""


@dataclass(frozen=True, slots=True)
class NotUnderstood:
    """Something in the file that did not come into the record, and why."""

    source: str
    reason: str


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class PatientRecord(Summarised):
    """One person's record.

    Attributes
    ----------
    symptoms, signals
        ``None`` where there are none; otherwise their series carry ``patient_id``.
    genotype
        Gene to result as reported (``*1/*4``, ``Poor Metabolizer``, ``*15:02 positive``).
    symptom_sources, signal_sources, genotype_sources
        Where each row or gene was read; the first two are empty or as long as their frame.
    not_understood
        What the file holds beside this, with reasons.
    """

    patient_id: str
    timezone: str | None = None
    demographics: Demographics = field(default_factory=dict)
    symptoms: LongFrame | None = None
    signals: LongFrame | None = None
    medications: tuple[MedicationCourse, ...] = ()
    genotype: Mapping[str, str] = field(default_factory=dict)
    conditions: tuple[Condition, ...] = ()
    allergies: tuple[Allergy, ...] = ()
    procedures: tuple[Procedure, ...] = ()
    consents: tuple[Consent, ...] = ()
    symptom_sources: tuple[str, ...] = ()
    signal_sources: tuple[str, ...] = ()
    genotype_sources: Mapping[str, str] = field(default_factory=dict)
    not_understood: tuple[NotUnderstood, ...] = ()

    def __post_init__(self) -> None:
        if not isinstance(self.patient_id, str) or not self.patient_id.strip():
            raise ValidationError("'patient_id' must be a non-empty text")
        if self.timezone is not None:
            parse_timezone(self.timezone)
        if not isinstance(self.demographics, Mapping) or not all(
            isinstance(name, str) and _plain(value) for name, value in self.demographics.items()
        ):
            raise ValidationError("'demographics' must map names to texts, finite numbers, true, false or null")
        if not isinstance(self.genotype, Mapping) or not all(
            isinstance(text, str) and text.strip() for pair in self.genotype.items() for text in pair
        ):
            raise ValidationError('\'genotype\' must map genes to results, e.g. {"CYP2D6": "*1/*4"}')
        for name, frame, sources in (
            ("symptoms", self.symptoms, self.symptom_sources),
            ("signals", self.signals, self.signal_sources),
        ):
            if frame is not None and {key.patient_id for key in frame.series} - {self.patient_id}:
                raise ValidationError(f"{name}: 'patient_id' differs from the record's: give one person's rows only")
            if sources and len(sources) != (0 if frame is None else len(frame.values)):
                raise ValidationError(f"{name}: give one source a row, or none")

    def _summary(self) -> Summary:
        frames = {"report": self.symptoms, "sample": self.signals}
        counts = {noun: 0 if frame is None else len(frame) for noun, frame in frames.items()}
        counts |= {"medication course": len(self.medications), "gene result": len(self.genotype)}
        counts |= {"condition": len(self.conditions), "consent": len(self.consents)}
        rows = [*counts.items(), ("allergy", len(self.allergies)), ("not understood", len(self.not_understood))]
        texts = [counted(number, noun) for noun, number in counts.items()]
        allergies = counted(len(self.allergies), "allergy", "allergies")
        return Summary(f"one person's record: {', '.join([*texts, allergies])}", ("what", "how many"), rows)

    def medications_on(self, day: date) -> tuple[MedicationCourse, ...]:
        """Return what is taken on a day: of each medication the course that began last."""
        latest: dict[str, MedicationCourse] = {}
        for course in sorted(self.medications, key=lambda c: c.start or date.min):
            if course.taken_on(day):
                latest[course.medication.casefold()] = course
        return tuple(latest.values())

    @property
    def last_day(self) -> date | None:
        """Return the last local day of an observation; ``None`` in a record without observations."""
        days = [frame.timestamps.max() for frame in (self.symptoms, self.signals) if frame is not None and len(frame)]
        return max(days).astype("datetime64[D]").item() if days else None


def _plain(value: object) -> bool:
    return value is None or isinstance(value, str | int) or (isinstance(value, float) and isfinite(value))
