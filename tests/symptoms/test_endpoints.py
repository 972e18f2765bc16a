"""REST checks what comes in at its edges, and gives a forecast with all of its parts."""

import asyncio
from datetime import UTC, datetime
from typing import Any

import httpx
import numpy as np
import polars as pl
import pydantic
import pytest
from fastapi import FastAPI

import novamind as nm
from novamind.errors import InsufficientDataError, ValidationError
from novamind.symptoms import Scale
from novamind.symptoms.codec import ForecastsBody, ScaleBody
from novamind.symptoms.domain import LEVELS
from novamind.symptoms.endpoints import (
    MOST_REPORTS,
    Diary,
    NewScale,
    Report,
    router,
    scales_of,
)
from novamind.symptoms.service import default_service

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def report(**change: Any) -> Report:
    return Report.model_validate({"symptom": "PHQ-9", "timestamp": NOON, "value": 14, **change})


@pytest.mark.parametrize(
    ("change", "right"),
    [
        ({"timestamp": "1900-01-01T00:00:00Z"}, True), ({"timestamp": "1899-12-31T00:00:00Z"}, False),
        ({"timestamp": "2200-12-31T00:00:00Z"}, True), ({"timestamp": "2201-01-01T00:00:00Z"}, False),
        ({"timestamp": "2026-03-01T08:30:00"}, False), ({"symptom": "a" * 200}, True), ({"symptom": "a" * 201}, False),
        ({"symptom": ""}, False), ({"symptom": "Ängste (0-10)?"}, True), ({"symptom": "9 気分"}, True),
        ({"symptom": " a"}, False), ({"symptom": "a\x00"}, False), ({"symptom": "\x1fa"}, False),
        ({"symptom": "a\n"}, False), ({"symptom": "a\x7f"}, False), ({"symptom": "a\x85b"}, False),
        ({"value": float("inf")}, False), ({"value": float("nan")}, False), ({"more": 1}, False),
        ({"scale": {"low": -1e6, "high": 1e6}}, True), ({"scale": {"low": -1.1e6, "high": 1}}, False),
        ({"scale": {"low": 0, "high": 1.1e6}}, False), ({"scale": {"low": 0, "high": 1, "step": 0}}, False),
        ({"scale": {"low": 0, "high": 1, "worse": "up"}}, False), ({"scale": {"low": 0, "high": 1, "more": 1}}, False),
        ({"scale": {"low": 1e6 - 1, "high": 1e6, "step": 0.1}}, True), ({"scale": {"low": -2e6, "high": 1e6}}, False),
        ({"scale": {"low": 1.5e6, "high": 1e6}}, False), ({"scale": {"low": 0, "high": -1.5e6}}, False),
    ],
)  # fmt: skip
def test_the_form_of_a_report(change: dict[str, Any], right: bool) -> None:
    if right:
        report(**change)
    else:
        with pytest.raises(pydantic.ValidationError):
            report(**change)


@pytest.mark.parametrize(("value", "right"), [(0, True), (27, True), (-0.1, False), (27.1, False)])
def test_a_value_is_on_its_scale(value: float, right: bool) -> None:
    if right:
        assert scales_of([report(value=value)]) == {"PHQ-9": Scale(0, 27, 1)}
    else:
        with pytest.raises(ValidationError, match="report 2: the value is off its scale, which runs from 0 to 27"):
            scales_of([report(), report(value=value)])


PUBLISHED = {"low": 0, "high": 27, "step": 1}
TEN = {"low": 0, "high": 10}


@pytest.mark.parametrize("symptom", ["PHQ-9", "PHQ_9", "phq9", " PHQ 9"])
@pytest.mark.parametrize(
    "own",
    [
        {**PUBLISHED, "worse": "low"}, {**PUBLISHED, "high": 1e6}, {**PUBLISHED, "low": 20}, {**PUBLISHED, "step": 9},
        {"low": 0, "high": 27},
    ],
)  # fmt: skip
def test_the_scale_of_a_known_instrument_is_the_published_one(symptom: str, own: dict[str, Any]) -> None:
    other = report().model_copy(update={"symptom": symptom, "value": 22.0, "scale": NewScale.model_validate(own)})
    with pytest.raises(ValidationError, match="report 1: a known instrument's scale is published: leave it out"):
        scales_of([other])
    assert scales_of([other.model_copy(update={"scale": NewScale.model_validate(PUBLISHED)})]) == {
        "PHQ-9": Scale(0, 27, 1)
    }


def test_a_series_has_the_scale_that_came_first() -> None:
    own = {"low": 0, "high": 50, "step": 2, "worse": "low"}
    assert scales_of([report(symptom="calm", scale=own), report(symptom="calm")]) == {"calm": Scale(0, 50, 2, "low")}
    assert NewScale(low=0, high=1).scale() == Scale(0, 1, None, "high")
    assert ScaleBody.of(Scale(0, 50, 2, "low")) == ScaleBody.model_validate(own)
    with pytest.raises(ValidationError, match="report 2: the series has another scale: leave it out"):
        scales_of([report(symptom="mood", value=1, scale=TEN), report(symptom="mood", value=1, scale=own)])
    with pytest.raises(ValidationError, match="report 2: the value is off its scale, which runs from 0 to 10"):
        scales_of([report(symptom="mood", value=1, scale=TEN), report(symptom="mood", value=11)])
    for late in (report(symptom="mood"), report(symptom="mood", scale=None)):
        with pytest.raises(ValidationError, match="report 2: the symptom is no known instrument: give its scale"):
            scales_of([report(), late, report(symptom="mood", value=1, scale=TEN)])
    assert report().own_scale() is None
    assert report(scale=own).own_scale() == Scale(0, 50, 2, "low")


