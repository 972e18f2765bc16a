"""Measured levels: closed forms, simulated truth, units, refusals."""

import math
from datetime import date
from typing import Any

import numpy as np
import pytest

from novamind.drugs.kinetics import kinetics
from novamind.errors import InsufficientDataError, NotFoundError, ValidationError
from novamind.neurochemistry.measured_levels import MeasuredLevel, update, weighted_interval
from novamind.neurochemistry.pharmacokinetics import Physiology, Schedule, concentrations


def trough(drug: str, dose: float, days: int, factor: float, hours: float = 24.0) -> float:
    """The level so many hours after the last of the doses that fits before the end of the day."""
    times = np.array([24.0 * (days - math.ceil(max(hours - 24, 0) / 24)) + (hours if hours <= 24 else hours - 24)])
    level = concentrations(
        kinetics(drug),
        Schedule.regular(dose, 24, 24.0 * (days + 1)),
        times,
        Physiology.typical(None, np.array([factor])),
    )
    return float(level[drug][0, 0])


def test_many_exact_levels_find_the_clearance() -> None:
    truth = 0.6
    levels = [("mirtazapine", trough("mirtazapine", 30, day, truth, 12), day, 12) for day in range(10, 30)]
    result = update(levels, [("mirtazapine", 30)], residual_log_sd=0.05)
    assert result.clearance_factor.value == pytest.approx(truth, rel=0.01)
    assert result.clearance.value == pytest.approx(truth * kinetics("mirtazapine").clearance, rel=0.01)
    assert result.notes == ()


def test_one_level_weighs_prior_and_residual_as_the_normal_theory() -> None:
    # lithium: close to steady state the log of the mean level falls as the log of clearance rises
    cv, residual = 0.4, 0.25
    prior = math.log1p(cv**2)
    typical = trough("lithium", 600, 20, 1.0, 12)
    steeper = math.log(trough("lithium", 600, 20, 1.05, 12) / trough("lithium", 600, 20, 1 / 1.05, 12)) / (
        2 * math.log(1.05)
    )
    result = update([("lithium", typical * 1.2, 20, 12)], [("lithium", 600)])
    gain = steeper * prior / (steeper**2 * prior + residual**2)
    assert math.log(result.clearance_factor.value) == pytest.approx(gain * math.log(1.2), abs=0.02)
    spread = math.sqrt(prior * (1 - gain * steeper))
    width = math.log(result.clearance_factor.high / result.clearance_factor.low)
    assert width == pytest.approx(2 * 1.645 * spread, rel=0.1)


@pytest.mark.parametrize(("drug", "dose", "analyte"), [
    ("clozapine", 300.0, "parent"), ("lithium", 900.0, "parent"), ("nortriptyline", 75.0, "parent"),
    ("aripiprazole", 15.0, "sum"), ("risperidone", 4.0, "sum"), ("amitriptyline", 75.0, "sum"),
])  # fmt: skip
def test_on_simulated_truth_the_interval_covers_and_a_level_helps(drug: str, dose: float, analyte: str) -> None:
    rng = np.random.default_rng(7)
    people, day = 40, 28
    parameters = kinetics(drug)
    sd = math.sqrt(math.log1p(parameters.clearance_cv**2))
    factors, others = np.exp(sd * rng.standard_normal(people)), np.exp(0.294 * rng.standard_normal(people))
    patients = Physiology.typical(None, factors)
    patients = Physiology(patients.activity, factors, patients.creatinine_clearance, others)
    times = np.array([24.0 * (day + 1), 24.0 * (day + 2)])
    of = concentrations(parameters, Schedule.regular(dose, 24, 24.0 * 40), times - 1e-6, patients)
    true = of[drug] if analyte == "parent" else sum(of.values())
    measured = true * np.exp(0.25 * rng.standard_normal(true.shape))
    covered, errors = 0, []
    for person in range(people):
        result = update([(drug, measured[person, 0], day, 24, analyte)], [(drug, dose)])
        span = result.predict(times_hours=times[1:], days=40).row(0, named=True)
        covered += span["low"] <= measured[person, 1] <= span["high"]
        before = result.predicted["before"][0]
        errors.append((math.log(measured[person, 1] / before), math.log(measured[person, 1] / span["value"])))
    assert covered >= 31  # 90 % of 40; below 31 one time in 100
    population, individual = np.sqrt(np.mean(np.square(errors), axis=0))
    assert individual < population


