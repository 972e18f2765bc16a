import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import solve_ivp

from novamind.errors import NotFoundError, ValidationError
from novamind.neurochemistry.pharmacokinetics import (
    HEPATIC_FLOW,
    Physiology,
    Schedule,
    concentrations,
    drug_names,
    enzyme_activity,
    kinetics,
    steady_state_average,
)

SINGLE = Schedule(np.array([0.0]), np.array([20.0]))


def bateman(drug, dose_mg, hours):
    """One-compartment oral dose from apparent clearance and volume, written independently of the code."""
    passed = HEPATIC_FLOW / (HEPATIC_FLOW + drug.clearance)
    elimination = drug.clearance / drug.volume
    scale = dose_mg * 1000 / drug.volume * drug.absorption_rate / (drug.absorption_rate - elimination)
    assert passed < 1
    return scale * (np.exp(-elimination * hours) - np.exp(-drug.absorption_rate * hours))


@pytest.mark.parametrize("name", ["citalopram", "sertraline", "duloxetine", "atomoxetine", "haloperidol"])
def test_a_single_dose_follows_the_bateman_function(name):
    drug, hours = kinetics(name), np.linspace(0, 200, 81)
    ours = concentrations(drug, SINGLE, hours)[name][0]
    np.testing.assert_allclose(ours, bateman(drug, 20, hours), rtol=1e-9, atol=1e-12)


def test_equal_absorption_and_elimination_rates_give_the_limit_of_the_bateman_function():
    drug = kinetics("citalopram")
    rate = drug.clearance / drug.volume
    equal, hours = dataclasses.replace(drug, absorption_rate=rate), np.linspace(0, 200, 41)
    exact = 20_000 / drug.volume * rate * hours * np.exp(-rate * hours)
    np.testing.assert_allclose(concentrations(equal, SINGLE, hours)["citalopram"][0], exact, rtol=1e-5, atol=1e-9)


def test_a_metabolite_cleared_at_the_rate_of_its_parent_has_a_level():
    drug = dataclasses.replace(kinetics("citalopram"), metabolite="copy", metabolite_volume=1000.0)
    levels = []
    for apart in (1.0, 1.001):
        equal = dataclasses.replace(drug, metabolite_clearance=1000.0 * drug.clearance / drug.volume * apart)
        levels.append(concentrations(equal, SINGLE, np.array([24.0, 48.0]))["copy"])
    np.testing.assert_allclose(levels[0], levels[1], rtol=0.01)


@pytest.mark.parametrize("name", ["lithium", "venlafaxine", "risperidone"])
def test_two_compartments_and_metabolites_match_a_numerical_solution(name):
    drug, dose, hours = kinetics(name), 50.0, np.array([1.0, 5.0, 24.0, 60.0])
    renal = name == "lithium"
    flow = 1.0 if renal else HEPATIC_FLOW / (HEPATIC_FLOW + drug.clearance)
    volume, cleared = drug.volume * (1.0 if renal else flow), drug.clearance * (1.0 if renal else flow)
    exchange = drug.intercompartmental_clearance or 0.0

    def rates(_, y):
        gut, plasma, periphery, metabolite = y
        absorbed = drug.absorption_rate * gut
        out = cleared / volume * plasma
        moved = exchange / volume * plasma - exchange / (drug.peripheral_volume or 1.0) * periphery
        lost = drug.metabolite_clearance / drug.metabolite_volume * metabolite
        return [-absorbed, flow * absorbed - out - moved, moved, (1 - flow) * absorbed + out - lost]

    exact = solve_ivp(rates, (0, 60), [dose, 0, 0, 0], t_eval=hours, rtol=1e-10, atol=1e-12, method="LSODA").y
    ours = concentrations(drug, Schedule(np.array([0.0]), np.array([dose])), hours)
    np.testing.assert_allclose(ours[name][0], exact[1] / volume * drug.per_litre, rtol=1e-6)
    if drug.metabolite:
        expected = exact[3] / drug.metabolite_volume * drug.per_litre
        np.testing.assert_allclose(ours[drug.metabolite][0], expected, rtol=1e-6)


@pytest.mark.parametrize("name", drug_names())
def test_the_level_accumulates_to_dose_over_clearance(name):
    drug = kinetics(name)
    weeks = 60 if name == "fluoxetine" else 20
    last = np.linspace((weeks * 7 - 1) * 24.0, weeks * 7 * 24.0, 400, endpoint=False)
    schedule = Schedule.regular(drug.usual_dose, 24.0, weeks * 7 * 24.0)
    for compound, level in concentrations(drug, schedule, last).items():
        average = steady_state_average(drug, drug.usual_dose)[compound][0]
        assert level[0].mean() == pytest.approx(average, rel=0.02)


def test_schedules_superpose_for_linear_drugs_and_a_missed_dose_is_a_missing_one():
    drug, hours = kinetics("escitalopram"), np.arange(0.0, 24 * 10, 3.0)
    full = concentrations(drug, Schedule.regular(10, 24, 240), hours)["escitalopram"]
    missed = concentrations(drug, Schedule.regular(10, 24, 240, missed=[4]), hours)["escitalopram"]
    alone = concentrations(drug, Schedule(np.array([96.0]), np.array([10.0])), hours)["escitalopram"]
    np.testing.assert_allclose(full - missed, alone, atol=1e-9)


def area(drug, phenotype, doses, start, stop):
    """Area under the level between two hours of a daily 30 mg course, nmol h/L."""
    patients = Physiology.typical(enzyme_activity({"CYP2D6": phenotype}))
    hours = np.arange(start + 0.25, stop, 0.5)
    level = concentrations(drug, Schedule.regular(30, 24, 24 * doses), hours, patients)[drug.name][0]
    return level.sum() * 0.5 / drug.molar_mass * 1000


