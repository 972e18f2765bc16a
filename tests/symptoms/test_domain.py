"""Scales map there and back; intervals nest; the risk of a threshold agrees with the quantiles."""

import itertools
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from novamind.errors import ValidationError
from novamind.symptoms.domain import LEVELS, Scale, SymptomForecast, at_levels
from tests.golden import check_golden
from tests.symptoms.conftest import MakeForecast, build_forecast

PHQ9 = Scale(0, 27, 1)
SCALES = (PHQ9, Scale(0, 1), Scale(-3, 3, 0.5), Scale(0, 100, worse="low"), Scale(1, 7, 1, worse="low"))
ALERT = st.floats(0.05, 0.95)


@pytest.mark.parametrize(
    "arguments",
    [(1, 1), (2, 1), (0, np.inf), (np.nan, 1), (0, 1, 0), (0, 1, -1), (0, 1, 2), (0, 1, np.nan), (0, 1, None, "up")],
)
def test_impossible_scales_are_refused(arguments: tuple[float, ...]) -> None:
    with pytest.raises(ValidationError):
        Scale(*arguments)  # type: ignore[arg-type]


@pytest.mark.parametrize("scale", SCALES)
def test_unit_scale_and_back(scale: Scale) -> None:
    values = np.linspace(scale.low, scale.high, 50)
    unit = scale.to_unit(values)
    best, worst = (scale.low, scale.high) if scale.worse == "high" else (scale.high, scale.low)
    assert scale.to_unit(np.array([best, worst])).tolist() == [0, 1]
    assert ((unit >= 0) & (unit <= 1)).all()
    np.testing.assert_allclose(scale.from_unit(unit), values, atol=1e-12)


@pytest.mark.parametrize("scale", SCALES)
def test_snapping_gives_the_nearest_value_that_can_occur(scale: Scale) -> None:
    values = np.random.default_rng(0).uniform(scale.low - 2, scale.high + 2, 200)
    snapped = scale.snap(values)
    assert ((snapped >= scale.low) & (snapped <= scale.high)).all()
    np.testing.assert_array_equal(scale.snap(snapped), snapped)
    if scale.step is None:
        np.testing.assert_array_equal(snapped, np.clip(values, scale.low, scale.high))
    else:
        possible = scale.low + scale.step * np.arange(round(scale.range / scale.step) + 1)
        np.testing.assert_allclose(snapped, possible[np.abs(values[:, None] - possible).argmin(1)])


@pytest.fixture(params=SCALES, ids=str)
def forecast(request: pytest.FixtureRequest, make_forecast: MakeForecast) -> SymptomForecast:
    """A fan in the middle of each scale."""
    return make_forecast(scale=request.param)


def test_wider_levels_hold_narrower_ones(forecast: SymptomForecast) -> None:
    bounds = [forecast.interval(level) for level in np.linspace(0.05, 0.95, 19)]
    for inner, outer in itertools.pairwise(bounds):
        assert (outer.low <= inner.low).all()
        assert (inner.high <= outer.high).all()
    assert (bounds[0].low <= forecast.median).all()
    assert (forecast.median <= bounds[0].high).all()


def test_the_interval_is_made_of_the_quantiles(forecast: SymptomForecast) -> None:
    low, high = forecast.interval(0.8)
    np.testing.assert_allclose(low, forecast.quantiles[:, 2])
    np.testing.assert_allclose(high, forecast.quantiles[:, 18])
    np.testing.assert_array_equal(forecast.median, forecast.quantiles[:, 10])


@pytest.mark.parametrize("level", [0, -0.1, 0.96, 1, np.nan])
def test_interval_levels_beyond_what_is_calibrated_are_refused(forecast: SymptomForecast, level: float) -> None:
    with pytest.raises(ValidationError, match="above 0 and at most"):
        forecast.interval(level)


