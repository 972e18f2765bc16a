# ruff: noqa: DTZ001 - wall-clock times
"""Garmin FIT: counters become what they gained, times get the file's wall clock."""

import struct
import time
from datetime import datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from novamind.errors import ValidationError
from novamind.records.wearables import garmin, read_wearables
from novamind.records.wearables.files import Context
from novamind.records.wearables.fit_files import MOST_RECORDS, fit_files
from novamind.records.wearables.garmin import _Reading
from novamind.records.wearables.samples import NO_VALUE, Batch, Tally
from tests.patience import patient
from tests.records.fit_file import fit_file
from tests.records.wearable_input import export_file

REAL = Path(__file__).parents[3] / "shared/data/wearables"
MIDNIGHT = datetime(2024, 5, 1, 22)  # UTC


def reading(*messages: tuple[str, dict[str, object]]) -> tuple[pl.DataFrame, str, Tally]:
    tally = Tally()
    taken = _Reading(tally)
    taken.take("monitoring_info", {"timestamp": MIDNIGHT, "local_timestamp": datetime(2024, 5, 2)})
    for name, fields in messages:
        taken.take(name, fields)
    frame, clock = taken.samples("x.fit")
    return frame, clock, tally


def at(hour: int, minute: int = 0) -> datetime:
    return datetime(2024, 5, 2, hour, minute)


def test_counters_become_gains_and_start_again_after_a_reset() -> None:
    frame, clock, _ = reading(
        ("monitoring", {"timestamp": at(6), "activity_type": "sedentary"}),
        ("monitoring", {"timestamp": at(6, 10), "activity_type": "walking", "steps": 400}),
        ("monitoring", {"timestamp": at(6, 20), "activity_type": "running", "steps": 900}),
        ("monitoring", {"timestamp": at(6, 30), "activity_type": "walking", "steps": 450}),
        ("monitoring", {"timestamp": at(22, 40), "activity_type": "walking", "steps": 30}),
    )
    assert clock == "offset"
    assert frame["offset"].to_list() == [7200] * 4
    assert frame["value"].to_list() == [400.0, 900.0, 50.0, 30.0]
    assert frame["start"].to_list() == [at(6), at(6, 10), at(6, 20), at(6, 30)]


def test_short_times_follow_the_last_whole_one() -> None:
    whole = int((at(6) - datetime(1989, 12, 31)).total_seconds())
    frame, _, _ = reading(
        ("monitoring", {"timestamp": at(6), "heart_rate": 60}),
        ("monitoring", {"timestamp_16": (whole + 90) % 65536, "heart_rate": 61}),
    )
    assert frame["start"].to_list() == [at(6), datetime(2024, 5, 2, 6, 1, 30)]


def test_rows_of_a_clock_that_was_set_back_are_left_out() -> None:
    frame, _, tally = reading(
        ("monitoring", {"timestamp": at(12), "heart_rate": 60}),
        ("monitoring", {"timestamp": at(8), "heart_rate": 61}),
        ("monitoring", {"timestamp": at(9), "heart_rate": 62}),
    )
    assert frame["value"].to_list() == [61.0, 62.0]
    assert [entry["reason"] for entry in tally.left_out_rows()] == ["later than what follows: the clock was set back"]


def test_sleep_levels_last_until_the_next() -> None:
    frame, _, _ = reading(
        ("sleep_level", {"timestamp": at(0), "sleep_level": "light"}),
        ("sleep_level", {"timestamp": at(1), "sleep_level": "deep"}),
        ("sleep_level", {"timestamp": at(2), "sleep_level": "awake"}),
    )
    assert frame.select("signal", "start", "end").rows() == [
        ("sleep_asleep", at(0), at(1)), ("sleep_light", at(0), at(1)),
        ("sleep_asleep", at(1), at(2)), ("sleep_deep", at(1), at(2)),
    ]  # fmt: skip


def test_stress_codes_below_zero_are_no_score() -> None:
    frame, _, _ = reading(
        ("stress_level", {"stress_level_time": at(6), "stress_level_value": -1}),
        ("stress_level", {"stress_level_time": at(6, 3), "stress_level_value": 30}),
    )
    assert frame.select("start", "value").rows() == [(at(6, 3), 30.0)]


