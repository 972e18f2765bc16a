"""A person's record put together from what was read: contradictions out, totals in, times on one clock."""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo

import narwhals as nw
import numpy as np

from novamind.records.fhir.identity import Person
from novamind.records.fhir.intake import Draft, Intake, Row, Supply
from novamind.records.fhir.outcome import Issue
from novamind.records.instruments.domain import INSTRUMENTS
from novamind.records.instruments.scoring import total_of
from novamind.records.patient import MedicationCourse, NotUnderstood, PatientRecord
from novamind.records.tables.frames import LongFrame, SeriesKey

#: Instrument by the series of its total, and with its number by the series of an item.
_TOTALS = {form.name: form for form in INSTRUMENTS if form.factor}
_ITEMS = {form.item_name(item.number): (form, item.number) for form in _TOTALS.values() for item in form.items}
_SHOWN_SOURCES = 3


def record_of(person: Person, intake: Intake) -> PatientRecord:
    """Return a person's record."""
    draft = intake.drafts[person]
    symptoms, symptom_sources = _frame(person, _with_totals(draft, intake), draft, intake)
    signals, signal_sources = _frame(person, _in_one_unit(draft, intake), draft, intake)
    genotype, genotype_sources = _genes(draft, intake)
    courses = list(_courses(draft.supplies))
    return PatientRecord(
        patient_id=person.name,
        timezone=draft.timezone,
        demographics=draft.demographics,
        symptoms=symptoms,
        signals=signals,
        medications=tuple(
            MedicationCourse(c.medication, c.start, c.end, c.dose_mg, c.stopped, c.code, c.source) for c in courses
        ),
        genotype=genotype,
        conditions=tuple(draft.conditions),
        allergies=tuple(draft.allergies),
        procedures=tuple(draft.procedures),
        consents=tuple(draft.consents),
        symptom_sources=symptom_sources,
        signal_sources=signal_sources,
        genotype_sources=genotype_sources,
        not_understood=tuple(NotUnderstood(_shortened(names), text) for text, names in draft.notes.items()),
    )


def _warn(draft: Draft, intake: Intake, code: str, text: str, rows: Iterable[Row]) -> None:
    for row in rows:
        intake.issues.append(Issue("warning", code, text, (row.place,)))
        draft.notes[text].append(row.source)


def _agreed(rows: list[Row], draft: Draft, intake: Intake) -> list[Row]:
    """Return one row for each series and time; none where values contradict each other."""
    by_time: dict[tuple[str, datetime | date], list[Row]] = defaultdict(list)
    for row in rows:
        by_time[row.name, _instant(row.when)].append(row)
    kept = []
    for (name, _), same in by_time.items():
        if len({row.value for row in same if not np.isnan(row.value)}) > 1:
            text = f"{name} has different values at one time: none of them is used"
            _warn(draft, intake, "conflict", text, same)
        else:
            kept.append(next((row for row in same if not np.isnan(row.value)), same[0]))
    return kept


def _with_totals(draft: Draft, intake: Intake) -> list[Row]:
    """Return the symptom rows. Where all items of an instrument are there, its total is theirs."""
    items = _agreed([row for row in draft.symptoms if row.name not in _TOTALS], draft, intake)
    answered: dict[tuple[str, datetime | date], dict[int, Row]] = defaultdict(dict)
    for row in items:
        if row.name in _ITEMS and not np.isnan(row.value):
            form, number = _ITEMS[row.name]
            answered[form.name, _instant(row.when)][number] = row
    sums: dict[tuple[str, datetime | date], Row] = {}
    for (name, when), rows in answered.items():
        if len(rows) == len(_TOTALS[name].items):
            result = total_of(_TOTALS[name], {number: int(row.value) for number, row in rows.items()})
            first = next(iter(rows.values()))
            if result.total is not None:
                sums[name, when] = Row(name, first.when, float(result.total), first.source, first.place)
    reported = [row for row in draft.symptoms if row.name in _TOTALS]
    for row in reported:
        own = sums.get((row.name, _instant(row.when)))
        if own is not None and own.value != row.value:
            text = f"the reported total of {row.name} differs from the sum of its items: the sum is used"
            _warn(draft, intake, "conflict", text, [row])
    _note_items_alone(answered, [*sums, *((row.name, _instant(row.when)) for row in reported)], intake)
    kept = [row for row in reported if (row.name, _instant(row.when)) not in sums]
    return items + _agreed([*kept, *sums.values()], draft, intake)


