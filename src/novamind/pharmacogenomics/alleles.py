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

from novamind.errors import NotFoundError, ValidationError
from novamind.pharmacogenomics.domain import Diplotype, DiplotypeCall
from novamind.pharmacogenomics.knowledge import rows
from novamind.records.vcf import Genotype, VariantFile, VariantRecord

# IUPAC codes of more than one base (NC-IUB 1984): a definition with one of them accepts each.
_WOBBLE = {"R": "AG", "Y": "CT", "S": "CG", "W": "AT", "K": "GT", "M": "AC",
           "B": "CGT", "D": "AGT", "H": "ACT", "V": "ACG", "N": "ACGT"}  # fmt: skip

# Variants alone cannot see a deletion, a duplication or a hybrid with CYP2D7.
_VARIANTS_ONLY = (
    "CYP2D6 was called from single variants only: deletion (*5), duplications and CYP2D6-CYP2D7 hybrids are"
    " invisible to it; confirm with a copy-number assay or a laboratory's diplotype."
)


def natural_order(name: str) -> tuple[tuple[int, str], ...]:
    """Sort key that puts ``*2`` before ``*10``."""
    return tuple((int(d), "") if d else (-1, s) for d, s in re.findall(r"(\d+)|(\D+)", name))


def order_pair(first: str, second: str) -> tuple[str, str]:
    """Put the two alleles of a diplotype in the order of their names."""
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
    """Genes that can be called from variants."""
    return tuple(dict.fromkeys(row["gene"] for row in rows("positions")))


