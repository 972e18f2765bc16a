"""Boxed warnings, pregnancy, milk and age, entered a second time by drug."""

import pytest

import novamind as nm
from novamind.drugs.names import normalise
from novamind.drugs.tables import rows

# Words of the labels that have to stand among a drug's warnings.
SAID = {
    "clozapine": ("neutropenia", "dementia-related psychosis", "milk"), "sertraline": ("Suicidal", "best evidence"),
    "valproate": ("Liver failure", "malformation", "10 %"), "carbamazepine": ("HLA-B*15:02", "0.5 to 1 %"),
    "lamotrigine": ("Serious rash", "9 to 18 %", "16 years"), "lithium": ("Toxicity", "12 to 30 %", "12 years"),
    "alprazolam": ("With opioids",), "zolpidem": ("not fully awake",), "methadone": ("QT", "Addiction"),
    "thioridazine": ("QT prolongation",), "methylphenidate": ("Abuse",), "quetiapine": ("Suicidal", "10 years"),
    "paroxetine": ("Cardiac malformation", "best evidence"), "tetrabenazine": ("Depression",),
    "haloperidol": ("dementia-related psychosis",), "atomoxetine": ("Suicidal",), "topiramate": ("Oral clefts",),
    "esketamine": ("dissociation",), "nefazodone": ("Liver failure",), "venlafaxine": ("6 to 8 %", "newborn"),
}  # fmt: skip


@pytest.mark.parametrize("drug", SAID)
def test_a_drug_has_the_warnings_of_its_label(drug: str) -> None:
    texts = " ".join(row["warning"] for row in rows("warnings") if drug in row["drugs"].split("|"))
    assert all(words in texts for words in SAID[drug])


def test_warnings_are_of_drugs_in_the_catalogue_and_name_their_section() -> None:
    for row in rows("warnings"):
        assert row["topic"] in ("boxed", "pregnancy", "breastfeeding", "age")
        assert row["section"]
        assert row["warning"].endswith(".")
        assert {d for d in row["drugs"].split("|") if normalise(d) != d} == set()


def test_what_is_known_of_a_drug_shows_its_warnings() -> None:
    assert "warnings" in {fact.table for fact in nm.drugs.facts("clozapine").facts}
    assert not any("boxed" in fact.values.values() for fact in nm.drugs.facts("paracetamol").facts)
