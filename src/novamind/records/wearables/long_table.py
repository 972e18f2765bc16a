"""Plain long tables: ``timestamp, signal, value [, patient_id, unit, source, end]`` in CSV or Parquet.

Names and units are those of the table of signals; without ``unit`` the value is in the signal's own. Times follow the
rules of :mod:`novamind.records.tables.frames`: all with a timezone or none. ``Z`` is UTC and no place. The table that
this room writes is read with its ``utc_offset_minutes``.
"""

import re
from collections.abc import Iterator

import numpy as np
import polars as pl

from novamind.records.signals import EARLIER_NAMES, SIGNALS
from novamind.records.tables.files import parse_table
from novamind.records.tables.frames import parse_numbers, parse_times, require_columns
from novamind.records.wearables.files import Context, ExportFile
from novamind.records.wearables.samples import Batch, frame_of

MAKER = "long table"


def recognised(file: ExportFile) -> bool:
    """Return whether a file is a table with the columns of a long table."""
    if file.suffix in (".parquet", ".pq"):
        return True
    header = {column.strip(' "').casefold() for column in re.split("[,;\t]", file.head_text.partition("\n")[0])}
    return file.suffix in (".csv", ".tsv", ".txt") and {"signal", "value"} <= header


def batches(file: ExportFile, _: Context) -> Iterator[Batch]:
    """Read one table, whole.

    Raises
    ------
    ValidationError
        As :func:`novamind.records.read_table` and :func:`novamind.records.signal_frame`.
    """
    table = parse_table(file.name, file.read(), file.limit)
    require_columns(table.columns, ["timestamp", "signal", "value"])
    local, offset = parse_times(table["timestamp"], "timestamp")
    ends = parse_times(table["end"], "end") if "end" in table.columns else (local, offset)
    if offset is None and "utc_offset_minutes" in table.columns:  # as this room writes it
        minutes = parse_numbers(table["utc_offset_minutes"], "utc_offset_minutes")
        if not np.isnan(minutes).any():
            offset = (minutes * 60).astype("timedelta64[s]")
            ends = (ends[0], offset if ends[1] is None else ends[1])
    units = {name: signal.unit for name, signal in SIGNALS.items()}
    names = table["signal"].cast(pl.String).str.strip_chars().replace(EARLIER_NAMES)
    sources = table["source"].cast(pl.String) if "source" in table.columns else pl.Series(["table"] * len(table))
    frame = frame_of(
        {
            "row": pl.Series(range(1, len(table) + 1)),
            "patient_id": table["patient_id"].cast(pl.String) if "patient_id" in table.columns else None,
            "signal": names.fill_null(""),
            "start": pl.Series(local if offset is None else local - offset),
            "end": pl.Series(ends[0] if ends[1] is None else ends[0] - ends[1]),
            "offset": None if offset is None else pl.Series(offset.astype("int64")),
            "value": pl.Series(parse_numbers(table["value"], "value")),
            "unit": table["unit"].cast(pl.String) if "unit" in table.columns else names.replace(units),
            "source": sources.fill_null("table"),
            "device": pl.Series(["wearable"] * len(table)),
        }
    )
    zulu = _zulu(table["timestamp"])
    if not zulu.all():
        yield Batch(frame.filter(~zulu), "local" if offset is None else "offset", file.path)
    if zulu.any():
        yield Batch(frame.filter(zulu).with_columns(offset=pl.lit(None, dtype=pl.Int32)), "utc", file.path)


def _zulu(times: pl.Series) -> pl.Series:
    """Return which times are in UTC without a place: text that ends in ``Z``, or a column in UTC."""
    if times.dtype == pl.String:
        return times.str.contains(r"[Zz]\s*$").fill_null(value=False)
    in_utc = isinstance(times.dtype, pl.Datetime) and times.dtype.time_zone in ("UTC", "Etc/UTC")
    return pl.Series([in_utc] * len(times), dtype=pl.Boolean)
