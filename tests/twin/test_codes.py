"""The codes of the records room and the words of the services mean the same."""

from novamind.pharmacogenomics.interactions import known_conditions
from novamind.pharmacogenomics.medications import normalise
from novamind.records.fhir.terminology import QUESTIONNAIRES, condition_words, medication_names
from novamind.symptoms.instruments import find


def test_every_coded_medication_is_one_that_we_know_under_that_name() -> None:
    assert {name for name in medication_names() if normalise(name) != name} == set()


def test_every_coded_condition_is_one_that_a_rule_refers_to() -> None:
    assert condition_words() <= set(known_conditions())


def test_every_questionnaire_is_an_instrument_with_the_same_range() -> None:
    for form in QUESTIONNAIRES:
        scale = find(form.name).scale
        assert (scale.low, scale.high, scale.step) == (0, form.highest, 1)
