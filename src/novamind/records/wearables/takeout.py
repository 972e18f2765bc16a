"""Fitbit's tables in a Google Takeout: ``Takeout/Fitbit`` or ``Takeout/Google Health``, folders of 2020 to 2026.

A table is known by its name; the date in it, and the folder it lies in, may be any. Each has its own clock. They were
settled on exports of 2022 to 2026 that hold the same values in two forms, and by nights that begin when steps end:

- ``timestamp`` of minutes and samples ends in ``Z`` and is UTC.
- One value a day is written ``T00:00:00Z``: the label of the local day, whatever the ``Z`` says.
- ``UserSleeps``, ``UserSleepStages`` and ``UserSleepScores`` written ``2024-07-07 00:55:30+0000`` are on the wall
  clock, though the export's own note says UTC; written ``2026-09-11T17:30:00Z``, they are UTC, and the offset stands
  beside.
- ``sleep_score.csv`` writes the wall clock of waking with a ``Z``. Tables without any zone are on the wall clock.

Google scores nights again; its source has a name of its own, so that one night is told by one of the two.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

import polars as pl

from novamind.records.wearables.columns import Columns, number_of, table_of, text_of, timed
from novamind.records.wearables.files import Context, ExportFile
from novamind.records.wearables.samples import Batch

MAKER = "Fitbit"
_AGAIN = "Fitbit, scored again by Google"
_DAY = 86_400
_ZONE = r"\s*(?:[Zz]|[+-]\d{2}:?\d{2})$"

Clock = Literal["utc", "local", "day"]


@dataclass(frozen=True, slots=True)
class Table:
    """How one kind of table is read: ``{column: (signal, unit)}``, its clock, and the seconds that a row lasts."""

    measures: Mapping[str, tuple[str, str]]
    clock: Clock
    seconds: int = 0
    start: str = "timestamp"
    end: str | None = None
    #: Columns that describe the row and are no measure.
    passed: tuple[str, ...] = ()
    #: Values that stand for "not measured".
    codes: tuple[float, ...] = (-1.0,)


_NIGHT_STATISTICS = (
    "lower_bound", "upper_bound", "lower bound percentage", "upper bound percentage", "baseline percentage",
    "standard deviation percentage", "baseline temperature celsius", "relative nightly stddev 30d celsius",
    "temperature_samples", "type",
)  # fmt: skip
#: By the table's name in lower case, without its date.
_TABLES: dict[str, Table] = {
    # Physical Activity_GoogleData
    "heart_rate": Table({"beats per minute": ("heart_rate", "bpm")}, "utc"),
    "steps": Table({"steps": ("steps", "count")}, "utc", 60),
    "distance": Table({"distance": ("distance", "m")}, "utc", 60),
    "calories": Table({"calories": ("total_energy", "kcal")}, "utc", 60),
    "floors": Table({"floors": ("floors", "count")}, "utc", 60),
    "active_energy_burned": Table({"kilocalories": ("active_energy", "kcal")}, "utc", 60),
    # 50.0 is what the sensor writes where it saw no pulse wave.
    "oxygen_saturation": Table(
        {"oxygen saturation percentage": ("oxygen_saturation", "%")}, "utc", codes=(-1.0, 0.0, 50.0)
    ),
    "heart_rate_variability": Table(
        {
            "root mean square of successive differences milliseconds": ("hrv_rmssd", "ms"),
            "standard deviation milliseconds": ("hrv_sdnn", "ms"),
        },
        "utc",
    ),
    "body_temperature": Table({"temperature celsius": ("skin_temperature", "°C")}, "utc"),  # at the wrist
    "weight": Table({"weight grams": ("weight", "g")}, "utc", codes=(-1.0, 0.0)),
    "body_fat": Table(
        {"body fat percentage": ("body_fat", "%"), "fat percentage": ("body_fat", "%")}, "utc", codes=(-1.0, 0.0)
    ),
    "active_zone_minutes": Table(
        {"total minutes": ("active_zone_minutes", "min")}, "utc", 60, passed=("heart rate zone",)
    ),
    "sedentary_period": Table({}, "utc", start="start time", end="end time"),
    "daily_resting_heart_rate": Table(
        {"beats per minute": ("resting_heart_rate", "bpm")}, "day", _DAY, codes=(-1.0, 0.0)
    ),
    "daily_heart_rate_variability": Table(
        {"average heart rate variability milliseconds": ("daily_hrv_rmssd", "ms")}, "day", _DAY, codes=(-1.0, 0.0)
    ),
    "daily_respiratory_rate": Table(
        {"breaths per minute": ("daily_respiratory_rate", "breaths/min")}, "day", _DAY, codes=(-1.0, 0.0)
    ),
    "daily_oxygen_saturation": Table(
        {"average percentage": ("daily_oxygen_saturation", "%")}, "day", _DAY,
        passed=_NIGHT_STATISTICS, codes=(-1.0, 0.0),
    ),
    "daily_sleep_temperature_derivations": Table(
        {"nightly temperature celsius": ("daily_skin_temperature", "°C")}, "day", _DAY, passed=_NIGHT_STATISTICS
    ),
    "daily_readiness": Table({"score": ("readiness_score", "score")}, "day", _DAY, passed=("type", "readiness level")),
    "daily_vo2_max": Table({"daily vo2 max value": ("vo2_max", "mL/kg/min")}, "day", _DAY, codes=(-1.0, 0.0)),
    "demographic_vo2max": Table({"demographic vo2max": ("vo2_max", "mL/kg/min")}, "day", _DAY, codes=(-1.0, 0.0)),
    # The folders before 2024
    "active zone minutes": Table(
        {"total_minutes": ("active_zone_minutes", "min")}, "local", 60, "date_time", passed=("heart_zone_id",)
    ),
    "daily heart rate variability summary": Table({"rmssd": ("daily_hrv_rmssd", "ms")}, "day", _DAY, codes=(-1.0, 0.0)),
    "heart rate variability details": Table({"rmssd": ("hrv_rmssd", "ms")}, "local", codes=(-1.0, 0.0)),
    "daily respiratory rate summary": Table(
        {"daily_respiratory_rate": ("daily_respiratory_rate", "breaths/min")}, "day", _DAY, codes=(-1.0, 0.0)
    ),
    "respiratory rate summary": Table(
        {"full_sleep_breathing_rate": ("daily_respiratory_rate", "breaths/min")}, "local", codes=(-1.0, 0.0)
    ),
    "daily spo2": Table(
        {"average_value": ("daily_oxygen_saturation", "%")}, "day", _DAY, passed=_NIGHT_STATISTICS, codes=(-1.0, 0.0)
    ),
    "minute spo2": Table({"value": ("oxygen_saturation", "%")}, "utc", codes=(-1.0, 0.0, 50.0)),
    "computed temperature": Table(
        {"nightly_temperature": ("daily_skin_temperature", "°C")}, "local", start="sleep_start", end="sleep_end",
        passed=_NIGHT_STATISTICS,
    ),
    # Against the person's own baseline, not a temperature.
    "device temperature": Table(
        {"temperature": ("skin_temperature_deviation", "°C")}, "local", start="recorded_time", passed=("sensor_type",),
        codes=(),
    ),
    "wrist temperature": Table(
        {"temperature": ("skin_temperature_deviation", "°C")}, "local", start="recorded_time", passed=("sensor_type",),
        codes=(),
    ),
    "daily readiness score": Table(
        {"readiness_score_value": ("readiness_score", "score")}, "day", _DAY, "date", codes=(-1.0, 0.0)
    ),
    # The score runs from 1 to 100; 0 says that it was not computed. More is less stress.
    "stress score": Table(
        {"stress_score": ("daily_stress_management_score", "score")}, "day", _DAY, "date",
        passed=("updated_at", "status", "calculation_failed"), codes=(-1.0, 0.0),
    ),
    "sleep_score": Table(
        {"overall_score": ("sleep_score", "score"), "deep_sleep_in_minutes": ("sleep_deep_duration", "min")}, "local",
        passed=("sleep_log_entry_id",),
    ),
}  # fmt: skip
_SLEEPS, _STAGES, _SCORES = "usersleeps", "usersleepstages", "usersleepscores"
#: The columns by which a table of nights is known besides its name.
_NIGHTS = {
    _SLEEPS: {"sleep_start", "sleep_end"},
    _STAGES: {"sleep_stage_type", "sleep_stage_start", "sleep_stage_end"},
    _SCORES: {"score_time", "overall_score"},
}
_NAME = re.compile(f"({'|'.join(sorted((*_TABLES, *_NIGHTS), key=len, reverse=True))})(?![a-z])")
_STAGE = {
    "AWAKE": ("sleep_awake",),
    "WAKE": ("sleep_awake",),
    "RESTLESS": ("sleep_awake",),
    "ASLEEP": ("sleep_asleep",),
    "LIGHT": ("sleep_asleep", "sleep_light"),
    "DEEP": ("sleep_asleep", "sleep_deep"),
    "REM": ("sleep_asleep", "sleep_rem"),
}
_ROW_KEYS = (
    "sleep_id", "sleep_stage_id", "sleep_score_id", "sleep_type", "data_source", "algorithm_version",
    "sleep_start", "sleep_end", "start_utc_offset", "end_utc_offset", "score_time", "score_utc_offset",
    "sleep_stage_type", "sleep_stage_start", "sleep_stage_end", "sleep_created", "sleep_last_updated",
    "sleep_stage_created", "sleep_stage_last_updated", "sleep_score_created", "sleep_score_last_updated",
    "sleep_goal_minutes", "minutes_in_sleep_period", "minutes_awake", "sleep_time_minutes",
    "minutes_asleep", "overall_score",
)  # fmt: skip


def recognised(file: ExportFile) -> bool:
    """Return whether a file is one of Fitbit's tables, by its name and its headings."""
    kind = _kind(file.name) if file.suffix == ".csv" else ""
    headings = {heading.strip(' "').lower() for heading in file.head_text.partition("\n")[0].split(",")}
    if kind in _NIGHTS:
        return _NIGHTS[kind] <= headings
    table = _TABLES.get(kind)
    if table is None or not {table.start, table.end or table.start} <= headings:
        return False
    return not table.measures or bool(table.measures.keys() & headings)


