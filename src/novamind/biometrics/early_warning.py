"""A warning when a confirmed leading signal moves off its baseline: which symptom, which way, when, and how sure.

Only links that the engine confirmed speak (detected, the whole lag interval on the signal's side): nothing else can
warn. A leading signal's deviation is averaged over its last hours, and a warning begins when the average crosses a
level. The level is the one that a stationary Gaussian process with the mean crossings seen in this person's past
would cross once in the stated time (Rice 1945, Bell Syst Tech J 24:46): with ``n`` mean crossings upward a day, the
level ``u`` in SD is crossed ``n exp(-u^2 / 2)`` times a day. The expected symptom is the link's effect times the
deviation, both in SD, and is said only where it is large enough to matter.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from scipy.signal import lfilter

from novamind.biometrics.domain import Floats, Level, Link
from novamind.errors import ValidationError

QUARTER_HOURS = 91 * 24
#: The recent mean's time constant.
_MEMORY_HOURS = 12.0
_LEAST_PAST_HOURS = 28 * 24
#: Expected shifts below half of what Cohen (1988) calls small are not worth a warning.
_LEAST_EXPECTED = 0.1
_PAUSE_HOURS = 24


@dataclass(frozen=True, slots=True)
class EarlyWarning:
    """A confirmed leading signal has moved.

    Attributes
    ----------
    hour
        Cell at which the warning began.
    deviation
        The signal's recent mean, in SD of its own past.
    expected_change, expected_low, expected_high
        Of the symptom, in its SD, with the interval of the link's effect.
    direction
        +1 the symptom is expected to rise, -1 to fall.
    horizon_hours, horizon_low, horizon_high
        From now until the change is expected.
    reliability
        Of the link; low ones do not warn.
    evidence
        One sentence on what the warning rests on.
    """

    signal: str
    symptom: str
    hour: int
    deviation: float
    expected_change: float
    expected_low: float
    expected_high: float
    direction: int
    horizon_hours: float
    horizon_low: float
    horizon_high: float
    reliability: Level
    evidence: str


def speaking(links: Iterable[Link]) -> list[Link]:
    """Return the links that may warn: the signal is confirmed to lead, and reliability is not low."""
    return [link for link in links if link.leads and link.reliability != "low"]


def early_warnings(
    deviations: Mapping[str, Floats],
    links: Iterable[Link],
    *,
    warnings_per_quarter: float = 4.0,
    least_expected: float = _LEAST_EXPECTED,
) -> tuple[EarlyWarning, ...]:
    """Return one person's warnings in order of time; none without a confirmed link or where reliability is low.

    Parameters
    ----------
    deviations
        For each signal its ``(hours,)`` of deviations from the personal baseline, ``NaN`` where there is none.
    warnings_per_quarter
        How often the signals that lead would warn, all together and both ways, while nothing happens.
    least_expected
        Smallest expected change of the symptom, in its SD, that is worth a warning.

    Raises
    ------
    ValidationError
        A link's signal is missing, or a number is out of range.
    """
    if not warnings_per_quarter > 0 or not least_expected >= 0:
        raise ValidationError("warnings_per_quarter must be above 0 and least_expected at least 0")
    confirmed = speaking(links)
    leading = sorted({link.signal for link in confirmed})
    missing = [signal for signal in leading if signal not in deviations]
    if missing:
        raise ValidationError(f"no deviations are given for {', '.join(missing)}")
    warnings = []
    for signal in leading:
        moved = _moves(np.asarray(deviations[signal], dtype=np.float64), warnings_per_quarter / len(leading))
        for hour, deviation in moved:
            warnings += [
                _warning(link, hour, deviation)
                for link in confirmed
                if link.signal == signal and abs(link.effect * deviation) >= least_expected
            ]
    return tuple(sorted(warnings, key=lambda warning: (warning.hour, -abs(warning.expected_change))))


def recent_mean(deviation: Floats) -> Floats:
    """Return the exponentially weighted mean of the values in the last hours up to each cell, ``(hours,)``.

    ``NaN`` where less than a quarter of the recent hours, so weighted, has a value.
    """
    observed = ~np.isnan(deviation)
    keep = np.exp(-1 / _MEMORY_HOURS)
    total, weight = (
        lfilter([1 - keep], [1.0, -keep], part) for part in (np.where(observed, deviation, 0.0), observed * 1.0)
    )
    return np.where(weight >= 0.25, total / np.maximum(weight, 0.25), np.nan)


def _moves(deviation: Floats, per_quarter: float) -> list[tuple[int, float]]:
    """Return the hours at which the recent mean crosses its level, and the deviation there in SD of the signal's past.

    An hour is judged by the days before it alone; the level is set anew each day.
    """
    mean = recent_mean(deviation)
    moves: list[tuple[int, float]] = []
    outside, since = False, -_PAUSE_HOURS
    for start in range(0, len(mean), 24):
        past, raw = mean[:start], deviation[:start]
        past, raw = past[~np.isnan(past)], raw[~np.isnan(raw)]
        if len(past) < _LEAST_PAST_HOURS or not raw.std() > 0 or not past.std() > 0:
            continue
        middle, spread = float(np.median(past)), float(past.std())
        crossings = int(np.sum((past[1:] > middle) & (past[:-1] <= middle)))
        # Both ways: the rate of each is half of what is allowed.
        level = np.sqrt(2 * np.log(max(crossings / len(past) / (per_quarter / 2 / QUARTER_HOURS), 1.5)))
        for hour in range(start, min(start + 24, len(mean))):
            height = (mean[hour] - middle) / spread
            if np.isnan(height):
                continue
            if abs(height) < level / 2:
                outside = False
            elif abs(height) >= level and not outside and hour - since >= _PAUSE_HOURS:
                outside, since = True, hour
                moves.append((hour, float((mean[hour] - middle) / raw.std())))
    return moves


def _warning(link: Link, hour: int, deviation: float) -> EarlyWarning:
    ends = sorted((link.effect_low * deviation, link.effect_high * deviation))
    change = link.effect * deviation
    # The mean lies about its memory behind the signal.
    behind = _MEMORY_HOURS
    horizon = [max(lag - behind, 0.0) for lag in (link.lag_hours, link.lag_low, link.lag_high)]
    way = "above" if deviation > 0 else "below"
    evidence = (
        f"{link.signal} lies {abs(deviation):.1f} SD {way} its baseline; in this record it led {link.symptom} by "
        f"{link.lag_hours:.0f} h ({link.lag_low:.0f} to {link.lag_high:.0f}), "
        f"{'q < 0.001' if link.q_value < 0.001 else f'q = {link.q_value:.2g}'}, "
        f"{link.n_effective:.0f} effective reports"
    )
    return EarlyWarning(
        link.signal, link.symptom, hour, deviation, change, ends[0], ends[1], 1 if change > 0 else -1,
        horizon[0], horizon[1], horizon[2], link.reliability, evidence,
    )  # fmt: skip
