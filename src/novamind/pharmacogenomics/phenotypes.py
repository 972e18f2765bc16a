"""From alleles to function, activity score and phenotype, by the guidelines' own rules.

- CYP2D6: sum of activity values; 0 poor, < 1.25 intermediate, <= 2.25 normal, above ultrarapid (CPIC and
  DPWG consensus, Caudle 2020, doi:10.1111/cts.12692). DPWG starts ultrarapid above 2.5; see guidelines.py.
- CYP2C9: < 1 poor, < 2 intermediate, 2 normal (CPIC phenytoin guideline, Karnes 2021, PMID 32779747).
- CYP2C19, CYP2B6, CYP3A5, UGT1A1: pairs of functions (CPIC allele and phenotype tables); CYP3A4 (DPWG 2023).
"""

import math
from collections.abc import Iterable
from dataclasses import replace
from functools import cache, lru_cache

from novamind.drugs.clearance import phenotype_activities
from novamind.drugs.domain import Source
from novamind.drugs.tables import source, sources
from novamind.pharmacogenomics.domain import (
    ActivityScore,
    AlleleCopy,
    Diplotype,
    DiplotypeCall,
    Function,
    GeneResult,
    Phenotype,
)
from novamind.pharmacogenomics.knowledge import rows
from novamind.pharmacogenomics.notation import (
    HLA_GENES,
    SCORED_GENES,
    UNKNOWN_ALLELE,
    parse_copy,
    parse_diplotype,
    parse_phenotype,
    parse_score,
)

P = Phenotype
F = Function

# Activity score of the reference genotype, two normal alleles.
REFERENCE_SCORE = 2.0

# Upper bounds of the score, lowest phenotype first.
_SCORE_RULES: dict[str, tuple[tuple[float, bool, Phenotype], ...]] = {
    # (bound, bound itself included, phenotype)
    "CYP2D6": (
        (0, True, P.POOR), (1.25, False, P.INTERMEDIATE), (2.25, True, P.NORMAL),
        (math.inf, True, P.ULTRARAPID),
    ),
    "CYP2C9": ((1, False, P.POOR), (2, False, P.INTERMEDIATE), (math.inf, True, P.NORMAL)),
}  # fmt: skip

_N, _D, _0, _I = F.NORMAL, F.DECREASED, F.NO, F.INCREASED
# Unordered pairs of functions; a pair that is not listed is indeterminate.
_PAIR_RULES: dict[str, dict[frozenset[Function], Phenotype]] = {
    "CYP2C19": {
        frozenset({_0}): P.POOR,
        frozenset({_D, _0}): P.LIKELY_POOR,
        frozenset({_N, _0}): P.INTERMEDIATE,
        frozenset({_I, _0}): P.INTERMEDIATE,
        frozenset({_D}): P.LIKELY_INTERMEDIATE,
        frozenset({_N, _D}): P.LIKELY_INTERMEDIATE,
        frozenset({_I, _D}): P.LIKELY_INTERMEDIATE,
        frozenset({_N}): P.NORMAL,
        frozenset({_N, _I}): P.RAPID,
        frozenset({_I}): P.ULTRARAPID,
    },
    "CYP2B6": {
        frozenset({_0}): P.POOR,
        frozenset({_D, _0}): P.POOR,
        frozenset({_D}): P.POOR,
        frozenset({_N, _0}): P.INTERMEDIATE,
        frozenset({_N, _D}): P.INTERMEDIATE,
        frozenset({_I, _0}): P.INTERMEDIATE,
        frozenset({_I, _D}): P.INTERMEDIATE,
        frozenset({_N}): P.NORMAL,
        frozenset({_N, _I}): P.RAPID,
        frozenset({_I}): P.ULTRARAPID,
    },
    "CYP3A4": {
        frozenset({_0}): P.POOR,
        frozenset({_D, _0}): P.POOR,
        frozenset({_D}): P.POOR,
        frozenset({_N, _0}): P.INTERMEDIATE,
        frozenset({_N, _D}): P.INTERMEDIATE,
        frozenset({_N}): P.NORMAL,
    },
    "CYP3A5": {
        frozenset({_0}): P.POOR,
        frozenset({_N, _0}): P.INTERMEDIATE,
        frozenset({_N}): P.NORMAL,
        # CPIC keeps one phenotype for a normal allele beside one of unknown function.
        frozenset({_N, F.UNKNOWN}): P.POSSIBLE_INTERMEDIATE,
    },
    "UGT1A1": {
        frozenset({_D}): P.POOR,
        frozenset({_N, _D}): P.INTERMEDIATE,
        frozenset({_I, _D}): P.INTERMEDIATE,
        frozenset({_N}): P.NORMAL,
        frozenset({_N, _I}): P.NORMAL,
        frozenset({_I}): P.NORMAL,
    },
}

