from datetime import UTC, date, datetime
from typing import Any

import numpy as np
import pytest

from novamind.errors import NotFoundError, ValidationError
from novamind.neurochemistry.regimen import RegimenStep, intakes, read_regimen, regimen_zero


def test_tuples_mappings_and_steps_are_one_regimen() -> None:
    steps = read_regimen(
        [("Prozac", 20, 24, 7), {"drug": "lithium", "dose_mg": 450, "interval_hours": 12}, RegimenStep("smoking")]
    )
    assert [(step.drug, step.dose_mg, step.start) for step in steps] == [
        ("lithium", 450.0, 0.0),
        ("tobacco smoking", None, 0.0),
        ("fluoxetine", 20.0, 7.0),
    ]


def test_dates_count_from_the_earliest_start() -> None:
    regimen = [
        ("sertraline", 50, 24, date(2026, 3, 10), date(2026, 3, 20)),
        ("lithium", 900, 24, datetime(2026, 3, 1, 8, tzinfo=UTC)),
    ]
    steps = read_regimen(regimen)
    assert [(step.drug, step.start, step.stop) for step in steps] == [("lithium", 0, None), ("sertraline", 9, 19)]
    assert regimen_zero(regimen) == date(2026, 3, 1)
    assert regimen_zero([("lithium", 900)]) is None


@pytest.mark.parametrize(
    ("regimen", "error"),
    [
        ([], ValidationError),
        ("sertraline", ValidationError),
        ([("sertraline",)], ValidationError),
        ([("sertraline", -1)], ValidationError),
        ([("sertraline", float("nan"))], ValidationError),
        ([("sertraline", 50, 0.5)], ValidationError),
        ([("sertraline", 50, 24 * 15)], ValidationError),
        ([("sertraline", 50, 24, -1)], ValidationError),
        ([("sertraline", 50, 24, 7, 7)], ValidationError),
        ([("sertraline", 50, 24, 0, None, "patch")], ValidationError),
        ([("sertraline", 50, 24, date(2026, 1, 1), 14)], ValidationError),
        ([("sertraline", 50, 24, 0, date(2026, 1, 1))], ValidationError),
        ([{"drug": "sertraline", "dose": 50}], ValidationError),
        ([{"dose_mg": 50}], ValidationError),
        ([("snake oil", 50)], NotFoundError),
        ([("Symbyax", 50)], ValidationError),
        ([("quetiapine", 300, 672, 0, None, "depot")], NotFoundError),
        ([("paliperidone", 120, 672, 0, None, "depot")], ValidationError),
        ([("sertraline", 50, 24, 0, None, "", (-1,))], ValidationError),
        ([("sertraline", 50)] * 101, ValidationError),
    ],
    ids=str,
)
def test_what_is_no_regimen_is_refused(regimen: Any, error: type[Exception]) -> None:
    with pytest.raises(error) as refusal:
        read_regimen(regimen)
    assert str(refusal.value)[0].islower()
    assert not str(refusal.value).endswith(".")


def test_steps_of_one_drug_are_one_schedule() -> None:
    steps = read_regimen([("sertraline", 25, 24, 0, 2), ("sertraline", 50, 24, 2, 4), ("sertraline", 10, 24, 3)])
    intake = intakes(steps, 6)["sertraline"]
    taken = dict(zip(intake.oral.times_hours.tolist(), intake.oral.amounts_mg.tolist(), strict=True))
    assert taken == {0: 25, 24: 25, 48: 50, 72: 60, 96: 10, 120: 10}
    assert intake.first_day == 0
    assert intake.stop_day is None


def test_missed_doses_are_not_taken_and_a_dose_of_zero_is_none() -> None:
    taken = intakes(read_regimen([RegimenStep("sertraline", 50, missed=(1, 2)), ("lithium", 0)]), 5)
    assert taken["sertraline"].oral.amounts_mg.tolist() == [50, 0, 0, 50, 50]
    assert not taken["lithium"].taken.any()
    with pytest.raises(ValidationError, match="numbered from 0 to 4"):
        intakes(read_regimen([RegimenStep("sertraline", 50, missed=(5,))]), 5)


def test_a_depot_releases_and_a_step_after_the_end_is_refused() -> None:
    steps = read_regimen([("haloperidol", 100, 28 * 24, 7, 8, "depot"), ("lithium", 900, 24, 0, 3.5)])
    taken = intakes(steps, 28)
    # 21 of 28 days after the injection are one half-life; 1.67 mg by mouth equal 1 mg
    assert taken["haloperidol"].released_mg.sum() == pytest.approx(100 * 1.67 * 0.5)
    assert not taken["haloperidol"].released_mg[:7].any()
    np.testing.assert_array_equal(taken["lithium"].taken[:5], [1, 1, 1, 0.5, 0])
    assert taken["lithium"].stop_day == 4
    with pytest.raises(ValidationError, match="give more weeks"):
        intakes(steps, 7)


def test_a_step_without_a_stop_lasts_until_the_next_of_its_drug() -> None:
    steps = read_regimen([("sertraline", 50), ("sertraline", 100, 24, 14), ("sertraline", 0, 24, 28), ("lithium", 600)])
    assert [(s.dose_mg, s.stop) for s in steps if s.drug == "sertraline"] == [(50, 14), (100, 28), (0, None)]
    assert steps[1].stop is None
    twice = read_regimen([("lithium", 300), ("lithium", 600, 24, 0.5)])
    assert [s.stop for s in twice] == [None, None]
    depot = read_regimen([("haloperidol", 5, 24, 0), ("haloperidol", 100, 28 * 24, 7, None, "depot")])
    assert [s.stop for s in depot] == [None, None]
