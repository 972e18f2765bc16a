"""The page on neurochemistry shows what its benchmark measured, and nothing else."""

import json
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "benchmarks"))

from neurochemistry import PAGE, RESULTS, tables  # noqa: E402
from tables import fill  # noqa: E402


def test_docs_hold_the_stored_results(tmp_path: Path) -> None:
    copy = tmp_path / PAGE.name
    copy.write_text(PAGE.read_text())
    assert fill(copy, tables(json.loads(RESULTS.read_text()))) == []
    assert copy.read_text() == PAGE.read_text()
