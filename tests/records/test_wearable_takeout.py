# ruff: noqa: DTZ001 - wall-clock times
"""Fitbit's tables in a Google Takeout: each by its name, on its own clock, with its codes for "not measured"."""

from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from novamind.records.wearables import read_wearables, takeout
from novamind.records.wearables.files import Context
from novamind.records.wearables.samples import Tally
from tests.records.wearable_input import export_file

NEW = "Takeout/Google Health/Physical Activity_GoogleData"
OLD = "Takeout/Fitbit"
DAY = 86_400.0


def read(name: str, text: str) -> tuple[list[tuple[Any, ...]], Tally]:
    tally = Tally()
    file = export_file(name, text)
    assert takeout.recognised(file)
    rows = [
        (batch.clock, signal, start, (end - start).total_seconds(), value, unit)
        for batch in takeout.batches(file, Context(tally))
        for signal, start, end, value, unit in batch.samples.select("signal", "start", "end", "value", "unit").rows()
    ]
    return rows, tally


AT = datetime(2024, 7, 5, 7, 0, 2)
MIDNIGHT = datetime(2024, 7, 5)
UTC, LABEL, LOCAL = "2024-07-05T07:00:02Z", "2024-07-05T00:00:00Z", "2024-07-05T07:00:02"


@pytest.mark.parametrize(
    ("name", "column", "time", "row"),
    [
        (f"{NEW}/heart_rate_2024-07-05.csv", "beats per minute", UTC, ("utc", "heart_rate", AT, 0, 70, "bpm")),
        (f"{NEW}/Heart Rate/heart_rate_2024-07-05 (1).csv", "beats per minute", UTC,
         ("utc", "heart_rate", AT, 0, 70, "bpm")),
        (f"{NEW}/steps_2024-07-01.csv", "steps", UTC, ("utc", "steps", AT, 60, 70, "count")),
        (f"{NEW}/distance_2024-07-01.csv", "distance", UTC, ("utc", "distance", AT, 60, 70, "m")),
        (f"{NEW}/calories_2024-07-01.csv", "calories", UTC, ("utc", "total_energy", AT, 60, 70, "kcal")),
        (f"{NEW}/floors_2024-07-01.csv", "floors", UTC, ("utc", "floors", AT, 60, 70, "count")),
        (f"{NEW}/active_energy_burned_2024-07-01.csv", "Kilocalories", UTC,
         ("utc", "active_energy", AT, 60, 70, "kcal")),
        (f"{NEW}/oxygen_saturation_2024-07-01.csv", "oxygen saturation percentage", UTC,
         ("utc", "oxygen_saturation", AT, 0, 70, "%")),
        (f"{NEW}/heart_rate_variability_2024-07-01.csv", "standard deviation milliseconds", UTC,
         ("utc", "hrv_sdnn", AT, 0, 70, "ms")),
        (f"{NEW}/body_temperature_2024-07-05.csv", "temperature celsius", UTC,
         ("utc", "skin_temperature", AT, 0, 70, "°C")),
        (f"{NEW}/weight.csv", "weight grams", UTC, ("utc", "weight", AT, 0, 70, "g")),
        (f"{NEW}/body_fat_2018-06-01.csv", "body fat percentage", UTC, ("utc", "body_fat", AT, 0, 70, "%")),
        (f"{NEW}/active_zone_minutes_2024-07-01.csv", "total minutes", UTC,
         ("utc", "active_zone_minutes", AT, 60, 70, "min")),
        (f"{NEW}/daily_resting_heart_rate.csv", "beats per minute", LABEL,
         ("local", "resting_heart_rate", MIDNIGHT, DAY, 70, "bpm")),
        (f"{NEW}/daily_heart_rate_variability.csv", "average heart rate variability milliseconds", LABEL,
         ("local", "daily_hrv_rmssd", MIDNIGHT, DAY, 70, "ms")),
        (f"{NEW}/daily_respiratory_rate.csv", "breaths per minute", LABEL,
         ("local", "daily_respiratory_rate", MIDNIGHT, DAY, 70, "breaths/min")),
        (f"{NEW}/daily_oxygen_saturation.csv", "average percentage", LABEL,
         ("local", "daily_oxygen_saturation", MIDNIGHT, DAY, 70, "%")),
        (f"{NEW}/daily_sleep_temperature_derivations.csv", "nightly temperature celsius", LABEL,
         ("local", "daily_skin_temperature", MIDNIGHT, DAY, 70, "°C")),
        (f"{NEW}/daily_readiness.csv", "score", LABEL, ("local", "readiness_score", MIDNIGHT, DAY, 70, "score")),
        (f"{NEW}/demographic_vo2max_2024-07-05.csv", "demographic vo2max", LABEL,
         ("local", "vo2_max", MIDNIGHT, DAY, 70, "mL/kg/min")),
        (f"{OLD}/Heart Rate Variability/Daily Heart Rate Variability Summary - 2024-07-(5).csv", "rmssd",
         "2024-07-05T00:00:00", ("local", "daily_hrv_rmssd", MIDNIGHT, DAY, 70, "ms")),
        (f"{OLD}/Heart Rate Variability/Heart Rate Variability Details - 2024-07-05.csv", "rmssd", LOCAL,
         ("local", "hrv_rmssd", AT, 0, 70, "ms")),
        (f"{OLD}/Heart Rate Variability/Daily Respiratory Rate Summary - 2024-07-05.csv", "daily_respiratory_rate",
         "2024-07-05T00:00:00", ("local", "daily_respiratory_rate", MIDNIGHT, DAY, 70, "breaths/min")),
        (f"{OLD}/Heart Rate Variability/Respiratory Rate Summary - 2024-07-01.csv", "full_sleep_breathing_rate", LOCAL,
         ("local", "daily_respiratory_rate", AT, 0, 70, "breaths/min")),
        (f"{OLD}/Oxygen Saturation (SpO2)/Daily SpO2 - 2024-05-23-2024-07-07.csv", "average_value", LABEL,
         ("local", "daily_oxygen_saturation", MIDNIGHT, DAY, 70, "%")),
        (f"{OLD}/Oxygen Saturation (SpO2)/Minute SpO2 - 2024-07-05.csv", "value", UTC,
         ("utc", "oxygen_saturation", AT, 0, 70, "%")),
        (f"{OLD}/Sleep Score/sleep_score.csv", "overall_score", UTC, ("local", "sleep_score", AT, 0, 70, "score")),
    ],
)  # fmt: skip
def test_each_table_has_its_signal_and_its_clock(name: str, column: str, time: str, row: tuple[Any, ...]) -> None:
    rows, tally = read(name, f"\ufefftimestamp,{column}\r\n{time},70\r\n{time},-1\r\n{time},\r\n")
    assert rows == [row]
    (missing,) = tally.left_out_rows()
    assert (missing["signal"], missing["reason"], missing["rows"]) == (row[1], "no value: nothing was measured", 2)
    assert not takeout.recognised(export_file(name, f"time,{column}\n1,2\n"))
    assert not takeout.recognised(export_file(name, "timestamp,other\n1,2\n"))


