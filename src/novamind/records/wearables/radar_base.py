"""RADAR-base: the tables of topics, ``<project>/<participant>/<topic>/*.csv(.gz)``.

A row is a record of the topic's schema (RADAR-Schemas, ``commons``): ``key.userId`` is the participant, ``value.time``
the start in seconds since 1970 in UTC, ``value.timeInterval`` the seconds it lasts. Fitbit's stages of sleep have a
local ``value.dateTime`` instead. Steps of a phone are those since its record before; they are kept at their own time.
"""

from collections.abc import Iterator

import polars as pl

from novamind.errors import ValidationError
from novamind.records.wearables.columns import Columns, number_of, table_of, text_of, timed
from novamind.records.wearables.files import Context, ExportFile
from novamind.records.wearables.samples import Batch

MAKER = "RADAR-base"

#: ``{column: (signal, unit)}``; the name of a field is the same in every topic that has it.
_MEASURES = {
    "value.heartRate": ("heart_rate", "bpm"),
    "value.steps": ("steps", "count"),
    "value.rmssd": ("hrv_rmssd", "ms"),
    "value.spo2": ("oxygen_saturation", "%"),
    "value.interBeatInterval": ("rr_interval", "s"),
    "value.electroDermalActivity": ("electrodermal_activity", "µS"),
    "value.restingHeartRate": ("resting_heart_rate", "bpm"),
    "value.relativeTemperature": ("skin_temperature_deviation", "°C"),
    "value.fullSleep": ("daily_respiratory_rate", "breaths/min"),
}
#: Fields whose name says too little without the topic.
_OF_TOPIC = {
    "empatica_e4_temperature": {"value.temperature": ("skin_temperature", "°C")},
    "phone_light": {"value.light": ("illuminance", "lx")},
}
_STAGES = {
    "DEEP": ("sleep_asleep", "sleep_deep"),
    "LIGHT": ("sleep_asleep", "sleep_light"),
    "REM": ("sleep_asleep", "sleep_rem"),
    "ASLEEP": ("sleep_asleep",),
    "AWAKE": ("sleep_awake",),
    "RESTLESS": ("sleep_awake",),
}
#: Devices that a topic's name tells apart: each counts the same steps.
_DEVICES = ("fitbit", "garmin", "empatica", "oura", "polar", "faros", "biovotion", "phone")
_ABOUT = (
    "key.projectId", "key.userId", "key.sourceId", "value.time", "value.timeReceived", "value.timeInterval",
    "value.dateTime", "value.date", "value.duration", "value.level", "value.efficiency", "value.logType",
)  # fmt: skip


def recognised(file: ExportFile) -> bool:
    """Return whether a file is a topic's table, or the schema beside it."""
    if file.suffix == ".json":
        return file.name.startswith("schema-") and "org.radarcns" in file.head_text
    heading = file.head_text.partition("\n")[0]
    return file.suffix == ".csv" and "key.userId" in heading and "value." in heading


def batches(file: ExportFile, context: Context) -> Iterator[Batch]:
    """Return samples of one table.

    Raises
    ------
    ValidationError
        It is a schema, or its topic holds no signal that is read here.
    """
    if file.suffix == ".json":
        raise ValidationError(f"{file.path}: describes a table: it holds no signal")
    table = table_of(text_of(file.read()), file.path, context.tally)
    folder = file.path.rsplit("/", 2)[-2] if "/" in file.path else file.name
    topic = next((name for name in _OF_TOPIC if name in folder), "")
    measures = {**_MEASURES, **_OF_TOPIC.get(topic, {})}
    stages = {"value.dateTime", "value.duration", "value.level"} <= set(table.columns)
    if not stages and not any(column in measures for column in table.columns):
        raise ValidationError(f"{file.path}: its topic holds no signal that is read here")
    device = next((name for name in _DEVICES if name in folder), "")
    columns = Columns(
        file.path, f"{MAKER} {device}".strip(), context.tally, device="phone" if device == "phone" else "wearable"
    )
    table = table.with_columns(pl.col("key.userId").str.strip_chars().alias("patient_id"))
    if stages:
        _sleep(table, columns)
        columns.name_the_rest(table.drop("patient_id"), _ABOUT)
        yield from columns.batches("local")
        return
    if "value.time" in table.columns:
        rows, clock = _timed(table), "utc"
    else:
        rows, clock = timed(table, table["value.date"]), "local"
    columns.add_all(rows, measures)
    columns.name_the_rest(table.drop("patient_id"), _ABOUT)
    yield from columns.batches("utc" if clock == "utc" else "local")


def _timed(table: pl.DataFrame) -> pl.DataFrame:
    start = (number_of("value.time") * 1e6).round().cast(pl.Int64, strict=False).cast(pl.Datetime("us"))
    seconds = number_of("value.timeInterval") if "value.timeInterval" in table.columns else pl.lit(0.0)
    return table.with_columns(start.alias("start"), pl.lit(None, pl.Int32).alias("offset")).with_columns(
        (pl.col("start") + pl.duration(microseconds=(seconds.fill_null(0.0) * 1e6).cast(pl.Int64))).alias("end")
    )


def _sleep(table: pl.DataFrame, columns: Columns) -> None:
    rows = timed(table, table["value.dateTime"])
    length = pl.duration(microseconds=(number_of("value.duration") * 1e6).cast(pl.Int64, strict=False))
    rows = rows.with_columns((pl.col("start") + length).alias("end"))
    level = pl.col("value.level").str.strip_chars().str.to_uppercase()
    for name, signals in _STAGES.items():
        columns.add_spans(rows.filter(level == name), *signals)
    others = len(rows.filter(~level.is_in(list(_STAGES))))
    if others:
        columns.tally.not_read(f"{MAKER} stage of sleep of another kind", others)
