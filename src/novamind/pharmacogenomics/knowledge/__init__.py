"""The tables of pharmacogenomics: alleles, guidelines and what they lead to. Sources stand in ``drugs/facts``."""

from collections.abc import Iterator
from importlib.resources import files

from novamind.drugs import tables


def rows(table: str) -> Iterator[dict[str, str]]:
    """Yield the rows of ``<table>.csv``, in file order."""
    return tables.rows(table, files(__name__))
