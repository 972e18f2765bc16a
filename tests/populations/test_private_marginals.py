"""Differential privacy: the noise that is added, what it is charged, and what the model keeps of the real table."""

import json
import warnings
from io import BytesIO

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from novamind.cli import app
from novamind.errors import InsufficientDataError, ValidationError
from novamind.populations import DifferentialPrivacy, TwinGenerator
from novamind.populations.generation import private_marginals as marginals
from novamind.populations.generation.private_marginals import _beyond_independence
from novamind.populations.table import Column, Table, read
from tests.golden import check_golden
from tests.populations import by_hand
from tests.populations.conftest import accounts

DOMAIN = {
    "specialty": ("oncology", "hematology", "dermatology", "rare"),
    "decile": (1, 10),
    "total_patient_volume": (0, 50, 100, 200, 400, 800, 5_000),
    "target_patient_volume": (0, 20, 50, 100, 200, 400, 5_000),
    "digital_engagement_score": (0.0, 1.0),
    "payments": (0.0, 10.0, 20.0, 40.0, 80.0, 1_000.0, None),
    "prescribing_change": (-0.2, 0.2),
}
RULE = "target_patient_volume <= total_patient_volume"
SHOWN = accounts(1_500, 5).select(*DOMAIN)


class Recorder:
    """A generator of random numbers that notes every Gaussian measurement and every choice."""

    def __init__(self):
        self.rng, self.sigmas = np.random.default_rng(0), []

    def normal(self, mean, sigma, size):
        self.sigmas.append(sigma)
        return self.rng.normal(mean, sigma, size)

    def __getattr__(self, name):
        return getattr(self.rng, name)


@pytest.mark.parametrize(("epsilon", "delta"), [(0.1, 1e-6), (1.0, 1e-5), (3.0, 1e-6), (10.0, 1e-9)])
def test_what_is_measured_and_chosen_spends_the_budget_and_no_more(epsilon, delta):
    privacy, recorder = DifferentialPrivacy(epsilon, DOMAIN, delta), Recorder()
    privacy.table(read(SHOWN), "prescribing_change", rng=recorder)
    d = len(DOMAIN)
    assert len(recorder.sigmas) == 2 * d - 1  # each column, and each edge of the tree
    measured = sum(1 / (2 * sigma**2) for sigma in recorder.sigmas)
    rho = measured + (d - 1) * privacy.choice(d - 1) ** 2 / 8
    assert rho == pytest.approx(privacy.rho, rel=1e-12)
    assert rho + 2 * np.sqrt(rho * np.log(1 / delta)) == pytest.approx(epsilon, rel=1e-12)


def test_the_noise_has_the_scale_that_it_is_charged_for():
    names = ["specialty", "decile", "prescribing_change"]
    privacy = DifferentialPrivacy(1.0, {name: DOMAIN[name] for name in names})
    table = read(SHOWN.select(names))
    rows = [len(privacy.table(table, names[-1], rng=np.random.default_rng(i))) for i in range(150)]
    cells = np.array([4, 10, 16])
    expected = privacy.noise(3) / np.sqrt(np.sum(1 / cells))  # of the mean of totals, weighted by precision
    assert np.mean(rows) == pytest.approx(len(SHOWN), abs=4 * expected / np.sqrt(150))
    assert np.std(rows, ddof=1) == pytest.approx(expected, rel=0.2)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 3)), min_size=1, max_size=30), st.data())
def test_one_row_more_changes_a_score_by_one_at_most(rows, data):
    alone = {"a": np.array([7.0, 2.0, 4.0]), "b": np.array([1.0, 6.0, 3.0, 3.0])}
    one_more = [*rows, data.draw(st.tuples(st.integers(0, 2), st.integers(0, 3)))]
    scores = [
        _beyond_independence(dict(zip("ab", np.array(of).T, strict=True)), alone, "a", "b", 2.0)
        for of in (rows, one_more)
    ]
    assert abs(scores[1] - scores[0]) <= 1 + 1e-9


