"""Oura's account export in the form of the API v1: ``{"sleep": [...], "activity": [...], "readiness": [...]}``.

Every document has a ``summary_date``: the day on which a night began, one day before the date that the app shows.

- A sleep starts at ``bedtime_start``, durations are in seconds; stages, heart rate and HRV (RMSSD) are one value in
  5 minutes, and zero where none could be measured.
- An activity lasts from ``day_start`` for a day.
- A readiness is known on the morning after its ``summary_date``; its place is that of the nights in the same file.

Source: Oura's documentation of the API v1 ("Sleep", "Activity", "Readiness").
"""

from collections.abc import Iterator
from datetime import date, timedelta
from functools import partial
from typing import Any

from novamind.records.wearables.entries import Entries
from novamind.records.wearables.files import JSON_SUFFIXES, Context, ExportFile
from novamind.records.wearables.json_files import moments
from novamind.records.wearables.offsets import Offsets
from novamind.records.wearables.oura import STAGES, later, runs
from novamind.records.wearables.samples import Batch, Tally

MAKER = "Oura (API v1)"

_SOURCE = "Oura"
_DAY = 86_400
_INTERVAL = 300
_NIGHT = (
    ("total", "sleep_duration", "s"),
    ("light", "sleep_light_duration", "s"),
    ("deep", "sleep_deep_duration", "s"),
    ("rem", "sleep_rem_duration", "s"),
    ("awake", "sleep_awake_duration", "s"),
    ("onset_latency", "sleep_latency", "s"),
    ("efficiency", "sleep_efficiency", "%"),
    ("score", "sleep_score", "score"),
    ("breath_average", "daily_respiratory_rate", "breaths/min"),
    ("hr_average", "daily_heart_rate", "bpm"),
    ("hr_lowest", "resting_heart_rate", "bpm"),
    ("rmssd", "daily_hrv_rmssd", "ms"),
    ("temperature_delta", "skin_temperature_deviation", "°C"),
    ("temperature_deviation", "skin_temperature_deviation", "°C"),
)
#: Zero stands where these were not measured.
_NEVER_ZERO = ("breath_average", "hr_average", "hr_lowest", "rmssd", "score")
_ACTIVITY = (
    ("steps", "daily_steps", "count"),
    ("daily_movement", "daily_distance", "m"),
    ("cal_active", "daily_active_energy", "kcal"),
    ("cal_total", "daily_total_energy", "kcal"),
)
_READINESS = (
    ("score", "readiness_score", "score"),
    ("temperature_deviation", "skin_temperature_deviation", "°C"),
)
_COLLECTIONS = ("sleep", "activity", "readiness")


def recognised(file: ExportFile) -> bool:
    """Return whether a file holds documents of the API v1."""
    return file.suffix in JSON_SUFFIXES and document_recognised(file.document)


def document_recognised(document: Any) -> bool:
    """Return whether a JSON document holds documents of the API v1."""
    return isinstance(document, dict) and any(
        isinstance(entries := document.get(name), list)
        and bool(entries)
        and isinstance(entries[0], dict)
        and "summary_date" in entries[0]
        for name in _COLLECTIONS
    )


def batches(file: ExportFile, context: Context) -> Iterator[Batch]:
    """Return samples of one file."""
    offsets = None if context.zone else Offsets(moments(_places(file.document)))
    for batch in json_batches(file.path, file.document, context.tally):
        if offsets is None or batch.clock == "offset":
            yield batch
        else:
            yield from offsets.placed(batch)


def json_batches(file: str, document: dict[str, Any], tally: Tally) -> Iterator[Batch]:
    """Return samples of one document."""
    samples = Entries(_SOURCE, file, tally)
    for name, entries in document.items():
        reader = _READ.get(name)
        if reader is not None:
            samples.read(entries, partial(reader, samples))
        elif isinstance(entries, list) and entries:
            samples.not_read("document of another kind", len(entries))
    yield from samples.batches()


def _sleep(samples: Entries, entry: dict[str, Any]) -> None:
    start, end = entry.get("bedtime_start"), entry.get("bedtime_end")
    samples.add("sleep_in_bed", start, 0, "min", end=end)
    for name, signal, unit in _NIGHT:
        if name in entry:
            value = entry[name] or None if name in _NEVER_ZERO else entry[name]
            samples.add(signal, start, value, unit, end=end)
    for code, begin, seconds in runs(entry.get("hypnogram_5min") or ""):
        for signal in STAGES.get(code, ()):
            samples.add(signal, later(start, begin), 0, "min", seconds=seconds)
    for name, signal, unit in (("hr_5min", "heart_rate", "bpm"), ("rmssd_5min", "hrv_rmssd", "ms")):
        for index, value in enumerate(entry.get(name) or ()):
            samples.add(signal, later(start, index * _INTERVAL), value or None, unit)


def _activity(samples: Entries, entry: dict[str, Any]) -> None:
    start = entry.get("day_start") or entry.get("summary_date")
    for name, signal, unit in _ACTIVITY:
        if name in entry:
            samples.add(signal, start, entry[name], unit, seconds=_DAY)


def _readiness(samples: Entries, entry: dict[str, Any]) -> None:
    morning = _next_day(entry.get("summary_date"))
    for name, signal, unit in _READINESS:
        if name in entry:
            samples.add(signal, morning, entry[name] or None if name in _NEVER_ZERO else entry[name], unit)


def _next_day(text: Any) -> str | None:
    try:
        return (date.fromisoformat(text) + timedelta(days=1)).isoformat()
    except (TypeError, ValueError, OverflowError):
        return None


def _places(document: dict[str, Any]) -> list[str | None]:
    entries = [entry for name in _COLLECTIONS for entry in document.get(name) or () if isinstance(entry, dict)]
    times = (entry.get(name) for entry in entries for name in ("bedtime_start", "bedtime_end", "day_start"))
    return [text for text in times if isinstance(text, str)]


_READ = {"sleep": _sleep, "activity": _activity, "readiness": _readiness}
