"""Withings' export ("Download your data"), a table for each kind of data.

Read are ``raw_*.csv``, ``aggregates_*.csv``, ``sleep.csv``, ``weight.csv``, ``bp.csv`` and ``activities.csv``.

- Raw rows are lists: ``[40,60],[121,118]`` are values that last 40 and 60 seconds, one after the other from ``start``.
- Times with an offset are local times with their place; ``Date`` of scales and blood pressure has none, and takes that
  of the export's times near it.
- States of sleep are 0 awake, 1 light, 2 deep, 3 REM; those of the older sleep monitor 0 awake, 1 asleep (Withings'
  README of the export).
- Headings are in the account's language; English and German ones are known, of nights Spanish too.
- Zero is written for a heart rate or a fat mass that was not measured.
"""

import re
from collections.abc import Iterator

import polars as pl

from novamind.errors import ValidationError
from novamind.records.wearables.columns import Columns, number_of, table_of, text_of, timed
from novamind.records.wearables.files import Context, ExportFile
from novamind.records.wearables.offsets import placed, times_in
from novamind.records.wearables.samples import Batch

MAKER = "Withings"

_RAW = re.compile(r"raw_(tracker|hr|bed|sleep-monitor|spo2)_([a-z0-9_-]+)\.csv$", re.IGNORECASE)
_RAW_SIGNALS = {
    "hr": ("heart_rate", "bpm"),
    "respiratory-rate": ("respiratory_rate", "breaths/min"),
    "auto_spo2": ("oxygen_saturation", "%"),
    "steps": ("steps", "count"),
    "distance": ("distance", "m"),
    "calories-earned": ("active_energy", "kcal"),
}
_LEVELS = ("heart_rate", "respiratory_rate", "oxygen_saturation")
_STATES = {
    0: ("sleep_awake",),
    1: ("sleep_asleep", "sleep_light"),
    2: ("sleep_asleep", "sleep_deep"),
    3: ("sleep_asleep", "sleep_rem"),
}
_MONITOR_STATES = {0: ("sleep_awake",), 1: ("sleep_asleep",)}
_AGGREGATES = {
    "aggregates_steps.csv": ("daily_steps", "count"),
    "aggregates_distance.csv": ("daily_distance", "m"),
    "aggregates_calories_earned.csv": ("daily_active_energy", "kcal"),
    "aggregates_calories_passive.csv": ("daily_basal_energy", "kcal"),
}
#: Headings of other languages, as users' public scripts show them.
_ENGLISH = {
    "von": "from", "de": "from", "bis": "to", "a": "to",
    "leicht (s)": "light (s)", "ligero (s)": "light (s)",
    "tief (s)": "deep (s)", "profundo (s)": "deep (s)",
    "wach (s)": "awake (s)", "despierto (s)": "awake (s)",
    "Aufwachen": "wake up", "despertar": "wake up",
    "Datum": "Date", "Gewicht (kg)": "Weight (kg)", "Fettmasse (kg)": "Fat mass (kg)",
    "Systole": "Systolic", "Diastole": "Diastolic", "Herzfrequenz": "Heart rate", "Kommentare": "Comments",
}  # fmt: skip
_ASLEEP = {
    "light (s)": "sleep_light_duration",
    "deep (s)": "sleep_deep_duration",
    "rem (s)": "sleep_rem_duration",
}
_SCALES = ("Weight", "Fat mass")
_HEADINGS = {
    "sleep.csv": ({"from", "to", "light (s)", "deep (s)"},),
    "weight.csv": ({"Date", "Weight (kg)"}, {"Date", "Weight (lb)"}),
    "bp.csv": ({"Date", "Systolic", "Diastolic"},),
    "activities.csv": ({"from", "to", "Activity type"},),
    **dict.fromkeys(_AGGREGATES, ({"date", "value"},)),
}
_ROW = ("from", "to", "Date", "date", "start", "duration", "value", "Comments", "Timezone", "from (manual)",
        "to (manual)", "Activity type", "Data", "GPS", "Modified")  # fmt: skip


def recognised(file: ExportFile) -> bool:
    """Return whether a file is one of Withings' tables: by its name and its headings."""
    name = file.name.lower()
    if _RAW.match(name):
        return _headings(file) >= {"start", "duration", "value"}
    return any(wanted <= _headings(file) for wanted in _HEADINGS.get(name, ()))


