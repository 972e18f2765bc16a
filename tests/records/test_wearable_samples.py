# ruff: noqa: DTZ001 - wall-clock times
"""Rules that every row must keep, at their limits; and which clock a batch is on."""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import polars as pl
import pytest

from novamind.errors import ValidationError
from novamind.records.wearables.samples import (
    BATCH,
    DEVICES,
    EARLIEST,
    LONGEST,
    Batch,
    Clock,
    Tally,
    frame_of,
    valid_rows,
)

LATEST = datetime(2024, 6, 1, 12)
DAY = datetime(2024, 5, 1)


def batch(clock: Clock = "offset", **columns: object) -> Batch:
    given = {
        "row": [7], "signal": ["heart_rate"], "start": [DAY], "value": [60.0], "unit": ["bpm"], "offset": [0],
        "source": ["watch"], "device": ["wearable"],
    }  # fmt: skip
    return Batch(frame_of({**given, **columns}), clock, "file.x")  # type: ignore[arg-type]


def read(one: Batch, zone: str | None = None) -> tuple[pl.DataFrame, list[tuple[object, ...]]]:
    tally = Tally()
    found = valid_rows(one, None if zone is None else ZoneInfo(zone), LATEST, tally)
    assert tally.rows_read == len(one.samples)
    return found, [tuple(entry.values()) for entry in tally.left_out_rows()]


def test_what_is_not_given_is_null_and_a_moment_ends_where_it_starts() -> None:
    frame = frame_of({"row": [1, 2], "start": [DAY, DAY], "end": [None, DAY + timedelta(hours=1)], "unit": None})
    assert frame.schema == pl.Schema(BATCH)
    assert frame["end"].to_list() == [DAY, DAY + timedelta(hours=1)]
    assert frame["unit"].null_count() == frame["value"].null_count() == 2


SECOND = timedelta(seconds=1)


@pytest.mark.parametrize(
    ("columns", "reason"),
    [
        ({"start": [EARLIEST]}, None),
        ({"start": [EARLIEST - SECOND]}, "time lies before 2000: the device's clock was not set"),
        ({"start": [EARLIEST - 2 * SECOND], "offset": [2]}, None),
        ({"start": [EARLIEST], "offset": [-1]}, "time lies before 2000: the device's clock was not set"),
        ({"start": [EARLIEST - SECOND], "offset": [None]}, "time lies before 2000: the device's clock was not set"),
        ({"start": [LATEST]}, None),
        ({"start": [LATEST], "offset": [None]}, None),
        ({"start": [LATEST + SECOND]}, "time lies in the future"),
        ({"start": [LATEST], "offset": [3600]}, "time lies in the future"),
        ({"end": [DAY]}, None),
        ({"end": [DAY - SECOND]}, "ends before it starts"),
        ({"end": [DAY + LONGEST]}, None),
        ({"end": [DAY + LONGEST + SECOND]}, "lasts longer than a day"),
        ({"value": [None]}, "value is not a number"),
        ({"value": [float("nan")]}, "value is not a number"),
        ({"value": [float("inf")]}, "value is not a number"),
        ({"value": [25.0]}, None),
        ({"value": [24.9]}, "value lies below the plausible range"),
        ({"value": [250.0]}, None),
        ({"value": [250.1]}, "value lies above the plausible range"),
        ({"unit": [None]}, "unit is not known"),
        ({"unit": [" BPM "]}, None),
        ({"unit": ["furlong"]}, "unit is not known"),
        ({"signal": ["aura"]}, "signal is not in the table of signals"),
        ({"signal": [None]}, "signal is not in the table of signals"),
        ({"start": [None], "end": [DAY]}, "time cannot be read"),
        # minutes asleep are told by start and end: neither value nor unit matters
        ({"signal": ["sleep_rem"], "value": [None], "unit": ["?"], "end": [DAY + timedelta(minutes=7)]}, None),
    ],
)  # fmt: skip
def test_a_rule_and_its_limit(columns: dict[str, object], reason: str | None) -> None:
    found, left = read(batch(**columns))
    if reason is None:
        assert (len(found), left) == (1, [])
    else:
        whole_day = columns.get("end", [DAY])[0] >= DAY + timedelta(hours=20)  # type: ignore[index]
        signal = columns.get("signal", ["daily_heart_rate" if whole_day else "heart_rate"])[0]  # type: ignore[index]
        assert (len(found), left) == (0, [(signal, reason, 1, "file.x", 7)])


def test_minutes_in_a_state_are_the_length_of_the_row() -> None:
    found, _ = read(batch(signal=["sleep_rem"], value=[3.0], unit=["min"], end=[DAY + timedelta(seconds=450)]))
    assert found["value"].to_list() == [7.5]


