"""Earlier forecasts are held against what came: coverage, error, and whether warnings came true."""

import asyncio
from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest

from novamind.symptoms.domain import LEVELS, Scale
from novamind.twin import DigitalTwinIntegrationService, PatientTwin
from novamind.twin.analyses import SYMPTOMS
from novamind.twin.domain import Options, Status
from novamind.twin.results import Insights
from novamind.twin.tracking import ForecastMade, MemoryHistory, Snapshot, check, made, snapshot, threshold_of
from tests.twin.people import PHQ9, TODAY, WHO5, available, case, diary, record
from tests.twin.people import forecast as made_up

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


# -- which cut-off is warned of, and what is kept of a forecast


@pytest.mark.parametrize(
    ("history", "cut"),
    [
        ([4.0] * 20, 5),
        ([5.0] * 20, 10),  # at a cut-off it is reached already, and the next one counts
        ([9.0] * 20, 10),
        ([19.0] * 20, 20),
        ([20.0] * 20, 20),  # beyond the worst it stays that one
        ([4.0] * 20 + [12.0] * 14, 15),
        ([12.0] + [4.0] * 14, 5),  # what is older than two weeks does not count
        ([12.0] * 7 + [4.0] * 6, 15),
        ([12.0, 12, 14] + [float("nan")] * 20, 15),  # nothing recent: all of it
        ([4.0] * 20 + [float("nan")] * 13 + [12.0], 15),
    ],
)
def test_the_cut_off_that_is_warned_of_is_the_next_one_beyond_the_recent_median(
    history: list[float], cut: float
) -> None:
    assert threshold_of(made_up(history)) == cut


@pytest.mark.parametrize(("level", "cut"), [(60.0, 50), (52.0, 50), (50.0, 50), (12.0, 50)])
def test_on_a_scale_where_low_is_worse_the_next_cut_off_is_below(level: float, cut: float) -> None:
    assert threshold_of(made_up([level] * 20, "WHO-5", WHO5, middle=level)) == cut


def test_without_published_cut_offs_nothing_is_warned_of() -> None:
    assert threshold_of(made_up([5.0] * 20, "mood")) is None
    kept = made(made_up([5.0] * 20, "mood"))
    assert (kept.threshold, kept.warned) == (None, None)


def test_of_a_forecast_is_kept_what_can_turn_out_right_or_wrong() -> None:
    given = made_up([12.0] * 20, middle=12, drift=0.5, spread=4)
    kept = made(given)
    assert (kept.symptom, kept.scale, kept.threshold, kept.model_version) == ("PHQ-9", PHQ9, 15, "symptoms-test")
    assert kept.history_until == TODAY
    assert [str(day) for day in kept.days] == [f"2025-06-{day:02d}" for day in range(2, 7)]
    assert np.array_equal(kept.quantiles, given.continuous_quantiles)
    # Straight quantiles from 10 to 18 on the last day: 14.5 and more has 3.5 / 8 of them.
    assert kept.warned == pytest.approx(3.5 / 8)


def test_a_snapshot_holds_every_forecast_and_there_is_none_without() -> None:
    results = available(SYMPTOMS, (made_up([5.0] * 20), made_up([5.0] * 20, "mood")))
    insights = Insights("p", START, Options(), results, ())
    kept = snapshot(insights)
    assert kept is not None
    assert (kept.patient_id, kept.made_on) == ("p", START)
    assert [one.symptom for one in kept.forecasts] == ["PHQ-9", "mood"]
    assert snapshot(replace(insights, results={})) is None
    failed = {SYMPTOMS: replace(results[SYMPTOMS], status=Status.FAILED)}
    assert snapshot(replace(insights, results=failed)) is None


# -- the check at its edges


@pytest.mark.parametrize(
    ("value", "in_80", "in_95"),
    [(5.0, 0, 1), (4.0, 0, 0), (6.0, 1, 1), (14.0, 1, 1), (15.0, 0, 1), (16.0, 0, 0), (10.0, 1, 1)],
)
def test_the_ends_of_an_interval_are_inside_of_it(value: float, in_80: int, in_95: int) -> None:
    """Quantiles at p are 5 + 10 p: 80 % from 6 to 14, 95 % from 5.25 to 14.75, which on whole points is 5 to 15."""
    found = check(TODAY, forecast(), case(symptoms=diary([value])))
    assert (found.covered_80, found.covered_95) == (in_80, in_95)


def test_several_reports_of_a_day_count_as_their_mean_and_one_without_a_number_not_at_all() -> None:
    twice = (
        diary([4.0]).vstack(diary([9.0])).with_columns(timestamp=pl.Series(["2025-06-01T08:00", "2025-06-01T20:00"]))
    )
    found = check(START, forecast(), case(symptoms=twice))
    assert (found.reports, found.mean_error) == (1, pytest.approx(3.5))
    unanswered = check(START, forecast(), case(symptoms=diary([float("nan"), 12.0])))
    assert (unanswered.reports, unanswered.mean_error) == (1, 2.0)


@pytest.mark.parametrize(("value", "reached"), [(14.0, False), (15.0, True), (16.0, True)])
def test_a_threshold_is_reached_from_the_score_itself_on(value: float, reached: bool) -> None:
    assert check(TODAY, forecast(), case(symptoms=diary([value]))).reached is reached


@pytest.mark.parametrize(("value", "reached"), [(48.0, True), (50.0, True), (52.0, False)])
def test_and_down_to_the_score_itself_where_low_is_worse(value: float, reached: bool) -> None:
    low = forecast(symptom="WHO-5", scale=replace(WHO5, step=None), threshold=50.0)
    assert check(TODAY, low, case(symptoms=diary([value], "WHO-5"))).reached is reached


def test_one_day_of_several_is_enough_and_without_a_threshold_nothing_is_reached() -> None:
    assert check(START, forecast(), case(symptoms=diary([5.0, 15, 5]))).reached is True
    assert check(START, forecast(threshold=None), case(symptoms=diary([5.0, 15, 5]))).reached is None


def test_a_check_carries_what_it_checks() -> None:
    found = check(START, forecast(), case(symptoms=diary([10.0])), replayed=True)
    assert (found.symptom, found.made_on, found.days) == ("PHQ-9", START, 10)
    assert (found.threshold, found.warned, found.model_version, found.replayed) == (15.0, 0.4, "m", True)
    assert not check(START, forecast(), case()).replayed


def test_a_memory_keeps_each_patients_own() -> None:
    history = MemoryHistory()
    history.keep(Snapshot("p", TODAY, ()))
    history.keep(Snapshot("q", START, ()))
    history.keep(Snapshot("p", START, ()))
    assert [one.made_on for one in history.earlier("p")] == [TODAY, START]
    assert [one.made_on for one in history.earlier("q")] == [START]
    assert history.earlier("r") == ()
