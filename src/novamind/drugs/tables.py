"""The tables in ``facts/`` and the one way to read them.

Every row names its source by an id of ``sources.csv`` and that source's year. The ``evidence`` column there
says how far the facts were checked at the source; a fact known only second-hand has a source of its own that
says so. The tables hold facts and figures restated in our own form; texts of the guidelines are not copied.
"""

import csv
from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable

from novamind.drugs.domain import Evidence, Source
from novamind.errors import DataProcessingError

#: Where the tables on drugs stand.
FACTS = files("novamind.drugs").joinpath("facts")


def rows(table: str, folder: Traversable = FACTS) -> Iterator[dict[str, str]]:
    """Yield the rows of ``<table>.csv`` of a folder, in file order; tables on drugs by default."""
    yield from csv.DictReader(folder.joinpath(f"{table}.csv").read_text("utf-8").splitlines())


@cache
def sources() -> dict[str, Source]:
    """Return all sources by id."""
    return {
        r["id"]: Source(r["id"], int(r["year"]), Evidence(r["evidence"]), r["title"], r["url"]) for r in rows("sources")
    }


def source(row: dict[str, str]) -> Source:
    """Return the source that a row names.

    Raises
    ------
    DataProcessingError
        The packaged tables disagree with each other (a broken install).
    """
    entry = sources().get(row["source"])
    if entry is None or str(entry.year) != row["year"]:
        raise DataProcessingError(f"a packaged table names the source {row['source']!r}, which does not exist")
    return entry
