"""Intervals that covered too little or too much cover what they state after calibration, for people not seen before."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import norm

from novamind.symptoms.domain import LEVELS
from novamind.symptoms.forecaster.conformal import (
    COARSENESS_GROUPS,
    ENDS,
    KINDS,
    Calibration,
    _innermost,
    coarseness,
    fit,
    own_scale,
)
from novamind.symptoms.forecaster.features import Summary, summarise
from novamind.symptoms.forecaster.preprocessing import Histories
from tests.golden import check_golden

HORIZON = 30
UNCHANGED = Calibration.of_own_errors()
CONTINUOUS, COARSE = 0.0, 0.25


def people(reports: np.ndarray, step: float = CONTINUOUS) -> Summary:
    """Records of so many reports each."""
    values = np.where(np.arange(100) >= 100 - reports[:, None], 0.5, np.nan).astype(np.float32)
    return summarise(Histories.untreated(values, np.full(len(reports), step, np.float32), np.zeros(len(reports), int)))


def cohort(persons: int, stated: float | np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray, Summary]:
    """Quantiles whose width is ``stated`` times the true one, outcomes, and records of 4 to 99 reports."""
    rng = np.random.default_rng(seed)
    centre, deviation = rng.uniform(0.4, 0.6, (persons, 1)), rng.uniform(0.02, 0.08, (persons, 1))
    outcome = centre + deviation * rng.standard_normal((persons, HORIZON))
    outcome[rng.random(outcome.shape) < 0.2] = np.nan
    width = np.broadcast_to(stated * deviation, outcome.shape)
    quantiles = centre[..., None] + width[..., None] * norm.ppf(LEVELS)
    return quantiles.astype(np.float32), outcome.astype(np.float32), people(rng.integers(4, 100, persons))


def coverage(quantiles: np.ndarray, outcome: np.ndarray, level: float) -> tuple[float, float]:
    """Share of outcomes inside the central interval, and five standard errors of it."""
    low, high = (int(np.argmin(np.abs(LEVELS - q))) for q in ((1 - level) / 2, (1 + level) / 2))
    known = np.isfinite(outcome)
    inside = ((outcome >= quantiles[..., low]) & (outcome <= quantiles[..., high]))[known]
    return float(inside.mean()), 5 * float(np.sqrt(level * (1 - level) / known.sum()))


def found(quantiles: np.ndarray, outcome: np.ndarray, persons: Summary) -> Calibration:
    """What a cohort says, where no person's own errors are known."""
    return fit(quantiles, outcome, persons, 10.0)


def alone(quantiles: np.ndarray, persons: Summary, calibration: Calibration) -> np.ndarray:
    """Calibrated by the cohort only."""
    none = np.zeros(len(quantiles), np.float32)
    return calibration.apply(quantiles, persons, none + 1, none)


@pytest.mark.parametrize("stated", [0.6, 0.8, 1.0, 1.4, 1.8])
def test_what_is_stated_is_restored(stated: float) -> None:
    quantiles, outcome, persons = cohort(2500, stated, seed=0)
    calibration = found(quantiles, outcome, persons)
    fresh, came, fresh_persons = cohort(2500, stated, seed=1)
    calibrated = alone(fresh, fresh_persons, calibration)
    for level in (0.8, 0.95):
        before, error = coverage(fresh, came, level)
        after, _ = coverage(calibrated, came, level)
        # Both cohorts are samples; what was found is also an estimate.
        assert after == pytest.approx(level, abs=2 * error)
        if stated != 1.0:
            assert abs(after - level) < abs(before - level)


def test_each_kind_of_scale_has_its_own_calibration() -> None:
    stated = (0.7, 0.8, 1.0, 1.25, 1.4)
    each = [cohort(1000, width, seed=2 + i) for i, width in enumerate(stated)]
    spread = people(np.array([50])).spread.item()
    sizes = spread * np.array([0, *(COARSENESS_GROUPS[:-1] + COARSENESS_GROUPS[1:]) / 2, 3])
    joined = Summary.join([people(np.full(1000, 50), size) for size in sizes])
    width = found(np.concatenate([c[0] for c in each]), np.concatenate([c[1] for c in each]), joined).width
    assert width == pytest.approx(1 / np.array(stated), abs=0.06)


