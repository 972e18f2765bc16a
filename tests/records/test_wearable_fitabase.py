# ruff: noqa: DTZ001 - wall-clock times
"""Fitabase: persons of a study, month first, and dates that a spreadsheet rewrote."""

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from novamind.errors import ValidationError
from novamind.records.wearables import fitabase, read_wearables
from novamind.records.wearables.files import Context
from novamind.records.wearables.samples import Tally
from tests.records.wearable_input import export_file

AT = datetime(2016, 4, 5, 19, 21)
STAMP = "4/5/2016 7:21:00 PM"


def read(name: str, text: str) -> tuple[list[tuple[Any, ...]], Tally]:
    tally, file = Tally(), export_file(name, text)
    assert fitabase.recognised(file)
    rows = [
        (person, signal, start, (end - start).total_seconds(), value, unit)
        for batch in fitabase.batches(file, Context(tally))
        for person, signal, start, end, value, unit in batch.samples.select(
            "patient_id", "signal", "start", "end", "value", "unit"
        ).rows()
    ]
    return rows, tally


@pytest.mark.parametrize(
    ("name", "header", "cells", "row"),
    [
        ("heartrate_seconds_merged.csv", "Id,Time,Value", f"7,{STAMP},97", ("heart_rate", AT, 0, 97, "bpm")),
        ("minuteStepsNarrow_merged.csv", "Id,ActivityMinute,Steps", f"7,{STAMP},97", ("steps", AT, 60, 97, "count")),
        ("minuteCaloriesNarrow_merged.csv", "Id,ActivityMinute,Calories", f"7,{STAMP},97",
         ("total_energy", AT, 60, 97, "kcal")),
        ("hourlySteps_merged.csv", "Id,ActivityHour,StepTotal", f"7,{STAMP},97", ("steps", AT, 3600, 97, "count")),
        ("hourlyCalories_merged.csv", "Id,ActivityHour,Calories", f"7,{STAMP},97",
         ("total_energy", AT, 3600, 97, "kcal")),
        ("dailySteps_merged.csv", "Id,ActivityDay,StepTotal", "7,4/5/2016,97",
         ("daily_steps", datetime(2016, 4, 5), 86_400, 97, "count")),
        ("weightLogInfo_merged.csv", "Id,Date,WeightKg,IsManualReport", f"7,{STAMP},97,False",
         ("weight", AT, 0, 97, "kg")),
        ("minuteSleep_merged.csv", "Id,date,value,logId", f"7,{STAMP},1,9", ("sleep_asleep", AT, 60, 0, "min")),
        ("minuteSleep_merged.csv", "Id,date,value,logId", f"7,{STAMP},2,9", ("sleep_awake", AT, 60, 0, "min")),
        ("minuteSleep_merged.csv", "Id,date,value,logId", f"7,{STAMP},3,9", ("sleep_awake", AT, 60, 0, "min")),
        ("minuteStepsWide_merged.csv", "Id,ActivityHour,Steps07", f"7,{STAMP},97",
         ("steps", AT + timedelta(minutes=7), 60, 97, "count")),
    ],
)  # fmt: skip
def test_each_table(name: str, header: str, cells: str, row: tuple[Any, ...]) -> None:
    assert read(name, f"{header}\n{cells}\n")[0] == [("7", *row)]


def test_a_day_of_activity_and_of_sleep() -> None:
    header = (
        "Id,ActivityDate,TotalSteps,TotalDistance,VeryActiveMinutes,FairlyActiveMinutes,LightlyActiveMinutes,Calories"
    )
    rows, tally = read("dailyActivity_merged.csv", f"{header}\n7,4/13/2016,10735,6.97,21,19,217,1797\n")
    assert {(row[1], row[4], row[5]) for row in rows} == {
        ("daily_steps", 10735, "count"), ("daily_distance", 6.97, "km"), ("daily_total_energy", 1797, "kcal"),
        ("daily_exercise", 40, "min"),
    }  # fmt: skip
    assert tally.unread == {"Fitbit, by the day LightlyActiveMinutes": 1}
    sleep = "Id,SleepDay,TotalSleepRecords,TotalMinutesAsleep,TotalTimeInBed\n"
    rows, _ = read("sleepDay_merged.csv", f"{sleep}7,5/1/2016 12:00:00 AM,1,411,426\n")
    midnight = datetime(2016, 5, 1)
    assert rows == [
        ("7", "daily_sleep_duration", midnight, 86_400, 411, "min"),
        ("7", "daily_time_in_bed", midnight, 86_400, 426, "min"),
    ]


