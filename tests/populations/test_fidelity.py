import numpy as np
import pytest

from novamind.errors import InsufficientDataError, NotFoundError, ValidationError
from novamind.populations import FidelityTracker
from novamind.populations.fidelity.drift import SequentialDriftTest


def test_false_alarms_stay_below_five_percent_a_year():
    false = 0
    for seed in range(200):
        rng = np.random.default_rng(seed)
        quiet = SequentialDriftTest(rng.standard_t(6, 2_000), seed=seed)
        false += any(quiet.update(rng.standard_t(6, 30)) for _ in range(52))
    assert false <= 12  # Binomial(200, 0.03): more than 12 has a chance below 1 %.


def test_larger_errors_are_found_within_weeks():
    found = []
    for seed in range(200):
        rng = np.random.default_rng(1_000 + seed)
        loud = SequentialDriftTest(rng.standard_t(6, 2_000), seed=seed)
        while loud.week < 52 and not loud.update(1.2 * rng.standard_t(6, 100)):
            pass
        found.append(loud.alarm_week or 99)
    assert np.median(found) <= 3


def test_ranks_are_uniform_while_nothing_changes():
    rng = np.random.default_rng(1)
    test = SequentialDriftTest(rng.normal(size=100))
    ranks = test._rank(rng.normal(size=4_000))
    assert np.abs(np.histogram(ranks, 10, (0, 1))[0] - 400).max() < 90


def test_a_perfect_prediction_is_graded_perfect_and_missing_outcomes_are_counted(population):
    tracker = FidelityTracker()
    tracker.register(population)
    actual = population.expected_outcome.copy()
    actual[:7] = np.nan
    report = tracker.calculate_fidelity(population.population_id, actual)
    assert (report.grade, report.mae, report.correlation, report.missing) == ("perfect", 0.0, 1.0, 7)


def test_coverage_calibration_and_history(population):
    tracker = FidelityTracker()
    tracker.register(population)
    report = tracker.calculate_fidelity(population.population_id, population.baseline_behavior)
    assert report.coverage_95 == pytest.approx(0.95, abs=0.02)
    assert report.calibration_slope == pytest.approx(1.0, abs=0.1)
    by_id = {population.twin_id(i): float(population.baseline_behavior[i]) for i in range(50)}
    assert tracker.calculate_fidelity(population.population_id, by_id).sample_size == 50
    assert len(tracker.snapshots(population.population_id)) == 2
    record = tracker.track(population.twin_id(3), 1.0, 1.5)
    assert record.error == 0.5
    assert tracker.track(population.twin_id(3), 1.0, None) is None
    assert tracker.history(population.twin_id(3)) == (record,)


def test_drift_triggers_retraining_and_only_the_test_does():
    rng = np.random.default_rng(0)
    called = []
    sound = rng.normal(size=500)
    report = FidelityTracker().check_drift(
        [2 * rng.normal(size=100) for _ in range(3)], sound, retrain=lambda: called.append(1)
    )
    assert report.retrain
    assert called == [1]
    assert "20 %" in report.indicators[0]
    assert not FidelityTracker().check_drift(rng.normal(size=30), sound).retrain


def test_bad_input_is_refused(population):
    tracker = FidelityTracker()
    with pytest.raises(NotFoundError, match="register"):
        tracker.calculate_fidelity(population.population_id, [1.0])
    tracker.register(population)
    with pytest.raises(ValidationError, match="one per twin"):
        tracker.calculate_fidelity(population.population_id, [1.0])
    with pytest.raises(InsufficientDataError, match="at least 10"):
        tracker.calculate_fidelity(population.population_id, np.full(len(population), np.nan))
    with pytest.raises(InsufficientDataError, match="50"):
        SequentialDriftTest(np.zeros(3))
