"""Health Auto Export, an app that writes Apple Health's data as JSON (``{"data": {"metrics": [...]}}``) or CSV.

- A metric has one unit and points; ``date`` is on the wall clock, with its offset in JSON and without in CSV. Heart
  rates are given as ``Min``, ``Avg`` and ``Max`` of an interval: the mean is read.
- The app sums points up by minute, hour or day, as its user chose, and does not say how: points that all lie on local
  midnight are days, on whole hours hours, on whole minutes minutes.
- A night has start and end, and hours asleep; stages that are all zero were not measured. Unsummed sleep has a row for
  each stage.
- Percentages are written 0 to 100. CSV headings are ``Name [part] (unit)``, in English.

Source: the app's documentation, "Health Metrics - JSON Export Format".
"""

import re
from collections.abc import Iterator
from typing import Any

import polars as pl

from novamind.errors import ValidationError
from novamind.records.wearables.columns import Columns, table_of, text_of, timed
from novamind.records.wearables.files import Context, ExportFile
from novamind.records.wearables.json_files import moments, number
from novamind.records.wearables.rows import Rows
from novamind.records.wearables.samples import Batch, Tally

MAKER = "Health Auto Export"

#: ``{metric: signal}``; units are those of the metric.
_SIGNALS = {
    "heart_rate": "heart_rate",
    "resting_heart_rate": "resting_heart_rate",
    "walking_heart_rate_average": "walking_heart_rate",
    "heart_rate_variability": "hrv_sdnn",
    "respiratory_rate": "respiratory_rate",
    "blood_oxygen_saturation": "oxygen_saturation",
    "apple_sleeping_wrist_temperature": "skin_temperature",
    "body_temperature": "body_temperature",
    "vo2_max": "vo2_max",
    "step_count": "steps",
    "walking_running_distance": "distance",
    "active_energy": "active_energy",
    "basal_energy_burned": "basal_energy",
    "resting_energy": "basal_energy",
    "flights_climbed": "floors",
    "apple_exercise_time": "exercise",
    "time_in_daylight": "daylight",
    "environmental_audio_exposure": "sound_level",
    "weight_body_mass": "weight",
    "weight": "weight",
    "body_fat_percentage": "body_fat",
    "blood_glucose": "blood_glucose",
}
_PRESSURES = {"systolic": "blood_pressure_systolic", "diastolic": "blood_pressure_diastolic"}
_STAGES = {
    "core": ("sleep_asleep", "sleep_light"),
    "deep": ("sleep_asleep", "sleep_deep"),
    "rem": ("sleep_asleep", "sleep_rem"),
    "asleep": ("sleep_asleep",),
    "unspecified": ("sleep_asleep",),
    "awake": ("sleep_awake",),
    "in bed": ("sleep_in_bed",),
    "inbed": ("sleep_in_bed",),
}
_DURATIONS = {
    "core": "sleep_light_duration",
    "deep": "sleep_deep_duration",
    "rem": "sleep_rem_duration",
    "awake": "sleep_awake_duration",
}
_DEVICE = "other"
_HEADING = re.compile(r"(?P<name>[^\[(]+?)\s*(?:\[(?P<part>[^\]]+)\])?\s*\((?P<unit>.+)\)$")
_DATES = ("Date/Time", "Date")


def recognised(file: ExportFile) -> bool:
    """Return whether a file was written by the app."""
    if file.suffix == ".json":
        return '"metrics"' in file.head_text and document_recognised(file.document)
    if file.suffix != ".csv":
        return False
    first, *others = (heading.strip(' "') for heading in file.head_text.partition("\n")[0].split(","))
    return first in _DATES and any(_metric(heading) for heading in others)


def batches(file: ExportFile, context: Context) -> Iterator[Batch]:
    """Return samples of one file."""
    if file.suffix == ".csv":
        yield from _table_batches(file, context)
    else:
        yield from json_batches(file.path, file.document, context.tally)


def document_recognised(document: Any) -> bool:
    """Return whether a JSON document was written by the app."""
    data = document.get("data") if isinstance(document, dict) else None
    metrics = data.get("metrics") if isinstance(data, dict) else None
    return isinstance(metrics, list) and all(isinstance(m, dict) and {"name", "data"} <= m.keys() for m in metrics)


