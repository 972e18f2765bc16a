"""Trees of donors, piece by piece: where a row falls, who donates, and what limits leave of it."""

from typing import Any

import numpy as np
import pytest
from sklearn.tree import DecisionTreeRegressor

from novamind.errors import ModelInferenceError
from novamind.populations.generation import sequential_trees as trees
from novamind.populations.generation.rules import DeterminedRule, RangeRule, RatioRule, Rules, SumRule
from novamind.populations.generation.sequential_trees import SequentialTrees, Step, Tree
from novamind.populations.table import Column, Table
from tests.golden import check_golden
from tests.populations import by_hand

NAN, INF = by_hand.NAN, float("inf")


def step(support: Any, **options: Any) -> Step:
    """A step of this support without trees."""
    usual = {"name": "x", "kind": "number", "decimals": None, "predictors": (), "rooms": (), "scale": None}
    return Step(**usual | {"support": np.asarray(support, dtype=float), "trees": (), "pattern": None} | options)


def test_the_constants_of_the_method() -> None:
    assert (trees.TREES, trees.LEAF, trees.COMMON, trees.NOISE_LEAF, trees.AXES) == (4, 10, 10, 200, 2)
    assert (trees.LEAF_PRICE, trees.FEATURE_SHARE) == (2.0, 0.9)
    assert (trees._MAX_CANDIDATES, trees._ATTEMPTS) == (20, 20)
    assert (trees.HINT, trees._MISSING) == ("\0predicted", "\0missing ")


def test_a_value_of_ten_rows_is_common_and_a_number_of_single_values_continuous() -> None:
    assert step([1] * 9 + [2] * 10).common.tolist() == [False] * 9 + [True] * 10
    assert step([1, 2, 3]).continuous
    assert step([1, 2, 3], decimals=1).continuous
    assert not step([1, 2, 3], decimals=0).continuous
    assert step([0.1, 0.2, 0.3], decimals=0, scale=0).continuous  # a share of a whole number
    assert not step([1, 2, 3], kind="category").continuous
    assert not step([1, 1, 2, 2]).continuous  # two of four
    assert step([1, 1, 2, 3]).continuous


def tree_by_hand() -> Tree:
    """First number at most 2, gaps right; on the left the second's level, gaps left."""
    nodes = (
        np.array([1, 3, -1, -1, -1]),
        np.array([2, 4, -1, -1, -1]),
        np.array([0, 1, 0, 0, 0]),
        np.array([2.0, 0.5, 0, 0, 0], dtype=np.float32),
        np.array([False, True, False, False, False]),
    )
    return Tree(nodes, (None, np.array([[0.0, 1.0, NAN]], dtype=np.float32)), np.array([-1, -1, 0, 1, 2]), np.zeros(0))


def test_rows_go_down_the_tree() -> None:
    leaves = tree_by_hand().leaves([np.array([2.0, 2.001, 1.0, NAN, 0.0]), np.array([0, 0, 1, 0, 2])])
    assert leaves.tolist() == [1, 0, 2, 0, 1]
    assert tree_by_hand().leaves([np.array([3.0]), np.array([0])]).tolist() == [0]
    assert tree_by_hand().leaves([np.zeros(0), np.zeros(0, dtype=int)]).tolist() == []


def test_a_grown_tree_sends_its_own_rows_to_the_leaf_that_holds_them_as_donors() -> None:
    rng = np.random.default_rng(0)
    x, word = rng.normal(size=300), rng.integers(0, 4, 300)
    x[:30] = NAN
    y = np.where(np.isnan(x), -2.0, x) + (word == 2) + 0.1 * rng.normal(size=300)
    order = np.argsort(y)
    rank = np.empty(300, dtype=np.int64)
    rank[order] = np.arange(300)
    made = trees._grow([x, word], [True, False], y, rank, "number", 10, rng)
    leaf = made.leaves([x, word])
    np.testing.assert_array_equal(made.keys, np.sort(leaf * 300 + rank))
    assert made.encoders[0] is None
    assert made.encoders[1] is not None
    size = np.bincount(leaf)
    assert size.min() >= 10
    assert 4 < len(size) < 31
    # What its leaves explain: nearly all.
    means = np.bincount(leaf, y) / size
    assert np.corrcoef(means[leaf], y)[0, 1] > 0.95
    classes = trees._grow([x], [True], (x > 0).astype(float), rank, "category", 10, np.random.default_rng(1))
    assert len(np.unique(classes.leaves([x]))) >= 2


