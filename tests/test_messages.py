"""One style for all errors: lower-case start, no full stop, one sentence with its parts joined by semicolons.

Every call of an error of ours in the sources is looked at, and every constant that such a call names.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import novamind.errors

SOURCES = Path(novamind.errors.__file__).parent
FAMILY = {name for name, kind in vars(novamind.errors).items() if isinstance(kind, type)} | {"FhirImportError"}
#: Names that are written with a capital letter wherever they stand.
PROPER = ("C-reactive", "DoWhy", "MLflow", "PostgreSQL", "PyTorch", "Ray")
#: Words of another way of speaking (docs: names).
AVOIDED = re.compile(r"\b(whoever|told|untold|choose of|in one way|farewell|nobody knows)\b", re.I)


def _text(node: ast.expr, constants: dict[str, ast.expr]) -> str | None:
    """A message, with ``{}`` for what is put in; ``None`` where it is made elsewhere."""
    if isinstance(node, ast.Name) and node.id in constants:
        return _text(constants[node.id], {})
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(str(v.value) if isinstance(v, ast.Constant) else "{}" for v in node.values)
    return None


def messages(source: str) -> Iterator[tuple[int, str]]:
    """Line and text of every message."""
    tree = ast.parse(source)
    constants: dict[str, ast.expr] = {}
    for node in tree.body:
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value is not None:
            constants[node.target.id] = node.value
        elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            constants[node.targets[0].id] = node.value
    for call in ast.walk(tree):
        if isinstance(call, ast.Call) and call.args:
            name = getattr(call.func, "id", getattr(call.func, "attr", ""))
            text = _text(call.args[0], constants) if name in FAMILY else None
            if text is not None:
                yield call.lineno, text


def faults(text: str) -> list[str]:
    """What is wrong with a message."""
    first = text.split(maxsplit=1)[0] if text.strip() else ""
    named = first.startswith(PROPER) or (not first[1:].islower() and len(first) > 1)  # an acronym, a gene, a unit
    found = []
    if first[:1].isupper() and not named:
        found.append("starts with a capital letter")
    if text.rstrip().endswith("."):
        found.append("ends with a full stop")
    if re.search(r"(?<!e\.g)(?<=[a-z0-9)'}])\. [A-Z{]", text):
        found.append("is more than one sentence")
    if AVOIDED.search(text):
        found.append("has a word to avoid")
    return found


@pytest.mark.parametrize("path", sorted(SOURCES.rglob("*.py")), ids=lambda path: path.relative_to(SOURCES).as_posix())
def test_messages_have_one_style(path: Path) -> None:
    found = [(line, text, faults(text)) for line, text in messages(path.read_text("utf-8"))]
    assert [one for one in found if one[2]] == []


def test_most_messages_are_seen() -> None:
    assert sum(len(list(messages(path.read_text("utf-8")))) for path in SOURCES.rglob("*.py")) > 550


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("the scale is empty; give two ends", []),
        ("The scale is empty", ["starts with a capital letter"]),
        ("A scale", ["starts with a capital letter"]),
        ("PostgreSQL needs an extra", []),
        ("CYP2D6 is given twice", []),
        ("the scale is empty.", ["ends with a full stop"]),
        ("the scale is empty. Give two ends", ["is more than one sentence"]),
        ("whoever asks", ["has a word to avoid"]),
        ("values of e.g. Europe/Berlin", []),
    ],
)
def test_faults_of_style_are_found(text: str, found: list[str]) -> None:
    assert faults(text) == found


def test_messages_in_calls_constants_and_formats_are_seen() -> None:
    source = (
        'A = "one"\nB: str = f"two {x}"\nValidationError(A)\nerrors.NotFoundError(B)\nValidationError(f"{y} three")'
    )
    assert list(messages(source)) == [(3, "one"), (4, "two {}"), (5, "{} three")]
