"""Drugs that act on each other, against closed forms."""

import math
from typing import Any

import numpy as np
import pytest

from novamind.drugs.clearance import share_under, shares
from novamind.drugs.enzymes import modulators
from novamind.drugs.kinetics import drug_names, kinetics
from novamind.neurochemistry.comedication import levels_together, relative_exposure
from novamind.neurochemistry.domain import Floats
from novamind.neurochemistry.pharmacokinetics import (
    DayByDay,
    Physiology,
    Schedule,
    concentrations,
    enzyme_activity,
    steady_state_average,
)
from novamind.neurochemistry.regimen import intakes, read_regimen
from tests.drugs.test_depots import REVIEW


def levels(regimen: Any, days: int, step: float = 1.0, **activity: str) -> tuple[dict[str, Floats], dict[str, Any]]:
    """Parent levels of the typical person, and what the others leave of enzymes."""
    taken = intakes(read_regimen(regimen), days)
    patients = {drug: Physiology.typical(enzyme_activity(activity)) for drug in taken}
    found, left = levels_together(taken, np.arange(0.0, days * 24.0, step), patients)
    return {drug: of[drug][0] for drug, of in found.items()}, left


def area(level: Floats, first: int, last: int, step: float) -> float:
    """Simpson's rule over whole days."""
    part = level[round(first * 24 / step) : round(last * 24 / step) + 1]
    weights = np.tile([2.0, 4.0], part.size // 2 + 1)[: part.size]
    weights[0] = weights[-1] = 1.0
    return float(weights @ part) * step / 3


def test_an_inhibitor_changes_the_area_by_the_closed_form() -> None:
    share, (left, _, _) = shares("duloxetine")["CYP1A2"], share_under(modulators("ciprofloxacin")[0])
    assert modulators("ciprofloxacin")[0].enzyme == "CYP1A2"
    level, _ = levels([("duloxetine", 60), ("ciprofloxacin", 500, 12, 20)], 60, 0.05)
    dose_over_clearance = 60 / kinetics("duloxetine").clearance * 1000
    assert area(level["duloxetine"], 18, 19, 0.05) == pytest.approx(dose_over_clearance, rel=1e-5)
    others = (
        1
        - share
        + share * left
        - sum(
            part * (1 - share_under(m)[0])
            for m in modulators("ciprofloxacin")
            for route, part in shares("duloxetine").items()
            if m.enzyme == route != "CYP1A2" and m.classed
        )
    )
    assert area(level["duloxetine"], 57, 58, 0.05) == pytest.approx(dose_over_clearance / others, rel=1e-5)


def test_two_constant_clearances_join_in_one_exponential_solution() -> None:
    drug = kinetics("mirtazapine")
    daily = DayByDay(np.zeros(1), {"CYP3A4": np.array([[1.0] * 5 + [0.1]])})
    hours = np.arange(0.0, 24 * 12, 1.0)
    once = Schedule(np.zeros(1), np.array([30.0]))
    level = concentrations(drug, once, hours, None, daily)[drug.name][0]
    untouched = concentrations(drug, once, hours)[drug.name][0]
    np.testing.assert_allclose(level[:121], untouched[:121], rtol=1e-9)
    slower = Physiology.typical(enzyme_activity(None, {"CYP3A4": 0.1}))
    intrinsic = [drug.clearance * float(p.relative_clearance(drug)[0]) for p in (Physiology.typical(), slower)]
    flow = 90.0
    volume = drug.volume * flow / (flow + drug.clearance)
    rates = [cl * flow / (flow + cl) / volume for cl in intrinsic]
    np.testing.assert_allclose(level[121:], level[120] * np.exp(-rates[1] * (hours[121:] - 120.0)), rtol=1e-6)
    assert rates[1] < rates[0]


def test_an_inhibitor_at_its_usual_dose_leaves_what_the_review_counts_with() -> None:
    _, left = levels([("nortriptyline", 75), ("bupropion", kinetics("bupropion").usual_dose)], 60)
    point = next(share_under(m)[0] for m in modulators("bupropion") if m.enzyme == "CYP2D6")
    assert left["nortriptyline"]["CYP2D6"][0, -1] == pytest.approx(point, rel=0.02)
    _, none = levels([("nortriptyline", 75), ("bupropion", 0.0)], 30)
    assert "CYP2D6" not in none["nortriptyline"]


def test_half_the_dose_of_a_competitive_inhibitor_leaves_more() -> None:
    usual = kinetics("fluvoxamine").usual_dose
    point = next(share_under(m)[0] for m in modulators("fluvoxamine") if m.enzyme == "CYP1A2")
    _, left = levels([("clozapine", 300), ("fluvoxamine", usual / 2)], 60)
    halved = 1 / (1 + (1 / point - 1) / 2)
    assert left["clozapine"]["CYP1A2"][0, -1] == pytest.approx(halved, rel=0.02)


def test_paroxetine_raises_risperidone_threefold_and_more_and_a_poor_metaboliser_has_nothing_to_lose() -> None:
    regimen = [("risperidone", 4), ("paroxetine", 20, 24, 28)]
    level, _ = levels(regimen, 84)
    assert level["risperidone"][-24:].mean() / level["risperidone"][27 * 24 : 28 * 24].mean() > 3
    poor, _ = levels(regimen, 84, CYP2D6="Poor Metabolizer")
    assert poor["risperidone"][-24:].mean() == pytest.approx(poor["risperidone"][27 * 24 : 28 * 24].mean(), rel=1e-3)


def test_an_enzyme_comes_back_with_its_half_life_after_smoking() -> None:
    _, left = levels([("clozapine", 300), ("smoking", None, 24, 0, 40)], 60)
    course = left["clozapine"]["CYP1A2"][0]
    fold = next(share_under(m)[0] for m in modulators("tobacco smoking") if m.enzyme == "CYP1A2")
    assert course[39] == pytest.approx(fold, rel=1e-4)
    rate = math.log(2) / 1.6  # days, Faber 2004: 38.6 h
    days = np.arange(40, 60)
    # the mean over a day of 1 + (fold - 1) exp(-rate t)
    expected = 1 + (fold - 1) * np.exp(-rate * (days - 40)) * (1 - math.exp(-rate)) / rate
    np.testing.assert_allclose(course[40:], expected, rtol=1e-4)


def test_a_destroyed_enzyme_comes_back_with_its_half_life() -> None:
    _, left = levels([("alprazolam", 1), ("clarithromycin", 500, 12, 0, 30)], 60)
    course = left["alprazolam"]["CYP3A4"][0]
    rate = math.log(2) / 3.0
    ratios = (1 - course[31:45]) / (1 - course[30:44])
    np.testing.assert_allclose(ratios, math.exp(-rate), rtol=1e-9)


def test_without_kinetics_a_competitive_inhibitor_fades_within_its_washout() -> None:
    ketoconazole = next(m for m in modulators("ketoconazole") if m.enzyme == "CYP3A4")
    assert ketoconazole.mechanism == "competitive"
    assert "ketoconazole" not in drug_names()
    _, left = levels([("alprazolam", 1), ("ketoconazole", 200, 24, 0, 10)], 30)
    course = left["alprazolam"]["CYP3A4"][0]
    pull = 1 / course - 1
    assert pull[9 + ketoconazole.washout_days] / pull[9] == pytest.approx(0.5**5)


def test_the_strongest_inhibitor_counts_and_an_inducer_multiplies() -> None:
    both, alone = (
        levels([("alprazolam", 1), *more], 40)[1]["alprazolam"]["CYP3A4"][0, -1]
        for more in (
            [("ketoconazole", 200), ("diltiazem", 240)],
            [("ketoconazole", 200)],
        )
    )
    assert both == alone
    _, left = levels([("alprazolam", 1), ("ketoconazole", 200), ("rifampin", 600)], 60)
    _, induced = levels([("alprazolam", 1), ("rifampin", 600)], 60)
    product = alone * induced["alprazolam"]["CYP3A4"][0, -1]
    assert left["alprazolam"]["CYP3A4"][0, -1] == pytest.approx(product, rel=0.05)


def test_drugs_that_act_on_each_other_settle() -> None:
    level, left = levels([("fluoxetine", 20), ("fluvoxamine", 100), ("clozapine", 300)], 60)
    assert all(np.isfinite(of).all() for of in level.values())
    assert {"CYP2D6", "CYP2C19"} & set(left["fluoxetine"])


def test_linear_drugs_superpose_and_others_do_not_matter() -> None:
    parts = [("lithium", 300, 24, 0, 10), ("lithium", 600, 24, 10)]
    whole, _ = levels(parts, 28)
    first, _ = levels(parts[:1], 28)
    second, _ = levels(parts[1:], 28)
    np.testing.assert_allclose(whole["lithium"], first["lithium"] + second["lithium"], atol=1e-12)
    beside, _ = levels([*parts, ("mirtazapine", 15)], 28)
    np.testing.assert_array_equal(beside["lithium"], whole["lithium"])


@pytest.mark.parametrize("key", sorted(REVIEW))
def test_a_depot_peaks_as_published_and_nothing_of_it_is_lost(key: tuple[str, str]) -> None:
    drug, form = key
    dose = {"paliperidone": 100.0, "risperidone": 50.0}.get(drug, 300.0) if form == "depot" else 350.0
    days = 360
    taken = intakes(read_regimen([(drug, dose, 24 * 180, 0, 1, form)]), days)
    level, _ = levels_together(taken, np.arange(0.0, days * 24.0), {drug: Physiology.typical()})
    daily = level[drug][drug][0].reshape(days, 24).mean(axis=1)
    low, high = REVIEW[key][1]
    assert low <= daily.argmax() + 1 <= high
    cleared = daily.sum() * 24 * kinetics(drug).clearance / kinetics(drug).per_litre
    assert cleared == pytest.approx(taken[drug].released_mg.sum(), rel=0.01)


def test_an_injection_at_a_constant_rate_is_dose_over_clearance_and_adds_to_doses_by_mouth() -> None:
    drug = kinetics("olanzapine")
    nothing, hours = Schedule(np.zeros(1), np.zeros(1)), np.arange(0.0, 24 * 90, 0.5)
    daily = DayByDay(np.r_[np.full(30, 10.0), 0.0])
    injected = concentrations(drug, nothing, hours, None, daily)[drug.name][0]
    assert injected.sum() * 0.5 == pytest.approx(300 / drug.clearance * 1000, rel=1e-9)
    swallowed = concentrations(drug, Schedule.regular(5, 24, 24 * 90), hours)[drug.name][0]
    both = concentrations(drug, Schedule.regular(5, 24, 24 * 90), hours, None, daily)[drug.name][0]
    np.testing.assert_allclose(both, injected + swallowed, rtol=1e-9, atol=1e-12)


def test_a_days_level_over_the_usual_one_is_1_at_the_usual_dose() -> None:
    drug = kinetics("fluoxetine")
    hours = np.arange(0.0, 24 * 200)
    level = concentrations(drug, Schedule.regular(drug.usual_dose, 24, hours.size), hours)
    assert relative_exposure(drug, level)[0, -1] == pytest.approx(1.0, rel=0.01)
    assert sum(steady_state_average(drug, drug.usual_dose).values())[0] > 0
