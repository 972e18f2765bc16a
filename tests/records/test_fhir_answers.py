"""What an answer scores, and the value of an Observation."""

from typing import Any

import pytest

from novamind.records import read_fhir
from novamind.records.fhir.answers import read_value
from novamind.records.fhir.forms import Forms
from novamind.records.fhir.models import Component
from novamind.records.fhir.questionnaire import Scored, Unscored, scores
from novamind.records.fhir.terminology import LOINC
from novamind.records.instruments.domain import measures
from tests.records.fhir_forms import GAD, PHQ, PHQ_15, item, items, ordinal, phq, read, response

DIFFERS = "an answer's code and its explicit score differ: the score was used"


@pytest.mark.parametrize(
    ("answer", "score", "remark"),
    [
        ({"valueInteger": 0}, 0.0, ""),
        ({"valueInteger": 3}, 3.0, ""),
        ({"valueDecimal": 1.0}, 1.0, ""),
        ({"valueQuantity": {"value": 2}}, 2.0, ""),
        ({"valueCoding": {"code": "LA6568-5"}}, 0.0, ""),
        ({"valueCoding": {"code": "LA6571-9", "display": "x"}}, 3.0, ""),
        ({"valueCoding": {"system": "urn:x", "code": "a", "display": "Several days"}}, 1.0, ""),
        ({"valueCoding": {"system": "urn:x", "code": "more-than-half-the-days"}}, 2.0, ""),
        ({"valueCoding": {"display": "Beinahe jeden Tag"}}, 3.0, ""),
        ({"valueString": "Para nada"}, 0.0, ""),
        ({"valueString": "0"}, 0.0, ""),
        ({"valueCoding": {"code": "0"}}, 0.0, ""),
        (ordinal(None, 2), 2.0, ""),
        (ordinal(None, 2, "http://x/itemWeight"), 2.0, ""),
        (ordinal(None, 2, "http://x/iso21090-CO-value"), 2.0, ""),
        ({"valueString": "b", "extension": [{"url": "http://x/itemWeight", "valueDecimal": 2}]}, 2.0, ""),
        (ordinal("LA6570-1", 2), 2.0, ""),
        (ordinal("LA6571-9", 2), 2.0, DIFFERS),
        ({"valueInteger": 2, "valueDecimal": 3}, 2.0, ""),
    ],
)
def test_what_an_answer_scores(answer: dict[str, Any], score: float, remark: str) -> None:
    assert read(response(item(PHQ[4], answer))) == ({"PHQ-9 item 5": score}, [remark] if remark else [])


@pytest.mark.parametrize(
    ("link", "answer", "reason"),
    [
        (GAD[0], {"valueInteger": 4}, "an item of GAD-7 is off its scale, 0 to 3"),
        (GAD[0], {"valueInteger": -1}, "an item of GAD-7 is off its scale, 0 to 3"),
        (GAD[0], {"valueDecimal": 1.5}, "an item of GAD-7 is off its scale, 0 to 3"),
        (GAD[0], {"valueString": "often"}, "an item of GAD-7 has an answer without a score"),
        (GAD[0], {"valueBoolean": True}, "an item of GAD-7 has an answer without a score"),
        (GAD[0], {"valueQuantity": {"value": 2, "comparator": ">"}}, "an item of GAD-7 has an answer without a score"),
        (GAD[0], {"valueCoding": {"code": "LA6573-5"}}, "an item of GAD-7 has an answer without a score"),
        (GAD[0], ordinal(None, 2, "http://x/other"), "an item of GAD-7 has an answer without a score"),
        (GAD[0], {"valueInteger": "3"}, "an item of GAD-7 has no readable answer"),
        (GAD[0], 7, "an item of GAD-7 has no readable answer"),
        (GAD[0], {"valueCoding": {"code": "LA6570-1", "display": "Several days"}},
         "an item of GAD-7 has an answer whose code, text and score differ"),
        (GAD[0], {"valueCoding": {"display": "Not at all"} | ordinal(None, 3)["valueCoding"]},
         "an item of GAD-7 has an answer whose code, text and score differ"),
        (GAD[0], {"valueCoding": {"code": "LA6569-3"}, "valueInteger": 3},
         "an item of GAD-7 has an answer whose code, text and score differ"),
        (PHQ_15[0], {"valueCoding": {"code": "LA6570-1"}}, "an item of PHQ-15 has an answer without a score"),
        (PHQ_15[0], {"valueInteger": 3}, "an item of PHQ-15 is off its scale, 0 to 2"),
        ("70274-6", {"valueInteger": 22}, "the total of GAD-7 is off its scale, 0 to 21"),
        ("70274-6", {"valueDecimal": 2.5}, "the total of GAD-7 is off its scale, 0 to 21"),
        ("70274-6", {}, "the total of GAD-7 has an answer without a score"),
    ],
)  # fmt: skip
def test_why_an_answer_gives_no_score(link: str, answer: Any, reason: str) -> None:
    one = response({"linkId": link, "answer": [answer]})
    assert list(scores(one, Forms())) == [Unscored("R.item[0].answer[0]", reason)]