RULE_SOURCES = {
    "CYP2D6": "caudle-2020", "CYP2C9": "cpic-phenytoin-2020", "CYP2C19": "cpic-ssri-2023",
    "CYP2B6": "cpic-ssri-2023", "CYP3A4": "dpwg-antipsychotics-2023", "CYP3A5": "cpic-functions-2025",
    "UGT1A1": "cpic-functions-2025",
}  # fmt: skip

# Activity of one allele relative to a normal one, for genes without an activity score. *17's gain is fitted
# to the two published *17/*17 exposure rows of escitalopram and sertraline (see exposure.csv); CYP3A4*22's
# loss is the 1.7-fold lower liver activity of carriers (Wang 2011, doi:10.1038/tpj.2010.28). What CYP2B6*6 leaves is an
# assumption; sertraline's share is solved with it from the quarter less of the dose that CPIC asks for at *6/*6.
_RELATIVE = {
    "CYP2C19": {_0: 0.0, _D: 0.5, _N: 1.0, _I: 1.3},
    "CYP2B6": {_0: 0.0, _D: 0.3, _N: 1.0, _I: 1.3},
    "CYP3A4": {_0: 0.0, _D: 0.6, _N: 1.0},
}
# Scores that a phenotype reported alone can stand for.
_SCORES_OF = {
    "CYP2D6": {
        P.POOR: (0.0,), P.INTERMEDIATE: (0.25, 0.5, 0.75, 1.0), P.NORMAL: (1.25, 1.5, 1.75, 2.0, 2.25),
        P.ULTRARAPID: (2.5, 2.75, 3.0, 4.0),
    },
    "CYP2C9": {P.POOR: (0.0, 0.5), P.INTERMEDIATE: (1.0, 1.5), P.NORMAL: (2.0,)},
}  # fmt: skip


@cache
def _functions() -> dict[str, dict[str, tuple[Function, float | None, Source]]]:
    table: dict[str, dict[str, tuple[Function, float | None, Source]]] = {}
    for row in rows("alleles"):
        value = float(row["activity_value"]) if row["activity_value"] else None
        table.setdefault(row["gene"], {})[row["allele"]] = (Function(row["function"]), value, source(row))
    return table


def allele_function(gene: str, allele: str | AlleleCopy) -> tuple[Function, ActivityScore | None]:
    """Return function and activity value of one chromosome copy, duplications and tandems added up.

    An allele that the tables do not know is of unknown function; it is never taken for ``*1``.
    """
    table = _functions().get(gene, {})
    if allele == UNKNOWN_ALLELE:
        return F.UNKNOWN, None
    if isinstance(allele, str) and allele in table:
        function, value, _ = table[allele]
        return function, None if value is None else ActivityScore(value)
    copy = parse_copy(allele) if isinstance(allele, str) else allele
    parts = [(table.get(name), n) for name, n in copy.parts]
    if any(f is None for f, _ in parts):
        return F.UNKNOWN, None
    functions = [f[0] for f, _ in parts if f is not None]
    values = [f[1] * n for f, n in parts if f is not None and f[1] is not None]
    if len(values) < len(parts):  # an allele without a value, or a gene that is not scored
        return (functions[0], None) if len(set(functions)) == 1 else (F.UNKNOWN, None)
    total = ActivityScore(sum(values), copy.at_least)
    return (F.NO if total == 0 else F.DECREASED if total < 1 else F.NORMAL if total <= 1 else F.INCREASED), total


@cache
def known_genes() -> frozenset[str]:
    """Return the genes whose results mean something here: those with allele tables, and HLA-A and HLA-B."""
    return frozenset({*_functions(), *HLA_GENES})


def unknown_alleles(diplotype: Diplotype) -> tuple[str, ...]:
    """Return the alleles of a diplotype that the tables do not list."""
    table = _functions().get(diplotype.gene, {})
    return tuple(
        dict.fromkeys(
            name
            for call in diplotype.calls
            for name in (call.first, call.second)
            if name not in table
            and (name == UNKNOWN_ALLELE or any(part not in table for part, _ in parse_copy(name).parts))
        )
    )


def score_phenotype(gene: str, score: ActivityScore | None) -> Phenotype:
    """Return the phenotype of an activity score; a lower bound counts only when every higher score says the same."""
    if score is None:
        return P.INDETERMINATE
    named = next(p for bound, inside, p in _SCORE_RULES[gene] if score < bound or (inside and float(score) == bound))
    return named if not score.at_least or named is _SCORE_RULES[gene][-1][2] else P.INDETERMINATE


