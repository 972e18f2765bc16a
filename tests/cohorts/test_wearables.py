"""Simulated wearables: seeded, with the truth that they say."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from novamind.cohorts import wearables
from novamind.cohorts.wearables import (
    DENSE_WEARABLES,
    OTHER_WEARABLES,
    SIGNALS,
    WearablePatient,
    WearableSettings,
    simulate_wearables,
    without_links,
)
from novamind.errors import ValidationError
from tests.cohorts.summary import summary
from tests.golden import check_golden


def test_a_person_does_not_depend_on_how_many_are_drawn() -> None:
    whole, part = simulate_wearables(4, seed=3), simulate_wearables(1, seed=3, first=2)
    assert np.array_equal(whole[2].hourly, part[0].hourly, equal_nan=True)
    assert whole[2].pairs == part[0].pairs
    assert not np.array_equal(whole[1].report_hours, part[0].report_hours)


def test_persons_are_what_they_should_be() -> None:
    settings = WearableSettings(days=(28, 60))
    for patient in simulate_wearables(12, seed=1, settings=settings):
        hours = len(patient.hourly)
        assert 28 * 24 <= hours <= 60 * 24
        assert patient.hourly.shape[1] == len(patient.signals) == len(set(patient.signals))
        assert len(patient.pairs) == len(patient.signals) * len(patient.symptoms)
        assert (np.diff(patient.report_hours) > 0).all()
        assert patient.report_hours[-1] < hours
        assert 0 < np.isfinite(patient.hourly).mean() < 1
        assert np.nanmin(patient.reports) >= 0
        for pair in patient.pairs:
            assert (pair.effect != 0) == (pair.kind == "direct")
            assert abs(pair.lag_hours) <= 200


def test_every_kind_of_pair_occurs_and_links_can_be_left_out() -> None:
    kinds = {p.kind for patient in simulate_wearables(25, seed=2) for p in patient.pairs}
    assert kinds == {"direct", "mediated", "common", "external", "null"}
    bare = without_links(WearableSettings())
    assert {p.kind for patient in simulate_wearables(25, seed=2, settings=bare) for p in patient.pairs} <= {
        "external",
        "null",
    }


def test_a_link_can_be_seen_where_the_data_are_dense() -> None:
    """The lagged signal goes with the symptom, in the direction that the truth says."""
    right = []
    for patient in simulate_wearables(15, seed=4, settings=DENSE_WEARABLES):
        for pair in patient.pairs:
            if pair.kind == "direct" and abs(pair.effect) > 0.5 and 0 <= pair.lag_hours < 100:
                cell = np.round(patient.report_hours - pair.lag_hours).astype(int)
                inside = cell >= 0
                x = patient.hourly[cell[inside], pair.signal]
                y = patient.reports[inside, pair.symptom]
                both = np.isfinite(x) & np.isfinite(y)
                right.append(np.corrcoef(x[both], y[both])[0, 1] * pair.effect > 0)
    assert len(right) >= 3
    assert np.mean(right) > 0.7


def test_nobody_is_an_error() -> None:
    with pytest.raises(ValidationError):
        simulate_wearables(0)


#: Everything that can move a person, in few days.
EVERYTHING = WearableSettings(
    days=(28, 40), linked_probability=1.0, weekday_probability=1.0, medication_probability=1.0,
    common_cause_probability=1.0, jitter_probability=1.0, illness_every_days=(5, 12),
)  # fmt: skip
SHORT = {"days": (28, 36)}
GOLDEN_PERSONS = {
    "default": (replace(WearableSettings(), **SHORT), 30, 0),
    "other": (replace(OTHER_WEARABLES, **SHORT), 12, 1),
    "dense": (replace(DENSE_WEARABLES, **SHORT), 8, 2),
    "everything": (EVERYTHING, 24, 3),
    "without links": (without_links(replace(WearableSettings(), **SHORT)), 8, 4),
    "long": (WearableSettings(days=(120, 121)), 3, 5),
}


def parts(patient: WearablePatient) -> dict[str, Any]:
    """A person in few numbers, the truth in full."""
    return {
        "signals": " ".join(patient.signals),
        "hourly": [summary(column) for column in patient.hourly.T],
        "at": summary(patient.report_hours),
        "reports": [summary(column) for column in patient.reports.T],
        "weekday": patient.weekday,
        "medication": summary(patient.medication),
        "illness": None if patient.illness is None else summary(patient.illness),
        "pairs": [f"{p.signal}-{p.symptom} {p.kind} {p.lag_hours:.3f} {p.effect:.4f}" for p in patient.pairs
                  if p.kind != "null"],
    }  # fmt: skip


@pytest.mark.parametrize("name", GOLDEN_PERSONS)
def test_a_seed_draws_the_persons_that_it_drew(name: str) -> None:
    population, persons, seed = GOLDEN_PERSONS[name]
    check_golden(__file__, f"persons {name}", [parts(p) for p in simulate_wearables(persons, seed, population)])


def test_the_populations_are_the_documented_ones() -> None:
    check_golden(__file__, "wearable populations", [WearableSettings(), OTHER_WEARABLES, DENSE_WEARABLES, SIGNALS])


def test_seed_0_the_default_population_and_the_first_person_need_no_naming() -> None:
    (plain,), (named,) = simulate_wearables(1), simulate_wearables(1, 0, WearableSettings(), first=0)
    assert np.array_equal(plain.hourly, named.hourly, equal_nan=True)
    with pytest.raises(ValidationError, match="1 or more"):
        simulate_wearables(-1)


def test_directions_in_infection_are_those_of_the_literature() -> None:
    """Heart rate, temperature, breathing and sleep rise, variability and activity fall (Radin et al. 2020)."""
    rises = {"heart_rate", "skin_temp", "resp_rate", "sleep"}
    falls = {"hrv", "steps"}
    for name, (direction, low, high) in SIGNALS.items():
        assert direction == (1 if name in rises else -1 if name in falls else 0)
        assert 0 < low < high < 1


@pytest.mark.parametrize("seed", range(40))
def test_a_response_has_weight_one_and_the_stated_centroid(seed: int) -> None:
    rng = np.random.default_rng(seed)
    lag = float(rng.uniform(0, 168))
    centroid, weights = wearables._response(rng, lag)
    assert weights.sum() == pytest.approx(1)
    assert (weights >= 0).all()
    assert centroid == pytest.approx(weights @ np.arange(len(weights)))
    assert centroid == pytest.approx(lag, abs=12)  # a slow decay or a wide bump at 0 lies a little later


def test_kinds_of_response_all_occur() -> None:
    """A point has one weight, a window equal ones, a decay falls from its first, a bump rises and falls."""
    kinds = set()
    for seed in range(60):
        _, weights = wearables._response(np.random.default_rng(seed), 50.0)
        own = weights[weights > 1e-12]
        steps = np.diff(own)
        kinds.add(
            "point"
            if len(own) == 1
            else "window"
            if np.allclose(steps, 0)
            else "decay"
            if (steps < 0).all()
            else "bump"
        )
        if (steps < 0).all() and len(own) > 1:
            ratio = own[1:] / own[:-1]
            assert np.allclose(ratio, ratio[0])
    assert kinds == {"point", "window", "decay", "bump"}


@pytest.mark.parametrize("seed", range(12))
def test_an_effect_is_the_share_that_the_lagged_driver_has_in_the_outcome(seed: int) -> None:
    """The outcome is its own course and each driver's, seen through its response, at unit variance times the effect."""
    rng = np.random.default_rng(seed)
    edges, reach = wearables._graph(rng, EVERYTHING, 5, 9)
    own = np.column_stack([wearables._inertia(rng, 3000, [3.0]) for _ in range(9)])
    state = wearables._propagated(own, edges, reach)
    assert edges
    for v in range(9):
        incoming = [edge for edge in edges if edge.target == v]
        rest = state[:, v].copy()
        for edge in incoming:
            driven = np.array(
                [edge.response[: t + 1] @ state[max(t - 227, 0) : t + 1, edge.source][::-1] for t in range(3000)]
            )
            rest -= edge.effect * driven / driven[480:].std()
        explained = sum(edge.effect**2 for edge in incoming)
        assert explained <= 0.7
        assert np.allclose(rest, np.sqrt(1 - explained) * own[:, v])


