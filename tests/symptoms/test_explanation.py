"""An explanation is of the forecast that is shown: its parts add up to it, and each part moves it as it should."""

from collections.abc import Iterator
from functools import cache
from itertools import permutations
from typing import Any
from unittest.mock import patch

import numpy as np
import polars as pl
import pytest

import novamind as nm
from novamind.symptoms.codec import ForecastBody, ForecastsBody
from novamind.symptoms.domain import LEVELS, Floats, Scale
from novamind.symptoms.forecaster.explanation import (
    MOST_ROWS,
    RECORD_PARTS,
    SIGNALS,
    TREATMENT,
    combinations,
    explain,
    members,
    shapley_values,
)
from novamind.symptoms.forecaster.features import summarise
from novamind.symptoms.forecaster.model import SymptomModel
from novamind.symptoms.forecaster.preprocessing import Histories
from novamind.symptoms.presentation import wording
from novamind.symptoms.results import Forecast, Forecasts
from tests.symptoms.conftest import MakeForecast, moved_by
from tests.symptoms.diaries import START, ahead, cohort, long_frame, names, usual


@cache
def known_of() -> Forecasts:
    """Diaries where high is better: three with a treatment and a signal five days ahead, one too short for both."""
    rng = np.random.default_rng(1)
    reports = np.round(8 + 2 * rng.standard_normal((4, 80)))
    reports[0] += 4 * (np.arange(80) % 7 >= 5)
    reports[3, :60] = np.nan
    starts = pl.DataFrame(
        {
            "patient_id": names(3),
            "timestamp": (START + np.array([50, 70, 78])).astype("datetime64[us]"),
            "signal": "treatment_start",
            "value": 1.0,
        }
    )
    sleep = np.roll(reports, -5, axis=1) + 0.5 * rng.standard_normal(reports.shape)
    sleep[:, -5:] = 4
    told = pl.concat([starts, long_frame(sleep).with_columns(signal=pl.lit("sleep")).select(starts.columns)])
    return nm.symptoms.forecast_many(long_frame(reports), 5, scale=Scale(0, 16, worse="low"), covariates=told)


def every() -> Iterator[Forecast]:
    yield from known_of()
    yield from (usual()[i] for i in (0, 11, 35))


def weekly(weekend: float) -> Floats:
    """Twelve weeks around 6 of 16, weekends so many points higher; a Monday is next."""
    noise = np.random.default_rng(4).integers(-1, 2, (1, 84))
    return 6 + noise + weekend * (np.arange(84) % 7 >= 5)


def test_the_parts_add_up_to_every_quantile_of_every_day() -> None:
    for forecast in every():
        explanation = forecast.explanation
        total = explanation.neutral + sum(explanation.shifts.values())
        np.testing.assert_allclose(total, forecast.continuous_quantiles, rtol=0, atol=1e-9)
        assert (np.diff(explanation.neutral) >= 0).all(), "it is a forecast itself"


def test_parts_of_what_is_known_are_there_where_it_is_known() -> None:
    *treated, short = known_of()
    for forecast in treated:
        assert tuple(forecast.explanation.shifts) == (*RECORD_PARTS, TREATMENT, SIGNALS)
    assert tuple(short.explanation.shifts) == RECORD_PARTS, "a signal beside too few reports moves nothing"
    assert tuple(usual()[0].explanation.shifts) == RECORD_PARTS
    assert min(abs(one.importance[TREATMENT]) for one in treated) > 1e-3


def test_signals_move_every_quantile_as_far_as_they_are_said_to() -> None:
    forecast = max(known_of(), key=lambda one: abs(one.covariates["sleep"]))
    assert abs(forecast.covariates["sleep"]) > 1
    assert 0 < forecast.continuous_quantiles[-1].min() <= forecast.continuous_quantiles[-1].max() < 16
    np.testing.assert_allclose(forecast.explanation.shifts[SIGNALS][-1], forecast.covariates["sleep"], atol=1e-4)


def test_the_rounding_of_a_batch_is_no_share() -> None:
    """The parts add up to the forecast that was shown, though the model may give another last digit now."""
    model, summary = usual().model, usual().prediction.summary.row(11)
    forecast = usual().prediction.quantiles[11]
    given, shown = (explain(model, summary, quantiles, np.zeros(1)) for quantiles in (forecast, forecast + 1e-4))
    np.testing.assert_allclose(shown.neutral - given.neutral, 1e-4, atol=1e-6)
    for name, shift in given.shifts.items():
        np.testing.assert_allclose(shown.shifts[name], shift, rtol=0, atol=1e-12)


@pytest.mark.parametrize("count", [1, 2, 4])
def test_a_share_is_the_mean_effect_over_all_orders(count: int) -> None:
    value = np.random.default_rng(count).standard_normal(2**count)
    orders = list(permutations(range(count)))
    effect = np.zeros(count)
    for order in orders:
        combination = 0
        for part in order:
            effect[part] += value[combination | 1 << part] - value[combination]
            combination |= 1 << part
    np.testing.assert_allclose(shapley_values(value), effect / len(orders), atol=1e-12)
    assert members(count).sum(1).tolist() == [i.bit_count() for i in range(2**count)]