def test_reaching_a_worse_threshold_is_never_likelier(forecast: SymptomForecast) -> None:
    scale = forecast.scale
    towards_worse = np.linspace(scale.low, scale.high, 60)[:: 1 if scale.worse == "high" else -1]
    risks = np.array([forecast.risk(threshold).probability for threshold in towards_worse])
    assert ((risks >= 0) & (risks <= 1)).all()
    assert (np.diff(risks, axis=0) <= 1e-9).all()
    assert risks[0] == pytest.approx(1, abs=1e-6)  # everyone reaches the best value


def test_risk_of_a_quantile_is_its_level(forecast: SymptomForecast) -> None:
    half_step = (forecast.scale.step or 0) / 2
    for i in (1, 5, 10, 15, 19):
        worse_high = forecast.scale.worse == "high"
        threshold = float(forecast.continuous_quantiles[3, i]) + (half_step if worse_high else -half_step)
        expected = 1 - LEVELS[i] if worse_high else LEVELS[i]
        assert forecast.risk(threshold).probability[3] == pytest.approx(expected, abs=1e-6)


def test_risk_counts_the_mass_at_the_worst_value(make_forecast: MakeForecast) -> None:
    forecast = make_forecast(scale=Scale(0, 1), centre=0.95, spread=0.2)
    at_ceiling = (forecast.continuous_quantiles == 1).argmax(1)
    assert (forecast.risk(1.0).probability >= 1 - LEVELS[at_ceiling] - 1e-6).all()


@pytest.mark.parametrize("threshold", [-0.1, 27.1, np.nan, np.inf])
def test_thresholds_off_the_scale_are_refused(phq9: SymptomForecast, threshold: float) -> None:
    with pytest.raises(ValidationError, match="0 to 27"):
        phq9.risk(threshold)


@pytest.mark.parametrize("probability", [0, 1, -1, np.nan])
def test_alert_probabilities_are_probabilities(phq9: SymptomForecast, probability: float) -> None:
    with pytest.raises(ValidationError, match="between 0 and 1"):
        phq9.risk(15, alert_probability=probability)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.booleans(), min_size=1, max_size=30), ALERT)
def test_risk_periods_are_the_runs_of_days_at_alert(alert: list[bool], at: float) -> None:
    forecast = build_forecast(horizon=len(alert))
    rows = np.where(np.array(alert)[:, None], np.linspace(20, 24, 21), np.linspace(4, 8, 21))
    risk = replace(forecast, continuous_quantiles=rows).risk(15, alert_probability=at)
    assert (risk.probability >= at).tolist() == alert
    days = [day for p in risk.periods for day in np.arange(p.start, p.end + 1)]
    assert days == list(forecast.days[np.array(alert)])
    assert all(later.start - earlier.end > 1 for earlier, later in zip(risk.periods, risk.periods[1:], strict=False))
    for period in risk.periods:
        inside = (forecast.days >= period.start) & (forecast.days <= period.end)
        assert period.peak_probability == risk.probability[inside].max()


def test_a_day_at_the_alert_probability_is_at_alert(make_forecast: MakeForecast) -> None:
    forecast = make_forecast(centre=0.5, horizon=14)  # slowly worsening
    probability = forecast.risk(15).probability
    (period,) = forecast.risk(15, alert_probability=float(probability[6])).periods
    assert (period.start, period.end) == (forecast.days[6], forecast.days[-1])


@pytest.mark.parametrize("centre", [0.05, 0.5, 0.95])
@pytest.mark.parametrize("step", [None, 1])
def test_a_mirrored_scale_has_the_same_risk(centre: float, step: float | None) -> None:
    high = build_forecast(scale=Scale(0, 16, step), centre=centre, spread=0.4)
    low = build_forecast(scale=Scale(0, 16, step, worse="low"), centre=centre, spread=0.4)
    np.testing.assert_allclose(16 - low.continuous_quantiles[:, ::-1], high.continuous_quantiles, atol=1e-9)
    for threshold in (0, 0.001, 4, 8, 15, 15.999, 16):
        np.testing.assert_allclose(low.risk(16 - threshold).probability, high.risk(threshold).probability, atol=1e-5)


