"""One import while it goes on: what has been read of each person so far, and the issues."""

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import TypeVar
from zoneinfo import ZoneInfo

import pydantic

from novamind.records.fhir import models as fhir
from novamind.records.fhir.documents import Located
from novamind.records.fhir.identity import Person
from novamind.records.fhir.outcome import Issue, Severity
from novamind.records.fhir.times import day_of, is_date, moment
from novamind.records.patient import Allergy, Condition, Consent, MedicationCourse, Procedure
from novamind.timeline import parse_timezone

WITHDRAWN = "withdrawn (entered in error); not read"
_EARLIEST = date(1900, 1, 1)
_SHOWN_PLACES = 3
_Model = TypeVar("_Model", bound=fhir.Element)


@dataclass(slots=True)
class Row:
    """One value of one series."""

    name: str
    when: datetime | date
    value: float
    source: str
    place: str
    unit: str | None = None


@dataclass(frozen=True, slots=True)
class Supply:
    """A course as one resource gives it.

    Attributes
    ----------
    reach
        The last day on which another start of the same dose continues it; ``None`` where nothing does.
    is_event
        Whether it is one handing over or administration, which a prescription of the same days covers.
    """

    course: MedicationCourse
    reach: date | None
    is_event: bool


@dataclass(slots=True)
class Draft:
    """What has been read of one person so far."""

    timezone: str | None = None
    demographics: dict[str, str | int | float | bool | None] = field(default_factory=dict)
    symptoms: list[Row] = field(default_factory=list)
    signals: list[Row] = field(default_factory=list)
    genes: dict[str, dict[str, set[tuple[str, str]]]] = field(default_factory=dict)
    supplies: list[Supply] = field(default_factory=list)
    conditions: list[Condition] = field(default_factory=list)
    allergies: list[Allergy] = field(default_factory=list)
    procedures: list[Procedure] = field(default_factory=list)
    consents: list[Consent] = field(default_factory=list)
    notes: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))

    @property
    def zone(self) -> ZoneInfo | None:
        """Return the person's timezone."""
        return None if self.timezone is None else parse_timezone(self.timezone)


class Intake:
    """The drafts of an import and its issues.

    Parameters
    ----------
    timezone
        Of people whose Patient gives none.
    today
        The last local day that an observation may have.
    """

    def __init__(self, issues: list[Issue], timezone: str | None, today: date) -> None:
        self.issues, self.today = issues, today
        self.drafts: dict[Person, Draft] = defaultdict(lambda: Draft(timezone))

    def note(
        self, person: Person | None, entry: Located, severity: Severity, code: str, text: str, place: str = ""
    ) -> None:
        """Add an issue; what is more than information goes to the person's record too."""
        self.issues.append(Issue(severity, code, text, (place or entry.place,)))
        if person is not None and severity != "information":
            self.drafts[person].notes[text].append(entry.name)

    def passed_over(self, entry: Located, text: str) -> None:
        """Add an issue on what is rightly not read."""
        self.note(None, entry, "information", "informational", text)

    def parsed(self, model: type[_Model], entry: Located) -> _Model | None:
        """Return a resource as its model; where it has another form, ``None`` and issues that name the elements."""
        try:
            return model.model_validate(entry.resource)
        except pydantic.ValidationError as error:
            for wrong in error.errors()[:_SHOWN_PLACES]:
                path = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in wrong["loc"])
                code = "required" if wrong["type"] == "missing" else "value"
                what = "is missing" if code == "required" else "has a form that FHIR R4 does not allow"
                element = re.sub(r"\[\d+\]", "", path).lstrip(".")
                text = f"{entry.kind}: {element} {what}; not read"
                self.note(None, entry, "error", code, text, f"{entry.place}{path}")
            return None

    def when(self, text: str | None, person: Person, entry: Located, element: str) -> datetime | date | None:
        """Return when something was; ``None`` with an issue where there is no full date that can be."""
        when = moment(text)
        if when is None:
            what = "has no time" if text is None else "has a time that is no full FHIR date"
            self._untimed(f"{entry.kind} {what}; not read", person, entry, element, absent=text is None)
            return None
        return self.possible(when, person, entry, element)

    def possible(self, when: datetime | date, person: Person, entry: Located, element: str) -> datetime | date | None:
        """Return a time that is not before 1900 nor in the future; ``None`` with an issue for any other."""
        if _EARLIEST <= day_of(when, None) <= self.today:
            return when
        self._untimed(f"{entry.kind} lies before 1900 or in the future; not read", person, entry, element)
        return None

    def _untimed(self, text: str, person: Person, entry: Located, element: str, *, absent: bool = False) -> None:
        self.note(person, entry, "error", "required" if absent else "value", text, f"{entry.place}.{element}")

    def date_as_given(self, text: str | None, person: Person, entry: Located, element: str) -> str | None:
        """Return a FHIR date as exact as it is; ``None`` with an issue for any other text."""
        if text is None or is_date(text):
            return text
        issue = f"{entry.kind}.{element} is no FHIR date; left out"
        self.note(person, entry, "warning", "value", issue, f"{entry.place}.{element}")
        return None


def shortened(names: Iterable[str]) -> str:
    """Return the first few names, and how many more there are."""
    distinct = list(names)
    more = len(distinct) - _SHOWN_PLACES
    return ", ".join(distinct[:_SHOWN_PLACES]) + (f" and {more} more" if more > 0 else "")
