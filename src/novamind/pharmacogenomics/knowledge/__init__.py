"""The tables of pharmacogenomics: alleles, guidelines and what they lead to. Sources stand in ``drugs/facts``."""

from collections.abc import Iterator

from novamind.drugs import facts


def rows(table: str) -> Iterator[dict[str, str]]:
    """Yield the rows of ``<table>.csv``, in file order."""
    return facts.rows(table, __name__)