@pytest.fixture(scope="module")
def private():
    # A value beyond the bounds moves to them, a row with an undeclared level is left out: neither makes an error.
    odd = SHOWN.with_columns(
        specialty=pl.when(pl.arange(0, pl.len()) == 3).then(pl.lit("unheard-of")).otherwise("specialty"),
        digital_engagement_score=pl.when(pl.arange(0, pl.len()) == 4).then(7.0).otherwise("digital_engagement_score"),
    )
    generator = TwinGenerator("hcp", "kisqali", rules=[RULE], privacy=DifferentialPrivacy(20.0, DOMAIN))
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        generator.train(odd, "prescribing_change")
    assert any("differential privacy (epsilon 20" in str(w.message) for w in said)
    return generator


def test_a_private_model_holds_no_real_value_and_says_what_it_promises(private):
    again = TwinGenerator.from_bytes(private.to_bytes())
    assert again.metrics is not None
    assert (again.metrics.epsilon, again.metrics.delta) == (20.0, 1e-6)
    assert again.metrics.rules == (RULE,)
    assert again.privacy.rho == private.privacy.rho  # a later training is as private
    with np.load(BytesIO(private.to_bytes())) as stored:
        held = np.concatenate([stored[k].ravel() for k in stored.files if stored[k].dtype.kind == "f"])
    assert not np.isin(SHOWN["digital_engagement_score"].to_numpy(), held).any()


def test_private_twins_resemble_the_table_and_keep_declared_rules(private):
    twins = private.generate(4_000, seed=1).frame
    assert (twins["target_patient_volume"] <= twins["total_patient_volume"]).all()
    assert twins["decile"].dtype == pl.Int64
    assert set(twins["specialty"]) <= {*DOMAIN["specialty"]}
    assert twins["digital_engagement_score"].max() <= 1.0
    assert not any(twins[name].null_count() for name in DOMAIN if name != "payments")
    assert twins["payments"].is_null().mean() == pytest.approx(0.3, abs=0.05)
    for frame in (twins, SHOWN):
        tied = frame.select(pl.corr("digital_engagement_score", "prescribing_change", method="spearman")).item()
        assert tied > 0.5


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"epsilon": 0.0}, "epsilon must be a number above 0"),
        ({"epsilon": "3"}, "epsilon must be a number above 0"),
        ({"domain": {**DOMAIN, "decile": 10}}, "domain of 'decile' cannot be read"),
        ({"domain": {**DOMAIN, "digital_engagement_score": (0, 1)}}, "holds fractions"),
        ({"delta": 0.5}, "delta must be above 0"),
        ({"domain": {}}, "declare the domain of every column"),
        ({"domain": {**DOMAIN, "decile": (10, 1)}}, "domain of 'decile' cannot be read"),
        ({"domain": {**DOMAIN, "specialty": ("oncology", "oncology")}}, "domain of 'specialty' cannot be read"),
        ({"domain": {k: v for k, v in DOMAIN.items() if k != "payments"}}, "declare the domain of 'payments'"),
        ({"domain": {**DOMAIN, "specialty": (1, 10)}}, "declare 'specialty' as what it is"),
    ],
)
def test_what_would_leak_or_cannot_be_promised_is_refused(options, reason):
    with pytest.raises(ValidationError, match=reason):
        DifferentialPrivacy(**{"epsilon": 3.0, "domain": DOMAIN} | options).table(read(SHOWN), "prescribing_change")


def test_a_rule_that_noise_cannot_keep_is_refused():
    with pytest.raises(InsufficientDataError, match="hardly a row"):
        DifferentialPrivacy(3.0, DOMAIN).table(
            read(SHOWN), "prescribing_change", ["decile == digital_engagement_score"]
        )


def test_the_shell_takes_epsilon_with_a_domain_only(tmp_path):
    SHOWN.write_parquet(tmp_path / "t.parquet")
    (tmp_path / "domain.json").write_text(json.dumps(DOMAIN | {"decile": [1, "x"]}))
    train = ["twins", "train", str(tmp_path / "t.parquet"), "--target", "prescribing_change", "--epsilon", "3"]
    assert "give --epsilon and --domain together" in str(CliRunner().invoke(app, train).exception)
    found = CliRunner().invoke(app, [*train, "--domain", str(tmp_path / "domain.json")])
    assert "domain of 'decile' cannot be read" in str(found.exception)


