"""The words by which rules know a person's conditions, and the names and codes that mean them.

A code stands in ``facts/condition_codes.csv`` only where it names one condition without doubt; a category of ICD-10
holds for every code that begins with it.
"""

import re
from functools import cache

from novamind.drugs.cautions import known_conditions
from novamind.drugs.tables import rows

SNOMED = "http://snomed.info/sct"
ICD10 = "http://hl7.org/fhir/sid/icd-10"
_ICD = re.compile(r"sid/icd-10|icd10|icd-10", re.IGNORECASE)


def condition_word(name: str) -> str | None:
    """Return the word of the interaction rules for a condition, ``None`` where no rule refers to it.

    Reads any case, underscores for spaces, and the synonyms of ``facts/conditions.csv`` (English and German).
    """
    return _words().get(" ".join(name.casefold().replace("_", " ").split()))


@cache
def _words() -> dict[str, str]:
    words = {synonym: row["word"] for row in rows("conditions") for synonym in row["synonyms"].split("|")}
    return words | {word: word for word in known_conditions()}


@cache
def _condition_codes() -> tuple[dict[str, str], dict[str, str]]:
    icd, snomed = {}, {}
    for row in rows("condition_codes"):
        icd.update(dict.fromkeys(row["icd10"].split(), row["word"]))
        snomed.update(dict.fromkeys(row["snomed"].split(), row["word"]))
    return icd, snomed


def condition_words() -> frozenset[str]:
    """Return the condition words of our table."""
    return frozenset(row["word"] for row in rows("condition_codes"))


def condition_of(system: str, code: str) -> str | None:
    """Return our word for an ICD-10 or SNOMED CT code; the longest ICD-10 category that begins it counts."""
    icd, snomed = _condition_codes()
    if system == SNOMED:
        return snomed.get(code)
    if _ICD.search(system):
        category = max((prefix for prefix in icd if code.startswith(prefix)), key=len, default="")
        return icd.get(category)
    return None
