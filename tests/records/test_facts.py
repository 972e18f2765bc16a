"""Facts are entered twice: the tables of the room against a manifest."""

import csv
import hashlib
from importlib.resources import files
from pathlib import Path

import pytest

FACTS = Path(__file__).parent / "facts"
ROOM = Path(str(files("novamind.records")))


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as handle:
        return list(csv.DictReader(handle))


MANIFEST = {row["table"]: row for row in rows(FACTS / "manifest.csv")}


@pytest.mark.parametrize("table", MANIFEST)
def test_facts_stand_as_they_were_checked(table: str) -> None:
    path = ROOM / table
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    assert (len(rows(path)), digest) == (int(MANIFEST[table]["rows"]), MANIFEST[table]["sha256"]), (
        f"facts changed: check them again at their source and renew the manifest ({table})"
    )


def test_no_table_is_missing_from_the_manifest() -> None:
    assert {path.relative_to(ROOM).as_posix() for path in ROOM.rglob("*.csv")} == set(MANIFEST)
    assert all(row["checked_on"] and row["checked_against"] for row in MANIFEST.values())
