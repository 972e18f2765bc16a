"""Numbers of a table: decimal point or comma, words and codes for a missing value.

A comma is decimal where it is declared, or where a file that is not separated by commas has one that cannot group
thousands. The other mark may group them: ``1.234,5``, ``1,234.5``, ``1'234.5``. A mark before three digits that may be
either is refused, until it is declared. Words such as ``NA`` mean that no value was given. A number that stands for a
missing value (999, -9) is one only where it is declared; :func:`suspects` finds those that look like one.
"""

import math
import re
from collections.abc import Collection, Sequence
from typing import Final, Literal

from novamind.errors import ValidationError

Decimal = Literal["point", "comma"]

#: Texts that say that there is no value, in lower case.
MISSING_WORDS: Final = frozenset({
    "na", "n/a", "#n/a", "n.a.", "nan", "null", "#null!", "none", "nil", "missing", "no data", "nodata", "no answer",
    "not answered", "not assessed", "not done", "-", "--", ".", "?", "k.a.", "ka", "keine angabe", "fehlt", "fehlend",
    "unbekannt", "unknown", "[not completed]", "skipped", "prefer not to answer", "refused", "#n/v", "#nv",
})  # fmt: skip
#: Numbers that surveys write for a missing value.
MISSING_CODES: Final = frozenset({-1.0, *(sign * n for n in (9, 88, 99, 777, 888, 999, 9999) for sign in (-1.0, 1.0)),
                                  -7.0, -8.0, -77.0, 77.0, 97.0, 98.0, 997.0, 998.0})  # fmt: skip
_EXPONENT: Final = r"(?:[eE][+-]?\d{1,2})?"
_POINT: Final = re.compile(rf"[+-]?(?:\d+\.?\d*|\.\d+){_EXPONENT}")
_COMMA: Final = re.compile(rf"[+-]?(?:\d+,?\d*|,\d+){_EXPONENT}")
_ANY_COMMA: Final = re.compile(r"[+-]?\d*,\d+")
#: Thousands in groups, by the mark of decimals; and one group alone, whose mark may be either.
_GROUPS: Final = {
    "point": re.compile(r"[+-]?[1-9]\d{0,2}(?P<mark>[, '\u2019\xa0\u202f])\d{3}(?:(?P=mark)\d{3})*(?:\.\d*)?"),
    "comma": re.compile(r"[+-]?[1-9]\d{0,2}(?P<mark>[. '\u2019\xa0\u202f])\d{3}(?:(?P=mark)\d{3})*(?:,\d*)?"),
}
_ONE_GROUP: Final = re.compile(r"[+-]?[1-9]\d{0,2}[.,]\d{3}")


def decimal_of(
    cells: Sequence[str], decimal: Decimal | None, *, typed: bool = False, perhaps_grouped: Sequence[str] = ()
) -> Decimal:
    """Return how the numbers of a file are written.

    Parameters
    ----------
    typed
        Whether numbers came as numbers: then their point says nothing of the texts beside them.
    perhaps_grouped
        The cells in which a point may group thousands.

    Raises
    ------
    ValidationError
        It is not declared and a mark could be either.
    """
    if decimal is not None:
        if decimal not in ("point", "comma"):
            raise ValidationError("decimal must be point or comma")
        return decimal
    sure = {mark for cell in cells if (mark := _mark_beside_groups(cell))}
    commas = [cell for cell in cells if _ANY_COMMA.fullmatch(cell)]
    points = [cell for cell in perhaps_grouped if "." in cell and _POINT.fullmatch(cell)]
    doubtful = commas or points
    if not sure and doubtful and all(map(_ONE_GROUP.fullmatch, doubtful)):
        mark = "comma" if commas else "point"
        raise ValidationError(
            f"values have a {mark} before three digits, which can group thousands or begin the decimals: declare "
            "--decimal comma or point"
        )
    has_commas = any(not _ONE_GROUP.fullmatch(cell) for cell in commas)
    if any("." in cell and _POINT.fullmatch(cell) and not _ONE_GROUP.fullmatch(cell) for cell in cells) and not typed:
        sure.add("point")
    if len(sure | ({"comma"} if has_commas else set())) > 1:
        raise ValidationError("some values have a decimal comma and some a point: declare --decimal comma or point")
    return "comma" if has_commas or sure == {"comma"} else "point"


def _mark_beside_groups(cell: str) -> Decimal | None:
    """Return the decimal mark of a number whose other mark can only group thousands: ``1.234,5``, ``1.234.567``."""
    marks: tuple[tuple[Decimal, str], ...] = (("comma", ","), ("point", "."))
    for decimal, mark in marks:
        groups = _GROUPS[decimal].fullmatch(cell)
        if groups and (mark in cell or (groups["mark"] in ".," and cell.count(groups["mark"]) > 1)):
            return decimal
    return None


def parse_number(text: str, decimal: Decimal) -> float | None:
    """Return the number of a cell; ``None`` where it is none or not finite."""
    plain = text.replace("\u2212", "-")
    if groups := _GROUPS[decimal].fullmatch(plain):
        plain = plain.replace(groups["mark"], "")
    if not (_COMMA if decimal == "comma" else _POINT).fullmatch(plain):
        return None
    number = float(plain.replace(",", "."))
    return number + 0.0 if math.isfinite(number) else None  # -0 is 0


def is_missing_word(text: str) -> bool:
    """Return whether a text says that there is no value."""
    return text.casefold() in MISSING_WORDS


def suspects(values: Sequence[float]) -> frozenset[float]:
    """Return the numbers of a series that look like codes for a missing value, far from all others."""
    codes = {value for value in values if value in MISSING_CODES}
    others = [abs(value) for value in values if value not in codes]
    largest = max(others, default=0.0)
    negative = any(value < 0 for value in values if value not in codes)
    return frozenset(
        code for code in codes if (code > 9 and code > 3 * largest > 0) or (code < 0 and not negative and others)
    )


def declared_codes(missing: Collection[str]) -> tuple[frozenset[str], frozenset[float]]:
    """Return the declared words, in lower case, and the declared numbers."""
    numbers = {text: parse_number(text, "point") for text in missing}
    return (
        frozenset(text.casefold() for text in missing),
        frozenset(number for number in numbers.values() if number is not None),
    )
