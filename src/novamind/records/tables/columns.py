"""What the columns of a table are, by their names: whose, when, which series, which item of which instrument.

Names are compared by their words and numbers alone, whatever the case and punctuation. An item's number is read only
behind the name of its instrument (``phq9_1``), or in a complete run (``phq1`` to ``phq9``) whose instrument another
column, the form or an option names: ``phq9`` alone is the total.
"""

import re
import tomllib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from itertools import groupby
from typing import Final

from novamind.records.instruments.columns import item_of as read_item
from novamind.records.instruments.domain import INSTRUMENTS, Instrument, find, plain, worded_as
from novamind.records.signals import SIGNALS, Signal
from novamind.records.units import SPELLINGS, Conversion

_WORDS: Final = tomllib.loads(files(__package__).joinpath("words.toml").read_text("utf-8"))
#: Role of a column to the words that name it, those that say most first.
ROLES: Final[Mapping[str, tuple[str, ...]]] = {role: tuple(words.split()) for role, words in _WORDS["roles"].items()}
_SIGNAL_OF_WORD: Final = {word: name for name, words in _WORDS["signals"].items() for word in words.split()}
#: Units that are read behind a name without brackets: weight_kg.
_SUFFIXES: Final = frozenset({*SPELLINGS, "kg", "g", "h", "min", "s", "m", "cm"})
#: Units that a signal has where its column names none, since no other is in use.
_USUAL_UNITS: Final = frozenset({"bpm", "mmHg", "%", "count"})
_BIRTH: Final = re.compile(r"birth|\bdob\b|geburt|geb\.", re.IGNORECASE)
_TOKEN: Final = re.compile(r"[^\W\d_]+|\d+")
_RANGE: Final = re.compile(r"\s*[\[(]\s*\d+\s*(?:-|–|to|bis|\.\.+)\s*\d+\s*[\])]")  # PHQ-9 (0-27)
_UNIT: Final = re.compile(r"(?P<name>.+?)(?:\s*[\[(](?P<unit>[^\])]{1,20})[\])]|[ _](?P<last>[A-Za-z]{1,7}))")

