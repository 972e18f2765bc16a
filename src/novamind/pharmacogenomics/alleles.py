"""From genotype data to diplotypes: every gene of every sample of a VCF, or of one person's array file.

The data are translated into the allele definitions' own bases (``variants.py``) and matched (``matching.py``). What
cannot be read stays missing, and a trace of a variant that cannot be used makes the call provisional.
"""

from collections.abc import Mapping, Sequence

from novamind.errors import ValidationError
from novamind.pharmacogenomics.domain import Diplotype
from novamind.pharmacogenomics.genome_build import grch37_position, refuse_other_build
from novamind.pharmacogenomics.matching import AlleleTable, allele_table, genes, match_best, not_excluded
from novamind.pharmacogenomics.variants import SHIFT, Doubts, gene_columns
from novamind.records.genotypes.consumer_arrays import ConsumerArray
from novamind.records.genotypes.vcf import Genotype, VariantFile, VariantRecord

_NO_DOUBTS = Doubts()
_MOST_PLACES = 6
# Variants alone cannot see a deletion, a duplication or a hybrid with CYP2D7.
_VARIANTS_ONLY = (
    "CYP2D6 was called from single variants only: deletion (*5), duplications and CYP2D6-CYP2D7 hybrids are"
    " invisible to it; confirm with a copy-number assay or a laboratory's diplotype."
)


def wanted_positions() -> dict[str, frozenset[int]]:
    """Return what the VCF reader has to keep, by chromosome.

    These are the positions of all genes, what lies to the right of an indel, where the same indel may be written,
    and the same positions on GRCh37, which give away a file on that build.
    """
    wanted: dict[str, set[int]] = {}
    for table in map(allele_table, genes()):
        at = wanted.setdefault(table.chrom, set())
        for position, bases in zip(table.positions, table.bases, strict=True):
            longest = max(map(len, bases))
            at.update(range(position, position + (1 if longest == 1 else longest + SHIFT)))
            at.add(grch37_position(table.chrom, position))
    return {chrom: frozenset(at) for chrom, at in wanted.items()}


def call_variants(file: VariantFile, absent_is_reference: bool = False) -> dict[str, dict[str, Diplotype]]:
    """Return the calls of all genes of all samples.

    Parameters
    ----------
    file
        What the VCF says at :func:`wanted_positions`.
    absent_is_reference
        Whether a position without a record is reference, as in a file that lists every variant of a whole genome and
        nothing else. Positions on a chromosome without any line stay missing.

    Returns
    -------
    dict
        sample -> gene -> Diplotype. A gene without any covered position is reported as not called.

    Raises
    ------
    ValidationError
        The file is on another build, most covered positions carry another reference base than GRCh38, or REF and
        ALT are swapped.
    """
    refuse_other_build(file)
    by_place: dict[tuple[str, int], list[VariantRecord]] = {}
    for record in file.records:
        by_place.setdefault((record.chrom, record.position), []).append(record)
    _refuse_foreign_reference(by_place)
    called: dict[str, dict[str, Diplotype]] = {sample: {} for sample in file.samples}
    for table in map(allele_table, genes()):
        n = len(file.samples)
        columns = gene_columns(table, file.records, n)
        genotypes: list[Sequence[Genotype | None]] = [
            columns.genotypes.get(j, (None,) * n) for j in range(len(table.positions))
        ]
        remarks = tuple(columns.remarks)
        absent = [j for j in range(len(table.positions)) if j not in columns.spoken]
        if absent_is_reference and absent and table.chrom in file.chromosomes:
            for j in absent:
                genotypes[j] = (Genotype(0, 0, ""),) * n
            remarks += (f"{table.gene}: {len(absent)} absent positions were taken as reference, as asked.",)
        diplotypes: dict[object, Diplotype] = {}
        for i, (sample, seen) in enumerate(zip(file.samples, zip(*genotypes, strict=True), strict=True)):
            doubts = columns.doubts.get(i, _NO_DOUBTS)
            if (seen, doubts) not in diplotypes:
                observed = {j: g for j, g in enumerate(seen) if g is not None}
                diplotypes[seen, doubts] = _diplotype(table, observed, remarks, doubts)
            called[sample][table.gene] = diplotypes[seen, doubts]
    return called


