"""Fitbit's JSON: the ``Global Export Data`` of an archive or a Takeout, and the Web API's answers.

One file is one kind of measurement, recognised by its name or its keys. How times are read:

- The archive's minute series of heart rate, steps and distance write ``MM/DD/YY HH:MM:SS`` in UTC and need the person's
  timezone: they equal, value for value, tables of the same export that write ``Z``. Calories are on the wall clock. The
  same series with ISO 8601 times (research exports, the Web API) are on the wall clock.
- Sleep, and everything that is one value a day, is on the wall clock. A day's value starts at its midnight and lasts
  until the next one; it is known only then. Days to come are padded with zeros.

Heart rates with confidence 0 are the device's guesses without a pulse and are left out. Minute series of distance
are in centimetres. ``shortData`` are short awakenings that lie on top of the stages of ``data``.
"""

import re
from collections.abc import Iterator
from typing import Any

import polars as pl

from novamind.errors import ValidationError
from novamind.records.wearables.files import JSON_SUFFIXES, Context, ExportFile
from novamind.records.wearables.json_files import moments, number
from novamind.records.wearables.rows import Rows
from novamind.records.wearables.samples import Batch, Tally

MAKER = "Fitbit"
_DAY = 86_400
_ARCHIVE_TIME = re.compile(r"^(\d{2})/(\d{2})/(\d{2}) (\d{2}:\d{2}:\d{2})$")
#: Two digits of a year from here on are of the last century, as in POSIX.
_CENTURY = 69
#: ``{start of the file's name: (signal, unit, seconds that a row lasts, whether the archive keeps UTC)}``
_SERIES = {
    "heart_rate": ("heart_rate", "bpm", 0, True),
    "steps": ("steps", "count", 60, True),
    "distance": ("distance", "cm", 60, True),
    "calories": ("total_energy", "kcal", 60, False),
    "resting_heart_rate": ("resting_heart_rate", "bpm", _DAY, False),
    "demographic_vo2_max": ("vo2_max", "mL/kg/min", _DAY, False),
}
#: Series that are counted and not read: derived from others, or in a unit that the file does not name.
_OTHER_SERIES = (
    "altitude", "sedentary_minutes", "lightly_active_minutes", "moderately_active_minutes", "very_active_minutes",
    "time_in_heart_rate_zones", "run_vo2_max", "swim_lengths_data", "weight", "height", "exercise",
)  # fmt: skip
_NAME = re.compile(rf"^(?:fitbit_)?({'|'.join((*_SERIES, *_OTHER_SERIES))})(?![a-z])")
#: Keys of the archive's values that are objects.
_VALUE_KEYS = ("bpm", "filteredDemographicVO2Max", "value")
#: The Web API: ``{key: (signal, unit, path of the value inside an entry)}``, one value a day.
_DAILY = {
    "activities-steps": ("daily_steps", "count", ("value",)),
    "activities-distance": ("daily_distance", "km", ("value",)),
    "activities-calories": ("daily_total_energy", "kcal", ("value",)),
    "activities-floors": ("daily_floors", "count", ("value",)),
    "activities-heart": ("resting_heart_rate", "bpm", ("value", "restingHeartRate")),
    "hrv": ("daily_hrv_rmssd", "ms", ("value", "dailyRmssd")),
    "br": ("daily_respiratory_rate", "breaths/min", ("value", "breathingRate")),
    "tempSkin": ("skin_temperature_deviation", "°C", ("value", "nightlyRelative")),
    "spo2": ("daily_oxygen_saturation", "%", ("value", "avg")),
}
#: Answers of a night, minute by minute: ``{key: (signal, unit, path of the value inside a minute)}``.
_NIGHT_MINUTES = {
    "hrv": ("hrv_rmssd", "ms", ("value", "rmssd")),
    "spo2": ("oxygen_saturation", "%", ("value",)),
}
_INTRADAY = {
    "activities-heart-intraday": ("heart_rate", "bpm"),
    "activities-steps-intraday": ("steps", "count"),
    "activities-distance-intraday": ("distance", "km"),
    "activities-calories-intraday": ("total_energy", "kcal"),
    "activities-floors-intraday": ("floors", "count"),
}
_SECONDS = {"second": 1, "minute": 60}
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
    return file.suffix in JSON_SUFFIXES and document_recognised(file.path, file.document)


def batches(file: ExportFile, context: Context) -> Iterator[Batch]:
    """Return samples of one file."""
    yield from json_batches(file.path, file.document, context.tally)


def document_recognised(file: str, document: Any) -> bool:
    """Return whether a JSON document is one of Fitbit's."""
    if isinstance(document, dict):
        return bool(document.keys() & (_DAILY.keys() | _INTRADAY.keys())) or _is_sleep(document.get("sleep"))
    return _is_sleep(document) or (
        isinstance(document, list)
        and bool(document)
        and isinstance(document[0], dict)
        and bool(document[0].keys() & {"dateTime", "logId"})
        and _series_name(file) is not None
    )


def json_batches(file: str, document: Any, tally: Tally) -> Iterator[Batch]:
    """Return samples of one JSON file of the archive, or of one answer of the Web API."""
    if isinstance(document, dict):
        yield from _answer(document, tally, file)
    elif _is_sleep(document):
        yield from _sleeps(document, file, tally)
    else:
        yield from _series(file, document, tally)


