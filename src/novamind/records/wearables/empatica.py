"""Empatica: the E4's session archive, and the EmbracePlus' tables of digital biomarkers.

E4 (``info.txt`` of every archive): the first row of a file is the start in UTC, in seconds since 1970, the second the
samples per second; ``IBI.csv`` holds seconds since the start and the time to the beat before, in seconds; ``tags.csv``
the moments at which the button was pressed. Acceleration and pulse wave are raw signals, which are not read.

EmbracePlus: a row a minute, ``timestamp_unix`` in milliseconds since 1970 in UTC; ``missing_value_reason`` says why a
value is missing.
"""

import re
from collections.abc import Iterator

import polars as pl

from novamind.errors import ValidationError
from novamind.records.wearables.columns import Columns, number_of, table_of, text_of
from novamind.records.wearables.files import Context, ExportFile
from novamind.records.wearables.samples import Batch

MAKER = "Empatica"

_SAMPLES = {
    "hr.csv": ("heart_rate", "bpm"),
    "eda.csv": ("electrodermal_activity", "µS"),
    "temp.csv": ("skin_temperature", "°C"),
}
_RAW = ("acc.csv", "bvp.csv")
_E4_FILES = (*_SAMPLES, *_RAW, "ibi.csv", "tags.csv")
_START = re.compile(r"\d{9,10}(\.\d+)?\s*(,|\n|$)")
_MINUTES = {
    "pulse_rate_bpm": ("heart_rate", "bpm"),
    "prv_rmssd_ms": ("hrv_rmssd", "ms"),
    "respiratory_rate_brpm": ("respiratory_rate", "breaths/min"),
    "eda_scl_usiemens": ("electrodermal_activity", "µS"),
    "temperature_celsius": ("skin_temperature", "°C"),
    "step_counts": ("steps", "count"),
    "activity_counts": ("activity_counts", "count"),
}
_ROW = ("timestamp_unix", "timestamp_iso", "participant_full_id", "missing_value_reason")


def recognised(file: ExportFile) -> bool:
    """Return whether a file is of an E4's session, or one of the EmbracePlus' tables."""
    if file.name.lower() == "info.txt":
        return "EDA.csv" in file.head_text and "IBI.csv" in file.head_text
    if file.suffix != ".csv":
        return False
    text = file.head_text
    return (file.name.lower() in _E4_FILES and bool(_START.match(text))) or {
        "timestamp_unix", "participant_full_id"
    } <= set(text.partition("\n")[0].split(","))  # fmt: skip


def batches(file: ExportFile, context: Context) -> Iterator[Batch]:
    """Return samples of one file.

    Raises
    ------
    ValidationError
        It holds a raw signal, or no start and rate.
    """
    name = file.name.lower()
    columns = Columns(file.path, f"{MAKER} E4", context.tally)
    if name == "info.txt" or name in _RAW:
        raise ValidationError(f"{file.path}: holds {'no signal' if name == 'info.txt' else 'a raw signal'}: not read")
    text = text_of(file.read())
    if name in _SAMPLES:
        _samples(text, *_SAMPLES[name], columns)
    elif name == "ibi.csv":
        _beats(text, columns)
    elif name == "tags.csv":
        marks = table_of(text, file.path, context.tally, headings=("time",))
        columns.add_values(_at(marks, number_of("time")), pl.lit(1.0), "event_mark", "count")
    else:
        columns = Columns(file.path, f"{MAKER} EmbracePlus", context.tally)
        _minutes(text, columns)
    yield from columns.batches("utc")


def _samples(text: str, signal: str, unit: str, columns: Columns) -> None:
    table = table_of(text, columns.file, columns.tally, headings=("value",))
    head = dict(table.head(2).select("row", number_of("value")).iter_rows())
    start, rate = head.get(1), head.get(2)
    if start is None or not rate or rate < 0:
        raise ValidationError(f"{columns.file}: has no start and rate in its first rows: export the session again")
    rows = table.slice(2)
    columns.add(_at(rows, start + (pl.col("row") - 3) / rate), "value", signal, unit)


def _beats(text: str, columns: Columns) -> None:
    table = table_of(text, columns.file, columns.tally, headings=("seconds", "interval"))
    start = dict(table.head(1).select("row", number_of("seconds")).iter_rows()).get(1)
    if start is None:
        raise ValidationError(f"{columns.file}: has no start in its first row: export the session again")
    columns.add(_at(table.slice(1), start + number_of("seconds")), "interval", "rr_interval", "s")


def _minutes(text: str, columns: Columns) -> None:
    table = table_of(text, columns.file, columns.tally)
    rows = _at(table, number_of("timestamp_unix") / 1_000).with_columns(
        pl.col("participant_full_id").str.strip_chars().alias("patient_id"),
        (pl.col("start") + pl.duration(minutes=1)).alias("end"),
    )
    columns.add_all(rows, _MINUTES)
    columns.name_the_rest(table, _ROW)


def _at(table: pl.DataFrame, seconds: pl.Expr) -> pl.DataFrame:
    """Return the rows as moments, so many seconds after 1970 in UTC."""
    start = (seconds * 1e6).round().cast(pl.Int64, strict=False).cast(pl.Datetime("us"))
    return table.with_columns(start.alias("start"), pl.lit(None, pl.Int32).alias("offset")).with_columns(
        pl.col("start").alias("end")
    )
