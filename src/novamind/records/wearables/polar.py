"""Polar Flow's account export: a JSON file for each day or kind, as ``activity-<day>-...`` and ``sleep_result_...``.

Polar documents the fields of its API, which the export repeats, and not the export itself; its layout is that which
public readers of it agree on (AccessLink API; FitFreed's reference of the export, 2026).

- Days and their samples are on the wall clock, without a zone; sleeps have the offset of the place, which is that of
  the days near them.
- ``sleep_result``: durations as ISO 8601 (``PT7H2M``); the states of a hypnogram last until the next one, and the last
  one to the end. Non-REM 1 and 2 are light sleep, 3 is deep.
- ``nightly_recovery``: known in the morning of ``night``; intervals in ms. Details of it have no date: not read.
- A training session's ``timezoneOffset...`` is in minutes; where it is missing the place is not known.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from functools import partial
from itertools import pairwise
from typing import Any

import polars as pl

from novamind.errors import ValidationError
from novamind.records.wearables.columns import text_of
from novamind.records.wearables.entries import Entries
from novamind.records.wearables.files import Context, ExportFile
from novamind.records.wearables.offsets import placed, times_in
from novamind.records.wearables.samples import Batch

MAKER = "Polar"

_KIND = re.compile(
    r"(activity|247ohr|ppi_samples|sleep_result|sleep_score|nightly_recovery_blob|nightly_recovery|training-session"
    r"|account-data|account-profile|calendar-items|favourite-targets|fitness-test-results|orthostatic-test-result"
    r"|products-devices|programs-[a-z]+|sport-profiles|training-target)[-_].+\.json$"
)
_DAY_SECONDS = 86_400
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
    samples = Entries(MAKER, file.path, context.tally)
    document = file.document
    samples.read(document if isinstance(document, list) else [document], partial(reader, samples))
    yield from placed(samples.batches(), file, context, MAKER, _times)


def _times(file: ExportFile) -> pl.DataFrame:
    return times_in(text_of(file.read()) if recognised(file) else "")


def _activity(samples: Entries, document: dict[str, Any]) -> None:
    day, details, summary = document["date"], document.get("samples") or {}, document.get("summary") or {}
    steps = [(f"{day}T{step.get('localTime')}", step.get("value")) for step in details.get("steps") or ()]
    seconds = _spacing([_moment(start) for start, _ in steps])
    for start, value in steps:
        samples.add("steps", start, value, "count", seconds=seconds)
    samples.add("daily_steps", day, summary.get("stepCount"), "count", seconds=_DAY_SECONDS)
    for name in ("mets", "metSources"):
        if details.get(name):
            samples.not_read(name, len(details[name]))
    for name in ("calories", "stepsDistance", "sleepQuality", "sleepDuration", "dailyMetMinutes"):
        if summary.get(name) is not None:
            samples.not_read(name)


def _heart_rates(samples: Entries, document: dict[str, Any]) -> None:
    for day in document["deviceDays"]:
        for sample in day.get("samples") or ():
            at = _later(day.get("date"), sample.get("secondsFromDayStart"))
            samples.add("heart_rate", at, sample.get("heartRate") or None, "bpm")


def _beats(samples: Entries, day: dict[str, Any]) -> None:
    for device in day.get("devicePpiSamplesList") or ():
        for beat in device.get("ppiSamples") or ():
            samples.add("rr_interval", beat.get("sampleDateTime"), beat.get("pulseLength") or None, "ms")


def _sleep(samples: Entries, entry: dict[str, Any]) -> None:
    evaluation = entry.get("evaluation") or {}
    hypnogram = (entry.get("sleepResult") or {}).get("hypnogram") or {}
    start, end = hypnogram.get("sleepStart"), hypnogram.get("sleepEnd")
    efficiency = (evaluation.get("analysis") or {}).get("efficiencyPercent")
    phases = evaluation.get("phaseDurations") or {}
    samples.add("sleep_in_bed", start, 0, "min", end=end)
    samples.add("sleep_duration", start, _seconds(evaluation.get("asleepDuration")), "s", end=end)
    samples.add("sleep_efficiency", start, efficiency, "%", end=end)
    for name, signal in _PHASES.items():
        if name in phases:
            samples.add(signal, start, _seconds(phases[name]), "s", end=end)
    _states(samples, hypnogram)


def _states(samples: Entries, hypnogram: dict[str, Any]) -> None:
    start, end = _moment(hypnogram.get("sleepStart")), _moment(hypnogram.get("sleepEnd"))
    if start is None or end is None:
        return
    changes = [
        (start + timedelta(seconds=offset), str(change.get("state")).upper())
        for change in hypnogram.get("sleepStateChanges") or ()
        if (offset := _seconds(change.get("offsetFromStart"))) is not None
    ]
    changes = [(at, state) for at, state in changes if at < end]  # some exports close with a waking behind the end
    for (at, state), (until, _) in pairwise([*changes, (end, "")]):
        for signal in _STATES.get(state, ()):
            samples.add(signal, at.isoformat(), 0, "min", end=until.isoformat())
        if state not in _STATES:
            samples.not_read("state of sleep of another kind")


def _score(samples: Entries, entry: dict[str, Any]) -> None:
    samples.add("sleep_score", entry.get("night"), (entry.get("sleepScoreResult") or {}).get("sleepScore"), "score")


def _recovery(samples: Entries, entry: dict[str, Any]) -> None:
    night, beat, breath = (
        entry.get(name) for name in ("night", "meanNightlyRecoveryRri", "meanNightlyRecoveryRespirationInterval")
    )
    samples.add("daily_heart_rate", night, 60_000 / beat if beat else None, "bpm")
    samples.add("daily_hrv_rmssd", night, entry.get("meanNightlyRecoveryRmssd") or None, "ms")
    samples.add("daily_respiratory_rate", night, 60_000 / breath if breath else None, "breaths/min")


def _training(samples: Entries, document: dict[str, Any]) -> None:
    length = document.get("durationMillis")
    seconds = _seconds(document.get("duration")) if length is None else length / 1_000
    samples.add("workout", _placed(document, document.get("startTime")), seconds, "s", seconds=seconds or 0)
    for exercise in document.get("exercises") or ():
        series = (exercise.get("samples") or {}).get("samples")
        for part in series if isinstance(series, list) else ():
            values = part.get("values") or ()
            if "HEART_RATE" not in str(part.get("type")):
                samples.not_read("series of another kind", len(values))
                continue
            step = float(part.get("intervalMillis") or 0) / 1_000
            for place, value in enumerate(values):
                at = _placed(exercise, _later(exercise.get("startTime"), place * step))
                samples.add("heart_rate", at, None if value in ("NaN", 0) else value, "bpm")


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


_READ: Mapping[str, Callable[[Entries, Any], None]] = {
    "activity": _activity,
    "247ohr": _heart_rates,
    "ppi_samples": _beats,
    "sleep_result": _sleep,
    "sleep_score": _score,
    "nightly_recovery": _recovery,
    "training-session": _training,
}