def batches(file: ExportFile, context: Context) -> Iterator[Batch]:
    """Return samples of one table."""
    kind = _kind(file.name)
    rows = table_of(text_of(file.read()), file.path, context.tally)
    rows = rows.rename({name: name.lower() for name in rows.columns})
    if kind in _NIGHTS:
        yield from _nights(kind, rows, file, context)
        return
    table = _TABLES[kind]
    columns = Columns(file.path, MAKER, context.tally)
    start, end = rows[table.start], None if table.end is None else rows[table.end]
    if table.clock == "day":
        start = start.str.strip_chars().str.slice(0, 10)
    elif table.clock == "local":
        start, end = start.str.replace(_ZONE, ""), None if end is None else end.str.replace(_ZONE, "")
    rows = timed(rows, start, end).with_columns(*_origin(rows))
    if table.clock == "utc":
        rows = rows.with_columns(offset=pl.lit(None, dtype=pl.Int32))
    if table.seconds:
        rows = rows.with_columns(end=pl.col("start") + pl.duration(seconds=table.seconds))
    rows = rows.with_columns(_without(table.codes, column) for column in table.measures.keys() & set(rows.columns))
    columns.add_all(rows, table.measures)
    if not table.measures:
        columns.add_spans(rows, "sedentary")
    columns.name_the_rest(rows, (table.start, table.end or "", "data source", "source", "device", *table.passed))
    yield from columns.batches("utc" if table.clock == "utc" else "local")


