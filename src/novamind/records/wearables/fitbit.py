"""Fitbit: the folders of a Google Takeout or a Fitbit data export, and the Web API's answers.

One file is one kind of measurement, recognised by its name or its keys. How times are read:

- The archive's minute series (``heart_rate-*.json``, ``steps-*.json`` ...) write ``MM/DD/YY HH:MM:SS`` in UTC and need
  the person's timezone. The same series with ISO 8601 times (research exports, the Web API) are on the wall clock.
- Sleep, and everything that is one value a day, is on the wall clock. A day's value starts at its midnight and lasts
  until the next one; it is known only then.

Heart rates with confidence 0 are the device's guesses without a pulse and are left out. Minute series of distance
are in centimetres. ``shortData`` are short awakenings that lie on top of the stages of ``data``.
"""

import csv
import io
import re
from collections.abc import Iterator
from typing import Any

from novamind.errors import ValidationError
from novamind.records.wearables.files import JSON_SUFFIXES, Context, ExportFile
from novamind.records.wearables.rows import Rows
from novamind.records.wearables.samples import Batch, Tally

MAKER = "Fitbit"
_DAY = 86_400
_ARCHIVE_TIME = re.compile(r"^(\d{2})/(\d{2})/(\d{2}) (\d{2}:\d{2}:\d{2})$")
#: ``{start of the file's name: (signal, unit, seconds that a row lasts)}``
_SERIES = {
    "heart_rate": ("heart_rate", "bpm", 0),
    "steps": ("steps", "count", 60),
    "distance": ("distance", "cm", 60),
    "calories": ("total_energy", "kcal", 60),
    "resting_heart_rate": ("resting_heart_rate", "bpm", 0),
}
#: The Web API: ``{key: (signal, unit, path of the value inside an entry)}``, one value a day.
_DAILY = {
    "activities-steps": ("daily_steps", "count", ("value",)),
    "activities-distance": ("daily_distance", "km", ("value",)),
    "activities-calories": ("daily_total_energy", "kcal", ("value",)),
    "activities-floors": ("daily_floors", "count", ("value",)),
    "activities-heart": ("resting_heart_rate", "bpm", ("value", "restingHeartRate")),
    "hrv": ("hrv_rmssd", "ms", ("value", "dailyRmssd")),
    "br": ("respiratory_rate", "breaths/min", ("value", "breathingRate")),
    "tempSkin": ("skin_temperature_deviation", "°C", ("value", "nightlyRelative")),
    "spo2": ("oxygen_saturation", "%", ("value", "avg")),
}
_INTRADAY = {
    "activities-heart-intraday": ("heart_rate", "bpm", 0),
    "activities-steps-intraday": ("steps", "count", 60),
    "activities-distance-intraday": ("distance", "km", 60),
    "activities-calories-intraday": ("total_energy", "kcal", 60),
}
#: Takeout's tables: ``(part of the file's name, column, signal, unit)``.
_TABLES = (
    ("daily heart rate variability summary", "rmssd", "hrv_rmssd", "ms"),
    ("heart rate variability details", "rmssd", "hrv_rmssd", "ms"),
    ("daily spo2", "average_value", "oxygen_saturation", "%"),
    ("minute spo2", "value", "oxygen_saturation", "%"),
    ("daily respiratory rate summary", "daily_respiratory_rate", "respiratory_rate", "breaths/min"),
)
_STAGES = {
    "light": ("sleep_asleep", "sleep_light"),
    "deep": ("sleep_asleep", "sleep_deep"),
    "rem": ("sleep_asleep", "sleep_rem"),
    "asleep": ("sleep_asleep",),
    "wake": ("sleep_awake",),
    "awake": ("sleep_awake",),
    "restless": ("sleep_awake",),
}


def recognised(file: ExportFile) -> bool:
    """Return whether a file is one of Fitbit's."""
    if file.suffix == ".csv":
        return any(part in file.name.lower() for part, _, _, _ in _TABLES)
    return file.suffix in JSON_SUFFIXES and document_recognised(file.path, file.document)


def batches(file: ExportFile, context: Context) -> Iterator[Batch]:
    """Return samples of one file."""
    if file.suffix == ".csv":
        yield from table_batches(file.path, file.read(), context.tally)
    else:
        yield from json_batches(file.path, file.document, context.tally)


def document_recognised(file: str, document: Any) -> bool:
    """Return whether a JSON document is one of Fitbit's."""
    name = file.rsplit("/", 1)[-1].lower().removeprefix("fitbit_")
    if isinstance(document, dict):
        return bool(document.keys() & (_DAILY.keys() | _INTRADAY.keys())) or _is_sleep(document.get("sleep"))
    return _is_sleep(document) or (
        isinstance(document, list)
        and bool(document)
        and isinstance(document[0], dict)
        and "dateTime" in document[0]
        and any(name.startswith(start) for start in _SERIES)
    )


def json_batches(file: str, document: Any, tally: Tally) -> Iterator[Batch]:
    """Return samples of one JSON file of the archive, or of one answer of the Web API."""
    rows = Rows(MAKER)
    if isinstance(document, dict):
        _answer(document, rows, tally, file)
        yield from rows.batches(file)
    elif _is_sleep(document):
        _sleeps(document, rows)
        yield from rows.batches(file)
    else:
        yield from _series(file, document, rows, tally)


