"""JSON without its traps: no NaN, no duplicate keys, no depth without end, UTF-8 only (RFC 8259, RFC 7493)."""

import json
import math
from typing import Any, Final

from novamind.errors import ValidationError

DEPTH: Final = 64


def check(body: bytes) -> None:
    """Refuse what two parsers could read in two ways.

    Raises
    ------
    ValidationError
        Naming the rule that is broken.
    """
    try:
        parsed = json.loads(
            body.decode("utf-8"), object_pairs_hook=_once, parse_constant=_constant, parse_float=_finite
        )
        if b"\\u" in body:
            json.dumps(parsed, ensure_ascii=False).encode()
    except RecursionError as error:
        raise ValidationError(f"JSON must not be nested deeper than {DEPTH}") from error
    except UnicodeError as error:
        raise ValidationError("JSON must be UTF-8 without half surrogate pairs") from error
    except ValidationError:
        raise
    except ValueError as error:
        raise ValidationError("the body is not JSON") from error
    if body.count(b"[") + body.count(b"{") > DEPTH:
        _refuse_depth(parsed)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    mapping = dict(pairs)
    if len(mapping) < len(pairs):
        raise ValidationError("JSON must not name a key twice")
    return mapping


def _constant(_text: str) -> float:
    raise ValidationError("JSON must not hold NaN or Infinity")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValidationError("a number is too large")
    return number


def _refuse_depth(parsed: Any) -> None:
    level, depth = [parsed], 0
    while level:
        depth += 1
        if depth > DEPTH:
            raise ValidationError(f"JSON must not be nested deeper than {DEPTH}")
        inside: list[Any] = []
        for value in level:
            if isinstance(value, dict):
                inside.extend(value.values())
            elif isinstance(value, list):
                inside.extend(value)
        level = [value for value in inside if isinstance(value, dict | list)]
