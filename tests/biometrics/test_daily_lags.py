"""Lags of values that stand for a night or a day, and lags of tables that are written in different zones."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from novamind.biometrics import correlate
from novamind.biometrics.decision import _spread
from novamind.biometrics.domain import Link

DAYS = 70


def diary(sample_hour: int = 7, report_hour: int = 20) -> tuple[list[datetime], ...]:
    """Local times of one sample and one report a day."""
    first = datetime(2024, 2, 20)  # noqa: DTZ001 - local; clocks change in both halves of the world meanwhile
    days = [first + timedelta(days=day) for day in range(DAYS)]
    return [day + timedelta(hours=sample_hour) for day in days], [day + timedelta(hours=report_hour) for day in days]


def values(seed: int, nights_before: int) -> tuple[list[float], list[float]]:
    rng = np.random.default_rng(seed)
    sleep = rng.standard_normal(DAYS + 3)
    felt = sleep[3 - nights_before : 3 - nights_before + DAYS] + 0.8 * rng.standard_normal(DAYS)
    return (420 + 40 * sleep[3:]).tolist(), np.round(5 + 1.5 * felt).tolist()


def link(sampled: list[object], reported: list[object], seed: int, nights_before: int, **options: str) -> Link:
    slept, felt = values(seed, nights_before)
    links = correlate(
        pl.DataFrame({"timestamp": sampled, "signal": "sleep_duration", "value": slept}),
        pl.DataFrame({"timestamp": reported, "symptom": "mood", "value": felt}),
        max_lag_hours=72,
        **options,
    )
    return links.persons[0].links[0]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("nights_before", "lag"), [(0, 13), (1, 37)])
def test_the_interval_of_a_value_a_day_holds_its_lag_and_is_no_finer_than_a_day(
    seed: int, nights_before: int, lag: int
) -> None:
    sampled, reported = diary()
    daily = link(sampled, reported, seed, nights_before)
    assert daily.detected
    assert daily.lag_low <= lag <= daily.lag_high
    assert 18 <= daily.lag_high - daily.lag_low <= 30
    assert daily.lag_hours == pytest.approx(lag, abs=2)


def test_a_weight_spreads_over_the_width_and_stays_on_the_scale() -> None:
    mass = _spread(np.array([[0.0, 3.0]]), np.array([[0.25, 0.75]]), 2.0, 4)
    assert mass == pytest.approx(np.array([0, 0, 0, 1, 1, 1, 3, 3, 3]) / 12)
    assert _spread(np.array([[90.0]]), np.array([[1.0]]), 0.0, 4).tolist() == [0, 0, 0, 0, 0, 0, 0, 0, 1]


ZONES = ("Europe/Berlin", "America/Los_Angeles", "Australia/Sydney", "Asia/Kolkata")


def written(times: list[datetime], home: str, zone: str) -> list[str]:
    """Moments of a home's clock as a table of another zone writes them; ``Z`` for UTC."""
    aware = [when.replace(tzinfo=ZoneInfo(home)).astimezone(ZoneInfo(zone)) for when in times]
    return [
        when.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if zone == "UTC" else when.isoformat() for when in aware
    ]


@settings(max_examples=6)
@given(
    home=st.sampled_from(ZONES),
    zones=st.tuples(st.sampled_from((*ZONES, "UTC")), st.sampled_from((*ZONES, "UTC"))),
    seed=st.integers(0, 3),
)
def test_the_lag_is_the_same_in_whatever_zones_the_tables_are_written(
    home: str, zones: tuple[str, str], seed: int
) -> None:
    sampled, reported = diary()
    at_home = link(sampled, reported, seed, 1)
    as_written = [written(sampled, home, zones[0]), written(reported, home, zones[1])]
    elsewhere = link(*as_written, seed, 1)  # type: ignore[arg-type]
    assert elsewhere.detected
    assert elsewhere.lag_hours == pytest.approx(at_home.lag_hours, abs=1.5)  # clocks changed once in the meantime
    by_name = link(*as_written, seed, 1, timezone=home)  # type: ignore[arg-type]
    assert by_name.lag_hours == pytest.approx(at_home.lag_hours, abs=0.5)
    assert by_name.effect == pytest.approx(at_home.effect, abs=0.02)
