"""Whether a file is a genotype, by how it begins."""

from novamind.records.genotypes.consumer_arrays import is_consumer_array
from novamind.records.genotypes.star_alleles import is_star_alleles


def is_vcf(head: bytes) -> bool:
    """Return whether a file begins as a VCF."""
    return head.removeprefix(b"\xef\xbb\xbf").startswith(b"##fileformat=VCF")


def is_genotype(head: bytes) -> bool:
    """Return whether a file begins as a VCF, a consumer array, a table of star alleles or a caller's output."""
    if is_vcf(head):
        return True
    text = head.decode("utf-16" if head[:2] in {b"\xff\xfe", b"\xfe\xff"} else "utf-8-sig", "replace")
    return is_consumer_array(text) or is_star_alleles(text)
