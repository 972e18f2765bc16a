"""The page of drugs counts the packaged tables: its table is made by a script, with every table of facts."""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "benchmarks"))

from drugs import CHECKED, PAGE, tables  # noqa: E402
from novamind.drugs.domain import Evidence  # noqa: E402
from novamind.drugs.results import facts  # noqa: E402


def test_every_table_of_facts_stands_on_the_page() -> None:
    made = re.findall(r"^\| (\w[\w ]*) \|", tables()["drug-facts"], re.MULTILINE)
    marked = PAGE.read_text("utf-8").partition("<!-- table drug-facts -->")[2].partition("<!-- end -->")[0]
    assert re.findall(r"^\| (\w[\w ]*) \|", marked, re.MULTILINE) == made
    assert made[:2] == ["table", "all"]
    assert {fact.table.replace("_", " ") for fact in facts("sertraline").facts} <= set(made)


def test_each_kind_of_evidence_is_counted_in_one_column() -> None:
    assert sorted(kind for kinds in CHECKED.values() for kind in kinds) == sorted(Evidence)
    for line in tables()["drug-facts"].splitlines()[2:]:
        _, _, total, *checked = (int(cell.replace(",", "")) for cell in line.split("|")[2:-1])
        assert total == sum(checked)