def test_a_branch_that_explains_no_more_than_noise_is_cut_off() -> None:
    rng = np.random.default_rng(1)
    x = rng.normal(size=(600, 1))
    step_of_one = (x[:, 0] > 0) + 0.1 * rng.normal(size=600)
    grown = DecisionTreeRegressor(min_samples_leaf=10, random_state=0).fit(x, step_of_one).tree_
    owner = trees._pruned(grown)
    kept = np.unique(owner)
    assert len(kept) == weakest_link(grown) < grown.node_count
    assert {0, int(grown.children_left[0]), int(grown.children_right[0])} <= {*kept.tolist()}
    for node in range(grown.node_count):
        for child in (grown.children_left[node], grown.children_right[node]):
            if child >= 0 and owner[child] != child:  # cut with its sister, into the same node
                assert owner[grown.children_left[node]] == owner[grown.children_right[node]] == owner[node]
    noise = DecisionTreeRegressor(min_samples_leaf=60, random_state=0).fit(x, rng.normal(size=600)).tree_
    assert len(np.unique(trees._pruned(noise))) == weakest_link(noise)


def weakest_link(tree: Any) -> int:
    """Nodes of the cheapest subtree at two residual variances a leaf, every subtree tried."""
    loss = tree.impurity * tree.weighted_n_node_samples
    leaf = tree.children_left < 0
    price = 2.0 * loss[leaf].sum() / (tree.weighted_n_node_samples[0] - leaf.sum())

    def best(node: int) -> tuple[float, int]:
        alone = (loss[node] + price, 1)
        if leaf[node]:
            return alone
        (a, m), (b, n) = best(tree.children_left[node]), best(tree.children_right[node])
        return min(alone, (a + b, 1 + m + n))

    return best(0)[1]


def test_a_tree_explains_mid_ranks() -> None:
    assert trees._scores(np.array([5.0, 1.0, 5.0, 9.0]), "number").tolist() == [0.375, 0.0, 0.375, 0.75]
    y = np.array([2.0, 0.0])
    assert trees._scores(y, "category") is y


def test_levels_are_placed_by_correspondence_analysis() -> None:
    rng = np.random.default_rng(2)
    codes, scores = rng.integers(0, 5, 400), rng.integers(0, 3, 400).astype(float)
    found = trees._level_scores(codes, scores)
    counts = np.array([[np.sum((codes == c) & (scores == s)) for s in range(3)] for c in range(5)], dtype=float)
    weight = counts.sum(axis=1) + 1
    profile = (counts + counts.sum(axis=0) / counts.sum()) / weight[:, None]
    deviation = profile - profile.mean(axis=0)
    value, vector = np.linalg.eigh(deviation.T @ (weight[:, None] * deviation))
    expected = (deviation @ vector[:, ::-1][:, :2]).T
    np.testing.assert_allclose(np.abs(found), np.abs(expected), atol=1e-6)
    assert found.shape == (2, 5)
    assert value[-1] > value[-2]
    assert trees._level_scores(rng.integers(0, 2, 400), scores).shape == (1, 2)
    assert trees._level_scores(np.zeros(9, dtype=int), np.arange(9.0)).shape == (1, 1)
    # A number of many values counts by twentieths.
    many = rng.normal(size=400)
    twenty = np.argsort(np.argsort(many)) // 20
    np.testing.assert_allclose(
        np.abs(trees._level_scores(codes, many)), np.abs(trees._level_scores(codes, twenty.astype(float))), atol=1e-6
    )


