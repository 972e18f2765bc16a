"""Cautions beyond the genotype: drug with drug, drug with disease, and who inhibits whom.

Rules stand in ``knowledge/interactions.csv``; a side of a rule is a drug, ``tag:`` and a property shared by
drugs, or ``condition:`` and a property of the patient. Every rule that holds adds a caution; none replaces
another. ``exposure_of`` names the side whose concentration changes, where the rule says that one does.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache

from novamind.drugs.catalogue import catalogue
from novamind.drugs.domain import Caution, Severity, Source
from novamind.drugs.facts import source
from novamind.pharmacogenomics.exposure import pathways
from novamind.pharmacogenomics.guidelines import guideline_genes
from novamind.pharmacogenomics.knowledge import rows
from novamind.pharmacogenomics.phenoconversion import modulators

_ORDER = tuple(Severity)


@dataclass(frozen=True, slots=True)
class InteractionRule:
    """One row: two sides, how serious, what to do; ``changed`` is the side whose concentration changes, if any."""

    a: str
    b: str
    severity: Severity
    text: str
    changed: str
    source: Source


@cache
def rules() -> tuple[InteractionRule, ...]:
    """Return all interaction rules."""
    return tuple(
        InteractionRule(
            r["a"],
            r["b"],
            Severity(r["severity"]),
            r["text"],
            r[r["exposure_of"]] if r["exposure_of"] else "",
            source(r),
        )
        for r in rows("interactions")
    )


@cache
def known_conditions() -> tuple[str, ...]:
    """Return the patient conditions that any rule refers to."""
    return tuple(sorted({r.b.removeprefix("condition:") for r in rules() if r.b.startswith("condition:")}))


@cache
def _keys(name: str) -> frozenset[str]:
    entry = catalogue().get(name)
    return frozenset({name, *(f"tag:{t}" for t in entry.tags)}) if entry else frozenset({name})


def cautions(drug: str, comedications: Sequence[str], conditions: Iterable[str]) -> tuple[Caution, ...]:
    """Return every caution that holds for a drug in this patient, most serious first.

    Parameters
    ----------
    drug
        Generic name of the drug looked at.
    comedications
        Generic names of the other drugs.
    conditions
        Patient conditions in the words of :func:`known_conditions`.
    """
    others = _others(drug, comedications)
    applicable = [
        Caution(rule.severity, rule.text, cause, rule.source) for _, rule, cause in _holding(drug, others, conditions)
    ]
    applicable += [caution for other in others for caution in _enzymes(drug, other)]
    return tuple(sorted(dict.fromkeys(applicable), key=lambda c: (_ORDER.index(c.severity), c.cause, c.text)))


def without_size(drug: str, comedications: Sequence[str], conditions: Iterable[str], enzyme: str) -> tuple[str, ...]:
    """Return what changes a drug's concentration in this patient by an amount that no figure here includes.

    ``enzyme`` is the one whose activity the drug's expected exposure counts with: what acts on it by a confirmed class
    is in the figure.
    """
    others = _others(drug, comedications)
    acting = [m for other in others for m in modulators().get(other, ()) if m.enzyme in substrate_of(drug)]
    counted = [m for m in acting if m.applied and m.enzyme == enzyme]
    by_rule = [cause for side, rule, cause in _holding(drug, others, conditions) if side == rule.changed]
    inside = {m.drug for m in counted}
    return tuple(
        sorted({m.drug for m in acting if m not in counted} | {cause for cause in by_rule if cause not in inside})
    )


def _others(drug: str, comedications: Sequence[str]) -> list[str]:
    return [name for name in dict.fromkeys(comedications) if name != drug]


def _holding(drug: str, others: Sequence[str], conditions: Iterable[str]) -> Iterator[tuple[str, InteractionRule, str]]:
    """Yield the rules that hold for a drug: the drug's side, the rule, and who is on the other side."""
    present: dict[str, list[str]] = {f"condition:{c}": [c] for c in conditions}
    for name in others:
        for key in _keys(name):
            present.setdefault(key, []).append(name)
    for key in _keys(drug):
        for opposite, rule in _by_side().get(key, ()):
            for cause in present.get(opposite, ()):
                yield key, rule, cause


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
            if m.applied:
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
    """Return the enzymes that matter for a drug: those of its guidelines and of its published exposure ratios."""
    genes = {*guideline_genes(drug), *(p.gene for p in pathways().get(drug, ()))}
    return frozenset(g for g in genes if g.startswith("CYP"))
