"""Insights as JSON: every field, and figures that are the objects' own."""

import json
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from novamind.twin.codec import forecast_to_dict, insights_to_dict, result_value
from novamind.twin.domain import ServiceResult, Status
from tests.golden import check_golden
from tests.twin.people import WHO5, forecast, full_insights


@pytest.fixture(scope="module")
def told() -> dict[str, Any]:
    return insights_to_dict(full_insights())


def test_insights_hold_everything_that_was_found(told: dict[str, Any]) -> None:
    """All of it but the review, whose own form is the pharmacogenomics room's."""
    review = told["results"]["pharmacogenomics"]["value"]
    found = full_insights().results["pharmacogenomics"].value
    assert review == found.to_dict()
    shown = json.loads(json.dumps(told, allow_nan=False))
    shown["results"]["pharmacogenomics"]["value"] = sorted(review)
    check_golden(__file__, "insights", shown)
    assert full_insights().to_dict() == told


def test_priorities_come_as_number_and_words(told: dict[str, Any]) -> None:
    pairs = {(one["priority"], one["when"]) for one in told["recommendations"]}
    assert pairs == {(1, "today"), (2, "soon"), (3, "next visit")} or (4, "when convenient") in pairs


def test_a_forecast_gives_its_own_intervals_and_the_risk_of_the_next_cut_off() -> None:
    given = forecast([60.0, 48] * 8, "WHO-5", WHO5, middle=50, spread=30)
    plain = forecast_to_dict(given)
    assert list(plain["intervals"]) == ["50", "80", "95"]
    for level in (0.5, 0.8, 0.95):
        low, high = given.interval(level)
        assert plain["intervals"][f"{100 * level:g}"] == [list(pair) for pair in zip(low, high, strict=True)]
    assert plain["risk"] == {"threshold": 50, "probability": given.risk(50).probability.tolist()}
    assert forecast_to_dict(replace(given, symptom="mood"))["risk"] is None


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        (None, None),
        (7, "7"),
        ({"a": SimpleNamespace(to_dict=lambda: {"b": 1})}, {"a": {"b": 1}}),
        (SimpleNamespace(to_dict=lambda: {"b": 1}), {"b": 1}),
    ],
)
def test_a_result_has_its_own_form_where_it_knows_one(value: Any, plain: Any) -> None:
    assert result_value(ServiceResult("a", Status.AVAILABLE, value)) == plain
