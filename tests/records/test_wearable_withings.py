"""Withings: lists of values, nights in three languages, zeros that are none."""

import pytest

from novamind.errors import ValidationError
from novamind.records.wearables import withings
from tests.records.maker_input import read, utc
from tests.records.wearable_input import export_file

RAW = "start,duration,value\n"


def test_values_of_a_list_follow_each_other() -> None:
    found = read(withings, "raw_tracker_hr.csv", RAW + '2024-05-03T19:03:32+02:00,"[40,60]","[121,0]"\n'
                 '2024-05-03T19:13:41+02:00,"[49]","[ 99 ]"\n')  # fmt: skip
    assert found.clocks == {"offset"}
    assert found.rows("row", "signal", "start", "end", "value", "offset") == [
        (1, "heart_rate", utc(2024, 5, 3, 17, 3, 32), utc(2024, 5, 3, 17, 4, 12), 121.0, 7_200),
        (2, "heart_rate", utc(2024, 5, 3, 17, 13, 41), utc(2024, 5, 3, 17, 14, 30), 99.0, 7_200),
    ]
    assert found.left_out() == {"heart_rate": 1}


def test_the_second_value_starts_where_the_first_ends() -> None:
    found = read(withings, "raw_tracker_steps.csv", RAW + '2024-05-03T19:00:00+00:00,"[60,30,10]","[5,0,7]"\n')
    start = utc(2024, 5, 3, 19)
    assert found.rows("start", "end", "value", "unit") == [
        (start, utc(2024, 5, 3, 19, 1), 5.0, "count"),
        (utc(2024, 5, 3, 19, 1), utc(2024, 5, 3, 19, 1, 30), 0.0, "count"),
        (utc(2024, 5, 3, 19, 1, 30), utc(2024, 5, 3, 19, 1, 40), 7.0, "count"),
    ]


@pytest.mark.parametrize("lists", ['"[60]","[1,2]"', '"[60,60]","[1]"'])
def test_lists_of_different_length(lists: str) -> None:
    with pytest.raises(ValidationError, match="more durations than values, or fewer"):
        read(withings, "raw_hr_hr.csv", RAW + f"2024-05-03T19:00:00+00:00,{lists}\n")


@pytest.mark.parametrize(
    ("name", "value", "signal", "unit"),
    [
        ("raw_hr_hr.csv", 61, "heart_rate", "bpm"), ("raw_bed_hr.csv", 52, "heart_rate", "bpm"),
        ("raw_sleep-monitor_hr.csv", 52, "heart_rate", "bpm"),
        ("raw_bed_respiratory-rate.csv", 14, "respiratory_rate", "breaths/min"),
        ("raw_spo2_auto_spo2.csv", 96, "oxygen_saturation", "%"), ("raw_tracker_distance.csv", 41.5, "distance", "m"),
        ("raw_tracker_calories-earned.csv", 3, "active_energy", "kcal"),
    ],
)  # fmt: skip
def test_each_raw_table(name: str, value: float, signal: str, unit: str) -> None:
    found = read(withings, name, RAW + f"2024-05-03T19:00:00+00:00,[60],[{value}]\n")
    assert found.rows("signal", "value", "unit") == [(signal, value, unit)]


@pytest.mark.parametrize(
    ("name", "states"),
    [
        ("raw_tracker_sleep-state.csv", ["sleep_awake", "sleep_asleep", "sleep_light", "sleep_asleep", "sleep_deep",
                                         "sleep_asleep", "sleep_rem"]),
        ("raw_bed_sleep-state.csv", ["sleep_awake", "sleep_asleep", "sleep_light", "sleep_asleep", "sleep_deep",
                                     "sleep_asleep", "sleep_rem"]),
        ("raw_sleep-monitor_sleep-state.csv", ["sleep_awake", "sleep_asleep"]),
    ],
)  # fmt: skip
def test_states_of_sleep_are_those_of_the_device(name: str, states: list[str]) -> None:
    found = read(withings, name, RAW + '2024-05-03T23:00:00+00:00,"[60,60,60,60]","[0,1,2,3]"\n')
    assert [row[0] for row in found.rows("signal")] == states
    others = 4 - len({row[0] for row in found.rows("start")})
    assert found.tally.unread == ({f"{withings.MAKER} state of sleep of another kind": others} if others else {})


@pytest.mark.parametrize(
    "name", ["raw_location_latitude.csv", "raw_tracker_elevation.csv", "raw_spo2_quality_score.csv"]
)
def test_other_raw_tables_are_named(name: str) -> None:
    file = export_file(name, RAW + "2024-05-03T19:00:00+00:00,[60],[1]\n")
    if not withings.recognised(file):
        assert name.startswith("raw_location")
        return
    with pytest.raises(ValidationError, match="holds no signal that is read here"):
        read(withings, name, RAW + "2024-05-03T19:00:00+00:00,[60],[1]\n")


NIGHT = "2024-02-28T23:00:00+01:00,2024-02-29T06:30:00+01:00,12000,6000,5400,1800,2,300,0,55"


