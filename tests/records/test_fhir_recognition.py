"""Which item of which instrument an answer belongs to."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from novamind.errors import ValidationError
from novamind.records import read_fhir
from novamind.records.fhir.documents import Located
from novamind.records.fhir.forms import Forms, ItemMapping, questionnaires
from tests.records.fhir_forms import (
    BY_NUMBER,
    GAD,
    NEED,
    PHQ,
    PHQ_15,
    TEXTS,
    coded,
    form,
    gad,
    item,
    items,
    phq,
    read,
    response,
)

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


# -- by number


@pytest.mark.parametrize(
    "links",
    [
        list("123456789"),
        [f"q{i:02}" for i in range(1, 10)],
        [f"PHQ.{i}" for i in range(1, 10)],
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
    values = [1, 2, 1, 2, 1, 1, 0, 1, 0]
    assert read(response(*items(links, *values), questionnaire=name)) == (phq(*values), [BY_NUMBER.format("PHQ-9")])


@pytest.mark.parametrize("prefix", ["", "q", "PHQ."])
def test_a_tenth_number_needs_answers_or_texts_of_the_instrument(prefix: str) -> None:
    """Else the first may be the one too many: the date of the visit, say."""
    links = [f"{prefix}{i}" for i in range(1, 11)]
    said = "its links number more items, and neither texts nor answers say which are its"
    assert read(response(*items(links, 1), questionnaire="phq-9")) == (
        {},
        [f"a form that looks like PHQ-9, but {said}; {NEED}"],
    )
    often = {"valueCoding": {"code": "LA6571-9"}}
    expected = (phq(*[3] * 9), [BY_NUMBER.format("PHQ-9"), "no item of PHQ-9: 1 answer"])
    assert read(response(*items(links, often), questionnaire="phq-9")) == expected
    texts = [item(link, 3, text=text) for link, text in zip(links, [*TEXTS, "How difficult?"], strict=True)]
    assert read(response(*texts, questionnaire="phq-9")) == expected


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
    answers = [{"valueDate": "2024-05-01"}, *[1] * 8]
    series, said = read(response(*items(list("123456789"), *answers), questionnaire="phq-9"))
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
