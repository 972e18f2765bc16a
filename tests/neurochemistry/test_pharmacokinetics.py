import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import solve_ivp

from novamind.errors import NotFoundError, ValidationError
from novamind.neurochemistry.pharmacokinetics import (
    HEPATIC_FLOW,
    DrugKinetics,
    Physiology,
    Schedule,
    concentrations,
    drug_names,
    enzyme_activity,
    kinetics,
    steady_state_average,
)
from tests.golden import check_golden

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
    for term, activity in (("Poor Metabolizer", 0.0), ("intermediate metabolizer", 0.5), ("Ultrarapid", 1.3)):
        patients = Physiology.typical(enzyme_activity({"CYP2C19": term}))
        ratio = steady_state_average(drug, 10, patients=patients)["escitalopram"][0] / normal
        share = drug.fraction_by["CYP2C19"]
        assert ratio == pytest.approx(1 / (1 - share + share * activity))


def test_a_state_without_a_tabled_activity_is_refused_and_inhibitors_are_no_phenotypes():
    for state in ({"CYP2D6": "Indeterminate"}, {"CYP2D6": "Rapid Metabolizer"}, {"CYP1A2": "Normal Metabolizer"}):
        with pytest.raises(ValidationError, match="leave CYP"):
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
    for times, amounts in (([0.0, 0.0], [1, 1]), ([5.0, 1.0], [1, 1]), ([-1.0], [1]), ([0.0], [-1])):
        with pytest.raises(ValidationError):
            Schedule(np.array(times), np.array(amounts, dtype=float))
    with pytest.raises(ValidationError, match="increase"):
        concentrations(kinetics("sertraline"), SINGLE, np.array([3.0, 1.0]))
    with pytest.raises(ValidationError, match="refused"):
        concentrations(kinetics("sertraline"), Schedule.regular(1e9, 24, 48), np.array([1.0]))
    for dose in (-5.0, -0.1, float("nan"), float("inf"), "ten", True):
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
        enzyme_activity(inhibitors={"CYP2D6": 17.0})
    with pytest.raises(ValidationError):
        Physiology.typical(creatinine_clearance=0)


# -- the tables as the models read them --------------------------------------------------------------------------------


def test_every_drug_is_read_as_tabled() -> None:
    check_golden(__file__, "drug_kinetics", {name: kinetics(name) for name in drug_names()[::2]})


def test_drugs_are_listed_by_name_and_asked_for_in_any_spelling() -> None:
    assert drug_names() == tuple(sorted(drug_names()))
    assert len(drug_names()) == 106
    assert kinetics("  Citalopram\n") is kinetics("citalopram")
    for wrong in ("", "citalopram 20", None, 3, b"citalopram"):
        with pytest.raises(NotFoundError, match="aripiprazole, asenapine"):
            kinetics(wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("unit", "factor"),
    [("ng/mL", 1000.0), ("mg/L", 1.0), ("mmol/L", 1 / 36.95)],  # 1 mg/L = 1000 ng/mL = 1/M mmol/L
)
def test_a_milligram_per_litre_in_every_unit(unit: str, factor: float) -> None:
    drug = dataclasses.replace(kinetics("lithium"), concentration_unit=unit)
    assert drug.per_litre == pytest.approx(factor)


# -- schedules ---------------------------------------------------------------------------------------------------------


def test_a_regular_schedule_is_a_dose_each_interval_before_the_end() -> None:
    schedule = Schedule.regular(12.5, 8, 24.0)
    np.testing.assert_array_equal(schedule.times_hours, [0, 8, 16])
    np.testing.assert_array_equal(schedule.amounts_mg, [12.5, 12.5, 12.5])
    np.testing.assert_array_equal(Schedule.regular(1, 8, 24.1, missed=[1, 3]).amounts_mg, [1, 0, 1, 0])
    np.testing.assert_array_equal(Schedule.regular(1, 8, 24.1, missed=[0]).amounts_mg, [0, 1, 1, 1])