@pytest.mark.parametrize(
    "headings",
    [
        'from,to,"light (s)","deep (s)","rem (s)","awake (s)","wake up","Duration to sleep (s)","Snoring (s)",'
        '"Average heart rate"',
        "von,bis,leicht (s),tief (s),rem (s),wach (s),Aufwachen,Duration to sleep (s),Snoring (s),Average heart rate",
        "de,a,ligero (s),profundo (s),rem (s),despierto (s),despertar,Duration to sleep (s),Snoring (s),"
        "Average heart rate",
    ],
)
def test_a_night_in_three_languages(headings: str) -> None:
    found = read(withings, "sleep.csv", f"{headings}\n{NIGHT}\n")
    assert found.values(start=utc(2024, 2, 28, 22), end=utc(2024, 2, 29, 5, 30), offset=3_600) == {
        "sleep_in_bed": 0, "sleep_duration": 23_400, "sleep_light_duration": 12_000, "sleep_deep_duration": 6_000,
        "sleep_rem_duration": 5_400, "sleep_awake_duration": 1_800, "sleep_latency": 300, "daily_heart_rate": 55,
    }  # fmt: skip
    assert found.tally.unread == {"Withings wake up": 1, "Withings Snoring (s)": 1}


def test_a_night_without_sleep_or_heart_rate_is_no_zero() -> None:
    text = (
        'from,to,"light (s)","deep (s)","awake (s)","Average heart rate"\n'
        "2024-02-28T23:00:00+01:00,2024-02-29T06:30:00+01:00,0,0,0,0\n"
    )
    found = read(withings, "sleep.csv", text)
    assert not {"sleep_duration", "daily_heart_rate"} & set(found.samples["signal"])
    assert found.left_out() == {"sleep_duration": 1, "daily_heart_rate": 1}


def test_weights_have_no_zone_and_fat_is_a_share() -> None:
    found = read(withings, "weight.csv", 'Date,"Weight (kg)","Fat mass (kg)","Bone mass (kg)",Comments\n'
                 "2024-03-01 07:00:00,75.0,15.0,3.1,\n2024-03-02 07:00:00,74.0,,,private\n")  # fmt: skip
    assert found.clocks == {"local"}
    assert found.rows("signal", "start", "value", "unit") == [
        ("weight", utc(2024, 3, 1, 7), 75.0, "kg"), ("weight", utc(2024, 3, 2, 7), 74.0, "kg"),
        ("body_fat", utc(2024, 3, 1, 7), 20.0, "%"),
    ]  # fmt: skip
    assert found.left_out() == {"body_fat": 1}
    assert found.tally.unread == {"Withings Bone mass (kg)": 1}
    pounds = read(withings, "weight.csv", 'Date,"Weight (lb)","Fat mass (lb)"\n2024-03-01 07:00:00,150,30\n')
    assert pounds.rows("signal", "value", "unit") == [("weight", 150.0, "lb"), ("body_fat", 20.0, "%")]


def test_blood_pressure() -> None:
    found = read(withings, "bp.csv", 'Date,"Heart rate",Systolic,Diastolic,Comments\n2024-03-01 07:00:00,61,121,79,\n'
                 "2024-03-01 08:00:00,62,,,\n")  # fmt: skip
    assert found.values(row=1) == {"blood_pressure_systolic": 121, "blood_pressure_diastolic": 79, "heart_rate": 61}
    assert found.rows("signal", row=2) == [("heart_rate",)]


def test_scales_and_blood_pressure_in_german() -> None:
    scales = read(withings, "weight.csv", 'Date,"Gewicht (kg)","Fettmasse (kg)"\n"2024-03-01 07:00:00",75.0,15.0\n')
    assert scales.values() == {"weight": 75, "body_fat": 20}
    pressure = read(
        withings, "bp.csv", "Date,Herzfrequenz,Systole,Diastole,Kommentare\n2024-03-01 07:00:00,61,121,79,x\n"
    )
    assert pressure.values() == {"blood_pressure_systolic": 121, "blood_pressure_diastolic": 79, "heart_rate": 61}
    assert pressure.tally.unread == {}


@pytest.mark.parametrize(
    ("name", "signal", "unit"),
    [
        ("aggregates_steps.csv", "daily_steps", "count"), ("aggregates_distance.csv", "daily_distance", "m"),
        ("aggregates_calories_earned.csv", "daily_active_energy", "kcal"),
        ("aggregates_calories_passive.csv", "daily_basal_energy", "kcal"),
    ],
)  # fmt: skip
def test_days(name: str, signal: str, unit: str) -> None:
    found = read(withings, name, "date,value\n2024-03-01,1234\n")
    assert found.rows("signal", "start", "end", "value", "unit") == [
        (signal, utc(2024, 3, 1), utc(2024, 3, 2), 1_234.0, unit)
    ]
    assert found.clocks == {"local"}


def test_activities_are_workouts() -> None:
    text = "from,to,Timezone,Activity type,Data\n2024-03-01T07:00:00+01:00,2024-03-01T07:45:00+01:00,x,Running,{}\n"
    found = read(withings, "activities.csv", text)
    assert found.rows("signal", "start", "value", "unit") == [("workout", utc(2024, 3, 1, 6), 2_700.0, "s")]


@pytest.mark.parametrize(
    ("name", "headings"),
    [
        ("sleep.csv", "date,hours"),
        ("weight.csv", "Date,Weight"),
        ("raw_hr_hr.csv", "time,bpm"),
        ("other.csv", "start,duration,value"),
    ],
)
def test_other_tables_of_these_names_are_not_withings(name: str, headings: str) -> None:
    assert not withings.recognised(export_file(name, headings + "\n1,2,3\n"))
