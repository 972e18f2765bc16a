"""Tables of a record that are written by different clocks meet on one, or what cannot meet is left out and named."""

from collections import Counter
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl
import pytest

import novamind as nm
from novamind.errors import InsufficientDataError, ValidationError
from novamind.records import PatientRecord, signal_frame, symptom_frame, write_patient_directory
from novamind.twin.case import Case

DAYS = 40
HOME = ZoneInfo("America/Los_Angeles")
BEGIN = datetime(2024, 2, 20, tzinfo=HOME)
TODAY = date(2024, 4, 2)


def moments(hour: int, zone: str) -> list[str]:
    """One moment a day, at an hour of the home's clock, as written in another zone; without an offset by ``local``."""
    at_home = [(BEGIN + timedelta(days=day)).replace(hour=hour) for day in range(DAYS)]
    if zone == "local":
        return [when.replace(tzinfo=None).isoformat() for when in at_home]
    if zone == "UTC":
        return [when.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ") for when in at_home]
    return [when.astimezone(ZoneInfo(zone)).isoformat() for when in at_home]


def record(reports: str, signals: str, timezone: str | None = None) -> PatientRecord:
    rng = np.random.default_rng(2)
    sleep = rng.standard_normal(DAYS)
    felt = np.clip(np.round(12 + 4 * sleep + rng.standard_normal(DAYS)), 0, 27)
    return PatientRecord(
        "p",
        timezone=timezone,
        symptoms=symptom_frame(
            pl.DataFrame({"timestamp": moments(20, reports), "value": felt, "symptom": "PHQ-9", "patient_id": "p"})
        ),
        signals=signal_frame(
            pl.DataFrame(
                {
                    "timestamp": moments(7, signals),
                    "value": 420 + 40 * sleep,
                    "signal": "sleep_duration",
                    "patient_id": "p",
                }
            )
        ),
    )


def hours(case: Case) -> tuple[set[int], set[int]]:
    """The hours of the day at which signals and reports stand on more than the one day on which the clock changes."""
    assert case.signals is not None
    assert case.observed is not None
    stands = [Counter(frame["timestamp"].dt.hour().to_list()) for frame in (case.signals, case.observed)]
    signals, reports = ({hour for hour, days in hours.items() if days > 1} for hours in stands)
    return signals, reports


@pytest.mark.parametrize(
    ("reports", "signals", "timezone"),
    [
        ("local", "local", None),
        ("America/Los_Angeles", "UTC", None),
        ("UTC", "America/Los_Angeles", None),
        ("UTC", "UTC", "America/Los_Angeles"),
        ("local", "UTC", "America/Los_Angeles"),
        ("Europe/Berlin", "Asia/Kolkata", "America/Los_Angeles"),
    ],
)
def test_signals_and_reports_are_on_the_persons_clock(reports: str, signals: str, timezone: str | None) -> None:
    case = Case(record(reports, signals, timezone), TODAY)
    assert hours(case) == ({7}, {20})
    assert case.notes == ()
    assert case.unused_signals is None


def test_utc_alone_is_named() -> None:
    case = Case(record("UTC", "UTC"), TODAY)
    assert hours(case) == ({14, 15}, {3, 4})
    assert [note[:41] for note in case.notes] == ["Times are UTC and name no place: days and"]
    assert case.notes[0].endswith(".")


def test_signals_that_cannot_meet_the_reports_are_left_out_and_named() -> None:
    case = Case(record("America/Los_Angeles", "local"), TODAY)
    assert case.signals is None
    assert case.observed is not None
    assert case.unused_signals is not None
    assert case.unused_signals in case.notes
    twin = nm.PatientTwin(record("America/Los_Angeles", "local"), today=TODAY)
    assert len(twin.forecast()) == 1
    with pytest.raises(InsufficientDataError, match="have an offset from UTC"):
        twin.correlate()


def test_the_direction_of_a_link_stays_when_one_table_is_in_utc() -> None:
    lags = []
    for reports, signals in (("local", "local"), ("America/Los_Angeles", "UTC"), ("UTC", "America/Los_Angeles")):
        twin = nm.PatientTwin(record(reports, signals), today=TODAY)
        (link,) = twin.correlate(lookback_days=60).persons[0].links
        lags.append((link.lag_hours, link.lag_low > 0, link.detected))
    assert lags[0] == lags[1] == lags[2]
    assert lags[0] == (13.0, True, True)


def test_a_timezone_is_given_where_the_record_has_none(tmp_path: Path) -> None:
    write_patient_directory(record("UTC", "UTC"), tmp_path / "p")
    twin = nm.PatientTwin.from_directory(tmp_path / "p", timezone="America/Los_Angeles")
    assert hours(twin.case) == ({7}, {20})
    write_patient_directory(replace(record("UTC", "UTC"), timezone="Europe/Berlin"), tmp_path / "q")
    assert nm.PatientTwin.from_directory(tmp_path / "q", timezone="Europe/Berlin").record.timezone == "Europe/Berlin"
    with pytest.raises(ValidationError, match="the record names another timezone"):
        nm.PatientTwin.from_directory(tmp_path / "q", timezone="America/Los_Angeles")


def test_a_forecast_counts_days_by_the_given_clock_and_says_where_they_are_those_of_utc() -> None:
    values = [10.0 + day % 3 for day in range(DAYS)]
    table = {zone: pl.DataFrame({"timestamp": moments(21, zone), "value": values}) for zone in ("local", "UTC")}
    local = nm.symptoms.forecast(table["local"], scale=(0, 27))
    by_name = nm.symptoms.forecast(table["UTC"], scale=(0, 27), timezone="America/Los_Angeles")
    by_utc = nm.symptoms.forecast(table["UTC"], scale=(0, 27))
    assert by_name.days[0] == local.days[0] == by_utc.days[0] - 1
    assert np.array_equal(by_name.quantiles, local.quantiles)
    assert not any("UTC" in sentence for sentence in (*local.insights, *by_name.insights))
    assert by_utc.insights[-1].startswith("Times are UTC and name no place")


def test_covariates_move_to_the_clock_of_the_reports() -> None:
    reports = pl.DataFrame(
        {"timestamp": moments(21, "America/Los_Angeles"), "value": [10.0 + d % 5 for d in range(DAYS)]}
    )
    signal = [float((day * 7) % 11) for day in range(DAYS)]
    by_zone = [
        nm.symptoms.forecast(
            reports,
            scale=(0, 27),
            covariates=pl.DataFrame({"timestamp": moments(20, zone), "signal": "steps", "value": signal}),
        )
        for zone in ("America/Los_Angeles", "UTC")
    ]
    assert np.array_equal(by_zone[0].quantiles, by_zone[1].quantiles)