@pytest.mark.parametrize("seed", range(20))
def test_the_graph_has_no_circle_and_reach_is_its_closure(seed: int) -> None:
    edges, reach = wearables._graph(np.random.default_rng(seed), EVERYTHING, 4, 8)
    steps = np.eye(8, dtype=int)
    for edge in edges:
        steps[edge.source, edge.target] = 1
    assert np.array_equal(reach, np.linalg.matrix_power(steps, 8) > 0)
    assert not (reach & reach.T & ~np.eye(8, dtype=bool)).any()
    joined = [frozenset((edge.source, edge.target)) for edge in edges]
    assert len(joined) == len(set(joined))
    assert all(edge.source != edge.target for edge in edges)


def test_links_number_and_size_as_the_population_says() -> None:
    population = replace(EVERYTHING, links=((2, 4), (1, 3)), effect=(0.2, 0.3))
    forward, backward, sizes = [], [], []
    for seed in range(400):
        edges, _ = wearables._graph(np.random.default_rng(seed), population, 6, 10)
        ahead = [edge for edge in edges if edge.source < 6 <= edge.target]
        behind = [edge for edge in edges if edge.target < 6 <= edge.source]
        forward.append(len(ahead))
        backward.append(len(behind))
        sizes += [abs(edge.effect) for edge in (*ahead, *behind)]
    assert (min(forward), max(forward)) == (1, 4)  # two draws may fall on one pair
    assert (min(backward), max(backward)) == (0, 3)
    assert min(sizes) >= 0.2
    assert max(sizes) <= 0.3
    assert 2.5 < np.mean(forward) < 3.0


