"""Garmin Connect: the account export (``DI_CONNECT/*.json``), and the tables that the web pages export.

- A day of ``UDSFile`` gives its start in UTC and on the wall clock: their difference is where the clock stood. Where
  only UTC is given, the day began at the midnight of ``calendarDate``.
- A day without steps and heart rate was not worn: energies are those of a body at rest, zeros are no measurement.
- A night of ``sleepData`` is in UTC; ``calendarDate`` is the day of waking, and that day of ``UDSFile`` has the clock.
  ``OFF_WRIST`` and ``UNCONFIRMED`` nights are the settings of the clock, or zeros: nothing was measured in them.
- ``userBioMetrics``: weights in grams; ``metaData.calendarDate`` is on the wall clock.
- ``summarizedActivities``: milliseconds, ``beginTimestamp`` in UTC and ``startTimeLocal`` on the wall clock.
- The web pages' tables are local. Read are activities and nights with full dates, ``2025-06-26`` or ``Jun 26, 2025``;
  distances have no unit, and are not read.
"""

import re
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

import polars as pl

from novamind.errors import ValidationError
from novamind.records.wearables.columns import Columns, table_of, text_of, timed
from novamind.records.wearables.entries import Entries
from novamind.records.wearables.files import Context, ExportFile
from novamind.records.wearables.samples import Batch

MAKER = "Garmin Connect"

_SOURCE = "Garmin"
_KIND = re.compile(r"(UDSFile|sleepData|userBioMetrics|summarizedActivities)", re.IGNORECASE)
_DAY = (
    ("totalSteps", "daily_steps", "count"),
    ("totalDistanceMeters", "daily_distance", "m"),
    ("activeKilocalories", "daily_active_energy", "kcal"),
    ("bmrKilocalories", "daily_basal_energy", "kcal"),
    ("totalKilocalories", "daily_total_energy", "kcal"),
    ("restingHeartRate", "resting_heart_rate", "bpm"),
    ("averageSpo2Value", "daily_oxygen_saturation", "%"),
)
_EXERCISE = ("moderateIntensityMinutes", "vigorousIntensityMinutes")
_STAGES = (
    ("lightSleepSeconds", "sleep_light_duration"),
    ("deepSleepSeconds", "sleep_deep_duration"),
    ("remSleepSeconds", "sleep_rem_duration"),
)
_WORN = ("totalSteps", "minHeartRate")
#: What describes a day, or repeats another value of it.
_DESCRIBING = (
    "source", "currentDayRestingHeartRate", "restingHeartRateTimestamp", "wellnessKilocalories",
    "wellnessTotalKilocalories", "wellnessActiveKilocalories", "wellnessDistanceMeters", "remainingKilocalories",
    "dailyStepGoal", "userFloorsAscendedGoal", "userIntensityMinutesGoal",
)  # fmt: skip
_NOT_MEASURED = ("OFF_WRIST", "UNCONFIRMED")
_NO_PLACE = "the export does not say where the clock stood on that day: give the timezone"
_ACTIVITIES = {"Activity Type", "Date", "Title", "Time"}
_NIGHT_HEADING = re.compile(r"Sleep Score \d+ (Day|Week|Month|Year)s?$")
_NIGHTS = {
    "Score": ("sleep_score", "score"),
    "Resting Heart Rate": ("resting_heart_rate", "bpm"),
    "Pulse Ox": ("daily_oxygen_saturation", "%"),
    "Respiration": ("daily_respiratory_rate", "breaths/min"),
    "HRV Status": ("daily_hrv_rmssd", "ms"),
}


def recognised(file: ExportFile) -> bool:
    """Return whether a file is of the account export, or a table of the web pages."""
    if file.suffix == ".json":
        in_export = "di_connect/" in file.path.lower() or "di-connect-" in file.path.lower()
        return in_export or bool(
            re.search(r"(^UDSFile_|_(sleepData|userBioMetrics|summarizedActivities)\.json$)", file.name)
        )
    return file.suffix == ".csv" and (
        set(_headings(file)) >= _ACTIVITIES or bool(_NIGHT_HEADING.match(_headings(file)[0]))
    )


