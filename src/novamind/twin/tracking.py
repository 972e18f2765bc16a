"""Memory of earlier insights: how their forecasts turned out, and what has changed since."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from threading import Lock

import numpy as np
import polars as pl

from novamind.symptoms.domain import SymptomForecast, at_levels
from novamind.symptoms.instruments import recognise
from novamind.twin.case import Case
from novamind.twin.domain import (
    CHECKED_LEVELS,
    SYMPTOMS,
    Changes,
    Findings,
    ForecastCheck,
    ForecastMade,
    RecommendationMade,
    Snapshot,
    Status,
)

#: How many earlier insights of a patient are looked at, the newest.
KEPT = 400
_DECIMALS = 6  # of what is kept: the last bits of a forecast differ between machines
_RECENT_DAYS = 14


class MemoryHistory:
    """Earlier insights in this process, the newest of each patient."""

    def __init__(self) -> None:
        self._snapshots: dict[str, list[Snapshot]] = defaultdict(list)
        self._lock = Lock()

    def earlier(self, patient_id: str) -> tuple[Snapshot, ...]:
        """Return the snapshots of a patient, oldest first."""
        with self._lock:
            return tuple(self._snapshots.get(patient_id, ()))

    def keep(self, snapshot: Snapshot) -> None:
        """Remember a snapshot."""
        with self._lock:
            kept = self._snapshots[snapshot.patient_id]
            kept.append(snapshot)
            del kept[:-KEPT]


def threshold_of(forecast: SymptomForecast) -> float | None:
    """Return the published cut-off that the person is next to cross: the first beyond the recent median report.

    Beyond the worst cut-off it is that one; ``None`` for an instrument without any.
    """
    instrument = recognise(forecast.symptom)
    cuts = [cut.value for cut in instrument.cut_offs] if instrument else []
    if not cuts:
        return None
    recent = forecast.history[-_RECENT_DAYS:]
    reports = (
        recent[np.isfinite(recent)] if np.isfinite(recent).any() else forecast.history[np.isfinite(forecast.history)]
    )
    level = float(np.median(reports))
    worse = [cut for cut in cuts if (cut > level if forecast.scale.worse == "high" else cut < level)]
    return worse[0] if worse else cuts[-1]


def forecast_made(forecast: SymptomForecast) -> ForecastMade:
    """Return what can be checked of a forecast later."""
    threshold = threshold_of(forecast)
    warned = None if threshold is None else round(float(forecast.risk(threshold).probability.max()), _DECIMALS)
    quantiles = forecast.scale.snap(at_levels(forecast.continuous_quantiles, np.array(CHECKED_LEVELS)))
    return ForecastMade(
        forecast.symptom,
        forecast.scale,
        tuple(forecast.days.astype("datetime64[D]").tolist()),
        tuple(map(tuple, quantiles.round(_DECIMALS).tolist())),
        threshold,
        warned,
        forecast.model_version,
        forecast.history_days[-1].astype("datetime64[D]").item(),
    )


def snapshot(insights: Findings) -> Snapshot | None:
    """Return what is looked back at later of these insights; ``None`` where no service answered."""
    if not insights.model_versions:
        return None
    symptoms = insights.results.get(SYMPTOMS)
    forecasts = symptoms.value if symptoms is not None and symptoms.status is Status.AVAILABLE else ()
    return Snapshot(
        insights.patient_id,
        insights.made_on,
        tuple(map(forecast_made, forecasts)),
        tuple(
            RecommendationMade(recommendation.priority, recommendation.topic, recommendation.text)
            for recommendation in insights.recommendations
        ),
        insights.options,
        insights.model_versions,
    )


def forecast_snapshot(case: Case, forecasts: Iterable[SymptomForecast]) -> Snapshot:
    """Return what is looked back at later of forecasts that were read by themselves; at least one."""
    made = tuple(map(forecast_made, forecasts))
    versions = {SYMPTOMS: made[0].model_version}
    return Snapshot(case.record.patient_id, case.today, made, options=None, model_versions=versions)


def daily_reports(case: Case) -> dict[str, dict[date, float]]:
    """Return series to local day to the mean of that day's reports, as they count now."""
    if case.observed is None:
        return {}
    days = (
        case.observed.filter(pl.col("value").is_finite())
        .group_by("symptom", day=pl.col("timestamp").dt.date())
        .agg(pl.col("value").mean())
    )
    reports: dict[str, dict[date, float]] = defaultdict(dict)
    for symptom, day, value in days.iter_rows():
        reports[symptom][day] = value
    return reports


def track(earlier: Sequence[Snapshot], case: Case) -> tuple[ForecastCheck, ...]:
    """Return how earlier forecasts turned out, of the series that have a report since.

    A forecast that was given again without a change is one forecast, made on the first of these days.
    """
    made_on: dict[ForecastMade, date] = {}
    for entry in earlier:
        for forecast in entry.forecasts:
            made_on.setdefault(forecast, entry.made_on)
    reports = daily_reports(case)
    return tuple(
        check(day, forecast, reports[forecast.symptom])
        for forecast, day in made_on.items()
        if forecast.symptom in reports and forecast.history_until < max(reports[forecast.symptom])
    )


def check(
    made_on: date, forecast: ForecastMade, reports: Mapping[date, float], replayed: bool = False
) -> ForecastCheck:
    """Return how a forecast compares with the reports of its series (:func:`daily_reports`)."""
    reported = [i for i, day in enumerate(forecast.days) if day in reports]
    values = np.array([reports[forecast.days[i]] for i in reported])
    low_95, low_80, median, high_80, high_95 = np.array([forecast.quantiles[i] for i in reported]).reshape(-1, 5).T
    reached = covered_80 = covered_95 = mean_error = None
    if reported:
        covered_80 = float(np.mean((low_80 <= values) & (values <= high_80)))
        covered_95 = float(np.mean((low_95 <= values) & (values <= high_95)))
        mean_error = float(np.mean(np.abs(values - median)))
        if (cut := forecast.threshold) is not None:
            reached = bool(np.any(values >= cut if forecast.scale.worse == "high" else values <= cut))
    return ForecastCheck(
        forecast.symptom,
        made_on,
        len(forecast.days),
        len(reported),
        covered_80,
        covered_95,
        mean_error,
        forecast.threshold,
        forecast.warned,
        reached,
        forecast.model_version,
        replayed,
    )


def changes(insights: Findings, earlier: Sequence[Snapshot]) -> Changes | None:
    """Return what has changed since the last earlier day on which the same services answered the same question."""
    answered = insights.model_versions.keys()
    before = next(
        (
            entry
            for entry in reversed(earlier)
            if entry.made_on < insights.made_on
            and entry.options == insights.options
            and entry.model_versions.keys() == answered
        ),
        None,
    )
    if before is None:
        return None
    urgency = {recommendation.topic: recommendation.priority for recommendation in before.recommendations}
    topics = {recommendation.topic for recommendation in insights.recommendations}
    return Changes(
        before.made_on,
        tuple(
            recommendation
            for recommendation in insights.recommendations
            if recommendation.topic not in urgency or recommendation.priority < urgency[recommendation.topic]
        ),
        tuple(recommendation for recommendation in before.recommendations if recommendation.topic not in topics),
    )