def call_rsids(array: ConsumerArray) -> dict[str, Diplotype]:
    """Return one person's calls from an array's letters by rs number.

    ``I`` and ``D`` are read where the definition has one insertion or deletion. A letter that is neither the
    reference nor a known alternative is left missing, because on an array it is more likely a strand slip
    than a new variant. Letters of dbSNP's forward strand are turned where only the other strand fits, and left missing
    where both strands would.
    """
    called = {}
    for gene in genes():
        table = allele_table(gene)
        observed, remarks = {}, []
        for j, rsid in enumerate(table.rsids):
            if rsid in array.contradicting:
                remarks.append(f"{gene}: the array gives {rsid} twice with different letters; it is not used.")
            if rsid not in array.calls:
                continue
            letters = _array_letters(table.bases[j])
            genotype = _indexes(letters, array.calls[rsid])
            if not array.on_plus_strand and letters.keys() & {_COMPLEMENT.get(base) for base in letters}:
                remarks.append(f"{gene}: the report does not show the strand of {rsid}; it is not used.")
                continue
            if genotype is None and not array.on_plus_strand:
                genotype = _indexes(letters, [_COMPLEMENT.get(letter, letter) for letter in array.calls[rsid]])
            if genotype is None:
                remarks.append(f"{gene}: the array's letters at {rsid} do not fit its definition and were not used.")
            else:
                observed[j] = genotype
        called[gene] = _diplotype(table, observed, tuple(remarks))
    return called


_COMPLEMENT = {"A": "T", "T": "A", "C": "G", "G": "C"}


def _indexes(letters: Mapping[str, int], call: Sequence[str]) -> Genotype | None:
    first, second = (letters.get(letter) for letter in call)
    return None if first is None or second is None else Genotype(first, second, "")


def _array_letters(bases: tuple[str, ...]) -> dict[str, int]:
    if all(len(b) == 1 for b in bases):
        return {b: k for k, b in enumerate(bases)}
    if len(bases) == 2:
        longer = 0 if len(bases[0]) > len(bases[1]) else 1
        return {"I": longer, "D": 1 - longer}
    return {}


def _diplotype(
    table: AlleleTable, observed: Mapping[int, Genotype], remarks: tuple[str, ...], doubts: Doubts = _NO_DOUBTS
) -> Diplotype:
    gene = table.gene
    calls = match_best(table, observed) if observed else ()
    missing = tuple(p for j, p in enumerate(table.positions) if j not in observed)
    warnings = list(remarks)
    if not observed and doubts == _NO_DOUBTS:
        warnings.append(f"{gene}: no position of its definition is in the data; nothing is assumed.")
    elif not observed:
        warnings.append(f"{gene}: no position of its definition has a usable call; nothing is assumed.")
    elif not calls:
        warnings.append(f"{gene}: no pair of known alleles explains the data.")
    hidden = not_excluded(table, observed, calls) if observed and missing else ()
    if observed and missing:
        warnings.append(
            f"{gene}: {len(missing)} of {len(table.positions)} positions are missing"
            + (f"; not excluded: {', '.join(hidden)}." if hidden else "; no known allele hides there.")
        )
    if doubts.unread:
        places = _places(table, doubts.unread)
        warnings.append(f"{gene}: a variant at {places} was seen but not in a usable genotype; it is not used.")
    if doubts.contradicting:
        places = _places(table, doubts.contradicting)
        warnings.append(f"{gene}: the records at {places} contradict each other; none is used.")
    if doubts.one_copy:
        warnings.append(
            f"{gene}: calls on one copy only, at {len(doubts.one_copy)} of its positions, are not used;"
            " the gene needs both copies."
        )
    if doubts.unsupported:
        places = _places(table, doubts.unsupported)
        warnings.append(f"{gene}: the call at {places} has depth or quality 0 or failed its filter; it is not used.")
    if len(calls) > 1:
        warnings.append(f"{gene}: {len(calls)} pairs of alleles explain the data equally well.")
    if gene == "CYP2D6" and calls:
        warnings.append(_VARIANTS_ONLY)
    doubtful = tuple(sorted({*doubts.unread, *doubts.contradicting}))
    return Diplotype(gene, calls, missing=missing, not_excluded=hidden, doubtful=doubtful, warnings=tuple(warnings))


def _places(table: AlleleTable, positions: Sequence[int]) -> str:
    shown = ", ".join(f"{table.chrom}:{position}" for position in positions[:_MOST_PLACES])
    more = len(positions) - _MOST_PLACES
    return f"{shown} and {more} more" if more > 0 else shown


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
            if all(r.ref[:1] != bases[0][0] for r in records):
                wrong += 1
                swapped += any(r.ref in bases[1:] and bases[0] in r.alts for r in records)
    if wrong and wrong * 2 >= total:
        reason = "REF and ALT look swapped" if swapped == wrong else "the file looks like another genome build"
        raise ValidationError(
            f"{wrong} of {total} pharmacogene positions carry another reference base than GRCh38; {reason};"
            " normalise the VCF against the GRCh38 reference first"
        )
