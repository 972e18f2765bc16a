"""The asynchronous use cases: the same forecasts, one patient at a time, and clear answers to what does not fit."""

import asyncio
from typing import Any

import numpy as np
import polars as pl
import pytest

from novamind.errors import InsufficientDataError, ValidationError
from novamind.symptoms import Forecasts, Scale, SymptomForecastingService
from novamind.symptoms.service import default_service
from tests.symptoms.diaries import START, cohort, long_frame, usual

SCALE = {"scale": (0, 16), "step": 1}


@pytest.fixture
def service() -> SymptomForecastingService:
    """With the shipped model."""
    return default_service()


@pytest.fixture
def patient() -> pl.DataFrame:
    """One patient's rows."""
    return long_frame(cohort()[:1], ids=["p-1"])


def test_one_patient_gets_the_forecast_that_everyone_gets(
    service: SymptomForecastingService, patient: pl.DataFrame
) -> None:
    forecasts = asyncio.run(service.forecast_symptoms("p-1", patient, **SCALE))
    assert isinstance(forecasts, Forecasts)
    np.testing.assert_array_equal(forecasts[0].quantiles, service.forecast(patient, **SCALE)[0].quantiles)


def test_every_symptom_of_the_patient_is_forecast(service: SymptomForecastingService, patient: pl.DataFrame) -> None:
    symptoms = [patient.with_columns(symptom=pl.lit(name)) for name in ("worry", "PHQ-9")]
    scales = {"worry": Scale(0, 16, 1), "PHQ-9": Scale(0, 27, 1)}
    forecasts = asyncio.run(service.forecast_symptoms("p-1", pl.concat(symptoms), 7, scale=scales))
    assert [s.key.name for s in forecasts.series] == ["PHQ-9", "worry"]
    assert forecasts["p-1", "worry"].scale.high == 16
    assert forecasts["p-1", "PHQ-9"].scale.high == 27
    assert all(len(f.days) == 7 for f in forecasts)


def test_rows_without_id_are_the_patient_s(service: SymptomForecastingService, patient: pl.DataFrame) -> None:
    assert len(asyncio.run(service.forecast_symptoms("p-1", patient.drop("patient_id"), **SCALE))) == 1


@pytest.mark.parametrize("days", [80, 3])
def test_rows_of_another_patient_are_refused(
    service: SymptomForecastingService, patient: pl.DataFrame, days: int
) -> None:
    """Also where they are too few for a forecast of their own."""
    other = long_frame(cohort()[1:2], ids=["p-2"]).filter(pl.col("timestamp") < START + days)
    with pytest.raises(ValidationError, match="rows of another patient") as refused:
        asyncio.run(service.forecast_symptoms("p-1", pl.concat([patient, other]), **SCALE))
    assert "p-2" not in str(refused.value)


def test_a_mapping_says_the_same(service: SymptomForecastingService, patient: pl.DataFrame) -> None:
    mapping = {"patient_id": "p-1", "symptoms": patient, "horizon": 3, **SCALE}
    from_mapping = asyncio.run(service.generate_forecast(mapping))
    plain = asyncio.run(service.forecast_symptoms("p-1", patient, 3, **SCALE))
    np.testing.assert_array_equal(from_mapping.continuous_quantiles, plain.continuous_quantiles)
    assert mapping["patient_id"] == "p-1"  # what came in stays as it was


@pytest.mark.parametrize(
    ("mapping", "answer"),
    [
        ({}, "needs 'patient_id' and 'symptoms'"),
        ({"patient_id": "p-1"}, "needs 'patient_id' and 'symptoms'"),
        ({"patient_id": "p-1", "symptoms": None, "colour": 1}, "unknown entries: colour"),
    ],
)
def test_incomplete_mappings_are_refused(service: SymptomForecastingService, mapping: Any, answer: str) -> None:
    with pytest.raises(ValidationError, match=answer):
        asyncio.run(service.generate_forecast(mapping))


def test_preprocessing_checks_and_sorts_without_forecasting(
    service: SymptomForecastingService, patient: pl.DataFrame
) -> None:
    frame = asyncio.run(service.preprocess_patient_data({"symptoms": patient.reverse()}))
    assert len(frame) == len(patient)
    assert (np.diff(frame.timestamps) > np.timedelta64(0)).all()
    with pytest.raises(ValidationError, match="needs 'symptoms'"):
        asyncio.run(service.preprocess_patient_data({}))
    with pytest.raises(ValidationError, match="column 'value'"):
        asyncio.run(service.preprocess_patient_data({"symptoms": patient.with_columns(value=pl.lit("much"))}))


def test_insights_are_those_of_every_forecast(service: SymptomForecastingService) -> None:
    forecasts = service.forecast(long_frame(cohort()[:3]), **SCALE)
    said = asyncio.run(service.extract_insights(forecasts))
    assert said == [sentence for forecast in forecasts for sentence in forecast.insights]
    assert asyncio.run(service.extract_insights(forecasts[1])) == list(forecasts[1].insights)


