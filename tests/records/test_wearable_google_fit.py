# ruff: noqa: DTZ001 - wall-clock times, and UTC without saying so
"""Google Fit in a Takeout: streams in nanoseconds, sessions, the tables of days."""

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from novamind.errors import ValidationError
from novamind.records.wearables import google_fit, read_wearables
from novamind.records.wearables.files import Context
from novamind.records.wearables.samples import Batch, Tally
from tests.records.wearable_input import export_file

AT = datetime(2024, 5, 15, 11, 15, 43, 1)


def read(name: str, content: Any) -> tuple[list[Batch], Tally]:
    tally, file = Tally(), export_file(name, content if isinstance(content, str) else json.dumps(content))
    assert google_fit.recognised(file)
    return list(google_fit.batches(file, Context(tally))), tally


def rows(batches: list[Batch]) -> list[tuple[Any, ...]]:
    columns = ("signal", "start", "end", "value", "unit", "source", "device")
    return [row for batch in batches for row in batch.samples.select(columns).rows()]


def nanoseconds(moment: datetime) -> int:
    return int((moment - datetime(1970, 1, 1)) / timedelta(microseconds=1)) * 1000


def point(kind: str, *values: Any, seconds: int = 60, origin: str = "") -> dict[str, Any]:
    return {
        "fitValue": [{"value": {"intVal" if isinstance(value, int) else "fpVal": value}} for value in values],
        "originDataSourceId": origin, "dataTypeName": f"com.google.{kind}",
        "startTimeNanos": nanoseconds(AT), "endTimeNanos": nanoseconds(AT + timedelta(seconds=seconds)),
    }  # fmt: skip


def stream(*points: dict[str, Any], source: str = "raw:com.google.x:org.someapp:a watch") -> dict[str, Any]:
    return {"Data Source": source, "Data Points": list(points)}


@pytest.mark.parametrize(
    ("kind", "values", "signals", "lasts"),
    [
        ("heart_rate.bpm", (65.0,), [("heart_rate", 65.0, "bpm")], False),
        ("step_count.delta", (8,), [("steps", 8.0, "count")], True),
        ("distance.delta", (8.5,), [("distance", 8.5, "m")], True),
        ("calories.expended", (15.0,), [("total_energy", 15.0, "kcal")], True),
        ("weight", (70.5,), [("weight", 70.5, "kg")], False),
        ("body.fat.percentage", (20.5,), [("body_fat", 20.5, "%")], False),
        ("body.temperature", (36.5,), [("body_temperature", 36.5, "°C")], False),
        ("oxygen_saturation", (97.0, 0.0), [("oxygen_saturation", 97.0, "%")], False),
        ("respiratory_rate", (14.0,), [("respiratory_rate", 14.0, "breaths/min")], False),
        ("blood_glucose", (5.5, 1), [("blood_glucose", 5.5, "mmol/L")], False),
        ("blood_pressure", (120.0, 80.0, 1),
         [("blood_pressure_systolic", 120.0, "mmHg"), ("blood_pressure_diastolic", 80.0, "mmHg")], False),
        ("sleep.segment", (1,), [("sleep_awake", 0.0, "min")], True),
        ("sleep.segment", (2,), [("sleep_asleep", 0.0, "min")], True),
        ("sleep.segment", (4,), [("sleep_asleep", 0.0, "min"), ("sleep_light", 0.0, "min")], True),
        ("sleep.segment", (5,), [("sleep_asleep", 0.0, "min"), ("sleep_deep", 0.0, "min")], True),
        ("sleep.segment", (6,), [("sleep_asleep", 0.0, "min"), ("sleep_rem", 0.0, "min")], True),
    ],
)  # fmt: skip
def test_each_type(kind: str, values: tuple[Any, ...], signals: list[tuple[str, float, str]], lasts: bool) -> None:
    batches, tally = read("All Data/x.json", stream(point(kind, *values)))
    end = AT + timedelta(seconds=60 if lasts else 0)
    assert rows(batches) == [(s, AT, end, v, u, "org.someapp", "other") for s, v, u in signals]
    assert {batch.clock for batch in batches} == {"utc"}
    assert tally.unread == {}


def test_what_is_not_read_is_counted() -> None:
    points = [point("sleep.segment", 3), point("nutrition", 1), point("heart_rate.bpm"), point("heart_rate.bpm", 60.0)]
    points[2]["fitValue"] = [{"value": {}}]
    points[3]["startTimeNanos"] = "soon"
    batches, tally = read("All Data/x.json", stream(*points))
    assert rows(batches)[0][1] is None
    assert tally.unread == {"Google Fit time out of bed": 1, "Google Fit nutrition": 1}
    assert [(e["signal"], e["rows"]) for e in tally.left_out_rows()] == [("heart_rate", 1)]


