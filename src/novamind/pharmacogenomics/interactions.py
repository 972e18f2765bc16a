"""Cautions beyond the genotype: drug with drug, drug with disease, and who inhibits whom.

Rules stand in ``knowledge/interactions.csv``; a side of a rule is a drug, ``tag:`` and a property shared by
drugs, or ``condition:`` and a property of the patient. Every rule that holds adds a caution; none replaces
another.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache

from novamind.pharmacogenomics.domain import Caution, Severity, Source
from novamind.pharmacogenomics.exposure import pathways
from novamind.pharmacogenomics.guidelines import guideline_genes
from novamind.pharmacogenomics.knowledge import rows, source
from novamind.pharmacogenomics.medications import catalogue
from novamind.pharmacogenomics.phenoconversion import modulators

_ORDER = tuple(Severity)


@dataclass(frozen=True, slots=True)
class InteractionRule:
    """One row: two sides, how serious, what to do."""

    a: str
    b: str
    severity: Severity
    text: str
    source: Source


@cache
def rules() -> tuple[InteractionRule, ...]:
    """All interaction rules."""
    return tuple(
        InteractionRule(r["a"], r["b"], Severity(r["severity"]), r["text"], source(r)) for r in rows("interactions")
    )


@cache
def known_conditions() -> tuple[str, ...]:
    """Patient conditions that any rule refers to."""
    return tuple(sorted({r.b.removeprefix("condition:") for r in rules() if r.b.startswith("condition:")}))


@cache
def _keys(name: str) -> frozenset[str]:
    known = catalogue().get(name)
    return frozenset({name, *(f"tag:{t}" for t in known.tags)}) if known else frozenset({name})


def cautions(drug: str, comedications: Sequence[str], conditions: Iterable[str]) -> tuple[Caution, ...]:
    """Every caution that holds for a drug in this patient, most serious first.

    Parameters
    ----------
    drug
        Generic name of the drug looked at.
    comedications
        Generic names of the other drugs.
    conditions
        Patient conditions in the words of :func:`known_conditions`.
    """
    present: dict[str, list[str]] = {f"condition:{c}": [c] for c in conditions}
    others = [name for name in dict.fromkeys(comedications) if name != drug]
    for name in others:
        for key in _keys(name):
            present.setdefault(key, []).append(name)
    found = [
        Caution(rule.severity, rule.text, cause, rule.source)
        for key in _keys(drug)
        for opposite, rule in _by_side().get(key, ())
        for cause in present.get(opposite, ())
    ]
    found += [caution for other in others for caution in _enzymes(drug, other)]
    return tuple(sorted(dict.fromkeys(found), key=lambda c: (_ORDER.index(c.severity), c.cause, c.text)))


@cache
def _by_side() -> dict[str, tuple[tuple[str, InteractionRule], ...]]:
    sides: dict[str, list[tuple[str, InteractionRule]]] = {}
    for rule in rules():
        sides.setdefault(rule.a, []).append((rule.b, rule))
        if rule.b != rule.a and not rule.b.startswith("condition:"):
            sides.setdefault(rule.b, []).append((rule.a, rule))
    return {key: tuple(of) for key, of in sides.items()}


def _enzymes(drug: str, other: str) -> Iterable[Caution]:
    """Yield what each of two drugs does to an enzyme that matters for the other, tested or not."""
    for acting, substrate in ((drug, other), (other, drug)):
        for m in modulators().get(acting, ()):
            if m.enzyme not in substrate_of(substrate):
                continue
            direction = "raise" if m.effect == "inhibitor" else "lower"
            if m.checked and m.strength != "unclassified":
                severity = Severity.INFORMATION if m.strength == "weak" else Severity.MODERATE
                text = f"{m.sentence} and can {direction} {substrate} levels."
            else:
                severity = Severity.INFORMATION
                text = (
                    f"{acting} is listed as a {m.enzyme} {m.effect} and may {direction} {substrate} levels; its"
                    " class could not be confirmed, so it does not change the phenotype here."
                )
            yield Caution(severity, text[:1].upper() + text[1:], other, m.source)


@cache
def substrate_of(drug: str) -> frozenset[str]:
    """Enzymes that matter for a drug: those of its guidelines and of its published exposure ratios."""
    genes = {*guideline_genes(drug), *(p.gene for p in pathways().get(drug, ()))}
    return frozenset(g for g in genes if g.startswith("CYP"))
