"""The docs show what the benchmarks measured, and nothing else."""

import json
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "benchmarks"))

import population  # noqa: E402
from forecast import PAGES, RESULTS, TRUTH  # noqa: E402
from forecast_tables import TABLES  # noqa: E402
from tables import fill, markdown  # noqa: E402


def test_a_table_replaces_what_stood_in_its_place(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("above\n<!-- table one -->\nold\n<!-- end -->\nbetween\n<!-- table two -->\nkept\n<!-- end -->\n")
    table = markdown(["what", "figure"], [["a", "1"]])
    assert fill(page, {"one": table, "unused": "x"}) == ["two"]
    once = page.read_text()
    assert (
        once == f"above\n<!-- table one -->\n{table}\n<!-- end -->\nbetween\n<!-- table two -->\nkept\n<!-- end -->\n"
    )
    fill(page, {"one": table})
    assert page.read_text() == once


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_docs_hold_the_stored_results(page: Path, tmp_path: Path) -> None:
    results = json.loads(RESULTS.read_text()) | json.loads(TRUTH.read_text())
    copy = tmp_path / page.name
    copy.write_text(page.read_text())
    assert fill(copy, dict(table for name, tables in TABLES.items() for table in tables(results[name]))) == []
    assert copy.read_text() == page.read_text()


def test_the_page_of_population_twins_holds_the_stored_results(tmp_path: Path) -> None:
    copy = tmp_path / "page.md"
    copy.write_text(population.PAGE.read_text())
    assert fill(copy, population.tables(json.loads(population.RESULTS.read_text()))) == []
    assert copy.read_text() == population.PAGE.read_text()