def test_what_a_tree_looks_at() -> None:
    encoder = np.array([[0.5, 1.5], [2.5, 3.5]], dtype=np.float32)
    found = trees._matrix([np.array([7.0, NAN]), np.array([1, 0])], [None, encoder])
    np.testing.assert_array_equal(found, np.array([[7, NAN], [1.5, 0.5], [3.5, 2.5]], dtype=np.float32))


def test_shares_of_nothing() -> None:
    values, whole = np.array([1.0, 0.0, INF, -INF, 3.0, 5.0]), np.array([4.0, 0.0, 0.0, 0.0, NAN, 0.0])
    np.testing.assert_array_equal(trees._share(values, whole), [0.25, 1.0, INF, -INF, NAN, 1.0])
    np.testing.assert_array_equal(trees._share(np.array([INF]), np.array([2.0])), [INF])


@pytest.mark.parametrize(
    ("grid", "values", "nearest"),
    [
        ([1, 2, 4], [0, 1, 1.5, 1.51, 3, 3.01, 9], [1, 1, 1, 2, 2, 4, 4]),
        ([3], [1, 5], [3, 3]),
        ([1, 2], [0, 1.4, 7], [1, 1, 2]),
    ],
)
def test_the_nearest_value_of_a_grid(grid: list[float], values: list[float], nearest: list[float]) -> None:
    assert trees._nearest(np.array(grid, dtype=float), np.array(values, dtype=float)).tolist() == nearest


def test_a_value_stays_within_its_limits_and_decimals() -> None:
    value, low, high = np.array([1.0, 5.0, 3.0, 2.0]), np.array([2.0, 0, 0, 3.0]), np.array([9.0, 4.0, 9.0, 1.0])
    assert trees._within(value, low, high, None).tolist() == [2, 4, 3, 3]
    assert trees._within(np.array([3.0, 2.0]), np.zeros(2), np.array([2.5, 2.0]), None).tolist() == [2.5, 2]
    # Rounded up beyond the limit: one unit back, where low and high leave nothing else.
    assert trees._within(np.array([2.0]), np.array([3.0]), np.array([2.6]), 0).tolist() == [2.0]
    assert trees._within(np.array([2.0]), np.array([2.3]), np.array([2.2]), 1).tolist() == pytest.approx([2.2])


def test_uniform_numbers_are_spread_evenly_within_each_leaf() -> None:
    leaf = np.repeat([3, 0, 7], [40, 25, 1])
    rng = np.random.default_rng(0)
    found = trees._stratified(leaf, rng)
    for which, size in ((3, 40), (0, 25), (7, 1)):
        assert sorted((found[leaf == which] * size).astype(int).tolist()) == list(range(size))
    first = found[leaf == 3]
    assert not np.array_equal(first, np.sort(first))
    offsets = found[leaf == 3] * 40 % 1
    assert 0.05 < offsets.std() < 0.5


def test_donors_of_a_leaf() -> None:
    keys = np.array([0, 2, 5, 10, 11, 29])  # leaf 0: ranks 0, 2, 5; leaf 1: 0, 1; leaf 2: 9
    first, last = trees._leaf_donors(keys, np.array([1, 0, 2]), 10)
    assert (first.tolist(), last.tolist()) == ([3, 0, 5], [5, 3, 6])


def donate(
    made: Step,
    n: int = 2_000,
    keys: Any = None,
    low: float = -INF,
    high: float = INF,
    whole: float | None = None,
    ok: Any = None,
    leaf: Any = None,
) -> tuple[np.ndarray, np.ndarray]:
    keys = np.arange(len(made.support)) if keys is None else np.asarray(keys)
    leaf = np.zeros(n, dtype=np.int64) if leaf is None else leaf
    limits = np.full(len(leaf), low), np.full(len(leaf), high)
    room = None if whole is None else np.full(len(leaf), whole)
    return trees._donate(made, leaf, keys, *limits, room, ok, np.random.default_rng(0))


