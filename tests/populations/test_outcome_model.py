"""The outcome's mean and interval: encoders, conformal quantiles and the specified parameters."""

import numpy as np
import pytest

from novamind.errors import ModelInferenceError
from novamind.populations.generation import outcome_model
from novamind.populations.generation.outcome_model import BOOSTING, FOREST, OutcomeModel, cross_validate, fit
from novamind.populations.table import Column, Table
from tests.golden import check_golden


def world(n: int = 400, seed: int = 0) -> tuple[Table, np.ndarray]:
    rng = np.random.default_rng(seed)
    x, z = rng.normal(size=(2, n))
    z = np.where(rng.random(n) < 0.1, np.nan, z)
    word, kind = rng.integers(0, 3, n), rng.integers(0, 2, n)
    y = x + np.array([0.0, 1.0, -1.0])[word] + np.where(kind == 1, 1.0, 0.1) * rng.normal(size=n)
    columns = (
        Column("x", "number"),
        Column("word", "category", ("a", "b", "c", "never")),
        Column("z", "number"),
        Column("kind", "category", (False, True)),
    )
    return Table(columns, {"x": x, "word": word, "z": z, "kind": kind}, "polars"), y


def test_the_specified_parameters() -> None:
    common = {"objective": "reg:squarederror", "tree_method": "hist", "max_bin": 64, "nthread": 1}
    # 100 trees, depth 15, leaf 10 (a split of 20); bootstrapped like Breiman's: 63.2 % of the rows without repeats.
    assert dict(FOREST) == {
        **common,
        "num_parallel_tree": 100,
        "max_depth": 15,
        "min_child_weight": 10,
        "subsample": 0.632,
        "colsample_bynode": 0.8,
        "eta": 1.0,
        "lambda": 0.0,
    }
    # 100 rounds, depth 8, rate 0.1, a split of 20.
    assert dict(BOOSTING) == {
        **common,
        "eta": 0.1,
        "max_depth": 8,
        "min_child_weight": 10,
        "subsample": 0.8,
        "colsample_bynode": 0.5,
        "lambda": 1.0,
    }
    plans = outcome_model._PLANS
    assert list(plans) == ["random_forest", "gradient_boosting", "shallow_boosting"]
    assert [rounds for _, rounds in plans.values()] == [1, 100, 100]
    assert plans["random_forest"][0] is FOREST
    assert plans["gradient_boosting"][0] is BOOSTING
    assert dict(plans["shallow_boosting"][0]) == {**BOOSTING, "max_depth": 4}
    assert dict(outcome_model._SPREAD) == {
        **common,
        "eta": 0.1,
        "max_depth": 3,
        "min_child_weight": 50,
        "subsample": 0.8,
        "lambda": 5.0,
    }
    assert (outcome_model._SPREAD_ROUNDS, outcome_model.FOLDS) == (60, 5)
    assert (outcome_model.ALPHA, outcome_model.MIN_GROUP) == (0.05, 50)
    assert 1 <= outcome_model.THREADS <= 4


def test_levels_stand_at_their_mean_outcome_shrunk_by_ten_rows() -> None:
    table, _ = world(8)
    table.values["word"] = np.array([0, 0, 0, 1, 1, 2, 2, 2])
    y = np.array([1.0, 2, 3, 10, 20, 0, 0, 4])
    found = outcome_model._encode(table, y)
    mean = y.mean()
    expected = [(6 + 10 * mean) / 13, (30 + 10 * mean) / 12, (4 + 10 * mean) / 13, mean]
    np.testing.assert_allclose(found["word"], expected)
    assert set(found) == {"word", "kind"}


def test_the_matrix_holds_numbers_and_encoded_levels() -> None:
    table, y = world(20)
    encoders = {"word": np.array([1.5, 2.5, 3.5, 4.5]), "kind": np.array([7.0, 8.0])}
    made = outcome_model._matrix(table.columns, table.values, encoders, y)
    assert (made.num_row(), made.num_col()) == (20, 4)
    np.testing.assert_allclose(made.get_label(), y, rtol=1e-6)
    held = made.get_data().toarray()
    np.testing.assert_allclose(held[:, 0], table.values["x"], rtol=1e-6)
    np.testing.assert_allclose(held[:, 1], encoders["word"][table.values["word"]])
    np.testing.assert_allclose(held[:, 3], encoders["kind"][table.values["kind"]])


