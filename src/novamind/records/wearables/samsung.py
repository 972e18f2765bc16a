"""Samsung Health's export: ``com.samsung.*.csv``, a table for each kind of data.

- The first line names the kind; the second holds the headings, some after the prefix of their kind; rows may end in one
  more comma than the headings.
- Times are in UTC, and ``time_offset`` says how far the wall clock was ahead: a wake-up that ``vitality_score`` gives
  as 09:27 on the wall clock stands as 12:27 beside ``UTC-0300``.
- ``day_time`` is the UTC midnight, in epoch milliseconds, of the local day; its place is that of the rows near it.
- A day's steps stand once for all devices together (``source_type`` -2) and once for each; they are never added.
- ``sleep_combined`` repeats the nights of ``sleep``; ``pedometer_day_summary`` the days of ``step_daily_trend``.
- Heart rate variability stands in JSON files beside the table, whose layout is not documented: it is not read.

Units are those of the data types of Samsung's Health Data SDK: blood glucose in mmol/L, an exercise's duration in ms.
"""

import re
from collections.abc import Iterator, Mapping

import polars as pl

from novamind.errors import ValidationError
from novamind.records.wearables.columns import Columns, number_of, table_of, text_of, timed
from novamind.records.wearables.files import Context, ExportFile
from novamind.records.wearables.offsets import placed
from novamind.records.wearables.samples import Batch, Tally

MAKER = "Samsung Health"

_KIND = re.compile(r"com\.samsung\.s?health\.([a-z_.]+?)\.?(?:\d+)?\.csv$", re.IGNORECASE)
_FIRST_LINE = re.compile(r'"?com\.samsung\.s?health\.([a-z_.]+)"?\s*,')
#: ``{kind: {column: (signal, unit)}}`` for rows that last from ``start_time`` to ``end_time``.
_MEASURES: dict[str, dict[str, tuple[str, str]]] = {
    "tracker.heart_rate": {"heart_rate": ("heart_rate", "bpm")},
    "tracker.oxygen_saturation": {"spo2": ("oxygen_saturation", "%")},
    "stress": {"score": ("stress_score", "score")},
    "weight": {"weight": ("weight", "kg"), "body_fat": ("body_fat", "%")},
    "blood_pressure": {
        "systolic": ("blood_pressure_systolic", "mmHg"),
        "diastolic": ("blood_pressure_diastolic", "mmHg"),
    },
    "blood_glucose": {"glucose": ("blood_glucose", "mmol/L")},
    "body_temperature": {"temperature": ("body_temperature", "°C")},
    "skin_temperature": {"temperature": ("daily_skin_temperature", "°C")},
    "respiratory_rate": {"average": ("daily_respiratory_rate", "breaths/min")},
    "floors_climbed": {"floor": ("floors", "count")},
    "tracker.pedometer_step_count": {
        "count": ("steps", "count"),
        "distance": ("distance", "m"),
        "calorie": ("active_energy", "kcal"),
    },
    "sleep": {"sleep_score": ("sleep_score", "score"), "efficiency": ("sleep_efficiency", "%")},
    "exercise": {"duration": ("workout", "ms")},
}
_KIND_OF_SYNONYM = {
    "heart_rate": "tracker.heart_rate",
    "oxygen_saturation": "tracker.oxygen_saturation",
    "step_count": "tracker.pedometer_step_count",
    "tracker.blood_glucose": "blood_glucose",
    "tracker.blood_pressure": "blood_pressure",
    "tracker.floors_climbed": "floors_climbed",
}
_DAY = {
    "count": ("daily_steps", "count"),
    "distance": ("daily_distance", "m"),
    "calorie": ("daily_active_energy", "kcal"),
}
_STAGES = {
    "40001": ("sleep_awake",),
    "40002": ("sleep_asleep", "sleep_light"),
    "40003": ("sleep_asleep", "sleep_deep"),
    "40004": ("sleep_asleep", "sleep_rem"),
}
_COUNTED = ("tracker.pedometer_step_count", "floors_climbed", "stress")
_ELSEWHERE = {
    "sleep_combined": "its nights stand in com.samsung.shealth.sleep",
    "tracker.pedometer_day_summary": "its days stand in com.samsung.shealth.step_daily_trend",
    "hrv": "its values stand in JSON files beside it, whose layout is not documented",
}
_ALL_DEVICES = "-2"
#: Columns that describe the row, its making and its device.
_ROW = (
    "start_time", "end_time", "time_offset", "day_time", "create_time", "update_time", "create_sh_ver",
    "modify_sh_ver", "deviceuuid", "datauuid", "pkg_name", "source_pkg_name", "client_data_id", "client_data_ver",
    "custom", "comment", "binning_data", "binning", "source", "source_type", "tag_id", "sleep_id", "integrated_id",
    "combined_id", "stage", "is_integrated", "has_sleep_data", "data_version", "extra_data", "original_bed_time",
    "original_wake_up_time", "sample_position_type", "version_code", "title", "live_data", "location_data",
)  # fmt: skip


def recognised(file: ExportFile) -> bool:
    """Return whether a file is one of Samsung Health's tables, or lies among its JSON files."""
    if file.name.lower().startswith("com.samsung.") or "/jsons/com.samsung." in f"/{file.path.lower()}":
        return True
    return file.suffix == ".csv" and bool(_FIRST_LINE.match(file.head_text))


