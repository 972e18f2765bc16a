"""What twins give away: hashes, copies that are moved off, and the report against a search by hand."""

from typing import Any

import numpy as np
import pytest

from novamind.errors import InsufficientDataError
from novamind.populations.generation import privacy
from novamind.populations.generation.rules import Rules, SumRule
from novamind.populations.generation.sequential_trees import SequentialTrees, Step
from novamind.populations.table import Column, Table
from tests.golden import check_golden
from tests.populations import by_hand

NUMBERS = (Column("a", "number", decimals=0), Column("b", "number", decimals=0))


def rows(**columns: Any) -> dict[str, np.ndarray]:
    return {name: np.asarray(column, dtype=float) for name, column in columns.items()}


def test_the_constants_of_the_method() -> None:
    assert (privacy._ROUNDS, privacy._SAMPLE) == (8, 4_000)
    assert int(privacy._MIX) == 0x9E3779B97F4A7C15  # 2^64 over the golden ratio
    assert int(privacy._MIX) / 2**64 == pytest.approx((5**0.5 - 1) / 2, rel=1e-15)


def test_rows_have_the_same_hash_if_and_only_if_they_are_equal() -> None:
    rng = np.random.default_rng(0)
    found = rows(a=rng.integers(0, 60, 5_000), b=rng.integers(0, 60, 5_000))
    marks = privacy.hashes(found, NUMBERS)
    assert marks.dtype == np.uint64
    pairs = np.stack([found["a"], found["b"]])
    assert len(np.unique(marks)) == np.unique(pairs, axis=1).shape[1]
    assert len({*zip(marks.tolist(), *pairs.tolist(), strict=True)}) == len(np.unique(marks))
    one, other = (privacy.hashes(rows(a=[z], b=[1]), NUMBERS) for z in (0.0, -0.0))
    assert one == other
    assert privacy.hashes(rows(a=[1], b=[2]), NUMBERS) != privacy.hashes(rows(a=[2], b=[1]), NUMBERS)
    known = by_hand.table()
    check_golden(__file__, "row_hashes", [str(mark) for mark in privacy.hashes(known.values, known.columns)])


def test_only_rows_that_occur_once_are_known() -> None:
    table = Table(NUMBERS, rows(a=[1, 1, 2, 3], b=[5, 5, 5, 5]), "polars")
    known = privacy.row_hashes(table)
    assert known.tolist() == sorted(privacy.hashes(table.values, NUMBERS)[2:].tolist())
    asked = privacy.hashes(rows(a=[1, 2, 3, 4], b=[5] * 4), NUMBERS)
    assert privacy._members(asked, known).tolist() == [False, True, True, False]
    assert privacy._members(asked, known[:0]).tolist() == [False] * 4


def trees(rules: Rules | None = None, scale: int | None = None, kinds: str = "nn") -> SequentialTrees:
    supports = (np.arange(0.0, 20.0), np.repeat([1.0, 2.0], 10))
    steps = [
        Step(c.name, "number" if k == "n" else "category", 0, (), (), scale if c.name == "a" else None, s, (), None)
        for c, s, k in zip(NUMBERS, supports, kinds, strict=True)
    ]
    return SequentialTrees(steps, rules or Rules(), NUMBERS)


def nudged(
    values: dict[str, np.ndarray],
    known: dict[str, np.ndarray],
    trees: SequentialTrees,
    conditions: Any = None,
    seed: int = 0,
) -> np.ndarray:
    marks = np.sort(privacy.hashes(known, NUMBERS))
    return privacy.nudge_copies(values, NUMBERS, marks, trees, conditions, np.random.default_rng(seed))


def test_a_copy_moves_to_a_neighbouring_value_of_the_finest_column() -> None:
    values = rows(a=[5, 6, 7, 19, 0], b=[1, 1, 2, 1, 1])
    changed = nudged(values, rows(a=[5, 19, 0], b=[1, 1, 1]), trees())
    assert changed.tolist() == [0, 3, 4]
    assert values["b"].tolist() == [1, 1, 2, 1, 1]
    assert values["a"][[1, 2]].tolist() == [6, 7]
    assert abs(values["a"][0] - 5) == 1
    assert abs(values["a"][3] - 19) in (1, 2)
    assert abs(values["a"][4]) in (1, 2)
    steps = {int(nudged_value(seed)) for seed in range(12)}
    assert steps == {4, 6}


def nudged_value(seed: int) -> float:
    values = rows(a=[5.0], b=[1.0])
    nudged(values, rows(a=[5], b=[1]), trees(), seed=seed)
    return float(values["a"][0])


def test_a_copy_keeps_rules_and_filters_on_the_way() -> None:
    for seed in range(6):
        values = rows(a=[5], b=[5])
        nudged(values, rows(a=[5], b=[5]), trees(Rules((SumRule(("a",), "b"),))), seed=seed)
        assert values["a"][0] < 5
        values = rows(a=[5], b=[5])
        nudged(values, rows(a=[5], b=[5]), trees(), {"a": (5.0, 9.0)}, seed=seed)
        assert 5 < values["a"][0] <= 9
        # Neighbours that are people too are passed by.
        values = rows(a=[5], b=[5])
        nudged(values, rows(a=[3, 4, 5, 6, 7], b=[5] * 5), trees(), seed=seed)
        assert values["a"][0] in (2, 8)


