"""Numbers and sentences that people read: right, round, and never more certain than the forecast."""

from typing import Any

import numpy as np
import pytest

from novamind.symptoms.domain import Member, Risk, RiskPeriod, Scale, SymptomForecast, Trend
from novamind.symptoms.presentation import wording

PHQ9 = Scale(0, 27, 1)


@pytest.mark.parametrize(
    ("scale", "value", "finer", "text"),
    [
        (PHQ9, 14.0, 0, "14"),
        (PHQ9, 12.849, 1, "12.8"),
        (PHQ9, -0.04, 1, "0.0"),
        (Scale(0, 100), 43.21, 0, "43"),
        (Scale(0, 100), 43.21, 1, "43.2"),
        (Scale(0, 10), 4.321, 0, "4.3"),
        (Scale(-3, 3), -0.001, 0, "0.00"),
        (Scale(0, 1), 0.1234, 0, "0.12"),
        (Scale(0, 5, 0.5), 2.5, 0, "2.50"),
    ],
)
def test_numbers_are_as_exact_as_their_scale(scale: Scale, value: float, finer: int, text: str) -> None:
    assert wording.number(scale, value, finer) == text


@pytest.mark.parametrize(
    ("probability", "text"),
    [
        (0.0, "under 1 %"),
        (0.009, "under 1 %"),
        (0.42, "42 %"),
        (0.99, "99 %"),
        (0.999, "over 99 %"),
        (1.0, "over 99 %"),
    ],
)
def test_nothing_is_impossible_or_certain(probability: float, text: str) -> None:
    assert wording.percent(probability) == text


@pytest.mark.parametrize(
    ("first", "last", "text"),
    [
        ("2025-03-15", "2025-03-15", "15 Mar 2025"),
        ("2025-03-15", "2025-03-28", "15 to 28 Mar 2025"),
        ("2025-03-25", "2025-04-07", "25 Mar to 7 Apr 2025"),
        ("2024-12-25", "2025-01-07", "25 Dec 2024 to 7 Jan 2025"),
    ],
)
def test_periods(first: str, last: str, text: str) -> None:
    assert wording.period(np.datetime64(first), np.datetime64(last)) == text


def test_headline_says_where_it_ends_and_where_it_comes_from(phq9: SymptomForecast) -> None:
    low, high = (bound[-1] for bound in phq9.interval(0.8))
    average = np.nanmean(phq9.history[-28:])
    assert wording.headline(phq9) == (
        f"PHQ-9 is expected around {phq9.median[-1]:.0f} on 28 Mar 2025, 4 times in 5 between {low:.0f} and "
        f"{high:.0f}. The last 28 days of the record averaged {average:.1f}."
    )


def test_headline_of_a_silent_month_names_the_last_report(make_forecast: Any) -> None:
    forecast = make_forecast(spread=0.0)
    forecast.history[-40:] = np.nan
    assert "4 times in 5 exactly " in wording.headline(forecast)
    assert wording.headline(forecast).endswith("The last report is of 2 Feb 2025.")


@pytest.mark.parametrize(
    ("trend", "text"),
    [
        (
            Trend(0.42, 0.1, 0.74, 0.995, "worsening", 42),
            "Getting worse: +0.42 points a week over the last 42 days (95 % interval +0.10 to +0.74); "
            "probability of worsening over 99 %.",
        ),
        (
            Trend(-0.42, -0.9, 0.06, 0.4, "uncertain", 1),
            "No clear direction: -0.42 points a week over the last day (95 % interval -0.90 to +0.06); "
            "probability of worsening 40 %.",
        ),
        (Trend(0.0, -27, 27, 0.5, "uncertain", 42), "Unknown: too few reports in the last 42 days."),
    ],
)
def test_trend(trend: Trend, text: str) -> None:
    assert wording.trend(PHQ9, trend) == text


def test_risk_names_the_periods_or_the_peak(make_forecast: Any) -> None:
    forecast = make_forecast(centre=0.5, horizon=14)
    assert wording.risk(forecast, forecast.risk(15)) == (
        "The probability of 15 or higher is 50 % or more on 24 to 28 Mar 2025 (up to 54 %)."
    )
    assert wording.risk(forecast, forecast.risk(25)) == (
        "The probability of 25 or higher stays below 50 %; it is highest on 28 Mar 2025, with 4 %."
    )
    better = make_forecast(scale=Scale(0, 100, 4, "low"))
    assert "50 or lower" in wording.risk(better, better.risk(50))


