"""A forecast is always a distribution on its instrument, and changes when and only when it should."""

import itertools
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import novamind as nm
from novamind.cohorts import OTHER_POPULATION, simulate
from novamind.errors import InsufficientDataError, ValidationError
from novamind.symptoms import Forecast, Forecasts, Scale, SymptomForecastingService
from novamind.symptoms.domain import LEVELS
from novamind.symptoms.service import default_service
from tests.symptoms.diaries import START, ahead, cohort, long_frame, usual

LOW, MEDIAN, HIGH = 2, 10, 18  # 10, 50 and 90 %
QUANTILES = [f"q{level:g}" for level in LEVELS]


def widths(forecasts: Forecasts) -> np.ndarray:
    """Mean width of the 80 % interval per series, before rounding to steps."""
    quantiles = forecasts.continuous_quantiles
    return (quantiles[..., HIGH] - quantiles[..., LOW]).mean(1)


def one(person: int = 0, **columns: Any) -> pl.DataFrame:
    """One person of the cohort without id."""
    return long_frame(cohort()[person : person + 1]).drop("patient_id").with_columns(**columns)


def diaries_of_any_kind(rng: np.random.Generator, count: int) -> np.ndarray:
    """Random reports on 0..1: any level, spread, inertia, gaps, length and number of possible answers."""
    days = int(rng.integers(4, 130))
    level, spread = rng.random((count, 1)), np.exp(rng.uniform(-6, 0, (count, 1)))
    walk = rng.random((count, 1)) * np.cumsum(rng.standard_normal((count, days)), axis=1) / np.sqrt(days)
    reports = np.clip(level + spread * (walk + rng.standard_normal((count, days))), 0, 1)
    wild = rng.random((count, 1)) < 0.1
    reports = np.where(wild, rng.integers(0, 2, (count, days)), reports)
    constant = rng.random((count, 1)) < 0.1
    reports = np.where(constant, np.round(level), reports)
    reports[rng.random((count, days)) < rng.choice([0, 0.2, 0.6, 0.9], (count, 1))] = np.nan
    silent = rng.integers(0, days, count)
    reports[(np.arange(days) >= silent[:, None]) & (rng.random((count, 1)) < 0.2)] = np.nan
    reports[:, :4] = np.where(np.isnan(reports[:, :4]), level, reports[:, :4])
    return reports


@settings(max_examples=20, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    horizon=st.integers(1, 30),
    low=st.sampled_from([0.0, 1.0, -3.0, 17.5]),
    steps=st.sampled_from([None, 1, 2, 3, 4, 7, 10, 27, 63, 100]),
    size=st.sampled_from([0.1, 0.25, 0.5, 1.0, 3.0]),
    worse=st.sampled_from(["high", "low"]),
)
def test_ten_thousand_random_diaries_get_nested_intervals_on_their_instrument(
    seed: int, horizon: int, low: float, steps: int | None, size: float, worse: Any
) -> None:
    scale = Scale(low, low + size * (steps or 10), None if steps is None else size, worse)
    reports = diaries_of_any_kind(np.random.default_rng(seed), 500)
    values = scale.snap(scale.from_unit(reports))
    forecasts = nm.symptoms.forecast_many(long_frame(values), horizon, scale=scale)
    assert len(forecasts) == 500
    frame = forecasts.frame
    quantiles = frame.select(QUANTILES).to_numpy()
    assert quantiles.shape == (500 * horizon, 21)
    assert np.isfinite(quantiles).all()
    assert (np.diff(quantiles, axis=1) >= 0).all()
    assert quantiles.min() >= scale.low
    assert quantiles.max() <= scale.high
    assert (frame["median"] == frame["q0.5"]).all()
    if scale.step is not None:
        answers = (quantiles - scale.low) / scale.step
        np.testing.assert_allclose(answers, np.round(answers), atol=1e-6)
    some = forecasts[int(seed % 500)]
    bounds = [some.interval(level) for level in (0.2, 0.5, 0.8, 0.9, 0.95)]
    for inner, outer in itertools.pairwise(bounds):
        assert (outer.low <= inner.low).all()
        assert (inner.high <= outer.high).all()


