"""Insights and what-ifs as plain JSON types."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from novamind.pharmacogenomics.domain import to_dict
from novamind.symptoms.domain import SymptomForecast
from novamind.symptoms.presentation import wording
from novamind.twin.domain import Findings, ServiceResult
from novamind.twin.tracking import threshold_of
from novamind.twin.treatment import SimulatedTreatment, Span

_LEVELS = (0.5, 0.8, 0.95)


def insights_to_dict(insights: Findings) -> dict[str, Any]:
    """The whole of the insights."""
    return {
        "patient_id": insights.patient_id,
        "made_on": insights.made_on.isoformat(),
        "complete": insights.complete,
        "missing": insights.missing,
        "options": asdict(insights.options),
        "model_versions": insights.model_versions,
        "recommendations": [
            {
                "priority": int(one.priority),
                "when": one.priority.words,
                "topic": one.topic,
                "text": one.text,
                "evidence": [asdict(e) for e in one.evidence],
                "reliability": {"level": one.reliability, "reason": one.reliability_reason},
                "proposes": list(one.proposes),
                "caveat": one.caveat,
            }
            for one in insights.recommendations
        ],
        "results": {name: _result(result) for name, result in insights.results.items()},
        "tracking": [
            asdict(one) | {"made_on": one.made_on.isoformat(), "sentence": one.sentence} for one in insights.tracking
        ],
        "notes": list(insights.notes),
        "disclaimer": insights.disclaimer,
    }


def result_value(result: ServiceResult) -> Any:
    """What one service gave."""
    return None if result.value is None else _value(result.value)


def _result(result: ServiceResult) -> dict[str, Any]:
    return {
        "status": str(result.status),
        "reason": result.reason,
        "model_version": result.model_version,
        "reused": result.reused,
        "value": result_value(result),
    }


def _value(value: Any) -> Any:
    """A service's result: its own JSON form where it has one, forecasts one by one."""
    if isinstance(value, Mapping):
        return {name: _value(one) for name, one in value.items()}
    if hasattr(value, "to_dict"):
        return value.to_dict()
    if hasattr(value, "skipped"):
        return {
            "forecasts": [forecast_to_dict(forecast) for forecast in value],
            "skipped": {key.name: reason for key, reason in value.skipped.items()},
        }
    if hasattr(value, "persons"):
        return value.person().to_dict()
    return str(value)


def forecast_to_dict(forecast: SymptomForecast) -> dict[str, Any]:
    """One forecast with its intervals, risk, trend and what it rests on."""
    threshold = threshold_of(forecast)
    intervals = {f"{100 * level:g}": forecast.interval(level) for level in _LEVELS}
    return {
        "symptom": forecast.symptom,
        "scale": asdict(forecast.scale),
        "days": [str(day) for day in forecast.days],
        "median": forecast.median.tolist(),
        "intervals": {
            level: [list(pair) for pair in zip(b.low.tolist(), b.high.tolist(), strict=True)]
            for level, b in intervals.items()
        },
        "risk": None
        if threshold is None
        else {"threshold": threshold, "probability": forecast.risk(threshold).probability.tolist()},
        "trend": asdict(forecast.trend),
        "headline": wording.headline(forecast),
        "reliability": asdict(forecast.reliability),
        "members": [asdict(member) for member in forecast.members],
        "coverage": {f"{level:g}": share for level, share in forecast.coverage.items()},
        "model_version": forecast.model_version,
    }


def what_if_to_dict(asked: SimulatedTreatment) -> dict[str, Any]:
    """A what-if without its hourly course."""
    return {
        "drug": asked.drug,
        "dose_mg": asked.dose_mg,
        "interval_hours": asked.interval_hours,
        "weeks": asked.weeks,
        "activity": dict(asked.activity),
        "inhibitors": dict(asked.inhibitors),
        "level": _span(asked.level) | {"unit": asked.unit},
        "exposure_ratio": asked.exposure_ratio,
        "published_exposure": to_dict(asked.review.exposure),
        "therapeutic_range": to_dict(asked.review.therapeutic_range),
        "occupancy": {target: _span(span) for target, span in asked.occupancy.items()},
        "symptom_effects": {outcome: _span(span) for outcome, span in asked.symptom_effects.items()},
        "verdict": asked.review.verdict,
        "cautions": to_dict(asked.review.caution),
        "guidelines": to_dict(asked.review.guidelines),
        "unknown": list(asked.unknown),
        "model_version": asked.course.model_version,
        "seed": asked.course.seed,
        "ensemble": asked.course.ensemble_size,
    }


def _span(span: Span) -> dict[str, float | None]:
    return asdict(span)
