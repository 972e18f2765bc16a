"""The Questionnaires of a file: which belongs to a response, and how their options score."""

from typing import Any

import pytest

from novamind.records.fhir.documents import Located
from novamind.records.fhir.forms import questionnaires
from tests.records.fhir_forms import GAD, PHQ, coded, form, gad, item, items, ordinal, phq, read, response


def test_item_codes_come_from_the_questionnaire_that_the_response_names() -> None:
    def of(url: str, code: str, **more: Any) -> Located:
        return form(url=url, item=[{"linkId": "g", "item": [{"linkId": "a"} | coded(code)]}, 7, {"linkId": 7}], **more)

    located = [of("urn:a", PHQ[0], id="q1"), of("urn:b", PHQ[1]), Located({"resourceType": "Patient"}, "P")]
    forms = questionnaires(located)
    names = {"urn:a": 1, "urn:a|3": 1, "urn:b": 2, "Questionnaire/q1": 1, "q1": 0, "http://x/Questionnaire/q1": 0}
    for name, number in names.items():
        expected = {f"PHQ-9 item {number}": 2.0} if number else {}
        assert read(response(item("a"), questionnaire=name), forms)[0] == expected
    by_url = Located(of("urn:c", PHQ[2], id="q1").resource, "Q", "http://x/Questionnaire/q1")
    expected = {"PHQ-9 item 3": 2.0}
    forms = questionnaires([*located, by_url])
    assert read(response(item("a"), questionnaire="http://x/Questionnaire/q1"), forms)[0] == expected
    assert read(response(item("a"), questionnaire="Questionnaire/q1"), forms)[0] == {}  # two of one id


def test_the_version_of_a_form_counts() -> None:
    old = form(url="urn:q", version="1", item=[{"linkId": "a"} | coded(PHQ[0])])
    new = form(url="urn:q", version="2", item=[{"linkId": "a"} | coded(PHQ[1])])
    for located in ([old, new], [new, old]):
        forms = questionnaires(located)
        assert read(response(item("a"), questionnaire="urn:q|1"), forms)[0] == {"PHQ-9 item 1": 2.0}
        assert read(response(item("a"), questionnaire="urn:q|2"), forms)[0] == {"PHQ-9 item 2": 2.0}
        assert read(response(item("a"), questionnaire="urn:q|3"), forms)[0] == {}
        assert read(response(item("a"), questionnaire="urn:q"), forms)[0] == {}  # they differ


def test_a_contained_form_belongs_to_its_own_response() -> None:
    def own(code: str) -> Located:
        contained = {
            "resourceType": "Questionnaire",
            "id": "q",
            "url": "urn:q",
            "item": [{"linkId": "1"} | coded(code)],
        }
        return response(item("1"), questionnaire="#q", contained=[contained])

    first, second = own(PHQ[0]), own(GAD[6])
    inner = [
        Located(part, "C", "", one.contained, one.resource)
        for one in (first, second)
        for part in one.contained.values()
    ]
    for located in ([first, *inner, second], [*inner[::-1], second, first]):
        forms = questionnaires(located)
        assert read(first, forms)[0] == {"PHQ-9 item 1": 2.0}
        assert read(second, forms)[0] == {"GAD-7 item 7": 2.0}
    for name in ("#q", "urn:q", "Questionnaire/q"):
        assert read(response(item("1"), questionnaire=name), questionnaires([first, inner[0]]))[0] == {}


@pytest.mark.parametrize(
    "given",
    [
        "urn:gad7",
        {"display": "GAD-7"},
        {"display": "x", "reference": "Questionnaire/gad7"},
        {"display": "GAD-7", "reference": "x"},
    ],
)
def test_how_a_response_names_its_form(given: object) -> None:
    assert read(response(*items(list("1234567"), 1), questionnaire=given))[0] == gad(*[1] * 7)
    assert read(response(*items(list("1234567"), 1), questionnaire=7))[0] == {}


def options(*scores: float | None, codes: str = "abcd", texts: tuple[str, ...] = ()) -> list[dict[str, Any]]:
    return [
        {
            "valueCoding": {"system": "urn:x", "code": code, "display": texts[i] if texts else f"text {code}"},
            **({} if score is None else {"extension": [{"url": "http://x/ordinalValue", "valueDecimal": score}]}),
        }
        for i, (code, score) in enumerate(zip(codes, scores, strict=True))
    ]


OTHER_SCALE = "an item of PHQ-9 has an answer that its form scores on another scale"


