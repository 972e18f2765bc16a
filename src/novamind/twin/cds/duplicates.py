"""The same drug or the same class twice: among the orders, and beside what is taken."""

from collections.abc import Collection, Iterator, Sequence
from functools import cache

from novamind.drugs.catalogue import catalogue
from novamind.drugs.domain import Caution, Severity, Source
from novamind.drugs.tables import rows, source

#: Classes of the catalogue of which one person usually takes one drug; others are joined on purpose.
ONE_OF_A_CLASS = frozenset({
    "SSRI", "SNRI", "tricyclic", "tetracyclic", "MAO inhibitor", "SARI", "serotonin modulator", "antipsychotic",
    "benzodiazepine", "z-drug", "orexin antagonist", "melatonin agonist", "gabapentinoid", "ADHD stimulant", "opioid",
    "triptan", "NSAID", "COX-2 inhibitor", "beta blocker", "ACE inhibitor", "ARB", "calcium channel blocker",
    "thiazide", "loop diuretic", "statin", "proton pump inhibitor", "H2 blocker", "PDE5 inhibitor", "antihistamine",
    "urological anticholinergic", "muscle relaxant", "corticosteroid",
})  # fmt: skip


def duplicates(drug: str, orders: int, taken: Collection[str], others: Sequence[str]) -> Iterator[Caution]:
    """Yield what stands twice.

    Parameters
    ----------
    drug
        Generic name of an ordered drug.
    orders
        How many drafts order it.
    taken
        Generic names of what is taken.
    others
        Generic names of all that is taken or drafted.
    """
    reference = _sources()[drug]
    if orders > 1:
        yield Caution(Severity.MAJOR, f"{drug} is ordered {orders} times.", "duplicate", reference)
    if drug in taken:
        text = f"{drug} is on the list of what is taken: a change of it, or a duplicate."
        yield Caution(Severity.MODERATE, text, "duplicate", reference)
    own = catalogue()[drug].drug_class
    if own in ONE_OF_A_CLASS:
        for other in dict.fromkeys(others):
            if other != drug and other in catalogue() and catalogue()[other].drug_class == own:
                text = f"{drug} and {other} are of one class ({own}): a duplicate, unless both are wanted."
                yield Caution(Severity.MODERATE, text, "duplicate", reference)


@cache
def _sources() -> dict[str, Source]:
    return {row["drug"]: source(row) for row in rows("drugs")}
