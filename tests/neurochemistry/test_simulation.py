import json
from typing import Any

import numpy as np
import polars as pl
import pytest

from novamind.errors import NotFoundError, ValidationError
from novamind.neurochemistry import simulation
from novamind.neurochemistry.domain import BrainRegion, Neurotransmitter
from novamind.neurochemistry.dynamics import PRIOR, ensemble, typical
from novamind.neurochemistry.pharmacokinetics import Physiology, Schedule
from novamind.neurochemistry.simulation import Simulation, bands, members, region_level, run, simulate
from tests.golden import check_golden


def columns(frame: pl.DataFrame, *, every: int = 1) -> dict[str, Any]:
    return {name: values[::every] for name, values in frame.to_dict(as_series=False).items()}


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("escitalopram", {"dose_mg": 10, "phenotypes": {"CYP2C19": "Poor Metabolizer"}, "ensemble": 3, "seed": 5}),
        ("venlafaxine", {"dose_mg": 37.5, "interval_hours": 12, "inhibitors": {"CYP2D6": "strong"}}),
        ("aripiprazole", {"dose_mg": 15, "ensemble": 2}),
        ("lithium", {"dose_mg": 450, "interval_hours": 12, "creatinine_clearance": 55}),
        ("bupropion", {"schedule": Schedule(np.array([0.0, 24.0, 96.0]), np.array([150.0, 300.0, 300.0]))}),
        ("quetiapine", {"dose_mg": 300, "ensemble": 2, "seed": 1}),
    ],
)
def test_a_course(name: str, arguments: dict[str, Any]) -> None:
    course = simulate(name, weeks=1, **arguments)
    levels = course.transmitters.filter(pl.col("day").is_in([1, 7]))
    seen = levels.filter(pl.col("region").is_in(["prefrontal_cortex", "striatum", "brain_stem", "amygdala"]))
    answer = {
        "concentration": columns(course.concentration, every=23),
        "occupancy": columns(course.occupancy, every=61),
        "regions": sorted(set(zip(levels["region"], levels["transmitter"], strict=True))),
        "transmitters": columns(seen),
        "symptom_effect": columns(course.symptom_effect),
        "note": course.symptom_note,
        "version": course.model_version,
    }
    check_golden(__file__, f"course_{name}", answer)


def test_a_document_holds_inputs_notes_and_one_row_a_day() -> None:
    course = simulate("lamotrigine", dose_mg=100, weeks=1, ensemble=2, seed=9, phenotypes={"CYP2D6": 1.0})
    document = course.to_dict()
    json.dumps(document, allow_nan=False)
    check_golden(__file__, "document", document)
    daily = simulate("haloperidol", dose_mg=2, weeks=1).to_dict()
    assert [row["time_hours"] for row in daily["concentration"]] == [24.0 * day for day in range(7)]
    assert {row["time_hours"] for row in daily["occupancy"]} == {24.0 * day for day in range(7)}