class TestNothingElseChangesIt:
    """Whatever does not bear on a person's next reports leaves their forecast alone."""

    def test_same_input_same_bytes(self) -> None:
        anew = SymptomForecastingService(default_service().model)  # remembers no forecast
        again = anew.forecast(long_frame(cohort()), scale=(0, 16), step=1)
        assert again.continuous_quantiles.tobytes() == usual().continuous_quantiles.tobytes()
        assert again.frame.equals(usual().frame)
        assert again[3].insights == usual()[3].insights
        assert again[3].importance == usual()[3].importance

    def test_seed_is_kept_and_changes_nothing(self) -> None:
        seeded = nm.symptoms.forecast(one(), scale=(0, 16), step=1, seed=5)
        np.testing.assert_array_equal(seeded.quantiles, nm.symptoms.forecast(one(), scale=(0, 16), step=1).quantiles)
        assert seeded.seed == 5

    def test_order_of_rows(self) -> None:
        shuffled = long_frame(cohort()).sample(fraction=1, shuffle=True, seed=1)
        forecasts = nm.symptoms.forecast_many(shuffled, scale=(0, 16), step=1)
        assert forecasts.frame.equals(usual().frame)

    def test_repeated_rows(self) -> None:
        rows = long_frame(cohort())
        forecasts = nm.symptoms.forecast_many(pl.concat([rows, rows[::3]]), scale=(0, 16), step=1)
        assert forecasts.frame.equals(usual().frame)

    def test_the_hour_of_a_report(self) -> None:
        rng = np.random.default_rng(2)
        rows = long_frame(cohort())
        minutes = pl.Series(rng.integers(0, 24 * 60, len(rows)) * 60_000_000).cast(pl.Duration("us"))
        forecasts = nm.symptoms.forecast_many(
            rows.with_columns(timestamp=rows["timestamp"] + minutes), scale=(0, 16), step=1
        )
        assert forecasts.frame.equals(usual().frame)

    def test_the_kind_of_frame(self) -> None:
        rows = long_frame(cohort())
        pandas = nm.symptoms.forecast_many(rows.to_pandas(), scale=(0, 16), step=1)
        assert isinstance(pandas.frame, pd.DataFrame)
        assert isinstance(usual().frame, pl.DataFrame)
        assert isinstance(pandas[0].frame, pd.DataFrame)
        assert pl.from_pandas(pandas.frame).equals(usual().frame)

    @pytest.mark.parametrize("weeks", [1, 5, 52])
    def test_the_date_when_weekdays_stay(self, weeks: int) -> None:
        later = nm.symptoms.forecast_many(long_frame(cohort(), start=START + 7 * weeks), scale=(0, 16), step=1)
        assert later.continuous_quantiles.tobytes() == usual().continuous_quantiles.tobytes()

    @pytest.mark.parametrize("horizon", [1, 2, 6, 7, 13, 29])
    def test_how_far_the_forecast_goes_on(self, horizon: int) -> None:
        longest = ahead(cohort(), 30).continuous_quantiles
        np.testing.assert_array_equal(ahead(cohort(), horizon).continuous_quantiles, longest[:, :horizon])

    def test_which_levels_are_asked_for(self) -> None:
        few = nm.symptoms.forecast_many(long_frame(cohort()), quantile_levels=(0.1, 0.5, 0.9), scale=(0, 16), step=1)
        assert few.frame.columns[-3:] == ["q0.1", "q0.5", "q0.9"]
        assert few.frame.equals(usual().frame.select(few.frame.columns))

    @pytest.mark.parametrize("factor", [0.25, 2.0, 1024.0])
    def test_units_of_the_instrument(self, factor: float) -> None:
        scaled = nm.symptoms.forecast_many(long_frame(cohort() * factor), scale=(0, 16 * factor), step=factor)
        np.testing.assert_array_equal(scaled.continuous_quantiles, usual().continuous_quantiles * factor)
        for a, b in ((scaled[0], usual()[0]), (scaled[7], usual()[7])):
            np.testing.assert_array_equal(a.quantiles, b.quantiles * factor)
            assert a.trend.per_week == pytest.approx(b.trend.per_week * factor)
            assert a.trend.direction == b.trend.direction
            assert a.reliability == b.reliability
            assert a.members == b.members
            np.testing.assert_allclose(a.risk(12 * factor).probability, b.risk(12).probability, atol=1e-9)

    def test_which_end_of_the_scale_is_worse(self) -> None:
        mirrored = nm.symptoms.forecast_many(long_frame(16 - cohort()), scale=(0, 16), step=1, worse="low")
        np.testing.assert_allclose(
            16 - mirrored.continuous_quantiles[..., ::-1], usual().continuous_quantiles, atol=1e-12
        )
        a, b = mirrored[4], usual()[4]
        np.testing.assert_array_equal(16 - a.quantiles[:, ::-1], b.quantiles)
        np.testing.assert_allclose(a.risk(3).probability, b.risk(13).probability, atol=1e-6)
        assert a.trend.per_week == pytest.approx(-b.trend.per_week)
        assert a.trend.direction == b.trend.direction
        assert list(a.importance) == list(b.importance)
        np.testing.assert_allclose(list(a.importance.values()), -np.array(list(b.importance.values())))


