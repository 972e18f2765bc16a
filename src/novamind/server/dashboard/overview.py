"""Answers of the services about a patient, arranged for the eye: words, figures with intervals, pictures."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from markupsafe import Markup

from novamind.clinic import Overview
from novamind.clinic.record_mapping import mapping_of, readable
from novamind.drugs.catalogue import catalogue
from novamind.drugs.domain import Source
from novamind.infrastructure.patient_store import StoredRecord
from novamind.pharmacogenomics import DrugReview, Review
from novamind.records import LongFrame
from novamind.symptoms.domain import SymptomForecast
from novamind.symptoms.presentation import wording
from novamind.twin.domain import BIOMETRICS, COURSES, MEDICATIONS, SYMPTOMS, Priority, Status
from novamind.twin.report import exposure_words, forecast_section, review_section, what_if_section
from novamind.twin.tracking import changes, threshold_of

if TYPE_CHECKING:
    from novamind.biometrics.domain import Link
    from novamind.biometrics.early_warning import EarlyWarning
    from novamind.biometrics.results import Correlations, PersonLinks

NEW_DAYS: Final = 7
_TITLES: Final = {
    SYMPTOMS: "Symptom forecast",
    BIOMETRICS: "Leading signals",
    MEDICATIONS: "Medication review",
    COURSES: "Simulated treatment",
}
_OLD_DAYS: Final = 14
_FIRST_OPTIONS: Final = 8
_SHOWN_ALARMS: Final = 5
_GROUPS: Final = frozenset({"antidepressant", "antipsychotic"})
_GROUP: Final = "antidepressant"


def changes_of(overview: Overview, reports: Sequence[StoredRecord], now: datetime) -> dict[str, Any]:
    """Return what is new of a patient, for the few lines of a list."""
    new = sum(when >= now - timedelta(days=NEW_DAYS) for when in readable(reports, _reported_at)[0])
    forecasts = _values(overview).get(SYMPTOMS, ())
    return {
        "new": new,
        "days": NEW_DAYS,
        "latest": [_latest(forecast) for forecast in forecasts],
        "trends": [(f.symptom, wording.trend(f.scale, f.trend)) for f in forecasts],
        "risks": [wording.risk(f, f.risk(at)) for f in forecasts if (at := threshold_of(f)) is not None],
        "versions": sorted({f.model_version for f in forecasts}),
        "pressing": [advice for advice in overview.insights.recommendations if advice.priority <= Priority.SOON],
        "since": _since(overview),
        "missing": overview.insights.results[SYMPTOMS].reason,
        "old": _age(overview),
    }


def _since(overview: Overview) -> dict[str, Any] | None:
    """Return what is recommended anew, and the topics that no longer are; the rest of those may be closed by now."""
    changed = changes(overview.insights, overview.earlier)
    if changed is None:
        return None
    begun = [(advice.topic, advice.priority.words) for advice in changed.begun]
    return {"day": _words(changed.since), "begun": begun, "ended": [advice.topic for advice in changed.ended]}


def _reported_at(stored: StoredRecord) -> datetime:
    """Return the date of a report, not that of its storing: an import of old reports is no news."""
    when = datetime.fromisoformat(str(mapping_of(stored).get("timestamp")))
    return when if when.tzinfo is not None else when.replace(tzinfo=UTC)


def overview_of(overview: Overview) -> dict[str, Any]:
    """Return everything that the patient page shows of an overview."""
    values = _values(overview)
    insights, case = overview.insights, overview.case
    review: Review | None = values.get(MEDICATIONS)
    return {
        "insights": insights,
        "pressing": [advice for advice in insights.recommendations if advice.priority <= Priority.SOON],
        "forecasts": [_forecast(forecast) for forecast in values.get(SYMPTOMS, ())],
        "skipped": {key.name: reason for key, reason in getattr(values.get(SYMPTOMS), "skipped", {}).items()},
        "reasons": {name: result.reason for name, result in insights.results.items()},
        "signals": _signals(values.get(BIOMETRICS)),
        "lookback_days": insights.options.biometric_lookback_days,
        "medications": case.medications,
        "genotype": {gene: str(diplotype.name) for gene, diplotype in case.genotype.items()},
        "conditions": [c.name for c in case.record.conditions if c.active],
        "allergies": sorted(case.allergies),
        "taken": review_section(review, case),
        "options": None if review is None else _options(review, tuple(case.medications)),
        "courses": [what_if_section(course) for course in values.get(COURSES, {}).values()],
        "statuses": [(_TITLES[name], result) for name, result in insights.results.items()],
        "series": [*_series(case.record.symptoms, "symptom"), *_series(case.record.signals, "signal")],
        "last": _words(case.record.last_day),
        "made": _words(insights.made_on),
        "old": _age(overview),
    }


def _values(overview: Overview) -> dict[str, Any]:
    return {n: r.value for n, r in overview.insights.results.items() if r.status is Status.AVAILABLE}


def _latest(forecast: SymptomForecast) -> str:
    last = int(np.flatnonzero(np.isfinite(forecast.history))[-1])
    value, day = forecast.history[last], forecast.history_days[last]
    return f"{forecast.symptom} {wording.number(forecast.scale, value)} on {wording.date(day)}"


def _age(overview: Overview) -> str:
    """Return a remark on an old record, or nothing: every forecast begins at the record's end."""
    last = overview.case.record.last_day
    days = 0 if last is None else (overview.insights.made_on - last).days
    if days <= _OLD_DAYS:
        return ""
    return f"The record ends {days} days ago, on {_words(last)}: forecasts are for the days after that, not for today."


