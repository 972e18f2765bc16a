"""Whole regimens: one drug as before, cautions by day, alarms, doses, what is left out."""

import json

import numpy as np
import polars as pl
import pytest

from novamind import neurochemistry as room
from novamind.drugs.domain import Severity
from novamind.drugs.limits import PatientFacts
from novamind.errors import NotFoundError, ValidationError
from novamind.neurochemistry.alarms import level_alarms
from novamind.neurochemistry.course import simulate_regimen
from novamind.neurochemistry.occupancy import occupancy


def test_a_regimen_of_one_drug_is_the_simulation_of_that_drug() -> None:
    one = room.simulate("sertraline", 50, weeks=3, ensemble=4, seed=5, phenotypes={"CYP2C19": "Poor Metabolizer"})
    whole = room.simulate([("sertraline", 50)], weeks=3, ensemble=4, seed=5, phenotypes={"CYP2C19": "Poor Metabolizer"})
    for compound, level in one.course.concentrations["sertraline"].items():
        np.testing.assert_allclose(whole.levels["sertraline"][compound], level, rtol=1e-12, atol=1e-12)
    assert whole.transmitters.equals(one.transmitters)
    assert whole.symptom_effect.equals(one.symptom_effect)
    assert whole.alarms == one.alarms


def test_two_drugs_compete_for_a_target_and_hold_less_than_their_sum() -> None:
    course = simulate_regimen([("haloperidol", 2), ("aripiprazole", 10)], weeks=2)
    last = {row["drug"]: row["value"] for row in course.occupancy.filter(
        (pl.col("day") == 14) & (pl.col("target") == "D2")).to_dicts()}  # fmt: skip
    assert max(last["haloperidol"], last["aripiprazole"]) < last["all"] < last["haloperidol"] + last["aripiprazole"]
    together = occupancy(course.levels, 1.0).occupied["D2"]
    assert last["all"] == pytest.approx(together[0, -24:].mean())


def test_a_dose_of_zero_has_no_effect() -> None:
    nothing = simulate_regimen([("sertraline", 0), ("phenelzine", 0)], weeks=2)
    assert not nothing.concentration["value"].to_numpy().any()
    assert not nothing.occupancy["value"].to_numpy().any()
    assert nothing.transmitters["level"].to_numpy() == pytest.approx(1.0)
    assert nothing.symptom_effect["value"].to_numpy() == pytest.approx(0.0)
    assert nothing.overlaps == nothing.alarms == nothing.dose_cautions == ()


def test_overlaps_have_their_days_and_a_stopped_drug_acts_on() -> None:
    course = simulate_regimen([("phenelzine", 45, 24, 0, 14), ("sertraline", 50, 24, 20)], weeks=8)
    worst = course.overlaps[0]
    assert worst.severity is Severity.CONTRAINDICATED
    assert (worst.a, worst.b, worst.after_stopping) == ("phenelzine", "sertraline", True)
    # the last dose is on day 14; 14 days are over on day 28
    assert (worst.first_day, worst.last_day) == (21, 27)
    together = simulate_regimen([("phenelzine", 45, 24, 0, 14), ("sertraline", 50, 24, 10)], weeks=8).overlaps
    assert (together[0].first_day, together[0].last_day, together[0].after_stopping) == (11, 14, False)
    kept = simulate_regimen([("phenelzine", 45, 24, 0, 14), ("sertraline", 50, 24, 28)], weeks=8)
    assert Severity.CONTRAINDICATED not in {of.severity for of in kept.overlaps}


def test_a_break_gives_two_overlaps() -> None:
    course = simulate_regimen([("lithium", 600), ("ibuprofen", 400, 8, 7, 9), ("ibuprofen", 400, 8, 14, 16)], weeks=4)
    days = [(o.first_day, o.last_day) for o in course.overlaps if not o.after_stopping and o.b == "ibuprofen"]
    assert days == [(8, 9), (15, 16)]
    assert any("Ibuprofen has no kinetics" in note for note in course.notes)


