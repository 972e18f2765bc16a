"""Health Auto Export: how long a point lasts, means of extremes, nights, English headings."""

from typing import Any

import pytest

from novamind.errors import ValidationError
from novamind.records.wearables import health_auto_export as hae
from novamind.records.wearables import read_wearables
from tests.records.maker_input import Reading, read, utc
from tests.records.wearable_input import export_file


def metric(name: str, units: str, *points: dict[str, Any], **more: Any) -> Reading:
    document = {"data": {"metrics": [{"name": name, "units": units, "data": list(points)}], **more}}
    return read(hae, "HealthAutoExport-2024.json", document)


def test_the_mean_of_a_heart_rates_extremes_is_read() -> None:
    found = metric("heart_rate", "count/min", {"date": "2024-03-01 07:12:30 +0100", "Avg": 61.5, "Min": 58, "Max": 66})
    at = utc(2024, 3, 1, 6, 12, 30)
    assert found.rows("signal", "start", "end", "value", "unit", "offset", "device") == [
        ("heart_rate", at, at, 61.5, "count/min", 3_600, "other")
    ]


@pytest.mark.parametrize(
    ("dates", "seconds"),
    [
        (["2024-03-01 00:00:00 +0100", "2024-03-02 00:00:00 +0100"], 86_400),
        (["2024-03-30 00:00:00 +0100", "2024-04-01 00:00:00 +0200"], 86_400),  # the offset changes, midnight stays
        (["2024-03-01 00:00:00 +0100", "2024-03-01 05:00:00 +0100"], 3_600),
        (["2024-03-01 05:00:00 +0530", "2024-03-01 05:01:00 +0530"], 60),
        (["2024-03-01 05:00:00 +0530", "2024-03-01 05:01:07 +0530"], 0),
    ],
)
def test_all_times_together_say_how_long_a_point_lasts(dates: list[str], seconds: int) -> None:
    found = metric("step_count", "count", *({"date": date, "qty": 10} for date in dates))
    assert {(end - start).total_seconds() for start, end in found.rows("start", "end")} == {seconds}


def test_days_are_another_signal_and_lose_nothing_where_the_clock_changes(tmp_path: Any) -> None:
    days = [
        ("2024-03-30 00:00:00 +0100", 5_000),
        ("2024-03-31 00:00:00 +0100", 6_000),
        ("2024-04-01 00:00:00 +0200", 7_000),
    ]
    file = tmp_path / "HealthAutoExport.json"
    points = ", ".join(f'{{"date": "{date}", "qty": {steps}}}' for date, steps in days)
    file.write_text(f'{{"data": {{"metrics": [{{"name": "step_count", "units": "count", "data": [{points}]}}]}}}}')
    frame = read_wearables(file, timezone="Europe/Berlin").frame
    assert frame.select("signal", "value").rows() == [("daily_steps", steps) for _, steps in days]


@pytest.mark.parametrize(
    ("name", "units", "signal"),
    [
        ("resting_heart_rate", "count/min", "resting_heart_rate"), ("heart_rate_variability", "ms", "hrv_sdnn"),
        ("blood_oxygen_saturation", "%", "oxygen_saturation"), ("active_energy", "kJ", "active_energy"),
        ("basal_energy_burned", "kcal", "basal_energy"),
        ("apple_sleeping_wrist_temperature", "degC", "skin_temperature"),
        ("weight_body_mass", "lb", "weight"), ("walking_running_distance", "km", "distance"),
        ("time_in_daylight", "min", "daylight"), ("vo2_max", "ml/(kg·min)", "vo2_max"),
    ],
)  # fmt: skip
def test_each_metric(name: str, units: str, signal: str) -> None:
    found = metric(name, units, {"date": "2024-03-01 07:12:30 +0100", "qty": 12.5, "source": "Anna's Watch"})
    assert found.rows("signal", "value", "unit") == [(signal, 12.5, units)]


def test_blood_pressure_is_two_signals() -> None:
    found = metric("blood_pressure", "mmHg", {"date": "2024-03-01 07:12:30 +0100", "systolic": 121, "diastolic": 79})
    assert found.values() == {"blood_pressure_systolic": 121, "blood_pressure_diastolic": 79}


NIGHT = {"date": "2024-03-01", "sleepStart": "2024-02-29 23:30:01 -0700", "sleepEnd": "2024-03-01 07:14:04 -0700",
         "inBedStart": "2024-02-29 23:20:00 -0700", "inBedEnd": "2024-03-01 07:20:00 -0700"}  # fmt: skip