@pytest.mark.parametrize(
    ("clock", "hour"), [("12:00:00 AM", 0), ("1:00:00 AM", 1), ("12:00:00 PM", 12), ("11:00:00 PM", 23)]
)
def test_the_clock_has_twelve_hours(clock: str, hour: int) -> None:
    rows, _ = read("heartrate_seconds_merged.csv", f"Id,Time,Value\n7,4/5/2016 {clock},97\n")
    assert rows[0][2] == datetime(2016, 4, 5, hour)


@pytest.mark.parametrize(
    ("column", "dates", "kept"),
    [
        # the days up to the twelfth were taken for months, and written anew
        ("SleepDay", ["12/04/2016 12:00 AM", "4/13/2016 12:00:00 AM"], ["4/13"]),
        ("SleepDay", ["11/10/2016 12:00 AM", "10/13/2016 12:00:00 AM"], ["10/13"]),
        ("SleepDay", ["12/04/2016 0:00", "4/13/2016 12:00:00 AM"], ["4/13"]),
        ("ActivityDate", ["04/12/2016", "4/13/2016"], ["4/13"]),
        ("ActivityDate", ["04/12/2016", "10/11/2016", "10/13/2016", "4/9/2016"], ["10/13", "4/9"]),
        # one form throughout: the order is that of the maker where nothing speaks against it
        ("SleepDay", ["4/5/2016 12:00:00 AM", "11/10/2016 12:00:00 AM"], ["4/5", "11/10"]),
        ("SleepDay", ["4/5/2016 0:00", "4/13/2016 0:00"], ["4/5", "4/13"]),
        ("ActivityDate", ["10/11/2016", "11/12/2016"], ["10/11", "11/12"]),
    ],
)  # fmt: skip
def test_a_date_that_a_spreadsheet_rewrote_is_never_guessed(column: str, dates: list[str], kept: list[str]) -> None:
    name = {"SleepDay": "sleepDay", "ActivityDate": "dailyActivity"}[column]
    value = {"SleepDay": "TotalMinutesAsleep", "ActivityDate": "TotalSteps"}[column]
    rows, tally = read(f"{name}_merged.csv", f"Id,{column},{value}\n" + "".join(f"7,{date},300\n" for date in dates))
    assert [f"{row[2].month}/{row[2].day}" for row in rows] == kept
    assert sum(entry["rows"] for entry in tally.left_out_rows()) == len(dates) - len(kept)
    assert {entry["reason"][:30] for entry in tally.left_out_rows()} <= {"a spreadsheet rewrote the date"}


@pytest.mark.parametrize(
    "dates", [["04/12/2016 12:00 AM", "05/12/2016 12:00 AM"], ["13/04/2016 0:00", "05/04/2016 0:00"]]
)
def test_dates_all_rewritten_are_refused_unless_their_order_shows(tmp_path: Path, dates: list[str]) -> None:
    file = tmp_path / "sleepDay_merged.csv"
    file.write_text("Id,SleepDay,TotalMinutesAsleep\n" + "".join(f"7,{date},300\n" for date in dates))
    with pytest.raises(ValidationError, match=r"sleepDay_merged\.csv: a spreadsheet rewrote its dates"):
        read_wearables(file)


def test_minutes_go_before_the_hours_that_hold_them(tmp_path: Path) -> None:
    (tmp_path / "hourlySteps_merged.csv").write_text("Id,ActivityHour,StepTotal\n7,4/5/2016 7:00:00 PM,50\n")
    minutes = "".join(f"7,4/5/2016 7:{minute:02d}:00 PM,{minute % 2}\n" for minute in range(60))
    (tmp_path / "minuteStepsNarrow_merged.csv").write_text(f"Id,ActivityMinute,Steps\n{minutes}")
    frame = read_wearables(tmp_path).frame
    assert (len(frame), frame["value"].sum()) == (60, 30)


def test_a_persons_own_table_names_the_person() -> None:
    rows, _ = read("P-12_hourlySteps_20160412_20160512.csv", f"ActivityHour,StepTotal\n{STAMP},97\n")
    assert rows[0][0] == "P-12"


def test_a_persons_rows_are_nobody_elses_and_count_once(tmp_path: Path) -> None:
    file = tmp_path / "sleepDay_merged.csv"
    day = "4/25/2016 12:00:00 AM,388"
    file.write_text(f"Id,SleepDay,TotalMinutesAsleep\n7,{day}\n7,{day}\n8,{day}\n")
    assert read_wearables(file).frame["patient_id"].to_list() == ["7", "8"]


@pytest.mark.parametrize(
    ("name", "header"),
    [("hourlySteps.csv", "ActivityHour,StepTotal"), ("steps.csv", "Id,ActivityHour,StepTotal"),
     ("hourlySteps_merged.csv", "Id,Time,StepTotal"), ("hourlyStepsX.csv", "Id,ActivityHour")],
)  # fmt: skip
def test_which_files_are_fitabases(name: str, header: str) -> None:
    assert not fitabase.recognised(export_file(name, f"{header}\n"))
