"""A name says what a value is: variables, parameters and fields have no name that only says how a value was come by."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import novamind

SOURCES = Path(novamind.__file__).parent
AVOIDED = {"told", "said", "found", "known", "given", "stated", "held", "one", "its", "they"}
#: A key of stored model archives, written from the field of its name.
STORED = {("populations/generation/rules.py", "given")}


def names(source: str) -> Iterator[tuple[int, str]]:
    """Line and name of every variable, parameter and field."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.lineno, node.id
        elif isinstance(node, ast.arg):
            yield node.lineno, node.arg
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield node.lineno, node.attr.removeprefix("_")


@pytest.mark.parametrize("path", sorted(SOURCES.rglob("*.py")), ids=lambda path: path.relative_to(SOURCES).as_posix())
def test_names_are_nouns_of_what_a_value_is(path: Path) -> None:
    file = path.relative_to(SOURCES).as_posix()
    found = [(line, name) for line, name in names(path.read_text("utf-8")) if name in AVOIDED]
    assert [(line, name) for line, name in found if (file, name) not in STORED] == []


def test_variables_parameters_fields_and_attributes_are_seen() -> None:
    source = "a = 1\ndef f(b, *, c): ...\nclass D:\n    e: int\n    def g(self): self._h = [i for i in a]"
    assert {name for _, name in names(source)} == {"a", "b", "c", "e", "self", "h", "i"}