def test_a_continuous_value_lies_between_neighbours_in_the_rank_of_the_column() -> None:
    support = np.arange(20.0) ** 2
    drawn, share = donate(step(support))
    assert (share == 1).all()
    assert 0 <= drawn.min() < 0.3
    assert 355 < drawn.max() <= 361
    assert len(np.unique(drawn)) > 1_890  # all but half of the first and of the last cell
    # As many to every donor's cell.
    rank = np.interp(drawn, support, np.arange(20))
    assert np.abs(np.bincount(np.rint(rank).astype(int)) - 100).max() <= 50
    # A leaf of two donors: half of its twins near each, none beyond half the way to the other.
    drawn, _ = donate(step(support), keys=[4, 15])
    rank = np.interp(drawn, support, np.arange(20))
    assert np.mean(np.abs(rank - 4) < 5.51) == pytest.approx(0.5, abs=0.001)
    assert rank.min() == 4
    assert rank.max() == 15
    assert np.mean((rank > 4) & (rank < 9.5)) == pytest.approx(0.25, abs=0.01)
    alone, _ = donate(step(support), n=50, keys=[7])
    assert set(alone) == {49.0}


def test_a_whole_number_is_one_that_was_seen() -> None:
    drawn, _ = donate(step([1, 1, 4, 4, 9, 9], decimals=0))
    assert set(drawn) == {1.0, 4.0, 9.0}
    assert np.mean(drawn == 4) == pytest.approx(1 / 3, abs=0.02)
    drawn, _ = donate(step(np.linspace(0, 1, 30), decimals=1))
    assert set(np.round(drawn * 10, 6)) <= set(range(11))
    category, _ = donate(step([0, 0, 0, 1, 2, 2], kind="category"))
    assert [np.mean(category == c).round(2) for c in range(3)] == [0.5, 0.17, 0.33]


def test_limits_cut_the_donors_and_say_how_many_are_left() -> None:
    made = step(np.arange(1.0, 11.0), decimals=0)
    drawn, share = donate(made, low=3, high=5)
    assert set(drawn) == {3.0, 4.0, 5.0}
    assert (share == 1).all()  # limits of rules are no filter
    drawn, share = donate(made, ok=(3.0, 5.0))
    assert set(drawn) == {3.0, 4.0, 5.0}
    np.testing.assert_allclose(share, 0.3)
    drawn, share = donate(made, ok=np.array([2.0, 7.0]))
    assert set(drawn) == {2.0, 7.0}
    np.testing.assert_allclose(share, 0.2)
    drawn, share = donate(made, low=6, ok=(3.0, 7.0))
    assert set(drawn) == {6.0, 7.0}
    np.testing.assert_allclose(share, 0.2)
    nothing, share = donate(made, ok=np.array([77.0]))
    assert set(nothing) == {1.0}
    assert not share.any()
    # Between two values: the limit itself, and no donor.
    drawn, share = donate(step([1.0, 2.0, 3.0]), low=2.2, high=2.4, ok=(0.0, 9.0))
    assert ((drawn >= 2.2) & (drawn <= 2.4)).all()
    assert not share.any()
    leaf = np.repeat([0, 1], 500)
    keys = np.r_[np.arange(5), 10 + np.arange(5, 10)]  # leaf 0: 1 to 5; leaf 1: 6 to 10
    drawn, share = donate(made, keys=keys, leaf=leaf, ok=(5.0, 7.0))
    assert set(drawn[:500]) == {5.0}
    assert set(drawn[500:]) == {6.0, 7.0}
    assert (share[0], share[-1]) == (0.2, 0.4)
    drawn, share = donate(made, keys=keys, leaf=leaf, ok=np.array([2.0]))
    assert set(drawn[:500]) == {2.0}
    assert (share[0], share[-1]) == (0.2, 0.0)


