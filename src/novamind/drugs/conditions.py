"""The words by which rules know a person's conditions, and the names that mean them."""

from functools import cache

from novamind.drugs.cautions import known_conditions
from novamind.drugs.tables import rows


def condition_word(name: str) -> str | None:
    """Return the word of the interaction rules for a condition, ``None`` where no rule refers to it.

    Reads any case, underscores for spaces, and the synonyms of ``facts/conditions.csv`` (English and German).
    """
    return _words().get(" ".join(name.casefold().replace("_", " ").split()))


@cache
def _words() -> dict[str, str]:
    words = {synonym: row["word"] for row in rows("conditions") for synonym in row["synonyms"].split("|")}
    return words | {word: word for word in known_conditions()}