def json_batches(file: str, document: dict[str, Any], tally: Tally) -> Iterator[Batch]:
    """Return samples of one document."""
    rows = Rows(MAKER, _DEVICE)
    for metric in document["data"]["metrics"]:
        name, points = str(metric["name"]).lower(), metric["data"]
        if name == "sleep_analysis":
            for place, night in enumerate(points, start=1):
                _night(place, night, str(metric.get("units") or "hr"), rows, tally, file)
        elif name == "blood_pressure":
            for place, point in enumerate(points, start=1):
                for part, signal in _PRESSURES.items():
                    _add(place, signal, point.get("date"), point.get(part), "mmHg", 0.0, rows, tally, file)
        elif name in _SIGNALS:
            seconds = _seconds([point.get("date") for point in points])
            for place, point in enumerate(points, start=1):
                value = point.get("Avg", point.get("avg", point.get("qty")))
                _add(
                    place,
                    _SIGNALS[name],
                    point.get("date"),
                    value,
                    str(metric.get("units")),
                    seconds,
                    rows,
                    tally,
                    file,
                )
        else:
            tally.not_read(f"{MAKER} {name[:60]}", len(points))
    for place, workout in enumerate(document["data"].get("workouts") or (), start=1):
        _add(place, "workout", workout.get("start"), workout.get("duration"), "s", 0.0, rows, tally, file)
    for kind, entries in document["data"].items():
        if kind not in ("metrics", "workouts") and isinstance(entries, list) and entries:
            tally.not_read(f"{MAKER} {kind[:60]}", len(entries))
    yield from rows.batches(file)


def _add(
    row: int, signal: str, start: Any, value: Any, unit: str, seconds: float, rows: Rows, tally: Tally, file: str
) -> None:
    if value is None:
        tally.no_value(signal, row, file)
    else:
        rows.add(row, signal, start, value, unit, seconds=seconds)


def _night(row: int, night: dict[str, Any], unit: str, rows: Rows, tally: Tally, file: str) -> None:
    if "startDate" in night:
        signals = _STAGES.get(str(night.get("value", "")).lower())
        for signal in signals or ():
            rows.add(row, signal, night["startDate"], 0, "min", end=night.get("endDate"))
        if signals is None:
            tally.not_read(f"{MAKER} stage of sleep of another kind")
        return
    start, end = night.get("sleepStart") or night.get("date"), night.get("sleepEnd")
    if night.get("inBedStart"):
        rows.add(row, "sleep_in_bed", night["inBedStart"], 0, "min", end=night.get("inBedEnd"))
    stages = {name: number(night.get(name)) for name in _DURATIONS}
    staged = any(stages.values())
    asleep = number(night.get("totalSleep")) or number(night.get("asleep"))
    if not asleep and staged:
        asleep = sum(stages[name] or 0 for name in ("core", "deep", "rem"))
    if not asleep:
        tally.no_value("sleep_duration", row, file)
    else:
        rows.add(row, "sleep_duration", start, asleep, unit, end=end)
    for name, value in stages.items():
        if staged and value is not None:
            rows.add(row, _DURATIONS[name], start, value, unit, end=end)


def _seconds(dates: list[Any]) -> float:
    """Return how long each point of a metric lasts, as all its times say together."""
    times = moments([date if isinstance(date, str) else None for date in dates]).drop_nulls("instant")
    local = times.select(pl.col("instant") + pl.duration(seconds=pl.col("offset").fill_null(0))).to_series()
    # Days of 23 hours do not overlap where the clock changes.
    for length, every in ((82_800, "1d"), (3_600, "1h"), (60, "1m")):
        if len(local) and (local.dt.truncate(every) == local).all():
            return float(length)
    return 0.0


def _metric(heading: str) -> tuple[str, str, str] | None:
    """Return a CSV heading's metric, part and unit."""
    match = _HEADING.match(heading)
    if match is None:
        return None
    name = re.sub(r"[^a-z0-9]+", "_", match["name"].lower()).strip("_")
    part = (match["part"] or "").lower()
    return (name, part, match["unit"]) if name in _SIGNALS or name in ("sleep_analysis", "blood_pressure") else None


def _table_batches(file: ExportFile, context: Context) -> Iterator[Batch]:
    table = table_of(text_of(file.read()), file.path)
    columns = Columns(file.path, MAKER, context.tally, device=_DEVICE)
    date = table.columns[1]
    seconds = _seconds(table[date].to_list())
    rows = timed(table, table[date]).with_columns((pl.col("start") + pl.duration(seconds=int(seconds))).alias("end"))
    moment = rows.with_columns(pl.col("start").alias("end"))
    parts = {heading: metric for heading in table.columns[2:] if (metric := _metric(heading))}
    asleep = {part for name, part, _ in parts.values() if name == "sleep_analysis"}
    for heading, (name, part, unit) in parts.items():
        if name == "sleep_analysis":
            wanted = "total" if "total" in asleep else "asleep"
            signal = "sleep_duration" if part == wanted else _DURATIONS.get(part)
            if signal is not None:
                columns.add(moment, heading, signal, unit, zero_is_missing=True)
        elif name == "blood_pressure" and part in _PRESSURES:
            columns.add(moment, heading, _PRESSURES[part], unit)
        elif name in _SIGNALS and part in ("", "avg"):
            columns.add(rows, heading, _SIGNALS[name], unit)
    if not parts:
        raise ValidationError(f"{file.path}: has no heading that is known: set the app to English, or export JSON")
    columns.name_the_rest(table, (date,))
    yield from columns.batches("local")
