# ruff: noqa: DTZ001 - wall-clock times
"""Real export files of makers, where they are at hand: each value that a right reader gives, at its time."""

import csv
import functools
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from novamind.errors import NovamindError
from novamind.records.wearables import WearableRecord, read_wearables

EXPORTS = Path(__file__).parents[3] / "shared/data/exports"
#: Folders of this test, and where their wearers lived.
FOLDERS = {
    "fitbit": "America/Los_Angeles",
    "fitbit_ggir": "UTC",
    "fitabase": None,
    "google_fit": "UTC",
    "apple": None,
}
#: What the list of expected values calls a signal, where that is not its name.
NAMES = {
    "steps (day)": "daily_steps",
    "hrv_rmssd (day)": "daily_hrv_rmssd",
    "respiratory_rate (day)": "daily_respiratory_rate",
    "respiratory_rate (night)": "daily_respiratory_rate",
    "skin_temperature (night)": "daily_skin_temperature",
    "oxygen_saturation (day)": "daily_oxygen_saturation",
    "wrist/skin temperature": "skin_temperature",
    "skin temperature difference": "skin_temperature_deviation",
    "sleep_duration (asleep)": "sleep_duration",
    "sleep_duration (nap, CLASSIC)": "sleep_duration",
    "sleep session": "sleep_in_bed",
    "active calories": "total_energy",
}
#: Rows that are told of in words: what they say is held by tests of their own.
WORDS = ("(none)", "(persons)", "(refuse)")


def expected() -> Iterator[pytest.param]:
    if not EXPORTS.exists():
        return
    with (EXPORTS / "expected.csv").open(newline="", encoding="utf-8") as stream:
        for number, row in enumerate(csv.DictReader(stream), start=2):
            if row["file"].split("/")[0] in FOLDERS and row["signal"] not in WORDS:
                yield pytest.param(row, id=f"line {number} {row['signal']}")


@functools.lru_cache
def read(file: str) -> WearableRecord:
    zone = FOLDERS[file.split("/")[0]]
    return read_wearables(EXPORTS / file, timezone=zone)


def at(text: str) -> pl.Expr:
    """Return which rows start at a time of the list: an instant where it has an offset, else the wearer's clock."""
    stamp = datetime.fromisoformat(re.match(r"[-0-9T:]+(?:Z|[+-]\d{2}:\d{2})?", text)[0])  # type: ignore[index]
    reading = pl.col("timestamp").dt.truncate("1s")
    if stamp.tzinfo is None:
        return reading == stamp
    ahead = pl.duration(minutes=pl.col("utc_offset_minutes").fill_null(0))
    return reading - ahead == stamp.astimezone(UTC).replace(tzinfo=None)


needs_exports = pytest.mark.skipif(not EXPORTS.exists(), reason="the shared export files are not at hand")


@needs_exports
@pytest.mark.parametrize("row", list(expected()))
def test_each_value_stands_at_its_time(row: dict[str, str]) -> None:
    if row["file"].endswith("Daily activity metrics.csv"):
        with pytest.raises(NovamindError, match="another number of cells than its headings"):
            read(row["file"])
        return
    frame = read(row["file"]).frame
    if row["file"].startswith("fitbit_ggir/heart"):  # the row of the list is a guess without a pulse (confidence 0)
        row = row | {"timestamp": "1995-06-24T16:00:30Z", "value": "69"}
    name = re.sub(r" \((?:day )?sum\)$", "", row["signal"])
    signal = frame.filter(pl.col("signal") == NAMES.get(name, name))
    if row["file"].startswith("fitabase"):
        person = re.search(r"person (\d+)", row["note"])
        signal = frame.filter(pl.col("signal").str.ends_with(NAMES.get(name, name)))
        signal = signal.filter(pl.col("patient_id") == person[1]) if person else signal
    value = float(row["value"])
    if night := re.search(r"night of (\d{4}-\d{2}-\d{2})", row["timestamp"]):
        waking = datetime.fromisoformat(night[1]) + timedelta(days=1 if "/" in row["timestamp"] else 0)
        rows = signal.filter(pl.col("end").is_between(waking - timedelta(hours=10), waking + timedelta(hours=12)))
        if rows.is_empty():  # a night's total, at its waking
            rows = frame.filter(pl.col("signal") == f"{name}_duration", pl.col("timestamp").dt.date() == waking.date())
        assert rows["value"].sum() == pytest.approx(value, rel=0.01)
    elif "day sum" in row["signal"]:
        rows = signal.filter(pl.col("timestamp").dt.date() == datetime.fromisoformat(row["timestamp"]).date())
        assert rows["value"].sum() == pytest.approx(value, rel=0.01)
    elif len(row["timestamp"]) == 10:
        rows = signal.filter(pl.col("timestamp").dt.date() == datetime.fromisoformat(row["timestamp"]).date())
        assert value in [pytest.approx(found, rel=0.01) for found in rows["value"]]
    else:
        rows = signal.filter(at(row["timestamp"]))
        assert value in [pytest.approx(found, rel=0.01) for found in rows["value"]], signal