def table_batches(file: str, data: bytes, tally: Tally) -> Iterator[Batch]:
    """Return samples of one of Takeout's CSV files; others are counted as not read."""
    name = file.rsplit("/", 1)[-1].lower()
    for part, column, signal, unit in _TABLES:
        if part not in name:
            continue
        try:
            table = list(csv.DictReader(io.StringIO(data.decode("utf-8-sig"))))
        except (UnicodeDecodeError, csv.Error) as error:
            raise ValidationError(f"{file}: is not a readable CSV file: export it again") from error
        if table and not {"timestamp", column} <= table[0].keys():
            raise ValidationError(f"{file}: the columns 'timestamp' and '{column}' are needed")
        rows = Rows(MAKER)
        for number, entry in enumerate(table, start=1):
            rows.add(number, signal, entry["timestamp"], entry[column], unit)
        yield from rows.batches(file)
        return
    tally.not_read("Fitbit table of another kind")


def _is_sleep(document: Any) -> bool:
    return (
        isinstance(document, list) and bool(document) and isinstance(document[0], dict) and "dateOfSleep" in document[0]
    )


def _series(file: str, document: list[Any], rows: Rows, tally: Tally) -> Iterator[Batch]:
    name = file.rsplit("/", 1)[-1].lower().removeprefix("fitbit_")
    signal, unit, seconds = next(kind for start, kind in _SERIES.items() if name.startswith(start))
    in_utc = False
    for number, entry in enumerate(document, start=1):
        time, value = (entry.get("dateTime"), entry.get("value")) if isinstance(entry, dict) else (None, None)
        if isinstance(time, str) and (stamp := _ARCHIVE_TIME.match(time)):
            month, day, year, clock = stamp.groups()
            time, in_utc = f"20{year}-{month}-{day}T{clock}", True
        if isinstance(value, dict):
            if signal == "heart_rate" and value.get("confidence") == 0:
                tally.not_read("Fitbit heart rate without confidence")
                continue
            value = value.get("bpm", value.get("value"))
        if signal == "resting_heart_rate" and value in (0, 0.0, None):
            tally.not_read("Fitbit day without resting heart rate")
            continue
        rows.add(number, signal, time, value, unit, seconds=seconds)
    yield from rows.batches(file, written_in_utc=in_utc and signal != "resting_heart_rate")


def _answer(document: dict[str, Any], rows: Rows, tally: Tally, file: str) -> None:
    day = None
    for key, content in document.items():
        if key == "sleep" and _is_sleep(content):
            _sleeps(content, rows)
        elif key in _DAILY and isinstance(content, list):
            signal, unit, path = _DAILY[key]
            for number, entry in enumerate(content, start=1):
                value: Any = entry
                for step in path:
                    value = value.get(step) if isinstance(value, dict) else None
                day = entry.get("dateTime") if isinstance(entry, dict) else None
                if value is None and key == "activities-heart":
                    tally.not_read("Fitbit day without resting heart rate")
                    continue
                rows.add(number, signal, day, value, unit, seconds=_DAY if signal.startswith("daily_") else 0)
    for key, (signal, unit, seconds) in _INTRADAY.items():
        for number, entry in enumerate((document.get(key) or {}).get("dataset", ()), start=1):
            if day is None:
                raise ValidationError(f"{file}: '{key}' has times without a day: keep the daily part of the answer")
            rows.add(number, signal, f"{day}T{entry.get('time')}", entry.get("value"), unit, seconds=seconds)


def _sleeps(document: list[Any], rows: Rows) -> None:
    for number, sleep in enumerate(document, start=1):
        start, end = sleep.get("startTime"), sleep.get("endTime")
        rows.add(number, "sleep_in_bed", start, 0, "min", end=end)
        rows.add(number, "sleep_duration", start, sleep.get("minutesAsleep"), "min")
        if sleep.get("efficiency") is not None:
            rows.add(number, "sleep_efficiency", start, sleep["efficiency"], "%")
        levels = sleep.get("levels") or {}
        for part in _with_awakenings(levels.get("data") or [], levels.get("shortData") or []):
            for signal in _STAGES.get(part[2], ()):
                rows.add(number, signal, part[0], 0, "min", seconds=part[1])


def _with_awakenings(stages: list[Any], short: list[Any]) -> list[tuple[str, float, str]]:
    """Return stages as ``(start, seconds, level)``, cut where a short awakening lies on top."""
    import polars as pl

    from novamind.records.wearables.json_files import moments, number

    def spans(entries: list[Any]) -> list[tuple[int, int, str]]:
        begins = moments([entry.get("dateTime") for entry in entries])["instant"].cast(pl.Int64).to_list()
        return [
            (begin, begin + int(1e6 * (number(entry.get("seconds")) or 0)), str(entry.get("level")))
            for begin, entry in zip(begins, entries, strict=True)
            if begin is not None
        ]

    awake = sorted(spans(short))
    parts = []
    for start, end, level in sorted(spans(stages)):
        at = start
        for begin, stop, _ in awake:
            if begin < end and stop > at and level not in ("wake", "awake"):
                if begin > at:
                    parts.append((at, begin, level))
                at = max(at, stop)
        if at < end:
            parts.append((at, end, level))
    waking = [(begin, stop, "wake") for begin, stop, _ in awake]
    texts = (
        pl.Series([start for start, _, _ in parts + waking], dtype=pl.Int64)
        .cast(pl.Datetime("us"))
        .dt.to_string("iso:strict")
    )
    return [
        (text, (stop - start) / 1e6, level)
        for text, (start, stop, level) in zip(texts.to_list(), parts + waking, strict=True)
    ]