def batches(file: ExportFile, context: Context) -> Iterator[Batch]:
    """Return samples of one table.

    Raises
    ------
    ValidationError
        The table is of a kind that holds no signal, or repeats another.
    """
    kind, table = _table(file, context.tally)
    columns = Columns(file.path, MAKER, context.tally)
    if kind == "step_daily_trend":
        _days(table, columns)
    else:
        _rows(kind, table, columns)
    columns.name_the_rest(table, _ROW)
    yield from placed(columns.batches("local" if kind == "step_daily_trend" else "utc"), file, context, MAKER, _times)


def _table(file: ExportFile, tally: Tally) -> tuple[str, pl.DataFrame]:
    """Return a table's kind and rows."""
    if file.suffix != ".csv":
        raise ValidationError(f"{file.path}: holds details of a table of {MAKER}, whose layout is not documented")
    text = text_of(file.read())
    first = text.partition("\n")[0]
    named = _FIRST_LINE.match(first.strip())
    kind = (named or _KIND.search(file.name) or re.match("()", "")).group(1).lower()  # type: ignore[union-attr]
    kind = _KIND_OF_SYNONYM.get(kind, kind)
    if kind in _ELSEWHERE:
        raise ValidationError(f"{file.path}: is not read: {_ELSEWHERE[kind]}")
    if kind not in _MEASURES and kind not in ("sleep_stage", "step_daily_trend"):
        raise ValidationError(f"{file.path}: holds no signal that is read here")
    table = table_of(text, file.path, tally, skip_lines=1 if named else 0)
    return kind, table.rename(_plain_names(table.columns))


def _times(file: ExportFile) -> pl.DataFrame:
    """Return the times of a table that know their place."""
    _, table = _table(file, Tally())
    return timed(table, _iso(table["start_time"]), offset=_offset(table["time_offset"])).select(
        "offset", instant="start"
    )


def _plain_names(columns: list[str]) -> Mapping[str, str]:
    """Return headings without the prefix of their kind, where that leaves them apart."""
    plain = {name: name.rsplit(".", 1)[-1] for name in columns if name.startswith("com.samsung.")}
    return {name: short for name, short in plain.items() if short not in columns}


def _rows(kind: str, table: pl.DataFrame, columns: Columns) -> None:
    if "start_time" not in table.columns:
        raise ValidationError(f"{columns.file}: the column start_time is needed: export it again")
    offset = _offset(table["time_offset"]) if "time_offset" in table.columns else None
    ends = table["end_time"] if "end_time" in table.columns else None
    rows = timed(table, _iso(table["start_time"]), None if ends is None else _iso(ends), offset)
    if kind == "sleep_stage":
        stage = pl.col("stage").str.strip_chars()
        for code, signals in _STAGES.items():
            columns.add_spans(rows.filter(stage == code), *signals)
        others = rows.filter(~stage.is_in(list(_STAGES)))
        if len(others):
            columns.tally.not_read(f"{MAKER} sleep stage of another kind", len(others))
        return
    if kind == "sleep":
        columns.add_spans(rows, "sleep_in_bed")
    if kind == "tracker.pedometer_step_count" and "deviceuuid" in rows.columns:
        # Phone and watch count the same steps: told apart, one of them wins.
        rows = rows.with_columns(
            pl.format(f"{MAKER} device {{}}", pl.col("deviceuuid").rank("dense").cast(pl.Int64)).alias("source")
        )
    # A zero is written where none could be measured; steps and floors of an interval may be none.
    columns.add_all(rows, _MEASURES[kind], zero_is_missing=kind not in _COUNTED)


def _days(table: pl.DataFrame, columns: Columns) -> None:
    midnight = (number_of("day_time").cast(pl.Int64) * 1_000).cast(pl.Datetime("us"))
    days = table.with_columns(
        midnight.alias("start"), (midnight + pl.duration(days=1)).alias("end"), pl.lit(None, pl.Int32).alias("offset")
    )
    together = pl.col("source_type").str.strip_chars() == _ALL_DEVICES
    alone = pl.len().over("day_time") == 1
    columns.add_all(days.filter(together | alone), _DAY)
    shares = len(days) - len(days.filter(together | alone))
    if shares:
        columns.tally.not_read(f"{MAKER} share of one device in the day's steps", shares)


def _iso(times: pl.Series) -> pl.Series:
    """Return times as ISO 8601; some versions write epoch milliseconds."""
    epoch = times.str.strip_chars().str.extract(r"^(\d{12,13})$").cast(pl.Int64) * 1_000
    return epoch.cast(pl.Datetime("us")).dt.to_string("iso:strict").fill_null(times)


def _offset(written: pl.Series) -> pl.Series:
    """Return ``UTC-0300`` in seconds ahead of UTC; some versions write milliseconds."""
    hours = written.str.extract(r"UTC[+-](\d{2}):?\d{2}").cast(pl.Int32) * 3_600
    minutes = written.str.extract(r"UTC[+-]\d{2}:?(\d{2})").cast(pl.Int32) * 60
    ahead = (hours + minutes) * (1 - 2 * written.str.contains("UTC-").cast(pl.Int32))
    milliseconds = written.str.strip_chars().str.extract(r"^(-?\d{1,8})$").cast(pl.Int32) // 1_000
    return ahead.fill_null(milliseconds)