def _note_items_alone(
    answered: Mapping[tuple[str, datetime | date], Mapping[int, Row]],
    totals: Iterable[tuple[str, datetime | date]],
    intake: Intake,
) -> None:
    """Add an issue on items of one day that make no total; a single item may stand for itself."""
    with_total = {(name, _day(when)) for name, when in totals}
    by_day: dict[tuple[str, date], list[Row]] = defaultdict(list)
    for (name, when), rows in answered.items():
        by_day[name, _day(when)].extend(rows.values())
    for (name, day), together in by_day.items():
        if len(together) > 1 and (name, day) not in with_total:
            text = f"items of {name} of which no total is made: not all are there at one time"
            intake.issues.append(Issue("information", "incomplete", text, (together[0].place,)))


def _day(when: datetime | date) -> date:
    return when.date() if isinstance(when, datetime) else when


def _in_one_unit(draft: Draft, intake: Intake) -> list[Row]:
    """Return the signal rows that agree; of a signal that came in several units none."""
    units: dict[str, set[str | None]] = defaultdict(set)
    for row in draft.signals:
        units[row.name].add(row.unit)
    for name, several in units.items():
        if len(several) > 1:
            text = f"{name} in different units: none of its values is used"
            _warn(draft, intake, "conflict", text, (row for row in draft.signals if row.name == name))
    return _agreed([row for row in draft.signals if len(units[row.name]) == 1], draft, intake)


def _frame(person: Person, rows: list[Row], draft: Draft, intake: Intake) -> tuple[LongFrame | None, tuple[str, ...]]:
    """Return the rows as a frame, sorted by series and time, and where each was read."""
    if not rows:
        return None, ()
    zone = draft.zone
    utc = [row for row in rows if isinstance(row.when, datetime) and not row.when.utcoffset()]
    if zone is None and utc:
        text = "times are in UTC and the Patient has no timezone, so that days are days of UTC: give the timezone"
        _warn(draft, intake, "incomplete", text, utc)
    timed = _on_one_clock(rows, zone)
    timed.sort(key=lambda row: (row[0].name, row[1].replace(tzinfo=None) - (row[1].utcoffset() or _NONE)))
    series = sorted({row.name for row, _ in timed})
    position = {name: i for i, name in enumerate(series)}
    units = {row.name: row.unit for row, _ in timed}
    has_offsets = timed[0][1].tzinfo is not None
    offsets = np.array([when.utcoffset() for _, when in timed], "timedelta64[s]") if has_offsets else None
    frame = LongFrame(
        series=tuple(SeriesKey(person.name, name) for name in series),
        series_index=np.array([position[row.name] for row, _ in timed], np.int64),
        timestamps=np.array([when.replace(tzinfo=None) for _, when in timed], "datetime64[us]"),
        utc_offset=offsets,
        values=np.array([row.value for row, _ in timed], np.float64),
        units=tuple(units[name] for name in series),
        backend=nw.Implementation.POLARS,
    )
    return frame, tuple(row.source for row, _ in timed)


_NONE = timedelta()


def _on_one_clock(rows: list[Row], zone: tzinfo | None) -> list[tuple[Row, datetime]]:
    """Return rows whose times all have a timezone or none; dates beside times become midnights."""
    times = [row.when for row in rows if isinstance(row.when, datetime)]
    dates = {row.when for row in rows if not isinstance(row.when, datetime)}
    if not times:
        return [(row, datetime(row.when.year, row.when.month, row.when.day)) for row in rows]  # noqa: DTZ001
    begins = _midnights(dates, times, zone)
    moved: dict[tuple[str, datetime | date], tuple[Row, datetime]] = {}
    for row in reversed(rows):
        when = row.when if isinstance(row.when, datetime) else begins[row.when]
        moved[row.name, _instant(when)] = row, when if zone is None else when.astimezone(zone)
    return [*moved.values()]


