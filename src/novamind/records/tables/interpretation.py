"""From a grid and its layout to observations: every row is read, or left out under a reason and counted."""

import re
from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from novamind.errors import ValidationError
from novamind.records.instruments.domain import answer_by_text, find
from novamind.records.tables.columns import Named, name_columns
from novamind.records.tables.grid import Grid
from novamind.records.tables.layouts import Layout, Measure, declared_instrument
from novamind.records.tables.numbers import Decimal, decimal_of, declared_codes, is_missing_word, parse_number
from novamind.records.tables.observations import (
    LeftOut,
    Observation,
    Ranged,
    Tally,
    by_day,
    distinct,
    most_a_day,
    on_scale,
    with_totals,
)
from novamind.records.tables.profile import TableProfile
from novamind.records.tables.times import Moment, on_clock, parse_clock, parse_column

_MOST_VALUES: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class TableContent:
    """What a table holds; ``guesses`` and ``zone`` are sentences."""

    kind: str
    rows: int
    observations: tuple[Observation, ...]
    left_out: tuple[LeftOut, ...]
    guesses: tuple[str, ...]
    zone: str


def interpret(
    grid: Grid,
    layout: Layout,
    profile: TableProfile,
    *,
    patient_id: str | None,
    zone: ZoneInfo | None,
    today: date | None = None,
) -> TableContent:
    """Return the observations of a table.

    Parameters
    ----------
    patient_id
        Whose rows are read where the table names persons, and whose all are where it does not.
    zone
        The clock that the person lives by, where known.
    today
        No report is later; the present day where not given.

    Raises
    ------
    ValidationError
        Something has to be declared before a value can be read; the message says what.
    """
    reader = _Reader(grid, layout, profile, patient_id, zone, today)
    columns = {measure.series for measure in layout.measures if measure.series}
    ranged, spoiled = on_scale(reader.observations(), profile, reader.tally, columns)
    asked: dict[str, set[int]] = defaultdict(set)
    for named in (*(measure.named for measure in layout.measures), *(named for _, named in ranged)):
        if named is not None and named.item:
            asked[named.instrument].add(named.item)
    observations, notes = with_totals(ranged, asked, spoiled)
    guesses = [*grid.remarks, *layout.guesses, *reader.guesses, *notes]
    if profile.aggregate is not None:
        observations = by_day(observations, profile.aggregate)
        guesses.append(f"each day has one value: the {profile.aggregate} of its reports")
    else:
        observations = distinct(observations, reader.tally)
        if (most := most_a_day(observations)) > 1:
            guesses.append(f"up to {most} reports a day; forecasts take a day's mean (--aggregate chooses another)")
    return TableContent(
        layout.kind,
        len(grid),
        tuple(observations),
        reader.tally.left_out(),
        tuple(guesses),
        zone_words({observation.offset for observation in observations}, None if zone is None else zone.key),
    )


