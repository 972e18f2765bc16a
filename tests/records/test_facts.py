"""Facts are entered twice: the tables in fhir/codes/ against a second entry and a manifest."""

import csv
import hashlib
from importlib.resources import files
from pathlib import Path

import pytest

from novamind.records.fhir.terminology import (
    SNOMED,
    condition_of,
    condition_words,
)

FACTS = Path(__file__).parent / "facts"
ROOM = Path(str(files("novamind.records")))
ICD = "http://hl7.org/fhir/sid/icd-10"


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as handle:
        return list(csv.DictReader(handle))


MANIFEST = {row["table"]: row for row in rows(FACTS / "manifest.csv")}
CONDITIONS = rows(ROOM / "fhir" / "codes" / "conditions.csv")


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


def test_the_codes_of_conditions_agree_with_their_second_entry() -> None:
    second: dict[str, dict[str, set[str]]] = {row["word"]: {"icd10": set(), "snomed": set()} for row in CONDITIONS}
    for row in rows(FACTS / "conditions.csv"):
        second[row["word"]][row["system"]].add(row["code"])
    own = {row["word"]: {column: set(row[column].split()) for column in ("icd10", "snomed")} for row in CONDITIONS}
    assert own == second


def test_every_code_of_the_tables_is_read_as_its_condition() -> None:
    for row in rows(FACTS / "conditions.csv"):
        assert condition_of(SNOMED if row["system"] == "snomed" else ICD, row["code"]) == row["word"], row["title"]
    assert condition_words() == {row["word"] for row in CONDITIONS}


def test_snomed_codes_carry_their_check_digit() -> None:
    """The last digit of a SNOMED CT identifier checks the others (Verhoeff 1969)."""
    d5 = [
        [((i + j) if i < 5 else (i - j)) % 5 + 5 * ((i // 5 + j // 5) % 2) for j in range(10)] for i in range(10)
    ]  # the dihedral group of order ten
    turn = [list(range(10)), [1, 5, 7, 6, 2, 8, 3, 0, 9, 4]]
    for _ in range(6):
        turn.append([turn[-1][turn[1][i]] for i in range(10)])
    for row in rows(FACTS / "conditions.csv"):
        if row["system"] == "snomed":
            check = 0
            for place, digit in enumerate(reversed(row["code"])):
                check = d5[check][turn[place % 8][int(digit)]]
            assert check == 0, row["title"]