def test_yes_and_no_of_the_suicide_screener() -> None:
    links = ["93246-7", "93247-5", "93248-3", "93249-1", "93250-9", "93267-3"]
    answers = [
        {"valueBoolean": True},
        {"valueCoding": {"code": "LA32-8"}},
        {"valueString": "No"},
        0,
        1,
        {"valueString": "sí"},
    ]
    series, said = read(response(*items([f"/{link}" for link in links], *answers)))
    assert series == {f"C-SSRS screener item {i}": v for i, v in enumerate([1.0, 0.0, 0.0, 0.0, 1.0, 1.0], 1)}
    assert said == []


@pytest.mark.parametrize(
    ("codes", "expected"),
    [
        ("0 1 2 3", [0, 1, 2, 3]),
        ("0 0 1 0", [0, 0, 1, 0]),
        ("1 2 3 1", "has a local code that may count from another start; give the form's options with their scores"),
        ("1 2 3 4", "is a number beside one that is off the scale"),
        ("0 2 9 1", "is a number beside one that is off the scale"),
    ],
)
@pytest.mark.parametrize("kind", ["code", "text"])
def test_local_codes_count_where_their_start_is_seen(codes: str, expected: list[int] | str, kind: str) -> None:
    answers = [
        {"valueString": c} if kind == "text" else {"valueCoding": {"system": "urn:x", "code": c}} for c in codes.split()
    ]
    series, said = read(response(*items(PHQ[:4], *answers)))
    if isinstance(expected, str):
        assert series == {}
        assert f"an item of PHQ-9 {expected}" in said
    else:
        assert series == phq(*expected)


def test_a_number_off_the_scale_puts_the_other_numbers_in_doubt() -> None:
    answers = [1, 2, {"valueCoding": {"code": "LA6571-9"}}, 4]
    series, said = read(response(*items(GAD[:4], *answers)))
    assert series == {"GAD-7 item 3": 3.0}
    assert said == [
        "an item of GAD-7 is a number beside one that is off the scale",
        "an item of GAD-7 is off its scale, 0 to 3",
    ]


def test_answers_that_are_none_or_several() -> None:
    two = {"linkId": GAD[0], "answer": [{"valueInteger": 1}, {"valueInteger": 2}]}
    assert list(scores(response(two), Forms())) == [
        Unscored("R.item[0].answer", "an item of GAD-7 has several answers")
    ]
    none = ({"linkId": GAD[0], "answer": []}, {"linkId": GAD[0], "answer": {"valueInteger": 1}}, {"linkId": 7})
    assert read(response(*none, {"answer": [{"valueInteger": 1}], "linkId": 7})) == (
        {},
        ["no item of an instrument: 1 answer"],
    )
    assert read(response({"linkId": 7, "answer": [{}]}, 7)) == ({}, [])  # type: ignore[arg-type]


def test_items_nest_in_items_and_in_answers() -> None:
    outer = {"linkId": "group", "item": [item(PHQ[1])], "answer": [{"valueInteger": 1, "item": [item(PHQ[2])]}]}
    places = {one.measure.number: one.place for one in scores(response(outer), Forms()) if isinstance(one, Scored)}
    assert places == {2: "R.item[0].item[0].answer[0]", 3: "R.item[0].answer[0].item[0].answer[0]"}