def test_calibration_glides_from_one_kind_of_scale_to_the_next() -> None:
    """A spread or a step that is a little larger moves an end a little; nothing jumps at the end of a group."""
    calibration = replace(UNCHANGED, width=np.array([1, 1.2, 0.8, 1.3, 0.7], np.float32))
    quantiles, _, _ = cohort(1, 1.0, seed=13)
    spread = people(np.array([50])).spread.item()
    steps = spread * np.linspace(0, 4, 401)
    widths = [
        float(np.ptp(alone(quantiles, people(np.array([50]), step), calibration)[0, 0, [2, 18]])) for step in steps
    ]
    ratio = np.array(widths) / widths[0]
    assert np.abs(np.diff(ratio)).max() < 0.02
    assert ratio[[25, 60, 120, 250, 400]] == pytest.approx([1.2, 0.8, 1.3, 0.7, 0.7], abs=0.01)


def test_the_same_steps_are_finer_for_someone_who_uses_many_of_them() -> None:
    """Rounding widens the intervals of somebody still far more than those of somebody lively; each is put right."""
    step, persons, rng = np.float32(1 / 12), 3000, np.random.default_rng(14)
    deviation = np.where(np.arange(persons) % 2 == 0, 0.03, 0.2)[:, None]
    centre = rng.uniform(0.4, 0.6, (persons, 1))

    def lived(days: int) -> np.ndarray:
        severity = centre + deviation * rng.standard_normal((persons, days))
        return (np.clip(np.round(severity / step), 0, 12) * step).astype(np.float32)

    histories = Histories.untreated(lived(60), np.full(persons, step), np.zeros(persons, int))
    summary = summarise(histories)
    quantiles = np.clip(centre[..., None] + deviation[..., None] * norm.ppf(LEVELS), 0, 1).astype(np.float32)
    quantiles = np.repeat(quantiles, HORIZON, axis=1)
    calibration = found(quantiles, lived(HORIZON), summary)
    answers = np.round(alone(quantiles, summary, calibration) / step) * step
    came = lived(HORIZON)
    inside = ((came > answers[..., 2] - 1e-6) & (came < answers[..., 18] + 1e-6)).mean(1)
    lively = deviation[:, 0] > 0.1
    assert coarseness(summary)[lively].max() < coarseness(summary)[~lively].min()
    # Calibrated as one, the lively would be covered less than stated (.79) and the still far more (.94).
    assert 0.8 <= inside[lively].mean() < 0.82
    assert 0.8 <= inside[~lively].mean() < 0.92


def test_skewed_errors_get_skewed_intervals() -> None:
    """The upper ends go where the outcomes go; the lower ones are where they were."""
    quantiles, outcome, persons = cohort(2500, 1.0, seed=3)
    centre = quantiles[:, :1, 10]
    outcome = np.where(outcome > centre, centre + 1.6 * (outcome - centre), outcome)
    calibrated = alone(quantiles, persons, found(quantiles, outcome, persons))
    known = np.isfinite(outcome)
    above, below = (outcome > calibrated[..., 18])[known].mean(), (outcome < calibrated[..., 2])[known].mean()
    assert above == pytest.approx(0.1, abs=0.01)
    assert below == pytest.approx(0.1, abs=0.01)


@pytest.mark.parametrize("step", [0.125, COARSE])
def test_answers_on_a_coarse_scale_are_covered(step: float) -> None:
    """Whatever width was stated, the rounded intervals hold what they state, and little more than answers force."""
    for stated in (0.7, 1.0, 1.5):
        quantiles, outcome, persons = cohort(4000, stated, seed=11)
        answers = np.round(outcome / step) * step
        coarse = people(persons.reports, step)
        calibrated = alone(quantiles, coarse, found(quantiles, answers, coarse))
        rounded = np.round(calibrated / step) * step
        for level in (0.8, 0.95):
            before, after = (coverage(q, answers, level)[0] for q in (np.round(quantiles / step) * step, rounded))
            assert after > level - 0.03
            assert after <= max(before, level + 0.03)


def test_narrowing_stops_where_it_costs_accuracy() -> None:
    """An interval on a coarse scale covers too much; in full, narrowing would cost its ends a third of their loss."""
    quantiles, outcome, persons = cohort(4000, 1.0, seed=11)
    answers = np.round(outcome / COARSE) * COARSE
    coarse = people(persons.reports, COARSE)
    calibration = found(quantiles, answers, coarse)
    full, narrowed = (
        np.round(alone(quantiles, coarse, each) / COARSE) * COARSE
        for each in (replace(calibration, levels=UNCHANGED.levels), calibration)
    )
    known = np.isfinite(answers)
    for end in ENDS:
        before, after = (
            np.maximum(LEVELS[end] * error, (LEVELS[end] - 1) * error).mean()
            for error in ((answers - q[..., end])[known] for q in (full, narrowed))
        )
        assert before < after <= 1.21 * before