@pytest.mark.parametrize(
    ("interval", "right"),
    [(1, True), (0.999, False), (336, True), (336.01, False), (None, False), (float("nan"), False)],
)
def test_doses_are_an_hour_to_two_weeks_apart(interval: float, right: bool) -> None:
    if right:
        assert Schedule.regular(5, interval, 700).times_hours[1] == interval
    else:
        with pytest.raises(ValidationError, match="interval_hours"):
            Schedule.regular(5, interval, 700)


@pytest.mark.parametrize(
    ("times", "amounts", "message"),
    [
        ([[0.0, 1.0]], [1, 1], "one amount per dose"),
        ([], [], "one amount per dose"),
        ([0.0, 1.0], [1], "one amount per dose"),
        ([0.0, 1.0], [[[1, 1]]], "one amount per dose"),
        ([0.0, 1.0], [[1], [1]], "one amount per dose"),
        ([0.0, np.nan], [1, 1], "finite"),
        ([0.0, np.inf], [1, 1], "finite"),
        ([0.0, 1.0], [1, np.nan], "finite"),
        ([0.0, 1.0], [np.inf, 1], "finite"),
        ([-0.1, 1.0], [1, 1], "start at 0"),
        ([1.0, 1.0], [1, 1], "increase"),
        ([2.0, 1.0], [1, 1], "increase"),
        ([0.0, 1.0], [1, -0.1], "at least 0 mg"),
    ],
)
def test_a_schedule_that_cannot_be_taken_is_refused(times: list[float], amounts: list[float], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Schedule(np.array(times, dtype=float), np.array(amounts, dtype=float))


def test_schedules_at_the_limits_are_taken() -> None:
    assert not Schedule.regular(0, 24, 72).amounts_mg.any()
    assert Schedule(np.array([0.0]), np.array([0.1])).times_hours.size == 1
    assert Schedule(np.array([0, 1]), np.array([0, 2])).amounts_mg.dtype == np.float64
    assert Schedule(np.array([3.0, 4.0]), np.array([[0, 2], [1, 0]])).amounts_mg.shape == (2, 2)


def test_twenty_usual_doses_at_once_are_the_limit() -> None:
    drug = kinetics("citalopram")
    Schedule(np.array([0.0]), np.array([400.0])).check(drug)
    for amounts in ([400.01], [1.0, 400.01]):
        with pytest.raises(ValidationError, match="citalopram above 400 mg"):
            Schedule(np.arange(len(amounts)) * 24.0, np.array(amounts)).check(drug)


# -- enzymes -----------------------------------------------------------------------------------------------------------

NORMAL = dict.fromkeys(
    ("CYP1A2", "CYP2A6", "CYP2B6", "CYP2C19", "CYP2C8", "CYP2C9", "CYP2D6", "CYP2E1", "CYP3A4", "UGT", "UGT1A4"), 1.0
)


@pytest.mark.parametrize(
    ("phenotypes", "inhibitors", "changed"),
    [
        (None, None, {}),
        ({}, {}, {}),
        ({"CYP2D6": "Poor Metabolizer"}, None, {"CYP2D6": 0.0}),
        ({"CYP2D6": " poor "}, None, {"CYP2D6": 0.0}),
        ({"CYP2D6": "Likely Intermediate Metabolizer"}, None, {"CYP2D6": 0.375}),
        ({"CYP2D6": "ULTRARAPID"}, None, {"CYP2D6": 2.0}),
        ({"CYP2C19": "Rapid Metabolizer", "CYP2B6": "poor"}, None, {"CYP2C19": 1.15, "CYP2B6": 0.3}),
        ({"CYP2D6": 0}, None, {"CYP2D6": 0.0}),
        ({"CYP2D6": 3}, None, {"CYP2D6": 1.5}),
        ({"CYP2D6": 16}, None, {"CYP2D6": 8.0}),
        (None, {"CYP2D6": 1}, {}),
        (None, {"CYP2D6": 0}, {"CYP2D6": 0.0}),
        (None, {"CYP3A4": 0.25}, {"CYP3A4": 0.25}),
        (None, {"CYP1A2": "smoker"}, {"CYP1A2": (1 / 0.6 - 0.15) / 0.85}),
        (None, {"CYP1A2": "Moderate"}, {"CYP1A2": 0.5}),
        (None, {"CYP2C19": "weak inhibitor"}, {"CYP2C19": 0.65}),
        (None, {"CYP3A4": "strong inducer"}, {"CYP3A4": 5.0}),
        (None, {"CYP3A4": 16}, {"CYP3A4": 16.0}),
        ({"CYP2C9": "poor"}, None, {"CYP2C9": 0.125}),
        ({"CYP2C19": "likely poor"}, None, {"CYP2C19": 0.25}),
        ({"CYP2D6": "intermediate"}, {"CYP2D6": "strong"}, {"CYP2D6": 0.375 * 0.05}),
        ({"CYP2D6": 1.0}, {"CYP2D6": 0.5}, {"CYP2D6": 0.25}),
    ],
)
def test_activity_of_enzymes(phenotypes: dict, inhibitors: dict, changed: dict[str, float]) -> None:
    assert enzyme_activity(phenotypes, inhibitors) == pytest.approx(NORMAL | changed)


@pytest.mark.parametrize(
    ("phenotypes", "inhibitors"),
    [
        ({"CYP2D6": 16.01}, None),
        ({"CYP2D6": -0.01}, None),
        ({"CYP2D6": True}, None),
        (None, {"CYP2D6": 16.01}),
        (None, {"CYP2D6": -0.01}),
        (None, {"CYP2D6": "smoker"}),
        ({"CYP1A2": "smoker"}, None),
        ({"CYP1A2": "poor"}, None),
        ({"CYP2D6": "rapid"}, None),
        ({"CYP2D6": ""}, None),
        ({"renal": 1.0}, None),
        (["CYP2D6"], None),
        (None, [("CYP2D6", "strong")]),
    ],
)
def test_states_that_no_enzyme_has_are_refused(phenotypes: dict, inhibitors: dict) -> None:
    with pytest.raises(ValidationError):
        enzyme_activity(phenotypes, inhibitors)


@pytest.mark.parametrize(
    ("creatinine", "right"), [(5, True), (4.99, False), (250, True), (250.01, False), ("90", False)]
)
def test_creatinine_clearance_has_limits(creatinine: float, right: bool) -> None:
    if right:
        np.testing.assert_array_equal(
            Physiology.typical(creatinine_clearance=creatinine).creatinine_clearance, [creatinine]
        )
    else:
        with pytest.raises(ValidationError, match="between 5 and 250"):
            Physiology.typical(creatinine_clearance=creatinine)


def test_a_typical_patient_is_one_of_factor_1() -> None:
    patient = Physiology.typical()
    assert {enzyme: list(value) for enzyme, value in patient.activity.items()} == {name: [1.0] for name in NORMAL}
    assert (list(patient.clearance_factor), list(patient.creatinine_clearance)) == ([1.0], [100.0])
    for name in drug_names():
        assert patient.relative_clearance(kinetics(name)) == pytest.approx(1.0)
        assert patient.formed_fraction(kinetics(name)) == pytest.approx(1.0)


def test_clearance_is_the_sum_of_its_routes_times_the_patients_own_factor() -> None:
    drug = dataclasses.replace(kinetics("citalopram"), fraction_by={"CYP2C19": 0.52, "CYP2D6": 0.2})  # 28 % otherwise
    patients = Physiology.typical(enzyme_activity({"CYP2C19": "poor", "CYP2D6": 3.0}), np.array([1.0, 0.5]))
    np.testing.assert_allclose(patients.relative_clearance(drug), (0.28 + 0.2 * 1.5) * np.array([1.0, 0.5]))
    np.testing.assert_allclose(patients.relative_clearance(drug, 0.1), (0.28 + 0.2 * 1.5) * np.array([1.0, 0.5]))
    own = kinetics("paroxetine")  # 85.9 % by the enzyme that it destroys
    normal = Physiology.typical()
    np.testing.assert_allclose(normal.relative_clearance(own, 0.1), [0.141 + 0.0859])
    kidney = Physiology.typical(creatinine_clearance=40)
    np.testing.assert_allclose(kidney.relative_clearance(kinetics("lithium")), [0.4])


def test_the_share_that_becomes_the_metabolite_follows_its_route() -> None:
    drug = kinetics("venlafaxine")  # 75 % CYP2D6, 15 % CYP3A4
    poor, fast = (Physiology.typical(enzyme_activity({"CYP2D6": term})) for term in ("poor", "ultrarapid"))
    assert poor.formed_fraction(drug)[0] == 0.0
    assert fast.formed_fraction(drug)[0] == pytest.approx(2 / (0.25 + 2 * 0.75))
    slow = Physiology.typical(clearance_factor=np.array([0.5]))  # the factor is on every route alike
    assert slow.formed_fraction(drug)[0] == pytest.approx(1.0)
    assert poor.formed_fraction(kinetics("risperidone"))[0] == 1.0  # no single route


# -- closed forms ------------------------------------------------------------------------------------------------------


def test_two_compartments_follow_the_biexponential_formula() -> None:
    """Gibaldi & Perrier 1982, oral dose, two compartments."""
    drug, dose, hours = kinetics("lithium"), 900.0, np.array([0.0, 0.5, 2.0, 8.0, 24.0, 72.0])
    ka, k10 = drug.absorption_rate, 1.5 / 23
    k12, k21 = 6 / 23, 6 / 22
    total, product = k10 + k12 + k21, k10 * k21
    alpha = (total + np.sqrt(total**2 - 4 * product)) / 2
    beta = product / alpha
    parts = (
        (k21 - ka) / ((alpha - ka) * (beta - ka)) * np.exp(-ka * hours)
        + (k21 - alpha) / ((ka - alpha) * (beta - alpha)) * np.exp(-alpha * hours)
        + (k21 - beta) / ((ka - beta) * (alpha - beta)) * np.exp(-beta * hours)
    )
    expected = ka * dose / 23 * parts / 36.95  # mmol/L
    ours = concentrations(drug, Schedule(np.array([0.0]), np.array([dose])), hours)["lithium"][0]
    np.testing.assert_allclose(ours, expected, rtol=1e-9, atol=1e-12)


def test_first_pass_forms_metabolite_before_any_parent_is_in_plasma() -> None:
    """Parent and metabolite of one dose by hand: gut (ka), plasma (k), metabolite (km); the liver takes its share."""
    drug, hours = kinetics("venlafaxine"), np.array([0.25, 1.0, 6.0, 30.0])
    passed = 90 / (90 + 91)
    ka, k = 0.15, 91 / 525
    km = 37 / 532
    early, late = (1 - passed) * ka, passed * ka * k

    def metabolite(t: np.ndarray) -> np.ndarray:
        first = early * (np.exp(-ka * t) - np.exp(-km * t)) / (km - ka)
        second = late * (
            np.exp(-ka * t) / ((k - ka) * (km - ka))
            + np.exp(-k * t) / ((ka - k) * (km - k))
            + np.exp(-km * t) / ((ka - km) * (k - km))
        )
        return 75_000 / 532 * (first + second)

    ours = concentrations(drug, Schedule(np.array([0.0]), np.array([75.0])), hours)
    np.testing.assert_allclose(ours["O-desmethylvenlafaxine"][0], metabolite(hours), rtol=1e-9)
    # the dose ends up in the metabolite whichever way it went: its AUC is dose over its clearance
    grid = np.arange(0.5, 400.0, 1.0)
    whole = concentrations(drug, Schedule(np.array([0.0]), np.array([75.0])), grid)
    assert whole["O-desmethylvenlafaxine"][0].sum() == pytest.approx(75_000 / 37, rel=1e-3)
    assert whole["venlafaxine"][0].sum() == pytest.approx(75_000 / 91, rel=2e-3)


@pytest.mark.parametrize("name", [name for name in drug_names() if name != "paroxetine"])
def test_the_average_level_is_dose_rate_over_clearance(name: str) -> None:
    drug = kinetics(name)
    average = steady_state_average(drug, 3 * drug.usual_dose, 12.0)
    rate = 3 * drug.usual_dose / 12
    factor = {"ng/mL": 1000, "mg/L": 1, "mmol/L": 1 / 36.95}[drug.concentration_unit]
    assert average[name][0] == pytest.approx(rate / drug.clearance * factor)
    assert set(average) == {name, drug.metabolite} - {None}
    if drug.metabolite:
        assert average[drug.metabolite][0] == pytest.approx(rate / drug.metabolite_clearance * factor)


def test_the_average_of_every_day_is_a_day_of_dose_without_further_word() -> None:
    drug = kinetics("sertraline")
    assert steady_state_average(drug, 50)["sertraline"][0] == pytest.approx(50_000 / 24 / 66.8)


def test_paroxetine_settles_where_synthesis_and_loss_of_its_enzyme_balance() -> None:
    drug = kinetics("paroxetine")
    for dose in (10.0, 20.0, 40.0):
        level = steady_state_average(drug, dose)["paroxetine"][0]
        loss = 10.2 * level / (1598 + level)
        left = 0.0136 / (0.0136 + loss)
        assert level == pytest.approx(dose * 1000 / 24 / (167 * (1 - 0.859 + 0.859 * left)), rel=1e-9)
    factors = Physiology.typical(clearance_factor=np.array([0.5, 1.0, 2.0]))
    levels = steady_state_average(drug, 20.0, patients=factors)["paroxetine"]
    assert levels[0] > levels[1] > levels[2]


def test_enzyme_decays_along_its_exact_solution_between_doses() -> None:
    """One interval by hand: the mean level of the day sets the loss, the next day has the clearance that is left."""
    drug = kinetics("paroxetine")
    schedule = Schedule(np.array([0.0, 24.0]), np.array([20.0, 0.0]))
    fine = np.arange(0.005, 24.0, 0.01)
    first = concentrations(drug, schedule, fine)["paroxetine"][0]
    loss = 10.2 * first.mean() / (1598 + first.mean())
    level = 0.0136 / (0.0136 + loss)
    left = level + (1 - level) * np.exp(-(0.0136 + loss) * 24)
    late = np.array([200.0, 210.0])  # gut long empty: one exponential at the clearance that is left
    ours = concentrations(drug, schedule, late)["paroxetine"][0]
    clearance = 167 * (0.141 + 0.859 * left)
    volume = 3457 * 90 / (90 + 167)
    slope = clearance * 90 / (90 + clearance) / volume
    assert np.log(ours[0] / ours[1]) / 10 == pytest.approx(slope, rel=1e-6)


def test_a_level_at_the_time_of_a_dose_does_not_hold_it_yet() -> None:
    drug, schedule = kinetics("lithium"), Schedule.regular(450, 12, 36)
    hours = np.array([0.0, 11.999999, 12.0, 12.000001, 24.0])
    level = concentrations(drug, schedule, hours)["lithium"][0]
    assert level[0] == 0.0
    np.testing.assert_allclose(level[1:4], level[2], rtol=1e-5)


def test_times_before_the_first_dose_are_free_of_drug_and_times_may_be_one() -> None:
    drug = kinetics("sertraline")
    late = Schedule(np.array([10.0]), np.array([50.0]))
    level = concentrations(drug, late, np.array([0.0, 9.9, 10.0, 12.0]))["sertraline"][0]
    assert list(level[:3]) == [0.0, 0.0, 0.0]
    assert level[3] > 0
    single = concentrations(drug, late, np.array([12.0]))["sertraline"]
    assert single.shape == (1, 1)
    assert single[0, 0] == pytest.approx(level[3])


@pytest.mark.parametrize("times", [[[1.0]], [np.nan], [1.0, np.inf], [1.0, 1.0], [2.0, 1.0]])
def test_times_that_do_not_increase_are_refused(times: list[float]) -> None:
    with pytest.raises(ValidationError, match="times must be finite and increase"):
        concentrations(kinetics("sertraline"), SINGLE, np.array(times))


@pytest.mark.parametrize("apart", [0.0, 1e-6, 1.9e-6, 2.1e-6, 1e-4])
def test_rates_that_nearly_agree_give_the_level_of_rates_that_do_not(apart: float) -> None:
    drug = kinetics("citalopram")
    rate = drug.clearance / drug.volume
    close = dataclasses.replace(drug, absorption_rate=rate * (1 + apart))
    hours = np.array([1.0, 24.0, 100.0])
    exact = 20_000 / drug.volume * rate * hours * np.exp(-rate * hours)
    np.testing.assert_allclose(concentrations(close, SINGLE, hours)["citalopram"][0], exact, rtol=2e-4)


def test_courses_of_every_drug() -> None:
    """Seven awkward doses in three patients: what all rules together give."""
    answers = {}
    schedule_times = np.array([0.0, 24.0, 40.0, 72.0, 96.0, 120.0, 200.0])
    hours = np.array([0.0, 3.0, 24.0, 39.0, 41.5, 100.0, 199.0, 240.0, 400.0])
    activity = enzyme_activity({"CYP2C19": "poor", "CYP2D6": "intermediate"}, {"CYP1A2": "smoker", "CYP3A4": "weak"})
    for name in drug_names()[::2]:
        drug = kinetics(name)
        amounts = drug.usual_dose * np.array([1.0, 0.0, 0.5, 2.0, 1.0, 1.0, 0.25])
        patients = Physiology.typical(activity, np.array([0.4, 1.0, 1.7]), 60.0)
        answers[name] = {
            "own": concentrations(drug, Schedule(schedule_times, amounts), hours, patients),
            "average": steady_state_average(drug, drug.usual_dose, 12.0, patients),
        }
    check_golden(__file__, "courses_of_every_drug", answers)


def test_patients_may_take_different_amounts() -> None:
    drug, hours = kinetics("risperidone"), np.array([5.0, 30.0])
    both = Schedule(np.array([0.0, 24.0]), np.array([[2.0, 4.0], [4.0, 0.0]]))
    patients = Physiology.typical(clearance_factor=np.array([1.0, 0.5]))
    levels = concentrations(drug, both, hours, patients)
    for row in range(2):
        alone = Physiology.typical(clearance_factor=patients.clearance_factor[row : row + 1])
        single = concentrations(drug, Schedule(both.times_hours, both.amounts_mg[row]), hours, alone)
        for compound, level in single.items():
            np.testing.assert_allclose(levels[compound][row], level[0], rtol=1e-12)


def test_a_drug_is_plain_where_nothing_else_is_tabled() -> None:
    """No binding, no periphery, no metabolite, no loss of enzyme: one compartment with linear clearance."""
    plain = DrugKinetics("plain", 300.0, "mg/L", 5.0, 0.3, 100.0, 1.5, 50.0, {})
    neutral = {field.name: field.default for field in dataclasses.fields(plain)[9:-1]}
    assert neutral == {
        "unbound_fraction": None,
        "peripheral_volume": None,
        "intercompartmental_clearance": None,
        "metabolite": None,
        "metabolite_clearance": 1.0,
        "metabolite_volume": 1.0,
        "metabolite_formed_by": "all",
        "metabolite_unbound_fraction": None,
        "metabolite_molar_mass": None,
        "inactivated_enzyme": None,
        "inactivation_rate": 0.0,
        "inactivation_constant": 1.0,
        "enzyme_turnover": 0.0,
    }
    hours = np.array([1.0, 10.0, 60.0])
    ours = concentrations(plain, SINGLE, hours)
    assert list(ours) == ["plain"]
    np.testing.assert_allclose(ours["plain"][0], bateman(plain, 20, hours) / 1000)
    assert steady_state_average(plain, 50.0)["plain"][0] == pytest.approx(50 / 24 / 5)
