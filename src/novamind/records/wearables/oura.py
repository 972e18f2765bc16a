"""Oura: documents of the API v2, and the tables of the membership hub, which have the same fields.

A document stands in ``{"data": [...]}``, in a file of several collections by name, or in a row of ``sleepmodel.csv``
and other tables with semicolons. The account export of the API v1 has other fields: :mod:`.oura_v1`.

- A sleep carries its whole night: stages every 5 minutes, heart rate and HRV (RMSSD) at their own interval. Sleeps of
  type ``deleted`` are not read; rests are not sleep.
- A day's summary starts at its midnight (or at the time it names) and lasts a day; it is known only then. Its
  ``+00:00`` is no place: Oura's samples of readiness have it at midnight of the day.
- Heart rates are written in UTC (``+00:00``), without the place; their place is that of the export's other documents.
- Null says that nothing was measured.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

import polars as pl

from novamind.errors import ValidationError
from novamind.records.wearables.columns import table_of, text_of
from novamind.records.wearables.entries import Entries
from novamind.records.wearables.files import JSON_SUFFIXES, Context, ExportFile
from novamind.records.wearables.json_files import moments
from novamind.records.wearables.offsets import placed
from novamind.records.wearables.samples import Batch, Tally

MAKER = "Oura"

_DAY = 86_400
_STAGE_SECONDS = 300
#: ``{code of 5 minutes: signals}``
STAGES = {
    "1": ("sleep_asleep", "sleep_deep"),
    "2": ("sleep_asleep", "sleep_light"),
    "3": ("sleep_asleep", "sleep_rem"),
    "4": ("sleep_awake",),
}
_NIGHT = (
    ("total_sleep_duration", "sleep_duration", "s"),
    ("light_sleep_duration", "sleep_light_duration", "s"),
    ("deep_sleep_duration", "sleep_deep_duration", "s"),
    ("rem_sleep_duration", "sleep_rem_duration", "s"),
    ("awake_time", "sleep_awake_duration", "s"),
    ("latency", "sleep_latency", "s"),
    ("efficiency", "sleep_efficiency", "%"),
    ("average_breath", "daily_respiratory_rate", "breaths/min"),
    ("average_heart_rate", "daily_heart_rate", "bpm"),
    ("average_hrv", "daily_hrv_rmssd", "ms"),
    ("lowest_heart_rate", "resting_heart_rate", "bpm"),
)
_ACTIVITY = (
    ("steps", "daily_steps", "count"),
    ("equivalent_walking_distance", "daily_distance", "m"),
    ("active_calories", "daily_active_energy", "kcal"),
    ("total_calories", "daily_total_energy", "kcal"),
)
_READINESS = (
    ("score", "readiness_score", "score"),
    ("temperature_deviation", "skin_temperature_deviation", "°C"),
)
#: Fields that together only documents of this collection have.
_MARKS = {
    "sleep": ("bedtime_start", "bedtime_end"),
    "heartrate": ("bpm", "source", "timestamp"),
    "daily_activity": ("equivalent_walking_distance", "day"),
    "daily_readiness": ("temperature_deviation", "day"),
    "daily_spo2": ("spo2_percentage", "day"),
    "vO2_max": ("vo2_max", "day"),
    "session": ("start_datetime", "end_datetime", "motion_count"),
    "tag": ("tags", "timestamp", "day"),
    "workout": ("activity", "intensity", "start_datetime"),
    "temperature": ("skin_temp", "timestamp"),
}
_CONTRIBUTORS = {"daily_sleep": "deep_sleep", "daily_readiness": "previous_night"}
#: The membership hub's tables; those without a collection hold no signal that is read here.
_TABLES = {
    "sleepmodel.csv": "sleep",
    "heartrate.csv": "heartrate",
    "dailyactivity.csv": "daily_activity",
    "dailyreadiness.csv": "daily_readiness",
    "dailyspo2.csv": "daily_spo2",
    "vo2max.csv": "vO2_max",
    "dailysleep.csv": "daily_sleep",
    "workout.csv": "workout",
    "temperature.csv": "temperature",
    **dict.fromkeys(
        ("dailystress.csv", "daytimestress.csv", "dailyresilience.csv", "dailycardiovascularage.csv", "sleeptime.csv",
         "enhancedtag.csv", "tag.csv", "session.csv", "ringbatterylevel.csv", "ringconfiguration.csv")
    ),
}  # fmt: skip


def recognised(file: ExportFile) -> bool:
    """Return whether a file holds documents of the API v2, or is one of the hub's tables."""
    if file.suffix == ".csv":
        heading = file.head_text.partition("\n")[0]
        return file.name.lower() in _TABLES and (";" in heading or "," not in heading)
    return file.suffix in JSON_SUFFIXES and document_recognised(file.document)


