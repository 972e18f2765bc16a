# ruff: noqa: DTZ001, S608 - UTC without saying so; statements of constants
"""Health Connect's database: each table in its units, the person's clock, devices and hands told apart."""

import sqlite3
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from novamind.errors import ValidationError
from novamind.records.wearables import health_connect, read_wearables
from novamind.records.wearables.files import Context
from novamind.records.wearables.samples import Batch, Tally
from tests.records.wearable_input import export_file

AT = datetime(2026, 9, 10, 6)
END = AT + timedelta(minutes=10)
MS = int((AT - datetime(1970, 1, 1)).total_seconds() * 1000)
RECORD = "row_id INTEGER PRIMARY KEY, app_info_id INTEGER, device_info_id INTEGER, recording_method INTEGER"
INSTANT = f"{RECORD}, time INTEGER, zone_offset INTEGER"
INTERVAL = f"{RECORD}, start_time INTEGER, start_zone_offset INTEGER, end_time INTEGER, end_zone_offset INTEGER"
SOURCES = (
    "CREATE TABLE application_info_table (row_id INTEGER, package_name TEXT)",
    "INSERT INTO application_info_table VALUES (1, 'com.fitbit.FitbitMobile'), (2, 'com.phone.app')",
    "CREATE TABLE device_info_table (row_id INTEGER, manufacturer TEXT, model TEXT, device_type INTEGER)",
    "INSERT INTO device_info_table VALUES (1, 'Google', 'Pixel Watch', 1), (2, 'Google', 'Pixel 8', 2)",
)


def database(*statements: str) -> bytes:
    with closing(sqlite3.connect(":memory:")) as connection:
        for statement in (*SOURCES, *statements):
            connection.execute(statement)
        connection.commit()
        return connection.serialize()


def instant(table: str, columns: str, values: str) -> tuple[str, str]:
    return (
        f"CREATE TABLE {table} ({INSTANT}, {columns})",
        f"INSERT INTO {table} VALUES (7, 1, 1, 2, {MS}, 19800, {values})",
    )


def interval(table: str, columns: str = "", values: str = "", minutes: int = 10) -> tuple[str, str]:
    more, cells = (f", {columns}", f", {values}") if columns else ("", "")
    span = f"{MS}, 19800, {MS + minutes * 60_000}, 19800"
    return (f"CREATE TABLE {table} ({INTERVAL}{more})", f"INSERT INTO {table} VALUES (7, 1, 1, 2, {span}{cells})")


def read(*statements: str) -> tuple[list[Batch], Tally]:
    tally, file = Tally(), export_file("health_connect_export.db", database(*statements))
    assert health_connect.recognised(file)
    return list(health_connect.batches(file, Context(tally))), tally


def rows(batches: list[Batch]) -> list[tuple[Any, ...]]:
    columns = ("row", "signal", "start", "end", "offset", "value", "unit", "source", "device")
    return [row for batch in batches for row in batch.samples.select(columns).rows()]


@pytest.mark.parametrize(
    ("statements", "signal", "value", "unit", "end"),
    [
        (instant("weight_record_table", "weight REAL", "64000"), "weight", 64_000, "g", AT),
        (instant("body_fat_record_table", "percentage REAL", "20.8"), "body_fat", 20.8, "%", AT),
        (instant("resting_heart_rate_record_table", "beats_per_minute INTEGER", "54"),
         "resting_heart_rate", 54, "bpm", AT),
        (instant("oxygen_saturation_record_table", "percentage REAL", "97"), "oxygen_saturation", 97, "%", AT),
        (instant("body_temperature_record_table", "temperature REAL", "36.6"), "body_temperature", 36.6, "°C", AT),
        (instant("heart_rate_variability_rmssd_record_table", "heart_rate_variability_millis REAL", "40.9"),
         "hrv_rmssd", 40.9, "ms", AT),
        (instant("respiratory_rate_record_table", "rate REAL", "14.6"), "respiratory_rate", 14.6, "breaths/min", AT),
        (instant("blood_pressure_record_table", "systolic REAL", "125"), "blood_pressure_systolic", 125, "mmHg", AT),
        (instant("blood_pressure_record_table", "diastolic REAL", "68"), "blood_pressure_diastolic", 68, "mmHg", AT),
        (instant("blood_glucose_record_table", "level REAL", "5.5"), "blood_glucose", 5.5, "mmol/L", AT),
        (instant("vo2_max_record_table", "vo2_milliliters_per_minute_kilogram REAL", "41"),
         "vo2_max", 41, "mL/kg/min", AT),
        (interval("steps_record_table", "count INTEGER", "14"), "steps", 14, "count", END),
        (interval("distance_record_table", "distance REAL", "1.26"), "distance", 1.26, "m", END),
        (interval("floors_climbed_record_table", "floors REAL", "2"), "floors", 2, "count", END),
        (interval("active_calories_burned_record_table", "energy REAL", "15000"), "active_energy", 15, "kcal", END),
        (interval("total_calories_burned_record_table", "energy REAL", "749366.5"),
         "total_energy", 749.3665, "kcal", END),
        (interval("exercise_session_record_table", "exercise_type INTEGER", "33"), "workout", 10, "min", END),
    ],
)  # fmt: skip
def test_each_table(statements: tuple[str, str], signal: str, value: float, unit: str, end: datetime) -> None:
    batches, tally = read(*statements)
    assert [batch.clock for batch in batches] == ["offset"]
    assert rows(batches) == [(7, signal, AT, end, 19_800, pytest.approx(value), unit, "Pixel Watch", "wearable")]
    assert tally.unread == {}