@lru_cache(maxsize=65536)
def call_phenotype(gene: str, call: DiplotypeCall) -> GeneResult:
    """Return the phenotype of one pair of alleles."""
    (f1, v1), (f2, v2) = (allele_function(gene, a) for a in (call.first, call.second))
    if gene in SCORED_GENES:
        score = None if v1 is None or v2 is None else ActivityScore(float(v1) + float(v2), v1.at_least or v2.at_least)
        return score_result(gene, score, call.name)
    pair = _PAIR_RULES.get(gene)
    if pair is None:  # no guideline names a phenotype for this gene
        return GeneResult(gene, None, diplotype=call.name)
    relative = [_RELATIVE.get(gene, {}).get(f) for f in (f1, f2)]
    activities = [r for r in relative if r is not None]
    return GeneResult(
        gene,
        P.INDETERMINATE
        if unknown_alleles(Diplotype(gene, (call,)))
        else pair.get(frozenset({f1, f2}), P.INDETERMINATE),
        diplotype=call.name,
        activity=sum(activities) / 2 if len(activities) == 2 else None,
    )


def score_result(gene: str, score: ActivityScore | None, diplotype: str | None = None) -> GeneResult:
    """Return the phenotype of an activity score, with the activity relative to two normal alleles."""
    activity = None if score is None else float(score) / REFERENCE_SCORE
    return GeneResult(gene, score_phenotype(gene, score), score, diplotype, activity)


def phenotype_result(gene: str, phenotype: Phenotype) -> GeneResult:
    """Return the phenotype that was reported without alleles or score."""
    activity = phenotype_activities(gene).get(phenotype.lower()) if gene in _RELATIVE and phenotype else None
    return GeneResult(gene, phenotype, activity=activity)


def results(diplotype: Diplotype) -> tuple[GeneResult, ...]:
    """Return every distinct reading of a gene: one per distinguishable pair of alleles, score or phenotype.

    Returns
    -------
    tuple of GeneResult
        Empty when the gene was not called. Readings that guidelines cannot tell apart are merged (the first
        diplotype stands for them).
    """
    gene = diplotype.gene
    if diplotype.markers:
        return (GeneResult(gene, None, markers=tuple(sorted(diplotype.markers.items()))),)
    if diplotype.reported is not None:
        return _reported(gene, diplotype.reported)
    readings = _distinct(call_phenotype(gene, call) for call in diplotype.calls)
    return tuple(replace(r, provisional=True) for r in readings) if diplotype.provisional else readings


def _reported(gene: str, text: str) -> tuple[GeneResult, ...]:
    phenotype = parse_phenotype(text)
    if phenotype is None:
        return (score_result(gene, parse_score(text)),)
    scores = _SCORES_OF.get(gene, {}).get(phenotype)
    if scores is None:
        return (phenotype_result(gene, phenotype),)
    return tuple(score_result(gene, ActivityScore(s)) for s in scores)


def _distinct(readings: Iterable[GeneResult]) -> tuple[GeneResult, ...]:
    seen: dict[object, GeneResult] = {}
    for reading in readings:
        seen.setdefault((reading.phenotype, reading.activity_score, reading.activity, _kept(reading)), reading)
    return tuple(seen.values())


def _kept(reading: GeneResult) -> str | None:
    """Return the diplotype where a guideline looks it up by itself (DPWG phenytoin), else nothing."""
    return reading.diplotype if reading.gene == "CYP2C9" else None


class PhenotypeReading:
    """Answer of :func:`phenotype`: what one gene's result means.

    Attributes
    ----------
    gene, diplotype
        What was asked.
    phenotype
        The phenotype when all readings agree; ``Indeterminate`` when they do not or none is known; ``None``
        for a gene that no guideline gives a phenotype.
    activity_score
        The score when all readings agree, else None.
    alternatives
        Every distinct reading.
    source
        Where the rule comes from.
    """

    def __init__(self, diplotype: Diplotype) -> None:
        self.gene = diplotype.gene
        self.diplotype = diplotype
        self.alternatives = results(diplotype)
        phenotypes = {r.phenotype for r in self.alternatives}
        scores = {r.activity_score for r in self.alternatives}
        self.phenotype = phenotypes.pop() if len(phenotypes) == 1 else P.INDETERMINATE
        self.activity_score = scores.pop() if len(scores) == 1 else None
        self.source = sources()[RULE_SOURCES[self.gene]] if self.gene in RULE_SOURCES else None

    def __repr__(self) -> str:
        score = f", activity score {self.activity_score}" if self.activity_score is not None else ""
        return f"{self.diplotype}: {self.phenotype}{score}"


def phenotype(gene: str, diplotype: str | Diplotype) -> PhenotypeReading:
    """Return phenotype and activity score of one gene.

    Parameters
    ----------
    gene
        HGNC symbol, for example ``CYP2D6``.
    diplotype
        ``*1/*4`` and the other forms of :func:`novamind.pharmacogenomics.notation.parse_diplotype`, or a
        called diplotype with its ties.

    Raises
    ------
    ValidationError
        The diplotype is malformed.
    """
    return PhenotypeReading(parse_diplotype(gene, diplotype) if isinstance(diplotype, str) else diplotype)
