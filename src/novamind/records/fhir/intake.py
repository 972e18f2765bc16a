"""One import while it goes on: what has been read of each person so far, and the issues."""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime
from zoneinfo import ZoneInfo

from novamind.records.fhir.documents import Located
from novamind.records.fhir.identity import Person
from novamind.records.fhir.models import Fault, Moment
from novamind.records.fhir.outcome import Issue, Severity
from novamind.records.patient import Allergy, Coding, Condition, Consent, Procedure

WITHDRAWN = "withdrawn (entered in error); not read"
EARLIEST = date(1900, 1, 1)
_SHOWN_FAULTS = 3


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

    medication: str
    start: date | None
    end: date | None
    dose_mg: float | None
    stopped: bool
    code: Coding | None
    source: str
    reach: date | None
    is_event: bool


@dataclass(slots=True)
class Draft:
    """What has been read of one person so far."""

    timezone: str | None = None
    zone: ZoneInfo | None = None
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


@dataclass(eq=False, repr=False)
class Drafts(dict[Person, Draft]):
    """The drafts of a file's people; each begins with the timezone that counts where the Patient gives none.

    Parameters
    ----------
    zone_of
        Person to timezone.
    """

    zone_of: Callable[[Person], ZoneInfo | None]

    def __missing__(self, person: Person) -> Draft:
        zone = self.zone_of(person)
        self[person] = Draft(None if zone is None else zone.key, zone)
        return self[person]


@dataclass(slots=True)
class Intake:
    """The drafts of an import and its issues.

    Attributes
    ----------
    drafts
        One per person of whom anything was read.
    today
        The last local day that an observation may have.
    """

    issues: list[Issue]
    drafts: Drafts
    today: date

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

    def malformed(self, faults: list[Fault], entry: Located) -> None:
        """Add issues on elements that have another form than R4 allows."""
        for fault in faults[:_SHOWN_FAULTS]:
            code = "required" if fault.is_missing else "value"
            what = "is missing" if fault.is_missing else "has a form that FHIR R4 does not allow"
            text = f"{entry.kind}: {fault.element} {what}; not read"
            self.note(None, entry, "error", code, text, f"{entry.place}{fault.path}")

    def untimed(self, moment: Moment | None, person: Person, entry: Located, element: str) -> None:
        """Add an issue on what has no time that can be: a full FHIR date from 1900 on, not in the future."""
        what = "lies before 1900 or in the future"
        if moment is None or moment.when is None:
            what = "has no time" if moment is None else "has a time that is no full FHIR date"
        code, text = "required" if moment is None else "value", f"{entry.kind} {what}; not read"
        self.note(person, entry, "error", code, text, f"{entry.place}.{element}")

    def no_date(self, person: Person, entry: Located, element: str) -> None:
        """Add an issue on an element that is no FHIR date."""
        text = f"{entry.kind}.{element} is no FHIR date; left out"
        self.note(person, entry, "warning", "value", text, f"{entry.place}.{element}")
