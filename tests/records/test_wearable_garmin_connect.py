"""Garmin Connect: days with their clock, nights in UTC, and what was not measured."""

import json
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl
import pytest

from novamind.errors import ValidationError
from novamind.records.wearables import garmin_connect
from novamind.records.wearables.files import Context
from novamind.records.wearables.samples import NO_VALUE, Batch, Tally
from tests.records.wearable_input import export_file

FOLDER = "DI_CONNECT/DI-Connect-Wellness/"
DAY: dict[str, Any] = {
    "calendarDate": "2024-05-02", "wellnessStartTimeGmt": "2024-05-01T20:00:00.0",
    "wellnessStartTimeLocal": "2024-05-02T00:00:00.0", "durationInMilliseconds": 86_400_000, "totalSteps": 4_000,
    "totalDistanceMeters": 3_100, "activeKilocalories": 210.0, "bmrKilocalories": 1_500.0, "totalKilocalories": 1_710.0,
    "restingHeartRate": 58, "minHeartRate": 50, "moderateIntensityMinutes": 4, "vigorousIntensityMinutes": 3,
    "averageSpo2Value": 95.0, "allDayStress": {"aggregatorList": [
        {"type": "AWAKE", "averageStressLevel": 40}, {"type": "TOTAL", "averageStressLevel": 31}]},
}  # fmt: skip
NIGHT: dict[str, Any] = {
    "calendarDate": "2024-05-02", "sleepStartTimestampGMT": "2024-05-01T19:10:05.5",
    "sleepEndTimestampGMT": "2024-05-02T02:40:00.0", "sleepWindowConfirmationType": "ENHANCED_CONFIRMED_FINAL",
    "deepSleepSeconds": 5_000, "lightSleepSeconds": 14_000, "remSleepSeconds": 6_000, "awakeSleepSeconds": 900,
    "averageRespiration": 14.0, "sleepScores": {"overallScore": 81},
    "spo2SleepSummary": {"averageSPO2": 94.0, "averageHR": 56.0},
}  # fmt: skip


def read(name: str, document: Any, *days: dict[str, Any], zone: str | None = None) -> tuple[list[Batch], Tally]:
    file = export_file(FOLDER + name, document if isinstance(document, str) else json.dumps(document))
    days_file = export_file("DI_CONNECT/DI-Connect-Aggregator/UDSFile_2024-01-01.json", json.dumps(days))
    tally = Tally()
    assert garmin_connect.recognised(file)
    context = Context(tally, (days_file, file), None if zone is None else ZoneInfo(zone))
    return list(garmin_connect.batches(file, context)), tally


def test_a_day_has_its_own_clock_and_length() -> None:
    (batch,), tally = read("UDSFile_2024.json", [DAY])
    start = datetime(2024, 5, 1, 20)  # noqa: DTZ001 - in UTC
    assert batch.clock == "offset"
    assert batch.samples.select("start", "end", "offset").unique().rows() == [
        (start, start + timedelta(days=1), 14_400)
    ]
    assert dict(batch.samples.select("signal", "value").rows()) == {
        "daily_steps": 4_000, "daily_distance": 3_100, "daily_active_energy": 210, "daily_basal_energy": 1_500,
        "daily_total_energy": 1_710, "resting_heart_rate": 58, "daily_oxygen_saturation": 95, "daily_exercise": 7,
        "daily_stress_score": 31,
    }  # fmt: skip
    assert (tally.left_out, tally.unread) == ({}, {"Garmin minHeartRate": 1})


def test_a_day_that_names_utc_alone_began_at_its_midnight() -> None:
    day = {"calendarDate": "2024-03-01", "totalSteps": 7, "wellnessStartTimeGmt": "2024-03-01T05:00:00.0"}
    (batch,), _ = read("UDSFile_2024.json", [day])
    assert batch.samples.select("start", "offset").rows() == [(datetime(2024, 3, 1, 5), -18_000)]  # noqa: DTZ001


def test_a_day_of_travel_is_shorter() -> None:
    day = DAY | {"durationInMilliseconds": 82_800_000}
    (batch,), _ = read("UDSFile_2024.json", [day])
    assert batch.samples.select(pl.col("end") - pl.col("start")).to_series().unique().to_list() == [timedelta(hours=23)]


