"""The genes of a genotype file, for doors that reach the services through the twin alone."""

from novamind.pharmacogenomics.domain import Diplotype
from novamind.pharmacogenomics.service import read_genotype


def call_genes(
    source: bytes, sample: str | None = None, /, *, absent_is_reference: bool = False
) -> dict[str, Diplotype]:
    """Return gene to its call; errors as :func:`novamind.pharmacogenomics.read_genotype`."""
    return read_genotype(source, sample, absent_is_reference=absent_is_reference)
