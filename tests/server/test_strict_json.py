"""JSON that two parsers could read in two ways is refused by the rule that it breaks; everything else is let in."""

import pytest

from novamind.errors import ValidationError
from novamind.server.strict_json import DEPTH, check

DEEP = "JSON must not be nested deeper than 64"


def nested(depth: int, form: str = "[]") -> bytes:
    """A body with so many levels of lists or objects."""
    begin, end = ("[", "]") if form == "[]" else ('{"a":', "}")
    inner = "" if form == "[]" else "1"
    return (begin * depth + inner + end * depth).encode()


@pytest.mark.parametrize(
    "body",
    [
        b"{}",
        b"[]",
        b"null",
        b'"text"',
        b'{"a": 1, "b": {"a": 2}}',
        '{"ä": "€"}'.encode(),
        b'"\\ud83d\\ude00"',  # a whole pair
        b"1e308",
        b"-1.5",
        nested(64),
        nested(64, "{}"),
        b"[" + b"[]," * 100 + b"[]]",  # many brackets, but not deep
        b'{"text": "' + b"[" * 100 + b'"}',
        b'"' + b"[" * 100 + b'"',
    ],
)
def test_plain_json_is_let_in(body: bytes) -> None:
    check(body)


@pytest.mark.parametrize(
    ("body", "rule"),
    [
        (nested(65), DEEP),
        (nested(65, "{}"), DEEP),
        (b'[{"a": ' * 33 + b"1" + b"}]" * 33, DEEP),
        (b"[" * 200_000, DEEP),  # deeper than the parser bears
        (b'{"a": 1, "a": 1}', "JSON must not name a key twice"),
        (b'[{"b": {"a": 1, "a": 2}}]', "JSON must not name a key twice"),
        (b"NaN", "JSON must not hold NaN or Infinity"),
        (b"[-Infinity]", "JSON must not hold NaN or Infinity"),
        (b"[Infinity]", "JSON must not hold NaN or Infinity"),
        (b"1e309", "a number is too large"),
        (b"[-1e999]", "a number is too large"),
        (b'"\xff"', "JSON must be UTF-8 without half surrogate pairs"),
        (b'"\\ud83d"', "JSON must be UTF-8 without half surrogate pairs"),
        (b"{", "the body is not JSON"),
        (b"", "the body is not JSON"),
        (b"1 2", "the body is not JSON"),
    ],
)
def test_each_trap_is_refused_by_its_rule(body: bytes, rule: str) -> None:
    with pytest.raises(ValidationError) as caught:
        check(body)
    assert str(caught.value) == rule
    assert DEPTH == 64
