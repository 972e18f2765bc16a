"""Fitabase, the research export of Fitbit: a table a measure, with all persons of a study in ``Id``.

Times are on the wall clock, month first, on a 12-hour clock: ``4/12/2016 12:00:00 AM``. A spreadsheet program set to
another country reads the days up to the twelfth as months and writes them anew; the others stay text. Such a table has
two forms of dates: rows in Fitabase's own form are read, the others are left out, since nobody can tell their month.

Totals of hours and days are sources of their own: where minutes were exported too, these count. Distances are in
kilometres. Values of ``minuteSleep``: 1 asleep, 2 restless, 3 awake (Fitabase data dictionary, 2018).
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import polars as pl

from novamind.errors import ValidationError
from novamind.records.wearables.columns import Columns, number_of, table_of, text_of, timed
from novamind.records.wearables.files import Context, ExportFile
from novamind.records.wearables.samples import Batch

MAKER = "Fitabase"
_REWRITTEN = "a spreadsheet rewrote the date: its day and month cannot be told apart"
_DAY, _HOUR, _MINUTE = 86_400, 3_600, 60


@dataclass(frozen=True, slots=True)
class Table:
    """One kind of table: its column of times, ``{column: (signal, unit)}``, and the seconds that a row lasts."""

    time: str
    measures: Mapping[str, tuple[str, str]]
    seconds: int = 0


_MONTHS = 12
_SOURCES = {_HOUR: "Fitbit, by the hour", _DAY: "Fitbit, by the day"}
_MINUTES = tuple(f"{measure}{minute:02d}" for measure in ("Steps", "Calories") for minute in range(60))
_BRISK = ("VeryActiveMinutes", "FairlyActiveMinutes")
_ACTIVITY = {
    "TotalSteps": ("daily_steps", "count"),
    "StepTotal": ("daily_steps", "count"),
    "TotalDistance": ("daily_distance", "km"),
    "Calories": ("daily_total_energy", "kcal"),
}
_TABLES = {
    "dailyactivity": Table("ActivityDate", _ACTIVITY, _DAY),
    "dailysteps": Table("ActivityDay", _ACTIVITY, _DAY),
    "dailycalories": Table("ActivityDay", _ACTIVITY, _DAY),
    "hourlysteps": Table("ActivityHour", {"StepTotal": ("steps", "count")}, _HOUR),
    "hourlycalories": Table("ActivityHour", {"Calories": ("total_energy", "kcal")}, _HOUR),
    "minutestepsnarrow": Table("ActivityMinute", {"Steps": ("steps", "count")}, _MINUTE),
    "minutecaloriesnarrow": Table("ActivityMinute", {"Calories": ("total_energy", "kcal")}, _MINUTE),
    "minutestepswide": Table("ActivityHour", {"Steps": ("steps", "count")}, _MINUTE),
    "minutecalorieswide": Table("ActivityHour", {"Calories": ("total_energy", "kcal")}, _MINUTE),
    "heartrate": Table("Time", {"Value": ("heart_rate", "bpm")}),
    "minutesleep": Table("date", {}, _MINUTE),
    "sleepday": Table(
        "SleepDay",
        {"TotalMinutesAsleep": ("daily_sleep_duration", "min"), "TotalTimeInBed": ("daily_time_in_bed", "min")},
        _DAY,
    ),
    "weightloginfo": Table("Date", {"WeightKg": ("weight", "kg"), "Fat": ("body_fat", "%")}),
}
_KINDS = "|".join(sorted(_TABLES, key=len, reverse=True))
_NAME = re.compile(rf"^(?:(?P<person>.+)_)?(?P<kind>{_KINDS})(?![a-z])", re.IGNORECASE)
_SLEEP = {1.0: "sleep_asleep", 2.0: "sleep_awake", 3.0: "sleep_awake"}
_PASSED = ("Id", "LogId", "logId", "IsManualReport", "WeightPounds", "TotalSleepRecords", "TrackerDistance")
#: Month, day, year, and a clock of 12 hours with seconds.
_STAMP = r"^(\d{1,2})/(\d{1,2})/(\d{4})(?: (\d{1,2}):(\d{2})(?::(\d{2}))?(?: ([AaPp])[Mm])?)?$"


def recognised(file: ExportFile) -> bool:
    """Return whether a file is one of Fitabase's tables, by its name and its headings."""
    name = _NAME.match(file.name) if file.suffix == ".csv" else None
    if name is None:
        return False
    headings = {heading.strip(' "') for heading in file.head_text.partition("\n")[0].split(",")}
    return _TABLES[name["kind"].lower()].time in headings and ("Id" in headings or name["person"] is not None)