def _forecast(forecast: SymptomForecast) -> dict[str, Any]:
    section = forecast_section(forecast)
    at = threshold_of(forecast)
    if at is None:
        return section | {"periods": [], "threshold": None, "risk_picture": None}
    from novamind.symptoms.presentation.plots import risk_chart, to_svg  # Altair takes long to import

    risk = forecast.risk(at)
    return section | {
        "threshold": wording.beyond(forecast.scale, at),
        "periods": [
            (wording.period(period.start, period.end), wording.percent(period.peak_probability))
            for period in risk.periods
        ],
        "risk_picture": Markup(to_svg(risk_chart(forecast, at))),  # noqa: S704 - drawn here
    }


def _signals(correlations: "Correlations | None") -> dict[str, Any] | None:
    if correlations is None:
        return None
    from novamind.biometrics.plots import link_map
    from novamind.symptoms.presentation.plots import to_svg

    person = correlations.persons[0]
    return {
        "confirmed": [_link(link) for link in sorted(person.links, key=lambda k: -k.score) if link.detected],
        "others": [_link(link) for link in sorted(person.links, key=lambda k: k.q_value) if not link.detected],
        "insights": person.insights,
        "warnings": [_warning(warning, person) for warning in person.early_warning[-_SHOWN_ALARMS:]],
        "anomalies": _anomalies(person),
        "plan": person.monitoring_plan,
        "skipped": dict(person.skipped),
        "reliability": person.reliability,
        "fdr": correlations.fdr,
        "within_hours": correlations.max_lag_hours,
        "version": correlations.model_version,
        "picture": Markup(to_svg(link_map(person, correlations.max_lag_hours))),  # noqa: S704 - drawn here
    }


def _warning(warning: "EarlyWarning", person: "PersonLinks") -> dict[str, Any]:
    """Return what the move of a leading signal may foretell, and when."""
    return {
        "signal": warning.signal.replace("_", " "),
        "symptom": warning.symptom.replace("_", " "),
        "since": wording.date(_day(person, warning.hour)),
        "moved": f"{warning.deviation:+.1f}",
        "expected": f"{warning.expected_change:+.2f}",
        "expected_interval": f"{warning.expected_low:+.2f} to {warning.expected_high:+.2f}",
        "horizon": f"{warning.horizon_hours:.0f} h",
        "horizon_interval": f"{warning.horizon_low:.0f} to {warning.horizon_high:.0f} h",
        "reliability": warning.reliability,
    }


def _anomalies(person: "PersonLinks") -> list[dict[str, Any]]:
    """Return the newest departures of signals from the person's own baseline."""
    anomalies = sorted(
        ((anomaly, name) for name, of_signal in person.anomalies.items() for anomaly in of_signal),
        key=lambda pair: pair[0].alarm_hour,
    )
    return [
        {
            "signal": name.replace("_", " "),
            "period": wording.period(_day(person, anomaly.start_hour), _day(person, anomaly.alarm_hour)),
            "size": f"{anomaly.mean_deviation:+.1f}",
            "evidence": f"{anomaly.evidence:.1f}",
        }
        for anomaly, name in anomalies[-_SHOWN_ALARMS:]
    ]


def _day(person: "PersonLinks", hour: int) -> np.datetime64:
    day: np.datetime64 = person.series.at(hour).astype("datetime64[D]")
    return day


def _link(link: "Link") -> dict[str, Any]:
    course = "leads" if link.leads else "at about the same time" if link.lag_high >= 0 else "follows"
    return {
        "signal": link.signal.replace("_", " "),
        "symptom": link.symptom.replace("_", " "),
        "course": course,
        "lag": f"{link.lag_hours:+.0f} h",
        "lag_interval": f"{link.lag_low:+.0f} to {link.lag_high:+.0f} h",
        "effect": f"{link.effect:+.2f}",
        "effect_interval": f"{link.effect_low:+.2f} to {link.effect_high:+.2f}",
        "q": "< 0.001" if link.q_value < 0.001 else f"{link.q_value:.3f}",
        "n": f"{link.n_effective:.0f}",
        "explained_by": (link.explained_by or "").replace("_", " "),
    }