def _kind(name: str) -> str:
    """Return a table's name without its date: ``Daily SpO2 - 2024-05-23-2024-07-07.csv`` is ``daily spo2``."""
    kind = _NAME.match(name.lower())
    return kind[1] if kind else ""


def _without(codes: tuple[float, ...], column: str) -> pl.Expr:
    """Return a column of text whose codes for "not measured" are empty cells."""
    return pl.when(number_of(column).is_in(codes)).then(pl.lit("")).otherwise(column).alias(column)


def _origin(rows: pl.DataFrame) -> list[pl.Expr]:
    """Return who measured, where the table says so: the phone counts steps too, and other apps hand theirs on."""
    if "data source" not in rows.columns:
        return []
    name = pl.col("data source").fill_null("").str.strip_chars()
    folded = name.str.to_lowercase()
    return [
        pl.when(name == "").then(pl.lit(MAKER)).otherwise(name).alias("source"),
        pl.when(folded.str.ends_with("health connect") | folded.str.contains("web api"))
        .then(pl.lit("other"))
        .when(folded.str.contains("manual"))
        .then(pl.lit("manual"))
        .when(folded.is_in(["mobiletrack", "google health app", "fitbit app"]))
        .then(pl.lit("phone"))
        .otherwise(pl.lit("wearable"))
        .alias("device"),
    ]


