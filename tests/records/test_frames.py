"""Every rule at the door, for pandas and Polars."""
# ruff: noqa: DTZ001 - wall-clock times

from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import narwhals as nw
import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from novamind.errors import InsufficientDataError, ValidationError
from novamind.records import LongFrame, native_frame, signal_frame, symptom_frame
from novamind.records.tables import frames

BACKENDS = ["pandas", "polars"]
TODAY = date(2025, 1, 1)
DAY = "2024-03-01"


def frame_of(backend: str, **columns: object) -> object:
    return pl.DataFrame(columns, strict=False) if backend == "polars" else pd.DataFrame(columns)


def same(one: LongFrame, other: LongFrame) -> None:
    assert (one.series, one.units) == (other.series, other.units)
    np.testing.assert_array_equal(one.series_index, other.series_index)
    np.testing.assert_array_equal(one.timestamps, other.timestamps)
    np.testing.assert_array_equal(one.values, other.values)
    assert (one.utc_offset is None) == (other.utc_offset is None)
    if one.utc_offset is not None:
        np.testing.assert_array_equal(one.utc_offset, other.utc_offset)


reports = st.dictionaries(
    st.tuples(
        st.sampled_from(["p1", "p2", "p10"]),
        st.sampled_from(["PHQ-9", "GAD-7"]),
        st.datetimes(datetime(2024, 1, 1), datetime(2024, 12, 30)).map(lambda t: t.replace(second=0, microsecond=0)),
    ),
    st.one_of(st.integers(0, 27).map(float), st.just(float("nan"))),
    min_size=1,
    max_size=30,
)


@given(reports, st.randoms(), st.sampled_from(BACKENDS), st.booleans())
@settings(max_examples=60)
def test_order_and_repeats_do_not_matter(reports: dict, random, backend: str, as_text: bool) -> None:
    rows = sorted(reports.items(), key=lambda row: row[0])
    shuffled = rows + random.choices(rows, k=5)
    random.shuffle(shuffled)
    keys, values = zip(*shuffled, strict=True)
    patients, symptoms, moments = zip(*keys, strict=True)
    checked = symptom_frame(
        frame_of(
            backend,
            value=[("" if value != value else str(value)) if as_text else value for value in values],
            timestamp=[moment.isoformat() if as_text else moment for moment in moments],
            symptom=symptoms,
            patient_id=patients,
            comment=["ignored"] * len(values),
        ),
        scale=(0, 27),
        today=TODAY,
    )
    assert [
        (*checked.series[series], moment)
        for series, moment in zip(checked.series_index, checked.timestamps.tolist(), strict=True)
    ] == [key for key, _ in rows]
    np.testing.assert_array_equal(checked.values, [value for _, value in rows])
    assert checked.utc_offset is None
    assert checked.backend is nw.Implementation.from_string(backend)
    assert len(checked) == len(rows)
    for series in range(len(checked.series)):
        assert set(checked.series_index[checked.part(series)]) == {series}


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("name", ["Europe/Berlin", "America/New_York"])
@given(minutes=st.lists(st.integers(0, 366 * 24 * 60), min_size=1, max_size=20, unique=True))
@settings(max_examples=25)
def test_times_with_a_timezone_count_by_their_own_clock(backend: str, name: str, minutes: list[int]) -> None:
    zone = ZoneInfo(name)
    instants = [datetime(2024, 1, 1, tzinfo=UTC) + timedelta(minutes=minute) for minute in sorted(minutes)]
    local = [instant.astimezone(zone) for instant in instants]
    values = list(range(len(instants)))
    today = date(2025, 1, 5)
    column = pd.Series(instants).dt.tz_convert(name)
    native = column if backend == "pandas" else pl.from_pandas(column)
    typed = symptom_frame(frame_of(backend, timestamp=native, value=values), today=today)
    text = symptom_frame(frame_of(backend, timestamp=[t.isoformat() for t in local], value=values), today=today)
    moved = symptom_frame(
        frame_of(backend, timestamp=[t.isoformat() for t in instants], value=values), today=today, timezone=name
    )
    assert typed.timestamps.tolist() == [moment.replace(tzinfo=None) for moment in local]
    assert typed.utc_offset is not None
    assert typed.utc_offset.tolist() == [moment.utcoffset() for moment in local]
    same(typed, text)
    same(typed, moved)


