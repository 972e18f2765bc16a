"""The page on security names tests that there are, and what each is seen to fail on."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "security.md").read_text()
ROWS = re.findall(r"^\| \[([\w/]+\.py)\]\(\.\./tests/\1\) \| ((?:[A-F]\d\d ?)+)\| (.*?) ?\|$", PAGE, re.MULTILINE)
#: Of the plan: how many attacks each section has.
SECTIONS = {"A": 18, "B": 11, "C": 16, "D": 16, "E": 13, "F": 11}


def held(text: str) -> set[str]:
    """Ids that tests carry: in a test's name, or in what it says of itself."""
    named = re.findall(r"def test((?:_[a-f]\d\d|_to)+)_", text)
    said = re.findall(r'"""(.*?)"""', text, re.DOTALL) + re.findall(r'found\[f?"(A\d\d)', text)
    return set(re.findall(r"[A-F]\d\d", " ".join((*named, *said)).upper()))


def flaws(text: str) -> list[tuple[str, ...]]:
    """What tests with the mark ``weak`` weaken, each with the ids of the attacks that must succeed then."""
    tests = [
        one for one in ast.walk(ast.parse(text)) if isinstance(one, ast.FunctionDef) and one.name.startswith("test_")
    ]
    marks = (mark for test in tests for mark in test.decorator_list if isinstance(mark, ast.Call))
    return [
        tuple(ast.literal_eval(argument) for argument in mark.args)
        for mark in marks
        if ast.unparse(mark.func) == "pytest.mark.weak"
    ]


def in_words(text: str) -> str:
    """The same for the page."""
    return "; ".join(f"{flaw} ({' '.join(ids)})" for flaw, *ids in flaws(text))


@pytest.mark.parametrize(("file", "ids", "weak"), ROWS)
def test_every_attack_that_the_page_names_is_in_its_file_with_what_it_fails_on(file: str, ids: str, weak: str) -> None:
    text = (ROOT / "tests" / file).read_text()
    assert set(ids.split()) - held(text) == set()
    assert weak == in_words(text)


def test_the_page_leaves_no_attack_out_unsaid() -> None:
    """Each is tried, and each is tried where it succeeds, but for those that the page says are not among them."""
    named = {one for _, ids, _ in ROWS for one in ids.split()}
    weakened = {one for file, _, _ in ROWS for _, *ids in flaws((ROOT / "tests" / file).read_text()) for one in ids}
    left_out = set(re.findall(r"[A-F]\d\d", PAGE.partition("Not among them")[2]))
    planned = {f"{section}{number:02d}" for section, most in SECTIONS.items() for number in range(1, most + 1)}
    assert len(ROWS) > 15
    assert planned - named - left_out == set()
    assert planned - weakened - left_out == set()
    assert held('def test_x() -> None:\n    """Nothing."""') == set()
    assert flaws("@pytest.mark.weak('x', 'A01')\ndef other(): ...\ndef test_x(): ...") == []