def record(values: Floats, weekday: int = -1) -> Histories:
    unit = values.astype(np.float32)
    return Histories.untreated(unit, np.zeros(len(unit), np.float32), np.full(len(unit), weekday))


def test_a_report_belongs_to_one_part_by_its_age() -> None:
    """With a part alone, its reports are as they were and all others at the mean."""
    values = np.full((1, 60), np.nan)
    ages = np.array([0, 1, 7, 8, 28, 29, 50])  # days before the last report, which is three days old
    values[0, 56 - ages] = np.array([0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.1])
    found = combinations(summarise(record(values)))
    mean = values[np.isfinite(values)].mean()
    np.testing.assert_array_equal(np.isfinite(found), np.repeat(np.isfinite(values), 32, 0))
    for bit, part in enumerate([[0], [1, 7], [8, 28], [29, 50], []]):
        alone = np.where(np.isfinite(values[0]), mean, np.nan)
        alone[56 - np.array(part, int)] = values[0, 56 - np.array(part, int)]
        np.testing.assert_allclose(found[1 << bit], alone, rtol=1e-6)
    np.testing.assert_allclose(found[0], np.where(np.isfinite(values[0]), mean, np.nan), rtol=1e-6)
    np.testing.assert_array_equal(found[-1], values[0].astype(np.float32))


def test_the_weekday_is_a_part_of_its_own() -> None:
    values = weekly(8)[:, :-3] / 16
    alone = combinations(summarise(record(values, weekday=4)))[1 << RECORD_PARTS.index("weekday")]
    weekend = np.arange(81) % 7 >= 5
    assert np.ptp(alone[weekend]) < 0.1 > np.ptp(alone[~weekend])
    assert 0.4 < alone[weekend].mean() - alone[~weekend].mean() < 0.52
    assert np.ptp(combinations(summarise(record(values)))[1 << RECORD_PARTS.index("weekday")]) == 0, "without dates"
    values[0, -1] = 1
    assert combinations(summarise(record(values, weekday=4))).max() == 1, "also without the weekday's low deviation"


def test_shares_are_those_of_forecasts_made_of_each_record_through_the_front_door() -> None:
    """Brute force: an order at a time, each record written out and forecast by itself."""
    values = np.round(cohort()[5:6, -20:]) / 16
    values[:, :4] = np.nan
    frame = long_frame(values, ids=["p"]).select("timestamp", "value")
    scale = Scale(0, 1, 1 / 16)
    shown = nm.symptoms.forecast(frame, 7, scale=scale)
    mean, seen = np.nanmean(values), np.isfinite(values[0])
    age = np.flatnonzero(seen)[-1] - np.arange(20)
    parts = [age == 0, (age > 0) & (age <= 7), age > 7]
    assert usable(summarise(record(values, 6)))

    def median(kept: tuple[int, ...]) -> Floats:
        there = np.any([parts[i] for i in kept], axis=0) if kept else np.zeros(20, bool)
        rows = frame.with_columns(value=np.where(there, values[0], mean)[seen])
        return nm.symptoms.forecast(rows, 7, scale=scale).continuous_quantiles[:, 10]

    orders = list(permutations(range(3)))
    shares = np.zeros((3, 7))
    for order in orders:
        for place, part in enumerate(order):
            shares[part] += (median(order[: place + 1]) - median(order[:place])) / len(orders)
    found = np.array([shift[:, 10] for shift in shown.explanation.shifts.values()])
    np.testing.assert_allclose(found[:3], shares, atol=1e-5)
    assert not found[3:].any()
    assert np.abs(shares).max() > 0.01


def usable(summary: Any) -> bool:
    """No weekday in it: three weeks show none."""
    return not summary.weekday_means.any()


@pytest.mark.parametrize("value", [0.0, 5.0, 16.0])
def test_a_constant_record_moves_nothing(value: float) -> None:
    (forecast,) = ahead(np.full((1, 40), value))
    assert not np.any(list(forecast.explanation.shifts.values()))
    np.testing.assert_array_equal(forecast.explanation.neutral, forecast.continuous_quantiles)
    assert wording.importance(forecast).endswith(". Nothing in the record moves it from there.")


def test_weekdays_move_the_days_that_they_are_of() -> None:
    (plain,), (rhythm,) = ahead(weekly(0)), ahead(weekly(8))
    assert not plain.explanation.shifts["weekday"].any()
    shift = rhythm.explanation.shifts["weekday"][:, 10]
    weekend = np.arange(14) % 7 >= 5
    assert shift[weekend].min() > 1.5
    assert shift[[1, 2, 3, 4, 8, 9, 10, 11]].max() < -1.5, "Mondays, beside a Sunday, are forecast too high"
    neutral = rhythm.explanation.neutral[:, 10]
    assert np.ptp(neutral) < 0.3, "a record without its week has a forecast without one"
    assert abs(neutral.mean() - weekly(8).mean()) < 0.3


