"""A forecast has one JSON, with figures that are the object's own."""

import json
from dataclasses import replace
from typing import ClassVar

import numpy as np
import pytest

from novamind.errors import ValidationError
from novamind.records.tables.frames import SeriesKey
from novamind.symptoms.codec import ForecastBody, ForecastsBody
from novamind.symptoms.domain import Scale, SymptomForecast
from tests.golden import check_golden
from tests.symptoms.conftest import MakeForecast


class Forecasts(tuple[SymptomForecast, ...]):
    """Forecasts with what could not be forecast."""

    skipped: ClassVar = {SeriesKey("p", "GAD-7"): "too few reports", SeriesKey(None, "mood"): "no scale"}


@pytest.mark.parametrize("threshold", [None, 15.0])
def test_a_forecast_in_its_form(make_forecast: MakeForecast, threshold: float | None) -> None:
    forecast = replace(make_forecast(horizon=3), covariates={"sleep": -0.5})
    body = ForecastBody.of(forecast, threshold, explain=threshold is not None)
    check_golden(__file__, f"body_{threshold}", body.model_dump(mode="json"))
    assert json.loads(body.model_dump_json()) == body.model_dump(mode="json")
    for interval in body.intervals:
        np.testing.assert_array_equal([interval.low, interval.high], forecast.interval(interval.level))
    assert (body.risk is None) == (threshold is None)
    if body.risk is not None:
        assert body.risk.probability == forecast.risk(15).probability.tolist()


@pytest.mark.parametrize("threshold", [0.0, 27.0])
def test_a_threshold_at_the_end_of_the_scale_is_on_it(make_forecast: MakeForecast, threshold: float) -> None:
    forecasts = Forecasts([make_forecast()])
    assert [one.risk and one.risk.threshold for one in ForecastsBody.of(forecasts, threshold).forecasts] == [threshold]


@pytest.mark.parametrize("threshold", [-0.1, 27.1])
def test_a_threshold_off_the_scale_is_refused_of_one_and_passed_over_in_many(
    make_forecast: MakeForecast, threshold: float
) -> None:
    wide = make_forecast(scale=Scale(-10, 100), symptom="mood")
    body = ForecastsBody.of(Forecasts([make_forecast(), wide]), threshold)
    assert [one.risk and one.risk.threshold for one in body.forecasts] == [None, threshold]
    with pytest.raises(ValidationError, match="threshold must lie on the instrument's scale, 0 to 27"):
        ForecastBody.of(make_forecast(), threshold)


def test_one_forecast_is_the_same_alone_and_in_a_list(make_forecast: MakeForecast) -> None:
    forecast = make_forecast(horizon=2)
    body = ForecastsBody.of(Forecasts([forecast]), 12)
    assert body.forecasts == [ForecastBody.of(forecast, 12)]
    assert ForecastsBody.with_thresholds(Forecasts([forecast]), lambda _: 12) == body
    assert [one.model_dump() for one in body.skipped] == [
        {"symptom": "GAD-7", "patient_id": "p", "reason": "too few reports"},
        {"symptom": "mood", "patient_id": None, "reason": "no scale"},
    ]