@pytest.mark.parametrize(
    ("answer_options", "answer", "expected"),
    [
        (options(0, 1, 2, 3), {"valueCoding": {"system": "urn:x", "code": "c"}}, 2.0),
        (options(0, 1, 2, 3), {"valueCoding": {"display": "text d"}}, 3.0),
        (options(0, 1, 2, 3), {"valueString": "text b"}, 1.0),
        (options(3, 2, 1, 0), {"valueCoding": {"code": "a"}}, 3.0),
        (options(*[None] * 4, texts=("Not at all", "Several days", "x", "y")), {"valueCoding": {"code": "b"}}, 1.0),
        (options(*[None] * 4, codes="0123"), {"valueCoding": {"code": "3"}}, 3.0),
        (options(*[None] * 4, codes="1234"), {"valueCoding": {"code": "3"}}, OTHER_SCALE),
        (options(*[None] * 4, codes="1234", texts=("Not at all", "x", "y", "z")), {"valueCoding": {"code": "1"}}, 0.0),
        (options(1, 2, 3, 4), {"valueCoding": {"code": "b"}}, OTHER_SCALE),
        (options(1, 2, 3, 4), {"valueInteger": 2}, OTHER_SCALE),
        (options(1, 2, 3, codes="abc"), {"valueCoding": {"code": "a"}}, OTHER_SCALE),
        (options(1, 2, 3, 4), {"valueCoding": {"code": "LA6569-3"}}, 1.0),
        (options(1, 2, 3, 4), ordinal("LA6569-3", 2), 1.0),
        ([{"valueInteger": i} for i in range(4)], {"valueInteger": 3}, 3.0),
        ([{"valueInteger": i} for i in range(1, 5)], {"valueInteger": 3}, OTHER_SCALE),
        ([{"valueString": "Not at all"}], {"valueString": "Not at all"}, 0.0),
        (options(0, 1, 2, 3), {"valueCoding": {"code": "e"}}, "an item of PHQ-9 has an answer without a score"),
    ],
)
def test_the_options_of_a_form_say_how_an_answer_scores(
    answer_options: list[dict[str, Any]], answer: dict[str, Any], expected: float | str
) -> None:
    located = form(url="urn:q", item=[{"linkId": "a", "answerOption": answer_options} | coded(PHQ[0])])
    series, said = read(response(item("a", answer), questionnaire="urn:q"), questionnaires([located]))
    if isinstance(expected, str):
        assert (series, said) == ({}, [expected])
    else:
        assert series == {"PHQ-9 item 1": expected}


CONCEPTS = [
    {"code": str(i), "display": f"t{i}", "extension": [{"url": "itemWeight", "valueDecimal": i}]} for i in range(4)
]
BARE = [{key: value for key, value in concept.items() if key != "extension"} for concept in CONCEPTS]


@pytest.mark.parametrize(
    "value_set",
    [
        {"expansion": {"contains": CONCEPTS}},
        {"compose": {"include": [{"system": "urn:x", "concept": CONCEPTS}]}},
        {"compose": {"include": [{"system": "urn:x", "concept": CONCEPTS[:2]}, {"concept": CONCEPTS[2:]}]}},
        {"compose": {"include": [{"system": "urn:codes"}]}},
        {"compose": {"include": [{"system": "urn:codes", "concept": BARE}]}},
        {"expansion": {"contains": BARE}, "compose": {"include": [{"system": "urn:codes"}]}},
    ],
)
@pytest.mark.parametrize("contained", [True, False])
def test_options_of_a_value_set(value_set: dict[str, Any], *, contained: bool) -> None:
    value_set |= {"resourceType": "ValueSet", "id": "v", "url": "urn:v"}
    system = {"resourceType": "CodeSystem", "id": "c", "url": "urn:codes", "concept": CONCEPTS}
    address = "#v" if contained else "urn:v|2"
    located = [
        form(
            url="urn:q",
            item=[{"linkId": "a", "answerValueSet": address} | coded(PHQ[0])],
            contained=[value_set] if contained else [],
        ),
        Located(system, "C"),
        *([] if contained else [Located(value_set, "V")]),
    ]
    for answer in ({"valueString": "t3"}, {"valueCoding": {"code": "3"}}):
        one = response(item("a", answer), questionnaire="urn:q")
        for order in (located, located[::-1]):
            assert read(one, questionnaires(order))[0] == {"PHQ-9 item 1": 3.0}


def test_of_value_sets_that_differ_none_is_meant() -> None:
    sets = [
        Located({"resourceType": "ValueSet", "url": "urn:v", "expansion": {"contains": concepts}}, "V")
        for concepts in (CONCEPTS, CONCEPTS[::-1][:2])
    ]
    located = form(url="urn:q", item=[{"linkId": "a", "answerValueSet": "urn:v"} | coded(PHQ[0])])
    for several in (sets, sets[::-1], [*sets, sets[1]]):
        assert (
            read(
                response(item("a", {"valueString": "t3"}), questionnaire="urn:q"), questionnaires([located, *several])
            )[0]
            == {}
        )


def test_groups_of_one_form_that_use_the_same_links() -> None:
    def group(link: str, codes: list[str]) -> dict[str, Any]:
        return {"linkId": link, "item": [{"linkId": str(i)} | coded(code) for i, code in enumerate(codes, 1)]}

    def answers(link: str, *values: int) -> dict[str, Any]:
        return {"linkId": link, "item": [item(str(i), value) for i, value in enumerate(values, 1)]}

    forms = questionnaires([form(url="urn:q", item=[group("a", PHQ), group("b", GAD)])])
    nested = response(answers("b", *[3] * 7), answers("a", *[1] * 9), questionnaire="urn:q")
    assert read(nested, forms)[0] == phq(*[1] * 9) | gad(*[3] * 7)
    flat = response(*answers("", *[1] * 9)["item"], questionnaire="urn:q")
    assert read(flat, forms)[0] == {"PHQ-9 item 8": 1.0, "PHQ-9 item 9": 1.0}  # the only ones of their links