class TestWhatChangesIt:
    """What does bear on the next reports moves the forecast, in the right direction and smoothly."""

    def test_a_typical_day_moves_it_smoothly(self) -> None:
        before = usual().continuous_quantiles
        typical = usual().frame.filter(pl.col("days_ahead") == 1)["median"].to_numpy()
        after = ahead(np.column_stack([cohort(), typical])).continuous_quantiles
        moved = np.abs(after[:, :-1, MEDIAN] - before[:, 1:, MEDIAN]).mean(1)
        unsure = widths(usual()) > 0
        share = moved[unsure] / widths(usual())[unsure]
        assert np.median(share) < 0.05
        assert np.quantile(share, 0.95) < 0.15
        assert (moved / 16).max() < 0.1

    def test_a_bad_day_moves_it_up_and_a_good_day_down(self) -> None:
        people = len(cohort())
        good, bad = (ahead(np.column_stack([cohort(), np.full(people, v)])).continuous_quantiles for v in (0.0, 16.0))
        up = (bad - good)[:, :7, MEDIAN].mean(1)
        assert (up > -0.01 * 16).all()
        assert np.mean(up > 0) > 0.9

    def test_a_worse_record_has_a_worse_forecast(self) -> None:
        better, worse = (ahead(np.minimum(cohort() / 2 + shift, 16)).continuous_quantiles for shift in (0, 8))
        assert (worse[..., MEDIAN] > better[..., MEDIAN]).all()

    def test_a_wilder_record_has_a_wider_forecast(self) -> None:
        rng = np.random.default_rng(3)
        noise = rng.standard_normal((40, 60))
        calm, wild = (ahead(np.clip(np.round(8 + spread * noise), 0, 16)) for spread in (0.8, 3.0))
        assert (widths(wild) > widths(calm)).all()

    def test_the_less_was_reported_the_wider(self) -> None:
        full = cohort(400, 40)
        before, kept = widths(ahead(full)), np.random.default_rng(4).random(full.shape)
        ratios = []
        for share in (0.7, 0.15):
            fewer = np.where(kept < share, full, np.nan)
            # Who always gave the best answer is certain to give it again.
            enough = (np.isfinite(fewer).sum(1) >= 4) & (before > 0)
            ratios.append(widths(ahead(fewer[enough])) / before[enough])
        assert 1 < np.median(ratios[0]) < np.median(ratios[1])
        assert all(np.mean(ratio > 1) > 0.55 for ratio in ratios)

    def test_silence_widens_it(self) -> None:
        full = cohort(400, 40)
        before = widths(ahead(full))
        for days in (3, 7, 21):
            silent = widths(ahead(np.where(np.arange(80) >= 80 - days, np.nan, full)))
            ratio = silent[before > 0] / before[before > 0]
            assert np.median(ratio) > 1
            assert np.mean(ratio > 1) > 0.55

    def test_the_further_ahead_the_wider(self) -> None:
        quantiles = ahead(cohort(), 30).continuous_quantiles
        by_day = (quantiles[..., HIGH] - quantiles[..., LOW]).mean(0)
        assert by_day[0] < by_day[6] < by_day[29]

    def test_a_weekly_rhythm_is_carried_on(self) -> None:
        weeks = 20
        values = np.tile([4.0, 4, 4, 4, 4, 12, 12], (30, weeks)) + np.random.default_rng(5).integers(-1, 2, (30, 140))
        median = ahead(values).continuous_quantiles[..., MEDIAN].mean(0)
        weekend = np.arange(14) % 7 >= 5
        assert median[weekend].min() > median[~weekend].max()


