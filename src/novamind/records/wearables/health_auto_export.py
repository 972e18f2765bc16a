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
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import polars as pl

from novamind.errors import ValidationError
from novamind.records.wearables.columns import Columns, table_of, text_of, timed
from novamind.records.wearables.entries import Entries
from novamind.records.wearables.files import Context, ExportFile
from novamind.records.wearables.json_files import moments, number
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
    samples = Entries(MAKER, file, tally, _DEVICE)
    for metric in document["data"]["metrics"]:
        samples.number = 0  # points are numbered within their metric
        samples.read(metric["data"], _reader(samples, metric), ("qty",))
    samples.number = 0
    samples.read(
        document["data"].get("workouts"),
        lambda workout: samples.add("workout", workout.get("start"), workout.get("duration"), "s"),
    )
    for kind, entries in document["data"].items():
        if kind not in ("metrics", "workouts") and isinstance(entries, list) and entries:
            samples.not_read(kind, len(entries))
    yield from samples.batches()


def _reader(samples: Entries, metric: dict[str, Any]) -> Callable[[Any], None]:
    """Return what reads the points of a metric."""
    name, unit = str(metric["name"]).lower(), str(metric.get("units"))
    if name == "sleep_analysis":
        return partial(_night, samples, unit if metric.get("units") else "hr")
    if name == "blood_pressure":
        return partial(_pressure, samples)
    if name in _SIGNALS:
        seconds = _seconds([point.get("date") for point in metric["data"] if isinstance(point, dict)])
        return partial(_point, samples, _SIGNALS[name], unit, seconds)
    return lambda _: samples.not_read(name)


def _point(samples: Entries, signal: str, unit: str, seconds: float, point: dict[str, Any]) -> None:
    value = point.get("Avg", point.get("avg", point.get("qty")))
    samples.add(signal, point.get("date"), value, unit, seconds=seconds)


def _pressure(samples: Entries, point: dict[str, Any]) -> None:
    for part, signal in _PRESSURES.items():
        samples.add(signal, point.get("date"), point.get(part), "mmHg")


def _night(samples: Entries, unit: str, night: dict[str, Any]) -> None:
    if "startDate" in night:
        signals = _STAGES.get(str(night.get("value", "")).lower())
        for signal in signals or ():
            samples.add(signal, night["startDate"], 0, "min", end=night.get("endDate"))
        if signals is None:
            samples.not_read("stage of sleep of another kind")
        return
    start, end = night.get("sleepStart") or night.get("date"), night.get("sleepEnd")
    if night.get("inBedStart"):
        samples.add("sleep_in_bed", night["inBedStart"], 0, "min", end=night.get("inBedEnd"))
    stages = {name: number(night.get(name)) for name in _DURATIONS}
    staged = any(stages.values())
    asleep = number(night.get("totalSleep")) or number(night.get("asleep"))
    if not asleep and staged:
        asleep = sum(stages[name] or 0 for name in ("core", "deep", "rem"))
    samples.add("sleep_duration", start, asleep or None, unit, end=end)
    for name, value in stages.items():
        if staged and value is not None:
            samples.add(_DURATIONS[name], start, value, unit, end=end)


def _seconds(dates: list[Any]) -> float:
    """Return how long each point of a metric lasts, as all its times say together."""
    times = moments([date if isinstance(date, str) else None for date in dates]).drop_nulls("instant")
    local = times.select(pl.col("instant") + pl.duration(seconds=pl.col("offset").fill_null(0))).to_series()
    for length, every in ((86_400, "1d"), (3_600, "1h"), (60, "1m")):
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
    table = table_of(text_of(file.read()), file.path, context.tally)
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
