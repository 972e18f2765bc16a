"""How earlier forecasts turned out: coverage of their intervals, error of their median, whether warnings came true."""

from collections import defaultdict
from datetime import date
from threading import Lock

import numpy as np

from novamind.symptoms.domain import LEVELS, SymptomForecast
from novamind.symptoms.instruments import recognise
from novamind.twin.case import Case
from novamind.twin.domain import SYMPTOMS, Findings, ForecastCheck, ForecastMade, Snapshot, Status

_KEPT = 50
_RECENT_DAYS = 14


class MemoryHistory:
    """Earlier insights in this process; the last 50 of each patient."""

    def __init__(self) -> None:
        self._snapshots: dict[str, list[Snapshot]] = defaultdict(list)
        self._lock = Lock()

    def earlier(self, patient_id: str) -> tuple[Snapshot, ...]:
        """Snapshots of a patient, oldest first."""
        with self._lock:
            return tuple(self._snapshots.get(patient_id, ()))

    def keep(self, snapshot: Snapshot) -> None:
        """Remember one."""
        with self._lock:
            kept = self._snapshots[snapshot.patient_id]
            kept.append(snapshot)
            del kept[:-_KEPT]


def threshold_of(forecast: SymptomForecast) -> float | None:
    """The published cut-off that the person is next to cross: the first one beyond the recent median report.

    Beyond the worst cut-off it is that one; ``None`` for an instrument without any.
    """
    known = recognise(forecast.symptom)
    cuts = [cut.value for cut in known.cut_offs] if known else []
    if not cuts:
        return None
    recent = forecast.history[-_RECENT_DAYS:]
    reports = (
        recent[np.isfinite(recent)] if np.isfinite(recent).any() else forecast.history[np.isfinite(forecast.history)]
    )
    level = float(np.median(reports))
    worse = [cut for cut in cuts if (cut > level if forecast.scale.worse == "high" else cut < level)]
    return worse[0] if worse else cuts[-1]


def made(forecast: SymptomForecast) -> ForecastMade:
    """Keep of a forecast what can be checked."""
    threshold = threshold_of(forecast)
    warned = None if threshold is None else float(forecast.risk(threshold).probability.max())
    return ForecastMade(
        forecast.symptom,
        forecast.scale,
        forecast.days.astype("datetime64[D]"),
        forecast.continuous_quantiles,
        threshold,
        warned,
        forecast.model_version,
        forecast.history_days[-1].astype("datetime64[D]").item(),
    )


def snapshot(insights: Findings) -> Snapshot | None:
    """What of these insights can be checked later; ``None`` where there is no forecast."""
    result = insights.results.get(SYMPTOMS)
    if result is None or result.status is not Status.AVAILABLE:
        return None
    return Snapshot(insights.patient_id, insights.made_on, tuple(made(forecast) for forecast in result.value))


def check(made_on: date, one: ForecastMade, case: Case, replayed: bool = False) -> ForecastCheck:
    """Hold a forecast against the reports that came since; several reports of a day count as their mean."""
    times, values, _ = case.reports(one.symptom)
    days = np.asarray(times, dtype="datetime64[D]")
    values = np.asarray(values, dtype=float)
    seen = []
    for i, day in enumerate(one.days):
        of_day = values[(days == day) & np.isfinite(values)] if len(values) else values
        if len(of_day):
            seen.append((i, float(of_day.mean())))
    inside = {0.8: 0, 0.95: 0}
    errors = []
    for i, value in seen:
        for level in inside:
            low, high = (
                one.scale.snap(np.array([np.interp(at, LEVELS, one.quantiles[i])]))[0]
                for at in ((1 - level) / 2, (1 + level) / 2)
            )
            inside[level] += low <= value <= high
        errors.append(abs(value - float(one.scale.snap(np.array([np.interp(0.5, LEVELS, one.quantiles[i])]))[0])))
    reached = None
    if seen and one.threshold is not None:
        cut = one.threshold
        reached = any(v >= cut if one.scale.worse == "high" else v <= cut for _, v in seen)
    return ForecastCheck(
        one.symptom,
        made_on,
        len(one.days),
        len(seen),
        inside[0.8] / len(seen) if seen else None,
        inside[0.95] / len(seen) if seen else None,
        float(np.mean(errors)) if seen else None,
        one.threshold,
        one.warned,
        reached,
        one.model_version,
        replayed,
    )