@pytest.mark.parametrize(
    ("n", "rank"), [(19, 19), (20, 20), (39, 38), (99, 95), (100, 96), (1_000, 951), (5, 5), (1, 1)]
)
def test_the_conformal_quantile_has_its_rank_among_one_more(n: int, rank: int) -> None:
    # The (n + 1) * 95 % smallest: then a fresh score lies below it with a chance of 95 %, or a little more.
    scores = np.random.default_rng(n).permutation(np.arange(1.0, n + 1))
    assert outcome_model._quantile(scores) == rank


def test_the_conformal_interval_covers_ninety_five_percent_and_not_ninety() -> None:
    rng = np.random.default_rng(1)
    limits = [outcome_model._quantile(rng.exponential(size=59)) for _ in range(2_000)]
    inside = [np.mean(rng.exponential(size=200) <= limit) for limit in limits]
    # The 57th of 59: exactly 57 / 60 of fresh scores.
    assert np.mean(inside) == pytest.approx(0.95, abs=0.004)


def test_small_levels_are_calibrated_with_all_others() -> None:
    score = np.r_[np.arange(1.0, 101), 500 + np.arange(1.0, 41), np.full(39, 3.0), np.full(5, 9_999.0)]
    codes = np.repeat([0, 1, 2, 3], [100, 40, 39, 5])
    pooled = outcome_model._quantile(score)
    found = outcome_model._calibrate(score, codes, 5)
    assert found.tolist() == [96.0, 539.0, pooled, 9_999.0, pooled]
    assert pooled == 537.0  # the 176th of 184


def test_the_category_whose_levels_miss_most_unequally_is_calibrated() -> None:
    table, _ = world(400)
    score = np.where(table.values["kind"] == 1, 10.0, 1.0) + np.linspace(0, 0.5, 400)
    assert outcome_model._group(table, score) == "kind"
    by_word = np.where(table.values["word"] == 2, 10.0, 1.0) + np.linspace(0, 0.5, 400)
    assert outcome_model._group(table, by_word) == "word"
    assert outcome_model._group(table.only(("x", "z")), score) is None
    one = Table((Column("same", "category", ("s",)),), {"same": np.zeros(400, dtype=int)}, "polars")
    assert outcome_model._group(one, score) is None
    # By hand: 20 of 400 are missed, all by one level of 50 rows, against 2.5 expected; nothing else tells more.
    fifty = np.where(np.arange(400) < 50, 0, 1)
    missed = np.where(np.arange(400) < 20, 10.0, 1.0) + np.linspace(0, 0.5, 400)
    for size, known in ((50, "few"), (49, None)):
        few = np.where(np.arange(400) < size, 0, 1)
        made = Table((Column("few", "category", ("a", "b")),), {"few": few}, "polars")
        assert outcome_model._group(made, missed) == known
    two = Table(
        (Column("one", "category", ("a", "b")), Column("other", "category", ("a", "b"))),
        {"one": fifty, "other": np.where(np.arange(400) < 100, 0, 1)},
        "polars",
    )
    # (20 - 2.5)^2 / 2.5 + 17.5^2 / 17.5 = 140 against (20 - 5)^2 / 5 + 15^2 / 15 = 60.
    assert outcome_model._group(two, missed) == "one"
    assert outcome_model._group(two.only(("other", "one")), missed) == "one"


def test_every_row_is_predicted_by_a_model_that_did_not_see_it() -> None:
    table, _ = world(300)
    noise = np.random.default_rng(3).normal(size=300)
    for kind in ("random_forest", "shallow_boosting"):
        found = cross_validate(table, noise, kind, 0)
        assert abs(np.corrcoef(found.mean, noise)[0, 1]) < 0.2
    fold = np.random.default_rng(0).permutation(300) % 5
    found = cross_validate(table, noise, "shallow_boosting", 0)
    expected = [
        1 - ((noise - found.mean)[fold == k] ** 2).sum() / ((noise[fold == k] - noise[fold == k].mean()) ** 2).sum()
        for k in range(5)
    ]
    np.testing.assert_allclose(found.r2, expected)


@pytest.fixture(scope="module")
def fitted() -> tuple[Table, np.ndarray, OutcomeModel, np.ndarray]:
    table, y = world()
    model, covered = fit(table, y, "shallow_boosting", cross_validate(table, y, "shallow_boosting", 0), 0)
    return table, y, model, covered


