"""Every packaged row names a source that exists, and every source is used."""

import json
from importlib.resources import files

import pytest

from novamind.drugs.names import normalise
from novamind.drugs.tables import source, sources
from novamind.errors import DataProcessingError
from novamind.pharmacogenomics.domain import Action
from novamind.pharmacogenomics.knowledge import rows

TABLES = sorted(
    f.name.removesuffix(".csv")
    for f in files("novamind.pharmacogenomics.knowledge").iterdir()
    if f.name.endswith(".csv")
)


@pytest.mark.parametrize("table", TABLES)
def test_every_row_has_its_source_and_year(table: str) -> None:
    assert all(source(row).year == int(row["year"]) for row in rows(table))


def test_a_row_without_a_source_is_a_broken_install() -> None:
    with pytest.raises(DataProcessingError):
        source({"source": "nowhere-1999", "year": "1999"})


def test_rules_name_known_drugs_and_actions() -> None:
    assert {Action(row["action"]) for row in rows("guidelines")} == set(Action)
    drugs = {drug for row in rows("guidelines") for drug in row["drugs"].split("|")}
    assert {drug for drug in drugs if normalise(drug) != drug} == set()


def test_the_clozapine_fit_names_its_source() -> None:
    stored = json.loads(files("novamind.pharmacogenomics.knowledge").joinpath("clozapine.json").read_text("utf-8"))
    assert sources()[stored["source"]].year == stored["year"]
