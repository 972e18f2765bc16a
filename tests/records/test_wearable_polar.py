"""Polar Flow's account export: days on the wall clock, nights with their offset."""

from typing import Any

import pytest

from novamind.errors import ValidationError
from novamind.records.wearables import polar
from tests.records.maker_input import Reading, read, utc
from tests.records.wearable_input import export_file

IDENTIFIER = "0411707-893fd6db-18ac-476f-926f-b14580234d91"


def reading(kind: str, document: Any) -> Reading:
    return read(polar, f"polar-user-data-export_x/{kind}-{IDENTIFIER}.json", document)


def test_a_day_has_its_sum_and_its_minutes() -> None:
    steps = [{"localTime": "07:00:00", "value": 40}, {"localTime": "07:01:00", "value": 0}]
    found = reading("activity-2024-03-01", {
        "date": "2024-03-01", "summary": {"stepCount": 6_100, "calories": 2_000},
        "samples": {"steps": steps, "mets": [{"localTime": "07:00:00", "value": 1.2}]},
    })  # fmt: skip
    assert found.clocks == {"local"}
    assert found.rows("signal", "start", "end", "value") == [
        ("steps", utc(2024, 3, 1, 7), utc(2024, 3, 1, 7, 1), 40.0),
        ("steps", utc(2024, 3, 1, 7, 1), utc(2024, 3, 1, 7, 2), 0.0),
        ("daily_steps", utc(2024, 3, 1), utc(2024, 3, 2), 6_100.0),
    ]
    assert found.tally.unread == {"Polar mets": 1, "Polar calories": 1}
    without = reading("activity-2024-03-01", {"date": "2024-03-01", "samples": {}})
    assert (without.rows("value"), without.left_out()) == ([], {"daily_steps": 1})


def test_heart_rates_count_seconds_from_local_midnight() -> None:
    samples = [{"heartRate": 61, "secondsFromDayStart": 3_725}, {"heartRate": 0, "secondsFromDayStart": 3_730}]
    found = reading("247ohr_2024_03", {"deviceDays": [{"date": "2024-03-01", "samples": samples}]})
    assert found.rows("signal", "start", "value") == [("heart_rate", utc(2024, 3, 1, 1, 2, 5), 61.0)]
    assert (found.clocks, found.left_out()) == ({"local"}, {"heart_rate": 1})


def test_beats() -> None:
    beats = [
        {"sampleDateTime": "2024-03-01T01:02:03.250", "pulseLength": 812},
        {"sampleDateTime": "x", "pulseLength": 0},
    ]
    found = reading("ppi_samples_2024_03_1", [{"date": "2024-03-01", "devicePpiSamplesList": [{"ppiSamples": beats}]}])
    assert found.rows("signal", "start", "value", "unit") == [
        ("rr_interval", utc(2024, 3, 1, 1, 2, seconds=3.25), 812.0, "ms")
    ]


def night(**evaluation: Any) -> list[dict[str, Any]]:
    changes = [("PT0S", "WAKE"), ("PT10M", "NONREM1"), ("PT1H", "NONREM3"), ("PT1H30M", "REM"), ("PT2H", "UNKNOWN"),
               ("PT9H", "WAKE")]  # fmt: skip
    return [{
        "night": "2024-03-01", "evaluation": evaluation,
        "sleepResult": {"hypnogram": {
            "sleepStart": "2024-02-29T23:00:00.000+02:00", "sleepEnd": "2024-03-01T07:00:00.000+02:00",
            "sleepStateChanges": [{"offsetFromStart": offset, "state": state} for offset, state in changes],
        }},
    }]  # fmt: skip