@pytest.mark.parametrize(
    "text",
    [
        "2024-03-01",
        " 2024-03-01 ",
        "2024-03-01T08:30",
        "2024-03-01 08:30:05",
        "2024-03-01T08:30:05.25",
        "2024-03-01T08:30:05,123456789",
        "2024-03-01T08:30Z",
        "2024-03-01T08:30:05+05:30",
        "2024-03-01 08:30:05 -0330",
        "2024-03-01T08:30-08",
    ],
)
def test_iso_8601_as_the_standard_library_reads_it(text: str) -> None:
    expected = datetime.fromisoformat(text.strip().replace("05 -", "05-"))
    checked = symptom_frame(pl.DataFrame({"timestamp": [text], "value": [1]}))
    assert checked.timestamps.tolist() == [expected.replace(tzinfo=None)]
    assert (checked.utc_offset is None) == (expected.utcoffset() is None)
    if checked.utc_offset is not None:
        assert checked.utc_offset.tolist() == [expected.utcoffset()]


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("moment", [date(2024, 3, 1), datetime(2024, 3, 1), DAY])
def test_date_column_stands_for_timestamp(backend: str, moment: object) -> None:
    checked = symptom_frame(frame_of(backend, date=[moment], value=[3]))
    assert checked.timestamps.tolist() == [datetime(2024, 3, 1)]
    assert checked.series == ((None, "symptom"),)


@pytest.mark.parametrize("backend", BACKENDS)
def test_values_that_mean_no_report(backend: str) -> None:
    texts = ["", " ", "NA", "n/a", "NaN", "null", "None", None, "3.5", "1e1"]
    days = [f"2024-03-{day:02d}" for day in range(1, 11)]
    checked = symptom_frame(frame_of(backend, timestamp=days, value=texts))
    np.testing.assert_array_equal(checked.values, [np.nan] * 8 + [3.5, 10])
    numbers = symptom_frame(frame_of(backend, timestamp=days[:3], value=[None, float("nan"), 2]))
    np.testing.assert_array_equal(numbers.values, [np.nan, np.nan, 2])
    assert np.isnan(symptom_frame(frame_of(backend, timestamp=days[:1], value=[None])).values).all()


def test_other_number_types() -> None:
    assert symptom_frame(pl.DataFrame({"timestamp": [DAY], "value": [Decimal("1.5")]})).values.tolist() == [1.5]
    nullable = pd.DataFrame({"timestamp": [DAY, "2024-03-02"], "value": pd.array([1, None], dtype="Int64")})
    np.testing.assert_array_equal(symptom_frame(nullable).values, [1, np.nan])
    mixed = pd.DataFrame({"timestamp": [DAY, "2024-03-02"], "value": [1, "2.5"]})
    assert symptom_frame(mixed).values.tolist() == [1, 2.5]


@pytest.mark.parametrize("ids", [[7, 8], [7.0, 8.0], ["7", " 8 "], pd.Categorical(["7", "8"])])
def test_ids_become_text(ids: object) -> None:
    checked = symptom_frame(pd.DataFrame({"timestamp": [DAY] * 2, "value": [1, 2], "patient_id": ids}))
    assert [key.patient_id for key in checked.series] == ["7", "8"]


def test_missing_report_gives_way_to_a_value_at_the_same_time() -> None:
    checked = symptom_frame(pl.DataFrame({"timestamp": [DAY] * 3, "value": [None, 4.0, None]}))
    assert checked.values.tolist() == [4]


def test_repeated_autumn_hour_holds_two_reports() -> None:
    texts = ["2024-10-27T02:30+01:00", "2024-10-27T02:30+02:00"]
    checked = symptom_frame(pl.DataFrame({"timestamp": texts, "value": [2, 1]}))
    assert checked.values.tolist() == [1, 2]
    same_instant = ["2024-10-27T02:30+02:00", "2024-10-27T00:30Z"]
    with pytest.raises(ValidationError, match="rows 1, 2"):
        symptom_frame(pl.DataFrame({"timestamp": same_instant, "value": [2, 1]}))


