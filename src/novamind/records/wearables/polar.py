"""Polar Flow's account export: a JSON file for each day or kind, as ``activity-<day>-...`` and ``sleep_result_...``.

Polar documents the fields of its API, which the export repeats, and not the export itself; its layout is that which
public readers of it agree on (AccessLink API; FitFreed's reference of the export, 2026).

- Days and their samples are on the wall clock, without a zone; sleeps have the offset of the place.
- ``sleep_result``: durations as ISO 8601 (``PT7H2M``); the states of a hypnogram last until the next one, and the last
  one to the end. Non-REM 1 and 2 are light sleep, 3 is deep.
- ``nightly_recovery``: known in the morning of ``night``; intervals in ms. Details of it have no date: not read.
- A training session's ``timezoneOffset...`` is in minutes; where it is missing the place is not known.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

from novamind.errors import ValidationError
from novamind.records.wearables.files import Context, ExportFile
from novamind.records.wearables.rows import Rows
from novamind.records.wearables.samples import Batch, Tally

MAKER = "Polar"

_KIND = re.compile(
    r"(activity|247ohr|ppi_samples|sleep_result|sleep_score|nightly_recovery_blob|nightly_recovery|training-session"
    r"|account-data|account-profile|calendar-items|favourite-targets|fitness-test-results|orthostatic-test-result"
    r"|products-devices|programs-[a-z]+|sport-profiles|training-target)[-_].+\.json$"
)
_DAY_SECONDS = 82_800
_STATES = {
    "WAKE": ("sleep_awake",),
    "REM": ("sleep_asleep", "sleep_rem"),
    "NONREM1": ("sleep_asleep", "sleep_light"),
    "NONREM2": ("sleep_asleep", "sleep_light"),
    "NONREM12": ("sleep_asleep", "sleep_light"),
    "NONREM3": ("sleep_asleep", "sleep_deep"),
}
_PHASES = {
    "light": "sleep_light_duration",
    "deep": "sleep_deep_duration",
    "rem": "sleep_rem_duration",
    "wake": "sleep_awake_duration",
}
_DURATION = re.compile(r"P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?)?$")


def recognised(file: ExportFile) -> bool:
    """Return whether a file is of Polar's account export: by its name, which ends in an identifier."""
    return bool(_KIND.match(file.name)) and bool(re.search(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", file.name))


def batches(file: ExportFile, context: Context) -> Iterator[Batch]:
    """Return samples of one file.

    Raises
    ------
    ValidationError
        It is of a kind that holds no signal.
    """
    kind = _KIND.match(file.name)
    reader = _READ.get(kind[1]) if kind else None
    if reader is None:
        raise ValidationError(f"{file.path}: holds no signal that is read here")
    rows = Rows(MAKER)
    reader(file.document, rows, context.tally, file.path)
    yield from rows.batches(file.path)


def _activity(document: dict[str, Any], rows: Rows, tally: Tally, file: str) -> None:
    day, samples, summary = document["date"], document.get("samples") or {}, document.get("summary") or {}
    steps = samples.get("steps") or []
    seconds = _spacing([_moment(f"{day}T{sample.get('localTime')}") for sample in steps])
    for number, sample in enumerate(steps, start=1):
        rows.add(number, "steps", f"{day}T{sample.get('localTime')}", sample.get("value"), "count", seconds=seconds)
    if summary.get("stepCount") is None:
        tally.no_value("daily_steps", 1, file)
    else:
        rows.add(1, "daily_steps", day, summary["stepCount"], "count", seconds=_DAY_SECONDS)
    for name in ("mets", "metSources"):
        if samples.get(name):
            tally.not_read(f"{MAKER} {name}", len(samples[name]))
    for name in ("calories", "stepsDistance", "sleepQuality", "sleepDuration", "dailyMetMinutes"):
        if summary.get(name) is not None:
            tally.not_read(f"{MAKER} {name}")


def _heart_rates(document: dict[str, Any], rows: Rows, tally: Tally, file: str) -> None:
    number = 0
    for day in document["deviceDays"]:
        for sample in day.get("samples") or ():
            number += 1
            rate = sample.get("heartRate")
            if not rate:
                tally.no_value("heart_rate", number, file)
            else:
                at = _later(day.get("date"), sample.get("secondsFromDayStart"))
                rows.add(number, "heart_rate", at, rate, "bpm")


def _beats(document: list[Any], rows: Rows, tally: Tally, file: str) -> None:
    number = 0
    for day in document:
        for device in day.get("devicePpiSamplesList") or ():
            for sample in device.get("ppiSamples") or ():
                number += 1
                if not sample.get("pulseLength"):
                    tally.no_value("rr_interval", number, file)
                else:
                    rows.add(number, "rr_interval", sample.get("sampleDateTime"), sample["pulseLength"], "ms")


def _sleeps(document: list[Any], rows: Rows, tally: Tally, file: str) -> None:
    for number, entry in enumerate(document, start=1):
        evaluation = entry.get("evaluation") or {}
        hypnogram = (entry.get("sleepResult") or {}).get("hypnogram") or {}
        start, end = hypnogram.get("sleepStart"), hypnogram.get("sleepEnd")
        rows.add(number, "sleep_in_bed", start, 0, "min", end=end)
        phases = evaluation.get("phaseDurations") or {}
        measures = [
            ("sleep_duration", _seconds(evaluation.get("asleepDuration")), "s"),
            ("sleep_efficiency", (evaluation.get("analysis") or {}).get("efficiencyPercent"), "%"),
            *((signal, _seconds(phases.get(name)), "s") for name, signal in _PHASES.items() if name in phases),
        ]
        for signal, value, unit in measures:
            if value is None:
                tally.no_value(signal, number, file)
            else:
                rows.add(number, signal, start, value, unit, end=end)
        _states(number, hypnogram, rows, tally)


def _states(number: int, hypnogram: dict[str, Any], rows: Rows, tally: Tally) -> None:
    start, end = _moment(hypnogram.get("sleepStart")), _moment(hypnogram.get("sleepEnd"))
    changes = [
        (start + timedelta(seconds=offset), str(change.get("state")).upper())
        for change in hypnogram.get("sleepStateChanges") or ()
        if start is not None and (offset := _seconds(change.get("offsetFromStart"))) is not None
    ]
    changes = [(at, state) for at, state in changes if end is not None and at < end]
    for place, (at, state) in enumerate(changes):
        until = changes[place + 1][0] if place + 1 < len(changes) else end
        for signal in _STATES.get(state, ()):
            rows.add(number, signal, at.isoformat(), 0, "min", end=None if until is None else until.isoformat())
        if state not in _STATES:
            tally.not_read(f"{MAKER} state of sleep of another kind")


def _scores(document: list[Any], rows: Rows, tally: Tally, file: str) -> None:
    for number, entry in enumerate(document, start=1):
        score = (entry.get("sleepScoreResult") or {}).get("sleepScore")
        if score is None:
            tally.no_value("sleep_score", number, file)
        else:
            rows.add(number, "sleep_score", entry.get("night"), score, "score")


def _recoveries(document: list[Any], rows: Rows, tally: Tally, file: str) -> None:
    for number, entry in enumerate(document, start=1):
        beat, breath = entry.get("meanNightlyRecoveryRri"), entry.get("meanNightlyRecoveryRespirationInterval")
        measures = (
            ("daily_heart_rate", 60_000 / beat if beat else None, "bpm"),
            ("daily_hrv_rmssd", entry.get("meanNightlyRecoveryRmssd") or None, "ms"),
            ("daily_respiratory_rate", 60_000 / breath if breath else None, "breaths/min"),
        )
        for signal, value, unit in measures:
            if value is None:
                tally.no_value(signal, number, file)
            else:
                rows.add(number, signal, entry.get("night"), value, unit)


def _training(document: dict[str, Any], rows: Rows, tally: Tally, file: str) -> None:
    length = document.get("durationMillis")
    seconds = _seconds(document.get("duration")) if length is None else length / 1_000
    rows.add(1, "workout", _placed(document, document.get("startTime")), seconds, "s", seconds=seconds or 0)
    number = 0
    for exercise in document.get("exercises") or ():
        series = (exercise.get("samples") or {}).get("samples") or ()
        for part in series if isinstance(series, list) else ():
            if "HEART_RATE" not in str(part.get("type")):
                tally.not_read(f"{MAKER} series of another kind", len(part.get("values") or ()))
                continue
            step = float(part.get("intervalMillis") or 0) / 1_000
            for place, value in enumerate(part.get("values") or ()):
                number += 1
                if value in (None, "NaN", 0):
                    tally.no_value("heart_rate", number, file)
                else:
                    at = _placed(exercise, _later(exercise.get("startTime"), place * step))
                    rows.add(number, "heart_rate", at, value, "bpm")


def _placed(document: dict[str, Any], local: Any) -> str | None:
    """Return a wall-clock time with the document's offset, where it has one."""
    minutes = document.get("timezoneOffsetMinutes", document.get("timezoneOffset"))
    if not isinstance(local, str) or not isinstance(minutes, int):
        return local if isinstance(local, str) else None
    return f"{local}{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02d}:{abs(minutes) % 60:02d}"


def _spacing(moments: list[datetime | None]) -> float:
    """Return the seconds between the two samples that are nearest to each other."""
    times = [moment for moment in moments if moment is not None]
    return min(((after - before).total_seconds() for before, after in pairwise(times) if after > before), default=0.0)


def _moment(text: Any) -> datetime | None:
    try:
        return datetime.fromisoformat(text)
    except (TypeError, ValueError):
        return None


def _later(start: Any, seconds: Any) -> str | None:
    moment = _moment(start)
    return None if moment is None or seconds is None else (moment + timedelta(seconds=float(seconds))).isoformat()


def _seconds(text: Any) -> float | None:
    """Return an ISO 8601 duration in seconds."""
    match = _DURATION.match(text) if isinstance(text, str) else None
    if match is None or text in ("P", "PT"):
        return None
    days, hours, minutes, seconds = (float(part or 0) for part in match.groups())
    return days * 86_400 + hours * 3_600 + minutes * 60 + seconds


_READ: Mapping[str, Callable[[Any, Rows, Tally, str], None]] = {
    "activity": _activity,
    "247ohr": _heart_rates,
    "ppi_samples": _beats,
    "sleep_result": _sleeps,
    "sleep_score": _scores,
    "nightly_recovery": _recoveries,
    "training-session": _training,
}
