# ruff: noqa: DTZ001 - wall-clock times
"""Ninety minutes without a heart rate are not worn, and zeros in them are no rest."""

from datetime import datetime, timedelta

import polars as pl
import pytest

from novamind.records.wearables.non_wear import WINDOW, NonWear

DAY = datetime(2024, 5, 1)


def rows(*minutes: float, value: float = 60.0, device: str = "wearable", offset: int | None = 19_800) -> pl.DataFrame:
    starts = [DAY + timedelta(minutes=m) for m in minutes]
    return pl.DataFrame(
        {"start": starts, "end": starts, "offset": [offset] * len(starts), "value": [value] * len(starts),
         "device": [device] * len(starts)},
        schema={"start": pl.Datetime("us"), "end": pl.Datetime("us"), "offset": pl.Int32, "value": pl.Float64,
                "device": pl.String},
    )  # fmt: skip


@pytest.mark.parametrize(("pause", "counted"), [(89.99, 0), (90, 1), (300, 1)])
def test_the_window_is_ninety_minutes(pause: float, counted: int) -> None:
    found = NonWear()
    found.take(rows(0, pause, pause + 1))
    assert len(found.pauses) == counted
    assert timedelta(minutes=90) == WINDOW


def test_a_pause_may_reach_from_one_month_into_the_next() -> None:
    found = NonWear()
    found.take(rows(0, 10))
    found.take(rows(device="phone"))
    found.take(rows(50, device="phone"))
    found.take(rows(130, 300))
    assert [(start, end) for start, end, _ in found.pauses] == [
        (DAY + timedelta(minutes=10), DAY + timedelta(minutes=130)),
        (DAY + timedelta(minutes=130), DAY + timedelta(minutes=300)),
    ]
    ahead = timedelta(hours=5, minutes=30)
    assert found.frame().rows() == [
        (DAY + timedelta(minutes=low) + ahead, DAY + timedelta(minutes=high) + ahead, 330)
        for low, high in ((10, 130), (130, 300))
    ]
    assert found.frame().columns == ["start", "end", "utc_offset_minutes"]


def test_a_heart_rate_that_lasts_ends_where_it_ends() -> None:
    found = NonWear()
    found.take(rows(0).with_columns(end=pl.col("start") + timedelta(minutes=60)))
    found.take(rows(140))
    assert found.pauses == []
    found.take(rows(200).with_columns(end=pl.col("start") + timedelta(minutes=100)))
    found.take(rows(389))
    assert found.pauses == []
    found.take(rows(479))
    assert [(start, end) for start, end, _ in found.pauses] == [
        (DAY + timedelta(minutes=389), DAY + timedelta(minutes=479))
    ]


def test_without_an_offset_a_pause_stays_on_its_own_clock() -> None:
    found = NonWear()
    found.take(rows(0, 100, offset=None))
    assert found.frame().rows() == [(DAY, DAY + timedelta(minutes=100), None)]
    assert NonWear().frame().rows() == []


def test_zeros_of_a_wearable_inside_a_pause_are_no_rest() -> None:
    found = NonWear()
    found.take(rows(10, 110, 300))
    at = (0, 9, 10, 60, 109.9, 110, 200, 299, 300, 400)
    inside = [10 <= minute < 300 for minute in at]
    assert found.idle(rows(*at, value=0.0)).to_list() == inside
    assert found.idle(rows(*at, value=0.5)).to_list() == [False] * len(at)
    assert found.idle(rows(*at, value=0.0, device="phone")).to_list() == [False] * len(at)
    assert NonWear().idle(rows(*at, value=0.0)).to_list() == [False] * len(at)
    apart = NonWear()
    apart.take(rows(0, 100, 110, 300))
    assert apart.idle(rows(50, 105, 200, value=0.0)).to_list() == [True, False, True]