BAD = [
    ({"timestamp": [DAY, "2024-03-02"], "value": ["7", "many"]}, r"row 2, column 'value': is not a number"),
    ({"timestamp": [DAY], "value": ["7,5"]}, r"row 1, column 'value': has a decimal comma"),
    ({"timestamp": [DAY], "value": [True]}, r"row 1, column 'value': is not a number"),
    ({"timestamp": [DAY, "2024-03-02"], "value": [1.0, float("inf")]}, r"row 2, column 'value': is infinite"),
    ({"timestamp": [DAY], "value": ["-inf"]}, r"row 1, column 'value': is infinite"),
    ({"timestamp": [DAY, "2024-03-02"], "value": [27, 28]}, r"row 2, column 'value': is off the scale.* 0 to 27"),
    ({"timestamp": [DAY], "value": [-1]}, r"row 1, column 'value': is off the scale"),
    ({"timestamp": [DAY, DAY], "value": [1, 2]}, r"rows 1, 2, column 'value': different values"),
    ({"timestamp": [DAY, "01.03.2024"], "value": [1, 2]}, r"row 2, column 'timestamp': is not an ISO 8601"),
    ({"timestamp": ["2024-02-30"], "value": [1]}, r"row 1, column 'timestamp': is not an ISO 8601"),
    ({"timestamp": ["2024-03-01T25:00"], "value": [1]}, r"row 1, column 'timestamp': is not an ISO 8601"),
    ({"timestamp": [time(8)], "value": [1]}, r"row 1, column 'timestamp': is not an ISO 8601"),
    ({"timestamp": [DAY, None], "value": [1, 2]}, r"row 2, column 'timestamp': is empty"),
    ({"timestamp": [20240301], "value": [1]}, r"'timestamp' holds Int64"),
    ({"timestamp": ["1824-03-01"], "value": [1]}, r"row 1, column 'timestamp': lies before 1900"),
    ({"timestamp": [DAY, "2025-01-02"], "value": [1, 2]}, r"row 2, column 'timestamp': lies in the future"),
    ({"date": [DAY, "2024-03-02T08:00Z"], "value": [1, 2]}, r"'date': row 2 with a timezone, row 1 without"),
    ({"timestamp": [DAY], "value": [1], "patient_id": [""]}, r"row 1, column 'patient_id': is empty"),
    ({"timestamp": [DAY] * 2, "value": [1, 1], "symptom": ["a", None]}, r"row 2, column 'symptom': is empty"),
    ({"timestamp": [DAY], "Value": [1]}, r"'value' is missing.*did you mean 'Value'"),
    ({"day": [DAY], "value": [1]}, r"'timestamp' is missing.*has 'day', 'value'"),
]


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(("columns", "message"), BAD)
def test_refuses(backend: str, columns: dict[str, list[object]], message: str) -> None:
    with pytest.raises(ValidationError, match=message) as caught:
        symptom_frame(frame_of(backend, **columns), scale=(0, 27), today=TODAY)
    for value in (value for column in columns.values() for value in column if isinstance(value, str) and value):
        assert value not in str(caught.value)


@pytest.mark.parametrize("backend", BACKENDS)
def test_refuses_an_empty_frame(backend: str) -> None:
    with pytest.raises(InsufficientDataError, match="no rows"):
        symptom_frame(frame_of(backend, timestamp=[], value=[]))


def test_names_the_first_rows_and_counts_the_others() -> None:
    days = [f"2024-03-{day:02d}" for day in range(1, 10)]
    with pytest.raises(ValidationError, match=r"^rows 2, 3, 4, 5, 6 and 3 more, column 'value'"):
        symptom_frame(pl.DataFrame({"timestamp": days, "value": [1] + [99] * 8}), scale=(0, 27))


@pytest.mark.parametrize(
    "thing", [None, [1, 2], {"timestamp": [DAY]}, pl.LazyFrame({"timestamp": [DAY]}), pl.Series([1])]
)
def test_refuses_what_is_not_a_frame(thing: object) -> None:
    with pytest.raises(ValidationError, match="pandas or Polars"):
        symptom_frame(thing)


def test_refuses_repeated_and_nameless_columns() -> None:
    with pytest.raises(ValidationError, match="same name"):
        symptom_frame(pd.DataFrame([[DAY, 1, 2]], columns=["timestamp", "value", "value"]))
    with pytest.raises(ValidationError, match="must have names"):
        symptom_frame(pd.DataFrame([[DAY, 1]]))


@pytest.mark.parametrize("scale", [(27, 0), (0, 0), (0, float("nan")), (0,), "ab", 5])
def test_refuses_a_bad_scale(scale: object) -> None:
    with pytest.raises(ValidationError, match="scale must be"):
        symptom_frame(pl.DataFrame({"timestamp": [DAY], "value": [1]}), scale=scale)


@pytest.mark.parametrize(("text", "reason"), [("9999-12-31T23:59-12:00", "future"), ("0001-01-01T00:00+12:00", "1900")])
def test_mistyped_years_with_a_timezone_are_refused_like_others(text: str, reason: str) -> None:
    with pytest.raises(ValidationError, match=reason):
        symptom_frame(
            pl.DataFrame({"timestamp": [text, "2024-03-01T00:00Z"], "value": [1, 2]}), timezone="Europe/Berlin"
        )