@pytest.mark.parametrize(
    ("zone", "local", "instant", "offset"),
    [
        ("Asia/Kolkata", datetime(2024, 5, 1, 0, 10), datetime(2024, 4, 30, 18, 40), 19_800),
        ("Asia/Kathmandu", datetime(2024, 5, 1, 0, 10), datetime(2024, 4, 30, 18, 25), 20_700),
        ("Australia/Lord_Howe", datetime(2024, 1, 1), datetime(2023, 12, 31, 13), 39_600),
        ("Australia/Lord_Howe", datetime(2024, 5, 1), datetime(2024, 4, 30, 13, 30), 37_800),
        ("America/St_Johns", datetime(2024, 5, 1, 21, 30), datetime(2024, 5, 2), -9_000),
        ("UTC", DAY, DAY, 0),
    ],
)
def test_clocks_that_are_half_hours_ahead(zone: str, local: datetime, instant: datetime, offset: int) -> None:
    hour = timedelta(hours=1)
    at_home, _ = read(batch("local", start=[local], end=[local + hour], offset=[None]), zone)
    in_utc, _ = read(batch("utc", start=[instant], end=[instant + hour], offset=[None]), zone)
    abroad, _ = read(batch("offset", start=[instant], end=[instant + hour], offset=[-3600]), zone)
    for found in (at_home, in_utc, abroad):
        assert found.select("start", "end", "offset").rows() == [(instant, instant + hour, offset)]


def test_without_a_timezone_only_the_wall_clock_or_an_offset_is_known() -> None:
    naive, _ = read(batch("local", offset=[None]))
    assert naive.select("start", "offset").rows() == [(DAY, None)]
    ahead, _ = read(batch("offset", offset=[5400]))
    assert ahead.select("start", "offset").rows() == [(DAY, 5400)]
    with pytest.raises(ValidationError, match="give the timezone"):
        read(batch("utc"))
    nothing, left = read(batch("utc", signal=["aura"]))
    assert (len(nothing), left[0][1]) == (0, "signal is not in the table of signals")


def test_what_is_left_out_is_counted_by_reason_with_the_first_place_and_the_largest_first() -> None:
    tally = Tally()
    tally.leave_out(pl.DataFrame({"signal": ["b", "a", "b"], "row": [5, 4, 3]}), "one", "f1")
    tally.leave_out(pl.DataFrame({"signal": ["b"], "row": [1]}), "one", "f2")
    tally.leave_out(pl.DataFrame({"signal": ["a", "a"], "row": [9, 8]}), "two", "f2")
    tally.leave_out(pl.DataFrame({"signal": ["a"], "row": [2]}), "zero")
    assert [tuple(entry.values()) for entry in tally.left_out_rows()] == [
        ("b", "one", 3, "f1", 3), ("a", "two", 2, "f2", 8), ("a", "one", 1, "f1", 4), ("a", "zero", 1, "", 2),
    ]  # fmt: skip
    tally.not_read("workout")
    tally.not_read("workout", 3)
    assert tally.unread == {"workout": 4}


def test_devices_are_believed_in_one_order() -> None:
    assert DEVICES == ("wearable", "phone", "other", "manual")
    assert (datetime(2000, 1, 1), timedelta(hours=26)) == (EARLIEST, LONGEST)


@pytest.mark.parametrize(
    ("starts", "kept"),
    [
        (["1995-06-24", "1995-07-01"], 2),
        (["1995-06-24", "2001-07-01"], 1),  # a single row out of line
        (["1970-01-01", "1971-07-01"], 0),
        (["1970-01-31", "1971-07-01"], 0),
        (["1970-02-01", "1971-07-01"], 2),
        (["1980-01-06", "1981-01-01"], 0),
        (["1989-12-30", "1990-03-01"], 2),
        (["1989-12-31", "1990-03-01"], 0),
        (["1999-12-30", "1999-12-31"], 2),
        (["1999-12-30", "2000-01-01"], 1),
        (["1999-12-31", "1999-12-31"], 0),
    ],
)
def test_times_of_long_ago_are_read_where_the_whole_file_has_them(starts: list[str], kept: int) -> None:
    times, tally = [datetime.fromisoformat(day) for day in starts], Tally()
    columns = {"row": [1, 2], "signal": ["heart_rate"] * 2, "start": times, "value": [60.0] * 2, "unit": ["bpm"] * 2}
    rows = valid_rows(Batch(frame_of(columns), "local", "f"), None, LATEST, tally)
    assert len(rows) == kept
    assert tally.old == (2 if kept == 2 else 0)
    assert sum(entry.rows for entry in tally.left_out.values()) == 2 - kept
