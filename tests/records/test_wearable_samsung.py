"""Samsung Health: times in UTC beside their offset, days by their midnight, devices never added."""

from pathlib import Path

import pytest

from novamind.errors import ValidationError
from novamind.records.wearables import read_wearables, samsung
from novamind.records.wearables.samples import NO_VALUE
from tests.records.maker_input import read, utc
from tests.records.wearable_input import export_file


def table(kind: str, headings: str, *rows: str, mark: str = "") -> str:
    return f"{mark}{kind},6307003,3\n{headings}\n" + "".join(f"{row},\n" for row in rows)


def test_times_are_utc_and_the_offset_says_where() -> None:
    heart = "com.samsung.health.heart_rate."
    text = table(
        "com.samsung.shealth.tracker.heart_rate",
        f"source,{heart}start_time,{heart}end_time,{heart}time_offset,{heart}max,{heart}heart_rate",
        ",2024-11-12 14:03:02.880,2024-11-12 14:03:02.880,UTC-0300,,123.0",
        ",2024-11-12 20:00:00.000,2024-11-12 20:59:59.999,UTC+0530,130,0.0",
        ",2024-11-12 21:00:00.000,2024-11-12 21:59:59.999,UTC+0530,130,99",
        mark="\ufeff",
    )
    found = read(samsung, "com.samsung.shealth.tracker.heart_rate.20241215.csv", text)
    assert found.clocks == {"offset"}
    assert found.rows("signal", "start", "end", "offset", "value") == [
        ("heart_rate", utc(2024, 11, 12, 14, 3, seconds=2.88), utc(2024, 11, 12, 14, 3, seconds=2.88), -10_800, 123.0),
        ("heart_rate", utc(2024, 11, 12, 21), utc(2024, 11, 12, 21, 59, seconds=59.999), 19_800, 99.0),
    ]  # fmt: skip
    assert found.left_out() == {"heart_rate": 1}  # zero is no heart rate
    assert found.tally.unread == {"Samsung Health max": 2}


def test_a_spreadsheet_may_have_quoted_the_cells() -> None:
    text = '"com.samsung.health.weight",6307003,3\r\n"start_time","time_offset","weight"\r\n'
    text += '"2024-11-12 05:00:00.000","UTC+0200","70.5",\r\n'
    found = read(samsung, "weights.csv", text)
    assert found.rows("signal", "start", "offset", "value") == [("weight", utc(2024, 11, 12, 5), 7_200, 70.5)]


@pytest.mark.parametrize(
    ("offset", "seconds"), [("UTC-0300", -10_800), ("UTC+0545", 20_700), ("UTC+00:00", 0), ("-10800000", -10_800)]
)
def test_offsets(offset: str, seconds: int) -> None:
    text = table("com.samsung.health.weight", "start_time,time_offset,weight", f"2024-11-12 14:00:00.000,{offset},70")
    assert read(samsung, "com.samsung.health.weight.1.csv", text).rows("offset", "start") == [
        (seconds, utc(2024, 11, 12, 14))
    ]


@pytest.mark.parametrize("offset", ["", "Europe/Berlin"])
def test_without_an_offset_the_place_is_asked_for(offset: str) -> None:
    text = table("com.samsung.health.weight", "start_time,time_offset,weight", f"2024-11-12 14:00:00.000,{offset},70")
    assert read(samsung, "com.samsung.health.weight.1.csv", text).clocks == {"utc"}


def test_times_in_milliseconds() -> None:
    text = table("com.samsung.health.weight", "start_time,time_offset,weight", "1731420000000,UTC+0000,70")
    assert read(samsung, "com.samsung.health.weight.1.csv", text).rows("start") == [(utc(2024, 11, 12, 14),)]


