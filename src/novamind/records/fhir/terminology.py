"""What codes mean: signals, medications and conditions; those of questionnaires stand in the room of instruments.

LOINC (Regenstrief Institute, loinc.org) codes of the vital signs profile of FHIR R4. The tables in ``codes/`` name
their own sources.
"""

import csv
import re
from functools import cache
from importlib.resources import files
from typing import NamedTuple

from novamind.records.fhir.models import Concept
from novamind.records.patient import Coding

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


#: HL7 International Patient Summary: each of its codes says that nothing is known, or that there is none.
_ABSENT_OR_UNKNOWN = "http://hl7.org/fhir/uv/ips/CodeSystem/absent-unknown-uv-ips"
#: SNOMED CT: no known allergy, of drugs, of food, of the environment, of latex; (situation); no current problems;
#: no known medications.
NOTHING_KNOWN = frozenset({
    "716186003", "409137002", "429625007", "428607008", "716184000", "160244002", "160245001", "787481004",
})  # fmt: skip
_NOTHING = re.compile(
    r"((patient|pt)\.? )?(is )?((takes|taking|on|has|having) )?(no|nil|none|denies|keine?|ohne)( any)?"
    r"( (known|current|currently known|regular|active|significant|reported|bekannten?|aktuellen?|derzeitigen?"
    r"|past|drug|drugs|medication|medicine|food|latex|environmental|health|medical))*"
    r"( (known|reported|allerg\w*|medications?|medicines?|medikamente?|medikation|drugs?|drug therapy|problems?"
    r"|conditions?|history|diagnos[ei]s|diagnosen|beschwerden|erkrankungen|unverträglichkeiten?|arzneimittelallergien?))?"
    r"|nka|nkda|nkfa|not (currently )?(on|taking) any (medications?|medicines?|drugs?)|n/?a",
)


class Meaning(NamedTuple):
    """What a ``CodeableConcept`` means to us.

    Attributes
    ----------
    name
        Its text, else its first display, else its first code; empty where it has none of them.
    codings
        Its codes, but for our own names.
    is_absence
        Whether it says that there is nothing, or that nothing is known.
    medications, medication_code, remark
        Our names of the drugs, the code that is kept, and a remark for the sender.
    allergen, allergen_code
        The one drug that it names as a cause, ``None`` where it names none, and the code that is kept.
    condition, condition_code
        Our word for the diagnosis, ``None`` where there is none, and the code that is kept.
    """

    name: str
    codings: tuple[Coding, ...]
    is_absence: bool
    medications: tuple[str, ...]
    medication_code: Coding | None
    remark: str
    allergen: str | None
    allergen_code: Coding | None
    condition: str | None
    condition_code: Coding | None


def meaning_of(concept: Concept) -> Meaning:
    """Return what a concept means: by its codes in our tables, and by its text."""
    text = shown(concept)
    own = next((c for c in concept.coding if c.system == f"{OWN}:medication"), None)
    codings = tuple(Coding(c.system or "", c.code) for c in concept.coding if c.code and c is not own)
    first = codings[0] if codings else None
    words = [(coding, word) for coding in codings if (word := condition_of(coding.system, coding.code))]
    condition_code, condition = words[0] if words else (first, None)
    if condition is None and text.casefold() in condition_words():
        condition = text.casefold()
    drugs = [(coding, drug) for coding in codings if (drug := medication_of(coding.system, coding.code))]
    named = ingredients(text)[0] if text else ""
    allergen_code, allergen = drugs[0] if drugs else (first, named if named in medication_names() else None)
    medications, medication_code, remark = _medications(text, codings)
    if own is not None:
        medications, medication_code, remark = (own.display or text,), first, ""
    name = text or (first.code if first else "")
    absence = states_absence(concept)
    return Meaning(
        name=name,
        codings=codings,
        is_absence=absence,
        medications=medications,
        medication_code=medication_code,
        remark=remark,
        allergen=allergen,
        allergen_code=allergen_code,
        condition=condition,
        condition_code=condition_code,
    )


def shown(concept: Concept) -> str:
    """Return the text of a concept, else the first display."""
    texts = (concept.text, *(coding.display for coding in concept.coding))
    return next((text.strip() for text in texts if text and text.strip()), "")


def states_absence(concept: Concept) -> bool:
    """Return whether a concept says that there is nothing: by code, or by its whole text."""
    for coding in concept.coding:
        if coding.system == _ABSENT_OR_UNKNOWN or (coding.system == SNOMED and coding.code in NOTHING_KNOWN):
            return True
    return _NOTHING.fullmatch(" ".join(shown(concept).casefold().strip(" .").split())) is not None


def _medications(text: str, codings: tuple[Coding, ...]) -> tuple[tuple[str, ...], Coding | None, str]:
    """Return our names, the code that is kept, and a remark for the sender."""
    coded = [(c, name) for c in codings if (name := medication_of(c.system, c.code))]
    code = codings[0] if codings else None
    names = ingredients(text) if text else ()
    ours = [name for name in names if name in medication_names()]
    if coded:
        code, name = coded[0]
        if ours and name not in ours:
            return tuple(ours), code, "a medication's code and its text name different drugs: the text is used"
        return (name,), code, ""
    if not names:
        return (str(code),), code, "a medication's code is in no table and it has no text: kept under its code"
    if not ours:
        return names, code, "a medication is not in our tables: kept under the name in its text"
    return names, code, ""
