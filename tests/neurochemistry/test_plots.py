import json
from types import SimpleNamespace
from typing import Any

import altair as alt
import polars as pl
import pytest

from novamind.errors import NotFoundError, ValidationError
from novamind.neurochemistry import plots
from novamind.neurochemistry.domain import BrainRegion
from novamind.neurochemistry.plots import (
    plot_comparison,
    plot_concentration,
    plot_course,
    plot_graph,
    plot_occupancy,
    plot_regions,
    plot_symptom_effect,
)
from novamind.neurochemistry.reference import LEAVES
from tests.golden import check_golden


def drawn(chart: alt.Chart | alt.LayerChart | alt.VConcatChart) -> dict[str, Any]:
    """The specification with data in its place: data sets are named after their content, which rounding moves."""
    specification = chart.to_dict()
    for kept in ("$schema", "config"):
        specification.pop(kept)
    sets = specification.pop("datasets")

    def resolved(part: Any) -> Any:
        if isinstance(part, dict):
            if set(part) == {"name"} and part["name"] in sets:
                return sets[part["name"]]
            return {key: resolved(value) for key, value in part.items()}
        return [resolved(value) for value in part] if isinstance(part, list) else part

    return json.loads(json.dumps(resolved(specification)))


def course(drug: str, band: bool, **changes: Any) -> Any:
    """A course of a few points with awkward features: targets at the limit, a region at rest, two compounds."""
    low, high = (0.9, 1.2) if band else (None, None)

    def frame(label: str, rows: list[tuple[float, str, float]], time: str = "time_hours") -> pl.DataFrame:
        schema = {time: pl.Float64, label: pl.String, "value": pl.Float64, "low": pl.Float64, "high": pl.Float64}
        filled = [(*row, low and low * row[2], high and high * row[2]) for row in rows]
        return pl.DataFrame(filled, schema=schema, orient="row")

    plain = {
        "drug": drug,
        "weeks": 2,
        "concentration": frame("compound", [(0, drug, 0.0), (12, drug, 31.5), (36, "its metabolite", 8.0)]),
        "occupancy": frame(
            "target", [(0, "SERT", 0.2), (24, "SERT", 0.81), (0, "NET", 0.0499), (0, "H1", 0.05), (24, "NET", 0.01)]
        ),
        "transmitters": frame(
            "region",
            [(1, "raphe_nuclei", 1.7), (2, "raphe_nuclei", 1.9), (1, "anterior_cingulate_cortex", 0.8)],
            "day",
        )
        .rename({"value": "level"})
        .with_columns(transmitter=pl.Series(["serotonin", "serotonin", "dopamine"]), day=pl.col("day").cast(pl.Int64)),
        "symptom_effect": frame("outcome", [(1, "depression", 0.0), (7, "depression", 0.11)], "day"),
        "symptom_note": "An average; not a forecast.",
    }
    return SimpleNamespace(**plain | changes)


D2 = pl.DataFrame({"time_hours": [0.0, 24.0], "target": ["D2", "5-HT2A"], "value": [0.7, 0.9], "low": [None, None]})
D2 = D2.with_columns(pl.col("low").cast(pl.Float64), high=pl.lit(None, pl.Float64))


def test_pictures_of_a_course_with_a_band() -> None:
    both = course("escitalopram", True)
    answer = {
        "concentration": drawn(plot_concentration(both)),
        "occupancy": drawn(plot_occupancy(both)),
        "regions": drawn(plot_regions(both)),
        "symptoms": drawn(plot_symptom_effect(both)),
    }
    check_golden(__file__, "pictures_with_band", answer)


def test_pictures_of_a_course_without() -> None:
    ranges = course("haloperidol", False).symptom_effect.with_columns(outcome=pl.lit("response"))
    plain = course("haloperidol", False, occupancy=D2, symptom_effect=ranges, weeks=3)
    answer = {
        "occupancy": drawn(plot_occupancy(plain)),
        "regions": drawn(plot_regions(plain, "dopamine")),
        "symptoms": drawn(plot_symptom_effect(plain)),
        "course": drawn(plot_course(course("sertraline", False))),
    }
    check_golden(__file__, "pictures_without_band", answer)


def test_targets_below_a_twentieth_are_left_out() -> None:
    data = drawn(plot_occupancy(course("sertraline", False)))["layer"][1]["data"]
    assert {row["target"] for row in data} == {"SERT", "H1"}


