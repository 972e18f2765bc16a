import json

import numpy as np
import polars as pl
import pytest

import novamind as nm
from novamind.errors import NotFoundError, ValidationError
from novamind.neurochemistry import Schedule, simulate
from novamind.neurochemistry.symptom_effect import AVERAGE_DRUG_PLACEBO_DIFFERENCE, d2_outcomes


@pytest.fixture(scope="module")
def course():
    return simulate("escitalopram", dose_mg=10, weeks=8, ensemble=40, seed=3)


def test_the_front_door_answers_as_documented():
    course = nm.neurochemistry.simulate(
        "escitalopram", dose_mg=10, interval_hours=24, weeks=2, phenotypes={"CYP2C19": "Poor Metabolizer"}, ensemble=5
    )
    assert course.concentration.columns == ["time_hours", "compound", "value", "low", "high", "unit"]
    assert course.occupancy.columns == ["time_hours", "target", "value", "low", "high", "basis"]
    assert course.transmitters.columns == ["day", "region", "transmitter", "level", "low", "high"]
    assert course.symptom_effect.columns == ["day", "outcome", "value", "low", "high"]
    assert course.concentration.height == 2 * 7 * 24


def test_bands_hold_the_value_and_are_absent_without_an_ensemble(course):
    for frame, value in ((course.concentration, "value"), (course.occupancy, "value"), (course.transmitters, "level")):
        assert frame.select((pl.col("low") <= pl.col(value)).all() & (pl.col(value) <= pl.col("high")).all()).item()
    single = simulate("escitalopram", dose_mg=10, weeks=1)
    assert single.concentration["low"].null_count() == single.concentration.height


def test_the_same_seed_gives_the_same_figures_and_another_others(course):
    again = simulate("escitalopram", dose_mg=10, weeks=8, ensemble=40, seed=3)
    assert again.transmitters.equals(course.transmitters)
    assert not simulate("escitalopram", dose_mg=10, weeks=8, ensemble=40, seed=4).transmitters.equals(
        course.transmitters
    )


def test_poor_metabolisers_have_more_drug_occupancy_and_effect():
    poor = simulate("escitalopram", dose_mg=10, weeks=8, phenotypes={"CYP2C19": "Poor Metabolizer"})
    normal = simulate("escitalopram", dose_mg=10, weeks=8)
    for frame in ("concentration", "occupancy", "symptom_effect"):
        assert getattr(poor, frame)["value"].tail(1).item() > getattr(normal, frame)["value"].tail(1).item()


def test_composites_lie_between_their_parts(course):
    last = course.transmitters.filter((pl.col("day") == 56) & (pl.col("transmitter") == "serotonin"))
    level = dict(zip(last["region"], last["level"], strict=True))
    assert level["ventral_striatum"] == level["nucleus_accumbens"]
    assert min(level["dorsal_striatum"], level["ventral_striatum"]) <= level["striatum"]
    assert level["striatum"] <= max(level["dorsal_striatum"], level["ventral_striatum"])
    assert "cerebellum" not in level
    assert "pituitary" not in level


def test_the_average_antidepressant_gets_the_published_size_and_onset():
    course = simulate("citalopram", dose_mg=20, weeks=6)
    effect = course.symptom_effect["value"].to_numpy()
    assert effect[-1] == pytest.approx(AVERAGE_DRUG_PLACEBO_DIFFERENCE, abs=0.06)
    assert 0.2 <= effect[6] / effect[-1] <= 0.42
    assert (np.diff(effect) > 0).all()


def test_d2_outcomes_rise_in_their_published_order():
    grid = np.linspace(0.5, 0.95, 200)
    outcomes = d2_outcomes(grid, np.zeros_like(grid))
    response, prolactin, extrapyramidal, change = outcomes.values()
    assert (response >= prolactin).all()
    assert (prolactin >= extrapyramidal).all()
    assert (np.diff(change) > 0).all()
    assert simulate("haloperidol", dose_mg=4, weeks=2).symptom_effect["outcome"].n_unique() == 4


def test_prolactin_falls_on_aripiprazole():
    last = simulate("aripiprazole", dose_mg=10, weeks=8).symptom_effect.filter(pl.col("day") == 56)
    effects = dict(last.select("outcome", "value").iter_rows())
    assert effects["raised prolactin"] == 0.0
    assert -0.8 < effects["prolactin change"] < -0.2
    other = simulate("haloperidol", dose_mg=4, weeks=8).symptom_effect.filter(pl.col("day") == 56)
    assert dict(other.select("outcome", "value").iter_rows())["prolactin change"] > 0.5


@pytest.mark.parametrize(("drug", "dose", "glutamate_rises"), [("diazepam", 10, False), ("memantine", 20, True)])
def test_gaba_and_nmda_drugs_move_amino_acids(drug, dose, glutamate_rises):
    levels = simulate(drug, dose_mg=dose, weeks=2, ensemble=20).transmitters.filter(pl.col("day") == 14)
    glutamate = levels.filter(pl.col("transmitter") == "glutamate")
    assert ((glutamate["level"] > 1) == glutamate_rises).all()
    assert (glutamate["low"] < glutamate["high"]).all()
    assert (levels.filter(pl.col("transmitter") == "gaba")["level"] < 1).all()
    assert "gaba" not in simulate("sertraline", dose_mg=50, weeks=1).transmitters["transmitter"]


