"""The signals that wearables measure: name, unit, plausible range, how hours add up, and what is measured.

The range is what a living person's device can show, not what is healthy; a value outside is left out and
counted. ``aggregation`` says what two rows of one hour make together: ``sum`` (counts of an interval),
``interval`` (minutes spent in a state) or ``mean`` (a level). A daily total says nothing about the hours of the
day, so it is another signal (``daily_steps``) than the steps of a minute.

Ranges: heart rate and respiratory rate as in Apple's and Garmin's device limits (25 to 250 /min, 4 to 60 /min);
RR intervals are the inverse; oxygen saturation 50 to 100 % (ISO 80601-2-61 oximeters state their accuracy from
70 %); body temperature 25 to 45 °C; the others are our assumption, wide on purpose.
"""

from dataclasses import dataclass
from typing import Literal

from novamind.errors import NotFoundError

Aggregation = Literal["sum", "mean", "interval"]


@dataclass(frozen=True, slots=True)
class Signal:
    """One kind of measurement.

    Attributes
    ----------
    name, unit
        What it is called in every frame, and its one unit.
    low, high
        Smallest and largest plausible value of one row, inclusive, in ``unit``.
    aggregation
        What rows of one hour make together.
    meaning
        What is measured, for people.
    """

    name: str
    unit: str
    low: float
    high: float
    aggregation: Aggregation
    meaning: str


_MINUTES_OF_DAY = 26 * 60  # a night may hold the hour that autumn repeats

