"""What drugs have in common: classes and effects to which rules refer, some with a degree."""

from collections.abc import Mapping
from functools import cache

from novamind.drugs.tables import rows


@cache
def properties() -> Mapping[str, frozenset[str]]:
    """Return drug to its properties; one that has a degree stands without and with it: ``qt`` and ``qt high``."""
    by_drug: dict[str, set[str]] = {}
    for row in rows("properties"):
        for drug in row["drugs"].split("|"):
            by_drug.setdefault(drug, set()).update({row["property"], f"{row['property']} {row['degree']}".strip()})
    return {drug: frozenset(of) for drug, of in by_drug.items()}


@cache
def weight(drug: str, wanted: str) -> int:
    """Return how much a drug adds to a sum over a property: its degree where that is a number, else 1; 0 without it."""
    own = properties().get(drug, frozenset())
    degrees = [int(p.removeprefix(f"{wanted} ")) for p in own if p.startswith(f"{wanted} ") and p[-1].isdigit()]
    return max(degrees, default=1) if wanted in own else 0