def test_a_day_is_counted_once_for_all_devices() -> None:
    text = table(
        "com.samsung.shealth.step_daily_trend",
        "source_type,count,distance,calorie,day_time",
        "-2,3137,2315.03,102.5,1733788800000",
        "0,769,588.48,25.6,1733788800000",
        "102,2962,2000,90,1733788800000",
        "0,500,400,20,1733875200000",  # an older version: one device, no sum
        "0,100,80,4,1733961600000",
        "102,200,160,8,1733961600000",
    )
    found = read(samsung, "com.samsung.shealth.step_daily_trend.1.csv", text)
    assert found.clocks == {"local"}
    assert found.rows("start", "end", "value", signal="daily_steps") == [
        (utc(2024, 12, 10), utc(2024, 12, 11), 3_137.0), (utc(2024, 12, 11), utc(2024, 12, 12), 500.0),
    ]  # fmt: skip
    assert found.rows("value", signal="daily_distance") == [(2_315.03,), (400.0,)]
    assert found.rows("value", signal="daily_active_energy") == [(102.5,), (20.0,)]
    assert found.tally.unread == {"Samsung Health share of one device in the day's steps": 4}


def test_stages_of_sleep() -> None:
    text = table(
        "com.samsung.health.sleep_stage",
        "start_time,sleep_id,stage,time_offset,end_time",
        *(
            f"2024-12-05 0{hour}:00:00.000,x,{stage},UTC-0300,2024-12-05 0{hour + 1}:00:00.000"
            for hour, stage in enumerate((40001, 40002, 40003, 40004, 40009), start=3)
        ),
    )
    found = read(samsung, "com.samsung.health.sleep_stage.1.csv", text)
    assert [(signal, start.hour, end.hour) for signal, start, end in found.rows("signal", "start", "end")] == [
        ("sleep_awake", 3, 4), ("sleep_asleep", 4, 5), ("sleep_light", 4, 5), ("sleep_asleep", 5, 6),
        ("sleep_deep", 5, 6), ("sleep_asleep", 6, 7), ("sleep_rem", 6, 7),
    ]  # fmt: skip
    assert found.tally.unread == {"Samsung Health sleep stage of another kind": 1}


def test_a_sleep_is_time_in_bed_and_its_scores() -> None:
    prefix = "com.samsung.health.sleep."
    text = table(
        "com.samsung.shealth.sleep",
        f"efficiency,sleep_score,sleep_duration,factor_01,{prefix}start_time,{prefix}time_offset,{prefix}end_time",
        "96.0,69,552,119,2024-12-05 03:15:00.000,UTC-0300,2024-12-05 12:27:00.000",
        "0.0,,74,,2024-12-06 17:00:00.000,UTC-0300,2024-12-06 18:14:00.000",
    )
    found = read(samsung, "com.samsung.shealth.sleep.1.csv", text)
    start, end = utc(2024, 12, 5, 3, 15), utc(2024, 12, 5, 12, 27)
    assert found.values(start=start, end=end) == {"sleep_in_bed": 0, "sleep_score": 69, "sleep_efficiency": 96}
    assert [row[0] for row in found.rows("signal", row=2)] == ["sleep_in_bed"]
    assert {(e["signal"], e["reason"]) for e in found.tally.left_out_rows()} == {
        ("sleep_score", NO_VALUE), ("sleep_efficiency", NO_VALUE),
    }  # fmt: skip
    assert found.tally.unread == {"Samsung Health factor_01": 1, "Samsung Health sleep_duration": 2}


def test_steps_of_two_devices_are_told_apart(tmp_path: Path) -> None:
    steps = "com.samsung.health.step_count."
    text = table(
        "com.samsung.shealth.tracker.pedometer_step_count",
        f"{steps}start_time,{steps}end_time,{steps}time_offset,{steps}deviceuuid,{steps}count,{steps}distance",
        "2024-11-12 14:00:00.000,2024-11-12 14:01:00.000,UTC+0000,phone-of-anna,60,40",
        "2024-11-12 14:00:00.000,2024-11-12 14:01:00.000,UTC+0000,watch-of-anna,80,50",
        "2024-11-12 14:01:00.000,2024-11-12 14:02:00.000,UTC+0000,watch-of-anna,0,0",
    )
    file = tmp_path / "com.samsung.shealth.tracker.pedometer_step_count.1.csv"
    file.write_text(text)
    frame = read_wearables(file).frame.filter(signal="steps")
    assert frame["value"].to_list() == [80.0, 0.0]
    assert set(frame["source"]) == {"Samsung Health device 2"}  # not the name that the owner gave it


