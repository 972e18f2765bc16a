"""Which recorded allergies speak against a drug: those to the drug itself, and those that labels name beside it.

Cross-reactions stand in ``knowledge/cross_allergies.csv``; either side is a drug, or ``tag:`` and a property shared by
drugs.
"""

import re
from collections.abc import Iterable
from functools import cache

from novamind.drugs.catalogue import catalogue
from novamind.drugs.domain import Caution, Severity, Source
from novamind.drugs.names import drugs_of
from novamind.drugs.tables import source, sources
from novamind.pharmacogenomics.knowledge import rows

_OWN = "An active allergy to this drug is recorded: labels rule it out after an allergy to it."
_REACTION = r"(?:drug )?(?:allergy|allergic reaction|hypersensitivity(?: reaction)?|intolerance|anaphylaxis)"
_SUBJECTS = (
    re.compile(rf"(?:{_REACTION}|allergic|hypersensitive|intolerant) (?:to|due to|caused by) (?P<drug>.+)"),
    re.compile(rf"(?P<drug>.+?) {_REACTION}"),
)


def allergens_of(name: str) -> tuple[str, ...]:
    """Return the generic names of the drugs that an allergy is to: one, those of a combination, or none that we know.

    Reads the drug's name and the usual phrases around it: ``Allergy to citalopram (finding)``, ``Celexa allergy``.
    """
    plain = " ".join(re.sub(r"\([^()]*\)", " ", name[:200]).casefold().split())
    drugs = drugs_of(name) or drugs_of(plain)
    for phrase in _SUBJECTS:
        if not drugs and (match := phrase.fullmatch(plain)):
            drugs = drugs_of(match["drug"])
    return drugs


def cautions(drug: str, allergies: Iterable[str]) -> tuple[Caution, ...]:
    """Return what a person's allergies say against a drug.

    Parameters
    ----------
    drug
        Generic name.
    allergies
        Generic names of drugs to which an allergy is recorded as active.
    """
    applicable = []
    for allergen in allergies:
        cause = f"allergy to {allergen}"
        if allergen == drug:
            applicable.append(Caution(Severity.CONTRAINDICATED, _OWN, cause, sources()["labels-2024"]))
            continue
        for side in _keys(drug):
            for other in _keys(allergen):
                if (side, other) in _cross():
                    severity, text, reference = _cross()[side, other]
                    applicable.append(Caution(severity, text, cause, reference))
    return tuple(dict.fromkeys(applicable))


def _keys(drug: str) -> tuple[str, ...]:
    entry = catalogue().get(drug)
    return (drug, *(f"tag:{tag}" for tag in sorted(entry.tags if entry else ())))


@cache
def _cross() -> dict[tuple[str, str], tuple[Severity, str, Source]]:
    return {
        (r["drug"], r["allergen"]): (Severity(r["severity"]), r["text"], source(r)) for r in rows("cross_allergies")
    }