@pytest.mark.parametrize(
    ("hours", "durations"),
    [
        ({"asleep": 7.1, "rem": 0, "deep": 0, "core": 0}, {"sleep_duration": 7.1}),  # no stages: none measured
        ({"totalSleep": 7, "asleep": 0, "rem": 2, "deep": 1, "core": 4, "awake": 0},
         {"sleep_duration": 7, "sleep_rem_duration": 2, "sleep_deep_duration": 1, "sleep_light_duration": 4,
          "sleep_awake_duration": 0}),
        ({"asleep": 0, "rem": 2, "deep": 1, "core": 4},
         {"sleep_duration": 7, "sleep_rem_duration": 2, "sleep_deep_duration": 1, "sleep_light_duration": 4}),
    ],
)  # fmt: skip
def test_a_night(hours: dict[str, float], durations: dict[str, float]) -> None:
    found = metric("sleep_analysis", "hr", NIGHT | hours)
    assert found.values(start=utc(2024, 3, 1, 6, 30, 1), end=utc(2024, 3, 1, 14, 14, 4)) == durations
    assert found.rows("start", signal="sleep_in_bed") == [(utc(2024, 3, 1, 6, 20),)]
    assert set(found.samples.filter(found.samples["signal"] != "sleep_in_bed")["unit"]) == {"hr"}


def test_a_night_without_sleep_is_no_zero() -> None:
    found = metric("sleep_analysis", "hr", NIGHT | {"asleep": 0})
    assert found.left_out() == {"sleep_duration": 1}
    assert set(found.samples["signal"]) == {"sleep_in_bed"}


def test_sleep_that_is_not_summed_has_stages() -> None:
    stage = {"startDate": "2024-03-01 01:00:00 +0000", "endDate": "2024-03-01 01:30:00 +0000", "qty": 0.5}
    found = metric(
        "sleep_analysis", "hr", *(stage | {"value": value} for value in ("Core", "In Bed", "Awake", "Dreaming"))
    )
    assert [row[0] for row in found.rows("signal")] == ["sleep_asleep", "sleep_light", "sleep_in_bed", "sleep_awake"]
    assert found.tally.unread == {"Health Auto Export stage of sleep of another kind": 1}


def test_what_is_not_read_is_counted() -> None:
    found = metric(
        "dietary_sugar", "g", {"date": "2024-03-01 07:12:30 +0100", "qty": 3},
        workouts=[{"name": "Run", "start": "2024-03-01 07:00:00 +0100", "duration": 1_800}], symptoms=[{"name": "x"}],
    )  # fmt: skip
    assert found.rows("signal", "start", "value", "unit") == [("workout", utc(2024, 3, 1, 6), 1_800.0, "s")]
    assert found.tally.unread == {"Health Auto Export dietary_sugar": 1, "Health Auto Export symptoms": 1}
    empty = metric("heart_rate", "bpm", {"date": "2024-03-01 07:12:30 +0100"})
    assert empty.left_out() == {"heart_rate": 1}


TABLE = """Date/Time,Heart Rate [Min] (bpm),Heart Rate [Avg] (bpm),Step Count (steps),Sleep Analysis [Asleep] (hr),\
Sleep Analysis [Total] (hr),Sleep Analysis [Deep] (hr),Blood Pressure [Systolic] (mmHg),Mood (score)
2024-03-01 00:00:00,50,61,8000,0,7.5,1.5,121,3
2024-03-02 00:00:00,,,,,,,,
"""


def test_a_table_of_days() -> None:
    found = read(hae, "HealthAutoExport-2024.csv", TABLE)
    assert found.clocks == {"local"}
    assert found.values() == {
        "heart_rate": 61, "steps": 8_000, "sleep_duration": 7.5, "sleep_deep_duration": 1.5,
        "blood_pressure_systolic": 121,
    }  # fmt: skip
    assert found.rows("start", "end", signal="steps") == [(utc(2024, 3, 1), utc(2024, 3, 2))]
    assert found.tally.unread == {
        "Health Auto Export Heart Rate [Min] (bpm)": 1, "Health Auto Export Sleep Analysis [Asleep] (hr)": 1,
        "Health Auto Export Mood (score)": 1,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", "Date,Mood (score)\n2024-03-01,3\n"), ("a.csv", "Data/Hora,Frequência Cardíaca [Média] (bpm)\n1,2\n"),
        ("a.json", '{"data": {"metrics": 3}}'), ("a.json", '{"data": {"metrics": [{"name": "x"}]}}'), ("a.json", "[1]"),
        ("a.json", '{"data": [{"metrics": 1}]}'),
    ],
)  # fmt: skip
def test_other_files(name: str, content: str) -> None:
    assert not hae.recognised(export_file(name, content))


def test_a_metric_without_a_list_of_points_is_a_damaged_file(tmp_path: Any) -> None:
    file = tmp_path / "a.json"
    file.write_text('{"data": {"metrics": [{"name": "heart_rate", "units": "bpm", "data": 7}]}}')
    with pytest.raises(ValidationError, match=r"a\.json: has another layout than Health Auto Export gives it"):
        read_wearables(file)