@pytest.mark.parametrize(("epsilon", "delta"), [(0.1, 1e-6), (1.0, 1e-5), (3, 1e-6), (10.0, 1e-3)])
def test_a_promise_in_zero_concentrated_privacy(epsilon: float, delta: float) -> None:
    # The positive root of x^2 + 2 x sqrt(log(1 / delta)) = epsilon, squared: a second way to the same budget.
    privacy = DifferentialPrivacy(epsilon, DOMAIN, delta)
    root = max(np.roots([1.0, 2 * np.sqrt(-np.log(delta)), -epsilon]))
    assert privacy.rho == pytest.approx(root**2, rel=1e-9)
    # A Gaussian measurement of sensitivity 1 costs 1 / (2 sigma^2), a choice epsilon^2 / 8; each third pays them all.
    assert 5 / (2 * privacy.noise(5) ** 2) == pytest.approx(privacy.rho / 3)
    assert 4 * privacy.choice(4) ** 2 / 8 == pytest.approx(privacy.rho / 3)


def test_the_worked_budget_of_the_docstring() -> None:
    privacy = DifferentialPrivacy(3.0, DOMAIN)
    assert (privacy.delta, round(privacy.rho, 4)) == (1e-6, 0.1473)
    assert privacy.noise(7) == pytest.approx(np.sqrt(7 * 1.5 / privacy.rho))


@pytest.mark.parametrize(
    ("options", "fits"),
    [
        ({"epsilon": 1e-9}, True),
        ({"epsilon": 0}, False),
        ({"epsilon": -1.0}, False),
        ({"epsilon": float("inf")}, False),
        ({"delta": 1e-3}, True),
        ({"delta": 0.00101}, False),
        ({"delta": 0.0}, False),
        ({"delta": 1}, False),
        ({"domain": {"a": (0, 1), "b": (0, 1)}}, True),
        ({"domain": {"a": (0, 1)}}, False),
        ({"domain": [("a", (0, 1)), ("b", (0, 1))]}, False),
        ({"domain": {"a": (0, 1), "b": 1}}, False),
    ],
)
def test_promises_at_their_limits(options: dict[str, object], fits: bool) -> None:
    stated = {"epsilon": 3.0, "domain": DOMAIN} | options
    if fits:
        assert vars(DifferentialPrivacy(**stated)).items() >= options.items()
    else:
        with pytest.raises(ValidationError, match=r"epsilon must|delta must|declare the domain|cannot be read"):
            DifferentialPrivacy(**stated)


@pytest.mark.parametrize(
    ("declared", "edges", "whole"),
    [
        ((1, 10), list(range(1, 12)), True),  # ten whole numbers, a cell each
        ((0, 1), [0, 1, 2], True),
        ((0, 15), list(range(17)), True),
        ((0, 31), list(range(0, 33, 2)), True),  # sixteen cells at most
        ([0, 24], [0, 2, 3, 5, 6, 8, 9, 11, 12, 14, 16, 17, 19, 20, 22, 23, 25], True),
        ((0.0, 1.0), [i / 16 for i in range(17)], False),
        ((-1.0, 1), [i / 8 - 1 for i in range(17)], False),
        ((0, 5, 20), [0, 5, 21], True),
        ((0.0, 5.0, 20.0), [0, 5, 20], False),
        ((0.0, 1.0, None), [i / 16 for i in range(17)], False),
        ((None, 1, 3), [1, 2, 3, 4], True),
        (("a", "b"), None, False),
        ((True, False), None, False),
        (("a", True, None), None, False),
    ],
)
def test_cells_of_a_declared_domain(declared: object, edges: list[float] | None, whole: bool) -> None:
    found = marginals._cells("x", declared)
    assert found[1] is whole
    if edges is None:
        assert found[0] is None
    else:
        np.testing.assert_allclose(found[0], edges)


