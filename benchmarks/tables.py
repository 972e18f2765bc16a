"""Tables of the docs, made out of the benchmarks' results: no figure in the docs is typed by hand.

A page marks where a table belongs; whatever stands between the two marks is replaced::

    <!-- table accuracy -->
    <!-- end -->
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

_PLACE = re.compile(r"(?P<begin><!-- table (?P<name>[\w-]+) -->\n).*?(?P<end><!-- end -->)", re.DOTALL)


def markdown(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table; text columns to the left, every column after the first to the right."""
    rule = ["---", *["--:"] * (len(header) - 1)]
    return "\n".join("| " + " | ".join(row) + " |" for row in (header, rule, *rows))


def fill(page: Path, tables: Mapping[str, str]) -> list[str]:
    """Put the tables into the page's marked places; names of places for which there is no table are returned."""
    missing: list[str] = []

    def replaced(place: re.Match[str]) -> str:
        name = place["name"]
        if name not in tables:
            missing.append(name)
            return place[0]
        return f"{place['begin']}{tables[name]}\n{place['end']}"

    text = page.read_text(encoding="utf-8")
    filled = _PLACE.sub(replaced, text)
    if filled != text:
        page.write_text(filled, encoding="utf-8")
    return missing
