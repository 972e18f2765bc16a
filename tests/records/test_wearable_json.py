# ruff: noqa: DTZ001 - wall-clock times
"""Fitbit, Oura and Open mHealth: each maker's documents become the same rows."""

import json
import zipfile
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from novamind.errors import ValidationError
from novamind.records.wearables import WearableRecord, read_wearables

REAL = Path(__file__).parents[3] / "shared/data/wearables"
needs_real = pytest.mark.skipif(not REAL.exists(), reason="the real sample files are not in this checkout")


def read(tmp_path: Path, name: str, document: Any, **options: Any) -> WearableRecord:
    file = tmp_path / name
    file.write_text(json.dumps(document), encoding="utf-8")
    return read_wearables(file, **options)


def values(record: WearableRecord) -> list[tuple[Any, ...]]:
    return record.frame.select("timestamp", "signal", "value").rows()


class TestFitbit:
    def test_the_archives_minutes_are_utc_and_come_to_the_wall_clock(self, tmp_path: Path) -> None:
        series = [{"dateTime": "07/01/23 06:00:00", "value": {"bpm": 61, "confidence": 2}}]
        record = read(tmp_path, "heart_rate-2023-07-01.json", series, timezone="Europe/Berlin")
        assert values(record) == [(datetime(2023, 7, 1, 8), "heart_rate", 61.0)]

    def test_without_a_timezone_utc_is_not_guessed(self, tmp_path: Path) -> None:
        series = [{"dateTime": "07/01/23 06:00:00", "value": "12"}]
        with pytest.raises(ValidationError, match="give the timezone"):
            read(tmp_path, "steps-2023-07-01.json", series)

    def test_a_heart_rate_without_confidence_is_a_guess(self, tmp_path: Path) -> None:
        series = [
            {"dateTime": "2023-07-01T06:00:00", "value": {"bpm": 70, "confidence": 0}},
            {"dateTime": "2023-07-01T06:00:05", "value": {"bpm": 61, "confidence": 1}},
        ]
        record = read(tmp_path, "heart_rate-2023-07-01.json", series)
        assert record.frame["value"].to_list() == [61.0]
        (left,) = record.summary.left_out
        assert (left["reason"], left["rows"]) == ("no value: nothing was measured", 1)

    def test_short_awakenings_lie_on_top_of_the_stages(self, tmp_path: Path) -> None:
        night = {
            "dateOfSleep": "2023-07-01",
            "startTime": "2023-07-01T00:00:00.000",
            "endTime": "2023-07-01T01:00:00.000",
            "minutesAsleep": 57,
            "efficiency": 95,
            "levels": {
                "data": [{"dateTime": "2023-07-01T00:00:00.000", "level": "light", "seconds": 3600}],
                "shortData": [{"dateTime": "2023-07-01T00:20:00.000", "level": "wake", "seconds": 180}],
            },
        }
        record = read(tmp_path, "sleep-2023-07.json", [night])
        minutes = dict(record.frame.group_by("signal").agg(pl.col("value").sum()).iter_rows())
        assert minutes == {
            "sleep_asleep": 57.0, "sleep_light": 57.0, "sleep_awake": 3.0, "sleep_in_bed": 60.0,
            "sleep_duration": 57.0, "sleep_efficiency": 95.0,
        }  # fmt: skip

    def test_an_answer_of_the_web_api(self, tmp_path: Path) -> None:
        answer = {
            "activities-steps": [{"dateTime": "2023-07-01", "value": "9000"}],
            "activities-steps-intraday": {"dataset": [{"time": "08:00:00", "value": 30}], "datasetInterval": 1},
        }
        record = read(tmp_path, "steps.json", answer)
        assert values(record) == [
            (datetime(2023, 7, 1), "daily_steps", 9000.0),
            (datetime(2023, 7, 1, 8), "steps", 30.0),
        ]

    def test_a_takeout_archive_with_tables_and_files_of_other_kinds(self, tmp_path: Path) -> None:
        file = tmp_path / "takeout.zip"
        folder = "Takeout/Fitbit"
        with zipfile.ZipFile(file, "w") as archive:
            archive.writestr(
                f"{folder}/Heart Rate Variability/Daily Heart Rate Variability Summary - 2023-07-01.csv",
                "timestamp,rmssd,nremhr,entropy\n2023-07-01T00:00:00,41.5,55,2\n",
            )
            archive.writestr(
                f"{folder}/Global Export Data/resting_heart_rate-2023-07-01.json",
                json.dumps(
                    [
                        {"dateTime": "07/01/23 00:00:00", "value": {"date": "07/01/23", "value": 55.0}},
                        {"dateTime": "07/02/23 00:00:00", "value": {"date": None, "value": 0.0}},
                    ]
                ),
            )
            archive.writestr(f"{folder}/Your Profile/Profile.csv", "id,name\n1,x\n")
            archive.writestr(f"{folder}/Global Export Data/badge.json", "[]")
        record = read_wearables(file)
        assert values(record) == [
            (datetime(2023, 7, 1), "daily_hrv_rmssd", 41.5),
            (datetime(2023, 7, 1), "resting_heart_rate", 55.0),
        ]
        assert record.summary.unread == {"Fitbit nremhr": 1, "Fitbit entropy": 1}
        assert list(record.summary.files_left_out.values()) == [
            (f"{folder}/Global Export Data/badge.json",),
            (f"{folder}/Your Profile/Profile.csv",),
        ]

    def test_local_and_utc_files_together_need_the_timezone(self, tmp_path: Path) -> None:
        folder = tmp_path / "fitbit"
        folder.mkdir()
        (folder / "steps-2023-10-29.json").write_text(
            json.dumps(
                [{"dateTime": "10/29/23 00:30:00", "value": "5"}, {"dateTime": "10/29/23 01:30:00", "value": "7"}]
            )
        )
        record = read_wearables(folder, timezone="Europe/Berlin")
        assert record.frame.select("timestamp", "utc_offset_minutes").rows() == [
            (datetime(2023, 10, 29, 2, 30), 120),
            (datetime(2023, 10, 29, 2, 30), 60),
        ]

    @needs_real
    def test_real_files(self) -> None:
        night = read_wearables(REAL / "fitbit_sleep_pmdata_p01_extract.json")
        minutes = dict(night.frame.group_by("signal").agg(pl.col("value").sum()).iter_rows())
        assert minutes["sleep_in_bed"] == 430.0
        assert minutes["sleep_duration"] == 378.0
        assert read_wearables(REAL / "fitbit_resting_heart_rate_pmdata_p01_extract.json").summary.rows_kept == 4
        steps = read_wearables(REAL / "fitbit_steps_pmdata_p03_extract.json")
        assert steps.frame["value"].to_list() == [0.0] * 6


