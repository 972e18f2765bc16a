"""The rules by which frames become one person's series."""

from datetime import date, datetime

import narwhals as nw
import numpy as np
import polars as pl
import pytest

from novamind.biometrics.alignment import course, persons
from novamind.biometrics.domain import PersonSeries
from novamind.errors import InsufficientDataError, ValidationError
from novamind.records.tables.frames import signal_frame, symptom_frame
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


def test_a_sample_on_the_edge_of_the_period_counts_and_one_beyond_does_not() -> None:
    """The reports' period, widened by the longest lag and a week, both ends included."""
    margin = (168 + 168) * HOUR
    first, last = MONDAY + 9 * HOUR, MONDAY + (19 * 24 + 9) * HOUR
    tick = np.timedelta64(1, "us")
    inside = one(signal(np.array([first - margin, first, last + margin]), [1.0, 2.0, 3.0]), REPORTS)
    assert inside.start == np.datetime64("2023-12-18T00", "h")
    assert inside.hours == int((last + margin - inside.start.astype("datetime64[us]")) / HOUR) + 1
    assert inside.hourly[9, 0] == 1
    assert inside.hourly[-1, 0] == 3
    beyond = one(signal(np.array([first - margin - tick, first, last + margin + tick]), [1.0, 2.0, 3.0]), REPORTS)
    assert beyond.start == MONDAY.astype("datetime64[h]")
    assert beyond.hours == 19 * 24 + 10
    assert np.isfinite(beyond.hourly).sum() == 1
    ((_, shorter),) = persons(
        signal_frame(signal(np.array([first - margin + 24 * HOUR, first - margin, first]), [1.0, 2.0, 3.0])),
        symptom_frame(REPORTS),
        144,
        {},
    )
    assert shorter.start == np.datetime64("2023-12-19T00", "h")  # a day less of lag, a day less of record


def test_reports_outside_the_signals_lengthen_the_record() -> None:
    person = one(signal(MONDAY + np.arange(100, 120) * HOUR, np.arange(20.0)), REPORTS)
    assert person.start == MONDAY.astype("datetime64[h]")
    assert person.hours == 19 * 24 + 10
    assert person.report_hours[0] == 9
    assert person.report_hours[-1] == 19 * 24 + 9
    assert person.hourly[100, 0] == 0
    assert person.measured.sum() == 20


@pytest.mark.parametrize(
    ("minutes", "hours"),
    [
        ([30, 24 * 60 + 570], [0.5, 33.5]),  # half hours stay half hours
        ([0, 24 * 60 + 570], [0.0, 33.5]),  # midnight is midnight where another report has a time of day
        ([0, 24 * 60], [12.0, 36.0]),  # none has one
        ([24 * 60 - 1, 24 * 60], [24 - 1 / 60, 24.0]),
    ],
)
def test_half_hours_and_midnights_are_read_as_written(minutes: list[int], hours: list[float]) -> None:
    at = MONDAY + np.array(minutes) * np.timedelta64(1, "m")
    reports = pl.DataFrame({"timestamp": at, "value": [1.0, 2.0]})
    person = one(signal(MONDAY + np.arange(48) * HOUR, np.arange(48.0)), reports)
    assert person.report_hours == pytest.approx(hours)
    assert person.reports[:, 0].tolist() == [1, 2]


def test_noon_is_for_each_symptom_by_itself() -> None:
    days = MONDAY + np.arange(3) * 24 * HOUR
    reports = pl.concat([
        pl.DataFrame({"timestamp": days, "value": [1.0, 2.0, 3.0], "symptom": "mood"}),
        pl.DataFrame({"timestamp": days + 8 * HOUR, "value": [4.0, 5.0, None], "symptom": "sleepiness"}),
    ])  # fmt: skip
    person = one(signal(MONDAY + np.arange(72) * HOUR, np.arange(72.0)), reports)
    assert person.symptoms == ("mood", "sleepiness")
    assert person.report_hours.tolist() == [8, 12, 32, 36, 60]
    assert np.array_equal(person.reports[:, 0], [np.nan, 1, np.nan, 2, 3], equal_nan=True)
    assert np.array_equal(person.reports[:, 1], [4, np.nan, 5, np.nan, np.nan], equal_nan=True)


def test_reports_without_any_value_leave_the_place_of_the_first() -> None:
    reports = pl.DataFrame({"timestamp": MONDAY + np.array([30, 50]) * HOUR, "value": [None, None]}).with_columns(
        pl.col("value").cast(pl.Float64)
    )
    person = one(signal(MONDAY + np.arange(72) * HOUR, np.arange(72.0)), reports)
    assert person.report_hours.tolist() == [30]
    assert np.isnan(person.reports).all()


