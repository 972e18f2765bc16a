"""Names of columns and links that say themselves which item they hold: ``phq9_1``, ``PHQ-9 item 1``, ``GAD7.3``."""

import re
from collections import defaultdict
from collections.abc import Iterable
from functools import cache, lru_cache
from typing import NamedTuple

from novamind.errors import NotFoundError, ValidationError
from novamind.records.instruments.domain import INSTRUMENTS, Measure, find

_WORD = r"(?P<word>item|question|frage|q|i|sq|nr|no)?"


class _Match(NamedTuple):
    instrument: str
    number: int
    sure: bool


def item_of(name: str) -> tuple[str, int] | None:
    """Return instrument and item number that a column's name says; ``None`` where it does not say both.

    The name is the instrument's, then a separator or a word such as ``item``, then the number, and nothing else:
    ``phq9_1``, ``phq_9_01``, ``PHQ9.1``, ``PHQ-9 item 1``, ``phq9q1``, ``PHQ9[SQ001]``, ``madrs_3``. Not an item are
    ``phq91``, a number that the instrument does not have (``phq9_10``), and what may be a name of the instrument
    itself (``audit10``, ``hamd_17``).
    """
    match = _match(name.strip()[:80])
    return (match.instrument, match.number) if match and match.sure else None


def measure_of(series: str) -> Measure:
    """Return what the name of a series stands for: ``PHQ-9 item 1`` an item, ``PHQ-9`` the total.

    Raises
    ------
    NotFoundError
        The name is neither.
    """
    item = item_of(series)
    return Measure(find(item[0]), item[1]) if item else Measure(find(series), None)


def range_of(name: str) -> tuple[float, float] | None:
    """Return the smallest and largest score of an instrument or one of its items; ``None`` where neither is known."""
    try:
        measure = measure_of(name)
    except NotFoundError:
        return None
    ends = measure.item or measure.instrument
    return (ends.lowest, ends.highest) if measure.item or measure.instrument.factor else None


def items_of(instrument: str, columns: Iterable[str]) -> dict[int, str]:
    """Return the columns of a table that hold items of an instrument, by item number.

    Columns such as ``madrs1`` to ``madrs10`` count where the whole set is there.

    Raises
    ------
    NotFoundError
        The items of this instrument are not known.
    ValidationError
        Two columns hold the same item.
    """
    form = find(instrument)
    numbered = item_columns(columns).get(form.name, [])
    by_number = dict(numbered)
    if len(by_number) < len(numbered):
        raise ValidationError(f"two columns hold one item of {form.name}; name those to use")
    return dict(sorted(by_number.items()))


def item_columns(columns: Iterable[str]) -> dict[str, list[tuple[int, str]]]:
    """Return number and column of all items whose names say what they are, by instrument; see :func:`items_of`."""
    matches: dict[str, list[tuple[_Match, str]]] = defaultdict(list)
    for column in columns:
        if match := _match(column.strip()[:80]):
            matches[match.instrument].append((match, column))
    numbered = {}
    for instrument, pairs in matches.items():
        complete = len({match.number for match, _ in pairs}) == len(find(instrument).items)
        numbered[instrument] = [(match.number, column) for match, column in pairs if match.sure or complete]
    return {instrument: pairs for instrument, pairs in numbered.items() if pairs}


@lru_cache(4096)
def _match(name: str) -> _Match | None:
    for pattern, instrument, count in _patterns() if _beginning().match(name) else ():
        match = pattern.fullmatch(name)
        if match and 1 <= int(match["number"]) <= count:
            number = int(match["number"])
            sure = bool(match["word"]) or match["name"][-1].isdigit() or (bool(match["gap"]) and number < count)
            return _Match(instrument, number, sure)
    return None


@cache
def _beginning() -> re.Pattern[str]:
    """Return how the names of all instruments begin: most names are sorted out by it."""
    letters = (re.match(r"[A-Za-z]+", spelling) for form in INSTRUMENTS for spelling in (form.name, *form.aliases))
    return re.compile("|".join(sorted({match[0] for match in letters if match})), re.IGNORECASE)


@cache
def _patterns() -> tuple[tuple[re.Pattern[str], str, int], ...]:
    """Return a pattern, the instrument and its number of items, for every spelling."""
    patterns = []
    for instrument in INSTRUMENTS:
        for spelling in (instrument.name, *instrument.aliases):
            name = r"[-_. ]?".join(re.findall(r"[A-Za-z]+|\d+", spelling))
            gap = rf"(?P<gap>[-_. \[(]{{0,3}}){_WORD}[-_. \[(]{{0,2}}"
            if spelling[-1].isdigit():
                gap = rf"(?=[^\d]){gap}"
            pattern = rf"(?P<name>{name}){gap}(?P<number>0{{0,2}}\d{{1,2}})[\])]?"
            patterns.append((re.compile(pattern, re.IGNORECASE), instrument.name, len(instrument.items)))
    return tuple(patterns)