class TestOura:
    def test_a_night(self, tmp_path: Path) -> None:
        night = {
            "id": "n1",
            "type": "long_sleep",
            "bedtime_start": "2024-05-01T00:00:00+02:00",
            "bedtime_end": "2024-05-01T00:30:00+02:00",
            "total_sleep_duration": 1500,
            "lowest_heart_rate": 48,
            "sleep_phase_5_min": "422113",
            "heart_rate": {"interval": 300, "items": [None, 52, 50], "timestamp": "2024-05-01T00:00:00+02:00"},
            "hrv": {"interval": 300, "items": [40], "timestamp": "2024-05-01T00:00:00+02:00"},
        }
        record = read(tmp_path, "sleep.json", {"data": [night], "next_token": None})
        assert record.summary.format == "Oura"
        sums = dict(record.frame.group_by("signal").agg(pl.col("value").sum()).iter_rows())
        assert sums == {
            "sleep_in_bed": 30.0, "sleep_awake": 5.0, "sleep_light": 10.0, "sleep_deep": 10.0, "sleep_rem": 5.0,
            "sleep_asleep": 25.0, "sleep_duration": 25.0, "resting_heart_rate": 48.0, "heart_rate": 102.0,
            "hrv_rmssd": 40.0,
        }  # fmt: skip

    def test_collections_by_name_and_days(self, tmp_path: Path) -> None:
        document = {
            "heartrate": [{"bpm": 60, "source": "awake", "timestamp": "2024-05-01T08:00:00+00:00"}],
            "daily_activity": [{"day": "2024-05-01", "timestamp": "2024-05-01T04:00:00+02:00", "steps": 8000,
                                "equivalent_walking_distance": 6000}],
            "daily_spo2": {"data": [{"day": "2024-05-01", "spo2_percentage": {"average": 96.5}}]},
        }  # fmt: skip
        record = read(tmp_path, "oura.json", document, timezone="Europe/Berlin")
        assert values(record) == [
            (datetime(2024, 5, 1, 4), "daily_distance", 6000.0),
            (datetime(2024, 5, 1), "daily_oxygen_saturation", 96.5),
            (datetime(2024, 5, 1, 4), "daily_steps", 8000.0),
            (datetime(2024, 5, 1, 10), "heart_rate", 60.0),
        ]

    def test_deleted_sleeps_and_rests_are_no_sleep(self, tmp_path: Path) -> None:
        kinds = ("deleted", "rest", "long_sleep")
        nights = [
            {
                "type": kind,
                "bedtime_start": f"2024-05-0{day}T00:00:00+00:00",
                "bedtime_end": f"2024-05-0{day}T01:00:00+00:00",
            }
            for day, kind in enumerate(kinds, start=1)
        ]
        assert read(tmp_path, "sleep.json", {"data": nights}).frame["timestamp"].to_list() == [datetime(2024, 5, 3)]


