"""Tables of the shared folder, where it is at hand: each is read to its values, or refused with what to declare."""

import csv
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from novamind.errors import ValidationError
from novamind.records import FileImport, import_file, read_table

SHARED = Path(__file__).parents[3] / "shared"
TABLES = SHARED / "cases/tables"
EXPORTS = SHARED / "data/exports"
pytestmark = pytest.mark.skipif(not SHARED.exists(), reason="the shared folder with cases and exports is not here")

TODAY = date(2026, 11, 30)
#: Files of 60 daily reports with the same values, each in another form.
DAILY = (
    "blankend.csv", "bom.csv", "caps.csv", "comment.csv", "cat.parquet", "de_excel.csv", "de_excel2.csv", "dec.parquet",
    "epochms.csv", "i8.parquet", "index.csv", "ns.parquet", "ok.csv", "ok.parquet", "spaces.csv", "trail.csv",
    "utc.parquet", "utcz.csv", "utf16.csv",
)  # fmt: skip


def read(path: Path, **declared: Any) -> FileImport:
    return import_file(path, today=TODAY, **declared)


def days(imported: FileImport, series: str) -> list[tuple[str, float]]:
    frame = imported.frame.filter(pl.col("series") == series)
    return [(day, value) for day, value in frame.select(pl.col("timestamp").dt.strftime("%d.%m."), "value").iter_rows()]


@pytest.mark.parametrize("name", DAILY)
def test_a_daily_diary_in_any_form(name: str) -> None:
    right = read_table(TABLES / "ok.csv")["value"].cast(pl.Float64).to_list()
    imported = read(TABLES / name, instrument=None if name == "ns.parquet" else "PHQ-9")
    assert imported.frame["value"].to_list() == right
    assert imported.left_out == ()


@pytest.mark.parametrize(
    ("name", "declared", "first", "count"),
    [
        ("excel_de.csv", {}, ("01.10.", 12), 7),
        ("us.csv", {"instrument": "PHQ-9"}, ("01.10.", 12), 5),
        ("eu.csv", {"instrument": "PHQ-9"}, ("01.10.", 12), 5),
        ("scores.csv", {"instrument": "PHQ-9"}, ("01.10.", 12), 6),
        ("dots.csv", {"instrument": "PHQ-9", "dates": "de"}, ("01.10.", 12), 4),
        ("redcap.csv", {}, ("01.01.", 18), 60),
        ("nul999.csv", {"instrument": "PHQ-9"}, ("02.01.", 19), 53),
        ("utcz.csv", {"instrument": "PHQ-9", "timezone": "America/Los_Angeles"}, ("01.01.", 18), 60),
    ],
)
def test_a_table_of_another_form(name: str, declared: dict[str, str], first: tuple[str, float], count: int) -> None:
    read_days = days(read(TABLES / name, **declared), "PHQ-9")
    assert (read_days[0], len(read_days)) == (first, count)


def test_forms_that_need_a_word() -> None:
    with pytest.raises(ValidationError, match="--dates de"):
        read(TABLES / "dots.csv")
    with pytest.raises(ValidationError, match="--missing"):
        read(TABLES / "nul999.csv")
    for name in ("utcz.csv", "epochms.csv", "utc.parquet"):
        assert read(TABLES / name).zone.startswith("UTC: days are UTC days")


def test_the_autumn_night() -> None:
    assert len(read(TABLES / "dst_local.csv", timezone="America/New_York").frame) == 97
    without = read(TABLES / "dst_local.csv")
    assert (len(without.frame), without.left_out[0].count) == (95, 2)


def test_ratings_of_the_day() -> None:
    ema = read(TABLES / "wide_ema.csv")
    assert {entry.name for entry in ema.series} == {"mood", "anxiety", "stress"}
    assert {entry.name for entry in read(TABLES / "mpath.csv").series} == {"happy", "sad"}


#: What the list of expected values calls a series, where that is not the name of its column.
NAMES = {"systolic_blood_pressure": "blood_pressure_systolic"}


def expected() -> Iterator[Any]:
    if not EXPORTS.exists():
        return
    with (EXPORTS / "expected.csv").open(newline="", encoding="utf-8") as stream:
        for number, row in enumerate(csv.DictReader(stream), start=2):
            platform = row["file"].split("/")[0]
            if platform in ("mpath", "qualtrics", "redcap") or row["file"] == "niimpy/survey_phq9.csv":
                yield pytest.param(row, id=f"line {number} {row['signal']}")


@pytest.mark.parametrize("row", list(expected()))
def test_an_export_holds_what_is_expected(row: dict[str, str]) -> None:
    if "event" in row["timestamp"]:  # rows without a date, until the days of their events are declared
        event = row["timestamp"].rpartition(" ")[2]
        imported = read(EXPORTS / row["file"], event_days={event: 7})
        chosen = imported.frame.filter(
            pl.col("timestamp").dt.strftime("%F") == "2015-04-09", pl.col("patient_id") == "100"
        )
    else:
        imported = read(EXPORTS / row["file"])
        when = row["timestamp"].split(" ")[0].rstrip("Z")
        form = "%FT%T" if "T" in when else "%F"
        chosen = imported.frame.filter(pl.col("timestamp").dt.strftime(form) == when)
    name = row["signal"].split(" ")[-1]
    assert float(row["value"]) in chosen.filter(pl.col("series") == NAMES.get(name, name))["value"].to_list()
