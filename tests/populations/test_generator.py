import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy import stats

from novamind.errors import InsufficientDataError, ModelInferenceError, ValidationError
from novamind.populations import PopulationFilter, TwinGenerator, sequential_trees
from novamind.populations.privacy import report
from novamind.populations.rules import RatioRule, Rules, SumRule, declared, learn
from novamind.populations.table import read
from tests.populations.conftest import accounts


def test_marginals_associations_and_outcome_are_those_of_fresh_rows(population):
    twins, fresh = population.frame, accounts(4_000, 99)
    for name in ("total_patient_volume", "digital_engagement_score", "prescribing_change"):
        assert stats.ks_2samp(twins[name], fresh[name]).statistic < 0.045
    for a, b in (
        ("total_patient_volume", "target_patient_volume"),
        ("decile", "priority_tier"),
        ("digital_engagement_score", "prescribing_change"),
    ):
        real, drawn = (stats.spearmanr(f[a], f[b]).statistic for f in (fresh, twins))
        assert abs(real - drawn) < 0.04
    assert twins["prescribing_change"].std() == pytest.approx(fresh["prescribing_change"].std(), rel=0.05)


def test_hard_rules_are_learned_and_never_broken(generator, population):
    twins = population.frame
    assert "other_patient_volume + target_patient_volume <= total_patient_volume" in generator.metrics.rules
    assert (twins["target_patient_volume"] + twins["other_patient_volume"] <= twins["total_patient_volume"]).all()
    assert (twins["state"].str.slice(1).cast(int) // 4 == twins["region"].str.slice(1).cast(int)).all()
    assert ((twins["priority_tier"] - (twins["decile"] + 1) // 2).abs() <= 1).all()


def test_whole_numbers_missing_values_and_rare_levels_survive(table, population):
    twins = population.frame
    assert twins["total_patient_volume"].dtype == pl.Int64
    assert twins["payments"].null_count() / len(twins) == pytest.approx(
        table["payments"].null_count() / len(table), abs=0.02
    )
    assert 0 < (twins["specialty"] == "rare").mean() < 0.025


def test_the_same_seed_gives_the_same_twins_and_storage_changes_none(generator, population):
    again = TwinGenerator.from_bytes(generator.to_bytes()).generate(4_000, seed=3)
    assert again.frame.equals(population.frame)
    assert not generator.generate(4_000, seed=4).frame.equals(population.frame)


def test_blocks_do_not_depend_on_how_the_work_is_split(generator, monkeypatch):
    monkeypatch.setattr("novamind.populations.generator.BLOCK", 500)
    whole = generator.generate(1_200, seed=5)
    block = generator.draw_block(1_200, 1, None, 5)
    assert np.array_equal(whole.features.values["decile"][500:1_000], block["decile"])


def test_filters_are_kept_and_leave_the_other_columns_as_in_real_rows(generator, table):
    wanted = {"specialty": ["oncology"], "decile": (1, 3), "digital_engagement_score": (0.5, None)}
    twins = generator.generate(2_000, wanted, seed=1).frame
    matching = (
        (pl.col("specialty") == "oncology") & (pl.col("decile") <= 3) & (pl.col("digital_engagement_score") >= 0.5)
    )
    fresh, learned = accounts(60_000, 7).filter(matching), table.filter(matching)
    assert set(twins["specialty"]) == {"oncology"}
    assert twins["decile"].max() <= 3
    assert twins["digital_engagement_score"].min() >= 0.5
    # Nearer to fresh rows than the few matching rows that were learned from.
    own, few = (stats.ks_2samp(t["total_patient_volume"], fresh["total_patient_volume"]) for t in (twins, learned))
    assert own.statistic < few.statistic
    assert twins["prescribing_change"].mean() == pytest.approx(fresh["prescribing_change"].mean(), abs=0.006)


def test_a_filter_on_a_derived_column_reaches_the_one_it_follows_from(generator):
    assert set(generator.generate(300, PopulationFilter(region="R1", min_decile=5), seed=1).frame["state"]) <= {
        "S4",
        "S5",
        "S6",
        "S7",
    }


def test_the_kind_of_frame_comes_back_and_the_callers_is_not_changed():
    frame = accounts(1_000).to_pandas()
    before = frame.copy()
    made = TwinGenerator("hcp", "b")
    made.train(frame, "prescribing_change")
    twins = made.generate(50).frame
    assert isinstance(twins, pd.DataFrame)
    pd.testing.assert_frame_equal(frame, before)


def test_no_twin_equals_a_record_that_one_person_has_and_membership_cannot_be_told(table, population):
    names = tuple(c.name for c in population.features.columns)
    found = report(population.features, read(table).only(names), read(accounts(3_000, 50)).only(names))
    assert found.exact_copies == 0
    assert 0.45 < found.share_closer_to_train < 0.60
    assert 0.45 < found.membership_auc < 0.57


def test_intervals_cover_fresh_outcomes(generator):
    fresh = accounts(4_000, 21)
    _, low, high = generator.predict(fresh)
    y = fresh["prescribing_change"].to_numpy()
    assert 0.93 < np.mean((y >= low) & (y <= high)) < 0.97


@pytest.mark.parametrize(
    ("change", "error", "says"),
    [
        (lambda t: t.head(999), InsufficientDataError, "1,000"),
        (lambda t: t.with_columns(prescribing_change=pl.lit(1.0)), ValidationError, "same in every row"),
        (
            lambda t: t.with_columns(
                pl.when(pl.col("decile") == 1)
                .then(None)
                .otherwise(pl.col("prescribing_change"))
                .alias("prescribing_change")
            ),
            ValidationError,
            "missing in",
        ),
        (
            lambda t: t.with_columns(code=pl.Series([f"x{i}" for i in range(len(t))])),
            ValidationError,
            "identifier",
        ),
        (lambda t: t.with_columns(phq9_score=pl.lit(3)), ValidationError, "clinical"),
        (lambda t: t.with_columns(npi=pl.lit(3)), ValidationError, "identity"),
        (lambda t: t.with_columns(note=pl.lit("a.b@c.org")), ValidationError, "e-mail"),
        (
            lambda t: t.with_columns(primary_diagnosis=pl.lit("major depressive disorder")),
            ValidationError,
            "diagnoses",
        ),
        (lambda t: t.with_columns(x=pl.lit(float("inf"))), ValidationError, "infinite"),
        (lambda t: t.drop("prescribing_change"), ValidationError, "no column of the table"),
    ],
)
def test_bad_tables_are_refused_with_the_reason(table, change, error, says):
    with pytest.raises(error, match=says):
        TwinGenerator("hcp", "kisqali").train(change(table), "prescribing_change")


def test_bad_requests_are_refused_with_a_suggestion(generator):
    with pytest.raises(ValidationError, match="Did you mean 'oncology'"):
        generator.generate(10, {"specialty": "oncolgy"})
    with pytest.raises(ValidationError, match="Did you mean 'specialty'"):
        generator.generate(10, {"speciality": "oncology"})
    with pytest.raises(InsufficientDataError, match="relax"):
        generator.generate(10, {"decile": (1, 1), "priority_tier": [5]})
    with pytest.raises(ValidationError, match="at least 1"):
        generator.generate(0)
    with pytest.raises(ModelInferenceError, match="not trained"):
        TwinGenerator("hcp", "kisqali").generate(10)
    with pytest.raises(ModelInferenceError, match="damaged"):
        TwinGenerator.from_bytes(b"nonsense")


def test_declared_rules_are_checked_and_ratios_are_found():
    rng = np.random.default_rng(0)
    covered, total = rng.integers(1, 50, 500), rng.integers(50, 99, 500)
    table = read(pl.DataFrame({"covered": covered, "total": total, "rate": np.round(covered / total, 3)}))
    assert learn(table).ratios == (RatioRule("rate", "covered", "total"),)
    assert declared(["covered <= total"], table) == (SumRule(("covered",), "total"),)
    with pytest.raises(ValidationError, match="broken by"):
        declared(["total <= covered"], table)
    with pytest.raises(ValidationError, match="cannot be read"):
        declared(["covered < total"], table)


@pytest.mark.parametrize(("rows_each", "stays"), [(20, True), (5, False)])
def test_a_number_that_many_rows_share_is_donated_as_it_is(rows_each, stays):
    # One leaf's donors have 10 and 500, the other's what lies between: the leaf draws its own unless values are rare.
    support = np.repeat([10.0, 200.0, 300.0, 500.0], rows_each)
    n = len(support)
    keys = np.r_[0:rows_each, n - rows_each : n, n + rows_each : 2 * n - rows_each]
    step = sequential_trees.Step("size", "number", 0, (), (), None, support, (), None)
    free = np.full(4_000, np.inf)
    leaf = np.zeros(4_000, dtype=np.int64)
    drawn, _ = sequential_trees._donate(step, leaf, keys, -free, free, None, None, np.random.default_rng(0))
    assert (set(drawn) == {10.0, 500.0}) == stays
    assert np.mean(drawn < 250) == pytest.approx(0.5, abs=0.02)


def test_levels_keep_their_own_place_and_their_own_spread():
    # One axis sorts the levels by their place and mixes those of different spread: 0.87 instead of 0.98.
    rng = np.random.default_rng(1)
    level = rng.integers(0, 40, 8_000)
    place, spread = rng.normal(size=40), np.exp(rng.normal(scale=0.7, size=40))
    size = place[level] + spread[level] * rng.normal(size=8_000)
    table = read(pl.DataFrame({"state": [f"S{i:02d}" for i in level], "size": size}))
    trees = sequential_trees.SequentialTrees.fit(table, Rules(), seed=0)
    twins = trees.draw(8_000, np.random.default_rng(1))
    for measure, least in ((np.mean, 0.99), (np.std, 0.95)):
        real, drawn = ([measure(f["size"][f["state"] == i]) for i in range(40)] for f in (table.values, twins))
        assert np.corrcoef(real, drawn)[0, 1] > least


def test_the_last_part_of_a_sum_is_the_largest(generator):
    order = [step.name for step in generator._trees.steps]
    volumes = ["total_patient_volume", "other_patient_volume", "target_patient_volume"]
    assert sorted(volumes, key=order.index)[0] == volumes[0]
    parts = accounts(3_000)[volumes[1:]].sum()
    assert (order.index(volumes[1]) < order.index(volumes[2])) == (parts[0, 0] < parts[0, 1])
