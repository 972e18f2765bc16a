"""Withings' API: answers as they are, or those that a connector joined.

Their lists are ``measuregrps``, ``activities`` and ``series`` (nights). Moments are seconds since 1970 in UTC, and
``timezone`` names the place; a day is a date there. A measure is ``value`` times ten to the power of ``unit``, of a
numbered type. Source: Withings' API reference ("Measure - Getmeas", "Sleep v2 -
Getsummary", "Measure v2 - Getactivity").
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

from novamind.errors import ValidationError
from novamind.records.wearables.entries import Entries
from novamind.records.wearables.files import JSON_SUFFIXES, Context, ExportFile
from novamind.records.wearables.samples import Batch
from novamind.timeline import parse_timezone

MAKER = "Withings (API)"

_SOURCE = "Withings"
_DAY = 86_400
_TYPES = {
    1: ("weight", "kg"),
    6: ("body_fat", "%"),
    9: ("blood_pressure_diastolic", "mmHg"),
    10: ("blood_pressure_systolic", "mmHg"),
    11: ("heart_rate", "bpm"),
    12: ("body_temperature", "°C"),
    54: ("oxygen_saturation", "%"),
    71: ("body_temperature", "°C"),
    73: ("skin_temperature", "°C"),
}
_NIGHT = {
    "total_sleep_time": ("sleep_duration", "s"),
    "lightsleepduration": ("sleep_light_duration", "s"),
    "deepsleepduration": ("sleep_deep_duration", "s"),
    "remsleepduration": ("sleep_rem_duration", "s"),
    "wakeupduration": ("sleep_awake_duration", "s"),
    "sleep_latency": ("sleep_latency", "s"),
    "sleep_efficiency": ("sleep_efficiency", "fraction"),
    "sleep_score": ("sleep_score", "score"),
    "hr_average": ("daily_heart_rate", "bpm"),
    "rr_average": ("daily_respiratory_rate", "breaths/min"),
}
_ACTIVITY = {
    "steps": ("daily_steps", "count"),
    "distance": ("daily_distance", "m"),
    "calories": ("daily_active_energy", "kcal"),
    "totalcalories": ("daily_total_energy", "kcal"),
}
_TYPED_IN = (2, 4)  # ``attrib``: the person typed the values in

_DESCRIBING = ("grpid", "category", "created", "modified", "brand", "model", "deviceid")


def recognised(file: ExportFile) -> bool:
    """Return whether a file is an answer of the API."""
    return file.suffix in JSON_SUFFIXES and _body(file.document) is not None


def batches(file: ExportFile, context: Context) -> Iterator[Batch]:
    """Return samples of one answer."""
    body = _body(file.document) or {}
    zone = body.get("timezone")
    samples, typed_in = (Entries(_SOURCE, file.path, context.tally, device) for device in ("wearable", "manual"))
    samples.read(body.get("measuregrps"), partial(_measures, samples, typed_in, zone), _DESCRIBING)
    samples.read(body.get("activities"), partial(_activity, samples, zone), _DESCRIBING)
    samples.read(body.get("series"), partial(_night, samples, zone), _DESCRIBING)
    yield from samples.batches()
    yield from typed_in.batches()


def _body(document: Any) -> dict[str, Any] | None:
    if not isinstance(document, dict):
        return None
    body = document.get("body") if isinstance(document.get("body"), dict) and "status" in document else document
    if not isinstance(body, dict):
        return None
    marks = {"measuregrps": "measures", "activities": "brand", "series": "enddate"}
    lists = [(body[key], mark) for key, mark in marks.items() if isinstance(body.get(key), list)]
    if len(lists) == len(marks) and not any(entries for entries, _ in lists):
        return body  # what a connector joined, without a document
    filled = [(entries, mark) for entries, mark in lists if entries]
    return body if any(isinstance(entries[0], dict) and mark in entries[0] for entries, mark in filled) else None


def _at(seconds: Any, zone: Any) -> str | None:
    """Return a moment on the clock of its place, as ISO 8601; in UTC where the place is not named."""
    if not isinstance(seconds, int | float):
        return None
    moment = datetime.fromtimestamp(seconds, UTC)
    place = _zone(zone)
    return moment.isoformat().replace("+00:00", "Z") if place is None else moment.astimezone(place).isoformat()


def _zone(name: Any) -> ZoneInfo | None:
    try:
        return parse_timezone(name) if isinstance(name, str) else None
    except ValidationError:
        return None


def _measures(samples: Entries, typed_in: Entries, account_zone: Any, group: dict[str, Any]) -> None:
    owner = typed_in if group.get("attrib") in _TYPED_IN else samples
    typed_in.number = samples.number
    start = _at(group.get("date"), group.get("timezone") or account_zone)
    for measure in group.get("measures") or ():
        signal, unit = _TYPES.get(measure.get("type"), (None, ""))
        if signal is None:
            samples.not_read("measure of another kind")
        else:
            owner.add(signal, start, measure["value"] * 10.0 ** measure["unit"], unit)


def _activity(samples: Entries, account_zone: Any, day: dict[str, Any]) -> None:
    place = _zone(day.get("timezone") or account_zone)
    start = day.get("date")
    if place is not None and isinstance(start, str):
        start = datetime.fromisoformat(start).replace(tzinfo=place).isoformat()
    for name, (signal, unit) in _ACTIVITY.items():
        if name in day:
            samples.add(signal, start, day[name], unit, seconds=_DAY)


def _night(samples: Entries, account_zone: Any, night: dict[str, Any]) -> None:
    zone = night.get("timezone") or account_zone
    start, end = (_at(night.get(name), zone) for name in ("startdate", "enddate"))
    samples.add("sleep_in_bed", start, 0, "min", end=end)
    for name, (signal, unit) in _NIGHT.items():
        if name in night.get("data", {}):
            samples.add(signal, start, night["data"][name], unit, end=end)
    for name in night.get("data", {}).keys() - _NIGHT.keys():
        samples.not_read(name)