def test_members_error_is_in_points_of_the_instrument() -> None:
    assert wording.member(PHQ9, Member("own mean", 0.3, 10.0, 5.0)) == "own mean 30 % (error 2.70 on this record)"
    assert wording.member(PHQ9, Member("own mean", 0.3, None, 5.0)) == (
        "own mean 30 % (error 1.35 on the validation cohort)"
    )


@pytest.mark.parametrize(
    ("scale", "value", "text"),
    [
        (Scale(0, 9.99), 4.321, "4.32"), (Scale(0, 10), 4.321, "4.3"), (Scale(0, 99), 4.321, "4.3"),
        (Scale(0, 1000), 4.6, "5"), (Scale(0.5, 10.5, 1), 4.321, "4.3"), (Scale(0, 10, 2), 4.321, "4"),
    ],
)  # fmt: skip
def test_decimals_follow_the_range_and_the_steps(scale: Scale, value: float, text: str) -> None:
    assert wording.number(scale, value) == text


@pytest.mark.parametrize(("probability", "text"), [(0.01, "1 %"), (0.0099, "under 1 %"), (0.9901, "over 99 %")])
def test_the_ends_of_probabilities(probability: float, text: str) -> None:
    assert wording.percent(probability) == text


def test_spans_days_and_sides() -> None:
    assert wording.span(PHQ9, 8, 21.2) == "8 to 21"
    assert wording.span(PHQ9, 8, 8.3) == "8"
    assert [wording.days_in_words(count) for count in (1, 2, 14)] == ["day", "2 days", "14 days"]
    assert wording.beyond(PHQ9, 15) == "15 or higher"
    assert wording.beyond(Scale(0, 100, 4, "low"), 50) == "50 or lower"
    assert [wording.signed(PHQ9, value) for value in (0.5, -0.5, 0, -0.001)] == ["+0.50", "-0.50", "+0.00", "+0.00"]


def test_every_direction_has_its_words() -> None:
    words = {
        direction: wording.trend(PHQ9, Trend(0.1, -0.2, 0.4, 0.6, direction, 7)).partition(":")[0]
        for direction in ("worsening", "improving", "stable", "uncertain")
    }
    assert words == {
        "worsening": "Getting worse",
        "improving": "Getting better",
        "stable": "Stable",
        "uncertain": "No clear direction",
    }


@pytest.mark.parametrize(
    ("low", "high", "unknown"), [(-27, 27, True), (-27, 26.9, False), (-26.9, 27, False), (-28, 28, True)]
)
def test_a_trend_over_the_whole_scale_is_unknown(low: float, high: float, unknown: bool) -> None:
    assert wording.trend(PHQ9, Trend(0, low, high, 0.5, "uncertain", 9)).startswith("Unknown") == unknown


def test_the_average_is_that_of_28_days(make_forecast: Any) -> None:
    forecast = make_forecast()
    forecast.history[:] = 3
    forecast.history[-28:] = 10
    assert wording.headline(forecast).endswith("The last 28 days of the record averaged 10.0.")
    forecast.history[-28] = 24
    assert wording.headline(forecast).endswith("averaged 10.5.")


def test_covariates_stand_the_largest_first() -> None:
    assert wording.covariates(PHQ9, {"sleep_hours": 0.2, "treatment_start": -1.5, "steps": 0.9}) == (
        "Treatment and signals move the middle a week ahead: treatment start -1.50, steps +0.90, sleep hours +0.20."
    )


def test_several_periods_of_risk_are_joined(make_forecast: Any) -> None:
    forecast = make_forecast()
    day = forecast.days
    periods = (RiskPeriod(day[0], day[1], 0.6), RiskPeriod(day[4], day[4], 0.995))
    risk = Risk(15, np.full(14, 0.3), 0.5, periods)
    assert wording.risk(forecast, risk) == (
        "The probability of 15 or higher is 50 % or more on 15 to 16 Mar 2025 (up to 60 %), "
        "19 Mar 2025 (up to over 99 %)."
    )
