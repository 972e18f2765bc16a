"""Timestamps that only count days must not be read as weekdays."""

import numpy as np
import polars as pl

import novamind as nm
from novamind.symptoms import Forecast


def _forecast(first_day: str, dated: bool) -> Forecast:
    days = np.datetime64(first_day) + np.arange(70)
    rest_day = np.arange(70) % 7 >= 5
    wobble = np.random.default_rng(4).normal(0, 0.3, 70)
    diary = pl.DataFrame({"timestamp": days, "value": 4 + 3 * rest_day + wobble})
    return nm.symptoms.forecast(diary, horizon=7, scale=(0, 10), dated=dated)


def test_where_the_count_starts_does_not_matter() -> None:
    monday, thursday = _forecast("2024-01-01", dated=False), _forecast("2024-01-04", dated=False)
    np.testing.assert_array_equal(monday.quantiles, thursday.quantiles)


def test_a_rhythm_is_carried_on_by_the_calendar_or_by_what_repeats_in_the_record() -> None:
    def contrast(forecast: Forecast) -> float:
        return float(forecast.median[5:].mean() - forecast.median[:5].mean())

    assert contrast(_forecast("2024-01-01", dated=True)) > 1
    assert contrast(_forecast("2024-01-01", dated=False)) > 1