@pytest.mark.parametrize(
    ("change", "right"),
    [
        ({}, True), ({"horizon": 1}, True), ({"horizon": 30}, True), ({"horizon": 0}, False), ({"horizon": 31}, False),
        ({"threshold": float("inf")}, False), ({"reports": []}, False), ({"seed": 1}, False),
    ],
)  # fmt: skip
def test_the_form_of_a_diary(change: dict[str, Any], right: bool) -> None:
    body = {"reports": [report().model_dump()], **change}
    if right:
        assert Diary.model_validate({"reports": body["reports"]}).horizon == 14
        Diary.model_validate(body)
    else:
        with pytest.raises(pydantic.ValidationError):
            Diary.model_validate(body)


def test_ten_thousand_reports_are_the_most() -> None:
    assert MOST_REPORTS == 10_000
    one = report()
    Diary(reports=[one] * 10_000)
    with pytest.raises(pydantic.ValidationError):
        Diary(reports=[one] * 10_001)


def diary(symptom: str, days: int = 12) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "symptom": [symptom] * days,
            "timestamp": [f"2026-03-{1 + day:02d}T08:30:00+01:00" for day in range(days)],
            "value": [float(5 + day % 4) for day in range(days)],
        }
    )


def test_each_symptom_has_its_scale_and_short_ones_are_skipped_with_their_reason() -> None:
    frame = pl.concat([diary("PHQ-9"), diary("sleep"), diary("GAD-7", 3)])
    scales = {"sleep": Scale(0, 10, 1), "PHQ-9": Scale(0, 27, 1), "GAD-7": Scale(0, 21, 1)}
    answer = ForecastsBody.of(default_service().forecast(frame, 2, scale=scales), threshold=12)
    assert [(f.symptom, f.risk is None, len(f.days)) for f in answer.forecasts] == [
        ("PHQ-9", False, 2),
        ("sleep", True, 2),
    ]
    assert [(s.symptom, s.reason) for s in answer.skipped] == [
        ("GAD-7", "at least 4 days with reports are needed for a forecast, here are 3"),
    ]
    assert answer.forecasts[1].scale == ScaleBody(low=0, high=10, step=1)


def rows(frame: pl.DataFrame, **scale: Any) -> list[dict[str, Any]]:
    return [{**row, **scale} for row in frame.iter_rows(named=True)]


def send(body: dict[str, Any]) -> Any:
    app = FastAPI()
    app.include_router(router(default_service))

    async def sent() -> Any:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://x") as client:
            return (await client.post("/symptoms/forecast", json=body)).json()

    return asyncio.run(sent())


def test_all_spellings_of_an_instrument_are_one_series_with_its_forecast() -> None:
    reports = rows(diary("PHQ-9"))
    mixed = [{**row, "symptom": name} for row, name in zip(reports, ["PHQ-9", "phq9", "PHQ_9"] * 4, strict=True)]
    answer = send({"reports": mixed, "horizon": 3})
    assert answer == send({"reports": reports, "horizon": 3})
    assert [one["symptom"] for one in answer["forecasts"]] == ["PHQ-9"]
    assert answer["forecasts"][0]["scale"] == {"low": 0, "high": 27, "step": 1, "worse": "high"}


def test_a_diary_with_a_symptom_of_no_scale_or_of_two_is_refused() -> None:
    with pytest.raises(ValidationError, match="report 13: the symptom is no known instrument: give its scale"):
        send({"reports": [*rows(diary("PHQ-9")), *rows(diary("mood"))]})
    with pytest.raises(ValidationError, match="report 13: the series has another scale: leave it out"):
        send({"reports": [*rows(diary("mood"), scale=TEN), *rows(diary("mood"), scale={"low": 0, "high": 12})]})
    with pytest.raises(InsufficientDataError, match="nothing to forecast: at least 4 days"):
        send({"reports": rows(diary("PHQ-9", 3))})


def test_the_route_forecasts_what_comes_with_the_request() -> None:
    app = FastAPI()
    app.include_router(router(default_service))
    assert app.openapi()["paths"]["/symptoms/forecast"]["post"]["operationId"] == "forecastDiary"
    assert app.openapi()["paths"]["/symptoms/forecast"]["post"]["tags"] == ["symptoms"]
    reports = rows(diary("mood"), scale={"low": 0, "high": 12})
    answer = send({"reports": reports, "horizon": 3, "threshold": 8})
    with pytest.raises(ValidationError, match="off its scale"):
        send({"reports": [{**reports[0], "value": 13}]})
    (one,) = answer["forecasts"]
    assert one["days"] == ["2026-03-13", "2026-03-14", "2026-03-15"]
    assert one["quantile_levels"] == LEVELS.tolist()
    assert np.array(one["quantiles"]).shape == (3, 21)
    assert one["risk"]["threshold"] == 8
    assert answer["skipped"] == []
    assert one["explanation"] is None
    frame = diary("mood").drop("symptom").with_columns(symptom=pl.lit("mood"))
    (explained,) = send({"reports": reports, "horizon": 3, "threshold": 8, "explain": True})["forecasts"]
    assert explained == nm.symptoms.forecast(frame, 3, scale=(0, 12)).to_dict(8, explain=True)
    assert explained | {"explanation": None} == one