SIGNALS: dict[str, Signal] = {
    signal.name: signal
    for signal in (
        Signal("heart_rate", "bpm", 25, 250, "mean", "heart rate"),
        Signal("daily_heart_rate", "bpm", 25, 250, "mean", "mean heart rate of a night or day, by the maker"),
        Signal("resting_heart_rate", "bpm", 25, 150, "mean", "the day's heart rate at rest, by the maker's method"),
        Signal("walking_heart_rate", "bpm", 30, 220, "mean", "the day's mean heart rate while walking"),
        Signal("hrv_sdnn", "ms", 1, 400, "mean", "heart rate variability, SD of normal beat intervals"),
        Signal("hrv_rmssd", "ms", 1, 400, "mean", "heart rate variability, RMS of successive differences"),
        Signal("daily_hrv_rmssd", "ms", 1, 400, "mean", "the night's or day's RMSSD, by the maker"),
        Signal("rr_interval", "ms", 240, 2400, "mean", "time between two heart beats"),
        Signal("respiratory_rate", "breaths/min", 4, 60, "mean", "breaths per minute"),
        Signal("daily_respiratory_rate", "breaths/min", 4, 60, "mean", "mean breaths per minute of a night or day"),
        Signal("oxygen_saturation", "%", 50, 100, "mean", "oxygen saturation of the blood"),
        Signal("daily_oxygen_saturation", "%", 50, 100, "mean", "mean oxygen saturation of a night or day"),
        Signal("skin_temperature", "°C", 15, 45, "mean", "temperature of the skin"),
        Signal("daily_skin_temperature", "°C", 15, 45, "mean", "mean skin temperature of a night or day"),
        Signal("skin_temperature_deviation", "°C", -10, 10, "mean", "skin temperature against the own usual one"),
        Signal("body_temperature", "°C", 25, 45, "mean", "temperature of the body"),
        Signal("electrodermal_activity", "µS", 0, 100, "mean", "skin conductance"),
        Signal("stress_score", "score", 0, 100, "mean", "the maker's stress score, 0 to 100"),
        Signal("daily_stress_score", "score", 0, 100, "mean", "the day's mean of the maker's stress score"),
        Signal(
            "daily_stress_management_score", "score", 1, 100, "mean", "Fitbit's score of the day: more is less stress"
        ),
        Signal("mood_valence", "score", -1, 1, "mean", "how pleasant a moment was, by the person, -1 to 1"),
        Signal("daily_mood_valence", "score", -1, 1, "mean", "how pleasant the day was, by the person, -1 to 1"),
        Signal("readiness_score", "score", 0, 100, "mean", "the maker's readiness score, 0 to 100"),
        Signal("body_battery", "score", 0, 100, "mean", "the maker's energy score, 0 to 100"),
        Signal("vo2_max", "mL/kg/min", 5, 100, "mean", "estimated greatest oxygen uptake"),
        Signal("steps", "count", 0, 30_000, "sum", "steps in an interval"),
        Signal("daily_steps", "count", 0, 200_000, "sum", "steps of a whole day"),
        Signal("distance", "m", 0, 100_000, "sum", "distance walked or run in an interval"),
        Signal("daily_distance", "m", 0, 400_000, "sum", "distance of a whole day"),
        Signal("active_energy", "kcal", 0, 5_000, "sum", "energy spent on activity in an interval"),
        Signal("daily_active_energy", "kcal", 0, 20_000, "sum", "energy spent on activity in a whole day"),
        Signal("basal_energy", "kcal", 0, 3_000, "sum", "energy spent at rest in an interval"),
        Signal("daily_basal_energy", "kcal", 0, 10_000, "sum", "energy spent at rest in a whole day"),
        Signal("total_energy", "kcal", 0, 5_000, "sum", "all energy spent in an interval"),
        Signal("daily_total_energy", "kcal", 0, 20_000, "sum", "all energy spent in a whole day"),
        Signal("floors", "count", 0, 500, "sum", "floors climbed in an interval"),
        Signal("daily_floors", "count", 0, 2_000, "sum", "floors climbed in a whole day"),
        Signal("exercise", "min", 0, 1_560, "sum", "minutes of brisk activity in an interval"),
        Signal("daily_exercise", "min", 0, 1_560, "sum", "minutes of brisk activity of a whole day"),
        Signal("active_zone_minutes", "min", 0, 3_120, "sum", "minutes of raised heart rate, high ones counted twice"),
        Signal("sedentary", "min", 0, 1_560, "interval", "sitting or lying awake"),
        Signal("workout", "min", 0, 1_560, "sum", "minutes of a workout"),
        Signal("activity_counts", "count", 0, 1_000_000, "sum", "actigraph counts of an epoch, first (vertical) axis"),
        Signal("activity_counts_axis2", "count", 0, 1_000_000, "sum", "actigraph counts of an epoch, second axis"),
        Signal("activity_counts_axis3", "count", 0, 1_000_000, "sum", "actigraph counts of an epoch, third axis"),
        Signal("event_mark", "count", 0, 1, "sum", "the person pressed the device's button"),
        Signal("daylight", "min", 0, 1_560, "sum", "minutes in daylight in an interval"),
        Signal("sleep_asleep", "min", 0, _MINUTES_OF_DAY, "interval", "asleep, any stage"),
        Signal("sleep_in_bed", "min", 0, _MINUTES_OF_DAY, "interval", "in bed"),
        Signal("sleep_awake", "min", 0, _MINUTES_OF_DAY, "interval", "awake in bed"),
        Signal("sleep_light", "min", 0, _MINUTES_OF_DAY, "interval", "light (core) sleep"),
        Signal("sleep_deep", "min", 0, _MINUTES_OF_DAY, "interval", "deep sleep"),
        Signal("sleep_rem", "min", 0, _MINUTES_OF_DAY, "interval", "REM sleep"),
        Signal("sleep_duration", "min", 0, _MINUTES_OF_DAY, "mean", "the whole night's time asleep, one row a sleep"),
        Signal("daily_sleep_duration", "min", 0, _MINUTES_OF_DAY, "mean", "time asleep in all sleeps of a day"),
        Signal("daily_time_in_bed", "min", 0, _MINUTES_OF_DAY, "mean", "time in bed in all sleeps of a day"),
        Signal("sleep_light_duration", "min", 0, _MINUTES_OF_DAY, "mean", "the night's light sleep, one row a sleep"),
        Signal("sleep_deep_duration", "min", 0, _MINUTES_OF_DAY, "mean", "the night's deep sleep, one row a sleep"),
        Signal("sleep_rem_duration", "min", 0, _MINUTES_OF_DAY, "mean", "the night's REM sleep, one row a sleep"),
        Signal("sleep_awake_duration", "min", 0, _MINUTES_OF_DAY, "mean", "the night's time awake, one row a sleep"),
        Signal("sleep_latency", "min", 0, 600, "mean", "time from lying down to sleep, one row a sleep"),
        Signal("sleep_efficiency", "%", 0, 100, "mean", "share of the time in bed spent asleep, one row a sleep"),
        Signal("sleep_score", "score", 0, 100, "mean", "the maker's sleep score, 0 to 100, one row a sleep"),
        Signal("sound_level", "dB", 0, 140, "mean", "sound level around the person"),
        Signal("illuminance", "lx", 0, 200_000, "mean", "light at the device"),
        Signal("weight", "kg", 20, 400, "mean", "body weight"),
        Signal("body_fat", "%", 2, 75, "mean", "body fat"),
        Signal("blood_pressure_systolic", "mmHg", 50, 280, "mean", "systolic blood pressure"),
        Signal("blood_pressure_diastolic", "mmHg", 20, 180, "mean", "diastolic blood pressure"),
        Signal("blood_glucose", "mg/dL", 20, 700, "mean", "blood glucose"),
        Signal("journal_alcohol", "0/1", 0, 1, "mean", "any alcoholic drink that day, by the person's own answer"),
        Signal("journal_caffeine", "0/1", 0, 1, "mean", "any caffeine that day, by the person's own answer"),
        Signal("journal_cannabis", "0/1", 0, 1, "mean", "any cannabis that day, by the person's own answer"),
        Signal("journal_screen_in_bed", "0/1", 0, 1, "mean", "a screen in bed that day, by the person's own answer"),
    )
}