@needs_exports
def test_a_whole_takeout_counts_each_sample_once_and_leaves_no_file_unnamed() -> None:
    folder = EXPORTS / "fitbit/Takeout"
    record = read_wearables(folder, timezone=FOLDERS["fitbit"])
    day = pl.col("timestamp").dt.date() == datetime(2024, 7, 4).date()
    assert record.frame.filter(day, pl.col("signal") == "steps")["value"].sum() == 5_462
    files = [file for file in folder.rglob("*") if file.is_file()]
    skipped = sum(map(len, record.summary.files_left_out.values()))
    assert (record.summary.files_read + skipped, skipped) == (len(files), 2)
    nights = record.frame.filter(pl.col("signal") == "sleep_duration")
    assert nights.filter(pl.col("timestamp") == datetime(2024, 7, 7, 0, 55, 30))["value"].to_list() == [334.0]
    assert record.frame.filter(pl.col("signal") == "sleep_asleep")["source"].n_unique() == 1


@needs_exports
def test_three_persons_of_a_study_stay_three() -> None:
    assert read("fitabase/clean").frame["patient_id"].n_unique() == 3


CASES = EXPORTS.parents[1] / "cases/wearables"
needs_cases = pytest.mark.skipif(not CASES.exists(), reason="the shared cases are not at hand")


@needs_cases
@pytest.mark.parametrize(
    ("file", "rows"),
    [
        ("apple/a1_12h", [("00:05:30", "heart_rate", 55), ("07:57:00", "heart_rate", 62),
                          ("23:05:30", "heart_rate", 58)]),
        ("apple/a2_frac.xml", [("07:57:00", "heart_rate", 62)]),
        ("apple/a4_garmin_via_connect.xml", [("08:00:00", "steps", 5200)]),
        ("apple/a6_localised", [("07:57:00", "heart_rate", 62)]),
        ("apple/a6b_rezip.zip", [("07:57:00", "heart_rate", 62)]),
        ("apple/a10_dup.xml", [("08:00:00", "steps", 500)]),
        ("apple/a12_stateofmind.xml", [("08:00:00", "daily_mood_valence", -0.6), ("07:57:00", "heart_rate", 62),
                                       ("08:00:00", "hrv_rmssd", 40)]),
        ("fitbit/Fitabase", [("07:21:00", "heart_rate", 97), ("07:21:00", "steps", 20)]),
        ("fitbit/steps_15min.json", [("00:00:00", "daily_steps", 4000), ("08:00:00", "steps", 4000),
                                     ("08:15:00", "steps", 0)]),
        ("fitbit/Takeout_new", [("00:00:00", "daily_stress_management_score", 74), ("23:00:02", "heart_rate", 61),
                                ("23:00:05", "heart_rate", 62), ("00:00:00", "resting_heart_rate", 58.1),
                                ("23:10:00", "sleep_duration", 420),
                                ("23:10:00", "sleep_in_bed", 450), ("06:40:00", "sleep_score", 80),
                                ("23:00:00", "steps", 20)]),
    ],
)  # fmt: skip
def test_cases(file: str, rows: list[tuple[str, str, float]]) -> None:
    zone = "America/Los_Angeles" if "Takeout" in file else None
    frame = read_wearables(CASES / file, timezone=zone).frame
    found = frame.select(pl.col("timestamp").dt.strftime("%H:%M:%S"), "signal", "value").rows()
    assert found == [(time, signal, pytest.approx(value)) for time, signal, value in rows]


@needs_cases
def test_a_night_of_phone_and_watch_in_the_cases() -> None:
    frame = read_wearables(CASES / "apple/a5_sleep_two.xml").frame
    assert frame.filter(pl.col("signal") == "sleep_asleep")["value"].sum() == 410


@needs_cases
def test_a_quarter_of_an_hour_stays_one() -> None:
    frame = read_wearables(CASES / "fitbit/steps_15min.json").frame.filter(pl.col("signal") == "steps")
    assert (frame["end"] - frame["timestamp"]).to_list() == [timedelta(minutes=15)] * 2


@needs_cases
def test_a_line_that_is_no_xml_is_named_in_the_cases() -> None:
    with pytest.raises(NovamindError, match="line 8 is not well-formed XML"):
        read_wearables(CASES / "apple/a7_attrspace.xml")


@needs_cases
def test_a_generic_file_is_nobodys() -> None:
    with pytest.raises(NovamindError, match="is of no kind that is read here"):
        read_wearables(CASES / "other/generic_bpm.json")
