"""What is worth watching, and what the confirmed links say, in words.

The plan ranks signals by information per burden. Information is the share of the symptoms' variance that a signal's
confirmed links foretell: the squared effect (both in SD), less its squared standard error, so that noise earns
nothing, summed over symptoms and capped at each symptom's own variance. A signal already foretold by a better one
adds only what it adds: links to one symptom are taken in the order of the plan, each from the variance that is left,
as for independent leads.

Burden is the person's minutes a day that a device takes (charging, wearing, syncing), our assumption, listed in
:data:`DEVICES`; a device that already stands in the plan costs its next signal a tenth more of itself.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from scipy.special import ndtri

from novamind.biometrics.domain import INTERVAL, Level, Link
from novamind.biometrics.early_warning import speaking
from novamind.errors import ValidationError

#: ``device: (minutes a day, signals it measures)``. Minutes are our assumption, for want of a published table.
DEVICES: dict[str, tuple[float, tuple[str, ...]]] = {
    "phone": (0.5, ("phone_steps", "screen_time", "daylight", "sound_level")),
    "wrist": (
        3.0,
        (
            "steps", "daily_steps", "distance", "active_energy", "heart_rate", "resting_heart_rate", "exercise",
            "walking_heart_rate", "floors",
        ),
    ),
    "wrist at night": (
        5.0,
        (
            "sleep", "sleep_asleep", "sleep_duration", "sleep_in_bed", "sleep_awake", "sleep_deep", "sleep_light",
            "sleep_rem", "sleep_efficiency", "sleep_latency", "hrv", "hrv_rmssd", "hrv_sdnn", "respiratory_rate",
            "resp_rate", "skin_temp", "skin_temperature", "skin_temperature_deviation", "oxygen_saturation",
            "readiness_score", "stress_score", "body_battery",
        ),
    ),
    "chest strap": (15.0, ("rr_interval", "electrodermal_activity")),
    "scale": (2.0, ("weight", "body_fat")),
    "cuff": (6.0, ("blood_pressure_systolic", "blood_pressure_diastolic")),
}  # fmt: skip
_OTHER_MINUTES = 5.0
_SAME_DEVICE_SHARE = 0.1

#: What a clinician may want to look at, by the start of a signal's name. Offers, never orders.
_ACTIVITY = "It may be worth discussing how active and quiet days are spread over the week, if the person wants to."
_AROUSAL = "It may be worth asking about arousal, stimulants, infection or a change of medication on such days."
_VARIABILITY = "It may be worth asking what went before such days: load, rest, alcohol, infection, conflict."
_ACTIONS = {
    "sleep": "It may be worth asking how the nights went and whether sleep times could be steadied.",
    "hrv": _VARIABILITY,
    "rr_interval": _VARIABILITY,
    "heart_rate": _AROUSAL,
    "resting_heart_rate": _AROUSAL,
    "resp": _AROUSAL,
    "steps": _ACTIVITY,
    "daily_steps": _ACTIVITY,
    "active_energy": _ACTIVITY,
    "exercise": _ACTIVITY,
    "skin_temp": "It may be worth asking about infection, the menstrual cycle or a shift of the body clock.",
    "oxygen_saturation": "It may be worth asking about breathing at night.",
}
_GENERAL_ACTION = "It may be worth talking through with the person what went before such days."


@dataclass(frozen=True, slots=True)
class MonitoringItem:
    """One signal of the plan.

    Attributes
    ----------
    information
        Expected reduction of the symptoms' variance, in units of one symptom's variance.
    burden_minutes
        Minutes of the person's day that it adds.
    information_per_minute
        What the plan is ordered by.
    """

    signal: str
    device: str
    symptoms: tuple[str, ...]
    information: float
    burden_minutes: float
    information_per_minute: float
    reason: str


@dataclass(frozen=True, slots=True)
class Insight:
    """One confirmed link in words.

    Attributes
    ----------
    action
        Something to consider, where the signal leads; ``None`` where it gives no warning.
    """

    signal: str
    symptom: str
    text: str
    action: str | None
    reliability: Level


def monitoring_plan(
    links: Iterable[Link], *, burden_minutes: Mapping[str, float] | None = None
) -> tuple[MonitoringItem, ...]:
    """Return leading signals by information per burden; empty where no link is reliable.

    Parameters
    ----------
    burden_minutes
        Minutes a day of a signal for this person, in place of its device's.

    Raises
    ------
    ValidationError
        A burden is not above 0.
    """
    own = dict(burden_minutes or {})
    if any(not minutes > 0 for minutes in own.values()):
        raise ValidationError("burden_minutes must be above 0")
    waiting: dict[str, list[Link]] = {}
    for link in speaking(links):
        waiting.setdefault(link.signal, []).append(link)
    left: dict[str, float] = {}
    worn: set[str] = set()
    plan = []
    while waiting:
        offers = []
        for signal, signal_links in waiting.items():
            device, minutes = _device(signal)
            minutes = own.get(signal, minutes * _SAME_DEVICE_SHARE if device in worn else minutes)
            gains = {link.symptom: _foretold(link) * left.get(link.symptom, 1.0) for link in signal_links}
            offers.append((sum(gains.values()) / minutes, signal, device, minutes, gains))
        rate, signal, device, minutes, gains = max(offers, key=lambda offer: (offer[0], offer[1]))
        del waiting[signal]
        if rate <= 0:
            continue
        for symptom, gain in gains.items():
            left[symptom] = left.get(symptom, 1.0) - gain
        worn.add(device)
        named = tuple(sorted(gains, key=lambda symptom: -gains[symptom]))
        reason = (
            f"foretells about {100 * sum(gains.values()):.0f} % of one symptom's variance ({', '.join(named)}) "
            f"for about {minutes:.1f} min a day ({device})"
        )
        plan.append(MonitoringItem(signal, device, named, sum(gains.values()), minutes, rate, reason))
    return tuple(plan)


def insights(links: Iterable[Link]) -> tuple[Insight, ...]:
    """Return each confirmed link of medium or high reliability in words, largest effect first."""
    confirmed = [link for link in links if link.detected and link.reliability != "low"]
    return tuple(
        Insight(
            link.signal, link.symptom, _sentence(link), _action(link.signal) if link.leads else None, link.reliability
        )
        for link in sorted(confirmed, key=lambda link: (-abs(link.effect), link.signal, link.symptom))
    )


def _foretold(link: Link) -> float:
    error = (link.effect_high - link.effect_low) / (2 * ndtri(0.5 + INTERVAL / 2))
    return float(min(max(link.effect**2 - error**2, 0.0), 1.0))


def _device(signal: str) -> tuple[str, float]:
    for device, (minutes, signals) in DEVICES.items():
        if signal in signals:
            return device, minutes
    return signal, _OTHER_MINUTES


def _sentence(link: Link) -> str:
    signal, symptom = _plain(link.signal), _plain(link.symptom)
    way = "more" if link.effect > 0 else "less"
    size = f"one SD goes with {link.effect:+.2f} SD ({link.effect_low:+.2f} to {link.effect_high:+.2f})"
    ends = sorted((abs(link.lag_low), abs(link.lag_high)))
    span = f"about {_lag(abs(link.lag_hours))} later ({_lag(ends[0])} to {_lag(ends[1])})"
    if link.leads:
        statement = f"higher {signal} tends to be followed by {way} {symptom} {span}"
    elif link.lag_high < 0:
        way = "higher" if link.effect > 0 else "lower"
        statement = f"more {symptom} tends to be followed by {way} {signal} {span}, so that {signal} gives no warning"
    else:
        statement = f"higher {signal} goes with {way} {symptom}; which comes first is not clear"
    return f"In this record, {statement}: {size}. It is an association in time, not proof of a cause."


def _action(signal: str) -> str:
    return next((action for start, action in _ACTIONS.items() if signal.startswith(start)), _GENERAL_ACTION)


def _plain(name: str) -> str:
    return name.replace("_", " ")


def _lag(hours: float) -> str:
    return f"{hours:.0f} h" if hours < 48 else f"{hours / 24:.1f} days"
