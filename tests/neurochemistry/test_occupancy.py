import dataclasses

import numpy as np
import pytest

from novamind.errors import NotFoundError
from novamind.neurochemistry import occupancy as occupancy_module
from novamind.neurochemistry.occupancy import (
    RECEPTORS,
    TARGETS,
    TRANSPORTERS,
    Binding,
    bindings,
    occupancy,
    occupancy_at,
)
from novamind.neurochemistry.pharmacokinetics import drug_names, kinetics, steady_state_average
from novamind.neurochemistry.reference import table
from tests.golden import check_golden


def test_half_of_the_maximum_is_held_at_the_ec50():
    for drug in ("duloxetine", "risperidone", "aripiprazole", "haloperidol"):
        for binding in bindings(drug):
            if binding.basis == "in_vivo":
                assert occupancy_at(binding.target, drug, binding.ec50) == pytest.approx(binding.maximum / 2)


@pytest.mark.parametrize("drug", ["citalopram", "fluoxetine", "sertraline", "paroxetine", "venlafaxine"])
def test_the_published_half_dose_holds_half_with_its_metabolite(drug):
    dose = next(float(r["value"]) for r in table("occupancy") if r["drug"] == drug and r["quantity"] == "ec50_dose")
    levels = steady_state_average(kinetics(drug), dose)
    maximum = next(b.maximum for b in bindings(drug) if b.target == "SERT")
    assert occupancy({drug: levels}).occupied["SERT"][0] == pytest.approx(maximum / 2, rel=1e-6)


def test_ratios_between_targets_are_those_of_the_affinities():
    ec50 = {b.target: b.ec50 for b in bindings("paroxetine")}
    assert ec50["NET"] / ec50["SERT"] == pytest.approx(40 / 0.13)


def test_two_drugs_compete_for_a_target():
    alone = {"citalopram": {"citalopram": np.array([30.0])}}
    both = alone | {"sertraline": {"sertraline": np.array([60.0])}}
    together, one = occupancy(both).occupied["SERT"][0], occupancy(alone).occupied["SERT"][0]
    other = occupancy({"sertraline": both["sertraline"]}).occupied["SERT"][0]
    assert max(one, other) < together < one + other
    assert together < 0.9


def test_a_partial_agonist_activates_part_of_what_it_holds():
    held = occupancy({"aripiprazole": {"aripiprazole": np.array([150.0]), "dehydroaripiprazole": np.array([60.0])}})
    assert held.occupied["D2"][0] > 0.95
    assert held.activated["D2"][0] == pytest.approx(0.25 * held.occupied["D2"][0])
    blocked = occupancy({"haloperidol": {"haloperidol": np.array([2.0])}})
    assert blocked.activated["D2"][0] == 0.0


def test_drugs_that_act_elsewhere_have_no_occupancy():
    for drug in ("lithium", "lamotrigine", "valproate"):
        assert bindings(drug) == ()
    with pytest.raises(NotFoundError):
        occupancy_at("SERT", "lithium", 1.0)


def test_every_binding_is_positive_and_named():
    for drug in drug_names():
        for binding in bindings(drug):
            assert binding.ec50 > 0
            assert 0 < binding.maximum <= 1
            assert binding.target in TARGETS


# -- rules -------------------------------------------------------------------------------------------------------------


def binding(drug: str, compound: str, target: str) -> Binding:
    return next(b for b in bindings(drug) if (b.compound, b.target) == (compound, target))


def test_every_binding_of_every_drug() -> None:
    check_golden(
        __file__, "bindings", {drug: [dataclasses.astuple(b) for b in bindings(drug)] for drug in drug_names()}
    )


def test_the_targets_are_three_transporters_and_seven_receptors() -> None:
    assert TRANSPORTERS == ("SERT", "NET", "DAT")
    assert RECEPTORS == ("5-HT1A", "5-HT2A", "5-HT2C", "D2", "H1", "M1", "alpha1")
    assert TARGETS == TRANSPORTERS + RECEPTORS
    assert {row["target"] for row in table("affinities")} == set(TARGETS)


@pytest.mark.parametrize(
    ("drug", "compound", "target", "affinity", "mass", "unbound"),
    [
        ("atomoxetine", "atomoxetine", "NET", 5.0, 255.4, 0.02),
        ("bupropion", "bupropion", "DAT", 520.0, 239.7, 0.16),
        ("bupropion", "hydroxybupropion", "DAT", 12600.0, 255.7, 0.23),
        ("quetiapine", "quetiapine", "D2", 770.0, 383.5, 0.17),
        ("quetiapine", "norquetiapine", "NET", 58.0, 295.4, 0.17),
    ],
)
def test_without_an_in_vivo_value_half_is_held_where_unbound_plasma_is_the_affinity(
    drug: str, compound: str, target: str, affinity: float, mass: float, unbound: float
) -> None:
    ours = binding(drug, compound, target)
    # nmol/L x g/mol = ng/L; per mL a thousandth; total plasma is unbound over its share
    assert ours.ec50 == pytest.approx(affinity * mass / 1000 / unbound)
    assert (ours.basis, ours.verified, ours.maximum) == ("free_plasma", False, 1.0)


