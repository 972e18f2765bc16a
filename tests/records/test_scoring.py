"""Totals by their published rules: ends of every scale, worked forms, missing items, flags; facts a second time."""

import csv
import math
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import novamind as nm
from novamind.errors import NotFoundError, ValidationError
from novamind.records import item_of, items_of, score
from novamind.records.instruments.columns import measure_of, range_of
from novamind.records.instruments.domain import (
    INSTRUMENTS,
    answer_by_code,
    answer_by_text,
    find,
    worded_as,
)

#: Instrument: number of items, smallest and largest total, items that can be above the usual top (item: top).
SECOND: dict[str, tuple[int, int, int]] = {
    "PHQ-9": (9, 0, 27), "PHQ-8": (8, 0, 24), "PHQ-2": (2, 0, 6), "PHQ-A": (9, 0, 27), "PHQ-15": (15, 0, 30),
    "GAD-7": (7, 0, 21), "GAD-2": (2, 0, 6), "AUDIT": (10, 0, 40), "AUDIT-C": (3, 0, 12), "ISI": (7, 0, 28),
    "PCL-5": (20, 0, 80), "MADRS": (10, 0, 60), "HAM-D17": (17, 0, 52), "YMRS": (11, 0, 60), "ASRM": (5, 0, 20),
    "QIDS-SR16": (16, 0, 27), "K10": (10, 10, 50), "K6": (6, 0, 24), "WHO-5": (5, 0, 100), "EPDS": (10, 0, 30),
    "C-SSRS screener": (7, 0, 0),
}  # fmt: skip
#: Largest score of each item, where items differ.
TOPS = {
    "HAM-D17": {i: 2 if i in (4, 5, 6, 12, 13, 14, 16, 17) else 4 for i in range(1, 18)},
    "YMRS": {i: 8 if i in (5, 6, 8, 9) else 4 for i in range(1, 12)},
}
#: LOINC code -> instrument, what of it (item number, "panel", "total"), and words of its name at LOINC.
LOINC = {
    "44249-1": ("PHQ-9", "panel", ""), "44261-6": ("PHQ-9", "total", ""),
    "44250-9": ("PHQ-9", 1, "little interest"), "44255-8": ("PHQ-9", 2, "feeling down"),
    "44259-0": ("PHQ-9", 3, "trouble sleeping"), "44254-1": ("PHQ-9", 4, "feeling tired"),
    "44251-7": ("PHQ-9", 5, "appetite"), "44258-2": ("PHQ-9", 6, "feeling bad about yourself"),
    "44252-5": ("PHQ-9", 7, "trouble concentrating"), "44253-3": ("PHQ-9", 8, "moving slowly"),
    "44260-8": ("PHQ-9", 9, "better off dead"),
    "55757-9": ("PHQ-2", "panel", ""), "55758-7": ("PHQ-2", "total", ""),
    "89206-7": ("PHQ-A", "panel", ""), "89204-2": ("PHQ-A", "total", ""),
    "69728-4": ("PHQ-15", "panel", ""), "70273-8": ("PHQ-15", "total", ""),
    "69671-6": ("PHQ-15", 1, "stomach pain"), "69672-4": ("PHQ-15", 2, "back pain"),
    "69673-2": ("PHQ-15", 3, "arms, legs or joints"), "69674-0": ("PHQ-15", 4, "periods"),
    "69717-7": ("PHQ-15", 5, "intercourse"), "69675-7": ("PHQ-15", 6, "headaches"),
    "69676-5": ("PHQ-15", 7, "chest pain"), "69677-3": ("PHQ-15", 8, "dizziness"),
    "69678-1": ("PHQ-15", 9, "fainting"), "69679-9": ("PHQ-15", 10, "heart pounds"),
    "69680-7": ("PHQ-15", 11, "short of breath"), "69681-5": ("PHQ-15", 12, "constipation"),
    "69682-3": ("PHQ-15", 13, "nausea"), "69731-8": ("PHQ-15", 14, "tired"), "69732-6": ("PHQ-15", 15, "sleeping"),
    "69737-5": ("GAD-7", "panel", ""), "70274-6": ("GAD-7", "total", ""),
    "69725-0": ("GAD-7", 1, "nervous"), "68509-9": ("GAD-7", 2, "not able to stop worrying"),
    "69733-4": ("GAD-7", 3, "worrying too much"), "69734-2": ("GAD-7", 4, "trouble relaxing"),
    "69735-9": ("GAD-7", 5, "restless"), "69689-8": ("GAD-7", 6, "easily annoyed"), "69736-7": ("GAD-7", 7, "afraid"),
    "75624-7": ("AUDIT", "total", ""), "72109-2": ("AUDIT-C", "panel", ""), "75626-2": ("AUDIT-C", "total", ""),
    "68518-0": ("AUDIT-C", 1, "how often"), "68519-8": ("AUDIT-C", 2, "how many"),
    "68520-6": ("AUDIT-C", 3, "six or more"),
    "101697-1": ("PCL-5", "panel", ""), "101698-9": ("PCL-5", "total", ""), "71354-5": ("EPDS", "panel", ""),
    "99046-5": ("EPDS", "total", ""), "72110-0": ("AUDIT", "panel", ""),
    "93373-9": ("C-SSRS screener", "panel", ""),
    "93246-7": ("C-SSRS screener", 1, "wish to be dead"), "93247-5": ("C-SSRS screener", 2, "active thoughts"),
    "93248-3": ("C-SSRS screener", 3, "methods"), "93249-1": ("C-SSRS screener", 4, "some intent"),
    "93250-9": ("C-SSRS screener", 5, "plan and intent"), "93267-3": ("C-SSRS screener", 6, "ever did"),
    "93269-9": ("C-SSRS screener", 7, "past three months"),
}  # fmt: skip
#: Items that a short form shares with a long one.
SHARED = {"PHQ-8": ("PHQ-9", 8), "PHQ-2": ("PHQ-9", 2), "GAD-2": ("GAD-7", 2)}