def test_stimulants_and_mao_inhibitors_raise_what_they_are_named_for():
    def level(drug, dose, interval, transmitter, region):
        frame = simulate(drug, dose_mg=dose, interval_hours=interval, weeks=6).transmitters
        row = (pl.col("day") == 42) & (pl.col("transmitter") == transmitter) & (pl.col("region") == region)
        return frame.filter(row)["level"][0]

    assert 1.05 < level("methylphenidate", 20, 8, "dopamine", "striatum") < 3
    assert 1.2 < level("amphetamine", 20, 12, "dopamine", "striatum") < 5
    assert 1.3 < level("phenelzine", 30, 12, "serotonin", "hippocampus") < 3
    assert 1.2 < level("moclobemide", 300, 12, "norepinephrine", "hippocampus") < 3
    assert level("lorazepam", 1, 12, "serotonin", "hippocampus") == pytest.approx(1.0)


@pytest.mark.parametrize("drug", ["lithium", "bupropion", "atomoxetine"])
def test_effects_without_a_published_link_are_not_given(drug):
    course = simulate(drug, dose_mg=40, weeks=1)
    assert course.symptom_effect.is_empty()
    assert course.symptom_note.startswith("Not given")


def test_drugs_without_known_targets_leave_transmitters_open():
    course = simulate("lamotrigine", dose_mg=200, weeks=1)
    assert course.transmitters.is_empty()
    assert course.transmitters.columns == ["day", "region", "transmitter", "level", "low", "high"]
    assert course.occupancy.is_empty()


def test_titration_and_stopping_are_schedules():
    schedule = Schedule(np.arange(0, 24 * 28, 24.0), np.repeat([5.0, 10.0, 20.0, 0.0], 7))
    level = simulate("escitalopram", schedule=schedule, weeks=4).concentration["value"].to_numpy()
    weekly = level.reshape(4, -1).mean(axis=1)
    assert weekly[0] < weekly[1] < weekly[2] > weekly[3]
    assert level[-1] < 0.2 * level.max()


def test_the_document_is_plain_json(course):
    document = json.loads(json.dumps(course.to_dict(), allow_nan=False))
    assert document["model_version"]
    assert "glutamate" in document["transmitters_not_given"]


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"drug": "snake oil", "dose_mg": 10}, NotFoundError),
        ({"drug": "sertraline", "dose_mg": -50}, ValidationError),
        ({"drug": "sertraline", "dose_mg": 1e9}, ValidationError),
        ({"drug": "sertraline", "dose_mg": float("nan")}, ValidationError),
        ({"drug": "sertraline"}, ValidationError),
        ({"drug": None, "dose_mg": 50}, NotFoundError),
        ({"drug": "sertraline", "dose_mg": "50 mg"}, ValidationError),
        ({"drug": "sertraline", "dose_mg": 50, "seed": -1, "ensemble": 2}, ValidationError),
        ({"drug": "sertraline", "dose_mg": 50, "creatinine_clearance": None}, ValidationError),
        ({"drug": "sertraline", "dose_mg": 50, "weeks": 0}, ValidationError),
        ({"drug": "sertraline", "dose_mg": 50, "weeks": 2.5}, ValidationError),
        ({"drug": "sertraline", "dose_mg": 50, "interval_hours": 0}, ValidationError),
        ({"drug": "sertraline", "dose_mg": 50, "ensemble": 1}, ValidationError),
        ({"drug": "sertraline", "dose_mg": 50, "phenotypes": {"CYP2C19": "Superb"}}, ValidationError),
    ],
)
def test_bad_input_is_one_clear_error(arguments, error):
    with pytest.raises(error):
        simulate(**arguments)


@pytest.mark.parametrize("drug", ["sertraline", "haloperidol", "aripiprazole", "phenelzine", "diazepam", "amphetamine"])
def test_no_dose_has_no_effect(drug):
    course = simulate(drug, dose_mg=0, weeks=2, ensemble=3)
    assert (course.concentration["value"] == 0).all()
    assert (course.occupancy["value"] == 0).all()
    assert course.transmitters["level"].to_numpy() == pytest.approx(1.0, abs=1e-9)
    assert course.symptom_effect["value"].to_numpy() == pytest.approx(0.0, abs=1e-9)


@pytest.mark.parametrize("drug", ["clozapine", "quetiapine"])
def test_response_is_not_given_for_drugs_that_work_below_the_threshold(drug):
    course = simulate(drug, dose_mg=300, weeks=1)
    assert "response" not in course.symptom_effect["outcome"].to_list()
    assert "Response is not given" in course.symptom_note
    other = simulate("haloperidol", dose_mg=4, weeks=1)
    assert "response" in other.symptom_effect["outcome"].to_list()
    assert "not given" not in other.symptom_note
