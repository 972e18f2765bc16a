"""Faults that are put in on purpose: what they are, how they are drawn, which tests are asked."""

import ast
import json
import random
import sys
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "benchmarks"))

import mutants  # noqa: E402
from faults import Fault, candidates, code_faults, fact_faults, room_of  # noqa: E402
from tables import fill  # noqa: E402

SOURCE = """
LIMIT = 3

def grade(value: float, names: list[str]) -> str:
    '''A docstring is no code.'''
    if value >= LIMIT and names:
        raise ValueError(f"too large: {value}")
    total = 0
    for name in names:
        total += len(name) * 2
        continue
    return "low" if not total else max(names)
"""
TABLE = "drug,dose\nsertraline,50\nlithium,900\n"


def made(tmp_path: Path, source: str, name: str) -> list[Fault]:
    path = tmp_path / "src" / "novamind" / "room" / name
    path.parent.mkdir(parents=True)
    path.write_text(source)
    return (code_faults if name.endswith(".py") else fact_faults)(tmp_path, path, random.Random(0))


def test_faults_of_code_are_one_small_change_each(tmp_path: Path) -> None:
    found = {(fault.operator, fault.line): fault.after for fault in made(tmp_path, SOURCE, "grade.py")}
    assert found == {
        ("number", 2): found["number", 2],
        ("comparison", 6): "if value > LIMIT and names:",
        ("and and or", 6): "if value >= LIMIT or names:",
        ("condition turned", 6): "if not (value >= LIMIT and names):",
        ("refusal left out", 7): "pass",
        ("number", 8): "total = 1",
        ("statement left out", 10): "pass",
        ("arithmetic", 10): "total += len(name) / 2",
        ("number", 10): found["number", 10],
        ("continue and break", 11): "break",
        ("nothing returned", 12): "return None",
        ("condition turned", 12): 'return "low" if not (not total) else max(names)',
        ("not left out", 12): 'return "low" if (total) else max(names)',
        ("text", 12): "return 'low~' if not total else max(names)",
        ("function", 12): 'return "low" if not total else min(names)',
    }
    assert found["number", 2] in {"LIMIT = 2", "LIMIT = 4"}
    assert found["number", 10] in {"total += len(name) * 1", "total += len(name) * 3"}


def test_a_fault_is_put_in_where_it_belongs_and_leaves_code_that_can_be_read(tmp_path: Path) -> None:
    for fault in made(tmp_path, SOURCE, "grade.py"):
        file = tmp_path / fault.path
        file.write_text(SOURCE)
        fault.put_in(tmp_path)
        changed = file.read_text()
        assert changed != SOURCE
        ast.parse(changed)
        assert fault.function == (4 if fault.line > 3 else 0)
        assert fault.name == ("LIMIT" if fault.line == 2 else "")


def test_faults_of_facts_change_one_cell_or_leave_out_a_row(tmp_path: Path) -> None:
    found = made(tmp_path, TABLE, "doses.csv")
    assert Counter(fault.operator for fault in found) == {"cell drug": 2, "cell dose": 2, "row left out": 2}
    for fault in found:
        (tmp_path / fault.path).write_text(TABLE)
        fault.put_in(tmp_path)
        before, after = TABLE.splitlines(), (tmp_path / fault.path).read_text().splitlines()
        assert len(after) == len(before) - (fault.operator == "row left out")
        if fault.operator.startswith("cell"):
            cells = [
                (a, b)
                for x, y in zip(before, after, strict=True)
                for a, b in zip(x.split(","), y.split(","), strict=True)
            ]
            assert sum(a != b for a, b in cells) == 1


def test_the_same_seed_draws_the_same_faults_and_every_room_has_its_share() -> None:
    first, again, other = (mutants.draw(seed, 20, ("timeline", "records")) for seed in (3, 3, 4))
    assert first == again != other
    shares = Counter((fault.kind, fault.room) for fault in mutants.draw(3, 60, ("timeline", "records", "twin")))
    assert sum(n for (kind, _), n in shares.items() if kind == "fact") == 15
    assert (
        max(n for (kind, _), n in shares.items() if kind == "code")
        - min(n for (kind, room), n in shares.items() if kind == "code" and room != "pages")
        <= 1
    )


@pytest.mark.parametrize(("path", "room"), [("src/novamind/twin/case.py", "twin"), ("src/novamind/cli.py", "package")])
def test_a_room_is_the_folder_below_the_package(path: str, room: str) -> None:
    assert room_of(path) == room


def test_what_is_known_to_change_nothing_still_stands_in_the_code() -> None:
    """A fault whose line is gone excuses nothing and is taken out of the list."""
    named = {path for path, _, _ in mutants.equivalents()}
    there = {(fault.path, fault.before) for fault in candidates(ROOT, random.Random(0), named.__contains__)}
    assert [known for known in sorted(mutants.equivalents()) if known[:2] not in there] == []


def test_equivalent_faults_do_not_count() -> None:
    assert mutants.rate({"killed": 9, "survived": 1, "equivalent": 5}) == 0.9
    assert mutants.rate({"killed": 3, "not reached": 1}) == 0.75
    assert mutants.rate({}) == 1.0


def test_the_page_holds_the_stored_results(tmp_path: Path) -> None:
    copy = tmp_path / "testing.md"
    copy.write_text(mutants.PAGE.read_text())
    assert fill(copy, mutants.tables(json.loads(mutants.RESULTS.read_text()))) == []
    assert copy.read_text() == mutants.PAGE.read_text()
