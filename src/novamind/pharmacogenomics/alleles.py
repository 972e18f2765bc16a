"""From genotype data to diplotypes: every gene of every sample of a VCF, or of one person's array file.

The data are translated into the allele definitions' own bases and matched (``matching.py``). What cannot be
read stays missing, and a trace of a variant that cannot be used makes the call provisional.
"""

from collections.abc import Mapping

from novamind.errors import ValidationError
from novamind.pharmacogenomics.domain import Diplotype
from novamind.pharmacogenomics.matching import AlleleTable, allele_table, genes, match_best, not_excluded
from novamind.records.genotypes.vcf import Genotype, VariantFile, VariantRecord

# Variants alone cannot see a deletion, a duplication or a hybrid with CYP2D7.
_VARIANTS_ONLY = (
    "CYP2D6 was called from single variants only: deletion (*5), duplications and CYP2D6-CYP2D7 hybrids are"
    " invisible to it; confirm with a copy-number assay or a laboratory's diplotype."
)


def wanted_positions() -> dict[str, frozenset[int]]:
    """Return the positions of all genes by chromosome, for the VCF reader."""
    wanted: dict[str, set[int]] = {}
    for gene in genes():
        table = allele_table(gene)
        wanted.setdefault(table.chrom, set()).update(table.positions)
    return {chrom: frozenset(at) for chrom, at in wanted.items()}


def call_variants(file: VariantFile) -> dict[str, dict[str, Diplotype]]:
    """Return the calls of all genes of all samples.

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
        columns, doubts, remarks = _columns(table, by_place)
        diplotypes: dict[object, Diplotype] = {}
        genotypes = [columns.get(j) for j in range(len(table.positions))]
        n = len(file.samples)
        by_sample = zip(*(g or [None] * n for g in genotypes), strict=True)
        for i, (sample, seen) in enumerate(zip(file.samples, by_sample, strict=True)):
            key = (seen, doubts.get(i, ()))
            if key not in diplotypes:
                observed = {j: g for j, g in enumerate(seen) if g is not None}
                diplotypes[key] = _diplotype(table, observed, remarks, doubts.get(i, ()))
            called[sample][gene] = diplotypes[key]
    return called


def call_rsids(calls: Mapping[str, tuple[str, str]]) -> dict[str, Diplotype]:
    """Return one person's calls from an array's letters by rs number.

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
            letters = _array_letters(table.bases[j])
            first, second = (letters.get(letter) for letter in calls[rsid])
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


def _diplotype(
    table: AlleleTable, observed: Mapping[int, Genotype], remarks: tuple[str, ...], doubtful: tuple[int, ...] = ()
) -> Diplotype:
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
    if doubtful:
        places = ", ".join(f"{table.chrom}:{position}" for position in doubtful)
        warnings.append(f"{table.gene}: a variant at {places} was seen but not in a usable genotype; it is not used.")
    if len(calls) > 1:
        warnings.append(f"{table.gene}: {len(calls)} pairs of alleles explain the data equally well.")
    if table.gene == "CYP2D6" and calls:
        warnings.append(_VARIANTS_ONLY)
    return Diplotype(
        table.gene, calls, missing=missing, not_excluded=hidden, doubtful=doubtful, warnings=tuple(warnings)
    )


def _columns(
    table: AlleleTable, by_place: Mapping[tuple[str, int], list[VariantRecord]]
) -> tuple[dict[int, list[Genotype | None]], dict[int, tuple[int, ...]], tuple[str, ...]]:
    """Return the genotypes of all samples by column, in the definition's base indexes; the first valid record wins.

    Also returns by sample the positions where a variant was seen that those genotypes do not contain, and remarks.
    """
    columns: dict[int, list[Genotype | None]] = {}
    doubts: dict[int, tuple[int, ...]] = {}
    remarks: list[str] = []
    for j, position in enumerate(table.positions):
        records = by_place.get((table.chrom, position), [])
        valid = [r for r in records if r.ref == table.bases[j][0]]
        if len(valid) < len(records):
            remarks.append(
                f"{table.gene}: a record at {table.chrom}:{position} does not have GRCh38's REF and was not used."
            )
        if valid:
            columns[j] = _translate(valid[0], table.bases[j], table.accepts.shape[2] - 1)
        for i in sorted(_unused_variants(records, valid[0] if valid else None, columns.get(j))):
            doubts[i] = (*doubts.get(i, ()), position)
        if not valid:
            continue
        if not valid[0].passed:
            remarks.append(f"{table.gene}: the record at {table.chrom}:{position} failed the file's own filter.")
        if any(r.alts != valid[0].alts or r.genotypes != valid[0].genotypes for r in valid[1:]):
            remarks.append(
                f"{table.gene}: {table.chrom}:{position} is given more than once; the first record was used."
            )
    return columns, doubts, tuple(remarks)


def _unused_variants(
    records: list[VariantRecord], used: VariantRecord | None, genotypes: list[Genotype | None] | None
) -> set[int]:
    """Return the samples with a non-reference allele at a position that their genotype as used does not contain."""
    samples = set()
    for record in records:
        if record is used and genotypes is not None:
            samples |= {
                i
                for i, (g, usable) in enumerate(zip(record.genotypes, genotypes, strict=True))
                if usable is None and max(g.first, g.second) > 0
            }
        elif used is None or (record.alts, record.genotypes) != (used.alts, used.genotypes):
            for i, g in enumerate(record.genotypes):
                seen = {(record.ref, record.base(k)) for k in (g.first, g.second) if k > 0}
                if used is not None:
                    seen -= {(used.ref, used.base(k)) for k in used.genotypes[i][:2]}
                if seen:
                    samples.add(i)
    return samples


def _translate(record: VariantRecord, bases: tuple[str, ...], other: int) -> list[Genotype | None]:
    index = [bases.index(s) if s in bases else other for s in (record.ref, *record.alts)]
    translated: dict[Genotype, Genotype | None] = {}
    for genotype in set(record.genotypes):
        inside = 0 <= genotype.first < len(index) and 0 <= genotype.second < len(index)
        translated[genotype] = (
            Genotype(index[genotype.first], index[genotype.second], genotype.block) if inside else None
        )
    return [translated[g] for g in record.genotypes]


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