@pytest.mark.parametrize(
    ("weeks", "right"), [(1, True), (104, True), (0, False), (105, False), (-1, False), (1.0, False), (True, False)]
)
def test_a_course_lasts_one_to_104_weeks(weeks: int, right: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    monkeypatch.setattr(simulation, "run", lambda schedules, hours, *_: asked.append((schedules, hours)))
    if right:
        simulate("sertraline", dose_mg=50, weeks=weeks)
        schedules, hours = asked[0]
        assert hours == weeks * 168
        assert schedules["sertraline"].times_hours.size == weeks * 7
    else:
        with pytest.raises(ValidationError, match="from 1 to 104"):
            simulate("sertraline", dose_mg=50, weeks=weeks)


def test_dose_and_schedule_exclude_each_other() -> None:
    schedule = Schedule.regular(50, 24, 48)
    for arguments in ({}, {"dose_mg": 50, "schedule": schedule}):
        with pytest.raises(ValidationError, match="either dose_mg or schedule"):
            simulate("sertraline", weeks=1, **arguments)
    for dose in (-1, -0.1):
        with pytest.raises(ValidationError, match="at least 0"):
            simulate("sertraline", dose_mg=dose, weeks=1)
    both = Schedule(np.array([0.0, 24.0]), np.array([[50.0, 50.0], [50.0, 0.0]]))
    with pytest.raises(ValidationError, match="one patient"):
        simulate("sertraline", weeks=1, schedule=both)


def test_defaults_are_a_typical_person_for_twelve_weeks(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []
    monkeypatch.setattr(simulation, "run", lambda *arguments: asked.append(arguments))
    course = simulate("SERTRALINE", 50)
    schedules, hours, patients, sets = asked[0]
    assert list(schedules) == ["sertraline"]
    assert hours == 84 * 24
    assert np.diff(schedules["sertraline"].times_hours).max() == 24
    assert (patients.creatinine_clearance[0], patients.clearance_factor[0]) == (100.0, 1.0)
    assert sets is typical()
    assert (course.drug, course.weeks, course.phenotypes, course.ensemble_size, course.seed) == (
        "sertraline",
        12,
        {},
        0,
        0,
    )


# -- ensemble ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("size", "right"), [(0, True), (1, False), (2, True), (2000, True), (2001, False), (-1, False), (2.0, False)]
)
def test_an_ensemble_is_none_or_two_to_2000(size: int, right: bool) -> None:
    if right:
        sets, clearance = members(size, 0, 0.4)
        assert sets.count == clearance.size == max(size, 1)
    else:
        with pytest.raises(ValidationError, match="from 2 to 2000"):
            members(size, 0, 0.4)


@pytest.mark.parametrize(
    ("seed", "right"), [(0, True), (2**63, True), (-1, False), (2**63 + 1, False), (1.5, False), (None, False)]
)
def test_a_seed_is_a_whole_number(seed: int, right: bool) -> None:
    if right:
        members(2, seed, 0.4)
        members(0, seed, 0.4)
    else:
        for size in (0, 2):
            with pytest.raises(ValidationError, match="seed"):
                members(size, seed, 0.4)


def test_without_an_ensemble_the_person_is_typical() -> None:
    sets, clearance = members(0, 3, 0.4)
    assert sets is typical()
    np.testing.assert_array_equal(clearance, [1.0])


@pytest.mark.parametrize("size", [60, 200, 400])
def test_sets_are_drawn_alike_and_without_repeats_before_all_are_used(size: int) -> None:
    sets, _ = members(size, 1, 0.4)
    rows = {tuple(getattr(ensemble(), name)[i, 0] for name in PRIOR): i for i in range(200)}
    drawn = [rows[tuple(getattr(sets, name)[i, 0] for name in PRIOR)] for i in range(size)]
    counts = np.bincount(drawn, minlength=200)
    assert counts.max() == -(-size // 200)
    assert counts.min() == size // 200
    assert drawn[:5] != sorted(drawn[:5])
    again, _ = members(size, 1, 0.4)
    other, _ = members(size, 2, 0.4)
    assert (again.symptom_days == sets.symptom_days).all()
    assert not (other.symptom_days == sets.symptom_days).all()


@pytest.mark.parametrize("variation", [0.2, 0.4, 0.755])
def test_clearance_varies_log_normally_by_the_tabled_coefficient(variation: float) -> None:
    """A log-normal of median 1 and coefficient of variation cv has the log-variance ln(1 + cv^2)."""
    draws = np.concatenate([members(2000, seed, variation)[1] for seed in range(10)])
    logs = np.log(draws)
    assert logs.mean() == pytest.approx(0.0, abs=4 * logs.std() / np.sqrt(logs.size))
    assert logs.std() == pytest.approx(np.sqrt(np.log(1 + variation**2)), rel=0.02)
    assert draws.std() / draws.mean() == pytest.approx(variation, rel=0.05)
    # the same person deviates by the same number of standard deviations from drug to drug
    other = np.concatenate([members(2000, seed, 0.3)[1] for seed in range(10)])
    np.testing.assert_allclose(logs / np.sqrt(np.log(1 + variation**2)), np.log(other) / np.sqrt(np.log(1.09)))
    assert (members(50, 0, 0.0)[1] == 1.0).all()


def test_a_band_holds_ninety_of_a_hundred() -> None:
    values = np.random.default_rng(0).permuted(np.tile(np.arange(101.0)[:, None], (1, 3)), axis=0)
    middle, low, high = bands(values)
    assert (list(low), list(middle), list(high)) == ([5.0] * 3, [50.0] * 3, [95.0] * 3)
    middle, low, high = bands(np.array([[1.0, 2.0]]))
    assert list(middle) == [1.0, 2.0]
    assert np.isnan(low).all()
    assert np.isnan(high).all()
    assert low.shape == high.shape == (2,)


def test_days_are_means_over_24_hours() -> None:
    values = np.vstack([np.arange(60.0), 2 * np.arange(60.0)])
    np.testing.assert_allclose(simulation.daily_means(values), [[11.5, 35.5], [23.0, 71.0]])


# -- regions -----------------------------------------------------------------------------------------------------------


def test_a_region_is_the_mean_of_its_parts_by_volume() -> None:
    course = run({"bupropion": Schedule.regular(300, 24, 48)}, 48, Physiology.typical(), typical())
    dopamine = course.chemistry.levels[Neurotransmitter.DOPAMINE]
    level = region_level(course.chemistry, Neurotransmitter.DOPAMINE, BrainRegion.STRIATUM)
    parts = 3.6 * dopamine["caudate"] + 5.0 * dopamine["putamen"] + 0.55 * dopamine["nucleus_accumbens"]
    np.testing.assert_allclose(level, parts / 9.15)
    leaf = region_level(course.chemistry, Neurotransmitter.DOPAMINE, BrainRegion.AMYGDALA)
    np.testing.assert_array_equal(leaf, dopamine["amygdala"])
    with pytest.raises(NotFoundError, match="no published model"):
        region_level(course.chemistry, Neurotransmitter.GABA, BrainRegion.AMYGDALA)
    with pytest.raises(NotFoundError, match="no dopamine terminals"):
        region_level(course.chemistry, Neurotransmitter.DOPAMINE, BrainRegion.CEREBELLUM)
    with pytest.raises(NotFoundError, match="no norepinephrine terminals"):  # one part without is enough
        region_level(course.chemistry, Neurotransmitter.NOREPINEPHRINE, BrainRegion.STRIATUM)
    with pytest.raises(NotFoundError, match="no map"):
        region_level(course.chemistry, Neurotransmitter.DOPAMINE, BrainRegion.PITUITARY)


def test_two_drugs_together_hold_more_than_one() -> None:
    schedules = {"citalopram": Schedule.regular(20, 24, 72), "Olanzapine": Schedule.regular(10, 24, 72)}
    both = run(schedules, 72, Physiology.typical(), typical())
    alone = run({"citalopram": schedules["citalopram"]}, 72, Physiology.typical(), typical())
    assert set(both.concentrations) == {"citalopram", "olanzapine"}
    np.testing.assert_allclose(both.occupancy.occupied["SERT"], alone.occupancy.occupied["SERT"])
    assert "D2" not in alone.occupancy.occupied
    assert both.concentrations["citalopram"]["citalopram"].shape == (1, 72)
    assert both.depression is not None
    assert alone.depression is not None
    assert run({"Olanzapine": schedules["Olanzapine"]}, 24, Physiology.typical(), typical()).depression is None


def test_a_drug_without_known_targets_leaves_chemistry_at_rest() -> None:
    course = run({"valproate": Schedule.regular(500, 12, 48)}, 48, Physiology.typical(), typical())
    assert course.occupancy.occupied == {}
    for levels in course.chemistry.levels.values():
        assert all(level.shape == (1, 48) and np.abs(level - 1).max() < 1e-9 for level in levels.values())


def test_notes_say_what_an_effect_is_worth() -> None:
    notes = {}
    for drug in ("sertraline", "quetiapine", "lithium"):
        course = Simulation(drug, Schedule.regular(1, 24, 24), 1, {}, 0, 0, None)  # type: ignore[arg-type]
        notes[drug] = course.symptom_note
    assert "not a forecast for one person" in notes["sertraline"]
    assert "single patients differ" in notes["quetiapine"]
    assert notes["lithium"].startswith("Not given")


def test_transmitters_that_are_not_given_are_all_but_the_monoamines() -> None:
    monoamines = {"serotonin", "dopamine", "norepinephrine"}
    for drug, more in (("sertraline", set()), ("lithium", set()), ("diazepam", {"gaba", "glutamate"})):
        answer = simulate(drug, dose_mg=20, weeks=1).to_dict()
        assert set(answer["transmitters_not_given"]) == {name.value for name in Neurotransmitter} - monoamines - more
    assert (simulation.STEP_HOURS, simulation.BAND) == (1.0, (0.05, 0.95))


def test_frames_that_hold_nothing_keep_their_columns() -> None:
    course = simulate("valproate", dose_mg=500, weeks=1)
    number, text = pl.Float64, pl.String
    band = {"value": number, "low": number, "high": number}
    assert dict(course.occupancy.schema) == {"time_hours": number, "target": text} | band | {"basis": text}
    assert dict(course.symptom_effect.schema) == {"day": pl.Int64, "outcome": text} | band
    levels = {"day": pl.Int64, "region": text, "transmitter": text, "level": number, "low": number, "high": number}
    assert dict(course.transmitters.schema) == levels
    assert dict(course.concentration.schema) == {"time_hours": number, "compound": text} | band | {"unit": text}
    full = simulate("sertraline", dose_mg=50, weeks=1, ensemble=2)
    for name in ("occupancy", "symptom_effect", "transmitters", "concentration"):
        assert getattr(full, name).schema == getattr(course, name).schema
        assert not getattr(full, name).is_empty()


def test_a_target_held_by_parent_and_metabolite_has_the_parents_basis() -> None:
    basis = dict(simulate("risperidone", dose_mg=2, weeks=1).occupancy.select("target", "basis").unique().iter_rows())
    assert basis["D2"] == "in_vivo"
    assert set(basis.values()) == {"in_vivo", "affinity_ratio"}


def test_a_persons_clearance_scales_the_level_and_has_limits() -> None:
    typical, slow = (simulate("sertraline", 50, weeks=8, clearance_factor=factor) for factor in (1.0, 0.5))
    last = [
        course.concentration.filter(pl.col("time_hours") >= 7 * 7 * 24)["value"].mean() for course in (typical, slow)
    ]
    assert last[1] == pytest.approx(2 * last[0], rel=0.02)
    for right in (0.02, 50.0):
        simulate("sertraline", 50, weeks=1, clearance_factor=right)
    for wrong in (0.0, 0.019, -1.0, 50.1, float("nan"), float("inf"), "1", True):
        with pytest.raises(ValidationError, match="between 0\\.02 and 50"):
            simulate("sertraline", 50, weeks=1, clearance_factor=wrong)  # type: ignore[arg-type]