@pytest.mark.parametrize(
    ("name", "text", "row"),
    [
        ("Temperature/Device Temperature - 2024-07-06.csv",
         "recorded_time,temperature,sensor_type\n2024-07-05T00:00,-1,UNKNOWN\n",
         ("local", "skin_temperature_deviation", MIDNIGHT, 0, -1, "°C")),
        ("Temperature/Computed Temperature - 2024-07-01.csv",
         "type,sleep_start,sleep_end,nightly_temperature\nIDT,2024-07-05T00:00,2024-07-05T06:00:30,32.3\n",
         ("local", "daily_skin_temperature", MIDNIGHT, 6 * 3600 + 30, 32.3, "°C")),
        ("Active Zone Minutes (AZM)/Active Zone Minutes - 2024-07-01.csv",
         "date_time,heart_zone_id,total_minutes\n2024-07-05T00:00,CARDIO,2\n",
         ("local", "active_zone_minutes", MIDNIGHT, 60, 2, "min")),
        ("Daily Readiness/Daily Readiness Score - 2024-07-01.csv",
         "date,readiness_score_value,readiness_state\n2024-07-05,55,MED\n",
         ("local", "readiness_score", MIDNIGHT, DAY, 55, "score")),
        ("Stress Score/Stress Score.csv",
         "DATE,UPDATED_AT,STRESS_SCORE,CALCULATION_FAILED\n2024-07-05T00:00:00,2024-07-05T09:00:00,74,false\n"
         "2024-07-06T00:00:00,2024-07-06T09:00:00,0,true\n",
         ("local", "daily_stress_management_score", MIDNIGHT, DAY, 74, "score")),
        (f"{NEW}/Sedentary Period/sedentary_period_2024-07-04.csv",
         "start time,end time\n2024-07-05T00:00:00Z,2024-07-05T00:15:00Z\n",
         ("utc", "sedentary", MIDNIGHT, 900, 0, "min")),
    ],
)  # fmt: skip
def test_tables_with_columns_of_their_own(name: str, text: str, row: tuple[Any, ...]) -> None:
    assert read(name, text)[0] == [row]


