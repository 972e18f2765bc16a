"""The one JSON of insights and what-ifs, for every door. Each service's result has the form of its own room."""

from collections.abc import Callable, Mapping
from datetime import date
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field

from novamind.biometrics.codec import PersonLinksBody
from novamind.drugs.codec import CautionBody
from novamind.neurochemistry.codec import LevelAlarmBody, RegimenCourseBody
from novamind.pharmacogenomics.codec import AdviceBody, ExposureBody, ReviewBody, TherapeuticRangeBody
from novamind.symptoms.codec import ForecastsBody
from novamind.twin.domain import (
    BIOMETRICS,
    COURSES,
    MEDICATIONS,
    SYMPTOMS,
    Findings,
    Level,
    Recommendation,
    ServiceResult,
    Status,
)
from novamind.twin.tracking import threshold_of
from novamind.twin.treatment import SimulatedRegimen, SimulatedTreatment


class _Body(BaseModel):
    model_config = ConfigDict(frozen=True, from_attributes=True)


class SpanBody(_Body):
    """A figure with its 90 % band."""

    value: float = Field(description="Median.")
    low: float | None = Field(description="Lower end of the band; null without an ensemble.")
    high: float | None = Field(description="Upper end of the band; null without an ensemble.")


class PlasmaLevelBody(SpanBody):
    """A plasma level with its 90 % band."""

    unit: str = Field(description="Unit of the three.")


class WhatIfBody(_Body):
    """What a drug at a dose would do in this patient, without the hourly course; and what cannot be said."""

    drug: str = Field(description="Generic name.")
    dose_mg: float = Field(description="Each dose, in mg.")
    interval_hours: float = Field(description="Between doses, in hours.")
    weeks: int = Field(description="Length of the course, in weeks.")
    activity: dict[str, str | float] = Field(
        description="Enzyme to CPIC's term or the activity score after co-medication (2 = two normal alleles)."
    )
    inhibitors: dict[str, str | float] = Field(
        description="Enzyme that was not tested to how strongly it is inhibited, or the share of activity left."
    )
    level: PlasmaLevelBody = Field(description="Mean plasma level of the last week.")
    exposure_ratio: float = Field(
        description="That level relative to a normal metaboliser's without co-medication at the same dose (1)."
    )
    published_exposure: ExposureBody = Field(description="The same from measured levels; the two need not agree.")
    therapeutic_range: TherapeuticRangeBody | None = Field(description="Null if not in the tables.")
    occupancy: dict[str, SpanBody] = Field(description="Target to the mean share held over the last day, 0 to 1.")
    symptom_effects: dict[str, SpanBody] = Field(
        description="Outcome to its value on the last day: depression in SD against placebo, others from 0 to 1."
    )
    alarms: list[LevelAlarmBody] = Field(description="Levels above the reference range, by the daily mean.")
    verdict: str = Field(description="What genotype and co-medication mean for the drug, in words.")
    cautions: list[CautionBody] = Field(description="Reasons for care.")
    guidelines: list[AdviceBody] = Field(description="What guidelines say of it.")
    unknown: list[str] = Field(description="What this cannot say, a sentence each.")
    model_version: str = Field(description="Which parameters.")
    seed: int = Field(description="Seed of the draws.")
    ensemble: int = Field(description="Members that the bands are drawn from; 0 for one typical run.")

    @classmethod
    def of(cls, treatment: SimulatedTreatment) -> Self:
        """Return the body of a simulated treatment."""
        level, review, course = treatment.level, treatment.review, treatment.course
        return cls.model_validate(
            {
                "drug": treatment.drug,
                "dose_mg": treatment.dose_mg,
                "interval_hours": treatment.interval_hours,
                "weeks": treatment.weeks,
                "activity": treatment.activity,
                "inhibitors": treatment.inhibitors,
                "level": {"value": level.value, "low": level.low, "high": level.high, "unit": treatment.unit},
                "exposure_ratio": treatment.exposure_ratio,
                "published_exposure": review.exposure,
                "therapeutic_range": review.therapeutic_range,
                "occupancy": treatment.occupancy,
                "symptom_effects": treatment.symptom_effects,
                "alarms": treatment.alarms,
                "verdict": review.verdict,
                "cautions": review.caution,
                "guidelines": review.guidelines,
                "unknown": treatment.unknown,
                "model_version": course.model_version,
                "seed": course.seed,
                "ensemble": course.ensemble_size,
            }
        )


