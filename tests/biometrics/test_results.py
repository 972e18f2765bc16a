"""What a result gives: frames, graph, JSON and pictures of every kind of link, for one person and for many."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import narwhals as nw
import pandas as pd
import polars as pl
import pytest

from novamind.biometrics import plots, results
from novamind.biometrics.domain import Edge
from novamind.biometrics.engine import reliability
from novamind.biometrics.results import Correlations
from novamind.errors import NotFoundError, ValidationError
from tests.biometrics.conftest import pair, result, together
from tests.golden import check_golden


@pytest.fixture(scope="module")
def one() -> Correlations:
    return together(result())


@pytest.fixture(scope="module")
def two() -> Correlations:
    """Two patients, of whom one has a record too small to speak of."""
    return together(result("b"), result("a", "low"))


def test_everything_as_json(one: Correlations) -> None:
    check_golden(__file__, "result as json", one.person().to_dict(), 1e-5)


@pytest.mark.parametrize("name", ["links", "anomalies", "change_points", "early_warning", "monitoring_plan"])
def test_frames_hold_what_the_persons_hold(name: str, one: Correlations, two: Correlations) -> None:
    frame, both = getattr(one, name), getattr(two, name)
    assert isinstance(frame, pl.DataFrame)
    assert "patient_id" not in frame.columns
    assert both.columns == ["patient_id", *frame.columns]
    assert both.filter(pl.col("patient_id") == "b").drop("patient_id").equals(frame)
    silent = name in ("early_warning", "monitoring_plan")
    assert both["patient_id"].unique(maintain_order=True).to_list() == (["b"] if silent else ["b", "a"])
    check_golden(__file__, f"frame {name}", {"types": list(map(str, frame.dtypes)), "rows": frame.head(12)}, 1e-5)


def test_frames_come_in_the_kind_that_went_in(one: Correlations) -> None:
    assert isinstance(replace(one, backend=nw.Implementation.PANDAS).change_points, pd.DataFrame)


def test_a_cell_is_told_as_its_local_time(one: Correlations) -> None:
    """The record begins at 05:00 of a Wednesday."""
    person, written = one.person(), one.person().to_dict()
    begin = datetime(2024, 1, 3, 5)  # noqa: DTZ001 - local time
    for point in written["anomalies"]:
        for hour, when in (("start_hour", "start"), ("alarm_hour", "alarm")):
            assert point[when] == (begin + timedelta(hours=point[hour])).isoformat()
    first = one.anomalies.row(0, named=True)
    assert (first["start"].isoformat(), first["alarm"].isoformat()) == tuple(
        written["anomalies"][0][when] for when in ("start", "alarm")
    )
    for point in written["change_points"]:
        assert point["date"] == (begin + timedelta(days=point["day"])).date().isoformat()
    assert written["early_warning"]
    for warning in written["early_warning"]:
        assert warning["time"] == (begin + timedelta(hours=warning["hour"])).isoformat()
    assert person.anomalies
    assert written["change_points"]


def test_a_graph_has_an_arrow_from_what_is_earlier(one: Correlations) -> None:
    graph = one.graph
    assert graph.signals == ("hrv", "heart_rate", "steps", "sleep_duration", "skin_temp")
    assert graph.symptoms == ("anxiety", "low_mood")
    assert graph.edges == (
        Edge("hrv", "anxiety", "leads", 20.0, 0.4),
        Edge("heart_rate", "anxiety", "leads", 50.0, -0.35),
        Edge("low_mood", "steps", "leads", 12.0, 0.2),
        Edge("time of day", "anxiety", "explains"),
        Edge("low_mood", "sleep_duration", "together", 1.0, -0.6),
        Edge("hrv", "anxiety", "explains"),
    )


@pytest.mark.parametrize(
    ("lag", "edge"),
    [
        ((0.0, -3.0, 3.0), ("hrv", "anxiety", "together")),
        ((2.0, 0.0, 3.0), ("hrv", "anxiety", "together")),
        ((2.0, 1.0, 3.0), ("hrv", "anxiety", "leads")),
        ((-2.0, -3.0, 0.0), ("anxiety", "hrv", "together")),
        ((-2.0, -3.0, -1.0), ("anxiety", "hrv", "leads")),
    ],
)
def test_an_arrow_leads_where_the_interval_is_without_0(lag: tuple[float, ...], edge: tuple[str, ...]) -> None:
    person = replace(result(), links=(pair(lag_hours=lag[0], lag_low=lag[1], lag_high=lag[2]),))
    (found,) = person.graph.edges
    assert (found.source, found.target, found.kind) == edge


def test_the_same_explanation_of_two_links_is_one_arrow() -> None:
    apart = {"detected": False, "explained_by": "weekday"}
    person = replace(result(), links=(pair(**apart), pair("steps", **apart)))
    assert person.graph.edges == (Edge("weekday", "anxiety", "explains"),)


def test_one_person_or_which(one: Correlations, two: Correlations) -> None:
    assert one.person() is one.persons[0]
    assert one.reliability.level == "high"
    assert two.person("a").patient_id == "a"
    for ask in (lambda: two.person(), lambda: two.graph, lambda: two.reliability, lambda: two.plot()):
        with pytest.raises(ValidationError, match=r"^the result holds 2 persons: give patient_id$"):
            ask()
    with pytest.raises(NotFoundError, match="no such patient"):
        two.person("c")


def test_low_reliability_is_silent_and_others_speak(two: Correlations) -> None:
    poor, sure = two.person("a"), two.person("b")
    assert poor.early_warning == poor.monitoring_plan == poor.insights == ()
    assert len(sure.insights) == 4
    assert sure.monitoring_plan
    assert sure.early_warning
    assert two.insights == sure.insights


def test_profiles_and_pictures_are_asked_for_by_names(one: Correlations, two: Correlations) -> None:
    assert one.profile("hrv", "anxiety") is one.person().profiles["hrv", "anxiety"]
    assert two.profile("hrv", "anxiety", "a") is two.persons[1].profiles["hrv", "anxiety"]
    for names in (("hrv", "hunger"), ("weight", "anxiety")):
        with pytest.raises(NotFoundError, match="no such pair"):
            one.profile(*names)
        with pytest.raises(NotFoundError, match="no such pair"):
            one.plot(*names)
    with pytest.raises(NotFoundError, match="no such pair"):
        one.plot("hrv")
    with pytest.raises(NotFoundError, match="no such pair"):
        one.plot(symptom="anxiety")


def test_pictures_are_those_of_the_person_asked_for(two: Correlations, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[Any] = []
    for name in ("lag_profile", "link_map", "graph_chart", "timeline"):
        monkeypatch.setattr(plots, name, lambda *what, name=name: drawn.append((name, *what)))
    person = two.persons[1]
    two.plot(patient_id="a")
    two.plot("hrv", "low_mood", "a")
    two.plot_graph("a")
    two.plot_timeline("a")
    assert drawn == [
        ("link_map", person, 72),
        ("lag_profile", person.links[-1], person.profiles["hrv", "low_mood"]),
        ("graph_chart", person.graph),
        ("timeline", person),
    ]


@pytest.mark.parametrize(
    ("days", "reports", "coverage", "level", "last"),
    [
        (90, 200, [0.7], "high", "signals measured 70 % of the time"),
        (89.9, 200, [0.7], "medium", "small effects stay unseen"),
        (90, 199, [0.7], "medium", "small effects stay unseen"),
        (90, 200, [0.69], "medium", "small effects stay unseen"),
        (28, 40, [0.4], "medium", "small effects stay unseen"),
        (27.9, 40, [0.4], "low", "too little to find any but large effects"),
        (28, 39, [0.4], "low", "too little to find any but large effects"),
        (28, 40, [0.39], "low", "too little to find any but large effects"),
        (365, 999, [], "low", "too little to find any but large effects"),
        (365, 999, [0.0, 0.8, 1.0], "high", "signals measured 80 % of the time"),
    ],
)
def test_reliability_of_a_record(days: float, reports: int, coverage: list[float], level: str, last: str) -> None:
    found = reliability(days, reports, coverage)
    assert found.level == level
    assert found.reasons[:2] == (f"{days:.0f} days", f"{reports} reports")
    assert found.reasons[-1] == last
    assert len(found.reasons) == (3 if level == "high" else 4)


def test_nothing_found_keeps_columns_and_types(one: Correlations) -> None:
    empty = together(replace(result(), links=()))
    for name in ("early_warning", "monitoring_plan"):
        assert getattr(empty, name).schema == getattr(one, name).schema
        assert len(getattr(empty, name)) == 0


def test_tuples_are_written_with_commas() -> None:
    assert results._text(("a", "b")) == "a, b"
    assert results._text("ab") == "ab"