class _Sources:
    """Sources in the order in which they are first cited, each with its number."""

    def __init__(self) -> None:
        self.cited: dict[Source, int] = {}

    def __call__(self, source: Source | None) -> int | None:
        return None if source is None else self.cited.setdefault(source, len(self.cited) + 1)


def _options(review: Review, taken: tuple[str, ...]) -> dict[str, Any]:
    """Return drugs of the groups that are taken, or antidepressants, the least concern first; the others apart."""
    drugs, cite = catalogue(), _Sources()
    groups = {tag for drug in taken if drug in drugs for tag in drugs[drug].tags & _GROUPS} or {_GROUP}
    ranked = [reviewed for reviewed in review.ranking if reviewed.drug in drugs and reviewed.drug_class]
    alike = [reviewed for reviewed in ranked if drugs[reviewed.drug].tags & groups]
    rows = [_option(reviewed, reviewed.drug in taken, cite) for reviewed in alike]
    return {
        "groups": " and ".join(sorted(f"{group}s" for group in groups)),
        "first": rows[:_FIRST_OPTIONS],
        "rest": rows[_FIRST_OPTIONS:],
        "others": [_option(other, other.drug in taken, cite) for other in ranked if other not in alike],
        "leads": review.comparison([reviewed.drug for reviewed in alike]),
        "notes": review.notes,
        "sources": cite.cited,
    }


def _option(reviewed: DrugReview, taken: bool, cite: _Sources) -> dict[str, Any]:
    advice = next(iter(reviewed.guidelines), None)
    standing = reviewed.concern == 0 and bool(reviewed.standing)
    return {
        "drug": reviewed.drug,
        "class": reviewed.drug_class,
        "taken": taken,
        "verdict": reviewed.verdict,
        "concern": None if standing else reviewed.concern,
        "advice": None if advice is None else ", ".join(filter(None, (advice.source, advice.strength))),
        "advice_source": None if advice is None else cite(advice.reference),
        "exposure": exposure_words(reviewed.exposure.ratio, reviewed.exposure.low, reviewed.exposure.high),
        "exposure_source": cite(reviewed.exposure.source),
        "efficacy": reviewed.efficacy,
        "efficacy_source": None if reviewed.efficacy is None else cite(reviewed.efficacy.source),
        "cautions": [(c, cite(c.source)) for c in reviewed.caution],
    }


def _series(frame: LongFrame | None, kind: str) -> list[dict[str, Any]]:
    """Return how much there is of each series, and how much of its time it covers."""
    series = []
    for i, key in enumerate(() if frame is None else frame.series):
        assert frame is not None  # noqa: S101 - else there are no series
        rows = frame.part(i)
        seen = np.isfinite(frame.values[rows])
        days = np.unique(frame.timestamps[rows][seen].astype("datetime64[D]"))
        if not len(days):
            continue
        span = int((days[-1] - days[0]).astype(int)) + 1
        series.append(
            {
                "name": key.name.replace("_", " "),
                "kind": kind,
                "unit": frame.units[i] or "",
                "count": int(seen.sum()),
                "window": wording.period(days[0], days[-1]),
                "days": f"{len(days)} of {span}",
                "share": round(100 * len(days) / span),
                "longest_gap": int(np.diff(days).astype(int).max() - 1) if len(days) > 1 else 0,
            }
        )
    return series


def _words(day: date | None) -> str:
    return "" if day is None else wording.date(np.datetime64(day))


def moment(text: str) -> str:
    """Return a moment of the audit as people read it."""
    return datetime.fromisoformat(text).astimezone(UTC).strftime("%-d %b %Y, %H:%M UTC")


def visits(entries: Sequence[dict[str, Any]], own: str) -> list[dict[str, Any]]:
    """Return entries of the audit, those of the same request as one visit."""
    shown: dict[tuple[str, ...], dict[str, Any]] = {}
    for entry in entries:
        key = (entry["correlation_id"], entry["actor"], entry["action"], entry["outcome"])
        visit = shown.setdefault(
            key,
            {
                "at": moment(entry["at"]),
                "who": "you" if entry["actor"] == own else entry["actor"][:8],
                "role": entry["role"],
                "purpose": entry["purpose"],
                "action": entry["action"].replace(".", " ").replace("_", " "),
                "outcome": entry["outcome"],
                "what": {},
            },
        )
        what = entry["what"].replace("_", " ")
        visit["what"][what] = visit["what"].get(what, 0) + entry["count"]
    return list(shown.values())
