# ruff: noqa: DTZ001 - wall-clock times
"""Real export files of makers and study platforms, and the small cases, where they are at hand."""

import csv
import functools
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from novamind.records.wearables import WearableRecord, read_wearables

EXPORTS = Path(__file__).parents[3] / "shared/data/exports"
CASES = Path(__file__).parents[3] / "shared/cases/wearables"
needs_exports = pytest.mark.skipif(not EXPORTS.exists(), reason="the shared export files are not at hand")
needs_cases = pytest.mark.skipif(not CASES.exists(), reason="the shared cases are not at hand")

#: Each export, and where its wearer lived; ``None`` where the files know it.
FOLDERS = {
    "garmin": None, "whoop/b": None, "samsung": "America/Sao_Paulo", "withings": None, "oura/v1": None,
    "oura/v2": "UTC", "empatica/1635148245_A00000.zip": "UTC", "actigraph/ActiGraph13.csv": None,
    "actigraph/ActiGraph13_timestamps_headers.csv": None, "philips/Actiwatch.csv": None, "radar_base": "UTC",
    "open_mhealth": None,
}  # fmt: skip
NAMES = {
    "steps (day)": "daily_steps", "sleep_duration (asleep)": "sleep_duration", "sleep session": "sleep_in_bed",
    "heart_rate (hour mean)": "heart_rate", "stress": "stress_score", "eda": "electrodermal_activity",
    "event mark": "event_mark", "activity axis 1": "activity_counts", "rest interval": "sleep_in_bed",
    "workout Running": "workout", "journal: alcoholic drinks": "journal_alcohol",
    "sleep_deep (40003)": "sleep_deep", "sleep_rem (40004)": "sleep_rem",
}  # fmt: skip
#: Rows that are told of in words: what they say is held by tests of their own.
WORDS = ("(none)", "(wake-up)")


def expected() -> Iterator[pytest.param]:
    if not EXPORTS.exists():
        return
    with (EXPORTS / "expected.csv").open(newline="", encoding="utf-8") as stream:
        for number, row in enumerate(csv.DictReader(stream), start=2):
            folder = next((folder for folder in FOLDERS if row["file"].startswith(folder)), None)
            if folder is not None and row["signal"] not in WORDS:
                yield pytest.param(folder, row, id=f"line {number} {row['signal']}")


@functools.lru_cache
def read(folder: str) -> WearableRecord:
    return read_wearables(EXPORTS / folder, timezone=FOLDERS[folder])


def near(reading: pl.Expr, text: str) -> pl.Expr:
    """Return which wall-clock readings are within a second of a time; an instant where that has an offset."""
    stamp = datetime.fromisoformat(text)
    if stamp.tzinfo is not None:
        reading -= pl.duration(minutes=pl.col("utc_offset_minutes").fill_null(0))
        stamp = stamp.astimezone(UTC).replace(tzinfo=None)
    return (reading - stamp).abs() < timedelta(seconds=1)


@needs_exports
@pytest.mark.parametrize(("folder", "row"), list(expected()))
def test_each_value_stands_at_its_time(folder: str, row: dict[str, str]) -> None:
    signal = read(folder).frame.filter(signal=NAMES.get(row["signal"], row["signal"]))
    text = row["timestamp"].removesuffix(" local").removeprefix("cycle ")
    whole = re.fullmatch(r"\d{4}-\d{2}-\d{2}", text)
    if night := re.fullmatch(r"night to (\S+)", text):
        waking = datetime.fromisoformat(night[1]).replace(tzinfo=None)
        rows = signal.filter(pl.col("timestamp").is_between(waking - timedelta(hours=14), waking))["value"].sum()
        assert rows == pytest.approx(float(row["value"]), rel=0.01)
        return
    if whole:
        rows = signal.filter(pl.col("timestamp").dt.date() == datetime.fromisoformat(text).date())
    else:
        cycle = re.match(r"(\d{4}-\d{2}-\d{2}) \(cycle start (.+)\)", text)
        rows = signal.filter(near(pl.col("timestamp"), f"{cycle[1]}T{cycle[2]}" if cycle else text))
    if row["value"] == "(missing)":
        assert rows.is_empty()
    else:
        value = float({"true": 1}.get(row["value"], row["value"]))
        assert value in [pytest.approx(found, rel=0.01) for found in rows["value"]], signal


@needs_exports
@pytest.mark.parametrize("folder", list(FOLDERS))
def test_every_row_is_kept_or_counted_and_every_file_read_or_named(folder: str) -> None:
    summary, path = read(folder).summary, EXPORTS / folder
    assert summary.rows_read == summary.rows_kept + sum(entry["rows"] for entry in summary.left_out)
    skipped = sum(map(len, summary.files_left_out.values()))
    files = 8 if path.suffix == ".zip" else sum(file.is_file() for file in path.rglob("*")) if path.is_dir() else 1
    assert summary.files_read + skipped == files


