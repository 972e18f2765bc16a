"""Named-allele matching: from the bases at a gene's positions to every pair of star alleles that fits.

The method is the published one of PharmCAT's named-allele matcher (Sangkuhl 2020, doi:10.1002/cpt.1568): an
allele defines some positions and takes the reference base at all others; a pair explains the sample when the
two alleles' bases can be laid on the two chromosome copies; a pair scores the number of defining positions
that the sample supports, and all pairs with the best score are reported.

Instead of enumerating the 2^n ways of phasing n heterozygous positions, a pair is tested phase block by phase
block (an unphased position is a block of its own): it fits when each block fits in one of its two
orientations, and because blocks are independent its score is the sum of the better orientations.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache

import numpy as np

from novamind.errors import NotFoundError
from novamind.pharmacogenomics.domain import DiplotypeCall
from novamind.pharmacogenomics.knowledge import rows
from novamind.records.genotypes.vcf import Genotype

# IUPAC codes of more than one base (NC-IUB 1984): a definition with one of them accepts each.
_WOBBLE = {"R": "AG", "Y": "CT", "S": "CG", "W": "AT", "K": "GT", "M": "AC",
           "B": "CGT", "D": "AGT", "H": "ACT", "V": "ACG", "N": "ACGT"}  # fmt: skip


def natural_order(name: str) -> tuple[tuple[int, str], ...]:
    """Return a sort key that puts ``*2`` before ``*10``."""
    return tuple((int(d), "") if d else (-1, s) for d, s in re.findall(r"(\d+)|(\D+)", name))


def order_pair(first: str, second: str) -> tuple[str, str]:
    """Return the two alleles of a diplotype in the order of their names."""
    return (first, second) if natural_order(first) <= natural_order(second) else (second, first)


@dataclass(frozen=True)
class AlleleTable:
    """One gene's allele definitions as arrays.

    Parameters
    ----------
    gene, chrom
        HGNC symbol and chromosome.
    positions
        GRCh38 positions, ascending, length ``n_positions``.
    rsids
        dbSNP ids by position ("" where there is none).
    bases
        Known sequences by position, reference first.
    names
        Allele names in natural order, length ``n_alleles``.
    accepts
        (n_alleles, n_positions, n_bases) bool: the allele can carry that base. The last base stands for any
        sequence outside the definition, which no allele carries.
    counts
        Same shape: the base supports the allele. A wobble position counts only away from the reference.
    scored
        (n_alleles, n_positions) bool: the position belongs to the allele's definition.
    distinct
        (n_alleles, n_positions) bool: the allele carries another base than the reference there.
    accept_bits, scored_bits, distinct_bits
        ``accepts`` by (position, base) and the two others by position, as integers with one bit an allele.
    """

    gene: str
    chrom: str
    positions: tuple[int, ...]
    rsids: tuple[str, ...]
    bases: tuple[tuple[str, ...], ...]
    names: tuple[str, ...]
    accepts: np.ndarray
    counts: np.ndarray
    scored: np.ndarray
    distinct: np.ndarray
    accept_bits: tuple[int, ...]
    scored_bits: tuple[int, ...]
    distinct_bits: tuple[int, ...]


@cache
def genes() -> tuple[str, ...]:
    """Return the genes that can be called from variants."""
    return tuple(dict.fromkeys(row["gene"] for row in rows("positions")))


@cache
def allele_table(gene: str) -> AlleleTable:
    """Return the definitions of one gene.

    Raises
    ------
    NotFoundError
        There are no allele definitions for the gene.
    """
    places = sorted((r for r in rows("positions") if r["gene"] == gene), key=lambda r: int(r["position"]))
    if not places:
        raise NotFoundError(f"there are no allele definitions for {gene!r}; known genes: {', '.join(genes())}")
    alleles = [r for r in rows("alleles") if r["gene"] == gene and r["scoring"] != "no definition"]
    alleles.sort(key=lambda r: natural_order(r["allele"]))
    bases = tuple((p["ref"], *p["alts"].split()) for p in places)
    at = {p["position"]: j for j, p in enumerate(places)}
    n_bases = max(len(b) for b in bases) + 1
    accepts = np.zeros((len(alleles), len(places), n_bases), dtype=bool)
    accepts[:, :, 0] = True
    counts = np.zeros(accepts.shape, dtype=np.int16)
    scored = np.zeros(accepts.shape[:2], dtype=bool)
    distinct = np.zeros(accepts.shape[:2], dtype=bool)
    for i, allele in enumerate(alleles):
        if allele["scoring"]:
            scored[i] = True
            counts[i, :, 0] = 1
        for item in allele["bases"].split():
            place, code = item.split(":")
            j = at[place]
            allowed = set(_WOBBLE.get(code, "")) or {code}
            accepts[i, j] = [b in allowed for b in bases[j]] + [False] * (n_bases - len(bases[j]))
            counts[i, j] = accepts[i, j]
            if len(allowed) > 1:
                counts[i, j, 0] = 0
            scored[i, j] = True
            distinct[i, j] = bases[j][0] not in allowed
    return AlleleTable(
        gene=gene,
        chrom=places[0]["chrom"],
        positions=tuple(int(p["position"]) for p in places),
        rsids=tuple(p["rsid"] for p in places),
        bases=bases,
        names=tuple(a["allele"] for a in alleles),
        accepts=accepts,
        counts=counts,
        scored=scored,
        distinct=distinct,
        accept_bits=_bits(accepts.reshape(len(alleles), -1)),
        scored_bits=_bits(scored),
        distinct_bits=_bits(distinct),
    )


def _bits(by_allele: np.ndarray) -> tuple[int, ...]:
    return tuple(sum(1 << int(i) for i in np.flatnonzero(column)) for column in by_allele.T)


def match(table: AlleleTable, observed: Mapping[int, Genotype]) -> tuple[DiplotypeCall, ...]:
    """Return every pair of alleles that explains the observed bases, best score first.

    Parameters
    ----------
    table
        The gene's definitions.
    observed
        Column of ``table.positions`` -> genotype whose indexes point into ``table.bases`` of that position
        (or to the last base for an unknown sequence). Positions that are not a key are missing: they are
        left out of definitions and scores, and an allele left without any position is not considered.

    Returns
    -------
    tuple of DiplotypeCall
        Sorted by falling score, then by allele name; empty when nothing fits.
    """
    first, second, score = _pairs(table, observed)
    order = np.argsort(-score, kind="stable")
    return _calls(table, first[order], second[order], score[order])


def match_best(table: AlleleTable, observed: Mapping[int, Genotype]) -> tuple[DiplotypeCall, ...]:
    """Return all pairs of :func:`match` that share the best score."""
    first, second, score = _pairs(table, observed)
    top = score == score.max(initial=-1)
    return _calls(table, first[top], second[top], score[top])


def _calls(table: AlleleTable, first: np.ndarray, second: np.ndarray, score: np.ndarray) -> tuple[DiplotypeCall, ...]:
    names = table.names
    return tuple(
        DiplotypeCall(names[i], names[j], n)
        for i, j, n in zip(first.tolist(), second.tolist(), score.tolist(), strict=True)
    )


def _pairs(table: AlleleTable, observed: Mapping[int, Genotype]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return allele indexes and score of every pair that fits; the first index is never above the second."""
    width = table.accepts.shape[2]
    same = [j * width + g.first for j, g in observed.items() if g.first == g.second]
    blocks: dict[object, list[tuple[int, int]]] = {}
    for j, g in observed.items():
        if g.first != g.second:
            blocks.setdefault(g.block or j, []).append((j * width + g.first, j * width + g.second))

    # Which alleles can take part at all, as bits of one integer: cheaper than arrays.
    fits = 0
    for j in observed:
        fits |= table.scored_bits[j]
    for column in same:
        fits &= table.accept_bits[column]
    for block in blocks.values():
        on_one = on_two = fits
        for left, right in block:
            on_one &= table.accept_bits[left]
            on_two &= table.accept_bits[right]
        fits = on_one | on_two
    kept = np.array([i for i in range(len(table.names)) if fits >> i & 1], dtype=np.intp)

    accepts = table.accepts.reshape(len(table.names), -1)[kept]
    counts = table.counts.reshape(len(table.names), -1)[kept]
    shared = counts[:, same].sum(axis=1, dtype=np.int16)
    score = np.add.outer(shared, shared)
    possible = np.ones(score.shape, dtype=bool)
    if blocks and len(kept):
        columns = np.array([pair for block in blocks.values() for pair in block]).T
        starts = np.cumsum([0, *(len(block) for block in blocks.values())])[:-1]
        lies = [np.logical_and.reduceat(accepts[:, of], starts, axis=1) for of in (columns[0], columns[1])]
        gains = [np.add.reduceat(counts[:, of], starts, axis=1) for of in (columns[0], columns[1])]
        # (alleles, alleles, blocks): the score of a block with its copies laid one way, -1 where it cannot.
        straight = np.where(lies[0][:, None] & lies[1][None], gains[0][:, None] + gains[1][None], -1)
        better = np.maximum(straight, straight.transpose(1, 0, 2))
        possible &= (better >= 0).all(axis=2)
        score = score + better.sum(axis=2)
    first, second = np.nonzero(np.triu(possible))
    return kept[first], kept[second], score[first, second]


def not_excluded(
    table: AlleleTable, observed: Mapping[int, Genotype], calls: Iterable[DiplotypeCall]
) -> tuple[str, ...]:
    """Return the alleles that only missing positions hide: compatible with what was seen, but not seen as a whole."""
    width = table.accepts.shape[2]
    fits = 0
    for j, bits in enumerate(table.distinct_bits):
        if j not in observed:
            fits |= bits
    for j, g in observed.items():
        fits &= table.accept_bits[j * width + g.first] | table.accept_bits[j * width + g.second]
    named = {name for call in calls for name in (call.first, call.second)}
    return tuple(name for i, name in enumerate(table.names) if fits >> i & 1 and name not in named)
