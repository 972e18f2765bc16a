"""Directions in words, "take 1 tablet by mouth twice daily": amount and hours between doses, English and German.

Every word must be understood; of directions with any other word, two amounts or two rhythms nothing is read.
"""

import re
from collections.abc import Callable
from typing import NamedTuple

_NUMBERS = {
    "half": 0.5, "½": 0.5, "halbe": 0.5, "a": 1, "an": 1, "one": 1, "once": 1, "einmal": 1, "eine": 1, "ein": 1,
    "two": 2, "twice": 2, "zweimal": 2, "zwei": 2, "three": 3, "dreimal": 3, "drei": 3, "four": 4, "viermal": 4,
    "vier": 4,
}  # fmt: skip
_NUMBER = (
    r"(?:\d{1,5}(?:[.,]\d{1,3})?(?![\d.,]*\d)"
    rf"|(?:{'|'.join(sorted(_NUMBERS, key=len, reverse=True))})(?![a-zäöüß]))"
)
_TO = rf"(?:\s*(?:-|–|to|bis|or|oder)\s*(?P<high>{_NUMBER}))?"
_AMOUNT = re.compile(
    rf"(?<![\w.,-])(?P<low>{_NUMBER}){_TO}(?:\s+a)?\s*"
    r"(?P<unit>mg|mcg|µg|ug|g|ml|tablet(?:ten?|s)?|tabs?|tbl|capsules?|caps?|kapseln?|pills?|patch(?:es)?|stück)(?!\w)(?!/(?!day|d\b|tag))"
)
# 1,000 is a thousand to some and one to others.
_THOUSANDS = re.compile(r"(?<![\d.,])[1-9]\d{0,2}[.,]\d{3}(?!\d)")
_SCHEME = re.compile(r"(?<![\d.,-])([\d½])-([\d½])-([\d½])(?:-([\d½]))?(?![\d-])")
_HOURS = {"h": 1.0, "s": 1.0, "d": 24.0, "t": 24.0, "w": 168.0}
#: Times a day of the abbreviations that prescribers write; HL7's GTSAbbreviation codes are among them.
TIMES = {
    "qd": 1, "od": 1, "am": 1, "pm": 1, "bed": 1, "qam": 1, "qpm": 1, "qhs": 1, "hs": 1, "bid": 2, "bd": 2, "tid": 3,
    "tds": 3, "qid": 4, "qds": 4, "qod": 0.5, "wk": 1 / 7, "mo": 1 / 30.4375,
}  # fmt: skip
_EVERY_CODE = re.compile(r"q(\d{1,2})h")


class Directions(NamedTuple):
    """Amount of one dose with its unit, and hours between doses; ``None`` where the words do not say it."""

    amount: float | None
    unit: str
    hours: float | None


def hours_of_code(code: str) -> float | None:
    """Return hours between doses of an abbreviation such as ``BID`` or ``Q8H``; ``None`` for any other."""
    plain = code.strip().casefold().replace(".", "")
    every = _EVERY_CODE.fullmatch(plain)
    if every is not None:
        return float(every[1]) or None
    return 24 / TIMES[plain] if plain in TIMES else None


def read_directions(text: str) -> Directions | None:
    """Return what directions say; ``None`` unless every word of them is understood."""
    rest = re.sub(r"\b([a-z])\.(?=[a-z]\b)\.?", r"\1", " ".join(text.casefold().split()))
    if not rest or len(rest) > _MOST_TEXT or _THOUSANDS.search(rest):
        return None
    pieces: list[float] = []
    amounts: list[tuple[float, str]] = []
    rhythms: list[float] = []
    rest = _take(_SCHEME, rest, lambda m: pieces.append(sum(_number(part) for part in m.groups() if part)))
    rest = _take(_AMOUNT, rest, lambda m: amounts.append((_number(m["high"] or m["low"]), m["unit"])))
    for pattern, hours in _RHYTHMS:
        rhythms += map(hours, pattern.finditer(rest))
        rest = pattern.sub(" ", rest)
    times: list[str] = []
    rest = _take(_TIME, rest, lambda m: times.append(m[0]))
    if times and (not rhythms or len(times) > 1):  # "at night" alone is once a day, beside "twice daily" it says when
        rhythms.append(24.0 / len(times))
    if pieces and not amounts and not rhythms:  # 1-0-1: pieces in the morning, at noon, in the evening
        amounts, rhythms = [(pieces.pop(), "tablet")], [24.0]
        rest = _take(_PIECES, rest, lambda _: None)
    is_understood = all(word in _IDLE for word in re.split(r"[\s.,;:()/-]+", rest) if word)
    if pieces or not is_understood or len(amounts) > 1 or len(set(rhythms)) > 1 or not (amounts or rhythms):
        return None
    amount, unit = amounts[0] if amounts else (None, "")
    return Directions(amount, unit, rhythms[0] if rhythms else None) if 0.0 not in (amount, *rhythms) else None