def batches(file: ExportFile, context: Context) -> Iterator[Batch]:
    """Return samples of one file.

    Raises
    ------
    ValidationError
        It holds no signal that is read here.
    """
    if file.suffix == ".csv":
        yield from _table_batches(file, context)
        return
    kind = _KIND.search(file.name)
    document = file.document if kind else None
    if kind is None or not isinstance(document, list):
        raise ValidationError(f"{file.path}: holds no signal that is read here")
    export = _Export(file.path, context)
    yield from {
        "udsfile": export.days,
        "sleepdata": export.nights,
        "userbiometrics": export.biometrics,
        "summarizedactivities": export.workouts,
    }[kind[1].lower()](document)


class _Export:
    """Reads a file of the account export."""

    def __init__(self, file: str, context: Context) -> None:
        self._samples = Entries(_SOURCE, file, context.tally)
        self._typed_in = Entries(_SOURCE, file, context.tally, "manual")
        self._context = context
        self._places = _places(context)

    def days(self, document: list[Any]) -> Iterator[Batch]:
        self._samples.read(document, self._day, _DESCRIBING)
        yield from self._samples.batches()

    def nights(self, document: list[Any]) -> Iterator[Batch]:
        self._samples.read(document, self._night)
        yield from self._samples.batches(written_in_utc=True)

    def biometrics(self, document: list[Any]) -> Iterator[Batch]:
        self._samples.read(document, self._body, _DESCRIBING)
        yield from self._samples.batches()
        yield from self._typed_in.batches()

    def workouts(self, document: list[Any]) -> Iterator[Batch]:
        for part in document:
            self._samples.read(part.get("summarizedActivitiesExport"), self._workout)
        yield from self._samples.batches()

    def _day(self, day: dict[str, Any]) -> None:
        offset = _offset_of(day)
        midnight = _moment(day.get("wellnessStartTimeLocal")) or _moment(day.get("calendarDate"))
        start = _text(midnight, offset)
        seconds = float(day.get("durationInMilliseconds") or 86_400_000) / 1_000
        parts = (day.get("allDayStress") or {}).get("aggregatorList") or ()
        stress = next((part.get("averageStressLevel") for part in parts if part.get("type") == "TOTAL"), None)
        minutes = [day[name] for name in _EXERCISE if day.get(name) is not None]
        measures = [
            *((signal, day.get(name), unit) for name, signal, unit in _DAY),
            ("daily_exercise", sum(minutes) if minutes else None, "min"),
            ("daily_stress_score", stress, "score"),
        ]
        worn = any(value is not None for name, value in day.items() if name in _WORN)
        for signal, value, unit in measures:
            coded = signal == "daily_stress_score" and value is not None and value < 0
            if not worn or coded or value is not None:
                self._samples.add(signal, start, value if worn and not coded else None, unit, seconds=seconds)

    def _night(self, night: dict[str, Any]) -> None:
        asleep = sum(night.get(name) or 0 for name, _ in _STAGES)
        if night.get("sleepWindowConfirmationType") in _NOT_MEASURED or not asleep:
            self._samples.add("sleep_duration", None, None, "s")
            return
        offset = self._places.get(str(night.get("calendarDate")))
        if offset is None and self._without_place("sleep_duration"):
            return
        start, end = (
            _text(_later(_moment(night.get(f"sleep{side}TimestampGMT")), offset), offset) for side in ("Start", "End")
        )
        oxygen = night.get("spo2SleepSummary") or {}
        measures = [
            ("sleep_in_bed", 0, "min"),
            ("sleep_duration", asleep, "s"),
            *((signal, night.get(name), "s") for name, signal in _STAGES),
            ("sleep_awake_duration", night.get("awakeSleepSeconds"), "s"),
            ("sleep_score", (night.get("sleepScores") or {}).get("overallScore"), "score"),
            ("daily_respiratory_rate", night.get("averageRespiration"), "breaths/min"),
            ("daily_oxygen_saturation", oxygen.get("averageSPO2"), "%"),
            ("daily_heart_rate", oxygen.get("averageHR"), "bpm"),
        ]
        for signal, value, unit in measures:
            if value is not None:
                self._samples.add(signal, start, value, unit, end=end)

    def _body(self, entry: dict[str, Any]) -> None:
        local = _moment((entry.get("metaData") or {}).get("calendarDate"))
        offset = None if local is None else self._places.get(local.date().isoformat())
        weight, owner = entry.get("weight"), self._samples
        if isinstance(weight, dict) and weight.get("weight") is not None:
            in_utc = _moment(weight.get("timestampGMT"))
            if in_utc is not None and local is not None:
                offset = round((local - in_utc).total_seconds() / 900) * 900
            owner = self._typed_in if weight.get("sourceType") == "USER_SETTING" else owner
            signal, value, unit = "weight", weight["weight"], "g"
        elif entry.get("vo2MaxRunning") is not None:
            signal, value, unit = "vo2_max", entry["vo2MaxRunning"], "mL/kg/min"
        else:
            owner.not_read("biometrics of another kind")
            return
        if offset is not None or not self._without_place(signal):
            owner.number = self._samples.number
            owner.add(signal, _text(local, offset), value, unit)

    def _workout(self, workout: dict[str, Any]) -> None:
        start = _epoch(workout.get("beginTimestamp") or workout.get("startTimeGmt"), workout.get("startTimeLocal"))
        length = workout.get("duration")
        self._samples.add("workout", start, length, "ms", seconds=(length or 0) / 1_000)

    def _without_place(self, signal: str) -> bool:
        """Return whether a row is left out, since other days have their place and its own has none."""
        if not self._places or self._context.zone is not None:
            return False
        tally, number = self._context.tally, self._samples.number
        tally.no_value(signal, number, self._samples.file, reason=_NO_PLACE)
        return True


