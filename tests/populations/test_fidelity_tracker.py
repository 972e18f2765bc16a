"""Grades: every figure by hand, every indicator and grade on both sides of its limit."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import numpy as np
import pytest

from novamind.errors import InsufficientDataError, NotFoundError, ValidationError
from novamind.populations import FidelityTracker
from novamind.populations.fidelity import fidelity_tracker
from novamind.populations.fidelity.fidelity_tracker import DriftReport, grade
from novamind.populations.results import FidelityReport
from tests.populations import by_hand

NAN = by_hand.NAN


def test_every_figure_of_a_grade() -> None:
    predicted = np.array([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 50, 60.0])
    actual = np.array([2, 1, 3, 6, 5, 5, 7, 9, 9, 14, NAN, np.inf])
    found = grade(predicted, actual, predicted - 1, predicted + 2)
    p, a = predicted[:10], actual[:10]
    error = [1, -1, 0, 2, 0, -1, 0, 1, 0, 4]
    centre = np.array([np.mean(p), np.mean(a)])
    cross = ((p - centre[0]) * (a - centre[1])).sum()
    assert found.mae == pytest.approx(1.0)
    assert found.rmse == pytest.approx(np.sqrt(24 / 10))
    assert found.bias == pytest.approx(np.mean(error)) == pytest.approx(0.6)
    assert found.correlation == pytest.approx(
        cross / np.sqrt(((p - centre[0]) ** 2).sum() * ((a - centre[1]) ** 2).sum())
    )
    assert found.calibration_slope == pytest.approx(cross / ((p - centre[0]) ** 2).sum())
    assert found.coverage_95 == 0.9  # -1 and +2 lie on the limits, which belong to the interval
    assert (found.sample_size, found.missing) == (10, 2)
    assert found.grade == "excellent"
    assert (found.model_id, found.population_id, found.measured_at, found.warnings) == (None, None, None, ())


@pytest.mark.parametrize("known", [9, 10])
def test_ten_outcomes_are_enough(known: int) -> None:
    predicted = np.arange(12.0)
    actual = np.where(np.arange(12) < known, predicted + np.arange(12) % 2, NAN)
    if known < 10:
        with pytest.raises(InsufficientDataError, match="at least 10 known outcomes; there are 9"):
            grade(predicted, actual, predicted, predicted)
    else:
        assert grade(predicted, actual, predicted, predicted).sample_size == 10


@pytest.mark.parametrize(("last", "outliers"), [(3.0 * 1.4826, 0), (3.001 * 1.4826, 1), (-3.001 * 1.4826, 1)])
def test_an_outlier_is_an_error_of_more_than_three_robust_standard_deviations(last: float, outliers: int) -> None:
    error = np.array([last, -1, -1, -1, -1, 0, 0, 0, 1, 1, 1, 1])  # median 0, median distance 1
    predicted = np.arange(12.0)
    assert grade(predicted, predicted + error, predicted, predicted).outliers == outliers


def test_where_every_prediction_is_off_by_as_much_none_is_an_outlier() -> None:
    error = np.array([9, -1, -1, -1, -1, 0, 0, 0, 1, 1, 1, 1.0]) + 100
    predicted = np.arange(12.0)
    assert grade(predicted, predicted + error, predicted, predicted).outliers == 1


def test_where_most_errors_are_equal_the_standard_deviation_stands_in() -> None:
    predicted = np.arange(100.0)
    few = np.where(np.arange(100) < 2, 5.0, 0.0)  # standard deviation 0.7, so that 5 is more than three of them
    assert grade(predicted, predicted + few, predicted, predicted).outliers == 2
    many = np.where(np.arange(100) < 20, 5.0, 0.0)  # standard deviation 2
    assert grade(predicted, predicted + many, predicted, predicted).outliers == 0
    assert grade(predicted, predicted + 1.0, predicted, predicted).outliers == 0


def test_a_perfect_prediction_and_one_that_does_not_vary() -> None:
    predicted = np.arange(10.0)
    perfect = grade(predicted, predicted + 1e-13, predicted, predicted + 1)
    assert (perfect.grade, perfect.correlation, perfect.calibration_slope, perfect.outliers) == ("perfect", 1.0, 1.0, 0)
    assert perfect.warnings == ()
    large = 1e6 * np.arange(10.0)  # a millionth of a millionth of the largest outcome is nothing
    assert grade(large, large + 5e-6, large, large + 1).grade == "perfect"
    assert grade(large, large + np.r_[np.zeros(9), 1.3e-5], large, large + 1).grade == "excellent"
    same = grade(np.ones(10), predicted, predicted, predicted)
    assert (same.correlation, same.calibration_slope, same.grade) == (0.0, 0.0, "poor")
    flat = grade(predicted, np.ones(10), predicted, predicted)
    assert (flat.correlation, flat.calibration_slope) == (0.0, 0.0)


@pytest.mark.parametrize(
    ("correlation", "name"),
    [
        (1.0, "excellent"),
        (0.9, "excellent"),
        (0.8999, "good"),
        (0.8, "good"),
        (0.7999, "fair"),
        (0.6, "fair"),
        (0.5999, "poor"),
        (-1.0, "poor"),
    ],
)
def test_the_grade_follows_the_correlation(correlation: float, name: str) -> None:
    assert fidelity_tracker._grade(correlation) == name


@pytest.mark.parametrize(
    ("changes", "baseline", "sentences"),
    [
        ({}, 0.1, []),
        ({"mae": 1.2 * 0.5}, 0.5, []),
        ({"mae": 0.6001}, 0.5, ["20 % above"]),
        ({"mae": 99.0}, None, []),
        ({"correlation": 0.7}, None, []),
        ({"correlation": 0.6999}, None, ["below 0.7"]),
        ({"coverage_95": 0.9}, None, []),
        ({"coverage_95": 0.8999}, None, ["less than 90 %"]),
        ({"mae": 1.0, "correlation": 0.0, "coverage_95": 0.0}, 0.5, ["20 % above", "below 0.7", "less than 90 %"]),
    ],
)
def test_the_specified_indicators_on_both_sides(
    changes: dict[str, Any], baseline: float | None, sentences: list[str]
) -> None:
    found = fidelity_tracker._indicators(by_hand.graded(**changes), baseline)
    assert len(found) == len(sentences)
    assert all(part in sentence for part, sentence in zip(sentences, found, strict=True))


def test_a_grade_carries_its_own_indicators() -> None:
    predicted = np.arange(20.0)
    found = grade(predicted, predicted[::-1], predicted, predicted)
    assert len(found.warnings) == 2
    assert found.correlation == pytest.approx(-1.0)


@pytest.fixture
def tracker() -> FidelityTracker:
    made = FidelityTracker()
    made.register(by_hand.population())
    return made


def test_one_outcome_is_noted_with_actual_less_predicted(tracker: FidelityTracker) -> None:
    twin = by_hand.population().twin_id(3)
    before = datetime.now(UTC)
    record = tracker.track(twin, 1.5, 1.25)
    assert record is not None
    assert (record.twin_id, record.predicted, record.actual, record.error) == (twin, 1.5, 1.25, -0.25)
    assert before <= record.tracked_at <= datetime.now(UTC)
    assert tracker.track(twin, 1.0, None) is None
    assert tracker.track(twin, 1.0, NAN) is None
    later = tracker.track(twin, 2.0, 2.0)
    assert tracker.history(twin) == (record, later)
    assert tracker.history(by_hand.population().twin_id(4)) == ()
    for predicted in (NAN, float("inf")):
        with pytest.raises(ValidationError, match="predicted value must be a number"):
            tracker.track(twin, predicted, 1.0)


def test_a_population_is_graded_by_row_or_by_twin(tracker: FidelityTracker) -> None:
    population = by_hand.population()
    actual = population.baseline_behavior.tolist()
    report = tracker.calculate_fidelity(population.population_id, [None, *actual[1:]])
    assert (report.sample_size, report.missing) == (11, 1)
    assert report.mae == pytest.approx(np.abs(population.baseline_behavior - population.expected_outcome)[1:].mean())
    assert (report.model_id, report.population_id) == (population.model_id, population.population_id)
    assert report.measured_at is not None
    assert abs(datetime.now(UTC) - report.measured_at) < timedelta(minutes=5)
    low, high = population.outcome_low, population.outcome_high
    inside = (low <= population.baseline_behavior) & (population.baseline_behavior <= high)
    assert report.coverage_95 == pytest.approx(inside[1:].mean())
    by_twin = {population.twin_id(i): actual[i] for i in reversed(range(1, 12))}
    again = tracker.calculate_fidelity(population.population_id, by_twin)
    assert replace(again, measured_at=None) == replace(report, measured_at=None)
    assert tracker.snapshots(population.population_id) == (report, again)
    assert tracker.snapshots(UUID(int=1)) == ()


@pytest.mark.parametrize(
    ("actual", "message"),
    [
        (["high"] * 12, "outcomes must be numbers"),
        (12.0, "outcomes must be numbers"),
        ([1.0] * 11, "11 outcomes for 12 twins"),
        ([1.0] * 13, "13 outcomes for 12 twins"),
    ],
)
def test_outcomes_that_do_not_fit_are_refused(tracker: FidelityTracker, actual: Any, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        tracker.calculate_fidelity(by_hand.POPULATION_ID, actual)


def test_a_population_that_is_not_registered_comes_from_the_ledger() -> None:
    class Ledger(fidelity_tracker._Memory):
        asked = 0

        def load_population(self, population_id: UUID) -> Any:
            assert population_id == by_hand.POPULATION_ID
            self.asked += 1
            return by_hand.population()

    ledger = Ledger()
    tracker = FidelityTracker(ledger)
    for _ in range(2):
        tracker.calculate_fidelity(by_hand.POPULATION_ID, by_hand.population().baseline_behavior)
    assert ledger.asked == 1
    with pytest.raises(NotFoundError, match=r"register\(\) it first"):
        FidelityTracker().calculate_fidelity(by_hand.POPULATION_ID, [1.0])


def test_a_model_is_graded_by_the_latest_of_each_population_weighted_by_outcomes() -> None:
    tracker = FidelityTracker()
    one, two = by_hand.POPULATION_ID, UUID(int=2)
    old = by_hand.graded(mae=9.0, warnings=("old",))
    latest = by_hand.graded(warnings=("a", "b"), correlation=0.95)
    other = by_hand.graded(
        mae=0.4,
        rmse=0.6,
        correlation=0.55,
        coverage_95=0.75,
        sample_size=300,
        missing=1,
        outliers=5,
        bias=-0.03,
        calibration_slope=0.5,
        warnings=("b", "c"),
        population_id=two,
    )
    elsewhere = by_hand.graded(mae=7.0, model_id=UUID(int=9), population_id=UUID(int=3))
    for report in (old, latest, other, elsewhere):
        tracker._ledger.save_snapshot(report)
    found = tracker.model_report(by_hand.MODEL_ID)
    assert found.mae == pytest.approx((100 * 0.1 + 300 * 0.4) / 400)
    assert found.rmse == pytest.approx(np.sqrt((100 * 0.04 + 300 * 0.36) / 400))
    assert found.correlation == pytest.approx(0.65)
    assert found.coverage_95 == pytest.approx(0.8)
    assert found.bias == pytest.approx(-0.02)
    assert found.calibration_slope == pytest.approx(0.6)
    assert (found.sample_size, found.missing, found.outliers, found.grade) == (400, 5, 7, "fair")
    assert found.warnings == ("a", "b", "c")
    assert (found.model_id, found.population_id) == (by_hand.MODEL_ID, None)
    assert tracker.snapshots(one) == (old, latest)
    with pytest.raises(NotFoundError, match="has been graded yet"):
        tracker.model_report(UUID(int=4))


SOUND = np.random.default_rng(4).normal(size=200)


def test_two_reports_give_indicators_and_no_decision() -> None:
    found = FidelityTracker().check_drift(by_hand.graded(mae=0.7, correlation=0.5), by_hand.graded(mae=0.5))
    assert (found.retrain, found.evidence, found.alpha, found.alarm_week) == (False, 0.0, 0.03, None)
    assert len(found.indicators) == 2
    assert FidelityTracker().check_drift(by_hand.graded(mae=0.6), by_hand.graded(mae=0.5)).indicators == ()


@pytest.mark.parametrize(("current", "baseline"), [(by_hand.graded(), SOUND), (SOUND, by_hand.graded())])
def test_a_report_beside_errors_is_refused(current: Any, baseline: Any) -> None:
    with pytest.raises(ValidationError, match="errors for both current and baseline, or reports for both"):
        FidelityTracker().check_drift(current, baseline)


def drifted(current: Any, **options: Any) -> DriftReport:
    return FidelityTracker().check_drift(current, SOUND, **options)


def test_errors_are_taken_as_one_week_or_as_a_list_of_weeks() -> None:
    weeks = [np.r_[SOUND[:40], NAN], np.zeros(0), 9 * SOUND[40:90]]
    found = drifted(weeks)
    assert (found.retrain, found.alarm_week) == (True, 3)
    assert found.evidence >= 1
    assert drifted(np.concatenate(weeks)).alarm_week == 1
    assert drifted(9.0 * SOUND[:50]).alarm_week == 1
    assert not drifted([SOUND[:20], SOUND[20:40]]).retrain
    assert (
        drifted([SOUND[:20].tolist(), SOUND[20:40].tolist()]).evidence == drifted([SOUND[:20], SOUND[20:40]]).evidence
    )
    assert drifted(SOUND[:20].tolist()).evidence == drifted(SOUND[:20]).evidence
    assert drifted([]).evidence == 0.0
    assert drifted(SOUND[:20], alpha=0.2).alpha == 0.2
    assert drifted(SOUND[:20], alpha=0.2).evidence > drifted(SOUND[:20]).evidence


@pytest.mark.parametrize(("times", "noted"), [(1.2001, True), (1.1999, False)])
def test_a_mean_error_of_a_fifth_more_is_noted(times: float, noted: bool) -> None:
    size = np.abs(SOUND).mean()
    found = drifted(np.array([times, -times, NAN]) * size)
    assert found.indicators == (("Mean absolute error is more than 20 % above the baseline.",) if noted else ())
    assert drifted(np.array([NAN])).indicators == ()


def test_training_again_is_called_once_and_only_by_the_alarm() -> None:
    called: list[int] = []
    drifted([9 * SOUND[:50], 9 * SOUND[:50]], retrain=lambda: called.append(1))
    assert called == [1]
    drifted(SOUND[:50], retrain=lambda: called.append(1))
    assert called == [1]
    assert drifted(9 * SOUND[:50]).retrain


def test_the_memory_keeps_reports_by_population_and_model() -> None:
    memory = fidelity_tracker._Memory()
    reports = [by_hand.graded(population_id=UUID(int=p), model_id=UUID(int=m)) for p, m in ((1, 1), (2, 1), (2, 2))]
    for report in reports:
        memory.save_snapshot(report)

    def kept(**which: UUID) -> tuple[FidelityReport, ...]:
        return memory.fidelity_snapshots(**which)

    assert kept() == tuple(reports)
    assert kept(population_id=UUID(int=2)) == tuple(reports[1:])
    assert kept(model_id=UUID(int=1)) == tuple(reports[:2])
    assert kept(population_id=UUID(int=2), model_id=UUID(int=1)) == (reports[1],)