def test_only_the_ends_of_intervals_move() -> None:
    """The other quantiles stay, or are where the end beside them went."""
    quantiles, _, persons = cohort(4000, 1.5, seed=11)
    narrower = replace(UNCHANGED, levels=np.tile(np.array([0.06, 0.2, 0.8, 0.94], np.float32), (KINDS, 1)))
    calibrated = alone(quantiles, persons, narrower)
    ends = calibrated[..., ENDS]
    assert np.mean(ends[..., 1] > quantiles[..., 2] + 1e-6) > 0.9
    for i in set(range(21)) - set(ENDS.tolist()):
        stays = np.isclose(calibrated[..., i], quantiles[..., i], atol=1e-6)
        assert (stays | np.isclose(calibrated[..., i, None], ends, atol=1e-6).any(-1)).all()
    assert (np.diff(calibrated, axis=-1) >= 0).all()


def test_few_outcomes_change_nothing() -> None:
    quantiles, outcome, persons = cohort(8, 0.5, seed=4)
    calibration = found(quantiles, outcome, persons)
    np.testing.assert_array_equal(calibration.width, UNCHANGED.width)
    np.testing.assert_array_equal(calibration.levels, UNCHANGED.levels)


def test_nothing_to_calibrate_changes_nothing() -> None:
    quantiles, _, persons = cohort(50, 1.0, seed=5)
    np.testing.assert_allclose(alone(quantiles, persons, UNCHANGED), quantiles, atol=1e-6)


def test_calibrated_quantiles_are_ordered_and_on_the_scale() -> None:
    rng = np.random.default_rng(6)
    quantiles, _, persons = cohort(300, 6.0, seed=6)
    quantiles = np.clip(quantiles, 0, 1)
    levels = np.sort(rng.uniform(0.025, 0.975, (KINDS, 4)).astype(np.float32))
    ratio, days = (rng.uniform(0, 30, 300).astype(np.float32) for _ in range(2))
    calibrated = Calibration(UNCHANGED.width, levels, 10.0).apply(quantiles, persons, ratio, days)
    assert (np.diff(calibrated, axis=-1) >= 0).all()
    assert calibrated.min() >= 0
    assert calibrated.max() <= 1


def test_quantiles_at_an_end_of_the_scale_stay_there() -> None:
    """The mass of answers at the best or worst value is not calibrated away."""
    quantiles, _, persons = cohort(300, 6.0, seed=12)
    quantiles = np.clip(quantiles, 0, 1)
    narrower = alone(quantiles, persons, replace(UNCHANGED, width=0.5 * UNCHANGED.width))
    for end in (0, 1):
        assert np.mean(quantiles == end) > 0.05
        assert (narrower[quantiles == end] == end).all()


@pytest.mark.parametrize("true_ratio", [0.5, 1.0, 2.0])
def test_own_scale_measures_how_far_a_person_really_strays(true_ratio: float) -> None:
    quantiles, outcome, _ = cohort(2000, 1 / true_ratio, seed=7)
    ratio, days = own_scale(quantiles, outcome)
    assert np.median(ratio) == pytest.approx(true_ratio, rel=0.08)
    np.testing.assert_array_equal(days, np.isfinite(outcome).sum(1))


def test_own_scale_of_a_record_without_outcomes_is_one() -> None:
    quantiles, outcome, _ = cohort(3, 1.0, seed=8)
    ratio, days = own_scale(quantiles, np.full_like(outcome, np.nan))
    assert ratio.tolist() == [1, 1, 1]
    assert days.tolist() == [0, 0, 0]


def test_own_errors_widen_and_narrow_by_how_much_they_are_known() -> None:
    quantiles, _, persons = cohort(1, 1.0, seed=9)
    calibration = Calibration.of_own_errors(10.0)

    def width(ratio: float, days: float) -> float:
        out = calibration.apply(quantiles, persons, np.array([ratio], np.float32), np.array([days], np.float32))
        return float((out[..., 18] - out[..., 2]).mean() / (quantiles[..., 18] - quantiles[..., 2]).mean())

    assert width(1.5, 0) == pytest.approx(1)
    assert width(1.5, 10) == pytest.approx(1.25, abs=1e-3)  # as many own days as the cohort weighs: half way
    assert width(1.5, 10_000) == pytest.approx(1.5, abs=1e-2)
    assert width(0.8, 10_000) == pytest.approx(0.8, abs=1e-2)
    assert width(50, 10_000) == pytest.approx(2)  # no person's past blows the forecast up beyond double