class RegimenWhatIfBody(_Body):
    """What this patient takes, with other steps from today on."""

    today: int = Field(description="Days of the record before today: day `today` + 1 of the course is today.")
    sentence: str = Field(description="What was asked, in words; empty for steps of one's own.")
    course: RegimenCourseBody = Field(description="The whole course by day.")
    notes: list[str] = Field(description="What was left out or assumed, a sentence each.")

    @classmethod
    def of(cls, asked: SimulatedRegimen) -> Self:
        """Return the wire form of a regimen in question."""
        course = RegimenCourseBody.of(asked.simulation)
        return cls(today=asked.today, sentence=asked.sentence, course=course, notes=list(asked.notes))


class OptionsBody(_Body):
    """What was included."""

    include_symptom_forecast: bool = Field(description="Whether symptoms were forecast.")
    include_biometric_correlations: bool = Field(description="Whether links with signals were looked for.")
    include_medication_predictions: bool = Field(description="Whether medication was reviewed and simulated.")
    forecast_days: int = Field(description="Horizon of the forecast, in days.")
    biometric_lookback_days: int = Field(description="How much of the signals was looked at, in days.")


class EvidenceBody(_Body):
    """A result or a source that a recommendation rests on."""

    service: str = Field(description="Which service says so, or the record.")
    statement: str = Field(description="What it says.")
    source: str = Field(description="Model, guideline or place in the record.")
    url: str = Field(description="Address of the source; empty if it has none.")


class RecommendationReliabilityBody(_Body):
    """How far a recommendation can be relied on."""

    level: Level = Field(description="In a word.")
    reason: str = Field(description="Why.")


class RecommendationBody(_Body):
    """One thing to consider, with everything it rests on."""

    priority: int = Field(description="1 (today) to 4 (when convenient).")
    when: str = Field(description="The same in words.")
    topic: str = Field(description="What it is about.")
    text: str = Field(description="The recommendation.")
    evidence: list[EvidenceBody] = Field(description="What it rests on.")
    reliability: RecommendationReliabilityBody = Field(description="How far it can be relied on.")
    proposes: list[str] = Field(description="Drugs that it puts forward, generic names.")
    instead_of: str | None = Field(description="The drug that they would take the place of; null if of none.")
    caveat: str = Field(description="What it does not know.")

    @classmethod
    def of(cls, recommendation: Recommendation) -> Self:
        """Return the body of a recommendation."""
        return cls(
            priority=int(recommendation.priority),
            when=recommendation.priority.words,
            topic=recommendation.topic,
            text=recommendation.text,
            evidence=[EvidenceBody.model_validate(evidence) for evidence in recommendation.evidence],
            reliability=RecommendationReliabilityBody(
                level=recommendation.reliability, reason=recommendation.reliability_reason
            ),
            proposes=list(recommendation.proposes),
            instead_of=recommendation.instead_of or None,
            caveat=recommendation.caveat,
        )


class ForecastCheckBody(_Body):
    """How an earlier forecast turned out."""

    symptom: str = Field(description="Instrument or name of the series.")
    made_on: date = Field(description="Day of the forecast.")
    days: int = Field(description="Its horizon, in days.")
    reports: int = Field(description="Forecast days that have a report by now.")
    covered_80: float | None = Field(description="Share of them inside the 80 % interval, 0 to 1.")
    covered_95: float | None = Field(description="Share of them inside the 95 % interval, 0 to 1.")
    mean_error: float | None = Field(description="Mean absolute error of the median, in the instrument's units.")
    threshold: float | None = Field(description="Score that it warned of, in the instrument's units.")
    warned: float | None = Field(description="Highest probability given for reaching it, 0 to 1.")
    reached: bool | None = Field(description="Whether a report reached it.")
    model_version: str = Field(description="Which weights.")
    replayed: bool = Field(description="Made now from the record up to that day, and not at the time.")
    sentence: str = Field(description="The same in words.")