def test_signals_carry_units() -> None:
    columns = {
        "timestamp": [DAY, "2024-03-02", DAY, DAY],
        "value": [60.0, 61.0, 7.5, 3.0],
        "signal": ["resting_hr", "resting_hr", "sleep", "mood"],
        "unit": ["bpm", "bpm", "h", None],
    }
    checked = signal_frame(pl.DataFrame(columns))
    assert dict(zip([key.name for key in checked.series], checked.units, strict=True)) == {
        "resting_hr": "bpm",
        "sleep": "h",
        "mood": None,
    }
    with pytest.raises(ValidationError, match=r"row 2, column 'unit': differs"):
        signal_frame(pl.DataFrame({**columns, "unit": ["bpm", "Hz", "h", None]}))
    with pytest.raises(ValidationError, match="'signal' is missing"):
        signal_frame(pl.DataFrame({"timestamp": [DAY], "value": [1]}))


@pytest.mark.parametrize("backend", BACKENDS)
def test_results_come_in_the_kind_that_came_in(backend: str) -> None:
    checked = symptom_frame(frame_of(backend, timestamp=[DAY], value=[1]))
    result = native_frame({"day": np.array([DAY], "datetime64[D]"), "value": np.ones(1)}, checked.backend)
    assert type(result).__module__.split(".")[0] == backend
    assert nw.from_native(result, eager_only=True)["value"].to_list() == [1]


# -- half hours, midnights and limits


@pytest.mark.parametrize(
    ("text", "local", "offset"),
    [
        ("2024-03-01T00:00+05:30", datetime(2024, 3, 1), 19_800),
        ("2024-03-01T00:00:00+0545", datetime(2024, 3, 1), 20_700),
        ("2024-02-29T23:59:59.999999-03:30", datetime(2024, 2, 29, 23, 59, 59, 999_999), -12_600),
        ("2024-03-01T23:59-23:59", datetime(2024, 3, 1, 23, 59), -86_340),
        ("2024-03-01T12:00+13:45", datetime(2024, 3, 1, 12), 49_500),
        ("2024-03-01t12:00z", datetime(2024, 3, 1, 12), 0),
        ("2024-03-01 12:00:00.5 +01", datetime(2024, 3, 1, 12, 0, 0, 500_000), 3_600),
        ("2024-03-01T12:00:00,1234567+00:30", datetime(2024, 3, 1, 12, 0, 0, 123_456), 1_800),
    ],
)  # fmt: skip
def test_half_hours_and_midnights(text: str, local: datetime, offset: int) -> None:
    checked = symptom_frame(pl.DataFrame({"timestamp": [text], "value": [1]}))
    assert checked.utc_offset is not None
    assert (checked.timestamps.tolist(), checked.utc_offset.tolist()) == ([local], [timedelta(seconds=offset)])
    typed = pl.Series([local]).dt.replace_time_zone("UTC") - timedelta(seconds=offset)
    for zone, ahead in (("Asia/Kolkata", 19_800), ("Asia/Kathmandu", 20_700), ("America/St_Johns", -12_600)):
        for column in ([text], typed):
            moved = symptom_frame(pl.DataFrame({"timestamp": column, "value": [1]}), timezone=zone)
            assert moved.timestamps.tolist() == [local - timedelta(seconds=offset) + timedelta(seconds=ahead)]
            assert moved.utc_offset is not None
            assert moved.utc_offset.tolist() == [timedelta(seconds=ahead)]


@pytest.mark.parametrize(
    ("text", "readable"),
    [
        ("2024-03-01T23:59:59", True), ("2024-03-01T24:00", False), ("2024-03-01T12:60", False),
        ("2024-03-01T12:00:60", False), ("2024-03-01T12:00+23:59", True), ("2024-03-01T12:00+24:00", False),
        ("2024-03-01T12:00+01:60", False), ("2024-03-01T12", False), ("2024-03-01T12:00:00.1234567890", False),
        ("2024-03-01+01:00", False), ("x2024-03-01", False), ("2024-03-01x", False), ("24-03-01", False),
    ],
)  # fmt: skip
def test_which_texts_are_times(text: str, readable: bool) -> None:
    frame = pl.DataFrame({"timestamp": [text], "value": [1]})
    if readable:
        assert len(symptom_frame(frame)) == 1
    else:
        with pytest.raises(ValidationError, match="is not an ISO 8601 time"):
            symptom_frame(frame)


