"""What codes mean: signals, medications and conditions; those of questionnaires stand in the room of instruments.

LOINC (Regenstrief Institute, loinc.org) codes of the vital signs profile of FHIR R4. The tables in ``codes/`` name
their own sources.
"""

import csv
import re
from functools import cache
from importlib.resources import files

LOINC = "http://loinc.org"
UCUM = "http://unitsofmeasure.org"
RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
ATC = "http://www.whocc.no/atc"
SNOMED = "http://snomed.info/sct"
#: Our own names, for what has no code elsewhere; an import of our own export reads them first.
OWN = "urn:novamind"


def _rows(table: str) -> list[dict[str, str]]:
    return list(csv.DictReader(files(__package__).joinpath("codes", f"{table}.csv").read_text("utf-8").splitlines()))


@cache
def _medication_codes() -> dict[str, dict[str, str]]:
    codes: dict[str, dict[str, str]] = {RXNORM: {}, ATC: {}}
    for row in _rows("medications"):
        for system, column in ((RXNORM, "rxnorm"), (ATC, "atc")):
            codes[system].update(dict.fromkeys(row[column].split(), row["medication"]))
    return codes


@cache
def medication_names() -> frozenset[str]:
    """Return the medication names of our table."""
    return frozenset(row["medication"] for row in _rows("medications"))


def medication_of(system: str, code: str) -> str | None:
    """Return the medication behind an RxNorm ingredient or ATC code; ``None`` for any other code."""
    return _medication_codes().get(_ATC_SYSTEMS.get(system, system), {}).get(code)


@cache
def rxnorm_codes() -> dict[str, str]:
    """Return medication to its RxNorm ingredient, of those in our table that have one."""
    return {row["medication"]: row["rxnorm"].split()[0] for row in _rows("medications") if row["rxnorm"].split()}


_ATC_SYSTEMS = {
    "http://www.whocc.no/atc": ATC,
    "http://fhir.de/CodeSystem/bfarm/atc": ATC,
    "urn:oid:2.16.840.1.113883.6.73": ATC,
}
_ICD = re.compile(r"sid/icd-10|icd10|icd-10", re.IGNORECASE)


@cache
def _condition_codes() -> tuple[dict[str, str], dict[str, str]]:
    icd, snomed = {}, {}
    for row in _rows("conditions"):
        icd.update(dict.fromkeys(row["icd10"].split(), row["word"]))
        snomed.update(dict.fromkeys(row["snomed"].split(), row["word"]))
    return icd, snomed


def condition_words() -> frozenset[str]:
    """Return the condition words of our table."""
    return frozenset(row["word"] for row in _rows("conditions"))


def condition_of(system: str, code: str) -> str | None:
    """Return our word for an ICD-10 or SNOMED CT code; the longest ICD-10 category that begins it counts."""
    icd, snomed = _condition_codes()
    if system == SNOMED:
        return snomed.get(code)
    if _ICD.search(system):
        category = max((prefix for prefix in icd if code.startswith(prefix)), key=len, default="")
        return icd.get(category)
    return None


# Trailing words that say how a substance is bound or made up, not what it is.
_MAKE_UP = frozenset({
    "acetate", "anhydrous", "besylate", "bitartrate", "calcium", "capsule", "capsules", "carbonate",
    "chloride", "citrate", "delayed", "extended", "fumarate", "gel", "hcl", "hydrobromide", "hydrochloride",
    "injectable", "injection", "maleate", "mesylate", "oral", "oxalate", "phosphate", "pill", "potassium",
    "product", "release", "sodium", "solution", "succinate", "sulfate", "tablet", "tablets", "tartrate",
    "topical",
})  # fmt: skip


def ingredients(text: str) -> tuple[str, ...]:
    """Return the substances in a product's text: ``Fluoxetine 25 MG`` -> ``fluoxetine``.

    Of ``A 1 MG / B 2 MG Oral Tablet`` both; a brand in brackets, a leading ``24 HR``, everything from the
    first number on, and trailing words for salt and form are dropped. A text that leaves nothing is kept whole.
    """
    plain = re.sub(r"\[[^\]]*\]", " ", text.casefold())
    names = []
    for part in re.split(r"\s/\s", plain):
        words = re.sub(r"^\s*\d+\s*hr\s", " ", part).split()
        words = words[: next((i for i, word in enumerate(words) if word[0].isdigit()), len(words))]
        while len(words) > 1 and words[-1].strip(",.") in _MAKE_UP:
            words.pop()
        if words:
            names.append(" ".join(words).strip(",. "))
    return tuple(dict.fromkeys(name for name in names if name)) or (" ".join(text.split()).casefold(),)


def strength_mg(text: str) -> float | None:
    """Return mg of one substance in one unit of the product, where the text names exactly one."""
    amounts = re.findall(r"(?<![\d.])(\d{1,6}(?:\.\d{1,4})?)\s*MG\b(?!\s*/\s*\w)", text, re.IGNORECASE)
    return float(amounts[0]) if len(amounts) == 1 and float(amounts[0]) > 0 and " / " not in text else None
