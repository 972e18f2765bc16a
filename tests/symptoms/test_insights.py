"""Sentences say what the numbers carry, and no more."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from novamind.symptoms.domain import LEVELS, Reliability, Scale, Trend
from novamind.symptoms.instruments import recognise
from novamind.symptoms.presentation.insights import insights
from tests.golden import check_golden
from tests.symptoms.conftest import MakeForecast

WORSENING = Trend(0.42, 0.1, 0.74, 0.95, "worsening", 42)


def said(forecast: Any, instrument: str | None = None) -> str:
    return " ".join(insights(forecast, recognise(instrument) if instrument else None))


def test_the_headline_comes_first(make_forecast: MakeForecast) -> None:
    first, *_ = insights(make_forecast())
    assert first.startswith("PHQ-9 is expected around")


@pytest.mark.parametrize("direction", ["stable", "uncertain"])
def test_a_trend_without_direction_is_not_told(make_forecast: MakeForecast, direction: Any) -> None:
    assert "week" in said(replace(make_forecast(), trend=WORSENING))
    assert "points a week" not in said(replace(make_forecast(), trend=replace(WORSENING, direction=direction)))


def test_low_reliability_is_said_before_anything_but_the_headline(make_forecast: MakeForecast) -> None:
    weak = replace(make_forecast(), reliability=Reliability("low", ("only 5 days with reports",)))
    assert insights(weak)[1] == ("Low reliability: only 5 days with reports. Read the range, not the middle.")
    assert "Low reliability" not in said(make_forecast())


@pytest.mark.parametrize(("spread", "told"), [(0.05, False), (0.5, True)])
def test_a_forecast_that_leaves_the_scale_open_admits_it(
    make_forecast: MakeForecast, spread: float, told: bool
) -> None:
    assert ("it says little" in said(make_forecast(spread=spread))) == told


class TestCutOffs:
    """Published cut-offs ahead of a person are named with their chance, those behind are not."""

    def test_the_next_one_on_the_way_to_worse(self, make_forecast: MakeForecast) -> None:
        forecast = make_forecast(centre=0.42, spread=0.1)
        last = forecast.history[np.isfinite(forecast.history)][-1]
        instrument = recognise("PHQ-9")
        assert instrument is not None
        ahead = min(cut.value for cut in instrument.cut_offs if cut.value > last)
        sentence = next(s for s in insights(forecast, instrument) if "chance" in s)
        assert f"The chance of reaching {ahead:g} or higher" in sentence
        peak = 100 * forecast.risk(ahead).probability.max()
        assert f"at most {peak:.0f} %" in sentence

    def test_none_when_the_worst_is_reached(self, make_forecast: MakeForecast) -> None:
        assert "chance" not in said(make_forecast(centre=1.0), "PHQ-9")

    def test_none_when_it_is_far_off(self, make_forecast: MakeForecast) -> None:
        assert "chance" not in said(make_forecast(centre=0.02, spread=0.005), "PHQ-9")

    def test_none_for_an_unknown_instrument(self, make_forecast: MakeForecast) -> None:
        assert "chance" not in said(make_forecast(scale=Scale(0, 10)))


def test_nothing_firm_is_said_of_a_weak_record(make_forecast: MakeForecast) -> None:
    weak = replace(
        make_forecast(),
        covariates={"sleep_minutes": 4.0},
        reliability=Reliability("low", ("only 5 days with reports",)),
        trend=Trend(7.0, 4.8, 9.2, 0.999, "worsening", 5),
    )
    text = " ".join(insights(weak))
    for firm in ("Getting worse", "sleep"):
        assert firm not in text


def test_what_signals_say_is_said_where_it_matters(make_forecast: MakeForecast) -> None:
    known = replace(make_forecast(), covariates={"sleep_minutes": 0.4, "treatment_start": -1.25})
    assert any("treatment start -1.25, sleep minutes +0.40" in sentence for sentence in insights(known))
    quiet = replace(make_forecast(), covariates={"sleep_minutes": 0.01})
    assert not any("sleep" in sentence for sentence in insights(quiet))


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("PHQ-9", {}),
        ("PHQ-9", {"centre": 0.9, "spread": 0.4}),
        ("WHO-5", {"scale": Scale(0, 100, 4, "low"), "centre": 0.4, "spread": 0.2}),
        ("WHO-5", {"scale": Scale(0, 100, 4, "low"), "centre": 0.8}),
        ("GAD-7", {"scale": Scale(0, 21, 1), "centre": 0.1, "spread": 0.03}),
    ],
)
def test_sentences_are_what_they_were(make_forecast: MakeForecast, name: str, options: dict[str, Any]) -> None:
    forecast = make_forecast(symptom=name, **options)
    known = replace(forecast, covariates={"steps": 4.0}, trend=WORSENING)
    weak = replace(known, reliability=Reliability("low", ("a", "b")))
    answer = [insights(each, instrument) for each in (known, weak) for instrument in (None, recognise(name))]
    check_golden(__file__, f"insights_{name}_{options.get('centre', 0.5)}", answer)


def width_of(make_forecast: MakeForecast, share: float) -> str:
    forecast = make_forecast(scale=Scale(0, 100))
    rows = np.full((14, 21), 50.0)
    rows[:, :3], rows[:, 18:] = 50 - 50 * share, 50 + 50 * share
    return said(replace(forecast, continuous_quantiles=rows))


@pytest.mark.parametrize(("share", "open_scale"), [(0.5, False), (0.501, True)])
def test_more_than_half_of_the_scale_is_open_from_half_on(
    make_forecast: MakeForecast, share: float, open_scale: bool
) -> None:
    assert ("more than half" in width_of(make_forecast, share)) == open_scale


@pytest.mark.parametrize(("points", "named"), [(0.27, False), (0.28, True), (-0.28, True)])
def test_what_moves_by_more_than_a_hundredth_is_named(make_forecast: MakeForecast, points: float, named: bool) -> None:
    by_signal = insights(replace(make_forecast(), covariates={"sleep": points}))
    assert any("sleep" in sentence for sentence in by_signal) == named


@pytest.mark.parametrize(("peak", "named"), [(0.04, False), (0.06, True)])
def test_a_cut_off_is_named_from_one_in_twenty(make_forecast: MakeForecast, peak: float, named: bool) -> None:
    forecast = make_forecast(scale=Scale(0, 27))
    forecast.history[-1] = 7.0
    rows = np.full((14, 21), 8.0)
    level = LEVELS.searchsorted(1 - peak)
    rows[:, level:] = 10.0
    risk = replace(forecast, continuous_quantiles=rows).risk(10).probability.max()
    assert (risk >= 0.05) == named
    text = " ".join(insights(replace(forecast, continuous_quantiles=rows), recognise("PHQ-9")))
    assert ("reaching 10" in text) == named
