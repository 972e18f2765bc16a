"""Tables as people really bring them."""

import warnings

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from novamind.errors import InsufficientDataError, NovamindError, ValidationError
from novamind.populations import EstimatedEffect, TwinGenerator
from novamind.populations.table import read
from tests.populations.conftest import accounts, pilot

N = 1_000


def ugly():
    """Just enough rows of constants, gaps, odd names, many levels and odd levels."""
    rng = np.random.default_rng(0)

    def gappy(values, share):
        return [None if gone else v for v, gone in zip(values, rng.random(N) < share, strict=True)]

    return pl.DataFrame(
        {
            "always 3": [3.0] * N,
            "always s": ["s"] * N,
            "nobody": pl.Series([None] * N, dtype=pl.String),
            "gappy a": gappy(rng.normal(size=N).tolist(), 0.6),
            "gappy b": gappy(rng.integers(0, 900, N).tolist(), 0.9),
            "once": [1.5] + [None] * (N - 1),
            "Fachgebiet ü 🩺": rng.choice(["Kardiologie", "外科", "", " ", "O'Brien; DROP"], N),
            "thousand": [f"v{i}" for i in range(N)],
            "flag": gappy((rng.random(N) < 0.3).tolist(), 0.2),
            "predicted": 1e6 + rng.normal(size=N),
            "expected outcome": rng.integers(0, 4, N),
            "missing: gappy a": rng.integers(0, 2, N),
            "large": rng.integers(2**40, 2**41, N),
            "a/b": rng.choice(["x", "y"], N),
            "y": rng.normal(size=N),
        }
    )


def trained(frame):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        made = TwinGenerator("hcp", "b")
        made.train(frame, "y")
    return made


@pytest.mark.parametrize("kind", ["polars", "pandas"])
def test_an_ugly_table_is_twinned(kind):
    frame = ugly() if kind == "polars" else ugly().to_pandas()
    before = frame.clone() if kind == "polars" else frame.copy(deep=True)
    made = trained(frame)
    twins = made.generate(700, seed=1).frame
    assert type(twins) is type(frame)
    assert before.equals(frame)
    assert set(twins.columns) == set(frame.columns)
    shown = pl.from_pandas(twins) if kind == "pandas" else twins
    real = ugly()
    for name in real.columns:
        assert shown[name].null_count() / 700 == pytest.approx(real[name].null_count() / N, abs=0.08), name
        if real[name].dtype == pl.String:
            assert set(shown[name].unique()) <= set(real[name].unique())
    assert shown["predicted"].min() > 999_000
    assert set(shown["expected outcome"].unique()) <= {0, 1, 2, 3}
    again = TwinGenerator.from_bytes(made.to_bytes()).generate(700, seed=1).frame
    assert again.equals(twins)


@pytest.mark.parametrize(
    "labels",
    [
        pd.array(["a", None] * 500, dtype="string"),
        pd.Series(["a", pd.NA] * 500, dtype=object),
        pd.Series(["a", None, np.nan, "b"] * 250, dtype=object),
        pd.array([True, None] * 500, dtype="boolean"),
        pd.array([1, None] * 500, dtype="Int64"),
        pd.Categorical(["a", None] * 500),
    ],
)
def test_every_way_of_pandas_to_say_missing_is_understood(labels):
    table = read(pd.DataFrame({"k": labels}))
    values = table.values["k"]
    missing = np.isnan(values) if table["k"].kind == "number" else np.array(table["k"].levels)[values] == None  # noqa: E711
    assert missing.mean() == 0.5


@given(
    numbers=st.lists(st.none() | st.floats(-1e9, 1e9), min_size=3, max_size=30).filter(lambda v: set(v) != {None}),
    words=st.lists(st.none() | st.text(max_size=5), min_size=3, max_size=30),
)
def test_encoding_gives_back_what_it_got(numbers, words):
    n = min(len(numbers), len(words))
    frame = pl.DataFrame({"n": numbers[:n], "w": words[:n]}, schema={"n": pl.Float64, "w": pl.String})
    if frame["n"].null_count() == n:
        return
    back = read(frame).to_polars()
    assert back["w"].to_list() == words[:n]
    given_back, given_in = (np.array(f["n"].cast(pl.Float64).to_list(), dtype=float) for f in (back, frame))
    np.testing.assert_allclose(given_back, given_in, rtol=1e-9)