def test_the_enzyme_comes_back_after_an_maoi_by_its_half_life() -> None:
    course = simulate_regimen([("phenelzine", 45, 24, 0, 28)], weeks=12)
    mao = course.together.occupied["MAO-A"][0]
    day = mao[[24 * 50, 24 * 60]]
    assert day[1] / day[0] == pytest.approx(0.5, rel=0.01)  # 10 days


def test_lithium_with_weak_kidneys_is_an_alarm_against_level_and_dose() -> None:
    course = simulate_regimen([("lithium", 900)], weeks=4, creatinine_clearance=30)
    (alarm,) = course.alarms
    assert alarm.bound == "alert level"
    assert alarm.highest == pytest.approx(2.25, rel=0.01)
    assert alarm.last_day == 28
    assert "2.25 mmol/L" in alarm.sentence
    assert any(of.caution.severity is Severity.MAJOR for of in course.dose_cautions)
    assert room.simulate("lithium", 900, weeks=4, creatinine_clearance=30).alarms == course.alarms
    assert simulate_regimen([("lithium", 600)], weeks=4).alarms == ()


def test_ten_grams_of_lithium_every_eight_hours_are_an_alarm() -> None:
    course = simulate_regimen([("lithium", 10_000, 8)], weeks=2)
    assert course.alarms[0].highest > 20
    assert course.dose_cautions


@pytest.mark.parametrize(("value", "bound"), [(49.0, None), (51.0, "alert level"), (31.0, "reference range")])
def test_an_alarm_begins_above_its_bound(value: float, bound: str | None) -> None:
    # mirtazapine: 30-80, alert 160; clozapine has 550 for both
    factor = {49.0: 79.9, 51.0: 161.0, 31.0: 81.0}[value]
    alarms = level_alarms(
        "mirtazapine", {"mirtazapine": np.full((1, 48), factor), "desmethylmirtazapine": np.ones((1, 48))}
    )
    assert [alarm.bound for alarm in alarms] == ([] if bound is None else [bound])


def test_doses_of_one_drug_on_the_same_days_count_together() -> None:
    course = simulate_regimen([("aripiprazole", 20), ("aripiprazole", 20, 24, 0.5)], weeks=2)
    assert any("40 mg/day is above 30 mg/day" in of.caution.text for of in course.dose_cautions)
    after = simulate_regimen([("aripiprazole", 20, 24, 0, 7), ("aripiprazole", 20, 24, 7)], weeks=2)
    assert not any("above" in of.caution.text for of in after.dose_cautions)


def test_limits_ask_the_person_the_genotype_and_what_is_taken_on_the_same_days() -> None:
    def said(**options: object) -> str:
        course = simulate_regimen([("citalopram", 40)], weeks=2, **options)  # type: ignore[arg-type]
        return " ".join(of.caution.text for of in course.dose_cautions if of.caution.severity is Severity.MAJOR)

    assert "above 20 mg/day" in said(person=PatientFacts(age=70))
    assert "above 20 mg/day" in said(phenotypes={"CYP2C19": "Poor Metabolizer"})
    assert "above" not in said(person=PatientFacts(age=40))
    beside = simulate_regimen([("citalopram", 40, 24, 0, 7), ("omeprazole", 20, 24, 7)], weeks=2).dose_cautions
    assert not any("omeprazole" in of.caution.text for of in beside)


def test_a_depot_without_the_drug_by_mouth_is_named_and_a_salt_is_converted() -> None:
    alone = simulate_regimen([("aripiprazole", 400, 28 * 24, 0, None, "depot")], weeks=8)
    assert any("by mouth for 14 days" in note for note in alone.notes)
    covered = simulate_regimen(
        [("aripiprazole", 15, 24, 0, 14), ("aripiprazole", 400, 28 * 24, 0, None, "depot")], weeks=8
    )
    assert not any("by mouth" in note for note in covered.notes)
    salt = simulate_regimen([("paliperidone", 156, 28 * 24, 0, None, "depot")], weeks=8)
    assert any("100 mg of paliperidone" in note for note in salt.notes)
    base = simulate_regimen([("paliperidone", 100, 28 * 24, 0, None, "depot")], weeks=8)
    np.testing.assert_allclose(
        salt.levels["paliperidone"]["paliperidone"], base.levels["paliperidone"]["paliperidone"], rtol=1e-3
    )