def test_the_interval_is_wider_where_the_outcome_varies_more(
    fitted: tuple[Table, np.ndarray, OutcomeModel, np.ndarray],
) -> None:
    table, _, model, covered = fitted
    assert model.kind == "shallow_boosting"
    assert model.columns == table.columns
    reach, kind = model.reach(table.values), table.values["kind"]
    assert reach[kind == 1].mean() > 3 * reach[kind == 0].mean()
    assert 0.92 <= covered.mean() <= 0.98
    fresh, outcome = world(4_000, 9)
    inside = np.abs(outcome - model.predict(fresh.values)) <= model.reach(fresh.values)
    assert 0.92 < inside.mean() < 0.98
    assert np.corrcoef(model.predict(fresh.values), outcome)[0, 1] > 0.8


def test_reach_is_spread_times_the_quantile_of_the_level_but_never_below_the_floor(
    fitted: tuple[Table, np.ndarray, OutcomeModel, np.ndarray],
) -> None:
    table, _, model, _ = fitted

    class Spread:
        def predict(self, _: object) -> np.ndarray:
            return np.array([0.5, 0.0, -1.0])

    few = table.take(np.arange(3))
    few.values["word"] = np.array([0, 1, 2])
    made = OutcomeModel(model.columns, "k", None, Spread(), 0.2, "word", np.array([1.0, 2.0, 3.0, 9.0]), model.encoders)
    assert made.reach(few.values) == pytest.approx([0.5, 0.4, 0.6])
    alone = OutcomeModel(model.columns, "k", None, Spread(), 0.2, None, np.array([2.0]), model.encoders)
    assert alone.reach(few.values) == pytest.approx([1.0, 0.4, 0.4])


def test_importance_is_the_share_of_gain_largest_first() -> None:
    class Booster:
        def get_score(self, importance_type: str) -> dict[str, float]:
            return {"f0": 1.0, "f2": 6.0, "f3": 1.0} if importance_type == "total_gain" else {}

    table, _ = world(5)
    made = OutcomeModel(table.columns, "k", Booster(), None, 0.1, None, np.ones(1), {})
    assert list(made.importance.items()) == [("z", 0.75), ("x", 0.125), ("kind", 0.125), ("word", 0.0)]
    Booster.get_score = lambda *_, **__: {}  # type: ignore[method-assign]
    assert made.importance == dict.fromkeys(("x", "word", "z", "kind"), 0.0)


def test_a_model_is_the_same_after_it_was_stored(fitted: tuple[Table, np.ndarray, OutcomeModel, np.ndarray]) -> None:
    table, _, model, _ = fitted
    arrays = model.arrays()
    assert set(arrays) == {"mean_model", "spread_model", "quantiles", "encoder/word", "encoder/kind"}
    again = OutcomeModel.from_arrays(model.columns, model.kind, model.floor, model.group, arrays)
    np.testing.assert_array_equal(again.predict(table.values), model.predict(table.values))
    np.testing.assert_array_equal(again.reach(table.values), model.reach(table.values))
    assert (again.kind, again.floor, again.group) == (model.kind, model.floor, model.group)
    with pytest.raises(ModelInferenceError, match="cannot be read; train it again"):
        OutcomeModel.from_arrays(
            model.columns, "k", 0.1, None, {**arrays, "mean_model": np.frombuffer(b"{broken", dtype=np.uint8)}
        )


def test_the_fit_as_it_is(fitted: tuple[Table, np.ndarray, OutcomeModel, np.ndarray]) -> None:
    table, y, model, covered = fitted
    validated = cross_validate(table, y, "shallow_boosting", 0)
    residual = np.abs(y - validated.mean)
    assert model.floor == pytest.approx(0.05 * np.median(residual))
    forest = cross_validate(table, y, "random_forest", 1)
    check_golden(
        __file__,
        "outcome_model",
        {
            "validated": [validated.mean[:8], validated.r2],
            "forest": [forest.mean[:8], forest.r2],
            "mean": model.predict(table.values)[:8],
            "reach": model.reach(table.values)[:8],
            "group": model.group,
            "quantiles": model.quantiles,
            "floor": model.floor,
            "covered": int(covered.sum()),
            "missed": np.flatnonzero(~covered),
            "importance": model.importance,
        },
        relative=1e-4,
        absolute=1e-5,
    )
