"""FHIR genomics: which gene, and what was found."""

from typing import Any

import pytest

from novamind.errors import DataProcessingError, ValidationError
from novamind.records.fhir.genomics import GENE, GENOTYPE, METABOLISM, gene_result, read_fhir_genomics


def part(code: str, text: Any) -> dict[str, Any]:
    return {"code": {"coding": [{"code": code}]}, "valueCodeableConcept": {"text": text}}


def observation(*parts: Any, **more: Any) -> dict[str, Any]:
    return {"resourceType": "Observation", "code": {"coding": [{"code": "69548-6"}]}, "component": list(parts)} | more


def test_codes_are_those_of_the_reporting_guide() -> None:
    # LOINC: "Gene studied [ID]", "Genotype display name", "Medication metabolism"
    assert (GENE, GENOTYPE, METABOLISM) == ("48018-6", "84413-4", "53040-2")


@pytest.mark.parametrize(
    ("resource", "result"),
    [
        (observation(part(GENE, "CYP2D6"), part(GENOTYPE, "*1/*4")), ("CYP2D6", "*1/*4", "")),
        (observation(part(GENE, "CYP2D6"), part(METABOLISM, " Poor metabolizer ")), ("CYP2D6", "", "Poor metabolizer")),
        (
            observation(part(GENE, "CYP2D6"), part(GENOTYPE, "*4/*4"), part(METABOLISM, "Poor")),
            ("CYP2D6", "*4/*4", "Poor"),
        ),
        (observation(part(GENOTYPE, "CYP2D6*1/*4")), ("CYP2D6", "CYP2D6*1/*4", "")),
        (observation(part(GENOTYPE, "CYP2D6 *1/*4")), ("CYP2D6", "CYP2D6 *1/*4", "")),
        (observation(part(GENE, "CYP2D6"), part(GENOTYPE, "CYP2D6 *1/*4")), ("CYP2D6", "CYP2D6 *1/*4", "")),
        (observation(part(GENE, "CYP2D6"), part(GENOTYPE, "CYP2C19 *1/*4")), None),
        (observation(part(GENE, "VKORC1"), part(GENOTYPE, "-1639G>A")), ("VKORC1", "-1639G>A", "")),
        (observation(part(GENOTYPE, "*1/*4")), None),
        (observation(part(GENOTYPE, "-1639G>A")), None),
        (observation(part(GENE, "CYP2D6")), None),
        (observation(part(METABOLISM, "Poor")), None),
        (observation(part(GENE, "HLA-B"), part(GENOTYPE, "HLA-B*15:02")), ("HLA-B", "*15:02 positive", "")),
        (observation(part(GENOTYPE, "HLA-A*031:001")), ("HLA-A", "*031:001 positive", "")),
        (observation(part(GENOTYPE, "HLA-B*15:02/*15:01")), ("HLA-B", "HLA-B*15:02/*15:01", "")),
        (observation(part(GENOTYPE, "HLA-B*15:02"), status="final"), ("HLA-B", "*15:02 positive", "")),
        (observation(part(GENOTYPE, "HLA-B*15:02"), status="entered-in-error"), None),
        (observation(part(GENOTYPE, "HLA-B*15:02")) | {"resourceType": "Condition"}, None),
        (observation(component={}), None),
        (observation(7, {"code": 7}, {"code": {"coding": 7}}, {"code": {"coding": [7]}}), None),
        (part(GENOTYPE, "CYP2D6*1/*4") | {"resourceType": "Observation"}, ("CYP2D6", "CYP2D6*1/*4", "")),
    ],
)
def test_one_observation(resource: dict[str, Any], result: tuple[str, str, str] | None) -> None:
    assert gene_result(resource) == result


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"valueString": " *1/*4 "}, "*1/*4"),
        ({"valueString": "*1/*4", "valueCodeableConcept": {"text": "*1/*1"}}, "*1/*4"),
        ({"valueCodeableConcept": {"text": "*1/*4", "coding": [{"display": "x"}]}}, "*1/*4"),
        ({"valueCodeableConcept": {"text": " ", "coding": [7, {"display": ""}, {"display": " *1/*4 "}]}}, "*1/*4"),
        ({"valueCodeableConcept": {"coding": [{"code": "x"}]}}, None),
        ({"valueCodeableConcept": 7}, None),
        ({}, None),
    ],
)
def test_how_a_result_may_be_written(value: dict[str, Any], text: str | None) -> None:
    given = {"code": {"coding": [{"code": GENOTYPE}]}} | value
    found = gene_result(observation(part(GENE, "CYP2D6"), given))
    assert found == (None if text is None else ("CYP2D6", text, ""))


def test_a_file_of_gene_results() -> None:
    def bundle(*resources: dict[str, Any]) -> dict[str, Any]:
        return {"resourceType": "Bundle", "entry": [{"resource": r} for r in resources]}

    genotype = observation(part(GENE, "CYP2D6"), part(GENOTYPE, "*1/*4"))
    phenotype = observation(part(GENE, "CYP2D6"), part(METABOLISM, "Poor"))
    other = observation(part(GENE, "CYP2C19"), part(METABOLISM, "Normal"))
    assert read_fhir_genomics(bundle(phenotype, genotype, genotype, other)) == {"CYP2D6": "*1/*4", "CYP2C19": "Normal"}
    assert read_fhir_genomics(bundle(other)) == {"CYP2C19": "Normal"}
    with pytest.raises(ValidationError, match="two different results for CYP2C19; keep one"):
        read_fhir_genomics(bundle(other, observation(part(GENE, "CYP2C19"), part(METABOLISM, "Poor"))))
    with pytest.raises(DataProcessingError, match="holds no genotype or metaboliser observation"):
        read_fhir_genomics(bundle())
    with pytest.raises(DataProcessingError, match="the FHIR file cannot be read: the file is not valid JSON"):
        read_fhir_genomics(b"{")
