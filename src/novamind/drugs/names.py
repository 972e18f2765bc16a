"""From a name as records write it to the drug."""

from functools import cache

from novamind.drugs.catalogue import catalogue
from novamind.drugs.facts import rows


@cache
def _names() -> dict[str, str]:
    names = {name: name for name in catalogue()}
    names.update({row["name"].casefold(): row["drug"] for row in rows("names") if row["kind"] != "salt"})
    return names


def normalise(name: str) -> str | None:
    """Return the generic name of a generic or brand name, any case; None when we do not know the drug."""
    return _names().get(" ".join(name.casefold().split()))