def _nights(kind: str, rows: pl.DataFrame, file: ExportFile, context: Context) -> Iterator[Batch]:
    """Return nights, row by row on the clock of their form: ``2026-09-11T17:30:00Z`` is UTC, any other local."""
    time = {_SLEEPS: "sleep_start", _STAGES: "sleep_stage_start", _SCORES: "score_time"}[kind]
    in_utc = rows[time].str.contains(r"T.*[Zz]\s*$").fill_null(value=False)
    Columns(file.path, _AGAIN, context.tally).name_the_rest(rows, _ROW_KEYS)
    if "data_source" in rows.columns:
        manual = pl.col("data_source").str.to_uppercase().str.strip_chars() == "MANUAL"
        rows = rows.with_columns(pl.when(manual).then(pl.lit("manual")).otherwise(pl.lit("wearable")).alias("device"))
    for part, clock in ((rows.filter(in_utc), "utc"), (rows.filter(~in_utc), "local")):
        columns = Columns(file.path, _AGAIN, context.tally)
        _add_nights(kind, part, clock == "utc", columns)
        yield from columns.batches("utc" if clock == "utc" else "local")


def _add_nights(kind: str, rows: pl.DataFrame, in_utc: bool, columns: Columns) -> None:
    if kind == _SCORES:
        rows = _timed_nights(rows, "score_time", "score_time", "score_utc_offset", in_utc)
        columns.add(rows.with_columns(_without((-1.0,), "overall_score")), "overall_score", "sleep_score", "score")
    elif kind == _SLEEPS:
        rows = _timed_nights(rows, "sleep_start", "sleep_end", "start_utc_offset", in_utc)
        columns.add_spans(rows, "sleep_in_bed")
        moment = rows.with_columns(end=pl.col("start"))
        if "minutes_asleep" in rows.columns:
            columns.add(moment, "minutes_asleep", "sleep_duration", "min")
        elif {"minutes_in_sleep_period", "minutes_awake"} <= set(rows.columns):
            asleep = number_of("minutes_in_sleep_period") - number_of("minutes_awake")
            columns.add_values(moment, asleep, "sleep_duration", "min")
    else:
        rows = _timed_nights(rows, "sleep_stage_start", "sleep_stage_end", "start_utc_offset", in_utc)
        stage = pl.col("sleep_stage_type").fill_null("").str.strip_chars().str.to_uppercase()
        for name, signals in _STAGE.items():
            columns.add_spans(rows.filter(stage == name), *signals)
        if unknown := len(rows.filter(~stage.is_in(list(_STAGE)))):
            columns.tally.not_read("Fitbit sleep stage of another kind", unknown)


def _timed_nights(rows: pl.DataFrame, start: str, end: str, offset: str, in_utc: bool) -> pl.DataFrame:
    """Return a table of nights with its times, and with the offset that stands beside those in UTC."""
    if not in_utc:
        return timed(rows, rows[start].str.replace(_ZONE, ""), rows[end].str.replace(_ZONE, ""))
    rows = timed(rows, rows[start], rows[end])
    if offset not in rows.columns:
        return rows.with_columns(offset=pl.lit(None, dtype=pl.Int32))
    part = pl.col(offset).str.strip_chars().str.extract_groups(r"^([+-])(\d{2}):?(\d{2})$")
    hours, minutes = (part.struct[name].cast(pl.Int32, strict=False) for name in ("2", "3"))
    ahead = hours * 3600 + minutes * 60
    return rows.with_columns(offset=pl.when(part.struct["1"] == "-").then(-ahead).otherwise(ahead))
