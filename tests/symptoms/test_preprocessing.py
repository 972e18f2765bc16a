"""Histories are cut so that no row holds a day after its origin, and none loses one before it."""

import numpy as np
import pytest

from novamind.symptoms.forecaster.preprocessing import LOOKBACK_DAYS, Histories, stack_right, unit_steps, windows


def test_series_are_aligned_on_their_last_day() -> None:
    stacked = stack_right([np.array([1.0, 2.0], np.float32), np.array([3.0, np.nan, 4.0], np.float32)])
    np.testing.assert_array_equal(stacked, [[np.nan, 1, 2], [3, np.nan, 4]])


def test_only_the_lookback_is_kept() -> None:
    long = np.arange(LOOKBACK_DAYS + 30, dtype=np.float32)
    stacked = stack_right([long, long[:5]])
    assert stacked.shape == (2, LOOKBACK_DAYS)
    np.testing.assert_array_equal(stacked[0], long[30:])
    np.testing.assert_array_equal(stacked[1, -5:], long[:5])


@pytest.mark.parametrize("origin", [1, 30, 59, 60])
def test_windows_part_history_from_outcome(origin: int) -> None:
    reports = np.arange(120, dtype=np.float32).reshape(2, 60)
    histories, future = windows(reports, np.array([0, 6]), np.array([0.1, 0.0], np.float32), origin, 14)
    np.testing.assert_array_equal(histories.values, reports[:, :origin])
    np.testing.assert_array_equal(histories.weekday, [origin % 7, (6 + origin) % 7])
    known = min(14, 60 - origin)
    np.testing.assert_array_equal(future[:, :known], reports[:, origin : origin + known])
    assert np.isnan(future[:, known:]).all()


def test_windows_look_back_no_further_than_the_lookback() -> None:
    reports = np.zeros((1, LOOKBACK_DAYS + 50), np.float32)
    histories, _ = windows(reports, np.array([0]), np.zeros(1, np.float32), LOOKBACK_DAYS + 20, 7)
    assert histories.values.shape == (1, LOOKBACK_DAYS)


@pytest.mark.parametrize("back", [0, 1, 7, 9])
def test_before_is_the_history_as_it_stood(back: int) -> None:
    reports = np.arange(20, dtype=np.float32)[None, :]
    now, _ = windows(reports, np.array([3]), np.zeros(1, np.float32), 18, 2)
    then, _ = windows(reports, np.array([3]), np.zeros(1, np.float32), 18 - back, 2)
    np.testing.assert_array_equal(now.before(back).values, then.values)
    assert now.before(back).weekday == then.weekday


def test_a_treatment_is_known_from_its_first_day_on() -> None:
    values = np.zeros((3, 10), np.float32)
    known = Histories(values, np.zeros(3, np.float32), np.zeros(3, np.int64), np.array([5, 2, np.nan], np.float32))
    np.testing.assert_array_equal(known.before(3).treated, [2, np.nan, np.nan])
    np.testing.assert_array_equal(known.before(2).treated, [3, 0, np.nan])


def test_joined_batches_end_on_their_last_days() -> None:
    rng = np.random.default_rng(0)
    parts = [
        Histories.untreated(
            rng.random((n, days)).astype(np.float32), np.full(n, n, np.float32), np.full(n, n % 7, np.int64)
        )
        for n, days in ((2, 5), (3, LOOKBACK_DAYS + 4), (1, 9))
    ]
    joined = Histories.join(parts)
    assert joined.values.shape == (6, LOOKBACK_DAYS)
    np.testing.assert_array_equal(joined.values[:2, -5:], parts[0].values)
    assert np.isnan(joined.values[:2, :-5]).all()
    np.testing.assert_array_equal(joined.values[2:5], parts[1].values[:, 4:])
    assert joined.step.tolist() == [2, 2, 3, 3, 3, 1]


def test_unknown_dates_stay_unknown() -> None:
    undated = Histories.untreated(np.zeros((1, 10), np.float32), np.zeros(1, np.float32), np.array([-1]))
    assert undated.before(3).weekday == [-1]


def test_rows_are_a_subset() -> None:
    three = Histories.untreated(
        np.arange(6, dtype=np.float32).reshape(3, 2), np.array([0, 0.5, 1], np.float32), np.arange(3)
    )
    chosen = three.rows(np.array([True, False, True]))
    assert len(chosen) == 2
    np.testing.assert_array_equal(chosen.values, [[0, 1], [4, 5]])
    np.testing.assert_array_equal(chosen.step, [0, 1])
    np.testing.assert_array_equal(chosen.weekday, [0, 2])


@pytest.mark.parametrize("count", [2, 4, 12, 27, 50])
@pytest.mark.parametrize("decimals", [2, 6])
def test_a_record_shows_its_steps(count: int, decimals: int) -> None:
    """Also when averages were written with two places, on a scale of ten."""
    rng = np.random.default_rng(count)
    values = (10 * rng.integers(0, count + 1, (30, 80)) / count).round(decimals).astype(np.float32) / 10
    values[rng.random(values.shape) < 0.3] = np.nan
    np.testing.assert_allclose(unit_steps(values, np.zeros(30, np.float32)), 1 / count, rtol=1e-6)


def test_a_step_that_is_given_stays() -> None:
    values = np.tile(np.array([0, 0.25, 0.5, 0.75, 1], np.float32), (2, 8))
    scale_steps = np.array([0.05, 0], np.float32)
    np.testing.assert_allclose(unit_steps(values, scale_steps), [0.05, 0.25])


@pytest.mark.parametrize(
    "answers", [[0.0], [0.5], [0.0, 1.0], [0.2, 0.4], list(np.linspace(0.013, 0.97, 40)), [0.1, 0.2, 0.3, 0.4142]]
)
def test_a_record_that_shows_no_steps_has_none(answers: list[float]) -> None:
    values = np.tile(np.array([*answers, np.nan], np.float32), (1, 5))
    assert unit_steps(values, np.zeros(1, np.float32)) == 0


def test_steps_are_read_from_the_days_before_the_origin() -> None:
    reports = np.array([[0, 0.25, 0.5, 0.75, 0.3, 0.3]], np.float32)
    early, late = (windows(reports, np.array([0]), np.zeros(1, np.float32), day, 1)[0] for day in (4, 5))
    assert early.step == 0.25
    assert late.step != 0.25