#: Instruments of which only the total is read: range and step (symptoms.instruments holds the sources).
TOTALS_ONLY: Final[Mapping[str, tuple[float, float]]] = {
    "PHQ-4": (0, 12), "BDI-II": (0, 63), "CES-D": (0, 60), "HADS-D": (0, 21), "HADS-A": (0, 21), "BAI": (0, 63),
    "STAI-S": (20, 80), "PSS-10": (0, 40), "EQ-VAS": (0, 100),
}  # fmt: skip
_TOTAL_ALIASES: Final = {
    "bdi2": "BDI-II", "cesd20": "CES-D", "staistate": "STAI-S", "staiy1": "STAI-S", "hamiltondepression": "HAM-D17",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Named:
    """What a column's name says: an instrument's total (``item`` 0) or item, and the range of its values."""

    instrument: str
    item: int
    low: float
    high: float
    step: int

    def allows(self, value: float) -> bool:
        """Return whether a value can occur: WHO-5 is a percentage in steps of 4, an item may skip scores."""
        scores = find(self.instrument).item(self.item).scores if self.item else ()
        if scores:
            return value in scores
        return self.low <= value <= self.high and (self.step == 1 or value % self.step == 0)

    @property
    def series(self) -> str:
        """Return the name of the series."""
        return f"{self.instrument} item {self.item}" if self.item else self.instrument


def is_role(column: str, role: str) -> bool:
    """Return whether a column's name is a word for a role; a person's also is one such as ``Pt No`` or ``Case-Nr.``."""
    return plain(column) in ROLES[role] or (role == "patient_id" and _is_of_person(column))


def role_rank(column: str, role: str) -> int:
    """Return how much a column's name says of a role: 0 says most."""
    words, word = ROLES[role], plain(column)
    return words.index(word) if word in words else len(words) // 2


def _is_of_person(column: str) -> bool:
    tokens = {token.casefold() for token in _TOKEN.findall(column)}
    people, numbering = set(ROLES["people"]), set(ROLES["identifier"])
    return len(tokens) > 1 and tokens <= people | numbering and bool(tokens & people and tokens & numbering)


def differs_between_people(column: str) -> bool:
    """Return whether a column says something that is the same in all rows of one person."""
    return any(plain(column) in ROLES[role] for role in ("who", "fixed")) or is_birth(column)


def is_no_report(column: str) -> bool:
    """Return whether a column of numbers describes the person or the row and reports nothing."""
    return plain(column) in ROLES["no_report"] or bool(_BIRTH.search(column)) or plain(column).endswith("complete")


def is_birth(column: str) -> bool:
    """Return whether a column holds a date of birth."""
    return bool(_BIRTH.search(column))


def signal_of(column: str) -> tuple[Signal, Conversion] | None:
    """Return the signal of a column such as ``weight (lb)``, ``sleep_hours`` or ``Puls``, and the way to its unit.

    A column whose unit is not written and could be another is none.
    """
    match = _UNIT.fullmatch(column)
    for name, unit in ((column, None), *([(match["name"], match["unit"] or match["last"])] if match else [])):
        if match and unit and unit == match["last"] and unit.casefold() not in _SUFFIXES:
            continue  # sleep_quality: a word, and no unit
        signal = SIGNALS.get(_SIGNAL_OF_WORD.get(plain(name), ""))
        if signal is not None and (unit or signal.unit in _USUAL_UNITS):
            way = signal.conversion(unit or signal.unit)
            return None if way is None else (signal, way)
    return None


@cache
def _spellings() -> dict[str, Named]:
    scored = {
        plain(spelling): total_of(instrument) for instrument in INSTRUMENTS
        for spelling in (instrument.name, *instrument.aliases)
    }  # fmt: skip
    rest = {plain(name): Named(name, 0, low, high, 1) for name, (low, high) in TOTALS_ONLY.items()}
    rest |= scored
    return rest | {alias: rest[plain(name)] for alias, name in _TOTAL_ALIASES.items()}


def total_of(instrument: Instrument) -> Named:
    """Return the total of an instrument."""
    return Named(instrument.name, 0, instrument.lowest, instrument.highest, instrument.factor or 1)


def item_of(instrument: Instrument, number: int) -> Named:
    """Return an item of an instrument."""
    item = instrument.item(number)
    return Named(instrument.name, number, item.lowest, item.highest, 1)


def instrument_of(name: str) -> Instrument | None:
    """Return the instrument of items of a name, else ``None``."""
    named = _spellings().get(plain(name))
    return next((i for i in INSTRUMENTS if named is not None and i.name == named.instrument), None)


def named_of(text: str) -> Named | None:
    """Return what one name says by itself: ``PHQ-9``, ``phq9_total``, ``Score PHQ-9``, ``phq9_1``, ``PHQ-9 item 9``."""
    tokens = [token.casefold() for token in _TOKEN.findall(_RANGE.sub("", text))]
    while tokens and tokens[0] in ROLES["total"]:
        tokens.pop(0)
    for i in range(len(tokens), 0, -1):
        total = _spellings().get("".join(tokens[:i]))
        if total is not None and set(tokens[i:]) <= set(ROLES["total"]):
            return total if total.high > total.low else None  # an instrument without a total
    item = read_item(text)
    return item_of(find(item[0]), item[1]) if item else None


def mentioned(texts: Iterable[str]) -> frozenset[str]:
    """Return the instruments of items whose names begin some texts, such as ``phq9_date`` or a form's name."""
    names = set()
    for text in texts:
        tokens = [token.casefold() for token in _TOKEN.findall(text)]
        for i in range(len(tokens), 0, -1):
            if (total := _spellings().get("".join(tokens[:i]))) is not None and instrument_of(total.instrument):
                names.add(total.instrument)
                break
    return frozenset(names)


def name_columns(
    columns: Sequence[str], instrument: Instrument | None = None, context: Collection[str] = ()
) -> tuple[dict[str, Named], dict[str, str]]:
    """Return what columns say, and those that count items of something that is not clear, with the reason.

    Parameters
    ----------
    instrument
        Whose items a run without a name is.
    context
        Further names that stand near the columns, such as that of their form.
    """
    named = {column: what for column in columns if (what := named_of(column)) is not None}
    unclear: dict[str, str] = {}
    for column in columns:
        for name in mentioned([column]) if column not in named else ():
            unclear[column] = f"begins like {name}, but is not clearly its total or an item (--map '{name}=COLUMN')"
    named |= _worded(columns)
    runs = _runs(columns)
    counted = {column for _, run in runs for _, column in run}
    near = mentioned((*(column for column in columns if column not in counted), *context))
    near = frozenset({instrument.name}) if instrument else near
    for stem, run in runs:
        own = instrument_of(stem)
        if own is not None:  # phq9_1 ...: named one by one; what lies beyond the last item is none
            unclear |= {c: f"{own.name} has no item of this number" for n, c in run if n > len(own.items)}
            named |= {c: item_of(own, n) for n, c in run if n <= len(own.items)}
            unclear = {column: reason for column, reason in unclear.items() if column not in named}
            continue
        alike = [
            i
            for i in INSTRUMENTS
            if stem in ROLES["numbering"] or any(plain(s).startswith(stem) for s in (i.name, *i.aliases))
        ]
        fits = [i for i in ([instrument] if instrument else alike) if i.name in near and len(i.items) == len(run)]
        for number, column in run:
            named.pop(column, None)
            if len(fits) == 1:
                named[column] = item_of(fits[0], number)
            elif alike:
                unclear[column] = "counts items, but not clearly of which instrument (--instrument)"
    return named, unclear


def _worded(columns: Sequence[str]) -> dict[str, Named]:
    """Return columns whose names are the questions of an instrument, all of them in their order."""
    named: dict[str, Named] = {}
    for instrument in sorted(
        INSTRUMENTS, key=lambda instrument: -len(instrument.items)
    ):  # a short form is part of a long
        count = len(instrument.items)
        for first in range(len(columns) - count + 1):
            block = columns[first : first + count]
            if " " not in block[0] or not named.keys().isdisjoint(block):
                continue
            if all(worded_as(instrument, n, c) for n, c in enumerate(block, 1)):
                named |= {column: item_of(instrument, n) for n, column in enumerate(block, 1)}
    return named


def _runs(columns: Sequence[str]) -> list[tuple[str, list[tuple[int, str]]]]:
    """Return columns that differ by a last number or letter alone and count without a gap, by what they share."""
    ends = []
    for column in columns:
        tokens = [token.casefold() for token in _TOKEN.findall(column)]
        last = tokens.pop() if len(tokens) > 1 else ""
        number = int(last) if last.isdecimal() and len(last) <= 2 else 0
        if len(last) == 1 and "a" <= last <= "z":
            number = ord(last) - ord("a") + 1
        if number:
            stem = [token for token in tokens if token not in ROLES["numbering"]] or tokens[-1:]
            ends.append(("".join(stem), last.isdecimal(), number, column))
    runs = []
    for (stem, _), group in groupby(sorted(ends), key=lambda end: end[:2]):
        run = [(number, column) for _, _, number, column in group]
        if len(run) > 2 and [number for number, _ in run] == list(range(1, len(run) + 1)):
            runs.append((stem, run))
    return runs
