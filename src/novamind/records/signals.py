"""The vocabulary of signals: name, unit, plausible range, kind, codes, and how a written unit is brought to the one.

Every door uses it: wearable exports, tables, the clinic's REST and FHIR. The range is what a living person's device can
show, not what is healthy; a value outside is left out and counted. ``aggregation`` says what two rows of one hour make
together: ``sum`` (counts of an interval), ``interval`` (minutes spent in a state) or ``mean`` (a level). A daily total
says nothing about the hours of the day, so it is another signal (``daily_steps``) than the steps of a minute.

Ranges: heart rate and respiratory rate as in Apple's and Garmin's device limits (25 to 250 /min, 4 to 60 /min);
RR intervals are the inverse; oxygen saturation 50 to 100 % (ISO 80601-2-61 oximeters state their accuracy from
70 %); body temperature 25 to 45 °C; the others are our assumption, wide on purpose. Codes: LOINC (Regenstrief
Institute, loinc.org), of the vital signs profile of FHIR R4 and of the activity and sleep panels.
"""

import re
from dataclasses import dataclass
from typing import Literal

from novamind.errors import NotFoundError
from novamind.records.units import Conversion, conversion, ucum_code

Aggregation = Literal["sum", "mean", "interval"]
#: A moment; a span with a state or a sum; a sleep; a calendar day.
Kind = Literal["instant", "interval", "cumulative", "nightly", "daily"]


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

    @property
    def kind(self) -> Kind:
        """Return to what stretch of time a value belongs."""
        if self.name.startswith("daily_") or self.name in _DAILY:
            return "daily"
        if self.name in _NIGHTLY:
            return "nightly"
        return {"sum": "cumulative", "interval": "interval", "mean": "instant"}[self.aggregation]  # type: ignore[return-value]

    @property
    def loinc(self) -> tuple[str, ...]:
        """Return its LOINC codes, the one that is written first."""
        return _LOINC.get(self.name, ())

    @property
    def ucum(self) -> str:
        """Return the UCUM code of ``unit``."""
        return _UCUM[self.unit]

    def ucum_of(self, unit: str) -> str:
        """Return the UCUM code of a written unit of this signal; "" for a unit that does not fit it."""
        if unit == self.unit and self.kind == "daily" and self.aggregation == "sum":
            return f"{self.ucum.removeprefix('1')}/d"
        return self.ucum if unit == self.unit else ucum_code(unit) if self.conversion(unit) else ""

    @property
    def fitting_units(self) -> str:
        """Return the unit and a few others that are read, as a message names them."""
        return ", ".join(dict.fromkeys((self.unit, self.ucum, *_ALSO_READ.get(self.unit, ()))))

    def conversion(self, unit: str, *, coded: bool = False) -> Conversion | None:
        """Return how a value in a written unit is brought to the signal's own.

        Parameters
        ----------
        unit
            A UCUM code or a maker's spelling.
        coded
            Whether the text is given as a UCUM code. Without that ``cal`` may be a calorie or a kilocalorie, and is
            not read.

        Returns
        -------
        Conversion or None
            ``None`` where the unit measures something else.
        """
        if unit.strip() == self.unit:
            return Conversion(1.0)
        if unit.strip() == "cal" and not coded:
            return None
        per_day = _PER_DAY.search(unit.strip())
        if per_day and self.kind == "daily" and self.aggregation == "sum":  # so many in a day are a day's total
            unit = unit.strip()[: per_day.start()] or "1"
        way = conversion(unit, self.ucum, _MOLAR_MASS.get(self.name))
        if way is None or (self.ucum == "1" and way.factor < 1):  # a share is no count
            return None
        return Conversion(way.factor) if self.name in _DIFFERENCES else way


