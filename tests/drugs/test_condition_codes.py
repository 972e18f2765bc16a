"""Codes of diagnoses against their second entry, and by their check digit."""

import csv
from pathlib import Path

from novamind.drugs.conditions import ICD10, SNOMED, condition_of, condition_words
from novamind.drugs.tables import rows

CONDITIONS = list(rows("condition_codes"))
with (Path(__file__).parent / "facts" / "conditions.csv").open(encoding="utf-8", newline="") as handle:
    SECOND = list(csv.DictReader(handle))


def test_the_codes_of_conditions_agree_with_their_second_entry() -> None:
    second: dict[str, dict[str, set[str]]] = {row["word"]: {"icd10": set(), "snomed": set()} for row in CONDITIONS}
    for row in SECOND:
        second[row["word"]][row["system"]].add(row["code"])
    own = {row["word"]: {column: set(row[column].split()) for column in ("icd10", "snomed")} for row in CONDITIONS}
    assert own == second


def test_every_code_of_the_tables_is_read_as_its_condition() -> None:
    for row in SECOND:
        assert condition_of(SNOMED if row["system"] == "snomed" else ICD10, row["code"]) == row["word"], row["title"]
    assert condition_words() == {row["word"] for row in CONDITIONS}


def test_snomed_codes_carry_their_check_digit() -> None:
    """The last digit of a SNOMED CT identifier checks the others (Verhoeff 1969)."""
    d5 = [
        [((i + j) if i < 5 else (i - j)) % 5 + 5 * ((i // 5 + j // 5) % 2) for j in range(10)] for i in range(10)
    ]  # the dihedral group of order ten
    turn = [list(range(10)), [1, 5, 7, 6, 2, 8, 3, 0, 9, 4]]
    for _ in range(6):
        turn.append([turn[-1][turn[1][i]] for i in range(10)])
    for row in SECOND:
        if row["system"] == "snomed":
            check = 0
            for place, digit in enumerate(reversed(row["code"])):
                check = d5[check][turn[place % 8][int(digit)]]
            assert check == 0, row["title"]
