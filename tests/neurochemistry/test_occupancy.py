import dataclasses
import math

import numpy as np
import pytest

from novamind.drugs import binding as tables
from novamind.drugs.binding import RECEPTORS, TARGETS, TRANSPORTERS, in_vivo
from novamind.errors import NotFoundError
from novamind.neurochemistry.occupancy import (
    Binding,
    bindings,
    in_vivo_factor,
    in_vivo_factors,
    occupancy,
    occupancy_at,
)
from novamind.neurochemistry.pharmacokinetics import (
    Schedule,
    concentrations,
    drug_names,
    kinetics,
    steady_state_average,
)
from tests.golden import check_golden


def test_half_of_the_maximum_is_held_at_the_ec50():
    for drug in ("duloxetine", "risperidone", "haloperidol"):
        for binding in bindings(drug):
            if binding.basis == "in_vivo":
                assert occupancy_at(binding.target, drug, binding.ec50) == pytest.approx(binding.maximum / 2)


@pytest.mark.parametrize(
    ("drug", "target"),
    [
        ("citalopram", "SERT"),
        ("fluoxetine", "SERT"),
        ("sertraline", "SERT"),
        ("paroxetine", "SERT"),
        ("venlafaxine", "SERT"),
        ("clozapine", "D2"),
        ("moclobemide", "MAO-A"),
        ("alprazolam", "GABA-A"),
        ("lumateperone", "D2"),
        ("buprenorphine", "mu"),
    ],
)
def test_the_published_dose_holds_half_on_average_over_a_day(drug: str, target: str) -> None:
    measured = in_vivo(drug)[target]
    parts, hours = measured.doses_a_day, 24.0 * 100
    schedule = Schedule.regular(measured.ec50 / parts, 24.0 / parts, hours)
    levels = concentrations(kinetics(drug), schedule, np.arange(hours - 24, hours, 0.5))
    share = occupancy({drug: levels}).occupied[target][0].mean()
    assert share == pytest.approx(measured.maximum / 2, rel=2e-3)


@pytest.mark.parametrize(
    ("drug", "target"),
    [("methylphenidate", "DAT"), ("clomipramine", "SERT"), ("naltrexone", "mu"), ("quetiapine", "H1")],
)
def test_the_published_single_dose_holds_half_at_its_peak(drug: str, target: str) -> None:
    measured = in_vivo(drug)[target]
    levels = concentrations(
        kinetics(drug), Schedule(np.zeros(1), np.array([measured.ec50])), np.arange(0.25, 48.0, 0.25)
    )
    assert occupancy({drug: levels}).occupied[target][0].max() == pytest.approx(measured.maximum / 2, rel=1e-6)


def test_a_level_measured_with_the_metabolite_holds_half_with_it() -> None:
    """Gruender 2008: 5 to 10 ng/mL of aripiprazole in serum hold half, beside its metabolite."""
    share = kinetics("aripiprazole").clearance / kinetics("aripiprazole").metabolite_clearance
    levels = {"aripiprazole": np.array([7.5]), "dehydroaripiprazole": np.array([7.5 * share])}
    assert occupancy({"aripiprazole": levels}).occupied["D2"][0] == pytest.approx(0.5)
    assert occupancy_at("D2", "aripiprazole", 7.5) == pytest.approx(0.5)
    assert binding("aripiprazole", "aripiprazole", "D2").ec50 == pytest.approx(7.5 * (1 + share))  # alike in affinity


def test_ratios_between_targets_are_those_of_the_affinities():
    ec50 = {b.target: b.ec50 for b in bindings("paroxetine")}
    assert ec50["NET"] / ec50["SERT"] == pytest.approx(40 / 0.13)
    # muscarinic subtypes of clozapine start from its muscarinic occupancy, not from D2; D3 of risperidone from D2
    ec50 = {b.target: b.ec50 for b in bindings("clozapine") if b.compound == "clozapine"}
    assert ec50["M4"] / ec50["M1"] == pytest.approx(11 / 9)
    assert ec50["5-HT2C"] / ec50["5-HT2A"] == pytest.approx(4.8 / 2.59)
    assert ec50["H1"] / ec50["D2"] == pytest.approx(3.1 / 210)