@pytest.mark.parametrize(
    ("empty", "count"),
    [((), 4), (("symptom_effect",), 3), (("occupancy",), 2), (("occupancy", "symptom_effect"), 1)],
)
def test_what_is_not_given_is_not_drawn(empty: tuple[str, ...], count: int) -> None:
    whole = course("sertraline", True)
    changes = {name: getattr(whole, name).clear() for name in empty}
    assert len(drawn(plot_course(course("sertraline", True, **changes)))["vconcat"]) == count


def test_a_chart_of_occupancies_holds_seven_lines_and_says_how_many_it_leaves_out() -> None:
    shares = {"D2": 0.2, "H1": 0.95, "M1": 0.9, "alpha1": 0.85, "M4": 0.8, "5-HT2A": 0.7, "5-HT7": 0.6, "M5": 0.3}
    rows = [
        {"time_hours": hour, "target": target, "value": share, "low": None, "high": None, "basis": "in_vivo"}
        for target, share in (shares | {"M2": 0.04}).items()
        for hour in (0.0, 24.0)
    ]
    frame = pl.DataFrame(rows, schema_overrides={"low": pl.Float64, "high": pl.Float64})
    chart = drawn(plot_occupancy(course("clozapine", False, occupancy=frame)))
    assert {row["target"] for row in chart["layer"][1]["data"]} == set(shares) - {"M5"}
    assert chart["title"].endswith("; 1 more are held")


def test_the_heat_map_of_a_course_shows_the_transmitter_that_moves_most() -> None:
    whole = course("sertraline", False)
    level = pl.when(pl.col("transmitter") == "dopamine").then(pl.col("level") * 0 + 0.2).otherwise(1.1)
    moved = course("sertraline", False, transmitters=whole.transmitters.with_columns(level=level))
    assert plots._most_moved(moved) == "dopamine"
    still = course("sertraline", False, transmitters=whole.transmitters.with_columns(level=pl.lit(1.0)))
    assert plots._most_moved(still) == plots._most_moved(
        course("lithium", False, transmitters=whole.transmitters.clear())
    )
    assert plots._most_moved(still) == "serotonin"


def test_a_heat_map_reaches_at_least_to_twice_baseline() -> None:
    def domain(highest: float) -> list[float]:
        whole = course("sertraline", False)
        frame = whole.transmitters.with_columns(level=pl.lit(highest))
        chart = drawn(plot_regions(course("sertraline", False, transmitters=frame)))
        return chart["encoding"]["color"]["scale"]["domain"]

    assert domain(1.5) == [0.0, 1.0, 2.0]
    assert domain(3.5) == [0.0, 1.0, 3.5]


def test_regimens_are_compared_by_drug_in_plasma_and_most_held_target() -> None:
    first = course("escitalopram", True)
    second = course("haloperidol", False, occupancy=D2)
    third = course("lithium", False, occupancy=D2.clear())
    check_golden(__file__, "comparison", drawn(plot_comparison({"a": first, "b": second, "c": third})))
    assert len(drawn(plot_comparison({"c": third}))["vconcat"]) == 1


def test_graphs() -> None:
    answer = {
        "plain": drawn(plot_graph("oxytocin")),
        "deviations": drawn(plot_graph("substance_p", {BrainRegion.AMYGDALA: -0.4, BrainRegion.THALAMUS: 0.1})),
        "at rest": drawn(plot_graph("acetylcholine", {BrainRegion.AMYGDALA: 0.0})),
    }
    check_golden(__file__, "graphs", answer)
    with pytest.raises(NotFoundError):
        plot_graph("glycine")
    with pytest.raises(ValidationError):
        plot_graph("ether")


def test_every_region_has_a_place_of_its_own() -> None:
    assert set(plots._PLACES) == set(LEAVES)
    assert len(set(plots._PLACES.values())) == len(LEAVES)
    assert all(0 <= x <= 10 and 0 <= y <= 10 for x, y in plots._PLACES.values())
    assert plots._PLACES["prefrontal_cortex"][0] < plots._PLACES["occipital_cortex"][0]  # the forehead to the left


def test_shaded_ranges_are_the_published_ones() -> None:
    assert plots._D2_RANGE[:2] == (0.65, 0.78)  # Kapur 2000
    assert plots._SERT_RANGE[:2] == (0.76, 0.85)  # Meyer 2004