def test_a_day_that_was_not_worn_is_no_measurement() -> None:
    day = {name: value for name, value in DAY.items() if name not in ("totalSteps", "minHeartRate", "restingHeartRate")}
    found, tally = read("UDSFile_2024.json", [day | {"activeKilocalories": 0.0}])
    assert found == []
    assert {entry["reason"] for entry in tally.left_out_rows()} == {NO_VALUE}
    zero_steps = DAY | {"totalSteps": 0}
    (batch,), _ = read("UDSFile_2024.json", [zero_steps])  # worn, and not a step
    assert batch.samples.filter(signal="daily_steps")["value"].to_list() == [0.0]


@pytest.mark.parametrize("code", [-1, -2])
def test_stress_below_zero_is_a_code(code: int) -> None:
    (batch,), tally = read(
        "UDSFile_2024.json",
        [DAY | {"allDayStress": {"aggregatorList": [{"type": "TOTAL", "averageStressLevel": code}]}}],
    )
    assert "daily_stress_score" not in batch.samples["signal"]
    assert [(entry["signal"], entry["rows"]) for entry in tally.left_out_rows()] == [("daily_stress_score", 1)]


def test_a_night_takes_the_clock_of_its_day() -> None:
    (batch,), tally = read("1_sleepData.json", [NIGHT], DAY)
    start, end = datetime(2024, 5, 1, 19, 10, 5), datetime(2024, 5, 2, 2, 40)  # noqa: DTZ001 - in UTC
    assert batch.samples.select("start", "end", "offset").unique().rows() == [(start, end, 14_400)]
    assert dict(batch.samples.select("signal", "value").rows()) == {
        "sleep_in_bed": 0, "sleep_duration": 25_000, "sleep_light_duration": 14_000, "sleep_deep_duration": 5_000,
        "sleep_rem_duration": 6_000, "sleep_awake_duration": 900, "sleep_score": 81, "daily_respiratory_rate": 14,
        "daily_oxygen_saturation": 94, "daily_heart_rate": 56,
    }  # fmt: skip
    assert tally.left_out == {}


@pytest.mark.parametrize(
    "change",
    [
        {"sleepWindowConfirmationType": "OFF_WRIST"},
        {"sleepWindowConfirmationType": "UNCONFIRMED"},
        {"deepSleepSeconds": 0, "lightSleepSeconds": 0, "remSleepSeconds": 0},
        {"deepSleepSeconds": None, "lightSleepSeconds": None, "remSleepSeconds": None},
    ],
)
def test_a_night_that_was_not_measured(change: dict[str, Any]) -> None:
    found, tally = read("1_sleepData.json", [NIGHT | change], DAY)
    assert found == []
    assert [(entry["signal"], entry["reason"]) for entry in tally.left_out_rows()] == [("sleep_duration", NO_VALUE)]


def test_a_night_without_a_clock() -> None:
    (batch,), _ = read("1_sleepData.json", [NIGHT])  # no day at all: the timezone is asked for
    assert batch.clock == "utc"
    found, tally = read("1_sleepData.json", [NIGHT], DAY | {"calendarDate": "2024-05-09"})
    assert found == []
    assert "give the timezone" in tally.left_out_rows()[0]["reason"]
    (batch,), _ = read("1_sleepData.json", [NIGHT], DAY | {"calendarDate": "2024-05-09"}, zone="Asia/Dubai")
    assert batch.samples["start"][0] == datetime(2024, 5, 1, 19, 10, 5)  # noqa: DTZ001


