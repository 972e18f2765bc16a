"""What the services said of a patient, arranged for the eye: words, figures with intervals, pictures."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from markupsafe import Markup

from novamind.clinic import Overview
from novamind.clinic.record_mapping import mapping_of, readable
from novamind.infrastructure.patient_store import StoredRecord
from novamind.pharmacogenomics import DrugReview, Review
from novamind.pharmacogenomics.domain import Source
from novamind.pharmacogenomics.medications import catalogue
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
    """What is new of a patient, in the few lines of a list."""
    new = sum(when >= now - timedelta(days=NEW_DAYS) for when in readable(reports, _reported_at)[0])
    forecasts = _values(overview).get(SYMPTOMS, ())
    return {
        "new": new,
        "days": NEW_DAYS,
        "latest": [_latest(forecast) for forecast in forecasts],
        "trends": [(f.symptom, wording.trend(f.scale, f.trend)) for f in forecasts],
        "risks": [wording.risk(f, f.risk(at)) for f in forecasts if (at := threshold_of(f)) is not None],
        "versions": sorted({f.model_version for f in forecasts}),
        "pressing": [one for one in overview.insights.recommendations if one.priority <= Priority.SOON],
        "since": _since(overview),
        "missing": overview.insights.results[SYMPTOMS].reason,
        "old": _age(overview),
    }


def _since(overview: Overview) -> dict[str, Any] | None:
    """What is recommended anew and no longer: of the latter the topic alone, since the rest may be closed by now."""
    found = changes(overview.insights, overview.earlier)
    if found is None:
        return None
    begun = [(one.topic, one.priority.words) for one in found.begun]
    return {"day": _words(found.since), "begun": begun, "ended": [one.topic for one in found.ended]}


def _reported_at(stored: StoredRecord) -> datetime:
    """When a report was given by its own date, not when it was stored: an import of old reports is no news."""
    when = datetime.fromisoformat(str(mapping_of(stored).get("timestamp")))
    return when if when.tzinfo is not None else when.replace(tzinfo=UTC)


def overview_of(overview: Overview) -> dict[str, Any]:
    """Everything that the patient page shows of one overview."""
    values = _values(overview)
    insights, case = overview.insights, overview.case
    review: Review | None = values.get(MEDICATIONS)
    return {
        "insights": insights,
        "pressing": [one for one in insights.recommendations if one.priority <= Priority.SOON],
        "forecasts": [_forecast(forecast) for forecast in values.get(SYMPTOMS, ())],
        "skipped": {key.name: reason for key, reason in getattr(values.get(SYMPTOMS), "skipped", {}).items()},
        "reasons": {name: result.reason for name, result in insights.results.items()},
        "signals": _signals(values.get(BIOMETRICS)),
        "lookback_days": insights.options.biometric_lookback_days,
        "medications": case.medications,
        "genotype": {gene: str(found.name) for gene, found in case.genotype.items()},
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
    """That the record is old, where it is: every forecast begins at its end."""
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
            (wording.period(one.start, one.end), wording.percent(one.peak_probability)) for one in risk.periods
        ],
        "risk_picture": Markup(to_svg(risk_chart(forecast, at))),  # noqa: S704 - drawn here
    }


def _signals(found: "Correlations | None") -> dict[str, Any] | None:
    if found is None:
        return None
    from novamind.biometrics.plots import link_map
    from novamind.symptoms.presentation.plots import to_svg

    person = found.persons[0]
    return {
        "confirmed": [_link(link) for link in sorted(person.links, key=lambda k: -k.score) if link.detected],
        "others": [_link(link) for link in sorted(person.links, key=lambda k: k.q_value) if not link.detected],
        "told": person.insights,
        "warnings": [_warning(one, person) for one in person.early_warning[-_SHOWN_ALARMS:]],
        "anomalies": _anomalies(person),
        "plan": person.monitoring_plan,
        "skipped": dict(person.skipped),
        "reliability": person.reliability,
        "fdr": found.fdr,
        "within_hours": found.max_lag_hours,
        "version": found.model_version,
        "picture": Markup(to_svg(link_map(person, found.max_lag_hours))),  # noqa: S704 - drawn here
    }


def _warning(one: "EarlyWarning", person: "PersonLinks") -> dict[str, Any]:
    """A leading signal has moved: what it may foretell, and when."""
    return {
        "signal": one.signal.replace("_", " "),
        "symptom": one.symptom.replace("_", " "),
        "since": wording.date(_day(person, one.hour)),
        "moved": f"{one.deviation:+.1f}",
        "expected": f"{one.expected_change:+.2f}",
        "expected_interval": f"{one.expected_low:+.2f} to {one.expected_high:+.2f}",
        "horizon": f"{one.horizon_hours:.0f} h",
        "horizon_interval": f"{one.horizon_low:.0f} to {one.horizon_high:.0f} h",
        "reliability": one.reliability,
    }


def _anomalies(person: "PersonLinks") -> list[dict[str, Any]]:
    """The newest departures of signals from the person's own baseline."""
    found = sorted(
        ((one, name) for name, of_signal in person.anomalies.items() for one in of_signal),
        key=lambda pair: pair[0].alarm_hour,
    )
    return [
        {
            "signal": name.replace("_", " "),
            "period": wording.period(_day(person, one.start_hour), _day(person, one.alarm_hour)),
            "size": f"{one.mean_deviation:+.1f}",
            "evidence": f"{one.evidence:.1f}",
        }
        for one, name in found[-_SHOWN_ALARMS:]
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
    """Drugs of the groups that are taken, or antidepressants, the least concern first; the others apart."""
    known, cite = catalogue(), _Sources()
    groups = {tag for drug in taken if drug in known for tag in known[drug].tags & _GROUPS} or {_GROUP}
    ranked = [found for found in review.ranking if found.drug in known and found.drug_class]
    alike = [found for found in ranked if known[found.drug].tags & groups]
    rows = [_option(found, found.drug in taken, cite) for found in alike]
    return {
        "groups": " and ".join(sorted(f"{group}s" for group in groups)),
        "first": rows[:_FIRST_OPTIONS],
        "rest": rows[_FIRST_OPTIONS:],
        "others": [_option(found, found.drug in taken, cite) for found in ranked if found not in alike],
        "leads": review.comparison([found.drug for found in alike]),
        "notes": review.notes,
        "sources": cite.cited,
    }


def _option(found: DrugReview, taken: bool, cite: _Sources) -> dict[str, Any]:
    advice = next(iter(found.guidelines), None)
    standing = found.concern == 0 and bool(found.standing)
    return {
        "drug": found.drug,
        "class": found.drug_class,
        "taken": taken,
        "verdict": found.verdict,
        "concern": None if standing else found.concern,
        "advice": None if advice is None else ", ".join(filter(None, (advice.source, advice.strength))),
        "advice_source": None if advice is None else cite(advice.reference),
        "exposure": exposure_words(found.exposure.ratio, found.exposure.low, found.exposure.high),
        "exposure_source": cite(found.exposure.source),
        "efficacy": found.efficacy,
        "efficacy_source": None if found.efficacy is None else cite(found.efficacy.source),
        "cautions": [(c, cite(c.source)) for c in found.caution],
    }


def _series(frame: LongFrame | None, kind: str) -> list[dict[str, Any]]:
    """How much there is of each series, and how much of its time it covers."""
    found = []
    for i, key in enumerate(() if frame is None else frame.series):
        assert frame is not None  # noqa: S101 - else there are no series
        rows = frame.part(i)
        seen = np.isfinite(frame.values[rows])
        days = np.unique(frame.timestamps[rows][seen].astype("datetime64[D]"))
        if not len(days):
            continue
        span = int((days[-1] - days[0]).astype(int)) + 1
        found.append(
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
    return found


def _words(day: date | None) -> str:
    return "" if day is None else wording.date(np.datetime64(day))


def moment(text: str) -> str:
    """A moment of the audit as people read it."""
    return datetime.fromisoformat(text).astimezone(UTC).strftime("%-d %b %Y, %H:%M UTC")


def visits(entries: Sequence[dict[str, Any]], own: str) -> list[dict[str, Any]]:
    """Entries of the audit, those of one request as one visit."""
    found: dict[tuple[str, ...], dict[str, Any]] = {}
    for one in entries:
        key = (one["correlation_id"], one["actor"], one["action"], one["outcome"])
        visit = found.setdefault(
            key,
            {
                "at": moment(one["at"]),
                "who": "you" if one["actor"] == own else one["actor"][:8],
                "role": one["role"],
                "purpose": one["purpose"],
                "action": one["action"].replace(".", " ").replace("_", " "),
                "outcome": one["outcome"],
                "what": {},
            },
        )
        what = one["what"].replace("_", " ")
        visit["what"][what] = visit["what"].get(what, 0) + one["count"]
    return list(found.values())
