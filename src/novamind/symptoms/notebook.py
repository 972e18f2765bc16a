"""The front door for notebooks and scripts: one call, frames in, results out."""

from typing import Any, Literal

from novamind.symptoms.domain import LEVELS, Floats
from novamind.symptoms.results import Forecast, Forecasts
from novamind.symptoms.service import Scales, default_service

_LEVELS = tuple(float(level) for level in LEVELS)


def forecast(
    history: Any,
    horizon: int = 14,
    quantile_levels: tuple[float, ...] | Floats = _LEVELS,
    scale: Scales = None,
    step: float | None = None,
    worse: Literal["high", "low"] = "high",
    covariates: Any = None,
    seed: int = 0,
    dated: bool = True,
    timezone: str | None = None,
) -> Forecast | Forecasts:
    """Forecast a symptom from a person's irregular reports.

    Parameters
    ----------
    history
        pandas or Polars frame: ``timestamp, value`` and, for several series, ``patient_id, symptom``; spellings of one
        instrument are one series. Irregular and missing days are allowed. A row without a value says that the record
        runs to that day.
    horizon
        Days after the last day of history, 1 to 30.
    quantile_levels
        Rising, between 0.025 and 0.975.
    scale
        The instrument's range ``(low, high)``, a :class:`Scale`, or a mapping of symptom to either. May be left out
        for symptoms named after a known instrument (``PHQ-9``, ``GAD-7`` ...).
    step
        1 if only whole steps can occur. ``None`` for continuous scales and averages: if all reports lie on steps of one
        unit or less nevertheless, those are used. The same holds when the day's reports are averaged (more than 1.3 a
        day).
    worse
        Which end of the scale means more suffering.
    covariates
        Long frame ``timestamp, signal, value`` (and ``patient_id`` where history has it) of a wearable's signals, in
        any unit, and of starts of treatment (signal ``treatment_start``, any value). A signal moves the forecast as
        far as the person's own record shows that it carries news; rows after the last day of history are not used.
    seed
        Kept with the result. The shipped forecast has no randomness: same input, same bytes.
    dated
        ``False`` where the timestamps only count days (a study's day 1, 2, ...), so that their weekday means nothing.
    timezone
        IANA name of the clock that the person lives by, e.g. ``"Europe/Berlin"``: times with an offset are brought to
        it. Where not given, times count by the offset that is written with them; days of times in UTC (``Z``) are days
        of UTC, and the last of ``.insights`` says so.

    Returns
    -------
    Forecast or Forecasts
        ``Forecast`` for one series, ``Forecasts`` for several.

    Raises
    ------
    ValidationError
        For input that breaks a rule; the message names it.
    InsufficientDataError
        For fewer than 4 days with reports.
    """
    forecasts = forecast_many(history, horizon, quantile_levels, scale, step, worse, covariates, seed, dated, timezone)
    if len(forecasts) + len(forecasts.skipped) == 1:
        return forecasts[0]
    return forecasts


def forecast_many(
    frame: Any,
    horizon: int = 14,
    quantile_levels: tuple[float, ...] | Floats = _LEVELS,
    scale: Scales = None,
    step: float | None = None,
    worse: Literal["high", "low"] = "high",
    covariates: Any = None,
    seed: int = 0,
    dated: bool = True,
    timezone: str | None = None,
) -> Forecasts:
    """Forecast many series in one batch: long frame ``patient_id, symptom, timestamp, value``.

    As :func:`forecast`; series that are too short are listed in ``.skipped`` with the reason.
    """
    return default_service().forecast(
        frame,
        horizon,
        quantile_levels=quantile_levels,
        scale=scale,
        step=step,
        worse=worse,
        seed=seed,
        dated=dated,
        covariates=covariates,
        timezone=timezone,
    )