def edge(source: int, target: int, lag: float = 5.0, effect: float = 0.4) -> Any:
    return wearables._Edge(source, target, lag, np.ones(1), effect)


def truth(edges: list[Any], hidden: list[float] | None = None, load: list[float] | None = None) -> dict[Any, Any]:
    """Three signals (0 to 2) and two symptoms (3 and 4)."""
    reach = np.eye(5, dtype=int)
    for one in edges:
        reach[one.source, one.target] = 1
    closure = np.linalg.matrix_power(reach, 5) > 0
    loads = {"week": np.array(load or [0.0] * 5), "phase": np.zeros(5)}
    found = wearables._truth(edges, closure, np.array(hidden or [0.0] * 5), loads, 3, 2)
    assert [(p.signal, p.symptom) for p in found] == [(b, s) for b in range(3) for s in range(2)]
    return {(p.signal, p.symptom): (p.kind, p.lag_hours, p.effect) for p in found}


NOTHING = ("null", 0.0, 0.0)


def test_the_truth_of_a_link_has_its_side() -> None:
    told = truth([edge(0, 3, 7.0, -0.3), edge(4, 1, 9.0, 0.2)])
    assert told[0, 0] == ("direct", 7.0, -0.3)
    assert told[1, 1] == ("direct", -9.0, 0.2)  # the symptom leads
    assert told[2, 0] == told[2, 1] == told[0, 1] == told[1, 0] == NOTHING


def test_what_acts_through_others_is_mediated_both_ways() -> None:
    assert truth([edge(0, 3), edge(3, 4)])[0, 1] == ("mediated", 0.0, 0.0)
    assert truth([edge(4, 3), edge(3, 0)])[0, 1] == ("mediated", 0.0, 0.0)
    assert truth([edge(1, 0), edge(0, 3)])[1, 0] == ("mediated", 0.0, 0.0)