def test_members_differ_by_drug_and_the_same_seed_gives_the_same() -> None:
    regimen = [("mirtazapine", 15), ("lithium", 600)]
    first, again, other = (simulate_regimen(regimen, weeks=2, ensemble=6, seed=seed) for seed in (1, 1, 2))
    assert first.concentration.equals(again.concentration)
    assert not first.concentration.equals(other.concentration)
    ends = [np.argsort(of[name][:, -1]).tolist() for name, of in first.levels.items()]
    assert ends[0] != ends[1]
    low, value, high = first.concentration.filter(pl.col("day") == 14).select("low", "value", "high").row(0)
    assert low < value < high


def test_a_regimen_draws_and_becomes_one_json() -> None:
    course = simulate_regimen(
        [("phenelzine", 45, 24, 0, 7), ("sertraline", 50, 24, 10), ("smoking",), ("ibuprofen", 400, 8, 3)], weeks=3
    )
    document = json.loads(json.dumps(course.to_dict(), allow_nan=False))
    assert [step["drug"] for step in document["steps"]] == ["phenelzine", "tobacco smoking", "ibuprofen", "sertraline"]
    assert document["overlaps"][0]["cautions"][0]["severity"] == "contraindicated"
    assert {row["drug"] for row in document["occupancy"]} == {"all", "phenelzine", "sertraline"}
    drawn = course.plot().to_dict()
    titles = [part["title"] for part in drawn["vconcat"]]
    assert titles[1].startswith("phenelzine in plasma")
    assert titles[-1].startswith("Occupancy of")
    assert "contraindicated or major" in json.dumps(drawn)
    assert "sertraline" not in repr(course)
    assert "phenelzine" in course._repr_html_()


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"drug": [("smoking",)]}, NotFoundError),
        ({"drug": [("sertraline", 50)], "weeks": 0}, ValidationError),
        ({"drug": [("sertraline", 50)], "dose_mg": 50}, ValidationError),
        ({"drug": [("sertraline", 50)], "interval_hours": 12}, ValidationError),
        ({"drug": [("sertraline", 50)], "clearance_factor": {"sertraline": 0}}, ValidationError),
        ({"drug": [("sertraline", 50_000)]}, ValidationError),
        ({"drug": [("sertraline", 50, 24, 90)]}, ValidationError),
        ({"drug": "sertraline", "dose_mg": 50, "conditions": ("pregnancy",)}, ValidationError),
    ],
    ids=str,
)
def test_what_cannot_be_simulated_is_refused(options: dict[str, object], error: type[Exception]) -> None:
    with pytest.raises(error):
        room.simulate(**options)  # type: ignore[call-overload]


def test_a_change_of_a_level_without_a_size_is_named() -> None:
    notes = simulate_regimen([("lithium", 900), ("celecoxib", 200)], weeks=2).notes
    assert "What celecoxib can do to the level of lithium is not simulated: no size is tabled." in notes
    assert not any("not simulated" in note for note in simulate_regimen([("lithium", 900)], weeks=2).notes)
    sized = simulate_regimen([("risperidone", 4), ("paroxetine", 20)], weeks=2).notes
    assert not any("level of risperidone" in note for note in sized)


def test_a_regimen_has_up_to_fifteen_drugs_with_kinetics() -> None:
    names = room.drug_names()
    assert len(simulate_regimen([(drug, 0) for drug in names[:15]], weeks=1).levels) == 15
    with pytest.raises(ValidationError, match="up to 15 drugs"):
        simulate_regimen([(drug, 0) for drug in names[:16]], weeks=1)