class TestLocalDays:
    """A report counts on the day on which its writer wrote it."""

    hours = (8, 23)

    def rows(self, zone: timezone) -> pl.DataFrame:
        start = datetime(2024, 1, 1, tzinfo=zone)
        moments = [start + timedelta(days=d, hours=self.hours[d % 2]) for d in range(40)]
        return pl.DataFrame({"timestamp": [m.isoformat() for m in moments], "value": [(3 * d) % 7 for d in range(40)]})

    @pytest.mark.parametrize("hours", [-11, -5, 0, 2, 9, 13])
    def test_timezones_do_not_shift_days(self, hours: int) -> None:
        aware = nm.symptoms.forecast(self.rows(timezone(timedelta(hours=hours))), scale=(0, 6), step=1)
        utc = nm.symptoms.forecast(self.rows(UTC), scale=(0, 6), step=1)
        assert aware.history_days[0] == START
        np.testing.assert_array_equal(aware.history, utc.history)
        np.testing.assert_array_equal(aware.quantiles, utc.quantiles)

    def test_typed_timestamps_count_on_their_own_clock(self) -> None:
        rows = self.rows(UTC).with_columns(pl.col("timestamp").str.to_datetime("%+", time_zone="UTC"))
        late = rows.with_columns(pl.col("timestamp").dt.convert_time_zone("Pacific/Auckland"))
        assert nm.symptoms.forecast(rows, scale=(0, 6), step=1).history_days[-1] == START + 39
        assert nm.symptoms.forecast(late, scale=(0, 6), step=1).history_days[-1] == START + 40


