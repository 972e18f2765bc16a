"""A person's record put together from what was read: contradictions out, totals in, times on one clock."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import date, datetime, timedelta, tzinfo

import narwhals as nw
import numpy as np

from novamind.records.fhir.courses import joined
from novamind.records.fhir.identity import Person
from novamind.records.fhir.intake import Draft, Intake, Row, shortened
from novamind.records.fhir.outcome import Issue
from novamind.records.fhir.times import instant, midnights
from novamind.records.instruments.domain import INSTRUMENTS
from novamind.records.instruments.scoring import total_of
from novamind.records.patient import NotUnderstood, PatientRecord
from novamind.records.tables.frames import LongFrame, SeriesKey


def record_of(person: Person, intake: Intake) -> PatientRecord:
    """Return a person's record."""
    draft = intake.drafts[person]
    symptoms, symptom_sources = _frame(person, _with_totals(draft, intake), draft, intake)
    signals, signal_sources = _frame(person, _in_one_unit(draft, intake), draft, intake)
    genotype, genotype_sources = _genes(draft, intake)
    return PatientRecord(
        patient_id=person.name,
        timezone=draft.timezone,
        demographics=draft.demographics,
        symptoms=symptoms,
        signals=signals,
        medications=joined(draft.supplies),
        genotype=genotype,
        conditions=tuple(draft.conditions),
        allergies=tuple(draft.allergies),
        procedures=tuple(draft.procedures),
        consents=tuple(draft.consents),
        symptom_sources=symptom_sources,
        signal_sources=signal_sources,
        genotype_sources=genotype_sources,
        not_understood=tuple(NotUnderstood(shortened(names), text) for text, names in draft.notes.items()),
    )


def _warn(draft: Draft, intake: Intake, code: str, text: str, rows: Iterable[Row]) -> None:
    for row in rows:
        intake.issues.append(Issue("warning", code, text, (row.place,)))
        draft.notes[text].append(row.source)


def _agreed(rows: list[Row], draft: Draft, intake: Intake) -> list[Row]:
    """Return one row for each series and time; none where values contradict each other."""
    by_time: dict[tuple[str, datetime | date], list[Row]] = defaultdict(list)
    for row in rows:
        by_time[row.name, instant(row.when)].append(row)
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
    totals = {form.name: form for form in INSTRUMENTS if form.factor}
    items = _agreed([row for row in draft.symptoms if row.name not in totals], draft, intake)
    numbers = {form.item_name(item.number): (form, item.number) for form in totals.values() for item in form.items}
    answered: dict[tuple[str, datetime | date], dict[int, Row]] = defaultdict(dict)
    for row in items:
        if row.name in numbers and not np.isnan(row.value):
            form, number = numbers[row.name]
            answered[form.name, instant(row.when)][number] = row
    sums: dict[tuple[str, datetime | date], Row] = {}
    for (name, when), rows in answered.items():
        if len(rows) == len(totals[name].items):
            result = total_of(totals[name], {number: int(row.value) for number, row in rows.items()})
            first = next(iter(rows.values()))
            if result.total is not None:
                sums[name, when] = Row(name, first.when, float(result.total), first.source, first.place)
    reported = [row for row in draft.symptoms if row.name in totals]
    for row in reported:
        own = sums.get((row.name, instant(row.when)))
        if own is not None and own.value != row.value:
            text = f"the reported total of {row.name} differs from the sum of its items: the sum is used"
            _warn(draft, intake, "conflict", text, [row])
    kept = [row for row in reported if (row.name, instant(row.when)) not in sums]
    return items + _agreed([*kept, *sums.values()], draft, intake)


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
    begins = midnights(dates, times, zone)
    moved: dict[tuple[str, datetime | date], tuple[Row, datetime]] = {}
    for row in reversed(rows):
        when = row.when if isinstance(row.when, datetime) else begins[row.when]
        moved[row.name, instant(when)] = row, when if zone is None else when.astimezone(zone)
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