def test_heart_rates_and_stages_stand_in_tables_of_their_own() -> None:
    hearts = (
        *interval("heart_rate_record_table"),
        "CREATE TABLE heart_rate_record_series_table (parent_key, beats_per_minute, epoch_millis)",
        f"INSERT INTO heart_rate_record_series_table VALUES (7, 61, {MS}), (7, 62, {MS + 60_000}), (8, 99, {MS})",
    )
    found = rows(read(*hearts)[0])
    assert [(row[1], row[2], row[4], row[5]) for row in found] == [
        ("heart_rate", AT, 19_800, 61), ("heart_rate", AT + timedelta(minutes=1), 19_800, 62),
    ]  # fmt: skip
    stages = ", ".join(f"(7, {kind}, {MS + kind * 60_000}, {MS + (kind + 1) * 60_000})" for kind in range(9))
    night = (
        *interval("sleep_session_record_table", "title TEXT", "''", minutes=60),
        "CREATE TABLE sleep_stages_table (parent_key, stage_type, stage_start_time, stage_end_time)",
        f"INSERT INTO sleep_stages_table VALUES {stages}",
    )
    batches, tally = read(*night)
    by_signal: dict[str, list[int]] = {}
    for row in rows(batches):
        by_signal.setdefault(row[1], []).append(int((row[2] - AT).total_seconds() // 60))
    assert by_signal == {
        "sleep_in_bed": [0], "sleep_awake": [1, 7], "sleep_asleep": [2, 4, 5, 6], "sleep_light": [4], "sleep_deep": [5],
        "sleep_rem": [6],
    }  # fmt: skip
    assert tally.unread == {"Health Connect time out of bed or of no known stage": 3}


@pytest.mark.parametrize(
    ("app", "device", "method", "source", "kind"),
    [(1, 1, 2, "Pixel Watch", "wearable"), (2, 2, 1, "Pixel 8", "phone"), (2, 1, 3, "Pixel Watch", "manual"),
     (2, 9, 0, "com.phone.app", "other"), (9, 9, 0, "Health Connect", "other")],
)  # fmt: skip
def test_who_measured(app: int, device: int, method: int, source: str, kind: str) -> None:
    create, _ = instant("weight_record_table", "weight REAL", "1")
    (row,) = rows(read(create, f"INSERT INTO weight_record_table VALUES (7, {app}, {device}, {method}, {MS}, 0, 1)")[0])
    assert row[-2:] == (source, kind)


def test_a_table_with_other_columns_is_counted_and_without_offset_it_is_utc() -> None:
    statements = (
        "CREATE TABLE weight_record_table (row_id INTEGER, time INTEGER, weight REAL)",
        f"INSERT INTO weight_record_table VALUES (7, {MS}, 64000)",
        *instant("hydration_record_table", "volume REAL", "1"), *instant("body_fat_record_table", "share REAL", "1"),
    )  # fmt: skip
    batches, tally = read(*statements)
    assert [(batch.clock, batch.samples["source"][0]) for batch in batches] == [("utc", "Health Connect")]
    assert tally.unread == {"Health Connect hydration": 1, "Health Connect body_fat": 1}


def test_a_database_that_is_damaged_or_works_without_end_is_refused(tmp_path: Path) -> None:
    whole = database(*interval("steps_record_table", "count INTEGER", "14"))
    file = tmp_path / "health_connect_export.db"
    for content in (whole[:4096], whole[:100] + b"\xff" * 5000):
        file.write_bytes(content)
        with pytest.raises(ValidationError, match=r"health_connect_export\.db: is no whole database of Health Connect"):
            read_wearables(file)
    endless = (
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) "
        "SELECT i AS row_id, i AS start_time, i AS end_time, i AS count FROM n"
    )
    file.write_bytes(database(f"CREATE VIEW steps_record_table AS {endless}"))
    with pytest.raises(ValidationError, match="holds no sample"):
        read_wearables(file)


def test_another_database_is_not_health_connects() -> None:
    assert not health_connect.recognised(export_file("x.db", database()))
    assert not health_connect.recognised(export_file("health_connect_export.db", b"text"))
    assert not health_connect.recognised(export_file("x.sqlite", database(*interval("steps_record_table"))))