def test_cohort_alone_where_own_days_never_count() -> None:
    quantiles, _, persons = cohort(5, 1.0, seed=10)
    far = np.full(5, 3, np.float32)
    np.testing.assert_allclose(UNCHANGED.apply(quantiles, persons, far, far * 10), quantiles, atol=1e-6)


@pytest.mark.parametrize(("end", "level"), [(0, 0.215), (2, 0.26), (18, 0.745), (20, 0.79)])
def test_the_innermost_level_is_that_of_the_closed_form(end: int, level: float) -> None:
    """Uniform on 0..1 was said, uniform on 0.201..0.801 came: the share ``p`` is reached at ``0.201 + 0.6 p``."""
    quantiles = np.broadcast_to(LEVELS.astype(np.float32), (1000, 21)).copy()
    outcome = (0.201 + 0.6 * (np.arange(1000) + 0.5) / 1000).astype(np.float32)
    assert _innermost(quantiles, outcome, np.zeros(1000, np.float32), end) == pytest.approx(level, abs=1e-9)


@pytest.mark.parametrize(("end", "level"), [(0, 0.025), (2, 0.025), (18, 0.975), (20, 0.975)])
def test_where_no_level_holds_its_share_the_outermost_is_read(end: int, level: float) -> None:
    quantiles = np.broadcast_to(LEVELS.astype(np.float32), (1000, 21)).copy()
    outcome = (-0.5 + 2 * (np.arange(1000) + 0.5) / 1000).astype(np.float32)
    assert _innermost(quantiles, outcome, np.zeros(1000, np.float32), end) == pytest.approx(level)


@pytest.mark.parametrize(("rows", "level"), [(199, 0.9), (200, 0.745)])
def test_an_end_needs_two_hundred_usable_outcomes(rows: int, level: float) -> None:
    """Rows whose end is the median's own answer are none."""
    quantiles = np.broadcast_to(LEVELS.astype(np.float32), (rows, 21)).copy()
    outcome = (0.201 + 0.6 * (np.arange(rows) + 0.5) / rows).astype(np.float32)
    certain = np.full((300, 21), 0.5, np.float32)
    both = np.concatenate([quantiles, certain]), np.append(outcome, np.full(300, 0.9, np.float32))
    assert _innermost(*both, np.zeros(rows + 300, np.float32), 18) == pytest.approx(level, abs=0.006)


@pytest.mark.parametrize(("level", "too_narrow", "too_wide"), [(0.8, 0.68, 0.9), (0.95, 0.9, 0.99)])
def test_an_interval_that_held_too_little_or_too_much_is_put_right(
    level: float, too_narrow: float, too_wide: float
) -> None:
    """Stated 80 and really 68 or 90 %, stated 95 and really 90 or 99 %: after calibration what is stated."""
    for truth in (too_narrow, too_wide):
        stated = float(norm.ppf((1 + truth) / 2) / norm.ppf((1 + level) / 2))
        quantiles, outcome, persons = cohort(1500, stated, seed=21)
        fresh, came, fresh_persons = cohort(1500, stated, seed=22)
        before = coverage(fresh, came, level)[0]
        after = coverage(alone(fresh, fresh_persons, found(quantiles, outcome, persons)), came, level)[0]
        assert before == pytest.approx(truth, abs=0.01)
        assert after == pytest.approx(level, abs=0.015)


def test_constants_are_those_that_the_shipped_calibration_was_found_with() -> None:
    assert COARSENESS_GROUPS.tolist() == [0, 0.4, 0.9, 1.8]
    assert KINDS == 5
    assert LEVELS[ENDS].tolist() == [0.025, 0.1, 0.9, 0.975]
    assert ENDS.tolist() == [0, 2, 18, 20]
    levels = UNCHANGED.levels
    assert levels.shape == (5, 4)
    np.testing.assert_allclose(levels, np.tile([0.025, 0.1, 0.9, 0.975], (5, 1)), atol=1e-7)
    assert UNCHANGED.width.tolist() == [1] * 5
    assert UNCHANGED.own_days == np.inf


