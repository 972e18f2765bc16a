import pytest

from novamind.neurochemistry import simulate
from novamind.neurochemistry.domain import BrainRegion
from novamind.neurochemistry.plots import (
    plot_comparison,
    plot_concentration,
    plot_graph,
    plot_occupancy,
    plot_regions,
)


@pytest.fixture(scope="module")
def course():
    return simulate("aripiprazole", dose_mg=10, weeks=2, ensemble=4)


def test_bands_and_ranges_are_drawn_under_the_lines(course):
    layers = [layer["mark"]["type"] for layer in plot_concentration(course).to_dict()["layer"]]
    assert layers == ["rect", "area", "line"]
    assert "D2 65-78 %" in plot_occupancy(course).to_dict()["title"]


def test_the_heat_map_names_every_region_with_terminals(course):
    specification = plot_regions(course, "dopamine").to_dict()
    rows = next(iter(specification["datasets"].values()))
    assert "nucleus accumbens" in {row["region"] for row in rows}
    assert "cerebellum" not in {row["region"] for row in rows}


def test_a_course_stacks_what_is_given():
    assert len(simulate("escitalopram", dose_mg=10, weeks=1).plot().to_dict()["vconcat"]) == 4
    assert len(simulate("lithium", dose_mg=900, weeks=1).plot().to_dict()["vconcat"]) == 1


def test_two_regimens_share_their_axes(course):
    chart = plot_comparison({"10 mg": course, "20 mg": simulate("aripiprazole", dose_mg=20, weeks=2)}).to_dict()
    assert len(chart["vconcat"]) == 2


def test_the_graph_shows_projections_and_deviations():
    data = list(plot_graph("serotonin", {BrainRegion.AMYGDALA: 0.4}).to_dict()["datasets"].values())
    edges, nodes = sorted(data, key=lambda rows: "region" in rows[0])
    assert len(edges) == 19
    values = {node["region"]: node["deviation"] for node in nodes}
    assert values["amygdala"] == 0.4
    assert values["thalamus"] is None
