"""Health Connect's own export (Android): ``health_connect_export.db`` in the zip that its settings write.

The file is a SQLite database. Its tables are those of Android's provider (AOSP, ``healthfitness``), in the units of
``android.health.connect.datatypes.units``: grams, metres, calories of a thousandth of a kilocalorie, mmol/L. Times are
milliseconds in UTC; the wall clock's offset, in seconds, stands beside. Apps that write the same steps are kept apart
by their names; ``recording_method`` 3 was typed in by hand.

It is read in memory and never run: only columns of real tables are selected, within a limit on the work done.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass

import polars as pl

from novamind.errors import ValidationError
from novamind.records.wearables.files import Context, ExportFile
from novamind.records.wearables.samples import Batch, frame_of

MAKER = "Health Connect"
_MAGIC = b"SQLite format 3\0"
_STEPS_OF_WORK = 2_000
_MOST_WORK = 500_000  # times the steps above


@dataclass(frozen=True, slots=True)
class Table:
    """A table of records, the column that is a signal, and its unit; ``scale`` takes the column to the unit."""

    name: str
    column: str
    signal: str
    unit: str
    scale: float = 1.0
    lasts: bool = False


_TABLES = (
    Table("weight_record_table", "weight", "weight", "g"),
    Table("body_fat_record_table", "percentage", "body_fat", "%"),
    Table("resting_heart_rate_record_table", "beats_per_minute", "resting_heart_rate", "bpm"),
    Table("oxygen_saturation_record_table", "percentage", "oxygen_saturation", "%"),
    Table("body_temperature_record_table", "temperature", "body_temperature", "°C"),
    Table("heart_rate_variability_rmssd_record_table", "heart_rate_variability_millis", "hrv_rmssd", "ms"),
    Table("respiratory_rate_record_table", "rate", "respiratory_rate", "breaths/min"),
    Table("blood_pressure_record_table", "systolic", "blood_pressure_systolic", "mmHg"),
    Table("blood_pressure_record_table", "diastolic", "blood_pressure_diastolic", "mmHg"),
    Table("blood_glucose_record_table", "level", "blood_glucose", "mmol/L"),
    Table("vo2_max_record_table", "vo2_milliliters_per_minute_kilogram", "vo2_max", "mL/kg/min"),
    Table("steps_record_table", "count", "steps", "count", lasts=True),
    Table("distance_record_table", "distance", "distance", "m", lasts=True),
    Table("floors_climbed_record_table", "floors", "floors", "count", lasts=True),
    Table("active_calories_burned_record_table", "energy", "active_energy", "kcal", 0.001, lasts=True),
    Table("total_calories_burned_record_table", "energy", "total_energy", "kcal", 0.001, lasts=True),
    Table("sleep_session_record_table", "start_time", "sleep_in_bed", "min", lasts=True),
)
_HEART_RATE, _HEART_RATES = "heart_rate_record_table", "heart_rate_record_series_table"
_SLEEP, _STAGES = "sleep_session_record_table", "sleep_stages_table"
_WORKOUT = "exercise_session_record_table"
#: 0 is unknown, 3 out of bed.
_STAGE = {
    1: ("sleep_awake",),
    2: ("sleep_asleep",),
    4: ("sleep_asleep", "sleep_light"),
    5: ("sleep_asleep", "sleep_deep"),
    6: ("sleep_asleep", "sleep_rem"),
    7: ("sleep_awake",),
}
_WORN, _PHONE = (1, 4, 5, 6, 7), (2,)
_MANUAL = 3
#: Tables of the provider itself, which hold no records.
_OWN = ("application_info_table", "device_info_table")


def recognised(file: ExportFile) -> bool:
    """Return whether a file is Health Connect's database."""
    named = file.name.lower() == "health_connect_export.db"
    return file.suffix == ".db" and file.head.startswith(_MAGIC) and (named or b"_record_table" in file.head)


def batches(file: ExportFile, context: Context) -> Iterator[Batch]:
    """Return samples of all tables.

    Raises
    ------
    ValidationError
        The database is damaged, or asks for more work than an export would.
    """
    with closing(sqlite3.connect(":memory:")) as database:
        try:
            database.deserialize(file.read())
            database.execute("PRAGMA trusted_schema = OFF")
            left = iter(range(_MOST_WORK))
            database.set_progress_handler(lambda: next(left, None) is None, _STEPS_OF_WORK)
            yield from _batches(_Provider(database), file, context)
        except sqlite3.Error as error:
            raise ValidationError(f"{file.path}: is no whole database of Health Connect: export it again") from error