@pytest.mark.parametrize(
    ("when", "today", "reason"),
    [
        ("1900-01-01", DAY, None), ("1899-12-31T23:59", DAY, "lies before 1900"), ("2024-03-01T23:59", DAY, None),
        ("2024-03-02T00:00", DAY, "lies in the future"), ("2024-03-01T23:59-11:00", DAY, None),
        ("2024-03-02T00:00+14:00", DAY, "lies in the future"),
    ],
)  # fmt: skip
def test_the_first_and_last_day_that_may_be(when: str, today: str, reason: str | None) -> None:
    frame = pl.DataFrame({"timestamp": [when], "value": [1]})
    if reason is None:
        assert len(symptom_frame(frame, today=date.fromisoformat(today))) == 1
    else:
        with pytest.raises(ValidationError, match=reason):
            symptom_frame(frame, today=date.fromisoformat(today))


class Frozen(datetime):
    """22:30 in London, so that it is another day to the east."""

    @classmethod
    def now(cls, tz: Any = None) -> "Frozen":
        return cls(2024, 2, 28, 22, 30, tzinfo=tz)


@pytest.mark.parametrize(
    ("when", "zone", "allowed"),
    [
        ("2024-02-28", None, True), ("2024-02-29", None, False), ("2024-02-29", "Asia/Kolkata", True),
        ("2024-03-01", "Asia/Kolkata", False), ("2024-02-29", "UTC", False), ("2024-02-29T04:00+05:30", None, True),
        ("2024-02-29T00:00+01:00", None, False), ("2024-02-29T00:00+01:30", None, True),
        ("2024-02-28T23:59-10:00", None, True),
    ],
)  # fmt: skip
def test_today_is_the_day_where_the_report_was_given(
    monkeypatch: pytest.MonkeyPatch, when: str, zone: str | None, allowed: bool
) -> None:
    monkeypatch.setattr(frames, "datetime", Frozen)
    frame = pl.DataFrame({"timestamp": [when], "value": [1]})
    if allowed:
        assert len(symptom_frame(frame, timezone=zone if "T" not in when else None)) == 1
    else:
        with pytest.raises(ValidationError, match="lies in the future"):
            symptom_frame(frame, timezone=zone)


def test_offsets_beside_local_times() -> None:
    def given(*minutes: float | None, zone: str | None = None) -> LongFrame:
        days = ["2024-03-01T00:30", "2024-03-01T00:30", "2024-03-02T00:30"][: len(minutes)]
        columns = {"timestamp": days, "value": [1.0, 2.0, 3.0][: len(minutes)], "signal": ["hrv"] * len(minutes)}
        return signal_frame(pl.DataFrame({**columns, "utc_offset_minutes": list(minutes)}), timezone=zone)

    checked = given(330, 345, -210)
    assert checked.utc_offset is not None
    assert checked.values.tolist() == [2, 1, 3]  # 00:30 at +05:45 was earlier than at +05:30
    assert [o.total_seconds() / 60 for o in checked.utc_offset.tolist()] == [345, 330, -210]
    moved = given(330, zone="UTC")
    assert moved.timestamps.tolist() == [datetime(2024, 2, 29, 19)]
    assert given(1439).utc_offset is not None
    assert given(-1439).utc_offset is not None
    for wrong in (1440, -1440, 0.5):
        with pytest.raises(
            ValidationError, match="row 1, column 'utc_offset_minutes': is not a whole number of minutes"
        ):
            given(wrong)
    with pytest.raises(ValidationError, match="row 2, column 'utc_offset_minutes': is empty while other rows"):
        given(330, None)
    assert given(None).utc_offset is None
    aware = pl.DataFrame(
        {"timestamp": ["2024-03-01T00:30Z"], "value": [1.0], "signal": ["hrv"], "utc_offset_minutes": [60]}
    )
    assert signal_frame(aware).utc_offset.tolist() == [timedelta(0)]  # type: ignore[union-attr]
    symptom = pl.DataFrame({"timestamp": ["2024-03-01T00:30"], "value": [1.0], "utc_offset_minutes": [60]})
    assert symptom_frame(symptom).utc_offset is None


