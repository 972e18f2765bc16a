"""A recorded allergy speaks against the drug itself and those that labels name beside it, and against no other."""

import pytest

from novamind.drugs.catalogue import catalogue
from novamind.drugs.domain import Caution, Severity
from novamind.drugs.tables import sources
from novamind.pharmacogenomics import recommend
from novamind.pharmacogenomics.allergies import allergens_of, cautions
from novamind.pharmacogenomics.knowledge import rows

CROSS = list(rows("cross_allergies"))
TRICYCLICS = sorted(name for name, drug in catalogue().items() if "tca" in drug.tags)


def drugs_of(side: str) -> list[str]:
    return TRICYCLICS if side == "tag:tca" else [side]


def met(drug: str, *allergies: str) -> list[tuple[str, str]]:
    return [(str(caution.severity), caution.cause) for caution in cautions(drug, allergies)]


@pytest.mark.parametrize("drug", ["sertraline", "carbamazepine", "lithium", "ibuprofen", "amitriptyline"])
def test_an_allergy_rules_the_drug_itself_out(drug: str) -> None:
    assert cautions(drug, (drug,)) == (
        Caution(
            Severity.CONTRAINDICATED,
            "An active allergy to this drug is recorded: labels rule it out after an allergy to it.",
            f"allergy to {drug}",
            sources()["labels-2024"],
        ),
    )


@pytest.mark.parametrize("row", CROSS, ids=lambda row: f"{row['drug']}<{row['allergen']}")
def test_each_cross_reaction_is_met_by_every_drug_of_both_sides(row: dict[str, str]) -> None:
    for drug in drugs_of(row["drug"]):
        for allergen in drugs_of(row["allergen"]):
            if drug == allergen:
                continue
            said = Caution(Severity(row["severity"]), row["text"], f"allergy to {allergen}", sources()[row["source"]])
            assert said in cautions(drug, (allergen,)), (drug, allergen)
            assert said in recommend({}, (drug,), allergies=(allergen,))[drug].interactions, (drug, allergen)


def test_no_other_pair_of_drugs_has_a_cross_reaction() -> None:
    """A row holds one way only; the way back is a row of its own."""
    pairs = {(d, a) for row in CROSS for d in drugs_of(row["drug"]) for a in drugs_of(row["allergen"]) if d != a}
    found = {(d, a) for d in catalogue() for a in catalogue() if d != a and cautions(d, (a,))}
    assert found == pairs
    assert ("levomilnacipran", "milnacipran") in found
    assert ("milnacipran", "levomilnacipran") not in found
    assert ("amitriptyline", "carbamazepine") not in found


def test_a_tricyclic_meets_the_others_and_two_labels_rule_it_out() -> None:
    assert met("nortriptyline", "imipramine") == [("major", "allergy to imipramine")]
    assert met("clomipramine", "imipramine") == [
        ("contraindicated", "allergy to imipramine"),
        ("major", "allergy to imipramine"),
    ]
    assert met("carbamazepine", "imipramine") == [("contraindicated", "allergy to imipramine")]
    assert met("nortriptyline", "nortriptyline") == [("contraindicated", "allergy to nortriptyline")]


def test_each_allergy_is_told_once_and_in_its_order() -> None:
    assert met("citalopram", "escitalopram", "citalopram", "escitalopram", "ibuprofen") == [
        ("contraindicated", "allergy to escitalopram"),
        ("contraindicated", "allergy to citalopram"),
    ]
    assert met("citalopram") == met("citalopram", "penicillin") == met("unobtainium", "citalopram") == []