def batches(file: ExportFile, context: Context) -> Iterator[Batch]:
    """Return samples of one table."""
    name = file.name.lower()
    table = table_of(text_of(file.read()), file.path, context.tally)
    table = table.rename({heading: _ENGLISH[heading] for heading in table.columns if heading in _ENGLISH})
    columns = Columns(file.path, MAKER, context.tally)
    if raw := _RAW.match(name):
        _raw(raw.group(1), raw.group(2), table, columns)
    elif name in _AGGREGATES:
        days = timed(table, table["date"]).with_columns((pl.col("start") + pl.duration(days=1)).alias("end"))
        columns.add(days, "value", *_AGGREGATES[name])
    elif name == "sleep.csv":
        _nights(table, columns)
    elif name == "activities.csv":
        rows = timed(table, table["from"], table["to"])
        length = (pl.col("end") - pl.col("start")).dt.total_seconds()
        columns.add_values(rows, length, "workout", "s")
    elif name == "bp.csv":
        rows = timed(table, table["Date"])
        columns.add(rows, "Systolic", "blood_pressure_systolic", "mmHg", zero_is_missing=True)
        columns.add(rows, "Diastolic", "blood_pressure_diastolic", "mmHg", zero_is_missing=True)
        columns.add(rows, "Heart rate", "heart_rate", "bpm", zero_is_missing=True)
    else:
        _weights(table, columns)
    columns.name_the_rest(table, _ROW)
    yield from placed(columns.batches("local"), file, context, MAKER, _times)


def _headings(file: ExportFile) -> set[str]:
    names = {heading.strip(' "') for heading in file.head_text.partition("\n")[0].split(",")}
    return {_ENGLISH.get(name, name) for name in names}


def _times(file: ExportFile) -> pl.DataFrame:
    return times_in(text_of(file.read()) if recognised(file) else "")


def _raw(device: str, kind: str, table: pl.DataFrame, columns: Columns) -> None:
    if kind != "sleep-state" and kind not in _RAW_SIGNALS:
        raise ValidationError(f"{columns.file}: holds no signal that is read here")
    rows = _unfolded(table, columns.file)
    if kind == "sleep-state":
        states = _MONITOR_STATES if device == "sleep-monitor" else _STATES
        for state, signals in states.items():
            columns.add_spans(rows.filter(number_of("value") == state), *signals)
        codes = [float(state) for state in states]
        others = len(rows.filter(~number_of("value").is_in(codes).fill_null(value=False)))
        if others:
            columns.tally.not_read(f"{MAKER} state of sleep of another kind", others)
    else:
        signal, unit = _RAW_SIGNALS[kind]
        columns.add(rows, "value", signal, unit, zero_is_missing=signal in _LEVELS)


def _unfolded(table: pl.DataFrame, file: str) -> pl.DataFrame:
    """Return a row for each value of each list, one after the other from ``start``."""
    lists = table.with_columns(
        pl.col(name).str.strip_chars(" []").str.split(",").alias(name) for name in ("duration", "value")
    )
    if (lists["duration"].list.len() != lists["value"].list.len()).any():
        raise ValidationError(f"{file}: has rows with more durations than values, or fewer: export it again")
    rows = timed(lists, lists["start"]).explode("duration", "value")
    seconds = number_of("duration").fill_null(0.0)
    before = (seconds.cum_sum() - seconds).over("row")
    microseconds = pl.duration(microseconds=(before * 1e6).cast(pl.Int64, strict=False))
    return rows.with_columns(pl.col("start") + microseconds).with_columns(
        (pl.col("start") + pl.duration(microseconds=(seconds * 1e6).cast(pl.Int64, strict=False))).alias("end")
    )


def _nights(table: pl.DataFrame, columns: Columns) -> None:
    nights = timed(table, table["from"], table["to"])
    columns.add_spans(nights, "sleep_in_bed")
    asleep = pl.sum_horizontal(number_of(stage) for stage in _ASLEEP if stage in table.columns)
    columns.add_values(nights, pl.when(asleep > 0).then(asleep), "sleep_duration", "s")
    for stage, signal in _ASLEEP.items():
        columns.add(nights, stage, signal, "s")
    columns.add(nights, "awake (s)", "sleep_awake_duration", "s")
    columns.add(nights, "Duration to sleep (s)", "sleep_latency", "s")
    columns.add(nights, "Average heart rate", "daily_heart_rate", "bpm", zero_is_missing=True)


def _weights(table: pl.DataFrame, columns: Columns) -> None:
    rows = timed(table, table["Date"])
    for unit in ("kg", "lb"):
        weight, fat = (f"{name} ({unit})" for name in _SCALES)
        columns.add(rows, weight, "weight", unit, zero_is_missing=True)
        if weight in rows.columns and fat in rows.columns:
            share = 100 * number_of(fat) / number_of(weight)
            columns.add_values(rows, pl.when(number_of(fat) > 0).then(share), "body_fat", "%")
            columns.ignore(fat)
