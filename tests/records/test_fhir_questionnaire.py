"""Which item an answer belongs to, and what it scores."""

from typing import Any

import pytest

from novamind.records.fhir.documents import Located
from novamind.records.fhir.questionnaire import Questionnaires, Scored, Unscored, questionnaires, scores
from novamind.records.fhir.terminology import LOINC, QUESTIONNAIRES

PHQ, GAD = QUESTIONNAIRES
BY_NUMBER = "items of PHQ-9 were recognised by their number, since the file lacks the Questionnaire"


def form(**more: Any) -> Located:
    return Located({"resourceType": "Questionnaire"} | more, "Q")


def response(*items: dict[str, Any], **more: Any) -> Located:
    return Located({"resourceType": "QuestionnaireResponse", "item": list(items)} | more, "R")


def item(link: str, answer: dict[str, Any] | None, **more: Any) -> dict[str, Any]:
    return {"linkId": link, "answer": [{"valueInteger": 2} if answer is None else answer]} | more


def found(one: Located, known: Questionnaires | None = None) -> list[tuple[Any, ...]]:
    return [
        (s.form.name, s.position, s.score, s.place, s.remark) if isinstance(s, Scored) else (s.place, s.reason)
        for s in scores(one, known or {})
    ]


def test_item_codes_come_from_every_questionnaire_of_the_file() -> None:
    coded = {"linkId": "a", "code": [{"system": "urn:x", "code": "1"}, {"system": LOINC, "code": PHQ.items[0]}]}
    nested = {"linkId": "b", "item": [{"linkId": "c", "code": [{"system": LOINC, "code": PHQ.items[1]}]}]}
    broken = [
        {"linkId": 7, "code": [{"system": LOINC, "code": "x"}]},
        {"linkId": "d", "code": [7, {"system": LOINC}]},
        7,
    ]
    known = questionnaires(
        [
            form(url="urn:q", id="q", item=[coded, nested, *broken]),
            form(item=[coded]),
            Located({"resourceType": "Patient"}, "P"),
        ]
    )
    codes = {"a": PHQ.items[0], "c": PHQ.items[1]}
    assert known == {"urn:q": codes, "Questionnaire/q": codes, "#q": codes}


@pytest.mark.parametrize(
    ("link", "more", "place"),
    [
        (PHQ.items[3], {}, ("PHQ-9", 3)),
        (f"/{GAD.items[6]}", {}, ("GAD-7", 6)),
        (f"x/y-{PHQ.items[0]}", {}, ("PHQ-9", 0)),
        (f"{PHQ.items[0]}/x", {}, None),
        ("/44261-6", {}, ("PHQ-9", None)),
        ("/70274-6", {}, ("GAD-7", None)),
        ("q1", {"definition": f"http://loinc.org/q#{PHQ.items[8]}"}, ("PHQ-9", 8)),
        (PHQ.items[1], {"definition": f"http://loinc.org/q#{PHQ.items[8]}"}, ("PHQ-9", 8)),
        ("q1", {"definition": 7}, None),
        ("known", {}, ("GAD-7", 2)),
        ("known", {"definition": f"#{PHQ.items[8]}"}, ("GAD-7", 2)),
        ("69722-7", {}, None),
        ("q1", {}, None),
    ],
)
def test_an_item_is_recognised_by_its_code(
    link: str, more: dict[str, Any], place: tuple[str, int | None] | None
) -> None:
    known = {"urn:q": {"known": GAD.items[2]}}
    one = response(item(link, None, **more), questionnaire="urn:q|2.0")
    expected = [] if place is None else [(*place, 2.0, "R.item[0].answer[0]", "")]
    assert found(one, known) == expected


@pytest.mark.parametrize(
    ("link", "position"),
    [
        ("1", 0), ("9", 8), ("phq-01", 0), ("q9", 8), ("0", ...), ("10", ...), ("123", ...), ("x12", ...), ("q", ...),
        ("total", None), ("PHQ_Score", None), ("1a", ...),
    ],
)  # fmt: skip
@pytest.mark.parametrize("name", ["http://x/PHQ-9", "urn:phq9-v2", "PHQ 9"])
def test_an_item_is_recognised_by_number_where_the_form_is_named(link: str, position: Any, name: str) -> None:
    expected = [] if position is ... else [("PHQ-9", position, 2.0, "R.item[0].answer[0]", BY_NUMBER)]
    assert found(response(item(link, None), questionnaire=name)) == expected
    assert found(response(item(link, None), questionnaire="urn:other")) == []


def test_a_link_that_the_questionnaire_gives_another_code_is_no_item() -> None:
    known = {"urn:phq9": {"1": "69722-7"}}
    assert found(response(item("1", None), item("2", None), questionnaire="urn:phq9"), known) == [
        ("PHQ-9", 1, 2.0, "R.item[1].answer[0]", BY_NUMBER)
    ]


