"""The slope is right, and its interval holds the true slope as often as it says, however alike days are."""

import numpy as np
import pytest
from scipy import optimize, stats

from novamind.symptoms.domain import Scale, Trend
from novamind.symptoms.forecaster.trend import TREND_DAYS, trend
from tests.golden import check_golden

PHQ9 = Scale(0, 27, 1)
PERCENT = Scale(0, 100)


def record(rng: np.random.Generator, slope: float, inertia: float, missing: float = 0.0) -> np.ndarray:
    """Six weeks around 50 of 100 with stationary autoregressive errors of standard deviation 5."""
    shocks = rng.standard_normal(TREND_DAYS)
    errors = [shocks[0]]
    for shock in shocks[1:]:
        errors.append(inertia * errors[-1] + np.sqrt(1 - inertia**2) * shock)
    values = 50 + slope * (np.arange(TREND_DAYS) - TREND_DAYS / 2) / 7 + 5 * np.array(errors)
    values[rng.random(TREND_DAYS) < missing] = np.nan
    return values


@pytest.mark.parametrize("missing", [0.0, 0.4])
def test_the_interval_holds_the_slope_as_often_as_it_says(missing: float) -> None:
    rng = np.random.default_rng(0)
    persons, held, errors = 400, 0, []
    for _ in range(persons):
        slope = rng.normal(0, 1)
        found = trend(record(rng, slope, rng.uniform(0, 0.8), missing), PERCENT)
        held += found.low <= slope <= found.high
        errors.append(found.per_week - slope)
    assert stats.binomtest(held, persons, 0.95).pvalue > 0.01
    assert abs(np.mean(errors)) < 3 * np.std(errors) / np.sqrt(persons)


def test_likeness_of_days_widens_the_interval() -> None:
    def width(inertia: float) -> float:
        rng = np.random.default_rng(1)
        found = [trend(record(rng, 0.0, inertia), PERCENT) for _ in range(40)]
        return float(np.mean([t.high - t.low for t in found]))

    assert width(0.7) > 1.3 * width(0.0)


def test_said_probabilities_come_true() -> None:
    """Among records said to worsen with probability p, that share does."""
    rng = np.random.default_rng(2)
    said, true = [], []
    for _ in range(400):
        slope = rng.normal(0, 1)
        said.append(trend(record(rng, slope, 0.4, 0.2), PERCENT).probability_worsening)
        true.append(slope > 0)
    said, true = np.array(said), np.array(true)
    for low, high in ((0.0, 0.2), (0.2, 0.8), (0.8, 1.0)):
        chosen = (said >= low) & (said <= high)
        assert true[chosen].mean() == pytest.approx(said[chosen].mean(), abs=0.1)


@pytest.mark.parametrize("days", [5, 20, 42])
def test_a_straight_line_is_found(days: int) -> None:
    found = trend(10 + np.arange(days) * 2 / 7, PERCENT)
    assert found.per_week == pytest.approx(2)
    assert found.low < 2 < found.high
    assert found.days == days


@pytest.mark.parametrize("value", [0, 13, 27])
@pytest.mark.parametrize("days", [5, 14, 42])
def test_a_constant_record_has_no_slope_and_some_doubt(value: int, days: int) -> None:
    found = trend(np.full(days, float(value)), PHQ9)
    assert found.per_week == pytest.approx(0, abs=1e-9)
    assert found.low == pytest.approx(-found.high)
    assert found.high > 0.01
    assert found.probability_worsening == pytest.approx(0.5)
    assert found.direction == ("stable" if days > 5 else "uncertain")


def test_doubt_shrinks_with_every_report() -> None:
    widths = [(t := trend(np.full(days, 13.0), PHQ9)).high - t.low for days in (5, 8, 14, 28, 42)]
    assert np.all(np.diff(widths) < 0)