@pytest.mark.parametrize(
    ("kind", "headings", "row", "signals"),
    [
        ("com.samsung.shealth.stress", "score", "0", {"stress_score": 0}),
        ("com.samsung.shealth.tracker.oxygen_saturation", "com.samsung.health.oxygen_saturation.spo2", "92",
         {"oxygen_saturation": 92}),
        ("com.samsung.health.weight", "weight,body_fat,height", "65.0,38.07599,166",
         {"weight": 65, "body_fat": 38.07599}),
        ("com.samsung.shealth.blood_pressure",
         "com.samsung.health.blood_pressure.systolic,com.samsung.health.blood_pressure.diastolic", "121,79",
         {"blood_pressure_systolic": 121, "blood_pressure_diastolic": 79}),
        ("com.samsung.shealth.blood_glucose", "com.samsung.health.blood_glucose.glucose", "5.5",
         {"blood_glucose": 5.5}),
        ("com.samsung.health.floors_climbed", "floor", "3", {"floors": 3}),
        ("com.samsung.shealth.exercise", "com.samsung.health.exercise.duration", "1800000", {"workout": 1_800_000}),
        ("com.samsung.health.body_temperature", "temperature", "36.9", {"body_temperature": 36.9}),
        ("com.samsung.health.skin_temperature", "temperature", "33.1", {"daily_skin_temperature": 33.1}),
        ("com.samsung.health.respiratory_rate", "average", "14.2", {"daily_respiratory_rate": 14.2}),
    ],
)  # fmt: skip
def test_each_kind(kind: str, headings: str, row: str, signals: dict[str, float]) -> None:
    text = table(kind, f"start_time,end_time,time_offset,{headings}",
                 f"2024-11-12 14:00:00.000,2024-11-12 14:30:00.000,UTC+0100,{row}")  # fmt: skip
    assert (
        read(samsung, f"{kind}.2024.csv", text).values(start=utc(2024, 11, 12, 14), end=utc(2024, 11, 12, 14, 30))
        == signals
    )


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("com.samsung.health.hrv", "its values stand in JSON files beside it, whose layout is not documented"),
        ("com.samsung.shealth.sleep_combined", r"its nights stand in com\.samsung\.shealth\.sleep"),
        (
            "com.samsung.shealth.tracker.pedometer_day_summary",
            r"its days stand in com\.samsung\.shealth\.step_daily_trend",
        ),
        ("com.samsung.shealth.vitality_score", "holds no signal that is read here"),
    ],
)
def test_tables_that_are_not_read_say_why(kind: str, reason: str) -> None:
    with pytest.raises(ValidationError, match=reason):
        read(samsung, f"{kind}.2024.csv", table(kind, "start_time,x", "2024-11-12 14:00:00.000,1"))


def test_the_first_line_names_the_kind_where_the_file_was_renamed() -> None:
    text = table("com.samsung.shealth.stress", "start_time,time_offset,score", "2024-11-12 14:00:00.000,UTC+0100,34")
    assert read(samsung, "upload.csv", text).rows("signal", "value") == [("stress_score", 34.0)]
    assert not samsung.recognised(export_file("upload.csv", "start_time,score\n1,2\n"))
    with pytest.raises(ValidationError, match="the column start_time is needed"):
        read(samsung, "com.samsung.shealth.stress.csv", table("com.samsung.shealth.stress", "score", "34"))


def test_details_in_json_are_named() -> None:
    with pytest.raises(ValidationError, match="whose layout is not documented"):
        read(samsung, "samsunghealth/jsons/com.samsung.health.hrv/1/x.binning_data.json", [])
