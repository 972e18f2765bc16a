"""Courses of one drug: refills of one dose are one course, another dose is another course.

A start continues the course before it where that is still taken, or ended or ran out not long before
(:data:`novamind.records.fhir.medications.GRACE_DAYS`). A dispense or administration without a daily dose belongs to the
prescription that covers its day.
"""

from collections import defaultdict
from dataclasses import dataclass, replace
from datetime import date

from novamind.records.fhir.intake import Supply, shortened
from novamind.records.patient import MedicationCourse


@dataclass(slots=True)
class _Chain:
    course: MedicationCourse
    reach: date | None
    sources: list[str]

    def goes_on_with(self, supply: Supply) -> bool:
        if supply.course.dose_mg != self.course.dose_mg:
            return False
        start = supply.course.start or date.min
        return start == (self.course.start or date.min) or (self.reach is not None and start <= self.reach)

    def add(self, supply: Supply) -> None:
        mine, other = self.course, supply.course
        if _is_open(mine) or _is_open(other):
            end, stopped = None, False
        elif mine.end is not None and other.end is not None:
            end, stopped = max(mine.end, other.end), False
        else:
            end, stopped = other.end, other.stopped
        self.course = replace(mine, end=end, stopped=stopped, code=mine.code or other.code)
        self.reach = max(filter(None, (self.reach, supply.reach)), default=None)
        self.sources.append(other.source)


def joined(supplies: list[Supply]) -> tuple[MedicationCourse, ...]:
    """Return the courses of one person: drugs in the order in which they came, of each the courses by start."""
    by_drug: dict[str, list[Supply]] = defaultdict(list)
    for supply in supplies:
        by_drug[supply.course.medication.casefold()].append(supply)
    return tuple(course for same in by_drug.values() for course in _of_one_drug(same))


def _of_one_drug(supplies: list[Supply]) -> list[MedicationCourse]:
    chains: list[_Chain] = []
    covered_until: date | None = None
    for supply in sorted(supplies, key=_order):
        day = supply.course.start or date.min
        if not supply.is_event:
            covered_until = max(covered_until or day, supply.reach or day)
        elif supply.course.dose_mg is None and covered_until is not None and day <= covered_until:
            continue
        if chains and chains[-1].goes_on_with(supply):
            chains[-1].add(supply)
        else:
            chains.append(_Chain(supply.course, supply.reach, [supply.course.source]))
    return [replace(chain.course, source=shortened(dict.fromkeys(chain.sources))) for chain in chains]


def _order(supply: Supply) -> tuple[date, bool, float, date, bool, str]:
    """Return what courses are sorted by: start, and of those that start together prescriptions before events."""
    course = supply.course
    last = course.end or date.max
    return course.start or date.min, supply.is_event, course.dose_mg or 0.0, last, course.stopped, course.source


def _is_open(course: MedicationCourse) -> bool:
    return course.end is None and not course.stopped
