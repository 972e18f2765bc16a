"""The parts of FHIR that are read: which forms of a value count, and what is passed over."""

from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from novamind.records.fhir import models as fhir
from novamind.records.fhir.terminology import shown as words


@pytest.mark.parametrize(
    ("model", "element", "good", "bad"),
    [
        (fhir.Quantity, "value", [1, 1.5, -3, None], ["1", True, float("nan"), float("inf"), [1]]),
        (fhir.Quantity, "unit", ["mg", "", "x" * 4096, None], [7, "x" * 4097, ["mg"]]),
        (fhir.Answer, "valueInteger", [3, None], ["3", True]),
        (fhir.Extension, "valueDecimal", [3.5, None], ["3", False]),
        (fhir.Repeat, "frequency", [2, None], ["2", True]),
        (fhir.MedicationUse, "doNotPerform", [True, False], ["perhaps", None]),
        (fhir.Dosage, "asNeededBoolean", [True, None], ["perhaps"]),
        (fhir.Concept, "coding", [[], [{"code": "1"}]], [{"code": "1"}, [7], None]),
    ],
)
def test_forms_of_a_value(model: type[BaseModel], element: str, good: list[Any], bad: list[Any]) -> None:
    for value in good:
        model.model_validate({element: value, "unheard-of": {"x": 1}})
    for value in bad:
        with pytest.raises(ValidationError):
            model.model_validate({element: value})


@pytest.mark.parametrize(
    ("concept", "shown"),
    [
        ({"text": " a ", "coding": [{"display": "b"}]}, "a"), ({"text": " ", "coding": [{}, {"display": " b "}]}, "b"),
        ({"coding": [{"code": "c"}]}, ""), ({}, ""),
    ],
)  # fmt: skip
def test_what_a_concept_shows(concept: dict[str, Any], shown: str) -> None:
    assert words(fhir.Concept.model_validate(concept)) == shown


def test_elements_cannot_be_changed_and_have_the_defaults_of_r4() -> None:
    use = fhir.MedicationUse()
    assert (use.status, use.intent, use.doNotPerform, use.dosage) == ("", "order", False, ())
    assert [model().status for model in (fhir.Procedure, fhir.Consent, fhir.QuestionnaireResponse)] == ["", "", ""]
    assert fhir.Observation.model_validate({"code": {}}).status == ""
    assert fhir.Extension().url == ""
    with pytest.raises(ValidationError):
        use.status = "active"
    assert not hasattr(fhir.Patient.model_validate({"name": [{"family": "x"}]}), "name")
    with pytest.raises(ValidationError):
        fhir.Observation.model_validate({})