def test_donated_shares_are_of_what_is_left() -> None:
    made = step(np.linspace(0.0, 1.0, 41), scale=0, decimals=0, grid=np.arange(0.0, 41.0))
    drawn, _ = donate(made, whole=40.0)
    assert set(drawn) <= set(range(41))
    assert drawn.mean() == pytest.approx(20, abs=0.5)
    drawn, _ = donate(made, whole=40.0, low=10, high=20)
    assert (drawn.min(), drawn.max()) == (10, 20)
    drawn, share = donate(made, whole=20.0, ok=(0.0, 5.0))
    assert drawn.max() == 5
    np.testing.assert_allclose(share, 11 / 41)  # shares up to a quarter
    drawn, share = donate(made, whole=40.0, ok=np.array([3.0, 5.0]))
    assert (drawn.min(), drawn.max()) == (3, 5)
    np.testing.assert_allclose(share, 3 / 41)
    empty, _ = donate(made, n=50, whole=0.0, low=0.0, high=0.0)
    assert not empty.any()


def columns(**kinds: str) -> tuple[Column, ...]:
    return tuple(
        Column(name, "category", tuple("abcdefgh")[: int(kind[1:])])
        if kind[0] == "c"
        else Column(name, "number", decimals=int(kind[1:]) if kind[1:] else None)
        for name, kind in kinds.items()
    )


def test_the_order_of_columns() -> None:
    rng = np.random.default_rng(0)
    table = Table(
        columns(many="n", big="n0", total="n0", part="n0", few="n0", word="c5", flag="c2", derived="c2", y="n"),
        {
            "many": rng.normal(size=100),
            "big": np.arange(100.0) + 50,
            "total": np.arange(100.0) + 60,
            "part": np.arange(100.0) / 10,
            "few": np.arange(100.0) % 7,
            "word": np.arange(100) % 5,
            "flag": np.arange(100) % 2,
            "derived": np.arange(100) % 2,
            "y": rng.normal(size=100),
        },
        "polars",
    )
    rules = Rules((SumRule(("big", "part"), "total"),), determined=(DeterminedRule("derived", "flag", (0, 1)),))
    # Categories by their levels, numbers of few values, then the rest; totals before parts, the small before the large.
    assert trees._order(table, rules, None) == ["flag", "word", "few", "many", "total", "part", "big", "y"]
    assert trees._order(table, rules, "few")[-1] == "few"
    assert "derived" not in trees._order(table, rules, "y")
    circle = Rules((SumRule(("big",), "total"), SumRule(("total",), "big")))
    assert sorted(trees._order(table, circle, None)) == sorted(c.name for c in table.columns)
    thirty, more = (
        Table(columns(a="n", b="n"), {"a": rng.normal(size=100), "b": np.arange(100.0) % n}, "polars") for n in (30, 31)
    )
    assert trees._order(thirty, Rules(), None) == ["b", "a"]
    assert trees._order(more, Rules(), None) == ["a", "b"]


@pytest.mark.parametrize(
    ("decimals", "values", "stands"),
    [(None, "single", True), (2, "single", True), (0, "single", False), (None, "half", False)],
)
def test_an_outcome_that_stands_alone(decimals: int | None, values: str, stands: bool) -> None:
    y = np.arange(20.0) if values == "single" else np.arange(20.0) % 10
    table = Table((Column("y", "number", decimals=decimals), Column("z", "number")), {"y": y, "z": y}, "polars")
    assert trees._stands_alone(table, Rules(), "y") is stands
    for rule in (SumRule(("y",), "z"), SumRule(("z",), "y")):
        assert not trees._stands_alone(table, Rules((rule,)), "y")
    assert trees._stands_alone(table, Rules((SumRule(("z",), "w"),)), "y") is stands


def test_columns_that_are_missing_together_share_a_pattern() -> None:
    gap = np.where(np.arange(10) < 3, NAN, 1.0)
    table = Table(
        columns(a="n", b="n", c="n", d="n", w="c2"),
        {"a": gap, "b": gap * 2, "c": gap[::-1], "d": np.ones(10), "w": np.zeros(10, dtype=int)},
        "polars",
    )
    found = trees._missing_patterns(table, ["a", "b", "c", "d", "w"])
    assert found == {"a": "\0missing a", "b": "\0missing a", "c": "\0missing c"}


SUMS = Rules((SumRule(("a", "b"), "t"), SumRule(("a",), "u"), SumRule(("c",), "u")))


