"""The instruments whose items are scored, read from two tables: ``instruments.csv`` and ``answers.csv``.

The tables name their sources. A code stands there only where it is certain: LOINC (Regenstrief Institute) of panels,
totals, items and answers, SNOMED CT of totals.
"""

import csv
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.resources import files
from typing import NamedTuple

from novamind.errors import NotFoundError


@dataclass(frozen=True, slots=True)
class Item:
    """One item: its number from 1, the scores that an answer can have, its LOINC code, its lists of answers."""

    number: int
    scores: tuple[int, ...]
    loinc: str = ""
    answers: tuple[str, ...] = ()

    @property
    def lowest(self) -> int:
        """Return the smallest score."""
        return min(self.scores)

    @property
    def highest(self) -> int:
        """Return the largest score."""
        return max(self.scores)


@dataclass(frozen=True, slots=True)
class Skip:
    """Items that a form leaves out once its ``asked`` items sum to ``total``: they have their lowest score."""

    asked: tuple[int, ...]
    total: int
    left_out: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Instrument:
    """A questionnaire or rating of items.

    Parameters
    ----------
    factor
        What the sum is multiplied by; 0 where no total was published.
    domains
        Numbers of the items of which only the highest counts, a tuple a domain; one item each where none is published.
    prorated
        How many items may be missing for the published prorating.
    optional
        Alternatives: of each tuple one item is enough, and an item alone in its tuple need not be answered.
    flags
        What an answer above its lowest score means, by item.
    panel, total
        LOINC codes; empty where unknown.
    """

    name: str
    aliases: tuple[str, ...]
    items: tuple[Item, ...]
    factor: int
    domains: tuple[tuple[int, ...], ...]
    prorated: int
    skips: tuple[Skip, ...]
    optional: tuple[tuple[int, ...], ...]
    subscales: Mapping[str, tuple[int, ...]]
    flags: Mapping[int, str]
    panel: str
    total: str
    snomed: str
    source: str

    @property
    def lowest(self) -> int:
        """Return the smallest total."""
        return self.factor * sum(max(self.item(i).lowest for i in domain) for domain in self.domains)

    @property
    def highest(self) -> int:
        """Return the largest total."""
        return self.factor * sum(max(self.item(i).highest for i in domain) for domain in self.domains)

    def item(self, number: int) -> Item:
        """Return an item by its number, from 1."""
        return self.items[number - 1]

    def item_name(self, number: int) -> str:
        """Return the name of the series of an item."""
        return f"{self.name} item {number}"


class Measure(NamedTuple):
    """What a code or a series stands for: an item of an instrument, or its total where ``number`` is ``None``."""

    instrument: Instrument
    number: int | None

    @property
    def name(self) -> str:
        """Return the name of the series."""
        return self.instrument.name if self.number is None else self.instrument.item_name(self.number)

    @property
    def item(self) -> Item | None:
        """Return the item; ``None`` for a total."""
        return None if self.number is None else self.instrument.item(self.number)

    @property
    def scale(self) -> str:
        """Return the scale in words."""
        ends = self.item or self.instrument
        return f"{ends.lowest} to {ends.highest}"

    def allows(self, value: float) -> bool:
        """Return whether a value can be a score of this."""
        if self.item is not None:
            return value in self.item.scores
        form = self.instrument
        return form.lowest <= value <= form.highest and form.factor > 0 and value % form.factor == 0


def measures(code: str) -> tuple[Measure, ...]:
    """Return what a LOINC or SNOMED CT code stands for; of several instruments that share an item the longest first.

    The code of a panel stands for the total: some systems report it so.
    """
    return _by_code().get(code, ())


@lru_cache(512)  # it is asked for each report of a record that goes out
def code_of(series: str) -> str:
    """Return the LOINC code of a series, where the code means this series before all others; empty without one."""
    return next((code for code, (first, *_) in _by_code().items() if first.name == series and "-" in code), "")


def plain(text: str) -> str:
    """Return the letters and digits of a text in lower case: ``PHQ-9`` and ``phq_9`` are the same."""
    return "".join(letter for letter in text.casefold() if letter.isalnum())


def find(name: str) -> Instrument:
    """Return an instrument by its name or an alias, whatever the case and the punctuation.

    Raises
    ------
    NotFoundError
        There is none; the message names all.
    """
    for instrument in INSTRUMENTS:
        if plain(name) in {plain(spelling) for spelling in (instrument.name, *instrument.aliases)}:
            return instrument
    raise NotFoundError(f"no items are known of this instrument; known are {', '.join(i.name for i in INSTRUMENTS)}")


def answer_by_code(item: Item, code: str) -> int | None:
    """Return the score of a LOINC answer code for an item; ``None`` where the code is none of its answers."""
    return next((_lists()[name].codes[code] for name in item.answers if code in _lists()[name].codes), None)


def answer_by_text(item: Item, text: str) -> int | None:
    """Return the score of a published answer text (English, German, Spanish) for an item, else ``None``."""
    words = _words(text)
    numbered = _NUMBERED.fullmatch(words)
    for name in item.answers:
        texts = _lists()[name].texts
        if words in texts:
            return texts[words]
        if numbered and (score := texts.get(numbered["before"] or numbered["after"])) is not None:
            return score if score == int(numbered["first"] or numbered["last"]) else None
    return None


