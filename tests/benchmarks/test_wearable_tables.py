"""The page on wearables shows what its benchmarks measured, and nothing else."""

import json
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "benchmarks"))

import early_warning  # noqa: E402
import wearables  # noqa: E402
from tables import fill  # noqa: E402


def test_docs_hold_the_stored_results(tmp_path: Path) -> None:
    stored: dict[str, str] = {}
    for benchmark in (wearables, early_warning):
        stored |= benchmark.tables(json.loads(benchmark.RESULTS.read_text()))
    copy = tmp_path / wearables.PAGE.name
    copy.write_text(wearables.PAGE.read_text())
    assert fill(copy, stored) == []
    assert copy.read_text() == wearables.PAGE.read_text()