def test_the_sum_rules_that_a_column_closes() -> None:
    assert trees._closing("b", ["t", "a"], SUMS) == [0]
    assert trees._closing("b", ["t"], SUMS) == []
    assert trees._closing("a", ["t", "b", "u"], SUMS) == [0, 1]
    assert trees._closing("t", ["a", "b"], SUMS) == [0]
    assert trees._closing("x", ["a", "b", "t"], SUMS) == []


def test_a_part_is_drawn_as_a_share_of_the_room_that_it_fills_most() -> None:
    values = {"a": [2.0, 3, NAN], "b": [2.0, 2, 2], "t": [10.0, 10, 9], "u": [8.0, 9, NAN]}
    values = {name: np.array(column) for name, column in values.items()}
    # Shares: 2/8 and 3/8 of what b leaves of t; 2/8 and 3/9 of u.
    assert trees._scale("a", ["t", "b", "u"], values, SUMS) == 0
    assert trees._scale("a", ["t", "b", "u"], {**values, "u": np.array([4.0, 4, 4])}, SUMS) == 1
    assert trees._scale("a", ["u"], {**values, "u": np.array([NAN, 4, 4])}, SUMS) is None
    assert trees._scale("a", ["u"], values, SUMS) == 1
    assert trees._scale("t", ["a", "b"], values, SUMS) is None
    assert trees._scale("a", [], values, SUMS) is None
    assert trees._scale("a", ["u"], {**values, "a": np.zeros(3)}, SUMS) is None


def test_a_step_is_fitted() -> None:
    rng = np.random.default_rng(3)
    x = rng.normal(size=200)
    values = {"x": x, "y": np.where(np.arange(200) < 20, NAN, x + 0.01 * rng.normal(size=200)), "w": np.zeros(200)}
    kinds = {"x": "number", "y": "number", "w": "number"}

    def fitted(column: Column, predictors: tuple[str, ...], **options: Any) -> Step:
        rules, pattern = options.pop("rules", Rules()), options.pop("pattern", None)
        return trees._fit_step(column, predictors, values, kinds, rules, pattern, rng, **options)

    plain = fitted(Column("y", "number"), ("x",), pattern="p")
    np.testing.assert_array_equal(plain.support, np.sort(values["y"][20:]))
    assert (plain.predictors, plain.rooms, plain.scale, plain.pattern) == (("x",), (), None, "p")
    assert (plain.hinted, plain.line, plain.grid, len(plain.trees)) == (False, None, None, 4)
    assert fitted(Column("w", "number"), ("x",)).trees == ()
    assert fitted(Column("w", "number"), ("x",)).predictors == ()
    assert fitted(Column("x", "number"), ()).trees == ()
    values["\0missing y"] = np.isnan(values["y"]).astype(np.int32)
    assert len(fitted(Column("\0missing y", "category"), ("x",)).trees) == 1
    line = fitted(Column("y", "number"), ("x",), hint=3 * x + 1)
    assert line.hinted
    assert line.line == pytest.approx((-1 / 3, 1 / 3), abs=0.01)
    assert line.support.mean() == pytest.approx(0, abs=1e-9)
    assert len(line.trees[0].encoders) == 2
    values |= {"part": np.floor(10 * rng.random(200)), "total": np.full(200, 20.0) + rng.integers(0, 9, 200)}
    kinds |= {"part": "number", "total": "number"}
    share = fitted(Column("part", "number", decimals=0), ("total", "x"), rules=Rules((SumRule(("part",), "total"),)))
    assert (share.scale, share.rooms) == (0, ())
    np.testing.assert_allclose(share.support, np.sort(values["part"] / values["total"]))
    np.testing.assert_array_equal(share.grid, np.arange(10.0))
    two = Rules((SumRule(("part", "x"), "total"),))
    room = fitted(Column("part", "number"), ("total", "x"), rules=two)
    assert (room.scale, room.rooms, room.grid) == (0, (0,), None)
    assert len(room.trees[0].encoders) == 3


