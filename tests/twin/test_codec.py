"""Insights and what-ifs as JSON: every field, and figures that are the objects' own."""

import json
from dataclasses import replace
from typing import Any

import pytest

from novamind.symptoms.codec import ForecastBody
from novamind.twin.codec import InsightsBody, RecommendationBody, WhatIfBody
from novamind.twin.domain import BIOMETRICS, COURSES, MEDICATIONS, SYMPTOMS, Evidence, Priority, Recommendation
from novamind.twin.tracking import threshold_of
from tests.golden import check_golden
from tests.twin.people import full_insights


@pytest.fixture(scope="module")
def written() -> dict[str, Any]:
    return full_insights().to_dict()


def test_insights_hold_everything_that_was_found(written: dict[str, Any]) -> None:
    """All of it but the review, whose own form is the pharmacogenomics room's."""
    body = InsightsBody.of(full_insights())
    assert json.loads(body.model_dump_json()) == written
    shown = json.loads(json.dumps(written, allow_nan=False))
    shown["results"][MEDICATIONS]["value"] = sorted(written["results"][MEDICATIONS]["value"])
    check_golden(__file__, "insights", shown)


def test_priorities_come_as_number_and_words(written: dict[str, Any]) -> None:
    pairs = {(one["priority"], one["when"]) for one in written["recommendations"]}
    assert pairs == {(1, "today"), (2, "soon"), (3, "next visit")} or (4, "when convenient") in pairs


def test_what_a_service_gave_has_its_own_rooms_form(written: dict[str, Any]) -> None:
    found, results = full_insights().results, written["results"]
    assert results[MEDICATIONS]["value"] == found[MEDICATIONS].value.to_dict()
    assert results[COURSES]["value"] == {name: one.to_dict() for name, one in found[COURSES].value.items()}
    for forecast, form in zip(found[SYMPTOMS].value, results[SYMPTOMS]["value"]["forecasts"], strict=True):
        assert form == ForecastBody.of(forecast, threshold_of(forecast)).model_dump(mode="json")
    links = results[BIOMETRICS]["value"]["links"]
    assert [(one["signal"], one["symptom"], one["lag_hours"]) for one in links] == [("hrv", "PHQ-9", 30.0)]


def test_a_forecast_has_the_risk_of_its_next_cut_off(written: dict[str, Any]) -> None:
    forecasts = written["results"][SYMPTOMS]["value"]["forecasts"]
    assert {one["symptom"]: one["risk"] and one["risk"]["threshold"] for one in forecasts} == {
        "PHQ-9": 10.0,
        "WHO-5": 50.0,
        "mood": None,
    }


def test_a_service_that_did_not_run_is_null_and_one_that_failed_says_why() -> None:
    insights = full_insights()
    body = InsightsBody.of(replace(insights, results={SYMPTOMS: insights.results["late"]}))
    assert body.results.symptoms is not None
    assert (body.results.symptoms.status, body.results.symptoms.value) == ("timed out", None)
    assert body.results.symptoms.reason == "no answer within 15 s"
    assert (body.results.biometrics, body.results.pharmacogenomics, body.results.neurochemistry) == (None, None, None)
    assert body.missing == {SYMPTOMS: "timed out: no answer within 15 s"}


@pytest.mark.parametrize(("replaced", "written"), [("", None), ("citalopram", "citalopram")])
def test_a_proposal_names_the_drug_that_it_would_take_the_place_of(replaced: str, written: str | None) -> None:
    given = Recommendation(
        Priority.SOON, "citalopram", "Consider another drug.", (Evidence("record", "It is taken.", "record"),), "high",
        "a guideline", ("sertraline", "vortioxetine"), "A caveat.", replaced,
    )  # fmt: skip
    assert RecommendationBody.of(given).model_dump() == {
        "priority": 2, "when": "soon", "topic": "citalopram", "text": "Consider another drug.",
        "evidence": [{"service": "record", "statement": "It is taken.", "source": "record", "url": ""}],
        "reliability": {"level": "high", "reason": "a guideline"}, "proposes": ["sertraline", "vortioxetine"],
        "instead_of": written, "caveat": "A caveat.",
    }  # fmt: skip


def test_proposals_of_insights_are_instead_of_a_drug_that_is_taken(written: dict[str, Any]) -> None:
    instead = {one["instead_of"] for one in written["recommendations"] if one["proposes"]} - {None}
    assert instead
    assert instead <= {"citalopram", "atomoxetine"}


def test_a_what_if_gives_its_own_figures() -> None:
    for treatment in full_insights().results[COURSES].value.values():
        body = WhatIfBody.of(treatment)
        assert (body.level.value, body.level.low, body.level.high) == (
            treatment.level.value,
            treatment.level.low,
            treatment.level.high,
        )
        assert body.level.unit == treatment.unit
        assert {name: span.value for name, span in body.occupancy.items()} == {
            name: span.value for name, span in treatment.occupancy.items()
        }
        assert body.exposure_ratio == treatment.exposure_ratio
        assert [caution.text for caution in body.cautions] == [caution.text for caution in treatment.review.caution]
        assert (body.seed, body.ensemble) == (0, 3)