def batches(file: ExportFile, context: Context) -> Iterator[Batch]:
    """Return samples of one table.

    Raises
    ------
    ValidationError
        A spreadsheet rewrote all dates, and nothing tells the order of day and month.
    """
    name = _NAME.match(file.name)
    kind, person = (name["kind"].lower(), name["person"]) if name else ("", None)
    table = _TABLES[kind]
    rows = table_of(text_of(file.read()), file.path, context.tally)
    columns = Columns(file.path, _SOURCES.get(table.seconds, "Fitbit"), context.tally)
    columns.name_the_rest(rows, (table.time, *_PASSED, *_BRISK, *table.measures, *_MINUTES, "value"))
    who = pl.col("Id").str.strip_chars() if "Id" in rows.columns else pl.lit(person, dtype=pl.String)
    rows = rows.with_columns(who.alias("patient_id"))
    rows, rewritten = _dated(rows, table.time, file)
    context.tally.rows_read += len(rewritten)
    signal = next((signal for signal, _ in table.measures.values()), "sleep_asleep")
    context.tally.leave_out(rewritten.with_columns(signal=pl.lit(signal)), _REWRITTEN, file.path)
    if kind.endswith("wide"):
        rows = _long(rows, next(iter(table.measures)))
    if "IsManualReport" in rows.columns:
        manual = pl.col("IsManualReport").str.strip_chars().str.to_lowercase() == "true"
        rows = rows.with_columns(pl.when(manual).then(pl.lit("manual")).otherwise(pl.lit("wearable")).alias("device"))
    rows = rows.with_columns(end=pl.col("start") + pl.duration(seconds=table.seconds))
    if kind == "minutesleep":
        for code, signal in _SLEEP.items():
            columns.add_spans(rows.filter(number_of("value") == code), signal)
    columns.add_all(rows, table.measures)
    if set(_BRISK) <= set(rows.columns):
        columns.add_values(rows, number_of(_BRISK[0]) + number_of(_BRISK[1]), "daily_exercise", "min")
    yield from columns.batches("local")


def _dated(rows: pl.DataFrame, column: str, file: ExportFile) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the rows whose date stands as Fitabase wrote it, with its times; and the others."""
    text = pl.col(column).str.strip_chars()
    part = text.str.extract_groups(_STAMP)
    first, second, year, hour, minute, second_of_minute, half = (part.struct[str(n)] for n in range(1, 8))
    padded = text.str.contains(r"^0|/0\d/")
    short = hour.is_not_null() & (second_of_minute.is_null() | half.is_null())
    rewritten = rows.select((padded | short).fill_null(value=False).alias("rewritten")).to_series()
    month, day = (field.cast(pl.Int32, strict=False) for field in (first, second))
    if rewritten.all() and len(rows):
        if not rows.select((month.max() <= _MONTHS) & (day.max() > _MONTHS)).item():
            raise ValidationError(
                f"{file.path}: a spreadsheet rewrote its dates, and nothing tells day and month apart: "
                "give the file as Fitabase wrote it"
            )
        rewritten = ~rewritten
    elif rewritten.any():
        # Without a clock, 10/11/2016 may be either: one of the two digits of both is gone.
        either = hour.is_null() & (first.str.len_chars() == 2) & (second.str.len_chars() == 2) & (day <= _MONTHS)
        rewritten |= rows.select(either.fill_null(value=False).alias("either")).to_series()
    hours = hour.cast(pl.Int32, strict=False) % 12 + pl.when(half.str.to_lowercase() == "p").then(12).otherwise(0)
    clock = pl.when(hour.is_null()).then(pl.lit("00:00:00")).otherwise(
        pl.concat_str(
            pl.when(half.is_null()).then(hour).otherwise(hours.cast(pl.String)).str.zfill(2), minute,
            second_of_minute.fill_null("00"), separator=":",
        )
    )  # fmt: skip
    stamp = pl.concat_str(
        pl.concat_str(year, first.str.zfill(2), second.str.zfill(2), separator="-"), clock, separator="T"
    )
    rows = timed(rows, rows.select(stamp.alias("stamp")).to_series())
    return rows.filter(~rewritten), rows.filter(rewritten)


def _long(rows: pl.DataFrame, measure: str) -> pl.DataFrame:
    """Return a row a minute of a table with a row an hour."""
    minutes = [f"{measure}{minute:02d}" for minute in range(60) if f"{measure}{minute:02d}" in rows.columns]
    keys = ["row", "patient_id", "start", "offset"]
    after = pl.col("variable").str.slice(-2).cast(pl.Int64)
    return (
        rows.unpivot(minutes, index=keys, value_name=measure)
        .with_columns(start=pl.col("start") + pl.duration(minutes=after))
        .drop("variable")
    )
