"""Genotype and co-medication reach exposure, occupancy and effect; what is not known is said."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from novamind.errors import NotFoundError, ValidationError
from novamind.neurochemistry import drug_names
from novamind.neurochemistry.pharmacokinetics import kinetics
from novamind.twin.what_if import WhatIf, what_if
from tests.twin.people import case


def asked(drug: str = "sertraline", dose: float = 50, **known: object) -> WhatIf:
    return what_if(case(**known), drug, dose, weeks=6, ensemble=0)


@pytest.mark.parametrize(
    ("drug", "poor"),
    [
        ("sertraline", {"CYP2C19": "*2/*2"}),
        ("escitalopram", {"CYP2C19": "*2/*2"}),
        ("citalopram", {"CYP2C19": "*2/*2"}),
        ("paroxetine", {"CYP2D6": "*4/*4"}),
        ("aripiprazole", {"CYP2D6": "*4/*4"}),
        ("atomoxetine", {"CYP2D6": "*4/*4"}),
    ],
)
def test_a_poor_metaboliser_reaches_higher_levels(drug: str, poor: dict[str, str]) -> None:
    gene = next(iter(poor))
    one = asked(drug, 10, genotype=poor)
    assert one.activity[gene] in (0.0, "Poor Metabolizer")
    assert one.exposure_ratio > 1.2
    assert asked(drug, 10, genotype={gene: "*1/*1"}).exposure_ratio == pytest.approx(1)


def test_higher_levels_mean_higher_occupancy() -> None:
    poor, normal = asked(genotype={"CYP2C19": "*2/*2"}), asked(genotype={"CYP2C19": "*1/*1"})
    assert poor.occupancy["SERT"].value > normal.occupancy["SERT"].value


def test_an_ultrarapid_metaboliser_reaches_lower_levels() -> None:
    assert asked("atomoxetine", genotype={"CYP2D6": "*1x2/*2"}).exposure_ratio < 1


def test_comedication_makes_a_poor_metaboliser_of_a_normal_one() -> None:
    typed = asked("atomoxetine", genotype={"CYP2D6": "*1/*1"}, medications=("fluoxetine",))
    born = asked("atomoxetine", genotype={"CYP2D6": "*4/*4"})
    assert typed.activity["CYP2D6"] == 0
    assert typed.exposure_ratio == pytest.approx(born.exposure_ratio)


def test_an_inhibitor_counts_where_nobody_was_typed() -> None:
    one = asked("atomoxetine", medications=("fluoxetine",))
    assert one.inhibitors["CYP2D6"] == "strong"
    assert one.exposure_ratio > 2
    assert any("No result of CYP2D6" in line for line in one.unknown)


def test_an_inhibitor_never_lowers_the_level() -> None:
    for drug in ("atomoxetine", "aripiprazole", "venlafaxine"):
        levels = [asked(drug, medications=taken).level.value for taken in ((), ("duloxetine",), ("fluoxetine",))]
        assert levels == sorted(levels)


def test_what_is_not_known_is_said() -> None:
    genes = {"CYP2C19": "*1/*999", "CYP2D6": "*1/*1"}
    one = asked("sertraline", genotype=genes, medications=("carbamazepine", "sertraline"))
    said = " ".join(one.unknown)
    assert "CYP2C19: the genotype leaves the activity open" in said
    assert "the fall in exposure is not simulated" in said
    assert "taken already" in said
    assert "not a forecast for one person" in said


def test_bands_and_cautions_come_along() -> None:
    one = what_if(case(conditions=("long qt",)), "citalopram", 20, weeks=2, ensemble=10, seed=3)
    assert one.level.low is not None
    assert one.level.high is not None
    assert one.level.low < one.level.value < one.level.high
    assert one.review.concern == 4
    again = what_if(case(conditions=("long qt",)), "citalopram", 20, weeks=2, ensemble=10, seed=3)
    assert again.to_dict() == one.to_dict(), "same seed, same figures"


def test_brand_names_and_strangers() -> None:
    assert asked("Zoloft").drug == "sertraline"
    for stranger in ("ibuprofen", "obscurol"):
        with pytest.raises(NotFoundError, match="no kinetics"):
            asked(stranger)
    with pytest.raises(ValidationError):
        asked(dose=-1)


@settings(max_examples=15, deadline=None)
@given(st.sampled_from(drug_names()), st.floats(0.2, 3))
def test_any_drug_at_any_usual_dose_gives_finite_figures(drug: str, multiple: float) -> None:
    dose = multiple * kinetics(drug).usual_dose
    document = what_if(case(genotype={"CYP2D6": "*4/*4"}), drug, dose, weeks=1, ensemble=0).to_dict()
    assert document["level"]["value"] > 0
    assert document["exposure_ratio"] >= 0.99
    assert document["unknown"]