class ResultBody(_Body):
    """How a service fared."""

    status: Status = Field(description="In a word.")
    reason: str = Field(description="Why there is no result; empty otherwise.")
    model_version: str = Field(description="Of the service; empty without a result.")
    reused: bool = Field(description="Taken from an earlier run with the same inputs and model.")


class ForecastsResult(ResultBody):
    """What the forecast of symptoms gave."""

    value: ForecastsBody | None = Field(description="Forecasts, each with the risk of its next published cut-off.")


class LinksResult(ResultBody):
    """What the search for links between signals and symptoms gave."""

    value: PersonLinksBody | None = Field(description="Links and what follows from them.")


class ReviewResult(ResultBody):
    """What the review of medication gave."""

    value: ReviewBody | None = Field(description="Every psychiatric drug and everything that is taken.")


class TreatmentsResult(ResultBody):
    """What the simulation of current medication gave."""

    value: dict[str, WhatIfBody] | None = Field(description="Generic name to what it does at its present dose.")


class ResultsBody(_Body):
    """What each service gave, or why it gave nothing; null for one that does not run here."""

    symptoms: ForecastsResult | None = Field(description="Forecasts.")
    biometrics: LinksResult | None = Field(description="Links between signals and symptoms.")
    pharmacogenomics: ReviewResult | None = Field(description="Review of medication.")
    neurochemistry: TreatmentsResult | None = Field(description="Simulated treatment.")

    @classmethod
    def of(cls, results: Mapping[str, ServiceResult]) -> Self:
        """Return the body of the services' results by name."""
        return cls.model_validate({name: _result(name, results.get(name)) for name in _VALUES})


class InsightsBody(_Body):
    """What all services say together, with the evidence of each recommendation."""

    patient_id: str = Field(description="Whose.")
    made_on: date = Field(description="Day in the patient's time zone.")
    complete: bool = Field(description="Whether every service that was asked gave a result.")
    missing: dict[str, str] = Field(description="Service without a result to the reason.")
    options: OptionsBody = Field(description="What was included.")
    model_versions: dict[str, str] = Field(description="Service to the model that its result comes from.")
    recommendations: list[RecommendationBody] = Field(description="What to consider, the most urgent first.")
    results: ResultsBody = Field(description="What each service gave.")
    tracking: list[ForecastCheckBody] = Field(description="How earlier forecasts turned out.")
    notes: list[str] = Field(description="What of the record could not be used, and why.")
    disclaimer: str = Field(description="What this is not.")

    @classmethod
    def of(cls, insights: Findings) -> Self:
        """Return the body of the twin's insights."""
        return cls(
            patient_id=insights.patient_id,
            made_on=insights.made_on,
            complete=insights.complete,
            missing=insights.missing,
            options=OptionsBody.model_validate(insights.options),
            model_versions=insights.model_versions,
            recommendations=[RecommendationBody.of(recommendation) for recommendation in insights.recommendations],
            results=ResultsBody.of(insights.results),
            tracking=[ForecastCheckBody.model_validate(check) for check in insights.tracking],
            notes=list(insights.notes),
            disclaimer=insights.disclaimer,
        )


_VALUES: Mapping[str, Callable[[Any], BaseModel | Mapping[str, BaseModel]]] = {
    SYMPTOMS: lambda forecasts: ForecastsBody.with_thresholds(forecasts, threshold_of),
    BIOMETRICS: lambda correlations: PersonLinksBody.of(correlations.person()),
    MEDICATIONS: ReviewBody.of,
    COURSES: lambda treatments: {drug: WhatIfBody.of(treatment) for drug, treatment in treatments.items()},
}


def _result(name: str, result: ServiceResult | None) -> dict[str, Any] | None:
    if result is None:
        return None
    return {
        "status": result.status,
        "reason": result.reason,
        "model_version": result.model_version,
        "reused": result.reused,
        "value": None if result.value is None else _VALUES[name](result.value),
    }