@pytest.mark.parametrize(("outcomes", "calibrated"), [(199, False), (200, True)])
def test_two_hundred_outcomes_are_enough(outcomes: int, calibrated: bool) -> None:
    quantiles, outcome, persons = cohort(10, 0.5, seed=23)
    quantiles, outcome = quantiles[:, :30], np.full((10, 30), np.nan, np.float32)
    truth = quantiles[..., 10] + 3 * (quantiles[..., 20] - quantiles[..., 10])
    outcome.ravel()[:outcomes] = truth.ravel()[:outcomes]
    assert (found(quantiles, outcome, persons).width[0] != 1) == calibrated


@pytest.mark.parametrize(("ratio", "factor"), [(0.1, 0.5), (0.5, 0.5), (0.9, 0.9), (2.0, 2.0), (2.6, 2.0)])
def test_own_errors_halve_or_double_an_interval_at_the_most(ratio: float, factor: float) -> None:
    quantiles, _, persons = cohort(1, 1.0, seed=9)
    one = np.array([ratio], np.float32)
    out = Calibration.of_own_errors(1e-6).apply(quantiles, persons, one, one)
    assert np.ptp(out[0, 0]) / np.ptp(quantiles[0, 0]) == pytest.approx(factor, abs=0.01)


def test_own_scale_is_the_mean_error_over_the_mean_distance_stated() -> None:
    quantiles = np.tile(np.linspace(0.3, 0.7, 21), (2, 3, 1))
    outcome = np.array([[0.6, np.nan, 0.45], [0.5, np.nan, np.nan]])
    stated = np.abs(np.linspace(-0.2, 0.2, 21)).mean()
    ratio, days = own_scale(quantiles, outcome)
    np.testing.assert_allclose(ratio, [(0.1 + 0.05) / (2 * stated), 0], atol=1e-6)
    assert days.tolist() == [2, 1]
    certain, _ = own_scale(np.full((1, 3, 21), 0.5), np.full((1, 3), 0.9))
    assert certain.tolist() == [1]  # nothing stated, nothing to compare with


@pytest.mark.parametrize("step", [CONTINUOUS, 0.05, 0.125, COARSE])
def test_calibrations_are_what_they_were(step: float) -> None:
    quantiles, outcome, persons = cohort(500, 1.3, seed=24)
    outcome = np.where(outcome > quantiles[..., 10], outcome, 1.4 * outcome - 0.4 * quantiles[..., 10])
    if step:
        outcome = np.round(outcome / step) * step
    summary = people(persons.reports, step)
    calibration = fit(quantiles, outcome, summary, 30.0)
    ratio, days = own_scale(quantiles, outcome)
    calibrated = calibration.apply(quantiles, summary, ratio, days)
    answer = {"width": calibration.width, "levels": calibration.levels, "quantiles": calibrated[::83, ::14, ::2]}
    check_golden(__file__, f"calibration_{step:g}", answer, relative=1e-5, absolute=1e-5)


def test_narrowing_goes_as_far_as_a_fifth_of_the_loss() -> None:
    """The innermost level whose end still holds its share and costs at most 1.2 times the pinball loss."""
    quantiles, outcome, persons = cohort(700, 1.0, seed=25)
    answers = (np.round(outcome / COARSE) * COARSE)[:, :4]
    summary = people(persons.reports, COARSE)
    calibration = fit(quantiles[:, :4], answers, summary, 10.0)
    kind = int(np.searchsorted(COARSENESS_GROUPS, coarseness(summary))[0])
    of_kind = np.searchsorted(COARSENESS_GROUPS, coarseness(summary)) == kind
    known = np.isfinite(answers) & of_kind[:, None]
    width = calibration.width[kind]
    q, y = quantiles[:, :4][known], answers[known]
    q = q[:, 10:11] + width * (q - q[:, 10:11])

    def end(level: float) -> np.ndarray:
        at = np.array([np.interp(level, LEVELS, row) for row in q])
        return np.round(at / COARSE) * COARSE

    usable = end(0.9) != end(0.5)
    level = float(calibration.levels[kind, 2])

    def loss(reading: np.ndarray) -> float:
        error = (y - reading)[usable]
        return float(np.maximum(0.9 * error, -0.1 * error).mean())

    assert loss(end(level)) <= 1.2 * loss(end(0.9)) + 1e-9
    further = level - 0.005
    holds = (y <= end(further) + 1e-6)[usable].mean() >= 0.9
    assert not (holds and loss(end(further)) <= 1.19 * loss(end(0.9)))
