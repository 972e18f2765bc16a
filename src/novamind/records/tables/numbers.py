"""Numbers of a table: decimal point or comma, words and codes for a missing value.

A comma is decimal where it is declared, or where a file that is not separated by commas has one that cannot group
thousands. Words such as ``NA`` mean that no value was given. A number that stands for a missing value (999, -9) is
one only where it is declared; :func:`suspects` finds those that look like one.
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
_POINT: Final = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,2})?")
_COMMA: Final = re.compile(r"[+-]?(?:\d+,?\d*|,\d+)(?:[eE][+-]?\d{1,2})?")
_ANY_COMMA: Final = re.compile(r"[+-]?\d*,\d+")
_GROUPED: Final = re.compile(r"[+-]?\d{1,3},\d{3}")


def decimal_of(cells: Sequence[str], decimal: Decimal | None, *, comma_likely: bool) -> Decimal:
    """Return how the numbers of a file are written.

    Raises
    ------
    ValidationError
        It is not declared and a comma could be either.
    """
    if decimal is not None:
        if decimal not in ("point", "comma"):
            raise ValidationError("decimal must be point or comma")
        return decimal
    commas = [cell for cell in cells if _ANY_COMMA.fullmatch(cell)]
    if not commas:
        return "point"
    if all(_GROUPED.fullmatch(cell) for cell in commas):
        raise ValidationError(
            "values have a comma before three digits, which can group thousands or begin the decimals: declare "
            "--decimal comma or point"
        )
    if any("." in cell and _POINT.fullmatch(cell) for cell in cells) and not comma_likely:
        raise ValidationError("some values have a decimal comma and some a point: declare --decimal comma or point")
    return "comma"


def parse_number(text: str, decimal: Decimal) -> float | None:
    """Return the number of a cell; ``None`` where it is none or not finite."""
    plain = text.replace("\u2212", "-")
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