@pytest.mark.parametrize(
    "declared",
    [
        *((1,), ("a",), (1, None), (1, 1), ("a", "a"), (2, 1), (1, "a"), (1, float("inf")), (1, True), {1, 2}, "ab"),
        *((1, 3, 2), tuple(f"v{i}" for i in range(1_001))),
    ],
)
def test_what_is_no_domain(declared: object) -> None:
    with pytest.raises(ValidationError, match="domain of 'x' cannot be read"):
        marginals._cells("x", declared)


def test_the_constants_of_the_method() -> None:
    assert (marginals.CELLS, marginals._RAKING, marginals._ATTEMPTS) == (16, 50, 30)


def test_a_thousand_levels_are_a_domain() -> None:
    assert marginals._cells("x", tuple(f"v{i}" for i in range(1_000))) == (None, False)


def test_rows_fall_into_cells() -> None:
    whole = Column("n", "number", decimals=0)
    values = np.array([-5.0, 0, 4, 5, 19, 20, 99, np.nan])
    code, cells, described = marginals._coded(whole, values, {"n": (0, 5, 20)})
    assert code.tolist() == [0, 0, 0, 1, 1, 1, 1, 2]  # beyond the bounds counts as on them, a gap beyond the last
    assert cells.tolist() == [[0, 5], [5, 16]]
    assert described == Column("n", "number", decimals=0)
    code, cells, described = marginals._coded(Column("f", "number"), np.array([0.1, 0.5, 1.0]), {"f": (0.0, 0.5, 1.0)})
    assert (code.tolist(), cells.tolist(), described.decimals) == ([0, 1, 1], [[0, 0.5], [0.5, 0.5]], None)
    assert marginals._coded(whole, np.array([1.0]), {"n": (0.0, 1.0)})[2].decimals is None
    words = Column("w", "category", ("a", "b", "z", None))
    code, cells, described = marginals._coded(words, np.array([0, 1, 2, 3]), {"w": ("b", "a", None)})
    assert code.tolist() == [1, 0, 2, 2]
    assert cells.tolist() == [[0, 0], [0, 0]]
    assert described == Column("w", "category", ("b", "a", None))
    assert marginals._coded(words, np.array([0]), {"w": ("b", "a")})[2].levels == ("b", "a")
    with pytest.raises(ValidationError, match="'n' holds fractions"):
        marginals._coded(Column("n", "number", decimals=1), values, {"n": (0, 5)})
    for column, declared in ((whole, ("a", "b")), (words, (1, 2))):
        with pytest.raises(ValidationError, match="as what it is"):
            marginals._coded(column, np.array([0]), {column.name: declared})


def test_counts_of_pairs_and_how_far_they_lie_from_independence() -> None:
    codes = {"a": np.array([0, 0, 1, 1, 1]), "b": np.array([0, 2, 1, 1, 0])}
    alone = {"a": np.array([2.0, 4.0]), "b": np.array([3.0, 2.0, 1.0])}
    assert marginals._joint(codes, alone, "a", "b").tolist() == [[1, 0, 1], [1, 2, 0]]
    independent = np.array([[1, 2 / 3, 1 / 3], [2, 4 / 3, 2 / 3]])
    distance = np.abs(np.array([[1, 0, 1], [1, 2, 0]]) - independent).sum()
    # Six cells of noise of standard deviation 2 lie sqrt(2 / pi) * 2 from zero each, on average.
    expected = distance - 6 * 2 * 0.7978845608
    assert _beyond_independence(codes, alone, "a", "b", 2.0) == pytest.approx(expected)


def test_counts_are_moved_to_the_nearest_possible_ones() -> None:
    assert marginals._on_simplex(np.array([3.0, 1.0, -1.0]), 4.0).tolist() == [3.0, 1.0, 0.0]
    assert marginals._on_simplex(np.array([3.0, 1.0, 2.0]), 3.0).tolist() == [2.0, 0.0, 1.0]
    assert marginals._on_simplex(np.array([1.0, 1.0]), 4.0).tolist() == [2.0, 2.0]
    rng = np.random.default_rng(0)
    for _ in range(20):
        noisy = rng.normal(size=6) * 3
        found = marginals._on_simplex(noisy, 5.0)
        assert found.sum() == pytest.approx(5.0)
        assert (found >= 0).all()
        # The nearest point: what is kept was moved by the same, what is not would have fallen below zero.
        moved = (noisy - found)[found > 0]
        assert np.ptp(moved) < 1e-9
        assert (noisy[found == 0] <= moved[0] + 1e-9).all()


