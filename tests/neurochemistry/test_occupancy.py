import numpy as np
import pytest

from novamind.errors import NotFoundError
from novamind.neurochemistry.occupancy import TARGETS, bindings, occupancy, occupancy_at
from novamind.neurochemistry.pharmacokinetics import drug_names, kinetics, steady_state_average
from novamind.neurochemistry.reference import table


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
