"""The front door for notebooks and scripts: one call, frames in, result out."""

from typing import Any

from novamind.biometrics.results import Correlations
from novamind.biometrics.service import MAX_LAG_HOURS, default_service


def correlate(
    biometrics: Any,
    symptoms: Any,
    max_lag_hours: int = MAX_LAG_HOURS,
    fdr: float = 0.1,
    calendar: Any = None,
    medication: Any = None,
    illness: Any = None,
    seed: int = 0,
    timezone: str | None = None,
) -> Correlations:
    """Find which of a person's signals go before which symptoms, by how many hours, and which only seem to.

    Parameters
    ----------
    biometrics
        pandas or Polars frame: ``timestamp, signal, value [, patient_id, unit]``; any sampling, gaps allowed.
    symptoms
        pandas or Polars frame: ``timestamp, value [, symptom, patient_id]``; reports at their own times.
    max_lag_hours
        Longest lag, both ways, 1 to 168.
    fdr
        Share of false ones allowed among the detected links, above 0 and below 0.5.
    calendar, medication, illness
        Known common causes: frames with ``start`` and ``end``, or ``timestamp`` and ``value`` (which holds until the
        next); ``patient_id`` where there are several persons. A medication comes in over 14 days from its ``start``.
        Where no illness log is given, episodes are looked for in the signals.
    seed
        Same seed and input, same result.
    timezone
        IANA name of the clock that the person lives by, e.g. ``"Europe/Berlin"``: times with an offset are brought to
        it, times without one are read by it. Where not given, both tables must have offsets, or neither. An offset
        such as ``-08:00`` in one of them is the clock of both; where both have UTC (``Z``), days are those of UTC,
        and ``.notes`` of each person says so.

    Returns
    -------
    Correlations

    Raises
    ------
    ValidationError
        For input that breaks a rule; the message names it.
    InsufficientDataError
        If no pair of any person could be analysed.
    """
    return default_service().correlate(
        biometrics,
        symptoms,
        max_lag_hours,
        fdr,
        calendar=calendar,
        medication=medication,
        illness=illness,
        timezone=timezone,
        seed=seed,
    )