def _series_name(file: str) -> str | None:
    name = _NAME.match(file.rsplit("/", 1)[-1].lower())
    return name and name[1]


def _is_sleep(document: Any) -> bool:
    return (
        isinstance(document, list) and bool(document) and isinstance(document[0], dict) and "dateOfSleep" in document[0]
    )


def _series(file: str, document: list[Any], tally: Tally) -> Iterator[Batch]:
    name = _series_name(file) or ""
    if name not in _SERIES:
        tally.not_read(f"Fitbit {name}", len(document))
        return
    signal, unit, seconds, keeps_utc = _SERIES[name]
    rows, in_utc = Rows(MAKER), False
    for row, entry in enumerate(document, start=1):
        time, value = (entry.get("dateTime"), entry.get("value")) if isinstance(entry, dict) else (None, None)
        if isinstance(time, str) and (stamp := _ARCHIVE_TIME.match(time)):
            month, day, year, clock = stamp.groups()
            time, in_utc = f"{19 if int(year) >= _CENTURY else 20}{year}-{month}-{day}T{clock}", keeps_utc
        if isinstance(value, dict):
            if signal == "heart_rate" and value.get("confidence") == 0:
                tally.no_value(signal, row, file)
                continue
            value = next((value[key] for key in _VALUE_KEYS if key in value), None)
        if seconds == _DAY and number(value) in (0.0, None):
            tally.no_value(signal, row, file)
            continue
        rows.add(row, signal, time, value, unit, seconds=seconds)
    yield from rows.batches(file, written_in_utc=in_utc)


def _answer(document: dict[str, Any], tally: Tally, file: str) -> Iterator[Batch]:
    rows, day = Rows(MAKER), None
    for key, content in document.items():
        if key == "sleep" and _is_sleep(content):
            yield from _sleeps(content, file, tally)
        elif key in _DAILY and isinstance(content, list):
            signal, unit, path = _DAILY[key]
            for row, entry in enumerate(content, start=1):
                day = entry.get("dateTime") if isinstance(entry, dict) else None
                if key in _NIGHT_MINUTES and isinstance(_at(entry, ("minutes",)), list):
                    _minutes(key, row, entry["minutes"], rows)
                    continue
                value = _at(entry, path)
                if value is None and key == "br":
                    value = _at(entry, ("value", "fullSleepSummary", "breathingRate"))
                if value is None and key == "activities-heart":
                    tally.no_value(signal, row, file)
                    continue
                rows.add(row, signal, day, value, unit, seconds=_DAY)
        elif key not in _INTRADAY and content not in ([], {}, None):
            tally.not_read(f"Fitbit {key}")
    for key, (signal, unit) in _INTRADAY.items():
        part = document.get(key) or {}
        seconds = (number(part.get("datasetInterval")) or 1) * _SECONDS.get(str(part.get("datasetType")), 60)
        for row, entry in enumerate(part.get("dataset", ()), start=1):
            if day is None:
                raise ValidationError(f"{file}: '{key}' has times without a day: keep the daily part of the answer")
            rows.add(
                row, signal, f"{day}T{entry.get('time')}", entry.get("value"), unit,
                seconds=0 if signal == "heart_rate" else seconds,
            )  # fmt: skip
    yield from rows.batches(file)


def _at(entry: Any, path: tuple[str, ...]) -> Any:
    for step in path:
        entry = entry.get(step) if isinstance(entry, dict) else None
    return entry


def _minutes(key: str, row: int, minutes: list[Any], rows: Rows) -> None:
    """Add the samples of a night's minutes, of which the daily answer has the mean."""
    signal, unit, path = _NIGHT_MINUTES[key]
    for minute in minutes:
        rows.add(row, signal, _at(minute, ("minute",)), _at(minute, path), unit)


def _sleeps(document: list[Any], file: str, tally: Tally) -> Iterator[Batch]:
    detected, manual = Rows(MAKER), Rows(MAKER, "manual")
    for row, sleep in enumerate(document, start=1):
        if not isinstance(sleep, dict):
            tally.not_read("Fitbit sleep of another layout")
            continue
        rows = manual if sleep.get("logType") == "manual" else detected
        start, end = sleep.get("startTime"), sleep.get("endTime")
        rows.add(row, "sleep_in_bed", start, 0, "min", end=end)
        rows.add(row, "sleep_duration", start, sleep.get("minutesAsleep"), "min")
        if sleep.get("efficiency") is not None:
            rows.add(row, "sleep_efficiency", start, sleep["efficiency"], "%")
        levels = sleep.get("levels") or {}
        for part in _with_awakenings(levels.get("data") or [], levels.get("shortData") or []):
            for signal in _STAGES.get(part[2], ()):
                rows.add(row, signal, part[0], 0, "min", seconds=part[1])
    yield from detected.batches(file)
    yield from manual.batches(file)


def _with_awakenings(stages: list[Any], short: list[Any]) -> list[tuple[str, float, str]]:
    """Return stages as ``(start, seconds, level)``, cut where a short awakening lies on top."""

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