@pytest.mark.parametrize(
    ("source", "device"),
    [("com.urbandroid.sleep", "other"), ("com.garmin.android.apps.connectmobile", "wearable"), ("fi.polar.polarflow",
     "wearable"), ("com.xiaomi.hm.health", "other")],
)  # fmt: skip
def test_the_app_that_measured(source: str, device: str) -> None:
    origin = f"raw:com.google.sleep.segment:{source}:x"
    derived, _ = read("d.json", stream(point("sleep.segment", 1, origin=origin), source="derived:a:b:merged"))
    raw, _ = read("r.json", stream(point("sleep.segment", 1), source=origin))
    assert rows(derived) == rows(raw)
    assert rows(raw)[0][5:] == (source, device)
    merged, _ = read("m.json", stream(point("sleep.segment", 1), source="derived:a:com.google.android.gms:merged"))
    assert rows(merged)[0][5:] == ("Google Fit", "other")


@pytest.mark.parametrize(
    ("name", "clock", "offset"),
    [("2024-05-21T23_35_36+03_00_SLEEP.json", "offset", 10_800),
     ("2024-05-21T14_05_36.418-06_30_SLEEP.json", "offset", -23_400), ("sleep.json", "utc", None)],
)  # fmt: skip
def test_a_sessions_offset_is_in_its_name(name: str, clock: str, offset: int | None) -> None:
    session = {"fitnessActivity": "sleep", "startTime": "2024-05-21T20:35:36Z", "endTime": "2024-05-22T03:32:06Z",
               "duration": "24990s", "aggregate": [{}, {}]}  # fmt: skip
    (batch,), tally = read(f"All Sessions/{name}", session)
    assert (batch.clock, batch.samples["offset"].to_list()) == (clock, [offset])
    assert rows([batch])[0][:3] == ("sleep_in_bed", datetime(2024, 5, 21, 20, 35, 36), datetime(2024, 5, 22, 3, 32, 6))
    assert tally.unread["Google Fit session aggregate"] == 2
    (ride,), _ = read("All Sessions/x.json", session | {"fitnessActivity": "biking", "duration": "498.5s"})
    assert rows([ride])[0][3:5] == (498.5, "s")


def test_a_days_quarters_of_an_hour_have_their_date_from_the_name() -> None:
    text = (
        "Start time,End time,Move Minutes count,Calories (kcal),Step count\n"
        "00:00:00.000+02:00,00:15:00.000+02:00,,18.25,\n"
        "23:45:00.000+02:00,00:00:00.000+02:00,1,18.5,12\n"
        "12:00:00.000+02:00,12:15:00.000+02:00,,,\n"
    )
    batches, tally = read("Daily activity metrics/2023-11-20.csv", text)
    assert {batch.clock for batch in batches} == {"offset"}
    found = sorted(row[:5] for row in rows(batches))
    assert found == [
        ("steps", datetime(2023, 11, 20, 21, 45), datetime(2023, 11, 20, 22), 12.0, "count"),
        ("total_energy", datetime(2023, 11, 19, 22), datetime(2023, 11, 19, 22, 15), 18.25, "kcal"),
        ("total_energy", datetime(2023, 11, 20, 21, 45), datetime(2023, 11, 20, 22), 18.5, "kcal"),
    ]
    assert tally.unread == {"Google Fit Move Minutes count": 1}


def test_a_table_of_days_has_totals_of_days(tmp_path: Path) -> None:
    file = tmp_path / "Daily activity metrics.csv"
    header = "Date,Move Minutes count,Calories (kcal),Average heart rate (bpm),Step count"
    file.write_text(f"{header}\n2023-11-21,72,1996.5,,5627\n")
    assert read_wearables(file).frame.select("timestamp", "signal", "value").rows() == [
        (datetime(2023, 11, 21), "daily_steps", 5627.0), (datetime(2023, 11, 21), "daily_total_energy", 1996.5),
    ]  # fmt: skip
    file.write_text(f"{header}\n2023-11-21,72,1996.5,5627\n")
    with pytest.raises(ValidationError, match=r"Daily activity metrics\.csv: its rows have another number of cells"):
        read_wearables(file)


@pytest.mark.parametrize(
    ("name", "content"),
    [("x.json", "{}"), ("x.json", "[]"), ("x.json", '{"Data Source": 1}'), ("2023-11-20.csv", "Start,End\n"),
     ("days.csv", "Start time,End time\n"), ("Date.csv", "Date,Steps\n"), ("x.txt", "x")],
)  # fmt: skip
def test_which_files_are_google_fits(name: str, content: str) -> None:
    assert not google_fit.recognised(export_file(name, content))