class _Provider:
    """The real tables of a database, and rows of them with where they come from."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database
        names = database.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND sql NOT LIKE '%VIRTUAL%'")
        self.tables = {str(name): self._columns(str(name)) for (name,) in names if str(name).isidentifier()}

    def _columns(self, table: str) -> set[str]:
        return {str(row[1]) for row in self._database.execute(f"PRAGMA table_info({table})")}

    def count(self, table: str) -> int:
        """Return how many rows a table has."""
        return int(self._database.execute(f"SELECT count(*) FROM {table}").fetchone()[0])  # noqa: S608 - an identifier

    def rows(self, table: str, start: str, end: str, offset: str, value: str, child: str | None = None) -> list[tuple]:  # type: ignore[type-arg]
        """Return ``row, start, end, offset, value, app, model, type of device, recording method``."""
        columns = self.tables[table]
        app = "application_info_table" in self.tables and "app_info_id" in columns
        device = "device_info_table" in self.tables and "device_info_id" in columns
        parts = [
            "r.row_id", start, end, f"r.{offset}" if offset in columns else "NULL", value,
            "a.package_name" if app else "NULL", "d.model" if device else "NULL",
            "d.device_type" if device else "NULL", "r.recording_method" if "recording_method" in columns else "NULL",
        ]  # fmt: skip
        query = f"SELECT {', '.join(parts)} FROM {table} r"  # noqa: S608 - names of the tables above
        if child:
            query += f" JOIN {child} s ON s.parent_key = r.row_id"
        if app:
            query += " LEFT JOIN application_info_table a ON a.row_id = r.app_info_id"
        if device:
            query += " LEFT JOIN device_info_table d ON d.row_id = r.device_info_id"
        return self._database.execute(query).fetchall()


def _batches(provider: _Provider, file: ExportFile, context: Context) -> Iterator[Batch]:
    read = {*_OWN}
    for table in _TABLES:
        columns = provider.tables.get(table.name, set())
        start, end = ("start_time", "end_time") if table.lasts else ("time", "time")
        if {"row_id", start, end, table.column} <= columns:
            read.add(table.name)
            offset = "start_zone_offset" if table.lasts else "zone_offset"
            rows = provider.rows(table.name, f"r.{start}", f"r.{end}", offset, f"r.{table.column} * {table.scale}")
            yield from _samples(rows, table.signal, table.unit, file)
    if {_HEART_RATE, _HEART_RATES} <= provider.tables.keys():
        read |= {_HEART_RATE, _HEART_RATES}
        rows = provider.rows(
            _HEART_RATE, "s.epoch_millis", "s.epoch_millis", "start_zone_offset", "s.beats_per_minute", _HEART_RATES
        )
        yield from _samples(rows, "heart_rate", "bpm", file)
    if {_SLEEP, _STAGES} <= provider.tables.keys():
        read.add(_STAGES)
        rows = provider.rows(
            _SLEEP, "s.stage_start_time", "s.stage_end_time", "start_zone_offset", "s.stage_type", _STAGES
        )
        for stage, signals in _STAGE.items():
            for signal in signals:
                yield from _samples([row for row in rows if row[4] == stage], signal, "min", file)
        if other := sum(row[4] not in _STAGE for row in rows):
            context.tally.not_read("Health Connect time out of bed or of no known stage", other)
    if _WORKOUT in provider.tables:
        read.add(_WORKOUT)
        rows = provider.rows(
            _WORKOUT, "r.start_time", "r.end_time", "start_zone_offset", "(r.end_time - r.start_time) / 60000.0"
        )
        yield from _samples(rows, "workout", "min", file)
    for name in provider.tables.keys() - read:
        if name.lower().endswith(("_record_table", "recordtable")) and (count := provider.count(name)):
            context.tally.not_read(f"Health Connect {name.removesuffix('_record_table')}", count)


def _samples(rows: list[tuple], signal: str, unit: str, file: ExportFile) -> Iterator[Batch]:  # type: ignore[type-arg]
    """Return rows with an offset, and those without one, which are in UTC."""
    if not rows:
        return
    row, start, end, offset, value, app, model, kind, method = zip(*rows, strict=True)
    devices = [
        "manual" if how == _MANUAL else "wearable" if what in _WORN else "phone" if what in _PHONE else "other"
        for what, how in zip(kind, method, strict=True)
    ]
    frame = frame_of(
        {
            "row": row,
            "signal": [signal] * len(rows),
            "start": pl.Series(start, dtype=pl.Int64).cast(pl.Datetime("ms")).cast(pl.Datetime("us")),
            "end": pl.Series(end, dtype=pl.Int64).cast(pl.Datetime("ms")).cast(pl.Datetime("us")),
            "offset": pl.Series(offset, dtype=pl.Int32),
            "value": pl.Series(value, dtype=pl.Float64, strict=False),
            "unit": [unit] * len(rows),
            "source": [name or package or MAKER for name, package in zip(model, app, strict=True)],
            "device": devices,
        }
    )
    has_offset = frame["offset"].is_not_null()
    if has_offset.any():
        yield Batch(frame.filter(has_offset), "offset", file.path)
    if not has_offset.all():
        yield Batch(frame.filter(~has_offset), "utc", file.path)