# An answer with its score before or behind it: "0 not at all", "not at all 0".
_NUMBERED = re.compile(r"(?P<first>\d) (?P<after>\D+)|(?P<before>\D+) (?P<last>\d)")


def _words(text: str) -> str:
    return " ".join(re.sub(r"[^\w\s-]|(?<!\w)-|-(?!\w)", " ", text.casefold()).split())


@lru_cache(4096)
def items_asked(text: str) -> frozenset[tuple[str, int]]:
    """Return instrument and number of all items that a question reads like, in English, German or Spanish."""
    folded = text[:_LONGEST_QUESTION].casefold()
    return frozenset(item for item, words in _wording().items() if words.search(folded))


_LONGEST_QUESTION = 1000


def worded_as(instrument: Instrument, number: int, text: str) -> bool | None:
    """Return whether a question reads like an item; ``None`` where we cannot tell."""
    if (instrument.name, number) not in _wording() or not text.strip():
        return None
    return (instrument.name, number) in items_asked(text)


@dataclass(frozen=True, slots=True)
class _Answers:
    codes: Mapping[str, int]
    texts: Mapping[str, int]


def _rows(table: str) -> list[dict[str, str]]:
    return list(csv.DictReader(files(__package__).joinpath(table).read_text("utf-8").splitlines()))


@cache
def _wording() -> dict[tuple[str, int], re.Pattern[str]]:
    """Return words of each item; a short form that shares the items of a long one shares their words."""
    rows = _rows("wording.csv")
    wording = {(row["instrument"], int(row["item"])): re.compile(rf"\b(?:{row['words'].casefold()})") for row in rows}
    by_code = {find(name).item(number).loinc: words for (name, number), words in wording.items()}
    for form in INSTRUMENTS:
        for item in form.items:
            if item.loinc in by_code and item.loinc:
                wording.setdefault((form.name, item.number), by_code[item.loinc])
    return wording


@cache
def _by_code() -> dict[str, tuple[Measure, ...]]:
    by_code: dict[str, list[Measure]] = {}
    for form in sorted(INSTRUMENTS, key=lambda form: -len(form.items)):
        # The total before the panel, so that it goes out under its own code.
        for code in (form.total, form.panel, form.snomed) if form.factor else ():
            by_code.setdefault(code, []).append(Measure(form, None))
        for item in form.items:
            by_code.setdefault(item.loinc, []).append(Measure(form, item.number))
    return {code: tuple(matches) for code, matches in by_code.items() if code}


@cache
def _lists() -> dict[str, _Answers]:
    rows = _rows("answers.csv")
    return {
        name: _Answers(
            {code: int(row["score"]) for row in rows if row["list"] == name for code in row["loinc"].split()},
            {
                text: int(row["score"])
                for row in rows
                if row["list"] == name
                for language in ("en", "de", "es")
                for text in row[language].split("|")
                if text
            },
        )
        for name in {row["list"] for row in rows}
    }


def _numbers(text: str) -> tuple[int, ...]:
    """Return the numbers of ``5`` or ``1-4``."""
    first, _, last = text.partition("-")
    return tuple(range(int(first), int(last or first) + 1))


def _scores(text: str) -> list[tuple[int, ...]]:
    """Return the scores of each item: ``0-3x2`` is two items of 0 to 3, ``0/2/4`` an item without odd scores."""
    items = []
    for part in text.split():
        scores, _, count = part.partition("x")
        allowed = tuple(map(int, scores.split("/"))) if "/" in scores else _numbers(scores)
        items += [allowed] * int(count or 1)
    return items


def _answers(text: str, number: int) -> tuple[str, ...]:
    """Return the lists of an item: ``a 3-4:b`` is list a for all items, and b as well for items 3 and 4."""
    lists = (part.rpartition(":") for part in text.split())
    return tuple(name for numbers, _, name in lists if not numbers or number in _numbers(numbers))


def _named(text: str) -> dict[str, str]:
    return dict(part.split(":", 1) for part in text.split(";") if part)


def _instrument(row: Mapping[str, str]) -> Instrument:
    codes = row["items"].split()
    items = tuple(
        Item(n, scores, codes[n - 1].strip("-") if codes else "", _answers(row["answers"], n))
        for n, scores in enumerate(_scores(row["ranges"]), 1)
    )
    skips = re.findall(r"([\d+]+)=(\d+)>([\d-]+)", row["skips"])
    return Instrument(
        name=row["name"],
        aliases=tuple(row["aliases"].split()),
        items=items,
        factor=int(row["factor"]),
        domains=tuple(map(_numbers, row["domains"].split())) or tuple((item.number,) for item in items),
        prorated=int(row["prorated"]),
        skips=tuple(
            Skip(tuple(map(int, asked.split("+"))), int(total), _numbers(left)) for asked, total, left in skips
        ),
        optional=tuple(tuple(map(int, part.split("|"))) for part in row["optional"].split()),
        subscales={name: _numbers(numbers) for name, numbers in _named(row["subscales"]).items()},
        flags={int(number): meaning for number, meaning in _named(row["flags"]).items()},
        panel=row["panel"],
        total=row["total"],
        snomed=row["snomed"],
        source=row["source"],
    )


INSTRUMENTS = tuple(map(_instrument, _rows("instruments.csv")))
