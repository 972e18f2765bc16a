"""Pictures show what the result says."""

import json

import pytest

import novamind as nm
from novamind.biometrics.domain import CausalGraph, Edge
from novamind.biometrics.plots import graph_chart
from novamind.biometrics.results import Correlations
from novamind.errors import NotFoundError
from tests.biometrics.conftest import Frames


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
