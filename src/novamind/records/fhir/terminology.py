"""What codes mean: medications by :mod:`novamind.drugs.names`, conditions by :mod:`novamind.drugs.conditions`.

LOINC (Regenstrief Institute, loinc.org) codes of the vital signs profile of FHIR R4; codes of questionnaires stand in
the room of instruments.
"""

import re
from functools import cache
from typing import NamedTuple

from novamind.drugs.conditions import SNOMED, condition_of, condition_words
from novamind.drugs.domain import Product
from novamind.drugs.names import RXNORM, codes, find, normalise
from novamind.records.fhir.models import Concept
from novamind.records.patient import Coding

LOINC = "http://loinc.org"
#: As senders write it, too.
LOINC_SYSTEMS = frozenset({LOINC, f"{LOINC}/", "https://loinc.org", "urn:oid:2.16.840.1.113883.6.1"})
UCUM = "http://unitsofmeasure.org"
#: Our own names, for what has no code elsewhere; an import of our own export reads them first.
OWN = "urn:novamind"


@cache
def rxnorm_codes() -> dict[str, str]:
    """Return medication to its RxNorm ingredient, of those in our tables that have one."""
    ingredient: dict[str, str] = {}
    for code, drug in codes(RXNORM).items():
        ingredient.setdefault(drug, code)
    return ingredient


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
    products
        What its codes, then its text and displays say of a medication, each with its code where it was one.
    condition, condition_code
        Our word for the diagnosis, ``None`` where there is none, and the code that is kept.
    """

    name: str
    codings: tuple[Coding, ...]
    is_absence: bool
    products: tuple[tuple[Coding | None, Product], ...]
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
    coded = ((c, find(c.code, c.system)) for c in codings if c.system)
    texts = (own.display,) if own is not None else (concept.text, *(coding.display for coding in concept.coding))
    named = ((None, find(words)) for words in texts if words)
    return Meaning(
        name=text or (first.code if first else ""),
        codings=codings,
        is_absence=states_absence(concept),
        products=tuple((coding, product) for coding, product in (*coded, *named) if product is not None),
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


def medications_of(concept: Concept, meaning: Meaning) -> tuple[tuple[str, ...], Coding | None, str]:
    """Return our names of the drugs, the code that is kept, and a remark for the sender."""
    own = next((c for c in concept.coding if c.system == f"{OWN}:medication"), None)
    text = shown(concept)
    coded = [(code, product.drugs) for code, product in meaning.products if code is not None]
    named = [product.drugs for code, product in meaning.products if code is None]
    code = coded[0][0] if coded else next(iter(meaning.codings), None)
    if own is not None:
        return (own.display or text,), next(iter(meaning.codings), None), ""
    if named:
        others = [drugs for _, drugs in coded[:1] if set(drugs) != set(named[0])]
        if any(set(drugs) != set(named[0]) for drugs in named):
            return named[0], code, "a medication's texts name different drugs: the first is used"
        return named[0], code, "a medication's code and its text name different drugs: the text is used" * bool(others)
    if coded:
        return coded[0][1], code, ""
    if not text:
        return (str(code),), code, "a medication's code is in no table and it has no text: kept under its code"
    names = tuple(normalise(name) or name for name in ingredients(text))
    if not any(map(normalise, names)):
        return names, code, "a medication is not in our tables: kept under the name in its text"
    return names, code, ""


def piece_mg(concept: Concept) -> float | None:
    """Return mg of one substance in one piece of a product, where its codes and texts name exactly one."""
    strengths = (product.strength for _, product in meaning_of(concept).products)
    amounts = {strength.mg for strength in strengths if strength is not None and strength.mg is not None}
    return amounts.pop() if len(amounts) == 1 else None if amounts else strength_mg(shown(concept))