def _places(context: Context) -> dict[str, int]:
    """Return, for each local day of the export, how many seconds its clock was ahead of UTC."""
    if MAKER not in context.memory:
        places: dict[str, int] = {}
        for file in context.files:
            if file.suffix == ".json" and file.name.lower().startswith("udsfile"):
                with suppress(ValidationError):  # it is named when its own turn comes
                    for part in file.parts():
                        for day in part.document if isinstance(part.document, list) else ():
                            if isinstance(day, dict) and (offset := _offset_of(day)) is not None:
                                places[str(day.get("calendarDate"))] = offset
        context.memory[MAKER] = places
    by_day: dict[str, int] = context.memory[MAKER]
    return by_day


def _offset_of(day: dict[str, Any]) -> int | None:
    in_utc = _moment(day.get("wellnessStartTimeGmt"))
    local = _moment(day.get("wellnessStartTimeLocal")) or _moment(day.get("calendarDate"))
    if in_utc is None or local is None or abs(local - in_utc) > timedelta(hours=14):
        return None
    return round((local - in_utc).total_seconds() / 900) * 900


def _moment(text: Any) -> datetime | None:
    """Return ``2023-10-25T21:59:40.43`` as a time; fractions have one to three digits."""
    try:
        return datetime.fromisoformat(str(text).partition(".")[0])
    except ValueError:
        return None


def _later(moment: datetime | None, seconds: int | None) -> datetime | None:
    return moment if moment is None or seconds is None else moment + timedelta(seconds=seconds)


def _text(local: datetime | None, offset: int | None) -> str | None:
    """Return a wall-clock time as ISO 8601, with its offset where that is known."""
    if local is None or offset is None:
        return None if local is None else local.isoformat()
    hours, rest = divmod(abs(offset), 3_600)
    return f"{local.isoformat()}{'-' if offset < 0 else '+'}{hours:02d}:{rest // 60:02d}"