def _take(pattern: re.Pattern[str], text: str, use: Callable[[re.Match[str]], object]) -> str:
    """Use each match of a pattern, and return the text without them."""

    def taken(match: re.Match[str]) -> str:
        use(match)
        return " "

    return pattern.sub(taken, text)


def _number(text: str) -> float:
    return _NUMBERS[text] if text in _NUMBERS else float(text.replace(",", "."))


def _between(match: re.Match[str]) -> float:
    return _number(match["low"] or "1") * _HOURS[match["unit"][0]]


def _times(match: re.Match[str]) -> float:
    times = _number(match["high"] or match["low"])
    return (168.0 if match["per"][0] == "w" else 24.0) / times if times else 0.0


_RHYTHMS: tuple[tuple[re.Pattern[str], Callable[[re.Match[str]], float]], ...] = (
    (re.compile(r"every other day|on alternate days|jeden zweiten tag"), lambda _: 48.0),
    (
        re.compile(
            rf"\b(?:every|each|alle|jeden|jede|q)\s*(?P<low>{_NUMBER})?{_TO}\s*-?"
            r"(?P<unit>hours?|hrs?|h|stunden|days?|tage?|weeks?|wochen?)\b"
        ),
        _between,
    ),
    (
        re.compile(
            rf"(?<![\w.,-])(?P<low>{_NUMBER}){_TO}\s*(?:x|times|mal)?\s*(?:(?:a|an|per|each|every|am|pro)\s+|/\s*)?"
            r"(?P<per>daily|day|d|täglich|tgl\.?|tag|weekly|week|wöchentlich|woche)(?!\w)"
        ),
        _times,
    ),
    (re.compile(rf"\b(?:{'|'.join(sorted(TIMES, key=len, reverse=True))})\b"), lambda m: 24 / TIMES[m[0]]),
    (re.compile(r"\b(?:weekly|wöchentlich)\b"), lambda _: 168.0),
    (re.compile(r"\b(?:monthly|once a month|monatlich)\b"), lambda _: 730.5),
    (re.compile(r"(?:\b|/)(?:daily|day|täglich|tag)\b"), lambda _: 24.0),
)
#: When in the day.
_TIME = re.compile(
    r"\b(?:nightly|(?:every|each|in the) (?:morning|evening)|(?:every|at) night|(?:at|before) bedtime"
    r"|jeden (?:morgen|abend)|morgens|abends|zur nacht)\b"
)
_PIECES = re.compile(r"\b(?:tablet(?:ten?|s)?|capsules?|kapseln?|stück|tbl)\b")
_IDLE = frozenset({
    "take", "give", "use", "apply", "swallow", "inject", "injection", "im", "iv", "sc", "intramuscularly", "by",
    "mouth", "po", "oral", "orally", "via", "route", "with", "without", "food", "meal", "meals", "water", "the", "and",
    "as", "needed", "prn", "if", "necessary", "required", "for", "pain", "anxiety", "sleep", "insomnia", "depression",
    "nausea", "mood", "bei", "bedarf", "einnehmen", "nehmen", "zu", "den", "mahlzeiten", "mit",
})  # fmt: skip
_MOST_TEXT = 400
