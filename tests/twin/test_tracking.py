"""Earlier forecasts are held against what came: coverage, error, whether warnings came true, what has changed."""

import asyncio
from dataclasses import replace
from datetime import date, timedelta

import polars as pl
import pytest

from novamind.symptoms.domain import Scale
from novamind.twin import DigitalTwinIntegrationService, PatientTwin
from novamind.twin.analyses import BIOMETRICS, SYMPTOMS
from novamind.twin.case import Case
from novamind.twin.domain import (
    CHECKED_LEVELS,
    Changes,
    Evidence,
    ForecastCheck,
    ForecastMade,
    Options,
    Priority,
    Recommendation,
    RecommendationMade,
    Snapshot,
    Status,
)
from novamind.twin.results import Insights
from novamind.twin.tracking import (
    KEPT,
    MemoryHistory,
    changes,
    daily_reports,
    forecast_made,
    snapshot,
    threshold_of,
    track,
)
from novamind.twin.tracking import check as check_reports
from tests.twin.people import PHQ9, TODAY, WHO5, available, case, diary, record
from tests.twin.people import forecast as made_up

START = TODAY - timedelta(days=9)


def forecast(**change: object) -> ForecastMade:
    """Ten days, the median at 10, the 80 % interval from 6 to 14 and that of 95 % from 5 to 15."""
    plain = {
        "symptom": "PHQ-9",
        "scale": Scale(0, 27, step=1),
        "days": tuple(START + timedelta(days=i) for i in range(10)),
        "quantiles": ((5.0, 6.0, 10.0, 14.0, 15.0),) * 10,
        "threshold": 15.0,
        "warned": 0.4,
        "model_version": "m",
        "history_until": START - timedelta(days=1),
    }
    return ForecastMade(**{**plain, **change})  # type: ignore[arg-type]


def check(made_on: date, one: ForecastMade, of: Case, replayed: bool = False) -> ForecastCheck:
    return check_reports(made_on, one, daily_reports(of).get(one.symptom, {}), replayed)


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
    for day in range(KEPT + 10):
        history.keep(Snapshot("p", date.fromordinal(700_000 + day), ()))
    assert KEPT == 400
    assert [one.made_on.toordinal() - 700_000 for one in history.earlier("p")] == [*range(10, 410)]


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
    kept = forecast_made(made_up([5.0] * 20, "mood"))
    assert (kept.threshold, kept.warned) == (None, None)


def test_of_a_forecast_is_kept_what_can_turn_out_right_or_wrong() -> None:
    given = made_up([12.0] * 20, middle=12, drift=0.5, spread=4)
    kept = forecast_made(given)
    assert (kept.symptom, kept.scale, kept.threshold, kept.model_version) == ("PHQ-9", PHQ9, 15, "symptoms-test")
    assert kept.history_until == TODAY
    assert [str(day) for day in kept.days] == [f"2025-06-{day:02d}" for day in range(2, 7)]
    wide, narrow = given.interval(0.95), given.interval(0.8)
    bounds = zip(wide.low, narrow.low, given.median, narrow.high, wide.high, strict=True)
    assert kept.quantiles == tuple(bounds), "the bounds that people saw"
    assert CHECKED_LEVELS == (0.025, 0.1, 0.5, 0.9, 0.975)
    # Straight quantiles from 10 to 18 on the last day: 14.5 and more has 3.5 / 8 of them.
    assert kept.warned == pytest.approx(3.5 / 8)


def test_what_is_kept_of_a_scale_without_steps_is_rounded_so_that_machines_agree() -> None:
    plain = made_up([5.0] * 20, "mood", Scale(0, 10), middle=1 / 3)
    other = replace(plain, continuous_quantiles=plain.continuous_quantiles + 1e-9)
    moved = replace(plain, continuous_quantiles=plain.continuous_quantiles + 1e-3)
    assert forecast_made(other) == forecast_made(plain) != forecast_made(moved)
    assert forecast_made(plain).quantiles[0][2] == 0.333333


ADVICE = Recommendation(Priority.SOON, "topic", "text", (Evidence("s", "says", "source"),), "high", "why")


def insights(*said: Recommendation, made_on: date = START) -> Insights:
    results = available(SYMPTOMS, (made_up([5.0] * 20), made_up([5.0] * 20, "mood")))
    return Insights("p", made_on, Options(), results, said)


def test_a_snapshot_holds_every_forecast_and_recommendation_and_there_is_none_where_nothing_answered() -> None:
    given = insights(ADVICE)
    kept = snapshot(given)
    assert kept is not None
    assert (kept.patient_id, kept.made_on, kept.options) == ("p", START, Options())
    assert [one.symptom for one in kept.forecasts] == ["PHQ-9", "mood"]
    assert kept.recommendations == (RecommendationMade(Priority.SOON, "topic", "text"),)
    assert kept.model_versions == given.model_versions == {SYMPTOMS: "v1"}
    assert snapshot(insights(ADVICE)) == kept
    assert snapshot(replace(given, results={})) is None
    failed = {SYMPTOMS: replace(given.results[SYMPTOMS], status=Status.FAILED)}
    assert snapshot(replace(given, results=failed)) is None
    elsewhere = snapshot(replace(given, results=failed | available(BIOMETRICS, ())))
    assert elsewhere is not None
    assert (elsewhere.forecasts, len(elsewhere.recommendations)) == ((), 1)