def batches(file: ExportFile, context: Context) -> Iterator[Batch]:
    """Return samples of one file.

    Raises
    ------
    ValidationError
        The table holds no signal that is read here.
    """
    documents = json_batches(file.path, _document(file, context.tally), context.tally)
    yield from placed(documents, file, context, MAKER, _times)


def document_recognised(document: Any) -> bool:
    """Return whether a JSON document holds documents of the API v2, or is an answer of it without any."""
    if isinstance(document, dict) and document and not any(document.values()):
        return document.keys() == {"data", "next_token"} or {"daily_activity"} <= document.keys() <= _MARKS.keys()
    return any(collection_of(entry) for entries in _collections(document) for entry in entries[:1])


def collection_of(document: Any) -> str | None:
    """Return the collection to which a document belongs, or ``None``; documents of the API v1 belong to none."""
    if not isinstance(document, dict) or "summary_date" in document:
        return None
    name = next((name for name, marks in _MARKS.items() if all(mark in document for mark in marks)), None)
    if name is None and isinstance(parts := document.get("contributors"), dict) and "score" in document:
        # Scores of different things look alike; what they are made of tells them apart.
        name = next((name for name, part in _CONTRIBUTORS.items() if part in parts), None)
    return name


def json_batches(file: str, document: Any, tally: Tally) -> Iterator[Batch]:
    """Return samples of one file's documents."""
    documents = _Documents(file, tally)
    for entries in _collections(document):
        documents.read(entries)
    yield from documents.samples.batches()
    yield from documents.in_utc.batches(written_in_utc=True)


def _document(file: ExportFile, tally: Tally) -> Any:
    if file.suffix != ".csv":
        return file.document
    if _TABLES[file.name.lower()] is None:
        raise ValidationError(f"{file.path}: holds no signal that is read here")
    table = table_of(text_of(file.read()), file.path, tally, separator=";").drop("row")
    return [{name: _cell(text) for name, text in row.items()} for row in table.iter_rows(named=True)]


def _cell(text: str) -> Any:
    """Return a cell of the hub's tables: lists and objects are JSON, an empty one is null."""
    text = text.strip()
    if text[:1] in ("{", "["):
        try:
            return json.loads(text)
        except ValueError:
            return None
    return text or None


def _times(file: ExportFile) -> pl.DataFrame:
    """Return the times of all documents that know their place."""
    texts: list[str | None] = []
    for entries in _collections(_document(file, Tally())) if recognised(file) else ():
        for entry in entries:
            if collection_of(entry) not in (None, "heartrate", "temperature"):
                times = [_start_of(entry), *(entry.get(name) for name in _TIMES)]
                texts += [text for text in times if isinstance(text, str)]
    return moments(texts)


_TIMES = ("bedtime_start", "bedtime_end", "start_datetime")


def _collections(document: Any) -> list[list[Any]]:
    if isinstance(document, list):
        return [document]
    if not isinstance(document, dict):
        return []
    values = [value.get("data") if isinstance(value, dict) else value for value in document.values()]
    return [value for value in values if isinstance(value, list) and value]


