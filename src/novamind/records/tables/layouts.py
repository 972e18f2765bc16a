"""How a table is laid out: which column is the person, which the time, which are series.

A layout is found from the names of the columns, from their cells where names do not settle it, and from what a profile
declares, which goes first. What was guessed is said in sentences; columns that are not read have a reason each.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from novamind.errors import ValidationError
from novamind.records.instruments.domain import Instrument, plain
from novamind.records.signals import Signal
from novamind.records.tables.columns import (
    ROLES,
    Named,
    instrument_of,
    is_birth,
    is_no_report,
    is_role,
    name_columns,
    named_of,
    role_rank,
    signal_of,
    total_of,
)
from novamind.records.tables.grid import Grid
from novamind.records.tables.numbers import is_missing_word, parse_number
from novamind.records.tables.profile import TableProfile
from novamind.records.tables.times import looks_like_times, parse_clock
from novamind.records.units import Conversion

_ROLES_OF_MAPPING: Final = (
    "patient_id", "timestamp", "clock", "value", "symptom", "unit", "day", "beep", "event",
)  # fmt: skip
_SHOWN: Final = 8
#: Columns that name the series of a row whatever is in them, and those that name a part of it.
_SURE_SERIES: Final = ("symptom", "instrument", "questionnaire", "fragebogen")
_PARTS: Final = ("item", "itemid", "itemno", "itemnumber", "question", "questionid", "questionno", "frage", "subscale")


@dataclass(frozen=True, slots=True)
class Measure:
    """A column of values: its series (``None`` in a long table), its range where known, the column of its times.

    A signal of a device has its place in the vocabulary of signals, and the way to its unit.
    """

    column: str
    series: str | None
    named: Named | None
    time: str | None
    signal: tuple[Signal, Conversion] | None = None


@dataclass(frozen=True, slots=True)
class Layout:
    """What the columns of a table are.

    Attributes
    ----------
    kind
        In words: a long table, a REDCap export ...
    person, series, part, unit, clock, day, beep, event, instance
        Columns, where there are such; ``part`` names the item of a series.
    dates
        Columns of dates by which events can be dated.
    unread
        Column to the reason why it is not read.
    dropped
        Positions of rows that are no data, under their reasons.
    zone
        The clock of the platform, where the file names it and times name none.
    local_seconds
        Whether seconds count on the person's clock, as if it were UTC.
    """

    kind: str
    measures: tuple[Measure, ...]
    person: str | None = None
    series: str | None = None
    part: str | None = None
    unit: str | None = None
    clock: str | None = None
    day: str | None = None
    beep: str | None = None
    event: str | None = None
    instance: str | None = None
    dates: tuple[str, ...] = ()
    unread: dict[str, str] = field(default_factory=dict)
    guesses: tuple[str, ...] = ()
    dropped: dict[str, tuple[int, ...]] = field(default_factory=dict)
    local_seconds: bool = False
    zone: str | None = None


class Roles:
    """Columns by role: what is mapped goes first, then the words, those that say most first."""

    def __init__(self, grid: Grid, profile: TableProfile) -> None:
        self.grid, self.mapping = grid, dict(profile.mapping)
        self.mapping |= {"timestamp": self.mapping.pop("date")} if "date" in self.mapping else {}
        self.taken: set[str] = set()
        self.guesses: list[str] = []
        if set(self.mapping) <= set(grid.columns) and set(self.mapping.values()) & set(_ROLES_OF_MAPPING):
            raise ValidationError('a mapping names the role first and then the column, e.g. {"timestamp": "Datum"}')
        for column in self.mapping.values():
            if column not in grid.columns:
                raise ValidationError(f"the table has no column of a mapped name; it has {listed(grid.columns)}")
        self.series = {name: column for name, column in self.mapping.items() if name not in _ROLES_OF_MAPPING}
        self.taken |= set(self.series.values())

    def find(self, role: str, fits: Callable[[list[str | None]], bool] = lambda _: True) -> str | None:
        """Return and take the column of a role, mapped or by its words where its cells fit."""
        column = self.mapping.get(role)
        if column is None:
            named = [c for c in self.grid.columns if c not in self.taken and is_role(c, role) and fits(self.grid[c])]
            column = min(named, key=lambda c: role_rank(c, role), default=None)
            if column is not None and column != role:
                self.guesses.append(f"column '{column[:40]}' is read as {role.replace('_', ' ')}")
        if column is not None:
            self.taken.add(column)
        return column

    def put_back(self, column: str) -> None:
        """Leave a column to be a series."""
        self.taken.discard(column)
        self.guesses = [guess for guess in self.guesses if not guess.startswith(f"column '{column[:40]}' ")]


def listed(columns: Sequence[str]) -> str:
    """Return names of columns for a sentence."""
    shown = ", ".join(f"'{column[:40]}'" for column in columns[:_SHOWN])
    return shown if len(columns) <= _SHOWN else f"{shown} and {len(columns) - _SHOWN} more"


def declared_instrument(profile: TableProfile) -> tuple[Named | None, Instrument | None]:
    """Return the instrument that a profile names, as a total and by its items.

    Raises
    ------
    ValidationError
        Its name is not known.
    """
    if profile.instrument is None:
        return None, None
    named = named_of(profile.instrument)
    if named is None or named.item:
        raise ValidationError("no such instrument: name e.g. PHQ-9; for any other series use a mapping name=column")
    return named, instrument_of(named.instrument)


def plain_layout(grid: Grid, profile: TableProfile) -> Layout:
    """Return the layout of a table that no platform wrote: long (a row a report) or wide (a column a series).

    Raises
    ------
    ValidationError
        No column holds times or values, or several could; the message says how to name it.
    """
    named, instrument = declared_instrument(profile)
    roles = Roles(grid, profile)
    series = _series_column(grid, roles)
    part = next((c for c in grid.columns if series and c not in roles.taken and plain(c) in _PARTS), None)
    roles.taken |= {part} if part else set()
    person = roles.find("patient_id", lambda cells: any(cells))
    time = _time_column(grid, roles, profile)
    clock = roles.find("clock", _are_clocks) if time else None
    day = roles.find("day") if time is None else None
    beep = roles.find("beep") if day else None
    event = roles.find("event") if profile.event_days else None
    if time is None and day is None:
        raise ValidationError(
            f"no column of times was recognised: name it with a mapping (--map timestamp=COLUMN); the table has "
            f"{listed(grid.columns)}"
        )
    if series and named:
        roles.guesses.append(
            f"column '{series[:40]}' names series; the declared instrument is that of items without a name"
        )
    base = Layout("", (), person, series, part, clock=clock, day=day, beep=beep, event=event)
    value = roles.find("value") if not roles.series else None
    if value is not None and not (series or "value" in roles.mapping) and _wide_names(grid, roles, instrument):
        roles.put_back(value)
    elif value is not None:
        unit, column_name = roles.find("unit"), named or named_of(value)
        name = column_name.series if column_name else None
        if series is None and name is None:
            name = "symptom"
            roles.guesses.append(
                "the values name no instrument, so their range is not checked: give --instrument, or --map NAME=COLUMN"
            )
        measure = Measure(value, None if series else name, None if series else column_name, time)
        unread = {c: "has no role in a long table" for c in grid.columns if c not in roles.taken}
        kind = "long table: a row a report"
        return replace(base, kind=kind, unit=unit, measures=(measure,), unread=unread, guesses=tuple(roles.guesses))
    if series is not None and value is None:
        raise ValidationError(
            f"column '{series[:40]}' names series, but no column of values was recognised: name it with a mapping "
            f"(--map value=COLUMN); the table has {listed(grid.columns)}"
        )
    measures, unread = wide_measures(grid, roles, instrument, named, dict.fromkeys(grid.columns, time))
    return replace(
        base, kind="wide table: a column a series", measures=measures, unread=unread, guesses=tuple(roles.guesses)
    )


def wide_measures(
    grid: Grid,
    roles: Roles,
    instrument: Instrument | None,
    named: Named | None,
    times: dict[str, str | None],
    context: Sequence[str] = (),
) -> tuple[tuple[Measure, ...], dict[str, str]]:
    """Return the series of a table with a column each, and the columns that are not read.

    Raises
    ------
    ValidationError
        There is none, or two columns hold the same series.
    """
    unread: dict[str, str] = {}
    measures: list[Measure] = []
    if roles.series:
        for name, column in roles.series.items():
            what = named_of(name)
            measures.append(Measure(column, what.series if what else name, what, times[column]))
        unread = {c: "another column is mapped" for c in grid.columns if c not in roles.taken}
    else:
        free = [c for c in grid.columns if c not in roles.taken]
        matches, unclear = name_columns(free, instrument, context)
        matches |= _bare_total(free, matches)
        for column in free:
            reason = unclear.get(column) or _no_series(grid[column], column, matches.get(column))
            if reason is not None:
                unread[column] = reason
            else:
                measures.append(_measure(grid, column, matches.get(column), times[column]))
        if len(measures) == 1 and measures[0].named is None and named is not None:
            measures = [replace(measures[0], series=named.series, named=named)]
        if named is not None and not any(m.named and m.named.instrument == named.instrument for m in measures):
            raise ValidationError(
                f"no column is clearly of {named.instrument}: name it (--map '{named.instrument}=COLUMN'); the table "
                f"has {listed(grid.columns)}"
            )
    by_series: dict[str, list[str]] = {}
    for measure in measures:
        by_series.setdefault(measure.series or "", []).append(measure.column)
    for name, columns in by_series.items():
        if len(columns) > 1:
            raise ValidationError(
                f"columns {listed(columns)} all look like {name[:40]}: choose one with a mapping (--map "
                f"'{name[:40]}=COLUMN')"
            )
    if not measures:
        reasons = [f"'{column[:40]}' {reason}" for column, reason in list(unread.items())[:2]]
        raise ValidationError(
            "no column of values was recognised: name it with a mapping (--map value=COLUMN or --map NAME=COLUMN); the "
            f"table has {listed(grid.columns)}" + (f" ({'; '.join(reasons)})" if reasons else "")
        )
    return tuple(measures), unread


def _measure(grid: Grid, column: str, named: Named | None, time: str | None) -> Measure:
    if named is not None:
        return Measure(column, named.series, named, time)
    signal = signal_of(column)
    if signal is not None and signal[0].kind == "daily" and time and any(":" in (cell or "") for cell in grid[time]):
        signal = None  # of what stretch of the day is not said
    return Measure(column, signal[0].name if signal else column, None, time, signal)


def _bare_total(columns: Sequence[str], named: dict[str, Named]) -> dict[str, Named]:
    """Return a column called "total" beside the items of a single instrument as its total."""
    items = {what.instrument for what in named.values() if what.item}
    totals = [column for column in columns if column not in named and plain(column) in ROLES["total"]]
    written = {what.instrument for what in named.values() if not what.item}
    if len(items) != 1 or len(totals) != 1 or items & written:
        return {}
    instrument = instrument_of(items.pop())
    return {totals[0]: total_of(instrument)} if instrument else {}


def are_numbers(cells: Sequence[str | None]) -> bool:
    """Return whether at least half of a column's answers are numbers."""
    filled = [cell for cell in cells if cell is not None and not is_missing_word(cell)]
    numbers = sum(parse_number(cell, "point") is not None or parse_number(cell, "comma") is not None for cell in filled)
    return bool(filled) and 2 * numbers >= len(filled)