@settings(max_examples=40, deadline=None)
@given(
    low=st.integers(0, 10),
    width=st.integers(0, 10),
    state=st.lists(st.sampled_from([f"S{i}" for i in range(8)]), min_size=1, max_size=3),
    score=st.none() | st.floats(0, 1),
)
def test_twins_match_their_filter_and_keep_every_rule_or_none_are_given(generator, low, width, state, score):
    wanted = {"decile": (low, low + width), "state": state, "digital_engagement_score": (score, None)}
    try:
        twins = generator.generate(60, wanted, seed=low).frame
    except InsufficientDataError:
        return
    assert twins["decile"].is_between(low, low + width).all()
    assert twins["state"].is_in(state).all()
    assert score is None or (twins["digital_engagement_score"] >= score).all()
    assert (twins["target_patient_volume"] + twins["other_patient_volume"] <= twins["total_patient_volume"]).all()
    assert (twins["state"].str.slice(1).cast(int) // 4 == twins["region"].str.slice(1).cast(int)).all()


@pytest.mark.parametrize(
    ("frame", "says"),
    [
        (pd.DataFrame({0: [1.0] * N, "y": np.arange(N)}), "rename 0"),
        (pd.concat([accounts(N).to_pandas(), accounts(N).to_pandas()[["decile"]]], axis=1), "same name"),
        (pl.DataFrame(), "no columns"),
        (pl.DataFrame({" ": [1.0] * N}), "printable text"),
        (accounts(N).lazy(), "pandas or Polars frame"),
        ({"y": [1.0] * N}, "pandas or Polars frame"),
        (accounts(N).with_columns(decile=pl.lit(1e300)), "huge value"),
        (pl.concat([accounts(N)] * 5).with_columns(k=pl.Series([f"v{i}" for i in range(5 * N)])), "5,000 different"),
        (accounts(N).select("decile", prescribing_change=pl.col("decile") * 1e-60), "two features|too little"),
        (accounts(N).with_columns(prescribing_change=pl.col("prescribing_change") * 1e-60), "too little"),
    ],
)
def test_a_table_that_cannot_be_used_is_refused_with_the_way_out(frame, says):
    with pytest.raises(ValidationError, match=says):
        TwinGenerator("hcp", "b").train(frame, "prescribing_change")


@pytest.mark.parametrize(
    "filters",
    [
        {"specialty": 3},
        {"specialty": []},
        {"specialty": (0, 1)},
        ["specialty"],
        {"decile": "x"},
        {"decile": (3, 1)},
        {"decile": float("nan")},
        {"decile": {"low": 1}},
        {"prescribing_change": (0, None)},
        {"digital_engagement_score": 0.123456},
        {"digital_engagement_score": (50, 60)},
    ],
)
def test_filters_that_make_no_sense_are_explained(generator, filters):
    with pytest.raises(NovamindError, match=r"\w+ \w+ \w+"):
        generator.generate(5, filters)


@pytest.mark.parametrize("seed", [-1, 1.5, "x", True])
def test_a_seed_is_a_whole_number(generator, seed):
    for call in (
        lambda: generator.generate(5, seed=seed),
        lambda: TwinGenerator("hcp", "b", seed=seed),
        lambda: EstimatedEffect(pilot(300, lambda f: 0 * f["decile"].to_numpy()), randomised=True, seed=seed),
    ):
        with pytest.raises(ValidationError, match="seed"):
            call()


@pytest.mark.parametrize(
    ("change", "asked", "says"),
    [
        (lambda t: t.with_columns(treated=pl.col("treated").replace_strict({0: "no", 1: "yes"})), {}, "true/false"),
        (lambda t: t.with_columns(y=pl.lit("good")), {}, "true/false"),
        (lambda t: t.with_columns(y=pl.lit(None, dtype=pl.Float64)), {}, "no value"),
        (lambda t: t, {"covariates": []}, "at least one covariate"),
        (lambda t: t, {"covariates": ["decile", "treated"]}, "different columns"),
        (lambda t: t, {"outcome": "treated"}, "different columns"),
        (lambda t: t, {"outcome": "sales"}, "no column 'sales'"),
        (lambda t: t.with_columns(before=pl.lit(1.0)), {"placebo_outcome": "before"}, "placebo outcome is the same"),
    ],
)
def test_evidence_that_cannot_be_used_is_refused(change, asked, says):
    data = change(pilot(1_700, lambda f: 0 * f["decile"].to_numpy()))
    with pytest.raises(NovamindError, match=says):
        EstimatedEffect(data, randomised=True, **asked)


def test_gaps_in_a_placebo_outcome_are_left_out():
    data = pilot(1_700, lambda f: 0 * f["decile"].to_numpy())
    before = np.random.default_rng(0).normal(size=1_700)
    before[:50] = np.nan
    found = EstimatedEffect(data.with_columns(before=before), randomised=True, placebo_outcome="before")
    assert any("before treatment" in note for note in found.checks)
