"""Results as FHIR R4: forecasts and reviews that nobody takes for a measurement or a final word."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from fhir.resources.R4B import get_fhir_model_class

from novamind.pharmacogenomics import recommend
from novamind.twin.analyses import MEDICATIONS, SYMPTOMS
from novamind.twin.domain import Options, Status
from novamind.twin.fhir_export import result_resources
from novamind.twin.results import Insights
from tests.golden import check_golden
from tests.twin.people import TODAY, available, case, forecast, full_case, full_insights, record


def resources(insights: Insights) -> list[dict[str, Any]]:
    entries = result_resources(insights, full_case().record)
    for entry in entries:
        get_fhir_model_class(entry["resource"]["resourceType"]).model_validate(entry["resource"])
    return [entry["resource"] for entry in entries]


def of(**results: Any) -> Insights:
    joined = {name: one for value in results.values() for name, one in value.items()}
    return Insights("p", TODAY, Options(), joined, ())


def test_every_resource_as_it_goes_out() -> None:
    check_golden(__file__, "fhir_results", result_resources(full_insights(), full_case().record))


def test_results_are_preliminary_and_name_the_patient_and_the_model() -> None:
    found = resources(full_insights())
    kinds = [one["resourceType"] for one in found]
    assert kinds == [
        "Observation",
        "RiskAssessment",
        "Observation",
        "RiskAssessment",
        "Observation",
        "DiagnosticReport",
    ]
    assert {one["status"] for one in found} == {"preliminary"}
    assert len({one["subject"]["reference"] for one in found}) == 1


def test_the_risk_is_that_of_the_worst_day() -> None:
    given = forecast([8.0] * 20, middle=8, spread=8)
    quantiles = given.continuous_quantiles.copy()
    quantiles[3] += 3
    peaked = replace(given, continuous_quantiles=quantiles)
    probability = peaked.risk(10).probability
    assert np.argmax(probability) == 3
    (risk,) = [
        one for one in resources(of(a=available(SYMPTOMS, (peaked,)))) if one["resourceType"] == "RiskAssessment"
    ]
    (prediction,) = risk["prediction"]
    assert prediction["probabilityDecimal"] == round(float(probability[3]), 4)
    assert prediction["whenPeriod"] == {"start": "2025-06-05", "end": "2025-06-05"}
    assert prediction["outcome"]["text"] == "PHQ-9 of 10 or worse"
    assert prediction["rationale"] == "Reliability medium: few reports; long gaps"


def test_a_score_is_that_of_the_last_day_with_its_interval() -> None:
    given = forecast([8.0] * 20, middle=8, spread=5, drift=1)
    low, high = given.interval(0.8)
    (score, _) = resources(of(a=available(SYMPTOMS, (given,))))
    assert (score["effectiveDateTime"], score["valueQuantity"]["value"]) == ("2025-06-06", given.median[-1])
    ends = {part["code"]["text"]: part["valueQuantity"]["value"] for part in score["component"]}
    assert ends == {"lower end of the 80 % interval": low[-1], "upper end of the 80 % interval": high[-1]}
    coding = score["code"]["coding"]
    assert coding == [{"system": "urn:novamind:predicted", "code": "44261-6"}], "not LOINC: it was not measured"


@pytest.mark.parametrize(("symptom", "code"), [("GAD-7", "70274-6"), ("mood", "score")])
def test_the_code_of_a_score(symptom: str, code: str) -> None:
    found = resources(of(a=available(SYMPTOMS, (forecast([3.0] * 20, symptom, middle=3, spread=2),))))
    assert found[0]["code"]["coding"][0]["code"] == code


def test_a_review_tells_of_what_is_taken_or_gives_concern() -> None:
    found = recommend(
        case(genotype={"CYP2D6": "*4/*4"}).genotype, ("sertraline", "lithium", "atomoxetine"), ("lithium",)
    )
    concern = {"sertraline": 0, "lithium": 0, "atomoxetine": 1}
    review = replace(found, drugs={drug: replace(found[drug], concern=concern[drug]) for drug in concern})
    (report,) = resources(of(a=available(MEDICATIONS, review)))
    assert "lithium: " in report["conclusion"]
    assert "atomoxetine: " in report["conclusion"]
    assert "sertraline: " not in report["conclusion"]
    assert report["conclusion"].endswith(of().disclaimer)
    assert resources(of(a=available(MEDICATIONS, recommend({}, ("lithium",), ("lithium",))))) == []


def test_what_did_not_come_is_not_told() -> None:
    late = {name: replace(one, status=Status.FAILED) for name, one in full_insights().results.items()}
    assert resources(replace(full_insights(), results=late)) == []


def test_addresses_differ_by_person_day_and_place_and_are_otherwise_the_same() -> None:
    def urls(insights: Insights, who: str = "p") -> list[str]:
        known = record() if who == "p" else replace(record(), patient_id=who)
        return [entry["fullUrl"] for entry in result_resources(insights, known)]

    first = urls(full_insights())
    assert len(set(first)) == len(first)
    assert urls(full_insights()) == first
    assert not set(first) & set(urls(full_insights(), "q"))
    assert not set(first) & set(urls(replace(full_insights(), made_on=TODAY + timedelta(days=1))))