def _no_series(cells: Sequence[str | None], column: str, named: Named | None) -> str | None:
    """Return why a column is no series, ``None`` where it is one."""
    if not any(cells):
        return "is empty"
    if named is not None:
        return None
    if is_no_report(column) or any(is_role(column, role) for role in ("day", "beep", "event", "patient_id")):
        return "describes the person or the row"
    if looks_like_times(cells):
        return "holds other times"
    return None if are_numbers(cells) else "holds text"


def _wide_names(grid: Grid, roles: Roles, instrument: Instrument | None) -> bool:
    free = [c for c in grid.columns if c not in roles.taken]
    return bool(name_columns(free, instrument)[0])


def _series_column(grid: Grid, roles: Roles) -> str | None:
    """Return the column that names the series: its cells are words of which some repeat, or names of instruments."""

    def names_series(cells: list[str | None]) -> bool:
        filled = [cell for cell in cells if cell is not None]
        items = sum(named_of(cell) is not None for cell in filled[:200])
        return bool(filled) and (2 * items > len(filled[:200]) or not are_numbers(cells))

    def items(cells: list[str | None]) -> bool:
        return names_series(cells) and any(named_of(cell) is not None for cell in cells[:200] if cell)

    column = roles.mapping.get("symptom")
    if column is None:
        for candidate in grid.columns:  # 'id' names a person, unless its cells are names of items
            fits = items if is_role(candidate, "patient_id") else names_series
            sure = plain(candidate) in _SURE_SERIES  # even of numbers, and of nothing, row by row
            if sure or (is_role(candidate, "symptom") and fits(grid[candidate])):
                roles.mapping["symptom"] = candidate
                roles.guesses.append(f"column '{candidate[:40]}' names the series")
                break
    return roles.find("symptom", lambda _: False)