def _genes(draft: Draft, intake: Intake) -> tuple[dict[str, str], dict[str, str]]:
    results, sources = {}, {}
    for gene, reported in draft.genes.items():
        candidates = reported["genotype"] or reported["phenotype"]
        if len({text for text, _ in candidates}) > 1:
            text = f"{gene} has different results: none of them is used"
            intake.issues.append(Issue("warning", "conflict", text))
            draft.notes[text].extend(sorted(source for _, source in candidates))
            continue
        results[gene], sources[gene] = min(candidates)
    return dict(sorted(results.items())), dict(sorted(sources.items()))


def _instant(when: datetime | date) -> datetime | date:
    """Return the time in UTC, so that equal instants are equal; a date stays a date."""
    return when.astimezone(UTC) if isinstance(when, datetime) else when


def _midnights(days: Iterable[date], times: Iterable[datetime], zone: tzinfo | None) -> dict[date, datetime]:
    """Return each day's midnight: in the record's timezone, else by the offset of the nearest of the times."""
    timed = sorted(times)
    on = [time.date() for time in timed]

    def clock(day: date) -> tzinfo:
        if zone is not None:
            return zone
        at = bisect_left(on, day)
        near = min({max(at - 1, 0), min(at, len(on) - 1)}, key=lambda i: (abs(on[i] - day), i))
        return timezone(timed[near].utcoffset() or timedelta())

    return {day: datetime(day.year, day.month, day.day, tzinfo=clock(day)) for day in days}


# -- courses: refills of one dose are one course, another dose is another course


def _courses(supplies: list[Supply]) -> Iterator[Supply]:
    """Yield the courses of one person: drugs in the order in which they came, of each the courses by start.

    A start continues the course before it where that is still taken, or ended or ran out not long before
    (``Supply.reach``). A dispense or administration without a daily dose belongs to the prescription that covers its
    day.
    """
    by_drug: dict[str, list[Supply]] = defaultdict(list)
    for supply in supplies:
        by_drug[supply.medication.casefold()].append(supply)
    for same in by_drug.values():
        course: Supply | None = None
        sources: dict[str, None] = {}
        covered_until: date | None = None
        for supply in sorted(same, key=_order):
            day = supply.start or date.min
            if not supply.is_event:
                covered_until = max(covered_until or day, supply.reach or day)
            elif supply.dose_mg is None and covered_until is not None and day <= covered_until:
                continue
            if course is not None and course.dose_mg == supply.dose_mg and _goes_on(course, day):
                course, sources = _joined(course, supply), sources | {supply.source: None}
                continue
            if course is not None:
                yield replace(_until(course, day), source=_shortened(sources))
            course, sources = supply, {supply.source: None}
        if course is not None:
            yield replace(course, source=_shortened(sources))


def _order(supply: Supply) -> tuple[date, bool, float, date, bool, str]:
    """Return what courses are sorted by: start, and of those that start together prescriptions before events."""
    last = supply.end or date.max
    return supply.start or date.min, supply.is_event, supply.dose_mg or 0.0, last, supply.stopped, supply.source


def _goes_on(course: Supply, day: date) -> bool:
    return day == (course.start or date.min) or (course.reach is not None and day <= course.reach)


def _until(course: Supply, day: date) -> Supply:
    """Return a course that was used up on an unknown day as ended when another dose began within its reach."""
    if course.end is not None or not course.stopped or course.reach is None or not day <= course.reach:
        return course
    last = day - timedelta(days=1)
    return course if course.start is None or last < course.start else replace(course, end=last, stopped=False)


def _joined(course: Supply, later: Supply) -> Supply:
    end, stopped = later.end, later.stopped
    if any(part.end is None and not part.stopped for part in (course, later)):
        end, stopped = None, False
    elif course.end is not None and later.end is not None:
        end = max(course.end, later.end)
    reach = max(filter(None, (course.reach, later.reach)), default=None)
    return replace(course, end=end, stopped=stopped, code=course.code or later.code, reach=reach)


def _shortened(names: Iterable[str]) -> str:
    """Return the first few names, and how many more there are."""
    distinct = list(names)
    more = len(distinct) - _SHOWN_SOURCES
    return ", ".join(distinct[:_SHOWN_SOURCES]) + (f" and {more} more" if more > 0 else "")