def test_genotype_comedication_smoking_and_kidney_move_the_prior() -> None:
    def expected(drug: str, regimen: list[Any], **options: Any) -> float:
        return float(update([(drug, 1.0 if drug == "lithium" else 100, 27)], regimen, **options).predicted["before"][0])

    plain = expected("nortriptyline", [("nortriptyline", 75)])
    assert expected("nortriptyline", [("nortriptyline", 75)], phenotypes={"CYP2D6": "Poor Metabolizer"}) > 2 * plain
    assert expected("nortriptyline", [("nortriptyline", 75), ("paroxetine", 20)]) > 2 * plain
    smoker = expected("clozapine", [("clozapine", 300), ("smoking",)])
    assert smoker < 0.8 * expected("clozapine", [("clozapine", 300)])
    weak = expected("lithium", [("lithium", 600)], creatinine_clearance=50)
    assert weak == pytest.approx(2 * expected("lithium", [("lithium", 600)]), rel=0.3)


def test_the_dose_for_a_range_scales_with_the_clearance() -> None:
    result = update([("clozapine", 650, 28, 12)], [("clozapine", 300)])
    advice = result.dose_for(350, 600)
    assert 350 < advice.level.value < 600
    assert advice.dose_mg < 300
    mean = advice.dose_mg / 24 / result.clearance.value * 1000
    assert advice.level.value == pytest.approx(mean, rel=0.02)
    assert 0.5 < advice.probability < 1
    assert advice.reaches
    assert not result.dose_for(450, 460, probability=0.9).reaches
    assert "less than the 90%" in result.dose_for(450, 460, probability=0.9).sentence
    twice = result.dose_for(350, 600, interval_hours=12)
    assert twice.dose_mg == pytest.approx(advice.dose_mg / 2, rel=0.03)


def test_a_regimens_dates_are_the_levels_dates() -> None:
    dated = update([("lithium", 0.9, date(2026, 1, 21), 12)], [("lithium", 900, 24, date(2026, 1, 1))])
    counted = update([("lithium", 0.9, 20, 12)], [("lithium", 900)])
    assert dated.clearance_factor == counted.clearance_factor
    with pytest.raises(ValidationError, match="date"):
        update([("lithium", 0.9, 20, 12)], [("lithium", 900, 24, date(2026, 1, 1))])
    with pytest.raises(ValidationError, match="date"):
        update([("lithium", 0.9, date(2026, 1, 21), 12)], [("lithium", 900)])


@pytest.mark.parametrize(("value", "unit"), [(350, "ng/mL"), (350, "µg/L"), (0.35, "mg/L"), (1071, "nmol/L")])
def test_units_are_one_level(value: float, unit: str) -> None:
    (row,) = update([MeasuredLevel("clozapine", value, 28, 12, unit=unit)], [("clozapine", 300)]).predicted.to_dicts()
    assert row["measured"] == pytest.approx(350, rel=1e-3)


def test_the_sample_is_timed_by_the_last_dose_before_it() -> None:
    (row,) = update([("lithium", 0.9, 20, 12)], [("lithium", 450, 12)]).predicted.to_dicts()
    assert row["time_hours"] == 20 * 24 + 24  # the dose at noon, twelve hours on
    (row,) = update([("lithium", 0.9, 20, 30)], [("lithium", 900)]).predicted.to_dicts()
    assert row["time_hours"] == 19 * 24 + 30


def test_a_level_that_does_not_fit_is_named() -> None:
    assert "far above" in update([("lithium", 6.0, 20, 12)], [("lithium", 600)]).notes[0]
    assert "far below" in update([("clozapine", 5, 28, 12)], [("clozapine", 300)]).notes[0]


