"""Oura: documents of the API v2 (``{"data": [...]}``), and files that hold several collections by name.

A sleep carries its whole night: stages every 5 minutes, heart rate and HRV (RMSSD) at their own interval. Sleeps of
type ``deleted`` are not read; rests are not sleep. A day's summary starts at its midnight (or at the time it names)
and lasts a day; it is known only then.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from novamind.records.wearables.files import JSON_SUFFIXES, Context, ExportFile
from novamind.records.wearables.rows import Rows
from novamind.records.wearables.samples import Batch, Tally

MAKER = "Oura"
_DAY = 86_400
_STAGE_SECONDS = 300
_STAGES = {
    "1": ("sleep_asleep", "sleep_deep"),
    "2": ("sleep_asleep", "sleep_light"),
    "3": ("sleep_asleep", "sleep_rem"),
    "4": ("sleep_awake",),
}
_NIGHT = (
    ("total_sleep_duration", "sleep_duration", "s"),
    ("latency", "sleep_latency", "s"),
    ("efficiency", "sleep_efficiency", "%"),
    ("average_breath", "respiratory_rate", "breaths/min"),
    ("lowest_heart_rate", "resting_heart_rate", "bpm"),
)
#: A field that only documents of this collection have.
_MARKS = {
    "sleep": "bedtime_start",
    "heartrate": "bpm",
    "daily_activity": "equivalent_walking_distance",
    "daily_readiness": "temperature_deviation",
    "daily_spo2": "spo2_percentage",
    "vO2_max": "vo2_max",
}


def collection_of(document: Any) -> str | None:
    """Return the collection to which a document belongs, or ``None``."""
    if not isinstance(document, dict):
        return None
    return next((name for name, mark in _MARKS.items() if mark in document), None)


def recognised(file: ExportFile) -> bool:
    """Return whether a file holds documents of the API v2."""
    return file.suffix in JSON_SUFFIXES and document_recognised(file.document)


def batches(file: ExportFile, context: Context) -> Iterator[Batch]:
    """Return samples of one file."""
    yield from json_batches(file.path, file.document, context.tally)


def document_recognised(document: Any) -> bool:
    """Return whether a JSON document holds documents of the API v2."""
    return any(collection_of(entry) for entries in _collections(document) for entry in entries[:1])


def json_batches(file: str, document: Any, tally: Tally) -> Iterator[Batch]:
    """Return samples of one file."""
    rows = Rows(MAKER)
    number = 0
    for entries in _collections(document):
        for entry in entries:
            number += 1
            collection = collection_of(entry)
            if collection is None:
                tally.not_read("Oura document of another kind")
            else:
                _READ[collection](number, entry, rows)
    yield from rows.batches(file)


def _collections(document: Any) -> list[list[Any]]:
    if isinstance(document, list):
        return [document]
    if not isinstance(document, dict):
        return []
    values = [value.get("data") if isinstance(value, dict) else value for value in document.values()]
    return [value for value in values if isinstance(value, list) and value]


def _sleep(number: int, entry: dict[str, Any], rows: Rows) -> None:
    if entry.get("type") in ("deleted", "rest"):
        return
    start = entry.get("bedtime_start")
    rows.add(number, "sleep_in_bed", start, 0, "min", end=entry.get("bedtime_end"))
    for name, signal, unit in _NIGHT:
        if entry.get(name) is not None:
            rows.add(number, signal, start, entry[name], unit)
    for code, begin, seconds in _runs(entry.get("sleep_phase_5_min") or ""):
        for signal in _STAGES.get(code, ()):
            rows.add(number, signal, _later(start, begin), 0, "min", seconds=seconds)
    for name, signal, unit in (("heart_rate", "heart_rate", "bpm"), ("hrv", "hrv_rmssd", "ms")):
        samples = entry.get(name)
        if isinstance(samples, dict):
            for index, value in enumerate(samples.get("items") or ()):
                if value is not None:
                    at = _later(samples.get("timestamp"), index * float(samples.get("interval") or 0))
                    rows.add(number, signal, at, value, unit)


def _heart_rate(number: int, entry: dict[str, Any], rows: Rows) -> None:
    rows.add(number, "heart_rate", entry.get("timestamp"), entry.get("bpm"), "bpm")


def _activity(number: int, entry: dict[str, Any], rows: Rows) -> None:
    start = entry.get("timestamp") or entry.get("day")
    for name, signal, unit in (
        ("steps", "daily_steps", "count"),
        ("equivalent_walking_distance", "daily_distance", "m"),
        ("active_calories", "daily_active_energy", "kcal"),
        ("total_calories", "daily_total_energy", "kcal"),
    ):
        if entry.get(name) is not None:
            rows.add(number, signal, start, entry[name], unit, seconds=_DAY)


def _readiness(number: int, entry: dict[str, Any], rows: Rows) -> None:
    start = entry.get("timestamp") or entry.get("day")
    for name, signal, unit in (
        ("score", "readiness_score", "score"),
        ("temperature_deviation", "skin_temperature_deviation", "°C"),
    ):
        if entry.get(name) is not None:
            rows.add(number, signal, start, entry[name], unit)


def _oxygen(number: int, entry: dict[str, Any], rows: Rows) -> None:
    share = entry.get("spo2_percentage")
    if isinstance(share, dict) and share.get("average"):
        rows.add(number, "oxygen_saturation", entry.get("day"), share["average"], "%")


def _oxygen_uptake(number: int, entry: dict[str, Any], rows: Rows) -> None:
    if entry.get("vo2_max") is not None:
        rows.add(number, "vo2_max", entry.get("timestamp") or entry.get("day"), entry["vo2_max"], "mL/kg/min")


_READ = {
    "sleep": _sleep,
    "heartrate": _heart_rate,
    "daily_activity": _activity,
    "daily_readiness": _readiness,
    "daily_spo2": _oxygen,
    "vO2_max": _oxygen_uptake,
}


def _runs(phases: str) -> Iterator[tuple[str, float, float]]:
    """Return ``(stage, seconds after the start, length in seconds)`` of each run of equal stages."""
    begin = 0
    for index in range(1, len(phases) + 1):
        if index == len(phases) or phases[index] != phases[begin]:
            yield phases[begin], begin * _STAGE_SECONDS, (index - begin) * _STAGE_SECONDS
            begin = index


def _later(start: Any, seconds: float) -> str | None:
    try:
        return (datetime.fromisoformat(start) + timedelta(seconds=seconds)).isoformat()
    except (TypeError, ValueError, OverflowError):
        return None
