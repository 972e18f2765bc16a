"""Hard rules: read, broken, learned only where chance would break them, and the room they leave."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl
import pytest

from novamind.errors import ValidationError
from novamind.populations.generation import rules
from novamind.populations.generation.rules import DeterminedRule, RangeRule, RatioRule, Rules, SumRule, declared, learn
from novamind.populations.table import read
from tests.populations import by_hand

NAN, INF = by_hand.NAN, float("inf")
AB_C = SumRule(("a", "b"), "c")
EXACT = SumRule(("a", "b"), "c", equal=True)


def values(**columns: Any) -> dict[str, np.ndarray]:
    return {name: np.asarray(column, dtype=float) for name, column in columns.items()}


def test_the_constants_of_the_method() -> None:
    assert (rules._TOLERANCE, rules._SCREEN_ROWS, rules._CHANCE, rules._BROKEN_BY_CHANCE) == (1e-6, 20_000, 1e-6, 5e-3)


NUMBERS = read(pl.DataFrame({"a": [1.0, 2], "b": [1.0, 2], "c": [2.0, 4], "word": ["x", "y"]}))


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("a <= b", SumRule(("a",), "b")),
        ("a+b<=c", AB_C),
        ("  a + b == c ", EXACT),
        ("a == c", SumRule(("a",), "c", equal=True)),
    ],
)
def test_a_rule_is_read_and_written(text: str, rule: SumRule) -> None:
    assert SumRule.read(text, NUMBERS.columns) == rule
    assert SumRule.read(str(rule), NUMBERS.columns) == rule


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a < b", "cannot be read; write it as"),
        ("a <= b <= c", "cannot be read"),
        ("a", "cannot be read"),
        ("a <= word", "names 'word', which is no number column"),
        ("x + a <= b", "names 'x', which is no number column"),
        ("a <= ", "names '', which is no number"),
    ],
)
def test_a_rule_that_cannot_be_read_is_refused(text: str, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        SumRule.read(text, NUMBERS.columns)


def test_rows_break_a_sum_by_more_than_rounding() -> None:
    found = values(
        a=[1, 1, 1, 1, NAN, 1e9, 1e9], b=[1, 1, 1, 1, 1, 0, 0], c=[2, 2 - 1.9e-6, 2 - 2.1e-6, 3, 1, 1e9, 1e9]
    )
    found["c"][5] -= 900  # a millionth of the total is rounding: 1,000
    found["c"][6] -= 1_100
    assert AB_C.broken(found).tolist() == [False, False, True, False, False, False, True]
    assert EXACT.broken(found).tolist() == [False, False, True, True, False, False, True]
    small = values(a=[1e-7, 2e-6], b=[0, 0], c=[0, 0])
    assert AB_C.broken(small).tolist() == [False, True]


def test_what_others_leave() -> None:
    found = values(a=[1, NAN, 3], b=[2, 2, NAN], c=[10, 10, 10])
    assert AB_C.rest("c", found).tolist() == [3, 2, 3]
    assert AB_C.rest("a", found).tolist() == [8, 8, 10]
    assert AB_C.rest("b", found).tolist() == [9, 10, 7]
    assert SumRule(("a",), "c").rest("a", found).tolist() == [10, 10, 10]


SPAN = RangeRule("tier", "decile", (1.0, 2.0, 5.0), (1.0, 1.5, 3.0), (2.0, 2.5, 4.0))


def test_a_range_follows_the_level() -> None:
    low, high = SPAN.bounds(np.array([1.0, 2.0, 5.0, 3.0, 9.0, NAN]))
    assert low.tolist() == [1.0, 1.5, 3.0, -INF, -INF, -INF]
    assert high.tolist() == [2.0, 2.5, 4.0, INF, INF, INF]
    found = values(decile=[1, 1, 1, 1, 2, 3, 5, 5], tier=[1, 2, 0.9, 2.1, NAN, 99, 4, 4.1])
    assert SPAN.broken(found).tolist() == [False, False, True, True, False, False, False, True]
    assert str(SPAN) == "range of tier given decile"


def test_a_category_follows_from_another() -> None:
    rule = DeterminedRule("region", "state", (0, 0, 1))
    found = {"region": np.array([0, 0, 1, 1]), "state": np.array([0, 1, 2, 0])}
    assert rule.broken(found).tolist() == [False, False, False, True]
    assert str(rule) == "region follows from state"


def test_a_ratio_has_no_value_where_there_is_nothing_to_divide_by() -> None:
    rule = RatioRule("rate", "covered", "total")
    np.testing.assert_array_equal(
        rule.value(values(covered=[1, 0, NAN, 3], total=[4, 0, 2, NAN])), [0.25, NAN, NAN, NAN]
    )
    assert str(rule) == "rate == covered / total"


ALL = Rules(
    (AB_C,),
    (SPAN,),
    (DeterminedRule("region", "state", (0, 1)),),
    (RatioRule("rate", "a", "c"),),
    {"a": 1.0, "b": 2.0, "c": 4.0},
)


def test_all_rules_together() -> None:
    assert str(ALL) == "a + b <= c; region follows from state; rate == a / c; range of tier given decile"
    assert ALL.derived == {"region", "rate"}
    found: dict[str, Any] = values(a=[1, 1, 9, 1], b=[1, 1, 1, 1], c=[5] * 4, decile=[1, 1, 1, 3], tier=[1, 9, 1, 1])
    found |= {"state": np.array([0, 1, 0, 1]), "region": np.array([0, 1, 0, 0])}
    assert ALL.broken(found).tolist() == [False, True, True, True]
    assert Rules().broken(found).tolist() == [False] * 4


@pytest.mark.parametrize(
    ("name", "drawn", "low", "high"),
    [
        ("c", {}, -INF, INF),
        ("c", {"a": 3.0}, 5.0, INF),  # room for the least that b can be
        ("c", {"a": 3.0, "b": 4.0}, 7.0, INF),
        ("a", {}, -INF, INF),
        ("a", {"b": 3.0}, -INF, INF),
        ("a", {"c": 9.0}, -INF, 7.0),
        ("a", {"c": 9.0, "b": 5.0}, -INF, 4.0),
        ("b", {"c": 9.0}, -INF, 8.0),
        ("d", {"c": 9.0}, -INF, INF),
        ("tier", {"decile": 2.0}, 1.5, 2.5),
        ("tier", {}, -INF, INF),
        ("decile", {"tier": 2.0}, -INF, INF),
    ],
)
def test_the_room_that_rules_leave(name: str, drawn: Mapping[str, float], low: float, high: float) -> None:
    found = ALL.bounds(name, {key: np.full(2, value) for key, value in drawn.items()}, 2)
    assert [f.tolist() for f in found] == [[low, low], [high, high]]


@pytest.mark.parametrize(
    ("name", "drawn", "low", "high"),
    [
        ("c", {"a": 3.0}, 5.0, INF),
        ("c", {"a": 3.0, "b": 4.0}, 7.0, 7.0),
        ("a", {"c": 9.0}, -INF, 7.0),
        ("a", {"c": 9.0, "b": 5.0}, 4.0, 4.0),
    ],
)
def test_an_equality_leaves_the_last_member_no_choice(
    name: str, drawn: Mapping[str, float], low: float, high: float
) -> None:
    made = Rules((EXACT,), minimum={"a": 1.0, "b": 2.0})
    found = made.bounds(name, {key: np.full(1, value) for key, value in drawn.items()}, 1)
    assert [float(f[0]) for f in found] == [low, high]


def test_the_narrowest_of_several_bounds_holds() -> None:
    made = Rules((SumRule(("a",), "c"), SumRule(("a",), "d")), (RangeRule("a", "e", (1.0,), (2.0,), (8.0,)),))
    drawn = values(c=[5, NAN, 20], d=[9, 9, 30], e=[1, 1, 1])
    low, high = made.bounds("a", drawn, 3)
    assert low.tolist() == [2, 2, 2]
    assert high.tolist() == [5, 8, 8]
    above = Rules((SumRule(("a",), "c"), SumRule(("b",), "c"))).bounds("c", values(a=[1, 7], b=[3, NAN]), 2)
    assert above[0].tolist() == [3, 7]


def test_declared_rules_must_be_kept_by_every_row() -> None:
    assert declared(["a <= c", "a + b == c"], NUMBERS) == (SumRule(("a",), "c"), EXACT)
    with pytest.raises(ValidationError, match=r"'c <= a' is broken by 2 training rows; correct them or drop"):
        declared(["a <= c", "c <= a"], NUMBERS)


def world(n: int = 600, seed: int = 2) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    a, b = rng.integers(1, 60, (2, n))
    rest = rng.integers(0, 40, n)
    state = rng.integers(0, 6, n)
    decile = rng.integers(1, 5, n)
    return pl.DataFrame(
        {
            "b_part": b,
            "a_part": a,
            "total": a + b + rest,
            "sum": a + b,
            "tiny": rng.integers(0, 2, n),
            "huge": 1e6 + rng.integers(0, 50, n),
            "rate": np.round(a / (a + b + rest), 3),
            "state": [f"S{s}" for s in state],
            "region": [f"R{s // 3}" for s in state],
            "word": rng.choice(["x", "y"], n),
            "decile": decile,
            "tier": decile * 10 + rng.integers(-5, 16, n),
        }
    )


def test_rules_are_learned_where_chance_would_break_them() -> None:
    found = learn(read(world()))
    sums = {str(rule) for rule in found.sums}
    assert "a_part + b_part == sum" in sums
    assert "a_part + b_part <= total" in sums
    assert {"a_part <= total", "b_part <= total", "sum <= total", "a_part <= sum"} <= sums
    # A million is always more than sixty, whatever belongs together: no rule.
    assert not any("huge" in text or "tiny" in text for text in sums)
    assert found.ratios == (RatioRule("rate", "a_part", "total"),)
    assert found.determined == (DeterminedRule("region", "state", (0, 0, 0, 1, 1, 1)),)
    (span,) = [rule for rule in found.ranges if rule.given == "decile" and rule.column == "tier"]
    tier, decile = (world()[name].to_numpy() for name in ("tier", "decile"))
    assert span.levels == (1.0, 2.0, 3.0, 4.0)
    assert span.low == tuple(float(tier[decile == d].min()) for d in range(1, 5))
    assert span.high == tuple(float(tier[decile == d].max()) for d in range(1, 5))
    assert found.minimum["a_part"] == 1.0
    assert found.minimum["huge"] == world()["huge"].min()
    assert not any("rate" in (*rule.parts, rule.total) for rule in found.sums)
    stated = (SumRule(("b_part", "a_part"), "total", equal=False), SumRule(("tiny",), "huge"))
    added = {str(rule) for rule in learn(read(world()), stated).sums}
    assert added == (sums - {"a_part + b_part <= total"}) | {"b_part + a_part <= total", "tiny <= huge"}


def test_one_row_that_breaks_a_rule_unlearns_it() -> None:
    frame = world()
    broken = frame.with_columns(
        total=pl.when(pl.arange(0, pl.len()) == 17).then(0).otherwise("total"),
        sum=pl.when(pl.arange(0, pl.len()) == 18).then(pl.col("sum") + 1).otherwise("sum"),
        region=pl.when(pl.arange(0, pl.len()) == 19).then(pl.lit("R9")).otherwise("region"),
        rate=pl.when(pl.arange(0, pl.len()) == 599).then(pl.col("rate") + 0.01).otherwise("rate"),
    )
    found = learn(read(broken))
    assert not any("total" in (*rule.parts, rule.total) for rule in found.sums)
    assert "a_part + b_part <= sum" in {str(rule) for rule in found.sums}
    assert found.determined == ()
    assert found.ratios == ()


def test_gaps_break_no_rule_and_whole_numbers_are_no_ratio() -> None:
    frame = world().with_columns(
        a_part=pl.when(pl.arange(0, pl.len()) % 7 == 0).then(None).otherwise("a_part"),
        rate=(10 * pl.col("b_part") / pl.col("b_part")).cast(int),
    )
    found = learn(read(frame))
    assert "a_part + b_part == sum" in {str(rule) for rule in found.sums}
    assert found.ratios == ()


@pytest.mark.parametrize(("shared", "known"), [(31, True), (30, False)])
def test_a_ratio_has_more_than_thirty_values(shared: int, known: bool) -> None:
    above = np.tile(np.arange(1, shared + 1), 20)
    below = np.full(len(above), 32.0)
    below[0] = 64.0  # so that the ratio is one of two columns that vary
    frame = pl.DataFrame({"above": above * below / 32, "below": below, "rate": above / 32})
    assert bool(learn(read(frame)).ratios) is known


@pytest.mark.parametrize(("rows", "known"), [(20, True), (19, False)])
def test_a_level_of_twenty_rows_has_a_range(rows: int, known: bool) -> None:
    rng = np.random.default_rng(1)
    given = np.r_[np.zeros(400), np.ones(rows)]
    column = np.r_[rng.normal(size=400), 5 + 0.1 * rng.random(rows)]
    spans = [r for r in learn(read(pl.DataFrame({"given": given, "column": column}))).ranges if r.given == "given"]
    assert any(1.0 in r.levels for r in spans) is known
    # The many lie everywhere but for the few: no range of theirs is more than chance.
    share = 400 / (400 + rows)
    assert any(0.0 in r.levels for r in spans) is bool(400 * np.log(share) < np.log(1e-6))


@pytest.mark.parametrize(("levels", "known"), [(30, True), (31, False)])
def test_ranges_follow_columns_of_at_most_thirty_values(levels: int, known: bool) -> None:
    given = np.repeat(np.arange(levels), 20)
    frame = pl.DataFrame({"given": given, "column": given + np.random.default_rng(0).random(len(given))})
    assert any(r.given == "given" for r in learn(read(frame)).ranges) is known


def test_a_single_value_and_gaps_are_no_levels() -> None:
    column = np.r_[5 + 0.1 * np.random.default_rng(0).random(40), np.random.default_rng(1).normal(size=300)]
    given = np.r_[np.ones(40), np.full(300, NAN)]
    assert learn(read(pl.DataFrame({"given": given, "column": column}))).ranges == ()


@pytest.mark.parametrize(("rows_a_level", "known"), [(10, True), (9, False)])
def test_a_category_follows_from_levels_of_ten_rows_on_average(rows_a_level: int, known: bool) -> None:
    state = np.repeat(np.arange(4), rows_a_level)
    frame = pl.DataFrame({"state": [f"S{s}" for s in state], "region": [f"R{s % 2}" for s in state]})
    assert bool(learn(read(frame)).determined) is known


def test_of_two_names_for_one_thing_one_follows_from_the_other_and_a_constant_from_none() -> None:
    state = np.repeat(np.arange(3), 20)
    frame = pl.DataFrame({"code": [f"c{s}" for s in state], "name": [f"n{s}" for s in state], "same": ["s"] * 60})
    found = learn(read(frame)).determined
    assert found == (DeterminedRule("code", "name", (0, 1, 2)),)


def test_the_chance_that_would_break_a_rule() -> None:
    rng = np.random.default_rng(0)
    low, high = np.zeros(1_000), np.ones(1_000)
    assert not rules._informative([low], high, rng)
    for broken, informative in ((5, False), (6, True)):
        part = np.r_[np.full(broken, 2.0), np.zeros(1_000 - broken)]
        assert rules._informative([part], high, rng) is informative
    half = np.full(1_000, 0.5)
    assert not rules._informative([half, half], high, rng)
    assert rules._informative([half + 0.001, half], high, rng)
    gaps = np.r_[np.full(500, NAN), np.full(500, 2.0)]
    assert rules._informative([gaps], high, rng)


def test_ratios_agree_up_to_their_rounding() -> None:
    one = np.array([0.123, NAN])
    assert rules._same(one, np.array([0.1235, NAN]), 0.0005)
    assert not rules._same(one, np.array([0.1236, NAN]), 0.0005)
    assert not rules._same(one, np.array([0.123, 0.1]), 0.0005)
    assert rules._same(np.array([1.0]), np.array([1.0 + 5e-10]), 0.0)
    assert not rules._same(np.array([1.0]), np.array([1.0 + 1e-8]), 0.0)
    assert rules._same(np.array([0.8e-12]), np.array([0.0]), 0.0)
    assert not rules._same(np.array([1.5e-12]), np.array([0.0]), 0.0)