# -- what has changed


@pytest.mark.parametrize(
    ("now", "begun", "ended"),
    [
        ((ADVICE,), [], []),
        ((replace(ADVICE, text="another number"),), [], []),
        ((replace(ADVICE, priority=Priority.TODAY),), ["topic"], []),
        ((replace(ADVICE, priority=Priority.NEXT_VISIT),), [], []),
        ((replace(ADVICE, topic="new"), ADVICE), ["new"], []),
        ((), [], ["topic"]),
        ((replace(ADVICE, topic="new"),), ["new"], ["topic"]),
    ],
    ids=["same", "other words", "more urgent", "less urgent", "one more", "one less", "another"],
)
def test_what_is_recommended_anew_or_no_more_is_a_change(
    now: tuple[Recommendation, ...], begun: list[str], ended: list[str]
) -> None:
    before = snapshot(insights(ADVICE))
    assert before is not None
    found = changes(insights(*now, made_on=TODAY), (before,))
    assert found is not None
    assert (found.since, [one.topic for one in found.begun], [one.topic for one in found.ended]) == (
        START,
        begun,
        ended,
    )


def test_changes_are_since_the_last_earlier_day_with_the_same_question_and_the_same_services() -> None:
    base = snapshot(insights(ADVICE))
    assert base is not None
    days = [replace(base, made_on=TODAY - timedelta(days=ago)) for ago in (5, 3, 0)]
    strangers = [
        replace(days[1], options=Options(forecast_days=7)),
        replace(days[1], model_versions={SYMPTOMS: "v1", BIOMETRICS: "1"}),
    ]
    now = insights(ADVICE, made_on=TODAY)
    assert changes(now, days) == Changes(TODAY - timedelta(days=3), (), ())
    assert changes(now, [days[0], *strangers]) == Changes(TODAY - timedelta(days=5), (), ())
    other_version = replace(days[1], model_versions={SYMPTOMS: "older"})
    assert changes(now, [days[0], other_version]) == Changes(TODAY - timedelta(days=3), (), ())
    assert changes(now, [*strangers, days[2]]) is None
    assert changes(now, ()) is None


# -- which forecasts are held against what


def test_a_forecast_that_was_given_again_is_one_forecast() -> None:
    rows = case(symptoms=diary([10.0] * 10))
    first, again = Snapshot("p", START, (forecast(),)), Snapshot("p", TODAY, (forecast(), forecast(warned=0.5)))
    assert [(one.made_on, one.warned) for one in track([first, again], rows)] == [(START, 0.4), (TODAY, 0.5)]


@pytest.mark.parametrize(("last", "count"), [(START - timedelta(days=1), 0), (START, 1), (TODAY, 1)])
def test_a_forecast_is_held_against_later_reports_of_its_own_series(last: date, count: int) -> None:
    earlier = [Snapshot("p", START, (forecast(), forecast(symptom="GAD-7")))]
    assert [one.symptom for one in track(earlier, case(symptoms=diary([9.0] * 5, end=last)))] == ["PHQ-9"] * count
    assert track(earlier, case()) == ()


def test_reports_count_as_they_are_now() -> None:
    earlier = [Snapshot("p", START, (forecast(),))]
    before, after = ([10.0, 27.0, 10], [10.0, 12.0, 10])
    assert [one.mean_error for one in track(earlier, case(symptoms=diary(before)))] == [pytest.approx(17 / 3)]
    assert [one.mean_error for one in track(earlier, case(symptoms=diary(after)))] == [pytest.approx(2 / 3)]


def test_a_report_off_its_scale_is_held_against_nothing() -> None:
    (found,) = track([Snapshot("p", START, (forecast(),))], case(symptoms=diary([10.0, 270, 11])))
    assert (found.reports, found.mean_error) == (2, 0.5)


def test_what_somebody_else_remembers_is_counted_and_not_kept_here() -> None:
    service = DigitalTwinIntegrationService([], today=lambda: TODAY)
    service.history.keep(Snapshot("p", START, (forecast(),)))
    asked = case(symptoms=diary([10.0]))

    def tracked(*given: object) -> list[str]:
        found = asyncio.run(service.insights(asked, None, *given))  # type: ignore[arg-type]
        return [one.model_version for one in found.tracking]

    assert tracked() == ["m"]
    assert tracked(()) == []
    assert tracked([Snapshot("p", START, (forecast(model_version="theirs"),))]) == ["theirs"]
    whole = DigitalTwinIntegrationService(today=lambda: TODAY)
    asked = case(symptoms=diary([8.0, 9, 10, 9, 11, 12] * 10))
    asyncio.run(whole.insights(asked, None, ()))
    assert whole.history.earlier("p") == ()


# -- the check at its edges


@pytest.mark.parametrize(
    ("value", "in_80", "in_95"),
    [(5.0, 0, 1), (4.0, 0, 0), (6.0, 1, 1), (14.0, 1, 1), (15.0, 0, 1), (16.0, 0, 0), (10.0, 1, 1)],
)
def test_the_ends_of_an_interval_are_inside_of_it(value: float, in_80: int, in_95: int) -> None:
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
