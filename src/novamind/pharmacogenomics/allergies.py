"""Which recorded allergies speak against a drug: to the drug itself, and to those that labels name beside it.

Cross-reactions stand in ``knowledge/cross_allergies.csv``; either side is a drug, or ``tag:`` and a property shared by
drugs.
"""

from collections.abc import Iterable
from functools import cache

from novamind.pharmacogenomics.domain import Caution, Severity, Source
from novamind.pharmacogenomics.knowledge import rows, source, sources
from novamind.pharmacogenomics.medications import catalogue

_OWN = "An active allergy to this drug is recorded: labels rule it out after an allergy to it."


def cautions(drug: str, allergies: Iterable[str]) -> tuple[Caution, ...]:
    """Return what a person's allergies say against a drug.

    Parameters
    ----------
    drug
        Generic name.
    allergies
        Generic names of drugs to which an allergy is recorded as active.
    """
    found = []
    for allergen in allergies:
        cause = f"allergy to {allergen}"
        if allergen == drug:
            found.append(Caution(Severity.CONTRAINDICATED, _OWN, cause, sources()["labels-2024"]))
            continue
        for side in _keys(drug):
            for other in _keys(allergen):
                if (side, other) in _cross():
                    severity, text, reference = _cross()[side, other]
                    found.append(Caution(severity, text, cause, reference))
    return tuple(dict.fromkeys(found))


def _keys(drug: str) -> tuple[str, ...]:
    known = catalogue().get(drug)
    return (drug, *(f"tag:{tag}" for tag in sorted(known.tags if known else ())))


@cache
def _cross() -> dict[tuple[str, str], tuple[Severity, str, Source]]:
    return {
        (r["drug"], r["allergen"]): (Severity(r["severity"]), r["text"], source(r)) for r in rows("cross_allergies")
    }