def test_two_drugs_compete_for_a_target():
    alone = {"citalopram": {"citalopram": np.array([30.0])}}
    both = alone | {"sertraline": {"sertraline": np.array([60.0])}}
    together, one = occupancy(both).occupied["SERT"][0], occupancy(alone).occupied["SERT"][0]
    other = occupancy({"sertraline": both["sertraline"]}).occupied["SERT"][0]
    assert max(one, other) < together < one + other
    assert together < 0.9


def test_a_partial_agonist_activates_part_of_what_it_holds():
    held = occupancy({"aripiprazole": {"aripiprazole": np.array([150.0]), "dehydroaripiprazole": np.array([60.0])}})
    assert held.occupied["D2"][0] > 0.94
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


def test_bindings_as_they_are_today() -> None:
    drugs = [
        "sertraline",
        "venlafaxine",
        "clomipramine",
        "bupropion",
        "risperidone",
        "clozapine",
        "aripiprazole",
        "phenelzine",
    ]
    drugs += ["moclobemide", "amphetamine", "lorazepam", "memantine", "buprenorphine"]
    check_golden(__file__, "bindings", {drug: [dataclasses.astuple(b) for b in bindings(drug)] for drug in drugs})


def test_the_targets_are_transporters_receptors_sites_and_enzymes() -> None:
    assert TRANSPORTERS == ("SERT", "NET", "DAT")
    assert len(RECEPTORS) == 16
    assert set(TARGETS) == {*TRANSPORTERS, *RECEPTORS, "GABA-A", "NMDA", "MAO-A", "MAO-B"}


@pytest.mark.parametrize(
    ("drug", "compound", "target", "affinity"),
    [
        ("reboxetine", "reboxetine", "NET", 1.1),
        ("amitriptyline", "amitriptyline", "SERT", 4.3),
        ("diazepam", "diazepam", "GABA-A", 9.0),
        ("memantine", "memantine", "NMDA", 700.0),
    ],
)
def test_without_an_in_vivo_value_half_is_held_where_unbound_plasma_is_the_affinity(
    drug: str, compound: str, target: str, affinity: float
) -> None:
    ours, parent = binding(drug, compound, target), kinetics(drug)
    mass, unbound = parent.molar_mass, parent.unbound_fraction
    if compound != drug:
        mass, unbound = parent.metabolite_molar_mass or mass, parent.metabolite_unbound_fraction
    # nmol/L x g/mol = ng/L; per mL a thousandth; total plasma is unbound over its share
    assert unbound is not None
    assert ours.ec50 == pytest.approx(affinity * mass / 1000 / unbound * in_vivo_factor(target))
    assert (ours.basis, ours.verified, ours.maximum) == ("free_plasma", False, 1.0)


def test_the_factor_of_a_target_is_the_median_of_the_drugs_measured_there() -> None:
    """Lorazepam holds half at 96 ng/mL, ten times the level at which its unbound part is at Ki."""
    lorazepam = kinetics("lorazepam")
    assert lorazepam.unbound_fraction is not None
    alone = 96 / (3.0 * lorazepam.molar_mass / 1000 / lorazepam.unbound_fraction)
    factors = in_vivo_factors("GABA-A")
    assert set(factors) == {"alprazolam", "lorazepam", "zolpidem"}
    assert factors["lorazepam"] == pytest.approx(alone)
    assert in_vivo_factor("GABA-A") == pytest.approx(np.median(list(factors.values())))
    assert in_vivo_factor("GABA-A", without="zolpidem") == 1.0  # two are too few
    assert in_vivo_factor("NMDA") == 1.0
    others = [factor for drug, factor in in_vivo_factors("D2").items() if drug != "haloperidol"]
    assert in_vivo_factor("D2", without="haloperidol") == pytest.approx(np.median(others))