class TestWhatComesBack:
    """One series gives a forecast, several give forecasts; what cannot be forecast says why."""

    def test_one_series_is_one_forecast(self) -> None:
        forecast = nm.symptoms.forecast(one(), 5, scale=(0, 16), step=1)
        assert isinstance(forecast, Forecast)
        assert (forecast.patient_id, forecast.symptom, forecast.horizon) == (None, "symptom", 5)
        np.testing.assert_array_equal(forecast.days, START + 80 + np.arange(5))
        np.testing.assert_array_equal(forecast.history_days, np.arange(forecast.history_days[0], START + 80))
        assert np.array_equal(forecast.history, cohort()[0][-len(forecast.history) :], equal_nan=True)

    def test_several_series_are_forecasts(self) -> None:
        assert isinstance(nm.symptoms.forecast(long_frame(cohort()[:2]), scale=(0, 16)), Forecasts)

    def test_a_series_too_short_is_listed_with_its_reason(self) -> None:
        reports = cohort()[:3].copy()
        reports[1, 3:] = np.nan
        reports[1, :3] = 5
        forecasts = nm.symptoms.forecast(long_frame(reports), scale=(0, 16), step=1)
        assert isinstance(forecasts, Forecasts)
        assert [s.key.patient_id for s in forecasts.series] == ["p00000", "p00002"]
        assert {key.patient_id: reason for key, reason in forecasts.skipped.items()} == {
            "p00001": "at least 4 days with reports are needed for a forecast, here are 3"
        }

    def test_a_row_without_a_value_says_that_the_record_runs_on(self) -> None:
        silent = one()[:1].with_columns(timestamp=START + 90, value=None).cast(one().schema)
        forecast = nm.symptoms.forecast(pl.concat([one(), silent]), scale=(0, 16), step=1)
        assert forecast.days[0] == START + 91
        assert np.isnan(forecast.history[-11:]).all()
        assert "no report in the last 11 days" in forecast.reliability.reasons

    def test_reports_beyond_the_lookback_are_too_old(self) -> None:
        late = one()[:1].with_columns(timestamp=pl.col("timestamp") + pl.duration(days=480), value=None)
        rows = pl.concat([one(), late.cast(one().schema)])
        with pytest.raises(InsufficientDataError, match="no report in the last 364 days"):
            nm.symptoms.forecast(rows, scale=(0, 16))

    def test_several_reports_a_day_are_averaged_and_have_the_steps_they_show(self) -> None:
        rows = one()
        evening = rows.with_columns(
            timestamp=pl.col("timestamp") + pl.duration(hours=20), value=(pl.col("value") + 1).clip(0, 16)
        )
        forecast = nm.symptoms.forecast(pl.concat([rows, evening]), scale=(0, 16), step=1)
        assert forecast.scale.step == 0.5
        np.testing.assert_allclose(
            forecast.history, (cohort()[0] + np.minimum(cohort()[0] + 1, 16))[-len(forecast.history) :] / 2
        )

    @pytest.mark.parametrize("value", [0, 7, 16])
    @pytest.mark.parametrize("days", [4, 10, 100])
    def test_a_constant_series_leaves_some_doubt(self, value: int, days: int) -> None:
        forecast = nm.symptoms.forecast(
            pl.DataFrame({"timestamp": START + np.arange(days), "value": [value] * days}), 30, scale=(0, 16), step=1
        )
        assert np.isfinite(forecast.continuous_quantiles).all()
        assert (np.abs(forecast.median - value) <= 1).all()
        # After a hundred days at an end of the scale that alone may be expected: nearly all answers to come are it.
        if days < 100 or 0 < value < 16:
            assert (forecast.continuous_quantiles[:, -1] > forecast.continuous_quantiles[:, 0]).all()
        low, high = forecast.interval(0.95)
        assert ((low <= value) & (value <= high)).all()

    def test_levels_between_the_calibrated_ones_lie_between(self) -> None:
        levels = (0.03, 0.123, 0.5, 0.66, 0.97)
        between = one().with_columns(pl.col("value") + np.random.default_rng(0).normal(0, 0.01, one().height))
        forecast = nm.symptoms.forecast(between, quantile_levels=levels, scale=(-1, 17))
        expected = [np.interp(levels, LEVELS, row) for row in forecast.continuous_quantiles]
        np.testing.assert_allclose(forecast.quantiles, expected)

    @pytest.mark.parametrize(
        "levels", [(), (0.5, 0.1), (0.1, 0.1), (0.01, 0.5), (0.5, 0.99), (np.nan,), ("a",), "middle", ((0.1, 0.5),)]
    )
    def test_levels_that_are_not_calibrated_are_refused(self, levels: Any) -> None:
        with pytest.raises(ValidationError, match="quantile_levels must"):
            nm.symptoms.forecast(one(), quantile_levels=levels, scale=(0, 16))

    @pytest.mark.parametrize("horizon", [0, -1, 31, 1.5, True, "7", None])
    def test_horizons_out_of_range_are_refused(self, horizon: Any) -> None:
        with pytest.raises(ValidationError, match="horizon must be"):
            nm.symptoms.forecast(one(), horizon, scale=(0, 16))


