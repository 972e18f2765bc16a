"""Pictures show what the result says."""

import json
import struct
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import novamind as nm
from novamind.biometrics.anomalies import Anomaly
from novamind.biometrics.domain import CausalGraph, Edge
from novamind.biometrics.plots import graph_chart, lag_profile, link_map, save, timeline
from novamind.biometrics.results import Correlations, PersonLinks
from novamind.errors import NotFoundError
from tests.biometrics.conftest import Frames, pair, result, rich
from tests.cohorts.summary import summary
from tests.golden import check_golden


@pytest.fixture(scope="module")
def found(tables: Frames) -> Correlations:
    return nm.biometrics.correlate(tables.biometrics, tables.symptoms)


def test_map_has_a_cell_a_pair(found: Correlations) -> None:
    spec = json.dumps(found.plot().to_dict())
    assert '"signal": "hrv"' in spec
    assert "1 of 2 pairs confirmed" in spec


def test_profile_names_lag_and_pair(found: Correlations) -> None:
    spec = json.dumps(found.plot("hrv", "anxiety").to_dict())
    assert "Link confirmed: lag" in spec
    assert "No link confirmed" in json.dumps(found.plot("steps", "anxiety").to_dict())
    with pytest.raises(NotFoundError):
        found.plot("hrv", "hunger")


def test_graph_draws_every_kind_of_arrow() -> None:
    graph = CausalGraph(
        None,
        ("hrv", "steps"),
        ("anxiety",),
        (
            Edge("hrv", "anxiety", "leads", 9, 0.4),
            Edge("anxiety", "steps", "together", 0, -0.2),
            Edge("weekday", "anxiety", "explains"),
        ),
    )
    spec = json.dumps(graph_chart(graph).to_dict())
    assert "weekday" in spec
    assert "9 h, +0.40" in spec
    assert "anxiety" in json.dumps(graph_chart(CausalGraph(None, ("hrv",), ("anxiety",), ())).to_dict())


def drawn(chart: Any) -> dict[str, Any]:
    """A picture's specification, with its tables where they are used."""
    spec: dict[str, Any] = chart.to_dict()
    tables = spec.pop("datasets", {})
    for layer in (spec, *spec["layer"]):
        if "name" in layer.get("data", {}):
            layer["data"] = {"values": tables[layer["data"]["name"]]}
    return spec


def rows_of(spec: dict[str, Any]) -> list[list[dict[str, Any]]]:
    """The tables of all layers."""
    return [layer["data"]["values"] for layer in (spec, *spec["layer"]) if layer.get("data")]


@pytest.fixture(scope="module")
def by_hand() -> PersonLinks:
    return result()


@pytest.mark.parametrize("detected", [True, False])
def test_every_pair_s_profile_is_drawn_as_it_was(by_hand: PersonLinks, detected: bool) -> None:
    links = [link for link in by_hand.links if link.detected == detected]
    charts = [drawn(lag_profile(link, by_hand.profiles[link.signal, link.symptom])) for link in links]
    check_golden(__file__, f"profiles {'found' if detected else 'not found'}", charts)


def test_the_map_is_drawn_as_it_was(by_hand: PersonLinks) -> None:
    check_golden(__file__, "map", drawn(link_map(by_hand, 72)))
    few = replace(by_hand, links=tuple(replace(link, detected=False) for link in by_hand.links[:2]))
    check_golden(__file__, "map without links", drawn(link_map(few, 24)))


def test_a_cell_s_ink_can_be_read_on_its_shade(by_hand: PersonLinks) -> None:
    """White on more than six tenths of the strongest shade, which is 0.3 at the least."""
    links = tuple(pair(f"s{e}", effect=e) for e in (0.5, 0.31, 0.3, -0.4, 0.1))
    spec = drawn(link_map(replace(by_hand, links=links), 24))
    inks = {row["effect"]: row["ink"] for rows in rows_of(spec) for row in rows}
    assert inks == {0.5: "white", 0.31: "white", 0.3: "#222222", -0.4: "white", 0.1: "#222222"}
    assert spec["layer"][1]["encoding"]["color"]["scale"]["domain"] == [-0.5, 0, 0.5]
    weak = drawn(link_map(replace(by_hand, links=links[-1:]), 24))
    assert weak["layer"][1]["encoding"]["color"]["scale"]["domain"] == [-0.3, 0, 0.3]


