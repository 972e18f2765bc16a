# ruff: noqa: DTZ001 - instants without saying so
"""One source a night: which, and what becomes of the others."""

from datetime import datetime, timedelta

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from novamind.records.signals import SIGNALS
from novamind.records.wearables.nights import Nights, is_sleep
from novamind.records.wearables.samples import DEVICES

EVENING = datetime(2024, 5, 1, 22)
Row = tuple[str, str, float, float, str]  # source, signal, hours after the evening: start and end, device


def frame(*rows: Row) -> pl.DataFrame:
    return pl.DataFrame(
        [(signal, EVENING + timedelta(hours=start), EVENING + timedelta(hours=end), source, device)
         for source, signal, start, end, device in rows],
        schema={"signal": pl.String, "start": pl.Datetime("us"), "end": pl.Datetime("us"), "source": pl.String,
                "device": pl.String}, orient="row",
    )  # fmt: skip


def kept(*rows: Row) -> list[int]:
    samples = frame(*rows)
    nights = Nights(samples)
    return [n for n in range(len(rows)) if nights.chosen(samples[n])[0]]


PHONE: Row = ("phone", "sleep_asleep", 0, 8, "phone")
PHONE_BED: Row = ("phone", "sleep_in_bed", 0, 9, "phone")
WATCH: Row = ("watch", "sleep_asleep", 0.5, 7, "wearable")
DEEP: Row = ("watch", "sleep_deep", 2, 3, "wearable")


@pytest.mark.parametrize(
    ("rows", "chosen"),
    [
        ([PHONE], [0]),
        ([PHONE, WATCH], [1]),
        ([PHONE, ("watch", "sleep_asleep", 0.5, 4.6, "wearable")], [1]),
        # a watch that ended in the first half of the night tells it worse than the phone
        ([PHONE, ("watch", "sleep_asleep", 0, 3.9, "wearable")], [0]),
        ([PHONE, ("by hand", "sleep_asleep", 0, 8, "manual")], [0]),
        # of two of a kind, the one that tells stages apart, then the first by name
        ([("a", "sleep_asleep", 0, 8, "wearable"), ("b", "sleep_asleep", 0, 8, "wearable"),
          ("b", "sleep_rem", 1, 2, "wearable")], [1, 2]),
        ([("b", "sleep_asleep", 0, 8, "wearable"), ("a", "sleep_asleep", 0, 8, "wearable")], [1]),
        # time in bed comes from the night's source, or else from another
        ([PHONE, PHONE_BED, WATCH], [1, 2]),
        ([PHONE_BED, WATCH, ("watch", "sleep_in_bed", 0.4, 7.1, "wearable")], [1, 2]),
        ([PHONE_BED], [0]),
        # moments belong to the night that they touch
        ([PHONE, WATCH, DEEP, ("watch", "sleep_duration", 0.5, 0.5, "wearable"),
          ("phone", "sleep_efficiency", 8, 8, "phone")], [1, 2, 3]),
        # a score is told by another source where the night's own has none
        ([WATCH, ("app", "sleep_score", 7, 7, "wearable"), ("app", "sleep_deep_duration", 7, 7, "wearable")], [0, 1]),
        ([WATCH, ("app", "sleep_score", 7, 7, "wearable"), ("watch", "sleep_score", 7, 7, "wearable")], [0, 2]),
        # half an hour without any row ends a night; a little less does not
        ([WATCH, ("phone", "sleep_asleep", 7.51, 8, "phone")], [0, 1]),
        ([WATCH, ("phone", "sleep_asleep", 7.5, 8, "phone")], [0]),
        # each night has its own source
        ([WATCH, PHONE, ("phone", "sleep_asleep", 24, 32, "phone")], [0, 2]),
    ],
)  # fmt: skip
def test_who_tells_a_night(rows: list[Row], chosen: list[int]) -> None:
    assert kept(*rows) == chosen


hours = st.floats(0, 60).map(lambda hour: round(hour, 2))
rows = st.lists(
    st.tuples(
        st.sampled_from(["a", "b", "c"]),
        st.sampled_from(["sleep_asleep", "sleep_in_bed", "sleep_deep", "sleep_duration"]),
        hours, st.floats(0, 9).map(lambda length: round(length, 2)), st.sampled_from(DEVICES),
    ),
    min_size=1, max_size=12,
)  # fmt: skip


@given(rows, st.randoms())
@settings(max_examples=60, deadline=None)
def test_no_moment_of_sleep_has_two_sources_whatever_the_order(raw: list[Row], order: object) -> None:
    samples = [(source, signal, start, start + length, device) for source, signal, start, length, device in raw]
    chosen = {samples[n] for n in kept(*samples)}
    assert chosen
    for group in (("sleep_in_bed",), ("sleep_asleep", "sleep_deep", "sleep_duration")):
        spans = [row for row in chosen if row[1] in group]
        for one in spans:
            for other in spans:
                if one[2] <= other[3] and other[2] <= one[3]:
                    assert one[0] == other[0]
    shuffled = list(samples)
    order.shuffle(shuffled)  # type: ignore[attr-defined]
    assert {shuffled[n] for n in kept(*shuffled)} == chosen


def test_which_signals_tell_of_one_sleep() -> None:
    assert {name for name in SIGNALS if is_sleep(name)} == {
        "sleep_asleep", "sleep_in_bed", "sleep_awake", "sleep_light", "sleep_deep", "sleep_rem", "sleep_duration",
        "sleep_light_duration", "sleep_deep_duration", "sleep_rem_duration", "sleep_awake_duration", "sleep_latency",
        "sleep_efficiency", "sleep_score",
    }  # fmt: skip
