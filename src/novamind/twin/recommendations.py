"""Recommendations from results: prioritised, each with its evidence, none against a pharmacogenomic caution.

A recommendation may put a drug forward only where nothing speaks against it in the review (``DrugReview.against``), as
it would be once the drug that it replaces is stopped. Without a review nothing is put forward. Everything that leaves
this module has passed :func:`contradictions`.
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from typing import TYPE_CHECKING

import numpy as np

from novamind.drugs.catalogue import catalogue
from novamind.drugs.domain import Severity
from novamind.pharmacogenomics import DrugReview, Review
from novamind.pharmacogenomics.allergies import allergens_of
from novamind.pharmacogenomics.drug_review import SPEAKS_AGAINST
from novamind.pharmacogenomics.guidelines import guideline_genes
from novamind.symptoms.domain import SymptomForecast
from novamind.symptoms.instruments import recognise
from novamind.symptoms.presentation import wording
from novamind.twin.case import Case
from novamind.twin.domain import (
    BIOMETRICS,
    COURSES,
    MEDICATIONS,
    SYMPTOMS,
    Evidence,
    Level,
    Priority,
    Recommendation,
    ServiceResult,
    Status,
)
from novamind.twin.tracking import threshold_of
from novamind.twin.treatment import SimulatedTreatment

if TYPE_CHECKING:
    from novamind.biometrics.results import PersonLinks

_ITEM_ON_DEATH = "PHQ-9 item 9"
_ITEM_DAYS = 30
_NOTABLE_RATIO = 1.5
_PRIORITY = {4: Priority.TODAY, 3: Priority.SOON, 2: Priority.NEXT_VISIT}


def recommendations(case: Case, results: Mapping[str, ServiceResult]) -> tuple[Recommendation, ...]:
    """Return everything to consider, the most pressing first."""
    values = {name: r.value for name, r in results.items() if r.status is Status.AVAILABLE}
    review: Review | None = values.get(MEDICATIONS)
    # Within one priority the order here stays: safety, symptoms, what is taken, then what could be done about it.
    candidates = [*_thoughts_of_death(case)]
    if SYMPTOMS in values:
        for forecast in values[SYMPTOMS]:
            candidates += _forecast(forecast, case.today)
    if review is not None:
        candidates += _current(case, review)
        candidates += _alternatives(case, review)
        candidates += _untyped(case)
    for drug, course in values.get(COURSES, {}).items():
        candidates += _exposure(drug, course)
    if BIOMETRICS in values:
        candidates += _links(values[BIOMETRICS].person(), case.today)
    kept = [candidate for candidate in candidates if not contradictions((candidate,), review)]
    return tuple(sorted(kept, key=lambda candidate: candidate.priority))


def contradictions(
    candidates: Iterable[Recommendation], review: Review | None
) -> list[tuple[Recommendation, str, str]]:
    """Return recommendations that put forward a drug against a caution: each with the drug and the reason."""
    conflicts = []
    for candidate in candidates:
        after = review.without(candidate.instead_of) if review is not None and candidate.proposes else None
        for drug in candidate.proposes:
            reason = after[drug].against if after is not None and drug in after else "no pharmacogenomic review"
            if reason is not None:
                conflicts.append((candidate, drug, reason))
    return conflicts


def _thoughts_of_death(case: Case) -> Iterator[Recommendation]:
    times, values, sources = case.reports(_ITEM_ON_DEATH)
    if not len(times):
        return
    days = np.asarray(times, "datetime64[D]")
    # The answers of the last weeks of the record: later ones of 0 do not take back what was said before them.
    recent = days >= days.max() - np.timedelta64(_ITEM_DAYS, "D")
    marked = np.flatnonzero(recent & (np.asarray(values) >= 1))
    if len(marked):
        i = int(marked[-1])
        age = int((np.datetime64(case.today) - days[i]).astype(int))
        answer = f"PHQ-9 item 9 was {values[i]:g} of 3 on {wording.date(days[i])}"
        fresh = age <= _ITEM_DAYS
        since = "not answered since" if i == len(days) - 1 else "a lower answer since does not take it back"
        yield Recommendation(
            Priority.TODAY if fresh else Priority.SOON,
            "safety",
            "Ask about thoughts of death and self-harm now, and act on the answer."
            if fresh
            else f"Ask about thoughts of death and self-harm: {answer}, {age} days ago; {since}.",
            (Evidence("record", f"{answer}.", sources[i] if sources else "record"),),
            "high",
            "the person's own answer; a missing or low answer would not rule out a crisis",
        )


def _forecast(forecast: SymptomForecast, today: date) -> Iterator[Recommendation]:
    if forecast.days[-1] < np.datetime64(today):
        age = int((np.datetime64(today) - forecast.history_days[-1].astype("datetime64[D]")).astype(int))
        yield Recommendation(
            Priority.NEXT_VISIT,
            f"{forecast.symptom} record",
            f"Ask for a new report of {forecast.symptom}: the last is {age} days old, and a forecast from it is past.",
            (Evidence(SYMPTOMS, wording.headline(forecast), f"model {forecast.model_version}"),),
            "high",
            "dates of the record",
        )
        return
    threshold, instrument = threshold_of(forecast), recognise(forecast.symptom)
    level: Level = forecast.reliability.level
    reason = "; ".join(forecast.reliability.reasons)
    shown = Evidence(SYMPTOMS, wording.headline(forecast), f"model {forecast.model_version}")
    coverage = "; ".join(
        f"{100 * at:g} % intervals held {100 * share:.0f} %" for at, share in forecast.coverage.items()
    )
    measured = Evidence(SYMPTOMS, f"Measured on the validation cohort: {coverage}.", f"model {forecast.model_version}")
    if threshold is not None and instrument is not None:
        risk = forecast.risk(threshold)
        periods = [period for period in risk.periods if period.end >= np.datetime64(today)]
        if periods:
            start = periods[0].start
            when = "now" if start <= np.datetime64(today) else f"before {wording.date(start)}"
            cut = next(c for c in instrument.cut_offs if c.value == threshold)
            last = forecast.history[np.isfinite(forecast.history)][-1]
            there = last >= threshold if forecast.scale.worse == "high" else last <= threshold
            yield Recommendation(
                Priority.SOON,
                f"{forecast.symptom} risk",
                f"See the person {when}: {forecast.symptom} may {'stay at' if there else 'reach'}"
                f" {wording.beyond(forecast.scale, threshold)} ({cut.meaning}).",
                (Evidence(SYMPTOMS, wording.risk(forecast, risk), cut.source), shown, measured),
                level,
                reason,
            )
            return
    if forecast.trend.direction == "worsening":
        yield Recommendation(
            Priority.NEXT_VISIT,
            f"{forecast.symptom} trend",
            f"Ask what has changed: {forecast.symptom} has been getting worse.",
            (
                Evidence(SYMPTOMS, wording.trend(forecast.scale, forecast.trend), f"model {forecast.model_version}"),
                shown,
            ),
            level,
            reason,
        )


def _review_evidence(review: DrugReview) -> tuple[Evidence, ...]:
    advice = [
        Evidence(MEDICATIONS, f"{review.drug}: {a.text}", f"{a.source}: {a.reference}", a.url)
        for a in review.guidelines
        if a.action != "NO_RECOMMENDATION"
    ]
    cautions = [
        Evidence(MEDICATIONS, f"{review.drug}, {c.severity}, {c.cause}: {c.text}", str(c.source), c.source.url)
        for c in review.interactions
        if c.severity is not Severity.INFORMATION
    ]
    nothing = Evidence(MEDICATIONS, f"{review.drug}: {review.standing or 'no caution'}", "pharmacogenomic review")
    return (*dict.fromkeys([*advice, *cautions]),) or (nothing,)


def _review_level(review: DrugReview) -> tuple[Level, str]:
    if any(change.after.provisional for change in review.phenotypes):
        return "low", "a genotype that it rests on is provisional"
    if any(source.evidence == "unverified" for source in review.evidence):
        return "medium", "one of its sources is general knowledge that was not confirmed"
    strong = any(a.strength.casefold().startswith("strong") for a in review.guidelines)
    return (
        ("high", "a guideline's strong recommendation") if strong else ("medium", "no strong guideline recommendation")
    )


def _current(case: Case, review: Review) -> Iterator[Recommendation]:
    for drug in case.medications:
        if drug in case.allergies:
            named = [
                a
                for a in case.record.allergies
                if a.active and drug in (*allergens_of(a.medication or ""), *allergens_of(a.name))
            ]
            source = named[0].source
            evidence = (Evidence("record", f"An allergy to {drug} is recorded as active.", source or "record"),)
            yield Recommendation(
                Priority.TODAY, f"{drug} allergy", f"Check {drug}: it is taken, and an allergy to it is recorded.",
                evidence, "medium", "recorded allergies are often unconfirmed",
            )  # fmt: skip
        if drug not in review or review[drug].concern not in _PRIORITY:
            continue
        drug_review = review[drug]
        level, reason = _review_level(drug_review)
        first = drug_review.leading.text if drug_review.leading else ""
        texts = [c.text for c in drug_review.interactions if c.severity in (Severity.CONTRAINDICATED, Severity.MAJOR)]
        text = (
            first
            if first and drug_review.concern < SPEAKS_AGAINST
            else " ".join(dict.fromkeys([*filter(None, [first]), *texts[:2]]))
        )
        yield Recommendation(
            _PRIORITY[drug_review.concern],
            f"{drug} now taken",
            f"Review {drug} ({drug_review.verdict}). {text}".strip(),
            _review_evidence(drug_review),
            level,
            reason,
        )


def _alternatives(case: Case, review: Review) -> Iterator[Recommendation]:
    for drug in case.medications:
        if drug not in review or review[drug].concern < SPEAKS_AGAINST:
            continue
        options = review.alternatives(drug)
        if options:
            names = tuple(option.review.drug for option in options)
            overlaps = [
                Evidence(
                    MEDICATIONS,
                    f"{option.review.drug} while {drug} still acts, {c.severity}: {c.text}",
                    str(c.source),
                    c.source.url,
                )
                for option in options
                for c in option.overlap
                if c.severity is not Severity.INFORMATION
            ]
            yield Recommendation(
                _PRIORITY[review[drug].concern],
                f"{drug} alternatives",
                f"If {drug} is changed, these raise the least concern for this person once it is stopped:"
                f" {', '.join(names)}."
                + (" Cautions of their own apply while both act." if overlaps else "")
                + " Cross-tapering is not covered here.",
                (*(e for option in options for e in _review_evidence(option.review)), *overlaps),
                "medium",
                "ranked by guideline concern, then published response; drugs without a guideline on this genotype come"
                " last; the ranking does not say which one suits the person",
                names,
                instead_of=drug,
            )


def _untyped(case: Case) -> Iterator[Recommendation]:
    for drug in case.medications:
        genes = [gene for gene in guideline_genes(drug) if gene not in case.genotype] if drug in catalogue() else []
        if genes:
            yield Recommendation(
                Priority.WHEN_CONVENIENT,
                f"{drug} genotype",
                f"Guidelines for {drug} look at {', '.join(genes)}; no result is recorded.",
                (Evidence(MEDICATIONS, f"{drug}: guideline genes {', '.join(genes)}", "packaged guideline tables"),),
                "medium",
                "the use of a test depends on what is planned",
            )


def _exposure(drug: str, course: SimulatedTreatment) -> Iterator[Recommendation]:
    ratio = course.exposure_ratio
    level = course.review.therapeutic_range
    if 1 / _NOTABLE_RATIO < ratio < _NOTABLE_RATIO or level is None:
        return
    how = "higher" if ratio > 1 else "lower"
    comparable = course.level_in_range
    span, analyte = (course.level, drug) if comparable is None else (comparable, level.analyte)
    band = "" if span.low is None else f" (90 % band {span.low:.3g} to {span.high:.3g})"
    statement = (
        f"Simulated level of {analyte} at {course.dose_mg:g} mg: {span.value:.3g} {course.unit}{band};"
        f" {drug} is at {ratio:.1f} times a normal metaboliser's."
    )
    usual = f"Usual range of {level.analyte} {level.low:g} to {level.high:g} {level.unit}."
    # A level stands beside the range of the same analyte only.
    ranges = () if comparable is None else (Evidence(MEDICATIONS, usual, str(level.source), level.source.url),)
    yield Recommendation(
        Priority.NEXT_VISIT,
        f"{drug} level",
        f"Consider measuring the plasma level of {drug}: it is expected to be {how} than usual.",
        (Evidence(COURSES, statement, course.course.model_version), *ranges),
        "medium",
        "a simulation from fractions of clearance; the measured level decides",
    )  # fmt: skip


def _links(person_links: "PersonLinks", today: date) -> Iterator[Recommendation]:
    """Return reliable confirmed leads, and warnings whose time has not passed."""
    series = person_links.series
    for warning in person_links.early_warning:
        until = series.at(warning.hour + int(np.ceil(warning.horizon_high)))
        if until >= np.datetime64(today):
            way = "rise" if warning.direction > 0 else "fall"
            yield Recommendation(
                Priority.SOON,
                f"{warning.symptom} may {way}",
                f"Ask about {warning.symptom}: it may {way} until {str(until)[:13].replace('T', ' ')} h.",
                (Evidence(BIOMETRICS, f"{warning.evidence}.", f"warning of {str(series.at(warning.hour))[:16]}"),),
                "low",
                "most such warnings are not followed by a notable change",
            )
    actions = {(insight.signal, insight.symptom): insight.action for insight in person_links.insights}
    for link in person_links.links:
        action = actions.get((link.signal, link.symptom))
        if action is None:
            continue
        direction = "falls" if link.sign < 0 else "rises"
        numbers = f"lag {link.lag_hours:.0f} h ({link.lag_low:.0f} to {link.lag_high:.0f}), q = {link.q_value:.3f}"
        yield Recommendation(
            Priority.WHEN_CONVENIENT,
            f"{link.signal} before {link.symptom}",
            f"Watch {link.signal}: when it rises, {link.symptom} {direction} some {link.lag_hours:.0f} hours later. "
            f"{action}",
            (
                Evidence(
                    BIOMETRICS,
                    f"{link.signal} leads {link.symptom}: {numbers}, effect {link.effect:.2f} "
                    f"({link.effect_low:.2f} to {link.effect_high:.2f}).",
                    f"{link.n_effective:.0f} effective observations",
                ),
            ),
            "low",
            "an association in one person's record; a cause is not shown",
        )