@pytest.mark.parametrize("content", [b"not a fit file at all", bytes(200)])
def test_what_is_no_fit_file_is_refused(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "x.fit"
    file.write_bytes(content)
    with pytest.raises(ValidationError, match="not a whole FIT file"):
        read_wearables(file)


@pytest.mark.skipif(not REAL.exists(), reason="the real sample files are not in this checkout")
def test_a_real_day_of_a_vivofit(tmp_path: Path) -> None:
    content = (REAL / "garmin_MonitoringFile.fit").read_bytes()
    record = read_wearables(REAL / "garmin_MonitoringFile.fit")
    steps = record.frame.filter(pl.col("signal") == "steps")
    assert record.frame["utc_offset_minutes"].unique().to_list() == [-360]
    assert record.frame["timestamp"].dt.date().unique().to_list() == [datetime(2014, 12, 27).date()]
    assert steps["value"].min() > 0
    assert steps["source"].unique().to_list() == ["Garmin vivo_fit"]
    cut = tmp_path / "cut.fit"
    cut.write_bytes(content[: len(content) // 2])
    with pytest.raises(ValidationError, match="not a whole FIT file"):
        read_wearables(cut)


def rows(frame: pl.DataFrame) -> list[tuple[object, ...]]:
    return frame.select("signal", "start", "end", "value", "unit").rows()


@pytest.mark.parametrize(
    ("message", "field", "signal", "unit"),
    [
        ("record", "heart_rate", "heart_rate", "bpm"), ("monitoring", "heart_rate", "heart_rate", "bpm"),
        ("monitoring_hr_data", "current_day_resting_heart_rate", "resting_heart_rate", "bpm"),
        ("respiration_rate", "respiration_rate", "respiratory_rate", "breaths/min"),
        ("spo2_data", "reading_spo2", "oxygen_saturation", "%"),
        ("stress_level", "stress_level_value", "stress_score", "score"), ("hrv_value", "value", "hrv_rmssd", "ms"),
        ("weight_scale", "weight", "weight", "kg"),
    ],
)  # fmt: skip
def test_every_level_of_a_fit_file(message: str, field: str, signal: str, unit: str) -> None:
    frame, _, _ = reading((message, {"timestamp": at(6), field: 61, "position_lat": 7}))
    assert rows(frame) == [(signal, at(6), at(6), 61.0, unit)]
    assert frame.select("row", "source", "device").rows() == [(2, "Garmin", "wearable")]
    assert rows(reading(("other", {"timestamp": at(6), field: 61}))[0]) == []


def test_several_values_of_one_message_are_several_rows() -> None:
    frame, _, _ = reading(("hrv_value", {"timestamp": at(6), "value": (61, None, 62.5)}))
    assert [row[1:4] for row in rows(frame)] == [(at(6), at(6), 61.0), (at(6), at(6), 62.5)]


def test_stress_has_a_time_of_its_own_and_zero_is_a_score() -> None:
    frame, _, _ = reading(
        ("stress_level", {"timestamp": at(7), "stress_level_time": at(6), "stress_level_value": 0}),
        ("stress_level", {"timestamp": at(8), "stress_level_value": -2}),
    )
    assert rows(frame) == [("stress_score", at(6), at(6), 0.0, "score")]


def test_steps_are_steps_or_pairs_of_cycles_on_foot() -> None:
    def one(**fields: object) -> list[tuple[object, ...]]:
        return rows(reading(("monitoring", {"timestamp": at(6), **fields}))[0])

    night = datetime(2024, 5, 1, 22)
    assert one(activity_type="walking", cycles=200) == [("steps", night, at(6), 400.0, "count")]
    assert one(activity_type="running", cycles=200) == [("steps", night, at(6), 400.0, "count")]
    assert one(activity_type="cycling", cycles=200) == one(cycles=200) == []
    assert one(activity_type="walking", steps=300, cycles=200) == [("steps", night, at(6), 300.0, "count")]
    assert one(activity_type="walking", steps=0) == []
    assert one(activity_type="walking", distance=12.5, active_calories=3, steps=20) == [
        ("distance", night, at(6), 12.5, "m"),
        ("active_energy", night, at(6), 3.0, "kcal"),
        ("steps", night, at(6), 20.0, "count"),
    ]


def test_a_counter_counts_for_its_own_activity_and_energy_from_its_own_last_reading() -> None:
    def monitoring(minute: int, **fields: object) -> tuple[str, dict[str, object]]:
        return "monitoring", {"timestamp": at(6, minute), **fields}

    frame, _, _ = reading(
        monitoring(0, activity_type="walking", steps=100, active_calories=10),
        monitoring(10, activity_type="running", steps=50),
        monitoring(20, activity_type="walking", steps=130),
        monitoring(30, activity_type="walking", active_calories=16),
        monitoring(40, activity_type="walking", active_calories=16, steps=130),
        monitoring(50, activity_type="walking", steps=20),
    )
    night = datetime(2024, 5, 1, 22)
    assert [row[:4] for row in rows(frame)] == [
        ("active_energy", night, at(6, 0), 10.0), ("steps", night, at(6, 0), 100.0),
        ("steps", at(6, 0), at(6, 10), 50.0), ("steps", at(6, 10), at(6, 20), 30.0),
        ("active_energy", at(6, 0), at(6, 30), 6.0), ("steps", at(6, 40), at(6, 50), 20.0),
    ]  # fmt: skip


def test_two_readings_at_one_moment_are_one_row() -> None:
    frame, _, _ = reading(
        ("monitoring", {"timestamp": at(6), "activity_type": "walking", "steps": 100}),
        ("monitoring", {"timestamp": at(6), "activity_type": "running", "steps": 20}),
        ("monitoring", {"timestamp": at(6), "activity_type": "walking", "distance": 5.0}),
    )
    assert [(row[0], row[3]) for row in rows(frame)] == [("steps", 120.0), ("distance", 5.0)]


@pytest.mark.parametrize(
    ("local", "seconds"),
    [
        (datetime(2024, 5, 2, 3, 30), 19_800),
        (datetime(2024, 5, 2, 3, 45), 20_700),
        (datetime(2024, 5, 1, 18, 30), -12_600),
        (datetime(2024, 5, 2, 3, 37, 29), 19_800),
        (datetime(2024, 5, 2, 3, 37, 31), 20_700),
        (MIDNIGHT, 0),
    ],
)
@pytest.mark.parametrize("message", ["monitoring_info", "activity"])
def test_the_wall_clock_is_ahead_by_quarters_of_an_hour(message: str, local: datetime, seconds: int) -> None:
    taken = _Reading(Tally())
    taken.take("file_id", {"garmin_product": "vivo"})
    taken.take(message, {"timestamp": MIDNIGHT, "local_timestamp": local})
    taken.take("record", {"timestamp": MIDNIGHT, "heart_rate": 60})
    frame, clock = taken.samples("x.fit")
    assert (frame["offset"].to_list(), clock) == ([seconds], "offset")
    assert (frame["source"].to_list(), frame["row"].to_list()) == (["Garmin vivo"], [3])


def test_without_a_wall_clock_times_are_utc_and_nothing_comes_before_the_first_time() -> None:
    taken = _Reading(Tally())
    taken.take("file_id", {"garmin_product": None})
    taken.take("other", {"local_timestamp": MIDNIGHT})
    taken.take("record", {"heart_rate": 60})
    taken.take("monitoring", {"timestamp_16": 7, "heart_rate": 60})
    taken.take("monitoring", {"timestamp": MIDNIGHT, "steps": 5})
    frame, clock = taken.samples("x.fit")
    assert (rows(frame), clock) == ([("steps", MIDNIGHT, MIDNIGHT, 5.0, "count")], "utc")
    assert (frame["offset"].to_list(), frame["source"].to_list()) == ([None], ["Garmin"])
    assert _Reading(Tally()).samples("x.fit")[0].height == 0


def test_short_times_roll_over_after_18_hours() -> None:
    whole = int((MIDNIGHT - datetime(1989, 12, 31)).total_seconds())
    frame, _, _ = reading(
        ("monitoring", {"timestamp_16": (whole + 65_535) % 65_536, "heart_rate": 61}),
        ("monitoring", {"timestamp_16": (whole + 65_536 + 9) % 65_536, "heart_rate": 62}),
        ("monitoring", {"timestamp_16": (whole + 65_536 + 9) % 65_536, "heart_rate": 63}),
    )
    ahead = [(start - MIDNIGHT).total_seconds() for start in frame["start"]]
    assert ahead == [65_535, 65_545, 65_545]


def test_a_clock_may_go_back_an_hour() -> None:
    def heart(*minutes: int) -> list[float]:
        messages = [("monitoring", {"timestamp": at(8, m), "heart_rate": 60 + m}) for m in minutes]
        return reading(*messages)[0]["value"].to_list()  # type: ignore[arg-type]

    frame, _, tally = reading(
        ("monitoring", {"timestamp": at(9), "heart_rate": 60}), ("monitoring", {"timestamp": at(8), "heart_rate": 61})
    )
    assert (frame["value"].to_list(), tally.rows_read) == ([60.0, 61.0], 0)
    frame, _, tally = reading(
        ("monitoring", {"timestamp": at(9, 1), "heart_rate": 60}),
        ("monitoring", {"timestamp": at(8), "heart_rate": 61}),
    )
    assert (frame["value"].to_list(), tally.rows_read) == ([61.0], 1)
    assert tally.left_out_rows()[0] == {
        "signal": "heart_rate", "reason": "later than what follows: the clock was set back", "rows": 1,
        "first_file": "x.fit", "first_row": 2,
    }  # fmt: skip
    assert heart(0, 30, 10) == [60.0, 90.0, 70.0]


@pytest.mark.parametrize(
    ("level", "signals"),
    [
        ("light", ["sleep_asleep", "sleep_light"]), ("deep", ["sleep_asleep", "sleep_deep"]),
        ("rem", ["sleep_asleep", "sleep_rem"]), ("awake", ["sleep_awake"]), ("unmeasurable", []),
    ],
)  # fmt: skip
def test_each_level_of_sleep(level: str, signals: list[str]) -> None:
    frame, _, _ = reading(
        ("sleep_level", {"timestamp": at(0), "sleep_level": level}),
        ("sleep_level", {"timestamp": at(1), "sleep_level": "x"}),
    )
    assert rows(frame) == [(signal, at(0), at(1), 0.0, "min") for signal in signals]


WALKING = 6  # of the FIT profile


def test_a_fit_file_from_end_to_end(tmp_path: Path) -> None:
    file = tmp_path / "m.fit"
    file.write_bytes(
        fit_file(
            ("file_id", {"manufacturer": 1, "garmin_product": 1837}),
            ("monitoring_info", {"timestamp": MIDNIGHT, "local_timestamp": datetime(2024, 5, 2, 3, 30)}),
            ("monitoring", {"timestamp": at(6), "activity_type": WALKING, "cycles": 200}),
            ("monitoring", {"timestamp": at(6, 1), "heart_rate": 61}),
            ("record", {"timestamp": at(6, 2), "heart_rate": 255}),
            ("weight_scale", {"timestamp": at(6, 3), "weight": 7_000}),
        )
    )
    record = read_wearables(file)
    assert record.summary.format == "Garmin FIT"
    assert record.frame.select("timestamp", "signal", "value", "utc_offset_minutes", "source").rows() == [
        (datetime(2024, 5, 2, 11, 31), "heart_rate", 61.0, 330, "Garmin vivo_fit"),
        (datetime(2024, 5, 2, 3, 30), "steps", 200.0, 330, "Garmin vivo_fit"),  # half cycles of walking: its steps
        (datetime(2024, 5, 2, 11, 33), "weight", 70.0, 330, "Garmin vivo_fit"),
    ]
    broken = bytearray(file.read_bytes())
    broken[30] ^= 1
    file.write_bytes(broken)
    with pytest.raises(ValidationError, match=r"m\.fit: is not a whole FIT file: copy it from the device again"):
        read_wearables(file)
    file.write_bytes(fit_file())
    with pytest.raises(ValidationError, match=r"m\.fit: is not a whole FIT file: it is empty"):
        read_wearables(file)


RECORDS = (
    ("file_id", {"manufacturer": 1}),
    ("record", {"timestamp": datetime(2024, 5, 2, 6), "heart_rate": 70}),
    ("hrv", {"time": (800, 812, 805, 0xFFFF, 0xFFFF)}),
    ("record", {"timestamp": datetime(2024, 5, 2, 6, 0, 2), "heart_rate": 71}),
    ("hrv", {"time": (790, 0xFFFF, 0xFFFF, 0xFFFF, 0xFFFF)}),
    ("record", {"timestamp": datetime(2024, 5, 2, 6, 10), "heart_rate": 72}),
    ("hrv", {"time": (1_000, 0xFFFF, 0xFFFF, 0xFFFF, 0xFFFF)}),
)


def fit_batches(content: bytes) -> tuple[list[Batch], Tally]:
    tally = Tally()
    return list(garmin.batches(export_file("a.fit", content), Context(tally))), tally


def test_beats_follow_each_other_and_start_again_after_a_pause() -> None:
    (batch,), tally = fit_batches(fit_file(*RECORDS))
    beats = batch.samples.filter(pl.col("signal") == "rr_interval")
    first = datetime(2024, 5, 2, 6)
    ends = [first + timedelta(seconds=s) for s in (0.8, 1.612, 2.417, 3.207, 601)]
    assert beats.select("start", "value", "unit").rows() == [
        (end, value, "s") for end, value in zip(ends, (0.8, 0.812, 0.805, 0.79, 1.0), strict=True)
    ]
    assert tally.unread == {}


def test_the_length_in_the_header_counts() -> None:
    whole = fit_file(*RECORDS)
    plain, _ = fit_batches(whole)
    with_tail, tally = fit_batches(whole + bytes(7))
    assert with_tail[0].samples.equals(plain[0].samples)
    assert tally.unread == {"bytes behind the end of a FIT file": 7}
    chained, tally = fit_batches(whole + whole)
    assert [batch.samples.equals(plain[0].samples) for batch in chained] == [True, True]
    assert tally.unread == {}
    for cut in (whole[:-1], whole[:-3], whole + whole[:-1]):
        with pytest.raises(ValidationError, match=r"^a\.fit: is not a whole FIT file: copy it from the device again$"):
            fit_batches(cut)


def test_a_record_of_a_kind_that_was_not_defined_is_no_fit_file() -> None:
    damaged = bytearray(fit_file(*RECORDS))
    damaged[14] = 0x05  # where the first definition was, a record of a kind 5
    with pytest.raises(ValidationError, match="not a whole FIT file"):
        fit_batches(bytes(damaged))


def tiny_records(count: int) -> bytes:
    """Many records of one byte each; the checksum is not asked for before they are counted."""
    body = struct.pack("<BBBHBBBB", 0x40, 0, 0, 20, 1, 3, 1, 2) + b"\0\x40" * count
    return struct.pack("<BBHI4sH", 14, 0x20, 2132, len(body), b".FIT", 0) + body + b"\0\0"


def test_a_file_of_tiny_records_is_refused_in_a_moment() -> None:
    content = tiny_records(10_000_000)
    assert len(content) > 20_000_000
    began = time.process_time()
    with pytest.raises(ValidationError, match=r"holds more than 300,000 records, .*: give shorter recordings"):
        fit_batches(content)
    assert time.process_time() - began < patient(2)


def test_a_file_of_long_arrays_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    beats = RECORDS[:2] + (("hrv", {"time": (800,) * 5}),) * 3
    assert len(fit_batches(fit_file(*beats))[0][0].samples) == 16
    monkeypatch.setattr(garmin, "_MOST_ROWS", 15)
    with pytest.raises(ValidationError, match=r"^a\.fit: holds more values than a device writes"):
        fit_batches(fit_file(*beats))


def test_the_limit_on_records_is_exact() -> None:
    assert len(fit_files(tiny_records(MOST_RECORDS - 1), "a.fit")[0]) == 1  # the definition is a record, too
    with pytest.raises(ValidationError, match="holds more than"):
        fit_files(tiny_records(MOST_RECORDS), "a.fit")


def test_messages_that_hold_no_signal_are_counted_by_name() -> None:
    _, _, tally = reading(
        ("record", {"timestamp": at(6), "power": 200}),
        ("gps_metadata", {"timestamp": at(6)}),
        ("unknown_233", {"timestamp": at(6)}),
        ("stress_level", {"stress_level_time": at(6), "stress_level_value": -2}),
    )
    assert tally.unread == {
        "FIT message record": 1, "FIT message gps_metadata": 1, "FIT message that is not documented": 1,
    }  # fmt: skip
    assert [(entry["signal"], entry["reason"]) for entry in tally.left_out_rows()] == [("stress_score", NO_VALUE)]
