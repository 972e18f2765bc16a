"""Insights as FHIR R4: forecast risk as RiskAssessment, scores as Observation, the review as DiagnosticReport."""

from typing import Any
from uuid import NAMESPACE_URL, uuid5

import numpy as np

from novamind.pharmacogenomics import Review
from novamind.records import PatientRecord, record_bundle
from novamind.records.fhir.export import subject_of
from novamind.records.fhir.terminology import LOINC, OWN
from novamind.records.instruments.domain import code_of
from novamind.symptoms.domain import SymptomForecast
from novamind.twin.domain import MEDICATIONS, SYMPTOMS, Findings, Status
from novamind.twin.tracking import threshold_of

#: "Pharmacogenomic analysis report" (LOINC).
_REPORT_CODE = "83006-7"


def to_fhir(record: PatientRecord, insights: Findings | None = None) -> dict[str, Any]:
    """Return the record as a FHIR R4 Bundle, with the results of the services where there are any."""
    bundle = record_bundle(record)
    if insights is not None:
        bundle["entry"] += result_resources(insights, record)
    return bundle


def result_resources(insights: Findings, record: PatientRecord) -> list[dict[str, Any]]:
    """Return Bundle entries of the results; each names its model and is preliminary until a person has seen it.

    ``RiskAssessment`` and ``Observation`` are ``preliminary``. Predicted scores carry our own code beside LOINC's text,
    so that no reader takes a forecast for a measurement, ours included.
    """
    values = {name: r.value for name, r in insights.results.items() if r.status is Status.AVAILABLE}
    resources = []
    for forecast in values.get(SYMPTOMS, ()):
        resources += _forecast(forecast, insights, record)
    review: Review | None = values.get(MEDICATIONS)
    if review is not None and review.genotype:
        resources.append(_report(review, insights, record))
    return [
        {
            "fullUrl": f"urn:uuid:{uuid5(NAMESPACE_URL, f'{OWN}:result:{record.patient_id}:{insights.made_on}:{i}')}",
            "resource": r,
        }
        for i, r in enumerate(resources)
    ]


def _own(kind: str, code: str, text: str) -> dict[str, Any]:
    return {"coding": [{"system": f"{OWN}:{kind}", "code": code}], "text": text}


def _forecast(forecast: SymptomForecast, insights: Findings, record: PatientRecord) -> list[dict[str, Any]]:
    subject = subject_of(record)
    last = str(forecast.days[-1])
    low, high = (bound[-1] for bound in forecast.interval(0.8))
    predicted = {
        "resourceType": "Observation",
        "status": "preliminary",
        "code": _own("predicted", code_of(forecast.symptom) or "score", f"{forecast.symptom}, predicted"),
        "subject": subject,
        "effectiveDateTime": last,
        "valueQuantity": {"value": float(forecast.median[-1]), "unit": "{score}"},
        "method": {"text": f"Novamind model {forecast.model_version}"},
        "component": [
            {
                "code": {"text": f"{name} of the 80 % interval"},
                "valueQuantity": {"value": float(end), "unit": "{score}"},
            }
            for name, end in (("lower end", low), ("upper end", high))
        ],
        "note": [{"text": insights.disclaimer}],
    }
    threshold = threshold_of(forecast)
    if threshold is None:
        return [predicted]
    probability = forecast.risk(threshold).probability
    peak = int(np.argmax(probability))
    risk = {
        "resourceType": "RiskAssessment",
        "status": "preliminary",
        "subject": subject,
        "occurrenceDateTime": insights.made_on.isoformat(),
        "method": {"text": f"Novamind model {forecast.model_version}"},
        "prediction": [
            {
                "outcome": {"text": f"{forecast.symptom} of {threshold:g} or worse"},
                "probabilityDecimal": round(float(probability[peak]), 4),
                "whenPeriod": {"start": str(forecast.days[peak]), "end": str(forecast.days[peak])},
                "rationale": f"Reliability {forecast.reliability.level}: {'; '.join(forecast.reliability.reasons)}",
            }
        ],
        "note": [{"text": insights.disclaimer}],
    }
    return [predicted, risk]


def _report(review: Review, insights: Findings, record: PatientRecord) -> dict[str, Any]:
    lines = [f"{d.drug}: {d.verdict}." for d in review.ranking if d.concern or d.drug in review.comedications]
    return {
        "resourceType": "DiagnosticReport",
        "status": "preliminary",
        "category": [{"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v2-0074", "code": "GE"}]}],
        "code": {"coding": [{"system": LOINC, "code": _REPORT_CODE}], "text": "Medication review from genotype"},
        "subject": subject_of(record),
        "effectiveDateTime": insights.made_on.isoformat(),
        "conclusion": " ".join([*lines, insights.disclaimer]),
    }
