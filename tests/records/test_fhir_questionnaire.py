"""Which item an answer belongs to, what it scores, and which totals come of it."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from novamind.errors import ValidationError
from novamind.records import read_fhir
from novamind.records.fhir.answers import read_value
from novamind.records.fhir.documents import Located
from novamind.records.fhir.forms import Forms, ItemMapping, questionnaires
from novamind.records.fhir.models import Component
from novamind.records.fhir.questionnaire import Remark, Scored, Unscored, scores
from novamind.records.fhir.terminology import LOINC
from novamind.records.instruments.domain import find, measures

PHQ, GAD = ([item.loinc for item in find(name).items] for name in ("PHQ-9", "GAD-7"))
PHQ_15 = [item.loinc for item in find("PHQ-15").items]
BY_NUMBER = "items of {} were recognised by the complete set of their numbers or texts: the file gives them no codes"
NEED = "give the Questionnaire with its codes, or a mapping of the items"
TEXTS = [
    "Little interest or pleasure in doing things", "Feeling down, depressed, or hopeless", "Trouble sleeping",
    "Feeling tired", "Poor appetite", "Feeling bad about yourself", "Trouble concentrating", "Moving slowly",
    "Thoughts that you would be better off dead",
]  # fmt: skip


def form(**more: Any) -> Located:
    return Located({"resourceType": "Questionnaire"} | more, "Q")


def response(*items: dict[str, Any], **more: Any) -> Located:
    contained = {part["id"]: part for part in more.get("contained", ())}
    return Located({"resourceType": "QuestionnaireResponse", "item": list(items)} | more, "R", "", contained)


def item(link: str, answer: dict[str, Any] | int | None = None, **more: Any) -> dict[str, Any]:
    if isinstance(answer, int):
        answer = {"valueInteger": answer}
    return {"linkId": link, "answer": [{"valueInteger": 2} if answer is None else answer]} | more


def items(links: list[str], *answers: Any) -> list[dict[str, Any]]:
    return [item(link, answers[i % len(answers)]) for i, link in enumerate(links)]


def coded(*codes: str, system: str = LOINC) -> dict[str, Any]:
    return {"code": [{"system": system, "code": code} for code in codes]}


def read(one: Located, forms: Forms | None = None) -> tuple[dict[str, float], list[str]]:
    """Scores by series, and everything that was said."""
    found = list(scores(one, forms or Forms()))
    series = [(one.measure.name, one.score) for one in found if isinstance(one, Scored)]
    assert len(dict(series)) == len(series)
    said = [getattr(one, {Scored: "remark", Unscored: "reason", Remark: "text"}[type(one)]) for one in found]
    return dict(series), list(dict.fromkeys(text for text in said if text))


def phq(*values: int) -> dict[str, float]:
    return {f"PHQ-9 item {i}": float(value) for i, value in enumerate(values, 1)}


def gad(*values: int) -> dict[str, float]:
    return {f"GAD-7 item {i}": float(value) for i, value in enumerate(values, 1)}


# -- by code


@pytest.mark.parametrize(
    ("link", "more", "series"),
    [
        (PHQ[3], {}, "PHQ-9 item 4"),
        (f"/{GAD[6]}", {}, "GAD-7 item 7"),
        (f"/44249-1/{PHQ[0]} ", {}, "PHQ-9 item 1"),
        (f"x/y-{PHQ[0]}", {}, "PHQ-9 item 1"),
        (PHQ_15[12], {}, "PHQ-15 item 13"),
        ("/68518-0", {}, "AUDIT-C item 1"),
        ("/44261-6", {}, "PHQ-9"),
        ("/70274-6", {}, "GAD-7"),
        ("/55758-7", {}, "PHQ-2"),
        ("/89204-2", {}, "PHQ-A"),
        ("q1", {"definition": f"http://loinc.org/q#{PHQ[8]}"}, "PHQ-9 item 9"),
        (PHQ[1], {"definition": f"http://loinc.org/q#{PHQ[8]}"}, "PHQ-9 item 9"),
        ("known", {}, "GAD-7 item 3"),
        ("known", {"definition": f"#{PHQ[8]}"}, "GAD-7 item 3"),
        ("difficulty", {"definition": f"#{PHQ[8]}"}, None),
        (f"{PHQ[0]}/x", {}, None),
        (f"9{PHQ[0]}", {}, None),
        ("q1", {"definition": 7}, None),
        ("69722-7", {}, None),
        ("q1", {}, None),
    ],
)
def test_an_item_is_recognised_by_its_code(link: str, more: dict[str, Any], series: str | None) -> None:
    questionnaire = form(
        url="urn:q",
        item=[{"linkId": "known"} | coded(GAD[2]), {"linkId": "difficulty"} | coded("69722-7")],
    )
    one = response(item(link, **more), questionnaire="urn:q|2.0")
    assert read(one, questionnaires([questionnaire]))[0] == ({} if series is None else {series: 2.0})


def test_a_code_of_ours_beside_that_of_others() -> None:
    for codes, expected in (
        (("54636-6", PHQ[1]), {"PHQ-9 item 2": 2.0}),
        ((PHQ[1], PHQ[2]), {}),
        ((PHQ[1], GAD[1]), {}),
    ):
        forms = questionnaires([form(url="urn:q", item=[{"linkId": "a"} | coded(*codes)])])
        assert read(response(item("a"), questionnaire="urn:q"), forms)[0] == expected
    forms = questionnaires([form(url="urn:q", item=[{"linkId": "a"} | coded(PHQ[1], system="urn:own")])])
    assert read(response(item("a"), questionnaire="urn:q"), forms)[0] == {}


@pytest.mark.parametrize("answer", [1, {"valueCoding": {"code": "LA6573-5", "extension": [{"url": "ordinalValue"}]}}])
def test_the_question_on_difficulty_is_no_item(answer: Any) -> None:
    one = response(*items([f"/{code}" for code in PHQ], 1), item("/69722-7", answer), questionnaire="urn:phq-9")
    assert read(one) == (phq(*[1] * 9), ["no item of PHQ-9: 1 answer (LOINC 69722-7)"])


def test_the_sum_of_two_items_is_a_total_of_its_own() -> None:
    links = [f"/{code}" for code in (*PHQ, "44261-6", "55758-7")]
    assert read(response(*items(links, 1, 2, 1, 2, 1, 1, 0, 1, 0, 9, 3)))[0] == phq(1, 2, 1, 2, 1, 1, 0, 1, 0) | {
        "PHQ-9": 9.0,
        "PHQ-2": 3.0,
    }


@pytest.mark.parametrize(
    ("links", "name", "codes", "instrument"),
    [
        (PHQ[:2], "", (), "PHQ-9"),
        (PHQ[:2], "http://x/Questionnaire/PHQ-2", (), "PHQ-2"),
        (PHQ[:2], "http://x/Questionnaire/phq2-phq9", (), "PHQ-9"),
        (PHQ[:2], "", ("55757-9",), "PHQ-2"),
        (PHQ[:2], "http://loinc.org/q/55757-9|2.77", (), "PHQ-2"),
        (PHQ[:2], "", ("44249-1",), "PHQ-9"),
        ([*PHQ[:2], "55758-7"], "", (), "PHQ-2"),
        (PHQ[:3], "urn:phq-2", (), "PHQ-9"),
        (PHQ[:8], "urn:phq-8", (), "PHQ-8"),
        (PHQ[:8], "", (), "PHQ-9"),
        (PHQ, "urn:phq-8", (), "PHQ-9"),
        (GAD[:2], "urn:gad2", (), "GAD-2"),
        (GAD[:3], "urn:gad2", (), "GAD-7"),
    ],
)
def test_items_that_instruments_share(links: list[str], name: str, codes: tuple[str, ...], instrument: str) -> None:
    forms = questionnaires([form(url=name or "urn:q", **coded(*codes))]) if codes else None
    series, _ = read(response(*items(links, 1), questionnaire=name or "urn:q"), forms)
    assert {name.partition(" item")[0] for name in series} == {instrument}


def test_a_panel_around_shared_items_decides() -> None:
    def group(panel: str, *values: int) -> dict[str, Any]:
        return {"linkId": panel, "item": items([f"{panel}/{code}" for code in PHQ[: len(values)]], *values)}

    series, _ = read(response(group("/55757-9", 1, 2), group("/44249-1", *[3] * 9)))
    assert series == phq(*[3] * 9) | {"PHQ-2 item 1": 1.0, "PHQ-2 item 2": 2.0}


@given(
    order=st.permutations(range(9)), values=st.lists(st.integers(0, 3), min_size=9, max_size=9), in_form=st.booleans()
)
def test_with_codes_neither_the_order_nor_the_links_matter(
    order: list[int], values: list[int], *, in_form: bool
) -> None:
    """Links that lie about the number: the code decides."""
    links = [f"phq9-{order[i] + 1}" for i in range(9)]
    other = item("phq9-10", 3)
    if in_form:
        parts = [{"linkId": link} | coded(code) for link, code in zip(links, PHQ, strict=True)]
        forms = questionnaires([form(url="urn:q", item=[*parts, {"linkId": "phq9-10"} | coded("69722-7")])])
        answered = [item(link, value) for link, value in zip(links, values, strict=True)]
    else:
        forms = Forms()
        answered = [item(link, v, definition=f"urn:q#{code}") for link, v, code in zip(links, values, PHQ, strict=True)]
    shuffled = [answered[i] for i in order]
    assert read(response(*shuffled, other, questionnaire="urn:q"), forms)[0] == phq(*values)


# -- the forms of a file


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


# -- by number


@pytest.mark.parametrize(
    "links",
    [
        list("123456789"),
        [*"123456789", "10"],
        [f"q{i:02}" for i in range(1, 10)],
        [f"PHQ.{i}" for i in range(1, 11)],
        [f"phq9-{i}" for i in range(1, 10)],
        [f"1.{i}" for i in range(1, 10)],
    ],
)
@pytest.mark.parametrize(
    "name",
    [
        "http://x/Questionnaire/phq-9",
        "http://x/PHQ9|2.0",
        "urn:phq9-v2",
        "PHQ 9",
        "http://loinc.org/q/44249-1",
        "cuestionario_PHQ-9_español",
        "phq9Example",
    ],
)
def test_a_complete_set_of_numbers_is_recognised(links: list[str], name: str) -> None:
    values = [1, 2, 1, 2, 1, 1, 0, 1, 0, 3][: len(links)]
    series, said = read(response(*items(links, *values), questionnaire=name))
    assert series == phq(*values[:9])
    assert said == [BY_NUMBER.format("PHQ-9"), *["no item of PHQ-9: 1 answer"][: len(links) - 9]]


@pytest.mark.parametrize(
    ("links", "name", "reason"),
    [
        (list("123"), "phq9-followup-satisfaction", "its links do not number items 1 to 9 once each"),
        (list("12345678"), "phq-9", "its links do not number items 1 to 9 once each"),
        (list("012345678"), "phq-9", "its links do not number items 1 to 9 once each"),
        ([*"123456789", "09"], "phq-9", "its links do not number items 1 to 9 once each"),
        ([*[f"a{i}" for i in range(1, 10)], *[f"b{i}" for i in range(1, 10)]], "phq-9",
         "its links do not number items 1 to 9 once each"),
        (list("123456789"), "phq9-followup-satisfaction", "its name says something else as well"),
        (list("123456789"), "satisfaction-with-phq9", "its name says something else as well"),
        (list("123456789"), "phq9-ov", "its name says something else as well"),
        ([f"phq9-{i}" for i in range(1, 10)], "phq9-feedback", "its name says something else as well"),
        ([f"phq9-{i}" for i in range(1, 4)], "", "its links do not number items 1 to 9 once each"),
        ([f"phq9-{i}" for i in range(1, 10)], "gad7", "its name says something else as well"),
    ],
)  # fmt: skip
def test_numbers_that_do_not_settle_the_items(links: list[str], name: str, reason: str) -> None:
    series, said = read(response(*items(links, 1), questionnaire=name))
    assert series == {}
    assert f"a form that looks like PHQ-9, but {reason}; {NEED}" in said


@pytest.mark.parametrize("name", ["phq-9-modified-teens", "phq9m", "PHQ-A", "phq-15", "promis-29", "", "urn:other"])
def test_the_number_of_another_form_is_no_item_of_this(name: str) -> None:
    series, _ = read(response(*items(list("123456789"), 1), questionnaire=name))
    assert not any(one.startswith("PHQ-9") for one in series)


def test_a_combined_form_gives_each_instrument_its_items() -> None:
    links = [*(f"phq9-{i}" for i in range(1, 10)), *(f"gad7-{i}" for i in range(1, 8))]
    name = "http://x/Questionnaire/phq9-gad7"
    series, said = read(response(*items(links, *[1] * 9, *[3] * 7), questionnaire=name))
    assert series == phq(*[1] * 9) | gad(*[3] * 7)
    assert said == [BY_NUMBER.format("PHQ-9"), BY_NUMBER.format("GAD-7")]
    assert read(response(*items(links[9:], 3), questionnaire=name))[0] == gad(*[3] * 7)
    totals = [item("total", 9), item("gad7-total", 21)]
    series, said = read(response(*items(links, *[1] * 9, *[3] * 7), *totals, questionnaire=name))
    assert series == phq(*[1] * 9) | gad(*[3] * 7) | {"GAD-7": 21.0}
    assert "no item of PHQ-9, GAD-7: 1 answer" in said
    assert read(response(*items(list("1234567"), 3), questionnaire=name))[0] == {}


def test_texts_check_numbers_and_count_items_themselves() -> None:
    def one(texts: list[str], name: str, link: str = "{}") -> Located:
        return response(
            *(item(link.format(i), i % 4, text=text) for i, text in enumerate(texts, 1)), questionnaire=name
        )

    values = [i % 4 for i in range(1, 10)]
    swapped = [TEXTS[1], TEXTS[0], *TEXTS[2:]]
    for link in ("{}", "phq9-{}", "{0}{0}{0}"):
        assert read(one(TEXTS, "phq-9", link))[0] == phq(*values)
        assert read(one(TEXTS, "phq9-at-followup", link))[0] == phq(*values)  # the texts outweigh a name that says more
    assert read(one(swapped, "phq-9"))[0] == phq(values[1], values[0], *values[2:])
    reason = (
        "a form that looks like PHQ-9, but the text of an item is not the instrument's in English, German or Spanish"
    )
    assert read(one(swapped, "phq-9", "phq9-{}")) == ({}, [f"{reason}; {NEED}"])
    assert read(one(["How satisfied were you?"] * 9, "phq-9")) == ({}, [f"{reason}; {NEED}"])
    assert read(one(["How satisfied were you?"] * 9, "urn:x"))[0] == {}
    assert read(one(TEXTS, "urn:x"))[0] == {}
    teens = [swapped[0], swapped[1], TEXTS[2], TEXTS[4], TEXTS[3], *TEXTS[5:]]
    assert read(one(teens, "PHQ-A"))[0] == {f"PHQ-A item {i}": float(v) for i, v in enumerate(values, 1)}


def test_questions_and_answers_settle_a_form_that_nothing_names() -> None:
    def one(texts: list[str], answer: Any, name: str = "Questionnaire/4f1") -> Located:
        return response(*(item(f"x{i}y", answer, text=text) for i, text in enumerate(texts)), questionnaire=name)

    often = {"valueString": "Nearly every day"}
    teens = [TEXTS[1], TEXTS[0], TEXTS[2], TEXTS[4], TEXTS[3], *TEXTS[5:]]
    assert read(one(TEXTS, often)) == (phq(*[3] * 9), [BY_NUMBER.format("PHQ-9")])
    assert read(one([*TEXTS, "How difficult have these problems made it?"], often))[0] == phq(*[3] * 9)
    assert set(read(one(teens, often))[0]) == {f"PHQ-A item {i}" for i in range(1, 10)}
    assert set(read(one(TEXTS[:8], often))[0]) == {f"PHQ-8 item {i}" for i in range(1, 9)}
    for nothing in (one(TEXTS, 1), one(TEXTS[:2], often), one(TEXTS[::-1], often), one(TEXTS, often, "urn:madrs")):
        assert read(nothing)[0] == {}


def test_one_text_is_not_two_items() -> None:
    texts = [*TEXTS[:2], "Trouble sleeping or feeling tired", *TEXTS[4:]]
    one = response(*(item(f"x{i}y", text=text) for i, text in enumerate(texts)), questionnaire="phq-9")
    assert read(one)[0] == {}


def test_words_before_the_name_need_answers_or_links_of_the_instrument() -> None:
    name = "http://x/mii-qst-pro-phq-9"
    published = {"valueCoding": {"code": "LA6571-9"}}
    assert read(response(*items(list("123456789"), published), questionnaire=name))[0] == phq(*[3] * 9)
    assert read(response(*items(list("123456789"), {"valueString": "Several days"}), questionnaire=name))[0] == phq(
        *[1] * 9
    )
    assert read(response(*items([f"phq9-{i}" for i in range(1, 10)], 1), questionnaire=name))[0] == phq(*[1] * 9)
    said = [f"a form that looks like PHQ-9, but its name says something else as well; {NEED}"]
    assert read(response(*items(list("123456789"), 1), questionnaire=name)) == ({}, said)
    assert read(response(*items([*"123456789", "10"], 1), questionnaire="http://x/grades-k-10"))[0] == {}


def test_an_answer_of_another_kind_shows_that_the_numbers_are_shifted() -> None:
    answers = [{"valueDate": "2024-05-01"}, *[1] * 9]
    links = [*"123456789", "10"]
    series, said = read(response(*items(links, *answers), questionnaire="phq-9"))
    assert series == {}
    assert "an item of PHQ-9 is one by its number alone, beside an answer that is none of PHQ-9" in said
    texts = [
        item(link, {"valueString": "rather not"} if link == "3" else 1, text=text)
        for link, text in zip("123456789", TEXTS, strict=True)
    ]
    assert set(read(response(*texts, questionnaire="phq-9"))[0]) == set(phq(*[1] * 9)) - {"PHQ-9 item 3"}


def test_a_total_shows_that_numbers_count_from_one() -> None:
    links = [f"/{code}" for code in (*PHQ, "44261-6")]
    for total, kept in ((5, False), (14, True), (9, True)):
        series, said = read(response(*items(links, 1, 2, 1, 3, 1, 2, 1, 1, 2, total)))
        assert ("PHQ-9 item 1" in series) == kept
        assert ("an item of PHQ-9 is a number that counts from one higher, as the total shows" in said) != kept
    codes = [{"valueCoding": {"code": "LA6569-3"}}] * 9
    assert read(response(*items(links, *codes, 0)))[0] == phq(*[1] * 9) | {"PHQ-9": 0.0}  # the codes are sure


def test_items_of_one_number_are_not_chosen_from() -> None:
    links = [*(f"phq9-{i}" for i in range(1, 10)), "phq9-3"]
    said = [f"a form that looks like PHQ-9, but its links do not number items 1 to 9 once each; {NEED}"]
    assert read(response(*items(links, *range(4)), questionnaire="phq9")) == ({}, said)


def test_a_code_of_the_form_itself_names_the_item() -> None:
    located = form(
        url="urn:q",
        item=[{"linkId": "a"} | coded("phq9_3", system="urn:x"), {"linkId": "b"} | coded("q2", system="urn:x")],
    )
    series, said = read(response(item("a"), item("b"), questionnaire="urn:q"), questionnaires([located]))
    assert (series, said) == ({"PHQ-9 item 3": 2.0}, ["no item of PHQ-9: 1 answer"])


@pytest.mark.parametrize("system", ["https://loinc.org", "urn:oid:2.16.840.1.113883.6.1"])
def test_other_addresses_of_loinc(system: str) -> None:
    located = form(url="urn:q", item=[{"linkId": "a"} | coded(PHQ[2], system=system)])
    assert read(response(item("a"), questionnaire="urn:q"), questionnaires([located]))[0] == {"PHQ-9 item 3": 2.0}


def test_a_coded_item_is_not_counted_by_its_number() -> None:
    links = list("123456789")
    located = form(url="urn:phq9", item=[{"linkId": "3"} | coded("69722-7")])
    series, said = read(response(*items(links, 1), questionnaire="urn:phq9"), questionnaires([located]))
    assert series == {}
    assert said == [f"a form that looks like PHQ-9, but its links do not number items 1 to 9 once each; {NEED}"]


@pytest.mark.parametrize(
    ("link", "total"),
    [("total", True), ("PHQ_Score", True), ("phq9-total-score", True), ("PHQ.Score", True),
     ("gad7-total", False), ("score2", False), ("scoring", False)],
)  # fmt: skip
def test_the_line_of_the_total_beside_numbers(link: str, *, total: bool) -> None:
    series, _ = read(response(*items(list("123456789"), 1), item(link, 9), questionnaire="phq-9"))
    assert series == phq(*[1] * 9) | ({"PHQ-9": 9.0} if total else {})


def test_other_instruments_by_number() -> None:
    for links in ([f"madrs_{i}" for i in range(1, 11)], [f"x/madrs{i}" for i in range(1, 11)]):
        series, _ = read(response(*items(links, 6)))
        assert series == {f"MADRS item {i}": 6.0 for i in range(1, 11)}
        assert read(response(*items(links[:9], 6)))[0] == {}
    series, said = read(response(*items([str(i) for i in range(1, 16)], 2), questionnaire="http://x/PHQ-15"))
    assert series == {f"PHQ-15 item {i}": 2.0 for i in range(1, 16)}
    assert said == [BY_NUMBER.format("PHQ-15")]


# -- by declaration


def test_a_declared_mapping() -> None:
    mapping: ItemMapping = {"urn:x": {"mood": "PHQ-9 item 2", "sum": "phq9", "fear": "GAD-7 item 7"}}
    one = response(item("mood", 3), item("sum", 20), item("fear", 1), item("other", 1), questionnaire="urn:x|1")
    series, said = read(one, Forms(mapping=mapping))
    assert series == {"PHQ-9 item 2": 3.0, "PHQ-9": 20.0, "GAD-7 item 7": 1.0}
    assert "no item of PHQ-9, GAD-7: 1 answer" in said
    assert read(response(item("mood", 3), questionnaire="urn:y"), Forms(mapping=mapping))[0] == {}
    coded_form = form(url="urn:x", item=[{"linkId": "mood"} | coded(PHQ[0])])
    assert read(response(item("mood"), questionnaire="urn:x"), Forms([coded_form], mapping))[0] == {"PHQ-9 item 2": 2.0}


def test_a_mapping_comes_in_by_the_door() -> None:
    one = response(item("mood", 3), questionnaire="urn:x").resource | {"status": "completed", "authored": "2024-05-01"}
    record = read_fhir(one, items={"urn:x": {"mood": "PHQ-9 item 2"}}).record
    assert record.symptoms is not None
    assert [key.name for key in record.symptoms.series] == ["PHQ-9 item 2"]


@pytest.mark.parametrize("series", ["mood", "PHQ-9 item 10", "PHQ-77"])
def test_a_mapping_to_nothing_is_refused(series: str) -> None:
    with pytest.raises(ValidationError, match="a mapping names no item of an instrument"):
        Forms(mapping={"urn:x": {"mood": series}})


# -- answers


def ordinal(code: str | None, score: float, url: str = "http://x/ordinalValue") -> dict[str, Any]:
    return {"valueCoding": {"code": code, "extension": [{"url": "u"}, {"url": url, "valueDecimal": score}]}}


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


# -- totals


@pytest.mark.parametrize(
    ("values", "total", "remarks"),
    [
        ([1, 2, 1, 2, 1, 1, 0, 1, None], 10.0, ["PHQ-9: missing items are prorated"]),
        ([1, 2, 1, 2, 1, 1, 0, None, None], 10.0, ["PHQ-9: missing items are prorated"]),
        ([1, 2, 1, 2, 1, 1, None, None, None], None, []),
        ([1] * 9, None, []),
    ],
)
def test_a_total_with_missing_items_is_given_by_the_published_rule(
    values: list[int | None], total: float | None, remarks: list[str]
) -> None:
    answered = [item(f"/{code}", value) for code, value in zip(PHQ, values, strict=True) if value is not None]
    for one in (
        response(*answered, questionnaire="urn:phq-9"),
        response(
            *answered, *({"linkId": f"/{code}"} for code, value in zip(PHQ, values, strict=True) if value is None)
        ),
    ):
        series, said = read(one)
        assert (series.get("PHQ-9"), said) == (total, remarks)
    if total is not None:
        assert "PHQ-9" not in read(response(*answered))[0]  # may as well be a PHQ-8, or part of a form


def test_an_answer_that_was_not_read_is_not_a_missing_one() -> None:
    answers = [1, 2, 1, 2, 1, 1, 0, 1, {"valueString": "rather not"}]
    series, said = read(response(*items([f"/{code}" for code in PHQ], *answers), questionnaire="urn:phq-9"))
    assert "PHQ-9" not in series
    assert said == ["an item of PHQ-9 has an answer without a score"]


@pytest.mark.parametrize(("reported", "kept"), [(8, False), (9, True), (12, True), (13, False)])
def test_a_reported_total_is_one_that_the_items_allow(reported: int, *, kept: bool) -> None:
    answered = items([f"/{code}" for code in (*PHQ[:8], "44261-6")], 1, 2, 1, 2, 1, 1, 0, 1, reported)
    series, said = read(response(*answered, questionnaire="urn:phq-9"))
    assert series.get("PHQ-9") == (reported if kept else None)
    kept_text = "the total of PHQ-9 is as reported, with 1 item missing"
    assert said == [kept_text if kept else "the total of PHQ-9 is none that its items allow"]


def test_a_total_alone_is_as_it_was_reported() -> None:
    assert read(response(item("/44261-6", 27))) == ({"PHQ-9": 27.0}, [])


def test_questions_that_the_form_leaves_out() -> None:
    series, said = read(response(item("/68518-0", {"valueCoding": {"code": "LA6270-8"}}), questionnaire="urn:audit-c"))
    assert series == {"AUDIT-C item 1": 0.0, "AUDIT-C": 0.0}
    assert said == ["AUDIT-C: items that the form leaves out after a screening answer have their lowest score"]
    men = [code for code in PHQ_15 if code != "69674-0"]
    series, _ = read(response(*items([f"/{code}" for code in men], 1), questionnaire="urn:phq-15"))
    assert series["PHQ-15"] == 14


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


# -- real forms, where they are


SHARED = Path(__file__).parents[3] / "shared"
needs_shared = pytest.mark.skipif(not SHARED.is_dir(), reason="the shared cases and exports are not in this checkout")


@needs_shared
@pytest.mark.parametrize("with_form", [True, False])
def test_the_example_of_us_core(*, with_form: bool) -> None:
    names = ["QuestionnaireResponse-phq-9-example", *["Questionnaire-phq-9-example"][: int(with_form)]]
    files = [SHARED / "data/exports/fhir_us_core" / f"{name}.json" for name in names]
    one, *others = (Located(json.loads(file.read_text("utf-8")), file.stem) for file in files)
    series, said = read(one, questionnaires(others))
    assert series == phq(2, 2, 2, 2, 1, 1, 2, 0, 0) | {"PHQ-9": 12.0}
    assert said == ["no item of PHQ-9: 1 answer (LOINC 69722-7)"]


@needs_shared
@pytest.mark.parametrize(
    ("case", "totals"),
    [
        ("f01_difficulty", {"PHQ-9": 9}),
        ("f01b_difficulty", {"PHQ-9": 9}),
        ("f01d_number", {"PHQ-9": 9}),
        ("f02b_combined", {"GAD-7": 21}),
        ("f04_contained", {"PHQ-9": 9, "GAD-7": 21}),
        ("f05_phq15", {}),  # answered with codes of another list
        ("f05b_questionnaire", {}),
        ("f06_answers", {"PHQ-9": 9}),
        ("f06b_answers", {"PHQ-9": 9}),
        ("f07_inprogress", {}),
        ("f08_item9_missing", {"PHQ-9": 9}),
        ("f09_phq2total", {"PHQ-9": 9, "PHQ-2": 3}),
    ],
)
def test_the_totals_of_the_shared_cases(case: str, totals: dict[str, float]) -> None:
    record = read_fhir(SHARED / "cases/fhir" / f"{case}.json").record
    frame = record.symptoms
    series = (
        {}
        if frame is None
        else {frame.series[i].name: v for i, v in zip(frame.series_index, frame.values, strict=True)}
    )
    assert {name: value for name, value in series.items() if "item" not in name} == totals