@pytest.mark.parametrize("reports", range(5))
def test_too_few_reports_tell_nothing(reports: int) -> None:
    history = np.full(60, np.nan)
    history[[-2, -9, -16, -23][:reports]] = [20, 15, 10, 5][:reports]
    found = trend(history, PHQ9)
    assert (found.per_week, found.low, found.high) == (0, -27, 27)
    assert (found.probability_worsening, found.direction) == (0.5, "uncertain")


def test_older_reports_do_not_count() -> None:
    rng = np.random.default_rng(3)
    recent = record(rng, 1.0, 0.3)
    assert trend(np.concatenate([np.linspace(0, 100, 30), recent]), PERCENT) == trend(recent, PERCENT)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("scale", [PERCENT, PHQ9])
def test_a_mirrored_scale_mirrors_the_trend(scale: Scale, seed: int) -> None:
    rng = np.random.default_rng(seed)
    history = scale.snap(record(rng, rng.normal(0, 2), 0.4, 0.3) * scale.high / 100)
    mirrored = trend(scale.high - history, Scale(scale.low, scale.high, scale.step, worse="low"))
    found = trend(history, scale)
    assert (mirrored.per_week, mirrored.low, mirrored.high) == pytest.approx((-found.per_week, -found.high, -found.low))
    assert mirrored.probability_worsening == pytest.approx(found.probability_worsening)
    assert mirrored.direction == found.direction


@pytest.mark.parametrize("factor", [0.1, 3.0])
def test_the_trend_scales_with_the_instrument(factor: float) -> None:
    history = record(np.random.default_rng(4), 1.5, 0.4)
    found, scaled = trend(history, PERCENT), trend(7 + factor * history, Scale(7, 7 + 100 * factor))
    assert (scaled.per_week, scaled.low, scaled.high) == pytest.approx(
        (factor * found.per_week, factor * found.low, factor * found.high)
    )
    assert scaled.direction == found.direction


@pytest.mark.parametrize(("slope", "direction"), [(4.0, "worsening"), (-4.0, "improving")])
def test_directions_are_named_when_they_are_known(slope: float, direction: str) -> None:
    assert trend(record(np.random.default_rng(5), slope, 0.2), PERCENT).direction == direction


def test_little_change_is_stable_much_noise_is_uncertain() -> None:
    rng = np.random.default_rng(6)
    assert trend(50 + rng.normal(0, 1, TREND_DAYS), PERCENT).direction == "stable"
    history = np.full(TREND_DAYS, np.nan)
    history[::7] = [40, 60, 45, 62, 38, 55]
    assert trend(history, PERCENT).direction == "uncertain"


def by_textbook(history: np.ndarray, scale: Scale) -> tuple[float, float, float]:
    """The mixture of t distributions over ten inertias, one after another and by bisection: mean, low, high."""
    recent = history[-42:]
    day, y = np.flatnonzero(np.isfinite(recent)), recent[np.isfinite(recent)]
    resolution = (scale.step or 0.02 * (scale.high - scale.low)) ** 2 / 12
    X = np.column_stack([np.ones(len(y)), (day - day.mean()) / 7])
    slopes, errors, logs = [], [], []
    for inertia in np.arange(10) / 10:
        R = np.eye(len(y)) if inertia == 0 else inertia ** np.abs(day[:, None] - day[None, :])
        inverse = np.linalg.inv(R)
        information = X.T @ inverse @ X
        beta = np.linalg.solve(information, X.T @ inverse @ y)
        left = y - X @ beta
        variance = (left @ inverse @ left + resolution * len(y)) / (len(y) - 2)
        slopes.append(beta[1])
        errors.append(np.sqrt(variance * np.linalg.inv(information)[1, 1]))
        logs.append(
            -0.5 * np.linalg.slogdet(R)[1]
            - 0.5 * np.linalg.slogdet(information)[1]
            - 0.5 * (len(y) - 2) * np.log(variance)
        )
    weight = np.exp(np.array(logs) - max(logs))
    weight /= weight.sum()

    def below(x: float) -> float:
        return float(weight @ stats.t.cdf((x - np.array(slopes)) / np.array(errors), len(y) - 2))

    low, high = (optimize.brentq(lambda x, p=p: below(x) - p, -500, 500) for p in (0.025, 0.975))
    return float(weight @ slopes), low, high


