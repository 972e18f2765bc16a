"""The reference tables of the shared data folder, outside the repository; tests that need them skip without."""

import csv
from pathlib import Path

import pytest

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"


def shared_rows(path: str) -> list[dict[str, str]]:
    """Return the rows of one table, for example ``drugs/pk_reference.csv``."""
    if not (SHARED / path).is_file():
        pytest.skip(f"the reference table ../shared/data/{path} is not here")
    with (SHARED / path).open(encoding="utf-8") as handle:
        return list(csv.DictReader(handle))
