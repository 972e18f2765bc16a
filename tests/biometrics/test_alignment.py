"""The rules by which frames become one person's series."""

import narwhals as nw
import numpy as np
import polars as pl
import pytest

from novamind.biometrics.alignment import course, persons
from novamind.biometrics.domain import PersonSeries
from novamind.errors import ValidationError
from novamind.records.frames import signal_frame, symptom_frame
from tests.biometrics.conftest import MONDAY

HOUR = np.timedelta64(1, "h")


def one(signals: pl.DataFrame, reports: pl.DataFrame) -> PersonSeries:
    ((_, person),) = persons(signal_frame(signals), symptom_frame(reports), 168, {})
    return person


def signal(times: object, values: object, name: str = "heart_rate") -> pl.DataFrame:
    return pl.DataFrame({"timestamp": times, "value": values}).with_columns(signal=pl.lit(name))


REPORTS = pl.DataFrame({"timestamp": MONDAY + np.arange(20) * 24 * HOUR + 9 * HOUR, "value": np.arange(20.0)})


def test_cells_hold_means_and_remember_where_samples_stand() -> None:
    times = MONDAY + (np.repeat(np.arange(480), 2) * 60 + np.tile([10, 40], 480)).astype("timedelta64[m]")
    person = one(signal(times, np.tile([60.0, 70.0], 480)), REPORTS)
    assert np.allclose(person.hourly[:480, 0], 65)
    assert person.offset[0] == pytest.approx(25 / 60)
    assert person.report_hours[0] == 9


def test_a_daily_signal_holds_until_the_next() -> None:
    days = MONDAY + np.array([0, 1, 2, 5]) * 24 * HOUR
    person = one(signal(days, [1.0, 2.0, 3.0, 4.0], "sleep_duration"), REPORTS)
    assert person.hourly[30, 0] == 2
    assert np.isnan(person.hourly[3 * 24 + 5, 0])
    assert person.hourly[5 * 24 + 23, 0] == 4


def test_reports_without_time_of_day_count_at_noon() -> None:
    person = one(
        signal(MONDAY + np.arange(480) * HOUR, np.arange(480.0)),
        pl.DataFrame({"date": (MONDAY + np.arange(20) * 24 * HOUR).astype("datetime64[D]"), "value": np.arange(20.0)}),
    )
    assert person.report_hours[0] == 12


def test_a_clock_that_jumped_years_does_not_lengthen_the_record() -> None:
    times = np.append(MONDAY + np.arange(480) * HOUR, np.datetime64("1970-01-01T00:00:00", "us"))
    person = one(signal(times, np.ones(481)), REPORTS)
    assert person.hours == 480


@pytest.mark.parametrize("name", ["steps", "step_count", "Active_Calories", "spo2"])
def test_negative_counts_are_refused(name: str) -> None:
    with pytest.raises(ValidationError, match=f"1 values of '{name}' are negative"):
        one(signal(MONDAY + np.arange(3) * HOUR, [10.0, -1.0, 3.0], name), REPORTS)


def test_overlapping_devices_are_refused_with_the_rows() -> None:
    with pytest.raises(ValidationError, match="different values"):
        one(signal(np.array([MONDAY, MONDAY]), [60.0, 80.0]), REPORTS)


def test_the_repeated_hour_in_autumn_has_one_cell_and_the_skipped_one_none() -> None:
    utc = np.datetime64("2024-10-26T00:00:00", "us") + np.arange(60) * HOUR
    frame = signal(utc, np.arange(60.0)).with_columns(
        pl.col("timestamp").dt.replace_time_zone("UTC").dt.convert_time_zone("Europe/Berlin")
    )
    reports = pl.DataFrame({"timestamp": utc[::6], "value": np.arange(10.0)}).with_columns(
        pl.col("timestamp").dt.replace_time_zone("UTC").dt.convert_time_zone("Europe/Berlin")
    )
    person = one(frame, reports)
    night = person.hourly[24:28, 0]  # 0, 1, 2 (twice), 3 o'clock on the 27th
    assert night.tolist() == [22.0, 23.0, 24.5, 26.0]


def opened(columns: dict[str, object]) -> nw.DataFrame[pl.DataFrame]:
    return nw.from_native(pl.DataFrame(columns), eager_only=True)


def test_courses() -> None:
    start = MONDAY.astype("datetime64[h]")
    ill = course(opened({"start": ["2024-01-02"], "end": ["2024-01-03"]}), "illness", None, start, 96)
    assert ill is not None
    assert ill.sum() == 24
    drug = course(opened({"start": ["2024-01-01"]}), "medication", None, start, 24 * 20)
    assert drug is not None
    assert drug[24 * 7] == pytest.approx(0.5)
    assert drug[-1] == 1
    strength = course(opened({"timestamp": ["2024-01-02T00:00"], "value": [0.5]}), "calendar", None, start, 48)
    assert strength is not None
    assert strength.sum() == pytest.approx(12)
    assert course(opened({"start": ["2020-01-01"], "end": ["2020-01-02"]}), "calendar", None, start, 48) is None
    nobody = course(opened({"start": ["2024-01-01"], "patient_id": ["b"]}), "illness", "a", start, 48)
    assert nobody is not None
    assert not nobody.any()
    with pytest.raises(ValidationError, match="needs the columns"):
        course(opened({"when": ["2024-01-01"]}), "illness", None, start, 48)
    with pytest.raises(ValidationError, match="no date"):
        course(opened({"start": ["soon"]}), "illness", None, start, 48)