class _Documents:
    """Reads documents of all collections: those with a place, and heart rates, which are in UTC."""

    def __init__(self, file: str, tally: Tally) -> None:
        self.samples, self.in_utc = Entries(MAKER, file, tally), Entries(MAKER, file, tally)
        self._readers: Mapping[str, Callable[[dict[str, Any]], None]] = {
            "sleep": self._sleep,
            "heartrate": self._heart_rate,
            "daily_activity": self._activity,
            "daily_readiness": self._readiness,
            "daily_spo2": self._oxygen,
            "vO2_max": self._oxygen_uptake,
            "daily_sleep": self._sleep_score,
            "workout": self._workout,
            "session": self._session,
            "tag": lambda _: self.samples.not_read("tag"),
            "temperature": self._temperature,
        }

    def read(self, entries: list[Any]) -> None:
        """Read the documents of one list."""
        self.samples.read(entries, self._document)

    def _document(self, entry: Any) -> None:
        self.in_utc.number = self.samples.number
        collection = collection_of(entry)
        if collection is None:
            self.samples.not_read("document of another kind")
        else:
            self._readers[collection](entry)

    def _sleep(self, entry: dict[str, Any]) -> None:
        if entry.get("type") in ("deleted", "rest"):
            self.samples.not_read("sleep that was deleted, or a rest")
            return
        start, end = entry.get("bedtime_start"), entry.get("bedtime_end")
        self.samples.add("sleep_in_bed", start, 0, "min", end=end)
        for name, signal, unit in _NIGHT:
            if name in entry:
                self.samples.add(signal, start, entry[name], unit, end=end)
        for code, begin, seconds in runs(entry.get("sleep_phase_5_min") or ""):
            for signal in STAGES.get(code, ()):
                self.samples.add(signal, later(start, begin), 0, "min", seconds=seconds)
        self._series(entry.get("heart_rate"), "heart_rate", "bpm")
        self._series(entry.get("hrv"), "hrv_rmssd", "ms")

    def _session(self, entry: dict[str, Any]) -> None:
        self._series(entry.get("heart_rate"), "heart_rate", "bpm")
        self._series(entry.get("heart_rate_variability"), "hrv_rmssd", "ms")

    def _series(self, series: Any, signal: str, unit: str) -> None:
        if isinstance(series, dict):
            interval = float(series.get("interval") or 0)
            for index, value in enumerate(series.get("items") or ()):
                self.samples.add(signal, later(series.get("timestamp"), index * interval), value, unit)

    def _heart_rate(self, entry: dict[str, Any]) -> None:
        self.in_utc.add("heart_rate", _in_utc(entry["timestamp"]), entry["bpm"], "bpm")

    def _temperature(self, entry: dict[str, Any]) -> None:
        self.in_utc.add("skin_temperature", _in_utc(entry["timestamp"]), entry["skin_temp"], "°C")

    def _activity(self, entry: dict[str, Any]) -> None:
        for name, signal, unit in _ACTIVITY:
            if name in entry:
                self.samples.add(signal, _start_of(entry), entry[name], unit, seconds=_DAY)

    def _readiness(self, entry: dict[str, Any]) -> None:
        for name, signal, unit in _READINESS:
            if name in entry:
                self.samples.add(signal, _start_of(entry), entry[name], unit)

    def _oxygen(self, entry: dict[str, Any]) -> None:
        share = entry["spo2_percentage"]
        average = share.get("average") if isinstance(share, dict) else None
        self.samples.add("daily_oxygen_saturation", entry.get("day"), average or None, "%")

    def _oxygen_uptake(self, entry: dict[str, Any]) -> None:
        self.samples.add("vo2_max", _start_of(entry), entry["vo2_max"], "mL/kg/min")

    def _sleep_score(self, entry: dict[str, Any]) -> None:
        self.samples.add("sleep_score", _start_of(entry), entry["score"], "score")

    def _workout(self, entry: dict[str, Any]) -> None:
        start, end = entry["start_datetime"], entry.get("end_datetime")
        self.samples.add("workout", start, _seconds(start, end), "s", end=end)


def _start_of(entry: dict[str, Any]) -> Any:
    """Return where a day begins on its own clock; ``+00:00`` is written for every place, and is no place."""
    start = entry.get("timestamp") or entry.get("day")
    return re.sub(r"(Z|\+00:00)$", "", start) if isinstance(start, str) else start


def _in_utc(text: Any) -> Any:
    """Return a heart rate's time: ``+00:00`` is UTC without a place, as ``Z`` is."""
    return f"{text[:-6]}Z" if isinstance(text, str) and text.endswith("+00:00") else text


def _seconds(start: Any, end: Any) -> float | None:
    try:
        return (datetime.fromisoformat(end) - datetime.fromisoformat(start)).total_seconds()
    except (TypeError, ValueError):
        return None


def runs(phases: str) -> Iterator[tuple[str, float, float]]:
    """Return ``(stage, seconds after the start, length in seconds)`` of each run of equal 5-minute stages."""
    begin = 0
    for index in range(1, len(phases) + 1):
        if index == len(phases) or phases[index] != phases[begin]:
            yield phases[begin], begin * _STAGE_SECONDS, (index - begin) * _STAGE_SECONDS
            begin = index


def later(start: Any, seconds: float) -> str | None:
    """Return a time so many seconds after an ISO 8601 text; ``None`` where that is no time."""
    try:
        return (datetime.fromisoformat(start) + timedelta(seconds=seconds)).isoformat()
    except (TypeError, ValueError, OverflowError):
        return None