def test_a_night() -> None:
    phases = {"light": "PT3H", "deep": "PT1H30M", "rem": "PT2H2M30S", "wake": "PT20M", "remPercentage": 28}
    found = reading("sleep_result_7", night(
        asleepDuration="PT6H32M30S", analysis={"efficiencyPercent": 93.2}, phaseDurations=phases))  # fmt: skip
    assert found.clocks == {"offset"}
    start, end = utc(2024, 2, 29, 21), utc(2024, 3, 1, 5)
    assert found.values(start=start, end=end, offset=7_200) == {
        "sleep_in_bed": 0, "sleep_duration": 23_550, "sleep_efficiency": 93.2, "sleep_light_duration": 10_800,
        "sleep_deep_duration": 5_400, "sleep_rem_duration": 7_350, "sleep_awake_duration": 1_200,
    }  # fmt: skip
    stages = {
        (s, a.hour * 60 + a.minute, (b - a).seconds // 60)
        for s, a, b in found.rows("signal", "start", "end")
        if b != end
    }
    assert stages == {
        ("sleep_awake", 1_260, 10), ("sleep_asleep", 1_270, 50), ("sleep_light", 1_270, 50),
        ("sleep_asleep", 1_320, 30), ("sleep_deep", 1_320, 30), ("sleep_asleep", 1_350, 30), ("sleep_rem", 1_350, 30),
    }  # fmt: skip
    assert found.tally.unread == {"Polar state of sleep of another kind": 1}  # what lies behind the end is no state


def test_a_night_that_was_not_evaluated_is_no_zero() -> None:
    found = reading("sleep_result_7", night())
    assert found.left_out() == {"sleep_duration": 1, "sleep_efficiency": 1}


def test_recovery_and_score_belong_to_the_morning() -> None:
    found = reading("nightly_recovery_7", [
        {"night": "2024-03-01", "meanNightlyRecoveryRri": 1_000, "meanNightlyRecoveryRmssd": 41,
         "meanNightlyRecoveryRespirationInterval": 4_000},
        {"night": "2024-03-02", "meanNightlyRecoveryRri": 1_200}])  # fmt: skip
    assert found.values(start=utc(2024, 3, 1)) == {
        "daily_heart_rate": 60, "daily_hrv_rmssd": 41, "daily_respiratory_rate": 15,
    }  # fmt: skip
    assert found.left_out() == {"daily_hrv_rmssd": 1, "daily_respiratory_rate": 1}
    score = reading(
        "sleep_score_7", [{"night": "2024-03-01", "sleepScoreResult": {"sleepScore": 78.5}}, {"night": "x"}]
    )
    assert (score.values(), score.left_out()) == ({"sleep_score": 78.5}, {"sleep_score": 1})


@pytest.mark.parametrize(("minutes", "clock"), [({"timezoneOffsetMinutes": -210}, "offset"), ({}, "local")])
def test_a_training_session(minutes: dict[str, int], clock: str) -> None:
    series = [{"type": "SAMPLE_TYPE_HEART_RATE", "intervalMillis": 1_000, "values": [100, "NaN", 102]},
              {"type": "SAMPLE_TYPE_SPEED", "intervalMillis": 1_000, "values": [3.1]}]  # fmt: skip
    found = reading("training-session_2024-03-01T10_00_00_9", {
        "startTime": "2024-03-01T10:00:00", "durationMillis": 1_800_000, **minutes,
        "exercises": [{"startTime": "2024-03-01T10:00:05", **minutes, "samples": {"samples": series}}]})  # fmt: skip
    ahead = minutes.get("timezoneOffsetMinutes", 0)
    start = utc(2024, 3, 1, 10, minutes=-ahead)
    assert found.clocks == {clock}
    assert found.rows("signal", "start", "value", "unit") == [
        ("workout", start, 1_800.0, "s"), ("heart_rate", utc(2024, 3, 1, 10, 0, 5, minutes=-ahead), 100.0, "bpm"),
        ("heart_rate", utc(2024, 3, 1, 10, 0, 7, minutes=-ahead), 102.0, "bpm"),
    ]  # fmt: skip
    assert (found.left_out(), found.tally.unread) == ({"heart_rate": 1}, {"Polar series of another kind": 1})


@pytest.mark.parametrize(
    "kind", ["account-data", "nightly_recovery_blob_7", "programs-personalevents", "products-devices"]
)
def test_other_kinds_hold_no_signal(kind: str) -> None:
    with pytest.raises(ValidationError, match="holds no signal that is read here"):
        reading(kind, [])


@pytest.mark.parametrize(
    "name", ["activity-2024-03-01.json", f"other-{IDENTIFIER}.json", f"sleep_result_7-{IDENTIFIER}.csv"]
)
def test_other_names_are_not_polars(name: str) -> None:
    assert not polar.recognised(export_file(name, "{}"))