def test_where_it_cannot_move_another_twin_stands_in() -> None:
    for made in (trees(scale=0), trees(Rules((SumRule(("b",), "a"), SumRule(("a",), "b"))))):
        values = rows(a=[5, 9, 9], b=[5, 9, 9])
        changed = nudged(values, rows(a=[5], b=[5]), made)
        assert changed.tolist() == [0]
        assert (values["a"].tolist(), values["b"].tolist()) == ([9, 9, 9], [9, 9, 9])
    lonely = rows(a=[5.0], b=[5.0])
    assert nudged(lonely, rows(a=[5], b=[5]), trees(scale=0)).tolist() == [0]
    assert lonely["a"].tolist() == [5]
    free = rows(a=[1.0], b=[1.0])
    assert nudged(free, rows(a=[5], b=[5]), trees()).size == 0
    words = rows(a=[5, 6], b=[1, 1])
    assert nudged(words, rows(a=[5], b=[1]), trees(kinds="cc")).tolist() == [0]
    assert words["a"].tolist() == [5, 6]


def test_a_gap_stays_one() -> None:
    values = rows(a=[np.nan, 3], b=[1, 1])
    assert nudged(values, rows(a=[np.nan], b=[1]), trees()).tolist() == [0]
    assert values["a"].tolist() == [3, 3]


def world(n: int, seed: int, levels: tuple[str, ...] = ("x", "y")) -> Table:
    rng = np.random.default_rng(seed)
    gaps = np.where(rng.random(n) < 0.2, np.nan, rng.normal(size=n).round(2))
    values = {"n": rng.normal(size=n), "g": gaps, "w": rng.integers(0, 2, n).astype(np.int32)}
    columns = (Column("n", "number"), Column("g", "number"), Column("w", "category", levels))
    return Table(columns, values, "polars")


def by_search(twins: Table, training: Table, holdout: Table) -> tuple[float, float]:
    """Nearer-to-training share and AUC, every pair looked at."""
    order = {name: np.sort(np.nan_to_num(training.values[name], nan=-1.0)) for name in ("n", "g")}

    def points(table: Table) -> np.ndarray:
        ranks = [np.searchsorted(known, np.nan_to_num(table.values[m], nan=-1.0)) / 250 for m, known in order.items()]
        word = np.array([{"x": 0.0, "y": 1.0}[table["w"].levels[code]] for code in table.values["w"]])
        return np.stack([*ranks, word], axis=1)  # one step for another level

    t, r, h = points(twins), points(training), points(holdout)

    def nearest(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return np.sqrt(((a[:, None] - b[None]) ** 2).sum(axis=2)).min(axis=1)

    d_train, d_hold = nearest(t, r), nearest(t, h)
    member, stranger = nearest(r, t), nearest(h, t)
    closer = np.mean((d_train < d_hold) + 0.5 * (d_train == d_hold))
    auc = np.mean((member[:, None] < stranger) + 0.5 * (member[:, None] == stranger))
    return float(closer), float(auc)


def test_the_report_is_that_of_a_search_over_all_pairs() -> None:
    training, holdout = world(250, 1), world(250, 2, ("y", "x"))
    twins = training.take(np.r_[np.arange(120), np.arange(60)])
    mixed = Table(
        training.columns,
        {k: np.concatenate([v, world(120, 3).values[k]]) for k, v in twins.values.items()},
        "polars",
    )
    found = privacy.report(mixed, training, holdout)
    closer, auc = by_search(mixed, training, holdout)
    assert found.exact_copies == pytest.approx(180 / 300)
    assert found.share_closer_to_train == pytest.approx(closer)
    assert found.membership_auc == pytest.approx(auc, abs=1e-6)
    assert found.rows == 250
    assert closer > 0.7
    assert auc > 0.6


def test_real_rows_that_nobody_trained_on_give_nothing_away() -> None:
    found = privacy.report(world(400, 4), world(300, 5), world(350, 6))
    assert (found.exact_copies, found.rows) == (0.0, 300)
    assert found.share_closer_to_train == pytest.approx(0.5, abs=0.09)
    assert found.membership_auc == pytest.approx(0.5, abs=0.09)
    check_golden(__file__, "privacy_report", privacy.report(world(400, 4), world(300, 5), world(350, 6), seed=3))


@pytest.mark.parametrize("sizes", [(199, 200, 200), (200, 199, 200), (200, 200, 199), (200, 200, 200)])
def test_two_hundred_rows_each_are_needed(sizes: tuple[int, int, int]) -> None:
    tables = [world(n, i) for i, n in enumerate(sizes)]
    if min(sizes) < 200:
        with pytest.raises(InsufficientDataError, match="at least 200 twins"):
            privacy.report(*tables)
    else:
        assert privacy.report(*tables).rows == 200


def test_levels_mean_the_same_in_every_table() -> None:
    one, two, three = world(5, 1, ("x", "y")), world(5, 2, ("y", "z")), world(5, 3, ("x", "z"))
    aligned = privacy._aligned((one, two, three))
    for before, after in zip((one, two, three), aligned, strict=True):
        assert after["w"].levels == ("x", "y", "z")
        shown = [after["w"].levels[code] for code in after.values["w"]]
        assert shown == [before["w"].levels[code] for code in before.values["w"]]
        assert after.values["w"].dtype == np.int32
        np.testing.assert_array_equal(after.values["n"], before.values["n"])
    assert one["w"].levels == ("x", "y")