def test_the_later_pass_of_a_repeated_hour_is_the_report() -> None:
    utc = np.datetime64("2024-10-26T23:30:00", "us") + np.arange(4) * HOUR
    reports = pl.DataFrame({"timestamp": utc, "value": [1.0, 2.0, 3.0, 4.0]}).with_columns(
        pl.col("timestamp").dt.replace_time_zone("UTC").dt.convert_time_zone("Europe/Berlin")
    )
    signals = signal(utc, np.arange(4.0)).with_columns(
        pl.col("timestamp").dt.replace_time_zone("UTC").dt.convert_time_zone("Europe/Berlin")
    )
    person = one(signals, reports)
    assert person.report_hours.tolist() == [1.5, 2.5, 3.5]
    assert person.reports[:, 0].tolist() == [1, 3, 4]


@pytest.mark.parametrize(
    ("distance", "held"),
    [(11, 1), (12, 12), (24, 24), (25.5, 26), (36, 36), (48, 36)],
)
def test_what_comes_every_half_day_or_less_often_holds_for_a_usual_distance_and_36_hours_at_most(
    distance: float, held: int
) -> None:
    minutes = (np.arange(5) * distance * 60 + 20).astype(int)
    person = one(signal(MONDAY + minutes * np.timedelta64(1, "m"), np.arange(5.0), "weight"), REPORTS)
    first = np.flatnonzero(person.hourly[:, 0] == 0)
    assert first.tolist() == list(range(min(held, int(distance + 20 / 60) if held > 1 else 1)))
    assert person.measured[:, 0].sum() == 5
    last = int(minutes[-1] // 60)
    assert (person.hourly[last : last + held, 0] == 4).all()
    assert np.isnan(person.hourly[last + held, 0])
    # Where a value holds, the place of its sample within the hour says nothing.
    assert (person.offset[0] == 0) == (held > 1)


def test_samples_within_an_hour_count_as_their_mean_and_equal_ones_as_themselves() -> None:
    minutes = np.array([0, 15, 30, 45, 60, 61, 150])
    person = one(signal(MONDAY + minutes * np.timedelta64(1, "m"), [1.0, 2, 3, 6, 0.1, 0.1, 9]), REPORTS)
    assert person.hourly[:4, 0].tolist()[:3] == [3, 0.1, 9]
    assert np.isnan(person.hourly[3, 0])
    assert person.offset[0] == pytest.approx((0 + 15 + 30 + 45 + 0 + 1 + 30) / 60 / 7)
    equal = one(signal(MONDAY + np.arange(3) * np.timedelta64(7, "m"), [0.1, 0.1, 0.1]), REPORTS)
    assert equal.hourly[0, 0] == 0.1  # not 0.30000000000000004 / 3


def test_each_person_has_what_is_theirs() -> None:
    signals = pl.concat([
        signal(MONDAY + np.arange(48) * HOUR, np.arange(48.0)).with_columns(patient_id=pl.lit("a")),
        signal(MONDAY + np.arange(48) * HOUR, np.arange(48.0) + 100, "steps").with_columns(patient_id=pl.lit("b")),
        signal(MONDAY + np.arange(48) * HOUR, np.arange(48.0) + 200).with_columns(patient_id=pl.lit("b")),
        signal(MONDAY + np.arange(48) * HOUR, np.arange(48.0) + 300).with_columns(patient_id=pl.lit("c")),
    ])  # fmt: skip
    reports = pl.concat(
        REPORTS.head(2).with_columns(pl.col("value") + 10 * i, patient_id=pl.lit(who)) for i, who in enumerate("abd")
    )
    course_of_b = pl.DataFrame({"start": ["2024-01-02"], "patient_id": ["b"]})
    found = dict(
        persons(signal_frame(signals), symptom_frame(reports), 24, {"calendar": course_of_b, "medication": None})
    )
    assert list(found) == ["a", "b"]
    assert found["a"].hourly[:, 0].tolist()[:3] == [0, 1, 2]
    assert found["b"].signals == ("heart_rate", "steps")
    assert found["b"].hourly[0].tolist() == [200, 100]
    assert found["b"].reports[:, 0].tolist() == [10, 11]
    assert not found["a"].confounders
    assert found["b"].confounders["calendar"].sum() == 24
    with pytest.raises(InsufficientDataError, match="no person has both"):
        list(persons(signal_frame(signals), symptom_frame(REPORTS), 24, {}))


START = MONDAY.astype("datetime64[h]")


def test_a_course_holds_from_its_start_to_before_its_end() -> None:
    held = course(opened({"start": ["2024-01-01T05:00"], "end": ["2024-01-01T08:00"]}), "calendar", None, START, 24)
    assert held is not None
    assert np.flatnonzero(held).tolist() == [5, 6, 7]
    assert held.max() == 1
    both = course(
        opened({"start": ["2024-01-01T05:00", "2024-01-01T06:00"], "end": ["2024-01-01T08:00", None]}),
        "calendar", None, START, 24,
    )  # fmt: skip
    assert both is not None
    assert np.flatnonzero(both).tolist() == list(range(5, 24))  # without an end it holds to the record's
    assert both.max() == 1  # twice ill is ill
    ends = course(opened({"start": ["2024-01-01T05:00"]}), "calendar", None, START, 24)
    assert ends is not None
    assert ends[-1] == 1


def test_a_medication_comes_in_and_goes_over_14_days_and_several_add_up() -> None:
    first = {"start": [datetime(2024, 1, 1)], "end": [datetime(2024, 1, 22)]}  # noqa: DTZ001
    drug = course(opened(first), "medication", None, START, 24 * 40)
    assert drug is not None
    for day, part in ((0, 0.0), (7, 0.5), (14, 1.0), (21, 1.0), (28, 0.5), (35, 0.0), (39, 0.0)):
        assert drug[24 * day] == pytest.approx(part), day
    two = course(opened({"start": ["2024-01-01", "2024-01-08"]}), "medication", None, START, 24 * 40)
    assert two is not None
    assert two[24 * 14] == pytest.approx(1.5)
    assert two[-1] == 2


def test_a_strength_holds_until_the_next_and_is_0_before_the_first_and_where_empty() -> None:
    table = {
        "timestamp": ["2024-01-01T03:00", "2024-01-01T06:30", "2024-01-01T09:00"],
        "value": [2.0, 0.5, None],
    }
    strength = course(opened(table), "calendar", None, START, 12)
    assert strength is not None
    assert strength.tolist() == [0, 0, 0, 2, 2, 2, 2, 0.5, 0.5, 0, 0, 0]


def test_a_log_that_says_nothing_is_left_out_and_an_illness_log_says_that_there_was_none() -> None:
    empty = pl.DataFrame(schema={"start": pl.String, "end": pl.String})
    assert course(nw.from_native(empty, eager_only=True), "calendar", None, START, 24) is None
    for schema in ({"start": pl.String}, {"timestamp": pl.String, "value": pl.Float64}):
        none = nw.from_native(pl.DataFrame(schema=schema), eager_only=True)
        well = course(none, "illness", None, START, 24)
        assert well is not None
        assert well.tolist() == [0] * 24
    always = course(opened({"start": ["2023-01-01"]}), "calendar", None, START, 24)
    assert always is None  # what never changes explains nothing


def test_a_course_is_of_its_patient_whatever_type_the_ids_have() -> None:
    table = opened({"start": ["2024-01-01T05:00", "2024-01-01T07:00"], "patient_id": [7, 8]})
    of_7 = course(table, "calendar", "7", START, 24)
    assert of_7 is not None
    assert np.flatnonzero(of_7)[0] == 5
    of_8 = course(table, "calendar", "8", START, 24)
    assert of_8 is not None
    assert np.flatnonzero(of_8)[0] == 7
    everybody = course(table, "calendar", None, START, 24)
    assert everybody is not None
    assert np.flatnonzero(everybody)[0] == 5
    for_all = course(opened({"start": ["2024-01-01T05:00"]}), "calendar", "7", START, 24)
    assert for_all is not None


@pytest.mark.parametrize("zone", [None, "Europe/Berlin"])
def test_dates_may_be_dates_times_or_text(zone: str | None) -> None:
    begin = datetime(2024, 1, 1, 5)  # noqa: DTZ001
    times = pl.Series([begin]).dt.replace_time_zone(zone)
    held = course(nw.from_native(pl.DataFrame({"start": times}), eager_only=True), "calendar", None, START, 24)
    assert held is not None
    assert np.flatnonzero(held)[0] == 5  # by its own wall clock
    day = course(opened({"start": [date(2024, 1, 2)]}), "calendar", None, START, 48)
    assert day is not None
    assert np.flatnonzero(day)[0] == 24


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ({"start": [None, "2024-01-01"]}, "illness: column 'start' is empty in a row: every row needs one"),
        ({"start": [""]}, "illness: column 'start' is empty in a row"),
        ({"start": [20240101]}, "illness: column 'start' must hold dates"),
        ({"start": ["2024-01-01"], "end": ["later"]}, "illness: column 'end' holds something that is no date"),
        ({"timestamp": ["2024-01-01"]}, "illness needs the columns 'start' and 'end', or 'timestamp' and 'value'"),
        ({"value": [1.0]}, "illness needs the columns"),
    ],
)
def test_a_course_that_cannot_be_read_is_refused(table: dict[str, object], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        course(opened(table), "illness", None, START, 24)
