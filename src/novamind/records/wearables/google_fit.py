"""Google Fit in a Google Takeout: ``All Data``, ``All Sessions`` and ``Daily activity metrics``.

- ``All Data`` counts nanoseconds in UTC. A derived stream repeats a raw one and says which (``originDataSourceId``):
  both have the source of the raw one, so that equal intervals are counted once.
- A session's times are in UTC; the wall clock's offset stands in its file's name alone
  (``2024-05-21T23_35_36+03_00_SLEEP.json``). Sleep without stages is time in bed.
- The table of a day has rows of 15 minutes with an offset, and its date in its name; ``Daily activity metrics.csv``
  has a row a day. Both are refused where rows and headings have another number of cells: columns would be shifted.
- Calories are those of the whole body, at rest too.
"""

import csv
import io
import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import polars as pl

from novamind.errors import ValidationError
from novamind.records.wearables.columns import Columns, table_of, text_of, timed
from novamind.records.wearables.files import JSON_SUFFIXES, Context, ExportFile
from novamind.records.wearables.json_files import number
from novamind.records.wearables.rows import Rows
from novamind.records.wearables.samples import Batch, Clock, frame_of

MAKER = "Google Fit"
_DAY = 86_400
_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - UTC, as everything in All Data
_PREFIX = "com.google."
#: ``{data type: (signal, unit) of each of its values}``; a type that is summed lasts from its start to its end.
_TYPES: dict[str, tuple[tuple[str, str], ...]] = {
    "heart_rate.bpm": (("heart_rate", "bpm"),),
    "step_count.delta": (("steps", "count"),),
    "distance.delta": (("distance", "m"),),
    "calories.expended": (("total_energy", "kcal"),),
    "weight": (("weight", "kg"),),
    "body.fat.percentage": (("body_fat", "%"),),
    "body.temperature": (("body_temperature", "°C"),),
    "oxygen_saturation": (("oxygen_saturation", "%"),),
    "respiratory_rate": (("respiratory_rate", "breaths/min"),),
    "blood_glucose": (("blood_glucose", "mmol/L"),),
    "blood_pressure": (("blood_pressure_systolic", "mmHg"), ("blood_pressure_diastolic", "mmHg")),
}
_SUMS = ("steps", "distance", "total_energy")
_SLEEP = "sleep.segment"
#: Code 3 is out of bed.
_STAGES = {
    1: ("sleep_awake",),
    2: ("sleep_asleep",),
    4: ("sleep_asleep", "sleep_light"),
    5: ("sleep_asleep", "sleep_deep"),
    6: ("sleep_asleep", "sleep_rem"),
}
_METRICS = {
    "Calories (kcal)": ("total_energy", "kcal"),
    "Distance (m)": ("distance", "m"),
    "Step count": ("steps", "count"),
    "Average heart rate (bpm)": ("heart_rate", "bpm"),
    "Average weight (kg)": ("weight", "kg"),
    "Average oxygen saturation (%)": ("oxygen_saturation", "%"),
}
_SESSION_NAME = re.compile(r"^\d{4}-\d{2}-\d{2}T\d{2}[_:]\d{2}[_:]\d{2}(?:\.\d+)?([+-]\d{2})[_:](\d{2})_")
_DAY_NAME = re.compile(r"^(\d{4}-\d{2}-\d{2})\.csv$")
_WORN = re.compile(r"watch|\b(?:band|ring|fitbit|garmin|polar|whoop|oura|wear)\b", re.IGNORECASE)


def recognised(file: ExportFile) -> bool:
    """Return whether a file is one of Google Fit's."""
    if file.suffix == ".csv":
        headings = _headings(file)
        days = headings[:1] == ["Date"] and "Move Minutes count" in headings
        return days or (headings[:2] == ["Start time", "End time"] and _DAY_NAME.match(file.name) is not None)
    document = file.document if file.suffix in JSON_SUFFIXES else None
    return isinstance(document, dict) and (
        {"Data Source", "Data Points"} <= document.keys() or {"fitnessActivity", "startTime"} <= document.keys()
    )


def batches(file: ExportFile, context: Context) -> Iterator[Batch]:
    """Return samples of one file."""
    if file.suffix == ".csv":
        yield from _metrics(file, context)
    elif "fitnessActivity" in file.document:
        yield from _session(file, context)
    else:
        yield from _points(file, context)


def _headings(file: ExportFile) -> list[str]:
    return [heading.strip(' "') for heading in file.head_text.partition("\n")[0].split(",")]