def test_the_sensors_floor_of_oxygen_is_no_reading() -> None:
    rows, tally = read("Minute SpO2 - 2024-07-05.csv", f"timestamp,value\n{UTC},50.0\n{UTC},50.1\n")
    assert [row[4] for row in rows] == [50.1]
    assert tally.left_out_rows()[0]["rows"] == 1


@pytest.mark.parametrize(
    ("source", "device"),
    [("Charge 6", "wearable"), ("Google Fitbit Air", "wearable"), ("MobileTrack", "phone"),
     ("Google Health App", "phone"), ("Fit Health Connect", "other"), ("Renpho Fitbit 3P Web API", "other"),
     ("Manual", "manual")],
)  # fmt: skip
def test_a_table_says_who_measured(source: str, device: str) -> None:
    file = export_file("steps_2024-07-01.csv", f"timestamp,steps,data source\n{UTC},8,{source}\n")
    (batch,) = takeout.batches(file, Context(Tally()))
    assert batch.samples.select("source", "device").rows() == [(source, device)]


SLEEPS = "sleep_id,sleep_type,minutes_asleep,start_utc_offset,sleep_start,end_utc_offset,sleep_end,data_source"


@pytest.mark.parametrize(
    ("start", "end", "offset", "clock", "instant"),
    [
        ("2024-07-05 00:43:30+0000", "2024-07-05 09:13:00+0000", "-07:00", "local", datetime(2024, 7, 5, 0, 43, 30)),
        ("2024-07-05 00:43:30+0000", "2024-07-05 09:13:00+0000", "+00:00", "local", datetime(2024, 7, 5, 0, 43, 30)),
        ("2024-07-05T00:43:30", "2024-07-05T09:13:00", "", "local", datetime(2024, 7, 5, 0, 43, 30)),
        ("2026-09-11T17:30:00Z", "2026-09-12T01:59:30Z", "+05:30", "offset", datetime(2026, 9, 11, 17, 30)),
        ("2026-09-11T17:30:00Z", "2026-09-12T01:59:30Z", "", "utc", datetime(2026, 9, 11, 17, 30)),
    ],
)  # fmt: skip
def test_nights_are_on_the_clock_of_their_years(
    start: str, end: str, offset: str, clock: str, instant: datetime
) -> None:
    rows, _ = read("UserSleeps_2023-12-05.csv", f"{SLEEPS}\n1,STAGES,455,{offset},{start},{offset},{end},DERIVED\n")
    length = 8 * 3600 + 29 * 60 + 30.0
    assert rows == [
        (clock, "sleep_in_bed", instant, length, 0.0, "min"),
        (clock, "sleep_duration", instant, 0.0, 455.0, "min"),
    ]


def test_a_table_of_nights_may_hold_both_forms() -> None:
    old = "1,STAGES,455,-07:00,2024-07-05 00:43:30+0000,-07:00,2024-07-05 09:13:00+0000,DERIVED"
    new = "2,STAGES,410,+05:30,2026-09-11T17:30:00Z,+05:30,2026-09-12T01:00:00Z,DERIVED"
    rows, _ = read("UserSleeps_2024.csv", f"{SLEEPS}\n{old}\n{new}\n")
    assert {(row[0], row[2]) for row in rows} == {
        ("local", datetime(2024, 7, 5, 0, 43, 30)), ("offset", datetime(2026, 9, 11, 17, 30)),
    }  # fmt: skip


def test_a_table_of_nights_without_minutes_asleep_has_the_difference() -> None:
    header = "sleep_id,sleep_start,sleep_end,minutes_in_sleep_period,minutes_awake"
    rows, _ = read("UserSleeps_2025.csv", f"{header}\n1,2025-02-28T23:10:00,2025-03-01T06:40:00,450,30\n")
    assert [row[4] for row in rows if row[1] == "sleep_duration"] == [420.0]


def test_stages_and_scores_of_nights() -> None:
    header = "sleep_id,sleep_stage_type,start_utc_offset,sleep_stage_start,end_utc_offset,sleep_stage_end"
    span = "-07:00,2024-07-05 02:00:00+0000,-07:00,2024-07-05 02:30:00+0000"
    kinds = {"LIGHT": {"sleep_asleep", "sleep_light"}, "DEEP": {"sleep_asleep", "sleep_deep"},
             "REM": {"sleep_asleep", "sleep_rem"}, "AWAKE": {"sleep_awake"}, "ASLEEP": {"sleep_asleep"},
             "RESTLESS": {"sleep_awake"}}  # fmt: skip
    for kind, signals in kinds.items():
        rows, tally = read("UserSleepStages_2023.csv", f"{header}\n1,{kind},{span}\n1,DOZE,{span}\n")
        assert {row[1] for row in rows} == signals
        assert {row[3] for row in rows} == {1800.0}
        assert tally.unread == {"Fitbit sleep stage of another kind": 1}
    scores = "sleep_id,score_utc_offset,score_time,overall_score,duration_score"
    rows, _ = read(
        "UserSleepScores_2023.csv",
        f"{scores}\n1,-07:00,2024-07-05 09:13:00+0000,77.6,-1\n2,-07:00,2024-07-06 09:13:00+0000,-1,-1\n",
    )
    assert rows == [("local", "sleep_score", datetime(2024, 7, 5, 9, 13), 0.0, 77.6, "score")]