@pytest.mark.parametrize(
    ("given", "count"),
    [
        ("urn:gad7", 1), ({"reference": "Questionnaire/gad7"}, 1), ({"display": "GAD-7", "reference": "x"}, 1),
        ({"display": "x", "reference": "Questionnaire/gad7"}, 0), ({}, 0), (7, 0), (None, 0),
    ],
)  # fmt: skip
def test_how_a_response_names_its_form(given: object, count: int) -> None:
    assert len(found(response(item("7", None), questionnaire=given))) == count


def ordinal(code: str | None, score: float, url: str = "http://x/ordinalValue") -> dict[str, Any]:
    return {"valueCoding": {"code": code, "extension": [{"url": "u"}, {"url": url, "valueDecimal": score}]}}


@pytest.mark.parametrize(
    ("answer", "score", "remark"),
    [
        ({"valueInteger": 0}, 0.0, ""),
        ({"valueInteger": 3}, 3.0, ""),
        ({"valueDecimal": 1.0}, 1.0, ""),
        ({"valueQuantity": {"value": 2}}, 2.0, ""),
        ({"valueCoding": {"code": "LA6568-5"}}, 0.0, ""),
        ({"valueCoding": {"code": "LA6571-9"}}, 3.0, ""),
        (ordinal(None, 2), 2.0, ""),
        (ordinal(None, 2, "http://x/itemWeight"), 2.0, ""),
        (ordinal(None, 2, "http://x/iso21090-CO-value"), 2.0, ""),
        (ordinal("LA6570-1", 2), 2.0, ""),
        (ordinal("LA6571-9", 2), 2.0, "an answer's code and its explicit score differ: the score was used"),
        ({"valueCoding": {"code": "LA6569-3"}, "valueInteger": 3}, 1.0, ""),
        ({"valueInteger": 2, "valueDecimal": 3}, 2.0, ""),
    ],
)
def test_what_an_answer_scores(answer: dict[str, Any], score: float, remark: str) -> None:
    assert found(response(item(PHQ.items[4], answer))) == [("PHQ-9", 4, score, "R.item[0].answer[0]", remark)]


def test_a_difference_is_told_before_the_number() -> None:
    (one,) = found(response(item("3", ordinal("LA6571-9", 2)), questionnaire="urn:phq9"))
    assert one[-1] == "an answer's code and its explicit score differ: the score was used"


ITEM = "an item of GAD-7"


@pytest.mark.parametrize(
    ("link", "answer", "reason"),
    [
        (GAD.items[0], {"valueInteger": 4}, f"{ITEM} is off its scale, 0 to 3"),
        (GAD.items[0], {"valueInteger": -1}, f"{ITEM} is off its scale, 0 to 3"),
        (GAD.items[0], {"valueDecimal": 1.5}, f"{ITEM} is off its scale, 0 to 3"),
        (GAD.items[0], {"valueString": "often"}, f"{ITEM} has an answer without a score"),
        (GAD.items[0], ordinal(None, 2, "http://x/other"), f"{ITEM} has an answer without a score"),
        (GAD.items[0], {"valueInteger": "3"}, f"{ITEM} has no readable answer"),
        (GAD.items[0], 7, f"{ITEM} has no readable answer"),
        ("70274-6", {"valueInteger": 22}, "the total of GAD-7 is off its scale, 0 to 21"),
        ("70274-6", {}, "the total of GAD-7 has an answer without a score"),
    ],
)
def test_why_an_answer_gives_no_score(link: str, answer: Any, reason: str) -> None:
    assert found(response(item(link, answer))) == [("R.item[0].answer[0]", reason)]


def test_answers_that_are_none_or_several() -> None:
    two = {"linkId": GAD.items[0], "answer": [{"valueInteger": 1}, {"valueInteger": 2}]}
    assert found(response(two)) == [("R.item[0].answer", f"{ITEM} has several answers")]
    none = (
        {"linkId": GAD.items[0], "answer": []},
        {"linkId": GAD.items[0], "answer": {"valueInteger": 1}},
        {"linkId": 7},
    )
    assert found(response(*none, {"answer": [{"valueInteger": 1}], "linkId": 7})) == []


def test_items_nest_in_items_and_in_answers() -> None:
    inner = item(PHQ.items[1], None)
    outer = {"linkId": "group", "item": [inner], "answer": [{"valueInteger": 1, "item": [item(PHQ.items[2], None)]}]}
    assert {(row[1], row[3]) for row in found(response(outer, "no item"))} == {  # type: ignore[arg-type]
        (1, "R.item[0].item[0].answer[0]"),
        (2, "R.item[0].answer[0].item[0].answer[0]"),
    }


def test_five_hundred_items_and_answers_are_looked_at() -> None:
    def count(fillers: int) -> int:
        return len(found(response(*[{"linkId": "x"}] * fillers, item(PHQ.items[0], None))))

    assert [count(498), count(499), count(500)] == [1, 1, 0]
    assert isinstance(next(iter(scores(response(item(PHQ.items[0], {})), {}))), Unscored)