@needs_exports
def test_devices_are_never_added() -> None:
    samsung = read("samsung").frame
    day = samsung.filter(
        pl.col("signal") == "daily_steps", pl.col("timestamp").dt.date() == datetime(2024, 12, 10).date()
    )
    assert day["value"].to_list() == [3_137.0]
    nights = read("whoop/b").frame.filter(pl.col("signal") == "sleep_duration")
    assert nights["timestamp"].is_unique().all()


@needs_exports
def test_what_was_not_measured_is_no_night() -> None:
    garmin = read("garmin")
    assert garmin.frame.filter(pl.col("signal") == "sleep_duration").height == 1
    assert {entry["signal"]: entry["rows"] for entry in garmin.summary.left_out}["sleep_duration"] == 22


@needs_exports
@pytest.mark.parametrize(
    ("folder", "sums"),
    [
        ("actigraph/ActiGraph13.csv", (50_980, 44_573, 71_044, 1_118)),
        ("actigraph/ActiGraph13_timestamps_headers.csv", (None, None, None, 442)),
    ],
)
def test_counts_add_up(folder: str, sums: tuple[int | None, ...]) -> None:
    names = ("activity_counts", "activity_counts_axis2", "activity_counts_axis3", "steps")
    frame = read(folder).frame
    for name, total in zip(names, sums, strict=True):
        if total is not None:
            assert frame.filter(signal=name)["value"].sum() == total


@needs_exports
def test_a_sum_of_nights_is_no_night() -> None:
    frame = read("philips/Actiwatch.csv").frame
    assert frame.filter(signal="sleep_in_bed").height == 6
    assert frame.filter(signal="sleep_duration")["value"][0] == 629.5


@needs_cases
@pytest.mark.parametrize(
    ("path", "zone", "rows"),
    [
        (
            "garmin/trailing.fit",
            None,
            {("rr_interval", "2024-11-08T12:33:20.8", 800), ("heart_rate", "2024-11-08T12:33:20", 70)},
        ),
        ("garmin/rr.fit", None, {("rr_interval", "2024-11-08T12:33:21.612", 812)}),
        ("garmin/chained.fit", None, {("heart_rate", "2024-11-08T12:33:21", 71)}),
        ("garmin/export", None, {("daily_steps", "2025-03-01", 8_000), ("sleep_duration", "2025-02-28T23:10", 416.67)}),
        (
            "oura/v1.json",
            None,
            {
                ("sleep_duration", "2021-05-01T23:10", 400),
                ("daily_steps", "2021-05-01T04:00", 9_000),
                ("readiness_score", "2021-05-02", 80),
                ("heart_rate", "2021-05-01T23:15", 53),
            },
        ),
        ("oura/hub", None, {("daily_steps", "2025-06-30T04:00", 8_000), ("sleep_duration", "2025-06-30T23:00", 420)}),
        ("oura/both", None, {("heart_rate", "2025-06-30T23:30", 60), ("heart_rate", "2025-06-30T23:05", 55)}),
        ("other/actigraph", None, {("activity_counts", "2025-03-01", 10), ("steps", "2025-03-01", 0)}),
        (
            "other/e4",
            "UTC",
            {("heart_rate", "2021-03-01T00:00:01", 61.5), ("rr_interval", "2021-03-01T00:00:10.1", 812)},
        ),
        (
            "other/whoop",
            None,
            {("sleep_duration", "2025-03-01T23:10", 420), ("resting_heart_rate", "2025-03-01T23:10", 52)},
        ),
        ("other/samsung", None, {("heart_rate", "2025-03-01T08:00", 61), ("sleep_in_bed", "2025-03-01", 420)}),
        (
            "other/withings",
            "Europe/Berlin",
            {
                ("heart_rate", "2025-03-01T07:00", 61),
                ("weight", "2025-03-01T07:00", 75.2),
                ("sleep_duration", "2025-02-28T23:00", 400),
            },
        ),
        (
            "other/hae.json",
            None,
            {("heart_rate", "2025-03-01T07:00", 61), ("sleep_duration", "2025-02-28T23:30:01", 426)},
        ),
    ],
)
def test_cases(path: str, zone: str | None, rows: set[tuple[str, str, float]]) -> None:
    frame = read_wearables(CASES / path, timezone=zone).frame
    for name, text, value in rows:
        found = frame.filter(pl.col("signal") == name, pl.col("timestamp") == datetime.fromisoformat(text))["value"]
        assert found.to_list() == [pytest.approx(value, rel=1e-4)], (name, text)


@needs_cases
def test_anybodys_heart_rates_are_not_ouras() -> None:
    with pytest.raises(ValueError, match=r"^generic_bpm\.json: is of no kind that is read here: give an export of "):
        read_wearables(CASES / "other/generic_bpm.json")
