"""The drugs we know: names, classes, and the tags that allergies and groups refer to."""

from functools import cache

from novamind.drugs.domain import Drug
from novamind.drugs.properties import properties
from novamind.drugs.tables import rows


@cache
def catalogue() -> dict[str, Drug]:
    """Return all drugs by generic name."""
    return {
        r["drug"]: Drug(r["drug"], r["group"], r["class"], bool(r["ranked"]), properties().get(r["drug"], frozenset()))
        for r in rows("drugs")
    }


@cache
def psychiatric() -> tuple[str, ...]:
    """Return the drugs that a review ranks when no drug is named.

    Antidepressants but for MAO inhibitors, antipsychotics, mood stabilisers and drugs for ADHD, as far as their
    guidelines, exposure and side effects stand in the tables.
    """
    return tuple(drug.name for drug in catalogue().values() if drug.ranked)