def test_a_depots_level_is_read_too() -> None:
    regimen = [("paliperidone", 100, 28 * 24, 0, None, "depot")]
    result = update([("paliperidone", 60, 200)], regimen)
    assert result.clearance_factor.high < 1


def test_a_result_is_one_json() -> None:
    document = update([("clozapine", 350, 28, 12)], [("clozapine", 300)]).to_dict()
    assert document["unit"] == "ng/mL"
    assert document["predicted"][0]["measured"] == pytest.approx(350)
    assert "350" not in repr(update([("lithium", 0.9, 20, 12)], [("lithium", 450, 12)]))


def test_an_interval_without_spread_is_its_residual() -> None:
    weights = np.full(5, 0.2)
    span = weighted_interval(np.full(5, 10.0), weights, 0.2)
    assert span.value == pytest.approx(10.0)
    assert span.high / 10 == pytest.approx(math.exp(1.645 * 0.2), rel=1e-3)
    assert weighted_interval(np.arange(1.0, 6.0), weights, 0.0).value == pytest.approx(3.0)


@pytest.mark.parametrize(
    ("levels", "regimen", "error"),
    [
        ([], [("clozapine", 300)], InsufficientDataError),
        ([("clozapine", 0, 28)], [("clozapine", 300)], ValidationError),
        ([("clozapine", -5, 28)], [("clozapine", 300)], ValidationError),
        ([("clozapine", float("nan"), 28)], [("clozapine", 300)], ValidationError),
        ([("clozapine", 300, -1)], [("clozapine", 300)], ValidationError),
        ([("clozapine", 300, 28)], [("lithium", 300)], ValidationError),
        ([("clozapine", 300, 28)], [("clozapine", 0)], ValidationError),
        ([("clozapine", 300, 5)], [("clozapine", 300, 24, 6)], ValidationError),
        ([("clozapine", 300, 28), ("lithium", 0.8, 28)], [("clozapine", 300), ("lithium", 600)], ValidationError),
        ([("ketoconazole", 300, 28)], [("ketoconazole", 300)], NotFoundError),
        ([("clozapine", 300, 28, 24, "urine")], [("clozapine", 300)], ValidationError),
        ([("lithium", 0.8, 28, 12, "sum")], [("lithium", 600)], ValidationError),
        ([("lithium", 0.8, 28, 12, "", "ng/mL")], [("lithium", 600)], ValidationError),
        ([("clozapine", 0.8, 28, 12, "sum", "nmol/L")], [("clozapine", 600)], ValidationError),
        ([("clozapine", 0.8, 28, 12, "", "furlong")], [("clozapine", 600)], ValidationError),
        ([("clozapine", 300)], [("clozapine", 300)], ValidationError),
        ([{"drug": "clozapine", "level": 300, "day": 3}], [("clozapine", 300)], ValidationError),
    ],
    ids=str,
)
def test_what_is_no_level_is_refused(levels: Any, regimen: Any, error: type[Exception]) -> None:
    with pytest.raises(error) as refusal:
        update(levels, regimen)
    assert str(refusal.value)[0].islower()


def test_a_range_is_needed_where_none_is_tabled() -> None:
    result = update([("clozapine", 300, 28, 12, "metabolite")], [("clozapine", 300)])
    with pytest.raises(ValidationError, match="low and high"):
        result.dose_for()
    with pytest.raises(ValidationError, match="low below high"):
        update([("clozapine", 300, 28)], [("clozapine", 300)]).dose_for(600, 350)


def test_drugs_that_act_on_each_other_are_read_too() -> None:
    result = update([("venlafaxine", 300, 20, 12)], [("venlafaxine", 150), ("paroxetine", 20)])
    assert result.predicted["before"][0] > update([("venlafaxine", 300, 20, 12)], [("venlafaxine", 150)]).predicted[
        "before"
    ][0]  # fmt: skip
    assert 0 < result.dose_for().probability <= 1