def _points(file: ExportFile, context: Context) -> Iterator[Batch]:
    stream = str(file.document["Data Source"])
    columns: dict[str, list[Any]] = {name: [] for name in ("row", "signal", "start", "end", "value", "unit", "source")}
    for row, point in enumerate(file.document["Data Points"], start=1):
        kind = str(point.get("dataTypeName")).removeprefix(_PREFIX)
        start, end = _moment(point.get("startTimeNanos")), _moment(point.get("endTimeNanos"))
        values = [
            next((value for key in ("fpVal", "intVal") if (value := part.get("value", {}).get(key)) is not None), None)
            for part in point.get("fitValue") or ()
        ]
        if kind == _SLEEP:
            code = values[0] if values else None
            if code not in _STAGES:
                context.tally.not_read("Google Fit time out of bed")
            measures: tuple[tuple[str, str], ...] = tuple((signal, "min") for signal in _STAGES.get(code, ()))  # type: ignore[arg-type]
            values, lasts = [0.0] * len(measures), True
        else:
            measures = _TYPES.get(kind, ())
            lasts = bool(measures) and measures[0][0] in _SUMS
        if kind not in _TYPES and kind != _SLEEP:
            context.tally.not_read(f"Google Fit {kind}")
        for (signal, unit), value in zip(measures, values, strict=False):
            if value is None:
                context.tally.no_value(signal, row, file.path)
                continue
            sample = (row, signal, start, end if lasts else start, number(value), unit, _source(stream, point))
            for column, cell in zip(columns.values(), sample, strict=True):
                column.append(cell)
    if columns["row"]:
        devices = ["wearable" if _WORN.search(source) else "other" for source in columns["source"]]
        yield Batch(frame_of({**columns, "device": devices}), "utc", file.path)


def _moment(nanoseconds: Any) -> datetime | None:
    # As an integer: a float does not hold nanoseconds since 1970.
    is_count = isinstance(nanoseconds, int) or (isinstance(nanoseconds, str) and nanoseconds.isdecimal())
    return _EPOCH + timedelta(microseconds=int(nanoseconds) // 1000) if is_count else None


def _source(stream: str, point: dict[str, Any]) -> str:
    """Return the app that measured, of ``raw:com.google.heart_rate.bpm:nl.someapp:a watch``."""
    parts = (str(point.get("originDataSourceId") or "") or stream).split(":")
    return parts[2] if len(parts) > 2 and parts[0] == "raw" else MAKER


def _session(file: ExportFile, context: Context) -> Iterator[Batch]:
    session, rows = file.document, Rows(MAKER, "other")
    name = _SESSION_NAME.match(file.name)
    start, end = (
        f"{str(session.get(key))[:-1]}+00:00" if str(session.get(key)).endswith("Z") else session.get(key)
        for key in ("startTime", "endTime")
    )
    if session["fitnessActivity"] == "sleep":
        rows.add(1, "sleep_in_bed", start, 0, "min", end=end)
    else:
        rows.add(1, "workout", start, str(session.get("duration", "")).removesuffix("s"), "s", end=end)
    for key in ("segment", "aggregate"):
        context.tally.not_read(f"Google Fit session {key}", len(session.get(key) or ()))
    ahead = None if name is None else int(name[1]) * 3600 + int(f"{name[1][0]}{name[2]}") * 60
    clock: Clock = "utc" if ahead is None else "offset"
    for batch in rows.batches(file.path):
        yield Batch(batch.samples.with_columns(offset=pl.lit(ahead, dtype=pl.Int32)), clock, file.path)


def _metrics(file: ExportFile, context: Context) -> Iterator[Batch]:
    text = text_of(file.read())
    cells = [len(row) for row in csv.reader(io.StringIO(text)) if row]
    if len(set(cells)) > 1:
        raise ValidationError(f"{file.path}: its rows have another number of cells than its headings: export it again")
    table = table_of(text, file.path, context.tally)
    columns = Columns(file.path, MAKER, context.tally, device="other")
    day = _DAY_NAME.match(file.name)
    if day is None:
        table = timed(table, table["Date"]).with_columns(end=pl.col("start") + pl.duration(seconds=_DAY))
    else:
        table = timed(table, day[1] + "T" + table["Start time"], day[1] + "T" + table["End time"])
        past_midnight = pl.col("end") <= pl.col("start")
        table = table.with_columns(
            end=pl.when(past_midnight).then(pl.col("end") + pl.duration(days=1)).otherwise("end")
        )
    columns.add_all(_measured(table), _METRICS)
    columns.name_the_rest(table, ("Date", "Start time", "End time"))
    yield from columns.batches("local")


def _measured(table: pl.DataFrame) -> pl.DataFrame:
    """Return the rows of a table in which any of the measures is filled."""
    filled = [pl.col(column).fill_null("").str.strip_chars() != "" for column in _METRICS.keys() & set(table.columns)]
    return table.filter(pl.any_horizontal(filled)) if filled else table
