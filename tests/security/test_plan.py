"""The page on security names tests that there are."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "security.md").read_text()
ROWS = re.findall(r"^\| \[([\w/]+\.py)\]\(\.\./tests/\1\) \| ((?:[A-F]\d\d ?)+)\|$", PAGE, re.MULTILINE)
#: Of the plan: how many attacks each section has.
SECTIONS = {"A": 18, "B": 11, "C": 16, "D": 16, "E": 13}


def held(text: str) -> set[str]:
    """Ids that tests carry: in a test's name, or in what it says of itself."""
    named = re.findall(r"def test((?:_[a-f]\d\d|_to)+)_", text)
    said = re.findall(r'"""(.*?)"""', text, re.DOTALL) + re.findall(r'found\[f?"(A\d\d)', text)
    return set(re.findall(r"[A-F]\d\d", " ".join((*named, *said)).upper()))


@pytest.mark.parametrize(("file", "ids"), ROWS)
def test_every_attack_that_the_page_names_is_in_its_file(file: str, ids: str) -> None:
    assert set(ids.split()) - held((ROOT / "tests" / file).read_text()) == set()


def test_the_page_leaves_no_attack_out_unsaid() -> None:
    named = {one for _, ids in ROWS for one in ids.split()}
    left_out = set(re.findall(r"[A-F]\d\d", PAGE.partition("Not among them")[2]))
    planned = {f"{section}{number:02d}" for section, most in SECTIONS.items() for number in range(1, most + 1)}
    assert len(ROWS) > 15
    assert planned - named - left_out == set()
    assert held('def test_x() -> None:\n    """Nothing."""') == set()