@cache
def allele_table(gene: str) -> AlleleTable:
    """Definitions of one gene.

    Raises
    ------
    NotFoundError
        There are no allele definitions for the gene.
    """
    places = sorted((r for r in rows("positions") if r["gene"] == gene), key=lambda r: int(r["position"]))
    if not places:
        raise NotFoundError(f"There are no allele definitions for {gene!r}; known genes: {', '.join(genes())}.")
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
    """Every pair of alleles that explains the observed bases, best score first.

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
    """All pairs of :func:`match` that share the best score."""
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
    """Allele indexes and score of every pair that fits; the first index is never above the second."""
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
        for one, two in block:
            on_one &= table.accept_bits[one]
            on_two &= table.accept_bits[two]
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
    """Alleles that only missing positions hide: compatible with what was seen, but not seen as a whole."""
    width = table.accepts.shape[2]
    fits = 0
    for j, bits in enumerate(table.distinct_bits):
        if j not in observed:
            fits |= bits
    for j, g in observed.items():
        fits &= table.accept_bits[j * width + g.first] | table.accept_bits[j * width + g.second]
    named = {name for call in calls for name in (call.first, call.second)}
    return tuple(name for i, name in enumerate(table.names) if fits >> i & 1 and name not in named)


def wanted_positions() -> dict[str, frozenset[int]]:
    """Positions of all genes by chromosome, for the VCF reader."""
    wanted: dict[str, set[int]] = {}
    for gene in genes():
        table = allele_table(gene)
        wanted.setdefault(table.chrom, set()).update(table.positions)
    return {chrom: frozenset(at) for chrom, at in wanted.items()}


def call_variants(file: VariantFile) -> dict[str, dict[str, Diplotype]]:
    """Call all genes of all samples.

    Returns
    -------
    dict
        sample -> gene -> Diplotype. A gene without any covered position is reported as not called.

    Raises
    ------
    ValidationError
        Most covered positions carry another reference base than GRCh38, or REF and ALT are swapped.
    """
    by_place: dict[tuple[str, int], list[VariantRecord]] = {}
    for record in file.records:
        by_place.setdefault((record.chrom, record.position), []).append(record)
    _refuse_foreign_reference(by_place)
    called: dict[str, dict[str, Diplotype]] = {sample: {} for sample in file.samples}
    for gene in genes():
        table = allele_table(gene)
        columns, remarks = _columns(table, by_place)
        known: dict[tuple[Genotype | None, ...], Diplotype] = {}
        genotypes = [columns.get(j) for j in range(len(table.positions))]
        n = len(file.samples)
        for sample, seen in zip(file.samples, zip(*(g or [None] * n for g in genotypes), strict=True), strict=True):
            if seen not in known:
                known[seen] = _diplotype(table, {j: g for j, g in enumerate(seen) if g is not None}, remarks)
            called[sample][gene] = known[seen]
    return called


def call_rsids(calls: Mapping[str, tuple[str, str]]) -> dict[str, Diplotype]:
    """Call one person from an array's letters by rs number.

    ``I`` and ``D`` are read where the definition has one insertion or deletion. A letter that is neither the
    reference nor a known alternative is left missing, because on an array it is more likely a strand slip
    than a new variant.
    """
    called = {}
    for gene in genes():
        table = allele_table(gene)
        observed, remarks = {}, []
        for j, rsid in enumerate(table.rsids):
            if rsid not in calls:
                continue
            known = _array_letters(table.bases[j])
            first, second = (known.get(letter) for letter in calls[rsid])
            if first is None or second is None:
                remarks.append(f"{gene}: the array's letters at {rsid} do not fit its definition and were not used.")
            else:
                observed[j] = Genotype(first, second, "")
        called[gene] = _diplotype(table, observed, tuple(remarks))
    return called


def _array_letters(bases: tuple[str, ...]) -> dict[str, int]:
    if all(len(b) == 1 for b in bases):
        return {b: k for k, b in enumerate(bases)}
    if len(bases) == 2:
        longer = 0 if len(bases[0]) > len(bases[1]) else 1
        return {"I": longer, "D": 1 - longer}
    return {}


def _diplotype(table: AlleleTable, observed: Mapping[int, Genotype], remarks: tuple[str, ...]) -> Diplotype:
    calls = match_best(table, observed) if observed else ()
    missing = tuple(p for j, p in enumerate(table.positions) if j not in observed)
    warnings = list(remarks)
    if not observed:
        warnings.append(f"{table.gene}: no position of its definition is in the data; nothing is assumed.")
    elif not calls:
        warnings.append(f"{table.gene}: no pair of known alleles explains the data.")
    hidden = not_excluded(table, observed, calls) if observed and missing else ()
    if observed and missing:
        warnings.append(
            f"{table.gene}: {len(missing)} of {len(table.positions)} positions are missing"
            + (f"; not excluded: {', '.join(hidden)}." if hidden else "; no known allele hides there.")
        )
    if len(calls) > 1:
        warnings.append(f"{table.gene}: {len(calls)} pairs of alleles explain the data equally well.")
    if table.gene == "CYP2D6" and calls:
        warnings.append(_VARIANTS_ONLY)
    return Diplotype(table.gene, calls, missing=missing, not_excluded=hidden, warnings=tuple(warnings))


def _columns(
    table: AlleleTable, by_place: Mapping[tuple[str, int], list[VariantRecord]]
) -> tuple[dict[int, list[Genotype | None]], tuple[str, ...]]:
    """Genotypes of all samples by column, in the definition's base indexes; the first valid record wins."""
    columns: dict[int, list[Genotype | None]] = {}
    remarks: list[str] = []
    for j, position in enumerate(table.positions):
        records = by_place.get((table.chrom, position), [])
        valid = [r for r in records if r.ref == table.bases[j][0]]
        if len(valid) < len(records):
            remarks.append(f"{table.gene}: a record at {table.chrom}:{position} has not GRCh38's REF and was not used.")
        if not valid:
            continue
        if not valid[0].passed:
            remarks.append(f"{table.gene}: the record at {table.chrom}:{position} failed the file's own filter.")
        if any(r.alts != valid[0].alts or r.genotypes != valid[0].genotypes for r in valid[1:]):
            remarks.append(
                f"{table.gene}: {table.chrom}:{position} is given more than once; the first record was used."
            )
        columns[j] = _translate(valid[0], table.bases[j], table.accepts.shape[2] - 1)
    return columns, tuple(remarks)


def _translate(record: VariantRecord, bases: tuple[str, ...], other: int) -> list[Genotype | None]:
    index = [bases.index(s) if s in bases else other for s in (record.ref, *record.alts)]
    known: dict[Genotype, Genotype | None] = {}
    for genotype in set(record.genotypes):
        inside = 0 <= genotype.first < len(index) and 0 <= genotype.second < len(index)
        known[genotype] = Genotype(index[genotype.first], index[genotype.second], genotype.block) if inside else None
    return [known[g] for g in record.genotypes]


def _refuse_foreign_reference(by_place: Mapping[tuple[str, int], list[VariantRecord]]) -> None:
    """Refuse a file whose REF bases are not GRCh38's: a wrong build, or REF and ALT swapped throughout."""
    wrong = swapped = total = 0
    for gene in genes():
        table = allele_table(gene)
        for position, bases in zip(table.positions, table.bases, strict=True):
            records = by_place.get((table.chrom, position))
            if not records:
                continue
            total += 1
            if all(r.ref[0] != bases[0][0] for r in records):
                wrong += 1
                swapped += any(r.ref in bases[1:] and bases[0] in r.alts for r in records)
    if wrong and wrong * 2 >= total:
        reason = "REF and ALT look swapped" if swapped == wrong else "the file looks like another genome build"
        raise ValidationError(
            f"{wrong} of {total} pharmacogene positions carry another reference base than GRCh38; {reason}."
            " Normalise the VCF against the GRCh38 reference first."
        )