def test_every_instrument_stands_here_a_second_time() -> None:
    assert {i.name: (len(i.items), i.lowest, i.highest) for i in INSTRUMENTS} == SECOND


@pytest.mark.parametrize("name", TOPS)
def test_items_have_their_own_tops(name: str) -> None:
    assert {item.number: item.highest for item in find(name).items} == TOPS[name]


def test_codes_of_loinc_stand_here_a_second_time() -> None:
    table = {}
    for instrument in INSTRUMENTS:
        for kind in ("panel", "total"):
            if code := getattr(instrument, kind):
                table[code] = (instrument.name, kind)
        if instrument.name not in SHARED:
            table |= {item.loinc: (instrument.name, item.number) for item in instrument.items if item.loinc}
    assert table == {code: row[:2] for code, row in LOINC.items()}
    for short, (long, count) in SHARED.items():
        assert [i.loinc for i in find(short).items] == [i.loinc for i in find(long).items[:count]]
    assert {i.name: i.snomed for i in INSTRUMENTS if i.snomed} == {"PHQ-9": "720433000", "GAD-7": "445455005"}


def test_codes_of_loinc_carry_their_check_digit() -> None:
    """The digit behind the hyphen checks the others (Luhn, as LOINC's Users' Guide states)."""

    def check(code: str) -> bool:
        digits, _, last = code.partition("-")
        doubled = [int(d) * (2 if i % 2 == 0 else 1) for i, d in enumerate(reversed(digits))]
        return (10 - sum(n // 10 + n % 10 for n in doubled) % 10) % 10 == int(last)

    assert [code for code in LOINC if not check(code)] == []


@pytest.mark.parametrize(
    ("name", "item", "codes"),
    [
        ("PHQ-9", 1, "LA6568-5 LA6569-3 LA6570-1 LA6571-9"),  # LL358-3
        ("GAD-7", 7, "LA6568-5 LA6569-3 LA6570-1 LA6571-9"),
        ("PHQ-15", 1, "LA18334-5 LA18335-2 LA18336-0"),
        ("PHQ-15", 15, "LA18334-5 LA18335-2 LA18336-0"),
        ("PHQ-15", 15, "LA6568-5 LA6569-3 LA6570-1"),
        ("AUDIT", 1, "LA6270-8 LA18926-8 LA18927-6 LA18928-4 LA18929-2"),  # LL2179-1
        ("AUDIT", 2, "LA15694-5 LA15695-2 LA18930-0 LA18931-8 LA18932-6"),  # LL2180-9
        ("AUDIT", 3, "LA6270-8 LA18933-4 LA18876-5 LA18891-4 LA18934-2"),  # LL2181-7
        ("C-SSRS screener", 1, "LA32-8 LA33-6"),
    ],
)
def test_codes_of_answers_stand_here_a_second_time(name: str, item: int, codes: str) -> None:
    assert [answer_by_code(find(name).item(item), code) for code in codes.split()] == list(range(len(codes.split())))


@pytest.mark.parametrize("name", SECOND)
def test_ends_of_the_scale(name: str) -> None:
    form = find(name)
    lowest, highest = ([getattr(item, end) for item in form.items] for end in ("lowest", "highest"))
    totals = [score(name, lowest).total, score(name, highest).total]
    assert totals == ([None, None] if name == "C-SSRS screener" else list(SECOND[name][1:]))


@pytest.mark.parametrize(
    ("name", "items", "total"),
    [
        ("PHQ-9", [2, 2, 2, 2, 1, 1, 2, 0, 0], 12),
        ("phq_9", {1: 1, 2: 2, 3: 1, 4: 2, 5: 1, 6: 1, 7: 0, 8: 1, 9: 0}, 9),
        ("GAD7", {f"gad7_{i}": 3 for i in range(1, 8)}, 21),
        ("AUDIT", [4, 4, 4, 4, 4, 4, 4, 4, 2, 4], 38),
        ("AUDIT", {f"audit{i}": 4 for i in range(1, 11)}, 40),
        ("MADRS", {f"MADRS_{i}": 1 for i in range(1, 11)}, 10),
        ("HDRS-17", [4, 3, 2, 2, 1, 0, 4, 3, 2, 1, 0, 2, 1, 0, 4, 2, 1], 32),
        ("YMRS", [1, 2, 3, 4, 6, 7, 1, 8, 2, 0, 4], 38),
        ("WHO-5", [5, 4, 3, 2, 1], 60),
        ("K10", [1, 2, 3, 4, 5, 1, 2, 3, 4, 5], 30),
        ("QIDS-SR16", [0, 1, 3, 2, 1, 0, 2, 0, 1, 3, 0, 1, 2, 2, 1, 0], 3 + 1 + 2 + 3 + 0 + 1 + 2 + 2 + 1),
        ("PCL-5", list(range(5)) * 4, 40),
    ],
)
def test_worked_forms(name: str, items: Any, total: int) -> None:
    result = nm.records.score(name, items)
    assert (result.total, result.missing, result.prorated, result.reason) == (total, (), False, "")


def test_the_kind_of_sequence_does_not_matter() -> None:
    values = [1, 0, 2, 3, 1, 0, 2, 3, 1]
    for items in (
        dict(zip(np.arange(1, 10), values, strict=True)),
        tuple(values),
        np.array(values),
        pd.Series(values),
        [float(v) for v in values],
    ):
        assert score("PHQ-9", items).total == 13


@pytest.mark.parametrize("name", ["PHQ-9", "PHQ-A"])
@pytest.mark.parametrize("missing", [1, 2, 3])
def test_up_to_two_missing_items_are_prorated(name: str, missing: int) -> None:
    """Raw sum x 9 / number answered, to the nearest whole number; from three missing items on no total (APA 2013)."""
    for nothing, values in product((None, math.nan), ([1, 2, 3, 0, 1, 2, 3, 0, 2], [0] * 9, [3] * 9)):
        result = score(name, [*values[: 9 - missing], *[nothing] * missing])
        raw = sum(values[: 9 - missing])
        if missing == 3:
            assert (result.total, result.prorated) == (None, False)
            assert result.reason == "3 items of 9 missing; at most 2 may be"
        else:
            exact = raw * 9 / (9 - missing)
            assert result.total is not None
            assert abs(result.total - exact) <= 0.5
            assert (result.prorated, result.total == int(result.total)) == (True, True)
            assert "missing items are prorated" in result.remarks
        assert result.missing == tuple(range(10 - missing, 10))


def test_a_half_is_rounded_up() -> None:
    assert score("PHQ-9", [3, 1, 0, 0, 0, 0, 0, 0, None]).total == 5  # 4.5


@pytest.mark.parametrize("name", ["PHQ-8", "PHQ-2", "GAD-7", "ISI", "PCL-5", "MADRS", "HAM-D17", "WHO-5", "EPDS", "K6"])
def test_without_a_published_rule_a_missing_item_leaves_no_total(name: str) -> None:
    count = SECOND[name][0]
    result = score(name, [1] * (count - 1) + [None])
    assert (result.total, result.missing) == (None, (count,))
    assert result.reason == f"1 item of {count} missing; no rule for missing items was published"
    assert score(name, [None] * count).reason == "no item was answered"


@pytest.mark.parametrize(
    ("name", "items", "total"),
    [
        ("AUDIT", [0, *[None] * 7, 0, 2], 2),
        ("AUDIT", [2, 0, 0, *[None] * 5, 0, 0], 2),
        ("AUDIT", [2, 1, 0, *[None] * 5, 0, 0], None),
        ("AUDIT", [0, *[None] * 7, 0, None], None),
        ("AUDIT-C", [0, None, None], 0),
        ("AUDIT-C", [1, None, None], None),
        ("K10", [2, 1, None, 2, 1, None, 2, 2, 2, 2], 16),
        ("K10", [2, 2, None, 2, 1, None, 2, 2, 2, 2], None),
        ("PHQ-15", [1, 1, 1, None, *[1] * 11], 14),
        ("PHQ-15", [1, 1, None, 1, *[1] * 11], None),
        ("QIDS-SR16", [1, 1, 1, 1, 1, 2, None, None, 1, 1, 1, 1, 1, 1, 1, 1], 10),
        ("QIDS-SR16", [1, 1, 1, 1, 1, None, None, None, 1, 1, 1, 1, 1, 1, 1, 1], None),
        ("QIDS-SR16", [3, None, 1, 1, 1, 2, None, None, 1, 1, 1, 1, 1, 1, 1, 1], 12),
        ("QIDS-SR16", [2, None, 1, 1, 1, 2, None, None, 1, 1, 1, 1, 1, 1, 1, 1], None),
    ],
)
def test_items_that_the_form_leaves_out(name: str, items: list[int | None], total: int | None) -> None:
    result = score(name, items)
    assert result.total == total
    assert not result.prorated
    assert total is None or result.remarks or name == "QIDS-SR16"


def test_a_missing_screening_answer_leaves_nothing_out() -> None:
    assert score("AUDIT", [None] * 8 + [0, 0]).missing == tuple(range(1, 9))
    assert score("K10", [2, None, None, *[2] * 7]).missing == (2, 3)


def test_a_total_that_missing_items_cannot_change_says_so() -> None:
    result = score("QIDS-SR16", [3, None, 1, 1, 1, 2, None, None, 1, 1, 1, 1, 1, 1, 1, 1])
    assert result.remarks == ("the total is the same whatever the missing items are",)
    assert result.missing == (2,)


#: Without prorating and without items that need no answer, a total is that of every way to fill the gaps.
EXACT = [
    form.name for form in INSTRUMENTS if form.factor and not form.prorated and not form.skips and not form.optional
]


@given(st.data())
@settings(max_examples=150)
def test_a_total_is_given_if_and_only_if_it_is_the_same_for_all_missing_answers(data: st.DataObject) -> None:
    form = find(data.draw(st.sampled_from([*EXACT, "QIDS-SR16"])))
    full = {item.number: data.draw(st.sampled_from(item.scores)) for item in form.items}
    # Of a pair of the QIDS one item is enough, so here its first is always answered.
    always = {group[0] for group in form.optional}
    gaps = data.draw(st.sets(st.sampled_from(sorted(full.keys() - always)), max_size=3))
    answered = {number: value for number, value in full.items() if number not in gaps}
    ends = [
        score(form.name, answered | {n: getattr(form.item(n), end) for n in gaps}).total
        for end in ("lowest", "highest")
    ]
    result = score(form.name, answered)
    paired = gaps & {number for group in form.optional for number in group}
    if not paired:
        assert result.total == (ends[0] if ends[0] == ends[1] and answered else None)
    assert result.total is None or result.total == ends[0]
    assert set(result.missing) == gaps - paired


@given(st.sampled_from(["PHQ-9", "PHQ-A"]), st.lists(st.integers(0, 3), min_size=9, max_size=9), st.data())
def test_a_prorated_total_is_the_mean_of_the_answered_items_nine_times(
    name: str, values: list[int], data: st.DataObject
) -> None:
    gaps = data.draw(st.sets(st.integers(0, 8), min_size=1, max_size=2))
    answered = [value for i, value in enumerate(values) if i not in gaps]
    result = score(name, [None if i in gaps else value for i, value in enumerate(values)])
    assert result.total is not None
    assert abs(result.total - 9 * sum(answered) / len(answered)) <= 0.5
    assert 0 <= result.total <= 27


@pytest.mark.parametrize(
    ("name", "item", "flag"),
    [
        ("PHQ-9", 9, "thoughts of death or self-harm"),
        ("PHQ-A", 9, "thoughts of death or self-harm"),
        ("EPDS", 10, "thoughts of self-harm"),
        ("MADRS", 10, "suicidal thoughts"),
        ("HAM-D17", 3, "suicidal thoughts"),
        ("QIDS-SR16", 12, "thoughts of death or suicide"),
    ],
)
def test_an_answer_that_stands_for_itself_is_flagged(name: str, item: int, flag: str) -> None:
    count = SECOND[name][0]
    assert score(name, [1 if i == item else 0 for i in range(1, count + 1)]).flags == (flag,)
    assert score(name, [0 if i == item else 1 for i in range(1, count + 1)]).flags == ()
    alone = score(name, {item: 1})
    assert (alone.total, alone.flags) == (None, (flag,))


def test_the_screener_has_flags_and_no_total() -> None:
    result = score("C-SSRS screener", [True, False, None, None, None, False])
    assert (result.total, result.missing) == (None, ())
    assert result.flags == ("wish to be dead",)
    assert result.reason == "no total was published for this instrument"
    assert len(score("C-SSRS screener", [1] * 7).flags) == 7
    assert score("C-SSRS screener", [False, True, None, None, None, False]).missing == (3, 4, 5)


def test_subscales_are_sums_of_their_items() -> None:
    values = [*[4] * 5, *[3] * 2, *[2] * 7, *[1] * 6]
    subscales = {"intrusion": 20, "avoidance": 6, "cognition and mood": 14, "arousal": 6}
    assert score("PCL-5", values).subscales == subscales
    del subscales["avoidance"]
    assert score("PCL-5", [*values[:5], None, *values[6:]]).subscales == subscales
    assert score("AUDIT", [1] * 8 + [2, 4]).subscales == {"consumption": 3, "dependence": 3, "harm": 8}


@pytest.mark.parametrize(
    ("name", "items", "message"),
    [
        ("PHQ-9", [1] * 8, "PHQ-9 has 9 items, not 8; give None for a missing one"),
        ("PHQ-9", [1] * 10, "PHQ-9 has 9 items, not 10; give None for a missing one"),
        ("HAM-D", [1] * 21, "HAM-D17 has 17 items, not 21; give None for a missing one"),
        ("C-SSRS screener", [1] * 5, "C-SSRS screener has 7 items, not 5; give None for a missing one"),
        ("PHQ-9", [4] * 9, "item 1 of PHQ-9 is off its scale; allowed are 0, 1, 2, 3"),
        ("PHQ-9", [0, -1, *[0] * 7], "item 2 of PHQ-9 is off its scale; allowed are 0, 1, 2, 3"),
        ("PHQ-9", [0.5] * 9, "item 1 of PHQ-9 is off its scale; allowed are 0, 1, 2, 3"),
        ("PHQ-9", [True] * 9, "item 1 of PHQ-9 is off its scale; allowed are 0, 1, 2, 3"),
        ("PHQ-9", ["1"] * 9, "item 1 of PHQ-9 is off its scale; allowed are 0, 1, 2, 3"),
        ("PHQ-9", [999, *[0] * 8], "item 1 of PHQ-9 is off its scale; allowed are 0, 1, 2, 3"),
        ("PHQ-9", [math.inf, *[0] * 8], "item 1 of PHQ-9 is off its scale; allowed are 0, 1, 2, 3"),
        ("AUDIT", [0] * 9 + [1], "item 10 of AUDIT is off its scale; allowed are 0, 2, 4"),
        ("K10", [0] * 10, "item 1 of K10 is off its scale; allowed are 1 to 5"),
        ("PHQ-9", {10: 1}, "an item that PHQ-9 does not have; number them 1 to 9"),
        ("PHQ-9", {0: 1}, "an item that PHQ-9 does not have; number them 1 to 9"),
        ("PHQ-9", {1.5: 1}, "an item that PHQ-9 does not have; number them 1 to 9"),
        ("PHQ-9", {True: 1}, "an item that PHQ-9 does not have; number them 1 to 9"),
        ("PHQ-9", {"gad7_1": 1}, "an item that PHQ-9 does not have; number them 1 to 9"),
        ("PHQ-9", {"1": 1, "phq9_1": 2}, "an item of PHQ-9 is there twice; give each once"),
        ("PHQ-9", "111111111", "items of PHQ-9 as text; give a list of numbers"),
    ],
)
def test_what_is_refused(name: str, items: Any, message: str) -> None:
    with pytest.raises(ValidationError) as refusal:
        score(name, items)
    assert str(refusal.value) == message


def test_an_instrument_without_items_is_not_found() -> None:
    with pytest.raises(NotFoundError, match="no items are known of this instrument; known are PHQ-9, PHQ-8"):
        score("BDI-II", [0] * 21)


def test_a_score_shows_itself() -> None:
    assert repr(score("GAD-7", [1] * 7)) == "<Score: GAD-7, total 7>"
    text = repr(score("PHQ-9", [1] * 8 + [None]))
    assert text == "<Score: PHQ-9, total 9; missing items are prorated>"
    assert "<td>item</td>" not in score("GAD-7", [1] * 7)._repr_html_()


@pytest.mark.parametrize(
    ("name", "item"),
    [
        ("phq9_1", ("PHQ-9", 1)), ("phq_9_01", ("PHQ-9", 1)), ("PHQ9.9", ("PHQ-9", 9)), ("phq9_item3", ("PHQ-9", 3)),
        ("PHQ-9 item 2", ("PHQ-9", 2)), ("phq9q4", ("PHQ-9", 4)), ("PHQ9[SQ005]", ("PHQ-9", 5)),
        (" gad7-7 ", ("GAD-7", 7)),
        ("phq_15_2", ("PHQ-15", 2)), ("phq_2_2", ("PHQ-2", 2)), ("audit_c_2", ("AUDIT-C", 2)),
        ("madrs_3", ("MADRS", 3)),
        ("hamd17_17", ("HAM-D17", 17)), ("HAMD item 17", ("HAM-D17", 17)), ("k10_10", ("K10", 10)),
        ("who5_5", ("WHO-5", 5)),
        ("phq91", None), ("phq9_0", None), ("phq9_10", None), ("phq9", None), ("PHQ-9", None), ("phq9_total", None),
        ("phq9_1_2", None), ("my_phq9_1", None), ("audit10", None), ("audit_10", None), ("hamd17", None),
        ("qids16", None),
        ("auditc_3", None), ("steps_1", None), ("gad7_8", None), ("", None),
    ],
)  # fmt: skip
def test_what_the_name_of_a_column_says(name: str, item: tuple[str, int] | None) -> None:
    assert item_of(name) == item


@pytest.mark.parametrize(
    ("name", "ends"),
    [
        ("phq_9", (0, 27)), ("PHQ-9 item 9", (0, 3)), ("K10", (10, 50)), ("K10 item 1", (1, 5)),
        ("AUDIT item 9", (0, 4)),
        ("C-SSRS screener", None), ("C-SSRS screener item 1", (0, 1)), ("mood", None), ("PHQ-9 item 10", None),
    ],
)  # fmt: skip
def test_the_range_of_a_series(name: str, ends: tuple[float, float] | None) -> None:
    assert range_of(name) == ends


def test_what_a_series_measures() -> None:
    assert measure_of("phq9 item 2").name == "PHQ-9 item 2"
    assert measure_of("HDRS").name == "HAM-D17"
    with pytest.raises(NotFoundError):
        measure_of("mood")


def test_columns_of_an_instrument() -> None:
    columns = ["id", *(f"phq9_{i}" for i in range(1, 11)), "gad7_1"]
    assert items_of("PHQ-9", columns) == {i: f"phq9_{i}" for i in range(1, 10)}
    loose = [f"madrs{i}" for i in range(1, 11)]
    assert items_of("madrs", [*loose, "madrs_total"]) == dict(enumerate(loose, 1))
    assert items_of("madrs", loose[1:]) == {}
    with pytest.raises(ValidationError, match="two columns hold one item of PHQ-9; name those to use"):
        items_of("PHQ-9", ["phq9_1", "PHQ9.1"])


SURVEY = Path(__file__).parents[3] / "shared/data/exports/niimpy/survey_phq9.csv"


@pytest.mark.skipif(not SURVEY.is_file(), reason="the shared exports are not in this checkout")
def test_a_long_table_of_items() -> None:
    forms: dict[int, dict[str, float]] = {}
    for row in csv.DictReader(SURVEY.read_text("utf-8").splitlines()):
        forms.setdefault(int(row["time"]) // 3600, {})[row["id"]] = float(row["answer"])
    assert [score("PHQ-9", items).total for _, items in sorted(forms.items())] == [4, 2, 11]


@pytest.mark.parametrize(
    ("name", "item", "texts"),
    [
        ("PHQ-9", 1, ["Not at all", "Several days", "More than half the days", "Nearly every day"]),
        ("GAD-7", 7, ["Überhaupt nicht", "An einzelnen Tagen", "An mehr als der Hälfte der Tage", "Beinahe jeden Tag"]),
        ("PHQ-2", 2, ["Para nada", "Varios días", "Más de la mitad de los días", "Casi todos los días"]),
        ("PHQ-9", 1, ["0 - Not at all", "Several days (1)", "2: More than half the days.", "Nearly every day = 3"]),
        (
            "AUDIT",
            1,
            ["never", "Monthly or less", "2-4 times a month", "2 to 3 times a week", "4 or more times a week"],
        ),
        ("AUDIT", 2, ["1 or 2", "3 or 4", "5 or 6", "7, 8, or 9", "10 or more"]),
        ("AUDIT-C", 3, ["Never", "Less than monthly", "Monthly", "Weekly", "Daily or almost daily"]),
        ("WHO-5", 3, ["At no time", "Ab und zu", "Less than half of the time", "Etwas mehr als die Hälfte der Zeit"]),
        ("K6", 1, ["None of the time", "A little of the time", "Some of the time", "Most of the time"]),
        ("C-SSRS screener", 1, ["No", "Yes"]),
    ],
)
def test_published_texts_of_answers(name: str, item: int, texts: list[str]) -> None:
    form = find(name)
    assert [answer_by_text(form.item(item), text) for text in texts] == list(range(len(texts)))


def test_answers_that_are_none_of_an_item() -> None:
    phq, phq_15, audit = find("PHQ-9").item(1), find("PHQ-15"), find("AUDIT")
    for text in ("sometimes", "", "Not at all (1)", "3 Several days", "not difficult at all", "0"):
        assert answer_by_text(phq, text) is None
    assert [answer_by_code(phq, f"LA{code}") for code in ("6568-5", "6571-9", "6573-5", "18334-5")] == [
        0,
        3,
        None,
        None,
    ]
    assert [answer_by_code(phq_15.item(i), "LA6571-9") for i in (1, 14)] == [None, 2]
    assert [answer_by_code(phq_15.item(i), "LA18336-0") for i in (1, 14)] == [2, 2]
    assert [answer_by_code(audit.item(i), "LA6270-8") for i in (1, 2, 8, 9)] == [0, None, 0, None]
    assert answer_by_text(audit.item(9), "Yes, during the last year") == 4
    assert [answer_by_text(find(name).item(1), "None of the time") for name in ("K6", "K10")] == [0, 1]
    assert answer_by_text(find("ISI").item(1), "none") is None


#: Questions as they are printed, shortened: PHQ-9 (English; German, PHQ-D; Spanish), GAD-7.
QUESTIONS = {
    "PHQ-9": [
        ("Little interest or pleasure in doing things", "Wenig Interesse oder Freude", "Poco interés o placer"),
        ("Feeling down, depressed, or hopeless", "Niedergeschlagenheit", "Sentirse decaído(a)"),
        ("Trouble falling or staying asleep", "Schwierigkeiten ein- oder durchzuschlafen", "Dificultad para dormir"),
        ("Feeling tired or having little energy", "Müdigkeit", "Sentirse cansado(a)"),
        ("Poor appetite or overeating", "Verminderter Appetit", "Sin apetito"),
        ("Feeling bad about yourself", "Schlechte Meinung von sich selbst", "Sentirse mal con usted mismo(a)"),
        ("Trouble concentrating on things", "Schwierigkeiten, sich zu konzentrieren", "Dificultad para concentrarse"),
        ("Moving or speaking so slowly", "Waren Ihre Bewegungen verlangsamt", "Moverse tan lento"),
        ("Thoughts that you would be better off dead", "lieber tot wären", "mejor estar muerto(a)"),
    ],
    "GAD-7": [
        ("Feeling nervous, anxious, or on edge", "Nervosität, Ängstlichkeit", "Sentirse nervioso(a)"),
        ("Not being able to stop or control worrying", "Sorgen zu stoppen", "No ser capaz de parar"),
        ("Worrying too much about different things", "Übermäßige Sorgen", "Preocuparse demasiado"),
        ("Trouble relaxing", "Schwierigkeiten zu entspannen", "Dificultad para relajarse"),
        ("Being so restless", "Rastlosigkeit", "Estar tan inquieto(a)"),
        ("Becoming easily annoyed or irritable", "Schnelle Verärgerung", "Molestarse fácilmente"),
        ("Feeling afraid as if something awful might happen", "Gefühl der Angst", "Sentir miedo"),
    ],
}


@pytest.mark.parametrize("name", QUESTIONS)
@pytest.mark.parametrize("language", [0, 1, 2])
def test_questions_read_like_their_own_item_alone(name: str, language: int) -> None:
    for number, texts in enumerate(QUESTIONS[name], 1):
        items = [i for i in range(1, len(QUESTIONS[name]) + 1) if worded_as(find(name), i, texts[language])]
        assert items == [number], texts[language]


def test_words_of_short_forms_are_those_of_the_long_one() -> None:
    assert worded_as(find("PHQ-2"), 1, "Little interest or pleasure") is True
    assert worded_as(find("PHQ-8"), 4, "How satisfied were you?") is False
    assert worded_as(find("PHQ-A"), 1, "Feeling down, depressed, irritable, or hopeless") is True
    assert [worded_as(find("ISI"), 1, "anything"), worded_as(find("PHQ-9"), 1, " ")] == [None, None]
