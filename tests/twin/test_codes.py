"""The codes of the records room and the words of the services mean the same."""

from novamind.drugs.cautions import known_conditions
from novamind.drugs.names import normalise
from novamind.records.fhir.terminology import condition_words, rxnorm_codes
from novamind.records.instruments.domain import INSTRUMENTS
from novamind.symptoms.instruments import find, recognise, series_name


def test_every_coded_medication_is_one_that_we_know_under_that_name() -> None:
    assert {name for name in rxnorm_codes() if normalise(name) != name} == set()


def test_every_coded_condition_is_one_that_a_rule_refers_to() -> None:
    assert condition_words() <= set(known_conditions())


def test_every_instrument_with_a_total_is_forecast_on_the_same_range() -> None:
    for form in INSTRUMENTS:
        if not form.factor:
            assert recognise(form.name) is None
            continue
        scale = find(form.name).scale
        assert (scale.low, scale.high, scale.step) == (form.lowest, form.highest, form.factor)
        assert {find(alias).name for alias in form.aliases} <= {form.name}


def test_the_series_of_items_are_the_same_in_both_rooms() -> None:
    names = [form.item_name(item.number) for form in INSTRUMENTS for item in form.items]
    assert [series_name(name) for name in names] == names
