"""How much the tables of drugs cover: fills the table of docs/drugs.md out of the packaged facts.

python benchmarks/drugs.py
"""

from collections import Counter
from pathlib import Path

from novamind.drugs.catalogue import catalogue
from novamind.drugs.domain import Evidence
from novamind.drugs.results import DrugFacts, facts
from tables import fill, markdown

PAGE = Path(__file__).parents[1] / "docs" / "drugs.md"
#: What the columns of the page count; every kind of evidence is in one of them.
CHECKED = {
    "read": (Evidence.READ, Evidence.COPY, Evidence.ABSTRACT, Evidence.OWN),
    "read where quoted": (Evidence.SECONDARY,),
    "not confirmed": (Evidence.UNVERIFIED,),
}


def tables() -> dict[str, str]:
    """Return the tables of the page by name: per table of facts, how many drugs and facts, and how checked."""
    sheets = [facts(drug) for drug in catalogue()]
    names = sorted({fact.table for sheet in sheets for fact in sheet.facts})
    groups = ("psychiatric", "co-prescribed")
    header = ("table", *(f"{group} drugs" for group in groups), "facts", *CHECKED)
    lines = [_line("all", sheets, groups), *(_line(name, sheets, groups) for name in names)]
    return {"drug-facts": markdown(header, lines)}


def _line(name: str, sheets: list[DrugFacts], groups: tuple[str, ...]) -> list[str]:
    """Return one row; ``all`` counts every table."""
    chosen = [(sheet.drug.group, sheet.facts if name == "all" else sheet.of(name)) for sheet in sheets]
    drugs = Counter(group for group, of in chosen if of)
    evidence = Counter(fact.source.evidence for _, of in chosen for fact in of)
    counted = (sum(evidence[kind] for kind in kinds) for kinds in CHECKED.values())
    numbers = (*(drugs[group] for group in groups), evidence.total(), *counted)
    return [name.replace("_", " "), *(f"{number:,}" for number in numbers)]


if __name__ == "__main__":
    fill(PAGE, tables())
