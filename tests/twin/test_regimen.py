"""The record's medication list as a regimen, and steps beside it."""

from datetime import date
from typing import Any

import numpy as np
import pytest

from novamind.errors import NotFoundError, ValidationError
from novamind.neurochemistry.alarms import LevelAlarm
from novamind.records import MedicationCourse
from novamind.twin.case import Case, read_case
from novamind.twin.regimen import HISTORY_WEEKS, recorded_regimen, what_if_regimen, what_if_switch
from novamind.twin.report import regimen_section

TODAY = date(2026, 11, 30)  # zero is 5 October 2026
SERTRALINE = MedicationCourse("Zoloft", date(2026, 1, 1), dose_mg=100)


def case(*courses: MedicationCourse, genotype: dict[str, str] | None = None, **about: Any) -> Case:
    data = {"medications": list(courses), "genotype": genotype or {}, "demographics": about}
    return read_case("patient", data, TODAY)


def test_courses_become_steps_in_days_from_eight_weeks_ago() -> None:
    steps, notes = recorded_regimen(
        case(
            SERTRALINE,
            MedicationCourse("lithium", date(2026, 10, 15), date(2026, 11, 1), dose_mg=900),
            MedicationCourse("quetiapine", date(2025, 1, 1), date(2025, 2, 1), dose_mg=300),
            MedicationCourse("mirtazapine", None, stopped=True, dose_mg=15),
            MedicationCourse("venlafaxine", date(2026, 12, 24), dose_mg=75),
            MedicationCourse("omeprazole", None),
            smoker=True,
        )
    )
    assert [(s.drug, s.dose_mg, s.start, s.stop) for s in steps] == [
        ("sertraline", 100, 0, None),
        ("lithium", 900, 10, 28),
        ("omeprazole", None, 0, None),
        ("tobacco smoking", None, 0, None),
    ]
    assert notes == ()


def test_what_is_left_open_is_said() -> None:
    _, notes = recorded_regimen(
        case(
            MedicationCourse("risperidone", date(2026, 1, 1)),
            MedicationCourse("snake oil", date(2026, 1, 1)),
            MedicationCourse("haloperidol decanoate 100 mg injection", date(2026, 1, 1), dose_mg=100),
        )
    )
    assert "usual 4 mg a day was simulated" in notes[0]
    assert "not in our tables" in notes[1]
    assert len(notes) == 3
    assert "depot" in notes[2]


def test_a_step_takes_the_place_of_the_recorded_dose_and_zero_stops_it() -> None:
    today = HISTORY_WEEKS * 7
    asked = what_if_regimen(
        case(SERTRALINE), [("sertraline", 50, 24, 7), ("sertraline", 0, 24, 14)], weeks=4, ensemble=0
    )
    assert asked.today == today
    assert [(s.dose_mg, s.start, s.stop) for s in asked.simulation.steps] == [
        (100, 0, today + 7),
        (50, today + 7, today + 14),
    ]
    level = asked.simulation.levels["sertraline"]["sertraline"][0]
    assert level[-1] < 0.01 * level[24 * today]


def test_genotype_smoking_kidney_and_other_drugs_are_those_of_the_record() -> None:
    plain = what_if_regimen(case(), [("nortriptyline", 75)], weeks=6, ensemble=0)
    poor = what_if_regimen(case(genotype={"CYP2D6": "*4/*4"}), [("nortriptyline", 75)], weeks=6, ensemble=0)
    beside = what_if_regimen(
        case(MedicationCourse("paroxetine", date(2026, 1, 1), dose_mg=20)), [("nortriptyline", 75)], weeks=6, ensemble=0
    )

    def last(asked: Any, drug: str) -> float:
        return float(asked.simulation.levels[drug][drug][0, -24:].mean())

    assert last(poor, "nortriptyline") > 2 * last(plain, "nortriptyline")
    assert last(beside, "nortriptyline") > 2 * last(plain, "nortriptyline")
    smoker = what_if_regimen(case(smoker=True), [("clozapine", 300)], weeks=4, ensemble=0)
    assert last(smoker, "clozapine") < 0.8 * last(
        what_if_regimen(case(), [("clozapine", 300)], weeks=4, ensemble=0), "clozapine"
    )
    weak = what_if_regimen(case(creatinine_clearance=30), [("lithium", 900)], weeks=4, ensemble=0)
    (alarm,) = weak.simulation.alarms
    assert isinstance(alarm, LevelAlarm)
    assert alarm.highest == pytest.approx(2.25, rel=0.02)
    assert any("mL/min" in of.caution.text for of in weak.simulation.dose_cautions)


def test_a_proposed_change_begins_today_with_the_recorded_dose() -> None:
    today = HISTORY_WEEKS * 7
    asked = what_if_switch(case(SERTRALINE), "sertraline", "mirtazapine", 30, ensemble=0)
    assert [(s.drug, s.dose_mg, s.start - today) for s in asked.simulation.steps if s.start >= today] == [
        ("sertraline", 75, 0),
        ("mirtazapine", 15, 0),
        ("sertraline", 50, 5),
        ("mirtazapine", 30, 7),
        ("sertraline", 25, 9),
    ]
    assert "while mirtazapine comes up" in asked.sentence
    waiting = what_if_switch(case(SERTRALINE), "sertraline", "phenelzine", ensemble=0)
    taken = [(s.drug, s.start - today, s.stop) for s in waiting.simulation.steps]
    assert taken[0] == ("sertraline", -today, today)
    assert taken[1][:2] == ("phenelzine", 14)


def test_a_page_counts_from_today_and_the_json_from_the_first_day() -> None:
    asked = what_if_switch(case(SERTRALINE), "sertraline", "mirtazapine", ensemble=0)
    section = regimen_section(asked)
    assert section["steps"][0] == ("sertraline 100 mg every 24 h", "-56", "0")
    assert section["overlaps"][0]["days"].startswith("day 1 to ")
    assert section["picture"].startswith("<svg")
    assert section["sentence"] == asked.sentence
    document = asked.to_dict()
    assert document["today"] == 56
    assert document["course"]["weeks"] == asked.simulation.weeks
    assert "is today" in asked.plot().to_dict()["vconcat"][0]["title"]
    assert np.isfinite([row["value"] for row in document["course"]["concentration"]]).all()


@pytest.mark.parametrize(
    ("steps", "options", "error"),
    [
        ((), {}, ValidationError),
        ([("snake oil", 5)], {}, NotFoundError),
        ([("sertraline", -5)], {}, ValidationError),
        ([("sertraline", 50)], {"weeks": 0}, ValidationError),
        ([("sertraline", 50, 24, 60)], {"weeks": 8}, ValidationError),
    ],
    ids=str,
)
def test_what_cannot_be_simulated_is_refused(steps: Any, options: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error):
        what_if_regimen(case(), steps, **options)


def test_a_change_from_a_drug_that_is_not_taken_is_refused() -> None:
    with pytest.raises(ValidationError, match="does not say that sertraline is taken"):
        what_if_switch(case(), "sertraline", "mirtazapine")