def test_an_export_counts_the_same_sample_in_two_forms_once_and_tells_each_night_once(tmp_path: Path) -> None:
    files = {
        f"{NEW}/steps_2024-07-01.csv": "timestamp,steps\n2024-07-04T17:11:00Z,18\n2024-07-05T06:59:00Z,7\n",
        f"{OLD}/Global Export Data/steps-2024-06-21.json":
            '[{"dateTime": "07/04/24 17:11:00", "value": "18"}, {"dateTime": "07/05/24 06:59:00", "value": "7"}]',
        f"{OLD}/Global Export Data/sleep-2024-06-21.json":
            '[{"dateOfSleep": "2024-07-05", "startTime": "2024-07-05T00:43:30.000",'
            ' "endTime": "2024-07-05T09:04:30.000", "minutesAsleep": 437,'
            ' "levels": {"data": [{"dateTime": "2024-07-05T00:43:30.000", "level": "light",'
            ' "seconds": 30060}], "shortData": []}}]',
        "Takeout/Fitbit/Health Fitness Data_GoogleData/UserSleeps_2023.csv":
            f"{SLEEPS}\n1,STAGES,455,-07:00,2024-07-05 00:43:30+0000,-07:00,2024-07-05 09:13:00+0000,DERIVED\n"
            "2,CLASSIC,69,-07:00,2024-07-05 12:24:00+0000,-07:00,2024-07-05 13:35:30+0000,DERIVED\n",
        "Takeout/Fitbit/Sleep Score/sleep_score.csv":
            "sleep_log_entry_id,timestamp,overall_score\n1,2024-07-05T09:04:30Z,76\n",
        "Takeout/Fitbit/Health Fitness Data_GoogleData/UserSleepScores_2023.csv":
            "sleep_id,score_time,overall_score\n1,2024-07-05 09:13:00+0000,79.5\n",
        "Takeout/Fitbit/Biometrics/Glucose 202407.csv": "no data",
        "Takeout/Fitbit/Sleep/Sleep Profile README.txt": "About this folder",
    }  # fmt: skip
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    record = read_wearables(tmp_path, timezone="America/Los_Angeles")
    rows = record.frame.select("signal", "timestamp", "value").rows()
    assert [row[1:] for row in rows if row[0] == "steps"] == [
        (datetime(2024, 7, 4, 10, 11), 18.0), (datetime(2024, 7, 4, 23, 59), 7.0),
    ]  # fmt: skip
    assert [row[1:] for row in rows if row[0] == "sleep_duration"] == [
        (datetime(2024, 7, 5, 0, 43, 30), 437.0), (datetime(2024, 7, 5, 12, 24), 69.0),
    ]  # fmt: skip
    assert [row[2] for row in rows if row[0] == "sleep_score"] == [76.0]
    assert record.summary.files_read == 6
    assert sorted(map(len, record.summary.files_left_out.values())) == [1, 1]
    assert "holds no data" in record.summary.files_left_out


def test_a_day_label_stays_on_its_day_wherever_the_wearer_lives(tmp_path: Path) -> None:
    file = tmp_path / "daily_resting_heart_rate.csv"
    file.write_text("timestamp,beats per minute\n2022-04-11T00:00:00Z,76.799\n")
    for zone in ("America/Los_Angeles", "Asia/Tokyo", None):
        frame = read_wearables(file, timezone=zone).frame
        assert frame["timestamp"].to_list() == [datetime(2022, 4, 11)]
        assert frame["end"].to_list() == [datetime(2022, 4, 12)]


def test_a_night_that_was_typed_in_is_of_another_device() -> None:
    row = "{},STAGES,455,,2024-07-0{} 00:43:30+0000,,2024-07-0{} 09:13:00+0000,{}"
    text = "\n".join((SLEEPS, row.format(1, 5, 5, "MANUAL"), row.format(2, 6, 6, "DERIVED")))
    (batch,) = takeout.batches(export_file("UserSleeps_2024.csv", text), Context(Tally()))
    assert batch.samples.select("signal", "device").rows() == [
        ("sleep_in_bed", "manual"), ("sleep_in_bed", "wearable"), ("sleep_duration", "manual"),
        ("sleep_duration", "wearable"),
    ]  # fmt: skip