@pytest.mark.parametrize(
    ("drug", "target", "ec50", "maximum", "verified"),
    [
        ("duloxetine", "SERT", 3.7, 0.9, False),
        ("duloxetine", "NET", 58.0, 1.0, False),
        ("aripiprazole", "D2", 7.5, 1.0, False),
        ("risperidone", "D2", 3.2, 0.88, True),
        ("olanzapine", "D2", 6.4, 0.9, True),
        ("haloperidol", "D2", 0.51, 0.95, False),
    ],
)
def test_a_published_plasma_ec50_is_used_as_it_is(
    drug: str, target: str, ec50: float, maximum: float, verified: bool
) -> None:
    ours = binding(drug, drug, target)
    assert (ours.ec50, ours.maximum, ours.basis, ours.verified) == (ec50, maximum, "in_vivo", verified)


def test_a_published_dose_becomes_the_level_of_that_dose() -> None:
    # citalopram: 3.4 mg/day over 26 L/h; no metabolite
    assert binding("citalopram", "citalopram", "SERT").ec50 == pytest.approx(3.4 / 24 / 26 * 1000)
    # venlafaxine: its metabolite holds SERT too, at 40.2 nM against 8.9 nM
    parent, metabolite = 5.8 / 24 / 91 * 1000, 5.8 / 24 / 37 * 1000
    ours = binding("venlafaxine", "venlafaxine", "SERT")
    assert ours.ec50 == pytest.approx(parent + 8.9 / 40.2 * metabolite)
    other = binding("venlafaxine", "O-desmethylvenlafaxine", "SERT")
    assert other.ec50 == pytest.approx(ours.ec50 * 40.2 / 8.9)
    assert (ours.basis, other.basis) == ("in_vivo", "affinity_ratio")


def test_other_targets_follow_from_the_main_one_by_affinity() -> None:
    # risperidone: D2 3.2 ng/mL at 3.8 nM; 5-HT2A at 0.15 nM; its metabolite at D2 2.8 nM and 5-HT2A 1.2 nM
    assert binding("risperidone", "risperidone", "5-HT2A").ec50 == pytest.approx(3.2 * 0.15 / 3.8)
    assert binding("risperidone", "9-hydroxyrisperidone", "D2").ec50 == pytest.approx(3.2 * 2.8 / 3.8)
    assert binding("risperidone", "9-hydroxyrisperidone", "5-HT2A").ec50 == pytest.approx(3.2 * 1.2 / 3.8)
    assert binding("risperidone", "risperidone", "5-HT2A").verified
    # duloxetine has two anchors; what it has none for follows from the first, SERT at 0.8 nM
    assert binding("duloxetine", "duloxetine", "5-HT2A").ec50 == pytest.approx(3.7 * 504 / 0.8)
    assert not binding("duloxetine", "duloxetine", "5-HT2A").verified


def test_affinities_beyond_a_limit_are_none() -> None:
    assert {b.target for b in bindings("escitalopram")} == {"SERT", "NET", "DAT", "H1", "M1", "alpha1"}


def test_occupancy_adds_concentrations_over_ec50() -> None:
    levels = {"risperidone": {"risperidone": np.array([0.0, 5.0]), "9-hydroxyrisperidone": np.array([0.0, 20.0])}}
    pressure = 5 / 3.2 + 20 / (3.2 * 2.8 / 3.8)
    shares = occupancy(levels)
    assert shares.occupied["D2"][0] == 0.0
    assert shares.occupied["D2"][1] == pytest.approx(0.88 * pressure / (1 + pressure))
    assert set(shares.occupied) == set(shares.activated) == {b.target for b in bindings("risperidone")}
    assert not shares.activated["D2"].any()


def test_an_antagonist_takes_activation_from_a_partial_agonist() -> None:
    aripiprazole = {"aripiprazole": {"aripiprazole": np.array([75.0]), "dehydroaripiprazole": np.array([0.0])}}
    both = aripiprazole | {"haloperidol": {"haloperidol": np.array([5.1])}}
    first, second = 75 / 7.5, 5.1 / 0.51
    shares = occupancy(both)
    assert shares.occupied["D2"][0] == pytest.approx((first * 1.0 + second * 0.95) / (1 + first + second))
    assert shares.activated["D2"][0] == pytest.approx(0.25 * first / (1 + first + second))
    assert shares.activated["5-HT1A"][0] > 0


def test_occupancy_at_one_level_is_the_parents_hyperbola() -> None:
    assert occupancy_at("D2", "risperidone", 6.4) == pytest.approx(0.88 * 6.4 / (3.2 + 6.4))
    assert occupancy_at("D2", "Risperidone ", 0.0) == 0.0
    with pytest.raises(NotFoundError, match="M1"):
        occupancy_at("M1", "haloperidol", 1.0)
    with pytest.raises(NotFoundError, match="5-HT2C"):
        occupancy_at("5-HT2C", "venlafaxine", 1.0)


def test_a_metabolite_without_an_affinity_leaves_the_dose_to_its_parent(monkeypatch: pytest.MonkeyPatch) -> None:
    tabled = dict(occupancy_module._affinities())
    del tabled["norfluoxetine", "SERT"]
    monkeypatch.setattr(occupancy_module, "_affinities", lambda: tabled)
    ec50, read = occupancy_module._reference_ec50(kinetics("fluoxetine"), "SERT")
    assert ec50 == pytest.approx(2.7 / 24 / 9.3 * 1000)
    assert read is False