def test_a_form_of_thousands_of_items_is_read_to_its_end() -> None:
    assert read(response(*[{"linkId": "x"}] * 5000, item(PHQ[0])))[0] == {"PHQ-9 item 1": 2.0}


# -- Observations


def concept(*codings: dict[str, Any], text: str | None = None) -> dict[str, Any]:
    return {"valueCodeableConcept": {"coding": list(codings)} | ({"text": text} if text else {})}


@pytest.mark.parametrize(
    ("code", "value", "expected"),
    [
        (PHQ[0], {"valueInteger": 3}, 3.0),
        (PHQ[0], {"valueQuantity": {"value": 2, "code": "{score}"}}, 2.0),
        (PHQ[0], {"valueString": "Nearly every day"}, 3.0),
        (PHQ[0], concept({"system": LOINC, "code": "LA6569-3"}), 1.0),
        (PHQ[0], concept({"system": "urn:x", "code": "b"}, text="Several days"), 1.0),
        (PHQ[0], concept(ordinal("b", 2)["valueCoding"], {"code": "LA6570-1"}), 2.0),
        (PHQ[0], concept({"code": "LA6569-3"}, {"code": "LA6570-1"}), "has values that differ"),
        (PHQ[0], concept({"code": "LA6569-3"}, text="Not at all"), "has values that differ"),
        (PHQ[0], concept({"system": "urn:x", "code": "2"}), "without an exact number"),
        (PHQ[0], {"valueString": "2"}, "without an exact number"),
        (PHQ[0], {"valueBoolean": True}, "without an exact number"),
        (PHQ[0], {"valueQuantity": {"value": 2, "comparator": "<"}}, "without an exact number"),
        (PHQ[0], {"valueInteger": 4}, "is off its scale, 0 to 3"),
        (PHQ_15[0], concept({"code": "LA18336-0"}), 2.0),
        ("93246-7", {"valueBoolean": True}, 1.0),
        ("93246-7", concept({"code": "LA32-8"}), 0.0),
        ("44261-6", {"valueInteger": 27}, 27.0),
        ("44261-6", concept({"code": "LA6569-3"}), "without an exact number"),
        ("55758-7", {"valueInteger": 7}, "is off its scale, 0 to 6"),
    ],
)
def test_what_an_observation_scores(code: str, value: dict[str, Any], expected: float | str) -> None:
    part = Component.model_validate({"code": {}} | value)
    reading = read_value(part, measures(code)[0])
    assert (reading.score, reading.reason) == ((None, expected) if isinstance(expected, str) else (expected, ""))


@pytest.mark.parametrize(
    ("panel", "count", "name"), [("55757-9", 2, "PHQ-2"), ("44249-1", 9, "PHQ-9"), ("55758-7", 2, "PHQ-2")]
)
def test_the_components_of_a_panel_are_its_items(panel: str, count: int, name: str) -> None:
    parts = [{"code": {"coding": [{"system": LOINC, "code": code}]}, "valueInteger": 1} for code in PHQ[:count]]
    one = {"resourceType": "Observation", "status": "final", "effectiveDateTime": "2024-05-01", "component": parts}
    frame = read_fhir(one | {"code": {"coding": [{"system": LOINC, "code": panel}]}}).record.symptoms
    assert frame is not None
    assert {key.name for key in frame.series} == {name, *(f"{name} item {i}" for i in range(1, count + 1))}


def test_an_observation_whose_score_outweighs_its_code_says_so() -> None:
    value = concept(ordinal("LA6571-9", 2)["valueCoding"])
    one = {"resourceType": "Observation", "status": "final", "effectiveDateTime": "2024-05-01", **value}
    found = read_fhir(one | {"code": {"coding": [{"system": LOINC, "code": PHQ[0]}]}})
    assert found.record.symptoms is not None
    assert found.record.symptoms.values.tolist() == [2.0]
    assert [issue.diagnostics for issue in found.outcome.issues] == [DIFFERS]
