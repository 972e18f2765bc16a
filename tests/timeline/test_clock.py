"""Vectorised local time equals the standard library's, instant by instant."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from novamind.errors import ValidationError
from novamind.timeline import local_from_utc, parse_timezone, utc_from_local
from novamind.timeline.clock import _clamped, offset_periods, parse_instant

# Both directions of the change, north and south, half an hour, and a day that was skipped altogether (Apia 2011).
ZONES = ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "Pacific/Apia", "UTC"]
moments = st.lists(st.datetimes(datetime(1990, 1, 1), datetime(2030, 1, 1)), min_size=1, max_size=20)  # noqa: DTZ001
near_change = st.lists(
    st.one_of(
        st.datetimes(datetime(2024, 3, 31), datetime(2024, 4, 1)),  # noqa: DTZ001  Berlin, spring
        st.datetimes(datetime(2024, 10, 27), datetime(2024, 10, 28)),  # noqa: DTZ001  Berlin, autumn
        st.datetimes(datetime(2024, 3, 10), datetime(2024, 3, 11)),  # noqa: DTZ001  New York, spring
        st.datetimes(datetime(2024, 11, 3), datetime(2024, 11, 4)),  # noqa: DTZ001  New York, autumn
    ),
    min_size=1,
    max_size=20,
)


@given(st.one_of(moments, near_change), st.sampled_from(ZONES))
def test_local_time_of_instants(instants: list[datetime], name: str) -> None:
    zone = ZoneInfo(name)
    local, offset = local_from_utc(np.array(instants, "datetime64[us]"), parse_timezone(name))
    expected = [instant.replace(tzinfo=UTC).astimezone(zone) for instant in instants]
    assert local.tolist() == [moment.replace(tzinfo=None) for moment in expected]
    assert offset.tolist() == [moment.utcoffset() for moment in expected]


@given(st.one_of(moments, near_change), st.sampled_from(ZONES))
def test_instants_of_local_time(clock: list[datetime], name: str) -> None:
    zone = ZoneInfo(name)
    # An array knows no fold: of an hour that comes twice, or never, the first reading holds.
    utc = utc_from_local(np.array(clock, "datetime64[us]"), zone)
    assert utc.tolist() == [time.replace(tzinfo=zone, fold=0).astimezone(UTC).replace(tzinfo=None) for time in clock]


def test_nothing_in_nothing_out() -> None:
    none = np.zeros(0, "datetime64[us]")
    local, offset = local_from_utc(none, ZoneInfo("Europe/Berlin"))
    assert local.size == offset.size == utc_from_local(none, ZoneInfo("Europe/Berlin")).size == 0


@pytest.mark.parametrize("name", ["Mars/Olympus", "", "../etc/passwd", "Europe", 5, None])
def test_unknown_timezone(name: object) -> None:
    with pytest.raises(ValidationError, match="IANA"):
        parse_timezone(name)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("1 March", "at is not an ISO 8601 time"),
        (20240301, "at must be a datetime or its ISO 8601 text"),
        (datetime(2024, 3, 1), "at has no timezone"),  # noqa: DTZ001
        ("2024-03-01T08:00", "at has no timezone"),
    ],
)
def test_a_time_that_is_none_is_refused_by_name(value: object, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        parse_instant(value, "at")


def test_a_time_or_its_text_is_that_time() -> None:
    noon = datetime(2024, 3, 1, 12, tzinfo=UTC)
    assert parse_instant(noon, "at") is noon
    assert parse_instant("2024-03-01T13:00:00+01:00", "at") == noon


def test_periods_begin_at_the_second_of_each_change() -> None:
    """Berlin 2024: from the IANA database, changes at 01:00 UTC on 31 March and 27 October."""
    starts, offsets = offset_periods(
        np.datetime64("2024-01-10T05"), np.datetime64("2024-12-01"), ZoneInfo("Europe/Berlin")
    )
    assert starts.astype(str).tolist() == ["2024-01-10T05:00:00", "2024-03-31T01:00:00", "2024-10-27T01:00:00"]
    assert offsets.astype(int).tolist() == [3600, 7200, 3600]
    assert (starts.dtype, offsets.dtype) == (np.dtype("datetime64[s]"), np.dtype("timedelta64[s]"))


def test_a_change_in_the_last_or_the_first_second_of_a_span_is_seen() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    change = np.datetime64("2024-03-31T01:00:00")
    assert offset_periods(change - 1, change, berlin)[0].tolist() == [(change - 1).item(), change.item()]
    assert offset_periods(change - 2, change - 1, berlin)[1].astype(int).tolist() == [3600]
    assert offset_periods(change, change, berlin)[1].astype(int).tolist() == [7200]


@pytest.mark.parametrize("year", ["1024", "3024"])
def test_years_that_no_clock_knows_take_the_nearer_end_s_offset(year: str) -> None:
    """Before 1900 Berlin's local mean time or what the database begins with; after 2200 the standard time."""
    berlin = ZoneInfo("Europe/Berlin")
    local, shift = local_from_utc(np.array([f"{year}-01-10T12"], "datetime64[us]"), berlin)
    edge = datetime(1900, 1, 18, tzinfo=UTC) if year == "1024" else datetime(2199, 11, 6, tzinfo=UTC)
    expected = edge.astimezone(berlin).utcoffset()
    assert expected is not None
    assert shift.astype(int).tolist() == [int(expected.total_seconds())]
    np.testing.assert_array_equal(utc_from_local(local, berlin), np.array([f"{year}-01-10T12"], "datetime64[us]"))


def test_the_known_years_end_seventy_before_and_two_hundred_and_thirty_after_the_epoch() -> None:
    day = 86_400
    assert (_clamped(-70 * 365 * day - 1), _clamped(-70 * 365 * day)) == (-70 * 365 * day, -70 * 365 * day)
    assert (_clamped(230 * 365 * day + 1), _clamped(5)) == (230 * 365 * day, 5)


def test_repeated_and_skipped_hours_by_half_hours() -> None:
    """Berlin: 02:30 on the last of October's Sunday is summer time first; 02:30 in March is 03:30."""
    berlin = ZoneInfo("Europe/Berlin")
    clock = ["2024-10-27T02:00", "2024-10-27T02:30", "2024-10-27T03:00", "2024-03-31T01:30", "2024-03-31T02:00",
             "2024-03-31T02:30", "2024-03-31T03:00", "2024-03-31T00:00"]  # fmt: skip
    utc = utc_from_local(np.array(clock, "datetime64[m]"), berlin)
    assert utc.astype("datetime64[m]").astype(str).tolist() == [
        "2024-10-27T00:00", "2024-10-27T00:30", "2024-10-27T02:00", "2024-03-31T00:30", "2024-03-31T01:00",
        "2024-03-31T01:30", "2024-03-31T01:00", "2024-03-30T23:00",
    ]  # fmt: skip
    assert utc.dtype == np.dtype("datetime64[us]")