def test_ties_are_ranked_in_random_order() -> None:
    rng = np.random.default_rng(4)
    values = {"x": np.repeat([0.0, 1.0], 100), "y": np.tile([5.0, 5.0, 5.0, 6.0], 50)}
    made = trees._fit_step(Column("y", "number"), ("x",), values, {"x": "number"}, Rules(), None, rng)
    for tree in made.trees:
        leaf = tree.leaves([values["x"]])
        for which in np.unique(leaf):
            ranks = tree.keys[tree.keys // 200 == which] % 200
            assert np.ptp(ranks[ranks < 150]) > 100


def world(n: int = 260, seed: int = 5) -> Table:
    """Every kind of column, with rules and gaps."""
    rng = np.random.default_rng(seed)
    state, word = rng.integers(0, 4, n), rng.integers(0, 3, n)
    total = np.floor(np.exp(4 + 0.5 * rng.normal(size=n) + 0.3 * (word == 1)))
    part = np.floor(total * rng.beta(2, 3, n))
    gaps = rng.random(n) < 0.25
    pay = np.where(gaps, NAN, np.round(rng.exponential(size=n) * 20, 2))
    level = rng.integers(1, 6, n).astype(float)
    y = 0.02 * level + 0.1 * (word == 2) + 0.05 * rng.normal(size=n)
    return Table(
        (
            Column("state", "category", ("s0", "s1", "s2", "s3")),
            Column("region", "category", ("north", "south")),
            Column("word", "category", ("a", "b", "c")),
            Column("total", "number", decimals=0),
            Column("part", "number", decimals=0),
            Column("rate", "number", decimals=3),
            Column("pay", "number", decimals=2),
            Column("also", "number"),
            Column("level", "number", decimals=0),
            Column("tier", "number", decimals=0),
            Column("y", "number"),
        ),
        {
            "state": state.astype(np.int32),
            "region": (state // 2).astype(np.int32),
            "word": word.astype(np.int32),
            "total": total,
            "part": part,
            "rate": np.round(part / total, 3),
            "pay": pay,
            "also": np.where(gaps, NAN, rng.normal(size=n)),
            "level": level,
            "tier": np.clip(level + rng.integers(-1, 2, n), 1, 5),
            "y": y,
        },
        "polars",
    )


RULES = Rules(
    (SumRule(("part",), "total"),),
    (RangeRule("tier", "level", (1.0, 2.0, 4.0, 5.0), (1.0, 1.0, 3.0, 4.0), (2.0, 3.0, 5.0, 5.0)),),
    (DeterminedRule("region", "state", (0, 0, 1, 1)),),
    (RatioRule("rate", "part", "total"),),
    {"part": 0.0, "total": 5.0},
)


def hint(values: Any) -> np.ndarray:
    return 0.02 * values["level"] + 0.1 * (values["word"] == 2)


@pytest.fixture(scope="module")
def fitted() -> SequentialTrees:
    table = world()
    return SequentialTrees.fit(table, RULES, last="y", hint=hint(table.values), seed=1)


def test_the_steps_of_a_whole_table(fitted: SequentialTrees) -> None:
    names = [s.name for s in fitted.steps]
    assert sorted(names) == sorted(
        ["state", "word", "total", "part", "pay", "also", "level", "tier", "y", "\0missing pay"]
    )
    assert names[-1] == "y"
    assert names.index("total") < names.index("part")
    # One pattern for both columns, drawn just before the first of them.
    assert names.index("\0missing pay") + 1 == min(names.index("pay"), names.index("also"))
    by = {s.name: s for s in fitted.steps}
    assert by["pay"].pattern == by["also"].pattern == "\0missing pay"
    assert by["part"].scale == 0
    assert by["y"].hinted
    assert [s.name for s in fitted.steps if s.hinted] == ["y"]
    assert by["y"].predictors == tuple(n for n in names[:-1] if not n.startswith("\0"))
    assert fitted.columns == world().columns


@pytest.mark.parametrize(
    "options",
    [{"last": None}, {"hint": None}, {"hint": np.ones(260)}, {"last": "part"}, {"last": "level"}],
)
def test_an_outcome_without_a_hint_of_its_own_is_drawn_in_its_place(options: dict[str, Any]) -> None:
    table = world()
    made = SequentialTrees.fit(table, RULES, **{"last": "y", "hint": hint(table.values), "seed": 1} | options)
    assert not any(s.hinted for s in made.steps)
    assert trees.HINT not in made.draw(5, np.random.default_rng(0))


def test_drawn_rows_keep_rules_gaps_and_filters(fitted: SequentialTrees) -> None:
    wanted = {"word": np.array([2], dtype=np.int32), "total": (50.0, INF), "region": np.array([1])}
    found = fitted.draw(300, np.random.default_rng(2), wanted, hint)
    assert not RULES.broken(found).any()
    assert (found["word"] == 2).all()
    assert (found["total"] >= 50).all()
    assert (found["region"] == 1).all()
    assert set(found["state"]) == {2, 3}
    np.testing.assert_array_equal(np.isnan(found["pay"]), np.isnan(found["also"]))
    assert np.isnan(found["pay"]).mean() == pytest.approx(0.25, abs=0.1)
    np.testing.assert_allclose(found["rate"], np.round(found["part"] / found["total"], 3))
    np.testing.assert_allclose(found[trees.HINT], hint(found))
    assert np.std(found["y"] - found[trees.HINT]) == pytest.approx(0.05, rel=0.3)
    assert {k: v.dtype.kind for k, v in found.items() if k in ("state", "total", "word")} == {
        "state": "i",
        "total": "f",
        "word": "i",
    }
    present = fitted.draw(100, np.random.default_rng(2), {"pay": (0.0, INF)}, hint)
    assert not np.isnan(present["pay"]).any()
    assert len(present["y"]) == 100


def test_what_cannot_be_drawn_is_said(fitted: SequentialTrees) -> None:
    for wanted in ({"total": (1e9, INF)}, {"state": np.array([0]), "region": np.array([1])}):
        with pytest.raises(ModelInferenceError, match="keep every rule and filter at once"):
            fitted.draw(10, np.random.default_rng(0), wanted, hint)


def test_more_candidates_where_a_filter_keeps_few(fitted: SequentialTrees) -> None:
    word = next(s for s in fitted.steps if s.name == "word").support
    for levels in ([0], [0, 1], [0, 1, 2]):
        share = np.isin(word, levels).mean()
        expected = max(int(np.ceil(1.5 / share)), 2)
        assert fitted._candidates({"word": np.array(levels)}) == expected
    assert fitted._candidates({"word": np.array([7])}) == 20
    assert fitted._candidates({}) == 2
    both = {"word": np.array([0]), "state": np.array([1, 2, 3])}
    state = next(s for s in fitted.steps if s.name == "state").support
    assert fitted._candidates(both) == int(np.ceil(1.5 / ((word == 0).mean() * (state > 0).mean())))


def test_a_filter_on_what_follows_is_one_on_what_it_follows_from(fitted: SequentialTrees) -> None:
    assert fitted._through_derived({"region": np.array([1])})["state"].tolist() == [2, 3]
    both = fitted._through_derived({"region": np.array([1]), "state": np.array([0, 3])})
    assert list(both) == ["state"]
    assert both["state"].tolist() == [3]


@pytest.mark.parametrize("seed", [0, 1])
def test_trees_as_they_are(fitted: SequentialTrees, seed: int) -> None:
    by_column = {
        s.name: {
            "predictors": s.predictors,
            "leaves": [len(np.unique(t.leaf_of_node)) - 1 for t in s.trees],
            "line": s.line,
            "support": [s.support.sum(), s.support[:3]],
        }
        for s in fitted.steps
    }
    drawn = fitted.draw(60, np.random.default_rng(seed), None, hint)
    some = fitted.draw(25, np.random.default_rng(seed), {"word": np.array([0, 2]), "pay": (5.0, 30.0)}, hint)
    check_golden(
        __file__,
        f"sequential_trees_{seed}",
        {"steps": by_column if seed == 0 else {}, "drawn": {k: v[:30] for k, v in drawn.items()}, "some": some},
        relative=1e-5,
    )
