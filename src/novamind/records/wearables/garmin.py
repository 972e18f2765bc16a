"""Garmin FIT files: monitoring (a day on the wrist), sleep, HRV status and activities.

Read with fitdecode (MIT). What the files hold, and how it is read:

- Times count seconds in UTC. A file says the wall clock once (``local_timestamp`` of ``monitoring_info`` or
  ``activity``); its offset holds for the file. Where it is missing, a timezone must be given.
- ``timestamp_16`` is the last 16 bits of a time and follows the last full one (FIT SDK, "Time stamps").
- Steps, distance and active calories are counters for each activity type since local midnight; a row is what a
  counter gained since its own last reading. Steps and distance are laid on the time since the last row of any
  activity, energy on the time since energy was last written (a day's total where that was at midnight). A counter
  that falls was reset and counts from 0. Cycles of walking and running are pairs of steps.
- Times between beats (``hrv``) have no time of their own: the first follows the record before it, each next one the
  beat before.
- A row that is more than an hour later than any row behind it was stamped before the clock was set back: it is
  left out.
- Positions are not read.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import polars as pl

from novamind.errors import ValidationError
from novamind.records.wearables.files import Context, ExportFile
from novamind.records.wearables.fit_files import fit_files
from novamind.records.wearables.samples import Batch, Clock, Tally, frame_of

MAKER = "Garmin FIT"

_EPOCH = datetime(1989, 12, 31)  # noqa: DTZ001 - UTC without saying so, as everything in this module
_ROLLOVER = 1 << 16
_SLEEP_LEVELS = {
    "light": ("sleep_asleep", "sleep_light"),
    "deep": ("sleep_asleep", "sleep_deep"),
    "rem": ("sleep_asleep", "sleep_rem"),
    "awake": ("sleep_awake",),
}
#: ``(message, field): (signal, unit)`` for what is a level at a moment.
_LEVELS = {
    ("record", "heart_rate"): ("heart_rate", "bpm"),
    ("monitoring", "heart_rate"): ("heart_rate", "bpm"),
    ("monitoring_hr_data", "current_day_resting_heart_rate"): ("resting_heart_rate", "bpm"),
    ("respiration_rate", "respiration_rate"): ("respiratory_rate", "breaths/min"),
    ("spo2_data", "reading_spo2"): ("oxygen_saturation", "%"),
    ("stress_level", "stress_level_value"): ("stress_score", "score"),
    ("hrv_value", "value"): ("hrv_rmssd", "ms"),
    ("weight_scale", "weight"): ("weight", "kg"),
}
_COUNTERS = {"distance": ("distance", "m"), "active_calories": ("active_energy", "kcal")}
_ON_FOOT = ("walking", "running")
#: Messages about the file, its device and its settings, and sums of what stands in other messages.
_ABOUT = frozenset(
    ("file_id", "file_creator", "device_info", "device_settings", "software", "user_profile", "zones_target", "sport",
     "training_settings", "timestamp_correlation", "field_description", "developer_data_id", "monitoring_info",
     "monitoring", "stress_level", "activity", "session", "lap", "event", "sleep_level", "hrv_status_summary")
)  # fmt: skip
#: Beats follow each other; after a longer pause they start again at the clock.
_LONGEST_DRIFT = timedelta(seconds=5)
_BACKWARD = timedelta(hours=1)
#: Beats of five days; the arrays of a file that was made to take long hold more.
_MOST_ROWS = 1_000_000


def recognised(file: ExportFile) -> bool:
    """Return whether a file is a FIT file."""
    return file.suffix == ".fit"


def batches(file: ExportFile, context: Context) -> Iterator[Batch]:
    """Read one FIT file.

    Raises
    ------
    ValidationError
        The file is not a FIT file, is cut off, or fails its checksum.
    """
    import fitdecode

    parts, beyond = fit_files(file.read(), file.path)
    if beyond:
        context.tally.not_read("bytes behind the end of a FIT file", beyond)
    for part in parts:
        reading = _Reading(context.tally, file.path)
        try:
            with fitdecode.FitReader(
                part, error_handling=fitdecode.ErrorHandling.RAISE, check_crc=fitdecode.CrcCheck.RAISE
            ) as fit:
                for message in fit:
                    if isinstance(message, fitdecode.FitDataMessage):
                        reading.take(message.name, {f.name: f.value for f in message.fields if f.value is not None})
                    if len(reading) > _MOST_ROWS:
                        break
        except (fitdecode.FitError, ValueError, KeyError, IndexError, TypeError, OverflowError) as error:
            raise ValidationError(f"{file.path}: is not a whole FIT file: copy it from the device again") from error
        if len(reading) > _MOST_ROWS:
            raise ValidationError(f"{file.path}: holds more values than a device writes: give shorter recordings")
        if reading.messages == 0:
            raise ValidationError(f"{file.path}: is not a whole FIT file: it is empty")
        yield Batch(*reading.samples(file.path), file.path)


class _Reading:
    def __init__(self, tally: Tally, file: str = "") -> None:
        self._tally, self._file = tally, file
        self._rows: list[tuple[int, str, datetime, datetime, float, str]] = []
        self._now: datetime | None = None
        self._offset: int | None = None
        self._counters: dict[tuple[str, object], float] = {}
        self._monitored: datetime | None = None
        self._energy_read: datetime | None = None
        self._sleep: tuple[datetime, str] | None = None
        self._beat: datetime | None = None
        self._product = "Garmin"
        self.messages = 0

    def __len__(self) -> int:
        return len(self._rows)

    def take(self, message: str, fields: dict[str, Any]) -> None:
        self.messages += 1
        self._tell_time(fields)
        if message == "file_id" and fields.get("garmin_product"):
            self._product = f"Garmin {fields['garmin_product']}"
        if message in ("monitoring_info", "activity") and "local_timestamp" in fields and self._now is not None:
            ahead = (_plain(fields["local_timestamp"]) - self._now).total_seconds()
            self._offset = round(ahead / 900) * 900  # offsets are whole quarters of an hour
            if message == "monitoring_info":
                self._monitored = self._energy_read = self._now
        if self._now is None:
            return
        rows_before = len(self._rows)
        if message == "hrv":
            self._beats(fields.get("time"))
        if message == "sleep_level":
            self._stage(str(fields.get("sleep_level")))
        for (wanted, name), (signal, unit) in _LEVELS.items():
            if wanted == message and name in fields:
                self._level(signal, unit, fields[name], fields.get("stress_level_time"))
        if message == "monitoring":
            self._count(fields)
        if len(self._rows) == rows_before and message not in _ABOUT:
            documented = "that is not documented" if message.startswith("unknown") else message
            self._tally.not_read(f"FIT message {documented}")

    def samples(self, file: str) -> tuple[pl.DataFrame, Clock]:
        row, signal, start, end, value, unit = ([sample[column] for sample in self._rows] for column in range(6))
        frame = frame_of(
            {
                "row": row,
                "signal": signal,
                "start": start,
                "end": end,
                "value": value,
                "unit": unit,
                "source": [self._product] * len(row),
                "device": ["wearable"] * len(row),
                "offset": [self._offset] * len(row),
            }
        )
        frame = self._without_fast_clock(frame, file)
        return frame, "utc" if self._offset is None else "offset"

    def _tell_time(self, fields: dict[str, Any]) -> None:
        if "timestamp" in fields:
            self._now = _plain(fields["timestamp"])
        elif "timestamp_16" in fields and self._now is not None:
            seconds = int((self._now - _EPOCH).total_seconds())
            self._now += timedelta(seconds=(int(fields["timestamp_16"]) - seconds) % _ROLLOVER)

    def _level(self, signal: str, unit: str, value: Any, moment: Any) -> None:
        at = _plain(moment) if moment is not None else self._now
        if signal == "stress_score" and value < 0:  # the maker's codes for "could not be measured"
            self._tally.no_value(signal, self.messages, self._file)
            return
        for amount in value if isinstance(value, tuple) else (value,):
            if amount is not None:
                self._rows.append((self.messages, signal, at, at, float(amount), unit))  # type: ignore[arg-type]

    def _beats(self, intervals: Any) -> None:
        """Take times between beats, in seconds: they have no time of their own and follow each other."""
        now: datetime = self._now  # type: ignore[assignment]
        if self._beat is None or abs(self._beat - now) > _LONGEST_DRIFT:
            self._beat = now
        for interval in intervals if isinstance(intervals, tuple) else (intervals,):
            if interval is not None:  # a message has room for five
                self._beat += timedelta(seconds=float(interval))
                self._rows.append((self.messages, "rr_interval", self._beat, self._beat, float(interval), "s"))

    def _count(self, fields: dict[str, Any]) -> None:
        now: datetime = self._now  # type: ignore[assignment]
        activity = fields.get("activity_type")
        amounts = {name: (*_COUNTERS[name], fields[name]) for name in _COUNTERS if name in fields}
        if "steps" in fields:
            amounts["steps"] = ("steps", "count", fields["steps"])
        elif "cycles" in fields and activity in _ON_FOOT:
            amounts["steps"] = ("steps", "count", 2 * fields["cycles"])
        for name, (signal, unit, reading) in amounts.items():
            gained = float(reading) - self._counters.get((name, activity), 0.0)
            if gained < 0:  # reset at midnight
                gained = float(reading)
            self._counters[name, activity] = float(reading)
            # Energy is written now and then; what is counted on foot, whenever the activity changes.
            start = self._energy_read if name == "active_calories" else self._monitored
            if self._rows and self._rows[-1][1] == signal and self._rows[-1][3] == now:
                *before, total, _ = self._rows.pop()
                self._rows.append((*before, total + gained, unit))  # type: ignore[arg-type]
            elif gained > 0:
                self._rows.append((self.messages, signal, start or now, now, gained, unit))
        if "active_calories" in amounts:
            self._energy_read = now
        self._monitored = now

    def _stage(self, level: str) -> None:
        now: datetime = self._now  # type: ignore[assignment]
        if self._sleep is not None:
            since, before = self._sleep
            for signal in _SLEEP_LEVELS.get(before, ()):
                self._rows.append((self.messages, signal, since, now, 0.0, "min"))
        self._sleep = (now, level)

    def _without_fast_clock(self, frame: pl.DataFrame, file: str) -> pl.DataFrame:
        if not len(frame):
            return frame
        at = frame["end"].to_numpy().astype("datetime64[us]")
        earliest_behind = np.minimum.accumulate(at[::-1])[::-1]
        fast = pl.Series(at > earliest_behind + np.timedelta64(_BACKWARD))
        if fast.any():
            self._tally.rows_read += int(fast.sum())
            self._tally.leave_out(frame.filter(fast), "later than what follows: the clock was set back", file)
        return frame.filter(~fast)


def _plain(moment: datetime) -> datetime:
    return moment.replace(tzinfo=None)
