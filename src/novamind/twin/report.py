"""The twin's insights as one HTML page that a clinician can read: every number with its uncertainty and source."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from markupsafe import Markup

from novamind.pages import environment
from novamind.pharmacogenomics import Review
from novamind.symptoms.domain import SymptomForecast
from novamind.symptoms.presentation import wording
from novamind.twin.case import Case
from novamind.twin.domain import BIOMETRICS, COURSES, MEDICATIONS, SYMPTOMS, Findings, Priority, Status
from novamind.twin.tracking import threshold_of
from novamind.twin.treatment import SimulatedRegimen, SimulatedTreatment, Span

_TEMPLATE = "report.html"
_TITLES = {
    SYMPTOMS: "Symptom forecast",
    BIOMETRICS: "Biometric links",
    MEDICATIONS: "Medication review",
    COURSES: "Simulated treatment",
}
_ENVIRONMENT = environment(Path(__file__).parent)


def render(insights: Findings, case: Case, what_ifs: tuple[SimulatedTreatment, ...] = ()) -> str:
    """Return the page.

    Parameters
    ----------
    insights
        What to report.
    case
        The patient it is about; the page names the patient as the record does: keep it as you keep the record.
    what_ifs
        Drugs that were asked about.

    Returns
    -------
    str
        A complete HTML document without script or outside request; the same input gives the same bytes.
    """
    values = {name: r.value for name, r in insights.results.items() if r.status is Status.AVAILABLE}
    forecasts = [forecast_section(forecast) for forecast in values.get(SYMPTOMS, ())]
    courses: Mapping[str, SimulatedTreatment] = values.get(COURSES, {})
    return _ENVIRONMENT.get_template(_TEMPLATE).render(
        insights=insights,
        record=case.record,
        medications=case.medications,
        allergies=sorted(case.allergies),
        conditions=[c.name for c in case.record.conditions if c.active],
        genotype={gene: str(d.name) for gene, d in case.genotype.items()},
        titles=_TITLES,
        statuses=[(name, result) for name, result in insights.results.items()],
        urgent=[
            recommendation for recommendation in insights.recommendations if recommendation.priority is Priority.TODAY
        ],
        forecasts=forecasts,
        skipped={key.name: reason for key, reason in getattr(values.get(SYMPTOMS), "skipped", {}).items()},
        review=review_section(values.get(MEDICATIONS), case),
        courses=[what_if_section(course) for course in courses.values()],
        what_ifs=[what_if_section(asked) for asked in what_ifs],
        last=case.record.last_day and wording.date(np.datetime64(case.record.last_day)),
        made=wording.date(np.datetime64(insights.made_on)),
    )


def forecast_section(forecast: SymptomForecast) -> dict[str, Any]:
    """Return a forecast as a page shows it: words, picture, and a few days in figures."""
    from novamind.symptoms.presentation.plots import fan_chart, to_svg  # Altair takes long to import

    threshold = threshold_of(forecast)
    scale = forecast.scale
    chosen = sorted({0, forecast.horizon // 2, forecast.horizon - 1})
    intervals = {level: forecast.interval(level) for level in (0.8, 0.95)}
    return {
        "symptom": forecast.symptom,
        "headline": wording.headline(forecast),
        "trend": wording.trend(scale, forecast.trend),
        "risk": None if threshold is None else wording.risk(forecast, forecast.risk(threshold)),
        "reliability": forecast.reliability,
        "picture": Markup(to_svg(fan_chart(forecast, threshold))),  # noqa: S704 - drawn here
        "rows": [
            (
                wording.date(forecast.days[i]),
                wording.number(scale, forecast.median[i]),
                *(wording.span(scale, low[i], high[i]) for low, high in intervals.values()),
            )
            for i in chosen
        ],
        "coverage": "; ".join(
            f"{100 * at:g} % intervals held {100 * share:.1f} %" for at, share in forecast.coverage.items()
        ),
        "version": forecast.model_version,
    }


def review_section(review: Review | None, case: Case) -> list[dict[str, Any]]:
    """Return the current medication as a page shows it: advice, cautions and exposure of each drug."""
    if review is None:
        return []
    return [
        {
            "drug": entry.drug,
            "verdict": entry.verdict,
            "concern": entry.concern,
            "exposure": exposure_words(entry.exposure.ratio, entry.exposure.low, entry.exposure.high),
            "basis": entry.exposure.basis,
            "source": entry.exposure.source,
            "advice": [(a.text, f"{a.source}, {a.strength}", a.reference) for a in entry.guidelines],
            "cautions": entry.interactions,
            "standing": entry.standing,
            "phenotypes": list(
                dict.fromkeys(
                    f"{c.gene}: {c.before.label} → {c.after.label} ({'; '.join(c.reasons)})"
                    if c.converted
                    else f"{c.gene}: {c.after.label}"
                    for c in entry.phenotypes
                )
            ),
        }
        for drug in case.medications
        if drug in review
        for entry in [review[drug]]
    ]


def exposure_words(ratio: float | None, low: float | None, high: float | None) -> str:
    """Return an exposure ratio with its interval, or that it is not known."""
    if low is None or high is None:
        return "not known"
    return f"{low:.2f} to {high:.2f}" if ratio is None else f"{ratio:.2f} (95 % {low:.2f} to {high:.2f})"


def what_if_section(asked: SimulatedTreatment) -> dict[str, Any]:
    """Return a simulated treatment as a page shows it: figures with bands and sources, and what is not known."""
    from novamind.symptoms.presentation.plots import to_svg
    from novamind.twin.plots import level_chart

    effects = {
        (
            "difference from placebo, average trial patient (standardised)"
            if outcome == "depression"
            else f"{outcome}, {'relative to baseline' if outcome == 'prolactin change' else 'position in its range'}"
        ): span
        for outcome, span in asked.symptom_effects.items()
    }
    often = "a day" if asked.interval_hours == 24 else f"every {asked.interval_hours:g} h"
    return {
        "drug": asked.drug,
        "dose": f"{asked.dose_mg:g} mg {often}",
        "weeks": asked.weeks,
        "verdict": asked.review.verdict,
        "cautions": asked.review.interactions,
        "alarms": [alarm.sentence for alarm in asked.alarms],
        "rows": [
            (
                f"mean plasma level, week {asked.weeks} ({asked.unit})",
                *_figures(asked.level),
                asked.course.model_version,
            ),
            *(
                (f"{target} occupancy, last day", *_figures(span, percent=True), asked.course.model_version)
                for target, span in asked.occupancy.items()
            ),
            *((name, *_figures(span), asked.course.model_version) for name, span in effects.items()),
        ],
        "ratio": f"{asked.exposure_ratio:.2f}",
        "published": exposure_words(asked.review.exposure.ratio, asked.review.exposure.low, asked.review.exposure.high),
        "published_source": asked.review.exposure.source,
        "unknown": asked.unknown,
        "picture": Markup(to_svg(level_chart(asked))),  # noqa: S704 - drawn here
        "seed": asked.course.seed,
        "ensemble": asked.course.ensemble_size,
    }


def regimen_section(asked: SimulatedRegimen) -> dict[str, Any]:
    """Return a regimen in question as a page shows it: steps and cautions in days from today, and the picture."""
    from novamind.neurochemistry.plots import plot_regimen
    from novamind.symptoms.presentation.plots import to_svg

    course = asked.simulation

    def days(first: int, last: int) -> str:
        return f"day {first - asked.today} to {last - asked.today}"

    return {
        "sentence": asked.sentence,
        "steps": [
            (
                step.words,
                f"{step.start_day - asked.today:g}",
                "on" if step.stop is None else f"{step.stop_day - asked.today:g}",
            )
            for step in course.steps
        ],
        "overlaps": [
            {
                "severity": overlap.severity,
                "days": days(overlap.first_day, overlap.last_day),
                "who": f"{overlap.b} after {overlap.a}" if overlap.after_stopping else f"{overlap.a} with {overlap.b}",
                "text": overlap.cautions[0].text,
                "source": overlap.cautions[0].source,
            }
            for overlap in course.overlaps
            if overlap.last_day > asked.today
        ],
        "doses": list(
            dict.fromkeys((of.step.drug, of.caution) for of in course.dose_cautions if of.step.stop_day > asked.today)
        ),
        "alarms": [
            f"{alarm.analyte} up to {alarm.highest:.3g} {alarm.unit}, above the {alarm.bound} of {alarm.limit:g}"
            f" ({days(alarm.first_day, alarm.last_day)})"
            for alarm in course.alarms
            if alarm.last_day > asked.today
        ],
        "notes": asked.notes,
        "today": asked.today,
        "picture": Markup(to_svg(plot_regimen(course, asked.today))),  # noqa: S704 - drawn here
        "seed": course.seed,
        "ensemble": course.ensemble_size,
    }


def _figures(span: Span, percent: bool = False) -> tuple[str, str]:
    def shown(value: float) -> str:
        return f"{100 * value:.0f} %" if percent else f"{value:.3g}"

    band = "none" if span.low is None or span.high is None else f"{shown(span.low)} to {shown(span.high)}"
    return shown(span.value), band