def test_a_measured_or_hidden_cause_of_both_is_common() -> None:
    by_signal = truth([edge(2, 0), edge(2, 3)])
    assert by_signal[0, 0] == ("common", 0.0, 0.0)
    assert by_signal[1, 0] == NOTHING
    hidden = truth([edge(0, 1)], hidden=[0.3, 0.0, 0.0, -0.2, 0.0])
    assert hidden[0, 0][0] == "common"
    assert hidden[1, 0][0] == "common"  # reached through signal 0
    assert hidden[2, 0] == hidden[0, 1] == NOTHING


@pytest.mark.parametrize(
    ("load", "kind"),
    [
        ([0.16, 0.0, 0.0, -0.16, 0.0], "external"),
        ([0.15, 0.0, 0.0, 0.16, 0.0], "null"),
        ([0.16, 0.0, 0.0, 0.15, 0.0], "null"),
        ([-0.9, 0.0, 0.0, 0.0, 0.0], "null"),
    ],
)
def test_what_moves_both_by_more_than_015_is_external(load: list[float], kind: str) -> None:
    told = truth([], load=load)
    assert told[0, 0] == (kind, 0.0, 0.0)
    assert told[1, 1] == NOTHING


def test_own_courses_have_mean_0_and_variance_1_and_every_family() -> None:
    for family in ("inertia", "shots", "swinging"):
        for seed in range(5):
            course = wearables._own(np.random.default_rng(seed), 2000, seed % 2 == 0, (family,))
            assert course.mean() == pytest.approx(0, abs=1e-12)
            assert course.std() == pytest.approx(1)


def test_inertia_forgets_as_its_time_constant_says() -> None:
    course = wearables._inertia(np.random.default_rng(0), 60_000, [10.0])
    assert course.std() == pytest.approx(1, abs=0.06)
    assert np.corrcoef(course[10:], course[:-10])[0, 1] == pytest.approx(np.exp(-1), abs=0.03)
    assert np.corrcoef(course[1:], course[:-1])[0, 1] == pytest.approx(np.exp(-0.1), abs=0.01)
    # It begins as it goes on, not at 0.
    first = [wearables._inertia(np.random.default_rng(seed), 2, [50.0])[0] for seed in range(2000)]
    assert np.std(first) == pytest.approx(1, abs=0.06)


def test_a_delay_moves_a_course_and_fills_with_nothing() -> None:
    assert wearables._delayed(np.arange(1.0, 5.0), 2).tolist() == [0, 0, 1, 2]
    assert wearables._delayed(np.arange(1.0, 5.0), 0).tolist() == [1, 2, 3, 4]


def test_the_illness_that_is_told_is_the_one_that_moved_the_signals() -> None:
    """On logged days vital signs lie where an infection moves them, in the mean over many persons."""
    moved = {name: [] for name, (direction, _, _) in SIGNALS.items() if direction}
    logs = 0
    for patient in simulate_wearables(40, 7, replace(EVERYTHING, illness_every_days=(10, 20), linked_probability=0.0)):
        if patient.illness is None or not 0.05 < patient.illness.mean() < 0.9:
            continue
        logs += 1
        assert set(np.unique(patient.illness)) == {0.0, 1.0}
        for b, name in enumerate(patient.signals):
            if name in moved:
                values = patient.hourly[:, b]
                spread = np.nanstd(values)
                ill, well = (np.nanmean(values[patient.illness == part]) for part in (1, 0))
                moved[name].append((ill - well) / spread * SIGNALS[name][0])
    assert 10 <= logs < 40  # half keep a log
    assert all(np.mean(each) > 0.1 for each in moved.values())


def test_medication_comes_in_once_and_stays() -> None:
    for patient in simulate_wearables(10, 8, EVERYTHING):
        assert (np.diff(patient.medication) >= 0).all()
        assert patient.medication[0] == 0 or patient.medication[0] < 0.5
        assert 0 < patient.medication[-1] <= 1
    none = replace(EVERYTHING, medication_probability=0.0)
    assert not any(patient.medication.any() for patient in simulate_wearables(5, 8, none))