def test_graphs_are_drawn_as_they_were(by_hand: PersonLinks) -> None:
    check_golden(__file__, "graph", drawn(graph_chart(by_hand.graph)))
    lone = CausalGraph(None, ("hrv",), ("anxiety", "mood", "panic"), (Edge("weekday", "mood", "explains"),))
    check_golden(__file__, "graph of causes", drawn(graph_chart(lone)))
    check_golden(__file__, "graph of nothing", drawn(graph_chart(CausalGraph(None, ("a", "b"), ("c",), ()))))


def test_timelines_are_drawn_as_they_were(by_hand: PersonLinks) -> None:
    check_golden(__file__, "timeline", summed(drawn(timeline(by_hand))))
    quiet = replace(by_hand, links=tuple(replace(link, detected=False) for link in by_hand.links[-2:]))
    quiet.__dict__["anomalies"] = {}
    check_golden(__file__, "timeline of all", summed(drawn(timeline(quiet))))


def summed(spec: dict[str, Any]) -> dict[str, Any]:
    """Long tables in few numbers: each column's values or words."""
    for layer in (spec, *spec["layer"]):
        rows = layer.get("data", {"values": []})["values"]
        if len(rows) > 30:
            words = {key: sorted({str(row[key]) for row in rows}) for key in rows[0] if key != "y"}
            short = {key: [*some[:3], *some[-3:], len(some)] for key, some in words.items()}
            layer["data"]["values"] = short | {"y": summary([row["y"] for row in rows]), "first": rows[:8]}
    return spec


def test_lines_do_not_run_through_days_without_a_value_and_heights_end_at_3_sd() -> None:
    series = rich(3, days=70)
    days = np.array([0, 1, 2, 5, 6, 9])
    person = replace(
        result(),
        links=(pair(),),
        series=replace(series, report_hours=24.0 * days + 1, reports=np.array([0.0, 0, 0, 0, 0, 9])[:, None],
                       symptoms=("anxiety",)),
    )  # fmt: skip
    person.__dict__["anomalies"] = {"hrv": (Anomaly(20, 44, 1, 2.0, 1.5),)}
    person.__dict__["early_warning"] = ()
    person.__dict__["deviations"] = {"hrv": np.full(series.hours, 21.0), "steps": np.zeros(series.hours)}
    spec = drawn(timeline(person))
    tables = rows_of(spec)
    (spans,) = (rows for rows in tables if "end" in rows[0])
    # Hour 20 of a record that begins at 05:00 lies on the next day.
    assert spans == [{"day": "2024-01-04", "end": "2024-01-06", "y": -0.45, "top": 0.45}]
    lines = {row["of"]: row for rows in tables if "of" in rows[0] for row in rows}
    assert set(lines) == {"hrv 0", "anxiety 0", "anxiety 1", "anxiety 2"}
    assert lines["hrv 0"]["y"] == pytest.approx(3 / 7)
    assert lines["anxiety 0"]["y"] == pytest.approx(-1 - 1 / np.sqrt(5) / 7)
    assert lines["anxiety 2"]["y"] == pytest.approx(-1 + np.sqrt(5) / 7)
    assert lines["anxiety 2"]["day"] == "2024-01-12"


def test_pictures_are_written_at_twice_their_size(by_hand: PersonLinks, tmp_path: Path) -> None:
    save(graph_chart(by_hand.graph), tmp_path / "graph.png")
    width, height = struct.unpack(">II", (tmp_path / "graph.png").read_bytes()[16:24])
    assert width > 2 * 640
    assert width < 2 * 900
    assert height > 2 * 300
