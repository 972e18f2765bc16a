"""Values that no device measured and no person reported: left out and counted, never analysed.

Devices and study platforms write a number where there is none: -1 for "not worn", 0 for a heart that was not seen, 255
or 65535 for an empty field, 99 or 999 for a question that was not asked.
"""

from dataclasses import replace
from operator import attrgetter

import numpy as np

from novamind.errors import ValidationError
from novamind.records.instruments.columns import range_of
from novamind.records.signals import SIGNALS
from novamind.records.tables.frames import LongFrame

#: Numbers that stand for "no value" wherever they cannot be one.
NO_VALUE = (-9999, -999, -99, -9, -8, -7, -2, -1, 0, 77, 88, 99, 255, 777, 888, 999, 9999, 32767, 65535)
#: Signals that cannot be negative, by a part of their name.
_NOT_NEGATIVE = (
    "step", "count", "duration", "minutes", "distance", "calories", "screen_time", "heart_rate", "resting_hr", "hrv",
    "rmssd", "resp_rate", "respiratory_rate", "spo2", "oxygen_saturation",
)  # fmt: skip
#: Larger than any signal in any unit in use: a fault of a device.
_LARGEST = 1e12

#: Lines by patient.
Notes = dict[str | None, list[str]]
_Range = tuple[float, float]
_ANY = (-_LARGEST, _LARGEST)


def screened(signals: LongFrame, reports: LongFrame) -> tuple[LongFrame, LongFrame, Notes]:
    """Return both frames without numbers that stand for no value, and what was left out of each person's.

    Raises
    ------
    ValidationError
        A count or duration is negative in another way, a value is beyond what any signal reaches, or an answer is off
        the scale of its instrument.
    """
    notes: Notes = {}
    limits = [_limits(key.name, unit) for key, unit in zip(signals.series, signals.units, strict=True)]
    possible, plausible = zip(*limits, strict=True)
    signals = _emptied(signals, possible, plausible, notes)
    ranges = tuple(map(range_of, map(attrgetter("name"), reports.series)))
    return signals, _emptied(reports, ranges, ranges, notes), notes


def _limits(name: str, unit: str | None) -> tuple[_Range, _Range]:
    """Return what a signal can be at all, and what it is in a living person."""
    low = 0.0 if any(part in name.casefold() for part in _NOT_NEGATIVE) else -_LARGEST
    signal = SIGNALS.get(name)
    if signal is None or unit not in (None, signal.unit):
        return (low, _LARGEST), (low, _LARGEST)
    return (low, _LARGEST), (max(low, signal.low), signal.high)


def _emptied(
    frame: LongFrame, possible: tuple[_Range | None, ...], plausible: tuple[_Range | None, ...], notes: Notes
) -> LongFrame:
    values = frame.values.copy()
    for i, key in enumerate(frame.series):
        (low, high), (least, most) = possible[i] or _ANY, plausible[i] or _ANY
        of_series = values[frame.part(i)]  # a view
        absent = np.isin(of_series, NO_VALUE) & ((of_series < least) | (of_series > most))
        wrong = ((of_series < low) | (of_series > high)) & ~absent
        if wrong.any():
            reach = f"from {low:g} to {high:g}" if high < _LARGEST else f"from {low:g} on"
            raise ValidationError(
                f"{wrong.sum()} of {len(of_series)} values of '{key.name}' cannot be, which runs {reach}: "
                "correct or empty them"
            )
        if absent.any():
            codes = " or ".join(map("{:g}".format, np.unique(of_series[absent])))
            count = f"{absent.sum()} of {len(of_series)} values left out"
            notes.setdefault(key.patient_id, []).append(f"{key.name}: {count}, because {codes} stands for no value")
        of_series[absent] = np.nan
    return replace(frame, values=values)
