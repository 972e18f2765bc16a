"""Open mHealth and IEEE 1752.1 data points: one, a list, or one a line; with or without their header.

The key in the body names the measure; ``effective_time_frame`` is a moment or an interval given by two of start,
end and duration. Blood pressure and sleep carry several measures in one point. A ``descriptive_statistic`` says what a
value is of others: a mean is a level, a greatest or smallest one is none. A header says who is meant
(``user_id`` is not kept) and what measured (``modality`` self-reported: typed in by hand).
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from novamind.records.signals import SIGNALS
from novamind.records.wearables.files import JSON_SUFFIXES, Context, ExportFile
from novamind.records.wearables.json_files import number
from novamind.records.wearables.rows import Rows
from novamind.records.wearables.samples import Batch, Tally

MAKER = "Open mHealth"

_SIGNAL_OF = {
    "heart_rate": "heart_rate",
    "respiratory_rate": "respiratory_rate",
    "rr_interval": "rr_interval",
    "oxygen_saturation": "oxygen_saturation",
    "body_temperature": "body_temperature",
    "skin_temperature": "skin_temperature",
    "step_count": "steps",
    "distance": "distance",
    "kcal_burned": "active_energy",
    "calories_burned": "active_energy",
    "total_sleep_time": "sleep_duration",
    "sleep_duration": "sleep_duration",
    "light_sleep_duration": "sleep_light_duration",
    "deep_sleep_duration": "sleep_deep_duration",
    "rem_sleep_duration": "sleep_rem_duration",
    "total_wake_time": "sleep_awake_duration",
    "latency_to_sleep_onset": "sleep_latency",
    "sleep_maintenance_efficiency_percentage": "sleep_efficiency",
    "systolic_blood_pressure": "blood_pressure_systolic",
    "diastolic_blood_pressure": "blood_pressure_diastolic",
    "body_weight": "weight",
    "blood_glucose": "blood_glucose",
    "body_fat_percentage": "body_fat",
    "ambient_light": "illuminance",
}
#: What a point may say of the values that it stands for; a greatest one, say, is no level.
_STATISTICS = {"mean": (None, "average", "mean", "median"), "sum": (None, "sum", "total", "count")}
_SECONDS = {"s": 1, "sec": 1, "min": 60, "h": 3_600, "d": 86_400, "ms": 0.001}
_WHOLE_SLEEP = ("latency_to_sleep_onset", "wake_after_sleep_onset")


def recognised(file: ExportFile) -> bool:
    """Return whether a file holds data points."""
    return file.suffix in JSON_SUFFIXES and document_recognised(file.document)


def batches(file: ExportFile, context: Context) -> Iterator[Batch]:
    """Return samples of one file."""
    yield from json_batches(file.path, file.document, context.tally)


def document_recognised(document: Any) -> bool:
    """Return whether a JSON document holds data points."""
    points = document if isinstance(document, list) else [document]
    return bool(points) and isinstance(_body(points[0]), dict) and "effective_time_frame" in _body(points[0])


def json_batches(file: str, document: Any, tally: Tally) -> Iterator[Batch]:
    """Return samples of one file."""
    sources: dict[tuple[str, str], Rows] = {}
    for row, point in enumerate(document if isinstance(document, list) else [document], start=1):
        body = _body(point)
        if not isinstance(body, dict) or not isinstance(body.get("effective_time_frame"), dict):
            tally.not_read("Open mHealth point without time frame")
            continue
        name, device = _origin(point)
        rows = sources.setdefault((name, device), Rows(name, device))
        start, end = _time_frame(body["effective_time_frame"])
        measures = [key for key in body if key in _SIGNAL_OF]
        if any(key in body for key in _WHOLE_SLEEP):
            rows.add(row, "sleep_in_bed", start, 0, "min", end=end)
        elif not measures:
            tally.not_read("Open mHealth measure of another kind")
        statistic = body.get("descriptive_statistic")
        for key in measures:
            value, unit = _measured(body[key])
            signal = _SIGNAL_OF[key]
            if statistic not in _STATISTICS[SIGNALS[signal].aggregation]:
                tally.not_read(f"Open mHealth {str(statistic)[:60]} of several values")
            elif value is None:
                tally.no_value(signal, row, file)
            else:
                # With its end, an average of many days is left out as longer than one.
                rows.add(row, signal, start, value, unit, end=end)
    for rows in sources.values():
        yield from rows.batches(file)


def _body(point: Any) -> Any:
    return point.get("body", point) if isinstance(point, dict) else None


def _origin(point: dict[str, Any]) -> tuple[str, str]:
    header = point.get("header")
    header = header if isinstance(header, dict) else {}
    provenance = header.get("acquisition_provenance")
    provenance = provenance if isinstance(provenance, dict) else {}
    modality = provenance.get("modality", header.get("modality"))
    name = provenance.get("source_name") or "Open mHealth"
    return str(name), "manual" if modality == "self-reported" else "wearable" if modality == "sensed" else "other"


def _measured(value: Any) -> tuple[Any, str]:
    if isinstance(value, dict):
        return value.get("value"), str(value.get("unit", ""))
    return value, "count"


def _time_frame(frame: dict[str, Any]) -> tuple[str | None, str | None]:
    if "date_time" in frame:
        return frame["date_time"], None
    interval = frame.get("time_interval")
    interval = interval if isinstance(interval, dict) else {}
    start, end = interval.get("start_date_time"), interval.get("end_date_time")
    duration = interval.get("duration") or {}
    amount = number(duration.get("value")) if isinstance(duration, dict) else None
    seconds = None if amount is None else amount * _SECONDS.get(str(duration.get("unit")), float("nan"))
    if end is None and start is not None and seconds is not None:
        end = _shifted(start, seconds)
    if start is None and end is not None and seconds is not None:
        start = _shifted(end, -seconds)
    return start, end


def _shifted(moment: Any, seconds: float) -> str | None:
    try:
        return (datetime.fromisoformat(moment) + timedelta(seconds=seconds)).isoformat()
    except (TypeError, ValueError, OverflowError):
        return None
