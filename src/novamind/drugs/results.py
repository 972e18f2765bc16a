"""What the tables say of a drug, and how well each fact is known."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from novamind.drugs.catalogue import catalogue
from novamind.drugs.codec import DrugFactsBody
from novamind.drugs.domain import Drug, Evidence, Source
from novamind.drugs.names import drugs_of, find, nearest, products
from novamind.drugs.tables import FACTS, rows, source
from novamind.errors import ValidationError
from novamind.summary import Summarised, Summary, counted

if TYPE_CHECKING:
    import polars as pl

# The columns that name drugs, and those that say where a fact is from.
_NAMING = ("drug", "drugs", "compound", "old", "new", "a", "b")
_ORIGIN = frozenset({"source", "year"})
_NO_FACTS = frozenset({"sources", "products"})
_SEPARATOR = re.compile(r"[|;]")


@dataclass(frozen=True, slots=True)
class Fact:
    """One row of a table on a drug.

    Parameters
    ----------
    table
        Name of the table, such as ``modulators``.
    values
        Column to value, without the drug's own name and empty columns.
    source
        Where it is published, and how it was checked there.
    """

    table: str
    values: Mapping[str, str]
    source: Source

    @property
    def text(self) -> str:
        """The row in words: ``enzyme CYP2D6, effect inhibitor, strength strong``."""
        return ", ".join(f"{column.replace('_', ' ')} {value}" for column, value in self.values.items())


@dataclass(frozen=True, repr=False)
class DrugFacts(Summarised):
    """Everything that the tables say of a drug.

    Attributes
    ----------
    drug
        Name, class, group and properties.
    facts
        One fact a row, in the order of the tables' names.
    """

    drug: Drug
    facts: tuple[Fact, ...]

    @property
    def evidence(self) -> dict[Evidence, int]:
        """Number of facts by how they were checked, the best first."""
        numbers = Counter(fact.source.evidence for fact in self.facts)
        return {evidence: numbers[evidence] for evidence in Evidence if numbers[evidence]}

    def of(self, table: str) -> tuple[Fact, ...]:
        """Return the facts of one table; none where it has no row on the drug."""
        return tuple(fact for fact in self.facts if fact.table == table)

    @property
    def frame(self) -> "pl.DataFrame":
        """One row a fact: ``table, fact, source, year, evidence``."""
        import polars as pl

        header = {"table": pl.String, "fact": pl.String, "source": pl.String, "year": pl.Int64, "evidence": pl.String}
        lines = [(f.table, f.text, f.source.title, f.source.year, str(f.source.evidence)) for f in self.facts]
        return pl.DataFrame(lines, header, orient="row")

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON types."""
        return DrugFactsBody.model_validate(self).model_dump(mode="json")

    def _summary(self) -> Summary:
        checked = ", ".join(f"{number} {evidence}" for evidence, number in self.evidence.items())
        text = f"{self.drug.name}, {self.drug.drug_class or 'no class'}: {counted(len(self.facts), 'fact')} ({checked})"
        numbers = Counter(fact.table for fact in self.facts)
        return Summary(text, ("table", "facts", "for example"), [
            (table, number, self.of(table)[0].text) for table, number in numbers.items()
        ])  # fmt: skip


def facts(name: str) -> DrugFacts:
    """Return everything that the tables say of a drug, and how well it is known.

    Rules that reach a drug through a property, such as two serotonergic drugs, are told by ``nm.drugs.interactions``.

    Parameters
    ----------
    name
        Generic or brand name, or a name as records write it.

    Raises
    ------
    ValidationError
        The name is in no table, or it is a combination of drugs.
    """
    product = find(name)
    if product is None:
        near = ", ".join(nearest(name)) or "none"
        raise ValidationError(f"the drug is not in our tables; names that are near: {near}")
    if product.drug is None:
        raise ValidationError(f"the name is a combination; ask for one of {', '.join(product.drugs)}")
    return DrugFacts(catalogue()[product.drug], _facts().get(product.drug, ()))


def tables() -> tuple[str, ...]:
    """Return the names of the tables of facts."""
    names = sorted(file.name.removesuffix(".csv") for file in FACTS.iterdir() if file.name.endswith(".csv"))
    return tuple(name for name in names if name not in _NO_FACTS)


@cache
def _facts() -> dict[str, tuple[Fact, ...]]:
    by_drug: dict[str, list[Fact]] = {}
    for table in tables():
        for row in rows(table):
            for drug in _drugs(row):
                values = {k: v for k, v in row.items() if v and k not in _ORIGIN and (k not in _NAMING or v != drug)}
                by_drug.setdefault(drug, []).append(Fact(table, MappingProxyType(values), source(row)))
    for drug, fact in _product_facts():
        by_drug.setdefault(drug, []).append(fact)
    return {drug: tuple(of) for drug, of in by_drug.items()}


def _drugs(row: Mapping[str, str]) -> Iterator[str]:
    """Yield the drugs of the catalogue that a row names, each once; also by a name that is not the generic one."""
    named = {name.strip() for column in _NAMING for name in _SEPARATOR.split(row.get(column, ""))}
    drugs = {drug for name in named for drug in ((name,) if name in catalogue() else drugs_of(name))}
    yield from sorted(drugs & catalogue().keys())


def _product_facts() -> Iterator[tuple[str, Fact]]:
    """Yield drug and fact of every RxNorm product."""
    origin = {row["code"]: source(row) for row in rows("products")}
    for code, name in products().items():
        product = find(name)
        for drug in product.drugs if product is not None else ():
            yield drug, Fact("products", MappingProxyType({"rxnorm": code, "name": name}), origin[code])