def test_weights_are_grams_and_some_are_typed_in() -> None:
    typed_in = {
        "metaData": {"calendarDate": "2024-05-02T15:06:06.141"},
        "weight": {"weight": 82_000.0, "sourceType": "USER_SETTING", "timestampGMT": "2024-05-02T14:06:06.141"},
    }
    scale = typed_in | {"weight": {"weight": 81_500.0, "sourceType": "INDEX_SCALE"}}
    uptake = {"metaData": {"calendarDate": "2024-05-02T11:27:28.0"}, "vo2MaxRunning": 46.0}
    other = {"metaData": {"calendarDate": "2024-05-02T15:05:59.5"}, "height": 185.0}
    found, tally = read("1_userBioMetrics.json", [typed_in, scale, uptake, other], DAY)
    frame = pl.concat(batch.samples for batch in found)
    assert set(frame.select("signal", "value", "unit", "device", "offset").rows()) == {
        ("weight", 82_000.0, "g", "manual", 3_600),
        ("weight", 81_500.0, "g", "wearable", 14_400),
        ("vo2_max", 46.0, "mL/kg/min", "wearable", 14_400),
    }
    assert tally.unread == {"Garmin biometrics of another kind": 1}


def test_workouts_are_in_milliseconds() -> None:
    workout = {"beginTimestamp": 1_714_629_600_000, "startTimeLocal": 1_714_644_000_000, "duration": 1_800_000.0}
    (batch,), _ = read("1_0_summarizedActivities.json", [{"summarizedActivitiesExport": [workout]}])
    start = datetime(2024, 5, 2, 6)  # noqa: DTZ001 - in UTC
    assert batch.samples.select("signal", "start", "end", "value", "unit", "offset").rows() == [
        ("workout", start, start + timedelta(minutes=30), 1_800_000.0, "ms", 14_400)
    ]


def test_other_files_of_the_export_hold_no_signal() -> None:
    with pytest.raises(ValidationError, match=r"user_settings\.json: holds no signal that is read here$"):
        read("user_settings.json", {"handedness": "RIGHT"})
    assert not garmin_connect.recognised(export_file("user_settings.json", "{}"))
    assert garmin_connect.recognised(export_file("2023_sleepData.json", "[]"))


NIGHTS = """Sleep Score 4 Weeks,Score,Resting Heart Rate,Body Battery,Pulse Ox,Respiration,HRV Status,Quality,Duration,\
Bedtime,Wake Time
2025-06-26,76,52,+35,97,15.2,48 ms,Good,5h 8min,12:31 AM,6:04 AM
"Jun 27, 2025",80,53,+30,--,14,47,Good,7h 30min,23:05,7:10
Jun 28,80,53,+30,96,14,47,Good,7h 30min,23:05,7:10
2025-06-29,--,--,--,--,--,--,--,--,--,--
"""


def test_nights_of_the_web_pages() -> None:
    (batch,), tally = read("Sleep.csv", NIGHTS)
    assert batch.clock == "local"
    nights = batch.samples.filter(signal="sleep_duration").select("start", "end", "value").rows()
    assert nights == [
        (datetime(2025, 6, 26, 0, 31), datetime(2025, 6, 26, 6, 4), 308.0),  # noqa: DTZ001
        (datetime(2025, 6, 26, 23, 5), datetime(2025, 6, 27, 7, 10), 450.0),  # noqa: DTZ001
        (None, None, 450.0),  # a date without its year is no date: left out, and counted, by the common rules
    ]
    first = batch.samples.filter(row=1)
    assert dict(first.select("signal", "value").rows()) == {
        "sleep_score": 76, "resting_heart_rate": 52, "daily_oxygen_saturation": 97, "daily_respiratory_rate": 15.2,
        "daily_hrv_rmssd": 48, "sleep_duration": 308, "sleep_in_bed": 0,
    }  # fmt: skip
    assert {entry["reason"] for entry in tally.left_out_rows()} == {NO_VALUE}
    assert tally.unread == {"Garmin Body Battery": 3, "Garmin Quality": 3}


def test_activities_of_the_web_pages() -> None:
    table = (
        '"Activity Type","Date","Favorite","Title","Distance","Time"\n'
        '"Running","2025-06-26 18:32:10","false","Evening run","7.2","00:40:30"\n'
        '"Yoga","6/27/2025 7:30 AM","false","x","--","1:05:00"\n'
    )
    (batch,), tally = read("Activities.csv", table)
    assert batch.samples.select("signal", "start", "value").rows() == [
        ("workout", datetime(2025, 6, 26, 18, 32, 10), 40.5),  # noqa: DTZ001
        ("workout", None, 65.0),  # day and month are not guessed
    ]
    assert tally.unread == {"Garmin Distance": 1}