# -- what an allergy is to ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "drug"),
    [
        ("citalopram", "citalopram"),
        (" CELEXA ", "citalopram"),
        ("Allergy to citalopram", "citalopram"),
        ("Allergy to Citalopram (finding)", "citalopram"),
        ("Citalopram (substance)", "citalopram"),
        ("Allergic to Celexa", "citalopram"),
        ("Drug allergy to st john's wort", "st john's wort"),
        ("Hypersensitivity to citalopram", "citalopram"),
        ("hypersensitivity  reaction caused by citalopram", "citalopram"),
        ("Allergic reaction due to citalopram", "citalopram"),
        ("Anaphylaxis caused by citalopram", "citalopram"),
        ("Intolerance to citalopram", "citalopram"),
        ("Citalopram allergy", "citalopram"),
        ("celexa hypersensitivity", "citalopram"),
        ("citalopram drug allergy", "citalopram"),
        ("Allergy to peanut", None),
        ("allergy", None),
        ("no allergy to citalopram", None),
        ("No known drug allergy", None),
        ("allergy to", None),
        ("", None),
        ("(((", None),
    ],
)
def test_the_drug_that_an_allergy_is_to(name: str, drug: str | None) -> None:
    assert allergens_of(name) == (() if drug is None else (drug,))


def test_a_phrase_counts_as_the_drug_and_what_is_unmatched_is_named_as_it_stands() -> None:
    review = recommend({}, ("escitalopram",), allergies=("Allergy to citalopram", "Allergy to peanut"))
    assert review.allergies == ("citalopram",)
    assert review["escitalopram"].verdict == "avoid"
    assert review.notes[1:] == (
        "Allergies to drugs outside the medication tables were not checked: Allergy to peanut.",
    )


@pytest.mark.parametrize("name", ["Symbyax", "Allergy to olanzapine/fluoxetine", "Symbyax 6/25 mg allergy"])
def test_an_allergy_to_a_combination_is_one_to_each_of_its_drugs(name: str) -> None:
    assert set(allergens_of(name)) == {"olanzapine", "fluoxetine"}
    assert set(recommend({}, ("olanzapine",), allergies=(name,)).allergies) == {"olanzapine", "fluoxetine"}


# -- in the review -----------------------------------------------------------------------------------------------------


def test_an_allergy_is_a_contraindication_of_the_review() -> None:
    review = recommend({}, None, (), (), ("Celexa", "penicillin", "citalopram"))
    assert review.allergies == ("citalopram",)
    assert review.to_dict()["allergies"] == ["citalopram"]
    assert review.notes[1:] == ("Allergies to drugs outside the medication tables were not checked: penicillin.",)
    for drug in ("citalopram", "escitalopram"):
        found = review[drug]
        assert (found.concern, found.verdict) == (4, "avoid")
        assert found.severe == found.interactions == found.caution
        assert sources()["labels-2024"] in found.evidence
    assert [drug.drug for drug in review.ranking[-2:]] == ["escitalopram", "citalopram"]  # then by response
    spared = set(review) - {"citalopram", "escitalopram"}
    alone = recommend({})
    assert all(review[drug] == alone[drug] for drug in spared)


def test_a_major_cross_reaction_asks_for_another_drug() -> None:
    review = recommend({}, ("oxcarbazepine",), allergies=("carbamazepine",))
    assert (review["oxcarbazepine"].concern, review["oxcarbazepine"].verdict) == (3, "consider another drug")


def test_allergies_come_before_what_is_taken() -> None:
    found = recommend({}, ("citalopram",), ("phenelzine",), ("long qt",), ("escitalopram",))["citalopram"]
    causes = [caution.cause for caution in found.severe]
    assert list(dict.fromkeys(causes)) == ["allergy to escitalopram", "long qt", "phenelzine"]
    assert found.against == found.severe[0].text
    assert found.against == "It contains escitalopram: what is allergic to one is allergic to the other."


def test_a_combination_is_reviewed_and_taken_as_its_drugs() -> None:
    review = recommend({}, ("Symbyax",), ("Nuedexta",))
    assert set(review) == {"olanzapine", "fluoxetine"}
    assert set(review.comedications) == {"dextromethorphan", "quinidine"}
    assert review["fluoxetine"] == recommend({}, ("fluoxetine",), ("quinidine", "dextromethorphan"))["fluoxetine"]