def _epoch(in_utc: Any, local: Any) -> str | None:
    """Return epoch milliseconds as the wall-clock time, with its offset."""
    epoch = datetime(1970, 1, 1)  # noqa: DTZ001 - in UTC
    if not isinstance(in_utc, int | float):
        return None
    if not isinstance(local, int | float):
        return f"{(epoch + timedelta(milliseconds=in_utc)).isoformat()}Z"
    return _text(epoch + timedelta(milliseconds=local), round((local - in_utc) / 900_000) * 900)


def _headings(file: ExportFile) -> list[str]:
    return [heading.strip(' "') for heading in file.head_text.partition("\n")[0].split(",")]


def _table_batches(file: ExportFile, context: Context) -> Iterator[Batch]:
    table = table_of(text_of(file.read()), file.path, context.tally)
    columns = Columns(file.path, _SOURCE, context.tally)
    if set(table.columns) >= _ACTIVITIES:
        rows = timed(table, table["Date"])
        columns.add_values(rows, _clock_minutes(pl.col("Time")), "workout", "min")
        columns.name_the_rest(table, ("Activity Type", "Date", "Favorite", "Title", "Time"))
    else:
        _web_nights(table, columns)
    yield from columns.batches("local")


def _web_nights(table: pl.DataFrame, columns: Columns) -> None:
    heading = table.columns[1]
    day = pl.coalesce(
        pl.col(heading).str.strip_chars().str.to_date(form, strict=False) for form in ("%Y-%m-%d", "%b %d, %Y")
    )
    bedtime, waking = (
        _clock(name) if name in table.columns else pl.lit(None, pl.Time) for name in ("Bedtime", "Wake Time")
    )
    evening = (bedtime.dt.hour() >= 12).fill_null(value=False)
    start = (day - pl.duration(days=evening.cast(pl.Int64))).dt.combine(bedtime.fill_null(pl.time(0)))
    end = day.dt.combine(waking)
    nights = table.with_columns(
        start.alias("start"), pl.coalesce(end, start).alias("end"), pl.lit(None, pl.Int32).alias("offset")
    ).with_columns(pl.col("start", "end").cast(pl.Datetime("us")))
    nights = (
        nights.with_columns(pl.col("HRV Status").str.replace(r"\s*ms$", ""))
        if "HRV Status" in table.columns
        else nights
    )
    columns.add_all(nights, _NIGHTS, zero_is_missing=True)
    if "Duration" in table.columns:
        text = pl.col("Duration")
        minutes = text.str.extract(r"(\d+)\s*h").cast(pl.Float64).fill_null(0.0) * 60
        minutes += text.str.extract(r"(\d+)\s*min").cast(pl.Float64).fill_null(0.0)
        columns.add_values(nights, pl.when(minutes > 0).then(minutes), "sleep_duration", "min")
        columns.ignore("Duration")
    slept = nights.filter(pl.col("end") > pl.col("start"))
    columns.add_spans(slept, "sleep_in_bed")
    columns.name_the_rest(table, (heading, "Bedtime", "Wake Time"))


def _clock(column: str) -> pl.Expr:
    """Return ``12:31 AM`` or ``23:10`` as a time of day."""
    text = pl.col(column).str.strip_chars().str.to_uppercase()
    return pl.coalesce(text.str.to_time(form, strict=False) for form in ("%I:%M %p", "%H:%M"))


def _clock_minutes(text: pl.Expr) -> pl.Expr:
    """Return ``00:57:17`` in minutes."""
    parts = text.str.extract_groups(r"^(\d+):(\d{2}):(\d{2}(?:\.\d+)?)$").struct
    hours, minutes, seconds = (parts.field(str(place)).cast(pl.Float64) for place in (1, 2, 3))
    return 60 * hours + minutes + seconds / 60
