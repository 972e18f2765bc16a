"""The pages on wearables, security and architecture show what their benchmarks measured, and nothing else."""

import json
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "benchmarks"))

import crowd  # noqa: E402
import durability  # noqa: E402
import early_warning  # noqa: E402
import hostile_files  # noqa: E402
import imports  # noqa: E402
import wearables  # noqa: E402
from tables import fill  # noqa: E402


@pytest.mark.parametrize(
    ("page", "benchmarks"),
    [
        (wearables.PAGE, (wearables, early_warning, hostile_files)),
        (durability.PAGE, (durability, crowd)),
        (imports.PAGE, (imports,)),
    ],
)
def test_docs_hold_the_stored_results(tmp_path: Path, page: Path, benchmarks: tuple[object, ...]) -> None:
    stored: dict[str, str] = {}
    for benchmark in benchmarks:
        stored |= benchmark.tables(json.loads(benchmark.RESULTS.read_text()))  # type: ignore[attr-defined]
    copy = tmp_path / page.name
    copy.write_text(page.read_text())
    assert fill(copy, stored) == []
    assert copy.read_text() == page.read_text()
