"""RADAR-base: topics in UTC, each participant kept apart."""

import gzip
from pathlib import Path

import pytest

from novamind.errors import ValidationError
from novamind.records.wearables import radar_base, read_wearables
from tests.records.maker_input import read, utc
from tests.records.wearable_input import export_file

KEY = "key.projectId,key.userId,key.sourceId"
AT = "1.540472247877E9"


@pytest.mark.parametrize(
    ("topic", "field", "value", "signal", "unit"),
    [
        ("android_phone_step_count", "steps", 6, "steps", "count"),
        ("connect_fitbit_intraday_heart_rate", "heartRate", 61, "heart_rate", "bpm"),
        ("connect_fitbit_intraday_heart_rate_variability", "rmssd", 41.5, "hrv_rmssd", "ms"),
        ("connect_fitbit_intraday_spo2", "spo2", 96, "oxygen_saturation", "%"),
        ("connect_fitbit_breathing_rate", "fullSleep", 14.2, "daily_respiratory_rate", "breaths/min"),
        ("connect_fitbit_skin_temperature", "relativeTemperature", -0.3, "skin_temperature_deviation", "°C"),
        ("android_empatica_e4_inter_beat_interval", "interBeatInterval", 0.81, "rr_interval", "s"),
        ("android_empatica_e4_electrodermal_activity", "electroDermalActivity", 0.4, "electrodermal_activity", "µS"),
        ("android_empatica_e4_temperature", "temperature", 33.1, "skin_temperature", "°C"),
        ("android_phone_light", "light", 120, "illuminance", "lx"),
    ],
)
def test_each_topic(topic: str, field: str, value: float, signal: str, unit: str) -> None:
    text = f"{KEY},value.time,value.timeReceived,value.{field},value.other\nstudy ,p-1,s,{AT},{AT},{value},7\n"
    found = read(radar_base, f"study/p-1/{topic}/2018.csv", text)
    assert found.clocks == {"utc"}
    at = utc(2018, 10, 25, 12, 57, 27, seconds=0.877)
    assert found.rows("patient_id", "signal", "start", "end", "value", "unit") == [("p-1", signal, at, at, value, unit)]
    assert list(found.tally.unread.values()) == [1]


def test_a_row_lasts_its_interval() -> None:
    text = f"{KEY},value.time,value.timeInterval,value.steps\nx,p,s,1540472220,60,30\nx,p,s,1540472280,60,\n"
    found = read(radar_base, "p/connect_fitbit_intraday_steps/a.csv", text)
    assert found.rows("start", "end", "value") == [(utc(2018, 10, 25, 12, 57), utc(2018, 10, 25, 12, 58), 30.0)]
    assert found.left_out() == {"steps": 1}


def test_stages_of_sleep_are_local() -> None:
    text = f"{KEY},value.dateTime,value.duration,value.level\n" + "".join(
        f"x,p,s,2024-05-01T0{hour}:00:00,{1_800},{level}\n"
        for hour, level in enumerate(("DEEP", "light", "REM", "AWAKE", "UNKNOWN"))
    )
    found = read(radar_base, "p/connect_fitbit_sleep_stages/a.csv", text)
    assert found.clocks == {"local"}
    assert found.rows("signal", "start", "end", signal="sleep_deep") == [
        ("sleep_deep", utc(2024, 5, 1), utc(2024, 5, 1, 0, 30))
    ]
    assert [row[0] for row in found.rows("signal")] == [
        "sleep_asleep", "sleep_deep", "sleep_asleep", "sleep_light", "sleep_asleep", "sleep_rem", "sleep_awake",
    ]  # fmt: skip
    assert found.tally.unread == {"RADAR-base stage of sleep of another kind": 1}


def test_a_days_value() -> None:
    text = f"{KEY},value.date,value.timeReceived,value.restingHeartRate\nx,p,s,2024-05-01,1714600000,58\n"
    found = read(radar_base, "p/connect_fitbit_resting_heart_rate/a.csv", text)
    assert (found.clocks, found.rows("start", "value")) == ({"local"}, [(utc(2024, 5, 1), 58.0)])


def test_participants_stay_apart_and_devices_are_not_added(tmp_path: Path) -> None:
    for person in ("p-1", "p-2"):
        for topic, steps in (("android_phone_step_count", 50), ("connect_fitbit_intraday_steps", 60)):
            folder = tmp_path / person / topic
            folder.mkdir(parents=True)
            text = f"{KEY},value.time,value.timeInterval,value.steps\nx,{person},s,1540472220,60,{steps}\n"
            (folder / "a.csv.gz").write_bytes(gzip.compress(text.encode()))
    frame = read_wearables(tmp_path, timezone="UTC").frame
    assert frame.select("patient_id", "value", "source").rows() == [
        ("p-1", 60.0, "RADAR-base fitbit"), ("p-2", 60.0, "RADAR-base fitbit"),
    ]  # fmt: skip


def test_what_holds_no_signal_is_named() -> None:
    with pytest.raises(ValidationError, match="its topic holds no signal that is read here"):
        read(
            radar_base, "p/android_phone_usage_event/a.csv", f"{KEY},value.time,value.categoryName\nx,p,s,{AT},social\n"
        )
    with pytest.raises(ValidationError, match="describes a table"):
        read(radar_base, "p/x/schema-x.json", {"namespace": "org.radarcns.passive.phone"})
    assert not radar_base.recognised(export_file("a.csv", "time,steps\n1,2\n"))