def test_a_step_may_be_the_whole_range_wherever_the_scale_starts() -> None:
    for low, high, step in ((0.1, 0.3, 0.2), (-3, -2.99, 0.01), (1.1, 1.2, 0.1)):
        Scale(low, high, step)


def test_levels_are_nineteen_twentieths_and_the_ends_of_95_percent() -> None:
    np.testing.assert_allclose(LEVELS, [0.025, *np.arange(1, 20) / 20, 0.975], atol=1e-12)


def test_a_scale_knows_its_range_and_steps() -> None:
    percent = Scale(20, 80, 4)
    assert (percent.range, percent.unit_step, Scale(0, 1).unit_step) == (60, 4 / 60, 0)
    assert percent.in_steps(6) == Scale(20, 80, 10)
    assert (Scale(0, 1).worse, Scale(0, 1).step) == ("high", None)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0, np.inf), "two finite numbers and low < high"),
        ((-np.inf, 0), "two finite numbers and low < high"),
        ((1, 1), "low < high"),
        ((0, 10, 10.1), "no larger than the scale's range"),
        ((0, 10, 0), "step must be positive"),
        ((0, 10, 1, "up"), "worse must be 'high' or 'low'"),
    ],
)
def test_a_refused_scale_says_why(arguments: tuple[Any, ...], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Scale(*arguments)


@pytest.mark.parametrize("level", [0.95, 0.001])
def test_the_widest_and_the_narrowest_interval_are_given(phq9: SymptomForecast, level: float) -> None:
    low, high = phq9.interval(level)
    ends = phq9.scale.snap(at_levels(phq9.continuous_quantiles, np.array([(1 - level) / 2, (1 + level) / 2])))
    np.testing.assert_array_equal(np.column_stack([low, high]), ends)


def test_the_usual_interval_is_of_80_percent(phq9: SymptomForecast) -> None:
    np.testing.assert_array_equal(phq9.interval(), phq9.interval(0.8))
    assert phq9.horizon == 14


def test_risk_at_the_ends_of_the_scale_is_taken(make_forecast: MakeForecast) -> None:
    forecast = make_forecast(scale=Scale(0, 10))
    for threshold in (0, 10):
        assert forecast.risk(threshold).threshold == threshold
    assert forecast.risk(5).alert_probability == 0.5


@pytest.mark.parametrize("worse", ["high", "low"])
@pytest.mark.parametrize("step", [None, 1.0])
def test_risk_is_the_closed_form_between_the_quantiles_and_beyond_them(step: float | None, worse: Any) -> None:
    """Quantiles that rise evenly from 4 to 6 of 0..10: linear between them, and from the ends of the scale to them."""
    forecast = build_forecast(scale=Scale(0, 10, step, worse), horizon=1)
    rows = (4 + 2 * (LEVELS - 0.025) / 0.95)[None]
    forecast = replace(forecast, continuous_quantiles=rows)
    half = (step or 0) / 2

    def at_or_above(cut: float) -> float:
        if cut < 4:
            return 1 - 0.025 * (cut + half) / (4 + half)
        if cut > 6:
            return 0.025 * (10 + half - cut) / (4 + half)
        return 1 - (0.025 + 0.95 * (cut - 4) / 2)

    for threshold in (0, 2, 4, 4.5, 5, 5.7, 6, 8, 10):
        expected = at_or_above(threshold - half) if worse == "high" else 1 - at_or_above(threshold + half)
        assert forecast.risk(threshold).probability[0] == pytest.approx(expected, abs=1e-6)


def test_risks_are_what_they_were(make_forecast: MakeForecast) -> None:
    answer = {}
    for scale in SCALES:
        forecast = make_forecast(scale=scale, spread=0.3)
        cut = scale.low + 0.6 * scale.range
        risk = forecast.risk(cut, 0.45)
        answer[str(scale)] = {
            "probability": risk.probability,
            "periods": [(str(p.start), str(p.end), p.peak_probability) for p in risk.periods],
            "median": forecast.median,
            "half": forecast.interval(0.5),
        }
    check_golden(__file__, "risks", answer)
