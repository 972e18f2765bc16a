"""Allergies to a class of drugs, such as "SSRIs" or "allergy to benzodiazepines", speak against each drug of it."""

import re
from collections.abc import Iterable, Iterator
from functools import cache

from novamind.drugs.catalogue import catalogue
from novamind.drugs.domain import Caution, Severity, Source
from novamind.drugs.tables import rows, source

#: Words for a class to the property that its drugs share.
CLASSES = {
    "ssri": "ssri", "selective serotonin reuptake inhibitor": "ssri", "snri": "snri",
    "serotonin norepinephrine reuptake inhibitor": "snri", "tca": "tca", "tricyclic": "tca",
    "tricyclic antidepressant": "tca", "trizyklisches antidepressivum": "tca", "trizyklische antidepressiva": "tca",
    "maoi": "maoi", "mao inhibitor": "maoi", "monoamine oxidase inhibitor": "maoi", "mao hemmer": "maoi",
    "antidepressant": "antidepressant", "antidepressiva": "antidepressant", "antipsychotic": "antipsychotic",
    "neuroleptic": "antipsychotic", "neuroleptika": "antipsychotic", "antipsychotika": "antipsychotic",
    "benzodiazepine": "benzodiazepine", "benzodiazepin": "benzodiazepine", "barbiturate": "barbiturate",
    "barbiturat": "barbiturate", "opioid": "opioid", "opiate": "opioid", "narcotic": "opioid", "opiat": "opioid",
    "nsaid": "nsaid", "nonsteroidal anti-inflammatory drug": "nsaid", "nsar": "nsaid", "triptan": "triptan",
    "ace inhibitor": "ace_inhibitor", "ace hemmer": "ace_inhibitor", "thiazide": "thiazide", "z-drug": "z_drug",
}  # fmt: skip
_AROUND = re.compile(r"^(?:(?:drug )?(?:allergy|hypersensitivity|intolerance|allergic) (?:to|against) )|(?: allergy)$")


def class_of(name: str) -> str | None:
    """Return the property of the class that an allergy is to; ``None`` where it names none."""
    plain = re.sub(r"\([^()]*\)", " ", name[:200]).casefold().replace("-", " ").strip()
    plain = " ".join(_AROUND.sub("", " ".join(plain.split())).split())
    words = {words.replace("-", " "): shared for words, shared in CLASSES.items()}
    return next((words[form] for form in (plain, *_singulars(plain)) if form in words), None)


def class_cautions(drug: str, allergens: Iterable[str]) -> Iterator[Caution]:
    """Yield what allergies to classes say against a drug of them."""
    for allergen in allergens:
        shared = class_of(allergen)
        if shared is not None and shared in catalogue()[drug].tags:
            text = f"An active allergy to its class is recorded, and {drug} is one of that class."
            yield Caution(Severity.MAJOR, text, "allergy to a class", _sources()[shared])


def _singulars(plain: str) -> Iterator[str]:
    for ending in ("s", "e", "en"):
        if plain.endswith(ending):
            yield plain.removesuffix(ending)


@cache
def _sources() -> dict[str, Source]:
    return {row["property"]: source(row) for row in rows("properties")}