class _Reader:
    """Reads the rows of a grid."""

    def __init__(
        self,
        grid: Grid,
        layout: Layout,
        profile: TableProfile,
        patient_id: str | None,
        zone: ZoneInfo | None,
        today: date | None,
    ) -> None:
        self.tally, self.guesses = Tally(), list[str]()
        self._grid, self._layout, self._profile, self._zone, self._today = grid, layout, profile, zone, today
        self._patient_id = patient_id
        self._persons = self._column(layout.person) if layout.person else [patient_id or "1"] * len(grid)
        self._series, self._units = self._names(), self._column(layout.unit)
        different = tuple(sorted({name for name in self._series if name is not None}))
        self._named, self._unclear = name_columns(different, declared_instrument(profile)[1])
        self._words, self._codes = declared_codes(profile.missing)
        self._decimal = self._decimal_mark()
        if layout.person is None and patient_id is None:
            self.guesses.append("no column names a person: all rows are read as one person's")
        self._dropped = {i for rows in layout.dropped.values() for i in rows}
        for column, reason in layout.unread.items():
            if filled := sum(cell is not None for cell in grid[column]):
                self.tally.add(f"column '{column[:40]}'", reason, count=filled)
        for reason, rows in layout.dropped.items():
            self.tally.add("row", reason, grid.rows[rows[0]], len(rows))

    def observations(self) -> list[Ranged]:
        """Return the values that can be read, of rows with a person and a time."""
        ranged: list[Ranged] = []
        for column in dict.fromkeys(measure.time for measure in self._layout.measures):
            measures = [measure for measure in self._layout.measures if measure.time == column]
            used = self._used(measures)
            moments = self._moments(column, used)
            for measure in measures:
                for i, text in enumerate(self._grid[measure.column]):
                    moment = moments[i]
                    if moment is not None and used[i] and text is not None:
                        ranged += self._value(measure, i, text, moment)
        return ranged

    def _names(self) -> list[str | None]:
        """Return the name of the series of each row of a long table."""
        names = zip(self._column(self._layout.series), self._column(self._layout.part), strict=True)
        return [_joined(name, part, self._layout.series) for name, part in names]

    def _column(self, column: str | None) -> list[str | None]:
        return [None] * len(self._grid) if column is None else self._grid[column]

    def _decimal_mark(self) -> Decimal:
        cells = [cell for measure in self._layout.measures for cell in self._grid[measure.column] if cell is not None]
        if len(cells) > _MOST_VALUES:
            raise ValidationError(
                f"the table has more than {_MOST_VALUES:,} values: split it by patient, or give samples of a device as "
                "a long table (timestamp, signal, value)"
            )
        typed = self._grid.typed
        # Half a step is none: the point of 12.345 steps groups thousands, in any file of text.
        counts = (m for m in self._layout.measures if m.signal is not None and m.signal[0].unit == "count")
        grouped = (
            cells if self._grid.decimal_comma else [c for m in counts for c in self._grid[m.column] if c is not None]
        )
        decimal = decimal_of(cells, self._profile.decimal, typed=typed, perhaps_grouped=[] if typed else grouped)
        if decimal == "comma" and self._profile.decimal is None:
            self.guesses.append("numbers are read with a decimal comma")
        return decimal

    def _used(self, measures: Sequence[Measure]) -> list[bool]:
        """Return which rows hold an answer of the person who is read."""
        used = []
        for i, person in enumerate(self._persons):
            use = i not in self._dropped and any(self._grid[measure.column][i] is not None for measure in measures)
            if use and (person is None or self._patient_id not in (None, person)):
                reason = "names no person" if person is None else "is of another person"
                self.tally.add("row", reason, self._grid.rows[i])
                use = False
            used.append(use)
        return used

    def _value(self, measure: Measure, i: int, text: str, moment: Moment) -> list[Ranged]:
        row, series, named = self._grid.rows[i], measure.series, measure.named
        if series is None:
            name = self._series[i]
            if name is None or name in self._unclear:
                self.tally.add(name or "row", self._unclear.get(name or "", "names no series"), row)
                return []
            named = self._named.get(name)
            series = named.series if named else name
        # The numbers of a spreadsheet have a point, whatever mark the texts beside them have.
        number = parse_number(text, "point" if self._grid.typed and "," not in text else self._decimal)
        if number is None and named is not None and named.item:
            number = _answer(named, text)
        if text.casefold() in self._words or (number is not None and number in self._codes):
            self.tally.add(series, "holds a declared code for a missing value", row)
        elif number is None:
            reason = "holds a word for a missing value" if is_missing_word(text) else "is not a number"
            self.tally.add(series, reason, row)
        elif measure.signal is not None:
            signal, way = measure.signal
            number = number * way.factor + way.shift
            if signal.low <= number <= signal.high:
                return [(Observation(self._persons[i] or "", series, *moment, number, signal.unit, row), None)]
            self.tally.add(series, f"lies outside the plausible {signal.low:g} to {signal.high:g} {signal.unit}", row)
        else:
            return [(Observation(self._persons[i] or "", series, *moment, number, self._units[i], row), named)]
        return []

    def _moments(self, column: str | None, used: Sequence[bool]) -> list[Moment | None]:
        """Return the moments of the rows that are used, on one clock."""
        moments, words = self._written(column, used)
        if self._layout.local_seconds:
            moments, words = [moment and (moment[0], None) for moment in moments], "seconds on the person's own clock"
        groups = list(zip(self._persons, self._series, strict=True))
        if self._layout.zone is not None:
            moments, _, _ = on_clock(moments, ZoneInfo(self._layout.zone), groups, self._today)
        if words:
            self.guesses.append(f"times of '{column}': {words}" if column else words)
        if self._zone is None and len({moment[1] is None for moment in moments if moment}) > 1:
            raise ValidationError(
                f"column '{column}': some times have an offset to UTC and some have none: give the timezone that the "
                "person lives by, e.g. Europe/Berlin"
            )
        placed, wrong, skipped = on_clock(moments, self._zone, groups, self._today)
        for i, reason in wrong.items():
            self.tally.add("row", reason, self._grid.rows[i])
        if skipped:
            self.guesses.append(f"{skipped} time(s) that the change of the clocks skips are moved forward")
        return placed

    def _written(self, column: str | None, used: Sequence[bool]) -> tuple[list[Moment | None], str]:
        """Return the moments as they are written, and their form in words."""
        if column is None and self._layout.day is not None:
            return self._counted_days(self._layout.day, used), "days are counted from the declared start"
        moments: list[Moment | None] = [None] * len(self._grid)
        wrong: dict[int, str] = {}
        words = "days of events, as declared" if self._profile.event_days else ""
        if column is not None:
            texts = zip(self._grid[column], used, strict=True)
            cells = [text if use and text is not None and not is_missing_word(text) else None for text, use in texts]
            times = parse_column(cells, column, self._profile.dates)
            moments, words = list(times.moments), times.form
            wrong = dict.fromkeys(times.unreadable, f"its time is not {words}")
        clocks = {(moment[0].time(), moment[1]) for moment in moments if moment}
        if clocks == {(time.min, timedelta(0))}:  # a program wrote days as instants
            moments, words = [moment and (moment[0], None) for moment in moments], f"{words}, all at midnight UTC: days"
        says_utc = column is not None and {"utc", "gmt"} & set(re.findall(r"[a-z]+", column.casefold()))
        if says_utc and {clock for clock, _ in clocks} != {time.min}:
            moments = [moment and (moment[0], moment[1] or timedelta(0)) for moment in moments]
            words += ", in UTC as the column says"
        for i, text in enumerate(self._column(self._layout.clock)):
            moment, clock = moments[i], parse_clock(text)
            if moment is not None and text is not None:
                moments[i] = None if clock is None else (moment[0] + clock, moment[1])
                wrong |= {} if clock is not None else {i: "its time of day cannot be read"}
        for i, reason in wrong.items():
            self.tally.add("row", reason, self._grid.rows[i])
        self._with_events(moments, [use and i not in wrong for i, use in enumerate(used)])
        self._in_order_of_instances(moments)
        return moments, words

    def _with_events(self, moments: list[Moment | None], used: Sequence[bool]) -> None:
        """Date rows without a time by their event, counted from the person's first date."""
        events = self._column(self._layout.event)
        first = self._first_dates() if self._profile.event_days else {}
        for i, moment in enumerate(moments):
            if moment is not None or not used[i]:
                continue
            days, base = self._profile.event_days.get(events[i] or ""), first.get(self._persons[i])
            if days is not None and base is not None:
                moments[i] = base + timedelta(days=days), None
            else:
                hint = " (a date of its event can be declared: --event-day EVENT=DAY)" if self._layout.event else ""
                self.tally.add("row", f"has no time{hint}", self._grid.rows[i])

    def _first_dates(self) -> dict[str | None, datetime]:
        """Return the first date of each person, in the order of rows and then of columns."""
        columns = self._layout.dates or tuple({m.time: None for m in self._layout.measures if m.time})
        moments = [parse_column(self._grid[column], column, self._profile.dates).moments for column in columns]
        first: dict[str | None, datetime] = {}
        for person, *row in zip(self._persons, *moments, strict=True):
            for moment in filter(None, row):
                first.setdefault(person, moment[0])
        return first

    def _in_order_of_instances(self, moments: list[Moment | None]) -> None:
        """Keep repeated forms of one day apart by a second each, in their order."""
        instances = self._column(self._layout.instance)
        same: dict[tuple[str | None, Moment], list[int]] = defaultdict(list)
        for i, moment in enumerate(moments):
            if moment is not None and moment[0].time() == time.min and _count(instances[i]) is not None:
                same[self._persons[i], moment].append(i)
        for (_, (local, offset)), rows in same.items():
            for rank, i in enumerate(sorted(rows, key=lambda i: _count(instances[i]) or 0)):
                moments[i] = local + timedelta(seconds=rank), offset
        if any(len(rows) > 1 for rows in same.values()):
            self.guesses.append("repeated forms of one day are kept apart by a second each, in their order")

    def _counted_days(self, day: str, used: Sequence[bool]) -> list[Moment | None]:
        """Return the moments of rows that only count days and beeps, from a declared start."""
        beeps = self._column(self._layout.beep)
        if self._profile.start is None:
            raise ValidationError(
                f"column '{day[:40]}' only counts days: declare the first day (--start 2025-12-31)"
                + (" and the times of the beeps (--beeps 09:00,13:00)" if self._layout.beep else "")
            )
        try:
            start = datetime.fromisoformat(self._profile.start)
        except ValueError as error:
            raise ValidationError("start must be an ISO day, e.g. 2025-12-31") from error
        clocks = [parse_clock(text) for text in self._profile.beeps]
        if None in clocks or (self._layout.beep is not None and not clocks):
            raise ValidationError("declare the time of day of each beep, e.g. --beeps 09:00,13:00,17:00")
        moments: list[Moment | None] = []
        for i, text in enumerate(self._grid[day]):
            number, beep = _count(text), _count(beeps[i]) if self._layout.beep else 1
            clock = clocks[beep - 1] if beep and beep <= len(clocks) else None if clocks else timedelta(0)
            good = used[i] and number is not None and clock is not None
            moment = start + timedelta(days=(number or 1) - 1) + (clock or timedelta(0))
            moments.append((moment, None) if good else None)
            if used[i] and not good:
                self.tally.add("row", "has no day or beep that was declared", self._grid.rows[i])
        return moments


def _joined(name: str | None, part: str | None, column: str | None) -> str | None:
    """Return the name of a series and its part; a bare number says which of its column it is."""
    if name is None:
        return None
    if part is not None:
        return f"{name} item {part}" if part.isdecimal() else f"{name} {part}"
    return f"{column} {name}" if name.isdecimal() else " ".join(name.split())


def _answer(named: Named, text: str) -> float | None:
    """Return the score of a published answer text."""
    score = answer_by_text(find(named.instrument).item(named.item), text)
    return None if score is None else float(score)


def _count(text: str | None) -> int | None:
    """Return a number that counts from 1."""
    return int(text) if text is not None and text.isdecimal() and len(text) < 6 and int(text) > 0 else None


def zone_words(offsets: Collection[timedelta | None], zone: str | None) -> str:
    """Return by which clock days are counted: its name, or in words where none is named."""
    if zone is not None:
        return zone
    if set(offsets) == {timedelta(0)}:
        return "UTC: days are UTC days, not the person's; give the timezone (e.g. Europe/Berlin) for local days"
    local = set(offsets) <= {None}
    return "local time, of no named zone" if local else "own offset of each time; days are of its clock"
