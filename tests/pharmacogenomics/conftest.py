"""Reference tables of the shared data folder, outside the repository; tests that need them skip without."""

import csv
import gzip
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data" / "pgx"


@pytest.fixture(scope="session")
def shared() -> Path:
    if not SHARED.is_dir():
        pytest.skip("the reference tables of ../shared/data/pgx are not here")
    return SHARED


@pytest.fixture(scope="session")
def table(shared: Path) -> Callable[..., Iterator[dict[str, str]]]:
    def read(name: str, delimiter: str = ",") -> Iterator[dict[str, str]]:
        opened = gzip.open if name.endswith(".gz") else open
        with opened(shared / name, "rt", encoding="utf-8") as handle:
            yield from csv.DictReader(handle, delimiter=delimiter)

    return read
