"""The drugs we know: names, classes, and the tags that interaction rules refer to."""

from dataclasses import dataclass
from functools import cache

from novamind.pharmacogenomics.guidelines import covered_drugs
from novamind.pharmacogenomics.knowledge import rows


@dataclass(frozen=True, slots=True)
class Drug:
    """One drug: generic name, class, tags such as ``serotonergic`` or ``qt``."""

    name: str
    drug_class: str
    tags: frozenset[str]


@cache
def catalogue() -> dict[str, Drug]:
    """Return all drugs by generic name."""
    drugs = {r["drug"]: Drug(r["drug"], r["class"], frozenset(r["tags"].split())) for r in rows("drugs")}
    for name in (*covered_drugs(), *(r["drug"] for r in rows("modulators"))):
        drugs.setdefault(name, Drug(name, "", frozenset()))
    return drugs


@cache
def _names() -> dict[str, str]:
    names = {name: name for name in catalogue()}
    for row in rows("drugs"):
        names.update({alias.replace("_", " "): row["drug"] for alias in row["aliases"].split()})
    return names


def normalise(name: str) -> str | None:
    """Return the generic name of a generic or brand name, any case; None when we do not know the drug."""
    return _names().get(" ".join(name.lower().split()))


def psychiatric() -> tuple[str, ...]:
    """Return the drugs a psychiatrist chooses between: antidepressants, antipsychotics, mood stabilisers, ADHD."""
    chosen = {"mood stabiliser", "ADHD"}
    return tuple(
        d.name
        for d in catalogue().values()
        if d.drug_class in chosen or "antipsychotic" in d.tags or ("antidepressant" in d.tags and "maoi" not in d.tags)
    )
