"""One person's signals watched: what left its baseline, what changed for good, and what confirmed leads foretell.

A signal that is measured once a day stands in its cells until the next value. Anomalies and change points look at the
cells with a sample of their own, so that a value is counted once; warnings look at all, since a night's sleep is what
is known of the person until the next.
"""

import numpy as np

from novamind.biometrics.anomalies import Anomaly, ChangePoint, change_points, detect_anomalies
from novamind.biometrics.baselines import daily_levels, personal_baseline
from novamind.biometrics.domain import Floats, PersonSeries
from novamind.biometrics.engine import usable_signals

_MONDAY = np.datetime64("1970-01-05T00", "h")


def _first_hour(person: PersonSeries) -> int:
    """Return the hours from a Monday's midnight to the record's first cell."""
    return int((person.start - _MONDAY).astype(np.int64)) % (7 * 24)


def deviations(person: PersonSeries) -> dict[str, Floats]:
    """Return every usable signal against its own baseline, ``(hours,)`` each, in the baseline's SD."""
    first = _first_hour(person)
    return {
        person.signals[b]: personal_baseline(person.hourly[:, b], first).deviation for b in usable_signals(person)[0]
    }


def anomalies(person: PersonSeries, deviation: dict[str, Floats], seed: int = 0) -> dict[str, tuple[Anomaly, ...]]:
    """Return departures from the baselines: on average one false alarm a quarter for all signals together."""
    if not deviation:
        return {}
    own = np.stack(
        [np.where(person.measured[:, person.signals.index(name)], each, np.nan) for name, each in deviation.items()]
    )
    return dict(zip(deviation, detect_anomalies(own, _first_hour(person), seed=seed), strict=True))


def lasting_changes(person: PersonSeries) -> dict[str, tuple[ChangePoint, ...]]:
    """Return the days on which a usable signal's level changed for good."""
    first = _first_hour(person)
    return {
        person.signals[b]: change_points(
            daily_levels(np.where(person.measured[:, b], person.hourly[:, b], np.nan), first)
        )
        for b in usable_signals(person)[0]
    }