def test_a_pairs_counts_are_fitted_to_both_columns() -> None:
    pair, rows, columns = np.array([[4.0, 0.0], [1.0, 5.0]]), np.array([6.0, 4.0]), np.array([3.0, 7.0])
    found = marginals._raked(pair, rows, columns)
    np.testing.assert_allclose(found.sum(axis=0), columns)
    np.testing.assert_allclose(found.sum(axis=1), rows, rtol=1e-4)
    # What was never counted keeps a billionth of what independence would put there: 4 * 6, or all but none.
    diagonal = marginals._raked(np.diag([4.0, 6.0]), np.array([4.0, 6.0]), np.array([4.0, 6.0]))
    np.testing.assert_allclose(diagonal[[0, 1], [1, 0]], 24e-9, rtol=0.05)
    free = np.array([[4.0, 2.0], [1.0, 5.0]])
    odds = marginals._raked(free, rows, columns)
    # Raking keeps odds ratios.
    assert odds[0, 0] * odds[1, 1] / odds[0, 1] / odds[1, 0] == pytest.approx(4 * 5 / 2, rel=1e-6)
    np.testing.assert_allclose(odds.sum(axis=1), rows)
    # Where a column has rows that the pair knows nothing of, independence stands in.
    empty = marginals._raked(np.array([[0.0, 0.0], [1.0, 1.0]]), np.array([4.0, 2.0]), np.array([3.0, 3.0]))
    np.testing.assert_allclose(empty, [[2, 2], [1, 1]], rtol=1e-6)


def test_cells_are_drawn_evenly_spread_over_the_rows_that_share_one() -> None:
    rng = np.random.default_rng(1)
    given = np.repeat([0, 1, 2], [400, 300, 5])
    weights = np.array([[1.0, 1.0, 2.0], [0.0, 3.0, 0.0], [1.0, 0.0, 0.0]])
    drawn = marginals._stratified(weights, given, rng)
    # 25, 25 and 50 %, but for one each at most.
    assert np.abs(np.bincount(drawn[:400], minlength=3) - [100, 100, 200]).max() <= 1
    assert (drawn[400:700] == 1).all()
    assert (drawn[700:] == 0).all()
    assert 0.2 < np.mean(drawn[:200] == 2) < 0.8  # in no order


def test_columns_are_drawn_along_the_tree_in_both_directions() -> None:
    alone = {"a": np.array([30.0, 10.0]), "b": np.array([30.0, 10.0]), "c": np.array([10.0, 30.0])}
    same, other = np.array([[30.0, 0.0], [0.0, 10.0]]), np.array([[0.0, 10.0], [30.0, 0.0]])
    codes = marginals._codes(40, alone, {("b", "c"): other.T, ("a", "b"): same}, np.random.default_rng(0))
    assert np.bincount(codes["a"]).tolist() == [30, 10]
    assert np.array_equal(codes["a"], codes["b"])
    assert np.array_equal(codes["c"], 1 - codes["b"])
    back = marginals._codes(40, alone, {("c", "a"): other}, np.random.default_rng(0))
    assert np.array_equal(back["c"], 1 - back["a"])


def test_the_tree_takes_the_pairs_that_tell_most() -> None:
    rng = np.random.default_rng(3)
    a = rng.integers(0, 4, 4_000)
    codes = {"x": rng.integers(0, 4, 4_000), "a": a, "y": rng.integers(0, 2, 4_000), "b": a, "c": (a + 1) % 4}
    alone = {name: np.bincount(code).astype(float) for name, code in codes.items()}
    privacy = DifferentialPrivacy(10.0, {"a": (0, 1), "b": (0, 1)})
    found = privacy._tree(codes, alone, 1.0, rng)
    assert len(found) == 4
    assert {frozenset(pair) for pair in found[:2]} < {frozenset(p) for p in (("a", "b"), ("a", "c"), ("b", "c"))}
    part = {name: {name} for name in codes}
    for one, other in found:
        assert other not in part[one]  # no circle
        joined = part[one] | part[other]
        part |= dict.fromkeys(joined, joined)
    assert len(joined) == 5