@pytest.mark.parametrize(
    ("drug", "target", "ec50", "maximum", "verified"),
    [
        ("duloxetine", "SERT", 3.7, 0.9, False),
        ("duloxetine", "NET", 58.0, 1.0, False),
        ("nortriptyline", "NET", 59.8, 1.0, True),
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


def test_a_metabolite_holds_by_its_own_affinity() -> None:
    ours, other = (binding("venlafaxine", name, "SERT") for name in ("venlafaxine", "O-desmethylvenlafaxine"))
    assert other.ec50 == pytest.approx(ours.ec50 * 40.2 / 8.9)
    assert (ours.basis, other.basis) == ("in_vivo", "affinity_ratio")
    level = steady_state_average(kinetics("venlafaxine"), 5.8)
    together = level["venlafaxine"][0] / ours.ec50 + level["O-desmethylvenlafaxine"][0] / other.ec50
    assert together == pytest.approx(1.0, rel=0.1)  # levels of a day vary little


def test_other_targets_follow_from_the_main_one_by_affinity() -> None:
    # risperidone: D2 3.2 ng/mL at 3.8 nM; 5-HT2A at 0.15 nM; its metabolite at D2 2.8 nM and 5-HT2A 1.2 nM
    assert binding("risperidone", "risperidone", "5-HT2A").ec50 == pytest.approx(3.2 * 0.15 / 3.8)
    assert binding("risperidone", "9-hydroxyrisperidone", "D2").ec50 == pytest.approx(3.2 * 2.8 / 3.8)
    assert binding("risperidone", "9-hydroxyrisperidone", "5-HT2A").ec50 == pytest.approx(3.2 * 1.2 / 3.8)
    assert binding("risperidone", "risperidone", "5-HT2A").verified
    # duloxetine has two anchors; what it has none for follows from the first, SERT at 0.8 nM
    assert binding("duloxetine", "duloxetine", "5-HT2A").ec50 == pytest.approx(3.7 * 504 / 0.8)
    assert not binding("duloxetine", "duloxetine", "5-HT2A").verified


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
    first, second = 75 / binding("aripiprazole", "aripiprazole", "D2").ec50, 5.1 / 0.51
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


def test_a_metabolite_that_is_a_drug_holds_what_it_holds_as_a_drug() -> None:
    own = [b for b in bindings("nortriptyline") if b.compound == "nortriptyline"]
    assert [b for b in bindings("amitriptyline") if b.compound == "nortriptyline"] == own
    assert binding("amitriptyline", "nortriptyline", "NET").ec50 == 59.8
    prodrug = {(b.compound, b.target): b.ec50 for b in bindings("lisdexamfetamine")}
    assert {compound for compound, _ in prodrug} == {"dexamfetamine"}
    assert prodrug["dexamfetamine", "NET"] == binding("amphetamine", "amphetamine", "NET").ec50
    # where the parent was measured, the metabolite follows the parent's scale
    assert binding("risperidone", "9-hydroxyrisperidone", "D2").ec50 == pytest.approx(3.2 * 2.8 / 3.8)


def test_a_metabolite_without_a_bound_fraction_is_bound_as_its_parent() -> None:
    parent = kinetics("diazepam")
    assert parent.metabolite_unbound_fraction is None
    ours, other = (binding("diazepam", name, "GABA-A").ec50 for name in ("diazepam", "desmethyldiazepam"))
    assert parent.metabolite_molar_mass is not None
    assert other / ours == pytest.approx(parent.metabolite_molar_mass / parent.molar_mass)


def test_a_metabolite_without_an_affinity_leaves_the_dose_to_its_parent(monkeypatch: pytest.MonkeyPatch) -> None:
    from novamind.neurochemistry import occupancy as room

    both = room._half_maximal_level.__wrapped__("fluoxetine", "SERT")
    tabled = {name: dict(row) for name, row in tables._affinities().items()}
    del tabled["norfluoxetine"]["SERT"]
    monkeypatch.setattr(tables, "_affinities", lambda: tabled)
    alone = room._half_maximal_level.__wrapped__("fluoxetine", "SERT")
    assert alone == pytest.approx(2.7 / 24 / kinetics("fluoxetine").clearance * 1000, rel=0.01)
    assert alone < both


def test_a_drug_without_kinetics_is_refused_and_its_facts_stand() -> None:
    with pytest.raises(NotFoundError, match="no kinetics"):
        bindings("dextromethorphan")
    assert tables.affinities("dextromethorphan")["NMDA"].nanomolar == 2100


# -- enzymes that are destroyed ----------------------------------------------------------------------------------------

TURNOVER = math.log(2) / (10 * 24)  # MAO-A, per hour


def held(level: np.ndarray, step: float = 1.0) -> np.ndarray:
    ec50 = binding("phenelzine", "phenelzine", "MAO-A").ec50
    return occupancy({"phenelzine": {"phenelzine": level * ec50}}, step).occupied["MAO-A"]


def test_an_enzyme_returns_with_its_half_life_once_the_drug_is_gone() -> None:
    level = np.zeros((2, 24 * 60))
    level[:, : 24 * 20] = np.array([[1.0], [6.0]])
    share = held(level)
    stop = 24 * 20
    hours = np.arange(share.shape[1] - stop)
    closed = share[:, stop, None].ravel()[:, None] * np.exp(-TURNOVER * hours)
    np.testing.assert_allclose(share[:, stop:], closed, atol=1e-6)
    np.testing.assert_allclose(share[:, stop + 240], share[:, stop] / 2, atol=1e-6)


def test_an_enzyme_falls_exponentially_to_the_hyperbola() -> None:
    share = held(np.full((1, 24 * 100), 3.0))[0]
    hours = np.arange(share.size)
    np.testing.assert_allclose(share, 0.75 * (1 - np.exp(-TURNOVER * 4 * hours)), atol=1e-9)
    assert share[-1] == pytest.approx(0.75, abs=1e-3)
    np.testing.assert_allclose(held(np.full((1, 24 * 50), 3.0), 2.0)[0], share[::2][: 24 * 50], atol=1e-9)


def test_a_sustained_level_holds_the_hyperbola_and_the_reversible_inhibitor_protects() -> None:
    phenelzine, moclobemide = (
        binding("phenelzine", "phenelzine", "MAO-A"),
        binding("moclobemide", "moclobemide", "MAO-A"),
    )
    assert phenelzine.turnover_days == 10.0
    assert moclobemide.turnover_days is None
    alone = {"phenelzine": {"phenelzine": np.array([phenelzine.ec50])}}
    assert occupancy(alone).occupied["MAO-A"][0] == pytest.approx(0.5)
    both = alone | {"moclobemide": {"moclobemide": np.array([moclobemide.ec50])}}
    # half of what is left is held, and what is held is not destroyed: 1 / (1 + 1/2) is left
    assert occupancy(both).occupied["MAO-A"][0] == pytest.approx(1 - (2 / 3) * 0.5)


def test_a_course_of_phenelzine_outlasts_the_drug_and_one_of_moclobemide_does_not() -> None:
    hours = np.arange(0.0, 24 * 70)
    shares = {}
    for drug, dose in (("phenelzine", 60.0), ("moclobemide", 600.0)):
        schedule = Schedule.regular(dose / 2, 12.0, 24.0 * 42)
        shares[drug] = occupancy({drug: concentrations(kinetics(drug), schedule, hours)}, 1.0).occupied["MAO-A"][0]
    last = 24 * 42
    assert shares["phenelzine"][last - 24 : last].mean() == pytest.approx(0.87, abs=0.03)  # Chiuccariello 2015
    assert shares["moclobemide"][last - 24 : last].mean() == pytest.approx(0.77, abs=0.1)
    assert shares["moclobemide"][last + 48] < 0.01
    after = shares["phenelzine"][last + 24 * 10 :]  # twenty half-lives of the drug
    days = np.arange(after.size) / 24
    np.testing.assert_allclose(after, after[0] * np.exp(-math.log(2) * days / 10), atol=1e-6)