@pytest.mark.parametrize("scale", [PHQ9, PERCENT, Scale(0, 100, 4, "low")], ids=str)
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_trend_is_that_of_the_textbook(scale: Scale, seed: int) -> None:
    rng = np.random.default_rng(seed)
    history = scale.snap(scale.low + scale.range * (0.4 + 0.003 * seed * np.arange(60) + 0.1 * rng.standard_normal(60)))
    history[rng.random(60) < 0.3] = np.nan
    one = trend(history, scale)
    mean, low, high = by_textbook(history, scale)
    assert one.per_week == pytest.approx(mean, rel=1e-6)
    width = high - low
    assert (one.low, one.high) == (pytest.approx(low, abs=0.004 * width), pytest.approx(high, abs=0.004 * width))
    assert one.days == 42


def test_trends_are_what_they_were() -> None:
    answer = []
    for seed, scale in enumerate((PHQ9, PERCENT, Scale(0, 100, 4, "low"), Scale(-3, 3), PHQ9, PHQ9)):
        rng = np.random.default_rng(seed)
        slope = (0.0, 0.008, -0.008, 0.002, 0.0, 0.004)[seed]
        noise = (0.01, 0.05, 0.05, 0.1, 0.2, 0.2)[seed]
        history = scale.low + scale.range * np.clip(0.4 + slope * np.arange(50) + noise * rng.standard_normal(50), 0, 1)
        history[rng.random(50) < 0.2] = np.nan
        answer += [trend(history, scale), trend(history[:9], scale)]
    check_golden(__file__, "trends", answer)


@pytest.mark.parametrize(("reports", "known"), [(4, False), (5, True)])
def test_five_reports_make_a_trend(reports: int, known: bool) -> None:
    one = trend(np.linspace(3, 9, reports), PHQ9)
    assert (one.per_week != 0) == known
    if not known:
        assert one == Trend(0.0, -27, 27, 0.5, "uncertain", reports)


def test_stable_is_within_a_fiftieth_of_the_range_a_week() -> None:
    """Two points of a hundred: an interval just inside is stable, one just outside is not."""
    rng = np.random.default_rng(3)
    noise = rng.standard_normal(42)
    directions = set()
    for size in np.linspace(0.5, 30, 60):
        one = trend(50 + size * noise, PERCENT)
        stable = one.low > -2 and one.high < 2
        assert (one.direction == "stable") == stable
        directions.add(one.direction)
    assert {"stable", "uncertain"} <= directions


def test_a_direction_is_named_from_nine_in_ten() -> None:
    rng = np.random.default_rng(4)
    noise = 12 * rng.standard_normal(42)
    seen = set()
    for slope in np.linspace(-8, 8, 81):
        one = trend(50 + noise + slope * np.arange(42) / 7, PERCENT)
        if one.direction != "stable":
            p = one.probability_worsening
            expected = "worsening" if p > 0.9 else "improving" if p < 0.1 else "uncertain"
            assert one.direction == expected
            seen.add(expected)
    assert seen == {"worsening", "improving", "uncertain"}


@pytest.mark.parametrize("factor", [1e-6, 1e6])
def test_a_change_of_unit_changes_the_unit_alone(factor: float) -> None:
    values = record(np.random.default_rng(3), 2.0, 0.5)
    here, there = trend(values, PERCENT), trend(values * factor, Scale(0, 100 * factor))
    for name in ("low", "high"):
        assert getattr(there, name) == pytest.approx(getattr(here, name) * factor, rel=1e-6)
    assert there.probability_worsening == pytest.approx(here.probability_worsening, rel=1e-6)
    assert there.direction == here.direction
