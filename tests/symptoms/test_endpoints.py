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

from novamind.errors import InsufficientDataError, ValidationError
from novamind.symptoms import Scale
from novamind.symptoms.domain import LEVELS
from novamind.symptoms.endpoints import MOST_REPORTS, Diary, ForecastBody, Report, ScaleBody, forecast_frame, router
from novamind.symptoms.service import default_service
from tests.golden import check_golden
from tests.symptoms.conftest import MakeForecast

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def report(**change: Any) -> Report:
    return Report.model_validate({"symptom": "PHQ-9", "timestamp": NOON, "value": 14, **change})


@pytest.mark.parametrize(
    ("change", "right"),
    [
        ({"timestamp": "1900-01-01T00:00:00Z"}, True), ({"timestamp": "1899-12-31T00:00:00Z"}, False),
        ({"timestamp": "2200-12-31T00:00:00Z"}, True), ({"timestamp": "2201-01-01T00:00:00Z"}, False),
        ({"timestamp": "2026-03-01T08:30:00"}, False), ({"symptom": "a" * 60}, True), ({"symptom": "a" * 61}, False),
        ({"symptom": "9a"}, False), ({"symptom": "Ü"}, False), ({"symptom": "a b.c:d/e-f_9"}, True),
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
        report(value=value).check()
    else:
        with pytest.raises(ValidationError, match="off its scale, which runs from 0 to 27"):
            report(value=value).check()


def test_the_scale_given_comes_before_that_of_the_name() -> None:
    assert report().known_scale() == Scale(0, 27, 1)
    own = {"low": 0, "high": 50, "step": 2, "worse": "low"}
    assert report(scale=own).known_scale() == Scale(0, 50, 2, "low")
    assert ScaleBody(low=0, high=1).scale() == Scale(0, 1, None, "high")
    with pytest.raises(ValidationError, match="no known instrument: give its scale"):
        report(symptom="mood").check()


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


@pytest.mark.parametrize("threshold", [None, 15.0, 0.0, 27.0, 27.5, -1.0])
def test_a_forecast_in_its_form(make_forecast: MakeForecast, threshold: float | None) -> None:
    body = ForecastBody.of(make_forecast(horizon=3), threshold)
    assert (body.risk is None) == (threshold in (None, 27.5, -1.0))
    if threshold in (None, 15.0):
        check_golden(__file__, f"body_{threshold}", body.model_dump(mode="json"))


def diary(symptom: str, days: int = 12) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "symptom": [symptom] * days,
            "timestamp": [f"2026-03-{1 + day:02d}T08:30:00+01:00" for day in range(days)],
            "value": [float(5 + day % 4) for day in range(days)],
        }
    )


def test_symptoms_of_unknown_scale_and_short_ones_are_skipped_with_their_reason() -> None:
    frame = pl.concat([diary("PHQ-9"), diary("mood"), diary("sleep"), diary("GAD-7", 3)])
    answer = forecast_frame(default_service(), frame, {"sleep": Scale(0, 10, 1)}, 2, threshold=12)
    assert [(f.symptom, f.risk is None, len(f.days)) for f in answer.forecasts] == [
        ("PHQ-9", False, 2),
        ("sleep", True, 2),
    ]
    assert [(s.symptom, s.reason) for s in answer.skipped] == [
        ("GAD-7", "at least 4 days with reports are needed for a forecast, here are 3"),
        ("mood", "its scale is not known"),
    ]
    assert answer.forecasts[1].scale == ScaleBody(low=0, high=10, step=1)
    with pytest.raises(InsufficientDataError, match="no report of a symptom whose scale is known"):
        forecast_frame(default_service(), diary("mood"), {}, 2)


def test_the_route_forecasts_what_comes_with_the_request() -> None:
    app = FastAPI()
    app.include_router(router(default_service))
    assert app.openapi()["paths"]["/symptoms/forecast"]["post"]["operationId"] == "forecastDiary"
    assert app.openapi()["paths"]["/symptoms/forecast"]["post"]["tags"] == ["symptoms"]
    reports = [
        {
            "symptom": row["symptom"],
            "timestamp": row["timestamp"],
            "value": row["value"],
            "scale": {"low": 0, "high": 12},
        }
        for row in diary("mood").iter_rows(named=True)
    ]

    async def sent(body: dict[str, Any]) -> Any:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://x") as client:
            return (await client.post("/symptoms/forecast", json=body)).json()

    answer = asyncio.run(sent({"reports": reports, "horizon": 3, "threshold": 8}))
    with pytest.raises(ValidationError, match="off its scale"):
        asyncio.run(sent({"reports": [{**reports[0], "value": 13}]}))
    (one,) = answer["forecasts"]
    assert one["days"] == ["2026-03-13", "2026-03-14", "2026-03-15"]
    assert one["quantile_levels"] == LEVELS.tolist()
    assert np.array(one["quantiles"]).shape == (3, 21)
    assert one["risk"]["threshold"] == 8
    assert answer["skipped"] == []