class TestOpenMHealth:
    def test_header_interval_by_duration_and_blood_pressure(self, tmp_path: Path) -> None:
        points = [
            {
                "header": {"acquisition_provenance": {"source_name": "RunKeeper", "modality": "sensed"}},
                "body": {
                    "step_count": 600,
                    "effective_time_frame": {
                        "time_interval": {
                            "end_date_time": "2024-05-01T08:10:00+00:00",
                            "duration": {"value": 10, "unit": "min"},
                        }
                    },
                },
            },
            {
                "header": {"modality": "self-reported"},
                "body": {
                    "systolic_blood_pressure": {"value": 120, "unit": "mmHg"},
                    "diastolic_blood_pressure": {"value": 80, "unit": "mmHg"},
                    "effective_time_frame": {"date_time": "2024-05-01T08:00:00+00:00"},
                },
            },
        ]
        frame = read(tmp_path, "omh.json", points).frame
        assert frame.select("signal", "value", "source", "device").rows() == [
            ("blood_pressure_diastolic", 80.0, "Open mHealth", "manual"),
            ("blood_pressure_systolic", 120.0, "Open mHealth", "manual"),
            ("steps", 600.0, "RunKeeper", "wearable"),
        ]

    def test_one_point_a_line(self, tmp_path: Path) -> None:
        point = {
            "heart_rate": {"value": 60, "unit": "beats/min"},
            "effective_time_frame": {"date_time": "2024-05-01T08:00:00+00:00"},
        }
        file = tmp_path / "points.ndjson"
        file.write_text("\n".join(json.dumps(point) for _ in range(3)))
        summary = read_wearables(file).summary
        assert (summary.rows_read, summary.rows_kept) == (3, 1)
        assert summary.left_out[0]["reason"] == "repeats another row"

    @needs_real
    @pytest.mark.parametrize(
        ("name", "signal", "value"),
        [
            ("heart-rate_2.0_shouldPass_with-temporal-relationship-to-sleep", "heart_rate", 67.5),
            ("respiratory-rate_2.0_shouldPass_respiratory-rate-only", "respiratory_rate", 12.0),
            ("step-count_3.0_shouldPass_valid-step-count", "steps", 10600.0),
            ("total-sleep-time_1.0_shouldPass_valid-total-sleep-time", "sleep_duration", 465.0),
        ],
    )
    def test_real_points(self, name: str, signal: str, value: float) -> None:
        frame = read_wearables(REAL / f"omh/{name}.json", timezone="UTC").frame
        assert frame.select("signal", "value").rows() == [(signal, value)]


@pytest.mark.parametrize(
    "content", ["[1, 2", '{"a": ', "\ufeff", '{"hello": 1}', "[]", "3", '[{"dateTime": 3}]', "[" * 100_000]
)
def test_json_that_is_no_export_is_refused_in_one_sentence(tmp_path: Path, content: str) -> None:
    file = tmp_path / "x.json"
    file.write_text(content, encoding="utf-8")
    with pytest.raises(ValidationError):
        read_wearables(file)