@pytest.mark.parametrize(
    ("part", "days"),
    [("last report", slice(-1, None)), ("the week before", slice(-8, -1))],
)
def test_higher_reports_raise_the_share_of_their_part(part: str, days: slice) -> None:
    """Simulated persons, four points of 16 higher."""
    reports = np.clip(cohort(20), 2, 12)
    higher = reports.copy()
    higher[:, days] += 4
    moved = np.array(
        [b.importance[part] - a.importance[part] for a, b in zip(ahead(reports), ahead(higher), strict=True)]
    )
    assert (moved > 0).mean() >= 0.9
    assert moved.mean() > 0.1


def test_the_variation_of_the_record_widens_the_interval() -> None:
    """A record without variation has next to none in its forecast; the parts hold what there is."""
    for forecast in (usual()[i] for i in (0, 20, 40)):
        low, high = (int(np.flatnonzero(LEVELS.round(3) == level)[0]) for level in (0.1, 0.9))
        neutral, shown = (q[:, high] - q[:, low] for q in (forecast.explanation.neutral, forecast.continuous_quantiles))
        assert neutral.max() < 0.1 * shown.min()


class Counted:
    """Counts the rows that the model forecasts."""

    def __init__(self) -> None:
        self.rows: list[tuple[int, int]] = []
        self.real = SymptomModel.predict

    def predict(self, model: SymptomModel, histories: Histories, horizon: int) -> Any:
        self.rows.append(histories.values.shape)
        return self.real(model, histories, horizon)


@pytest.fixture
def counted() -> Iterator[list[tuple[int, int]]]:
    seen = Counted()
    with patch.object(SymptomModel, "predict", lambda *asked: seen.predict(*asked)):
        yield seen.rows


def test_what_it_costs(counted: list[tuple[int, int]]) -> None:
    """One call of the model, with no empty days, of two to the power of its parts, fewer where parts are empty."""
    treated, short, constant = known_of()[0], known_of()[3], ahead(np.full((1, 40), 5.0))[0]
    counted.clear()
    assert len(treated.explanation.shifts) == 7
    assert len(short.explanation.shifts) == len(constant.explanation.shifts) == 5
    assert counted == [(64, 80), (8, 20), (1, 40)]
    assert MOST_ROWS == 64
    assert treated.importance
    assert len(counted) == 3, "worked out once"


def test_who_does_not_ask_does_not_pay(counted: list[tuple[int, int]]) -> None:
    forecasts = ahead(cohort()[7:9])
    made = list(counted)
    assert forecasts.to_dict()["forecasts"][0]["explanation"] is None
    assert forecasts[0].to_dict(12)["explanation"] is None
    assert repr(forecasts[0])
    assert forecasts[0].plot()
    assert forecasts[0].insights
    assert counted == made
    assert forecasts.to_dict(explain=True)["forecasts"][1]["explanation"]["parts"]
    assert len(counted) == len(made) + 2


def test_same_record_same_explanation_alone_and_among_others() -> None:
    again, alone = (nm.symptoms.forecast(long_frame(cohort()[9:10]), scale=(0, 16), step=1).explanation for _ in "ab")
    among = usual()[9].explanation
    assert again.neutral.tobytes() == alone.neutral.tobytes()
    for name, shift in alone.shifts.items():
        assert again.shifts[name].tobytes() == shift.tobytes()
        np.testing.assert_allclose(among.shifts[name], shift, atol=2e-3)


def test_its_form_adds_up_too() -> None:
    for forecast in every():
        body = ForecastBody.of(forecast, explain=True).explanation
        assert body is not None
        assert [part.name for part in body.parts] == list(forecast.explanation.shifts)
        median = np.sum([body.neutral_median, *(part.median for part in body.parts)], axis=0)
        np.testing.assert_allclose(median, forecast.continuous_quantiles[:, 10], atol=1e-9)
        width = np.sum([body.neutral_width, *(part.width for part in body.parts)], axis=0)
        quantiles = forecast.continuous_quantiles
        np.testing.assert_allclose(width, quantiles[:, 18] - quantiles[:, 2], atol=1e-9)
    many = ForecastsBody.of(known_of(), explain=True)
    assert many.forecasts[1] == ForecastBody.of(known_of()[1], explain=True)
    assert ForecastsBody.with_thresholds(known_of(), lambda _: None, explain=True) == many


def test_in_words(make_forecast: MakeForecast) -> None:
    """Largest first, small ones left out, from where the parts begin, on the day that is meant."""
    forecast = make_forecast(days=20)
    assert wording.importance(forecast) == (
        f"With every report at the person's own mean, the middle of 21 Mar 2025 would be "
        f"{forecast.continuous_quantiles[6, 10] - 4.9:.2f}. It moves from there by: "
        "the week before +3.10, last report +1.40, weekday +0.60, earlier reports -0.20."
    )
    rows = np.full((3, 21), 8.0)
    short = make_forecast(horizon=3)
    object.__setattr__(short, "explain", moved_by(rows, {"weekday": 0.004, "last report": -0.006}))
    assert wording.importance(short) == (
        "With every report at the person's own mean, the middle of 17 Mar 2025 would be 8.00. "
        "It moves from there by: last report -0.01."
    )