def test_paroxetine_inactivates_its_own_enzyme_as_published():
    # Sindrup 1992: 550 and 3910 after one dose set the parameters; 2550 and 4410 at steady state are predicted.
    drug = kinetics("paroxetine")
    normal, poor = (
        (area(drug, phenotype, 1, 0, 1000), area(drug, phenotype, 14, 13 * 24, 14 * 24))
        for phenotype in ("Normal Metabolizer", "Poor Metabolizer")
    )
    assert normal[0] == pytest.approx(550, rel=0.05)
    assert poor[0] == pytest.approx(3910, rel=0.05)
    assert normal[1] == pytest.approx(2550, rel=0.15)
    assert poor[1] == pytest.approx(4410, rel=0.15)
    # Nothing to inactivate: a poor metaboliser's course is linear once accumulated.
    poor_patient = Physiology.typical(enzyme_activity({"CYP2D6": "Poor Metabolizer"}))
    single, double = (steady_state_average(drug, dose, patients=poor_patient)["paroxetine"][0] for dose in (20, 40))
    assert double == pytest.approx(2 * single)


def test_phenotype_scales_the_enzyme_share_of_clearance():
    drug = kinetics("escitalopram")
    normal = steady_state_average(drug, 10)["escitalopram"][0]
    for term, activity in (("Poor Metabolizer", 0.0), ("intermediate metabolizer", 0.5), ("Ultrarapid", 1.4)):
        patients = Physiology.typical(enzyme_activity({"CYP2C19": term}))
        ratio = steady_state_average(drug, 10, patients=patients)["escitalopram"][0] / normal
        share = drug.fraction_by["CYP2C19"]
        assert ratio == pytest.approx(1 / (1 - share + share * activity))


def test_a_state_without_a_tabled_activity_is_refused_and_inhibitors_are_no_phenotypes():
    for state in ({"CYP2D6": "Indeterminate"}, {"CYP2D6": "Rapid Metabolizer"}, {"CYP1A2": "Normal Metabolizer"}):
        with pytest.raises(ValidationError, match="Leave CYP"):
            enzyme_activity(state)
    with pytest.raises(ValidationError):
        enzyme_activity({"CYP2D6": "strong inhibitor"})
    with pytest.raises(ValidationError):
        enzyme_activity(inhibitors={"CYP2D6": "Poor Metabolizer"})


def test_an_inhibitor_turns_a_normal_metaboliser_into_a_poor_one():
    strong = enzyme_activity(inhibitors={"CYP2D6": "strong"})
    assert strong["CYP2D6"] == pytest.approx(0.05)
    assert enzyme_activity({"CYP2D6": 1.0})["CYP2D6"] == 0.5
    assert enzyme_activity({"CYP2D6": "Poor Metabolizer"}, {"CYP2D6": "strong"})["CYP2D6"] == 0.0


def test_lithium_follows_creatinine_clearance():
    drug = kinetics("lithium")
    half = steady_state_average(drug, 900, patients=Physiology.typical(creatinine_clearance=50))
    assert half["lithium"][0] == pytest.approx(2 * steady_state_average(drug, 900)["lithium"][0])


@given(st.floats(0.1, 10), st.floats(0.3, 3))
def test_levels_are_never_negative_and_proportional_to_dose(factor, clearance):
    drug, hours = kinetics("sertraline"), np.arange(0.0, 240.0, 7.0)
    patients = Physiology.typical(clearance_factor=np.array([clearance]))
    one = concentrations(drug, Schedule.regular(50, 24, 240), hours, patients)["sertraline"]
    other = concentrations(drug, Schedule.regular(50 * factor, 24, 240), hours, patients)["sertraline"]
    assert (one >= 0).all()
    np.testing.assert_allclose(other, factor * one, rtol=1e-9, atol=1e-9)


def test_bad_schedules_and_doses_are_refused():
    for times, amounts in (([0.0, 0.0], [1, 1]), ([5.0, 1.0], [1, 1]), ([-1.0], [1]), ([0.0], [-1]), ([0.0], [0])):
        with pytest.raises(ValidationError):
            Schedule(np.array(times), np.array(amounts, dtype=float))
    with pytest.raises(ValidationError, match="increase"):
        concentrations(kinetics("sertraline"), SINGLE, np.array([3.0, 1.0]))
    with pytest.raises(ValidationError, match="refused"):
        concentrations(kinetics("sertraline"), Schedule.regular(1e9, 24, 48), np.array([1.0]))
    for dose in (0.0, -5.0, float("nan"), float("inf"), "ten", True):
        with pytest.raises(ValidationError, match="dose_mg"):
            Schedule.regular(dose, 24, 48)
    with pytest.raises(ValidationError, match="missed"):
        Schedule.regular(10, 24, 48, missed=[9])
    with pytest.raises(ValidationError, match="missed"):
        Schedule.regular(10, 24, 48, missed=[-1])
    with pytest.raises(NotFoundError, match="choose one of"):
        kinetics("placebotine")
    for bad in ({"CYP9Z9": 1.0}, {"CYP2D6": "fast"}, {"CYP2D6": -1.0}, {"CYP2D6": None}, "CYP2D6"):
        with pytest.raises(ValidationError):
            enzyme_activity(bad)
    with pytest.raises(ValidationError):
        enzyme_activity(inhibitors={"CYP2D6": 2.0})
    with pytest.raises(ValidationError):
        Physiology.typical(creatinine_clearance=0)
