"""VCF content for tests, built from the packaged definitions."""

from collections.abc import Mapping

from novamind.pharmacogenomics.matching import allele_table


def vcf(
    gene: str,
    genotypes: Mapping[int, str] | None = None,
    missing: frozenset[int] = frozenset(),
    header: str = "",
) -> bytes:
    """One-sample VCF over all of a gene's positions: reference except where ``genotypes`` says otherwise."""
    table = allele_table(gene)
    lines = ["##fileformat=VCFv4.2", *header.splitlines()]
    lines.append("#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\tpatient")
    for position, bases in zip(table.positions, table.bases, strict=True):
        if position not in missing:
            gt = (genotypes or {}).get(position, "0/0")
            lines.append(f"{table.chrom}\t{position}\t.\t{bases[0]}\t{','.join(bases[1:])}\t.\tPASS\t.\tGT\t{gt}")
    return ("\n".join(lines) + "\n").encode()