def test_callers_run_side_by_side(service: SymptomForecastingService) -> None:
    people = [long_frame(cohort()[i : i + 1], ids=[f"p-{i}"]) for i in range(6)]

    async def all_at_once() -> list[Forecasts]:
        return await asyncio.gather(
            *(service.forecast_symptoms(f"p-{i}", rows, **SCALE) for i, rows in enumerate(people))
        )

    for i, forecasts in enumerate(asyncio.run(all_at_once())):
        np.testing.assert_array_equal(forecasts[0].quantiles, service.forecast(people[i], **SCALE)[0].quantiles)


class Counting:
    """The shipped model, counting how often it is run."""

    def __init__(self) -> None:
        self.model, self.runs = default_service().model, 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self.model, name)

    def predict(self, *arguments: Any) -> Any:
        self.runs += 1
        return self.model.predict(*arguments)


def test_the_very_same_records_are_forecast_once(patient: pl.DataFrame) -> None:
    model = Counting()
    service = SymptomForecastingService(model)  # type: ignore[arg-type]
    first = service.forecast(patient, **SCALE)
    other = patient.with_columns(patient_id=pl.lit("p-2"))
    again = service.forecast(other, quantile_levels=(0.5,), **SCALE)
    assert model.runs == 1
    assert (first[0].patient_id, again[0].patient_id) == ("p-1", "p-2")
    np.testing.assert_array_equal(again[0].continuous_quantiles, first[0].continuous_quantiles)


@pytest.mark.parametrize(
    "change", [{"horizon": 13}, {"step": 4}, {"scale": (0, 17)}, {"worse": "low"}, {"dated": False}]
)
def test_another_question_is_another_forecast(patient: pl.DataFrame, change: dict[str, Any]) -> None:
    model = Counting()
    service = SymptomForecastingService(model)  # type: ignore[arg-type]
    service.forecast(patient, **SCALE)
    changed = service.forecast(patient, **(SCALE | change))
    assert model.runs == 2
    anew = SymptomForecastingService(default_service().model).forecast(patient, **(SCALE | change))
    np.testing.assert_array_equal(changed[0].continuous_quantiles, anew[0].continuous_quantiles)


def test_forecasts_are_forgotten_in_time(patient: pl.DataFrame) -> None:
    model = Counting()
    forgetful = SymptomForecastingService(model, cache_seconds=0)  # type: ignore[arg-type]
    short = SymptomForecastingService(model, cache_entries=1)  # type: ignore[arg-type]
    for _ in range(2):
        forgetful.forecast(patient, **SCALE)
    assert model.runs == 2
    for rows in (patient, patient[:40], patient):
        short.forecast(rows, **SCALE)
    assert model.runs == 5
    both = pl.concat([patient.with_columns(patient_id=pl.lit(name)) for name in ("a", "b")])
    for _ in range(2):
        short.forecast(both, **SCALE)
    assert model.runs == 7, "a batch larger than the memory is not remembered"
    for _ in range(2):
        short.forecast(patient[:50], **SCALE)
    assert model.runs == 8, "one that just fits is"


def test_the_configured_horizon_is_the_limit(service: SymptomForecastingService, patient: pl.DataFrame) -> None:
    week = SymptomForecastingService(service.model, max_horizon=7)
    assert week.forecast(patient, 7, **SCALE)[0].horizon == 7
    with pytest.raises(ValidationError, match="1 to 7 days"):
        week.forecast(patient, 8, **SCALE)


def test_a_known_instrument_needs_no_scale(service: SymptomForecastingService, patient: pl.DataFrame) -> None:
    named = patient.with_columns(symptom=pl.lit("PHQ-9"))
    known = service.forecast(named)[0]
    assert (known.scale.low, known.scale.high, known.scale.step) == (0, 27, 1)
    with pytest.raises(ValidationError, match="'symptom' is not a known instrument: give its range"):
        service.forecast(patient)


@pytest.mark.parametrize("scale", [(0,), "wide", 16, (0, 16, 1), ("a", "b"), (16, 0), (0, float("nan"))])
def test_scales_that_are_none_are_refused(
    service: SymptomForecastingService, patient: pl.DataFrame, scale: Any
) -> None:
    with pytest.raises(ValidationError):
        service.forecast(patient, scale=scale)


def test_values_off_the_scale_are_counted_not_named(service: SymptomForecastingService, patient: pl.DataFrame) -> None:
    off = int((patient["value"] > 3).sum())
    with pytest.raises(ValidationError, match=f"{off} values of 'symptom' are off its scale, which runs from 0 to 3"):
        service.forecast(patient, scale=(0, 3))


def test_nothing_to_forecast_says_why(service: SymptomForecastingService, patient: pl.DataFrame) -> None:
    with pytest.raises(InsufficientDataError, match="at least 4 days with reports are needed for a forecast, here are"):
        service.forecast(patient[:2], **SCALE)


def test_the_model_is_loaded_once_and_named(service: SymptomForecastingService) -> None:
    assert default_service() is service
    assert usual().model_version == usual()[0].model_version == service.model.version


def test_a_mapping_takes_every_option_of_forecast(service: SymptomForecastingService) -> None:
    mapping = {
        "patient_id": "p00000",
        "symptoms": long_frame(cohort()[:1]),
        "scale": (0, 16),
        "worse": "low",
        "quantile_levels": (0.1, 0.9),
    }
    (forecast,) = asyncio.run(service.generate_forecast(mapping))
    assert forecast.scale.worse == "low"
    assert forecast.quantile_levels.tolist() == [0.1, 0.9]