@pytest.mark.parametrize(
    ("values", "scale", "bad"),
    [
        ([0.0, 27.0, None], (0, 27), ""),
        ([-0.01], (0, 27), "row 1, column 'value': is off the scale, which runs from 0 to 27"),
        ([1.0, 27.01], (0, 27), "row 2, column 'value': is off the scale"),
        ([5.5], (1.5, 5.5), ""),
        ([1.4], (1.5, 5.5), "from 1.5 to 5.5"),
        ([0.0], None, ""),
    ],
)
def test_values_stand_on_the_scale(values: list[float | None], scale: tuple[float, float] | None, bad: str) -> None:
    days = [f"2024-03-0{n + 1}" for n in range(len(values))]
    frame = pl.DataFrame({"timestamp": days, "value": values})
    if bad:
        with pytest.raises(ValidationError, match=bad):
            symptom_frame(frame, scale=scale)
    else:
        assert len(symptom_frame(frame, scale=scale)) == len(values)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("7,5", "has a decimal comma"), ("-7,5", "has a decimal comma"), ("1,000,000", "is not a number"),
        ("7,", "is not a number"), ("x7,5", "is not a number"), ("7.5x", "is not a number"),
    ],
)  # fmt: skip
def test_what_is_no_number(text: str, reason: str) -> None:
    with pytest.raises(ValidationError, match=f"row 1, column 'value': {reason}"):
        symptom_frame(pl.DataFrame({"timestamp": [DAY], "value": [text]}))


def test_a_timestamp_goes_before_a_date_and_names_say_which_column() -> None:
    both = pl.DataFrame({"date": ["2024-03-02"], "timestamp": [DAY], "value": [1]})
    assert symptom_frame(both).timestamps.astype("datetime64[D]").tolist() == [date(2024, 3, 1)]
    with pytest.raises(ValidationError, match="the same patient, symptom and date: keep one; where the table holds"):
        symptom_frame(pl.DataFrame({"date": [DAY, DAY], "value": [1, 2]}))
    with pytest.raises(ValidationError, match="the same patient, signal and timestamp"):
        signal_frame(pl.DataFrame({"timestamp": [DAY, DAY], "value": [1, 2], "signal": ["a", "a"]}))


def test_several_contradictions_are_named_together() -> None:
    days = [DAY, DAY, "2024-03-02", "2024-03-03", "2024-03-03", "2024-03-03"]
    with pytest.raises(ValidationError, match=r"^rows 1, 2, 4, 6, column 'value': different values"):
        symptom_frame(pl.DataFrame({"timestamp": days, "value": [1.0, 2.0, 3.0, 4.0, None, 5.0]}))


@pytest.mark.parametrize("ids", [[1.5, 2.0], [True, False]])
def test_other_ids_become_text_too(ids: list[object]) -> None:
    checked = symptom_frame(pl.DataFrame({"timestamp": [DAY] * 2, "value": [1, 2], "patient_id": ids}))
    assert {key.patient_id for key in checked.series} == ({"1.5", "2"} if ids[0] == 1.5 else {"True", "False"})


def test_units_are_one_a_signal_and_a_blank_is_none() -> None:
    def units(*given: str | None) -> tuple[str | None, ...]:
        columns = {"timestamp": [f"2024-03-0{n + 1}" for n in range(len(given))], "value": [1.0] * len(given)}
        return signal_frame(pl.DataFrame({**columns, "signal": ["a"] * len(given), "unit": list(given)})).units

    assert (units(" ms ", "ms"), units(""), units(None, " ")) == (("ms",), (None,), (None,))
    with pytest.raises(
        ValidationError, match="rows 2, 4, column 'unit': differs from an earlier row of the same signal"
    ):
        units("ms", "s", "ms", None)


def test_patients_and_series_are_in_order_of_their_text() -> None:
    frame = pl.DataFrame({"timestamp": [DAY] * 4, "value": [1, 2, 3, 4], "patient_id": ["p2", "p10", "p2", "p10"],
                          "symptom": ["b", "b", "a", "a"]})  # fmt: skip
    checked = symptom_frame(frame)
    assert checked.series == (("p10", "a"), ("p10", "b"), ("p2", "a"), ("p2", "b"))
    assert checked.values.tolist() == [4, 2, 3, 1]
    assert [checked.part(n) for n in range(4)] == [slice(n, n + 1) for n in range(4)]
    assert checked.units == (None,) * 4


def test_types_that_are_no_times_are_named() -> None:
    for values, kind in (([1.5], "Float64"), ([True], "Boolean")):
        with pytest.raises(ValidationError, match=f"the column 'timestamp' holds {kind}, not times"):
            symptom_frame(pl.DataFrame({"timestamp": values, "value": [1]}))
