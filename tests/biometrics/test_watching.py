"""What the result of ``correlate`` offers beyond links: anomalies, warnings, a plan, words."""

from dataclasses import replace

import numpy as np
import pandas as pd
import polars as pl
import pytest

import novamind as nm
from novamind.biometrics import watching
from novamind.biometrics.anomalies import change_points, detect_anomalies
from novamind.biometrics.baselines import daily_levels, personal_baseline
from novamind.biometrics.domain import PersonSeries, Reliability
from tests.biometrics.conftest import MONDAY, frames, person, rich

LAG = 30
BEGIN, END = 24 * 70, 24 * 76


@pytest.fixture(scope="module")
def moved() -> PersonSeries:
    """The leading signal rises far for six days, and the symptom a lag later."""
    record = person(days=100, lag=LAG)
    hourly = record.hourly.copy()
    hourly[:, 0] = np.log(hourly[:, 0])
    hourly[BEGIN:END, 0] += 2
    return replace(record, hourly=hourly)


@pytest.fixture(scope="module")
def found(moved: PersonSeries) -> nm.biometrics.Correlations:
    tables = frames(moved)
    return nm.biometrics.correlate(tables.biometrics, tables.symptoms)


def test_an_anomaly_has_its_signal_and_its_times(found: nm.biometrics.Correlations) -> None:
    table = found.anomalies
    assert isinstance(table, pl.DataFrame)
    assert table.columns == ["signal", "start", "alarm", "direction", "mean_deviation", "evidence"]
    hit = table.filter(
        (pl.col("signal") == "hrv") & pl.col("alarm").is_between(pl.date(2024, 3, 11), pl.date(2024, 3, 17))
    )
    assert len(hit) == 1
    assert hit["direction"].item() == 1
    assert len(hit.filter(pl.col("start") >= pl.date(2024, 3, 10))) == 1


def test_only_the_confirmed_lead_warns_and_before_its_lag(found: nm.biometrics.Correlations) -> None:
    table = found.early_warning
    assert set(table["signal"]) == {"hrv"}
    assert set(table["symptom"]) == {"anxiety"}
    during = table.filter(pl.col("time").is_between(pl.date(2024, 3, 11), pl.date(2024, 3, 13)))
    assert len(during) == 1
    row = during.row(0, named=True)
    assert row["direction"] == 1
    assert 0 < row["horizon_low"] <= row["horizon_hours"] <= row["horizon_high"] < LAG
    assert "led anxiety by" in row["evidence"]


def test_the_plan_and_the_words_name_the_lead(found: nm.biometrics.Correlations) -> None:
    assert found.monitoring_plan["signal"].to_list() == ["hrv"]
    assert found.monitoring_plan["symptoms"].to_list() == ["anxiety"]
    (said,) = found.insights
    assert "higher hrv tends to be followed by more anxiety" in said.text
    assert said.action


def test_without_a_confirmed_link_there_are_no_warnings_but_the_same_columns(
    moved: PersonSeries, found: nm.biometrics.Correlations
) -> None:
    rng = np.random.default_rng(0)
    tables = frames(replace(moved, reports=rng.permutation(moved.reports)))
    none = nm.biometrics.correlate(tables.biometrics, tables.symptoms)
    assert not none.links["detected"].any()
    assert none.insights == ()
    for name in ("early_warning", "monitoring_plan"):
        assert len(getattr(none, name)) == 0
        assert getattr(none, name).schema == getattr(found, name).schema
    # What a signal does alone does not depend on the symptom.
    assert none.anomalies.equals(found.anomalies)


def test_low_reliability_is_silent(found: nm.biometrics.Correlations) -> None:
    poor = replace(found.person(), reliability=Reliability("low", ("10 days",)))
    assert poor.links == found.person().links
    assert poor.early_warning == poor.monitoring_plan == poor.insights == ()
    assert poor.anomalies == found.person().anomalies


def test_a_lasting_change_is_dated_and_pandas_stays_pandas() -> None:
    record = person(days=90, effect=0.0)
    hourly = record.hourly.copy()
    hourly[:, 1] = np.log(hourly[:, 1])
    hourly[24 * 50 :, 1] += 2
    tables = frames(replace(record, hourly=hourly), "p")
    found = nm.biometrics.correlate(tables.biometrics.to_pandas(), tables.symptoms.to_pandas())
    table = found.change_points
    assert isinstance(table, pd.DataFrame)
    assert table["patient_id"].tolist() == ["p"]
    assert table["signal"].tolist() == ["steps"]
    assert table["day_low"][0] <= pd.Timestamp("2024-02-20") <= table["day_high"][0]
    assert table["after"][0] > table["before"][0]


def test_a_value_a_day_counts_once() -> None:
    """Held through its day, a nightly value would count 24 times and raise alarms of its own."""
    rng = np.random.default_rng(4)
    days = MONDAY + (np.arange(150) * 24 + 7) * np.timedelta64(1, "h")
    nights = pl.DataFrame({"timestamp": days, "value": 7 + rng.standard_normal(150), "signal": "sleep_duration"})
    reports = pl.DataFrame({"timestamp": days, "value": rng.integers(0, 5, 150).astype(float)})
    series = nm.biometrics.correlate(nights, reports).person().series
    assert series.measured is not None
    assert series.measured.sum() == 150
    assert np.isfinite(series.hourly).sum() > 3000
    deviation = watching.deviations(series)
    assert watching.anomalies(series, deviation) == {"sleep_duration": ()}
    assert watching.lasting_changes(series) == {"sleep_duration": ()}


@pytest.mark.parametrize(
    ("start", "hour"), [("2024-01-01T00", 0), ("2024-01-03T05", 53), ("2024-01-07T23", 167), ("1969-12-29T01", 1)]
)
def test_the_first_hour_counts_from_monday(start: str, hour: int) -> None:
    assert watching._first_hour(replace(person(days=2), start=np.datetime64(start, "h"))) == hour


def test_each_signal_is_watched_against_its_own_baseline() -> None:
    series = rich(4, days=60)
    flat = replace(series, hourly=np.where(np.arange(5) == 4, 36.5, series.hourly))
    deviation = watching.deviations(flat)
    assert list(deviation) == ["hrv", "heart_rate", "steps", "sleep_duration"]  # what never varies is left out
    for b, name in enumerate(deviation):
        expected = personal_baseline(series.hourly[:, b], 53).deviation
        np.testing.assert_array_equal(deviation[name], expected)
    found = watching.anomalies(flat, deviation, seed=3)
    assert series.measured is not None
    own = np.stack([np.where(series.measured[:, b], each, np.nan) for b, each in enumerate(deviation.values())])
    assert tuple(found.values()) == detect_anomalies(own, 53, seed=3)
    assert list(found) == list(deviation)
    assert watching.anomalies(flat, {}) == {}
    some = {"steps": deviation["steps"]}
    assert watching.anomalies(flat, some)["steps"] == detect_anomalies(own[[2]], 53, seed=0)[0]


def test_lasting_changes_are_those_of_daily_levels_of_samples() -> None:
    series = rich(4, days=60)
    hourly = series.hourly.copy()
    hourly[24 * 30 :, 1] += 40
    moved = replace(series, hourly=hourly)
    found = watching.lasting_changes(moved)
    assert list(found) == list(series.signals)
    assert [point.day for point in found["heart_rate"]][-1] == 30
    assert series.measured is not None
    for b, name in enumerate(series.signals):
        own = np.where(series.measured[:, b], hourly[:, b], np.nan)
        assert found[name] == change_points(daily_levels(own, 53))