@pytest.mark.parametrize("width", [40, 79, 300])
def test_other_patients_in_the_batch(width: int) -> None:
    """Records that are longer, shorter or more than one's own change nothing beyond single precision."""
    short = cohort()[:, -30:].copy()
    short = short[np.isfinite(short).sum(1) >= 6]
    alone = nm.symptoms.forecast_many(long_frame(short, start=START + 70), scale=(0, 16)).continuous_quantiles
    others = simulate(30, width, seed=3, settings=OTHER_POPULATION).reports.astype(float) * 16
    others = others[np.isfinite(others).sum(1) >= 8]

    rows = pl.concat(
        [long_frame(short, start=START + 70), long_frame(others, ids=[f"z{i}" for i in range(len(others))])]
    )
    together = nm.symptoms.forecast_many(rows, scale=(0, 16)).continuous_quantiles[: len(short)]
    np.testing.assert_allclose(together, alone, atol=16e-5)


@pytest.mark.parametrize("person", range(0, 60, 20))
def test_one_alone_is_one_among_many(person: int) -> None:
    one = nm.symptoms.forecast(long_frame(cohort()[person : person + 1]), scale=(0, 16), step=1)
    np.testing.assert_allclose(one.continuous_quantiles, usual().continuous_quantiles[person], atol=16e-5)


def coarse(values: tuple[float, ...], top: float) -> nm.symptoms.Forecast:
    days = pl.datetime_range(datetime(2024, 3, 1), datetime(2024, 4, 29), "1d", eager=True)  # noqa: DTZ001
    table = pl.DataFrame({"timestamp": days, "value": [float(values[day % len(values)]) for day in range(60)]})
    return nm.symptoms.forecast(table, scale=(0, top))


@pytest.mark.parametrize(
    ("values", "top", "step"),
    [
        ((40, 60, 80, 40), 100, None),  # a habit of the person
        ((10, 20, 70, 50), 100, None),
        ((4, 6, 8, 4, 5), 10, 1),
        ((0, 2, 4, 6), 10, None),
        ((1, 1.5, 3, 2), 4, 0.5),
        ((0, 1, 3, 2), 3, 1),
    ],
)
def test_answers_show_steps_of_one_unit_at_most(values: tuple[float, ...], top: float, step: float | None) -> None:
    assert coarse(values, top).scale.step == (None if step is None else pytest.approx(step))


@pytest.mark.parametrize("frame_of", [pl.DataFrame, pd.DataFrame])
def test_spellings_of_an_instrument_are_one_series(frame_of: Any) -> None:
    days = [datetime(2024, 3, 1) + timedelta(days=day) for day in range(30)]  # noqa: DTZ001
    values = [10.0 + day % 5 for day in range(30)]
    names = ["PHQ-9" if day < 15 else "phq_9" for day in range(30)]
    table = frame_of({"timestamp": days, "value": values, "symptom": names})
    whole = frame_of({"timestamp": days, "value": values, "symptom": "PHQ-9"} if frame_of is pd.DataFrame else
                     {"timestamp": days, "value": values, "symptom": ["PHQ-9"] * 30})  # fmt: skip
    merged, expected = nm.symptoms.forecast(table), nm.symptoms.forecast(whole)
    assert merged.symptom == "PHQ-9"
    assert np.array_equal(merged.quantiles, expected.quantiles)
    alone = nm.symptoms.forecast(frame_of({"timestamp": days, "value": values, "symptom": ["phq_9"] * 30}))
    assert alone.symptom == "phq_9"  # one spelling is that of the caller
    clash = frame_of({"timestamp": days[:1] * 2, "value": [3.0, 4.0], "symptom": ["PHQ-9", "phq9"]})
    with pytest.raises(ValidationError, match="different values"):
        nm.symptoms.forecast(clash)