_NIGHTLY = frozenset({
    "sleep_duration", "sleep_light_duration", "sleep_deep_duration", "sleep_rem_duration", "sleep_awake_duration",
    "sleep_latency", "sleep_efficiency", "sleep_score", "skin_temperature_deviation",
})  # fmt: skip
_DAILY = frozenset({
    "resting_heart_rate", "walking_heart_rate", "readiness_score", "vo2_max", "journal_alcohol", "journal_caffeine",
    "journal_cannabis", "journal_screen_in_bed",
})  # fmt: skip
_PER_DAY = re.compile(r"(/| per )(d|day|\(24\.h\))$")
# A difference of temperatures has no zero to shift.
_DIFFERENCES = frozenset({"skin_temperature_deviation"})
# Grams in a mole: glucose, C6H12O6 by the standard atomic weights of IUPAC (2021).
_MOLAR_MASS = {"blood_glucose": 180.156}

_LOINC: dict[str, tuple[str, ...]] = {
    "heart_rate": ("8867-4",), "resting_heart_rate": ("40443-4",), "hrv_sdnn": ("80404-7",),
    "respiratory_rate": ("9279-1",), "oxygen_saturation": ("59408-5", "2708-6"), "body_temperature": ("8310-5",),
    "blood_pressure_systolic": ("8480-6",), "blood_pressure_diastolic": ("8462-4",),
    "weight": ("29463-7", "3141-9"), "height": ("8302-2",), "body_mass_index": ("39156-5",), "body_fat": ("41982-0",),
    "sleep_duration": ("93832-4",), "sleep_light_duration": ("93830-8",), "sleep_deep_duration": ("93831-6",),
    "sleep_rem_duration": ("93829-0",), "steps": ("55423-8",), "daily_steps": ("41950-7",),
    "total_energy": ("41981-2",), "daily_total_energy": ("41979-6",), "blood_glucose": ("2339-0", "15074-8", "41653-7"),
}  # fmt: skip

_UCUM = {
    "bpm": "/min", "breaths/min": "/min", "ms": "ms", "min": "min", "%": "%", "°C": "Cel", "µS": "uS", "score": "1",
    "count": "1", "0/1": "1", "m": "m", "cm": "cm", "kg": "kg", "kg/m²": "kg/m2", "kcal": "kcal", "dB": "dB",
    "lx": "lx", "mmHg": "mm[Hg]", "mg/dL": "mg/dL", "mL/kg/min": "mL/min/kg",
}  # fmt: skip
_ALSO_READ = {
    "bpm": ("Hz",), "breaths/min": ("Hz",), "ms": ("s",), "min": ("s", "h"), "%": ("1",), "°C": ("[degF]", "K"),
    "m": ("km", "[mi_i]"), "cm": ("m", "[in_i]"), "kg": ("g", "[lb_av]"), "kcal": ("kJ",), "mmHg": ("kPa",),
    "mg/dL": ("mmol/L",),
}  # fmt: skip

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
        Signal("height", "cm", 40, 280, "mean", "body height"),
        Signal("body_mass_index", "kg/m²", 7, 210, "mean", "weight over the square of height"),
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


def signal_named(name: str) -> Signal:
    """Return one signal by its name."""
    if name not in SIGNALS:
        raise NotFoundError("no signal has that name; see novamind.records.signals.SIGNALS")
    return SIGNALS[name]


#: LOINC code to signal.
SIGNAL_OF_LOINC = {code: signal for signal in SIGNALS.values() for code in signal.loinc}


#: Names that records of FHIR had before there was one vocabulary, as stored records and tables may still have them.
EARLIER_NAMES = {
    "body_weight": "weight", "body_height": "height", "systolic_blood_pressure": "blood_pressure_systolic",
    "diastolic_blood_pressure": "blood_pressure_diastolic", "heart_rate_variability_sdnn": "hrv_sdnn",
    "arterial_oxygen_saturation": "oxygen_saturation", "steps_per_day": "daily_steps", "energy_burned": "total_energy",
}  # fmt: skip

#: A sum over at least this long is a day's total.
DAILY_HOURS = 20


def daily_names() -> dict[str, str]:
    """Return signal to the name of its total over a whole day."""
    return {name: f"daily_{name}" for name in SIGNALS if f"daily_{name}" in SIGNALS}
