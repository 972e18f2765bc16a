"""Earlier forecasts are held against what came: coverage, error, and whether warnings came true."""

import asyncio
from datetime import date, timedelta

import numpy as np
import pytest

from novamind.symptoms.domain import LEVELS, Scale
from novamind.twin import DigitalTwinIntegrationService, PatientTwin
from novamind.twin.tracking import ForecastMade, MemoryHistory, Snapshot, check
from tests.twin.people import TODAY, case, diary, record

START = TODAY - timedelta(days=9)


def forecast(**change: object) -> ForecastMade:
    """Ten days, normal-like quantiles from 5 to 15, so that the 80 % interval is about 6 to 14."""
    quantiles = np.tile(5 + 10 * LEVELS, (10, 1))
    days = np.arange(np.datetime64(START), np.datetime64(TODAY) + 1)
    plain = {
        "symptom": "PHQ-9",
        "scale": Scale(0, 27, step=1),
        "days": days,
        "quantiles": quantiles,
        "threshold": 15.0,
        "warned": 0.4,
        "model_version": "m",
        "history_until": START - timedelta(days=1),
    }
    return ForecastMade(**{**plain, **change})  # type: ignore[arg-type]


def test_coverage_and_error_are_counted() -> None:
    found = check(START, forecast(), case(symptoms=diary([10.0] * 5 + [14, 14, 15, 20, 6])))
    assert (found.reports, found.covered_80, found.covered_95) == (10, 0.8, 0.9)
    assert found.mean_error == pytest.approx((4 + 4 + 5 + 10 + 4) / 10)
    assert found.reached is True
    assert "it was reached" in found.sentence


def test_only_reported_days_count() -> None:
    found = check(START, forecast(), case(symptoms=diary([10.0, 10.0])))
    assert (found.reports, found.covered_80, found.mean_error, found.reached) == (2, 1.0, 0.0, False)
    nothing = check(START, forecast(), case())
    assert (nothing.reports, nothing.covered_80, nothing.reached) == (0, None, None)
    assert "nothing can be said" in nothing.sentence


def test_on_scales_where_low_is_worse_the_warning_looks_down() -> None:
    low = forecast(symptom="WHO-5", scale=Scale(0, 100, step=4, worse="low"), threshold=50.0)
    assert check(START, low, case(symptoms=diary([48.0], "WHO-5"))).reached is True
    assert check(START, low, case(symptoms=diary([52.0], "WHO-5"))).reached is False


def test_the_service_remembers_and_shows() -> None:
    service = DigitalTwinIntegrationService(today=lambda: TODAY)
    whole = diary([8.0, 9, 10, 9, 11, 12] * 12)

    def ask(rows: object) -> object:
        return asyncio.run(service.generate_comprehensive_patient_insights("p", record(symptoms=rows)))  # type: ignore[arg-type]

    first = ask(whole.head(60))
    assert first.tracking == ()  # type: ignore[attr-defined]
    second = ask(whole)
    (held,) = second.tracking  # type: ignore[attr-defined]
    assert (held.symptom, held.reports, held.replayed) == ("PHQ-9", 12, False)
    assert len(service.history.earlier("p")) == 2
    ask(whole)
    assert len(service.history.earlier("p")) == 2, "the same insights again are not another forecast"


def test_memory_is_bounded() -> None:
    history = MemoryHistory()
    for day in range(60):
        history.keep(Snapshot("p", date.fromordinal(700_000 + day), ()))
    assert len(history.earlier("p")) == 50
    assert history.earlier("p")[-1].made_on == date.fromordinal(700_059)


def test_a_replay_uses_nothing_of_the_days_it_forecasts() -> None:
    calm = [8.0, 9, 10, 9, 11, 12] * 10
    storm = PatientTwin(record(symptoms=diary([*calm, *[27.0] * 14])), today=TODAY).replayed(14)
    still = PatientTwin(record(symptoms=diary([*calm, *[9.0] * 14])), today=TODAY).replayed(14)
    assert (storm[0].covered_95, still[0].covered_95) == (0.0, 1.0)
    assert storm[0].warned == still[0].warned
    assert storm[0].replayed
