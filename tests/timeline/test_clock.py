"""Vectorised local time equals the standard library's, instant by instant."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from novamind.errors import ValidationError
from novamind.timeline import local_from_utc, parse_timezone, utc_from_local

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
