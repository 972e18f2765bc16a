"""Every packaged fact on drugs a second time: a checksum of what was checked, and second entries.

Tables: drugs, sources.
"""

import csv
from hashlib import sha256
from importlib.resources import files
from pathlib import Path

import pytest

from novamind.drugs.catalogue import catalogue
from novamind.drugs.names import normalise
from novamind.drugs.tables import FACTS, rows, source, sources
from novamind.errors import DataProcessingError
from novamind.pharmacogenomics.phenotypes import RULE_SOURCES

FOLDERS = (FACTS, files("novamind.pharmacogenomics.knowledge"))
PACKAGED = {f.name: f for f in FACTS.iterdir() if f.name.endswith("csv")}
with (Path(__file__).parent / "facts" / "manifest.csv").open(encoding="utf-8") as handle:
    MANIFEST = {row["table"]: row for row in csv.DictReader(handle)}


@pytest.mark.parametrize("table", sorted(MANIFEST))
def test_a_table_is_the_one_that_was_checked(table: str) -> None:
    content = PACKAGED[table].read_bytes()
    checked = MANIFEST[table]
    assert sha256(content).hexdigest() == checked["sha256"], (
        f"{table}: facts changed: check them again at their source and renew the manifest"
    )
    assert sum(1 for _ in rows(table.removesuffix(".csv"))) == int(checked["rows"])
    assert checked["checked_on"]
    assert checked["checked_against"]


def test_no_table_is_missing_from_the_manifest() -> None:
    assert set(MANIFEST) == set(PACKAGED)


@pytest.mark.parametrize("table", sorted(set(PACKAGED) - {"sources.csv"}))
def test_every_row_has_its_source_and_year(table: str) -> None:
    assert all(source(row).year == int(row["year"]) for row in rows(table.removesuffix(".csv")))


def test_every_source_is_used() -> None:
    tables = [
        (file.name.removesuffix(".csv"), folder)
        for folder in FOLDERS
        for file in folder.iterdir()
        if file.name.endswith(".csv")
    ]
    used = {row["source"] for table, folder in tables for row in rows(table, folder) if "source" in row}
    used |= set(RULE_SOURCES.values())
    used |= {"cpic-opioids-2021", "shah-smith-2015"}  # the two rules of phenoconversion.py
    used.add("clotop-levels-2023")  # clozapine.json
    assert used == set(sources())


def test_a_source_ends_in_its_year() -> None:
    assert all(row["id"].endswith(f"-{row['year']}") for row in rows("sources"))


def test_a_row_of_another_year_is_a_broken_install() -> None:
    assert source({"source": "braten-2019", "year": "2019"}).title.startswith("Braten")
    for row in ({"source": "braten-2019", "year": "2018"}, {"source": "nowhere-2019", "year": "2019"}):
        with pytest.raises(DataProcessingError, match=row["source"]):
            source(row)


def test_a_table_is_read_in_the_order_of_its_file() -> None:
    assert next(rows("drugs"))["drug"] == "sertraline"
    first = sources()["pharmvar-2025"]
    assert (first.id, first.year, first.evidence, first.url) == (
        "pharmvar-2025", 2025, "copy", "https://www.pharmvar.org/genes",
    )  # fmt: skip
    assert next(iter(sources())) == "pharmvar-2025"


#: Columns of tables that name drugs; parts are parted by ``|`` or ``;``, and what has a colon is a property or a class.
NAMING = ("drug", "drugs", "compound", "substrate", "old", "new", "a", "b")


@pytest.mark.parametrize("table", sorted(name.removesuffix(".csv") for name in PACKAGED))
def test_every_drug_that_a_table_names_is_in_the_catalogue_under_its_generic_name(table: str) -> None:
    metabolites = {row["metabolite"].replace(";", ",") for row in rows("metabolites")}
    metabolites |= {row["value"] for row in rows("kinetics") if row["parameter"] == "metabolite"}
    named = {
        part
        for row in rows(table)
        for column in NAMING
        for part in row.get(column, "").replace(";", "|").split("|")
        if part and ":" not in part
    }
    assert sorted(named - set(catalogue()) - metabolites) == []


# -- drugs -------------------------------------------------------------------------------------------------------------
BRANDS = {
    "Zoloft": "sertraline", "Lexapro": "escitalopram", "Cipramil": "citalopram", "Prozac": "fluoxetine",
    "Seroxat": "paroxetine", "Luvox": "fluvoxamine", "Trintellix": "vortioxetine", "Viibryd": "vilazodone",
    "Effexor": "venlafaxine", "Pristiq": "desvenlafaxine", "Cymbalta": "duloxetine", "Fetzima": "levomilnacipran",
    "Savella": "milnacipran", "Wellbutrin": "bupropion", "Remeron": "mirtazapine", "Valdoxan": "agomelatine",
    "Edronax": "reboxetine", "Elavil": "amitriptyline", "Anafranil": "clomipramine", "Nardil": "phenelzine",
    "Parnate": "tranylcypromine", "Zyvox": "linezolid", "Seroquel": "quetiapine", "Abilify": "aripiprazole",
    "Rexulti": "brexpiprazole", "Risperdal": "risperidone", "Invega": "paliperidone", "Zyprexa": "olanzapine",
    "Haldol": "haloperidol", "Clozaril": "clozapine", "Latuda": "lurasidone", "Geodon": "ziprasidone",
    "Lamictal": "lamotrigine", "Depakote": "valproate", "Tegretol": "carbamazepine", "Trileptal": "oxcarbazepine",
    "Dilantin": "phenytoin", "Strattera": "atomoxetine", "Aricept": "donepezil", "Xenazine": "tetrabenazine",
    "Ingrezza": "valbenazine", "Ultram": "tramadol", "Hypericum": "st john's wort", "Advil": "ibuprofen",
    "Coumadin": "warfarin", "Eliquis": "apixaban", "Zestril": "lisinopril", "Nolvadex": "tamoxifen",
    "Prilosec": "omeprazole", "Tagamet": "cimetidine", "Tylenol": "paracetamol", "valproic acid": "valproate",
    "acetylsalicylic acid": "aspirin",
}  # fmt: skip


@pytest.mark.parametrize(("brand", "generic"), BRANDS.items())
def test_a_brand_finds_its_drug(brand: str, generic: str) -> None:
    assert normalise(brand) == normalise(brand.upper()) == generic