def _are_clocks(cells: list[str | None]) -> bool:
    filled = [cell for cell in cells if cell is not None]
    return bool(filled) and 2 * sum(parse_clock(cell) is not None for cell in filled) > len(filled)


def _time_column(grid: Grid, roles: Roles, profile: TableProfile) -> str | None:
    def may_be_times(cells: list[str | None]) -> bool:
        if looks_like_times(cells) or (profile.dates and any(cells)):
            return not _are_clocks(cells)
        filled = [cell for cell in cells if cell is not None]
        return bool(filled) and all(
            len(cell.split(".")[0]) in (8, 10, 13) and cell[0].isdigit() for cell in filled[:200]
        )

    column = roles.find("timestamp", may_be_times)
    if column is not None:
        return column
    others = [c for c in grid.columns if c not in roles.taken and looks_like_times(grid[c]) and not is_birth(c)]
    if len(others) > 1:
        raise ValidationError(
            f"columns {listed(others)} hold times: choose one with a mapping (--map timestamp=COLUMN)"
        )
    if others:
        roles.taken.add(others[0])
        roles.guesses.append(f"column '{others[0][:40]}' is read as timestamp, by its cells")
        return others[0]
    return _unreadable_time(grid, roles)


def _unreadable_time(grid: Grid, roles: Roles) -> str | None:
    """Return the column whose name says time although its cells are not recognised, so that the reason is said."""
    named = [c for c in grid.columns if c not in roles.taken and is_role(c, "timestamp") and not is_role(c, "day")
             and not is_role(c, "clock")]  # fmt: skip
    if not named:
        return None
    column = min(named, key=lambda c: role_rank(c, "timestamp"))
    roles.taken.add(column)
    return column