@pytest.mark.parametrize(("epsilon", "share"), [(np.log(3) * 2, 0.75), (1e-9, 0.5), (200.0, 1.0)])
def test_a_choice_follows_the_exponential_mechanism(
    epsilon: float, share: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Two pairs whose scores differ by one: the better is chosen with odds exp(epsilon / 2).
    scores = {("a", "b"): 1.0, ("a", "c"): 0.0, ("b", "c"): -1e15}
    monkeypatch.setattr(marginals, "_beyond_independence", lambda *of: scores[of[2], of[3]])
    monkeypatch.setattr(DifferentialPrivacy, "choice", lambda _, rounds: epsilon if rounds == 2 else None)
    privacy, rng = DifferentialPrivacy(1.0, DOMAIN), np.random.default_rng(5)
    alone = dict.fromkeys("abc", np.ones(2))
    first = np.mean([privacy._tree({}, alone, 1.0, rng)[0] == ("a", "b") for _ in range(2_000)])
    assert first == pytest.approx(share, abs=0.035)


def small(n: int = 300) -> Table:
    return by_hand.population(n).features


SMALL = {
    "specialty": ("oncology", "hematology", None),
    "region": ("north", "south", "west"),
    "covered": (False, True),
    "decile": (1, 10),
    "visits": (0, 2, 5, 9, None),
    "score": (0.0, 0.5, 1.0, None),
}


def test_with_hardly_any_noise_the_private_table_has_the_real_counts() -> None:
    privacy = DifferentialPrivacy(1e6, SMALL)
    drawn = privacy.table(small(), "score", rng=np.random.default_rng(2))
    real = small()
    # 25 rows have a gap in the score, which must be complete, and are left out.
    assert len(drawn) == 275
    kept = ~np.isnan(real.values["score"])
    assert [c.name for c in drawn.columns] == [c.name for c in real.columns]
    assert drawn["specialty"].levels == ("oncology", "hematology", None)
    for name, order in (("specialty", [1, 0, 2]), ("region", [0, 1, 2]), ("covered", [0, 1])):
        counted = np.bincount(real.values[name][kept])[order]
        assert np.abs(np.bincount(drawn.values[name]) - counted).max() <= 2
        assert drawn.values[name].dtype == np.int32
    deciles = [np.bincount(of.astype(int)) for of in (drawn.values["decile"], real.values["decile"][kept])]
    assert np.abs(deciles[0] - deciles[1]).max() <= 2
    visits = drawn.values["visits"]
    assert abs(np.isnan(visits).sum() - 50) <= 2
    assert (visits[~np.isnan(visits)] == np.floor(visits[~np.isnan(visits)])).all()
    assert (drawn.values["score"] >= 0).all()
    assert (drawn.values["score"] <= 1).all()
    assert abs((drawn.values["score"] < 0.5).sum() - (real.values["score"][kept] < 0.5).sum()) <= 2
    # Deciles and regions belong together in twelves: so they do in the drawn rows.
    together, expected = (
        np.corrcoef(of["decile"][rows], of["score"][rows])[0, 1]
        for of, rows in ((drawn.values, slice(None)), (real.values, kept))
    )
    assert together == pytest.approx(expected, abs=0.25)


def test_a_private_table_as_it_is() -> None:
    privacy = DifferentialPrivacy(5.0, SMALL)
    drawn = privacy.table(small(), "score", ["visits <= decile"], rng=np.random.default_rng(11))
    assert not (drawn.values["visits"] > drawn.values["decile"]).any()
    shown = {
        name: {"sum": np.nansum(v), "gaps": int(np.isnan(v).sum()), "first": v[:25]} for name, v in drawn.values.items()
    }
    check_golden(__file__, "private_table", {"rows": len(drawn), **shown})


def test_a_domain_for_every_column_is_needed() -> None:
    with pytest.raises(ValidationError, match="declare the domain of 'visits'"):
        DifferentialPrivacy(1.0, {k: v for k, v in SMALL.items() if k != "visits"}).table(small(), "score")