#: ``{canonical unit: {unit as written, lower case: (factor, shift)}}``: canonical = written * factor + shift.
_WRITTEN: dict[str, dict[str, tuple[float, float]]] = {
    "bpm": {"count/min": (1, 0), "beats/min": (1, 0), "/min": (1, 0), "count/s": (60, 0), "hz": (60, 0)},
    "ms": {"s": (1_000, 0), "sec": (1_000, 0)},
    "breaths/min": {"count/min": (1, 0), "bpm": (1, 0), "brpm": (1, 0), "/min": (1, 0)},
    "%": {"percent": (1, 0), "fraction": (100, 0)},
    "°C": {"degc": (1, 0), "c": (1, 0), "cel": (1, 0), "degf": (5 / 9, -160 / 9), "f": (5 / 9, -160 / 9),
           "°f": (5 / 9, -160 / 9), "[degf]": (5 / 9, -160 / 9), "k": (1, -273.15)},
    "count": {"steps": (1, 0), "floors": (1, 0), "{steps}": (1, 0), "{count}": (1, 0), "1": (1, 0)},
    "m": {"km": (1_000, 0), "cm": (0.01, 0), "mi": (1_609.344, 0), "ft": (0.3048, 0), "yd": (0.9144, 0),
          "in": (0.0254, 0)},
    "kcal": {"cal": (1, 0), "kj": (1 / 4.184, 0), "j": (1 / 4_184, 0)},  # a food calorie ("Cal") is a kilocalorie
    "min": {"s": (1 / 60, 0), "sec": (1 / 60, 0), "ms": (1 / 60_000, 0), "h": (60, 0), "hr": (60, 0)},
    "kg": {"lb": (0.45359237, 0), "lbs": (0.45359237, 0), "g": (0.001, 0), "st": (6.35029318, 0)},
    "mg/dL": {"mmol<180.15588000005408>/l": (18.015588, 0), "mmol/l": (18.015588, 0)},
    "mL/kg/min": {"ml/min·kg": (1, 0), "ml/(kg*min)": (1, 0)},
    "lx": {"lux": (1, 0)},
    "dB": {"dbaspl": (1, 0), "dba": (1, 0)},
    "µS": {"us": (1, 0), "microsiemens": (1, 0)},
}  # fmt: skip


def signal_named(name: str) -> Signal:
    """Return one signal by its name."""
    if name not in SIGNALS:
        raise NotFoundError("no wearable signal has that name: see novamind.records.wearables.SIGNALS")
    return SIGNALS[name]


def conversions() -> list[tuple[str, str, float, float]]:
    """Return every known ``(signal, unit as written in lower case, factor, shift)``."""
    rows = []
    for signal in SIGNALS.values():
        written = {signal.unit.lower(): (1.0, 0.0), **_WRITTEN.get(signal.unit, {})}
        rows += [(signal.name, unit, float(factor), float(shift)) for unit, (factor, shift) in written.items()]
    return rows


#: A sum over at least this long is a day's total.
DAILY_HOURS = 20


def daily_names() -> dict[str, str]:
    """Return signal to the name of its total over a whole day."""
    return {name: f"daily_{name}" for name in SIGNALS if f"daily_{name}" in SIGNALS}
