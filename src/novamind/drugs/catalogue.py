"""The drugs we know: names, classes, and the tags that interaction rules refer to."""

from functools import cache

from novamind.drugs.domain import Drug
from novamind.drugs.facts import rows


@cache
def catalogue() -> dict[str, Drug]:
    """Return all drugs by generic name."""
    return {r["drug"]: Drug(r["drug"], r["class"], frozenset(r["tags"].split())) for r in rows("drugs")}


def psychiatric() -> tuple[str, ...]:
    """Return the drugs a psychiatrist chooses between: antidepressants, antipsychotics, mood stabilisers, ADHD."""
    chosen = {"mood stabiliser", "ADHD"}
    return tuple(
        d.name
        for d in catalogue().values()
        if d.drug_class in chosen or "antipsychotic" in d.tags or ("antidepressant" in d.tags and "maoi" not in d.tags)
    )
