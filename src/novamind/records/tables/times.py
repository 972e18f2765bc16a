"""Times of a column, by a declared form or by the only form that fits all of its rows.

A form is ISO 8601, day or month first (with dots, slashes or dashes, or a month's name), seconds or milliseconds since
1970, or the day numbers of Excel. Between day first and month first nothing is guessed: a number above 12 has to
settle it for the whole column, and all rows must be written alike. A column in which a spreadsheet program turned some
days round shows as a mixture of two ways of writing; it is refused, declared or not.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone
from itertools import pairwise
from typing import Final, Literal
from zoneinfo import ZoneInfo

from novamind.errors import ValidationError
from novamind.records.tables.day_halves import in_english

DateForm = Literal["iso", "de", "us", "uk", "epoch", "epoch-ms", "excel"]
DATE_FORMS: Final[tuple[DateForm, ...]] = ("iso", "de", "us", "uk", "epoch", "epoch-ms", "excel")

#: Names of months, by their first letters: English, German, French, Spanish, Dutch.
_MONTHS: Final = {
    name: number
    for number, names in enumerate(
        (
            "jan ene", "feb fev fév", "mar mär mrz maa", "apr avr abr", "may mai mei mayo", "jun juin", "jul juil",
            "aug aoû ago", "sep set", "oct okt", "nov", "dec dez dic déc",
        ),
        1,
    )
    for name in names.split()
}  # fmt: skip
_CLOCK: Final = (
    r"(?:(?P<hour>\d{1,2})[:.h](?P<minute>\d{2})(?:[:.](?P<second>\d{2})(?:[.,](?P<fraction>\d{1,9}))?)?"
    r"\s?(?P<half>[AaPp]\.?\s?[Mm]\.?)?(?:\s?(?:Uhr|h))?)"
)
_ZONE: Final = r"(?:\s?(?P<zone>[Zz]|UTC|GMT|[+-]\d{2}:?\d{2}|[+-]\d{2}))?"
_BEHIND: Final = rf"(?:(?:[T ,]|,\s)\s?{_CLOCK}{_ZONE})?"
_ISO: Final = re.compile(rf"(?P<year>\d{{4}})([-/.]?)(?P<month>\d{{2}})\2(?P<day>\d{{2}}){_BEHIND}")
_NUMBERS: Final = re.compile(
    rf"(?P<a>\d{{1,2}})(?P<mark>[./-])(?P<b>\d{{1,2}})(?P=mark)(?P<year>\d{{4}}|\d{{2}}){_BEHIND}"
)
_NAMED: Final = re.compile(
    r"(?:\w{2,10}\.?,\s)?"
    r"(?:(?P<day>\d{1,2})(?:\.|st|nd|rd|th)?[ -](?P<month>[^\W\d]{3,10})\.?"
    r"|(?P<month2>[^\W\d]{3,10})\.?[ -](?P<day2>\d{1,2})(?:st|nd|rd|th)?)"
    rf",?[ -](?P<year>\d{{4}}){_BEHIND}"
)
_TIME: Final = re.compile(_CLOCK)
_WHOLE: Final = re.compile(r"\d{1,19}(?:\.\d{1,9}|[.,]0+)?")
_EPOCH: Final = datetime(1970, 1, 1)  # noqa: DTZ001 - the clock is UTC where the column counts seconds
_EXCEL: Final = datetime(1899, 12, 30)  # noqa: DTZ001 - wall clock; Excel counts from here (29 Feb 1900 included)
_HOW: Final = "declare the form of the dates: --dates de (31.12.2025), uk (31/12/2025) or us (12/31/2025)"

Moment = tuple[datetime, timedelta | None]


@dataclass(frozen=True, slots=True)
class ColumnTimes:
    """Moments of a column.

    Attributes
    ----------
    moments
        Wall clock and its offset to UTC (``None`` where the cell has none); ``None`` where a cell is empty or no time.
    unreadable
        Positions of cells that hold something else.
    form
        What was understood, in words.
    """

    moments: tuple[Moment | None, ...]
    unreadable: tuple[int, ...]
    form: str


def parse_column(cells: Sequence[str | None], column: str, form: str | None = None) -> ColumnTimes:
    """Return the times of a column; ``form`` is one of :data:`DATE_FORMS` or, where not given, found.

    Raises
    ------
    ValidationError
        No form fits most of the rows, or two do; the message says how to declare it.
    """
    texts = [None if cell is None else _spaced(cell) for cell in cells]
    filled = [text for text in texts if text is not None]
    if form is not None and form not in DATE_FORMS:
        raise ValidationError(f"no form of dates of that name: choose from {', '.join(DATE_FORMS)}")
    chosen = form or _form_of(filled, column)
    _refuse_turned_days(filled, chosen, column)
    read, words = _READERS[chosen]
    moments = tuple(None if text is None else read(text) for text in texts)
    wrong = [text for text, moment in zip(texts, moments, strict=True) if text and not moment]
    if chosen == "iso" and any((match := _NUMBERS.fullmatch(text)) and match["mark"] != "." for text in wrong):
        raise ValidationError(
            f"column '{column}': some days are written with the year first and some with slashes, as after a "
            "spreadsheet program read a part of them, perhaps turned round: export the file again, or write ISO dates"
        )
    unreadable = tuple(i for i, (text, moment) in enumerate(zip(texts, moments, strict=True)) if text and not moment)
    if filled and len(unreadable) * 2 > len(filled):
        raise ValidationError(f"column '{column}': most rows are not {words}; {_HOW}, iso, epoch, epoch-ms or excel")
    return ColumnTimes(moments, unreadable, words)


def looks_like_times(cells: Sequence[str | None]) -> bool:
    """Return whether most cells of a column are times in some form (day numbers and seconds excepted)."""
    filled = [_spaced(cell) for cell in cells if cell is not None][:200]
    hits = sum(any(pattern.fullmatch(text) for pattern in (_ISO, _NUMBERS, _NAMED)) for text in filled)
    return bool(filled) and hits * 2 > len(filled) and not all(text.isdecimal() for text in filled)


def parse_clock(text: str | None) -> timedelta | None:
    """Return a time of day (``08:30``, ``8:30 PM``, ``8.30 Uhr``) as the time since midnight."""
    match = _TIME.fullmatch(_spaced(text)) if text else None
    return None if match is None else _clock(match)


def _spaced(text: str) -> str:
    """Return a text with plain spaces, and ``PM`` in English: Apple and Excel write narrow and fixed ones before it."""
    return in_english(" ".join(text.split()))


def _form_of(texts: Sequence[str], column: str) -> str:
    if not texts:
        return "iso"
    if _most(texts, lambda text: _ISO.fullmatch(text) is not None and not _seconds(text)):
        return "iso"
    if _most(texts, lambda text: _NAMED.fullmatch(text) is not None):
        return "named"
    numbers = [match for text in texts if (match := _NUMBERS.fullmatch(text))]
    if len(numbers) * 2 > len(texts):
        return _order(numbers, column)
    seconds = {_seconds(text) for text in texts}
    if len(seconds - {None}) == 1 and _most(texts, lambda text: _seconds(text) is not None):
        return str((seconds - {None}).pop())
    if _most(texts, lambda text: _WHOLE.fullmatch(text) is not None):
        raise ValidationError(
            f"column '{column}': holds numbers that could be days or seconds: declare --dates epoch, epoch-ms or excel"
        )
    raise ValidationError(f"column '{column}': most rows are no dates in a form that is read; {_HOW}")


def _most(texts: Sequence[str], test: Callable[[str], bool]) -> bool:
    return sum(map(test, texts)) * 2 > len(texts)


def _order(numbers: Sequence[re.Match[str]], column: str) -> str:
    """Return who stands first, the day or the month, where a number above 12 settles it."""
    day_first = any(int(match["a"]) > 12 for match in numbers)
    month_first = any(int(match["b"]) > 12 for match in numbers)
    if day_first and month_first:
        raise ValidationError(
            f"column '{column}': the day stands first in some rows and second in others, as after a spreadsheet "
            "program changed them: export the file again"
        )
    if not (day_first or month_first):
        raise ValidationError(f"column '{column}': no row settles whether the day or the month stands first; {_HOW}")
    if any(len(match["year"]) == 2 for match in numbers):
        raise ValidationError(f"column '{column}': years have two digits, so the order is not sure; {_HOW}")
    return "us" if month_first else "de" if numbers[0]["mark"] == "." else "uk"


def _refuse_turned_days(texts: Sequence[str], form: str, column: str) -> None:
    """Refuse days with slashes or dashes that are written in two ways.

    A spreadsheet program of another country reads 4/12/2016 as 4 December and writes it back in its own way, but
    leaves 4/13/2016 alone.
    """
    if form not in ("us", "uk", "de"):
        return
    numbers = [match for text in texts if (match := _NUMBERS.fullmatch(text)) and match["mark"] != "."]
    padded = any(match[part].startswith("0") for match in numbers for part in "ab")
    bare = any(len(match[part]) == 1 for match in numbers for part in "ab")
    seconds = {match["second"] is None for match in numbers if match["hour"]}
    if (padded and bare) or len(seconds) > 1:
        raise ValidationError(
            f"column '{column}': days are written in two ways (with and without a leading zero or seconds), as after a "
            "spreadsheet program turned some of them round: export the file again, or write ISO dates"
        )


def _iso(text: str) -> Moment | None:
    match = _ISO.fullmatch(text)
    return match and _moment(match, int(match["year"]), int(match["month"]), int(match["day"]))


def _day_first(text: str) -> Moment | None:
    match = _NUMBERS.fullmatch(text)
    return (match and _moment(match, _year(match), int(match["b"]), int(match["a"]))) or _iso_or_named(text)


def _month_first(text: str) -> Moment | None:
    match = _NUMBERS.fullmatch(text)
    return (match and _moment(match, _year(match), int(match["a"]), int(match["b"]))) or _iso_or_named(text)


def _iso_or_named(text: str) -> Moment | None:
    return (_iso(text) if "-" in text[:5] else None) or _named(text)


def _named(text: str) -> Moment | None:
    match = _NAMED.fullmatch(text)
    if match is None:
        return None
    month = (match["month"] or match["month2"]).casefold()
    number = _MONTHS.get(month[:4]) or _MONTHS.get(month[:3])
    return number and _moment(match, int(match["year"]), number, int(match["day"] or match["day2"]))  # type: ignore[return-value]


def _year(match: re.Match[str]) -> int:
    return int(match["year"]) + (2000 if len(match["year"]) == 2 else 0)


def _moment(match: re.Match[str], year: int, month: int, day: int) -> Moment | None:
    try:
        local = datetime(year, month, day)  # noqa: DTZ001 - wall clock; its offset stands beside it
    except ValueError:
        return None
    if not match["hour"]:
        return local, None
    clock = _clock(match)
    offset = _offset(match["zone"])
    return None if clock is None else (local + clock, offset)


def _clock(match: re.Match[str]) -> timedelta | None:
    hour, minute, second = int(match["hour"]), int(match["minute"]), int(match["second"] or 0)
    half = (match["half"] or "").casefold()[:1]
    if half:
        if not 1 <= hour <= 12:
            return None
        hour = hour % 12 + (12 if half == "p" else 0)
    if hour > 23 or minute > 59 or second > 59:
        return None
    microseconds = int((match["fraction"] or "0").ljust(6, "0")[:6])
    return timedelta(hours=hour, minutes=minute, seconds=second, microseconds=microseconds)


def _offset(text: str | None) -> timedelta | None:
    if text is None:
        return None
    if text.upper() in ("Z", "UTC", "GMT"):
        return timedelta(0)
    hours, minutes = int(text[1:3]), int(text.replace(":", "")[3:] or 0)
    return (-1 if text[0] == "-" else 1) * timedelta(hours=hours, minutes=minutes)


def _seconds(text: str) -> str | None:
    """Return which count since 1970 a number can be; it lies between 2001 and 2100 in one of them only."""
    if not _WHOLE.fullmatch(text):
        return None
    number = float(text.replace(",", "."))
    return next((form for form, scale in _COUNTS.items() if 1e9 <= number * scale / 1e6 < 4.2e9), None)


#: Counts since 1970: microseconds in one.
_COUNTS: Final = {"epoch": 1e6, "epoch-ms": 1e3, "epoch-us": 1.0, "epoch-ns": 1e-3}


def _since(text: str, scale: float) -> Moment | None:
    if not _WHOLE.fullmatch(text):
        return None
    try:
        return _EPOCH + timedelta(microseconds=round(float(text.replace(",", ".")) * scale)), timedelta(0)
    except OverflowError:
        return None


def _excel(text: str) -> Moment | None:
    if not _WHOLE.fullmatch(text) or not 1 <= float(text.replace(",", ".")) < 100_000:
        return None
    return _EXCEL + timedelta(seconds=round(float(text.replace(",", ".")) * 86_400)), None


_READERS: Final[dict[str, tuple[Callable[[str], Moment | None], str]]] = {
    "iso": (_iso, "ISO 8601 (2025-12-31)"),
    "named": (_named, "days with the name of the month"),
    "de": (_day_first, "day first (31.12.2025)"),
    "uk": (_day_first, "day first (31/12/2025)"),
    "us": (_month_first, "month first (12/31/2025)"),
    "epoch": (lambda text: _since(text, 1e6), "seconds since 1970 (UTC)"),
    "epoch-ms": (lambda text: _since(text, 1e3), "milliseconds since 1970 (UTC)"),
    "epoch-us": (lambda text: _since(text, 1.0), "microseconds since 1970 (UTC)"),
    "epoch-ns": (lambda text: _since(text, 1e-3), "nanoseconds since 1970 (UTC)"),
    "excel": (_excel, "day numbers of Excel"),
}


def on_clock(
    moments: Sequence[Moment | None], zone: ZoneInfo | None, groups: Sequence[object], today: date | None = None
) -> tuple[list[Moment | None], dict[int, str], int]:
    """Return moments on one clock, what is wrong with some of them, and how many spring skips.

    Parameters
    ----------
    zone
        The clock that the person lives by: aware moments are brought to it, others are read by it. A local time that
        autumn repeats is its second pass once the same group has had it, or a later one, before.
    groups
        Whose moments stand in an order: one a row.
    today
        No moment is later than its end; the present where not given.
    """
    now = datetime.now(UTC)
    placed: list[Moment | None] = [None] * len(moments)
    wrong: dict[int, str] = {}
    last_pass: dict[object, datetime] = {}
    skipped = 0
    for i in _in_time_order(moments):
        moment, group = moments[i], groups[i]
        if moment is not None and zone is not None:
            local, offset = moment
            if offset is None:
                first, second = (local.replace(tzinfo=zone, fold=fold).utcoffset() for fold in (0, 1))
                assert first is not None and second is not None  # noqa: PT018, S101 - a zone knows its offset
                if first > second:  # autumn repeats this time
                    before = last_pass.get(group)
                    offset = second if before is not None and local <= before < local + timedelta(hours=2) else first
                    last_pass[group] = local if before is None else max(before, local)
                else:
                    offset = first
                    if first < second:  # spring skips it: PEP 495 moves it forward
                        skipped += 1
                        local, offset = local + (second - first), second
            else:
                aware = (local - offset).replace(tzinfo=UTC).astimezone(zone)
                local, offset = aware.replace(tzinfo=None), aware.utcoffset()
            moment = local, offset
        if moment is not None:
            local, offset = moment
            if local.year < 1900:
                wrong[i], moment = "its time lies before 1900", None
            elif local.date() > (today or _day(now, offset)):
                wrong[i], moment = "its time lies in the future", None
        placed[i] = moment
    return placed, wrong, skipped


def _day(now: datetime, offset: timedelta | None) -> date:
    """Return the present day on a clock; of an unknown clock that of this machine."""
    return (now.astimezone() if offset is None else now + offset).date()


def _in_time_order(moments: Sequence[Moment | None]) -> Sequence[int]:
    """Return the positions, from the end where the file begins with the newest row."""
    days = [moment[0] for moment in moments if moment is not None]
    steps = [(after > before) - (after < before) for before, after in pairwise(days)]
    positions = range(len(moments))
    return positions[::-1] if sum(steps) < 0 else positions


def utc_offset_text(offset: timedelta) -> str:
    """Return an offset as ``+01:00``."""
    return f"{timezone(offset).tzname(None)}".removeprefix("UTC") or "+00:00"
